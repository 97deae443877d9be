//! The tables of a run, written. They are made durable all at once, at the end.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, Int64Builder, RecordBatch, StringArray, StringBuilder};
use arrow::datatypes::SchemaRef;
use parquet::arrow::ArrowWriter;
use parquet::errors::ParquetError;
use serde::Serialize;

use super::layout::{self, Rows};
use super::staging::create_private;
use super::{OutputError, TokenRow};
use crate::input::Role;
use crate::join::ListName;
use crate::normalise::RejectReason;
use crate::privacy::{Band, PeopleCount};
use crate::report::page::{self, ToldList};
use crate::share::Share;

/// Rows that are turned into columns at a time.
pub(super) const CHUNK_ROWS: usize = 64 * 1024;

/// One row of the advertiser's files.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Advert {
    /// Whose list.
    pub list: ListName,
    /// The size's band; none when the list is withheld.
    pub band: Option<Band>,
}

impl Advert {
    const fn status(&self) -> &'static str {
        if self.band.is_some() { "released" } else { "withheld" }
    }
}

/// What a table is of.
#[derive(Clone, Copy, Debug)]
pub struct Origin<'a> {
    /// The purpose's name.
    pub purpose: &'a str,
    /// The share of people; none where it is of everybody.
    pub sample: Option<Share>,
}

impl<'a> Origin<'a> {
    /// Everybody's, for a purpose.
    #[must_use]
    pub const fn of_everybody(purpose: &'a str) -> Self {
        Self { purpose, sample: None }
    }
}

pub(super) struct Table<'a> {
    path: &'a Path,
    pub(super) schema: SchemaRef,
    pub(super) writer: ArrowWriter<File>,
}

impl<'a> Table<'a> {
    fn create(path: &'a Path, schema: SchemaRef, purpose: &str) -> Result<Self, OutputError> {
        Self::create_of(path, schema, Origin::of_everybody(purpose))
    }

    pub(super) fn create_of(
        path: &'a Path,
        schema: SchemaRef,
        of: Origin<'_>,
    ) -> Result<Self, OutputError> {
        let writer = begin(path, &schema, of)?;
        Ok(Self { path, schema, writer })
    }

    fn write(&mut self, columns: Vec<ArrayRef>) -> Result<(), OutputError> {
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), columns)
            .map_err(|error| parquet_error("write", self.path, error.into()))?;
        self.writer.write(&batch).map_err(|source| parquet_error("write", self.path, source))
    }

    pub(super) fn finish(self) -> Result<(), OutputError> {
        let path = self.path;
        self.writer.into_inner().map_err(|source| parquet_error("finish", path, source))?;
        Ok(())
    }
}

/// Begins a file with these columns.
pub(super) fn begin(
    path: &Path,
    schema: &SchemaRef,
    of: Origin<'_>,
) -> Result<ArrowWriter<File>, OutputError> {
    let file = create_private(path)?;
    let properties = layout::properties(of.purpose, of.sample);
    ArrowWriter::try_new(file, Arc::clone(schema), Some(properties))
        .map_err(|source| parquet_error("begin", path, source))
}

pub(super) fn parquet_error(
    action: &'static str,
    path: &Path,
    source: ParquetError,
) -> OutputError {
    OutputError::Parquet { action, path: path.to_owned(), source: Box::new(source) }
}

pub(super) fn texts<'a>(values: impl Iterator<Item = &'a str>) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(values))
}

/// Writes `audiences.parquet`, one row a list, in the order given (recipient, then list).
///
/// # Errors
///
/// When the file cannot be written.
pub fn audiences(path: &Path, purpose: &str, rows: &[Advert]) -> Result<(), OutputError> {
    let mut table = Table::create(path, layout::audiences_schema(), purpose)?;
    let edge = |pick: fn(&Band) -> u64| -> ArrayRef {
        let edges = rows.iter().map(|row| {
            row.band.as_ref().map(pick).map(|edge| i64::try_from(edge).unwrap_or(i64::MAX))
        });
        Arc::new(Int64Array::from_iter(edges))
    };
    table.write(vec![
        texts(rows.iter().map(|row| row.list.recipient.as_str())),
        texts(rows.iter().map(|row| row.list.list_id.as_str())),
        texts(rows.iter().map(Advert::status)),
        edge(|band| band.from),
        edge(|band| band.below),
    ])?;
    table.finish()
}

