//! How is a file read at offsets, and digested as the rows go by?
//!
//! For formats that are not read from front to back. Reads never go beyond the end that the file
//! had when it was opened, so a claimed length costs no memory, and share no position.

use std::io::{self, BufReader, Read};
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex, PoisonError};

use parquet::errors::ParquetError;
use parquet::file::reader::{ChunkReader, Length};

use super::Meter;
use super::error::{InputError, Place};

const DIGEST_SLICE_BYTES: usize = 1 << 20;

/// A file that is read at offsets, never beyond its end, and remembers why a read failed.
#[derive(Clone)]
pub(super) struct FileAt {
    file: Arc<std::fs::File>,
    bytes: u64,
    failure: Arc<Mutex<Option<io::Error>>>,
}

impl FileAt {
    pub(super) fn over(file: std::fs::File, bytes: u64) -> Self {
        Self { file: Arc::new(file), bytes, failure: Arc::default() }
    }

    pub(super) fn take_failure(&self) -> Option<io::Error> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        self.file.read_exact_at(buf, offset)
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        loop {
            match self.file.read_at(buf, offset) {
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

/// Digests the file beside the decoding, in step with it.
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

    pub(super) fn finish(&mut self, at: &Place) -> Result<[u8; 32], InputError> {
        while self.done < self.source.bytes {
            self.step(at)?;
        }
        Ok(*self.hasher.finalize().as_bytes())
    }

    fn step(&mut self, at: &Place) -> Result<(), InputError> {
        let count = self.source.read_at(&mut self.slice, self.done).map_err(|kind| {
            let cause = self.source.take_failure().unwrap_or(kind);
            InputError::ReadFailed { at: at.clone(), cause }
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
