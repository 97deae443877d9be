//! Job file, variables and flags, one over the other; and the schemas of job and policy files.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::support::schema::faults;
use crate::support::{Outcome, Scene, files_under, finish, phonematch, tables};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn show(scene: &Scene, more: &[&str], variables: &[(&str, &str)]) -> Outcome {
    let mut command = phonematch();
    command.current_dir(scene.path()).args(["config", "show", "--job", "job.toml"]).args(more);
    finish(command.envs(variables.iter().copied()))
}

/// The value of a setting, and the layer that it is from with its name or line.
fn setting(outcome: &Outcome, name: &str) -> (Value, String) {
    let json = outcome.json();
    let rows = json["settings"].as_array().unwrap();
    let row = rows.iter().find(|row| row["setting"] == name);
    let row = row.unwrap_or_else(|| panic!("no {name} in {rows:#?}"));
    let from = &row["from"];
    let more = ["flag", "variable", "line"].into_iter().find(|more| !from[*more].is_null());
    let more = more.map(|more| from[more].to_string().replace('"', ""));
    let layer = from["layer"].as_str().unwrap();
    (row["value"].clone(), format!("{layer} {}", more.unwrap_or_default()).trim().to_owned())
}

fn line_of(text: &str, part: &str) -> usize {
    text.lines().position(|line| line.contains(part)).unwrap() + 1
}

#[test]
fn each_setting_is_shown_with_the_layer_that_it_is_from() {
    let scene = Scene::small();
    scene.edit("job.toml", "id = \"spring\"", "id = \"spring\"\ncountry = \"US\"");
    let (job, policy) = (scene.read("job.toml"), scene.read("policy.toml"));
    let variables = [("PHONEMATCH_RECIPIENT", "globex"), ("PHONEMATCH_THREADS", "3")];
    let outcome = show(&scene, &["--json", "--out", "there"], &variables).must_end_with(0);
    let line = |part| format!("file {}", line_of(&job, part));
    for (name, value, from) in [
        ("name", json!("nightly"), line("name =")),
        ("purpose", json!("ads"), line("purpose =")),
        ("accounts.files", json!(["accounts.csv"]), line("accounts.csv")),
        ("lists.1.id", json!("spring"), line("id =")),
        ("lists.1.country", json!("US"), line("country =")),
        ("lists.1.several_numbers", json!("reject"), "default".to_owned()),
        ("lists.1.phones", Value::Null, "unset".to_owned()),
        ("out", json!("there"), "flag --out".to_owned()),
        ("recipient", json!("globex"), "environment PHONEMATCH_RECIPIENT".to_owned()),
        ("threads", json!(3), "environment PHONEMATCH_THREADS".to_owned()),
        ("json", json!(true), "flag --json".to_owned()),
        ("quiet", json!(false), "default".to_owned()),
        ("if_exists", json!("error"), "default".to_owned()),
        ("ledger", Value::Null, "unset".to_owned()),
        ("secret.if_missing", json!("refuse"), "default".to_owned()),
        (
            "policy.floors.attribute_cell",
            json!(1),
            format!("file {}", line_of(&policy, "attribute_cell")),
        ),
    ] {
        assert_eq!(setting(&outcome, name), (value, from), "{name}");
    }
    let text = show(&scene, &["--out", "there"], &variables).must_end_with(0).stdout;
    for line in ["flag --out", "variable PHONEMATCH_RECIPIENT", "job.toml line 1", "default"] {
        assert!(text.contains(line), "{line}: {text}");
    }
}

#[test]
fn a_typed_flag_wins_also_where_it_equals_the_default() {
    let scene = Scene::small();
    scene.edit("job.toml", "out = \"run\"", "out = \"run\"\nif_exists = \"replace\"");
    let outcome = show(&scene, &["--json", "--if-exists", "error"], &[]);
    assert_eq!(setting(&outcome, "if_exists"), (json!("error"), "flag --if-exists".to_owned()));
    scene.publish(&["--previous", "none"]);
    scene.publish(&["--previous", "none"]);
    scene.run(&["--previous", "none", "--if-exists", "error"]).must_end_with(73);
    // A variable stands between them.
    let run = |more: &[&str]| {
        let mut command = scene.command(&["--previous", "none", "--quiet"]);
        finish(command.args(more).env("PHONEMATCH_IF_EXISTS", "error"))
    };
    run(&[]).must_end_with(73);
    run(&["--if-exists", "replace"]).must_end_with(0);
}

