//! The whole road, once: opt-outs, lists, export, and what comes of them.
//!
//! Where the purpose takes no lists the export is counted instead (`head_count`).
//!
//! [`run`] is the job as one can read it from top to bottom. Each step is a serial stage; `waves`
//! wraps parallelism round those that see many rows. Nothing is published before the audit has
//! passed and the opt-outs were read a second time; if they changed meanwhile the run begins
//! again, so that a no that arrived during the run counts in it.

mod accounts;
pub mod by_row;
mod canaries;
mod error;
mod figures;
mod finish;
mod gates;
mod head_count;
mod lists;
mod messages;
mod normalise_file;
mod opt_outs;
mod passes;
mod place;
mod spare;
mod validate;
mod waves;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use crate::consent::{SuppressionReader, Suppressions};
use crate::input::{Facts, Field, Location, Meter, Need, Role, Want};
use crate::job::{Ending, Job};
use crate::join::{Holds, ListIndex, ListName, ListStore};
use crate::key::{Form, Keyer, MatchKey};
use crate::normalise::Hint;
use crate::output::{Lineage, OutputError, REJECTS, Rejected, RejectsTable, Staged, Staging};
use crate::report::{Ledger, Report, Stage, Timings};

use figures::Books;

pub use error::{ListError, OptOutError, RunError};
pub use gates::{BrokenGate, Counted, broken_gates};
pub use normalise_file::{NormaliseFile, Normalised, normalise_file};
pub use opt_outs::{AuditedOptOuts, read_for_audit};
pub use validate::{
    ColumnCheck, Dialect, Finding, GateCheck, GateOutcome, InputCheck, MatchCheck, Numbers, Part,
    Sample, Severity, Stored, USUAL_SAMPLE, Validation, WHOLE_UP_TO_BYTES, validate,
};
pub use waves::{NoThreads, Threads};

use lists::Gathering;
use passes::Joint;
use place::{Place, Prepared, PreviousRuns};

/// How often a run begins again because the opt-out list changed while it went on.
const MOST_ATTEMPTS: u32 = 3;

/// What a caller sees of a run while it goes on, and how it stops it.
#[derive(Debug)]
pub struct Watch {
    /// Bytes and rows read so far.
    pub meter: Arc<Meter>,
    /// Set it, and the run ends at the next wave with nothing published, also where it waits for
    /// standard input.
    pub cancel: Arc<AtomicBool>,
    /// The run's hidden folder, for a caller that cannot wait so long.
    pub staged: Arc<Staged>,
}

impl Default for Watch {
    fn default() -> Self {
        let cancel = Arc::default();
        let meter = Arc::new(Meter::stopped_by(Arc::clone(&cancel)));
        Self { meter, cancel, staged: Arc::default() }
    }
}

impl Watch {
    /// Whatever a run that was told to stop stumbled over, it ended because it was told to.
    fn or_interrupted<T>(&self, outcome: Result<T, RunError>) -> Result<T, RunError> {
        outcome.or_else(|error| self.check().and(Err(error)))
    }

    fn check(&self) -> Result<(), RunError> {
        if self.cancel.load(Ordering::SeqCst) { Err(RunError::Interrupted) } else { Ok(()) }
    }
}

/// A run that ended well.
#[derive(Debug)]
pub enum Outcome {
    /// A run is there that was not, with this report in it.
    Published {
        /// The folder, or the address in a store.
        folder: PathBuf,
        /// What happened to every row.
        report: Box<Report>,
    },
    /// A run folder would be there; the job says that nothing of it is to stay.
    Rehearsed {
        /// Where it would be.
        folder: PathBuf,
        /// What happened to every row.
        report: Box<Report>,
    },
    /// The run folder was there already, and the job says to leave it.
    Skipped {
        /// The folder, or the address in a store.
        folder: PathBuf,
    },
}

/// An input that was read to its end.
struct ReadInput {
    ledger: Ledger,
    facts: Facts,
}

/// Everything that a run knows before it reads anything.
struct Begun<'a> {
    job: &'a Job,
    keyer: Keyer,
    staging: Staging,
    previous: PreviousRuns,
    started: Instant,
    started_at: String,
}

