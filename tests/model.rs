//! The whole job again, naively: one thread, maps and sets, straight from the design's text.
//!
//! It shares two things with the program, because other tests hold them to their own reference:
//! the reading of a number (`conformance.rs`) and the formats of the files. The keys, the bars
//! with their aliases, the join and the floors are written anew.
//!
//! Here the program itself is started on a few small worlds; `worlds.rs` holds very many against
//! the same model in its own process.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use phonematch::normalise::{Checks, E164_TEXT_LEN, Hint, Reading, Region, read};

use crate::support::keys::{Form, digest, token};
use crate::support::people::{KINDS, KINDS_WITHOUT_ALIAS, person};
use crate::support::small_worlds::{ALL_TYPES, GROUND_FROM, List, Messaging, Rules, Size, World};
use crate::support::{SECRET_HEX, Scene, tables};

/// Worlds that the program is started on.
const WORLDS: u64 = 64;

/// Members that a list names.
type Candidates = BTreeMap<String, Dates>;

/// What the rows of a list say of a customer, the latest of each.
#[derive(Clone, Default)]
struct Dates {
    contact: Option<String>,
    opt_in: Option<String>,
}

/// What the rows of an account say.
#[derive(Default)]
struct Member {
    verified: Option<String>,
    said_yes: Option<String>,
}

/// Recipient, list and token of everyone who comes out; of a pair the contact's token, a blank and
/// the owner's.
pub type Released = BTreeSet<(String, String, String)>;

/// Numbers and digests that opt-outs bar for a purpose; a word that names none bars for all.
fn opted_out(
    folder: &Path,
    rules: &Rules,
    purpose: &str,
) -> (BTreeSet<String>, BTreeSet<[u8; 32]>) {
    const PURPOSES: [&str; 5] =
        ["ads", "friend_suggestions", "analytics", "anti_spam", "business_messaging"];
    let mut barred = BTreeSet::new();
    let mut barred_digests = BTreeSet::new();
    for file in &rules.opt_out_files {
        for row in csv_rows(&folder.join(file)) {
            let named = row["purpose"].as_str();
            if named != purpose && PURPOSES.contains(&named) {
                continue;
            }
            if let Some(cell) = row.get("phone_sha256") {
                barred_digests.extend(digest_in(cell));
                continue;
            }
            for part in row["phone"].split([';', '/']) {
                barred.extend(closure(&opted_out_digits(part, rules.opt_out_country)));
            }
        }
    }
    (barred, barred_digests)
}

/// Whose digest it is shows only when somebody's number, in one of its forms, has it.
fn is_barred_by_digest(digits: &str, barred: &BTreeSet<[u8; 32]>) -> bool {
    closure(digits).iter().any(|alias| {
        [Form::E164, Form::Digits].iter().any(|&form| barred.contains(&digest(alias, form)))
    })
}

/// Distinct people who are active and did not say no, and the system that their rows agree on.
pub fn naive_people(
    folder: &Path,
    rules: &Rules,
    is_active: impl Fn(&str) -> bool,
) -> BTreeMap<String, (Region, Option<&'static str>)> {
    let (barred, digests) = opted_out(folder, rules, "analytics");
    let mut people: BTreeMap<String, (Region, BTreeSet<&'static str>)> = BTreeMap::new();
    for row in csv_rows(&folder.join("accounts.csv")) {
        let Some(reading) = reading(&row["phone"], Hint::International) else { continue };
        let digits = digits_of(&reading);
        let is_barred = barred.contains(&digits) || is_barred_by_digest(&digits, &digests);
        if is_barred || !is_active(&row["last_active"]) {
            continue;
        }
        let (_, oses) = people.entry(digits).or_insert((reading.region, BTreeSet::new()));
        oses.extend(["Android", "iOS"].into_iter().filter(|os| row["os"].starts_with(os)));
    }
    let one = |oses: BTreeSet<&'static str>| match oses.len() {
        1 => oses.first().map(|os| if *os == "iOS" { "ios" } else { "android" }),
        _ => None,
    };
    people.into_iter().map(|(digits, (region, oses))| (digits, (region, one(oses)))).collect()
}

