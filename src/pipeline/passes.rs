//! The export, streamed past the lists: once, or once for each stretch of them that there is
//! memory for.
//!
//! A pass knows every row of the numbers that it is about and no row of any other, so what it says
//! of those is what one pass over everything would say. Between passes stays who was found, and
//! three things that reach from one pass into another are carried: an account that is on lists in
//! two forms is counted once; a row with several numbers counts as the best of them; and somebody
//! who turns out to say no by a digest is barred in the lists of all passes, the earlier ones too.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::accounts::{self, Against, Pass, Probing};
use super::lists::{self, Gathering, Lists};
use super::{ReadInput, Rejects, RunError, Watch, canaries, waves};
use crate::consent::Suppressions;
use crate::input::{self, InputError, Location, Place, Role};
use crate::job::{Job, MemoryBudget};
use crate::join::{
    Added, Found, GroupNo, Holds, InputNo, LargeBooks, ListBuilder, ListIndex, ListNo, ListStore,
    Stored, Stretch,
};
use crate::key::{Keyer, MatchKey};
use crate::policy::OptInRecord;
use crate::report::{Ledger, Stage, Timings};

/// What a run takes besides opt-outs and lists: the program, the buffers of readers and writers,
/// and the last blocks of a store.
const PROGRAM_BYTES: u64 = 32 << 20;
/// What each thread takes: a part of an input, its columns, and what a wave came to.
const THREAD_BYTES: u64 = 12 << 20;
/// With less memory than this for list rows, passes are too many to be meant.
const LEAST_ROOM: u64 = 16 << 20;
/// A list row in the index, while it grows and while its pass ends; and each of its dates.
const ROW_BYTES: u64 = 48;
const DATE_BYTES: u64 = 4;
/// The owner of a contact; at most one a row.
const OWNER_BYTES: u64 = 36;
/// An opted-out number in the index's filter.
const KNOWN_BYTES: u64 = 2;
/// When those who were found fill the room, a pass still takes a quarter of it: passes must end.
const LEAST_SHARE: u64 = 4;

/// What every pass is made with.
#[derive(Clone, Copy)]
pub(super) struct Road<'a> {
    pub(super) job: &'a Job,
    pub(super) keyer: &'a Keyer,
    pub(super) suppressions: &'a Suppressions,
    pub(super) canary_list: ListNo,
    pub(super) watch: &'a Watch,
}

/// Both sides, joined.
pub(super) struct Joint {
    pub(super) index: ListIndex,
    pub(super) accounts: Vec<ReadInput>,
    /// How often the export was read.
    pub(super) passes: u32,
    /// The rows of the lists, where the index is without those of numbers that nobody has.
    pub(super) store: Option<ListStore>,
    /// How many bytes list rows may take.
    room: u64,
}

impl Joint {
    /// Address books with more numbers than the policy allows, where lists are such.
    pub(super) fn large_books(
        &self,
        most: Option<u64>,
        canaries: ListNo,
    ) -> Result<LargeBooks, RunError> {
        match (most, &self.store) {
            (None, _) => Ok(LargeBooks::default()),
            (Some(most), None) => Ok(LargeBooks::of(&self.index, most, canaries)),
            (Some(most), Some(store)) => {
                Ok(LargeBooks::of_stored(&self.index, store, most, self.room)?)
            }
        }
    }
}

/// How many bytes list rows may take.
pub(super) fn room(budget: MemoryBudget, suppressions: &Suppressions) -> Result<u64, RunError> {
    let budget = match budget {
        MemoryBudget::Lists(bytes) => return Ok(bytes),
        MemoryBudget::Run(bytes) => bytes,
    };
    let opt_outs = suppressions.bytes() as u64 + KNOWN_BYTES * suppressions.numbers_len() as u64;
    let taken = PROGRAM_BYTES + THREAD_BYTES * waves::threads() as u64 + opt_outs;
    match budget.checked_sub(taken) {
        Some(room) if room >= LEAST_ROOM => Ok(room),
        _ => Err(RunError::MemoryTooSmall { budget, opt_outs, least: taken + LEAST_ROOM }),
    }
}

