//! The third road: the messenger's export, streamed past the index.
//!
//! Most rows end here as one count, so nothing is kept for a row but what it comes to: a batch is
//! read into columns that its worker has used before, and each stage passes on only the rows that
//! the next one is to see.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use super::spare::Spare;
use super::waves::{self, Work};
use super::{Rejects, RunError, Watch, want};
use crate::consent::{
    self, Asked, BarReason, BlankConsent, Consent, Permitted, Purpose, Signal, Suppressions,
};
use crate::dates::{Moment, When};
use crate::input::{Batch, BatchReader, Field, Limits, Location, Need, Role, Source, Want};
use crate::job::Job;
use crate::join::{
    Attributes, Before, Found, Hit, InputNo, Likely, ListIndex, Lookup, Marks, Recorded, SlotNo,
    Sought,
};
use crate::key::{Form, Keyer, MatchKey, Spelled, is_in_sample};
use crate::normalise::{self, Checks, Hint, Path, Reading, RejectReason};
use crate::output::Rejected;
use crate::policy::{OptInRecord, Policy, RecycledNumbers};
use crate::report::{Counts, Ledger, Stage, Timings};
use crate::share::Share;

/// What a run holds account rows against.
#[derive(Clone, Copy)]
pub(super) struct Against<'a> {
    pub(super) suppressions: &'a Suppressions,
    pub(super) keyer: &'a Keyer,
    pub(super) blank: BlankConsent,
    pub(super) pass: Pass<'a>,
    pub(super) purpose: Purpose,
    /// Of whom rows are looked up; none: of everybody.
    pub(super) drawn: Option<Share>,
}

impl Against<'_> {
    /// The sample that rows are held against. A further pass need not ask again: whoever it finds on
    /// a list is in the sample.
    const fn draws(&self) -> Option<Share> {
        match self.pass {
            Pass::Only | Pass::First => self.drawn,
            Pass::Further { .. } => None,
        }
    }

    /// Whether it must be known who is behind a slot, in whichever form lists have the number:
    /// messages of all lists go to one person, and pairs join people.
    fn identifies(&self, lookup: &Lookup) -> bool {
        self.purpose.joins_people() && lookup.forms() != [Form::E164]
    }
}

/// Which pass over the export it is, of those that the lists take.
#[derive(Clone, Copy)]
pub(super) enum Pass<'a> {
    /// The only one: every list number is in the index.
    Only,
    /// The first one of several: what hangs on a row alone is settled in it.
    First,
    /// A further one, which looks for a row in other lists than the passes before it.
    Further {
        /// What those found. Only where an account may be on a list in two forms does it matter.
        found: Option<&'a Found>,
    },
}

/// How account rows are held against the index: what several threads share.
struct Prober<'a> {
    lookup: &'a Lookup,
    against: Against<'a>,
    /// Cleared where they are filled.
    columns: Spare<Columns>,
}

/// One input of account rows on its way past the index.
pub(super) struct Probing<'a, 'r> {
    prober: Arc<Prober<'a>>,
    marks: &'a mut Marks,
    input: InputNo,
    ledger: Ledger,
    /// Where rejected rows are written; none for rows that are the run's own.
    rejects: Option<&'a mut Rejects<'r>>,
    timings: Timings,
    late: Vec<MatchKey>,
}

/// What an input came to.
pub(super) struct Probed {
    pub(super) ledger: Ledger,
    pub(super) timings: Timings,
    /// Keys of people who turned out to say no by a digest, in every form and alias: in lists of
    /// other passes they are barred too. None where there is only one pass.
    pub(super) late: Vec<MatchKey>,
}

impl<'a, 'r> Probing<'a, 'r> {
    pub(super) fn new(
        index: &'a mut ListIndex,
        against: Against<'a>,
        input: InputNo,
        ledger: Ledger,
        rejects: Option<&'a mut Rejects<'r>>,
    ) -> Self {
        let (lookup, marks) = index.sides();
        let prober = Arc::new(Prober { lookup, against, columns: Spare::default() });
        let (timings, late) = (Timings::default(), Vec::new());
        Self { prober, marks, input, ledger, rejects, timings, late }
    }

    /// Reads the input to its end: threads look its rows up while what the rows before them came to is
    /// noted.
    pub(super) fn read(
        &mut self,
        reader: &mut BatchReader,
        timings: &mut Timings,
        watch: &Watch,
    ) -> Result<(), RunError> {
        let prober = Arc::clone(&self.prober);
        let work = |batch: &Batch| prober.work(batch);
        let note = |first_row, done| self.apply(first_row, done);
        waves::each_batch_at_once(reader, (work, note), timings, watch)
    }

