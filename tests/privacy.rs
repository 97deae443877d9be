//! Known numbers are planted in every place a number can stand, the program is run so that it
//! succeeds and so that it fails in every way, and every byte it wrote is searched for them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD};

use crate::support::keys::{Form, Tokens, digest, match_key};
use crate::support::{Outcome, SECRET_HEX, Scene, files_under, finish, phonematch, tables};

/// Numbers that stand somewhere in the inputs, as E.164 digits and as the national part.
const PLANTED: [(&str, &str); 10] = [
    ("12025550171", "2025550171"),
    ("12025550172", "2025550172"),
    ("12025550173", "2025550173"),
    ("12025550174", "2025550174"),
    ("12025550175", "2025550175"),
    ("12025550176", "2025550176"),
    ("442079460381", "2079460381"),
    ("442079460382", "2079460382"),
    ("442079460383", "2079460383"),
    ("491713920038", "1713920038"),
];

/// Words that stand in cells and must be echoed nowhere.
const MARKERS: [&str; 4] = ["ZebraQuokka", "NarwhalIbis", "OkapiTapir", "LemurGecko"];

struct Needle {
    what: String,
    bytes: Vec<u8>,
}

/// One number in all the ways that a careless program might write it.
fn needles_of(digits: &str, national: &str) -> Vec<Needle> {
    let mut needles = Vec::new();
    let mut add = |what: &str, bytes: Vec<u8>| {
        needles.push(Needle { what: format!("{digits} as {what}"), bytes });
    };
    let spaced = |separator: &str| {
        let at = national.len() - 4;
        let (area, middle, line) = (&national[..at - 3], &national[at - 3..at], &national[at..]);
        [area, middle, line].join(separator).into_bytes()
    };
    let utf16 = |order: fn(u16) -> [u8; 2]| national.encode_utf16().flat_map(order).collect();
    let number: u64 = digits.parse().unwrap();
    // With a plus and without: the digits alone find both.
    add("digits", digits.into());
    add("national digits", national.into());
    add("spaced", spaced(" "));
    add("dashed", spaced("-"));
    add("dotted", spaced("."));
    add("London's spacing", [&national[..2], &national[2..6], &national[6..]].join(" ").into());
    add("reversed", national.chars().rev().collect::<String>().into());
    add("hexadecimal text", hex::encode(national).into());
    add("hexadecimal integer", format!("{number:x}").into());
    add("UTF-16LE", utf16(u16::to_le_bytes));
    add("UTF-16BE", utf16(u16::to_be_bytes));
    add("u64 LE", number.to_le_bytes().to_vec());
    add("u64 BE", number.to_be_bytes().to_vec());
    for (text, what) in [(format!("+{digits}"), "with plus"), (digits.to_owned(), "without")] {
        let start = text.len() / 3 * 3;
        add(&format!("Base64 {what}"), BASE64_STANDARD.encode(&text[..start]).into());
    }
    for (form, what) in [(Form::E164, "with plus"), (Form::Digits, "without")] {
        let digest = digest(digits, form);
        let lower = hex::encode(digest);
        add(&format!("SHA-256 {what}"), lower.as_bytes()[..24].to_vec());
        add(&format!("SHA-256 in capitals {what}"), lower.to_uppercase().as_bytes()[..24].to_vec());
        add(&format!("Base64 of SHA-256 {what}"), BASE64_STANDARD_NO_PAD.encode(digest).into());
        add(&format!("URL Base64 of SHA-256 {what}"), BASE64_URL_SAFE_NO_PAD.encode(digest).into());
        add(&format!("raw SHA-256 {what}"), digest[..16].to_vec());
        let key = match_key(SECRET_HEX, digits, form);
        add(&format!("match key {what}"), key.to_vec());
        add(&format!("match key in hex {what}"), hex::encode(key).into());
    }
    needles
}

fn needles() -> Vec<Needle> {
    let mut needles: Vec<_> =
        PLANTED.iter().flat_map(|(digits, national)| needles_of(digits, national)).collect();
    needles.extend(MARKERS.iter().flat_map(|marker| {
        let forms = [marker.to_string(), marker.to_lowercase(), marker.to_uppercase()];
        forms.map(|form| Needle { what: format!("the text {marker}"), bytes: form.into_bytes() })
    }));
    let secret = hex::decode(SECRET_HEX).unwrap();
    needles.push(Needle { what: "the secret".into(), bytes: secret[..16].to_vec() });
    needles.push(Needle { what: "the secret".into(), bytes: SECRET_HEX[..20].into() });
    needles
}

