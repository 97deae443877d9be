//! `config`: what a job comes to, and what a file can hold.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value as Json, json};
use toml::Value;

use super::Done;
use super::args::{
    Common, ConfigCommand, ConfigFlags, LogFormat, MatchFlags, SchemaFlags, SchemaOf,
};
use super::failure::{BUG, Failure};
use super::job_file;
use super::layers::{self, Layers, Placed, variable, without_number};
use super::settings::{self, Setting};
use super::typed::{By, Given};

pub fn config(flags: &ConfigFlags, common: &Common) -> Result<Done, Failure> {
    match &flags.command {
        ConfigCommand::Show(flags) => show(flags, common),
        ConfigCommand::Schema(flags) => schema(flags),
    }
}

fn schema(flags: &SchemaFlags) -> Result<Done, Failure> {
    let schema = match flags.what {
        SchemaOf::Job => settings::job_schema(),
        SchemaOf::Policy => settings::policy_schema(),
    };
    let text = serde_json::to_string_pretty(&schema)
        .map_err(|error| Failure::new(BUG, format!("the schema cannot be written: {error}")))?;
    Ok(Done { lines: text.lines().map(str::to_owned).collect(), json: json!({ "schema": schema }) })
}

/// One setting, its value as TOML writes it, and where that is from.
struct Row {
    setting: String,
    value: Option<Json>,
    from: From,
}

enum From {
    Flag(String),
    Variable(String),
    File { file: PathBuf, line: usize },
    Default,
    Unset,
}

fn show(flags: &MatchFlags, common: &Common) -> Result<Done, Failure> {
    let layers = Layers::read(flags.job.as_deref())?;
    let mut rows = job_rows(flags, &layers);
    rows.extend(common_rows(flags, common));
    let policy = policy_of(flags, &layers);
    if let Some(policy) = policy.as_deref().filter(|policy| policy.exists()) {
        rows.extend(policy_rows(policy)?);
    }
    let mut lines = text_of(&rows);
    let strays = layers.strays.iter().map(|name| format!("{name} is set and is no setting"));
    lines.extend(strays);
    let json = json!({
        "settings": rows.iter().map(Row::as_json).collect::<Vec<_>>(),
        "unknown_variables": layers.strays,
    });
    Ok(Done { lines, json })
}

/// Every setting of the job file, those of lists once for each list.
fn job_rows(flags: &MatchFlags, layers: &Layers) -> Vec<Row> {
    let replaced = |setting: &str| {
        let typed = flags.given.iter().any(|given| given.setting == setting);
        typed || layers.in_environment.contains_key(setting)
    };
    let listed = layers
        .in_file
        .keys()
        .filter_map(|name| name.strip_prefix("lists.")?.split('.').next()?.parse::<usize>().ok());
    // Lists that are named elsewhere take the place of all in the file.
    let array = layers.in_environment.get("lists").and_then(Value::as_array);
    let one = replaced("lists.files");
    let is_replaced = one || array.is_some();
    let lists = match (one, array) {
        (true, _) => 1,
        (false, Some(array)) => array.len(),
        (false, None) => listed.max().unwrap_or(0),
    };
    let mut rows = Vec::new();
    for setting in Setting::all() {
        let Some(field) = setting.name.strip_prefix("lists.") else {
            rows.extend(rows_of(&setting, &setting.name, flags, layers, true));
            continue;
        };
        for list in 1..=lists {
            let name = format!("lists.{list}.{field}");
            rows.extend(rows_of(&setting, &name, flags, layers, !is_replaced));
        }
    }
    rows
}

/// The rows of a setting: one, or one for each column where it is a table of columns.
fn rows_of(
    setting: &Setting,
    name: &str,
    flags: &MatchFlags,
    layers: &Layers,
    is_in_file: bool,
) -> Vec<Row> {
    let row = |value: Option<Json>, from| vec![Row { setting: name.to_owned(), value, from }];
    let typed = flags.given.iter().find(|given| given.setting == setting.name);
    if let Some(given) = typed.filter(|given| given.by == By::Typing) {
        return row(Some(values(given)), From::Flag(given.flag.clone()));
    }
    if let Some(value) = layers.in_environment.get(&setting.name) {
        return row(Some(as_json(value)), From::Variable(variable(&setting.name)));
    }
    if let Some(value) = in_array(name, layers) {
        return row(Some(as_json(value)), From::Variable(variable("lists")));
    }
    let below = format!("{name}.");
    let in_file = layers.in_file.iter().filter(|_| is_in_file);
    let in_file = in_file.filter(|(known, _)| *known == name || known.starts_with(&below));
    let file = layers.file.clone().unwrap_or_default();
    let mut rows: Vec<_> = in_file.map(|(name, placed)| Row::placed(name, placed, &file)).collect();
    let columns = column_flags(flags, name);
    rows.retain(|row| columns.iter().all(|typed| typed.setting != row.setting));
    rows.extend(columns);
    match (rows.is_empty(), &setting.default) {
        (false, _) => rows,
        (true, Some(default)) => row(Some(default.clone()), From::Default),
        (true, None) => row(None, From::Unset),
    }
}

