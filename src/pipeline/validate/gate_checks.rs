//! What stands before the gates: the policy's for the opt-out source, and the job's.

use std::time::SystemTime;

use super::super::gates::{self, BrokenGate, Matched};
use super::super::opt_outs::Written;
use super::super::{PreviousRuns, RunError};
use super::{Context, GateCheck, GateOutcome, MatchCheck, Seen};
use crate::input::{Facts, Role};
use crate::job::Gates;
use crate::policy::{Gate, OptOutRules};
use crate::share::Share;

/// What the opt-out source is like, over all its files.
#[derive(Default)]
pub(super) struct OptOutSeen {
    files: u64,
    missing: u64,
    pub(super) empty: u64,
    without_line_end: u64,
    pub(super) rows: u64,
    pub(super) unreadable: u64,
    /// Of the oldest file.
    age_minutes: u64,
    /// Of the file that is dated furthest ahead.
    ahead_minutes: u64,
}

impl OptOutSeen {
    /// Looks whether a file is there, and when it was modified; none where nobody can tell.
    pub(super) fn look_at(&mut self, written: Option<Written>, now: SystemTime) {
        self.files += 1;
        let modified = match written {
            Some(Written::At(modified)) => modified,
            Some(Written::Never) => {
                self.missing += 1;
                return;
            }
            // Whoever reads it says why it cannot be read.
            Some(Written::Sometime) | None => return,
        };
        let minutes = |from: SystemTime, to: SystemTime| {
            to.duration_since(from).map_or(0, |distance| distance.as_secs() / 60)
        };
        self.age_minutes = self.age_minutes.max(minutes(modified, now));
        self.ahead_minutes = self.ahead_minutes.max(minutes(now, modified));
    }

    /// Counts a file that was read to its end.
    pub(super) fn count(&mut self, facts: &Facts) {
        self.rows += facts.rows;
        self.empty += u64::from(facts.rows == 0);
        self.without_line_end += u64::from(facts.ended_with_line_end == Some(false));
    }

    /// Every gate that the policy has for the source.
    pub(super) fn gates(&self, rules: &OptOutRules, before: Option<u64>) -> Vec<GateCheck> {
        let check = |gate, found: String, limit: String, keeps: bool, word: Gate| GateCheck {
            gate,
            file: None,
            found,
            limit,
            outcome: match (keeps, word) {
                (true, _) => GateOutcome::Passes,
                (false, Gate::Refuse) => GateOutcome::Breaks,
                (false, Gate::Allow) => GateOutcome::Allowed,
            },
        };
        let of_files = |count: u64| format!("{count} of {} files", self.files);
        let none = || "none".to_owned();
        let lost = before.map_or(0, |before| before.saturating_sub(self.rows));
        let shrinking = Share::of(lost, before.unwrap_or(0));
        let most = Share::of(rules.max_shrink_percent, 100);
        let is_smaller = before.is_some_and(|before| most.is_exceeded_by(lost, before));
        vec![
            check("when_missing", of_files(self.missing), none(), self.missing == 0, {
                rules.when_missing
            }),
            check("when_empty", of_files(self.empty), none(), self.empty == 0, rules.when_empty),
            check(
                "max_age_hours",
                format!("{} h, the oldest file", self.age_minutes / 60),
                format!("{} h", rules.max_age_hours),
                self.age_minutes <= rules.max_age_hours.saturating_mul(60),
                rules.when_stale,
            ),
            check(
                "future_tolerance_minutes",
                format!("{} min ahead", self.ahead_minutes),
                format!("{} min", rules.future_tolerance_minutes),
                self.ahead_minutes <= rules.future_tolerance_minutes,
                rules.when_dated_in_future,
            ),
            check(
                "when_line_end_missing",
                of_files(self.without_line_end),
                none(),
                self.without_line_end == 0,
                rules.when_line_end_missing,
            ),
            check(
                "max_unreadable_rows",
                format!("{} of {} rows", self.unreadable, self.rows),
                rules.max_unreadable_rows.to_string(),
                self.unreadable <= rules.max_unreadable_rows,
                Gate::Refuse,
            ),
            check(
                "max_shrink_percent",
                match before {
                    Some(before) => format!("{shrinking} fewer rows ({before}, now {})", self.rows),
                    None => "no run before this one".to_owned(),
                },
                most.to_string(),
                !is_smaller,
                rules.when_shrunken,
            ),
        ]
    }
}

