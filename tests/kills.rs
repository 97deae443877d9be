//! Kill −9 at random times: the old run is whole, or the new one is, and running again succeeds.

use std::fs;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use crate::support::random::Random;
use crate::support::{FIXED_FILES, Scene, files_under, json_file, mode, wait_for};

const KILLS: usize = 60;

fn scene() -> Scene {
    let scene = Scene::made_up(2_000, 400, 99);
    scene.edit("policy.toml", "matched_people = 100", "matched_people = 20");
    scene
}

fn start(scene: &Scene, more: &[&str]) -> Child {
    let mut command = scene.command(more);
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// How long one undisturbed run takes here.
fn duration(scene: &Scene) -> Duration {
    let begun = Instant::now();
    scene.publish(&["--out", "timed", "--previous", "none"]);
    let taken = begun.elapsed();
    fs::remove_dir_all(scene.at("timed")).unwrap();
    taken
}

/// A run folder, where there is one, is complete to the last byte.
fn assert_whole(scene: &Scene) {
    let run = scene.at("run");
    if !run.exists() {
        return;
    }
    let manifest = json_file(&run.join("manifest.json"));
    for name in FIXED_FILES.iter().filter(|name| **name != "manifest.json") {
        let bytes = fs::read(run.join(name)).unwrap();
        let digest = &manifest["files"][name]["blake3"];
        assert_eq!(digest, blake3::hash(&bytes).to_hex().as_str(), "{name}");
    }
}

fn assert_private(scene: &Scene) {
    for name in scene.made() {
        assert_eq!(mode(&scene.at(&name)) & 0o077, 0, "{name}");
        for file in files_under(&scene.at(&name)) {
            assert_eq!(mode(&file) & 0o077, 0, "{}", file.display());
        }
    }
}

#[test]
fn a_run_killed_at_any_time_leaves_the_old_run_or_the_new_one() {
    let scene = scene();
    let taken = duration(&scene);
    let random = &mut Random(4711);
    let mut killed = 0;
    let mut survived = 0;
    while killed < KILLS {
        // Every third kill hits a first run, the others a replacement.
        if killed % 3 == 0 && scene.at("run").exists() {
            fs::remove_dir_all(scene.at("run")).unwrap();
        }
        let had_one = scene.at("run").exists();
        let mut child = start(&scene, &["--if-exists", "replace", "--previous", "none", "--quiet"]);
        // The publishing is short and at the end: two thirds of the kills aim there.
        let share = if random.percent(33) { random.below(1000) } else { 700 + random.below(400) };
        std::thread::sleep(taken * share as u32 / 1000);
        child.kill().unwrap();
        let status = child.wait().unwrap();
        if status.code().is_some() {
            assert_eq!(status.code(), Some(0));
            assert!(scene.at("run").exists());
            survived += 1;
            assert!(survived < 20 * KILLS, "no kill comes in time");
        } else {
            killed += 1;
        }
        assert!(!had_one || scene.at("run").exists(), "the old run is gone");
        assert_whole(&scene);
        assert_private(&scene);
    }
    scene.publish(&["--if-exists", "replace", "--previous", "none"]);
    assert_eq!(scene.made(), ["run"]);
    scene.audit("run").must_end_with(0);
}

#[test]
fn after_a_kill_the_next_run_gives_the_bytes_of_an_undisturbed_one() {
    let scene = scene();
    scene.publish(&["--out", "calm", "--previous", "none"]);
    let taken = duration(&scene);
    for share in [3, 6, 9] {
        let mut child = start(&scene, &["--previous", "none", "--if-exists", "replace"]);
        std::thread::sleep(taken * share / 10);
        child.kill().unwrap();
        child.wait().unwrap();
        scene.publish(&["--previous", "none", "--if-exists", "replace"]);
        for name in FIXED_FILES {
            let read = |run: &str| fs::read(scene.at(run).join(name)).unwrap();
            assert!(read("calm") == read("run"), "{name} differs");
        }
        assert_eq!(scene.made(), ["calm", "run"]);
    }
}

#[test]
fn a_terminated_run_ends_quietly_with_its_own_code() {
    let scene = scene();
    let mut command = scene.command(&["--accounts", "-", "--quiet"]);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(600));
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    // Its standard input stays open: the signal alone must end the run.
    let mut status = None;
    let ended = wait_for(Duration::from_secs(5), || {
        status = child.try_wait().unwrap();
        status.is_some()
    });
    if !ended {
        child.kill().unwrap();
        child.wait().unwrap();
    }
    assert!(ended, "it still runs five seconds after SIGTERM");
    let code = status.and_then(|status| status.code());
    assert!(matches!(code, None | Some(130 | 143)), "{status:?}");
    assert!(!scene.at("run").exists());
    scene.publish(&[]);
    assert_eq!(scene.made(), ["run"]);
}
