//! What text does a Parquet value stand for?
//!
//! Text and bytes are given as they are, whole numbers in decimal, truth values as `true` and
//! `false`, dates and times as ISO 8601, a null as an empty cell. A phone number or an id in a
//! column with a fraction is refused.

use std::io::Write;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type, UInt64Type};

use super::Field;
use super::batch::{Batch, Cells};
use super::error::{InputError, Place};

/// SHA-256 gives so many bytes.
const HASH_BYTES: i32 = 32;

/// Whether a column of this type can be read for the field.
pub(super) fn check_type(at: &Place, field: Field, kind: &DataType) -> Result<(), InputError> {
    use DataType as T;
    let at = at.clone();
    let exact = matches!(field, Field::Phone | Field::PhoneSha256 | Field::AccountId);
    let found = match kind {
        T::Float16 | T::Float32 | T::Float64 if exact => "of floating-point numbers",
        T::Decimal32(..) | T::Decimal64(..) | T::Decimal128(..) | T::Decimal256(..) if exact => {
            "of decimal numbers"
        }
        T::List(_) | T::LargeList(_) | T::FixedSizeList(..) | T::Struct(_) | T::Map(..) => {
            return Err(InputError::UnsupportedColumn { at, field, found: "nested" });
        }
        T::Interval(_) | T::Duration(_) => {
            return Err(InputError::UnsupportedColumn { at, field, found: "of time spans" });
        }
        _ => return Ok(()),
    };
    Err(InputError::FloatColumn { at, field, found })
}

/// A cell is longer than the limit, in this row of the array.
pub(super) struct TooLong {
    pub(super) row: usize,
}

/// Gives a decoded column to the batch: texts and bytes as they were unpacked, all else written
/// out. None when it is not of the type that it claims.
pub(super) fn fill(batch: &mut Batch, slot: usize, field: Field, array: &ArrayRef) -> Option<()> {
    use DataType as T;
    let cells = match array.data_type() {
        T::Utf8View => Cells::Texts(array.as_string_view_opt()?.clone()),
        T::BinaryView => Cells::Bytes(array.as_binary_view_opt()?.clone()),
        T::FixedSizeBinary(width) if field != Field::PhoneSha256 || *width != HASH_BYTES => {
            Cells::FixedBytes(array.as_fixed_size_binary_opt()?.clone())
        }
        _ => return write_out(batch, slot, array),
    };
    batch.fill(slot, cells);
    Some(())
}

/// Looks for a cell that is longer than the limit.
pub(super) fn check_lengths(array: &ArrayRef, limit_bytes: usize) -> Result<(), TooLong> {
    let long = |length: u32| length as usize > limit_bytes;
    let found = match array.data_type() {
        DataType::Utf8View => array.as_string_view().lengths().position(long),
        DataType::BinaryView => array.as_binary_view().lengths().position(long),
        DataType::FixedSizeBinary(width) => {
            let long = usize::try_from(*width).is_ok_and(|width| width > limit_bytes);
            (long && !array.is_empty()).then_some(0)
        }
        _ => None,
    };
    found.map_or(Ok(()), |row| Err(TooLong { row }))
}

/// Writes each value as the text that other formats hold for it.
fn write_out(batch: &mut Batch, slot: usize, array: &ArrayRef) -> Option<()> {
    use DataType as T;
    let mut push = |cell: &dyn Fn(usize, &mut Vec<u8>)| {
        let mut text = Vec::with_capacity(2 * HASH_BYTES as usize);
        for row in 0..array.len() {
            text.clear();
            if array.is_valid(row) {
                cell(row, &mut text);
            }
            batch.push_copy(slot, &text);
        }
    };
    match array.data_type() {
        T::Null => push(&|_, _| {}),
        // Hashes stored as bytes are given in hex, as every other format holds them.
        T::FixedSizeBinary(_) => {
            let values = array.as_fixed_size_binary_opt()?;
            push(&|row, text| text.extend(hex::encode(values.value(row)).bytes()));
        }
        T::Int8 | T::Int16 | T::Int32 | T::Int64 => {
            let values = cast(array, &T::Int64).ok()?;
            let values = values.as_primitive_opt::<Int64Type>()?;
            push(&|row, text| decimal(text, format_args!("{}", values.value(row))));
        }
        T::UInt8 | T::UInt16 | T::UInt32 | T::UInt64 => {
            let values = cast(array, &T::UInt64).ok()?;
            let values = values.as_primitive_opt::<UInt64Type>()?;
            push(&|row, text| decimal(text, format_args!("{}", values.value(row))));
        }
        _ => {
            let values = cast(array, &T::Utf8).ok()?;
            let values = values.as_string_opt::<i32>()?;
            push(&|row, text| text.extend(values.value(row).bytes()));
        }
    }
    Some(())
}

fn decimal(text: &mut Vec<u8>, number: std::fmt::Arguments<'_>) {
    let written = text.write_fmt(number);
    debug_assert!(written.is_ok(), "memory takes any number of bytes");
}
