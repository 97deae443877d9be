//! The run before this one: what it published, and how large its opt-out list was.
//!
//! A run that the system does not let us read is no damaged one, and above all none that is not
//! there: it is read again in the next attempt, and never passed over.

use std::collections::{BTreeSet, HashSet};
use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::Arc;

use super::kept::{Kept, StoredRun, Table, means_absent, unreadable};
use super::manifest::{Manifest, ManifestMessages};
use super::readback::{MatchRow, RemovedRow};
use super::stored::shown;
use super::{MANIFEST, MATCHES, OutputError, REMOVED, REPORT, digest};
use crate::input::Role;
use crate::job::Identifier;
use crate::join::ListName;
use crate::key::Secret;
use crate::privacy::LedgerHead;
use crate::report::{Report, is_sealed};
use crate::store::ObjectUrl;

/// A published run that this one follows, its seals intact.
#[derive(Clone, Debug)]
pub struct PreviousRun {
    kept: Kept,
    manifest: Manifest,
    digest: String,
    started_at: jiff::Timestamp,
    report: Report,
}

/// A token in a list, and of a pair the token of the person whose contact it is.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenRow {
    /// 32 lower-case hex digits.
    pub token: String,
    /// The same.
    pub owner: Option<String>,
    /// Through which list.
    pub list: Arc<ListName>,
}

/// Which runs can be the previous one of a job: the same job, purpose and secret.
#[derive(Clone, Copy, Debug)]
pub struct Lineage<'a> {
    /// The job's name.
    pub job: &'a str,
    /// Its purpose.
    pub purpose: &'a str,
    /// Its secret.
    pub secret: &'a Secret,
}

impl PreviousRun {
    /// Opens the run in `folder`.
    ///
    /// # Errors
    ///
    /// [`OutputError::Previous`] when there is no run, one of another job, purpose or secret, or
    /// one that was changed since it was published; else what the system says.
    pub fn open(folder: &Path, lineage: &Lineage<'_>) -> Result<Self, OutputError> {
        let run = Self::open_if_kin(folder, lineage)?;
        run.ok_or_else(|| OutputError::Previous { path: folder.to_owned(), why: NO_KIN })
    }

    /// Opens the run at an address in a store.
    ///
    /// # Errors
    ///
    /// As [`PreviousRun::open`].
    pub fn open_stored(url: &ObjectUrl, lineage: &Lineage<'_>) -> Result<Self, OutputError> {
        let fail = |why| OutputError::Previous { path: shown(url), why };
        let run = StoredRun::open(url)?.ok_or_else(|| fail("there is no run"))?;
        Self::of_kin(Kept::Stored(run), lineage)?.ok_or_else(|| fail(NO_KIN))
    }

    /// Opens the run at an address in a store; none when there is none, or one of another lineage.
    ///
    /// # Errors
    ///
    /// As [`PreviousRun::open_if_kin`].
    pub fn open_stored_if_kin(
        url: &ObjectUrl,
        lineage: &Lineage<'_>,
    ) -> Result<Option<Self>, OutputError> {
        match StoredRun::open(url)? {
            Some(run) => Self::of_kin(Kept::Stored(run), lineage),
            None => Ok(None),
        }
    }

    /// Opens the run in `folder`; none when it is of another lineage, or of a sample: what a sample
    /// left out is not gone, and no run may take it for gone.
    ///
    /// # Errors
    ///
    /// [`OutputError::Previous`] when it cannot be told, or the run was changed: a damaged run that
    /// was passed over would take the checks against it along. Else what the system says.
    pub fn open_if_kin(folder: &Path, lineage: &Lineage<'_>) -> Result<Option<Self>, OutputError> {
        Self::of_kin(Kept::Folder(folder.to_owned()), lineage)
    }

    fn of_kin(kept: Kept, lineage: &Lineage<'_>) -> Result<Option<Self>, OutputError> {
        let fail = |why| OutputError::Previous { path: kept.path(), why };
        let text = kept.manifest()?;
        if let Some(text) = &text
            && let Some(key_id) = Manifest::key_id_of_an_engine(text)
        {
            // It tells no time. As with a sample, of a run of our own secret nothing but the seal is
            // believed.
            let is_changed = key_id == lineage.secret.key_id() && !is_sealed(text, lineage.secret);
            return if is_changed { Err(fail("its manifest was changed")) } else { Ok(None) };
        }
        let manifest = text.as_deref().and_then(|text| Manifest::of(text.as_bytes()));
        let (Some(text), Some(manifest)) = (text, manifest) else {
            return Err(fail("its manifest is damaged"));
        };
        let is_kin = manifest.purpose == lineage.purpose
            && manifest.job == lineage.job
            && manifest.key_id == lineage.secret.key_id();
        if !is_kin {
            return Ok(None);
        }
        if !is_sealed(&text, lineage.secret) {
            return Err(fail("its manifest was changed"));
        }
        // Only a sealed manifest is believed here, or whoever writes that word into one would have
        // the checks against its run passed over.
        if manifest.sample.is_some() {
            return Ok(None);
        }
        let report = kept.text(REPORT)?;
        let report = report.filter(|report| is_sealed(report, lineage.secret));
        let report = report.ok_or_else(|| fail("its report is missing or was changed"))?;
        let report: Report =
            serde_json::from_str(&report).map_err(|_| fail("its report cannot be read"))?;
        let started_at = report.started_at.parse().ok();
        let started_at = started_at.ok_or_else(|| fail("its report tells no time"))?;
        let digest = digest(text.as_bytes());
        Ok(Some(Self { kept, manifest, digest, started_at, report }))
    }

