//! What may leave the building?
//!
//! Turns what the join found into what may be written. A list below a floor is withheld whole, and
//! looks exactly like a list that matched nobody; floors count *distinct matched people who are
//! not barred*, so neither repeated rows nor opted-out people lift a list over one. A person's
//! attributes are kept only in company (`cells`).
//!
//! For a recipient's eyes there is a [`Figure`] for each list (`figures`): a band of a noisy count,
//! paid for from the recipient's budget (`ledger`). People leave only where the figure says that the
//! list is released, *and* the exact counts reach the floors tonight.
//!
//! Where no list is matched, people are counted by cells of at least k, with noise (`counts`).
//!
//! It promises: a [`Released`] exists only for a matched person of a released list whom nobody
//! barred, and `output` writes nothing else. It leaves to others where it lands.

mod bands;
mod cells;
mod counts;
mod elsewhere;
mod figures;
mod history;
mod ledger;
mod locked_file;
mod messaging;
pub mod noise;
mod personal;
mod sketch;

use std::collections::BTreeMap;
use std::ops::Range;

use crate::job::Identifier;
use crate::join::{Fate, ListIndex, ListNo, SlotNo};
use crate::key::MatchKey;
use crate::policy::{Floors, Policy};
use crate::share::Share;

pub use bands::Band;
pub use cells::Shown;
pub use counts::{CountRules, PeopleCount, count_people};
pub use elsewhere::{AlikePeople, show_alike, withhold_list};
pub use figures::{Basis, Exhausted, Figure, FigureRules, ListDigest, Measured, Sets, Sketched};
pub use history::{History, HistoryError, HistoryHead, Messages, PersonId, PersonKeyer};
pub use ledger::{Book, BudgetLedger, Charge, LedgerError, LedgerHead, Terms, Window};
pub use messaging::{MessageRules, choose as choose_messages};
pub use personal::{Gates, KeptBack, PersonFacts, withhold_person};
pub use sketch::{Points, Sketch};

/// Why a matched person does not leave: the list, or the person alone.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum WithholdReason {
    /// The list holds fewer distinct numbers than the policy asks.
    ListTooSmall,
    /// The numbers of each of the recipient's lists, added up, are more than the policy allows.
    ListsTooLarge,
    /// Fewer people matched than the policy asks.
    TooFewMatched,
    /// So many matched, but with noise they are not clearly so many.
    TooCloseToFloor,
    /// An earlier list, nearly the same, was withheld.
    WithheldBefore,
    /// The policy excludes the number's region.
    ExcludedRegion,
    /// The account was verified after the list's last contact: the number may be another person's.
    RecycledNumber,
    /// The address book holds more distinct numbers than the policy allows.
    TooManyContacts,
    /// The business is not one of the pilot's.
    NotInPilot,
    /// The person neither opted in nor dealt with the business, or too long ago.
    NoGround,
    /// The person's wave is another day's.
    OtherWave,
    /// The business has written to the person not long ago, or by another of its lists today.
    CoolDown,
    /// The person has had as many messages, of all businesses, as the policy allows.
    PersonCap,
    /// The business has written to as many people today as its tier allows.
    TierFull,
}

impl WithholdReason {
    /// All reasons, in their order: of several that a row's people have the last counts.
    pub const ALL: [Self; 14] = [
        Self::ListTooSmall,
        Self::ListsTooLarge,
        Self::TooFewMatched,
        Self::TooCloseToFloor,
        Self::WithheldBefore,
        Self::ExcludedRegion,
        Self::RecycledNumber,
        Self::TooManyContacts,
        Self::NotInPilot,
        Self::NoGround,
        Self::OtherWave,
        Self::CoolDown,
        Self::PersonCap,
        Self::TierFull,
    ];

