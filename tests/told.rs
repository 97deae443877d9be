//! What other systems learn of a run: Prometheus by `--metrics-file`, a catalogue by
//! `--openlineage-file`.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, SystemTime};

use serde_json::Value;

use crate::support::exposition::{families, value};
use crate::support::lineage::{events, states};
use crate::support::{Outcome, Scene, files_under, finish, mode, phonematch, tables, wait_for};

const EXIT_CODE: &str = "phonematch_last_run_exit_code";
const START: &str = "phonematch_last_run_start_timestamp_seconds";
const END: &str = "phonematch_last_run_end_timestamp_seconds";
const LAST_SUCCESS: &str = "phonematch_last_success_timestamp_seconds";
const ROWS: &str = "phonematch_last_run_input_rows";

const BOTH: [&str; 4] = ["--metrics-file", "out.prom", "--openlineage-file", "events.ndjson"];

fn run(scene: &Scene, more: &[&str]) -> Outcome {
    scene.run(&[&["--quiet"], &BOTH[..], more].concat())
}

/// The metrics, which are all of the job, and its name.
#[track_caller]
fn metrics(scene: &Scene, name: &str) -> impl Fn(&str) -> f64 {
    let families = families(&scene.read(name));
    for (labels, _) in families.values().flat_map(|family| &family.samples) {
        assert_eq!(labels["job"], "nightly");
    }
    move |name| value(&families, name, &[])
}

fn now_s() -> f64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs_f64()
}

#[test]
fn metrics_of_a_published_run_are_those_of_its_report() {
    let scene = Scene::small();
    scene.append("list.csv", "nothing,GB,e\n");
    let before = now_s() - 0.001;
    run(&scene, &[]).must_end_with(0);
    let families = families(&scene.read("out.prom"));
    let sample = |name: &str, labels: &[(&str, &str)]| value(&families, name, labels);
    let report = scene.report("run");
    let mut rows_read = 0;
    for role in ["accounts", "list", "opt_outs"] {
        let input = report["inputs"].as_array().unwrap().iter().find(|it| it["role"] == role);
        let mut sum = 0.0;
        for outcome in ["rejected", "barred", "duplicates", "unmatched", "withheld", "released"] {
            let rows = sample(ROWS, &[("role", role), ("outcome", outcome)]);
            assert_eq!(rows, input.unwrap()[outcome].as_f64().unwrap(), "{role} {outcome}");
            sum += rows;
        }
        assert_eq!(sum, input.unwrap()["rows_read"].as_f64().unwrap(), "{role}");
        rows_read += 1;
    }
    assert_eq!((rows_read, families[ROWS].samples.len()), (3, 18));
    assert_eq!(sample(ROWS, &[("role", "list"), ("outcome", "rejected")]), 1.0);
    for (stage, time) in report["stages"].as_object().unwrap() {
        let seconds = sample("phonematch_last_run_stage_seconds", &[("stage", stage)]);
        assert_eq!(seconds, time["elapsed_ms"].as_f64().unwrap() / 1000.0, "{stage}");
    }
    assert_eq!(families["phonematch_last_run_stage_seconds"].samples.len(), 9);
    let one = |name: &str| sample(name, &[]);
    assert_eq!(one("phonematch_last_run_released_people"), 2.0);
    assert_eq!(one("phonematch_last_run_released_lists"), 1.0);
    assert_eq!(one("phonematch_last_run_export_passes"), 1.0);
    assert_eq!(one("phonematch_last_run_restarts"), 0.0);
    let alarms = report["alarms"].as_array().unwrap().len();
    assert!(alarms > 0 && one("phonematch_last_run_alarms") == alarms as f64);
    let memory = report["peak_memory_bytes"].as_f64().unwrap();
    assert_eq!(one("phonematch_last_run_peak_memory_bytes"), memory);
    let elapsed = report["elapsed_ms"].as_f64().unwrap() / 1000.0;
    assert_eq!(one("phonematch_last_run_elapsed_seconds"), elapsed);
    assert_eq!(one(EXIT_CODE), 0.0);
    assert!(before <= one(START) && one(START) <= one(END) && one(END) <= now_s());
    assert_eq!(one(LAST_SUCCESS), one(END));
    let version = ("version", env!("CARGO_PKG_VERSION"));
    assert_eq!(sample("phonematch_build_info", &[version, ("metadata_version", "9.0.42")]), 1.0);
    assert!(families.values().all(|family| family.help.ends_with('.')));
}

