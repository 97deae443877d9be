//! Runs that are published in a store, whatever happens on the way.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;

use super::proxy::{Fault, header};
use super::stand::Stand;
use crate::support::{Outcome, Scene, finish, mode};

/// A job whose run goes to the bucket, with its inputs in files.
fn outward() -> (Scene, Stand) {
    let scene = Scene::small();
    let stand = Stand::begin();
    let place = format!("out = \"{}\"\nstaging = \"staging\"", stand.bucket().url("runs/night-1"));
    scene.edit("job.toml", "out = \"run\"", &place);
    (scene, stand)
}

/// What a reader finds at a place: a run by its manifest, or nothing.
fn manifest(stand: &Stand, run: &str) -> Option<Value> {
    let key = format!("runs/{run}/manifest.json");
    stand
        .bucket()
        .keys()
        .contains(&key)
        .then(|| serde_json::from_slice(&stand.bucket().read(&key)).unwrap())
}

/// Fetches what a reader would: the folder that the manifest names.
fn fetch(stand: &Stand, scene: &Scene, run: &str) -> PathBuf {
    let manifest = manifest(stand, run).expect("a run is published");
    let prefix = format!("runs/{run}/{}/", manifest["folder"].as_str().unwrap());
    let fetched = scene.at(&format!("fetched-{run}"));
    let _ = std::fs::remove_dir_all(&fetched);
    std::fs::create_dir(&fetched).unwrap();
    for key in stand.bucket().keys() {
        if let Some(name) = key.strip_prefix(&prefix) {
            std::fs::write(fetched.join(name), stand.bucket().read(&key)).unwrap();
        }
    }
    fetched
}

/// A run is there and whole: the program's own audit says so of what a reader fetches.
#[track_caller]
fn must_be_whole(stand: &Stand, scene: &Scene, run: &str) {
    let fetched = fetch(stand, scene, run);
    scene.audit(fetched.to_str().unwrap()).must_end_with(0);
    let published = stand.bucket().read(&format!("runs/{run}/manifest.json"));
    assert_eq!(published, std::fs::read(fetched.join("manifest.json")).unwrap());
}

fn staged(scene: &Scene) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(scene.at("staging")) else { return Vec::new() };
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// Keys of the place that belong to no published run.
fn orphans(stand: &Stand, run: &str) -> Vec<String> {
    let prefix = format!("runs/{run}/");
    let folder = manifest(stand, run)
        .map(|manifest| format!("{prefix}{}/", manifest["folder"].as_str().unwrap()));
    let published = format!("{prefix}manifest.json");
    let is_of_run = |key: &String| {
        *key == published || folder.as_ref().is_some_and(|folder| key.starts_with(folder))
    };
    let keys = stand.bucket().keys().into_iter();
    keys.filter(|key| key.starts_with(&prefix) && !is_of_run(key)).collect()
}

#[test]
fn a_run_in_a_store_is_the_run_that_a_folder_would_hold() {
    let (scene, stand) = outward();
    let outcome = stand.run(&scene, &[]).must_end_with(0);
    assert_eq!(outcome.stdout.trim(), stand.bucket().url("runs/night-1"));
    must_be_whole(&stand, &scene, "night-1");
    assert!(staged(&scene).iter().all(|name| name == "phonematch.ledger"), "{:?}", staged(&scene));
    assert!(orphans(&stand, "night-1").is_empty());
    let local = Scene::small();
    local.publish(&[]);
    for name in ["matches.parquet", "audiences.parquet", "summary.json", "removed.parquet"] {
        let fetched = std::fs::read(scene.at("fetched-night-1").join(name)).unwrap();
        assert_eq!(fetched, std::fs::read(local.at("run").join(name)).unwrap(), "{name}");
    }
    // The manifest is the last thing to be written, under the condition that there is none.
    let put = stand.proxy.passed("PUT", "runs/night-1");
    let last = put.last().unwrap();
    assert!(last.path.ends_with("runs/night-1/manifest.json"), "{}", last.path);
    assert_eq!(header(&last.head, "if-none-match"), Some("*"));
}

