//! Why a run ended without a result. Each cause is a variant; each text says what to do.

use std::num::NonZeroU16;

use super::gates::BrokenGate;
use crate::audit::Check;
use crate::consent::Purpose;
use crate::input::{InputError, Location};
use crate::join::ScratchError;
use crate::output::OutputError;
use crate::privacy::{Exhausted, HistoryError, LedgerError};

/// A run that published nothing.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// An input could not be read.
    #[error(transparent)]
    Input(#[from] InputError),
    /// A file could not be written.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// The opt-out source is not one that the policy lets a run begin with.
    #[error(transparent)]
    OptOuts(#[from] OptOutError),
    /// A list is not what the job says it is.
    #[error(transparent)]
    List(#[from] ListError),
    /// One of the run's own opted-out people would have come out.
    #[error(
        "a canary opt-out came through ({what}); nothing was published; this is a bug, report it"
    )]
    CanaryEscaped {
        /// What was seen.
        what: &'static str,
    },
    /// What was written is not what was promised.
    #[error("the audit of the finished run failed; nothing was published: {}", failures(checks))]
    AuditFailed {
        /// All checks, the passed ones with them.
        checks: Vec<Check>,
    },
    /// The opt-out list changed each time the run was about to publish.
    #[error(
        "the opt-out list changed {times} times while the run went on; run again when it is still"
    )]
    OptOutsKeepChanging {
        /// How often.
        times: u32,
    },
    /// The opt-out list changed and the run cannot begin again.
    #[error(
        "the opt-out list changed during the run, and standard input cannot be read twice; run again"
    )]
    OptOutsChanged,
    /// The budget ledger cannot be used.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The message history cannot be used.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// A recipient may not be told more for now.
    #[error(
        "the privacy budget does not pay for list {row}, in the order of recipients and names: its \
         recipient's figures of the last {period_days} days cost {} of {} micro-rho and one more \
         costs {}; nothing was published or charged. Take the list out of the job{}",
        exhausted.spent, exhausted.budget, exhausted.micro_rho, until(exhausted.free_on)
    )]
    BudgetExhausted {
        /// 1-based place among all lists.
        row: usize,
        /// What there is and what it would take.
        exhausted: Exhausted,
        /// The policy's period.
        period_days: NonZeroU16,
    },
    /// The data is not what the job says it looks like.
    #[error("{}; nothing was published", listed(broken))]
    Gates {
        /// Every gate that was looked at and is broken.
        broken: Vec<BrokenGate>,
    },
    /// List rows could not be put aside.
    #[error(transparent)]
    Scratch(#[from] ScratchError),
    /// The budget of memory leaves no room for lists.
    #[error(
        "the memory of the job is too small: {} MB, of which opt-outs, which are always kept whole, \
         take {}; give at least {} MB", budget / 1_000_000, megabytes(*opt_outs), megabytes(*least)
    )]
    MemoryTooSmall {
        /// What there is, in bytes.
        budget: u64,
        /// What opt-outs take of it.
        opt_outs: u64,
        /// The smallest budget that does.
        least: u64,
    },
    /// Lists take several passes over an export that can be read once only.
    #[error(
        "the lists are larger than the memory of the job, so the export would have to be read \
         several times, and standard input can be read once only; give the export as a file, or {} \
         MB more memory", megabytes(*more)
    )]
    ExportReadOnce {
        /// Bytes of memory that are missing for one pass.
        more: u64,
    },
    /// A sample of the purpose's people would tell or cost them more than the policy knows.
    #[error(
        "{} takes no sample: {}; take sample out of the job, or try it whole with --dry-run",
        purpose.name(), why_no_sample(*purpose)
    )]
    NoSample {
        /// What the numbers are used for.
        purpose: Purpose,
    },
    /// Somebody asked the run to stop.
    #[error("interrupted; nothing was published")]
    Interrupted,
}

/// Whole ones, rounded up: who gives so much gives enough.
const fn megabytes(bytes: u64) -> u64 {
    bytes.div_ceil(1_000_000)
}

fn why_no_sample(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::FriendSuggestions => "a pair is of two people, who are hardly ever both in one",
        Purpose::BusinessMessaging => {
            "a message to somebody counts against caps of theirs, which are of all people"
        }
        Purpose::Ads | Purpose::Analytics | Purpose::AntiSpam => {
            "figures of some people, beside those of all, tell more of each than the policy says"
        }
    }
}

