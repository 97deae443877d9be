//! The second road: the advertisers' lists, into the index.

mod adding;
mod owners;
mod rows;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::spare::Spare;
use super::waves::{self, Work};
use super::{ListError, ReadInput, Rejects, RunError, Watch, want};
use crate::input::{
    self, Batch, BatchReader, Extent, Field, InputError, Limits, Location, Need, Role, Source, Want,
};
use crate::job::{Identifier, Job, ListSource, Phones};
use crate::join::{InputNo, ListNo, RowDates};
use crate::key::{Form, Keyer, Listed, ToldBy, is_in_sample};
use crate::normalise::{Hint, RejectReason};
use crate::output::Rejected;
use crate::policy::{OptInRecord, Policy, RecycledNumbers};
use crate::report::{Ledger, RegionCounts, Stage, Timings};
use crate::share::Share;

pub(super) use adding::{Gathering, RowsTo, is_crowded};
use owners::{About, ToldRows};
use rows::NameCells;
pub(super) use rows::{
    ListRow, PhoneColumn, RowReader, Unnamed, dates, is_wrong_column, list_of, name_cells,
};

/// What was read to index every list.
#[derive(Default)]
pub(super) struct Lists {
    pub(super) inputs: Vec<ReadInput>,
    /// Rows with several numbers: the input that counts them and the members they made.
    pub(super) groups: Vec<Group>,
    /// Lists of which one number makes up a suspicious share.
    pub(super) crowded: Vec<ListNo>,
    /// Distinct numbers whose country the list tells, by country.
    pub(super) numbers: RegionCounts,
    /// Whether an input tells its numbers' countries: one with hashes does not.
    pub(super) tells_countries: Vec<bool>,
    /// By input and list: how many rows there were, where the rows themselves wait in a store.
    pub(super) stored: Vec<Vec<u64>>,
}

/// A row with several numbers.
pub(super) struct Group {
    pub(super) input: InputNo,
    pub(super) members: Vec<u32>,
}

/// What to read, under which rules.
#[derive(Clone, Copy)]
pub(super) struct Listing<'a> {
    pub(super) source: &'a ListSource,
    pub(super) location: &'a Location,
    pub(super) policy: &'a Policy,
    pub(super) keyer: &'a Keyer,
    /// Of whom rows are taken; none: of everybody.
    pub(super) drawn: Option<Share>,
}

/// How rows of an input are read: what several threads share.
pub(super) struct Reader<'a> {
    listing: Listing<'a>,
    rows: RowReader<'a>,
    extent: Extent,
    has_looked: AtomicBool,
    told: Spare<ToldRows>,
    done: Spare<ReadRows>,
}

/// Where rows of an input go.
pub(super) struct Indexing<'a, 'r> {
    reader: Arc<Reader<'a>>,
    input: InputNo,
    rows_to: RowsTo<'a>,
    lists: &'a mut Lists,
    /// Lists by the advertiser and list cells that name them.
    named: HashMap<NameCells, Result<ListNo, RejectReason>>,
    /// What the row before named: rows of one list come one after the other.
    last: Option<(NameCells, Result<ListNo, RejectReason>)>,
    /// Rows by list, for the share of one number.
    rows: Vec<u64>,
    /// Further rows of a member.
    repeats: HashMap<u32, u64>,
    ledger: Ledger,
    /// Where rejected rows are written; none where nothing is.
    rejects: Option<&'a mut Rejects<'r>>,
    timings: Timings,
}

/// Reads every list of the job, and brings its rows where they go.
pub(super) fn read(
    job: &Job,
    keyer: &Keyer,
    gathering: &mut Gathering,
    rejects: &mut Rejects<'_>,
    timings: &mut Timings,
    watch: &Watch,
) -> Result<Lists, RunError> {
    let mut lists = Lists::default();
    for source in &job.lists {
        for location in &source.files.locations {
            let listing =
                Listing { source, location, policy: &job.policy, keyer, drawn: job.drawn() };
            let mut reader = listing.open(watch)?;
            let input = InputNo::try_from(lists.inputs.len()).unwrap_or(InputNo::MAX);
            let rows_to = gathering.rows_to();
            let mut indexing =
                Indexing::new(listing, &reader, input, rows_to, &mut lists, Some(&mut *rejects));
            let shared = Arc::clone(&indexing.reader);
            let work = |batch: &Batch| shared.work(batch);
            let apply = |first_row, done| indexing.apply(first_row, done);
            waves::each_batch_at_once(&mut reader, (work, apply), timings, watch)?;
            let ledger = indexing.finish(timings);
            let facts = timings.time(Stage::Input, || reader.finish())?;
            lists.inputs.push(ReadInput { ledger, facts });
        }
    }
    Ok(lists)
}

