//! Numbers read: a column of them, or one.

use std::mem;

use phonematch::normalise::{self as library, Checks, E164_TEXT_LEN, Hint, Hints, Region};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::chunks::{Alongside, Chunks};
use crate::columns::Normalised;
use crate::guard::unlocked;

/// How rows are to be read.
enum How {
    All(Hint),
    Countries(Alongside),
}

impl How {
    fn of(country: Option<&Bound<'_, PyAny>>, export: bool) -> PyResult<Self> {
        let Some(country) = country.filter(|country| !country.is_none()) else {
            return Ok(Self::All(if export { Hint::International } else { Hint::None }));
        };
        if export {
            return Err(PyValueError::new_err(
                "an export's numbers are international: give no country with export=True",
            ));
        }
        match country.cast::<PyString>() {
            Ok(code) => Ok(Self::All(Hint::Region(region(&code.to_cow()?)?))),
            Err(_) => Ok(Self::Countries(Alongside::new(Chunks::of(country, "country", None)?))),
        }
    }

    fn hints(&mut self, rows: usize) -> PyResult<Hints> {
        match self {
            Self::All(hint) => Ok(Hints::All(*hint)),
            Self::Countries(countries) => countries.take(rows).map(Hints::Countries),
        }
    }
}

fn region(code: &str) -> PyResult<Region> {
    let wrong = || PyValueError::new_err("a country must be two letters, such as DE");
    Region::from_code(code.as_bytes()).ok_or_else(wrong)
}

const fn checks(damage_checks: bool) -> Checks {
    if damage_checks { Checks::Damage } else { Checks::Library }
}

/// Reads a column of phone numbers.
///
/// Args:
///     phones: an Arrow array or stream of text, bytes or whole numbers (`pyarrow.Array`,
///         `polars.Series`, a DuckDB relation of one column, …). A null is rejected as `empty`.
///     country: whose national spellings count: two letters for all rows, or an Arrow array or
///         stream with a country for each row. Without one, only international spellings are read.
///     damage_checks: whether numbers that a spreadsheet damaged, fillers and several numbers in a
///         cell are rejected before libphonenumber's rules see them. Without, the decisions are
///         libphonenumber's alone.
///     export: whether numbers are a messenger's: international digits, with a plus or without.
///
/// Returns:
///     A `Normalised` with a row for each cell, in order.
///
/// Raises:
///     TypeError: an argument is not Arrow data, or holds fractions or nested values.
///     ValueError: the country is not two letters, there are not as many as phones, or the
///         producer of a stream failed. No message holds text of a cell.
#[pyfunction]
#[pyo3(signature = (phones, country=None, damage_checks=true, *, export=false))]
pub(crate) fn normalise(
    py: Python<'_>,
    phones: &Bound<'_, PyAny>,
    country: Option<&Bound<'_, PyAny>>,
    damage_checks: bool,
    export: bool,
) -> PyResult<Normalised> {
    let mut how = How::of(country, export)?;
    let mut phones = Chunks::of(phones, "phones", None)?;
    let mut parts = Vec::new();
    loop {
        let part = unlocked(py, || {
            let Some(texts) = phones.next()? else { return Ok(None) };
            let hints = how.hints(texts.len())?;
            Ok(Some(library::read_columns(&texts, &hints, checks(damage_checks))))
        })?;
        match part {
            Some(part) => parts.push(part),
            None => break,
        }
        py.check_signals()?;
    }
    if let How::Countries(countries) = mem::replace(&mut how, How::All(Hint::None)) {
        unlocked(py, || countries.finish())?;
    }
    Ok(Normalised(parts))
}

/// What one text reads as. It prints everything but the number.
#[pyclass(frozen, eq, hash, module = "phonematch")]
#[derive(PartialEq, Eq, Hash)]
pub(crate) struct Reading {
    /// The number in E.164 form; None when none was read.
    #[pyo3(get)]
    e164: Option<String>,
    /// The territory of the number's plan.
    #[pyo3(get)]
    region: Option<String>,
    /// What the number is for, in libphonenumber's words.
    #[pyo3(get)]
    r#type: Option<&'static str>,
    /// Why no number was read.
    #[pyo3(get)]
    reason: Option<&'static str>,
}

#[pymethods]
impl Reading {
    /// Whether a number was read.
    fn __bool__(&self) -> bool {
        self.e164.is_some()
    }

    fn __repr__(&self) -> String {
        match (&self.region, self.r#type, self.reason) {
            (Some(region), Some(kind), _) => {
                format!("Reading(valid, region='{region}', type='{kind}')")
            }
            (_, _, reason) => format!("Reading(reason='{}')", reason.unwrap_or_default()),
        }
    }
}

/// Reads one phone number.
///
/// Args:
///     text: the number as somebody wrote it.
///     country: whose national spellings count, two letters.
///     damage_checks: as for `normalise`.
///     export: as for `normalise`.
///
/// Returns:
///     A `Reading`: false in a condition when no number was read.
///
/// Raises:
///     ValueError: the country is not two letters, or is given with `export`.
#[pyfunction]
#[pyo3(signature = (text, country=None, damage_checks=true, *, export=false))]
pub(crate) fn read(
    py: Python<'_>,
    text: &str,
    country: Option<&str>,
    damage_checks: bool,
    export: bool,
) -> PyResult<Reading> {
    let hint = match (country, export) {
        (None, true) => Hint::International,
        (None, false) => Hint::None,
        (Some(country), false) => Hint::Region(region(country)?),
        (Some(_), true) => {
            return Err(PyValueError::new_err(
                "an export's numbers are international: give no country with export=True",
            ));
        }
    };
    let read = || library::read(text.as_bytes(), hint, checks(damage_checks));
    Ok(match unlocked(py, || Ok(read()))? {
        Ok(reading) => {
            let mut buffer = [0; E164_TEXT_LEN];
            Reading {
                e164: Some(reading.number.expose_text(&mut buffer).to_owned()),
                region: Some(reading.region.code().to_owned()),
                r#type: Some(reading.kind.name()),
                reason: None,
            }
        }
        Err(reason) => {
            Reading { e164: None, region: None, r#type: None, reason: Some(reason.name()) }
        }
    })
}
