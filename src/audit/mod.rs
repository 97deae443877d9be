//! Is what landed what we promised?
//!
//! Reads a run folder back, as a stranger would, and holds it against its own manifest and
//! against the opt-outs: no barred person's token, every floor, every cell, the order of rows, the
//! row identity of every input, every digest. A run is audited before it is published, and the
//! `audit` command does the same to a published one, with the opt-outs of today. One failed check
//! and nothing is published.
//!
//! Runs of one job form a chain: each manifest holds the digest of the one before ([`follow`]).
//! What changed from one run to another, in counts, is [`Diff`]'s to say, and what a folder is
//! [`Inspection`]'s.

mod chain;
mod counts;
mod diff;
mod figures;
mod inspect;
mod messages;
mod sample;
mod seen;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::key::{MatchKey, Secret};
use crate::normalise::METADATA_VERSION;
use crate::output::{
    MANIFEST, MATCHES, Manifest, ManifestFile, REPORT, REPORT_PAGE, SUMMARY, SUMMARY_PAGE, files_of,
};
use crate::policy::Floors;
use crate::report::{Report, is_sealed};

use seen::Seen;

pub use chain::{Link, follow, walk_back};
pub use counts::counts;
pub use diff::{
    Comparison, Count, Diff, DiffError, InputChange, Kinship, ListChange, RowChange, RunFacts,
    StageChange,
};
pub use figures::figures;
pub use inspect::{FileFacts, FileState, Inspection, Neighbours, NotARun};
pub use messages::messages;

/// One thing that was checked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Check {
    /// What was checked, as a sentence that is true when it passed.
    pub promise: &'static str,
    /// Whether it holds.
    pub outcome: Outcome,
}

/// How a check ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// It holds.
    Holds,
    /// It does not. What was found, in counts and file names only.
    Fails(String),
}

impl Check {
    fn of(promise: &'static str, failure: Option<String>) -> Self {
        Self { promise, outcome: failure.map_or(Outcome::Holds, Outcome::Fails) }
    }

    /// Whether the promise holds.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.outcome == Outcome::Holds
    }
}

/// The run's own word on a list: `audience_from`, `audience_below`, none when withheld.
type Told = BTreeMap<(String, String), Option<(u64, u64)>>;

/// Checks what was written of people: `matches`, `audiences` and `summary`.
///
/// `barred` are the keys that must not be there, in every form in which a list may hold them. None
/// for a run that another one follows: who left since then is in it, and the next run took them
/// back.
#[must_use]
pub fn contents(
    folder: &Path,
    floors: &Floors,
    secret: &Secret,
    barred: Option<&[MatchKey]>,
) -> Vec<Check> {
    let found = Seen::of(&folder.join(MATCHES), secret, barred.unwrap_or_default());
    let (seen, told) = match (found, told(&folder.join(SUMMARY))) {
        (Some(seen), Some(told)) => (seen, told),
        (seen, _) => {
            let name = if seen.is_none() { MATCHES } else { SUMMARY };
            let failure = Some(format!("{name} cannot be read"));
            return vec![Check::of("the run's tables can be read", failure)];
        }
    };
    let some = |count: u64, what: &str| (count > 0).then(|| format!("{count} {what}"));
    let below_floor = seen.lists().filter(|list| list.people < floors.matched_people);
    let small_cells = seen.lists().map(|list| list.cells_below(floors.attribute_cell));
    let no_barred =
        Check::of("no barred person is in the matches", some(seen.barred, "barred people"));
    let mut checks = vec![Check::of("the run's tables can be read", None)];
    checks.extend(barred.map(|_| no_barred));
    checks.extend([
        Check::of(
            "every released list has the people that the floor asks",
            some(below_floor.count() as u64, "lists below the floor"),
        ),
        Check::of(
            "every shown combination of attributes has company",
            some(small_cells.sum(), "cells below the floor"),
        ),
        Check::of(
            "rows are sorted by token and unique, and tokens are 32 hex digits",
            some(seen.disordered + seen.misshapen, "rows out of order or shape"),
        ),
        Check::of("nobody is paired with themself", some(seen.selves, "such pairs")),
        Check::of(
            "every list with matches is told as released",
            some(untold(&seen, &told), "lists that are not"),
        ),
    ]);
    checks
}

/// Lists whose people are in the matches though their recipient is told nothing. The other way
/// round is right: a figure that is repeated may outlive the people it once counted.
fn untold(seen: &Seen, told: &Told) -> u64 {
    let tells_nobody = told.is_empty();
    let is_told = |(recipient, list): (&str, &str)| {
        told.get(&(recipient.to_owned(), list.to_owned())).is_some_and(Option::is_some)
    };
    seen.names().filter(|&list| !tells_nobody && !is_told(list)).count() as u64
}

fn told(path: &Path) -> Option<Told> {
    let summary: serde_json::Value = serde_json::from_slice(&fs::read(path).ok()?).ok()?;
    let row = |row: &serde_json::Value| {
        let text = |name: &str| row.get(name)?.as_str().map(str::to_owned);
        let edge = |name: &str| row.get(name).and_then(serde_json::Value::as_u64);
        let band = edge("audience_from").zip(edge("audience_below"));
        Some(((text("recipient")?, text("list_id")?), band))
    };
    summary.get("lists")?.as_array()?.iter().map(row).collect()
}

