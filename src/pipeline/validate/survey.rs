//! What do the cells of an input look like?
//!
//! A survey counts what the run's own ledgers do not: pluses, countries, number types, and what a
//! row would need to be read. It stands beside the stage that reads the rows for the run, over the
//! same batches, so that the run's code is not a line longer for it.

use std::collections::BTreeMap;

use super::super::lists::PhoneColumn;
use super::super::waves::Work;
use super::super::{RunError, hint_of};
use super::dialect::{Dialects, Told};
use crate::input::{Batch, Field};
use crate::normalise::{self, Checks, Hint, NumberType, Region, RejectReason};

/// How the cells of an input are looked at.
#[derive(Clone, Copy)]
pub(super) enum View {
    /// As the export's: international digits.
    Accounts,
    /// As a list's or the opt-outs': against the row's country, else this one.
    Numbers(Hint),
    /// As digests.
    Digests,
}

impl View {
    pub(super) fn of_list(column: PhoneColumn, default: Hint) -> Self {
        match column {
            PhoneColumn::Numbers => Self::Numbers(default),
            PhoneColumn::Digests(_) => Self::Digests,
        }
    }
}

/// Counts over the cells of an input. Malformed rows and empty cells are in none.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Survey {
    /// Cells that hold something.
    pub(super) cells: u64,
    /// Of them: without a plus anywhere.
    pub(super) without_plus: u64,
    /// Of those: where neither the row nor the job names a country.
    pub(super) without_country: u64,
    /// Cells without a plus that were read against the country of their row ...
    pub(super) by_row: Against,
    /// ... and against that of the job.
    pub(super) by_job: Against,
    /// Cells without a plus that are no number, and would be a valid one with it.
    pub(super) lost_plus: u64,
    /// Cells with so few digits that they are a local number at most, and that exist nowhere.
    pub(super) short: u64,
    /// Numbers by territory.
    pub(super) regions: BTreeMap<Region, u64>,
    /// Numbers by type, in the order of [`NumberType::ALL`].
    pub(super) kinds: [u64; NumberType::ALL.len()],
}

/// Cells that were read against a country.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Against {
    pub(super) cells: u64,
    /// Of them: no number there.
    pub(super) rejected: u64,
}

impl Against {
    fn count(&mut self, is_rejected: bool) {
        self.cells += 1;
        self.rejected += u64::from(is_rejected);
    }

    fn add(&mut self, other: Self) {
        self.cells += other.cells;
        self.rejected += other.rejected;
    }
}

/// Digits of the longest numbers that are dialled without an area code (North America's).
const MOST_LOCAL_DIGITS: usize = 7;

/// The fewest digits that are looked at as a number that lost its plus: shorter ones are local.
const FEWEST_DIGITS: usize = 9;

impl Survey {
    /// Numbers that were read.
    pub(super) fn numbers(&self) -> u64 {
        self.kinds.iter().sum()
    }

    /// Numbers of a type.
    pub(super) fn of_kind(&self, kind: NumberType) -> u64 {
        self.kinds[kind as usize]
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.cells += other.cells;
        self.without_plus += other.without_plus;
        self.without_country += other.without_country;
        self.by_row.add(other.by_row);
        self.by_job.add(other.by_job);
        self.lost_plus += other.lost_plus;
        self.short += other.short;
        for (&region, count) in &other.regions {
            *self.regions.entry(region).or_default() += count;
        }
        self.kinds.iter_mut().zip(other.kinds).for_each(|(kind, other)| *kind += other);
    }

    /// Looks at one batch; tells `read` of each number.
    fn of(batch: &Batch, view: View, mut read: impl FnMut(u64, Region)) -> Self {
        let mut survey = Self::default();
        let Some(phones) = batch.column(Field::Phone) else { return survey };
        for row in (0..batch.len()).filter(|&row| !batch.is_malformed(row)) {
            let cell = phones.cell(row).trim_ascii();
            if cell.is_empty() {
                continue;
            }
            survey.cells += 1;
            let (hint, country) = match view {
                View::Digests => continue,
                View::Accounts => (Hint::International, &[][..]),
                View::Numbers(default) => {
                    let country = batch.cell(Field::Country, row).trim_ascii();
                    (hint_of(country, default), country)
                }
            };
            let reading = normalise::read(cell, hint, Checks::Damage);
            match reading {
                Ok(reading) => {
                    *survey.regions.entry(reading.region).or_default() += 1;
                    survey.kinds[reading.kind as usize] += 1;
                    read(reading.number.expose_digits(), reading.region);
                }
                Err(RejectReason::Empty) => {
                    // A word for nothing, such as N/A.
                    survey.cells -= 1;
                    continue;
                }
                Err(RejectReason::InvalidForRegion) if digits_in(cell) <= MOST_LOCAL_DIGITS => {
                    survey.short += 1;
                }
                Err(_) => {}
            }
            if !has_plus(cell) {
                survey.count_without_plus(cell, hint, country, reading.is_err());
            }
        }
        survey
    }

    fn count_without_plus(&mut self, cell: &[u8], hint: Hint, country: &[u8], is_rejected: bool) {
        self.without_plus += 1;
        match hint {
            Hint::International => return,
            Hint::None => self.without_country += 1,
            Hint::Region(_) if country.is_empty() => self.by_job.count(is_rejected),
            Hint::Region(_) => self.by_row.count(is_rejected),
        }
        if is_rejected
            && digits_in(cell) >= FEWEST_DIGITS
            && normalise::read(cell, Hint::International, Checks::Damage).is_ok()
        {
            self.lost_plus += 1;
        }
    }
}

fn digits_in(cell: &[u8]) -> usize {
    cell.iter().filter(|byte| byte.is_ascii_digit()).count()
}

/// ASCII's plus, or the full-width one (U+FF0B).
fn has_plus(cell: &[u8]) -> bool {
    cell.contains(&b'+') || cell.windows(3).any(|bytes| bytes == "\u{ff0b}".as_bytes())
}

/// What the run does with an input, surveyed on the way.
pub(super) struct Surveying<'a, W> {
    pub(super) inner: W,
    pub(super) view: View,
    pub(super) survey: Survey,
    /// Hashed lists that the numbers are held against.
    pub(super) dialects: Option<&'a Dialects>,
    /// What that told.
    pub(super) told: Told,
}

impl<'a, W> Surveying<'a, W> {
    pub(super) fn new(inner: W, view: View, dialects: Option<&'a Dialects>) -> Self {
        let (survey, told) = (Survey::default(), Told::default());
        Self { inner, view, survey, dialects, told }
    }
}

/// What a batch came to.
pub(super) struct Surveyed<D> {
    done: D,
    survey: Survey,
    told: Told,
}

impl<W: Work + Sync> Work for Surveying<'_, W> {
    type Done = Surveyed<W::Done>;

    fn work(&self, batch: &Batch) -> Self::Done {
        let done = self.inner.work(batch);
        let mut numbers = Vec::new();
        let survey = Survey::of(batch, self.view, |digits, region| {
            if self.dialects.is_some() {
                numbers.push((digits, region));
            }
        });
        let told = self.dialects.map(|dialects| dialects.ask(&numbers)).unwrap_or_default();
        Surveyed { done, survey, told }
    }

    fn apply(&mut self, first_row: u64, done: Self::Done) -> Result<(), RunError> {
        self.survey.add(&done.survey);
        self.told.add(done.told);
        self.inner.apply(first_row, done.done)
    }
}
