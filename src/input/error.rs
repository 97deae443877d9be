//! Why could an input not be read?
//!
//! One variant for each cause. Every text says which input it is about, in which row where there
//! is one, and what to do. None holds the text of a cell: column names are shown only when they
//! cannot be mistaken for data, and messages of the format libraries are replaced by our own.

use std::fmt;
use std::io;

use super::{Field, Location, Role};
use crate::store::{StoreError, UrlFault};

/// Which input an error is about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Place {
    /// Its role in the job.
    pub role: Role,
    /// Where its bytes are.
    pub location: Location,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.location, self.role)
    }
}

/// What the caller can do about an [`InputError`]; the command line makes exit codes of it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ErrorKind {
    /// The input is not there, not whole or may not be read.
    Missing,
    /// The input is there and is not what the job needs.
    Data,
    /// Reading failed half-way; another try may succeed.
    Io,
    /// The job names its inputs in a way that cannot be meant.
    Job,
    /// A store refuses the credentials.
    Denied,
}

/// Why an input could not be read.
#[derive(thiserror::Error, Debug)]
#[non_exhaustive]
#[allow(missing_docs, reason = "each text says what its fields are")]
pub enum InputError {
    /// There is no such file, or no file matches the pattern.
    #[error("cannot find {at}: no such file; check the path or the pattern")]
    Missing { at: Place },
    /// The path is a directory, a pipe or a device.
    #[error("cannot read {at}: it is {found}, not a file; {advice}")]
    NotAFile { at: Place, found: &'static str, advice: &'static str },
    /// The file is there and cannot be opened.
    #[error("cannot open {at}; check its permissions")]
    Unreadable {
        at: Place,
        #[source]
        cause: io::Error,
    },
    /// A read failed after others had succeeded.
    #[error("reading {at} failed half-way; run again")]
    ReadFailed {
        at: Place,
        #[source]
        cause: io::Error,
    },
    /// There is not one byte of text.
    #[error("{at} is empty: it has not even a header; check whether its export ran")]
    Empty { at: Place },
    /// The end is missing.
    #[error("{at} is cut short: {what}; transfer it again")]
    Truncated { at: Place, what: &'static str },
    /// The bytes contradict themselves.
    #[error("{at} is damaged: {what}; transfer it again")]
    Corrupt { at: Place, what: &'static str },
    /// A small file claims to hold far too much.
    #[error("{at} would unpack to more than is plausible ({what}); refused")]
    BombSuspected { at: Place, what: &'static str },
    /// Known bytes, but of a format that is not read.
    #[error("cannot read {at}: it is {found}; give CSV, NDJSON or Parquet, plain, gzip or zstd")]
    UnknownFormat { at: Place, found: &'static str },
    /// Parquet is read from its end, which a pipe does not show.
    #[error("cannot read {at}: Parquet cannot be read from a pipe; give its path")]
    StdinParquet { at: Place },
    /// A Parquet file inside gzip or zstd.
    #[error("cannot read {at}: it is Parquet packed in {packing}; unpack it first")]
    PackedParquet { at: Place, packing: &'static str },
    /// No column for a field that the job needs.
    #[error(
        "cannot find a column for {field} in {at}: looked for {looked_for}; {found}; map it, by \
         columns of that input in the job, or by --column"
    )]
    MissingColumn { at: Place, field: Field, looked_for: String, found: HeaderNames },
    /// None of several columns of which one is needed.
    #[error(
        "cannot find any of {fields} in {at}: looked for {looked_for}; {found}; map one, by columns \
         of that input in the job, or by --column"
    )]
    MissingOneOf { at: Place, fields: String, looked_for: String, found: HeaderNames },
    /// The first row holds data where names should be.
    #[error("{at} has no header row: its first row looks like data; put the column names there")]
    NoHeader { at: Place },
    /// Two columns could be the field.
    #[error("{at} has more than one column for {field}: {found}; rename or map one")]
    DuplicateColumn { at: Place, field: Field, found: HeaderNames },
    /// A column of numbers that cannot hold all digits or drops zeros.
    #[error("the column for {field} in {at} is {found}, which loses digits; write it as text")]
    FloatColumn { at: Place, field: Field, found: &'static str },
    /// A wanted column of a nested or unknown type.
    #[error("the column for {field} in {at} is {found}; write it as text")]
    UnsupportedColumn { at: Place, field: Field, found: &'static str },
    /// The header is not UTF-8 or holds NUL bytes.
    #[error("the header of {at} is not UTF-8 text (nor UTF-16 with a mark); convert the file")]
    BadHeaderEncoding { at: Place },
    /// The header goes on and on.
    #[error("the header of {at} is longer than {limit_bytes} bytes; check that it is a table")]
    HeaderTooLong { at: Place, limit_bytes: usize },
    /// A quote is opened and not closed.
    #[error("a quote opened in row {row} of {at} is not closed; repair that row")]
    UnclosedQuote { at: Place, row: u64 },
    /// An opt-out row whose quotes are damaged spans lines, so that rows may hide in it.
    #[error("row {row} of {at} has damaged quotes over several lines; repair that row")]
    QuoteDamage { at: Place, row: u64 },
    /// One row is longer than the limit.
    #[error("row {row} of {at} is longer than {limit_bytes} bytes; repair it or raise the limit")]
    RowTooLong { at: Place, row: u64, limit_bytes: usize },
    /// The file is not the one that was opened.
    #[error("{at} changed while it was read; run again when its export has finished")]
    ChangedWhileReading { at: Place },
    /// An object's store does not give it.
    #[error("cannot read {at}: {cause}")]
    Store { at: Place, cause: StoreError },
    /// An address that names no object.
    #[error("the address {} of the {role} cannot be read: {fault}", .text.escape_debug())]
    BadAddress { role: Role, text: String, fault: UrlFault },
    /// Two patterns lead to one file.
    #[error("{at} is named twice, also as {}; its rows would count twice", .other)]
    NamedTwice { at: Place, other: Location },
    /// A pattern that cannot be read.
    #[error("the pattern {at} cannot be read: {what}")]
    BadPattern { at: Place, what: &'static str },
    /// The caller went on after an error.
    #[error("reading {at} had already failed")]
    AlreadyFailed { at: Place },
}

impl InputError {
    /// What the caller can do about it.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Missing { .. }
            | Self::NotAFile { .. }
            | Self::Unreadable { .. }
            | Self::Empty { .. }
            | Self::Truncated { .. } => ErrorKind::Missing,
            Self::ReadFailed { .. }
            | Self::ChangedWhileReading { .. }
            | Self::AlreadyFailed { .. } => ErrorKind::Io,
            Self::NamedTwice { .. } | Self::BadPattern { .. } | Self::BadAddress { .. } => {
                ErrorKind::Job
            }
            Self::Store { cause, .. } => match cause {
                StoreError::NotBuilt | StoreError::InTheClear | StoreError::Settings => {
                    ErrorKind::Job
                }
                StoreError::Denied => ErrorKind::Denied,
                StoreError::NoTag => ErrorKind::Data,
                _ => ErrorKind::Io,
            },
            _ => ErrorKind::Data,
        }
    }
}

/// The names of a header, of which only those are shown that cannot be data.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct HeaderNames {
    shown: Vec<String>,
    hidden: usize,
}

/// So many names are shown at most.
const NAMES_SHOWN: usize = 30;

/// A name with so many digits may be a phone number.
const DIGITS_OF_A_NUMBER: usize = 7;

impl HeaderNames {
    pub(super) fn of<N: AsRef<[u8]>>(names: impl IntoIterator<Item = N>) -> Self {
        let mut found = Self { shown: vec![], hidden: 0 };
        for name in names {
            match plain(name.as_ref()).filter(|name| is_column_word(name)) {
                Some(name) if found.shown.len() < NAMES_SHOWN => found.shown.push(name.to_owned()),
                _ => found.hidden += 1,
            }
        }
        found
    }

