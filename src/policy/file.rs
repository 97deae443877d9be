//! A policy as it is written, and what it takes to be one.

use schemars::JsonSchema;
use serde::Deserialize;

use super::figures::NoiseTable;
use super::messaging::{MessagingRules, OptInRecord};
use super::{
    ActivityRules, Attribute, AttributeRules, BudgetRules, ColumnRules, Floors, LegalBasis,
    NoiseRules, OptOutRules, PersonalType, Policy, RecycledNumbers,
};
use crate::consent::{AliasRule, AliasRules, BlankConsent, Purpose};
use crate::input::{Field, Role};
use crate::normalise::Region;

/// The file, field by field. [`Policy::try_from`] decides whether it is a policy.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(transform = super::schema::by_purpose)]
pub struct PolicyFile {
    /// The purpose that it allows.
    purpose: Purpose,
    /// Why that is lawful: a point of GDPR article 6(1), recorded in the manifest.
    legal_basis: LegalBasis,
    /// What a blank consent cell means.
    blank_consent: BlankConsent,
    /// Other forms of a number that a no reaches.
    aliases: Vec<AliasRule>,
    /// People with numbers of these regions are withheld.
    excluded_regions: Vec<RegionCode>,
    /// The only columns that a run reads; of opt-outs it reads all.
    columns: ColumnsFile,
    /// What the opt-out source must be.
    opt_outs: OptOutRules,
    /// What can be a person's number on a list, by libphonenumber's names.
    number_types: Option<Vec<PersonalType>>,
    /// What becomes of an account that is younger than the list's last contact.
    recycled_numbers: Option<RecycledNumbers>,
    /// Distinct numbers of each of a recipient's lists of a run, added up, above which none leaves.
    most_list_numbers: Option<u64>,
    /// Distinct numbers in an address book, above which its owner is suggested nobody.
    most_contacts: Option<u64>,
    /// Distinct people, below which nothing leaves.
    floors: Option<FloorsFile>,
    /// What may be shown of a released person.
    attributes: Option<AttributeRules>,
    /// What a list's count gets before its band is told.
    #[schemars(with = "Option<NoiseTable>")]
    noise: Option<NoiseRules>,
    /// How much a recipient may be told in a period.
    budget: Option<BudgetRules>,
    /// Who counts as active.
    activity: Option<ActivityRules>,
    /// Who may be written to, how often, and how many a day.
    messaging: Option<MessagingRules>,
}

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct FloorsFile {
    list_numbers: Option<u64>,
    matched_people: Option<u64>,
    attribute_cell: Option<u64>,
}

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ColumnsFile {
    accounts: Vec<AccountColumn>,
    list: Vec<ListColumn>,
}

/// A column of the export that some purpose reads.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct AccountColumn(Field);

/// A column of a list that some purpose reads.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct ListColumn(Field);

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct RegionCode(Region);

pub(super) const ACCOUNT_COLUMNS: [Field; 7] = [
    Field::Phone,
    Field::Consent,
    Field::ConsentAt,
    Field::Os,
    Field::Device,
    Field::VerifiedAt,
    Field::LastActive,
];

pub(super) const LIST_COLUMNS: [Field; 8] = [
    Field::Phone,
    Field::PhoneSha256,
    Field::Country,
    Field::ListId,
    Field::AdvertiserId,
    Field::OwnerPhone,
    Field::LastContactAt,
    Field::OptedInAt,
];

fn known_column(name: &str, known: &[Field]) -> Result<Field, String> {
    known.iter().copied().find(|field| field.name() == name).ok_or_else(|| {
        let names: Vec<_> = known.iter().map(|field| field.name()).collect();
        format!("no such column; known are {}", names.join(", "))
    })
}

impl TryFrom<String> for AccountColumn {
    type Error = String;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        known_column(&name, &ACCOUNT_COLUMNS).map(Self)
    }
}

impl TryFrom<String> for ListColumn {
    type Error = String;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        known_column(&name, &LIST_COLUMNS).map(Self)
    }
}

impl TryFrom<String> for RegionCode {
    type Error = &'static str;

    fn try_from(code: String) -> Result<Self, Self::Error> {
        let region = Region::from_code(code.as_bytes()).map(Self);
        region.ok_or("a region is two letters, such as DE")
    }
}

/// Why a file whose fields can all be read is no policy. `field` is where to look.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PolicyError {
    /// The purpose cannot do without the field.
    #[error("{} needs {field}", purpose.name())]
    Missing {
        /// The purpose.
        purpose: Purpose,
        /// The field or section.
        field: &'static str,
    },
    /// The purpose has no use for the field, so somebody thought of another one.
    #[error("{} has no {field}", purpose.name())]
    Foreign {
        /// The purpose.
        purpose: Purpose,
        /// The field or section.
        field: &'static str,
    },
    /// Two fields do not go together.
    #[error("{field}: {why}")]
    Contradiction {
        /// The one to look at.
        field: &'static str,
        /// What does not go together.
        why: &'static str,
    },
}

