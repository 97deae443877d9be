//! Lists that are larger than the job's memory: any budget, the same bytes and the same counts.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Stdio;

use phonematch::consent::Purpose;
use phonematch::job::{
    Identifier, Job, ListSource, MemoryBudget, Phones, Recipient, SeveralNumbers,
};
use phonematch::pipeline::{self, Threads, Watch};
use phonematch::report::Report;
use phonematch::share::Share;
use serde_json::{Value, json};

use crate::support::jobs::{files, plain_job, report_of};
use crate::support::keys::{Form, digest};
use crate::support::people::{KINDS, Person, person};
use crate::support::random::Random;
use crate::support::small_worlds::any_form;
use crate::support::{POLICY, Scene, published_bytes};

/// Everything that reaches from one part of the lists into another: people on one list in both
/// forms and as a number, rows with several numbers, rows that come again in other files, lists
/// of an alias, opt-outs that are known by their digest only, accounts of one number in two files.
fn tangled(seed: u64) -> Scene {
    let scene = Scene::empty();
    let random = &mut Random(seed);
    let people: Vec<_> =
        (0..KINDS).flat_map(|kind| (0..25).map(move |line| person(kind, line))).collect();
    for file in ["accounts-1.csv", "accounts-2.csv"] {
        let mut text = "phone,consent_ads,os,device,verified_at\n".to_owned();
        for _ in 0..250 {
            let whom = random.pick_ref(&people);
            let consent = random.pick(&["granted", "granted", "yes", "", "", "", "denied"]);
            let consent = if random.one_in(6) { consent } else { "granted" };
            let os = random.pick(&["Android 14", "Android 13", "iOS 17.5", ""]);
            let verified = random.pick(&["", "2024-05-01", "2026-05-01"]);
            text += &format!("+{},{consent},{os},phone,{verified}\n", whom.digits);
        }
        scene.write(file, text + "none,granted,,,\n+999123456789,denied,,,\n");
    }
    for file in ["spring-1.csv", "spring-2.csv", "autumn.csv"] {
        let mut text = "phone,phone_sha256,country,last_contact_at\n".to_owned();
        for _ in 0..220 {
            text += &list_row(&people, random);
        }
        // A filler.
        text += &format!("+{},,,\n", people[3].digits).repeat(12);
        scene.write(file, text);
    }
    let no: String = (0..8).map(|_| format!("+{},\n", random.pick_ref(&people).digits)).collect();
    scene.write("opt_outs.csv", format!("phone,purpose\n{no}"));
    let hashed = |_| {
        let whom = random.pick_ref(&people);
        format!("{},\n", hex::encode(digest(&whom.digits, any_form(random))))
    };
    let no: String = (0..25).map(hashed).collect();
    scene.write("opt_outs-hashed.csv", format!("phone_sha256,purpose\n{no}"));
    scene
}

fn list_row(people: &[Person], random: &mut Random) -> String {
    let whom = random.pick_ref(people);
    let contact = random.pick(&["", "2025-01-01", "2023-01-01"]);
    let sha = |digits: &str, random: &mut Random| hex::encode(digest(digits, any_form(random)));
    match random.below(9) {
        0..3 => format!("+{},,,{contact}\n", whom.digits),
        3 => format!("{},,{},{contact}\n", whom.home, whom.country),
        4 | 5 => format!(",{},,{contact}\n", sha(&whom.digits, random)),
        6 => {
            // The form that the plan left behind: nobody's, until its person says no.
            let alias = whom.aliases.first().unwrap_or(&whom.digits);
            let alias: String = alias.chars().filter(char::is_ascii_digit).collect();
            format!(",{},,{contact}\n", sha(&alias, random))
        }
        7 => {
            let other = &random.pick_ref(people).digits;
            format!("+{};+{other},,,{contact}\n", whom.digits)
        }
        _ => format!("{},,,\n", random.pick(&["none", "123", "+999123456789"])),
    }
}

pub const NOISE: &str = "distribution = \"discrete_gaussian\"\nspread = 1\nedge_exponent = 2\n\
    repeat_below = 5\n\n[budget]\nmicro_rho = 10000000\nperiod_days = 30\n";

fn job(scene: &Scene, out: &str, memory: Option<MemoryBudget>) -> Job {
    let id = |text: &str| Identifier::from_text(text.as_bytes());
    let list = |names: &[&str], recipient: &str| ListSource {
        files: files(scene.path(), names),
        recipient: Recipient::OfRows { otherwise: id(recipient) },
        id: id("list"),
        country: None,
        phones: Phones::ByColumn,
        several_numbers: SeveralNumbers::Separate,
    };
    let policy = POLICY
        .replace("distribution = \"none\"\n", NOISE)
        .replace("attribute_cell = 1", "attribute_cell = 4");
    let mut job = plain_job(scene.path(), out, (Purpose::Ads, &policy));
    job.opt_outs.patterns.push("opt_outs-hashed.csv".to_owned());
    Job {
        name: id("passes").unwrap(),
        accounts: files(scene.path(), &["accounts-1.csv", "accounts-2.csv"]),
        lists: vec![
            list(&["spring-1.csv", "spring-2.csv"], "acme"),
            list(&["autumn.csv"], "globex"),
        ],
        memory,
        ..job
    }
}

