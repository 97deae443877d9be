//! How does Python call the reader and the keys?
//!
//! This crate converts and calls the library, and decides nothing. Columns come in and go out by
//! the Arrow PyCapsule interface (pyarrow, Polars, DuckDB, pandas: whoever speaks it), without a
//! copy on the way in. While rows are read Python's lock is free, and no thread is started: who
//! wants several cores gives each of them a column, as Spark does.
//!
//! `stream` is the one file with unsafe code: it calls the three functions of a C stream.

mod chunks;
mod columns;
mod guard;
mod keyer;
mod parts;
mod reader;
mod rows;
mod rules;
mod stream;
mod tables;

/// What is compiled of the `phonematch` module.
#[pyo3::pymodule]
mod _native {
    use phonematch::normalise::METADATA_VERSION;
    use pyo3::prelude::*;

    #[pymodule_export]
    use super::columns::{Column, Normalised};
    #[pymodule_export]
    use super::keyer::{Keyer, SecretError};
    #[pymodule_export]
    use super::reader::{Reading, normalise, read};

    #[pymodule_export]
    use super::parts::{PartWriter, seal};
    #[pymodule_export]
    use super::rows::{account_rows, list_rows, opt_out_rows, tokens};
    #[pymodule_export]
    use super::rules::{InputError, PolicyError, Rules, broken_gates};

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        super::guard::keep_panics_quiet();
        module.add("__version__", env!("CARGO_PKG_VERSION"))?;
        module.add("METADATA_VERSION", METADATA_VERSION)
    }
}
