//! How does a run come to stand in a store, which has no rename?
//!
//! A run at `s3://bucket/runs/night` is its manifest, `runs/night/manifest.json`, and beside it a
//! folder that the manifest names, with all files of the run and a copy of the manifest. The folder
//! is named after the report's digest, so no two runs write to the same one; nobody looks into it
//! before the manifest is there, and that comes last, by one conditional write (RFC 9110, section
//! 13.1): only where there is none yet or, when a run is replaced, where it is still the old one.
//! So a reader finds the old run or the new one, whole, whatever happens on the way, and of two
//! runs for one place one loses.
//!
//! Whether a write whose answer was lost came about is found out by reading: what stands there is
//! this run, byte for byte, or it is not. Where even that cannot be told, the files stay: the
//! manifest may still arrive. What other runs had left beside the new one when its manifest was
//! written is then removed: each of them has lost, since the place is no longer as it was when they
//! began. Only folders of runs are, which are known by their names; a place that holds anything else
//! and no run is refused. Whoever is still fetching a run that is replaced finds its files gone.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use super::{MANIFEST, Manifest, OutputError, Staging};
use crate::job::IfExists;
use crate::share::Share;
use crate::store::{Condition, ObjectUrl, Store, StoreError, WriteError};

/// Hex digits of a folder's name: as many as no two reports share.
pub const FOLDER_DIGITS: usize = 32;

/// A place in a store, looked at before the run began.
pub struct StoredPlace {
    store: Store,
    url: ObjectUrl,
    found: Found,
}

/// What stands in a place.
enum Found {
    Nothing,
    /// A run, by its manifest's entity tag.
    Run(String),
}

/// Whether a run is to be made.
pub enum Opening {
    /// It is.
    Free(StoredPlace),
    /// There is one, and the job says to leave it.
    Skip,
}

/// The files of a run in the store, not published. Dropped, they are removed.
pub struct Uploaded<'a> {
    place: &'a StoredPlace,
    /// The prefix of its files.
    prefix: String,
    manifest: Vec<u8>,
    is_kept: bool,
}

impl StoredPlace {
    /// Whether something stands in a place.
    ///
    /// # Errors
    ///
    /// Why the store does not tell.
    pub fn is_taken(url: &ObjectUrl) -> Result<bool, OutputError> {
        let found = Store::open(url).and_then(|store| store.read(&key(url, MANIFEST)));
        let failed = OutputError::in_store(url);
        found.map(|found| found.is_some()).map_err(failed)
    }

    /// Looks what stands in the place.
    ///
    /// # Errors
    ///
    /// [`OutputError::Exists`] when there is a run and the job does not say what to do about it,
    /// [`OutputError::NotARun`] when it is none of ours, [`OutputError::OfOthers`] and
    /// [`OutputError::NotForASample`] as with folders, else why the store does not tell. `drawn` is
    /// the share of people that the run is of; none for everybody.
    pub fn open(
        url: &ObjectUrl,
        if_exists: IfExists,
        drawn: Option<Share>,
    ) -> Result<Opening, OutputError> {
        let failed = OutputError::in_store(url);
        let store = Store::open(url).map_err(failed)?;
        let key = key(url, MANIFEST);
        let found = match store.read(&key).map_err(failed)? {
            None => {
                // Perhaps a folder of nights, whose own name was left out.
                let there = store.list(url.key()).map_err(failed)?;
                if !there.objects.is_empty() || !there.folders.iter().all(|it| is_of_a_run(it)) {
                    return Err(OutputError::NotARun { path: shown(url) });
                }
                Found::Nothing
            }
            Some(_) if if_exists == IfExists::Error => {
                return Err(OutputError::Exists { path: shown(url) });
            }
            Some(found) => {
                let manifest: Option<serde_json::Value> = serde_json::from_slice(&found.bytes).ok();
                if manifest.is_none_or(|manifest| manifest.get("format").is_none()) {
                    return Err(OutputError::NotARun { path: shown(url) });
                }
                let sample = Manifest::of(&found.bytes).map(|manifest| manifest.sample);
                if if_exists == IfExists::Skip {
                    return match sample {
                        Some(sample) if sample == drawn => Ok(Opening::Skip),
                        _ => Err(OutputError::OfOthers { path: shown(url) }),
                    };
                }
                if drawn.is_some() && sample.flatten().is_none() {
                    return Err(OutputError::NotForASample { path: shown(url) });
                }
                Found::Run(found.tag)
            }
        };
        Ok(Opening::Free(Self { store, url: url.clone(), found }))
    }

