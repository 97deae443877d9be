//! Which reader does an input need, and was it whole?
//!
//! [`open`] tells format, compression and encoding from the bytes alone, never from the name. A
//! [`BatchReader`] gives the rows; [`BatchReader::finish`] reads what is left, makes sure that the
//! file is still the one that was opened, and gives the digest.
//!
//! One thread alone asks for [`BatchReader::next_batch`]. Several draw parts, split them, and tell
//! the reader in the parts' order what they came to: [`BatchReader::next_part`],
//! [`BatchReader::splitter`], [`BatchReader::count`] and [`BatchReader::fail`].

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::SystemTime;

use super::awaited::Awaited;
use super::batch::Batch;
use super::delimited::Delimited;
use super::error::{InputError, Place};
use super::file_at::FileAt;
use super::files::OpenFile;
use super::footer;
use super::header::ColumnsFound;
use super::ndjson::JsonLines;
use super::object::{Object, ObjectReader};
use super::parquet::ParquetRows;
use super::part::{Batches, Part, Spares, Splitter, SplitterKind, Stored, Unplaced};
use super::stream::{self, Bytes, Tally};
use super::text::Text;
use super::{Compression, Encoding, Format, Limits, Location, Meter, Source};

/// Hands out the rows of one input, batch by batch.
pub struct BatchReader {
    at: Place,
    rows: Rows,
    /// Read ahead by [`open`], which needs the first rows of NDJSON to know its columns.
    ahead: Option<Batch>,
    /// What [`BatchReader::next_batch`] has begun to split.
    begun: Option<Batches>,
    spares: Spares,
    origin: Origin,
    /// What passes on the way to a text format.
    tally: Option<Arc<Tally>>,
    compression: Compression,
    encoding: Encoding,
    meter: Arc<Meter>,
    rows_read: u64,
    state: State,
}

/// What the bytes come from, and what it was when it was opened.
enum Origin {
    Stream,
    File(OpenFile),
    Object(Arc<Object>),
}

enum Rows {
    Delimited(Box<Delimited>),
    Ndjson(Box<JsonLines>),
    Parquet(Box<ParquetRows>),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Reading,
    Ended,
    Failed,
}

/// What is known of an input that was read to its end.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Facts {
    /// Rows that were handed out, malformed ones with them.
    pub rows: u64,
    /// The size of the input as it is stored.
    pub bytes_read: u64,
    /// BLAKE3 of the bytes as they are stored; none for a Parquet object in a store, of which only
    /// the columns that are wanted are read.
    pub digest: Option<[u8; 32]>,
    /// What its store tells an object's content by; none for what is in no store.
    pub entity_tag: Option<String>,
    /// How rows are written down.
    pub format: Format,
    /// How the file is packed.
    pub compression: Compression,
    /// How its text is encoded; UTF-8 for Parquet.
    pub encoding: Encoding,
    /// What parts the cells of a line; none when there is one column, or no lines.
    pub delimiter: Option<u8>,
    /// Whether the last line has an end; none for Parquet. Without one the file may be cut short.
    pub ended_with_line_end: Option<bool>,
    /// When the file was last modified; none for standard input.
    pub modified: Option<SystemTime>,
}

/// How long an input is, as far as that shows before it is read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Extent {
    /// So many rows, as its footer says; no more than it has bytes, whatever that says.
    Rows(u64),
    /// So many bytes of UTF-8.
    Text(u64),
    /// A stream, or packed, or in another encoding.
    Unknown,
}

impl Extent {
    /// About how many rows there are when all are like those of a batch.
    #[must_use]
    pub fn rows_at(self, batch: &Batch) -> Option<u64> {
        match self {
            Self::Rows(rows) => Some(rows),
            Self::Text(bytes) => {
                let rows = u128::from(bytes) * batch.len() as u128;
                u64::try_from(rows / batch.text_bytes().max(1) as u128).ok()
            }
            Self::Unknown => None,
        }
    }
}

impl Facts {
    /// Whether two readings of one input were of the same content.
    #[must_use]
    pub fn is_same_content(&self, other: &Self) -> bool {
        self.digest == other.digest && self.entity_tag == other.entity_tag
    }
}

