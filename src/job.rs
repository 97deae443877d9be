//! What one run is to do: flags and file, resolved once and checked.
//!
//! The stages see this and never the command line or a TOML table.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::consent::Purpose;
use crate::input::{self, Field, InputError, Location, Role};
use crate::key::{Form, Secret};
use crate::normalise::Region;
use crate::policy::Policy;
use crate::share::Share;
use crate::store::ObjectUrl;

/// Everything a run needs to know.
#[derive(Debug)]
pub struct Job {
    /// Names the job across nights: 1 to 64 of `A-Za-z0-9._-`.
    pub name: Identifier,
    /// What the numbers are used for.
    pub purpose: Purpose,
    /// Under which rules.
    pub policy: Policy,
    /// BLAKE3 of the policy file's bytes, lower-case hex.
    pub policy_digest: String,
    /// What keys and tokens are made with.
    pub secret: Secret,
    /// The messenger's export.
    pub accounts: Files,
    /// The advertisers' lists.
    pub lists: Vec<ListSource>,
    /// The suppression list.
    pub opt_outs: OptOutSource,
    /// Where the run folder goes. Of a run that goes to a store: where it is written before, under
    /// its own name.
    pub out: PathBuf,
    /// Where in a store the run is published; none for a folder.
    pub publish_to: Option<ObjectUrl>,
    /// What happens when it is there already.
    pub if_exists: IfExists,
    /// Which run came before.
    pub previous: Previous,
    /// Where figures are charged. Jobs that tell the same recipients share one.
    pub ledger: PathBuf,
    /// Which messages were sent. Jobs whose businesses write to the same people share one.
    pub history: PathBuf,
    /// What the data must be like for anything to be published.
    pub gates: Gates,
    /// How much memory the run may take; none: as much as its lists need.
    pub memory: Option<MemoryBudget>,
    /// Of how many people the run is, drawn by key; none, and a whole: of everybody.
    pub sample: Option<Share>,
    /// What the run comes to when all has gone well.
    pub ending: Ending,
}

impl Job {
    /// The share of people that is drawn; none where the run is of everybody.
    #[must_use]
    pub fn drawn(&self) -> Option<Share> {
        self.sample.filter(|&share| share < Share::WHOLE)
    }
}

/// What a run comes to when all has gone well.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ending {
    /// It is entered into its books and published.
    Publish,
    /// Nothing of it stays: it is tried, up to the audit, and taken away.
    Rehearse,
}

/// How much memory a run may take. Lists that do not fit are joined in several passes over the
/// export.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MemoryBudget {
    /// Bytes of the whole run: its buffers, its opt-outs, its lists.
    Run(u64),
    /// Bytes of list rows alone, for callers that keep account of the rest themselves.
    Lists(u64),
}

/// Limits on what a run finds in its data; none holds unless the job sets it.
///
/// They are the job's and not the policy's: the policy says what may be done with people's numbers,
/// and these what this export and these lists look like on a good night.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Gates {
    /// Most of an input's rows that may be rejected. Of opt-outs the policy says how many may be.
    pub max_reject_rate: Option<Share>,
    /// Least of a list input's numbers that must be somebody's who may be matched.
    pub min_match_rate: Option<Share>,
    /// Most of a list input's numbers that may be. Who uploads made-up numbers to learn which are
    /// accounts has hardly any; who has the messenger's own export has nearly all.
    pub max_match_rate: Option<Share>,
    /// How far the rows of the export, of the lists, and the matches published may differ from the
    /// last run's, as a part of the last run's.
    pub max_change_since_last_run: Option<Share>,
}

impl Gates {
    /// No limit.
    pub const NONE: Self = Self {
        max_reject_rate: None,
        min_match_rate: None,
        max_match_rate: None,
        max_change_since_last_run: None,
    };
}

/// The files of one role, with the columns that the job maps.
#[derive(Clone, Debug, Default)]
pub struct Files {
    /// In reading order.
    pub locations: Vec<Location>,
    /// Column names for fields whose synonyms do not serve.
    pub columns: BTreeMap<Field, String>,
}

/// One entry of the job's lists.
#[derive(Clone, Debug)]
pub struct ListSource {
    /// Its files.
    pub files: Files,
    /// Whose the rows are.
    pub recipient: Recipient,
    /// The list of rows that name none; else the file's stem.
    pub id: Option<Identifier>,
    /// Region of rows that name none.
    pub country: Option<Region>,
    /// What the rows hold.
    pub phones: Phones,
    /// What a cell with several numbers means.
    pub several_numbers: SeveralNumbers,
}

/// Who is told of the rows of a list.
#[derive(Clone, Debug)]
pub enum Recipient {
    /// This one. Whoever made the file is not asked: a row that names another is rejected, since
    /// a list could otherwise be matched in another's name, on its budget and its place in a pilot.
    Only(Identifier),
    /// Whom each row names; for files that come from the house itself.
    OfRows {
        /// For rows that name nobody.
        otherwise: Option<Identifier>,
    },
}

