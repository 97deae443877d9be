//! Where the export is counted: who is in which count, and that a no leaves no trace in it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use phonematch::consent::Purpose;
use phonematch::job::Job;
use phonematch::pipeline::{self, Threads, Watch};

use crate::model::{closure, naive_people};
use crate::support::random::Random;
use crate::support::small_worlds::{ACTIVE, Account, OptOut, Size, World, any_form, hashed_cell};
use crate::support::{Scene, files_under, phonematch, published_bytes, tables};

const WORLDS: u64 = 120;

/// Region and system, `-` for none, to people.
type Table = BTreeMap<(String, String), u64>;

fn policy(fewest: u64, noise: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let ready = fs::read_to_string(root.join("fixtures/policies/analytics.toml")).unwrap();
    let edit = |text: String, from: &str, to: &str| {
        assert!(text.contains(from), "the ready policy holds no {from}");
        text.replace(from, to)
    };
    let gaussian = "distribution = \"discrete_gaussian\"";
    let text = edit(ready, "attribute_cell = 50", &format!("attribute_cell = {fewest}"));
    let text = edit(text, "within_days = 30 ", "within_days = 3650 ");
    match noise {
        "none" => {
            let (head, rest) = text.split_once(gaussian).unwrap();
            let (_, tail) = rest.split_once("[activity]").unwrap();
            format!("{head}distribution = \"none\"\n[activity]{tail}")
        }
        noise => {
            let text = edit(text, gaussian, &format!("distribution = \"{noise}\""));
            let text = edit(text, "spread = 10 ", "spread = 1 ");
            edit(text, "edge_exponent = 9 ", "edge_exponent = 2 ")
        }
    }
}

fn job(world: &World, folder: &Path, out: &str, policy: &str) -> Job {
    Job {
        purpose: Purpose::Analytics,
        policy: toml::from_str(policy).unwrap(),
        lists: Vec::new(),
        ..world.job(folder, out)
    }
}

fn table(run: &Path) -> Table {
    let cell = |row: &tables::Row, name: &str| row.get(name).cloned().unwrap_or("-".to_owned());
    let rows = tables::rows(&run.join("counts.parquet"));
    let row = |row: &tables::Row| {
        ((cell(row, "region"), cell(row, "os")), row["people"].parse().unwrap())
    };
    rows.iter().map(row).collect()
}

/// The table from its description: cells, else regions, else the rest, which never stands alone.
fn naive_table(folder: &Path, world: &World, fewest: u64) -> Table {
    let mut cells = Table::new();
    for (region, os) in naive_people(folder, &world.rules, |cell| cell == ACTIVE).into_values() {
        *cells.entry((region.to_string(), os.unwrap_or("-").to_owned())).or_default() += 1;
    }
    let mut told = Table::new();
    let mut regions = Table::new();
    for ((region, os), people) in cells {
        match os != "-" && people >= fewest {
            true => drop(told.insert((region, os), people)),
            false => *regions.entry((region, "-".to_owned())).or_default() += people,
        }
    }
    let mut rest = 0;
    for (cell, people) in regions {
        match people >= fewest {
            true => drop(told.insert(cell, people)),
            false => rest += people,
        }
    }
    let nowhere = ("-".to_owned(), "-".to_owned());
    if rest > 0 && rest < fewest {
        // `-` sorts before letters, as a null does.
        let smallest = told.iter().min_by_key(|(cell, people)| (**people, (*cell).clone()));
        match smallest.map(|(cell, _)| cell.clone()) {
            Some(cell) => rest += told.remove(&cell).unwrap(),
            None => rest = 0,
        }
    }
    told.extend((rest > 0).then_some((nowhere, rest)));
    told
}