/// Looks at the job's gates for the inputs of a role, as a run does when they are read.
pub(super) fn role(
    context: Context<'_>,
    role: Role,
    previous: &PreviousRuns,
    seen: &mut Seen,
) -> Result<(), RunError> {
    let limits = &context.job.gates;
    let inputs = || seen.inputs.iter().filter(|input| input.ledger.role == role);
    // What a fault cut short has no rate.
    let whole = || inputs().filter(|input| input.check.is_whole);
    let mut broken = gates::rejects(limits, whole().map(|input| &input.ledger));
    let mut checks = Vec::new();
    if let Some(limit) = limits.max_reject_rate {
        checks.extend(whole().map(|input| {
            let (rejected, rows) = (input.check.rejected, input.check.rows);
            GateCheck {
                gate: "max_reject_rate",
                file: Some(input.check.file.clone()),
                found: format!("{} ({rejected} of {rows} rows)", Share::of(rejected, rows)),
                limit: limit.to_string(),
                outcome: opens(!limit.is_exceeded_by(rejected, rows)),
            }
        }));
    }
    let expected = match role {
        Role::Accounts => context.job.accounts.locations.len(),
        Role::List => context.job.lists.iter().map(|list| list.files.locations.len()).sum(),
        Role::OptOuts => 0,
    };
    if let Some(limit) = limits.max_change_since_last_run
        && whole().count() == expected
        && expected > 0
    {
        let now = whole().map(|input| input.check.rows).sum();
        let change = gates::change_of_rows(limits, role, previous, now);
        let found = match previous.last().map(|run| run.rows_of(role)) {
            Some(before) if before > 0 => {
                let share = Share::of(before.abs_diff(now), before);
                format!("{share} ({before} rows, now {now})")
            }
            _ => "no rows before to compare with".to_owned(),
        };
        checks.push(GateCheck {
            gate: "max_change_since_last_run",
            file: Some(format!("all of {role}")),
            found,
            limit: limit.to_string(),
            outcome: opens(change.is_none()),
        });
        broken.extend(change);
    }
    seen.gates.append(&mut checks);
    seen.have(gates::demand(broken)).map(drop)
}

/// Looks at the gates for match rates, when the export is read.
pub(super) fn matches(context: Context<'_>, seen: &mut Seen) -> Result<(), RunError> {
    // Without the whole export there is no rate.
    let is_whole = |input: &super::ReadInput| input.check.is_whole;
    let mut accounts = seen.inputs.iter().filter(|input| input.ledger.role == Role::Accounts);
    if accounts.clone().count() < context.job.accounts.locations.len() || !accounts.all(is_whole) {
        return Ok(());
    }
    let (mut checks, mut broken) = (Vec::new(), Vec::new());
    for input in seen.inputs.iter().filter(|input| input.check.is_whole) {
        let Some(counted) = input.check.matches else { continue };
        let judged = judge(&context.job.gates, &input.check.file, counted);
        for (check, is_broken) in judged {
            checks.push(check);
            broken.extend(is_broken);
        }
    }
    seen.gates.append(&mut checks);
    seen.have(gates::demand(broken)).map(drop)
}

/// Both gates for one list input. What a sample cannot tell is not held against it: a run will.
fn judge(
    limits: &Gates,
    file: &str,
    counted: MatchCheck,
) -> impl Iterator<Item = (GateCheck, Option<BrokenGate>)> {
    let MatchCheck { numbers, matched, barred, rate, between: [low, high] } = counted;
    let is_exact = low == high;
    let of_gate = |gate: &'static str, limit: Option<Share>, only: Gates, is_surely: bool| {
        let limit = limit?;
        let broken = gates::match_rate(&only, file, Matched { numbers, matched, barred });
        let outcome = match (&broken, is_exact || is_surely) {
            (None, _) => GateOutcome::Passes,
            (Some(_), true) => GateOutcome::Breaks,
            (Some(_), false) => GateOutcome::Unsure,
        };
        let check = GateCheck {
            gate,
            file: Some(file.to_owned()),
            found: format!("{rate} ({matched} of {numbers} numbers)"),
            limit: limit.to_string(),
            outcome,
        };
        Some((check, broken.filter(|_| outcome == GateOutcome::Breaks)))
    };
    let (min, max) = (limits.min_match_rate, limits.max_match_rate);
    let at_least = of_gate(
        "min_match_rate",
        min,
        Gates { min_match_rate: min, ..Gates::NONE },
        min.is_some_and(|min| high < min),
    );
    let at_most = of_gate(
        "max_match_rate",
        max,
        Gates { max_match_rate: max, ..Gates::NONE },
        max.is_some_and(|max| low > max),
    );
    [at_least, at_most].into_iter().flatten()
}

const fn opens(keeps: bool) -> GateOutcome {
    if keeps { GateOutcome::Passes } else { GateOutcome::Breaks }
}
