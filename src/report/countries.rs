//! How much of the lists is matched, country by country.
//!
//! The report is the house's own, and still no country shows few people: the policy's floor for a
//! cell of attributes holds here too. What is below it, and as much more as it takes that the
//! remainder is not below it either (complementary suppression: Cox, 1980), is one row.

use serde::{Deserialize, Serialize};

use crate::normalise::Region;

/// Letters of a code: 26 squared places, and one for the numbers of no territory.
const LETTERS: usize = 26;
const NO_TERRITORY: usize = LETTERS * LETTERS;

/// Numbers by territory. Counting one is an addition in an array: lists are long.
#[derive(Clone, Debug)]
pub struct RegionCounts(Vec<u64>);

impl Default for RegionCounts {
    fn default() -> Self {
        Self(vec![0; NO_TERRITORY + 1])
    }
}

impl RegionCounts {
    /// Counts a number.
    pub fn add(&mut self, region: Region) {
        self.0[place(region)] += 1;
    }

    fn of(&self, region: Region) -> u64 {
        self.0[place(region)]
    }

    fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    fn regions(&self) -> impl Iterator<Item = Region> + '_ {
        let letters = b'A'..=b'Z';
        let codes = letters.clone().flat_map(move |a| letters.clone().map(move |b| [a, b]));
        let all = codes.map(Region::from_bytes).chain([Region::WORLD]);
        all.filter(|&region| self.of(region) > 0)
    }
}

fn place(region: Region) -> usize {
    match region.to_bytes() {
        [a @ b'A'..=b'Z', b @ b'A'..=b'Z'] => {
            usize::from(a - b'A') * LETTERS + usize::from(b - b'A')
        }
        _ => NO_TERRITORY,
    }
}

/// One country's numbers on the lists.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CountryReport {
    /// As libphonenumber writes it; [`OTHERS`] and [`HASHED`] are the rest.
    pub country: String,
    /// Distinct numbers, counted in each list that holds them.
    pub numbers: u64,
    /// Those of them that are an account's whom nobody barred.
    pub matched: u64,
}

/// The countries of few people, together.
pub const OTHERS: &str = "others";

/// Numbers of lists that hold hashes: which country they are of shows only where they match.
pub const HASHED: &str = "hashed";

/// A total over all lists, whether the country is known or not.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AllLists {
    /// Distinct numbers, counted in each list that holds them.
    pub numbers: u64,
    /// Distinct matched people who are not barred, counted in each list.
    pub matched: u64,
}

/// The rows of the report, most people first; none shows fewer than `floor` of them.
#[must_use]
pub fn countries(
    numbers: &RegionCounts,
    matched: &RegionCounts,
    all: AllLists,
    floor: u64,
) -> Vec<CountryReport> {
    let known = numbers.regions().map(|region| CountryReport {
        country: region.code().to_owned(),
        numbers: numbers.of(region),
        matched: matched.of(region),
    });
    let hashed = CountryReport {
        country: HASHED.to_owned(),
        numbers: all.numbers.saturating_sub(numbers.total()),
        matched: all.matched.saturating_sub(matched.total()),
    };
    let rows = known.chain(Some(hashed).filter(|row| row.numbers > 0));
    let (mut shown, few): (Vec<_>, Vec<_>) = rows.partition(|row| row.matched >= floor.max(1));
    shown.sort_by(|one, other| {
        other.matched.cmp(&one.matched).then_with(|| one.country.cmp(&other.country))
    });
    let mut others = CountryReport { country: OTHERS.to_owned(), numbers: 0, matched: 0 };
    few.iter().for_each(|row| others.take_in(row));
    while others.numbers > 0 && others.matched < floor {
        let Some(smallest) = shown.pop() else { break };
        others.take_in(&smallest);
    }
    shown.extend((others.numbers > 0).then_some(others));
    shown
}

impl CountryReport {
    const fn take_in(&mut self, other: &Self) {
        self.numbers += other.numbers;
        self.matched += other.matched;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(rows: &[(&str, u64)]) -> RegionCounts {
        let mut counts = RegionCounts::default();
        for (code, many) in rows {
            let region = Region::from_code(code.as_bytes()).unwrap_or(Region::WORLD);
            (0..*many).for_each(|_| counts.add(region));
        }
        counts
    }

    fn shown(numbers: &[(&str, u64)], matched: &[(&str, u64)], more: u64) -> Vec<String> {
        let sum = |rows: &[(&str, u64)]| rows.iter().map(|row| row.1).sum::<u64>();
        let all = AllLists { numbers: sum(numbers) + more, matched: sum(matched) + more / 2 };
        let rows = countries(&counts(numbers), &counts(matched), all, 50);
        rows.iter().map(|row| format!("{} {}/{}", row.country, row.matched, row.numbers)).collect()
    }

    #[test]
    fn countries_with_company_stand_by_themselves_and_the_rest_together() {
        let numbers = [("DE", 200), ("GB", 300), ("FR", 80), ("US", 70), ("001", 2)];
        let matched = [("DE", 100), ("GB", 60), ("FR", 30), ("US", 25)];
        assert_eq!(shown(&numbers, &matched, 0), ["DE 100/200", "GB 60/300", "others 55/152"]);
        let expected = ["DE 100/200", "hashed 75/150", "GB 60/300", "others 55/152"];
        assert_eq!(shown(&numbers, &matched, 150), expected);
    }

    #[test]
    fn a_remainder_of_few_takes_the_smallest_country_along() {
        let (numbers, matched) = ([("DE", 200), ("GB", 300), ("FR", 9)], [("DE", 90), ("GB", 60)]);
        assert_eq!(shown(&numbers, &matched, 0), ["DE 90/200", "others 60/309"]);
        assert_eq!(shown(&numbers[..1], &[("DE", 3)], 0), ["others 3/200"]);
        assert_eq!(shown(&[], &[], 0), [""; 0]);
    }
}
