//! `validate` from outside: what it says of sound inputs, of hostile ones, and before the gates.

use std::fs;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, StringArray};
use parquet::file::properties::WriterProperties;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::input::support::{self as files, gzip, zstd};
use crate::support::{Outcome, Scene, finish, phonematch};

/// Starts `validate` on the scene's job.
fn validate(scene: &Scene, more: &[&str]) -> Outcome {
    let mut command = phonematch();
    command.current_dir(scene.path()).args(["validate", "--job", "job.toml", "--quiet"]);
    finish(command.args(more))
}

fn json(scene: &Scene, code: i32) -> Value {
    validate(scene, &["--json"]).must_end_with(code).json()
}

/// The inputs of a role.
fn inputs<'a>(said: &'a Value, role: &str) -> Vec<&'a Value> {
    let inputs = said["inputs"].as_array().unwrap();
    inputs.iter().filter(|input| input["role"] == role).collect()
}

fn rules(said: &Value) -> Vec<&str> {
    let findings = said["findings"].as_array().unwrap();
    findings.iter().map(|finding| finding["rule"].as_str().unwrap()).collect()
}

fn of_gate<'a>(said: &'a Value, gate: &str) -> Vec<&'a Value> {
    let both = ["gates", "opt_out_gates"].map(|field| said[field].as_array().unwrap());
    both.into_iter().flatten().filter(|check| check["gate"] == gate).collect()
}

fn digest(text: &str) -> String {
    hex::encode(Sha256::digest(text.as_bytes()))
}

/// What no message may hold: parts of the numbers and of other cells of these tests.
const CELLS: [&str; 12] = [
    "5550",
    "0101",
    "0102",
    "7946",
    "cmd",
    "calc",
    "\u{1b}",
    "Anna",
    "4.47",
    "791112",
    "0000000000",
    "e3b0",
];

#[track_caller]
fn names_no_cell(said: &str) {
    for cell in CELLS {
        assert!(!said.contains(cell), "{cell:?} stands in\n{said}");
    }
}

#[test]
fn a_sound_job_has_no_fault_and_leaves_nothing_behind() {
    let scene = Scene::small();
    let outcome = validate(&scene, &[]).must_end_with(0);
    assert_eq!(scene.made(), Vec::<String>::new());
    assert!(outcome.stderr.is_empty(), "{}", outcome.stderr);
    assert!(outcome.stdout.ends_with("no fault: a run would begin\n"), "{}", outcome.stdout);
    names_no_cell(&outcome.stdout);
    let said = json(&scene, 0);
    let [list] = inputs(&said, "list")[..] else { panic!("{said}") };
    assert_eq!(list["rows"], 4);
    assert_eq!(list["columns"][0]["field"], "phone");
    assert_eq!(list["columns"][0]["name"], "phone");
    assert_eq!(list["unused_columns"][0], "customer_ref");
    assert_eq!(list["stored"]["delimiter"], "comma");
    assert_eq!(list["stored"]["encoding"], "utf-8");
    assert_eq!(list["stored"]["compression"], "none");
    assert_eq!(list["numbers"]["without_plus"]["count"], 3);
    assert_eq!(list["numbers"]["countries"]["GB"], 2);
    assert_eq!(list["numbers"]["types"]["FIXED_LINE"], 2);
    // Of four numbers two are accounts of people who said nothing or yes, and one opted out.
    assert_eq!(list["matches"]["numbers"], 4);
    assert_eq!(list["matches"]["matched"], 2);
    assert_eq!(list["matches"]["barred"], 1);
    assert!(of_gate(&said, "max_age_hours").iter().all(|check| check["outcome"] == "passes"));
    assert_eq!(said["faults"].as_array().unwrap().len(), 0);
}

