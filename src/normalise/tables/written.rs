//! The prefixes that numbers are written with: worked out from the tables when the program is built.
//!
//! A territory's dialling prefixes are small programs. Where such a program is a few fixed digits,
//! or one of its alternatives is one digit that starts no other, that is said here as digits, so
//! that the common road need not run it. What else a program matches is said as "another".

use super::{RECORD, section_len, words16};

/// A few digits that stand in front of others, one to a byte, the first lowest.
#[derive(Clone, Copy)]
pub(in crate::normalise) struct WrittenPrefix {
    pub(in crate::normalise) digits: u32,
    /// Eight bits a digit; 0 where there is none.
    pub(in crate::normalise) bits: u32,
}

/// What a territory's numbers are written with, where that is always the same digits.
#[derive(Clone, Copy)]
pub(in crate::normalise) struct Written {
    pub(in crate::normalise) code: WrittenPrefix,
    pub(in crate::normalise) idd: WrittenPrefix,
    /// First digits that are a national prefix of one digit, whatever follows.
    trunk: u16,
    /// First digits behind which another national prefix may be.
    other_trunk: u16,
    /// First and second digits of international dialling prefixes of more than one form.
    other_idd: [u16; 2],
}

impl WrittenPrefix {
    pub(in crate::normalise) const NONE: Self = Self { digits: 0, bits: 0 };

    #[inline(always)]
    pub(in crate::normalise) const fn is_in_front_of(self, word: u64) -> bool {
        self.bits != 0 && (word ^ self.digits as u64) << (64 - self.bits) == 0
    }

    /// The digits behind it.
    #[inline(always)]
    pub(in crate::normalise) const fn behind(self, word: u64) -> u64 {
        word >> self.bits
    }

    #[inline(always)]
    pub(in crate::normalise) const fn len(self) -> usize {
        (self.bits / 8) as usize
    }
}

impl Written {
    const NONE: Self = Self {
        code: WrittenPrefix::NONE,
        idd: WrittenPrefix::NONE,
        trunk: 0,
        other_trunk: 0,
        other_idd: [0; 2],
    };

    /// True where a rule that is not one written prefix may have something to say.
    #[inline(always)]
    pub(in crate::normalise) const fn is_closed_to(&self, word: u64) -> bool {
        let [first, second, ..] = word.to_le_bytes();
        let trunk = self.other_trunk >> first;
        let idd = self.other_idd[0] >> first & self.other_idd[1] >> second;
        (trunk | idd) & 1 != 0
    }

    /// How many bits a national prefix takes in front of these digits: eight or none.
    #[inline(always)]
    pub(in crate::normalise) const fn trunk_bits(&self, word: u64) -> u32 {
        8 * (self.trunk >> (word & 0xf) & 1) as u32
    }
}

/// Operations of the programs; above the last one is "matched".
const CLASS: u16 = 0;
const SPLIT: u16 = 1;
const JUMP: u16 = 2;
const SAVE: u16 = 3;
const MATCHED: u16 = 5;

/// What a program stands for, if that is one to four digits and nothing else.
const fn literal(programs: &[u16], start: usize) -> Option<WrittenPrefix> {
    const MOST: usize = 4;
    let mut prefix = WrittenPrefix::NONE;
    let mut at = start;
    while at < programs.len() && at <= start + MOST {
        let word = programs[at];
        if word >> 12 >= MATCHED {
            return Some(prefix);
        }
        if word >> 12 != CLASS || (word & 0xfff).count_ones() != 1 || at == start + MOST {
            return None;
        }
        prefix.digits |= (word & 0xfff).trailing_zeros() << prefix.bits;
        prefix.bits += 8;
        at += 1;
    }
    None
}

/// First digits that a program, from one of its words on, can go on with; `MATCHED`'s are all.
const fn firsts(programs: &[u16], start: usize, counter: usize) -> u16 {
    let word = programs[start + counter];
    let operand = word & 0xfff;
    match word >> 12 {
        CLASS => operand,
        SPLIT => firsts(programs, start, counter + 1) | firsts(programs, start, operand as usize),
        JUMP => firsts(programs, start, operand as usize),
        SAVE => firsts(programs, start, counter + 1),
        _ => 0x3ff,
    }
}

/// True when one digit is all that this way through a program takes.
const fn is_one_digit(programs: &[u16], start: usize, counter: usize) -> bool {
    if programs[start + counter] >> 12 != CLASS {
        return false;
    }
    let mut at = counter + 1;
    while programs[start + at] >> 12 == JUMP {
        at = (programs[start + at] & 0xfff) as usize;
    }
    programs[start + at] >> 12 >= MATCHED
}

/// First digits by which a program matches that one digit and by no other of its alternatives.
const fn one_digit(programs: &[u16], start: usize) -> u16 {
    let (mut alone, mut others) = (0, 0);
    let mut counter = 0;
    loop {
        let word = programs[start + counter];
        let is_last = word >> 12 != SPLIT;
        let way = if is_last { counter } else { counter + 1 };
        let digits = firsts(programs, start, way);
        if is_one_digit(programs, start, way) {
            alone |= digits;
        } else {
            others |= digits;
        }
        if is_last {
            return alone & !others;
        }
        counter = (word & 0xfff) as usize;
    }
}

/// By territory number; 256 of them, as in `CODES`.
static WRITTEN: [Written; 256] = written();

/// What a territory's numbers are written with, by its number.
#[inline(always)]
pub(super) fn of(territory: u16) -> &'static Written {
    &WRITTEN[usize::from(territory & 0xff)]
}

// Some thousand steps; the lint is about loops without an end.
#[allow(long_running_const_eval)]
const fn written() -> [Written; 256] {
    let words: [u16; section_len(2)] = words16(2);
    let programs: [u16; section_len(6)] = words16(6);
    let mut all = [Written::NONE; 256];
    let mut index = 1;
    while index < words.len() / RECORD {
        let at = index * RECORD;
        let mut written = Written::NONE;
        let len = words[at + 13] >> 8;
        written.code.digits = words[at + 12] as u32 | (words[at + 13] as u32 & 0xff) << 16;
        written.code.bits = 8 * len as u32;
        let (idd, trunk) = (words[at + 7] as usize, words[at + 8] as usize);
        match literal(&programs, idd) {
            Some(prefix) if idd != 0 => written.idd = prefix,
            _ => written.other_idd = [words[at + 14], words[at + 16]],
        }
        if trunk != 0 {
            written.trunk = one_digit(&programs, trunk);
            written.other_trunk = words[at + 15] & !written.trunk;
        }
        all[index] = written;
        index += 1;
    }
    all
}
