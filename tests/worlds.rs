//! Very many small worlds, each run in this process and held against what must be true of all:
//!
//! - what comes out is what the naive model says, so nobody who said no, under no alias;
//! - every combination of attributes that is shown has the company that the policy asks for, and
//!   so have those who show nothing, so that no smaller cell can be computed either;
//! - two recipients have no token in common;
//! - a pair has two ends who may both be told of, and nobody is a friend of their own;
//! - a message goes to nobody without a ground, to nobody twice, and from nobody outside the pilot;
//! - a person who says no, in any of the ways there are, leaves every file that an advertiser sees
//!   byte for byte as it is in the same world where that person never had an account; where the
//!   policy adds noise, on the night after too;
//! - a job with memory for a few list rows only, which takes several passes over the export, comes
//!   to the same bytes and counts.
//!
//! `cargo test` tries 500. The long run is
//!
//! ```sh
//! PHONEMATCH_WORLDS=100000 cargo test --release --locked --test main worlds:: -- --nocapture
//! ```
//!
//! and says at the end what it tried. A world is three runs, five
//! where figures are noisy, of one thread in a folder in memory (`/dev/shm`, where there is one);
//! several worlds go at once. `PHONEMATCH_WORLD=17` tries world 17 alone.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use phonematch::job::{Job, MemoryBudget};
use phonematch::pipeline::{self, Outcome, Threads, Watch};

use crate::model::{
    Released, closure, explain, naive_job, released_by_the_program, without_withheld,
};
use crate::support::keys::{Form, token};
use crate::support::random::Random;
use crate::support::small_worlds::{Account, OptOut, Size, World, any_form, hashed_cell};
use crate::support::{SECRET_HEX, folder_in_memory, json_file, pages, published_bytes, tables};

/// Worlds in `cargo test`.
const WORLDS: u64 = 500;

/// What an advertiser sees.
const FOR_ADVERTISERS: [&str; 2] = ["audiences.parquet", "summary.json"];

/// What was tried, to show that the worlds were worth trying.
#[derive(Default, Debug)]
struct Tally {
    worlds: u64,
    tokens: u64,
    /// Worlds that released somebody to two recipients.
    two_recipients: u64,
    /// People who show an attribute.
    shown: u64,
    /// People who show none.
    hidden: u64,
    /// Worlds whose figures are noisy; they had a second night.
    noisy: u64,
    /// Worlds for messages of businesses, for friend suggestions; the others are for ads.
    messaging: u64,
    suggesting: u64,
    /// Pairs that come out.
    pairs: u64,
    /// People who get a message.
    messages: u64,
    /// Worlds where the one who said no would have come out otherwise.
    missed: u64,
    /// Worlds that were joined in several passes, beside in one.
    in_passes: u64,
    /// By the way in which they said it.
    ways: BTreeMap<&'static str, u64>,
}

impl Tally {
    fn add(&mut self, other: Self) {
        self.worlds += other.worlds;
        self.tokens += other.tokens;
        self.two_recipients += other.two_recipients;
        self.shown += other.shown;
        self.hidden += other.hidden;
        self.noisy += other.noisy;
        self.messaging += other.messaging;
        self.suggesting += other.suggesting;
        self.pairs += other.pairs;
        self.messages += other.messages;
        self.missed += other.missed;
        self.in_passes += other.in_passes;
        for (way, count) in other.ways {
            *self.ways.entry(way).or_default() += count;
        }
    }
}

/// The ways to say no.
const WAYS: [&str; 8] = [
    "opt-out",
    "opt-out in another spelling",
    "opt-out as a hash",
    "denied row",
    "denied row in another spelling",
    "unreadable consent",
    "Global Privacy Control",
    "US privacy string",
];

/// The world in which somebody said no, and the one in which they never had an account.
struct Twins {
    left: World,
    never: World,
    way: &'static str,
}

/// Whether two numbers can be one person's.
fn is_same_person(one: &str, other: &str) -> bool {
    closure(one).contains(&other.to_owned()) || closure(other).contains(&one.to_owned())
}

