//! Inputs that are damaged, disks that are full, and everything else that goes wrong in a night.
//! Kills are in `kills.rs`.

use std::fs;
use std::io::Write;
use std::process::Stdio;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use phonematch::key::Secret;
use phonematch::report::{SEAL_PLACE, seal, sealed};
use serde_json::json;

use crate::support::{
    Outcome, SECRET_HEX, Scene, files_under, finish, mode, phonematch, published_bytes, wait_for,
};

/// The run was refused: this exit code, no output, and one line that names the file, says what
/// to do, and holds no cell.
#[track_caller]
fn refused(scene: &Scene, outcome: Outcome, code: i32, file: &str) {
    let outcome = outcome.must_end_with(code);
    assert_eq!(scene.made(), Vec::<String>::new(), "{}", outcome.stderr);
    let errors: Vec<_> = outcome.stderr.lines().filter(|line| !line.trim().is_empty()).collect();
    assert_eq!(errors.len(), 1, "one line, not\n{}", outcome.stderr);
    assert!(errors[0].contains(file), "which file? {}", errors[0]);
    assert!(errors[0].split_whitespace().count() >= 6, "and what to do? {}", errors[0]);
    for cell in ["202", "555", "7946", "0101", "0102"] {
        assert!(!errors[0].contains(cell), "{}", errors[0]);
    }
}

fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn a_missing_opt_out_file_refuses_the_run() {
    let scene = Scene::small();
    fs::remove_file(scene.at("opt_outs.csv")).unwrap();
    refused(&scene, scene.run(&["--quiet"]), 66, "opt_outs.csv");
}

#[test]
fn a_glob_that_finds_no_opt_outs_refuses_the_run() {
    let scene = Scene::small();
    scene.edit("job.toml", "opt_outs.csv", "opt_outs-*.csv");
    refused(&scene, scene.run(&["--quiet"]), 66, "opt_outs-*.csv");
}

#[test]
fn an_empty_opt_out_file_refuses_the_run() {
    for content in ["", "phone,purpose,opted_out_at\n", "\u{feff}"] {
        let scene = Scene::small();
        scene.write("opt_outs.csv", content);
        refused(&scene, scene.run(&["--quiet"]), 66, "opt_outs.csv");
    }
}

#[test]
fn an_opt_out_file_cut_in_half_refuses_the_run() {
    let scene = Scene::small();
    let rows: String = (0..50).map(|n| format!("+44 20 7946 0{n:03},,2026-01-01\n")).collect();
    let whole = format!("phone,purpose,opted_out_at\n{rows}");
    let half = whole.len() / 2;
    assert_ne!(whole.as_bytes()[half - 1], b'\n');
    scene.write("opt_outs.csv", &whole.as_bytes()[..half]);
    refused(&scene, scene.run(&["--quiet"]), 66, "opt_outs.csv");
}

#[test]
fn an_opt_out_file_a_day_too_old_refuses_the_run() {
    let scene = Scene::small();
    scene.set_age_hours("opt_outs.csv", 26 + 24);
    refused(&scene, scene.run(&["--quiet"]), 66, "opt_outs.csv");
    scene.set_age_hours("opt_outs.csv", 25);
    scene.publish(&[]);
}

#[test]
fn an_opt_out_file_from_the_future_refuses_the_run() {
    let scene = Scene::small();
    scene.set_age_hours("opt_outs.csv", -1);
    refused(&scene, scene.run(&["--quiet"]), 66, "opt_outs.csv");
}

#[test]
fn an_opt_out_file_much_smaller_than_last_time_refuses_the_run() {
    let scene = Scene::small();
    let rows = |count: u32| -> String {
        let rows = (0..count).map(|n| format!("+44 20 7946 01{n:02},,2026-01-01\n"));
        format!(
            "phone,purpose,opted_out_at\n+12025550102,,2026-01-01\n{}",
            rows.collect::<String>()
        )
    };
    scene.write("opt_outs.csv", rows(50));
    scene.publish(&["--out", "run-1"]);
    scene.write("opt_outs.csv", rows(46));
    scene.publish(&["--out", "run-2"]);
    scene.write("opt_outs.csv", rows(30));
    let outcome = scene.run(&["--out", "run-3", "--quiet"]).must_end_with(65);
    assert!(
        outcome.stderr.contains("opt_outs.csv") || outcome.stderr.contains("opt-out"),
        "{}",
        outcome.stderr
    );
    assert_eq!(scene.made(), ["run-1", "run-2"]);
    scene.edit("policy.toml", "when_shrunken = \"refuse\"", "when_shrunken = \"allow\"");
    scene.publish(&["--out", "run-3"]);
}

