//! From the join to the audited folder: floors, tokens, tables, counts, manifest.

mod alarms;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::iter;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;

use super::figures::{Books, Decided};
use super::gates::{self, Counted};
use super::lists::Lists;
use super::{Begun, PreviousRuns, ReadInput, RunError, messages, waves};
use crate::audit::{self, Check};
use crate::consent::BarReason;
use crate::input::Role;
use crate::join::{Fate, ListIndex, ListName, ListNo};
use crate::key::{MatchKey, RecipientKey, Token};
use crate::normalise::METADATA_VERSION;
use crate::output::{
    self, AUDIENCES, Advert, MANIFEST, MATCHES, Manifest, ManifestCounts, ManifestFile,
    ManifestInput, ManifestMessages, Match, Matches, Origin, OutputError, PreviousDigest,
    PreviousRun, REMOVED, REPORT, REPORT_PAGE, RejectsTable, SUMMARY, SUMMARY_PAGE, TokenRow,
};
use crate::privacy::{self, BudgetLedger, History, LedgerHead, Release, Released, WithholdReason};
use crate::report::{
    self, AllLists, CountryReport, InputReport, Ledger, ListReport, RegionCounts, Report,
    SEAL_PLACE, Stage, Timings,
};

/// Everything that was read, joined.
pub(super) struct Joined {
    pub(super) opt_outs: Vec<ReadInput>,
    pub(super) index: ListIndex,
    pub(super) lists: Lists,
    pub(super) accounts: Vec<ReadInput>,
    /// How often the export was read.
    pub(super) passes: u32,
    pub(super) canary_list: ListNo,
    pub(super) decided: Decided,
    /// Keys that nobody who comes out may have, in every form that a row is written by.
    pub(super) barred: Vec<MatchKey>,
}

impl Joined {
    fn inputs(&self) -> Vec<&ReadInput> {
        self.opt_outs.iter().chain(&self.lists.inputs).chain(&self.accounts).collect()
    }
}

/// What the report says of a run, besides what its job says.
pub(super) struct Findings<'a> {
    /// In reading order.
    pub(super) inputs: &'a [&'a ReadInput],
    /// Matched numbers by country.
    pub(super) countries: Vec<CountryReport>,
    pub(super) lists: Vec<ListReport>,
    pub(super) alarms: Vec<String>,
    pub(super) timings: &'a Timings,
    pub(super) passes: u32,
    pub(super) restarts: u32,
}

/// The lists as files name them: in name order, the canaries' left out.
struct NamedLists {
    names: Vec<ListName>,
    /// Place in `names` by list number; none for the canaries'.
    places: Vec<Option<u32>>,
}

impl NamedLists {
    fn of(index: &ListIndex, canaries: ListNo) -> Self {
        let mut sorted: Vec<_> = index.list_numbers().filter(|&list| list != canaries).collect();
        sorted.sort_by(|&one, &other| index.list_name(one).cmp(index.list_name(other)));
        let mut places = vec![None; index.lists().len()];
        for (place, list) in (0..).zip(&sorted) {
            places[list.index()] = Some(place);
        }
        let names = sorted.iter().map(|&list| index.list_name(list).clone()).collect();
        Self { names, places }
    }
}