/// The suppression list. Its patterns are looked up anew each time it is read, so that a file
/// that arrives during the run is seen.
#[derive(Clone, Debug, Default)]
pub struct OptOutSource {
    /// Paths, addresses and globs. Standard input cannot be one: the list is read twice.
    pub patterns: Vec<String>,
    /// What relative patterns start from.
    pub base: PathBuf,
    /// Column names for fields whose synonyms do not serve.
    pub columns: BTreeMap<Field, String>,
    /// Region of rows that name none.
    pub country: Option<Region>,
}

impl OptOutSource {
    /// The files as they are now. A plain path stays even where nothing is: what a missing file
    /// means is the policy's to say.
    ///
    /// # Errors
    ///
    /// When a pattern cannot be read or names nothing.
    pub fn locations(&self) -> Result<Vec<Location>, InputError> {
        let mut locations = Vec::new();
        for pattern in &self.patterns {
            let path = self.base.join(pattern);
            let is_path = pattern != "-" && ObjectUrl::read(pattern).is_none();
            let is_plain = is_path && !pattern.contains(input::WILDCARDS);
            if is_plain && !path.exists() {
                locations.push(Location::Path(path));
            } else {
                let pattern = std::slice::from_ref(pattern);
                locations.extend(input::expand(Role::OptOuts, pattern, &self.base)?);
            }
        }
        Ok(locations)
    }
}

/// What a list's rows hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Phones {
    /// What the column's name says: numbers under `phone`, digests under `phone_sha256`.
    ByColumn,
    /// Numbers.
    Raw,
    /// SHA-256 of numbers in a declared form.
    Hashed(Form),
    /// SHA-256 of numbers in a form that nobody named: accounts are looked up in both.
    Probe,
}

/// What a list cell with several numbers means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SeveralNumbers {
    /// The row is rejected.
    Reject,
    /// Each number is a candidate.
    Separate,
}

/// What happens when the run folder is there already.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum IfExists {
    /// The run refuses.
    Error,
    /// Nothing is done, and that is a success.
    Skip,
    /// The new run takes the old one's place in one rename.
    Replace,
}

/// The ledger's name where the job gives none: it stands beside the run folder.
pub const LEDGER: &str = "phonematch.ledger";

/// The message history's name where the job gives none: it stands beside the run folder.
pub const HISTORY: &str = "phonematch.history";

/// Which run came before this one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Previous {
    /// The newest run of the same job, purpose and secret beside the run folder.
    Auto,
    /// None.
    None,
    /// This folder.
    Folder(PathBuf),
    /// This run in a store.
    Stored(ObjectUrl),
}

/// A name that may be written into outputs: a job, a recipient, a list.
///
/// 1 to 64 of `A-Za-z0-9._-`, and no part of it may be a phone number: seven digits and more in a
/// row, `._-` between them not counting, are refused unless they are a date.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Identifier(String);

/// Longest identifier, in bytes.
const MOST_IDENTIFIER_BYTES: usize = 64;
/// The shortest phone numbers that are somebody's have seven digits (ITU-T E.164 sets no minimum;
/// shorter ones are local or services).
const DIGITS_OF_A_NUMBER: usize = 7;

/// `20261122`: a year of these centuries, a month, a day.
fn is_date(digits: &[u8]) -> bool {
    let part = |range: std::ops::Range<usize>| {
        digits[range].iter().fold(0u32, |value, digit| value * 10 + u32::from(digit - b'0'))
    };
    digits.len() == 8
        && (1900..2100).contains(&part(0..4))
        && (1..=12).contains(&part(4..6))
        && (1..=31).contains(&part(6..8))
}

/// Whether the digits of a stretch without letters may be a phone number.
fn may_be_a_number(stretch: &[u8]) -> bool {
    let digits: Vec<_> = stretch.iter().copied().filter(u8::is_ascii_digit).collect();
    digits.len() >= DIGITS_OF_A_NUMBER && !is_date(&digits)
}

impl Identifier {
    /// Reads an identifier; `None` for what is not one.
    #[must_use]
    pub fn from_text(text: &[u8]) -> Option<Self> {
        let text = text.trim_ascii();
        let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"._-".contains(byte);
        // A digest in hex or Base64 would be an unkeyed hash of somebody in the open.
        let is_digest = matches!(text.len(), 43 | 44)
            || (text.len() >= 32 && text.iter().all(u8::is_ascii_hexdigit));
        let is_one = !is_digest
            && !text.is_empty()
            && text.len() <= MOST_IDENTIFIER_BYTES
            && text.iter().all(plain)
            && !text.split(u8::is_ascii_alphabetic).any(may_be_a_number);
        is_one.then(|| String::from_utf8(text.to_vec()).ok().map(Self)).flatten()
    }

    /// A name that no text can be read as, for lists of the run's own.
    pub(crate) fn reserved() -> Self {
        Self(String::new())
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for Identifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_no_identifier() {
        assert!(Identifier::from_text(b" crm_2026-11-22.v2 ").is_some());
        assert!(Identifier::from_text(b"crm-20261122").is_some());
        for bad in [
            &b""[..],
            b"447911123456",
            b"202-555-0171",
            b"202_555_0171",
            b"x_555.0171",
            b"20269999",
            b"a b",
            b"x,y",
            "ü".as_bytes(),
            &[b'a'; 65],
        ] {
            assert!(Identifier::from_text(bad).is_none());
        }
    }
}
