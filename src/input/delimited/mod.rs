//! Which cells does a line of delimited text hold?
//!
//! RFC 4180 with what is met in the field: the delimiter is `,`, `;`, tab or `|`, found from the
//! header; CR, LF and CRLF each end a line, mixed at will; empty lines are skipped and are no rows;
//! a quote that does not begin a cell is an ordinary character. Our own reader and not a kept one:
//! none says that a quote is open at the end of the file, or stops growing while one is; the tests
//! compare it with the `csv` crate, and the bench group `input` measures both.
//!
//! A file with one column has no delimiter: the line is the cell, so that `07…, 07…` reaches the
//! checks for several numbers. A row is malformed when it has more cells than the header, when it
//! ends before a wanted column, or when something other than blanks follows a closing quote.
//!
//! One thread reads and cuts (`cut`), any number split (`regular`, `rows`); what a record is says
//! `record`.

mod cut;
mod record;
mod regular;
mod rows;
mod structure;

use std::ops::Range;
use std::sync::Arc;

use super::batch::Batch;
use super::error::{InputError, Place};
use super::header::{self, ColumnsFound};
use super::part::Unplaced;
use super::text::{Block, Text};
use super::{Limits, Want};
pub(super) use regular::Places;

use record::{Cells, Quotes, Scan, scan};
use rows::Dialect;

const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];

/// Reads delimited text and cuts it into parts.
pub(super) struct Delimited {
    limits: Limits,
    text: Text,
    columns: ColumnsFound,
    dialect: Arc<Dialect>,
}

/// Splits parts; shared by all threads.
#[derive(Clone)]
pub(super) struct RowSplitter(Arc<Dialect>);

/// The header's cells under one delimiter.
struct Header {
    delimiter: Option<u8>,
    names: Vec<Vec<u8>>,
    len: usize,
}

impl Delimited {
    /// Reads the header; the text must not begin with an empty line.
    pub(super) fn open(
        at: &Place,
        wants: &[Want],
        limits: Limits,
        mut text: Text,
    ) -> Result<Self, InputError> {
        let declared = declared_delimiter(at, &mut text)?;
        let candidates = declared.as_ref().map_or(&DELIMITERS[..], std::slice::from_ref);
        let header = read_header(at, wants, limits, &mut text, candidates)?;
        let columns = header::resolve(at, wants, &header.names)?;
        text.consume(header.len);
        let positions: Vec<_> = columns.all().iter().filter_map(|found| found.position).collect();
        let dialect = Dialect {
            at: at.clone(),
            delimiter: header.delimiter,
            fields: columns.all().iter().map(|found| found.field).collect(),
            cells_needed: positions.iter().map(|position| position + 1).max().unwrap_or(0),
            positions,
            header_columns: columns.header_columns(),
            row_bytes: limits.row_bytes,
        };
        Ok(Self { limits, text, columns, dialect: Arc::new(dialect) })
    }

    pub(super) fn columns(&self) -> &ColumnsFound {
        &self.columns
    }

    pub(super) fn delimiter(&self) -> Option<u8> {
        self.dialect.delimiter
    }

    pub(super) fn text(&self) -> &Text {
        &self.text
    }

    pub(super) fn splitter(&self) -> RowSplitter {
        RowSplitter(Arc::clone(&self.dialect))
    }

    /// The next whole records, about as many bytes as the limits say; none at the end. The buffer
    /// that `spare` gives is filled after them.
    pub(super) fn next_part(
        &mut self,
        spare: impl FnOnce() -> Vec<u8>,
    ) -> Result<Option<Block>, Unplaced> {
        let begun = self.text.skip_empty_lines().map_err(|cause| self.read_error(cause))?;
        if !begun {
            return Ok(None);
        }
        let mut reach = self.limits.block_bytes;
        loop {
            while self.text.unread().len() < reach && !self.text.ended() {
                self.text.fill(reach).map_err(|cause| self.read_error(cause))?;
            }
            let unread = self.text.unread();
            let seen = &unread[..reach.min(unread.len())];
            let is_all = seen.len() == unread.len() && self.text.ended();
            let end = cut::last_record_end(seen, self.dialect.delimiter);
            let end = if is_all { Some(self.end_of_all(seen, end)?) } else { end };
            if let Some(end) = end {
                return Ok(Some(self.text.split_off(end, spare())));
            }
            if seen.len() > self.limits.row_bytes {
                return Err(self.too_long(seen));
            }
            reach = seen.len() * 2;
        }
    }

