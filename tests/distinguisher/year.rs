//! The year of nights that `src/privacy.md` tells of: each figure of its table is found again, by
//! running the nights against a ledger and by the formulas.

use std::fs;
use std::path::Path;

use jiff::ToSpan;
use phonematch::key::{Form, Keyer, MatchKey};
use phonematch::privacy::BudgetLedger;

use super::formula::{Masses, epsilon};
use super::{decide, noise_and_budget, policy, rules, secret};

const FIRST_DAY: &str = "2026-01-01";

/// Charges of nights that follow each other, each with a list of these members, all of whom match.
fn charges(nights: usize, members: impl Fn(usize) -> std::ops::Range<u64>) -> usize {
    let (policy, secret) = (policy(&[]), secret(1));
    let keyer = Keyer::new(&secret);
    let folder = crate::support::folder_in_memory();
    let mut ledger = BudgetLedger::open(&folder.path().join("ledger"), &secret).unwrap();
    let first: jiff::civil::Date = FIRST_DAY.parse().unwrap();
    for night in 0..nights {
        let key = |member: u64| keyer.key_of_digits(10_000 + member, Form::E164);
        let keys: Vec<MatchKey> = members(night).map(key).collect();
        let rules = rules(&policy, first.checked_add((night as i64).days()).unwrap());
        // A refused night is a night without a figure.
        let _ = decide(&rules, &secret, &mut ledger, [keys.clone(), keys]);
    }
    ledger.book().charges().len()
}

/// The table's rows, cell by cell.
fn table() -> Vec<Vec<String>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/privacy.md");
    let text = fs::read_to_string(path).unwrap();
    let (_, chapter) = text.split_once("## A year of nights").unwrap();
    let rows = chapter.lines().filter(|line| line.starts_with("| ")).skip(1);
    rows.map(|row| row.split('|').map(|cell| cell.trim().to_owned()).collect()).collect()
}

fn row_of(table: &[Vec<String>], what: &str) -> Vec<String> {
    let found = table.iter().find(|row| row[1].starts_with(what));
    found.unwrap_or_else(|| panic!("no row for {what:?} in {table:#?}")).clone()
}

#[test]
fn a_year_of_nights_costs_what_the_chapter_says() {
    let table = table();
    let ready = policy(&[]);
    let (noise, budget) = noise_and_budget(&ready);
    let a_period = (budget.micro_rho / noise.micro_rho()) as usize;
    let periods = 365_usize.div_ceil(budget.period_days.get().into());
    let same = charges(365, |_| 0..200);
    let dropping = charges(365, |night| night as u64..600);
    let far = |night: usize| 50 * night as u64..3200;
    assert_eq!([charges(20, far), charges(30, far), charges(50, far)], [20, 20, 40]);
    assert_eq!((a_period, periods), (20, 13));
    let masses = Masses::of(noise.distribution);
    for (what, figures) in [
        ("brings the same list each night", same),
        ("drops one number each night", dropping),
        ("drops 50 numbers each night", a_period * periods),
        ("brings one list, once", charges(1, |_| 0..200)),
        ("brings a list of 100", charges(1, |_| 0..100)),
    ] {
        let row = row_of(&table, what);
        let rho = figures as f64 * noise.micro_rho() as f64 / 1e6;
        let cost = &row[3];
        assert!(cost.ends_with(&format!("ρ = {rho}")), "{what}: {rho}, not {cost}");
        if figures > 1 && figures != a_period * periods {
            assert!(cost.starts_with(&format!("{figures} figures")), "{what}: {figures}");
        }
        let delta = 10_f64.powi(-(noise.edge_exponent as i32));
        let epsilon = epsilon(rho, delta);
        let digits = if epsilon < 1.0 { 2 } else { 1 };
        assert_eq!(row[4], format!("{epsilon:.digits$}"), "{what}");
        let guess = 0.5 + masses.best_on_noisy_counts(figures as u32) / 2.0;
        assert_eq!(row[5], format!("{:.0} %", guess * 100.0), "{what}");
    }
}

/// 2 Φ(x) − 1, by the rule of the middle.
fn normal_between_minus_and_plus(x: f64) -> f64 {
    const PARTS: u32 = 10_000;
    let width = x / f64::from(PARTS);
    let middle = |part: u32| (f64::from(part) + 0.5) * width;
    let height = |z: f64| (-z * z / 2.0).exp() * (2.0 / std::f64::consts::PI).sqrt();
    (0..PARTS).map(|part| height(middle(part)) * width).sum()
}

/// The chapter's formula for the best guess is the normal distribution's. For whole numbers it is off
/// by one part in 24 σ² at most, and never above what the ledger states.
#[test]
fn whole_numbers_are_told_apart_as_well_as_the_normal_distribution_says() {
    let ready = policy(&[]);
    let masses = Masses::of(noise_and_budget(&ready).0.distribution);
    let sigma = 10.0;
    for figures in [1, 2, 3, 13, 20, 260] {
        let many = f64::from(figures);
        let exact = masses.best_on_noisy_counts(figures);
        let normal = normal_between_minus_and_plus(many.sqrt() / (2.0 * sigma));
        let off = (exact - normal).abs() / normal;
        assert!(off <= 1.001 / (24.0 * sigma * sigma), "{figures}: {exact} and {normal}");
        let stated = (many / (2.0 * sigma * sigma) / 2.0).sqrt();
        assert!(exact <= stated, "{figures}: {exact} and {stated}");
    }
}
