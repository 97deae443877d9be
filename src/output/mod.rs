//! Where does it land?
//!
//! Writes a run's files into a hidden staging folder: Parquet through the kept writer, JSON
//! through serde. What is written of people is only what `privacy` released, as tokens under the
//! recipient's key. Rows are sorted by token, and token columns carry neither statistics nor
//! dictionary nor bloom filter, so nothing about the input's order survives and a reader learns
//! nothing from a footer. Same rows, same bytes.
//!
//! It leaves to others whether what landed is right (`audit`) and when it is published
//! ([`Staging`] does it when told, and [`StoredPlace`] where the run goes to a store).

mod kept;
mod layout;
mod manifest;
mod matches;
mod parts;
mod previous;
mod readback;
mod staged;
mod staging;
mod stored;
mod tables;

use std::io;
use std::path::{Path, PathBuf};

use crate::store::{ObjectUrl, StoreError};

pub use layout::{
    AUDIENCES, COUNTS, MANIFEST, MATCHES, REJECTS, REMOVED, REPORT, REPORT_PAGE, SUMMARY,
    SUMMARY_PAGE, files_of, schema_of, summary_page,
};
pub use manifest::{
    Manifest, ManifestCounts, ManifestFile, ManifestInput, ManifestMessages, PreviousDigest, digest,
};
pub use matches::{Encoded, Match, Matches, Task, matches};
pub use parts::PartWriter;
pub use previous::{Lineage, PreviousRun, TokenRow};
pub use readback::{
    CountRow, MatchRow, NotMatches, RemovedRow, each_count, each_match, each_removed,
};
pub use staged::Staged;
pub use staging::{Published, Staging, make_durable};
pub use stored::{FOLDER_DIGITS, Opening, StoredPlace, Uploaded};
pub use tables::{
    Advert, Origin, Rejected, RejectsTable, audiences, counts, removed, summary, summary_pages,
    to_json, write_json, write_text,
};

/// A file or folder of the run could not be written.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// The run folder is there and the job does not say what to do about it.
    #[error(
        "the run folder {} exists; choose another, or --if-exists skip or replace", path.display()
    )]
    Exists {
        /// The run folder.
        path: PathBuf,
    },
    /// What is there is not a run folder, and will not be replaced.
    #[error("{} exists and is not a run folder of phonematch; it is left alone", path.display())]
    NotARun {
        /// What is there.
        path: PathBuf,
    },
    /// A run of a sample would take the place of one of everybody.
    #[error(
        "the run folder {} holds a run of everybody, whose place no run of a sample takes; choose \
         another folder for the sample", path.display()
    )]
    NotForASample {
        /// The run folder.
        path: PathBuf,
    },
    /// What is there is of other people than the run that is to be skipped for it.
    #[error(
        "the run folder {} holds a run of other people than the job is of, a sample or everybody, \
         so it is not the one to skip; choose another folder", path.display()
    )]
    OfOthers {
        /// The run folder.
        path: PathBuf,
    },
    /// Another run writes to the same place.
    #[error(
        "another run is writing {}; wait for it to end, or choose another folder", path.display()
    )]
    Locked {
        /// The run folder.
        path: PathBuf,
    },
    /// The operating system refused.
    #[error("cannot {action} {}; check space and permissions and run again", path.display())]
    Io {
        /// What was being done.
        action: &'static str,
        /// To which file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The Parquet writer or reader refused.
    #[error("cannot {action} {}; check space and permissions and run again", path.display())]
    Parquet {
        /// What was being done.
        action: &'static str,
        /// To which file.
        path: PathBuf,
        /// What the library said. It is not printed: it may quote a value.
        source: Box<parquet::errors::ParquetError>,
    },
    /// The run folder's path has no name or no parent.
    #[error("{} cannot be a run folder: it names no folder inside another", path.display())]
    NoName {
        /// The path.
        path: PathBuf,
    },
    /// The store of a run that goes there, or of the run before, does not do what it is asked.
    #[error("the run {url} cannot be read or published: {cause}")]
    Store {
        /// The run.
        url: ObjectUrl,
        /// Why.
        cause: StoreError,
    },
    /// The previous run cannot serve as one.
    #[error(
        "the previous run {} cannot be used: {why}; bring it back or move it away, or say \
         --previous none to go on without comparing", path.display()
    )]
    Previous {
        /// Its folder.
        path: PathBuf,
        /// What is wrong with it.
        why: &'static str,
    },
}

impl OutputError {
    /// For `map_err`: what a store said of an address.
    pub(crate) fn in_store(url: &ObjectUrl) -> impl Fn(StoreError) -> Self + Copy + '_ {
        |cause| Self::Store { url: url.clone(), cause }
    }

    /// The same of the folder that holds the file, for a file whose name is not to be said.
    #[must_use]
    pub fn of_folder(self, folder: &Path) -> Self {
        match self {
            Self::Io { action, source, .. } => Self::Io { action, path: folder.to_owned(), source },
            other => other,
        }
    }
}
