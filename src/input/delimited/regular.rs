//! The rows of a text in which nothing is unusual.
//!
//! Most exports are written by machines: no quotes, one kind of line end, and as many cells in each
//! row as in the header. Then a row needs no look at each of its cells: the places of all
//! delimiters are written down in one column and those of all line ends in another, and a row is as
//! it should be when so many delimiters as the header has stand before its line end and no more.
//! From the first row that is not so, `rows` goes on.

use std::ops::Range;

use super::rows::Dialect;
use super::structure::{WINDOW, places_of, window};
use crate::input::batch::Span;

/// Where delimiters and line ends stand; room that serves one part after the other.
#[derive(Default)]
pub(in crate::input) struct Places {
    delimiters: Column,
    line_ends: Column,
}

/// A batch's copy has rows of its own to come, and room for them when they do.
impl Clone for Places {
    fn clone(&self) -> Self {
        Self::default()
    }
}

/// Places in ascending order.
#[derive(Default)]
struct Column {
    places: Vec<u32>,
    len: usize,
}

impl Column {
    /// Appends the places of set bits. `EACH` are written whether there are so many or not: the
    /// processor guesses wrong about how often a loop goes round, and never about this (Langdale and
    /// Lemire 2019, section 3.2).
    #[inline]
    fn push<const EACH: usize>(&mut self, at: u32, mut bits: u64) {
        if self.places.len() < self.len + WINDOW + EACH {
            self.places.resize((self.places.len() * 2).max(1024), 0);
        }
        let len = self.len + bits.count_ones() as usize;
        let mut next = self.len;
        while next < len {
            for place in &mut self.places[next..next + EACH] {
                *place = at + bits.trailing_zeros();
                bits &= bits.wrapping_sub(1);
            }
            next += EACH;
        }
        self.len = len;
    }

    fn all(&self) -> &[u32] {
        &self.places[..self.len]
    }
}

/// What was split.
pub(super) struct Split {
    pub(super) rows: usize,
    /// Where the next row begins.
    pub(super) end: usize,
}

/// Pushes the spans of the rows at the beginning of `part` that are as they should be.
pub(super) fn split(
    dialect: &Dialect,
    text: &[u8],
    part: Range<usize>,
    found: &mut Places,
    columns: &mut [Vec<Span>],
) -> Split {
    let none = Split { rows: 0, end: part.start };
    let (Some(delimiter), Ok(_)) = (dialect.delimiter, u32::try_from(part.end)) else {
        return none;
    };
    if !found.find(&text[..part.end], part.start, delimiter) {
        return none;
    }
    let (delimiters, line_ends) = (found.delimiters.all(), found.line_ends.all());
    let each = dialect.header_columns - 1;
    let regular = Regular { delimiters, line_ends, each, row_bytes: dialect.row_bytes };
    let rows = regular.rows(part.start);
    let (starts, ends) = (regular.row_starts(part.start), &line_ends[..rows]);
    for (column, &position) in columns.iter_mut().zip(&dialect.positions) {
        let delimiters = delimiters.chunks_exact(each).take(rows);
        let cells = delimiters.zip(starts.clone().zip(ends));
        column.extend(cells.map(|(delimiters, (start, &row_end))| {
            let before = position.checked_sub(1);
            let start = before.map_or(start, |before| delimiters[before] + 1);
            Span::between(start, delimiters.get(position).copied().unwrap_or(row_end))
        }));
    }
    let end = ends.last().map_or(part.start, |&end| end as usize + 1);
    Split { rows, end }
}

impl Places {
    /// Finds them all; false when there is a quote or a carriage return.
    fn find(&mut self, text: &[u8], from: usize, delimiter: u8) -> bool {
        self.delimiters.len = 0;
        self.line_ends.len = 0;
        for at in (from..text.len()).step_by(WINDOW) {
            let window = window(text, at);
            if places_of(&window, [b'"', b'\r']) != 0 {
                return false;
            }
            let place = u32::try_from(at).unwrap_or(u32::MAX);
            self.delimiters.push::<8>(place, places_of(&window, [delimiter]));
            self.line_ends.push::<2>(place, places_of(&window, [b'\n']));
        }
        true
    }
}

struct Regular<'a> {
    delimiters: &'a [u32],
    line_ends: &'a [u32],
    /// Delimiters in a row, at least one.
    each: usize,
    row_bytes: usize,
}

impl<'a> Regular<'a> {
    /// How many rows are as they should be, before the first that is not.
    fn rows(&self, from: usize) -> usize {
        let mut last = self.each - 1;
        let ends = self.line_ends.iter().zip(self.row_starts(from));
        let is_regular = |&(&end, start): &(&u32, u32)| {
            // The row's last delimiter stands before its end, and the next row's first behind it.
            let is_full = self.delimiters.get(last).is_some_and(|&place| place < end)
                && self.delimiters.get(last + 1).is_none_or(|&place| place > end);
            last += self.each;
            is_full && (end - start) as usize <= self.row_bytes
        };
        ends.take_while(is_regular).count()
    }

    fn row_starts(&self, from: usize) -> impl Iterator<Item = u32> + Clone + 'a {
        let first = u32::try_from(from).unwrap_or(u32::MAX);
        std::iter::once(first).chain(self.line_ends.iter().map(|&end| end + 1))
    }
}
