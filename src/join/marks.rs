//! What did accounts tell of a slot? The half of the index that changes while the export is read.

use std::collections::HashMap;

use super::beside::Told;
use super::{Attributes, InputNo, SlotNo};
use crate::consent::Permitted;
use crate::dates::Moment;
use crate::key::MatchKey;

pub(super) const MATCHED: u32 = 1 << 31;
pub(super) const BARRED: u32 = 1 << 30;
/// The rest of the word: the account input.
pub(super) const INPUT: u32 = BARRED - 1;
/// A slot that no account has been found for.
pub(super) const NO_ACCOUNT: u32 = INPUT;
/// A slot of which nothing is known.
pub(super) const NO_ATTRIBUTES: u32 = Attributes::NOTHING.to_bits();

/// What accounts have told, by slot.
#[derive(Default)]
pub struct Marks {
    /// By slot: the matched bit, the barred bit, and the input of the first account row that
    /// matched here and is counted here.
    pub(super) accounts: Vec<u32>,
    /// By slot: what is known of the person, packed.
    pub(super) attributes: Vec<u32>,
    /// The slot of the same account's other form, where lists come in both.
    pub(super) twins: HashMap<SlotNo, SlotNo>,
    /// The same where the other form is in the index of an earlier pass.
    pub(super) twins_before: HashMap<SlotNo, Before>,
    /// By slot.
    pub(super) told: Told,
}

/// A permitted account row that is on a list.
#[derive(Clone, Copy, Debug)]
pub struct Hit {
    /// The slot of the first form that was found, and of the other where both were.
    slots: [Option<SlotNo>; 2],
    before: Option<Before>,
    attributes: Attributes,
    verified: Option<Moment>,
}

/// Where an earlier pass found an account in its other form: a slot of what was found so far.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Before {
    /// In the form that comes before the one that is found now.
    First(SlotNo),
    /// In the one that comes after it.
    Second(SlotNo),
}

impl Hit {
    /// The hit of an account whose number has these slots, in the order of their forms.
    #[must_use]
    pub const fn of(account: Permitted, slots: [Option<SlotNo>; 2], known: Attributes) -> Self {
        let attributes = known.in_region(account.reading().region);
        Self { slots, before: None, attributes, verified: None }
    }

    /// The same, with the last second at which the messenger may have verified the number.
    #[must_use]
    pub const fn verified(self, verified: Option<Moment>) -> Self {
        Self { verified, ..self }
    }

    /// The same, where an earlier pass may have found the account in its other form.
    #[must_use]
    pub const fn seen(self, before: Option<Before>) -> Self {
        Self { before, ..self }
    }
}

/// What became of a hit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Recorded {
    /// The person's first row: counted with the slot at the end.
    First,
    /// A further row of the same person.
    Duplicate,
    /// A row that an earlier pass counted.
    Before,
}

impl Marks {
    /// Bars a number for the whole run.
    pub fn bar(&mut self, slot: SlotNo) {
        self.accounts[slot.index()] |= BARRED;
    }

    /// Bars every slot of a hit.
    pub fn bar_hit(&mut self, hit: &Hit) {
        for slot in hit.slots.into_iter().flatten() {
            self.bar(slot);
        }
    }

    /// Records a hit of a row of account input `input`.
    pub fn record(&mut self, hit: &Hit, input: InputNo) -> Recorded {
        let [first, second] = hit.slots;
        let mut recorded = Recorded::Duplicate;
        if let (Some(first), Some(before)) = (first, hit.before) {
            self.twins_before.insert(first, before);
            recorded = Recorded::Before;
        } else if let Some(first) = first {
            let account = &mut self.accounts[first.index()];
            if *account & INPUT == NO_ACCOUNT {
                // No input at all, `InputNo::MAX`, stays none.
                *account = *account & !INPUT | input & INPUT;
                if let Some(second) = second {
                    self.twins.insert(first, second);
                }
                recorded = Recorded::First;
            }
        }
        for slot in hit.slots.into_iter().flatten() {
            self.accounts[slot.index()] |= MATCHED;
            let mut known = Attributes::from_bits(self.attributes[slot.index()]);
            known.merge(hit.attributes);
            self.attributes[slot.index()] = known.to_bits();
            self.told.verify(slot, hit.verified);
        }
        recorded
    }

    /// Notes that an account of the number said yes, in so many words, and when; one without a date
    /// is none.
    pub fn say_yes(&mut self, slot: SlotNo, at: Option<Moment>) {
        self.told.say_yes(slot, at);
    }

    /// Notes the key of the number's E.164 form.
    pub fn identify(&mut self, slot: SlotNo, person: MatchKey) {
        self.told.identify(slot, person);
    }
}

impl std::fmt::Debug for Marks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Marks({} slots)", self.accounts.len())
    }
}
