//! Match narrow, suppress wide: every other number that an opt-out of one must bar.
//!
//! Numbering plans changed and people kept writing the old form; an opt-out in one form and an
//! account in the other are one person. A number *matches* only in its canonical form. A bar
//! covers the whole class here. A wrong extra alias costs one match; a missing one costs a
//! person's no. The classes:
//!
//! | calling code | forms | source |
//! |---|---|---|
//! | 52 Mexico | ten digits, or 1 and ten | IFT, dialling plan of 3 August 2019 |
//! | 54 Argentina | ten digits, or 9 and ten (mobile from abroad) | ENACOM, ITU E.164 plan of Argentina |
//! | 55 Brazil | area code and eight digits, or 9 before the eight | Anatel, Resolution 553/2010 |
//! | 225 Ivory Coast | eight digits, or ten since 31 January 2021 | ARTCI, ITU national plan |
//! | 229 Benin | eight digits, or 01 and eight since 30 November 2024 | ARCEP Benin, ITU national plan |
//! | 39 Italy | with and without the leading zero | AGCOM, plan of 1998 |

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::digits::{MOST_DIGITS, append, decimal};

/// A family of other forms, by its name in policies.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub enum AliasRule {
    /// With and without the 1 behind Mexico's calling code.
    #[serde(rename = "mexico_1")]
    Mexico,
    /// With and without the 9 behind Argentina's.
    #[serde(rename = "argentina_9")]
    Argentina,
    /// Brazil with and without the ninth digit.
    #[serde(rename = "brazil_9")]
    Brazil,
    /// Ivory Coast before and after 2021.
    #[serde(rename = "ivory_coast_2021")]
    IvoryCoast,
    /// Benin before and after 2024.
    #[serde(rename = "benin_2024")]
    Benin,
    /// Italy with and without the leading zero.
    #[serde(rename = "italy_0")]
    Italy,
}

/// Which families a no reaches, as the policy says.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(from = "Vec<AliasRule>", into = "Vec<AliasRule>")]
pub struct AliasRules(u8);

impl AliasRule {
    const ALL: [Self; 6] =
        [Self::Mexico, Self::Argentina, Self::Brazil, Self::IvoryCoast, Self::Benin, Self::Italy];

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

impl AliasRules {
    /// Every family there is.
    pub const ALL: Self = Self(0b11_1111);

    /// These families.
    #[must_use]
    pub fn of(rules: &[AliasRule]) -> Self {
        Self(rules.iter().fold(0, |bits, rule| bits | rule.bit()))
    }

    const fn has(self, rule: AliasRule) -> bool {
        self.0 & rule.bit() != 0
    }
}

impl From<Vec<AliasRule>> for AliasRules {
    fn from(rules: Vec<AliasRule>) -> Self {
        Self::of(&rules)
    }
}

impl From<AliasRules> for Vec<AliasRule> {
    fn from(rules: AliasRules) -> Self {
        AliasRule::ALL.into_iter().filter(|&rule| rules.has(rule)).collect()
    }
}

/// Most members of a class.
const MOST_ALIASES: usize = 8;

/// A number's class: itself first, then its aliases. Values are calling code and national digits
/// as one integer; an alias need not be a valid number.
#[derive(Clone, Copy)]
pub struct Aliases {
    digits: [u64; MOST_ALIASES],
    len: usize,
}

impl Aliases {
    /// The class of `digits` by every family.
    #[must_use]
    pub fn of(digits: u64) -> Self {
        Self::by(AliasRules::ALL, digits)
    }

    /// The class of `digits` by some families.
    #[must_use]
    pub fn by(rules: AliasRules, digits: u64) -> Self {
        let mut class = Self { digits: [digits; MOST_ALIASES], len: 1 };
        // An alias of an alias is in the class, so that it is the same whichever form came first.
        let mut next = 0;
        while next < class.len {
            let digits = class.digits[next];
            class.add_neighbours(rules, digits);
            next += 1;
        }
        class
    }

    /// The members, the number itself first.
    #[must_use]
    pub fn expose_digits(&self) -> &[u64] {
        &self.digits[..self.len]
    }

    fn add(&mut self, digits: u64) {
        if self.len < MOST_ALIASES && !self.expose_digits().contains(&digits) {
            self.digits[self.len] = digits;
            self.len += 1;
        }
    }

