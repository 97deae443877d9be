//! Which number does this text mean?
//!
//! [`read`] turns a cell into an [`E164`] with its [`Region`] and [`NumberType`], or into a
//! [`RejectReason`]. The decision is libphonenumber's (parse, then `is_valid_number`, then
//! E.164), with the metadata of the pinned `rlibphonenumber`. In front of it, where the caller
//! asks for [`Checks::Damage`], stand our own checks for numbers that were damaged on the way and
//! that the telecom rules would read as somebody else's.
//!
//! It promises: the same text and hint give the same answer, no text panics, and no answer holds
//! any of the text. It leaves to others: whether the person may be used (`consent`) and which
//! number types are a person's (the policy).

use std::borrow::Cow;

mod damage;
mod e164;
mod reason;
mod region;
mod second_reader;
mod slow;
mod suppress;

pub use damage::numbers_in_cell;
pub use e164::{E164, E164_TEXT_LEN};
pub use reason::{RejectReason, Unread};
pub use region::{NumberType, Region};
pub use slow::METADATA_VERSION;
pub use suppress::{is_valid, read_for_suppression};

/// A number that was read: sixteen bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reading {
    /// The number.
    pub number: E164,
    /// The territory whose numbering plan it belongs to.
    pub region: Region,
    /// Its type in that plan.
    pub kind: NumberType,
}

/// How a text without an international prefix is to be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Hint {
    /// The digits start with a calling code: a messenger's export, where a missing plus is only
    /// a missing plus. Reading it against a default region would make other people of most.
    International,
    /// National spellings are this region's.
    Region(Region),
    /// Nothing is known: only international spellings can be read.
    None,
}

/// Which checks stand in front of libphonenumber's decision.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Checks {
    /// None: the decision is libphonenumber's alone.
    Library,
    /// Ours for damaged numbers, stricter on purpose.
    Damage,
}

/// Reads one cell.
///
/// # Errors
///
/// A [`RejectReason`] when the text is not a valid number, or is damaged.
pub fn read(text: &[u8], hint: Hint, checks: Checks) -> Result<Reading, RejectReason> {
    if text.contains(&0) {
        return Err(RejectReason::NulByte);
    }
    let text = std::str::from_utf8(text).map_err(|_| RejectReason::BadEncoding)?;
    match checks {
        Checks::Library => decide(text, hint),
        Checks::Damage => {
            let screened = damage::screen(text, hint)?;
            let reading = decide(&screened.text, screened.hint)?;
            if damage::is_placeholder(reading.number, slow::calling_code_len(reading.number)) {
                return Err(RejectReason::Placeholder);
            }
            Ok(reading)
        }
    }
}

/// libphonenumber's decision under a hint.
fn decide(text: &str, hint: Hint) -> Result<Reading, RejectReason> {
    match hint {
        Hint::Region(region) => slow::read(text, Some(region)),
        Hint::None => slow::read(text, None),
        Hint::International => slow::read(&with_plus(text), None),
    }
}

/// Puts the missing plus in front of the first digit, where no plus stands already.
fn with_plus(text: &str) -> Cow<'_, str> {
    let starts_a_number = |c: char| matches!(c, '+' | '\u{ff0b}') || slow::is_decimal_digit(c);
    match text.find(starts_a_number) {
        Some(at)
            if !text[at..].starts_with(['+', '\u{ff0b}'])
                && !text.contains(slow::PHONE_CONTEXT) =>
        {
            Cow::Owned(format!("{}+{}", &text[..at], &text[at..]))
        }
        _ => Cow::Borrowed(text),
    }
}
