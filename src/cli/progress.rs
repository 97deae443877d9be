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

/// Shows progress until it is dropped.
pub struct Progress {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Progress {
    /// Begins to show how much of the job's input is read.
    pub fn begin(job: &Job, meter: Arc<Meter>) -> Self {
        let (total, export) = (input_bytes(job), bytes_of(&job.accounts.locations));
        let (stop, stopped) = mpsc::channel::<()>();
        let is_terminal = io::stderr().is_terminal();
        let thread = thread::spawn(move || {
            let bar = is_terminal.then(|| bar(total));
            let begun = Instant::now();
            let interval = if is_terminal { BAR_INTERVAL } else { LOG_INTERVAL };
            while stopped.recv_timeout(interval) == Err(RecvTimeoutError::Timeout) {
                // Lists that are larger than the job's memory take several passes over the export.
                let total = total + export * (meter.passes() - 1);
                match &bar {
                    Some(bar) => {
                        bar.set_length(total);
                        bar.set_position(meter.bytes_read());
                    }
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

fn bar(total: u64) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
    let template = "{bar:30} {percent:>3} %  {bytes} of {total_bytes}  {bytes_per_sec}  {eta} left";
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

fn log(meter: &Meter, total: u64, begun: Instant) {
    tracing::info!(
        rows = meter.rows_read(),
        bytes = meter.bytes_read(),
        of_bytes = total,
        passes = meter.passes(),
        elapsed_s = begun.elapsed().as_secs(),
        "reading"
    );
}

fn input_bytes(job: &Job) -> u64 {
    let lists = job.lists.iter().flat_map(|list| &list.files.locations);
    let opt_outs = job.opt_outs.locations().unwrap_or_default();
    bytes_of(job.accounts.locations.iter().chain(lists).chain(&opt_outs))
}

fn bytes_of<'a>(locations: impl IntoIterator<Item = &'a Location>) -> u64 {
    locations.into_iter().filter_map(Location::bytes).sum()
}
