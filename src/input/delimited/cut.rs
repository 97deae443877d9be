//! Where can text be cut, so that threads may split the parts?
//!
//! Behind a line end that no quote has open. The reader looks for the last one of each block, and
//! that is all that is done by one thread alone. Whether a quote is open depends on all before it,
//! so nothing is guessed: a block begins at a record, and its quotes are followed from there.
//!
//! Three ways to the same answer, the shorter the more usual the text. Without a quote the last
//! line end will do. Where every quote opens or closes a cell, a quote is open where their number
//! so far is odd. A quote within a cell that has none around it breaks that rule; then records are
//! read one by one.

use memchr::{memchr, memrchr2};

use super::record::{Scan, scan};
use super::structure::{WINDOW, line_ends, parity, window};
use crate::vectors::{Eyes, Kernel, Level};

/// The place behind the last line end of `text` that ends a record; `text` begins with a record.
pub(super) fn last_record_end(text: &[u8], delimiter: Option<u8>) -> Option<usize> {
    let Some(quote) = memchr(b'"', text) else {
        return memrchr2(b'\n', b'\r', text).map(|at| at + 1);
    };
    let by_parity = Level::best().run(ByParity { text, delimiter });
    by_parity.unwrap_or_else(|_| one_by_one(text, delimiter, quote))
}

/// There is a quote that neither opens nor closes a cell.
struct Stray;

/// The place behind the last record, where quotes are as usual.
struct ByParity<'a> {
    text: &'a [u8],
    delimiter: Option<u8>,
}

impl Kernel for ByParity<'_> {
    type Output = Result<Option<usize>, Stray>;

    #[inline(always)]
    fn run(self, eyes: impl Eyes) -> Result<Option<usize>, Stray> {
        let Self { text, delimiter } = self;
        let delimiter = delimiter.unwrap_or(b'\n');
        let mut last = None;
        // All bits are set while a quote is open, the lowest one while the byte before may be followed
        // by a quote that opens: a delimiter, a line end, or the first of two quotes.
        let (mut open, mut may_open) = (0, 1);
        for at in (0..text.len()).step_by(WINDOW) {
            let window = window(text, at);
            let (quotes, ends) = (eyes.places_of(&window, [b'"']), line_ends(eyes, &window));
            let inside = parity(quotes) ^ open;
            let before_cell = quotes | ends | eyes.places_of(&window, [delimiter]);
            if quotes & inside & !(before_cell << 1 | may_open) != 0 {
                return Err(Stray);
            }
            if let Some(bit) = (ends & !inside).checked_ilog2() {
                last = Some(at + bit as usize + 1);
            }
            open = 0_u64.wrapping_sub(inside >> (WINDOW - 1));
            may_open = before_cell >> (WINDOW - 1);
        }
        Ok(last)
    }
}

/// `quote` is the text's first.
fn one_by_one(text: &[u8], delimiter: Option<u8>, quote: usize) -> Option<usize> {
    let mut last = None;
    let mut quote = Some(quote);
    while let Some(at) = quote {
        let from = last.unwrap_or(0);
        let start = memrchr2(b'\n', b'\r', &text[from..at]).map_or(from, |end| from + end + 1);
        match scan(&text[start..], delimiter, false) {
            Scan::Record { len, .. } => last = Some(start + len + 1),
            Scan::Unfinished { .. } => return (start > 0).then_some(start),
        }
        let from = last.unwrap_or(0);
        quote = memchr(b'"', &text[from..]).map(|found| from + found);
    }
    let from = last.unwrap_or(0);
    memrchr2(b'\n', b'\r', &text[from..]).map(|end| from + end + 1).or(last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draws::Draws;

    #[test]
    fn every_level_follows_the_same_quotes() {
        let mut draws = Draws(11);
        let (mut cut, mut strays) = (0, 0);
        for round in 0..4000 {
            // From whole quoted cells to quotes anywhere.
            let pieces: &[&str] = match round % 2 {
                0 => &["\"a,\n\"", ",", "\n", "\r\n", "b", ",\"\"\"c\",", "\n\"d\"\n"],
                _ => &["\"", ",", "\n", "\r", "b", "bbbbbbbbb"],
            };
            let mut text = String::new();
            while text.len() < draws.place(300) {
                text += pieces[draws.place(pieces.len())];
            }
            let end = |level: Level| {
                level.run(ByParity { text: text.as_bytes(), delimiter: Some(b',') }).ok()
            };
            for level in Level::available() {
                assert_eq!(end(level), end(Level::Each), "{level:?}");
            }
            match end(Level::Each) {
                Some(Some(_)) => cut += 1,
                Some(None) => {}
                None => strays += 1,
            }
        }
        assert!(cut > 200 && strays > 200, "{cut} {strays}");
    }
}
