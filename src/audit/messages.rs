//! Does every message keep to the pilot, and does the history know it?

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use super::Check;
use crate::dates::Day;
use crate::output::{MANIFEST, MATCHES, Manifest, ManifestMessages, each_match};
use crate::privacy::Messages;

/// What a run writes to the people of one business.
#[derive(Default)]
struct Written {
    rows: u64,
    tokens: HashSet<String>,
}

/// Checks a run's messages against its manifest and the history, which is none where there is no
/// such file. A run of another purpose has no messages to check.
#[must_use]
pub fn messages(folder: &Path, history: Option<&Messages>) -> Vec<Check> {
    const KNOWN: &str = "the history knows every message";
    let manifest = Manifest::read(&folder.join(MANIFEST));
    let Some(ManifestMessages { day, tiers, history: head }) = manifest.and_then(|it| it.messages)
    else {
        return Vec::new();
    };
    let mut written = BTreeMap::<String, Written>::new();
    let read = each_match(&folder.join(MATCHES), |row| {
        let business = written.entry(row.recipient.to_owned()).or_default();
        business.rows += 1;
        business.tokens.insert(row.token.to_owned());
    });
    let day = Day::from_text(&day);
    let (Ok(()), Some(day)) = (read, day) else {
        return vec![Check::of(KNOWN, Some(format!("{MATCHES} or {MANIFEST} cannot be read")))];
    };
    let some = |count: usize, what: &str| (count > 0).then(|| format!("{count} {what}"));
    let beyond =
        written.iter().filter(|(name, it)| it.rows > tiers.get(*name).copied().unwrap_or(0));
    let twice = written.values().filter(|it| it.tokens.len() as u64 != it.rows);
    let unknown = match (history, head) {
        (None, head) => (head.is_some() || !written.is_empty())
            .then(|| "there is no history; name it with --history".to_owned()),
        (Some(history), Some(head)) if !history.goes_on_from(&head) => {
            Some("it lacks the run's messages".to_owned())
        }
        (Some(history), _) => {
            // A history that does not reach back to the day any more cannot say.
            let is_short = |(name, it): &(&String, &Written)| {
                history.people_on(day, name).is_some_and(|people| people < it.rows)
            };
            some(written.iter().filter(is_short).count(), "businesses with more")
        }
    };
    vec![
        Check::of(
            "no business writes to more people a day than its tier, and none outside the pilot",
            some(beyond.count(), "businesses that do"),
        ),
        Check::of(
            "no business writes to a person twice",
            some(twice.count(), "businesses that do"),
        ),
        Check::of(KNOWN, unknown),
    ]
}