/// The same world after one of its people said no, in one of the ways that count here; and the one
/// where that person has no account.
fn twins(world: &World, random: &mut Random) -> Option<[World; 2]> {
    let active = world.accounts.iter().filter(|account| account.last_active == ACTIVE);
    let leaver = active.filter_map(|account| account.digits.clone()).next()?;
    let is_leaver = |account: &Account| {
        account.digits.as_deref().is_some_and(|digits| {
            let is_alias = |one: &str, other: &str| closure(one).contains(&other.to_owned());
            is_alias(digits, &leaver) || is_alias(&leaver, digits)
        })
    };
    let (mut left, mut never) = (world.clone(), world.clone());
    never.accounts.retain(|account| !is_leaver(account));
    let person = world.people.iter().find(|person| person.digits == leaver).unwrap();
    let purpose = random.pick(&["", "analytics", "something else"]);
    match random.below(3) {
        0 => left.hashed_opt_outs.push(hashed_cell(&leaver, any_form(random), random)),
        1 if !person.aliases.is_empty() => {
            left.opt_outs.push(OptOut { cell: random.pick_ref(&person.aliases).clone(), purpose });
        }
        _ => left.opt_outs.push(OptOut { cell: format!("+{leaver}"), purpose }),
    }
    left.settle();
    Some([left, never])
}

fn run(world: &World, folder: &Path, out: &str, policy: &str) {
    world.write(folder);
    pipeline::run(&job(world, folder, out, policy), &Watch::default()).unwrap();
}

#[test]
fn small_worlds_are_counted_as_the_naive_model_says_and_a_no_is_no_account() {
    let (mut told, mut counted, mut pairs) = (0, 0, 0);
    let thread = Threads::new(1).unwrap();
    thread.run(|| {
        for seed in 0..WORLDS {
            let world = World::drawn(&Size::drawn(seed));
            let random = &mut Random(!seed);
            let fewest = 1 + random.below(6) as u64;
            let noise = random.pick(&["none", "none", "discrete_gaussian", "discrete_laplace"]);
            let policy = policy(fewest, noise);
            let folder = tempfile::tempdir().unwrap();
            let folder = folder.path();
            run(&world, folder, "run", &policy);
            let found = table(&folder.join("run"));
            if noise == "none" {
                assert_eq!(found, naive_table(folder, &world, fewest), "world {seed}");
            }
            assert!(found.values().all(|people| *people >= fewest), "world {seed}: {found:?}");
            told += found.len();
            counted += found.values().sum::<u64>();
            let Some([left, never]) = twins(&world, random) else { continue };
            pairs += 1;
            run(&left, folder, "left", &policy);
            run(&never, folder, "never", &policy);
            for name in ["counts.parquet", "summary.json", "matches.parquet"] {
                let [left, never] =
                    ["left", "never"].map(|run| fs::read(folder.join(run).join(name)).unwrap());
                assert!(left == never, "world {seed}: {name} tells of a no");
            }
        }
    });
    assert!(told > 100 && counted > 500 && pairs > 100, "{told} {counted} {pairs}");
}

/// A scene of made-up people, one account file and a ready policy.
fn made_up(fewest: u64, noise: &str) -> Scene {
    let scene = Scene::made_up(3000, 10, 11);
    let job = scene.read("job.toml");
    let (head, rest) = job.split_once("[[lists]]").unwrap();
    let (_, tail) = rest.split_once("[opt_outs]").unwrap();
    scene.write("job.toml", format!("{head}[opt_outs]{tail}"));
    scene.edit("job.toml", "purpose = \"ads\"", "purpose = \"analytics\"");
    scene.write("policy.toml", policy(fewest, noise));
    scene
}

