//! What can be told of a number before it is hashed under the key.
//!
//! Most accounts are on no list, and a keyed hash costs more than everything before it. So beside
//! the keys a filter is kept: a Bloom filter (Bloom, 1970) whose bits for one entry lie in one
//! 64-bit word (Putze, Sanders, Singler: "Cache-, Hash- and Space-Efficient Bloom Filters", 2007),
//! so that a question is one load. It answers "certainly not" or "perhaps"; of a hundred numbers
//! that are not in it fewer than two get a "perhaps".
//!
//! It promises: what was added is never denied. Entries are mixed under a seed, so nobody who
//! writes a list can choose numbers that crowd one word. It lives in memory only.

use std::hash::{BuildHasher, RandomState};

use crate::vectors::{Eyes, Kernel, Level};

/// Bits for each entry: two bytes.
const BITS_AN_ENTRY: usize = 16;

/// What a filter is told of an entry: 31 bits. The lowest one is free for whoever stores it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Clue(u32);

impl std::fmt::Debug for Clue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Clue(redacted)")
    }
}

/// Turns integers into clues.
#[derive(Clone, Copy)]
pub(crate) struct ClueSeed(u64);

impl ClueSeed {
    /// From eight bytes that those who write inputs do not know.
    pub(crate) const fn of(secret: [u8; 8]) -> Self {
        Self(u64::from_le_bytes(secret))
    }

    /// From the system's randomness: what a filter lets through is nobody's to know.
    pub(crate) fn draw() -> Self {
        Self(RandomState::new().hash_one(0))
    }

    /// The clue of an integer: the middle of a product, folded, as in wyhash's mixing step.
    #[inline]
    pub(crate) fn clue(self, value: u64) -> Clue {
        const ODD: u64 = 0x9E37_79B9_7F4A_7C15;
        let product = u128::from(value ^ self.0) * u128::from(ODD ^ self.0.rotate_left(32) | 1);
        let [low, high] = halves(product);
        let [_, clue] = words((low ^ high).wrapping_mul(ODD));
        Clue::from_bits(clue)
    }
}

impl Clue {
    /// The clue as a table keeps it, with its lowest bit free.
    pub(crate) const fn to_bits(self) -> u32 {
        self.0
    }

    /// The inverse of [`Clue::to_bits`], whatever the lowest bit was used for.
    pub(crate) const fn from_bits(bits: u32) -> Self {
        Self(bits & !1)
    }
}

/// A set of clues that forgets which ones it holds.
#[derive(Clone, Default)]
pub(crate) struct Filter {
    words: Vec<u64>,
}

impl Filter {
    /// An empty filter for so many entries.
    pub(crate) fn for_entries(entries: usize) -> Self {
        Self { words: vec![0; (entries * BITS_AN_ENTRY).div_ceil(64)] }
    }

    /// True when nothing was ever to be added.
    pub(crate) fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// Adds an entry; to a filter for none, it does nothing.
    pub(crate) fn add(&mut self, clue: Clue) {
        let at = self.place(clue);
        if let Some(word) = self.words.get_mut(at) {
            *word |= bits(clue);
        }
    }

    /// False when the entry was certainly not added.
    #[inline]
    pub(crate) fn may_hold(&self, clue: Clue) -> bool {
        let bits = bits(clue);
        self.words.get(self.place(clue)).is_some_and(|word| word & bits == bits)
    }

    /// Asks about many, in their order: sets `held` where the entry perhaps was added, and leaves it
    /// otherwise. A stretch's words are all fetched before the first is looked at, so that the
    /// processor waits for memory once and not for each.
    pub(crate) fn mark(&self, clues: impl IntoIterator<Item = Clue>, held: &mut [bool]) {
        Level::best().run(Marking { filter: self, clues: clues.into_iter(), held });
    }

    /// How many bytes it takes.
    pub(crate) fn bytes(&self) -> usize {
        size_of_val(self.words.as_slice())
    }

    /// Lemire: "Fast random integer generation in an interval" (2019): no division.
    #[inline(always)]
    fn place(&self, clue: Clue) -> usize {
        ((u64::from(clue.0) * self.words.len() as u64) >> 32) as usize
    }
}

