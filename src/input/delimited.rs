//! Which cells does a line of delimited text hold?
//!
//! RFC 4180 with what is met in the field: the delimiter is `,`, `;`, tab or `|`, found from the
//! header; CR, LF and CRLF each end a line, mixed at will; empty lines are skipped and are no rows;
//! a quote that does not begin a cell is an ordinary character. Our own reader and not the `csv`
//! crate's, which cannot say that a quote is open at the end of the file, and grows without limit
//! while one is; the tests compare both.
//!
//! A file with one column has no delimiter: the line is the cell, so that `07…, 07…` reaches the
//! checks for several numbers. A row is malformed when it has more cells than the header, when it
//! ends before a wanted column, or when something other than blanks follows a closing quote.

use memchr::{memchr, memchr_iter, memchr2, memchr3};

use super::batch::{Batch, Column};
use super::error::{InputError, Place};
use super::header::{self, ColumnsFound};
use super::text::Text;
use super::{Field, Limits, Role, Want};

const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];

/// Reads the rows of delimited text.
pub(super) struct Delimited {
    at: Place,
    limits: Limits,
    text: Text,
    delimiter: Option<u8>,
    columns: ColumnsFound,
    fields: Vec<Field>,
    /// The cell that each column of a batch is taken from.
    positions: Vec<usize>,
    /// A row has at least so many cells, or a wanted one is missing.
    cells_needed: usize,
    cells: Cells,
    rows: u64,
}

