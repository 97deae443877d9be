//! What each recipient is told, decided list by list in the order of names, and charged.

use std::thread;
use std::time::{Duration, Instant};

use jiff::civil::Date;

use super::passes::Joint;
use super::{Begun, PreviousRuns, RunError, Watch, messages, waves};
use crate::dates::Day;
use crate::job::{Ending, Job};
use crate::join::{ListNo, ListStore, Stored, Stretch};
use crate::key::{MatchKey, Secret};
use crate::policy::{AddedNoise, BudgetRules, NoiseRules};
use crate::privacy::{
    self, Basis, Book, BudgetLedger, Counted, Figure, FigureRules, Gates, History, KeptBack,
    LedgerError, LedgerHead, ListDigest, Measured, Sets, Sketched, Tally,
};

/// How long a run waits for others that charge to the same ledger: from deciding to publishing.
pub(super) const PATIENCE: Duration = Duration::from_secs(600);
pub(super) const BETWEEN_ATTEMPTS: Duration = Duration::from_millis(100);

/// What was decided, and the ledger that is to be charged before anybody is told.
pub(super) struct Decided {
    /// Every list, counted.
    pub(super) counted: Vec<Counted>,
    /// In the same order.
    pub(super) figures: Vec<Figure>,
    /// Whoever does not count as a person.
    pub(super) kept_back: KeptBack,
    /// Owners whose address books are larger than the policy allows.
    pub(super) large_books: u64,
    pub(super) books: Books,
}

/// What a run is entered into before anybody sees it.
#[derive(Default)]
pub(super) struct Books {
    pub(super) ledger: Option<BudgetLedger>,
    pub(super) history: Option<History>,
}

impl Books {
    /// Makes the run's entries durable.
    pub(super) fn commit(&mut self) -> Result<(), RunError> {
        if let Some(ledger) = &mut self.ledger {
            ledger.commit()?;
        }
        if let Some(history) = &mut self.history {
            history.commit()?;
        }
        Ok(())
    }
}

impl Decided {
    /// Where the ledger ends, the charges of this run with it.
    pub(super) fn head(&self) -> Option<LedgerHead> {
        self.books.ledger.as_ref()?.book().head()
    }
}

/// The policy's noise and budget, where it has them and somebody is told: of a sample nobody is.
fn rules(job: &Job) -> Option<(&AddedNoise, &BudgetRules)> {
    match (&job.policy.noise, &job.policy.budget) {
        (Some(NoiseRules::Added(noise)), Some(budget)) if job.drawn().is_none() => {
            Some((noise, budget))
        }
        _ => None,
    }
}

/// Refuses a ledger that is not the one that the previous runs were charged to, before anything is
/// read.
pub(super) fn check_ledger(job: &Job, previous: &PreviousRuns) -> Result<(), RunError> {
    if rules(job).is_none() {
        return Ok(());
    }
    let book = Book::read(&job.ledger, &job.secret)?;
    check_head(job, previous, book.as_ref())
}

fn check_head(job: &Job, previous: &PreviousRuns, book: Option<&Book>) -> Result<(), RunError> {
    let runs = [&previous.chained, &previous.replaced].into_iter().flatten();
    for head in runs.filter_map(|run| run.ledger()) {
        let path = || job.ledger.clone();
        match book {
            // An empty file is what a run leaves that began a ledger and was killed.
            Some(book) if book.goes_on_from(head) => {}
            Some(book) if book.head().is_some() => {
                return Err(LedgerError::RolledBack { path: path() }.into());
            }
            _ => return Err(LedgerError::Missing { path: path() }.into()),
        }
    }
    Ok(())
}