/// What it says of rows is what a run counts.
#[test]
fn its_figures_are_those_of_the_run() {
    let scene = Scene::made_up(3000, 1500, 11);
    scene.edit("policy.toml", "matched_people = 100", "matched_people = 1");
    let said = json(&scene, 0);
    scene.publish(&[]);
    let report = scene.report("run");
    for role in ["opt_outs", "list", "accounts"] {
        let mine = inputs(&said, role)[0];
        let theirs =
            report["inputs"].as_array().unwrap().iter().find(|it| it["role"] == role).unwrap();
        for (field, of_report) in
            [("rows", "rows_read"), ("rejected", "rejected"), ("rejected_by", "rejected_by")]
        {
            assert_eq!(mine[field], theirs[of_report], "{role} {field}");
        }
    }
    let list = inputs(&said, "list")[0];
    let matched: u64 =
        report["lists"].as_array().unwrap().iter().map(|it| it["matched"].as_u64().unwrap()).sum();
    assert_eq!(list["matches"]["matched"].as_u64().unwrap(), matched);
    let theirs = report["inputs"].as_array().unwrap().iter().find(|it| it["role"] == "list");
    assert_eq!(list["duplicates"]["count"], theirs.unwrap()["duplicates"]);
    let countries = inputs(&said, "accounts")[0]["numbers"]["countries"].as_object().unwrap();
    let read: u64 = countries.values().map(|count| count.as_u64().unwrap()).sum();
    let accounts = inputs(&said, "accounts")[0];
    assert_eq!(read, accounts["rows"].as_u64().unwrap() - accounts["rejected"].as_u64().unwrap());
}

#[test]
fn a_sample_holds_the_same_people_on_both_sides_and_its_range_the_true_rate() {
    let scene = Scene::made_up(12_000, 12_000, 3);
    let whole = json(&scene, 0);
    let rate = |said: &Value| inputs(said, "list")[0]["matches"]["rate"].as_f64().unwrap();
    let said = validate(&scene, &["--json", "--sample", "10%"]).must_end_with(0).json();
    let sampled = &inputs(&said, "list")[0]["matches"];
    let numbers = sampled["numbers"].as_u64().unwrap();
    let all = inputs(&whole, "list")[0]["matches"]["numbers"].as_u64().unwrap();
    assert!(numbers > all / 20 && numbers < all / 5, "{numbers} of {all}");
    let (low, high) = (sampled["between"][0].as_f64().unwrap(), sampled["between"][1].as_f64());
    assert!(low < rate(&whole) && rate(&whole) < high.unwrap(), "{sampled} {}", rate(&whole));
    // The same people again.
    let again = validate(&scene, &["--json", "--sample", "0.1"]).must_end_with(0).json();
    assert_eq!(inputs(&again, "list")[0]["matches"], *sampled);
    let text = validate(&scene, &["--sample", "10%"]).must_end_with(0).stdout;
    assert!(text.contains("a sample of 10 % of all people, drawn by key"), "{text}");
    validate(&scene, &["--sample", "lots"]).must_end_with(2);
}

#[test]
fn the_form_of_hashed_lists_is_found_and_a_wrong_one_named() {
    let scene = Scene::small();
    let numbers = ["12025550101", "442079460004", "442079460005", "442079460099"];
    let rows: String = numbers.map(|number| digest(number) + "\n").concat();
    scene.write("list.csv", format!("phone_sha256\n{rows}"));
    for (phones, rules_expected) in
        [("e164", Some("other_form")), ("digits", None), ("probe", Some("form_found"))]
    {
        scene.write("job.toml", crate::support::JOB);
        let id = format!("id = \"spring\"\nphones = \"{phones}\"");
        scene.edit("job.toml", "id = \"spring\"", &id);
        let said = json(&scene, 0);
        let list = inputs(&said, "list")[0];
        assert_eq!(list["dialect"]["declared"], phones);
        assert_eq!(list["dialect"]["digits"], 3, "{phones}");
        assert_eq!(list["dialect"]["e164"], 0, "{phones}");
        assert_eq!(list["numbers"], Value::Null);
        let matched = if phones == "e164" { 0 } else { 3 };
        assert_eq!(list["matches"]["matched"], matched, "{phones}: as a run would");
        let found: Vec<_> =
            rules(&said).into_iter().filter(|it| it.contains("form") && *it != "form").collect();
        assert_eq!(found.first().copied(), rules_expected, "{phones}: {found:?}");
    }
    scene.edit("list.csv", &digest(numbers[0]), &digest("a salt and +12025550101"));
    let rows: String = numbers.map(|number| digest(&format!("x{number}")) + "\n").concat();
    scene.write("list.csv", format!("phone_sha256\n{rows}"));
    assert!(rules(&json(&scene, 0)).contains(&"foreign_digests"));
}

