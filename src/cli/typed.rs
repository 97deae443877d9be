//! Which flags were given, by whom, and over which setting of a job they stand.

use clap::parser::ValueSource;
use clap::{ArgMatches, Command};

use super::layers::{self, Layers};

/// A flag that has a value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Given {
    /// `--out`
    pub flag: String,
    /// The setting that it stands over, or its own name.
    pub setting: String,
    /// What was typed, or stands in the variable, or holds by default.
    pub values: Vec<String>,
    pub by: By,
}

/// Who gave a flag its value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum By {
    Typing,
    Variable,
    Default,
}

/// Flags whose setting has another name.
const SETTINGS: [(&str, &str); 8] = [
    ("accounts", "accounts.files"),
    ("default-country", "lists.country"),
    ("list", "lists.files"),
    ("opt-outs", "opt_outs.files"),
    ("opt-outs-country", "opt_outs.country"),
    ("phones", "lists.phones"),
    ("secret-fd", "secret.file"),
    ("secret-file", "secret.file"),
];

impl Given {
    /// Every flag of the command that was typed.
    pub fn all(grammar: &Command, matches: &ArgMatches) -> Vec<Self> {
        let (mut command, mut matches) = (grammar, matches);
        while let Some((name, below)) = matches.subcommand() {
            let Some(found) = command.find_subcommand(name) else { break };
            (command, matches) = (found, below);
        }
        let given = command.get_arguments().filter_map(|argument| {
            let (id, long) = (argument.get_id().as_str(), argument.get_long()?);
            let by =
                match matches.try_contains_id(id).ok().and_then(|_| matches.value_source(id))? {
                    ValueSource::CommandLine => By::Typing,
                    ValueSource::EnvVariable => By::Variable,
                    _ => By::Default,
                };
            let raw = matches.get_raw(id).into_iter().flatten();
            let values = raw.map(|value| value.to_string_lossy().into_owned()).collect();
            let known = SETTINGS.iter().find(|(flag, _)| *flag == long);
            let setting = known.map_or_else(|| long.replace('-', "_"), |it| it.1.to_owned());
            Some(Self { flag: format!("--{long}"), setting, values, by })
        });
        given.collect()
    }
}

/// Where a setting is from: a flag, else a layer below.
pub fn place(given: &[Given], layers: &Layers, setting: &str) -> Option<String> {
    let wanted = layers::without_number(setting);
    // A list's own recipient is what the flag for all of them replaces.
    let wanted = if wanted == "lists.recipient" { "recipient" } else { &wanted };
    let typed = given.iter().find(|given| given.setting == wanted && given.by == By::Typing);
    typed.map(|given| format!("the flag {}", given.flag)).or_else(|| layers.place(setting))
}
