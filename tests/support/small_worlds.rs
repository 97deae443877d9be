//! Small worlds, made up from a seed: a few people in every country whose numbers have aliases,
//! some with accounts, some on lists, some who said no, in every spelling.
//!
//! A world is data first and files second, so that a test can make the same world with one person
//! less. `model.rs` starts the program on them; `worlds.rs` runs very many in its own process.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use phonematch::consent::Purpose;
use phonematch::dates::Day;
use phonematch::input::Field;
use phonematch::job::{
    Identifier, Job, ListSource, OptOutSource, Phones, Recipient, SeveralNumbers,
};
use phonematch::key::{self};
use phonematch::normalise::Region;

use super::jobs::{files, plain_job};
use super::keys::{Form, digest};
use super::people::{KINDS, Person, abroad, person};
use super::random::Random;
use super::{JOB, POLICY};

/// What the job file and the policy say, as far as the released set depends on it.
#[derive(Clone, Debug)]
pub struct Rules {
    pub blank_is_allowed: bool,
    pub types: Vec<&'static str>,
    pub list_numbers: usize,
    pub matched_people: usize,
    pub attribute_cell: usize,
    /// What `[noise]` of the policy says besides the spread of one person; `None`: no noise.
    pub noise: Option<Noise>,
    /// The world is for messages of businesses, and not for ads.
    pub messaging: Option<Messaging>,
    /// The world is for friend suggestions: list rows are contacts, each with its owner.
    pub pairs: bool,
    /// Of friend suggestions: most numbers of an address book.
    pub most_contacts: usize,
    /// Two letters.
    pub excluded_region: Option<&'static str>,
    pub opt_out_country: Option<&'static str>,
    pub lists: Vec<List>,
    pub opt_out_files: Vec<String>,
}

/// What a world for messages asks. Its lists fill no tier and its people reach no cap: what those do
/// is for `messaging.rs`.
#[derive(Clone, Debug)]
pub struct Messaging {
    pub opt_in_in_list: bool,
    pub opt_in_in_export: bool,
    pub pilot: Vec<&'static str>,
}

/// Dates of these worlds from this one on are a ground for a message.
pub const GROUND_FROM: &str = "2016-01-01";

/// Noise as small as it can be, so that small worlds have lists that are released.
#[derive(Clone, Copy, Debug)]
pub struct Noise {
    pub distribution: &'static str,
    pub repeat_below: usize,
}

#[derive(Clone, Debug)]
pub struct List {
    pub file: String,
    pub recipient: String,
    pub id: String,
    /// `None`: numbers as text.
    pub hashed: Option<Form>,
    pub separate: bool,
}

pub const ALL_TYPES: [&str; 5] =
    ["MOBILE", "FIXED_LINE", "FIXED_LINE_OR_MOBILE", "VOIP", "PERSONAL_NUMBER"];

/// A last activity that counts where the policy looks back ten years.
pub const ACTIVE: &str = "2026-06-01";

/// How large a small world is.
#[derive(Clone, Debug)]
pub struct Size {
    pub seed: u64,
    pub people: usize,
    pub accounts: usize,
    pub list: usize,
    pub lists: usize,
    pub opt_outs: usize,
}

impl Size {
    /// One for each number; none is larger than a person can look through.
    pub fn drawn(seed: u64) -> Self {
        let random = &mut Random(seed);
        Self {
            seed: random.next(),
            people: 1 + random.below(50),
            accounts: 1 + random.below(60),
            list: 1 + random.below(60),
            lists: 1 + random.below(3),
            opt_outs: 1 + random.below(7),
        }
    }
}

/// A row of the export.
#[derive(Clone, Debug)]
pub struct Account {
    pub id: usize,
    pub cell: String,
    /// Whom the cell means, as E.164 digits, where it means somebody.
    pub digits: Option<String>,
    pub consent: &'static str,
    pub os: &'static str,
    pub last_active: &'static str,
    pub device: &'static str,
    pub gpc: &'static str,
    pub us_privacy: &'static str,
    pub verified_at: &'static str,
    pub consent_at: &'static str,
}

#[derive(Clone, Debug)]
pub struct OptOut {
    pub cell: String,
    pub purpose: &'static str,
}

#[derive(Clone, Debug)]
pub struct World {
    pub people: Vec<Person>,
    pub accounts: Vec<Account>,
    /// The rows of each list, without header.
    pub list_rows: Vec<Vec<String>>,
    pub opt_outs: Vec<OptOut>,
    /// Cells of the second opt-out file, which holds hashes.
    pub hashed_opt_outs: Vec<String>,
    pub rules: Rules,
}

