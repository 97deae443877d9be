//! What other systems were told: opt-out signals that an export may carry beside its own consent.
//!
//! A signal can only deny. One that says yes, or nothing, leaves the row to its consent column;
//! one that says no, or that cannot be read, bars the person's number as a denial does. A column
//! that is absent and a cell that is blank say nothing.
//!
//! | signal | column | says no | says nothing | source |
//! |---|---|---|---|---|
//! | Global Privacy Control | `gpc` | `1`, `true`, `yes`, `on` | `0`, `false`, `no`, `off` | W3C, Global Privacy Control: `Sec-GPC: 1`, `navigator.globalPrivacyControl` |
//! | US privacy string | `us_privacy` | third letter `Y`: `1YYN` | `1YNN`, `1---` | IAB Tech Lab, U.S. Privacy String 1.0 |
//! | Global Privacy Platform | `gpp` | `uspv1`, `usnat`, `usca`, `usva`, `usco`, `usut`, `usct`: any opt-out of sale, sharing or targeted advertising, or their GPC bit | none of them | IAB Tech Lab, GPP Consent String Specification and sections |
//! | Limited Data Use | `data_processing_options` | `LDU`, `["LDU"]`, `LDU,1,1000` | `[]` | Meta, Data Processing Options for US users |
//! | ad user data | `ad_user_data` | `DENIED` and its spellings | `GRANTED`, `UNSPECIFIED` | Google Ads API, `Consent`; consent mode v2 |
//! | ad personalisation | `ad_personalization` | the same | the same | the same |
//!
//! Meta's country and state say *where* Limited Data Use holds; a person marked so anywhere is
//! barred everywhere, so those two columns are not read. Sections of a GPP string that are not
//! named here make it unreadable, and so a denial.
//!
//! Which purposes a signal governs follows from what it objects to:
//!
//! | signal | ads | friend suggestions | business messaging | analytics | anti-spam |
//! |---|---|---|---|---|---|
//! | `gpc`, `us_privacy`, `gpp` (no sale, no sharing with third parties) | yes | yes | yes | no | no |
//! | `data_processing_options`, `ad_user_data`, `ad_personalization` (about advertising) | yes | no | no | no | no |
//!
//! Analytics leaves the house as noised aggregates, which sell and share nobody; the fight against
//! spam is a use that these laws keep open (California Civil Code § 1798.140(e)(2), security and
//! integrity). A policy cannot switch a governing signal off. One that does not govern the run's
//! purpose is not read, and a job that maps it is refused rather than left to think it is heeded.

use super::{Consent, Purpose, gpp};
use crate::input::{Batch, Column, Field};

/// An objection that some other system recorded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Signal {
    /// Global Privacy Control.
    Gpc,
    /// The IAB's US privacy string.
    UsPrivacy,
    /// The IAB's Global Privacy Platform string.
    Gpp,
    /// Meta's data processing options: Limited Data Use.
    DataProcessingOptions,
    /// Google's consent to sending user data for advertising.
    AdUserData,
    /// Google's consent to personalised advertising.
    AdPersonalization,
}

/// What a cell of a signal says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Says {
    Nothing,
    No,
    Unreadable,
}

impl Signal {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Gpc,
        Self::UsPrivacy,
        Self::Gpp,
        Self::DataProcessingOptions,
        Self::AdUserData,
        Self::AdPersonalization,
    ];

    /// The column that carries it.
    #[must_use]
    pub const fn field(self) -> Field {
        match self {
            Self::Gpc => Field::Gpc,
            Self::UsPrivacy => Field::UsPrivacy,
            Self::Gpp => Field::Gpp,
            Self::DataProcessingOptions => Field::DataProcessingOptions,
            Self::AdUserData => Field::AdUserData,
            Self::AdPersonalization => Field::AdPersonalization,
        }
    }

    /// The signal that a field carries, if it carries one.
    #[must_use]
    pub fn of_field(field: Field) -> Option<Self> {
        Self::ALL.into_iter().find(|signal| signal.field() == field)
    }

    /// Whether its no is a no to this purpose.
    #[must_use]
    pub const fn governs(self, purpose: Purpose) -> bool {
        match self {
            Self::Gpc | Self::UsPrivacy | Self::Gpp => matches!(
                purpose,
                Purpose::Ads | Purpose::FriendSuggestions | Purpose::BusinessMessaging
            ),
            Self::DataProcessingOptions | Self::AdUserData | Self::AdPersonalization => {
                matches!(purpose, Purpose::Ads)
            }
        }
    }

    fn read(self, cell: &[u8]) -> Says {
        let cell = cell.trim_ascii();
        if cell.is_empty() || cell.eq_ignore_ascii_case(b"null") {
            return Says::Nothing;
        }
        match self {
            Self::Gpc => gpc(cell),
            Self::UsPrivacy => us_privacy(cell),
            Self::Gpp => gpp::read(cell),
            Self::DataProcessingOptions => data_processing_options(cell),
            Self::AdUserData | Self::AdPersonalization => match Consent::from_cell(cell) {
                Consent::Granted | Consent::Blank => Says::Nothing,
                Consent::Denied => Says::No,
                _ => Says::Unreadable,
            },
        }
    }
}

