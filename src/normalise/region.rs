//! Regions and number types, as libphonenumber names them.

use std::fmt;

/// A territory with a numbering plan: an ISO 3166-1 alpha-2 code as libphonenumber spells it
/// (with `XK`, `AC`, `TA`), or [`Region::WORLD`] for the calling codes of no territory.
///
/// It says nothing about who a person is beyond what a calling code says, so it may be printed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Region([u8; 2]);

impl Region {
    /// Numbers of no territory: `+800`, `+870`, `+882` and the like. libphonenumber writes `001`.
    pub const WORLD: Self = Self(*b"01");

    /// Two ASCII letters in any case; `None` for anything else.
    ///
    /// Whether libphonenumber knows the territory is not asked here: an unknown one reads
    /// international spellings only, as no default region would.
    #[must_use]
    pub fn from_code(code: &[u8]) -> Option<Self> {
        match code.trim_ascii() {
            [a, b] if a.is_ascii_alphabetic() && b.is_ascii_alphabetic() => {
                Some(Self([a.to_ascii_uppercase(), b.to_ascii_uppercase()]))
            }
            _ => None,
        }
    }

    /// The code as libphonenumber writes it: two capitals, or `001`.
    #[must_use]
    pub fn code(&self) -> &str {
        if *self == Self::WORLD { "001" } else { std::str::from_utf8(&self.0).unwrap_or("ZZ") }
    }

    /// Two bytes for compact storage; [`Region::from_bytes`] reads them back.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 2] {
        self.0
    }

    /// The inverse of [`Region::to_bytes`].
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 2]) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl fmt::Debug for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// What a number is for, with libphonenumber's twelve types and their names.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum NumberType {
    /// Fixed line.
    FixedLine,
    /// Mobile.
    Mobile,
    /// The plan does not tell fixed line from mobile (North America, for one).
    FixedLineOrMobile,
    /// Free for the caller.
    TollFree,
    /// Premium rate.
    PremiumRate,
    /// The cost is shared.
    SharedCost,
    /// Voice over IP.
    Voip,
    /// Follows a person from line to line.
    PersonalNumber,
    /// Pager.
    Pager,
    /// Universal access number of a company.
    Uan,
    /// Voicemail access.
    Voicemail,
    /// Valid, but of no type that the plan lists.
    Unknown,
}

impl NumberType {
    /// All types, in libphonenumber's order.
    pub const ALL: [Self; 12] = [
        Self::FixedLine,
        Self::Mobile,
        Self::FixedLineOrMobile,
        Self::TollFree,
        Self::PremiumRate,
        Self::SharedCost,
        Self::Voip,
        Self::PersonalNumber,
        Self::Pager,
        Self::Uan,
        Self::Voicemail,
        Self::Unknown,
    ];

    /// libphonenumber's name of the type, as the Python and Java ports print it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::FixedLine => "FIXED_LINE",
            Self::Mobile => "MOBILE",
            Self::FixedLineOrMobile => "FIXED_LINE_OR_MOBILE",
            Self::TollFree => "TOLL_FREE",
            Self::PremiumRate => "PREMIUM_RATE",
            Self::SharedCost => "SHARED_COST",
            Self::Voip => "VOIP",
            Self::PersonalNumber => "PERSONAL_NUMBER",
            Self::Pager => "PAGER",
            Self::Uan => "UAN",
            Self::Voicemail => "VOICEMAIL",
            Self::Unknown => "UNKNOWN",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_read_in_any_case_and_written_in_capitals() {
        assert_eq!(Region::from_code(b" de ").unwrap().code(), "DE");
        assert_eq!(Region::WORLD.code(), "001");
        for bad in [&b""[..], b"D", b"DEU", b"D1", "Ü".as_bytes()] {
            assert_eq!(Region::from_code(bad), None);
        }
    }
}
