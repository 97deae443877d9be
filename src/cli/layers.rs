//! The job file and, over it, the environment: one [`JobFile`], and where each setting is from.
//!
//! Every setting of the job file can stand in a variable too. Its name is the setting's with
//! `PHONEMATCH_` before it, in capitals, a dot for a table being an underscore:
//! `secret.if_missing` is `PHONEMATCH_SECRET_IF_MISSING`. Its value is written as in the job file,
//! where text needs no quotes, and one file no brackets. `PHONEMATCH_LISTS` is the whole array;
//! `PHONEMATCH_LISTS_FILES` makes one list of its files, as `--list` does, and what else is named
//! after a list's setting holds for every list, as the flags do. An empty variable says nothing.
//!
//! Flags stand over both; `job_file` lays them on top. A relative path is relative to where it was
//! written: in the job file to its folder, elsewhere to the folder that one is in.

use std::collections::BTreeMap;
use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::de::{DeTable, DeValue};
use toml::{Table, Value};

use super::failure::{CONFIG, Failure};
use super::job_file::{self, JobFile};
use super::settings::{Kind, Setting};

/// What every variable of ours begins with.
const PREFIX: &str = "PHONEMATCH_";

/// Variables that stand for flags which are no setting of a job.
pub const FLAG_VARIABLES: [&str; 5] = [
    "PHONEMATCH_JOB",
    "PHONEMATCH_JSON",
    "PHONEMATCH_LOG_FORMAT",
    "PHONEMATCH_QUIET",
    "PHONEMATCH_THREADS",
];

/// The job as file and environment give it.
#[derive(Debug, Default)]
pub struct Layers {
    pub job: JobFile,
    /// The folder that the job's relative paths start from.
    pub base: PathBuf,
    /// The job file, where there is one.
    pub file: Option<PathBuf>,
    /// What the file says, by setting: `recipient`, `lists.1.country`.
    pub in_file: BTreeMap<String, Placed>,
    /// What the environment says, by setting; what holds for every list is `lists.country`.
    pub in_environment: BTreeMap<String, Value>,
    /// Variables that look like settings and are none.
    pub strays: Vec<String>,
}

/// A value of a TOML file and its line there, from 1.
#[derive(Clone, Debug, PartialEq)]
pub struct Placed {
    pub value: Value,
    pub line: usize,
}

/// The variable of a setting: `PHONEMATCH_OPT_OUTS_FILES` of `opt_outs.files`.
pub fn variable(setting: &str) -> String {
    format!("{PREFIX}{}", setting.replace('.', "_").to_uppercase())
}

/// What the environment says of a setting; an empty variable says nothing.
pub fn from_environment(setting: &str) -> Option<String> {
    env::var(variable(setting)).ok().filter(|text| !text.trim().is_empty())
}

impl Layers {
    /// Reads the job file, if there is one, and the environment.
    pub fn read(job: Option<&Path>) -> Result<Self, Failure> {
        let variables = env::vars_os()
            .filter(|(name, _)| name.to_str().is_some_and(|name| name.starts_with(PREFIX)));
        Self::of(job, variables.collect())
    }

    fn of(job: Option<&Path>, variables: Vec<(OsString, OsString)>) -> Result<Self, Failure> {
        let mut layers = Self { file: job.map(Path::to_owned), ..Self::default() };
        let mut table = Table::new();
        if let Some(path) = job {
            let read = job_file::read_toml::<JobFile>(path, "job")?;
            layers.in_file = placed(&read.text);
            table = toml::from_str(&read.text).unwrap_or_default();
            layers.job = read.value;
            layers.base = path.parent().map(Path::to_owned).unwrap_or_default();
        }
        layers.read_variables(variables)?;
        if layers.in_environment.is_empty() {
            return Ok(layers);
        }
        // What makes lists comes before what is said of them.
        let (made, said): (Vec<_>, Vec<_>) = layers
            .in_environment
            .iter()
            .partition(|(setting, _)| ["lists", "lists.files"].contains(&setting.as_str()));
        for (setting, value) in made.into_iter().chain(said) {
            lay_over(&mut table, setting, value);
        }
        let every_list = layers.in_environment.iter().filter_map(|(setting, value)| {
            let field = setting.strip_prefix("lists.")?;
            (field != "files").then(|| (field.to_owned(), value.clone()))
        });
        let every_list = Value::Table(every_list.collect()).try_into();
        // Each layer was read by itself before, so both together can be read too.
        layers.job = JobFile::deserialize(table).map_err(|_| wrong("the environment"))?;
        layers.job.every_list = every_list.map_err(|_| wrong("the environment"))?;
        Ok(layers)
    }

    fn read_variables(&mut self, variables: Vec<(OsString, OsString)>) -> Result<(), Failure> {
        let mut settings = Setting::all();
        settings.push(Setting::lists());
        for (name, text) in variables {
            let name = name.to_string_lossy().into_owned();
            let setting = settings.iter().find(|known| variable(&known.name) == name);
            let Some(setting) = setting else {
                self.strays.extend((!FLAG_VARIABLES.contains(&name.as_str())).then_some(name));
                continue;
            };
            let text = text.into_string().map_err(|_| {
                Failure::new(CONFIG, format!("the variable {name} is not UTF-8 text"))
            })?;
            if text.trim().is_empty() {
                continue;
            }
            let value = self.value_of(&text, setting).ok_or_else(|| wrong(&name))?;
            let mut alone = Table::new();
            if setting.name.starts_with("lists.") {
                alone.insert("lists".to_owned(), Value::Array(vec![Value::Table(Table::new())]));
            }
            lay_over(&mut alone, &setting.name, &value);
            JobFile::deserialize(alone).map_err(|error| {
                let message = job_file::without_data(error.message());
                Failure::new(CONFIG, format!("the variable {name} is wrong: {message}"))
            })?;
            self.in_environment.insert(setting.name.clone(), value);
        }
        self.strays.sort();
        Ok(())
    }