    pub(super) fn finish(self) -> Probed {
        Probed { ledger: self.ledger, timings: self.timings, late: self.late }
    }
}

/// The columns that a run reads of the export, for whichever of them the job maps. What an
/// account's date would be held against stands in list rows, as far as some row has a contact.
pub(super) fn wants(
    policy: &Policy,
    columns: &BTreeMap<Field, String>,
    has_contacts: bool,
) -> Vec<Want> {
    let mut wants = vec![
        want(columns, Field::Phone, Need::Required),
        want(columns, Field::Os, Need::Optional),
        want(columns, Field::Device, Need::Optional),
        want(columns, Field::LastActive, Need::Required),
    ];
    let guards = policy.recycled_numbers == RecycledNumbers::Withhold;
    if guards && (has_contacts || columns.contains_key(&Field::VerifiedAt)) {
        wants.push(want(columns, Field::VerifiedAt, Need::Optional));
    }
    let messaging = policy.messaging.as_ref();
    if messaging.is_some_and(|rules| rules.takes(OptInRecord::Export)) {
        wants.push(want(columns, Field::ConsentAt, Need::Optional));
    }
    wants.retain(|want| policy.columns.allow(Role::Accounts, want.field));
    if policy.blank_consent != BlankConsent::NotAsked {
        let mut consent = want(columns, Field::Consent, Need::Required);
        consent.mapped.get_or_insert_with(|| format!("consent_{}", policy.purpose.name()));
        wants.push(consent);
    }
    let signals = Signal::ALL.into_iter().filter(|signal| signal.governs(policy.purpose));
    wants.extend(signals.map(|signal| want(columns, signal.field(), Need::Optional)));
    wants
}

/// The same of one of the job's files.
pub(super) fn source(job: &Job, location: &Location, has_contacts: bool) -> Source {
    let wants = wants(&job.policy, &job.accounts.columns, has_contacts);
    Source { role: Role::Accounts, location: location.clone(), wants, limits: Limits::STANDARD }
}

/// What the stages make of a batch, in columns that serve one batch after the other.
#[derive(Default)]
struct Columns {
    /// Of every row: what it reads as.
    read: Vec<Result<Reading, RejectReason>>,
    /// Of every row: calling code and national digits; zero where there is no number.
    digits: Vec<u64>,
    /// Of every row: false where neither a list nor the suppression list has its number.
    known: Vec<bool>,
    /// Of every row: what it says of the purpose.
    says: Vec<Consent>,
    /// Rows with numbers that somebody may bar or a list may have.
    undecided: Vec<u32>,
    /// What the suppression list says of those.
    asked: Asked,
    /// How many rows nobody bars and no list has.
    strangers: u64,
    /// Of every other row that may be looked up: its place in the batch, and the proof.
    rows: Vec<u32>,
    permitted: Vec<Permitted>,
    /// The numbers of people who say no in this batch.
    said_no: Vec<u64>,
    /// The permitted rows' numbers, and behind them every alias of those who say no.
    sought: Vec<Sought>,
    /// Those of them that may be on a list, their keys and their slots.
    likely: Vec<Likely>,
    spelled: Vec<Spelled>,
    keys: Vec<MatchKey>,
    slots: Vec<Option<SlotNo>>,
}

/// What a batch came to.
#[derive(Default)]
pub(super) struct ProbedRows {
    rows: u64,
    /// Rows of people who are not in the sample.
    not_sampled: u64,
    /// Rows that could not be read, by their place in the batch.
    rejected: Vec<RejectedRow>,
    /// Barred whatever list they are on.
    barred: Counts<BarReason>,
    permitted: u64,
    /// On a list, and not found by a pass before this one.
    found: u64,
    hits: Vec<Hit>,
    /// On a list, and barred by a digest on the suppression list.
    barred_hits: Vec<Hit>,
    /// Those of them that no pass before this one has counted.
    barred_by_digest: Counts<BarReason>,
    /// Keys of their people, where there are several passes.
    late: Vec<MatchKey>,
    /// Slots of people who said no in this batch, aliases with them.
    barred_slots: Vec<SlotNo>,
    /// For messages: slots of rows that say yes and when.
    said_yes: Vec<Yes>,
    /// Who is behind a slot, where that must be known.
    identities: Vec<Identity>,
    slow_path: u64,
    timings: Timings,
}

