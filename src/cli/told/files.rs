//! Where is it told, and how does it get there whole?
//!
//! The metrics are replaced by one rename, so that a collector never reads half of them. Events are
//! added, each with one write, so that several jobs may share a file and none takes away another's.

use std::collections::BTreeMap;
use std::fs::{self, File, Permissions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::{lineage, metrics};
use crate::cli::args::MatchFlags;
use crate::cli::failure::Failure;
use crate::cli::job_file::{self, JobFile, wrong};
use crate::cli::layers::{self, Layers, Placed, from_environment};
use crate::cli::trial;

/// The files that a run is told in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ToldFiles {
    pub metrics: Option<PathBuf>,
    pub openlineage: Option<PathBuf>,
}

/// Why nothing is told.
#[derive(Debug, thiserror::Error)]
pub enum NotWritten {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("there is something else in its place, which is left alone")]
    NotOurs,
    #[error("the system has no randomness for the run's id")]
    NoRandomness,
}

/// Collectors run as users of their own: who shares the file's group may read it. Nobody else does,
/// for the counts are exact.
const MODE: u32 = 0o640;

const METRICS: &str = "metrics_file";
const OPENLINEAGE: &str = "openlineage_file";

impl ToldFiles {
    /// What flags and layers say; typed paths are relative to where one is, a file's to the file.
    pub fn of(flags: &MatchFlags, file: &JobFile, base: &Path) -> Self {
        let below = |listed: &Option<PathBuf>| listed.as_ref().map(|listed| base.join(listed));
        Self {
            metrics: flags.metrics_file.clone().or_else(|| below(&file.metrics_file)),
            openlineage: flags.openlineage_file.clone().or_else(|| below(&file.openlineage_file)),
        }
    }

    /// The same, and the job's name, also of a job that is wrong somewhere else: that it is wrong
    /// is what has to be told.
    pub fn named(flags: &MatchFlags, layers: Option<&Layers>) -> (Self, String) {
        let stem = flags.job.as_deref().and_then(Path::file_stem).and_then(|stem| stem.to_str());
        let stem = stem.unwrap_or_default().to_owned();
        if let Some(layers) = layers {
            let name = layers.job.name().map_or(stem, str::to_owned);
            let (dry_run, sample) = (layers.job.dry_run, layers.job.sample.as_deref());
            let sample = flags.sample.as_deref().or(sample);
            if trial::is_one(flags.dry_run.or(dry_run), sample) {
                return (Self::default(), name);
            }
            // What the job will be refused for is not done before that.
            return (job_file::told_files(flags, layers).unwrap_or_default(), name);
        }
        let text = flags.job.as_deref().and_then(|job| fs::read_to_string(job).ok());
        let in_file = layers::placed(&text.unwrap_or_default());
        let base = flags.job.as_deref().and_then(Path::parent).unwrap_or(Path::new(""));
        let said = |setting: &str| {
            let in_file = || in_file.get(setting)?.value.as_str().map(|path| base.join(path));
            from_environment(setting).map(PathBuf::from).or_else(in_file)
        };
        if is_said_to_be_a_trial(flags, &in_file) {
            return (Self::default(), stem);
        }
        let files = Self {
            metrics: flags.metrics_file.clone().or_else(|| said(METRICS)),
            openlineage: flags.openlineage_file.clone().or_else(|| said(OPENLINEAGE)),
        };
        let name = in_file.get("name").and_then(|placed| placed.value.as_str());
        (files, name.map_or(stem, str::to_owned))
    }

    pub const fn are_none(&self) -> bool {
        self.metrics.is_none() && self.openlineage.is_none()
    }

    /// Refuses a place that the run writes something else to: its folder, its books, the other one
    /// of the two.
    ///
    /// # Errors
    ///
    /// A [`Failure`] about the setting.
    pub fn check(&self, kept: &Kept<'_>) -> Result<(), Failure> {
        let told = [(METRICS, &self.metrics), (OPENLINEAGE, &self.openlineage)];
        let told = told.map(|(setting, path)| (setting, path.as_deref().map(place)));
        let books = [kept.ledger, kept.history].map(place);
        for (setting, path) in &told {
            let Some(path) = path else { continue };
            if path.starts_with(place(kept.out)) {
                let message = format!("{setting} lies in the run folder, which only runs write to");
                return Err(wrong(message).about(setting));
            }
            if books.contains(path) {
                let message = format!("{setting} names a file that runs keep their books in");
                return Err(wrong(message).about(setting));
            }
        }
        match &told {
            [(_, Some(metrics)), (setting, Some(lineage))] if metrics == lineage => {
                Err(wrong(format!("{METRICS} and {OPENLINEAGE} are one file")).about(setting))
            }
            _ => Ok(()),
        }
    }
}