#[test]
fn a_failure_is_told_and_the_last_success_stays() {
    let scene = Scene::small();
    scene.set_age_hours("opt_outs.csv", 27);
    run(&scene, &[]).must_end_with(66);
    let told = metrics(&scene, "out.prom");
    assert_eq!((told(EXIT_CODE), told(LAST_SUCCESS)), (66.0, 0.0));
    scene.set_age_hours("opt_outs.csv", 0);
    run(&scene, &[]).must_end_with(0);
    let good = metrics(&scene, "out.prom");
    run(&scene, &[]).must_end_with(73);
    let text = scene.read("out.prom");
    let bad = metrics(&scene, "out.prom");
    assert_eq!((bad(EXIT_CODE), bad(LAST_SUCCESS)), (73.0, good(LAST_SUCCESS)));
    assert!(bad(START) >= good(END) && bad(END) >= bad(START));
    // Rows of a run that is not there would look like a run.
    assert!(!text.contains("_rows") && !text.contains("stage") && !text.contains("released"));
    // A skipped run shows the one that is there, and when that was published.
    run(&scene, &["--if-exists", "skip"]).must_end_with(0);
    let skipped = metrics(&scene, "out.prom");
    assert_eq!((skipped(EXIT_CODE), skipped(LAST_SUCCESS)), (0.0, good(LAST_SUCCESS)));
    assert_eq!(skipped("phonematch_last_run_released_people"), 2.0);
    fs::remove_file(scene.at("out.prom")).unwrap();
    run(&scene, &["--if-exists", "skip"]).must_end_with(0);
    let skipped = metrics(&scene, "out.prom");
    assert!((skipped(LAST_SUCCESS) - good(LAST_SUCCESS)).abs() < 2.0);
}

#[test]
fn each_layer_names_the_files_also_of_a_job_that_is_wrong() {
    let scene = Scene::small();
    scene.edit(
        "job.toml",
        "out = \"run\"",
        "out = \"run\"\nmetrics_file = \"file.prom\"\nopenlineage_file = \"file.ndjson\"",
    );
    let sound = scene.read("job.toml");
    for wrong in ["", "[accounts]\nfile = \"again\"\n", "this is no TOML\n"] {
        scene.write("job.toml", sound.clone() + wrong);
        let code = if wrong.is_empty() { 0 } else { 78 };
        let told = |metrics: &str, events: &str| {
            let text = scene.read(metrics);
            assert!(text.contains(&format!("{EXIT_CODE}{{job=\"nightly\"}} {code}\n")), "{text}");
            assert_eq!(scene.read(events).lines().count(), 2);
            fs::remove_file(scene.at(metrics)).unwrap();
            fs::remove_file(scene.at(events)).unwrap();
            let _ = fs::remove_dir_all(scene.at("run"));
        };
        let start = || scene.command(&["--quiet", "--previous", "none"]);
        finish(&mut start()).must_end_with(code);
        told("file.prom", "file.ndjson");
        let variables = [
            ("PHONEMATCH_METRICS_FILE", "variable.prom"),
            ("PHONEMATCH_OPENLINEAGE_FILE", "variable.ndjson"),
        ];
        finish(start().envs(variables)).must_end_with(code);
        told("variable.prom", "variable.ndjson");
        finish(start().envs(variables).args(BOTH)).must_end_with(code);
        told("out.prom", "events.ndjson");
    }
    let left: Vec<_> = files_under(scene.path())
        .into_iter()
        .map(|path| path.extension().map(|kind| kind.to_owned()))
        .collect();
    assert!(left.iter().flatten().all(|kind| kind != "prom" && kind != "ndjson" && kind != "tmp"));
}

