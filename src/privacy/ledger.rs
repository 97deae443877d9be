//! What has each recipient been told, and what did it cost?
//!
//! The ledger is a text file beside the runs, readable by its owner only. Each line is a charge: a
//! figure that was decided for a list, its price, and what it takes to know that list again
//! (`sketch`) and to compute the figure again. A charge is durable before the run that tells the
//! figure is published; a run that is killed in between has been charged, and the next one finds
//! the same figure here.
//!
//! ```text
//! SEAL {"format":1,"key_id":"18778ecedd44b3c5"}
//! SEAL {"number":1,"date":"2026-11-22","recipient":"acme",…}
//! ```
//!
//! A seal is BLAKE3, under a key of the secret's, of the seal before it and the line. So no line can
//! be changed, added, taken out or moved. That lines are missing at the end, or the file is, the
//! manifest of the previous run tells, which holds the [`LedgerHead`] of its time. What stands
//! behind the last line end is a charge that was cut off while it was written; it never became
//! durable, no run was published on it, and it is overwritten.

use std::fs;
use std::io::{self, Seek, SeekFrom, Write};
use std::num::{NonZeroU16, NonZeroU32};
use std::path::{Path, PathBuf};

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::locked_file::{LockedFile, Refused};
use crate::key::Secret;

/// A figure that was decided, and what it cost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Charge {
    /// 1-based place in the ledger.
    pub number: u64,
    /// Day of the run, UTC.
    pub date: String,
    /// Who was told.
    pub recipient: String,
    /// For what.
    pub purpose: String,
    /// Keyed digest of the list's numbers.
    pub list: String,
    /// How many they were.
    pub numbers: u64,
    /// Their polynomial.
    pub sketch: String,
    /// Keyed digest of the people who were counted.
    pub people: String,
    /// How many they were. The ledger is as internal as the report.
    pub matched: u64,
    /// The terms on which the figure was decided.
    pub terms: Terms,
    /// Price in millionths of ρ.
    pub micro_rho: u64,
    /// What was told: the band's edges, none when the list was withheld.
    pub audience_from: Option<u64>,
    /// See `audience_from`.
    pub audience_below: Option<u64>,
}

/// What decides a figure besides the counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Terms {
    /// σ² of discrete Gaussian noise.
    pub variance: Option<NonZeroU32>,
    /// b of discrete Laplace noise.
    pub scale: Option<NonZeroU32>,
    /// Fewest people.
    pub floor: u64,
    /// How far above it the noisy count must be.
    pub margin: u64,
}

/// The ledger as it was when a run was charged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LedgerHead {
    /// How many charges it held.
    pub charges: u64,
    /// The seal of the last.
    pub seal: String,
}

/// The ledger cannot serve as one.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The previous run was charged to a ledger that is not there.
    #[error(
        "the ledger {} is missing, and the previous run was charged to it; bring it back from a \
         backup (a new one would give everybody a second budget)", path.display()
    )]
    Missing {
        /// Where it should be.
        path: PathBuf,
    },
    /// It lacks charges that the previous run knew.
    #[error(
        "the ledger {} is older than the previous run: it lacks charges that the run knew; bring \
         the newest one back", path.display()
    )]
    RolledBack {
        /// The file.
        path: PathBuf,
    },
    /// A line is not one that was sealed there.
    #[error("line {line} of the ledger {} is damaged; bring back one that is whole", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// 1-based.
        line: u64,
    },
    /// It was begun under another secret.
    #[error(
        "the ledger {} was begun with another secret; a new secret needs a new ledger and gives \
         every recipient a new budget: say ledger = \"…\" in the job", path.display()
    )]
    OtherSecret {
        /// The file.
        path: PathBuf,
    },
    /// Another run is charging.
    #[error("another run is charging to the ledger {}; run again", path.display())]
    Locked {
        /// The file.
        path: PathBuf,
    },
    /// The operating system refused.
    #[error("cannot {action} the ledger {}; check space and permissions and run again", path.display())]
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

impl LedgerError {
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
}

/// The whole content of a ledger, every seal checked.
pub struct Book {
    charges: Vec<Charge>,
    /// The header's, then each charge's.
    seals: Vec<blake3::Hash>,
    /// Bytes up to the last line end.
    bytes: u64,
}

