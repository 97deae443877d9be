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

/// Sends a signal, and waits for the end: the code, and how long it took.
fn interrupt(child: &mut Child, signal: rustix::process::Signal) -> (Option<i32>, Duration) {
    let begun = Instant::now();
    rustix::process::kill_process(rustix::process::Pid::from_child(child), signal).unwrap();
    let mut status = None;
    wait_for(Duration::from_secs(30), || {
        status = child.try_wait().unwrap();
        status.is_some()
    });
    let Some(status) = status else {
        child.kill().unwrap();
        panic!("it still runs");
    };
    (status.code(), begun.elapsed())
}

#[test]
fn an_interrupted_run_that_waits_for_a_pipe_leaves_nothing_behind() {
    use rustix::process::Signal;
    let head = fs::read(scene().at("accounts.csv")).unwrap();
    let packed = {
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::Write::write_all(&mut packer, &head).unwrap();
        packer.finish().unwrap()
    };
    // Nothing yet; a part of the rows; a part of packed rows, which a thread of its own awaits.
    let given = [&[][..], &head[..head.len() / 2], &packed[..packed.len() / 2]];
    for (given, signal) in given.into_iter().zip([Signal::INT, Signal::TERM, Signal::HUP]) {
        let scene = scene();
        let mut command = scene.command(&["--accounts", "-", "--log-format", "json", "--json"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        std::io::Write::write_all(&mut stdin, given).unwrap();
        assert!(wait_for(Duration::from_secs(20), || scene.made() == [".run.partial"]));
        std::thread::sleep(Duration::from_millis(200));
        let (code, took) = interrupt(&mut child, signal);
        assert_eq!(code, Some(130), "{signal:?}");
        assert_eq!(scene.made(), Vec::<String>::new(), "{signal:?}");
        // It looked up by itself: the last resort comes after two seconds.
        assert!(took < Duration::from_millis(1900), "{took:?}");
        let output = child.wait_with_output().unwrap();
        drop(stdin);
        let line: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!((&line["exit_code"], &line["status"]), (&130.into(), &"failed".into()));
        let logged = String::from_utf8(output.stderr).unwrap();
        let last: serde_json::Value = serde_json::from_str(logged.lines().last().unwrap()).unwrap();
        assert_eq!(last["fields"]["exit_code"], 130, "{logged}");
    }
}

#[test]
fn a_run_interrupted_at_any_time_leaves_nothing_behind_or_is_published() {
    let scene = scene();
    let taken = duration(&scene);
    let mut interrupted = 0;
    for share in 0..16_u32 {
        let mut child = start(&scene, &["--previous", "none", "--quiet"]);
        std::thread::sleep(taken * share / 14);
        let (code, _) = interrupt(&mut child, rustix::process::Signal::INT);
        match code {
            Some(0) => {
                assert_whole(&scene);
                assert_eq!(scene.made(), ["run"]);
                fs::remove_dir_all(scene.at("run")).unwrap();
            }
            // Before it could listen the signal itself ends it.
            None | Some(130) => {
                interrupted += 1;
                let left = scene.made();
                assert!(left.is_empty() || code.is_none(), "{left:?} after {code:?}");
            }
            other => panic!("it ended with {other:?}"),
        }
    }
    assert!(interrupted > 0);
    scene.publish(&["--previous", "none"]);
    assert_eq!(scene.made(), ["run"]);
}

#[test]
fn an_interrupted_reading_of_one_file_leaves_no_half_of_it() {
    let scene = Scene::empty();
    let mut command = crate::support::phonematch();
    command.current_dir(scene.path()).args(["normalise", "-", "--phone-column", "raw"]);
    command.args(["--output", "out.csv", "--quiet"]);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    std::io::Write::write_all(&mut stdin, b"raw\n+12025550101\n").unwrap();
    assert!(wait_for(Duration::from_secs(20), || files_under(scene.path()).len() == 2));
    std::thread::sleep(Duration::from_millis(200));
    let (code, _) = interrupt(&mut child, rustix::process::Signal::INT);
    assert_eq!(code, Some(130));
    assert_eq!(files_under(scene.path()), [scene.at("secret.key")]);
}
