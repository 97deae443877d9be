//! What an advertiser is told of a list's size, night after night, and the ledger that pays for it.

use std::fs;
use std::io::Write;
use std::process::Stdio;

use serde_json::Value;

use crate::support::people::{KINDS_WITHOUT_ALIAS, person};
use crate::support::random::Random;
use crate::support::{JOB, Outcome, POLICY, Scene, copy_folder, finish, mode, tables};

const LEDGER: &str = "phonematch.ledger";

/// Floors of 20, and so little noise that lists of this size are told: the margin is 20 more.
const NOISE: &str = "[noise]\n\
    distribution = \"discrete_gaussian\"\n\
    spread = 3\n\
    edge_exponent = 9\n\
    repeat_below = 10\n\
    \n\
    [budget]\n\
    micro_rho = 60000\n\
    period_days = 30\n";

/// So many people, every one with an account, of whom the first `listed` are on the list.
fn scene(accounts: usize, listed: usize) -> Scene {
    let scene = Scene::empty();
    let everybody: Vec<_> = (0..accounts)
        .map(|at| person(at % KINDS_WITHOUT_ALIAS, at / KINDS_WITHOUT_ALIAS))
        .collect();
    let rows: String = everybody.iter().map(|one| format!("+{},granted\n", one.digits)).collect();
    scene.write("accounts.csv", format!("phone,consent_ads\n{rows}"));
    let rows: String = everybody[..listed].iter().map(|one| format!("+{}\n", one.digits)).collect();
    scene.write("list.csv", format!("phone\n{rows}"));
    scene.write("opt_outs.csv", "phone\n+12025550199\n");
    scene.write("job.toml", JOB);
    scene.write("policy.toml", POLICY);
    scene.edit("policy.toml", "[noise]\ndistribution = \"none\"\n", NOISE);
    scene.edit("policy.toml", "list_numbers = 1", "list_numbers = 20");
    scene.edit("policy.toml", "matched_people = 1", "matched_people = 20");
    scene
}

fn told(scene: &Scene, run: &str) -> Value {
    let text = fs::read(scene.at(run).join("summary.json")).unwrap();
    serde_json::from_slice(&text).unwrap()
}

fn charges(scene: &Scene) -> usize {
    scene.read(LEDGER).lines().count() - 1
}

fn drop_row(scene: &Scene, file: &str) {
    let text = scene.read(file);
    let end = text.trim_end().rfind('\n').unwrap();
    scene.write(file, &text[..=end]);
}

#[test]
fn a_hundred_runs_of_one_night_tell_the_same_and_are_charged_once() {
    let scene = scene(80, 80);
    scene.publish(&["--quiet"]);
    let (first, ledger) = (told(&scene, "run"), scene.read(LEDGER));
    assert_eq!(first["lists"][0]["status"], "released", "{first}");
    assert_eq!(scene.report("run")["lists"][0]["charge"], 1);
    for _ in 1..100 {
        scene.publish(&["--quiet", "--if-exists", "replace"]);
        assert_eq!(told(&scene, "run"), first);
        assert_eq!(scene.read(LEDGER), ledger);
    }
    assert_eq!((charges(&scene), mode(&scene.at(LEDGER))), (1, 0o600));
    scene.audit("run").must_end_with(0);
}

/// The export comes down a pipe, and while the run waits for it somebody takes the run's place. So
/// it is charged, and then cannot publish. What it charged is what the next run tells, though
/// somebody opted out in between.
#[test]
fn a_run_that_dies_between_charge_and_publishing_is_retried_with_the_same_figures() {
    let scene = scene(80, 80);
    let mut command = scene.command(&["--quiet", "--accounts", "-"]);
    let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = piped.spawn().unwrap();
    let staged = || scene.at(".run.partial").exists();
    assert!(crate::support::wait_for(std::time::Duration::from_secs(30), staged));
    fs::create_dir(scene.at("run")).unwrap();
    child.stdin.take().unwrap().write_all(scene.read("accounts.csv").as_bytes()).unwrap();
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(73));
    fs::remove_dir(scene.at("run")).unwrap();
    let charged = scene.read(LEDGER);
    assert_eq!(charges(&scene), 1);

    scene.append("opt_outs.csv", "+12025550100\n+442079460100\n");
    scene.publish(&["--quiet"]);
    assert_eq!(scene.read(LEDGER), charged);
    let line = charged.lines().nth(1).unwrap().split_once(' ').unwrap().1;
    let charge: Value = serde_json::from_str(line).unwrap();
    let list = &told(&scene, "run")["lists"][0];
    assert_eq!(charge["matched"], 80);
    for edge in ["audience_from", "audience_below"] {
        assert!(list[edge].is_u64() && list[edge] == charge[edge], "{list} {charge}");
    }
    assert_eq!(tables::rows(&scene.at("run/matches.parquet")).len(), 78);
    scene.audit("run").must_end_with(0);
}

