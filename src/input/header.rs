//! Which column holds which field?
//!
//! Names are compared without regard to case, surrounding blanks, and whether words are parted by a
//! blank, a hyphen or an underscore. A name that the job maps is the only one that counts for its
//! field. Otherwise the field's synonyms count, the first in the list winning; except for phone
//! numbers, their hashes and opt-out signals, where a second column that could be meant is an
//! error: a column left unread may be the one that holds the opt-out.

use super::error::{HeaderNames, InputError, Place, plain};
use super::{Field, Need, Want};

/// Where a field was found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FoundColumn {
    /// The field.
    pub field: Field,
    /// Its position from 0; none in NDJSON, which has names in every line.
    pub position: Option<usize>,
    /// The column's name, when it is one that may be printed.
    pub name: Option<String>,
}

/// The columns of an input that were wanted and found.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ColumnsFound {
    pub(super) columns: Vec<FoundColumn>,
    pub(super) header_columns: usize,
    pub(super) unused: HeaderNames,
}

impl ColumnsFound {
    /// Whether there is a column for the field.
    #[must_use]
    pub fn has(&self, field: Field) -> bool {
        self.column(field).is_some()
    }

    /// Where the field was found.
    #[must_use]
    pub fn column(&self, field: Field) -> Option<&FoundColumn> {
        self.columns.iter().find(|column| column.field == field)
    }

    /// All that was found, in the order it was wanted.
    #[must_use]
    pub fn all(&self) -> &[FoundColumn] {
        &self.columns
    }

    /// The other columns of the header, which nobody reads; for NDJSON, of the lines so far.
    #[must_use]
    pub fn unused(&self) -> &HeaderNames {
        &self.unused
    }

    /// How many columns the input has, wanted or not; for NDJSON, how many names were seen.
    #[must_use]
    pub fn header_columns(&self) -> usize {
        self.header_columns
    }
}

impl FoundColumn {
    pub(super) fn new(field: Field, position: Option<usize>, name: &[u8]) -> Self {
        Self { field, position, name: plain(name.trim_ascii()).map(str::to_owned) }
    }
}

/// The name as it is compared; none when it is not UTF-8.
pub(super) fn canonical(name: &[u8]) -> Option<String> {
    let name = std::str::from_utf8(name).ok()?;
    let name = name.trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}');
    Some(name.to_lowercase().replace([' ', '-'], "_"))
}

/// How well a canonical name fits a want; 0 is best.
pub(super) fn rank(want: &Want, name: &str) -> Option<usize> {
    match &want.mapped {
        Some(mapped) => (canonical(mapped.as_bytes()).as_deref() == Some(name)).then_some(0),
        None => want.field.synonyms().iter().position(|&synonym| synonym == name),
    }
}

/// Whether the field may have one candidate only.
pub(super) fn is_sole(field: Field) -> bool {
    matches!(
        field,
        Field::Phone
            | Field::PhoneSha256
            | Field::OwnerPhone
            | Field::Gpc
            | Field::UsPrivacy
            | Field::Gpp
            | Field::DataProcessingOptions
            | Field::AdUserData
            | Field::AdPersonalization
    )
}

/// How many of the wants a header could meet; a measure for guessing the delimiter.
pub(super) fn score<N: AsRef<[u8]>>(wants: &[Want], names: &[N]) -> usize {
    let names: Vec<_> = names.iter().filter_map(|name| canonical(name.as_ref())).collect();
    wants.iter().filter(|want| names.iter().any(|name| rank(want, name).is_some())).count()
}

/// Finds the wanted columns in a header.
pub(super) fn resolve<N: AsRef<[u8]>>(
    at: &Place,
    wants: &[Want],
    names: &[N],
) -> Result<ColumnsFound, InputError> {
    let names: Vec<&[u8]> = names.iter().map(AsRef::as_ref).collect();
    let mut readable = vec![];
    for name in &names {
        match canonical(name) {
            Some(name) if !name.contains('\0') => readable.push(name),
            _ => return Err(InputError::BadHeaderEncoding { at: at.clone() }),
        }
    }
    let mut columns = vec![];
    for want in wants {
        let mut fitting: Vec<(usize, usize)> = readable
            .iter()
            .enumerate()
            .filter_map(|(position, name)| Some((rank(want, name)?, position)))
            .collect();
        fitting.sort_unstable();
        let Some(&(best, position)) = fitting.first() else { continue };
        let rivals = fitting.iter().filter(|&&(rank, _)| is_sole(want.field) || rank == best);
        let rivals: Vec<&[u8]> = rivals.map(|&(_, position)| names[position]).collect();
        if rivals.len() > 1 {
            let found = HeaderNames::of(rivals);
            return Err(InputError::DuplicateColumn { at: at.clone(), field: want.field, found });
        }
        columns.push(FoundColumn::new(want.field, Some(position), names[position]));
    }
    let is_used = |at: usize| columns.iter().any(|column| column.position == Some(at));
    let unused = names.iter().enumerate().filter(|&(at, _)| !is_used(at)).map(|(_, name)| name);
    let unused = HeaderNames::of(unused);
    let found = ColumnsFound { columns, header_columns: names.len(), unused };
    check_complete(at, wants, &found, &names)?;
    Ok(found)
}

