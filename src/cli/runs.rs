//! The commands about runs that are published: `audit` and `diff`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::PathBuf;

use phonematch::audit::{self, Check, Count, Diff, DiffError, Kinship, Link, ListChange};
use phonematch::consent::Purpose;
use phonematch::input::Role;
use phonematch::job::{HISTORY, LEDGER, OptOutSource};
use phonematch::key::Secret;
use phonematch::output::{MANIFEST, Manifest};
use phonematch::pipeline::{self, AuditedOptOuts};
use phonematch::privacy::{Book, Messages};
use phonematch::share::Share;
use serde_json::json;

use super::args::{AuditFlags, DiffFlags};
use super::commands::region;
use super::failure::{DATA, Failure, NO_INPUT, USAGE};
use super::secret::{self, SecretInJob};
use super::table::grouped;
use super::{Done, columns, trial};

/// The checks of one run, or of the chain, under its name.
struct Section {
    name: String,
    checks: Vec<Check>,
}

pub fn audit(flags: &AuditFlags) -> Result<Done, Failure> {
    let secret = secret::read(&flags.secret, &SecretInJob::default())?;
    if let Some(run) = flags.runs.iter().find(|run| !run.join(MANIFEST).exists()) {
        let message = format!("{} holds no run: {MANIFEST} is missing", run.display());
        return Err(Failure::new(NO_INPUT, message));
    }
    let mut chain = Vec::new();
    let mut runs = flags.runs.clone();
    let mut head = None;
    if flags.chain {
        let [newest] = runs.as_slice() else {
            return Err(Failure::new(USAGE, "--chain takes the newest run only"));
        };
        if let Some(newest) = Link::open(newest, &secret) {
            let (links, whole) = audit::walk_back(newest, &secret);
            runs = links.iter().map(|link| link.folder().to_owned()).collect();
            chain.push(whole);
        }
    }
    // A manifest that cannot be read fails its own run's checks; there is no link to follow then.
    let links: Option<Vec<_>> = runs.iter().map(|run| Link::open(run, &secret)).collect();
    if let Some(links) = links {
        head = links.last().map(|link| link.digest().to_owned());
        if links.len() > 1 {
            chain.extend(audit::follow(&links));
        }
    }
    let (mut sections, digests) = check_runs(flags, &runs, &secret)?;
    if !chain.is_empty() {
        sections.push(Section { name: "the chain".to_owned(), checks: chain });
    }
    let sample = Manifest::read(&flags.runs[0].join(MANIFEST)).and_then(|run| run.sample);
    let sample = sample.filter(|_| runs.len() == 1);
    verdict(&sections, Audited { runs: runs.len(), head, sample, digests })
}

/// Every run by itself; the last also against today's opt-outs, of which so many are digests.
fn check_runs(
    flags: &AuditFlags,
    runs: &[PathBuf],
    secret: &Secret,
) -> Result<(Vec<Section>, u64), Failure> {
    let (mut sections, mut digests) = (Vec::new(), 0);
    for (at, run) in runs.iter().enumerate() {
        let mut checks = audit::integrity(run, secret);
        let ledger = flags.ledger.clone().unwrap_or_else(|| run.with_file_name(LEDGER));
        checks.extend(audit::figures(run, Book::read(&ledger, secret)?.as_ref(), secret));
        // What a damaged manifest says is not worth comparing with.
        if let Some(manifest) = Manifest::read(&run.join(MANIFEST)) {
            let is_newest = at + 1 == runs.len();
            let barred = match is_newest {
                true => Some(barred(flags, &manifest, secret)?),
                false => None,
            };
            digests = barred.as_ref().map_or(0, |barred| barred.digests);
            let barred = barred.as_ref().map(|barred| barred.keys.as_slice());
            checks.extend(audit::contents(run, &manifest.floors, secret, barred));
            if manifest.purpose == Purpose::Analytics.name() {
                checks.extend(audit::counts(run, &manifest.floors));
            }
            if manifest.messages.is_some() {
                let history = flags.history.clone();
                let history = history.unwrap_or_else(|| run.with_file_name(HISTORY));
                checks.extend(audit::messages(run, Messages::read(&history, secret)?.as_ref()));
            }
        }
        sections.push(Section { name: run.display().to_string(), checks });
    }
    Ok((sections, digests))
}

fn barred(
    flags: &AuditFlags,
    manifest: &Manifest,
    secret: &Secret,
) -> Result<AuditedOptOuts, Failure> {
    let purpose = Purpose::from_name(manifest.purpose.as_bytes())
        .ok_or_else(|| Failure::new(DATA, "the manifest names no purpose"))?;
    let country = flags.default_country.as_deref().map(region).transpose()?;
    let typed = columns::typed_columns(&flags.column)?;
    let source = OptOutSource {
        patterns: flags.opt_outs.clone(),
        base: PathBuf::new(),
        columns: columns::columns(Role::OptOuts, &BTreeMap::new(), &typed)?,
        country,
    };
    let (aliases, unreadable) = (manifest.aliases, flags.max_unreadable_rows);
    Ok(pipeline::read_for_audit(&source, purpose, aliases, unreadable, secret)?)
}

/// What was audited.
struct Audited {
    runs: usize,
    /// Digest of the newest manifest.
    head: Option<String>,
    /// Where the run is of a sample.
    sample: Option<Share>,
    /// Opt-outs that came as digests.
    digests: u64,
}

