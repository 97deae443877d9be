//! `matches.parquet`: the one table that is large, so its columns are encoded at once.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int32Array, StringArray, StringBuilder};
use arrow::datatypes::Field;
use parquet::arrow::arrow_writer::{ArrowColumnChunk, ArrowColumnWriter, compute_leaves};
use parquet::errors::ParquetError;

use super::OutputError;
use super::layout::{self, Rows};
use super::tables::{CHUNK_ROWS, Origin, Table, parquet_error, texts};
use crate::join::{Device, ListName, Os};
use crate::key::{TOKEN_TEXT_LEN, Token};
use crate::privacy::{Released, Shown};

/// One row of `matches.parquet`: ordered by token, then by the owner's, then by the list's place in
/// name order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Match {
    token: Token,
    owner: Option<Token>,
    list: u32,
    shown: Shown,
}

impl Match {
    /// What is written of a released person: the token, and that of the person whose contact it is.
    /// `list` is the list's place among all in name order.
    #[must_use]
    pub const fn of(
        released: &Released,
        (token, owner): (Token, Option<Token>),
        list: u32,
    ) -> Self {
        Self { token, owner, list, shown: released.shown() }
    }

    /// The token.
    #[must_use]
    pub const fn token(&self) -> Token {
        self.token
    }

    /// The token of the person whose contact it is.
    #[must_use]
    pub const fn owner(&self) -> Option<Token> {
        self.owner
    }

    /// The list's place among all lists in name order.
    #[must_use]
    pub const fn list(&self) -> u32 {
        self.list
    }
}

/// One of several things to do, in any order or at once.
pub type Task<'a, T> = Box<dyn FnOnce() -> T + Send + 'a>;

/// A column of one row group, encoded.
pub type Encoded = Result<ArrowColumnChunk, ParquetError>;

/// Makes a column of rows.
type Column<'a> = Box<dyn Fn(&[Match]) -> ArrayRef + Sync + 'a>;

/// The rows of `matches.parquet` in their order, and the lists that they name.
#[derive(Clone, Copy, Debug)]
pub struct Matches<'a> {
    /// In name order.
    pub lists: &'a [ListName],
    /// The rows.
    pub rows: &'a [Match],
}

/// Writes `matches.parquet`. `do_all` does tasks and gives what they come to, in their order: the
/// columns are encoded at once where it can.
///
/// # Errors
///
/// When the file cannot be written.
pub fn matches(
    path: &Path,
    of: Origin<'_>,
    Matches { lists, rows }: Matches<'_>,
    do_all: impl Fn(Vec<Task<'_, Encoded>>) -> Vec<Encoded>,
) -> Result<(), OutputError> {
    let kind = Rows::of(of.purpose);
    let table = Table::create_of(path, layout::matches_schema(kind), of)?;
    let columns = columns_of_matches(kind, lists);
    let groups = rows.chunks(layout::ROW_GROUP_ROWS);
    table
        .write_at_once(groups, &columns, do_all)
        .map_err(|source| parquet_error("write", path, source))
}

/// In the order of the schema.
fn columns_of_matches(kind: Rows, lists: &[ListName]) -> Vec<Column<'_>> {
    let list = |row: &Match| &lists[row.list as usize];
    let mut columns: Vec<Column<'_>> = vec![
        Box::new(move |rows| texts(rows.iter().map(|row| list(row).recipient.as_str()))),
        Box::new(move |rows| texts(rows.iter().map(|row| list(row).list_id.as_str()))),
        Box::new(|rows| tokens(rows.iter().map(Match::token))),
    ];
    if kind == Rows::Pairs {
        columns.push(Box::new(|rows| tokens(rows.iter().filter_map(Match::owner))));
    }
    let shown: [Column<'_>; 4] = [
        Box::new(|rows| {
            let regions: Vec<_> = rows.iter().map(|row| row.shown.region).collect();
            let codes = regions.iter().map(|region| region.as_ref().map(|region| region.code()));
            Arc::new(StringArray::from_iter(codes))
        }),
        Box::new(|rows| {
            let os = |row: &Match| row.shown.os.and_then(Os::name);
            Arc::new(StringArray::from_iter(rows.iter().map(os)))
        }),
        Box::new(|rows| {
            let versions = rows.iter().map(|row| row.shown.os_version.map(i32::from));
            Arc::new(Int32Array::from_iter(versions))
        }),
        Box::new(|rows| {
            let device = |row: &Match| row.shown.device.and_then(Device::name);
            Arc::new(StringArray::from_iter(rows.iter().map(device)))
        }),
    ];
    columns.extend(shown);
    columns
}