/// Opens an input and finds its columns.
///
/// # Errors
/// Everything that shows in the file's frame, its header and, for NDJSON, its first batch.
pub fn open(source: &Source, meter: Arc<Meter>) -> Result<BatchReader, InputError> {
    let at = source.place();
    let unreadable = |cause| InputError::Unreadable { at: at.clone(), cause };
    let path = match &source.location {
        Location::Path(path) => path,
        Location::Stdin => {
            let stdin = Awaited::stdin(Arc::clone(&meter)).map_err(unreadable)?;
            return open_stream(source, Box::new(stdin), meter);
        }
        Location::Object(url) => return open_object(source, Object::open(&at, url)?, meter),
    };
    let file = OpenFile::open(&at, path)?;
    let clone = || file.file.try_clone().map_err(unreadable);
    let bytes = FileAt::over(clone()?, file.bytes());
    let mut reader = if is_parquet(&bytes).map_err(unreadable)? {
        open_parquet(source, bytes, source.limits, meter)?
    } else {
        open_stream(source, Box::new(clone()?), meter)?
    };
    reader.origin = Origin::File(file);
    Ok(reader)
}

fn open_object(
    source: &Source,
    object: Object,
    meter: Arc<Meter>,
) -> Result<BatchReader, InputError> {
    let object = Arc::new(object);
    let bytes = FileAt::over_object(Arc::clone(&object));
    let mut reader = if is_parquet(&bytes).map_err(|cause| source.place().read_error(cause))? {
        // A thread that passes over the rows before its own would read their pages' heads, and with
        // them the blocks that they are in, over the net: a row group is shared out whole.
        let limits = Limits { part_rows: u64::MAX, ..source.limits };
        open_parquet(source, bytes, limits, meter)?
    } else {
        open_stream(source, Box::new(ObjectReader::over(Arc::clone(&object))), meter)?
    };
    reader.origin = Origin::Object(object);
    Ok(reader)
}

fn open_parquet(
    source: &Source,
    bytes: FileAt,
    limits: Limits,
    meter: Arc<Meter>,
) -> Result<BatchReader, InputError> {
    let at = source.place();
    let limits = limits.within_reach();
    let rows = ParquetRows::open(&at, bytes, &source.wants, limits, Arc::clone(&meter))?;
    Ok(BatchReader {
        at,
        rows: Rows::Parquet(Box::new(rows)),
        ahead: None,
        begun: None,
        spares: Spares::default(),
        origin: Origin::Stream,
        tally: None,
        compression: Compression::None,
        encoding: Encoding::Utf8,
        meter,
        rows_read: 0,
        state: State::Reading,
    })
}

/// Opens an input whose bytes the caller holds; the source's location only names it in errors.
///
/// # Errors
/// As [`open`]; Parquet cannot be read from a stream.
pub fn open_stream(
    source: &Source,
    bytes: Box<dyn io::Read + Send>,
    meter: Arc<Meter>,
) -> Result<BatchReader, InputError> {
    let at = source.place();
    let read_error = |cause| at.read_error(cause);
    let opened = stream::unpack(bytes, Arc::clone(&meter)).map_err(read_error)?;
    let compression = opened.compression;
    refuse_other_formats(&at, &opened.head, compression)?;
    let (bytes, encoding) = stream::text(opened.bytes).map_err(read_error)?;
    let mut reader = BatchReader {
        rows: rows_of_text(&at, source, bytes)?,
        at,
        ahead: None,
        begun: None,
        spares: Spares::default(),
        origin: Origin::Stream,
        tally: Some(opened.tally),
        compression,
        encoding,
        meter,
        rows_read: 0,
        state: State::Reading,
    };
    if let Rows::Ndjson(rows) = &mut reader.rows {
        reader.ahead = rows.next_batch()?;
    }
    Ok(reader)
}

fn rows_of_text(at: &Place, source: &Source, bytes: Bytes) -> Result<Rows, InputError> {
    let read_error = |cause| at.read_error(cause);
    let limits = source.limits.within_reach();
    let mut text = Text::over(bytes);
    text.fill(limits.block_bytes).map_err(read_error)?;
    let begun = text.skip_empty_lines().map_err(read_error)?;
    if !begun || (text.ended() && text.unread().trim_ascii().is_empty()) {
        return Err(InputError::Empty { at: at.clone() });
    }
    match text.unread().trim_ascii_start() {
        [b'{', ..] => {
            let rows = JsonLines::open(at, &source.wants, limits, text);
            Ok(Rows::Ndjson(Box::new(rows)))
        }
        [b'[', ..] => {
            let found = "a JSON array, not one object to a line";
            Err(InputError::UnknownFormat { at: at.clone(), found })
        }
        _ => Delimited::open(at, &source.wants, limits, text)
            .map(|rows| Rows::Delimited(Box::new(rows))),
    }
}

