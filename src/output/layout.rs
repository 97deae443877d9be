//! File names, schemas and writer settings: the run folder's format.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;

use crate::consent::Purpose;
use crate::job::Identifier;
use crate::share::Share;

/// Row-level tokens, for the messenger's own delivery side.
pub const MATCHES: &str = "matches.parquet";
/// A row a list, for the advertiser.
pub const AUDIENCES: &str = "audiences.parquet";
/// The same as JSON, for the advertiser.
pub const SUMMARY: &str = "summary.json";
/// How many people there are by region and system, where the purpose counts them.
pub const COUNTS: &str = "counts.parquet";
/// Which rows could not be read, and why.
pub const REJECTS: &str = "rejects.parquet";
/// Tokens of the previous run that are gone.
pub const REMOVED: &str = "removed.parquet";
/// What happened to every row, and how long it took.
pub const REPORT: &str = "report.json";
/// The same for people to read.
pub const REPORT_PAGE: &str = "report.html";
/// Digests of everything, written last.
pub const MANIFEST: &str = "manifest.json";

/// The page for one advertiser: what the summary says of its lists.
#[must_use]
pub fn summary_page(recipient: &Identifier) -> String {
    format!("{SUMMARY_PAGE}{recipient}.html")
}

/// What the names of advertisers' pages begin with.
pub const SUMMARY_PAGE: &str = "summary-";

/// The files that a run for the purpose of that name writes beside report and manifest.
pub fn files_of(purpose: &str) -> impl Iterator<Item = &'static str> + use<> {
    let counts = (purpose == Purpose::Analytics.name()).then_some(COUNTS);
    [MATCHES, AUDIENCES, SUMMARY, REJECTS, REMOVED].into_iter().chain(counts)
}

/// The columns of a table of that name in a run for a purpose; none for what is no table.
#[must_use]
pub fn schema_of(file: &str, purpose: &str) -> Option<SchemaRef> {
    Some(match file {
        MATCHES => matches_schema(Rows::of(purpose)),
        AUDIENCES => audiences_schema(),
        COUNTS => counts_schema(),
        REJECTS => rejects_schema(),
        REMOVED => removed_schema(Rows::of(purpose)),
        _ => return None,
    })
}

/// Rows in a row group: some megabytes a column.
pub(super) const ROW_GROUP_ROWS: usize = 1 << 20;

/// What the file is of, in its footer.
pub(super) const PURPOSE_KEY: &str = "phonematch.purpose";

/// Who wrote the file, in its footer.
const CREATED_BY: &str = concat!("phonematch ", env!("CARGO_PKG_VERSION"));

fn schema(fields: Vec<Field>) -> SchemaRef {
    Arc::new(Schema::new(fields))
}

fn text(name: &str) -> Field {
    Field::new(name, DataType::Utf8, false)
}

/// Whether a row is one person, or a person and whose contact that is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Rows {
    People,
    Pairs,
}

impl Rows {
    /// What a run for the purpose of that name writes.
    pub(super) fn of(purpose: &str) -> Self {
        let is_of_pairs = Purpose::from_name(purpose.as_bytes()).is_some_and(Purpose::takes_pairs);
        if is_of_pairs { Self::Pairs } else { Self::People }
    }

    /// The columns that say who.
    fn who(self) -> Vec<Field> {
        let owner = (self == Self::Pairs).then(|| text(OWNER_TOKEN));
        [text("recipient"), text("list_id"), text(TOKEN)].into_iter().chain(owner).collect()
    }
}

const TOKEN: &str = "token";
const OWNER_TOKEN: &str = "owner_token";

pub(super) fn matches_schema(rows: Rows) -> SchemaRef {
    let shown = [
        Field::new("region", DataType::Utf8, true),
        Field::new("os", DataType::Utf8, true),
        Field::new("os_version", DataType::Int32, true),
        Field::new("device", DataType::Utf8, true),
    ];
    schema(rows.who().into_iter().chain(shown).collect())
}

pub(super) fn removed_schema(rows: Rows) -> SchemaRef {
    schema(rows.who())
}

pub(super) fn audiences_schema() -> SchemaRef {
    schema(vec![
        text("recipient"),
        text("list_id"),
        text("status"),
        Field::new("audience_from", DataType::Int64, true),
        Field::new("audience_below", DataType::Int64, true),
    ])
}

pub(super) fn counts_schema() -> SchemaRef {
    schema(vec![
        Field::new("region", DataType::Utf8, true),
        Field::new("os", DataType::Utf8, true),
        Field::new("people", DataType::Int64, false),
    ])
}

pub(super) fn rejects_schema() -> SchemaRef {
    schema(vec![
        text("role"),
        text("file"),
        Field::new("row", DataType::Int64, false),
        text("reason"),
    ])
}

/// Settings of every file. Statistics, dictionary and bloom filter are off for tokens, wherever
/// their columns are: a footer's smallest and largest token would be two people.
pub(super) fn properties(purpose: &str, sample: Option<Share>) -> WriterProperties {
    let said = |name: &str, value: String| KeyValue::new(name.to_owned(), value);
    let sample = sample.map(|share| said("phonematch.sample", share.fraction().to_string()));
    let all = [said("phonematch.format", "1".to_owned()), said(PURPOSE_KEY, purpose.to_owned())];
    let level = |level| Compression::ZSTD(ZstdLevel::try_new(level).unwrap_or_default());
    let mut builder = WriterProperties::builder()
        .set_created_by(CREATED_BY.to_owned())
        .set_compression(level(3))
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS));
    for token in [TOKEN, OWNER_TOKEN].map(ColumnPath::from) {
        builder = builder
            // Of random hex digits every level makes half; the first does so in a third of the time.
            .set_column_compression(token.clone(), level(1))
            .set_column_dictionary_enabled(token.clone(), false)
            .set_column_statistics_enabled(token.clone(), EnabledStatistics::None)
            .set_column_bloom_filter_enabled(token, false);
    }
    builder.set_key_value_metadata(Some(all.into_iter().chain(sample).collect())).build()
}