fn tokens(tokens: impl Iterator<Item = Token>) -> ArrayRef {
    let rows = tokens.size_hint().1.unwrap_or(0);
    let mut column = StringBuilder::with_capacity(rows, rows * TOKEN_TEXT_LEN);
    let mut text = [0; TOKEN_TEXT_LEN];
    tokens.for_each(|token| column.append_value(token.expose_hex_in(&mut text)));
    Arc::new(column.finish())
}

impl Table<'_> {
    /// Writes the table whole, a row group after the other, each column of one on its own.
    fn write_at_once<'r>(
        self,
        groups: impl Iterator<Item = &'r [Match]>,
        columns: &[Column<'_>],
        do_all: impl Fn(Vec<Task<'_, Encoded>>) -> Vec<Encoded>,
    ) -> Result<(), ParquetError> {
        let (mut file, writers) = self.writer.into_serialized_writer()?;
        for (at, rows) in groups.enumerate() {
            let writers = writers.create_column_writers(at)?;
            let mut tasks: Vec<Task<'_, Encoded>> = Vec::with_capacity(columns.len());
            for ((field, column), writer) in self.schema.fields().iter().zip(columns).zip(writers) {
                tasks.push(Box::new(move || encode(field, column, rows, writer)));
            }
            let encoded = do_all(tasks);
            let mut group = file.next_row_group()?;
            for column in encoded {
                column?.append_to_row_group(&mut group)?;
            }
            group.close()?;
        }
        file.close()?;
        Ok(())
    }
}

fn encode(
    field: &Field,
    column: &Column<'_>,
    rows: &[Match],
    mut writer: ArrowColumnWriter,
) -> Encoded {
    for rows in rows.chunks(CHUNK_ROWS) {
        for leaf in compute_leaves(field, &column(rows))? {
            writer.write(&leaf)?;
        }
    }
    writer.close()
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::RecordBatch;

    fn one_by_one(tasks: Vec<Task<'_, Encoded>>) -> Vec<Encoded> {
        tasks.into_iter().map(|task| task()).collect()
    }

    /// What the writer of whole batches makes of the same rows, with as many in a row group.
    #[test]
    fn columns_on_their_own_make_the_same_file() {
        let identifier = |text: &str| crate::job::Identifier::from_text(text.as_bytes()).unwrap();
        let names = ["autumn", "spring"].map(identifier);
        let lists = names.map(|list_id| ListName { recipient: identifier("acme"), list_id });
        let row = |at: u32| Match {
            token: Token::from_hex(&format!("{at:032x}")).unwrap(),
            owner: None,
            list: at % 2,
            shown: Shown {
                os: [None, Some(Os::Ios), Some(Os::Android)][at as usize % 3],
                device: (!at.is_multiple_of(5)).then_some(Device::Phone),
                os_version: (!at.is_multiple_of(7)).then_some(17),
                ..Shown::default()
            },
        };
        let rows: Vec<_> = (0..1000).map(row).collect();
        let columns = columns_of_matches(Rows::of("ads"), &lists);
        let folder = tempfile::tempdir().unwrap();
        let of = Origin::of_everybody("ads");
        for (size, groups) in [(300, 4), (1000, 1), (4000, 1)] {
            let path = |name: &str| folder.path().join(format!("{name}-{size}"));
            let (ours, theirs) = (path("ours"), path("theirs"));
            let table = |path| Table::create_of(path, layout::matches_schema(Rows::of("ads")), of);
            table(&ours).unwrap().write_at_once(rows.chunks(size), &columns, one_by_one).unwrap();
            let mut whole = table(&theirs).unwrap();
            for rows in rows.chunks(size) {
                let columns = columns.iter().map(|column| column(rows)).collect();
                let batch = RecordBatch::try_new(Arc::clone(&whole.schema), columns).unwrap();
                whole.writer.write(&batch).unwrap();
                whole.writer.flush().unwrap();
            }
            assert_eq!(whole.writer.flushed_row_groups().len(), groups);
            whole.finish().unwrap();
            assert!(std::fs::read(&ours).unwrap() == std::fs::read(&theirs).unwrap(), "{size}");
        }
    }
}
