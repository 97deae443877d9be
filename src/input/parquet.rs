//! Which cells does a Parquet file hold?
//!
//! Only the wanted columns are read. Texts are read as views, so that a dictionary with one long
//! entry is not copied out for each row before the limits are asked. A column of numbers with a
//! fraction is refused where it holds phone numbers or ids: it has lost digits already.
//!
//! A hostile file must neither end the process nor eat its memory: the frame and the footer's claims
//! are checked against the file's size before anything is decoded, no read goes beyond the file, and
//! a panic of the decoder is an error. One page may still unpack to 2 GiB, the most it can claim.
//!
//! The digest is that of the whole file, read in slices as the rows go by.

use std::io::{self, BufReader, Read};
use std::os::unix::fs::FileExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field as ArrowField, Schema, SchemaRef};
use arrow::error::ArrowError;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader,
    ParquetRecordBatchReaderBuilder,
};
use parquet::errors::ParquetError;
use parquet::file::metadata::ParquetMetaData;
use parquet::file::reader::{ChunkReader, Length};

use super::batch::Batch;
use super::cells::{self, Cells};
use super::error::{InputError, Place};
use super::files::OpenFile;
use super::header::{self, ColumnsFound};
use super::{Field, Limits, Meter, Want};

/// What a Parquet file begins and ends with.
const MAGIC: [u8; 4] = *b"PAR1";

/// The same for a file whose footer is encrypted.
const MAGIC_ENCRYPTED: [u8; 4] = *b"PARE";

/// Either end of a file that means to be Parquet.
pub(super) const MAGICS: [[u8; 4]; 2] = [MAGIC, MAGIC_ENCRYPTED];

/// Magic at both ends and the footer's length.
const FRAME_BYTES: u64 = 12;

/// A footer of a file with ten thousand row groups of a thousand columns would fit.
const FOOTER_BYTES: u64 = 256 << 20;

/// Unpacked bytes and rows that a file may claim for each of its bytes, and in any case.
const CLAIM_RATIO: u64 = 1000;
const CLAIM_FLOOR_BYTES: u64 = 1 << 30;
const CLAIM_FLOOR_ROWS: u64 = 1 << 24;

const DIGEST_SLICE_BYTES: usize = 1 << 20;

/// Reads the rows of a Parquet file.
pub(super) struct ParquetRows {
    at: Place,
    limits: Limits,
    columns: ColumnsFound,
    fields: Vec<Field>,
    reader: ParquetRecordBatchReader,
    /// A decoded batch and the next of its rows.
    pending: Option<(Vec<Cells>, usize, usize)>,
    rows: u64,
    rows_claimed: u64,
    source: FileAt,
    digest: DigestPass,
}

impl ParquetRows {
    pub(super) fn open(
        at: &Place,
        open: &OpenFile,
        wants: &[Want],
        limits: Limits,
        meter: Arc<Meter>,
    ) -> Result<Self, InputError> {
        let unreadable = |cause| InputError::Unreadable { at: at.clone(), cause };
        let clone = || open.file.try_clone().map_err(unreadable);
        let source = FileAt::over(clone()?, open.bytes());
        check_frame(at, &source)?;
        let metadata = guarded(at, &source, || {
            let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
            Ok(ArrowReaderMetadata::load(&source, options)?)
        })?;
        let rows_claimed = check_claims(at, metadata.metadata(), open.bytes())?;

        let schema = Arc::clone(metadata.schema());
        let names: Vec<_> = schema.fields().iter().map(|field| field.name().as_bytes()).collect();
        let columns = header::resolve(at, wants, &names)?;
        let positions: Vec<_> = columns.all().iter().filter_map(|found| found.position).collect();
        for (found, &position) in columns.all().iter().zip(&positions) {
            cells::check_type(at, found.field, schema.field(position).data_type())?;
        }
        let reader = guarded(at, &source, || {
            let options = ArrowReaderOptions::new().with_schema(as_read(&schema, &positions));
            let metadata =
                ArrowReaderMetadata::try_new(Arc::clone(metadata.metadata()), options)?;
            let builder =
                ParquetRecordBatchReaderBuilder::new_with_metadata(source.clone(), metadata);
            let mask = ProjectionMask::roots(builder.parquet_schema(), positions.iter().copied());
            Ok(builder.with_projection(mask).with_batch_size(limits.batch_rows).build()?)
        })?;
        Ok(Self {
            at: at.clone(),
            limits,
            fields: columns.all().iter().map(|found| found.field).collect(),
            columns,
            reader,
            pending: None,
            rows: 0,
            rows_claimed,
            digest: DigestPass::over(source.clone(), meter),
            source,
        })
    }

    pub(super) fn columns(&self) -> &ColumnsFound {
        &self.columns
    }

