//! Whose contact is a row, where lists are people's address books?
//!
//! An owner is somebody of the messenger: a number is read as the export's are, never against the
//! country of the contact. Where a list's phones are hashes the owner's may be one too. Which form the
//! owners' have nobody says, and it need not be the contacts', so accounts are looked up in both. A row
//! whose owner cannot be read is rejected for the owner's reason.

use super::{ListRow, Reader};
use crate::input::{Batch, Field};
use crate::join::{ListNo, RowDates};
use crate::key::{Listed, Told};

/// What a row says besides its number.
pub(in crate::pipeline) struct About {
    pub(super) list: ListNo,
    /// Whose contact it is, where lists hold contacts.
    pub(super) owner: Option<Listed>,
    pub(super) dates: RowDates,
}

/// The rows of a batch, and the owner of each that was read where they have owners.
#[derive(Default)]
pub(super) struct WithOwners {
    pub(super) rows: Vec<ListRow<Told>>,
    pub(super) owners: Vec<Told>,
}

impl Reader<'_> {
    /// Reads every row of a batch.
    pub(super) fn read_rows(&self, batch: &Batch, slow_path: &mut u64) -> WithOwners {
        let mut read = WithOwners::default();
        if !batch.has(Field::OwnerPhone) {
            read.rows = (0..batch.len()).map(|row| self.rows.read(batch, row, slow_path)).collect();
            return read;
        }
        for row in 0..batch.len() {
            let said = match self.rows.read(batch, row, slow_path) {
                ListRow::Rejected(reason) => ListRow::Rejected(reason),
                said => match self.rows.read_owner(batch, row, slow_path) {
                    Err(reason) => ListRow::Rejected(reason),
                    Ok(owner) => {
                        read.owners.push(owner);
                        said
                    }
                },
            };
            read.rows.push(said);
        }
        read
    }
}
