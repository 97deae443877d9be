//! How far the run is: a bar by bytes on a terminal, a log line every half minute elsewhere.

use std::io::{self, IsTerminal};
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use phonematch::input::{Location, Meter};
use phonematch::job::Job;

const BAR_INTERVAL: Duration = Duration::from_millis(200);
const LOG_INTERVAL: Duration = Duration::from_secs(30);

/// Where all is known that is to be read.
const BAR: &str =
    "{bar:30} {percent:>3} %  {bytes} of {total_bytes}  {bytes_per_sec}  {eta} left  {msg}";

/// Where a pipe gives as much as it gives.
const SPINNER: &str = "{spinner} {bytes}  {bytes_per_sec}  {elapsed}  {msg}";

/// Shows progress until it is dropped.
pub struct Progress {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Progress {
    /// Begins to show how much of the job's input is read.
    pub fn begin(job: &Job, meter: Arc<Meter>) -> Self {
        let export = bytes_of(&job.accounts.locations);
        let total = export.zip(other_bytes(job)).map(|(export, others)| export + others);
        let (stop, stopped) = mpsc::channel::<()>();
        let is_terminal = io::stderr().is_terminal();
        let thread = thread::spawn(move || {
            let bar = is_terminal.then(|| bar(total));
            if let Some(bar) = &bar {
                // Drawn at once: who has typed a command sees that it was taken.
                show(bar, &meter, total);
                bar.tick();
            }
            let begun = Instant::now();
            let interval = if is_terminal { BAR_INTERVAL } else { LOG_INTERVAL };
            while stopped.recv_timeout(interval) == Err(RecvTimeoutError::Timeout) {
                // Lists that are larger than the job's memory take several passes over the export.
                let again = export.unwrap_or(0) * (meter.passes() - 1);
                let total = total.map(|total| total + again);
                match &bar {
                    Some(bar) => show(bar, &meter, total),
                    None => log(&meter, total, begun),
                }
            }
            if let Some(bar) = bar {
                bar.finish_and_clear();
            }
        });
        Self { stop: Some(stop), thread: Some(thread) }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A display that panicked is no reason to fail the run.
            let _ = thread.join();
        }
    }
}

fn bar(total: Option<u64>) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::stderr());
    match ProgressStyle::with_template(if total.is_some() { BAR } else { SPINNER }) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

fn show(bar: &ProgressBar, meter: &Meter, total: Option<u64>) {
    if let Some(total) = total {
        bar.set_length(total);
    }
    bar.set_position(meter.bytes_read());
    // Reading is the longest of it and not the last.
    let is_read = total.is_some_and(|total| meter.bytes_read() >= total);
    bar.set_message(if is_read { "joining, writing, checking" } else { "" });
    if total.is_none() {
        bar.tick();
    }
}

/// Left out where nobody knows: how much there is in all, and so how long it takes.
fn log(meter: &Meter, total: Option<u64>, begun: Instant) {
    let (bytes, elapsed) = (meter.bytes_read(), begun.elapsed());
    let bytes_per_s = u128::from(bytes) * 1000 / elapsed.as_millis().max(1);
    let bytes_per_s = u64::try_from(bytes_per_s).unwrap_or(u64::MAX);
    let left_s = total.map(|total| total.saturating_sub(bytes) / bytes_per_s.max(1));
    tracing::info!(
        rows = meter.rows_read(),
        bytes,
        of_bytes = total,
        passes = meter.passes(),
        bytes_per_s,
        elapsed_s = elapsed.as_secs(),
        left_s = left_s.filter(|_| bytes > 0),
        "reading"
    );
}

/// Bytes of all inputs but the export; none where one of them is a pipe, whose end nobody knows.
fn other_bytes(job: &Job) -> Option<u64> {
    let lists = job.lists.iter().flat_map(|list| &list.files.locations);
    let opt_outs = job.opt_outs.locations().unwrap_or_default();
    bytes_of(lists.chain(&opt_outs))
}

fn bytes_of<'a>(locations: impl IntoIterator<Item = &'a Location>) -> Option<u64> {
    locations.into_iter().try_fold(0, |sum, location| match location {
        Location::Stdin => None,
        there => Some(sum + there.bytes().unwrap_or(0)),
    })
}
