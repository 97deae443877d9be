//! What the run may do with people's numbers, decided by somebody and written down.
//!
//! A policy is a TOML file for one purpose. Nothing in it has a default: a field that the purpose
//! needs must be there, and one that it does not need, or that nobody knows, is refused. The
//! file's digest goes into the manifest, so that a run can be held against the policy it ran
//! under. One for each purpose stands under `fixtures/policies/`.
//!
//! ```toml
//! purpose = "ads"                      # friend_suggestions | analytics | anti_spam | business_messaging
//! legal_basis = "legitimate_interest"  # GDPR article 6(1), recorded in the manifest: consent |
//!                                      # contract | legal_obligation | public_task | ...
//! blank_consent = "allowed"            # who said nothing: allowed (opt-out model), barred (opt-in
//!                                      # model), not_asked (analytics and anti_spam)
//! aliases = ["mexico_1", "argentina_9", "brazil_9", "ivory_coast_2021", "benin_2024", "italy_0"]
//!                                      # other forms of a number that a no reaches
//! excluded_regions = ["KP"]            # people with numbers of these are withheld; may be []
//! number_types = ["MOBILE", "VOIP"]    # what can be a person's on a list; not for analytics
//! recycled_numbers = "withhold"        # | release: an account verified after the list's last
//!                                      # contact is another person's; not for analytics
//! most_list_numbers = 10000000         # ads: numbers of each of a recipient's lists of a run,
//!                                      # added up; whoever brings more is told nothing of any
//! most_contacts = 10000                # friend_suggestions: distinct numbers of an address book;
//!                                      # whoever has more there is suggested nobody
//!
//! [columns]                            # the only columns a run reads; a job that maps another is
//! accounts = ["phone", "consent", "os", "device", "verified_at"]          # refused. Of opt-outs
//! list = ["phone", "phone_sha256", "country", "list_id", "last_contact_at"]  # all are read
//!
//! [floors]                             # fewest people; ads, and attribute_cell for analytics
//! list_numbers = 100                   # distinct readable numbers of a list
//! matched_people = 100                 # distinct people who may leave
//! attribute_cell = 50                  # people who share what is shown of them
//!
//! [attributes]                         # ads
//! keep = ["region", "os"]              # of region, os, os_version, device
//!
//! [noise]                              # what a count gets before it is told: of ads a list's, before
//!                                      # its band; of analytics a cell's
//! distribution = "discrete_gaussian"   # | discrete_laplace | none, which stands alone: exact
//!                                      # bands, no ledger, and an alarm in every run
//! spread = 10                          # in people: the Gaussian's σ, the Laplace's b
//! edge_exponent = 9                    # 10^-9: how often the exact floor may show through
//! repeat_below = 50                    # ads: a list that differs from an earlier one by fewer numbers
//!                                      # is told that one's figure; 1 to 1000
//!
//! [budget]                             # ads, where noise is added
//! micro_rho = 100000                   # millionths of zCDP's ρ that a recipient's figures in a
//!                                      # period may cost; one costs 1 / 2σ², here 5000
//! period_days = 30                     # the period; and how long a figure is repeated
//!
//! [activity]                           # analytics
//! within_days = 30                     # active: seen so many days ago or fewer
//!
//! [messaging]                          # business_messaging
//! opt_in_records = ["list", "export"]  # where an opt-in may stand: opted_in_at of the list, a
//!                                      # yes in the export's consent column and its consent_at
//! opted_in_within_days = 365           # an older opt-in is none, in either; one without a date too
//! contacted_within_days = 30           # last_contact_at of the list is so many days ago or fewer
//! cool_down_days = 7                   # between two messages of one business to one person
//! most_per_person = 3                  # messages of all businesses to one person ...
//! per_person_days = 7                  # ... in so many days
//! waves = 3                            # nights over which a list is spread: a run sends one wave
//! [[messaging.businesses]]             # the pilot: nobody else's list leaves
//! id = "acme"                          # its name as the recipient of a list
//! tier = 250                           # people a day: 250, 2000, 10000 or 100000
//!
//! [opt_outs]                           # what the source must be; "allow" opens a gate by name
//! max_age_hours = 26
//! future_tolerance_minutes = 10
//! max_shrink_percent = 10
//! max_unreadable_rows = 0
//! when_missing = "refuse"
//! when_empty = "refuse"
//! when_stale = "refuse"
//! when_dated_in_future = "refuse"
//! when_shrunken = "refuse"
//! when_line_end_missing = "refuse"
//! ```
//!
//! A policy that contradicts itself is refused too: see [`PolicyError`].

