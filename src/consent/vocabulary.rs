//! The words in which a yes or a no is written.
//!
//! A cell is compared in any case, blanks around it aside. What is in none of the lists is
//! [`Consent::Unreadable`], which counts as a denial: `UNKNOWN` of Google's enumeration, for one,
//! stands for a value that its reader did not know.

use super::signals::SignalColumns;
use crate::input::{Batch, Column, Field};

/// What an account row says about a purpose.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Consent {
    /// Yes.
    Granted,
    /// No.
    Denied,
    /// Nothing: the policy's model decides.
    Blank,
    /// Something nobody can read: no.
    Unreadable,
    /// Its own column does not say no, but a signal of another system does.
    Signalled,
    /// Its own column does not say no, and a signal of another system cannot be read: no.
    UnreadableSignal,
}

/// Yes. `granted` is Google's consent mode and Google Ads API, `consent_granted` Google's Data
/// Manager API.
const GRANTED: [&str; 17] = [
    "granted",
    "consent_granted",
    "true",
    "t",
    "1",
    "yes",
    "y",
    "opt_in",
    "opt-in",
    "optin",
    "opted_in",
    "in",
    "allow",
    "allowed",
    "on",
    "consented",
    "accepted",
];

/// No; `denied` and `consent_denied` as above.
const DENIED: [&str; 22] = [
    "denied",
    "consent_denied",
    "false",
    "f",
    "0",
    "no",
    "n",
    "opt_out",
    "opt-out",
    "optout",
    "opted_out",
    "out",
    "deny",
    "disallowed",
    "off",
    "refused",
    "rejected",
    "withdrawn",
    "revoked",
    "none",
    "objected",
    "unsubscribed",
];

/// Nothing was said. `unspecified` is Google Ads API, `consent_status_unspecified` Google's Data
/// Manager API.
const BLANK: [&str; 5] =
    ["unspecified", "consent_status_unspecified", "consent_unspecified", "null", "unset"];

impl Consent {
    /// Every spelling that is read, with what it says.
    pub fn spellings() -> impl Iterator<Item = (&'static str, Self)> {
        let said = |says: Self| move |&word: &&'static str| (word, says);
        GRANTED
            .iter()
            .map(said(Self::Granted))
            .chain(DENIED.iter().map(said(Self::Denied)))
            .chain(BLANK.iter().map(said(Self::Blank)))
    }

    /// Reads a consent cell, in any case, blanks around it aside.
    #[must_use]
    pub fn from_cell(cell: &[u8]) -> Self {
        let cell = cell.trim_ascii();
        let is_one_of =
            |words: &[&str]| words.iter().any(|word| word.as_bytes().eq_ignore_ascii_case(cell));
        if cell.is_empty() || is_one_of(&BLANK) {
            Self::Blank
        } else if is_one_of(&GRANTED) {
            Self::Granted
        } else if is_one_of(&DENIED) {
            Self::Denied
        } else {
            Self::Unreadable
        }
    }
}

/// What the rows of a batch say in their consent column and by the signals that their input
/// carries.
pub struct Said<'a> {
    batch: &'a Batch,
    own: Option<Column<'a>>,
    signals: SignalColumns<'a>,
    /// The last cells that were not empty and differed, and what they say: of an export there are
    /// two, a yes and a no, millions of times over.
    last: [(&'a [u8], Consent); 2],
}

impl<'a> Said<'a> {
    /// Nothing is read yet. An input is opened with the columns of governing signals only.
    #[must_use]
    pub fn of(batch: &'a Batch) -> Self {
        let own = batch.column(Field::Consent);
        Self { batch, own, signals: SignalColumns::of(batch), last: [(b"", Consent::Blank); 2] }
    }

    /// What a row says, counted from 0 within the batch.
    ///
    /// A no anywhere leads. A row that is cut or has a cell too many may have said anything.
    #[inline]
    pub fn in_row(&mut self, row: usize) -> Consent {
        if self.batch.is_malformed(row) {
            let has_signals = !self.signals.is_empty();
            return if has_signals { Consent::UnreadableSignal } else { Consent::Unreadable };
        }
        match self.own.map_or(Consent::Blank, |column| self.in_cell(column.cell(row))) {
            own @ (Consent::Granted | Consent::Blank) => self.signals.objection(row).unwrap_or(own),
            own => own,
        }
    }

    #[inline]
    fn in_cell(&mut self, cell: &'a [u8]) -> Consent {
        // Cells are short: to compare them here costs less than a call.
        let is = |other: &[u8]| cell.len() == other.len() && cell.iter().eq(other);
        let [newer, older] = self.last;
        if cell.is_empty() {
            Consent::Blank
        } else if is(newer.0) {
            newer.1
        } else if is(older.0) {
            older.1
        } else {
            let says = Consent::from_cell(cell);
            self.last = [(cell, says), newer];
            says
        }
    }
}

impl std::fmt::Debug for Said<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Said({} rows, redacted)", self.batch.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn consent_is_read_from_its_usual_spellings() {
        for (cell, expected) in [
            (&b"Granted"[..], Consent::Granted),
            (b" 1 ", Consent::Granted),
            (b"CONSENT_GRANTED", Consent::Granted),
            (b"OPT_OUT", Consent::Denied),
            (b"no", Consent::Denied),
            (b"CONSENT_DENIED", Consent::Denied),
            (b"", Consent::Blank),
            (b"UNSPECIFIED", Consent::Blank),
            (b"CONSENT_STATUS_UNSPECIFIED", Consent::Blank),
            (b"UNKNOWN", Consent::Unreadable),
            (b"maybe", Consent::Unreadable),
            (b"\xff", Consent::Unreadable),
        ] {
            assert_eq!(Consent::from_cell(cell), expected);
        }
    }

    #[test]
    fn no_spelling_says_two_things() {
        for (word, says) in Consent::spellings() {
            assert_eq!(Consent::from_cell(word.to_uppercase().as_bytes()), says, "{word}");
        }
    }
}