fn holds(haystack: &[u8], needle: &[u8]) -> bool {
    let Some(first) = needle.first() else { return false };
    let mut rest = haystack;
    while let Some(at) = rest.iter().position(|byte| byte == first) {
        if rest[at..].starts_with(needle) {
            return true;
        }
        rest = &rest[at + 1..];
    }
    false
}

/// A scene with planted numbers everywhere and the files that were there before the run.
struct Planted {
    scene: Scene,
    inputs: BTreeSet<PathBuf>,
}

impl Planted {
    fn new() -> Self {
        let scene = Scene::small();
        scene.append(
            "accounts.csv",
            "ZebraQuokka,+12025550171,US,granted,Android 14,phone\n\
             7,+12025550172,US,denied,OkapiTapir 9,NarwhalIbis\n\
             8,12025550173 ZebraQuokka 12025550174,US,granted,Android 14,phone\n\
             9,+442079460381,ZZ,LemurGecko,iOS,phone\n\
             10,+44207946038199999,GB,granted,iOS,phone\n",
        );
        scene.append(
            "list.csv",
            "+1 202 555 0171,US,ZebraQuokka\n\
             (202) 555-0172,US,e\n\
             +12025550175;+12025550176,US,f\n\
             12025550175.0,US,g\n\
             ZebraQuokka 020 7946 0382,GB,h\n\
             020 7946 0382,GB,i\n\
             \"=HYPERLINK(\"\"NarwhalIbis\"\",\"\"+442079460383\"\")\",GB,j\n\
             0171 3920038 extra,DE,\u{1b}[31mOkapiTapir\n",
        );
        scene.append(
            "opt_outs.csv",
            "+44 20 7946 0382,,\n+12025550175;+12025550176,LemurGecko,x\n+491713920038,ads,x\n",
        );
        Self { scene, inputs: BTreeSet::new() }.sealed()
    }

    fn sealed(mut self) -> Self {
        self.inputs = files_under(self.scene.path()).into_iter().collect();
        self
    }

    fn loud(&self, more: &[&str]) -> Outcome {
        let mut command = self.scene.command(more);
        finish(command.env("RUST_LOG", "trace").env("RUST_BACKTRACE", "full"))
    }

    /// Every place where something planted came out.
    fn leaks(&self, outcome: &Outcome) -> Vec<String> {
        let mut haystacks = vec![
            ("standard output".to_owned(), outcome.stdout.clone().into_bytes()),
            ("standard error".to_owned(), outcome.stderr.clone().into_bytes()),
        ];
        for path in files_under(self.scene.path()) {
            if self.inputs.contains(&path) {
                continue;
            }
            let name = path.strip_prefix(self.scene.path()).unwrap().display().to_string();
            if name.ends_with(".parquet") && !name.contains(".partial") {
                let rows = format!("{:?}", tables::rows(&path));
                haystacks.push((format!("{name}, decoded"), rows.into_bytes()));
            }
            haystacks.push((name, fs::read(&path).unwrap()));
        }
        let mut leaks = Vec::new();
        for needle in needles() {
            for (place, bytes) in &haystacks {
                if holds(bytes, &needle.bytes) {
                    leaks.push(format!("{} in {place}", needle.what));
                }
            }
        }
        leaks
    }

    #[track_caller]
    fn must_not_leak(&self, outcome: &Outcome, when: &str) {
        let leaks = self.leaks(outcome);
        assert!(leaks.is_empty(), "{when}: {leaks:#?}\n{outcome:#?}");
    }
}

#[test]
fn the_search_finds_each_needle_in_what_holds_it() {
    for needle in needles() {
        let mut haystack = b"before".to_vec();
        haystack.extend(&needle.bytes);
        haystack.extend(b"after");
        assert!(holds(&haystack, &needle.bytes), "{}", needle.what);
        assert!(!holds(b"+1 202 555 0199 and 12025550199", &needle.bytes), "{}", needle.what);
    }
    assert!(needles_of("12025550171", "2025550171").len() >= 12);
}

