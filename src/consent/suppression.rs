//! The suppression list: who said no, in every spelling, and what their keys are.

use std::collections::HashSet;

use super::numbers::Numbers;
use super::{AliasRules, Aliases, Purpose};
use crate::key::{Form, Keyer, MatchKey, PhoneDigest};
use crate::normalise::{self, E164, Hint, Path, RejectReason};

/// Everyone who opted out of the run's purpose.
pub struct Suppressions {
    aliases: AliasRules,
    /// Calling code and national digits of every number and alias.
    numbers: Numbers,
    /// Keys of the rows that came as digests; the number behind them is not known.
    hashed: HashSet<MatchKey>,
}

/// Numbers that were looked for in a suppression list, and whether each is there.
#[derive(Default)]
pub struct Asked {
    digits: Vec<u64>,
    opted_out: Vec<bool>,
}

impl Asked {
    /// Whether a number was found that was asked about in this place. What was told of another number
    /// lets nobody through.
    pub(super) fn bars(&self, place: usize, number: E164) -> bool {
        let is_it = self.digits.get(place) == Some(&number.expose_digits());
        !is_it || self.opted_out.get(place) != Some(&false)
    }
}

impl std::fmt::Debug for Asked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Asked({} numbers, redacted)", self.digits.len())
    }
}

/// What one opt-out row says.
#[derive(Clone, PartialEq, Eq)]
pub enum OptOutRow {
    /// It bars somebody, unless nothing in it could be read.
    Bars {
        /// Calling code and national digits; more than one where the cell holds several numbers.
        numbers: Vec<u64>,
        /// The key of a number that came as its SHA-256.
        hashed: Option<MatchKey>,
        /// Why a part of the row stays a number to nobody; what could be read is barred all the
        /// same.
        unread: Option<RejectReason>,
        /// Whether a number in it was the slow path's to decide.
        path: Path,
    },
    /// It is for another purpose.
    OtherPurpose,
}

/// What a cell of somebody who says no may mean.
#[derive(Clone, PartialEq, Eq)]
pub struct NumbersToBar {
    /// Calling code and national digits of every plausible reading.
    pub numbers: Vec<u64>,
    /// Why a part of the cell stays a number to nobody.
    pub unread: Option<RejectReason>,
    /// Whether a number in it was the slow path's to decide.
    pub path: Path,
}

impl NumbersToBar {
    const NONE: Self = Self { numbers: Vec::new(), unread: None, path: Path::Fast };
}

impl std::fmt::Debug for NumbersToBar {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("NumbersToBar(redacted)")
    }
}

/// Reads opt-out rows for one purpose.
#[derive(Clone, Debug)]
pub struct SuppressionReader {
    /// The run's purpose.
    pub purpose: Purpose,
    /// Makes the keys of hashed rows.
    pub keyer: Keyer,
}

impl SuppressionReader {
    /// True when a row with that purpose cell counts for this run. A blank counts for all, and so
    /// does a word that names no purpose: nobody's no is lost over a spelling.
    #[must_use]
    pub fn concerns(&self, purpose_cell: &[u8]) -> bool {
        let cell = purpose_cell.trim_ascii();
        cell.is_empty() || Purpose::from_name(cell).is_none_or(|named| named == self.purpose)
    }

    /// Reads a row's phone and digest cells, of which one may be empty: every number in the phone
    /// cell by [`numbers_to_bar`].
    #[must_use]
    pub fn read(&self, phone: &[u8], digest: &[u8], hint: Hint) -> OptOutRow {
        let has_digest = !digest.trim_ascii().is_empty();
        let hashed = PhoneDigest::from_text(digest).map(|it| self.keyer.key_of_digest(it));
        let read = if has_digest && phone.trim_ascii().is_empty() {
            NumbersToBar::NONE
        } else {
            numbers_to_bar(phone, hint)
        };
        let no_digest = (has_digest && hashed.is_none()).then_some(RejectReason::NotAHash);
        let unread = read.unread.or(no_digest);
        OptOutRow::Bars { numbers: read.numbers, hashed, unread, path: read.path }
    }
}

