//! The build side: list rows on their way into the index.

use std::collections::HashMap;
use std::hint::black_box;

use super::beside::{MemberDates, RowDates};
use super::lookup::Lookup;
use super::marks::{Marks, NO_ACCOUNT, NO_ATTRIBUTES};
use super::owners::{Home, OwnerNo, Owners};
use super::screen::{KeptClue, Regions, Screen};
use super::table::{Entry, Table};
use super::{
    COUNTED_ELSEWHERE, InputNo, ListIndex, ListName, ListNo, MemberRow, Origin, SlotNo, to_u32,
};
use crate::key::{Form, Listed, MatchKey, ToldBy};

/// What is known of all lists together, however many of their rows are in memory.
#[derive(Clone, Default)]
pub(super) struct Roll {
    pub(super) lists: Vec<ListName>,
    list_numbers: HashMap<ListName, ListNo>,
    pub(super) forms: Vec<Form>,
    regions: Regions,
}

impl Roll {
    /// Adds a list or finds it.
    pub(super) fn list(&mut self, name: &ListName) -> ListNo {
        if let Some(&list) = self.list_numbers.get(name) {
            return list;
        }
        let list = ListNo(to_u32(self.lists.len()));
        self.lists.push(name.clone());
        self.list_numbers.insert(name.clone(), list);
        list
    }

    /// Says that lists hold keys of `form`.
    pub(super) fn use_form(&mut self, form: Form) {
        if !self.forms.contains(&form) {
            self.forms.push(form);
            // A person in both forms is known by the first, in whatever order lists came.
            self.forms.sort_unstable();
        }
    }

    /// Notes where a list has a number.
    pub(super) fn note(&mut self, listed: &Listed) {
        if let ToldBy::Number(region) = listed.told_by {
            self.regions.add(region);
        }
    }
}

/// Takes the rows of every list, then becomes the index.
#[derive(Default)]
pub struct ListBuilder {
    roll: Roll,
    origins: Origins,
    /// By slot: its key, its first member, and its clue.
    keys: Vec<MatchKey>,
    first_members: Vec<u32>,
    clues: Vec<u32>,
    /// Slots by key.
    table: Table,
    members: Vec<MemberRow>,
    /// Members by slot and home, where the slot has an earlier one of another home.
    further: Table,
    dates: MemberDates,
    owners: Owners,
}

/// The first member of a slot that has none: an owner of contacts who is nobody's contact.
const NO_MEMBER: u32 = u32::MAX;

/// A list number as a slot keeps it while lists are read.
#[derive(Clone, Copy)]
pub(super) struct SlotRow {
    pub(super) key: MatchKey,
    pub(super) clue: KeptClue,
}

/// What became of a list number on its way into the index.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Added {
    /// A member more.
    Member(u32),
    /// The list, or the owner's contacts in it, hold that number already; the member it is.
    Duplicate(u32),
}

impl Added {
    /// The member of the row's list and number.
    #[must_use]
    pub const fn member(self) -> u32 {
        match self {
            Self::Member(member) | Self::Duplicate(member) => member,
        }
    }
}

/// Lists and inputs as they come together, numbered.
#[derive(Default)]
pub(super) struct Origins {
    pub(super) known: Vec<Origin>,
    numbers: HashMap<Origin, u32>,
    /// Rows of one list come one after the other.
    last: Option<u32>,
}

impl Origins {
    pub(super) fn number(&mut self, origin: Origin) -> u32 {
        if let Some(last) = self.last.filter(|&last| self.known[last as usize] == origin) {
            return last;
        }
        let next = to_u32(self.known.len());
        let number = *self.numbers.entry(origin).or_insert(next);
        if number == next {
            self.known.push(origin);
        }
        self.last = Some(number);
        number
    }
}

impl ListBuilder {
    /// A builder for some of the rows of the lists of a roll.
    pub(super) fn of(roll: Roll) -> Self {
        Self { roll, ..Self::default() }
    }

