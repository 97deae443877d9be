//! Trials of a job: a run of a sample of people, which is never taken for one of everybody, and a
//! dry run, which leaves nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use phonematch::consent::Purpose;
use phonematch::job::Job;
use phonematch::key::Secret;
use phonematch::report::{Report, SEAL_PLACE, seal, sealed};
use phonematch::share::Share;
use serde_json::{Value, json};

use crate::passes::NOISE;
use crate::support::jobs::report_of;
use crate::support::keys::{Form, match_key, token};
use crate::support::small_worlds::{Size, World};
use crate::support::{
    FIXED_FILES, SECRET_HEX, Scene, files_under, finish, pages, phonematch, published_bytes, tables,
};

/// Whether a sample holds the person of a key: the second half of the key, as a fraction.
fn is_drawn(digits: &str, form: Form, percent: u64) -> bool {
    let key = match_key(SECRET_HEX, digits, form);
    let drawn = u64::from_le_bytes(key[8..].try_into().unwrap());
    u128::from(drawn) * 100 < u128::from(percent) << 64
}

/// The fictional numbers of the plan of North America: `n` of them at most.
fn numbers(n: usize) -> Vec<String> {
    let areas = (201..990).filter(|area| area % 100 != 11 && area / 10 % 10 != 9);
    let all = areas.flat_map(|area| (0..100).map(move |line| format!("1{area}55501{line:02}")));
    let read = |digits: &String| {
        let hint = phonematch::normalise::Hint::International;
        let checks = phonematch::normalise::Checks::Damage;
        phonematch::normalise::read(digits.as_bytes(), hint, checks).is_ok()
    };
    all.filter(read).take(n).collect()
}

/// 3 000 accounts, of which every twentieth denies and every thirtieth is opted out; a list of every
/// other one of them, in three spellings, and of as many who are none.
fn large() -> Scene {
    let scene = Scene::small();
    let numbers = numbers(6000);
    assert_eq!(numbers.len(), 6000);
    let consent = |at: usize| if at.is_multiple_of(20) { "denied" } else { "granted" };
    let account = |(at, number): (usize, &String)| format!("{number},{}\n", consent(at));
    let accounts: String = numbers[..3000].iter().enumerate().map(account).collect();
    scene.write("accounts.csv", format!("phone,consent_ads\n{accounts}"));
    let spelled = |(at, number): (usize, &String)| match at % 3 {
        0 => format!("+{number}\n"),
        1 => format!("({}) {}-{}\n", &number[1..4], &number[4..7], &number[7..]),
        _ => format!("{}.{}.{}\n", &number[1..4], &number[4..7], &number[7..]),
    };
    let listed = (0..6000_usize).filter(|at| *at >= 3000 || at.is_multiple_of(2));
    let listed = listed.map(|at| spelled((at, &numbers[at])));
    scene.write("list.csv", format!("phone\n{}none\n", listed.collect::<String>()));
    scene.edit("job.toml", "id = \"spring\"", "id = \"spring\"\ncountry = \"US\"");
    let no: String = numbers[..3000].iter().step_by(30).map(|it| format!("+{it}\n")).collect();
    scene.write("opt_outs.csv", format!("phone\n{no}"));
    scene
}

fn input<'a>(report: &'a Value, role: &str) -> &'a Value {
    let inputs = report["inputs"].as_array().unwrap();
    inputs.iter().find(|input| input["role"] == role).unwrap()
}

fn tokens(run: &Path) -> BTreeSet<[String; 3]> {
    let rows = tables::rows(&run.join("matches.parquet"));
    let row = |row: &tables::Row| ["recipient", "list_id", "token"].map(|name| row[name].clone());
    rows.iter().map(row).collect()
}

