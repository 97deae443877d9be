//! List rows that wait for their pass, where lists are larger than memory.
//!
//! Rows are parted by the first byte of their key, which is as good as random, into parts of
//! nearly one size whose keys follow one another. A part keeps its rows in the order in which they
//! came; what is more than a block of them goes to the disk (`scratch`). A pass takes as many parts
//! as there is room for, so it holds every row of the numbers that it is about.

use std::ops::Range;
use std::path::PathBuf;

use super::build::{Added, ListBuilder, Origins, Roll, SlotRow};
use super::scratch::{BlockNo, Scratch, ScratchError};
use super::screen::KeptClue;
use super::{Home, InputNo, ListName, ListNo, Origin, RowDates};
use crate::dates::Moment;
use crate::key::{Form, KEY_LEN, Listed, MatchKey};
use crate::normalise::Region;

/// Parts: one for each value of a byte.
const PARTS: usize = 256;
/// Words of a row beside its key: its clue, its origin, its group, its dates and its country.
const WORDS: usize = 6;
/// A row at rest, without its owner.
const ROW_BYTES: usize = KEY_LEN + WORDS * size_of::<u32>();
/// The most bytes of a block. With all parts' last blocks in memory, 4 MB.
const BLOCK_BYTES: usize = 409 * ROW_BYTES;
/// No group: the row has one number.
const NO_GROUP: u32 = u32::MAX;
/// Instead of a group: the row is an owner's, and has a key and a clue.
const OWNER: u32 = u32::MAX - 1;
/// No country: letters are not zero.
const NO_COUNTRY: u32 = 0;

/// Rows with several numbers, by their place among those.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct GroupNo(pub u32);

/// Every row of every list, at rest.
pub struct ListStore {
    roll: Roll,
    origins: Origins,
    parts: Vec<Part>,
    holds: Holds,
    /// Whose contact the last row was: an address book comes in one piece.
    last_owner: Option<MatchKey>,
    owners: u64,
    has_contacts: bool,
    scratch: Scratch,
}

/// What the rows of a store are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Holds {
    /// Numbers of lists.
    Numbers,
    /// Numbers that are somebody's contacts, each with its owner.
    Pairs,
}

impl Holds {
    const fn row_bytes(self) -> usize {
        match self {
            Self::Numbers => ROW_BYTES,
            Self::Pairs => ROW_BYTES + KEY_LEN,
        }
    }

    const fn block_rows(self) -> usize {
        BLOCK_BYTES / self.row_bytes()
    }

    const fn block_bytes(self) -> usize {
        self.block_rows() * self.row_bytes()
    }
}

/// Where a row is from, and when.
#[derive(Clone, Copy, Debug)]
pub struct RowOf {
    /// The list input.
    pub input: InputNo,
    /// Where the row has several numbers, of which this is one.
    pub group: Option<GroupNo>,
    /// Its dates.
    pub dates: RowDates,
    /// Its number's country, where the row tells it and it is to be counted.
    pub country: Option<Region>,
}

#[derive(Default)]
struct Part {
    blocks: Vec<BlockNo>,
    /// The rows behind them.
    last: Vec<u8>,
}

impl Part {
    fn rows(&self, holds: Holds) -> u64 {
        (self.blocks.len() * holds.block_rows() + self.last.len() / holds.row_bytes()) as u64
    }
}

/// What is taken from the store.
#[derive(Clone, Copy, Debug)]
pub enum Stored {
    /// A row of a list.
    Row(StoredRow),
    /// Somebody whose contacts lists hold.
    Owner(StoredOwner),
}

/// An owner of contacts, by the number that accounts are looked up by.
#[derive(Clone, Copy)]
pub struct StoredOwner {
    /// What accounts are compared with.
    pub key: MatchKey,
    clue: KeptClue,
}

/// A row that is taken from the store.
#[derive(Clone, Copy)]
pub struct StoredRow {
    /// What accounts are compared with.
    pub key: MatchKey,
    /// The row's list.
    pub list: ListNo,
    /// Where the row is from, and when.
    pub of: RowOf,
    /// Whose contact it is.
    pub(super) owner: Option<MatchKey>,
    clue: KeptClue,
}

/// Parts that one pass takes, one behind the other.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stretch(Range<usize>);

