//! Published tokens, read back row by row.

use std::fs::File;
use std::path::Path;

use arrow::array::{Array, AsArray};
use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::file::reader::ChunkReader;

use super::layout::{self, Rows, matches_schema, removed_schema};

/// A row of `matches.parquet`, borrowed.
#[derive(Clone, Copy)]
pub struct MatchRow<'a> {
    /// Whose list.
    pub recipient: &'a str,
    /// Which list.
    pub list_id: &'a str,
    /// 32 lower-case hex digits.
    pub token: &'a str,
    /// The same of the person whose contact it is, in tables of pairs.
    pub owner: Option<&'a str>,
    /// The attributes that are shown, in column order, none for null.
    pub region: Option<&'a str>,
    /// Operating system family.
    pub os: Option<&'a str>,
    /// Its major version.
    pub os_version: Option<i32>,
    /// Device class.
    pub device: Option<&'a str>,
}

/// Rows that are decoded at a time.
const BATCH_ROWS: usize = 8192;

/// The file is not there, or not one that a run writes.
#[derive(Debug, thiserror::Error)]
#[error("it cannot be read as the table that it should be")]
pub struct NotMatches;

/// Hands every row of a `matches.parquet` to `visit`, in order.
///
/// # Errors
///
/// [`NotMatches`] when the file cannot be read or has other columns.
pub fn each_match(path: &Path, visit: impl FnMut(MatchRow<'_>)) -> Result<(), NotMatches> {
    each_match_in(File::open(path).map_err(|_| NotMatches)?, visit)
}

/// The same of a file's bytes, wherever they are.
pub(super) fn each_match_in(
    bytes: impl ChunkReader + 'static,
    mut visit: impl FnMut(MatchRow<'_>),
) -> Result<(), NotMatches> {
    let (rows, builder) = open(bytes, matches_schema)?;
    let reader = builder.with_batch_size(BATCH_ROWS).build().map_err(|_| NotMatches)?;
    for batch in reader {
        visit_batch(&batch.map_err(|_| NotMatches)?, rows, &mut visit);
    }
    Ok(())
}

/// Opens a table, which must have the columns that its rows have.
fn open<R: ChunkReader + 'static>(
    bytes: R,
    columns: impl FnOnce(Rows) -> SchemaRef,
) -> Result<(Rows, ParquetRecordBatchReaderBuilder<R>), NotMatches> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(bytes).map_err(|_| NotMatches)?;
    let rows = rows_of(&builder);
    match builder.schema().fields() == columns(rows).fields() {
        true => Ok((rows, builder)),
        false => Err(NotMatches),
    }
}

/// What the rows of a file are, by the purpose in its footer: a table of pairs without owners is
/// none.
fn rows_of(builder: &ParquetRecordBatchReaderBuilder<impl ChunkReader + 'static>) -> Rows {
    let footer = builder.metadata().file_metadata().key_value_metadata();
    let mut purposes = footer.into_iter().flatten().filter(|pair| pair.key == layout::PURPOSE_KEY);
    let purpose = purposes.next().and_then(|pair| pair.value.as_deref());
    Rows::of(purpose.unwrap_or_default())
}

/// A row of `removed.parquet`, borrowed.
#[derive(Clone, Copy)]
pub struct RemovedRow<'a> {
    /// Whose list.
    pub recipient: &'a str,
    /// Which list.
    pub list_id: &'a str,
    /// The token that is gone.
    pub token: &'a str,
    /// The token of the person whose contact it was, in tables of pairs.
    pub owner: Option<&'a str>,
}

/// Hands every row of a `removed.parquet` to `visit`, in order.
///
/// # Errors
///
/// [`NotMatches`] when the file cannot be read or has other columns.
pub fn each_removed(path: &Path, visit: impl FnMut(RemovedRow<'_>)) -> Result<(), NotMatches> {
    each_removed_in(File::open(path).map_err(|_| NotMatches)?, visit)
}

/// The same of a file's bytes, wherever they are.
pub(super) fn each_removed_in(
    bytes: impl ChunkReader + 'static,
    mut visit: impl FnMut(RemovedRow<'_>),
) -> Result<(), NotMatches> {
    let (rows, builder) = open(bytes, removed_schema)?;
    for batch in builder.build().map_err(|_| NotMatches)? {
        let batch = batch.map_err(|_| NotMatches)?;
        let text = |at: usize| batch.column(at).as_string::<i32>();
        for row in 0..batch.num_rows() {
            visit(RemovedRow {
                recipient: text(0).value(row),
                list_id: text(1).value(row),
                token: text(2).value(row),
                owner: (rows == Rows::Pairs).then(|| text(3).value(row)),
            });
        }
    }
    Ok(())
}

/// A row of `counts.parquet`, borrowed; ordered as the file is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct CountRow<'a> {
    /// Region, none for what regions leave over.
    pub region: Option<&'a str>,
    /// Operating system family, none for what they leave over.
    pub os: Option<&'a str>,
    /// How many people, as the file says.
    pub people: i64,
}

/// Hands every row of a `counts.parquet` to `visit`, in order.
///
/// # Errors
///
/// [`NotMatches`] when the file cannot be read or has other columns.
pub fn each_count(path: &Path, mut visit: impl FnMut(CountRow<'_>)) -> Result<(), NotMatches> {
    let file = File::open(path).map_err(|_| NotMatches)?;
    let (_, builder) = open(file, |_| layout::counts_schema())?;
    for batch in builder.build().map_err(|_| NotMatches)? {
        let batch = batch.map_err(|_| NotMatches)?;
        let [regions, oses] = [0, 1].map(|at| batch.column(at).as_string::<i32>());
        let people = batch.column(2).as_primitive::<arrow::datatypes::Int64Type>();
        for row in 0..batch.num_rows() {
            visit(CountRow {
                region: regions.is_valid(row).then(|| regions.value(row)),
                os: oses.is_valid(row).then(|| oses.value(row)),
                people: people.value(row),
            });
        }
    }
    Ok(())
}

fn visit_batch(batch: &RecordBatch, rows: Rows, visit: &mut impl FnMut(MatchRow<'_>)) {
    let text = |at: usize| batch.column(at).as_string::<i32>();
    let [recipient, list_id, token] = [0, 1, 2].map(text);
    let owner = (rows == Rows::Pairs).then(|| text(3));
    let shown = if owner.is_some() { 4 } else { 3 };
    let [region, os, device] = [shown, shown + 1, shown + 3].map(text);
    let version = batch.column(shown + 2).as_primitive::<arrow::datatypes::Int32Type>();
    for row in 0..batch.num_rows() {
        visit(MatchRow {
            recipient: recipient.value(row),
            list_id: list_id.value(row),
            token: token.value(row),
            owner: owner.map(|owner| owner.value(row)),
            region: region.is_valid(row).then(|| region.value(row)),
            os: os.is_valid(row).then(|| os.value(row)),
            os_version: version.is_valid(row).then(|| version.value(row)),
            device: device.is_valid(row).then(|| device.value(row)),
        });
    }
}
