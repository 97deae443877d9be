//! The command line from outside: flags, exit codes, which stream, the README as written.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use assert_cmd::prelude::*;

use crate::support::{
    Outcome, Scene, finish, json_file, mode, phonematch, published_bytes, tables,
};

fn say(arguments: &[&str]) -> Outcome {
    finish(phonematch().args(arguments))
}

#[test]
fn an_unknown_flag_or_command_is_a_usage_error() {
    for arguments in [
        &["match", "--nonsense"][..],
        &["nonsense"],
        &[],
        &["match", "--threads", "many", "--job", "job.toml"],
        &["match", "--if-exists", "perhaps", "--job", "job.toml"],
        &["match", "--log-format", "xml", "--job", "job.toml"],
        &["synth"],
        &["keygen"],
    ] {
        let outcome = say(arguments);
        assert_eq!(outcome.code, Some(2), "{arguments:?}: {outcome:?}");
        assert!(outcome.stdout.is_empty() && !outcome.stderr.is_empty(), "{arguments:?}");
    }
}

#[test]
fn help_and_version_go_to_standard_output() {
    for command in ["match", "normalise", "synth", "keygen", "audit", "diff"] {
        let outcome = say(&[command, "--help"]).must_end_with(0);
        assert!(outcome.stdout.contains("Usage") && outcome.stderr.is_empty(), "{command}");
    }
    let help = say(&["--help"]).must_end_with(0).stdout;
    for command in ["match", "normalise", "synth", "keygen", "audit", "diff"] {
        assert!(help.contains(command), "{command}");
    }
    phonematch().arg("--version").assert().success();
    assert!(say(&["synth", "--help"]).stdout.contains("random draws"));
}

#[test]
fn json_is_one_line_on_standard_output_and_nothing_else_is() {
    let scene = Scene::small();
    let outcome = scene.publish(&["--json"]);
    assert_eq!(outcome.stdout.lines().count(), 1, "{}", outcome.stdout);
    assert!(outcome.stdout.ends_with('\n') && outcome.json().is_object());
    let quiet = scene.publish(&["--quiet", "--if-exists", "replace"]);
    assert!(quiet.stderr.is_empty(), "{}", quiet.stderr);
}

#[test]
fn a_failed_run_says_so_in_json_too() {
    let scene = Scene::small();
    fs::remove_file(scene.at("opt_outs.csv")).unwrap();
    let outcome = scene.run(&["--json", "--quiet"]).must_end_with(66);
    assert!(outcome.stdout.lines().count() <= 1, "{}", outcome.stdout);
    if !outcome.stdout.is_empty() {
        assert!(outcome.json().is_object());
    }
    assert!(outcome.stderr.contains("opt_outs.csv"));
}

#[test]
fn json_log_lines_are_json() {
    let scene = Scene::small();
    let mut command = scene.command(&["--log-format", "json"]);
    let outcome = finish(command.env("RUST_LOG", "debug")).must_end_with(0);
    for line in outcome.stderr.lines() {
        let parsed: Result<serde_json::Value, _> = serde_json::from_str(line);
        assert!(parsed.is_ok(), "{line}");
    }
}

#[test]
fn the_table_names_the_run_folder_and_has_no_colour_where_none_is_wanted() {
    let scene = Scene::small();
    let mut command = scene.command(&[]);
    let outcome = finish(command.env("NO_COLOR", "1")).must_end_with(0);
    let said = outcome.stdout + &outcome.stderr;
    assert!(said.contains("run") && said.contains("released"), "{said}");
    assert!(!said.contains('\u{1b}'), "{said}");
}

#[test]
fn flags_alone_make_the_same_run_as_the_job_file() {
    let scene = Scene::small();
    scene.edit("job.toml", "id = \"spring\"\n", "");
    scene.publish(&["--previous", "none"]);
    let flags = [
        "match",
        "--accounts",
        "accounts.csv",
        "--list",
        "list.csv",
        "--opt-outs",
        "opt_outs.csv",
        "--purpose",
        "ads",
        "--policy",
        "policy.toml",
        "--secret-file",
        "secret.key",
        "--recipient",
        "acme",
        "--previous",
        "none",
        "--out",
        "by-flags",
    ];
    finish(phonematch().current_dir(scene.path()).args(flags)).must_end_with(0);
    for name in ["matches.parquet", "audiences.parquet", "summary.json"] {
        let read = |run: &str| fs::read(scene.at(run).join(name)).unwrap();
        assert!(read("run") == read("by-flags"), "{name}");
    }
}

