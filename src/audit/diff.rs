//! What changed between two runs?
//!
//! In counts and names of lists, files and reasons; nobody is named, and no token is shown. The
//! counts are exact and so for the house only, as those of `report.json` are. Tables are held
//! against their manifests' digests; whether the manifests are genuine takes the secret, and is
//! for the audit to say.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::chain::pair;
use crate::job::Identifier;
use crate::key::Token;
use crate::output::{
    MANIFEST, MATCHES, Manifest, ManifestFile, ManifestInput, REPORT, SUMMARY, each_match,
};
use crate::report::{InputReport, Report, Stage};

/// Two runs cannot be compared.
#[derive(Debug, thiserror::Error)]
pub enum DiffError {
    /// There is no run, or one of another format.
    #[error("{} holds no run that can be read: no {name}", path.display())]
    NotARun {
        /// The folder.
        path: PathBuf,
        /// The file that is not there, or cannot be read.
        name: &'static str,
    },
    /// A table is not the one that the manifest names.
    #[error("{} was changed: {name} is not as its manifest names it", path.display())]
    Changed {
        /// The folder.
        path: PathBuf,
        /// The file.
        name: &'static str,
    },
}

/// What changed from one run to another.
#[derive(Clone, Debug, Serialize)]
pub struct Diff {
    /// The first run.
    pub before: RunFacts,
    /// The second.
    pub after: RunFacts,
    /// Whether one follows the other.
    pub kinship: Kinship,
    /// What the runs were made under, where it differs: program, metadata, key, policy, floors.
    pub made_under: Vec<Comparison>,
    /// Every input file of either run.
    pub inputs: Vec<InputChange>,
    /// Row counts by role, outcome and reason, where they differ.
    pub rows: Vec<RowChange>,
    /// Every list of either run.
    pub lists: Vec<ListChange>,
    /// Time by stage.
    pub stages: Vec<StageChange>,
    /// From start to the audited folder, in milliseconds.
    pub elapsed_ms: Count,
}

/// Which run it is.
#[derive(Clone, Debug, Serialize)]
pub struct RunFacts {
    /// Its folder, as it was named.
    pub run: String,
    /// BLAKE3 of its manifest.
    pub digest: String,
    /// The job's name.
    pub job: String,
    /// What the numbers were used for.
    pub purpose: String,
    /// When it began, RFC 3339 in UTC.
    pub started_at: String,
}

/// How two runs are related by their manifests.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kinship {
    /// The second names the first as the run before it.
    Follows,
    /// The first names the second.
    Precedes,
    /// Both name the same run before them, or none.
    Siblings,
    /// Runs lie between them, or they are of two chains.
    Apart,
}

/// A figure of both runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Count {
    /// In the first.
    pub before: u64,
    /// In the second.
    pub after: u64,
}

/// A fact of both runs, in text.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Comparison {
    /// Which fact.
    pub what: &'static str,
    /// In the first.
    pub before: String,
    /// In the second.
    pub after: String,
}

/// A file that one of the runs read, or both.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct InputChange {
    /// `accounts`, `list` or `opt_outs`.
    pub role: String,
    /// The path as the job gave it.
    pub file: String,
    /// `same` bytes, `changed`, `new` or `gone`.
    pub change: &'static str,
    /// Rows.
    pub rows: Count,
}

/// How many rows of a role had an outcome, or a reason for it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct RowChange {
    /// `accounts`, `list` or `opt_outs`.
    pub role: String,
    /// `rejected`, `barred`, `duplicates`, `unmatched`, `withheld`, `released` or `not_sampled`.
    pub outcome: &'static str,
    /// Why, where the report says so.
    pub reason: Option<String>,
    /// Rows.
    pub rows: Count,
}

/// What became of a list.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct ListChange {
    /// Whose it is.
    pub recipient: String,
    /// Its name.
    pub list_id: String,
    /// People, or pairs of them, in the output.
    pub people: Count,
    /// Tokens, or pairs of them, of both runs; none where another secret made them, so that they do
    /// not compare.
    pub kept: Option<u64>,
    /// Those of the second run only.
    pub added: Option<u64>,
    /// Those of the first run only.
    pub removed: Option<u64>,
    /// What the advertiser was told, `withheld` or a band; none where there was no such list,
    /// or where the purpose tells nobody.
    pub told_before: Option<String>,
    /// The same of the second run.
    pub told_after: Option<String>,
}

/// A stage's time in both runs, in milliseconds.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct StageChange {
    /// The stage.
    pub stage: &'static str,
    /// Its time, summed over threads.
    pub elapsed_ms: Count,
}

/// A list by recipient and name.
type Name = (String, String);

/// A token and, of a pair, its owner's.
type Pair = (Token, Option<Token>);

/// A run, read.
struct Run {
    folder: PathBuf,
    manifest: Manifest,
    digest: String,
    report: Report,
}

