//! What holds for all inputs.

use std::collections::BTreeMap;

use phonematch::key::{Keyer, MatchKey, PhoneDigest, Secret};
use phonematch::normalise::{Checks, E164_TEXT_LEN, Hint, Reading, read};
use proptest::prelude::*;

use crate::support::keys::{Form, token};
use crate::support::people::{KINDS, abroad, person};
use crate::support::random::Random;
use crate::support::{SECRET_HEX, Scene, published_bytes, tables};

fn text_of(reading: &Reading) -> String {
    reading.number.expose_text(&mut [0; E164_TEXT_LEN]).to_owned()
}

/// Calling codes whose national-prefix rule can change a number that is valid as written
/// (the 19 of `normaliser.md`: libphonenumber strips it from international spellings too).
const NOT_IDEMPOTENT: [&str; 19] = [
    "54", "61", "359", "55", "375", "86", "241", "44", "62", "91", "81", "82", "7", "370", "261",
    "672", "250", "66", "598",
];

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 400, ..ProptestConfig::default() })]

    /// Outside those calling codes, reading what was read gives the same number. Inside them all
    /// that holds is that the second reading is the same every time: Google's algorithm strips a
    /// national prefix from `+54 …` and the like once more.
    #[test]
    fn normalising_twice_is_once_outside_nineteen_calling_codes(
        digits in "[1-9][0-9]{6,14}", region in "[A-Z]{2}",
    ) {
        let region = phonematch::normalise::Region::from_code(region.as_bytes()).unwrap();
        for hint in [Hint::None, Hint::International, Hint::Region(region)] {
            let Ok(first) = read(format!("+{digits}").as_bytes(), hint, Checks::Library) else { continue };
            let once = text_of(&first);
            let second = read(once.as_bytes(), hint, Checks::Library);
            if !NOT_IDEMPOTENT.iter().any(|code| once[1..].starts_with(code)) {
                prop_assert_eq!(second, Ok(first));
            } else {
                prop_assert_eq!(read(once.as_bytes(), hint, Checks::Library), second);
            }
        }
    }

    /// For every person of the test worlds, in every spelling, the E.164 text is a fixed point.
    #[test]
    fn normalising_twice_is_once_for_every_made_up_person(seed: u64, kind in 0..KINDS, line in 0..100_usize) {
        let person = person(kind, line);
        let spelled = abroad(&person, &mut Random(seed));
        let reading = read(spelled.as_bytes(), Hint::None, Checks::Damage).unwrap();
        prop_assert_eq!(text_of(&reading), format!("+{}", &person.digits));
        let again = read(text_of(&reading).as_bytes(), Hint::International, Checks::Damage);
        prop_assert_eq!(again, Ok(reading));
    }

    #[test]
    fn no_bytes_panic_the_reader(bytes: Vec<u8>, region in "[A-Z]{2}") {
        let region = phonematch::normalise::Region::from_code(region.as_bytes()).unwrap();
        for hint in [Hint::None, Hint::International, Hint::Region(region)] {
            for checks in [Checks::Library, Checks::Damage] {
                let _ = read(&bytes, hint, checks);
            }
        }
    }

    #[test]
    fn no_phone_like_text_panics_the_reader(text in "[0-9+() .;=:/x#~*a-z\u{ff10}-\u{ff19}\u{660}-\u{669}\u{200b}-\u{200f}-]{0,40}(;phone-context=|;ext=|tel:|;isub=){0,2}[+0-9A-Za-z.]{0,6}") {
        for hint in [Hint::None, Hint::International] {
            for checks in [Checks::Library, Checks::Damage] {
                let _ = read(text.as_bytes(), hint, checks);
            }
        }
    }
}

fn made_up_scene() -> Scene {
    made_up_scene_of(1500)
}

fn made_up_scene_of(accounts: u64) -> Scene {
    let scene = Scene::made_up(accounts, 700, 11);
    scene.edit("policy.toml", "list_numbers = 100", "list_numbers = 20");
    scene.edit("policy.toml", "matched_people = 100", "matched_people = 20");
    scene.edit("policy.toml", "attribute_cell = 50", "attribute_cell = 10");
    scene
}