/// Applies the policy, writes every file into the staging folder and audits it.
pub(super) fn finish(
    begun: &Begun<'_>,
    mut joined: Joined,
    rejects: RejectsTable<'_>,
    mut timings: Timings,
    restarts: u32,
) -> Result<(Report, Books), RunError> {
    let policy = &begun.job.policy;
    let index = &joined.index;
    let Decided { counted, figures, .. } = &joined.decided;
    let mut release =
        timings.time(Stage::Privacy, || privacy::release(index, policy, counted, figures));
    let named = NamedLists::of(index, joined.canary_list);
    let people = std::mem::take(&mut release.people);
    let matches = timings.time(Stage::Key, || tokens((begun, index), people, &named));
    // A part of the people matches a part of the numbers.
    let before = begun.previous.last().filter(|_| begun.job.drawn().is_none());
    let before = before.map(PreviousRun::matches);
    let changed = gates::change(&begun.job.gates, Counted::Matches, before, matches.len() as u64);
    gates::demand(changed)?;
    let (rejects, written) = timings.time(Stage::Output, || {
        let rejects = rejects.finish()?;
        let written = write_tables(begun, &release, &named, &matches)?;
        Ok::<_, RunError>((rejects, written))
    })?;

    let counts = ManifestCounts {
        opt_out_rows: joined.opt_outs.iter().map(|input| input.facts.rows).sum(),
        lists: named.names.len() as u64,
        lists_released: release
            .audiences
            .iter()
            .filter(|audience| audience.withheld.is_none())
            .count() as u64,
        matches: matches.len() as u64,
        rejects,
        removed: written.removed,
    };
    let matched = audit_and_settle(begun, &mut joined, &release, &mut timings)?;
    let inputs = joined.inputs();
    let lists = list_reports(&release, &named);
    let countries = countries(begun, &joined, &lists, &matched);
    let alarms = alarms::of(begun, &joined, &named, &release);
    let (timings, passes) = (&timings, joined.passes);
    let findings =
        Findings { inputs: &inputs, countries, lists, alarms, timings, passes, restarts };
    let report = write_report(begun, findings)?;
    let (pages, ledger) = (&written.pages[..], joined.decided.head());
    let messages = messages::of_manifest(begun, joined.decided.books.history.as_ref());
    write_manifest(begun, Record { inputs: &inputs, counts, pages, ledger, messages })?;
    let (durable, audited) = waves::both(
        || make_durable(begun),
        || {
            let folder = begun.staging.folder();
            demand(audit::integrity(folder, &begun.job.secret))?;
            let Books { ledger, history } = &joined.decided.books;
            let book = ledger.as_ref().map(BudgetLedger::book);
            demand(audit::figures(folder, book, &begun.job.secret))?;
            demand(audit::messages(folder, history.as_ref().map(History::messages)))
        },
    );
    durable?;
    audited?;
    Ok((report, joined.decided.books))
}

/// Audits what was written of people, and meanwhile [`settle`]s the books.
fn audit_and_settle(
    begun: &Begun<'_>,
    joined: &mut Joined,
    release: &Release,
    timings: &mut Timings,
) -> Result<RegionCounts, RunError> {
    let barred = std::mem::take(&mut joined.barred);
    let (folder, job) = (begun.staging.folder(), begun.job);
    let mut auditing = Timings::default();
    let (audited, matched) = waves::both(
        || {
            let check = || audit::contents(folder, &job.policy.floors, &job.secret, Some(&barred));
            demand(auditing.time(Stage::Audit, check))
        },
        || timings.time(Stage::Report, || settle(joined, release)),
    );
    timings.add(&auditing);
    audited?;
    Ok(matched)
}

/// Makes every file of the run durable. All at once: the file system then writes its journal once
/// and not seven times.
pub(super) fn make_durable(begun: &Begun<'_>) -> Result<(), OutputError> {
    let files = begun.staging.files()?;
    let durable = |file: &PathBuf| {
        let name = file.file_name().unwrap_or_default();
        let is_page = name.as_encoded_bytes().starts_with(SUMMARY_PAGE.as_bytes());
        output::make_durable(file).map_err(|error| match is_page {
            true => error.of_folder(begun.staging.folder()),
            false => error,
        })
    };
    waves::map(&files, durable).into_iter().collect()
}

pub(super) fn demand(checks: Vec<Check>) -> Result<(), RunError> {
    if checks.iter().all(Check::holds) { Ok(()) } else { Err(RunError::AuditFailed { checks }) }
}

/// People whose tokens a thread makes in one go.
const PEOPLE_AT_A_TIME: usize = 4096;

