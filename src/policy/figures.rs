//! How exact an advertiser's figure may be, and how many of them it may have.

use std::num::{NonZeroU16, NonZeroU32};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::privacy::noise::Distribution;

/// What is done to a count before anybody may know of it: a list's, or a cell's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "NoiseTable")]
pub enum NoiseRules {
    /// Nothing: the band of the exact count is told, and no ledger kept. A run says so aloud.
    None,
    /// Noise is added, and the figure repeated for lists that are nearly the same.
    Added(AddedNoise),
}

/// Noise, and what is decided by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddedNoise {
    /// Its distribution over the whole numbers.
    pub distribution: Distribution,
    /// n: with a chance of 10⁻ⁿ at most, one person decides whether a list is released.
    pub edge_exponent: u32,
    /// Lists that differ by fewer numbers than this get one figure; none where no list is told of.
    pub repeat_below: Option<NonZeroU32>,
}

/// How much a recipient may be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BudgetRules {
    /// ρ of zero-concentrated differential privacy (Bun and Steinke 2016), in millionths, that all
    /// of one recipient's figures in a period come to at most.
    pub micro_rho: u64,
    /// Days of the period, which ends with the run's day; and how long a figure is repeated.
    pub period_days: NonZeroU16,
}

/// `[noise]` as it is written.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NoiseTable {
    /// `none` stands alone: exact bands, no ledger, and an alarm in every run.
    distribution: DistributionWord,
    /// In people: the Gaussian's sigma, the Laplace's b.
    spread: Option<NonZeroU16>,
    /// 2 to 30; n: with a chance of 10^-n at most, one person decides whether a list is released.
    #[schemars(range(min = 2, max = 30))]
    edge_exponent: Option<u32>,
    /// Of ads: a list that differs from an earlier one by fewer numbers is told that one's figure.
    #[schemars(range(max = 1000))]
    repeat_below: Option<NonZeroU32>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum DistributionWord {
    DiscreteGaussian,
    DiscreteLaplace,
    None,
}

/// One in ten is no protection, and beyond 10⁻³⁰ the margin only grows.
const EDGE_EXPONENTS: std::ops::RangeInclusive<u32> = 2..=30;

/// Each comparison of two lists takes the third power of it.
const MOST_REPEATED: u32 = 1000;

impl TryFrom<NoiseTable> for NoiseRules {
    type Error = String;

    fn try_from(table: NoiseTable) -> Result<Self, String> {
        let given = (table.spread, table.edge_exponent, table.repeat_below);
        let (spread, edge_exponent) = match (table.distribution, given) {
            (DistributionWord::None, (None, None, None)) => return Ok(Self::None),
            (DistributionWord::None, _) => {
                return Err("distribution none takes no other field of [noise]".to_owned());
            }
            (_, (Some(spread), Some(edge), _)) => (spread, edge),
            _ => {
                return Err("[noise] needs spread and edge_exponent".to_owned());
            }
        };
        if !EDGE_EXPONENTS.contains(&edge_exponent) {
            return Err("edge_exponent must be 2 to 30".to_owned());
        }
        if table.repeat_below.is_some_and(|below| below.get() > MOST_REPEATED) {
            return Err(format!("repeat_below must be 1 to {MOST_REPEATED}"));
        }
        let scale = NonZeroU32::from(spread);
        let distribution = match table.distribution {
            DistributionWord::DiscreteLaplace => Distribution::DiscreteLaplace { scale },
            // Sixteen bits squared fit thirty-two.
            _ => Distribution::DiscreteGaussian { variance: scale.saturating_mul(scale) },
        };
        let repeat_below = table.repeat_below;
        Ok(Self::Added(AddedNoise { distribution, edge_exponent, repeat_below }))
    }
}

impl AddedNoise {
    /// ρ of one figure in millionths, rounded up: 1 / 2σ² for the Gaussian (Canonne, Kamath and
    /// Steinke 2020, theorem 4), and for the Laplace ε² / 2 with ε = 1 / b (Bun and Steinke 2016,
    /// proposition 1.4). One person more or less changes a count by one.
    #[must_use]
    pub fn micro_rho(&self) -> u64 {
        let square = match self.distribution {
            Distribution::DiscreteGaussian { variance } => u64::from(variance.get()),
            Distribution::DiscreteLaplace { scale } => u64::from(scale.get()).pow(2),
        };
        1_000_000_u64.div_ceil(2 * square)
    }

