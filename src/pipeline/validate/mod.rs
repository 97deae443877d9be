//! Would tonight's run go well, and what would come of it?
//!
//! [`validate`] goes the road of [`run`](super::run) without its end: it reads every input as a run
//! would, with the same stages, and writes nothing. A run stops at the first fault; this goes on to
//! the next input, so that one night's repair is enough. What the run's own ledgers do not count is
//! surveyed beside them (`survey`), and turned into sentences at the end (`findings`).
//!
//! How many numbers match is asked for a sample of people, drawn by key, so that they are the same
//! people on both sides; small lists are looked up whole. Memory grows with the sample and the
//! opt-outs.

mod dialect;
mod findings;
mod gate_checks;
mod outcome;
mod rejected;
mod survey;

use std::sync::Arc;
use std::time::SystemTime;

use super::accounts::{self, Against, Pass, Probing};
use super::lists::{Indexing, Listing, Lists, ReadRows, RowsTo, Said};
use super::opt_outs::{self, FirstUnreadable, Road, Written};
use super::waves::{self, Work};
use super::{OptOutError, PreviousRuns, RunError, Watch, figures, gates, passes};
use crate::consent::{BarReason, Suppressions};
use crate::input::{
    self, Batch, BatchReader, ColumnsFound, Compression, Encoding, Facts, Format, Location, Role,
};
use crate::job::{Job, Phones};
use crate::join::{InputNo, ListBuilder, ListIndex, ListName, ListNo};
use crate::key::{Keyer, ToldBy};
use crate::normalise::{Hint, NumberType, RejectReason};
use crate::output::Lineage;
use crate::policy::Gate;
use crate::report::{Ledger, Timings};
use crate::share::Share;
use dialect::{DialectBuilder, Dialects};
use gate_checks::OptOutSeen;
use survey::{Survey, Surveying, View};

pub use outcome::{
    ColumnCheck, Dialect, Finding, GateCheck, GateOutcome, InputCheck, MatchCheck, Numbers, Part,
    Sample, Severity, Stored, Validation,
};

/// The share of people that is looked for where lists are large.
pub const USUAL_SAMPLE: Share = Share::percent(1);

/// Lists of so many bytes together are looked up whole: some million rows, or a few hundredths of
/// a GB in memory.
pub const WHOLE_UP_TO_BYTES: u64 = 32 << 20;

/// What a validation is made with.
#[derive(Clone, Copy)]
struct Context<'a> {
    job: &'a Job,
    keyer: &'a Keyer,
    sample: Share,
    watch: &'a Watch,
}

/// What was seen so far.
#[derive(Default)]
struct Seen {
    inputs: Vec<ReadInput>,
    faults: Vec<RunError>,
    opt_out_gates: Vec<GateCheck>,
    gates: Vec<GateCheck>,
}

/// An input that was read as far as it could be.
struct ReadInput {
    check: InputCheck,
    ledger: Ledger,
    survey: Survey,
}

/// The lists, looked up in the export.
struct ReadLists {
    /// Places in the inputs, by the number under which the index counts them.
    places: Vec<usize>,
    lists: Lists,
    index: ListIndex,
    /// The list of nobody that stands for the canaries'.
    reserved: ListNo,
    dialects: Option<Dialects>,
}

impl Seen {
    /// Notes why a run would end; an interruption ends the validation too.
    fn fault(&mut self, error: impl Into<RunError>) -> Result<(), RunError> {
        match error.into() {
            RunError::Interrupted => Err(RunError::Interrupted),
            error => {
                self.faults.push(error);
                Ok(())
            }
        }
    }

    /// What there is to be had of a result; an error is noted.
    fn have<T>(&mut self, result: Result<T, impl Into<RunError>>) -> Result<Option<T>, RunError> {
        result.map_or_else(|error| self.fault(error).map(|()| None), |value| Ok(Some(value)))
    }
}