fn verdict(sections: &[Section], audited: Audited) -> Result<Done, Failure> {
    let Audited { runs, head, sample, digests } = audited;
    let mut lines = Vec::new();
    for section in sections {
        if sections.len() > 1 {
            lines.push(format!("{}:", section.name));
        }
        lines.extend(section.checks.iter().map(line));
    }
    let checks = || sections.iter().flat_map(|section| &section.checks);
    let failed = checks().filter(|check| !check.holds()).count();
    let total = checks().count();
    if failed > 0 {
        lines.iter().for_each(|line| {
            let _ = writeln!(io::stderr(), "{line}");
        });
        return Err(Failure::new(DATA, format!("{failed} of {total} checks failed")));
    }
    lines.push(match (runs, sections.first()) {
        (1, Some(section)) => format!("{} passes all {total} checks", section.name),
        _ => format!("a chain of {runs} runs passes all {total} checks"),
    });
    lines.extend((digests > 0).then(|| {
        format!(
            "{} opt-outs are digests, looked for in their own form only: a run knows more of them",
            grouped(digests)
        )
    }));
    lines.extend(sample.map(|share| format!("it is {}", trial::sampled(share))));
    lines.extend(head.iter().map(|head| format!("digest of the newest manifest: {head}")));
    let json = json!({
        "checks": total,
        "runs": runs,
        "digest": head,
        "sample": sample,
        "opt_out_digests": digests,
    });
    Ok(Done { json, lines })
}

fn line(check: &Check) -> String {
    match &check.outcome {
        audit::Outcome::Holds => format!("ok      {}", check.promise),
        audit::Outcome::Fails(found) => format!("FAILED  {}: {found}", check.promise),
    }
}

pub fn diff(flags: &DiffFlags) -> Result<Done, Failure> {
    let diff = Diff::between(&flags.before, &flags.after).map_err(|error| {
        let code = match error {
            DiffError::NotARun { .. } => NO_INPUT,
            DiffError::Changed { .. } => DATA,
        };
        Failure::new(code, error.to_string())
    })?;
    let text = text_of(&diff);
    let json = serde_json::to_value(&diff)
        .map_err(|error| Failure::new(super::failure::BUG, error.to_string()))?;
    Ok(Done { lines: text.lines().map(str::to_owned).collect(), json })
}

fn text_of(diff: &Diff) -> String {
    let mut text = String::new();
    for (sign, run) in [('-', &diff.before), ('+', &diff.after)] {
        let _ =
            writeln!(text, "{sign} {}  {} {} {}", run.run, run.job, run.purpose, run.started_at);
    }
    let _ = writeln!(
        text,
        "{}",
        match diff.kinship {
            Kinship::Follows => "the second follows the first",
            Kinship::Precedes => "the first follows the second",
            Kinship::Siblings => "both follow the same run, or none",
            Kinship::Apart => "neither follows the other",
        }
    );
    for fact in &diff.made_under {
        let _ = writeln!(text, "{}: {} -> {}", fact.what, fact.before, fact.after);
    }
    let _ = writeln!(text, "\n{:<10}{:>10}{:>14}{:>14}  file", "input", "bytes", "rows", "now");
    for input in &diff.inputs {
        let Count { before, after } = input.rows;
        let (before, after) = (grouped(before), grouped(after));
        let _ = writeln!(
            text,
            "{:<10}{:>10}{before:>14}{after:>14}  {}",
            input.role, input.change, input.file
        );
    }
    lists(&mut text, &diff.lists);
    if !diff.rows.is_empty() {
        let _ = writeln!(text, "\n{:<10}{:>14}{:>14}  rows", "role", "before", "now");
    }
    for change in &diff.rows {
        let because = change.reason.as_ref().map(|reason| format!(": {reason}"));
        let Count { before, after } = change.rows;
        let (before, after) = (grouped(before), grouped(after));
        let _ = writeln!(
            text,
            "{:<10}{before:>14}{after:>14}  {}{}",
            change.role,
            change.outcome,
            because.unwrap_or_default()
        );
    }
    let _ = writeln!(text, "\n{:<10}{:>14}{:>14}", "stage", "ms", "now");
    let whole = ("elapsed", diff.elapsed_ms);
    for (stage, time) in diff.stages.iter().map(|it| (it.stage, it.elapsed_ms)).chain([whole]) {
        let (before, after) = (grouped(time.before), grouped(time.after));
        let _ = writeln!(text, "{stage:<10}{before:>14}{after:>14}");
    }
    text
}

fn lists(text: &mut String, lists: &[ListChange]) {
    let heads = ["before", "now", "kept", "added", "removed"];
    let _ = write!(text, "\n{:<24}", "list");
    for head in heads {
        let _ = write!(text, "{head:>12}");
    }
    let _ = writeln!(text, "  told");
    for list in lists {
        let _ = write!(text, "{:<24}", format!("{}/{}", list.recipient, list.list_id));
        let counts = [Some(list.people.before), Some(list.people.after)];
        for count in counts.into_iter().chain([list.kept, list.added, list.removed]) {
            let _ = write!(text, "{:>12}", count.map_or("?".to_owned(), grouped));
        }
        let told =
            |told: &Option<String>| told.clone().unwrap_or_else(|| "no such list".to_owned());
        let (before, after) = (told(&list.told_before), told(&list.told_after));
        let _ = match (&list.told_before, &list.told_after) {
            (None, None) => writeln!(text, "  nobody"),
            _ if before == after => writeln!(text, "  {after}"),
            _ => writeln!(text, "  {before} -> {after}"),
        };
    }
}