#[test]
fn every_row_of_a_sample_is_counted_by_who_is_drawn() {
    let scene = large();
    scene.publish(&["--quiet", "--previous", "none", "--out", "whole"]);
    scene.publish(&["--quiet", "--sample", "10%", "--out", "sample"]);
    let (whole, sample) = (scene.report("whole"), scene.report("sample"));
    let numbers = numbers(6000);
    let is_drawn = |at: &usize| is_drawn(&numbers[*at], Form::E164, 10);
    let (all, said_no) =
        (0..3000_usize, |at: &usize| at.is_multiple_of(20) || at.is_multiple_of(30));
    let count = |many: usize| json!(many);

    let accounts = input(&sample, "accounts");
    for same in ["rows_read", "rejected", "barred", "barred_by"] {
        assert_eq!(accounts[same], input(&whole, "accounts")[same], "{same}");
    }
    let others = all.clone().filter(|at| !said_no(at) && !is_drawn(at)).count();
    let released = all.clone().filter(|at| at.is_multiple_of(2) && !said_no(at) && is_drawn(at));
    let released = released.count();
    let strangers = all.filter(|at| !at.is_multiple_of(2) && !said_no(at) && is_drawn(at)).count();
    assert_eq!(accounts["not_sampled"], count(others));
    assert_eq!(accounts["released"], count(released));
    assert_eq!(accounts["unmatched"], count(strangers));
    assert!(others > 2000 && released > 50 && strangers > 50);

    let list = input(&sample, "list");
    let listed = || (0..6000_usize).filter(|at| *at >= 3000 || at.is_multiple_of(2));
    assert_eq!(list["rejected"], json!(1));
    assert_eq!(list["not_sampled"], count(listed().filter(|at| !is_drawn(at)).count()));
    let drawn = |from: usize, to: usize| listed().filter(move |at| (from..to).contains(at));
    let barred = drawn(0, 3000).filter(|at| said_no(at) && is_drawn(at)).count();
    assert_eq!(list["barred"], count(barred));
    assert_eq!(list["released"], count(released));
    assert_eq!(list["unmatched"], count(drawn(3000, 6000).filter(is_drawn).count()));
    // Nobody's no is drawn by lot.
    assert_eq!(input(&sample, "opt_outs"), input(&whole, "opt_outs"));
    assert_eq!(input(&whole, "list")["not_sampled"], json!(0));
    scene.audit("sample").must_end_with(0);
}

/// Random small worlds with everything in them: whoever comes out of a sample is in it and comes out
/// of the whole, and whoever comes out of the whole and is in the sample comes out of it.
#[test]
fn a_sample_releases_exactly_those_of_the_whole_who_are_in_it() {
    let (mut released, mut left_out) = (0, 0);
    for seed in 0..250 {
        let mut world = World::drawn(&Size::drawn(seed));
        if world.purpose() != Purpose::Ads {
            continue;
        }
        let rules = &mut world.rules;
        (rules.noise, rules.list_numbers, rules.matched_people) = (None, 0, 1);
        let place = crate::support::folder_in_memory();
        world.write(place.path());
        let report = |out: &str, sample| {
            let job = Job { sample, ..world.job(place.path(), out) };
            report_of(&job)
        };
        let whole = report("whole", None);
        let sample = report("sample", Some(Share::percent(40)));
        let in_sample = |[recipient, list_id, of]: &[String; 3]| {
            let list = world.rules.lists.iter();
            let list = list.clone().find(|it| it.recipient == *recipient && it.id == *list_id);
            let form = list.unwrap().hashed.unwrap_or(Form::E164);
            let person = world
                .people
                .iter()
                .find(|person| token(SECRET_HEX, recipient, &person.digits, form) == *of);
            is_drawn(&person.unwrap().digits, form, 40)
        };
        let expected: BTreeSet<_> =
            tokens(&place.path().join("whole")).into_iter().filter(in_sample).collect();
        assert_eq!(tokens(&place.path().join("sample")), expected, "world {seed}");
        released += expected.len();
        for (whole, sample) in whole.inputs.iter().zip(&sample.inputs) {
            assert_eq!(whole.rejected_by, sample.rejected_by, "world {seed}");
            assert_eq!(whole.rows_read, sample.rows_read);
            let is_opt_outs = whole.role == "opt_outs";
            assert!(!is_opt_outs || (whole.barred, sample.not_sampled) == (sample.barred, 0));
            left_out += sample.not_sampled;
        }
    }
    assert!(released > 200 && left_out > 2000, "{released} released, {left_out} left out");
}

