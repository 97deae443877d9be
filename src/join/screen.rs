//! Who may be on a list, asked before a number is hashed under the key.
//!
//! Two filters: one over the numbers that lists told, asked with the packed number, and one over
//! the digests that lists told, asked with the number's own unkeyed digest. The first knows opted-out
//! numbers too, where there are no digests: of those something is to be counted, on a list or not, and
//! one look tells both. A number whose region no list has is not hashed, whatever the first says; it is
//! asked all the same, because a look into it costs less than guessing whether to. All of it lives in
//! memory only; a wrong "perhaps" costs a keyed hash and nothing else.

use crate::key::{Clue, Filter, Form, Keyer, Listed, Spelled, ToldBy};
use crate::normalise::Region;

/// A number that is looked for.
#[derive(Clone, Copy)]
pub struct Sought {
    /// Calling code and national digits.
    pub digits: u64,
    /// Its region; `None` where the digits need not be a valid number.
    pub region: Option<Region>,
}

impl std::fmt::Debug for Sought {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sought(redacted)")
    }
}

/// A number that may be on a list, in one of the forms in use.
#[derive(Clone, Copy, Debug)]
pub struct Likely {
    /// Which of the numbers that were asked about.
    pub place: u32,
    /// The number as lists spell it.
    pub spelled: Spelled,
}

/// What is known of all lists together.
#[derive(Default, Debug)]
pub(super) struct Screen {
    numbers: Filter,
    digests: Filter,
    regions: Regions,
    forms: Vec<Form>,
}

/// A list number's clue as the index keeps it until the filters are made: the lowest bit says
/// which of them it belongs to.
#[derive(Clone, Copy)]
pub(super) struct KeptClue(u32);

impl KeptClue {
    pub(super) fn of(listed: Listed) -> Self {
        Self(listed.clue.to_bits() | u32::from(listed.told_by == ToldBy::Digest))
    }

    pub(super) const fn to_bits(self) -> u32 {
        self.0
    }

    pub(super) const fn from_bits(bits: u32) -> Self {
        Self(bits)
    }

    const fn is_digest(self) -> bool {
        self.0 & 1 == 1
    }
}

impl Screen {
    /// The filters over everything that lists told, with room for so many numbers more.
    pub(super) fn of(
        kept: impl Iterator<Item = KeptClue> + Clone,
        known: usize,
        regions: Regions,
        forms: Vec<Form>,
    ) -> Self {
        let digests = kept.clone().filter(|clue| clue.is_digest()).count();
        let numbers = kept.clone().count() - digests;
        let mut screen = Self {
            // Where digests were told everybody is asked, and nobody need be known.
            numbers: Filter::for_entries(if digests == 0 { numbers + known } else { numbers }),
            digests: Filter::for_entries(digests),
            regions,
            forms,
        };
        for kept in kept {
            let filter = if kept.is_digest() { &mut screen.digests } else { &mut screen.numbers };
            filter.add(Clue::from_bits(kept.to_bits()));
        }
        screen
    }

    /// Has [`Screen::mark`] say yes to more numbers than those of lists.
    pub(super) fn know(&mut self, digits: impl Iterator<Item = u64>, keyer: &Keyer) {
        if self.digests.is_empty() {
            digits.for_each(|digits| self.numbers.add(keyer.clue_of_digits(digits)));
        }
    }

    /// Appends whoever may be on a list, in the order asked, a number's forms in theirs.
    pub(super) fn select(&self, sought: &[Sought], keyer: &Keyer, likely: &mut Vec<Likely>) {
        if self.digests.is_empty() {
            self.select_numbers(sought, keyer, likely);
        } else {
            self.select_digests(sought, keyer, likely);
        }
    }

    /// Sets `may` where a list may have the number, or it is known besides, all at once; everywhere
    /// where telling takes a digest.
    pub(super) fn mark(&self, digits: &[u64], keyer: &Keyer, may: &mut [bool]) {
        if self.digests.is_empty() {
            self.numbers.mark(digits.iter().map(|&digits| keyer.clue_of_digits(digits)), may);
        } else {
            may.fill(true);
        }
    }

    fn may_be_told(&self, sought: &Sought, keyer: &Keyer) -> bool {
        self.is_in_region(sought) && self.numbers.may_hold(keyer.clue_of_digits(sought.digits))
    }

    fn is_in_region(&self, sought: &Sought) -> bool {
        sought.region.is_none_or(|region| self.regions.has(region))
    }

    fn select_numbers(&self, sought: &[Sought], keyer: &Keyer, likely: &mut Vec<Likely>) {
        let mut may_hold = vec![false; sought.len()];
        self.numbers.mark(sought.iter().map(|it| keyer.clue_of_digits(it.digits)), &mut may_hold);
        for ((place, sought), may_hold) in (0..).zip(sought).zip(may_hold) {
            if may_hold && self.is_in_region(sought) {
                let spelled = Spelled { digits: sought.digits, form: Form::E164 };
                likely.push(Likely { place, spelled });
            }
        }
    }

    /// Numbers are hashed without the key here, in every form, in short stretches that stay in
    /// the cache.
    fn select_digests(&self, sought: &[Sought], keyer: &Keyer, likely: &mut Vec<Likely>) {
        const STRETCH: usize = 256;
        let mut clues = Vec::with_capacity(STRETCH * self.forms.len());
        let mut may_hold = Vec::with_capacity(STRETCH * self.forms.len());
        for (stretch, first) in sought.chunks(STRETCH).zip((0..).step_by(STRETCH)) {
            clues.clear();
            for &form in &self.forms {
                let digits = stretch.iter().map(|sought| sought.digits);
                keyer.digest_clues(digits, form, &mut clues);
            }
            may_hold.clear();
            may_hold.resize(clues.len(), false);
            self.digests.mark(clues.iter().copied(), &mut may_hold);
            for (at, one) in stretch.iter().enumerate() {
                for (&form, may_hold) in self.forms.iter().zip(may_hold.chunks(stretch.len())) {
                    let is_told = form == Form::E164
                        && !self.numbers.is_empty()
                        && self.may_be_told(one, keyer);
                    if may_hold[at] || is_told {
                        let spelled = Spelled { digits: one.digits, form };
                        likely.push(Likely { place: first + place(at), spelled });
                    }
                }
            }
        }
    }

    pub(super) fn forms(&self) -> &[Form] {
        &self.forms
    }

    pub(super) fn bytes(&self) -> usize {
        self.numbers.bytes() + self.digests.bytes() + size_of::<Regions>()
    }
}

fn place(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

/// The regions that lists have numbers of.
#[derive(Clone, Copy, Default)]
pub(super) struct Regions([u64; 16]);

impl Regions {
    pub(super) fn add(&mut self, region: Region) {
        let at = Self::bit(region);
        self.0[at / 64] |= 1 << (at % 64);
    }

    #[inline]
    fn has(&self, region: Region) -> bool {
        let at = Self::bit(region);
        self.0[at / 64] >> (at % 64) & 1 == 1
    }

    /// Five bits of each letter. Two codes that share a bit cost a keyed hash where the filter errs.
    #[inline]
    fn bit(region: Region) -> usize {
        let [a, b] = region.to_bytes();
        usize::from(a & 31) << 5 | usize::from(b & 31)
    }
}

impl std::fmt::Debug for Regions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Regions({})", self.0.iter().map(|word| word.count_ones()).sum::<u32>())
    }
}
