//! Fourteen nights under the shipped systemd unit: its command line as it stands there, in the
//! shipped job, with the shipped policy, on made-up exports that change from night to night.
//!
//! The program judges the freshness of the opt-outs by the file's modification time and the
//! system's clock, and has no other clock that a test could turn. So all nights take place now,
//! with files that arrive now. What is of its night are the names of the run folders, for which the
//! unit asks `date`, and the dates inside the files.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use phonematch::dates::Day;
use phonematch::synth::FIRST_DAY;
use serde_json::Value;

use crate::model::{self, Released, naive_job, reads_as};
use crate::support::exposition::{families, value};
use crate::support::keys::{Form, token};
use crate::support::small_worlds::Rules;
use crate::support::unit::Unit;
use crate::support::{
    Outcome, SECRET_HEX, Scene, files_under, finish, json_file, lineage, phonematch, tables,
};

const NIGHTS: u32 = 14;
/// The night on which the opt-outs arrive cut.
const BAD_NIGHT: u32 = 8;
const RECIPIENT: &str = "acme";
const LIST: &str = "customers";
/// What stands on the machine that the unit is made for, and a folder of the scene's instead.
const PLACES: [(&str, &str); 2] = [("/etc/phonematch", "etc"), ("/var/lib/phonematch", "var")];

/// A machine on which the unit is installed as `examples/README.md` says.
struct Machine {
    scene: Scene,
    unit: Unit,
    rules: Rules,
}

impl Machine {
    fn installed() -> Self {
        let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
        let scene = Scene::empty();
        for folder in ["etc", "var", "var/in", "var/runs", "credentials", "bin"] {
            fs::create_dir(scene.at(folder)).unwrap();
        }
        let unit = fs::read_to_string(examples.join("systemd/phonematch.service")).unwrap();
        let unit = Unit::of(&Self::here(&scene, &unit));
        let job = fs::read_to_string(examples.join("nightly.toml")).unwrap();
        scene.write("etc/nightly.toml", Self::here(&scene, &job));
        fs::copy(examples.join("../fixtures/policies/ads.toml"), scene.at("etc/policy.toml"))
            .unwrap();
        fs::rename(scene.at("secret.key"), scene.at("etc/secret.key")).unwrap();
        Self { scene, unit, rules: model::rules_of_synth(RECIPIENT, LIST) }
    }

    /// A text of the examples with the scene's places for those of the machine.
    fn here(scene: &Scene, text: &str) -> String {
        assert!(text.contains(PLACES[1].0), "the example stands elsewhere");
        let mut text = text.replace("/usr/local/bin/phonematch", env!("CARGO_BIN_EXE_phonematch"));
        for (there, here) in PLACES {
            text = text.replace(there, scene.at(here).to_str().unwrap());
        }
        text
    }

    /// The night's export, list and opt-outs arrive.
    fn files_arrive(&self, night: u32) {
        let made = self.scene.at("made");
        let mut command = phonematch();
        command.args(["synth", "--accounts", "4000", "--list", "1200", "--overlap", "0.4"]);
        command.args(["--seed", "2016", "--night", &night.to_string(), "--out"]).arg(&made);
        finish(&mut command).must_end_with(0);
        for name in ["accounts.csv", "list.csv", "opt_outs.csv"] {
            fs::rename(made.join(name), self.scene.at("var/in").join(name)).unwrap();
        }
    }

    /// Starts the unit's command as systemd does: its folder, its credentials, a mask, and nothing
    /// of this environment. `date` says which night it is.
    fn start(&self, night: u32) -> Outcome {
        let date = format!("#!/bin/sh\n[ \"$*\" = '-u +%F' ] && echo {}\n", day(night));
        self.scene.write("bin/date", date);
        self.scene.set_mode("bin/date", 0o755);
        for (name, file) in self.unit.credentials() {
            let credential = self.scene.at("credentials").join(name);
            let _ = fs::remove_file(&credential);
            fs::copy(file, &credential).unwrap();
            fs::set_permissions(&credential, fs::Permissions::from_mode(0o400)).unwrap();
        }
        let words = self.unit.command();
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).env_clear().current_dir(self.unit.one("WorkingDirectory"));
        let bin = self.scene.at("bin");
        command.env("PATH", format!("{}:/usr/bin:/bin", bin.display()));
        command.env("CREDENTIALS_DIRECTORY", self.scene.at("credentials"));
        finish(&mut command)
    }

    /// Whom the naive model releases of the files as they are now.
    fn expected(&self) -> Released {
        naive_job(&self.scene.at("var/in"), &self.rules)
    }

    /// Tokens of those who opted out on a night, by the file that is there now.
    fn opted_out_on(&self, night: u32) -> BTreeSet<String> {
        let text = self.scene.read("var/in/opt_outs.csv");
        let day = day(night);
        let rows = text.lines().filter(|line| line.ends_with(&format!(",{day}")));
        let digits = rows.map(|row| reads_as(row.split(',').next().unwrap()).unwrap());
        digits.map(|digits| token(SECRET_HEX, RECIPIENT, &digits, Form::E164)).collect()
    }

    fn run(&self, night: u32) -> std::path::PathBuf {
        self.scene.at("var/runs").join(day(night))
    }

    /// What must not change where nothing is published: the runs and their books.
    fn published(&self) -> Vec<(std::path::PathBuf, Vec<u8>)> {
        let files = files_under(&self.scene.at("var/runs"));
        files.into_iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect()
    }

    fn metric(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        value(&families(&self.scene.read("var/phonematch.prom")), name, labels)
    }

    fn last_success(&self) -> f64 {
        self.metric("phonematch_last_success_timestamp_seconds", &[])
    }
}

