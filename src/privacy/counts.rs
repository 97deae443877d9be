//! How many people are there, by region and system, without telling of one of them?
//!
//! A table of counts, each person in one of them. A region and a system make a cell. One that is
//! *clear* is told; the people of those that are not are told together with their region alone, if
//! that is clear, and else together with everybody else who was told nowhere. A count is clear when
//! the exact one reaches the floor k *and* the noisy one k and a margin, as a list's is
//! (`figures`): so whether one person is there decides with a chance of δ at most.
//!
//! The rows of the table part those who are counted, and there are at least k in each. If those who
//! were told nowhere are not clearly k, the smallest told cell joins them (complementary
//! suppression: Cox, "Suppression methodology and statistical disclosure control", 1980), so that
//! whoever knows the whole learns nothing of fewer than k by taking the table away from it. With
//! noise this is done whether there is anybody left over or not, because that alone would tell of
//! one person. So either everybody is in the table or, where all together are too few, nobody.
//!
//! A person has a part in three draws of noise at most: a cell's, a region's and the rest's. With
//! Gaussian noise the table is δ-approximate 3ρ-zCDP, ρ = 1 / 2σ² (Canonne, Kamath and Steinke 2020,
//! theorem 4; Bun and Steinke 2016, lemma 2.3 and §8), and what is done to noisy counts afterwards
//! costs nothing. Noise is a function of the secret, the cell and the people in it: the same people
//! are told alike however often they are counted, and a barred person leaves no trace.

use std::collections::BTreeMap;

use crate::join::{Os, PersonRow};
use crate::key::Secret;
use crate::normalise::Region;
use crate::policy::{AddedNoise, NoiseRules};

/// Nobody outside the house: no recipient of a list has this name.
const HOUSE: &str = "";

/// By which rules people are counted.
#[derive(Clone, Copy, Debug)]
pub struct CountRules<'a> {
    /// Fewest people in a row of the table: k.
    pub fewest: u64,
    /// How exact the counts are.
    pub noise: &'a NoiseRules,
    /// What noise is made of.
    pub secret: &'a Secret,
}

/// A row of the table: people of a region and a system, or of what these leave over.
///
/// Only [`count_people`] makes one, and `output` writes no other.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PeopleCount {
    cell: Cell,
    people: u64,
}

/// Region and system; none where those are told together who are told by nothing more.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Cell {
    region: Option<Region>,
    os: Option<&'static str>,
}

const REST: Cell = Cell { region: None, os: None };

impl PeopleCount {
    /// Territory of the numbers; none for those of all regions that are told by nothing more.
    #[must_use]
    pub const fn region(&self) -> Option<Region> {
        self.cell.region
    }

    /// Operating system family; none for those of the region that are told by nothing more.
    #[must_use]
    pub const fn os(&self) -> Option<&'static str> {
        self.cell.os
    }

    /// How many there are: noisy, and never less than the floor.
    #[must_use]
    pub const fn people(&self) -> u64 {
        self.people
    }
}

/// People who are counted together.
#[derive(Default)]
struct Group {
    people: u64,
    /// Keyed digests of the sets of people that make it up, in the order of cells.
    sets: Vec<[u8; 32]>,
}

impl Group {
    fn join(&mut self, mut other: Self) {
        self.people += other.people;
        self.sets.append(&mut other.sets);
    }
}

impl CountRules<'_> {
    fn added(&self) -> Option<&AddedNoise> {
        match self.noise {
            NoiseRules::None => None,
            NoiseRules::Added(added) => Some(added),
        }
    }

    /// A group's count with its noise. A cell's noise is its own, also where the same people are
    /// counted again among others.
    fn noisy(&self, cell: Cell, group: &Group) -> i64 {
        let exact = i64::try_from(group.people).unwrap_or(i64::MAX);
        let Some(added) = self.added() else { return exact };
        let region = cell.region.map(Region::to_bytes).unwrap_or_default();
        let mut words = vec![&b"people"[..], &region, cell.os.unwrap_or_default().as_bytes()];
        words.extend(group.sets.iter().map(<[u8; 32]>::as_slice));
        let noise = added.distribution.draw(self.secret, HOUSE, &words);
        exact.saturating_add(noise)
    }

    fn is_clear(&self, group: &Group, noisy: i64) -> bool {
        let floor = self.fewest.max(1);
        let threshold = floor.saturating_add(self.added().map_or(0, AddedNoise::margin));
        group.people >= floor && noisy >= i64::try_from(threshold).unwrap_or(i64::MAX)
    }
}

/// Counts people, of whom each is there once and who are in the order of their numbers. The rows
/// come in the order of regions and systems; there are none where all people together are too few.
#[must_use]
pub fn count_people<'a>(
    people: impl Iterator<Item = &'a PersonRow>,
    rules: &CountRules<'_>,
) -> Vec<PeopleCount> {
    let mut told = BTreeMap::new();
    let mut left_over: BTreeMap<Option<Region>, Group> = BTreeMap::new();
    for (cell, group) in groups(people, rules.secret) {
        let noisy = rules.noisy(cell, &group);
        if cell.os.is_some() && rules.is_clear(&group, noisy) {
            told.insert(cell, noisy);
        } else {
            left_over.entry(cell.region).or_default().join(group);
        }
    }
    let mut rest = Group::default();
    for (region, group) in left_over {
        let cell = Cell { region, os: None };
        let noisy = rules.noisy(cell, &group);
        if region.is_some() && rules.is_clear(&group, noisy) {
            told.insert(cell, noisy);
        } else {
            rest.join(group);
        }
    }
    let noisy = rules.noisy(REST, &rest);
    if rules.is_clear(&rest, noisy) {
        told.insert(REST, noisy);
    } else if rest.people > 0 || rules.added().is_some() {
        let smallest = told.iter().min_by_key(|&(cell, noisy)| (*noisy, *cell));
        if let Some((&cell, &joining)) = smallest {
            told.remove(&cell);
            told.insert(REST, noisy.saturating_add(joining));
        }
    }
    let row = |(cell, noisy)| PeopleCount {
        cell,
        people: u64::try_from(noisy).unwrap_or(0).max(rules.fewest.max(1)),
    };
    told.into_iter().map(row).collect()
}

/// The people by cell, with a digest of who they are.
fn groups<'a>(
    people: impl Iterator<Item = &'a PersonRow>,
    secret: &Secret,
) -> BTreeMap<Cell, Group> {
    let key = secret.noise_key(HOUSE);
    let mut sets: BTreeMap<Cell, (u64, blake3::Hasher)> = BTreeMap::new();
    for person in people {
        let known = person.attributes();
        let cell = Cell { region: known.region(), os: known.os().and_then(Os::name) };
        let (people, set) =
            sets.entry(cell).or_insert_with(|| (0, blake3::Hasher::new_keyed(&key)));
        *people += 1;
        set.update(&person.number().expose_digits().to_le_bytes());
    }
    let group =
        |(people, set): (u64, blake3::Hasher)| Group { people, sets: vec![set.finalize().into()] };
    sets.into_iter().map(|(cell, set)| (cell, group(set))).collect()
}

#[cfg(test)]
#[path = "counts_tests.rs"]
mod tests;
