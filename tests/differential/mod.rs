//! The tables against `rlibphonenumber`, on numbers that are made up here.
//!
//! The patterns come straight from the metadata file and are walked at random, so nothing of the
//! automaton under test takes part in making its questions. No number belongs to anybody on
//! purpose: they are draws from numbering plans.
//!
//! The long run, whose result is kept under `benches/runs/`:
//!
//! ```text
//! cargo test --release --test main -- --ignored --nocapture ten_million
//! ```

#[path = "../../src/normalise/tables/generate/metadata.rs"]
#[allow(dead_code)]
mod metadata;
#[path = "../../src/normalise/tables/generate/pattern.rs"]
#[allow(dead_code)]
mod pattern;

mod world;

use phonematch::normalise::{
    Checks, Hint, METADATA_VERSION, Path, metadata_digest, read_by, read_slowly, tables_version,
};
use world::{Case, World};

/// What a run counted.
#[derive(Default)]
struct Tally {
    cases: u64,
    valid: u64,
    slow: u64,
    differences: u64,
}

impl Tally {
    fn add(&mut self, other: &Self) {
        self.cases += other.cases;
        self.valid += other.valid;
        self.slow += other.slow;
        self.differences += other.differences;
    }
}

const HINTS: [&str; 3] = ["international", "region", "none"];

fn hint_index(hint: Hint) -> usize {
    match hint {
        Hint::International => 0,
        Hint::Region(_) => 1,
        Hint::None => 2,
    }
}

/// Asks both readers, with and without the checks for damage.
fn compare(case: &Case, tally: &mut Tally, show: bool) {
    for checks in [Checks::Library, Checks::Damage] {
        let fast = read_by(&case.text, case.hint, checks);
        // What the slow reader decided itself needs no second opinion.
        let slow = read_slowly(&case.text, case.hint, checks);
        if checks == Checks::Library {
            tally.cases += 1;
            tally.valid += u64::from(fast.result.is_ok());
            tally.slow += u64::from(fast.path == Path::Slow);
        }
        if fast.result != slow {
            tally.differences += 1;
            if show && tally.differences <= 20 {
                // Made-up text: the one place where a test may print what it read.
                println!("{checks:?} {:?} {:?}", case.hint, String::from_utf8_lossy(&case.text));
                println!("    tables {:?}", fast.result);
                println!("    slow   {slow:?}");
            }
        }
    }
}

fn run(seed: u64, cases: u64) -> [Tally; 3] {
    let mut world = World::new(seed);
    let mut tallies = <[Tally; 3]>::default();
    for _ in 0..cases {
        let case = world.case();
        compare(&case, &mut tallies[hint_index(case.hint)], true);
    }
    tallies
}

#[test]
fn the_tables_are_made_from_the_metadata_of_the_slow_path() {
    assert_eq!(tables_version(), METADATA_VERSION);
    let metadata = metadata::load().unwrap();
    assert_eq!(metadata.version, METADATA_VERSION);
    assert_eq!(metadata.digest, metadata_digest());
}

#[test]
fn the_tables_decide_as_the_library_on_made_up_numbers() {
    for tally in run(1, 20_000) {
        assert_eq!(tally.differences, 0);
        assert!(tally.valid > 0);
    }
}

#[test]
#[ignore = "some minutes; see the top of this file"]
fn the_tables_decide_as_the_library_on_ten_million_numbers() {
    const THREADS: u64 = 2;
    let wanted = std::env::var("PHONEMATCH_CASES").ok().and_then(|n| n.parse().ok());
    let cases: u64 = wanted.unwrap_or(12_000_000);
    let seed = std::env::var("PHONEMATCH_SEED").ok().and_then(|n| n.parse().ok()).unwrap_or(42);
    let mut totals = <[Tally; 3]>::default();
    std::thread::scope(|scope| {
        let runs: Vec<_> =
            (0..THREADS).map(|n| scope.spawn(move || run(seed + n, cases / THREADS))).collect();
        for tallies in runs {
            for (total, tally) in totals.iter_mut().zip(tallies.join().unwrap()) {
                total.add(&tally);
            }
        }
    });
    println!("seed {seed}, each number with and without the checks for damage");
    let mut sum = Tally::default();
    for (hint, tally) in HINTS.iter().zip(&totals) {
        print_line(hint, tally);
        sum.add(tally);
    }
    print_line("all", &sum);
    assert_eq!(sum.differences, 0);
}

/// Writes questions and the slow reader's answers, to be asked of Google's Python port:
/// `text (hex), region, reason or e164, region, type`, with tabs between.
#[test]
#[ignore = "writes a file; see PHONEMATCH_DUMP"]
fn dump_for_another_implementation() {
    use std::io::Write;
    let path = std::env::var("PHONEMATCH_DUMP").unwrap();
    let mut file = std::io::BufWriter::new(std::fs::File::create(path).unwrap());
    let seed = std::env::var("PHONEMATCH_SEED").ok().and_then(|n| n.parse().ok()).unwrap_or(7);
    let mut world = World::new(seed);
    for _ in 0..300_000 {
        let case = world.case();
        let region = match case.hint {
            Hint::Region(region) => region.code().to_owned(),
            Hint::None => "None".to_owned(),
            Hint::International => continue,
        };
        if case.text.contains(&0) || std::str::from_utf8(&case.text).is_err() {
            continue;
        }
        let hex: String = case.text.iter().map(|b| format!("{b:02x}")).collect();
        match read_slowly(&case.text, case.hint, Checks::Library) {
            Ok(r) => {
                let number = r.number.expose_digits();
                writeln!(file, "{hex}\t{region}\t+{number}\t{}\t{}", r.region, r.kind.name())
            }
            Err(reason) => writeln!(file, "{hex}\t{region}\t{}\t\t", reason.name()),
        }
        .unwrap();
    }
}

fn print_line(name: &str, tally: &Tally) {
    println!(
        "{name:>14}: {:>10} numbers, {:>9} valid, {:>7} by the slow path ({:.3} %), {} differences",
        tally.cases,
        tally.valid,
        tally.slow,
        100.0 * tally.slow as f64 / tally.cases.max(1) as f64,
        tally.differences
    );
}