/// The signals that a batch carries, for reading its rows: none, most often.
#[derive(Debug)]
pub(super) struct SignalColumns<'a>(Vec<(Signal, Column<'a>)>);

impl<'a> SignalColumns<'a> {
    /// Those of a batch. An input is read with the columns of governing signals only.
    pub(super) fn of(batch: &'a Batch) -> Self {
        let column = |signal: Signal| Some((signal, batch.column(signal.field())?));
        Self(Signal::ALL.into_iter().filter_map(column).collect())
    }

    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The objection of a row, a readable no before an unreadable one.
    pub(super) fn objection(&self, row: usize) -> Option<Consent> {
        let mut objection = None;
        for (signal, column) in &self.0 {
            match signal.read(column.cell(row)) {
                Says::No => return Some(Consent::Signalled),
                Says::Unreadable => objection = Some(Consent::UnreadableSignal),
                Says::Nothing => {}
            }
        }
        objection
    }
}

fn gpc(cell: &[u8]) -> Says {
    let is_one_of =
        |words: &[&str]| words.iter().any(|word| cell.eq_ignore_ascii_case(word.as_bytes()));
    if is_one_of(&["1", "true", "t", "yes", "y", "on"]) {
        Says::No
    } else if is_one_of(&["0", "false", "f", "no", "n", "off"]) {
        Says::Nothing
    } else {
        Says::Unreadable
    }
}

/// Version 1, then notice given, opted out of sale, covered by the IAB's agreement: `Y`, `N` or `-`.
pub(super) fn us_privacy(cell: &[u8]) -> Says {
    let is_letter = |letter: &u8| matches!(letter, b'Y' | b'N' | b'y' | b'n' | b'-');
    match cell {
        [b'1', rest @ ..] if rest.len() == 3 && rest.iter().all(is_letter) => {
            if rest[1].eq_ignore_ascii_case(&b'Y') { Says::No } else { Says::Nothing }
        }
        _ => Says::Unreadable,
    }
}

/// A list of options, as JSON or parted by commas: none, or Limited Data Use and where it holds.
fn data_processing_options(cell: &[u8]) -> Says {
    let is_frame = |byte: &u8| b"[](){}\"',;| \t".contains(byte);
    let mut words = cell.split(is_frame).filter(|word| !word.is_empty()).peekable();
    if words.peek().is_none() {
        Says::Nothing
    } else if words.any(|word| word.eq_ignore_ascii_case(b"LDU")) {
        Says::No
    } else {
        Says::Unreadable
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_signal_is_read_as_its_standard_writes_it() {
        for (signal, cell, expected) in [
            (Signal::Gpc, "1", Says::No),
            (Signal::Gpc, " TRUE ", Says::No),
            (Signal::Gpc, "0", Says::Nothing),
            (Signal::Gpc, "", Says::Nothing),
            (Signal::Gpc, "2", Says::Unreadable),
            (Signal::UsPrivacy, "1YYN", Says::No),
            (Signal::UsPrivacy, "1yyy", Says::No),
            (Signal::UsPrivacy, "1YNN", Says::Nothing),
            (Signal::UsPrivacy, "1---", Says::Nothing),
            (Signal::UsPrivacy, "2YNN", Says::Unreadable),
            (Signal::UsPrivacy, "1YN", Says::Unreadable),
            (Signal::UsPrivacy, "1YXN", Says::Unreadable),
            (Signal::DataProcessingOptions, "LDU", Says::No),
            (Signal::DataProcessingOptions, "[\"LDU\"]", Says::No),
            (Signal::DataProcessingOptions, "ldu,1,1000", Says::No),
            (Signal::DataProcessingOptions, "[]", Says::Nothing),
            (Signal::DataProcessingOptions, "[\"\"]", Says::Nothing),
            (Signal::DataProcessingOptions, "1,1000", Says::Unreadable),
            (Signal::AdUserData, "DENIED", Says::No),
            (Signal::AdUserData, "CONSENT_DENIED", Says::No),
            (Signal::AdPersonalization, "granted", Says::Nothing),
            (Signal::AdPersonalization, "UNSPECIFIED", Says::Nothing),
            (Signal::AdPersonalization, "UNKNOWN", Says::Unreadable),
            (Signal::Gpp, "1YNN", Says::Unreadable),
        ] {
            assert_eq!(signal.read(cell.as_bytes()), expected, "{signal:?} {cell}");
        }
    }

    #[test]
    fn every_signal_governs_ads_and_none_the_fight_against_spam() {
        for signal in Signal::ALL {
            assert!(signal.governs(Purpose::Ads));
            assert!(!signal.governs(Purpose::AntiSpam) && !signal.governs(Purpose::Analytics));
            assert_eq!(Signal::of_field(signal.field()), Some(signal));
        }
        assert_eq!(Signal::of_field(Field::Consent), None);
    }
}
