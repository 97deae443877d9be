//! Messages of businesses, night by night, by the program itself: tiers, caps, the history that the
//! runs keep, and what becomes of them when it is missing or a run dies.
//!
//! A test cannot turn the clock, but it has the secret: what happened yesterday it enters into the
//! history itself. Nights after nights, on made-up days, are tried in `privacy::messaging::tests`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use phonematch::dates::Day;
use phonematch::job::Identifier;
use phonematch::key::{self, Keyer, Secret};
use phonematch::normalise::{Checks, Hint, read};
use phonematch::privacy::{History, PersonKeyer};

use crate::support::keys::{Form, digest, match_key, token};
use crate::support::random::Random;
use crate::support::{
    JOB, Outcome, POLICY, SECRET_HEX, Scene, finish, mode, phonematch, published_bytes, tables,
};

/// The business and the person's digits of each message.
type Sent = BTreeSet<(String, String)>;

/// Numbers that Ofcom sets aside for drama.
fn digits(line: usize) -> String {
    format!("442079460{line:03}")
}

/// A date so many days ago.
fn ago(days: i32) -> String {
    Day::from_number(Day::today().to_number() - days).to_string()
}

fn business(name: &str, tier: u64) -> String {
    format!("[[messaging.businesses]]\nid = \"{name}\"\ntier = {tier}\n\n")
}

fn policy(most_per_person: u32, businesses: &str) -> String {
    let (head, rest) = POLICY.split_once("[floors]").unwrap();
    let opt_outs = rest.split_once("[opt_outs]").unwrap().1;
    let most = "most_list_numbers = 9000000\n";
    assert!(head.contains(most));
    let head = head
        .replace(most, "")
        .replace("purpose = \"ads\"", "purpose = \"business_messaging\"")
        .replace("\"os\", \"device\", \"verified_at\"", "\"consent_at\", \"verified_at\"")
        .replace("\"last_contact_at\"]", "\"last_contact_at\", \"opted_in_at\"]");
    format!(
        "{head}[messaging]\nopt_in_records = [\"list\", \"export\"]\nopted_in_within_days = 365\n\
         contacted_within_days = 30\ncool_down_days = 7\nmost_per_person = {most_per_person}\n\
         per_person_days = 7\nwaves = 1\n\n{businesses}[opt_outs]{opt_outs}"
    )
}

/// A job with a list for each business, all of them with the same people, who all have accounts.
fn scene(people: usize, lists: &[&str], policy: &str) -> Scene {
    let scene = Scene::empty();
    let accounts = (0..people).map(|line| format!("{line},+{},,\n", digits(line)));
    let accounts: String = accounts.collect();
    scene.write(
        "accounts.csv",
        "account_id,phone,consent_business_messaging,consent_at\n".to_owned() + &accounts,
    );
    let rows: String = (0..people).map(|line| format!("+{},{}\n", digits(line), ago(3))).collect();
    let mut job = JOB.split("[[lists]]").next().unwrap().to_owned();
    for name in lists {
        scene.write(&format!("{name}.csv"), format!("phone,last_contact_at\n{rows}"));
        job += &format!("[[lists]]\nfiles = [\"{name}.csv\"]\nrecipient = \"{name}\"\n\n");
    }
    job = job.replace("purpose = \"ads\"", "purpose = \"business_messaging\"");
    scene.write("job.toml", job + "[opt_outs]\nfiles = [\"opt_outs.csv\"]\n");
    scene.write("opt_outs.csv", "phone,purpose\n+12025550199,\n");
    scene.write("policy.toml", policy);
    scene
}

/// What a run sends. All of its tokens must be somebody's.
fn sent(scene: &Scene, run: &str, people: usize) -> Sent {
    let mut names = BTreeMap::new();
    for business in ["acme", "globex", "initech", "umbrella"] {
        for line in 0..people {
            for form in [Form::E164, Form::Digits] {
                let digits = digits(line);
                names.insert(token(SECRET_HEX, business, &digits, form), digits);
            }
        }
    }
    let rows = tables::rows(&scene.at(run).join("matches.parquet"));
    let count = rows.len();
    let sent: Sent =
        rows.iter().map(|row| (row["recipient"].clone(), names[&row["token"]].clone())).collect();
    assert_eq!(sent.len(), count, "a business writes to a person twice");
    sent
}

