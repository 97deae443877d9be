//! The world's numbering plan: is this calling code and national number valid, where, as what?
//!
//! The automaton is laid out as a trie. The first step eats four digits, the second and third one
//! or two, and a leaf is reached as soon as only the length can still matter; on the average that
//! takes two loads. A leaf holds the answer and sixteen bits for the lengths 5 to 20, or the
//! number of a row of answers by length. Past its end a number counts as going on with zeros.

use std::hint::select_unpredictable;

use super::digits::{POWERS, Pairs, eight};
use super::tables::{ENTRIES, ROWS};

/// Bit of an entry: no more digits are needed.
const LEAF: u32 = 1 << 31;
/// Bit of a leaf: the answer depends on the length.
const BY_LENGTH: u32 = 1 << 30;
/// Bit of another entry: two digits are eaten at the next step, not one.
const PAIR: u32 = 1 << 29;
/// Bits of another entry: where the next step's entries begin.
const BASE: u32 = PAIR - 1;
/// Shortest length that a leaf tells apart, and how many.
const SHORTEST: usize = 5;
const LENGTHS: usize = 16;

/// Digits of the longest number that fits the answer (ITU-T E.164 says 15; Japan has 19).
pub(super) const LONGEST: usize = 19;

/// What the plan says of a number: 0 for "not valid", else territory and type.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Answer(pub(super) u16);

impl Answer {
    const PREFIX_MAY_MATTER: u16 = 1 << 12;

    pub(super) const fn is_valid(self) -> bool {
        self.0 != 0
    }

    /// The territory's number in the tables.
    pub(super) const fn territory(self) -> u16 {
        self.0 >> 4 & 0xff
    }

    /// True when taking off a national prefix might make another number of a valid one.
    pub(super) const fn prefix_may_matter(self) -> bool {
        self.0 & Self::PREFIX_MAY_MATTER != 0
    }
}

/// The digits of a number, eight to a word, zeros behind its end.
#[derive(Clone, Copy)]
pub(super) struct Number {
    pub(super) words: [u64; 3],
    pub(super) len: usize,
}

/// What the plan says of a number with its calling code.
#[inline]
pub(super) fn look_up(number: &Number) -> Answer {
    let [first, second, third] = number.words;
    look_up_after(Pairs::of(first), number.len, || [second, third])
}

/// The same, where the first eight digits are already pairs; those behind are seldom asked for.
#[inline(always)]
pub(super) fn look_up_after(pairs: Pairs, len: usize, behind: impl FnOnce() -> [u64; 2]) -> Answer {
    // Whether four digits are enough cannot be guessed, so a second step is made in any case; a
    // third one so would cost more than it saves.
    let entry = step_on(entry_at(pairs.first_four()), pairs.third());
    let leaf = if entry & LEAF == 0 { walk_on(entry, pairs.fourth(), behind) } else { entry };
    answer(leaf, len)
}

/// One step, or none from a leaf.
#[inline(always)]
fn step_on(entry: u32, pair: u32) -> u32 {
    let goes_on = entry & LEAF == 0;
    let at = select_unpredictable(goes_on, next(entry, pair), 0);
    select_unpredictable(goes_on, entry_at(at), entry)
}

/// One step by a pair of digits, or by its first digit alone.
#[inline]
fn step(entry: u32, pair: u32) -> u32 {
    entry_at(next(entry, pair))
}

/// Where that step's entry is.
#[inline]
fn next(entry: u32, pair: u32) -> u32 {
    (entry & BASE) + if entry & PAIR != 0 { pair } else { tens(pair) }
}

/// The first of two digits.
#[inline]
const fn tens(pair: u32) -> u32 {
    (pair * 103) >> 10
}

/// From the seventh digit on; behind the eighth the steps are single digits.
#[inline]
fn walk_on(entry: u32, pair: u32, behind: impl FnOnce() -> [u64; 2]) -> u32 {
    let fourth = step(entry, pair);
    if fourth & LEAF != 0 {
        return fourth;
    }
    let by_one = entry & PAIR == 0;
    deep(if by_one { step(fourth | PAIR, pair - 10 * tens(pair)) } else { fourth }, behind())
}

/// From the ninth digit on.
#[inline(never)]
fn deep(mut entry: u32, behind: [u64; 2]) -> u32 {
    for word in behind {
        for digit in word.to_le_bytes() {
            if entry & LEAF != 0 {
                return entry;
            }
            entry = entry_at((entry & BASE) + u32::from(digit));
        }
    }
    entry
}

#[inline]
fn entry_at(index: u32) -> u32 {
    ENTRIES.get(index as usize).copied().unwrap_or(LEAF)
}

#[inline]
fn answer(leaf: u32, len: usize) -> Answer {
    let length = len.wrapping_sub(SHORTEST);
    if length >= LENGTHS {
        return Answer(0);
    }
    let [low, high, ..] = leaf.to_le_bytes();
    let low = u16::from_le_bytes([low, high]);
    if leaf & BY_LENGTH != 0 {
        return Answer(ROWS.get(usize::from(low) * LENGTHS + length).copied().unwrap_or(0));
    }
    let possible = leaf >> (13 + length) & 1 != 0;
    Answer(if possible { low & 0x1fff } else { 0 })
}

impl Number {
    /// The number as an integer; at most [`LONGEST`] digits.
    #[inline]
    pub(super) fn value(&self) -> u64 {
        match self.len {
            len @ 8..=16 => value_of_two_words(eight(self.words[0]), self.words[1], len - 8),
            len @ 0..8 => eight(shifted(self.words[0], len)),
            len => {
                let behind = (len - 16).min(8);
                value_of_two_words(eight(self.words[0]), self.words[1], 8) * POWERS[behind]
                    + eight(shifted(self.words[2], behind))
            }
        }
    }
}

/// The first word's value, followed by `count` digits of the second word.
#[inline]
pub(super) fn value_of_two_words(first: u64, second: u64, count: usize) -> u64 {
    first * POWERS[count.min(8)] + eight(shifted(second, count))
}

/// The first `count` of eight digits, moved to the end behind zeros. In two halves, because a
/// shift by all 64 bits is none.
#[inline]
const fn shifted(word: u64, count: usize) -> u64 {
    let half = 4 * (8 - count);
    word << half << half
}
