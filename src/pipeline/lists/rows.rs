//! What does a list row say?
//!
//! Of the row alone: its number or digest, whose contact it is, and which list it belongs to. What
//! other rows say, and whether anybody has the number, is asked later.

use crate::dates::When;
use crate::input::{Batch, Field};
use crate::job::{Identifier, ListSource, Phones, Recipient, SeveralNumbers};
use crate::join::{ListName, RowDates};
use crate::key::{Form, PhoneDigest, Told};
use crate::normalise::{self, Checks, Hint, Path, RejectReason};
use crate::pipeline::hint_of;
use crate::policy::Policy;

/// Share of rows that decides whether a column holds digests: one in two.
const DIGEST_SHARE: usize = 2;

/// What a row says of its list: the advertiser's cell and the list's, empty where it does not.
pub(in crate::pipeline) type NameCells = [Vec<u8>; 2];

/// Where the numbers of an input are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::pipeline) enum PhoneColumn {
    Numbers,
    Digests(Field),
}

impl PhoneColumn {
    /// Where they are in an input with these columns.
    pub(in crate::pipeline) fn of(phones: Phones, has: impl Fn(Field) -> bool) -> Self {
        let digests = match has(Field::PhoneSha256) {
            true => Self::Digests(Field::PhoneSha256),
            false => Self::Digests(Field::Phone),
        };
        match phones {
            Phones::ByColumn if has(Field::Phone) => Self::Numbers,
            Phones::Raw => Self::Numbers,
            Phones::ByColumn | Phones::Hashed(_) | Phones::Probe => digests,
        }
    }

    /// The forms in which accounts must be looked up for it. Of digests whose form nobody said, and
    /// of owners of contacts beside them, that is both.
    pub(in crate::pipeline) fn forms(
        self,
        phones: Phones,
        has: impl Fn(Field) -> bool,
    ) -> &'static [Form] {
        let has_both = has(Field::Phone) && has(Field::PhoneSha256);
        match (self, phones) {
            (Self::Numbers, _) if !has_both => &[Form::E164],
            (Self::Digests(_), Phones::Hashed(Form::E164)) => &[Form::E164],
            (Self::Digests(_), Phones::Hashed(Form::Digits)) if !has(Field::OwnerPhone) => {
                &[Form::Digits]
            }
            (Self::Numbers | Self::Digests(_), _) => &Form::ALL,
        }
    }
}

/// What a row came to.
pub(in crate::pipeline) enum ListRow {
    Rejected(RejectReason),
    One(Told),
    Several(Vec<Told>),
}

/// Reads the rows of a list input.
#[derive(Clone, Copy)]
pub(in crate::pipeline) struct RowReader<'a> {
    pub(in crate::pipeline) policy: &'a Policy,
    pub(in crate::pipeline) column: PhoneColumn,
    pub(in crate::pipeline) several_numbers: SeveralNumbers,
    /// How rows that name no country are read.
    pub(in crate::pipeline) default: Hint,
}

impl<'a> RowReader<'a> {
    pub(in crate::pipeline) fn of(
        source: &ListSource,
        policy: &'a Policy,
        column: PhoneColumn,
    ) -> Self {
        let default = source.country.map_or(Hint::None, Hint::Region);
        Self { policy, column, several_numbers: source.several_numbers, default }
    }

    /// Reads a row's numbers.
    pub(in crate::pipeline) fn read(
        &self,
        batch: &Batch,
        row: usize,
        slow_path: &mut u64,
    ) -> ListRow {
        if batch.is_malformed(row) {
            return ListRow::Rejected(RejectReason::MalformedRow);
        }
        match self.column {
            PhoneColumn::Digests(field) => read_digest(batch.cell(field, row)),
            PhoneColumn::Numbers => {
                let cell = batch.cell(Field::Phone, row);
                let digest = batch.cell(Field::PhoneSha256, row);
                if cell.trim_ascii().is_empty() && !digest.trim_ascii().is_empty() {
                    return read_digest(digest);
                }
                let hint = hint_of(batch.cell(Field::Country, row), self.default);
                self.read_numbers(cell, hint, slow_path)
            }
        }
    }

