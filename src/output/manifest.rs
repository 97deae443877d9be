//! `manifest.json`: the run's own account of itself, written last.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::consent::AliasRules;
use crate::policy::{Floors, LegalBasis};
use crate::privacy::{HistoryHead, LedgerHead};
use crate::share::Share;

/// What a run read and wrote. Holds no time: same inputs, same bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Version of this format: 1.
    pub format: u32,
    /// Name and version of the program.
    pub program: String,
    /// Version of libphonenumber's metadata.
    pub metadata_version: String,
    /// Which secret was used, by its public name.
    pub key_id: String,
    /// BLAKE3 of the policy file.
    pub policy_digest: String,
    /// What the numbers were used for.
    pub purpose: String,
    /// Why that is lawful, as the policy's author decided.
    pub legal_basis: LegalBasis,
    /// Which other forms of a number a no reached.
    pub aliases: AliasRules,
    /// The job's name.
    pub job: String,
    /// The share of people that the run is of, drawn by key; none where it is of everybody. A run of
    /// a sample follows none, is followed by none, is charged nothing and tells nobody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sample: Option<Share>,
    /// What was read.
    pub inputs: Vec<ManifestInput>,
    /// What was written, by file name; the manifest itself and the sealed report are not here.
    pub files: BTreeMap<String, ManifestFile>,
    /// Where a run in a store keeps its files: the folder of this name beside the manifest. It is 32
    /// digits of the report's digest, so that no two runs write to the same folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folder: Option<String>,
    /// The floors that were held.
    pub floors: Floors,
    /// The budget ledger as it was when the run was charged, where figures are charged for.
    pub ledger: Option<LedgerHead>,
    /// For messages: the day, the pilot and the history.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub messages: Option<ManifestMessages>,
    /// What came of it.
    pub counts: ManifestCounts,
    /// The previous run's manifest: a chain.
    pub previous: Option<PreviousDigest>,
    /// BLAKE3 of the file under a key of the secret's, over the text with zeros in this place.
    pub seal: String,
}

/// What a run's messages held to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ManifestMessages {
    /// The day that they are for, UTC.
    pub day: String,
    /// The pilot's businesses, and how many people each may write to a day.
    pub tiers: BTreeMap<String, u64>,
    /// The history with the run in it; none while there was never a message.
    pub history: Option<HistoryHead>,
}

/// The run before, by its manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PreviousDigest {
    /// BLAKE3 of it.
    pub blake3: String,
}

/// What of an engine's manifest tells that it is one.
#[derive(Deserialize)]
struct OfAnEngine {
    format: u32,
    layout: String,
    #[serde(default)]
    key_id: String,
}

/// A file that was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ManifestInput {
    /// `accounts`, `list` or `opt_outs`.
    pub role: String,
    /// The path or address as the job gives it.
    pub file: String,
    /// Rows, the header not counted.
    pub rows: u64,
    /// Bytes as they are stored.
    pub bytes: u64,
    /// BLAKE3 of them; none for a Parquet object in a store, of which only some columns were read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blake3: Option<String>,
    /// The entity tag by which its store told the object's content; none for what was in no store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entity_tag: Option<String>,
}

impl ManifestInput {
    /// Whether two runs read the same content; not, where nothing tells it.
    #[must_use]
    pub fn is_same_content(&self, other: &Self) -> bool {
        match (&self.blake3, &other.blake3) {
            (Some(one), Some(other)) => one == other,
            _ => self.entity_tag.is_some() && self.entity_tag == other.entity_tag,
        }
    }
}

/// A file that was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ManifestFile {
    /// Its size.
    pub bytes: u64,
    /// BLAKE3 of it.
    pub blake3: String,
}

/// The run in figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ManifestCounts {
    /// Rows of the opt-out source, for the next run's check that it did not shrink.
    pub opt_out_rows: u64,
    /// Lists.
    pub lists: u64,
    /// Lists that were released.
    pub lists_released: u64,
    /// Rows of `matches.parquet`.
    pub matches: u64,
    /// Rows of `rejects.parquet`.
    pub rejects: u64,
    /// Rows of `removed.parquet`.
    pub removed: u64,
}

impl ManifestFile {
    /// Digests a file as it is on disk.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn of(path: &Path) -> io::Result<Self> {
        let mut file = std::fs::File::open(path)?;
        let mut hasher = blake3::Hasher::new();
        let mut buffer = vec![0; 1 << 16];
        let mut bytes = 0;
        loop {
            let read = file.read(&mut buffer)?;
            if read == 0 {
                break;
            }
            hasher.update(&buffer[..read]);
            bytes += read as u64;
        }
        Ok(Self { bytes, blake3: hasher.finalize().to_hex().to_string() })
    }
}

impl Manifest {
    /// Reads a run's manifest; `None` when it is not there or not one of this format.
    #[must_use]
    pub fn read(path: &Path) -> Option<Self> {
        Self::of(&std::fs::read(path).ok()?)
    }

    /// The secret's public name in the manifest of a run that an engine such as Spark made: its tables
    /// are in parts, and of its inputs it knows less. None of this format's runs follows one.
    pub(super) fn key_id_of_an_engine(text: &str) -> Option<String> {
        let manifest: OfAnEngine = serde_json::from_str(text).ok()?;
        (manifest.format == 1 && manifest.layout == "parts").then_some(manifest.key_id)
    }

    /// A manifest from its text.
    pub(super) fn of(text: &[u8]) -> Option<Self> {
        let manifest: Self = serde_json::from_slice(text).ok()?;
        (manifest.format == 1).then_some(manifest)
    }
}

/// BLAKE3 of bytes as manifests write it: 64 lower-case hex digits.
#[must_use]
pub fn digest(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex().to_string()
}
