//! What each command does, in terms of the library.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::{process, thread};

use phonematch::consent::{self, Aliases, NumbersToBar};
use phonematch::input::{self, Limits, Role, Source};
use phonematch::job::Ending;
use phonematch::normalise::{self, Checks, Hint, Region};
use phonematch::pipeline::{self, NormaliseFile, Normalised, Outcome, Watch};
use phonematch::report::Report;
use phonematch::share::Share;
use phonematch::synth::{self, SynthError};
use serde_json::json;

use super::Done;
use super::args::{
    Common, ExplainFlags, KeygenFlags, LogFormat, MatchFlags, NormaliseFlags, SynthFlags,
};
use super::failure::{CONFIG, EXISTS, Failure, INTERRUPTED, IO, USAGE};
use super::job_file;
use super::layers::Layers;
use super::progress::Progress;
use super::secret;
use super::told::Told;
use super::{table, trial};

pub fn run_match(
    (flags, layers): (&MatchFlags, &Layers),
    common: &Common,
    told: &Arc<Told>,
) -> Result<Done, Failure> {
    let job = job_file::resolve(flags, layers)?;
    let cut_short = Arc::clone(told);
    let watch = watch_and(move || cut_short.end(INTERRUPTED, CUT_SHORT))?;
    told.begins(&job);
    if !common.quiet {
        tracing::info!(job = job.name.as_str(), purpose = job.purpose.name(), "the run begins");
    }
    let progress = (!common.quiet).then(|| Progress::begin(&job, Arc::clone(&watch.meter)));
    let outcome = pipeline::run(&job, &watch);
    drop(progress);
    match outcome? {
        Outcome::Skipped { folder } => {
            told.skipped(&folder);
            let folder = shown(&folder);
            let line = format!("{folder} is there already; skipped");
            Ok(Done { lines: vec![line], json: json!({ "skipped": true, "run": folder }) })
        }
        Outcome::Published { folder, report } => {
            told.published(&folder, &report);
            let folder = shown(&folder);
            if !common.quiet {
                say_published(&folder, &report, common.log_format, Ending::Publish);
            }
            let sample =
                report.sample.map(|share| format!("{folder} is {}", trial::sampled(share)));
            let lines = sample.into_iter().chain([folder.clone()]).collect();
            Ok(Done { lines, json: published(&folder, &report, Ending::Publish) })
        }
        Outcome::Rehearsed { folder, report } => {
            let folder = shown(&folder);
            if !common.quiet {
                say_published(&folder, &report, common.log_format, Ending::Rehearse);
            }
            let sample = report.sample.map(|share| format!("it is {}", trial::sampled(share)));
            let end = "a dry run: nothing was published, charged or remembered";
            let lines = sample.into_iter().chain([format!("{end}; {folder} would be there")]);
            let json = published(&folder, &report, Ending::Rehearse);
            Ok(Done { lines: lines.collect(), json })
        }
    }
}

/// A table for people; for machines that read log lines, a line.
fn say_published(folder: &str, report: &Report, format: LogFormat, ending: Ending) {
    match format {
        LogFormat::Text => {
            let _ = io::stderr().write_all(table::of(report).as_bytes());
        }
        LogFormat::Json => {
            report.alarms.iter().for_each(|alarm| tracing::warn!(alarm, "an alarm"));
            tracing::info!(
                run = folder,
                released = report.lists.iter().map(|list| list.released).sum::<u64>(),
                lists = report.lists.len(),
                elapsed_ms = report.elapsed_ms,
                sample = report.sample.map(Share::fraction),
                "{}",
                match ending {
                    Ending::Publish => "the run is published",
                    Ending::Rehearse => "the dry run is over; nothing is published",
                }
            );
        }
    }
}

/// A path without the detours that a job file's relative paths make.
fn shown(path: &Path) -> String {
    let full = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let current = std::env::current_dir().and_then(fs::canonicalize).unwrap_or_default();
    full.strip_prefix(&current).unwrap_or(&full).display().to_string()
}

fn published(folder: &str, report: &Report, ending: Ending) -> serde_json::Value {
    let released: u64 = report.lists.iter().map(|list| list.released).sum();
    json!({
        "run": folder,
        "released": released,
        "lists": report.lists.len(),
        "elapsed_ms": report.elapsed_ms,
        "peak_memory_bytes": report.peak_memory_bytes,
        "passes": report.passes,
        "alarms": report.alarms,
        "dry_run": ending == Ending::Rehearse,
        "sample": report.sample,
    })
}

/// How long a run that was told to stop may take to reach a place where it can.
const GRACE: Duration = Duration::from_secs(2);

/// What is said of a run that did not reach a place where it could end by itself.
const CUT_SHORT: &str = "interrupted; nothing was published";

/// A watch that Ctrl-C, SIGTERM and SIGHUP set. A run looks at it often, also while it waits for a
/// pipe, and takes away what it staged. One that is deep in a sort or hangs on a file system does
/// not; then its folder is taken away here, and the process ends.
pub fn watch() -> Result<Watch, Failure> {
    watch_and(|| {})
}

