//! What a policy says to an engine that joins and counts elsewhere.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arrow::array::{Array, ArrayRef, Int32Array, StringArray, StructArray};
use arrow::datatypes::{DataType, Field as ArrowField};
use phonematch::dates::{Day, Moment};
use phonematch::input::{self, Field, Location};
use phonematch::job::{Gates, Phones};
use phonematch::join::{Attributes, Device, Os};
use phonematch::key::Form;
use phonematch::normalise::Region;
use phonematch::output;
use phonematch::pipeline::{self, by_row};
use phonematch::policy::{Gate, Policy};
use phonematch::privacy::{self, AlikePeople, PersonFacts, Shown, WithholdReason};
use phonematch::report::InputReport;
use phonematch::share::Share;
use pyo3::create_exception;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::columns::Column;
use crate::guard::unlocked;
use crate::rows;
use crate::tables::{Table, place};

create_exception!(
    phonematch,
    PolicyError,
    PyValueError,
    "The policy is none, or contradicts itself."
);
create_exception!(phonematch, InputError, PyValueError, "An input is not what a run needs.");

/// A policy, checked, and what it decides of rows, people and lists.
///
/// Args:
///     text: the policy file's text.
///
/// Raises:
///     PolicyError: a field is missing, unknown, or contradicts another.
#[pyclass(frozen, module = "phonematch")]
pub(crate) struct Rules {
    pub(crate) policy: Policy,
    digest: String,
}

#[pymethods]
impl Rules {
    #[new]
    fn new(text: &str) -> PyResult<Self> {
        let policy: Result<Policy, _> = toml::from_str(text);
        // TOML's own message would quote the line.
        let policy = policy.map_err(|error| PolicyError::new_err(error.message().to_owned()))?;
        Ok(Self { policy, digest: output::digest(text.as_bytes()) })
    }

    fn __repr__(&self) -> String {
        format!("Rules({})", self.policy.purpose.name())
    }