impl Diff {
    /// Compares the runs in two folders.
    ///
    /// # Errors
    ///
    /// [`DiffError`]
    pub fn between(before: &Path, after: &Path) -> Result<Self, DiffError> {
        let (before, after) = (Run::open(before)?, Run::open(after)?);
        Ok(Self {
            before: before.facts(),
            after: after.facts(),
            kinship: kinship(&before, &after),
            made_under: made_under(&before.manifest, &after.manifest),
            inputs: inputs(&before.manifest, &after.manifest),
            rows: rows(&before.report, &after.report),
            lists: lists(&before, &after)?,
            stages: stages(&before.report, &after.report),
            elapsed_ms: Count { before: before.report.elapsed_ms, after: after.report.elapsed_ms },
        })
    }
}

impl Run {
    fn open(folder: &Path) -> Result<Self, DiffError> {
        let no = |name| DiffError::NotARun { path: folder.to_owned(), name };
        let path = folder.join(MANIFEST);
        let manifest = Manifest::read(&path).ok_or_else(|| no(MANIFEST))?;
        let digest = ManifestFile::of(&path).map_err(|_| no(MANIFEST))?.blake3;
        let report = fs::read(folder.join(REPORT)).map_err(|_| no(REPORT))?;
        let report = serde_json::from_slice(&report).map_err(|_| no(REPORT))?;
        Ok(Self { folder: folder.to_owned(), manifest, digest, report })
    }

    fn facts(&self) -> RunFacts {
        RunFacts {
            run: self.folder.to_string_lossy().escape_debug().to_string(),
            digest: self.digest.clone(),
            job: self.manifest.job.clone(),
            purpose: self.manifest.purpose.clone(),
            started_at: self.report.started_at.clone(),
        }
    }

    fn previous(&self) -> Option<&str> {
        self.manifest.previous.as_ref().map(|previous| previous.blake3.as_str())
    }

    /// The path of a table that is as the manifest names it.
    fn unchanged(&self, name: &'static str) -> Result<PathBuf, DiffError> {
        let path = self.folder.join(name);
        let found = ManifestFile::of(&path).ok();
        match found.is_some() && found.as_ref() == self.manifest.files.get(name) {
            true => Ok(path),
            false => Err(DiffError::Changed { path: self.folder.clone(), name }),
        }
    }

    /// What the advertisers were told, by list.
    fn told(&self) -> Result<BTreeMap<Name, String>, DiffError> {
        let changed = || DiffError::Changed { path: self.folder.clone(), name: SUMMARY };
        let text = fs::read(self.unchanged(SUMMARY)?).map_err(|_| changed())?;
        let summary: serde_json::Value = serde_json::from_slice(&text).map_err(|_| changed())?;
        let row = |row: &serde_json::Value| {
            let name = |name: &str| Some(shown(row.get(name)?.as_str()?));
            let edge = |name: &str| row.get(name).and_then(serde_json::Value::as_u64);
            let told = match (edge("audience_from"), edge("audience_below")) {
                (Some(from), Some(below)) => format!("{from} to {below}"),
                _ => "withheld".to_owned(),
            };
            Some(((name("recipient")?, name("list_id")?), told))
        };
        let lists = summary.get("lists").and_then(serde_json::Value::as_array);
        Ok(lists.into_iter().flatten().filter_map(row).collect())
    }

    fn each_row(&self, mut visit: impl FnMut(Name, Pair)) -> Result<(), DiffError> {
        let path = self.unchanged(MATCHES)?;
        let read = each_match(&path, |row| {
            if let Some(pair) = pair(row.token, row.owner) {
                visit((shown(row.recipient), shown(row.list_id)), pair);
            }
        });
        read.map_err(|_| DiffError::Changed { path: self.folder.clone(), name: MATCHES })
    }
}

/// A name from a table, if it is one that a run writes.
fn shown(name: &str) -> String {
    Identifier::from_text(name.as_bytes()).map_or_else(|| "?".to_owned(), |name| name.to_string())
}

fn kinship(before: &Run, after: &Run) -> Kinship {
    if after.previous() == Some(&before.digest) {
        Kinship::Follows
    } else if before.previous() == Some(&after.digest) {
        Kinship::Precedes
    } else if before.previous() == after.previous() {
        Kinship::Siblings
    } else {
        Kinship::Apart
    }
}

fn made_under(before: &Manifest, after: &Manifest) -> Vec<Comparison> {
    let fact = |what, text: fn(&Manifest) -> String| Comparison {
        what,
        before: text(before),
        after: text(after),
    };
    let facts = [
        fact("job", |manifest| manifest.job.clone()),
        fact("purpose", |manifest| manifest.purpose.clone()),
        fact("program", |manifest| manifest.program.clone()),
        fact("sample", |manifest| {
            manifest.sample.map_or_else(|| "everybody".to_owned(), |share| share.to_string())
        }),
        fact("metadata version", |manifest| manifest.metadata_version.clone()),
        fact("key id", |manifest| manifest.key_id.clone()),
        fact("policy digest", |manifest| manifest.policy_digest.clone()),
        fact("floor of list numbers", |manifest| manifest.floors.list_numbers.to_string()),
        fact("floor of matched people", |manifest| manifest.floors.matched_people.to_string()),
        fact("floor of an attribute cell", |manifest| manifest.floors.attribute_cell.to_string()),
    ];
    facts.into_iter().filter(|fact| fact.before != fact.after).collect()
}