impl Listing<'_> {
    pub(super) fn open(&self, watch: &Watch) -> Result<BatchReader, InputError> {
        let source = source_of(self.source, self.location, self.policy);
        input::open(&source, Arc::clone(&watch.meter))
    }

    /// Where the numbers are.
    pub(super) fn phone_column(&self, reader: &BatchReader) -> PhoneColumn {
        PhoneColumn::of(self.source.phones, |field| reader.columns().has(field))
    }

    /// How rows that name no country are read.
    pub(super) fn default_hint(&self) -> Hint {
        self.source.country.map_or(Hint::None, Hint::Region)
    }
}

/// The columns that a run reads of a list, for whichever of them the job maps.
pub(super) fn wants(
    phones: Phones,
    columns: &BTreeMap<Field, String>,
    policy: &Policy,
) -> Vec<Want> {
    let phone = match phones {
        Phones::Raw => Need::Required,
        Phones::ByColumn | Phones::Hashed(_) | Phones::Probe => Need::OneOf,
    };
    let digest = if phone == Need::Required { Need::Optional } else { Need::OneOf };
    let mut wants = vec![
        want(columns, Field::Phone, phone),
        want(columns, Field::PhoneSha256, digest),
        want(columns, Field::Country, Need::Optional),
        want(columns, Field::ListId, Need::Optional),
        want(columns, Field::AdvertiserId, Need::Optional),
        want(columns, Field::OwnerPhone, Need::Required),
    ];
    let messaging = policy.messaging.as_ref();
    if policy.recycled_numbers == RecycledNumbers::Withhold || messaging.is_some() {
        wants.push(want(columns, Field::LastContactAt, Need::Optional));
    }
    if messaging.is_some_and(|rules| rules.takes(OptInRecord::List)) {
        wants.push(want(columns, Field::OptedInAt, Need::Optional));
    }
    wants.retain(|want| policy.columns.allow(Role::List, want.field));
    wants
}

fn source_of(source: &ListSource, location: &Location, policy: &Policy) -> Source {
    let wants = wants(source.phones, &source.files.columns, policy);
    Source { role: Role::List, location: location.clone(), wants, limits: Limits::STANDARD }
}

/// Most rows name nothing, and asking whether two empty cells are the same is dear where the
/// processor compares them by a masked load from nowhere.
fn same_names(one: &NameCells, other: &[&[u8]; 2]) -> bool {
    one.iter()
        .zip(other)
        .all(|(one, other)| one.len() == other.len() && (one.is_empty() || one == other))
}

/// What a row came to, as far as it can be said without its numbers.
#[derive(Clone, Copy)]
pub(super) enum Said {
    Rejected(RejectReason),
    /// It has one number.
    One,
    /// It has a cell of so many.
    Several(usize),
    /// It was read, and nobody of it is in the sample.
    NotSampled,
}

impl Said {
    const fn numbers(self) -> usize {
        match self {
            Self::Rejected(_) | Self::NotSampled => 0,
            Self::One => 1,
            Self::Several(numbers) => numbers,
        }
    }
}

/// What a batch came to.
#[derive(Default)]
pub(super) struct ReadRows {
    rows: Vec<Said>,
    /// The rows' numbers as the index takes them, one row's behind the other's.
    listed: Vec<Listed>,
    /// Where rows are somebody's contacts: whose, of each row that is not rejected.
    owners: Vec<Listed>,
    /// The batch itself, where its rows say which list they belong to.
    names: Option<Batch>,
    /// Of each row, where there is such a column.
    dates: Vec<RowDates>,
    /// Of the first batch: about how many rows the input has, zero where nobody knows.
    expected: Option<u64>,
    looks_wrong: bool,
    slow_path: u64,
    timings: Timings,
}

impl ReadRows {
    /// Each row, with its numbers.
    pub(super) fn rows(&self) -> impl Iterator<Item = (Said, &[Listed])> {
        let mut listed = &self.listed[..];
        self.rows.iter().map(move |&said| {
            let (of_row, rest) = listed.split_at(said.numbers());
            listed = rest;
            (said, of_row)
        })
    }

    /// Leaves of the rows only numbers of people who are in a sample.
    fn keep_drawn(&mut self, share: Share) {
        let mut kept = Vec::new();
        let mut said = Vec::with_capacity(self.rows.len());
        for (of_row, numbers) in self.rows() {
            let before = kept.len();
            kept.extend(numbers.iter().filter(|listed| is_in_sample(listed.key, share)));
            said.push(match (of_row, kept.len() - before) {
                (Said::One | Said::Several(_), 0) => Said::NotSampled,
                (Said::Several(_), drawn) => Said::Several(drawn),
                (Said::Rejected(_) | Said::NotSampled | Said::One, _) => of_row,
            });
        }
        (self.rows, self.listed) = (said, kept);
    }

