//! Is tonight's data what the job says it looks like?
//!
//! The job's gates are limits on rates that a run finds: rows that cannot be read, numbers that are
//! on both sides, and how much of either there is against the last run. They are looked at as soon
//! as they can be, and a broken one ends the run. `validate` asks the same questions with the same
//! answers. Somebody who may not be matched counts as a stranger here too: no gate opens or shuts
//! because of who said no.

use super::lists::Group;
use super::{PreviousRuns, ReadInput, RunError};
use crate::input::Role;
use crate::job::{Gates, Job};
use crate::join::{Fate, ListIndex};
use crate::normalise::RejectReason;
use crate::report::{InputReport, Ledger};
use crate::share::Share;

/// A limit of the job that the data does not keep.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BrokenGate {
    /// Too many rows that cannot be read.
    #[error(
        "{} of the rows of {file} ({role}) cannot be read ({rejected} of {rows}, most as {}), and \
         gates.max_reject_rate allows {limit}: repair the file, or raise the limit",
        Share::of(*rejected, *rows), reason.name()
    )]
    RejectRate {
        /// Whose rows.
        role: Role,
        /// The input, as the job names it.
        file: String,
        /// Rows that were rejected.
        rejected: u64,
        /// All of them.
        rows: u64,
        /// Why most of them were.
        reason: RejectReason,
        /// The job's limit.
        limit: Share,
    },
    /// Too few of a list's numbers are anybody's.
    #[error(
        "{} of the numbers of {file} (list) are matched ({matched} of {numbers}), and \
         gates.min_match_rate asks for {limit}: `phonematch validate` says why it may be low",
        Share::of(*matched, *numbers)
    )]
    MatchRateLow {
        /// The list input.
        file: String,
        /// Its numbers that are matched and barred by nobody.
        matched: u64,
        /// Its distinct numbers.
        numbers: u64,
        /// The job's limit.
        limit: Share,
    },
    /// Too many of them are.
    #[error(
        "{} of the numbers of {file} (list) are matched ({matched} of {numbers}), and \
         gates.max_match_rate allows {limit}: ask where the list comes from; one made from an \
         export matches nearly whole",
        Share::of(*matched, *numbers)
    )]
    MatchRateHigh {
        /// The list input.
        file: String,
        /// Its numbers that are matched and barred by nobody.
        matched: u64,
        /// Its distinct numbers.
        numbers: u64,
        /// The job's limit.
        limit: Share,
    },
    /// Much more or much less than last time.
    #[error(
        "{what} changed by {} since the last run ({before}, now {now}), and \
         gates.max_change_since_last_run allows {limit}: check that all files are there and whole, \
         or raise the limit for tonight",
        Share::of(before.abs_diff(*now), *before)
    )]
    Changed {
        /// What was counted.
        what: Counted,
        /// In the last run.
        before: u64,
        /// Now.
        now: u64,
        /// The job's limit.
        limit: Share,
    },
}

/// What is compared with the last run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Counted {
    /// Rows of all inputs of a role.
    Rows(Role),
    /// Rows of `matches.parquet`.
    Matches,
}

impl std::fmt::Display for Counted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Rows(Role::Accounts) => f.write_str("the rows of the export (accounts)"),
            Self::Rows(Role::List) => f.write_str("the rows of all lists (list)"),
            Self::Rows(Role::OptOuts) => f.write_str("the rows of the opt-out source (opt-outs)"),
            Self::Matches => f.write_str("the number of matches"),
        }
    }
}

/// Ends a run whose data is not what the job says.
pub(super) fn demand(broken: impl IntoIterator<Item = BrokenGate>) -> Result<(), RunError> {
    let broken: Vec<_> = broken.into_iter().collect();
    if broken.is_empty() { Ok(()) } else { Err(RunError::Gates { broken }) }
}

/// What the numbers of a list input came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Matched {
    /// Distinct numbers.
    pub(super) numbers: u64,
    /// Those of them that an account has and nobody bars.
    pub(super) matched: u64,
    /// Those that somebody's no bars, whether an account has them or not.
    pub(super) barred: u64,
}

/// Counts the numbers of each list input: members by the input that counts them, and rows with
/// several numbers as their best.
pub(super) fn matched_by_input(index: &ListIndex, inputs: usize, groups: &[Group]) -> Vec<Matched> {
    let mut counted = vec![Matched::default(); inputs];
    let mut count = |input: u32, fate: Fate| {
        let Some(counted) = counted.get_mut(input as usize) else { return };
        counted.numbers += 1;
        counted.matched += u64::from(fate == Fate::Matched);
        counted.barred += u64::from(fate == Fate::Barred);
    };
    for member in index.members() {
        if let Some(input) = member.counted_in() {
            count(input, index.member_fate(&member));
        }
    }
    for group in groups {
        let fates = group.members.iter().map(|&at| index.member_fate(&index.member(at)));
        let best = fates.max_by_key(|fate| match fate {
            Fate::Unmatched => 0,
            Fate::Barred => 1,
            Fate::Matched => 2,
        });
        count(group.input, best.unwrap_or(Fate::Unmatched));
    }
    counted
}

