//! The commands that run no job: what they say of runs, of exit codes and of themselves.

use std::fs;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::support::{Outcome, Scene, copy_folder, finish, phonematch};

fn say(arguments: &[&str]) -> Outcome {
    finish(phonematch().args(arguments))
}

/// The commands as `--help` lists them, `help` itself left out.
fn commands() -> Vec<String> {
    let help = say(&["--help"]).must_end_with(0).stdout;
    let listed = help.lines().skip_while(|line| !line.starts_with("Commands:")).skip(1);
    let listed = listed.take_while(|line| line.starts_with("  "));
    let names = listed.filter(|line| !line.starts_with("   "));
    let names = names.filter_map(|line| line.split_whitespace().next());
    names.filter(|name| *name != "help").map(str::to_owned).collect()
}

#[test]
fn the_help_of_each_command_starts_with_an_example_of_it() {
    let commands = commands();
    assert!(commands.len() > 10, "{commands:?}");
    let whole = say(&["--help"]).must_end_with(0).stdout;
    assert!(whole.starts_with("Example: phonematch "), "{whole}");
    for command in commands {
        let help = say(&[&command, "--help"]).must_end_with(0).stdout;
        let example = format!("Example: phonematch {command} ");
        assert!(help.starts_with(&example), "{command}: {help}");
        assert_eq!(help.matches("Example:").count(), 1, "{command}");
        // A flag of the example is one that the command has.
        let first = help.lines().take_while(|line| !line.is_empty());
        let words: Vec<_> = first.flat_map(str::split_whitespace).skip(2).collect();
        let named = words.iter().take_while(|word| !word.starts_with(['-', '>', '|']));
        let named: Vec<_> = named.copied().collect();
        let help = say(&[named.as_slice(), &["--help"]].concat()).must_end_with(0).stdout;
        for word in words.iter().filter(|word| word.starts_with("--")) {
            let rest = help.split_once("Usage").unwrap().1;
            assert!(rest.contains(word), "{command} knows no {word}");
        }
    }
}

#[test]
fn every_exit_code_is_explained_with_what_to_do_next() {
    let all = say(&["explain-exit"]).must_end_with(0).stdout;
    for code in ["0", "2", "65", "66", "70", "73", "74", "75", "77", "78", "130"] {
        let text = say(&["explain-exit", code]).must_end_with(0).stdout;
        assert!(text.starts_with(&format!("{code}: ")) && text.contains("\ndo: "), "{text}");
        assert!(all.lines().any(|line| line.trim_start().starts_with(&format!("{code}  "))));
        let json = say(&["explain-exit", code, "--json"]).must_end_with(0).json();
        assert_eq!(json["code"].to_string(), code);
        assert!(json["retry"].is_string() && json["next"].is_string());
    }
    assert!(say(&["explain-exit", "137"]).must_end_with(0).stdout.contains("memory"));
    assert!(say(&["explain-exit", "66"]).stdout.contains("stale"));
    for unknown in ["1", "99", "255"] {
        let outcome = say(&["explain-exit", unknown]).must_end_with(2);
        assert!(outcome.stderr.contains("130") && outcome.stdout.is_empty(), "{outcome:?}");
    }
    say(&["explain-exit", "-1"]).must_end_with(2);
    say(&["explain-exit", "many"]).must_end_with(2);
}

#[test]
fn completions_name_commands_and_flags_in_a_script_that_the_shell_can_read() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = say(&["completions", shell]).must_end_with(0).stdout;
        for word in ["match", "explain-exit", "if-exists", "inspect"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
    }
    say(&["completions", "csh"]).must_end_with(2);
    // bash completes the word by the function that the script defines.
    let script = say(&["completions", "bash"]).stdout
        + "\nCOMP_WORDS=(phonematch match --if-ex)\nCOMP_CWORD=2\n\
           _phonematch phonematch --if-ex match\necho \"${COMPREPLY[@]}\"\n";
    let mut bash = Command::new("bash");
    let outcome = finish(bash.args(["--norc", "-c", &script]).stdin(Stdio::null()));
    assert_eq!(outcome.stdout.trim(), "--if-exists", "{outcome:?}");
}

#[test]
fn manual_pages_are_written_for_every_command() {
    let scene = Scene::empty();
    let page = say(&["man"]).must_end_with(0).stdout;
    for part in [".TH", ".SH NAME", ".SH SYNOPSIS", "EXIT STATUS", "nightly.toml"] {
        assert!(page.contains(part), "{part}: {page}");
    }
    let page = say(&["man", "match"]).must_end_with(0).stdout;
    assert!(page.contains(".TH phonematch-match 1"), "{page}");
    assert!(page.contains("if\\-exists"), "{page}");
    say(&["man", "nonsense"]).must_end_with(2);
    let mut command = phonematch();
    command.current_dir(scene.path()).args(["man", "--out", "man/man1"]);
    let written = finish(&mut command).must_end_with(0).stdout;
    for command in commands() {
        let path = format!("man/man1/phonematch-{command}.1");
        assert!(written.lines().any(|line| line == path), "{written}");
        let page = scene.read(&path);
        assert!(page.contains(".SH NAME") && page.contains("Example: phonematch"), "{page}");
    }
    scene.write("file", "");
    let mut command = phonematch();
    command.current_dir(scene.path()).args(["man", "--out", "file/man1"]);
    assert!(finish(&mut command).must_end_with(74).stderr.contains("file"));
}