#[test]
fn a_published_run_holds_no_number_in_any_encoding() {
    for more in [&[][..], &["--json"], &["--log-format", "json"], &["--quiet"]] {
        let planted = Planted::new();
        let outcome = planted.loud(more).must_end_with(0);
        assert!(!tables::rows(&planted.scene.at("run/rejects.parquet")).is_empty());
        planted.must_not_leak(&outcome, &format!("{more:?}"));
    }
}

#[test]
fn hashed_lists_and_opt_outs_come_out_as_no_hash() {
    let planted = Planted::new();
    let rows: String = PLANTED
        .iter()
        .map(|(digits, _)| format!("{}\n", hex::encode(digest(digits, Form::E164))))
        .collect();
    planted.scene.write("list.csv", format!("phone_sha256\n{rows}ZebraQuokka\n"));
    planted.scene.edit("job.toml", "id = \"spring\"", "id = \"spring\"\nphones = \"e164\"");
    let outcome = planted.loud(&[]).must_end_with(0);
    planted.must_not_leak(&outcome, "hashed list");
}

type Spoil = fn(&Scene);

/// Ways to fail, and some that a run may survive.
const FAILURES: [(&str, Spoil); 25] = [
    ("unreadable opt-out", |s| s.append("opt_outs.csv", "ZebraQuokka 0171 39,,\n")),
    ("opt-outs that other readers panic at", |s| {
        s.append(
            "opt_outs.csv",
            "+dwPAZebraQuokka 12025550171;phone-context=AA,,\n.;phone-context=,,\n",
        )
    }),
    ("an opt-out of many scripts", |s| {
        s.append("opt_outs.csv", "\u{661}ZebraQuokka\u{e9}\u{1f4a9}12025550171\u{e9},,\n")
    }),
    ("list cells that readers panic at", |s| {
        s.append("list.csv", "tel:12025550171;phone-context=ZebraQuokka,US,x\n;phone-context=tel:+12025550171,US,NarwhalIbis\n")
    }),
    ("opt-outs without line end", |s| s.append("opt_outs.csv", "+12025550171")),
    ("opt-outs stale", |s| s.set_age_hours("opt_outs.csv", 99)),
    ("opt-outs missing", |s| fs::remove_file(s.at("opt_outs.csv")).unwrap()),
    ("opt-outs without a header", |s| {
        s.write("opt_outs.csv", "+12025550171,NarwhalIbis\n+12025550172,\n")
    }),
    ("accounts without a header", |s| {
        s.write(
            "accounts.csv",
            "ZebraQuokka,+12025550171,granted\nNarwhalIbis,+12025550172,denied\n",
        )
    }),
    ("list without a header", |s| s.write("list.csv", "+12025550171,US\n+442079460381,GB\n")),
    ("no consent column", |s| s.edit("accounts.csv", "consent_ads", "something_else")),
    ("two phone columns", |s| s.edit("list.csv", "phone,country", "phone,phone")),
    ("a quote that never closes", |s| {
        s.append("list.csv", "\"+12025550171,US,ZebraQuokka\n+12025550172,US,x\n")
    }),
    ("a quote that never closes in the opt-outs", |s| {
        s.append("opt_outs.csv", "\"+12025550171,,ZebraQuokka\n")
    }),
    ("ragged rows", |s| {
        s.append(
            "list.csv",
            "+12025550171,US,ZebraQuokka,+12025550172,NarwhalIbis\n+442079460381\n",
        )
    }),
    ("bad UTF-8 in the header", |s| {
        s.write("list.csv", b"phone\xff,+12025550171\n+12025550172,US\n")
    }),
    ("numbers given as hashes", |s| {
        s.edit("job.toml", "id = \"spring\"", "id = \"spring\"\nphones = \"e164\"")
    }),
    ("a column that is not there", |s| {
        s.edit("job.toml", "id = \"spring\"", "id = \"spring\"\ncolumns = { phone = \"nowhere\" }")
    }),
    ("a broken Parquet file", |s| s.write("accounts.csv", b"PAR1+12025550171 ZebraQuokka PAR1")),
    ("broken JSON", |s| {
        s.write("accounts.csv", "{\"phone\": \"+12025550171\", \"consent_ads\": ZebraQuokka\n{\"phone\": \"+12025550172\"\n")
    }),
    ("a broken job", |s| s.append("job.toml", "\nnonsense = [\n")),
    ("a broken policy", |s| s.append("policy.toml", "\nnonsense = 1\n")),
    ("a secret that is a number", |s| s.write("secret.key", "+12025550171 ZebraQuokka")),
    ("a list far too short", |s| s.edit("policy.toml", "list_numbers = 1", "list_numbers = 9999")),
    ("a gzip file cut short", |s| s.write("list.csv", [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 0x33])),
];

