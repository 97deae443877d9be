//! What a job file can hold, as its JSON Schema says it.
//!
//! The schema is made from the types that read the file, so a setting that is added there is at
//! once known to editors, to the environment and to `config show`.

use phonematch::policy::PolicyFile;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value};

use super::job_file::JobFile;

/// The draft that the schemas are written in, which editors know.
const DRAFT: &str = "https://json-schema.org/draft/2020-12/schema";

/// How a setting is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Text in quotes.
    Text,
    /// An array of such.
    Texts,
    /// Anything else.
    Other,
}

/// One setting of a job file.
#[derive(Clone, PartialEq, Debug)]
pub struct Setting {
    /// Its name with those of the tables round it: `opt_outs.files`, `lists.country`.
    pub name: String,
    pub kind: Kind,
    /// Whether it names files, relative to where it is written.
    pub is_path: bool,
    /// What holds where nobody says anything.
    pub default: Option<Value>,
}

impl Setting {
    /// All of them: those of the file itself, then table by table.
    pub fn all() -> Vec<Self> {
        let mut settings = Vec::new();
        collect("", &job_schema(), &mut settings);
        settings.sort_by_key(|setting| setting.name.contains('.'));
        settings
    }
}

impl Setting {
    /// The array of all lists, each of whose fields is a setting by itself.
    pub fn lists() -> Self {
        Self { name: "lists".to_owned(), kind: Kind::Other, is_path: true, default: None }
    }
}

fn collect(above: &str, schema: &Value, settings: &mut Vec<Setting>) {
    let properties = schema.get("properties").and_then(Value::as_object);
    for (name, property) in properties.into_iter().flatten() {
        let name = format!("{above}{name}");
        let below = [Some(property), property.get("items")].into_iter().flatten();
        let mut tables = below.filter(|it| it.get("properties").is_some()).peekable();
        if tables.peek().is_none() {
            settings.push(setting(name, property));
            continue;
        }
        tables.for_each(|table| collect(&format!("{name}."), table, settings));
    }
}

fn setting(name: String, property: &Value) -> Setting {
    let is_text = |schema: &Value| {
        let words = schema.get("oneOf").and_then(Value::as_array);
        let is_word = |word: &Value| word["const"].is_string();
        schema["type"] == "string" || words.is_some_and(|words| words.iter().all(is_word))
    };
    let kind = match property.get("items") {
        Some(items) if is_text(items) => Kind::Texts,
        None if is_text(property) => Kind::Text,
        _ => Kind::Other,
    };
    let is_path = property["format"] == "path";
    Setting { name, kind, is_path, default: property.get("default").cloned() }
}

/// The JSON Schema of a job file.
pub fn job_schema() -> Value {
    schema_of::<JobFile>("phonematch job", "What one run is to do.")
}

/// The JSON Schema of a policy file.
pub fn policy_schema() -> Value {
    let about = "What a run may do with people's numbers. Nothing has a default.";
    schema_of::<PolicyFile>("phonematch policy", about)
}

fn schema_of<T: schemars::JsonSchema>(title: &str, about: &str) -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    let mut schema = settings.into_generator().into_root_schema_for::<T>().to_value();
    without_null(&mut schema);
    if let Some(fields) = schema.as_object_mut() {
        for (name, text) in [("$schema", DRAFT), ("title", title), ("description", about)] {
            fields.insert(name.to_owned(), text.into());
        }
    }
    schema
}

/// TOML knows no null, so what may be left out is no more than that.
fn without_null(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            if let Some(Value::Array(types)) = fields.get_mut("type") {
                types.retain(|name| name != "null");
                if let [only] = types.as_slice() {
                    let only = only.clone();
                    fields.insert("type".to_owned(), only);
                }
            }
            if fields.get("default") == Some(&Value::Null) {
                fields.remove("default");
            }
            unwrap_only_choice(fields);
            fields.values_mut().for_each(without_null);
        }
        Value::Array(values) => values.iter_mut().for_each(without_null),
        _ => {}
    }
}

/// `anyOf: [X, null]` is X.
fn unwrap_only_choice(fields: &mut Map<String, Value>) {
    let Some(Value::Array(choices)) = fields.get_mut("anyOf") else { return };
    choices.retain(|choice| choice["type"] != "null");
    if let [Value::Object(only)] = choices.as_mut_slice() {
        let only = std::mem::take(only);
        fields.remove("anyOf");
        // What is said of the field is nearer than what is said of its type.
        for (name, value) in only {
            fields.entry(name).or_insert(value);
        }
    }
}