impl World {
    pub fn drawn(size: &Size) -> Self {
        let random = &mut Random(size.seed);
        let people: Vec<_> =
            (0..size.people).map(|line| person(random.below(KINDS), line % 10)).collect();
        let mood = random.pick(&[Mood::Calm, Mood::Calm, Mood::Torn]);
        let accounts = (0..size.accounts).map(|id| account(id, &people, mood, random)).collect();
        let lists: Vec<_> = (0..size.lists).map(|at| list(at, random)).collect();
        let rows = |list: &List, random: &mut Random| {
            (0..size.list).map(|_| list_row(list, random.pick_ref(&people), random)).collect()
        };
        let list_rows = lists.iter().map(|list| rows(list, random)).collect();
        let opt_outs = (0..size.opt_outs).map(|_| opt_out(&people, random)).collect();
        let plain = people.iter().filter(|person| person.aliases.is_empty());
        let hashed_opt_outs: Vec<_> = plain
            .take(random.below(3))
            .map(|person| hashed_cell(&person.digits, any_form(random), random))
            .collect();
        let rules = Rules {
            blank_is_allowed: random.percent(60),
            types: if random.percent(70) { ALL_TYPES.to_vec() } else { ALL_TYPES[..1].to_vec() },
            list_numbers: 1 + random.below(5),
            matched_people: 1 + random.below(3),
            attribute_cell: 1 + random.below(4),
            noise: None,
            messaging: None,
            pairs: false,
            most_contacts: if random.one_in(3) { 1 + random.below(12) } else { 10_000 },
            excluded_region: random.one_in(6).then(|| random.pick(&["US", "MX", "IT"])),
            opt_out_country: Some("US"),
            lists,
            opt_out_files: vec!["opt_outs.csv".to_owned(), "opt_outs-hashed.csv".to_owned()],
        };
        let messaging = random.one_in(4).then(|| messaging(random));
        let noise = noise(random).filter(|_| messaging.is_none());
        let pairs = messaging.is_none() && noise.is_none() && random.one_in(2);
        let rules = Rules { noise, messaging, pairs, ..rules };
        let mut world = Self { people, accounts, list_rows, opt_outs, hashed_opt_outs, rules };
        if pairs {
            world.give_owners(random);
        }
        world.settle();
        world
    }

    /// Makes every list row a contact of several people: mostly of a few who have accounts.
    fn give_owners(&mut self, random: &mut Random) {
        let has_account = |person: &&Person| {
            self.accounts.iter().any(|account| account.digits.as_ref() == Some(&person.digits))
        };
        let users: Vec<_> = self.people.iter().filter(has_account).take(5).collect();
        let all: Vec<_> = self.people.iter().collect();
        for (list, rows) in self.rules.lists.iter().zip(&mut self.list_rows) {
            let owned = |row: &String| {
                let of_users = !users.is_empty() && !random.one_in(5);
                let owner = random.pick(if of_users { &users } else { &all });
                let cell = owner_cell(owner, list, random);
                format!("{},{}\n", row.trim_end_matches('\n'), csv_cell(&cell))
            };
            *rows = rows.iter().flat_map(|row| [row, row, row]).map(owned).collect();
        }
    }

    /// Names the second opt-out file only where it has a row: an empty one refuses the run.
    pub fn settle(&mut self) {
        let files = if self.hashed_opt_outs.is_empty() { 1 } else { 2 };
        self.rules.opt_out_files = ["opt_outs.csv", "opt_outs-hashed.csv"][..files]
            .iter()
            .map(|it| it.to_string())
            .collect();
    }

