//! What the tests share.

pub mod exposition;
pub mod jobs;
pub mod keys;
pub mod lineage;
pub mod people;
pub mod random;
pub mod schema;
pub mod small_worlds;
pub mod tables;
pub mod unit;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use serde_json::Value;
use tempfile::TempDir;

/// The secret of every test, as the file holds it.
pub const SECRET_HEX: &str = "6d9a1f4e0c7b25d8935e61fa08bc47d2e3701b96c4af5d82176e09d3fb84ca50";

/// A folder with everything that one job needs, gone when the scene is.
pub struct Scene {
    folder: TempDir,
}

/// How one start of the program ended.
#[derive(Debug)]
pub struct Outcome {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Outcome {
    #[track_caller]
    pub fn must_end_with(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    /// The final line of `--json`.
    #[track_caller]
    pub fn json(&self) -> Value {
        let line = self.stdout.lines().last().unwrap_or_default();
        serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
    }
}

/// The program, with nothing of this environment that could change what it does.
pub fn phonematch() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_phonematch"));
    for name in ["RUST_LOG", "RUST_BACKTRACE", "NO_COLOR"] {
        command.env_remove(name);
    }
    // Every setting can stand in a variable, and the tests' own switches are named so too.
    let ours = std::env::vars_os().map(|(name, _)| name);
    for name in ours.filter(|name| name.as_encoded_bytes().starts_with(b"PHONEMATCH_")) {
        command.env_remove(name);
    }
    command.stdin(Stdio::null());
    command
}

pub fn finish(command: &mut Command) -> Outcome {
    let output = command.output().expect("the program starts");
    Outcome {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).expect("standard output is UTF-8"),
        stderr: String::from_utf8(output.stderr).expect("standard error is UTF-8"),
    }
}

impl Scene {
    /// A folder with the secret and nothing else.
    pub fn empty() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let scene = Self { folder };
        scene.write("secret.key", format!("{SECRET_HEX}\n"));
        scene.set_mode("secret.key", 0o600);
        scene
    }

    /// A small sound job: five accounts, four list rows of which three are accounts, one of them
    /// opted out. So two are released.
    pub fn small() -> Self {
        let scene = Self::empty();
        scene.write(
            "accounts.csv",
            "account_id,phone,country,consent_ads,os,device\n\
             1,+12025550101,US,granted,Android 14,phone\n\
             2,+12025550102,US,,iOS 17.5,phone\n\
             3,+12025550103,US,granted,Android 13,tablet\n\
             4,+442079460004,GB,granted,Android 14,phone\n\
             5,+442079460005,GB,granted,iOS 16,phone\n",
        );
        scene.write(
            "list.csv",
            "phone,country,customer_ref\n\
             (202) 555-0101,US,a\n\
             +1 202 555 0102,,b\n\
             020 7946 0004,GB,c\n\
             020 7946 0099,GB,d\n",
        );
        scene.write("opt_outs.csv", "phone,purpose,opted_out_at\n+1-202-555-0102,,2026-01-01\n");
        scene.write("job.toml", JOB);
        scene.write("policy.toml", POLICY);
        scene
    }

    /// A made-up world of the `synth` command's making, floors and all.
    pub fn made_up(accounts: u64, list: u64, seed: u64) -> Self {
        let scene = Self::empty();
        let world = phonematch::synth::World {
            accounts,
            list,
            opt_outs: accounts / 50 + 1,
            overlap: 0.4,
            messy: 0.5,
            junk: 0.02,
            denied: 0.05,
            countries: Vec::new(),
            seed,
            night: 0,
        };
        phonematch::synth::write(&world, scene.path()).unwrap();
        scene
    }

    /// A copy of a folder, with the secret added.
    pub fn copy_of(folder: &Path) -> Self {
        let scene = Self::empty();
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_file() {
                fs::copy(entry.path(), scene.at(entry.file_name().to_str().unwrap())).unwrap();
            }
        }
        scene
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.at(name), content).unwrap();
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.at(name)).unwrap()
    }

    /// Replaces text that must be there.
    #[track_caller]
    pub fn edit(&self, name: &str, from: &str, to: &str) {
        let text = self.read(name);
        assert!(text.contains(from), "{name} does not hold {from:?}");
        self.write(name, text.replace(from, to));
    }

    pub fn append(&self, name: &str, text: &str) {
        let whole = self.read(name) + text;
        self.write(name, whole);
    }

    pub fn set_mode(&self, name: &str, mode: u32) {
        fs::set_permissions(self.at(name), fs::Permissions::from_mode(mode)).unwrap();
    }

    /// Sets the modification time to `hours` before now; negative hours lie ahead.
    pub fn set_age_hours(&self, name: &str, hours: i64) {
        let distance = Duration::from_secs(hours.unsigned_abs() * 3600);
        let now = SystemTime::now();
        let time = if hours >= 0 { now - distance } else { now + distance };
        let file = fs::File::options().write(true).open(self.at(name)).unwrap();
        file.set_modified(time).unwrap();
    }

    /// `phonematch match --job job.toml` and more, started inside the scene's folder.
    pub fn command(&self, more: &[&str]) -> Command {
        let mut command = phonematch();
        command.current_dir(self.path()).args(["match", "--job", "job.toml"]).args(more);
        command
    }

    pub fn run(&self, more: &[&str]) -> Outcome {
        finish(&mut self.command(more))
    }

    #[track_caller]
    pub fn publish(&self, more: &[&str]) -> Outcome {
        self.run(more).must_end_with(0)
    }

    pub fn audit(&self, run: &str) -> Outcome {
        let opt_outs = ["--opt-outs", "opt_outs.csv", "--secret-file", "secret.key"];
        finish(phonematch().current_dir(self.path()).args(["audit", run]).args(opt_outs))
    }

    pub fn report(&self, run: &str) -> Value {
        json_file(&self.at(run).join("report.json"))
    }

    pub fn manifest(&self, run: &str) -> Value {
        json_file(&self.at(run).join("manifest.json"))
    }

    /// What stands in the folder besides the inputs: run folders, leftovers, locks.
    pub fn made(&self) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(self.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_str().unwrap().to_owned())
            .filter(|name| name.starts_with('.') || self.at(name).is_dir())
            .collect();
        names.sort();
        names
    }
}

