//! Parallelism, wrapped once round serial stages. The only file that says `rayon`.
//!
//! In a wave every thread draws parts of the input, splits them and works on their batches, until
//! enough rows are done. Then one thread applies what they came to, in row order, and the next wave
//! begins; where work does not depend on what was applied, waves are half as long and the next one
//! has begun. So the outcome does not depend on the number of threads, nor on which of them was
//! quicker, and memory holds what so many rows came to, however long the input is. A part that is not
//! done when the wave ends is gone on with in the next.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rayon::prelude::*;

use super::{RunError, Watch};
use crate::input::{Batch, BatchReader, Batches, Splitter, Unplaced};
use crate::output::Task;
use crate::report::{Stage, Timings};

/// Rows for each thread of which there are results at a time. At a wave's end threads wait for the
/// last batch of the others, and where waves come one after the other for the results to be applied:
/// with so many rows a few hundredths of the time.
const ROWS_A_THREAD: u64 = 64 * 1024;

/// What is done with an input: a serial function over one batch, and what becomes of its result.
pub(super) trait Work {
    /// What a batch comes to.
    type Done: Send;

    /// Works on one batch; several threads do so at once.
    fn work(&self, batch: &Batch) -> Self::Done;

    /// Takes in what a batch came to, in row order. `first_row` is the number of its first row in
    /// the input, from 1 without the header.
    fn apply(&mut self, first_row: u64, done: Self::Done) -> Result<(), RunError>;
}

/// Reads an input to its end and works on it. Results are taken in between waves: nobody works while
/// the whole of `work` is what takes them in.
pub(super) fn each_batch<W: Work + Sync>(
    reader: &mut BatchReader,
    work: &mut W,
    timings: &mut Timings,
    watch: &Watch,
) -> Result<(), RunError> {
    let mut order = Order::behind(reader);
    let mut waves = Waves::over(reader, watch, ROWS_A_THREAD);
    while !waves.are_over() {
        order.add(waves.next(&|batch: &Batch| work.work(batch))?);
        let applied = order.apply(|first_row, done| work.apply(first_row, done));
        waves.settle(&mut order, applied)?;
    }
    waves.finish(timings);
    Ok(())
}

/// The same for work in two halves, of which one looks at nothing that the other changes: a wave's
/// results are taken in while the threads are at the next.
pub(super) fn each_batch_at_once<D: Send>(
    reader: &mut BatchReader,
    (work, mut apply): (
        impl Fn(&Batch) -> D + Sync,
        impl FnMut(u64, D) -> Result<(), RunError> + Send,
    ),
    timings: &mut Timings,
    watch: &Watch,
) -> Result<(), RunError> {
    let mut order = Order::behind(reader);
    let mut waves = Waves::over(reader, watch, ROWS_A_THREAD / 2);
    // Nothing is begun behind a first batch that is not what it should be.
    order.add(waves.next(&work)?);
    let first = order.apply(&mut apply);
    waves.settle(&mut order, first)?;
    while !waves.are_over() {
        let (applied, steps) = both(|| order.apply(&mut apply), || waves.next(&work));
        waves.settle(&mut order, applied)?;
        order.add(steps?);
    }
    let last = order.apply(&mut apply);
    waves.settle(&mut order, last)?;
    waves.finish(timings);
    Ok(())
}

/// The waves over an input, and what threads keep from one to the next.
struct Waves<'a> {
    reader: &'a mut BatchReader,
    splitter: Splitter,
    watch: &'a Watch,
    workers: Vec<Worker>,
    parts_drawn: PartNo,
    /// False at the input's end, and when something is wrong with it.
    more: bool,
    /// How many threads the next wave has, and for how many rows.
    awake: usize,
    rows_due: u64,
    /// For how many rows of each thread those have that come after it.
    rows_a_thread: u64,
}

impl<'a> Waves<'a> {
    fn over(reader: &'a mut BatchReader, watch: &'a Watch, rows_a_thread: u64) -> Self {
        let splitter = reader.splitter();
        let workers = (0..threads()).map(|_| Worker::default()).collect();
        // The first batch goes alone, so that an input that is not what it should be ends early.
        let (awake, rows_due) = (1, 1);
        Self {
            reader,
            splitter,
            watch,
            workers,
            parts_drawn: 0,
            more: true,
            awake,
            rows_due,
            rows_a_thread,
        }
    }

