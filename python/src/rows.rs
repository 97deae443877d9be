//! Rows of a run, decided one by one and keyed: what Spark's workers call.
//!
//! What comes out holds match keys and no number. A key of 16 bytes is what tables are joined by.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BinaryBuilder, BooleanArray, Int32Array, Int64Array, ListBuilder, StringArray,
    StringBuilder, StructArray,
};
use arrow::datatypes::Field as ArrowField;
use phonematch::consent::{Aliases, BarReason, OptOutRow, SuppressionReader};
use phonematch::dates::Moment;
use phonematch::job::{Files, Identifier, ListSource, Recipient, SeveralNumbers};
use phonematch::join::{Attributes, Device, Os};
use phonematch::key::{self, Form, MatchKey, RecipientKey, Spelled, TOKEN_TEXT_LEN, Told};
use phonematch::normalise::{Hint, Region, RejectReason};
use phonematch::pipeline::by_row::{self, AccountRow, ListRow};
use phonematch::policy::Policy;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::columns::Column;
use crate::guard::unlocked;
use crate::keyer::Keyer;
use crate::rules::{Rules, phones_named};
use crate::tables::{Table, place};

/// Reads rows of the export and keys them.
///
/// Args:
///     keyer: makes the keys.
///     rules: the policy.
///     rows: a record batch whose columns are named by fields (`phone`, `consent`, `os`, …), and
///         `malformed` where some rows are not the table's.
///     both_forms: whether keys of numbers without plus are made too: for lists, or opt-outs, that
///         came as digests.
///     name: what errors call the table.
///
/// Returns:
///     A `Column` of a struct a row: `reject`, why it cannot be read; `barred`, why it bars its
///     number; `person` and `digits`, the number's keys with and without plus; `others`, keys of its
///     aliases and of whomever an unreadable row that says no may mean; `region, os, os_version,
///     device`; `verified`, a moment.
///
/// Raises:
///     InputError: a column is of a type that loses digits.
#[pyfunction]
pub(crate) fn account_rows(
    py: Python<'_>,
    keyer: &Keyer,
    rules: &Rules,
    rows: &Bound<'_, PyAny>,
    both_forms: bool,
    name: &str,
) -> PyResult<Column> {
    let (table, at) = (Table::of(rows)?, place("accounts", name)?);
    unlocked(py, || {
        let rows = by_row::account_rows(&table.batch(&at)?, &rules.policy);
        let keying = Keying::of(&keyer.keyer, &rules.policy, both_forms);
        Ok(Column(Arc::new(accounts(&rows, &keying))))
    })
}

/// Reads rows of a list and keys them.
///
/// Args:
///     keyer: makes the keys.
///     rules: the policy.
///     rows: a record batch whose columns are named by fields (`phone`, `phone_sha256`, `country`,
///         `list_id`, `advertiser_id`, `owner_phone`, `last_contact_at`).
///     phones: what the phones are: `by_column`, `raw`, `e164`, `digits` or `probe`.
///     recipient: whose rows they are that name nobody.
///     only: whether rows can name nobody else.
///     list_id: the list of rows that name none.
///     country: of rows that name none, two letters.
///     name: what errors call the table.
///
/// Returns:
///     A `Column` of a struct a row: `reject`; `recipient`, `list_id`; `key`, of the number or its
///     digest; `is_digest`; `owner`, the key of whose contact it is, `owner_is_digest`; `contact`, a
///     moment; `looks_wrong`, whether the cell holds a digest for a number or a number for a digest.
///
/// Raises:
///     InputError: a column is of a type that loses digits, or a row belongs to no list.
///     ValueError: a name, country or kind of phones is none.
#[pyfunction]
#[pyo3(signature = (keyer, rules, rows, *, phones, recipient, only, list_id, country, name))]
#[allow(clippy::too_many_arguments, reason = "they are keywords to whoever calls it")]
pub(crate) fn list_rows(
    py: Python<'_>,
    keyer: &Keyer,
    rules: &Rules,
    rows: &Bound<'_, PyAny>,
    phones: &str,
    recipient: Option<&str>,
    only: bool,
    list_id: Option<&str>,
    country: Option<&str>,
    name: &str,
) -> PyResult<Column> {
    let (table, at) = (Table::of(rows)?, place("list", name)?);
    let recipient = identifier(recipient)?;
    let source = ListSource {
        files: Files::default(),
        recipient: match recipient {
            Some(recipient) if only => Recipient::Only(recipient),
            otherwise => Recipient::OfRows { otherwise },
        },
        id: identifier(list_id)?,
        country: country.map(region).transpose()?,
        phones: phones_named(phones)?,
        several_numbers: SeveralNumbers::Reject,
    };
    unlocked(py, || {
        let rows = by_row::list_rows(&table.batch(&at)?, &rules.policy, &source);
        let rows = rows.map_err(|error| crate::rules::InputError::new_err(error.to_string()))?;
        Ok(Column(Arc::new(lists(&rows, &keyer.keyer))))
    })
}

