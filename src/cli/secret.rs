//! Where the secret comes from: a file, a descriptor, or a variable that names a file.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use phonematch::key::Secret;

use super::args::SecretFlags;
use super::failure::{EXISTS, Failure, SECRET};

/// Names a secret file where no flag and no job does.
const VARIABLE: &str = "PHONEMATCH_SECRET_FILE";

/// What a missing secret file means.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum IfMissing {
    /// The run ends.
    #[default]
    Refuse,
    /// A new one is made: for samples, where tokens need not be the same tomorrow.
    Create,
    /// A new one is drawn and written nowhere: what a rehearsal makes of `create`.
    #[serde(skip)]
    Draw,
}

impl IfMissing {
    /// The same for a run that leaves nothing.
    pub fn in_rehearsal(self) -> Self {
        if self == Self::Create { Self::Draw } else { self }
    }
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
    match job.if_missing {
        IfMissing::Draw if !path.exists() => return draw(),
        IfMissing::Create if !path.exists() => create(path)?,
        _ => {}
    }
    read_file(path)
}

fn draw() -> Result<Secret, Failure> {
    Secret::draw().map_err(|error| {
        Failure::new(SECRET, format!("the system has no randomness to give: {error}"))
    })
}

/// Makes a new secret file that only its owner can read.
pub fn create(path: &Path) -> Result<(), Failure> {
    if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        let made = fs::create_dir_all(parent);
        made.map_err(|error| fail("make the folder of", path, &error))?;
    }
    let secret = draw()?;
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
    Secret::from_file(path).map_err(|error| Failure::new(SECRET, error.to_string()))
}

fn read_descriptor(descriptor: u32) -> Result<Secret, Failure> {
    let path = PathBuf::from(format!("/dev/fd/{descriptor}"));
    let file = File::open(&path).map_err(|error| fail("read", &path, &error))?;
    let named = format!("on descriptor {descriptor}");
    Secret::from_reader(file, &named).map_err(|error| Failure::new(SECRET, error.to_string()))
}

fn fail(action: &str, path: &Path, error: &io::Error) -> Failure {
    Failure::new(SECRET, format!("cannot {action} the secret {}: {error}", path.display()))
}
