//! What a policy file looks like to an editor: the parts of its JSON Schema that types do not say.
//!
//! Names come from the constants that the reader itself asks, and what a purpose needs from the
//! table that decides it, so that the two cannot differ.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value, json};

use super::PersonalType;
use super::file::{ACCOUNT_COLUMNS, AccountColumn, LIST_COLUMNS, ListColumn, Parts, RegionCode};
use super::messaging::Tier;
use crate::consent::Purpose;
use crate::input::Field;
use crate::normalise::NumberType;

/// Types that are read from one of a few values, or from text of one form.
macro_rules! written_as {
    ($($of:ty => $name:literal, $schema:expr;)*) => {$(
        impl JsonSchema for $of {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                $name.into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                $schema
            }
        }
    )*};
}

written_as! {
    AccountColumn => "AccountColumn", json_schema!({ "enum": ACCOUNT_COLUMNS.map(Field::name) });
    ListColumn => "ListColumn", json_schema!({ "enum": LIST_COLUMNS.map(Field::name) });
    RegionCode => "RegionCode", json_schema!({ "type": "string", "pattern": "^[A-Za-z]{2}$" });
    PersonalType => "PersonalType", json_schema!({ "enum": number_types() });
    Tier => "Tier", json_schema!({ "enum": Tier::ALL });
}

fn number_types() -> Vec<String> {
    let types = NumberType::ALL.into_iter().map(PersonalType::Type);
    types.chain([PersonalType::NonGeographic]).map(String::from).collect()
}

/// Adds which sections each purpose needs, and which it does not have.
pub(super) fn by_purpose(schema: &mut Schema) {
    let rules: Vec<_> = Purpose::ALL.into_iter().map(rule).collect();
    schema.insert("allOf".to_owned(), rules.into());
}

fn rule(purpose: Purpose) -> Value {
    let parts = Parts::of(purpose);
    let has_floors = parts.list_floors || parts.cells;
    let sections = [
        ("number_types", parts.lists),
        ("recycled_numbers", parts.lists),
        ("most_list_numbers", parts.list_floors),
        ("most_contacts", parts.pairs),
        ("floors", has_floors),
        ("attributes", parts.attributes),
        ("noise", parts.noise),
        ("activity", parts.activity),
        ("messaging", parts.messaging),
    ];
    let needed: Vec<_> = sections.iter().filter(|it| it.1).map(|it| it.0).collect();
    let foreign =
        sections.iter().filter(|it| !it.1).map(|it| (it.0.to_owned(), Value::Bool(false)));
    let mut properties: Map<_, _> = foreign.collect();
    if has_floors {
        let floors = [
            ("list_numbers", parts.list_floors),
            ("matched_people", parts.list_floors),
            ("attribute_cell", parts.cells),
        ];
        let needed: Vec<_> = floors.iter().filter(|it| it.1).map(|it| it.0).collect();
        properties.insert("floors".to_owned(), json!({ "required": needed }));
    }
    if parts.noise && !parts.figures {
        let properties_of_noise = json!({ "properties": { "repeat_below": false } });
        properties.insert("noise".to_owned(), properties_of_noise);
    }
    json!({
        "if": { "properties": { "purpose": { "const": purpose.name() } } },
        "then": { "required": needed, "properties": properties },
    })
}