#[test]
fn the_table_is_the_same_at_any_number_of_threads_and_is_audited() {
    let scene = made_up(20, "discrete_gaussian");
    scene.publish(&["--threads", "1", "--out", "run", "--previous", "none"]);
    scene.publish(&["--threads", "4", "--out", "again", "--previous", "none"]);
    assert!(published_bytes(&scene.at("run")) == published_bytes(&scene.at("again")));
    let counts = |run: &str| fs::read(scene.at(run).join("counts.parquet")).unwrap();
    assert!(counts("run") == counts("again"));
    assert!(table(&scene.at("run")).len() > 10);
    let audit = scene.audit("run").must_end_with(0);
    assert!(audit.stdout.contains("every count has the people"), "{}", audit.stdout);
    for input in scene.report("run")["inputs"].as_array().unwrap() {
        let count = |name: &str| input[name].as_u64().unwrap();
        let parts = ["rejected", "barred", "duplicates", "unmatched", "withheld", "released"];
        assert_eq!(count("rows_read"), parts.map(count).iter().sum::<u64>());
    }
    let mut changed = fs::read(scene.at("run/counts.parquet")).unwrap();
    changed[20] ^= 1;
    scene.write("run/counts.parquet", changed);
    scene.audit("run").must_end_with(65);
}

#[test]
fn a_night_after_tells_the_same_of_the_same_people_and_the_chain_holds() {
    let scene = made_up(20, "discrete_laplace");
    scene.publish(&["--out", "night-1"]);
    scene.publish(&["--out", "night-2"]);
    assert_eq!(table(&scene.at("night-1")), table(&scene.at("night-2")));
    let mut command = phonematch();
    command.current_dir(scene.path()).args(["audit", "night-2", "--chain"]);
    command.args(["--opt-outs", "opt_outs.csv", "--secret-file", "secret.key"]);
    crate::support::finish(&mut command).must_end_with(0);
    let diff = ["diff", "night-1", "night-2"];
    crate::support::finish(phonematch().current_dir(scene.path()).args(diff)).must_end_with(0);
}

#[test]
fn no_number_of_the_export_is_in_any_file_of_the_run() {
    let scene = made_up(1, "none");
    scene.publish(&[]);
    let accounts = scene.read("accounts.csv");
    let numbers: Vec<&str> = accounts
        .lines()
        .skip(1)
        .take(200)
        .map(|row| row.split(',').nth(1).unwrap().trim_start_matches('+'))
        .collect();
    assert!(numbers.iter().all(|number| number.len() > 6));
    for file in files_under(&scene.at("run")) {
        let bytes = fs::read(&file).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        assert!(!numbers.iter().any(|number| text.contains(number)), "{}", file.display());
    }
}

#[test]
fn lists_and_memory_for_them_are_refused_where_the_export_is_counted() {
    let scene = made_up(20, "none");
    let outcome = scene.run(&["--list", "list.csv"]).must_end_with(78);
    assert!(outcome.stderr.contains("reads no list"), "{}", outcome.stderr);
    let outcome = scene.run(&["--memory", "2GB"]).must_end_with(78);
    assert!(outcome.stderr.contains("leave it out"), "{}", outcome.stderr);
    scene.edit("accounts.csv", "last_active", "last_seen_on");
    let outcome = scene.run(&[]);
    assert_ne!(outcome.code, Some(0), "nobody can be active without a date");
    assert!(outcome.stderr.contains("last_active"), "{}", outcome.stderr);
}

#[test]
fn people_of_an_excluded_region_are_in_no_count() {
    let scene = made_up(1, "none");
    scene.publish(&["--out", "all"]);
    scene.edit("policy.toml", "excluded_regions = []", "excluded_regions = [\"IN\"]");
    scene.publish(&["--out", "without", "--previous", "none"]);
    let of = |run: &str| table(&scene.at(run));
    let in_india = |table: &Table| table.keys().filter(|cell| cell.0 == "IN").count();
    assert!(in_india(&of("all")) > 0);
    assert_eq!(in_india(&of("without")), 0);
    let withheld = |run: &str| -> u64 {
        let report = scene.report(run);
        let inputs = report["inputs"].as_array().unwrap();
        inputs.iter().map(|input| input["withheld"].as_u64().unwrap()).sum()
    };
    assert_eq!(withheld("all"), 0);
    assert!(withheld("without") > 0);
}