impl Twins {
    fn of(world: &World, leaver: &str, random: &mut Random) -> Self {
        let (mut left, mut never) = (world.clone(), world.clone());
        let is_leaver = |account: &Account| {
            account.digits.as_deref().is_some_and(|digits| is_same_person(digits, leaver))
        };
        never.accounts.retain(|account| !is_leaver(account));
        let rows: Vec<_> =
            (0..left.accounts.len()).filter(|&at| is_leaver(&left.accounts[at])).collect();
        let row = random.pick(&rows);
        let opt_out = |cell| OptOut { cell, purpose: "ads" };
        let person = world.people.iter().find(|person| person.digits == leaver).unwrap();
        let spellings = [&person.aliases[..], &[leaver.to_owned()]].concat();
        let spelling = random.pick_ref(&spellings).clone();
        let way = random.pick(&WAYS);
        match way {
            "opt-out" => left.opt_outs.push(opt_out(format!("+{leaver}"))),
            "opt-out in another spelling" => left.opt_outs.push(opt_out(spelling)),
            "opt-out as a hash" => {
                left.hashed_opt_outs.push(hashed_cell(leaver, any_form(random), random));
            }
            "denied row" | "denied row in another spelling" => {
                let id = left.accounts.len();
                let mut denied = Account { id, consent: "denied", ..left.accounts[row].clone() };
                if way != "denied row" {
                    denied.cell = spelling;
                }
                left.accounts.insert(random.below(id), denied);
            }
            "unreadable consent" => left.accounts[row].consent = "perhaps",
            "Global Privacy Control" => left.accounts[row].gpc = "1",
            _ => left.accounts[row].us_privacy = "1YYN",
        }
        left.settle();
        Self { left, never, way }
    }

    fn must_look_alike(&self, folder: &Path, runs: [&str; 2]) -> Result<(), String> {
        let [left, never] = runs.map(|run| pages(&folder.join(run)));
        if left != never {
            return Err(format!("{} has other pages than {}", runs[0], runs[1]));
        }
        let fixed = FOR_ADVERTISERS.map(str::to_owned);
        for name in fixed.into_iter().chain(left).chain(["matches.parquet".to_owned()]) {
            let [left, never] = runs.map(|run| fs::read(folder.join(run).join(&name)).unwrap());
            if left != never {
                return Err(format!("{name} of {} tells of a no by {}", runs[0], self.way));
            }
        }
        Ok(())
    }
}

/// Runs a world one night; its folder is `folder/out` afterwards. Each world has its own ledger.
fn run(world: &World, folder: &Path, out: &str, ledger: &str) -> Result<(), String> {
    world.write(folder);
    let history = folder.join(format!("{ledger}.history"));
    let job = Job { ledger: folder.join(ledger), history, ..world.job(folder, out) };
    let done = pipeline::run(&job, &Watch::default());
    done.map(drop).map_err(|error| format!("the run fails: {error}"))
}

/// Runs the same night again with memory for a few list rows: it must come to the same.
fn run_in_passes(
    world: &World,
    folder: &Path,
    random: &mut Random,
    tally: &mut Tally,
) -> Result<(), String> {
    const BYTES_A_ROW: u64 = 48;
    let rows: usize = world.list_rows.iter().map(Vec::len).sum();
    let memory = Some(MemoryBudget::Lists(random.below(rows + 1) as u64 * BYTES_A_ROW));
    let out = "left-in-passes";
    let job = Job { ledger: folder.join("passes.ledger"), memory, ..world.job(folder, out) };
    match pipeline::run(&job, &Watch::default()) {
        Ok(Outcome::Published { report, .. }) => tally.in_passes += u64::from(report.passes > 1),
        other => return Err(format!("the run in passes ends with {other:?}")),
    }
    let rows = |run: &str| {
        let report = json_file(&folder.join(run).join("report.json"));
        ["inputs", "lists", "countries"].map(|part| report[part].clone())
    };
    if rows("left") != rows(out) {
        return Err(format!("rows are counted otherwise with {memory:?}"));
    }
    let [whole, passes] = ["left", out].map(|run| published_bytes(&folder.join(run)));
    match whole.iter().zip(&passes).find(|(one, other)| one != other) {
        None if whole.len() == passes.len() => Ok(()),
        differs => Err(format!("{:?} differs with {memory:?}", differs.map(|it| &it.0.0))),
    }
}