#[test]
fn threads_change_no_published_byte() {
    // So many that there is a part of the file for each of eight threads.
    let scene = made_up_scene_of(35_000);
    let bytes = std::fs::metadata(scene.at("accounts.csv")).unwrap().len();
    assert!(bytes > 8 * phonematch::input::DEFAULT_BLOCK_BYTES as u64);
    let runs = ["1", "2", "8"].map(|threads| {
        let out = format!("run-{threads}");
        let ledger = format!("{out}.ledger");
        let apart = ["--previous", "none", "--ledger", &ledger];
        scene.publish(&[&["--threads", threads, "--out", &out], &apart[..]].concat());
        published_bytes(&scene.at(&out))
    });
    for (name, bytes) in &runs[0] {
        for other in &runs[1..] {
            let (_, same) = other.iter().find(|(other, _)| other == name).unwrap();
            assert!(bytes == same, "{name} differs");
        }
    }
}

/// A list that is so long that its rows are taken in while others are read.
fn scene_with_a_long_list() -> (Scene, Vec<String>) {
    let scene = made_up_scene_of(2_000);
    let told = scene.read("list.csv");
    let told = told.lines().skip(1).map(|line| line.split(',').next().unwrap());
    let told: Vec<_> = told.filter(|cell| !cell.contains('"')).collect();
    let row = |at: usize| match at % 97 {
        0 => format!("nobody {at},spring"),
        1 => format!("{},autumn", told[at % told.len()]),
        _ => format!("+1202{:07},{}", 2_000_000 + at / 2, ["spring", "autumn"][at % 2]),
    };
    (scene, std::iter::once("phone,list_id".to_owned()).chain((0..300_000).map(row)).collect())
}

#[test]
fn list_rows_that_are_taken_in_while_others_are_read_keep_their_places() {
    let (scene, mut lines) = scene_with_a_long_list();
    scene.write("list.csv", lines.join("\n") + "\n");
    let run = |threads: &str| {
        let (out, ledger) = (format!("run-{threads}"), format!("run-{threads}.ledger"));
        let apart = ["--previous", "none", "--ledger", &ledger];
        scene.run(&[&["--threads", threads, "--out", &out], &apart[..]].concat())
    };
    let runs = ["1", "2", "4"].map(|threads| {
        run(threads).must_end_with(0);
        published_bytes(&scene.at(&format!("run-{threads}")))
    });
    assert!(runs[0] == runs[1] && runs[1] == runs[2]);
    let rejects = tables::rows(&scene.at("run-2/rejects.parquet"));
    let of_list = rejects.iter().filter(|row| row["role"] == "list");
    let rows: Vec<_> = of_list.map(|row| row["row"].parse::<usize>().unwrap()).collect();
    assert!(rows.is_sorted());
    assert!((0..300_000).step_by(97).all(|at| rows.binary_search(&(at + 1)).is_ok()));

    lines[200_000] = "\"+12025550100,spring".to_owned();
    scene.write("list.csv", lines.join("\n") + "\n");
    for folder in ["run-1", "run-2", "run-4"] {
        std::fs::remove_dir_all(scene.at(folder)).unwrap();
    }
    let said = ["1", "2", "4"].map(|threads| {
        let said = run(threads).must_end_with(65).stderr;
        said.lines().last().map(str::to_owned).unwrap_or_default()
    });
    assert!(said[0].contains("row 200000"), "{}", said[0]);
    assert!(said[0] == said[1] && said[1] == said[2]);
}

/// The manifest holds the inputs' digests and the rejects name rows, so those two differ when
/// rows change places; what was found out does not.
#[test]
fn the_order_of_rows_changes_nothing_that_was_found() {
    let scene = made_up_scene();
    scene.publish(&["--out", "first", "--previous", "none", "--ledger", "first.ledger"]);
    for file in ["accounts.csv", "list.csv", "opt_outs.csv"] {
        let text = scene.read(file);
        let mut lines: Vec<_> = text.lines().collect();
        Random(5).shuffle(&mut lines[1..]);
        scene.write(file, lines.join("\n") + "\n");
    }
    scene.publish(&["--out", "second", "--previous", "none", "--ledger", "second.ledger"]);
    for name in ["matches.parquet", "audiences.parquet", "summary.json", "removed.parquet"] {
        let read = |run: &str| std::fs::read(scene.at(run).join(name)).unwrap();
        assert!(read("first") == read("second"), "{name} differs");
    }
}

