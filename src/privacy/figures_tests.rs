//! Which lists are charged for, which repeat a figure, and what is told of them.

use std::num::{NonZeroU16, NonZeroU32};

use super::*;
use crate::job::Identifier;
use crate::key::{Form, Keyer};

const FLOORS: Floors = Floors { list_numbers: 20, matched_people: 20, attribute_cell: 1 };
const NOISE: AddedNoise = AddedNoise {
    distribution: Distribution::DiscreteGaussian { variance: NonZeroU32::new(9).unwrap() },
    edge_exponent: 9,
    repeat_below: NonZeroU32::new(10),
};

struct World {
    folder: tempfile::TempDir,
    secret: Secret,
    budget: BudgetRules,
}

impl World {
    /// A world whose secret is made of `seed`, with a budget for so many figures.
    fn new(seed: u8, figures: u64) -> Self {
        let micro_rho = figures * NOISE.micro_rho();
        Self {
            folder: tempfile::tempdir().unwrap(),
            secret: Secret::from_file_content(&[seed; 32]).unwrap(),
            budget: BudgetRules { micro_rho, period_days: NonZeroU16::new(30).unwrap() },
        }
    }

    fn rules<'a>(&'a self, today: &str) -> FigureRules<'a> {
        let (floors, noise, budget) = (&FLOORS, &NOISE, &self.budget);
        FigureRules { purpose: Purpose::Ads, floors, noise, budget, today: today.parse().unwrap() }
    }

    fn ledger(&self) -> BudgetLedger {
        BudgetLedger::open(&self.folder.path().join("ledger"), &self.secret).unwrap()
    }

    /// Decides a list of the numbers in `list`, of which those in `people` match.
    fn decide(
        &self,
        ledger: &mut BudgetLedger,
        (recipient, list_id): (&str, &str),
        [list, people]: [std::ops::Range<u64>; 2],
        today: &str,
    ) -> Result<Figure, Exhausted> {
        let keyer = Keyer::new(&self.secret);
        let keys = |numbers: std::ops::Range<u64>| {
            let keys = numbers.map(|number| keyer.key_of_digits(number + 1000, Form::E164));
            let mut keys: Vec<_> = keys.collect();
            keys.sort_unstable();
            keys
        };
        let name = |text: &str| Identifier::from_text(text.as_bytes()).unwrap();
        let name = ListName { recipient: name(recipient), list_id: name(list_id) };
        let rules = self.rules(today);
        let (keys, people) = (keys(list), keys(people));
        let points = rules.points(&self.secret, recipient);
        let sketched = Sketched::of(points, &keys, |keys, of| keys.iter().map(of).collect());
        let sets = Sets { keys: &keys, people: &people };
        Measured::of(&name, sets, sketched, &self.secret).decide(&rules, &self.secret, ledger)
    }
}

const SPRING: (&str, &str) = ("acme", "spring");
const DAY: &str = "2026-11-22";

#[test]
fn the_same_list_again_is_told_the_same_and_charged_once() {
    let world = World::new(1, 1);
    let first = world.decide(&mut world.ledger(), SPRING, [0..200, 0..90], DAY).unwrap();
    assert_eq!(first.basis, Basis::Charged(1));
    let mut ledger = world.ledger();
    // The first was not made durable: as if the run had been killed. It comes out the same again.
    assert_eq!(world.decide(&mut ledger, SPRING, [0..200, 0..90], DAY), Ok(first));
    ledger.commit().unwrap();
    drop(ledger);
    for _ in 0..100 {
        let mut ledger = world.ledger();
        let again = world.decide(&mut ledger, SPRING, [0..200, 0..90], DAY).unwrap();
        assert_eq!(again, Figure { basis: Basis::Repeated(1), ..first });
        ledger.commit().unwrap();
    }
    assert_eq!(world.ledger().book().charges().len(), 1);
}

#[test]
fn a_list_that_is_nearly_an_earlier_one_repeats_its_figure_under_any_name() {
    let world = World::new(2, 2);
    let mut ledger = world.ledger();
    let first = world.decide(&mut ledger, SPRING, [0..200, 0..90], DAY).unwrap();
    let names = ["spring", "summer", "autumn"].into_iter().cycle();
    for (removed, name) in (1..10).zip(names) {
        let name = ("acme", name);
        let next = world.decide(&mut ledger, name, [removed..200, removed..90], DAY).unwrap();
        assert_eq!(next, Figure { basis: Basis::Repeated(1), ..first }, "{removed}");
    }
    // The tenth is as far from the first list as the policy asks, near as it is to the ninth.
    let tenth = world.decide(&mut ledger, SPRING, [10..200, 10..90], DAY).unwrap();
    assert_eq!(tenth.basis, Basis::Charged(2));
    assert!(world.decide(&mut ledger, SPRING, [20..200, 20..90], DAY).is_err());
}