#[test]
fn a_place_that_a_run_needs_is_refused() {
    let scene = Scene::small();
    for (flags, says) in [
        (["--metrics-file", "run/out.prom"], "metrics_file lies in the run folder"),
        (["--openlineage-file", "./run"], "openlineage_file lies in the run folder"),
        (["--metrics-file", "../$/phonematch.history"], "metrics_file names a file that runs keep"),
        (["--openlineage-file", "phonematch.ledger"], "openlineage_file names a file"),
        (["--openlineage-file", "out.prom"], "are one file"),
    ] {
        let here = scene.path().file_name().unwrap().to_str().unwrap();
        let flags = flags.map(|word| word.replace('$', here));
        let mut command = scene.command(&["--quiet", "--metrics-file", "out.prom"]);
        if flags[0] == "--metrics-file" {
            command = scene.command(&["--quiet"]);
        }
        let outcome = finish(command.args(&flags)).must_end_with(78);
        assert!(outcome.stderr.contains(says), "{flags:?}: {}", outcome.stderr);
        assert!(outcome.stderr.contains(&format!("the flag {}", flags[0])), "{}", outcome.stderr);
    }
    // Whoever is refused for such a place is told of nowhere.
    let made = files_under(scene.path());
    assert_eq!(made.len(), files_under(Scene::small().path()).len(), "{made:?}");
}

/// A published run stands, and the code with it; what could not be told is told on standard error.
#[test]
fn a_file_that_cannot_be_written_undoes_no_run() {
    let scene = Scene::small();
    let others = ["{\"phone\":\"+442079460004\"}\n", "a file that is somebody else's\n"];
    scene.write("a.ndjson", others[0]);
    scene.write("b.txt", others[1]);
    symlink("/dev/null", scene.at("pipe")).unwrap();
    for (at, place) in
        ["nowhere/out", "a.ndjson", "b.txt", "opt_outs.csv", "pipe", "."].iter().enumerate()
    {
        for flag in ["--metrics-file", "--openlineage-file"] {
            let out = format!("run{at}{flag}");
            let outcome = scene.run(&["--quiet", "--json", "--out", &out, flag, place]);
            let outcome = outcome.must_end_with(0);
            assert_eq!(outcome.json()["status"], "ok");
            assert!(outcome.stderr.contains("is not written"), "{place}: {}", outcome.stderr);
            assert!(scene.at(&out).join("manifest.json").exists());
        }
    }
    assert_eq!([scene.read("a.ndjson"), scene.read("b.txt")], others);
    assert!(scene.read("opt_outs.csv").starts_with("phone,"));
    // Nor does it change the code of a failure.
    scene.run(&["--quiet", "--out", "run0--metrics-file", "--metrics-file", "."]).must_end_with(73);
}

#[test]
fn files_are_for_the_group_too_and_keep_the_mode_and_the_link_they_have() {
    let scene = Scene::small();
    run(&scene, &[]).must_end_with(0);
    assert_eq!([mode(&scene.at("out.prom")), mode(&scene.at("events.ndjson"))], [0o640; 2]);
    fs::create_dir(scene.at("collector")).unwrap();
    fs::rename(scene.at("out.prom"), scene.at("collector/job.prom")).unwrap();
    scene.set_mode("collector/job.prom", 0o644);
    symlink("collector/job.prom", scene.at("out.prom")).unwrap();
    run(&scene, &[]).must_end_with(73);
    assert_eq!(metrics(&scene, "collector/job.prom")(EXIT_CODE), 73.0);
    assert!(scene.at("out.prom").is_symlink());
    assert_eq!(mode(&scene.at("collector/job.prom")), 0o644);
    assert_eq!(fs::read_dir(scene.at("collector")).unwrap().count(), 1);
}