/// The night after: every list lost its last row.
fn night_after(world: &World) -> World {
    let mut next = world.clone();
    next.list_rows.iter_mut().for_each(|rows| rows.truncate(rows.len().saturating_sub(1).max(1)));
    next
}

fn judge(seed: u64, folder: &Path) -> Result<Tally, String> {
    let world = World::drawn(&Size::drawn(seed));
    let random = &mut Random(!seed);
    let mut tally = Tally { worlds: 1, ..Tally::default() };
    world.write(folder);
    let stays = naive_job(folder, &world.rules);
    let members: BTreeSet<_> =
        world.accounts.iter().filter_map(|account| account.digits.as_deref()).collect();
    let counted = members.iter().copied().find(|digits| is_out(digits, &stays, &world));
    let Some(leaver) = counted.or_else(|| members.first().copied()) else {
        run(&world, folder, "left", "left.ledger")?;
        check_release(&world, folder, &mut tally)?;
        return Ok(tally);
    };
    let twins = Twins::of(&world, leaver, random);
    *tally.ways.entry(twins.way).or_default() += 1;
    tally.missed += u64::from(counted.is_some());

    run(&twins.left, folder, "left", "left.ledger")?;
    run_in_passes(&twins.left, folder, random, &mut tally)?;
    let found = check_release(&twins.left, folder, &mut tally)?;
    for alias in closure(leaver) {
        if is_out(&alias, &found, &world) {
            return Err(format!("+{leaver}, who said no by {}, comes out", twins.way));
        }
    }
    run(&twins.never, folder, "never", "never.ledger")?;
    twins.must_look_alike(folder, ["left", "never"])?;
    if world.rules.noise.is_some() {
        // What was told yesterday decides what is told today.
        tally.noisy += 1;
        run(&night_after(&twins.left), folder, "left-2", "left.ledger")?;
        run(&night_after(&twins.never), folder, "never-2", "never.ledger")?;
        twins.must_look_alike(folder, ["left-2", "never-2"])?;
    }
    Ok(tally)
}

/// Whether a number's token, in any form, is among what came out to anybody.
fn is_out(digits: &str, released: &Released, world: &World) -> bool {
    let recipients: BTreeSet<_> = world.rules.lists.iter().map(|list| &list.recipient).collect();
    recipients.into_iter().any(|recipient| {
        [Form::E164, Form::Digits].into_iter().any(|form| {
            let token = token(SECRET_HEX, recipient, digits, form);
            released.iter().any(|row| row.2.split(' ').any(|one| one == token))
        })
    })
}