/// Each rule by a list that it is about; ten rows each, so that a share is easy to see.
#[test]
fn why_few_match_is_said_in_words_with_a_figure_and_a_remedy() {
    let rows = |row: fn(u32) -> String| (0..10).map(row).collect::<String>();
    let cases: [(&str, String); 12] = [
        ("no_country", rows(|n| format!("020 7946 000{n},\n"))),
        ("lost_plus", rows(|n| format!("44207946000{n},US\n"))),
        ("wrong_row_country", rows(|n| format!("020 7946 000{n},US\n"))),
        ("too_short", rows(|n| format!("+1202{n},\n"))),
        ("scientific", rows(|n| format!("4.4791{n}E+11,\n"))),
        ("float_suffix", rows(|n| format!("44791112345{n}.0,\n"))),
        ("multiple_numbers", rows(|n| format!("+1202555010{n}; +1202555011{n},\n"))),
        ("placeholder", rows(|_| "0000000000,US\n".to_owned())),
        ("empty", rows(|n| if n < 8 { ",US\n".into() } else { "+12025550101,\n".into() })),
        ("landlines", rows(|n| format!("+44 20 7946 000{n},\n"))),
        ("duplicates", rows(|_| "+12025550101,\n".to_owned())),
        ("opted_out", rows(|n| if n < 5 { format!("+1202555010{n},\n") } else { String::new() })),
    ];
    for (rule, rows) in cases {
        let scene = Scene::small();
        scene.write("list.csv", format!("phone,country\n{rows}"));
        let said = json(&scene, 0);
        let findings = said["findings"].as_array().unwrap();
        let found = findings.iter().find(|finding| finding["rule"] == rule);
        let Some(found) = found else { panic!("{rule} is not among {:?}", rules(&said)) };
        assert_eq!(found["severity"], "low_match_rate", "{rule}");
        assert!(found["share"].as_f64().unwrap() > 0.05, "{rule}: {found}");
        assert!(found["found"].as_str().unwrap().contains('%'), "{rule}: {found}");
        assert!(found["remedy"].as_str().unwrap().len() > 10, "{rule}: {found}");
        let text = validate(&scene, &[]).must_end_with(0).stdout;
        let line = format!("list.csv: {}; {}", found["found"], found["remedy"]).replace('"', "");
        assert!(text.replace('"', "").contains(&line.replace('\\', "")), "{line}\n{text}");
        assert!(text.contains("why the match rate may be low"), "{text}");
        names_no_cell(&text);
    }
    let scene = Scene::small();
    scene.edit("list.csv", "020 7946 0004,GB", "030 23125 000,");
    scene.edit("job.toml", "id = \"spring\"", "id = \"spring\"\ncountry = \"FR\"");
    assert!(rules(&json(&scene, 0)).contains(&"wrong_country"));
    scene.set_age_hours("list.csv", 24 * 200);
    assert!(rules(&json(&scene, 0)).contains(&"old_list"));
}

