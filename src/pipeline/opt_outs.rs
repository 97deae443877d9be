//! The first road: who said no. Read before anything else, and again just before publishing.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::waves::{self, Work};
use super::{OptOutError, ReadInput, Rejects, RunError, Watch, hint_of, want};
use crate::consent::{
    self, AliasRules, NumbersToBar, OptOutRow, Purpose, SuppressionReader, Suppressions,
};
use crate::input::{
    self, Batch, BatchReader, Facts, Field, InputError, Limits, Location, Need, Place, Role,
    Source, Want,
};
use crate::job::{Job, OptOutSource};
use crate::key::{Form, Keyer, MatchKey, Secret};
use crate::normalise::{self, Hint, RejectReason};
use crate::output::{ManifestFile, Rejected};
use crate::policy::{Gate, OptOutRules};
use crate::report::{Ledger, Stage, Timings};
use crate::store::{self, ObjectFacts, ObjectUrl, StoreError};

/// Everyone who said no, and what was read to know it.
pub(super) struct OptOuts {
    pub(super) suppressions: Suppressions,
    pub(super) inputs: Vec<ReadInput>,
    /// Every file of the source, empty and missing ones too.
    pub(super) seen: Vec<Seen>,
}

/// One file of the source: its content, none when it is not there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Seen {
    location: Location,
    content: Option<Content>,
}

/// What tells a content from another one.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Content {
    File(ManifestFile),
    /// Its entity tag: reading it once more to know that it is the same would cost what reading it did.
    Object(ObjectFacts),
}

/// Where and why the first unreadable row is.
pub(super) struct FirstUnreadable {
    pub(super) location: Location,
    pub(super) row: u64,
}

pub(super) struct Reading<'a, 'r> {
    reader: SuppressionReader,
    default: Hint,
    suppressions: &'a mut Suppressions,
    pub(super) ledger: Ledger,
    rejects: Option<&'a mut Rejects<'r>>,
    pub(super) first_unreadable: Option<u64>,
    timings: Timings,
}

/// What to read, for which purpose, and what it must be.
#[derive(Clone, Copy)]
pub(super) struct Road<'a> {
    source: &'a OptOutSource,
    purpose: Purpose,
    rules: &'a OptOutRules,
    aliases: AliasRules,
    keyer: &'a Keyer,
}

impl<'a> Road<'a> {
    pub(super) const fn of(job: &'a Job, keyer: &'a Keyer) -> Self {
        let policy = &job.policy;
        Self {
            source: &job.opt_outs,
            purpose: job.purpose,
            rules: &policy.opt_outs,
            aliases: policy.aliases,
            keyer,
        }
    }
}

/// Whom the `audit` command looks for.
#[derive(Debug)]
pub struct AuditedOptOuts {
    /// Keys of everyone who said no, in every form and alias, as far as the number is known.
    pub keys: Vec<MatchKey>,
    /// How many of them came as digests, each in its own form only.
    pub digests: u64,
}

/// Reads the opt-outs for the `audit` command.
///
/// The policy's age and size rules are a run's; here the files have to be there, and no more than
/// `max_unreadable_rows` rows may stay unread. A digest bars its own key: whose alias it may be, only a run can tell.
///
/// # Errors
///
/// When a file is missing, or a row of it stays unread.
pub fn read_for_audit(
    source: &OptOutSource,
    purpose: Purpose,
    aliases: AliasRules,
    max_unreadable_rows: u64,
    secret: &Secret,
) -> Result<AuditedOptOuts, RunError> {
    let rules = OptOutRules {
        max_age_hours: 0,
        future_tolerance_minutes: 0,
        max_shrink_percent: 0,
        max_unreadable_rows,
        when_missing: Gate::Refuse,
        when_empty: Gate::Allow,
        when_stale: Gate::Allow,
        when_dated_in_future: Gate::Allow,
        when_shrunken: Gate::Allow,
        when_line_end_missing: Gate::Allow,
    };
    let keyer = Keyer::new(secret);
    let road = Road { source, purpose, rules: &rules, aliases, keyer: &keyer };
    let found = read(&road, None, &mut Timings::default(), &Watch::default())?;
    let numbers: Vec<_> = found.suppressions.expose_digits().collect();
    let keys =
        waves::map(&numbers, |&digits| Form::ALL.map(|form| keyer.key_of_digits(digits, form)));
    let digests = found.suppressions.hashed_keys().count() as u64;
    let keys = keys.into_iter().flatten().chain(found.suppressions.hashed_keys()).collect();
    Ok(AuditedOptOuts { keys, digests })
}

