//! Both sides: what lists hold, what accounts told of it, and what each came to.

use std::ops::Range;

use super::beside::{MemberDates, RowDates};
use super::lookup::Lookup;
use super::marks::{BARRED, INPUT, MATCHED, Marks, NO_ACCOUNT};
use super::owners::{OwnerNo, Owners};
use super::{Attributes, InputNo, ListName, ListNo, Member, MemberRow, Origin, SlotNo, to_u32};
use crate::dates::Moment;
use crate::key::{Form, Keyer, MatchKey};

/// Every list number, and what accounts have told of it.
pub struct ListIndex {
    pub(super) lists: Vec<ListName>,
    pub(super) origins: Vec<Origin>,
    pub(super) lookup: Lookup,
    pub(super) marks: Marks,
    pub(super) members: Vec<MemberRow>,
    /// By member.
    pub(super) dates: MemberDates,
    /// By list, as far as it goes: numbers that are no longer here, because nobody had them.
    pub(super) let_go: Vec<u64>,
    /// Whose contacts members are.
    pub(super) owners: Owners,
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

impl ListIndex {
    /// Where keys are, for any number of threads to ask; and meanwhile what one of them is told.
    pub const fn sides(&mut self) -> (&Lookup, &mut Marks) {
        (&self.lookup, &mut self.marks)
    }

    /// Where keys are.
    #[must_use]
    pub const fn lookup(&self) -> &Lookup {
        &self.lookup
    }

    /// What accounts have told.
    pub const fn marks(&mut self) -> &mut Marks {
        &mut self.marks
    }

    /// The forms in which accounts are looked up.
    #[must_use]
    pub fn forms(&self) -> &[Form] {
        self.lookup.forms()
    }

    /// The slot of a key, when a list holds it.
    #[must_use]
    pub fn find(&self, key: MatchKey) -> Option<SlotNo> {
        self.lookup.find(key)
    }

    /// Has [`Lookup::mark`] say yes to these numbers too, whether a list has them or not. There must
    /// be room for them ([`ListBuilder::finish_with_room_for`](super::ListBuilder::finish_with_room_for)):
    /// with too little it says yes to too many, and with none to nobody.
    pub fn know(&mut self, digits: impl Iterator<Item = u64>, keyer: &Keyer) {
        self.lookup.know(digits, keyer);
    }

    /// Bars a number for the whole run.
    pub fn bar(&mut self, slot: SlotNo) {
        self.marks.bar(slot);
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
        self.marks.told.verified(slot)
    }

    /// The first second at which the latest yes of the number's accounts may have been said.
    #[must_use]
    pub fn said_yes(&self, slot: SlotNo) -> Option<Moment> {
        self.marks.told.said_yes(slot)
    }

    /// The key of the number's E.164 form, as far as accounts have told; else the slot's own.
    #[must_use]
    pub fn person(&self, slot: SlotNo) -> MatchKey {
        self.marks.told.person(slot).unwrap_or_else(|| self.key(slot))
    }

    /// What a slot came to.
    #[must_use]
    pub fn fate(&self, slot: SlotNo) -> Fate {
        match self.marks.accounts[slot.index()] {
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
        self.marks.accounts[slot.index()] & MATCHED != 0
    }

    /// The slot of the same account's other form, where an account has told.
    #[must_use]
    pub fn twin(&self, slot: SlotNo) -> Option<SlotNo> {
        self.marks.twins.get(&slot).copied()
    }

    /// Every slot that is barred.
    pub fn barred(&self) -> impl Iterator<Item = SlotNo> + '_ {
        let numbered = (0..).map(SlotNo).zip(&self.marks.accounts);
        numbered.filter_map(|(slot, account)| (account & BARRED != 0).then_some(slot))
    }

    /// A slot's key.
    #[must_use]
    pub fn key(&self, slot: SlotNo) -> MatchKey {
        self.lookup.keys[slot.index()]
    }

    /// What is known of the person behind a slot.
    #[must_use]
    pub fn attributes(&self, slot: SlotNo) -> Attributes {
        Attributes::from_bits(self.marks.attributes[slot.index()])
    }

    /// Account rows that are counted at the end: the input, the slot and its twin.
    pub fn counted_accounts(&self) -> impl Iterator<Item = CountedAccount> + '_ {
        let numbered = (0..).map(SlotNo).zip(&self.marks.accounts);
        let counted = numbered.filter(|(_, account)| *account & INPUT != NO_ACCOUNT);
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
        self.lookup.keys.len()
    }

    /// How many bytes the list rows take.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let columns = self.marks.accounts.capacity() + self.marks.attributes.capacity();
        self.lookup.bytes()
            + columns * size_of::<u32>()
            + self.members.capacity() * size_of::<MemberRow>()
            + self.dates.bytes()
            + self.owners.bytes()
    }
}

impl std::fmt::Debug for ListIndex {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ListIndex({} lists, {} members)", self.lists.len(), self.members.len())
    }
}
