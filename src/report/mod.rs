//! What happened to every row?
//!
//! Counts each row of each input exactly once: `rows_read = rejected + barred + duplicates +
//! unmatched + withheld + released`, and in a run of a sample `+ not_sampled`. The report holds counts, times and file names; never a
//! number, a digest of one, or text from a cell. It is internal: its exact counts are not for
//! advertisers. As times differ from run to run, it is the one file that is not the same bytes
//! twice; so the manifest does not hold its digest and it carries a keyed seal of its own.
//! [`page()`](page::page) shows it to people, as `report.html`, whose digest the report holds.

mod countries;
mod history;
pub mod page;
mod seal;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::consent::BarReason;
use crate::input::Role;
use crate::normalise::RejectReason;
use crate::privacy::WithholdReason;
use crate::share::Share;

pub use countries::{AllLists, CountryReport, HASHED, OTHERS, RegionCounts, countries};
pub use history::{PastRun, after};
pub use seal::{SEAL_PLACE, is_sealed, seal, sealed};

/// The nine stages, in the order of the data.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Stage {
    /// Reading files.
    Input,
    /// Reading numbers.
    Normalise,
    /// Who may be used.
    Consent,
    /// Keyed hashing.
    Key,
    /// Building and probing the index.
    Join,
    /// Floors and attribute cells.
    Privacy,
    /// Writing.
    Output,
    /// Checking what was written.
    Audit,
    /// Counting.
    Report,
}

impl Stage {
    /// All nine.
    pub const ALL: [Self; 9] = [
        Self::Input,
        Self::Normalise,
        Self::Consent,
        Self::Key,
        Self::Join,
        Self::Privacy,
        Self::Output,
        Self::Audit,
        Self::Report,
    ];

    /// The name: module, bench group, key in `report.json`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::Normalise => "normalise",
            Self::Consent => "consent",
            Self::Key => "key",
            Self::Join => "join",
            Self::Privacy => "privacy",
            Self::Output => "output",
            Self::Audit => "audit",
            Self::Report => "report",
        }
    }
}

/// Time by stage. Stages that run on several threads count each thread's time.
#[derive(Clone, Copy, Debug, Default)]
pub struct Timings([Duration; Stage::ALL.len()]);

impl Timings {
    /// Runs `work` on the clock of `stage`.
    pub fn time<T>(&mut self, stage: Stage, work: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let done = work();
        self.0[stage as usize] += start.elapsed();
        done
    }

    /// Adds time that was measured elsewhere.
    pub fn add_time(&mut self, stage: Stage, time: Duration) {
        self.0[stage as usize] += time;
    }

    /// Adds another's times, for instance a thread's.
    pub fn add(&mut self, other: &Self) {
        self.0.iter_mut().zip(other.0).for_each(|(time, other)| *time += other);
    }

    /// A stage's time.
    #[must_use]
    pub const fn of(&self, stage: Stage) -> Duration {
        self.0[stage as usize]
    }
}

/// Where one input's rows went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ledger {
    /// The input's role.
    pub role: Role,
    /// Its path as the job gives it, or `-`.
    pub file: String,
    /// Rows in the file, the header not counted.
    pub rows_read: u64,
    /// Rows that could not be read.
    pub rejected: Counts<RejectReason>,
    /// Rows that may not be used. Of a list row only the total is known, under no reason.
    pub barred: u64,
    /// The same by reason, for accounts.
    pub barred_by: Counts<BarReason>,
    /// Further rows of the same number.
    pub duplicates: u64,
    /// Rows that nobody on the other side has; an opt-out for another purpose.
    pub unmatched: u64,
    /// Matched rows that are kept back.
    pub withheld: u64,
    /// The same by reason.
    pub withheld_by: Counts<WithholdReason>,
    /// Rows whose person is in the output.
    pub released: u64,
    /// Rows whose people are not in the run's sample, nor barred; none where it is of everybody.
    pub not_sampled: u64,
    /// Rows that the exact slow path decided.
    pub slow_path: u64,
}