/// A yes of a number's account: the first second at which it may have been said.
struct Yes {
    slot: SlotNo,
    at: Option<Moment>,
}

/// The key of the E.164 form of a slot's number.
struct Identity {
    slot: SlotNo,
    key: MatchKey,
}

impl ProbedRows {
    fn identify(&mut self, slots: [Option<SlotNo>; 2], key: impl Fn() -> MatchKey) {
        if slots[0].is_some() {
            let key = key();
            let slots = slots.into_iter().flatten();
            self.identities.extend(slots.map(|slot| Identity { slot, key }));
        }
    }
}

struct RejectedRow {
    place: u32,
    reason: RejectReason,
}

impl Columns {
    /// Reads every number; tells how many the slow path decided.
    fn read(&mut self, batch: &Batch) -> u64 {
        let mut slow_path = 0;
        let phone = batch.column(Field::Phone);
        self.read.clear();
        self.read.reserve(batch.len());
        let read = |cell: &[u8]| {
            let rules = (Hint::International, Checks::Damage);
            let path = normalise::push_read(cell, rules, &mut self.read);
            slow_path += u64::from(path == Path::Slow);
        };
        if let Some(phone) = phone {
            phone.each_cell(read);
        }
        for &row in batch.malformed() {
            self.read[row] = Err(RejectReason::MalformedRow);
        }
        slow_path
    }

    /// Looks every number up in the filter, which knows of lists and of those who have opted out.
    fn glance(&mut self, lookup: &Lookup, against: &Against<'_>) {
        // Who is in a sample is asked of everybody, so nobody can be passed over unhashed.
        let draws = against.draws().is_some();
        self.known.clear();
        self.known.resize(self.read.len(), draws);
        if draws {
            return;
        }
        self.digits.clear();
        let digits = |read: &Result<Reading, _>| read.map_or(0, |it| it.number.expose_digits());
        self.digits.extend(self.read.iter().map(digits));
        lookup.mark(&self.digits, against.keyer, &mut self.known);
    }

    /// Sorts out who may be looked up, and notes who says no.
    fn decide(&mut self, batch: &Batch, against: &Against<'_>, done: &mut ProbedRows) {
        consent::read_rows(batch, &mut self.says);
        self.rows.clear();
        self.permitted.clear();
        self.said_no.clear();
        self.strangers = 0;
        self.undecided.clear();
        let rows = self.read.iter().zip(&self.known).zip(&self.says);
        for (row, ((reading, &is_known), &consent)) in (0..).zip(rows) {
            match *reading {
                Ok(_) if !is_known && consent::objection(consent, against.blank).is_none() => {
                    self.strangers += 1;
                }
                Ok(_) => self.undecided.push(row),
                Err(reason) => {
                    let unread = decide_unread(batch, row as usize, consent, against.blank);
                    match unread.barred {
                        Some(objection) => done.barred.add(objection),
                        None => done.rejected.push(RejectedRow { place: row, reason }),
                    }
                    self.said_no.extend(unread.said_no);
                }
            }
        }
        let readings = || {
            let rows = self.undecided.iter();
            rows.filter_map(|&row| Some((row, self.read[row as usize].ok()?)))
        };
        let numbers = readings().map(|(_, reading)| reading.number);
        against.suppressions.ask(numbers, &mut self.asked);
        for (place, (row, reading)) in readings().enumerate() {
            let consent = self.says[row as usize];
            match consent::decide_asked(reading, consent, against.blank, (&self.asked, place)) {
                Ok(permitted) => {
                    self.rows.push(row);
                    self.permitted.push(permitted);
                }
                Err(reason) => {
                    // An opted-out number's slots were barred before the export was opened.
                    if reason != BarReason::OptedOut {
                        self.said_no.push(reading.number.expose_digits());
                    }
                    done.barred.add(reason);
                }
            }
        }
    }