/// The rows of `matches.parquet`: each released person under the recipient's own key, sorted.
fn tokens(
    (begun, index): (&Begun<'_>, &ListIndex),
    people: Vec<Released>,
    named: &NamedLists,
) -> Vec<Match> {
    let keys: BTreeMap<_, _> = named
        .names
        .iter()
        .map(|list| {
            let recipient = list.recipient.as_str();
            (recipient, RecipientKey::new(&begun.job.secret, recipient))
        })
        .collect();
    let keys: Vec<_> = named.names.iter().map(|list| &keys[list.recipient.as_str()]).collect();
    let lists = people.chunk_by(|one, other| one.list() == other.list());
    let stretches: Vec<_> = lists.flat_map(|people| people.chunks(PEOPLE_AT_A_TIME)).collect();
    let made = waves::map(&stretches, |people| {
        let place = named.places[people.first()?.list().index()]?;
        let persons: Vec<_> = people.iter().map(|person| person.key(index)).collect();
        let mut tokens = Vec::new();
        keys[place as usize].tokens(&persons, &mut tokens);
        let owners: Vec<_> = people.iter().filter_map(|person| person.owner(index)).collect();
        let mut owner_tokens = Vec::new();
        keys[place as usize].tokens(&owners, &mut owner_tokens);
        // Of a list either all rows are pairs or none is.
        let owners = owner_tokens.into_iter().map(Some).chain(iter::repeat(None));
        let matches = people.iter().zip(tokens).zip(owners);
        let row = |((person, token), owner)| Match::of(person, (token, owner), place);
        Some(matches.map(row).collect::<Vec<_>>())
    });
    let mut matches = Vec::with_capacity(people.len());
    drop(people);
    made.into_iter().flatten().for_each(|made| matches.extend(made));
    waves::sort(&mut matches);
    matches
}

/// What was written about people.
struct Written {
    /// How many tokens of the previous run are gone.
    removed: u64,
    /// The names of the advertisers' pages.
    pages: Vec<String>,
}

/// Writes everything about people.
fn write_tables(
    begun: &Begun<'_>,
    release: &Release,
    named: &NamedLists,
    matches: &[Match],
) -> Result<Written, OutputError> {
    let purpose = begun.job.purpose.name();
    let file = |name| begun.staging.file(name);
    let of = Origin { purpose, sample: begun.job.drawn() };
    let lists = &named.names[..];
    output::matches(&file(MATCHES), of, Matches { lists, rows: matches }, waves::all)?;
    let adverts = adverts(begun, release, named);
    output::audiences(&file(AUDIENCES), purpose, &adverts)?;
    output::summary(&file(SUMMARY), of, &adverts, None)?;
    let pages = output::summary_pages(begun.staging.folder(), purpose, &adverts)?;
    let removed = removed(&begun.previous, named, matches)?;
    output::removed(&file(REMOVED), purpose, &removed)?;
    Ok(Written { removed: removed.len() as u64, pages })
}

/// What recipients are told, in name order; nothing where the purpose tells nobody, and nothing of a
/// sample: each further figure about the same people would be one that no budget was charged for.
fn adverts(begun: &Begun<'_>, release: &Release, named: &NamedLists) -> Vec<Advert> {
    if begun.job.policy.noise.is_none() || begun.job.drawn().is_some() {
        return Vec::new();
    }
    let mut bands = vec![None; named.names.len()];
    for audience in &release.audiences {
        if let Some(place) = named.places[audience.list.index()] {
            bands[place as usize] = audience.figure.band;
        }
    }
    let lists = named.names.iter().zip(bands);
    lists.map(|(list, band)| Advert { list: list.clone(), band }).collect()
}

/// Tokens that the runs before this one published and that are gone now, by token and list.
fn removed(
    previous: &PreviousRuns,
    named: &NamedLists,
    matches: &[Match],
) -> Result<BTreeSet<TokenRow>, OutputError> {
    let mut removed = BTreeSet::new();
    if previous.chained.is_none() && previous.replaced.is_none() {
        return Ok(removed);
    }
    let names: Vec<_> = named.names.iter().cloned().map(Arc::new).collect();
    let current: HashSet<_> = matches
        .iter()
        .map(|row| TokenRow {
            token: row.token().expose_hex(),
            owner: row.owner().map(Token::expose_hex),
            list: Arc::clone(&names[row.list() as usize]),
        })
        .collect();
    for run in [&previous.chained, &previous.replaced].into_iter().flatten() {
        run.removed(&current, &mut removed)?;
    }
    if let Some(replaced) = &previous.replaced {
        // What the replaced run took back stays taken back.
        replaced.removed_earlier(&current, &mut removed)?;
    }
    Ok(removed)
}

/// Counts the rows whose outcome was open until the end: those that made a list member, and the
/// first account row of each matched person. Tells the matched numbers whose country the list
/// told, by country.
fn settle(joined: &mut Joined, release: &Release) -> RegionCounts {
    let index = &joined.index;
    let kept_back = &joined.decided.kept_back;
    // The canaries' list, which is not judged, holds nobody who is matched and not barred.
    let mut withheld = vec![Some(WithholdReason::ListTooSmall); index.lists().len()];
    for audience in &release.audiences {
        withheld[audience.list.index()] = audience.withheld;
    }
    let outcome = |at: u32| {
        let member = index.member(at);
        let reason = || kept_back.reason(at).or(withheld[member.list.index()]);
        match index.member_fate(&member) {
            Fate::Unmatched => RowOutcome::Unmatched,
            Fate::Barred => RowOutcome::Barred,
            Fate::Matched => reason().map_or(RowOutcome::Released, RowOutcome::Withheld),
        }
    };
    let mut matched = RegionCounts::default();
    // A person on several lists is counted by the best of them, and so is an owner of contacts.
    let mut best = vec![RowOutcome::Unmatched; index.slots_len()];
    for (at, member) in (0..).zip(index.members()) {
        let outcome = outcome(at);
        let owner = index.owner_of(&member);
        for slot in iter::once(member.slot).chain(owner) {
            // Who said no at the other end of a pair is nobody to this one.
            let is_others = outcome == RowOutcome::Barred && index.fate(slot) != Fate::Barred;
            let own = if is_others { RowOutcome::Unmatched } else { outcome };
            let best = &mut best[slot.index()];
            *best = (*best).max(own);
        }
        let is_matched = matches!(outcome, RowOutcome::Released | RowOutcome::Withheld(_))
            && kept_back.reason(at).is_none()
            && member.list != joined.canary_list;
        let tells =
            member.counted_in().is_none_or(|input| joined.lists.tells_countries[input as usize]);
        if is_matched && tells {
            index.attributes(member.slot).region().into_iter().for_each(|it| matched.add(it));
        }
        if let Some(input) = member.counted_in() {
            outcome.count(&mut joined.lists.inputs[input as usize].ledger);
        }
    }
    for group in &joined.lists.groups {
        let best = group.members.iter().map(|&at| outcome(at)).max();
        let outcome = best.unwrap_or(RowOutcome::Unmatched);
        outcome.count(&mut joined.lists.inputs[group.input as usize].ledger);
    }
    for account in index.counted_accounts() {
        let slots = [Some(account.slot), account.twin];
        let slots = slots.into_iter().flatten();
        let ledger = &mut joined.accounts[account.input as usize].ledger;
        if slots.clone().any(|slot| index.fate(slot) == Fate::Barred) {
            ledger.bar(BarReason::Elsewhere);
            continue;
        }
        let best = slots.map(|slot| best[slot.index()]).max();
        best.unwrap_or(RowOutcome::Unmatched).count(ledger);
    }
    matched
}

/// What a list row came to, the best last: a row with several numbers counts as its best.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum RowOutcome {
    Unmatched,
    Barred,
    Withheld(WithholdReason),
    Released,
}

