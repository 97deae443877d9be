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
//!
//! # How it is fast
//!
//! Three readers stand one behind the other. Each says only what it is sure of and passes the
//! rest on; [`Outcome::path`] says who decided, and the report counts it.
//!
//! 1. **Clean** (`clean`): a plus and 8 to 16 digits and nothing else, or the digits alone where
//!    the hint says that they are international. It loads two words, looks the number up in the
//!    plan and is done, if the number is valid as written.
//! 2. **Spelled** (`gate`, `dialled`, `rules`): the gate lets through digits, a leading plus and
//!    what libphonenumber drops without a thought: its punctuation between digits, anything in
//!    front of the first digit, anything but letters, digits and `#` behind the last. A number
//!    that is international, or dialled at home as most territories dial, and valid, is decided by
//!    one look into the plan (`dialled`). For all others the rules of libphonenumber's
//!    `parseHelper` are followed on the digits (`rules`): international dialling prefix, the
//!    region's own calling code, national prefix, carrier code, transform rule, lengths. What
//!    could be an extension, a second number, a parameter of RFC 3966 or a vanity number does not
//!    pass the gate, and neither does a character that is not listed.
//! 3. **Slow** (`slow`): `rlibphonenumber` itself.
//!
//! # The automaton
//!
//! libphonenumber's question "is this national number valid, in which territory, of which type"
//! is a dozen regular expressions for each of 254 territories. They use digits, classes, groups,
//! `|`, `?` and counts, so each describes a finite set of strings, and together they are one
//! automaton over calling code and national number: 14 167 states, whose final ones say
//! territory and type. For a shared calling code the first territory that claims a number by its
//! leading digits, or for which the number is valid, takes it; validity is judged there alone.
//!
//! A number is decided long before its end: after the calling code, one to five digits decide,
//! and then only the length still matters. So the automaton is laid out as a trie (`plan`) with
//! steps of four digits, then one or two; a leaf holds the answer and the lengths that are
//! possible. The average number needs two loads from 550 KB.
//!
//! # Why a national prefix seldom matters
//!
//! libphonenumber strips national prefixes from international numbers too (`+44 0791…`), so a
//! number that is valid as written could still be read as another. It could only where it starts
//! with the national prefix of its calling code's main territory. The generator runs that
//! prefix's pattern beside the automaton and marks every valid number that begins with one. In
//! 200 of 215 calling codes there is none. The other fifteen (`phone-tables` prints them: 7, 54,
//! 55, 62, 66, 81, 82, 91, 250, 261, 359, 370, 375, 598, 672) have such numbers, mostly with one
//! first digit; a marked answer is not taken, and `rules` decides with all of libphonenumber's
//! steps. Prefix patterns there run as small programs for a backtracking matcher (`prefix`),
//! because which alternative comes first matters for what a rule captures.
//!
//! # Upgrading the metadata
//!
//! Change the pinned version of `rlibphonenumber`, set [`METADATA_VERSION`], and run
//!
//! ```text
//! cargo run --release --example phone-tables
//! cargo test --release --test main -- --include-ignored --skip dump_for
//! ```
//!
//! The first writes `tables/phone.tables`, with version and digest of the metadata file in front.
//! It stops if a pattern or a rule has a form that the reader does not know. The tests fail while
//! tables, slow path and metadata file disagree, or if one of twelve million made-up numbers is
//! decided otherwise than by the library. Then the corpus has to be made anew.
//!
//! If the layout of the file changes, change the digit in its magic bytes, in the generator and
//! in `tables`, and build the generator before you replace the file.

use std::borrow::Cow;

use gate::{Gate, Scanned};
use tables::Territory;

mod batch;
mod clean;
mod columns;
mod damage;
mod dialled;
mod digits;
mod e164;
mod explain;
mod gate;
mod plan;
mod prefix;
mod reason;
mod region;
mod rules;
mod second_reader;
mod slow;
mod suppress;
mod tables;
mod texts;

pub use batch::{Cell, Readings, Tally, read_array, read_cells};
pub use columns::{Hints, MOST_ROWS, columns_type, read_columns};
pub use damage::numbers_in_cell;
pub use e164::{E164, E164_TEXT_LEN};
pub use explain::{Explanation, explain};
pub use reason::{RejectReason, Unread};
pub use region::{NumberType, Region};
pub use slow::METADATA_VERSION;
pub use suppress::{WideReading, is_valid, read_for_suppression};
pub use tables::{metadata_digest, tables_version};
pub(crate) use texts::with_cells;
pub use texts::{NotText, Texts};

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

impl Hint {
    /// How a row's number is to be read: against its own country, else as the source's are. A
    /// country that nobody can read is not the source's: only international spellings can be read
    /// then.
    #[must_use]
    pub fn of_row(country: &[u8], default: Self) -> Self {
        match Region::from_code(country) {
            Some(region) => Self::Region(region),
            None if country.trim_ascii().is_empty() => default,
            None => Self::None,
        }
    }
}

