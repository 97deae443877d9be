//! Whose address book holds more numbers than a person knows?
//!
//! Somebody who puts the number space into an address book would read off the suggestions who of it
//! is on the messenger. So a book is counted by its own numbers: the distinct contacts of an owner
//! over all lists, in each form in which lists have them, whoever of them has an account or said no.
//! An owner who stands there in both forms has one book; that it is one person only the owner's own
//! account tells, and without one nothing is suggested to anybody.

use std::collections::{HashMap, HashSet};

use super::same::FirstForms;
use super::{ListIndex, ListNo, ListStore, Member, ScratchError, SlotNo, Stored, Stretch};
use crate::key::MatchKey;

/// The owners whose books hold more numbers than a policy allows.
#[derive(Default)]
pub struct LargeBooks {
    forms: FirstForms,
    /// By the key of the owner's first form.
    owners: HashSet<MatchKey>,
}

/// What counting takes for an owner: a key and a number, in a table that is half empty.
const OWNER_BYTES: u64 = 56;
/// The most times that a store is read: there is a value of a key's second byte for each.
const MOST_SWEEPS: u64 = 256;

impl LargeBooks {
    /// Owners with more than `most` contacts in an index that holds every row. The run's own list,
    /// `canaries`, is nobody's book.
    #[must_use]
    pub fn of(index: &ListIndex, most: u64, canaries: ListNo) -> Self {
        let forms = FirstForms::of(index);
        let contacts = || {
            let listed = index.members().filter(|member| member.list != canaries);
            listed.filter_map(|member| Some((forms.first(index.owner_of(&member)?), member.slot)))
        };
        // A number that several lists have is counted for each here, so few books are looked at twice.
        let mut rows = vec![0_u32; index.slots_len()];
        contacts().for_each(|(owner, _)| {
            rows[owner.index()] = rows[owner.index()].saturating_add(1);
        });
        let is_long = |owner: SlotNo| u64::from(rows[owner.index()]) > most;
        let mut long: Vec<_> = contacts().filter(|(owner, _)| is_long(*owner)).collect();
        long.sort_unstable();
        long.dedup();
        let books = long.chunk_by(|(one, _), (other, _)| one == other);
        let large = books.filter(|book| book.len() as u64 > most);
        let owners = large.map(|book| index.key(book[0].0)).collect();
        Self { forms, owners }
    }

    /// The same where the rows are in a store, and `index` holds whom its passes have found. Owners
    /// are counted in several sweeps where `room`, in bytes, is not enough for all at once.
    ///
    /// # Errors
    ///
    /// When the disk does not give the rows back.
    pub fn of_stored(
        index: &ListIndex,
        store: &ListStore,
        most: u64,
        room: u64,
    ) -> Result<Self, ScratchError> {
        let mut books = Self { forms: FirstForms::of(index), owners: HashSet::new() };
        let needed = store.owners().saturating_mul(OWNER_BYTES);
        let sweeps = needed.div_ceil(room.max(1)).clamp(1, MOST_SWEEPS);
        let mut contacts = Vec::new();
        for sweep in 0..sweeps {
            let mut numbers: HashMap<MatchKey, u64> = HashMap::new();
            // A contact is in one part only, in whichever lists it is.
            for part in Stretch::parts() {
                contacts.clear();
                store.each_row(&part, |stored| {
                    let Stored::Row(row) = stored else { return };
                    let owner = row.owner.map(|owner| books.first_key(index, owner));
                    let is_due =
                        |owner: &MatchKey| u64::from(owner.expose_bytes()[1]) % sweeps == sweep;
                    contacts.extend(owner.filter(is_due).map(|owner| (owner, row.key)));
                })?;
                contacts.sort_unstable();
                contacts.dedup();
                for book in contacts.chunk_by(|(one, _), (other, _)| one == other) {
                    *numbers.entry(book[0].0).or_default() += book.len() as u64;
                }
            }
            let large = numbers.into_iter().filter(|(_, numbers)| *numbers > most);
            books.owners.extend(large.map(|(owner, _)| owner));
        }
        Ok(books)
    }

    /// Whether a member is a contact in one of these books, and its owner somebody who is there.
    #[must_use]
    pub fn hold(&self, index: &ListIndex, member: &Member) -> bool {
        let is_large = |owner| self.owners.contains(&index.key(self.forms.first(owner)));
        !self.owners.is_empty() && index.owner_of(member).is_some_and(is_large)
    }

    /// How many owners there are.
    #[must_use]
    pub fn owners(&self) -> u64 {
        self.owners.len() as u64
    }

    fn first_key(&self, index: &ListIndex, key: MatchKey) -> MatchKey {
        index.find(key).map_or(key, |slot| index.key(self.forms.first(slot)))
    }
}

impl std::fmt::Debug for LargeBooks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "LargeBooks({} owners)", self.owners.len())
    }
}
