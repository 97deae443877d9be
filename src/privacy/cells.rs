//! Attributes in company only: k-anonymity of every combination that is shown.
//!
//! Within a list, people who show the same combination of attributes form a cell (Sweeney,
//! "k-anonymity: a model for protecting privacy", 2002). A cell of fewer than k people is
//! generalised one attribute at a time (version, device, operating system, region) until it has
//! company; those who find none show nothing. If fewer than k people show nothing, the smallest
//! other cells join them (complementary suppression: Cox, "Suppression methodology and
//! statistical disclosure control", 1980), because a remainder below k could be computed from a
//! list's size. The cells of a list are disjoint and none is below k, so neither is any sum or
//! difference of them; nor does another list of the same recipient tell more of a person.
//!
//! Advertisers see no cell at all. What remains is time: who holds two nights' files can tell what
//! changed between them, as with any file that names the same people twice.

use std::collections::BTreeMap;
use std::hash::Hash;

use crate::join::{Attributes, Device, Os, SlotNo};
use crate::maps::HashMap;
use crate::normalise::Region;
use crate::policy::Attribute;

/// What may be shown at all, and in which company.
pub(super) struct CellRules<'a> {
    pub(super) keep: &'a [Attribute],
    /// Fewest people in a cell: k.
    pub(super) fewest: u64,
}

impl CellRules<'_> {
    fn keeps(&self, attribute: Attribute) -> bool {
        self.keep.contains(&attribute)
    }
}

/// What is written of a person's attributes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Shown {
    /// Territory of the number.
    pub region: Option<Region>,
    /// Operating system family.
    pub os: Option<Os>,
    /// Device class.
    pub device: Option<Device>,
    /// Major version of the operating system.
    pub os_version: Option<u8>,
}

impl Shown {
    fn of(attributes: &Attributes, rules: &CellRules<'_>) -> Self {
        let os = rules.keeps(Attribute::Os);
        Self {
            region: attributes.region().filter(|_| rules.keeps(Attribute::Region)),
            os: attributes.os().filter(|_| os),
            os_version: attributes.os_version().filter(|_| os && rules.keeps(Attribute::OsVersion)),
            device: attributes.device().filter(|_| rules.keeps(Attribute::Device)),
        }
    }

    /// The same with one attribute less, in the order of the module doc.
    fn generalised(mut self, step: u8) -> Self {
        match step {
            0 => {}
            1 => self.os_version = None,
            2 => self.device = None,
            3 => self.os = None,
            _ => self.region = None,
        }
        self
    }
}

/// Steps of generalisation, the first being none at all and the last leaving nothing.
const STEPS: u8 = 5;
const NOTHING: u8 = STEPS - 1;

/// A person, as cells see one: something that tells people apart, and what is known.
pub(super) type Person<Id> = (Id, Attributes);

/// Tells people apart, one by one or by groups of whom nothing tells one from another.
pub(super) trait Who: Copy + Eq + Hash {
    /// How many people it is.
    fn many(self) -> u64 {
        1
    }
}

impl Who for SlotNo {}

/// What the people of one recipient's lists may show, list by list, in their order.
///
/// A person has one token in all lists of a recipient. So what one list hides of the person the
/// others do not show either, or the cell could be read by joining the two.
pub(super) fn show<Id: Who>(lists: &[Vec<Person<Id>>], rules: &CellRules<'_>) -> Vec<Vec<Shown>> {
    let mut least: HashMap<Id, u8> = HashMap::default();
    loop {
        let mut shown = Vec::with_capacity(lists.len());
        let mut has_changed = false;
        for people in lists {
            let list = generalise(people, &least, rules);
            shown.push(list.each(|group| group.shown).collect());
            if lists.len() > 1 {
                for ((who, _), step) in people.iter().zip(list.each(|group| group.step)) {
                    let known = least.entry(*who).or_default();
                    has_changed |= *known < step;
                    *known = step.max(*known);
                }
            }
        }
        // Steps only grow, so this ends; and then every list has taken the steps of all others.
        if !has_changed {
            return shown;
        }
    }
}