/// Counts every list but the canaries' and decides its figure.
pub(super) fn decide(
    begun: &Begun<'_>,
    joint: &Joint,
    canaries: ListNo,
    watch: &Watch,
) -> Result<Decided, RunError> {
    let index = &joint.index;
    let (job, floors) = (begun.job, &begun.job.policy.floors);
    let large_books = joint.large_books(job.policy.most_contacts, canaries)?;
    let gates = Gates {
        policy: &job.policy,
        today: day(begun),
        drawn: job.drawn(),
        large_books: &large_books,
    };
    let mut tally =
        privacy::count(index, canaries, &gates, |stretches, of| waves::map(stretches, of));
    let history = messages::choose(begun, index, &mut tally, watch)?;
    let Tally { lists: counted, kept_back } = tally;
    let large_books = large_books.owners();
    let Some((noise, budget)) = rules(job) else {
        let figures = counted.iter().map(|counted| counted.exact_figure(floors)).collect();
        let books = Books { ledger: None, history };
        return Ok(Decided { counted, figures, kept_back, large_books, books });
    };
    let rules = FigureRules { purpose: job.purpose, floors, noise, budget, today: today(begun) };
    let measured = match &joint.store {
        None => waves::map(&counted, |counted| {
            (!counted.is_out_of_bounds(floors)).then(|| {
                let mut keys = waves::map(counted.slots(), |&slot| index.key(slot));
                let mut people = counted.people_keys(index);
                let name = index.list_name(counted.list());
                let points = rules.points(&job.secret, name.recipient.as_str());
                let sketched =
                    Sketched::of(points, &keys, |stretches, of| waves::map(stretches, of));
                waves::both(|| waves::sort(&mut keys), || waves::sort(&mut people));
                let sets = Sets { keys: &keys, people: &people };
                Measured::of(name, sets, sketched, &job.secret)
            })
        }),
        Some(store) => measure(joint, store, &counted, (&rules, &job.secret))?,
    };
    let mut ledger = open(job, watch)?;
    check_head(job, &begun.previous, Some(ledger.book()))?;
    // Lists of one run are near one another too; which of them is the first must not depend on
    // the order of rows.
    let mut order: Vec<_> = (0..counted.len()).collect();
    order.sort_by_key(|&at| index.list_name(counted[at].list()));
    let mut figures = vec![Figure { band: None, basis: Basis::Length }; counted.len()];
    for (row, at) in (1..).zip(order) {
        let Some(measured) = &measured[at] else { continue };
        let decided = measured.decide(&rules, &job.secret, &mut ledger);
        figures[at] = decided.map_err(|exhausted| RunError::BudgetExhausted {
            row,
            exhausted,
            period_days: budget.period_days,
        })?;
    }
    let books = Books { ledger: Some(ledger), history };
    Ok(Decided { counted, figures, kept_back, large_books, books })
}

/// Measures lists whose rows are in a store: their keys come from there, a part at a time and in
/// their order.
fn measure<'a>(
    joint: &'a Joint,
    store: &ListStore,
    counted: &[Counted],
    (rules, secret): (&FigureRules<'_>, &Secret),
) -> Result<Vec<Option<Measured<'a>>>, RunError> {
    let index = &joint.index;
    let mut digests: Vec<Option<ListDigest>> = store.lists().iter().map(|_| None).collect();
    for counted in counted.iter().filter(|counted| !counted.is_out_of_bounds(rules.floors)) {
        let (list, numbers) = (counted.list(), counted.numbers());
        let recipient = index.list_name(list).recipient.as_str();
        let points = rules.points(secret, recipient);
        let digest = ListDigest::begin(points, secret, recipient, numbers);
        digests[list.index()] = Some(digest);
    }
    let mut rows: Vec<(ListNo, MatchKey)> = Vec::new();
    let mut keys = Vec::new();
    for part in Stretch::parts() {
        rows.clear();
        store.each_row(&part, |stored| match stored {
            Stored::Row(row) if digests[row.list.index()].is_some() => {
                rows.push((row.list, row.key));
            }
            Stored::Row(_) | Stored::Owner(_) => {}
        })?;
        waves::sort(&mut rows);
        rows.dedup();
        for of_list in rows.chunk_by(|(one, _), (other, _)| one == other) {
            keys.clear();
            keys.extend(of_list.iter().map(|(_, key)| *key));
            let digest = &mut digests[of_list[0].0.index()];
            *digest = digest.take().map(|digest| digest.and(&keys));
        }
    }
    let measured = counted.iter().map(|counted| {
        let digest = digests[counted.list().index()].take()?;
        let mut people = counted.people_keys(index);
        waves::sort(&mut people);
        Some(Measured::digested(index.list_name(counted.list()), digest, &people, secret))
    });
    Ok(measured.collect())
}

/// The day on which the run began, in UTC.
fn today(begun: &Begun<'_>) -> Date {
    let started: Result<jiff::Timestamp, _> = begun.started_at.parse();
    started.unwrap_or_else(|_| jiff::Timestamp::now()).to_zoned(jiff::tz::TimeZone::UTC).date()
}

/// The same, to count days by.
pub(super) fn day(begun: &Begun<'_>) -> Day {
    Day::from_text(&today(begun).to_string()).unwrap_or_else(Day::today)
}

fn open(job: &Job, watch: &Watch) -> Result<BudgetLedger, RunError> {
    let start = Instant::now();
    if job.ending == Ending::Rehearse {
        return Ok(BudgetLedger::rehearse(&job.ledger, &job.secret)?);
    }
    loop {
        match BudgetLedger::open(&job.ledger, &job.secret) {
            Err(LedgerError::Locked { .. }) if start.elapsed() < PATIENCE => {
                watch.check()?;
                thread::sleep(BETWEEN_ATTEMPTS);
            }
            opened => return Ok(opened?),
        }
    }
}
