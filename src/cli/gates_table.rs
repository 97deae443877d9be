//! `[gates]` of a job file: what a run's figures must be to be published.

use phonematch::job::Gates;
use phonematch::share::Share;
use schemars::JsonSchema;
use serde::Deserialize;

use super::failure::Failure;
use super::job_file::wrong;

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GatesTable {
    /// Most rows of an input that cannot be read, 0 to 1.
    #[schemars(with = "Option<f64>", range(min = 0, max = 1))]
    max_reject_rate: Option<Rate>,
    /// Least of a list file's numbers that are matched, 0 to 1.
    #[schemars(with = "Option<f64>", range(min = 0, max = 1))]
    min_match_rate: Option<Rate>,
    /// Most of a list file's numbers that are matched, 0 to 1.
    #[schemars(with = "Option<f64>", range(min = 0, max = 1))]
    max_match_rate: Option<Rate>,
    /// Most that rows of the export, rows of all lists and matches change, such as 0.3.
    #[schemars(with = "Option<f64>", range(min = 0))]
    max_change_since_last_run: Option<Change>,
}

/// A part of a whole.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "f64")]
struct Rate(Share);

/// A part of what was there before; something may well grow to the threefold.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "f64")]
struct Change(Share);

impl TryFrom<f64> for Rate {
    type Error = &'static str;

    fn try_from(number: f64) -> Result<Self, Self::Error> {
        let rate = Share::from_fraction(number).filter(|&share| share <= Share::WHOLE);
        rate.map(Self).ok_or("a rate is a number from 0 to 1, such as 0.05 for 5 %")
    }
}

impl TryFrom<f64> for Change {
    type Error = &'static str;

    fn try_from(number: f64) -> Result<Self, Self::Error> {
        let change = Share::from_fraction(number).map(Self);
        change.ok_or("a change is a number from 0, such as 0.2 for 20 % more or less")
    }
}

pub fn gates(table: &GatesTable) -> Result<Gates, Failure> {
    let rate = |rate: Option<Rate>| rate.map(|Rate(share)| share);
    let gates = Gates {
        max_reject_rate: rate(table.max_reject_rate),
        min_match_rate: rate(table.min_match_rate),
        max_match_rate: rate(table.max_match_rate),
        max_change_since_last_run: table.max_change_since_last_run.map(|Change(share)| share),
    };
    match (gates.min_match_rate, gates.max_match_rate) {
        (Some(min), Some(max)) if min > max => {
            let why = "gates.min_match_rate is above gates.max_match_rate: no list could pass";
            Err(wrong(why).about("gates.min_match_rate"))
        }
        _ => Ok(gates),
    }
}