    /// Writes the inputs.
    pub fn write(&self, folder: &Path) {
        let write = |name: &str, text: String| fs::write(folder.join(name), text).unwrap();
        let mut text =
            "account_id,phone,consent_ads,os,device,gpc,us_privacy,verified_at,last_active,"
                .to_owned();
        text += "consent_at\n";
        for it in &self.accounts {
            let Account { id, consent, os, device, gpc, us_privacy, .. } = it;
            let cell = csv_cell(&it.cell);
            text += &format!("{id},{cell},{consent},{os},{device},{gpc},{us_privacy}");
            text += &format!(",{},{},{}\n", it.verified_at, it.last_active, it.consent_at);
        }
        write("accounts.csv", text);
        for (list, rows) in self.rules.lists.iter().zip(&self.list_rows) {
            let header = match list.hashed {
                Some(_) => "phone_sha256,note,last_contact_at,opted_in_at",
                None => "phone,country,last_contact_at,opted_in_at",
            };
            let owner = if self.rules.pairs { ",owner_phone" } else { "" };
            write(&list.file, format!("{header}{owner}\n{}", rows.concat()));
        }
        let mut text = "phone,purpose,opted_out_at\n".to_owned();
        for it in &self.opt_outs {
            let purpose = if it.purpose == "ads" { self.purpose().name() } else { it.purpose };
            text += &format!("{},{purpose},2026-01-01\n", csv_cell(&it.cell));
        }
        write("opt_outs.csv", text);
        if !self.hashed_opt_outs.is_empty() {
            let rows = self.hashed_opt_outs.iter().map(|cell| format!("{cell},\n"));
            write(
                "opt_outs-hashed.csv",
                "phone_sha256,purpose\n".to_owned() + &rows.collect::<String>(),
            );
        }
    }

    /// The job file, for the program.
    pub fn job_file(&self) -> String {
        let mut job = JOB.split("[[lists]]").next().unwrap().to_owned();
        if self.purpose() != Purpose::Ads {
            let purpose = format!("purpose = \"{}\"", self.purpose().name());
            let files = "files = [\"accounts.csv\"]";
            let columns = "columns = { consent = \"consent_ads\" }";
            assert!(job.contains(files));
            job = job
                .replace("purpose = \"ads\"", &purpose)
                .replace(files, &format!("{files}\n{columns}"));
        }
        for list in &self.rules.lists {
            let phones = match list.hashed {
                None => "raw",
                Some(Form::E164) => "e164",
                Some(Form::Digits) => "digits",
            };
            let several = if list.separate { "separate" } else { "reject" };
            job += &format!(
                "[[lists]]\nfiles = [\"{}\"]\nrecipient = \"{}\"\nid = \"{}\"\n\
                 phones = \"{phones}\"\nseveral_numbers = \"{several}\"\n\n",
                list.file, list.recipient, list.id
            );
        }
        job + &format!("[opt_outs]\nfiles = {:?}\ncountry = \"US\"\n", self.rules.opt_out_files)
    }

    /// The same job as a value, for the library.
    pub fn job(&self, folder: &Path, out: &str) -> Job {
        let name = |text: &str| Identifier::from_text(text.as_bytes());
        let list = |list: &List| ListSource {
            files: files(folder, &[&list.file]),
            recipient: Recipient::Only(name(&list.recipient).unwrap()),
            id: name(&list.id),
            country: None,
            phones: match list.hashed {
                None => Phones::Raw,
                Some(Form::E164) => Phones::Hashed(key::Form::E164),
                Some(Form::Digits) => Phones::Hashed(key::Form::Digits),
            },
            several_numbers: match list.separate {
                true => SeveralNumbers::Separate,
                false => SeveralNumbers::Reject,
            },
        };
        let policy = self.policy();
        let mut job = plain_job(folder, out, (self.purpose(), &policy));
        if self.purpose() != Purpose::Ads {
            job.accounts.columns.insert(Field::Consent, "consent_ads".to_owned());
        }
        Job {
            name: name("worlds").unwrap(),
            policy_digest: blake3::hash(policy.as_bytes()).to_hex().to_string(),
            lists: self.rules.lists.iter().map(list).collect(),
            opt_outs: OptOutSource {
                patterns: self.rules.opt_out_files.clone(),
                base: folder.to_owned(),
                columns: BTreeMap::new(),
                country: self
                    .rules
                    .opt_out_country
                    .map(|it| Region::from_code(it.as_bytes()).unwrap()),
            },
            ledger: folder.join("phonematch.ledger"),
            history: folder.join("phonematch.history"),
            ..job
        }
    }

    pub fn purpose(&self) -> Purpose {
        match self.rules.messaging {
            Some(_) => Purpose::BusinessMessaging,
            None if self.rules.pairs => Purpose::FriendSuggestions,
            None => Purpose::Ads,
        }
    }

    pub fn policy(&self) -> String {
        let policy = self.policy_of_ads();
        match &self.rules.messaging {
            Some(rules) => policy_of_messages(&policy, rules),
            None if self.rules.pairs => {
                let most = format!("most_contacts = {}\n", self.rules.most_contacts);
                most + &policy_without_figures(&policy, self.purpose(), "owner_phone").concat()
            }
            None => policy,
        }
    }