fn until(free_on: Option<jiff::civil::Date>) -> String {
    free_on.map(|day| format!(" until {day}")).unwrap_or_default()
}

fn listed(broken: &[BrokenGate]) -> String {
    broken.iter().map(BrokenGate::to_string).collect::<Vec<_>>().join("; ")
}

fn failures(checks: &[Check]) -> String {
    let failed: Vec<_> =
        checks.iter().filter(|check| !check.holds()).map(|check| check.promise).collect();
    format!("not true that {}", failed.join("; nor that "))
}

/// Why a run refuses its opt-out source. The policy field that would allow it is named.
#[derive(Debug, thiserror::Error)]
pub enum OptOutError {
    /// The job names none.
    #[error("the job names no opt-out source; a run without one could not keep anybody's no")]
    NotNamed,
    /// A file that is not there.
    #[error(
        "the opt-out source {location} is missing; bring it back \
         (only a policy with opt_outs.when_missing = \"allow\" runs without)"
    )]
    Missing {
        /// The file.
        location: Location,
    },
    /// No row.
    #[error(
        "the opt-out source {location} is empty: it has no row; check whether its export ran \
         (only a policy with opt_outs.when_empty = \"allow\" takes it)"
    )]
    Empty {
        /// The file.
        location: Location,
    },
    /// Too old.
    #[error(
        "the opt-out source {location} is stale: {age_hours} hours old, and the policy allows \
         {max_age_hours}; fetch today's"
    )]
    Stale {
        /// The file.
        location: Location,
        /// Its age.
        age_hours: u64,
        /// The policy's limit.
        max_age_hours: u64,
    },
    /// From the future.
    #[error(
        "the opt-out source {location} is dated {ahead_minutes} minutes in the future; \
         check the clocks of both machines"
    )]
    DatedInFuture {
        /// The file.
        location: Location,
        /// How far.
        ahead_minutes: u64,
    },
    /// The last row has no line end.
    #[error(
        "the opt-out source {location} seems truncated: its last row has no line end; \
         transfer it again (or opt_outs.when_line_end_missing = \"allow\")"
    )]
    LineEndMissing {
        /// The file.
        location: Location,
    },
    /// Much smaller than last time.
    #[error(
        "the opt-out source has shrunken from {before} rows in the previous run to {now}, \
         and the policy allows {max_shrink_percent} %; check its export"
    )]
    Shrunken {
        /// Rows in the previous run.
        before: u64,
        /// Rows now.
        now: u64,
        /// The policy's limit.
        max_shrink_percent: u64,
    },
    /// Rows that nobody can read.
    #[error(
        "{count} rows of the opt-out source cannot be read, the first in row {first_row} of \
         {location}, and the policy allows {max_unreadable_rows}; repair them, or each is a \
         person's no that is lost"
    )]
    UnreadableRows {
        /// How many.
        count: u64,
        /// Where the first is.
        location: Location,
        /// In which row.
        first_row: u64,
        /// The policy's limit.
        max_unreadable_rows: u64,
    },
}

/// Why a list cannot be used as the job says.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// Digests in a column that should hold numbers.
    #[error(
        "the list {location} holds SHA-256 digests where the job says numbers; \
         say phones = \"e164\", \"digits\" or \"probe\""
    )]
    HashesGivenAsNumbers {
        /// The file.
        location: Location,
    },
    /// Numbers in a column that should hold digests.
    #[error(
        "the list {location} holds plain numbers where the job says SHA-256 digests; \
         say phones = \"raw\""
    )]
    NumbersGivenAsHashes {
        /// The file.
        location: Location,
    },
    /// Nobody to give the result to.
    #[error(
        "row {row} of the list {location} names no advertiser and the job none either; \
         set recipient in the job, or --recipient"
    )]
    NoRecipient {
        /// The file.
        location: Location,
        /// The first such row.
        row: u64,
    },
    /// No name for the list.
    #[error(
        "the list {location} has no usable name: its file name is not 1 to 64 of A-Z a-z 0-9 . _ -, \
         or looks like a phone number; set id in the job"
    )]
    NoName {
        /// The file.
        location: Location,
    },
}
