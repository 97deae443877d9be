//! The probe side: accounts looked up, and what that came to.

use std::collections::HashMap;
use std::ops::Range;

use super::beside::{MemberDates, RowDates, Told};
use super::owners::{OwnerNo, Owners};
use super::screen::{Likely, Screen, Sought};
use super::table::{Glance, Table};
use super::{Attributes, InputNo, ListName, ListNo, Member, MemberRow, Origin, SlotNo, to_u32};
use crate::consent::Permitted;
use crate::dates::Moment;
use crate::key::{Form, Keyer, MatchKey, Spelled};

/// Every list number, and what accounts have told of it.
pub struct ListIndex {
    pub(super) lists: Vec<ListName>,
    pub(super) origins: Vec<Origin>,
    pub(super) keys: Vec<MatchKey>,
    /// By slot: the matched bit, the barred bit, and the input of the first account row that
    /// matched here and is counted here.
    pub(super) accounts: Vec<u32>,
    /// By slot: what is known of the person, packed.
    pub(super) attributes: Vec<u32>,
    /// Slots by key.
    pub(super) table: Table,
    pub(super) members: Vec<MemberRow>,
    pub(super) screen: Screen,
    /// The slot of the same account's other form, where lists come in both.
    pub(super) twins: HashMap<SlotNo, SlotNo>,
    /// By member.
    pub(super) dates: MemberDates,
    /// By slot.
    pub(super) told: Told,
    /// The same where the other form is in the index of an earlier pass.
    pub(super) twins_before: HashMap<SlotNo, Before>,
    /// By list, as far as it goes: numbers that are no longer here, because nobody had them.
    pub(super) let_go: Vec<u64>,
    /// Whose contacts members are.
    pub(super) owners: Owners,
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

/// What a slot came to at the end of the export.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Fate {
    /// No account has the number.
    Unmatched,
    /// An account has it, and nobody who has it said no.
    Matched,
    /// Somebody said no.
    Barred,
}

/// An account row whose outcome is its slot's.
#[derive(Clone, Copy, Debug)]
pub struct CountedAccount {
    /// The account input it came from.
    pub input: InputNo,
    /// Where it matched.
    pub slot: SlotNo,
    /// Where it matched in the other form.
    pub twin: Option<SlotNo>,
}

pub(super) const MATCHED: u32 = 1 << 31;
pub(super) const BARRED: u32 = 1 << 30;
/// The rest of the word: the account input.
pub(super) const INPUT: u32 = BARRED - 1;

impl ListIndex {
    /// A slot that no account has been found for.
    pub(super) const NO_ACCOUNT: u32 = INPUT;
    /// A slot of which nothing is known.
    pub(super) const NO_ATTRIBUTES: u32 = Attributes::NOTHING.to_bits();

    /// The forms in which accounts are looked up.
    #[must_use]
    pub fn forms(&self) -> &[Form] {
        self.screen.forms()
    }

    /// Appends whoever of `sought` may be on a list, in the order asked, a number's forms in
    /// theirs. Nobody else needs a key.
    pub fn select(&self, sought: &[Sought], keyer: &Keyer, likely: &mut Vec<Likely>) {
        self.screen.select(sought, keyer, likely);
    }

    /// Has [`ListIndex::mark`] say yes to these numbers too, whether a list has them or not. There must
    /// be room for them, or it says yes to too many.
    pub fn know(&mut self, digits: impl Iterator<Item = u64>, keyer: &Keyer) {
        self.screen.know(digits, keyer);
    }

    /// Sets `may` where [`ListIndex::select`] may take the number, and where it is known besides: of
    /// calling codes and national digits in their order, all at once and without a hash.
    pub fn mark(&self, digits: &[u64], keyer: &Keyer, may: &mut [bool]) {
        self.screen.mark(digits, keyer, may);
    }

    /// The slot of a key, when a list holds it.
    #[must_use]
    pub fn find(&self, key: MatchKey) -> Option<SlotNo> {
        let same = |place: u32| self.keys[place as usize] == key;
        self.table.find(key.table_hash(), same).map(SlotNo)
    }

