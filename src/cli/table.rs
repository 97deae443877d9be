//! The report as a table that a person can read.

use std::collections::BTreeMap;
use std::fmt::Write;

use phonematch::report::{InputReport, Report, Stage};

use super::trial;

/// Rows of inputs, lists and stages, as plain text.
pub fn of(report: &Report) -> String {
    let mut text = String::new();
    inputs(&mut text, report);
    lists(&mut text, report);
    stages(&mut text, report);
    if let Some(share) = report.sample {
        let _ = writeln!(text, "\nSAMPLE: {}", trial::sampled(share));
    }
    for alarm in &report.alarms {
        let _ = writeln!(text, "\nALARM: {alarm}");
    }
    text
}

fn inputs(text: &mut String, report: &Report) {
    let inputs = &report.inputs[..];
    let heads = ["rows", "rejected", "barred", "duplicate", "unmatched", "withheld", "released"];
    let of_sample = report.sample.map(|_| "not sampled");
    let _ = write!(text, "\n{:<10}", "input");
    for head in heads.into_iter().chain(of_sample) {
        let _ = write!(text, "{head:>12}");
    }
    let _ = writeln!(text, "  file");
    for input in inputs {
        let _ = write!(text, "{:<10}", input.role);
        for count in [
            input.rows_read,
            input.rejected,
            input.barred,
            input.duplicates,
            input.unmatched,
            input.withheld,
            input.released,
        ]
        .into_iter()
        .chain(of_sample.map(|_| input.not_sampled))
        {
            let _ = write!(text, "{:>12}", grouped(count));
        }
        let _ = writeln!(text, "  {}", input.file);
    }
    for input in inputs.iter().filter(|input| input.slow_path > 0) {
        let (rows, file) = (grouped(input.slow_path), &input.file);
        let _ =
            writeln!(text, "{rows:>14}  numbers of {} took the slow reader, of {file}", input.role);
    }
    reasons(text, "rejected", inputs, |input| &input.rejected_by);
    reasons(text, "withheld", inputs, |input| &input.withheld_by);
}

fn reasons(
    text: &mut String,
    outcome: &str,
    inputs: &[InputReport],
    by: fn(&InputReport) -> &BTreeMap<String, u64>,
) {
    let reasons = inputs.iter().flat_map(|input| {
        by(input).iter().map(|(reason, count)| (input.role.as_str(), reason, *count))
    });
    let mut reasons: Vec<_> = reasons.collect();
    reasons.sort_by_key(|&(role, reason, count)| (std::cmp::Reverse(count), role, reason));
    if !reasons.is_empty() {
        let _ = writeln!(text, "\n{outcome} because");
    }
    for (role, reason, count) in reasons {
        let _ = writeln!(text, "{:>14}  {role}: {reason}", grouped(count));
    }
}

fn lists(text: &mut String, report: &Report) {
    let _ = writeln!(
        text,
        "\n{:<10}{:>12}{:>12}{:>12}  withheld because",
        "list", "numbers", "matched", "released"
    );
    for list in &report.lists {
        let _ = writeln!(
            text,
            "{:<10}{:>12}{:>12}{:>12}  {}",
            list.row,
            grouped(list.numbers),
            grouped(list.matched),
            grouped(list.released),
            list.withheld.as_deref().unwrap_or("-")
        );
    }
}

fn stages(text: &mut String, report: &Report) {
    let _ = writeln!(text, "\n{:<10}{:>12}", "stage", "ms");
    for stage in Stage::ALL {
        if let Some(row) = report.stages.get(stage.name()) {
            let _ = writeln!(text, "{:<10}{:>12}", stage.name(), grouped(row.elapsed_ms));
        }
    }
    let memory = report
        .peak_memory_bytes
        .map(|bytes| format!(", {} MB at most in memory", grouped(bytes / 1_000_000)));
    let _ = writeln!(
        text,
        "\n{} ms with {} threads (stages count each thread), {} accounts a second{}",
        grouped(report.elapsed_ms),
        report.threads,
        grouped(report.accounts_per_second),
        memory.unwrap_or_default()
    );
}

/// Digits in groups of three, a blank between (ISO 80000-1, 7.3.1).
pub fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_stand_in_threes() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1_234_567), "1 234 567");
    }
}
