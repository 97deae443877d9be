//! Where lists are people's address books: which pairs come out, in whichever form numbers stand
//! there, and that they go again when either end says no. Worlds of them are `worlds.rs`'s.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use phonematch::consent::Purpose;
use phonematch::job::{
    Identifier, Job, ListSource, MemoryBudget, Phones, Recipient, SeveralNumbers,
};
use phonematch::pipeline::{self, Threads, Watch};
use phonematch::report::Report;
use serde_json::json;

use crate::support::jobs::{files, plain_job, report_of};
use crate::support::keys::{Form, digest, token};
use crate::support::people::{KINDS_WITHOUT_ALIAS, Person, person};
use crate::support::random::Random;
use crate::support::small_worlds::any_form;
use crate::support::{SECRET_HEX, Scene, finish, phonematch, published_bytes, tables};

const RECIPIENT: &str = "suggestions";

/// Owner and contact.
type Pair = (String, String);

fn ready_policy() -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    fs::read_to_string(root.join("fixtures/policies/friend_suggestions.toml")).unwrap()
}

/// Address books of one list in two files, in which owners and contacts stand as numbers and as
/// digests of either form, and the pairs that are to come of them.
struct Books {
    scene: Scene,
    expected: BTreeSet<Pair>,
}

impl Books {
    fn drawn(seed: u64) -> Self {
        let (scene, random) = (Scene::empty(), &mut Random(seed));
        let people: Vec<_> = (0..KINDS_WITHOUT_ALIAS)
            .flat_map(|kind| (0..8).map(move |line| person(kind, line)))
            .collect();
        let mut text = "phone,consent_friend_suggestions,gpc,verified_at\n".to_owned();
        let mut verified = BTreeMap::new();
        let mut barred = BTreeSet::new();
        for Person { digits, .. } in &people[..26] {
            let at = random.pick(&["", "2024-05-01", "2026-05-01"]);
            let says = random.pick(&["granted,", "yes,0", ",", ",", "granted,", "denied,", ",1"]);
            let says = if random.one_in(4) { says } else { "granted," };
            if says == "denied," || says == ",1" {
                barred.insert(digits.clone());
            }
            verified.insert(digits.clone(), at);
            text += &format!("{digits},{says},{at}\n");
        }
        scene.write("accounts.csv", text);
        let [one, other] = [0, 0].map(|_| random.pick_ref(&people).digits.clone());
        scene.write("opt_outs.csv", format!("phone,purpose\n+{one},friend_suggestions\n"));
        let hashed = hex::encode(digest(&other, any_form(random)));
        scene.write("opt_outs-hashed.csv", format!("phone_sha256,purpose\n{hashed},\n"));
        barred.extend([one, other]);

        // The latest contact of each pair, over all its rows.
        let mut contacts = BTreeMap::<Pair, &str>::new();
        for file in ["book-1.csv", "book-2.csv"] {
            let mut text = "phone,phone_sha256,country,owner_phone,last_contact_at\n".to_owned();
            for _ in 0..160 {
                let owner = random.pick_ref(&people[..9]);
                let contact = random.pick_ref(&people);
                let at = random.pick(&["", "2025-01-01", "2027-01-01", "2023-01-01"]);
                let at = if at == "2027-01-01" { "" } else { at };
                text += &format!("{},{},{at}\n", cells(contact, random), owner_cell(owner, random));
                let latest = contacts.entry((owner.digits.clone(), contact.digits.clone()));
                let latest = latest.or_default();
                *latest = (*latest).max(at);
            }
            text += &format!("+{},,,nobody,\n,,,+{},\n", people[0].digits, people[0].digits);
            scene.write(file, text);
        }
        let may_be = |digits: &String, contact: &str| {
            let verified = verified.get(digits).filter(|_| !barred.contains(digits));
            verified.is_some_and(|at| at.is_empty() || contact.is_empty() || *at < contact)
        };
        let comes_out = |((owner, contact), at): &(&Pair, &&str)| {
            owner != contact && may_be(owner, at) && may_be(contact, at)
        };
        let expected = contacts.iter().filter(comes_out).map(|(pair, _)| pair.clone()).collect();
        Self { scene, expected }
    }

