//! What text does a Parquet value stand for?
//!
//! Text and bytes are given as they are, whole numbers in decimal, truth values as `true` and
//! `false`, dates and times as ISO 8601, a null as an empty cell. A phone number or an id in a
//! column with a fraction is refused.

use std::io::Write;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryViewArray, FixedSizeBinaryArray, Int64Array, StringArray,
    StringViewArray, UInt64Array,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type, UInt64Type};

use super::Field;
use super::batch::Column;
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

/// The values of a column.
pub(super) enum Cells {
    Text(StringViewArray),
    Bytes(BinaryViewArray),
    /// Hashes stored as bytes; given in hex as every other format holds them.
    Hashes(FixedSizeBinaryArray),
    FixedBytes(FixedSizeBinaryArray),
    Signed(Int64Array),
    Unsigned(UInt64Array),
    Formatted(StringArray),
    Nulls,
}

impl Cells {
    pub(super) fn of(field: Field, array: &ArrayRef) -> Option<Self> {
        use DataType as T;
        let as_type = |kind: &DataType| cast(array, kind).ok();
        Some(match array.data_type() {
            T::Null => Self::Nulls,
            T::Utf8View => Self::Text(array.as_string_view_opt()?.clone()),
            T::BinaryView => Self::Bytes(array.as_binary_view_opt()?.clone()),
            T::FixedSizeBinary(width) => {
                let values = array.as_fixed_size_binary_opt()?.clone();
                let hashes = field == Field::PhoneSha256 && *width == HASH_BYTES;
                if hashes { Self::Hashes(values) } else { Self::FixedBytes(values) }
            }
            T::Int8 | T::Int16 | T::Int32 | T::Int64 => {
                Self::Signed(as_type(&T::Int64)?.as_primitive_opt::<Int64Type>()?.clone())
            }
            T::UInt8 | T::UInt16 | T::UInt32 | T::UInt64 => {
                Self::Unsigned(as_type(&T::UInt64)?.as_primitive_opt::<UInt64Type>()?.clone())
            }
            _ => Self::Formatted(as_type(&T::Utf8)?.as_string_opt::<i32>()?.clone()),
        })
    }

    /// Pushes a row's cell; false when it is longer than the limit.
    pub(super) fn push(&self, row: usize, column: &mut Column, limit_bytes: usize) -> bool {
        let null = match self {
            Self::Text(values) => values.is_null(row),
            Self::Bytes(values) => values.is_null(row),
            Self::Hashes(values) | Self::FixedBytes(values) => values.is_null(row),
            Self::Signed(values) => values.is_null(row),
            Self::Unsigned(values) => values.is_null(row),
            Self::Formatted(values) => values.is_null(row),
            Self::Nulls => true,
        };
        let mut number = [0; 20];
        let hash;
        let cell = match self {
            _ if null => b"",
            Self::Text(values) => values.value(row).as_bytes(),
            Self::Bytes(values) => values.value(row),
            Self::FixedBytes(values) => values.value(row),
            Self::Formatted(values) => values.value(row).as_bytes(),
            Self::Hashes(values) => {
                hash = hex::encode(values.value(row));
                hash.as_bytes()
            }
            Self::Signed(values) => decimal(&mut number, format_args!("{}", values.value(row))),
            Self::Unsigned(values) => decimal(&mut number, format_args!("{}", values.value(row))),
            Self::Nulls => b"",
        };
        let fits = cell.len() <= limit_bytes;
        column.push(if fits { cell } else { b"" });
        fits
    }
}

/// Any 64-bit number fits: the longest has a sign and 19 digits, or 20 digits.
fn decimal<'a>(buffer: &'a mut [u8; 20], number: std::fmt::Arguments<'_>) -> &'a [u8] {
    let mut rest = &mut buffer[..];
    let written = rest.write_fmt(number);
    debug_assert!(written.is_ok());
    let unused = rest.len();
    &buffer[..20 - unused]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_numbers_fit() {
        let mut buffer = [0; 20];
        assert_eq!(decimal(&mut buffer, format_args!("{}", i64::MIN)), b"-9223372036854775808");
        assert_eq!(decimal(&mut buffer, format_args!("{}", u64::MAX)), b"18446744073709551615");
    }
}
