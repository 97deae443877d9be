//! Columns that are in memory already, as another engine hands them over.
//!
//! Names and types are judged as those of a file are: the same synonyms, the same refusals.

use arrow::array::{Array, ArrayRef, AsArray, BinaryViewArray, StringViewArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;

use super::cells::{check_type, fill};
use super::header::resolve;
use super::{Batch, ColumnsFound, Field, InputError, Place, Want};

/// Finds the wanted columns among those of a table.
///
/// # Errors
///
/// When a column is missing, or two could be meant.
pub fn find_columns(
    at: &Place,
    wants: &[Want],
    names: &[String],
) -> Result<ColumnsFound, InputError> {
    resolve(at, wants, names)
}

/// A batch of these columns of so many rows. Text and bytes are not copied where they are
/// views; other types are written out as a file's are. `malformed` names rows, ascending, that are not
/// the table's.
///
/// # Errors
///
/// When a column is of a type that loses digits, or nested.
pub fn batch_of(
    at: &Place,
    (columns, rows): (&[(Field, ArrayRef)], usize),
    malformed: Vec<usize>,
) -> Result<Batch, InputError> {
    let fields: Vec<_> = columns.iter().map(|(field, _)| *field).collect();
    let mut batch = Batch::default();
    batch.begin(&fields, Vec::new());
    for (slot, (field, array)) in columns.iter().enumerate() {
        let unsupported = || InputError::UnsupportedColumn {
            at: at.clone(),
            field: *field,
            found: "of a type that cannot be read",
        };
        let array = unpacked(array).ok_or_else(unsupported)?;
        check_type(at, *field, array.data_type())?;
        fill(&mut batch, slot, *field, &array).ok_or_else(unsupported)?;
    }
    batch.end_columns(rows, malformed);
    Ok(batch)
}

/// Texts and bytes as views, dictionaries as what they stand for.
fn unpacked(array: &ArrayRef) -> Option<ArrayRef> {
    use DataType as T;
    Some(match array.data_type() {
        T::Utf8 => std::sync::Arc::new(StringViewArray::from(array.as_string_opt::<i32>()?)),
        T::Binary => std::sync::Arc::new(BinaryViewArray::from(array.as_binary_opt::<i32>()?)),
        T::LargeUtf8 => cast(array, &T::Utf8View).ok()?,
        T::LargeBinary => cast(array, &T::BinaryView).ok()?,
        T::Dictionary(_, values) => {
            let values = cast(array, values).ok()?;
            if matches!(values.data_type(), T::Dictionary(..)) {
                return None;
            }
            unpacked(&values)?
        }
        // An instant is written out in UTC, which needs no tables of time zones.
        T::Timestamp(unit, Some(_)) => {
            cast(array, &T::Timestamp(*unit, Some("+00:00".into()))).ok()?
        }
        _ => array.clone(),
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{BinaryArray, DictionaryArray, Float64Array, Int64Array, StringArray};
    use arrow::array::{Date32Array, TimestampMicrosecondArray};
    use arrow::datatypes::Int32Type;

    use super::*;
    use crate::input::{Location, Role};

    fn at() -> Place {
        Place { role: Role::List, location: Location::Path("a table".into()) }
    }

    #[test]
    fn every_kind_of_text_is_the_same_cells_and_a_fraction_is_refused() {
        let texts = vec![Some("+12025550123"), None, Some("")];
        let plain = Arc::new(StringArray::from(texts.clone())) as ArrayRef;
        let kinds: Vec<ArrayRef> = vec![
            plain.clone(),
            cast(&plain, &DataType::LargeUtf8).unwrap(),
            cast(&plain, &DataType::Utf8View).unwrap(),
            Arc::new(BinaryArray::from(vec![Some(b"+12025550123" as &[u8]), None, Some(b"")])),
            Arc::new(texts.into_iter().collect::<DictionaryArray<Int32Type>>()),
        ];
        for kind in kinds {
            let batch = batch_of(&at(), (&[(Field::Phone, kind)], 3), vec![2]).unwrap();
            let column = batch.column(Field::Phone).unwrap();
            let cells: Vec<_> = column.cells().collect();
            assert_eq!(cells, [b"+12025550123" as &[u8], b"", b""]);
            let mut each = Vec::new();
            column.each_cell(|cell| each.push(cell));
            assert_eq!(each, cells);
            assert!(batch.len() == 3 && batch.malformed() == [2]);
        }
        let whole = Arc::new(Int64Array::from(vec![12_025_550_123])) as ArrayRef;
        let batch = batch_of(&at(), (&[(Field::Phone, whole)], 1), vec![]).unwrap();
        assert_eq!(batch.cell(Field::Phone, 0), b"12025550123");
        let fraction = Arc::new(Float64Array::from(vec![1.0])) as ArrayRef;
        let refused = batch_of(&at(), (&[(Field::Phone, fraction)], 1), vec![]).unwrap_err();
        assert!(matches!(refused, InputError::FloatColumn { .. }));
        let none = batch_of(&at(), (&[], 2), vec![1]).unwrap();
        assert!(none.len() == 2 && none.malformed() == [1]);
    }
    #[test]
    fn an_instant_of_any_zone_and_a_day_are_read() {
        let micros = vec![Some(1_709_287_200_000_000), None];
        let zoned = |zone: &str| {
            let instants = TimestampMicrosecondArray::from(micros.clone());
            Arc::new(instants.with_timezone(zone)) as ArrayRef
        };
        let days = Arc::new(Date32Array::from(vec![Some(19_783), None])) as ArrayRef;
        let kinds = [zoned("UTC"), zoned("Europe/Berlin"), zoned("+02:00"), days];
        for kind in kinds {
            let batch = batch_of(&at(), (&[(Field::LastContactAt, kind)], 2), vec![]).unwrap();
            assert!(batch.cell(Field::LastContactAt, 0).starts_with(b"2024-03-01"));
            assert_eq!(batch.cell(Field::LastContactAt, 1), b"");
        }
    }
}
