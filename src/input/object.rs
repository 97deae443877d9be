//! How is an object in a store read, from front to back or at offsets?
//!
//! As the version that it was when it was opened: each request names its entity tag, so an object
//! that is replaced meanwhile is an error and never half of each. Front to back a few requests are
//! under way while the rows that came before are read. At offsets, for Parquet, whole blocks are
//! read and the last ones kept, since a decoder asks for a few bytes at a time. Nothing is ever put
//! on disk: what is read here holds numbers in the clear.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use bytes::Bytes;

use super::error::{InputError, Place};
use crate::store::{Fetch, ObjectFacts, ObjectUrl, Store, StoreError};

/// Bytes of one request, front to back. A store takes some tens of milliseconds to begin an
/// answer, in which a line of a gigabit carries as much.
const CHUNK_BYTES: u64 = 4 << 20;

/// Requests under way.
const CHUNKS_AHEAD: usize = 4;

/// Bytes of one request at offsets: a page as Parquet's writers make it.
const BLOCK_BYTES: u64 = 1 << 20;

/// Blocks that are kept: for each of a dozen threads one of each of five columns.
const BLOCKS_KEPT: usize = 64;

/// An object that was opened.
pub(super) struct Object {
    store: Store,
    key: String,
    facts: ObjectFacts,
    /// The last to be asked for stands last.
    blocks: Mutex<VecDeque<(u64, Arc<Block>)>>,
}

/// A block; empty until the first who asks for it has read it.
#[derive(Default)]
struct Block(Mutex<Option<Bytes>>);

impl Object {
    pub(super) fn open(at: &Place, url: &ObjectUrl) -> Result<Self, InputError> {
        let failed = |cause| at.store_error(cause);
        let store = Store::open(url).map_err(failed)?;
        let facts = store.facts(url.key()).map_err(failed)?;
        Ok(Self { store, key: url.key().to_owned(), facts, blocks: Mutex::default() })
    }

    pub(super) const fn bytes(&self) -> u64 {
        self.facts.bytes
    }

    pub(super) const fn modified(&self) -> SystemTime {
        self.facts.modified
    }

    pub(super) fn tag(&self) -> &str {
        &self.facts.tag
    }

    /// Reads at an offset; fewer bytes than there is room for where a block ends, and none behind
    /// the object's end.
    pub(super) fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        if offset >= self.bytes() || buf.is_empty() {
            return Ok(0);
        }
        let block = self.block(offset / BLOCK_BYTES).map_err(into_io)?;
        let within = usize::try_from(offset % BLOCK_BYTES).unwrap_or(usize::MAX);
        let rest = block.get(within..).unwrap_or_default();
        let count = rest.len().min(buf.len());
        buf[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }

    /// Reads so many bytes and no more: a look at either end of an object is to cost little.
    pub(super) fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        if buf.is_empty() {
            return Ok(());
        }
        let bytes = self.fetch(offset, buf.len() as u64).wait().map_err(into_io)?;
        if bytes.len() != buf.len() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        buf.copy_from_slice(&bytes);
        Ok(())
    }

    fn block(&self, number: u64) -> Result<Bytes, StoreError> {
        let block = {
            let mut blocks = self.blocks.lock().unwrap_or_else(PoisonError::into_inner);
            let found = blocks.iter().position(|(other, _)| *other == number);
            let block = found.and_then(|at| blocks.remove(at)).map(|(_, block)| block);
            let block = block.unwrap_or_default();
            while blocks.len() >= BLOCKS_KEPT {
                blocks.pop_front();
            }
            blocks.push_back((number, Arc::clone(&block)));
            block
        };
        // Who wants the same block waits here, and whoever wants another one does not.
        let mut held = block.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bytes) = &*held {
            return Ok(bytes.clone());
        }
        let bytes = self.fetch(number * BLOCK_BYTES, BLOCK_BYTES).wait()?;
        *held = Some(bytes.clone());
        Ok(bytes)
    }

    fn fetch(&self, start: u64, bytes: u64) -> Fetch {
        let end = self.bytes().min(start + bytes);
        self.store.fetch(&self.key, self.tag(), start..end)
    }
}

/// Reads an object from front to back.
pub(super) struct ObjectReader {
    under_way: VecDeque<Fetch>,
    /// Where the next request begins.
    next: u64,
    chunk: Bytes,
    // Behind what it serves: a store that is gone answers nobody.
    object: Arc<Object>,
}

impl ObjectReader {
    pub(super) const fn over(object: Arc<Object>) -> Self {
        Self { under_way: VecDeque::new(), next: 0, chunk: Bytes::new(), object }
    }
}

impl Read for ObjectReader {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.chunk.is_empty() {
            while self.under_way.len() < CHUNKS_AHEAD && self.next < self.object.bytes() {
                self.under_way.push_back(self.object.fetch(self.next, CHUNK_BYTES));
                self.next += CHUNK_BYTES;
            }
            let Some(first) = self.under_way.pop_front() else { return Ok(0) };
            self.chunk = first.wait().map_err(into_io)?;
        }
        let count = buf.len().min(self.chunk.len());
        buf[..count].copy_from_slice(&self.chunk.split_to(count));
        Ok(count)
    }
}

/// A store's error on its way through layers that know the system's errors only.
fn into_io(cause: StoreError) -> io::Error {
    io::Error::other(cause)
}