#[test]
fn variables_alone_make_the_same_run_as_the_job_file() {
    let scene = Scene::small();
    scene.publish(&["--previous", "none"]);
    let mut command = phonematch();
    command.current_dir(scene.path()).arg("match");
    for (name, value) in [
        ("NAME", "nightly"),
        ("PURPOSE", "ads"),
        ("POLICY", "policy.toml"),
        ("OUT", "by-variables"),
        ("PREVIOUS", "none"),
        ("RECIPIENT", "acme"),
        ("SECRET_FILE", "secret.key"),
        ("ACCOUNTS_FILES", "accounts.csv"),
        ("LISTS", "[{ files = [\"list.csv\"], id = \"spring\" }]"),
        ("OPT_OUTS_FILES", "[\"opt_outs.csv\"]"),
        ("QUIET", "1"),
        ("LEDGER", ""),
    ] {
        command.env(format!("PHONEMATCH_{name}"), value);
    }
    let outcome = finish(&mut command).must_end_with(0);
    assert!(outcome.stderr.is_empty(), "{}", outcome.stderr);
    for name in ["matches.parquet", "summary.json", "manifest.json"] {
        let read = |run: &str| fs::read(scene.at(run).join(name)).unwrap();
        assert!(read("run") == read("by-variables"), "{name}");
    }
}

#[test]
fn what_a_variable_says_of_lists_holds_for_every_list() {
    let scene = Scene::small();
    scene.write("more.csv", "handy\n(202) 555-0103\n");
    scene.append(
        "job.toml",
        "[[lists]]\nfiles = [\"more.csv\"]\n[lists.columns]\nphone = \"handy\"\n",
    );
    scene.publish(&["--previous", "none", "--quiet", "--out", "without"]);
    let mut command = scene.command(&["--previous", "none", "--quiet", "--out", "with"]);
    finish(command.env("PHONEMATCH_LISTS_COUNTRY", "US")).must_end_with(0);
    let lists = |run: &str| -> BTreeSet<String> {
        let rows = tables::rows(&scene.at(run).join("matches.parquet"));
        rows.iter().map(|row| row["list_id"].to_string().replace('"', "")).collect()
    };
    assert_eq!(lists("without"), BTreeSet::from(["spring".to_owned()]));
    assert_eq!(lists("with"), BTreeSet::from(["more".to_owned(), "spring".to_owned()]));
    // It also holds for a list that a flag names, and columns can be mapped.
    let mut command = scene.command(&["--previous", "none", "--quiet", "--out", "typed"]);
    command.args(["--list", "more.csv"]).env("PHONEMATCH_LISTS_COUNTRY", "US");
    finish(command.env("PHONEMATCH_LISTS_COLUMNS", "{ phone = \"handy\" }")).must_end_with(0);
    assert_eq!(lists("typed"), BTreeSet::from(["more".to_owned()]));
    // Files in a variable take the place of all lists, and so does `config show` tell it.
    let variables = [("PHONEMATCH_LISTS_FILES", "more.csv")];
    let outcome = show(&scene, &["--json"], &variables).must_end_with(0);
    let files = (json!(["more.csv"]), "environment PHONEMATCH_LISTS_FILES".to_owned());
    assert_eq!(setting(&outcome, "lists.1.files"), files);
    assert_eq!(setting(&outcome, "lists.1.id").1, "unset");
    assert!(!outcome.stdout.contains("lists.2"));
}

#[test]
fn a_relative_path_is_relative_to_where_it_is_written() {
    let scene = Scene::small();
    fs::create_dir(scene.at("jobs")).unwrap();
    for name in ["job.toml", "policy.toml", "list.csv", "opt_outs.csv", "secret.key"] {
        fs::rename(scene.at(name), scene.at("jobs").join(name)).unwrap();
    }
    let mut command = phonematch();
    command.current_dir(scene.path()).args(["match", "--quiet"]);
    command.env("PHONEMATCH_JOB", "jobs/job.toml").env("PHONEMATCH_OUT", "here/run");
    command.env("PHONEMATCH_ACCOUNTS_FILES", "acc*.csv");
    finish(&mut command).must_end_with(0);
    assert!(scene.at("here/run/manifest.json").exists());
}