#[test]
fn every_gate_of_the_opt_out_source_is_shown_with_its_figure() {
    for (gate, outcome, code, spoil) in [
        (
            "when_missing",
            "breaks",
            66,
            (|it| fs::remove_file(it.at("opt_outs.csv")).unwrap()) as fn(&Scene),
        ),
        ("when_empty", "breaks", 66, |it| it.write("opt_outs.csv", "phone\n")),
        ("max_age_hours", "breaks", 66, |it| it.set_age_hours("opt_outs.csv", 100)),
        ("future_tolerance_minutes", "breaks", 66, |it| it.set_age_hours("opt_outs.csv", -2)),
        ("when_line_end_missing", "breaks", 66, |it| {
            it.write("opt_outs.csv", "phone\n+12025550102")
        }),
        ("max_unreadable_rows", "breaks", 65, |it| it.append("opt_outs.csv", "call me,,\n")),
    ] {
        let scene = Scene::small();
        spoil(&scene);
        let said = json(&scene, code);
        let [check] = of_gate(&said, gate)[..] else { panic!("{gate}: {said}") };
        assert_eq!(check["outcome"], outcome, "{gate}: {check}");
        // The rest is read all the same.
        assert_eq!(inputs(&said, "accounts")[0]["rows"], 5, "{gate}");
        assert_eq!(scene.run(&["--quiet"]).code, Some(code), "{gate}: as a run would");
        if code == 66 {
            let word = match gate {
                "max_age_hours" => "when_stale",
                "future_tolerance_minutes" => "when_dated_in_future",
                other => other,
            };
            let refuse = format!("{word} = \"refuse\"");
            scene.edit("policy.toml", &refuse, &format!("{word} = \"allow\""));
            let said = json(&scene, 0);
            assert_eq!(of_gate(&said, gate)[0]["outcome"], "allowed", "{gate}");
        }
    }
    let scene = Scene::small();
    let rows: String = (0..50).map(|n| format!("+44 20 7946 01{n:02},,\n")).collect();
    scene.append("opt_outs.csv", &rows);
    scene.publish(&["--out", "run-1"]);
    scene.write("opt_outs.csv", "phone,purpose,opted_out_at\n+1-202-555-0102,,2026-01-01\n");
    let said = json(&scene, 65);
    assert_eq!(of_gate(&said, "max_shrink_percent")[0]["outcome"], "breaks");
}

/// The gates, with what breaks each; `match` and `validate` end alike.
#[test]
fn a_broken_gate_ends_both_commands_with_65_and_names_rate_limit_input_and_remedy() {
    for (gate, part, figures) in [
        ("max_reject_rate = 0.1", "max_reject_rate", ["20 %", "10 %", "list.csv"]),
        ("min_match_rate = 0.6", "min_match_rate", ["50 %", "60 %", "list.csv"]),
        ("max_match_rate = 0.4", "max_match_rate", ["50 %", "40 %", "list.csv"]),
    ] {
        let scene = Scene::small();
        if gate.starts_with("max_reject") {
            scene.append("list.csv", "no number at all,,e\n");
        }
        scene.append("job.toml", &format!("\n[gates]\n{gate}\n"));
        let run = scene.run(&["--quiet"]).must_end_with(65);
        let errors: Vec<_> = run.stderr.lines().collect();
        let [error] = errors[..] else { panic!("{}", run.stderr) };
        for needed in figures.into_iter().chain([part, "nothing was published"]) {
            assert!(error.contains(needed), "{needed}: {error}");
        }
        names_no_cell(error);
        assert_eq!(scene.made(), Vec::<String>::new());
        let said = json(&scene, 65);
        let of_list = of_gate(&said, part).into_iter().find(|check| check["file"] == "list.csv");
        assert_eq!(of_list.unwrap()["outcome"], "breaks");
        let faults = said["faults"].as_array().unwrap();
        assert_eq!(faults.len(), 1, "{said}");
        assert!(error.contains(faults[0]["text"].as_str().unwrap()), "{error}");
        let text = validate(&scene, &[]).must_end_with(65);
        let last = text.stdout.lines().last().unwrap();
        assert!(last.contains("exit 65") && last.contains(part), "{}", text.stdout);
        assert_eq!(text.stderr.lines().count(), 1, "{}", text.stderr);
        // At the limit it opens.
        let kept = gate.replace("0.1", "0.2").replace("0.6", "0.5").replace("0.4", "0.5");
        scene.edit("job.toml", gate, &kept);
        json(&scene, 0);
        scene.publish(&[]);
    }
}