/// Which checks stand in front of libphonenumber's decision.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Checks {
    /// None: the decision is libphonenumber's alone.
    Library,
    /// Ours for damaged numbers, stricter on purpose.
    Damage,
}

/// Whether `rlibphonenumber` was asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Path {
    /// It was not: the tables decided, or a check of ours refused the text before any reader.
    Fast,
    /// It was, because the tables were not sure.
    Slow,
}

/// A decision, and who took it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Outcome {
    /// The decision.
    pub result: Result<Reading, RejectReason>,
    /// Who took it.
    pub path: Path,
}

impl Outcome {
    const fn fast(result: Result<Reading, RejectReason>) -> Self {
        Self { result, path: Path::Fast }
    }
}

/// Reads one cell.
///
/// # Errors
///
/// A [`RejectReason`] when the text is not a valid number, or is damaged.
#[inline(always)]
pub fn read(text: &[u8], hint: Hint, checks: Checks) -> Result<Reading, RejectReason> {
    read_by(text, hint, checks).result
}

/// Reads one cell, and says which reader did.
// A call costs as much as the clean reader itself; what is not clean leaves this function.
#[inline(always)]
#[must_use]
pub fn read_by(text: &[u8], hint: Hint, checks: Checks) -> Outcome {
    match clean::read(text, hint, checks) {
        Some(reading) => Outcome::fast(Ok(reading)),
        None => read_spelled(text, hint, checks),
    }
}

/// The same for columns: pushes the decision, and says who took it.
// A decision that the common road leaves in registers is stored from there. Where it is first put
// with those of the other roads, it is loaded from what was just stored in pieces, which waits.
#[inline(always)]
pub(crate) fn push_read(
    text: &[u8],
    (hint, checks): (Hint, Checks),
    read: &mut Vec<Result<Reading, RejectReason>>,
) -> Path {
    if let Some(reading) = clean::read(text, hint, checks) {
        read.push(Ok(reading));
        return Path::Fast;
    }
    let Outcome { result, path } = read_spelled(text, hint, checks);
    read.push(result);
    path
}

/// Reads what is not a clean international number.
// Digits that go from one function to the next by way of memory cost more than the rules do, so
// the common road is one function and all others leave it.
#[inline(never)]
fn read_spelled(text: &[u8], hint: Hint, checks: Checks) -> Outcome {
    let Some(scanned) = gate::scan_plain(text, hint) else {
        return read_oddly_spelled(text, hint, checks);
    };
    if checks == Checks::Library || !looks_damaged(&scanned) {
        match dialled::read(scanned.digits, scanned.plus, home_of(hint)) {
            Some(reading) if checks == Checks::Library || !ends_in_one_digit(reading.number) => {
                return Outcome::fast(Ok(reading));
            }
            _ => {}
        }
    }
    read_ruled(&scanned, text, hint, checks)
}

/// Reads what has more in it than digits and plain punctuation.
#[inline(never)]
fn read_oddly_spelled(text: &[u8], hint: Hint, checks: Checks) -> Outcome {
    match gate::scan(text, hint, checks) {
        Gate::Open(scanned) => read_ruled(&scanned, text, hint, checks),
        Gate::TooFew if checks == Checks::Library => Outcome::fast(Err(RejectReason::NotANumber)),
        Gate::TooFew | Gate::Closed => read_fully(text, hint, checks, decide),
    }
}

/// Reads digits that the plan alone does not decide on.
#[inline(never)]
fn read_ruled(scanned: &Scanned, text: &[u8], hint: Hint, checks: Checks) -> Outcome {
    if checks == Checks::Library || !looks_damaged(scanned) {
        match (decide_scanned(scanned, hint), checks) {
            (Some(Ok(reading)), Checks::Damage) if ends_in_one_digit(reading.number) => {}
            (Some(result), _) => return Outcome::fast(result),
            (None, _) => {}
        }
    }
    read_fully(text, hint, checks, decide)
}

/// Reads one cell by `rlibphonenumber` alone: the oracle that the tables are tested against.
///
/// # Errors
///
/// As [`read`].
pub fn read_slowly(text: &[u8], hint: Hint, checks: Checks) -> Result<Reading, RejectReason> {
    read_fully(text, hint, checks, decide_slowly).result
}

