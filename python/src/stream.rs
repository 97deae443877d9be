//! The arrays of a C stream, of any type.
//!
//! Follows the Arrow C stream interface and the PyCapsule interface. arrow's own reader takes
//! streams of record batches only, and a stream of Polars' or pyarrow's is one of plain arrays.

#![allow(unsafe_code, reason = "a C stream is three C functions and a pointer")]

use arrow::array::{ArrayRef, make_array};
use arrow::datatypes::DataType;
use arrow::error::ArrowError;
use arrow::ffi::{FFI_ArrowArray, FFI_ArrowSchema, from_ffi_and_data_type};
use arrow::ffi_stream::FFI_ArrowArrayStream;
use pyo3::prelude::*;
use pyo3::types::PyCapsule;

/// A stream that was taken out of its capsule.
pub(crate) struct ArrayStream {
    stream: FFI_ArrowArrayStream,
    kind: DataType,
}

impl ArrayStream {
    /// Takes the stream out of a capsule, which is empty then.
    ///
    /// # Errors
    ///
    /// When the capsule is of another kind; the inner error when the producer has no schema.
    pub(crate) fn take(capsule: &Bound<'_, PyCapsule>) -> PyResult<Result<Self, ArrowError>> {
        let pointer = capsule.pointer_checked(Some(c"arrow_array_stream"))?;
        let pointer = pointer.cast::<FFI_ArrowArrayStream>().as_ptr();
        // SAFETY: the capsule's name, which was checked, promises that it points to a stream, and
        // it lives as long as the capsule does. What stays there is marked as released, so that
        // the capsule's destructor does nothing.
        let stream = unsafe { FFI_ArrowArrayStream::from_raw(pointer) };
        Ok(Self::of(stream))
    }

    fn of(mut stream: FFI_ArrowArrayStream) -> Result<Self, ArrowError> {
        let mut schema = FFI_ArrowSchema::empty();
        let get_schema = stream.get_schema().ok_or_else(released)?;
        // SAFETY: the callback is called with the stream it was read from, which is not released.
        check(unsafe { get_schema(&raw mut stream, &raw mut schema) })?;
        let kind = DataType::try_from(&schema)?;
        Ok(Self { stream, kind })
    }

    /// The next array; none at the end.
    pub(crate) fn next(&mut self) -> Result<Option<ArrayRef>, ArrowError> {
        let mut array = FFI_ArrowArray::empty();
        let get_next = self.stream.get_next().ok_or_else(released)?;
        // SAFETY: the callback is called with the stream it was read from, which is not released.
        check(unsafe { get_next(&raw mut self.stream, &raw mut array) })?;
        if array.is_released() {
            return Ok(None);
        }
        // SAFETY: the producer promises that the array is of the type of the stream's schema.
        let mut data = unsafe { from_ffi_and_data_type(array, self.kind.clone()) }?;
        data.align_buffers();
        Ok(Some(make_array(data)))
    }
}

fn released() -> ArrowError {
    ArrowError::CDataInterface("the stream was read already".to_owned())
}

/// What the producer says of a failure may quote a cell, so it is not asked.
fn check(code: i32) -> Result<(), ArrowError> {
    let failed = || ArrowError::CDataInterface(format!("its producer failed with code {code}"));
    if code == 0 { Ok(()) } else { Err(failed()) }
}