/// Everybody who is in the export, and the numbers of whoever said no anywhere.
fn members_and_barred(
    folder: &Path,
    rules: &Rules,
) -> (BTreeMap<String, Member>, BTreeSet<String>) {
    let own = match rules.messaging {
        Some(_) => "business_messaging",
        None if rules.pairs => "friend_suggestions",
        None => "ads",
    };
    let (mut barred, barred_digests) = opted_out(folder, rules, own);
    let mut members = BTreeMap::new();
    for row in csv_rows(&folder.join("accounts.csv")) {
        let consents = match row["consent_ads"].as_str() {
            "granted" | "yes" | "true" | "1" | "opt_in" => true,
            "" => rules.blank_is_allowed,
            _ => false,
        };
        let signal = |name: &str, harmless: &[&str]| {
            row.get(name).is_some_and(|cell| !harmless.contains(&cell.as_str()))
        };
        let objects = signal("gpc", &["", "0"]) || signal("us_privacy", &["", "1---", "1YNN"]);
        let allowed = consents && !objects;
        let member = reading(&row["phone"], Hint::International).map(|it| digits_of(&it));
        if !allowed {
            // Nobody matches by a form that the plan left behind, but a no in it counts.
            let digits = member.clone().unwrap_or_else(|| digits_in(&row["phone"]));
            barred.extend(closure(&digits));
        }
        if let Some(member) = member {
            let verified = row.get("verified_at").and_then(|cell| date(cell, "9999-12-31"));
            let known: &mut Member = members.entry(member).or_default();
            known.verified = known.verified.take().max(verified);
            if allowed && !row["consent_ads"].is_empty() {
                let at = row.get("consent_at").and_then(|cell| date(cell, "0000-01-01"));
                known.said_yes = known.said_yes.take().max(at);
            }
        }
    }
    for digits in members.keys() {
        if is_barred_by_digest(digits, &barred_digests) {
            barred.extend(closure(digits));
        }
    }
    (members, barred)
}

/// Whether somebody's number has changed hands since the contact, or is a region's that is excluded.
fn is_kept_back(rules: &Rules, digits: &str, member: &Member, dates: &Dates) -> bool {
    let region = reading(&format!("+{digits}"), Hint::None).unwrap().region;
    // A day stands for all of its seconds, so on the same one either may have been first.
    let (verified, contact) = (&member.verified, &dates.contact);
    verified.is_some() && contact.is_some() && verified >= contact
        || rules.excluded_region.is_some_and(|excluded| region.code() == excluded)
}

pub fn naive_job(folder: &Path, rules: &Rules) -> Released {
    let (members, barred) = members_and_barred(folder, rules);
    let large = large_books(folder, rules, &members);
    let mut released = Released::new();
    let mut written_to = BTreeSet::new();
    for list in &rules.lists {
        if rules.pairs {
            let pairs = naive_pairs(folder, (list, rules), &members, &barred);
            released.extend(
                pairs.into_iter().filter(|pair| !large.contains(&pair.owner)).map(|it| it.row),
            );
            continue;
        }
        let (size, candidates) = match list.hashed {
            None => raw_candidates(folder, list, rules, &members),
            Some(form) => hashed_candidates(folder, list, form, &members),
        };
        let may_leave = candidates.iter().filter(|(digits, _)| !barred.contains(*digits));
        let mut out: Vec<_> =
            may_leave.filter(|it| !is_kept_back(rules, it.0, &members[it.0], it.1)).collect();
        if let Some(messaging) = &rules.messaging {
            // Lists stand in the order of their names; the first of a business has the message.
            out.retain(|(digits, dates)| {
                messaging.pilot.contains(&list.recipient.as_str())
                    && has_ground(messaging, dates, &members[*digits])
                    && written_to.insert((list.recipient.clone(), digits.to_string()))
            });
        }
        let out: Vec<_> = out.into_iter().map(|(digits, _)| digits).collect();
        let is_told = size >= rules.list_numbers && out.len() >= rules.matched_people;
        if is_told || rules.messaging.is_some() {
            let form = list.hashed.unwrap_or(Form::E164);
            released.extend(out.iter().map(|digits| {
                let token = token(SECRET_HEX, &list.recipient, digits, form);
                (list.recipient.clone(), list.id.clone(), token)
            }));
        }
    }
    released
}