    /// How far above the floor a noisy count must be: the smallest m for which the formula bounds
    /// the chance of noise of m or more by δ = 10⁻ⁿ. For the Gaussian exp(−m² / 2σ²) ≤ δ (it is
    /// subgaussian: Canonne, Kamath and Steinke 2020, §2.3), for the Laplace exp(−m / b) ≤ δ. ln 10
    /// is rounded up.
    #[must_use]
    pub fn margin(&self) -> u64 {
        const MICRO_LN_10: u64 = 2_302_586;
        let micro = MICRO_LN_10 * u64::from(self.edge_exponent);
        match self.distribution {
            Distribution::DiscreteGaussian { variance } => {
                let square = u128::from(micro) * 2 * u128::from(variance.get());
                let square = square.div_ceil(1_000_000);
                let root = square.isqrt();
                let margin = root + u128::from(root * root < square);
                u64::try_from(margin).unwrap_or(u64::MAX)
            }
            Distribution::DiscreteLaplace { scale } => {
                (micro * u64::from(scale.get())).div_ceil(1_000_000)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(json: &str) -> Result<NoiseRules, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    fn added(distribution: &str, spread: u16, edge_exponent: u32) -> AddedNoise {
        let json = format!(
            r#"{{"distribution":"{distribution}","spread":{spread},
                "edge_exponent":{edge_exponent},"repeat_below":50}}"#
        );
        match noise(&json) {
            Ok(NoiseRules::Added(added)) => added,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn noise_is_described_in_full_or_refused_by_name() {
        assert_eq!(noise(r#"{"distribution":"none"}"#), Ok(NoiseRules::None));
        for wrong in [
            r#"{}"#,
            r#"{"distribution":"uniform"}"#,
            r#"{"distribution":"none","spread":3}"#,
            r#"{"distribution":"discrete_gaussian","spread":3}"#,
            r#"{"distribution":"discrete_gaussian","spread":0,"edge_exponent":9,"repeat_below":9}"#,
            r#"{"distribution":"discrete_gaussian","spread":3,"edge_exponent":1,"repeat_below":9}"#,
            r#"{"distribution":"discrete_gaussian","spread":3,"edge_exponent":9,"repeat_below":0}"#,
            r#"{"distribution":"discrete_laplace","spread":3,"edge_exponent":9,"repeat_below":1001}"#,
            r#"{"distribution":"none","seed":3}"#,
        ] {
            assert!(noise(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_figures_price_is_the_formulas_rounded_up() {
        assert_eq!(added("discrete_gaussian", 10, 9).micro_rho(), 5000);
        assert_eq!(added("discrete_gaussian", 1, 9).micro_rho(), 500_000);
        assert_eq!(added("discrete_gaussian", u16::MAX, 9).micro_rho(), 1);
        assert_eq!(added("discrete_laplace", 10, 9).micro_rho(), 5000);
        assert_eq!(added("discrete_gaussian", 7, 9).micro_rho(), 10_205);
    }

    /// The exact tail, summed from the formula in floating point: this is the test's side.
    #[test]
    fn noise_beyond_the_margin_is_as_rare_as_the_policy_says() {
        for (spread, edge) in [(1, 2), (3, 6), (10, 9), (10, 12), (25, 5)] {
            let delta = 10f64.powi(-i32::try_from(edge).unwrap());
            for (name, is_laplace) in [("discrete_gaussian", false), ("discrete_laplace", true)] {
                let b = f64::from(spread);
                let weight = |x: i32| match is_laplace {
                    true => (-f64::from(x.abs()) / b).exp(),
                    false => (-f64::from(x).powi(2) / (2.0 * b * b)).exp(),
                };
                let all: f64 = (-4000..4000).map(weight).sum();
                let beyond = |from: i32| (from..4000).map(weight).sum::<f64>() / all;
                let margin = i32::try_from(added(name, spread, edge).margin()).unwrap();
                assert!(beyond(margin) <= delta, "{name} {spread} {edge}");
                // And it gives away no more than the bound costs: half of it would not do.
                assert!(beyond(margin / 2) > delta, "{name} {spread} {edge}");
            }
        }
        assert_eq!(added("discrete_gaussian", 10, 9).margin(), 65);
    }
}
