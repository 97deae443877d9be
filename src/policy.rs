//! What the run may do with people's numbers, decided by somebody and written down.
//!
//! Every field must be given: nothing that decides about people has a default. The file's digest
//! goes into the manifest, so that a run can be held against the policy it ran under.

use serde::{Deserialize, Serialize};

use crate::consent::{BlankConsent, Purpose};
use crate::normalise::{NumberType, Reading, Region, RejectReason};

/// A policy for one purpose. The file format is TOML with these names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// The purpose it allows.
    pub purpose: Purpose,
    /// What a blank consent cell means.
    pub blank_consent: BlankConsent,
    /// Number types on a list that can be a person's, by libphonenumber's names. The export's
    /// numbers were verified by the messenger and are not asked.
    pub number_types: Vec<PersonalType>,
    /// Fewest people for each thing that may leave.
    pub floors: Floors,
    /// What may be said about a released person.
    pub attributes: AttributeRules,
    /// What an opt-out source must be.
    pub opt_outs: OptOutRules,
}

/// What kind of number can be a person's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum PersonalType {
    /// A number type, by libphonenumber's name.
    Type(NumberType),
    /// `NON_GEOGRAPHIC`: numbers of no territory (`+800`, `+870`, `+882`, `+979` and their like),
    /// which count only if their type does too.
    NonGeographic,
}

const NON_GEOGRAPHIC: &str = "NON_GEOGRAPHIC";

impl TryFrom<String> for PersonalType {
    type Error = String;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        if name == NON_GEOGRAPHIC {
            return Ok(Self::NonGeographic);
        }
        let known = NumberType::ALL.into_iter().find(|kind| kind.name() == name);
        known.map(Self::Type).ok_or_else(|| {
            let names: Vec<_> = NumberType::ALL.iter().map(|kind| kind.name()).collect();
            format!("unknown number type; known are {}, {NON_GEOGRAPHIC}", names.join(", "))
        })
    }
}

impl From<PersonalType> for String {
    fn from(kind: PersonalType) -> Self {
        match kind {
            PersonalType::Type(kind) => kind.name().to_owned(),
            PersonalType::NonGeographic => NON_GEOGRAPHIC.to_owned(),
        }
    }
}

/// Fewest distinct people, below which nothing is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Floors {
    /// Distinct readable numbers that a list must hold.
    pub list_numbers: u64,
    /// Distinct matched people, none of them barred, that a list must have to be released.
    pub matched_people: u64,
    /// People who share a combination of attributes (k of k-anonymity, Sweeney 2002).
    pub attribute_cell: u64,
}

/// Which attributes a released person may keep.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AttributeRules {
    /// Any of `region`, `os`, `os_version`, `device`; others are null for everybody.
    pub keep: Vec<Attribute>,
}

/// An attribute of a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Attribute {
    /// Territory of the number.
    Region,
    /// Operating system family.
    Os,
    /// Major version of the operating system.
    OsVersion,
    /// Device class.
    Device,
}

/// What the run does when a condition is met.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Gate {
    /// It refuses, and nothing is published.
    Refuse,
    /// It goes on: the policy says so by name.
    Allow,
}

/// What an opt-out source must be. Fail closed: the run refuses unless a gate says `allow`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OptOutRules {
    /// Oldest modification time, in hours before the run's start.
    pub max_age_hours: u64,
    /// How far a modification time may lie in the future, in minutes.
    pub future_tolerance_minutes: u64,
    /// How much smaller than in the previous run the source may be, in percent of rows.
    pub max_shrink_percent: u64,
    /// Rows that no reader can read and that the run may go on without.
    pub max_unreadable_rows: u64,
    /// No such file.
    pub when_missing: Gate,
    /// A file without a row.
    pub when_empty: Gate,
    /// Older than `max_age_hours`.
    pub when_stale: Gate,
    /// Later than now and the tolerance.
    pub when_dated_in_future: Gate,
    /// Smaller than `max_shrink_percent` allows.
    pub when_shrunken: Gate,
    /// A text file whose last row has no line end: taken for truncated.
    pub when_line_end_missing: Gate,
}

impl Policy {
    /// Whether the policy takes a number on a list for a person's, and why not.
    ///
    /// # Errors
    ///
    /// [`RejectReason::NonGeographic`] or [`RejectReason::NotPersonal`].
    pub fn check_personal(&self, reading: &Reading) -> Result<(), RejectReason> {
        let takes = |kind| self.number_types.contains(&kind);
        if reading.region == Region::WORLD && !takes(PersonalType::NonGeographic) {
            Err(RejectReason::NonGeographic)
        } else if !takes(PersonalType::Type(reading.kind)) {
            Err(RejectReason::NotPersonal)
        } else {
            Ok(())
        }
    }

    /// True when released people may keep the attribute.
    #[must_use]
    pub fn keeps(&self, attribute: Attribute) -> bool {
        self.attributes.keep.contains(&attribute)
    }
}