/// Owners who have more numbers in their books, all lists together, than the policy allows; a number
/// and its digest with the plus are one.
fn large_books(
    folder: &Path,
    rules: &Rules,
    members: &BTreeMap<String, Member>,
) -> BTreeSet<String> {
    let mut books = BTreeMap::<String, BTreeSet<[u8; 32]>>::new();
    for list in rules.lists.iter().filter(|_| rules.pairs) {
        for row in csv_rows(&folder.join(&list.file)) {
            let Some(owner) = owner_of(&row, list, members) else { continue };
            let numbers: Vec<_> = match list.hashed {
                Some(_) => digest_in(&row["phone_sha256"]).into_iter().collect(),
                None => {
                    let numbers = numbers_of_row(&row, list, rules);
                    numbers.iter().map(|digits| digest(digits, Form::E164)).collect()
                }
            };
            books.entry(owner).or_default().extend(numbers);
        }
    }
    books.retain(|_, book| book.len() > rules.most_contacts);
    books.into_keys().collect()
}

/// Whose digest a cell is.
fn of_digest(cell: &str, form: Form, members: &BTreeMap<String, Member>) -> Option<String> {
    let wanted = digest_in(cell)?;
    members.keys().find(|digits| digest(digits, form) == wanted).cloned()
}

fn owner_of(
    row: &BTreeMap<String, String>,
    list: &List,
    members: &BTreeMap<String, Member>,
) -> Option<String> {
    let hashed = list.hashed.and_then(|form| of_digest(&row["owner_phone"], form, members));
    hashed.or_else(|| reading(&row["owner_phone"], Hint::International).map(|it| digits_of(&it)))
}

/// A pair that comes out where the owner's book is not too large.
struct NaivePair {
    owner: String,
    row: (String, String, String),
}

/// The pairs of a list: owner and contact, both in the export, neither of them barred.
fn naive_pairs(
    folder: &Path,
    (list, rules): (&List, &Rules),
    members: &BTreeMap<String, Member>,
    barred: &BTreeSet<String>,
) -> Vec<NaivePair> {
    let mut pairs = BTreeMap::<(String, String), Dates>::new();
    for row in csv_rows(&folder.join(&list.file)) {
        let Some(owner) = owner_of(&row, list, members) else { continue };
        let contacts: Vec<_> = match list.hashed {
            Some(form) => of_digest(&row["phone_sha256"], form, members).into_iter().collect(),
            None => numbers_of_row(&row, list, rules),
        };
        for contact in contacts {
            pairs.entry((owner.clone(), contact)).or_default().merge(&row);
        }
    }
    let may_be = |digits: &String, dates: &Dates| {
        let member = members.get(digits).filter(|_| !barred.contains(digits));
        member.is_some_and(|member| !is_kept_back(rules, digits, member, dates))
    };
    let comes_out = |((owner, contact), dates): &(&(String, String), &Dates)| {
        owner != contact && may_be(owner, dates) && may_be(contact, dates)
    };
    let tokens = |((owner, contact), _): (&(String, String), &Dates)| {
        let token = |digits| token(SECRET_HEX, &list.recipient, digits, Form::E164);
        let tokens = format!("{} {}", token(contact), token(owner));
        let row = (list.recipient.clone(), list.id.clone(), tokens);
        NaivePair { owner: owner.clone(), row }
    };
    pairs.iter().filter(comes_out).map(tokens).collect()
}