/// Reads everything that a run of the job would read, and writes nothing.
///
/// `sample` is the share of people whose numbers are looked for in the export; where none is given
/// it is everybody for lists of up to [`WHOLE_UP_TO_BYTES`], and [`USUAL_SAMPLE`] for larger ones.
///
/// # Errors
///
/// [`RunError::Interrupted`]. Whatever else would end a run is among [`Validation::faults`].
pub fn validate(job: &Job, sample: Option<Share>, watch: &Watch) -> Result<Validation, RunError> {
    let keyer = &Keyer::new(&job.secret);
    let sample = sample.unwrap_or_else(|| usual_sample(job)).min(Share::WHOLE);
    let context = Context { job, keyer, sample, watch };
    let mut seen = Seen::default();

    let lineage =
        Lineage { job: job.name.as_str(), purpose: job.purpose.name(), secret: &job.secret };
    let previous = seen.have(PreviousRuns::of(job, &lineage))?;
    let previous = previous.unwrap_or_default();
    seen.have(figures::check_ledger(job, &previous))?;

    let suppressions = opt_outs(context, &previous, &mut seen)?;
    let mut read = lists(context, &suppressions, &mut seen)?;
    gate_checks::role(context, Role::List, &previous, &mut seen)?;
    accounts(context, &suppressions, &mut read, &mut seen)?;
    gate_checks::role(context, Role::Accounts, &previous, &mut seen)?;
    count_matches(context, &read, &mut seen);
    gate_checks::matches(context, &mut seen)?;

    let findings = findings::of(context, &seen, &read);
    Ok(Validation {
        job: job.name.to_string(),
        purpose: job.purpose.name().to_owned(),
        inputs: seen.inputs.into_iter().map(|input| input.check).collect(),
        opt_out_gates: seen.opt_out_gates,
        gates: seen.gates,
        sample: Sample { share: sample, is_everybody: sample == Share::WHOLE },
        findings,
        faults: seen.faults,
    })
}

/// Everybody where the lists are small; a stream's size is not known, so it is taken for small.
fn usual_sample(job: &Job) -> Share {
    let locations = job.lists.iter().flat_map(|list| &list.files.locations);
    let bytes: u64 = locations.filter_map(Location::bytes).sum();
    if bytes > WHOLE_UP_TO_BYTES { USUAL_SAMPLE } else { Share::WHOLE }
}

fn opt_outs(
    context: Context<'_>,
    previous: &PreviousRuns,
    seen: &mut Seen,
) -> Result<Suppressions, RunError> {
    let Context { job, keyer, watch, .. } = context;
    let rules = &job.policy.opt_outs;
    let road = Road::of(job, keyer);
    let mut suppressions = Suppressions::new(job.policy.aliases);
    let locations = seen.have(job.opt_outs.locations())?;
    if locations.as_ref().is_some_and(Vec::is_empty) && rules.when_missing == Gate::Refuse {
        seen.fault(OptOutError::NotNamed)?;
    }
    let mut source = OptOutSeen::default();
    let mut first = None;
    for location in &locations.unwrap_or_default() {
        let now = SystemTime::now();
        let written = seen.have(opt_outs::written(location))?;
        source.look_at(written, now);
        // A source that is stale is read all the same: its rows have more to tell.
        if let Some(written) = written {
            seen.have(opt_outs::check_age((location, written), rules, now))?;
        }
        if written == Some(Written::Never) {
            continue;
        }
        let Some(reader) = seen.have(road.open(location, watch))? else { continue };
        let Some(reader) = reader else {
            source.empty += 1;
            seen.have(opt_outs::refuse_empty(location, rules))?;
            continue;
        };
        let reading = opt_outs::Reading::new(&road, location, &mut suppressions, None);
        let mut reading = Surveying::new(reading, View::Numbers(road.default_hint()), None);
        let end = read_to_end(context, reader, &mut reading, seen)?;
        let Surveying { inner, survey, .. } = reading;
        if let (None, Some(row)) = (&first, inner.first_unreadable) {
            first = Some(FirstUnreadable { location: location.clone(), row });
        }
        if let Some(facts) = &end.facts {
            source.count(facts);
            seen.have(opt_outs::check_whole(location, facts, rules))?;
        }
        source.unreadable += inner.ledger.rejected.total();
        seen.inputs.push(ReadInput::new(inner.ledger, survey, &end, View::Numbers(Hint::None)));
    }
    seen.have(opt_outs::check_unreadable(source.unreadable, first, rules))?;
    if seen.faults.is_empty() {
        // What is missing or cut is smaller too, and was named already.
        seen.have(opt_outs::check_shrinking(source.rows, previous.opt_out_rows(), rules))?;
    }
    seen.opt_out_gates = source.gates(rules, previous.opt_out_rows());
    Ok(suppressions)
}