impl Stretch {
    /// The part that rows with a key are in.
    #[must_use]
    pub fn of(key: MatchKey) -> Self {
        let part = part_of(key);
        Self(part..part + 1)
    }

    /// Every part by itself, for whoever needs few rows at a time.
    pub fn parts() -> impl Iterator<Item = Self> {
        (0..PARTS).map(|part| Self(part..part + 1))
    }
}

impl ListStore {
    /// An empty store, which keeps what is too much for memory in `folder`.
    #[must_use]
    pub fn new(folder: PathBuf, holds: Holds) -> Self {
        Self {
            roll: Roll::default(),
            origins: Origins::default(),
            parts: (0..PARTS).map(|_| Part::default()).collect(),
            holds,
            last_owner: None,
            owners: 0,
            has_contacts: false,
            scratch: Scratch::new(folder, holds.block_bytes()),
        }
    }

    /// Adds a list or finds it.
    pub fn list(&mut self, name: &ListName) -> ListNo {
        self.roll.list(name)
    }

    /// Says that lists hold keys of `form`.
    pub fn use_form(&mut self, form: Form) {
        self.roll.use_form(form);
    }

    /// Puts a list number aside, and whose contact it is where the store holds pairs.
    ///
    /// # Errors
    ///
    /// When the disk does not take it.
    pub fn add(
        &mut self,
        list: ListNo,
        listed: Listed,
        owner: Option<Listed>,
        of: RowOf,
    ) -> Result<(), ScratchError> {
        self.roll.note(&listed);
        let origin = self.origins.number(Origin { list, input: of.input });
        let words: [u32; WORDS] = [
            KeptClue::of(listed).to_bits(),
            origin,
            of.group.map_or(NO_GROUP, |group| group.0),
            Moment::to_bits(of.dates.contact),
            Moment::to_bits(of.dates.opt_in),
            of.country.map_or(NO_COUNTRY, country_to_bits),
        ];
        self.has_contacts |= of.dates.contact.is_some();
        self.put(listed.key, words, owner.map(|owner| owner.key))?;
        match owner {
            Some(owner) if self.last_owner != Some(owner.key) => {
                self.last_owner = Some(owner.key);
                self.owners += 1;
                self.roll.note(&owner);
                let words = [KeptClue::of(owner).to_bits(), 0, OWNER, 0, 0, 0];
                self.put(owner.key, words, Some(owner.key))
            }
            _ => Ok(()),
        }
    }

    fn put(
        &mut self,
        key: MatchKey,
        words: [u32; WORDS],
        owner: Option<MatchKey>,
    ) -> Result<(), ScratchError> {
        debug_assert_eq!(owner.is_some(), self.holds == Holds::Pairs);
        let part = &mut self.parts[part_of(key)];
        let block_bytes = self.holds.block_bytes();
        if part.last.capacity() == 0 {
            part.last.reserve_exact(block_bytes);
        }
        part.last.extend_from_slice(key.expose_bytes());
        for word in words {
            part.last.extend_from_slice(&word.to_le_bytes());
        }
        if let Some(owner) = owner {
            part.last.extend_from_slice(owner.expose_bytes());
        }
        if part.last.len() == block_bytes {
            part.blocks.push(self.scratch.write(&mut part.last)?);
            part.last.clear();
        }
        Ok(())
    }