    /// Takes out whoever is not in the sample. Bars come first, so that a no counts whoever is drawn.
    /// A person has a key in each form of the lists, and one of them must be drawn.
    fn draw(&mut self, lookup: &Lookup, against: &Against<'_>, done: &mut ProbedRows) {
        let Some(share) = against.draws() else { return };
        let forms = lookup.forms();
        self.spelled.clear();
        self.spelled.extend(self.permitted.iter().flat_map(|permitted| {
            let digits = permitted.number().expose_digits();
            forms.iter().map(move |&form| Spelled { digits, form })
        }));
        self.keys.clear();
        against.keyer.keys(&self.spelled, &mut self.keys);
        let mut keys = self.keys.chunks_exact(forms.len());
        let is_drawn: Vec<_> =
            keys.by_ref().map(|keys| keys.iter().any(|&key| is_in_sample(key, share))).collect();
        let mut drawn = is_drawn.iter();
        self.rows.retain(|_| drawn.next() == Some(&true));
        let mut drawn = is_drawn.iter();
        self.permitted.retain(|_| drawn.next() == Some(&true));
        done.not_sampled = (is_drawn.len() - self.permitted.len()) as u64;
    }

    /// Keys of those who may be on a list: permitted rows, and whoever has the number of somebody
    /// who says no.
    fn keys(&mut self, lookup: &Lookup, against: &Against<'_>) {
        self.sought.clear();
        self.sought.extend(self.permitted.iter().map(|permitted| Sought {
            digits: permitted.number().expose_digits(),
            region: Some(permitted.reading().region),
        }));
        for &digits in &self.said_no {
            let aliases = against.suppressions.aliases_of(digits);
            let sought = aliases.expose_digits().iter();
            self.sought.extend(sought.map(|&digits| Sought { digits, region: None }));
        }
        self.likely.clear();
        lookup.select(&self.sought, against.keyer, &mut self.likely);
        self.spelled.clear();
        self.spelled.extend(self.likely.iter().map(|likely| likely.spelled));
        self.keys.clear();
        against.keyer.keys(&self.spelled, &mut self.keys);
    }

    fn probe(
        &mut self,
        batch: &Batch,
        lookup: &Lookup,
        against: &Against<'_>,
        done: &mut ProbedRows,
    ) {
        self.slots.clear();
        lookup.find_all(&self.keys, &mut self.slots);
        let is_messaging = against.purpose == Purpose::BusinessMessaging;
        let identifies = against.identifies(lookup);
        let mut at = 0;
        while let Some(likely) = self.likely.get(at) {
            let place = likely.place;
            let forms = self.likely[at..].iter().take_while(|next| next.place == place).count();
            let forms = at..at + forms;
            at = forms.end;
            let mut slots = self.slots[forms.clone()].iter().copied().flatten();
            let slots = [slots.next(), slots.next()];
            if identifies {
                let digits = self.likely[forms.start].spelled.digits;
                done.identify(slots, || against.keyer.key_of_digits(digits, Form::E164));
            }
            let Some(&account) = self.permitted.get(place as usize) else {
                done.barred_slots.extend(slots.into_iter().flatten());
                continue;
            };
            if slots[0].is_none() {
                continue;
            }
            let before = self.found_before(forms, against);
            done.found += u64::from(before.is_none());
            let row = self.rows[place as usize] as usize;
            let known =
                Attributes::from_cells(batch.cell(Field::Os, row), batch.cell(Field::Device, row));
            let verified = When::from_cell(batch.cell(Field::VerifiedAt, row)).latest();
            let hit = Hit::of(account, slots, known).verified(verified).seen(before);
            if against.suppressions.bar_by_digest(account.number(), against.keyer) {
                if before.is_none() {
                    done.barred_by_digest.add(BarReason::OptedOut);
                }
                done.barred_hits.push(hit);
                bar_aliases(account, lookup, against, done);
            } else {
                if is_messaging && self.says[row] == Consent::Granted {
                    let at = When::from_cell(batch.cell(Field::ConsentAt, row)).earliest();
                    done.said_yes.extend(slots.into_iter().flatten().map(|slot| Yes { slot, at }));
                }
                done.hits.push(hit);
            }
        }
        done.permitted = self.strangers + self.permitted.len() as u64;
    }

    /// Where an account that is found now, in these forms, was found before in its other one.
    fn found_before(&self, forms: Range<usize>, against: &Against<'_>) -> Option<Before> {
        let Pass::Further { found: Some(found) } = against.pass else { return None };
        let mut now = forms.filter(|&at| self.slots[at].is_some());
        let Spelled { digits, form } = self.likely[now.next()?].spelled;
        if now.next().is_some() {
            return None;
        }
        let key = |form| against.keyer.key_of_digits(digits, form);
        match form {
            Form::Digits => found.find(key(Form::E164)).map(Before::First),
            Form::E164 => found.find(key(Form::Digits)).map(Before::Second),
        }
    }
}