#[test]
fn a_figure_outlives_its_people_and_ends_with_its_period() {
    let world = World::new(3, 1);
    let mut ledger = world.ledger();
    let first = world.decide(&mut ledger, SPRING, [0..200, 0..90], DAY).unwrap();
    assert!(first.band.is_some());
    let empty = world.decide(&mut ledger, SPRING, [0..200, 0..0], "2026-12-21").unwrap();
    assert_eq!(empty, Figure { basis: Basis::Repeated(1), ..first });
    let later = world.decide(&mut ledger, SPRING, [0..200, 0..0], "2026-12-22").unwrap();
    assert_eq!(later, Figure { band: None, basis: Basis::Charged(2) });
}

#[test]
fn each_recipient_has_a_budget_noise_and_figures_of_its_own() {
    let world = World::new(4, 1);
    let mut ledger = world.ledger();
    world.decide(&mut ledger, SPRING, [0..200, 0..90], DAY).unwrap();
    let other = world.decide(&mut ledger, ("globex", "spring"), [0..200, 0..90], DAY).unwrap();
    assert_eq!(other.basis, Basis::Charged(2));
    let [acme, globex] = ledger.book().charges() else { panic!("two charges") };
    assert!(acme.list != globex.list && acme.people != globex.people);
    assert_ne!(acme.sketch, globex.sketch);
}

#[test]
fn an_exhausted_budget_refuses_and_charges_nothing() {
    let world = World::new(5, 2);
    let mut ledger = world.ledger();
    for from in [0, 1000] {
        world.decide(&mut ledger, SPRING, [from..from + 200, 0..0], DAY).unwrap();
    }
    let third = world.decide(&mut ledger, SPRING, [2000..2200, 2000..2100], DAY);
    let price = NOISE.micro_rho();
    assert_eq!(
        third,
        Err(Exhausted {
            spent: 2 * price,
            micro_rho: price,
            budget: 2 * price,
            free_on: Some("2026-12-22".parse().unwrap()),
        })
    );
    assert_eq!(ledger.book().charges().len(), 2);
    world.decide(&mut ledger, SPRING, [2000..2200, 2000..2100], "2026-12-22").unwrap();
}

#[test]
fn a_list_without_a_match_is_charged_like_one_below_the_floor_and_told_the_same() {
    let world = World::new(6, 9);
    let told = [0, 1, 19].map(|matched| {
        let mut ledger = world.ledger();
        world.decide(&mut ledger, SPRING, [0..200, 0..matched], DAY).unwrap()
    });
    assert_eq!(told, [Figure { band: None, basis: Basis::Charged(1) }; 3]);
}

#[test]
fn nobodys_presence_decides_at_the_floor() {
    let released = |matched: u64| {
        let tries = (0..200).filter(|seed| {
            let world = World::new(*seed, 1);
            let mut ledger = world.ledger();
            let figure = world.decide(&mut ledger, SPRING, [0..120, 0..matched], DAY).unwrap();
            figure.band.is_some()
        });
        tries.count()
    };
    // The floor is 20, the margin 20 at a spread of 3.
    assert_eq!(NOISE.margin(), 20);
    assert_eq!((released(20), released(26)), (0, 0));
    let half = released(40);
    assert!((70..130).contains(&half), "{half} of 200");
    assert_eq!(released(60), 200);
}

#[test]
fn a_figure_can_be_computed_again_from_its_charge() {
    let world = World::new(8, 9);
    let mut ledger = world.ledger();
    for matched in [0, 30, 40, 45, 90, 150] {
        let start = matched * 1000;
        let lists = [start..start + 200, start..start + matched];
        world.decide(&mut ledger, SPRING, lists, DAY).unwrap();
    }
    for charge in ledger.book().charges() {
        assert_eq!(charge.computed_band(&world.secret), charge.band());
        let other = Secret::from_file_content(&[99; 32]).unwrap();
        let moved = Charge { matched: charge.matched + 300, ..charge.clone() };
        assert_ne!(moved.computed_band(&world.secret), charge.band());
        let _ = charge.computed_band(&other);
    }
}
