//! Which cells does a Parquet file hold?
//!
//! Only the wanted columns are read. Texts are read as views, so that a dictionary with one long
//! entry is not copied out for each row before the limits are asked. A column of numbers with a
//! fraction is refused where it holds phone numbers or ids: it has lost digits already.
//!
//! A hostile file must neither end the process nor eat its memory: `footer` checks its claims
//! before anything is decoded, no read goes beyond the file, and a panic of the decoder is an
//! error. One page may still unpack to the 2 GiB that it can claim, and one packed with gzip to
//! more, because the decoder looks at the claim only afterwards.
//!
//! A text that is not UTF-8 is against the format, and ends the read: the decoder checks a page at
//! a time and cannot pass a single bad cell on.
//!
//! One thread shares out the rows, any number decode them: each opens its row group anew, reads
//! only the pages of wanted columns, and holds a page of each at a time. The digest is that of the
//! whole file, read in slices as the rows are shared out.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{DataType, Field as ArrowField, Schema, SchemaRef};
use arrow::error::ArrowError;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader,
    ParquetRecordBatchReaderBuilder,
};
use parquet::errors::ParquetError;

use super::batch::Batch;
use super::cells;
use super::error::{InputError, Place};
use super::file_at::{DigestPass, FileAt};
use super::footer::{check_claims, check_frame};
use super::header::{self, ColumnsFound};
use super::part::Unplaced;
use super::{Field, Limits, Meter, Want};

/// Reads a Parquet file: shares out its rows, and digests it.
pub(super) struct ParquetRows {
    columns: ColumnsFound,
    splitter: GroupSplitter,
    /// The next row group and the first of its rows that was not shared out.
    group: usize,
    offset: u64,
    rows: u64,
    rows_claimed: u64,
    digest: DigestPass,
}

/// Rows of a row group.
pub(super) struct RowRange {
    group: usize,
    offset: u64,
    rows: u64,
}

/// Decodes rows; shared by all threads.
#[derive(Clone)]
pub(super) struct GroupSplitter(Arc<Decoding>);

struct Decoding {
    at: Place,
    source: FileAt,
    metadata: ArrowReaderMetadata,
    mask: ProjectionMask,
    fields: Vec<Field>,
    /// For each field the decoded column: one column may serve two.
    decoded: Vec<usize>,
    limits: Limits,
}

impl ParquetRows {
    pub(super) fn open(
        at: &Place,
        source: FileAt,
        wants: &[Want],
        limits: Limits,
        meter: Arc<Meter>,
    ) -> Result<Self, InputError> {
        check_frame(at, &source)?;
        let metadata = guarded(at, &source, || {
            let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
            Ok(ArrowReaderMetadata::load(&source, options)?)
        })?;
        let rows_claimed = check_claims(at, metadata.metadata(), source.bytes())?;

        let schema = Arc::clone(metadata.schema());
        let names: Vec<_> = schema.fields().iter().map(|field| field.name().as_bytes()).collect();
        let columns = header::resolve(at, wants, &names)?;
        let positions: Vec<_> = columns.all().iter().filter_map(|found| found.position).collect();
        for (found, &position) in columns.all().iter().zip(&positions) {
            cells::check_type(at, found.field, schema.field(position).data_type())?;
        }
        let metadata = guarded(at, &source, || {
            let options = ArrowReaderOptions::new().with_schema(as_read(&schema, &positions));
            Ok(ArrowReaderMetadata::try_new(Arc::clone(metadata.metadata()), options)?)
        })?;
        let mut sorted = positions.clone();
        sorted.sort_unstable();
        sorted.dedup();
        let decoding = Decoding {
            at: at.clone(),
            source: source.clone(),
            mask: ProjectionMask::roots(metadata.parquet_schema(), positions.iter().copied()),
            metadata,
            fields: columns.all().iter().map(|found| found.field).collect(),
            decoded: positions
                .iter()
                .map(|position| sorted.partition_point(|other| other < position))
                .collect(),
            limits,
        };
        let splitter = GroupSplitter(Arc::new(decoding));
        // What the file claims and cannot be decoded so is told before any of it is used.
        splitter.reader(0, 0, 0)?;
        let digest = DigestPass::over(source, meter);
        Ok(Self { columns, splitter, group: 0, offset: 0, rows: 0, rows_claimed, digest })
    }

    pub(super) fn columns(&self) -> &ColumnsFound {
        &self.columns
    }

    /// How many rows there are, as the footer says.
    pub(super) const fn rows_claimed(&self) -> u64 {
        self.rows_claimed
    }

    pub(super) fn splitter(&self) -> GroupSplitter {
        self.splitter.clone()
    }

