//! What do the rows of `matches.parquet` come to?
//!
//! One pass in the file's order. A row that is like others allocates nothing.

use std::fmt::Write;
use std::path::Path;

use crate::key::{MatchKey, RecipientKey, Secret, TOKEN_TEXT_LEN, Token};
use crate::maps::ByName;
use crate::output::{MatchRow, each_match};

/// Barred keys whose tokens are made in one go.
const KEYS_AT_A_TIME: usize = 4096;

/// What the rows came to.
#[derive(Default)]
pub(super) struct Seen {
    recipients: ByName<SeenRecipient>,
    /// Barred people who are there.
    pub(super) barred: u64,
    /// Rows that are not behind the one before them.
    pub(super) disordered: u64,
    /// Rows whose token is none.
    pub(super) misshapen: u64,
    /// Rows that pair somebody with themself.
    pub(super) selves: u64,
}

#[derive(Default)]
struct SeenRecipient {
    lists: ByName<SeenList>,
    tokens: Vec<Token>,
}

/// What the rows of one list came to.
#[derive(Default)]
pub(super) struct SeenList {
    pub(super) people: u64,
    /// People by what is shown of them.
    cells: ByName<u64>,
}

/// The cell of those who show nothing.
const NOTHING: &str = "|||";

impl SeenList {
    /// Cells of fewer people than that. Where nothing is shown of anybody there is no cell.
    pub(super) fn cells_below(&self, people: u64) -> u64 {
        let is_small =
            |cell: &str, count: u64| count < people && !(cell == NOTHING && count == self.people);
        self.cells.iter().filter(|(cell, count)| is_small(cell, **count)).count() as u64
    }
}

/// A row's place in the order: token, owner's token, recipient, list.
#[derive(Default)]
struct Place {
    text: String,
    owner_at: usize,
    recipient_at: usize,
    list_at: usize,
}

impl Place {
    fn parts(&self) -> [&str; 4] {
        let (token, rest) = self.text.split_at(self.owner_at);
        let (owner, rest) = rest.split_at(self.recipient_at - self.owner_at);
        let (recipient, list) = rest.split_at(self.list_at - self.recipient_at);
        [token, owner, recipient, list]
    }

    fn become_that_of(&mut self, row: &MatchRow<'_>) {
        self.text.clear();
        self.text.push_str(row.token);
        self.owner_at = self.text.len();
        self.text.push_str(row.owner.unwrap_or_default());
        self.recipient_at = self.text.len();
        self.text.push_str(row.recipient);
        self.list_at = self.text.len();
        self.text.push_str(row.list_id);
    }
}

impl Seen {
    /// Reads the file; none when it cannot be read. `barred` are the keys that must not be there.
    pub(super) fn of(path: &Path, secret: &Secret, barred: &[MatchKey]) -> Option<Self> {
        let mut seen = Self::default();
        let mut last: Option<Place> = None;
        let mut cell = String::new();
        each_match(path, |row| {
            let place = [row.token, row.owner.unwrap_or_default(), row.recipient, row.list_id];
            let is_behind = |last: &Place| last.parts() < place;
            seen.disordered += u64::from(last.as_ref().is_some_and(|last| !is_behind(last)));
            last.get_or_insert_default().become_that_of(&row);
            seen.add(&row, &mut cell);
        })
        .ok()?;
        seen.look_for(secret, barred);
        Some(seen)
    }

    fn add(&mut self, row: &MatchRow<'_>, cell: &mut String) {
        let is_shaped = |token: &str| {
            token.len() == TOKEN_TEXT_LEN
                && token.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        };
        let shaped = is_shaped(row.token) && row.owner.is_none_or(is_shaped);
        self.misshapen += u64::from(!shaped);
        self.selves += u64::from(row.owner == Some(row.token));
        write_cell(row, cell);
        let recipient = self.recipients.entry_ref(row.recipient).or_default();
        recipient.tokens.extend(Token::from_hex(row.token));
        recipient.tokens.extend(row.owner.and_then(Token::from_hex));
        let list = recipient.lists.entry_ref(row.list_id).or_default();
        list.people += 1;
        *list.cells.entry_ref(cell.as_str()).or_default() += 1;
    }

    /// The published tokens are held and the barred ones made a few at a time: there may be far
    /// more of the latter, and each recipient has its own.
    fn look_for(&mut self, secret: &Secret, barred: &[MatchKey]) {
        let mut tokens = Vec::with_capacity(KEYS_AT_A_TIME);
        for (name, recipient) in &mut self.recipients {
            let key = RecipientKey::new(secret, name);
            recipient.tokens.sort_unstable();
            for barred in barred.chunks(KEYS_AT_A_TIME) {
                tokens.clear();
                key.tokens(barred, &mut tokens);
                let is_there = |token: &&Token| recipient.tokens.binary_search(token).is_ok();
                self.barred += tokens.iter().filter(is_there).count() as u64;
            }
        }
    }

    /// Every list that has a row.
    pub(super) fn lists(&self) -> impl Iterator<Item = &SeenList> {
        self.recipients.values().flat_map(|recipient| recipient.lists.values())
    }

    /// The names of every list that has a row: recipient and list.
    pub(super) fn names(&self) -> impl Iterator<Item = (&str, &str)> {
        self.recipients.iter().flat_map(|(recipient, of)| {
            of.lists.keys().map(move |list| (recipient.as_str(), list.as_str()))
        })
    }
}

/// Region, system, its version and device, with bars between them.
fn write_cell(row: &MatchRow<'_>, cell: &mut String) {
    cell.clear();
    for part in [row.region, row.os] {
        cell.push_str(part.unwrap_or_default());
        cell.push('|');
    }
    if let Some(version) = row.os_version {
        let written = write!(cell, "{version}");
        debug_assert!(written.is_ok(), "memory takes any text");
    }
    cell.push('|');
    cell.push_str(row.device.unwrap_or_default());
}