impl RowOutcome {
    fn count(self, ledger: &mut Ledger) {
        match self {
            Self::Unmatched => ledger.unmatched += 1,
            Self::Barred => ledger.barred += 1,
            Self::Withheld(reason) => ledger.withhold(reason),
            Self::Released => ledger.released += 1,
        }
    }
}

fn list_reports(release: &Release, named: &NamedLists) -> Vec<ListReport> {
    let mut lists: Vec<_> = release
        .audiences
        .iter()
        .filter_map(|audience| {
            let place = named.places[audience.list.index()]?;
            Some(ListReport {
                row: u64::from(place) + 1,
                numbers: audience.numbers,
                matched: audience.matched,
                released: if audience.withheld.is_none() { audience.matched } else { 0 },
                withheld: audience.withheld.map(|reason| reason.name().to_owned()),
                charge: audience.figure.basis.charge(),
            })
        })
        .collect();
    lists.sort_by_key(|list| list.row);
    lists
}

pub(super) fn write_report(begun: &Begun<'_>, findings: Findings<'_>) -> Result<Report, RunError> {
    let Findings { inputs, countries, lists, alarms, timings, passes, restarts } = findings;
    for input in inputs {
        assert!(input.ledger.balances(), "a row of an input was not counted exactly once");
    }
    let elapsed = begun.started.elapsed();
    let accounts = inputs.iter().filter(|input| input.ledger.role == Role::Accounts);
    let rows: u64 = accounts.map(|input| input.facts.rows).sum();
    let per_second = u128::from(rows) * 1_000_000 / elapsed.as_micros().max(1);
    let mut report = Report {
        format: 1,
        job: begun.job.name.to_string(),
        run: name_of(&begun.job.out),
        purpose: begun.job.purpose.name().to_owned(),
        started_at: begun.started_at.clone(),
        sample: begun.job.drawn(),
        threads: waves::threads(),
        inputs: inputs.iter().map(|input| InputReport::from(&input.ledger)).collect(),
        countries,
        lists,
        stages: report::stages(timings),
        elapsed_ms: u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX),
        accounts_per_second: u64::try_from(per_second).unwrap_or(u64::MAX),
        peak_memory_bytes: report::peak_memory_bytes(),
        passes,
        restarts,
        alarms,
        history: report::after(begun.previous.chained.as_ref().map(PreviousRun::report)),
        page: None,
        seal: SEAL_PLACE.to_owned(),
    };
    let page = report::page::page(&report);
    output::write_text(&begun.staging.file(REPORT_PAGE), &page)?;
    report.page = Some(output::digest(page.as_bytes()));
    report.seal = write_sealed(begun, REPORT, &report)?;
    Ok(report)
}