    /// The purpose that the policy is for.
    #[getter]
    const fn purpose(&self) -> &'static str {
        self.policy.purpose.name()
    }

    /// BLAKE3 of the text, in hex.
    #[getter]
    fn digest(&self) -> &str {
        &self.digest
    }

    /// Whether lists are matched; else people are counted.
    #[getter]
    const fn takes_lists(&self) -> bool {
        self.policy.purpose.takes_lists()
    }

    /// Whether lists are people's address books.
    #[getter]
    const fn takes_pairs(&self) -> bool {
        self.policy.purpose.takes_pairs()
    }

    /// Whether somebody outside is told a figure of each list.
    #[getter]
    const fn has_advertiser(&self) -> bool {
        self.policy.purpose.has_advertiser()
    }

    /// Whether messages are sent, in waves and with caps for each person.
    #[getter]
    const fn has_messages(&self) -> bool {
        self.policy.messaging.is_some()
    }

    /// Whether anything is shown of a released person.
    #[getter]
    const fn shows_attributes(&self) -> bool {
        !self.policy.attributes.keep.is_empty()
    }

    /// Most distinct numbers of an address book; None where lists are none.
    #[getter]
    const fn most_contacts(&self) -> Option<u64> {
        self.policy.most_contacts
    }

    /// Fewest distinct numbers of a list, matched people, and people in an attribute cell.
    #[getter]
    fn floors(&self) -> BTreeMap<&'static str, u64> {
        let floors = &self.policy.floors;
        BTreeMap::from([
            ("list_numbers", floors.list_numbers),
            ("matched_people", floors.matched_people),
            ("attribute_cell", floors.attribute_cell),
        ])
    }

    /// Rows of the opt-outs that may stay unread.
    #[getter]
    const fn max_unreadable_rows(&self) -> u64 {
        self.policy.opt_outs.max_unreadable_rows
    }

    /// Limits on the age, in hours and minutes, and the shrinking, in percent, of the opt-outs.
    #[getter]
    fn opt_out_limits(&self) -> BTreeMap<&'static str, u64> {
        let rules = &self.policy.opt_outs;
        BTreeMap::from([
            ("max_age_hours", rules.max_age_hours),
            ("future_tolerance_minutes", rules.future_tolerance_minutes),
            ("max_shrink_percent", rules.max_shrink_percent),
        ])
    }

    /// Which conditions of the opt-outs end a run: `when_missing`, `when_empty`, …
    #[getter]
    fn refusals(&self) -> Vec<&'static str> {
        let rules = &self.policy.opt_outs;
        let gates = [
            ("when_missing", rules.when_missing),
            ("when_empty", rules.when_empty),
            ("when_stale", rules.when_stale),
            ("when_dated_in_future", rules.when_dated_in_future),
            ("when_shrunken", rules.when_shrunken),
            ("when_line_end_missing", rules.when_line_end_missing),
        ];
        let refused = gates.into_iter().filter(|(_, gate)| *gate == Gate::Refuse);
        refused.map(|(name, _)| name).collect()
    }

    /// What a manifest says of the policy, as the text of a JSON object: `legal_basis`, `aliases`,
    /// `floors`.
    #[getter]
    fn terms(&self) -> String {
        let Policy { legal_basis, aliases, floors, .. } = &self.policy;
        serde_json::json!({ "legal_basis": legal_basis, "aliases": aliases, "floors": floors })
            .to_string()
    }

    /// What is wrong with a file of opt-outs: stale, from the future, or cut.
    ///
    /// Args:
    ///     name: what to call it.
    ///     modified: when it was last written, in Unix seconds.
    ///     now: the same of now.
    ///     ended_with_line_end: None for what is no text.
    ///
    /// Returns:
    ///     A sentence; None where the policy allows it.
    #[pyo3(signature = (name, modified, now, ended_with_line_end=None))]
    fn opt_out_fault(
        &self,
        name: &str,
        modified: f64,
        now: f64,
        ended_with_line_end: Option<bool>,
    ) -> Option<String> {
        let at = |second: f64| SystemTime::UNIX_EPOCH + Duration::from_secs_f64(second.max(0.0));
        let location = Location::Path(name.into());
        let file =
            by_row::OptOutFile { location: &location, modified: at(modified), ended_with_line_end };
        by_row::check_opt_outs(&self.policy, &file, at(now)).err().map(|it| it.to_string())
    }

    /// Whether a name of a list or recipient, and a country, are what rows can be given.
    ///
    /// Args:
    ///     names: of lists and recipients.
    ///     country: two letters.
    ///
    /// Raises:
    ///     ValueError: one of them is none; which, is not said.
    #[staticmethod]
    #[pyo3(signature = (names, country=None))]
    fn check_names(names: Vec<String>, country: Option<&str>) -> PyResult<()> {
        for name in &names {
            rows::identifier(Some(name))?;
        }
        country.map(rows::region).transpose().map(|_| ())
    }

    /// Which of a table's columns is read for which field.
    ///
    /// Args:
    ///     role: `accounts`, `list` or `opt_outs`.
    ///     names: the table's columns.
    ///     name: what errors call the table.
    ///     mapped: columns by field, where the well-known names do not serve.
    ///     phones: of a list, what its phones are: `by_column`, `raw`, `e164`, `digits` or `probe`.
    ///     has_contacts: of accounts, whether a list has a column `last_contact_at`.
    ///
    /// Returns:
    ///     The column's name by the field's. What a policy does not allow is not among them.
    ///
    /// Raises:
    ///     InputError: a column is missing, or two could be meant.
    ///     ValueError: there is no such role, field or form.
    #[pyo3(signature = (role, names, name, mapped=None, phones="by_column", has_contacts=false))]
    fn columns(
        &self,
        role: &str,
        names: Vec<String>,
        name: &str,
        mapped: Option<BTreeMap<String, String>>,
        phones: &str,
        has_contacts: bool,
    ) -> PyResult<BTreeMap<&'static str, String>> {
        let at = place(role, name)?;
        let mapped = mapped.unwrap_or_default().into_iter();
        let mapped = mapped.map(|(field, column)| Ok((field_named(&field)?, column)));
        let mapped = mapped.collect::<PyResult<BTreeMap<_, _>>>()?;
        let wants = match role {
            "accounts" => by_row::account_columns(&self.policy, &mapped, has_contacts),
            "list" => by_row::list_columns(&self.policy, &mapped, phones_named(phones)?),
            _ => by_row::opt_out_columns(&mapped),
        };
        let found = input::find_columns(&at, &wants, &names);
        let found = found.map_err(|error| InputError::new_err(error.to_string()))?;
        let column = |found: &input::FoundColumn| {
            Some((found.field.name(), names.get(found.position?)?.clone()))
        };
        Ok(found.all().iter().filter_map(column).collect())
    }

    /// Why matched people are kept back, whatever becomes of their lists.
    ///
    /// Args:
    ///     people: a record batch of `region`, `verified` and `contact`, moments as `account_rows`
    ///         and `list_rows` give them.
    ///     today: the run's day, `2026-11-22`.
    ///
    /// Returns:
    ///     A `Column` of text: the reason's name, null for whoever is not kept back.
    fn withhold_people(
        &self,
        py: Python<'_>,
        people: &Bound<'_, PyAny>,
        today: &str,
    ) -> PyResult<Column> {
        let today = Day::from_text(today)
            .ok_or_else(|| PyValueError::new_err("a day is written 2026-11-22"))?;
        let people = Table::of(people)?;
        unlocked(py, || {
            let (regions, verified, contacts) =
                (people.texts("region")?, people.numbers("verified")?, people.numbers("contact")?);
            let rows = regions.iter().zip(verified.iter().zip(contacts.iter()));
            let reason = |(region, (verified, contact)): (Option<&str>, _)| {
                let region = region.and_then(|region| Region::from_code(region.as_bytes()));
                let facts =
                    PersonFacts { region, verified: moment(verified), contact: moment(contact) };
                privacy::withhold_person(&self.policy, today, facts).map(WithholdReason::name)
            };
            Ok(Column(Arc::new(rows.map(reason).collect::<StringArray>())))
        })
    }

    /// Why lists are withheld whole.
    ///
    /// Args:
    ///     lists: a record batch of `numbers`, distinct ones of the list, `recipient_numbers`, those
    ///         of all lists of its recipient added up, and `matched`, distinct people who may be
    ///         counted.
    ///
    /// Returns:
    ///     A `Column` of text: the reason's name, null for a list that leaves.
    fn withhold_lists(&self, py: Python<'_>, lists: &Bound<'_, PyAny>) -> PyResult<Column> {
        let lists = Table::of(lists)?;
        unlocked(py, || {
            let counts = ["numbers", "recipient_numbers", "matched"];
            let [numbers, of_recipient, matched] = counts.map(|name| lists.numbers(name));
            let (numbers, of_recipient, matched) = (numbers?, of_recipient?, matched?);
            let count = |column: &arrow::array::Int64Array, row| {
                u64::try_from(column.value(row)).unwrap_or(0)
            };
            let reason = |row| {
                let [numbers, of_recipient, matched] =
                    [&numbers, &of_recipient, &matched].map(|column| count(column, row));
                let reason = privacy::withhold_list(&self.policy, numbers, of_recipient, matched);
                reason.map(WithholdReason::name)
            };
            Ok(Column(Arc::new((0..lists.len()).map(reason).collect::<StringArray>())))
        })
    }

    /// What the people of one recipient's released lists may show.
    ///
    /// Args:
    ///     people: a record batch of `lists`, the lists that the group's people are on, numbered from
    ///         0, `region`, `os`, `os_version`, `device`, and `many`, how many they are. Groups are
    ///         distinct.
    ///
    /// Returns:
    ///     A `Column` of a struct `region, os, os_version, device` a group.
    fn show_alike(&self, py: Python<'_>, people: &Bound<'_, PyAny>) -> PyResult<Column> {
        let people = Table::of(people)?;
        unlocked(py, || {
            let groups = groups(&people)?;
            Ok(Column(Arc::new(shown(&privacy::show_alike(&groups, &self.policy)))))
        })
    }

    /// The names of all reasons to withhold: of several that a row's people have the last counts.
    #[staticmethod]
    fn withhold_reasons() -> Vec<&'static str> {
        WithholdReason::ALL.map(WithholdReason::name).to_vec()
    }

    /// The forms in which accounts are looked up for a list with these fields: `e164`, `digits`.
    #[staticmethod]
    fn forms(phones: &str, fields: Vec<String>) -> PyResult<Vec<&'static str>> {
        let forms = by_row::forms(phones_named(phones)?, |field| {
            fields.iter().any(|known| known == field.name())
        });
        Ok(forms.iter().map(|form| form.name()).collect())
    }

    /// Whether so many of a column's filled cells look wrong that it must be another's.
    #[staticmethod]
    const fn is_wrong_column(wrong: usize, filled: usize) -> bool {
        by_row::is_wrong_column(wrong, filled)
    }
}

