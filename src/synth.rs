//! What does a world look like that nobody lives in?
//!
//! [`write()`] makes the three inputs of a job, with its policy and job file, out of a seed: for
//! the benches, for the tests and for a first try on a fresh machine. Every number is a random
//! draw from a numbering pattern and stands for nobody on purpose.
//!
//! It promises: the same [`World`] gives the same bytes; memory does not grow with the number of
//! rows; no two accounts share a number; and every clean row is a valid mobile number both
//! internationally and, with the row's country, as it is dialled at home.
//!
//! The numbers are a pure function of (seed, index). Indices below `accounts` are accounts; those
//! behind are people who have none. So a list row points at an account without either being
//! stored, and the overlap is known by construction. An index becomes a number by a permutation of
//! its country's block (`random.rs`), which therefore repeats nothing. A world also has nights that
//! follow one another (`nights.rs`).

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::dates::Day;
use crate::normalise::Region;

mod nights;
mod plans;
mod random;
mod spelling;

pub use nights::{FIRST_DAY, MOST_NIGHTS};
use plans::{PLANS, Plan};
use random::{Permutation, Random, Stream, mix};
use spelling::Spelling;

/// What to draw. Shares are between 0 and 1.
#[derive(Clone, Debug)]
pub struct World {
    /// Rows of the messenger export, each with a number of its own.
    pub accounts: u64,
    /// Rows of the advertiser's list.
    pub list: u64,
    /// Rows of the opt-out file, drawn from the accounts and half of them from the overlap.
    pub opt_outs: u64,
    /// Share of list rows whose number is an account's.
    pub overlap: f64,
    /// Share of list rows in another spelling than E.164.
    pub messy: f64,
    /// Share of list rows that hold no number, or a damaged one.
    pub junk: f64,
    /// Share of accounts that denied consent.
    pub denied: f64,
    /// Countries to draw from, by their usual weights; empty means all that are known.
    pub countries: Vec<Region>,
    /// Where all randomness comes from.
    pub seed: u64,
    /// How many nights have passed since the world began, at most [`MOST_NIGHTS`]: each a little
    /// is different, and two people more have opted out.
    pub night: u32,
}

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// The job file, ready to run.
    pub job: PathBuf,
    /// Bytes of the three inputs together.
    pub bytes: u64,
}

/// Why a world could not be written.
#[derive(Debug, thiserror::Error)]
pub enum SynthError {
    /// A file or the folder could not be written.
    #[error("cannot write {}", path.display())]
    Unwritable {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
    /// A file that was not made here would be replaced.
    #[error(
        "{} is there and was not made by synth; give another folder, or an empty one",
        path.display()
    )]
    Occupied {
        /// The file.
        path: PathBuf,
    },
    /// A share lies outside 0 to 1.
    #[error("the share {name} must lie between 0 and 1")]
    Share {
        /// Which one.
        name: &'static str,
    },
    /// No numbering pattern is kept for the country.
    #[error("no numbering pattern is kept for {country}; known are {}", known_countries())]
    UnknownCountry {
        /// The country asked for.
        country: Region,
    },
    /// The night lies beyond the last one.
    #[error("a world has {MOST_NIGHTS} nights")]
    TooLate,
    /// The countries' patterns do not hold that many numbers.
    #[error("{asked} different numbers do not fit the patterns of these countries")]
    TooMany {
        /// Rows that need a number of their own.
        asked: u64,
    },
}