/// What the variable with the whole array says of a setting of one list.
fn in_array<'a>(name: &str, layers: &'a Layers) -> Option<&'a Value> {
    if layers.in_environment.contains_key("lists.files") {
        return None;
    }
    let (number, field) = name.strip_prefix("lists.")?.split_once('.')?;
    let array = layers.in_environment.get("lists")?.as_array()?;
    array.get(number.parse::<usize>().ok()?.checked_sub(1)?)?.get(field)
}

/// `--column list.phone=handy` is `lists.1.columns.phone`, and so for every list.
fn column_flags(flags: &MatchFlags, name: &str) -> Vec<Row> {
    let typed = flags.column.iter().filter_map(|typed| {
        let (place, column) = typed.split_once('=')?;
        let (role, field) = place.split_once('.')?;
        let table = if role == "list" { "lists" } else { role };
        let setting = format!("{name}.{field}");
        (without_number(name) == format!("{table}.columns")).then(|| Row {
            setting,
            value: Some(column.into()),
            from: From::Flag("--column".to_owned()),
        })
    });
    typed.collect()
}

/// The flags that every command has.
fn common_rows(flags: &MatchFlags, common: &Common) -> Vec<Row> {
    let format = match common.log_format {
        LogFormat::Text => "text",
        LogFormat::Json => "json",
    };
    let values: [(&str, Option<Json>); 4] = [
        ("json", Some(common.json.into())),
        ("log_format", Some(format.into())),
        ("quiet", Some(common.quiet.into())),
        ("threads", common.threads.map(Json::from)),
    ];
    let row = |(setting, value): (&str, Option<Json>)| {
        let given = flags.given.iter().find(|given| given.setting == setting);
        let from = match given.map(|given| (given.by, &given.flag)) {
            Some((By::Typing, flag)) => From::Flag(flag.clone()),
            Some((By::Variable, _)) => From::Variable(variable(setting)),
            _ if value.is_some() => From::Default,
            _ => From::Unset,
        };
        Row { setting: setting.to_owned(), value, from }
    };
    values.into_iter().map(row).collect()
}

fn policy_of(flags: &MatchFlags, layers: &Layers) -> Option<PathBuf> {
    let below = || layers.job.policy().map(|policy| layers.base.join(policy));
    flags.policy.clone().or_else(below)
}

/// Every field of the policy file, if it is one.
fn policy_rows(path: &Path) -> Result<Vec<Row>, Failure> {
    job_file::read_toml::<phonematch::policy::PolicyFile>(path, "policy")?;
    let text = fs::read_to_string(path).unwrap_or_default();
    let placed = layers::placed(&text);
    let mut rows: Vec<_> = placed
        .iter()
        .map(|(name, placed)| Row::placed(&format!("policy.{name}"), placed, path))
        .collect();
    rows.sort_by_key(Row::line);
    Ok(rows)
}

/// What was typed: one value, or several as an array.
fn values(given: &Given) -> Json {
    let several = ["accounts.files", "lists.files", "opt_outs.files"];
    match given.values.as_slice() {
        [word] if given.flag == "--dry-run" => (word == "true").into(),
        _ if given.flag == "--secret-fd" => format!("/dev/fd/{}", given.values.join("")).into(),
        [one] if !several.contains(&given.setting.as_str()) => one.as_str().into(),
        all => all.into(),
    }
}

fn as_json(value: &Value) -> Json {
    serde_json::to_value(value).unwrap_or_default()
}

impl Row {
    fn placed(name: &str, placed: &Placed, file: &Path) -> Self {
        let from = From::File { file: file.to_owned(), line: placed.line };
        Self { setting: name.to_owned(), value: Some(as_json(&placed.value)), from }
    }

    const fn line(&self) -> usize {
        match self.from {
            From::File { line, .. } => line,
            _ => 0,
        }
    }

    fn as_json(&self) -> Json {
        let from = match &self.from {
            From::Flag(flag) => json!({ "layer": "flag", "flag": flag }),
            From::Variable(name) => json!({ "layer": "environment", "variable": name }),
            From::File { file, line } => {
                json!({ "layer": "file", "file": file.display().to_string(), "line": line })
            }
            From::Default => json!({ "layer": "default" }),
            From::Unset => json!({ "layer": "unset" }),
        };
        json!({ "setting": self.setting, "value": self.value, "from": from })
    }
}

fn text_of(rows: &[Row]) -> Vec<String> {
    let value = |row: &Row| row.value.as_ref().map_or_else(|| "-".to_owned(), Json::to_string);
    let values: Vec<_> = rows.iter().map(value).collect();
    let widest = |lengths: &mut dyn Iterator<Item = usize>| lengths.max().unwrap_or(0).min(48);
    let setting_width = widest(&mut rows.iter().map(|row| row.setting.len()));
    let value_width = widest(&mut values.iter().map(String::len));
    let line = |(row, value): (&Row, &String)| {
        let from = match &row.from {
            From::Flag(flag) => format!("flag {flag}"),
            From::Variable(name) => format!("variable {name}"),
            From::File { file, line } => format!("{} line {line}", file.display()),
            From::Default => "default".to_owned(),
            From::Unset => "not set".to_owned(),
        };
        format!("{:<setting_width$}  {value:<value_width$}  {from}", row.setting)
    };
    rows.iter().zip(&values).map(line).collect()
}
