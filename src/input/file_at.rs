//! How is a file or an object read at offsets, and digested as the rows go by?
//!
//! For formats that are not read from front to back. Reads never go beyond the end that the file
//! had when it was opened, so a claimed length costs no memory, and share no position.
//!
//! An object in a store is not digested: that would carry over the net what nobody decodes. Its
//! entity tag tells its content instead.

use std::io::{self, BufReader, Read};
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex, PoisonError};

use parquet::errors::ParquetError;
use parquet::file::reader::{ChunkReader, Length};

use super::Meter;
use super::error::{InputError, Place};
use super::object::Object;

const DIGEST_SLICE_BYTES: usize = 1 << 20;

/// A file that is read at offsets, never beyond its end, and remembers why a read failed.
#[derive(Clone)]
pub(super) struct FileAt {
    bytes_at: BytesAt,
    bytes: u64,
    failure: Arc<Mutex<Option<io::Error>>>,
}

#[derive(Clone)]
enum BytesAt {
    File(Arc<std::fs::File>),
    Object(Arc<Object>),
}

impl FileAt {
    pub(super) fn over(file: std::fs::File, bytes: u64) -> Self {
        Self { bytes_at: BytesAt::File(Arc::new(file)), bytes, failure: Arc::default() }
    }

    pub(super) fn over_object(object: Arc<Object>) -> Self {
        let bytes = object.bytes();
        Self { bytes_at: BytesAt::Object(object), bytes, failure: Arc::default() }
    }

    fn is_object(&self) -> bool {
        matches!(self.bytes_at, BytesAt::Object(_))
    }

    pub(super) fn take_failure(&self) -> Option<io::Error> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        match &self.bytes_at {
            BytesAt::File(file) => file.read_exact_at(buf, offset),
            BytesAt::Object(object) => object.read_exact_at(buf, offset),
        }
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        loop {
            let read = match &self.bytes_at {
                BytesAt::File(file) => file.read_at(buf, offset),
                BytesAt::Object(object) => object.read_at(buf, offset),
            };
            match read {
                Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
                Err(cause) => {
                    let kind = cause.kind();
                    let mut failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
                    *failure = Some(cause);
                    return Err(kind.into());
                }
                Ok(count) => return Ok(count),
            }
        }
    }
}

/// Reads on from an offset.
pub(super) struct ReadFrom {
    source: FileAt,
    offset: u64,
}

impl Read for ReadFrom {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let count = self.source.read_at(buf, self.offset)?;
        self.offset += count as u64;
        Ok(count)
    }
}

impl Length for FileAt {
    fn len(&self) -> u64 {
        self.bytes
    }
}

impl ChunkReader for FileAt {
    type T = BufReader<ReadFrom>;

    fn get_read(&self, start: u64) -> parquet::errors::Result<Self::T> {
        Ok(BufReader::new(ReadFrom { source: self.clone(), offset: start }))
    }

    fn get_bytes(&self, start: u64, length: usize) -> parquet::errors::Result<bytes::Bytes> {
        let end = start.saturating_add(length as u64);
        if end > self.bytes {
            return Err(ParquetError::EOF("a part lies beyond the end".to_owned()));
        }
        let mut read = Vec::with_capacity(length);
        let from = ReadFrom { source: self.clone(), offset: start };
        from.take(length as u64).read_to_end(&mut read)?;
        if read.len() != length {
            return Err(ParquetError::EOF("the file became shorter".to_owned()));
        }
        Ok(read.into())
    }
}

/// Digests the file beside the decoding, in step with it; of an object it only counts the bytes.
pub(super) struct DigestPass {
    source: FileAt,
    hasher: blake3::Hasher,
    done: u64,
    slice: Vec<u8>,
    meter: Arc<Meter>,
}

impl DigestPass {
    pub(super) fn over(source: FileAt, meter: Arc<Meter>) -> Self {
        let slice = vec![0; DIGEST_SLICE_BYTES];
        Self { source, hasher: blake3::Hasher::new(), done: 0, slice, meter }
    }

    /// Goes as far into the file as `rows` of `rows_total` are.
    pub(super) fn keep_up(
        &mut self,
        at: &Place,
        rows: u64,
        rows_total: u64,
    ) -> Result<(), InputError> {
        let bytes = u128::from(self.source.bytes) * u128::from(rows.min(rows_total));
        let target = bytes / u128::from(rows_total.max(1));
        while u128::from(self.done) + self.slice.len() as u128 <= target {
            self.step(at)?;
        }
        Ok(())
    }

    /// The digest of the whole file; none of an object.
    pub(super) fn finish(&mut self, at: &Place) -> Result<Option<[u8; 32]>, InputError> {
        while self.done < self.source.bytes {
            self.step(at)?;
        }
        let is_digested = !self.source.is_object();
        Ok(is_digested.then(|| *self.hasher.finalize().as_bytes()))
    }

    fn step(&mut self, at: &Place) -> Result<(), InputError> {
        if self.source.is_object() {
            let bytes = (self.source.bytes - self.done).min(self.slice.len() as u64);
            self.done += bytes;
            self.meter.add_bytes(bytes);
            return Ok(());
        }
        let count = self.source.read_at(&mut self.slice, self.done).map_err(|kind| {
            let cause = self.source.take_failure().unwrap_or(kind);
            at.read_error(cause)
        })?;
        if count == 0 {
            return Err(InputError::ChangedWhileReading { at: at.clone() });
        }
        self.hasher.update(&self.slice[..count]);
        self.done += count as u64;
        self.meter.add_bytes(count as u64);
        Ok(())
    }
}
