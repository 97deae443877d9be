//! Who is kept back as a person, whatever becomes of the list?
//!
//! People with numbers of a region that the policy excludes, and numbers that may have changed
//! hands: the messenger verified an account of the number after the list's owner last dealt with
//! its customer, so whoever has the account is likely somebody else. Of a pair both ends are asked:
//! an address book that is older than its owner's account is somebody else's, and one with more numbers
//! than the policy allows is no person's. For messages also whoever neither
//! opted in nor dealt with that business within the policy's days, and everybody on the list of a
//! business outside the pilot. Whoever is kept back counts in no floor, no figure and no attribute
//! cell, as if nobody had the number.
//!
//! Dates are held to the end that keeps back: an account counts as verified at the last second that
//! its cell may mean, a contact and an opt-in as the first. What cannot be read may be just now, and
//! long ago; so may a contact that lies ahead. Only where one of the two is blank is nothing known,
//! and nobody kept back. An opt-in is one only with a date, wherever it stands: a yes that nobody can
//! tell the age of may be older than the policy's days.

use super::WithholdReason;
use crate::dates::{Day, Moment};
use crate::join::{LargeBooks, ListIndex, Member, RowDates, SameMembers, SlotNo};
use crate::normalise::Region;
use crate::policy::{MessagingRules, OptInRecord, Policy, RecycledNumbers};
use crate::share::Share;

/// What a policy and a day ask of every matched person.
#[derive(Clone, Copy, Debug)]
pub struct Gates<'a> {
    /// The policy.
    pub policy: &'a Policy,
    /// The run's day, UTC.
    pub today: Day,
    /// Of how many people the lists are; none: of everybody.
    pub drawn: Option<Share>,
    /// Address books that are larger than the policy allows.
    pub large_books: &'a LargeBooks,
}

impl Gates<'_> {
    pub(super) fn reason(
        &self,
        index: &ListIndex,
        member: &Member,
        dates: RowDates,
    ) -> Option<WithholdReason> {
        if self.large_books.hold(index, member) {
            return Some(WithholdReason::TooManyContacts);
        }
        let owner = index.owner_of(member);
        let of_slot = |slot| self.reason_of(index, (member, slot), dates);
        of_slot(member.slot).or_else(|| owner.and_then(of_slot))
    }

    /// Why somebody that a member names is kept back: the member itself, or whose contact it is.
    fn reason_of(
        &self,
        index: &ListIndex,
        (member, slot): (&Member, SlotNo),
        dates: RowDates,
    ) -> Option<WithholdReason> {
        let messaging = self.policy.messaging.as_ref();
        let recipient = &index.list_name(member.list).recipient;
        let facts = PersonFacts {
            region: index.attributes(slot).region(),
            verified: index.verified(slot),
            contact: dates.contact,
        };
        let of_person = || withhold_person(self.policy, self.today, facts);
        if messaging.is_some_and(|rules| rules.tier(recipient).is_none()) {
            Some(WithholdReason::NotInPilot)
        } else if let Some(reason) = of_person() {
            Some(reason)
        } else if messaging
            .is_some_and(|rules| !self.has_ground(rules, dates, index.said_yes(slot)))
        {
            Some(WithholdReason::NoGround)
        } else {
            None
        }
    }

    /// Whether a business may write to the person at all. A date that lies ahead is no ground, nor is
    /// one that nobody can read, however far back the policy looks.
    fn has_ground(&self, rules: &MessagingRules, dates: RowDates, yes: Option<Moment>) -> bool {
        let within = |moment: Option<Moment>, days: u32| {
            let known = moment.filter(|&moment| moment != Moment::FIRST);
            let ago = known.and_then(|moment| self.today.days_since(moment.day()));
            ago.is_some_and(|ago| ago <= days)
        };
        within(dates.contact, rules.contacted_within_days)
            || rules.takes(OptInRecord::List) && within(dates.opt_in, rules.opted_in_within_days)
            || rules.takes(OptInRecord::Export) && within(yes, rules.opted_in_within_days)
    }
}

