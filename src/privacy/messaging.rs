//! Who is written to today, and by which business?
//!
//! Of the people who may be counted on the pilot's lists, a run lets out today's messages and no
//! other day's: whoever says no tomorrow is in nothing that was planned ahead. In this order:
//!
//! 1. A business writes to a person once a day, however many of its lists name the person; the
//!    first list in the order of names has the message.
//! 2. Whoever is in the history for today already comes out again: a night that is made again
//!    writes to the same people and to nobody else.
//! 3. Each person has a wave for each business, a keyed draw, and it comes round every `waves` days:
//!    a list is spread over so many nights. A night that is left out is made up for when the wave
//!    comes round again.
//! 4. The business rests for `cool_down_days` between two messages to a person.
//! 5. A person gets `most_per_person` messages of all businesses in `per_person_days`, today's among
//!    them; and a business writes to its tier's people a day, over all runs of the day. Whose turn
//!    it is where there is not room for all is drawn by the day, so that no business and nobody on a
//!    list is always first.
//!
//! All of it is decided on the person, not on the row or the list's form, and in an order that the
//! order of rows, lists and threads has no part in.

use std::collections::{HashMap, HashSet};

use super::history::{History, PersonId, PersonKeyer, Sent};
use super::{Tally, WithholdReason};
use crate::dates::Day;
use crate::job::Identifier;
use crate::join::ListIndex;
use crate::key::Secret;
use crate::policy::MessagingRules;

/// What decides about messages besides the people.
#[derive(Clone, Copy, Debug)]
pub struct MessageRules<'a> {
    /// The policy's.
    pub policy: &'a MessagingRules,
    /// The run's day, UTC.
    pub today: Day,
    /// What people are known by.
    pub secret: &'a Secret,
}

/// A business of the pilot, by its place in the policy.
type BusinessNo = usize;

/// A message that a business may send to a person: one of a business to one person.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Message {
    business: BusinessNo,
    person: PersonId,
}

/// A person of a list.
#[derive(Clone, Copy)]
struct Candidate {
    /// The list's place in the tally, and the person's in the list.
    list: usize,
    place: usize,
    message: Message,
}

/// What the history says of the days that the policy looks back to.
#[derive(Default)]
struct Past {
    /// Today's, by other runs of the day or this one's earlier attempt.
    today: HashSet<Message>,
    resting: HashSet<Message>,
    by_person: HashMap<PersonId, u32>,
}

impl Past {
    fn of(history: &History, rules: &MessageRules<'_>) -> Self {
        let MessageRules { policy, today, .. } = *rules;
        let mut past = Self::default();
        let businesses = &policy.businesses;
        // Days that lie ahead count: a clock that was set back gives nobody a second message.
        for Sent { day, business, people } in history.messages().sent() {
            if day.plus(policy.per_person_days) > today {
                people.iter().for_each(|&person| *past.by_person.entry(person).or_default() += 1);
            }
            let place = businesses.iter().position(|known| known.id.as_str() == business);
            let Some(business) = place else { continue };
            let messages = people.iter().map(|&person| Message { business, person });
            if day == today {
                past.today.extend(messages);
            } else if day.plus(policy.cool_down_days) > today {
                past.resting.extend(messages);
            }
        }
        past
    }
}

