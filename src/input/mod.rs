//! What did we receive?
//!
//! Opens the files of a role (accounts, list, opt-outs), whatever their format, compression and
//! encoding, finds the columns that are wanted and hands out batches of raw cells in row order.
//!
//! It promises: every row of the input is in exactly one batch, a row that is not the format's is
//! handed out as malformed and not dropped, and the digest of a finished input is that of its
//! bytes. It leaves to others what a cell means. Errors name the role, the path and where there is
//! one the row; never the text of a cell.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::store::{self, ObjectUrl};

mod ahead;
mod awaited;
mod batch;
mod cells;
mod columns;
mod delimited;
mod error;
mod file_at;
mod files;
mod footer;
mod header;
mod ndjson;
mod object;
mod object_pattern;
mod parquet;
mod part;
mod reader;
mod stream;
mod text;

pub use batch::{Batch, Column};
pub use columns::{batch_of, find_columns};
pub use error::{ErrorKind, HeaderNames, InputError, Place};
pub(crate) use files::WILDCARDS;
pub use files::expand;
pub use header::{ColumnsFound, FoundColumn};
pub use part::{Batches, Part, Splitter, Unplaced};
pub use reader::{BatchReader, Extent, Facts, open, open_stream};

/// Bytes of delimited text that are split in one go: some thousand rows, which with what a thread
/// makes of them stay in its cache.
pub const DEFAULT_BLOCK_BYTES: usize = 256 << 10;

/// Rows in a batch of the other formats, unless its cells reach [`DEFAULT_BATCH_BYTES`] before.
pub const DEFAULT_BATCH_ROWS: usize = 8192;

/// Rows of a Parquet file that are shared out at a time: a row group as DuckDB writes it, and a
/// whole number of pages of 20 480 rows as arrow does.
pub const DEFAULT_PART_ROWS: u64 = 122_880;

/// Bytes of cells after which a batch of NDJSON ends early.
pub const DEFAULT_BATCH_BYTES: usize = 16 << 20;

/// The longest row: a quote that is never closed is found after so many bytes.
pub const DEFAULT_ROW_BYTES: usize = 1 << 20;

/// The longest header.
pub const DEFAULT_HEADER_BYTES: usize = 64 << 10;

/// What is read, and what for.
#[derive(Clone, Debug)]
pub struct Source {
    /// Which kind of input it is.
    pub role: Role,
    /// Where its bytes are.
    pub location: Location,
    /// The columns to look for.
    pub wants: Vec<Want>,
    /// How much of it may be in memory.
    pub limits: Limits,
}

/// How much of an input may be in memory at a time.
///
/// One reader holds a buffer of `block_bytes`, or of twice `row_bytes` where rows are so long, and
/// what its decoder keeps: up to 128 MiB for zstd. Each thread that splits holds another such
/// buffer; of NDJSON a batch of `batch_bytes` and one row more, of Parquet the pages that it decodes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Bytes of delimited text that are split in one go; more where one row has more.
    pub block_bytes: usize,
    /// Rows of a Parquet file that are shared out at a time, where a row group has twice as many.
    pub part_rows: u64,
    /// Rows in a batch of NDJSON or Parquet.
    pub batch_rows: usize,
    /// Bytes of cells after which a batch of NDJSON ends early.
    pub batch_bytes: usize,
    /// Bytes of the longest row.
    pub row_bytes: usize,
    /// Bytes of the longest header.
    pub header_bytes: usize,
}

impl Limits {
    /// What the `DEFAULT_…` constants say.
    pub const STANDARD: Self = Self {
        block_bytes: DEFAULT_BLOCK_BYTES,
        part_rows: DEFAULT_PART_ROWS,
        batch_rows: DEFAULT_BATCH_ROWS,
        batch_bytes: DEFAULT_BATCH_BYTES,
        row_bytes: DEFAULT_ROW_BYTES,
        header_bytes: DEFAULT_HEADER_BYTES,
    };

    /// The same, as far as the offsets of a [`Batch`] reach.
    fn within_reach(self) -> Self {
        Self {
            block_bytes: self.block_bytes.clamp(1, 1 << 28),
            part_rows: self.part_rows.max(1),
            batch_rows: self.batch_rows.clamp(1, 1 << 24),
            batch_bytes: self.batch_bytes.clamp(1, 1 << 30),
            row_bytes: self.row_bytes.min(1 << 28),
            header_bytes: self.header_bytes.min(1 << 24),
        }
    }
}

/// Counts what was read, for a display of progress; one may serve many readers.
#[derive(Default, Debug)]
pub struct Meter {
    bytes_read: AtomicU64,
    rows_read: AtomicU64,
    /// Passes beyond the first.
    passes_again: AtomicU64,
    /// Set by whoever wants no more to be read.
    cancel: Arc<AtomicBool>,
}

impl Meter {
    /// A meter of readers that give up waiting for standard input when `cancel` is set.
    #[must_use]
    pub fn stopped_by(cancel: Arc<AtomicBool>) -> Self {
        Self { cancel, ..Self::default() }
    }

