//! From what was typed and what the file says to one checked job. A typed flag wins.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use phonematch::consent::Purpose;
use phonematch::input::{self, Location, Role};
use phonematch::job::{
    Ending, Files, HISTORY, Identifier, IfExists, Job, LEDGER, ListSource, MemoryBudget,
    OptOutSource, Phones, Recipient, SeveralNumbers,
};
use phonematch::key::Form;
use phonematch::normalise::Region;
use phonematch::policy::{Policy, PolicyFile};
use schemars::JsonSchema;
use serde::Deserialize;

use super::args::{IfExistsFlag, MatchFlags, PhonesFlag};
use super::columns::{Columns, columns, typed_columns};
use super::failure::{CONFIG, Failure, USAGE};
use super::gates_table::{GatesTable, gates};
use super::job_checks;
use super::layers::Layers;
use super::place::{self, Place};
use super::secret::{self, IfMissing, SecretInJob};
use super::told::{Kept, ToldFiles};
use super::{size, trial};

fn purposes() -> String {
    Purpose::ALL.map(Purpose::name).join(", ")
}

/// What one run is to do. Paths are relative to this file; variables and flags win over it.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct JobFile {
    /// Runs of one name form a chain: 1 to 64 of A-Z a-z 0-9 . _ - and no phone number. Without
    /// it the file's name is taken.
    name: Option<String>,
    /// What the numbers are used for; the policy must be one for it.
    purpose: Option<Purpose>,
    /// The policy file: floors, consent model, opt-out rules.
    #[schemars(extend("format" = "path"))]
    policy: Option<PathBuf>,
    /// The run folder, published in one rename; or an address such as `s3://bucket/runs/night`,
    /// published by one conditional write.
    #[schemars(extend("format" = "path"))]
    pub out: Option<PathBuf>,
    /// The folder of this machine in which a run that goes to a store is written and audited
    /// before. Ledger and history stand in it where nothing else is said.
    #[schemars(extend("format" = "path"))]
    pub staging: Option<PathBuf>,
    /// What to do when the run folder is there already.
    #[schemars(extend("default" = "error"))]
    if_exists: Option<IfExistsWord>,
    /// The run before this one: a folder or an address, `none`, or `auto` for the newest beside
    /// `out`.
    #[schemars(extend("default" = "auto", "format" = "path"))]
    pub previous: Option<String>,
    /// The ledger of figures told; without it `phonematch.ledger` beside `out`.
    #[schemars(extend("format" = "path"))]
    ledger: Option<PathBuf>,
    /// Most memory that the run may take, such as 200MB or 1.5GB; larger lists take several passes.
    memory: Option<String>,
    /// The history of messages; without it one of a fixed name beside `out`.
    #[schemars(extend("format" = "path"))]
    history: Option<PathBuf>,
    /// Prometheus metrics of the last run, for node_exporter's textfile collector: replaced when a
    /// match ends, however it does.
    #[schemars(extend("format" = "path"))]
    pub metrics_file: Option<PathBuf>,
    /// OpenLineage run events, one JSON object a line, which every match adds to.
    #[schemars(extend("format" = "path"))]
    pub openlineage_file: Option<PathBuf>,
    /// Share of people to try the job with, drawn by key, such as 1%.
    pub sample: Option<String>,
    /// Do all that a match does, to the audit, and leave nothing.
    #[schemars(extend("default" = false))]
    pub dry_run: Option<bool>,
    /// The advertiser of lists that name none.
    recipient: Option<String>,
    /// What keys and tokens are made with.
    #[serde(default)]
    secret: SecretTable,
    /// The messenger's export.
    #[serde(default)]
    accounts: FilesTable,
    /// The advertisers' lists.
    #[serde(default)]
    lists: Vec<ListTable>,
    /// Who said no.
    #[serde(default)]
    opt_outs: OptOutTable,
    /// What a run's figures must be to be published.
    #[serde(default)]
    gates: GatesTable,
    /// What the environment says of every list.
    #[serde(skip)]
    pub every_list: ListTable,
}

impl JobFile {
    /// The policy file, relative to where it is written.
    pub fn policy(&self) -> Option<&Path> {
        self.policy.as_deref()
    }