/// The numbers of a row that can be a person's.
fn numbers_of_row(row: &BTreeMap<String, String>, list: &List, rules: &Rules) -> Vec<String> {
    let hint = Region::from_code(row["country"].as_bytes()).map_or(Hint::None, Hint::Region);
    let cell = row["phone"].as_str();
    let parts = if list.separate { cell.split(';').collect() } else { vec![cell] };
    let readings = parts.iter().filter_map(|part| reading(part, hint));
    let personal = readings.filter(|reading| rules.types.contains(&reading.kind.name()));
    personal.map(|reading| digits_of(&reading)).collect()
}

/// The expectation where noise has a say: a list that reaches the floors may be withheld, and then
/// nobody of it comes out.
pub fn without_withheld(mut expected: Released, found: &Released, rules: &Rules) -> Released {
    let list = |row: &(String, String, String)| (row.0.clone(), row.1.clone());
    let shown: BTreeSet<_> = found.iter().map(list).collect();
    expected.retain(|row| rules.noise.is_none() || shown.contains(&list(row)));
    expected
}

/// How many numbers the list holds, and those of them that are members.
fn raw_candidates(
    folder: &Path,
    list: &List,
    rules: &Rules,
    members: &BTreeMap<String, Member>,
) -> (usize, Candidates) {
    let mut numbers = Candidates::new();
    for row in csv_rows(&folder.join(&list.file)) {
        for digits in numbers_of_row(&row, list, rules) {
            numbers.entry(digits).or_default().merge(&row);
        }
    }
    let size = numbers.len();
    numbers.retain(|digits, _| members.contains_key(digits));
    (size, numbers)
}

fn hashed_candidates(
    folder: &Path,
    list: &List,
    form: Form,
    members: &BTreeMap<String, Member>,
) -> (usize, Candidates) {
    let rows = csv_rows(&folder.join(&list.file));
    let mut digests = BTreeMap::<_, Dates>::new();
    for row in &rows {
        if let Some(digest) = digest_in(&row["phone_sha256"]) {
            digests.entry(digest).or_default().merge(row);
        }
    }
    let listed = members
        .keys()
        .filter_map(|digits| Some((digits.clone(), digests.get(&digest(digits, form))?.clone())));
    (digests.len(), listed.collect())
}

impl Dates {
    fn merge(&mut self, row: &BTreeMap<String, String>) {
        let at = |column: &str| row.get(column).and_then(|cell| date(cell, "0000-01-01"));
        self.contact = self.contact.take().max(at("last_contact_at"));
        self.opt_in = self.opt_in.take().max(at("opted_in_at"));
    }
}

/// Whether a business may write to somebody at all.
fn has_ground(messaging: &Messaging, dates: &Dates, member: &Member) -> bool {
    let within = |date: &Option<String>| date.as_deref().is_some_and(|date| date >= GROUND_FROM);
    within(&dates.contact)
        || messaging.opt_in_in_list && within(&dates.opt_in)
        || messaging.opt_in_in_export && within(&member.said_yes)
}

/// A day of these worlds; what is none counts as `otherwise`.
fn date(cell: &str, otherwise: &str) -> Option<String> {
    let is_day = cell.len() == 10 && cell.starts_with("20");
    (!cell.is_empty()).then(|| if is_day { cell } else { otherwise }.to_owned())
}

/// The digits that an opt-out cell means: as read, else as they stand there.
fn opted_out_digits(cell: &str, country: Option<&str>) -> String {
    let region = country.and_then(|country| Region::from_code(country.as_bytes()));
    match reading(cell, region.map_or(Hint::None, Hint::Region)) {
        Some(reading) => digits_of(&reading),
        None => digits_in(cell),
    }
}

