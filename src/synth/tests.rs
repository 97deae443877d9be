use std::collections::HashSet;

use super::*;
use crate::normalise::{Checks, E164_TEXT_LEN, Hint, NumberType, read};

fn world(accounts: u64, list: u64) -> World {
    World {
        accounts,
        list,
        opt_outs: accounts / 100,
        overlap: 0.3,
        messy: 0.5,
        junk: 0.02,
        denied: 0.05,
        countries: Vec::new(),
        seed: 7,
        night: 0,
    }
}

fn spelled(spelling: Spelling, number: Number) -> String {
    let mut cell = Vec::new();
    spelling::write(spelling, number, &mut cell);
    let cell = String::from_utf8(cell).unwrap();
    match cell.strip_prefix('"').and_then(|cell| cell.strip_suffix('"')) {
        Some(quoted) => quoted.replace("\"\"", "\""),
        None => cell,
    }
}

const HOME: [Spelling; 7] = [
    Spelling::TrunkInBrackets,
    Spelling::Abroad,
    Spelling::Home,
    Spelling::HomeSpaced,
    Spelling::HomeDigits,
    Spelling::Apostrophe,
    Spelling::Formula,
];

#[test]
fn every_number_is_a_valid_mobile_number_however_it_is_spelled() {
    let world = world(0, 0);
    let people = People::new(&world).unwrap();
    for country in &people.countries {
        let region = Region::from_code(country.plan.region.as_bytes()).unwrap();
        let last = country.plan.capacity() - 1;
        for drawn in (0..40).map(|index| country.numbers.apply(index)).chain([0, last]) {
            let number = Number { plan: country.plan, national: country.plan.national(drawn) };
            let expected = spelled(Spelling::E164, number);
            let check = |spelling, hint| {
                let cell = spelled(spelling, number);
                let reading = read(cell.as_bytes(), hint, Checks::Damage);
                let reading =
                    reading.unwrap_or_else(|reason| panic!("{region} {cell}: {reason:?}"));
                assert_eq!(reading.number.expose_text(&mut [0; E164_TEXT_LEN]), expected, "{cell}");
                assert_eq!(reading.region, region, "{cell}");
                let kinds = [NumberType::Mobile, NumberType::FixedLineOrMobile];
                assert!(kinds.contains(&reading.kind), "{cell}");
            };
            for spelling in Spelling::INTERNATIONAL {
                check(spelling, Hint::None);
                check(spelling, Hint::Region(region));
            }
            for spelling in HOME {
                let unknown = match spelling {
                    Spelling::TrunkInBrackets => country.plan.trunk != "0",
                    Spelling::Abroad => country.plan.abroad.is_empty(),
                    _ => false,
                };
                if !unknown {
                    check(spelling, Hint::Region(region));
                }
            }
        }
    }
}

#[test]
fn junk_is_never_read_as_a_number() {
    let world = world(0, 0);
    let people = People::new(&world).unwrap();
    for index in 0..300 {
        let number = people.number(index);
        let region = Region::from_code(number.plan.region.as_bytes()).unwrap();
        for spelling in Spelling::JUNK {
            let cell = spelled(spelling, number);
            for hint in [Hint::Region(region), Hint::None] {
                assert!(read(cell.as_bytes(), hint, Checks::Damage).is_err(), "{region} {cell}");
            }
        }
    }
}

#[test]
fn no_two_people_share_a_number() {
    let world = world(0, 0);
    let people = People::new(&world).unwrap();
    let mut seen = HashSet::new();
    for index in 0..200_000 {
        let number = people.number(index);
        assert!(seen.insert((number.plan.calling_code, number.national)));
    }
}

#[test]
fn a_permutation_takes_every_place_once() {
    for size in [1, 2, 3, 10, 1000, 1024, 1025] {
        let permutation = Permutation::new(size, 99);
        let taken: HashSet<_> = (0..size).map(|index| permutation.apply(index)).collect();
        assert_eq!(taken.len() as u64, size);
        assert!(taken.iter().all(|&place| place < size));
    }
}

#[test]
fn the_overlap_is_what_was_asked_for() {
    let world = world(50_000, 20_000);
    let people = People::new(&world).unwrap();
    let distinct: HashSet<_> = (0..world.list).map(|row| people.listed(row)).collect();
    let members = distinct.iter().filter(|&&person| person < world.accounts).count();
    let share = members as f64 / distinct.len() as f64;
    assert!((share - world.overlap).abs() < 0.02, "{share}");
    assert!(distinct.len() < 20_000 && distinct.len() > 19_500);
}

#[test]
fn the_same_seed_writes_the_same_bytes_and_another_seed_others() {
    let folder = tempfile::tempdir().unwrap();
    let write_as = |name: &str, seed| {
        let written = write(&World { seed, ..world(500, 200) }, &folder.path().join(name)).unwrap();
        let folder = written.job.parent().unwrap().to_owned();
        ["accounts.csv", "list.csv", "opt_outs.csv"]
            .map(|file| fs::read(folder.join(file)).unwrap())
    };
    let first = write_as("first", 7);
    assert_eq!(first, write_as("second", 7));
    assert_ne!(first, write_as("third", 8));
    for file in &first {
        assert_eq!(file.last(), Some(&b'\n'));
    }
}