/// `summary.json`: what the advertiser may know.
#[derive(Serialize)]
struct Summary<'a> {
    format: u32,
    purpose: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    sample: Option<Share>,
    lists: Vec<SummaryList<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    counts: Option<Vec<SummaryCount>>,
}

/// A row of `counts.parquet`.
#[derive(Serialize)]
struct SummaryCount {
    region: Option<String>,
    os: Option<&'static str>,
    people: u64,
}

#[derive(Serialize)]
struct SummaryList<'a> {
    recipient: &'a str,
    list_id: &'a str,
    status: &'static str,
    audience_from: Option<u64>,
    audience_below: Option<u64>,
}

/// Writes `counts.parquet`, one row a cell, in the order given.
///
/// # Errors
///
/// When the file cannot be written.
pub fn counts(path: &Path, purpose: &str, rows: &[PeopleCount]) -> Result<(), OutputError> {
    let mut table = Table::create(path, layout::counts_schema(), purpose)?;
    let regions: Vec<_> = rows.iter().map(PeopleCount::region).collect();
    let people = rows.iter().map(|row| i64::try_from(row.people()).unwrap_or(i64::MAX));
    table.write(vec![
        Arc::new(StringArray::from_iter(
            regions.iter().map(|region| region.as_ref().map(|region| region.code())),
        )),
        Arc::new(StringArray::from_iter(rows.iter().map(PeopleCount::os))),
        Arc::new(Int64Array::from_iter_values(people)),
    ])?;
    table.finish()
}

/// Writes `summary.json`: the same rows as [`audiences`], and where people are counted as
/// [`counts`].
///
/// # Errors
///
/// When the file cannot be written.
pub fn summary(
    path: &Path,
    of: Origin<'_>,
    rows: &[Advert],
    counts: Option<&[PeopleCount]>,
) -> Result<(), OutputError> {
    let lists = rows.iter().map(|row| SummaryList {
        recipient: row.list.recipient.as_str(),
        list_id: row.list.list_id.as_str(),
        status: row.status(),
        audience_from: row.band.map(|band| band.from),
        audience_below: row.band.map(|band| band.below),
    });
    let count = |row: &PeopleCount| SummaryCount {
        region: row.region().map(|region| region.code().to_owned()),
        os: row.os(),
        people: row.people(),
    };
    let counts = counts.map(|rows| rows.iter().map(count).collect());
    let Origin { purpose, sample } = of;
    write_json(path, &Summary { format: 1, purpose, sample, lists: lists.collect(), counts })
}

/// Writes a page for each recipient among [`summary`]'s rows; tells the files' names.
///
/// # Errors
///
/// When a file cannot be written. It says so of the folder: a recipient's name may come from a
/// cell, and no message holds one.
pub fn summary_pages(
    folder: &Path,
    purpose: &str,
    rows: &[Advert],
) -> Result<Vec<String>, OutputError> {
    let recipients = rows.chunk_by(|one, other| one.list.recipient == other.list.recipient);
    let page = |rows: &[Advert]| {
        let recipient = &rows[0].list.recipient;
        let told = rows.iter().map(|row| ToldList {
            list_id: row.list.list_id.as_str(),
            band: row.band.map(|band| [band.from, band.below]),
        });
        let html = page::advertiser(recipient.as_str(), purpose, &told.collect::<Vec<_>>());
        let name = layout::summary_page(recipient);
        write_text(&folder.join(&name), &html).map_err(|error| error.of_folder(folder))?;
        Ok(name)
    };
    recipients.map(page).collect()
}

