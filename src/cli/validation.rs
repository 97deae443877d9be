//! The `validate` command, and what it saw as a text for people.

use std::fmt::Write;
use std::sync::Arc;

use phonematch::pipeline::{
    self, Dialect, Finding, GateCheck, GateOutcome, InputCheck, Numbers, Severity, Stored,
    Validation,
};
use phonematch::share::Share;
use serde_json::{Value, json};

use super::Done;
use super::args::{Common, ValidateFlags};
use super::commands;
use super::failure::{BUG, Failure};
use super::job_file;
use super::progress::Progress;
use super::table::grouped;

/// Territories that are named; the others are counted.
const COUNTRIES_SHOWN: usize = 6;

pub fn validate(flags: &ValidateFlags, common: &Common) -> Result<Done, Failure> {
    let job = job_file::resolve_to_look(&flags.job)?;
    let watch = commands::watch()?;
    let progress = (!common.quiet).then(|| Progress::begin(&job, Arc::clone(&watch.meter)));
    let validated = pipeline::validate(&job, job.sample, &watch);
    drop(progress);
    let mut validation = validated?;
    let faults = std::mem::take(&mut validation.faults);
    let faults: Vec<_> = faults.into_iter().map(Failure::from).collect();
    let text = text_of(&validation, &faults);
    let mut json =
        serde_json::to_value(&validation).map_err(|error| Failure::new(BUG, error.to_string()))?;
    if let Value::Object(fields) = &mut json {
        let fault =
            |fault: &Failure| json!({ "exit_code": fault.code(), "text": fault.to_string() });
        fields.insert("faults".to_owned(), faults.iter().map(fault).collect());
    }
    let done = Done { lines: text.lines().map(str::to_owned).collect(), json };
    match faults.as_slice() {
        [] => Ok(done),
        [first, ..] => {
            let count = match faults.len() {
                1 => "a fault".to_owned(),
                count => format!("{count} faults"),
            };
            let message = format!(
                "{count} found; a run would publish nothing and end with exit \
                 code {}",
                first.code()
            );
            Err(Failure::new(first.code(), message).with(done))
        }
    }
}

fn text_of(validation: &Validation, faults: &[Failure]) -> String {
    let mut text = String::new();
    for input in &validation.inputs {
        describe(&mut text, input, validation);
    }
    gates(&mut text, "gates of the policy, for the opt-outs", &validation.opt_out_gates);
    gates(&mut text, "gates of the job", &validation.gates);
    conclude(&mut text, validation, faults);
    text
}

/// One aligned line of an input.
fn line(text: &mut String, name: &str, said: &str) {
    if !said.is_empty() {
        let _ = writeln!(text, "  {name:<13}{said}");
    }
}

fn describe(text: &mut String, input: &InputCheck, validation: &Validation) {
    let role = input.role.replace('_', "-");
    let _ = writeln!(text, "{role}  {}", input.file);
    if !input.is_whole {
        line(text, "read", "only in part: see the faults below");
    }
    line(text, "rows", &rows(input));
    line(text, "rejected", &counts(&input.rejected_by));
    line(text, "barred", &counts(&input.barred_by));
    line(text, "written as", &input.stored.as_ref().map(stored).unwrap_or_default());
    line(text, "columns", &columns(input));
    if let Some(found) = &input.numbers {
        line(text, "plus", &pluses(found));
        line(
            text,
            "countries",
            &shares(found.countries.iter().map(|(name, n)| (name.as_str(), *n))),
        );
        line(text, "types", &shares(found.types.iter().map(|(name, n)| (*name, *n))));
    }
    line(text, "hashed as", &input.dialect.as_ref().map(dialect).unwrap_or_default());
    line(text, "match rate", &match_rate(input, validation));
    text.push('\n');
}

fn rows(input: &InputCheck) -> String {
    let mut said = grouped(input.rows);
    if input.rejected > 0 {
        let share = Share::of(input.rejected, input.rows);
        let _ = write!(said, ", {} rejected ({share})", grouped(input.rejected));
    }
    let duplicates = input.duplicates;
    if duplicates.count > 0 {
        let among = match input.role.as_str() {
            "accounts" => " of those on a list",
            _ => "",
        };
        let _ = write!(
            said,
            ", {} duplicate ({}{among})",
            grouped(duplicates.count),
            duplicates.share()
        );
    }
    if input.barred > 0 {
        let verb = if input.role == "opt_outs" { "bar somebody" } else { "barred" };
        let share = Share::of(input.barred, input.rows);
        let _ = write!(said, ", {} {verb} ({share})", grouped(input.barred));
    }
    if input.other_purpose > 0 {
        let _ = write!(said, ", {} for other purposes", grouped(input.other_purpose));
    }
    said
}

/// Reasons and how often, the most often first.
fn counts(by: &std::collections::BTreeMap<String, u64>) -> String {
    let mut by: Vec<_> = by.iter().collect();
    by.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    let one = |(reason, count): (&String, &u64)| format!("{reason} {}", grouped(*count));
    by.into_iter().map(one).collect::<Vec<_>>().join(", ")
}