/// Streams the export past the lists.
pub(super) fn over_export(
    road: Road<'_>,
    gathered: Gathering,
    room: u64,
    lists: &mut Lists,
    rejects: &mut Rejects<'_>,
    timings: &mut Timings,
) -> Result<Joint, RunError> {
    match gathered {
        Gathering::Index(builder) => {
            let mut accounts = Vec::new();
            let has_contacts = builder.has_contacts();
            let around = Around { pass: Pass::Only, late: &HashSet::new(), has_contacts };
            let passed = road.pass(*builder, around, &mut accounts, rejects, timings)?;
            Ok(Joint { index: passed.index, accounts, passes: 1, store: None, room })
        }
        Gathering::Store(store) => road.passes(*store, room, lists, rejects, timings),
    }
}

/// What a pass has from those before it.
#[derive(Clone, Copy)]
struct Around<'a> {
    pass: Pass<'a>,
    /// Keys of people of whom only an earlier pass has seen that they say no.
    late: &'a HashSet<MatchKey>,
    /// Whether a row of any pass tells when its list's owner last dealt with the customer.
    has_contacts: bool,
}

/// What a pass came to.
struct Passed {
    index: ListIndex,
    late: Vec<MatchKey>,
}

impl Road<'_> {
    /// One pass over the export, with these list rows.
    fn pass(
        &self,
        mut builder: ListBuilder,
        around: Around<'_>,
        accounts: &mut Vec<ReadInput>,
        rejects: &mut Rejects<'_>,
        timings: &mut Timings,
    ) -> Result<Passed, RunError> {
        let Self { job, keyer, suppressions, canary_list, watch } = *self;
        canaries::list(&mut builder, canary_list, keyer, job.purpose)?;
        let mut index = finish(builder, suppressions, keyer, timings);
        let late: Vec<_> = around.late.iter().filter_map(|&key| index.find(key)).collect();
        late.into_iter().for_each(|slot| index.bar(slot));

        let blank = job.policy.blank_consent;
        let (pass, purpose, drawn) = (around.pass, job.purpose, job.drawn());
        let against = Against { suppressions, keyer, blank, pass, purpose, drawn };
        canaries::probe(&mut index, against, watch)?;
        let mut late = Vec::new();
        for (at, location) in job.accounts.locations.iter().enumerate() {
            let source = accounts::source(job, location, around.has_contacts);
            let mut reader = input::open(&source, Arc::clone(&watch.meter))?;
            let before = accounts.get(at);
            let ledger = before.map_or_else(
                || Ledger::new(Role::Accounts, location.to_string()),
                |before| before.ledger.clone(),
            );
            let input = InputNo::try_from(at).unwrap_or(InputNo::MAX);
            let rejects = before.is_none().then_some(&mut *rejects);
            let mut probing = Probing::new(&mut index, against, input, ledger, rejects);
            probing.read(&mut reader, timings, watch)?;
            let probed = probing.finish();
            timings.add(&probed.timings);
            late.extend(probed.late);
            let facts = timings.time(Stage::Input, || reader.finish())?;
            match accounts.get_mut(at) {
                None => accounts.push(ReadInput { ledger: probed.ledger, facts }),
                Some(before) if before.facts.is_same_content(&facts) => {
                    before.ledger = probed.ledger;
                }
                Some(_) => {
                    let at = Place { role: Role::Accounts, location: location.clone() };
                    return Err(InputError::ChangedWhileReading { at }.into());
                }
            }
        }
        canaries::check(&index, canary_list, job.purpose)?;
        Ok(Passed { index, late })
    }

    /// A pass for each stretch of the lists that there is room for beside those who were found.
    fn passes(
        &self,
        store: ListStore,
        room: u64,
        lists: &mut Lists,
        rejects: &mut Rejects<'_>,
        timings: &mut Timings,
    ) -> Result<Joint, RunError> {
        let messaging = self.job.policy.messaging.as_ref();
        let dates = u64::from(store.has_contacts())
            + u64::from(messaging.is_some())
            + u64::from(messaging.is_some_and(|rules| rules.takes(OptInRecord::Export)));
        let owners = u64::from(store.holds() == Holds::Pairs);
        let row_bytes = ROW_BYTES + DATE_BYTES * dates + OWNER_BYTES * owners;
        let needed = store.rows().saturating_mul(row_bytes);
        let expected = needed.div_ceil(room.max(1)).max(1);
        if expected > 1 && self.job.accounts.locations.contains(&Location::Stdin) {
            return Err(RunError::ExportReadOnce { more: needed - room });
        }
        self.watch.meter.expect_passes(expected);
        let mut found = Found::of(&store);
        let (mut accounts, mut late) = (Vec::new(), HashSet::new());
        let mut has_members = vec![false; lists.groups.len()];
        let (mut last, mut passes) = (None::<Stretch>, 0);
        loop {
            let left = room.saturating_sub(found.bytes() as u64).max(room / LEAST_SHARE);
            let Some(stretch) = store.next_stretch(last.as_ref(), left / row_bytes) else { break };
            let filled =
                timings.time(Stage::Join, || fill(&store, &stretch, lists, &mut has_members))?;
            let in_two_forms = store.forms().len() > 1;
            let pass = match last {
                None => Pass::First,
                Some(_) => Pass::Further { found: in_two_forms.then_some(&found) },
            };
            let around = Around { pass, late: &late, has_contacts: store.has_contacts() };
            let passed =
                self.pass(filled.builder, around, &mut accounts, &mut *rejects, timings)?;
            late.extend(passed.late);
            timings.time(Stage::Join, || {
                keep(&mut found, passed.index, filled.groups, (lists, self.canary_list));
            });
            passes += 1;
            last = Some(stretch);
        }
        timings.time(Stage::Join, || {
            self.bar_late(&mut found, &store, &late, lists)?;
            drop_groups_of_duplicates(lists, &has_members);
            Ok::<_, RunError>(())
        })?;
        Ok(Joint { index: found.into_index(), accounts, passes, store: Some(store), room })
    }

    /// Bars those of whom a later pass saw that they say no. Of a number that nobody has, the
    /// pass that it was in has counted its rows as unmatched; they were barred.
    fn bar_late(
        &self,
        found: &mut Found,
        store: &ListStore,
        late: &HashSet<MatchKey>,
        lists: &mut Lists,
    ) -> Result<(), RunError> {
        let mut elsewhere: Vec<_> = Vec::new();
        for &key in late {
            match found.find(key) {
                Some(slot) => found.bar(slot),
                None => elsewhere.push(key),
            }
        }
        elsewhere.sort_unstable();
        for keys in elsewhere.chunk_by(|&one, &other| Stretch::of(one) == Stretch::of(other)) {
            let mut builder = store.builder();
            let mut groups = Vec::new();
            let is_late = |key| keys.binary_search(&key).is_ok();
            store.each_row(&Stretch::of(keys[0]), |stored| match stored {
                Stored::Owner(owner) if is_late(owner.key) => builder.add_stored_owner(&owner),
                Stored::Row(row) if is_late(row.key) => {
                    if let Added::Member(at) = builder.add_stored(&row)
                        && let Some(group) = row.of.group
                    {
                        groups.push((at, group));
                    }
                }
                Stored::Owner(_) | Stored::Row(_) => {}
            })?;
            let mut index = builder.finish();
            let slots: Vec<_> = keys.iter().filter_map(|&key| index.find(key)).collect();
            slots.into_iter().for_each(|slot| index.bar(slot));
            let members: Vec<_> = index.members().collect();
            keep(found, index, groups, (lists, self.canary_list));
            for member in members {
                found.is_not_let_go(member.list);
                if let Some(input) = member.counted_in() {
                    lists.inputs[input as usize].ledger.unmatched -= 1;
                }
            }
        }
        Ok(())
    }
}