/// How often each of a closed set of reasons was met.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counts<R>(Vec<(R, u64)>);

impl<R> Default for Counts<R> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<R: Copy + PartialEq> Counts<R> {
    /// Counts one.
    pub fn add(&mut self, reason: R) {
        self.add_many(reason, 1);
    }

    pub(crate) fn add_many(&mut self, reason: R, many: u64) {
        match self.0.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, count)) => *count += many,
            None => self.0.push((reason, many)),
        }
    }

    /// All of them.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().map(|(_, count)| count).sum()
    }

    /// The reason that was met most often, and how often.
    #[must_use]
    pub fn most(&self) -> Option<(R, u64)> {
        // Of equals the one that was met first.
        self.0.iter().rev().max_by_key(|(_, count)| *count).copied()
    }

    /// How often a reason was met.
    #[must_use]
    pub fn of(&self, reason: R) -> u64 {
        self.0.iter().find(|(known, _)| *known == reason).map_or(0, |&(_, count)| count)
    }

    /// The counts by the reasons' names.
    #[must_use]
    pub fn named(&self, name: fn(R) -> &'static str) -> BTreeMap<String, u64> {
        self.0.iter().map(|&(reason, count)| (name(reason).to_owned(), count)).collect()
    }
}

impl Ledger {
    /// An empty ledger of an input.
    #[must_use]
    pub fn new(role: Role, file: String) -> Self {
        Self {
            role,
            file,
            rows_read: 0,
            rejected: Counts::default(),
            barred: 0,
            barred_by: Counts::default(),
            duplicates: 0,
            unmatched: 0,
            withheld: 0,
            withheld_by: Counts::default(),
            released: 0,
            not_sampled: 0,
            slow_path: 0,
        }
    }

    /// Counts a row that may not be used.
    pub fn bar(&mut self, reason: BarReason) {
        self.barred += 1;
        self.barred_by.add(reason);
    }

    /// Counts a matched row that does not leave.
    pub fn withhold(&mut self, reason: WithholdReason) {
        self.withheld += 1;
        self.withheld_by.add(reason);
    }

    /// Counts a batch's rows that may not be used.
    pub fn bar_all(&mut self, reasons: &Counts<BarReason>) {
        for &(reason, many) in &reasons.0 {
            self.barred += many;
            self.barred_by.add_many(reason, many);
        }
    }

    /// True when every row is counted exactly once.
    #[must_use]
    pub fn balances(&self) -> bool {
        let counted = self.rejected.total()
            + self.barred
            + self.duplicates
            + self.unmatched
            + self.withheld
            + self.released
            + self.not_sampled;
        self.rows_read == counted
    }
}

/// `report.json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    /// Version of this format: 1.
    pub format: u32,
    /// The job's name.
    pub job: String,
    /// The name of the run's folder.
    #[serde(default)]
    pub run: String,
    /// What the numbers were used for.
    pub purpose: String,
    /// When the run started, RFC 3339 in UTC.
    pub started_at: String,
    /// The share of people that the run is of, drawn by key; none where it is of everybody.
    #[serde(default)]
    pub sample: Option<Share>,
    /// Worker threads.
    pub threads: usize,
    /// Where each input's rows went, in reading order.
    pub inputs: Vec<InputReport>,
    /// What each list came to, in exact figures.
    pub lists: Vec<ListReport>,
    /// How much of the lists is matched, by country; none shows fewer people than the floor.
    #[serde(default)]
    pub countries: Vec<CountryReport>,
    /// Time by stage.
    pub stages: BTreeMap<String, StageReport>,
    /// From start to the audited folder.
    pub elapsed_ms: u64,
    /// Account rows by elapsed time.
    pub accounts_per_second: u64,
    /// Largest resident memory, where the system tells.
    pub peak_memory_bytes: Option<u64>,
    /// How often the export was read: more than once where lists are larger than the job's memory.
    #[serde(default = "one")]
    pub passes: u32,
    /// How often the run began again because the opt-out list changed meanwhile.
    pub restarts: u32,
    /// What somebody should look at.
    pub alarms: Vec<String>,
    /// The runs before this one, oldest first.
    #[serde(default)]
    pub history: Vec<PastRun>,
    /// BLAKE3 of `report.html`, which shows all this; none in runs that have no such file.
    #[serde(default)]
    pub page: Option<String>,
    /// BLAKE3 of the file under a key of the secret's, over the text with zeros in this place.
    pub seal: String,
}

