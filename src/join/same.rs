//! Which members of a list are one?
//!
//! Accounts tell which two slots are one person's, in the two forms of lists. A list that names the
//! person in both has two members that are one, and so has somebody's address book; where the
//! owner stands there in both forms too, there may be four. One of them, its *stand-in*, is
//! counted, and the others share its fate.

use std::collections::HashMap;

use super::{ListIndex, ListNo, SlotNo};

/// Which slot stands for a person who is in lists in both forms: the first form's.
#[derive(Default)]
pub(super) struct FirstForms(HashMap<SlotNo, SlotNo>);

impl FirstForms {
    /// Of everybody whose account has told.
    pub(super) fn of(index: &ListIndex) -> Self {
        Self(index.marks.twins.iter().map(|(&first, &second)| (second, first)).collect())
    }

    /// The slot of the person's first form; the slot itself where no other is known.
    pub(super) fn first(&self, slot: SlotNo) -> SlotNo {
        self.0.get(&slot).copied().unwrap_or(slot)
    }
}

/// Members that are one with another, as far as accounts have told.
#[derive(Debug, Default)]
pub struct SameMembers {
    /// The members of each set of several, the stand-in first.
    sets: Vec<Vec<u32>>,
    /// The set of each of their members.
    set_of: HashMap<u32, usize>,
}

impl SameMembers {
    /// Whether another member stands for this one.
    #[must_use]
    pub fn is_stood_for(&self, member: u32) -> bool {
        self.set_of.get(&member).is_some_and(|&set| self.sets[set][0] != member)
    }

    /// All that are one with a member, itself among them.
    pub fn all_of(&self, member: u32) -> impl Iterator<Item = u32> + '_ {
        let set = self.set_of.get(&member).map(|&set| self.sets[set].as_slice());
        let alone = set.is_none().then_some(member);
        set.unwrap_or_default().iter().copied().chain(alone)
    }
}

impl ListIndex {
    /// Which members of each list are one.
    #[must_use]
    pub fn same_members(&self) -> SameMembers {
        if self.marks.twins.is_empty() {
            return SameMembers::default();
        }
        let forms = FirstForms::of(self);
        let first = |slot: SlotNo| forms.first(slot);
        let is_twin = |slot: SlotNo| first(slot) != slot || self.marks.twins.contains_key(&slot);
        let mut sets: HashMap<(ListNo, Option<SlotNo>, SlotNo), Vec<u32>> = HashMap::new();
        for (at, member) in (0..).zip(self.members()) {
            let owner = self.owner_of(&member);
            if is_twin(member.slot) || owner.is_some_and(is_twin) {
                let who = (member.list, owner.map(first), first(member.slot));
                sets.entry(who).or_default().push(at);
            }
        }
        let several = |(who, mut members): ((_, _, SlotNo), Vec<u32>)| {
            // A token is made of the first form's key, in whichever order rows came.
            members.sort_by_key(|&at| (self.member(at).slot != who.2, at));
            (members.len() > 1).then_some(members)
        };
        let sets: Vec<_> = sets.into_iter().filter_map(several).collect();
        let numbered = sets.iter().enumerate();
        let set_of = numbered.flat_map(|(set, members)| members.iter().map(move |&at| (at, set)));
        SameMembers { set_of: set_of.collect(), sets }
    }
}