#[test]
fn events_say_what_was_read_and_what_was_made_of_it() {
    let scene = Scene::small();
    run(&scene, &[]).must_end_with(0);
    let events = events(&scene.read("events.ndjson"));
    assert_eq!(states(&events), ["START", "COMPLETE"]);
    assert_eq!(events[0]["run"]["runId"], events[1]["run"]["runId"]);
    assert!(events[0]["eventTime"].as_str() < events[1]["eventTime"].as_str());
    let folder = fs::canonicalize(scene.path()).unwrap();
    let names = |event: &Value, side: &str| -> Vec<String> {
        let datasets = event[side].as_array().unwrap().iter();
        datasets.map(|dataset| dataset["name"].as_str().unwrap().to_owned()).collect()
    };
    let place = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let inputs = ["opt_outs.csv", "list.csv", "accounts.csv"].map(place);
    assert_eq!([names(&events[0], "inputs"), names(&events[1], "inputs")], [&inputs; 2]);
    assert_eq!(names(&events[0], "outputs"), Vec::<String>::new());
    assert_eq!(names(&events[1], "outputs"), [place("run")]);
    assert_eq!(events[1]["job"]["name"], "nightly");
    for (input, file, rows) in [(0, "opt_outs.csv", 1), (1, "list.csv", 4), (2, "accounts.csv", 5)]
    {
        let read = &events[1]["inputs"][input]["inputFacets"]["inputStatistics"];
        let bytes = fs::metadata(scene.at(file)).unwrap().len();
        assert_eq!([&read["rowCount"], &read["size"]], [&Value::from(rows), &bytes.into()]);
    }
    let output = &events[1]["outputs"][0];
    let manifest = fs::read(scene.at("run/manifest.json")).unwrap();
    let digest = blake3::hash(&manifest).to_hex().to_string();
    assert_eq!(output["facets"]["version"]["datasetVersion"], digest);
    assert_eq!(output["outputFacets"]["outputStatistics"]["rowCount"], 2);
    let files = files_under(&scene.at("run"));
    assert_eq!(output["outputFacets"]["outputStatistics"]["fileCount"], files.len());
    tables_are_those_of(&scene, output);
    assert_eq!(output["facets"]["schema"]["fields"].as_array().unwrap().len(), 4);
}

/// The columns of each table are those that it has.
#[track_caller]
fn tables_are_those_of(scene: &Scene, output: &Value) {
    for table in output["facets"]["schema"]["fields"].as_array().unwrap() {
        let columns = tables::columns(&scene.at("run").join(table["name"].as_str().unwrap()));
        let columns = columns.iter().map(|it| it.trim_end_matches('?').to_owned());
        let told = table["fields"].as_array().unwrap().iter().map(|field| {
            format!("{} {}", field["name"].as_str().unwrap(), field["type"].as_str().unwrap())
        });
        assert_eq!(told.collect::<Vec<_>>(), columns.collect::<Vec<_>>(), "{}", table["name"]);
    }
}

#[test]
fn each_purpose_is_told_with_the_tables_that_it_has() {
    let purposes = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/purposes");
    let mut told = 0;
    let folders = fs::read_dir(purposes).unwrap().map(|entry| entry.unwrap().path());
    for purpose in folders.filter(|path| path.is_dir()) {
        let scene = Scene::copy_of(&purpose);
        scene.publish(&[&BOTH[..], &["--out", "run", "--secret-file", "secret.key"]].concat());
        let events = events(&scene.read("events.ndjson"));
        assert_eq!(states(&events), ["START", "COMPLETE"]);
        let output = &events[1]["outputs"][0];
        tables_are_those_of(&scene, output);
        let rows = tables::rows(&scene.at("run/matches.parquet")).len();
        let is_counted = scene.at("run/counts.parquet").exists();
        let rows = if is_counted { Value::Null } else { rows.into() };
        assert_eq!(output["outputFacets"]["outputStatistics"]["rowCount"], rows, "{purpose:?}");
        let families = families(&scene.read("out.prom"));
        let report = scene.report("run");
        for role in ["accounts", "list", "opt_outs"] {
            let inputs = report["inputs"].as_array().unwrap().iter();
            let own = inputs.filter(|input| input["role"] == role);
            let rows_read: u64 = own.map(|input| input["rows_read"].as_u64().unwrap()).sum();
            let of_role = families[ROWS].samples.iter().filter(|it| it.0["role"] == role);
            assert_eq!(of_role.map(|it| it.1).sum::<f64>(), rows_read as f64, "{purpose:?} {role}");
        }
        told += 1;
    }
    assert!(told >= 4, "only {told} purposes");
}

