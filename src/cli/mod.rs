//! The command line: what was typed becomes a job, and what came of it an exit code.

mod args;
mod columns;
mod commands;
mod config;
mod exit_codes;
mod failure;
mod gates_table;
mod inspect;
mod job_checks;
mod job_file;
mod layers;
mod manual;
mod place;
mod progress;
mod runs;
mod secret;
mod settings;
mod size;
mod table;
mod told;
mod trial;
mod typed;
mod validation;

use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::Arc;

use phonematch::pipeline::Threads;
use serde_json::{Value, json};

use args::{Arguments, Command, Common, LogFormat};
use failure::{BUG, Failure};
use layers::Layers;
use told::Told;

/// What a command that came to its end has to say.
#[derive(Debug)]
struct Done {
    /// For standard output, one fact a line.
    lines: Vec<String>,
    /// The same for `--json`.
    json: Value,
}

/// Keeps what the process holds to itself: files that only the owner reads, no core dumps, and a
/// panic message that quotes nothing.
pub fn harden() {
    use rustix::process::{Resource, Rlimit, setrlimit, umask};
    umask(rustix::fs::Mode::from_raw_mode(0o077));
    // Where the limit cannot be lowered there is nothing better to do than to go on.
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
    std::panic::set_hook(Box::new(|info| {
        let place = info.location().map(|at| format!("{}:{}", at.file(), at.line()));
        let place = place.unwrap_or_else(|| "an unknown place".to_owned());
        let _ = writeln!(io::stderr(), "phonematch: internal error at {place}");
    }));
}

/// Runs the command that was typed.
pub fn main() -> ExitCode {
    let arguments = Arguments::read();
    begin_logging(&arguments.common);
    let common = arguments.common.clone();
    // Read once: a job may come down a pipe.
    let (told, layers) = match &arguments.command {
        Command::Match(flags) => {
            let layers = Layers::read(flags.job.as_deref());
            (Told::of(flags, layers.as_ref().ok()), Some(layers))
        }
        _ => (Told::nobody(), None),
    };
    let told = Arc::new(told);
    let done = catch_unwind(AssertUnwindSafe(|| run(arguments, &told, layers)));
    let done = done.unwrap_or_else(|_| {
        Err(Failure::new(BUG, "an internal error; nothing was published; please report it"))
    });
    match &done {
        Ok(_) => told.end(0, ""),
        Err(failure) => told.end(failure.code(), &failure.to_string()),
    }
    match done {
        Ok(done) if common.json => say(&[json_line("ok", 0, done.json)]),
        Ok(done) => say(&done.lines),
        Err(mut failure) => {
            let done = failure.take_done();
            if let Some(done) = done.as_ref().filter(|_| !common.json) {
                say(&done.lines);
            }
            match common.log_format {
                LogFormat::Text => drop(writeln!(io::stderr(), "phonematch: {failure}")),
                LogFormat::Json => tracing::error!(exit_code = failure.code(), "{failure}"),
            }
            if common.json {
                let code = failure.code();
                let error = failure.to_string();
                let mut json = done.map_or_else(|| json!({}), |done| done.json);
                if let Value::Object(fields) = &mut json {
                    fields.insert("error".to_owned(), error.into());
                }
                say(&[json_line("failed", code, json)]);
            }
            ExitCode::from(failure.code())
        }
    }
}

fn json_line(status: &str, exit_code: u8, mut value: Value) -> String {
    if let Value::Object(fields) = &mut value {
        fields.insert("status".to_owned(), status.into());
        fields.insert("exit_code".to_owned(), exit_code.into());
    }
    value.to_string()
}

/// Writes lines to standard output. A reader that went away is no failure of the run.
fn say(lines: &[String]) -> ExitCode {
    let mut out = io::stdout().lock();
    for line in lines {
        if writeln!(out, "{line}").is_err() {
            break;
        }
    }
    ExitCode::SUCCESS
}

fn begin_logging(common: &Common) {
    let level = if common.quiet { tracing::Level::ERROR } else { tracing::Level::INFO };
    let builder = tracing_subscriber::fmt()
        .with_writer(io::stderr)
        // A reader that went away is no failure of the run, and must not become one by being told.
        .log_internal_errors(false)
        // Plain everywhere: the crate's colours are a feature that is not built in, and asking for
        // them all the same ends the program.
        .with_ansi(false)
        .with_target(false)
        // What the clients of stores say of their requests holds what servers answer.
        .with_env_filter(format!("off,phonematch={level}"));
    match common.log_format {
        LogFormat::Text => builder.init(),
        LogFormat::Json => builder.json().init(),
    }
}

/// `layers` are those of a match, where they are read already.
fn run(
    arguments: Arguments,
    told: &Arc<Told>,
    layers: Option<Result<Layers, Failure>>,
) -> Result<Done, Failure> {
    let common = &arguments.common;
    let threads = common.threads.map_or(0, usize::from);
    let threads = Threads::new(threads)
        .map_err(|error| Failure::new(failure::IO, format!("cannot start threads: {error}")))?;
    threads.run(|| match &arguments.command {
        Command::Match(flags) => {
            let layers = layers.unwrap_or_else(|| Layers::read(flags.job.as_deref()))?;
            commands::run_match((flags, &layers), common, told)
        }
        Command::Validate(flags) => validation::validate(flags, common),
        Command::Normalise(flags) => commands::normalise(flags, common),
        Command::Explain(flags) => commands::explain(flags),
        Command::Synth(flags) => commands::synth(flags),
        Command::Audit(flags) => runs::audit(flags),
        Command::Diff(flags) => runs::diff(flags),
        Command::Inspect(flags) => inspect::inspect(flags),
        Command::ExplainExit(flags) => exit_codes::explain(flags),
        Command::Config(flags) => config::config(flags, common),
        Command::Keygen(flags) => commands::keygen(flags),
        Command::Completions(flags) => Ok(manual::completions(flags)),
        Command::Man(flags) => manual::man(flags),
    })
}