#[test]
fn whoever_opts_out_is_in_no_sample() {
    let scene = large();
    let first = scene.publish(&["--sample", "30%", "--out", "first"]);
    let leaver = numbers(6000).into_iter().enumerate().find(|(at, number)| {
        at % 2 == 0 && at % 20 != 0 && at % 30 != 0 && is_drawn(number, Form::E164, 30)
    });
    let (_, leaver) = leaver.unwrap();
    let of_leaver = token(SECRET_HEX, "acme", &leaver, Form::E164);
    let is_there = |run: &str| tokens(&scene.at(run)).iter().any(|row| row[2] == of_leaver);
    assert!(is_there("first"), "{}", first.stderr);
    // In the spelling of another system.
    let spelled = format!("{}.0\n", leaver);
    scene.append("opt_outs.csv", &spelled);
    scene.publish(&["--quiet", "--sample", "30%", "--out", "second"]);
    assert!(!is_there("second"));
    let audited = scene.audit("first").must_end_with(65);
    assert!(audited.stderr.contains("no barred person"), "{}", audited.stderr);
    scene.audit("second").must_end_with(0);
}

/// The scene with figures that are charged for, its runs in a folder of their own.
fn charged() -> Scene {
    let scene = large();
    scene.edit("policy.toml", "distribution = \"none\"\n", NOISE);
    scene.edit("job.toml", "out = \"run\"", "out = \"runs/1\"");
    scene
}

#[test]
fn a_sample_is_marked_wherever_it_is_met_and_tells_and_costs_nothing() {
    let scene = charged();
    let out = ["--sample", "10%", "--out", "runs/s"];
    let said = scene.publish(&[&out[..], &["--json"]].concat());
    assert_eq!((&said.json()["sample"], &said.json()["dry_run"]), (&json!(0.1), &json!(false)));
    assert!(said.stderr.contains("SAMPLE: a sample of 10 % of all people"), "{}", said.stderr);
    assert!(said.stderr.contains("not sampled"), "{}", said.stderr);
    assert!(!scene.at("runs/phonematch.ledger").exists());
    let (manifest, report) = (scene.manifest("runs/s"), scene.report("runs/s"));
    assert_eq!((&manifest["sample"], &report["sample"]), (&json!(0.1), &json!(0.1)));
    assert_eq!((&manifest["ledger"], &manifest["previous"]), (&Value::Null, &Value::Null));
    let summary: Value = serde_json::from_str(&scene.read("runs/s/summary.json")).unwrap();
    assert_eq!((&summary["sample"], &summary["lists"]), (&json!(0.1), &json!([])));
    assert!(tables::rows(&scene.at("runs/s/audiences.parquet")).is_empty());
    assert!(pages(&scene.at("runs/s")).is_empty());
    let footer = fs::read(scene.at("runs/s/matches.parquet")).unwrap();
    assert!(footer.windows(17).any(|part| part == b"phonematch.sample"));
    assert!(!tokens(&scene.at("runs/s")).is_empty());
    let page = scene.read("runs/s/report.html");
    assert!(page.contains("A sample of 10 % of all people") && page.contains("Not in the sample"));
    for (command, words) in [
        (&["inspect", "runs/s"][..], "SAMPLE            a sample of 10 %"),
        (
            &["audit", "runs/s", "--opt-outs", "opt_outs.csv", "--secret-file", "secret.key"],
            "it is a sample of 10 % of all people: not for delivery",
        ),
    ] {
        let said = finish(phonematch().current_dir(scene.path()).args(command)).must_end_with(0);
        assert!(said.stdout.contains(words), "{}", said.stdout);
    }
    // A run of everybody says nothing of the kind.
    scene.publish(&["--quiet"]);
    assert!(scene.manifest("runs/1").get("sample").is_none());
    assert_eq!(scene.report("runs/1")["sample"], Value::Null);
    let page = scene.read("runs/1/report.html");
    assert!(!page.contains("A sample of") && !page.contains("Not sampled"));
    let said = finish(phonematch().current_dir(scene.path()).args(["diff", "runs/1", "runs/s"]));
    let said = said.must_end_with(0).stdout;
    assert!(said.contains("sample: everybody -> 10 %") && said.contains("not_sampled"), "{said}");
}

