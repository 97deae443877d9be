//! What may a recipient know of a list's size?
//!
//! The exact count of matched people gets noise, is rounded and told as a band. A list is told as
//! released only when the exact count reaches the policy's floor *and* the noisy one lies above
//! the floor by a margin. A list that falls short of either is withheld, and looks like any other
//! withheld list. Without the margin the exact floor would be a loophole: a recipient who brings
//! the floor's number of accomplices less one would see whether the person on trial is there. With
//! it a list whose exact count is the floor is released with a chance of δ only, so the decision
//! differs from one made by the noisy count alone with a chance of δ, and the figure as a whole is
//! δ-approximate ρ-zCDP (Bun and Steinke 2016, §8). Partition selection decides in the same way
//! which groups may be shown (Korolova, Kenthapadi, Mishra and Ntoulas, "Releasing search queries
//! and clicks privately", WWW 2009; Desfontaines, Voss, Gipson and Mandayam, "Differentially
//! private partition selection", PETS 2022).
//!
//! Noise is a function of the secret, the recipient, the purpose, the list's numbers, the people who
//! were counted and the policy's distribution. Names do not enter, so a list under another name draws nothing anew; nor do
//! barred people, so they leave no trace.
//!
//! A list that differs by fewer than k numbers from one that the recipient was told about in the
//! period is told the same, charged nothing, whatever became of its people since: whether lists
//! are near is decided by their numbers alone, which the recipient knows. So a person who leaves a
//! list of the recipient's, or the messenger, moves no figure until the period is over.
//!
//! A list that holds fewer numbers than the floors ask of it, or whose recipient brings more in all
//! lists than the policy allows, is withheld without a look at its people, and so without a charge. Any other is charged, released or not: whether a budget is
//! spent tells nobody who matched.

use std::num::NonZeroU32;

use jiff::civil::Date;

use super::Band;
use super::ledger::{BudgetLedger, Charge, Terms, Window};
use super::noise::{BegunStream, Distribution};
use super::sketch::{Points, Sketch};
use crate::consent::Purpose;
use crate::join::ListName;
use crate::key::{KEY_LEN, MatchKey, Secret};
use crate::policy::{AddedNoise, BudgetRules, Floors};

/// Counts are rounded to a multiple of this before they are banded.
const ROUNDED_TO: i64 = 10;

/// What a list's recipient is told of its size.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Figure {
    /// The size's band; none when the list is withheld.
    pub band: Option<Band>,
    /// What that rests on.
    pub basis: Basis,
}

/// What a figure rests on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Basis {
    /// The exact count: the policy adds no noise, or the purpose tells nobody.
    Exact,
    /// The length of the list, or of all the recipient's: nobody looked at its people.
    Length,
    /// A charge of this run, by its number.
    Charged(u64),
    /// An earlier charge for nearly the same list, by its number.
    Repeated(u64),
}

impl Basis {
    /// The charge in the ledger.
    #[must_use]
    pub const fn charge(self) -> Option<u64> {
        match self {
            Self::Exact | Self::Length => None,
            Self::Charged(number) | Self::Repeated(number) => Some(number),
        }
    }
}

/// The policy's rules for figures, and the day.
#[derive(Clone, Copy, Debug)]
pub struct FigureRules<'a> {
    /// For what the recipient is told.
    pub purpose: Purpose,
    /// Fewest people.
    pub floors: &'a Floors,
    /// How exact.
    pub noise: &'a AddedNoise,
    /// How often.
    pub budget: &'a BudgetRules,
    /// The run's day, UTC.
    pub today: Date,
}

impl FigureRules<'_> {
    /// Where lists of the recipient are sketched.
    #[must_use]
    pub fn points(&self, secret: &Secret, recipient: &str) -> Points {
        Points::new(secret, recipient, self.repeat_below())
    }

    /// A policy for figures says how near lists must be; one that does not means the same numbers.
    fn repeat_below(&self) -> NonZeroU32 {
        self.noise.repeat_below.unwrap_or(NonZeroU32::MIN)
    }

    fn terms(&self) -> Terms {
        let (variance, scale) = match self.noise.distribution {
            Distribution::DiscreteGaussian { variance } => (Some(variance), None),
            Distribution::DiscreteLaplace { scale } => (None, Some(scale)),
        };
        let floor = self.floors.matched_people.max(1);
        Terms { variance, scale, floor, margin: self.noise.margin() }
    }
}

