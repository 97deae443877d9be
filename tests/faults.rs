//! The system refuses, at every place where it can: the old run stays whole or the new one is there,
//! the exit code says which, nothing that others could read is left behind, and running again gives
//! what an undisturbed run gives, at the price of one figure.
//!
//! What a limit can do is tried in `cargo test`. The ignored test lets each call of the system fail
//! that a run makes, the first, the second and so on, once and for good, and kills the run at each. It
//! needs `strace`, takes some minutes, and prints what it tried:
//!
//! ```sh
//! cargo test --locked --test main faults:: -- --ignored --nocapture
//! ```

use std::collections::BTreeMap;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::support::{
    Outcome, Scene, copy_folder, files_under, finish, mode, phonematch, published_bytes, wait_for,
};

const LEDGER: &str = "phonematch.ledger";
const MATCH: [&str; 6] = ["match", "--job", "job.toml", "--quiet", "--if-exists", "replace"];

/// A folder in which a run takes the place of an older one and is charged for a figure.
struct Night {
    scene: Scene,
    old: Vec<(String, Vec<u8>)>,
    new: Vec<(String, Vec<u8>)>,
    ledger: String,
}

impl Night {
    fn new() -> Self {
        let scene = Scene::made_up(600, 300, 5);
        scene.edit("policy.toml", "matched_people = 100", "matched_people = 10");
        // Others were told before, so that the ledger is longer than any file of the run.
        for at in 0..8 {
            let recipient = format!("other-{at}");
            let elsewhere = ["--out", "elsewhere", "--previous", "none", "--if-exists", "replace"];
            scene.publish(&[&["--recipient", &recipient][..], &elsewhere].concat());
        }
        // The last of them stays: the chain goes on from it.
        scene.publish(&["--recipient", "yesterday", "--out", "run"]);
        let old = published_bytes(&scene.at("run"));
        let mut night = Self { scene, old, new: Vec::new(), ledger: String::new() };
        let calm = night.copy();
        calm.publish(&["--if-exists", "replace"]);
        night.new = published_bytes(&calm.at("run"));
        night.ledger = calm.read(LEDGER);
        assert_ne!(night.scene.read(LEDGER), night.ledger, "the night is charged for");
        night
    }

    fn copy(&self) -> Scene {
        let copy = Scene::copy_of(self.scene.path());
        for run in ["elsewhere", "run"] {
            copy_folder(&self.scene.at(run), &copy.at(run));
        }
        copy
    }

    /// Under a shell that lowers a limit first.
    fn under(&self, limit: &str) -> (Scene, Outcome) {
        let scene = self.copy();
        let script = format!("{limit} && exec \"$0\" \"$@\"");
        let mut command = Command::new("sh");
        command.current_dir(scene.path()).args(["-c", &script, env!("CARGO_BIN_EXE_phonematch")]);
        let outcome = finish(command.args(MATCH));
        (scene, outcome)
    }

    /// What must be true after a run that was disturbed, however it ended; says whether it published.
    #[track_caller]
    fn must_be_whole(&self, scene: &Scene, outcome: &Outcome, what: &str) -> bool {
        let bytes = published_bytes(&scene.at("run"));
        let published = bytes == self.new;
        assert!(published || bytes == self.old, "{what}: neither run is whole\n{outcome:?}");
        match outcome.code {
            Some(0) => assert!(published, "{what}: ended with 0"),
            // A signal may fall between the last step and the end.
            None => {}
            Some(code) => assert!(!published, "{what}: ended with {code} and published"),
        }
        assert!(!outcome.stderr.contains("panicked"), "{what}: {}", outcome.stderr);
        for name in scene.made().iter().filter(|name| name.starts_with('.')) {
            for file in files_under(&scene.at(name)) {
                assert_eq!(mode(&file) & 0o077, 0, "{what}: {}", file.display());
            }
        }
        assert_eq!(mode(&scene.at(LEDGER)) & 0o077, 0, "{what}");
        if !published {
            let again = scene.run(&MATCH[3..]);
            assert_eq!(again.code, Some(0), "{what}: again: {}", again.stderr);
            assert!(published_bytes(&scene.at("run")) == self.new, "{what}: again");
            assert_eq!(scene.made(), ["elsewhere", "run"], "{what}: again");
        }
        // One charge, and the same figure, whether the first run came to charging or not.
        assert!(scene.read(LEDGER) == self.ledger, "{what}: the ledger differs");
        published
    }
}