fn digits_in(cell: &str) -> String {
    cell.chars().filter(char::is_ascii_digit).collect()
}

/// Every way in which the same person's number has been written (design §3).
pub fn closure(digits: &str) -> Vec<String> {
    let mut same = vec![digits.to_owned()];
    let mut add = |alias: String| same.push(alias);
    let rest_after = |prefix: &str, len: usize| {
        digits.strip_prefix(prefix).filter(|rest| rest.len() == len).map(str::to_owned)
    };
    // Mexico dropped the 1 behind its calling code in 2019.
    rest_after("521", 10).into_iter().for_each(|rest| add(format!("52{rest}")));
    rest_after("52", 10).into_iter().for_each(|rest| add(format!("521{rest}")));
    // Argentina: a 9 in front of mobile numbers, from abroad only.
    rest_after("549", 10).into_iter().for_each(|rest| add(format!("54{rest}")));
    rest_after("54", 10).into_iter().for_each(|rest| add(format!("549{rest}")));
    // Brazil: a 9 in front of mobile numbers since 2012 to 2016.
    if let Some(rest) = rest_after("55", 11).filter(|rest| &rest[2..3] == "9") {
        add(format!("55{}{}", &rest[..2], &rest[3..]));
    }
    rest_after("55", 10)
        .into_iter()
        .for_each(|rest| add(format!("55{}9{}", &rest[..2], &rest[2..])));
    // Ivory Coast, January 2021: 01, 05 or 07 by operator; these worlds hold the 07 alone.
    rest_after("225", 8).into_iter().for_each(|rest| add(format!("22507{rest}")));
    // Benin, November 2024.
    rest_after("229", 8).into_iter().for_each(|rest| add(format!("22901{rest}")));
    // Italy: the zero of a fixed line belongs to the number.
    if let Some(rest) = digits.strip_prefix("39").filter(|rest| !rest.starts_with('0')) {
        add(format!("390{rest}"));
    }
    same
}

fn reading(cell: &str, hint: Hint) -> Option<Reading> {
    read(cell.as_bytes(), hint, Checks::Damage).ok()
}

fn digits_of(reading: &Reading) -> String {
    reading.number.expose_text(&mut [0; E164_TEXT_LEN])[1..].to_owned()
}

fn digest_in(cell: &str) -> Option<[u8; 32]> {
    let bytes = hex::decode(cell).or_else(|_| BASE64_STANDARD.decode(cell)).ok()?;
    bytes.try_into().ok()
}

fn csv_rows(path: &Path) -> Vec<BTreeMap<String, String>> {
    let mut reader = csv::Reader::from_path(path).unwrap();
    reader.deserialize().map(Result::unwrap).collect()
}

pub fn released_by_the_program(run: &Path) -> Released {
    let rows = tables::rows(&run.join("matches.parquet"));
    let count = rows.len();
    let field = |row: &tables::Row, name: &str| row[name].clone();
    let released: Released = rows
        .iter()
        .map(|row| {
            let owner = row.get("owner_token").map(|owner| format!(" {owner}"));
            let tokens = field(row, "token") + &owner.unwrap_or_default();
            (field(row, "recipient"), field(row, "list_id"), tokens)
        })
        .collect();
    assert_eq!(released.len(), count, "a person came out twice");
    released
}

#[test]
fn random_small_worlds_come_out_of_the_program_as_the_naive_model_says() {
    for seed in 0..WORLDS {
        let world = World::drawn(&Size::drawn(seed));
        let scene = Scene::empty();
        world.write(scene.path());
        scene.write("job.toml", world.job_file());
        scene.write("policy.toml", world.policy());
        scene.publish(&["--quiet"]);
        let found = released_by_the_program(&scene.at("run"));
        let expected = naive_job(scene.path(), &world.rules);
        let expected = without_withheld(expected, &found, &world.rules);
        assert!(found == expected, "{}", explain(scene.path(), &world.rules, &expected, &found));
    }
}

