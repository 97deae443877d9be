//! What text has not been read yet?
//!
//! A buffer over the unpacked stream that keeps one record together and grows only as far as the
//! caller lets it: a row reader that needs more than its limit stops instead of filling again.

use std::io::{self, Read};

use super::stream::Bytes;

const FIRST_BYTES: usize = 256 * 1024;

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
        let buffer = vec![0; FIRST_BYTES];
        Self { source, buffer, start: 0, end: 0, ended: false, last: None }
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

    /// Makes [`Text::unread`] longer, or finds that the text has ended.
    ///
    /// Fills the whole buffer, so that a record that needs several fills is scanned again only each
    /// time the buffer doubles.
    pub(super) fn fill(&mut self) -> io::Result<()> {
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        if self.end == self.buffer.len() {
            self.buffer.resize(self.buffer.len() * 2, 0);
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
                    self.fill()?;
                }
            }
        }
    }

    /// Whether the last byte of all is a line end; known when the text has ended.
    pub(super) fn ended_with_line_end(&self) -> bool {
        matches!(self.last, Some(b'\n' | b'\r'))
    }
}
