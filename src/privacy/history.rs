//! Who has been written to, by which business, on which day?
//!
//! The history is a text file beside the runs, readable by its owner only. It is what the cap of a
//! person's messages over all businesses, a business's cool-down and its people a day are counted
//! by. It names nobody: a person is eight bytes of BLAKE3, under a key of the secret's, of the match
//! key of the number's E.164 form, the same for every business and every form of a list.
//!
//! ```text
//! SEAL
//! {"format":1,"key_id":"18778ecedd44b3c5","generation":12}
//! {"day":"2026-11-22","business":"acme","people":"…16 hex digits each, in order…"}
//! ```
//!
//! The seal is BLAKE3, under the same key, of everything behind it. The file is written anew with a
//! generation more, made durable and put in place by one rename, before the run is published whose
//! messages it holds. A run that dies in between leaves people who count as written to and were not;
//! made again on the same day it finds them here and lets them out, on a later day they wait. That is
//! the side to err on: nobody is written to twice. The manifest of each run holds the
//! [`HistoryHead`] of its time, so that a history that went back is told. What no policy looks back
//! to any more is left out when the file is written.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::locked_file::{LockedFile, Refused};
use crate::dates::Day;
use crate::job::Identifier;
use crate::key::{MatchKey, Secret};

/// A person as the history knows one. Among 10⁷ people two share one with a chance of 10⁻⁵; the
/// second of them then waits for a message.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PersonId([u8; 8]);

impl std::fmt::Debug for PersonId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PersonId(redacted)")
    }
}

/// The history as it was when a run was written into it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HistoryHead {
    /// How often it had been written.
    pub generation: u64,
    /// Its seal.
    pub seal: String,
}