    /// The newest run of the lineage beside an address in a store, in the same way.
    ///
    /// # Errors
    ///
    /// As [`PreviousRun::newest_beside`].
    pub fn newest_stored_beside(
        url: &ObjectUrl,
        lineage: &Lineage<'_>,
    ) -> Result<Option<Self>, OutputError> {
        let mut newest: Option<Self> = None;
        for run in StoredRun::beside(url)? {
            newest = Self::newer(newest, Self::of_kin(Kept::Stored(run), lineage)?);
        }
        Ok(newest)
    }

    fn newer(one: Option<Self>, other: Option<Self>) -> Option<Self> {
        match (one, other) {
            (Some(one), Some(other)) if one.started_at < other.started_at => Some(other),
            (one, other) => one.or(other),
        }
    }

    /// The newest run of the lineage beside `target`, by the time in its report.
    ///
    /// # Errors
    ///
    /// [`OutputError::Previous`] when a run beside it is damaged, so that it cannot be told; else
    /// what the system says.
    pub fn newest_beside(
        target: &Path,
        lineage: &Lineage<'_>,
    ) -> Result<Option<Self>, OutputError> {
        let parent = target.parent().filter(|parent| !parent.as_os_str().is_empty());
        let parent = parent.unwrap_or(Path::new("."));
        let entries = match fs::read_dir(parent) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            entries => entries.map_err(|error| unreadable(parent, error))?,
        };
        let mut newest: Option<Self> = None;
        for entry in entries {
            let path = entry.map_err(|error| unreadable(parent, error))?.path();
            let is_hidden =
                path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
            let is_target = path.file_name() == target.file_name();
            if is_hidden || is_target || !is_there(&path.join(MANIFEST))? {
                continue;
            }
            newest = Self::newer(newest, Self::open_if_kin(&path, lineage)?);
        }
        Ok(newest)
    }

    /// BLAKE3 of its manifest.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// What it reported.
    #[must_use]
    pub const fn report(&self) -> &Report {
        &self.report
    }

    /// The budget ledger as it was when the run was charged.
    #[must_use]
    pub const fn ledger(&self) -> Option<&LedgerHead> {
        self.manifest.ledger.as_ref()
    }

    /// What its messages held to.
    #[must_use]
    pub const fn messages(&self) -> Option<&ManifestMessages> {
        self.manifest.messages.as_ref()
    }

    /// Rows of its opt-out source.
    #[must_use]
    pub const fn opt_out_rows(&self) -> u64 {
        self.manifest.counts.opt_out_rows
    }

    /// Rows of all its inputs of a role.
    #[must_use]
    pub fn rows_of(&self, role: Role) -> u64 {
        let inputs = self.manifest.inputs.iter().filter(|input| input.role == role.name());
        inputs.map(|input| input.rows).sum()
    }

    /// Rows of its `matches.parquet`.
    #[must_use]
    pub const fn matches(&self) -> u64 {
        self.manifest.counts.matches
    }

    /// Adds its matches that are not among `current` to `removed`.
    ///
    /// # Errors
    ///
    /// [`OutputError::Previous`] when its matches were changed; else what the system says.
    pub fn removed(
        &self,
        current: &HashSet<TokenRow>,
        removed: &mut BTreeSet<TokenRow>,
    ) -> Result<(), OutputError> {
        let read = self.unchanged(MATCHES)?.each_match(|row| {
            let MatchRow { recipient, list_id, token, owner, .. } = row;
            add(RemovedRow { recipient, list_id, token, owner }, current, removed);
        });
        read.map_err(|error| unreadable(&self.kept.path(), io::Error::other(error)))
    }

    /// Adds what it took back itself and is still not among `current` to `removed`.
    ///
    /// # Errors
    ///
    /// [`OutputError::Previous`] when its list of removals was changed; else what the system says.
    pub fn removed_earlier(
        &self,
        current: &HashSet<TokenRow>,
        removed: &mut BTreeSet<TokenRow>,
    ) -> Result<(), OutputError> {
        let read = self.unchanged(REMOVED)?.each_removed(|row| add(row, current, removed));
        read.map_err(|error| unreadable(&self.kept.path(), io::Error::other(error)))
    }

    /// A table of the run that is as the manifest names it.
    fn unchanged(&self, name: &str) -> Result<Table, OutputError> {
        let table = self.kept.table(name, self.manifest.files.get(name))?;
        table.ok_or_else(|| {
            let why = "one of its files is missing or was changed";
            OutputError::Previous { path: self.kept.path(), why }
        })
    }
}

/// Why a run is no previous one.
const NO_KIN: &str = "it is another job's, of another purpose, of a sample, of an engine such as \
                      Spark, or of another secret";

/// Whether a file is there. One in a folder that we may not look into is nobody's run of ours.
fn is_there(path: &Path) -> Result<bool, OutputError> {
    match fs::metadata(path) {
        Ok(_) => Ok(true),
        Err(error) if means_absent(&error) => Ok(false),
        Err(error) if error.kind() == ErrorKind::PermissionDenied => Ok(false),
        Err(error) => Err(unreadable(path, error)),
    }
}

fn add(row: RemovedRow<'_>, current: &HashSet<TokenRow>, removed: &mut BTreeSet<TokenRow>) {
    let recipient = Identifier::from_text(row.recipient.as_bytes());
    let list_id = Identifier::from_text(row.list_id.as_bytes());
    if let (Some(recipient), Some(list_id)) = (recipient, list_id) {
        let list = Arc::new(ListName { recipient, list_id });
        let owner = row.owner.map(str::to_owned);
        let row = TokenRow { token: row.token.to_owned(), owner, list };
        if !current.contains(&row) {
            removed.insert(row);
        }
    }
}