#[test]
fn the_same_files_cut_in_two_change_nothing_that_was_found() {
    let scene = made_up_scene();
    scene.publish(&["--out", "whole", "--previous", "none", "--ledger", "whole.ledger"]);
    for file in ["accounts", "list", "opt_outs"] {
        let text = scene.read(&format!("{file}.csv"));
        let lines: Vec<_> = text.lines().collect();
        let (header, rows) = (lines[0], &lines[1..]);
        for (part, rows) in [("b", &rows[..rows.len() / 2]), ("a", &rows[rows.len() / 2..])] {
            scene.write(&format!("{file}-{part}.csv"), format!("{header}\n{}\n", rows.join("\n")));
        }
        scene.edit("job.toml", &format!("\"{file}.csv\""), &format!("\"{file}-*.csv\""));
    }
    scene.publish(&["--out", "parts", "--previous", "none", "--ledger", "parts.ledger"]);
    for name in ["matches.parquet", "audiences.parquet", "summary.json", "removed.parquet"] {
        let read = |run: &str| std::fs::read(scene.at(run).join(name)).unwrap();
        assert!(read("whole") == read("parts"), "{name} differs");
    }
}

#[test]
fn every_row_is_accounted_for_exactly_once() {
    let scene = made_up_scene();
    scene.publish(&[]);
    let report = scene.report("run");
    let rejects = tables::rows(&scene.at("run/rejects.parquet"));
    let inputs = report["inputs"].as_array().unwrap();
    assert_eq!(inputs.len(), 3);
    for input in inputs {
        let count = |name: &str| input[name].as_u64().unwrap_or_else(|| panic!("{name}: {input}"));
        let outcomes = ["rejected", "barred", "duplicates", "unmatched", "withheld", "released"];
        assert_eq!(count("rows_read"), outcomes.map(count).iter().sum::<u64>(), "{input}");
        let reasons = input["rejected_by"].as_object().unwrap().values();
        assert_eq!(reasons.map(|n| n.as_u64().unwrap()).sum::<u64>(), count("rejected"));
        let (role, file) = (input["role"].as_str().unwrap(), input["file"].as_str().unwrap());
        let listed = rejects.iter().filter(|row| row["role"] == role && row["file"] == file);
        assert_eq!(listed.count() as u64, count("rejected"), "{role}");
        let lines = scene.read(&std::path::Path::new(file).file_name().unwrap().to_string_lossy());
        assert_eq!(count("rows_read"), lines.lines().count() as u64 - 1, "{role}");
    }
}

#[test]
fn no_attribute_cell_is_smaller_than_the_policy_allows() {
    let scene = made_up_scene();
    for k in [2, 7, 10, 30] {
        let from = scene.read("policy.toml");
        let line = from.lines().find(|line| line.starts_with("attribute_cell")).unwrap();
        scene.edit("policy.toml", line, &format!("attribute_cell = {k}"));
        let out = format!("run-{k}");
        scene.publish(&["--out", &out, "--previous", "none"]);
        let rows = tables::rows(&scene.at(&out).join("matches.parquet"));
        for names in [
            &["region"][..],
            &["region", "os"],
            &["region", "os", "os_version"],
            &["region", "os", "os_version", "device"],
        ] {
            let mut cells = BTreeMap::<Vec<Option<String>>, usize>::new();
            for row in &rows {
                *cells
                    .entry(names.iter().map(|name| row.get(*name).cloned()).collect())
                    .or_default() += 1;
            }
            for (cell, people) in cells {
                let says_something = cell.iter().any(Option::is_some);
                // Everything suppressed says nothing about anyone; it may be any size.
                assert!(people >= k || !says_something, "k {k}: {people} in {names:?}");
            }
        }
        assert!(k > 10 || rows.iter().any(|row| row.contains_key("region")), "nothing was kept");
    }
}