    fn are_over(&self) -> bool {
        !self.more && self.workers.iter().all(|worker| worker.begun.is_none())
    }

    /// One wave.
    fn next<D: Send>(
        &mut self,
        work: &(impl Fn(&Batch) -> D + Sync),
    ) -> Result<Vec<Step<D>>, RunError> {
        self.watch.check()?;
        let Self { reader, splitter, workers, parts_drawn, more, .. } = self;
        let wave = Wave {
            drawing: Mutex::new(Drawing { reader, parts_drawn: *parts_drawn, more: *more }),
            splitter,
            work,
            rows_due: self.rows_due,
            rows_done: AtomicU64::new(0),
            watch: self.watch,
        };
        let workers_awake = workers[..self.awake].par_iter_mut().with_max_len(1);
        let steps: Vec<_> = workers_awake.flat_map_iter(|worker| wave.serve(worker)).collect();
        let drawing = wave.drawing.into_inner().unwrap_or_else(PoisonError::into_inner);
        (*parts_drawn, *more) = (drawing.parts_drawn, drawing.more);
        self.awake = self.workers.len();
        self.rows_due = self.rows_a_thread * self.workers.len() as u64;
        Ok(steps)
    }

    /// Counts the rows whose results were taken in, and says where it ended if it did.
    fn settle<D>(
        &mut self,
        order: &mut Order<D>,
        applied: Result<(), Halt>,
    ) -> Result<(), RunError> {
        self.reader.count(order.rows - self.reader.rows_read());
        applied.map_err(|halt| match halt {
            Halt::Input(error) => self.reader.fail(error).into(),
            Halt::Work(error) => error,
        })
    }

    fn finish(self, timings: &mut Timings) {
        self.workers.iter().for_each(|worker| timings.add(&worker.timings));
    }
}

/// Why results are taken in no further.
enum Halt {
    Input(Unplaced),
    Work(RunError),
}

/// A part's place among those of its input.
type PartNo = u64;

/// What a thread keeps from wave to wave.
#[derive(Default)]
struct Worker {
    batch: Batch,
    begun: Option<Begun>,
    timings: Timings,
}

/// A part that is being split.
struct Begun {
    part: PartNo,
    batches: Batches,
}

/// Where the threads of a wave draw parts from, one at a time.
struct Drawing<'a> {
    reader: &'a mut BatchReader,
    parts_drawn: PartNo,
    /// False at the input's end, and when something is wrong with it.
    more: bool,
}

struct Wave<'a, F> {
    drawing: Mutex<Drawing<'a>>,
    splitter: &'a Splitter,
    work: &'a F,
    rows_due: u64,
    rows_done: AtomicU64,
    watch: &'a Watch,
}

/// One thing that a thread did with a part.
struct Step<D> {
    part: PartNo,
    outcome: Result<Event<D>, Unplaced>,
}

enum Event<D> {
    Worked { rows: u64, done: D },
    Ended,
}

impl<'a, D, F: Fn(&Batch) -> D> Wave<'a, F> {
    /// What one thread does in a wave: parts, batch by batch.
    fn serve(&self, worker: &mut Worker) -> Vec<Step<D>> {
        let mut steps = Vec::new();
        while self.rows_done.load(Ordering::Relaxed) < self.rows_due && self.watch.check().is_ok() {
            let (part, begun) = match worker.begun.take() {
                Some(Begun { part, batches }) => (part, Ok(batches)),
                None => match self.draw(&mut worker.timings) {
                    Some(drawn) => drawn,
                    None => break,
                },
            };
            let outcome = begun.and_then(|batches| self.next_batch(worker, part, batches));
            if outcome.is_err() {
                self.lock().more = false;
            }
            steps.push(Step { part, outcome });
        }
        steps
    }

    /// Draws a part and begins to split it.
    fn draw(&self, timings: &mut Timings) -> Option<(PartNo, Result<Batches, Unplaced>)> {
        let mut drawing = self.lock();
        if !drawing.more {
            return None;
        }
        let drawn = timings.time(Stage::Input, || drawing.reader.next_part()).transpose();
        drawing.more = drawn.is_some();
        let part = drawing.parts_drawn;
        drawing.parts_drawn += 1;
        drop(drawing);
        let begin = |drawn| timings.time(Stage::Input, || self.splitter.begin(drawn));
        Some((part, drawn?.and_then(begin)))
    }

