//! How do stored bytes become text bytes?
//!
//! From the bottom: [`Tee`] takes the digest and counts what passes; a decoder told by magic bytes
//! unpacks gzip (any number of members) or zstd (any number of frames); [`Unpacked`] refuses what
//! unpacks to an implausible size; [`Ahead`] does all that in a thread of its own where there is
//! something to unpack; [`Utf16`] transcodes. Everything streams, so memory does not
//! depend on the size of the file. gzip follows RFC 1952, zstd RFC 8878.
//!
//! zstd windows beyond 128 MiB (`--long` above 27) are refused, as the reference tool does.

use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use flate2::bufread::GzDecoder;

use super::ahead::Ahead;
use super::error::StreamFault;
use super::{Compression, Encoding, Meter};

pub(super) type Bytes = Box<dyn Read + Send>;

const BUFFER_BYTES: usize = 128 * 1024;

/// Below so many unpacked bytes nothing is a bomb.
const BOMB_FLOOR_BYTES: u64 = 1 << 30;

/// deflate cannot pack tighter than 1032 to 1; tables pack a tenth as tight at their best.
const BOMB_RATIO: u64 = 1000;

/// What passed through a [`Tee`].
#[derive(Default, Debug)]
pub(super) struct Tally {
    bytes: AtomicU64,
    failed: AtomicBool,
    hasher: Mutex<blake3::Hasher>,
}

impl Tally {
    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    pub(super) fn digest(&self) -> [u8; 32] {
        *self.hasher.lock().unwrap_or_else(PoisonError::into_inner).finalize().as_bytes()
    }

    fn failed(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }
}

/// Passes stored bytes on, and digests and counts them.
struct Tee {
    inner: Bytes,
    tally: Arc<Tally>,
    meter: Arc<Meter>,
}

impl Read for Tee {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let read = loop {
            match self.inner.read(buf) {
                Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
                other => break other,
            }
        };
        match read {
            Ok(count) => {
                let bytes = count as u64;
                self.tally.bytes.fetch_add(bytes, Ordering::Relaxed);
                self.meter.add_bytes(bytes);
                let hasher = self.tally.hasher.lock();
                hasher.unwrap_or_else(PoisonError::into_inner).update(&buf[..count]);
            }
            // Tells the decoder's layer that the fault is not the data's.
            Err(_) => self.tally.failed.store(true, Ordering::Relaxed),
        }
        read
    }
}

/// A stream whose beginning was looked at.
struct Peeked {
    head: Vec<u8>,
    rest: Bytes,
}

impl Peeked {
    /// Looks at up to `wanted` bytes, however few the reader gives at a time.
    fn at(mut rest: Bytes, wanted: u64) -> io::Result<Self> {
        let mut head = vec![];
        (&mut rest).take(wanted).read_to_end(&mut head)?;
        Ok(Self { head, rest })
    }

    fn whole(self, skip: usize) -> Bytes {
        let mut head = Cursor::new(self.head);
        head.set_position(skip as u64);
        Box::new(head.chain(self.rest))
    }
}

/// An unpacked stream and what was found on the way to it.
pub(super) struct Opened {
    pub(super) bytes: Bytes,
    /// The first unpacked bytes, up to eight.
    pub(super) head: Vec<u8>,
    pub(super) compression: Compression,
    pub(super) tally: Arc<Tally>,
}

/// Unpacks a stream by its magic bytes.
pub(super) fn unpack(inner: Bytes, meter: Arc<Meter>) -> io::Result<Opened> {
    let tally = Arc::new(Tally::default());
    let tee = Tee { inner, tally: Arc::clone(&tally), meter };
    let stored = Peeked::at(Box::new(tee), 4)?;
    let compression = packing(&stored.head);
    if matches!(stored.head[..], [0x1f] | [0x28, 0xb5] | [0x28, 0xb5, 0x2f]) {
        return Err(StreamFault::Truncated("it ends within its first bytes").into_io());
    }
    let stored = stored.whole(0);
    let bytes: Bytes = match compression {
        Compression::None => stored,
        Compression::Gzip => {
            let stored = BufReader::with_capacity(BUFFER_BYTES, stored);
            let members = GzipMembers { member: Some(GzDecoder::new(stored)) };
            Box::new(Unpacked::new(Box::new(members), &tally))
        }
        Compression::Zstd => {
            let stored = BufReader::with_capacity(BUFFER_BYTES, stored);
            let frames = zstd::stream::read::Decoder::with_buffer(stored)?;
            Box::new(Unpacked::new(Box::new(frames), &tally))
        }
    };
    let unpacked = Peeked::at(bytes, 8)?;
    let head = unpacked.head.clone();
    let bytes = match compression {
        Compression::None => unpacked.whole(0),
        Compression::Gzip | Compression::Zstd => Box::new(Ahead::of(unpacked.whole(0))?),
    };
    Ok(Opened { bytes, head, compression, tally })
}