#[test]
fn flags_win_over_the_file() {
    let scene = Scene::small();
    scene.write("other.csv", "handy\n(202) 555-0103\n");
    scene.publish(&[
        "--list",
        "other.csv",
        "--column",
        "list.phone=handy",
        "--default-country",
        "US",
        "--recipient",
        "globex",
        "--out",
        "elsewhere",
    ]);
    assert!(!scene.at("run").exists());
    let rows = tables::rows(&scene.at("elsewhere/matches.parquet"));
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0]["recipient"], "globex");
}

#[test]
fn the_secret_comes_from_a_file_a_descriptor_or_the_environment() {
    let scene = Scene::small();
    scene.publish(&["--previous", "none", "--out", "by-job"]);
    scene.edit("job.toml", "[secret]\nfile = \"secret.key\"\n", "");
    let none = scene.run(&["--quiet", "--out", "by-none"]);
    assert!(matches!(none.code, Some(2 | 77 | 78)), "{none:?}");
    scene.publish(&["--previous", "none", "--out", "by-flag", "--secret-file", "secret.key"]);
    let mut command = scene.command(&["--previous", "none", "--out", "by-environment"]);
    finish(command.env("PHONEMATCH_SECRET_FILE", scene.at("secret.key"))).must_end_with(0);
    let script =
        "exec \"$0\" match --job job.toml --previous none --out by-fd --secret-fd 3 3<secret.key";
    let mut command = Command::new("sh");
    command.current_dir(scene.path()).args(["-c", script, env!("CARGO_BIN_EXE_phonematch")]);
    finish(&mut command).must_end_with(0);
    let matches = |run: &str| fs::read(scene.at(run).join("matches.parquet")).unwrap();
    for run in ["by-flag", "by-environment", "by-fd"] {
        assert!(matches("by-job") == matches(run), "{run}");
    }
}

#[test]
fn accounts_and_lists_may_come_on_standard_input() {
    for (flag, file) in [("--accounts", "accounts.csv"), ("--list", "list.csv")] {
        let scene = Scene::small();
        // A stream has no name from which a list could be called.
        scene.edit("job.toml", "id = \"spring\"\n", "");
        scene.edit("list.csv", "customer_ref", "list_id");
        scene.publish(&["--previous", "none", "--out", "by-path"]);
        let mut command = scene.command(&["--previous", "none", "--out", "by-stdin", flag, "-"]);
        command.stdin(fs::File::open(scene.at(file)).unwrap());
        finish(&mut command).must_end_with(0);
        let count = |run: &str| tables::rows(&scene.at(run).join("matches.parquet")).len();
        assert_eq!(count("by-path"), count("by-stdin"), "{flag}");
    }
}

#[test]
fn a_wrong_job_or_policy_is_refused_with_its_line() {
    let line_of = |text: &str, part: &str| text.lines().position(|l| l.contains(part)).unwrap() + 1;
    for (file, from, to) in [
        ("job.toml", "recipient = \"acme\"", "recipent = \"acme\""),
        ("job.toml", "purpose = \"ads\"", "purpose = \"fun\""),
        ("job.toml", "files = [\"list.csv\"]", "files = \"list.csv"),
        ("policy.toml", "blank_consent = \"allowed\"", "blank_consent = \"maybe\""),
        ("policy.toml", "attribute_cell = 1", "attribute_cells = 1"),
        ("policy.toml", "when_stale = \"refuse\"", "when_stale = \"shrug\""),
    ] {
        let scene = Scene::small();
        scene.edit(file, from, to);
        let line = line_of(&scene.read(file), to);
        let outcome = scene.run(&["--quiet"]).must_end_with(78);
        let stderr = &outcome.stderr;
        assert!(stderr.contains(file), "{to}: {stderr}");
        let named =
            stderr.contains(&format!("line {line}")) || stderr.contains(&format!(":{line}"));
        assert!(named, "{to} stands in line {line}: {stderr}");
        assert_eq!(scene.made(), Vec::<String>::new());
    }
}

