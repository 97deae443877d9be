//! The generated tables as the reader sees them: constants, laid out when the program is built.
//!
//! `tables/phone.tables` is written by `cargo run --release --example phone-tables` and is never
//! edited. Nothing is decoded, allocated or locked at run time.

use super::{NumberType, Region};

mod written;

pub(super) use written::{Written, WrittenPrefix};

/// The generated file.
const FILE: &[u8] = include_bytes!("tables/phone.tables");

const MAGIC: &[u8; 8] = b"PHONETB1";
const VERSION_AT: usize = MAGIC.len();
const VERSION_LEN: usize = 16;
const DIGEST_AT: usize = VERSION_AT + VERSION_LEN;
const DIGEST_LEN: usize = 32;
const LENGTHS_AT: usize = DIGEST_AT + DIGEST_LEN;
const SECTIONS: usize = 7;
const ENTRIES_AT: usize = LENGTHS_AT + 4 * SECTIONS;

/// How many words section `index` has.
const fn section_len(index: usize) -> usize {
    word32(LENGTHS_AT + 4 * index) as usize
}

/// Where section `index` starts: the first has words of four bytes, the others of two.
const fn section_at(index: usize) -> usize {
    if index == 0 {
        return ENTRIES_AT;
    }
    let width = if index == 1 { 4 } else { 2 };
    section_at(index - 1) + width * section_len(index - 1)
}

const fn word32(at: usize) -> u32 {
    u32::from_le_bytes([FILE[at], FILE[at + 1], FILE[at + 2], FILE[at + 3]])
}

const fn words16<const N: usize>(section: usize) -> [u16; N] {
    let start = section_at(section);
    let mut words = [0; N];
    let mut index = 0;
    while index < N {
        let at = start + 2 * index;
        words[index] = u16::from_le_bytes([FILE[at], FILE[at + 1]]);
        index += 1;
    }
    words
}

// The trie has some hundred thousand words; the lint is about loops without an end.
#[allow(long_running_const_eval)]
const fn words32<const N: usize>() -> [u32; N] {
    let mut words = [0; N];
    let mut index = 0;
    while index < N {
        words[index] = word32(ENTRIES_AT + 4 * index);
        index += 1;
    }
    words
}

const fn checked() {
    let mut index = 0;
    while index < MAGIC.len() {
        assert!(FILE[index] == MAGIC[index], "not a table file of this layout");
        index += 1;
    }
    assert!(FILE.len() == section_at(SECTIONS - 1) + 2 * section_len(SECTIONS - 1));
}

const _: () = checked();

/// The trie: blocks of entries, see [`super::plan`].
#[allow(long_running_const_eval)]
pub(super) static ENTRIES: [u32; section_len(0)] = words32();
/// Answers by length, for the leaves with more than one.
pub(super) static ROWS: [u16; section_len(1)] = words16(1);
static TERRITORIES: [u16; section_len(2)] = words16(2);
static REGIONS: [u16; section_len(3)] = words16(3);
static CALLING_CODES: [u16; section_len(4)] = words16(4);
/// The general patterns' automata, ten words a state.
pub(super) static AUTOMATA: [u16; section_len(5)] = words16(5);
/// The prefix patterns' programs.
pub(super) static PROGRAMS: [u16; section_len(6)] = words16(6);

/// Two letters of each territory, by its number; 256 of them, so that a byte is always in range.
static CODES: [Region; 256] = codes();

const RECORD: usize = 17;

const fn codes() -> [Region; 256] {
    let words: [u16; section_len(2)] = words16(2);
    let mut codes = [Region::WORLD; 256];
    let mut index = 1;
    while index < words.len() / RECORD {
        codes[index] = Region::from_bytes(words[index * RECORD].to_be_bytes());
        index += 1;
    }
    codes
}

/// A territory's number in the tables; 0 is none.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Territory(u16);

/// How a number is rebuilt behind a national prefix: a literal, then what a group captured.
#[derive(Clone, Copy)]
pub(super) struct Transform {
    /// The group, 1 or 2; 0 where there is no rule.
    pub(super) group: u16,
    /// The literal's value and its digits.
    pub(super) literal: u16,
    /// How many digits it has, leading zeros included.
    pub(super) literal_len: usize,
}