#[test]
fn an_impossible_world_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let share = write(&World { junk: 1.5, ..world(1, 1) }, folder.path());
    assert!(matches!(share, Err(SynthError::Share { name: "junk" })));
    let countries = vec![Region::from_code(b"AQ").unwrap()];
    let country = write(&World { countries, ..world(1, 1) }, folder.path());
    assert!(matches!(country, Err(SynthError::UnknownCountry { .. })));
    let countries = vec![Region::from_code(b"CA").unwrap()];
    let many = write(&World { countries, ..world(41_000_000, 0) }, folder.path());
    assert!(matches!(many, Err(SynthError::TooMany { .. })));
}

/// Accounts, list and opt-outs of a night, line by line without their headers.
fn night(night: u32) -> [Vec<String>; 3] {
    let folder = tempfile::tempdir().unwrap();
    write(&World { night, ..world(3000, 1000) }, folder.path()).unwrap();
    ["accounts.csv", "list.csv", "opt_outs.csv"].map(|file| {
        let text = fs::read_to_string(folder.path().join(file)).unwrap();
        text.lines().skip(1).map(str::to_owned).collect()
    })
}

/// How many lines of `one` are not in `other`, by their last or first cell.
fn gone(one: &[String], other: &[String], name: fn(&str) -> &str) -> usize {
    let there: HashSet<_> = other.iter().map(|line| name(line)).collect();
    one.iter().filter(|line| !there.contains(name(line))).count()
}

fn account(line: &str) -> &str {
    line.split(',').next().unwrap()
}

fn customer(line: &str) -> &str {
    line.rsplit(',').next().unwrap()
}

const fn whole(line: &str) -> &str {
    line
}

#[test]
fn a_night_is_the_one_before_and_a_little_more() {
    let first = night(0);
    let mut before = first.clone();
    let (mut deleted, mut renumbered) = (0, 0);
    for today in 1..=14 {
        let now = night(today);
        let [accounts, list, opt_outs] = &now;
        let day = super::Day::from_text(FIRST_DAY).unwrap().plus(today);
        let (earlier, new) = opt_outs.split_at(before[2].len());
        assert!(earlier == before[2] && new.len() == 2, "{today}");
        assert!(new.iter().all(|line| line.ends_with(&format!(",{day}"))), "{today}");
        // Six accounts register, some of them listed before; nobody comes back.
        assert_eq!(gone(accounts, &before[0], account), 6);
        assert!(accounts[accounts.len() - 6..].iter().all(|line| line.contains(&day.to_string())));
        let (left, changed) =
            (gone(&before[0], accounts, account), gone(&before[0], accounts, whole));
        assert!(left <= changed && changed < 20, "{today}: {left} of {changed}");
        (deleted, renumbered) = (deleted + left, renumbered + changed - left);
        let (dropped, added) = (gone(&before[1], list, customer), gone(list, &before[1], customer));
        assert!((1..20).contains(&dropped) && added == 6, "{today}: {dropped} {added}");
        // What stays is written as it was.
        assert_eq!(gone(list, &before[1], whole), added);
        let numbers: HashSet<_> = accounts.iter().map(|line| line.split(',').nth(1)).collect();
        assert_eq!(numbers.len(), accounts.len(), "{today}: a number is two accounts'");
        before = now;
    }
    assert!((20..80).contains(&deleted) && (8..40).contains(&renumbered), "{deleted} {renumbered}");
    let hoped_for = |line: &&String| {
        let person = |cell: &str| read(cell.as_bytes(), Hint::None, Checks::Damage).ok();
        let number = line.split(',').nth(1).and_then(person).map(|it| it.number);
        first[1]
            .iter()
            .any(|row| person(row.split(',').next().unwrap()).map(|it| it.number) == number)
    };
    let new = &before[0][before[0].len() - 6 * 14..];
    assert!(new.iter().filter(hoped_for).count() > 5);
}

#[test]
fn a_night_is_written_the_same_without_those_before_it() {
    assert_eq!(night(9), night(9));
    let folder = tempfile::tempdir().unwrap();
    let late = write(&World { night: MOST_NIGHTS + 1, ..world(1, 1) }, folder.path());
    assert!(matches!(late, Err(SynthError::TooLate)));
    // Also where nobody is there to change.
    for (accounts, list) in [(0, 0), (0, 50), (50, 0), (3, 3)] {
        let world = World { night: 30, ..world(accounts, list) };
        write(&world, folder.path()).unwrap();
        let text = fs::read_to_string(folder.path().join("opt_outs.csv")).unwrap();
        assert_eq!(text.lines().count(), 61, "{accounts} {list}");
    }
    let last = World { night: MOST_NIGHTS, ..world(300, 100) };
    write(&last, folder.path()).unwrap();
}

/// So that a night's removals hold them: they were in a run before.
#[test]
fn who_opts_out_at_night_was_released_the_night_before() {
    let world = World { night: 14, ..world(3000, 1000) };
    let people = People::new(&world).unwrap();
    let left = people.left();
    assert_eq!(left.len(), 28);
    let persons: HashSet<_> = left.iter().map(|later| later.person).collect();
    assert_eq!(persons.len(), 28);
    let earlier: HashSet<_> = (0..world.opt_outs).map(|row| people.opted_out(row)).collect();
    for person in persons {
        assert!(person < world.accounts && !people.denies(person) && !earlier.contains(&person));
        assert!((0..world.list).any(|row| people.listed(row) == person && !people.is_junk(row)));
    }
}
