//! Clean international numbers: a plus, digits, nothing else. What a messenger's export holds.
//!
//! Two loads of eight bytes, a few multiplications, two steps of the trie on the average. Only a
//! "yes, and nothing can change it" is said here; everything else is asked again, more slowly.

use super::digits::{POWERS, Pairs, are_ascii_digits, eight, values, word_at};
use super::plan::look_up_after;
use super::tables::{kind_of, region_of};
use super::{Checks, E164, Hint, Reading};

/// Digits that two words hold, overlapping.
const FEWEST: usize = 8;
const MOST: usize = 16;

/// First four digits of a number that was typed along the keys.
const COUNTING_UP: u32 = 1234;
const COUNTING_DOWN: u32 = 9876;

/// The reading of a clean number that is valid as it is written.
#[inline(always)]
pub(super) fn read(text: &[u8], hint: Hint, checks: Checks) -> Option<Reading> {
    let digits = match text {
        [b'+', digits @ ..] => digits,
        digits if hint == Hint::International => digits,
        _ => return None,
    };
    let len = digits.len();
    if !(FEWEST..=MOST).contains(&len) {
        return None;
    }
    let first = word_at(digits, 0)?;
    let last = word_at(digits, len - 8)?;
    if !are_ascii_digits([first, last]) {
        return None;
    }
    let (first, last) = (values(first), values(last));
    let pairs = Pairs::of(first);
    // The last seven digits are one digit, or the first ones count: our checks look closer.
    let suspicious = (last ^ (last << 8)) >> 16 == 0
        || pairs.first_four() == COUNTING_UP
        || pairs.first_four() == COUNTING_DOWN;
    if suspicious && checks == Checks::Damage {
        return None;
    }
    // The last word begins inside the first. Eight bytes shifted by eight are none: two halves, as
    // in `plan`.
    let half = 4 * (MOST - len);
    let answer = look_up_after(pairs, len, || [last >> half >> half, 0]);
    if !answer.is_valid() || answer.prefix_may_matter() {
        return None;
    }
    let behind = last & (u64::MAX << half << half);
    let value = pairs.eight() * *POWERS.get(len - FEWEST)? + eight(behind);
    Some(Reading {
        number: E164::mint(value)?,
        region: region_of(answer.0),
        kind: kind_of(answer.0),
    })
}
