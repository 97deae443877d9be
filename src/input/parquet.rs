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
//! The digest is that of the whole file, read in slices as the rows go by.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field as ArrowField, Schema, SchemaRef};
use arrow::error::ArrowError;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader,
    ParquetRecordBatchReaderBuilder,
};
use parquet::errors::ParquetError;

use super::batch::Batch;
use super::cells::{self, Cells};
use super::error::{InputError, Place};
use super::file_at::{DigestPass, FileAt};
use super::files::OpenFile;
use super::footer::{check_claims, check_frame};
use super::header::{self, ColumnsFound};
use super::{Field, Limits, Meter, Want};

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
            let metadata = ArrowReaderMetadata::try_new(Arc::clone(metadata.metadata()), options)?;
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