#[test]
fn no_run_follows_a_sample_and_a_sample_follows_none() {
    let scene = charged();
    scene.publish(&["--quiet"]);
    scene.publish(&["--quiet", "--sample", "10%", "--out", "runs/s"]);
    let ledger = scene.read("runs/phonematch.ledger");
    assert!(tables::rows(&scene.at("runs/s/removed.parquet")).is_empty());
    scene.publish(&["--quiet", "--out", "runs/2"]);
    assert_eq!(scene.read("runs/phonematch.ledger"), ledger);
    let digest = blake3::hash(&fs::read(scene.at("runs/1/manifest.json")).unwrap()).to_hex();
    assert_eq!(scene.manifest("runs/2")["previous"]["blake3"], json!(digest.to_string()));
    assert_eq!(scene.report("runs/2")["history"].as_array().unwrap().len(), 1);
    let chain = ["audit", "runs/2", "--chain", "--opt-outs", "opt_outs.csv"];
    let secret = ["--secret-file", "secret.key"];
    let audit =
        |runs: &[&str]| finish(phonematch().current_dir(scene.path()).args(runs).args(secret));
    assert!(audit(&chain).must_end_with(0).stdout.contains("a chain of 2 runs"));
    let wrong = audit(&["audit", "runs/1", "runs/s", "--opt-outs", "opt_outs.csv"]);
    let wrong = wrong.must_end_with(65).stderr;
    assert!(wrong.contains("s is a run of a sample, which follows none"), "{wrong}");
    let refused = scene.run(&["--out", "runs/3", "--previous", "runs/s"]).must_end_with(65);
    assert!(refused.stderr.contains("of a sample"), "{}", refused.stderr);
    // What a sample is held against all the same: that the opt-outs are all there.
    let text = scene.read("opt_outs.csv");
    let few: Vec<_> = text.lines().take(50).collect();
    scene.write("opt_outs.csv", few.join("\n") + "\n");
    let refused = scene.run(&["--sample", "10%", "--out", "runs/t"]).must_end_with(65);
    assert!(refused.stderr.contains("has shrunken"), "{}", refused.stderr);
}

#[test]
fn no_sample_takes_a_run_s_place_and_no_run_is_skipped_for_a_sample() {
    let scene = large();
    let sample = ["--quiet", "--sample", "10%"];
    scene.publish(&["--quiet"]);
    let before = published_bytes(&scene.at("run"));
    let replace = ["--if-exists", "replace"];
    let refused = scene.run(&[&sample[..], &replace].concat()).must_end_with(73);
    assert!(refused.stderr.contains("a run of everybody"), "{}", refused.stderr);
    scene.run(&[&sample[..], &["--if-exists", "skip"]].concat()).must_end_with(73);
    assert!(published_bytes(&scene.at("run")) == before);
    // The other way round: a sample stands where tonight's run is to go.
    scene.publish(&[&sample[..], &["--out", "s"]].concat());
    let refused = scene.run(&["--quiet", "--out", "s", "--if-exists", "skip"]).must_end_with(73);
    assert!(refused.stderr.contains("not the one to skip"), "{}", refused.stderr);
    let skipped = [&sample[..], &["--out", "s", "--if-exists", "skip"]].concat();
    assert!(scene.publish(&skipped).stdout.contains("skipped"));
    scene.publish(&["--quiet", "--out", "s", "--if-exists", "replace"]);
    assert!(scene.manifest("s").get("sample").is_none());
    assert_eq!(scene.manifest("s")["counts"]["removed"], json!(0));
}