/// A folder for what need not survive anything: in memory, where there is a place for that.
pub fn folder_in_memory() -> TempDir {
    let memory = Path::new("/dev/shm");
    let folder = match memory.is_dir() {
        true => tempfile::tempdir_in(memory).or_else(|_| tempfile::tempdir()),
        false => tempfile::tempdir(),
    };
    folder.unwrap()
}

pub fn json_file(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// Every file under a folder, hidden ones too.
pub fn files_under(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let Ok(entries) = fs::read_dir(folder) else { return found };
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_under(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// Copies the files of a folder into one that is made for them.
pub fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

pub fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// Waits until `done` holds; false when it does not in time.
pub fn wait_for(limit: Duration, mut done: impl FnMut() -> bool) -> bool {
    let start = Instant::now();
    while start.elapsed() < limit {
        if done() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    false
}

/// The files whose bytes are the same for the same inputs: all but the report, with its times. So
/// are the advertisers' pages, [`pages`].
pub const FIXED_FILES: [&str; 6] = [
    "matches.parquet",
    "audiences.parquet",
    "summary.json",
    "rejects.parquet",
    "removed.parquet",
    "manifest.json",
];

/// Those files and the advertisers' pages.
pub fn published_bytes(run: &Path) -> Vec<(String, Vec<u8>)> {
    let names = FIXED_FILES.map(str::to_owned).into_iter().chain(pages(run));
    names.map(|name| (name.clone(), fs::read(run.join(name)).unwrap())).collect()
}

/// The names of a run's pages for advertisers.
pub fn pages(run: &Path) -> Vec<String> {
    let files = files_under(run);
    let names = files.iter().filter_map(|path| path.file_name()?.to_str());
    names.filter(|name| name.starts_with("summary-")).map(str::to_owned).collect()
}

pub const JOB: &str = r#"name = "nightly"
purpose = "ads"
policy = "policy.toml"
out = "run"
recipient = "acme"

[secret]
file = "secret.key"

[accounts]
files = ["accounts.csv"]

[[lists]]
files = ["list.csv"]
id = "spring"

[opt_outs]
files = ["opt_outs.csv"]
"#;

pub const POLICY: &str = r#"purpose = "ads"
legal_basis = "legitimate_interest"
blank_consent = "allowed"
number_types = ["MOBILE", "FIXED_LINE", "FIXED_LINE_OR_MOBILE", "VOIP", "PERSONAL_NUMBER"]
aliases = ["mexico_1", "argentina_9", "brazil_9", "ivory_coast_2021", "benin_2024", "italy_0"]
excluded_regions = []
recycled_numbers = "withhold"
most_list_numbers = 9000000

[columns]
accounts = ["phone", "consent", "os", "device", "verified_at"]
list = ["phone", "phone_sha256", "country", "list_id", "advertiser_id", "last_contact_at"]

[floors]
list_numbers = 1
matched_people = 1
attribute_cell = 1

[attributes]
keep = ["region", "os", "os_version", "device"]

[noise]
distribution = "none"

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