#[test]
fn each_refusal_can_be_allowed_by_name() {
    for (name, spoil) in [
        (
            "when_missing",
            (|scene| fs::remove_file(scene.at("opt_outs.csv")).unwrap()) as fn(&Scene),
        ),
        ("when_empty", |scene| scene.write("opt_outs.csv", "phone,purpose\n")),
        ("when_stale", |scene| scene.set_age_hours("opt_outs.csv", 100)),
        ("when_dated_in_future", |scene| scene.set_age_hours("opt_outs.csv", -100)),
        ("when_line_end_missing", |scene| {
            scene.write("opt_outs.csv", "phone,purpose\n+12025550102,")
        }),
    ] {
        let scene = Scene::small();
        spoil(&scene);
        assert_eq!(scene.run(&[]).code, Some(66), "{name}");
        scene.edit("policy.toml", &format!("{name} = \"refuse\""), &format!("{name} = \"allow\""));
        let outcome = scene.run(&[]);
        assert_eq!(outcome.code, Some(0), "{name}: {}", outcome.stderr);
    }
}

#[test]
fn a_compressed_input_cut_anywhere_refuses_the_run() {
    let scene = Scene::small();
    for (role, file) in
        [("opt_outs", "opt_outs.csv"), ("list", "list.csv"), ("accounts", "accounts.csv")]
    {
        let plain = fs::read(scene.at(file)).unwrap();
        let whole = gz(&plain);
        for cut in [
            11,
            whole.len() / 3,
            whole.len() / 2,
            whole.len() - 9,
            whole.len() - 4,
            whole.len() - 1,
        ] {
            scene.write(file, &whole[..cut]);
            let outcome = scene.run(&["--quiet"]);
            assert_eq!(outcome.code, Some(66), "{role} cut at {cut}: {}", outcome.stderr);
            assert!(outcome.stderr.contains(file), "{}", outcome.stderr);
            assert_eq!(scene.made(), Vec::<String>::new());
        }
        let mut wrong = whole.clone();
        let crc = wrong.len() - 6;
        wrong[crc] ^= 1;
        scene.write(file, &wrong);
        let code = scene.run(&["--quiet"]).code;
        assert!(matches!(code, Some(65 | 66)), "{role} with a wrong checksum: {code:?}");
        scene.write(file, &whole);
        scene.publish(&["--out", "run"]);
        fs::remove_dir_all(scene.at("run")).unwrap();
        scene.write(file, &plain);
    }
}

#[test]
fn gzip_and_zstd_are_known_by_their_bytes_not_their_names() {
    let scene = Scene::small();
    scene.publish(&["--out", "plain", "--previous", "none"]);
    for file in ["accounts.csv", "list.csv", "opt_outs.csv"] {
        let plain = fs::read(scene.at(file)).unwrap();
        let packed =
            if file == "list.csv" { gz(&plain) } else { zstd::encode_all(&plain[..], 1).unwrap() };
        scene.write(file, packed);
    }
    scene.publish(&["--out", "packed", "--previous", "none"]);
    let matches = |run: &str| fs::read(scene.at(run).join("matches.parquet")).unwrap();
    assert!(matches("plain") == matches("packed"));
}

#[test]
fn a_missing_or_unusable_input_names_its_role_and_file() {
    for (file, content) in [
        ("accounts.csv", None),
        ("list.csv", None),
        ("accounts.csv", Some(&b""[..])),
        ("list.csv", Some(&b""[..])),
        ("accounts.csv", Some(&b"PAR1 and nothing else"[..])),
        ("list.csv", Some(&b"\xff\xfe\x00"[..])),
    ] {
        let scene = Scene::small();
        match content {
            None => fs::remove_file(scene.at(file)).unwrap(),
            Some(content) => scene.write(file, content),
        }
        let outcome = scene.run(&["--quiet"]);
        assert!(matches!(outcome.code, Some(65 | 66 | 78)), "{file} {content:?}: {outcome:?}");
        assert!(outcome.stderr.contains(file), "{file} {content:?}: {}", outcome.stderr);
        assert_eq!(scene.made(), Vec::<String>::new());
    }
}

#[test]
fn a_missing_consent_column_ends_the_run() {
    let scene = Scene::small();
    scene.edit("accounts.csv", "consent_ads", "something");
    let outcome = scene.run(&["--quiet"]);
    assert!(matches!(outcome.code, Some(65 | 66 | 78)), "{outcome:?}");
    assert!(
        outcome.stderr.contains("consent_ads") && outcome.stderr.contains("accounts.csv"),
        "{}",
        outcome.stderr
    );
}

