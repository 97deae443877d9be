//! Parallelism, wrapped once round serial stages. The only file that says `rayon`.
//!
//! A wave is a handful of batches. While one wave is worked on by all threads, the next is read;
//! results are applied in row order by one thread. So the outcome does not depend on the number of
//! threads, and memory holds two waves however long the input is.

use std::time::Instant;

use rayon::prelude::*;

use super::{RunError, Watch};
use crate::input::{Batch, BatchReader};
use crate::report::{Stage, Timings};

/// Batches in a wave for each thread: enough that uneven batches even out.
const BATCHES_A_THREAD: usize = 4;

/// What is done with an input: a serial function over one batch, and what becomes of its result.
pub(super) trait Work {
    /// What a batch comes to.
    type Done: Send;

    /// Works on one batch; several threads do so at once.
    fn work(&self, batch: &Batch) -> Self::Done;

    /// Takes in what a batch came to, in row order.
    fn apply(&mut self, batch: &Batch, done: Self::Done) -> Result<(), RunError>;
}

/// Reads an input to its end and works on it.
pub(super) fn each_batch<W: Work + Sync>(
    reader: &mut BatchReader,
    work: &mut W,
    timings: &mut Timings,
    watch: &Watch,
) -> Result<(), RunError> {
    let size = rayon::current_num_threads() * BATCHES_A_THREAD;
    // The first batch goes alone, so that an input that is not what it should be ends early.
    let mut wave = timings.time(Stage::Input, || read_wave(reader, 1))?;
    while !wave.is_empty() {
        watch.check()?;
        let doing: &W = work;
        let ((next, reading), done) = rayon::join(
            || {
                let start = Instant::now();
                let next = read_wave(reader, size);
                (next, start.elapsed())
            },
            || {
                let work = |batch| watch.check().map(|()| doing.work(batch));
                wave.par_iter().map(work).collect::<Result<Vec<_>, _>>()
            },
        );
        timings.add_time(Stage::Input, reading);
        for (batch, done) in wave.iter().zip(done?) {
            work.apply(batch, done)?;
        }
        wave = next?;
    }
    Ok(())
}

fn read_wave(reader: &mut BatchReader, size: usize) -> Result<Vec<Batch>, RunError> {
    let mut wave = Vec::with_capacity(size);
    while wave.len() < size {
        match reader.next_batch()? {
            Some(batch) => wave.push(batch),
            None => break,
        }
    }
    Ok(wave)
}

/// Maps a slice in order, on all threads.
pub(super) fn map<T: Sync, U: Send>(items: &[T], map: impl Fn(&T) -> U + Sync + Send) -> Vec<U> {
    items.par_iter().map(map).collect()
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