/// Whoever could write one word into a manifest would otherwise have the run passed over, and the
/// checks against it.
#[test]
fn a_run_that_was_made_a_sample_afterwards_is_a_changed_run() {
    let scene = charged();
    scene.publish(&["--quiet"]);
    let whole = scene.read("runs/1/manifest.json");
    scene.edit("runs/1/manifest.json", "\"inputs\": [", "\"sample\": 0.1,\n  \"inputs\": [");
    let refused = scene.run(&["--out", "runs/2"]).must_end_with(65);
    assert!(refused.stderr.contains("manifest was changed"), "{}", refused.stderr);
    // With the seal of somebody who has the secret it is passed over; the audit still tells.
    let secret = Secret::from_file_content(SECRET_HEX.as_bytes()).unwrap();
    let reseal = |name: &str, edit: &dyn Fn(&mut Value)| {
        let mut json: Value = serde_json::from_str(&scene.read(name)).unwrap();
        edit(&mut json);
        json["seal"] = json!(SEAL_PLACE);
        let text = serde_json::to_string_pretty(&json).unwrap() + "\n";
        scene.write(name, sealed(&text, &seal(&text, &secret)));
    };
    let audit = || scene.audit("runs/1").must_end_with(65).stderr;
    reseal("runs/1/manifest.json", &|json| json["sample"] = json!(0.1));
    assert!(audit().contains("a sample follows no run"), "{}", audit());
    scene.write("runs/1/manifest.json", whole);
    scene.audit("runs/1").must_end_with(0);
    scene.publish(&["--quiet", "--sample", "10%", "--out", "runs/s"]);
    reseal("runs/s/manifest.json", &|json| drop(json.as_object_mut().unwrap().remove("sample")));
    let told = scene.audit("runs/s").must_end_with(65).stderr;
    assert!(told.contains("it leaves nobody out: the report is of a sample"), "{told}");
}

#[test]
fn a_sample_is_refused_where_promises_are_about_all_people() {
    for purpose in ["analytics", "business_messaging", "friend_suggestions"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/purposes").join(purpose);
        let place = tempfile::tempdir().unwrap();
        let mut command = phonematch();
        command.args(["match", "--quiet", "--sample", "50%", "--previous", "none", "--job"]);
        command.arg(folder.join("job.toml")).arg("--out").arg(place.path().join("run"));
        let refused = finish(command.env("PHONEMATCH_SECRET_IF_MISSING", "create"));
        let refused = refused.must_end_with(78);
        assert!(refused.stderr.contains("takes no sample"), "{}", refused.stderr);
        assert!(files_under(place.path()).is_empty());
    }
}

#[test]
fn lists_in_two_forms_are_said_to_be_drawn_by_each() {
    let scene = large();
    let hashed = |number: &String| hex::encode(crate::support::keys::digest(number, Form::Digits));
    let digests: Vec<_> = numbers(900).iter().map(hashed).collect();
    scene.write("hashed.csv", format!("phone_sha256\n{}\n", digests.join("\n")));
    let words = "drawn by each";
    assert!(!scene.publish(&["--sample", "20%", "--out", "one"]).stderr.contains(words));
    scene.append("job.toml", "[[lists]]\nfiles = [\"hashed.csv\"]\nphones = \"digits\"\n");
    assert!(scene.publish(&["--sample", "20%", "--out", "two"]).stderr.contains(words));
    assert!(!scene.publish(&["--previous", "none", "--out", "whole"]).stderr.contains(words));
    let released = |run: &str| -> BTreeMap<String, usize> {
        let mut lists = BTreeMap::new();
        tokens(&scene.at(run))
            .into_iter()
            .for_each(|row| *lists.entry(row[1].clone()).or_default() += 1);
        lists
    };
    let drawn = (0..900_usize).filter(|at| {
        !at.is_multiple_of(20)
            && !at.is_multiple_of(30)
            && is_drawn(&numbers(900)[*at], Form::Digits, 20)
    });
    assert_eq!(released("two")["hashed"], drawn.count());
    scene.audit("two").must_end_with(0);
}