/// Writes `accounts.csv`, `list.csv`, `opt_outs.csv`, `policy.toml`, `job.toml` and `README.txt`
/// into `folder`, which is made if it is missing. Files of these names are replaced where they were
/// made here, which `README.txt` tells.
///
/// # Errors
///
/// A [`SynthError`] when the world is impossible, files of somebody else's are there, or one cannot
/// be written.
pub fn write(world: &World, folder: &Path) -> Result<Written, SynthError> {
    let people = People::new(world)?;
    let unwritable = |path: &Path, cause| SynthError::Unwritable { path: path.to_owned(), cause };
    fs::create_dir_all(folder).map_err(|cause| unwritable(folder, cause))?;
    let tables = [
        ("accounts.csv", write_accounts as WriteRows),
        ("list.csv", write_list),
        ("opt_outs.csv", write_opt_outs),
    ];
    let texts = [("policy.toml", POLICY), ("job.toml", JOB), (README_NAME, README)];
    let names = tables.iter().map(|(name, _)| *name).chain(texts.iter().map(|(name, _)| *name));
    must_be_ours(folder, names)?;
    let mut bytes = 0;
    for (name, rows) in tables {
        let path = folder.join(name);
        bytes += write_file(&path, &people, rows).map_err(|cause| unwritable(&path, cause))?;
    }
    for (name, text) in texts {
        let path = folder.join(name);
        fs::write(&path, text).map_err(|cause| unwritable(&path, cause))?;
    }
    Ok(Written { job: folder.join("job.toml"), bytes })
}

const README_NAME: &str = "README.txt";

/// Refuses a folder where files of these names are, unless they were made here.
fn must_be_ours<'a>(
    folder: &Path,
    mut names: impl Iterator<Item = &'a str>,
) -> Result<(), SynthError> {
    let first_line = README.lines().next().unwrap_or_default();
    let found = fs::read(folder.join(README_NAME)).unwrap_or_default();
    if found.starts_with(first_line.as_bytes()) {
        return Ok(());
    }
    match names.find(|name| folder.join(name).exists()) {
        Some(name) => Err(SynthError::Occupied { path: folder.join(name) }),
        None => Ok(()),
    }
}

type WriteRows = fn(&People<'_>, &mut Rows<BufWriter<File>>) -> io::Result<()>;

const BUFFER_BYTES: usize = 1 << 20;

fn write_file(path: &Path, people: &People<'_>, write_rows: WriteRows) -> io::Result<u64> {
    let file = BufWriter::with_capacity(BUFFER_BYTES, File::create(path)?);
    let mut rows = Rows { sink: file, row: Vec::with_capacity(256), bytes: 0 };
    write_rows(people, &mut rows)?;
    rows.sink.flush()?;
    Ok(rows.bytes)
}

/// One row buffer for a whole file, so that no row allocates.
struct Rows<W> {
    sink: W,
    row: Vec<u8>,
    bytes: u64,
}

impl<W: Write> Rows<W> {
    fn end(&mut self) -> io::Result<()> {
        self.row.push(b'\n');
        self.bytes += self.row.len() as u64;
        self.sink.write_all(&self.row)?;
        self.row.clear();
        Ok(())
    }
}

/// Everyone in the world, as functions of an index.
struct People<'a> {
    world: &'a World,
    countries: Vec<Country>,
    /// Which country each index draws from, in a shuffled round of as many indices as weights.
    slots: Vec<Slot>,
    overlap: Permutation,
    suppressed: Permutation,
    /// List rows by whose people register.
    hoped_for: Permutation,
    /// List rows by whose people opt out.
    leaving: Permutation,
}

struct Country {
    plan: &'static Plan,
    numbers: Permutation,
}

#[derive(Clone, Copy)]
struct Slot {
    country: usize,
    /// The slot is this country's `rank`-th in the round.
    rank: u64,
}

/// A person's number: the plan and the national significant number as an integer.
#[derive(Clone, Copy)]
struct Number {
    plan: &'static Plan,
    national: u64,
}