/// Every number that the cell of somebody who says no may mean: an opt-out's, or a denying
/// account's that is no number to match by.
#[must_use]
pub fn numbers_to_bar(cell: &[u8], hint: Hint) -> NumbersToBar {
    let Ok(text) = std::str::from_utf8(cell) else {
        return NumbersToBar { unread: Some(RejectReason::BadEncoding), ..NumbersToBar::NONE };
    };
    let mut read = NumbersToBar::NONE;
    for part in normalise::numbers_in_cell(text) {
        let wide = normalise::read_for_suppression(part, hint, is_reachable);
        if wide.path == Path::Slow {
            read.path = Path::Slow;
        }
        match wide.numbers {
            Ok(numbers) => read.numbers.extend(numbers),
            Err(reason) => read.unread = read.unread.or(Some(reason)),
        }
    }
    read
}

/// True when a member of the number's alias class is a valid number, so that barring the class
/// can bar a person.
fn is_reachable(digits: u64) -> bool {
    Aliases::of(digits).expose_digits().iter().any(|&digits| normalise::is_valid(digits))
}

impl std::fmt::Debug for OptOutRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("OptOutRow(redacted)")
    }
}

impl Suppressions {
    /// Nobody yet; each number that is added bars its aliases by these rules.
    #[must_use]
    pub fn new(aliases: AliasRules) -> Self {
        Self { aliases, numbers: Numbers::default(), hashed: HashSet::new() }
    }

    /// Every form in which the person behind `digits` is barred.
    #[must_use]
    pub fn aliases_of(&self, digits: u64) -> Aliases {
        Aliases::by(self.aliases, digits)
    }

    /// Adds a row. True when it bars someone that no earlier row barred.
    pub fn add(&mut self, row: &OptOutRow) -> bool {
        match row {
            OptOutRow::OtherPurpose => false,
            OptOutRow::Bars { numbers, hashed, .. } => {
                let mut added = hashed.is_some_and(|key| self.hashed.insert(key));
                for digits in numbers {
                    added |= self.numbers.insert(*digits);
                    for &alias in Aliases::by(self.aliases, *digits).expose_digits() {
                        self.numbers.insert(alias);
                    }
                }
                added
            }
        }
    }

    /// True when the number, or an alias of it, is here as a number.
    #[must_use]
    pub fn bar_number(&self, number: E164) -> bool {
        self.numbers.contains(number.expose_digits())
    }

    /// Asks [`Suppressions::bar_number`] about many numbers at once, in place of those that `asked`
    /// was asked about before.
    pub fn ask(&self, numbers: impl Iterator<Item = E164>, asked: &mut Asked) {
        asked.digits.clear();
        asked.digits.extend(numbers.map(|number| number.expose_digits()));
        self.numbers.contain(&asked.digits, &mut asked.opted_out);
    }

    /// How many numbers and aliases are here, without those that came as digests.
    #[must_use]
    pub fn numbers_len(&self) -> usize {
        self.numbers.len()
    }

    /// True when any form of the number, or of an alias, is here as a digest.
    ///
    /// Two keyed hashes a member, so it is asked only for numbers that a list holds.
    #[must_use]
    pub fn bar_by_digest(&self, number: E164, keyer: &Keyer) -> bool {
        !self.hashed.is_empty()
            && self.aliases_of(number.expose_digits()).expose_digits().iter().any(|&digits| {
                Form::ALL
                    .iter()
                    .any(|&form| self.hashed.contains(&keyer.key_of_digits(digits, form)))
            })
    }

    /// Every number and alias here, in no order, for barring list numbers by key.
    pub fn expose_digits(&self) -> impl Iterator<Item = u64> + '_ {
        self.numbers.expose_digits()
    }

    /// How many bytes they take.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.numbers.bytes() + self.hashed.capacity() * 8 / 7 * (size_of::<MatchKey>() + 1)
    }

    /// Every hashed row's key, in no order.
    pub fn hashed_keys(&self) -> impl Iterator<Item = MatchKey> + '_ {
        self.hashed.iter().copied()
    }
}

impl std::fmt::Debug for Suppressions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Suppressions({} numbers, {} hashed)", self.numbers.len(), self.hashed.len())
    }
}