    /// Brings the files of a finished run into the store, where nobody looks for them yet.
    ///
    /// `go_on` is asked before each file.
    ///
    /// # Errors
    ///
    /// What a disk or the store says, and whatever `go_on` does.
    pub fn upload<E: From<OutputError>>(
        &self,
        staging: &Staging,
        go_on: impl Fn() -> Result<(), E>,
    ) -> Result<Uploaded<'_>, E> {
        let path = staging.file(MANIFEST);
        let manifest = fs::read(&path).map_err(|source| read_back(&path, source))?;
        let folder = Manifest::of(&manifest).and_then(|manifest| manifest.folder);
        let folder = folder.unwrap_or_else(|| {
            let mut digest = super::digest(&manifest);
            digest.truncate(FOLDER_DIGITS);
            digest
        });
        let prefix = key(&self.url, &folder);
        let uploaded = Uploaded { place: self, prefix, manifest, is_kept: false };
        for path in staging.files()? {
            go_on()?;
            uploaded.bring(&path)?;
        }
        Ok(uploaded)
    }

    fn failed(&self, cause: StoreError) -> OutputError {
        OutputError::in_store(&self.url)(cause)
    }

    /// Folders of other runs that are in the place; none where the store does not tell.
    fn others(&self, own: &str) -> Vec<String> {
        let Ok(found) = self.store.list(self.url.key()) else { return Vec::new() };
        let folders = found.folders.into_iter();
        folders.filter(|folder| folder != own && is_of_a_run(folder)).collect()
    }
}

/// Whether a folder has a name as runs give one to theirs: the first digits of a digest.
fn is_of_a_run(folder: &str) -> bool {
    let name = folder.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    name.len() == FOLDER_DIGITS && name.bytes().all(is_digit)
}

impl Uploaded<'_> {
    fn bring(&self, path: &Path) -> Result<(), OutputError> {
        let file = File::open(path).map_err(|source| read_back(path, source))?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let key = format!("{}/{name}", self.prefix);
        self.place.store.write_file(&key, file).map_err(|error| match error {
            WriteError::File(source) => read_back(path, source),
            WriteError::Store(cause) => self.place.failed(cause),
        })
    }

    /// Publishes the run.
    ///
    /// # Errors
    ///
    /// [`OutputError::Exists`] when another run was published there meanwhile, else why the store
    /// did not take it; then nobody knows whether it will still arrive.
    pub fn publish(mut self) -> Result<(), OutputError> {
        let place = self.place;
        let key = key(&place.url, MANIFEST);
        let condition = match &place.found {
            Found::Nothing => Condition::Absent,
            Found::Run(tag) => Condition::Tag(tag),
        };
        // Whoever is there now began before this run was published; who comes later did not.
        let others = place.others(&self.prefix);
        self.is_kept = true;
        if let Err(cause) = place.store.write(&key, self.manifest.clone(), condition) {
            let found = place.store.read(&key).map_err(|_| place.failed(cause))?;
            let is_refused = matches!(cause, StoreError::Taken | StoreError::Changed);
            let is_ours = found.as_ref().is_some_and(|found| found.bytes == self.manifest);
            if !is_ours {
                // Refused is refused: that write will not arrive any more.
                self.is_kept = !is_refused;
                let is_taken = is_refused && found.is_some();
                return Err(match is_taken {
                    true => OutputError::Exists { path: shown(&place.url) },
                    false => place.failed(cause),
                });
            }
        }
        for folder in &others {
            // Nobody looks for what stays here, and the next run tries again.
            let _ = place.store.remove_below(folder);
        }
        Ok(())
    }
}

impl Drop for Uploaded<'_> {
    fn drop(&mut self) {
        if !self.is_kept {
            // Nothing can be done about a failure here; the next run in this place removes them.
            let _ = self.place.store.remove_below(&self.prefix);
        }
    }
}

/// The key of a name in a run's place.
pub(super) fn key(url: &ObjectUrl, name: &str) -> String {
    format!("{}/{name}", url.key())
}

/// An address where a path is said.
pub(super) fn shown(url: &ObjectUrl) -> PathBuf {
    PathBuf::from(url.to_string())
}

fn read_back(path: &Path, source: std::io::Error) -> OutputError {
    OutputError::Io { action: "read back", path: path.to_owned(), source }
}
