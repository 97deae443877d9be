//! `reference/run-folder.md` names every column and every field that a run writes, and no other.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;

use super::root;
use crate::support::{copy_folder, finish, json_file, phonematch, tables};

/// Objects whose keys are data and no names of fields.
const MAPS: [&str; 6] =
    ["files", "stages", "rejected_by", "barred_by", "withheld_by", "messages.tiers"];

/// A run of each purpose that writes something of its own, and a second night of one.
fn runs() -> (TempDir, Vec<PathBuf>) {
    let folder = tempfile::tempdir().unwrap();
    let mut runs = Vec::new();
    let purposes =
        [("ads", 2), ("analytics", 1), ("business_messaging", 1), ("friend_suggestions", 1)];
    for (purpose, nights) in purposes {
        let job = folder.path().join(purpose);
        copy_folder(&root().join("fixtures/purposes").join(purpose), &job);
        for night in 1..=nights {
            let out = folder.path().join("runs").join(format!("{purpose}-{night}"));
            let mut command = phonematch();
            command.arg("match").arg("--job").arg(job.join("job.toml"));
            command.arg("--secret-file").arg(folder.path().join("key")).arg("--quiet");
            if !folder.path().join("key").exists() {
                let mut keygen = phonematch();
                finish(keygen.arg("keygen").arg(folder.path().join("key"))).must_end_with(0);
            }
            let previous = runs.last().filter(|_| night > 1);
            command.arg("--previous").arg(previous.map_or(Path::new("none"), PathBuf::as_path));
            finish(command.arg("--out").arg(&out)).must_end_with(0);
            runs.push(out);
        }
    }
    (folder, runs)
}

/// The first cells of the table under a heading, with the rest of their rows.
fn rows(page: &str, heading: &str) -> Vec<(String, Vec<String>)> {
    let under = page.lines().skip_while(|line| *line != format!("## {heading}")).skip(1);
    let under = under.take_while(|line| !line.starts_with("## "));
    let rows = under.filter(|line| line.starts_with("| `"));
    rows.map(|row| {
        let cells: Vec<_> = row.split('|').map(|cell| cell.trim().to_owned()).collect();
        (cells[1].trim_matches('`').to_owned(), cells[2..].to_vec())
    })
    .collect()
}

fn page() -> String {
    fs::read_to_string(root().join("docs/reference/run-folder.md")).unwrap()
}

#[test]
fn every_column_of_every_table_is_described_with_its_type() {
    let (_folder, runs) = runs();
    let page = page();
    for (name, run) in [
        ("matches.parquet", 0),
        ("removed.parquet", 0),
        ("audiences.parquet", 0),
        ("rejects.parquet", 0),
        ("counts.parquet", 2),
    ] {
        let said: Vec<_> = rows(&page, name)
            .into_iter()
            .map(|(column, cells)| {
                let optional = if cells[1] == "may be null" { "?" } else { "" };
                format!("{column} {}{optional}", cells[0])
            })
            .collect();
        let types = [("Utf8", "text"), ("Int32", "int32"), ("Int64", "int64")];
        let columns = tables::columns(&runs[run].join(name)).into_iter();
        let columns: Vec<_> = columns
            .map(|column| {
                let named =
                    |column: String, (arrow, word): &(&str, &str)| column.replace(arrow, word);
                types.iter().fold(column, named)
            })
            .collect();
        assert_eq!(said, columns, "{name}");
    }
    // Of pairs there is a token more.
    assert!(page.contains("`owner_token` (text, never null)"));
    for name in ["matches.parquet", "removed.parquet"] {
        let mut people = tables::columns(&runs[0].join(name));
        let behind = people.iter().position(|column| column == "token Utf8").unwrap() + 1;
        people.insert(behind, "owner_token Utf8".to_owned());
        assert_eq!(people, tables::columns(&runs[4].join(name)), "{name}");
    }
}

#[test]
fn every_field_of_every_json_file_is_described() {
    let (_folder, runs) = runs();
    let page = page();
    for name in ["summary.json", "report.json", "manifest.json"] {
        let mut found = BTreeSet::new();
        for run in &runs {
            collect(&json_file(&run.join(name)), "", &mut found);
        }
        // What is null or empty in one run has fields in another.
        let is_inner = |path: &String, found: &BTreeSet<String>| {
            let inside = |other: &&String| {
                other.strip_prefix(path.as_str()).is_some_and(|rest| rest.starts_with(['.', '[']))
            };
            found.iter().find(inside).is_none()
        };
        let leaves: BTreeSet<_> =
            found.iter().filter(|path| is_inner(path, &found)).cloned().collect();
        let said: BTreeSet<_> = rows(&page, name).into_iter().map(|(path, _)| path).collect();
        assert_eq!(said, leaves, "{name}");
    }
}

#[test]
fn every_file_of_a_run_has_a_heading() {
    let (folder, runs) = runs();
    let page = page();
    let names = |folder: &Path| -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap().map(Result::unwrap);
        entries.map(|entry| entry.file_name().into_string().unwrap()).collect()
    };
    let mut all: BTreeSet<_> = runs.iter().flat_map(|run| names(run)).collect();
    all.extend(names(&folder.path().join("runs")).into_iter().filter(|name| !name.contains('-')));
    for name in all.into_iter().filter(|name| !name.starts_with('.')) {
        let heading = match name.strip_prefix("summary-") {
            Some(_) => "## summary-&lt;recipient>.html".to_owned(),
            None => format!("## {name}"),
        };
        assert!(page.lines().any(|line| line == heading), "no {heading}");
    }
}

fn collect(value: &Value, path: &str, found: &mut BTreeSet<String>) {
    let is_map = MAPS.iter().any(|map| path == *map || path.ends_with(&format!(".{map}")));
    match value {
        Value::Object(fields) if fields.is_empty() && is_map => {
            found.insert(format!("{path}.NAME"));
        }
        Value::Object(fields) => {
            for (name, field) in fields {
                let name = if is_map { "NAME" } else { name };
                let dot = if path.is_empty() { "" } else { "." };
                collect(field, &format!("{path}{dot}{name}"), found);
            }
        }
        Value::Array(items) if items.is_empty() => {
            found.insert(format!("{path}[]"));
        }
        Value::Array(items) => {
            items.iter().for_each(|item| collect(item, &format!("{path}[]"), found));
        }
        _ => {
            found.insert(path.to_owned());
        }
    }
}