fn stored(stored: &Stored) -> String {
    let format = match stored.format {
        "csv" => "CSV",
        "ndjson" => "NDJSON",
        _ => "Parquet",
    };
    let mut said = match (stored.format, stored.delimiter) {
        (_, Some(delimiter)) => format!("{format} with {delimiter}"),
        ("csv", None) => format!("{format} of one column"),
        _ => format.to_owned(),
    };
    if stored.format != "parquet" {
        let _ = write!(said, ", {}", stored.encoding);
    }
    if stored.compression != "none" {
        let _ = write!(said, ", {}", stored.compression);
    }
    let _ = write!(said, ", {} bytes", grouped(stored.bytes));
    match stored.age_hours {
        None => {}
        Some(hours) if hours < 48 => {
            let _ = write!(said, ", {hours} h old");
        }
        Some(hours) => {
            let _ = write!(said, ", {} days old", hours / 24);
        }
    }
    said
}

fn columns(input: &InputCheck) -> String {
    let one = |column: &pipeline::ColumnCheck| match &column.name {
        Some(name) => format!("{} from {name}", column.field),
        None => format!("{} found", column.field),
    };
    let mut said = input.columns.iter().map(one).collect::<Vec<_>>().join(", ");
    let mut unused = input.unused_columns.clone();
    match (input.unused_columns_hidden, unused.is_empty()) {
        (0, _) => {}
        (hidden, true) => unused.push(format!("{hidden} columns")),
        (hidden, false) => unused.push(format!("{hidden} more")),
    }
    if !unused.is_empty() {
        let _ = write!(said, "; not used: {}", unused.join(", "));
    }
    said
}

fn pluses(numbers: &Numbers) -> String {
    if numbers.without_plus.of == 0 {
        return String::new();
    }
    let mut said = format!("{} of the numbers without", numbers.without_plus.share());
    if numbers.without_plus_or_country.count > 0 {
        let _ = write!(said, ", {} without a country too", numbers.without_plus_or_country.share());
    }
    said
}

/// Names and what share each is, the largest first.
fn shares<'a>(by: impl Iterator<Item = (&'a str, u64)>) -> String {
    let mut by: Vec<_> = by.collect();
    by.sort_by_key(|&(_, count)| std::cmp::Reverse(count));
    let all: u64 = by.iter().map(|(_, count)| count).sum();
    let shown = by.iter().take(COUNTRIES_SHOWN);
    let mut said: Vec<_> =
        shown.map(|&(name, count)| format!("{name} {}", Share::of(count, all))).collect();
    if by.len() > COUNTRIES_SHOWN {
        said.push(format!("{} others", by.len() - COUNTRIES_SHOWN));
    }
    said.join(", ")
}

fn dialect(dialect: &Dialect) -> String {
    format!(
        "{} of {} digests are accounts' as e164, {} as digits; the job says {}",
        grouped(dialect.e164),
        grouped(dialect.digests),
        grouped(dialect.digits),
        dialect.declared
    )
}

fn match_rate(input: &InputCheck, validation: &Validation) -> String {
    let Some(matches) = input.matches else { return String::new() };
    let (matched, numbers) = (grouped(matches.matched), grouped(matches.numbers));
    let mut said = match validation.sample.is_everybody {
        true => format!("{} ({matched} of {numbers} numbers)", matches.rate),
        false => {
            let [low, high] = matches.between;
            format!(
                "about {}, {low} to {high} ({matched} of {numbers} numbers, a sample of {} of all \
                 people, drawn by key)",
                matches.rate, validation.sample.share
            )
        }
    };
    if matches.barred > 0 {
        let share = Share::of(matches.barred, matches.numbers);
        let _ = write!(said, "; {} of people who said no ({share})", grouped(matches.barred));
    }
    said
}

fn gates(text: &mut String, title: &str, gates: &[GateCheck]) {
    if gates.is_empty() {
        return;
    }
    let _ = writeln!(text, "{title}");
    for gate in gates {
        let outcome = match gate.outcome {
            GateOutcome::Passes => "passes",
            GateOutcome::Breaks => "BREAKS",
            GateOutcome::Allowed => "allowed",
            GateOutcome::Unsure => "unsure",
        };
        let file = gate.file.as_ref().map(|file| format!("  {file}"));
        let _ = writeln!(
            text,
            "  {outcome:<9}{:<26}{} (limit {}){}",
            gate.gate,
            gate.found,
            gate.limit,
            file.unwrap_or_default()
        );
    }
    text.push('\n');
}

/// What to look at, the most important last on the screen and first in its list.
fn conclude(text: &mut String, validation: &Validation, faults: &[Failure]) {
    let of = |severity: Severity| {
        validation.findings.iter().filter(move |finding| finding.severity == severity)
    };
    let section = |text: &mut String, title: &str, severity: Severity| {
        if of(severity).next().is_some() {
            let _ = writeln!(text, "{title}");
            of(severity).for_each(|finding| {
                let _ = writeln!(text, "  {}", sentence(finding));
            });
            text.push('\n');
        }
    };
    section(text, "good to know", Severity::Note);
    section(text, "why the match rate may be low", Severity::LowMatchRate);
    section(text, "warnings", Severity::Warning);
    if faults.is_empty() {
        let _ = writeln!(text, "no fault: a run would begin");
    } else {
        let _ = writeln!(text, "faults: a run would publish nothing");
        faults.iter().for_each(|fault| {
            let _ = writeln!(text, "  exit {}: {fault}", fault.code());
        });
    }
}

fn sentence(finding: &Finding) -> String {
    let file = finding.file.as_ref().map(|file| format!("{file}: ")).unwrap_or_default();
    format!("{file}{}; {}", finding.found, finding.remedy)
}
