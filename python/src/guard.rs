//! What becomes of a bug in the library?
//!
//! Rust's panic messages may quote what was being read, and a number is not to stand in a log. So
//! none is printed and none becomes an exception's text; what is said is where it happened. This
//! module has its own copy of Rust's runtime: no other extension's panics are touched.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook};

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

thread_local! {
    static LAST: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Notes where a panic happens instead of printing what it says.
pub(crate) fn keep_panics_quiet() {
    set_hook(Box::new(|info| {
        let place = info.location().map(|at| format!("{}:{}", at.file(), at.line()));
        LAST.set(place.unwrap_or_default());
    }));
}

/// Runs `work` without Python's lock.
///
/// # Errors
///
/// Those of `work`; `RuntimeError` when it panics.
pub(crate) fn unlocked<T: Send>(
    py: Python<'_>,
    work: impl FnOnce() -> PyResult<T> + Send,
) -> PyResult<T> {
    let caught = py.detach(|| catch_unwind(AssertUnwindSafe(work)));
    caught.unwrap_or_else(|_| {
        let place = LAST.take();
        let text = format!("an internal error of phonematch at {place}; please report it");
        Err(PyRuntimeError::new_err(text))
    })
}
