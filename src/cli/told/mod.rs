//! What do other systems learn of a run? `--metrics-file` for Prometheus and `--openlineage-file`
//! for a data catalogue.
//!
//! Both tell of every end that a run can come to: published, skipped, failed, interrupted, and a
//! bug too; of a trial, a dry run or a sample, they tell nothing, for there it would be taken for
//! the night's run. They hold counts, times and paths of the house, exact as those of `report.json`;
//! never a number, a digest of one or of an input, or text from a cell.
//!
//! A run that is published is published: a file that cannot be written is told on standard error,
//! also with `--quiet`, and the exit code stays what it is. Only a command line that cannot be read
//! is told nowhere, since nobody knows the files' names then.

mod files;
mod lineage;
mod metrics;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use phonematch::job::{Identifier, IfExists, Job};
use phonematch::output::{MANIFEST, Manifest, REPORT};
use phonematch::report::Report;

pub use files::{Kept, ToldFiles};

use super::args::MatchFlags;
use super::failure::INTERRUPTED;
use super::layers::Layers;
use files::{NotWritten, place};
use lineage::{Dataset, Ended, Transition};
use metrics::{Figures, Snapshot};

/// What is told of one run, and to whom.
#[derive(Debug)]
pub struct Told {
    files: ToldFiles,
    /// None once the end is told: it comes once, from the run or from the signal that cut it short.
    run: Mutex<Option<Run>>,
}

#[derive(Debug)]
struct Run {
    started_at: Timestamp,
    /// The job's name as far as it is known to be one.
    job: String,
    /// A UUID, unless the system has no randomness.
    id: Option<String>,
    opening: Opening,
    landed: Option<Landed>,
}

/// Whether the run's first event is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Opening {
    /// Not yet.
    Awaited,
    /// It is.
    Told,
    /// It never will be: the run folder is there, and there is no run.
    Needless,
}

/// The run folder that is there at the end.
#[derive(Debug)]
struct Landed {
    folder: PathBuf,
    report: Option<Box<Report>>,
    by: By,
}

/// Who published the folder.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum By {
    ThisRun,
    AnEarlierOne,
}

impl Told {
    /// Of a command that tells nobody.
    pub fn nobody() -> Self {
        Self { files: ToldFiles::default(), run: Mutex::new(None) }
    }

    /// Of a run that begins now. It is known here where to tell of it even where the job is wrong.
    /// `layers` are none where they cannot be read.
    pub fn of(flags: &MatchFlags, layers: Option<&Layers>) -> Self {
        let (files, name) = ToldFiles::named(flags, layers);
        let started_at = Timestamp::now();
        let run = (!files.are_none()).then(|| Run {
            started_at,
            job: job_name(&name),
            id: lineage::run_id(started_at),
            opening: Opening::Awaited,
            landed: None,
        });
        Self { files, run: Mutex::new(run) }
    }

    /// The job is sound and its run begins.
    pub fn begins(&self, job: &Job) {
        if self.files.are_none() {
            return;
        }
        let is_there = job.if_exists == IfExists::Skip && job.out.exists();
        let is_told = self.files.openlineage.is_some() && !is_there;
        // Not under the lock: a signal must not have to wait for a file system that hangs.
        let inputs = if is_told { inputs_of(job) } else { Vec::new() };
        let event = self.with_run(|run| {
            run.job = job.name.to_string();
            run.opening = if is_there { Opening::Needless } else { Opening::Told };
            is_told.then(|| run.start(&inputs))
        });
        event.flatten().into_iter().for_each(|event| self.add(event));
    }

    /// The run is published.
    pub fn published(&self, folder: &Path, report: &Report) {
        self.with_run(|run| {
            let (folder, report) = (folder.to_owned(), Some(Box::new(report.clone())));
            run.landed = Some(Landed { folder, report, by: By::ThisRun });
        });
    }

    /// The run folder was there already: its own report says what there is to say.
    pub fn skipped(&self, folder: &Path) {
        if self.files.are_none() {
            return;
        }
        let text = std::fs::read(folder.join(REPORT)).ok();
        let report = text.and_then(|text| serde_json::from_slice(&text).ok());
        let landed = Landed { folder: folder.to_owned(), report, by: By::AnEarlierOne };
        self.with_run(|run| run.landed = Some(landed));
    }

    /// The command comes to its end. Whoever comes second says nothing.
    pub fn end(&self, exit_code: u8, message: &str) {
        let run = self.run.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(run) = run else { return };
        let ended_at = Timestamp::now();
        if let Some(path) = &self.files.metrics {
            complain("the metrics file", path, write_metrics(path, &run, exit_code, ended_at));
        }
        if self.files.openlineage.is_none() {
            return;
        }
        match run.opening {
            Opening::Needless => return,
            Opening::Awaited => self.add(run.start(&[])),
            Opening::Told => {}
        }
        let transition = match exit_code {
            0 => Transition::Complete,
            INTERRUPTED => Transition::Abort,
            _ => Transition::Fail,
        };
        self.add(run.end(transition, ended_at, exit_code, message));
    }

