//! Runs what a `console` block shows as a reader would: in a new folder, in order, in one shell.
//!
//! - `$ ` begins a command and `> ` goes on with it; what stands below is what it prints, on either
//!   stream. A line `...` is any number of lines. Times, sizes of memory, digests and what else is
//!   another one each time are compared by their form only.
//! - A command that fails is followed by `$ echo $?`, so that the page says with what.
//! - A `toml` block whose first line is `# NAME.toml` is that file, saved where the reader is; one
//!   that begins with `# at the end of NAME.toml` is added to it.
//!
//! Each page begins in a checkout: `fixtures` and `examples` are there. `phonematch` is on the PATH.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};

use super::{Block, blocks, is_blessed, named, pages, root};
use crate::support::phonematch;

/// What a reader does.
#[derive(Debug)]
enum Step {
    Save { file: String, text: String },
    Add { file: String, text: String },
    Run { command: String, line: usize, shown: Vec<String> },
}

fn steps(page: &str) -> Vec<Step> {
    let mut found = Vec::new();
    for block in blocks(page) {
        match block.kind.as_str() {
            "console" => commands(&block, &mut found),
            "toml" => {
                let text = block.lines.join("\n") + "\n";
                let first = block.lines.first().map(String::as_str).unwrap_or_default();
                let about = first.strip_prefix("# ").unwrap_or_default();
                let (about, is_more) = match about.strip_prefix("at the end of ") {
                    Some(file) => (file, true),
                    None => (about, false),
                };
                let file = about.split([' ', ';', ':']).next().unwrap_or_default().to_owned();
                assert!(file.ends_with(".toml"), "line {}: no name of a file", block.first);
                found.push(match is_more {
                    true => Step::Add { file, text },
                    false => Step::Save { file, text },
                });
            }
            _ => {}
        }
    }
    found
}

fn commands(block: &Block, found: &mut Vec<Step>) {
    let mut goes_on = false;
    for (at, text) in block.lines.iter().enumerate() {
        let last = found.last_mut();
        if let Some(command) = text.strip_prefix("$ ") {
            let line = block.first + at;
            found.push(Step::Run { command: command.to_owned(), line, shown: Vec::new() });
            goes_on = true;
        } else if let (Some(Step::Run { command, shown, .. }), true) = (last, at > 0) {
            match text.strip_prefix("> ").or((text == ">").then_some("")) {
                Some(more) if goes_on => *command = format!("{command}\n{more}"),
                _ => {
                    goes_on = false;
                    shown.push(text.clone());
                }
            }
        } else {
            panic!("line {}: a block begins with a command", block.first + at);
        }
    }
}

/// The page as one script. Each command leaves its output and its code in files of its number.
fn script(steps: &[Step]) -> String {
    let mut text = String::from("last=0\n");
    for (number, step) in steps.iter().enumerate() {
        let _ = match step {
            Step::Save { file, text: content } => {
                write!(text, "cat > {file} <<'END OF FILE'\n{content}END OF FILE\n")
            }
            Step::Add { file, text: content } => {
                write!(text, "cat >> {file} <<'END OF FILE'\n{content}END OF FILE\n")
            }
            Step::Run { command, .. } => write!(
                text,
                "(exit $last)\n{{ {command}\n}} > \"$DONE/{number}.out\" 2>&1\n\
                 last=$?\necho $last > \"$DONE/{number}.code\"\n"
            ),
        };
    }
    text
}

/// Runs a page and says what is otherwise than it shows.
fn run(page: &Path) -> Vec<String> {
    let text = fs::read_to_string(page).unwrap();
    let steps = steps(&text);
    if !steps.iter().any(|step| matches!(step, Step::Run { .. })) {
        return Vec::new();
    }
    let (folder, done) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for name in ["fixtures", "examples"] {
        symlink(root().join(name), folder.path().join(name)).unwrap();
    }
    let program = phonematch();
    let beside = Path::new(program.get_program()).parent().unwrap();
    let path = format!("{}:{}", beside.display(), std::env::var("PATH").unwrap());
    let mut shell = Command::new("bash");
    // Neither the reader's own settings nor a half-made umask is part of what a page shows.
    for (name, _) in program.get_envs() {
        shell.env_remove(name);
    }
    shell.args(["-c", &format!("umask 022\n{}", script(&steps))]);
    shell.current_dir(folder.path()).env("PATH", path).env("DONE", done.path());
    shell.env("HOME", folder.path()).env("TZ", "UTC").stdin(Stdio::null());
    let status = shell.output().unwrap().status;
    assert!(status.success(), "{}: the shell ended with {status}", named(page));
    compare(page, &text, &steps, done.path())
}

