//! How are cells handed on?
//!
//! A [`Batch`] holds the wanted cells of consecutive rows, column by column, as raw bytes. A row
//! that is not the format's keeps its place: it is marked malformed, and its cells are what could
//! be split of it, or empty. What a cell holds is private, so neither type prints any of it.

use std::fmt;

use super::Field;

/// One column of a batch: the cells' bytes end to end, and where each ends.
#[derive(Clone, Default)]
pub struct Column {
    bytes: Vec<u8>,
    ends: Vec<u32>,
}

impl Column {
    /// The cell of a row, counted from 0 within the batch; empty beyond the last row.
    #[must_use]
    pub fn cell(&self, row: usize) -> &[u8] {
        let start = match row.checked_sub(1) {
            Some(before) => self.end(before),
            None => 0,
        };
        self.bytes.get(start..self.end(row)).unwrap_or_default()
    }

    /// All cells in row order.
    pub fn cells(&self) -> impl Iterator<Item = &[u8]> {
        let mut start = 0;
        self.ends.iter().map(move |&end| {
            let end = end as usize;
            let cell = &self.bytes[start..end];
            start = end;
            cell
        })
    }

    /// The bytes of all cells, end to end.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// For each cell the offset in [`Column::bytes`] behind its last byte.
    #[must_use]
    pub fn ends(&self) -> &[u32] {
        &self.ends
    }

    /// The number of cells.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is no cell.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    fn end(&self, row: usize) -> usize {
        self.ends.get(row).map_or(self.bytes.len(), |&end| end as usize)
    }

    pub(super) fn push(&mut self, cell: &[u8]) {
        self.bytes.extend_from_slice(cell);
        self.close();
    }

    /// Appends to the cell that is open; [`Column::close`] ends it.
    pub(super) fn extend(&mut self, part: &[u8]) {
        self.bytes.extend_from_slice(part);
    }

    pub(super) fn close(&mut self) {
        // `Limits::within_reach` keeps a batch far below 4 GiB.
        self.ends.push(u32::try_from(self.bytes.len()).unwrap_or(u32::MAX));
    }

    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }
}

impl fmt::Debug for Column {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Column({} cells, redacted)", self.len())
    }
}

/// The wanted cells of consecutive rows.
#[derive(Clone)]
pub struct Batch {
    first_row: u64,
    rows: usize,
    /// Rows of this batch that are not the format's, ascending.
    malformed: Vec<usize>,
    columns: Vec<Column>,
    slot_of: [Option<usize>; Field::ALL.len()],
}

impl Batch {
    pub(super) fn new(first_row: u64, fields: &[Field]) -> Self {
        let slot_of = [None; Field::ALL.len()];
        let mut batch = Self { first_row, rows: 0, malformed: vec![], columns: vec![], slot_of };
        for &field in fields {
            batch.add_column(field);
        }
        batch
    }

    /// The number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows
    }

    /// Whether there is no row; no batch that is handed out is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// The number of this batch's first row in its input, counted from 1 without the header.
    #[must_use]
    pub fn first_row(&self) -> u64 {
        self.first_row
    }

    /// Whether the input has a column for the field.
    #[must_use]
    pub fn has(&self, field: Field) -> bool {
        self.column(field).is_some()
    }

    /// The field's column, for tight loops.
    #[must_use]
    pub fn column(&self, field: Field) -> Option<&Column> {
        self.slot_of[field.index()].map(|slot| &self.columns[slot])
    }

    /// The field's cell in a row counted from 0 within the batch; empty when the column is absent or
    /// the cell null. Of a malformed row it is a guess: ask [`Batch::is_malformed`] first.
    #[must_use]
    pub fn cell(&self, field: Field, row: usize) -> &[u8] {
        self.column(field).map_or(&[], |column| column.cell(row))
    }

    /// Whether the row is not the format's: its cells are then a guess.
    #[must_use]
    pub fn is_malformed(&self, row: usize) -> bool {
        !self.malformed.is_empty() && self.malformed.binary_search(&row).is_ok()
    }

    /// The malformed rows, ascending, counted from 0 within the batch.
    #[must_use]
    pub fn malformed(&self) -> &[usize] {
        &self.malformed
    }

    /// Adds a column, with empty cells for the rows that are already there.
    pub(super) fn add_column(&mut self, field: Field) {
        let column = Column { bytes: vec![], ends: vec![0; self.rows] };
        self.slot_of[field.index()] = Some(self.columns.len());
        self.columns.push(column);
    }

    /// The column in the order they were named; the caller pushes one cell to each, then calls
    /// [`Batch::end_row`].
    pub(super) fn slot(&mut self, slot: usize) -> &mut Column {
        &mut self.columns[slot]
    }

    pub(super) fn end_row(&mut self) {
        self.rows += 1;
        debug_assert!(self.columns.iter().all(|column| column.len() == self.rows));
    }

    pub(super) fn push_malformed(&mut self) {
        for column in &mut self.columns {
            column.close();
        }
        self.end_malformed();
    }

    /// Ends a row that is malformed and whose cells, as far as they could be split, were pushed.
    pub(super) fn end_malformed(&mut self) {
        self.malformed.push(self.rows);
        self.end_row();
    }

    pub(super) fn cell_bytes(&self) -> usize {
        self.columns.iter().map(|column| column.bytes.len()).sum()
    }
}

impl fmt::Debug for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch")
            .field("first_row", &self.first_row)
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
        let mut batch = Batch::new(1, &[Field::Phone]);
        batch.slot(0).push(b"+12025550123");
        batch.end_row();
        batch.add_column(Field::Country);
        batch.slot(0).push(b"+12025550124");
        batch.slot(1).push(b"US");
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
    fn debug_prints_no_cell() {
        let mut batch = Batch::new(1, &[Field::Phone]);
        batch.slot(0).push(b"+12025550123");
        batch.end_row();
        let text = format!("{batch:?} {:?}", batch.column(Field::Phone));
        assert!(!text.contains("555"), "{text}");
    }
}
