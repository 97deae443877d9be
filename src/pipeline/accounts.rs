//! The third road: the messenger's export, streamed past the index.

use super::waves::Work;
use super::{Rejects, RunError, want};
use crate::consent::{self, Aliases, BarReason, BlankConsent, Consent, Permitted, Suppressions};
use crate::input::{Batch, Field, Limits, Location, Need, Role, Source};
use crate::job::Job;
use crate::join::{Attributes, Hit, InputNo, ListIndex, Recorded, SlotNo};
use crate::key::{Keyer, MatchKey};
use crate::normalise::{self, Checks, Hint, Reading, RejectReason};
use crate::output::Rejected;
use crate::report::{Ledger, Stage, Timings};

/// One input of account rows on its way past the index.
pub(super) struct Probing<'a, 'r> {
    pub(super) index: &'a mut ListIndex,
    pub(super) suppressions: &'a Suppressions,
    pub(super) keyer: &'a Keyer,
    pub(super) blank: BlankConsent,
    pub(super) input: InputNo,
    pub(super) ledger: Ledger,
    /// Where rejected rows are written; none for rows that are the run's own.
    pub(super) rejects: Option<&'a mut Rejects<'r>>,
    pub(super) timings: Timings,
}

/// The columns that a run reads of the export.
pub(super) fn source(job: &Job, location: &Location) -> Source {
    let columns = &job.accounts.columns;
    let mut wants = vec![
        want(columns, Field::Phone, Need::Required),
        want(columns, Field::Os, Need::Optional),
        want(columns, Field::Device, Need::Optional),
    ];
    if job.policy.blank_consent != BlankConsent::NotAsked {
        let mut consent = want(columns, Field::Consent, Need::Required);
        consent.mapped.get_or_insert_with(|| format!("consent_{}", job.purpose.name()));
        wants.push(consent);
    }
    Source { role: Role::Accounts, location: location.clone(), wants, limits: Limits::STANDARD }
}

/// What an account row came to.
enum AccountRow {
    Rejected(RejectReason),
    /// The number and its aliases are barred: their slots stand in `ProbedRows::barred`.
    Barred(BarReason),
    Unmatched,
    Hit(Hit),
    /// On a list, and barred by a digest on the suppression list.
    HitBarred(Hit),
}

/// What a batch came to.
pub(super) struct ProbedRows {
    rows: Vec<AccountRow>,
    /// Slots of people who said no in this batch, aliases with them.
    barred: Vec<SlotNo>,
    timings: Timings,
}

/// A row between `normalise` and `consent`, or between `consent` and `key`.
type Read = Result<Reading, RejectReason>;
type Decided = Result<Result<Permitted, (BarReason, Reading)>, RejectReason>;

impl Probing<'_, '_> {
    fn read(batch: &Batch) -> Vec<Read> {
        let row = |row: usize| {
            if batch.is_malformed(row) {
                return Err(RejectReason::MalformedRow);
            }
            normalise::read(batch.cell(Field::Phone, row), Hint::International, Checks::Damage)
        };
        (0..batch.len()).map(row).collect()
    }

    fn decide(&self, batch: &Batch, read: Vec<Read>) -> Vec<Decided> {
        let row = |(row, reading): (usize, Read)| {
            let reading = reading?;
            let consent = Consent::from_cell(batch.cell(Field::Consent, row));
            let decided = consent::decide(reading, consent, self.blank, self.suppressions);
            Ok(decided.map_err(|reason| (reason, reading)))
        };
        read.into_iter().enumerate().map(row).collect()
    }

    /// Keys of every permitted row, one for each form in use, rows end to end.
    fn keys(&self, decided: &[Decided]) -> Vec<MatchKey> {
        let permitted = decided.iter().flatten().flatten();
        permitted
            .flat_map(|permitted| {
                let number = permitted.number();
                self.index.forms().iter().map(move |&form| self.keyer.key(number, form))
            })
            .collect()
    }

    fn probe(&self, batch: &Batch, decided: Vec<Decided>, keys: &[MatchKey]) -> ProbedRows {
        let forms = self.index.forms().len().max(1);
        let mut keys = keys.chunks(forms);
        let mut barred = Vec::new();
        let row = |(row, decided): (usize, Decided)| match decided {
            Err(reason) => AccountRow::Rejected(reason),
            Ok(Err((reason, reading))) => {
                // An opted-out number's slots were barred before the export was opened.
                if reason != BarReason::OptedOut {
                    barred.extend(self.alias_slots(reading));
                }
                AccountRow::Barred(reason)
            }
            Ok(Ok(permitted)) => {
                let attributes = Attributes::from_cells(
                    batch.cell(Field::Os, row),
                    batch.cell(Field::Device, row),
                );
                let keys = keys.next().unwrap_or_default();
                match self.index.probe(permitted, attributes, keys) {
                    None => AccountRow::Unmatched,
                    Some(hit)
                        if self.suppressions.bar_by_digest(permitted.number(), self.keyer) =>
                    {
                        barred.extend(self.alias_slots(permitted.reading()));
                        AccountRow::HitBarred(hit)
                    }
                    Some(hit) => AccountRow::Hit(hit),
                }
            }
        };
        let rows = decided.into_iter().enumerate().map(row).collect();
        ProbedRows { rows, barred, timings: Timings::default() }
    }

    fn alias_slots(&self, reading: Reading) -> Vec<SlotNo> {
        let aliases = Aliases::of(reading.number.expose_digits());
        let aliases = aliases.expose_digits().iter();
        aliases.flat_map(|&digits| self.index.find_digits(digits, self.keyer)).collect()
    }
}

impl Work for Probing<'_, '_> {
    type Done = ProbedRows;

    fn work(&self, batch: &Batch) -> ProbedRows {
        let mut timings = Timings::default();
        let read = timings.time(Stage::Normalise, || Self::read(batch));
        let decided = timings.time(Stage::Consent, || self.decide(batch, read));
        let keys = timings.time(Stage::Key, || self.keys(&decided));
        let mut done = timings.time(Stage::Join, || self.probe(batch, decided, &keys));
        done.timings = timings;
        done
    }

    fn apply(&mut self, batch: &Batch, done: ProbedRows) -> Result<(), RunError> {
        self.timings.add(&done.timings);
        done.barred.iter().for_each(|&slot| self.index.bar(slot));
        for (row, number) in done.rows.into_iter().zip(batch.first_row()..) {
            self.ledger.rows_read += 1;
            match row {
                AccountRow::Rejected(reason) => {
                    self.ledger.rejected.add(reason);
                    if let Some(rejects) = self.rejects.as_deref_mut() {
                        let rejected = Rejected { row: number, reason };
                        rejects.add(Role::Accounts, &self.ledger.file, rejected)?;
                    }
                }
                AccountRow::Barred(reason) => self.ledger.bar(reason),
                AccountRow::Unmatched => self.ledger.unmatched += 1,
                AccountRow::HitBarred(hit) => {
                    self.index.bar_hit(&hit);
                    self.ledger.bar(BarReason::OptedOut);
                }
                AccountRow::Hit(hit) => {
                    if self.index.record(&hit, self.input) == Recorded::Duplicate {
                        self.ledger.duplicates += 1;
                    }
                }
            }
        }
        Ok(())
    }
}
