//! Which bytes does a cell of an Arrow array hold?
//!
//! Engines have more than one array for text: 32 and 64 bit offsets, views, dictionaries, and the
//! same for bytes. Here all of them are cells of bytes. Whole numbers are read as the digits that
//! other formats would hold; a column with fractions is refused, because digits may be lost.

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BinaryViewArray, LargeBinaryArray, LargeStringArray,
    StringArray, StringViewArray,
};
use arrow::compute::cast;
use arrow::datatypes::DataType;

/// The cells of an Arrow array of text or bytes.
#[derive(Clone)]
pub enum Texts {
    /// Text with 32 bit offsets.
    Utf8(StringArray),
    /// Text with 64 bit offsets.
    LargeUtf8(LargeStringArray),
    /// Text by views.
    Utf8View(StringViewArray),
    /// Bytes with 32 bit offsets.
    Binary(BinaryArray),
    /// Bytes with 64 bit offsets.
    LargeBinary(LargeBinaryArray),
    /// Bytes by views.
    BinaryView(BinaryViewArray),
}

/// The array is of a type that holds neither text nor bytes nor whole numbers.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a column of type {found} holds no text")]
pub struct NotText {
    /// The array's type, as Arrow writes it.
    pub found: String,
}

/// Runs `$body` with `$cells`, an iterator over the cells as `Option<&[u8]>`: written once, and
/// compiled for each kind of array.
macro_rules! with_cells {
    ($texts:expr, $cells:ident => $body:expr) => {
        with_cells!(@kinds $texts, $cells => $body;
            Utf8 LargeUtf8 Utf8View Binary LargeBinary BinaryView)
    };
    (@kinds $texts:expr, $cells:ident => $body:expr; $($kind:ident)*) => {
        match $texts {
            $($crate::normalise::Texts::$kind(array) => {
                let $cells = array.iter().map(|cell| cell.map(AsRef::<[u8]>::as_ref));
                $body
            })*
        }
    };
}
pub(crate) use with_cells;

impl Texts {
    /// Takes an array as text: no copy of text or bytes; dictionaries and whole numbers are
    /// written out. A column of nothing but nulls (Arrow's `Null`) is one of null cells.
    ///
    /// # Errors
    ///
    /// [`NotText`] for fractions, nested types and everything else.
    pub fn of(array: &ArrayRef) -> Result<Self, NotText> {
        use DataType as T;
        let kind = array.data_type();
        let not_text = || NotText { found: kind.to_string() };
        let written = |kind: &T| cast(array, kind).map_err(|_| not_text());
        Ok(match kind {
            T::Utf8 => Self::Utf8(array.as_string().clone()),
            T::LargeUtf8 => Self::LargeUtf8(array.as_string().clone()),
            T::Utf8View => Self::Utf8View(array.as_string_view().clone()),
            T::Binary => Self::Binary(array.as_binary().clone()),
            T::LargeBinary => Self::LargeBinary(array.as_binary().clone()),
            T::BinaryView => Self::BinaryView(array.as_binary_view().clone()),
            T::FixedSizeBinary(_) => Self::Binary(written(&T::Binary)?.as_binary().clone()),
            T::Null => Self::Utf8(StringArray::new_null(array.len())),
            T::Dictionary(_, values) if !values.is_nested() => Self::of(&written(values)?)?,
            whole if whole.is_integer() => Self::Utf8(written(&T::Utf8)?.as_string().clone()),
            _ => return Err(not_text()),
        })
    }

    /// Rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.array().len()
    }

    /// True without a row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// True where the row's cell is null.
    #[must_use]
    pub fn is_null(&self, row: usize) -> bool {
        self.array().is_null(row)
    }

    fn array(&self) -> &dyn Array {
        match self {
            Self::Utf8(array) => array,
            Self::LargeUtf8(array) => array,
            Self::Utf8View(array) => array,
            Self::Binary(array) => array,
            Self::LargeBinary(array) => array,
            Self::BinaryView(array) => array,
        }
    }
}

impl std::fmt::Debug for Texts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Texts({} rows, redacted)", self.len())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Decimal128Array, Float64Array, Int64Array, NullArray};

    use super::*;

    fn cells(array: &ArrayRef) -> Vec<Option<Vec<u8>>> {
        let texts = Texts::of(array).unwrap();
        with_cells!(&texts, cells => cells.map(|cell| cell.map(<[u8]>::to_vec)).collect())
    }

    #[test]
    fn every_kind_of_text_has_the_same_cells() {
        use DataType as T;
        let text: ArrayRef = Arc::new(StringArray::from(vec![Some("+1"), None, Some("")]));
        let expected = vec![Some(b"+1".to_vec()), None, Some(Vec::new())];
        let dictionary = |key: T| T::Dictionary(Box::new(key), Box::new(T::Utf8));
        let kinds = [T::Utf8, T::LargeUtf8, T::Utf8View, T::Binary, T::LargeBinary, T::BinaryView];
        for kind in kinds.into_iter().chain([dictionary(T::Int8), dictionary(T::UInt32)]) {
            let array = cast(&text, &kind).unwrap();
            assert_eq!(array.data_type(), &kind);
            assert_eq!(cells(&array), expected, "{kind}");
            // A part of an array is an array with an offset.
            assert_eq!(cells(&array.slice(1, 2)), expected[1..], "{kind}");
        }
    }

    #[test]
    fn whole_numbers_are_their_digits_and_nulls_are_nulls() {
        let whole: ArrayRef = Arc::new(Int64Array::from(vec![Some(12_025_550_123), None]));
        assert_eq!(cells(&whole), [Some(b"12025550123".to_vec()), None]);
        let nulls: ArrayRef = Arc::new(NullArray::new(2));
        assert_eq!(cells(&nulls), [None, None]);
    }

    #[test]
    fn a_column_that_may_have_lost_digits_is_refused() {
        let float: ArrayRef = Arc::new(Float64Array::from(vec![12_025_550_123.0]));
        let decimal: ArrayRef = Arc::new(Decimal128Array::from(vec![12_025_550_123]));
        for (array, found) in [(float, "Float64"), (decimal, "Decimal128(38, 10)")] {
            assert_eq!(Texts::of(&array).unwrap_err(), NotText { found: found.to_owned() });
        }
    }
}
