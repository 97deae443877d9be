//! How did the last run go? In Prometheus's text exposition format, version 0.0.4, as
//! node_exporter's textfile collector reads it.
//!
//! All are gauges about the last run, under the job's name, so that jobs can share a folder of the
//! collector's. Names end in their unit, in base units (prometheus.io, "Metric and label naming").
//! Rows are summed by role and not told by file: a file's name changes from night to night, and a
//! series that lives for one night is of no use.

use std::fmt::Write as _;

use jiff::{SignedDuration, Timestamp};
use phonematch::normalise::METADATA_VERSION;
use phonematch::report::{InputReport, Report, Stage};

/// What the file begins with: it is ours.
pub const FIRST_WORDS: &str = "# HELP phonematch_";

const LAST_SUCCESS: &str = "phonematch_last_success_timestamp_seconds";

/// What is told.
#[derive(Debug)]
pub struct Snapshot<'a> {
    pub job: &'a str,
    pub exit_code: u8,
    pub started_at: Timestamp,
    pub ended_at: Timestamp,
    /// As text, to the millisecond; none where there was no success yet.
    pub last_success: Option<String>,
    /// None where nothing is published.
    pub figures: Option<Figures<'a>>,
}

/// What the run in the run folder came to.
#[derive(Debug)]
pub struct Figures<'a>(&'a Report);

impl<'a> Figures<'a> {
    pub const fn of(report: &'a Report) -> Self {
        Self(report)
    }
}

type RowsOf = fn(&InputReport) -> u64;

/// Where an input's rows can go, as labels.
const OUTCOMES: [(&str, RowsOf); 6] = [
    ("rejected", |input| input.rejected),
    ("barred", |input| input.barred),
    ("duplicates", |input| input.duplicates),
    ("unmatched", |input| input.unmatched),
    ("withheld", |input| input.withheld),
    ("released", |input| input.released),
];

const ROLES: [&str; 3] = ["opt_outs", "list", "accounts"];

/// Unix time in seconds, as a sample's value.
pub fn seconds(at: Timestamp) -> String {
    thousandths(u64::try_from(at.as_millisecond()).unwrap_or(0))
}

fn thousandths(value: u64) -> String {
    format!("{}.{:03}", value / 1000, value % 1000)
}

/// When a report's run ended.
pub fn published_at(report: &Report) -> Option<String> {
    let started_at: Timestamp = report.started_at.parse().ok()?;
    let elapsed = SignedDuration::from_millis(i64::try_from(report.elapsed_ms).ok()?);
    started_at.checked_add(elapsed).ok().map(seconds)
}

/// The time of the last success that an earlier file tells of the job.
pub fn last_success(text: &str, job: &str) -> Option<String> {
    let sample = format!("{LAST_SUCCESS}{{job=\"{}\"}} ", escaped(job));
    let value = text.lines().find_map(|line| line.strip_prefix(sample.as_str()))?;
    let is_time = value.parse::<f64>().is_ok_and(|value| value.is_finite() && value > 0.0);
    is_time.then(|| value.to_owned())
}

/// The whole file.
pub fn page(snapshot: &Snapshot<'_>) -> String {
    let mut page = Page { text: String::new(), job: escaped(snapshot.job), family: "" };
    page.family("phonematch_build_info", "The program that ran, always 1.");
    let about = [("version", env!("CARGO_PKG_VERSION")), ("metadata_version", METADATA_VERSION)];
    page.sample(&about, "1");
    page.one(
        "phonematch_last_run_exit_code",
        "How the last run ended: 0 is published or skipped; phonematch explain-exit says the rest.",
        &snapshot.exit_code.to_string(),
    );
    page.one(
        "phonematch_last_run_start_timestamp_seconds",
        "When the last run began, Unix time.",
        &seconds(snapshot.started_at),
    );
    page.one(
        "phonematch_last_run_end_timestamp_seconds",
        "When the last run ended, however it did, Unix time.",
        &seconds(snapshot.ended_at),
    );
    page.one(
        LAST_SUCCESS,
        "When a run was last published, Unix time; 0 when none was, so that its age raises alarm.",
        snapshot.last_success.as_deref().unwrap_or("0"),
    );
    if let Some(Figures(report)) = &snapshot.figures {
        page.figures(report);
    }
    page.text
}

struct Page {
    text: String,
    /// The job's name, escaped.
    job: String,
    /// The family whose samples are being written.
    family: &'static str,
}

