//! How are cells handed on?
//!
//! A [`Batch`] holds the wanted cells of consecutive rows as raw bytes. It owns the text that they
//! stand in, so that splitting a row copies nothing: a column of text is where each of its cells
//! begins and ends. A row that is not the format's keeps its place: it is marked malformed, and
//! its cells are what could be split of it, or empty. What a cell holds is private, so no type
//! here prints any of it.

use std::fmt;
use std::ops::Range;

use arrow::array::{Array, BinaryViewArray, FixedSizeBinaryArray, StringViewArray};

use super::Field;
use super::delimited::Places;

/// Where a cell stands in its batch's text. `Limits::within_reach` keeps that far below 4 GiB.
#[derive(Clone, Copy, Default)]
pub(super) struct Span {
    start: u32,
    end: u32,
}

impl Span {
    pub(super) fn of(range: Range<usize>) -> Self {
        let reach = |at| u32::try_from(at).unwrap_or(u32::MAX);
        Self { start: reach(range.start), end: reach(range.end) }
    }

    #[inline]
    pub(super) const fn between(start: u32, end: u32) -> Self {
        Self { start, end }
    }

    fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// Where the cells of a column are.
#[derive(Clone)]
pub(super) enum Cells {
    /// In the batch's text.
    Spans(Vec<Span>),
    /// In Parquet's pages, as they were unpacked.
    Texts(StringViewArray),
    /// The same, for bytes.
    Bytes(BinaryViewArray),
    /// The same, for bytes of which each value has as many.
    FixedBytes(FixedSizeBinaryArray),
}

impl Cells {
    fn len(&self) -> usize {
        match self {
            Self::Spans(spans) => spans.len(),
            Self::Texts(values) => values.len(),
            Self::Bytes(values) => values.len(),
            Self::FixedBytes(values) => values.len(),
        }
    }
}

#[inline]
fn holds(values: &impl Array, row: usize) -> bool {
    row < values.len() && values.is_valid(row)
}

/// One column of a batch.
#[derive(Clone, Copy)]
pub struct Column<'a> {
    cells: &'a Cells,
    text: &'a [u8],
}

impl<'a> Column<'a> {
    /// The cell of a row, counted from 0 within the batch; empty when it is null or beyond the
    /// last row.
    #[must_use]
    #[inline]
    pub fn cell(self, row: usize) -> &'a [u8] {
        match self.cells {
            Cells::Spans(spans) => {
                let span = spans.get(row).copied().unwrap_or_default();
                self.text.get(span.range()).unwrap_or_default()
            }
            Cells::Texts(values) if holds(values, row) => values.value(row).as_bytes(),
            Cells::Bytes(values) if holds(values, row) => values.value(row),
            Cells::FixedBytes(values) if holds(values, row) => values.value(row),
            Cells::Texts(_) | Cells::Bytes(_) | Cells::FixedBytes(_) => &[],
        }
    }

    /// All cells in row order.
    pub fn cells(self) -> impl Iterator<Item = &'a [u8]> {
        (0..self.len()).map(move |row| self.cell(row))
    }

    /// The same for tight loops: what kind of column it is, is asked once where cells are text.
    #[inline]
    pub fn each_cell(self, visit: impl FnMut(&'a [u8])) {
        match self.cells {
            Cells::Spans(spans) => {
                let cell = |span: &Span| self.text.get(span.range()).unwrap_or_default();
                spans.iter().map(cell).for_each(visit);
            }
            Cells::Texts(values) => {
                values.iter().map(|value| value.unwrap_or_default().as_bytes()).for_each(visit);
            }
            Cells::Bytes(values) => values.iter().map(Option::unwrap_or_default).for_each(visit),
            Cells::FixedBytes(_) => self.cells().for_each(visit),
        }
    }

    /// The number of cells.
    #[must_use]
    pub fn len(self) -> usize {
        self.cells.len()
    }

    /// Whether there is no cell.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }
}

impl fmt::Debug for Column<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Column({} cells, redacted)", self.len())
    }
}

