//! What an exit code means, why it comes up and what to do about it: `explain-exit`.
//!
//! The codes follow `sysexits.h` of BSD where it has one. Schedulers act on them, so they are an
//! interface: a code keeps its meaning, and the README, the man page and `--help` show this table.

use std::fmt::Write as _;

use serde_json::json;

use super::Done;
use super::args::ExplainExitFlags;
use super::failure::{
    BUG, CONFIG, DATA, EXISTS, Failure, INTERRUPTED, IO, LOCKED, NO_INPUT, SECRET, USAGE,
};

/// Whether the same command may do better without anybody's doing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Retry {
    /// There is nothing to do again.
    Done,
    /// Somebody has to do something first.
    AfterMending,
    /// A scheduler may start it again by itself, after a while.
    ByItself,
}

impl Retry {
    const fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::AfterMending => "after mending",
            Self::ByItself => "by itself",
        }
    }
}

/// One exit code.
#[derive(Debug)]
pub struct ExitCode {
    pub code: u8,
    /// In a few words.
    pub means: &'static str,
    /// What brings it about.
    pub because: &'static str,
    /// What to do next.
    pub next: &'static str,
    pub retry: Retry,
}

/// Every code that the program ends with.
pub const ALL: [ExitCode; 11] = [
    ExitCode {
        code: 0,
        means: "done: the run is published, or was there already",
        because: "The audit has passed and the run folder stands under its name. With --if-exists \
                  skip also where it stood there before; with --dry-run it would stand there, and \
                  nothing does. Of other commands: they did what they say.",
        next: "Nothing. The last line of standard output names the run folder.",
        retry: Retry::Done,
    },
    ExitCode {
        code: USAGE,
        means: "wrong usage: nothing was read",
        because: "A flag is unknown, misspelt or contradicts another one, or neither flags nor job \
                  say what the run needs.",
        next: "Read the message, then `phonematch COMMAND --help`.",
        retry: Retry::AfterMending,
    },
    ExitCode {
        code: DATA,
        means: "a gate on the data failed: nothing was published",
        because: "An input is there and is not what it should be: a damaged file, a missing \
                  column, hashes for numbers, opt-outs that no reader can read or that are far \
                  fewer than last time, a previous run or ledger that was changed, a spent privacy \
                  budget; or an `audit` that found something.",
        next: "Repair or replace the file that the message names; do not start it again before.",
        retry: Retry::AfterMending,
    },
    ExitCode {
        code: NO_INPUT,
        means: "an input is missing, empty, cut or stale: nothing was published",
        because: "An export, a list or the opt-outs did not arrive, arrived cut, or are older \
                  than the policy allows; or the ledger of the previous run is not there.",
        next: "Bring the file that the message names; a scheduler may wait for it.",
        retry: Retry::AfterMending,
    },
    ExitCode {
        code: BUG,
        means: "a bug, or the run failed its own audit: nothing was published",
        because: "The program found itself wrong: what it wrote is not what it promised, one of \
                  its own canary opt-outs came through, or it stumbled. A staging folder that \
                  something else writes to ends here too.",
        next: "Keep the message and the inputs, and report it. Publish nothing by hand.",
        retry: Retry::AfterMending,
    },
    ExitCode {
        code: EXISTS,
        means: "the run folder is there already, or something else in its place",
        because: "The run was published before, or the place is taken.",
        next: "Name another folder with --out; or say --if-exists skip, or replace.",
        retry: Retry::AfterMending,
    },
    ExitCode {
        code: IO,
        means: "reading or writing failed: retry",
        because: "A disk is full, a file system went away, the opt-outs kept changing while the \
                  run went on.",
        next: "Check space and permissions; starting it again is safe.",
        retry: Retry::ByItself,
    },
    ExitCode {
        code: LOCKED,
        means: "another run holds the place: retry",
        because: "A run that began before writes the same run folder or charges the same ledger.",
        next: "Wait for it to end; then start again. A run that was killed holds nothing.",
        retry: Retry::ByItself,
    },
    ExitCode {
        code: SECRET,
        means: "the secret cannot be read, or others can read it; or a store refuses us",
        because: "The secret file is missing, is no secret, or has a mode that lets group or \
                  others in. Or an object store refuses the credentials of the environment.",
        next: "chmod 600 the file, or name the right one; `phonematch keygen FILE` makes one. A \
               new secret makes new tokens. For a store, check its variables and the bucket's \
               policy.",
        retry: Retry::AfterMending,
    },
    ExitCode {
        code: CONFIG,
        means: "the job or the policy is wrong",
        because: "A field is misspelt, missing or contradicts another one.",
        next: "Mend the line that the message names; `phonematch config show --job FILE` shows \
               what is in force.",
        retry: Retry::AfterMending,
    },
    ExitCode {
        code: INTERRUPTED,
        means: "interrupted: nothing was published",
        because: "Somebody pressed Ctrl-C, or the process was told to end (SIGTERM, SIGHUP).",
        next: "Start it again; it left nothing behind.",
        retry: Retry::ByItself,
    },
];

