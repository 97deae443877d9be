//! In which form were a list's numbers hashed?
//!
//! A digest does not say. So the digests of a list are looked up by the export's numbers in both
//! forms, with the plus and without, and the form that finds more is the list's. It takes an index
//! of its own: the run's asks only for the forms that its job names.

use std::collections::BTreeSet;

use crate::job::Identifier;
use crate::join::{Added, InputNo, ListBuilder, ListIndex, ListName, SlotNo, Sought};
use crate::key::{Form, Keyer, Listed};
use crate::normalise::Region;

/// So many digests of an input are looked up at most: ten thousand tell the forms apart, and more
/// make the figures finer.
const MOST_DIGESTS: u64 = 100_000;

/// Takes the digests of hashed lists.
pub(super) struct DialectBuilder {
    index: ListBuilder,
    /// Digests taken, by input.
    taken: Vec<Taken>,
}

struct Taken {
    input: InputNo,
    digests: u64,
}

/// Digests that are looked up in both forms.
pub(super) struct Dialects {
    index: ListIndex,
    keyer: Keyer,
    taken: Vec<Taken>,
}

/// Slots that were found, by form.
#[derive(Default)]
pub(super) struct Told(BTreeSet<(Form, SlotNo)>);

impl Told {
    pub(super) fn add(&mut self, other: Self) {
        self.0.extend(other.0);
    }
}

/// How many digests of an input the export's numbers find.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Found {
    pub(super) input: InputNo,
    pub(super) digests: u64,
    pub(super) e164: u64,
    pub(super) digits: u64,
}

impl DialectBuilder {
    pub(super) fn new() -> Self {
        let mut index = ListBuilder::default();
        Form::ALL.into_iter().for_each(|form| index.use_form(form));
        Self { index, taken: Vec::new() }
    }

    /// Takes a digest of an input; inputs come one after the other.
    pub(super) fn add(&mut self, input: InputNo, listed: Listed) {
        if self.taken.last().is_none_or(|taken| taken.input != input) {
            self.taken.push(Taken { input, digests: 0 });
        }
        let Some(taken) = self.taken.last_mut().filter(|taken| taken.digests < MOST_DIGESTS) else {
            return;
        };
        let Some(name) = Identifier::from_text(format!("input-{input}").as_bytes()) else { return };
        let list_id = name.clone();
        let list = self.index.list(&ListName { recipient: name, list_id });
        if let Added::Member(_) = self.index.add(list, listed, Some(input)) {
            taken.digests += 1;
        }
    }

    /// Ends the lists; none when none is hashed.
    pub(super) fn finish(self, keyer: &Keyer) -> Option<Dialects> {
        let Self { index, taken } = self;
        if taken.is_empty() {
            return None;
        }
        Some(Dialects { index: index.finish(), keyer: keyer.clone(), taken })
    }
}

impl Dialects {
    /// Which digests these numbers are, in either form.
    pub(super) fn ask(&self, numbers: &[(u64, Region)]) -> Told {
        let sought: Vec<_> = numbers
            .iter()
            .map(|&(digits, region)| Sought { digits, region: Some(region) })
            .collect();
        let mut likely = Vec::new();
        self.index.lookup().select(&sought, &self.keyer, &mut likely);
        let spelled: Vec<_> = likely.iter().map(|likely| likely.spelled).collect();
        let (mut keys, mut slots) = (Vec::new(), Vec::new());
        self.keyer.keys(&spelled, &mut keys);
        self.index.lookup().find_all(&keys, &mut slots);
        let found = spelled.iter().zip(slots);
        Told(found.filter_map(|(spelled, slot)| Some((spelled.form, slot?))).collect())
    }

    /// What all of the export told, input by input.
    pub(super) fn found(&self, told: &Told) -> Vec<Found> {
        let count = |input: InputNo, form: Form| {
            let of_input = self.index.members().filter(|it| it.counted_in() == Some(input));
            of_input.filter(|it| told.0.contains(&(form, it.slot))).count() as u64
        };
        let found = self.taken.iter().map(|&Taken { input, digests }| Found {
            input,
            digests,
            e164: count(input, Form::E164),
            digits: count(input, Form::Digits),
        });
        found.collect()
    }
}
