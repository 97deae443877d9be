//! What the formulas say, computed here a second time and in floating point: how noise falls, what
//! is told of a count, and how well anybody can tell two counts apart by it.

use std::collections::BTreeMap;

use phonematch::policy::{AddedNoise, Floors};
use phonematch::privacy::noise::Distribution;

/// Band edges, then the same tenfold and so on.
const EDGES: [u64; 3] = [100, 250, 500];

/// What a night tells of a list: where its band begins; none when it is withheld.
pub type Told = Option<u64>;

/// Probabilities of the whole numbers from `first` on; what lies beyond is below 10⁻¹⁷.
#[derive(Clone, Debug)]
pub struct Masses {
    first: i64,
    mass: Vec<f64>,
}

impl Masses {
    pub fn of(noise: Distribution) -> Self {
        let (weight, reach): (Box<dyn Fn(f64) -> f64>, f64) = match noise {
            Distribution::DiscreteGaussian { variance } => {
                let variance = f64::from(variance.get());
                (Box::new(move |x| (-x * x / (2.0 * variance)).exp()), 9.0 * variance.sqrt())
            }
            Distribution::DiscreteLaplace { scale } => {
                let scale = f64::from(scale.get());
                (Box::new(move |x: f64| (-x.abs() / scale).exp()), 40.0 * scale)
            }
        };
        let reach = reach.ceil() as i64;
        let mut mass: Vec<_> = (-reach..=reach).map(|x| weight(x as f64)).collect();
        let all: f64 = mass.iter().sum();
        mass.iter_mut().for_each(|mass| *mass /= all);
        Self { first: -reach, mass }
    }

    fn at(&self, x: i64) -> f64 {
        let at = usize::try_from(x - self.first).ok();
        at.and_then(|at| self.mass.get(at)).copied().unwrap_or(0.0)
    }

    fn plus(&self, other: &Self) -> Self {
        let mut mass = vec![0.0; self.mass.len() + other.mass.len() - 1];
        for (at, one) in self.mass.iter().enumerate() {
            for (sum, other) in mass[at..].iter_mut().zip(&other.mass) {
                *sum += one * other;
            }
        }
        Self { first: self.first + other.first, mass }
    }

    /// The sum of so many draws.
    pub fn times(&self, draws: u32) -> Self {
        let mut sum = Self { first: 0, mass: vec![1.0] };
        for bit in (0..32).rev() {
            sum = sum.plus(&sum);
            if draws >> bit & 1 == 1 {
                sum = sum.plus(self);
            }
        }
        sum
    }

    /// How much likelier a test says yes where it should than where it should not, at best, when it
    /// is shown `draws` noisy counts to which the person adds one each: the distance in total
    /// variation. The likelihood ratio of Gaussian counts depends on their sum alone.
    pub fn best_on_noisy_counts(&self, draws: u32) -> f64 {
        let sum = self.times(draws);
        let last = sum.first + sum.mass.len() as i64 + i64::from(draws);
        let gain = |x: i64| (sum.at(x - i64::from(draws)) - sum.at(x)).max(0.0);
        (sum.first..=last).map(gain).sum()
    }

    /// What is told of a list of so many people, and how likely.
    pub fn told(&self, matched: u64, noise: &AddedNoise, floors: &Floors) -> BTreeMap<Told, f64> {
        let threshold = (floors.matched_people + noise.margin()) as i64;
        let mut told = BTreeMap::new();
        for (x, mass) in (self.first..).zip(&self.mass) {
            let noisy = matched as i64 + x;
            let is_told = noisy >= threshold && matched >= floors.matched_people;
            let rounded = ((noisy as f64 / 10.0 + 0.5).floor() * 10.0).max(0.0) as u64;
            *told.entry(is_told.then(|| band_from(rounded))).or_default() += mass;
        }
        told
    }
}

fn band_from(count: u64) -> u64 {
    let edges = (0..12).flat_map(|power| EDGES.map(|edge| edge * 10_u64.pow(power)));
    edges.take_while(|edge| *edge <= count).last().unwrap_or(0)
}

/// How much an observation speaks for the second of two worlds: the logarithm of how much likelier
/// it is there. What cannot be in one of them speaks as loud as anything can.
pub fn evidence(worlds: &[BTreeMap<Told, f64>; 2], told: Told) -> f64 {
    let [without, with] = worlds.each_ref().map(|it| it.get(&told).copied().unwrap_or(0.0));
    (with / without).ln().clamp(-40.0, 40.0)
}

/// How well the best distinguisher does on independent nights, each given as what is told in the
/// two worlds: the distance in total variation, for which the nights' evidence is added up in steps
/// of 10⁻⁴.
pub fn best_on_what_is_told(nights: &[[BTreeMap<Told, f64>; 2]]) -> f64 {
    const STEP: f64 = 1e-4;
    let mut sums = BTreeMap::from([(0_i64, [1.0, 1.0])]);
    for worlds in nights {
        let mut next = BTreeMap::<i64, [f64; 2]>::new();
        for told in
            worlds[0].keys().chain(worlds[1].keys().filter(|it| !worlds[0].contains_key(it)))
        {
            let odds = worlds.each_ref().map(|it| it.get(told).copied().unwrap_or(0.0));
            if odds[0].max(odds[1]) < 1e-15 {
                continue;
            }
            let step = (evidence(worlds, *told) / STEP).round() as i64;
            for (sum, masses) in &sums {
                let entry = next.entry(sum + step).or_default();
                entry[0] += masses[0] * odds[0];
                entry[1] += masses[1] * odds[1];
            }
        }
        sums = next;
    }
    sums.values().map(|[without, with]| (with - without).max(0.0)).sum()
}

/// What the ledger's sum of costs says of every distinguisher: ρ-zCDP bounds the divergence of Kullback
/// and Leibler by ρ (Bun and Steinke 2016, definition 1.1, α → 1), and that bounds the distance in
/// total variation by √(ρ/2) (Pinsker's inequality). A figure that is δ-approximate adds δ.
pub fn ledgers_bound(micro_rho: u64, figures: usize, noise: &AddedNoise) -> f64 {
    let delta = 10_f64.powi(-(noise.edge_exponent as i32));
    (micro_rho as f64 / 1e6 / 2.0).sqrt() + figures as f64 * delta
}

/// ε for which what is ρ-zCDP is (ε, δ)-differentially private (their proposition 1.3).
pub fn epsilon(rho: f64, delta: f64) -> f64 {
    rho + 2.0 * (rho * (1.0 / delta).ln()).sqrt()
}