#[test]
fn a_night_that_is_much_smaller_or_larger_than_the_last_is_refused() {
    let scene = Scene::small();
    scene.append("job.toml", "\n[gates]\nmax_change_since_last_run = 0.25\n");
    let said = json(&scene, 0);
    let found = of_gate(&said, "max_change_since_last_run");
    assert_eq!(found.len(), 2);
    assert!(found.iter().all(|check| check["outcome"] == "passes"), "{said}");
    scene.publish(&["--out", "run-1"]);
    let accounts = scene.read("accounts.csv");
    let half: String = accounts.lines().take(4).map(|line| format!("{line}\n")).collect();
    for (file, content, what) in [
        ("accounts.csv", half, "the export"),
        (
            "list.csv",
            scene.read("list.csv") + "020 7946 0090,GB,x\n020 7946 0091,GB,y\n",
            "all lists",
        ),
    ] {
        let before = scene.read(file);
        scene.write(file, content);
        let run = scene.run(&["--quiet", "--out", "run-2"]).must_end_with(65);
        for needed in [what, "25 %", "max_change_since_last_run", "check that"] {
            assert!(run.stderr.contains(needed), "{needed}: {}", run.stderr);
        }
        let said = json(&scene, 65);
        assert!(said["faults"][0]["text"].as_str().unwrap().contains(what), "{said}");
        scene.write(file, before);
    }
    // As many rows, and hardly a match: only the run can tell, when it has them.
    scene.edit("list.csv", "020 7946 0004,GB", "020 7946 0098,GB");
    json(&scene, 0);
    let run = scene.run(&["--quiet", "--out", "run-2"]).must_end_with(65);
    assert!(run.stderr.contains("the number of matches changed by 50 %"), "{}", run.stderr);
    assert_eq!(scene.made(), ["run-1"]);
    scene.edit("job.toml", "0.25", "0.5");
    scene.publish(&["--out", "run-2"]);
}

#[test]
fn a_gate_that_cannot_be_meant_is_refused_with_its_line() {
    for (gates, said) in [
        ("max_reject_rate = 5", "from 0 to 1"),
        ("max_reject_rate = -0.1", "from 0 to 1"),
        ("max_match_rate = \"much\"", "line"),
        ("max_change_since_last_run = nan", "a change"),
        ("max_rejects = 0.5", "max_rejects"),
        ("min_match_rate = 0.5\nmax_match_rate = 0.4", "no list could pass"),
    ] {
        let scene = Scene::small();
        scene.append("job.toml", &format!("\n[gates]\n{gates}\n"));
        for outcome in [scene.run(&["--quiet"]), validate(&scene, &[])] {
            let outcome = outcome.must_end_with(78);
            assert!(outcome.stderr.contains(said), "{gates}: {}", outcome.stderr);
        }
    }
}

/// A file that is broken in one way, and the word that says which.
struct Hostile {
    name: &'static str,
    bytes: Vec<u8>,
    code: i32,
    says: &'static str,
}

fn hostile(
    name: &'static str,
    bytes: impl Into<Vec<u8>>,
    code: i32,
    says: &'static str,
) -> Hostile {
    Hostile { name, bytes: bytes.into(), code, says }
}

fn phones() -> ArrayRef {
    Arc::new(StringArray::from(vec!["+12025550101", "+442079460004"]))
}

fn flip(mut bytes: Vec<u8>, back: usize) -> Vec<u8> {
    let at = bytes.len() - back;
    bytes[at] ^= 1;
    bytes
}