#[test]
fn a_wrong_variable_is_refused_by_name_and_a_stray_one_is_told() {
    let scene = Scene::small();
    for (name, value) in [
        ("PHONEMATCH_IF_EXISTS", "perhaps"),
        ("PHONEMATCH_LISTS", "[{ file = \"x\" }]"),
        ("PHONEMATCH_LISTS_PHONES", "letters"),
        ("PHONEMATCH_ACCOUNTS_COLUMNS", "phone=+12025550101"),
        ("PHONEMATCH_ACCOUNTS_FILES", "[\"a.csv\""),
        ("PHONEMATCH_RECIPIENT", "+12025550101"),
    ] {
        let mut command = scene.command(&["--quiet"]);
        let outcome = finish(command.env(name, value)).must_end_with(78);
        assert!(outcome.stderr.contains(name), "{name}: {}", outcome.stderr);
        assert!(!outcome.stderr.contains("2025550101"), "{}", outcome.stderr);
        assert_eq!(scene.made(), Vec::<String>::new());
    }
    let mut command = scene.command(&[]);
    let outcome = finish(command.env("PHONEMATCH_POLCY", "other.toml")).must_end_with(0);
    assert!(outcome.stderr.contains("PHONEMATCH_POLCY"), "{}", outcome.stderr);
    let outcome = show(&scene, &["--json"], &[("PHONEMATCH_POLCY", "x")]).must_end_with(0);
    assert_eq!(outcome.json()["unknown_variables"], json!(["PHONEMATCH_POLCY"]));
}

#[test]
fn a_mistake_in_the_jobs_sense_is_told_with_its_place() {
    let scene = Scene::small();
    let place = |outcome: Outcome, place: &str| {
        let outcome = outcome.must_end_with(78);
        assert!(outcome.stderr.contains(place), "{place}: {}", outcome.stderr);
        assert!(!outcome.stderr.contains("202555"), "{}", outcome.stderr);
    };
    let job = scene.read("job.toml");
    for (from, to) in [
        ("recipient = \"acme\"", "recipient = \"12025550101\""),
        ("id = \"spring\"", "id = \"12025550101\""),
        ("id = \"spring\"", "country = \"Germany\""),
        ("files = [\"list.csv\"]", "files = []"),
        ("files = [\"opt_outs.csv\"]", "files = [\"opt_outs.csv\"]\ncountry = \"D\""),
        ("name = \"nightly\"", "name = \"a b\""),
    ] {
        scene.write("job.toml", job.replace(from, to));
        let text = scene.read("job.toml");
        let wrong = to.lines().last().unwrap();
        place(scene.run(&["--quiet"]), &format!("line {} of job.toml", line_of(&text, wrong)));
    }
    scene.write("job.toml", &job);
    place(scene.run(&["--quiet", "--recipient", "12025550101"]), "the flag --recipient");
    place(scene.run(&["--quiet", "--default-country", "1202555"]), "the flag --default-country");
}

fn schema(what: &str) -> Value {
    let outcome = finish(phonematch().args(["config", "schema", what])).must_end_with(0);
    serde_json::from_str(&outcome.stdout).unwrap()
}

#[test]
fn the_committed_schemas_are_those_that_the_program_prints() {
    for what in ["job", "policy"] {
        let printed = finish(phonematch().args(["config", "schema", what])).must_end_with(0).stdout;
        let path = root().join(format!("fixtures/schemas/{what}.schema.json"));
        if std::env::var_os("PHONEMATCH_BLESS").is_some() {
            fs::write(&path, &printed).unwrap();
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), printed, "{}", path.display());
    }
}

/// Every file of that name under `fixtures`, and the ready policies.
fn written(what: &str) -> Vec<PathBuf> {
    let mut files = files_under(&root().join("fixtures"));
    files.retain(|path| {
        let name = path.file_name().unwrap().to_str().unwrap();
        name == format!("{what}.toml")
            || what == "policy" && path.parent().unwrap().ends_with("policies")
    });
    files.retain(|path| path.extension().is_some_and(|kind| kind == "toml"));
    files
}

