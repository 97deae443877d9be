//! Where is a key? The half of the index that accounts are looked up in.
//!
//! Any number of threads ask it at once, while another notes in [`Marks`](super::Marks) what the
//! answers before came to.

use super::SlotNo;
use super::screen::{Likely, Screen, Sought};
use super::table::{Glance, Table};
use crate::key::{Form, Keyer, MatchKey, Spelled};

/// Every list number's key, and the filters before them.
#[derive(Default)]
pub struct Lookup {
    /// By slot.
    pub(super) keys: Vec<MatchKey>,
    /// Slots by key.
    pub(super) table: Table,
    pub(super) screen: Screen,
}

impl Lookup {
    /// The forms in which accounts are looked up.
    #[must_use]
    pub fn forms(&self) -> &[Form] {
        self.screen.forms()
    }

    /// Appends whoever of `sought` may be on a list, in the order asked, a number's forms in
    /// theirs. Nobody else needs a key.
    pub fn select(&self, sought: &[Sought], keyer: &Keyer, likely: &mut Vec<Likely>) {
        self.screen.select(sought, keyer, likely);
    }

    /// See [`ListIndex::know`](super::ListIndex::know).
    pub(super) fn know(&mut self, digits: impl Iterator<Item = u64>, keyer: &Keyer) {
        self.screen.know(digits, keyer);
    }

    /// Sets `may` where [`Lookup::select`] may take the number, and where it is known besides: of
    /// calling codes and national digits in their order, all at once and without a hash.
    pub fn mark(&self, digits: &[u64], keyer: &Keyer, may: &mut [bool]) {
        self.screen.mark(digits, keyer, may);
    }

    /// The slot of a key, when a list holds it.
    #[must_use]
    pub fn find(&self, key: MatchKey) -> Option<SlotNo> {
        let same = |place: u32| self.keys[place as usize] == key;
        self.table.find(key.table_hash(), same).map(SlotNo)
    }

    /// The slot of each key, appended in their order.
    ///
    /// A search waits for memory twice, for the table and for the key. So a stretch of keys is
    /// looked up in two sweeps whose loads do not depend on each other, and the processor waits
    /// for many at once.
    pub fn find_all(&self, keys: &[MatchKey], slots: &mut Vec<Option<SlotNo>>) {
        const STRETCH: usize = 64;
        slots.reserve(keys.len());
        for stretch in keys.chunks(STRETCH) {
            let mut glances = [Glance::Nothing; STRETCH];
            for (glance, key) in glances.iter_mut().zip(stretch) {
                *glance = self.table.glance(key.table_hash());
            }
            slots.extend(stretch.iter().zip(glances).map(|(&key, glance)| match glance {
                Glance::Nothing => None,
                Glance::Perhaps(place) if self.keys[place as usize] == key => Some(SlotNo(place)),
                Glance::Perhaps(_) | Glance::Further => self.find(key),
            }));
        }
    }

    /// Slots of numbers that need not be valid, in every form in use and in no order.
    #[must_use]
    pub fn find_digits(&self, digits: &[u64], keyer: &Keyer) -> Vec<SlotNo> {
        let sought: Vec<_> = digits.iter().map(|&digits| Sought { digits, region: None }).collect();
        let mut likely = Vec::new();
        self.select(&sought, keyer, &mut likely);
        let spelled: Vec<Spelled> = likely.iter().map(|likely| likely.spelled).collect();
        let mut keys = Vec::new();
        keyer.keys(&spelled, &mut keys);
        keys.into_iter().filter_map(|key| self.find(key)).collect()
    }

    /// How many bytes it takes.
    pub(super) fn bytes(&self) -> usize {
        self.keys.capacity() * size_of::<MatchKey>() + self.table.bytes() + self.screen.bytes()
    }
}

impl std::fmt::Debug for Lookup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Lookup({} keys, redacted)", self.keys.len())
    }
}