fn moment(bits: Option<i64>) -> Option<Moment> {
    Moment::from_bits(u32::try_from(bits?).ok()?)
}

fn field_named(name: &str) -> PyResult<Field> {
    let none = || PyValueError::new_err("a mapped column is of no field that is known");
    Field::ALL.into_iter().find(|field| field.name() == name).ok_or_else(none)
}

/// What a list's phones are, by the name that job files use.
///
/// # Errors
///
/// `ValueError` when there is no such name.
pub(crate) fn phones_named(name: &str) -> PyResult<Phones> {
    Ok(match name {
        "by_column" => Phones::ByColumn,
        "raw" => Phones::Raw,
        "e164" => Phones::Hashed(Form::E164),
        "digits" => Phones::Hashed(Form::Digits),
        "probe" => Phones::Probe,
        _ => {
            let text = "phones are by_column, raw, e164, digits or probe";
            return Err(PyValueError::new_err(text));
        }
    })
}

fn groups(people: &Table) -> PyResult<Vec<AlikePeople>> {
    let lists = people.lists("lists")?;
    let [regions, systems, devices] = ["region", "os", "device"].map(|name| people.texts(name));
    let (regions, systems, devices) = (regions?, systems?, devices?);
    let (versions, many) = (people.numbers("os_version")?, people.numbers("many")?);
    let group = |(row, lists): (usize, Vec<i64>)| {
        let text = |column: &StringArray| match column.is_valid(row) {
            true => column.value(row).to_owned(),
            false => String::new(),
        };
        // The names that outputs have are among those that cells are read by.
        let os = match versions.is_valid(row) {
            true => format!("{} {}", text(&systems), versions.value(row)),
            false => text(&systems),
        };
        let known = Attributes::from_cells(os.as_bytes(), text(&devices).as_bytes());
        let region = Region::from_code(text(&regions).as_bytes());
        AlikePeople {
            lists: lists.into_iter().filter_map(|list| usize::try_from(list).ok()).collect(),
            known: region.map_or(known, |region| known.in_region(region)),
            many: u64::try_from(many.value(row)).unwrap_or(0),
        }
    };
    Ok(lists.into_iter().enumerate().map(group).collect())
}

