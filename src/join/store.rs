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
use super::{InputNo, ListName, ListNo, Origin, RowDates};
use crate::dates::Moment;
use crate::key::{Form, KEY_LEN, Listed, MatchKey};
use crate::normalise::Region;

/// Parts: one for each value of a byte.
const PARTS: usize = 256;
/// Words of a row beside its key: its clue, its origin, its group, its dates and its country.
const WORDS: usize = 6;
/// A row at rest.
const ROW_BYTES: usize = KEY_LEN + WORDS * size_of::<u32>();
/// Rows of a block. With all parts' last blocks in memory, 4 MB.
const BLOCK_ROWS: usize = 409;
const BLOCK_BYTES: usize = BLOCK_ROWS * ROW_BYTES;
/// No group: the row has one number.
const NO_GROUP: u32 = u32::MAX;
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
    has_contacts: bool,
    scratch: Scratch,
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
    fn rows(&self) -> u64 {
        (self.blocks.len() * BLOCK_ROWS + self.last.len() / ROW_BYTES) as u64
    }
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
    pub fn new(folder: PathBuf) -> Self {
        Self {
            roll: Roll::default(),
            origins: Origins::default(),
            parts: (0..PARTS).map(|_| Part::default()).collect(),
            has_contacts: false,
            scratch: Scratch::new(folder, BLOCK_BYTES),
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

    /// Puts a list number aside.
    ///
    /// # Errors
    ///
    /// When the disk does not take it.
    pub fn add(&mut self, list: ListNo, listed: Listed, of: RowOf) -> Result<(), ScratchError> {
        self.roll.note(&listed);
        let part = &mut self.parts[part_of(listed.key)];
        let origin = self.origins.number(Origin { list, input: of.input });
        if part.last.capacity() == 0 {
            part.last.reserve_exact(BLOCK_BYTES);
        }
        part.last.extend_from_slice(listed.key.expose_bytes());
        let words: [u32; WORDS] = [
            KeptClue::of(listed).to_bits(),
            origin,
            of.group.map_or(NO_GROUP, |group| group.0),
            Moment::to_bits(of.dates.contact),
            Moment::to_bits(of.dates.opt_in),
            of.country.map_or(NO_COUNTRY, country_to_bits),
        ];
        self.has_contacts |= of.dates.contact.is_some();
        for word in words {
            part.last.extend_from_slice(&word.to_le_bytes());
        }
        if part.last.len() == BLOCK_BYTES {
            part.blocks.push(self.scratch.write(&mut part.last)?);
            part.last.clear();
        }
        Ok(())
    }

    /// Rows of all lists, duplicates with them.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.parts.iter().map(Part::rows).sum()
    }

    /// The parts from a stretch's end on (from the first one without) that have no more than
    /// `most_rows` together, and at least one that has any. None when there is no part left.
    #[must_use]
    pub fn next_stretch(&self, last: Option<&Stretch>, most_rows: u64) -> Option<Stretch> {
        let start = last.map_or(0, |last| last.0.end);
        let (mut rows, mut end) = (0, start);
        while let Some(part) = self.parts.get(end) {
            if rows > 0 && part.rows() > 0 && rows + part.rows() > most_rows {
                break;
            }
            rows += part.rows();
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
        mut take: impl FnMut(StoredRow),
    ) -> Result<(), ScratchError> {
        let mut block = vec![0; BLOCK_BYTES];
        for part in &self.parts[stretch.0.clone()] {
            for &number in &part.blocks {
                self.scratch.read(number, &mut block)?;
                block.chunks_exact(ROW_BYTES).for_each(|bytes| take(self.row(bytes)));
            }
            part.last.chunks_exact(ROW_BYTES).for_each(|bytes| take(self.row(bytes)));
        }
        Ok(())
    }

    fn row(&self, bytes: &[u8]) -> StoredRow {
        let (key, words) = bytes.split_at(KEY_LEN);
        let mut words = words.chunks_exact(4).map(|word| {
            // Four bytes are a word.
            word.try_into().map_or(0, u32::from_le_bytes)
        });
        let mut word = || words.next().unwrap_or(0);
        let (clue, origin, group) = (word(), word(), word());
        let [contact, opt_in] = [word(), word()].map(Moment::from_bits);
        let country = word();
        let Origin { list, input } = self.origins.known[origin as usize];
        StoredRow {
            key: MatchKey::from_bytes(key.try_into().unwrap_or_default()),
            list,
            of: RowOf {
                input,
                group: (group != NO_GROUP).then_some(GroupNo(group)),
                dates: RowDates { contact, opt_in },
                country: (country != NO_COUNTRY).then(|| country_from_bits(country)),
            },
            clue: KeptClue::from_bits(clue),
        }
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
        let added = self.add_row(row.list, slot, counted_in);
        self.date(added.member(), row.of.dates);
        added
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
