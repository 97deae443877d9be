//! The whole job again, naively: one thread, maps and sets, straight from the design's text.
//!
//! It shares two things with the program, because other tests hold them to their own reference:
//! the reading of a number (`conformance.rs`) and the formats of the files. The keys, the bars
//! with their aliases, the join and the floors are written anew.
//!
//! `PHONEMATCH_WORLDS=5000 cargo test model` tries 5000 small worlds instead of 64.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use phonematch::normalise::{Checks, E164_TEXT_LEN, Hint, Reading, Region, read};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::support::keys::{Form, digest, token};
use crate::support::people::{KINDS, KINDS_WITHOUT_ALIAS, Person, Random, abroad, person};
use crate::support::{JOB, POLICY, SECRET_HEX, Scene, tables};

/// What the job file and the policy say, as far as the released set depends on it.
#[derive(Clone, Debug)]
pub struct Rules {
    pub blank_is_allowed: bool,
    pub types: Vec<&'static str>,
    pub list_numbers: usize,
    pub matched_people: usize,
    pub opt_out_country: Option<&'static str>,
    pub lists: Vec<List>,
    pub opt_out_files: Vec<String>,
}

#[derive(Clone, Debug)]
pub struct List {
    pub file: String,
    pub recipient: String,
    pub id: String,
    /// `None`: numbers as text.
    pub hashed: Option<Form>,
    pub separate: bool,
}

/// Recipient, list and token of everyone who comes out.
pub type Released = BTreeSet<(String, String, String)>;

const ALL_TYPES: [&str; 5] =
    ["MOBILE", "FIXED_LINE", "FIXED_LINE_OR_MOBILE", "VOIP", "PERSONAL_NUMBER"];

pub fn naive_job(folder: &Path, rules: &Rules) -> Released {
    let mut barred = BTreeSet::new();
    let mut barred_digests = BTreeSet::new();
    for file in &rules.opt_out_files {
        for row in csv_rows(&folder.join(file)) {
            let other = ["friend_suggestions", "analytics", "anti_spam", "business_messaging"];
            if other.contains(&row["purpose"].as_str()) {
                continue;
            }
            if let Some(cell) = row.get("phone_sha256") {
                barred_digests.extend(digest_in(cell));
                continue;
            }
            for part in row["phone"].split([';', '/']) {
                barred.extend(closure(&opted_out_digits(part, rules.opt_out_country)));
            }
        }
    }
    let mut members = BTreeSet::new();
    for row in csv_rows(&folder.join("accounts.csv")) {
        let Some(reading) = reading(&row["phone"], Hint::International) else { continue };
        let digits = digits_of(&reading);
        let allowed = match row["consent_ads"].as_str() {
            "granted" | "yes" | "true" | "1" | "opt_in" => true,
            "" => rules.blank_is_allowed,
            _ => false,
        };
        if !allowed {
            barred.extend(closure(&digits));
        }
        members.insert(digits);
    }
    for digits in &members {
        let digests = [Form::E164, Form::Digits].map(|form| digest(digits, form));
        if digests.iter().any(|digest| barred_digests.contains(digest)) {
            barred.insert(digits.clone());
        }
    }
    let mut released = Released::new();
    for list in &rules.lists {
        let (size, candidates) = match list.hashed {
            None => raw_candidates(folder, list, rules, &members),
            Some(form) => hashed_candidates(folder, list, form, &members),
        };
        let out: Vec<_> = candidates.iter().filter(|digits| !barred.contains(*digits)).collect();
        if size >= rules.list_numbers && out.len() >= rules.matched_people {
            let form = list.hashed.unwrap_or(Form::E164);
            released.extend(out.iter().map(|digits| {
                let token = token(SECRET_HEX, &list.recipient, digits, form);
                (list.recipient.clone(), list.id.clone(), token)
            }));
        }
    }
    released
}

/// How many numbers the list holds, and those of them that are members.
fn raw_candidates(
    folder: &Path,
    list: &List,
    rules: &Rules,
    members: &BTreeSet<String>,
) -> (usize, BTreeSet<String>) {
    let mut numbers = BTreeSet::new();
    for row in csv_rows(&folder.join(&list.file)) {
        let hint = Region::from_code(row["country"].as_bytes()).map_or(Hint::None, Hint::Region);
        let cell = row["phone"].as_str();
        let parts = if list.separate { cell.split(';').collect() } else { vec![cell] };
        let readings = parts.iter().filter_map(|part| reading(part, hint));
        let personal = readings.filter(|reading| rules.types.contains(&reading.kind.name()));
        numbers.extend(personal.map(|reading| digits_of(&reading)));
    }
    (numbers.len(), numbers.intersection(members).cloned().collect())
}