/// Rows of lists that are withheld, by reason.
fn withheld(scene: &Scene, run: &str) -> BTreeMap<String, u64> {
    let mut by = BTreeMap::new();
    for input in scene.report(run)["inputs"].as_array().unwrap() {
        let rows: u64 =
            input["withheld_by"].as_object().unwrap().values().map(|it| it.as_u64().unwrap()).sum();
        assert_eq!(input["withheld"], rows, "{input}");
        if input["role"] == "list" {
            for (reason, rows) in input["withheld_by"].as_object().unwrap() {
                *by.entry(reason.clone()).or_default() += rows.as_u64().unwrap();
            }
        }
    }
    by
}

/// Enters a message of another day into the scene's history.
fn remember(scene: &Scene, day: &str, name: &str, line: usize) {
    let secret = Secret::from_file_content(SECRET_HEX.as_bytes()).unwrap();
    let number = format!("+{}", digits(line));
    let reading = read(number.as_bytes(), Hint::None, Checks::Damage).unwrap();
    let key = Keyer::new(&secret).key(reading.number, key::Form::E164);
    let mut history = History::open(&scene.at("phonematch.history"), &secret).unwrap();
    let person = PersonKeyer::new(&secret).person(key);
    let business = Identifier::from_text(name.as_bytes()).unwrap();
    history.add((Day::from_text(day).unwrap(), 7), [(business, person)], &secret);
    history.commit().unwrap();
}

fn audit(scene: &Scene, run: &str, more: &[&str]) -> Outcome {
    let flags = ["--opt-outs", "opt_outs.csv", "--secret-file", "secret.key"];
    finish(phonematch().current_dir(scene.path()).args(["audit", run]).args(flags).args(more))
}

#[test]
fn a_business_writes_to_its_tiers_people_a_day_and_a_night_that_is_made_again_to_the_same() {
    let scene = scene(400, &["acme"], &policy(2, &business("acme", 250)));
    scene.publish(&["--out", "n1"]);
    let first = sent(&scene, "n1", 400);
    assert_eq!(first.len(), 250);
    assert_eq!(withheld(&scene, "n1"), BTreeMap::from([("tier_full".to_owned(), 150)]));
    let history = fs::read(scene.at("phonematch.history")).unwrap();
    let manifest = scene.manifest("n1");
    assert_eq!(manifest["messages"]["tiers"]["acme"], 250);
    assert_eq!(manifest["messages"]["history"]["generation"], 1);
    // The same night in the run's own place, and in another run's, as often as one likes.
    let bytes = published_bytes(&scene.at("n1"));
    scene.publish(&["--out", "n1", "--if-exists", "replace"]);
    assert!(published_bytes(&scene.at("n1")) == bytes);
    scene.publish(&["--out", "n2"]);
    assert_eq!(sent(&scene, "n2", 400), first);
    assert_eq!(tables::rows(&scene.at("n2/removed.parquet")).len(), 0);
    assert_eq!(fs::read(scene.at("phonematch.history")).unwrap(), history);
    // Dead between the history and publishing: the run is gone, its messages are remembered.
    fs::remove_dir_all(scene.at("n1")).unwrap();
    fs::remove_dir_all(scene.at("n2")).unwrap();
    scene.publish(&["--out", "n1"]);
    assert!(published_bytes(&scene.at("n1")) == bytes);
    audit(&scene, "n1", &[]).must_end_with(0);
}

#[test]
fn the_history_names_nobody_and_is_its_owners_alone() {
    let scene = scene(120, &["acme"], &policy(2, &business("acme", 250)));
    scene.publish(&["--out", "n1"]);
    assert_eq!(mode(&scene.at("phonematch.history")), 0o600);
    let history = scene.read("phonematch.history");
    for line in 0..120 {
        let number = digits(line);
        let [plus, bare] = [Form::E164, Form::Digits].map(|form| digest(&number, form));
        for hidden in [
            number.clone(),
            hex::encode(&number),
            hex::encode(&plus[..8]),
            hex::encode(&bare[..8]),
            hex::encode(&match_key(SECRET_HEX, &number, Form::E164)[..8]),
            token(SECRET_HEX, "acme", &number, Form::E164)[..16].to_owned(),
        ] {
            assert!(!history.contains(&hidden), "line {line}");
        }
    }
}