    /// The last line may lack its end; a quote may not lack its own.
    fn end_of_all(&self, rest: &[u8], last: Option<usize>) -> Result<usize, Unplaced> {
        let last = last.unwrap_or(0);
        match scan(&rest[last..], self.dialect.delimiter, true) {
            Scan::Record { quotes: Quotes::Open, .. } if last > 0 => Ok(last),
            Scan::Record { quotes: Quotes::Open, .. } => Err(self.unclosed_quote()),
            Scan::Record { .. } | Scan::Unfinished { .. } => Ok(rest.len()),
        }
    }

    /// Why a record does not end within the limit.
    fn too_long(&self, seen: &[u8]) -> Unplaced {
        match scan(seen, self.dialect.delimiter, false) {
            Scan::Unfinished { quotes: Quotes::Open } => self.unclosed_quote(),
            Scan::Record { .. } | Scan::Unfinished { .. } => {
                let (at, limit_bytes) = (self.dialect.at.clone(), self.limits.row_bytes);
                Unplaced::new(InputError::RowTooLong { at, row: 1, limit_bytes })
            }
        }
    }

    fn unclosed_quote(&self) -> Unplaced {
        Unplaced::new(InputError::UnclosedQuote { at: self.dialect.at.clone(), row: 1 })
    }

    fn read_error(&self, cause: std::io::Error) -> Unplaced {
        Unplaced::new(self.dialect.at.read_error(cause))
    }
}

impl RowSplitter {
    /// Splits a block into the batch; gives the text that the batch held before.
    pub(super) fn split(&self, block: Block, batch: &mut Batch) -> Result<Vec<u8>, Unplaced> {
        let Range { start, end } = block.range;
        let before = batch.begin(&self.0.fields, block.bytes);
        rows::split(&self.0, batch, start..end).map_err(Unplaced::new)?;
        Ok(before)
    }
}

/// Takes off the line `sep=;` with which spreadsheets declare a delimiter.
fn declared_delimiter(at: &Place, text: &mut Text) -> Result<Option<u8>, InputError> {
    let declared = match text.unread() {
        &[s, e, p, b'=', delimiter, b'\r' | b'\n', ..]
            if [s, e, p].map(|b: u8| b.to_ascii_lowercase()) == *b"sep"
                && DELIMITERS.contains(&delimiter) =>
        {
            delimiter
        }
        _ => return Ok(None),
    };
    text.consume(5);
    if !text.skip_empty_lines().map_err(|cause| at.read_error(cause))? {
        return Err(InputError::Empty { at: at.clone() });
    }
    Ok(Some(declared))
}

/// Splits the header by the delimiter under which most of the wanted columns are found.
fn read_header(
    at: &Place,
    wants: &[Want],
    limits: Limits,
    text: &mut Text,
    candidates: &[u8],
) -> Result<Header, InputError> {
    let limit_bytes = limits.header_bytes;
    while text.unread().len() <= limit_bytes && !text.ended() {
        text.fill(limit_bytes + 1).map_err(|cause| at.read_error(cause))?;
    }
    let mut best: Option<(usize, Header)> = None;
    let mut open = false;
    for &delimiter in candidates {
        let Scan::Record { len, quotes } = scan(text.unread(), Some(delimiter), text.ended())
        else {
            continue;
        };
        if quotes == Quotes::Open {
            open = true;
            continue;
        }
        if len > limit_bytes {
            continue;
        }
        let names = record_cells(&text.unread()[..len], Some(delimiter));
        let score = header::score(wants, &names);
        let better = match &best {
            None => true,
            Some((other, header)) => (score, names.len()) > (*other, header.names.len()),
        };
        if better {
            let delimiter = (names.len() > 1).then_some(delimiter);
            best = Some((score, Header { delimiter, names, len }));
        }
    }
    match best {
        Some((_, header)) => Ok(header),
        None if open => Err(InputError::UnclosedQuote { at: at.clone(), row: 0 }),
        None => Err(InputError::HeaderTooLong { at: at.clone(), limit_bytes }),
    }
}

/// The cells of a record that stands alone.
fn record_cells(record: &[u8], delimiter: Option<u8>) -> Vec<Vec<u8>> {
    let (mut cells, mut copied) = (Cells::default(), vec![]);
    cells.split(record, 0..record.len(), delimiter, &mut copied);
    let text = [record, &copied].concat();
    cells.spans.into_iter().map(|span| text[span].to_vec()).collect()
}

#[cfg(test)]
mod tests;