/// Rows that could not be read, on their way into their table. Only one thread ever writes; the
/// mutex, never locked, says to the compiler that threads which share the rest do not share this.
struct Rejects<'a>(Mutex<RejectsTable<'a>>);

impl Rejects<'_> {
    fn add(&mut self, role: Role, file: &str, rejected: Rejected) -> Result<(), OutputError> {
        let table = self.0.get_mut().unwrap_or_else(PoisonError::into_inner);
        table.add(role, file, rejected)
    }
}

impl<'a> Rejects<'a> {
    fn into_table(self) -> RejectsTable<'a> {
        self.0.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs a job from its inputs to a published, audited folder; or to one that is taken away, its
/// books untouched, where the job says so.
///
/// Parallel work is done in the caller's rayon pool. Memory grows with the lists and the opt-outs,
/// not with the export; where the job has a budget of memory, with the people who are found instead
/// of the lists, and where there are no lists with those who are counted.
///
/// # Errors
///
/// [`RunError`]; nothing is published then, and an older run in the same place is untouched.
pub fn run(job: &Job, watch: &Watch) -> Result<Outcome, RunError> {
    let outcome = watch.or_interrupted(run_once(job, watch));
    watch.staged.forget();
    outcome
}

fn run_once(job: &Job, watch: &Watch) -> Result<Outcome, RunError> {
    let started = Instant::now();
    let started_at = jiff::Timestamp::now().to_string();
    check_sample(job)?;
    let Some(place) = Place::of(job)? else {
        return Ok(Outcome::Skipped { folder: Place::named(job) });
    };
    let staging = place.begin(job)?;
    watch.staged.hold(staging.folder());
    let lineage =
        Lineage { job: job.name.as_str(), purpose: job.purpose.name(), secret: &job.secret };
    let previous = PreviousRuns::of(job, &lineage)?;
    figures::check_ledger(job, &previous)?;
    messages::check_history(job, &previous)?;
    let begun =
        Begun { job, keyer: Keyer::new(&job.secret), staging, previous, started, started_at };
    for restarts in 0..MOST_ATTEMPTS {
        let mut finished = attempt(&begun, restarts, watch)?;
        // Of a rehearsal nothing leaves this machine.
        let prepared = match job.ending {
            Ending::Rehearse => Prepared::Staged,
            Ending::Publish => place.prepare(&begun.staging, watch)?,
        };
        if opt_outs::are_unchanged(job, &finished.opt_outs_seen)? {
            watch.check()?;
            let (folder, report) = (Place::named(job), Box::new(finished.report));
            if job.ending == Ending::Rehearse {
                return Ok(Outcome::Rehearsed { folder, report });
            }
            // A figure is paid for, and a message remembered, before anybody can see it. A run that
            // dies between these lines was charged; the next one finds the same in the books.
            finished.books.commit()?;
            let publish = || prepared.publish(begun.staging, job.if_exists);
            watch.staged.publish(publish).ok_or(RunError::Interrupted)??;
            return Ok(Outcome::Published { folder, report });
        }
        if reads_stdin(job) {
            return Err(RunError::OptOutsChanged);
        }
        drop(prepared);
        begun.staging.clear()?;
    }
    Err(RunError::OptOutsKeepChanging { times: MOST_ATTEMPTS })
}

/// Refuses a sample where the policy's promises are about all people.
fn check_sample(job: &Job) -> Result<(), RunError> {
    let purpose = job.purpose;
    let takes_one = purpose.takes_lists() && !purpose.joins_people();
    if job.drawn().is_none() || takes_one { Ok(()) } else { Err(RunError::NoSample { purpose }) }
}

/// What one attempt wrote into the staging folder.
struct Finished {
    report: Report,
    /// What is to be made durable before the folder is published.
    books: Books,
    opt_outs_seen: Vec<opt_outs::Seen>,
}

/// Reads everything and writes the staging folder, audited.
fn attempt(begun: &Begun<'_>, restarts: u32, watch: &Watch) -> Result<Finished, RunError> {
    let (job, keyer) = (begun.job, &begun.keyer);
    let mut timings = Timings::default();
    let rejects_path = begun.staging.file(REJECTS);
    let mut rejects = Rejects(Mutex::new(RejectsTable::create(&rejects_path, job.purpose.name())?));

    let mut no =
        opt_outs::read(&opt_outs::Road::of(job, keyer), Some(&mut rejects), &mut timings, watch)?;
    let rows = no.inputs.iter().map(|input| input.facts.rows).sum();
    opt_outs::check_shrinking(rows, begun.previous.opt_out_rows(), &job.policy.opt_outs)?;
    let reader = SuppressionReader { purpose: job.purpose, keyer: keyer.clone() };
    canaries::opt_out(&mut no.suppressions, &reader);
    if !job.purpose.takes_lists() {
        let opening = head_count::Opening { no, rejects, timings, restarts };
        return head_count::attempt(begun, opening, watch);
    }

    let (mut gathering, room) = match job.memory {
        None => (Gathering::Index(Box::default()), u64::MAX),
        Some(budget) => {
            let room = passes::room(budget, &no.suppressions)?;
            let holds = match job.purpose.takes_pairs() {
                true => Holds::Pairs,
                false => Holds::Numbers,
            };
            let store = ListStore::new(begun.staging.folder().to_owned(), holds);
            (Gathering::Store(Box::new(store)), room)
        }
    };
    let canary_list = gathering.list(&ListName::reserved());
    let mut lists = lists::read(job, keyer, &mut gathering, &mut rejects, &mut timings, watch)?;
    gates::demand(gates::of_role(&job.gates, Role::List, &lists.inputs, &begun.previous))?;
    let road = passes::Road { job, keyer, suppressions: &no.suppressions, canary_list, watch };
    let joint = passes::over_export(road, gathering, room, &mut lists, &mut rejects, &mut timings)?;
    gates::demand(gates::of_role(&job.gates, Role::Accounts, &joint.accounts, &begun.previous))?;
    let mut matched = gates::matched_by_input(&joint.index, lists.inputs.len(), &lists.groups);
    for (matched, input) in matched.iter_mut().zip(&lists.inputs) {
        // Numbers that nobody has and that are no longer in the index; none after a single pass.
        matched.numbers += input.ledger.unmatched;
    }
    gates::demand(gates::of_matches(job, &lists.inputs, &matched))?;

    let decided =
        timings.time(Stage::Privacy, || figures::decide(begun, &joint, canary_list, watch))?;
    let barred = timings.time(Stage::Audit, || barred(&joint.index, job, keyer, &no.suppressions));
    let Joint { index, accounts, passes, store, .. } = joint;
    drop(store);
    let joined = finish::Joined {
        opt_outs: no.inputs,
        index,
        lists,
        accounts,
        passes,
        canary_list,
        decided,
        barred,
    };
    let (report, books) = finish::finish(begun, joined, rejects.into_table(), timings, restarts)?;
    Ok(Finished { report, books, opt_outs_seen: no.seen })
}

/// The keys by which whoever said no might be written: those of lists. A pair is written by the keys
/// of the people, in whichever form lists have their numbers, so those are barred too.
fn barred(
    index: &ListIndex,
    job: &Job,
    keyer: &Keyer,
    suppressions: &Suppressions,
) -> Vec<MatchKey> {
    let mut keys: Vec<_> = index.barred().map(|slot| index.key(slot)).collect();
    if job.purpose.takes_pairs() {
        let digits: Vec<_> = suppressions.expose_digits().collect();
        keys.extend(index.barred().map(|slot| index.person(slot)));
        keys.extend(waves::map(&digits, |&digits| keyer.key_of_digits(digits, Form::E164)));
        keys.sort_unstable();
        keys.dedup();
    }
    keys
}

fn reads_stdin(job: &Job) -> bool {
    let lists = job.lists.iter().flat_map(|list| &list.files.locations);
    job.accounts.locations.iter().chain(lists).any(|location| *location == Location::Stdin)
}

/// How a row's number is to be read.
fn hint_of(country: &[u8], default: Hint) -> Hint {
    Hint::of_row(country, default)
}

fn want(columns: &BTreeMap<Field, String>, field: Field, need: Need) -> Want {
    Want { field, mapped: columns.get(&field).cloned(), need }
}
