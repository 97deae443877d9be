//! May this person be used for this purpose?
//!
//! Consent is on the **person's number**, not on the row: one denied account row, one opt-out, in
//! any file, in any order and under any alias, bars the number for the whole run. A value that
//! nobody can read is a denial. What a blank means is the policy's to say.
//!
//! What a row says is read from its consent column, in many spellings (`vocabulary`), and from the
//! opt-out signals of other systems that the export may carry (`signals`: Global Privacy Control,
//! US privacy strings, Meta's Limited Data Use, Google's ad consent). A no anywhere leads.
//!
//! It promises: a [`Permitted`] exists only for a row that may be used as far as the row itself
//! and the suppression list go; that no *other* row denies is settled in `join`, where a barred
//! bit outranks a matched one. It leaves to others which numbers are read (`normalise`).

mod aliases;
mod gpp;
mod numbers;
mod purpose;
pub mod signals;
mod suppression;
pub mod vocabulary;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::normalise::{E164, Reading};

pub use aliases::{AliasRule, AliasRules, Aliases};
pub use purpose::Purpose;
pub use signals::Signal;
pub use suppression::{
    Asked, NumbersToBar, OptOutRow, SuppressionReader, Suppressions, numbers_to_bar,
};
pub use vocabulary::{Consent, read_rows};

/// What a blank consent cell means for a purpose.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BlankConsent {
    /// Opt-out model: who said nothing may be used.
    Allowed,
    /// Opt-in model: who said nothing may not.
    Barred,
    /// The purpose asks for no consent and no column is read (legitimate interest, recorded).
    NotAsked,
}

/// Why a row that was read may not be used.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum BarReason {
    /// The row denies.
    Denied,
    /// The row's consent cell cannot be read, which counts as a denial.
    Unreadable,
    /// A signal of another system that the row carries says no.
    Signalled,
    /// A signal that the row carries cannot be read, which counts as a no.
    UnreadableSignal,
    /// The row says nothing and the policy asks for a yes.
    Blank,
    /// The number, or an alias of it, is on the suppression list.
    OptedOut,
    /// Another row, or an opt-out of another form, bars the number.
    Elsewhere,
}

impl BarReason {
    /// All reasons.
    pub const ALL: [Self; 7] = [
        Self::Denied,
        Self::Unreadable,
        Self::Signalled,
        Self::UnreadableSignal,
        Self::Blank,
        Self::OptedOut,
        Self::Elsewhere,
    ];

    /// The name in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Denied => "denied",
            Self::Unreadable => "unreadable_consent",
            Self::Signalled => "denied_by_signal",
            Self::UnreadableSignal => "unreadable_signal",
            Self::Blank => "no_consent",
            Self::OptedOut => "opted_out",
            Self::Elsewhere => "barred_elsewhere",
        }
    }
}

/// A row whose number may be looked up, as far as the row and the suppression list go.
///
/// Only [`decide`] and [`decide_asked`] make one, and `join` takes nothing else.
#[derive(Clone, Copy, Debug)]
pub struct Permitted {
    reading: Reading,
}

impl Permitted {
    /// The number that may be looked up.
    #[must_use]
    pub const fn number(self) -> E164 {
        self.reading.number
    }

    /// The whole reading.
    #[must_use]
    pub const fn reading(self) -> Reading {
        self.reading
    }
}

/// Decides about one account row.
///
/// The opt-out outranks consent: a person who left everywhere may still hold a stale yes.
///
/// # Errors
///
/// The [`BarReason`]; every reason but [`BarReason::OptedOut`] makes the number's whole alias
/// class barred for the run, which is the caller's to carry out.
pub fn decide(
    reading: Reading,
    consent: Consent,
    blank: BlankConsent,
    suppressions: &Suppressions,
) -> Result<Permitted, BarReason> {
    judge(reading, consent, blank, suppressions.bar_number(reading.number))
}

/// The same of a row whose number the suppression list was asked about with others, in this place
/// among them.
///
/// # Errors
///
/// As [`decide`].
pub fn decide_asked(
    reading: Reading,
    consent: Consent,
    blank: BlankConsent,
    (asked, place): (&Asked, usize),
) -> Result<Permitted, BarReason> {
    judge(reading, consent, blank, asked.bars(place, reading.number))
}

fn judge(
    reading: Reading,
    consent: Consent,
    blank: BlankConsent,
    is_opted_out: bool,
) -> Result<Permitted, BarReason> {
    if is_opted_out {
        return Err(BarReason::OptedOut);
    }
    objection(consent, blank).map_or(Ok(Permitted { reading }), Err)
}

/// Why a row that says this bars its number, if it does.
///
/// A signal is only read where it governs the purpose, and then it counts in every model.
#[must_use]
pub const fn objection(consent: Consent, blank: BlankConsent) -> Option<BarReason> {
    match (blank, consent) {
        (_, Consent::Signalled) => Some(BarReason::Signalled),
        (_, Consent::UnreadableSignal) => Some(BarReason::UnreadableSignal),
        (BlankConsent::NotAsked, _)
        | (_, Consent::Granted)
        | (BlankConsent::Allowed, Consent::Blank) => None,
        (BlankConsent::Barred, Consent::Blank) => Some(BarReason::Blank),
        (_, Consent::Denied) => Some(BarReason::Denied),
        (_, Consent::Unreadable) => Some(BarReason::Unreadable),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::{Keyer, Secret};
    use crate::normalise::{self, Checks, Hint};

    #[test]
    fn an_answer_is_about_the_number_that_was_asked_about_and_no_other() {
        let keyer = Keyer::new(&Secret::from_file_content(&[7; 32]).unwrap());
        let mut suppressions = Suppressions::new(AliasRules::ALL);
        let reader = SuppressionReader { purpose: Purpose::Ads, keyer };
        let read =
            |text: &str| normalise::read(text.as_bytes(), Hint::None, Checks::Damage).unwrap();
        let readings: Vec<_> =
            (0..40).map(|at| read(&format!("+44207946{:04}", 100 + at))).collect();
        for at in (0..40).step_by(3) {
            let cell = format!("+44207946{:04}", 100 + at);
            suppressions.add(&reader.read(cell.as_bytes(), b"", Hint::None));
        }
        let blank = BlankConsent::Allowed;
        let reason = |asked: &Asked, place: usize, reading: Reading| {
            decide_asked(reading, Consent::Blank, blank, (asked, place)).err()
        };
        let mut asked = Asked::default();
        assert_eq!(reason(&asked, 0, readings[1]), Some(BarReason::OptedOut), "nothing was asked");
        suppressions.ask(readings.iter().map(|reading| reading.number), &mut asked);
        for (place, &reading) in readings.iter().enumerate() {
            let alone = decide(reading, Consent::Blank, blank, &suppressions).err();
            assert_eq!(reason(&asked, place, reading), alone);
            assert_eq!(alone.is_some(), place.is_multiple_of(3));
            for elsewhere in [place + 1, place + 40] {
                assert_eq!(reason(&asked, elsewhere, reading), Some(BarReason::OptedOut));
            }
        }
        // What was asked before is forgotten.
        suppressions.ask(readings[1..2].iter().map(|reading| reading.number), &mut asked);
        assert_eq!(
            (reason(&asked, 0, readings[1]), reason(&asked, 1, readings[1])),
            (None, Some(BarReason::OptedOut))
        );
    }

    #[test]
    fn purposes_are_known_by_their_names_only() {
        assert_eq!(Purpose::from_name(b"Friend-Suggestions"), Some(Purpose::FriendSuggestions));
        assert_eq!(Purpose::from_name(b"advertising"), None);
    }
}