    fn job(&self, out: &str, memory: Option<MemoryBudget>) -> Job {
        let folder = self.scene.path();
        let id = |text: &str| Identifier::from_text(text.as_bytes());
        let mut job = plain_job(folder, out, (Purpose::FriendSuggestions, &ready_policy()));
        job.opt_outs.patterns.push("opt_outs-hashed.csv".to_owned());
        Job {
            name: id("suggestions").unwrap(),
            lists: vec![ListSource {
                files: files(folder, &["book-1.csv", "book-2.csv"]),
                recipient: Recipient::OfRows { otherwise: id(RECIPIENT) },
                id: id("books"),
                country: None,
                phones: Phones::ByColumn,
                several_numbers: SeveralNumbers::Reject,
            }],
            ledger: self.scene.at("ledger"),
            history: self.scene.at("history"),
            memory,
            ..job
        }
    }

    fn run(&self, out: &str, threads: usize, memory: Option<MemoryBudget>) -> Box<Report> {
        let job = self.job(out, memory);
        Threads::new(threads).unwrap().run(|| report_of(&job))
    }
}

fn cells(contact: &Person, random: &mut Random) -> String {
    match random.below(3) {
        0 => format!("+{},,", contact.digits),
        1 => format!("{},,{}", contact.home, contact.country),
        _ => format!(",{},", hex::encode(digest(&contact.digits, any_form(random)))),
    }
}

fn owner_cell(owner: &Person, random: &mut Random) -> String {
    match random.below(3) {
        0 => format!("+{}", owner.digits),
        1 => owner.digits.clone(),
        _ => hex::encode(digest(&owner.digits, any_form(random))),
    }
}

/// The pairs that came out, as numbers. One person has one token, on whichever end.
fn found_pairs(run: &Path) -> BTreeSet<Pair> {
    let people = (0..KINDS_WITHOUT_ALIAS).flat_map(|kind| (0..8).map(move |at| person(kind, at)));
    let names: BTreeMap<_, _> = people
        .map(|person| (token(SECRET_HEX, RECIPIENT, &person.digits, Form::E164), person.digits))
        .collect();
    let rows = tables::rows(&run.join("matches.parquet"));
    let name = |row: &tables::Row, column: &str| names[&row[column]].clone();
    let pairs: BTreeSet<_> =
        rows.iter().map(|row| (name(row, "owner_token"), name(row, "token"))).collect();
    assert_eq!(pairs.len(), rows.len(), "a pair came out twice");
    let order: Vec<_> = rows.iter().map(|row| (&row["token"], &row["owner_token"])).collect();
    assert!(order.is_sorted());
    pairs
}

fn must_balance(report: &Report) {
    for input in &report.inputs {
        let counted = input.rejected
            + input.barred
            + input.duplicates
            + input.unmatched
            + input.withheld
            + input.released;
        assert_eq!(input.rows_read, counted, "{input:?}");
    }
}

#[test]
fn pairs_come_out_once_in_whatever_form_either_end_stands_there() {
    let (mut pairs, mut outcomes) = (0, BTreeMap::<&str, u64>::new());
    for seed in 0..12 {
        let books = Books::drawn(seed);
        let report = books.run("run", 1, None);
        must_balance(&report);
        assert_eq!(found_pairs(&books.scene.at("run")), books.expected, "books {seed}");
        assert!(tables::rows(&books.scene.at("run/audiences.parquet")).is_empty());
        pairs += books.expected.len();
        for input in report.inputs.iter().filter(|input| input.role == "list") {
            *outcomes.entry("rejected").or_default() += input.rejected;
            *outcomes.entry("barred").or_default() += input.barred;
            *outcomes.entry("duplicates").or_default() += input.duplicates;
            *outcomes.entry("unmatched").or_default() += input.unmatched;
            *outcomes.entry("withheld").or_default() += input.withheld;
        }
    }
    assert!(pairs > 500, "{pairs}");
    assert_eq!(outcomes["rejected"], 2 * 2 * 12);
    assert!(outcomes.values().all(|&rows| rows > 20), "{outcomes:?}");
}

#[test]
fn any_memory_and_any_number_of_threads_give_the_same_pairs_and_counts() {
    for seed in 20..24 {
        let books = Books::drawn(seed);
        let whole = books.run("whole", 1, None);
        let bytes = published_bytes(&books.scene.at("whole"));
        let counts = |report: &Report| json!([report.inputs, report.lists, report.countries]);
        for (memory, fewest, threads) in [(0, 30, 2), (2_000, 8, 1), (12_000, 2, 3)] {
            let out = format!("memory-{memory}");
            let report = books.run(&out, threads, Some(MemoryBudget::Lists(memory)));
            assert!(report.passes >= fewest, "{} passes", report.passes);
            assert_eq!(counts(&report), counts(&whole), "books {seed}, {memory} bytes");
            assert!(published_bytes(&books.scene.at(&out)) == bytes, "books {seed}, {memory}");
        }
        let report = books.run("threads", 4, None);
        assert_eq!(counts(&report), counts(&whole));
        assert!(published_bytes(&books.scene.at("threads")) == bytes);
    }
}

