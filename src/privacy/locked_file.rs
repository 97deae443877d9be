//! A file beside the runs that one run at a time may have open: the ledger, the message history.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// An open file, locked until it is dropped.
pub(super) struct LockedFile {
    path: PathBuf,
    file: File,
}

/// Why a file cannot be had, or written.
pub(super) enum Refused {
    /// Another run has it open, or has put another in its place.
    Locked,
    /// The operating system refused.
    Io {
        /// What was being done.
        action: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

impl Refused {
    /// For `map_err`: what was being done when the system refused.
    pub(super) fn when(action: &'static str) -> impl Fn(io::Error) -> Self {
        move |source| Self::Io { action, source }
    }
}

impl LockedFile {
    /// Opens a file, or begins an empty one that only its owner can read, locks it and reads it.
    pub(super) fn open(path: &Path) -> Result<(Self, Vec<u8>), Refused> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let mut file = options.open(path).map_err(Refused::when("open"))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(Refused::Locked),
            Err(TryLockError::Error(source)) => return Err(Refused::when("lock")(source)),
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(Refused::when("read"))?;
        let locked = Self { path: path.to_owned(), file };
        locked.must_be_in_place()?;
        Ok((locked, bytes))
    }

    /// Reads the file as far as it is there, to see what a run would find and could write to. Nothing
    /// is begun or locked.
    pub(super) fn rehearse(path: &Path) -> Result<Vec<u8>, Refused> {
        let mut bytes = Vec::new();
        match OpenOptions::new().read(true).write(true).open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(Refused::when("open")(source)),
            Ok(mut file) => drop(file.read_to_end(&mut bytes).map_err(Refused::when("read"))?),
        }
        Ok(bytes)
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The file, for writing.
    pub(super) const fn file(&mut self) -> &mut File {
        &mut self.file
    }

    /// Refuses when the path names another file: somebody put one there after this was opened.
    pub(super) fn must_be_in_place(&self) -> Result<(), Refused> {
        let (Ok(open), Ok(named)) = (self.file.metadata(), fs::metadata(&self.path)) else {
            return Err(Refused::Locked);
        };
        let is_same = open.dev() == named.dev() && open.ino() == named.ino();
        if is_same { Ok(()) } else { Err(Refused::Locked) }
    }

    /// Makes durable that the file is in its folder.
    pub(super) fn sync_folder(&self) -> Result<(), Refused> {
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = File::open(folder.unwrap_or(Path::new(".")));
        folder.and_then(|folder| folder.sync_all()).map_err(Refused::when("make durable"))
    }
}