fn hashed_candidates(
    folder: &Path,
    list: &List,
    form: Form,
    members: &BTreeSet<String>,
) -> (usize, BTreeSet<String>) {
    let rows = csv_rows(&folder.join(&list.file));
    let digests: BTreeSet<_> =
        rows.iter().filter_map(|row| digest_in(&row["phone_sha256"])).collect();
    let listed = |digits: &&String| digests.contains(&digest(digits, form));
    (digests.len(), members.iter().filter(listed).cloned().collect())
}

/// The digits that an opt-out cell means: as read, else as they stand there.
fn opted_out_digits(cell: &str, country: Option<&str>) -> String {
    let region = country.and_then(|country| Region::from_code(country.as_bytes()));
    match reading(cell, region.map_or(Hint::None, Hint::Region)) {
        Some(reading) => digits_of(&reading),
        None => cell.chars().filter(char::is_ascii_digit).collect(),
    }
}

/// Every way in which the same person's number has been written (design §3).
fn closure(digits: &str) -> Vec<String> {
    let mut same = vec![digits.to_owned()];
    let mut add = |alias: String| same.push(alias);
    let rest_after = |prefix: &str, len: usize| {
        digits.strip_prefix(prefix).filter(|rest| rest.len() == len).map(str::to_owned)
    };
    // Mexico dropped the 1 behind its calling code in 2019.
    rest_after("521", 10).into_iter().for_each(|rest| add(format!("52{rest}")));
    rest_after("52", 10).into_iter().for_each(|rest| add(format!("521{rest}")));
    // Argentina: a 9 in front of mobile numbers, from abroad only.
    rest_after("549", 10).into_iter().for_each(|rest| add(format!("54{rest}")));
    rest_after("54", 10).into_iter().for_each(|rest| add(format!("549{rest}")));
    // Brazil: a 9 in front of mobile numbers since 2012 to 2016.
    if let Some(rest) = rest_after("55", 11).filter(|rest| &rest[2..3] == "9") {
        add(format!("55{}{}", &rest[..2], &rest[3..]));
    }
    rest_after("55", 10)
        .into_iter()
        .for_each(|rest| add(format!("55{}9{}", &rest[..2], &rest[2..])));
    // Ivory Coast, January 2021: 01, 05 or 07 by operator; these worlds hold the 07 alone.
    rest_after("225", 8).into_iter().for_each(|rest| add(format!("22507{rest}")));
    // Benin, November 2024.
    rest_after("229", 8).into_iter().for_each(|rest| add(format!("22901{rest}")));
    // Italy: the zero of a fixed line belongs to the number.
    if let Some(rest) = digits.strip_prefix("39").filter(|rest| !rest.starts_with('0')) {
        add(format!("390{rest}"));
    }
    same
}

fn reading(cell: &str, hint: Hint) -> Option<Reading> {
    read(cell.as_bytes(), hint, Checks::Damage).ok()
}

fn digits_of(reading: &Reading) -> String {
    reading.number.expose_text(&mut [0; E164_TEXT_LEN])[1..].to_owned()
}

fn digest_in(cell: &str) -> Option<[u8; 32]> {
    let bytes = hex::decode(cell).or_else(|_| BASE64_STANDARD.decode(cell)).ok()?;
    bytes.try_into().ok()
}

fn csv_rows(path: &Path) -> Vec<BTreeMap<String, String>> {
    let mut reader = csv::Reader::from_path(path).unwrap();
    reader.deserialize().map(Result::unwrap).collect()
}

/// How large a small world is.
#[derive(Clone, Debug)]
struct Size {
    seed: u64,
    people: usize,
    accounts: usize,
    list: usize,
    lists: usize,
    opt_outs: usize,
}

fn small_worlds() -> impl Strategy<Value = Size> {
    (any::<u64>(), 1..30_usize, 1..60_usize, 1..40_usize, 1..4_usize, 1..10_usize).prop_map(
        |(seed, people, accounts, list, lists, opt_outs)| Size {
            seed,
            people,
            accounts,
            list,
            lists,
            opt_outs,
        },
    )
}

fn csv_cell(cell: &str) -> String {
    format!("\"{}\"", cell.replace('"', "\"\""))
}

fn hashed_cell(digits: &str, form: Form, random: &mut Random) -> String {
    let digest = digest(digits, form);
    match random.below(3) {
        0 => hex::encode(digest),
        1 => hex::encode_upper(digest),
        _ => BASE64_STANDARD.encode(digest),
    }
}

fn list_cell(person: &Person, random: &mut Random) -> String {
    match random.below(20) {
        0 => ["", "n/a", "12345", "4.47911E+11", "ask at the desk", "0000000000"][random.below(6)]
            .to_owned(),
        1 => person.aliases.first().unwrap_or(&person.home).clone(),
        2 => format!("+{};+12025550199", person.digits),
        3..=9 => person.home.clone(),
        _ => abroad(person, random),
    }
}