#[test]
fn no_failure_tells_a_number_or_the_text_of_a_cell() {
    for (name, spoil) in FAILURES {
        let mut planted = Planted::new();
        spoil(&planted.scene);
        planted = planted.sealed();
        for more in [&[][..], &["--json", "--log-format", "json"]] {
            let outcome = planted.loud(more);
            assert_ne!(outcome.code, Some(70), "{name} is taken for a bug: {}", outcome.stderr);
            assert_ne!(outcome.code, Some(101), "{name} panics: {}", outcome.stderr);
            planted.must_not_leak(&outcome, name);
            let _ = fs::remove_dir_all(planted.scene.at("run"));
        }
    }
}

#[test]
fn a_number_in_a_column_name_is_not_repeated() {
    let planted = Planted::new();
    planted.scene.edit("list.csv", "customer_ref", "+12025550171");
    planted.scene.edit("accounts.csv", "device", "ZebraQuokka");
    let outcome = planted.loud(&[]).must_end_with(0);
    planted.must_not_leak(&outcome, "a column name");
}

#[test]
fn a_number_that_stands_as_a_list_id_or_advertiser_does_not_get_out() {
    for id in [
        "12025550171",
        "+12025550171",
        "202-555-0171",
        "202.555.0171",
        "20.7946.0381",
        "2025550171",
        "202_555_0171",
    ] {
        for column in ["list_id", "advertiser_id"] {
            let planted = Planted::new();
            planted.scene.write(
                "list.csv",
                format!("phone,country,{column}\n+12025550101,US,{id}\n+12025550103,US,winter\n"),
            );
            planted.scene.edit("job.toml", "id = \"spring\"\n", "");
            let outcome = planted.loud(&[]);
            planted.must_not_leak(&outcome, &format!("{id} as {column}"));
        }
    }
}

#[test]
fn a_killed_run_leaves_no_number_on_the_disk() {
    let planted = Planted::new();
    let rows: String =
        (0..20_000).map(|n| format!("{n},+12025550171,US,granted,iOS 17,phone\n")).collect();
    planted.scene.append("accounts.csv", &rows);
    for millis in [50, 150, 400, 900] {
        let mut child = planted.scene.command(&["--quiet"]).spawn().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(millis));
        child.kill().unwrap();
        child.wait().unwrap();
        let silent = Outcome { code: None, stdout: String::new(), stderr: String::new() };
        planted.must_not_leak(&silent, &format!("killed after {millis} ms"));
        let _ = fs::remove_dir_all(planted.scene.at("run"));
    }
}

#[test]
fn the_other_commands_tell_no_number_but_in_their_result() {
    let planted = Planted::new();
    planted.loud(&[]).must_end_with(0);
    planted.must_not_leak(&planted.scene.audit("run"), "audit");
    planted.loud(&["--out", "next"]).must_end_with(0);
    let diff = finish(phonematch().current_dir(planted.scene.path()).args(["diff", "run", "next"]));
    planted.must_not_leak(&diff.must_end_with(0), "diff");
    planted.scene.append("opt_outs.csv", "+1 202 555 0171,,\n");
    let found = planted.scene.audit("run").must_end_with(65);
    planted.must_not_leak(&found, "audit that finds somebody");

    let normalise = |arguments: &[&str]| {
        let mut command: Command = phonematch();
        finish(command.current_dir(planted.scene.path()).arg("normalise").args(arguments))
    };
    let outcome = normalise(&[
        "list.csv",
        "--phone-column",
        "phone",
        "--country-column",
        "country",
        "--output",
        "out.csv",
    ]);
    fs::remove_file(planted.scene.at("out.csv")).unwrap();
    planted.must_not_leak(&outcome.must_end_with(0), "normalise");
    for arguments in [
        &["list.csv", "--phone-column", "nowhere"][..],
        &["nowhere.csv", "--phone-column", "phone"],
        &["policy.toml", "--phone-column", "phone"],
    ] {
        let outcome = normalise(arguments);
        assert_ne!(outcome.code, Some(0), "{arguments:?}");
        planted.must_not_leak(&outcome, &format!("{arguments:?}"));
    }
}