/// The index of what a builder has, with the barred bit set of every list number whose person is on the
/// suppression list. It knows the numbers there, on a list or not.
pub(super) fn finish(
    builder: ListBuilder,
    suppressions: &Suppressions,
    keyer: &Keyer,
    timings: &mut Timings,
) -> ListIndex {
    const STRETCH: usize = 4096;
    let numbers: Vec<u64> = suppressions.expose_digits().collect();
    let mut index = timings.time(Stage::Join, || builder.finish_with_room_for(numbers.len()));
    let stretches: Vec<_> = numbers.chunks(STRETCH).collect();
    let slots = timings.time(Stage::Key, || {
        let lookup = index.lookup();
        waves::map(&stretches, |digits| lookup.find_digits(digits, keyer))
    });
    let hashed = suppressions.hashed_keys().filter_map(|key| index.find(key));
    let slots: Vec<_> = slots.into_iter().flatten().chain(hashed).collect();
    slots.into_iter().for_each(|slot| index.bar(slot));
    // Only now: whoever is known is looked up under the key.
    timings.time(Stage::Join, || index.know(numbers.iter().copied(), keyer));
    index
}

/// A stretch of the lists, ready to become an index.
struct Filled {
    builder: ListBuilder,
    /// Members of rows with several numbers, in the order of members.
    groups: Vec<(u32, GroupNo)>,
}