    /// The name in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ListTooSmall => "list_too_small",
            Self::ListsTooLarge => "lists_too_large",
            Self::TooFewMatched => "too_few_matched",
            Self::TooCloseToFloor => "too_close_to_floor",
            Self::WithheldBefore => "withheld_before",
            Self::ExcludedRegion => "excluded_region",
            Self::RecycledNumber => "recycled_number",
            Self::TooManyContacts => "too_many_contacts",
            Self::NotInPilot => "not_in_pilot",
            Self::NoGround => "no_contact_or_opt_in",
            Self::OtherWave => "other_wave",
            Self::CoolDown => "cool_down",
            Self::PersonCap => "person_cap",
            Self::TierFull => "tier_full",
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
    /// Its distinct matched people who are neither barred nor kept back as persons.
    pub matched: u64,
    /// Why its people are withheld, if they are.
    pub withheld: Option<WithholdReason>,
    /// What its recipient is told, which may be what was true some days ago.
    pub figure: Figure,
}

/// A person who may be written: matched, on a released list, barred by nobody; and of a pair whose
/// contact that is, of whom the same is true.
///
/// Only [`release`] makes one, and `output` takes nothing else.
#[derive(Clone, Copy, Debug)]
pub struct Released {
    list: ListNo,
    person: Person,
    shown: Shown,
}

impl Released {
    /// The list through which the person is released.
    #[must_use]
    pub const fn list(&self) -> ListNo {
        self.list
    }

    /// The person's key in the index that it was released from (another one has other people, or panics),
    /// for making the recipient's token. Pairs
    /// join people, so both of a pair are known by one key each, in whichever form a list has the
    /// number.
    #[must_use]
    pub fn key(&self, index: &ListIndex) -> MatchKey {
        let slot = self.person.slot;
        if self.owner_slot(index).is_some() { index.person(slot) } else { index.key(slot) }
    }

    /// The key of whose contact the person is, where lists hold contacts; both may be written.
    #[must_use]
    pub fn owner(&self, index: &ListIndex) -> Option<MatchKey> {
        self.owner_slot(index).map(|owner| index.person(owner))
    }

