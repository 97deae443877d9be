//! What a validation has to say: counts, file names and our own words; never a number, a digest of
//! one, a token, or text from a cell. It is for the house, as `report.json` is.

use std::collections::BTreeMap;

use serde::Serialize;

use super::super::RunError;
use crate::share::Share;

/// Everything that was seen.
#[derive(Debug, Serialize)]
pub struct Validation {
    /// The job's name.
    pub job: String,
    /// What the numbers would be used for.
    pub purpose: String,
    /// The inputs in reading order: opt-outs, lists, export.
    pub inputs: Vec<InputCheck>,
    /// What the policy asks of the opt-out source, and what it is.
    pub opt_out_gates: Vec<GateCheck>,
    /// The job's gates, input by input; empty where it sets none.
    pub gates: Vec<GateCheck>,
    /// Whose numbers were looked for in the export.
    pub sample: Sample,
    /// What somebody should know, the most important first.
    pub findings: Vec<Finding>,
    /// Why a run would publish nothing, in the order in which it would meet them.
    #[serde(skip)]
    pub faults: Vec<RunError>,
}

/// Who was looked for on both sides: drawn by key, so that they are the same people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Sample {
    /// How many of all people.
    pub share: Share,
    /// Everybody, so that figures are those of a run.
    pub is_everybody: bool,
}

/// One input.
#[derive(Debug, Serialize)]
pub struct InputCheck {
    /// `opt_outs`, `list` or `accounts`.
    pub role: String,
    /// The path as the job gives it.
    pub file: String,
    /// Whether it could be read to its end; else the counts are of what could.
    pub is_whole: bool,
    /// How it is written down; none when it could not be read to its end.
    pub stored: Option<Stored>,
    /// Which column serves which field.
    pub columns: Vec<ColumnCheck>,
    /// Columns that nobody reads, as far as their names cannot be data.
    pub unused_columns: Vec<String>,
    /// Further columns that nobody reads.
    pub unused_columns_hidden: usize,
    /// Rows, the header not counted.
    pub rows: u64,
    /// Rows that cannot be read.
    pub rejected: u64,
    /// The same by reason.
    pub rejected_by: BTreeMap<String, u64>,
    /// Rows that may not be used: opt-outs that bar somebody, accounts that say no.
    pub barred: u64,
    /// The same by reason, for accounts.
    pub barred_by: BTreeMap<String, u64>,
    /// Opt-outs for other purposes.
    pub other_purpose: u64,
    /// Further rows of one number, and of how many rows: of a list those in the sample, of the
    /// export those that a list holds.
    pub duplicates: Part,
    /// What its numbers look like; none where it holds digests only.
    pub numbers: Option<Numbers>,
    /// Of a list: how many of its numbers would be matched.
    pub matches: Option<MatchCheck>,
    /// Of a list of digests: in which form they are.
    pub dialect: Option<Dialect>,
}

/// A count and what it is a part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize)]
pub struct Part {
    /// So many.
    pub count: u64,
    /// Of so many.
    pub of: u64,
}

impl Part {
    /// The part as a share.
    #[must_use]
    pub fn share(self) -> Share {
        Share::of(self.count, self.of)
    }
}

/// How an input is written down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Stored {
    /// `csv`, `ndjson` or `parquet`.
    pub format: &'static str,
    /// What parts its cells: `comma`, `semicolon`, `tab` or `pipe`; none for one column, and where
    /// nothing does.
    pub delimiter: Option<&'static str>,
    /// `utf-8`, `utf-8-bom`, `utf-16-le` or `utf-16-be`.
    pub encoding: &'static str,
    /// `none`, `gzip` or `zstd`.
    pub compression: &'static str,
    /// Its size as stored.
    pub bytes: u64,
    /// Full hours since it was modified; none for standard input and for the future.
    pub age_hours: Option<u64>,
}

/// A column that serves a field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ColumnCheck {
    /// The field.
    pub field: &'static str,
    /// The column's name, where it may be printed.
    pub name: Option<String>,
}

/// What an input's numbers look like.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Numbers {
    /// Cells without a plus, of those that hold something.
    pub without_plus: Part,
    /// Of the same cells: without a plus, and with no country that would say how to read them.
    pub without_plus_or_country: Part,
    /// Numbers by territory.
    pub countries: BTreeMap<String, u64>,
    /// Numbers by libphonenumber's types.
    pub types: BTreeMap<&'static str, u64>,
}

/// How many of a list's numbers would be matched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct MatchCheck {
    /// Distinct numbers in the sample.
    pub numbers: u64,
    /// Those of them that an account has and nobody bars.
    pub matched: u64,
    /// Those that somebody's no bars.
    pub barred: u64,
    /// `matched` of `numbers`.
    pub rate: Share,
    /// Between which the rate of all numbers lies, nineteen times of twenty; the rate itself where
    /// the sample is everybody.
    pub between: [Share; 2],
}

/// In which form a list's digests are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Dialect {
    /// What the job says: `e164`, `digits`, or `probe` for both.
    pub declared: &'static str,
    /// Digests that were looked up in both forms.
    pub digests: u64,
    /// Those that are an account's number with the plus.
    pub e164: u64,
    /// Those that are an account's number without.
    pub digits: u64,
}

/// A gate and what stands before it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GateCheck {
    /// The policy's or the job's field.
    pub gate: &'static str,
    /// The input, where it is one's.
    pub file: Option<String>,
    /// What was found.
    pub found: String,
    /// What is allowed.
    pub limit: String,
    /// Whether it opens.
    pub outcome: GateOutcome,
}

/// Whether a gate opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum GateOutcome {
    /// The limit is kept.
    Passes,
    /// It is not, and a run publishes nothing.
    Breaks,
    /// It is not, and the policy lets that pass by name.
    Allowed,
    /// The sample is too small to tell.
    Unsure,
}

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// A run would go on, and what it makes may not be what is wanted.
    Warning,
    /// Why fewer numbers may match than could.
    LowMatchRate,
    /// Good to know.
    Note,
}

/// Something that somebody should know, with its figure and what can be done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How much it matters.
    pub severity: Severity,
    /// Which of the rules it is.
    pub rule: &'static str,
    /// The input, where it is about one.
    pub file: Option<String>,
    /// Its figure.
    pub share: Share,
    /// What was found.
    pub found: String,
    /// What can be done about it.
    pub remedy: String,
}