fn inspect(scene: &Scene, run: &str, more: &[&str]) -> Outcome {
    let mut command = phonematch();
    finish(command.current_dir(scene.path()).args(["inspect", run]).args(more))
}

fn state(json: &Value, name: &str) -> String {
    let files = json["files"].as_array().unwrap();
    let file = files.iter().find(|file| file["name"] == name);
    file.unwrap_or_else(|| panic!("no {name}"))["state"].as_str().unwrap().to_owned()
}

#[test]
fn a_run_tells_what_it_is_and_which_runs_are_beside_it() {
    let scene = Scene::small();
    scene.publish(&["--out", "runs/n1"]);
    scene.publish(&["--out", "runs/n2"]);
    scene.publish(&["--out", "runs/n3"]);
    let text = inspect(&scene, "runs/n2", &[]).must_end_with(0).stdout;
    for part in [
        "nightly, for ads, by legitimate interest",
        "libphonenumber 9.",
        "accounts.csv",
        "matches.parquet",
        "as published",
        "2 matches, 1 of 1 lists",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!text.contains("NOT WHOLE"), "{text}");
    let fact = |name: &str| {
        let line = text.lines().find(|line| line.starts_with(name)).unwrap();
        line[name.len()..].trim().to_owned()
    };
    assert_eq!((fact("before it"), fact("after it")), ("n1".to_owned(), "n3".to_owned()));

    let json = inspect(&scene, "runs/n2", &["--json"]).must_end_with(0).json();
    assert_eq!(json["lineage"]["previous"], "n1");
    assert_eq!(json["lineage"]["next"], serde_json::json!(["n3"]));
    assert_eq!(json["whole"], true);
    assert_eq!(json["manifest"], scene.manifest("runs/n2"));
    assert_eq!(json["report"], scene.report("runs/n2"));
    assert_eq!(state(&json, "matches.parquet"), "as_published");
    assert_eq!(state(&json, "report.html"), "as_published");
    assert_eq!(state(&json, "manifest.json"), "sealed");
    let digest = blake3::hash(&fs::read(scene.at("runs/n2/manifest.json")).unwrap());
    assert_eq!(json["digest"], digest.to_hex().as_str());
    let first = inspect(&scene, "runs/n1", &["--json"]).json();
    assert_eq!(first["lineage"]["previous"], Value::Null);
}

#[test]
fn a_run_that_was_changed_is_shown_and_said_to_be_so() {
    let scene = Scene::small();
    scene.publish(&["--previous", "none"]);
    let copy = |name: &str| copy_folder(&scene.at("run"), &scene.at(name));
    copy("changed");
    let rejects = scene.at("changed/rejects.parquet");
    let mut bytes = fs::read(&rejects).unwrap();
    bytes[8] ^= 1;
    fs::write(&rejects, bytes).unwrap();
    copy("missing");
    fs::remove_file(scene.at("missing/summary.json")).unwrap();
    copy("mute");
    fs::write(scene.at("mute/report.json"), "{}").unwrap();
    copy("page");
    fs::write(scene.at("page/report.html"), "<p>").unwrap();
    copy("more");
    fs::write(scene.at("more/notes.txt"), "mine").unwrap();
    for (run, file, found, whole) in [
        ("changed", "rejects.parquet", "changed", false),
        ("missing", "summary.json", "missing", false),
        ("page", "report.html", "changed", false),
        ("mute", "report.json", "sealed", false),
        ("more", "notes.txt", "unknown", true),
    ] {
        let json = inspect(&scene, run, &["--json"]).must_end_with(0).json();
        assert_eq!(state(&json, file), found, "{run}");
        assert_eq!(json["whole"], whole, "{run}");
        let text = inspect(&scene, run, &[]).must_end_with(0).stdout;
        assert_eq!(text.contains("NOT WHOLE"), !whole, "{run}: {text}");
    }
}

#[test]
fn what_is_no_run_cannot_be_inspected() {
    let scene = Scene::small();
    fs::create_dir(scene.at("empty")).unwrap();
    for folder in ["empty", "nowhere", "accounts.csv"] {
        let outcome = inspect(&scene, folder, &[]).must_end_with(66);
        assert!(outcome.stderr.contains(folder), "{}", outcome.stderr);
        assert!(outcome.stdout.is_empty());
    }
}
