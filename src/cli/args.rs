//! What can be typed. Nothing here is checked beyond its form; `job_file` resolves it.

use std::fmt;
use std::path::PathBuf;

use clap::builder::FalseyValueParser;
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use super::layers::Layers;
use super::typed::{self, Given};

/// Match advertiser lists with a messenger's export, the opt-out leading.
///
/// Example: phonematch match --job nightly.toml
#[derive(Debug, Parser)]
#[command(name = "phonematch", version, propagate_version = true, after_help = EXIT_CODES)]
pub struct Arguments {
    #[command(subcommand)]
    pub command: Command,
    #[command(flatten)]
    pub common: Common,
}

impl Arguments {
    /// Reads what was typed, and what of it may stand in the environment instead. Ends the process
    /// where that is no command, and where it asks for help.
    pub fn read() -> Self {
        let mut grammar = Self::grammar();
        let matches = grammar.get_matches_mut();
        let mut arguments = Self::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
        if let Some(flags) = arguments.command.job_flags_mut() {
            flags.given = Given::all(&grammar, &matches);
        }
        arguments
    }

    /// The grammar of the command line, the example of each command before its text.
    pub fn grammar() -> clap::Command {
        example_first(Self::command())
    }
}

/// Moves the paragraph that begins with `Example:` from the end of a command's long text to the
/// top of its help: whoever asks for help most often looks for the line to copy.
fn example_first(command: clap::Command) -> clap::Command {
    let command = command.mut_subcommands(example_first);
    let Some(text) = command.get_long_about().map(ToString::to_string) else { return command };
    let Some((text, example)) = text.rsplit_once("\n\nExample: ") else { return command };
    let example = format!("Example: {example}");
    command.before_long_help(example).long_about(text.to_owned())
}

/// Heading of the flags of every command.
const EVERYWHERE: &str = "Flags of every command";

/// What scripts tell apart.
pub const EXIT_CODES: &str = "\
Exit codes: 0 published (or would be, in a dry run), 2 usage, 65 a gate on the data failed, 66 an
input is missing, empty or stale, 70 a bug, 73 the run folder is there, 74 I/O (retry), 75 another
run holds the place (retry), 77 the secret cannot be used, 78 job or policy wrong, 130 interrupted.
Nothing is published but with 0. `phonematch explain-exit N` says what to do about one.";

/// Flags of every command.
#[derive(Clone, Debug, Args)]
pub struct Common {
    /// Print one line of JSON on standard output at the end.
    #[arg(long, global = true, help_heading = EVERYWHERE, env = "PHONEMATCH_JSON",
          hide_env_values = true, value_parser = FalseyValueParser::new())]
    pub json: bool,
    /// Worker threads, 1 to 512 [default: one for each core].
    #[arg(long, global = true, help_heading = EVERYWHERE, value_name = "N",
          env = "PHONEMATCH_THREADS", hide_env_values = true,
          value_parser = clap::value_parser!(u16).range(1..=512))]
    pub threads: Option<u16>,
    /// How log lines on standard error are written.
    #[arg(
        long, global = true, help_heading = EVERYWHERE, value_enum, default_value = "text",
        value_name = "FORMAT", env = "PHONEMATCH_LOG_FORMAT", hide_env_values = true
    )]
    pub log_format: LogFormat,
    /// No progress and no table on standard error; errors remain.
    #[arg(long, global = true, help_heading = EVERYWHERE, env = "PHONEMATCH_QUIET",
          hide_env_values = true, value_parser = FalseyValueParser::new())]
    pub quiet: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum LogFormat {
    Text,
    Json,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Match lists with the export and publish an audited run folder.
    ///
    /// Example: phonematch match --job nightly.toml --out runs/2026-11-22
    Match(Box<MatchFlags>),
    /// Read everything that a match would read, say what is wrong with it, and publish nothing.
    ///
    /// Ends with the exit code that a match would end with, as far as the inputs decide it.
    ///
    /// Example: phonematch validate --job nightly.toml
    Validate(Box<ValidateFlags>),
    /// Read the phone numbers of one file: row, status, E.164, type, reason.
    ///
    /// Example: phonematch normalise leads.csv --phone-column phone --default-country DE
    Normalise(NormaliseFlags),
    /// Say step by step how one number is read, and what its opt-out would bar.
    ///
    /// The steps quote the number: they are for your terminal and go nowhere else.
    ///
    /// Example: phonematch explain --country DE '0171 234 5678'
    Explain(ExplainFlags),
    /// Write made-up accounts, a list, opt-outs, a policy and a job, ready to run.
    ///
    /// Numbers are random draws from numbering patterns and meant to be nobody's.
    ///
    /// Example: phonematch synth --accounts 100000 --list 10000 --out sample
    Synth(SynthFlags),
    /// Check published runs against their manifests, each other and today's opt-outs.
    ///
    /// Several runs are given oldest first, and must follow one another without a gap. Who opted
    /// out since an older run is in it; the newest run may hold none of them.
    ///
    /// Example: phonematch audit runs/2026-11-22 --opt-outs opt_outs.csv --secret-file secret.key
    Audit(AuditFlags),
    /// Say what changed between two runs, in counts that name nobody.
    ///
    /// Counts are exact: for the house, as those of report.json, and not for advertisers.
    ///
    /// Example: phonematch diff runs/2026-11-21 runs/2026-11-22
    Diff(DiffFlags),
    /// Say what a run folder is: what it was made of and under, what came of it, its neighbours.
    ///
    /// It needs no secret, so it tells whether files are those of the manifest, and not whether
    /// the manifest is genuine: `audit` does. Counts are exact, for the house.
    ///
    /// Example: phonematch inspect runs/2026-11-22
    Inspect(InspectFlags),
    /// Say what an exit code means, why it comes up and what to do next.
    ///
    /// Example: phonematch explain-exit 66
    ExplainExit(ExplainExitFlags),
    /// Show the settings that a job comes to, or what a job or policy file can hold.
    ///
    /// Example: phonematch config show --job nightly.toml
    Config(ConfigFlags),
    /// Make a new secret, in a file that only you can read.
    ///
    /// Example: phonematch keygen secret.key
    Keygen(KeygenFlags),
    /// Print a script with which a shell completes commands and flags.
    ///
    /// Example: phonematch completions bash > ~/.local/share/bash-completion/completions/phonematch
    Completions(CompletionsFlags),
    /// Print a manual page, or write all of them into a folder.
    ///
    /// Example: phonematch man | man -l -
    Man(ManFlags),
}