    /// Rows of all lists, duplicates and those of owners with them.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.parts.iter().map(|part| part.rows(self.holds)).sum()
    }

    /// Owners of contacts, those twice whose contacts do not come in one piece: there are no more.
    #[must_use]
    pub const fn owners(&self) -> u64 {
        self.owners
    }

    /// What its rows are.
    #[must_use]
    pub const fn holds(&self) -> Holds {
        self.holds
    }

    /// The parts from a stretch's end on (from the first one without) that have no more than
    /// `most_rows` together, and at least one that has any. None when there is no part left.
    #[must_use]
    pub fn next_stretch(&self, last: Option<&Stretch>, most_rows: u64) -> Option<Stretch> {
        let start = last.map_or(0, |last| last.0.end);
        let (mut rows, mut end) = (0, start);
        while let Some(part) = self.parts.get(end) {
            let more = part.rows(self.holds);
            if rows > 0 && more > 0 && rows + more > most_rows {
                break;
            }
            rows += more;
            end += 1;
        }
        (end > start).then_some(Stretch(start..end))
    }

    /// Takes in every row of a stretch, those of one number in the order in which they came.
    ///
    /// # Errors
    ///
    /// When the disk does not give them back.
    pub fn each_row(
        &self,
        stretch: &Stretch,
        mut take: impl FnMut(Stored),
    ) -> Result<(), ScratchError> {
        let row_bytes = self.holds.row_bytes();
        let mut block = vec![0; self.holds.block_bytes()];
        for part in &self.parts[stretch.0.clone()] {
            for &number in &part.blocks {
                self.scratch.read(number, &mut block)?;
                block.chunks_exact(row_bytes).for_each(|bytes| take(self.stored(bytes)));
            }
            part.last.chunks_exact(row_bytes).for_each(|bytes| take(self.stored(bytes)));
        }
        Ok(())
    }

    fn stored(&self, bytes: &[u8]) -> Stored {
        let key_of = |bytes: &[u8]| MatchKey::from_bytes(bytes.try_into().unwrap_or_default());
        let (bytes, owner) = bytes.split_at(ROW_BYTES);
        let (key, words) = bytes.split_at(KEY_LEN);
        let key = key_of(key);
        let mut words = words.chunks_exact(4).map(|word| {
            // Four bytes are a word.
            word.try_into().map_or(0, u32::from_le_bytes)
        });
        let mut word = || words.next().unwrap_or(0);
        let (clue, origin, group) = (KeptClue::from_bits(word()), word(), word());
        if group == OWNER {
            return Stored::Owner(StoredOwner { key, clue });
        }
        let [contact, opt_in] = [word(), word()].map(Moment::from_bits);
        let country = word();
        let Origin { list, input } = self.origins.known[origin as usize];
        Stored::Row(StoredRow {
            key,
            list,
            of: RowOf {
                input,
                group: (group != NO_GROUP).then_some(GroupNo(group)),
                dates: RowDates { contact, opt_in },
                country: (country != NO_COUNTRY).then(|| country_from_bits(country)),
            },
            owner: (self.holds == Holds::Pairs).then(|| key_of(owner)),
            clue,
        })
    }

    /// A builder for some of the rows.
    #[must_use]
    pub fn builder(&self) -> ListBuilder {
        ListBuilder::of(self.roll.clone())
    }

    /// The lists, in the order in which they were first named.
    #[must_use]
    pub fn lists(&self) -> &[ListName] {
        &self.roll.lists
    }

    /// True when some row tells when its list's owner last dealt with the customer.
    #[must_use]
    pub const fn has_contacts(&self) -> bool {
        self.has_contacts
    }

    /// The forms in which accounts must be looked up.
    #[must_use]
    pub fn forms(&self) -> &[Form] {
        &self.roll.forms
    }
}

impl ListBuilder {
    /// Adds a row from a store of the same lists.
    pub fn add_stored(&mut self, row: &StoredRow) -> Added {
        let slot = SlotRow { key: row.key, clue: row.clue };
        let counted_in = row.of.group.is_none().then_some(row.of.input);
        let owner = row.owner.map(|key| self.owner_number(key));
        let added = self.add_row(Home { list: row.list, owner }, slot, counted_in);
        self.date(added.member(), row.of.dates);
        added
    }

    /// Adds somebody whose contacts a store of the same lists holds, in this pass or another.
    pub fn add_stored_owner(&mut self, owner: &StoredOwner) {
        self.add_owner_slot(SlotRow { key: owner.key, clue: owner.clue });
    }
}

const fn country_to_bits(country: Region) -> u32 {
    let [a, b] = country.to_bytes();
    u32::from_le_bytes([a, b, 0, 0])
}

const fn country_from_bits(bits: u32) -> Region {
    let [a, b, ..] = bits.to_le_bytes();
    Region::from_bytes([a, b])
}

fn part_of(key: MatchKey) -> usize {
    usize::from(key.expose_bytes()[0])
}

impl std::fmt::Debug for ListStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ListStore({} lists, {} rows)", self.roll.lists.len(), self.rows())
    }
}

impl std::fmt::Debug for StoredRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("StoredRow(redacted)")
    }
}

impl std::fmt::Debug for StoredOwner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("StoredOwner(redacted)")
    }
}