/// Takes out of the tally's lists whoever gets no message today, and enters the others into the
/// history. Lists of businesses outside the pilot hold nobody any more.
pub fn choose(
    index: &ListIndex,
    tally: &mut Tally,
    history: &mut History,
    rules: &MessageRules<'_>,
) {
    let keyer = PersonKeyer::new(rules.secret);
    let mut past = Past::of(history, rules);
    let mut withheld = Vec::new();
    let mut waiting = Vec::new();
    for candidate in candidates(index, tally, rules, &keyer, &mut withheld) {
        let Message { business, person } = candidate.message;
        let business = rules.policy.businesses[business].id.as_str();
        if past.today.contains(&candidate.message) {
            continue;
        } else if !is_due(keyer.draw("wave", business, person), rules) {
            withheld.push((candidate, WithholdReason::OtherWave));
        } else if past.resting.contains(&candidate.message) {
            withheld.push((candidate, WithholdReason::CoolDown));
        } else {
            waiting.push(candidate);
        }
    }
    // Equal draws, one in 10¹⁰ pairs, are told apart by the person.
    let word = format!("turn {}", rules.today);
    waiting.sort_by_cached_key(|candidate| {
        let Message { business, person } = candidate.message;
        let name = rules.policy.businesses[business].id.as_str();
        (keyer.draw(&word, name, person), person, business)
    });
    let mut room = room(&past, rules);
    let mut sent = Vec::new();
    for candidate in waiting {
        let Message { business, person } = candidate.message;
        let received = past.by_person.entry(person).or_default();
        if *received >= rules.policy.most_per_person {
            withheld.push((candidate, WithholdReason::PersonCap));
        } else if room[business] == 0 {
            withheld.push((candidate, WithholdReason::TierFull));
        } else {
            *received += 1;
            room[business] -= 1;
            sent.push((rules.policy.businesses[business].id.clone(), person));
        }
    }
    let looks_back = rules.policy.per_person_days.max(rules.policy.cool_down_days);
    history.add((rules.today, looks_back), sent, rules.secret);
    take_out(tally, withheld);
}

/// Every message that may be sent, list by list in the order of names.
fn candidates(
    index: &ListIndex,
    tally: &Tally,
    rules: &MessageRules<'_>,
    keyer: &PersonKeyer,
    withheld: &mut Vec<(Candidate, WithholdReason)>,
) -> Vec<Candidate> {
    let name = |list: usize| index.list_name(tally.lists[list].list());
    let mut order: Vec<_> = (0..tally.lists.len()).collect();
    order.sort_by_key(|&list| name(list));
    let (mut candidates, mut seen) = (Vec::new(), HashSet::new());
    for list in order {
        let Some(business) = place_of(rules.policy, &name(list).recipient) else { continue };
        for (place, person) in tally.lists[list].people.iter().enumerate() {
            let person = keyer.person(index.person(person.slot));
            let candidate = Candidate { list, place, message: Message { business, person } };
            if seen.insert(candidate.message) {
                candidates.push(candidate);
            } else {
                withheld.push((candidate, WithholdReason::CoolDown));
            }
        }
    }
    candidates
}

fn place_of(policy: &MessagingRules, business: &Identifier) -> Option<BusinessNo> {
    policy.businesses.iter().position(|known| known.id == *business)
}

/// Whether a wave's day has come round.
fn is_due(draw: u64, rules: &MessageRules<'_>) -> bool {
    let waves = u64::from(rules.policy.waves.max(1));
    let day = i64::from(rules.today.to_number()).rem_euclid(i64::from(rules.policy.waves.max(1)));
    draw % waves == day.unsigned_abs()
}

/// People whom each business may still write to today.
fn room(past: &Past, rules: &MessageRules<'_>) -> Vec<u64> {
    let mut room: Vec<_> =
        rules.policy.businesses.iter().map(|business| business.tier.people_a_day()).collect();
    for message in &past.today {
        room[message.business] = room[message.business].saturating_sub(1);
    }
    room
}

fn take_out(tally: &mut Tally, withheld: Vec<(Candidate, WithholdReason)>) {
    let mut gone: Vec<_> = tally.lists.iter().map(|list| vec![false; list.people.len()]).collect();
    for (Candidate { list, place, .. }, reason) in withheld {
        gone[list][place] = true;
        tally.kept_back.add(tally.lists[list].people[place].member, reason);
    }
    for (list, gone) in tally.lists.iter_mut().zip(gone) {
        let mut gone = gone.into_iter();
        list.people.retain(|_| !gone.next().unwrap_or(false));
    }
}

#[cfg(test)]
#[path = "messaging_tests.rs"]
mod tests;