/// A shell tells a child that a signal ended as 128 and the signal's number.
const SIGNALS: [(u8, &str, &str); 3] = [
    (134, "SIGABRT", "The process gave up: memory that the system did not have, or a bug."),
    (137, "SIGKILL", "Most often the system or the container was out of memory."),
    (143, "SIGTERM", "It was told to end before it could listen for that."),
];

/// `explain-exit`: one code, or all of them.
pub fn explain(flags: &ExplainExitFlags) -> Result<Done, Failure> {
    let Some(asked) = flags.code else {
        let lines = ALL.iter().map(|one| format!("{:>4}  {}", one.code, one.means)).collect();
        return Ok(Done { lines, json: json!({ "codes": ALL.each_ref().map(as_json) }) });
    };
    if let Some(code) = ALL.iter().find(|known| known.code == asked) {
        return Ok(Done { lines: text_of(code), json: as_json(code) });
    }
    if let Some((_, signal, because)) = SIGNALS.iter().find(|(code, ..)| *code == asked) {
        let lines = vec![
            format!("{asked}: killed by {signal}; nothing was published"),
            format!("why:    {because}"),
            "do:     start it again; the old run is whole, and what it staged is cleared"
                .to_owned(),
        ];
        return Ok(Done { lines, json: json!({ "code": asked, "signal": signal }) });
    }
    let known: Vec<_> = ALL.iter().map(|known| known.code.to_string()).collect();
    let message =
        format!("phonematch does not end with that code; its own are {}", known.join(" "));
    Err(Failure::new(USAGE, message))
}

fn text_of(code: &ExitCode) -> Vec<String> {
    vec![
        format!("{}: {}", code.code, code.means),
        format!("why:    {}", code.because),
        format!("do:     {}", code.next),
        format!("retry:  {}", code.retry.name()),
    ]
}

fn as_json(code: &ExitCode) -> serde_json::Value {
    json!({
        "code": code.code,
        "means": code.means,
        "because": code.because,
        "next": code.next,
        "retry": code.retry.name(),
    })
}

/// The table as `.SH "EXIT STATUS"` of a man page (man(7)).
pub fn as_roff() -> String {
    let mut text = String::from(".SH \"EXIT STATUS\"\n");
    for code in &ALL {
        let means = code.means.replace('-', "\\-");
        let _ = writeln!(text, ".TP\n.B {}\n{means}.", code.code);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_ascend_and_each_says_what_to_do() {
        assert!(ALL.windows(2).all(|two| two[0].code < two[1].code));
        assert!(ALL.iter().all(|code| code.next.ends_with('.') && code.because.ends_with('.')));
    }

    #[test]
    fn help_names_every_code() {
        let help = crate::cli::args::EXIT_CODES;
        for code in &ALL {
            assert!(help.split([' ', '\n', ',']).any(|word| word == code.code.to_string()));
        }
    }
}