/// Reads with every check, one after the other.
#[cold]
fn read_fully(
    text: &[u8],
    hint: Hint,
    checks: Checks,
    decide: fn(&str, Hint) -> Outcome,
) -> Outcome {
    if text.contains(&0) {
        return Outcome::fast(Err(RejectReason::NulByte));
    }
    let Ok(text) = std::str::from_utf8(text) else {
        return Outcome::fast(Err(RejectReason::BadEncoding));
    };
    if checks == Checks::Library {
        return decide_slowly(text, hint);
    }
    let screened = match damage::screen(text, hint) {
        Ok(screened) => screened,
        Err(reason) => return Outcome::fast(Err(reason)),
    };
    let mut outcome = decide(&screened.text, screened.hint);
    if let Ok(reading) = outcome.result
        && damage::is_placeholder(reading.number)
    {
        outcome.result = Err(RejectReason::Placeholder);
    }
    outcome
}

/// libphonenumber's decision under a hint, by the tables where they can.
fn decide(text: &str, hint: Hint) -> Outcome {
    let fast = match gate::scan(text.as_bytes(), hint, Checks::Library) {
        Gate::Open(scanned) => decide_scanned(&scanned, hint),
        Gate::TooFew => Some(Err(RejectReason::NotANumber)),
        Gate::Closed => None,
    };
    fast.map_or_else(|| decide_slowly(text, hint), Outcome::fast)
}

fn decide_scanned(scanned: &Scanned, hint: Hint) -> rules::Decision {
    rules::decide(scanned.digits, scanned.plus, home_of(hint))
}

/// The territory that national spellings are of.
#[inline(always)]
fn home_of(hint: Hint) -> Option<Territory> {
    match hint {
        Hint::Region(region) => Territory::of(region),
        Hint::International | Hint::None => None,
    }
}

/// True where a check for damage might find something; the checks themselves then say what.
fn looks_damaged(scanned: &Scanned) -> bool {
    /// The first four digits of a number typed along the keys, upwards and downwards.
    const COUNTING: [u64; 2] = [0x0403_0201, 0x0607_0809];
    let digits = scanned.digits;
    let significant = digits.without_first(digits.leading_zeros());
    !digits.are_few()
        || scanned.marks.foreign_digits
        || (scanned.marks.point_or_slash
            && (digits.len() >= 2 * damage::DIGITS_OF_A_NUMBER
                || digits.at(digits.len() - 1) == Some(0)))
        || COUNTING.contains(&(significant.first_word() & 0xffff_ffff))
        || significant.are_one_digit()
}

/// True when the last seven digits are the same: perhaps a placeholder.
fn ends_in_one_digit(number: E164) -> bool {
    (number.expose_digits() % 10_000_000).is_multiple_of(1_111_111)
}

/// `rlibphonenumber`'s decision under a hint.
fn decide_slowly(text: &str, hint: Hint) -> Outcome {
    let result = match hint {
        Hint::Region(region) => slow::read(text, Some(region)),
        Hint::None => slow::read(text, None),
        Hint::International => slow::read(&with_plus(text), None),
    };
    Outcome { result, path: Path::Slow }
}

/// Puts the missing plus in front of the first digit, where no plus stands already.
fn with_plus(text: &str) -> Cow<'_, str> {
    match text.find(slow::starts_a_number) {
        Some(at)
            if !text[at..].starts_with(['+', '\u{ff0b}'])
                && !text.contains(slow::PHONE_CONTEXT) =>
        {
            Cow::Owned(format!("{}+{}", &text[..at], &text[at..]))
        }
        _ => Cow::Borrowed(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_pushed_is_what_is_read() {
        let texts = [
            "+12025550123",
            "12025550123",
            "+1 (202) 555-0123",
            "0044 20 7946 0958",
            "",
            "+",
            "\0",
            "+120255501234567890",
            "+1202555012x",
            "call +12025550123",
            "+447700900123",
            "7777777777",
        ];
        let mut read = Vec::new();
        for text in texts {
            for hint in [Hint::International, Hint::None] {
                for checks in [Checks::Library, Checks::Damage] {
                    let path = push_read(text.as_bytes(), (hint, checks), &mut read);
                    let outcome = read_by(text.as_bytes(), hint, checks);
                    assert!(read.last() == Some(&outcome.result) && path == outcome.path);
                }
            }
        }
        assert_eq!(read.len(), 4 * texts.len());
        assert!(read.iter().any(Result::is_ok) && read.iter().any(Result::is_err));
    }

    /// Found by the fuzz target: more zeros in front than the quick look at a filler counted.
    #[test]
    fn a_filler_behind_many_zeros_is_a_placeholder() {
        for zeros in 0..30 {
            let text = format!("{}777777777", "0".repeat(zeros));
            let read = |read: fn(&[u8], Hint, Checks) -> Result<Reading, RejectReason>| {
                read(text.as_bytes(), Hint::None, Checks::Damage)
            };
            assert!(read(read_slowly) == Err(RejectReason::Placeholder));
            assert!(read(super::read) == Err(RejectReason::Placeholder));
        }
    }
}
