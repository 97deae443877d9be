//! Which column of whose files serves which field, where names do not say it by themselves.

use std::collections::BTreeMap;

use phonematch::input::{Field, Role};

use super::failure::Failure;
use super::job_file::wrong;

/// A column's name by the files' role and the field.
pub type Columns = BTreeMap<(Role, Field), String>;

pub fn typed_columns(typed: &[String]) -> Result<Columns, Failure> {
    let one = |typed: &String| {
        let (place, name) = typed.split_once('=')?;
        let (role, field) = place.split_once('.')?;
        let role = [Role::Accounts, Role::List, Role::OptOuts]
            .into_iter()
            .find(|known| known.name() == role)?;
        Some(((role, field_named(field)?), name.to_owned()))
    };
    typed
        .iter()
        .map(|typed| {
            one(typed).ok_or_else(|| {
                wrong(format!(
                    "--column takes ROLE.FIELD=NAME with a role of accounts, list, opt_outs \
                     and a field of {}",
                    field_names()
                ))
            })
        })
        .collect()
}

fn field_named(name: &str) -> Option<Field> {
    Field::ALL.into_iter().find(|field| field.name() == name)
}

fn field_names() -> String {
    Field::ALL.map(Field::name).join(", ")
}

/// Columns of one role: those of the file, and over them the typed ones.
pub fn columns(
    role: Role,
    table: &BTreeMap<String, String>,
    typed: &Columns,
) -> Result<BTreeMap<Field, String>, Failure> {
    let mut columns = BTreeMap::new();
    for (name, column) in table {
        let field = field_named(name)
            .ok_or_else(|| wrong(format!("columns: no field {name}; known: {}", field_names())))?;
        columns.insert(field, column.clone());
    }
    let typed = typed.iter().filter(|((of, _), _)| *of == role);
    columns.extend(typed.map(|((_, field), column)| (*field, column.clone())));
    Ok(columns)
}