/// Whether rows of these inputs can be read.
pub(super) fn rejects<'a>(
    gates: &Gates,
    ledgers: impl IntoIterator<Item = &'a Ledger>,
) -> Vec<BrokenGate> {
    let Some(limit) = gates.max_reject_rate else { return Vec::new() };
    let broken = ledgers.into_iter().filter_map(|ledger| {
        let (rejected, rows) = (ledger.rejected.total(), ledger.rows_read);
        let (reason, _) = ledger.rejected.most()?;
        limit.is_exceeded_by(rejected, rows).then(|| BrokenGate::RejectRate {
            role: ledger.role,
            file: ledger.file.clone(),
            rejected,
            rows,
            reason,
            limit,
        })
    });
    broken.collect()
}

/// Whether a list input matches as many as it should.
pub(super) fn match_rate(gates: &Gates, file: &str, counted: Matched) -> Option<BrokenGate> {
    let Matched { numbers, matched, .. } = counted;
    let file = || file.to_owned();
    if let Some(limit) = gates.min_match_rate.filter(|it| it.is_missed_by(matched, numbers)) {
        return Some(BrokenGate::MatchRateLow { file: file(), matched, numbers, limit });
    }
    let limit = gates.max_match_rate.filter(|it| it.is_exceeded_by(matched, numbers))?;
    Some(BrokenGate::MatchRateHigh { file: file(), matched, numbers, limit })
}

/// What inputs do not keep of a job's limits, by their entries in a report: for a run that another engine
/// counted. How much changed since the last run is not asked.
#[must_use]
pub fn broken_gates(gates: &Gates, inputs: &[InputReport]) -> Vec<BrokenGate> {
    let mut broken = Vec::new();
    for input in inputs.iter().filter(|input| input.role != Role::OptOuts.name()) {
        let role = match input.role == Role::List.name() {
            true => Role::List,
            false => Role::Accounts,
        };
        let mut ledger = Ledger::new(role, input.file.clone());
        ledger.rows_read = input.rows_read;
        for reason in RejectReason::ALL {
            let rows = input.rejected_by.get(reason.name()).copied().unwrap_or(0);
            if rows > 0 {
                ledger.rejected.add_many(reason, rows);
            }
        }
        broken.extend(rejects(gates, [&ledger]));
        if role == Role::List {
            // A row that counts a distinct number is none of those that are rejected or duplicates.
            let matched = input.withheld + input.released;
            let numbers = matched + input.barred + input.unmatched;
            let matched = Matched { numbers, matched, barred: input.barred };
            broken.extend(match_rate(gates, &input.file, matched));
        }
    }
    broken
}

/// Wilson's score interval at 95 % (Wilson 1927, "Probable inference, the law of succession, and
/// statistical inference"): unlike the textbook's it holds near 0 and 1 and for few numbers.
pub(super) fn interval(part: u64, whole: u64) -> [Share; 2] {
    const Z: f64 = 1.96;
    let exact = |count: u64| u32::try_from(count).map_or(f64::from(u32::MAX), f64::from);
    if whole == 0 {
        return [Share::percent(0), Share::WHOLE];
    }
    let (n, p) = (exact(whole), exact(part) / exact(whole));
    let scale = 1.0 + Z * Z / n;
    let centre = (p + Z * Z / (2.0 * n)) / scale;
    let half = Z / scale * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt();
    let share = |value: f64| Share::from_fraction(value.clamp(0.0, 1.0));
    [
        share(centre - half).unwrap_or(Share::percent(0)),
        share(centre + half).unwrap_or(Share::WHOLE),
    ]
}

/// Whether there is about as much as last time. Where there was nothing, nothing is compared.
pub(super) fn change(
    gates: &Gates,
    what: Counted,
    before: Option<u64>,
    now: u64,
) -> Option<BrokenGate> {
    let limit = gates.max_change_since_last_run?;
    let before = before.filter(|&before| before > 0)?;
    let is_broken = limit.is_exceeded_by(before.abs_diff(now), before);
    is_broken.then_some(BrokenGate::Changed { what, before, now, limit })
}

/// Rows of a role in these inputs, held against the last run's.
pub(super) fn change_of_rows(
    gates: &Gates,
    role: Role,
    previous: &PreviousRuns,
    now: u64,
) -> Option<BrokenGate> {
    let before = previous.last().map(|run| run.rows_of(role));
    change(gates, Counted::Rows(role), before, now)
}

