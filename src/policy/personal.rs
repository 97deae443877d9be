//! Which numbers on a list can be a person's.

use serde::{Deserialize, Serialize};

use super::Policy;
use crate::normalise::{NumberType, Reading, Region, RejectReason};

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
}