/// The same, and something to do before the process ends in the middle of a run.
#[allow(clippy::exit, reason = "nothing else ends a thread that hangs in the system")]
fn watch_and(at_the_end: impl Fn() + Send + 'static) -> Result<Watch, Failure> {
    let watch = Watch::default();
    let (cancel, staged) = (Arc::clone(&watch.cancel), Arc::clone(&watch.staged));
    ctrlc::set_handler(move || {
        cancel.store(true, Ordering::SeqCst);
        thread::sleep(GRACE);
        // A run that is published is over, and its own outcome is the one to tell.
        if staged.discard() {
            at_the_end();
            let _ = writeln!(io::stderr(), "phonematch: {CUT_SHORT}");
            process::exit(i32::from(INTERRUPTED));
        }
    })
    .map_err(|error| Failure::new(IO, format!("cannot listen for signals: {error}")))?;
    Ok(watch)
}

pub fn normalise(flags: &NormaliseFlags, common: &Common) -> Result<Done, Failure> {
    let default = match &flags.default_country {
        None => Hint::None,
        Some(code) => Hint::Region(region(code)?),
    };
    let locations = input::expand(Role::List, std::slice::from_ref(&flags.file), Path::new(""))?;
    let [location] = locations.as_slice() else {
        return Err(Failure::new(super::failure::CONFIG, "normalise reads one file at a time"));
    };
    let checks = if flags.damage_checks { Checks::Damage } else { Checks::Library };
    let source = Source {
        role: Role::List,
        location: location.clone(),
        wants: NormaliseFile::wants(&flags.phone_column, flags.country_column.as_deref()),
        limits: Limits::STANDARD,
    };
    let file = NormaliseFile { source, default, checks };
    let watch = watch()?;
    let counted = match &flags.output {
        None if common.json => {
            let message = "--json says its line on standard output, where the table goes; \
                           give --output";
            return Err(Failure::new(USAGE, message));
        }
        None => pipeline::normalise_file(&file, BufWriter::new(io::stdout()), &watch)?,
        Some(path) => normalise_into(path, &file, &watch)?,
    };
    if !common.quiet {
        tracing::info!(
            rows = counted.rows,
            valid = counted.valid,
            invalid = counted.invalid,
            unparsable = counted.unparsable,
            "normalised"
        );
    }
    let json = json!({
        "rows": counted.rows,
        "valid": counted.valid,
        "invalid": counted.invalid,
        "unparsable": counted.unparsable,
    });
    Ok(Done { lines: Vec::new(), json })
}

/// Writes beside the file and gives it the name at the end: a failure leaves what was there, also
/// where it is the very file that is read.
fn normalise_into(path: &Path, file: &NormaliseFile, watch: &Watch) -> Result<Normalised, Failure> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let failed =
        |error: &io::Error| Failure::new(IO, format!("cannot write {}: {error}", path.display()));
    let out = tempfile::NamedTempFile::new_in(folder.unwrap_or(Path::new(".")))
        .map_err(|error| failed(&error))?;
    let counted = pipeline::normalise_file(file, BufWriter::new(&out), watch)?;
    out.as_file().sync_all().map_err(|error| failed(&error))?;
    out.persist(path).map_err(|error| failed(&error.error))?;
    Ok(counted)
}

pub fn region(code: &str) -> Result<Region, Failure> {
    Region::from_code(code.as_bytes())
        .ok_or_else(|| Failure::new(CONFIG, "a country must be two letters, such as DE"))
}

pub fn explain(flags: &ExplainFlags) -> Result<Done, Failure> {
    let hint = match &flags.country {
        _ if flags.export => Hint::International,
        None => Hint::None,
        Some(code) => Hint::Region(region(code)?),
    };
    let explanation = normalise::explain(&flags.number, hint);
    let mut lines = explanation.expose_steps().to_vec();
    lines.push(match consent::numbers_to_bar(flags.number.as_bytes(), hint) {
        read if read.numbers.is_empty() => {
            "as an opt-out: no reader makes a number of it; the run would stop".to_owned()
        }
        NumbersToBar { numbers, .. } => {
            let classes: Vec<_> = numbers.into_iter().map(Aliases::of).collect();
            let all = classes.iter().flat_map(Aliases::expose_digits);
            let all: BTreeSet<_> = all.map(|digits| format!("+{digits}")).collect();
            let all: Vec<_> = all.into_iter().collect();
            format!("as an opt-out it bars {}", all.join(", "))
        }
    });
    let json = json!({ "steps": lines, "valid": explanation.result.is_ok() });
    Ok(Done { lines, json })
}

pub fn synth(flags: &SynthFlags) -> Result<Done, Failure> {
    let countries = flags.countries.iter().map(|code| region(code)).collect::<Result<_, _>>()?;
    let world = synth::World {
        accounts: flags.accounts,
        list: flags.list,
        opt_outs: flags.opt_outs.unwrap_or(flags.accounts / 100),
        overlap: flags.overlap,
        messy: flags.messy,
        junk: flags.junk,
        denied: flags.denied,
        countries,
        seed: flags.seed,
        night: flags.night,
    };
    synth::write(&world, &flags.out).map_err(|error| {
        let code = match error {
            SynthError::Unwritable { .. } => IO,
            SynthError::Occupied { .. } => EXISTS,
            _ => USAGE,
        };
        Failure::new(code, error.to_string())
    })?;
    let job = flags.out.join("job.toml").display().to_string();
    let lines = vec![format!("phonematch match --job {job}")];
    Ok(Done { lines, json: json!({ "job": job, "folder": flags.out.display().to_string() }) })
}

pub fn keygen(flags: &KeygenFlags) -> Result<Done, Failure> {
    secret::create(&flags.file)?;
    let path = fs::canonicalize(&flags.file).unwrap_or_else(|_| flags.file.clone());
    let path = path.display().to_string();
    Ok(Done { lines: vec![path.clone()], json: json!({ "file": path }) })
}
