//! The road without lists: the export counted, each active person once.
//!
//! The same stages in the same order, with a table of counts at the end instead of tokens. Who is
//! active is a question of the policy and of the day on which the run began; whoever is not is
//! *unmatched*, whoever is barred is counted nowhere, and a further row of an active person is a
//! duplicate, as on the other roads.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use super::accounts::{self, Against, Pass};
use super::figures::{self, Books};
use super::finish::{self, Findings, Record};
use super::opt_outs::OptOuts;
use super::waves::{self, Work};
use super::{Begun, Finished, ReadInput, Rejects, RunError, Watch, canaries, gates};
use crate::audit;
use crate::consent::{self, BarReason, Consent};
use crate::dates::{Day, When};
use crate::input::{self, Batch, Field, Role};
use crate::join::{Attributes, InputNo, People, PersonRow};
use crate::normalise::{self, Checks, Hint, Path, RejectReason};
use crate::output::{
    self, AUDIENCES, COUNTS, MATCHES, ManifestCounts, Matches, Origin, OutputError, REMOVED,
    Rejected, SUMMARY,
};
use crate::policy::NoiseRules;
use crate::privacy::{self, CountRules, PeopleCount, WithholdReason};
use crate::report::{Counts, Ledger, Stage, Timings};

/// What an attempt has read when it comes to the export.
pub(super) struct Opening<'a> {
    pub(super) no: OptOuts,
    pub(super) rejects: Rejects<'a>,
    pub(super) timings: Timings,
    pub(super) restarts: u32,
}

/// Who is active: seen on the run's day, or so many days before.
#[derive(Clone, Copy)]
pub(super) struct Active {
    pub(super) today: Day,
    pub(super) within_days: u32,
}

impl Active {
    /// A day that lies ahead of the run's in UTC has begun east of it; later ones are mistakes.
    fn covers(self, day: Day) -> bool {
        let before_tomorrow = self.today.plus(1).days_since(day);
        before_tomorrow.is_some_and(|days| days <= self.within_days.saturating_add(1))
    }
}

/// One input of account rows on its way to be counted.
pub(super) struct Counting<'a, 'r> {
    people: &'a mut People,
    against: Against<'a>,
    active: Active,
    input: InputNo,
    ledger: Ledger,
    /// Where rejected rows are written; none for rows that are the run's own.
    rejects: Option<&'a mut Rejects<'r>>,
    /// Rows whose last activity is at no date that can be read.
    undated: u64,
    timings: Timings,
}

/// What an input came to.
pub(super) struct CountedInput {
    pub(super) ledger: Ledger,
    undated: u64,
    timings: Timings,
}

impl<'a, 'r> Counting<'a, 'r> {
    pub(super) fn new(
        people: &'a mut People,
        against: Against<'a>,
        active: Active,
        (input, ledger): (InputNo, Ledger),
        rejects: Option<&'a mut Rejects<'r>>,
    ) -> Self {
        let timings = Timings::default();
        Self { people, against, active, input, ledger, rejects, undated: 0, timings }
    }

    /// Ends the input: each person is there once then.
    pub(super) fn finish(mut self) -> CountedInput {
        self.timings.time(Stage::Join, || self.people.settle(waves::sort));
        CountedInput { ledger: self.ledger, undated: self.undated, timings: self.timings }
    }
}

/// What a batch came to.
#[derive(Default)]
pub(super) struct CountedRows {
    rows: u64,
    rejected: Vec<(u64, RejectReason)>,
    barred: Counts<BarReason>,
    inactive: u64,
    undated: u64,
    active: Vec<PersonRow>,
    slow_path: u64,
    timings: Timings,
}

impl Work for Counting<'_, '_> {
    type Done = CountedRows;

    fn work(&self, batch: &Batch) -> CountedRows {
        let mut done = CountedRows { rows: batch.len() as u64, ..CountedRows::default() };
        let mut timings = Timings::default();
        let readings: Vec<_> = timings.time(Stage::Normalise, || {
            (0..batch.len())
                .map(|row| {
                    if batch.is_malformed(row) {
                        return Err(RejectReason::MalformedRow);
                    }
                    let cell = batch.cell(Field::Phone, row);
                    let outcome = normalise::read_by(cell, Hint::International, Checks::Damage);
                    done.slow_path += u64::from(outcome.path == Path::Slow);
                    outcome.result
                })
                .collect()
        });
        timings.time(Stage::Consent, || {
            for (row, reading) in readings.into_iter().enumerate() {
                // Nobody is asked for the purpose, so what a row says is always the same.
                let decide = |reading| {
                    let Against { blank, suppressions, .. } = self.against;
                    consent::decide(reading, Consent::Blank, blank, suppressions)
                };
                match reading.map(decide) {
                    Err(reason) => done.rejected.push((row as u64, reason)),
                    Ok(Err(reason)) => done.barred.add(reason),
                    Ok(Ok(account)) => {
                        let last_active = When::from_cell(batch.cell(Field::LastActive, row));
                        done.undated += u64::from(last_active.is_unreadable());
                        let day = last_active.known_day();
                        if day.is_some_and(|day| self.active.covers(day)) {
                            let known = Attributes::from_cells(batch.cell(Field::Os, row), b"");
                            done.active.push(PersonRow::of(account, known, self.input));
                        } else {
                            done.inactive += 1;
                        }
                    }
                }
            }
        });
        done.timings = timings;
        done
    }

