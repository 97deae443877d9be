//! The five purposes, and what sets them apart.
//!
//! They are rows of one table (design §5) and not five programs: the stages ask a purpose these
//! questions, and the policy the rest.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a run uses people's numbers for.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize, JsonSchema,
)]
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

    /// Whether people are asked: else the policy's legal basis carries it alone, and only an
    /// opt-out bars.
    #[must_use]
    pub const fn asks_consent(self) -> bool {
        match self {
            Self::Ads | Self::FriendSuggestions | Self::BusinessMessaging => true,
            Self::Analytics | Self::AntiSpam => false,
        }
    }

    /// Whether there are lists to match; else the export is counted.
    #[must_use]
    pub const fn takes_lists(self) -> bool {
        !matches!(self, Self::Analytics)
    }

    /// Whether lists are people's address books, and each row a pair: whose contact, and who it is.
    #[must_use]
    pub const fn takes_pairs(self) -> bool {
        matches!(self, Self::FriendSuggestions)
    }

    /// Whether what comes out hangs on who a person is over all lists: pairs of them, and messages.
    #[must_use]
    pub const fn joins_people(self) -> bool {
        matches!(self, Self::FriendSuggestions | Self::BusinessMessaging)
    }

    /// Whether somebody outside gets files of their own.
    #[must_use]
    pub const fn has_advertiser(self) -> bool {
        matches!(self, Self::Ads)
    }
}
