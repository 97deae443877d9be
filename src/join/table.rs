//! Where is it? A hash table of places, four bytes each.
//!
//! Open addressing with linear probing (Knuth, TAOCP 3, §6.4, algorithm L), over places in a
//! vector of the caller's. An entry is one 32-bit integer: the place
//! in its lower bits and, in the bits that the number of places leaves over, a piece of the hash,
//! so that most entries that are others are told apart without looking at them.
//!
//! Hashes must be keyed or mixed: nobody who writes an input may choose them.

/// Entries of four fifths that are full: seven places to look at on average for what is not there,
/// mostly in one cache line. At least 8/15 are where a table grows by half: 5 to 7.5 bytes each. While
/// more is expected and does not come it is a fifth, and 20 bytes; a complete table takes 5.6
/// at the most.
const FULL: (usize, usize) = (4, 5);
/// The smallest table.
const LEAST: usize = 16;
/// How many times as long a table becomes in a step, on its way to what is expected.
const EXPECTED_STEP: usize = 4;
/// The part of what is expected for which there is room besides: a guess that is just too low would
/// cost one growth more.
const EXPECTED_SPARE: usize = 32;
/// The part of a table that may be kept beyond what it needs: of the rows that were expected some are
/// refused or repeated, and making the table anew for that takes longer than all growing before it.
const SPARE_SHARE: usize = 8;

/// Places by hash.
#[derive(Default)]
pub(super) struct Table {
    /// Zero, or a place and one, under a piece of the hash.
    entries: Vec<u32>,
    len: usize,
    /// How many there may come to be, as far as that was said.
    expected: usize,
    /// The bits of an entry that hold the place.
    place_mask: u32,
}

/// A place and its hash.
#[derive(Clone, Copy)]
pub(super) struct Entry {
    pub(super) hash: u64,
    pub(super) place: u32,
}

/// What an entry says before anything else is looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Glance {
    /// There is nothing with this hash.
    Nothing,
    /// Perhaps it is at this place, and perhaps elsewhere.
    Perhaps(u32),
    /// It is not at the first place, but perhaps further on.
    Further,
}

/// How long a table for so many entries is at least.
const fn room_for(entries: usize) -> usize {
    let (full, of) = FULL;
    entries.saturating_add(1).saturating_mul(of) / full + 1
}

impl Table {
    /// The place with this hash for which `is_it` says so.
    #[inline]
    pub(super) fn find(&self, hash: u64, mut is_it: impl FnMut(u32) -> bool) -> Option<u32> {
        if self.entries.is_empty() {
            return None;
        }
        let mut at = self.home(hash);
        loop {
            let entry = self.entries[at];
            if entry == 0 {
                return None;
            }
            let place = (entry & self.place_mask) - 1;
            if self.has_tag(entry, hash) && is_it(place) {
                return Some(place);
            }
            at = if at + 1 == self.entries.len() { 0 } else { at + 1 };
        }
    }

    /// The entry where the search for a hash begins: one load, for asking about many at once.
    #[inline]
    pub(super) fn glance(&self, hash: u64) -> Glance {
        match self.entries.get(self.home(hash)) {
            None | Some(0) => Glance::Nothing,
            Some(&entry) if self.has_tag(entry, hash) => {
                Glance::Perhaps((entry & self.place_mask) - 1)
            }
            Some(_) => Glance::Further,
        }
    }

    /// Says that so many entries more may come, whatever was said before. A table grows towards that
    /// in large steps, and not at once: who says so may be wrong.
    pub(super) fn expect(&mut self, more: usize) {
        let more = more.saturating_add(more / EXPECTED_SPARE);
        self.expected = self.len.saturating_add(more);
    }

    /// Adds an entry that is not there. `others` are those that are, in any order: a table that
    /// grows lets go of its own before it asks for them again, so that it is never there twice.
    pub(super) fn insert<I: Iterator<Item = Entry>>(
        &mut self,
        new: Entry,
        others: impl FnOnce() -> I,
    ) {
        let (full, of) = FULL;
        let is_full = (self.len + 1) * of > self.entries.len() * full;
        if is_full || new.place >= self.place_mask {
            let len = if is_full { self.grown() } else { self.entries.len() };
            self.resize(len.max(LEAST), new.place, others());
        }
        self.place(new);
        self.len += 1;
    }

    /// How long a table becomes that is full: by half, or in steps that end at what was expected.
    fn grown(&self) -> usize {
        let len = self.entries.len();
        let mut towards = room_for(self.expected);
        while towards > len * EXPECTED_STEP {
            towards /= EXPECTED_STEP;
        }
        (len / 2 * 3).max(towards)
    }