/// The history cannot serve as one.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// The previous run was written into a history that is not there.
    #[error(
        "the message history {} is missing, and the previous run was written into it; bring it back \
         from a backup (without it people would be written to again)", path.display()
    )]
    Missing {
        /// Where it should be.
        path: PathBuf,
    },
    /// It lacks messages that the previous run knew.
    #[error(
        "the message history {} is older than the previous run, or another one; bring the newest \
         one back", path.display()
    )]
    RolledBack {
        /// The file.
        path: PathBuf,
    },
    /// It is not as it was sealed.
    #[error("the message history {} is damaged; bring back one that is whole", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// It was made under another secret, by which nobody in it can be found again.
    #[error(
        "the message history {} was begun with another secret; a new secret needs a new history and \
         forgets who was written to: say history = \"…\" in the job", path.display()
    )]
    OtherSecret {
        /// The file.
        path: PathBuf,
    },
    /// Another run is writing messages into it.
    #[error("another run is writing into the message history {}; run again", path.display())]
    Locked {
        /// The file.
        path: PathBuf,
    },
    /// The operating system refused.
    #[error(
        "cannot {action} the message history {}; check space and permissions and run again",
        path.display()
    )]
    Io {
        /// What was being done.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

impl HistoryError {
    fn of(path: &Path, refused: Refused) -> Self {
        let path = path.to_owned();
        match refused {
            Refused::Locked => Self::Locked { path },
            Refused::Io { action, source } => Self::Io { action, path, source },
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    format: u32,
    key_id: String,
    generation: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    day: String,
    business: String,
    people: String,
}

/// Whom a business wrote to on a day.
pub(super) struct Sent<'a> {
    pub(super) day: Day,
    pub(super) business: &'a str,
    pub(super) people: &'a BTreeSet<PersonId>,
}

/// Days that are kept though the policy does not look back so far: another job's may.
const KEPT_DAYS: u32 = 31;

/// The content of a history, its seal checked.
pub struct Messages {
    /// Zero before the first message.
    generation: u64,
    sent: BTreeMap<(Day, String), BTreeSet<PersonId>>,
    /// As the file has it.
    seal: String,
}

impl Messages {
    /// Reads a history; none when there is no such file.
    ///
    /// # Errors
    ///
    /// [`HistoryError`] when it cannot be read or is not as it was sealed.
    pub fn read(path: &Path, secret: &Secret) -> Result<Option<Self>, HistoryError> {
        match fs::read(path) {
            Ok(bytes) => Self::of(&bytes, path, secret).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(HistoryError::Io { action: "read", path: path.to_owned(), source }),
        }
    }

    /// An empty file is what a run leaves that began a history and was killed.
    fn of(bytes: &[u8], path: &Path, secret: &Secret) -> Result<Self, HistoryError> {
        let damaged = || HistoryError::Damaged { path: path.to_owned() };
        let (generation, seal) = (0, String::new());
        let mut messages = Self { generation, sent: BTreeMap::new(), seal };
        if bytes.is_empty() {
            return Ok(messages);
        }
        let text = std::str::from_utf8(bytes).map_err(|_| damaged())?;
        let (seal, body) = text.split_once('\n').ok_or_else(damaged)?;
        let mut lines = body.lines();
        let header: Option<Header> = lines.next().and_then(|it| serde_json::from_str(it).ok());
        let header = header.filter(|it| it.format == 1).ok_or_else(damaged)?;
        if header.key_id != secret.key_id() {
            return Err(HistoryError::OtherSecret { path: path.to_owned() });
        }
        if seal != seal_of(body, secret) {
            return Err(damaged());
        }
        for line in lines {
            let line: Line = serde_json::from_str(line).map_err(|_| damaged())?;
            let day = Day::from_text(&line.day).ok_or_else(damaged)?;
            let people = hex::decode(&line.people).map_err(|_| damaged())?;
            let (people, []) = people.as_chunks() else { return Err(damaged()) };
            let people = people.iter().map(|&bytes| PersonId(bytes)).collect();
            messages.sent.insert((day, line.business), people);
        }
        (messages.generation, messages.seal) = (header.generation, seal.to_owned());
        Ok(messages)
    }

    /// Where the history stands; none before its first message.
    #[must_use]
    pub fn head(&self) -> Option<HistoryHead> {
        let (generation, seal) = (self.generation, self.seal.clone());
        (generation > 0).then_some(HistoryHead { generation, seal })
    }

    /// Whether it is what a run saw, or goes on from there.
    #[must_use]
    pub fn goes_on_from(&self, head: &HistoryHead) -> bool {
        let is_same = self.generation == head.generation && self.seal == head.seal;
        is_same || self.generation > head.generation
    }

    /// How many people a business wrote to on a day; none when the history does not reach back.
    #[must_use]
    pub fn people_on(&self, day: Day, business: &str) -> Option<u64> {
        let reaches_back = self.sent.keys().next().is_some_and(|(first, _)| *first <= day);
        let people = self.sent.get(&(day, business.to_owned()));
        reaches_back.then(|| people.map_or(0, |people| people.len() as u64))
    }

    /// Whom each business wrote to on each day.
    pub(super) fn sent(&self) -> impl Iterator<Item = Sent<'_>> {
        let each = self.sent.iter();
        each.map(|((day, business), people)| Sent { day: *day, business, people })
    }

    fn body(&self, secret: &Secret) -> String {
        let header = Header { format: 1, key_id: secret.key_id(), generation: self.generation };
        let mut body = json_line(&header);
        for ((day, business), people) in &self.sent {
            let people: String = people.iter().map(|person| hex::encode(person.0)).collect();
            let (day, business) = (day.to_string(), business.clone());
            body += &json_line(&Line { day, business, people });
        }
        body
    }
}

fn json_line(value: &impl Serialize) -> String {
    match serde_json::to_string(value) {
        Ok(line) => line + "\n",
        Err(_) => unreachable!("numbers and texts have a JSON form"),
    }
}

fn seal_of(body: &str, secret: &Secret) -> String {
    let mut hasher = blake3::Hasher::new_keyed(&secret.history_key());
    hasher.update(b"seal\0").update(body.as_bytes()).finalize().to_hex().to_string()
}

/// The history, open for one run at a time.
pub struct History {
    /// None where nothing will be written.
    file: Option<LockedFile>,
    messages: Messages,
    /// What is to be written; none while nothing is new.
    pending: Option<String>,
}

impl History {
    /// Opens a history, or begins one, and locks it until it is dropped.
    ///
    /// # Errors
    ///
    /// [`HistoryError::Locked`] when another run has it open, else as [`Messages::read`].
    pub fn open(path: &Path, secret: &Secret) -> Result<Self, HistoryError> {
        let opened = LockedFile::open(path);
        let (file, bytes) = opened.map_err(|refused| HistoryError::of(path, refused))?;
        let messages = Messages::of(&bytes, path, secret)?;
        Ok(Self { file: Some(file), messages, pending: None })
    }

    /// Opens a history to see whom a run would write to. Nothing is locked, begun or written; one
    /// that a run could not write to is refused all the same.
    ///
    /// # Errors
    ///
    /// As [`Self::open`], but for the lock.
    pub fn rehearse(path: &Path, secret: &Secret) -> Result<Self, HistoryError> {
        let bytes = LockedFile::rehearse(path);
        let bytes = bytes.map_err(|refused| HistoryError::of(path, refused))?;
        let messages = Messages::of(&bytes, path, secret)?;
        Ok(Self { file: None, messages, pending: None })
    }

    /// What it holds, the messages of this run with it.
    #[must_use]
    pub const fn messages(&self) -> &Messages {
        &self.messages
    }

    /// Adds a day's messages of a business. They count at once, and are durable with
    /// [`Self::commit`]. Whatever is older than `looks_back` days, and than a month, is forgotten.
    pub fn add(
        &mut self,
        (day, looks_back): (Day, u32),
        sent: impl IntoIterator<Item = (Identifier, PersonId)>,
        secret: &Secret,
    ) {
        let messages = &mut self.messages;
        let mut is_new = false;
        for (business, person) in sent {
            let people = messages.sent.entry((day, business.as_str().to_owned())).or_default();
            is_new |= people.insert(person);
        }
        if !is_new {
            return;
        }
        let kept = looks_back.max(KEPT_DAYS);
        messages.sent.retain(|(sent_on, _), _| sent_on.plus(kept) > day);
        // A second call of one run writes the same generation.
        messages.generation += u64::from(self.pending.is_none());
        let body = messages.body(secret);
        messages.seal = seal_of(&body, secret);
        self.pending = Some(format!("{}\n{body}", messages.seal));
    }

    /// Makes the run's messages durable. None of them may be published before. A rehearsal has
    /// nothing to make durable.
    ///
    /// # Errors
    ///
    /// [`HistoryError`]. It is then unknown whether they are there; the run is not to be published,
    /// and the next one reads what became of them.
    pub fn commit(&mut self) -> Result<(), HistoryError> {
        let (Some(text), Some(file)) = (&self.pending, &self.file) else { return Ok(()) };
        let replaced = replace(file, text);
        replaced.map_err(|refused| HistoryError::of(file.path(), refused))?;
        self.pending = None;
        Ok(())
    }
}

/// Puts a file with the text in the place of the open one, and makes it durable.
fn replace(file: &LockedFile, text: &str) -> Result<(), Refused> {
    file.must_be_in_place()?;
    let path = file.path();
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".new");
    let new = path.with_file_name(name);
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let mut written = options.open(&new).map_err(Refused::when("write"))?;
    written.write_all(text.as_bytes()).map_err(Refused::when("write"))?;
    written.sync_all().map_err(Refused::when("make durable"))?;
    fs::rename(&new, path).map_err(Refused::when("replace"))?;
    file.sync_folder()
}