/// Reads opt-outs and keys them.
///
/// Args:
///     keyer: makes the keys.
///     rules: the policy.
///     rows: a record batch whose columns are named by fields (`phone`, `phone_sha256`, `country`,
///         `purpose`).
///     both_forms: as for `account_rows`.
///     country: of rows that name none, two letters.
///     name: what errors call the table.
///
/// Returns:
///     A `Column` of a struct a row: `reject`, why a part of it stays unread; `is_other`, whether it
///     is for another purpose; `bars`, keys of everybody it may mean, aliases with them; `hashed`,
///     the key of a number that came as its digest; `people`, a name for each number and digest in
///     it, the same for aliases, to tell which row is the first.
///
/// Raises:
///     InputError: a column is of a type that loses digits.
///     ValueError: the country is none.
#[pyfunction]
pub(crate) fn opt_out_rows(
    py: Python<'_>,
    keyer: &Keyer,
    rules: &Rules,
    rows: &Bound<'_, PyAny>,
    both_forms: bool,
    country: Option<&str>,
    name: &str,
) -> PyResult<Column> {
    let (table, at) = (Table::of(rows)?, place("opt_outs", name)?);
    let hint = country.map(region).transpose()?.map_or(Hint::None, Hint::Region);
    unlocked(py, || {
        let (purpose, policy) = (rules.policy.purpose, &rules.policy);
        let reader = SuppressionReader { purpose, keyer: keyer.keyer.clone() };
        let rows = by_row::opt_out_rows(&table.batch(&at)?, &reader, hint);
        let keying = Keying::of(&keyer.keyer, policy, both_forms);
        Ok(Column(Arc::new(opt_outs(&rows, &keying))))
    })
}

/// What recipients' files call people.
///
/// Args:
///     keyer: makes the tokens.
///     rows: a record batch of `recipient` and a match key a row.
///     column: the keys' column.
///
/// Returns:
///     A `Column` of 32 lower-case hex digits a row, null where the key is.
///
/// Raises:
///     TypeError: a column holds something else.
///     ValueError: a recipient is no plain name.
#[pyfunction]
pub(crate) fn tokens(
    py: Python<'_>,
    keyer: &Keyer,
    rows: &Bound<'_, PyAny>,
    column: &str,
) -> PyResult<Column> {
    let table = Table::of(rows)?;
    let column = match column {
        "owner" => "owner",
        _ => "key",
    };
    unlocked(py, || {
        let (recipients, keys) = (table.texts("recipient")?, table.keys(column)?);
        let mut known: HashMap<&str, RecipientKey> = HashMap::new();
        let mut tokens = StringBuilder::with_capacity(keys.len(), keys.len() * TOKEN_TEXT_LEN);
        let mut text = [0; TOKEN_TEXT_LEN];
        for (recipient, key) in recipients.iter().zip(keys) {
            let (Some(recipient), Some(key)) = (recipient, key) else {
                tokens.append_null();
                continue;
            };
            if !known.contains_key(recipient) {
                identifier(Some(recipient))?;
                known.insert(recipient, RecipientKey::new(&keyer.secret, recipient));
            }
            let token = known[recipient].token(MatchKey::from_bytes(key));
            tokens.append_value(token.expose_hex_in(&mut text));
        }
        Ok(Column(Arc::new(tokens.finish())))
    })
}

pub(crate) fn identifier(text: Option<&str>) -> PyResult<Option<Identifier>> {
    let none = || PyValueError::new_err("a name is 1 to 64 of A-Z a-z 0-9 . _ -, and no number");
    text.map(|text| Identifier::from_text(text.as_bytes()).ok_or_else(none)).transpose()
}

pub(crate) fn region(code: &str) -> PyResult<Region> {
    let wrong = || PyValueError::new_err("a country must be two letters, such as DE");
    Region::from_code(code.as_bytes()).ok_or_else(wrong)
}

/// Makes keys of numbers in the forms that are asked for.
struct Keying<'a> {
    keyer: &'a key::Keyer,
    policy: &'a Policy,
    forms: &'static [Form],
}