    fn add(&self, event: Result<String, NotWritten>) {
        let Some(path) = &self.files.openlineage else { return };
        complain("the OpenLineage file", path, event.and_then(|it| files::append(path, &it)));
    }

    fn with_run<T>(&self, work: impl FnOnce(&mut Run) -> T) -> Option<T> {
        let mut run = self.run.lock().unwrap_or_else(PoisonError::into_inner);
        run.as_mut().map(work)
    }
}

impl Run {
    fn lineage(&self) -> Result<lineage::Run<'_>, NotWritten> {
        let id = self.id.as_deref().ok_or(NotWritten::NoRandomness)?;
        Ok(lineage::Run { id, job: &self.job, started_at: self.started_at })
    }

    fn start(&self, inputs: &[Dataset]) -> Result<String, NotWritten> {
        Ok(lineage::start(&self.lineage()?, inputs))
    }

    fn end(
        &self,
        transition: Transition,
        at: Timestamp,
        exit_code: u8,
        message: &str,
    ) -> Result<String, NotWritten> {
        let own = self.landed.as_ref().filter(|landed| landed.by == By::ThisRun);
        let (inputs, outputs) = own.map(datasets_of).unwrap_or_default();
        let failed = (exit_code != 0).then(|| format!("exit code {exit_code}: {message}"));
        Ok(lineage::end(&self.lineage()?, &Ended { transition, at, failed, inputs, outputs }))
    }
}

/// An error that changes nothing: the run stands as it is.
fn complain(what: &str, path: &Path, outcome: Result<(), NotWritten>) {
    if let Err(error) = outcome {
        let shown = path.display();
        tracing::error!("{what} {shown} is not written: {error}; the run and its exit code stand");
    }
}

fn job_name(name: &str) -> String {
    Identifier::from_text(name.as_bytes()).map_or_else(|| "job".to_owned(), |it| it.to_string())
}

fn write_metrics(
    path: &Path,
    run: &Run,
    exit_code: u8,
    ended_at: Timestamp,
) -> Result<(), NotWritten> {
    let before = files::text_of(path)?;
    let landed = run.landed.as_ref();
    let earlier = landed.filter(|landed| landed.by == By::AnEarlierOne);
    let last_success = match landed.map(|landed| landed.by) {
        Some(By::ThisRun) if exit_code == 0 => Some(metrics::seconds(ended_at)),
        _ => metrics::last_success(&before, &run.job)
            .or_else(|| earlier?.report.as_deref().and_then(metrics::published_at)),
    };
    let report = landed.filter(|_| exit_code == 0).and_then(|landed| landed.report.as_deref());
    let text = metrics::page(&Snapshot {
        job: &run.job,
        exit_code,
        started_at: run.started_at,
        ended_at,
        last_success,
        figures: report.map(Figures::of),
    });
    files::replace(path, &text)
}

/// The files that the job reads, as they are named now.
fn inputs_of(job: &Job) -> Vec<Dataset> {
    let opt_outs = job.opt_outs.locations().unwrap_or_default();
    let lists = job.lists.iter().flat_map(|list| &list.files.locations);
    let all = opt_outs.iter().chain(lists).chain(&job.accounts.locations);
    all.filter_map(Dataset::of_location).collect()
}

/// What the published run read and what it is, as its manifest says.
fn datasets_of(landed: &Landed) -> (Vec<Dataset>, Vec<Dataset>) {
    let Some(manifest) = Manifest::read(&landed.folder.join(MANIFEST)) else {
        return (Vec::new(), vec![Dataset::of_path(&landed.folder)]);
    };
    let inputs = manifest.inputs.iter().filter_map(Dataset::of_input).collect();
    (inputs, vec![Dataset::of_run(&landed.folder, &manifest)])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A signal that cuts a run short may come while the run ends by itself.
    #[test]
    fn the_end_is_told_once_by_whoever_comes_first() {
        let folder = tempfile::tempdir().unwrap();
        let [metrics, events] = ["job.prom", "events.ndjson"].map(|name| folder.path().join(name));
        let started_at = Timestamp::now();
        let run = Run {
            started_at,
            job: "nightly".to_owned(),
            id: lineage::run_id(started_at),
            opening: Opening::Awaited,
            landed: None,
        };
        let files = ToldFiles { metrics: Some(metrics.clone()), openlineage: Some(events.clone()) };
        let told = Told { files, run: Mutex::new(Some(run)) };
        told.end(INTERRUPTED, "interrupted; nothing was published");
        told.skipped(folder.path());
        told.end(0, "");
        let text = std::fs::read_to_string(metrics).unwrap();
        assert!(text.contains("exit_code{job=\"nightly\"} 130\n"), "{text}");
        let events = std::fs::read_to_string(events).unwrap();
        let has = |line: &str, state: &str| line.contains(&format!("\"eventType\":\"{state}\""));
        let lines: Vec<_> = events.lines().collect();
        assert!(lines.len() == 2 && has(lines[0], "START") && has(lines[1], "ABORT"), "{events}");
    }

    #[test]
    fn a_name_that_may_be_a_number_is_not_told() {
        assert_eq!(job_name("nightly"), "nightly");
        assert_eq!([job_name("12025550101"), job_name("")], ["job"; 2]);
    }
}
