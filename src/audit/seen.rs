//! What do the rows of `matches.parquet` come to?
//!
//! One pass over each part in the file's order, then the parts are put together. A row that is like
//! others allocates nothing.

use std::fmt::Write;
use std::path::Path;

use crate::key::{MatchKey, RecipientKey, Secret, TOKEN_TEXT_LEN, Token};
use crate::maps::ByName;
use crate::output::{MatchPart, MatchRow, NotMatches, Task, match_parts};

/// Barred keys whose tokens are made in one go.
const KEYS_AT_A_TIME: usize = 4096;

/// Most rows that are read in one go.
const PART_ROWS: usize = 1 << 17;

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
    /// The places of the first row and of the last.
    ends: Option<[Place; 2]>,
}

/// What the rows of a part came to.
pub struct SeenPart(Result<Seen, NotMatches>);

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

    fn of(row: &MatchRow<'_>) -> Self {
        let mut place = Self::default();
        place.become_that_of(row);
        place
    }

    fn is_before(&self, row: &MatchRow<'_>) -> bool {
        let place = [row.token, row.owner.unwrap_or_default(), row.recipient, row.list_id];
        self.parts() < place
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
    /// `do_all` does tasks and gives what they come to, in their order.
    pub(super) fn of(
        path: &Path,
        secret: &Secret,
        barred: &[MatchKey],
        do_all: impl Fn(Vec<Task<'_, SeenPart>>) -> Vec<SeenPart>,
    ) -> Option<Self> {
        let mut seen = Self::of_parts(match_parts(path, PART_ROWS).ok()?, do_all)?;
        seen.look_for(secret, barred);
        Some(seen)
    }

    fn of_parts(
        parts: Vec<MatchPart>,
        do_all: impl Fn(Vec<Task<'_, SeenPart>>) -> Vec<SeenPart>,
    ) -> Option<Self> {
        let task = |part: MatchPart| -> Task<'_, SeenPart> {
            Box::new(move || SeenPart(Self::of_part(&part)))
        };
        let mut seen = Self::default();
        for SeenPart(part) in do_all(parts.into_iter().map(task).collect()) {
            seen = seen.followed_by(part.ok()?);
        }
        Some(seen)
    }

    fn of_part(part: &MatchPart) -> Result<Self, NotMatches> {
        let mut seen = Self::default();
        let mut cell = String::new();
        part.each_match(|row| {
            match &mut seen.ends {
                None => seen.ends = Some([Place::of(&row), Place::of(&row)]),
                Some([_, last]) => {
                    seen.disordered += u64::from(!last.is_before(&row));
                    last.become_that_of(&row);
                }
            }
            seen.add(&row, &mut cell);
        })?;
        Ok(seen)
    }

    /// What the rows of two parts come to, one behind the other.
    fn followed_by(mut self, next: Self) -> Self {
        self.ends = match (self.ends, next.ends) {
            (Some([first, last]), Some([behind, end])) => {
                self.disordered += u64::from(last.parts() >= behind.parts());
                Some([first, end])
            }
            (ends, None) | (None, ends) => ends,
        };
        self.barred += next.barred;
        self.disordered += next.disordered;
        self.misshapen += next.misshapen;
        self.selves += next.selves;
        for (name, other) in next.recipients {
            let recipient = self.recipients.entry(name).or_default();
            recipient.tokens.extend(other.tokens);
            for (name, other) in other.lists {
                let list = recipient.lists.entry(name).or_default();
                list.people += other.people;
                other.cells.into_iter().for_each(|(cell, people)| {
                    *list.cells.entry(cell).or_default() += people;
                });
            }
        }
        self
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::{made_up_matches, one_by_one};

    #[test]
    fn parts_come_to_what_the_whole_comes_to() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("matches.parquet");
        // Ascending but for four rows, one of them a repeat; whatever the parts, some begin there.
        let mut tokens: Vec<u32> = (0..1000).map(|at| at * 2).collect();
        (tokens[14], tokens[300], tokens[700], tokens[999]) = (tokens[13], 1, 3, 5);
        made_up_matches(&path, &tokens);
        let seen = |most_rows: usize| {
            let seen = Seen::of_parts(match_parts(&path, most_rows).unwrap(), one_by_one).unwrap();
            let mut lists: Vec<_> = seen
                .names()
                .zip(seen.lists())
                .map(|((recipient, list), of)| {
                    let mut cells: Vec<_> = of.cells.iter().map(|(c, n)| (c.clone(), *n)).collect();
                    cells.sort_unstable();
                    (recipient.to_owned(), list.to_owned(), of.people, cells)
                })
                .collect();
            lists.sort_unstable();
            let mut tokens: Vec<_> =
                seen.recipients.values().flat_map(|recipient| recipient.tokens.clone()).collect();
            tokens.sort_unstable();
            (lists, tokens, [seen.barred, seen.disordered, seen.misshapen, seen.selves])
        };
        let whole = seen(PART_ROWS);
        assert_eq!(whole.0.iter().map(|list| list.2).sum::<u64>(), 1000);
        assert!(whole.0.len() == 2 && whole.0.iter().all(|list| list.3.len() > 5));
        assert_eq!((whole.1.len(), whole.2), (1000, [0, 4, 0, 0]));
        for most_rows in [1, 7, 15, 100, 300, 999] {
            assert!(seen(most_rows) == whole, "{most_rows}");
        }
    }
}
