//! Tables of made-up people: who is told together with whom, and how exactly.

use std::num::NonZeroU32;

use super::*;
use crate::draws::Draws;
use crate::join::{Attributes, Os, People};
use crate::privacy::noise::Distribution;

/// So many people of a region and a system.
type Crowd<'a> = (&'a str, &'a str, u64);

fn secret(seed: u8) -> Secret {
    Secret::from_file_content(&[seed; 32]).unwrap()
}

fn added(spread: u32) -> NoiseRules {
    NoiseRules::Added(AddedNoise {
        distribution: Distribution::DiscreteGaussian {
            variance: NonZeroU32::new(spread * spread).unwrap(),
        },
        edge_exponent: 6,
        repeat_below: None,
    })
}

/// Distinct people, numbered across all crowds from `first` on.
fn people(crowds: &[Crowd<'_>], first: u64) -> People {
    let mut people = People::default();
    let mut next = first;
    for &(region, os, count) in crowds {
        let region = Region::from_code(region.as_bytes()).unwrap();
        let known = Attributes::from_cells(os.as_bytes(), b"").in_region(region);
        let rows: Vec<_> =
            (next..next + count).map(|digits| PersonRow::made_up(digits, known)).collect();
        people.add(&rows);
        next += count;
    }
    people.settle(<[PersonRow]>::sort_unstable);
    people
}

fn table(crowds: &[Crowd<'_>], fewest: u64, noise: &NoiseRules) -> Vec<(String, u64)> {
    let secret = secret(7);
    let rules = CountRules { fewest, noise, secret: &secret };
    told(&count_people(people(crowds, 1000).rows().iter(), &rules))
}

fn told(rows: &[PeopleCount]) -> Vec<(String, u64)> {
    let name = |row: &PeopleCount| {
        let region = row.region();
        let region = region.as_ref().map_or("-", |region| region.code());
        format!("{region} {}", row.os().unwrap_or("-"))
    };
    rows.iter().map(|row| (name(row), row.people())).collect()
}

fn rows(expected: &[(&str, u64)]) -> Vec<(String, u64)> {
    expected.iter().map(|&(cell, people)| (cell.to_owned(), people)).collect()
}

#[test]
fn who_has_no_company_is_told_with_the_region_and_else_with_the_rest() {
    let none = NoiseRules::None;
    let crowds = [
        ("DE", "Android 14", 60),
        ("DE", "iOS 17", 30),
        ("DE", "KaiOS 3", 25),
        ("FR", "Android 14", 80),
        ("GB", "iOS 17", 49),
        ("US", "", 7),
    ];
    let expected = [("- -", 56), ("DE -", 55), ("DE android", 60), ("FR android", 80)];
    assert_eq!(table(&crowds, 50, &none), rows(&expected));
}

#[test]
fn a_rest_below_the_floor_takes_the_smallest_cell_along() {
    let none = NoiseRules::None;
    let crowds = [("DE", "Android 14", 60), ("DE", "iOS 17", 3), ("FR", "iOS 17", 51)];
    assert_eq!(table(&crowds, 50, &none), rows(&[("- -", 54), ("DE android", 60)]));
    // Where nobody is left over, exact counts need no company.
    let whole = [("DE", "Android 14", 60), ("FR", "iOS 17", 51)];
    assert_eq!(table(&whole, 50, &none), rows(&[("DE android", 60), ("FR ios", 51)]));
    assert_eq!(table(&[("DE", "Android 14", 49)], 50, &none), []);
    assert_eq!(table(&[], 50, &none), []);
}

#[test]
fn whether_one_person_is_left_over_does_not_show() {
    let whole = [("DE", "Android 14", 5000), ("FR", "iOS 17", 900)];
    let one_more = [("DE", "Android 14", 5000), ("FR", "iOS 17", 900), ("GB", "iOS 17", 1)];
    let cells = |crowds: &[Crowd<'_>]| -> Vec<_> {
        table(crowds, 50, &added(3)).into_iter().map(|(cell, _)| cell).collect()
    };
    assert_eq!(cells(&whole), ["- -", "DE android"]);
    assert_eq!(cells(&whole), cells(&one_more));
}

#[test]
fn every_row_has_the_company_that_the_floor_asks_and_all_are_in_one() {
    let oses = ["Android 14", "iOS 17", "KaiOS 3", ""];
    let mut draws = Draws(7);
    let mut told_somebody = 0;
    for _ in 0..300 {
        let crowds: Vec<Crowd<'_>> = ["DE", "FR", "GB", "US"]
            .into_iter()
            .flat_map(|region| oses.map(|os| (region, os)))
            .map(|(region, os)| (region, os, draws.below(40)))
            .filter(|crowd| crowd.2 > 3)
            .collect();
        let all: u64 = crowds.iter().map(|crowd| crowd.2).sum();
        let table = table(&crowds, 20, &NoiseRules::None);
        assert!(table.iter().all(|(_, people)| *people >= 20), "{table:?}");
        let counted: u64 = table.iter().map(|(_, people)| people).sum();
        assert!(counted == all || counted == 0 && all < 20, "{crowds:?} {table:?}");
        told_somebody += u64::from(counted == all);
        for (cell, people) in &table {
            let exact: u64 = crowds
                .iter()
                .filter(|(region, os, _)| {
                    let os = Attributes::from_cells(os.as_bytes(), b"")
                        .os()
                        .and_then(Os::name)
                        .unwrap_or("-");
                    format!("{region} {os}") == *cell
                })
                .map(|crowd| crowd.2)
                .sum();
            assert!(cell.ends_with(" -") || exact == *people, "{crowds:?} {table:?}");
        }
    }
    assert!(told_somebody > 200, "{told_somebody}");
}

#[test]
fn the_same_people_are_told_alike_and_others_are_not() {
    let crowds = [("DE", "Android 14", 4000), ("FR", "iOS 17", 4000), ("GB", "iOS 17", 4000)];
    let noise = added(10);
    let of = |seed: u8, first: u64| {
        let secret = secret(seed);
        let rules = CountRules { fewest: 50, noise: &noise, secret: &secret };
        told(&count_people(people(&crowds, first).rows().iter(), &rules))
    };
    assert_eq!(of(7, 1000), of(7, 1000));
    assert_ne!(of(7, 1000), of(7, 1001));
    assert_ne!(of(7, 1000), of(8, 1000));
    for (_, people) in of(7, 1000) {
        let away = people.abs_diff(4000).min(people.abs_diff(8000));
        assert!(away < 100, "{people}");
    }
}

#[test]
fn a_cells_noise_follows_the_policys_distribution() {
    // 400 secrets, two told cells each; the mean of 400 draws of σ = 10 lies within 5 σ / √400.
    let noise = added(10);
    let crowds = [("DE", "Android 14", 1000), ("FR", "iOS 17", 5000)];
    let people = people(&crowds, 1000);
    let draws: Vec<f64> = (0..400_u16)
        .map(|seed| {
            let [a, b] = seed.to_le_bytes();
            let mut bytes = [9; 32];
            bytes[..2].copy_from_slice(&[a, b]);
            let secret = Secret::from_file_content(&bytes).unwrap();
            let rules = CountRules { fewest: 50, noise: &noise, secret: &secret };
            let table = told(&count_people(people.rows().iter(), &rules));
            let france = table.iter().find(|(cell, _)| cell == "FR ios").unwrap().1;
            f64::from(u32::try_from(france).unwrap()) - 5000.0
        })
        .collect();
    let mean = draws.iter().sum::<f64>() / 400.0;
    let variance = draws.iter().map(|draw| draw * draw).sum::<f64>() / 400.0;
    assert!(mean.abs() < 2.5, "{mean}");
    assert!((60.0..150.0).contains(&variance), "{variance}");
}