/// What must be true of one run, whose inputs are still in the folder.
fn check_release(world: &World, folder: &Path, tally: &mut Tally) -> Result<Released, String> {
    let run = folder.join("left");
    let found = released_by_the_program(&run);
    let expected = without_withheld(naive_job(folder, &world.rules), &found, &world.rules);
    if found != expected {
        return Err(explain(folder, &world.rules, &expected, &found));
    }
    let tokens_of = |recipient: &str| -> BTreeSet<_> {
        let rows = found.iter().filter(|row| row.0 == recipient);
        rows.flat_map(|row| row.2.split(' ')).collect()
    };
    let (one, other) = (tokens_of("acme"), tokens_of("globex"));
    if !one.is_disjoint(&other) {
        return Err("two recipients have a token in common".to_owned());
    }
    tally.tokens += found.len() as u64;
    if world.rules.messaging.is_some() {
        tally.messaging += 1;
        tally.messages += found.len() as u64;
    }
    if world.rules.pairs {
        tally.suggesting += 1;
        tally.pairs += found.len() as u64;
        let mut ends = found.iter().map(|row| row.2.split_once(' '));
        if ends.any(|ends| ends.is_none_or(|(contact, owner)| contact == owner)) {
            return Err("somebody is paired with themself or with nobody".to_owned());
        }
    }
    tally.two_recipients += u64::from(!one.is_empty() && !other.is_empty());

    let mut cells = BTreeMap::<_, BTreeMap<Vec<Option<String>>, u64>>::new();
    for row in tables::rows(&run.join("matches.parquet")) {
        let shown = ["region", "os", "os_version", "device"].map(|name| row.get(name).cloned());
        let says_something = shown.iter().any(Option::is_some);
        tally.shown += u64::from(says_something);
        tally.hidden += u64::from(!says_something);
        let list = (row["recipient"].clone(), row["list_id"].clone());
        *cells.entry(list).or_default().entry(shown.to_vec()).or_default() += 1;
    }
    // Cells part a list's people, so where each is large enough every sum and difference is.
    for (list, cells) in cells {
        let all_hidden = cells.len() == 1 && cells.keys().all(|it| it.iter().all(Option::is_none));
        let least = cells.values().min().copied().unwrap_or(0);
        if least < world.rules.attribute_cell as u64 && !all_hidden {
            return Err(format!("a cell of {least} in {list:?}, whose floor is {:?}", world.rules));
        }
    }
    Ok(found)
}

/// Judges a world in a folder of its own; a panic is a failure like another.
fn try_world(seed: u64) -> Result<Tally, String> {
    let folder = folder_in_memory();
    let judged = catch_unwind(AssertUnwindSafe(|| judge(seed, folder.path())));
    judged.unwrap_or_else(|_| Err("a panic".to_owned()))
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().unwrap())
}

#[test]
fn whoever_says_no_looks_like_one_who_never_had_an_account_in_every_small_world() {
    let worlds = match number("PHONEMATCH_WORLD") {
        Some(one) => one..one + 1,
        None => 0..number("PHONEMATCH_WORLDS").unwrap_or(WORLDS),
    };
    let start = Instant::now();
    let next = AtomicU64::new(worlds.start);
    let results = Mutex::new((Tally::default(), None::<(u64, String)>));
    let work = || {
        // The job's own parallelism has its own tests; here worlds are what runs side by side.
        let thread = Threads::new(1).unwrap();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= worlds.end || results.lock().unwrap().1.is_some() {
                return;
            }
            let judged = thread.run(|| try_world(seed));
            let mut results = results.lock().unwrap();
            match judged {
                Ok(tally) => results.0.add(tally),
                Err(why) => drop(results.1.get_or_insert((seed, why))),
            }
        }
    };
    let at_once = std::thread::available_parallelism().map_or(1, |count| count.get().min(8));
    std::thread::scope(|scope| (0..at_once).for_each(|_| drop(scope.spawn(work))));
    let (tally, failure) = results.into_inner().unwrap();
    if let Some((seed, why)) = failure {
        panic!("PHONEMATCH_WORLD={seed}: {why}");
    }
    let seconds = start.elapsed().as_secs_f64();
    println!("{tally:#?}");
    println!(
        "{} worlds in {seconds:.1} s, {at_once} at once: {:.0} a second",
        tally.worlds,
        tally.worlds as f64 / seconds
    );
    if tally.worlds >= WORLDS {
        assert!(tally.missed * 2 > tally.worlds, "too few were missed: {tally:?}");
        assert!(tally.two_recipients > 0 && tally.shown > 0 && tally.hidden > 0, "{tally:?}");
        assert!(tally.noisy * 5 > tally.worlds, "{tally:?}");
        assert!(tally.in_passes * 2 > tally.worlds, "{tally:?}");
        assert!(tally.messaging * 5 > tally.worlds, "{tally:?}");
        assert!(tally.messages > tally.messaging, "{tally:?}");
        assert!(tally.suggesting * 6 > tally.worlds, "{tally:?}");
        assert!(tally.pairs > 2 * tally.suggesting, "{tally:?}");
        assert_eq!(tally.ways.len(), WAYS.len(), "{tally:?}");
    }
}