/// A file may not grow beyond the limit: the write that crosses it is cut short, and the next fails.
/// So each file of the run, and the ledger, fails in the middle once.
#[test]
fn a_write_that_fails_anywhere_ends_with_74_and_the_old_run_stays() {
    let night = Night::new();
    let longest = night.new.iter().map(|(_, bytes)| bytes.len()).max().unwrap();
    assert!(longest < night.ledger.len(), "the ledger is the last to fail");
    let mut refused = 0;
    for blocks in 0.. {
        // The shell counts in 512 or in 1024 bytes.
        let (scene, outcome) = night.under(&format!("trap '' XFSZ; ulimit -f {blocks}"));
        if night.must_be_whole(&scene, &outcome, &format!("{blocks} blocks")) {
            break;
        }
        assert_eq!(outcome.code, Some(74), "{blocks} blocks: {}", outcome.stderr);
        refused += 1;
    }
    assert!(refused >= night.ledger.len() / 1024, "{refused} limits were too low");
}

#[test]
fn too_few_open_files_refuse_the_run_or_are_enough() {
    let night = Night::new();
    let mut published = 0;
    // With fewer, the program itself cannot be loaded.
    for files in (4..40).rev().step_by(2) {
        let (scene, outcome) = night.under(&format!("ulimit -n {files}"));
        if outcome.code == Some(127) {
            break;
        }
        published += usize::from(night.must_be_whole(&scene, &outcome, &format!("{files} files")));
        assert!(matches!(outcome.code, Some(0 | 66 | 74 | 77 | 78)), "{files} files: {outcome:?}");
    }
    assert!(published > 0, "no limit was high enough");
}

#[test]
fn too_little_memory_leaves_the_old_run_or_is_enough() {
    let night = Night::new();
    let (mut published, mut refused) = (0, 0);
    for megabytes in [10, 20, 30, 40, 60, 80, 120, 160, 200, 250, 300, 400, 600, 1200] {
        let (scene, outcome) = night.under(&format!("ulimit -v {}", megabytes * 1024));
        let what = format!("{megabytes} MB");
        match night.must_be_whole(&scene, &outcome, &what) {
            true => published += 1,
            false => refused += 1,
        }
        let numbers = outcome.stderr.split(|c: char| !c.is_ascii_digit());
        assert!(numbers.into_iter().all(|it| it.len() < 10), "{what}: {}", outcome.stderr);
    }
    assert!(published > 0 && refused > 0, "{published} published, {refused} refused");
}

/// Linux lets nobody read address zero: a file that opens, and whose first read fails.
#[test]
#[cfg(target_os = "linux")]
fn an_input_that_cannot_be_read_ends_with_74_or_66_and_names_itself() {
    for flag in ["--accounts", "--list", "--opt-outs"] {
        let scene = Scene::small();
        let outcome = scene.run(&["--quiet", flag, "/proc/self/mem"]);
        assert!(matches!(outcome.code, Some(66 | 74)), "{flag}: {outcome:?}");
        assert!(outcome.stderr.contains("/proc/self/mem"), "{flag}: {}", outcome.stderr);
        assert_eq!(scene.made(), Vec::<String>::new());
    }
}

