//! What the program says of itself to shells and to man(1): `completions` and `man`.

use std::fs;
use std::io;
use std::path::Path;

use clap::builder::Resettable;
use clap::{Command, CommandFactory};
use clap_mangen::Man;
use serde_json::json;

use super::Done;
use super::args::{Arguments, CompletionsFlags, ManFlags};
use super::exit_codes;
use super::failure::{BUG, Failure, IO, USAGE};

const NAME: &str = "phonematch";

/// `completions`: a script that the shell reads.
pub fn completions(flags: &CompletionsFlags) -> Done {
    let mut script = Vec::new();
    clap_complete::generate(flags.shell, &mut Arguments::grammar(), NAME, &mut script);
    let script = String::from_utf8_lossy(&script);
    let json = json!({ "shell": flags.shell.to_string(), "script": script });
    Done { lines: script.lines().map(str::to_owned).collect(), json }
}

/// `man`: a page on standard output, or all of them in a folder.
pub fn man(flags: &ManFlags) -> Result<Done, Failure> {
    // The example keeps its place at the end of a text that is read as a whole, and the exit codes
    // have a section of their own.
    let mut whole = Arguments::command().disable_help_subcommand(true);
    whole = whole.after_help(Resettable::Reset);
    whole.build();
    if let Some(folder) = &flags.out {
        let pages = pages(&whole)?;
        write(folder, &pages)?;
        let names: Vec<_> = pages.into_iter().map(|page| page.file).collect();
        let json = json!({ "folder": folder.display().to_string(), "pages": &names });
        let lines = names.iter().map(|name| folder.join(name).display().to_string()).collect();
        return Ok(Done { lines, json });
    }
    let mut command = &whole;
    for name in &flags.command {
        command = command.find_subcommand(name).ok_or_else(|| {
            Failure::new(USAGE, "there is no such command; `phonematch --help` names them")
        })?;
    }
    let page = page(command)?;
    let json = json!({ "page": page.file, "roff": page.roff });
    Ok(Done { lines: page.roff.lines().map(str::to_owned).collect(), json })
}

/// A manual page and the name of its file.
struct Page {
    file: String,
    roff: String,
}

/// The page of a command and those of the commands under it.
fn pages(command: &Command) -> Result<Vec<Page>, Failure> {
    let mut pages = vec![page(command)?];
    for below in command.get_subcommands() {
        pages.extend(self::pages(below)?);
    }
    Ok(pages)
}

fn page(command: &Command) -> Result<Page, Failure> {
    let name = command.get_display_name().unwrap_or(NAME).to_owned();
    let man = Man::new(command.clone()).title(name.clone()).section("1");
    let mut roff = Vec::new();
    man.render(&mut roff).map_err(|error| Failure::new(BUG, format!("no page: {error}")))?;
    let roff = String::from_utf8_lossy(&roff).into_owned() + &exit_codes::as_roff();
    Ok(Page { file: format!("{name}.1"), roff })
}

fn write(folder: &Path, pages: &[Page]) -> Result<(), Failure> {
    let failed = |path: &Path, error: &io::Error| {
        let message = format!("cannot write {}: {error}; check the folder", path.display());
        Failure::new(IO, message)
    };
    fs::create_dir_all(folder).map_err(|error| failed(folder, &error))?;
    for page in pages {
        let path = folder.join(&page.file);
        fs::write(&path, &page.roff).map_err(|error| failed(&path, &error))?;
    }
    Ok(())
}