#[test]
fn a_policy_without_a_decision_is_refused() {
    let whole = crate::support::POLICY;
    let decisions = whole.lines().filter(|line| line.contains(" = "));
    for line in decisions {
        let scene = Scene::small();
        scene.edit("policy.toml", &format!("{line}\n"), "");
        let outcome = scene.run(&["--quiet"]);
        assert_eq!(outcome.code, Some(78), "without {line:?}: {}", outcome.stderr);
    }
}

#[test]
fn a_job_and_a_policy_of_different_purposes_are_refused() {
    let scene = Scene::small();
    scene.edit("policy.toml", "purpose = \"ads\"", "purpose = \"anti_spam\"");
    let outcome = scene.run(&["--quiet"]);
    assert_eq!(outcome.code, Some(78), "{outcome:?}");
}

#[test]
fn keygen_writes_a_private_secret_once() {
    let scene = Scene::empty();
    let run = || finish(phonematch().current_dir(scene.path()).args(["keygen", "new.key"]));
    run().must_end_with(0);
    let text = scene.read("new.key");
    assert_eq!(text.len(), 65);
    assert!(text.trim_end().bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)));
    assert_eq!(mode(&scene.at("new.key")), 0o600);
    let outcome = run().must_end_with(73);
    assert!(!outcome.stderr.contains(text.trim_end()));
    assert_eq!(scene.read("new.key"), text);
    finish(phonematch().current_dir(scene.path()).args(["keygen", "other.key"])).must_end_with(0);
    assert_ne!(scene.read("other.key"), text);
}

#[test]
fn normalise_writes_its_columns_to_standard_output_too() {
    let scene = Scene::empty();
    scene.write("in.csv", "raw,country\n(202) 555-0101,US\n0171 3920011,\n447911123456.0,GB\n,\n");
    let run = |more: &[&str]| {
        let mut command = phonematch();
        command.current_dir(scene.path()).args(["normalise", "in.csv", "--phone-column", "raw"]);
        finish(command.args(more)).must_end_with(0).stdout
    };
    let plain = run(&["--country-column", "country", "--default-country", "DE"]);
    let lines: Vec<_> = plain.lines().collect();
    assert_eq!(lines[0], "row,status,e164,type,reason");
    assert_eq!(lines[1], "1,valid,+12025550101,FIXED_LINE_OR_MOBILE,");
    assert_eq!(lines[2], "2,valid,+491713920011,MOBILE,");
    assert!(lines[4].starts_with("4,unparsable,,,"), "{}", lines[4]);
    assert_eq!(lines.len(), 5);
    let checked = run(&["--country-column", "country", "--damage-checks"]);
    assert!(checked.contains("3,unparsable,,,float_suffix"), "{checked}");
    assert!(checked.contains("4,unparsable,,,empty"), "{checked}");
}

#[test]
fn synth_makes_a_job_that_runs_and_the_same_one_from_the_same_seed() {
    let scene = Scene::empty();
    let synth = |out: &str, seed: &str| {
        let mut command = phonematch();
        command.current_dir(scene.path()).args(["synth", "--accounts", "3000", "--list", "900"]);
        finish(command.args(["--overlap", "0.5", "--seed", seed, "--out", out])).must_end_with(0);
    };
    synth("one", "7");
    synth("two", "7");
    synth("three", "8");
    for name in ["accounts.csv", "list.csv", "opt_outs.csv", "policy.toml", "job.toml"] {
        let read = |folder: &str| fs::read(scene.at(folder).join(name)).unwrap();
        assert!(read("one") == read("two"), "{name}");
        assert_eq!(read("one") == read("three"), name.ends_with(".toml"), "{name}");
    }
    let mut command = phonematch();
    finish(command.current_dir(scene.path()).args(["match", "--job", "one/job.toml"]))
        .must_end_with(0);
    assert_eq!(mode(&scene.at("one/secret.key")), 0o600);
    assert!(tables::rows(&scene.at("one/run/matches.parquet")).len() > 200);
}