    fn is_stopped(&self) -> bool {
        self.cancel.load(Ordering::SeqCst)
    }

    /// Stored bytes that were read so far; at the end of all inputs the sum of their sizes.
    #[must_use]
    pub fn bytes_read(&self) -> u64 {
        self.bytes_read.load(Ordering::Relaxed)
    }

    /// Rows that were handed out so far.
    #[must_use]
    pub fn rows_read(&self) -> u64 {
        self.rows_read.load(Ordering::Relaxed)
    }

    /// How often the export is going to be read, as far as is known.
    #[must_use]
    pub fn passes(&self) -> u64 {
        1 + self.passes_again.load(Ordering::Relaxed)
    }

    /// Says how often the export is going to be read.
    pub(crate) fn expect_passes(&self, passes: u64) {
        self.passes_again.store(passes.saturating_sub(1), Ordering::Relaxed);
    }

    fn add_bytes(&self, bytes: u64) {
        self.bytes_read.fetch_add(bytes, Ordering::Relaxed);
    }

    fn add_rows(&self, rows: u64) {
        self.rows_read.fetch_add(rows, Ordering::Relaxed);
    }
}

/// How rows are written down.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Format {
    /// CSV, TSV and their kin.
    Delimited,
    /// One JSON object to a line.
    Ndjson,
    /// Apache Parquet.
    Parquet,
}

/// How the whole file is packed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Compression {
    /// Not at all; a Parquet file packs its pages itself.
    None,
    /// gzip, of any number of members.
    Gzip,
    /// zstd, of any number of frames.
    Zstd,
}

/// How text is encoded.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Encoding {
    /// UTF-8 without a mark.
    Utf8,
    /// UTF-8 with a byte order mark.
    Utf8Bom,
    /// UTF-16, little end first, told by its mark.
    Utf16Le,
    /// UTF-16, big end first, told by its mark.
    Utf16Be,
}

/// Which of the job's three kinds of input a file is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Role {
    /// The messenger's export.
    Accounts,
    /// An advertiser's list.
    List,
    /// The suppression list.
    OptOuts,
}

impl Role {
    /// The name in reports, manifests and `rejects.parquet`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Accounts => "accounts",
            Self::List => "list",
            Self::OptOuts => "opt_outs",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Accounts => "accounts",
            Self::List => "list",
            Self::OptOuts => "opt-outs",
        })
    }
}

/// A column that a stage reads.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Field {
    /// A phone number as text.
    Phone,
    /// SHA-256 of a phone number, hex or Base64.
    PhoneSha256,
    /// ISO 3166-1 alpha-2 country of the row.
    Country,
    /// The messenger's id of the account.
    AccountId,
    /// Consent for the run's purpose.
    Consent,
    /// The list that the row belongs to.
    ListId,
    /// The advertiser that the row belongs to.
    AdvertiserId,
    /// The purpose that an opt-out row is for.
    Purpose,
    /// When the person opted out.
    OptedOutAt,
    /// Operating system of the account's phone.
    Os,
    /// Device of the account.
    Device,
    /// Global Privacy Control.
    Gpc,
    /// The IAB's US privacy string.
    UsPrivacy,
    /// The IAB's Global Privacy Platform string.
    Gpp,
    /// Meta's data processing options.
    DataProcessingOptions,
    /// Google's consent to sending user data for advertising.
    AdUserData,
    /// Google's consent to personalised advertising.
    AdPersonalization,
    /// When the account's holder said the yes or no of its consent column.
    ConsentAt,
    /// When the messenger last verified that the account's holder has the number.
    VerifiedAt,
    /// When the account was last used.
    LastActive,
    /// Whose address book the row is from: the messenger's number of that person.
    OwnerPhone,
    /// When the list's owner and the person last dealt with each other.
    LastContactAt,
    /// When the person opted in to hearing from the list's owner.
    OptedInAt,
}

impl Field {
    /// All fields, in the order of their declaration.
    pub const ALL: [Self; 23] = [
        Self::Phone,
        Self::PhoneSha256,
        Self::Country,
        Self::AccountId,
        Self::Consent,
        Self::ListId,
        Self::AdvertiserId,
        Self::Purpose,
        Self::OptedOutAt,
        Self::Os,
        Self::Device,
        Self::Gpc,
        Self::UsPrivacy,
        Self::Gpp,
        Self::DataProcessingOptions,
        Self::AdUserData,
        Self::AdPersonalization,
        Self::ConsentAt,
        Self::VerifiedAt,
        Self::LastActive,
        Self::OwnerPhone,
        Self::LastContactAt,
        Self::OptedInAt,
    ];