/// What a run came to: counts and bytes.
type CameTo = (Value, Vec<(String, Vec<u8>)>);

/// What a run came to: every row by its outcome, every list, and the bytes that were published
/// and charged.
fn came_to(job: &Job, report: &Report) -> CameTo {
    let mut bytes = published_bytes(&job.out);
    bytes.push(("the ledger".to_owned(), fs::read(&job.ledger).unwrap()));
    (json!([report.inputs, report.lists, report.countries]), bytes)
}

fn must_be_the_same(one: &CameTo, other: &CameTo) {
    assert_eq!(one.0, other.0);
    assert_eq!(one.1.len(), other.1.len());
    for (one, other) in one.1.iter().zip(&other.1) {
        assert!(one == other, "{} differs", one.0);
    }
}

#[test]
fn any_budget_of_memory_gives_the_same_bytes_and_counts() {
    let mut all_outcomes = BTreeMap::<String, u64>::new();
    for seed in 0..6 {
        let scene = tangled(seed);
        let whole = job(&scene, "whole", None);
        let threads = Threads::new(2).unwrap();
        let report = threads.run(|| report_of(&whole));
        assert_eq!(report.passes, 1);
        let expected = came_to(&whole, &report);
        for input in expected.0[0].as_array().unwrap() {
            for outcome in ["rejected", "barred", "duplicates", "unmatched", "withheld", "released"]
            {
                let role = input["role"].as_str().unwrap();
                *all_outcomes.entry(format!("{role} {outcome}")).or_default() +=
                    input[outcome].as_u64().unwrap();
            }
        }
        // Room for no row at all makes a pass of each part that has any.
        for (bytes, fewest, threads) in
            [(0, 150, 1), (2_000, 8, 2), (9_000, 3, 1), (20_000, 2, 3), (1_000_000, 1, 2)]
        {
            let memory = Some(MemoryBudget::Lists(bytes));
            let in_passes = job(&scene, &format!("memory-{bytes}"), memory);
            let threads = Threads::new(threads).unwrap();
            let report = threads.run(|| report_of(&in_passes));
            let most = if fewest == 1 { 1 } else { u32::MAX };
            assert!((fewest..=most).contains(&report.passes), "{} passes", report.passes);
            must_be_the_same(&came_to(&in_passes, &report), &expected);
        }
    }
    for role in ["list", "accounts"] {
        for outcome in ["rejected", "barred", "duplicates", "unmatched", "withheld", "released"] {
            assert!(all_outcomes[&format!("{role} {outcome}")] > 0, "{all_outcomes:?}");
        }
    }
}

/// Whom a sample is of hangs on nobody's place in memory.
#[test]
fn a_sample_is_the_same_with_any_budget_of_memory_and_any_number_of_threads() {
    for seed in 0..3 {
        let scene = tangled(seed);
        let sample = Some(Share::percent(40));
        let of_sample = |out: &str, memory| Job {
            sample,
            memory,
            ledger: scene.at("none"),
            ..job(&scene, out, None)
        };
        let whole = of_sample("whole", None);
        let report = Threads::new(2).unwrap().run(|| report_of(&whole));
        let expected = (json!([report.inputs, report.lists]), published_bytes(&whole.out));
        for (bytes, threads) in [(0, 3), (2_000, 1), (9_000, 2)] {
            let memory = Some(MemoryBudget::Lists(bytes));
            let in_passes = of_sample(&format!("memory-{bytes}"), memory);
            let report = Threads::new(threads).unwrap().run(|| report_of(&in_passes));
            assert!(report.passes > 1, "{} passes", report.passes);
            assert_eq!(json!([report.inputs, report.lists]), expected.0);
            assert!(published_bytes(&in_passes.out) == expected.1);
        }
        for role in ["list", "accounts"] {
            let of_role = report.inputs.iter().filter(|input| input.role == role);
            assert!(of_role.map(|input| input.not_sampled).sum::<u64>() > 0);
        }
        assert!(!scene.at("none").exists());
    }
}

/// So many rows that the least memory of a job, which a refusal names, does not hold them at once.
const LARGE: u64 = 400_000;

/// A world whose list is large, most of it digests of nobody.
fn large() -> Scene {
    let scene = Scene::small();
    let digests: String = (0..LARGE).map(|n| format!("{n:064x}\n")).collect();
    let members = ["12025550101", "12025550103", "442079460004"];
    let members = members.map(|digits| hex::encode(digest(digits, Form::E164)) + "\n");
    scene.write("list.csv", format!("phone_sha256\n{}{digests}", members.concat()));
    scene.edit("job.toml", "id = \"spring\"", "id = \"spring\"\nphones = \"e164\"");
    scene
}