    pub(super) fn next_batch(&mut self) -> Result<Option<Batch>, InputError> {
        let mut batch = Batch::new(self.rows + 1, &self.fields);
        let full = |batch: &Batch| {
            batch.len() >= self.limits.batch_rows || batch.cell_bytes() >= self.limits.batch_bytes
        };
        while !full(&batch) {
            let (cells, next, count) = match self.pending.take() {
                Some(pending) => pending,
                None => match decode(&self.at, &self.source, &mut self.reader)? {
                    Some(decoded) => {
                        let cells = self.cells_of(&decoded)?;
                        (cells, 0, decoded.num_rows())
                    }
                    None => break,
                },
            };
            let mut row = next;
            while row < count && !full(&batch) {
                self.rows += 1;
                for (slot, cells) in cells.iter().enumerate() {
                    if !cells.push(row, batch.slot(slot), self.limits.row_bytes) {
                        let limit_bytes = self.limits.row_bytes;
                        let (at, row) = (self.at.clone(), self.rows);
                        return Err(InputError::RowTooLong { at, row, limit_bytes });
                    }
                }
                batch.end_row();
                row += 1;
            }
            if row < count {
                self.pending = Some((cells, row, count));
            }
        }
        self.digest.keep_up(&self.at, self.rows, self.rows_claimed)?;
        if batch.is_empty() && self.rows != self.rows_claimed {
            let what = "it has not as many rows as it claims";
            return Err(InputError::Corrupt { at: self.at.clone(), what });
        }
        Ok((!batch.is_empty()).then_some(batch))
    }

    /// The decoded columns in the order of the fields: one column may serve two.
    fn cells_of(&self, decoded: &RecordBatch) -> Result<Vec<Cells>, InputError> {
        let mut positions: Vec<_> =
            self.columns.all().iter().filter_map(|found| found.position).collect();
        let wanted = positions.clone();
        positions.sort_unstable();
        positions.dedup();
        let mut all = vec![];
        for (field, position) in self.fields.iter().zip(wanted) {
            let index = positions.partition_point(|&other| other < position);
            let cells = decoded.columns().get(index).and_then(|array| Cells::of(*field, array));
            let what = "a column has not the type that it claims";
            all.push(cells.ok_or_else(|| InputError::Corrupt { at: self.at.clone(), what })?);
        }
        Ok(all)
    }

    /// The digest of the whole file.
    pub(super) fn digest(&mut self) -> Result<[u8; 32], InputError> {
        self.digest.finish(&self.at)
    }
}

/// Checks both ends of the file against its size.
fn check_frame(at: &Place, source: &FileAt) -> Result<(), InputError> {
    let truncated = |what| InputError::Truncated { at: at.clone(), what };
    if source.bytes < FRAME_BYTES {
        return Err(truncated("it ends within its first bytes"));
    }
    let read_failed = |cause| InputError::ReadFailed { at: at.clone(), cause };
    let (mut head, mut tail) = ([0; 4], [0; 8]);
    source.file.read_exact_at(&mut head, 0).map_err(read_failed)?;
    source.file.read_exact_at(&mut tail, source.bytes - 8).map_err(read_failed)?;
    let [a, b, c, d, magic @ ..] = tail;
    match magic {
        MAGIC_ENCRYPTED => {
            let found = "Parquet with an encrypted footer";
            return Err(InputError::UnknownFormat { at: at.clone(), found });
        }
        MAGIC => {}
        _ => return Err(truncated("its Parquet footer is missing")),
    }
    if head != MAGIC {
        let what = "it ends as Parquet and does not begin so";
        return Err(InputError::Corrupt { at: at.clone(), what });
    }
    let footer = u64::from(u32::from_le_bytes([a, b, c, d]));
    if footer > source.bytes - FRAME_BYTES {
        let what = "its Parquet footer claims to be longer than the file";
        return Err(InputError::Corrupt { at: at.clone(), what });
    }
    if footer > FOOTER_BYTES {
        let what = "its Parquet footer has over 256 MiB";
        return Err(InputError::BombSuspected { at: at.clone(), what });
    }
    Ok(())
}