impl<'a> Keying<'a> {
    fn of(keyer: &'a key::Keyer, policy: &'a Policy, both_forms: bool) -> Self {
        let forms: &[Form] = if both_forms { &Form::ALL } else { &[Form::E164] };
        Self { keyer, policy, forms }
    }

    fn has_both(&self) -> bool {
        self.forms.len() > 1
    }

    /// Appends a number in each form.
    fn spell(&self, digits: u64, spelled: &mut Vec<Spelled>) {
        spelled.extend(self.forms.iter().map(|&form| Spelled { digits, form }));
    }

    fn aliases(&self, digits: u64) -> Aliases {
        Aliases::by(self.policy.aliases, digits)
    }

    fn keys(&self, spelled: &[Spelled]) -> Vec<MatchKey> {
        let mut keys = Vec::new();
        self.keyer.keys(spelled, &mut keys);
        keys
    }
}

/// Lists of keys, a row after the other.
struct KeyLists(ListBuilder<BinaryBuilder>);

impl KeyLists {
    fn new() -> Self {
        Self(ListBuilder::new(BinaryBuilder::new()))
    }

    fn push(&mut self, keys: &[MatchKey]) {
        keys.iter().for_each(|key| self.0.values().append_value(key.expose_bytes()));
        self.0.append(true);
    }

    fn push_none(&mut self) {
        self.0.append(false);
    }
}

fn key_column(keys: impl Iterator<Item = Option<MatchKey>>) -> ArrayRef {
    let mut column = BinaryBuilder::new();
    keys.for_each(|key| column.append_option(key.as_ref().map(MatchKey::expose_bytes)));
    Arc::new(column.finish())
}

fn texts<'a>(texts: impl Iterator<Item = Option<&'a str>>) -> ArrayRef {
    Arc::new(texts.collect::<StringArray>())
}

fn moments(moments: impl Iterator<Item = Option<Moment>>) -> ArrayRef {
    let bits = |moment: Option<Moment>| moment.map(|it| i64::from(Moment::to_bits(Some(it))));
    Arc::new(moments.map(bits).collect::<Int64Array>())
}

fn table(columns: Vec<(&str, ArrayRef)>) -> StructArray {
    let field = |(name, array): (&str, ArrayRef)| {
        (Arc::new(ArrowField::new(name, array.data_type().clone(), true)), array)
    };
    StructArray::from(columns.into_iter().map(field).collect::<Vec<_>>())
}

fn accounts(rows: &[AccountRow], keying: &Keying<'_>) -> StructArray {
    let digits = |row: &AccountRow| row.reading.ok().map(|it| it.number.expose_digits());
    let mut own = Vec::new();
    rows.iter().filter_map(digits).for_each(|digits| keying.spell(digits, &mut own));
    let own = keying.keys(&own);
    let mut own = own.chunks_exact(keying.forms.len());
    let own: Vec<_> = rows.iter().map(|row| digits(row).and_then(|_| own.next())).collect();
    let mut others = KeyLists::new();
    for row in rows {
        let mut spelled = Vec::new();
        match digits(row) {
            // Whoever may be matched is asked for aliases only where an opt-out may be a digest.
            Some(_) if row.barred.is_none() && !keying.has_both() => {}
            Some(digits) => {
                let aliases = keying.aliases(digits);
                let aliases = aliases.expose_digits().iter().filter(|&&alias| alias != digits);
                aliases.for_each(|&alias| keying.spell(alias, &mut spelled));
            }
            None => {
                let aliases = row.said_no.iter().map(|&digits| keying.aliases(digits));
                for aliases in aliases {
                    let aliases = aliases.expose_digits().iter();
                    aliases.for_each(|&alias| keying.spell(alias, &mut spelled));
                }
            }
        }
        match spelled.as_slice() {
            [] => others.push_none(),
            spelled => others.push(&keying.keys(spelled)),
        }
    }
    let reject = |row: &AccountRow| match row.barred {
        None => row.reading.err().map(RejectReason::name),
        Some(_) => None,
    };
    let regions: Vec<_> = rows.iter().map(|row| row.known.region()).collect();
    let known = |name: fn(&Attributes) -> Option<&'static str>| {
        texts(rows.iter().map(move |row| name(&row.known)))
    };
    let versions = rows.iter().map(|row| row.known.os_version().map(i32::from));
    table(vec![
        ("reject", texts(rows.iter().map(reject))),
        ("barred", texts(rows.iter().map(|row| row.barred.map(BarReason::name)))),
        ("person", key_column(own.iter().map(|keys| keys.map(|keys| keys[0])))),
        ("digits", key_column(own.iter().map(|keys| keys.and_then(|keys| keys.get(1).copied())))),
        ("others", Arc::new(others.0.finish())),
        ("region", texts(regions.iter().map(|region| region.as_ref().map(Region::code)))),
        ("os", known(|it| it.os().and_then(Os::name))),
        ("os_version", Arc::new(versions.collect::<Int32Array>())),
        ("device", known(|it| it.device().and_then(Device::name))),
        ("verified", moments(rows.iter().map(|row| row.verified))),
    ])
}

