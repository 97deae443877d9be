//! Every folder under `fixtures/cases/` is a test; its name is the sentence.
//!
//! It holds `job.toml`, `policy.toml`, the inputs and `expected.json`, whose keys are:
//! `exit`, `stderr_contains` (fragments), `released` (list to the numbers whose tokens must come
//! out, and no other), `statuses` (list to `released` or `withheld`), `cells` (list to attribute
//! cell to people), `counts` (`region os` to people), `pairs` (`owner knows contact`, as numbers),
//! `rejected` (role to reason to rows), `barred`
//! (role to rows), and `barred_by` and `withheld_by` (role to reason to rows). A key that is not
//! there is not looked at. Lists are written `recipient/list_id`, cells
//! `region os os_version device` with `-` for what was not kept.
//!
//! `PHONEMATCH_BLESS=1 cargo test golden` rewrites `expected.json` from what happened; the diff
//! is reviewed like code. All numbers come from the ranges that `tidy.rs` lists.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use phonematch::normalise::{Checks, E164_TEXT_LEN, Hint, read};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::support::keys::{Form, token};
use crate::support::{SECRET_HEX, Scene, tables};

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    exit: i32,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    stderr_contains: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    released: Option<BTreeMap<String, BTreeSet<String>>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    statuses: Option<BTreeMap<String, String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cells: Option<BTreeMap<String, BTreeMap<String, u64>>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pairs: Option<BTreeSet<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    counts: Option<BTreeMap<String, u64>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rejected: Option<BTreeMap<String, BTreeMap<String, u64>>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    barred: Option<BTreeMap<String, u64>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    barred_by: Option<BTreeMap<String, BTreeMap<String, u64>>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    withheld_by: Option<BTreeMap<String, BTreeMap<String, u64>>>,
}

#[test]
fn every_case_comes_out_as_its_folder_says() {
    let bless = std::env::var_os("PHONEMATCH_BLESS").is_some();
    let mut failures = Vec::new();
    let mut cases = 0;
    for folder in case_folders() {
        cases += 1;
        let path = folder.join("expected.json");
        let text = fs::read_to_string(&path).unwrap();
        let expected: Expected = serde_json::from_str(&text)
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let (found, stderr) = run_case(&folder, &expected);
        if bless {
            fs::write(&path, serde_json::to_string_pretty(&found).unwrap() + "\n").unwrap();
            continue;
        }
        let seen = only_what_is_expected(found, &expected);
        if seen != expected {
            let name = folder.file_name().unwrap().display();
            failures.push(format!("{name}\nexpected {expected:#?}\nfound {seen:#?}\n{stderr}"));
        }
    }
    assert!(cases >= 15, "only {cases} cases were found");
    assert!(failures.is_empty(), "{} of {cases}\n{}", failures.len(), failures.join("\n\n"));
}

#[test]
fn every_case_is_named_by_a_sentence() {
    for folder in case_folders() {
        let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
        assert!(name.split('_').count() >= 4, "{name}");
        assert!(
            name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_'),
            "{name}"
        );
    }
}

fn case_folders() -> Vec<PathBuf> {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/cases");
    let mut folders: Vec<_> = fs::read_dir(cases)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .collect();
    folders.sort();
    folders
}

fn run_case(folder: &Path, expected: &Expected) -> (Expected, String) {
    let scene = Scene::copy_of(folder);
    let outcome = scene.run(&[]);
    let heard = expected.stderr_contains.iter().filter(|part| outcome.stderr.contains(*part));
    let mut found = Expected {
        exit: outcome.code.unwrap_or(-1),
        stderr_contains: heard.cloned().collect(),
        released: None,
        statuses: None,
        cells: None,
        pairs: None,
        counts: None,
        rejected: None,
        barred: None,
        barred_by: None,
        withheld_by: None,
    };
    let run = scene.at("run");
    if run.is_dir() {
        let matches = tables::rows(&run.join("matches.parquet"));
        found.released = Some(released(&matches, &numbers_of(&scene)));
        found.cells = Some(cells(&matches));
        found.statuses = Some(
            tables::rows(&run.join("audiences.parquet"))
                .iter()
                .map(|row| (list_of(row), row["status"].clone()))
                .collect(),
        );
        found.pairs = Some(pairs(&matches, &numbers_of(&scene)));
        found.counts = Some(counts(&run));
        found.rejected = Some(rejected(&tables::rows(&run.join("rejects.parquet"))));
        found.barred = Some(barred(&scene.report("run")));
        found.barred_by = Some(by_reason(&scene.report("run"), "barred_by"));
        found.withheld_by = Some(by_reason(&scene.report("run"), "withheld_by"));
    }
    (found, outcome.stderr)
}

