//! Where does a record end, and where its cells: the definition.
//!
//! One record at a time, byte for byte after RFC 4180 and what is met in the field. The header is
//! read so, and every row that is unusual; `cut` and `regular` come to the same by shorter ways and
//! fall back to this one.

use std::ops::Range;

use memchr::{memchr, memchr2, memchr3};

/// Where the next record ends.
#[derive(PartialEq, Eq, Debug)]
pub(super) enum Scan {
    /// It has `len` bytes without its line end.
    Record { len: usize, quotes: Quotes },
    /// Its end is not in the bytes at hand.
    Unfinished { quotes: Quotes },
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Quotes {
    /// There is no quote at all.
    Absent,
    /// All that are opened are closed.
    Closed,
    /// One is open at the end of what was seen.
    Open,
}

/// Finds the end of the record that `bytes` begin with; `ended` when nothing follows them.
pub(super) fn scan(bytes: &[u8], delimiter: Option<u8>, ended: bool) -> Scan {
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

/// The cells of one record: where they stand, in a text that is the record's and, behind it, what
/// had to be copied to take quotes off.
#[derive(Default)]
pub(super) struct Cells {
    pub(super) spans: Vec<Range<usize>>,
    /// Something other than blanks follows a closing quote.
    pub(super) damaged: bool,
}

impl Cells {
    /// Splits the record that stands at `record` of `text`, without its line end. Offsets beyond
    /// the text's end are into `copied`, which it is to be followed by.
    pub(super) fn split(
        &mut self,
        text: &[u8],
        record: Range<usize>,
        delimiter: Option<u8>,
        copied: &mut Vec<u8>,
    ) {
        self.spans.clear();
        self.damaged = false;
        let mut at = record.start;
        let text_to_end = &text[..record.end];
        loop {
            let start = at;
            if text_to_end.get(at) == Some(&b'"') {
                let close = closing_quote(text_to_end, at + 1).unwrap_or(record.end);
                at = (close + 1).min(record.end);
                let end = cell_end(text_to_end, at, delimiter).unwrap_or(record.end);
                self.damaged |= text[at..end].iter().any(|b| !matches!(b, b' ' | b'\t'));
                at = end;
                self.spans.push(without_doubled(text, start + 1..close, copied));
            } else {
                at = cell_end(text_to_end, at, delimiter).unwrap_or(record.end);
                self.spans.push(start..at);
            }
            if at >= record.end {
                return;
            }
            at += 1;
        }
    }
}

/// A quoted cell's content: where it stands, or with doubled quotes a copy that has single ones.
fn without_doubled(text: &[u8], content: Range<usize>, copied: &mut Vec<u8>) -> Range<usize> {
    let quoted = &text[content.clone()];
    if memchr(b'"', quoted).is_none() {
        return content;
    }
    let start = text.len() + copied.len();
    for (index, part) in quoted.split(|&b| b == b'"').enumerate() {
        // Of `""` the part between is empty: each pair gives one quote.
        if index % 2 == 1 {
            copied.push(b'"');
        }
        copied.extend_from_slice(part);
    }
    start..text.len() + copied.len()
}