/// Reads the whole suppression list and holds it against the rules.
pub(super) fn read(
    road: &Road<'_>,
    mut rejects: Option<&mut Rejects<'_>>,
    timings: &mut Timings,
    watch: &Watch,
) -> Result<OptOuts, RunError> {
    let rules = road.rules;
    // The files are looked at before they are read: one that changes in between shows at the end.
    let seen = look(road.source)?;
    if seen.is_empty() && rules.when_missing == Gate::Refuse {
        return Err(OptOutError::NotNamed.into());
    }
    let locations: Vec<_> = seen.iter().map(|seen| seen.location.clone()).collect();
    let mut found =
        OptOuts { suppressions: Suppressions::new(road.aliases), inputs: Vec::new(), seen };
    let mut first = None;
    for location in &locations {
        if !check_age((location, written(location)?), rules, SystemTime::now())? {
            continue;
        }
        let Some(mut reader) = road.open(location, watch)? else {
            refuse_empty(location, rules)?;
            continue;
        };
        let mut reading =
            Reading::new(road, location, &mut found.suppressions, rejects.as_deref_mut());
        waves::each_batch(&mut reader, &mut reading, timings, watch)?;
        timings.add(&reading.timings);
        if let (None, Some(row)) = (&first, reading.first_unreadable) {
            first = Some(FirstUnreadable { location: location.clone(), row });
        }
        let ledger = reading.ledger;
        let facts = timings.time(Stage::Input, || reader.finish())?;
        check_whole(location, &facts, rules)?;
        found.inputs.push(ReadInput { ledger, facts });
    }
    let count = found.inputs.iter().map(|input| input.ledger.rejected.total()).sum();
    check_unreadable(count, first, rules)?;
    Ok(found)
}

impl Road<'_> {
    /// Opens a file of the source; none when there is not even a header in it.
    pub(super) fn open(
        &self,
        location: &Location,
        watch: &Watch,
    ) -> Result<Option<BatchReader>, InputError> {
        match input::open(&source_of(self.source, location), Arc::clone(&watch.meter)) {
            Err(InputError::Empty { .. }) => Ok(None),
            reader => reader.map(Some),
        }
    }

    /// How rows that name no country are read.
    pub(super) fn default_hint(&self) -> Hint {
        self.source.country.map_or(Hint::None, Hint::Region)
    }
}

impl<'a, 'r> Reading<'a, 'r> {
    pub(super) fn new(
        road: &Road<'_>,
        location: &Location,
        suppressions: &'a mut Suppressions,
        rejects: Option<&'a mut Rejects<'r>>,
    ) -> Self {
        Self {
            reader: SuppressionReader { purpose: road.purpose, keyer: road.keyer.clone() },
            default: road.default_hint(),
            suppressions,
            ledger: Ledger::new(Role::OptOuts, location.to_string()),
            rejects,
            first_unreadable: None,
            timings: Timings::default(),
        }
    }
}

/// What the source's files are now, by place and content: files that a pattern names come and go.
fn look(source: &OptOutSource) -> Result<Vec<Seen>, RunError> {
    let seen = source.locations()?.into_iter().map(|location| {
        let content = match &location {
            Location::Path(path) => ManifestFile::of(path).ok().map(Content::File),
            Location::Object(url) => facts(&location, url)?.map(Content::Object),
            Location::Stdin => None,
        };
        Ok(Seen { location, content })
    });
    seen.collect()
}

/// True when the source is still what was read.
pub(super) fn are_unchanged(job: &Job, seen: &[Seen]) -> Result<bool, RunError> {
    for location in job.opt_outs.locations()? {
        let written = written(&location)?;
        check_age((&location, written), &job.policy.opt_outs, SystemTime::now())?;
    }
    Ok(look(&job.opt_outs)? == seen)
}

/// Holds the source's size against the previous run's.
pub(super) fn check_shrinking(
    now: u64,
    before: Option<u64>,
    rules: &OptOutRules,
) -> Result<(), OptOutError> {
    let Some(before) = before else { return Ok(()) };
    let least = u128::from(before) * u128::from(100u64.saturating_sub(rules.max_shrink_percent));
    if rules.when_shrunken == Gate::Refuse && u128::from(now) * 100 < least {
        let max_shrink_percent = rules.max_shrink_percent;
        return Err(OptOutError::Shrunken { before, now, max_shrink_percent });
    }
    Ok(())
}