impl Book {
    /// Reads a ledger; none when there is no such file.
    ///
    /// # Errors
    ///
    /// [`LedgerError`] when it cannot be read or is not as it was sealed.
    pub fn read(path: &Path, secret: &Secret) -> Result<Option<Self>, LedgerError> {
        match fs::read(path) {
            Ok(bytes) => Self::of(&bytes, path, secret).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(LedgerError::of(path, Refused::when("read")(source))),
        }
    }

    fn of(bytes: &[u8], path: &Path, secret: &Secret) -> Result<Self, LedgerError> {
        let damaged =
            |line: usize| LedgerError::Damaged { path: path.to_owned(), line: line as u64 + 1 };
        let whole = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
        let text = std::str::from_utf8(&bytes[..whole]).map_err(|_| damaged(0))?;
        let mut book = Self { charges: Vec::new(), seals: Vec::new(), bytes: whole as u64 };
        for (at, line) in text.lines().enumerate() {
            let (seal, body) = line.split_once(' ').ok_or_else(|| damaged(at))?;
            if at == 0 {
                let header: Header = serde_json::from_str(body).map_err(|_| damaged(0))?;
                if header.key_id != secret.key_id() {
                    return Err(LedgerError::OtherSecret { path: path.to_owned() });
                }
            } else {
                let charge: Charge = serde_json::from_str(body).map_err(|_| damaged(at))?;
                book.charges.push(charge);
            }
            let expected = book.seal(body, secret);
            if blake3::Hash::from_hex(seal).ok() != Some(expected) {
                return Err(damaged(at));
            }
            book.seals.push(expected);
        }
        Ok(book)
    }

    /// The seal of a line behind the last one.
    fn seal(&self, body: &str, secret: &Secret) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new_keyed(&secret.ledger_key());
        let last = self.seals.last().map_or([0; 32], |seal| *seal.as_bytes());
        hasher.update(&last).update(body.as_bytes()).finalize()
    }

    /// Every charge, oldest first.
    #[must_use]
    pub fn charges(&self) -> &[Charge] {
        &self.charges
    }

    /// Where the ledger ends; none before its first charge.
    #[must_use]
    pub fn head(&self) -> Option<LedgerHead> {
        let seal = self.seals.last()?;
        Some(LedgerHead { charges: self.charges.len() as u64, seal: seal.to_hex().to_string() })
    }

    /// Whether the ledger goes on from where a run saw it.
    #[must_use]
    pub fn goes_on_from(&self, head: &LedgerHead) -> bool {
        let seal = usize::try_from(head.charges).ok().and_then(|at| self.seals.get(at));
        seal.is_some_and(|seal| seal.to_hex().as_str() == head.seal)
    }
}

/// Which charges count for a list: those of its recipient in the days of the period.
#[derive(Clone, Copy, Debug)]
pub struct Window<'a> {
    /// Whose list.
    pub recipient: &'a str,
    /// The run's day.
    pub today: Date,
    /// Length of the period that ends with it.
    pub days: NonZeroU16,
}

impl Window<'_> {
    /// The first day on which the charge no longer counts; none for a date that nobody can read,
    /// which counts for ever.
    fn ends(&self, charge: &Charge) -> Option<Date> {
        let date: Date = charge.date.parse().ok()?;
        date.checked_add(jiff::Span::new().days(self.days.get())).ok()
    }

    /// A charge that is dated in the future counts: a clock that was set back gives no new budget.
    fn holds(&self, charge: &Charge) -> bool {
        let counts = self.ends(charge).is_none_or(|end| end > self.today);
        counts && charge.recipient == self.recipient
    }
}

/// The ledger, open for charges by one run at a time.
pub struct BudgetLedger {
    /// None where nothing will be written.
    file: Option<LockedFile>,
    book: Book,
    /// Lines that are not in the file yet.
    pending: String,
}

impl BudgetLedger {
    /// Opens a ledger, or begins one, and locks it until it is dropped.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Locked`] when another run has it open, else as [`Book::read`].
    pub fn open(path: &Path, secret: &Secret) -> Result<Self, LedgerError> {
        let opened = LockedFile::open(path);
        let (file, bytes) = opened.map_err(|refused| LedgerError::of(path, refused))?;
        let book = Book::of(&bytes, path, secret)?;
        Ok(Self { file: Some(file), book, pending: String::new() })
    }

