//! The runs before this one, in a few figures each.
//!
//! Each run takes over what the one before it knew and adds that one. So a page tells of a month
//! without a folder being searched, and what it tells was sealed by the run that saw it.

use serde::{Deserialize, Serialize};

use super::Report;

/// A run, as later ones remember it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PastRun {
    /// The name of its folder.
    pub run: String,
    /// When it started, RFC 3339 in UTC.
    pub started_at: String,
    /// Rows of the export.
    pub account_rows: u64,
    /// Rows of the lists.
    pub list_rows: u64,
    /// Rows of the opt-out source.
    pub opt_out_rows: u64,
    /// People in the output, counted in each list.
    pub released: u64,
    /// From start to the audited folder.
    pub elapsed_ms: u64,
}

/// Runs that are remembered. With the run itself a page shows thirty.
const MOST_RUNS: usize = 29;

/// What a run remembers that follows `previous`, oldest first.
#[must_use]
pub fn after(previous: Option<&Report>) -> Vec<PastRun> {
    let Some(previous) = previous else { return Vec::new() };
    let mut runs = previous.history.clone();
    runs.push(PastRun::from(previous));
    runs.drain(..runs.len().saturating_sub(MOST_RUNS));
    runs
}

impl From<&Report> for PastRun {
    fn from(report: &Report) -> Self {
        let rows = |role: &str| {
            let inputs = report.inputs.iter().filter(|input| input.role == role);
            inputs.map(|input| input.rows_read).sum()
        };
        Self {
            run: report.run.clone(),
            started_at: report.started_at.clone(),
            account_rows: rows("accounts"),
            list_rows: rows("list"),
            opt_out_rows: rows("opt_outs"),
            released: report.lists.iter().map(|list| list.released).sum(),
            elapsed_ms: report.elapsed_ms,
        }
    }
}