#[test]
fn each_signal_that_asks_a_run_to_end_ends_it_with_nothing_published() {
    let runs = [Signal::TERM, Signal::HUP, Signal::INT].map(|signal| {
        let scene = Scene::small();
        let mut command = scene.command(&["--accounts", "-", "--quiet"]);
        let child = command.stdin(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        assert!(wait_for(Duration::from_secs(30), || scene.at(".run.partial").exists()));
        kill_process(Pid::from_child(&child), signal).unwrap();
        (signal, scene, child)
    });
    for (signal, scene, mut child) in runs {
        // Its standard input stays open until it is waited for: the signal alone must end it.
        let stdin = child.stdin.take();
        let code = child.wait().unwrap().code();
        assert!(matches!(code, None | Some(130)), "{signal:?}: {code:?}");
        drop(stdin);
        assert!(!scene.at("run").exists(), "{signal:?}");
        scene.publish(&[]);
        assert_eq!(scene.made(), ["run"], "{signal:?}");
    }
}

#[test]
fn a_reader_that_goes_away_does_not_end_the_run() {
    let scene = Scene::small();
    let mut command = scene.command(&["--json", "--accounts", "-"]);
    let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = piped.spawn().unwrap();
    drop((child.stdout.take(), child.stderr.take()));
    let rows = scene.read("accounts.csv");
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), rows.as_bytes()).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    scene.audit("run").must_end_with(0);
}

/// Killed at the one point that costs something: the figure is paid for, and nobody was told. The kill
/// comes as soon as the ledger has grown, which the run then still has to make durable.
#[test]
fn a_run_killed_between_charge_and_publishing_is_paid_for_once_and_tells_the_same() {
    const HITS: usize = 3;
    let night = Night::new();
    let paid = night.scene.read(LEDGER).len() as u64;
    let (mut hits, start) = (0, Instant::now());
    while hits < HITS {
        assert!(start.elapsed() < Duration::from_secs(120), "no kill comes in time");
        let scene = night.copy();
        let mut command = phonematch();
        let quiet = command.current_dir(scene.path()).args(MATCH).stderr(Stdio::null());
        let mut child = quiet.stdout(Stdio::null()).spawn().unwrap();
        let ledger = scene.at(LEDGER);
        while child.try_wait().unwrap().is_none() && fs::metadata(&ledger).unwrap().len() == paid {
            std::hint::spin_loop();
        }
        child.kill().unwrap();
        let code = child.wait().unwrap().code();
        let outcome = Outcome { code, stdout: String::new(), stderr: String::new() };
        let was_charged = scene.read(LEDGER) == night.ledger;
        let published = night.must_be_whole(&scene, &outcome, "killed when charged");
        hits += usize::from(was_charged && !published);
    }
}

/// What fails, how, and with which exit codes a run may end then besides 0.
struct Fault {
    call: &'static str,
    how: &'static str,
    codes: &'static [i32],
}

const fn fault(call: &'static str, how: &'static str, codes: &'static [i32]) -> Fault {
    Fault { call, how, codes }
}

/// What cannot be read has the code of what it is; before the program is loaded, its loader's; and in
/// the audit, the audit's.
const INPUT: [i32; 7] = [66, 70, 74, 77, 78, 127, 1];
const OUTPUT: [i32; 1] = [74];

const FAULTS: [Fault; 23] = [
    fault("write", "error=ENOSPC", &OUTPUT),
    fault("write", "error=EIO", &OUTPUT),
    fault("write", "error=EDQUOT", &OUTPUT),
    fault("write", "signal=KILL", &[]),
    fault("fsync", "error=EIO", &OUTPUT),
    fault("fsync", "error=ENOSPC", &OUTPUT),
    fault("fsync", "signal=KILL", &[]),
    fault("renameat2", "error=EIO", &OUTPUT),
    fault("renameat2", "error=ENOSPC", &OUTPUT),
    fault("renameat2", "signal=KILL", &[]),
    fault("ftruncate", "error=EIO", &OUTPUT),
    fault("ftruncate", "signal=KILL", &[]),
    fault("lseek", "error=EIO", &INPUT),
    fault("mkdir", "error=ENOSPC", &OUTPUT),
    fault("flock", "error=ENOLCK", &OUTPUT),
    // That a file cannot be closed is passed over, it being durable before; a folder's is an assertion
    // of the standard library.
    fault("close", "signal=KILL", &[]),
    fault("unlinkat", "error=EIO", &OUTPUT),
    fault("unlinkat", "signal=KILL", &[]),
    fault("getdents64", "error=EIO", &INPUT),
    fault("openat", "error=EMFILE", &INPUT),
    fault("openat", "signal=KILL", &[]),
    fault("read", "error=EIO", &INPUT),
    fault("read", "signal=KILL", &[]),
];

