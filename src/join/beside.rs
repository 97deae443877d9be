//! What only some runs know of a row, in tables beside the rows' forty bytes.
//!
//! Dates of list rows and of accounts, four bytes each, and only as far as some row has one: where
//! no input has such a column nothing is kept. What several rows of one number say is merged, so
//! that the order of rows never shows.

use std::collections::HashMap;

use super::SlotNo;
use crate::dates::Moment;
use crate::key::MatchKey;

/// The dates of a list row, the first second that each may be.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct RowDates {
    /// When the list's owner last dealt with the customer, `last_contact_at`.
    pub contact: Option<Moment>,
    /// When the customer opted in, `opted_in_at`.
    pub opt_in: Option<Moment>,
}

/// The latest moment of each place that has one. Of several rows' dates the latest counts: the
/// last contact is the last of any row.
#[derive(Default)]
pub(super) struct Latest(Vec<Option<Moment>>);

impl Latest {
    pub(super) fn add(&mut self, place: usize, moment: Option<Moment>) {
        if moment.is_none() {
            return;
        }
        if self.0.len() <= place {
            self.0.resize(place + 1, None);
        }
        self.0[place] = self.0[place].max(moment);
    }

    pub(super) fn of(&self, place: usize) -> Option<Moment> {
        self.0.get(place).copied().flatten()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn bytes(&self) -> usize {
        self.0.capacity() * size_of::<Option<Moment>>()
    }
}

/// Dates of list rows, by member.
#[derive(Default)]
pub(super) struct MemberDates {
    pub(super) contacts: Latest,
    pub(super) opt_ins: Latest,
}

impl MemberDates {
    pub(super) fn add(&mut self, member: u32, dates: RowDates) {
        self.contacts.add(member as usize, dates.contact);
        self.opt_ins.add(member as usize, dates.opt_in);
    }

    pub(super) fn of(&self, member: u32) -> RowDates {
        let place = member as usize;
        RowDates { contact: self.contacts.of(place), opt_in: self.opt_ins.of(place) }
    }

    pub(super) fn bytes(&self) -> usize {
        self.contacts.bytes() + self.opt_ins.bytes()
    }
}

impl RowDates {
    /// The later of each date.
    #[must_use]
    pub fn merged(self, other: Self) -> Self {
        Self { contact: self.contact.max(other.contact), opt_in: self.opt_in.max(other.opt_in) }
    }
}

/// What account rows say of a person besides attributes, by slot.
#[derive(Default)]
pub(super) struct Told {
    verified: Latest,
    /// When it said yes.
    yes: Latest,
    /// The key of the number's E.164 form, of slots whose own key may be another form's.
    persons: HashMap<SlotNo, MatchKey>,
}

impl Told {
    /// Takes in what another table says of a slot that is `slot` here.
    pub(super) fn take_over(&mut self, slot: SlotNo, other: &Self, of: SlotNo) {
        self.verify(slot, other.verified(of));
        self.say_yes(slot, other.said_yes(of));
        if let Some(person) = other.person(of) {
            self.identify(slot, person);
        }
    }

    /// Any of a number's accounts may be the one that took the number over.
    pub(super) fn verify(&mut self, slot: SlotNo, at: Option<Moment>) {
        self.verified.add(slot.index(), at);
    }

    pub(super) fn verified(&self, slot: SlotNo) -> Option<Moment> {
        self.verified.of(slot.index())
    }

    pub(super) fn say_yes(&mut self, slot: SlotNo, at: Option<Moment>) {
        self.yes.add(slot.index(), at);
    }

    pub(super) fn said_yes(&self, slot: SlotNo) -> Option<Moment> {
        self.yes.of(slot.index())
    }

    pub(super) fn identify(&mut self, slot: SlotNo, person: MatchKey) {
        self.persons.insert(slot, person);
    }

    pub(super) fn person(&self, slot: SlotNo) -> Option<MatchKey> {
        self.persons.get(&slot).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dates::When;

    #[test]
    fn the_latest_date_of_a_place_counts_in_any_order_and_none_takes_no_room() {
        let day = |text: &str| When::from_cell(text.as_bytes()).earliest();
        let dates = [day("2024-03-01"), None, day("2025-03-01"), day("soon")];
        for order in [[0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1]] {
            let mut latest = Latest::default();
            order.iter().for_each(|&at| latest.add(7, dates[at]));
            assert_eq!((latest.of(7), latest.of(6), latest.of(8)), (dates[2], None, None));
        }
        let mut none = Latest::default();
        (0..100).for_each(|place| none.add(place, None));
        assert!(none.is_empty() && none.bytes() == 0);
    }
}