/// Takes a stretch from the store, and counts the duplicates in it.
fn fill(
    store: &ListStore,
    stretch: &Stretch,
    lists: &mut Lists,
    has_members: &mut [bool],
) -> Result<Filled, RunError> {
    let mut builder = store.builder();
    let mut groups = Vec::new();
    let mut repeats: HashMap<(InputNo, u32), u64> = HashMap::new();
    let Lists { inputs, numbers, .. } = &mut *lists;
    store.each_row(stretch, |stored| {
        let row = match stored {
            Stored::Row(row) => row,
            Stored::Owner(owner) => return builder.add_stored_owner(&owner),
        };
        match (builder.add_stored(&row), row.of.group) {
            (Added::Member(at), group) => {
                row.of.country.into_iter().for_each(|country| numbers.add(country));
                if let Some(group) = group {
                    has_members[group.0 as usize] = true;
                    groups.push((at, group));
                }
            }
            (Added::Duplicate(member), group) => {
                *repeats.entry((row.of.input, member)).or_default() += 1;
                if group.is_none() {
                    inputs[row.of.input as usize].ledger.duplicates += 1;
                }
            }
        }
    })?;
    for ((input, member), repeats) in repeats {
        let list = builder.member_list(member);
        let rows = lists.stored[input as usize].get(list.index()).copied().unwrap_or(0);
        if lists::is_crowded(repeats, rows) {
            lists.crowded.push(list);
        }
    }
    lists.crowded.sort_unstable();
    lists.crowded.dedup();
    Ok(Filled { builder, groups })
}

/// Keeps whom a pass has found, and counts the list rows of the others.
fn keep(
    found: &mut Found,
    index: ListIndex,
    groups: Vec<(u32, GroupNo)>,
    (lists, canary_list): (&mut Lists, ListNo),
) {
    let mut groups = groups.into_iter().peekable();
    found.take(index, canary_list, |member| {
        let group = groups.next_if(|(at, _)| *at == member.at);
        match (group, member.kept, member.counted_in) {
            (Some((_, group)), Some(kept), _) => {
                lists.groups[group.0 as usize].members.push(kept);
            }
            (None, None, Some(input)) => lists.inputs[input as usize].ledger.unmatched += 1,
            (Some(_), None, _) | (None, Some(_), _) | (None, None, None) => {}
        }
    });
}

/// A row whose numbers all were on its list before is a duplicate, which shows after the last pass.
fn drop_groups_of_duplicates(lists: &mut Lists, has_members: &[bool]) {
    let Lists { inputs, groups, .. } = lists;
    let mut has_members = has_members.iter();
    groups.retain(|group| {
        let stays = has_members.next() == Some(&true);
        if !stays {
            inputs[group.input as usize].ledger.duplicates += 1;
        }
        stays
    });
}