impl Command {
    /// The flags of a command that takes a job.
    fn job_flags_mut(&mut self) -> Option<&mut MatchFlags> {
        match self {
            Self::Match(flags) => Some(flags),
            Self::Validate(flags) => Some(&mut flags.job),
            Self::Config(ConfigFlags { command: ConfigCommand::Show(flags) }) => Some(flags),
            _ => None,
        }
    }
}

/// Where the secret comes from. It is never an argument itself.
#[derive(Clone, Debug, Default, Args)]
pub struct SecretFlags {
    /// File with the secret: 32 bytes or 64 hex digits, mode 0600 [env: PHONEMATCH_SECRET_FILE].
    #[arg(long, value_name = "FILE", conflicts_with = "secret_fd")]
    pub secret_file: Option<PathBuf>,
    /// Open file descriptor to read the secret from.
    #[arg(long, value_name = "N")]
    pub secret_fd: Option<u32>,
}

#[derive(Debug, Args)]
pub struct MatchFlags {
    /// Job file; variables and flags win over it.
    #[arg(long, value_name = "FILE", env = "PHONEMATCH_JOB", hide_env_values = true)]
    pub job: Option<PathBuf>,
    /// The messenger's export: paths, globs, or - for standard input.
    #[arg(long, value_name = "PATH", num_args = 1..)]
    pub accounts: Vec<String>,
    /// Advertiser lists: paths, globs, or - for standard input.
    #[arg(long, value_name = "PATH", num_args = 1..)]
    pub list: Vec<String>,
    /// Opt-outs: paths or globs.
    #[arg(long, value_name = "PATH", num_args = 1..)]
    pub opt_outs: Vec<String>,
    /// What the numbers are used for: ads, friend_suggestions, analytics, anti_spam or
    /// business_messaging.
    #[arg(long, value_name = "PURPOSE")]
    pub purpose: Option<String>,
    /// Policy file.
    #[arg(long, value_name = "FILE")]
    pub policy: Option<PathBuf>,
    #[command(flatten)]
    pub secret: SecretFlags,
    /// Run folder to publish, or an address such as s3://bucket/runs/2026-11-22.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Folder of this machine in which a run that goes to a store is written and audited before.
    #[arg(long, value_name = "DIR")]
    pub staging: Option<PathBuf>,
    /// What to do when the run folder is there already [default: error].
    #[arg(long, value_enum, value_name = "WHAT")]
    pub if_exists: Option<IfExistsFlag>,
    /// Advertiser of lists that name none.
    #[arg(long, value_name = "ID")]
    pub recipient: Option<String>,
    /// Region of list rows that name none, such as DE.
    #[arg(long, value_name = "CC")]
    pub default_country: Option<String>,
    /// Region of opt-out rows that name none.
    #[arg(long, value_name = "CC")]
    pub opt_outs_country: Option<String>,
    /// What list rows hold [default: by column, phone or phone_sha256].
    #[arg(long, value_enum, value_name = "WHAT")]
    pub phones: Option<PhonesFlag>,
    /// The run before this one: a folder, none, or auto for the newest beside it [default: auto].
    #[arg(long, value_name = "DIR")]
    pub previous: Option<PathBuf>,
    /// Ledger that figures are charged to [default: phonematch.ledger beside the run folder].
    #[arg(long, value_name = "FILE")]
    pub ledger: Option<PathBuf>,
    /// Memory that the run may take, such as 200MB: larger lists are joined in several passes over
    /// the export, with the same result [default: as much as the lists need].
    #[arg(long, value_name = "SIZE")]
    pub memory: Option<String>,
    /// History of messages to people [default: phonematch.history beside the run folder].
    #[arg(long, value_name = "FILE")]
    pub history: Option<PathBuf>,
    /// File that a match tells Prometheus in how it went, replaced at its end, also of a failure.
    #[arg(long, value_name = "FILE")]
    pub metrics_file: Option<PathBuf>,
    /// File that a match adds OpenLineage run events to: START, and COMPLETE, FAIL or ABORT.
    #[arg(long, value_name = "FILE")]
    pub openlineage_file: Option<PathBuf>,
    /// Share of people to try the job with, such as 1%, drawn by key: the same people in every list
    /// and in the export. `match` marks the run as a sample, tells nobody of it and charges nothing
    ///  [default: everybody; for `validate` 1% of large lists].
    #[arg(long, value_name = "SHARE")]
    pub sample: Option<String>,
    /// Do all that a match does, to the audit, and leave nothing: no run, no charge, no message.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true,
          default_missing_value = "true")]
    pub dry_run: Option<bool>,
    /// A column's name in the files of a role: accounts.phone=msisdn.
    #[arg(long, value_name = "ROLE.FIELD=NAME")]
    pub column: Vec<String>,
    /// Which of these were typed; for `config show` and for messages.
    #[arg(skip)]
    pub given: Vec<Given>,
}

