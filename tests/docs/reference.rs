//! The tables of the reference, made from what they are about: the committed schemas, the program's
//! own help and exit codes, the names that the library knows. Between `<!-- begin: NAME -->` and
//! `<!-- end: NAME -->` a page holds what a function here writes, and nothing by hand.

use std::fmt::Write as _;
use std::fs;

use phonematch::consent::{Consent, Signal};
use phonematch::input::Field;
use serde_json::Value;

use super::{must_be, pages, root};
use crate::support::{finish, phonematch};

/// Writes a part of a page.
type Part = fn() -> String;

/// What may stand in a page under its name.
const PARTS: [(&str, Part); 10] = [
    ("job", job),
    ("policy", policy),
    ("purposes of a policy", purposes),
    ("commands", commands),
    ("exit codes", exit_codes),
    ("columns", columns),
    ("words of consent", words),
    ("reasons to reject", || documented("src/normalise/reason.rs", "RejectReason")),
    ("reasons to bar", || documented("src/consent/mod.rs", "BarReason")),
    ("reasons to withhold", || documented("src/privacy/mod.rs", "WithholdReason")),
];

#[test]
fn the_reference_is_what_schemas_program_and_library_say() {
    let mut written = Vec::new();
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        let (mut current, mut rest) = (String::new(), text.as_str());
        while let Some((before, after)) = rest.split_once("<!-- begin: ") {
            let (name, body) = after.split_once(" -->\n").unwrap();
            let end = format!("<!-- end: {name} -->\n");
            let (_, behind) = body.split_once(&end).unwrap_or_else(|| panic!("no {end}"));
            let part = PARTS.iter().find(|(known, _)| *known == name);
            let (known, part) = part.unwrap_or_else(|| panic!("no part is called {name}"));
            written.push(*known);
            let _ = write!(current, "{before}<!-- begin: {name} -->\n\n{}\n{end}", part());
            rest = behind;
        }
        must_be(&page, &(current + rest));
    }
    written.sort_unstable();
    let mut all = PARTS.map(|(name, _)| name);
    all.sort_unstable();
    assert_eq!(written, all, "each part stands in one page");
}

