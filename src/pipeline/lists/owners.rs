//! Whose contact is a row, where lists are people's address books?
//!
//! An owner is somebody of the messenger: a number is read as the export's are, never against the
//! country of the contact. Where a list's phones are hashes the owner's may be one too. Which form the
//! owners' have nobody says, and it need not be the contacts', so accounts are looked up in both. A row
//! whose owner cannot be read is rejected for the owner's reason.

use super::{Indexing, ListRow, PhoneColumn};
use crate::input::{Batch, Field};
use crate::join::{ListNo, RowDates};
use crate::key::{Listed, PhoneDigest, Told};
use crate::normalise::{self, Checks, Hint, Path, RejectReason};

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

impl Indexing<'_, '_> {
    /// Reads every row of a batch.
    pub(super) fn read_rows(&self, batch: &Batch, slow_path: &mut u64) -> WithOwners {
        let mut read = WithOwners::default();
        if !batch.has(Field::OwnerPhone) {
            read.rows = (0..batch.len()).map(|row| self.read_row(batch, row, slow_path)).collect();
            return read;
        }
        for row in 0..batch.len() {
            let said = match self.read_row(batch, row, slow_path) {
                ListRow::Rejected(reason) => ListRow::Rejected(reason),
                said => match self.read_owner(batch, row, slow_path) {
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

    fn read_owner(
        &self,
        batch: &Batch,
        row: usize,
        slow_path: &mut u64,
    ) -> Result<Told, RejectReason> {
        let cell = batch.cell(Field::OwnerPhone, row);
        let may_be_digest = self.column != PhoneColumn::Numbers || batch.has(Field::PhoneSha256);
        if let Some(digest) = PhoneDigest::from_text(cell).filter(|_| may_be_digest) {
            return Ok(Told::Digest(digest));
        }
        let outcome = normalise::read_by(cell, Hint::International, Checks::Damage);
        *slow_path += u64::from(outcome.path == Path::Slow);
        outcome.result.map(Told::Number)
    }
}