    fn owner_slot(&self, index: &ListIndex) -> Option<SlotNo> {
        index.owner_of(&index.member(self.person.member))
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

/// A list and those of its people who may be counted: matched, barred by nobody, and not kept back.
#[derive(Debug)]
pub struct Counted {
    list: ListNo,
    slots: Vec<SlotNo>,
    people: Vec<Person>,
    /// Numbers that are no longer in the index, because nobody had them.
    let_go: u64,
    /// Whether the recipient's lists together are larger than the policy allows.
    is_too_large: bool,
}

/// A person of a list, with the list member that stands for the person.
#[derive(Clone, Copy, Debug)]
struct Person {
    slot: SlotNo,
    member: u32,
}

/// Members that are looked at in one go.
const STRETCH: u32 = 64 * 1024;

/// Every list, counted.
#[derive(Debug)]
pub struct Tally {
    /// By list number.
    pub lists: Vec<Counted>,
    /// Whoever is matched and not counted.
    pub kept_back: KeptBack,
}

/// What consecutive members come to, each by itself.
#[derive(Default)]
pub struct Judged {
    runs: Vec<Run>,
    /// Of every member.
    slots: Vec<SlotNo>,
    people: Vec<Person>,
    /// Members whose person is matched and not counted.
    kept_back: Vec<(u32, WithholdReason)>,
}

/// Consecutive members of one list.
struct Run {
    list: ListNo,
    members: usize,
    /// How many of them stand for a person who counts.
    people: usize,
}

impl Judged {
    fn of(members: Range<u32>, index: &ListIndex, gates: &Gates<'_>, kept_back: &KeptBack) -> Self {
        let mut judged = Self::default();
        judged.slots.reserve_exact(members.len());
        for at in members {
            let member = index.member(at);
            if judged.runs.last().is_none_or(|run| run.list != member.list) {
                judged.runs.push(Run { list: member.list, members: 0, people: 0 });
            }
            judged.slots.push(member.slot);
            // The same person in the list's other form: two numbers, one person, one row.
            let is_person =
                !kept_back.is_stood_for(at) && index.member_fate(&member) == Fate::Matched;
            let reason = || gates.reason(index, &member, kept_back.dates(index, at));
            let counts = match is_person.then(reason) {
                None => false,
                Some(None) => true,
                Some(Some(reason)) => {
                    judged.kept_back.push((at, reason));
                    false
                }
            };
            if counts {
                judged.people.push(Person { slot: member.slot, member: at });
            }
            if let Some(run) = judged.runs.last_mut() {
                run.members += 1;
                run.people += usize::from(counts);
            }
        }
        judged
    }
}

/// Counts every list, by list number. `canaries` is the list that never leaves. `map` maps
/// stretches of members in their order, at once where it can.
#[must_use]
pub fn count(
    index: &ListIndex,
    canaries: ListNo,
    gates: &Gates<'_>,
    map: impl FnOnce(&[Range<u32>], &(dyn Fn(&Range<u32>) -> Judged + Sync)) -> Vec<Judged>,
) -> Tally {
    let empty = |list| Counted {
        list,
        slots: Vec::new(),
        people: Vec::new(),
        let_go: index.let_go(list),
        is_too_large: false,
    };
    let mut counted: Vec<_> = index.list_numbers().map(empty).collect();
    let mut kept_back = KeptBack::nobody(index);
    let stretches = index.stretches(STRETCH);
    let judged = map(&stretches, &|members| Judged::of(members.clone(), index, gates, &kept_back));
    let mut lengths = vec![(0, 0); counted.len()];
    for run in judged.iter().flat_map(|judged| &judged.runs) {
        let (slots, people) = &mut lengths[run.list.index()];
        (*slots, *people) = (*slots + run.members, *people + run.people);
    }
    for (counted, (slots, people)) in counted.iter_mut().zip(lengths) {
        counted.slots.reserve_exact(slots);
        counted.people.reserve_exact(people);
    }
    for Judged { runs, slots, people, kept_back: reasons } in judged {
        let (mut slots, mut people) = (&slots[..], &people[..]);
        for run in runs {
            let list = &mut counted[run.list.index()];
            let now = slots.split_at(run.members);
            list.slots.extend_from_slice(now.0);
            slots = now.1;
            let now = people.split_at(run.people);
            list.people.extend_from_slice(now.0);
            people = now.1;
        }
        reasons.into_iter().for_each(|(at, reason)| kept_back.add(at, reason));
    }
    counted.retain(|counted| counted.list != canaries);
    if let Some(most) = gates.policy.most_list_numbers {
        cap(index, &mut counted, gates.drawn.map_or(most, |share| most_in_sample(most, share)));
    }
    Tally { lists: counted, kept_back }
}

/// How many numbers of a sample are surely not of more than `most` in all: four standard deviations
/// fewer than are to be expected of so many. What the whole run would keep back, a sample does.
fn most_in_sample(most: u64, share: Share) -> u64 {
    let expected = u128::from(most) * u128::from(share.millionths()) / 1_000_000;
    let expected = u64::try_from(expected).unwrap_or(u64::MAX);
    expected.saturating_sub(4 * expected.isqrt())
}

/// Marks the lists of every recipient whose lists' numbers, added up, are more than `most`: the
/// number space in pieces is the number space. A number that is on several lists counts in each, as
/// it does for the advertiser who counts rows.
fn cap(index: &ListIndex, counted: &mut [Counted], most: u64) {
    let recipient = |counted: &Counted| &index.list_name(counted.list).recipient;
    let mut numbers: BTreeMap<&Identifier, u64> = BTreeMap::new();
    for counted in counted.iter() {
        *numbers.entry(recipient(counted)).or_default() += counted.numbers();
    }
    for counted in counted {
        counted.is_too_large = numbers[recipient(counted)] > most;
    }
}

impl Counted {
    /// The list.
    #[must_use]
    pub const fn list(&self) -> ListNo {
        self.list
    }

    /// Its distinct numbers, in each form in which it holds them: whoever brought the list knows
    /// them all, so nothing that hangs on them alone tells of anybody.
    #[must_use]
    pub fn numbers(&self) -> u64 {
        self.slots.len() as u64 + self.let_go
    }

    /// Its people.
    #[must_use]
    pub fn matched(&self) -> u64 {
        self.people.len() as u64
    }

    /// The slots of its numbers, as far as they are in the index.
    #[must_use]
    pub fn slots(&self) -> &[SlotNo] {
        &self.slots
    }

    /// The keys of its people.
    #[must_use]
    pub fn people_keys(&self, index: &ListIndex) -> Vec<MatchKey> {
        self.people.iter().map(|person| index.key(person.slot)).collect()
    }

    /// Whether the lists of its recipient together are larger than the policy allows.
    #[must_use]
    pub const fn is_too_large(&self) -> bool {
        self.is_too_large
    }

    /// Whether its length alone, or that of all lists of its recipient, keeps it back: then nobody
    /// looks at its people.
    #[must_use]
    pub fn is_out_of_bounds(&self, floors: &Floors) -> bool {
        let fewest = floors.list_numbers.max(floors.matched_people);
        self.is_too_large || self.numbers() < fewest
    }

    /// The figure without noise.
    #[must_use]
    pub fn exact_figure(&self, floors: &Floors) -> Figure {
        let is_told = self.shortfall(floors).is_none();
        Figure { band: is_told.then(|| Band::of(self.matched())), basis: Basis::Exact }
    }

    fn shortfall(&self, floors: &Floors) -> Option<WithholdReason> {
        let (numbers, matched) = (self.numbers(), self.matched());
        ListSize { numbers, is_too_large: self.is_too_large, matched }.shortfall(floors)
    }

    fn judge(&self, figure: Figure, floors: &Floors) -> Audience {
        let told = match (figure.band, figure.basis) {
            (Some(_), _) => None,
            (None, Basis::Repeated(_)) => Some(WithholdReason::WithheldBefore),
            (None, _) => Some(WithholdReason::TooCloseToFloor),
        };
        Audience {
            list: self.list,
            numbers: self.numbers(),
            matched: self.matched(),
            withheld: self.shortfall(floors).or(told),
            figure,
        }
    }
}

/// What floors are held against.
#[derive(Clone, Copy)]
struct ListSize {
    numbers: u64,
    is_too_large: bool,
    matched: u64,
}

impl ListSize {
    fn shortfall(self, floors: &Floors) -> Option<WithholdReason> {
        if self.numbers < floors.list_numbers {
            Some(WithholdReason::ListTooSmall)
        } else if self.is_too_large {
            Some(WithholdReason::ListsTooLarge)
        } else if self.matched < floors.matched_people.max(1) {
            Some(WithholdReason::TooFewMatched)
        } else {
            None
        }
    }
}

/// What became of a list. A list of messages is told of people one by one, or is no pilot's.
fn judge(counted: &Counted, figure: Figure, (index, policy): (&ListIndex, &Policy)) -> Audience {
    let audience = counted.judge(figure, &policy.floors);
    match &policy.messaging {
        None => audience,
        Some(rules) => {
            let is_pilot = rules.tier(&index.list_name(counted.list).recipient).is_some();
            let withheld = (!is_pilot).then_some(WithholdReason::NotInPilot);
            Audience { withheld, ..audience }
        }
    }
}

/// Applies the policy's floors to what was counted. `figures` are those of `counted`, in its order.
#[must_use]
pub fn release(
    index: &ListIndex,
    policy: &Policy,
    counted: &[Counted],
    figures: &[Figure],
) -> Release {
    let judged = counted.iter().zip(figures);
    let audiences: Vec<_> =
        judged.map(|(counted, &figure)| judge(counted, figure, (index, policy))).collect();
    let mut released: BTreeMap<&Identifier, Vec<&Counted>> = BTreeMap::new();
    for (counted, audience) in counted.iter().zip(&audiences) {
        if audience.withheld.is_none() {
            let recipient = &index.list_name(counted.list).recipient;
            released.entry(recipient).or_default().push(counted);
        }
    }
    let rules =
        cells::CellRules { keep: &policy.attributes.keep, fewest: policy.floors.attribute_cell };
    let mut people = Vec::new();
    for mut lists in released.into_values() {
        // What one list hides the next one hides, so that the order must not be that of rows.
        lists.sort_by_key(|counted| index.list_name(counted.list));
        let known = |counted: &&Counted| -> Vec<_> {
            let people = counted.people.iter();
            people.map(|person| (person.slot, index.attributes(person.slot))).collect()
        };
        let shown = cells::show(&lists.iter().map(known).collect::<Vec<_>>(), &rules);
        for (counted, shown) in lists.iter().zip(shown) {
            let list = counted.list;
            let shown = counted.people.iter().zip(shown);
            people.extend(shown.map(|(&person, shown)| Released { list, person, shown }));
        }
    }
    Release { audiences, people }
}
