//! Numbers as most people write them: international, or dialled at home behind a prefix that is
//! always the same few digits, or behind none.
//!
//! Three in four territories have one national prefix and one international dialling prefix, and
//! no other rule that could change a number. There the steps of `rules` come down to two shifts,
//! which are worked out without a branch on what was found, and one look into the plan. Only a
//! valid number is answered here; for all others, and for territories with more to say, `rules`
//! is asked.

use std::hint::select_unpredictable;

use super::Reading;
use super::digits::{Digits, Pairs, low};
use super::plan::{look_up_after, value_of_two_words};
use super::rules::reading_of;
use super::tables::{Territory, WrittenPrefix};

/// Digits that two words hold, and whose value two words give.
const LENGTHS: std::ops::RangeInclusive<usize> = 8..=16;

/// The reading of a number that is valid and that no further rule can change.
#[inline(always)]
pub(super) fn read(digits: Digits, plus: bool, home: Option<Territory>) -> Option<Reading> {
    if !digits.are_few() {
        return None;
    }
    let front = digits.front();
    let (number, len, home) = match home {
        _ if plus => (front, digits.len(), None),
        Some(home) => international(front, digits.len(), home)?,
        None => return None,
    };
    if !LENGTHS.contains(&len) {
        return None;
    }
    let pairs = Pairs::of(low(number));
    let second = low(number >> 64);
    let answer = look_up_after(pairs, len, || [second, 0]);
    let certain = match home {
        // What `national` in `rules` asks of a number behind its own calling code.
        Some(home) => answer.territory() == home.number(),
        None => !answer.prefix_may_matter(),
    };
    if !answer.is_valid() || !certain {
        return None;
    }
    reading_of(answer, value_of_two_words(pairs.eight(), second, len - LENGTHS.start())).ok()
}

/// The digits with their calling code in front; and the territory whose own they are, unless they
/// came behind an international dialling prefix.
#[inline(always)]
fn international(
    front: u128,
    len: usize,
    home: Territory,
) -> Option<(u128, usize, Option<Territory>)> {
    let written = home.written();
    let word = low(front);
    let abroad = written.idd.is_in_front_of(word);
    let no_code_behind = abroad && written.idd.behind(word) & 0xff == 0;
    let own_code = !abroad && written.code.is_in_front_of(word);
    if written.is_closed_to(word) | no_code_behind | own_code {
        return None;
    }
    let trunk = written.trunk_bits(word);
    let dropped = select_unpredictable(abroad, written.idd.bits, trunk);
    let added = select_unpredictable(abroad, WrittenPrefix::NONE, written.code);
    let number = (front >> dropped) << added.bits | u128::from(added.digits);
    let len = (len + added.len()).checked_sub(dropped as usize / 8)?;
    Some((number, len, (!abroad).then_some(home)))
}
