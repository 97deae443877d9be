//! One file's numbers, read row by row and written as a table: the `normalise` command.

use std::io::Write;
use std::sync::Arc;

use super::waves::{self, Work};
use super::{RunError, Watch, hint_of};
use crate::input::{self, Batch, Field, Need, Source, Want};
use crate::normalise::{self, Checks, E164_TEXT_LEN, Hint, Reading, RejectReason, Unread};
use crate::output::OutputError;
use crate::report::Timings;

/// What to read, and how.
#[derive(Debug)]
pub struct NormaliseFile {
    /// The file, with the columns of [`NormaliseFile::wants`].
    pub source: Source,
    /// How rows without a country of their own are read.
    pub default: Hint,
    /// Whether our own rejects are added to libphonenumber's decisions.
    pub checks: Checks,
}

/// How many rows came out how.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Normalised {
    /// All of them.
    pub rows: u64,
    /// Valid numbers.
    pub valid: u64,
    /// Parsed, but no valid number.
    pub invalid: u64,
    /// Not parsed.
    pub unparsable: u64,
}

impl NormaliseFile {
    /// The columns to look for.
    #[must_use]
    pub fn wants(phone: &str, country: Option<&str>) -> Vec<Want> {
        let want =
            |field, name: &str| Want { field, mapped: Some(name.to_owned()), need: Need::Required };
        let country = country.map(|name| want(Field::Country, name));
        [want(Field::Phone, phone)].into_iter().chain(country).collect()
    }
}

/// Reads a file and writes `row,status,e164,type,reason` as CSV, in input order.
///
/// The cells that are written need no quotes: digits and our own words.
///
/// # Errors
///
/// When the file cannot be read or the table not be written.
pub fn normalise_file(
    file: &NormaliseFile,
    out: impl Write + Send + Sync,
    watch: &Watch,
) -> Result<Normalised, RunError> {
    watch.or_interrupted(read_and_write(file, out, watch))
}

fn read_and_write(
    file: &NormaliseFile,
    out: impl Write + Send + Sync,
    watch: &Watch,
) -> Result<Normalised, RunError> {
    let mut reader = input::open(&file.source, Arc::clone(&watch.meter))?;
    let mut writing = Writing { file, out, counted: Normalised::default() };
    let written =
        |source| OutputError::Io { action: "write", path: "the table of numbers".into(), source };
    writing.out.write_all(b"row,status,e164,type,reason\n").map_err(written)?;
    waves::each_batch(&mut reader, &mut writing, &mut Timings::default(), watch)?;
    writing.out.flush().map_err(written)?;
    reader.finish()?;
    Ok(writing.counted)
}

struct Writing<'a, W> {
    file: &'a NormaliseFile,
    out: W,
    counted: Normalised,
}

impl<W: Write + Send + Sync> Work for Writing<'_, W> {
    type Done = Vec<Result<Reading, RejectReason>>;

    fn work(&self, batch: &Batch) -> Self::Done {
        let row = |row: usize| {
            if batch.is_malformed(row) {
                return Err(RejectReason::MalformedRow);
            }
            let hint = hint_of(batch.cell(Field::Country, row), self.file.default);
            normalise::read(batch.cell(Field::Phone, row), hint, self.file.checks)
        };
        (0..batch.len()).map(row).collect()
    }

    fn apply(&mut self, first_row: u64, done: Self::Done) -> Result<(), RunError> {
        for (read, row) in done.into_iter().zip(first_row..) {
            self.counted.rows += 1;
            let written = match read {
                Ok(reading) => {
                    self.counted.valid += 1;
                    let mut text = [0; E164_TEXT_LEN];
                    let e164 = reading.number.expose_text(&mut text);
                    writeln!(self.out, "{row},valid,{e164},{},", reading.kind.name())
                }
                Err(reason) => {
                    let status = match reason.unread() {
                        Unread::Invalid => {
                            self.counted.invalid += 1;
                            "invalid"
                        }
                        Unread::Unparsable => {
                            self.counted.unparsable += 1;
                            "unparsable"
                        }
                    };
                    writeln!(self.out, "{row},{status},,,{}", reason.name())
                }
            };
            written.map_err(|source| OutputError::Io {
                action: "write",
                path: "the table of numbers".into(),
                source,
            })?;
        }
        Ok(())
    }
}