    /// The field's name in the job file and in messages.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Phone => "phone",
            Self::PhoneSha256 => "phone_sha256",
            Self::Country => "country",
            Self::AccountId => "account_id",
            Self::Consent => "consent",
            Self::ListId => "list_id",
            Self::AdvertiserId => "advertiser_id",
            Self::Purpose => "purpose",
            Self::OptedOutAt => "opted_out_at",
            Self::Os => "os",
            Self::Device => "device",
            Self::Gpc => "gpc",
            Self::UsPrivacy => "us_privacy",
            Self::Gpp => "gpp",
            Self::DataProcessingOptions => "data_processing_options",
            Self::AdUserData => "ad_user_data",
            Self::AdPersonalization => "ad_personalization",
            Self::ConsentAt => "consent_at",
            Self::VerifiedAt => "verified_at",
            Self::LastActive => "last_active",
            Self::OwnerPhone => "owner_phone",
            Self::LastContactAt => "last_contact_at",
            Self::OptedInAt => "opted_in_at",
        }
    }

    /// The column names that mean this field when the job maps none, the best first.
    ///
    /// Consent has none: which column permits a purpose is never guessed. Opt-out signals have
    /// theirs: they can only deny, and one that stands there under its own name is meant.
    #[must_use]
    pub fn synonyms(self) -> &'static [&'static str] {
        match self {
            Self::Phone => &[
                "phone",
                "phone_number",
                "phonenumber",
                "msisdn",
                "mobile",
                "mobile_phone",
                "mobile_number",
                "tel",
                "telephone",
                "cell",
                "cell_phone",
                "phone_e164",
                "e164",
                "number",
                "whatsapp",
            ],
            Self::PhoneSha256 => &[
                "phone_sha256",
                "sha256_phone",
                "hashed_phone",
                "phone_hash",
                "hashed_phone_number",
                "sha256",
            ],
            Self::Country => &["country", "country_code", "country_iso", "iso_country", "region"],
            Self::AccountId => &["account_id", "user_id", "id"],
            Self::Consent => &[],
            Self::ListId => &["list_id"],
            Self::AdvertiserId => &["advertiser_id", "recipient", "recipient_id"],
            Self::Purpose => &["purpose"],
            Self::OptedOutAt => &["opted_out_at", "opt_out_at", "date"],
            Self::Os => &["os", "operating_system", "platform"],
            Self::Device => &["device", "device_type", "device_class"],
            Self::Gpc => &["gpc", "sec_gpc", "global_privacy_control", "globalprivacycontrol"],
            Self::UsPrivacy => &["us_privacy", "usprivacy", "us_privacy_string", "usp_string"],
            Self::Gpp => &["gpp", "gpp_string"],
            Self::DataProcessingOptions => &["data_processing_options", "ldu"],
            Self::AdUserData => &["ad_user_data", "aduserdata"],
            Self::AdPersonalization => &["ad_personalization", "adpersonalization"],
            Self::ConsentAt => &["consent_at", "consented_at", "consent_date"],
            Self::VerifiedAt => &["verified_at", "phone_verified_at", "number_verified_at"],
            Self::LastActive => &["last_active", "last_active_at", "last_seen", "last_seen_at"],
            Self::OwnerPhone => &["owner_phone", "owner_msisdn", "owner_number", "owner"],
            Self::LastContactAt => &["last_contact_at", "last_contact", "last_contacted_at"],
            Self::OptedInAt => &["opted_in_at", "opt_in_at"],
        }
    }

    fn index(self) -> usize {
        self as usize
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A column to look for.
#[derive(Clone, Debug)]
pub struct Want {
    /// What it holds.
    pub field: Field,
    /// The column's name in this input, when the job maps it; else the field's synonyms count.
    pub mapped: Option<String>,
    /// Whether the input can be read without it.
    pub need: Need,
}

/// Whether an input can do without a column.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Need {
    /// The run ends when it is not there.
    Required,
    /// One column of those marked so must be there (`phone` or `phone_sha256`).
    OneOf,
    /// Its absence is no error.
    Optional,
}

/// Where an input's bytes are.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Location {
    /// A file.
    Path(PathBuf),
    /// Standard input.
    Stdin,
    /// An object in a store.
    Object(ObjectUrl),
}

impl Location {
    /// The file's path; none for what is no file.
    #[must_use]
    pub fn path(&self) -> Option<&std::path::Path> {
        match self {
            Self::Path(path) => Some(path),
            Self::Stdin | Self::Object(_) => None,
        }
    }

    /// The stored size, as far as it is known before reading; none for standard input. The store of
    /// an object is asked.
    #[must_use]
    pub fn bytes(&self) -> Option<u64> {
        match self {
            Self::Path(path) => std::fs::metadata(path).ok().map(|found| found.len()),
            Self::Stdin => None,
            Self::Object(url) => store::facts(url).ok().map(|found| found.bytes),
        }
    }
}

impl fmt::Display for Location {
    /// The path with its control characters escaped: a file's name may be made for a terminal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = match self {
            Self::Path(path) => path,
            Self::Stdin => return f.write_str("standard input"),
            // Its address holds no such characters.
            Self::Object(url) => return url.fmt(f),
        };
        for c in path.to_string_lossy().chars() {
            if c.is_control() { write!(f, "{}", c.escape_default())? } else { write!(f, "{c}")? }
        }
        Ok(())
    }
}