/// Checks a folder against its manifest and its seal: every digest, no file too many or too few,
/// the row identity of every input.
#[must_use]
pub fn integrity(folder: &Path, secret: &Secret) -> Vec<Check> {
    let Some(manifest) = Manifest::read(&folder.join(MANIFEST)) else {
        let failure = Some(format!("{MANIFEST} is missing or not a manifest"));
        return vec![Check::of("the manifest can be read", failure)];
    };
    let foreign_key =
        (manifest.key_id != secret.key_id()).then(|| "it was made with another secret".to_owned());
    let report = fs::read_to_string(folder.join(REPORT)).ok();
    let sealed = report.as_deref().is_some_and(|text| is_sealed(text, secret));
    let report: Option<Report> = report.and_then(|text| serde_json::from_str(&text).ok());
    let page = report.as_ref().and_then(|report| report.page.as_deref());
    let known = |name: &str| {
        let is_named = manifest.files.contains_key(name) || name == MANIFEST || name == REPORT;
        is_named || (name == REPORT_PAGE && page.is_some())
    };
    let strangers = fs::read_dir(folder).map_or(1, |entries| {
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        names.filter(|name| !known(name)).count()
    });
    let strangers = (strangers > 0).then(|| format!("{strangers} files that no run wrote"));
    let manifest_text = fs::read_to_string(folder.join(MANIFEST)).unwrap_or_default();
    let manifest_sealed = is_sealed(&manifest_text, secret);
    vec![
        Check::of("the manifest can be read", None),
        Check::of("the secret is the one that the run used", foreign_key),
        Check::of(
            "the manifest's seal holds",
            (!manifest_sealed).then(|| format!("{MANIFEST} is changed")),
        ),
        Check::of("every file is as the manifest names it", changed(folder, &manifest)),
        Check::of("there is no other file", strangers),
        Check::of("the report's seal holds", (!sealed).then(|| format!("{REPORT} is changed"))),
        Check::of("the report's page is the one that it names", foreign_page(folder, page)),
        Check::of("every row of every input is counted exactly once", unbalanced(report.as_ref())),
        Check::of("counts and metadata agree", disagreement(&manifest, report.as_ref())),
        match manifest.sample {
            None => Check::of("it leaves nobody out", sample::in_whole(report.as_ref())),
            Some(_) => Check::of(
                "a sample follows no run, tells nobody and is charged nothing",
                sample::misused(folder, &manifest, report.as_ref()),
            ),
        },
    ]
}

/// The files that are missing or not as the manifest names them. An advertiser's page is not named:
/// its name may come from a cell.
fn changed(folder: &Path, manifest: &Manifest) -> Option<String> {
    let tables: Vec<_> = files_of(&manifest.purpose).collect();
    let pages = manifest.files.keys().map(String::as_str);
    let pages = pages.filter(|name| name.starts_with(SUMMARY_PAGE) && !name.contains('/'));
    let changed = tables.iter().copied().chain(pages).filter(|name| {
        let file = ManifestFile::of(&folder.join(name)).ok();
        file.is_none() || file.as_ref() != manifest.files.get(*name)
    });
    let said = |name| if tables.contains(&name) { name } else { "an advertiser's page" };
    let changed: Vec<_> = changed.map(said).collect();
    (!changed.is_empty()).then(|| format!("changed: {}", changed.join(", ")))
}

/// The report's page, where it is not as the report names it. A run of an earlier version has none.
fn foreign_page(folder: &Path, named: Option<&str>) -> Option<String> {
    let named = named?;
    let found = ManifestFile::of(&folder.join(REPORT_PAGE)).ok();
    let is_it = found.is_some_and(|found| found.blake3 == named);
    (!is_it).then(|| format!("{REPORT_PAGE} is missing or changed"))
}

fn unbalanced(report: Option<&Report>) -> Option<String> {
    let Some(report) = report else { return Some(format!("{REPORT} cannot be read")) };
    let wrong = report.inputs.iter().filter(|input| {
        let counted = input.rejected
            + input.barred
            + input.duplicates
            + input.unmatched
            + input.withheld
            + input.released
            + input.not_sampled;
        input.rows_read != counted
    });
    let wrong = wrong.count();
    (wrong > 0).then(|| format!("{wrong} inputs whose counts do not add up"))
}

fn disagreement(manifest: &Manifest, report: Option<&Report>) -> Option<String> {
    if manifest.metadata_version != METADATA_VERSION {
        return Some(format!(
            "the run read numbers with metadata {}, this program with {METADATA_VERSION}",
            manifest.metadata_version
        ));
    }
    let rows = |rows: &dyn Fn(&Report) -> u64| report.map(rows);
    let released = rows(&|report| report.lists.iter().map(|list| list.released).sum());
    let rejected = rows(&|report| report.inputs.iter().map(|input| input.rejected).sum());
    let agree =
        released == Some(manifest.counts.matches) && rejected == Some(manifest.counts.rejects);
    (!agree).then(|| "the report's counts are not the manifest's".to_owned())
}