/// Whether a file is Parquet at either end: one damaged at its beginning is not taken for text.
fn is_parquet(file: &FileAt) -> io::Result<bool> {
    let (mut head, mut tail) = ([0; 4], [0; 8]);
    let Some(last) = file.bytes().checked_sub(8) else {
        if file.bytes() >= 4 {
            file.read_exact_at(&mut head, 0)?;
        }
        return Ok(footer::MAGICS.contains(&head));
    };
    file.read_exact_at(&mut head, 0)?;
    file.read_exact_at(&mut tail, last)?;
    let [a, b, c, d, magic @ ..] = tail;
    // A text may end in these letters, but four letters before them are no length that fits.
    let fits = u64::from(u32::from_le_bytes([a, b, c, d])) <= last;
    Ok(footer::MAGICS.contains(&head) || (fits && footer::MAGICS.contains(&magic)))
}

fn refuse_other_formats(
    at: &Place,
    head: &[u8],
    compression: Compression,
) -> Result<(), InputError> {
    let at = || at.clone();
    let packing = match compression {
        Compression::None => None,
        Compression::Gzip => Some("gzip"),
        Compression::Zstd => Some("zstd"),
    };
    let found = match head {
        [] => return Err(InputError::Empty { at: at() }),
        [b'P', b'A', b'R', b'1' | b'E', ..] => {
            return Err(match packing {
                Some(packing) => InputError::PackedParquet { at: at(), packing },
                None => InputError::StdinParquet { at: at() },
            });
        }
        [b'P', b'K', 3, 4, ..] => "a zip archive or an Excel workbook",
        [0xd0, 0xcf, 0x11, 0xe0, ..] => "an old Excel workbook",
        [b'B', b'Z', b'h', b'1'..=b'9', ..] => "packed with bzip2",
        [0xfd, b'7', b'z', b'X', b'Z', ..] => "packed with xz",
        [0x04, 0x22, 0x4d, 0x18, ..] => "packed with lz4",
        [b'O', b'b', b'j', 1, ..] => "Avro",
        [b'A', b'R', b'R', b'O', b'W', b'1', ..] => "an Arrow file",
        [b'%', b'P', b'D', b'F', ..] => "a PDF",
        _ if packing.is_some() && stream::packing(head) != Compression::None => "packed twice",
        _ => return Ok(()),
    };
    Err(InputError::UnknownFormat { at: at(), found })
}

impl BatchReader {
    /// The next rows, in order; none at the end.
    ///
    /// # Errors
    /// What is wrong with the input; after that nothing more is read from it.
    pub fn next_batch(&mut self) -> Result<Option<Batch>, InputError> {
        let mut batch = Batch::default();
        loop {
            if let Some(mut begun) = self.begun.take()
                && begun.next_into(&mut batch).map_err(|error| self.fail(error))?
            {
                self.begun = Some(begun);
                self.count(batch.len() as u64);
                return Ok(Some(batch));
            }
            let Some(part) = self.next_part().map_err(|error| self.fail(error))? else {
                return Ok(None);
            };
            let begun = self.splitter().begin(part);
            self.begun = Some(begun.map_err(|error| self.fail(error))?);
        }
    }

    /// The next rows as they are stored, to be split by [`BatchReader::splitter`]; none at the end.
    ///
    /// # Errors
    /// What is wrong with the input, to be given to [`BatchReader::fail`].
    pub fn next_part(&mut self) -> Result<Option<Part>, Unplaced> {
        match self.state {
            State::Failed => {
                return Err(Unplaced::new(InputError::AlreadyFailed { at: self.at.clone() }));
            }
            State::Ended => return Ok(None),
            State::Reading => {}
        }
        let next = match (self.ahead.take(), &mut self.rows) {
            (Some(batch), _) => Ok(Some(Stored::Split(Box::new(batch)))),
            (None, Rows::Delimited(rows)) => {
                rows.next_part(|| self.spares.take()).map(|block| block.map(Stored::Text))
            }
            (None, Rows::Ndjson(rows)) => {
                let batch = rows.next_batch().map_err(Unplaced::new);
                batch.map(|batch| batch.map(|batch| Stored::Split(Box::new(batch))))
            }
            (None, Rows::Parquet(rows)) => rows.next_part().map(|range| range.map(Stored::Rows)),
        };
        match &next {
            Ok(Some(_)) => {}
            Ok(None) => self.state = State::Ended,
            Err(_) => self.state = State::Failed,
        }
        next.map(|stored| stored.map(Part))
    }

