//! May this person be used for this purpose?
//!
//! Consent is on the **person's number**, not on the row: one denied account row, one opt-out, in
//! any file, in any order and under any alias, bars the number for the whole run. A value that
//! nobody can read is a denial. What a blank means is the policy's to say.
//!
//! It promises: a [`Permitted`] exists only for a row that may be used as far as the row itself
//! and the suppression list go; that no *other* row denies is settled in `join`, where a barred
//! bit outranks a matched one. It leaves to others which numbers are read (`normalise`).

mod aliases;
mod suppression;

use serde::{Deserialize, Serialize};

use crate::normalise::{E164, Reading};

pub use aliases::Aliases;
pub use suppression::{NumbersToBar, OptOutRow, SuppressionReader, Suppressions, numbers_to_bar};

/// What a run uses people's numbers for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// Custom audiences for advertisers.
    Ads,
    /// Suggestions of people one may know.
    FriendSuggestions,
    /// Counts of active people.
    Analytics,
    /// Accounts on an abuse list.
    AntiSpam,
    /// Messages from businesses.
    BusinessMessaging,
}

impl Purpose {
    /// All five.
    pub const ALL: [Self; 5] = [
        Self::Ads,
        Self::FriendSuggestions,
        Self::Analytics,
        Self::AntiSpam,
        Self::BusinessMessaging,
    ];

    /// The name in job files, policies, opt-out rows and column names (`consent_ads`).
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ads => "ads",
            Self::FriendSuggestions => "friend_suggestions",
            Self::Analytics => "analytics",
            Self::AntiSpam => "anti_spam",
            Self::BusinessMessaging => "business_messaging",
        }
    }

    /// The purpose with that name, in any case, with blanks or hyphens for underscores.
    #[must_use]
    pub fn from_name(name: &[u8]) -> Option<Self> {
        let same = |known: &Self| {
            let known = known.name().as_bytes();
            known.len() == name.len()
                && known.iter().zip(name).all(|(known, byte)| match byte {
                    b' ' | b'-' => *known == b'_',
                    other => *known == other.to_ascii_lowercase(),
                })
        };
        Self::ALL.into_iter().find(same)
    }
}

/// What an account row says about a purpose.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Consent {
    /// Yes.
    Granted,
    /// No.
    Denied,
    /// Nothing: the policy's model decides.
    Blank,
    /// Something nobody can read: no.
    Unreadable,
}

impl Consent {
    /// Reads a consent cell, in any case, blanks around it aside.
    #[must_use]
    pub fn from_cell(cell: &[u8]) -> Self {
        const GRANTED: [&[u8]; 15] = [
            b"granted",
            b"true",
            b"t",
            b"1",
            b"yes",
            b"y",
            b"opt_in",
            b"opt-in",
            b"optin",
            b"opted_in",
            b"in",
            b"allow",
            b"allowed",
            b"on",
            b"consented",
        ];
        const DENIED: [&[u8]; 18] = [
            b"denied",
            b"false",
            b"f",
            b"0",
            b"no",
            b"n",
            b"opt_out",
            b"opt-out",
            b"optout",
            b"opted_out",
            b"out",
            b"deny",
            b"off",
            b"refused",
            b"withdrawn",
            b"revoked",
            b"none",
            b"objected",
        ];
        const BLANK: [&[u8]; 3] = [b"unspecified", b"null", b"unset"];
        let cell = cell.trim_ascii();
        let is_one_of = |words: &[&[u8]]| words.iter().any(|word| word.eq_ignore_ascii_case(cell));
        if cell.is_empty() || is_one_of(&BLANK) {
            Self::Blank
        } else if is_one_of(&GRANTED) {
            Self::Granted
        } else if is_one_of(&DENIED) {
            Self::Denied
        } else {
            Self::Unreadable
        }
    }
}

/// What a blank consent cell means for a purpose.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BlankConsent {
    /// Opt-out model: who said nothing may be used.
    Allowed,
    /// Opt-in model: who said nothing may not.
    Barred,
    /// The purpose asks for no consent and no column is read (legitimate interest, recorded).
    NotAsked,
}

/// Why a row that was read may not be used.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum BarReason {
    /// The row denies.
    Denied,
    /// The row's consent cell cannot be read, which counts as a denial.
    Unreadable,
    /// The row says nothing and the policy asks for a yes.
    Blank,
    /// The number, or an alias of it, is on the suppression list.
    OptedOut,
    /// Another row, or an opt-out of another form, bars the number.
    Elsewhere,
}

impl BarReason {
    /// All reasons.
    pub const ALL: [Self; 5] =
        [Self::Denied, Self::Unreadable, Self::Blank, Self::OptedOut, Self::Elsewhere];

    /// The name in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Denied => "denied",
            Self::Unreadable => "unreadable_consent",
            Self::Blank => "no_consent",
            Self::OptedOut => "opted_out",
            Self::Elsewhere => "barred_elsewhere",
        }
    }
}

/// A row whose number may be looked up, as far as the row and the suppression list go.
///
/// Only [`decide`] makes one, and `join` takes nothing else.
#[derive(Clone, Copy, Debug)]
pub struct Permitted {
    reading: Reading,
}

impl Permitted {
    /// The number that may be looked up.
    #[must_use]
    pub const fn number(self) -> E164 {
        self.reading.number
    }

    /// The whole reading.
    #[must_use]
    pub const fn reading(self) -> Reading {
        self.reading
    }
}

/// Decides about one account row.
///
/// The opt-out outranks consent: a person who left everywhere may still hold a stale yes.
///
/// # Errors
///
/// The [`BarReason`]; every reason but [`BarReason::OptedOut`] makes the number's whole alias
/// class barred for the run, which is the caller's to carry out.
pub fn decide(
    reading: Reading,
    consent: Consent,
    blank: BlankConsent,
    suppressions: &Suppressions,
) -> Result<Permitted, BarReason> {
    if suppressions.bar_number(reading.number) {
        return Err(BarReason::OptedOut);
    }
    objection(consent, blank).map_or(Ok(Permitted { reading }), Err)
}

/// Why a row with this consent cell bars its number, if it does.
#[must_use]
pub const fn objection(consent: Consent, blank: BlankConsent) -> Option<BarReason> {
    match (blank, consent) {
        (BlankConsent::NotAsked, _)
        | (_, Consent::Granted)
        | (BlankConsent::Allowed, Consent::Blank) => None,
        (BlankConsent::Barred, Consent::Blank) => Some(BarReason::Blank),
        (_, Consent::Denied) => Some(BarReason::Denied),
        (_, Consent::Unreadable) => Some(BarReason::Unreadable),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn consent_is_read_from_its_usual_spellings() {
        for (cell, expected) in [
            (&b"Granted"[..], Consent::Granted),
            (b" 1 ", Consent::Granted),
            (b"OPT_OUT", Consent::Denied),
            (b"no", Consent::Denied),
            (b"", Consent::Blank),
            (b"UNSPECIFIED", Consent::Blank),
            (b"maybe", Consent::Unreadable),
            (b"\xff", Consent::Unreadable),
        ] {
            assert_eq!(Consent::from_cell(cell), expected);
        }
    }

    #[test]
    fn purposes_are_known_by_their_names_only() {
        assert_eq!(Purpose::from_name(b"Friend-Suggestions"), Some(Purpose::FriendSuggestions));
        assert_eq!(Purpose::from_name(b"advertising"), None);
    }
}