impl PolicyError {
    /// Where in the file to look.
    #[must_use]
    pub const fn field(&self) -> &'static str {
        match self {
            Self::Missing { field, .. }
            | Self::Foreign { field, .. }
            | Self::Contradiction { field, .. } => field,
        }
    }
}

/// Which parts of the file a purpose has. The columns of the design's table of purposes.
pub(super) struct Parts {
    pub(super) purpose: Purpose,
    pub(super) lists: bool,
    pub(super) pairs: bool,
    pub(super) list_floors: bool,
    pub(super) cells: bool,
    pub(super) attributes: bool,
    pub(super) noise: bool,
    pub(super) figures: bool,
    pub(super) activity: bool,
    pub(super) messaging: bool,
}

impl Parts {
    pub(super) const fn of(purpose: Purpose) -> Self {
        let is_ads = matches!(purpose, Purpose::Ads);
        let is_analytics = matches!(purpose, Purpose::Analytics);
        Self {
            purpose,
            lists: purpose.takes_lists(),
            pairs: purpose.takes_pairs(),
            list_floors: is_ads,
            cells: is_ads || is_analytics,
            attributes: is_ads,
            noise: is_ads || is_analytics,
            figures: is_ads,
            activity: is_analytics,
            messaging: matches!(purpose, Purpose::BusinessMessaging),
        }
    }

    /// The field when the purpose has it, and an error when it is missing or too many.
    fn hold<T>(
        &self,
        field: &'static str,
        is_asked: bool,
        given: Option<T>,
    ) -> Result<Option<T>, PolicyError> {
        let purpose = self.purpose;
        match (is_asked, given) {
            (true, None) => Err(PolicyError::Missing { purpose, field }),
            (false, Some(_)) => Err(PolicyError::Foreign { purpose, field }),
            (_, given) => Ok(given),
        }
    }

    fn floors(&self, given: Option<FloorsFile>) -> Result<Floors, PolicyError> {
        let given = self.hold("floors", self.list_floors || self.cells, given)?;
        let of = |pick: fn(&FloorsFile) -> Option<u64>| given.as_ref().and_then(pick);
        let floor = |field, is_asked, given| {
            self.hold(field, is_asked, given).map(Option::unwrap_or_default)
        };
        Ok(Floors {
            list_numbers: floor("list_numbers", self.list_floors, of(|it| it.list_numbers))?,
            matched_people: floor("matched_people", self.list_floors, of(|it| it.matched_people))?,
            attribute_cell: floor("attribute_cell", self.cells, of(|it| it.attribute_cell))?,
        })
    }
}

impl TryFrom<PolicyFile> for Policy {
    type Error = PolicyError;

    fn try_from(file: PolicyFile) -> Result<Self, PolicyError> {
        let parts = Parts::of(file.purpose);
        let number_types = parts.hold("number_types", parts.lists, file.number_types)?;
        let recycled = parts.hold("recycled_numbers", parts.lists, file.recycled_numbers)?;
        let most = parts.hold("most_list_numbers", parts.list_floors, file.most_list_numbers)?;
        let most_contacts = parts.hold("most_contacts", parts.pairs, file.most_contacts)?;
        let attributes = parts.hold("attributes", parts.attributes, file.attributes)?;
        let noise = parts.hold("noise", parts.noise, file.noise)?;
        let mut is_charged = false;
        if let Some(NoiseRules::Added(added)) = noise {
            parts.hold("repeat_below", parts.figures, added.repeat_below)?;
            is_charged = parts.figures;
        }
        let policy = Self {
            purpose: file.purpose,
            legal_basis: file.legal_basis,
            blank_consent: file.blank_consent,
            aliases: AliasRules::of(&file.aliases),
            excluded_regions: file.excluded_regions.iter().map(|code| code.0).collect(),
            number_types: number_types.unwrap_or_default(),
            recycled_numbers: recycled.unwrap_or(RecycledNumbers::Withhold),
            most_list_numbers: most,
            most_contacts,
            columns: ColumnRules {
                accounts: file.columns.accounts.iter().map(|column| column.0).collect(),
                list: file.columns.list.iter().map(|column| column.0).collect(),
            },
            floors: parts.floors(file.floors)?,
            attributes: attributes.unwrap_or(AttributeRules { keep: Vec::new() }),
            noise,
            budget: parts.hold("budget", is_charged, file.budget)?,
            activity: parts.hold("activity", parts.activity, file.activity)?,
            messaging: parts.hold("messaging", parts.messaging, file.messaging)?,
            opt_outs: file.opt_outs,
        };
        check_consent(&policy)?;
        check_columns(&policy)?;
        check_list_numbers(&policy)?;
        check_messaging(&policy)?;
        check_budget(&policy)?;
        Ok(policy)
    }
}

fn contradiction(field: &'static str, why: &'static str) -> PolicyError {
    PolicyError::Contradiction { field, why }
}

