//! Who is there, each once?
//!
//! Where no list is matched the export itself is counted: [`People`] takes the row of every person
//! who may be counted and keeps one of each number, with what all of that number's rows say.
//!
//! # Memory
//!
//! Rows are kept as they come, in 16 bytes, and become one for each number whenever they are twice
//! as many as there were people the last time: at most 32 bytes for each distinct person who is
//! counted, and 16 MiB. Numbers lie there in the clear, as those of the suppression list do; nothing
//! of them is written.

use std::collections::HashSet;

use super::{Attributes, InputNo};
use crate::consent::Permitted;
use crate::normalise::E164;

/// Rows that are kept before the first search for repeated ones.
const FEW_ROWS: usize = 1 << 20;

/// One row of somebody who may be counted, or what all rows of a number come to.
///
/// Ordered by the number, then by the input: of a person's rows the first input's is counted.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PersonRow {
    number: E164,
    input: InputNo,
    attributes: u32,
}

impl PersonRow {
    /// The row of an account in input `input`.
    #[must_use]
    pub fn of(account: Permitted, known: Attributes, input: InputNo) -> Self {
        let reading = account.reading();
        let attributes = known.in_region(reading.region).to_bits();
        Self { number: reading.number, input, attributes }
    }

    /// Somebody of a test.
    #[cfg(test)]
    pub(crate) fn made_up(digits: u64, known: Attributes) -> Self {
        Self { number: E164::made_up(digits), input: 0, attributes: known.to_bits() }
    }

    /// The number.
    #[must_use]
    pub const fn number(&self) -> E164 {
        self.number
    }

    /// The input whose row is counted.
    #[must_use]
    pub const fn input(&self) -> InputNo {
        self.input
    }

    /// What is known of the person.
    #[must_use]
    pub fn attributes(&self) -> Attributes {
        Attributes::from_bits(self.attributes)
    }

    fn merge(&mut self, other: Self) {
        let mut known = self.attributes();
        known.merge(other.attributes());
        self.attributes = known.to_bits();
    }
}

impl std::fmt::Debug for PersonRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PersonRow(redacted)")
    }
}

/// Everybody who may be counted.
#[derive(Default)]
pub struct People {
    rows: Vec<PersonRow>,
    /// How many of them were told apart, and are in order.
    settled: usize,
    /// Further rows of the same number, by input.
    repeats: Vec<u64>,
}

impl People {
    /// Takes in rows, in any order.
    pub fn add(&mut self, rows: &[PersonRow]) {
        if self.rows.capacity() - self.rows.len() < rows.len() {
            let due = self.due().saturating_sub(self.rows.len());
            self.rows.reserve_exact(due.max(rows.len()));
        }
        self.rows.extend_from_slice(rows);
    }

    /// Whether it is time to [`People::settle`].
    #[must_use]
    pub fn is_due(&self) -> bool {
        self.rows.len() >= self.due()
    }

    fn due(&self) -> usize {
        FEW_ROWS.max(2 * self.settled)
    }

    /// Leaves one row of each number. `sort` is the caller's, who may have threads for it.
    pub fn settle(&mut self, sort: impl FnOnce(&mut [PersonRow])) {
        sort(&mut self.rows);
        let repeats = &mut self.repeats;
        self.rows.dedup_by(|later, kept| {
            let is_same = later.number == kept.number;
            if is_same {
                kept.merge(*later);
                let input = later.input as usize;
                if repeats.len() <= input {
                    repeats.resize(input + 1, 0);
                }
                repeats[input] += 1;
            }
            is_same
        });
        self.settled = self.rows.len();
    }

    /// Takes out whoever has one of these numbers; gives their rows.
    pub fn take_out(&mut self, barred: &HashSet<u64>) -> Vec<PersonRow> {
        let mut out = Vec::new();
        self.rows.retain(|row| {
            let is_barred = barred.contains(&row.number.expose_digits());
            if is_barred {
                out.push(*row);
            }
            !is_barred
        });
        self.settled = self.rows.len();
        out
    }

    /// Everybody, in the order of numbers after [`People::settle`].
    #[must_use]
    pub fn rows(&self) -> &[PersonRow] {
        &self.rows
    }

    /// Further rows of somebody who was there already, of an input.
    #[must_use]
    pub fn repeats(&self, input: InputNo) -> u64 {
        self.repeats.get(input as usize).copied().unwrap_or(0)
    }
}

impl std::fmt::Debug for People {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "People({} rows)", self.rows.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::join::Os;

    fn row(digits: u64, input: InputNo, os: &[u8]) -> PersonRow {
        PersonRow { input, ..PersonRow::made_up(digits, Attributes::from_cells(os, b"")) }
    }

    #[test]
    fn a_number_is_one_person_however_its_rows_come_and_whenever_they_are_settled() {
        let rows = [
            row(7, 0, b"iOS 17"),
            row(9, 1, b"Android 14"),
            row(7, 1, b""),
            row(8, 1, b"iOS 16"),
            row(9, 0, b"iOS 16"),
            row(7, 1, b"iOS 17"),
        ];
        for parts in [1, 2, 3, 6] {
            let mut people = People::default();
            for part in rows.chunks(rows.len() / parts) {
                people.add(part);
                people.settle(<[PersonRow]>::sort_unstable);
            }
            let found: Vec<_> = people
                .rows()
                .iter()
                .map(|row| (row.number.expose_digits(), row.attributes().os()))
                .collect();
            let ios = Some(Os::Ios);
            assert_eq!(found, [(7, ios), (8, ios), (9, None)], "{parts} parts");
            // In which input the row stands that is counted depends on the order of the inputs,
            // and these come mixed; how many are repeats does not.
            assert_eq!(people.repeats(0) + people.repeats(1), 3);
            assert_eq!(people.repeats(7), 0);
            let out = people.take_out(&HashSet::from([8, 10]));
            assert_eq!((out.len(), people.rows().len()), (1, 2));
        }
    }

    #[test]
    fn a_person_takes_at_most_thirty_two_bytes() {
        let mut people = People::default();
        for round in 0..3_u64 {
            for few in (0..3_000_000).step_by(8192) {
                let rows: Vec<_> = (few + 1..few + 8193).map(|at| row(at, 0, b"")).collect();
                people.add(&rows);
                if people.is_due() {
                    people.settle(<[PersonRow]>::sort_unstable);
                }
                let most = 32 * people.settled.max(FEW_ROWS / 2) + 16 * 8192;
                let held = people.rows.capacity() * size_of::<PersonRow>();
                assert!(held <= most, "{held} bytes for {} people, round {round}", people.settled);
            }
        }
        people.settle(<[PersonRow]>::sort_unstable);
        assert_eq!((people.rows().len(), people.repeats(0)), (3_006_464, 2 * 3_006_464));
    }
}
