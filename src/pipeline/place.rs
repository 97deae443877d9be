//! Where a run is published: in a folder by one rename, or in a store by one conditional write.

use std::path::PathBuf;

use super::{RunError, Watch};
use crate::job::{IfExists, Job, Previous};
use crate::output::{
    Lineage, MANIFEST, Manifest, Opening, OutputError, PreviousRun, Staging, StoredPlace, Uploaded,
};

/// Where the run is published.
pub(super) enum Place {
    Folder,
    Store(Box<StoredPlace>),
}

impl Place {
    /// Looks what stands there; none where that is left, and there is nothing to do.
    pub(super) fn of(job: &Job) -> Result<Option<Self>, OutputError> {
        if let Some(url) = &job.publish_to {
            return Ok(match StoredPlace::open(url, job.if_exists, job.drawn())? {
                Opening::Free(place) => Some(Self::Store(Box::new(place))),
                Opening::Skip => None,
            });
        }
        if job.if_exists == IfExists::Skip && job.out.exists() {
            // Something else in the run's place is no run that could have been made before.
            return match Manifest::read(&job.out.join(MANIFEST)) {
                Some(run) if run.sample == job.drawn() => Ok(None),
                Some(_) => Err(OutputError::OfOthers { path: job.out.clone() }),
                None => Err(OutputError::NotARun { path: job.out.clone() }),
            };
        }
        Ok(Some(Self::Folder))
    }

    /// Whether something stands there. A store that does not tell is asked again by the run.
    pub(super) fn is_taken(job: &Job) -> bool {
        match &job.publish_to {
            None => job.out.exists(),
            Some(url) => StoredPlace::is_taken(url).unwrap_or(false),
        }
    }

    /// The place, to be named.
    pub(super) fn named(job: &Job) -> PathBuf {
        job.publish_to.as_ref().map_or_else(|| job.out.clone(), |url| url.to_string().into())
    }

    /// Begins the folder that the run is written into.
    pub(super) fn begin(&self, job: &Job) -> Result<Staging, OutputError> {
        match self {
            Self::Folder => {
                let staging = Staging::begin(&job.out, job.if_exists)?;
                refuse_to_replace_everybody(job)?;
                Ok(staging)
            }
            // What the job says of a run in the place is said of the one in the store.
            Self::Store(_) => Staging::begin(&job.out, IfExists::Error),
        }
    }

    /// Brings a finished run as near to being published as can be undone.
    pub(super) fn prepare(
        &self,
        staging: &Staging,
        watch: &Watch,
    ) -> Result<Prepared<'_>, RunError> {
        match self {
            Self::Folder => Ok(Prepared::Staged),
            Self::Store(place) => place.upload(staging, || watch.check()).map(Prepared::Uploaded),
        }
    }
}

/// A sample in the place of a run would take it out of the chain, and what it published with it.
fn refuse_to_replace_everybody(job: &Job) -> Result<(), OutputError> {
    let is_of_everybody =
        || Manifest::read(&job.out.join(MANIFEST)).is_none_or(|manifest| manifest.sample.is_none());
    if job.drawn().is_some() && job.out.exists() && is_of_everybody() {
        return Err(OutputError::NotForASample { path: job.out.clone() });
    }
    Ok(())
}

/// A run that one step publishes. Dropped, it is taken back.
pub(super) enum Prepared<'a> {
    Staged,
    Uploaded(Uploaded<'a>),
}

impl Prepared<'_> {
    pub(super) fn publish(self, staging: Staging, if_exists: IfExists) -> Result<(), OutputError> {
        match self {
            Self::Staged => staging.publish(if_exists).map(|_| ()),
            Self::Uploaded(uploaded) => uploaded.publish(),
        }
    }
}

/// The runs before this one.
#[derive(Default)]
pub(super) struct PreviousRuns {
    /// The one that the chain goes on from.
    pub(super) chained: Option<PreviousRun>,
    /// The one that this run takes the place of.
    pub(super) replaced: Option<PreviousRun>,
    /// For a sample, which follows none: the one that its inputs are held against all the same.
    pub(super) compared: Option<PreviousRun>,
}

impl PreviousRuns {
    pub(super) fn of(job: &Job, lineage: &Lineage<'_>) -> Result<Self, RunError> {
        let chained = match (&job.previous, &job.publish_to) {
            (Previous::None, _) => return Ok(Self::default()),
            (Previous::Folder(folder), _) => Some(PreviousRun::open(folder, lineage)?),
            (Previous::Stored(url), _) => Some(PreviousRun::open_stored(url, lineage)?),
            (Previous::Auto, None) => PreviousRun::newest_beside(&job.out, lineage)?,
            (Previous::Auto, Some(url)) => PreviousRun::newest_stored_beside(url, lineage)?,
        };
        if job.drawn().is_some() {
            return Ok(Self { compared: chained, ..Self::default() });
        }
        let replaced = match (job.if_exists, &job.publish_to) {
            (IfExists::Replace, Some(url)) => PreviousRun::open_stored_if_kin(url, lineage)?,
            (IfExists::Replace, None) if job.out.exists() => {
                PreviousRun::open_if_kin(&job.out, lineage)?
            }
            _ => None,
        };
        Ok(Self { chained, replaced, compared: None })
    }

    /// The one that tonight is compared with.
    pub(super) fn last(&self) -> Option<&PreviousRun> {
        self.replaced.as_ref().or(self.chained.as_ref()).or(self.compared.as_ref())
    }

    /// Rows of the opt-out source last time.
    pub(super) fn opt_out_rows(&self) -> Option<u64> {
        self.last().map(PreviousRun::opt_out_rows)
    }
}