    /// Empties it, and keeps its room.
    fn emptied(self) -> Self {
        let Self { mut rows, mut listed, mut owners, mut dates, .. } = self;
        rows.clear();
        listed.clear();
        owners.clear();
        dates.clear();
        Self { rows, listed, owners, dates, ..Self::default() }
    }
}

impl<'a, 'r> Indexing<'a, 'r> {
    /// Begins to read an opened list, and says in which forms its numbers come.
    pub(super) fn new(
        listing: Listing<'a>,
        reader: &BatchReader,
        input: InputNo,
        mut rows_to: RowsTo<'a>,
        lists: &'a mut Lists,
        rejects: Option<&'a mut Rejects<'r>>,
    ) -> Self {
        let Listing { source, location, policy, .. } = listing;
        let column = listing.phone_column(reader);
        let has = |field| reader.columns().has(field);
        let has_both = has(Field::Phone) && has(Field::PhoneSha256);
        let forms = column.forms(source.phones, has);
        forms.iter().for_each(|&form| rows_to.use_form(form));
        lists.tells_countries.push(column == PhoneColumn::Numbers && !has_both);
        let (rows, has_looked) = (RowReader::of(source, policy, column), AtomicBool::new(false));
        // Of a sample most rows are left out, and nobody says how many.
        let extent = if listing.drawn.is_some() { Extent::Unknown } else { reader.extent() };
        Self {
            reader: Arc::new(Reader {
                listing,
                rows,
                extent,
                has_looked,
                told: Spare::default(),
                done: Spare::default(),
            }),
            input,
            rows_to,
            lists,
            named: HashMap::new(),
            last: None,
            rows: Vec::new(),
            repeats: HashMap::new(),
            ledger: Ledger::new(Role::List, location.to_string()),
            rejects,
            timings: Timings::default(),
        }
    }

    /// What the input came to, so far as it was read.
    pub(super) fn finish(self, timings: &mut Timings) -> Ledger {
        timings.add(&self.timings);
        let crowded = self.crowded();
        self.lists.crowded.extend(crowded);
        if let RowsTo::Store(_) = self.rows_to {
            self.lists.stored.push(self.rows);
        }
        self.ledger
    }
}

impl Reader<'_> {
    fn work(&self, batch: &Batch) -> ReadRows {
        let Listing { keyer, drawn, .. } = self.listing;
        let mut timings = Timings::default();
        let (mut done, mut told) = (self.done.take(), self.told.take());
        let is_first = !self.has_looked.load(Ordering::Relaxed);
        done.looks_wrong = is_first && self.looks_wrong(batch);
        done.expected = is_first.then(|| self.extent.rows_at(batch).unwrap_or(0));
        timings.time(Stage::Normalise, || {
            done.slow_path = self.read_rows(batch, &mut done.rows, &mut told);
            if batch.has(Field::LastContactAt) || batch.has(Field::OptedInAt) {
                done.dates.extend((0..batch.len()).map(|row| dates(batch, row)));
            }
        });
        timings.time(Stage::Key, || {
            keyer.list(&told.numbers, &mut done.listed);
            keyer.list(&told.owners, &mut done.owners);
            if let Some(share) = drawn {
                done.keep_drawn(share);
            }
        });
        told.clear();
        self.told.give(told);
        let has_names = batch.has(Field::AdvertiserId) || batch.has(Field::ListId);
        done.names = has_names.then(|| batch.clone());
        done.timings = timings;
        done
    }

    /// True when a batch holds digests for numbers or numbers for digests.
    fn looks_wrong(&self, batch: &Batch) -> bool {
        let looks = || (0..batch.len()).filter_map(|row| self.rows.looks_wrong(batch, row));
        is_wrong_column(looks().filter(|&is_wrong| is_wrong).count(), looks().count())
    }
}

impl Indexing<'_, '_> {
    fn wrong_column(&self) -> ListError {
        let location = self.reader.listing.location.clone();
        match self.reader.rows.column {
            PhoneColumn::Numbers => ListError::HashesGivenAsNumbers { location },
            PhoneColumn::Digests(_) => ListError::NumbersGivenAsHashes { location },
        }
    }