#[test]
fn an_exhausted_budget_refuses_the_run_and_says_until_when() {
    let scene = scene(160, 40);
    scene.publish(&["--quiet"]);
    let before = scene.read(LEDGER);
    // Another list: the fourth forty. A second figure would cost as much again, which is too much.
    let accounts = scene.read("accounts.csv");
    let others = accounts.lines().skip(121).map(|line| line.replace(",granted", "\n"));
    scene.write("list.csv", format!("phone\n{}", others.collect::<String>()));
    let refused = scene.run(&["--out", "second"]).must_end_with(65);
    for part in ["list 1", "55556 of 60000 micro-rho", "costs 55556", "until 2"] {
        assert!(refused.stderr.contains(part), "{part}: {}", refused.stderr);
    }
    assert!(!scene.at("second").exists());
    assert_eq!(scene.read(LEDGER), before);
    // Who was told before is told again, and another recipient has a budget of its own.
    scene.publish(&["--quiet", "--recipient", "globex", "--out", "third"]);
    assert_eq!(charges(&scene), 2);
}

/// Two lists of fifty are a hundred numbers of one recipient, as one list of them would be.
#[test]
fn a_recipient_whose_lists_together_are_too_large_is_told_nothing_and_charged_nothing() {
    let scene = scene(180, 180);
    let list = scene.read("list.csv");
    let mut rows = "phone,list_id,advertiser_id\n".to_owned();
    for (at, phone) in list.lines().skip(1).enumerate() {
        let (list, recipient) = match at {
            0..50 => ("north", "acme"),
            50..100 => ("south", "acme"),
            _ => ("spring", "globex"),
        };
        rows.push_str(&format!("{phone},{list},{recipient}\n"));
    }
    scene.write("list.csv", rows);
    scene.edit("policy.toml", "most_list_numbers = 9000000", "most_list_numbers = 99");
    scene.publish(&["--quiet"]);
    let report = scene.report("run");
    // In the order of recipients: acme's two, and globex's.
    let lists = report["lists"].as_array().unwrap();
    let fates: Vec<_> = lists.iter().map(|list| list["withheld"].as_str()).collect();
    assert_eq!(fates, [Some("lists_too_large"), Some("lists_too_large"), None]);
    let input = &report["inputs"].as_array().unwrap().iter().find(|it| it["role"] == "list");
    assert_eq!(input.unwrap()["withheld_by"]["lists_too_large"], 100, "{report}");
    assert!(report["alarms"][1].as_str().unwrap().contains("most_list_numbers"), "{report}");
    assert_eq!((charges(&scene), tables::rows(&scene.at("run/matches.parquet")).len()), (1, 80));
    let mut validate = crate::support::phonematch();
    validate.current_dir(scene.path()).args(["validate", "--job", "job.toml", "--sample", "100%"]);
    assert!(finish(&mut validate).stdout.contains("most_list_numbers allows"));

    // One number less, and both leave.
    scene.edit("policy.toml", "most_list_numbers = 99", "most_list_numbers = 100");
    scene.edit("policy.toml", "micro_rho = 60000", "micro_rho = 120000");
    scene.publish(&["--quiet", "--out", "second"]);
    assert_eq!(tables::rows(&scene.at("second/matches.parquet")).len(), 180);
    scene.audit("second").must_end_with(0);
}

#[test]
fn a_list_that_loses_a_number_a_night_is_told_one_figure_for_as_long_as_it_is_near() {
    let scene = scene(80, 80);
    scene.edit("job.toml", "id = \"spring\"", "id = \"spring-0\"");
    let mut nights = Vec::new();
    for night in 0..10 {
        let out = format!("runs/n{night}");
        scene.publish(&["--quiet", "--out", &out]);
        let list = &told(&scene, &out)["lists"][0];
        nights.push(["status", "audience_from", "audience_below"].map(|name| list[name].clone()));
        drop_row(&scene, "list.csv");
        let from = format!("id = \"spring-{night}\"");
        scene.edit("job.toml", &from, &format!("id = \"spring-{}\"", night + 1));
    }
    assert!(nights.iter().all(|night| *night == nights[0]), "{nights:#?}");
    // The eleventh is ten numbers from the first, and the budget pays for one figure only.
    scene.run(&["--quiet", "--out", "runs/n10"]).must_end_with(65);
    let again = ["--ledger", "runs/phonematch.ledger", "--chain"];
    let opt_outs = ["--opt-outs", "opt_outs.csv", "--secret-file", "secret.key"];
    let mut audit = crate::support::phonematch();
    let audit = audit.current_dir(scene.path()).args(["audit", "runs/n9"]).args(again);
    finish(audit.args(opt_outs)).must_end_with(0);
}