fn shown(shown: &[Shown]) -> StructArray {
    let regions: Vec<_> = shown.iter().map(|it| it.region.map(|it| it.code().to_owned())).collect();
    let columns: [(&str, ArrayRef); 4] = [
        ("region", Arc::new(StringArray::from(regions))),
        ("os", Arc::new(shown.iter().map(|it| it.os.and_then(Os::name)).collect::<StringArray>())),
        (
            "os_version",
            Arc::new(shown.iter().map(|it| it.os_version.map(i32::from)).collect::<Int32Array>()),
        ),
        (
            "device",
            Arc::new(
                shown.iter().map(|it| it.device.and_then(Device::name)).collect::<StringArray>(),
            ),
        ),
    ];
    let fields = |(name, array): (&str, ArrayRef)| {
        let kind: DataType = array.data_type().clone();
        (Arc::new(ArrowField::new(name, kind, true)), array)
    };
    StructArray::from(columns.map(fields).to_vec())
}

/// Limits of a job, as its file has them.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct GatesOfJob {
    max_reject_rate: Option<Share>,
    min_match_rate: Option<Share>,
    max_match_rate: Option<Share>,
}

/// What inputs do not keep of a job's limits.
///
/// Args:
///     gates: the text of a JSON object with any of `max_reject_rate`, `min_match_rate` and
///         `max_match_rate`, shares of 1.
///     inputs: the text of the report's `inputs`.
///
/// Returns:
///     A sentence for each limit that does not hold.
///
/// Raises:
///     ValueError: a text is none of these.
#[pyfunction]
pub(crate) fn broken_gates(gates: &str, inputs: &str) -> PyResult<Vec<String>> {
    let wrong = |_| PyValueError::new_err("these are no gates, or no inputs of a report");
    let gates: GatesOfJob = serde_json::from_str(gates).map_err(wrong)?;
    let inputs: Vec<InputReport> = serde_json::from_str(inputs).map_err(wrong)?;
    let gates = Gates {
        max_reject_rate: gates.max_reject_rate,
        min_match_rate: gates.min_match_rate,
        max_match_rate: gates.max_match_rate,
        max_change_since_last_run: None,
    };
    Ok(pipeline::broken_gates(&gates, &inputs).iter().map(ToString::to_string).collect())
}
