//! What does a row come to by itself, where another engine joins the rows?
//!
//! Spark and its like read the tables, shuffle keys and count. What a row *says* is decided here, by
//! the functions that [`run`](super::run) uses: which columns are read, which number a text means,
//! whether the row says no and whom that bars, which list a row belongs to. A batch in, one outcome
//! a row out, in order; nothing is parallel here.
//!
//! What hangs on several rows stays the engine's to carry out as `run` does: a no bars the number of
//! every other row; a number's first row counts and the others are duplicates. Whether a list or a
//! person may leave is [`privacy`](crate::privacy)'s to say.

use std::collections::BTreeMap;
use std::time::SystemTime;

use super::{OptOutError, accounts, lists, opt_outs};
use crate::consent::{self, BarReason, Consent, OptOutRow, SuppressionReader};
use crate::dates::{Moment, When};
use crate::input::{Batch, Field, Location, Want};
use crate::job::{ListSource, Phones};
use crate::join::{Attributes, ListName, RowDates};
use crate::key::{Form, Told};
use crate::normalise::{self, Checks, Hint, Reading, RejectReason};
use crate::policy::Policy;

/// The columns that are read of the export. `mapped` names those that are not found by their well-known
/// names; `has_contacts`: a list tells when its owner last dealt with the customer.
#[must_use]
pub fn account_columns(
    policy: &Policy,
    mapped: &BTreeMap<Field, String>,
    has_contacts: bool,
) -> Vec<Want> {
    accounts::wants(policy, mapped, has_contacts)
}

/// The columns that are read of a list.
#[must_use]
pub fn list_columns(
    policy: &Policy,
    mapped: &BTreeMap<Field, String>,
    phones: Phones,
) -> Vec<Want> {
    lists::wants(phones, mapped, policy)
}

/// The columns that are read of the opt-outs.
#[must_use]
pub fn opt_out_columns(mapped: &BTreeMap<Field, String>) -> Vec<Want> {
    opt_outs::wants(mapped)
}

/// What an account row says by itself. An opt-out of its number outranks all of it.
pub struct AccountRow {
    /// The number, or why there is none.
    pub reading: Result<Reading, RejectReason>,
    /// Why the row bars its number. A row that is neither barred nor read is rejected.
    pub barred: Option<BarReason>,
    /// Whom a row without a number may mean that says no, as calling code and national digits: they
    /// are barred with all their aliases. Empty where there is a number, which is barred so itself.
    pub said_no: Vec<u64>,
    /// What is known of the person, the number's region with it.
    pub known: Attributes,
    /// The last second at which the messenger may have verified the number.
    pub verified: Option<Moment>,
}

impl std::fmt::Debug for AccountRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AccountRow(redacted)")
    }
}

/// Reads every row of a batch of the export.
#[must_use]
pub fn account_rows(batch: &Batch, policy: &Policy) -> Vec<AccountRow> {
    let mut says = Vec::new();
    consent::read_rows(batch, &mut says);
    (0..).zip(says).map(|(row, consent)| account_row(batch, row, consent, policy)).collect()
}

fn account_row(batch: &Batch, row: usize, consent: Consent, policy: &Policy) -> AccountRow {
    let cell = |field| batch.cell(field, row);
    let reading = match batch.is_malformed(row) {
        true => Err(RejectReason::MalformedRow),
        false => normalise::read(cell(Field::Phone), Hint::International, Checks::Damage),
    };
    let known = Attributes::from_cells(cell(Field::Os), cell(Field::Device));
    let verified = When::from_cell(cell(Field::VerifiedAt)).latest();
    match reading {
        Ok(Reading { region, .. }) => AccountRow {
            reading,
            barred: consent::objection(consent, policy.blank_consent),
            said_no: Vec::new(),
            known: known.in_region(region),
            verified,
        },
        Err(_) => {
            let unread = accounts::decide_unread(batch, row, consent, policy.blank_consent);
            let accounts::Unread { barred, said_no } = unread;
            AccountRow { reading, barred, said_no, known, verified }
        }
    }
}

/// A list row that was read.
#[derive(Debug)]
pub struct Listed {
    /// Its list.
    pub list: ListName,
    /// Its number, or a digest of it.
    pub told: Told,
    /// Whose contact it is, where lists are people's address books.
    pub owner: Option<Told>,
    /// When its list's owner dealt with the customer.
    pub dates: RowDates,
}