/// A run folder's own name.
fn name_of(folder: &Path) -> String {
    folder.file_name().unwrap_or_default().to_string_lossy().escape_debug().to_string()
}

fn countries(
    begun: &Begun<'_>,
    joined: &Joined,
    lists: &[ListReport],
    matched: &RegionCounts,
) -> Vec<CountryReport> {
    let all = AllLists {
        numbers: lists.iter().map(|list| list.numbers).sum(),
        matched: lists.iter().map(|list| list.matched).sum(),
    };
    let floor = begun.job.policy.floors.attribute_cell;
    report::countries(&joined.lists.numbers, matched, all, floor)
}

/// What the manifest says of a run, besides what its job says.
pub(super) struct Record<'a> {
    /// In reading order.
    pub(super) inputs: &'a [&'a ReadInput],
    pub(super) counts: ManifestCounts,
    /// Names of the advertisers' pages.
    pub(super) pages: &'a [String],
    pub(super) ledger: Option<LedgerHead>,
    pub(super) messages: Option<ManifestMessages>,
}

pub(super) fn write_manifest(begun: &Begun<'_>, record: Record<'_>) -> Result<(), RunError> {
    let Record { inputs, counts, pages, ledger, messages } = record;
    let file = |name: &str, said: PathBuf| {
        let file = ManifestFile::of(&begun.staging.file(name))
            .map_err(|source| OutputError::Io { action: "read back", path: said, source })?;
        Ok((name.to_owned(), file))
    };
    let tables =
        output::files_of(begun.job.purpose.name()).map(|name| file(name, begun.staging.file(name)));
    let folder = begun.staging.folder();
    let files = tables.chain(pages.iter().map(|name| file(name, folder.to_owned())));
    let manifest = Manifest {
        format: 1,
        program: concat!("phonematch ", env!("CARGO_PKG_VERSION")).to_owned(),
        metadata_version: METADATA_VERSION.to_owned(),
        key_id: begun.job.secret.key_id(),
        policy_digest: begun.job.policy_digest.clone(),
        purpose: begun.job.purpose.name().to_owned(),
        legal_basis: begun.job.policy.legal_basis,
        aliases: begun.job.policy.aliases,
        job: begun.job.name.to_string(),
        sample: begun.job.drawn(),
        inputs: inputs.iter().map(|input| manifest_input(input)).collect(),
        files: files.collect::<Result<_, OutputError>>()?,
        folder: stored_folder(begun)?,
        floors: begun.job.policy.floors,
        ledger,
        messages,
        counts,
        previous: begun
            .previous
            .chained
            .as_ref()
            .map(|run| PreviousDigest { blake3: run.digest().to_owned() }),
        seal: SEAL_PLACE.to_owned(),
    };
    write_sealed(begun, MANIFEST, &manifest)?;
    Ok(())
}

/// The folder in which a run that goes to a store keeps its files there.
fn stored_folder(begun: &Begun<'_>) -> Result<Option<String>, OutputError> {
    if begun.job.publish_to.is_none() {
        return Ok(None);
    }
    let path = begun.staging.file(REPORT);
    let report = ManifestFile::of(&path).map_err(|source| OutputError::Io {
        action: "read back",
        path,
        source,
    })?;
    Ok(report.blake3.get(..output::FOLDER_DIGITS).map(str::to_owned))
}

/// Writes JSON whose seal is still open, sealed; tells the seal.
fn write_sealed(
    begun: &Begun<'_>,
    name: &str,
    value: &impl Serialize,
) -> Result<String, OutputError> {
    let path = begun.staging.file(name);
    let open = output::to_json(value).map_err(|source| OutputError::Io {
        action: "write",
        path: path.clone(),
        source,
    })?;
    let seal = report::seal(&open, &begun.job.secret);
    output::write_text(&path, &report::sealed(&open, &seal))?;
    Ok(seal)
}

fn manifest_input(input: &ReadInput) -> ManifestInput {
    ManifestInput {
        role: input.ledger.role.name().to_owned(),
        file: input.ledger.file.clone(),
        rows: input.facts.rows,
        bytes: input.facts.bytes_read,
        blake3: input.facts.digest.map(|it| blake3::Hash::from_bytes(it).to_hex().to_string()),
        entity_tag: input.facts.entity_tag.clone(),
    }
}