#[test]
fn the_report_gives_the_nine_stages_their_times() {
    let scene = Scene::small();
    scene.publish(&[]);
    let report = scene.report("run");
    let stages: Vec<_> = report["stages"].as_object().unwrap().keys().map(String::as_str).collect();
    for stage in
        ["input", "normalise", "consent", "key", "join", "privacy", "output", "audit", "report"]
    {
        assert!(stages.contains(&stage), "{stage} is not in {stages:?}");
    }
    assert_eq!(stages.len(), 9);
    for field in ["elapsed_ms", "accounts_per_second", "peak_memory_bytes", "threads"] {
        assert!(report[field].is_number(), "{field}");
    }
    assert!(report["alarms"].is_array() && report["seal"].is_string());
}

#[test]
fn a_run_without_standard_error_still_publishes() {
    let scene = Scene::small();
    let script = "exec \"$0\" match --job job.toml 2>&- >&-";
    let mut command = Command::new("sh");
    command.current_dir(scene.path()).args(["-c", script, env!("CARGO_BIN_EXE_phonematch")]);
    assert_eq!(finish(&mut command).code, Some(0));
    scene.audit("run").must_end_with(0);
}

#[test]
fn a_file_can_be_normalised_into_itself_and_is_private_then() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("numbers.csv");
    fs::write(&path, "raw\n+12025550101\n").unwrap();
    let path = path.to_str().unwrap();
    let mut command = phonematch();
    command.args(["normalise", path, "--phone-column", "raw", "--output", path]);
    finish(&mut command).must_end_with(0);
    let written = fs::read_to_string(path).unwrap();
    let expected = "row,status,e164,type,reason\n1,valid,+12025550101,FIXED_LINE_OR_MOBILE,\n";
    assert_eq!(written, expected);
    assert_eq!(crate::support::mode(Path::new(path)), 0o600);
}

#[test]
fn a_number_is_explained_to_whoever_typed_it() {
    let mut command = phonematch();
    command.args(["explain", "--country", "BR", "(31) 8688-3193"]);
    let outcome = finish(&mut command).must_end_with(0);
    for step in ["+553186883193", "BR", "+5531986883193"] {
        assert!(outcome.stdout.contains(step), "{}", outcome.stdout);
    }
}

#[test]
fn a_data_file_given_as_a_job_is_not_repeated() {
    let scene = Scene::small();
    let mut command = phonematch();
    let accounts = scene.at("accounts.csv");
    command.args(["match", "--job", accounts.to_str().unwrap()]);
    let outcome = finish(&mut command).must_end_with(78);
    assert!(outcome.stderr.contains("line 1"), "{}", outcome.stderr);
    assert!(!outcome.stderr.contains("+1202"), "{}", outcome.stderr);
}

#[test]
fn the_two_commands_of_the_readme_are_the_ones_that_work() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = fs::read_to_string(root.join("README.md")).unwrap();
    let first_screen: String = readme.lines().take(45).collect::<Vec<_>>().join("\n");
    let written = "cargo run --release -- match --job fixtures/quickstart/job.toml";
    assert!(first_screen.contains(written), "the first screen does not say {written}");
    assert!(first_screen.lines().any(|line| line.trim().starts_with("cargo test")));
    // The same job from a copy of the tree, so that the test leaves nothing behind.
    let copy = tempfile::tempdir().unwrap();
    let folder = copy.path().join("fixtures/quickstart");
    fs::create_dir_all(&folder).unwrap();
    for entry in fs::read_dir(root.join("fixtures/quickstart")).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, folder.join(path.file_name().unwrap())).unwrap();
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_phonematch"));
    command.current_dir(copy.path()).args(["match", "--job", "fixtures/quickstart/job.toml"]);
    let outcome = finish(&mut command).must_end_with(0);
    assert_eq!(outcome.stdout.trim(), "target/quickstart");
    assert!(outcome.stderr.contains("released"));
    assert!(copy.path().join("target/quickstart/manifest.json").exists());
}