/// A recipient has been told as much as the policy allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exhausted {
    /// What the recipient's figures of the period have cost, in millionths of ρ.
    pub spent: u64,
    /// What one more costs.
    pub micro_rho: u64,
    /// What the policy allows in a period.
    pub budget: u64,
    /// When enough of it is free again; none when no day is known.
    pub free_on: Option<Date>,
}

/// What a figure is made of, each ascending and without repeats.
#[derive(Clone, Copy)]
pub struct Sets<'a> {
    /// The keys of the list's numbers.
    pub keys: &'a [MatchKey],
    /// The keys of the people who may be counted.
    pub people: &'a [MatchKey],
}

/// A list's sketch, and where it was evaluated.
pub struct Sketched {
    points: Points,
    sketch: Sketch,
}

impl Sketched {
    /// Sketches a list of distinct keys, in any order. `map` sketches each stretch of them, on as
    /// many threads as it likes.
    #[must_use]
    pub fn of(
        points: Points,
        keys: &[MatchKey],
        map: impl FnOnce(&[&[MatchKey]], &(dyn Fn(&&[MatchKey]) -> Sketch + Sync)) -> Vec<Sketch>,
    ) -> Self {
        const STRETCH: usize = 16 * 1024;
        let stretches: Vec<_> = keys.chunks(STRETCH).collect();
        let sketches = map(&stretches, &|keys| Sketch::of(&points, keys));
        let sketch = sketches.into_iter().fold(Sketch::of(&points, &[]), Sketch::joined);
        Self { points, sketch }
    }
}

/// A list's numbers, as the ledger knows them, where they come some at a time.
pub struct ListDigest {
    sketched: Sketched,
    set: SetDigest,
}

impl ListDigest {
    /// Begins the digest of a list of a recipient, which has `numbers` distinct keys.
    #[must_use]
    pub fn begin(points: Points, secret: &Secret, recipient: &str, numbers: u64) -> Self {
        let sketch = Sketch::of(&points, &[]);
        let set = SetDigest::begin(secret, recipient, b"list", numbers);
        Self { sketched: Sketched { points, sketch }, set }
    }

    /// Adds the next keys, ascending and without repeats.
    #[must_use]
    pub fn and(self, keys: &[MatchKey]) -> Self {
        let Self { sketched: Sketched { points, sketch }, mut set } = self;
        set.add(keys);
        let sketch = sketch.joined(Sketch::of(&points, keys));
        Self { sketched: Sketched { points, sketch }, set }
    }
}

/// A list as the ledger knows it.
pub struct Measured<'a> {
    name: &'a ListName,
    matched: u64,
    list: String,
    people: String,
    points: Points,
    sketch: Sketch,
}

impl<'a> Measured<'a> {
    /// Digests a list and its people.
    #[must_use]
    pub fn of(name: &'a ListName, sets: Sets<'_>, sketched: Sketched, secret: &Secret) -> Self {
        let recipient = name.recipient.as_str();
        let mut set = SetDigest::begin(secret, recipient, b"list", sets.keys.len() as u64);
        set.add(sets.keys);
        Self::digested(name, ListDigest { sketched, set }, sets.people, secret)
    }

    /// The same, of a list that is digested already. `people` is as in [`Sets`].
    #[must_use]
    pub fn digested(
        name: &'a ListName,
        list: ListDigest,
        people: &[MatchKey],
        secret: &Secret,
    ) -> Self {
        let ListDigest { sketched: Sketched { points, sketch }, set } = list;
        let matched = people.len() as u64;
        let recipient = name.recipient.as_str();
        let mut of_people = SetDigest::begin(secret, recipient, b"people", matched);
        of_people.add(people);
        Self { name, matched, list: set.finish(), people: of_people.finish(), points, sketch }
    }