/// No match, few matches, too few with noise, and a list too short: the same to the last byte, but
/// for their names.
#[test]
fn withheld_lists_cannot_be_told_from_one_another() {
    let scene = scene(60, 60);
    let everybody = scene.read("list.csv");
    let mut rows = "phone,advertiser_id\n".to_owned();
    let mut add = |recipient: &str, matched: usize, strangers: usize| {
        for row in everybody.lines().skip(1).take(matched) {
            rows += &format!("{row},{recipient}\n");
        }
        for line in 0..strangers {
            let nobody = person(line % KINDS_WITHOUT_ALIAS, 50 + line / KINDS_WITHOUT_ALIAS);
            rows += &format!("+{},{recipient}\n", nobody.digits);
        }
    };
    add("r-below", 19, 60);
    add("r-close", 20, 60);
    add("r-none", 0, 60);
    add("r-short", 10, 0);
    add("r-told", 60, 60);
    scene.write("list.csv", rows);
    scene.publish(&["--quiet"]);
    let summary = told(&scene, "run");
    let rows = tables::rows(&scene.at("run/audiences.parquet"));
    assert_eq!(rows.len(), 5);
    for (list, row) in summary["lists"].as_array().unwrap().iter().zip(rows) {
        let name = list["recipient"].as_str().unwrap();
        let released = name == "r-told";
        let status = if released { "released" } else { "withheld" };
        assert_eq!((list["status"].as_str(), row["status"].as_str()), (Some(status), status));
        assert_eq!(list["audience_from"].is_null(), !released, "{list}");
        assert_eq!(row.contains_key("audience_from"), released, "{row:?}");
    }
    let reasons: Vec<_> = scene.report("run")["lists"].as_array().unwrap().clone();
    let reasons: Vec<_> = reasons.iter().map(|list| list["withheld"].as_str()).collect();
    let few = Some("too_few_matched");
    assert_eq!(reasons, [few, Some("too_close_to_floor"), few, Some("list_too_small"), None]);
    assert_eq!(charges(&scene), 4, "a list too short is not looked at, the others all are");
}

type Spoil = fn(&Scene);

#[test]
fn a_ledger_that_is_missing_older_or_changed_stops_the_run_before_it_reads() {
    let base = scene(80, 80);
    base.publish(&["--quiet", "--out", "runs/n1"]);
    fs::copy(base.at("runs").join(LEDGER), base.at("older")).unwrap();
    // A far list of another recipient: a second charge.
    base.publish(&["--quiet", "--recipient", "globex", "--out", "runs/n2"]);
    let spoils: [(Spoil, i32, &str); 6] = [
        (|s| fs::remove_file(s.at("runs").join(LEDGER)).unwrap(), 66, "is missing"),
        (|s| s.write("runs/phonematch.ledger", ""), 66, "is missing"),
        (|s| fs::rename(s.at("older"), s.at("runs").join(LEDGER)).unwrap(), 65, "is older"),
        (|s| drop_row(s, "runs/phonematch.ledger"), 65, "is older"),
        (
            |s| s.edit("runs/phonematch.ledger", "\"micro_rho\":55556", "\"micro_rho\":55555"),
            65,
            "damaged",
        ),
        (
            |s| {
                s.edit("runs/phonematch.ledger", "\"recipient\":\"acme\"", "\"recipient\":\"acne\"")
            },
            65,
            "damaged",
        ),
    ];
    for (spoil, code, says) in spoils {
        let scene = Scene::copy_of(base.path());
        fs::create_dir(scene.at("runs")).unwrap();
        for run in ["runs/n1", "runs/n2"] {
            copy_folder(&base.at(run), &scene.at(run));
        }
        fs::copy(base.at("runs").join(LEDGER), scene.at("runs").join(LEDGER)).unwrap();
        spoil(&scene);
        let spoiled = fs::read(scene.at("runs").join(LEDGER)).ok();
        let outcome = scene.run(&["--out", "runs/n3"]).must_end_with(code);
        assert!(outcome.stderr.contains(says), "{says}: {}", outcome.stderr);
        assert_eq!(fs::read(scene.at("runs").join(LEDGER)).ok(), spoiled, "{says}");
        scene.audit("runs/n2").must_end_with(65);
        fs::copy(base.at("runs").join(LEDGER), scene.at("runs").join(LEDGER)).unwrap();
        scene.publish(&["--quiet", "--out", "runs/n3"]);
        scene.audit("runs/n3").must_end_with(0);
    }
}