    /// Says that about so many rows more will come, whatever was said before, so that columns and table
    /// need not grow again and again. It may be wrong: columns that are not used are address space and
    /// no memory, and what the table has too much is given back in the end.
    pub fn expect(&mut self, rows: u64) {
        let rows = usize::try_from(rows.min(u64::from(u32::MAX))).unwrap_or(0);
        self.table.expect(rows);
        if rows <= self.members.len() / GROWTH {
            return;
        }
        let reserved = [
            self.keys.try_reserve_exact(rows),
            self.first_members.try_reserve_exact(rows),
            self.clues.try_reserve_exact(rows),
            self.members.try_reserve_exact(rows),
        ];
        // Where there is not so much, columns grow as rows come.
        drop(reserved);
    }

    /// Adds a list or finds it.
    pub fn list(&mut self, name: &ListName) -> ListNo {
        self.roll.list(name)
    }

    /// Says that lists hold keys of `form`.
    pub fn use_form(&mut self, form: Form) {
        self.roll.use_form(form);
    }

    /// The forms in which accounts must be looked up.
    #[must_use]
    pub fn forms(&self) -> &[Form] {
        &self.roll.forms
    }

    /// Fetches what adding these numbers will look at, all at once instead of one after the other.
    pub fn warm_up<'a>(&self, listed: impl IntoIterator<Item = &'a Listed>) {
        for listed in listed {
            black_box(self.table.glance(listed.key.table_hash()));
        }
    }

    /// Adds somebody whose contacts lists hold, or finds it: accounts are looked up by that number
    /// too.
    pub fn owner(&mut self, listed: Listed) -> OwnerNo {
        self.roll.note(&listed);
        self.add_owner_slot(SlotRow { key: listed.key, clue: KeptClue::of(listed) });
        self.owners.number(listed.key)
    }

    /// Adds an owner whose region the roll knows.
    pub(super) fn add_owner_slot(&mut self, row: SlotRow) {
        let same = |place: u32| self.keys[place as usize] == row.key;
        if self.table.find(row.key.table_hash(), same).is_none() {
            self.add_slot(row, NO_MEMBER);
        }
    }

    /// An owner's number, where its slot may be another pass's.
    pub(super) fn owner_number(&mut self, key: MatchKey) -> OwnerNo {
        self.owners.number(key)
    }

    /// Adds a list number that is counted in `input`, or through a group of the caller's: to a
    /// list, or to somebody's contacts there.
    pub fn add(&mut self, home: impl Into<Home>, listed: Listed, input: Option<InputNo>) -> Added {
        self.roll.note(&listed);
        let row = SlotRow { key: listed.key, clue: KeptClue::of(listed) };
        self.add_row(home.into(), row, input)
    }

    /// Adds a list number whose region the roll knows.
    pub(super) fn add_row(&mut self, home: Home, row: SlotRow, input: Option<InputNo>) -> Added {
        let list = home.list;
        let origin = Origin { list, input: input.unwrap_or(COUNTED_ELSEWHERE) };
        let same = |place: u32| self.keys[place as usize] == row.key;
        let Some(place) = self.table.find(row.key.table_hash(), same) else {
            let slot = self.add_slot(row, to_u32(self.members.len()));
            return self.add_member(slot, origin, home.owner);
        };
        let slot = SlotNo(place);
        let first = self.first_members[slot.index()];
        if first == NO_MEMBER {
            self.first_members[slot.index()] = to_u32(self.members.len());
            return self.add_member(slot, origin, home.owner);
        }
        if self.home_of(first) == home {
            return Added::Duplicate(first);
        }
        let hash = member_hash(slot, home);
        let same = |at: u32| self.members[at as usize].slot == slot && self.home_of(at) == home;
        if let Some(at) = self.further.find(hash, same) {
            return Added::Duplicate(at);
        }
        let entry = Entry { hash, place: to_u32(self.members.len()) };
        let (members, first_members) = (&self.members, &self.first_members);
        let (further, origins, owners) = (&mut self.further, &self.origins.known, &self.owners);
        further.insert(entry, || {
            let numbered = (0..).zip(members);
            let further = numbered.filter(|(at, row)| first_members[row.slot.index()] != *at);
            further.map(|(place, row)| {
                let list = origins[row.origin as usize].list;
                let home = Home { list, owner: owners.of(place) };
                Entry { hash: member_hash(row.slot, home), place }
            })
        });
        self.add_member(slot, origin, home.owner)
    }

    fn home_of(&self, member: u32) -> Home {
        Home { list: self.list_of(member), owner: self.owners.of(member) }
    }

    fn list_of(&self, member: u32) -> ListNo {
        self.origins.known[self.members[member as usize].origin as usize].list
    }

    fn add_slot(&mut self, row: SlotRow, first_member: u32) -> SlotNo {
        let entry = Entry { hash: row.key.table_hash(), place: to_u32(self.keys.len()) };
        self.table.insert(entry, || entries(&self.keys));
        push(&mut self.keys, row.key);
        push(&mut self.first_members, first_member);
        push(&mut self.clues, row.clue.to_bits());
        SlotNo(entry.place)
    }

    fn add_member(&mut self, slot: SlotNo, origin: Origin, owner: Option<OwnerNo>) -> Added {
        let at = to_u32(self.members.len());
        if let Some(owner) = owner {
            self.owners.own(at, owner);
        }
        let origin = self.origins.number(origin);
        push(&mut self.members, MemberRow { slot, origin });
        Added::Member(at)
    }

    /// Notes the dates of a row of a member, its first row or a duplicate.
    pub fn date(&mut self, member: u32, dates: RowDates) {
        self.dates.add(member, dates);
    }

    /// True when some row tells when its list's owner last dealt with the customer.
    #[must_use]
    pub fn has_contacts(&self) -> bool {
        !self.dates.contacts.is_empty()
    }

    /// A member's list.
    #[must_use]
    pub fn member_list(&self, member: u32) -> ListNo {
        self.list_of(member)
    }

    /// Ends the build side: duplicates can no longer be told, and their memory is given back.
    #[must_use]
    pub fn finish(self) -> ListIndex {
        self.finish_with_room_for(0)
    }

    /// The same, with room for so many numbers that [`ListIndex::know`] is told beside those of lists.
    #[must_use]
    pub fn finish_with_room_for(mut self, known: usize) -> ListIndex {
        self.further = Table::default();
        self.table.shrink(to_u32(self.keys.len()), entries(&self.keys));
        self.keys.shrink_to_fit();
        self.members.shrink_to_fit();
        let kept = self.clues.iter().map(|&bits| KeptClue::from_bits(bits));
        let screen = Screen::of(kept, known, self.roll.regions, self.roll.forms);
        // The memory of the two columns that only building needed serves for two of the index's.
        let accounts = reuse(self.first_members, NO_ACCOUNT);
        let attributes = reuse(self.clues, NO_ATTRIBUTES);
        let mut index = ListIndex {
            lists: self.roll.lists,
            origins: self.origins.known,
            lookup: Lookup { keys: self.keys, table: self.table, screen },
            marks: Marks { accounts, attributes, ..Marks::default() },
            members: self.members,
            dates: self.dates,
            let_go: Vec::new(),
            owners: self.owners,
        };
        index.resolve_owners();
        index
    }

    /// How many bytes the rows take that were added so far.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let columns = self.first_members.capacity() + self.clues.capacity();
        self.keys.capacity() * size_of::<MatchKey>()
            + columns * size_of::<u32>()
            + self.members.capacity() * size_of::<MemberRow>()
            + self.table.bytes()
            + self.further.bytes()
            + self.dates.bytes()
            + self.owners.bytes()
    }
}

