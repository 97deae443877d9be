//! Where the secret comes from: a file, a descriptor, or a variable that names a file.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use phonematch::key::Secret;
use zeroize::Zeroizing;

use super::args::SecretFlags;
use super::failure::{EXISTS, Failure, SECRET};

/// Names a secret file where no flag and no job does.
const VARIABLE: &str = "PHONEMATCH_SECRET_FILE";

/// Longest content of a secret file: 64 hex digits and a line end are 66 bytes.
const MOST_BYTES: u64 = 128;

/// What a missing secret file means.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IfMissing {
    /// The run ends.
    #[default]
    Refuse,
    /// A new one is made: for samples, where tokens need not be the same tomorrow.
    Create,
}

/// The job file's word on the secret.
#[derive(Clone, Debug, Default)]
pub struct SecretInJob {
    pub file: Option<PathBuf>,
    pub if_missing: IfMissing,
}

/// Reads the secret: a flag wins over the variable, and that over the job.
pub fn read(flags: &SecretFlags, job: &SecretInJob) -> Result<Secret, Failure> {
    if let Some(descriptor) = flags.secret_fd {
        return read_descriptor(descriptor);
    }
    let variable = std::env::var_os(VARIABLE).map(PathBuf::from);
    if let Some(path) = flags.secret_file.clone().or(variable) {
        return read_file(&path);
    }
    let path = job.file.as_ref().ok_or_else(|| {
        Failure::new(
            SECRET,
            format!(
                "no secret: give --secret-file, {VARIABLE} or secret.file in the job; \
                     `phonematch keygen FILE` makes one"
            ),
        )
    })?;
    if job.if_missing == IfMissing::Create && !path.exists() {
        create(path)?;
    }
    read_file(path)
}

/// Makes a new secret file that only its owner can read.
pub fn create(path: &Path) -> Result<(), Failure> {
    if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        let made = fs::create_dir_all(parent);
        made.map_err(|error| fail("make the folder of", path, &error))?;
    }
    let secret = Secret::draw().map_err(|error| {
        Failure::new(SECRET, format!("the system has no randomness to give: {error}"))
    })?;
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(
        |error| match error.kind() {
            io::ErrorKind::AlreadyExists => Failure::new(
                EXISTS,
                format!("{} is there already and is left alone; choose another", path.display()),
            ),
            _ => fail("make", path, &error),
        },
    )?;
    file.write_all(secret.expose_file_content().as_bytes())
        .and_then(|()| file.sync_all())
        .map_err(|error| fail("write", path, &error))
}

fn read_file(path: &Path) -> Result<Secret, Failure> {
    let file = File::open(path).map_err(|error| fail("read", path, &error))?;
    let metadata = file.metadata().map_err(|error| fail("read", path, &error))?;
    if !metadata.is_file() {
        return Err(Failure::new(SECRET, format!("the secret {} is no file", path.display())));
    }
    if metadata.mode() & 0o077 != 0 {
        let message = format!(
            "the secret file {} can be read by others (mode {:04o}); run: chmod 600 {}",
            path.display(),
            metadata.mode() & 0o7777,
            path.display()
        );
        return Err(Failure::new(SECRET, message));
    }
    read_content(file, &path.display().to_string())
}

fn read_descriptor(descriptor: u32) -> Result<Secret, Failure> {
    let path = PathBuf::from(format!("/dev/fd/{descriptor}"));
    let file = File::open(&path).map_err(|error| fail("read", &path, &error))?;
    read_content(file, &format!("on descriptor {descriptor}"))
}

fn read_content(file: File, named: &str) -> Result<Secret, Failure> {
    let mut content = Zeroizing::new(Vec::with_capacity(256));
    file.take(MOST_BYTES).read_to_end(&mut content).map_err(|error| {
        Failure::new(SECRET, format!("cannot read the secret {named}: {error}"))
    })?;
    Secret::from_file_content(&content)
        .map_err(|error| Failure::new(SECRET, format!("the secret {named} is none: {error}")))
}

fn fail(action: &str, path: &Path, error: &io::Error) -> Failure {
    Failure::new(SECRET, format!("cannot {action} the secret {}: {error}", path.display()))
}