impl Page {
    /// Begins a family; its samples follow.
    fn family(&mut self, name: &'static str, help: &str) {
        self.family = name;
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} gauge");
    }

    /// A sample of the family that was begun last.
    fn sample(&mut self, labels: &[(&str, &str)], value: &str) {
        let _ = write!(self.text, "{}{{job=\"{}\"", self.family, self.job);
        for (name, value) in labels {
            let _ = write!(self.text, ",{name}=\"{}\"", escaped(value));
        }
        let _ = writeln!(self.text, "}} {value}");
    }

    fn one(&mut self, name: &'static str, help: &str, value: &str) {
        self.family(name, help);
        self.sample(&[], value);
    }

    fn figures(&mut self, report: &Report) {
        self.family(
            "phonematch_last_run_input_rows",
            "Rows of the published run's inputs, each counted under one outcome.",
        );
        for role in ROLES {
            for (outcome, count) in OUTCOMES {
                let inputs = report.inputs.iter().filter(|input| input.role == role);
                let rows: u64 = inputs.map(count).sum();
                self.sample(&[("role", role), ("outcome", outcome)], &rows.to_string());
            }
        }
        self.family(
            "phonematch_last_run_stage_seconds",
            "Time that the published run spent in a stage, summed over its threads.",
        );
        for stage in Stage::ALL.map(Stage::name) {
            let elapsed_ms = report.stages.get(stage).map_or(0, |stage| stage.elapsed_ms);
            self.sample(&[("stage", stage)], &thousandths(elapsed_ms));
        }
        self.one(
            "phonematch_last_run_elapsed_seconds",
            "Time from the published run's start to its audited folder.",
            &thousandths(report.elapsed_ms),
        );
        let released: u64 = report.lists.iter().map(|list| list.released).sum();
        let lists = report.lists.iter().filter(|list| list.withheld.is_none()).count();
        for (name, help, value) in [
            (
                "phonematch_last_run_released_people",
                "People in the published run's output, counted in each list.",
                Some(released),
            ),
            (
                "phonematch_last_run_released_lists",
                "Lists of the published run that are not withheld.",
                Some(lists as u64),
            ),
            (
                "phonematch_last_run_export_passes",
                "How often the published run read the export.",
                Some(u64::from(report.passes)),
            ),
            (
                "phonematch_last_run_restarts",
                "How often the published run began again because the opt-outs changed meanwhile.",
                Some(u64::from(report.restarts)),
            ),
            (
                "phonematch_last_run_alarms",
                "Alarms in the published run's report.",
                Some(report.alarms.len() as u64),
            ),
            (
                "phonematch_last_run_peak_memory_bytes",
                "Largest resident memory of the published run.",
                report.peak_memory_bytes,
            ),
        ] {
            value.into_iter().for_each(|value| self.one(name, help, &value.to_string()));
        }
    }
}

/// A label's value: backslash, quote and line feed are escaped, and nothing else is.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(job: &str) -> Snapshot<'_> {
        Snapshot {
            job,
            exit_code: 66,
            started_at: Timestamp::from_millisecond(1_795_795_200_123).unwrap(),
            ended_at: Timestamp::from_millisecond(1_795_795_201_000).unwrap(),
            last_success: None,
            figures: None,
        }
    }

    #[test]
    fn a_page_of_a_failure_is_this_and_no_more() {
        let page = page(&snapshot("nightly"));
        let samples: Vec<_> = page.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(
            samples[1..],
            [
                "phonematch_last_run_exit_code{job=\"nightly\"} 66",
                "phonematch_last_run_start_timestamp_seconds{job=\"nightly\"} 1795795200.123",
                "phonematch_last_run_end_timestamp_seconds{job=\"nightly\"} 1795795201.000",
                "phonematch_last_success_timestamp_seconds{job=\"nightly\"} 0",
            ]
        );
        assert!(page.starts_with(FIRST_WORDS) && page.ends_with('\n'));
    }

    #[test]
    fn labels_are_escaped() {
        let page = page(&snapshot("a\\b\"c\nd"));
        assert!(page.contains("exit_code{job=\"a\\\\b\\\"c\\nd\"} 66\n"), "{page}");
    }

    #[test]
    fn the_last_success_is_that_of_the_same_job_and_a_time() {
        let told = Snapshot { last_success: Some("12.500".to_owned()), ..snapshot("a") };
        let text = page(&told);
        assert_eq!(last_success(&text, "a").as_deref(), Some("12.500"));
        assert_eq!(last_success(&text, "b"), None);
        assert_eq!(last_success(&page(&snapshot("a")), "a"), None);
        for bad in ["NaN", "+Inf", "x", "-1"] {
            assert_eq!(last_success(&text.replace("12.500", bad), "a"), None, "{bad}");
        }
    }
}