/// People of one list whom nothing tells apart here.
struct Alike {
    /// What they show, as far as they are generalised.
    shown: Shown,
    /// Steps that they take at the least.
    least: u8,
    /// Steps that they took.
    step: u8,
    /// How many they are.
    many: u64,
}

/// The people of one list: a list has few groups, however many people.
struct Grouped {
    groups: Vec<Alike>,
    /// The group of each, in the list's order.
    group_of: Vec<u32>,
}

impl Grouped {
    /// Puts together people of whom the same is known, nobody less generalised than `least` says.
    fn of<Id: Who>(people: &[Person<Id>], least: &HashMap<Id, u8>, rules: &CellRules<'_>) -> Self {
        let mut places: HashMap<(Attributes, u8), u32> = HashMap::default();
        let mut groups: Vec<Alike> = Vec::new();
        let group_of = people.iter().map(|(who, attributes)| {
            let least = if least.is_empty() { 0 } else { least.get(who).copied().unwrap_or(0) };
            let place = *places.entry((*attributes, least)).or_insert_with(|| {
                let shown = Shown::of(attributes, rules);
                groups.push(Alike { shown, least, step: NOTHING, many: 0 });
                // There are far fewer values of attributes than that.
                u32::try_from(groups.len() - 1).unwrap_or(u32::MAX)
            });
            groups[place as usize].many += who.many();
            place
        });
        let group_of = group_of.collect();
        Self { groups, group_of }
    }

    /// What is to be said of each of the people, in the list's order.
    fn each<T>(&self, of: impl Fn(&Alike) -> T) -> impl Iterator<Item = T> {
        self.group_of.iter().map(move |&group| of(&self.groups[group as usize]))
    }
}

/// Generalises one list's people, nobody less than `least` says.
fn generalise<Id: Who>(
    people: &[Person<Id>],
    least: &HashMap<Id, u8>,
    rules: &CellRules<'_>,
) -> Grouped {
    let mut grouped = Grouped::of(people, least, rules);
    let groups = &mut grouped.groups;
    let count = |groups: &[Alike], cell: &[usize]| -> u64 {
        cell.iter().map(|&group| groups[group].many).sum()
    };
    let mut settled: BTreeMap<Shown, Vec<usize>> = BTreeMap::new();
    let mut alone: Vec<usize> = (0..groups.len()).collect();
    for step in 0..STEPS {
        let mut cells: BTreeMap<Shown, Vec<usize>> = BTreeMap::new();
        for at in std::mem::take(&mut alone) {
            let group = &mut groups[at];
            group.shown = group.shown.generalised(step);
            if step < group.least {
                alone.push(at);
            } else {
                cells.entry(group.shown).or_default().push(at);
            }
        }
        for (cell, mut members) in cells {
            // Company may be those who were settled here before: the cell is one in the file.
            let there = settled.get(&cell).map_or(0, |there| count(groups, there));
            if there + count(groups, &members) >= rules.fewest {
                members.iter().for_each(|&at| groups[at].step = step);
                settled.entry(cell).or_default().append(&mut members);
            } else {
                alone.append(&mut members);
            }
        }
    }
    let nothing = settled.remove(&Shown::default()).unwrap_or_default();
    let mut hidden = count(groups, &nothing) + count(groups, &alone);
    while hidden > 0 && hidden < rules.fewest {
        let smallest =
            settled.iter().min_by_key(|(cell, members)| (count(groups, members), **cell));
        let Some(cell) = smallest.map(|(cell, _)| *cell) else { break };
        let members = settled.remove(&cell).unwrap_or_default();
        hidden += count(groups, &members);
        for at in members {
            groups[at].shown = Shown::default();
            groups[at].step = NOTHING;
        }
    }
    grouped
}

#[cfg(test)]
#[path = "cells_tests.rs"]
mod tests;