#[test]
fn a_folder_of_a_run_is_all_that_a_run_writes() {
    let planted = Planted::new();
    let elsewhere = tempfile::tempdir().unwrap();
    let mut command = planted.scene.command(&[]);
    finish(command.env("TMPDIR", elsewhere.path())).must_end_with(0);
    assert!(files_under(elsewhere.path()).is_empty());
    let new: BTreeSet<_> = files_under(planted.scene.path())
        .into_iter()
        .filter(|path| !planted.inputs.contains(path))
        .collect();
    let run: &Path = &planted.scene.at("run");
    assert!(new.iter().all(|path| path.starts_with(run)), "{new:?}");
}

/// Tokens of a run, by recipient.
fn published_tokens(run: &Path) -> BTreeMap<String, BTreeSet<String>> {
    let mut tokens = BTreeMap::<_, BTreeSet<_>>::new();
    for row in tables::rows(&run.join("matches.parquet")) {
        tokens.entry(row["recipient"].clone()).or_default().insert(row["token"].clone());
    }
    tokens
}

/// Whoever steals a run has its tokens, its manifest and this program, and a phone number has few
/// digits. A million candidates, every released number among them, are hashed in every way that
/// needs no secret, or a secret that the run's files could be thought to hold; none gives a token.
/// With the secret the same search finds everybody, so it does search.
#[test]
fn a_million_guesses_find_nobody_behind_a_published_token() {
    let scene = Scene::small();
    scene.publish(&["--quiet"]);
    let tokens: BTreeSet<[u8; 16]> = published_tokens(&scene.at("run"))["acme"]
        .iter()
        .map(|token| hex::decode(token).unwrap().try_into().unwrap())
        .collect();
    assert_eq!(tokens.len(), 2);
    let manifest = scene.manifest("run");
    let from_text = |text: &str| hex::encode(blake3::hash(text.as_bytes()).as_bytes());
    let wrong_secrets = [
        "00".repeat(32),
        from_text(manifest["key_id"].as_str().unwrap()),
        from_text(manifest["policy_digest"].as_str().unwrap()),
        manifest["seal"].as_str().unwrap().to_owned(),
    ];
    let wrong: Vec<_> = wrong_secrets.iter().map(|secret| Tokens::of(secret, "acme")).collect();
    let right = Tokens::of(SECRET_HEX, "acme");
    // 1 202 500 0000 to 1 202 599 9999 hold one of the two, the block in London the other.
    let candidates =
        || (12_025_000_000_u64..12_026_000_000).chain(442_079_460_000..442_079_461_000);
    let (mut unkeyed, mut guessed, mut known) = (0, 0, 0);
    for candidate in candidates() {
        let digits = candidate.to_string();
        for form in [Form::E164, Form::Digits] {
            let digest = digest(&digits, form);
            let halves = [&digest[..16], &digest[16..]];
            unkeyed += usize::from(halves.iter().any(|half| tokens.contains(*half)));
            let of = |keys: &Tokens| tokens.contains(&keys.token(&digits, form));
            guessed += usize::from(wrong.iter().any(of));
            known += usize::from(of(&right));
        }
    }
    assert_eq!([unkeyed, guessed, known], [0, 0, 2]);
    assert!(candidates().count() > 1_000_000);
}

#[test]
fn two_recipients_of_the_same_list_have_no_token_in_common() {
    let scene = Scene::made_up(1500, 700, 23);
    scene.edit("policy.toml", "list_numbers = 100", "list_numbers = 20");
    scene.edit("policy.toml", "matched_people = 100", "matched_people = 20");
    let list = scene.read("list.csv");
    let with_recipient = |recipient: &str, rows: &str| -> String {
        rows.lines().map(|row| format!("{row},{recipient}\n")).collect()
    };
    let (header, rows) = list.split_once('\n').unwrap();
    let text = format!("{header},advertiser_id\n");
    scene.write("list.csv", text + &with_recipient("acme", rows) + &with_recipient("globex", rows));
    scene.publish(&["--quiet"]);
    let tokens = published_tokens(&scene.at("run"));
    let (acme, globex) = (&tokens["acme"], &tokens["globex"]);
    assert!(acme.len() > 100 && acme.len() == globex.len(), "{} {}", acme.len(), globex.len());
    assert!(acme.is_disjoint(globex));
}