fn schema(what: &str) -> Value {
    let path = root().join(format!("fixtures/schemas/{what}.schema.json"));
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

fn said(arguments: &[&str]) -> String {
    finish(phonematch().args(arguments)).must_end_with(0).stdout
}

/// Text for a cell: one line, no bar, and `<` not taken for a tag.
fn cell(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    line.replace('|', "\\|").replace('<', "&lt;")
}

/// The words of a `oneOf`, or of an `enum`, each with its meaning where it has one.
fn choices(schema: &Value) -> Option<String> {
    let one_of = schema["oneOf"].as_array().into_iter().flatten().map(|choice| {
        let about = choice["description"].as_str().unwrap_or_default();
        format!("`{}`: {}", choice["const"].as_str().unwrap(), cell(about))
    });
    let plain = schema["enum"].as_array().into_iter().flatten();
    let plain = plain.map(|word| format!("`{}`", word.to_string().replace('"', "")));
    let all: Vec<_> = one_of.chain(plain).collect();
    let separator = if schema["oneOf"].is_array() { "<br>" } else { ", " };
    (!all.is_empty()).then(|| all.join(separator))
}

/// What a setting takes.
fn takes(schema: &Value) -> String {
    if let Some(words) = choices(schema) {
        return words;
    }
    let least = schema["minimum"].as_u64().map(|least| format!(", {least} or more"));
    let most = schema["maximum"].as_u64().map(|most| format!(", at most {most}"));
    let bounds = least.unwrap_or_default() + &most.unwrap_or_default();
    match schema["type"].as_str().unwrap_or_default() {
        "array" => match schema["items"]["type"].as_str() {
            _ if choices(&schema["items"]).is_some() => {
                format!("array of<br>{}", choices(&schema["items"]).unwrap())
            }
            Some("object") => "tables".to_owned(),
            _ => format!("array of {}", takes(&schema["items"])),
        },
        "string" if schema["pattern"] == "^[A-Za-z]{2}$" => "two letters".to_owned(),
        "string" if schema["pattern"].is_string() => "1 to 64 of `A-Z a-z 0-9 . _ -`".to_owned(),
        "string" if schema["format"] == "path" => "path".to_owned(),
        "string" => "text".to_owned(),
        "integer" => format!("whole number{bounds}"),
        "number" => format!("number{bounds}"),
        "boolean" => "`true` or `false`".to_owned(),
        "object" => "table of texts".to_owned(),
        other => panic!("no words for {other}: {schema}"),
    }
}

/// A table of a schema's settings and, under headings of their own, those of the tables in it.
fn tables(
    schema: &Value,
    heading: &str,
    name: &str,
    row: &dyn Fn(&str, &Value, &Value) -> String,
) -> String {
    let properties = schema["properties"].as_object().unwrap();
    let fields = |field: &Value| field.get("properties").is_some();
    let is_table = |field: &Value| fields(field) || fields(&field["items"]);
    let mut text = format!("{heading}\n|---|---|---|---|\n");
    for (setting, field) in properties.iter().filter(|(_, field)| !is_table(field)) {
        let path = if name.is_empty() { setting.clone() } else { format!("{name}.{setting}") };
        text += &row(&path, field, schema);
    }
    for (table, field) in properties.iter().filter(|(_, field)| is_table(field)) {
        let path = if name.is_empty() { table.clone() } else { format!("{name}.{table}") };
        let (open, close) = if fields(field) { ("[", "]") } else { ("[[", "]]") };
        let about = cell(field["description"].as_str().unwrap_or_default());
        let inner = if fields(field) { field } else { &field["items"] };
        let _ = write!(text, "\n## `{open}{path}{close}`\n\n{about}\n\n");
        text += &tables(inner, heading, &path, row);
    }
    text
}

fn job() -> String {
    let row = |path: &str, field: &Value, _: &Value| {
        let setting = path.rsplit('.').next().unwrap();
        let variable = format!("PHONEMATCH_{}", path.replace('.', "_").to_uppercase());
        let default = field.get("default").filter(|it| it.is_string() || it.is_boolean());
        let default = default.map(|it| format!(" Default `{}`.", it.to_string().trim_matches('"')));
        let about = cell(field["description"].as_str().unwrap()) + &default.unwrap_or_default();
        format!("| `{setting}` | {} | {about} | `{variable}` |\n", takes(field))
    };
    tables(&schema("job"), "| setting | takes | meaning | variable |", "", &row)
}

fn policy() -> String {
    let row = |path: &str, field: &Value, table: &Value| {
        let setting = path.rsplit('.').next().unwrap();
        let needed = table["required"].as_array().into_iter().flatten();
        let needed = needed.into_iter().any(|name| name == setting);
        let needed = if needed { "yes" } else { "by purpose" };
        let about = cell(field["description"].as_str().unwrap_or_default());
        format!("| `{setting}` | {} | {about} | {needed} |\n", takes(field))
    };
    tables(&schema("policy"), "| field | takes | meaning | needed |", "", &row)
}

/// Which purpose needs which field, and which it refuses.
fn purposes() -> String {
    let schema = schema("policy");
    let rules = schema["allOf"].as_array().unwrap();
    let names = rules.iter().map(|rule| rule["if"]["properties"]["purpose"]["const"].as_str());
    let names: Vec<_> = names.map(|name| format!("`{}`", name.unwrap())).collect();
    let mut text =
        format!("| field | {} |\n|---|{}\n", names.join(" | "), "---|".repeat(names.len()));
    let is_in =
        |list: &Value, name: &str| list.as_array().into_iter().flatten().any(|field| field == name);
    let mut line =
        |shown: &str, needs: &dyn Fn(&Value) -> bool, refuses: &dyn Fn(&Value) -> bool| {
            let word = |rule: &Value| match (needs(&rule["then"]), refuses(&rule["then"])) {
                (true, _) => "needed",
                (_, true) => "refused",
                _ => "may stand",
            };
            let cells: Vec<_> = rules.iter().map(word).collect();
            let _ = writeln!(text, "| {shown} | {} |", cells.join(" | "));
        };
    for name in schema["properties"].as_object().unwrap().keys() {
        let always = is_in(&schema["required"], name);
        line(&format!("`{name}`"), &|then| always || is_in(&then["required"], name), &|then| {
            then["properties"][name] == false
        });
    }
    for name in schema["properties"]["floors"]["properties"].as_object().unwrap().keys() {
        line(
            &format!("`floors.{name}`"),
            &|then| is_in(&then["properties"]["floors"]["required"], name),
            &|then| then["properties"]["floors"] != Value::Null,
        );
    }
    text
}

fn commands() -> String {
    let whole = said(&["--help"]);
    let listed = whole.lines().skip_while(|line| !line.starts_with("Commands:")).skip(1);
    let listed = listed.take_while(|line| line.starts_with("  "));
    let names = listed.filter(|line| !line.starts_with("   "));
    let names = names.filter_map(|line| line.split_whitespace().next());
    let mut text = format!("## phonematch\n\n```text\n{}\n```\n", whole.trim_end());
    for name in names.filter(|name| *name != "help") {
        let mut chapters = vec![vec![name]];
        if name == "config" {
            chapters.extend([vec![name, "show"], vec![name, "schema"]]);
        }
        for chapter in chapters {
            let help = said(&[chapter.as_slice(), &["--help"]].concat());
            // What every command takes stands at the top.
            let own = help.split("\nFlags of every command:").next().unwrap().trim_end();
            let _ = write!(text, "\n## {}\n\n```text\n{own}\n```\n", chapter.join(" "));
        }
    }
    text
}

fn exit_codes() -> String {
    let all: Value = serde_json::from_str(said(&["explain-exit", "--json"]).trim()).unwrap();
    let mut text = String::from("| code | means | a scheduler tries again |\n|---|---|---|\n");
    let codes = all["codes"].as_array().unwrap();
    let of = |code: &Value, field: &str| cell(code[field].as_str().unwrap());
    for code in codes {
        let (means, retry) = (of(code, "means"), of(code, "retry"));
        let _ = writeln!(text, "| [{0}](#exit-{0}) | {means} | {retry} |", code["code"]);
    }
    for code in codes {
        let (because, next) = (of(code, "because"), of(code, "next"));
        let _ = write!(text, "\n## Exit {}\n\n{because}\n\n*What to do:* {next}\n", code["code"]);
    }
    text
}

/// The columns by role, as policies name them, and the names under which each is found.
fn columns() -> String {
    let schema = schema("policy");
    let of_role = |role: &str, field: Field| {
        let names = &schema["properties"]["columns"]["properties"][role]["items"]["enum"];
        names.as_array().unwrap().iter().any(|name| name == field.name())
    };
    // Of opt-outs a policy names no columns: all that mean anything are read.
    let of_opt_outs = [Field::Phone, Field::PhoneSha256, Field::Country, Field::Purpose];
    let mut text = String::from(
        "| field | accounts | list | opt-outs | found under these names |\n|---|---|---|---|---|\n",
    );
    for field in Field::ALL {
        let is_signal = Signal::of_field(field).is_some();
        let roles = [
            of_role("accounts", field) || is_signal,
            of_role("list", field),
            of_opt_outs.contains(&field),
        ];
        if !roles.contains(&true) {
            continue;
        }
        let roles = roles.map(|read| if read { "yes" } else { "" }).join(" | ");
        let names: Vec<_> = field.synonyms().iter().map(|name| format!("`{name}`")).collect();
        let names =
            if names.is_empty() { "`consent_<purpose>`".to_owned() } else { names.join(", ") };
        let _ = writeln!(text, "| `{}` | {roles} | {names} |", field.name());
    }
    text
}

fn words() -> String {
    let all = |what: Consent| {
        let words = Consent::spellings().filter(|(_, says)| *says == what);
        words.map(|(word, _)| format!("`{word}`")).collect::<Vec<_>>().join(", ")
    };
    let rows = [("yes", Consent::Granted), ("no", Consent::Denied), ("nothing", Consent::Blank)];
    let rows = rows.map(|(says, what)| format!("| {says} | {} |\n", all(what)));
    format!("| a cell says | in any of these words |\n|---|---|\n{}", rows.concat())
}

/// The values of an enumeration as reports name them, with what its declaration says of each.
fn documented(file: &str, name: &str) -> String {
    let source = fs::read_to_string(root().join(file)).unwrap();
    let body = source.split_once(&format!("pub enum {name} {{\n")).unwrap().1;
    let body = body.split_once("\n}").unwrap().0;
    let names = source.split_once(&format!("impl {name} {{")).unwrap().1;
    let mut text = String::from("| reason | means |\n|---|---|\n");
    let mut about = String::new();
    for line in body.lines().map(str::trim) {
        if let Some(more) = line.strip_prefix("///") {
            about += more;
        } else if let Some(variant) = line.strip_suffix(',') {
            let (_, behind) = names.split_once(&format!("Self::{variant} => \"")).unwrap();
            let (word, _) = behind.split_once('"').unwrap();
            let _ = writeln!(text, "| `{word}` | {} |", cell(&about));
            about.clear();
        }
    }
    text
}