fn compare(page: &Path, text: &str, steps: &[Step], done: &Path) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    // From the last one on, so that lines above stay where they are while a page is written anew.
    for (number, step) in steps.iter().enumerate().rev() {
        let Step::Run { command, line, shown } = step else { continue };
        let read = |kind: &str| fs::read(done.join(format!("{number}.{kind}"))).unwrap();
        let printed = String::from_utf8(read("out")).unwrap();
        let printed: Vec<String> = printed.lines().map(|it| it.trim_end().to_owned()).collect();
        let failed = String::from_utf8(read("code")).unwrap().trim() != "0";
        let next = steps.get(number + 1);
        let is_told = matches!(next, Some(Step::Run { command, .. }) if command == "echo $?");
        if failed && !is_told {
            wrong.push(format!("{}:{} fails:\n{}", named(page), line + 1, printed.join("\n")));
        } else if !fits(shown, &printed) {
            let from = line + command.lines().count();
            if is_blessed() && !shown.iter().any(|it| it == "...") {
                lines.splice(from..from + shown.len(), printed);
                continue;
            }
            let printed = printed.join("\n");
            wrong.push(format!("{}:{} prints\n{printed}\n", named(page), line + 1));
        }
    }
    if is_blessed() {
        fs::write(page, lines.join("\n") + "\n").unwrap();
    }
    wrong
}

/// Whether a page shows what was printed.
fn fits(shown: &[String], printed: &[String]) -> bool {
    match shown.split_first() {
        None => printed.is_empty(),
        Some((first, rest)) if first == "..." => {
            (0..=printed.len()).any(|from| fits(rest, &printed[from..]))
        }
        Some((first, rest)) => printed
            .split_first()
            .is_some_and(|(line, after)| same_form(first) == same_form(line) && fits(rest, after)),
    }
}

/// A line without what is another one each time.
fn same_form(line: &str) -> String {
    let mut words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
    for at in 0..words.len() {
        let bare = words[at].trim_matches(|c: char| !c.is_alphanumeric());
        let is_hex = bare.len() >= 16 && bare.bytes().all(|b| b.is_ascii_hexdigit());
        let is_time = bare.len() >= 20 && bare.as_bytes()[10] == b'T' && bare.ends_with('Z');
        let counts = |unit: &str| words.get(at + 1).is_some_and(|next| next.starts_with(unit));
        let is_measured = bare.bytes().all(|b| b.is_ascii_digit() || b == b'.')
            && ["ms", "MB", "kB"].iter().any(|unit| counts(unit));
        if is_hex || is_time || is_measured {
            words[at] = "~".to_owned();
        }
    }
    words.join(" ")
}

#[test]
fn every_command_of_the_pages_does_what_the_page_shows() {
    let pages = pages();
    let wrong: Vec<String> = std::thread::scope(|scope| {
        let running: Vec<_> = pages.iter().map(|page| scope.spawn(|| run(page))).collect();
        running.into_iter().flat_map(|page| page.join().unwrap()).collect()
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let all = pages.iter().map(|page| fs::read_to_string(page).unwrap());
    let commands: usize = all.map(|text| steps(&text).len()).sum();
    assert!(commands > 60, "only {commands} commands");
}

/// What cannot run in a test (a package manager, a scheduler) stands in a block of kind `sh`; our
/// own command never does.
#[test]
fn what_is_not_run_is_no_command_of_ours() {
    for page in pages() {
        for block in blocks(&fs::read_to_string(&page).unwrap()) {
            let kinds = ["console", "toml", "text", "sh", "python", "{toctree}"];
            let at = format!("{}:{}", named(&page), block.first);
            assert!(kinds.contains(&block.kind.as_str()), "{at}: {}", block.kind);
            let ours = block.lines.iter().find(|line| line.starts_with("phonematch "));
            assert!(block.kind != "sh" || ours.is_none(), "{at}: {ours:?} is not run");
        }
    }
}

#[test]
fn a_page_that_shows_something_else_is_noticed() {
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    assert!(fits(&lines("a\n...\nd"), &lines("a\nb\nc\nd")));
    assert!(fits(&lines("..."), &[]));
    assert!(fits(&lines("took 18 ms"), &lines("took   7 ms")));
    assert!(!fits(&lines("a\n...\nd"), &lines("a\nb\nc")));
    assert!(!fits(&lines("673 released"), &lines("674 released")));
    assert!(!fits(&[], &lines("a")));
    let page = "```console\n$ cat <<'END'\n> x\n> END\nx\n$ false\n$ echo $?\n1\n```\n";
    let found = steps(page);
    let Step::Run { command, shown, .. } = &found[0] else { panic!("{found:?}") };
    assert_eq!((command.as_str(), shown.as_slice()), ("cat <<'END'\nx\nEND", &lines("x")[..]));
    assert_eq!(found.len(), 3);
}