#[test]
fn what_is_staged_is_private_and_holds_no_number() {
    let (scene, stand) = outward();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (found, staging) = (Arc::clone(&seen), scene.at("staging"));
    let look = Fault::Meanwhile(Box::new(move || {
        found.lock().unwrap().extend(crate::support::files_under(&staging).into_iter().map(
            |path| {
                let is_private = mode(&path) == 0o600 && mode(path.parent().unwrap()) == 0o700;
                (is_private, std::fs::read(&path).unwrap_or_default())
            },
        ));
    }));
    stand.proxy.fail_behind(2, "PUT", "runs/night-1", 1, look);
    stand.run(&scene, &[]).must_end_with(0);
    let seen = seen.lock().unwrap();
    assert!(seen.len() > 6, "{}", seen.len());
    for (is_private, bytes) in seen.iter() {
        assert!(is_private);
        for number in ["2025550101", "2079460004"] {
            assert!(!bytes.windows(number.len()).any(|it| it == number.as_bytes()));
        }
    }
}

#[test]
fn a_run_that_is_there_is_refused_left_or_replaced() {
    let (scene, stand) = outward();
    stand.run(&scene, &[]).must_end_with(0);
    let first = manifest(&stand, "night-1").unwrap();
    let outcome = stand.run(&scene, &[]).must_end_with(73);
    assert!(outcome.stderr.contains("runs/night-1 exists"), "{}", outcome.stderr);
    let outcome = stand.run(&scene, &["--if-exists", "skip"]).must_end_with(0);
    assert!(outcome.stdout.contains("skipped"), "{}", outcome.stdout);
    assert_eq!(manifest(&stand, "night-1").unwrap(), first);
    scene.append("opt_outs.csv", "+1 202 555 0101,,2026-01-02\n");
    stand.run(&scene, &["--if-exists", "replace"]).must_end_with(0);
    let second = manifest(&stand, "night-1").unwrap();
    assert_ne!(second["folder"], first["folder"]);
    assert_eq!(first["counts"]["matches"], 2);
    assert_eq!(second["counts"]["matches"], 1);
    // Who left since is taken back, and nothing stays of the run before.
    assert_eq!(second["counts"]["removed"], 1);
    must_be_whole(&stand, &scene, "night-1");
    assert!(orphans(&stand, "night-1").is_empty());
    stand.bucket().put("runs/night-1/manifest.json", b"somebody else's");
    let outcome = stand.run(&scene, &["--if-exists", "replace"]).must_end_with(73);
    assert!(outcome.stderr.contains("not a run folder"), "{}", outcome.stderr);
}

/// The night's own name was left out: what is there is not a place for one run.
#[test]
fn a_place_that_holds_other_things_is_refused_and_they_stay() {
    let (scene, stand) = outward();
    stand.run(&scene, &[]).must_end_with(0);
    stand.bucket().put("data/export/accounts.csv", b"phone\n");
    let before = stand.bucket().keys();
    for place in ["runs", "data", "data/export"] {
        for if_exists in ["error", "skip", "replace"] {
            let out = stand.bucket().url(place);
            let outcome = stand.run(&scene, &["--out", &out, "--if-exists", if_exists]);
            let outcome = outcome.must_end_with(73);
            assert!(outcome.stderr.contains("not a run folder"), "{}", outcome.stderr);
        }
    }
    assert_eq!(stand.bucket().keys(), before);
    // Beside a run nothing but folders of runs is removed.
    let strange = "runs/night-1/notes/readme.txt";
    let left = format!("runs/night-1/{}/matches.parquet", "0f".repeat(16));
    stand.bucket().put(strange, b"mine");
    stand.bucket().put(&left, b"of a run that died");
    stand.run(&scene, &["--if-exists", "replace"]).must_end_with(0);
    let keys = stand.bucket().keys();
    assert!(keys.contains(&strange.to_owned()) && !keys.contains(&left), "{keys:?}");
}