#[test]
fn no_barred_number_comes_out_of_a_made_up_world() {
    let scene = made_up_scene();
    scene.publish(&[]);
    let tokens: std::collections::BTreeSet<_> = tables::rows(&scene.at("run/matches.parquet"))
        .iter()
        .map(|row| row["token"].clone())
        .collect();
    let mut barred = Vec::new();
    let mut accounts = csv::Reader::from_path(scene.at("accounts.csv")).unwrap();
    for record in accounts.records().map(Result::unwrap).filter(|record| &record[3] == "denied") {
        barred.push(record[1].to_owned());
    }
    let mut opt_outs = csv::Reader::from_path(scene.at("opt_outs.csv")).unwrap();
    for record in opt_outs.records().map(Result::unwrap) {
        if ["", "ads"].contains(&&record[1]) {
            barred.push(text_of(&read(record[0].as_bytes(), Hint::None, Checks::Damage).unwrap()));
        }
    }
    assert!(barred.len() > 50 && tokens.len() > 50);
    for number in barred {
        for form in [Form::E164, Form::Digits] {
            assert!(!tokens.contains(&token(SECRET_HEX, "synth", &number[1..], form)));
        }
    }
}

#[test]
fn the_same_inputs_give_the_same_bytes_again() {
    let scene = made_up_scene();
    scene.publish(&["--out", "first", "--previous", "none", "--ledger", "first.ledger"]);
    scene.publish(&["--out", "second", "--previous", "none", "--ledger", "second.ledger"]);
    assert!(published_bytes(&scene.at("first")) == published_bytes(&scene.at("second")));
}

/// In everything an advertiser can see, and in the delivery file too.
#[test]
fn an_opted_out_person_looks_like_one_who_has_no_account() {
    let scene = made_up_scene();
    let list: std::collections::BTreeSet<_> = csv::Reader::from_path(scene.at("list.csv"))
        .unwrap()
        .records()
        .map(|record| record.unwrap()[0].to_owned())
        .collect();
    let accounts = scene.read("accounts.csv");
    let numbers = accounts.lines().skip(1).map(|line| line.split(',').nth(1).unwrap());
    let leaving: Vec<_> = numbers.filter(|number| list.contains(*number)).take(25).collect();
    assert_eq!(leaving.len(), 25);
    let opt_outs = scene.read("opt_outs.csv");
    let extra: String = leaving.iter().map(|number| format!("{number},,2026-01-01\n")).collect();
    scene.write("opt_outs.csv", opt_outs.clone() + &extra);
    scene.publish(&["--out", "opted-out", "--previous", "none", "--ledger", "opted-out.ledger"]);
    let staying = |line: &&str| !leaving.iter().any(|number| line.contains(number));
    let without: String =
        accounts.lines().filter(staying).map(|line| format!("{line}\n")).collect();
    scene.write("accounts.csv", without);
    scene.write("opt_outs.csv", opt_outs);
    scene.publish(&["--out", "no-account", "--previous", "none", "--ledger", "no-account.ledger"]);
    for name in ["matches.parquet", "audiences.parquet", "summary.json"] {
        let read = |run: &str| std::fs::read(scene.at(run).join(name)).unwrap();
        assert!(read("opted-out") == read("no-account"), "{name} differs");
    }
}

/// Whoever brings a list of hashes chooses its bytes. Those that would all fall into one place of
/// a table that takes them as they are must spread over ours like any others.
#[test]
fn hashes_that_somebody_chose_spread_over_the_table() {
    let secret = Secret::from_file_content(SECRET_HEX.as_bytes()).unwrap();
    let keyer = Keyer::new(&secret);
    let chosen = |n: u32| format!("{:0>48}{n:016x}", "");
    let hashes: Vec<_> = (0..1 << 16)
        .map(|n| keyer.key_of_digest(PhoneDigest::from_text(chosen(n).as_bytes()).unwrap()))
        .map(MatchKey::table_hash)
        .collect();
    // Four on average in each of 2^14 places; 26 in any of them comes less than once in 10^8 times.
    for place in [|hash: u64| hash & 0x3fff, |hash: u64| hash >> 50] {
        let mut places = vec![0; 1 << 14];
        hashes.iter().for_each(|&hash| places[place(hash) as usize] += 1);
        assert!(places.iter().max().unwrap() < &26);
    }
}