#[test]
fn every_end_has_its_event() {
    let scene = Scene::small();
    run(&scene, &[]).must_end_with(0);
    run(&scene, &["--if-exists", "skip"]).must_end_with(0);
    run(&scene, &[]).must_end_with(73);
    scene.edit("job.toml", "recipient = \"acme\"", "recipient = \"+12025550101\"");
    run(&scene, &["--out", "other"]).must_end_with(78);
    let told = events(&scene.read("events.ndjson"));
    // Nothing was run where the folder was there to be skipped.
    assert_eq!(states(&told), ["START", "COMPLETE", "START", "FAIL", "START", "FAIL"]);
    let ids: std::collections::BTreeSet<_> =
        told.iter().map(|event| event["run"]["runId"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), 3);
    let failed = &told[3]["run"]["facets"]["errorMessage"]["message"];
    assert!(failed.as_str().unwrap().starts_with("exit code 73: the run folder"), "{failed}");
    assert!(
        told[4]["inputs"].as_array().unwrap().is_empty() && told[5]["job"]["name"] == "nightly"
    );

    let scene = Scene::small();
    let mut command = scene.command(&["--accounts", "-", "--quiet"]);
    let mut child = command.args(BOTH).stdin(Stdio::piped()).spawn().unwrap();
    assert!(wait_for(Duration::from_secs(20), || scene.made() == [".run.partial"]));
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let told = events(&scene.read("events.ndjson"));
    assert_eq!(states(&told), ["START", "ABORT"]);
    // Standard input is no file that anybody could find.
    assert_eq!(told[0]["inputs"].as_array().unwrap().len(), 2);
    assert_eq!(metrics(&scene, "out.prom")(EXIT_CODE), 130.0);
}

#[test]
fn a_line_that_was_cut_short_spoils_no_other() {
    let scene = Scene::small();
    scene.write("events.ndjson", "{\"eventTime\":\"20");
    run(&scene, &[]).must_end_with(0);
    let text = scene.read("events.ndjson");
    let (cut, whole) = text.split_once('\n').unwrap();
    assert_eq!(cut, "{\"eventTime\":\"20");
    assert_eq!(states(&events(whole)), ["START", "COMPLETE"]);
}

/// Every way to fail that has a cell in it, and a run that is published.
#[test]
fn neither_file_holds_a_number_or_a_token_or_text_of_a_cell() {
    let scene = Scene::small();
    let (list, opt_outs) = (scene.read("list.csv"), scene.read("opt_outs.csv"));
    run(&scene, &[]).must_end_with(0);
    let mut secret: Vec<_> = tables::rows(&scene.at("run/matches.parquet"))
        .into_iter()
        .map(|row| row["token"].clone())
        .collect();
    let mut told = scene.read("out.prom");
    for (file, text, row) in [
        ("opt_outs.csv", &opt_outs, "12025550101 or so,,2026-01-01\n"),
        ("list.csv", &list, "\"020 7946 0004,GB,e\n"),
    ] {
        scene.write(file, format!("{text}{row}"));
        run(&scene, &["--out", "other"]).must_end_with(65);
        scene.write(file, text);
        told += &scene.read("out.prom");
    }
    scene.write("job.toml", "name = \"12025550101\"\n+12025550101 = 1\n");
    run(&scene, &[]).must_end_with(78);
    told += &scene.read("out.prom");
    told += &scene.read("events.ndjson");
    secret.extend(["2025550101", "555-0101", "7946 0004", "or so", "12025550"].map(str::to_owned));
    for number in ["+12025550101", "+442079460004"] {
        secret.push(blake3::hash(number.as_bytes()).to_hex().to_string());
    }
    for part in secret {
        assert!(!told.contains(&part), "{part}");
    }
    assert!(told.contains("exit code 65") && told.contains("exit code 78"));
}