fn hostile_lists() -> Vec<Hostile> {
    let csv = b"phone,country\n+12025550101,US\n020 7946 0004,GB\n";
    let plain = |columns| files::parquet(columns, WriterProperties::builder().build());
    let table = plain(vec![("phone", phones())]);
    let float: ArrayRef = Arc::new(Float64Array::from(vec![12025550101.0, 442079460004.0]));
    let mut long_footer = table.clone();
    let at = long_footer.len() - 8;
    long_footer[at..at + 4].copy_from_slice(&u32::MAX.to_le_bytes());
    let packed = gzip(csv);
    let open = format!("phone,country\n\"{}", "+12025550101,US\n".repeat(100_000));
    vec![
        hostile("empty", "", 66, "is empty"),
        hostile("mark_only", "\u{feff}", 66, "is empty"),
        hostile("no_header", "+12025550101,US\n020 7946 0004,GB\n", 65, "no header row"),
        hostile("anna", "Anna Smith,+12025550101\n", 65, "no header row"),
        hostile("missing_header", "name,city\nAnna,x\n", 65, "cannot find any of phone"),
        hostile("duplicate_header", "phone,phone\n1,2\n", 65, "more than one column for phone"),
        hostile("two_phones", "phone,mobile\n1,2\n", 65, "more than one column for phone"),
        hostile("bad_header", b"pho\xffne,country\n1,US\n", 65, "is not UTF-8"),
        hostile("nul_header", b"phone\0,country\n1,US\n", 65, "is not UTF-8"),
        hostile("open_quote", open, 65, "is not closed"),
        hostile("gzip_cut", &packed[..packed.len() - 9], 66, "cut short"),
        hostile("gzip_crc", flip(packed.clone(), 6), 65, "damaged"),
        hostile("gzip_behind", [&packed[..], b"+12025550101"].concat(), 65, "damaged"),
        hostile("zstd_cut", &zstd(csv)[..20], 66, "cut short"),
        hostile("packed_twice", gzip(&packed), 65, "packed twice"),
        hostile("parquet_magic", flip(table.clone(), 1), 66, "cut short"),
        hostile("parquet_footer", long_footer, 65, "damaged"),
        hostile("parquet_cut", &table[..table.len() / 2], 66, "cut short"),
        hostile("parquet_packed", gzip(&table), 65, "is Parquet packed in gzip"),
        hostile("parquet_double", plain(vec![("phone", float)]), 65, "loses digits"),
        hostile("parquet_unnamed", plain(vec![("x", phones())]), 65, "cannot find any of phone"),
        hostile("excel", b"PK\x03\x04 and the rest", 65, "an Excel workbook"),
        hostile("utf16_cut", b"\xff\xfep\0h\0o", 65, ""),
        hostile("hashes", format!("phone\n{0}\n{0}\n", digest("")), 65, "holds SHA-256 digests"),
    ]
}

#[test]
fn each_hostile_file_is_named_in_one_line_without_the_text_of_a_cell() {
    for Hostile { name, bytes, code, says } in hostile_lists() {
        let scene = Scene::small();
        scene.write("list.csv", bytes);
        let outcome = validate(&scene, &[]);
        assert!(matches!(outcome.code, Some(65 | 66)), "{name}: {outcome:?}");
        if !says.is_empty() {
            assert_eq!(outcome.code, Some(code), "{name}: {outcome:?}");
        }
        let faults: Vec<_> =
            outcome.stdout.lines().filter(|line| line.starts_with("  exit ")).collect();
        let [fault] = faults[..] else { panic!("{name}: not one line of\n{}", outcome.stdout) };
        assert!(fault.contains("list.csv") && fault.contains(says), "{name}: {fault}");
        names_no_cell(&outcome.stdout);
        names_no_cell(&outcome.stderr);
        let said = json(&scene, outcome.code.unwrap());
        names_no_cell(&said.to_string());
        // A bad list does not keep anybody from hearing of the rest.
        assert_eq!(inputs(&said, "accounts")[0]["is_whole"], true, "{name}");
        assert_eq!(scene.run(&["--quiet"]).code, outcome.code, "{name}: as a run would");
    }
}

#[test]
fn all_faults_of_a_night_are_named_at_once() {
    let scene = Scene::small();
    scene.write("accounts.csv", "phone,country\n+12025550101,US\n");
    scene.write("list.csv", &gzip(b"phone\n+12025550101\n")[..15]);
    scene.set_age_hours("opt_outs.csv", 300);
    let outcome = validate(&scene, &[]).must_end_with(66);
    let faults: Vec<_> =
        outcome.stdout.lines().filter(|line| line.starts_with("  exit ")).collect();
    assert_eq!(faults.len(), 3, "{}", outcome.stdout);
    for (fault, file) in faults.iter().zip(["opt_outs.csv", "list.csv", "accounts.csv"]) {
        assert!(fault.contains(file), "{fault}");
    }
    assert!(outcome.stderr.contains("3 faults found"), "{}", outcome.stderr);
}