/// How often each fault was tried, and how the runs ended.
#[derive(Default)]
struct Endings {
    tried: usize,
    published: usize,
    codes: BTreeMap<Option<i32>, usize>,
}

impl Fault {
    /// Lets the n-th call of each thread fail, for each n that any thread comes to.
    fn try_everywhere(&self, night: &Night, and_later_ones: &str) -> Endings {
        let mut endings = Endings::default();
        for at in 1.. {
            let scene = night.copy();
            let trace = scene.at("trace.txt");
            let inject = format!("{}:{}:when={at}{and_later_ones}", self.call, self.how);
            let mut command = Command::new("strace");
            command.current_dir(scene.path()).args(["-f", "-qq", "-o"]).arg(&trace);
            command.args([
                "-e",
                &format!("trace={}", self.call),
                "-e",
                &format!("inject={inject}"),
            ]);
            let outcome = finish(command.arg(env!("CARGO_BIN_EXE_phonematch")).args(MATCH));
            let traced = fs::read_to_string(&trace).unwrap();
            let killed = self.how.starts_with("signal") && outcome.code.is_none();
            if !traced.contains("(INJECTED)") && !killed {
                return endings;
            }
            let code = outcome.code;
            let allowed = code == Some(0)
                || code.is_none_or(|code| self.codes.contains(&code)) && (code.is_some() || killed);
            assert!(allowed, "{inject}: {outcome:?}");
            let is_bug = code == Some(70) && !outcome.stderr.contains("audit");
            assert!(!is_bug, "{inject}: {outcome:?}");
            endings.tried += 1;
            endings.published += usize::from(night.must_be_whole(&scene, &outcome, &inject));
            *endings.codes.entry(code).or_default() += 1;
        }
        endings
    }
}

#[test]
#[ignore = "some minutes, and strace; see the top of this file"]
fn every_call_of_the_system_that_fails_or_kills_leaves_the_old_run_or_the_new_one() {
    let night = Night::new();
    let cases: Vec<_> = FAULTS
        .iter()
        .flat_map(|fault| {
            let modes: &[&str] = if fault.how.starts_with("signal") { &[""] } else { &["", "+"] };
            modes.iter().map(move |&mode| (fault, mode))
        })
        .collect();
    let (next, tried, failed) = (AtomicUsize::new(0), Mutex::new(0), Mutex::new(Vec::new()));
    let work = || {
        while let Some((fault, mode)) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
            // One fault that is not borne must not hide the others.
            let tried_here = AssertUnwindSafe(|| fault.try_everywhere(&night, mode));
            let Ok(endings) = catch_unwind(tried_here) else {
                failed.lock().unwrap().push(format!("{} {} {mode}", fault.call, fault.how));
                continue;
            };
            let codes: Vec<_> = endings
                .codes
                .iter()
                .map(|(code, count)| match code {
                    Some(code) => format!("{code}: {count}"),
                    None => format!("killed: {count}"),
                })
                .collect();
            println!(
                "{:<11} {:<13} {:<9} {:>4} tried, {:>4} published; by exit code {}",
                fault.call,
                fault.how,
                if mode.is_empty() { "once" } else { "for good" },
                endings.tried,
                endings.published,
                codes.join(", ")
            );
            *tried.lock().unwrap() += endings.tried;
        }
    };
    std::thread::scope(|scope| (0..2).for_each(|_| drop(scope.spawn(work))));
    let (tried, failed) = (tried.into_inner().unwrap(), failed.into_inner().unwrap());
    assert!(failed.is_empty(), "{failed:#?}");
    println!("{tried} runs, each followed by one that ended as if nothing had been");
    assert!(tried > 300, "{tried}");
}