    fn policy_of_ads(&self) -> String {
        let rules = &self.rules;
        let noise = rules.noise.map(|Noise { distribution, repeat_below }| {
            format!(
                "distribution = \"{distribution}\"\nspread = 1\nedge_exponent = 2\n\
                 repeat_below = {repeat_below}\n\n[budget]\nmicro_rho = 10000000\nperiod_days = 30\n"
            )
        });
        let none = "distribution = \"none\"\n";
        assert!(POLICY.contains(none));
        let all = format!("{ALL_TYPES:?}");
        assert!(POLICY.contains(&all));
        assert!(POLICY.contains("excluded_regions = []"));
        let excluded = rules.excluded_region.as_slice();
        let excluded = format!("excluded_regions = {excluded:?}");
        let blank = if rules.blank_is_allowed { "allowed" } else { "barred" };
        POLICY
            .replace(none, noise.as_deref().unwrap_or(none))
            .replace(&all, &format!("{:?}", rules.types))
            .replace("blank_consent = \"allowed\"", &format!("blank_consent = \"{blank}\""))
            .replace("excluded_regions = []", &excluded)
            .replace("list_numbers = 1", &format!("list_numbers = {}", rules.list_numbers))
            .replace("matched_people = 1", &format!("matched_people = {}", rules.matched_people))
            .replace("attribute_cell = 1", &format!("attribute_cell = {}", rules.attribute_cell))
    }
}

/// When an account was verified, or a customer dealt with: mostly nobody knows.
const DATES: [&str; 9] =
    ["", "", "", "", "2016-08-25", "2016-08-25", "2014-02-19", "2017-09-05", "09/05/2017"];

/// When a customer was dealt with, and opted in.
fn dates(random: &mut Random) -> String {
    format!("{},{}", random.pick(&DATES), random.pick(&DATES))
}

fn messaging(random: &mut Random) -> Messaging {
    Messaging {
        opt_in_in_list: random.percent(50),
        opt_in_in_export: random.percent(60),
        pilot: random.pick(&[&["acme"][..], &["globex", "acme"], &["acme", "globex"]]).to_vec(),
    }
}

/// The same rules for another purpose as far as they can be, with a column more of lists and
/// without what only ads have: what stands before that, and what behind it.
fn policy_without_figures(ads: &str, purpose: Purpose, column: &str) -> [String; 2] {
    let (head, rest) = ads.split_once("[floors]").unwrap();
    let opt_outs = rest.split_once("[opt_outs]").unwrap().1;
    let columns = "\"consent\", \"os\", \"device\", \"verified_at\"";
    let most = "most_list_numbers = 9000000\n";
    assert!(head.contains(columns) && head.contains("\"last_contact_at\"]"));
    assert!(head.contains(most));
    let head = head
        .replace(most, "")
        .replace("purpose = \"ads\"", &format!("purpose = \"{}\"", purpose.name()))
        .replace(columns, "\"consent\", \"verified_at\"")
        .replace("\"last_contact_at\"]", &format!("\"last_contact_at\", \"{column}\"]"));
    [head, format!("[opt_outs]{opt_outs}")]
}

fn policy_of_messages(ads: &str, rules: &Messaging) -> String {
    let [head, rest] = policy_without_figures(ads, Purpose::BusinessMessaging, "opted_in_at");
    let head = head.replace("\"consent\", ", "\"consent\", \"consent_at\", ");
    let records = [(rules.opt_in_in_list, "list"), (rules.opt_in_in_export, "export")];
    let records: Vec<_> = records.iter().filter(|it| it.0).map(|it| it.1).collect();
    let days = Day::today().days_since(Day::from_text(GROUND_FROM).unwrap()).unwrap();
    let pilot = rules
        .pilot
        .iter()
        .map(|business| format!("[[messaging.businesses]]\nid = \"{business}\"\ntier = 250\n\n"));
    format!(
        "{head}[messaging]\nopt_in_records = {records:?}\nopted_in_within_days = {days}\n\
         contacted_within_days = {days}\ncool_down_days = 7\nmost_per_person = 9\n\
         per_person_days = 7\nwaves = 1\n\n{}{rest}",
        pilot.collect::<String>()
    )
}

/// How many of a world's people object: where most do, nobody is left to be released.
#[derive(Clone, Copy)]
enum Mood {
    Calm,
    Torn,
}