/// Writes `removed.parquet`, sorted by token, owner and list.
///
/// # Errors
///
/// When the file cannot be written.
pub fn removed(path: &Path, purpose: &str, rows: &BTreeSet<TokenRow>) -> Result<(), OutputError> {
    let kind = Rows::of(purpose);
    let mut table = Table::create(path, layout::removed_schema(kind), purpose)?;
    let rows: Vec<_> = rows.iter().collect();
    for rows in rows.chunks(CHUNK_ROWS) {
        let mut columns = vec![
            texts(rows.iter().map(|row| row.list.recipient.as_str())),
            texts(rows.iter().map(|row| row.list.list_id.as_str())),
            texts(rows.iter().map(|row| row.token.as_str())),
        ];
        let owners = || texts(rows.iter().filter_map(|row| row.owner.as_deref()));
        columns.extend((kind == Rows::Pairs).then(owners));
        table.write(columns)?;
    }
    table.finish()
}

/// Writes a value as indented JSON with a line end.
///
/// # Errors
///
/// When the file cannot be written.
pub fn write_json(path: &Path, value: &impl Serialize) -> Result<(), OutputError> {
    write_text(
        path,
        &to_json(value).map_err(|source| OutputError::Io {
            action: "write",
            path: path.to_owned(),
            source,
        })?,
    )
}

/// A value as the indented JSON with a line end that runs hold.
///
/// # Errors
///
/// When the value has no JSON form.
pub fn to_json(value: &impl Serialize) -> std::io::Result<String> {
    Ok(serde_json::to_string_pretty(value)? + "\n")
}

/// Writes a text file of the run.
///
/// # Errors
///
/// When the file cannot be written.
pub fn write_text(path: &Path, text: &str) -> Result<(), OutputError> {
    use std::io::Write;
    let failed = |source| OutputError::Io { action: "write", path: path.to_owned(), source };
    let mut file = create_private(path)?;
    file.write_all(text.as_bytes()).map_err(failed)
}

/// A row that could not be read: where it was and why, never what it said.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rejected {
    /// 1-based row of the file, the header not counted.
    pub row: u64,
    /// Why.
    pub reason: RejectReason,
}

/// `rejects.parquet`, written as inputs are read, so that it needs no memory.
pub struct RejectsTable<'a> {
    table: Table<'a>,
    roles: StringBuilder,
    files: StringBuilder,
    rows: Int64Builder,
    reasons: StringBuilder,
    pending: usize,
    written: u64,
}

impl<'a> RejectsTable<'a> {
    /// Begins the file.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn create(path: &'a Path, purpose: &str) -> Result<Self, OutputError> {
        Ok(Self {
            table: Table::create(path, layout::rejects_schema(), purpose)?,
            roles: StringBuilder::new(),
            files: StringBuilder::new(),
            rows: Int64Builder::new(),
            reasons: StringBuilder::new(),
            pending: 0,
            written: 0,
        })
    }

    /// Adds a row of an input.
    ///
    /// # Errors
    ///
    /// When the file cannot be written.
    pub fn add(&mut self, role: Role, file: &str, rejected: Rejected) -> Result<(), OutputError> {
        self.roles.append_value(role.name());
        self.files.append_value(file);
        self.rows.append_value(i64::try_from(rejected.row).unwrap_or(i64::MAX));
        self.reasons.append_value(rejected.reason.name());
        self.pending += 1;
        self.written += 1;
        if self.pending >= CHUNK_ROWS { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), OutputError> {
        self.pending = 0;
        self.table.write(vec![
            Arc::new(self.roles.finish()),
            Arc::new(self.files.finish()),
            Arc::new(self.rows.finish()),
            Arc::new(self.reasons.finish()),
        ])
    }

    /// Ends the file and tells how many rows it has.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn finish(mut self) -> Result<u64, OutputError> {
        self.flush()?;
        self.table.finish()?;
        Ok(self.written)
    }
}