fn demand(holds: bool, field: &'static str, why: &'static str) -> Result<(), PolicyError> {
    if holds { Ok(()) } else { Err(contradiction(field, why)) }
}

fn check_consent(policy: &Policy) -> Result<(), PolicyError> {
    let asks = policy.blank_consent != BlankConsent::NotAsked;
    let purpose_asks = policy.purpose.asks_consent();
    demand(
        asks || !purpose_asks,
        "blank_consent",
        "not_asked asks nobody's consent, which the purpose needs: say allowed or barred",
    )?;
    demand(!asks || purpose_asks, "blank_consent", "the purpose asks nobody: say not_asked")?;
    let by_consent = policy.legal_basis == LegalBasis::Consent;
    demand(asks || !by_consent, "legal_basis", "consent is no basis where nobody is asked")?;
    demand(
        policy.blank_consent != BlankConsent::Allowed || !by_consent,
        "legal_basis",
        "silence is no consent (GDPR recital 32): name the basis of the opt-out model, or say \
         blank_consent = \"barred\"",
    )
}

fn check_columns(policy: &Policy) -> Result<(), PolicyError> {
    let accounts = |field| policy.columns.allow(Role::Accounts, field);
    let list = |field| policy.columns.allow(Role::List, field);
    let (lists, purpose) = (policy.purpose.takes_lists(), policy.purpose);
    let keeps = |attribute| policy.keeps(attribute);
    demand(accounts(Field::Phone), "columns", "without accounts' phone nobody is known")?;
    demand(
        accounts(Field::Consent) || !purpose.asks_consent(),
        "columns",
        "the purpose asks for consent: accounts need the column consent",
    )?;
    demand(
        accounts(Field::LastActive) || policy.activity.is_none(),
        "columns",
        "activity is counted by accounts' last_active",
    )?;
    let has_phones = list(Field::Phone) || list(Field::PhoneSha256);
    demand(has_phones || !lists, "columns", "a list needs phone or phone_sha256")?;
    demand(lists || policy.columns.list.is_empty(), "columns", "the purpose reads no list")?;
    demand(
        list(Field::OwnerPhone) == purpose.takes_pairs(),
        "columns",
        "owner_phone is for lists of friend_suggestions, which need it",
    )?;
    let guards = lists && policy.recycled_numbers == RecycledNumbers::Withhold;
    demand(
        !guards || (accounts(Field::VerifiedAt) && list(Field::LastContactAt)),
        "recycled_numbers",
        "to tell them, columns need accounts' verified_at and lists' last_contact_at",
    )?;
    let shows_os = keeps(Attribute::Os) || keeps(Attribute::OsVersion);
    demand(accounts(Field::Os) || !shows_os, "attributes", "os needs accounts' column os")?;
    let has_device = accounts(Field::Device) || !keeps(Attribute::Device);
    demand(has_device, "attributes", "device needs accounts' column device")?;
    let version_alone = keeps(Attribute::OsVersion) && !keeps(Attribute::Os);
    demand(!version_alone, "attributes", "os_version says nothing without os")
}

fn check_list_numbers(policy: &Policy) -> Result<(), PolicyError> {
    demand(
        policy.most_contacts.is_none_or(|most| most > 0),
        "most_contacts",
        "whoever may have no contacts is suggested nobody",
    )?;
    demand(
        policy.most_list_numbers.is_none_or(|most| most >= policy.floors.list_numbers),
        "most_list_numbers",
        "a list cannot be as long as floors.list_numbers asks and as short as this allows",
    )
}

fn check_budget(policy: &Policy) -> Result<(), PolicyError> {
    let (Some(NoiseRules::Added(noise)), Some(budget)) = (policy.noise, policy.budget) else {
        return Ok(());
    };
    demand(
        noise.micro_rho() <= budget.micro_rho,
        "micro_rho",
        "the budget does not pay for a single figure: more of it, or a larger spread",
    )
}

fn check_messaging(policy: &Policy) -> Result<(), PolicyError> {
    let Some(rules) = &policy.messaging else { return Ok(()) };
    let list = |field| policy.columns.allow(Role::List, field);
    demand(rules.waves > 0, "waves", "messages that are spread over no day are never sent")?;
    demand(rules.waves <= 366, "waves", "more than a year of waves is a mistake")?;
    demand(rules.per_person_days > 0, "per_person_days", "a cap holds for a day at least")?;
    demand(
        list(Field::OptedInAt) || !rules.takes(OptInRecord::List),
        "opt_in_records",
        "a list's opt-in stands in its column opted_in_at, which columns do not allow",
    )?;
    demand(
        policy.columns.allow(Role::Accounts, Field::ConsentAt) || !rules.takes(OptInRecord::Export),
        "opt_in_records",
        "the export's yes has its date in its column consent_at, which columns do not allow",
    )?;
    let mut ids: Vec<_> = rules.businesses.iter().map(|business| &business.id).collect();
    ids.sort_unstable();
    let twice = ids.windows(2).any(|two| two[0] == two[1]);
    demand(!twice, "businesses", "a business stands there twice")
}