#[test]
fn a_business_rests_after_a_message_and_a_person_after_the_cap() {
    let pilot = business("acme", 2000) + &business("globex", 2000);
    let scene = scene(6, &["acme", "globex"], &policy(2, &pilot));
    remember(&scene, &ago(1), "acme", 0); // acme rests
    remember(&scene, &ago(7), "acme", 1); // rested
    remember(&scene, &ago(1), "initech", 2); // one of two messages, by one that left the pilot
    remember(&scene, &ago(1), "initech", 3);
    remember(&scene, &ago(6), "umbrella", 3); // both
    remember(&scene, &ago(7), "initech", 4);
    remember(&scene, &ago(8), "umbrella", 4); // both, and long ago
    remember(&scene, &ago(-1), "acme", 5); // a clock was wrong
    scene.publish(&["--out", "n1"]);
    let sent = sent(&scene, "n1", 6);
    let of = |line: usize| -> Vec<_> {
        sent.iter().filter(|(_, it)| *it == digits(line)).map(|it| it.0.as_str()).collect()
    };
    assert_eq!(of(0), ["globex"]);
    assert_eq!(of(1), ["acme", "globex"]);
    assert_eq!(of(2).len(), 1);
    assert_eq!(of(3), [""; 0]);
    assert_eq!(of(4), ["acme", "globex"]);
    assert_eq!(of(5), ["globex"]);
    let reasons = [("cool_down".to_owned(), 2), ("person_cap".to_owned(), 3)];
    assert_eq!(withheld(&scene, "n1"), BTreeMap::from(reasons));
    audit(&scene, "n1", &[]).must_end_with(0);
}

#[test]
fn a_person_is_one_whatever_form_a_list_has() {
    let pilot = business("acme", 250) + &business("globex", 250) + &business("initech", 250);
    let scene = scene(40, &["acme", "globex", "initech"], &policy(1, &pilot));
    for (name, form) in [("globex", Form::Digits), ("initech", Form::E164)] {
        let rows = (0..40)
            .map(|line| format!("{},{}\n", hex::encode(digest(&digits(line), form)), ago(3)));
        let rows: String = rows.collect();
        scene.write(&format!("{name}.csv"), format!("phone_sha256,last_contact_at\n{rows}"));
        let files = format!("files = [\"{name}.csv\"]");
        let phones = if form == Form::E164 { "e164" } else { "digits" };
        scene.edit("job.toml", &files, &format!("{files}\nphones = \"{phones}\""));
    }
    scene.publish(&["--out", "n1"]);
    let sent = sent(&scene, "n1", 40);
    let people: BTreeSet<_> = sent.iter().map(|it| &it.1).collect();
    assert_eq!((sent.len(), people.len()), (40, 40));
    let businesses: BTreeSet<_> = sent.iter().map(|it| &it.0).collect();
    assert_eq!(businesses.len(), 3, "each has its turn");
}

#[test]
fn who_opts_out_after_a_message_gets_no_other_and_is_taken_back() {
    let scene = scene(10, &["acme"], &policy(9, &business("acme", 250)));
    scene.publish(&["--out", "n1"]);
    assert_eq!(sent(&scene, "n1", 10).len(), 10);
    scene.append("opt_outs.csv", &format!("+{},business_messaging\n", digits(4)));
    // An opt-in that is younger changes nothing.
    let yes = format!("+{},granted,{}", digits(4), ago(0));
    scene.edit("accounts.csv", &format!("+{},,", digits(4)), &yes);
    scene.publish(&["--out", "n2"]);
    let sent = sent(&scene, "n2", 10);
    assert!(sent.len() == 9 && !sent.contains(&("acme".to_owned(), digits(4))));
    let removed = tables::rows(&scene.at("n2/removed.parquet"));
    assert_eq!(removed[0]["token"], token(SECRET_HEX, "acme", &digits(4), Form::E164));
    audit(&scene, "n2", &[]).must_end_with(0);
}

#[test]
fn a_history_that_is_missing_older_changed_or_anothers_stops_the_run_before_it_reads() {
    let scene = scene(10, &["acme"], &policy(9, &business("acme", 250)));
    scene.publish(&["--out", "n1"]);
    let first = scene.read("phonematch.history");
    remember(&scene, &ago(1), "acme", 7);
    let second = scene.read("phonematch.history");
    scene.write("accounts.csv", "account_id,phone,consent_business_messaging\n");
    scene.append("accounts.csv", &format!("1,+{},\n", digits(10)));
    scene.append("acme.csv", &format!("+{},{}\n", digits(10), ago(3)));
    scene.publish(&["--out", "n2"]);
    let third = scene.read("phonematch.history");
    let changed = third.replace("acme", "acmf");
    for (history, code, says) in [
        (Some(&first), 65, "is older than the previous run"),
        (Some(&second), 65, "is older than the previous run"),
        (Some(&changed), 65, "is damaged"),
        (None, 66, "is missing"),
    ] {
        match history {
            Some(text) => scene.write("phonematch.history", text),
            None => fs::remove_file(scene.at("phonematch.history")).unwrap(),
        }
        let outcome = scene.run(&["--out", "n3"]).must_end_with(code);
        assert!(outcome.stderr.contains(says), "{says}: {}", outcome.stderr);
        let outcome = audit(&scene, "n2", &[]);
        assert_ne!(outcome.code, Some(0), "the audit of n2 passes with one that {says}");
    }
    scene.write("phonematch.history", &third);
    scene.publish(&["--out", "n3"]);
    audit(&scene, "n2", &["--history", "phonematch.history"]).must_end_with(0);
}