#[test]
fn one_bad_cell_costs_one_row() {
    let scene = Scene::small();
    let mut list = fs::read(scene.at("list.csv")).unwrap();
    list.extend(b"+1202\xff5550103,US,x\n+1 202 555 0103,US,y\n+120255\x0050105,US,z\n");
    scene.write("list.csv", list);
    scene.publish(&[]);
    let rejects = crate::support::tables::rows(&scene.at("run/rejects.parquet"));
    let found: Vec<_> =
        rejects.iter().map(|row| (row["row"].as_str(), row["reason"].as_str())).collect();
    assert_eq!(found, [("5", "bad_encoding"), ("7", "nul_byte")]);
    assert_eq!(crate::support::tables::rows(&scene.at("run/matches.parquet")).len(), 3);
}

#[test]
fn hashes_given_as_numbers_and_numbers_given_as_hashes_are_refused() {
    let scene = Scene::small();
    let digest = |n: u32| hex::encode(blake3::hash(&n.to_le_bytes()).as_bytes());
    let rows: String = (0..20).map(|n| format!("{}\n", digest(n))).collect();
    scene.write("list.csv", format!("phone\n{rows}"));
    let outcome = scene.run(&["--quiet"]);
    assert!(matches!(outcome.code, Some(65 | 78)), "hashes as numbers: {outcome:?}");
    let scene = Scene::small();
    let rows: String = (0..20).map(|n| format!("+120255501{n:02}\n")).collect();
    scene.write("list.csv", format!("phone_sha256\n{rows}"));
    scene.edit("job.toml", "id = \"spring\"", "id = \"spring\"\nphones = \"e164\"");
    let outcome = scene.run(&["--quiet"]);
    assert!(matches!(outcome.code, Some(65 | 78)), "numbers as hashes: {outcome:?}");
}

#[test]
fn a_full_disk_ends_with_74_and_leaves_nothing() {
    let scene = Scene::made_up(600, 300, 5);
    scene.edit("policy.toml", "matched_people = 100", "matched_people = 10");
    // A file-size limit fails the write that crosses it, as a full disk does, and needs no root.
    for blocks in [0, 1, 2, 4] {
        let script =
            format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" match --job job.toml --quiet");
        let mut command = std::process::Command::new("sh");
        command.current_dir(scene.path()).args(["-c", &script, env!("CARGO_BIN_EXE_phonematch")]);
        let outcome = finish(&mut command);
        if outcome.code == Some(0) {
            assert!(blocks > 1, "nothing was written at all");
            fs::remove_dir_all(scene.at("run")).unwrap();
            continue;
        }
        let outcome = outcome.must_end_with(74);
        assert!(!scene.at("run").exists(), "{}", outcome.stderr);
        let leftovers = files_under(scene.path());
        let readable = leftovers.iter().filter(|path| path.to_string_lossy().contains(".partial"));
        assert!(readable.clone().all(|path| mode(path) & 0o077 == 0));
    }
    scene.publish(&[]);
    assert_eq!(scene.made(), ["run"]);
}

#[test]
fn two_runs_into_one_place_do_not_meet() {
    let scene = Scene::small();
    let mut command = scene.command(&["--accounts", "-"]);
    let mut first = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let staging = scene.at(".run.partial");
    assert!(wait_for(Duration::from_secs(20), || staging.exists()), "no staging folder appeared");
    let second = scene.run(&["--quiet"]).must_end_with(75);
    assert_eq!(second.stderr.lines().count(), 1, "{}", second.stderr);
    let accounts = fs::read(scene.at("accounts.csv")).unwrap();
    first.stdin.take().unwrap().write_all(&accounts).unwrap();
    let first = first.wait_with_output().unwrap();
    assert_eq!(first.status.code(), Some(0), "{}", String::from_utf8_lossy(&first.stderr));
    assert_eq!(scene.made(), ["run"]);
    assert_eq!(scene.audit("run").code, Some(0));
}

/// Starts a run that waits for its export, makes the change, and then lets the export through.
fn run_with_a_change_in_the_middle(
    scene: &Scene,
    more: &[&str],
    change: impl FnOnce(),
) -> std::process::ExitStatus {
    let mut command = scene.command(&["--accounts", "-", "--quiet"]);
    command.args(more);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    assert!(wait_for(Duration::from_secs(20), || scene.at(".run.partial").exists()));
    std::thread::sleep(Duration::from_millis(300));
    change();
    let accounts = fs::read(scene.at("accounts.csv")).unwrap();
    child.stdin.take().unwrap().write_all(&accounts).unwrap();
    child.wait().unwrap()
}