#[test]
fn the_schemas_take_every_job_and_policy_under_fixtures() {
    for (what, least) in [("job", 20), ("policy", 25)] {
        let (schema, files) = (schema(what), written(what));
        assert!(files.len() >= least, "{} {what}", files.len());
        for path in files {
            let file: Value = toml::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
            assert_eq!(faults(&schema, &file), Vec::<String>::new(), "{}", path.display());
        }
    }
    let taken = |what: &str, text: &str| faults(&schema(what), &toml::from_str(text).unwrap());
    assert!(taken("job", crate::support::JOB).is_empty());
    assert!(taken("policy", crate::support::POLICY).is_empty());
}

#[test]
fn the_schemas_refuse_what_the_program_refuses() {
    for (what, whole, from, to) in [
        ("job", crate::support::JOB, "recipient", "recipent"),
        ("job", crate::support::JOB, "\"ads\"", "\"fun\""),
        ("job", crate::support::JOB, "[\"list.csv\"]", "\"list.csv\""),
        ("job", crate::support::JOB, "id = \"spring\"", "country = \"Germany\""),
        ("job", crate::support::JOB, "id = \"spring\"", "phones = \"letters\""),
        ("policy", crate::support::POLICY, "max_age_hours = 26", "max_age_hours = \"26\""),
        ("policy", crate::support::POLICY, "max_age_hours = 26", "max_age_hours = -1"),
        ("policy", crate::support::POLICY, "max_age_hours = 26\n", ""),
        ("policy", crate::support::POLICY, "\"MOBILE\"", "\"MOBIL\""),
        ("policy", crate::support::POLICY, "\"device\", \"verified_at\"", "\"divice\""),
        ("policy", crate::support::POLICY, "attribute_cell = 1", "cell = 1"),
        ("policy", crate::support::POLICY, "matched_people = 1\n", ""),
        ("policy", crate::support::POLICY, "purpose = \"ads\"", "purpose = \"anti_spam\""),
        (
            "policy",
            crate::support::POLICY,
            "[attributes]\nkeep = [\"region\", \"os\", \"os_version\", \"device\"]",
            "",
        ),
        ("policy", crate::support::POLICY, "excluded_regions = []", "excluded_regions = [\"KPK\"]"),
    ] {
        assert!(whole.contains(from), "{from}");
        let text = whole.replacen(from, to, 1);
        let file: Value = toml::from_str(&text).unwrap();
        assert!(!faults(&schema(what), &file).is_empty(), "{from} to {to} passes");
        let scene = Scene::small();
        scene.write(&format!("{what}.toml"), text);
        scene.run(&["--quiet"]).must_end_with(78);
    }
}

#[test]
fn the_job_of_the_readme_runs_with_the_commands_beside_it() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let (_, section) = readme.split_once("## A first job of your own").unwrap();
    let block = |kind: &str| {
        let (_, rest) = section.split_once(&format!("```{kind}\n")).unwrap();
        rest.split_once("```").unwrap().0.to_owned()
    };
    let scene = Scene::small();
    fs::remove_file(scene.at("secret.key")).unwrap();
    scene.write("nightly.toml", block("toml"));
    let accounts = scene.read("accounts.csv").replace(",phone,", ",msisdn,");
    fs::create_dir(scene.at("export")).unwrap();
    // What a file is, its bytes tell and not its name.
    scene.write("export/part.parquet", accounts);
    fs::rename(scene.at("list.csv"), scene.at("spring.csv.gz")).unwrap();
    for line in block("sh").lines() {
        let typed = line.split('#').next().unwrap().trim();
        let Some(typed) = typed.strip_prefix("phonematch ") else {
            // The scene has its program and a policy of its own; the ready one must be there.
            let (word, rest) = typed.split_once(' ').unwrap();
            let file = rest.split(' ').next().unwrap();
            assert!(word == "cargo" || (word == "cp" && root().join(file).exists()), "{typed}");
            continue;
        };
        let arguments = typed.split_whitespace();
        let mut command = phonematch();
        finish(command.current_dir(scene.path()).args(arguments)).must_end_with(0);
    }
    assert_eq!(tables::rows(&scene.at("runs/2026-11-22/matches.parquet")).len(), 2);
    // Every field of a job stands in it, and the schema takes them.
    let job: Value = toml::from_str(&block("toml")).unwrap();
    assert_eq!(faults(&schema("job"), &job), Vec::<String>::new());
}