    /// The list that a row belongs to.
    fn list_of(
        &mut self,
        cells: [&[u8]; 2],
        row: u64,
    ) -> Result<Result<ListNo, RejectReason>, ListError> {
        if let Some((last, list)) = &self.last
            && same_names(last, &cells)
        {
            return Ok(*list);
        }
        let cells: NameCells = cells.map(<[u8]>::to_vec);
        if let Some(&list) = self.named.get(&cells) {
            self.last = Some((cells, list));
            return Ok(list);
        }
        let Listing { source, location, .. } = self.reader.listing;
        let list = match list_of(cells.each_ref().map(Vec::as_slice), &source.recipient, || {
            self.own_name()
        }) {
            Ok(Ok(name)) => Ok(self.rows_to.list(&name)),
            Ok(Err(reason)) => Err(reason),
            Err(unnamed) => {
                let location = location.clone();
                return Err(match unnamed {
                    Unnamed::Recipient => ListError::NoRecipient { location, row },
                    Unnamed::List => ListError::NoName { location },
                });
            }
        };
        self.named.insert(cells.clone(), list);
        self.last = Some((cells, list));
        Ok(list)
    }

    /// The list's name where rows give none: the job's, else the file's up to its first dot.
    fn own_name(&self) -> Option<Identifier> {
        let Listing { source, location, .. } = self.reader.listing;
        if let Some(id) = &source.id {
            return Some(id.clone());
        }
        let name = match location {
            Location::Path(path) => path.file_name().unwrap_or_default().as_encoded_bytes(),
            Location::Object(url) => url.name().as_bytes(),
            Location::Stdin => return None,
        };
        Identifier::from_text(name.split(|&byte| byte == b'.').next().unwrap_or_default())
    }

    fn reject(&mut self, row: u64, reason: RejectReason) -> Result<(), RunError> {
        self.ledger.rejected.add(reason);
        if let Some(rejects) = self.rejects.as_deref_mut() {
            rejects.add(Role::List, &self.ledger.file, Rejected { row, reason })?;
        }
        Ok(())
    }
}

impl Work for Indexing<'_, '_> {
    type Done = ReadRows;

    fn work(&self, batch: &Batch) -> ReadRows {
        self.reader.work(batch)
    }

    fn apply(&mut self, first_row: u64, done: ReadRows) -> Result<(), RunError> {
        if done.looks_wrong {
            return Err(self.wrong_column().into());
        }
        self.reader.has_looked.store(true, Ordering::Relaxed);
        done.expected.into_iter().for_each(|rows| self.rows_to.expect(rows));
        self.timings.add(&done.timings);
        self.ledger.slow_path += done.slow_path;
        if done.owners.iter().any(|owner| owner.told_by == ToldBy::Digest) {
            Form::ALL.into_iter().for_each(|form| self.rows_to.use_form(form));
        }
        let mut timings = Timings::default();
        timings.time(Stage::Join, || {
            if let RowsTo::Index(index) = &self.rows_to {
                index.warm_up(&done.listed);
            }
            let mut owners = done.owners.iter().copied();
            for (at, (said, numbers)) in done.rows().enumerate() {
                let is_read = !matches!(said, Said::Rejected(_));
                let owner = is_read.then(|| owners.next()).flatten();
                let names = done.names.as_ref();
                let cells = names.map_or_else(Default::default, |names| name_cells(names, at));
                let dates = done.dates.get(at).copied().unwrap_or_default();
                let about = |list| About { list, owner, dates };
                self.apply_row(first_row + at as u64, cells, (said, numbers), about)?;
            }
            Ok::<_, RunError>(())
        })?;
        self.timings.add(&timings);
        self.reader.done.give(done.emptied());
        Ok(())
    }
}

impl Indexing<'_, '_> {
    fn apply_row(
        &mut self,
        number: u64,
        cells: [&[u8]; 2],
        (said, numbers): (Said, &[Listed]),
        about: impl FnOnce(ListNo) -> About,
    ) -> Result<(), RunError> {
        self.ledger.rows_read += 1;
        if let Said::Rejected(reason) = said {
            return self.reject(number, reason);
        }
        let list = match self.list_of(cells, number)? {
            Ok(list) => list,
            Err(reason) => return self.reject(number, reason),
        };
        if self.rows.len() <= list.index() {
            self.rows.resize(list.index() + 1, 0);
        }
        self.rows[list.index()] += 1;
        match said {
            Said::Rejected(_) => Ok(()),
            Said::NotSampled => {
                self.ledger.not_sampled += 1;
                Ok(())
            }
            Said::One => {
                let about = about(list);
                numbers.iter().try_for_each(|&listed| self.add_one(listed, about))
            }
            Said::Several(_) => self.add_several(numbers, about(list)),
        }
    }
}