/// What counts is the book's own numbers, over all lists and in whichever form the owner stands
/// there; who of them has an account, or has said no, is all one.
#[test]
fn an_address_book_of_too_many_numbers_is_suggested_nobody_whoever_is_in_it() {
    let books = Books::drawn(1);
    let people = (0..KINDS_WITHOUT_ALIAS).flat_map(|kind| (0..4).map(move |at| person(kind, at)));
    let people: Vec<_> = people.take(14).map(|person| person.digits).collect();
    let [large, small] = [0, 1].map(|at: usize| people[at].as_str());
    let head = "phone,phone_sha256,owner_phone\n".to_owned();
    let plain = |owner: &str, contact: &String| format!("+{contact},,{owner}\n");
    let hashed = |owner: &str, contact: &String| {
        let [owner, contact] =
            [digest(owner, Form::Digits), digest(contact, Form::E164)].map(hex::encode);
        format!(",{contact},{owner}\n")
    };
    // Twelve numbers, eight in each file.
    let rows = |row: &dyn Fn(&str, &String) -> String, of_large: std::ops::Range<usize>| {
        let of_large = people[of_large].iter().map(|contact| row(large, contact));
        let of_small = people[2..5].iter().map(|contact| row(small, contact));
        head.clone() + &of_large.chain(of_small).collect::<String>()
    };
    books.scene.write("book-1.csv", rows(&plain, 2..10));
    books.scene.write("book-2.csv", rows(&hashed, 6..14));
    books.scene.write("opt_outs-hashed.csv", format!("phone_sha256,purpose\n{:064x},\n", 1));
    for (nth, (accounts, no)) in [(14, None), (4, None), (14, Some(3))].into_iter().enumerate() {
        let text = people[..accounts].iter().map(|digits| format!("{digits},\n"));
        let text = "phone,consent_friend_suggestions\n".to_owned() + &text.collect::<String>();
        books.scene.write("accounts.csv", text);
        let no = no.map_or("442079460999", |at: usize| people[at].as_str());
        books.scene.write("opt_outs.csv", format!("phone,purpose\n+{no},\n"));
        let pairs = |owner: &str, contacts: std::ops::Range<usize>| -> Vec<Pair> {
            let known = people[..accounts].iter().enumerate();
            let known = known.filter(|(at, contact)| contacts.contains(at) && *contact != no);
            known.map(|(_, contact)| (owner.to_owned(), contact.clone())).collect()
        };
        for (most, is_withheld) in [(12, false), (11, true), (3, true)] {
            let mut expected = BTreeSet::from_iter(pairs(small, 2..5));
            let of_large = pairs(large, 2..14);
            if !is_withheld {
                expected.extend(of_large.iter().cloned());
            }
            let mut bytes = None;
            for memory in [None, Some(MemoryBudget::Lists(0)), Some(MemoryBudget::Lists(700))] {
                let out = format!("run-{nth}-{most}-{memory:?}");
                let mut job = books.job(&out, memory);
                job.policy.most_contacts = Some(most);
                let report = report_of(&job);
                must_balance(&report);
                assert_eq!(found_pairs(&books.scene.at(&out)), expected, "{out}");
                let alarm = |alarm: &&String| alarm.contains("1 owners' address books hold more");
                assert_eq!(report.alarms.iter().filter(alarm).count(), usize::from(is_withheld));
                let lists = report.inputs.iter().filter(|input| input.role == "list");
                let withheld = lists.filter_map(|it| it.withheld_by.get("too_many_contacts"));
                let fewest = if is_withheld { of_large.len() as u64 } else { 0 };
                let withheld = withheld.sum::<u64>();
                assert!(withheld >= fewest && (withheld > 0) == is_withheld, "{out}: {withheld}");
                let published = published_bytes(&books.scene.at(&out));
                assert!(*bytes.get_or_insert_with(|| published.clone()) == published, "{out}");
            }
        }
    }
}