fn megabytes_after(text: &str, words: &str) -> u64 {
    let rest = text.split(words).nth(1).unwrap_or_else(|| panic!("no {words:?} in {text}"));
    rest.trim_start().split(' ').next().unwrap().parse().unwrap()
}

#[test]
fn a_job_says_what_it_needs_and_takes_several_passes_where_it_gets_less() {
    let scene = large();
    let apart = |out: &'static str| ["--threads", "1", "--previous", "none", "--out", out];
    let refused = scene.run(&["--threads", "1", "--memory", "5MB"]).must_end_with(78);
    let least = megabytes_after(&refused.stderr, "give at least");
    assert!(scene.made().is_empty());
    let memory = format!("{least}MB");

    let published =
        scene.publish(&[&apart("passes")[..], &["--memory", &memory, "--json"]].concat());
    assert_eq!(published.json()["passes"], 2);
    assert!(published.stderr.contains("the export was read 2 times"), "{}", published.stderr);
    assert_eq!(scene.report("passes")["passes"], 2);
    scene.audit("passes").must_end_with(0);
    // The file may say it, and what is typed wins.
    scene.edit("job.toml", "out = \"run\"", "out = \"run\"\nmemory = \"1MB\"");
    scene.run(&[]).must_end_with(78);
    scene.publish(&[&apart("whole")[..], &["--memory", "1GB"]].concat());
    assert_eq!(scene.report("whole")["passes"], 1);
    assert!(!scene.report("whole")["alarms"].to_string().contains("times"));
    assert!(published_bytes(&scene.at("passes")) == published_bytes(&scene.at("whole")));

    let mut command = scene.command(&["--threads", "1", "--memory", &memory, "--accounts", "-"]);
    let accounts = fs::read(scene.at("accounts.csv")).unwrap();
    let refused = finish_with_input(command.stdin(Stdio::piped()), &accounts);
    assert_eq!(refused.0, Some(78), "{}", refused.1);
    assert!(refused.1.contains("standard input can be read once only"), "{}", refused.1);
    let more = megabytes_after(&refused.1, "as a file, or");
    let enough = format!("{}MB", least + more);
    let mut command = scene.command(&["--threads", "1", "--memory", &enough, "--accounts", "-"]);
    let published = finish_with_input(command.stdin(Stdio::piped()), &accounts);
    assert_eq!(published.0, Some(0), "{}", published.1);
    assert_eq!(scene.report("run")["passes"], 1);
}

/// The exit code and standard error of a program that reads `input`, or does not get so far.
fn finish_with_input(command: &mut std::process::Command, input: &[u8]) -> (Option<i32>, String) {
    let mut child = command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let _ = child.stdin.take().unwrap().write_all(input);
    let output = child.wait_with_output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn a_size_that_is_none_is_refused_where_it_stands() {
    let scene = Scene::small();
    for size in ["200", "much", "1,5GB", "-1MB"] {
        let refused = scene.run(&[&format!("--memory={size}")]).must_end_with(2);
        assert!(refused.stderr.contains("such as 200MB"), "{}", refused.stderr);
    }
    scene.edit("job.toml", "out = \"run\"", "out = \"run\"\nmemory = \"200\"");
    let refused = scene.run(&[]).must_end_with(78);
    assert!(refused.stderr.contains("such as 200MB"), "{}", refused.stderr);
}

/// An export that is not the same in the second pass is no one export.
#[test]
fn an_export_that_changes_between_passes_ends_the_run() {
    let scene = tangled(1);
    let job = job(&scene, "run", Some(MemoryBudget::Lists(0)));
    let accounts = scene.at("accounts-1.csv");
    let watch = Watch::default();
    let meter = std::sync::Arc::clone(&watch.meter);
    let before = all_bytes(scene.path());
    let error = std::thread::scope(|scope| {
        let run = scope.spawn(|| pipeline::run(&job, &watch));
        while !run.is_finished() && meter.bytes_read() < 2 * before {
            std::thread::yield_now();
        }
        // A row more: the file is never seen empty, as it is while it is written anew.
        let mut export = fs::OpenOptions::new().append(true).open(&accounts).unwrap();
        export.write_all(b"+12025550199,granted,,,\n").unwrap();
        run.join().unwrap().unwrap_err()
    });
    let message = error.to_string();
    assert!(message.contains("accounts-1.csv") && message.contains("changed"), "{message}");
    assert!(scene.made().is_empty());
}

fn all_bytes(folder: &Path) -> u64 {
    let csv = |path: &std::path::PathBuf| path.extension().is_some_and(|it| it == "csv");
    let files = crate::support::files_under(folder).into_iter().filter(csv);
    files.map(|path| fs::metadata(path).unwrap().len()).sum()
}