    fn read_numbers(&self, cell: &[u8], hint: Hint, slow_path: &mut u64) -> ListRow {
        let mut told = |text: &[u8]| {
            let outcome = normalise::read_by(text, hint, Checks::Damage);
            *slow_path += u64::from(outcome.path == Path::Slow);
            let reading = outcome.result?;
            self.policy.check_personal(&reading)?;
            Ok(Told::Number(reading))
        };
        match (told(cell), self.several_numbers) {
            (Ok(told), _) => ListRow::One(told),
            (Err(RejectReason::MultipleNumbers), SeveralNumbers::Separate) => {
                let text = std::str::from_utf8(cell).unwrap_or_default();
                let parts = normalise::numbers_in_cell(text);
                let parts: Vec<_> = parts.iter().map(|part| told(part.as_bytes())).collect();
                let found: Vec<_> = parts.iter().filter_map(|part| part.ok()).collect();
                match parts.iter().find_map(|part| part.err()) {
                    Some(reason) if found.is_empty() => ListRow::Rejected(reason),
                    _ => ListRow::Several(found),
                }
            }
            (Err(reason), _) => ListRow::Rejected(reason),
        }
    }

    /// Reads whose contact a row is. A number is read as the export's are; where a list's phones are
    /// hashes the owner's may be one too.
    pub(in crate::pipeline) fn read_owner(
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

    /// Whether a row's cell holds a digest for a number or a number for a digest; none where it holds
    /// nothing.
    pub(in crate::pipeline) fn looks_wrong(&self, batch: &Batch, row: usize) -> Option<bool> {
        let (field, expects_digests) = match self.column {
            PhoneColumn::Numbers => (Field::Phone, false),
            PhoneColumn::Digests(field) => (field, true),
        };
        let cell = batch.cell(field, row).trim_ascii();
        let is_digest = || PhoneDigest::from_text(cell).is_some();
        let digits = || cell.iter().filter(|byte| byte.is_ascii_digit()).count();
        (!cell.is_empty()).then(|| match expects_digests {
            false => is_digest(),
            true => !is_digest() && digits() >= 7,
        })
    }
}

/// Whether so many of the rows that hold something look wrong that the column must be another.
pub(in crate::pipeline) const fn is_wrong_column(wrong: usize, filled: usize) -> bool {
    wrong > 0 && wrong * DIGEST_SHARE >= filled
}

fn read_digest(cell: &[u8]) -> ListRow {
    if cell.trim_ascii().is_empty() {
        return ListRow::Rejected(RejectReason::Empty);
    }
    PhoneDigest::from_text(cell).map_or(ListRow::Rejected(RejectReason::NotAHash), |digest| {
        ListRow::One(Told::Digest(digest))
    })
}

/// What a row's list cannot be named by: neither it nor the job says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::pipeline) enum Unnamed {
    Recipient,
    List,
}

/// The list that a row belongs to by its cells; else by the job, and by `own_name` of its input.
pub(in crate::pipeline) fn list_of(
    cells: [&[u8]; 2],
    recipient: &Recipient,
    own_name: impl FnOnce() -> Option<Identifier>,
) -> Result<Result<ListName, RejectReason>, Unnamed> {
    let named = match cells[0] {
        [] => None,
        named => Some(Identifier::from_text(named).ok_or(RejectReason::BadIdentifier)),
    };
    let recipient = match (recipient, named) {
        (Recipient::Only(only), None) => Ok(only.clone()),
        (Recipient::Only(only), Some(Ok(named))) if named != *only => {
            Err(RejectReason::ForeignRecipient)
        }
        (_, Some(named)) => named,
        (Recipient::OfRows { otherwise }, None) => {
            Ok(otherwise.clone().ok_or(Unnamed::Recipient)?)
        }
    };
    let list_id = match cells[1] {
        [] => Ok(own_name().ok_or(Unnamed::List)?),
        named => Identifier::from_text(named).ok_or(RejectReason::BadIdentifier),
    };
    Ok(match (recipient, list_id) {
        (Ok(recipient), Ok(list_id)) => Ok(ListName { recipient, list_id }),
        (Err(reason), _) | (_, Err(reason)) => Err(reason),
    })
}

/// What a row says of its list.
pub(in crate::pipeline) fn name_cells(batch: &Batch, row: usize) -> [&[u8]; 2] {
    let cell = |field| batch.cell(field, row).trim_ascii();
    [cell(Field::AdvertiserId), cell(Field::ListId)]
}

/// The dates of a row.
pub(in crate::pipeline) fn dates(batch: &Batch, row: usize) -> RowDates {
    let earliest = |field| When::from_cell(batch.cell(field, row)).earliest();
    RowDates { contact: earliest(Field::LastContactAt), opt_in: earliest(Field::OptedInAt) }
}
