//! The hidden folder that a run is written into, its lock, and the one rename.
//!
//! `.NAME.partial` stands beside the run folder, private to its owner. The process that writes it
//! holds a lock on the folder itself, so a second run into the same place is refused, a killed run
//! leaves no lock behind, and its leftovers are cleared by the next. Publishing is one rename: a
//! kill at any instant leaves the old run or the complete new one.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};

use super::{MANIFEST, OutputError};
use crate::job::IfExists;

/// How often a lock that slipped away between opening and locking is tried again.
const LOCK_ATTEMPTS: usize = 8;

/// The staging folder, locked. Dropped without [`Staging::publish`], it is removed.
#[derive(Debug)]
pub struct Staging {
    folder: PathBuf,
    target: PathBuf,
    /// Holds the lock for as long as the run lives.
    lock: File,
    /// The folders round it that were not there, the innermost first.
    made: Vec<PathBuf>,
    published: bool,
}

/// What publishing did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Published {
    /// The run folder is new.
    New,
    /// It took the place of an older run.
    Replaced,
}

impl Staging {
    /// Makes the staging folder of `target` and locks it.
    ///
    /// # Errors
    ///
    /// [`OutputError::Locked`] when another run holds it, [`OutputError::Exists`] when the target
    /// is there and may not be replaced, and what the system says.
    pub fn begin(target: &Path, if_exists: IfExists) -> Result<Self, OutputError> {
        let (parent, name) = split(target)?;
        check_target(target, if_exists)?;
        let make = |path: &Path, source| OutputError::Io {
            action: "make the folder",
            path: path.to_owned(),
            source,
        };
        let made = parent.ancestors().take_while(|folder| !is_somewhere(folder));
        let made: Vec<_> = made.map(Path::to_owned).collect();
        fs::create_dir_all(&parent).map_err(|source| make(&parent, source))?;
        let folder = parent.join(format!(".{name}.partial"));
        for _ in 0..LOCK_ATTEMPTS {
            match DirBuilder::new().mode(0o700).create(&folder) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                    return Err(make(&folder, error));
                }
                _ => {}
            }
            let lock = match File::open(&folder) {
                Ok(lock) => lock,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(make(&folder, error)),
            };
            match lock.try_lock() {
                Err(TryLockError::WouldBlock) => {
                    return Err(OutputError::Locked { path: target.to_owned() });
                }
                Err(TryLockError::Error(source)) => return Err(make(&folder, source)),
                Ok(()) => {}
            }
            // The run that held the lock may have renamed or removed the folder meanwhile.
            if is_same(&lock, &folder) {
                let target = target.to_owned();
                let staging = Self { folder, target, lock, made, published: false };
                staging.clear()?;
                check_target(&staging.target, if_exists)?;
                return Ok(staging);
            }
        }
        Err(OutputError::Locked { path: target.to_owned() })
    }

    /// The path of a file of the run, before it is published.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The staging folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The files that were written so far.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn files(&self) -> Result<Vec<PathBuf>, OutputError> {
        let failed = |source| OutputError::Io { action: "list", path: self.folder.clone(), source };
        let entries = fs::read_dir(&self.folder).map_err(failed)?;
        entries.map(|entry| Ok(entry.map_err(failed)?.path())).collect()
    }

    /// Removes what is in the folder: a killed run's leftovers, or an attempt that is begun again.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn clear(&self) -> Result<(), OutputError> {
        let failed = |source| OutputError::Io {
            action: "clear the folder",
            path: self.folder.clone(),
            source,
        };
        for entry in fs::read_dir(&self.folder).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) }
                .map_err(failed)?;
        }
        Ok(())
    }

    /// Makes the folder durable, its files being so already, and gives the run its name in one rename.
    ///
    /// # Errors
    ///
    /// What the system says; the old run is then where it was.
    pub fn publish(mut self, if_exists: IfExists) -> Result<Published, OutputError> {
        let failed = |action, path: &Path, source: io::Error| OutputError::Io {
            action,
            path: path.to_owned(),
            source,
        };
        let (parent, _) = split(&self.target)?;
        self.lock.sync_all().map_err(|error| failed("make durable", &self.folder, error))?;
        let flags = match (self.target.exists(), if_exists) {
            (true, IfExists::Replace) => RenameFlags::EXCHANGE,
            _ => RenameFlags::NOREPLACE,
        };
        renameat_with(CWD, &self.folder, CWD, &self.target, flags).map_err(|error| {
            if error == rustix::io::Errno::EXIST {
                OutputError::Exists { path: self.target.clone() }
            } else {
                failed("publish", &self.target, error.into())
            }
        })?;
        self.published = true;
        if let Err(error) = sync_folder(&parent) {
            self.take_back(flags);
            return Err(failed("make durable", &parent, error));
        }
        if flags == RenameFlags::EXCHANGE {
            // The old run now has the staging name. It is no longer the run, and what of it cannot
            // be removed the next run clears.
            let _ = fs::remove_dir_all(&self.folder);
            return Ok(Published::Replaced);
        }
        Ok(Published::New)
    }

    /// Undoes the rename: whether it would outlive a power cut is unknown, and who is told of a
    /// failure is to find what was there before.
    fn take_back(&mut self, flags: RenameFlags) {
        let undone = match flags {
            RenameFlags::EXCHANGE => renameat_with(CWD, &self.folder, CWD, &self.target, flags),
            _ => renameat_with(CWD, &self.target, CWD, &self.folder, flags),
        };
        self.published = undone.is_err();
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if !self.published {
            // Nothing can be done about a failure here; the next run clears the folder.
            let _ = fs::remove_dir_all(&self.folder);
            // Those in which somebody has put something meanwhile stay.
            let _ = self.made.iter().try_for_each(fs::remove_dir);
        }
    }
}