/// Bars everybody who may be a person that says no by a digest.
fn bar_aliases(account: Permitted, lookup: &Lookup, against: &Against<'_>, done: &mut ProbedRows) {
    let aliases = against.suppressions.aliases_of(account.number().expose_digits());
    let aliases = aliases.expose_digits();
    done.barred_slots.extend(lookup.find_digits(aliases, against.keyer));
    if !matches!(against.pass, Pass::Only) {
        let forms =
            |&digits: &u64| lookup.forms().iter().map(move |&form| Spelled { digits, form });
        let spelled: Vec<_> = aliases.iter().flat_map(forms).collect();
        against.keyer.keys(&spelled, &mut done.late);
    }
}

/// What a row that is no number to match by comes to.
#[derive(Default)]
pub(super) struct Unread {
    /// Why it is barred; none: it is rejected.
    pub(super) barred: Option<BarReason>,
    /// Whoever it may be that says no.
    pub(super) said_no: Vec<u64>,
}

/// A row that cannot be read may still say no: in a form that the plan has left behind, or damaged.
/// Whoever it may be is barred, as an opt-out in that spelling would be.
pub(super) fn decide_unread(
    batch: &Batch,
    row: usize,
    consent: Consent,
    blank: BlankConsent,
) -> Unread {
    let Some(objection) = consent::objection(consent, blank) else { return Unread::default() };
    let cell = batch.cell(Field::Phone, row);
    let said_no = consent::numbers_to_bar(cell, Hint::International).numbers;
    let is_rejected = batch.is_malformed(row) || said_no.is_empty();
    Unread { barred: (!is_rejected).then_some(objection), said_no }
}

impl Prober<'_> {
    /// What a batch comes to.
    fn work(&self, batch: &Batch) -> ProbedRows {
        let mut columns = self.columns.take();
        let (lookup, against) = (self.lookup, &self.against);
        let mut done = ProbedRows { rows: batch.len() as u64, ..ProbedRows::default() };
        let mut timings = Timings::default();
        done.slow_path = timings.time(Stage::Normalise, || columns.read(batch));
        timings.time(Stage::Join, || columns.glance(lookup, against));
        timings.time(Stage::Consent, || columns.decide(batch, against, &mut done));
        timings.time(Stage::Key, || {
            columns.draw(lookup, against, &mut done);
            columns.keys(lookup, against);
        });
        timings.time(Stage::Join, || columns.probe(batch, lookup, against, &mut done));
        done.timings = timings;
        self.columns.give(columns);
        done
    }
}

impl Work for Probing<'_, '_> {
    type Done = ProbedRows;

    fn work(&self, batch: &Batch) -> ProbedRows {
        self.prober.work(batch)
    }

    fn apply(&mut self, first_row: u64, done: ProbedRows) -> Result<(), RunError> {
        self.timings.add(&done.timings);
        let mut timings = Timings::default();
        let is_first = !matches!(self.prober.against.pass, Pass::Further { .. });
        if is_first {
            self.ledger.rows_read += done.rows;
            self.ledger.slow_path += done.slow_path;
            self.ledger.unmatched += done.permitted;
            self.ledger.not_sampled += done.not_sampled;
            self.ledger.bar_all(&done.barred);
        }
        self.ledger.unmatched -= done.found;
        self.ledger.bar_all(&done.barred_by_digest);
        self.late.extend(done.late);
        timings.time(Stage::Join, || {
            done.barred_slots.iter().for_each(|&slot| self.marks.bar(slot));
            done.barred_hits.iter().for_each(|hit| self.marks.bar_hit(hit));
            done.said_yes.iter().for_each(|yes| self.marks.say_yes(yes.slot, yes.at));
            done.identities.iter().for_each(|it| self.marks.identify(it.slot, it.key));
            for hit in &done.hits {
                if self.marks.record(hit, self.input) == Recorded::Duplicate {
                    self.ledger.duplicates += 1;
                }
            }
        });
        timings.time(Stage::Output, || {
            let rejected = if is_first { done.rejected } else { Vec::new() };
            for RejectedRow { place, reason } in rejected {
                self.ledger.rejected.add(reason);
                if let Some(rejects) = self.rejects.as_deref_mut() {
                    let row = first_row + u64::from(place);
                    rejects.add(Role::Accounts, &self.ledger.file, Rejected { row, reason })?;
                }
            }
            Ok::<_, RunError>(())
        })?;
        self.timings.add(&timings);
        Ok(())
    }
}