/// What [`Filter::mark`] does.
struct Marking<'a, C> {
    filter: &'a Filter,
    clues: C,
    held: &'a mut [bool],
}

impl<C: Iterator<Item = Clue>> Kernel for Marking<'_, C> {
    type Output = ();

    #[inline(always)]
    fn run(self, _eyes: impl Eyes) {
        const STRETCH: usize = 64;
        let Self { filter, mut clues, held } = self;
        for held in held.chunks_mut(STRETCH) {
            let mut asked = [Clue(0); STRETCH];
            for (asked, clue) in asked.iter_mut().zip(clues.by_ref().take(held.len())) {
                *asked = clue;
            }
            let mut words = [0; STRETCH];
            for (word, &clue) in words.iter_mut().zip(&asked) {
                *word = filter.words.get(filter.place(clue)).copied().unwrap_or(0);
            }
            for (held, (word, &clue)) in held.iter_mut().zip(words.into_iter().zip(&asked)) {
                let bits = bits(clue);
                *held |= word & bits == bits;
            }
        }
    }
}

impl std::fmt::Debug for Filter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Filter({} bytes, redacted)", self.bytes())
    }
}

/// Four of a word's bits. The word was chosen by the clue's upper bits, these by all of them.
#[inline(always)]
fn bits(clue: Clue) -> u64 {
    let mixed = u64::from(clue.0).wrapping_mul(0xD6E8_FEB8_6659_FD93);
    let bit = |from: u32| 1u64 << ((mixed >> from) & 63);
    bit(58) | bit(52) | bit(46) | bit(40)
}

fn halves(product: u128) -> [u64; 2] {
    let [a, b, c, d, e, f, g, h, rest @ ..] = product.to_le_bytes();
    [u64::from_le_bytes([a, b, c, d, e, f, g, h]), u64::from_le_bytes(rest)]
}

fn words(value: u64) -> [u32; 2] {
    let [a, b, c, d, rest @ ..] = value.to_le_bytes();
    [u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes(rest)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_added_is_never_denied_and_little_else_is_let_through() {
        let seed = ClueSeed::of(*b"any seed");
        for (entries, first) in [(1u64, 12_025_550_100u64), (1000, 1), (1_000_000, 447_700_900_000)]
        {
            let mut filter = Filter::for_entries(usize::try_from(entries).unwrap());
            (first..first + entries).for_each(|number| filter.add(seed.clue(number)));
            assert!((first..first + entries).all(|number| filter.may_hold(seed.clue(number))));
            let others = first + entries..first + entries + 100_000;
            let wrong = others.filter(|&number| filter.may_hold(seed.clue(number))).count();
            assert!(wrong < 2_000, "{wrong} of 100000 with {entries} entries");
            let all: Vec<_> = (first..first + entries + 1_000).collect();
            let (mut held, last) = (vec![false; all.len()], all.len() - 1);
            held[last] = true;
            filter.mark(all.iter().map(|&number| seed.clue(number)), &mut held);
            assert_eq!(held.pop(), Some(true), "what is set stays set");
            let one_by_one = all.iter().map(|&number| filter.may_hold(seed.clue(number)));
            assert!(one_by_one.take(last).eq(held), "the same as one by one");
            for level in Level::available() {
                let mut held = vec![false; all.len()];
                let clues = all.iter().map(|&number| seed.clue(number));
                level.run(Marking { filter: &filter, clues, held: &mut held });
                let one_by_one = all.iter().map(|&number| filter.may_hold(seed.clue(number)));
                assert!(one_by_one.eq(held), "{level:?}");
            }
            assert!(filter.bytes() <= 8 + 2 * usize::try_from(entries).unwrap());
        }
    }

    #[test]
    fn a_filter_for_nothing_holds_nothing() {
        let mut filter = Filter::default();
        filter.add(Clue::from_bits(7));
        assert!(filter.is_empty() && !filter.may_hold(Clue::from_bits(7)));
    }
}
