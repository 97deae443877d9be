//! Whose contact is a member?
//!
//! Where lists are people's address books each row is somebody's contact, and whoever has the book
//! is its *owner*. Owners are numbered by their key and stand beside the members, four bytes each.
//! An owner is looked up in the export like anybody on a list, so there is a slot of that key too;
//! where lists wait in a store it is in whichever pass the key falls into, so which slot it is
//! shows only when all passes are over.

use super::build::{entries, push};
use super::table::{Entry, Table};
use super::{ListNo, SlotNo, to_u32};
use crate::key::MatchKey;

/// An owner of contacts, by place among those of all lists.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct OwnerNo(u32);

/// What a number is a member of: a list, or somebody's contacts in it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Home {
    /// The list.
    pub list: ListNo,
    /// Whose contacts they are.
    pub owner: Option<OwnerNo>,
}

impl From<ListNo> for Home {
    fn from(list: ListNo) -> Self {
        Self { list, owner: None }
    }
}

impl Home {
    /// The owner for a hash, 0 where there is none.
    pub(super) fn owner_bits(self) -> u64 {
        self.owner.map_or(0, |OwnerNo(place)| u64::from(place) + 1)
    }
}

/// Every owner, and the members that are theirs.
#[derive(Default)]
pub(super) struct Owners {
    keys: Vec<MatchKey>,
    /// Owners by key.
    table: Table,
    /// By owner, once it is known.
    slots: Vec<Option<SlotNo>>,
    /// By member, as far as one is somebody's.
    of_members: Vec<u32>,
}

/// A member that is nobody's contact.
const NOBODYS: u32 = u32::MAX;

impl Owners {
    /// Adds an owner or finds it.
    pub(super) fn number(&mut self, key: MatchKey) -> OwnerNo {
        let same = |place: u32| self.keys[place as usize] == key;
        if let Some(place) = self.table.find(key.table_hash(), same) {
            return OwnerNo(place);
        }
        let entry = Entry { hash: key.table_hash(), place: to_u32(self.keys.len()) };
        self.table.insert(entry, || entries(&self.keys));
        push(&mut self.keys, key);
        OwnerNo(entry.place)
    }

    /// Notes whose a member is.
    pub(super) fn own(&mut self, member: u32, owner: OwnerNo) {
        let at = member as usize;
        while self.of_members.len() <= at {
            push(&mut self.of_members, NOBODYS);
        }
        self.of_members[at] = owner.0;
    }

    /// Whose a member is.
    pub(super) fn of(&self, member: u32) -> Option<OwnerNo> {
        let owner = self.of_members.get(member as usize).copied();
        owner.filter(|&owner| owner != NOBODYS).map(OwnerNo)
    }

    pub(super) fn key(&self, owner: OwnerNo) -> MatchKey {
        self.keys[owner.0 as usize]
    }

    /// The owner's slot; none where no index of the run has the key, for nobody has the number.
    pub(super) fn slot(&self, owner: OwnerNo) -> Option<SlotNo> {
        self.slots.get(owner.0 as usize).copied().flatten()
    }

    /// Looks every owner's slot up, and gives back what only numbering needed.
    pub(super) fn resolve(&mut self, find: impl Fn(MatchKey) -> Option<SlotNo>) {
        self.table = Table::default();
        self.of_members.shrink_to_fit();
        self.slots = self.keys.iter().map(|&key| find(key)).collect();
    }

    /// How many bytes it takes.
    pub(super) fn bytes(&self) -> usize {
        self.keys.capacity() * size_of::<MatchKey>()
            + self.slots.capacity() * size_of::<Option<SlotNo>>()
            + self.of_members.capacity() * size_of::<u32>()
            + self.table.bytes()
    }
}
