//! The rows in which nothing is unusual.
//!
//! Most exports are written by machines: as many cells in each row as in the header, lines that end
//! in LF or in CRLF, and quotes, if any, round whole cells and never doubled. Then a row needs no look
//! at each of its cells: the places of all delimiters are written down in one column and those of all
//! line ends in another, and a row is as it should be when so many delimiters as the header has stand
//! before its line end and no more. `rows` splits the first row that is not so, and comes back.

use std::iter;
use std::ops::Range;

use super::rows::Dialect;
use super::structure::{WINDOW, parity, window};
use crate::input::batch::Span;
use crate::vectors::{Eyes, Kernel, Level};

/// Where delimiters and line ends stand; room that serves one part after the other.
#[derive(Default)]
pub(in crate::input) struct Places {
    delimiters: Column,
    line_ends: Column,
    /// There is neither a quote nor a carriage return.
    are_plain: bool,
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
    #[inline(always)]
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
    /// Whether that row is unusual; else its end is not in the stretch, or there is none.
    pub(super) is_unusual: bool,
}

/// Pushes the spans of the rows at the beginning of `stretch` that are as they should be.
pub(super) fn split(
    dialect: &Dialect,
    text: &[u8],
    stretch: Range<usize>,
    found: &mut Places,
    columns: &mut [Vec<Span>],
) -> Split {
    let Ok(from) = u32::try_from(stretch.start) else {
        return Split { rows: 0, end: stretch.start, is_unusual: true };
    };
    let text = &text[..stretch.end];
    let finding =
        Finding { places: &mut *found, text, from: stretch.start, delimiter: dialect.delimiter };
    let is_all = Level::best().run(finding);
    let regular = Regular {
        text,
        from,
        delimiters: found.delimiters.all(),
        line_ends: found.line_ends.all(),
        each: dialect.header_columns - 1,
        row_bytes: dialect.row_bytes,
    };
    let rows = if found.are_plain {
        regular.push_rows(&dialect.positions, columns, |_, end| end, Span::between)
    } else {
        let row_end = |start, end| regular.without_return(start, end);
        let cell = |start, end| regular.unquoted(start, end);
        regular.push_rows(&dialect.positions, columns, row_end, cell)
    };
    let end =
        rows.checked_sub(1).map_or(stretch.start, |last| regular.line_ends[last] as usize + 1);
    Split { rows, end, is_unusual: !is_all || rows < regular.line_ends.len() }
}

/// What is open where a window begins. Bits stand for its bytes, the lowest for its first.
struct Before {
    /// All set within quotes, else none.
    open: u64,
    /// The lowest set behind a delimiter or a line end, where a quote may open a cell.
    cell_begins: u64,
    /// The lowest set behind a quote that closed one.
    closed: u64,
    /// The lowest set behind a carriage return.
    returned: u64,
}

impl Before {
    /// Of a text that begins with a record.
    const TEXT: Self = Self { open: 0, cell_begins: 1, closed: 0, returned: 0 };

    fn is_plain(&self) -> bool {
        self.open | self.closed | self.returned == 0
    }
}

/// The places in a window, of which those within quotes are none.
struct Found {
    delimiters: u64,
    line_ends: u64,
    /// Bytes that are not where they should be.
    strays: u64,
}

/// Finds all places of a text, or those before the first quote or carriage return that is not as
/// usual; tells whether there is none.
struct Finding<'a> {
    places: &'a mut Places,
    text: &'a [u8],
    from: usize,
    delimiter: Option<u8>,
}

impl Kernel for Finding<'_> {
    type Output = bool;

    #[inline(always)]
    fn run(self, eyes: impl Eyes) -> bool {
        let Self { places, text, from, delimiter } = self;
        places.delimiters.len = 0;
        places.line_ends.len = 0;
        places.are_plain = true;
        let mut before = Before::TEXT;
        for at in (from..text.len()).step_by(WINDOW) {
            let window = window(text, at);
            let delimiters = delimiter.map_or(0, |byte| eyes.places_of(&window, [byte]));
            let line_ends = eyes.places_of(&window, [b'\n']);
            let mut found = Found { delimiters, line_ends, strays: 0 };
            if eyes.places_of(&window, [b'"', b'\r']) == 0 && before.is_plain() {
                before.cell_begins = (delimiters | line_ends) >> (WINDOW - 1);
            } else {
                places.are_plain = false;
                found = found.outside_quotes(&window, &mut before, eyes);
                // Behind the text's end nothing stands, and nothing is wrong.
                found.strays &= u64::MAX >> (at + WINDOW).saturating_sub(text.len());
            }
            let known = before_first(found.strays);
            let place = u32::try_from(at).unwrap_or(u32::MAX);
            places.delimiters.push::<8>(place, found.delimiters & known);
            places.line_ends.push::<2>(place, found.line_ends & known);
            if found.strays != 0 {
                return false;
            }
        }
        true
    }
}

impl Found {
    #[inline(always)]
    fn outside_quotes(self, window: &[u8; WINDOW], before: &mut Before, eyes: impl Eyes) -> Self {
        let quotes = eyes.places_of(window, [b'"']);
        let inside = parity(quotes) ^ before.open;
        let returns = eyes.places_of(window, [b'\r']) & !inside;
        let (delimiters, line_ends) = (self.delimiters & !inside, self.line_ends & !inside);
        let (cell_ends, closing) = (delimiters | line_ends, quotes & !inside);
        let strays = quotes & inside & !(cell_ends << 1 | before.cell_begins)
            | (closing << 1 | before.closed) & !(cell_ends | returns)
            | (returns << 1 | before.returned) & !line_ends;
        let last = WINDOW - 1;
        *before = Before {
            open: 0_u64.wrapping_sub(inside >> last),
            cell_begins: cell_ends >> last,
            closed: closing >> last,
            returned: returns >> last,
        };
        Self { delimiters, line_ends, strays }
    }
}

