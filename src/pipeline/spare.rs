//! Room that is used again: what a thread is done with serves whoever comes next.
//!
//! Giving large blocks back and asking for them anew makes the system take and clear memory all the
//! time, and hold up every other thread while it does.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Things with room in them that nobody uses at the moment.
#[derive(Default)]
pub(super) struct Spare<T>(Mutex<Vec<T>>);

impl<T: Default> Spare<T> {
    /// One that was given back, with whatever was left in it, else a new one.
    pub(super) fn take(&self) -> T {
        self.lock().pop().unwrap_or_default()
    }

    /// Keeps one for later.
    pub(super) fn give(&self, thing: T) {
        self.lock().push(thing);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