    fn apply(&mut self, first_row: u64, done: CountedRows) -> Result<(), RunError> {
        self.timings.add(&done.timings);
        let mut timings = Timings::default();
        self.ledger.rows_read += done.rows;
        self.ledger.slow_path += done.slow_path;
        self.ledger.unmatched += done.inactive;
        self.ledger.bar_all(&done.barred);
        self.undated += done.undated;
        timings.time(Stage::Join, || {
            self.people.add(&done.active);
            if self.people.is_due() {
                self.people.settle(waves::sort);
            }
        });
        timings.time(Stage::Output, || {
            for (place, reason) in done.rejected {
                self.ledger.rejected.add(reason);
                if let Some(rejects) = self.rejects.as_deref_mut() {
                    let rejected = Rejected { row: first_row + place, reason };
                    rejects.add(Role::Accounts, &self.ledger.file, rejected)?;
                }
            }
            Ok::<_, RunError>(())
        })?;
        self.timings.add(&timings);
        Ok(())
    }
}

/// The export, read and counted.
struct Export {
    accounts: Vec<ReadInput>,
    people: People,
    undated: u64,
}

/// Reads the export and writes the staging folder, audited.
pub(super) fn attempt(
    begun: &Begun<'_>,
    opening: Opening<'_>,
    watch: &Watch,
) -> Result<Finished, RunError> {
    let Opening { no, mut rejects, mut timings, restarts } = opening;
    let policy = &begun.job.policy;
    let (Some(activity), Some(noise)) = (policy.activity, &policy.noise) else {
        unreachable!("a policy that counts people says who is active, and how exactly")
    };
    let active = Active { today: figures::day(begun), within_days: activity.within_days };
    let suppressions = &no.suppressions;
    let (keyer, blank) = (&begun.keyer, policy.blank_consent);
    let purpose = begun.job.purpose;
    let (pass, drawn) = (Pass::Only, None);
    let against = Against { suppressions, keyer, blank, pass, purpose, drawn };
    canaries::probe_count(against, active, watch)?;

    let mut export = read(begun, against, active, &mut rejects, &mut timings, watch)?;
    let (gates, previous) = (&begun.job.gates, &begun.previous);
    gates::demand(gates::of_role(gates, Role::Accounts, &export.accounts, previous))?;
    bar_by_digest(&mut export, against, &mut timings);
    let counted = timings.time(Stage::Privacy, || {
        let fewest = policy.floors.attribute_cell;
        let rules = CountRules { fewest, noise, secret: &begun.job.secret };
        let is_excluded = |row: &PersonRow| {
            row.attributes().region().is_some_and(|region| policy.excludes(region))
        };
        let people = export.people.rows().iter().filter(|row| !is_excluded(row));
        let counts = privacy::count_people(people, &rules);
        let too_few = counts.is_empty().then_some(WithholdReason::TooFewMatched);
        let excluded = |row: &PersonRow| is_excluded(row).then_some(WithholdReason::ExcludedRegion);
        settle(&mut export, |row| excluded(row).or(too_few));
        counts
    });
    let rejects = timings.time(Stage::Output, || {
        write_tables(begun, &counted)?;
        rejects.into_table().finish()
    })?;
    timings.time(Stage::Audit, || {
        let folder = begun.staging.folder();
        finish::demand(audit::contents(folder, &policy.floors, &begun.job.secret, Some(&[])))?;
        finish::demand(audit::counts(folder, &policy.floors))
    })?;

    let inputs: Vec<_> = no.inputs.iter().chain(&export.accounts).collect();
    let alarms = alarms(begun, export.undated);
    let (lists, countries) = (Vec::new(), Vec::new());
    let timings = &timings;
    let passes = 1;
    let findings =
        Findings { inputs: &inputs, countries, lists, alarms, timings, passes, restarts };
    let report = finish::write_report(begun, findings)?;
    let counts = ManifestCounts {
        opt_out_rows: no.inputs.iter().map(|input| input.facts.rows).sum(),
        lists: 0,
        lists_released: 0,
        matches: 0,
        rejects,
        removed: 0,
    };
    let record = Record { inputs: &inputs, counts, pages: &[], ledger: None, messages: None };
    finish::write_manifest(begun, record)?;
    let (durable, audited) = waves::both(
        || finish::make_durable(begun),
        || finish::demand(audit::integrity(begun.staging.folder(), &begun.job.secret)),
    );
    durable?;
    audited?;
    Ok(Finished { report, books: Books::default(), opt_outs_seen: no.seen })
}