/// Runs of the time before there were several passes took one.
const fn one() -> u32 {
    1
}

/// One input's rows: `rows_read` is the sum of the seven fields behind it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct InputReport {
    /// `accounts`, `list` or `opt_outs`.
    pub role: String,
    /// The path as the job gives it.
    pub file: String,
    /// Rows in the file.
    pub rows_read: u64,
    /// Rows that could not be read.
    pub rejected: u64,
    /// Rows that may not be used.
    pub barred: u64,
    /// Further rows of the same number.
    pub duplicates: u64,
    /// Rows that nobody on the other side has.
    pub unmatched: u64,
    /// Matched rows that are kept back.
    pub withheld: u64,
    /// Rows whose person is in the output.
    pub released: u64,
    /// Rows of people who are not in the sample; none where the run is of everybody.
    #[serde(default)]
    pub not_sampled: u64,
    /// `rejected` by reason.
    pub rejected_by: BTreeMap<String, u64>,
    /// `barred` by reason, for accounts.
    pub barred_by: BTreeMap<String, u64>,
    /// `withheld` by reason.
    #[serde(default)]
    pub withheld_by: BTreeMap<String, u64>,
    /// Rows that the exact slow path decided; none where another engine counted.
    #[serde(default)]
    pub slow_path: u64,
}

impl From<&Ledger> for InputReport {
    fn from(ledger: &Ledger) -> Self {
        Self {
            role: ledger.role.name().to_owned(),
            file: ledger.file.clone(),
            rows_read: ledger.rows_read,
            rejected: ledger.rejected.total(),
            barred: ledger.barred,
            duplicates: ledger.duplicates,
            unmatched: ledger.unmatched,
            withheld: ledger.withheld,
            released: ledger.released,
            not_sampled: ledger.not_sampled,
            rejected_by: ledger.rejected.named(RejectReason::name),
            barred_by: ledger.barred_by.named(BarReason::name),
            withheld_by: ledger.withheld_by.named(WithholdReason::name),
            slow_path: ledger.slow_path,
        }
    }
}

/// One list's figures. Its place among all lists in name order stands for a name that came from a
/// cell: names from cells are not repeated here.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ListReport {
    /// 1-based place in `audiences.parquet`.
    pub row: u64,
    /// Distinct numbers.
    pub numbers: u64,
    /// Distinct matched people who are not barred.
    pub matched: u64,
    /// People in the output.
    pub released: u64,
    /// Why the list is withheld, if it is.
    pub withheld: Option<String>,
    /// The ledger's charge that the figure rests on, of this run or an earlier one.
    pub charge: Option<u64>,
}

/// One stage's time, summed over threads.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct StageReport {
    /// Milliseconds.
    pub elapsed_ms: u64,
}

/// Stage times as the report holds them.
#[must_use]
pub fn stages(timings: &Timings) -> BTreeMap<String, StageReport> {
    let row = |stage: Stage| {
        let elapsed_ms = u64::try_from(timings.of(stage).as_millis()).unwrap_or(u64::MAX);
        (stage.name().to_owned(), StageReport { elapsed_ms })
    };
    Stage::ALL.into_iter().map(row).collect()
}

/// The process's largest resident memory in bytes, from `/proc` (proc(5), `VmHWM`).
#[must_use]
pub fn peak_memory_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}