/// The wanted cells of consecutive rows.
#[derive(Clone, Default)]
pub struct Batch {
    rows: usize,
    /// Rows of this batch that are not the format's, ascending.
    malformed: Vec<usize>,
    text: Vec<u8>,
    columns: Vec<Cells>,
    slot_of: [Option<usize>; Field::ALL.len()],
    /// Room that the reader of delimited text works in.
    places: Places,
}

impl Batch {
    /// The number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows
    }

    /// How many bytes its text has, with what of it is in no wanted cell; none where cells are in
    /// Parquet's pages.
    pub(super) fn text_bytes(&self) -> usize {
        self.text.len()
    }

    /// Whether there is no row; no batch that is handed out is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Whether the input has a column for the field.
    #[must_use]
    pub fn has(&self, field: Field) -> bool {
        self.slot_of[field.index()].is_some()
    }

    /// The field's column, for tight loops.
    #[must_use]
    pub fn column(&self, field: Field) -> Option<Column<'_>> {
        let cells = &self.columns[self.slot_of[field.index()]?];
        Some(Column { cells, text: &self.text })
    }

    /// The field's cell in a row counted from 0 within the batch; empty when the column is absent or
    /// the cell null. Of a malformed row it is a guess: ask [`Batch::is_malformed`] first.
    #[must_use]
    #[inline]
    pub fn cell(&self, field: Field, row: usize) -> &[u8] {
        self.column(field).map_or(&[], |column| column.cell(row))
    }

    /// Whether the row is not the format's: its cells are then a guess.
    #[must_use]
    #[inline]
    pub fn is_malformed(&self, row: usize) -> bool {
        !self.malformed.is_empty() && self.malformed.binary_search(&row).is_ok()
    }

    /// The malformed rows, ascending, counted from 0 within the batch.
    #[must_use]
    pub fn malformed(&self) -> &[usize] {
        &self.malformed
    }
}

/// How the readers fill a batch. The columns' slots are in the order of the fields named to
/// [`Batch::begin`].
impl Batch {
    /// Empties the batch for columns of these fields; what it had room for is used again. Gives the
    /// text that it held.
    pub(super) fn begin(&mut self, fields: &[Field], text: Vec<u8>) -> Vec<u8> {
        self.rows = 0;
        self.malformed.clear();
        self.slot_of = Default::default();
        self.columns.resize_with(fields.len(), || Cells::Spans(vec![]));
        for (slot, &field) in fields.iter().enumerate() {
            self.slot_of[field.index()] = Some(slot);
            match &mut self.columns[slot] {
                Cells::Spans(spans) => spans.clear(),
                other => *other = Cells::Spans(vec![]),
            }
        }
        std::mem::replace(&mut self.text, text)
    }

    /// Adds a column, with empty cells for the rows that are already there.
    pub(super) fn add_column(&mut self, field: Field) {
        self.slot_of[field.index()] = Some(self.columns.len());
        self.columns.push(Cells::Spans(vec![Span::default(); self.rows]));
    }

    /// Gives a column whole, of a batch whose rows are told by [`Batch::end_rows`].
    pub(super) fn fill(&mut self, slot: usize, cells: Cells) {
        self.columns[slot] = cells;
    }

    /// Takes the spans out to be pushed to, column by column; [`Batch::put_spans`] ends the batch.
    pub(super) fn take_spans(&mut self) -> Vec<Vec<Span>> {
        let spans = |cells: &mut Cells| match cells {
            Cells::Spans(spans) => std::mem::take(spans),
            Cells::Texts(_) | Cells::Bytes(_) | Cells::FixedBytes(_) => vec![],
        };
        self.columns.iter_mut().map(spans).collect()
    }

    /// Puts back as many spans a column as there are rows, and tells which rows are malformed.
    pub(super) fn put_spans(
        &mut self,
        columns: Vec<Vec<Span>>,
        rows: usize,
        malformed: Vec<usize>,
    ) {
        self.columns = columns.into_iter().map(Cells::Spans).collect();
        self.malformed = malformed;
        self.end_rows(rows);
    }

