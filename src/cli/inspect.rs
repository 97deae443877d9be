//! `inspect`: what a run folder is, on one screen.

use std::fmt::Write as _;

use phonematch::audit::{FileState, Inspection};
use phonematch::output::Manifest;

use super::Done;
use super::args::InspectFlags;
use super::failure::{BUG, Failure, NO_INPUT};
use super::table::grouped;
use super::trial;

pub fn inspect(flags: &InspectFlags) -> Result<Done, Failure> {
    let run =
        Inspection::of(&flags.run).map_err(|error| Failure::new(NO_INPUT, error.to_string()))?;
    let mut json = serde_json::to_value(&run)
        .map_err(|error| Failure::new(BUG, format!("the run cannot be told: {error}")))?;
    if let Some(fields) = json.as_object_mut() {
        fields.insert("whole".to_owned(), run.is_whole().into());
    }
    Ok(Done { lines: text_of(&run).lines().map(str::to_owned).collect(), json })
}

fn text_of(run: &Inspection) -> String {
    let mut text = String::new();
    facts(&mut text, run);
    inputs(&mut text, run);
    lists(&mut text, run);
    files(&mut text, run);
    if !run.is_whole() {
        let _ = writeln!(
            text,
            "\nNOT WHOLE: a file is missing or is not the one that was published; publish or use \
             nothing of it, and see what `phonematch audit` finds"
        );
    }
    text
}

/// One fact a line: its name, and what it is.
fn facts(text: &mut String, run: &Inspection) {
    let Manifest { job, purpose, legal_basis, counts, floors, ledger, .. } = &run.manifest;
    let mut fact = |name: &str, value: &str| {
        let _ = writeln!(text, "{name:<18}{value}");
    };
    fact("run", &run.run);
    fact("job", &format!("{job}, for {purpose}, by {}", word(legal_basis)));
    if let Some(share) = run.manifest.sample {
        fact("SAMPLE", &trial::sampled(share));
    }
    if let Some(report) = &run.report {
        let threads = report.threads;
        fact("began", &format!("{}, {} ms", report.started_at, grouped(report.elapsed_ms)));
        fact("threads", &threads.to_string());
    }
    let program = &run.manifest.program;
    let metadata = &run.manifest.metadata_version;
    fact("made by", &format!("{program}, numbers as of libphonenumber {metadata}"));
    fact("secret", &format!("key id {}", run.manifest.key_id));
    fact("policy", &format!("BLAKE3 {}", run.manifest.policy_digest));
    fact(
        "floors",
        &format!(
            "list {}, matched {}, attribute cell {}",
            grouped(floors.list_numbers),
            grouped(floors.matched_people),
            grouped(floors.attribute_cell)
        ),
    );
    let charged = ledger.as_ref().map(|ledger| format!("charge {}", grouped(ledger.charges)));
    fact("ledger", &charged.unwrap_or_else(|| "no figure is charged for".to_owned()));
    fact(
        "released",
        &format!(
            "{} matches, {} of {} lists; {} removed since the run before, {} rows rejected",
            grouped(counts.matches),
            grouped(counts.lists_released),
            grouped(counts.lists),
            grouped(counts.removed),
            grouped(counts.rejects)
        ),
    );
    fact("before it", &before(run));
    let after = &run.lineage.next;
    fact("after it", &if after.is_empty() { "no run beside it".into() } else { after.join(", ") });
    fact("manifest", &format!("BLAKE3 {}", run.digest));
    for alarm in run.report.iter().flat_map(|report| &report.alarms) {
        fact("ALARM", alarm);
    }
}

fn before(run: &Inspection) -> String {
    match (&run.manifest.previous, &run.lineage.previous) {
        (None, _) => "nothing: the first of its chain".to_owned(),
        (Some(_), Some(name)) => name.clone(),
        (Some(named), None) => format!("a run that is not beside it, BLAKE3 {}", named.blake3),
    }
}

fn inputs(text: &mut String, run: &Inspection) {
    let _ = writeln!(text, "\n{:<10}{:>16}{:>16}  file", "input", "rows", "bytes");
    for input in &run.manifest.inputs {
        let (rows, bytes) = (grouped(input.rows), grouped(input.bytes));
        let file = input.file.escape_debug();
        let _ = writeln!(text, "{:<10}{rows:>16}{bytes:>16}  {file}", input.role);
    }
}

fn lists(text: &mut String, run: &Inspection) {
    let Some(report) = run.report.as_ref().filter(|report| !report.lists.is_empty()) else {
        return;
    };
    let _ = writeln!(
        text,
        "\n{:<10}{:>16}{:>16}{:>16}  withheld because",
        "list", "numbers", "matched", "released"
    );
    for list in &report.lists {
        let because = list.withheld.as_deref().unwrap_or("-");
        let counts = [list.numbers, list.matched, list.released].map(grouped);
        let [numbers, matched, released] = counts;
        let _ =
            writeln!(text, "{:<10}{numbers:>16}{matched:>16}{released:>16}  {because}", list.row);
    }
}

fn files(text: &mut String, run: &Inspection) {
    let _ = writeln!(text, "\n{:<22}{:>14}", "file", "bytes");
    for file in &run.files {
        let state = match file.state {
            FileState::AsPublished => "as published",
            FileState::Changed => "CHANGED since it was published",
            FileState::Missing => "MISSING",
            FileState::Sealed => "sealed under the secret",
            FileState::Unknown => "not of this run",
        };
        let _ = writeln!(text, "{:<22}{:>14}  {state}", file.name, grouped(file.bytes));
    }
}

/// The word that a value is written with in a policy.
fn word(value: &impl serde::Serialize) -> String {
    let written = serde_json::to_value(value).ok();
    let written = written.as_ref().and_then(serde_json::Value::as_str);
    written.unwrap_or_default().replace('_', " ")
}
