//! Many cells at once: Arrow string arrays and byte slices, with a count of who decided.

use arrow::array::StringArrayType;

use super::{Checks, Hint, Path, Reading, RejectReason, read_by};

/// What a batch holds when it is read: one answer to each cell, in order.
pub type Readings = Vec<Result<Reading, RejectReason>>;

/// How many cells were read, and how many of them by the slow path.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Tally {
    /// Cells, nulls included.
    pub cells: u64,
    /// Cells that the tables could not decide.
    pub slow: u64,
}

impl Tally {
    /// Adds another batch's.
    pub fn add(&mut self, other: Self) {
        self.cells += other.cells;
        self.slow += other.slow;
    }
}

/// One cell, and how to read it.
#[derive(Clone, Copy)]
pub struct Cell<'a> {
    /// The bytes; `None` for a null, which is rejected as empty.
    pub text: Option<&'a [u8]>,
    /// What the row's or the file's country says.
    pub hint: Hint,
}

/// Reads cells that have a hint each, appending to `readings`.
pub fn read_cells<'a>(
    cells: impl IntoIterator<Item = Cell<'a>>,
    checks: Checks,
    readings: &mut Readings,
) -> Tally {
    let mut tally = Tally::default();
    let cells = cells.into_iter();
    readings.reserve(cells.size_hint().0);
    for cell in cells {
        tally.cells += 1;
        readings.push(match cell.text {
            Some(text) => {
                let outcome = read_by(text, cell.hint, checks);
                tally.slow += u64::from(outcome.path == Path::Slow);
                outcome.result
            }
            None => Err(RejectReason::Empty),
        });
    }
    tally
}

/// Reads an Arrow array of strings (`StringArray`, `LargeStringArray`, `StringViewArray`) under
/// one hint, appending to `readings`.
pub fn read_array<'a>(
    array: impl StringArrayType<'a>,
    hint: Hint,
    checks: Checks,
    readings: &mut Readings,
) -> Tally {
    let cells = array.iter().map(|text| Cell { text: text.map(str::as_bytes), hint });
    read_cells(cells, checks, readings)
}

#[cfg(test)]
mod tests {
    use arrow::array::{LargeStringArray, StringArray, StringViewArray};

    use super::*;

    // libphonenumber's own example for the United Kingdom, and one of the numbers that North
    // America sets aside for fiction.
    const CELLS: [Option<&str>; 4] =
        [Some("+447400123456"), None, Some("+1 202-555-0123 ext. 4"), Some("n/a")];

    fn check(tally: Tally, readings: &Readings) {
        assert_eq!(tally, Tally { cells: 4, slow: 1 });
        let digits: Vec<_> = readings.iter().map(|r| r.map(|r| r.number.expose_digits())).collect();
        let expected = [
            Ok(447_400_123_456),
            Err(RejectReason::Empty),
            Ok(12_025_550_123),
            Err(RejectReason::Empty),
        ];
        assert!(digits == expected);
    }

    #[test]
    fn all_kinds_of_string_arrays_are_read_alike() {
        let read = |readings: &mut Readings, which: u8| match which {
            0 => {
                let array = StringArray::from_iter(CELLS);
                read_array(&array, Hint::None, Checks::Damage, readings)
            }
            1 => {
                let array = LargeStringArray::from_iter(CELLS);
                read_array(&array, Hint::None, Checks::Damage, readings)
            }
            _ => {
                let array = StringViewArray::from_iter(CELLS);
                read_array(&array, Hint::None, Checks::Damage, readings)
            }
        };
        for which in 0..3 {
            let mut readings = Readings::new();
            let tally = read(&mut readings, which);
            check(tally, &readings);
        }
    }
}