impl Territory {
    /// The territory of a region code, if it has a numbering plan of its own.
    pub(super) fn of(region: Region) -> Option<Self> {
        let [a, b] = region.to_bytes();
        let (a, b) = (a.wrapping_sub(b'A'), b.wrapping_sub(b'A'));
        if a >= 26 || b >= 26 {
            return None;
        }
        let number = REGIONS[usize::from(a) * 26 + usize::from(b)];
        (number != 0).then_some(Self(number))
    }

    fn word(self, field: usize) -> u16 {
        TERRITORIES[usize::from(self.0) * RECORD + field]
    }

    fn bits(self, field: usize) -> u32 {
        u32::from(self.word(field)) | u32::from(self.word(field + 1)) << 16
    }

    /// What its numbers are written with.
    #[inline(always)]
    pub(super) fn written(self) -> &'static Written {
        written::of(self.0)
    }

    /// Its number in the tables, as the trie's answers hold it.
    pub(super) fn number(self) -> u16 {
        self.0
    }

    /// The digits of its calling code, one to a byte, and how many they are.
    #[inline]
    pub(super) fn calling_code(self) -> (u64, usize) {
        let [first, second] = self.word(12).to_le_bytes();
        let [third, len] = self.word(13).to_le_bytes();
        (u64::from_le_bytes([first, second, third, 0, 0, 0, 0, 0]), usize::from(len))
    }

    /// Whether an international dialling prefix can start with two digits.
    #[inline]
    pub(super) fn idd_starts_with(self, first: u8, second: u8) -> bool {
        self.word(14) >> first & self.word(16) >> second & 1 != 0
    }

    /// Whether a national prefix can start with a digit.
    #[inline]
    pub(super) fn national_prefix_starts_with(self, digit: u8) -> bool {
        self.word(15) >> digit & 1 != 0
    }

    /// Lengths of its national numbers, as bits.
    pub(super) fn lengths(self) -> u32 {
        self.bits(2)
    }

    /// Lengths of numbers that can be dialled only nearby, as bits.
    pub(super) fn local_lengths(self) -> u32 {
        self.bits(4)
    }

    /// Start of the automaton of all its numbers, whatever their length.
    pub(super) fn general(self) -> u16 {
        self.word(6)
    }

    /// Program of the international dialling prefix, or 0.
    pub(super) fn idd(self) -> usize {
        usize::from(self.word(7))
    }

    /// Program of the national prefix, or 0.
    pub(super) fn national_prefix(self) -> usize {
        usize::from(self.word(8))
    }

    pub(super) fn transform(self) -> Transform {
        Transform {
            group: self.word(9),
            literal: self.word(10),
            literal_len: usize::from(self.word(11)),
        }
    }
}

/// A known calling code: how many digits it has, and the territory whose rules speak for it.
#[derive(Clone, Copy)]
pub(super) struct CallingCode {
    pub(super) len: usize,
    pub(super) main: Territory,
}

/// The calling code at the start of three digits (ITU-T E.164 is a prefix code).
pub(super) fn calling_code(first_three: usize) -> Option<CallingCode> {
    let word = CALLING_CODES.get(first_three).copied().unwrap_or(0);
    (word != 0)
        .then_some(CallingCode { len: usize::from(word >> 12), main: Territory(word & 0xfff) })
}

/// The region in a valid answer of the trie.
pub(super) fn region_of(answer: u16) -> Region {
    CODES[usize::from(answer >> 4 & 0xff)]
}

/// The number type in a valid answer of the trie.
pub(super) fn kind_of(answer: u16) -> NumberType {
    const KINDS: [NumberType; 16] = {
        let mut kinds = [NumberType::Unknown; 16];
        let mut index = 0;
        while index < NumberType::ALL.len() {
            kinds[index] = NumberType::ALL[index];
            index += 1;
        }
        kinds
    };
    KINDS[usize::from(answer & 0xf)]
}

/// The metadata version that the generator wrote into the tables.
#[must_use]
pub fn tables_version() -> &'static str {
    let version = &FILE[VERSION_AT..DIGEST_AT];
    let end = version.iter().position(|&b| b == 0).unwrap_or(version.len());
    std::str::from_utf8(&version[..end]).unwrap_or("")
}

/// SHA-256 of the metadata file that the tables were made from.
#[must_use]
pub fn metadata_digest() -> [u8; 32] {
    let mut digest = [0; DIGEST_LEN];
    digest.copy_from_slice(&FILE[DIGEST_AT..LENGTHS_AT]);
    digest
}
