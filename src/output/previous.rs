//! The run before this one: what it published, and how large its opt-out list was.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::manifest::{Manifest, ManifestFile};
use super::readback::each_match;
use super::{MANIFEST, MATCHES, OutputError, REPORT};
use crate::job::Identifier;
use crate::join::ListName;
use crate::report::Report;

/// A published run that this one follows.
#[derive(Clone, Debug)]
pub struct PreviousRun {
    folder: PathBuf,
    manifest: Manifest,
    digest: String,
}

/// Which runs can be the previous one of a job: the same job, purpose and secret.
#[derive(Clone, Debug)]
pub struct Lineage<'a> {
    /// The job's name.
    pub job: &'a str,
    /// Its purpose.
    pub purpose: &'a str,
    /// Its secret, by public name.
    pub key_id: &'a str,
}

impl PreviousRun {
    /// Opens the run in `folder`.
    ///
    /// # Errors
    ///
    /// [`OutputError::Previous`] when there is no run, or one of another job, purpose or secret.
    pub fn open(folder: &Path, lineage: &Lineage<'_>) -> Result<Self, OutputError> {
        let fail = |why| OutputError::Previous { path: folder.to_owned(), why };
        let path = folder.join(MANIFEST);
        let manifest = Manifest::read(&path).ok_or_else(|| fail("it has no readable manifest"))?;
        if manifest.purpose != lineage.purpose || manifest.job != lineage.job {
            return Err(fail("it is another job's, or of another purpose"));
        }
        if manifest.key_id != lineage.key_id {
            return Err(fail("it was made with another secret, so its tokens are others"));
        }
        let digest = ManifestFile::of(&path).map_err(|_| fail("its manifest cannot be read"))?;
        Ok(Self { folder: folder.to_owned(), manifest, digest: digest.blake3 })
    }

    /// The newest run of the lineage beside `target`, by the time in its report; `target` itself
    /// only when `with_target` says so.
    #[must_use]
    pub fn newest_beside(target: &Path, lineage: &Lineage<'_>, with_target: bool) -> Option<Self> {
        let parent = target.parent().filter(|parent| !parent.as_os_str().is_empty());
        let entries = fs::read_dir(parent.unwrap_or(Path::new("."))).ok()?;
        let mut newest: Option<(String, Self)> = None;
        for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
            let is_target = path.file_name() == target.file_name();
            let is_hidden =
                path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
            if is_hidden || (is_target && !with_target) {
                continue;
            }
            let Ok(run) = Self::open(&path, lineage) else { continue };
            let Some(report) = read_report(&path) else { continue };
            if newest.as_ref().is_none_or(|(at, _)| *at < report.started_at) {
                newest = Some((report.started_at, run));
            }
        }
        newest.map(|(_, run)| run)
    }

    /// BLAKE3 of its manifest.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// Rows of its opt-out source.
    #[must_use]
    pub const fn opt_out_rows(&self) -> u64 {
        self.manifest.counts.opt_out_rows
    }

    /// Its (list, token) pairs that are not among `current`, which are its own kind of pairs, in
    /// the order of its file.
    ///
    /// # Errors
    ///
    /// [`OutputError::Previous`] when its matches cannot be read.
    pub fn removed(
        &self,
        current: &HashSet<(&ListName, String)>,
    ) -> Result<Vec<(ListName, String)>, OutputError> {
        let fail = |why| OutputError::Previous { path: self.folder.clone(), why };
        let path = self.folder.join(MATCHES);
        let unchanged = ManifestFile::of(&path)
            .is_ok_and(|file| self.manifest.files.get(MATCHES) == Some(&file));
        if !unchanged {
            return Err(fail("its matches are not those that its manifest names"));
        }
        let mut removed = Vec::new();
        let visited = each_match(&path, |row| {
            let recipient = Identifier::from_text(row.recipient.as_bytes());
            let list_id = Identifier::from_text(row.list_id.as_bytes());
            if let (Some(recipient), Some(list_id)) = (recipient, list_id) {
                let list = ListName { recipient, list_id };
                let pair = (&list, row.token.to_owned());
                if !current.contains(&pair) {
                    let token = pair.1;
                    removed.push((list, token));
                }
            }
        });
        visited.map_err(|_| fail("its matches cannot be read"))?;
        Ok(removed)
    }
}

fn read_report(folder: &Path) -> Option<Report> {
    serde_json::from_slice(&fs::read(folder.join(REPORT)).ok()?).ok()
}