fn day(night: u32) -> String {
    Day::from_text(FIRST_DAY).unwrap().plus(night).to_string()
}

fn tokens(released: &Released) -> BTreeSet<String> {
    released.iter().map(|(_, _, token)| token.clone()).collect()
}

fn tokens_of(table: &Path) -> BTreeSet<String> {
    tables::rows(table).iter().map(|row| row["token"].clone()).collect()
}

#[test]
fn fourteen_nights_under_the_shipped_unit_come_out_as_the_naive_model_says() {
    let machine = Machine::installed();
    let (mut before, mut gone) = (BTreeSet::new(), BTreeSet::new());
    for night in 0..NIGHTS {
        machine.files_arrive(night);
        if night > 0 {
            let two = machine.opted_out_on(night);
            assert_eq!(two.len(), 2, "night {night}");
            gone.extend(two);
        }
        if night == BAD_NIGHT {
            an_export_of_nobody_publishes_nothing(&machine);
            a_cut_opt_out_file_publishes_nothing(&machine);
            continue;
        }
        let last_success = if night > 0 { machine.last_success() } else { 0.0 };
        machine.start(night).must_end_with(0);
        let run = machine.run(night);
        let expected = machine.expected();
        assert!(expected.len() > 300, "night {night}: {}", expected.len());
        assert!(model::released_by_the_program(&run) == expected, "night {night}");
        let now = tokens(&expected);
        // The two were in the last run, are in this one no more, and the copies learn of it.
        assert!(gone.is_subset(&before) && gone.is_disjoint(&now), "night {night}");
        let removed = tokens_of(&run.join("removed.parquet"));
        assert_eq!(removed, &before - &now, "night {night}");
        let nights = if night == BAD_NIGHT + 1 { 2 } else { night.min(1) };
        assert!(gone.is_subset(&removed) && gone.len() == 2 * nights as usize, "night {night}");
        // Each night people come, and go for other reasons too.
        assert!(night == 0 || !(&now - &before).is_empty(), "night {night}");
        metrics_are_those_of(&machine, night, expected.len());
        assert!(machine.last_success() > last_success);
        if night == 5 {
            a_second_start_changes_nothing(&machine, night);
        }
        (before, gone) = (now, BTreeSet::new());
    }
    the_chain_holds(&machine);
    the_page_shows_every_night(&machine);
    the_catalogue_knows_every_run(&machine);
}

/// The opt-outs cut in a row, cut between two rows, and whole but of yesterday.
fn a_cut_opt_out_file_publishes_nothing(machine: &Machine) {
    let name = "var/in/opt_outs.csv";
    let whole = machine.scene.read(name);
    let (published, last_success) = (machine.published(), machine.last_success());
    let in_a_row = whole.len() * 3 / 5;
    let in_a_row = in_a_row + usize::from(whole.as_bytes()[in_a_row - 1] == b'\n');
    let between = 1 + whole[..in_a_row].rfind('\n').unwrap();
    let fresh = |text: &str| machine.scene.write(name, text);
    let bad: [(i32, &str, &dyn Fn()); 3] = [
        (66, "truncated", &|| fresh(&whole[..in_a_row])),
        (65, "rows", &|| fresh(&whole[..between])),
        (66, "stale", &|| {
            fresh(&whole);
            machine.scene.set_age_hours(name, 27);
        }),
    ];
    for (code, says, arrives) in bad {
        arrives();
        let outcome = machine.start(BAD_NIGHT).must_end_with(code);
        let line: Value = serde_json::from_str(outcome.stderr.lines().last().unwrap()).unwrap();
        assert_eq!(line["fields"]["exit_code"], code);
        let message = line["fields"]["message"].as_str().unwrap();
        assert!(message.contains("the opt-out source") && message.contains(says), "{message}");
        assert!(outcome.stdout.is_empty(), "{}", outcome.stdout);
        // Nobody's doing mends it: systemd must not start it again, nor take it for a success.
        assert!(!machine.unit.codes("RestartForceExitStatus").contains(&code));
        assert!(!machine.unit.codes("SuccessExitStatus").contains(&code));
        assert!(machine.published() == published, "something was published");
        assert_eq!(machine.metric("phonematch_last_run_exit_code", &[]), f64::from(code));
        assert_eq!(machine.last_success(), last_success);
        assert!(!machine.scene.read("var/phonematch.prom").contains("_rows{"));
    }
}