    /// Splits this input's parts, on any thread.
    #[must_use]
    pub fn splitter(&self) -> Splitter {
        let kind = match &self.rows {
            Rows::Delimited(rows) => SplitterKind::Text(rows.splitter()),
            Rows::Ndjson(_) => SplitterKind::Split,
            Rows::Parquet(rows) => SplitterKind::Rows(rows.splitter()),
        };
        Splitter { kind, spares: self.spares.clone() }
    }

    /// Counts rows of a part that were split, in the order of the parts.
    pub fn count(&mut self, rows: u64) {
        self.rows_read += rows;
        self.meter.add_rows(rows);
    }

    /// Rows that were counted so far.
    #[must_use]
    pub fn rows_read(&self) -> u64 {
        self.rows_read
    }

    /// Gives an error its row, when all batches before it were counted; nothing more is read.
    pub fn fail(&mut self, error: Unplaced) -> InputError {
        self.state = State::Failed;
        error.behind(self.rows_read)
    }

    /// The columns that were found; those of NDJSON may become more with each batch.
    #[must_use]
    pub fn columns(&self) -> &ColumnsFound {
        match &self.rows {
            Rows::Delimited(rows) => rows.columns(),
            Rows::Ndjson(rows) => rows.columns(),
            Rows::Parquet(rows) => rows.columns(),
        }
    }

    /// How long the input is, as far as that is known.
    #[must_use]
    pub fn extent(&self) -> Extent {
        let Some(bytes) = self.origin.bytes() else { return Extent::Unknown };
        match (&self.rows, self.compression, self.encoding) {
            (Rows::Parquet(rows), _, _) => Extent::Rows(rows.rows_claimed().min(bytes)),
            (Rows::Delimited(_), Compression::None, Encoding::Utf8 | Encoding::Utf8Bom) => {
                Extent::Text(bytes)
            }
            (Rows::Delimited(_) | Rows::Ndjson(_), _, _) => Extent::Unknown,
        }
    }

    /// What the input is and where it comes from, as errors name it.
    #[must_use]
    pub fn place(&self) -> &Place {
        &self.at
    }

    /// Reads what is left, checks that the file did not change, and tells what was read.
    ///
    /// # Errors
    /// Any fault of the rest, as [`BatchReader::next_batch`], and a file that was changed.
    pub fn finish(mut self) -> Result<Facts, InputError> {
        while self.next_batch()?.is_some() {}
        let (format, delimiter, ended_with_line_end) = match &self.rows {
            Rows::Delimited(rows) => {
                (Format::Delimited, rows.delimiter(), Some(rows.text().ended_with_line_end()))
            }
            Rows::Ndjson(rows) => (Format::Ndjson, None, Some(rows.text().ended_with_line_end())),
            Rows::Parquet(_) => (Format::Parquet, None, None),
        };
        let (digest, bytes_read) = match (&mut self.rows, &self.tally) {
            (Rows::Parquet(rows), _) => (rows.digest()?, self.origin.bytes().unwrap_or(0)),
            (_, Some(tally)) => (Some(tally.digest()), tally.bytes()),
            (_, None) => return Err(InputError::AlreadyFailed { at: self.at.clone() }),
        };
        if let Origin::File(file) = &self.origin {
            file.check_unchanged(&self.at)?;
        }
        if self.origin.bytes().is_some_and(|bytes| bytes != bytes_read) {
            return Err(InputError::ChangedWhileReading { at: self.at.clone() });
        }
        Ok(Facts {
            rows: self.rows_read,
            bytes_read,
            digest,
            format,
            compression: self.compression,
            encoding: self.encoding,
            delimiter,
            ended_with_line_end,
            modified: match &self.origin {
                Origin::Stream => None,
                Origin::File(file) => file.modified(),
                Origin::Object(object) => Some(object.modified()),
            },
            entity_tag: match &self.origin {
                Origin::Object(object) => Some(object.tag().to_owned()),
                Origin::Stream | Origin::File(_) => None,
            },
        })
    }
}

impl Origin {
    /// The size when it was opened.
    fn bytes(&self) -> Option<u64> {
        match self {
            Self::Stream => None,
            Self::File(file) => Some(file.bytes()),
            Self::Object(object) => Some(object.bytes()),
        }
    }
}

impl Source {
    fn place(&self) -> Place {
        Place { role: self.role, location: self.location.clone() }
    }
}

impl fmt::Debug for BatchReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BatchReader").field("at", &self.at).finish_non_exhaustive()
    }
}
