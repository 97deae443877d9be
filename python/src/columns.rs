//! What is given back: columns that whoever speaks Arrow takes without a copy.

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, RecordBatchIterator, StructArray};
use arrow::array::{RecordBatchReader, new_empty_array};
use arrow::compute::concat;
use arrow::error::ArrowError;
use arrow::ffi::{FFI_ArrowArray, FFI_ArrowSchema, to_ffi};
use arrow::ffi_stream::FFI_ArrowArrayStream;
use phonematch::normalise::columns_type;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyCapsule;

/// The two capsules of an array.
type ArrayCapsules<'py> = (Bound<'py, PyCapsule>, Bound<'py, PyCapsule>);

/// A column of keys, tokens or texts.
///
/// Give it to `pyarrow.array`, `polars.Series` or whatever else takes Arrow's PyCapsule interface.
/// It prints how long it is and nothing of what is in it.
#[pyclass(frozen, module = "phonematch")]
pub(crate) struct Column(pub(crate) ArrayRef);

#[pymethods]
impl Column {
    fn __len__(&self) -> usize {
        self.0.len()
    }

    fn __repr__(&self) -> String {
        format!("Column({} rows, {})", self.0.len(), self.0.data_type())
    }

    /// The column as Arrow's C array; its type is always its own.
    #[pyo3(signature = (requested_schema=None))]
    fn __arrow_c_array__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyAny>>,
    ) -> PyResult<ArrayCapsules<'py>> {
        // Whoever asks for another type casts it: the interface lets a producer leave it at that.
        let _ = requested_schema;
        array_capsules(py, &self.0)
    }

    /// The column's type as Arrow's C schema.
    fn __arrow_c_schema__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyCapsule>> {
        let schema = FFI_ArrowSchema::try_from(self.0.data_type()).map_err(failed)?;
        PyCapsule::new_with_value(py, schema, c"arrow_schema")
    }
}

/// What a column of phones reads as: a struct `e164, region, type, reason` a row, all of them text.
///
/// A row that was read has the first three and no `reason`; a row that was not has only that.
/// `region` is the territory of the number's plan (ISO 3166-1 alpha-2, or `001`), `type` is
/// libphonenumber's name. As a stream (`polars.DataFrame`, `pyarrow.table`, DuckDB) it is a table
/// of four columns in as many parts as were read; as an array it is one struct array.
/// It prints how long it is and nothing of what is in it.
#[pyclass(frozen, module = "phonematch")]
pub(crate) struct Normalised(pub(crate) Vec<StructArray>);

#[pymethods]
impl Normalised {
    fn __len__(&self) -> usize {
        self.0.iter().map(Array::len).sum()
    }

    fn __repr__(&self) -> String {
        format!("Normalised({} rows)", self.__len__())
    }

    /// The numbers in E.164 form; null where none was read.
    #[getter]
    fn e164(&self) -> PyResult<Column> {
        self.column(0)
    }

    /// The territories of the numbers' plans.
    #[getter]
    fn region(&self) -> PyResult<Column> {
        self.column(1)
    }

    /// What the numbers are for: `MOBILE`, `FIXED_LINE`, …
    #[getter]
    fn r#type(&self) -> PyResult<Column> {
        self.column(2)
    }

    /// Why rows were not read: `empty`, `too_short`, `float_suffix`, …
    #[getter]
    fn reason(&self) -> PyResult<Column> {
        self.column(3)
    }

    /// The rows as one struct array.
    #[pyo3(signature = (requested_schema=None))]
    fn __arrow_c_array__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyAny>>,
    ) -> PyResult<ArrayCapsules<'py>> {
        let _ = requested_schema;
        let parts: Vec<&dyn Array> = self.0.iter().map(|part| part as &dyn Array).collect();
        array_capsules(py, &one(&parts, || new_empty_array(&columns_type()))?)
    }

    /// The rows as a stream of tables.
    #[pyo3(signature = (requested_schema=None))]
    fn __arrow_c_stream__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        let _ = requested_schema;
        let empty = RecordBatch::from(new_empty_array(&columns_type()).as_struct());
        let parts: Vec<_> = self.0.iter().map(|part| Ok(RecordBatch::from(part))).collect();
        let reader = RecordBatchIterator::new(parts, empty.schema());
        let reader: Box<dyn RecordBatchReader + Send> = Box::new(reader);
        PyCapsule::new_with_value(py, FFI_ArrowArrayStream::new(reader), c"arrow_array_stream")
    }

    /// The table's schema.
    fn __arrow_c_schema__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyCapsule>> {
        let schema = FFI_ArrowSchema::try_from(&columns_type()).map_err(failed)?;
        PyCapsule::new_with_value(py, schema, c"arrow_schema")
    }
}

impl Normalised {
    fn column(&self, place: usize) -> PyResult<Column> {
        let parts: Vec<&dyn Array> =
            self.0.iter().map(|part| part.column(place).as_ref()).collect();
        let empty = || new_empty_array(&arrow::datatypes::DataType::Utf8);
        one(&parts, empty).map(Column)
    }
}

/// The parts as one array; what is one already is not copied.
pub(crate) fn one(parts: &[&dyn Array], empty: impl FnOnce() -> ArrayRef) -> PyResult<ArrayRef> {
    match parts {
        [] => Ok(empty()),
        [only] => Ok(only.slice(0, only.len())),
        several => concat(several).map_err(failed),
    }
}

fn array_capsules<'py>(py: Python<'py>, array: &ArrayRef) -> PyResult<ArrayCapsules<'py>> {
    let (array, schema): (FFI_ArrowArray, FFI_ArrowSchema) =
        to_ffi(&array.to_data()).map_err(failed)?;
    Ok((
        PyCapsule::new_with_value(py, schema, c"arrow_schema")?,
        PyCapsule::new_with_value(py, array, c"arrow_array")?,
    ))
}

fn failed(error: ArrowError) -> PyErr {
    PyValueError::new_err(format!("the column cannot be given out: {error}"))
}