    /// Opens a ledger to see what a run would be charged. Nothing is locked, begun or written; one
    /// that a run could not write to is refused all the same.
    ///
    /// # Errors
    ///
    /// As [`Self::open`], but for the lock.
    pub fn rehearse(path: &Path, secret: &Secret) -> Result<Self, LedgerError> {
        let bytes = LockedFile::rehearse(path);
        let bytes = bytes.map_err(|refused| LedgerError::of(path, refused))?;
        let book = Book::of(&bytes, path, secret)?;
        Ok(Self { file: None, book, pending: String::new() })
    }

    /// What it holds, the charges of this run with it.
    #[must_use]
    pub const fn book(&self) -> &Book {
        &self.book
    }

    /// The newest charge of the window that is what is looked for.
    pub(super) fn newest(
        &self,
        window: &Window<'_>,
        is_looked_for: impl Fn(&Charge) -> bool,
    ) -> Option<&Charge> {
        let charges = self.book.charges.iter().rev().filter(|charge| window.holds(charge));
        charges.into_iter().find(|charge| is_looked_for(charge))
    }

    /// What the recipient's figures of the window have cost, in millionths of ρ.
    #[must_use]
    pub fn spent(&self, window: &Window<'_>) -> u64 {
        let charges = self.book.charges.iter().filter(|charge| window.holds(charge));
        charges.fold(0, |spent, charge| spent.saturating_add(charge.micro_rho))
    }

    /// The first day on which the window's charges come to `most` or less.
    pub(super) fn affordable_on(&self, window: &Window<'_>, most: u64) -> Option<Date> {
        let charges = self.book.charges.iter().filter(|charge| window.holds(charge));
        let mut ends: Vec<_> =
            charges.filter_map(|charge| Some((window.ends(charge)?, charge.micro_rho))).collect();
        ends.sort_unstable();
        let mut spent = self.spent(window);
        ends.into_iter().find_map(|(end, micro_rho)| {
            spent = spent.saturating_sub(micro_rho);
            (spent <= most).then_some(end)
        })
    }

    /// Adds a charge, whose number it sets. It counts at once, and is durable with [`Self::commit`].
    pub(super) fn charge(&mut self, mut charge: Charge, secret: &Secret) -> u64 {
        charge.number = self.book.charges.len() as u64 + 1;
        if self.book.seals.is_empty() {
            self.append(&Header { format: 1, key_id: secret.key_id() }, secret);
        }
        self.append(&charge, secret);
        let number = charge.number;
        self.book.charges.push(charge);
        number
    }

    fn append(&mut self, value: &impl Serialize, secret: &Secret) {
        let Ok(body) = serde_json::to_string(value) else {
            unreachable!("numbers and texts have a JSON form")
        };
        let seal = self.book.seal(&body, secret);
        self.pending += &format!("{} {body}\n", seal.to_hex());
        self.book.seals.push(seal);
    }

    /// Makes the run's charges durable. Nothing that they decided may be published before. A
    /// rehearsal has nothing to make durable.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Io`]. It is then unknown whether the charges are there; the run is not to be
    /// published, and the next one reads what became of them.
    pub fn commit(&mut self) -> Result<(), LedgerError> {
        let Some(file) = &mut self.file else { return Ok(()) };
        if self.pending.is_empty() {
            return Ok(());
        }
        let written = write(file, self.book.bytes, &self.pending);
        written.map_err(|refused| LedgerError::of(file.path(), refused))?;
        self.book.bytes += self.pending.len() as u64;
        self.pending.clear();
        Ok(())
    }
}

/// Writes what is pending behind what is whole, and makes it durable.
fn write(locked: &mut LockedFile, whole: u64, pending: &str) -> Result<(), Refused> {
    locked.must_be_in_place()?;
    let file = locked.file();
    file.set_len(whole).map_err(Refused::when("shorten"))?;
    file.seek(SeekFrom::Start(whole)).map_err(Refused::when("write to"))?;
    file.write_all(pending.as_bytes()).map_err(Refused::when("write to"))?;
    file.sync_all().map_err(Refused::when("make durable"))?;
    if whole == 0 { locked.sync_folder() } else { Ok(()) }
}

impl std::fmt::Debug for BudgetLedger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "BudgetLedger({} charges)", self.book.charges.len())
    }
}

#[cfg(test)]
#[path = "ledger_tests.rs"]
mod tests;