/// A gate that a sample cannot tell is not broken by it, and one that it can is.
#[test]
fn a_match_rate_is_held_against_a_sample_as_far_as_it_can_tell() {
    let scene = large();
    let gate = |limit: &str| {
        let job = scene.read("job.toml");
        let job = job.split("[gates]").next().unwrap().to_owned();
        scene.write("job.toml", job + &format!("[gates]\n{limit}\n"));
    };
    let sample = ["--quiet", "--sample", "10%", "--if-exists", "replace"];
    gate("min_match_rate = 0.31");
    scene.run(&["--quiet", "--out", "whole"]).must_end_with(65);
    scene.publish(&sample);
    gate("min_match_rate = 0.6");
    let broken = scene.run(&sample).must_end_with(65);
    assert!(broken.stderr.contains("min_match_rate"), "{}", broken.stderr);
}

/// A part of too many numbers is not few.
#[test]
fn a_recipient_with_too_many_numbers_is_told_so_by_a_sample_too() {
    let scene = large();
    let released = |most: &str| {
        let policy = scene.read("policy.toml");
        let line = policy.lines().find(|line| line.starts_with("most_list_numbers")).unwrap();
        scene.edit("policy.toml", line, &format!("most_list_numbers = {most}"));
        scene.publish(&["--quiet", "--sample", "10%", "--if-exists", "replace"]);
        let list = scene.report("run")["lists"][0].clone();
        assert!(list["matched"].as_u64().unwrap() > 50);
        (list["withheld"].clone(), tokens(&scene.at("run")).is_empty())
    };
    assert_eq!(released("4499"), (json!("lists_too_large"), true));
    assert_eq!(released("9000"), (Value::Null, false));
}

/// Every file and folder, with what is in it.
fn everything(folder: &Path) -> BTreeMap<PathBuf, Option<Vec<u8>>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            found.extend(everything(&path));
            found.insert(path, None);
        } else {
            found.insert(path.clone(), Some(fs::read(path).unwrap()));
        }
    }
    found
}

#[test]
fn a_dry_run_does_everything_and_leaves_nothing() {
    let scene = charged();
    let before = everything(scene.path());
    let said = scene.publish(&["--dry-run"]);
    assert_eq!(everything(scene.path()), before);
    let end = "a dry run: nothing was published, charged or remembered; ";
    assert!(said.stdout.starts_with(end), "{}", said.stdout);
    assert!(said.stdout.ends_with("runs/1 would be there\n"), "{}", said.stdout);
    assert!(said.stderr.contains("released"), "{}", said.stderr);
    let line = scene.publish(&["--dry-run", "--json", "--quiet"]).json();
    assert_eq!((&line["dry_run"], &line["exit_code"]), (&json!(true), &json!(0)));
    assert_eq!(everything(scene.path()), before);

    // The run itself comes to what the rehearsal said, and a rehearsal of the next changes nothing.
    let run = scene.publish(&["--json", "--quiet"]).json();
    for field in ["released", "lists", "alarms"] {
        assert_eq!(run[field], line[field], "{field}");
    }
    assert_eq!(run["dry_run"], json!(false));
    scene.append("list.csv", &numbers(6000)[1..40].join("\n"));
    let before = everything(scene.path());
    scene.publish(&["--dry-run", "--quiet", "--out", "runs/2"]);
    scene.publish(&["--dry-run", "--quiet", "--sample", "10%", "--out", "deep/er/run"]);
    scene.publish(&["--dry-run", "--quiet", "--if-exists", "replace"]);
    assert_eq!(everything(scene.path()), before);
    scene.publish(&["--quiet", "--out", "runs/2"]);
    scene.audit("runs/2").must_end_with(0);
}