    fn add_neighbours(&mut self, rules: AliasRules, digits: u64) {
        let mut text = [0; MOST_DIGITS];
        let text = decimal(digits, &mut text);
        let has = |rule| rules.has(rule);
        match text {
            [b'5', b'2', national @ ..] if has(AliasRule::Mexico) => {
                self.add_with_or_without(52, national, b"1", 10);
            }
            [b'5', b'4', national @ ..] if has(AliasRule::Argentina) => {
                self.add_with_or_without(54, national, b"9", 10);
            }
            [b'5', b'5', national @ ..] if has(AliasRule::Brazil) => self.add_brazil(national),
            [b'2', b'2', b'5', national @ ..] if has(AliasRule::IvoryCoast) => {
                self.add_ivory_coast(national);
            }
            [b'2', b'2', b'9', national @ ..] if has(AliasRule::Benin) => {
                self.add_with_or_without(229, national, b"01", 8);
            }
            [b'3', b'9', b'0', national @ ..] if has(AliasRule::Italy) => {
                self.add_parts(39, &[national]);
            }
            [b'3', b'9', national @ ..] if has(AliasRule::Italy) => {
                self.add_parts(39, &[b"0", national]);
            }
            _ => {}
        }
    }

    /// `short_len` national digits, or `prefix` and as many.
    fn add_with_or_without(&mut self, code: u64, national: &[u8], prefix: &[u8], short_len: usize) {
        if national.len() == short_len {
            self.add_parts(code, &[prefix, national]);
        } else if national.len() == short_len + prefix.len()
            && let Some(short) = national.strip_prefix(prefix)
        {
            self.add_parts(code, &[short]);
        }
    }

    fn add_brazil(&mut self, national: &[u8]) {
        match national {
            [a, b, rest @ ..] if rest.len() == 8 => self.add_parts(55, &[&[*a, *b, b'9'], rest]),
            [a, b, b'9', rest @ ..] if rest.len() == 8 => self.add_parts(55, &[&[*a, *b], rest]),
            _ => {}
        }
    }

    /// Mobile operators took 01 (Moov), 05 (MTN) and 07 (Orange) by the second old digit; fixed
    /// lines, which began with 2 or 3, took 21, 25 and 27, and are given all three.
    fn add_ivory_coast(&mut self, national: &[u8]) {
        match national {
            [b'2' | b'3', ..] if national.len() == 8 => {
                for prefix in [b"21", b"25", b"27"] {
                    self.add_parts(225, &[prefix, national]);
                }
            }
            [_, operator, ..] if national.len() == 8 => {
                let prefix = match operator {
                    b'0'..=b'3' => b"01",
                    b'4'..=b'6' => b"05",
                    _ => b"07",
                };
                self.add_parts(225, &[prefix, national]);
            }
            [b'0', b'1' | b'5' | b'7', old @ ..] | [b'2', b'1' | b'5' | b'7', old @ ..]
                if old.len() == 8 =>
            {
                self.add_parts(225, &[old]);
            }
            _ => {}
        }
    }

    fn add_parts(&mut self, code: u64, parts: &[&[u8]]) {
        let digits = parts.iter().try_fold(code, |digits, part| append(digits, part));
        if let Some(digits) = digits {
            self.add(digits);
        }
    }
}

impl std::fmt::Debug for Aliases {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Aliases({} redacted)", self.len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aliases_reach_each_other_both_ways() {
        for (one, other) in [
            (5_215_512_345_678, 525_512_345_678),
            (553_186_883_193, 5_531_986_883_193),
            (541_123_456_789, 5_491_123_456_789),
            (22_507_123_456, 2_250_707_123_456),
            (22_997_123_456, 2_290_197_123_456),
            (39_236_618_300, 390_236_618_300),
        ] {
            assert!(Aliases::of(one).expose_digits().contains(&other), "{one}");
            assert!(Aliases::of(other).expose_digits().contains(&one), "{other}");
        }
    }

    #[test]
    fn a_number_without_aliases_is_alone() {
        assert_eq!(Aliases::of(12_025_550_123).expose_digits(), [12_025_550_123]);
        assert_eq!(Aliases::of(447_911_123_456).expose_digits(), [447_911_123_456]);
        assert_eq!(Aliases::of(u64::MAX).expose_digits(), [u64::MAX]);
    }

    #[test]
    fn a_family_that_a_policy_leaves_out_reaches_nobody() {
        let rules = AliasRules::of(&[AliasRule::Mexico, AliasRule::Italy]);
        let len = |digits| Aliases::by(rules, digits).expose_digits().len();
        assert_eq!((len(525_512_345_678), len(541_123_456_789)), (2, 1));
        assert_eq!(AliasRules::of(&AliasRule::ALL), AliasRules::ALL);
        assert_eq!(AliasRules::from(Vec::from(rules)), rules);
    }
}
