//! Tables on their way in: rows of another engine as a batch of the library's.

use arrow::array::{
    Array, ArrayData, ArrayRef, AsArray, BooleanArray, Int64Array, RecordBatch, StringArray,
    StructArray, make_array,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};
use arrow_pyarrow::FromPyArrow;
use phonematch::input::{self, Batch, Field, Location, Place, Role};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;

use crate::rules::InputError;

/// The column that marks rows which are not the table's.
const MALFORMED: &str = "malformed";

/// A table that Python gave.
pub(crate) struct Table(StructArray);

impl Table {
    /// The table behind an object that has Arrow's PyCapsule interface.
    ///
    /// # Errors
    ///
    /// `TypeError` when it is none.
    pub(crate) fn of(object: &Bound<'_, PyAny>) -> PyResult<Self> {
        if !object.hasattr("__arrow_c_array__")? {
            return Err(PyTypeError::new_err("rows must be an Arrow record batch"));
        }
        let mut data = ArrayData::from_pyarrow_bound(object)?;
        data.align_buffers();
        let array = make_array(data);
        let table = array.as_struct_opt().cloned();
        table.map(Self).ok_or_else(|| PyTypeError::new_err("rows must be an Arrow record batch"))
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The table as record batches have it.
    pub(crate) fn into_rows(self) -> RecordBatch {
        RecordBatch::from(self.0)
    }

    /// The table's columns that are fields, as a batch. Others are left alone.
    ///
    /// # Errors
    ///
    /// `InputError` when a column is of a type that loses digits.
    pub(crate) fn batch(&self, at: &Place) -> PyResult<Batch> {
        let names = self.0.column_names();
        let fields = names.iter().zip(self.0.columns()).filter_map(|(name, column)| {
            let field = Field::ALL.into_iter().find(|field| field.name() == *name)?;
            Some((field, column.clone()))
        });
        let fields: Vec<_> = fields.collect();
        let batch = input::batch_of(at, (&fields, self.len()), self.malformed()?);
        batch.map_err(|error| InputError::new_err(error.to_string()))
    }

    fn malformed(&self) -> PyResult<Vec<usize>> {
        let Some(column) = self.0.column_by_name(MALFORMED) else { return Ok(Vec::new()) };
        let marks: &BooleanArray =
            column.as_boolean_opt().ok_or_else(|| unfit(MALFORMED, "true or false"))?;
        let is_marked = |row: &usize| marks.is_valid(*row) && marks.value(*row);
        Ok((0..marks.len()).filter(is_marked).collect())
    }

    fn column(&self, name: &'static str) -> PyResult<&ArrayRef> {
        let none = || PyValueError::new_err(format!("the rows have no column {name}"));
        self.0.column_by_name(name).ok_or_else(none)
    }

    /// A column of text, of whatever kind.
    ///
    /// # Errors
    ///
    /// When it is missing or no text.
    pub(crate) fn texts(&self, name: &'static str) -> PyResult<StringArray> {
        let texts = cast(self.column(name)?, &DataType::Utf8);
        let texts = texts.ok().and_then(|texts| texts.as_string_opt::<i32>().cloned());
        texts.ok_or_else(|| unfit(name, "text"))
    }

    /// A column of whole numbers, of whatever width.
    ///
    /// # Errors
    ///
    /// When it is missing or holds something else.
    pub(crate) fn numbers(&self, name: &'static str) -> PyResult<Int64Array> {
        let numbers = cast(self.column(name)?, &DataType::Int64);
        let numbers = numbers.ok().and_then(|it| it.as_primitive_opt::<Int64Type>().cloned());
        numbers.ok_or_else(|| unfit(name, "whole numbers"))
    }

    /// A column of match keys; null where there is none.
    ///
    /// # Errors
    ///
    /// When it is missing or holds something else.
    pub(crate) fn keys(&self, name: &'static str) -> PyResult<Vec<Option<[u8; 16]>>> {
        let bytes = cast(self.column(name)?, &DataType::Binary);
        let bytes = bytes.map_err(|_| unfit(name, "match keys"))?;
        let bytes = bytes.as_binary_opt::<i32>().ok_or_else(|| unfit(name, "match keys"))?;
        let key = |cell: Option<&[u8]>| cell.map(<[u8; 16]>::try_from).transpose();
        bytes.iter().map(key).collect::<Result<_, _>>().map_err(|_| unfit(name, "match keys"))
    }

    /// A column with several whole numbers a row.
    ///
    /// # Errors
    ///
    /// When it is missing or holds something else.
    pub(crate) fn lists(&self, name: &'static str) -> PyResult<Vec<Vec<i64>>> {
        let unfit = || unfit(name, "lists of whole numbers");
        let lists = self.column(name)?;
        let lists = lists.as_list_opt::<i32>().ok_or_else(unfit)?;
        let list = |row: Option<ArrayRef>| {
            let row = row.ok_or_else(unfit)?;
            let numbers = cast(&row, &DataType::Int64).map_err(|_| unfit())?;
            Ok(numbers.as_primitive_opt::<Int64Type>().ok_or_else(unfit)?.values().to_vec())
        };
        lists.iter().map(list).collect()
    }
}

fn unfit(name: &str, holds: &str) -> PyErr {
    PyTypeError::new_err(format!("the column {name} must hold {holds}"))
}

/// Where rows are from, for errors: a role and a name that the caller gave.
///
/// # Errors
///
/// When there is no such role.
pub(crate) fn place(role: &str, name: &str) -> PyResult<Place> {
    let roles = [Role::Accounts, Role::List, Role::OptOuts];
    let found = roles.into_iter().find(|known| known.name() == role);
    let none = || PyValueError::new_err("a role is accounts, list or opt_outs");
    Ok(Place { role: found.ok_or_else(none)?, location: Location::Path(name.into()) })
}