/// The bits below the lowest that is set.
const fn before_first(bits: u64) -> u64 {
    !bits & bits.wrapping_sub(1)
}

/// Some of the rows of a text, one behind the other.
struct Rows<'a> {
    /// Where the first begins.
    first: u32,
    /// The place of its first delimiter among all.
    first_delimiter: usize,
    line_ends: &'a [u32],
}

impl Rows<'_> {
    fn starts(&self) -> impl Iterator<Item = u32> {
        iter::once(self.first).chain(self.line_ends.iter().map(|&end| end + 1))
    }

    fn up_to(&self, count: usize) -> Self {
        Self { line_ends: &self.line_ends[..count], ..*self }
    }
}

struct Regular<'a> {
    text: &'a [u8],
    from: u32,
    delimiters: &'a [u32],
    line_ends: &'a [u32],
    /// Delimiters in a row.
    each: usize,
    row_bytes: usize,
}

/// Rows that are looked at before their cells are pushed: their delimiters stay in the first cache.
const ROWS_AT_A_TIME: usize = 128;

impl Regular<'_> {
    /// Pushes the cells of the rows before the first that is not as it should be; gives how many
    /// these are. `line_end` is where a line ends, by where it or its last cell begins and its line
    /// feed; `cell` is what is left of a cell.
    #[inline]
    fn push_rows(
        &self,
        positions: &[usize],
        columns: &mut [Vec<Span>],
        line_end: impl Fn(u32, u32) -> u32 + Copy,
        cell: impl Fn(u32, u32) -> Span + Copy,
    ) -> usize {
        let mut done = 0_usize;
        for line_ends in self.line_ends.chunks(ROWS_AT_A_TIME) {
            let first = done.checked_sub(1).map_or(self.from, |last| self.line_ends[last] + 1);
            let rows = Rows { first, first_delimiter: done * self.each, line_ends };
            let count = self.count_regular(&rows, line_end);
            for (column, &position) in columns.iter_mut().zip(positions) {
                self.push_column(&rows.up_to(count), position, column, line_end, cell);
            }
            done += count;
            if count < line_ends.len() {
                break;
            }
        }
        done
    }

    /// How many rows at the beginning are as they should be.
    #[inline]
    fn count_regular(&self, rows: &Rows<'_>, line_end: impl Fn(u32, u32) -> u32) -> usize {
        let mut next = rows.first_delimiter;
        let is_regular = |&(start, line_feed): &(u32, &u32)| {
            let end = line_end(start, *line_feed);
            // The row's last delimiter stands before its end, and the next row's first behind it.
            let last = (next + self.each).checked_sub(1);
            let is_before = |last| self.delimiters.get(last).is_some_and(|&place| place < end);
            let is_full = self.each == 0 || last.is_some_and(is_before);
            next += self.each;
            let is_over = self.delimiters.get(next).is_none_or(|&place| place > end);
            // A line of nothing is no row.
            is_full && is_over && end > start && (end - start) as usize <= self.row_bytes
        };
        rows.starts().zip(rows.line_ends).take_while(is_regular).count()
    }

    /// Pushes a column's cells of rows that are as they should be.
    #[inline]
    fn push_column(
        &self,
        rows: &Rows<'_>,
        position: usize,
        column: &mut Vec<Span>,
        line_end: impl Fn(u32, u32) -> u32,
        cell: impl Fn(u32, u32) -> Span,
    ) {
        let lines = rows.starts().zip(rows.line_ends);
        if self.each == 0 {
            column.extend(lines.map(|(start, &end)| cell(start, line_end(start, end))));
            return;
        }
        let delimiters = &self.delimiters[rows.first_delimiter..];
        let delimiters = delimiters.chunks_exact(self.each).take(rows.line_ends.len());
        if position == 0 {
            let rows = delimiters.zip(rows.starts());
            column.extend(rows.map(|(delimiters, start)| cell(start, delimiters[0])));
        } else if position < self.each {
            column.extend(delimiters.map(|it| cell(it[position - 1] + 1, it[position])));
        } else {
            column.extend(delimiters.zip(rows.line_ends).map(|(delimiters, &end)| {
                let start = delimiters[position - 1] + 1;
                cell(start, line_end(start, end))
            }));
        }
    }

    #[inline]
    fn without_return(&self, start: u32, end: u32) -> u32 {
        let is_returned = end > start && self.text[end as usize - 1] == b'\r';
        end - u32::from(is_returned)
    }

    /// A cell without the quotes round it.
    #[inline]
    fn unquoted(&self, start: u32, end: u32) -> Span {
        let is_quoted = self.text.get(start as usize) == Some(&b'"');
        Span::between(start + u32::from(is_quoted), end - u32::from(is_quoted))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draws::Draws;

    #[test]
    fn every_level_finds_the_same_places() {
        let mut draws = Draws(7);
        for round in 0..2000 {
            let len = draws.place(400);
            // From nearly plain text to nothing but marks.
            let marks = 2 + round % 40;
            let text: Vec<u8> =
                (0..len).map(|_| *b",\n\"\r".get(draws.place(marks)).unwrap_or(&b'x')).collect();
            let from = draws.place(len + 1);
            let find = |level: Level| {
                let mut found = Places::default();
                let delimiter = Some(b',');
                let finding = Finding { places: &mut found, text: &text, from, delimiter };
                let is_all = level.run(finding);
                let places = [found.delimiters.all().to_vec(), found.line_ends.all().to_vec()];
                (is_all, found.are_plain, places)
            };
            for level in Level::available() {
                assert_eq!(find(level), find(Level::Each), "{level:?}");
            }
        }
    }
}