/// Whether there is something under a path; nothing under it is the folder one is in.
fn is_somewhere(path: &Path) -> bool {
    path.as_os_str().is_empty() || fs::symlink_metadata(path).is_ok()
}

/// Refuses a target that is there and may not be replaced, or that no run of ours wrote.
fn check_target(target: &Path, if_exists: IfExists) -> Result<(), OutputError> {
    if fs::symlink_metadata(target).is_err() {
        return Ok(());
    }
    match if_exists {
        IfExists::Error | IfExists::Skip => Err(OutputError::Exists { path: target.to_owned() }),
        IfExists::Replace if is_run(target)? => Ok(()),
        IfExists::Replace => Err(OutputError::NotARun { path: target.to_owned() }),
    }
}

/// Whether a folder holds a manifest of any format of ours. What the system does not let us read is
/// no answer.
fn is_run(folder: &Path) -> Result<bool, OutputError> {
    let path = folder.join(MANIFEST);
    let manifest = match fs::read(&path) {
        Ok(manifest) => manifest,
        Err(error) => match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => return Ok(false),
            _ => return Err(OutputError::Io { action: "read", path, source: error }),
        },
    };
    let manifest: Option<serde_json::Value> = serde_json::from_slice(&manifest).ok();
    Ok(manifest.is_some_and(|manifest| manifest.get("format").is_some()))
}

fn split(target: &Path) -> Result<(PathBuf, String), OutputError> {
    let none = || OutputError::NoName { path: target.to_owned() };
    let name = target.file_name().and_then(|name| name.to_str()).ok_or_else(none)?;
    let parent = match target.parent() {
        Some(parent) if parent.as_os_str().is_empty() => PathBuf::from("."),
        Some(parent) => parent.to_owned(),
        None => return Err(none()),
    };
    Ok((parent, name.to_owned()))
}

fn is_same(open: &File, path: &Path) -> bool {
    let (Ok(open), Ok(named)) = (open.metadata(), fs::symlink_metadata(path)) else {
        return false;
    };
    open.dev() == named.dev() && open.ino() == named.ino()
}

/// Makes a file durable that was written before.
///
/// A failed fsync is never tried again: what the system dropped is gone (Rebello et al., "Can
/// applications recover from fsync failures?", ATC 2020), and the run with it.
///
/// # Errors
///
/// What the system says.
pub fn make_durable(file: &Path) -> Result<(), OutputError> {
    let synced = File::open(file).and_then(|file| file.sync_all());
    synced.map_err(|source| OutputError::Io {
        action: "make durable",
        path: file.to_owned(),
        source,
    })
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Creates a file that only its owner can read, and that was not there.
pub(super) fn create_private(path: &Path) -> Result<File, OutputError> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(|source| OutputError::Io { action: "create", path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_runs_cannot_write_the_same_place_and_a_dropped_one_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("run");
        let first = Staging::begin(&target, IfExists::Error).unwrap();
        let second = Staging::begin(&target, IfExists::Error);
        assert!(matches!(second, Err(OutputError::Locked { .. })));
        drop(first);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        Staging::begin(&target, IfExists::Error).unwrap();
    }

    #[test]
    fn a_run_takes_another_runs_place_and_nothing_elses() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("run");
        let publish = |content: u32, if_exists| {
            let staging = Staging::begin(&target, if_exists)?;
            fs::write(staging.file(MANIFEST), format!("{{\"format\":{content}}}")).unwrap();
            staging.publish(if_exists)
        };
        assert_eq!(publish(1, IfExists::Replace).unwrap(), Published::New);
        assert!(matches!(publish(2, IfExists::Error), Err(OutputError::Exists { .. })));
        assert_eq!(publish(2, IfExists::Replace).unwrap(), Published::Replaced);
        assert_eq!(fs::read_to_string(target.join(MANIFEST)).unwrap(), "{\"format\":2}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        fs::remove_file(target.join(MANIFEST)).unwrap();
        assert!(matches!(publish(3, IfExists::Replace), Err(OutputError::NotARun { .. })));
    }

    #[test]
    fn a_killed_runs_leftovers_are_cleared() {
        let folder = tempfile::tempdir().unwrap();
        let leftover = folder.path().join(".run.partial");
        fs::create_dir(&leftover).unwrap();
        fs::write(leftover.join("matches.parquet"), "half").unwrap();
        let staging = Staging::begin(&folder.path().join("run"), IfExists::Error).unwrap();
        assert_eq!(fs::read_dir(staging.folder()).unwrap().count(), 0);
    }
}