/// What is known of a matched person on a list, whatever the purpose.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct PersonFacts {
    /// The number's territory.
    pub region: Option<Region>,
    /// The last second at which an account of the number may have been verified.
    pub verified: Option<Moment>,
    /// The first second at which the list's owner may last have dealt with the customer.
    pub contact: Option<Moment>,
}

/// Why a matched person is kept back, whatever becomes of the list; messages have reasons of their own
/// beside these.
#[must_use]
pub fn withhold_person(policy: &Policy, today: Day, facts: PersonFacts) -> Option<WithholdReason> {
    let guards = policy.recycled_numbers == RecycledNumbers::Withhold;
    if facts.region.is_some_and(|region| policy.excludes(region)) {
        Some(WithholdReason::ExcludedRegion)
    } else if guards && is_recycled(facts.verified, facts.contact, today) {
        Some(WithholdReason::RecycledNumber)
    } else {
        None
    }
}

/// Whether a number may have changed hands since its list's owner dealt with the customer.
fn is_recycled(verified: Option<Moment>, contact: Option<Moment>, today: Day) -> bool {
    verified.zip(contact).is_some_and(|(verified, contact)| {
        // It is tomorrow somewhere.
        let lies_ahead = contact.day() > today.plus(1);
        verified > if lies_ahead { Moment::FIRST } else { contact }
    })
}

/// List members whose person is kept back, each with the reason.
#[derive(Debug, Default)]
pub struct KeptBack {
    /// By member, as far as there is one.
    reasons: Vec<Option<WithholdReason>>,
    /// Members of a list that are one, in several forms: they share a fate.
    same: SameMembers,
}

impl KeptBack {
    pub(super) fn nobody(index: &ListIndex) -> Self {
        Self { reasons: Vec::new(), same: index.same_members() }
    }

    /// Whether another member of the list stands for the person.
    pub(super) fn is_stood_for(&self, at: u32) -> bool {
        self.same.is_stood_for(at)
    }

    /// The dates of every row of the list that names the person.
    pub(super) fn dates(&self, index: &ListIndex, at: u32) -> RowDates {
        let dates = self.same.all_of(at).map(|at| index.dates(at));
        dates.fold(RowDates::default(), RowDates::merged)
    }

    pub(super) fn add(&mut self, at: u32, reason: WithholdReason) {
        for at in self.same.all_of(at) {
            if self.reasons.len() <= at as usize {
                self.reasons.resize(at as usize + 1, None);
            }
            self.reasons[at as usize] = Some(reason);
        }
    }

    /// Why a member's person is kept back, if so.
    #[must_use]
    pub fn reason(&self, member: u32) -> Option<WithholdReason> {
        self.reasons.get(member as usize).copied().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dates::When;

    #[test]
    fn the_end_of_a_date_that_keeps_back_counts() {
        let today = Day::from_text("2026-11-22").unwrap();
        let recycled = |verified: &str, contact: &str| {
            let [verified, contact] = [verified, contact].map(|it| When::from_cell(it.as_bytes()));
            is_recycled(verified.latest(), contact.earliest(), today)
        };
        for (verified, contact, expected) in [
            ("2024-05-02", "2024-05-01", true),
            ("2024-05-01", "2024-05-02", false),
            // The same day: either may have been first.
            ("2024-05-01", "2024-05-01", true),
            ("2024-05-01T10:00:00Z", "2024-05-01T10:00:00Z", false),
            ("2024-05-01T10:00:01Z", "2024-05-01T10:00:00Z", true),
            ("some day", "2026-11-21", true),
            ("2020-01-01", "05/01/2024", true),
            ("some day", "", false),
            ("", "some day", false),
            ("", "2024-05-01", false),
            // A contact that lies ahead is none that anybody can vouch for.
            ("2020-01-01", "2026-11-23", false),
            ("2020-01-01", "2026-11-24", true),
            ("2020-01-01", "2099-01-01", true),
        ] {
            assert_eq!(recycled(verified, contact), expected, "{verified} {contact}");
        }
    }
}
