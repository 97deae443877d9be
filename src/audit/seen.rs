//! What do the rows of `matches.parquet` come to?
//!
//! One pass in the file's order. A row that is like others allocates nothing.

use std::path::Path;

use crate::key::{MatchKey, RecipientKey, Secret, Token};
use crate::maps::{ByLike, ByName, Equivalent};
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
    cells: ByLike<Cell, u64>,
}

/// What a row shows of a person.
#[derive(PartialEq, Eq, Hash, Default)]
struct Cell {
    region: Option<String>,
    os: Option<String>,
    os_version: Option<i32>,
    device: Option<String>,
}

/// The same, borrowed.
#[derive(Hash)]
struct CellOf<'a> {
    region: Option<&'a str>,
    os: Option<&'a str>,
    os_version: Option<i32>,
    device: Option<&'a str>,
}

impl Equivalent<Cell> for CellOf<'_> {
    fn equivalent(&self, cell: &Cell) -> bool {
        self.region == cell.region.as_deref()
            && self.os == cell.os.as_deref()
            && self.os_version == cell.os_version
            && self.device == cell.device.as_deref()
    }
}

impl From<&CellOf<'_>> for Cell {
    fn from(cell: &CellOf<'_>) -> Self {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        Self {
            region: owned(cell.region),
            os: owned(cell.os),
            os_version: cell.os_version,
            device: owned(cell.device),
        }
    }
}

impl SeenList {
    /// Cells of fewer people than that. Where nothing is shown of anybody there is no cell.
    pub(super) fn cells_below(&self, people: u64) -> u64 {
        let nothing = Cell::default();
        let is_small =
            |cell: &Cell, count: u64| count < people && !(*cell == nothing && count == self.people);
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
        each_match(path, |row| {
            let place = [row.token, row.owner.unwrap_or_default(), row.recipient, row.list_id];
            let is_behind = |last: &Place| last.parts() < place;
            seen.disordered += u64::from(last.as_ref().is_some_and(|last| !is_behind(last)));
            last.get_or_insert_default().become_that_of(&row);
            seen.add(&row);
        })
        .ok()?;
        seen.look_for(secret, barred);
        Some(seen)
    }

    fn add(&mut self, row: &MatchRow<'_>) {
        let texts = [Some(row.token), row.owner];
        let tokens = texts.map(|text| text.and_then(Token::from_hex));
        let is_shaped = |(text, token): (&Option<&str>, &Option<Token>)| {
            text.is_none_or(|text| token.is_some() && is_lower_case(text))
        };
        let shaped = texts.iter().zip(&tokens).all(is_shaped);
        self.misshapen += u64::from(!shaped);
        self.selves += u64::from(row.owner == Some(row.token));
        let recipient = self.recipients.entry_ref(row.recipient).or_default();
        recipient.tokens.extend(tokens.into_iter().flatten());
        let list = recipient.lists.entry_ref(row.list_id).or_default();
        list.people += 1;
        let (region, os, os_version, device) = (row.region, row.os, row.os_version, row.device);
        let cell = CellOf { region, os, os_version, device };
        match list.cells.get_mut(&cell) {
            Some(people) => *people += 1,
            None => drop(list.cells.insert(Cell::from(&cell), 1)),
        }
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

/// Whether no letter of a text is a capital. Looks at all of it: an end on the way would cost more.
fn is_lower_case(text: &str) -> bool {
    !text.bytes().fold(false, |any, byte| any | byte.is_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(token: &str) -> MatchRow<'_> {
        MatchRow {
            recipient: "acme",
            list_id: "spring",
            token,
            owner: None,
            region: None,
            os: None,
            os_version: None,
            device: None,
        }
    }

    #[test]
    fn a_token_is_thirty_two_lower_case_hex_digits() {
        let good = "0123456789abcdef0123456789abcdef";
        let upper = good.to_uppercase();
        for (token, owner, misshapen) in [
            (good, None, 0),
            (good, Some(good), 0),
            (&upper, None, 1),
            (good, Some(upper.as_str()), 1),
            (&good[1..], None, 1),
            ("0123456789abcdeg0123456789abcdef", None, 1),
        ] {
            let mut seen = Seen::default();
            seen.add(&MatchRow { owner, ..row(token) });
            assert_eq!(seen.misshapen, misshapen, "{token} {owner:?}");
            assert_eq!(seen.selves, u64::from(owner == Some(token)));
        }
    }

    #[test]
    fn people_who_show_the_same_are_a_cell() {
        let token = "0123456789abcdef0123456789abcdef";
        let mut seen = Seen::default();
        for at in 0..10 {
            let region = (at < 7).then_some("DE");
            let os_version = (at < 4).then_some(17);
            seen.add(&MatchRow { region, os: region.map(|_| "ios"), os_version, ..row(token) });
        }
        let list = seen.lists().next().unwrap();
        // Four with a version, three without, and three who show nothing, as not everybody does.
        assert_eq!([3, 4, 5].map(|floor| list.cells_below(floor)), [0, 2, 3]);
        let mut seen = Seen::default();
        seen.add(&row(token));
        assert_eq!(seen.lists().next().unwrap().cells_below(50), 0);
    }
}
