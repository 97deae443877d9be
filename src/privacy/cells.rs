//! Attributes in company only: k-anonymity of every combination that is shown.
//!
//! Within a list, people who show the same combination of attributes form a cell (Sweeney,
//! "k-anonymity: a model for protecting privacy", 2002). A cell of fewer than k people is
//! generalised one attribute at a time (version, device, operating system, region) until it has
//! company; those who find none show nothing. If fewer than k people show nothing, the smallest
//! other cells join them (complementary suppression: Cox, "Suppression methodology and
//! statistical disclosure control", 1980), because a remainder below k could be computed from a
//! list's size.

use std::collections::BTreeMap;

use crate::join::Attributes;
use crate::normalise::Region;
use crate::policy::{Attribute, Policy};

/// What is written of a person's attributes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Shown {
    /// Territory of the number.
    pub region: Option<Region>,
    /// Operating system family.
    pub os: Option<&'static str>,
    /// Device class.
    pub device: Option<&'static str>,
    /// Major version of the operating system.
    pub os_version: Option<u8>,
}

impl Shown {
    fn of(attributes: &Attributes, policy: &Policy) -> Self {
        let os = policy.keeps(Attribute::Os);
        Self {
            region: attributes.region().filter(|_| policy.keeps(Attribute::Region)),
            os: attributes.os().filter(|_| os),
            os_version: attributes
                .os_version()
                .filter(|_| os && policy.keeps(Attribute::OsVersion)),
            device: attributes.device().filter(|_| policy.keeps(Attribute::Device)),
        }
    }

    /// The same with one attribute less, in the order of the module doc.
    fn generalised(mut self, step: usize) -> Self {
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

/// Steps of generalisation, the first being none at all.
const STEPS: usize = 5;

/// What each of a list's people may show, in their order.
pub(super) fn show(people: &[Attributes], policy: &Policy) -> Vec<Shown> {
    let mut shown: Vec<_> = people.iter().map(|one| Shown::of(one, policy)).collect();
    let k = usize::try_from(policy.floors.attribute_cell).unwrap_or(usize::MAX);
    let mut settled: BTreeMap<Shown, Vec<usize>> = BTreeMap::new();
    let mut alone: Vec<usize> = (0..people.len()).collect();
    for step in 0..STEPS {
        let mut cells: BTreeMap<Shown, Vec<usize>> = BTreeMap::new();
        for at in alone.drain(..) {
            shown[at] = shown[at].generalised(step);
            cells.entry(shown[at]).or_default().push(at);
        }
        for (cell, mut members) in cells {
            // Company may be those who were settled here before: the cell is one in the file.
            let there = settled.get(&cell).map_or(0, Vec::len);
            if there + members.len() >= k {
                settled.entry(cell).or_default().append(&mut members);
            } else {
                alone.append(&mut members);
            }
        }
    }
    let nothing = settled.remove(&Shown::default()).unwrap_or_default();
    let mut hidden = nothing.len() + alone.len();
    while hidden > 0 && hidden < k {
        let smallest = settled.iter().min_by_key(|(cell, members)| (members.len(), **cell));
        let Some(cell) = smallest.map(|(cell, _)| *cell) else { break };
        let members = settled.remove(&cell).unwrap_or_default();
        hidden += members.len();
        members.into_iter().for_each(|at| shown[at] = Shown::default());
    }
    shown
}
