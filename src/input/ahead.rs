//! How does decoding keep out of the way of reading rows?
//!
//! gzip and zstd unpack in order, which nothing can share out; so they do it in a thread of their
//! own, a few blocks ahead of whoever reads the rows. The thread ends with the input, or when
//! nobody reads on.

use std::io::{self, Read};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread;

use super::stream::Bytes;

/// Bytes that are handed over at a time.
const BLOCK_BYTES: usize = 256 << 10;

/// Blocks that may wait to be read.
const BLOCKS_AHEAD: usize = 4;

/// What a stream gives, read ahead by a thread.
pub(super) struct Ahead {
    /// A block that is empty says that the stream has ended.
    filled: Receiver<io::Result<Vec<u8>>>,
    /// Blocks that were read come back to be filled again.
    free: Sender<Vec<u8>>,
    block: Vec<u8>,
    given: usize,
    ended: bool,
}

impl Ahead {
    pub(super) fn of(stream: Bytes) -> io::Result<Self> {
        let (to_reader, filled) = sync_channel(BLOCKS_AHEAD);
        let (free, from_reader) = channel();
        let decode = move || decode(stream, &to_reader, &from_reader);
        thread::Builder::new().name("decode".to_owned()).spawn(decode)?;
        Ok(Self { filled, free, block: vec![], given: 0, ended: false })
    }
}

fn decode(
    mut stream: Bytes,
    to_reader: &SyncSender<io::Result<Vec<u8>>>,
    from_reader: &Receiver<Vec<u8>>,
) {
    loop {
        let mut block = from_reader.try_recv().unwrap_or_default();
        block.resize(BLOCK_BYTES, 0);
        let mut filled = 0;
        let mut failure = None;
        while filled < block.len() {
            match stream.read(&mut block[filled..]) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
                Err(cause) => {
                    failure = Some(cause);
                    break;
                }
            }
        }
        let ended = filled < block.len();
        block.truncate(filled);
        // A fault is told behind what was unpacked before it, as if nobody had read ahead.
        let mut told = filled == 0 || to_reader.send(Ok(block)).is_ok();
        if ended && told {
            told = to_reader.send(failure.map_or(Ok(vec![]), Err)).is_ok();
        }
        if ended || !told {
            return;
        }
    }
}

impl Read for Ahead {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        while self.given == self.block.len() {
            if self.ended {
                return Ok(0);
            }
            // Nobody else listens, so a block that cannot be given back is one too many.
            let _ = self.free.send(std::mem::take(&mut self.block));
            // A thread that died without a word has not come to the end.
            let gone = |_| Err(io::Error::other("the decoding thread has ended"));
            self.block = self.filled.recv().unwrap_or_else(gone)?;
            self.given = 0;
            self.ended = self.block.is_empty();
        }
        let count = buf.len().min(self.block.len() - self.given);
        buf[..count].copy_from_slice(&self.block[self.given..self.given + count]);
        self.given += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives so many bytes, then fails, or panics.
    struct Faulty(usize, fn() -> io::Result<usize>);

    impl Read for Faulty {
        fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
            if self.0 == 0 {
                return (self.1)();
            }
            let count = buf.len().min(self.0).min(1000);
            buf[..count].fill(b'7');
            self.0 -= count;
            Ok(count)
        }
    }

    fn read(bytes: usize, end: fn() -> io::Result<usize>) -> (Vec<u8>, io::Result<usize>) {
        let mut ahead = Ahead::of(Box::new(Faulty(bytes, end))).unwrap();
        let mut read = vec![];
        let ended = ahead.read_to_end(&mut read);
        (read, ended)
    }

    #[test]
    fn everything_arrives_and_then_the_end() {
        for bytes in [0, 1, BLOCK_BYTES, 9 * BLOCK_BYTES + 1] {
            let (read, ended) = read(bytes, || Ok(0));
            assert_eq!((read.len(), ended.unwrap()), (bytes, bytes));
        }
    }

    #[test]
    fn a_fault_is_told_behind_what_came_before_it() {
        let (read, ended) = read(BLOCK_BYTES + 5, || Err(io::Error::other("injected")));
        assert_eq!(
            (read.len(), ended.unwrap_err().to_string().as_str()),
            (BLOCK_BYTES + 5, "injected")
        );
    }

    #[test]
    fn a_thread_that_dies_is_no_end() {
        let (_, ended) = read(5, || panic!("on purpose"));
        assert!(ended.is_err());
    }

    #[test]
    fn a_reader_that_goes_away_ends_the_thread() {
        let mut ahead = Ahead::of(Box::new(io::repeat(b'7'))).unwrap();
        assert_eq!(ahead.read(&mut [0; 10]).unwrap(), 10);
    }
}