/// Which compression a stream begins with.
pub(super) fn packing(head: &[u8]) -> Compression {
    match head {
        [0x1f, 0x8b, ..] => Compression::Gzip,
        // A frame, or a skippable one, with which some tools begin.
        [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Compression::Zstd,
        _ => Compression::None,
    }
}

/// The members of a gzip file, one after the other.
///
/// Not `flate2`'s own multi-member reader, which gives the same error for bytes behind the last
/// member as for a damaged one.
struct GzipMembers<R> {
    member: Option<GzDecoder<R>>,
}

impl<R: BufRead> Read for GzipMembers<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        while let Some(member) = self.member.as_mut() {
            let count = member.read(buf)?;
            if count > 0 || buf.is_empty() {
                return Ok(count);
            }
            let Some(mut rest) = self.member.take().map(GzDecoder::into_inner) else { break };
            match rest.fill_buf()?.first() {
                None => break,
                Some(0x1f) => self.member = Some(GzDecoder::new(rest)),
                Some(_) => {
                    let fault = StreamFault::Corrupt("there are bytes behind the gzip data");
                    return Err(fault.into_io());
                }
            }
        }
        Ok(0)
    }
}

/// Counts what a decoder gives, and says what its errors mean.
struct Unpacked {
    decoder: Bytes,
    tally: Arc<Tally>,
    bytes: u64,
}

impl Unpacked {
    fn new(decoder: Bytes, tally: &Arc<Tally>) -> Self {
        Self { decoder, tally: Arc::clone(tally), bytes: 0 }
    }

    fn explain(&self, cause: io::Error) -> io::Error {
        let named =
            cause.get_ref().is_some_and(<dyn std::error::Error + Send + Sync>::is::<StreamFault>);
        if named || self.tally.failed() {
            return cause;
        }
        let fault = match cause.kind() {
            io::ErrorKind::UnexpectedEof => {
                StreamFault::Truncated("its packed data ends too early")
            }
            _ => StreamFault::Corrupt("its packed data cannot be unpacked"),
        };
        fault.into_io()
    }
}

impl Read for Unpacked {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let count = self.decoder.read(buf).map_err(|cause| self.explain(cause))?;
        self.bytes += count as u64;
        let plausible = self.tally.bytes().saturating_mul(BOMB_RATIO).max(BOMB_FLOOR_BYTES);
        if self.bytes > plausible {
            return Err(StreamFault::Bomb("over 1000 times its stored size").into_io());
        }
        Ok(count)
    }
}

/// Takes the byte order mark off, and transcodes UTF-16 to UTF-8.
pub(super) fn text(opened: Bytes) -> io::Result<(Bytes, Encoding)> {
    let peeked = Peeked::at(opened, 3)?;
    Ok(match peeked.head[..] {
        [0xef, 0xbb, 0xbf] => (peeked.whole(3), Encoding::Utf8Bom),
        [0xff, 0xfe, ..] => {
            (Utf16::over(peeked.whole(2), encoding_rs::UTF_16LE), Encoding::Utf16Le)
        }
        [0xfe, 0xff, ..] => {
            (Utf16::over(peeked.whole(2), encoding_rs::UTF_16BE), Encoding::Utf16Be)
        }
        _ => (peeked.whole(0), Encoding::Utf8),
    })
}

/// Gives UTF-16 as UTF-8; a unit without its pair becomes U+FFFD, which is no digit.
struct Utf16 {
    units: Bytes,
    decoder: encoding_rs::Decoder,
    stored: Vec<u8>,
    /// The part of `stored` that is not decoded yet.
    pending: std::ops::Range<usize>,
    text: Vec<u8>,
    given: usize,
    ended: bool,
}

impl Utf16 {
    fn over(units: Bytes, encoding: &'static encoding_rs::Encoding) -> Bytes {
        Box::new(Self {
            units,
            decoder: encoding.new_decoder_without_bom_handling(),
            stored: vec![0; BUFFER_BYTES],
            pending: 0..0,
            text: vec![],
            given: 0,
            ended: false,
        })
    }

    fn decode(&mut self) -> io::Result<()> {
        if self.pending.is_empty() && !self.ended {
            let count = self.units.read(&mut self.stored)?;
            self.pending = 0..count;
            self.ended = count == 0;
        }
        self.text.resize(BUFFER_BYTES, 0);
        let source = &self.stored[self.pending.clone()];
        let (_, read, written, _) = self.decoder.decode_to_utf8(source, &mut self.text, self.ended);
        self.pending.start += read;
        self.text.truncate(written);
        self.given = 0;
        Ok(())
    }
}

impl Read for Utf16 {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        while self.given == self.text.len() {
            if self.ended {
                return Ok(0);
            }
            self.decode()?;
        }
        let count = buf.len().min(self.text.len() - self.given);
        buf[..count].copy_from_slice(&self.text[self.given..self.given + count]);
        self.given += count;
        Ok(count)
    }
}
