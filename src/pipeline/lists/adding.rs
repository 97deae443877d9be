//! Where do list rows go: into the index at once, or into a store until there is room for them?

use super::{About, Group, Indexing};
use crate::join::{Added, GroupNo, Home, ListBuilder, ListName, ListNo, ListStore, RowOf};
use crate::key::{Form, Listed};
use crate::normalise::Region;
use crate::pipeline::RunError;

/// Where list rows go.
pub(in crate::pipeline) enum Gathering {
    /// Into the index, at once.
    Index(Box<ListBuilder>),
    /// Into a store, until there is room for them; which of them are duplicates shows only then.
    Store(Box<ListStore>),
}

/// The same, lent to whoever reads an input.
pub(in crate::pipeline) enum RowsTo<'a> {
    Index(&'a mut ListBuilder),
    Store(&'a mut ListStore),
}

impl Gathering {
    pub(in crate::pipeline) fn list(&mut self, name: &ListName) -> ListNo {
        self.rows_to().list(name)
    }

    pub(super) const fn rows_to(&mut self) -> RowsTo<'_> {
        match self {
            Self::Index(builder) => RowsTo::Index(builder),
            Self::Store(store) => RowsTo::Store(store),
        }
    }
}

impl RowsTo<'_> {
    pub(super) fn list(&mut self, name: &ListName) -> ListNo {
        match self {
            Self::Index(builder) => builder.list(name),
            Self::Store(store) => store.list(name),
        }
    }

    /// Says that about so many rows more will come.
    pub(super) fn expect(&mut self, rows: u64) {
        match self {
            Self::Index(builder) => builder.expect(rows),
            // Its rows wait in blocks.
            Self::Store(_) => {}
        }
    }

    pub(super) fn use_form(&mut self, form: Form) {
        match self {
            Self::Index(builder) => builder.use_form(form),
            Self::Store(store) => store.use_form(form),
        }
    }
}

/// A number in more than one row of a thousand is a filler or a mistake.
const CROWDED_SHARE: u64 = 1000;
/// Fewer rows of one number are no sign of anything.
const CROWDED_ROWS: u64 = 10;

/// Whether a number that came `repeats` times more in an input makes up a suspicious share of the
/// rows there.
pub(in crate::pipeline) const fn is_crowded(repeats: u64, all: u64) -> bool {
    let rows = repeats + 1;
    rows >= CROWDED_ROWS && rows * CROWDED_SHARE > all
}

/// What a row's number is a member of.
fn home(index: &mut ListBuilder, list: ListNo, owner: Option<Listed>) -> Home {
    Home { list, owner: owner.map(|owner| index.owner(owner)) }
}

impl Indexing<'_, '_> {
    /// Adds the number of a row that has one.
    pub(super) fn add_one(&mut self, listed: Listed, about: About) -> Result<(), RunError> {
        let About { list, owner, dates } = about;
        let tells = self.lists.tells_countries[self.input as usize];
        let country = listed.region().filter(|_| tells);
        match &mut self.rows_to {
            RowsTo::Index(index) => {
                let home = home(index, list, owner);
                let added = index.add(home, listed, Some(self.input));
                index.date(added.member(), dates);
                self.count(added, country);
                if let Added::Duplicate(_) = added {
                    self.ledger.duplicates += 1;
                }
                Ok(())
            }
            RowsTo::Store(store) => {
                let of = RowOf { input: self.input, group: None, dates, country };
                Ok(store.add(list, listed, owner, of)?)
            }
        }
    }

    /// Adds the numbers of a row that has several.
    pub(super) fn add_several(&mut self, several: &[Listed], about: About) -> Result<(), RunError> {
        let About { list, owner, dates } = about;
        let number = GroupNo(u32::try_from(self.lists.groups.len()).unwrap_or(u32::MAX));
        let mut members = Vec::new();
        for &listed in several {
            let country = listed.region();
            match &mut self.rows_to {
                RowsTo::Index(index) => {
                    let home = home(index, list, owner);
                    let added = index.add(home, listed, None);
                    index.date(added.member(), dates);
                    self.count(added, country);
                    if let Added::Member(member) = added {
                        members.push(member);
                    }
                }
                RowsTo::Store(store) => {
                    let of = RowOf { input: self.input, group: Some(number), dates, country };
                    store.add(list, listed, owner, of)?;
                }
            }
        }
        if members.is_empty() && matches!(self.rows_to, RowsTo::Index(_)) {
            self.ledger.duplicates += 1;
        } else {
            self.lists.groups.push(Group { input: self.input, members });
        }
        Ok(())
    }

    fn count(&mut self, added: Added, country: Option<Region>) {
        match (added, country) {
            (Added::Duplicate(member), _) => *self.repeats.entry(member).or_default() += 1,
            (Added::Member(_), Some(country)) => self.lists.numbers.add(country),
            (Added::Member(_), None) => {}
        }
    }

    pub(super) fn crowded(&self) -> Vec<ListNo> {
        let RowsTo::Index(index) = &self.rows_to else { return Vec::new() };
        let mut crowded: Vec<_> = self
            .repeats
            .iter()
            .map(|(&member, &repeats)| (index.member_list(member), repeats))
            .filter(|&(list, repeats)| {
                is_crowded(repeats, self.rows.get(list.index()).copied().unwrap_or(0))
            })
            .map(|(list, _)| list)
            .collect();
        crowded.sort_unstable();
        crowded.dedup();
        crowded
    }
}