impl std::fmt::Debug for History {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "History(generation {})", self.messages.generation)
    }
}

/// Makes what the history and the waves know people by.
pub struct PersonKeyer(blake3::Hasher);

impl PersonKeyer {
    /// Under the secret's own key for it.
    #[must_use]
    pub fn new(secret: &Secret) -> Self {
        Self(blake3::Hasher::new_keyed(&secret.history_key()))
    }

    /// The person whose number, in its E.164 form, has the key.
    #[must_use]
    pub fn person(&self, key: MatchKey) -> PersonId {
        let mut hasher = self.0.clone();
        let digest = hasher.update(b"person\0").update(key.expose_bytes()).finalize();
        let [a, b, c, d, e, f, g, h, ..] = *digest.as_bytes();
        PersonId([a, b, c, d, e, f, g, h])
    }

    /// A number that nobody without the secret can foretell, the same for the same words.
    pub(super) fn draw(&self, word: &str, business: &str, person: PersonId) -> u64 {
        let mut hasher = self.0.clone();
        for part in [word, business] {
            hasher.update(part.as_bytes()).update(b"\0");
        }
        let digest = hasher.update(&person.0).finalize();
        let [a, b, c, d, e, f, g, h, ..] = *digest.as_bytes();
        u64::from_le_bytes([a, b, c, d, e, f, g, h])
    }
}

impl std::fmt::Debug for PersonKeyer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PersonKeyer(redacted)")
    }
}

#[cfg(test)]
#[path = "history_tests.rs"]
mod tests;