/// The samples of the other purposes: each runs by the command that the README says.
#[test]
fn the_sample_of_business_messaging_gives_what_its_readme_says() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let job = "fixtures/purposes/business_messaging/job.toml";
    let readme = fs::read_to_string(root.join("README.md")).unwrap();
    assert!(readme.contains(&format!("match --job {job}")), "the README does not say {job}");
    let copy = tempfile::tempdir().unwrap();
    let folder = copy.path().join("fixtures/purposes/business_messaging");
    fs::create_dir_all(&folder).unwrap();
    for entry in fs::read_dir(root.join("fixtures/purposes/business_messaging")).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, folder.join(path.file_name().unwrap())).unwrap();
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_phonematch"));
    command.current_dir(copy.path()).args(["match", "--job", job]);
    let outcome = finish(&mut command).must_end_with(0);
    assert_eq!(outcome.stdout.trim(), "target/business_messaging");
    let run = copy.path().join("target/business_messaging");
    let report = json_file(&run.join("report.json"));
    let lists = report["lists"].as_array().unwrap();
    let released: u64 = lists.iter().map(|list| list["released"].as_u64().unwrap()).sum();
    let notes = fs::read_to_string(folder.join("README.md")).unwrap();
    assert!(notes.contains(&format!("releases {released} messages")), "{released}");
    let mut rows = std::collections::BTreeMap::<String, u64>::new();
    for input in report["inputs"].as_array().unwrap().iter().filter(|it| it["role"] == "list") {
        for (reason, count) in input["withheld_by"].as_object().unwrap() {
            *rows.entry(reason.clone()).or_default() += count.as_u64().unwrap();
        }
    }
    let said = notes.lines().filter(|line| line.starts_with("| ") && line.contains('`'));
    let said = said.map(|line| -> (String, u64) {
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        let reason = cells[2].split('`').nth(1).unwrap();
        (reason.to_owned(), cells[1].parse().unwrap())
    });
    let said: std::collections::BTreeMap<_, _> = said.collect();
    assert_eq!(rows, said);
}

#[test]
fn every_exit_code_stands_in_the_readme() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = fs::read_to_string(root.join("README.md")).unwrap();
    for code in ["0", "2", "65", "66", "70", "73", "74", "75", "77", "78", "130"] {
        let found = readme.lines().any(|line| {
            line.starts_with('|')
                && line.split('|').any(|cell| cell.trim().trim_matches('`') == code)
        });
        assert!(found, "{code} is in no table");
    }
}

#[test]
fn replacing_or_skipping_is_a_success_that_changes_what_it_says() {
    let scene = Scene::small();
    scene.publish(&["--previous", "none"]);
    let before = published_bytes(&scene.at("run"));
    let skipped = scene.publish(&["--if-exists", "skip", "--json"]);
    assert!(skipped.json().is_object());
    assert!(published_bytes(&scene.at("run")) == before);
}

#[test]
fn a_made_up_world_replaces_nobodys_own_file() {
    let scene = Scene::small();
    let (list, before) = (scene.read("list.csv"), scene.made());
    let mut synth = phonematch();
    synth.current_dir(scene.path()).args(["synth", "--accounts", "100", "--list", "100"]);
    let outcome = finish(synth.args(["--out", "."])).must_end_with(73);
    assert!(outcome.stderr.contains("was not made by synth"), "{}", outcome.stderr);
    assert_eq!((scene.read("list.csv"), scene.made()), (list, before));
}

/// Whatever else asks for the job's settings, a pipe can be read once.
#[test]
fn a_job_may_come_down_a_pipe() {
    let scene = Scene::small();
    let mut job = scene.read("job.toml");
    for name in ["accounts.csv", "list.csv", "opt_outs.csv", "policy.toml", "secret.key", "run"] {
        let quoted = |path: &str| format!("\"{path}\"");
        job = job.replace(&quoted(name), &quoted(scene.at(name).to_str().unwrap()));
    }
    let mut command = phonematch();
    command.args(["match", "--job", "/dev/stdin", "--quiet"]).stdin(Stdio::piped());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(job.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(scene.at("run/manifest.json").exists());
}