#[test]
fn both_are_settings_with_a_place() {
    let scene = Scene::small();
    scene.edit("job.toml", "out = \"run\"", "out = \"run\"\nmetrics_file = \"file.prom\"");
    let mut command = phonematch();
    command.current_dir(scene.path()).args(["config", "show", "--job", "job.toml"]);
    command.env("PHONEMATCH_OPENLINEAGE_FILE", "events.ndjson");
    let text = finish(&mut command).must_end_with(0).stdout;
    let line = |setting: &str| text.lines().find(|line| line.starts_with(setting)).unwrap();
    assert!(line("metrics_file").ends_with("job.toml line 5"), "{text}");
    assert!(line("openlineage_file").contains("variable PHONEMATCH_OPENLINEAGE_FILE"), "{text}");
}

/// The readers of these tests take what is sound and nothing else, or they would show nothing.
#[test]
fn the_readers_of_both_files_refuse_what_is_wrong() {
    let scene = Scene::small();
    run(&scene, &[]).must_end_with(0);
    let (page, lines) = (scene.read("out.prom"), scene.read("events.ndjson"));
    let refuses =
        |read: &dyn Fn()| std::panic::catch_unwind(std::panic::AssertUnwindSafe(read)).is_err();
    families(&page);
    for (from, to) in [
        ("exit_code{job=\"nightly\"} 0\n", "exit_code{job=\"nightly\"} zero\n"),
        ("exit_code{job=\"nightly\"} 0\n", "exit_code{job=\"night\\ly\"} 0\n"),
        ("exit_code{job=\"nightly\"} 0\n", "exit_code{job=\"nightly} 0\n"),
        ("exit_code{job=\"nightly\"} 0\n", ""),
        ("exit_code{job=\"nightly\"} 0\n", "exit_code{job=\"nightly\"} 0\n\n"),
        ("stage=\"key\"", "stage=\"join\""),
        ("stage=\"key\"", "9=\"key\""),
        ("outcome=\"barred\"", "job=\"barred\""),
        ("# TYPE phonematch_last_run_alarms gauge\n", ""),
        ("last_run_alarms", "last_run_elapsed_seconds"),
    ] {
        assert!(page.contains(from), "{from}");
        let bad = page.replace(from, to);
        assert!(refuses(&|| drop(families(&bad))), "{from} to {to} passes");
    }
    events(&lines);
    for (from, to) in [
        ("\"runId\":\"", "\"runId\":\"x"),
        ("\"runId\":", "\"id\":"),
        ("\"eventType\":\"COMPLETE\"", "\"eventType\":\"DONE\""),
        ("\"namespace\":\"file\",", ""),
        ("\"rowCount\":4", "\"rowCount\":\"4\""),
        ("\"rowCount\":4", "\"rows\":4"),
        ("\"_producer\":", "\"producer\":"),
        ("1-0-1/DatasourceDatasetFacet", "1-0-1/DatasetFacet"),
        (",\"processingType\":\"BATCH\"", ""),
        ("file:///", "no uri"),
        ("\"inputs\":[", "\"input\":["),
        ("}\n", "}"),
    ] {
        assert!(lines.contains(from), "{from}");
        let bad = lines.replace(from, to);
        assert!(refuses(&|| drop(events(&bad))), "{from} to {to} passes");
    }
}