#[test]
fn nights_in_a_store_form_a_chain() {
    let (scene, stand) = outward();
    stand.run(&scene, &[]).must_end_with(0);
    scene.append("opt_outs.csv", "+1 202 555 0101,,2026-01-02\n");
    let second = stand.bucket().url("runs/night-2");
    stand.run(&scene, &["--out", &second]).must_end_with(0);
    let third = stand.bucket().url("runs/night-3");
    let first = stand.bucket().url("runs/night-1");
    stand.run(&scene, &["--out", &third, "--previous", &first]).must_end_with(0);
    let digest = |run: &str| {
        let bytes = stand.bucket().read(&format!("runs/{run}/manifest.json"));
        blake3::hash(&bytes).to_hex().to_string()
    };
    let previous = |run: &str| manifest(&stand, run).unwrap()["previous"]["blake3"].clone();
    assert_eq!(previous("night-2"), digest("night-1"));
    assert_eq!(previous("night-3"), digest("night-1"));
    assert_eq!(manifest(&stand, "night-2").unwrap()["counts"]["removed"], 1);
    // Fetched side by side they are the chain that folders would be.
    fetch(&stand, &scene, "night-1");
    fetch(&stand, &scene, "night-2");
    let mut command = crate::support::phonematch();
    command.current_dir(scene.path()).args(["audit", "fetched-night-1", "fetched-night-2"]);
    command.args(["--opt-outs", "opt_outs.csv", "--secret-file", "secret.key"]);
    finish(command.args(["--ledger", "staging/phonematch.ledger"])).must_end_with(0);
    // A run before that was changed is no run to go on from.
    let key = format!(
        "runs/night-2/{}/report.json",
        manifest(&stand, "night-2").unwrap()["folder"].as_str().unwrap()
    );
    stand.bucket().put(&key, b"{}");
    let fourth = stand.bucket().url("runs/night-4");
    let outcome = stand.run(&scene, &["--out", &fourth]).must_end_with(65);
    assert!(outcome.stderr.contains("runs/night-2 cannot be used"), "{}", outcome.stderr);
    assert!(manifest(&stand, "night-4").is_none());
}

#[test]
fn passing_errors_on_the_way_out_change_nothing() {
    let (scene, stand) = outward();
    stand.proxy.fail("PUT", "matches.parquet", 2, Fault::Status(503));
    stand.proxy.fail("PUT", "report.json", 1, Fault::Slow(Duration::from_secs(2)));
    stand.proxy.fail("PUT", "summary.json", 1, Fault::ReplyLost);
    stand.proxy.fail("PUT", "night-1/manifest.json", 1, Fault::Status(500));
    stand.run(&scene, &[]).must_end_with(0);
    assert!(stand.proxy.all_faults_came_to_pass());
    must_be_whole(&stand, &scene, "night-1");
}

#[test]
fn a_lost_answer_to_the_last_write_is_looked_up() {
    for if_exists in ["error", "replace"] {
        let (scene, stand) = outward();
        if if_exists == "replace" {
            stand.run(&scene, &[]).must_end_with(0);
        }
        let before = manifest(&stand, "night-1");
        stand.proxy.fail("PUT", "night-1/manifest.json", 1, Fault::ReplyLost);
        stand.run(&scene, &["--if-exists", if_exists]).must_end_with(0);
        assert!(stand.proxy.all_faults_came_to_pass());
        assert_ne!(manifest(&stand, "night-1"), before);
        must_be_whole(&stand, &scene, "night-1");
        assert!(orphans(&stand, "night-1").is_empty());
    }
}

