//! Is a sample held for what it is?
//!
//! A run of a sample tries a job on some of the people. It is no link of a chain, and what it leaves
//! out is not gone; nobody outside is told of it, so that no figure is without its charge.

use std::path::Path;

use super::told;
use crate::output::{Manifest, SUMMARY};
use crate::report::Report;

/// What of a run of everybody is as if it were one of a sample.
pub(super) fn in_whole(report: Option<&Report>) -> Option<String> {
    let report = report?;
    let left_out: u64 = report.inputs.iter().map(|input| input.not_sampled).sum();
    match report.sample {
        Some(share) => Some(format!("the report is of a sample of {share}")),
        None => (left_out > 0).then(|| format!("{left_out} rows of people who were left out")),
    }
}

/// What of a run of a sample is as if it were one of everybody.
pub(super) fn misused(
    folder: &Path,
    manifest: &Manifest,
    report: Option<&Report>,
) -> Option<String> {
    let tells = told(&folder.join(SUMMARY)).is_none_or(|told| !told.is_empty());
    let is_another = report.is_some_and(|report| report.sample != manifest.sample);
    let follows = manifest.previous.is_some() || manifest.counts.removed > 0;
    let remembers = report.is_some_and(|report| !report.history.is_empty());
    let found = [
        (is_another, "the report is of another one"),
        (follows || remembers, "it follows a run"),
        (tells, "it tells somebody"),
        (manifest.ledger.is_some() || manifest.messages.is_some(), "it is charged"),
    ];
    found.into_iter().find_map(|(is_so, what)| is_so.then(|| what.to_owned()))
}