/// Where the next record ends.
#[derive(PartialEq, Eq, Debug)]
enum Scan {
    /// It has `len` bytes without its line end.
    Record { len: usize, quotes: Quotes },
    /// Its end is not in the bytes at hand.
    Unfinished { quotes: Quotes },
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Quotes {
    /// There is no quote at all.
    Absent,
    /// All that are opened are closed.
    Closed,
    /// One is open at the end of what was seen.
    Open,
}

/// The cells of one record.
#[derive(Default)]
struct Cells {
    /// Start and end of each cell: in the record, or in `unquoted` for a record with quotes.
    spans: Vec<(usize, usize)>,
    unquoted: Column,
    damaged: bool,
}

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
        Ok(Self {
            at: at.clone(),
            limits,
            text,
            delimiter: header.delimiter,
            fields: columns.all().iter().map(|found| found.field).collect(),
            cells_needed: positions.iter().map(|position| position + 1).max().unwrap_or(0),
            positions,
            columns,
            cells: Cells::default(),
            rows: 0,
        })
    }

    pub(super) fn columns(&self) -> &ColumnsFound {
        &self.columns
    }

    pub(super) fn delimiter(&self) -> Option<u8> {
        self.delimiter
    }

    pub(super) fn text(&self) -> &Text {
        &self.text
    }

    pub(super) fn next_batch(&mut self) -> Result<Option<Batch>, InputError> {
        let mut batch = Batch::new(self.rows + 1, &self.fields);
        while batch.len() < self.limits.batch_rows && batch.cell_bytes() < self.limits.batch_bytes {
            if !self.text.skip_empty_lines().map_err(|cause| self.at.read_error(cause))? {
                break;
            }
            let (len, quotes) = self.find_record()?;
            self.rows += 1;
            self.push_row(&mut batch, len, quotes)?;
            self.text.consume(len);
        }
        Ok((!batch.is_empty()).then_some(batch))
    }

    /// The length of the next record, which is then wholly in the buffer.
    fn find_record(&mut self) -> Result<(usize, Quotes), InputError> {
        let (row, limit_bytes) = (self.rows + 1, self.limits.row_bytes);
        let at = || self.at.clone();
        loop {
            let unread = self.text.unread();
            let scan = scan(unread, self.delimiter, self.text.ended());
            let (len, quotes) = match scan {
                Scan::Record { len, quotes } => (len, quotes),
                Scan::Unfinished { quotes } => (unread.len(), quotes),
            };
            let unfinished = matches!(scan, Scan::Unfinished { .. });
            if quotes == Quotes::Open && (!unfinished || len > limit_bytes) {
                return Err(InputError::UnclosedQuote { at: at(), row });
            }
            if len > limit_bytes {
                return Err(InputError::RowTooLong { at: at(), row, limit_bytes });
            }
            if !unfinished {
                return Ok((len, quotes));
            }
            self.text.fill().map_err(|cause| self.at.read_error(cause))?;
        }
    }

    fn push_row(
        &mut self,
        batch: &mut Batch,
        len: usize,
        quotes: Quotes,
    ) -> Result<(), InputError> {
        let record = &self.text.unread()[..len];
        self.cells.split(record, self.delimiter, quotes);
        let count = self.cells.spans.len();
        let fits = (self.cells_needed..=self.columns.header_columns()).contains(&count);
        if !fits || self.cells.damaged {
            // Of an opt-out list no row may be lost, and lines may hide between two stray quotes.
            let hides_rows = quotes != Quotes::Absent && memchr2(b'\n', b'\r', record).is_some();
            if hides_rows && self.at.role == Role::OptOuts {
                return Err(InputError::QuoteDamage { at: self.at.clone(), row: self.rows });
            }
        }
        let bytes = if quotes == Quotes::Absent { record } else { self.cells.unquoted.bytes() };
        for (slot, &position) in self.positions.iter().enumerate() {
            let (start, end) = self.cells.spans.get(position).copied().unwrap_or_default();
            batch.slot(slot).push(&bytes[start..end]);
        }
        match fits && !self.cells.damaged {
            true => batch.end_row(),
            false => batch.end_malformed(),
        }
        Ok(())
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
        text.fill().map_err(|cause| at.read_error(cause))?;
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
        let mut cells = Cells::default();
        let names = cells.copied(&text.unread()[..len], Some(delimiter), quotes);
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

/// Finds the end of the record that `bytes` begin with.
fn scan(bytes: &[u8], delimiter: Option<u8>, ended: bool) -> Scan {
    match memchr3(b'"', b'\n', b'\r', bytes) {
        Some(len) if bytes[len] != b'"' => Scan::Record { len, quotes: Quotes::Absent },
        Some(_) => scan_quoted(bytes, delimiter, ended),
        None if ended => Scan::Record { len: bytes.len(), quotes: Quotes::Absent },
        None => Scan::Unfinished { quotes: Quotes::Absent },
    }
}

fn scan_quoted(bytes: &[u8], delimiter: Option<u8>, ended: bool) -> Scan {
    let mut at = 0;
    let mut open = false;
    while at < bytes.len() {
        if bytes[at] == b'"' {
            let Some(close) = closing_quote(bytes, at + 1) else {
                open = true;
                break;
            };
            at = close + 1;
        }
        at = cell_end(bytes, at, delimiter).unwrap_or(bytes.len());
        match bytes.get(at) {
            Some(b'\n' | b'\r') => return Scan::Record { len: at, quotes: Quotes::Closed },
            Some(_) => at += 1,
            None => {}
        }
    }
    let quotes = if open { Quotes::Open } else { Quotes::Closed };
    if ended { Scan::Record { len: bytes.len(), quotes } } else { Scan::Unfinished { quotes } }
}

/// The quote that closes a cell whose content starts at `from`; doubled quotes are content.
fn closing_quote(bytes: &[u8], mut from: usize) -> Option<usize> {
    loop {
        let quote = from + memchr(b'"', bytes.get(from..)?)?;
        if bytes.get(quote + 1) != Some(&b'"') {
            return Some(quote);
        }
        from = quote + 2;
    }
}

/// The delimiter or line end at or behind `from`.
fn cell_end(bytes: &[u8], from: usize, delimiter: Option<u8>) -> Option<usize> {
    let rest = bytes.get(from..)?;
    let end = match delimiter {
        Some(delimiter) => memchr3(delimiter, b'\n', b'\r', rest),
        None => memchr2(b'\n', b'\r', rest),
    };
    end.map(|end| from + end)
}

impl Cells {
    /// Splits a whole record without its line end.
    fn split(&mut self, record: &[u8], delimiter: Option<u8>, quotes: Quotes) {
        self.spans.clear();
        self.damaged = false;
        if quotes != Quotes::Absent {
            return self.split_quoted(record, delimiter);
        }
        let mut start = 0;
        if let Some(delimiter) = delimiter {
            for end in memchr_iter(delimiter, record) {
                self.spans.push((start, end));
                start = end + 1;
            }
        }
        self.spans.push((start, record.len()));
    }

    fn split_quoted(&mut self, record: &[u8], delimiter: Option<u8>) {
        self.unquoted.clear();
        let mut at = 0;
        loop {
            let start = self.unquoted.bytes().len();
            if record.get(at) == Some(&b'"') {
                let close = closing_quote(record, at + 1).unwrap_or(record.len());
                for (index, part) in record[at + 1..close].split(|&b| b == b'"').enumerate() {
                    // Of `""` the part between is empty: each pair gives one quote.
                    if index % 2 == 1 {
                        self.unquoted.extend(b"\"");
                    }
                    self.unquoted.extend(part);
                }
                at = (close + 1).min(record.len());
                let end = cell_end(record, at, delimiter).unwrap_or(record.len());
                self.damaged |= record[at..end].iter().any(|b| !matches!(b, b' ' | b'\t'));
                at = end;
            } else {
                let end = cell_end(record, at, delimiter).unwrap_or(record.len());
                self.unquoted.extend(&record[at..end]);
                at = end;
            }
            self.spans.push((start, self.unquoted.bytes().len()));
            if at >= record.len() {
                return;
            }
            at += 1;
        }
    }

    fn copied(&mut self, record: &[u8], delimiter: Option<u8>, quotes: Quotes) -> Vec<Vec<u8>> {
        self.split(record, delimiter, quotes);
        let bytes = if quotes == Quotes::Absent { record } else { self.unquoted.bytes() };
        self.spans.iter().map(|&(start, end)| bytes[start..end].to_vec()).collect()
    }
}

#[cfg(test)]
#[path = "delimited_tests.rs"]
mod tests;