    /// Names that cannot be data, in the header's order; thirty at most.
    #[must_use]
    pub fn shown(&self) -> &[String] {
        &self.shown
    }

    /// How many more there are.
    #[must_use]
    pub const fn hidden(&self) -> usize {
        self.hidden
    }
}

/// Words that column names are made of. In a file without a header the "names" are somebody's data
/// (`Anna Schmidt`), so a name is shown only when each of its words is one of these.
const COLUMN_WORDS: [&str; 56] = [
    "account",
    "active",
    "address",
    "advertiser",
    "age",
    "at",
    "audience",
    "campaign",
    "cell",
    "city",
    "code",
    "consent",
    "contact",
    "country",
    "created",
    "crm",
    "customer",
    "date",
    "device",
    "digits",
    "e164",
    "email",
    "first",
    "hash",
    "hashed",
    "id",
    "iso",
    "last",
    "list",
    "mobile",
    "mobiles",
    "msisdn",
    "name",
    "national",
    "number",
    "numbers",
    "opt",
    "opted",
    "os",
    "out",
    "phone",
    "phones",
    "purpose",
    "raw",
    "recipient",
    "ref",
    "region",
    "registered",
    "sha256",
    "source",
    "status",
    "tel",
    "telephone",
    "type",
    "user",
    "whatsapp",
];

fn is_column_word(name: &str) -> bool {
    name.to_ascii_lowercase()
        .split(['_', ' ', '.', '-'])
        .all(|word| COLUMN_WORDS.binary_search(&word).is_ok())
}

/// A column name as it may be printed: one that is a plain identifier and no number.
pub(super) fn plain(name: &[u8]) -> Option<&str> {
    let plain = |b: &u8| b.is_ascii_alphanumeric() || b"_ .-".contains(b);
    let digits = name.iter().filter(|b| b.is_ascii_digit()).count();
    let fits = (1..=64).contains(&name.len()) && digits < DIGITS_OF_A_NUMBER;
    (fits && name.iter().all(plain)).then(|| std::str::from_utf8(name).ok()).flatten()
}

impl fmt::Display for HeaderNames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.shown.is_empty(), self.hidden) {
            (true, hidden) => write!(f, "there are {hidden} columns, names not shown"),
            (false, 0) => write!(f, "there are: {}", self.shown.join(", ")),
            (false, hidden) => write!(f, "there are: {} and {hidden} more", self.shown.join(", ")),
        }
    }
}