#[test]
fn an_opt_out_that_arrives_during_the_run_is_not_lost() {
    let scene = Scene::small();
    let status = run_with_a_change_in_the_middle(&scene, &[], || {
        scene.append("opt_outs.csv", "+1 202 555 0101,,2026-11-22\n");
    });
    if status.code() == Some(0) {
        assert_eq!(crate::support::tables::rows(&scene.at("run/matches.parquet")).len(), 1);
        scene.audit("run").must_end_with(0);
    } else {
        assert!(matches!(status.code(), Some(65 | 66 | 74)), "{status:?}");
        assert_eq!(scene.made(), Vec::<String>::new());
    }
}

#[test]
fn an_opt_out_file_that_arrives_during_the_run_is_not_lost() {
    let scene = Scene::small();
    fs::create_dir(scene.at("no")).unwrap();
    fs::rename(scene.at("opt_outs.csv"), scene.at("no/a.csv")).unwrap();
    let status = run_with_a_change_in_the_middle(&scene, &["--opt-outs", "no/*.csv"], || {
        scene.write("no/b.csv", "phone\n+1 202 555 0101\n");
    });
    // The export came through a pipe, so the run cannot begin again by itself.
    assert_eq!(status.code(), Some(74));
    assert!(!scene.at("run").exists());
}

#[test]
fn a_previous_run_that_was_changed_is_no_ground_to_go_on() {
    let scene = Scene::small();
    scene.publish(&["--out", "run-1"]);
    let manifest = scene.read("run-1/manifest.json");
    let rows = "\"opt_out_rows\": ";
    assert!(manifest.contains(rows));
    scene.edit("run-1/manifest.json", rows, "\"opt_out_rows\": 0");
    let outcome = scene.run(&["--out", "run-2", "--quiet"]).must_end_with(65);
    assert!(outcome.stderr.contains("run-1"), "{}", outcome.stderr);
    scene.write("run-1/manifest.json", &manifest);
    fs::remove_file(scene.at("run-1/report.json")).unwrap();
    scene.run(&["--out", "run-2", "--quiet"]).must_end_with(65);
    scene.publish(&["--out", "run-2", "--previous", "none"]);
}

/// What Spark writes in the place where this program publishes is nobody's previous run; still, of one
/// that says it was sealed under our secret the seal must be right.
#[test]
fn a_run_of_an_engine_is_passed_over_and_one_that_was_changed_is_not() {
    let scene = Scene::small();
    scene.publish(&["--out", "run-1"]);
    let key_id = scene.manifest("run-1")["key_id"].as_str().unwrap().to_owned();
    let secret = Secret::from_file_content(SECRET_HEX.as_bytes()).unwrap();
    let text = |key_id: &str| {
        json!({"format": 1, "layout": "parts", "key_id": key_id, "seal": SEAL_PLACE})
            .to_string()
            .replace("\"seal\":", "\"seal\": ")
    };
    fs::create_dir(scene.at("run-engine")).unwrap();
    let unsealed = text(&key_id);
    scene.write("run-engine/manifest.json", &unsealed);
    let outcome = scene.run(&["--out", "run-2", "--quiet"]).must_end_with(65);
    assert!(outcome.stderr.contains("run-engine"), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("was changed"), "{}", outcome.stderr);
    for (at, of_engine) in
        [sealed(&unsealed, &seal(&unsealed, &secret)), text("another")].into_iter().enumerate()
    {
        scene.write("run-engine/manifest.json", &of_engine);
        let (out, before) = (format!("run-{}", at + 2), format!("run-{}/manifest.json", at + 1));
        scene.publish(&["--out", &out]);
        let followed = blake3::hash(scene.read(&before).as_bytes()).to_hex();
        assert_eq!(scene.manifest(&out)["previous"]["blake3"], json!(followed.as_str()));
    }
    let asked = ["--out", "run-9", "--quiet", "--previous", "run-engine"];
    let outcome = scene.run(&asked).must_end_with(65);
    assert!(outcome.stderr.contains("an engine"), "{}", outcome.stderr);
}

#[test]
fn what_is_no_run_is_neither_replaced_nor_taken_for_one() {
    let scene = Scene::small();
    fs::create_dir(scene.at("run")).unwrap();
    scene.write("run/manifest.json", "somebody else's");
    for what in ["skip", "replace", "error"] {
        scene.run(&["--if-exists", what, "--quiet"]).must_end_with(73);
    }
    assert_eq!(scene.read("run/manifest.json"), "somebody else's");
}

