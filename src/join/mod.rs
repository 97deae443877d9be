//! Who is on both sides?
//!
//! The lists are the build side: an index in memory from match key to a *slot*, one slot for each
//! distinct key, and a *member* for each distinct number of each list. The export is the probe
//! side and is streamed. A slot has a matched and a barred bit; at the end the barred one
//! outranks the other, so that the opt-out wins in whatever order rows came.
//!
//! It promises: memory grows with the lists and not with the export; a person is one slot however
//! many rows name them; the outcome does not depend on the order of rows. It leaves to others who
//! may be looked up (`consent`: it takes only [`Permitted`]) and what may leave (`privacy`).

mod attributes;

use std::collections::{HashMap, HashSet};

use hashbrown::HashTable;

use crate::consent::Permitted;
use crate::job::Identifier;
use crate::key::{Form, Keyer, MatchKey};

pub use attributes::{Attributes, Device, Os};

/// A distinct match key's place in the index.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SlotNo(u32);

/// A list's place in the index.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ListNo(u32);

/// An input's place in the report's inputs.
pub type InputNo = u32;

/// No input: the row is counted elsewhere.
const COUNTED_ELSEWHERE: InputNo = InputNo::MAX;

/// A list, as its recipient knows it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ListName {
    /// The advertiser that gets the result.
    pub recipient: Identifier,
    /// The advertiser's name of the list.
    pub list_id: Identifier,
}

impl ListName {
    /// The name of a list of the run's own; no text of a job or a cell is read as it.
    pub(crate) fn reserved() -> Self {
        Self { recipient: Identifier::reserved(), list_id: Identifier::reserved() }
    }
}

/// A distinct key and what is known of it.
#[derive(Clone, Debug)]
struct Slot {
    key: MatchKey,
    attributes: Attributes,
    /// Input of the first account row that matched here and is counted here.
    first_account_input: InputNo,
    /// The slot of the same account's other form, where lists come in both.
    twin: Option<SlotNo>,
    matched: bool,
    barred: bool,
}

/// A distinct number of a list.
#[derive(Clone, Copy, Debug)]
pub struct Member {
    /// Its key.
    pub slot: SlotNo,
    /// Its list.
    pub list: ListNo,
    /// The list input whose row is counted through it; `None` for a row with several numbers.
    input: InputNo,
}

impl Member {
    /// The list input whose row is counted through this member.
    #[must_use]
    pub fn counted_in(&self) -> Option<InputNo> {
        (self.input != COUNTED_ELSEWHERE).then_some(self.input)
    }
}

/// The build side.
#[derive(Default)]
pub struct ListIndex {
    table: HashTable<u32>,
    slots: Vec<Slot>,
    members: Vec<Member>,
    /// Members by slot and list, to find duplicates.
    seen: HashTable<u32>,
    lists: Vec<ListName>,
    list_numbers: HashMap<ListName, ListNo>,
    forms: Vec<Form>,
}

/// What became of a list number on its way into the index.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Added {
    /// A member more.
    Member(u32),
    /// The list holds that number already; the member it is.
    Duplicate(u32),
}

/// A permitted account row that is on a list.
#[derive(Clone, Copy, Debug)]
pub struct Hit {
    /// The slot of the first form that was found, and of the other where both were.
    slots: [Option<SlotNo>; 2],
    attributes: Attributes,
}

/// What became of a hit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Recorded {
    /// The person's first row: counted with the slot at the end.
    First,
    /// A further row of the same person.
    Duplicate,
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

impl ListIndex {
    /// Adds a list or finds it.
    pub fn list(&mut self, name: &ListName) -> ListNo {
        if let Some(&list) = self.list_numbers.get(name) {
            return list;
        }
        let list = ListNo(to_u32(self.lists.len()));
        self.lists.push(name.clone());
        self.list_numbers.insert(name.clone(), list);
        list
    }

    /// Says that lists hold keys of `form`.
    pub fn use_form(&mut self, form: Form) {
        if !self.forms.contains(&form) {
            self.forms.push(form);
            // A person in both forms is known by the first, in whatever order lists came.
            self.forms.sort_unstable();
        }
    }

    /// The forms in which accounts must be looked up.
    #[must_use]
    pub fn forms(&self) -> &[Form] {
        &self.forms
    }

    /// Adds a list number that is counted in `input`, or through a group of the caller's.
    pub fn add(&mut self, list: ListNo, key: MatchKey, input: Option<InputNo>) -> Added {
        let slot = self.slot_or_insert(key);
        let (members, hash) = (&self.members, member_hash(slot, list));
        let same = |&at: &u32| {
            let member = &members[at as usize];
            member.slot == slot && member.list == list
        };
        if let Some(&at) = self.seen.find(hash, same) {
            return Added::Duplicate(at);
        }
        let at = to_u32(self.members.len());
        self.members.push(Member { slot, list, input: input.unwrap_or(COUNTED_ELSEWHERE) });
        let members = &self.members;
        self.seen.insert_unique(hash, at, |&at| {
            let member = &members[at as usize];
            member_hash(member.slot, member.list)
        });
        Added::Member(at)
    }

    fn slot_or_insert(&mut self, key: MatchKey) -> SlotNo {
        if let Some(slot) = self.find(key) {
            return slot;
        }
        let at = to_u32(self.slots.len());
        self.slots.push(Slot {
            key,
            attributes: Attributes::default(),
            first_account_input: COUNTED_ELSEWHERE,
            twin: None,
            matched: false,
            barred: false,
        });
        let slots = &self.slots;
        self.table.insert_unique(key.table_hash(), at, |&at| slots[at as usize].key.table_hash());
        SlotNo(at)
    }