fn account(id: usize, people: &[Person], mood: Mood, random: &mut Random) -> Account {
    let whom = random.pick_ref(people);
    let (cell, digits) = match random.below(12) {
        0 => (random.pick(&["", "none", "123", "+999123456789"]).to_owned(), None),
        1 => (whom.digits.clone(), Some(whom.digits.clone())),
        _ => (abroad(whom, random), Some(whom.digits.clone())),
    };
    let objects = match mood {
        Mood::Calm => random.one_in(30),
        Mood::Torn => random.one_in(3),
    };
    let agrees = ["granted", "granted", "yes", "1", "opt_in", ""];
    let way = if objects { random.below(4) } else { 4 };
    Account {
        id,
        cell,
        digits,
        consent: if way < 2 { ["denied", "maybe"][way] } else { random.pick(&agrees) },
        os: random.pick(&["Android 14", "Android 14", "Android 13", "iOS 17.5", ""]),
        device: random.pick(&["phone", "phone", "phone", "tablet"]),
        last_active: random.pick(&[ACTIVE, ACTIVE, ACTIVE, ACTIVE, "2009-11-10", "", "lately"]),
        gpc: if way == 2 { random.pick(&["1", "?"]) } else { random.pick(&["", "", "0"]) },
        us_privacy: match way {
            3 => random.pick(&["1YYN", "1Y"]),
            _ => random.pick(&["", "", "1---", "1YNN"]),
        },
        verified_at: random.pick(&DATES),
        consent_at: random.pick(&["", "2016-08-25", "2016-08-25", "2014-02-19", "09/05/2017"]),
    }
}

fn noise(random: &mut Random) -> Option<Noise> {
    let distribution = random.pick(&["discrete_gaussian", "discrete_laplace"]);
    let repeat_below = 1 + random.below(4);
    random.one_in(3).then_some(Noise { distribution, repeat_below })
}

fn list(at: usize, random: &mut Random) -> List {
    List {
        file: format!("list-{at}.csv"),
        recipient: random.pick(&["acme", "globex"]).to_owned(),
        id: format!("l{at}"),
        hashed: random.pick(&[None, None, Some(Form::E164), Some(Form::Digits)]),
        separate: random.percent(30),
    }
}

fn list_row(list: &List, person: &Person, random: &mut Random) -> String {
    match list.hashed {
        None => format!(
            "{},{},{}\n",
            csv_cell(&list_cell(person, random)),
            person.country,
            dates(random)
        ),
        Some(form) => {
            format!("{},,{}\n", hashed_cell(&person.digits, form, random), dates(random))
        }
    }
}

fn list_cell(person: &Person, random: &mut Random) -> String {
    match random.below(20) {
        0 => random
            .pick(&["", "n/a", "12345", "4.47911E+11", "ask at the desk", "0000000000"])
            .to_owned(),
        1 => person.aliases.first().unwrap_or(&person.home).clone(),
        2 => format!("+{};+12025550199", person.digits),
        3..=9 => person.home.clone(),
        _ => abroad(person, random),
    }
}

fn owner_cell(owner: &Person, list: &List, random: &mut Random) -> String {
    match (random.below(12), list.hashed) {
        (0, _) => random.pick(&["", "nobody", "123", "4.47911E+11"]).to_owned(),
        (1, _) => owner.aliases.first().unwrap_or(&owner.home).clone(),
        (2..7, Some(form)) => hashed_cell(&owner.digits, form, random),
        (2..4, _) => owner.digits.clone(),
        _ => abroad(owner, random),
    }
}

fn opt_out(people: &[Person], random: &mut Random) -> OptOut {
    let purpose = random.pick(&["", "", "ads", "ads", "analytics", "everything"]);
    let person = random.pick_ref(people);
    let cell = match random.below(8) {
        0 | 1 if !person.aliases.is_empty() => random.pick_ref(&person.aliases).clone(),
        2 if person.country == "US" => person.home.clone(),
        3 => format!("+{}; +{}", person.digits, random.pick_ref(people).digits),
        _ => abroad(person, random),
    };
    OptOut { cell, purpose }
}

pub fn any_form(random: &mut Random) -> Form {
    random.pick(&[Form::E164, Form::Digits])
}

pub fn hashed_cell(digits: &str, form: Form, random: &mut Random) -> String {
    let digest = digest(digits, form);
    match random.below(3) {
        0 => hex::encode(digest),
        1 => hex::encode_upper(digest),
        _ => BASE64_STANDARD.encode(digest),
    }
}

fn csv_cell(cell: &str) -> String {
    format!("\"{}\"", cell.replace('"', "\"\""))
}