#[test]
fn a_stale_staging_folder_is_no_obstacle_and_not_published() {
    let scene = Scene::small();
    fs::create_dir(scene.at(".run.partial")).unwrap();
    scene.write(".run.partial/matches.parquet", "half of something");
    scene.write(".run.partial/stranger.txt", "left by a killed run");
    scene.publish(&[]);
    assert_eq!(scene.made(), ["run"]);
    assert!(!scene.at("run/stranger.txt").exists());
}

#[test]
fn a_secret_that_others_may_read_is_refused() {
    let scene = Scene::small();
    for mode in [0o640, 0o604, 0o666, 0o644] {
        scene.set_mode("secret.key", mode);
        let outcome = scene.run(&["--quiet"]).must_end_with(77);
        assert!(outcome.stderr.contains("secret.key"), "{}", outcome.stderr);
    }
    scene.set_mode("secret.key", 0o600);
    for content in ["", "abc", "00112233", &"g".repeat(64)] {
        scene.write("secret.key", content);
        assert_eq!(scene.run(&["--quiet"]).code, Some(77), "{content:?}");
    }
    fs::remove_file(scene.at("secret.key")).unwrap();
    let outcome = scene.run(&["--quiet"]).must_end_with(77);
    assert!(outcome.stderr.contains("secret.key"), "{}", outcome.stderr);
    assert_eq!(scene.made(), Vec::<String>::new());
}

#[test]
fn one_flipped_bit_in_any_published_file_fails_the_audit() {
    let scene = Scene::small();
    scene.publish(&[]);
    scene.audit("run").must_end_with(0);
    for path in files_under(&scene.at("run")) {
        let whole = fs::read(&path).unwrap();
        let step = (whole.len() / 12).max(1);
        for at in (0..whole.len()).step_by(step).chain([whole.len() - 1]) {
            let mut flipped = whole.clone();
            flipped[at] ^= 1;
            fs::write(&path, &flipped).unwrap();
            let outcome = scene.audit("run");
            assert_eq!(outcome.code, Some(65), "{} at {at}: {}", path.display(), outcome.stderr);
        }
        fs::write(&path, &whole).unwrap();
    }
    scene.audit("run").must_end_with(0);
}

#[test]
fn a_file_missing_from_a_run_or_added_to_it_fails_the_audit() {
    let scene = Scene::small();
    scene.publish(&[]);
    for path in files_under(&scene.at("run")) {
        let whole = fs::read(&path).unwrap();
        fs::remove_file(&path).unwrap();
        let outcome = scene.audit("run");
        assert!(matches!(outcome.code, Some(65 | 66)), "{}: {outcome:?}", path.display());
        fs::write(&path, &whole).unwrap();
    }
    scene.write("run/extra.csv", "somebody put this here\n");
    assert_eq!(scene.audit("run").code, Some(65));
}

#[test]
fn an_audit_with_a_later_opt_out_finds_the_person_in_the_run() {
    let scene = Scene::small();
    scene.publish(&[]);
    scene.append("opt_outs.csv", "+1 202 555 0101,,2026-11-20\n");
    let outcome = scene.audit("run").must_end_with(65);
    assert!(!outcome.stderr.contains("555"), "{}", outcome.stderr);
}

#[test]
fn an_existing_run_is_refused_kept_or_replaced_as_asked() {
    let scene = Scene::small();
    scene.publish(&["--previous", "none"]);
    let before = published_bytes(&scene.at("run"));
    scene.append("opt_outs.csv", "+1 202 555 0101,,2026-11-20\n");
    for more in [&["--quiet"][..], &["--quiet", "--if-exists", "error"]] {
        let outcome = scene.run(more).must_end_with(73);
        assert!(outcome.stderr.contains("run"), "{}", outcome.stderr);
        assert!(published_bytes(&scene.at("run")) == before);
    }
    scene.publish(&["--if-exists", "skip"]);
    assert!(published_bytes(&scene.at("run")) == before);
    scene.publish(&["--if-exists", "replace"]);
    assert!(published_bytes(&scene.at("run")) != before);
    assert_eq!(scene.made(), ["run"]);
    scene.audit("run").must_end_with(0);
    let rows = crate::support::tables::rows(&scene.at("run/matches.parquet"));
    assert_eq!(rows.len(), 1);
}

#[test]
fn a_folder_that_cannot_be_made_is_an_input_or_output_error() {
    let scene = Scene::small();
    scene.write("file", "");
    let outcome = finish(
        phonematch()
            .current_dir(scene.path())
            .args(["match", "--job", "job.toml", "--quiet", "--out", "file/run"]),
    );
    outcome.must_end_with(74);
}
