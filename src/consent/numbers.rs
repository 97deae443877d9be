//! A set of numbers that is asked about far more often than it says yes.

use crate::key::{ClueSeed, Filter};
use crate::maps::HashSet;

/// Numbers as calling code and national digits, behind a filter that answers for nearly everybody
/// who is not in it.
pub(super) struct Numbers {
    all: HashSet<u64>,
    filter: Filter,
    /// How many numbers the filter was made for.
    room: usize,
    seed: ClueSeed,
}

/// Numbers that the first filter is made for.
const FIRST_ROOM: usize = 64;

impl Default for Numbers {
    fn default() -> Self {
        let all = HashSet::default();
        Self { all, filter: Filter::default(), room: 0, seed: ClueSeed::draw() }
    }
}

impl Numbers {
    /// Adds a number. True when it is new.
    pub(super) fn insert(&mut self, digits: u64) -> bool {
        let is_new = self.all.insert(digits);
        if self.all.len() > self.room {
            self.room = (self.room * 2).max(FIRST_ROOM);
            self.filter = Filter::for_entries(self.room);
            self.all.iter().for_each(|&digits| self.filter.add(self.seed.clue(digits)));
        } else if is_new {
            self.filter.add(self.seed.clue(digits));
        }
        is_new
    }

    #[inline]
    pub(super) fn contains(&self, digits: u64) -> bool {
        self.filter.may_hold(self.seed.clue(digits)) && self.all.contains(&digits)
    }

    /// [`Numbers::contains`] of many numbers, in their order: what it looks at is fetched for all of
    /// them at once and not for one after the other.
    pub(super) fn contain(&self, digits: &[u64], held: &mut Vec<bool>) {
        held.clear();
        held.resize(digits.len(), false);
        self.filter.mark(digits.iter().map(|&digits| self.seed.clue(digits)), held);
        let perhaps = digits.iter().zip(held).filter(|(_, held)| **held);
        perhaps.for_each(|(digits, held)| *held = self.all.contains(digits));
    }

    /// How many bytes they take: the table has a byte beside each place, and fills seven
    /// of eight.
    pub(super) fn bytes(&self) -> usize {
        self.all.capacity() * 8 / 7 * (size_of::<u64>() + 1) + self.filter.bytes()
    }

    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    /// Every number, in no order.
    pub(super) fn expose_digits(&self) -> impl Iterator<Item = u64> + '_ {
        self.all.iter().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_filter_denies_nobody_who_is_in_the_set() {
        let mut numbers = Numbers::default();
        assert!(!numbers.contains(12_025_550_100));
        for digits in (0..10_000).map(|n| 12_025_550_100 + n * 7) {
            assert!(numbers.insert(digits) && !numbers.insert(digits));
            assert!(numbers.contains(digits) && !numbers.contains(digits + 1));
        }
        assert!(numbers.expose_digits().all(|digits| numbers.contains(digits)));
        assert_eq!(numbers.len(), 10_000);
        let asked: Vec<_> = (0..70_000).map(|n| 12_025_550_100 + n).collect();
        let mut held = vec![true; 3];
        numbers.contain(&asked, &mut held);
        assert!(held.iter().enumerate().all(|(at, &held)| held == at.is_multiple_of(7)));
        assert_eq!(held.len(), asked.len());
    }
}
