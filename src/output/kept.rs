//! Where is a run that was published kept, and what stands in its files?
//!
//! In a folder, or in a store as [`super::stored`] says. Of a run in a store the files are read into
//! memory: they are a report, and tokens of which the run that reads them holds as many itself.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::manifest::{Manifest, ManifestFile};
use super::readback::{
    MatchRow, NotMatches, RemovedRow, each_match, each_match_in, each_removed, each_removed_in,
};
use super::stored::{key, shown};
use super::{MANIFEST, OutputError, digest};
use crate::store::{ObjectUrl, Store};

/// A published run's place.
#[derive(Clone, Debug)]
pub(super) enum Kept {
    Folder(PathBuf),
    Stored(StoredRun),
}

/// A run in a store, by its manifest.
#[derive(Clone, Debug)]
pub(super) struct StoredRun {
    store: Arc<Store>,
    url: ObjectUrl,
    manifest: String,
    folder: String,
}

/// One of a run's tables, as its manifest names it.
pub(super) enum Table {
    File(PathBuf),
    Bytes(bytes::Bytes),
}

impl Kept {
    /// The manifest's text; none when it is not there, or no text.
    pub(super) fn manifest(&self) -> Result<Option<String>, OutputError> {
        match self {
            Self::Folder(folder) => text(&folder.join(MANIFEST)),
            Self::Stored(run) => Ok(Some(run.manifest.clone())),
        }
    }

    /// A file's text, in the same way.
    pub(super) fn text(&self, name: &str) -> Result<Option<String>, OutputError> {
        match self {
            Self::Folder(folder) => text(&folder.join(name)),
            Self::Stored(run) => {
                Ok(run.read(name)?.and_then(|bytes| String::from_utf8(bytes.into()).ok()))
            }
        }
    }

    /// A table that is as the manifest names it; none for one that is not, or is not there.
    pub(super) fn table(
        &self,
        name: &str,
        named: Option<&ManifestFile>,
    ) -> Result<Option<Table>, OutputError> {
        match self {
            Self::Folder(folder) => {
                let path = folder.join(name);
                match ManifestFile::of(&path) {
                    Ok(found) if named == Some(&found) => Ok(Some(Table::File(path))),
                    Err(error) if !means_absent(&error) => Err(unreadable(&path, error)),
                    _ => Ok(None),
                }
            }
            Self::Stored(run) => {
                let found = run.read(name)?;
                let is_named = |bytes: &bytes::Bytes| {
                    let found = ManifestFile { bytes: bytes.len() as u64, blake3: digest(bytes) };
                    named == Some(&found)
                };
                Ok(found.filter(is_named).map(Table::Bytes))
            }
        }
    }

    /// The place, to be named.
    pub(super) fn path(&self) -> PathBuf {
        match self {
            Self::Folder(folder) => folder.clone(),
            Self::Stored(run) => shown(&run.url),
        }
    }
}

impl StoredRun {
    /// The run at an address; none when there is no manifest.
    pub(super) fn open(url: &ObjectUrl) -> Result<Option<Self>, OutputError> {
        let failed = OutputError::in_store(url);
        let store = Arc::new(Store::open(url).map_err(failed)?);
        let found = store.read(&key(url, MANIFEST)).map_err(failed)?;
        Ok(found.map(|found| Self::of(&store, url.clone(), &found.bytes)))
    }

    /// Every run in the folder that an address is in, but the one at the address itself.
    pub(super) fn beside(url: &ObjectUrl) -> Result<Vec<Self>, OutputError> {
        let failed = OutputError::in_store(url);
        let store = Arc::new(Store::open(url).map_err(failed)?);
        let found = store.list(url.folder()).map_err(failed)?;
        let names =
            |folder: &String| !folder.rsplit('/').next().is_some_and(|it| it.starts_with('.'));
        let others = found.folders.into_iter().filter(names).filter(|it| it != url.key());
        let urls: Vec<_> = others.map(|folder| url.with_key(folder)).collect();
        let keys: Vec<_> = urls.iter().map(|url| key(url, MANIFEST)).collect();
        let manifests = store.read_all(&keys).map_err(failed)?;
        let runs = urls.into_iter().zip(manifests);
        Ok(runs.filter_map(|(url, it)| Some(Self::of(&store, url, &it?.bytes))).collect())
    }

    fn of(store: &Arc<Store>, url: ObjectUrl, manifest: &[u8]) -> Self {
        let folder = Manifest::of(manifest).and_then(|manifest| manifest.folder);
        Self {
            store: Arc::clone(store),
            url,
            manifest: String::from_utf8_lossy(manifest).into_owned(),
            folder: folder.unwrap_or_default(),
        }
    }

    fn read(&self, name: &str) -> Result<Option<bytes::Bytes>, OutputError> {
        let found = self.store.read(&key(&self.url, &format!("{}/{name}", self.folder)));
        let found = found.map_err(OutputError::in_store(&self.url))?;
        Ok(found.map(|found| found.bytes))
    }
}

impl Table {
    pub(super) fn each_match(&self, visit: impl FnMut(MatchRow<'_>)) -> Result<(), NotMatches> {
        match self {
            Self::File(path) => each_match(path, visit),
            Self::Bytes(bytes) => each_match_in(bytes.clone(), visit),
        }
    }

    pub(super) fn each_removed(&self, visit: impl FnMut(RemovedRow<'_>)) -> Result<(), NotMatches> {
        match self {
            Self::File(path) => each_removed(path, visit),
            Self::Bytes(bytes) => each_removed_in(bytes.clone(), visit),
        }
    }
}

pub(super) fn means_absent(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

pub(super) fn unreadable(path: &Path, source: io::Error) -> OutputError {
    OutputError::Io { action: "read", path: path.to_owned(), source }
}

/// What stands in a file; none when it is not there, or holds no text.
fn text(path: &Path) -> Result<Option<String>, OutputError> {
    match fs::read(path) {
        Ok(bytes) => Ok(String::from_utf8(bytes).ok()),
        Err(error) if means_absent(&error) => Ok(None),
        Err(error) => Err(unreadable(path, error)),
    }
}