/// Writes a world into a scene, and says by which rules it is to be run.
fn write_world(scene: &Scene, size: &Size) -> Rules {
    let random = &mut Random(size.seed);
    let people: Vec<_> =
        (0..size.people).map(|line| person(random.below(KINDS), line % 10)).collect();
    let one = |random: &mut Random| people[random.below(people.len())].clone();

    let mut accounts = "account_id,phone,consent_ads\n".to_owned();
    for row in 0..size.accounts {
        let phone = match random.below(12) {
            0 => ["", "none", "123", "+999123456789"][random.below(4)].to_owned(),
            1 => one(random).digits,
            _ => abroad(&one(random), random),
        };
        let consent = random.pick(&["granted", "granted", "yes", "1", "", "", "denied", "maybe"]);
        accounts += &format!("{row},{},{consent}\n", csv_cell(&phone));
    }
    scene.write("accounts.csv", accounts);

    let mut job = JOB.split("[[lists]]").next().unwrap().to_owned();
    let mut lists = Vec::new();
    for at in 0..size.lists {
        let list = List {
            file: format!("list-{at}.csv"),
            recipient: random.pick(&["acme", "globex"]).to_owned(),
            id: format!("l{at}"),
            hashed: [None, None, Some(Form::E164), Some(Form::Digits)][random.below(4)],
            separate: random.percent(30),
        };
        let mut rows = String::new();
        for _ in 0..size.list {
            let person = one(random);
            rows += &match list.hashed {
                None => format!("{},{}\n", csv_cell(&list_cell(&person, random)), person.country),
                Some(form) => format!("{},\n", hashed_cell(&person.digits, form, random)),
            };
        }
        let (header, phones) = match list.hashed {
            None => ("phone,country\n", "raw"),
            Some(Form::E164) => ("phone_sha256,note\n", "e164"),
            Some(Form::Digits) => ("phone_sha256,note\n", "digits"),
        };
        scene.write(&list.file, format!("{header}{rows}"));
        let several = if list.separate { "separate" } else { "reject" };
        job += &format!(
            "[[lists]]\nfiles = [\"{}\"]\nrecipient = \"{}\"\nid = \"{}\"\nphones = \"{phones}\"\n\
             several_numbers = \"{several}\"\n\n",
            list.file, list.recipient, list.id
        );
        lists.push(list);
    }

    let mut raw = "phone,purpose,opted_out_at\n".to_owned();
    let mut hashed = "phone_sha256,purpose\n".to_owned();
    for _ in 0..size.opt_outs {
        let purpose = random.pick(&["", "", "ads", "ads", "analytics", "everything"]);
        let person = one(random);
        let cell = match random.below(8) {
            0 | 1 if !person.aliases.is_empty() => random_alias(&person, random),
            2 if person.country == "US" => person.home.clone(),
            3 => format!("+{}; +{}", person.digits, one(random).digits),
            _ => abroad(&person, random),
        };
        raw += &format!("{},{purpose},2026-01-01\n", csv_cell(&cell));
    }
    let plain = people.iter().filter(|person| person.aliases.is_empty());
    for person in plain.take(random.below(3)) {
        let form = if random.percent(50) { Form::E164 } else { Form::Digits };
        hashed += &format!("{},\n", hashed_cell(&person.digits, form, random));
    }
    let mut opt_out_files = vec!["opt_outs.csv".to_owned()];
    scene.write("opt_outs.csv", raw);
    if hashed.lines().count() > 1 {
        opt_out_files.push("opt_outs-hashed.csv".to_owned());
        scene.write("opt_outs-hashed.csv", hashed);
    }
    job += &format!("[opt_outs]\nfiles = {opt_out_files:?}\ncountry = \"US\"\n");
    scene.write("job.toml", job);

    let rules = Rules {
        blank_is_allowed: random.percent(60),
        types: if random.percent(70) { ALL_TYPES.to_vec() } else { ALL_TYPES[..1].to_vec() },
        list_numbers: 1 + random.below(5),
        matched_people: 1 + random.below(3),
        opt_out_country: Some("US"),
        lists,
        opt_out_files,
    };
    scene.write("policy.toml", policy(&rules));
    rules
}

fn random_alias(person: &Person, random: &mut Random) -> String {
    person.aliases[random.below(person.aliases.len())].clone()
}

fn policy(rules: &Rules) -> String {
    let all = format!("{ALL_TYPES:?}");
    assert!(POLICY.contains(&all));
    let blank = if rules.blank_is_allowed { "allowed" } else { "barred" };
    POLICY
        .replace(&all, &format!("{:?}", rules.types))
        .replace("blank_consent = \"allowed\"", &format!("blank_consent = \"{blank}\""))
        .replace("list_numbers = 1", &format!("list_numbers = {}", rules.list_numbers))
        .replace("matched_people = 1", &format!("matched_people = {}", rules.matched_people))
}

