//! Who is on both sides?
//!
//! The lists are the build side: a [`ListBuilder`] takes their rows, and ends as a [`ListIndex`]
//! from match key to a *slot*, one slot for each distinct key, with a *member* for each distinct
//! number of each list. The export is the probe side and is streamed: first past the index's
//! filters, which need no key (`screen`), then, keyed, past its table; what is asked so is the index's
//! [`Lookup`], and what accounts tell goes into its [`Marks`]. A slot has a matched and a
//! barred bit; at the end the barred one outranks the other, so that the opt-out wins in whatever
//! order rows came.
//!
//! It promises: memory grows with the lists and not with the export; a person is one slot however
//! many rows name them; the outcome does not depend on the order of rows. It leaves to others who
//! may be looked up (`consent`: a [`Hit`] is made of a
//! [`Permitted`](crate::consent::Permitted)) and what may leave (`privacy`).
//!
//! # Memory
//!
//! At most 40 bytes a list row, and no allocation for one:
//!
//! | bytes | what |
//! |---|---|
//! | 16 | the slot's key |
//! | 4 | the first of its members, while lists are read; then its bits and first account input |
//! | 4 | its clue, while lists are read; then its attributes |
//! | 8 | the member: its slot, and its list and input as one number |
//! | 5 to 7.5 | the table (`table`), up to 20 while more is expected; 5.6 when it is complete |
//! | 2 | the filter, made when the table is complete; it knows opted-out numbers too, at 2 each |
//!
//! Where there are no lists, and the export is counted, memory grows with the people who are
//! counted (`people`).
//!
//! Where lists are people's address books (`owners`) a member is one of somebody's contacts: four
//! bytes a row more, and up to 70 for each owner, who has a slot too.
//!
//! A number that is on several lists is one slot with several members. Whoever is on the same
//! lists in both forms is remembered beside the slots, once an account has told. So are dates, where
//! an input has such a column (`beside`): four bytes a list row and date, and four a matched slot.
//!
//! Lists that memory has no room for wait in a [`ListStore`] and become the index a stretch of keys
//! at a time, with a pass over the export for each; what a pass found stays in [`Found`], which
//! after the last is an index like any other.

mod attributes;
mod beside;
mod books;
mod build;
mod found;
mod index;
mod lookup;
mod marks;
mod owners;
mod people;
mod same;
mod scratch;
mod screen;
mod store;
mod table;

use crate::job::Identifier;

pub use attributes::{Attributes, Device, Os};
pub use beside::RowDates;
pub use books::LargeBooks;
pub use build::{Added, ListBuilder};
pub use found::{Found, PassMember};
pub use index::{CountedAccount, Fate, ListIndex};
pub use lookup::Lookup;
pub use marks::{Before, Hit, Marks, Recorded};
pub use owners::{Home, OwnerNo};
pub use people::{People, PersonRow};
pub use same::SameMembers;
pub use scratch::ScratchError;
pub use screen::{Likely, Sought};
pub use store::{GroupNo, Holds, ListStore, RowOf, Stored, StoredOwner, StoredRow, Stretch};

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

/// A distinct number of a list, or of somebody's contacts in it.
#[derive(Clone, Copy, Debug)]
pub struct Member {
    /// Its key.
    pub slot: SlotNo,
    /// Its list.
    pub list: ListNo,
    /// Whose contact it is, where lists are people's contacts.
    pub owner: Option<OwnerNo>,
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

/// A member as the index keeps it.
#[derive(Clone, Copy)]
struct MemberRow {
    slot: SlotNo,
    origin: u32,
}

/// Where a member is from: few different ones, so that rows share them.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Origin {
    list: ListNo,
    input: InputNo,
}

impl Member {
    fn of(row: MemberRow, origins: &[Origin], owner: Option<OwnerNo>) -> Self {
        let Origin { list, input } = origins[row.origin as usize];
        Self { slot: row.slot, list, owner, input }
    }
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

/// Slots, members and lists are counted in 32 bits: four thousand million rows.
fn to_u32(at: usize) -> u32 {
    match u32::try_from(at) {
        Ok(at) => at,
        Err(_) => panic!("more than 4 294 967 295 list rows"),
    }
}