    /// The value that a variable's text is, its paths made to be found from the job's folder.
    fn value_of(&self, text: &str, setting: &Setting) -> Option<Value> {
        let is_toml = |opening: &[char]| text.trim_start().starts_with(opening);
        let value = match setting.kind {
            Kind::Text if !is_toml(&['"', '\'']) => Value::String(text.to_owned()),
            Kind::Texts if !is_toml(&['[']) => Value::Array(vec![Value::String(text.to_owned())]),
            _ => value_from(text)?,
        };
        Some(if setting.is_path { self.seen_from_here(value) } else { value })
    }

    fn seen_from_here(&self, value: Value) -> Value {
        match value {
            Value::Array(paths) => {
                Value::Array(paths.into_iter().map(|path| self.seen_from_here(path)).collect())
            }
            Value::Table(mut list) => {
                if let Some(files) = list.remove("files") {
                    list.insert("files".to_owned(), self.seen_from_here(files));
                }
                Value::Table(list)
            }
            Value::String(path) => {
                let is_word =
                    ["-", "auto", "none"].contains(&path.as_str()) || path.contains("://");
                let here = || env::current_dir().ok()?.join(&path).to_str().map(str::to_owned);
                let stays = is_word || self.base.as_os_str().is_empty();
                Value::String(if stays { None } else { here() }.unwrap_or(path))
            }
            other => other,
        }
    }

    /// Where a setting is from, for a message: `line 3 of nightly.toml`; none when it is in neither
    /// layer.
    pub fn place(&self, setting: &str) -> Option<String> {
        if self.in_environment.contains_key(&without_number(setting)) {
            return Some(format!("the variable {}", variable(&without_number(setting))));
        }
        // A table that lacks the field is the place of the mistake then.
        let table = || {
            let (table, _) = setting.rsplit_once('.')?;
            let table = format!("{table}.");
            let first = self.in_file.iter().filter(|(name, _)| name.starts_with(&table));
            first.map(|(_, placed)| placed).min_by_key(|placed| placed.line)
        };
        let placed = self.in_file.get(setting).or_else(table)?;
        Some(format!("line {} of {}", placed.line, self.file.as_ref()?.display()))
    }
}

/// The value that a text is in TOML; none for what is not one value.
fn value_from(text: &str) -> Option<Value> {
    text.trim().parse().ok()
}

fn wrong(named: &str) -> Failure {
    let message = "text as it is, anything else as in the job file";
    Failure::new(CONFIG, format!("the variable {named} is not written as a setting is: {message}"))
}

/// `lists.country` of `lists.2.country`.
pub fn without_number(setting: &str) -> String {
    let is_number = |part: &&str| part.bytes().all(|byte| byte.is_ascii_digit());
    let parts: Vec<_> = setting.split('.').filter(|part| !is_number(part)).collect();
    parts.join(".")
}

/// Gives a setting a value, in every list where it is one of lists.
fn lay_over(table: &mut Table, setting: &str, value: &Value) {
    let Some((first, rest)) = setting.split_once('.') else {
        table.insert(setting.to_owned(), value.clone());
        return;
    };
    if setting == "lists.files" {
        let list = Table::from_iter([(rest.to_owned(), value.clone())]);
        table.insert(first.to_owned(), Value::Array(vec![Value::Table(list)]));
        return;
    }
    if first == "lists" && !table.contains_key(first) {
        return;
    }
    match table.entry(first).or_insert_with(|| Value::Table(Table::new())) {
        Value::Table(inner) => lay_over(inner, rest, value),
        Value::Array(entries) => entries
            .iter_mut()
            .filter_map(Value::as_table_mut)
            .for_each(|entry| lay_over(entry, rest, value)),
        _ => {}
    }
}

/// Every value of a TOML text by its dotted name, entries of arrays of tables counted from 1.
pub fn placed(text: &str) -> BTreeMap<String, Placed> {
    let (document, _) = DeTable::parse_recoverable(text);
    let mut found = BTreeMap::new();
    walk(text, "", document.get_ref(), &mut found);
    found
}

fn walk(text: &str, above: &str, table: &DeTable<'_>, found: &mut BTreeMap<String, Placed>) {
    for (key, value) in table {
        let name = format!("{above}{}", key.get_ref());
        match value.get_ref() {
            DeValue::Table(inner) => walk(text, &format!("{name}."), inner, found),
            DeValue::Array(entries)
                if !entries.is_empty()
                    && entries.iter().all(|entry| entry.get_ref().is_table()) =>
            {
                for (at, entry) in (1..).zip(entries.iter()) {
                    if let DeValue::Table(inner) = entry.get_ref() {
                        walk(text, &format!("{name}.{at}."), inner, found);
                    }
                }
            }
            _ => {
                let before = &text.as_bytes()[..key.span().start.min(text.len())];
                let line = 1 + before.iter().filter(|&&byte| byte == b'\n').count();
                let written = text.get(value.span()).unwrap_or_default();
                let value = value_from(written);
                found.extend(value.map(|value| (name, Placed { value, line })));
            }
        }
    }
}