fn only_what_is_expected(found: Expected, expected: &Expected) -> Expected {
    Expected {
        released: found.released.filter(|_| expected.released.is_some()),
        statuses: found.statuses.filter(|_| expected.statuses.is_some()),
        cells: found.cells.filter(|_| expected.cells.is_some()),
        pairs: found.pairs.filter(|_| expected.pairs.is_some()),
        counts: found.counts.filter(|_| expected.counts.is_some()),
        rejected: found.rejected.filter(|_| expected.rejected.is_some()),
        barred: found.barred.filter(|_| expected.barred.is_some()),
        barred_by: found.barred_by.filter(|_| expected.barred_by.is_some()),
        withheld_by: found.withheld_by.filter(|_| expected.withheld_by.is_some()),
        ..found
    }
}

fn list_of(row: &tables::Row) -> String {
    format!("{}/{}", row["recipient"], row["list_id"])
}

fn released(
    matches: &[tables::Row],
    numbers: &BTreeSet<String>,
) -> BTreeMap<String, BTreeSet<String>> {
    let mut released = BTreeMap::<_, BTreeSet<_>>::new();
    for row in matches {
        released.entry(list_of(row)).or_default().insert(whose(row, "token", numbers));
    }
    released
}

/// `owner knows contact`, of every pair.
fn pairs(matches: &[tables::Row], numbers: &BTreeSet<String>) -> BTreeSet<String> {
    let pairs = matches.iter().filter(|row| row.contains_key("owner_token"));
    let pair = |row: &tables::Row| {
        let [owner, contact] = ["owner_token", "token"].map(|name| whose(row, name, numbers));
        format!("{owner} knows {contact}")
    };
    pairs.map(pair).collect()
}

/// The number behind a row's token.
fn whose(row: &tables::Row, name: &str, numbers: &BTreeSet<String>) -> String {
    let is_of = |digits: &&String| {
        let forms = [Form::E164, Form::Digits].into_iter();
        forms
            .map(|form| token(SECRET_HEX, &row["recipient"], digits, form))
            .any(|it| it == row[name])
    };
    let found = numbers.iter().find(is_of);
    found.map_or("a token of nobody".to_owned(), |digits| format!("+{digits}"))
}

/// All numbers that any word of any file of the case can be read as in the export.
fn numbers_of(scene: &Scene) -> BTreeSet<String> {
    let mut numbers = BTreeSet::new();
    for entry in fs::read_dir(scene.path()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if !name.starts_with("accounts") {
            continue;
        }
        let bytes = fs::read(&path).unwrap();
        let (text, _, _) = encoding_rs::UTF_8.decode(&bytes);
        for cell in text.split([',', ';', '\t', '\n', '\r', '"', '|']) {
            if let Ok(reading) = read(cell.as_bytes(), Hint::International, Checks::Damage) {
                numbers.insert(reading.number.expose_text(&mut [0; E164_TEXT_LEN])[1..].to_owned());
            }
        }
    }
    numbers
}

fn cells(matches: &[tables::Row]) -> BTreeMap<String, BTreeMap<String, u64>> {
    let mut cells = BTreeMap::<_, BTreeMap<_, _>>::new();
    for row in matches {
        let kept = ["region", "os", "os_version", "device"]
            .map(|name| row.get(name).cloned().unwrap_or("-".to_owned()));
        *cells.entry(list_of(row)).or_default().entry(kept.join(" ")).or_default() += 1;
    }
    cells
}

/// The table of people, where the purpose makes one.
fn counts(run: &Path) -> BTreeMap<String, u64> {
    let path = run.join("counts.parquet");
    let rows = if path.exists() { tables::rows(&path) } else { Vec::new() };
    let cell = |row: &tables::Row| {
        ["region", "os"].map(|name| row.get(name).cloned().unwrap_or("-".to_owned())).join(" ")
    };
    rows.iter().map(|row| (cell(row), row["people"].parse().unwrap())).collect()
}

fn rejected(rejects: &[tables::Row]) -> BTreeMap<String, BTreeMap<String, u64>> {
    let mut rejected = BTreeMap::<_, BTreeMap<_, _>>::new();
    for row in rejects {
        let role = rejected.entry(row["role"].clone()).or_default();
        *role.entry(row["reason"].clone()).or_default() += 1;
    }
    rejected
}

fn barred(report: &Value) -> BTreeMap<String, u64> {
    let mut barred = BTreeMap::new();
    for input in report["inputs"].as_array().unwrap() {
        let role = input["role"].as_str().unwrap().to_owned();
        *barred.entry(role).or_default() += input["barred"].as_u64().unwrap();
    }
    barred
}

/// Role to reason to rows, of one of the report's columns.
fn by_reason(report: &Value, column: &str) -> BTreeMap<String, BTreeMap<String, u64>> {
    let mut rows_by = BTreeMap::<_, BTreeMap<_, _>>::new();
    for input in report["inputs"].as_array().unwrap() {
        let role = rows_by.entry(input["role"].as_str().unwrap().to_owned()).or_default();
        for (reason, rows) in input[column].as_object().unwrap() {
            *role.entry(reason.clone()).or_default() += rows.as_u64().unwrap();
        }
    }
    rows_by.retain(|_, reasons: &mut BTreeMap<_, _>| !reasons.is_empty());
    rows_by
}
