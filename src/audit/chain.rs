//! Do these runs follow one another, with none missing, changed or out of its place?
//!
//! A manifest names the run before it by the BLAKE3 digest of that run's manifest, and carries a
//! seal under the secret. So a run cannot be edited, taken out or put elsewhere without a later one
//! telling. What no chain can tell is that its newest runs were taken away: keep the digest that
//! `audit` prints of the newest one where whoever could do that cannot write.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use super::Check;
use crate::key::{Secret, Token};
use crate::output::{
    MANIFEST, MATCHES, Manifest, ManifestFile, MatchRow, REMOVED, REPORT, RemovedRow, each_match,
    each_removed,
};
use crate::report::{Report, is_sealed};

/// A published run as a member of a chain.
#[derive(Clone, Debug)]
pub struct Link {
    folder: PathBuf,
    digest: String,
    manifest: Manifest,
    is_sealed: bool,
    started_at: Option<jiff::Timestamp>,
}

impl Link {
    /// Opens the run in a folder; none when there is no manifest that can be read.
    #[must_use]
    pub fn open(folder: &Path, secret: &Secret) -> Option<Self> {
        let path = folder.join(MANIFEST);
        let manifest = Manifest::read(&path)?;
        let text = fs::read_to_string(&path).ok()?;
        let report = fs::read(folder.join(REPORT)).ok();
        let report: Option<Report> = report.and_then(|text| serde_json::from_slice(&text).ok());
        Some(Self {
            folder: folder.to_owned(),
            digest: ManifestFile::of(&path).ok()?.blake3,
            manifest,
            is_sealed: is_sealed(&text, secret),
            started_at: report.and_then(|report| report.started_at.parse().ok()),
        })
    }

    /// The run folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// BLAKE3 of the manifest.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// The manifest.
    #[must_use]
    pub const fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    fn previous(&self) -> Option<&str> {
        self.manifest.previous.as_ref().map(|previous| previous.blake3.as_str())
    }

    fn name(&self) -> String {
        let name = self.folder.file_name().unwrap_or(self.folder.as_os_str());
        name.to_string_lossy().escape_debug().to_string()
    }

    fn lineage(&self) -> (&str, &str, &str) {
        let Manifest { job, purpose, key_id, .. } = &self.manifest;
        (job, purpose, key_id)
    }
}

/// The chain that ends with `newest`, oldest first, through the folders beside it; and whether it
/// goes back to a run that follows none.
#[must_use]
pub fn walk_back(newest: Link, secret: &Secret) -> (Vec<Link>, Check) {
    const WHOLE: &str = "the chain goes back to a run that followed none";
    let (mut beside, damaged) = beside(&newest, secret);
    let mut links = vec![newest];
    while let Some(previous) = links.last().and_then(Link::previous) {
        match beside.remove(previous) {
            Some(link) => links.push(link),
            None => break,
        }
    }
    links.reverse();
    let gap = links.first().filter(|first| first.previous().is_some()).map(|first| {
        let mut text = format!("the run before {} is missing, or was changed", first.name());
        let mut changed = damaged;
        changed.extend(beside.values().filter(|link| !link.is_sealed).map(Link::name));
        changed.sort();
        if !changed.is_empty() {
            text = format!("{text}; beside it, changed: {}", changed.join(", "));
        }
        text
    });
    (links, Check::of(WHOLE, gap))
}

/// The runs in the folders beside one, by digest, and the names of those that cannot be read.
fn beside(run: &Link, secret: &Secret) -> (HashMap<String, Link>, Vec<String>) {
    let folder = fs::canonicalize(&run.folder).unwrap_or_else(|_| run.folder.clone());
    // Shown as they were named: beside what was typed, not under the canonical path.
    let shown = run.folder.parent().filter(|parent| !parent.as_os_str().is_empty());
    let entries = folder.parent().and_then(|parent| fs::read_dir(parent).ok());
    let names = entries.into_iter().flatten().filter_map(|entry| Some(entry.ok()?.file_name()));
    let (mut links, mut damaged) = (HashMap::new(), Vec::new());
    for name in names {
        let is_hidden = name.as_encoded_bytes().starts_with(b".");
        let path = shown.map_or_else(|| PathBuf::from(&name), |parent| parent.join(&name));
        if is_hidden
            || Some(name.as_os_str()) == folder.file_name()
            || !path.join(MANIFEST).exists()
        {
            continue;
        }
        match Link::open(&path, secret) {
            Some(link) => drop(links.insert(link.digest.clone(), link)),
            None => damaged.push(name.to_string_lossy().escape_debug().to_string()),
        }
    }
    (links, damaged)
}