fn released_by_the_program(scene: &Scene) -> Released {
    let rows = tables::rows(&scene.at("run/matches.parquet"));
    let count = rows.len();
    let field = |row: &tables::Row, name: &str| row[name].clone();
    let released: Released = rows
        .iter()
        .map(|row| (field(row, "recipient"), field(row, "list_id"), field(row, "token")))
        .collect();
    assert_eq!(released.len(), count, "a person came out twice");
    released
}

#[test]
fn random_small_worlds_come_out_as_the_naive_model_says() {
    let cases = std::env::var("PHONEMATCH_WORLDS").ok().and_then(|n| n.parse().ok()).unwrap_or(64);
    let config =
        Config { cases, failure_persistence: None, max_shrink_iters: 60, ..Config::default() };
    let outcome = TestRunner::new(config).run(&small_worlds(), |size| {
        let scene = Scene::empty();
        let rules = write_world(&scene, &size);
        let outcome = scene.run(&[]);
        prop_assert_eq!(outcome.code, Some(0), "{} {:?}", outcome.stderr, rules);
        let expected = naive_job(scene.path(), &rules);
        let found = released_by_the_program(&scene);
        let missing: Vec<_> = expected.difference(&found).collect();
        let extra: Vec<_> = found.difference(&expected).collect();
        let explained = explain(&scene, &rules, &missing, &extra);
        prop_assert!(missing.is_empty() && extra.is_empty(), "{}", explained);
        Ok(())
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
}

/// The files of a small world and whose token is missing or too much. All of them are made up.
fn explain(
    scene: &Scene,
    rules: &Rules,
    missing: &[&(String, String, String)],
    extra: &[&(String, String, String)],
) -> String {
    let mut names = BTreeMap::new();
    for (kind, line) in (0..KINDS).flat_map(|kind| (0..10).map(move |line| (kind, line))) {
        let digits = person(kind, line).digits;
        for recipient in ["acme", "globex"] {
            for form in [Form::E164, Form::Digits] {
                names.insert(token(SECRET_HEX, recipient, &digits, form), digits.clone());
            }
        }
    }
    let whose = |rows: &[&(String, String, String)]| -> Vec<String> {
        let name = |token: &String| names.get(token).cloned().unwrap_or_default();
        rows.iter().map(|row| format!("{} {} +{}", row.0, row.1, name(&row.2))).collect()
    };
    let mut text =
        format!("missing {:?}\ntoo much {:?}\n{rules:?}\n", whose(missing), whose(extra));
    let lists = rules.lists.iter().map(|list| &list.file);
    for file in rules.opt_out_files.iter().chain(lists).chain([&"accounts.csv".to_owned()]) {
        text += &format!("--- {file}\n{}", scene.read(file));
    }
    text
}

#[test]
fn a_made_up_world_comes_out_as_the_naive_model_says() {
    // PHONEMATCH_ACCOUNTS=1000000 tries a larger one, with a list of a tenth of that.
    let accounts = std::env::var("PHONEMATCH_ACCOUNTS").map_or(20_000, |n| n.parse().unwrap());
    let scene = Scene::made_up(accounts, accounts / 10, 2016);
    scene.publish(&[]);
    let rules = Rules {
        blank_is_allowed: true,
        types: ALL_TYPES.to_vec(),
        list_numbers: 100,
        matched_people: 100,
        opt_out_country: None,
        lists: vec![List {
            file: "list.csv".to_owned(),
            recipient: "synth".to_owned(),
            id: "list".to_owned(),
            hashed: None,
            separate: false,
        }],
        opt_out_files: vec!["opt_outs.csv".to_owned()],
    };
    let expected = naive_job(scene.path(), &rules);
    assert!(expected.len() > 500, "the world is too small to say much: {}", expected.len());
    assert_eq!(released_by_the_program(&scene), expected);
}

#[test]
fn people_without_an_alias_have_none_in_the_model_either() {
    for kind in 0..KINDS_WITHOUT_ALIAS {
        let person = person(kind, 7);
        assert!(person.aliases.is_empty());
        assert_eq!(closure(&person.digits), std::slice::from_ref(&person.digits));
    }
    for kind in KINDS_WITHOUT_ALIAS..KINDS {
        let person = person(kind, 7);
        let read = reading(&format!("+{}", person.digits), Hint::None).unwrap();
        assert_eq!(digits_of(&read), person.digits);
        for alias in &person.aliases {
            let barred = closure(&opted_out_digits(alias, Some("US")));
            assert!(barred.contains(&person.digits), "{alias} {person:?}");
        }
    }
}