/// The job says which form the contacts' hashes have; the owners' may have the other.
#[test]
fn an_owner_in_the_other_form_of_hashes_is_found() {
    let books = Books::drawn(1);
    let people: Vec<_> = (0..4).map(|line| person(0, line).digits).collect();
    for (phones, owners) in [(Form::E164, Form::Digits), (Form::Digits, Form::E164)] {
        let row = |owner: &String, contact: &String| {
            let [contact, owner] = [digest(contact, phones), digest(owner, owners)];
            format!("{},{}\n", hex::encode(contact), hex::encode(owner))
        };
        let rows: String = people[1..].iter().map(|contact| row(&people[0], contact)).collect();
        books.scene.write("book-1.csv", "phone_sha256,owner_phone\n".to_owned() + &rows);
        books.scene.write("book-2.csv", "phone_sha256,owner_phone\n");
        books.scene.append("book-2.csv", &row(&people[1], &people[0]));
        let text = people.iter().map(|digits| format!("{digits},\n"));
        let text = "phone,consent_friend_suggestions\n".to_owned() + &text.collect::<String>();
        books.scene.write("accounts.csv", text);
        books.scene.write("opt_outs.csv", "phone,purpose\n+442079460999,\n");
        books.scene.write("opt_outs-hashed.csv", format!("phone_sha256,purpose\n{:064x},\n", 1));
        let pair = |owner: usize, contact: usize| (people[owner].clone(), people[contact].clone());
        let expected = BTreeSet::from([pair(0, 1), pair(0, 2), pair(0, 3), pair(1, 0)]);
        for memory in [None, Some(MemoryBudget::Lists(0))] {
            let out = format!("run-{owners:?}-{memory:?}");
            let mut job = books.job(&out, memory);
            job.lists[0].phones = Phones::Hashed(match phones {
                Form::E164 => phonematch::key::Form::E164,
                Form::Digits => phonematch::key::Form::Digits,
            });
            pipeline::run(&job, &Watch::default()).unwrap();
            assert_eq!(found_pairs(&books.scene.at(&out)), expected, "{out}");
        }
    }
}

#[test]
fn validate_says_how_many_address_books_are_too_large() {
    let scene = published();
    let validate = || in_scene(&scene, &["validate", "--job", "job.toml"]).must_end_with(0).stdout;
    assert!(!validate().contains("most_contacts"));
    scene.edit("policy.toml", "most_contacts = 10000", "most_contacts = 2");
    assert!(validate().contains("owners would be suggested nobody"), "{}", validate());
}

/// An account that is younger than the last contact is another person's, on either end.
#[test]
fn whoever_has_taken_over_a_number_is_on_neither_end() {
    let books = Books::drawn(1);
    let [owner, contact, young] = ["12025550100", "12025550101", "12025550102"];
    books.scene.write(
        "accounts.csv",
        format!(
            "phone,consent_friend_suggestions,verified_at\n{owner},,2020-01-01\n\
             {contact},,2020-01-01\n{young},,2026-01-01\n"
        ),
    );
    books.scene.write("opt_outs.csv", "phone,purpose\n+442079460999,\n");
    books.scene.write("opt_outs-hashed.csv", format!("phone_sha256,purpose\n{:064x},\n", 1));
    let head = "phone,owner_phone,last_contact_at\n";
    let book = |rows: &[[&str; 2]]| {
        let row = |[owner, contact]: &[&str; 2]| format!("+{contact},{owner},2024-01-01\n");
        head.to_owned() + &rows.iter().map(row).collect::<String>()
    };
    books.scene.write("book-1.csv", book(&[[owner, contact], [owner, young], [young, contact]]));
    books.scene.write("book-2.csv", book(&[[contact, owner], [contact, contact]]));
    let report = books.run("run", 1, None);
    let expected = [(owner, contact), (contact, owner)];
    let expected = expected.map(|(owner, contact)| (owner.to_owned(), contact.to_owned()));
    assert_eq!(found_pairs(&books.scene.at("run")), BTreeSet::from(expected));
    let withheld = &report.inputs.iter().find(|input| input.file.ends_with("book-1.csv")).unwrap();
    assert_eq!(withheld.withheld_by, BTreeMap::from([("recycled_number".to_owned(), 2)]));
}

/// The sample of the purpose, run on two nights: somebody left between them.
pub fn published() -> Scene {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let scene = Scene::copy_of(&root.join("fixtures/purposes/friend_suggestions"));
    let job = scene.read("job.toml").replace("previous = \"none\"\n", "");
    let secret = "file = \"../../../target/purposes.key\"";
    assert!(job.contains(secret));
    scene.write("job.toml", job.replace(secret, "file = \"secret.key\""));
    scene.publish(&["--out", "before"]);
    scene.append("opt_outs.csv", "+442079460005,,2026-11-11\n");
    scene.publish(&["--out", "run"]);
    scene
}

fn in_scene(scene: &Scene, arguments: &[&str]) -> crate::support::Outcome {
    let mut command = phonematch();
    command.current_dir(scene.path()).args(arguments);
    finish(&mut command)
}