fn lists(rows: &[ListRow], keyer: &key::Keyer) -> StructArray {
    let read = |row: &ListRow| row.read.as_ref().ok().map(|listed| listed.told);
    let owner = |row: &ListRow| row.read.as_ref().ok().and_then(|listed| listed.owner);
    let keys = |told: fn(&ListRow) -> Option<Told>| {
        let known: Vec<_> = rows.iter().filter_map(told).collect();
        let mut listed = Vec::new();
        keyer.list(&known, &mut listed);
        let mut listed = listed.into_iter();
        key_column(rows.iter().map(|row| told(row).and_then(|_| listed.next()).map(|it| it.key)))
    };
    let is_digest = |told: fn(&ListRow) -> Option<Told>| -> ArrayRef {
        let is_digest = |told| matches!(told, Told::Digest(_));
        Arc::new(rows.iter().map(|row| told(row).map(is_digest)).collect::<BooleanArray>())
    };
    let name = |row: &ListRow| row.read.as_ref().ok().map(|listed| listed.list.clone());
    let names: Vec<_> = rows.iter().map(name).collect();
    let recipients = names.iter().map(|name| name.as_ref().map(|it| it.recipient.as_str()));
    let ids = names.iter().map(|name| name.as_ref().map(|it| it.list_id.as_str()));
    let rejects = rows.iter().map(|row| row.read.as_ref().err().map(|reason| reason.name()));
    let contacts = rows.iter().map(|row| row.read.as_ref().ok().and_then(|it| it.dates.contact));
    table(vec![
        ("reject", texts(rejects)),
        ("recipient", texts(recipients)),
        ("list_id", texts(ids)),
        ("key", keys(read)),
        ("is_digest", is_digest(read)),
        ("owner", keys(owner)),
        ("owner_is_digest", is_digest(owner)),
        ("contact", moments(contacts)),
        ("looks_wrong", Arc::new(rows.iter().map(|row| row.looks_wrong).collect::<BooleanArray>())),
    ])
}

/// Marks names of numbers and of digests, whose keys are one space.
const NUMBER: u8 = b'n';
const DIGEST: u8 = b'd';

fn opt_outs(rows: &[OptOutRow], keying: &Keying<'_>) -> StructArray {
    let (mut bars, mut people) = (KeyLists::new(), ListBuilder::new(BinaryBuilder::new()));
    let (mut rejects, mut hashes) = (Vec::new(), Vec::new());
    for row in rows {
        let OptOutRow::Bars { numbers, hashed, unread, .. } = row else {
            rejects.push(None);
            hashes.push(None);
            bars.push_none();
            people.append(false);
            continue;
        };
        let (mut spelled, mut first) = (Vec::new(), Vec::new());
        for &digits in numbers {
            let aliases = keying.aliases(digits);
            let aliases = aliases.expose_digits();
            aliases.iter().for_each(|&alias| keying.spell(alias, &mut spelled));
            let digits = aliases.iter().copied().min().unwrap_or(digits);
            first.push(Spelled { digits, form: Form::E164 });
        }
        bars.push(&keying.keys(&spelled));
        let numbers = keying.keys(&first).into_iter().map(|key| (NUMBER, key));
        for (mark, key) in numbers.chain(hashed.map(|key| (DIGEST, key))) {
            people.values().append_value([&[mark], key.expose_bytes().as_slice()].concat());
        }
        people.append(true);
        rejects.push(unread.map(RejectReason::name));
        hashes.push(*hashed);
    }
    let is_other = rows.iter().map(|row| Some(matches!(row, OptOutRow::OtherPurpose)));
    table(vec![
        ("reject", texts(rejects.into_iter())),
        ("is_other", Arc::new(is_other.collect::<BooleanArray>())),
        ("bars", Arc::new(bars.0.finish())),
        ("hashed", key_column(hashes.into_iter())),
        ("people", Arc::new(people.finish())),
    ])
}