/// The columns that a run reads of the opt-outs, for whichever of them the job maps.
pub(super) fn wants(columns: &BTreeMap<Field, String>) -> Vec<Want> {
    vec![
        want(columns, Field::Phone, Need::OneOf),
        want(columns, Field::PhoneSha256, Need::OneOf),
        want(columns, Field::Country, Need::Optional),
        want(columns, Field::Purpose, Need::Optional),
    ]
}

fn source_of(source: &OptOutSource, location: &Location) -> Source {
    let wants = wants(&source.columns);
    Source { role: Role::OptOuts, location: location.clone(), wants, limits: Limits::STANDARD }
}

/// Whether a file that was read to its end has rows, and the last one its line end.
pub(super) fn check_whole(
    location: &Location,
    facts: &Facts,
    rules: &OptOutRules,
) -> Result<(), OptOutError> {
    if facts.rows == 0 {
        refuse_empty(location, rules)?;
    }
    check_line_end(location, facts.ended_with_line_end, rules)
}

/// Whether a file's last row has its line end; none where it is no text.
pub(super) fn check_line_end(
    location: &Location,
    ended_with_line_end: Option<bool>,
    rules: &OptOutRules,
) -> Result<(), OptOutError> {
    if ended_with_line_end == Some(false) && rules.when_line_end_missing == Gate::Refuse {
        return Err(OptOutError::LineEndMissing { location: location.clone() });
    }
    Ok(())
}

pub(super) fn refuse_empty(location: &Location, rules: &OptOutRules) -> Result<(), OptOutError> {
    match rules.when_empty {
        Gate::Allow => Ok(()),
        Gate::Refuse => Err(OptOutError::Empty { location: location.clone() }),
    }
}

/// Checks that a file, of which is known when it was written, is there and neither stale nor from
/// the future. False when it is not there
/// and the policy allows that.
pub(super) fn check_age(
    (location, written): (&Location, Written),
    rules: &OptOutRules,
    now: SystemTime,
) -> Result<bool, OptOutError> {
    match (written, rules.when_missing) {
        (Written::At(modified), _) => check_time(location, modified, rules, now)?,
        (Written::Sometime, _) => {}
        (Written::Never, Gate::Allow) => return Ok(false),
        (Written::Never, Gate::Refuse) => {
            return Err(OptOutError::Missing { location: location.clone() });
        }
    }
    Ok(true)
}

/// When a file of the source was last written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Written {
    At(SystemTime),
    /// It is there, and nothing tells when it was written.
    Sometime,
    /// It is not there.
    Never,
}

pub(super) fn written(location: &Location) -> Result<Written, InputError> {
    match location {
        Location::Stdin => Ok(Written::Sometime),
        Location::Path(path) => {
            Ok(match fs::metadata(path).and_then(|metadata| metadata.modified()) {
                Ok(modified) => Written::At(modified),
                Err(_) if path.exists() => Written::Sometime,
                Err(_) => Written::Never,
            })
        }
        Location::Object(url) => {
            let found = facts(location, url)?;
            Ok(found.map_or(Written::Never, |found| Written::At(found.modified)))
        }
    }
}

/// What the store says of an object; none where it is not there.
fn facts(location: &Location, url: &ObjectUrl) -> Result<Option<ObjectFacts>, InputError> {
    match store::facts(url) {
        Ok(facts) => Ok(Some(facts)),
        Err(StoreError::NotFound) => Ok(None),
        Err(cause) => {
            let at = Place { role: Role::OptOuts, location: location.clone() };
            Err(at.store_error(cause))
        }
    }
}

pub(super) fn check_time(
    location: &Location,
    modified: SystemTime,
    rules: &OptOutRules,
    now: SystemTime,
) -> Result<(), OptOutError> {
    const MINUTE: u64 = 60;
    const HOUR: u64 = 60 * MINUTE;
    let ahead = modified.duration_since(now).unwrap_or(Duration::ZERO);
    if rules.when_dated_in_future == Gate::Refuse
        && ahead > Duration::from_secs(rules.future_tolerance_minutes.saturating_mul(MINUTE))
    {
        let ahead_minutes = ahead.as_secs() / MINUTE;
        return Err(OptOutError::DatedInFuture { location: location.clone(), ahead_minutes });
    }
    let age = now.duration_since(modified).unwrap_or(Duration::ZERO);
    if rules.when_stale == Gate::Refuse
        && age > Duration::from_secs(rules.max_age_hours.saturating_mul(HOUR))
    {
        return Err(OptOutError::Stale {
            location: location.clone(),
            age_hours: age.as_secs() / HOUR,
            max_age_hours: rules.max_age_hours,
        });
    }
    Ok(())
}