#[test]
fn another_secret_needs_another_ledger() {
    let scene = scene(80, 80);
    scene.publish(&["--quiet"]);
    scene.write("secret.key", "11".repeat(32));
    scene.set_mode("secret.key", 0o600);
    let refused = scene.run(&["--out", "second"]).must_end_with(78);
    assert!(refused.stderr.contains("another secret"), "{}", refused.stderr);
    scene.publish(&["--quiet", "--out", "second", "--ledger", "second.ledger"]);
    assert!(scene.at("second.ledger").exists());
}

/// The order in which a job names its lists must not decide which of two near ones is the first.
#[test]
fn near_lists_of_one_run_share_a_figure_whatever_their_order() {
    let runs = [false, true].map(|reversed| {
        let scene = scene(80, 80);
        let rows = scene.read("list.csv");
        scene.write("b.csv", &rows);
        scene.write("a.csv", &rows[..rows.len() - 13]);
        let mut lists = ["a", "b"];
        if reversed {
            lists.reverse();
        }
        let entries = lists.map(|id| format!("[[lists]]\nfiles = [\"{id}.csv\"]\n\n"));
        scene.edit(
            "job.toml",
            "[[lists]]\nfiles = [\"list.csv\"]\nid = \"spring\"\n",
            &entries.concat(),
        );
        scene.publish(&["--quiet"]);
        let charge = |at: usize| scene.report("run")["lists"][at]["charge"].clone();
        assert_eq!((charge(0), charge(1)), (1.into(), 1.into()));
        ["summary.json", "audiences.parquet"]
            .map(|name| fs::read(scene.at("run").join(name)).unwrap())
    });
    assert!(runs[0] == runs[1]);
}

/// A barred person is nobody: in a world of their own, each with its own ledger, the ledgers too
/// are the same.
#[test]
fn who_opts_out_leaves_no_trace_in_noise_and_ledger() {
    let mut random = Random(3);
    for _ in 0..4 {
        let [opted_out, without] = [scene(80, 80), scene(80, 80)];
        let mut leaving: Vec<_> = (1..81).collect();
        random.shuffle(&mut leaving);
        leaving.truncate(1 + random.below(30));
        let accounts = without.read("accounts.csv");
        let (mut stay, mut leave) = (String::new(), String::new());
        for (at, line) in accounts.lines().enumerate() {
            if leaving.contains(&at) {
                leave += &line.replace(",granted", "\n");
            } else {
                stay += &format!("{line}\n");
            }
        }
        without.write("accounts.csv", stay);
        opted_out.append("opt_outs.csv", &leave);
        for scene in [&opted_out, &without] {
            scene.publish(&["--quiet"]);
        }
        for name in ["run/summary.json", "run/audiences.parquet", "run/matches.parquet", LEDGER] {
            let read = |scene: &Scene| fs::read(scene.at(name)).unwrap();
            assert!(read(&opted_out) == read(&without), "{name}");
        }
    }
}

#[test]
fn a_list_without_noise_is_told_exactly_and_the_run_says_so() {
    let scene = scene(80, 80);
    scene.edit("policy.toml", NOISE, "[noise]\ndistribution = \"none\"\n");
    scene.publish(&["--quiet"]);
    assert!(!scene.at(LEDGER).exists());
    let alarms = scene.report("run")["alarms"].to_string();
    assert!(alarms.contains("adds no noise"), "{alarms}");
    scene.audit("run").must_end_with(0);
}

#[test]
fn a_policy_whose_figures_are_not_described_in_full_is_refused() {
    for (from, to, says) in [
        ("[budget]\nmicro_rho = 60000\nperiod_days = 30\n", "", "budget"),
        ("micro_rho = 60000", "micro_rho = 55555", "does not pay for a single figure"),
        ("spread = 3\n", "", "spread"),
        ("period_days = 30", "period_days = 0", "nonzero"),
        ("repeat_below = 10", "repeat_below = 10\nround_to = 5", "round_to"),
        ("edge_exponent = 9", "edge_exponent = 31", "edge_exponent"),
    ] {
        let scene = scene(80, 80);
        scene.edit("policy.toml", from, to);
        let refused: Outcome = scene.run(&[]).must_end_with(78);
        assert!(refused.stderr.contains(says), "{says}: {}", refused.stderr);
    }
}