    /// Ends the batch of columns that were filled whole.
    pub(super) fn end_rows(&mut self, rows: usize) {
        self.rows = rows;
        debug_assert!(self.columns.iter().all(|column| column.len() == rows));
    }

    /// The same, and tells which rows are malformed.
    pub(super) fn end_columns(&mut self, rows: usize, malformed: Vec<usize>) {
        self.malformed = malformed;
        self.end_rows(rows);
    }

    /// Pushes a cell that stands in the batch's text.
    #[inline]
    pub(super) fn push_span(&mut self, slot: usize, span: Span) {
        if let Cells::Spans(spans) = &mut self.columns[slot] {
            spans.push(span);
        }
    }

    /// Pushes a cell by copying it.
    pub(super) fn push_copy(&mut self, slot: usize, cell: &[u8]) {
        let start = self.text.len();
        self.text.extend_from_slice(cell);
        self.push_span(slot, Span::of(start..start + cell.len()));
    }

    /// Ends a row: one cell was pushed to each column.
    #[inline]
    pub(super) fn end_row(&mut self) {
        self.rows += 1;
        debug_assert!(self.columns.iter().all(|column| column.len() == self.rows));
    }

    /// Ends a row that is malformed and whose cells, as far as they could be split, were pushed.
    pub(super) fn end_malformed(&mut self) {
        self.malformed.push(self.rows);
        self.end_row();
    }

    /// Adds a malformed row of empty cells.
    pub(super) fn push_malformed(&mut self) {
        (0..self.columns.len()).for_each(|slot| self.push_span(slot, Span::default()));
        self.end_malformed();
    }

    /// The text in which spans are; taken out to be split, and put back.
    pub(super) fn text_mut(&mut self) -> &mut Vec<u8> {
        &mut self.text
    }

    pub(super) fn places_mut(&mut self) -> &mut Places {
        &mut self.places
    }
}

impl fmt::Debug for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch")
            .field("rows", &self.rows)
            .field("malformed", &self.malformed.len())
            .field("columns", &self.columns.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_that_comes_late_is_empty_for_the_rows_before() {
        let mut batch = Batch::default();
        batch.begin(&[Field::Phone], vec![]);
        batch.push_copy(0, b"+12025550123");
        batch.end_row();
        batch.add_column(Field::Country);
        batch.push_copy(0, b"+12025550124");
        batch.push_copy(1, b"US");
        batch.end_row();
        batch.push_malformed();
        assert_eq!(batch.cell(Field::Country, 0), b"");
        assert_eq!(batch.cell(Field::Country, 1), b"US");
        assert_eq!(batch.cell(Field::Phone, 1), b"+12025550124");
        assert_eq!(batch.cell(Field::Phone, 2), b"");
        assert!(batch.is_malformed(2) && !batch.is_malformed(1));
        assert_eq!(batch.cell(Field::Os, 0), b"");
        assert_eq!(batch.len(), 3);
    }

    #[test]
    fn a_batch_that_is_used_again_holds_nothing_of_before() {
        let mut batch = Batch::default();
        batch.begin(&[Field::Os, Field::Phone], vec![]);
        batch.push_malformed();
        batch.fill(0, Cells::Texts(StringViewArray::from(vec!["iOS"])));
        assert_eq!(batch.begin(&[Field::Phone], b"1".to_vec()), b"");
        assert!(batch.is_empty() && !batch.has(Field::Os) && !batch.is_malformed(0));
        batch.push_span(0, Span::of(0..1));
        batch.end_row();
        assert_eq!(batch.cell(Field::Phone, 0), b"1");
    }

    #[test]
    fn debug_prints_no_cell() {
        let mut batch = Batch::default();
        batch.begin(&[Field::Phone], vec![]);
        batch.push_copy(0, b"+12025550123");
        batch.end_row();
        let text = format!("{batch:?} {:?}", batch.column(Field::Phone));
        assert!(!text.contains("555"), "{text}");
    }
}