/// To Prometheus and a catalogue a trial would be the night's run.
#[test]
fn a_trial_is_told_to_no_other_system_also_where_it_is_wrong() {
    let scene = large();
    scene.edit("job.toml", "out = \"run\"", "out = \"run\"\nmetrics_file = \"of.prom\"");
    let before = everything(scene.path());
    let told = ["--openlineage-file", "events.ndjson", "--quiet"];
    for trial in [&["--dry-run"][..], &["--sample", "10%", "--dry-run"]] {
        scene.publish(&[&told[..], trial].concat());
        scene.run(&[&told[..], trial, &["--out", "."]].concat());
        assert_eq!(everything(scene.path()), before);
    }
    scene.publish(&[&told[..], &["--sample", "10%", "--out", "s"]].concat());
    scene.run(&[&told[..], &["--sample", "none"]].concat()).must_end_with(2);
    scene.append("job.toml", "[no such table\n");
    scene.run(&[&told[..], &["--dry-run"]].concat()).must_end_with(78);
    assert!(!scene.at("of.prom").exists() && !scene.at("events.ndjson").exists());
    scene.run(&told).must_end_with(78);
    assert!(scene.at("of.prom").exists() && scene.at("events.ndjson").exists());
}

#[test]
fn a_dry_run_ends_as_the_run_would() {
    let scene = charged();
    // Pays for one figure, and not for that of a list which has grown.
    scene.edit("policy.toml", "micro_rho = 10000000", "micro_rho = 900000");
    scene.publish(&["--quiet"]);
    let spoil = |name: &str, spoilt: &dyn Fn(), code: i32| {
        let text = scene.read(name);
        spoilt();
        let out = ["--quiet", "--out", "runs/2"];
        let before = everything(scene.path());
        let dry = scene.run(&[&out[..], &["--dry-run"]].concat()).must_end_with(code);
        assert_eq!(everything(scene.path()), before);
        let real = scene.run(&out).must_end_with(code);
        assert_eq!(dry.stderr, real.stderr);
        scene.write(name, text);
    };
    scene.run(&["--quiet", "--dry-run"]).must_end_with(73);
    spoil("opt_outs.csv", &|| scene.append("opt_outs.csv", "nobody can read this\n"), 65);
    spoil("opt_outs.csv", &|| scene.set_age_hours("opt_outs.csv", 48), 66);
    spoil("runs/phonematch.ledger", &|| scene.write("runs/phonematch.ledger", ""), 66);
    let longer = numbers(6000)[1..400].join("\n");
    spoil("list.csv", &|| scene.append("list.csv", &longer), 65);
    spoil("job.toml", &|| scene.append("job.toml", "[gates]\nmin_match_rate = 0.9\n"), 65);
    spoil("job.toml", &|| scene.edit("job.toml", "recipient", "recipent"), 78);
}

#[test]
fn a_dry_run_remembers_no_message_and_makes_no_secret() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/purposes/business_messaging");
    let scene = Scene::copy_of(&folder);
    scene.edit("job.toml", "../../../target/business_messaging.key", "made/today.key");
    assert!(scene.read("job.toml").contains("if_missing = \"create\""));
    let out = ["--out", "runs/1", "--previous", "none", "--quiet", "--json"];
    let before = everything(scene.path());
    let line = scene.publish(&[&out[..], &["--dry-run"]].concat()).json();
    assert!(line["released"].as_u64().unwrap() > 0, "{line}");
    assert_eq!(everything(scene.path()), before);
}