/// What a layer under the row readers found wrong; travels inside an [`io::Error`].
#[derive(Clone, Copy, thiserror::Error, Debug)]
pub(super) enum StreamFault {
    #[error("cut short: {0}")]
    Truncated(&'static str),
    #[error("damaged: {0}")]
    Corrupt(&'static str),
    #[error("implausibly large: {0}")]
    Bomb(&'static str),
}

impl StreamFault {
    pub(super) fn into_io(self) -> io::Error {
        io::Error::other(self)
    }
}

impl Place {
    /// The error for a failed read of this input's stream.
    pub(super) fn read_error(&self, cause: io::Error) -> InputError {
        if let Some(&cause) = cause.get_ref().and_then(|inner| inner.downcast_ref::<StoreError>()) {
            return self.store_error(cause);
        }
        let at = self.clone();
        match cause.get_ref().and_then(|inner| inner.downcast_ref::<StreamFault>()) {
            Some(&StreamFault::Truncated(what)) => InputError::Truncated { at, what },
            Some(&StreamFault::Corrupt(what)) => InputError::Corrupt { at, what },
            Some(&StreamFault::Bomb(what)) => InputError::BombSuspected { at, what },
            None => InputError::ReadFailed { at, cause },
        }
    }

    /// The error for what a store did not do. What files have too is told as with files.
    pub(crate) fn store_error(&self, cause: StoreError) -> InputError {
        let at = self.clone();
        match cause {
            StoreError::NotFound => InputError::Missing { at },
            StoreError::Changed => InputError::ChangedWhileReading { at },
            cause => InputError::Store { at, cause },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_may_be_data_is_not_shown() {
        assert_eq!(plain(b"Mobile Phone"), Some("Mobile Phone"));
        for data in [&b"+12025550123"[..], b"2025550123", b"a,b", b"", b"=cmd|x", b"\x1b[2J"] {
            assert_eq!(plain(data), None);
        }
        let names = HeaderNames::of([&b"id"[..], b"12025550123"]);
        assert_eq!(names.to_string(), "there are: id and 1 more");
    }
}