impl<'a> People<'a> {
    fn new(world: &'a World) -> Result<Self, SynthError> {
        let shares = [
            ("overlap", world.overlap),
            ("messy", world.messy),
            ("junk", world.junk),
            ("denied", world.denied),
        ];
        for (name, share) in shares {
            if !(0.0..=1.0).contains(&share) {
                return Err(SynthError::Share { name });
            }
        }
        if world.night > MOST_NIGHTS {
            return Err(SynthError::TooLate);
        }
        let mut plans = Vec::new();
        for &country in &world.countries {
            let known = PLANS.iter().find(|plan| plan.region == country.code());
            plans.push(known.ok_or(SynthError::UnknownCountry { country })?);
        }
        if plans.is_empty() {
            plans.extend(PLANS);
        }
        let mut slots = Vec::new();
        for (country, plan) in plans.iter().enumerate() {
            slots.extend((0..plan.weight).map(|rank| Slot { country, rank }));
        }
        let mut random = Random::new(world.seed, Stream::Slots, 0);
        for last in (1..slots.len()).rev() {
            slots.swap(last, random.index(last + 1));
        }
        let asked = world.accounts.saturating_add(world.list).saturating_add(world.opt_outs);
        let later = if world.night > 0 { nights::indices(world.accounts, world.list) } else { 0 };
        let asked = asked.saturating_add(later);
        let rounds = asked / slots.len() as u64 + 1;
        let fits = |plan: &&Plan| {
            rounds.checked_mul(plan.weight).is_some_and(|needed| needed <= plan.capacity())
        };
        if !plans.iter().all(fits) {
            return Err(SynthError::TooMany { asked });
        }
        let countries = plans
            .iter()
            .map(|plan| Country {
                plan,
                numbers: Permutation::new(plan.capacity(), mix(world.seed ^ plan.calling_code)),
            })
            .collect();
        let shuffled = |stream: Stream, size: u64| {
            Permutation::new(size.max(1), mix(world.seed.wrapping_add(stream as u64)))
        };
        Ok(Self {
            world,
            countries,
            slots,
            overlap: shuffled(Stream::Overlap, world.accounts),
            suppressed: shuffled(Stream::Suppressed, world.accounts),
            hoped_for: shuffled(Stream::Registered, world.list),
            leaving: shuffled(Stream::Leaving, world.list),
        })
    }

    fn number(&self, index: u64) -> Number {
        let round = self.slots.len() as u64;
        let slot = self.slots[usize::try_from(index % round).unwrap_or(0)];
        let country = &self.countries[slot.country];
        let drawn = country.numbers.apply(index / round * country.plan.weight + slot.rank);
        Number { plan: country.plan, national: country.plan.national(drawn) }
    }

    /// Whom a list row is about: an account, or somebody behind the last account.
    fn listed(&self, mut row: u64) -> u64 {
        const DUPLICATES: f64 = 0.01;
        loop {
            let mut random = self.random(Stream::Overlap, row);
            if row > 0 && random.chance(DUPLICATES) {
                row = random.below(row);
            } else if row < self.world.accounts && random.chance(self.world.overlap) {
                return self.overlap.apply(row);
            } else {
                return self.world.accounts + row;
            }
        }
    }

    fn opted_out(&self, row: u64) -> u64 {
        let world = self.world;
        if world.accounts == 0 {
            return world.list + row;
        }
        if row % 2 == 1 && world.list > 0 {
            let person = self.listed(self.random(Stream::Suppressed, row).below(world.list));
            if person < world.accounts {
                return person;
            }
        }
        self.suppressed.apply(row % world.accounts)
    }

    /// Whether the list row holds no number, or a damaged one.
    fn is_junk(&self, row: u64) -> bool {
        self.random(Stream::List, row).chance(self.world.junk)
    }

    /// Whether the account's owner denied consent.
    fn denies(&self, account: u64) -> bool {
        self.random(Stream::Account, account).chance(self.world.denied)
    }

    fn random(&self, stream: Stream, row: u64) -> Random {
        Random::new(self.world.seed, stream, row)
    }
}

fn write_accounts<W: Write>(people: &People<'_>, rows: &mut Rows<W>) -> io::Result<()> {
    rows.row.extend(b"account_id,phone,country,consent_ads,registered_at,last_active,os,device");
    rows.end()?;
    let accounts = people.world.accounts;
    for account in 0..accounts {
        if let Some(person) = people.owner(account) {
            write_account(people, rows, account, Owner { person, since: None })?;
        }
    }
    for (account, later) in (accounts..).zip(people.registered()) {
        let owner = Owner { person: later.person, since: Some(later.day) };
        write_account(people, rows, account, owner)?;
    }
    Ok(())
}