#[test]
fn of_two_runs_for_one_place_one_loses_and_harms_nothing() {
    for if_exists in ["error", "replace"] {
        let (scene, stand) = outward();
        let other = Scene::small();
        other.write("job.toml", scene.read("job.toml"));
        if if_exists == "replace" {
            stand.run(&scene, &[]).must_end_with(0);
        }
        // The other run is published at the last moment before this one is, past the proxy.
        let mut command = other.command(&["--if-exists", if_exists, "--previous", "none"]);
        stand.tell_past_the_proxy(&mut command);
        let winner: Arc<Mutex<Option<Outcome>>> = Arc::default();
        let done = Arc::clone(&winner);
        let publish = Fault::Meanwhile(Box::new(move || {
            *done.lock().unwrap() = Some(finish(&mut command));
        }));
        stand.proxy.fail("PUT", "night-1/manifest.json", 1, publish);
        let outcome = stand.run(&scene, &["--if-exists", if_exists]).must_end_with(73);
        assert!(outcome.stderr.contains("exists"), "{}", outcome.stderr);
        winner.lock().unwrap().take().unwrap().must_end_with(0);
        must_be_whole(&stand, &scene, "night-1");
        assert!(orphans(&stand, "night-1").is_empty(), "{:?}", orphans(&stand, "night-1"));
    }
}

#[test]
fn a_store_that_takes_no_more_leaves_no_run_and_another_try_succeeds() {
    for (path, left) in [("matches.parquet", false), ("night-1/manifest.json", true)] {
        let (scene, stand) = outward();
        stand.proxy.fail("PUT", path, 6, Fault::Status(503));
        let outcome = stand.run(&scene, &[]).must_end_with(74);
        assert!(outcome.stderr.contains("status 503"), "{}", outcome.stderr);
        assert!(manifest(&stand, "night-1").is_none());
        // Where the last write may still arrive, the files that it names stay; the next run
        // removes them.
        assert_eq!(!orphans(&stand, "night-1").is_empty(), left, "{path}");
        assert!(staged(&scene).iter().all(|name| name == "phonematch.ledger"));
        stand.run(&scene, &[]).must_end_with(0);
        must_be_whole(&stand, &scene, "night-1");
        assert!(orphans(&stand, "night-1").is_empty(), "{path}");
    }
}

#[test]
fn a_run_that_is_killed_on_its_way_out_leaves_the_old_run_or_none() {
    for put in [0, 3, 7] {
        let (scene, stand) = outward();
        let process: Arc<Mutex<Option<u32>>> = Arc::default();
        let victim = Arc::clone(&process);
        let kill = Fault::Meanwhile(Box::new(move || {
            let process = rustix::process::Pid::from_raw(victim.lock().unwrap().unwrap() as i32);
            rustix::process::kill_process(process.unwrap(), rustix::process::Signal::KILL).unwrap();
        }));
        stand.proxy.fail_behind(put, "PUT", "night-1/", 1, kill);
        let mut command = stand.command(&scene, &[]);
        let locked = process.lock().unwrap();
        let mut child = command.spawn().unwrap();
        { locked }.replace(child.id());
        assert!(!child.wait().unwrap().success());
        assert!(manifest(&stand, "night-1").is_none());
        stand.run(&scene, &[]).must_end_with(0);
        must_be_whole(&stand, &scene, "night-1");
        assert!(orphans(&stand, "night-1").is_empty());
    }
}

#[test]
fn an_opt_out_that_arrives_while_the_run_is_uploaded_counts_in_it() {
    let (scene, stand) = outward();
    let path = scene.at("opt_outs.csv");
    let more = scene.read("opt_outs.csv") + "+1 202 555 0101,,2026-01-02\n";
    let arrive = Fault::Meanwhile(Box::new(move || std::fs::write(&path, &more).unwrap()));
    stand.proxy.fail_behind(3, "PUT", "runs/night-1", 1, arrive);
    stand.run(&scene, &[]).must_end_with(0);
    assert!(stand.proxy.all_faults_came_to_pass());
    assert_eq!(manifest(&stand, "night-1").unwrap()["counts"]["matches"], 1);
    must_be_whole(&stand, &scene, "night-1");
    assert!(orphans(&stand, "night-1").is_empty());
}