/// The export's own job failed and left its header: to a match that is a night on which everybody
/// has left, and everybody would be taken back.
fn an_export_of_nobody_publishes_nothing(machine: &Machine) {
    let name = "var/in/accounts.csv";
    let (whole, published) = (machine.scene.read(name), machine.published());
    machine.scene.write(name, whole.split_inclusive('\n').next().unwrap());
    let outcome = machine.start(BAD_NIGHT).must_end_with(65);
    assert!(outcome.stderr.contains("gates."), "{}", outcome.stderr);
    assert!(machine.published() == published, "something was published");
    machine.scene.write(name, whole);
}

/// As the timer does on a machine that was off and on again.
fn a_second_start_changes_nothing(machine: &Machine, night: u32) {
    let (published, last_success) = (machine.published(), machine.last_success());
    machine.start(night).must_end_with(0);
    assert!(machine.published() == published);
    assert_eq!(machine.last_success(), last_success);
}

fn metrics_are_those_of(machine: &Machine, night: u32, released: usize) {
    let of = |name: &str| machine.metric(&format!("phonematch_{name}"), &[]);
    assert_eq!((of("last_run_exit_code"), of("last_run_alarms")), (0.0, 0.0), "night {night}");
    assert_eq!(of("last_run_released_people"), released as f64, "night {night}");
    assert!(of("last_run_start_timestamp_seconds") < of("last_run_end_timestamp_seconds"));
    assert_eq!(machine.last_success(), of("last_run_end_timestamp_seconds"));
    let text = machine.scene.read("var/phonematch.prom");
    for role in ["accounts", "list", "opt_outs"] {
        let rows = machine.scene.read(&format!("var/in/{role}.csv")).lines().count() - 1;
        let own =
            |line: &&str| line.contains(&format!("_input_rows{{job=\"nightly\",role=\"{role}\""));
        let told = text.lines().filter(own);
        let told = told.map(|line| line.rsplit(' ').next().unwrap().parse::<usize>().unwrap());
        assert_eq!(told.sum::<usize>(), rows, "night {night}, {role}");
    }
}

fn the_chain_holds(machine: &Machine) {
    let last = NIGHTS - 1;
    let mut command = phonematch();
    command.current_dir(machine.scene.path()).arg("audit").arg(machine.run(last)).arg("--chain");
    command.args([
        "--opt-outs",
        "var/in/opt_outs.csv",
        "--secret-file",
        "etc/secret.key",
        "--json",
    ]);
    let audited = finish(&mut command).must_end_with(0).json();
    assert_eq!(audited["runs"], NIGHTS - 1);
    let manifest = fs::read(machine.run(last).join("manifest.json")).unwrap();
    assert_eq!(audited["digest"], blake3::hash(&manifest).to_hex().to_string());
    assert!(!machine.run(BAD_NIGHT).exists());
}

fn the_page_shows_every_night(machine: &Machine) {
    let run = machine.run(NIGHTS - 1);
    let page = fs::read_to_string(run.join("report.html")).unwrap();
    assert!(page.contains(&format!("{} runs, oldest on the left", NIGHTS - 1)));
    let report = json_file(&run.join("report.json"));
    let history = report["history"].as_array().unwrap();
    assert_eq!(history.len(), NIGHTS as usize - 2);
    let good: Vec<_> = (0..NIGHTS).filter(|&night| night != BAD_NIGHT).collect();
    for (&night, past) in good.iter().zip(history) {
        assert_eq!(past["run"], day(night));
        let matches = tables::rows(&machine.run(night).join("matches.parquet")).len();
        assert_eq!(past["released"], matches);
    }
    for &night in &good {
        // A bar of each of three figures says its name, and so does a row of the table.
        let bars = page.matches(&format!("<title>{}: ", day(night))).count();
        let rows = page.matches(&format!("<th scope=\"row\">{}<", day(night))).count();
        assert_eq!((bars, rows), (3, 1), "night {night}");
    }
    assert!(!page.contains(&day(BAD_NIGHT)));
}

fn the_catalogue_knows_every_run(machine: &Machine) {
    let events = lineage::events(&machine.scene.read("var/openlineage.ndjson"));
    let mut states = lineage::states(&events).into_iter();
    for night in 0..NIGHTS {
        let ends: &[_] = if night == BAD_NIGHT { &["FAIL"; 4] } else { &["COMPLETE"] };
        for end in ends {
            assert_eq!([states.next(), states.next()], [Some("START"), Some(end)], "night {night}");
        }
    }
    assert_eq!(states.next(), None);
    let last = &events[events.len() - 1]["outputs"][0];
    let manifest = fs::read(machine.run(NIGHTS - 1).join("manifest.json")).unwrap();
    let digest = blake3::hash(&manifest).to_hex().to_string();
    assert_eq!(last["facets"]["version"]["datasetVersion"], digest);
}
