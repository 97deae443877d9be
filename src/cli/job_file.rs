//! From what was typed and what the file says to one checked job. A typed flag wins.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use phonematch::consent::{Purpose, Signal};
use phonematch::input::{self, Field, Location, Role};
use phonematch::job::{
    Files, Gates, HISTORY, Identifier, IfExists, Job, LEDGER, ListSource, MemoryBudget,
    OptOutSource, Phones, Previous, SeveralNumbers,
};
use phonematch::key::Form;
use phonematch::normalise::Region;
use phonematch::policy::{ColumnRules, Policy, PolicyFile};
use phonematch::share::Share;
use serde::Deserialize;

use super::args::{IfExistsFlag, MatchFlags, PhonesFlag};
use super::failure::{CONFIG, Failure, USAGE};
use super::secret::{self, IfMissing, SecretInJob};
use super::size;

/// The purposes that this version runs.
const PURPOSES: [Purpose; 3] = [Purpose::Ads, Purpose::AntiSpam, Purpose::BusinessMessaging];

/// A job file as it is written. Paths are relative to its folder.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct JobFile {
    name: Option<String>,
    purpose: Option<Purpose>,
    policy: Option<PathBuf>,
    out: Option<PathBuf>,
    if_exists: Option<IfExistsWord>,
    previous: Option<String>,
    ledger: Option<PathBuf>,
    memory: Option<String>,
    history: Option<PathBuf>,
    recipient: Option<String>,
    #[serde(default)]
    secret: SecretTable,
    #[serde(default)]
    accounts: FilesTable,
    #[serde(default)]
    lists: Vec<ListTable>,
    #[serde(default)]
    opt_outs: OptOutTable,
    #[serde(default)]
    gates: GatesTable,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct SecretTable {
    file: Option<PathBuf>,
    #[serde(default)]
    if_missing: IfMissing,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct FilesTable {
    #[serde(default)]
    files: Vec<String>,
    #[serde(default)]
    columns: BTreeMap<String, String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ListTable {
    #[serde(default)]
    files: Vec<String>,
    #[serde(default)]
    columns: BTreeMap<String, String>,
    recipient: Option<String>,
    id: Option<String>,
    country: Option<String>,
    phones: Option<PhonesWord>,
    several_numbers: Option<SeveralWord>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct OptOutTable {
    #[serde(default)]
    files: Vec<String>,
    #[serde(default)]
    columns: BTreeMap<String, String>,
    country: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct GatesTable {
    max_reject_rate: Option<Rate>,
    min_match_rate: Option<Rate>,
    max_match_rate: Option<Rate>,
    max_change_since_last_run: Option<Change>,
}

/// A part of a whole.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "f64")]
struct Rate(Share);

/// A part of what was there before; something may well grow to the threefold.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "f64")]
struct Change(Share);

impl TryFrom<f64> for Rate {
    type Error = &'static str;

    fn try_from(number: f64) -> Result<Self, Self::Error> {
        let rate = Share::from_fraction(number).filter(|&share| share <= Share::WHOLE);
        rate.map(Self).ok_or("a rate is a number from 0 to 1, such as 0.05 for 5 %")
    }
}

impl TryFrom<f64> for Change {
    type Error = &'static str;

    fn try_from(number: f64) -> Result<Self, Self::Error> {
        let change = Share::from_fraction(number).map(Self);
        change.ok_or("a change is a number from 0, such as 0.2 for 20 % more or less")
    }
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum IfExistsWord {
    Error,
    Skip,
    Replace,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum PhonesWord {
    Raw,
    E164,
    Digits,
    Probe,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum SeveralWord {
    Reject,
    Separate,
}

/// Resolves a `match` command.
pub fn resolve(flags: &MatchFlags) -> Result<Job, Failure> {
    let (file, base) = match &flags.job {
        Some(path) => (read_toml::<JobFile>(path, "job")?.value, folder_of(path)),
        None => (JobFile::default(), PathBuf::new()),
    };
    let purpose = match &flags.purpose {
        Some(name) => Purpose::from_name(name.as_bytes())
            .ok_or_else(|| usage("--purpose takes ads, anti_spam or business_messaging"))?,
        None => file
            .purpose
            .ok_or_else(|| usage("no purpose: give --purpose, or purpose in the job"))?,
    };
    let (policy, policy_digest) = policy(flags, &file, &base, purpose)?;
    let out = flags.out.clone().or_else(|| file.out.as_ref().map(|out| base.join(out)));
    let out = out.ok_or_else(|| usage("no run folder: give --out, or out in the job"))?;
    let columns = typed_columns(&flags.column)?;
    let job = Job {
        name: name(flags, &file)?,
        purpose,
        policy,
        policy_digest,
        secret: secret::read(
            &flags.secret,
            &SecretInJob {
                file: file.secret.file.as_ref().map(|file| base.join(file)),
                if_missing: file.secret.if_missing,
            },
        )?,
        accounts: accounts(flags, &file, &base, &columns)?,
        lists: lists(flags, &file, &base, &columns)?,
        opt_outs: opt_outs(flags, &file, &base, &columns)?,
        ledger: ledger(flags, &file, &base, &out),
        history: history(flags, &file, &base, &out),
        out,
        if_exists: if_exists(flags, &file),
        previous: previous(flags, &file, &base),
        gates: gates(&file.gates)?,
        memory: memory(flags, &file)?,
    };
    check_stdin(&job)?;
    check_signals(&job)?;
    check_columns(&job)?;
    Ok(job)
}

/// Reads a TOML file. A mistake in it is told with its line, and its text is not repeated: a data
/// file that is given as a job by mistake has numbers in its lines.
fn read_toml<T: for<'de> Deserialize<'de>>(path: &Path, what: &str) -> Result<Toml<T>, Failure> {
    let shown = path.display();
    let text = fs::read_to_string(path)
        .map_err(|error| wrong(format!("cannot read the {what} {shown}: {error}")))?;
    let value = toml::from_str(&text).map_err(|error| {
        let start = error.span().map_or(0, |span| span.start);
        let line = 1 + text.bytes().take(start).filter(|&byte| byte == b'\n').count();
        let message = error.message().lines().next().unwrap_or_default();
        let is_safe = message.bytes().filter(u8::is_ascii_digit).count() < 7;
        let message = if is_safe { message } else { "it is not what belongs there" };
        wrong(format!("the {what} {shown} is wrong in line {line}: {message}"))
    })?;
    let digest = phonematch::output::digest(text.as_bytes());
    Ok(Toml { value, text, digest })
}

/// A TOML file that was read: its content, and BLAKE3 of the bytes that it was read from.
struct Toml<T> {
    value: T,
    text: String,
    digest: String,
}

fn policy(
    flags: &MatchFlags,
    file: &JobFile,
    base: &Path,
    purpose: Purpose,
) -> Result<(Policy, String), Failure> {
    let path = flags.policy.clone().or_else(|| file.policy.as_ref().map(|path| base.join(path)));
    let path = path.ok_or_else(|| usage("no policy: give --policy, or policy in the job"))?;
    let Toml { value: file, text, digest } = read_toml::<PolicyFile>(&path, "policy")?;
    let shown = path.display();
    let policy = Policy::try_from(file).map_err(|error| {
        let at = line_of(&text, error.field()).map(|line| format!(" in line {line}"));
        wrong(format!("the policy {shown} is wrong{}: {error}", at.unwrap_or_default()))
    })?;
    if policy.purpose != purpose {
        return Err(wrong(format!(
            "the policy {shown} allows {}, and the job is for {}",
            policy.purpose.name(),
            purpose.name()
        )));
    }
    if !PURPOSES.contains(&purpose) {
        return Err(wrong(format!(
            "this version runs ads, anti_spam and business_messaging, and not {}",
            purpose.name()
        )));
    }
    Ok((policy, digest))
}

/// The line in which a field or a section is given a value; none when it is missing.
fn line_of(text: &str, field: &str) -> Option<usize> {
    let gives = |line: &str| {
        let line = line.trim_start().trim_start_matches('[');
        let (name, rest) = line.split_at(line.find(['=', ']', ' ']).unwrap_or(line.len()));
        !rest.is_empty() && name.rsplit('.').next() == Some(field)
    };
    text.lines().position(gives).map(|at| at + 1)
}

/// A column that the policy does not let a run read is no column of the job.
fn check_columns(job: &Job) -> Result<(), Failure> {
    let check = |rules: &ColumnRules, role, columns: &BTreeMap<Field, String>| match columns
        .keys()
        .find(|&&field| !rules.allow(role, field))
    {
        None => Ok(()),
        Some(field) => Err(wrong(format!(
            "the job maps the column {field} of {role}, which the policy's columns do not allow"
        ))),
    };
    let rules = &job.policy.columns;
    check(rules, Role::Accounts, &job.accounts.columns)?;
    job.lists.iter().try_for_each(|list| check(rules, Role::List, &list.files.columns))
}

fn name(flags: &MatchFlags, file: &JobFile) -> Result<Identifier, Failure> {
    let stem = flags.job.as_deref().and_then(Path::file_stem).and_then(|stem| stem.to_str());
    let name = file.name.as_deref().or(stem).unwrap_or("job");
    identifier(name, "name")
}

fn identifier(text: &str, setting: &str) -> Result<Identifier, Failure> {
    Identifier::from_text(text.as_bytes()).ok_or_else(|| {
        wrong(format!(
            "{setting} must be 1 to 64 of A-Z a-z 0-9 . _ - and not look like a phone number"
        ))
    })
}

fn region(text: &str, setting: &str) -> Result<Region, Failure> {
    Region::from_code(text.as_bytes())
        .ok_or_else(|| wrong(format!("{setting} must be two letters, such as DE")))
}

pub type Columns = BTreeMap<(Role, Field), String>;

pub fn typed_columns(typed: &[String]) -> Result<Columns, Failure> {
    let one = |typed: &String| {
        let (place, name) = typed.split_once('=')?;
        let (role, field) = place.split_once('.')?;
        let role = [Role::Accounts, Role::List, Role::OptOuts]
            .into_iter()
            .find(|known| known.name() == role)?;
        Some(((role, field_named(field)?), name.to_owned()))
    };
    typed
        .iter()
        .map(|typed| {
            one(typed).ok_or_else(|| {
                wrong(format!(
                    "--column takes ROLE.FIELD=NAME with a role of accounts, list, opt_outs \
                     and a field of {}",
                    field_names()
                ))
            })
        })
        .collect()
}

fn field_named(name: &str) -> Option<Field> {
    Field::ALL.into_iter().find(|field| field.name() == name)
}

fn field_names() -> String {
    Field::ALL.map(Field::name).join(", ")
}

/// Columns of one role: those of the file, and over them the typed ones.
pub fn columns(
    role: Role,
    table: &BTreeMap<String, String>,
    typed: &Columns,
) -> Result<BTreeMap<Field, String>, Failure> {
    let mut columns = BTreeMap::new();
    for (name, column) in table {
        let field = field_named(name)
            .ok_or_else(|| wrong(format!("columns: no field {name}; known: {}", field_names())))?;
        columns.insert(field, column.clone());
    }
    let typed = typed.iter().filter(|((of, _), _)| *of == role);
    columns.extend(typed.map(|((_, field), column)| (*field, column.clone())));
    Ok(columns)
}

/// Typed paths are relative to where one is, a file's to the file.
fn locations(
    role: Role,
    typed: &[String],
    listed: &[String],
    base: &Path,
) -> Result<Vec<Location>, Failure> {
    let (patterns, base) = if typed.is_empty() { (listed, base) } else { (typed, Path::new("")) };
    Ok(input::expand(role, patterns, base)?)
}

fn accounts(
    flags: &MatchFlags,
    file: &JobFile,
    base: &Path,
    typed: &Columns,
) -> Result<Files, Failure> {
    let locations = locations(Role::Accounts, &flags.accounts, &file.accounts.files, base)?;
    if locations.is_empty() {
        return Err(usage("no export: give --accounts, or accounts.files in the job"));
    }
    Ok(Files { locations, columns: columns(Role::Accounts, &file.accounts.columns, typed)? })
}

fn lists(
    flags: &MatchFlags,
    file: &JobFile,
    base: &Path,
    typed: &Columns,
) -> Result<Vec<ListSource>, Failure> {
    let typed_list = ListTable::default();
    let tables = if flags.list.is_empty() { file.lists.as_slice() } else { &[typed_list] };
    if tables.is_empty() {
        return Err(usage("no list: give --list, or [[lists]] in the job"));
    }
    let recipient = match flags.recipient.as_deref().or(file.recipient.as_deref()) {
        Some(text) => Some(identifier(text, "recipient")?),
        None => None,
    };
    tables.iter().map(|table| list(flags, table, base, typed, recipient.as_ref())).collect()
}

fn list(
    flags: &MatchFlags,
    table: &ListTable,
    base: &Path,
    typed: &Columns,
    recipient: Option<&Identifier>,
) -> Result<ListSource, Failure> {
    let locations = locations(Role::List, &flags.list, &table.files, base)?;
    if locations.is_empty() {
        return Err(wrong("an entry of [[lists]] names no files"));
    }
    let own = table.recipient.as_deref().filter(|_| flags.recipient.is_none());
    let own = own.map(|text| identifier(text, "recipient")).transpose()?;
    let country = flags.default_country.as_deref().or(table.country.as_deref());
    let phones = match flags.phones {
        Some(PhonesFlag::Raw) => Some(PhonesWord::Raw),
        Some(PhonesFlag::E164) => Some(PhonesWord::E164),
        Some(PhonesFlag::Digits) => Some(PhonesWord::Digits),
        Some(PhonesFlag::Probe) => Some(PhonesWord::Probe),
        None => table.phones,
    };
    Ok(ListSource {
        files: Files { locations, columns: columns(Role::List, &table.columns, typed)? },
        recipient: own.or_else(|| recipient.cloned()),
        id: table.id.as_deref().map(|id| identifier(id, "id")).transpose()?,
        country: country.map(|country| region(country, "country")).transpose()?,
        phones: match phones {
            None => Phones::ByColumn,
            Some(PhonesWord::Raw) => Phones::Raw,
            Some(PhonesWord::E164) => Phones::Hashed(Form::E164),
            Some(PhonesWord::Digits) => Phones::Hashed(Form::Digits),
            Some(PhonesWord::Probe) => Phones::Probe,
        },
        several_numbers: match table.several_numbers {
            None | Some(SeveralWord::Reject) => SeveralNumbers::Reject,
            Some(SeveralWord::Separate) => SeveralNumbers::Separate,
        },
    })
}

fn opt_outs(
    flags: &MatchFlags,
    file: &JobFile,
    base: &Path,
    typed: &Columns,
) -> Result<OptOutSource, Failure> {
    let table = &file.opt_outs;
    let patterns = if flags.opt_outs.is_empty() { &table.files } else { &flags.opt_outs };
    let base = if flags.opt_outs.is_empty() { base } else { Path::new("") };
    let country = flags.opt_outs_country.as_deref().or(table.country.as_deref());
    Ok(OptOutSource {
        patterns: patterns.clone(),
        base: base.to_owned(),
        columns: columns(Role::OptOuts, &table.columns, typed)?,
        country: country.map(|country| region(country, "the opt-outs' country")).transpose()?,
    })
}

fn if_exists(flags: &MatchFlags, file: &JobFile) -> IfExists {
    match (flags.if_exists, file.if_exists) {
        (Some(IfExistsFlag::Error), _) | (None, None | Some(IfExistsWord::Error)) => {
            IfExists::Error
        }
        (Some(IfExistsFlag::Skip), _) | (None, Some(IfExistsWord::Skip)) => IfExists::Skip,
        (Some(IfExistsFlag::Replace), _) | (None, Some(IfExistsWord::Replace)) => IfExists::Replace,
    }
}

fn gates(table: &GatesTable) -> Result<Gates, Failure> {
    let rate = |rate: Option<Rate>| rate.map(|Rate(share)| share);
    let gates = Gates {
        max_reject_rate: rate(table.max_reject_rate),
        min_match_rate: rate(table.min_match_rate),
        max_match_rate: rate(table.max_match_rate),
        max_change_since_last_run: table.max_change_since_last_run.map(|Change(share)| share),
    };
    match (gates.min_match_rate, gates.max_match_rate) {
        (Some(min), Some(max)) if min > max => {
            Err(wrong("gates.min_match_rate is above gates.max_match_rate: no list could pass"))
        }
        _ => Ok(gates),
    }
}

fn previous(flags: &MatchFlags, file: &JobFile, base: &Path) -> Previous {
    let listed = file.previous.as_ref().map(|previous| match previous.as_str() {
        word @ ("auto" | "none") => PathBuf::from(word),
        folder => base.join(folder),
    });
    match flags.previous.clone().or(listed) {
        None => Previous::Auto,
        Some(path) if path.as_os_str() == "auto" => Previous::Auto,
        Some(path) if path.as_os_str() == "none" => Previous::None,
        Some(path) => Previous::Folder(path),
    }
}

/// A mapped signal is one that somebody counts on: where it would not be read, the job is wrong.
fn check_signals(job: &Job) -> Result<(), Failure> {
    let elsewhere = job.lists.iter().map(|list| &list.files.columns).chain([&job.opt_outs.columns]);
    let strays = elsewhere.flat_map(BTreeMap::keys);
    if let Some(signal) = strays.copied().find_map(Signal::of_field) {
        let field = signal.field();
        return Err(wrong(format!("{field} is read from the accounts only; map it there")));
    }
    let mapped = job.accounts.columns.keys().copied().filter_map(Signal::of_field);
    match mapped.into_iter().find(|signal| !signal.governs(job.purpose)) {
        Some(signal) => Err(wrong(format!(
            "{} says nothing about {} and would not be read; take it out of accounts.columns",
            signal.field(),
            job.purpose.name()
        ))),
        None => Ok(()),
    }
}

/// The ledger: typed, else as the file says, else beside the run folder.
fn ledger(flags: &MatchFlags, file: &JobFile, base: &Path, out: &Path) -> PathBuf {
    let listed = || file.ledger.as_ref().map(|ledger| base.join(ledger));
    let given = flags.ledger.clone().or_else(listed);
    given.unwrap_or_else(|| out.with_file_name(LEDGER))
}

/// The budget of memory: typed, else as the file says, else none.
fn memory(flags: &MatchFlags, file: &JobFile) -> Result<Option<MemoryBudget>, Failure> {
    let no_size = "takes a size such as 200MB or 1.5GB";
    match (&flags.memory, &file.memory) {
        (Some(typed), _) => match size::bytes(typed) {
            Some(bytes) => Ok(Some(MemoryBudget::Run(bytes))),
            None => Err(usage(format!("--memory {no_size}"))),
        },
        (None, Some(written)) => match size::bytes(written) {
            Some(bytes) => Ok(Some(MemoryBudget::Run(bytes))),
            None => Err(wrong(format!("memory {no_size}"))),
        },
        (None, None) => Ok(None),
    }
}

/// The message history, in the same way.
fn history(flags: &MatchFlags, file: &JobFile, base: &Path, out: &Path) -> PathBuf {
    let listed = || file.history.as_ref().map(|history| base.join(history));
    let given = flags.history.clone().or_else(listed);
    given.unwrap_or_else(|| out.with_file_name(HISTORY))
}

/// Standard input can be one input, and never the opt-outs, which are read twice.
fn check_stdin(job: &Job) -> Result<(), Failure> {
    let is_stdin = |location: &&Location| **location == Location::Stdin;
    if job.opt_outs.patterns.iter().any(|pattern| pattern == "-") {
        return Err(wrong("opt-outs are read twice and cannot come from standard input"));
    }
    let lists = job.lists.iter().flat_map(|list| &list.files.locations);
    if job.accounts.locations.iter().chain(lists).filter(is_stdin).count() > 1 {
        return Err(wrong("standard input can be named once only"));
    }
    Ok(())
}

fn usage(message: impl Into<String>) -> Failure {
    Failure::new(USAGE, message)
}

fn wrong(message: impl Into<String>) -> Failure {
    Failure::new(CONFIG, message)
}

/// The folder that a file's relative paths start from.
fn folder_of(path: &Path) -> PathBuf {
    path.parent().map(Path::to_owned).unwrap_or_default()
}
