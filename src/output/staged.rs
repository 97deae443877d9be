//! Who may remove the hidden folder of a run that cannot look up?
//!
//! A run that is told to stop removes its folder itself, when it comes to a place where it looks
//! whether it was told. Where that takes longer than a caller can wait, the caller removes the
//! folder and ends the process. The two must not meet: what was begun to be removed must never get
//! a run's name, and what has a run's name must never be removed.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The hidden folder of the run that goes on.
#[derive(Debug, Default)]
pub struct Staged(Mutex<State>);

#[derive(Debug, Default)]
enum State {
    /// There is none.
    #[default]
    None,
    /// It is written to.
    Held(PathBuf),
    /// It has a run's name by now, or was to have one.
    Over,
    /// Somebody began to remove it.
    Discarded,
}

/// A file that was being made while the folder was removed makes a second try necessary.
const ATTEMPTS: usize = 20;

impl Staged {
    pub(crate) fn hold(&self, folder: &Path) {
        let mut state = self.lock();
        if !matches!(*state, State::Discarded) {
            *state = State::Held(folder.to_owned());
        }
    }

    pub(crate) fn forget(&self) {
        let mut state = self.lock();
        if matches!(*state, State::Held(_)) {
            *state = State::None;
        }
    }

    /// Publishes the folder while nobody can remove it; none when somebody has.
    pub(crate) fn publish<T>(&self, publish: impl FnOnce() -> T) -> Option<T> {
        let mut state = self.lock();
        if matches!(*state, State::Discarded) {
            return None;
        }
        let published = publish();
        *state = State::Over;
        Some(published)
    }

    /// Removes the folder, for a caller that ends the process then. False when the run is
    /// published: then there is nothing to end.
    pub fn discard(&self) -> bool {
        let mut state = self.lock();
        match std::mem::replace(&mut *state, State::Discarded) {
            State::Over => {
                *state = State::Over;
                return false;
            }
            State::Held(folder) => {
                let is_gone = |_: &usize| fs::remove_dir_all(&folder).is_ok() || !folder.exists();
                (0..ATTEMPTS).find(is_gone);
            }
            State::None | State::Discarded => {}
        }
        true
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> (tempfile::TempDir, PathBuf) {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join(".run.partial");
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("matches.parquet"), "half").unwrap();
        (place, folder)
    }

    #[test]
    fn what_was_discarded_is_never_published() {
        let (_place, folder) = folder();
        let staged = Staged::default();
        staged.hold(&folder);
        assert!(staged.discard());
        assert!(!folder.exists());
        assert_eq!(staged.publish(|| "published"), None);
    }

    #[test]
    fn what_is_published_or_another_runs_is_never_discarded() {
        let (_place, folder) = folder();
        let staged = Staged::default();
        staged.hold(&folder);
        assert_eq!(staged.publish(|| "published"), Some("published"));
        assert!(!staged.discard());
        let staged = Staged::default();
        staged.hold(&folder);
        staged.forget();
        assert!(staged.discard());
        assert!(folder.join("matches.parquet").exists());
    }
}
