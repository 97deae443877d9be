//! Holds a value against a JSON Schema, as far as the schemas of jobs and policies go: the
//! keywords of draft 2020-12 that they use, and no others, which end the test.

use serde_json::Value;

/// Keywords that say nothing of whether a value is taken. `format` is for editors here.
const NOTES: [&str; 6] = ["$schema", "title", "description", "default", "format", "then"];

/// What is wrong with a value, by its place; empty when the schema takes it.
pub fn faults(schema: &Value, value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    check(schema, value, "", &mut found);
    found
}

fn takes(schema: &Value, value: &Value) -> bool {
    faults(schema, value).is_empty()
}

fn check(schema: &Value, value: &Value, at: &str, found: &mut Vec<String>) {
    let keywords = match schema {
        Value::Bool(true) => return,
        Value::Bool(false) => return found.push(format!("{at} may not be there")),
        schema => schema.as_object().unwrap(),
    };
    for (keyword, wanted) in keywords {
        let mut demand = |holds: bool| {
            if !holds {
                found.push(format!("{at} breaks {keyword}: {wanted}"));
            }
        };
        let choices = || wanted.as_array().unwrap().iter();
        match keyword.as_str() {
            note if NOTES.contains(&note) => {}
            "type" => demand(is_a(value, wanted.as_str().unwrap())),
            "const" => demand(value == wanted),
            "enum" => demand(choices().any(|choice| choice == value)),
            "oneOf" => demand(choices().filter(|choice| takes(choice, value)).count() == 1),
            "allOf" => choices().for_each(|part| check(part, value, at, found)),
            "if" => {
                if let Some(then) = keywords.get("then").filter(|_| takes(wanted, value)) {
                    check(then, value, at, found);
                }
            }
            "minimum" => demand(value.as_f64().is_none_or(|it| it >= wanted.as_f64().unwrap())),
            "maximum" => demand(value.as_f64().is_none_or(|it| it <= wanted.as_f64().unwrap())),
            "pattern" => demand(value.as_str().is_none_or(|it| matches(wanted, it))),
            "required" => {
                demand(value.as_object().is_none_or(|fields| {
                    choices().all(|name| fields.contains_key(name.as_str().unwrap()))
                }));
            }
            "items" => {
                for (number, item) in value.as_array().into_iter().flatten().enumerate() {
                    check(wanted, item, &format!("{at}[{number}]"), found);
                }
            }
            "properties" => {
                for (name, field) in value.as_object().into_iter().flatten() {
                    if let Some(property) = wanted.get(name) {
                        check(property, field, &format!("{at}.{name}"), found);
                    }
                }
            }
            "additionalProperties" => {
                for (name, field) in value.as_object().into_iter().flatten() {
                    if schema["properties"].get(name).is_none() {
                        check(wanted, field, &format!("{at}.{name}"), found);
                    }
                }
            }
            unknown => panic!("the schema uses {unknown}, which this check does not know"),
        }
    }
}

fn is_a(value: &Value, kind: &str) -> bool {
    match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        other => panic!("no such type: {other}"),
    }
}

/// The patterns that the schemas use, by name: no need for an engine.
fn matches(pattern: &Value, text: &str) -> bool {
    match pattern.as_str().unwrap() {
        "^[A-Za-z]{2}$" => text.len() == 2 && text.bytes().all(|b| b.is_ascii_alphabetic()),
        "^[A-Za-z0-9._-]{1,64}$" => {
            let plain = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
            (1..=64).contains(&text.len()) && text.bytes().all(plain)
        }
        other => panic!("no such pattern: {other}"),
    }
}