/// The files of a small world and whose token is missing or too much. All of them are made up.
pub fn explain(folder: &Path, rules: &Rules, expected: &Released, found: &Released) -> String {
    let mut names = BTreeMap::new();
    for (kind, line) in (0..KINDS).flat_map(|kind| (0..10).map(move |line| (kind, line))) {
        let digits = person(kind, line).digits;
        for recipient in ["acme", "globex"] {
            for form in [Form::E164, Form::Digits] {
                names.insert(token(SECRET_HEX, recipient, &digits, form), digits.clone());
            }
        }
    }
    let whose = |rows: &Released, but: &Released| -> Vec<String> {
        let name = |tokens: &String| {
            let names =
                tokens.split(' ').map(|token| names.get(token).cloned().unwrap_or_default());
            names.collect::<Vec<_>>().join(" known by +")
        };
        rows.difference(but).map(|row| format!("{} {} +{}", row.0, row.1, name(&row.2))).collect()
    };
    let (missing, extra) = (whose(expected, found), whose(found, expected));
    let mut text = format!("missing {missing:?}\ntoo much {extra:?}\n{rules:?}\n");
    let lists = rules.lists.iter().map(|list| &list.file);
    for file in rules.opt_out_files.iter().chain(lists).chain([&"accounts.csv".to_owned()]) {
        let content = std::fs::read_to_string(folder.join(file)).unwrap_or_default();
        text += &format!("--- {file}\n{content}");
    }
    text
}

/// The rules of worlds that `synth` makes, with one list of that name.
pub fn rules_of_synth(recipient: &str, list: &str) -> Rules {
    Rules {
        blank_is_allowed: true,
        types: ALL_TYPES.to_vec(),
        list_numbers: 100,
        matched_people: 100,
        attribute_cell: 50,
        noise: None,
        messaging: None,
        pairs: false,
        most_contacts: 10_000,
        excluded_region: None,
        opt_out_country: None,
        lists: vec![List {
            file: "list.csv".to_owned(),
            recipient: recipient.to_owned(),
            id: list.to_owned(),
            hashed: None,
            separate: false,
        }],
        opt_out_files: vec!["opt_outs.csv".to_owned()],
    }
}

/// The digits that a cell with its country in it is read as.
pub fn reads_as(cell: &str) -> Option<String> {
    reading(cell, Hint::None).map(|reading| digits_of(&reading))
}

#[test]
fn a_made_up_world_comes_out_as_the_naive_model_says() {
    // PHONEMATCH_ACCOUNTS=1000000 tries a larger one, with a list of a tenth of that.
    let accounts = std::env::var("PHONEMATCH_ACCOUNTS").map_or(20_000, |n| n.parse().unwrap());
    let scene = Scene::made_up(accounts, accounts / 10, 2016);
    scene.publish(&[]);
    let rules = rules_of_synth("synth", "list");
    let expected = naive_job(scene.path(), &rules);
    assert!(expected.len() > 500, "the world is too small to say much: {}", expected.len());
    assert_eq!(released_by_the_program(&scene.at("run")), expected);
}

#[test]
fn people_without_an_alias_have_none_in_the_model_either() {
    for kind in 0..KINDS_WITHOUT_ALIAS {
        let person = person(kind, 7);
        assert!(person.aliases.is_empty());
        assert_eq!(closure(&person.digits), std::slice::from_ref(&person.digits));
    }
    for kind in KINDS_WITHOUT_ALIAS..KINDS {
        let person = person(kind, 7);
        let read = reading(&format!("+{}", person.digits), Hint::None).unwrap();
        assert_eq!(digits_of(&read), person.digits);
        for alias in &person.aliases {
            let barred = closure(&opted_out_digits(alias, Some("US")));
            assert!(barred.contains(&person.digits), "{alias} {person:?}");
        }
    }
}
