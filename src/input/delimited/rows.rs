//! Which cells do the rows of a part hold?
//!
//! What threads do with a part: one pass over its structure, 64 bytes at a time, and only the
//! wanted cells are noted. A row with a quoted cell is split by `record`.

use std::ops::Range;

use super::record::{Cells, Quotes, Scan, scan};
use super::regular;
use super::structure::{WINDOW, structure, window};
use crate::input::batch::{Batch, Span};
use crate::input::error::{InputError, Place};
use crate::input::{Field, Role};

/// What is known of a file of delimited text when its header was read.
pub(super) struct Dialect {
    pub(super) at: Place,
    pub(super) delimiter: Option<u8>,
    pub(super) fields: Vec<Field>,
    /// The cell that each column of a batch is taken from.
    pub(super) positions: Vec<usize>,
    /// A row has at least so many cells, or a wanted one is missing.
    pub(super) cells_needed: usize,
    pub(super) header_columns: usize,
    pub(super) row_bytes: usize,
}

/// Splits the rows at `part` of the batch's text. The part begins with a record and ends with one.
///
/// # Errors
///
/// The row in the error is counted from the part's beginning.
pub(super) fn split(
    dialect: &Dialect,
    batch: &mut Batch,
    part: Range<usize>,
) -> Result<(), InputError> {
    let mut text = std::mem::take(batch.text_mut());
    text.truncate(part.end);
    let mut columns = batch.take_spans();
    let regular = regular::split(dialect, &text, part.clone(), batch.places_mut(), &mut columns);
    let part = regular.end..part.end;
    let mut rows = Rows {
        dialect,
        text: &text,
        columns,
        rows: regular.rows,
        malformed: vec![],
        row_start: part.start,
        ends: vec![0; dialect.header_columns],
        cells: 0,
        cell_start: part.start,
        quoted: Cells::default(),
        copied: vec![],
    };
    rows.split(part)?;
    let Rows { columns, rows, malformed, copied, .. } = rows;
    text.extend_from_slice(&copied);
    *batch.text_mut() = text;
    batch.put_spans(columns, rows, malformed);
    Ok(())
}

struct Rows<'a> {
    dialect: &'a Dialect,
    text: &'a [u8],
    /// The batch's, a span for each row.
    columns: Vec<Vec<Span>>,
    rows: usize,
    malformed: Vec<usize>,
    row_start: usize,
    /// Where the row's cells end, as far as the header has columns.
    ends: Vec<usize>,
    /// How many of the row's cells have ended.
    cells: usize,
    cell_start: usize,
    quoted: Cells,
    /// Cells whose quotes had to be taken off; they go behind the text.
    copied: Vec<u8>,
}

impl Rows<'_> {
    fn split(&mut self, part: Range<usize>) -> Result<(), InputError> {
        let delimiter = self.dialect.delimiter.unwrap_or(b'\n');
        let mut at = part.start;
        // Nothing before this place is looked at again.
        let mut resume = at;
        while at < part.end {
            let mut found = structure(&window(self.text, at), delimiter);
            if resume > at {
                found &= u64::MAX << (resume - at);
            }
            while found != 0 {
                let place = at + found.trailing_zeros() as usize;
                found &= found - 1;
                match self.text[place] {
                    b'\n' | b'\r' => self.end_row(place)?,
                    b'"' if place == self.cell_start => {
                        resume = self.split_quoted(part.end)?;
                        let skip = (resume - at).min(WINDOW);
                        found &= u64::MAX.checked_shl(shift(skip)).unwrap_or(0);
                    }
                    // A quote that does not begin a cell is an ordinary character.
                    b'"' => {}
                    _ => self.end_cell(place),
                }
            }
            at += WINDOW;
            at += (resume.saturating_sub(at)) / WINDOW * WINDOW;
        }
        if self.row_start < part.end { self.end_row(part.end) } else { Ok(()) }
    }

    #[inline]
    fn end_cell(&mut self, place: usize) {
        if let Some(end) = self.ends.get_mut(self.cells) {
            *end = place;
        }
        self.cells += 1;
        self.cell_start = place + 1;
    }

    /// Ends the row at its line end; an empty line is none.
    #[inline]
    fn end_row(&mut self, place: usize) -> Result<(), InputError> {
        if place > self.row_start {
            self.end_cell(place);
            self.check_length(place)?;
            let fits =
                (self.dialect.cells_needed..=self.dialect.header_columns).contains(&self.cells);
            for (column, &position) in self.columns.iter_mut().zip(&self.dialect.positions) {
                let span = if position < self.cells {
                    let before = position.checked_sub(1);
                    let start = before.map_or(self.row_start, |before| self.ends[before] + 1);
                    Span::of(start..self.ends[position])
                } else {
                    Span::default()
                };
                column.push(span);
            }
            self.count(fits);
        }
        self.begin_row(place + 1);
        Ok(())
    }

    #[inline]
    fn count(&mut self, fits: bool) {
        if !fits {
            self.malformed.push(self.rows);
        }
        self.rows += 1;
    }

    fn begin_row(&mut self, place: usize) {
        self.row_start = place;
        self.cell_start = place;
        self.cells = 0;
    }

    /// Splits the row from its beginning; gives the place of its line end.
    fn split_quoted(&mut self, end: usize) -> Result<usize, InputError> {
        let dialect = self.dialect;
        let start = self.row_start;
        let scanned = scan(&self.text[start..end], dialect.delimiter, true);
        let Scan::Record { len, quotes: Quotes::Absent | Quotes::Closed } = scanned else {
            return Err(InputError::UnclosedQuote { at: dialect.at.clone(), row: self.row() });
        };
        let record = start..start + len;
        self.check_length(record.end)?;
        self.quoted.split(self.text, record.clone(), dialect.delimiter, &mut self.copied);
        let spans = &self.quoted.spans;
        let fits = (dialect.cells_needed..=dialect.header_columns).contains(&spans.len())
            && !self.quoted.damaged;
        // Of an opt-out list no row may be lost, and lines may hide between two stray quotes.
        let hides_rows = || memchr::memchr2(b'\n', b'\r', &self.text[record.clone()]).is_some();
        if !fits && dialect.at.role == Role::OptOuts && hides_rows() {
            return Err(InputError::QuoteDamage { at: dialect.at.clone(), row: self.row() });
        }
        for (column, &position) in self.columns.iter_mut().zip(&dialect.positions) {
            column.push(spans.get(position).cloned().map_or(Span::default(), Span::of));
        }
        self.count(fits);
        self.begin_row(record.end);
        Ok(record.end)
    }

    fn check_length(&self, row_end: usize) -> Result<(), InputError> {
        let limit_bytes = self.dialect.row_bytes;
        if row_end - self.row_start <= limit_bytes {
            return Ok(());
        }
        Err(InputError::RowTooLong { at: self.dialect.at.clone(), row: self.row(), limit_bytes })
    }

    /// The row that is being split, counted from 1.
    fn row(&self) -> u64 {
        self.rows as u64 + 1
    }
}

fn shift(bits: usize) -> u32 {
    u32::try_from(bits).unwrap_or(u32::MAX)
}