    /// The job's name, if the file gives one.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct SecretTable {
    /// 32 bytes or 64 hex digits, mode 0600.
    #[schemars(extend("format" = "path"))]
    file: Option<PathBuf>,
    /// What a missing secret file means; `create` is for samples.
    #[serde(default)]
    #[schemars(extend("default" = "refuse"))]
    if_missing: IfMissing,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct FilesTable {
    /// Paths, globs, or `-` for standard input.
    #[serde(default)]
    #[schemars(extend("format" = "path"))]
    files: Vec<String>,
    /// Column names by field, where they are not well-known ones: `phone = "msisdn"`.
    #[serde(default)]
    columns: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListTable {
    /// Paths, globs, or `-` for standard input.
    #[serde(default)]
    #[schemars(extend("format" = "path"))]
    files: Vec<String>,
    /// Column names by field, where they are not well-known ones: `phone = "mobile no"`.
    #[serde(default)]
    columns: BTreeMap<String, String>,
    /// The advertiser of this list's rows that name none.
    recipient: Option<String>,
    /// The list's name where rows give none; without it the file's name up to its first dot.
    id: Option<String>,
    /// Region of rows that name none, such as DE.
    #[schemars(regex(pattern = "^[A-Za-z]{2}$"))]
    country: Option<String>,
    /// What rows hold: numbers, or SHA-256 of numbers with plus (`e164`), without (`digits`), or
    /// in either form (`probe`). Without it the column's name says it.
    phones: Option<PhonesWord>,
    /// What a cell with several numbers means.
    #[schemars(extend("default" = "reject"))]
    several_numbers: Option<SeveralWord>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct OptOutTable {
    /// Paths or globs. Read twice, so not from standard input.
    #[serde(default)]
    #[schemars(extend("format" = "path"))]
    files: Vec<String>,
    /// Column names by field, where they are not well-known ones.
    #[serde(default)]
    columns: BTreeMap<String, String>,
    /// Region of rows that name none, such as DE.
    #[schemars(regex(pattern = "^[A-Za-z]{2}$"))]
    country: Option<String>,
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum IfExistsWord {
    /// The run refuses.
    Error,
    /// Nothing is done, and that is a success.
    Skip,
    /// The new run takes the old one's place.
    Replace,
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum PhonesWord {
    /// Numbers.
    Raw,
    /// SHA-256 of numbers with plus.
    E164,
    /// SHA-256 of numbers without plus.
    Digits,
    /// SHA-256 of either.
    Probe,
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum SeveralWord {
    /// The row is rejected.
    Reject,
    /// Each number is a candidate.
    Separate,
}

/// Resolves a `match` command.
pub fn resolve(flags: &MatchFlags, layers: &Layers) -> Result<Job, Failure> {
    resolve_for((flags, layers), |said| said)
}

/// Resolves a command that only looks: whatever the job says, nothing is made, a secret neither.
pub fn resolve_to_look(flags: &MatchFlags) -> Result<Job, Failure> {
    let layers = Layers::read(flags.job.as_deref())?;
    resolve_for((flags, &layers), |_| Ending::Rehearse)
}

fn resolve_for(
    (flags, layers): (&MatchFlags, &Layers),
    ending: fn(Ending) -> Ending,
) -> Result<Job, Failure> {
    for variable in &layers.strays {
        tracing::warn!(variable, "a variable with our prefix is no setting and is not read");
    }
    job_of(flags, layers, ending)
        .map_err(|failure| failure.at(|setting| flags.place(setting, layers)))
}

fn job_of(
    flags: &MatchFlags,
    layers: &Layers,
    ending: fn(Ending) -> Ending,
) -> Result<Job, Failure> {
    let Layers { job: file, base, .. } = layers;
    told_files(flags, layers)?;
    let purpose = match &flags.purpose {
        Some(name) => Purpose::from_name(name.as_bytes())
            .ok_or_else(|| usage(format!("--purpose takes {}", purposes())))?,
        None => file
            .purpose
            .ok_or_else(|| usage("no purpose: give --purpose, or purpose in the job"))?,
    };
    let (policy, policy_digest) = policy(flags, file, base, purpose)?;
    let Place { out, publish_to } = place::place(flags, file, base)?;
    let columns = typed_columns(&flags.column)?;
    let ending = ending(trial::ending(flags, file));
    let job = Job {
        name: name(flags, file)?,
        purpose,
        policy,
        policy_digest,
        secret: secret::read(
            &flags.secret,
            &SecretInJob {
                file: file.secret.file.as_ref().map(|file| base.join(file)),
                if_missing: match ending {
                    Ending::Publish => file.secret.if_missing,
                    Ending::Rehearse => file.secret.if_missing.in_rehearsal(),
                },
            },
        )?,
        accounts: accounts(flags, file, base, &columns)?,
        lists: match purpose.takes_lists() {
            true => lists(flags, file, base, &columns)?,
            false => no_lists(flags, file, purpose)?,
        },
        opt_outs: opt_outs(flags, file, base, &columns)?,
        ledger: ledger(flags, file, base, &out),
        history: history(flags, file, base, &out),
        out,
        publish_to,
        if_exists: if_exists(flags, file),
        previous: place::previous(flags, file, base)?,
        gates: gates(&file.gates)?,
        memory: memory(flags, file)?,
        sample: trial::sample(flags, file)?,
        ending,
    };
    job_checks::check(&job)?;
    Ok(job)
}

/// Where others are told of the run, unless the run itself needs the place.
pub fn told_files(flags: &MatchFlags, layers: &Layers) -> Result<ToldFiles, Failure> {
    let Layers { job: file, base, .. } = layers;
    let files = ToldFiles::of(flags, file, base);
    // A place that cannot be meant is refused where the job is made.
    if let Ok(Place { out, .. }) = place::place(flags, file, base) {
        let (ledger, history) = (ledger(flags, file, base, &out), history(flags, file, base, &out));
        files.check(&Kept { out: &out, ledger: &ledger, history: &history })?;
    }
    Ok(files)
}

/// Reads a TOML file. A mistake in it is told with its line, and its text is not repeated: a data
/// file that is given as a job by mistake has numbers in its lines.
pub fn read_toml<T: for<'de> Deserialize<'de>>(
    path: &Path,
    what: &str,
) -> Result<Toml<T>, Failure> {
    let shown = path.display();
    let text = fs::read_to_string(path)
        .map_err(|error| wrong(format!("cannot read the {what} {shown}: {error}")))?;
    let value = toml::from_str(&text).map_err(|error| {
        let start = error.span().map_or(0, |span| span.start);
        let line = 1 + text.bytes().take(start).filter(|&byte| byte == b'\n').count();
        let message = without_data(error.message());
        wrong(format!("the {what} {shown} is wrong in line {line}: {message}"))
    })?;
    let digest = phonematch::output::digest(text.as_bytes());
    Ok(Toml { value, text, digest })
}

/// The first line of a reader's message, unless it may quote somebody's number.
pub fn without_data(message: &str) -> &str {
    let message = message.lines().next().unwrap_or_default();
    let is_safe = message.bytes().filter(u8::is_ascii_digit).count() < 7;
    if is_safe { message } else { "it is not what belongs there" }
}

/// A TOML file that was read: its content, and BLAKE3 of the bytes that it was read from.
pub struct Toml<T> {
    pub value: T,
    pub text: String,
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

fn name(flags: &MatchFlags, file: &JobFile) -> Result<Identifier, Failure> {
    let stem = flags.job.as_deref().and_then(Path::file_stem).and_then(|stem| stem.to_str());
    let name = file.name.as_deref().or(stem).unwrap_or("job");
    identifier(name, "name")
}

fn identifier(text: &str, setting: &str) -> Result<Identifier, Failure> {
    Identifier::from_text(text.as_bytes()).ok_or_else(|| {
        let rule = "must be 1 to 64 of A-Z a-z 0-9 . _ - and not look like a phone number";
        wrong(format!("{setting} {rule}")).about(setting)
    })
}

fn region(text: &str, setting: &str) -> Result<Region, Failure> {
    Region::from_code(text.as_bytes())
        .ok_or_else(|| wrong(format!("{setting} must be two letters, such as DE")).about(setting))
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
    let typed_list = file.every_list.clone();
    let tables = if flags.list.is_empty() { file.lists.as_slice() } else { &[typed_list] };
    if tables.is_empty() {
        return Err(usage("no list: give --list, or [[lists]] in the job"));
    }
    let recipient = match flags.recipient.as_deref().or(file.recipient.as_deref()) {
        Some(text) => Some(identifier(text, "recipient")?),
        None => None,
    };
    let list = |(number, table): (usize, &ListTable)| {
        let list = list(flags, table, base, typed, recipient.as_ref());
        list.map_err(|failure| failure.inside(&format!("lists.{number}")))
    };
    (1..).zip(tables).map(list).collect()
}

/// Where the export is counted, a list would be read by nobody, and memory for lists spared by
/// nobody: somebody thought of another purpose.
fn no_lists(
    flags: &MatchFlags,
    file: &JobFile,
    purpose: Purpose,
) -> Result<Vec<ListSource>, Failure> {
    let name = purpose.name();
    if !flags.list.is_empty() || !file.lists.is_empty() {
        let message = format!("{name} counts the export and reads no list; the job names one");
        return Err(wrong(message));
    }
    if flags.memory.is_some() || file.memory.is_some() {
        let message =
            format!("memory bounds what lists take, and {name} reads no list: leave it out");
        return Err(wrong(message).about("memory"));
    }
    Ok(Vec::new())
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
        return Err(wrong("an entry of [[lists]] names no files").about("files"));
    }
    let own = table.recipient.as_deref().map(|text| identifier(text, "recipient")).transpose()?;
    let typed_recipient = recipient.filter(|_| flags.recipient.is_some());
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
        recipient: match own {
            Some(own) => Recipient::Only(typed_recipient.cloned().unwrap_or(own)),
            None => Recipient::OfRows { otherwise: recipient.cloned() },
        },
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
        country: country.map(|country| region(country, "opt_outs.country")).transpose()?,
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
            None => Err(wrong(format!("memory {no_size}")).about("memory")),
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

pub fn usage(message: impl Into<String>) -> Failure {
    Failure::new(USAGE, message)
}

pub fn wrong(message: impl Into<String>) -> Failure {
    Failure::new(CONFIG, message)
}
