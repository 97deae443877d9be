//! Parts of a run's tables, written in the run folder's format, and the seal of its accounts.

use std::path::PathBuf;
use std::sync::Mutex;

use arrow::array::RecordBatch;
use phonematch::output::PartWriter as Writer;
use phonematch::report;
use pyo3::exceptions::{PyOSError, PyValueError};
use pyo3::prelude::*;

use crate::guard::unlocked;
use crate::keyer::Keyer;
use crate::tables::Table;

/// Writes one file of a run's table: the columns, encodings and metadata that `phonematch match`
/// gives it.
///
/// Args:
///     path: where nothing is yet; the file is its owner's alone.
///     table: `matches.parquet` or `rejects.parquet`.
///     purpose: what the run is for.
///
/// Raises:
///     OSError: the file cannot be created.
///     ValueError: there is no such table.
#[pyclass(frozen, module = "phonematch")]
pub(crate) struct PartWriter(Mutex<Option<Writer>>);

#[pymethods]
impl PartWriter {
    #[new]
    fn new(path: PathBuf, table: &str, purpose: &str) -> PyResult<Self> {
        let writer = Writer::create(&path, table, purpose);
        let writer = writer.map_err(|error| PyOSError::new_err(error.to_string()))?;
        let writer = writer.ok_or_else(|| PyValueError::new_err("there is no such table"))?;
        Ok(Self(Mutex::new(Some(writer))))
    }

    /// Writes the rows of a record batch, in their order.
    ///
    /// Raises:
    ///     OSError: the file cannot be written, or a column is missing or of another type.
    fn write(&self, py: Python<'_>, rows: &Bound<'_, PyAny>) -> PyResult<()> {
        let rows: RecordBatch = Table::of(rows)?.into_rows();
        unlocked(py, || {
            let mut writer = self.0.lock().map_err(|_| ended())?;
            let writer = writer.as_mut().ok_or_else(ended)?;
            writer.write(&rows).map_err(|error| PyOSError::new_err(error.to_string()))
        })
    }

    /// Ends the file.
    ///
    /// Returns:
    ///     Its size in bytes, and the BLAKE3 of it in hex.
    ///
    /// Raises:
    ///     OSError: it cannot be written.
    fn finish(&self, py: Python<'_>) -> PyResult<(u64, String)> {
        unlocked(py, || {
            let writer = self.0.lock().map_err(|_| ended())?.take().ok_or_else(ended)?;
            let file = writer.finish().map_err(|error| PyOSError::new_err(error.to_string()))?;
            Ok((file.bytes, file.blake3))
        })
    }
}

fn ended() -> PyErr {
    PyValueError::new_err("the part has ended")
}

/// A JSON text with the seal of a secret where 64 zeros stand: a keyed digest of the rest.
///
/// Args:
///     keyer: of the secret.
///     text: as the run would write it, its field `seal` holding zeros.
#[pyfunction]
pub(crate) fn seal(keyer: &Keyer, text: &str) -> String {
    report::sealed(text, &report::seal(text, &keyer.secret))
}
