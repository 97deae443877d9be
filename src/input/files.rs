//! Which files are meant, and is this still the file that was opened?
//!
//! [`expand`] turns the job's patterns into files, and into objects where they are addresses. A
//! literal path that exists wins over its meaning as a pattern; as in a shell, `*` matches neither
//! `/` nor a leading dot, so that a half-written `.part` beside the list is not read. A pattern's
//! files come in the order of their bytes.

use std::collections::HashMap;
use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::error::{InputError, Place};
use super::{Location, Role, object_pattern};
use crate::store::{ObjectUrl, UrlFault};

/// What makes a pattern of a path or of an address.
pub(crate) const WILDCARDS: [char; 3] = ['*', '?', '['];

/// What a pattern matches: what a shell would give for it.
pub(super) const AS_IN_A_SHELL: glob::MatchOptions = glob::MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: true,
};

/// The inputs that the patterns of a role mean, in the patterns' order; relative ones from `base`.
///
/// # Errors
/// A pattern without a file, a directory, a pipe, and a file that is meant twice.
pub fn expand(role: Role, patterns: &[String], base: &Path) -> Result<Vec<Location>, InputError> {
    let mut locations = vec![];
    for pattern in patterns {
        if pattern == "-" {
            locations.push(Location::Stdin);
            continue;
        }
        if let Some(url) = object(role, pattern)? {
            if url.is_pattern() {
                let found = object_pattern::matches(role, &url)?;
                locations.extend(found.into_iter().map(Location::Object));
            } else {
                locations.push(Location::Object(url));
            }
            continue;
        }
        let literal = base.join(pattern);
        if pattern.contains(WILDCARDS) && fs::symlink_metadata(&literal).is_err() {
            locations.extend(matches(role, pattern, base)?.into_iter().map(Location::Path));
        } else {
            locations.push(Location::Path(literal));
        }
    }
    let mut seen: HashMap<Location, Location> = HashMap::new();
    for location in &locations {
        let canonical = match location {
            Location::Stdin | Location::Object(_) => location.clone(),
            Location::Path(path) => {
                let at = Place { role, location: location.clone() };
                regular(&at, &stat(&at, path)?)?;
                Location::Path(fs::canonicalize(path).unwrap_or_else(|_| path.clone()))
            }
        };
        if let Some(other) = seen.insert(canonical, location.clone()) {
            let at = Place { role, location: location.clone() };
            return Err(InputError::NamedTwice { at, other });
        }
    }
    Ok(locations)
}

/// The address that a pattern is; none for a path.
///
/// # Errors
///
/// When it is the address of a store and names no object.
fn object(role: Role, pattern: &str) -> Result<Option<ObjectUrl>, InputError> {
    let bad = |fault| {
        // Where credentials may stand in it, it is not shown.
        let shown = if fault == UrlFault::Credentials { "" } else { pattern };
        InputError::BadAddress { role, text: shown.to_owned(), fault }
    };
    ObjectUrl::read(pattern).transpose().map_err(bad)
}

/// The files that match a pattern, sorted; at least one.
fn matches(role: Role, pattern: &str, base: &Path) -> Result<Vec<PathBuf>, InputError> {
    let place = |path: PathBuf| Place { role, location: Location::Path(path) };
    let bad = |what| InputError::BadPattern { at: place(PathBuf::from(pattern)), what };
    let full = if Path::new(pattern).is_absolute() {
        pattern.to_owned()
    } else {
        let base = base.to_str().ok_or_else(|| bad("its folder's name is not UTF-8"))?;
        match base {
            "" => pattern.to_owned(),
            _ => format!("{}/{pattern}", glob::Pattern::escape(base)),
        }
    };
    let mut paths = vec![];
    for path in glob::glob_with(&full, AS_IN_A_SHELL).map_err(|cause| bad(cause.msg))? {
        paths.push(path.map_err(|cause| InputError::Unreadable {
            at: place(cause.path().to_owned()),
            cause: cause.into(),
        })?);
    }
    if paths.is_empty() {
        return Err(InputError::Missing { at: place(PathBuf::from(full)) });
    }
    paths.sort_by(|a, b| a.as_os_str().as_bytes().cmp(b.as_os_str().as_bytes()));
    Ok(paths)
}

fn stat(at: &Place, path: &Path) -> Result<Metadata, InputError> {
    fs::metadata(path).map_err(|cause| open_error(at, cause))
}

fn open_error(at: &Place, cause: io::Error) -> InputError {
    let at = at.clone();
    match cause.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => InputError::Missing { at },
        _ => InputError::Unreadable { at, cause },
    }
}

fn regular(at: &Place, metadata: &Metadata) -> Result<(), InputError> {
    let kind = metadata.file_type();
    let (found, advice) = if kind.is_file() {
        return Ok(());
    } else if kind.is_dir() {
        ("a directory", "name its files, or a pattern such as folder/*.csv")
    } else if kind.is_fifo() {
        ("a pipe", "give it on standard input as -")
    } else {
        ("a device or socket", "give it on standard input as -")
    };
    Err(InputError::NotAFile { at: at.clone(), found, advice })
}

/// An open file, and what it was when it was opened.
#[derive(Debug)]
pub(super) struct OpenFile {
    pub(super) file: File,
    pub(super) path: PathBuf,
    stamp: Stamp,
}

/// What tells a file from another, or from itself after a change.
#[derive(PartialEq, Eq, Debug)]
struct Stamp {
    bytes: u64,
    device: u64,
    inode: u64,
    modified: Option<SystemTime>,
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        Self {
            bytes: metadata.len(),
            device: metadata.dev(),
            inode: metadata.ino(),
            modified: metadata.modified().ok(),
        }
    }
}

impl OpenFile {
    pub(super) fn open(at: &Place, path: &Path) -> Result<Self, InputError> {
        // Before the open: opening a pipe without a writer would wait for ever.
        regular(at, &stat(at, path)?)?;
        let file = File::open(path).map_err(|cause| open_error(at, cause))?;
        let metadata = file.metadata().map_err(|cause| open_error(at, cause))?;
        regular(at, &metadata)?;
        Ok(Self { file, path: path.to_owned(), stamp: Stamp::of(&metadata) })
    }

    pub(super) fn bytes(&self) -> u64 {
        self.stamp.bytes
    }

    pub(super) fn modified(&self) -> Option<SystemTime> {
        self.stamp.modified
    }

    /// Whether the open file and the path are both still what was opened.
    pub(super) fn check_unchanged(&self, at: &Place) -> Result<(), InputError> {
        let now = [self.file.metadata(), fs::metadata(&self.path)];
        let same = |found: io::Result<Metadata>| found.is_ok_and(|m| Stamp::of(&m) == self.stamp);
        if now.into_iter().all(same) {
            return Ok(());
        }
        Err(InputError::ChangedWhileReading { at: at.clone() })
    }
}