fn read(
    begun: &Begun<'_>,
    against: Against<'_>,
    active: Active,
    rejects: &mut Rejects<'_>,
    timings: &mut Timings,
    watch: &Watch,
) -> Result<Export, RunError> {
    let mut export = Export { accounts: Vec::new(), people: People::default(), undated: 0 };
    for location in &begun.job.accounts.locations {
        let source = accounts::source(begun.job, location, false);
        let mut reader = input::open(&source, Arc::clone(&watch.meter))?;
        let input = InputNo::try_from(export.accounts.len()).unwrap_or(InputNo::MAX);
        let ledger = Ledger::new(Role::Accounts, location.to_string());
        let people = &mut export.people;
        let mut counting = Counting::new(people, against, active, (input, ledger), Some(rejects));
        waves::each_batch(&mut reader, &mut counting, timings, watch)?;
        let counted = counting.finish();
        timings.add(&counted.timings);
        export.undated += counted.undated;
        let facts = timings.time(Stage::Input, || reader.finish())?;
        export.accounts.push(ReadInput { ledger: counted.ledger, facts });
    }
    Ok(export)
}

/// Takes out everybody whose number, in any form or alias, is on the suppression list as a digest,
/// and whoever has an alias of such a number. Asked of each person once, as it takes hashes.
fn bar_by_digest(export: &mut Export, against: Against<'_>, timings: &mut Timings) {
    const STRETCH: usize = 4096;
    let Against { suppressions, keyer, .. } = against;
    if suppressions.hashed_keys().next().is_none() {
        return;
    }
    let classes = timings.time(Stage::Key, || {
        let stretches: Vec<_> = export.people.rows().chunks(STRETCH).collect();
        waves::map(&stretches, |rows| {
            let barred = rows.iter().filter(|row| suppressions.bar_by_digest(row.number(), keyer));
            let digits = barred.map(|row| row.number().expose_digits());
            digits.flat_map(|it| suppressions.aliases_of(it).expose_digits().to_vec()).collect()
        })
    });
    let barred: HashSet<u64> = classes.into_iter().flat_map(|it: Vec<u64>| it).collect();
    timings.time(Stage::Join, || {
        for row in export.people.take_out(&barred) {
            export.accounts[row.input() as usize].ledger.bar(BarReason::OptedOut);
        }
    });
}

/// Counts the rows whose outcome was open until the end: each person's first, and the further ones.
fn settle(export: &mut Export, reason: impl Fn(&PersonRow) -> Option<WithholdReason>) {
    for row in export.people.rows() {
        let ledger = &mut export.accounts[row.input() as usize].ledger;
        match reason(row) {
            None => ledger.released += 1,
            Some(reason) => ledger.withhold(reason),
        }
    }
    for (input, account) in (0..).zip(&mut export.accounts) {
        account.ledger.duplicates += export.people.repeats(input);
    }
}

/// Writes the table, and the files of every run in which nobody is.
fn write_tables(begun: &Begun<'_>, counts: &[PeopleCount]) -> Result<(), OutputError> {
    let purpose = begun.job.purpose.name();
    let file = |name| begun.staging.file(name);
    output::counts(&file(COUNTS), purpose, counts)?;
    let of = Origin::of_everybody(purpose);
    output::summary(&file(SUMMARY), of, &[], Some(counts))?;
    let nobody = Matches { lists: &[], rows: &[] };
    output::matches(&file(MATCHES), of, nobody, waves::all)?;
    output::audiences(&file(AUDIENCES), purpose, &[])?;
    output::removed(&file(REMOVED), purpose, &BTreeSet::new())
}

fn alarms(begun: &Begun<'_>, undated: u64) -> Vec<String> {
    let is_exact = begun.job.policy.noise == Some(NoiseRules::None);
    let exact = is_exact.then(|| {
        "the policy adds no noise: two nights' counts may tell of the person between them"
            .to_owned()
    });
    let undated = (undated > 0).then(|| {
        format!("{undated} accounts were last active at no date that can be read: not counted")
    });
    exact.into_iter().chain(undated).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_was_seen_on_the_last_day_of_the_window_is_active_and_a_day_earlier_is_not() {
        let today = Day::from_text("2026-11-22").unwrap();
        let covers = |within_days, day: &str| {
            Active { today, within_days }.covers(Day::from_text(day).unwrap())
        };
        for (within_days, day, is_active) in [
            (30, "2026-11-22", true),
            (30, "2026-10-23", true),
            (30, "2026-10-22", false),
            (30, "2026-11-23", true),
            (30, "2026-11-24", false),
            (0, "2026-11-22", true),
            (0, "2026-11-21", false),
            (u32::MAX, "1971-01-01", true),
        ] {
            assert_eq!(covers(within_days, day), is_active, "{within_days} {day}");
        }
    }
}