    /// Gives back what was kept for growing, unless that is little.
    pub(super) fn shrink(&mut self, highest_place: u32, all: impl Iterator<Item = Entry>) {
        let len = room_for(self.len);
        if self.entries.len() > len + len / SPARE_SHARE {
            self.resize(len, highest_place, all);
        }
    }

    /// How many bytes it takes.
    pub(super) fn bytes(&self) -> usize {
        self.entries.capacity() * size_of::<u32>()
    }

    fn resize(&mut self, len: usize, highest_place: u32, all: impl Iterator<Item = Entry>) {
        self.entries = Vec::new();
        self.entries = vec![0; len];
        // Room for the places that a dense numbering brings before the next growth.
        let most = u32::try_from(len).unwrap_or(u32::MAX).max(highest_place.saturating_add(1));
        self.place_mask |= u32::MAX >> most.leading_zeros();
        all.for_each(|entry| self.place(entry));
    }

    fn place(&mut self, new: Entry) {
        let mut at = self.home(new.hash);
        while self.entries[at] != 0 {
            at = if at + 1 == self.entries.len() { 0 } else { at + 1 };
        }
        self.entries[at] = (tag(new.hash) & !self.place_mask) | (new.place + 1);
    }

    #[inline]
    fn has_tag(&self, entry: u32, hash: u64) -> bool {
        (entry ^ tag(hash)) & !self.place_mask == 0
    }

    /// Lemire: "Fast random integer generation in an interval" (2019): the upper bits, no division.
    #[inline]
    fn home(&self, hash: u64) -> usize {
        let product = u128::from(hash) * self.entries.len() as u128;
        usize::try_from(product >> 64).unwrap_or(0)
    }
}

/// The lower bits of the hash; the upper ones say where the search begins.
#[inline]
const fn tag(hash: u64) -> u32 {
    let [a, b, c, d, ..] = hash.to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Any bits will do (Steele, Lea, Flood: SplitMix, 2014).
    fn hash(place: u32) -> u64 {
        let mixed = (u64::from(place) + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        (mixed ^ mixed >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9)
    }

    fn entry(place: u32) -> Entry {
        Entry { hash: hash(place), place }
    }

    #[test]
    fn what_was_inserted_is_found_and_nothing_else() {
        let mut table = Table::default();
        assert_eq!(table.find(hash(0), |_| true), None);
        for place in 0..10_000 {
            table.insert(entry(place), || (0..place).map(entry));
            assert!(place < 64 || table.bytes() <= 8 * (place as usize + 1));
        }
        let check = |table: &Table| {
            for place in 0..10_000 {
                assert_eq!(table.find(hash(place), |found| found == place), Some(place));
                assert!(table.glance(hash(place)) != Glance::Nothing);
            }
            for place in 10_000..20_000 {
                assert_eq!(table.find(hash(place), |found| hash(found) == hash(place)), None);
            }
        };
        check(&table);
        table.shrink(9_999, (0..10_000).map(entry));
        check(&table);
        assert!(table.bytes() <= 50_100, "{}", table.bytes());
    }

    #[test]
    fn whatever_was_expected_everything_is_found_and_little_is_kept() {
        for expected in [0, 10, 9_000, 10_000, 11_000, 10_000_000, usize::MAX] {
            let mut table = Table::default();
            table.expect(expected);
            for place in 0..10_000 {
                table.insert(entry(place), || (0..place).map(entry));
                assert!(place < 64 || table.bytes() <= 22 * (place as usize + 1));
            }
            table.shrink(9_999, (0..10_000).map(entry));
            for place in 0..10_000 {
                assert_eq!(table.find(hash(place), |found| found == place), Some(place));
            }
            assert!(table.bytes() <= 57_000, "{expected}: {}", table.bytes());
        }
    }

    #[test]
    fn places_need_not_be_dense() {
        let mut table = Table::default();
        let places: Vec<u32> = (0..32).map(|bit| u32::MAX >> bit).map(|place| place / 2).collect();
        let distinct = &places[..31];
        for (count, &place) in distinct.iter().enumerate() {
            table.insert(entry(place), || distinct[..count].iter().map(|&place| entry(place)));
        }
        for &place in distinct {
            assert_eq!(table.find(hash(place), |found| found == place), Some(place));
        }
    }

    #[test]
    fn equal_hashes_are_told_apart_by_the_caller() {
        let mut table = Table::default();
        let same = |place| Entry { hash: 7, place };
        for place in 0..100 {
            table.insert(same(place), || (0..place).map(same));
        }
        for place in 0..100 {
            assert_eq!(table.find(7, |found| found == place), Some(place));
        }
        assert_eq!(table.find(7, |found| found == 100), None);
    }
}
