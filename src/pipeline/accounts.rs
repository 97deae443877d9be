//! The third road: the messenger's export, streamed past the index.

use super::waves::Work;
use super::{Rejects, RunError, want};
use crate::consent::{
    self, BarReason, BlankConsent, Consent, Permitted, Signal, SignalColumns, Suppressions,
};
use crate::input::{Batch, Field, Limits, Location, Need, Role, Source};
use crate::job::Job;
use crate::join::{Attributes, Hit, InputNo, ListIndex, Recorded, SlotNo};
use crate::key::{Keyer, MatchKey};
use crate::normalise::{self, Checks, Hint, Path, Reading, RejectReason};
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
    wants.retain(|want| job.policy.columns.allow(Role::Accounts, want.field));
    if job.policy.blank_consent != BlankConsent::NotAsked {
        let mut consent = want(columns, Field::Consent, Need::Required);
        consent.mapped.get_or_insert_with(|| format!("consent_{}", job.purpose.name()));
        wants.push(consent);
    }
    let signals = Signal::ALL.into_iter().filter(|signal| signal.governs(job.purpose));
    wants.extend(signals.map(|signal| want(columns, signal.field(), Need::Optional)));
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
    slow_path: u64,
    timings: Timings,
}

/// A row between `normalise` and `consent`.
type Read = Result<Reading, RejectReason>;

/// A batch between `normalise` and `consent`.
struct ReadRows {
    rows: Vec<Read>,
    /// How many of them the slow path decided.
    slow_path: u64,
}

/// A row between `consent` and `key`.
enum Decided {
    Rejected(RejectReason),
    /// The row is malformed, and these numbers may be in it.
    RejectedAndBarred(RejectReason, Vec<u64>),
    /// Why, and the numbers whose list slots are still to be barred, as calling code and national
    /// digits.
    Barred(BarReason, Vec<u64>),
    Permitted(Permitted),
}

impl Probing<'_, '_> {
    fn read(batch: &Batch) -> ReadRows {
        let mut slow_path = 0;
        let row = |row: usize| {
            if batch.is_malformed(row) {
                return Err(RejectReason::MalformedRow);
            }
            let cell = batch.cell(Field::Phone, row);
            let outcome = normalise::read_by(cell, Hint::International, Checks::Damage);
            slow_path += u64::from(outcome.path == Path::Slow);
            outcome.result
        };
        let rows = (0..batch.len()).map(row).collect();
        ReadRows { rows, slow_path }
    }

    fn decide(&self, batch: &Batch, read: Vec<Read>) -> Vec<Decided> {
        let signals = SignalColumns::of(batch);
        let row = |(row, reading): (usize, Read)| {
            let consent = Consent::from_row(batch, &signals, row);
            match reading {
                Err(reason) => self.decide_unread(batch, row, consent, reason),
                Ok(reading) => {
                    match consent::decide(reading, consent, self.blank, self.suppressions) {
                        Ok(permitted) => Decided::Permitted(permitted),
                        // An opted-out number's slots were barred before the export was opened.
                        Err(BarReason::OptedOut) => {
                            Decided::Barred(BarReason::OptedOut, Vec::new())
                        }
                        Err(reason) => {
                            Decided::Barred(reason, vec![reading.number.expose_digits()])
                        }
                    }
                }
            }
        };
        read.into_iter().enumerate().map(row).collect()
    }

    /// A row that is no number to match by may still say no: in a form that the plan has left
    /// behind, or damaged. Whoever it may be is barred, as an opt-out in that spelling would be.
    fn decide_unread(
        &self,
        batch: &Batch,
        row: usize,
        consent: Consent,
        reason: RejectReason,
    ) -> Decided {
        let Some(objection) = consent::objection(consent, self.blank) else {
            return Decided::Rejected(reason);
        };
        let cell = batch.cell(Field::Phone, row);
        let numbers = consent::numbers_to_bar(cell, Hint::International).numbers;
        if batch.is_malformed(row) {
            return Decided::RejectedAndBarred(reason, numbers);
        }
        match numbers.is_empty() {
            true => Decided::Rejected(reason),
            false => Decided::Barred(objection, numbers),
        }
    }

    /// Keys of every permitted row, one for each form in use, rows end to end.
    fn keys(&self, decided: &[Decided]) -> Vec<MatchKey> {
        let numbers = decided.iter().filter_map(|decided| match decided {
            Decided::Permitted(permitted) => Some(permitted.number()),
            Decided::Rejected(_) | Decided::RejectedAndBarred(..) | Decided::Barred(..) => None,
        });
        let key = |number| self.index.forms().iter().map(move |&form| self.keyer.key(number, form));
        numbers.flat_map(key).collect()
    }

    fn probe(&self, batch: &Batch, decided: Vec<Decided>, keys: &[MatchKey]) -> ProbedRows {
        let forms = self.index.forms().len().max(1);
        let mut keys = keys.chunks(forms);
        let mut barred = Vec::new();
        let row = |(row, decided): (usize, Decided)| match decided {
            Decided::Rejected(reason) => AccountRow::Rejected(reason),
            Decided::RejectedAndBarred(reason, numbers) => {
                barred.extend(numbers.into_iter().flat_map(|digits| self.alias_slots(digits)));
                AccountRow::Rejected(reason)
            }
            Decided::Barred(reason, numbers) => {
                barred.extend(numbers.into_iter().flat_map(|digits| self.alias_slots(digits)));
                AccountRow::Barred(reason)
            }
            Decided::Permitted(permitted) => {
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
                        barred.extend(self.alias_slots(permitted.number().expose_digits()));
                        AccountRow::HitBarred(hit)
                    }
                    Some(hit) => AccountRow::Hit(hit),
                }
            }
        };
        let rows = decided.into_iter().enumerate().map(row).collect();
        ProbedRows { rows, barred, slow_path: 0, timings: Timings::default() }
    }

    fn alias_slots(&self, digits: u64) -> Vec<SlotNo> {
        let aliases = self.suppressions.aliases_of(digits);
        let aliases = aliases.expose_digits().iter();
        aliases.flat_map(|&digits| self.index.find_digits(digits, self.keyer)).collect()
    }
}

impl Work for Probing<'_, '_> {
    type Done = ProbedRows;

    fn work(&self, batch: &Batch) -> ProbedRows {
        let mut timings = Timings::default();
        let read = timings.time(Stage::Normalise, || Self::read(batch));
        let slow_path = read.slow_path;
        let decided = timings.time(Stage::Consent, || self.decide(batch, read.rows));
        let keys = timings.time(Stage::Key, || self.keys(&decided));
        let mut done = timings.time(Stage::Join, || self.probe(batch, decided, &keys));
        done.slow_path = slow_path;
        done.timings = timings;
        done
    }

    fn apply(&mut self, batch: &Batch, done: ProbedRows) -> Result<(), RunError> {
        self.timings.add(&done.timings);
        self.ledger.slow_path += done.slow_path;
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
