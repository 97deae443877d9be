//! What text has not been read yet?
//!
//! A buffer over the unpacked stream that keeps one record together and grows only as far as the
//! caller lets it: a row reader that needs more than its limit stops instead of filling again.
//! Whole records are handed on in the buffer that they were read into.

use std::io::{self, Read};
use std::ops::Range;

use super::stream::Bytes;

/// A buffer of no length would never be filled.
const LEAST_BYTES: usize = 64;

/// A part of the text, with the buffer that it was read into.
pub(super) struct Block {
    pub(super) bytes: Vec<u8>,
    pub(super) range: Range<usize>,
}

/// The text of an input, from the record that is to be read next.
pub(super) struct Text {
    source: Bytes,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    ended: bool,
    last: Option<u8>,
}

impl Text {
    pub(super) fn over(source: Bytes) -> Self {
        Self { source, buffer: vec![], start: 0, end: 0, ended: false, last: None }
    }

    pub(super) fn unread(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// Whether nothing follows [`Text::unread`].
    pub(super) fn ended(&self) -> bool {
        self.ended
    }

    pub(super) fn consume(&mut self, count: usize) {
        self.start = (self.start + count).min(self.end);
    }

    /// Makes [`Text::unread`] longer, to `reach` bytes where there are so many, or finds that the
    /// text has ended.
    ///
    /// Fills the whole buffer, and doubles one that is full, so that a record that needs several fills
    /// is scanned again only each time the buffer doubles.
    pub(super) fn fill(&mut self, reach: usize) -> io::Result<()> {
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        let is_full = self.end == self.buffer.len();
        let doubled = if is_full { self.buffer.len() * 2 } else { 0 };
        let len = reach.max(doubled).max(LEAST_BYTES);
        if self.buffer.len() < len {
            self.buffer.resize(len, 0);
        }
        while !self.ended && self.end < self.buffer.len() {
            let count = self.source.read(&mut self.buffer[self.end..])?;
            self.end += count;
            match self.buffer[..self.end].last() {
                Some(&last) if count > 0 => self.last = Some(last),
                _ => self.ended = true,
            }
        }
        Ok(())
    }

    /// Takes the first bytes of [`Text::unread`] off as a block of their own, without copying them;
    /// what is left goes on in `next`.
    pub(super) fn split_off(&mut self, len: usize, mut next: Vec<u8>) -> Block {
        let range = self.start..self.start + len;
        let rest = &self.buffer[range.end..self.end];
        if next.len() < rest.len() {
            next.resize(rest.len(), 0);
        }
        next[..rest.len()].copy_from_slice(rest);
        (self.start, self.end) = (0, rest.len());
        Block { bytes: std::mem::replace(&mut self.buffer, next), range }
    }

    /// Moves on to the next line that is not empty; false when there is none.
    pub(super) fn skip_empty_lines(&mut self) -> io::Result<bool> {
        loop {
            let unread = &self.buffer[self.start..self.end];
            match unread.iter().position(|b| !matches!(b, b'\n' | b'\r')) {
                Some(count) => {
                    self.start += count;
                    return Ok(true);
                }
                None if self.ended => {
                    self.start = self.end;
                    return Ok(false);
                }
                None => {
                    self.start = self.end;
                    self.fill(0)?;
                }
            }
        }
    }

    /// Whether the last byte of all is a line end; known when the text has ended.
    pub(super) fn ended_with_line_end(&self) -> bool {
        matches!(self.last, Some(b'\n' | b'\r'))
    }
}