impl std::fmt::Debug for ListBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let lists = self.roll.lists.len();
        write!(f, "ListBuilder({lists} lists, {} members)", self.members.len())
    }
}

pub(super) fn entries(keys: &[MatchKey]) -> impl Iterator<Item = Entry> + '_ {
    (0..).zip(keys).map(|(place, key)| Entry { hash: key.table_hash(), place })
}

fn reuse(mut column: Vec<u32>, value: u32) -> Vec<u32> {
    column.shrink_to_fit();
    column.fill(value);
    column
}

/// The part of a column that it grows by.
const GROWTH: usize = 16;

/// Pushes, growing by a sixteenth: a vector that doubles may hold twice what it needs. Large
/// blocks grow in place, so that this costs little.
pub(super) fn push<T>(column: &mut Vec<T>, value: T) {
    if column.len() == column.capacity() {
        column.reserve_exact(column.len() / GROWTH + 1024);
    }
    column.push(value);
}

/// Slot numbers are dense, so a multiplicative hash spreads them (Knuth, TAOCP 3, §6.4).
fn member_hash(slot: SlotNo, home: Home) -> u64 {
    const MULTIPLIER: u64 = 0x9E37_79B9_7F4A_7C15;
    (u64::from(slot.0) << 32 | u64::from(home.list.0))
        .wrapping_mul(MULTIPLIER)
        .rotate_left(26)
        .wrapping_add(home.owner_bits())
        .wrapping_mul(MULTIPLIER)
        .rotate_left(26)
        .wrapping_mul(MULTIPLIER)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::Identifier;
    use crate::join::Sought;
    use crate::key::{Keyer, PhoneDigest, Secret, Told};
    use crate::normalise::{self, Checks, Hint};

    fn keyer() -> Keyer {
        Keyer::new(&Secret::from_file_content(&[7; 32]).unwrap())
    }

    fn name(id: &str) -> ListName {
        let named = |text: &str| Identifier::from_text(text.as_bytes()).unwrap();
        ListName { recipient: named("acme"), list_id: named(id) }
    }

    /// List rows that came as digests: any 32 bytes are one.
    fn listed(numbers: std::ops::Range<u64>) -> Vec<Listed> {
        let told: Vec<_> = numbers
            .map(|n| PhoneDigest::from_text(format!("{n:064x}").as_bytes()).unwrap())
            .map(Told::Digest)
            .collect();
        let mut listed = Vec::new();
        keyer().list(&told, &mut listed);
        listed
    }

    #[test]
    fn a_number_is_one_member_of_each_list() {
        let mut builder = ListBuilder::default();
        let lists = ["a", "b", "c"].map(|id| builder.list(&name(id)));
        let rows = listed(0..1000);
        // By slot: the lists take turns, so that every member but the first is a further one.
        for (at, &row) in (0..).zip(&rows) {
            for (nth, &list) in (0..).zip(&lists) {
                assert_eq!(builder.add(list, row, Some(nth)), Added::Member(at * 3 + nth));
            }
        }
        for (at, &row) in (0..).zip(&rows) {
            for (nth, &list) in (0..).zip(&lists) {
                assert_eq!(builder.add(list, row, Some(9)), Added::Duplicate(at * 3 + nth));
                assert_eq!(builder.member_list(at * 3 + nth), list);
            }
        }
        let index = builder.finish();
        assert_eq!((index.slots_len(), index.members().len()), (1000, 3000));
        for (at, &row) in (0..).zip(&rows) {
            let slot = index.find(row.key).unwrap();
            for (nth, &list) in (0..).zip(&lists) {
                let member = index.member(at * 3 + nth);
                assert_eq!((member.slot, member.list), (slot, list));
                assert_eq!(member.counted_in(), Some(nth));
            }
        }
        let mut slots = Vec::new();
        let strangers = listed(1000..2000);
        let keys: Vec<_> = rows.iter().chain(&strangers).map(|listed| listed.key).collect();
        index.lookup().find_all(&keys, &mut slots);
        let one_by_one = keys.iter().map(|&key| index.find(key));
        assert!(slots.iter().copied().eq(one_by_one));
        assert!(slots[..1000].iter().all(Option::is_some));
        assert!(slots[1000..].iter().all(Option::is_none));
    }

    #[test]
    fn a_number_is_one_contact_of_each_owner_and_an_owner_needs_no_row() {
        let mut builder = ListBuilder::default();
        let list = builder.list(&name("a"));
        let rows = listed(0..300);
        let owners: Vec<_> = rows[..20].iter().map(|&row| builder.owner(row)).collect();
        let home = |owner| Home { list, owner: Some(owner) };
        for (nth, &owner) in owners.iter().enumerate() {
            for &row in &rows[nth..] {
                assert!(matches!(builder.add(home(owner), row, Some(0)), Added::Member(_)));
            }
        }
        for (nth, &owner) in owners.iter().enumerate() {
            assert_eq!(builder.owner(rows[nth]), owner);
            for &row in &rows[nth..] {
                let Added::Duplicate(at) = builder.add(home(owner), row, Some(0)) else {
                    panic!("a pair was added twice");
                };
                assert_eq!(builder.home_of(at), home(owner));
            }
        }
        // Somebody whose contacts are all refused, and a number that is nobody's contact.
        let alone = builder.owner(listed(900..901)[0]);
        assert!(matches!(builder.add(list, rows[3], Some(0)), Added::Member(_)));
        let index = builder.finish();
        let pairs: usize = (0..20).map(|nth| 300 - nth).sum();
        assert_eq!((index.slots_len(), index.members().len()), (301, pairs + 1));
        let distinct: std::collections::HashSet<_> =
            index.members().map(|member| (member.owner, member.slot)).collect();
        assert_eq!(distinct.len(), pairs + 1);
        for (&owner, row) in owners.iter().zip(&rows) {
            assert_eq!(index.owner_slot(owner), index.find(row.key));
        }
        assert!(index.owner_slot(alone).is_some_and(|slot| slot.index() == 300));
    }

    /// Accounts that are not marked are asked nothing more.
    #[test]
    fn whoever_may_be_on_a_list_is_marked() {
        let number = |at: u64| {
            let text = format!("+1202555{:04}", 100 + at);
            normalise::read(text.as_bytes(), Hint::None, Checks::Library).unwrap()
        };
        let numbers: Vec<_> =
            (0..100).map(|at| keyer().list_one(Told::Number(number(at)))).collect();
        let digests = listed(0..100);
        for told in [vec![], numbers.clone(), digests.clone(), [numbers, digests].concat()] {
            let mut builder = ListBuilder::default();
            let list = builder.list(&name("a"));
            Form::ALL.into_iter().for_each(|form| builder.use_form(form));
            for &row in &told {
                builder.add(list, row, Some(0));
            }
            let mut index = builder.finish_with_room_for(300);
            let digits: Vec<_> = (0..1000).map(|at| 12_025_550_100 + at).collect();
            index.know(digits[700..].iter().copied(), &keyer());
            let mut marked = vec![false; digits.len()];
            index.lookup().mark(&digits, &keyer(), &mut marked);
            assert!(marked[700..].iter().all(|&is_marked| is_marked));
            let sought: Vec<_> =
                digits.iter().map(|&digits| Sought { digits, region: None }).collect();
            let mut likely = Vec::new();
            index.lookup().select(&sought, &keyer(), &mut likely);
            assert!(likely.iter().all(|likely| marked[likely.place as usize]));
            let of_list = told.iter().filter(|row| row.told_by != ToldBy::Digest).count();
            assert!(marked[..of_list].iter().all(|&is_marked| is_marked));
        }
    }

    #[test]
    fn what_is_expected_changes_nothing_and_is_not_kept() {
        let rows = listed(0..50_000);
        for expected in [0, 20_000, 50_000, 5_000_000, u64::MAX] {
            let mut builder = ListBuilder::default();
            let list = builder.list(&name("a"));
            for (at, &row) in rows.iter().enumerate() {
                if at == 100 {
                    builder.expect(expected);
                }
                builder.add(list, row, Some(0));
            }
            assert_eq!(builder.add(list, rows[7], Some(0)), Added::Duplicate(7));
            let index = builder.finish();
            assert!(index.bytes() <= 40 * rows.len(), "{expected}: {} bytes", index.bytes());
            for (at, row) in rows.iter().enumerate() {
                assert_eq!(index.find(row.key).map(SlotNo::index), Some(at));
            }
        }
    }

    #[test]
    fn a_list_row_takes_at_most_forty_bytes() {
        let rows = 1_000_000;
        let mut builder = ListBuilder::default();
        let list = builder.list(&name("a"));
        let mut most = 0;
        for few in (0..rows).step_by(1000) {
            for row in listed(few..few + 1000) {
                builder.add(list, row, Some(0));
            }
            let added = usize::try_from(few + 1000).unwrap();
            if added >= 100_000 {
                most = most.max(builder.bytes() * 10 / added);
            }
        }
        let index = builder.finish();
        let rows = usize::try_from(rows).unwrap();
        assert_eq!(index.slots_len(), rows);
        assert!(index.bytes() <= 40 * rows, "{} bytes", index.bytes());
        // While it grows, columns and table have room for the next rows.
        assert!(most <= 430, "{most} tenths of a byte");
    }
}