/// Whose account it is, and since which day where it is new since night 0.
struct Owner {
    person: u64,
    since: Option<Day>,
}

fn write_account<W: Write>(
    people: &People<'_>,
    rows: &mut Rows<W>,
    account: u64,
    owner: Owner,
) -> io::Result<()> {
    const ANSWERED: f64 = 0.6;
    const SYSTEMS: [&str; 12] = [
        "Android 14",
        "Android 13",
        "Android 12",
        "Android 11",
        "Android 10",
        "Android 9",
        "iOS 17.5",
        "iOS 17.4.1",
        "iOS 16.7",
        "iOS 15.8",
        "KaiOS 2.5",
        "Android 14",
    ];
    const DEVICES: [&str; 8] =
        ["phone", "phone", "phone", "phone", "phone", "phone", "tablet", "web"];
    let number = people.number(owner.person);
    let mut random = people.random(Stream::Account, account);
    let consent = if random.chance(people.world.denied) {
        "denied"
    } else if random.chance(ANSWERED) {
        "granted"
    } else {
        ""
    };
    let to = &mut rows.row;
    to.push(b'u');
    push_decimal(to, account + 1, 8);
    to.push(b',');
    spelling::write(Spelling::E164, number, to);
    to.push(b',');
    push_fields(to, &[number.plan.region, consent]);
    match owner.since {
        Some(day) => write!(to, "{day},{day}")?,
        None => {
            push_day(to, &mut random, 2012, 14);
            to.push(b',');
            push_day(to, &mut random, 2026, 1);
        }
    }
    to.push(b',');
    to.extend(random.pick(&SYSTEMS).as_bytes());
    to.push(b',');
    to.extend(random.pick(&DEVICES).as_bytes());
    rows.end()
}

fn write_list<W: Write>(people: &People<'_>, rows: &mut Rows<W>) -> io::Result<()> {
    rows.row.extend(b"phone,country,customer_ref");
    rows.end()?;
    let list = people.world.list;
    for row in (0..list).filter(|&row| !people.is_dropped(row)) {
        write_customer(people, rows, row, people.listed(row))?;
    }
    for (row, person) in (list..).zip(people.added()) {
        write_customer(people, rows, row, person)?;
    }
    Ok(())
}

fn write_customer<W: Write>(
    people: &People<'_>,
    rows: &mut Rows<W>,
    row: u64,
    person: u64,
) -> io::Result<()> {
    const WITHOUT_COUNTRY: f64 = 0.25;
    let number = people.number(person);
    let mut random = people.random(Stream::List, row);
    let to = &mut rows.row;
    let spelling = if random.chance(people.world.junk) {
        random.pick(&Spelling::JUNK)
    } else if random.chance(people.world.messy) {
        Spelling::messy(number.plan, &mut random)
    } else {
        Spelling::E164
    };
    spelling::write(spelling, number, to);
    to.push(b',');
    if !(spelling.names_its_country() && random.chance(WITHOUT_COUNTRY)) {
        to.extend(number.plan.region.as_bytes());
    }
    to.extend(b",c");
    push_decimal(to, row + 1, 8);
    rows.end()
}

fn write_opt_outs<W: Write>(people: &People<'_>, rows: &mut Rows<W>) -> io::Result<()> {
    const PURPOSES: [&str; 10] =
        ["", "", "", "", "", "ads", "ads", "friend_suggestions", "business_messaging", "analytics"];
    rows.row.extend(b"phone,purpose,opted_out_at");
    rows.end()?;
    for row in 0..people.world.opt_outs {
        let number = people.number(people.opted_out(row));
        let mut random = people.random(Stream::OptOut, row);
        let to = &mut rows.row;
        spelling::write(random.pick(&Spelling::INTERNATIONAL), number, to);
        to.push(b',');
        push_fields(to, &[random.pick(&PURPOSES)]);
        push_day(to, &mut random, 2016, 10);
        rows.end()?;
    }
    for (row, later) in (people.world.opt_outs..).zip(people.left()) {
        let mut random = people.random(Stream::OptOut, row);
        let to = &mut rows.row;
        spelling::write(random.pick(&Spelling::INTERNATIONAL), people.number(later.person), to);
        // The two of a night say it once for everything and once for this purpose.
        write!(to, ",{},{}", if row % 2 == 0 { "" } else { "ads" }, later.day)?;
        rows.end()?;
    }
    Ok(())
}

