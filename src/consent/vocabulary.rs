//! The words in which a yes or a no is written.
//!
//! A cell is compared in any case, blanks around it aside. What is in none of the lists is
//! [`Consent::Unreadable`], which counts as a denial: `UNKNOWN` of Google's enumeration, for one,
//! stands for a value that its reader did not know.

use super::signals::SignalColumns;
use crate::input::{Batch, Field};

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

/// What each row of a batch says in its consent column and by the signals that its input carries,
/// in place of what `says` held. An input is opened with the columns of governing signals only.
///
/// A no anywhere leads. A row that is cut or has a cell too many may have said anything.
pub fn read_rows(batch: &Batch, says: &mut Vec<Consent>) {
    says.clear();
    if let Some(column) = batch.column(Field::Consent) {
        let mut last = LastCells::default();
        column.each_cell(|cell| says.push(last.read(cell)));
    }
    says.resize(batch.len(), Consent::Blank);
    let signals = SignalColumns::of(batch);
    if !signals.is_empty() {
        for (row, says) in says.iter_mut().enumerate() {
            if matches!(says, Consent::Granted | Consent::Blank) {
                *says = signals.objection(row).unwrap_or(*says);
            }
        }
    }
    let malformed =
        if signals.is_empty() { Consent::Unreadable } else { Consent::UnreadableSignal };
    batch.malformed().iter().for_each(|&row| says[row] = malformed);
}

/// The last cells that were not empty and differed, and what they say: of an export there are two,
/// a yes and a no, millions of times over.
#[derive(Default)]
struct LastCells([Option<(ShortCell, Consent)>; 2]);

impl LastCells {
    #[inline]
    fn read(&mut self, cell: &[u8]) -> Consent {
        if cell.is_empty() {
            return Consent::Blank;
        }
        let Some(short) = ShortCell::of(cell) else { return Consent::from_cell(cell) };
        match self.0 {
            [Some((newer, says)), _] if newer == short => says,
            [_, Some((older, says))] if older == short => says,
            [newer, _] => {
                let says = Consent::from_cell(cell);
                self.0 = [Some((short, says)), newer];
                says
            }
        }
    }
}

/// A cell as its length and two words, its beginning and its end, which may overlap: compared at once
/// and not byte by byte, where the processor would guess wrong about each cell's end.
#[derive(Clone, Copy, PartialEq, Eq)]
struct ShortCell {
    len: usize,
    ends: [u64; 2],
}

impl ShortCell {
    /// None where two words do not cover it.
    #[inline]
    fn of(cell: &[u8]) -> Option<Self> {
        let ends = match cell {
            [] => [0, 0],
            [first, ..] if cell.len() < 4 => {
                let [middle, last] = [cell[cell.len() / 2], cell[cell.len() - 1]];
                [u64::from(*first), u64::from(middle) << 8 | u64::from(last)]
            }
            _ if cell.len() <= 8 => {
                let ends = [cell.first_chunk()?, cell.last_chunk()?];
                ends.map(|end| u32::from_le_bytes(*end).into())
            }
            _ if cell.len() <= 16 => {
                [cell.first_chunk()?, cell.last_chunk()?].map(|end| u64::from_le_bytes(*end))
            }
            _ => return None,
        };
        Some(Self { len: cell.len(), ends })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, StringArray};

    use super::*;
    use crate::input::{Location, Place, Role, batch_of};

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

    #[test]
    fn a_cell_says_the_same_whatever_came_before_it() {
        // Pairs of one length that say the opposite of each other.
        let cells = [
            "allowed",
            "refused",
            "",
            "yes",
            "off",
            "1",
            "0",
            "y",
            "n",
            "granted",
            "refused",
            "yes",
            "out",
            "maybe",
            "granted",
            "Granted",
            "consent_granted",
            "consent_revoked",
            "opted_in",
            "opted_out",
            "consent_status_unspecified",
            "consent_denied",
        ];
        let mut last = LastCells::default();
        for (at, cell) in cells.iter().cycle().take(100).enumerate() {
            assert_eq!(last.read(cell.as_bytes()), Consent::from_cell(cell.as_bytes()), "{at}");
        }
    }

    #[test]
    fn short_cells_are_the_same_where_their_bytes_are() {
        let cell = |len: usize, at: usize, byte: u8| {
            let mut cell = vec![b'a'; len];
            cell.iter_mut().skip(at).take(1).for_each(|it| *it = byte);
            cell
        };
        for len in 0..=16 {
            let short = |at, byte| ShortCell::of(&cell(len, at, byte)).unwrap();
            for at in 0..len {
                assert!(short(at, b'b') != short(len, b'a') && short(at, b'b') == short(at, b'b'));
            }
            for other in 0..len {
                assert!(ShortCell::of(&cell(other, other, 0)) != Some(short(len, 0)));
            }
        }
        assert!(ShortCell::of(&cell(17, 17, 0)).is_none());
    }

    /// A batch of texts, a cell for each row and field; none where the cell is null.
    fn batch(columns: &[(Field, &[Option<&str>])], rows: usize, malformed: &[usize]) -> Batch {
        let at = Place { role: Role::Accounts, location: Location::Path("a table".into()) };
        let text = |cells: &[Option<&str>]| Arc::new(StringArray::from(cells.to_vec())) as ArrayRef;
        let columns: Vec<_> = columns.iter().map(|(field, cells)| (*field, text(cells))).collect();
        batch_of(&at, (&columns, rows), malformed.to_vec()).unwrap()
    }

    #[test]
    fn every_row_says_what_its_own_cells_say() {
        let own = [Some("granted"), None, Some("denied"), None, Some("granted"), Some("granted")];
        // What a longer batch said before is gone.
        let mut says = vec![Consent::Granted; 10];
        read_rows(&batch(&[(Field::Consent, &own)], 6, &[5]), &mut says);
        use Consent::{Blank, Denied, Granted, Signalled, Unreadable, UnreadableSignal};
        assert_eq!(says, [Granted, Blank, Denied, Blank, Granted, Unreadable]);
        let signal = [Some("1"), Some("1"), Some("1"), Some("0"), Some("?"), None];
        let both = [(Field::Consent, &own[..]), (Field::Gpc, &signal[..])];
        read_rows(&batch(&both, 6, &[5]), &mut says);
        let expected = [Signalled, Signalled, Denied, Blank, UnreadableSignal, UnreadableSignal];
        assert_eq!(says, expected);
        read_rows(&batch(&[], 3, &[1]), &mut says);
        assert_eq!(says, [Blank, Unreadable, Blank]);
    }
}