/// Checks what the footer claims against the file's size; gives the number of rows.
fn check_claims(at: &Place, metadata: &ParquetMetaData, bytes: u64) -> Result<u64, InputError> {
    let damaged = || InputError::Corrupt {
        at: at.clone(),
        what: "its Parquet footer contradicts itself",
    };
    let bomb = |what| InputError::BombSuspected { at: at.clone(), what };
    let claim = |value: i64| u64::try_from(value).map_err(|_| damaged());
    let (mut rows, mut packed, mut unpacked) = (0_u64, 0_u64, 0_u64);
    for group in metadata.row_groups() {
        rows = rows.saturating_add(claim(group.num_rows())?);
        for column in group.columns() {
            packed = packed.saturating_add(claim(column.compressed_size())?);
            unpacked = unpacked.saturating_add(claim(column.uncompressed_size())?);
        }
    }
    let plausible = |floor: u64| bytes.saturating_mul(CLAIM_RATIO).max(floor);
    if packed > bytes {
        return Err(bomb("its columns claim more bytes than the file has"));
    }
    if unpacked > plausible(CLAIM_FLOOR_BYTES) {
        return Err(bomb("its columns claim over 1000 times its size"));
    }
    if rows > plausible(CLAIM_FLOOR_ROWS) {
        return Err(bomb("it claims more rows than its size can hold"));
    }
    if claim(metadata.file_metadata().num_rows())? != rows {
        return Err(damaged());
    }
    Ok(rows)
}

/// The schema with wanted texts as views, and times with an offset that needs no time zone tables.
fn as_read(schema: &SchemaRef, positions: &[usize]) -> SchemaRef {
    let fields = schema.fields().iter().enumerate().map(|(position, field)| {
        let wanted = positions.contains(&position);
        let kind = match field.data_type() {
            DataType::Utf8 | DataType::LargeUtf8 if wanted => DataType::Utf8View,
            DataType::Binary | DataType::LargeBinary if wanted => DataType::BinaryView,
            DataType::Timestamp(unit, Some(_)) if wanted => {
                DataType::Timestamp(*unit, Some("+00:00".into()))
            }
            _ => return Arc::clone(field),
        };
        Arc::new(ArrowField::new(field.name(), kind, field.is_nullable()))
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

fn decode(
    at: &Place,
    source: &FileAt,
    reader: &mut ParquetRecordBatchReader,
) -> Result<Option<RecordBatch>, InputError> {
    guarded(at, source, || Ok(reader.next().transpose()?))
}

/// Why the decoder stopped, as far as it matters: its own words may quote the data.
enum DecodeFault {
    Cut,
    Other,
}

impl From<ParquetError> for DecodeFault {
    fn from(error: ParquetError) -> Self {
        match error {
            ParquetError::EOF(_) | ParquetError::NeedMoreData(_) => Self::Cut,
            _ => Self::Other,
        }
    }
}

impl From<ArrowError> for DecodeFault {
    fn from(_: ArrowError) -> Self {
        Self::Other
    }
}

/// Runs a part of the decoder; what it throws and the file's own faults become errors.
fn guarded<T>(
    at: &Place,
    source: &FileAt,
    decode: impl FnOnce() -> Result<T, DecodeFault>,
) -> Result<T, InputError> {
    // What was being decoded is not used after a panic: the reader has failed for good.
    let decoded = catch_unwind(AssertUnwindSafe(decode)).unwrap_or(Err(DecodeFault::Other));
    decoded.map_err(|fault| {
        let at = at.clone();
        match (source.take_failure(), fault) {
            (Some(cause), _) => InputError::ReadFailed { at, cause },
            (None, DecodeFault::Cut) => {
                InputError::Truncated { at, what: "its Parquet data ends too early" }
            }
            (None, DecodeFault::Other) => {
                InputError::Corrupt { at, what: "its Parquet data cannot be decoded" }
            }
        }
    })
}

/// A file that is read at offsets, never beyond its end, and remembers why a read failed.
#[derive(Clone)]
struct FileAt {
    file: Arc<std::fs::File>,
    bytes: u64,
    failure: Arc<Mutex<Option<io::Error>>>,
}

impl FileAt {
    fn over(file: std::fs::File, bytes: u64) -> Self {
        Self { file: Arc::new(file), bytes, failure: Arc::default() }
    }

    fn take_failure(&self) -> Option<io::Error> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).take()
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
struct ReadFrom {
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
struct DigestPass {
    source: FileAt,
    hasher: blake3::Hasher,
    done: u64,
    slice: Vec<u8>,
    meter: Arc<Meter>,
}

impl DigestPass {
    fn over(source: FileAt, meter: Arc<Meter>) -> Self {
        let slice = vec![0; DIGEST_SLICE_BYTES];
        Self { source, hasher: blake3::Hasher::new(), done: 0, slice, meter }
    }

    /// Goes as far into the file as `rows` of `rows_total` are.
    fn keep_up(&mut self, at: &Place, rows: u64, rows_total: u64) -> Result<(), InputError> {
        let bytes = u128::from(self.source.bytes) * u128::from(rows.min(rows_total));
        let target = bytes / u128::from(rows_total.max(1));
        while u128::from(self.done) + self.slice.len() as u128 <= target {
            self.step(at)?;
        }
        Ok(())
    }

    fn finish(&mut self, at: &Place) -> Result<[u8; 32], InputError> {
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