impl MatchFlags {
    /// Where a setting is from, for a message.
    pub fn place(&self, setting: &str, layers: &Layers) -> Option<String> {
        typed::place(&self.given, layers, setting)
    }
}

#[derive(Debug, Args)]
pub struct ValidateFlags {
    #[command(flatten)]
    pub job: MatchFlags,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum IfExistsFlag {
    Error,
    Skip,
    Replace,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum PhonesFlag {
    Raw,
    E164,
    Digits,
    Probe,
}

#[derive(Debug, Args)]
pub struct NormaliseFlags {
    /// CSV, TSV, NDJSON or Parquet, plain, gzip or zstd; - for standard input.
    pub file: String,
    /// Column with the phone numbers.
    #[arg(long, value_name = "NAME")]
    pub phone_column: String,
    /// Column with the row's country (ISO 3166-1 alpha-2).
    #[arg(long, value_name = "NAME")]
    pub country_column: Option<String>,
    /// Country of rows that name none.
    #[arg(long, value_name = "CC")]
    pub default_country: Option<String>,
    /// Where to write [default: standard output].
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Add our own rejects for damaged numbers to libphonenumber's decisions.
    #[arg(long)]
    pub damage_checks: bool,
}

#[derive(Args)]
pub struct ExplainFlags {
    /// The number as it is written; put quotes round it.
    #[arg(allow_hyphen_values = true)]
    pub number: String,
    /// Country whose national spellings count, such as DE.
    #[arg(long, value_name = "CC", conflicts_with = "export")]
    pub country: Option<String>,
    /// Read it as the export is read: international digits, with a plus or without.
    #[arg(long)]
    pub export: bool,
}

impl fmt::Debug for ExplainFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ExplainFlags(redacted)")
    }
}

