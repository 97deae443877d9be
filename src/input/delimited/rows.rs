//! Which cells do the rows of a part hold?
//!
//! What threads do with a part: usual rows are split many at a time by `regular`, one that is not by
//! `record`, and only the wanted cells are noted.

use std::ops::Range;

use super::record::{Cells, Quotes, Scan, scan};
use super::regular;
use crate::input::batch::{Batch, Span};
use crate::input::error::{InputError, Place};
use crate::input::{Field, Role};

/// Bytes in which usual rows are looked for at a time: what is found in them stays near.
const STRETCH: usize = 64 << 10;

/// The same behind an unusual row, after which another may come.
const SHORT_STRETCH: usize = 256;

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
    let mut rows = Rows {
        dialect,
        text: &text,
        columns: batch.take_spans(),
        rows: 0,
        malformed: vec![],
        cells: Cells::default(),
        copied: vec![],
    };
    let (mut at, mut reach) = (part.start, STRETCH);
    while at < part.end {
        let stretch = at..part.end.min(at + reach);
        let is_last = stretch.end == part.end;
        let regular =
            regular::split(dialect, &text, stretch, batch.places_mut(), &mut rows.columns);
        rows.rows += regular.rows;
        let bytes = regular.end - at;
        at = regular.end;
        // Whatever rows are like, most of what is looked at twice was split in between.
        reach = match bytes {
            _ if regular.is_unusual => (bytes * 2).clamp(SHORT_STRETCH, STRETCH),
            0 => reach * 2,
            _ => (reach * 2).min(STRETCH),
        };
        if at < part.end && (regular.is_unusual || is_last) {
            at = rows.split_one(at..part.end)?;
        }
    }
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
    cells: Cells,
    /// Cells whose quotes had to be taken off; they go behind the text.
    copied: Vec<u8>,
}

impl Rows<'_> {
    /// Splits the record that `rest` begins with; gives where the next begins. An empty line is no
    /// row.
    fn split_one(&mut self, rest: Range<usize>) -> Result<usize, InputError> {
        let (dialect, start) = (self.dialect, rest.start);
        let at = || dialect.at.clone();
        let row = self.rows as u64 + 1;
        let scanned = scan(&self.text[rest], dialect.delimiter, true);
        let Scan::Record { len, quotes: Quotes::Absent | Quotes::Closed } = scanned else {
            return Err(InputError::UnclosedQuote { at: at(), row });
        };
        let record = start..start + len;
        // CRLF is one line end: the next row begins behind it.
        let is_crlf = self.text.get(record.end..record.end + 2) == Some(b"\r\n");
        let next = record.end + 1 + usize::from(is_crlf);
        if record.is_empty() {
            return Ok(next);
        }
        if len > dialect.row_bytes {
            return Err(InputError::RowTooLong { at: at(), row, limit_bytes: dialect.row_bytes });
        }
        self.cells.split(self.text, record.clone(), dialect.delimiter, &mut self.copied);
        let spans = &self.cells.spans;
        let fits = (dialect.cells_needed..=dialect.header_columns).contains(&spans.len())
            && !self.cells.damaged;
        // Of an opt-out list no row may be lost, and lines may hide between two stray quotes.
        let hides_rows = || memchr::memchr2(b'\n', b'\r', &self.text[record]).is_some();
        if !fits && dialect.at.role == Role::OptOuts && hides_rows() {
            return Err(InputError::QuoteDamage { at: at(), row });
        }
        for (column, &position) in self.columns.iter_mut().zip(&dialect.positions) {
            column.push(spans.get(position).cloned().map_or(Span::default(), Span::of));
        }
        if !fits {
            self.malformed.push(self.rows);
        }
        self.rows += 1;
        Ok(next)
    }
}