    /// The next rows to be decoded; none at the end.
    pub(super) fn next_part(&mut self) -> Result<Option<RowRange>, Unplaced> {
        let decoding = &self.splitter.0;
        let groups = decoding.metadata.metadata().row_groups();
        while let Some(group) = groups.get(self.group) {
            // `check_claims` has seen that no group claims fewer rows than none.
            let left = u64::try_from(group.num_rows()).unwrap_or(0) - self.offset;
            // A piece passes over the pages before it by their heads alone, and still opens them.
            let part_rows = decoding.limits.part_rows;
            let rows = if left / 2 < part_rows { left } else { part_rows };
            let range = RowRange { group: self.group, offset: self.offset, rows };
            if rows == left {
                (self.group, self.offset) = (self.group + 1, 0);
            } else {
                self.offset += rows;
            }
            if rows > 0 {
                self.rows += rows;
                let kept_up = self.digest.keep_up(&decoding.at, self.rows, self.rows_claimed);
                return kept_up.map_err(Unplaced::new).map(|()| Some(range));
            }
        }
        Ok(None)
    }

    /// The digest of the whole file; none of an object.
    pub(super) fn digest(&mut self) -> Result<Option<[u8; 32]>, InputError> {
        self.digest.finish(&self.splitter.0.at)
    }
}

/// A part on its way out of the decoder.
pub(super) struct GroupRows {
    decoding: Arc<Decoding>,
    reader: ParquetRecordBatchReader,
    /// Rows that were decoded, and that are to be.
    rows: u64,
    rows_due: u64,
}

impl GroupSplitter {
    pub(super) fn begin(&self, range: RowRange) -> Result<GroupRows, Unplaced> {
        let reader = self.reader(range.group, range.offset, range.rows).map_err(Unplaced::new)?;
        Ok(GroupRows { decoding: Arc::clone(&self.0), reader, rows: 0, rows_due: range.rows })
    }

    fn reader(
        &self,
        group: usize,
        offset: u64,
        rows: u64,
    ) -> Result<ParquetRecordBatchReader, InputError> {
        let decoding = &self.0;
        let reach = |rows: u64| usize::try_from(rows).unwrap_or(usize::MAX);
        guarded(&decoding.at, &decoding.source, || {
            let groups = decoding.metadata.metadata().num_row_groups();
            let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(
                decoding.source.clone(),
                decoding.metadata.clone(),
            );
            let builder = builder
                .with_row_groups((group..groups.min(group + 1)).collect())
                .with_projection(decoding.mask.clone())
                .with_batch_size(decoding.limits.batch_rows)
                .with_limit(reach(rows));
            let builder = if offset > 0 { builder.with_offset(reach(offset)) } else { builder };
            Ok(builder.build()?)
        })
    }
}

impl GroupRows {
    /// Decodes the next rows into the batch; false at the end.
    pub(super) fn next_into(&mut self, batch: &mut Batch) -> Result<bool, Unplaced> {
        let decoding = Arc::clone(&self.decoding);
        let decoded = decode(&decoding.at, &decoding.source, &mut self.reader);
        let corrupt = |what| Unplaced::new(InputError::Corrupt { at: decoding.at.clone(), what });
        let Some(decoded) = decoded.map_err(Unplaced::new)? else {
            return match self.rows == self.rows_due {
                true => Ok(false),
                false => Err(corrupt("it has not as many rows as it claims")),
            };
        };
        let mut text = std::mem::take(batch.text_mut());
        text.clear();
        batch.begin(&decoding.fields, text);
        for (slot, (&field, &column)) in decoding.fields.iter().zip(&decoding.decoded).enumerate() {
            let filled = decoded.columns().get(column).and_then(|array| {
                self.check_lengths(array)
                    .map(|()| cells::fill(batch, slot, field, array))
                    .transpose()
            });
            filled.ok_or_else(|| corrupt("a column has not the type that it claims"))??;
        }
        batch.end_rows(decoded.num_rows());
        self.rows += decoded.num_rows() as u64;
        Ok(true)
    }

    fn check_lengths(&self, array: &ArrayRef) -> Result<(), Unplaced> {
        let limit_bytes = self.decoding.limits.row_bytes;
        cells::check_lengths(array, limit_bytes).map_err(|long| {
            let (at, row) = (self.decoding.at.clone(), long.row as u64 + 1);
            Unplaced::new(InputError::RowTooLong { at, row, limit_bytes })
        })
    }
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
    decoded.map_err(|fault| match (source.take_failure(), fault) {
        (Some(cause), _) => at.read_error(cause),
        (None, DecodeFault::Cut) => {
            InputError::Truncated { at: at.clone(), what: "its Parquet data ends too early" }
        }
        (None, DecodeFault::Other) => {
            InputError::Corrupt { at: at.clone(), what: "its Parquet data cannot be decoded" }
        }
    })
}
