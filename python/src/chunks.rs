//! Which texts does a Python object hold?
//!
//! Whatever speaks the Arrow PyCapsule interface is taken, a stream before an array, a part after
//! the other. A table counts as its only column. Parts are cut to a length at which Python can
//! still be interrupted.

use std::collections::VecDeque;

use arrow::array::{Array, ArrayData, ArrayRef, AsArray, BooleanArray, make_array};
use arrow::compute::{concat, is_null, nullif};
use arrow::datatypes::DataType;
use arrow::error::ArrowError;
use arrow_pyarrow::FromPyArrow;
use phonematch::normalise::Texts;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyCapsule;

use crate::stream::ArrayStream;

/// Most rows of a part: a tenth of a second of the slowest mix.
const MOST_ROWS: usize = 1 << 20;

/// A column of texts, a part after the other.
pub(crate) struct Chunks {
    source: Source,
    /// The rest of an array that was longer than a part.
    rest: Option<ArrayRef>,
    /// Which column of a table with several is meant.
    named: Option<&'static str>,
    /// The argument, for errors.
    role: &'static str,
}

enum Source {
    Array(Option<ArrayRef>),
    Stream(ArrayStream),
}

impl Chunks {
    /// The column behind the argument `role`. Of a table with several columns it is the one
    /// `named`, if any.
    ///
    /// # Errors
    ///
    /// `TypeError` when the object is neither an Arrow stream nor an Arrow array.
    pub(crate) fn of(
        object: &Bound<'_, PyAny>,
        role: &'static str,
        named: Option<&'static str>,
    ) -> PyResult<Self> {
        let source = if let Some(method) = object.getattr_opt("__arrow_c_stream__")? {
            let capsule = method.call0()?;
            let stream = ArrayStream::take(capsule.cast::<PyCapsule>()?)?;
            Source::Stream(stream.map_err(|error| failed(role, &error))?)
        } else if object.hasattr("__arrow_c_array__")? {
            let mut data = ArrayData::from_pyarrow_bound(object)?;
            data.align_buffers();
            Source::Array(Some(make_array(data)))
        } else {
            let kind = object.get_type().fully_qualified_name()?;
            return Err(PyTypeError::new_err(format!(
                "{role} must be an Arrow array or stream (of pyarrow, Polars, DuckDB, …), not {kind}"
            )));
        };
        Ok(Self { source, rest: None, named, role })
    }

    /// The next part; none at the end.
    ///
    /// # Errors
    ///
    /// `TypeError` when it holds no text, `ValueError` when its producer fails.
    pub(crate) fn next(&mut self) -> PyResult<Option<Texts>> {
        let Some(array) = self.next_array()? else { return Ok(None) };
        let texts = Texts::of(&array).map_err(|error| {
            PyTypeError::new_err(format!("{} cannot be read: {error}", self.role))
        })?;
        Ok(Some(texts))
    }

    fn next_array(&mut self) -> PyResult<Option<ArrayRef>> {
        let array = match self.rest.take() {
            Some(rest) => rest,
            None => match self.receive()? {
                Some(array) => self.column_of(array)?,
                None => return Ok(None),
            },
        };
        if array.len() <= MOST_ROWS {
            return Ok(Some(array));
        }
        self.rest = Some(array.slice(MOST_ROWS, array.len() - MOST_ROWS));
        Ok(Some(array.slice(0, MOST_ROWS)))
    }

    fn receive(&mut self) -> PyResult<Option<ArrayRef>> {
        match &mut self.source {
            Source::Array(array) => Ok(array.take()),
            Source::Stream(stream) => stream.next().map_err(|error| failed(self.role, &error)),
        }
    }

    fn column_of(&self, array: ArrayRef) -> PyResult<ArrayRef> {
        let DataType::Struct(fields) = array.data_type() else { return Ok(array) };
        let table = array.as_struct();
        let named = || self.named.and_then(|name| table.column_by_name(name));
        let column = if fields.len() == 1 { Some(table.column(0)) } else { named() };
        let column = column.ok_or_else(|| {
            let count = fields.len();
            PyTypeError::new_err(format!("{} has {count} columns; select one", self.role))
        })?;
        // A row that is null as a whole is null in its column.
        if table.null_count() == 0 {
            return Ok(column.clone());
        }
        let gone: BooleanArray = is_null(&array).map_err(|error| failed(self.role, &error))?;
        nullif(column, &gone).map_err(|error| failed(self.role, &error))
    }
}

fn failed(role: &str, error: &ArrowError) -> PyErr {
    PyValueError::new_err(format!("{role} cannot be read: {error}"))
}

/// A second column, given out in parts as long as the first one's.
pub(crate) struct Alongside {
    chunks: Chunks,
    waiting: VecDeque<ArrayRef>,
}

impl Alongside {
    pub(crate) fn new(chunks: Chunks) -> Self {
        Self { chunks, waiting: VecDeque::new() }
    }

    /// The next `rows` rows.
    ///
    /// # Errors
    ///
    /// `ValueError` when fewer are left.
    pub(crate) fn take(&mut self, rows: usize) -> PyResult<Texts> {
        let role = self.chunks.role;
        let mut parts: Vec<ArrayRef> = Vec::new();
        let mut missing = rows;
        while missing > 0 {
            let next = match self.waiting.pop_front() {
                Some(array) => Some(array),
                None => self.chunks.next_array()?,
            };
            let Some(array) = next else {
                return Err(PyValueError::new_err(format!("{role} has fewer rows than phones")));
            };
            if array.len() > missing {
                self.waiting.push_front(array.slice(missing, array.len() - missing));
            }
            let part = array.slice(0, missing.min(array.len()));
            missing -= part.len();
            parts.push(part);
        }
        let whole = match parts.as_slice() {
            [] => arrow::array::new_null_array(&DataType::Utf8, 0),
            [one] => one.clone(),
            several => {
                let several: Vec<&dyn Array> = several.iter().map(AsRef::as_ref).collect();
                concat(&several).map_err(|error| failed(role, &error))?
            }
        };
        Texts::of(&whole)
            .map_err(|error| PyTypeError::new_err(format!("{role} cannot be read: {error}")))
    }

    /// Checks that nothing is left.
    ///
    /// # Errors
    ///
    /// `ValueError` when rows are.
    pub(crate) fn finish(mut self) -> PyResult<()> {
        let role = self.chunks.role;
        while let Some(array) = self
            .waiting
            .pop_front()
            .map_or_else(|| self.chunks.next_array(), |array| Ok(Some(array)))?
        {
            if !array.is_empty() {
                return Err(PyValueError::new_err(format!("{role} has more rows than phones")));
            }
        }
        Ok(())
    }
}