fn push_fields(to: &mut Vec<u8>, fields: &[&str]) {
    for field in fields {
        to.extend(field.as_bytes());
        to.push(b',');
    }
}

/// A day of one of `years` years as `2016-08-25`; no month is longer than 28 days here.
fn push_day(to: &mut Vec<u8>, random: &mut Random, first_year: u64, years: u64) {
    push_decimal(to, first_year + random.below(years), 4);
    to.push(b'-');
    push_decimal(to, 1 + random.below(10), 2);
    to.push(b'-');
    push_decimal(to, 1 + random.below(28), 2);
}

/// `value` with leading zeros up to `width` digits, which is at most 20.
fn push_decimal(to: &mut Vec<u8>, value: u64, width: usize) {
    let mut buffer = [b'0'; 20];
    let mut at = buffer.len();
    let mut rest = value;
    while rest > 0 {
        at -= 1;
        buffer[at] = b"0123456789"[usize::try_from(rest % 10).unwrap_or(0)];
        rest /= 10;
    }
    to.extend(&buffer[at.min(buffer.len() - width)..]);
}

fn known_countries() -> String {
    let names: Vec<_> = PLANS.iter().map(|plan| plan.region).collect();
    names.join(", ")
}

const README: &str = "\
This folder was made by `phonematch synth`.

The phone numbers are random draws from public numbering patterns. They were taken from no list
and belong to nobody on purpose; some will be somebody's by chance, as any such number would.
Do not call or write to them.

Run the job:  phonematch match --job job.toml
";

const JOB: &str = r#"name = "synth"
purpose = "ads"
policy = "policy.toml"
out = "run"
recipient = "synth"

[secret]
file = "secret.key"
if_missing = "create"

[accounts]
files = ["accounts.csv"]

[[lists]]
files = ["list.csv"]
id = "list"

[opt_outs]
files = ["opt_outs.csv"]
"#;

const POLICY: &str = r#"purpose = "ads"
legal_basis = "legitimate_interest"
blank_consent = "allowed"
number_types = ["MOBILE", "FIXED_LINE", "FIXED_LINE_OR_MOBILE", "VOIP", "PERSONAL_NUMBER"]
aliases = ["mexico_1", "argentina_9", "brazil_9", "ivory_coast_2021", "benin_2024", "italy_0"]
excluded_regions = []
recycled_numbers = "withhold"
most_list_numbers = 10000000

[columns]
accounts = ["phone", "consent", "os", "device", "verified_at"]
list = ["phone", "phone_sha256", "country", "list_id", "advertiser_id", "last_contact_at"]

[floors]
list_numbers = 100
matched_people = 100
attribute_cell = 50

[attributes]
keep = ["region", "os", "os_version", "device"]

[noise]                             # what a list's count gets before its band is told
distribution = "discrete_gaussian"  # | discrete_laplace | none: exact bands, and an alarm
spread = 10                         # sigma, in people
edge_exponent = 9                   # 10^-9: how often the exact floor may show through
repeat_below = 50                   # a list that differs by fewer numbers repeats a figure

[budget]                            # what a recipient may be told in a period
micro_rho = 100000                  # millionths of zCDP's rho; a figure costs 1/(2*10^2): 5000
period_days = 30                    # also how long a figure is repeated

[opt_outs]
max_age_hours = 26
future_tolerance_minutes = 10
max_shrink_percent = 10
max_unreadable_rows = 0
when_missing = "refuse"
when_empty = "refuse"
when_stale = "refuse"
when_dated_in_future = "refuse"
when_shrunken = "refuse"
when_line_end_missing = "refuse"
"#;

#[cfg(test)]
mod tests;