/// Whether a job that cannot be read as a whole says to be a trial.
fn is_said_to_be_a_trial(flags: &MatchFlags, in_file: &BTreeMap<String, Placed>) -> bool {
    let in_file = |setting: &str| in_file.get(setting).map(|placed| &placed.value);
    let dry_run = || {
        let said = from_environment("dry_run").map(|word| word == "true");
        said.or_else(|| in_file("dry_run")?.as_bool())
    };
    let sample =
        || from_environment("sample").or_else(|| in_file("sample")?.as_str().map(str::to_owned));
    let sample = flags.sample.clone().or_else(sample);
    trial::is_one(flags.dry_run.or_else(dry_run), sample.as_deref())
}

/// Where a run puts what it makes.
#[derive(Debug)]
pub struct Kept<'a> {
    pub out: &'a Path,
    pub ledger: &'a Path,
    pub history: &'a Path,
}

/// A path from the root, its folder without detours and the last name as it is: a link that always
/// names the newest export is the same place every night.
pub fn place(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    match (path.parent().map(fs::canonicalize), path.file_name()) {
        (Some(Ok(folder)), Some(name)) => folder.join(name),
        _ => path,
    }
}

/// The metrics that are there; empty where none are.
///
/// # Errors
///
/// When the file cannot be read, or is not one that this program wrote.
pub fn text_of(path: &Path) -> Result<String, NotWritten> {
    let Some(mut file) = open_ours(path)? else { return Ok(String::new()) };
    let mut text = Vec::new();
    file.read_to_end(&mut text)?;
    let text = String::from_utf8(text).map_err(|_| NotWritten::NotOurs)?;
    if text.is_empty() || text.starts_with(metrics::FIRST_WORDS) {
        Ok(text)
    } else {
        Err(NotWritten::NotOurs)
    }
}

/// Opens what is in the place; none where nothing is.
fn open_ours(path: &Path) -> Result<Option<File>, NotWritten> {
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
        // A pipe would hold up a run until somebody reads from it.
        Ok(found) if !found.is_file() => Err(NotWritten::NotOurs),
        Ok(_) => Ok(Some(File::open(path)?)),
    }
}

fn size_of(file: &File) -> u64 {
    file.metadata().map_or(0, |found| found.len())
}

/// Gives a file new content in one rename. An old one's mode stays: somebody may have widened it.
///
/// # Errors
///
/// What the system says; the old content is there then.
pub fn replace(path: &Path, text: &str) -> Result<(), NotWritten> {
    // A link stays one, and what it names is replaced.
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let old = fs::metadata(&path).ok().map(|found| found.permissions().mode() & 0o666);
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    // The name ends so that node_exporter, which reads *.prom, does not take it for metrics.
    let mut file = tempfile::Builder::new()
        .prefix(".phonematch-")
        .suffix(".tmp")
        .tempfile_in(folder.unwrap_or(Path::new(".")))?;
    file.write_all(text.as_bytes())?;
    file.as_file().set_permissions(Permissions::from_mode(old.unwrap_or(MODE)))?;
    file.as_file().sync_all()?;
    file.persist(&path).map_err(|error| error.error)?;
    Ok(())
}

/// Adds one line. A line that a full disk once cut short stays alone.
///
/// # Errors
///
/// What the system says, and where there are no events in the file.
pub fn append(path: &Path, line: &str) -> Result<(), NotWritten> {
    let mut text = format!("{line}\n");
    if let Some(mut there) = open_ours(path)?.filter(|there| size_of(there) > 0) {
        let mut first = Vec::new();
        Read::by_ref(&mut there).take(lineage::FIRST_WORDS.len() as u64).read_to_end(&mut first)?;
        if first != lineage::FIRST_WORDS {
            return Err(NotWritten::NotOurs);
        }
        let mut last = [0];
        there.seek(SeekFrom::End(-1))?;
        there.read_exact(&mut last)?;
        if last != *b"\n" {
            text.insert(0, '\n');
        }
    }
    let is_new = !path.exists();
    let mut file = File::options().append(true).create(true).mode(MODE).open(path)?;
    if is_new {
        // The process's mask takes the group's bit away.
        file.set_permissions(Permissions::from_mode(MODE))?;
    }
    file.write_all(text.as_bytes())?;
    Ok(file.sync_data()?)
}