fn lists(
    context: Context<'_>,
    suppressions: &Suppressions,
    seen: &mut Seen,
) -> Result<ReadLists, RunError> {
    let Context { job, keyer, sample, watch } = context;
    let mut builder = ListBuilder::default();
    let reserved = builder.list(&ListName::reserved());
    let (mut lists, mut places) = (Lists::default(), Vec::new());
    let mut dialects = DialectBuilder::new();
    for source in &job.lists {
        for location in &source.files.locations {
            let drawn = Some(sample).filter(|&share| share < Share::WHOLE);
            let listing = Listing { source, location, policy: &job.policy, keyer, drawn };
            let Some(reader) = seen.have(listing.open(watch))? else { continue };
            let view = View::of_list(listing.phone_column(&reader), listing.default_hint());
            let input = InputNo::try_from(places.len()).unwrap_or(InputNo::MAX);
            let indexing = Indexing::new(
                listing,
                &reader,
                input,
                RowsTo::Index(&mut builder),
                &mut lists,
                None,
            );
            let telling = Telling { inner: indexing, input, dialects: &mut dialects };
            let mut reading = Surveying::new(telling, view, None);
            let end = read_to_end(context, reader, &mut reading, seen)?;
            let Surveying { inner: Telling { inner, .. }, survey, .. } = reading;
            let ledger = inner.finish(&mut Timings::default());
            let mut input = ReadInput::new(ledger, survey, &end, view);
            let Ledger { rows_read, not_sampled, duplicates, .. } = input.ledger;
            let sampled = rows_read - input.ledger.rejected.total() - not_sampled;
            input.check.duplicates = Part { count: duplicates, of: sampled };
            if matches!(view, View::Digests) {
                let declared = match source.phones {
                    Phones::Hashed(form) => form.name(),
                    Phones::ByColumn | Phones::Raw | Phones::Probe => "probe",
                };
                input.check.dialect = Some(Dialect { declared, digests: 0, e164: 0, digits: 0 });
            }
            places.push(seen.inputs.len());
            seen.inputs.push(input);
        }
    }
    let index = passes::finish(builder, suppressions, keyer, &mut Timings::default());
    Ok(ReadLists { places, lists, index, reserved, dialects: dialects.finish(keyer) })
}

fn accounts(
    context: Context<'_>,
    suppressions: &Suppressions,
    read: &mut ReadLists,
    seen: &mut Seen,
) -> Result<(), RunError> {
    let Context { job, keyer, watch, .. } = context;
    let against = Against {
        suppressions,
        keyer,
        blank: job.policy.blank_consent,
        pass: Pass::Only,
        purpose: job.purpose,
        // Lists hold nobody but the sample, and every account is surveyed.
        drawn: None,
    };
    let mut told = dialect::Told::default();
    for (input, location) in (0..).zip(&job.accounts.locations) {
        let source = accounts::source(job, location, read.index.has_contacts());
        let opened = input::open(&source, Arc::clone(&watch.meter));
        let Some(reader) = seen.have(opened)? else { continue };
        let ledger = Ledger::new(Role::Accounts, location.to_string());
        let probing = Probing::new(&mut read.index, against, input, ledger, None);
        let mut reading = Surveying::new(probing, View::Accounts, read.dialects.as_ref());
        let end = read_to_end(context, reader, &mut reading, seen)?;
        told.add(reading.told);
        let ledger = reading.inner.finish().ledger;
        let mut input = ReadInput::new(ledger, reading.survey, &end, View::Accounts);
        let Ledger { rows_read, barred, unmatched, duplicates, .. } = input.ledger;
        let on_lists = rows_read - input.ledger.rejected.total() - barred - unmatched;
        input.check.duplicates = Part { count: duplicates, of: on_lists };
        seen.inputs.push(input);
    }
    for found in read.dialects.iter().flat_map(|dialects| dialects.found(&told)) {
        let place = read.places[found.input as usize];
        if let Some(dialect) = &mut seen.inputs[place].check.dialect {
            let dialect::Found { digests, e164, digits, .. } = found;
            *dialect = Dialect { digests, e164, digits, ..dialect.clone() };
        }
    }
    Ok(())
}

/// Gives each list input what its numbers came to.
fn count_matches(context: Context<'_>, read: &ReadLists, seen: &mut Seen) {
    let counted = gates::matched_by_input(&read.index, read.places.len(), &read.lists.groups);
    for (&place, counted) in read.places.iter().zip(counted) {
        let gates::Matched { numbers, matched, barred } = counted;
        let rate = Share::of(matched, numbers);
        let between = match context.sample == Share::WHOLE {
            true => [rate; 2],
            false => gates::interval(matched, numbers),
        };
        seen.inputs[place].check.matches =
            Some(MatchCheck { numbers, matched, barred, rate, between });
    }
}

