//! Every exit code, each reached in the way that it is most often reached, and told as it should:
//! on standard error what to do, in JSON the same, and nothing published but with 0.

use std::fs;
use std::os::unix::fs::{FileExt, symlink};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::support::{Outcome, Scene, finish, wait_for};

/// Ends with the code, says where and what to do, and leaves neither run nor staging folder.
#[track_caller]
fn refused(scene: &Scene, outcome: Outcome, code: i32, words: &[&str]) {
    let outcome = outcome.must_end_with(code);
    for word in words {
        assert!(outcome.stderr.contains(word), "{word}: {}", outcome.stderr);
    }
    let line = outcome.json();
    assert_eq!((&line["exit_code"], &line["status"]), (&code.into(), &"failed".into()));
    let told = line["error"].as_str().unwrap();
    assert!(outcome.stderr.contains(told), "{told} is not in {}", outcome.stderr);
    assert_eq!(scene.made(), Vec::<String>::new());
}

fn run(scene: &Scene) -> Outcome {
    scene.run(&["--json", "--quiet"])
}

#[test]
fn code_0_is_a_published_run_and_2_a_command_that_says_too_little() {
    let scene = Scene::small();
    scene.edit("job.toml", "out = \"run\"\n", "");
    refused(&scene, run(&scene), 2, &["--out", "job"]);
    let outcome = scene.run(&["--json", "--quiet", "--out", "run"]).must_end_with(0);
    assert_eq!((&outcome.json()["exit_code"], outcome.stderr.as_str()), (&0.into(), ""));
}

#[test]
fn code_65_names_the_file_the_row_and_the_remedy() {
    let scene = Scene::small();
    scene.append("opt_outs.csv", "nobody can read this,,2026-01-01\n");
    refused(&scene, run(&scene), 65, &["opt_outs.csv", "row 2", "repair"]);
    let scene = Scene::small();
    scene.append("list.csv", "\"020 7946 0004,GB,e\n");
    refused(&scene, run(&scene), 65, &["list.csv", "row 5", "repair"]);
}

#[test]
fn code_66_is_an_input_that_is_missing_empty_cut_or_stale() {
    for name in ["accounts.csv", "list.csv", "opt_outs.csv"] {
        let scene = Scene::small();
        fs::remove_file(scene.at(name)).unwrap();
        let remedy = if name == "opt_outs.csv" { "bring it back" } else { "check the path" };
        refused(&scene, run(&scene), 66, &[name, remedy]);
        let scene = Scene::small();
        scene.write(name, "");
        refused(&scene, run(&scene), 66, &[name, "empty", "check"]);
    }
    let scene = Scene::small();
    scene.set_age_hours("opt_outs.csv", 27);
    refused(&scene, run(&scene), 66, &["opt_outs.csv", "27 hours", "fetch"]);
}

#[test]
fn code_73_is_a_run_that_is_there() {
    let scene = Scene::small();
    scene.publish(&["--previous", "none"]);
    let outcome = run(&scene).must_end_with(73);
    assert!(outcome.stderr.contains("--if-exists skip or replace"), "{}", outcome.stderr);
    assert_eq!(scene.made(), ["run"]);
}

#[test]
fn code_74_is_a_disk_that_takes_no_more() {
    let scene = Scene::small();
    // No file may grow beyond a kibibyte, as on a disk that is full.
    let script = "trap '' XFSZ; ulimit -f 1; exec \"$0\" match --job job.toml --json --quiet";
    let mut command = Command::new("sh");
    command.current_dir(scene.path()).args(["-c", script, env!("CARGO_BIN_EXE_phonematch")]);
    refused(&scene, finish(&mut command), 74, &["space"]);
}

#[test]
fn code_75_is_a_run_that_another_one_holds_up() {
    let scene = Scene::small();
    let mut command = scene.command(&["--accounts", "-", "--quiet"]);
    let mut first = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    assert!(wait_for(Duration::from_secs(20), || scene.made() == [".run.partial"]));
    let second = run(&scene);
    stop(&mut first);
    refused(&scene, second, 75, &["another run", "wait"]);
}

/// As Ctrl-C does.
fn stop(child: &mut Child) {
    let pid = rustix::process::Pid::from_child(child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
}

#[test]
fn code_77_is_a_secret_that_others_may_read_or_that_is_none() {
    let scene = Scene::small();
    scene.set_mode("secret.key", 0o640);
    refused(&scene, run(&scene), 77, &["secret.key", "chmod 600"]);
    scene.set_mode("secret.key", 0o600);
    scene.write("secret.key", "too short");
    refused(&scene, run(&scene), 77, &["secret.key", "64 hex digits"]);
    fs::remove_file(scene.at("secret.key")).unwrap();
    refused(&scene, run(&scene), 77, &["secret.key"]);
}

#[test]
fn code_78_is_a_mistake_in_a_line() {
    let scene = Scene::small();
    scene.edit("policy.toml", "max_age_hours = 26", "max_age_hours = \"soon\"");
    let policy = scene.read("policy.toml");
    let line = policy.lines().position(|line| line.contains("soon")).unwrap() + 1;
    refused(&scene, run(&scene), 78, &["policy.toml", &format!("line {line}:")]);
}

#[test]
fn code_130_is_an_interrupted_run() {
    let scene = Scene::small();
    let mut command = scene.command(&["--accounts", "-", "--json", "--quiet"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    assert!(wait_for(Duration::from_secs(20), || scene.made() == [".run.partial"]));
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let stdin = child.stdin.take();
    let output = child.wait_with_output().unwrap();
    drop(stdin);
    let outcome = Outcome {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    };
    refused(&scene, outcome, 130, &["interrupted"]);
}

/// What a run wrote is changed under its hands, between writing and auditing. That is a matter of
/// moments, so it is tried until it comes to pass; a run that was quicker must be a sound one.
#[test]
fn code_70_is_a_run_whose_files_are_not_what_it_wrote() {
    let scene = Scene::small();
    let staged = scene.at(".run.partial");
    for _ in 0..200 {
        let mut command = scene.command(&["--previous", "none", "--json", "--quiet"]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn().unwrap();
        // The table of removals is written behind that of matches and before the audit.
        let is_there = || staged.join("removed.parquet").exists() || scene.at("run").exists();
        while !is_there() {
            std::hint::spin_loop();
        }
        if let Ok(matches) = fs::File::options().write(true).open(staged.join("matches.parquet")) {
            let _ = matches.write_at(b"this is no table", 4);
        }
        let output = child.wait_with_output().unwrap();
        let outcome = Outcome {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        };
        if outcome.code == Some(70) {
            return refused(&scene, outcome, 70, &["audit", "nothing was published"]);
        }
        outcome.must_end_with(0);
        fs::remove_dir_all(scene.at("run")).unwrap();
    }
    panic!("no file could be changed in time");
}

#[test]
fn a_place_that_cannot_be_written_is_told_by_its_path() {
    let scene = Scene::small();
    symlink("/dev/null", scene.at("nowhere")).unwrap();
    let outcome = scene.run(&["--json", "--quiet", "--out", "nowhere/run"]).must_end_with(74);
    assert!(outcome.stderr.contains("nowhere"), "{}", outcome.stderr);
}