/// A file that is read, of so many rows, and of which so many are rejected for a reason.
struct Odd {
    name: &'static str,
    bytes: Vec<u8>,
    rows: u64,
    rejected: Option<(&'static str, u64)>,
}

/// What is odd and no fault: read, counted by reason, and the next row is fine.
#[test]
fn odd_files_are_read_and_their_bad_rows_counted_by_reason() {
    let utf16 = |big: bool| -> Vec<u8> {
        let units = "\u{feff}phone;country\n+12025550101;US\n020 7946 0004;GB\n".encode_utf16();
        units.flat_map(|unit| if big { unit.to_be_bytes() } else { unit.to_le_bytes() }).collect()
    };
    let ragged = "phone,country\n+12025550101,US\n+12025550103\n+12025550104,US,x,y\n";
    let cells = "phone,country\n=cmd|' /C calc'!A0,US\n\"+1202\n5550101\",US\n\u{1b}[2J,US\n\
                 +12025550103,US\n";
    let odd = |name, bytes: &[u8], rows| Odd { name, bytes: bytes.to_vec(), rows, rejected: None };
    let rejecting = |odd: Odd, reason, count| Odd { rejected: Some((reason, count)), ..odd };
    let bad_cell = odd("bad_cell", b"phone\n+1202\xff5550101\n+12025550103\n", 2);
    let cases = [
        odd("mark", "\u{feff}phone\n+12025550101\n".as_bytes(), 1),
        odd("utf16le", &utf16(false), 2),
        odd("utf16be", &utf16(true), 2),
        odd("cr", b"phone,country\r+12025550101,US\r020 7946 0004,GB\r", 2),
        odd("mixed", b"phone\r\n+12025550101\r+12025550103\n", 2),
        odd("tab", b"phone\tcountry\n020 7946 0004\tGB\n", 1),
        odd("header_only", b"phone,country\n", 0),
        rejecting(odd("ragged", ragged.as_bytes(), 3), "malformed_row", 2),
        rejecting(bad_cell, "bad_encoding", 1),
        rejecting(odd("formula", cells.as_bytes(), 4), "not_a_number", 3),
    ];
    for Odd { name, bytes, rows, rejected } in cases {
        let scene = Scene::small();
        scene.write("list.csv", bytes);
        let outcome = validate(&scene, &["--json"]).must_end_with(0);
        names_no_cell(&outcome.stdout);
        let said = outcome.json();
        let list = inputs(&said, "list")[0];
        assert_eq!(list["rows"], rows, "{name}: {list}");
        if let Some((reason, count)) = rejected {
            assert_eq!(list["rejected_by"][reason], count, "{name}: {list}");
        }
        names_no_cell(&validate(&scene, &[]).must_end_with(0).stdout);
    }
}

#[test]
fn a_file_of_a_header_and_no_row_is_said_to_be_one_and_nobody_else_is_blamed() {
    for (file, header) in [("accounts.csv", "phone,consent_ads\n"), ("list.csv", "phone,country\n")]
    {
        let scene = Scene::small();
        scene.write(file, header);
        let said = json(&scene, 0);
        let findings = said["findings"].as_array().unwrap();
        let about_rows: Vec<_> = findings.iter().filter(|it| it["rule"] == "no_row").collect();
        assert_eq!((about_rows.len(), &about_rows[0]["file"]), (1, &Value::from(file)), "{said}");
        let is_of_list =
            |it: &&Value| it["severity"] == "low_match_rate" && it["file"] == "list.csv";
        let low = findings.iter().filter(is_of_list).count();
        assert_eq!(low, 0, "{said}");
    }
}

#[test]
fn validate_makes_nothing_not_even_a_secret_that_the_job_would_have_made() {
    let scene = Scene::small();
    std::fs::remove_file(scene.at("secret.key")).unwrap();
    scene.edit(
        "job.toml",
        "file = \"secret.key\"",
        "file = \"secret.key\"\nif_missing = \"create\"",
    );
    validate(&scene, &[]).must_end_with(0);
    assert!(!scene.at("secret.key").exists());
    scene.publish(&["--quiet"]);
    assert!(scene.at("secret.key").exists());
}