/// What a list row comes to by itself.
#[derive(Debug)]
pub struct ListRow {
    /// What it says, or why it says nothing.
    pub read: Result<Listed, RejectReason>,
    /// Whether its cell holds a digest for a number or a number for a digest; none where it is empty.
    pub looks_wrong: Option<bool>,
}

/// A row belongs to no list: neither it nor the job names one, or its recipient.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a row of a list names no {field}, and there is none for all rows")]
pub struct Unnamed {
    field: Field,
}

/// The forms in which accounts are to be looked up for a list with these columns.
#[must_use]
pub fn forms(phones: Phones, has: impl Fn(Field) -> bool + Copy) -> &'static [Form] {
    lists::PhoneColumn::of(phones, has).forms(phones, has)
}

/// Whether so many of the cells that hold something look wrong that the column must be another's.
#[must_use]
pub const fn is_wrong_column(wrong: usize, filled: usize) -> bool {
    lists::is_wrong_column(wrong, filled)
}

/// Reads every row of a batch of a list. A cell with several numbers is one row's or no row's: where
/// `source` says that each is a candidate, the row is read as one that holds several, and rejected.
///
/// # Errors
///
/// When a row belongs to no list.
pub fn list_rows(
    batch: &Batch,
    policy: &Policy,
    source: &ListSource,
) -> Result<Vec<ListRow>, Unnamed> {
    let column = lists::PhoneColumn::of(source.phones, |field| batch.has(field));
    let reader = lists::RowReader::of(source, policy, column);
    let has_owners = batch.has(Field::OwnerPhone);
    let row = |row| {
        let looks_wrong = reader.looks_wrong(batch, row);
        let read = read_list_row(&reader, source, (batch, row), has_owners)?;
        Ok(ListRow { read, looks_wrong })
    };
    (0..batch.len()).map(row).collect()
}

fn read_list_row(
    reader: &lists::RowReader<'_>,
    source: &ListSource,
    (batch, row): (&Batch, usize),
    has_owners: bool,
) -> Result<Result<Listed, RejectReason>, Unnamed> {
    let mut slow_path = 0;
    let told = match reader.read(batch, row, &mut slow_path) {
        lists::ListRow::One(told) => told,
        lists::ListRow::Rejected(reason) => return Ok(Err(reason)),
        lists::ListRow::Several(_) => return Ok(Err(RejectReason::MultipleNumbers)),
    };
    let owner = has_owners.then(|| reader.read_owner(batch, row, &mut slow_path)).transpose();
    let owner = match owner {
        Ok(owner) => owner,
        Err(reason) => return Ok(Err(reason)),
    };
    let cells = lists::name_cells(batch, row);
    let list = lists::list_of(cells, &source.recipient, || source.id.clone());
    let list = list.map_err(|unnamed| match unnamed {
        lists::Unnamed::Recipient => Unnamed { field: Field::AdvertiserId },
        lists::Unnamed::List => Unnamed { field: Field::ListId },
    })?;
    let dates = lists::dates(batch, row);
    Ok(list.map(|list| Listed { list, told, owner, dates }))
}

/// Reads every row of a batch of opt-outs; `default` is how one that names no country is read.
#[must_use]
pub fn opt_out_rows(batch: &Batch, reader: &SuppressionReader, default: Hint) -> Vec<OptOutRow> {
    (0..batch.len()).map(|row| opt_outs::read_row(reader, default, batch, row)).collect()
}

/// What a file of opt-outs is, besides its rows.
#[derive(Clone, Copy, Debug)]
pub struct OptOutFile<'a> {
    /// Where it is.
    pub location: &'a Location,
    /// When it was last written.
    pub modified: SystemTime,
    /// Whether it ends with a line end; none where it is no text.
    pub ended_with_line_end: Option<bool>,
}

/// Holds a file of opt-outs against the policy's rules for its age, and for being whole.
///
/// # Errors
///
/// When it is stale, from the future, or seems truncated, and the policy does not allow that.
pub fn check_opt_outs(
    policy: &Policy,
    file: &OptOutFile<'_>,
    now: SystemTime,
) -> Result<(), OptOutError> {
    opt_outs::check_time(file.location, file.modified, &policy.opt_outs, now)?;
    opt_outs::check_line_end(file.location, file.ended_with_line_end, &policy.opt_outs)
}