/// What is known of an input at its end.
struct End {
    columns: ColumnsFound,
    /// None when the end was not reached.
    facts: Option<Facts>,
}

/// Reads an input as far as it can be read.
fn read_to_end<W: Work + Sync>(
    context: Context<'_>,
    mut reader: BatchReader,
    work: &mut W,
    seen: &mut Seen,
) -> Result<End, RunError> {
    let read = waves::each_batch(&mut reader, work, &mut Timings::default(), context.watch);
    let is_read = seen.have(read)?.is_some();
    let columns = reader.columns().clone();
    let facts = if is_read { seen.have(reader.finish())? } else { None };
    Ok(End { columns, facts })
}

impl ReadInput {
    fn new(ledger: Ledger, survey: Survey, end: &End, view: View) -> Self {
        let named = |column: &input::FoundColumn| ColumnCheck {
            field: column.field.name(),
            name: column.name.clone(),
        };
        let has_numbers = !matches!(view, View::Digests);
        let is_opt_outs = ledger.role == Role::OptOuts;
        let check = InputCheck {
            role: ledger.role.name().to_owned(),
            file: ledger.file.clone(),
            is_whole: end.facts.is_some(),
            stored: end.facts.as_ref().map(Stored::of),
            columns: end.columns.all().iter().map(named).collect(),
            unused_columns: end.columns.unused().shown().to_vec(),
            unused_columns_hidden: end.columns.unused().hidden(),
            rows: ledger.rows_read,
            rejected: ledger.rejected.total(),
            rejected_by: ledger.rejected.named(RejectReason::name),
            barred: ledger.barred,
            barred_by: ledger.barred_by.named(BarReason::name),
            other_purpose: if is_opt_outs { ledger.unmatched } else { 0 },
            duplicates: Part { count: ledger.duplicates, of: ledger.rows_read },
            numbers: has_numbers.then(|| Numbers::of(&survey)),
            matches: None,
            dialect: None,
        };
        Self { check, ledger, survey }
    }
}

impl Stored {
    fn of(facts: &Facts) -> Self {
        let age = facts.modified.and_then(|at| SystemTime::now().duration_since(at).ok());
        Self {
            format: match facts.format {
                Format::Delimited => "csv",
                Format::Ndjson => "ndjson",
                Format::Parquet => "parquet",
            },
            delimiter: facts.delimiter.map(|delimiter| match delimiter {
                b';' => "semicolon",
                b'\t' => "tab",
                b'|' => "pipe",
                _ => "comma",
            }),
            encoding: match facts.encoding {
                Encoding::Utf8 => "utf-8",
                Encoding::Utf8Bom => "utf-8-bom",
                Encoding::Utf16Le => "utf-16-le",
                Encoding::Utf16Be => "utf-16-be",
            },
            compression: match facts.compression {
                Compression::None => "none",
                Compression::Gzip => "gzip",
                Compression::Zstd => "zstd",
            },
            bytes: facts.bytes_read,
            age_hours: age.map(|age| age.as_secs() / 3600),
        }
    }
}

impl Numbers {
    fn of(survey: &Survey) -> Self {
        let part = |count| Part { count, of: survey.cells };
        let types = NumberType::ALL.into_iter().map(|kind| (kind.name(), survey.of_kind(kind)));
        Self {
            without_plus: part(survey.without_plus),
            without_plus_or_country: part(survey.without_country),
            countries: survey
                .regions
                .iter()
                .map(|(region, &count)| (region.code().to_owned(), count))
                .collect(),
            types: types.filter(|(_, count)| *count > 0).collect(),
        }
    }
}

/// A list on its way into the index, with its digests on their way to the probe of their form.
struct Telling<'a, 'r, 'd> {
    inner: Indexing<'a, 'r>,
    input: InputNo,
    dialects: &'d mut DialectBuilder,
}

impl Work for Telling<'_, '_, '_> {
    type Done = ReadRows;

    fn work(&self, batch: &Batch) -> ReadRows {
        self.inner.work(batch)
    }

    fn apply(&mut self, first_row: u64, done: ReadRows) -> Result<(), RunError> {
        for (said, numbers) in done.rows() {
            if matches!(said, Said::One) {
                let digests = numbers.iter().filter(|listed| listed.told_by == ToldBy::Digest);
                digests.for_each(|&listed| self.dialects.add(self.input, listed));
            }
        }
        self.inner.apply(first_row, done)
    }
}