    /// Ends the build side: duplicates can no longer be told, and their memory is given back.
    pub fn finish_building(&mut self) {
        self.seen = HashTable::new();
        self.members.shrink_to_fit();
        self.slots.shrink_to_fit();
    }

    /// The slot of a key, when a list holds it.
    #[must_use]
    pub fn find(&self, key: MatchKey) -> Option<SlotNo> {
        let same = |&at: &u32| self.slots[at as usize].key == key;
        self.table.find(key.table_hash(), same).map(|&at| SlotNo(at))
    }

    /// Slots of calling code and national digits in every form in use.
    pub fn find_digits<'a>(
        &'a self,
        digits: u64,
        keyer: &'a Keyer,
    ) -> impl Iterator<Item = SlotNo> + 'a {
        self.forms.iter().filter_map(move |&form| self.find(keyer.key_of_digits(digits, form)))
    }

    /// Looks a permitted account row up. A pure function of the index: threads may share it.
    #[must_use]
    pub fn probe(
        &self,
        account: Permitted,
        attributes: Attributes,
        keys: &[MatchKey],
    ) -> Option<Hit> {
        let attributes = attributes.in_region(account.reading().region);
        let mut found = keys.iter().filter_map(|&key| self.find(key));
        let first = found.next()?;
        Some(Hit { slots: [Some(first), found.next()], attributes })
    }

    /// Bars a number for the whole run.
    pub fn bar(&mut self, slot: SlotNo) {
        self.slots[slot.0 as usize].barred = true;
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
        if let Some(first) = first {
            let slot = &mut self.slots[first.0 as usize];
            if slot.first_account_input == COUNTED_ELSEWHERE {
                slot.first_account_input = input;
                slot.twin = second;
                recorded = Recorded::First;
            }
        }
        for at in hit.slots.into_iter().flatten() {
            let slot = &mut self.slots[at.0 as usize];
            slot.matched = true;
            slot.attributes.merge(hit.attributes);
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
        &self.lists[list.0 as usize]
    }

    /// Every member, in the order in which they were added.
    #[must_use]
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// What a slot came to.
    #[must_use]
    pub fn fate(&self, slot: SlotNo) -> Fate {
        let slot = &self.slots[slot.0 as usize];
        match (slot.barred, slot.matched) {
            (true, _) => Fate::Barred,
            (false, true) => Fate::Matched,
            (false, false) => Fate::Unmatched,
        }
    }

    /// Whether an account has the number, barred or not.
    #[must_use]
    pub fn is_matched(&self, slot: SlotNo) -> bool {
        self.slots[slot.0 as usize].matched
    }

    /// Members whose person the same list names a second time in the other form, as far as accounts
    /// have told: the second of each two.
    #[must_use]
    pub fn twins_in_one_list(&self) -> HashSet<(ListNo, SlotNo)> {
        if self.slots.iter().all(|slot| slot.twin.is_none()) {
            return HashSet::new();
        }
        let places: HashSet<_> =
            self.members.iter().map(|member| (member.list, member.slot)).collect();
        let twins = self
            .members
            .iter()
            .filter_map(|member| Some((member.list, self.slots[member.slot.0 as usize].twin?)));
        twins.filter(|twin| places.contains(twin)).collect()
    }

    /// Every slot that is barred.
    pub fn barred(&self) -> impl Iterator<Item = SlotNo> + '_ {
        self.slots.iter().zip(0..).filter_map(|(slot, at)| slot.barred.then_some(SlotNo(at)))
    }

    /// A slot's key.
    #[must_use]
    pub fn key(&self, slot: SlotNo) -> MatchKey {
        self.slots[slot.0 as usize].key
    }

    /// What is known of the person behind a slot.
    #[must_use]
    pub fn attributes(&self, slot: SlotNo) -> Attributes {
        self.slots[slot.0 as usize].attributes
    }

    /// Account rows that are counted at the end: the input, the slot and its twin.
    pub fn counted_accounts(&self) -> impl Iterator<Item = CountedAccount> + '_ {
        let counted = |slot: &&Slot| slot.first_account_input != COUNTED_ELSEWHERE;
        let numbered = (0..).map(SlotNo).zip(&self.slots);
        numbered.filter(move |(_, slot)| counted(slot)).map(|(at, slot)| CountedAccount {
            input: slot.first_account_input,
            slot: at,
            twin: slot.twin,
        })
    }

    /// How many distinct keys there are; [`SlotNo::index`] is below it.
    #[must_use]
    pub fn slots_len(&self) -> usize {
        self.slots.len()
    }
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

impl SlotNo {
    /// The slot's place, for tables beside the index.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

impl ListNo {
    /// The list's place, for tables beside the index.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

impl std::fmt::Debug for ListIndex {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ListIndex({} lists, {} members)", self.lists.len(), self.members.len())
    }
}

/// Slots, members and lists are counted in 32 bits: four thousand million rows.
fn to_u32(at: usize) -> u32 {
    match u32::try_from(at) {
        Ok(at) => at,
        Err(_) => panic!("more than 4 294 967 295 list rows"),
    }
}

/// Slot numbers are dense, so a multiplicative hash spreads them (Knuth, TAOCP 3, §6.4).
fn member_hash(slot: SlotNo, list: ListNo) -> u64 {
    (u64::from(slot.0) << 32 | u64::from(list.0))
        .wrapping_mul(0x9E37_79B9_7F4A_7C15)
        .rotate_left(26)
}
