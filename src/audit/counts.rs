//! Is the table of people one that tells of nobody?

use std::fs;
use std::path::Path;

use super::Check;
use crate::output::{COUNTS, MATCHES, SUMMARY, each_count, each_match};
use crate::policy::Floors;

/// A row as both files have it.
type Row = (Option<String>, Option<String>, i64);

/// Checks a run that counts people: no row below the floor, none twice, the same in
/// `summary.json`, and nobody by token.
#[must_use]
pub fn counts(folder: &Path, floors: &Floors) -> Vec<Check> {
    const READ: &str = "the table of people can be read";
    let mut rows: Vec<Row> = Vec::new();
    let read = each_count(&folder.join(COUNTS), |row| {
        rows.push((row.region.map(str::to_owned), row.os.map(str::to_owned), row.people));
    });
    let (Ok(()), Some(summary)) = (read, summary(&folder.join(SUMMARY))) else {
        return vec![Check::of(READ, Some(format!("{COUNTS} or {SUMMARY} cannot be read")))];
    };
    let floor = i64::try_from(floors.attribute_cell.max(1)).unwrap_or(i64::MAX);
    let small = rows.iter().filter(|row| row.2 < floor).count();
    let disordered = rows.windows(2).filter(|two| (&two[0].0, &two[0].1) >= (&two[1].0, &two[1].1));
    let homeless = rows.iter().filter(|row| row.0.is_none() && row.1.is_some()).count();
    let misplaced = disordered.count() + homeless;
    let mut people = 0_u64;
    let tokens = each_match(&folder.join(MATCHES), |_| people += 1).map(|()| people);
    let some = |count: usize, what: &str| (count > 0).then(|| format!("{count} {what}"));
    vec![
        Check::of(READ, None),
        Check::of("every count has the people that the floor asks", some(small, "below it")),
        Check::of("rows are sorted and unique", some(misplaced, "rows out of order or shape")),
        Check::of(
            "the summary tells the same counts",
            (summary != rows).then(|| format!("{SUMMARY} tells others")),
        ),
        Check::of(
            "nobody is told by token",
            (tokens.ok() != Some(0)).then(|| format!("{MATCHES} is not empty")),
        ),
    ]
}

fn summary(path: &Path) -> Option<Vec<Row>> {
    let summary: serde_json::Value = serde_json::from_slice(&fs::read(path).ok()?).ok()?;
    let row = |row: &serde_json::Value| {
        let text = |name: &str| row.get(name)?.as_str().map(str::to_owned);
        Some((text("region"), text("os"), row.get("people")?.as_i64()?))
    };
    summary.get("counts")?.as_array()?.iter().map(row).collect()
}