#[test]
fn pairs_of_somebody_who_left_are_taken_back_on_either_end_and_the_chain_holds() {
    let scene = published();
    let pairs = |run: &str, table: &str| -> BTreeSet<Pair> {
        let rows = tables::rows(&scene.at(run).join(table));
        rows.iter().map(|row| (row["owner_token"].clone(), row["token"].clone())).collect()
    };
    let before = pairs("before", "matches.parquet");
    let now = pairs("run", "matches.parquet");
    let gone: BTreeSet<_> = before.difference(&now).cloned().collect();
    assert_eq!(pairs("run", "removed.parquet"), gone);
    let leaver = token(SECRET_HEX, RECIPIENT, "442079460005", Form::E164);
    assert!(gone.iter().any(|pair| pair.0 == leaver) && gone.iter().any(|pair| pair.1 == leaver));
    assert!(gone.iter().all(|pair| pair.0 == leaver || pair.1 == leaver), "{gone:?}");
    scene.audit("run").must_end_with(0);
    // The run before holds pairs of somebody who has said no since, as owner and as contact.
    let audit = scene.audit("before").must_end_with(65);
    let said = audit.stdout + &audit.stderr;
    assert!(said.contains("barred people"), "{said}");
    let chain =
        ["audit", "run", "--chain", "--opt-outs", "opt_outs.csv", "--secret-file", "secret.key"];
    in_scene(&scene, &chain).must_end_with(0);

    let diff = in_scene(&scene, &["diff", "before", "run", "--json"]).must_end_with(0).json();
    assert_eq!(diff["after"]["purpose"], "friend_suggestions");
    let list = &diff["lists"][0];
    assert_eq!(list["people"], json!({"before": before.len(), "after": now.len()}));
    assert_eq!((&list["removed"], &list["added"]), (&json!(gone.len()), &json!(0)));
    let inspected = in_scene(&scene, &["inspect", "run"]).must_end_with(0);
    let released = format!("{} matches", now.len());
    assert!(inspected.stdout.contains(&released), "{}", inspected.stdout);
    for file in crate::support::files_under(&scene.at("run")) {
        let bytes = fs::read(&file).unwrap();
        let holds = bytes.windows(9).any(|some| some == b"207946000" || some == b"207946001");
        assert!(!holds, "{} holds a number", file.display());
    }
    let page = scene.read("run/report.html");
    assert!(page.contains("friend suggestions") && page.contains(&format!(">{}<", now.len())));
}

/// An owner who said no, alone: nobody names the owner as a contact.
#[test]
fn the_audit_looks_for_barred_people_among_owners_too() {
    let scene = published();
    scene.edit(
        "contacts.csv",
        "owner_phone,last_contact_at\n",
        "owner_phone,last_contact_at\n+442079460001,GB,+442079460040,\n",
    );
    scene.publish(&["--out", "third"]);
    scene.append("opt_outs.csv", "+442079460040,,2026-11-12\n");
    let owner = token(SECRET_HEX, RECIPIENT, "442079460040", Form::E164);
    let rows = tables::rows(&scene.at("third/matches.parquet"));
    let as_owner = rows.iter().filter(|row| row["owner_token"] == owner).count();
    assert_eq!(as_owner, 1);
    scene.audit("third").must_end_with(65);
    scene.publish(&["--out", "fourth"]);
    scene.audit("fourth").must_end_with(0);
    let rows = tables::rows(&scene.at("fourth/matches.parquet"));
    assert!(rows.iter().all(|row| row["owner_token"] != owner && row["token"] != owner));
}

#[test]
fn a_book_without_owners_is_refused_by_match_and_by_validate() {
    let scene = published();
    let whole = in_scene(&scene, &["validate", "--job", "job.toml", "--json"]).must_end_with(0);
    let checks = whole.json();
    let inputs = checks["inputs"].as_array().unwrap();
    let list = inputs.iter().find(|input| input["role"] == "list").unwrap();
    let report = scene.report("run");
    let inputs = report["inputs"].as_array().unwrap();
    let input = inputs.iter().find(|input| input["role"] == "list").unwrap();
    let count = |outcome: &str| input[outcome].as_u64().unwrap();
    assert_eq!(list["matches"]["matched"], count("released") + count("withheld"));
    scene.edit("contacts.csv", "owner_phone", "whoever");
    for command in ["match", "validate"] {
        let outcome = in_scene(&scene, &[command, "--job", "job.toml"]);
        assert_ne!(outcome.code, Some(0));
        let said = outcome.stderr + &outcome.stdout;
        assert!(said.contains("owner_phone"), "{said}");
    }
}
