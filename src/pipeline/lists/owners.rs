//! Whose contact is a row, where lists are people's address books?
//!
//! An owner is somebody of the messenger: a number is read as the export's are, never against the
//! country of the contact. Where a list's phones are hashes the owner's may be one too. Which form the
//! owners' have nobody says, and it need not be the contacts', so accounts are looked up in both. A row
//! whose owner cannot be read is rejected for the owner's reason.

use super::{ListRow, Reader, Said};
use crate::input::{Batch, Field};
use crate::join::{ListNo, RowDates};
use crate::key::{Listed, Told};

/// What a row says besides its number.
#[derive(Clone, Copy)]
pub(in crate::pipeline) struct About {
    pub(super) list: ListNo,
    /// Whose contact it is, where lists hold contacts.
    pub(super) owner: Option<Listed>,
    pub(super) dates: RowDates,
}

/// What the rows of a batch were told by.
#[derive(Default)]
pub(super) struct ToldRows {
    /// The rows' numbers, one row's behind the other's.
    pub(super) numbers: Vec<Told>,
    /// Where they have owners: those of the rows that are not rejected.
    pub(super) owners: Vec<Told>,
}

impl ToldRows {
    /// Empties it, and keeps its room.
    pub(super) fn clear(&mut self) {
        self.numbers.clear();
        self.owners.clear();
    }

    fn add(&mut self, row: ListRow) -> Said {
        match row {
            ListRow::Rejected(reason) => Said::Rejected(reason),
            ListRow::One(one) => {
                self.numbers.push(one);
                Said::One
            }
            ListRow::Several(several) => {
                self.numbers.extend_from_slice(&several);
                Said::Several(several.len())
            }
        }
    }
}

impl Reader<'_> {
    /// Reads every row of a batch; tells how many cells the slow path decided.
    pub(super) fn read_rows(
        &self,
        batch: &Batch,
        rows: &mut Vec<Said>,
        told: &mut ToldRows,
    ) -> u64 {
        let mut slow_path = 0;
        let has_owners = batch.has(Field::OwnerPhone);
        rows.extend((0..batch.len()).map(|row| {
            let said = self.rows.read(batch, row, &mut slow_path);
            if !has_owners || matches!(said, ListRow::Rejected(_)) {
                return told.add(said);
            }
            match self.rows.read_owner(batch, row, &mut slow_path) {
                Err(reason) => Said::Rejected(reason),
                Ok(owner) => {
                    told.owners.push(owner);
                    told.add(said)
                }
            }
        }));
        slow_path
    }
}
