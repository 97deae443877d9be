//! A table that an engine writes in parts, each a file of the run folder's format.
//!
//! What is said of a table's columns, encodings and metadata (`layout`) is said of each part.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::compute::{BatchCoalescer, cast};
use arrow::datatypes::{Field, Schema, SchemaRef};
use parquet::arrow::ArrowWriter;

use super::layout::{self, REJECTS};
use super::tables::{self, CHUNK_ROWS, Origin, parquet_error};
use super::{ManifestFile, OutputError};

/// One file of a table, as its rows come.
pub struct PartWriter {
    path: PathBuf,
    schema: SchemaRef,
    writer: ArrowWriter<File>,
    /// Rows that wait to be written in chunks of one length: however they come, the file is the same.
    waiting: BatchCoalescer,
}

impl std::fmt::Debug for PartWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PartWriter({})", self.path.display())
    }
}

/// The columns of a part of a table; none for what is no table. An engine's tables have no row numbers,
/// so those of rejected rows may be null.
fn schema_of(table: &str, purpose: &str) -> Option<SchemaRef> {
    let schema = layout::schema_of(table, purpose)?;
    if table != REJECTS {
        return Some(schema);
    }
    let field = |field: &Arc<Field>| {
        let is_nullable = field.is_nullable() || field.name() == "row";
        field.as_ref().clone().with_nullable(is_nullable)
    };
    Some(Arc::new(Schema::new(schema.fields().iter().map(field).collect::<Vec<_>>())))
}

impl PartWriter {
    /// Begins a part of the table of that file name, at a path where nothing is. None for what is no
    /// table.
    ///
    /// # Errors
    ///
    /// When the file cannot be created.
    pub fn create(path: &Path, table: &str, purpose: &str) -> Result<Option<Self>, OutputError> {
        let Some(schema) = schema_of(table, purpose) else { return Ok(None) };
        let writer = tables::begin(path, &schema, Origin::of_everybody(purpose))?;
        let waiting = BatchCoalescer::new(Arc::clone(&schema), CHUNK_ROWS);
        Ok(Some(Self { path: path.to_owned(), schema, writer, waiting }))
    }

    /// Writes rows, in their order; columns are found by name.
    ///
    /// # Errors
    ///
    /// When the file cannot be written, or a column is missing or of another type.
    pub fn write(&mut self, rows: &RecordBatch) -> Result<(), OutputError> {
        let column = |field: &Arc<Field>| {
            let index = rows.schema().index_of(field.name())?;
            cast(rows.column(index), field.data_type())
        };
        let columns = self.schema.fields().iter().map(column).collect::<Result<Vec<_>, _>>();
        let batch =
            columns.and_then(|columns| RecordBatch::try_new(Arc::clone(&self.schema), columns));
        let pushed = batch.and_then(|batch| self.waiting.push_batch(batch));
        pushed.map_err(|error| parquet_error("write", &self.path, error.into()))?;
        self.write_chunks()
    }

    fn write_chunks(&mut self) -> Result<(), OutputError> {
        while let Some(chunk) = self.waiting.next_completed_batch() {
            self.writer
                .write(&chunk)
                .map_err(|source| parquet_error("write", &self.path, source))?;
        }
        Ok(())
    }

    /// Ends the part; tells its size and digest.
    ///
    /// # Errors
    ///
    /// When the file cannot be written or read back.
    pub fn finish(mut self) -> Result<ManifestFile, OutputError> {
        let last = self.waiting.finish_buffered_batch();
        last.map_err(|error| parquet_error("write", &self.path, error.into()))?;
        self.write_chunks()?;
        let path = self.path;
        self.writer.into_inner().map_err(|source| parquet_error("finish", &path, source))?;
        ManifestFile::of(&path).map_err(|source| OutputError::Io {
            action: "read back",
            path,
            source,
        })
    }
}