/// Whether everything is there that the input cannot do without.
pub(super) fn check_complete(
    at: &Place,
    wants: &[Want],
    columns: &ColumnsFound,
    names: &[&[u8]],
) -> Result<(), InputError> {
    let at = || at.clone();
    let absent = |want: &&Want| !columns.has(want.field);
    let needed = |want: &&Want| want.mapped.is_some() || want.need == Need::Required;
    let one_of: Vec<_> = wants.iter().filter(|want| want.need == Need::OneOf).collect();
    let missing = wants.iter().find(|want| absent(want) && needed(want));
    let none_of = !one_of.is_empty() && one_of.iter().all(absent);
    if missing.is_none() && !none_of {
        return Ok(());
    }
    if columns.columns.is_empty() && names.iter().any(|name| looks_like_data(name)) {
        return Err(InputError::NoHeader { at: at() });
    }
    let found = HeaderNames::of(names);
    Err(match missing {
        Some(want) => {
            let looked_for = looked_for(want);
            InputError::MissingColumn { at: at(), field: want.field, looked_for, found }
        }
        None => {
            let fields: Vec<_> = one_of.iter().map(|want| want.field.name()).collect();
            let looked_for: Vec<_> = one_of.iter().map(|want| looked_for(want)).collect();
            let (fields, looked_for) = (fields.join(", "), looked_for.join(", "));
            InputError::MissingOneOf { at: at(), fields, looked_for, found }
        }
    })
}

fn looked_for(want: &Want) -> String {
    match &want.mapped {
        Some(mapped) => plain(mapped.as_bytes()).unwrap_or("the mapped name").to_owned(),
        None if want.field.synonyms().is_empty() => "a mapped name".to_owned(),
        None => want.field.synonyms().join(", "),
    }
}

/// Whether a cell where a name should be is a phone number or a hash.
fn looks_like_data(cell: &[u8]) -> bool {
    let cell = cell.trim_ascii();
    let digits = cell.iter().filter(|b| b.is_ascii_digit()).count();
    let number = digits >= 7 && cell.iter().all(|b| b.is_ascii_digit() || b"+ ()-./".contains(b));
    let hex = cell.len() == 64 && cell.iter().all(u8::is_ascii_hexdigit);
    let base64 = |b: &u8| b.is_ascii_alphanumeric() || b"+/-_=".contains(b);
    let hash = cell.len() == 44 && cell.ends_with(b"=") && cell.iter().all(base64);
    number || hex || hash
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::{Location, Role};

    fn want(field: Field, need: Need) -> Want {
        Want { field, mapped: None, need }
    }

    fn at() -> Place {
        Place { role: Role::List, location: Location::Stdin }
    }

    #[test]
    fn names_are_compared_loosely() {
        for name in ["phone_number", "Phone Number", " PHONE-NUMBER ", "\u{feff}phone number"] {
            assert_eq!(canonical(name.as_bytes()).as_deref(), Some("phone_number"));
        }
    }

    #[test]
    fn the_first_synonym_wins_but_for_phones_a_second_is_an_error() {
        let wants = [want(Field::Country, Need::Optional)];
        let found = resolve(&at(), &wants, &["region", "country"]).unwrap();
        assert_eq!(found.column(Field::Country).unwrap().position, Some(1));
        let wants = [want(Field::Phone, Need::Required)];
        let error = resolve(&at(), &wants, &["mobile", "phone"]).unwrap_err();
        assert!(matches!(error, InputError::DuplicateColumn { field: Field::Phone, .. }));
    }

    #[test]
    fn data_in_place_of_names_is_seen() {
        let hash = "a".repeat(64);
        for data in ["+1 202-555-0123", "(020) 7946 0123", &hash] {
            assert!(looks_like_data(data.as_bytes()), "{data}");
        }
        for name in ["phone", "address_2", "2026-11-22", "sha256"] {
            assert_eq!(looks_like_data(name.as_bytes()), name == "2026-11-22", "{name}");
        }
    }
}
