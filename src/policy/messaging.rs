//! Who may be written to by a business, how often, and how many a day.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::job::Identifier;

/// The business-messaging pilot's rules.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MessagingRules {
    /// Where an opt-in may stand.
    pub opt_in_records: Vec<OptInRecord>,
    /// An opt-in that is older, by the list's `opted_in_at` or the export's `consent_at`, is none any
    /// more; nor is one whose date is blank, cannot be read or lies ahead.
    pub opted_in_within_days: u32,
    /// The person may be answered so many days after the list's `last_contact_at`.
    pub contacted_within_days: u32,
    /// Days between two messages of one business to one person.
    pub cool_down_days: u32,
    /// Most messages of all businesses to one person ...
    pub most_per_person: u32,
    /// ... in so many days.
    pub per_person_days: u32,
    /// Nights over which a list is spread: a run sends one wave, and each comes round in so many days.
    pub waves: u32,
    /// The pilot: lists of no other recipient leave.
    pub businesses: Vec<Business>,
}

/// Where an opt-in may stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OptInRecord {
    /// The list's `opted_in_at`.
    List,
    /// A yes in the export's consent column, with its date in `consent_at`.
    Export,
}

/// A business of the pilot.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Business {
    /// Its name as the recipient of lists.
    #[serde(deserialize_with = "identifier")]
    #[schemars(with = "String", regex(pattern = "^[A-Za-z0-9._-]{1,64}$"))]
    pub id: Identifier,
    /// How many people it may write to a day.
    pub tier: Tier,
}

/// How many people a business may write to a day: 250, 2 000, 10 000 or 100 000.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "u64")]
pub struct Tier(u64);

impl Tier {
    pub(super) const ALL: [u64; 4] = [250, 2_000, 10_000, 100_000];

    /// People a day.
    #[must_use]
    pub const fn people_a_day(self) -> u64 {
        self.0
    }
}

impl TryFrom<u64> for Tier {
    type Error = &'static str;

    fn try_from(people: u64) -> Result<Self, Self::Error> {
        let known = Self::ALL.contains(&people);
        known.then_some(Self(people)).ok_or("a tier is 250, 2000, 10000 or 100000 people a day")
    }
}

impl MessagingRules {
    /// The tier of a business of the pilot; none for any other.
    #[must_use]
    pub fn tier(&self, business: &Identifier) -> Option<Tier> {
        self.businesses.iter().find(|known| known.id == *business).map(|known| known.tier)
    }

    /// Whether an opt-in may stand there.
    #[must_use]
    pub fn takes(&self, record: OptInRecord) -> bool {
        self.opt_in_records.contains(&record)
    }
}

fn identifier<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Identifier, D::Error> {
    let text = String::deserialize(from)?;
    Identifier::from_text(text.as_bytes()).ok_or_else(|| {
        serde::de::Error::custom("an id is 1 to 64 of A-Z a-z 0-9 . _ - and no phone number")
    })
}