/// Checks that runs follow one another as they are given, oldest first.
#[must_use]
pub fn follow(links: &[Link]) -> Vec<Check> {
    let pairs = || links.windows(2).map(|pair| (&pair[0], &pair[1]));
    let breaks: Vec<_> =
        pairs().filter_map(|(before, after)| broken(before, after, links)).collect();
    let foreign = pairs().filter(|(before, after)| before.lineage() != after.lineage());
    let foreign: Vec<_> = foreign
        .map(|(before, after)| {
            format!("{} and {} are of another job, purpose or secret", before.name(), after.name())
        })
        .collect();
    let untimely = pairs().filter(|(before, after)| before.started_at >= after.started_at);
    let untimely: Vec<_> = untimely
        .map(|(before, after)| format!("{} is not before {}", before.name(), after.name()))
        .collect();
    let linked = pairs().filter(|(before, after)| after.previous() == Some(&before.digest));
    let lost: Vec<_> = linked.filter_map(|(before, after)| lost(before, after)).collect();
    let joined = |found: Vec<String>| (!found.is_empty()).then(|| found.join("; "));
    vec![
        Check::of("each run names the one before it by its digest", joined(breaks)),
        Check::of("the runs are of one job, purpose and secret", joined(foreign)),
        Check::of("each run began after the one before it", joined(untimely)),
        Check::of("what a run no longer publishes is in its removals", joined(lost)),
    ]
}

/// Why `after` does not follow `before`, if it does not.
fn broken(before: &Link, after: &Link, links: &[Link]) -> Option<String> {
    let (first, second) = (before.name(), after.name());
    match after.previous() {
        Some(previous) if previous == before.digest => None,
        None if after.manifest.sample.is_some() => {
            Some(format!("{second} is a run of a sample, which follows none"))
        }
        None => Some(format!("{second} says that it follows no run")),
        Some(previous) => {
            let other = links.iter().find(|link| link.digest == previous);
            Some(match other {
                Some(other) => {
                    format!("{second} follows {}, not {first}: out of order", other.name())
                }
                None if !before.is_sealed => {
                    format!("{first} was changed after {second} followed it")
                }
                None => format!("a run between {first} and {second} is missing, or was changed"),
            })
        }
    }
}

/// A row's token and its owner's; none when either is no token.
pub(super) fn pair(token: &str, owner: Option<&str>) -> Option<(Token, Option<Token>)> {
    let token = Token::from_hex(token)?;
    match owner {
        None => Some((token, None)),
        Some(owner) => Some((token, Some(Token::from_hex(owner)?))),
    }
}

/// How many tokens `before` published that `after` neither publishes nor takes back.
fn lost(before: &Link, after: &Link) -> Option<String> {
    let mut lists = BTreeMap::new();
    let mut number = move |recipient: &str, list_id: &str| {
        let next = lists.len();
        *lists.entry((recipient.to_owned(), list_id.to_owned())).or_insert(next)
    };
    let mut open = HashSet::new();
    let read = each_match(&before.folder.join(MATCHES), |row| {
        let list = number(row.recipient, row.list_id);
        open.extend(pair(row.token, row.owner).map(|pair| (list, pair)));
    });
    let mut close = |row: RemovedRow<'_>| {
        let list = number(row.recipient, row.list_id);
        if let Some(pair) = pair(row.token, row.owner) {
            open.remove(&(list, pair));
        }
    };
    let read = read
        .and_then(|()| {
            each_match(&after.folder.join(MATCHES), |row| {
                let MatchRow { recipient, list_id, token, owner, .. } = row;
                close(RemovedRow { recipient, list_id, token, owner });
            })
        })
        .and_then(|()| each_removed(&after.folder.join(REMOVED), &mut close));
    let (first, second) = (before.name(), after.name());
    match read {
        Err(_) => Some(format!("the tables of {first} or {second} cannot be read")),
        Ok(()) if open.is_empty() => None,
        Ok(()) => Some(format!("{} tokens of {first} that {second} forgot", open.len())),
    }
}
