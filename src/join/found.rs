//! What the passes over the export have found so far.
//!
//! A pass ends with an index of its part of the lists. Numbers that somebody has, or that are
//! barred, are kept; the others are counted and let go, so that what stays grows with the people
//! who were found and not with the lists. In the end that is an index which says of every person
//! what one pass over everything would have said.

use std::collections::HashMap;

use super::beside::MemberDates;
use super::build::{entries, push};
use super::lookup::Lookup;
use super::marks::{BARRED, Before, INPUT, MATCHED, Marks, NO_ACCOUNT};
use super::owners::Owners;
use super::table::Entry;
use super::{InputNo, ListIndex, ListNo, ListStore, Member, MemberRow, Origin, SlotNo, to_u32};
use crate::key::MatchKey;

/// The index of everybody who was found, as it grows.
#[derive(Debug)]
pub struct Found {
    index: ListIndex,
    /// Numbers of origins, for the few that there are.
    origins: HashMap<Origin, u32>,
}

/// What became of a member of a pass.
#[derive(Clone, Copy, Debug)]
pub struct PassMember {
    /// Its place among the pass's members.
    pub at: u32,
    /// Its list.
    pub list: ListNo,
    /// The list input whose row is counted through it.
    pub counted_in: Option<InputNo>,
    /// Its place among those that are kept; none when it is let go, as nobody's.
    pub kept: Option<u32>,
}

impl Found {
    /// Nobody yet, of the lists of a store.
    #[must_use]
    pub fn of(store: &ListStore) -> Self {
        let lists = store.lists().to_vec();
        let let_go = vec![0; lists.len()];
        let index = ListIndex {
            lists,
            origins: Vec::new(),
            lookup: Lookup::default(),
            marks: Marks::default(),
            members: Vec::new(),
            let_go,
            dates: MemberDates::default(),
            owners: Owners::default(),
        };
        Self { index, origins: HashMap::new() }
    }

    /// The slot of a key, when it was found.
    #[must_use]
    pub fn find(&self, key: MatchKey) -> Option<SlotNo> {
        self.index.find(key)
    }

    /// Bars a number for the whole run.
    pub fn bar(&mut self, slot: SlotNo) {
        self.index.bar(slot);
    }

    /// Takes back that a number of a list was let go: it was barred, which showed too late.
    pub fn is_not_let_go(&mut self, list: ListNo) {
        self.index.let_go[list.index()] -= 1;
    }

    /// How many bytes it takes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.index.bytes()
    }

    /// Takes in what a pass came to. The members of `canaries`, which each pass has for itself, go;
    /// of every other one `told` is told, in their order.
    pub fn take(&mut self, pass: ListIndex, canaries: ListNo, mut told: impl FnMut(PassMember)) {
        // Whatever an index has must be kept or let go here: a field more does not compile.
        let ListIndex {
            lists: _,
            origins,
            lookup: Lookup { keys, table: _, screen: _ },
            marks: Marks { accounts, attributes, twins, twins_before, told: told_of },
            members,
            let_go: _,
            dates,
            owners,
        } = pass;
        let mut places: Vec<Option<SlotNo>> = vec![None; keys.len()];
        let mut of_canaries = Vec::new();
        for (at, row) in (0..).zip(members) {
            let member = Member::of(row, &origins, owners.of(at));
            let (slot, list, counted_in) = (member.slot, member.list, member.counted_in());
            if list == canaries {
                of_canaries.push(slot);
                continue;
            }
            let account = accounts[slot.index()];
            if account & (MATCHED | BARRED) == 0 {
                self.index.let_go[list.index()] += 1;
                told(PassMember { at, list, counted_in, kept: None });
                continue;
            }
            let place = *places[slot.index()].get_or_insert_with(|| {
                let place = self.keep(keys[slot.index()], account, attributes[slot.index()]);
                self.index.marks.told.take_over(place, &told_of, slot);
                place
            });
            let kept = self.keep_member(place, origins[row.origin as usize]);
            self.index.dates.add(kept, dates.of(at));
            if let Some(owner) = member.owner {
                let owner = self.index.owners.number(owners.key(owner));
                self.index.owners.own(kept, owner);
            }
            told(PassMember { at, list, counted_in, kept: Some(kept) });
        }
        // Owners of contacts who are nobody's contact themselves.
        for (at, &account) in accounts.iter().enumerate() {
            let slot = SlotNo(to_u32(at));
            let is_known = account & (MATCHED | BARRED) != 0;
            if is_known && places[at].is_none() && !of_canaries.contains(&slot) {
                let place = self.keep(keys[at], account, attributes[at]);
                self.index.marks.told.take_over(place, &told_of, slot);
                places[at] = Some(place);
            }
        }
        let place = |slot: SlotNo| places[slot.index()];
        for (first, second) in twins {
            if let Some((first, second)) = place(first).zip(place(second)) {
                self.index.marks.twins.insert(first, second);
            }
        }
        for (slot, before) in twins_before {
            if let Some(slot) = place(slot) {
                self.join_twins(slot, before);
            }
        }
    }

    fn keep(&mut self, key: MatchKey, account: u32, attributes: u32) -> SlotNo {
        let index = &mut self.index;
        let entry = Entry { hash: key.table_hash(), place: to_u32(index.lookup.keys.len()) };
        index.lookup.table.insert(entry, || entries(&index.lookup.keys));
        push(&mut index.lookup.keys, key);
        push(&mut index.marks.accounts, account);
        push(&mut index.marks.attributes, attributes);
        SlotNo(entry.place)
    }

    fn keep_member(&mut self, slot: SlotNo, origin: Origin) -> u32 {
        let index = &mut self.index;
        let next = to_u32(index.origins.len());
        let number = *self.origins.entry(origin).or_insert(next);
        if number == next {
            index.origins.push(origin);
        }
        let at = to_u32(index.members.len());
        push(&mut index.members, MemberRow { slot, origin: number });
        at
    }

    /// Two forms of one person, found in two passes. The account is counted where it was found
    /// first, and one pass would have counted it with the form that comes first.
    fn join_twins(&mut self, slot: SlotNo, before: Before) {
        let (first, second) = match before {
            Before::First(first) => (first, slot),
            Before::Second(second) => (slot, second),
        };
        self.index.marks.twins.insert(first, second);
        let accounts = &mut self.index.marks.accounts;
        let counted = accounts[second.index()] & INPUT;
        if accounts[first.index()] & INPUT == NO_ACCOUNT {
            accounts[first.index()] = accounts[first.index()] & !INPUT | counted;
            accounts[second.index()] |= NO_ACCOUNT;
        }
    }

    /// The index that one pass over everything would have left, but for those who were let go.
    #[must_use]
    pub fn into_index(mut self) -> ListIndex {
        self.index.resolve_owners();
        self.index
    }
}