/// Lists, contacts, opt-ins, caps and a business outside the pilot at random, against what the
/// rules say of each message: nobody without a ground, nobody over the cap, and nobody less.
#[test]
fn random_pilots_write_to_whom_the_rules_say_and_as_often() {
    for seed in 0..24 {
        let random = &mut Random(seed);
        let most = 1 + random.below(3);
        let names = ["acme", "globex", "initech", "umbrella"];
        let pilot: Vec<_> = names.into_iter().filter(|_| random.percent(75)).collect();
        let tiers: String = pilot.iter().map(|name| business(name, 250)).collect();
        let mut policy = policy(u32::try_from(most).unwrap(), &tiers);
        if pilot.is_empty() {
            policy = policy.replace("[opt_outs]", "businesses = []\n\n[opt_outs]");
        }
        let scene = scene(0, &names, &policy);
        let (mut members, mut yes, mut barred) =
            (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        for line in 0..60 {
            if random.percent(30) {
                continue;
            }
            let consent = random.pick(&["", "", "", "granted", "granted", "denied"]);
            let days = random.pick(&[None, Some(-1), Some(0), Some(365), Some(365), Some(366)]);
            let at = days.map_or(random.pick(&["", "a year ago"]).to_owned(), ago);
            scene.append("accounts.csv", &format!("{line},+{},{consent},{at}\n", digits(line)));
            members.insert(line);
            match consent {
                "granted" if days.is_some_and(|days| (0..=365).contains(&days)) => {
                    yes.insert(line);
                }
                "denied" => {
                    barred.insert(line);
                }
                _ => {}
            }
        }
        for line in (0..60).filter(|_| random.one_in(12)) {
            scene.append("opt_outs.csv", &format!("+{},\n", digits(line)));
            barred.insert(line);
        }
        let mut may = BTreeMap::<usize, BTreeSet<&str>>::new();
        for name in names {
            let mut text = "phone,last_contact_at,opted_in_at\n".to_owned();
            let lines: Vec<_> = (0..60).filter(|_| random.percent(70)).collect();
            for line in lines {
                let contact = random.pick(&[None, None, Some(3), Some(30), Some(31), Some(900)]);
                let opt_in = random.pick(&[None, None, Some(0), Some(365), Some(366)]);
                let unread = if random.one_in(10) { "last year" } else { "" };
                let cell = |days: Option<i32>| days.map_or(unread.to_owned(), ago);
                text += &format!("+{},{},{}\n", digits(line), cell(contact), cell(opt_in));
                let has_ground = contact.is_some_and(|days| days <= 30)
                    || opt_in.is_some_and(|days| days <= 365)
                    || yes.contains(&line);
                let counts = members.contains(&line) && !barred.contains(&line);
                if counts && has_ground && pilot.contains(&name) {
                    may.entry(line).or_default().insert(name);
                }
            }
            scene.write(&format!("{name}.csv"), text);
        }
        scene.publish(&["--out", "n1", "--quiet"]);
        let mut by_person = BTreeMap::<usize, BTreeSet<String>>::new();
        for (business, number) in sent(&scene, "n1", 60) {
            let line: usize = number["442079460".len()..].parse().unwrap();
            by_person.entry(line).or_default().insert(business);
        }
        for line in 0..60 {
            let may = may.remove(&line).unwrap_or_default();
            let got = by_person.remove(&line).unwrap_or_default();
            assert_eq!(got.len(), may.len().min(most), "seed {seed} line {line}");
            assert!(got.iter().all(|name| may.contains(name.as_str())), "seed {seed} {line}");
        }
        withheld(&scene, "n1");
        audit(&scene, "n1", &[]).must_end_with(0);
    }
}