#[test]
fn a_large_file_is_written_in_parts_and_one_that_fails_is_written_again() {
    let scene = Scene::empty();
    let world = phonematch::synth::World {
        accounts: 60_000,
        list: 60_000,
        opt_outs: 100,
        overlap: 1.0,
        messy: 0.0,
        junk: 0.0,
        denied: 0.0,
        countries: Vec::new(),
        seed: 5,
        night: 0,
    };
    phonematch::synth::write(&world, scene.path()).unwrap();
    let stand = Stand::begin();
    let job = scene.read("job.toml");
    let out = job.lines().find(|line| line.starts_with("out = ")).unwrap();
    let place = format!("out = \"{}\"\nstaging = \"staging\"", stand.bucket().url("runs/night-1"));
    scene.edit("job.toml", out, &place);
    // The same people for ten recipients: ten tokens a person, which nothing packs.
    let more = (0..10).map(|number| {
        format!(
            "\n[[lists]]\nfiles = [\"list.csv\"]\nrecipient = \"r{number}\"\nid = \"l{number}\"\n"
        )
    });
    scene.append("job.toml", &more.collect::<String>());
    stand.proxy.fail("PUT", "matches.parquet?", 1, Fault::Status(503));
    stand.run(&scene, &["--previous", "none"]).must_end_with(0);
    assert!(stand.proxy.all_faults_came_to_pass());
    let parts = stand.proxy.passed("PUT", "matches.parquet?");
    assert!(parts.len() > 2, "{} requests for parts", parts.len());
    assert!(parts.iter().all(|it| it.path.contains("partNumber=")));
    must_be_whole_with(&stand, &scene, "night-1");
}

/// As [`must_be_whole`], of a made-up world.
#[track_caller]
fn must_be_whole_with(stand: &Stand, scene: &Scene, run: &str) {
    let fetched = fetch(stand, scene, run);
    let ledger = scene.at("staging").join("phonematch.ledger");
    let mut command = crate::support::phonematch();
    command.current_dir(scene.path()).arg("audit").arg(&fetched).arg("--ledger").arg(ledger);
    command.args(["--opt-outs", "opt_outs.csv", "--secret-file", "secret.key"]);
    finish(&mut command).must_end_with(0);
}

#[test]
fn a_place_that_cannot_be_meant_is_refused_before_anything_is_read() {
    let (scene, stand) = outward();
    for (edit, code, said) in [
        (("staging = \"staging\"", ""), 2, "--staging"),
        (("s3://", "gs://"), 78, "s3://bucket/run"),
        (("/runs/night-1", ""), 78, "names no object"),
    ] {
        let job = scene.read("job.toml");
        scene.edit("job.toml", edit.0, edit.1);
        let outcome = stand.run(&scene, &[]).must_end_with(code);
        assert!(outcome.stderr.contains(said), "{}", outcome.stderr);
        scene.write("job.toml", job);
    }
    let outcome = stand.run(&scene, &["--out", "run"]).must_end_with(78);
    assert!(outcome.stderr.contains("staging is for a run that goes to a store"));
    let mut command = stand.command(&scene, &["--out", "s3://bucket-of-nobody/runs/night"]);
    finish(&mut command).must_end_with(78);
    let mut command = stand.command(&scene, &[]);
    let outcome = finish(command.env("AWS_SECRET_ACCESS_KEY", "x")).must_end_with(77);
    assert!(outcome.stderr.contains("refuses the credentials"), "{}", outcome.stderr);
    assert!(stand.bucket().keys().is_empty());
    assert!(!Path::new(&scene.at("staging")).exists() || staged(&scene).is_empty());
}