    /// The slot of each key, appended in their order.
    ///
    /// A search waits for memory twice, for the table and for the key. So a stretch of keys is
    /// looked up in two sweeps whose loads do not depend on each other, and the processor waits
    /// for many at once.
    pub fn find_all(&self, keys: &[MatchKey], slots: &mut Vec<Option<SlotNo>>) {
        const STRETCH: usize = 64;
        slots.reserve(keys.len());
        for stretch in keys.chunks(STRETCH) {
            let mut glances = [Glance::Nothing; STRETCH];
            for (glance, key) in glances.iter_mut().zip(stretch) {
                *glance = self.table.glance(key.table_hash());
            }
            slots.extend(stretch.iter().zip(glances).map(|(&key, glance)| match glance {
                Glance::Nothing => None,
                Glance::Perhaps(place) if self.keys[place as usize] == key => Some(SlotNo(place)),
                Glance::Perhaps(_) | Glance::Further => self.find(key),
            }));
        }
    }

    /// Slots of numbers that need not be valid, in every form in use and in no order.
    #[must_use]
    pub fn find_digits(&self, digits: &[u64], keyer: &Keyer) -> Vec<SlotNo> {
        let sought: Vec<_> = digits.iter().map(|&digits| Sought { digits, region: None }).collect();
        let mut likely = Vec::new();
        self.select(&sought, keyer, &mut likely);
        let spelled: Vec<Spelled> = likely.iter().map(|likely| likely.spelled).collect();
        let mut keys = Vec::new();
        keyer.keys(&spelled, &mut keys);
        keys.into_iter().filter_map(|key| self.find(key)).collect()
    }

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
            if *account & INPUT == Self::NO_ACCOUNT {
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
            let mut known = self.attributes(slot);
            known.merge(hit.attributes);
            self.attributes[slot.index()] = known.to_bits();
            self.told.verify(slot, hit.verified);
        }
        recorded
    }

    /// The lists, in the order in which they were first named.
    #[must_use]
    pub fn lists(&self) -> &[ListName] {
        &self.lists
    }

    /// The lists' numbers, in the same order.
    pub fn list_numbers(&self) -> impl Iterator<Item = ListNo> + use<> {
        (0..to_u32(self.lists.len())).map(ListNo)
    }

    /// A list's name.
    #[must_use]
    pub fn list_name(&self, list: ListNo) -> &ListName {
        &self.lists[list.index()]
    }

    /// Every member, in the order in which they were added.
    pub fn members(&self) -> impl ExactSizeIterator<Item = Member> + Clone + '_ {
        let owner = |at: usize| self.owners.of(to_u32(at));
        let numbered = self.members.iter().enumerate();
        numbered.map(move |(at, &row)| Member::of(row, &self.origins, owner(at)))
    }

    /// Ranges of all members, each of so many but for the last, for several threads to look at.
    #[must_use]
    pub fn stretches(&self, each: u32) -> Vec<Range<u32>> {
        let end = to_u32(self.members.len());
        let each = each.max(1);
        (0..end.div_ceil(each))
            .map(|at| at * each..(at * each).saturating_add(each).min(end))
            .collect()
    }

    /// One of them.
    #[must_use]
    pub fn member(&self, at: u32) -> Member {
        Member::of(self.members[at as usize], &self.origins, self.owners.of(at))
    }

    /// True when some list row tells when its owner last dealt with the customer.
    #[must_use]
    pub fn has_contacts(&self) -> bool {
        !self.dates.contacts.is_empty()
    }

    /// The dates of a member's rows.
    #[must_use]
    pub fn dates(&self, member: u32) -> RowDates {
        self.dates.of(member)
    }

    /// The last second at which an account of the number may have been verified.
    #[must_use]
    pub fn verified(&self, slot: SlotNo) -> Option<Moment> {
        self.told.verified(slot)
    }

    /// Notes that an account of the number said yes, in so many words, and when; one without a date
    /// is none.
    pub fn say_yes(&mut self, slot: SlotNo, at: Option<Moment>) {
        self.told.say_yes(slot, at);
    }

    /// The first second at which the latest yes of the number's accounts may have been said.
    #[must_use]
    pub fn said_yes(&self, slot: SlotNo) -> Option<Moment> {
        self.told.said_yes(slot)
    }

    /// Notes the key of the number's E.164 form.
    pub fn identify(&mut self, slot: SlotNo, person: MatchKey) {
        self.told.identify(slot, person);
    }

    /// The key of the number's E.164 form, as far as accounts have told; else the slot's own.
    #[must_use]
    pub fn person(&self, slot: SlotNo) -> MatchKey {
        self.told.person(slot).unwrap_or_else(|| self.key(slot))
    }

    /// What a slot came to.
    #[must_use]
    pub fn fate(&self, slot: SlotNo) -> Fate {
        match self.accounts[slot.index()] {
            account if account & BARRED != 0 => Fate::Barred,
            account if account & MATCHED != 0 => Fate::Matched,
            _ => Fate::Unmatched,
        }
    }

    /// What a member came to. Of a contact and its owner each must have an account, and then neither
    /// may have said no; nobody is a contact of their own.
    #[must_use]
    pub fn member_fate(&self, member: &Member) -> Fate {
        let fate = self.fate(member.slot);
        let Some(owner) = member.owner else { return fate };
        let Some(owner) = self.owner_slot(owner) else { return Fate::Unmatched };
        match (fate, self.fate(owner)) {
            (Fate::Unmatched, _) | (_, Fate::Unmatched) => Fate::Unmatched,
            (Fate::Barred, _) | (_, Fate::Barred) => Fate::Barred,
            _ if self.person(member.slot) == self.person(owner) => Fate::Unmatched,
            (Fate::Matched, Fate::Matched) => Fate::Matched,
        }
    }

    /// An owner's slot; none when nobody has the number.
    #[must_use]
    pub fn owner_slot(&self, owner: OwnerNo) -> Option<SlotNo> {
        self.owners.slot(owner)
    }

    /// The slot of whoever has a member among the contacts; none where nobody has, or nobody has the
    /// owner's number.
    #[must_use]
    pub fn owner_of(&self, member: &Member) -> Option<SlotNo> {
        self.owner_slot(member.owner?)
    }

    /// Looks up which slots are owners'.
    pub(super) fn resolve_owners(&mut self) {
        let mut owners = std::mem::take(&mut self.owners);
        owners.resolve(|key| self.find(key));
        self.owners = owners;
    }

    /// Whether an account has the number, barred or not.
    #[must_use]
    pub fn is_matched(&self, slot: SlotNo) -> bool {
        self.accounts[slot.index()] & MATCHED != 0
    }

    /// The slot of the same account's other form, where an account has told.
    #[must_use]
    pub fn twin(&self, slot: SlotNo) -> Option<SlotNo> {
        self.twins.get(&slot).copied()
    }

    /// Every slot that is barred.
    pub fn barred(&self) -> impl Iterator<Item = SlotNo> + '_ {
        let numbered = (0..).map(SlotNo).zip(&self.accounts);
        numbered.filter_map(|(slot, account)| (account & BARRED != 0).then_some(slot))
    }

    /// A slot's key.
    #[must_use]
    pub fn key(&self, slot: SlotNo) -> MatchKey {
        self.keys[slot.index()]
    }

    /// What is known of the person behind a slot.
    #[must_use]
    pub fn attributes(&self, slot: SlotNo) -> Attributes {
        Attributes::from_bits(self.attributes[slot.index()])
    }

    /// Account rows that are counted at the end: the input, the slot and its twin.
    pub fn counted_accounts(&self) -> impl Iterator<Item = CountedAccount> + '_ {
        let numbered = (0..).map(SlotNo).zip(&self.accounts);
        let counted = numbered.filter(|(_, account)| *account & INPUT != Self::NO_ACCOUNT);
        counted.map(|(slot, account)| CountedAccount {
            input: account & INPUT,
            slot,
            twin: self.twin(slot),
        })
    }

    /// How many distinct numbers of a list are no longer here, because nobody had them.
    #[must_use]
    pub fn let_go(&self, list: ListNo) -> u64 {
        self.let_go.get(list.index()).copied().unwrap_or(0)
    }

    /// How many distinct keys there are; [`SlotNo::index`] is below it.
    #[must_use]
    pub fn slots_len(&self) -> usize {
        self.keys.len()
    }

    /// How many bytes the list rows take.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let columns = self.accounts.capacity() + self.attributes.capacity();
        self.keys.capacity() * size_of::<MatchKey>()
            + columns * size_of::<u32>()
            + self.members.capacity() * size_of::<MemberRow>()
            + self.table.bytes()
            + self.screen.bytes()
            + self.dates.bytes()
            + self.owners.bytes()
    }
}

impl std::fmt::Debug for ListIndex {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ListIndex({} lists, {} members)", self.lists.len(), self.members.len())
    }
}