mod figures;
mod file;
mod messaging;
mod personal;
mod schema;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::consent::{AliasRules, BlankConsent, Purpose, Signal};
use crate::input::{Field, Role};
use crate::normalise::Region;

pub use figures::{AddedNoise, BudgetRules, NoiseRules};
pub use file::{PolicyError, PolicyFile};
pub use messaging::{Business, MessagingRules, OptInRecord, Tier};
pub use personal::PersonalType;

/// A policy for one purpose, whole and without contradiction. What a purpose does not ask for
/// decides nothing here: no list, a floor of zero, no attribute.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "PolicyFile")]
pub struct Policy {
    /// The purpose it allows.
    pub purpose: Purpose,
    /// Why the purpose is lawful, as somebody decided.
    pub legal_basis: LegalBasis,
    /// What a blank consent cell means.
    pub blank_consent: BlankConsent,
    /// Which other forms of a number a no reaches.
    pub aliases: AliasRules,
    /// Regions whose numbers are withheld.
    pub excluded_regions: Vec<Region>,
    /// Number types on a list that can be a person's, by libphonenumber's names. The export's
    /// numbers were verified by the messenger and are not asked.
    pub number_types: Vec<PersonalType>,
    /// What becomes of an account that is younger than the list's last contact.
    pub recycled_numbers: RecycledNumbers,
    /// Most distinct numbers of each of a recipient's lists, added up, in a run: whoever brings more
    /// is not asking about customers. None where no recipient learns anything of a list.
    pub most_list_numbers: Option<u64>,
    /// Most distinct numbers of a person's address book, in all lists: whoever brings more is not
    /// asking about friends. None where lists are no address books.
    pub most_contacts: Option<u64>,
    /// What a run may read.
    pub columns: ColumnRules,
    /// Fewest people for each thing that may leave.
    pub floors: Floors,
    /// What may be said about a released person.
    pub attributes: AttributeRules,
    /// What is done to a count before its recipient may know of it, where one may.
    pub noise: Option<NoiseRules>,
    /// How many such figures a recipient may have; there where noise is added.
    pub budget: Option<BudgetRules>,
    /// Who counts as active, where that is asked.
    pub activity: Option<ActivityRules>,
    /// Who may be written to, where that is asked.
    pub messaging: Option<MessagingRules>,
    /// What an opt-out source must be.
    pub opt_outs: OptOutRules,
}

/// Why a purpose is lawful: the points of GDPR article 6(1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LegalBasis {
    /// (a) The person said yes.
    Consent,
    /// (b) A contract with the person needs it.
    Contract,
    /// (c) A law demands it.
    LegalObligation,
    /// (d) A life depends on it.
    VitalInterests,
    /// (e) A public authority's task.
    PublicTask,
    /// (f) Somebody's interest, weighed against the person's.
    LegitimateInterest,
}

/// What becomes of a number that may have changed hands: its account was verified after the
/// list's owner last dealt with its customer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RecycledNumbers {
    /// It stays in, where both dates are there.
    Withhold,
    /// It leaves like any other.
    Release,
}

/// The columns that a run may read, by role. What can only say no is always read: the opt-outs,
/// and the export's signals of other systems ([`Signal`]).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnRules {
    /// Of the export.
    pub accounts: Vec<Field>,
    /// Of lists.
    pub list: Vec<Field>,
}

impl ColumnRules {
    /// Whether a run may read a field of a role.
    #[must_use]
    pub fn allow(&self, role: Role, field: Field) -> bool {
        match role {
            Role::Accounts => self.accounts.contains(&field) || Signal::of_field(field).is_some(),
            Role::List => self.list.contains(&field),
            Role::OptOuts => true,
        }
    }
}

/// Fewest distinct people, below which nothing is told. Zero where the purpose has no such floor.
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AttributeRules {
    /// Any of `region`, `os`, `os_version`, `device`; others are null for everybody.
    pub keep: Vec<Attribute>,
}

/// An attribute of a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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

/// Who counts as active.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ActivityRules {
    /// Seen so many days before the run's day, or fewer.
    pub within_days: u32,
}

/// What the run does when a condition is met.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Gate {
    /// It refuses, and nothing is published.
    Refuse,
    /// It goes on: the policy says so by name.
    Allow,
}

/// What an opt-out source must be. Fail closed: the run refuses unless a gate says `allow`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
    /// True when released people may keep the attribute.
    #[must_use]
    pub fn keeps(&self, attribute: Attribute) -> bool {
        self.attributes.keep.contains(&attribute)
    }

    /// True when people with numbers of the region are withheld.
    #[must_use]
    pub fn excludes(&self, region: Region) -> bool {
        self.excluded_regions.contains(&region)
    }
}
