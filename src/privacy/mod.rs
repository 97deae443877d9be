//! What may leave the building?
//!
//! Turns what the join found into what may be written. A list below a floor is withheld whole, and
//! looks exactly like a list that matched nobody; floors count *distinct matched people who are
//! not barred*, so neither repeated rows nor opted-out people lift a list over one. A person's
//! attributes are kept only in company (`cells`).
//!
//! It promises: a [`Released`] exists only for a matched person of a released list whom nobody
//! barred, and `output` writes nothing else. It leaves to others where it lands.

mod bands;
mod cells;
pub mod noise;

use crate::join::{Fate, ListIndex, ListNo, SlotNo};
use crate::key::MatchKey;
use crate::policy::Policy;

pub use bands::Band;
pub use cells::Shown;

/// Why a matched person does not leave.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum WithholdReason {
    /// The list holds fewer distinct numbers than the policy asks.
    ListTooSmall,
    /// Fewer people matched than the policy asks.
    TooFewMatched,
}

impl WithholdReason {
    /// The name in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ListTooSmall => "list_too_small",
            Self::TooFewMatched => "too_few_matched",
        }
    }
}

/// What a list came to, in exact figures: for the run's own report, never for an advertiser.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Audience {
    /// The list.
    pub list: ListNo,
    /// Its distinct numbers, barred ones among them.
    pub numbers: u64,
    /// Its distinct matched people who are not barred.
    pub matched: u64,
    /// Why it is withheld, if it is.
    pub withheld: Option<WithholdReason>,
}

impl Audience {
    /// What the advertiser may know of the size; none for a list that is withheld.
    #[must_use]
    pub fn band(&self) -> Option<Band> {
        self.withheld.is_none().then(|| Band::of(self.matched))
    }
}

/// A person who may be written: matched, on a released list, barred by nobody.
///
/// Only [`release`] makes one, and `output` takes nothing else.
#[derive(Clone, Copy, Debug)]
pub struct Released {
    list: ListNo,
    key: MatchKey,
    shown: Shown,
}

impl Released {
    /// The list through which the person is released.
    #[must_use]
    pub const fn list(&self) -> ListNo {
        self.list
    }

    /// The person's key, for making the recipient's token.
    #[must_use]
    pub const fn key(&self) -> MatchKey {
        self.key
    }

    /// The attributes that may be written.
    #[must_use]
    pub const fn shown(&self) -> Shown {
        self.shown
    }
}

/// What may leave, and what became of every list.
#[derive(Debug)]
pub struct Release {
    /// By list number.
    pub audiences: Vec<Audience>,
    /// The people, list by list.
    pub people: Vec<Released>,
}

/// Applies the policy's floors to what the join found. `canaries` is the list that never leaves.
#[must_use]
pub fn release(index: &ListIndex, policy: &Policy, canaries: ListNo) -> Release {
    let mut audiences = Vec::with_capacity(index.lists().len());
    let mut people = Vec::new();
    let mut matched: Vec<Vec<SlotNo>> = vec![Vec::new(); index.lists().len()];
    let mut numbers = vec![0u64; index.lists().len()];
    let twins = index.twins_in_one_list();
    for member in index.members() {
        // The same person in the list's other form: one number, one person, one row.
        if twins.contains(&(member.list, member.slot)) {
            continue;
        }
        numbers[member.list.index()] += 1;
        if index.fate(member.slot) == Fate::Matched {
            matched[member.list.index()].push(member.slot);
        }
    }
    for (list, slots) in index.list_numbers().zip(&matched) {
        if list == canaries {
            continue;
        }
        let audience = judge(list, numbers[list.index()], slots.len(), policy);
        audiences.push(audience);
        if audience.withheld.is_some() {
            continue;
        }
        let attributes: Vec<_> = slots.iter().map(|&slot| index.attributes(slot)).collect();
        let shown = cells::show(&attributes, policy);
        people.extend(slots.iter().zip(shown).map(|(&slot, shown)| Released {
            list,
            key: index.key(slot),
            shown,
        }));
    }
    Release { audiences, people }
}

fn judge(list: ListNo, numbers: u64, matched: usize, policy: &Policy) -> Audience {
    let matched = matched as u64;
    let withheld = if numbers < policy.floors.list_numbers {
        Some(WithholdReason::ListTooSmall)
    } else if matched == 0 || matched < policy.floors.matched_people {
        Some(WithholdReason::TooFewMatched)
    } else {
        None
    };
    Audience { list, numbers, matched, withheld }
}