#[derive(Debug, Args)]
pub struct SynthFlags {
    /// Accounts to make.
    #[arg(long, value_name = "N")]
    pub accounts: u64,
    /// List rows to make.
    #[arg(long, value_name = "M")]
    pub list: u64,
    /// Opt-outs to make [default: one in a hundred accounts].
    #[arg(long, value_name = "K")]
    pub opt_outs: Option<u64>,
    /// Share of list rows that are accounts.
    #[arg(long, value_name = "SHARE", default_value_t = 0.3)]
    pub overlap: f64,
    /// Share of list rows in other spellings than E.164.
    #[arg(long, value_name = "SHARE", default_value_t = 0.5)]
    pub messy: f64,
    /// Share of list rows that are no numbers.
    #[arg(long, value_name = "SHARE", default_value_t = 0.02)]
    pub junk: f64,
    /// Share of accounts that deny.
    #[arg(long, value_name = "SHARE", default_value_t = 0.05)]
    pub denied: f64,
    /// Countries to draw from, such as DE,GB,US [default: a messenger's population].
    #[arg(long, value_name = "CC,CC", value_delimiter = ',')]
    pub countries: Vec<String>,
    /// Same seed, same files.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// How many nights have passed: each, a few accounts and list rows come and go, and two people
    /// more, whom the night before released, have opted out.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub night: u32,
    /// Folder to write.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
}

#[derive(Debug, Args)]
pub struct AuditFlags {
    /// Run folders, oldest first.
    #[arg(required = true, value_name = "RUN")]
    pub runs: Vec<PathBuf>,
    /// Check the whole chain that ends with the run, through the folders beside it.
    #[arg(long)]
    pub chain: bool,
    /// Ledger that figures were charged to [default: phonematch.ledger beside the run].
    #[arg(long, value_name = "FILE")]
    pub ledger: Option<PathBuf>,
    /// History that messages were entered in [default: phonematch.history beside the run].
    #[arg(long, value_name = "FILE")]
    pub history: Option<PathBuf>,
    /// Opt-outs as they are today: none of them may be in the newest run.
    #[arg(long, value_name = "PATH", num_args = 1.., required = true)]
    pub opt_outs: Vec<String>,
    /// Country of opt-out rows that name none.
    #[arg(long, value_name = "CC")]
    pub default_country: Option<String>,
    /// Opt-out rows that no reader can read and that the audit may go on without.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub max_unreadable_rows: u64,
    /// A column's name in the opt-out files: opt_outs.phone=msisdn.
    #[arg(long, value_name = "ROLE.FIELD=NAME")]
    pub column: Vec<String>,
    #[command(flatten)]
    pub secret: SecretFlags,
}

#[derive(Debug, Args)]
pub struct DiffFlags {
    /// A run folder.
    pub before: PathBuf,
    /// Another one, most often the night after.
    pub after: PathBuf,
}

#[derive(Debug, Args)]
pub struct KeygenFlags {
    /// File to make; one that is there is left alone.
    pub file: PathBuf,
}

#[derive(Debug, Args)]
pub struct InspectFlags {
    /// A run folder.
    #[arg(value_name = "RUN")]
    pub run: PathBuf,
}

#[derive(Debug, Args)]
pub struct ConfigFlags {
    #[command(subcommand)]
    pub command: ConfigCommand,
}

#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Show every setting and where it is from: a flag, a variable, a file's line, the default.
    ///
    /// It takes the flags of match. A setting's variable is its name in capitals, such as
    /// PHONEMATCH_OPT_OUTS_FILES for opt_outs.files; a flag wins over it, and it over the file.
    ///
    /// Example: phonematch config show --job nightly.toml
    Show(Box<MatchFlags>),
    /// Print the JSON Schema of job or policy files, with which editors check and complete them.
    ///
    /// Example: phonematch config schema job > job.schema.json
    Schema(SchemaFlags),
}

#[derive(Debug, Args)]
pub struct SchemaFlags {
    /// Which kind of file.
    #[arg(value_enum, value_name = "WHAT")]
    pub what: SchemaOf,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum SchemaOf {
    Job,
    Policy,
}

#[derive(Debug, Args)]
pub struct ExplainExitFlags {
    /// The code; without one, all of them.
    #[arg(value_name = "N")]
    pub code: Option<u8>,
}

#[derive(Debug, Args)]
pub struct CompletionsFlags {
    /// The shell.
    #[arg(value_enum, value_name = "SHELL")]
    pub shell: Shell,
}

#[derive(Debug, Args)]
pub struct ManFlags {
    /// The command, such as match; without one, the page of the whole program.
    #[arg(value_name = "COMMAND", conflicts_with = "out")]
    pub command: Vec<String>,
    /// Write every page into this folder.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}
