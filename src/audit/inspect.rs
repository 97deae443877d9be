//! What is this folder?
//!
//! A run as its own manifest and report tell it: what it was made of and under, what came of it,
//! which files it holds and whether they are still the ones that were published, and which runs
//! beside it come before and after. It needs no secret; so it can say that a file is not the one
//! of the manifest, and not whether the manifest is genuine, which is for the audit to say.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::output::{MANIFEST, Manifest, ManifestFile, REPORT, REPORT_PAGE};
use crate::report::Report;

/// The folder holds no run that can be read.
#[derive(Debug, thiserror::Error)]
#[error(
    "{} holds no run that can be read: its {MANIFEST} is missing, damaged or of another format; \
     give the folder that a run was published in", path.display()
)]
pub struct NotARun {
    /// The folder.
    pub path: PathBuf,
}

/// A run folder, as it is now.
#[derive(Clone, Debug, Serialize)]
pub struct Inspection {
    /// The folder, as it was named.
    pub run: String,
    /// BLAKE3 of the manifest: what the next run's manifest names.
    pub digest: String,
    /// What the run says of itself.
    pub manifest: Manifest,
    /// What happened to every row; none when the report is missing or damaged.
    pub report: Option<Report>,
    /// Every file of the folder and of the manifest, by name.
    pub files: Vec<FileFacts>,
    /// Which runs beside it are its neighbours in the chain.
    pub lineage: Neighbours,
}

/// One file of a run folder.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct FileFacts {
    /// Its name.
    pub name: String,
    /// Its size as it is now.
    pub bytes: u64,
    /// Whether it is the one that was published.
    pub state: FileState,
}

/// Whether a file is the one that was published.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FileState {
    /// Its bytes are those of the manifest.
    AsPublished,
    /// They are not.
    Changed,
    /// The manifest names it, and it is not there.
    Missing,
    /// The manifest does not hold its digest: what it is, only the secret's seal can tell.
    Sealed,
    /// The run did not write it, as far as the manifest knows.
    Unknown,
}

/// Runs in the folder beside, by name.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Neighbours {
    /// The run that the manifest names as the one before; none when it is not there.
    pub previous: Option<String>,
    /// Runs that name this one as the one before them.
    pub next: Vec<String>,
}

impl Inspection {
    /// Looks at the run in `folder`.
    ///
    /// # Errors
    ///
    /// [`NotARun`]
    pub fn of(folder: &Path) -> Result<Self, NotARun> {
        let no_run = || NotARun { path: folder.to_owned() };
        let path = folder.join(MANIFEST);
        let manifest = Manifest::read(&path).ok_or_else(no_run)?;
        let digest = ManifestFile::of(&path).map_err(|_| no_run())?.blake3;
        let report = fs::read(folder.join(REPORT)).ok();
        let report: Option<Report> = report.and_then(|text| serde_json::from_slice(&text).ok());
        Ok(Self {
            run: folder.to_string_lossy().escape_debug().to_string(),
            files: files(folder, &manifest, report.as_ref()),
            report,
            lineage: neighbours(folder, &manifest, &digest),
            digest,
            manifest,
        })
    }

    /// True when every file of the manifest is there and is the one that was published.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        let is_broken =
            |file: &FileFacts| matches!(file.state, FileState::Changed | FileState::Missing);
        self.report.is_some() && !self.files.iter().any(is_broken)
    }
}

fn files(folder: &Path, manifest: &Manifest, report: Option<&Report>) -> Vec<FileFacts> {
    let entries = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    let found = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let named = manifest.files.keys().cloned();
    let names: BTreeSet<_> = found.chain(named).collect();
    // The report's page is named by the report, as both hold times.
    let page = report.and_then(|report| report.page.as_deref());
    names
        .into_iter()
        .map(|name| {
            let path = folder.join(&name);
            let bytes = fs::metadata(&path).map_or(0, |metadata| metadata.len());
            let state = match manifest.files.get(&name) {
                Some(_) if !path.exists() => FileState::Missing,
                Some(named) if ManifestFile::of(&path).ok().as_ref() == Some(named) => {
                    FileState::AsPublished
                }
                Some(_) => FileState::Changed,
                None if name == REPORT_PAGE && page.is_some() => match ManifestFile::of(&path) {
                    Ok(found) if Some(found.blake3.as_str()) == page => FileState::AsPublished,
                    _ => FileState::Changed,
                },
                None if name == MANIFEST || name == REPORT => FileState::Sealed,
                None => FileState::Unknown,
            };
            FileFacts { name: name.escape_debug().to_string(), bytes, state }
        })
        .collect()
}

/// Runs beside `folder` that are its neighbours. A folder that cannot be read is none.
fn neighbours(folder: &Path, manifest: &Manifest, digest: &str) -> Neighbours {
    let mut neighbours = Neighbours::default();
    let folder = fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
    let Some(entries) = folder.parent().and_then(|parent| fs::read_dir(parent).ok()) else {
        return neighbours;
    };
    let previous = manifest.previous.as_ref().map(|previous| previous.blake3.as_str());
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
        let manifest = path.join(MANIFEST);
        if path == folder || !manifest.exists() {
            continue;
        }
        let name = || {
            let name = path.file_name().unwrap_or_default();
            name.to_string_lossy().escape_debug().to_string()
        };
        let Ok(found) = ManifestFile::of(&manifest) else { continue };
        if previous == Some(found.blake3.as_str()) {
            neighbours.previous = Some(name());
        }
        let before = Manifest::read(&manifest).and_then(|manifest| manifest.previous);
        if before.is_some_and(|before| before.blake3 == digest) {
            neighbours.next.push(name());
        }
    }
    neighbours.next.sort();
    neighbours
}
