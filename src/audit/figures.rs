//! Was every figure paid for, and is it the one that was?

use std::fs;
use std::path::Path;

use super::{Check, Told, told};
use crate::key::Secret;
use crate::output::{MANIFEST, Manifest, REPORT, SUMMARY};
use crate::privacy::{Band, Book, Charge};
use crate::report::{ListReport, Report};

/// Checks what recipients were told against the report and the ledger; `book` is none when there
/// is no ledger.
#[must_use]
pub fn figures(folder: &Path, book: Option<&Book>, secret: &Secret) -> Vec<Check> {
    const PAID: &str = "every figure is one that the ledger was charged for";
    const FOLLOWS: &str = "every figure follows from the counts, the noise and the policy";
    let report = fs::read(folder.join(REPORT)).ok();
    let report: Option<Report> = report.and_then(|text| serde_json::from_slice(&text).ok());
    let manifest = Manifest::read(&folder.join(MANIFEST));
    let read = (manifest, report, told(&folder.join(SUMMARY)));
    let (Some(manifest), Some(report), Some(told)) = read else {
        return vec![Check::of(PAID, Some(format!("{REPORT} or {SUMMARY} cannot be read")))];
    };
    let wrong = |count: usize| (count > 0).then(|| format!("{count} lists of which it is not"));
    let Some(head) = &manifest.ledger else {
        let wrongly = each(&told, &report.lists).filter(|(band, list)| !is_exact(*band, list));
        return vec![Check::of(FOLLOWS, wrong(wrongly.count()))];
    };
    let known = "the ledger knows the run";
    let Some(book) = book else {
        return vec![Check::of(
            known,
            Some("there is no ledger; name it with --ledger".to_owned()),
        )];
    };
    let goes_on = book.goes_on_from(head);
    let charged = |list: &ListReport| {
        let at = usize::try_from(list.charge?).ok()?.checked_sub(1)?;
        book.charges().get(at)
    };
    let unpaid = each(&told, &report.lists).filter(|(band, list)| match charged(list) {
        Some(charge) => charge.number > head.charges || !is_told(charge, *band),
        None => list.charge.is_some() || band.is_some(),
    });
    let charges: Vec<_> = report.lists.iter().filter_map(charged).collect();
    let miscomputed = charges.iter().filter(|charge| charge.computed_band(secret) != charge.band());
    vec![
        Check::of(known, (!goes_on).then(|| "it lacks the run's charges".to_owned())),
        Check::of(PAID, wrong(unpaid.count() + told.len().abs_diff(report.lists.len()))),
        Check::of(FOLLOWS, wrong(miscomputed.count())),
    ]
}

/// What was told of each list, beside what the report says of it: both are in name order.
fn each<'a>(
    told: &'a Told,
    lists: &'a [ListReport],
) -> impl Iterator<Item = (Option<Band>, &'a ListReport)> {
    let bands = told.values().map(|band| band.map(|(from, below)| Band { from, below }));
    bands.zip(lists)
}

fn is_told(charge: &Charge, band: Option<Band>) -> bool {
    charge.band() == band
}

/// Without noise a list is told by the band of its people who left.
fn is_exact(band: Option<Band>, list: &ListReport) -> bool {
    band == (list.released > 0).then(|| Band::of(list.matched))
}
