//! What is a row of a list, in the words of the report?

use crate::consent::Purpose;
use crate::report::Report;

/// What is said of a list's rows: numbers of customers, or pairs of people.
pub(super) struct Rows {
    pub(super) released: &'static str,
    pub(super) one: &'static str,
    pub(super) many: &'static str,
    /// Where the lists' names stand.
    pub(super) names: &'static str,
    pub(super) countries: &'static str,
}

impl Rows {
    pub(super) fn of(report: &Report) -> Self {
        let purpose = Purpose::from_name(report.purpose.as_bytes());
        let names = match purpose.is_some_and(Purpose::has_advertiser) {
            true => "By their row in <code>audiences.parquet</code>, which has their names.",
            false => "In the order of recipient and name.",
        };
        match purpose.is_some_and(Purpose::takes_pairs) {
            true => Self {
                released: "Pairs released",
                one: "pair",
                many: "Pairs",
                names,
                countries: "Of the distinct pairs on the lists, by the contact’s country, how \
                            many are accounts of two people who may both be used.",
            },
            false => Self {
                released: "People released",
                one: "number",
                many: "Numbers",
                names,
                countries: "Of the distinct numbers on the lists, how many are an account of \
                            somebody who may be used.",
            },
        }
    }
}