    /// Works on a part's next batch; the worker keeps the part while there may be more.
    fn next_batch(
        &self,
        worker: &mut Worker,
        part: PartNo,
        mut batches: Batches,
    ) -> Result<Event<D>, Unplaced> {
        let Worker { batch, begun, timings } = worker;
        if !timings.time(Stage::Input, || batches.next_into(batch))? {
            return Ok(Event::Ended);
        }
        *begun = Some(Begun { part, batches });
        let rows = batch.len() as u64;
        self.rows_done.fetch_add(rows, Ordering::Relaxed);
        Ok(Event::Worked { rows, done: (self.work)(batch) })
    }

    fn lock(&self) -> MutexGuard<'_, Drawing<'a>> {
        self.drawing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Brings what the threads did into the order of the rows.
struct Order<D> {
    /// Rows of the input whose results were taken in.
    rows: u64,
    /// Parts of which that is true to their end.
    applied: PartNo,
    /// What was not applied yet, because a part before it has not ended.
    waiting: BTreeMap<PartNo, Vec<Result<Event<D>, Unplaced>>>,
}

impl<D> Order<D> {
    /// For what comes next of an input.
    fn behind(reader: &BatchReader) -> Self {
        Self { rows: reader.rows_read(), applied: 0, waiting: BTreeMap::new() }
    }

    /// Each part's steps come in its rows' order: one thread has it from beginning to end.
    fn add(&mut self, steps: Vec<Step<D>>) {
        for step in steps {
            self.waiting.entry(step.part).or_default().push(step.outcome);
        }
    }

    /// Hands on every result whose turn it is, with the number of its first row.
    fn apply(&mut self, mut apply: impl FnMut(u64, D) -> Result<(), RunError>) -> Result<(), Halt> {
        while let Some(outcomes) = self.waiting.remove(&self.applied) {
            let part = self.applied;
            for outcome in outcomes {
                match outcome.map_err(Halt::Input)? {
                    Event::Worked { rows, done } => {
                        let first_row = self.rows + 1;
                        self.rows += rows;
                        apply(first_row, done).map_err(Halt::Work)?;
                    }
                    Event::Ended => self.applied += 1,
                }
            }
            if self.applied == part {
                break;
            }
        }
        Ok(())
    }
}

/// Maps a slice in order, on all threads.
pub(super) fn map<T: Sync, U: Send>(items: &[T], map: impl Fn(&T) -> U + Sync + Send) -> Vec<U> {
    items.par_iter().map(map).collect()
}

/// Does all tasks, on all threads.
pub(super) fn all<T: Send>(tasks: Vec<Task<'_, T>>) -> Vec<T> {
    tasks.into_par_iter().map(|task| task()).collect()
}

/// Does two things at once, where there are threads for both.
pub(super) fn both<A: Send, B: Send>(
    one: impl FnOnce() -> A + Send,
    other: impl FnOnce() -> B + Send,
) -> (A, B) {
    rayon::join(one, other)
}

/// Sorts a slice on all threads.
pub(super) fn sort<T: Ord + Send>(items: &mut [T]) {
    items.par_sort_unstable();
}

/// How many threads there are to work.
pub(super) fn threads() -> usize {
    rayon::current_num_threads()
}

/// A pool of worker threads, for callers that have no rayon pool of their own.
#[derive(Debug)]
pub struct Threads(rayon::ThreadPool);

/// The system gave no threads.
#[derive(Debug, thiserror::Error)]
#[error("the system gave no threads ({0})")]
pub struct NoThreads(#[source] rayon::ThreadPoolBuildError);

impl Threads {
    /// A pool of so many threads; of as many as there are cores when `count` is zero.
    ///
    /// # Errors
    ///
    /// When the system gives no threads.
    pub fn new(count: usize) -> Result<Self, NoThreads> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(count).build();
        pool.map(Self).map_err(NoThreads)
    }

    /// Does `work` in the pool: [`run`](super::run) then uses its threads.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        self.0.install(work)
    }
}