    /// Decides the list's figure, and charges for it where it is not an earlier one.
    ///
    /// # Errors
    ///
    /// [`Exhausted`] when the recipient's budget does not pay for another.
    pub fn decide(
        &self,
        rules: &FigureRules<'_>,
        secret: &Secret,
        ledger: &mut BudgetLedger,
    ) -> Result<Figure, Exhausted> {
        let recipient = self.name.recipient.as_str();
        let window = Window { recipient, today: rules.today, days: rules.budget.period_days };
        let limit = rules.repeat_below();
        let is_near = |charge: &Charge| {
            let earlier = Sketch::from_hex(charge.numbers, &charge.sketch);
            charge.purpose == rules.purpose.name()
                && earlier.is_some_and(|it| self.sketch.is_near(&it, &self.points, limit))
        };
        if let Some(earlier) = ledger.newest(&window, is_near) {
            let basis = Basis::Repeated(earlier.number);
            return Ok(Figure { band: earlier.band(), basis });
        }
        let (spent, micro_rho) = (ledger.spent(&window), rules.noise.micro_rho());
        let budget = rules.budget.micro_rho;
        if spent.saturating_add(micro_rho) > budget {
            let free_on = ledger.affordable_on(&window, budget.saturating_sub(micro_rho));
            return Err(Exhausted { spent, micro_rho, budget, free_on });
        }
        let mut charge = Charge {
            number: 0,
            date: rules.today.to_string(),
            recipient: recipient.to_owned(),
            purpose: rules.purpose.name().to_owned(),
            list: self.list.clone(),
            numbers: self.sketch.numbers(),
            sketch: self.sketch.expose_hex(),
            people: self.people.clone(),
            matched: self.matched,
            terms: rules.terms(),
            micro_rho,
            audience_from: None,
            audience_below: None,
        };
        let band = charge.computed_band(secret);
        charge.audience_from = band.map(|band| band.from);
        charge.audience_below = band.map(|band| band.below);
        let number = ledger.charge(charge, secret);
        Ok(Figure { band, basis: Basis::Charged(number) })
    }
}

impl Charge {
    /// What was told.
    #[must_use]
    pub fn band(&self) -> Option<Band> {
        let (from, below) = self.audience_from.zip(self.audience_below)?;
        Some(Band { from, below })
    }

    /// What was to be told, computed from everything else in the charge.
    #[must_use]
    pub fn computed_band(&self, secret: &Secret) -> Option<Band> {
        let distribution = match (self.terms.variance, self.terms.scale) {
            (Some(variance), None) => Distribution::DiscreteGaussian { variance },
            (None, Some(scale)) => Distribution::DiscreteLaplace { scale },
            (None, None) | (Some(_), Some(_)) => return None,
        };
        let words = ["audience", &self.purpose, &self.list, &self.people].map(str::as_bytes);
        let noise = distribution.draw(secret, &self.recipient, &words);
        let noisy = i64::try_from(self.matched).unwrap_or(i64::MAX).saturating_add(noise);
        let threshold = self.terms.floor.saturating_add(self.terms.margin);
        let is_clear = noisy >= i64::try_from(threshold).unwrap_or(i64::MAX);
        let is_told = is_clear && self.matched >= self.terms.floor;
        let rounded =
            (noisy.saturating_add(ROUNDED_TO / 2) / ROUNDED_TO).saturating_mul(ROUNDED_TO);
        is_told.then(|| Band::of(u64::try_from(rounded).unwrap_or(0)))
    }
}

/// A digest of a set, under the recipient's key: the same for every order, and for nobody else.
struct SetDigest(BegunStream);

impl SetDigest {
    fn begin(secret: &Secret, recipient: &str, word: &[u8], keys: u64) -> Self {
        let mut stream = BegunStream::new(secret, recipient);
        stream.word(word);
        stream.long_word(keys * KEY_LEN as u64);
        Self(stream)
    }

    /// Adds ascending keys above those before them; not in one piece, so that they need not be
    /// there twice, and not one by one, so that they are hashed in lanes.
    fn add(&mut self, keys: &[MatchKey]) {
        const AT_A_TIME: usize = 4096;
        debug_assert!(keys.is_sorted());
        let mut bytes = Vec::with_capacity(keys.len().min(AT_A_TIME) * KEY_LEN);
        for keys in keys.chunks(AT_A_TIME) {
            bytes.clear();
            keys.iter().for_each(|key| bytes.extend_from_slice(key.expose_bytes()));
            self.0.go_on(&bytes);
        }
    }

    fn finish(self) -> String {
        self.0.finish().digest()
    }
}

#[cfg(test)]
#[path = "figures_tests.rs"]
mod tests;