/// Whether no more rows stay unread than the policy allows.
pub(super) fn check_unreadable(
    count: u64,
    first: Option<FirstUnreadable>,
    rules: &OptOutRules,
) -> Result<(), OptOutError> {
    match first {
        Some(first) if count > rules.max_unreadable_rows => Err(OptOutError::UnreadableRows {
            count,
            location: first.location,
            first_row: first.row,
            max_unreadable_rows: rules.max_unreadable_rows,
        }),
        _ => Ok(()),
    }
}

/// What a batch came to: its rows, and the time that they took.
pub(super) struct ReadRows {
    rows: Vec<OptOutRow>,
    timings: Timings,
}

/// Reads a row; `default` is how one that names no country is read.
pub(super) fn read_row(
    reader: &SuppressionReader,
    default: Hint,
    batch: &Batch,
    row: usize,
) -> OptOutRow {
    if batch.is_malformed(row) {
        // Its cells are a guess; whom they name is barred, and the row is unread.
        let cell = batch.cell(Field::Phone, row);
        let NumbersToBar { numbers, path, .. } = consent::numbers_to_bar(cell, default);
        let unread = Some(RejectReason::MalformedRow);
        return OptOutRow::Bars { numbers, hashed: None, unread, path };
    }
    if !reader.concerns(batch.cell(Field::Purpose, row)) {
        return OptOutRow::OtherPurpose;
    }
    let hint = hint_of(batch.cell(Field::Country, row), default);
    let phone = batch.cell(Field::Phone, row);
    reader.read(phone, batch.cell(Field::PhoneSha256, row), hint)
}

impl Work for Reading<'_, '_> {
    type Done = ReadRows;

    fn work(&self, batch: &Batch) -> ReadRows {
        let mut timings = Timings::default();
        let rows = timings.time(Stage::Normalise, || {
            let row = |row| read_row(&self.reader, self.default, batch, row);
            (0..batch.len()).map(row).collect()
        });
        ReadRows { rows, timings }
    }

    fn apply(&mut self, first_row: u64, done: ReadRows) -> Result<(), RunError> {
        self.timings.add(&done.timings);
        for (row, number) in done.rows.into_iter().zip(first_row..) {
            self.ledger.rows_read += 1;
            // What could be read is barred, also where another part of the row could not.
            let is_new = self.suppressions.add(&row);
            if let OptOutRow::Bars { path: normalise::Path::Slow, .. } = row {
                self.ledger.slow_path += 1;
            }
            match row {
                OptOutRow::Bars { unread: Some(reason), .. } => {
                    self.first_unreadable.get_or_insert(number);
                    self.ledger.rejected.add(reason);
                    if let Some(rejects) = self.rejects.as_deref_mut() {
                        let rejected = Rejected { row: number, reason };
                        rejects.add(Role::OptOuts, &self.ledger.file, rejected)?;
                    }
                }
                OptOutRow::OtherPurpose => self.ledger.unmatched += 1,
                OptOutRow::Bars { .. } if is_new => self.ledger.barred += 1,
                OptOutRow::Bars { .. } => self.ledger.duplicates += 1,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules() -> OptOutRules {
        OptOutRules {
            max_age_hours: 26,
            future_tolerance_minutes: 10,
            max_shrink_percent: 10,
            max_unreadable_rows: 0,
            when_missing: Gate::Refuse,
            when_empty: Gate::Refuse,
            when_stale: Gate::Refuse,
            when_dated_in_future: Gate::Refuse,
            when_shrunken: Gate::Refuse,
            when_line_end_missing: Gate::Refuse,
        }
    }

    #[test]
    fn age_is_judged_to_the_second() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        let hour = Duration::from_secs(3600);
        let judge = |modified| check_time(&Location::Stdin, modified, &rules(), now);
        assert!(judge(now - 26 * hour).is_ok());
        let stale = judge(now - 26 * hour - Duration::from_secs(1));
        assert!(matches!(stale, Err(OptOutError::Stale { .. })));
        assert!(judge(now + Duration::from_secs(600)).is_ok());
        let future = judge(now + Duration::from_secs(601));
        assert!(matches!(future, Err(OptOutError::DatedInFuture { .. })));
    }
}