/// What a role's inputs must be like as soon as they are read.
pub(super) fn of_role(
    gates: &Gates,
    role: Role,
    inputs: &[ReadInput],
    previous: &PreviousRuns,
) -> Vec<BrokenGate> {
    let mut broken = rejects(gates, inputs.iter().map(|input| &input.ledger));
    let rows = inputs.iter().map(|input| input.facts.rows).sum();
    broken.extend(change_of_rows(gates, role, previous, rows));
    broken
}

/// What every list input must be like when the export is read. What a sample cannot tell of all
/// people is not held against it.
pub(super) fn of_matches(job: &Job, inputs: &[ReadInput], counted: &[Matched]) -> Vec<BrokenGate> {
    let pairs = inputs.iter().zip(counted);
    let broken = pairs.filter_map(|(input, &counted)| {
        let broken = match_rate(&job.gates, &input.ledger.file, counted)?;
        let [low, high] = interval(counted.matched, counted.numbers);
        let is_sure = match &broken {
            BrokenGate::MatchRateLow { limit, .. } => high < *limit,
            BrokenGate::MatchRateHigh { limit, .. } => low > *limit,
            BrokenGate::RejectRate { .. } | BrokenGate::Changed { .. } => true,
        };
        (is_sure || job.drawn().is_none()).then_some(broken)
    });
    broken.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn percent(percent: u16) -> Option<Share> {
        Some(Share::percent(percent))
    }

    #[test]
    fn an_interval_is_wilsons() {
        // Newcombe 1998, table I, method 3: 81 of 263, 15 of 148, 0 of 20, 1 of 29.
        for (part, whole, low, high) in [
            (81, 263, 0.2553, 0.3662),
            (15, 148, 0.0624, 0.1605),
            (0, 20, 0.0, 0.1611),
            (1, 29, 0.0061, 0.1718),
        ] {
            let [from, to] = interval(part, whole);
            assert!((from.fraction() - low).abs() < 0.0001, "{part} of {whole}: {from}");
            assert!((to.fraction() - high).abs() < 0.0001, "{part} of {whole}: {to}");
        }
        assert_eq!(interval(0, 0), [Share::percent(0), Share::WHOLE]);
    }

    #[test]
    fn a_rate_at_its_limit_passes_and_one_number_beyond_does_not() {
        let gates =
            Gates { min_match_rate: percent(10), max_match_rate: percent(90), ..Gates::NONE };
        let judge =
            |matched| match_rate(&gates, "list.csv", Matched { numbers: 100, matched, barred: 0 });
        assert_eq!((judge(10), judge(90)), (None, None));
        assert!(matches!(judge(9), Some(BrokenGate::MatchRateLow { matched: 9, .. })));
        assert!(matches!(judge(91), Some(BrokenGate::MatchRateHigh { matched: 91, .. })));
        assert_eq!(match_rate(&gates, "list.csv", Matched::default()), None);
    }

    #[test]
    fn a_report_s_inputs_are_judged_as_a_run_s_own_are() {
        let mut list = Ledger::new(Role::List, "list.csv".to_owned());
        (list.rows_read, list.unmatched, list.barred, list.released) = (120, 85, 5, 10);
        list.rejected.add_many(RejectReason::Empty, 15);
        list.rejected.add_many(RejectReason::NotAHash, 5);
        let mut opt_outs = list.clone();
        opt_outs.role = Role::OptOuts;
        let inputs = [InputReport::from(&opt_outs), InputReport::from(&list)];
        let judge = |gates: &Gates| broken_gates(gates, &inputs);
        assert_eq!(judge(&Gates { max_reject_rate: percent(17), ..Gates::NONE }), []);
        let broken = judge(&Gates { max_reject_rate: percent(16), ..Gates::NONE });
        let empty = RejectReason::Empty;
        assert!(matches!(broken[..], [BrokenGate::RejectRate { rejected: 20, reason, .. }]
            if reason == empty));
        let broken = judge(&Gates { min_match_rate: percent(11), ..Gates::NONE });
        assert!(matches!(broken[..], [BrokenGate::MatchRateLow { matched: 10, numbers: 100, .. }]));
        assert_eq!(judge(&Gates { max_match_rate: percent(10), ..Gates::NONE }), []);
    }

    #[test]
    fn a_change_is_judged_both_ways_and_only_against_something() {
        let gates = Gates { max_change_since_last_run: percent(20), ..Gates::NONE };
        let judge = |before, now| change(&gates, Counted::Matches, before, now);
        assert_eq!((judge(Some(100), 120), judge(Some(100), 80)), (None, None));
        assert!(judge(Some(100), 121).is_some() && judge(Some(100), 79).is_some());
        assert_eq!((judge(None, 5), judge(Some(0), 5)), (None, None));
    }
}