fn inputs(before: &Manifest, after: &Manifest) -> Vec<InputChange> {
    type Files<'a> = BTreeMap<(&'a str, &'a str), &'a ManifestInput>;
    fn by_name(manifest: &Manifest) -> Files<'_> {
        let inputs = manifest.inputs.iter();
        inputs.map(|input| ((input.role.as_str(), input.file.as_str()), input)).collect()
    }
    let (before, after) = (by_name(before), by_name(after));
    let names: BTreeSet<_> = before.keys().chain(after.keys()).collect();
    let change = |name: &(&str, &str)| {
        let (first, second) = (before.get(name), after.get(name));
        let rows = |input: Option<&&ManifestInput>| input.map_or(0, |input| input.rows);
        InputChange {
            role: name.0.to_owned(),
            file: name.1.escape_debug().to_string(),
            change: match (first, second) {
                (Some(first), Some(second)) if first.is_same_content(second) => "same",
                (Some(_), Some(_)) => "changed",
                (None, _) => "new",
                (Some(_), None) => "gone",
            },
            rows: Count { before: rows(first), after: rows(second) },
        }
    };
    names.into_iter().map(change).collect()
}

/// Row counts of a report, by role, place of the outcome, and reason.
type Rows = BTreeMap<(String, usize, Option<String>), u64>;

const OUTCOMES: [&str; 7] =
    ["rejected", "barred", "duplicates", "unmatched", "withheld", "released", "not_sampled"];

fn rows(before: &Report, after: &Report) -> Vec<RowChange> {
    let (before, after) = (rows_of(before), rows_of(after));
    let names: BTreeSet<_> = before.keys().chain(after.keys()).cloned().collect();
    let counts = names.into_iter().map(|name| {
        let of = |rows: &Rows| rows.get(&name).copied().unwrap_or(0);
        let rows = Count { before: of(&before), after: of(&after) };
        RowChange { role: name.0, outcome: OUTCOMES[name.1], reason: name.2, rows }
    });
    counts.filter(|change| change.rows.before != change.rows.after).collect()
}

fn rows_of(report: &Report) -> Rows {
    let mut rows = Rows::new();
    for input in &report.inputs {
        let InputReport { rejected, barred, duplicates, unmatched, .. } = input;
        let InputReport { withheld, released, not_sampled, .. } = input;
        let counts = [rejected, barred, duplicates, unmatched, withheld, released, not_sampled];
        for (at, count) in counts.into_iter().enumerate() {
            *rows.entry((input.role.clone(), at, None)).or_default() += count;
        }
        for (at, reasons) in [&input.rejected_by, &input.barred_by].into_iter().enumerate() {
            for (reason, count) in reasons {
                *rows.entry((input.role.clone(), at, Some(reason.clone()))).or_default() += count;
            }
        }
    }
    rows
}

fn lists(before: &Run, after: &Run) -> Result<Vec<ListChange>, DiffError> {
    let (told_before, told_after) = (before.told()?, after.told()?);
    // Where nobody is told of lists, those of the matches are all that are known.
    let mut numbers: BTreeMap<Name, usize> = BTreeMap::new();
    let mut number = |name: Name| {
        let next = numbers.len();
        *numbers.entry(name).or_insert(next)
    };
    for name in told_before.keys().chain(told_after.keys()) {
        number(name.clone());
    }
    let mut people: HashMap<usize, Count> = HashMap::new();
    let mut all_kept: HashMap<usize, u64> = HashMap::new();
    // True until the second run shows the token too.
    let mut tokens: HashMap<(usize, Pair), bool> = HashMap::new();
    before.each_row(|name, token| {
        let list = number(name);
        people.entry(list).or_default().before += 1;
        tokens.insert((list, token), true);
    })?;
    after.each_row(|name, token| {
        let list = number(name);
        people.entry(list).or_default().after += 1;
        let open = tokens.get_mut(&(list, token)).is_some_and(std::mem::take);
        *all_kept.entry(list).or_default() += u64::from(open);
    })?;
    let comparable = before.manifest.key_id == after.manifest.key_id;
    let change = |(name, list): (Name, usize)| {
        let people = people.get(&list).copied().unwrap_or_default();
        let kept = all_kept.get(&list).copied().unwrap_or(0);
        ListChange {
            told_before: told_before.get(&name).cloned(),
            told_after: told_after.get(&name).cloned(),
            recipient: name.0,
            list_id: name.1,
            people,
            kept: comparable.then_some(kept),
            added: comparable.then_some(people.after.saturating_sub(kept)),
            removed: comparable.then_some(people.before.saturating_sub(kept)),
        }
    };
    Ok(numbers.into_iter().map(change).collect())
}

fn stages(before: &Report, after: &Report) -> Vec<StageChange> {
    let of = |report: &Report, stage: Stage| {
        report.stages.get(stage.name()).map_or(0, |stage| stage.elapsed_ms)
    };
    let change = |stage: Stage| StageChange {
        stage: stage.name(),
        elapsed_ms: Count { before: of(before, stage), after: of(after, stage) },
    };
    Stage::ALL.into_iter().map(change).collect()
}