#[test]
fn both_are_settings_of_every_layer() {
    let scene = large();
    let show = |more: &[&str], variables: &[(&str, &str)]| {
        let mut command = phonematch();
        command.current_dir(scene.path()).args(["config", "show", "--job", "job.toml", "--json"]);
        let shown = finish(command.args(more).envs(variables.iter().copied())).must_end_with(0);
        let rows = shown.json()["settings"].clone();
        let row = |name: &str| {
            let row = rows.as_array().unwrap().iter().find(|row| row["setting"] == name).unwrap();
            json!([row["value"], row["from"]["layer"]])
        };
        [row("sample"), row("dry_run")]
    };
    assert_eq!(show(&[], &[]), [json!([null, "unset"]), json!([false, "default"])]);
    scene.edit("job.toml", "out = \"run\"", "out = \"run\"\nsample = \"20%\"\ndry_run = true");
    assert_eq!(show(&[], &[]), [json!(["20%", "file"]), json!([true, "file"])]);
    let variables = [("PHONEMATCH_SAMPLE", "10%"), ("PHONEMATCH_DRY_RUN", "false")];
    let by_variable = [json!(["10%", "environment"]), json!([false, "environment"])];
    assert_eq!(show(&[], &variables), by_variable);
    let typed = ["--sample", "5%", "--dry-run=true"];
    assert_eq!(show(&typed, &variables), [json!(["5%", "flag"]), json!([true, "flag"])]);

    let line = scene.publish(&["--json", "--quiet"]).json();
    assert_eq!((&line["sample"], &line["dry_run"]), (&json!(0.2), &json!(true)));
    let mut command = scene.command(&["--json", "--quiet"]);
    let line = finish(command.envs(variables)).must_end_with(0).json();
    assert_eq!((&line["sample"], &line["dry_run"]), (&json!(0.1), &json!(false)));
    // Everybody is no sample.
    let out = ["--out", "whole", "--sample", "100%", "--dry-run=false", "--json", "--quiet"];
    assert_eq!(scene.publish(&out).json()["sample"], Value::Null);
    assert!(scene.manifest("whole").get("sample").is_none());
    assert!(scene.manifest("whole")["previous"].is_null());
    for wrong in ["0%", "0", "101%", "lots", "-1%"] {
        let refused = scene.run(&[&format!("--sample={wrong}")]).must_end_with(2);
        assert!(refused.stderr.contains("a share of people above 0"), "{}", refused.stderr);
    }
    scene.edit("job.toml", "sample = \"20%\"", "sample = \"much\"");
    let refused = scene.run(&[]).must_end_with(78);
    assert!(refused.stderr.contains("line 5 of job.toml"), "{}", refused.stderr);
}

/// Somebody's own files, with names in another language: the fault says how they are mapped.
#[test]
fn a_column_that_is_not_found_is_mapped_as_the_message_says() {
    let scene = Scene::small();
    scene.edit("list.csv", "phone,country", "Telefon,Land");
    let refused = scene.run(&["--dry-run"]).must_end_with(65);
    assert!(refused.stderr.contains("or by --column"), "{}", refused.stderr);
    let columns = ["--column", "list.phone=Telefon", "--column", "list.country=Land"];
    assert_eq!(scene.publish(&[&columns[..], &["--json"]].concat()).json()["released"], json!(2));
}

/// What is read of a run that knew no samples.
#[test]
fn a_report_of_before_there_were_samples_is_one_of_everybody() {
    let scene = Scene::small();
    scene.publish(&["--quiet"]);
    let mut report = scene.report("run");
    report.as_object_mut().unwrap().remove("sample");
    for input in report["inputs"].as_array_mut().unwrap() {
        input.as_object_mut().unwrap().remove("not_sampled");
    }
    let report: Report = serde_json::from_value(report).unwrap();
    assert_eq!((report.sample, report.inputs[0].not_sampled), (None, 0));
    assert!(FIXED_FILES.contains(&"manifest.json"));
}
