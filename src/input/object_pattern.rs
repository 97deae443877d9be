//! Which objects does a pattern mean?
//!
//! As with files, `*` matches neither `/` nor a leading dot, and the objects come in the order of
//! their bytes. A pattern is walked part by part, so that only what it can mean is listed.

use super::error::{InputError, Place};
use super::files::{AS_IN_A_SHELL, WILDCARDS};
use super::{Location, Role};
use crate::store::{ObjectUrl, Store};

/// The objects that a pattern means, sorted; at least one.
pub(super) fn matches(role: Role, url: &ObjectUrl) -> Result<Vec<ObjectUrl>, InputError> {
    let at = Place { role, location: Location::Object(url.clone()) };
    let failed = |cause| at.store_error(cause);
    let parts = parts(&at, url)?;
    let store = Store::open(url).map_err(failed)?;
    let mut prefixes = vec![String::new()];
    let mut keys = vec![];
    for (depth, part) in parts.iter().enumerate() {
        let is_last = depth + 1 == parts.len();
        let mut next = vec![];
        for prefix in &prefixes {
            match part {
                // Nothing to be found out about: whether it is there, the part behind it tells.
                Part::Plain(name) => next.push(below(prefix, name)),
                Part::Pattern(pattern) => {
                    let found = store.list(prefix).map_err(failed)?;
                    let found = if is_last { found.objects } else { found.folders };
                    next.extend(found.into_iter().filter(|key| is_match(pattern, key)));
                }
            }
        }
        match (is_last, part) {
            (false, _) => prefixes = next,
            (true, Part::Pattern(_)) => keys = next,
            (true, Part::Plain(_)) => {
                // A plain name behind a pattern: those that are there.
                for key in next {
                    match store.facts(&key) {
                        Ok(_) => keys.push(key),
                        Err(crate::store::StoreError::NotFound) => {}
                        Err(cause) => return Err(failed(cause)),
                    }
                }
            }
        }
    }
    if keys.is_empty() {
        return Err(InputError::Missing { at });
    }
    keys.sort();
    Ok(keys.into_iter().map(|key| url.with_key(key)).collect())
}

enum Part<'a> {
    Plain(&'a str),
    Pattern(glob::Pattern),
}

fn parts<'a>(at: &Place, url: &'a ObjectUrl) -> Result<Vec<Part<'a>>, InputError> {
    let bad = |what| InputError::BadPattern { at: at.clone(), what };
    let part = |part: &'a str| {
        if !part.contains(WILDCARDS) {
            return Ok(Part::Plain(part));
        }
        if part.contains("**") {
            return Err(bad("** has no meaning in a store; write one part for each folder"));
        }
        glob::Pattern::new(part).map(Part::Pattern).map_err(|cause| bad(cause.msg))
    };
    url.key().split('/').map(part).collect()
}

fn below(prefix: &str, name: &str) -> String {
    if prefix.is_empty() { name.to_owned() } else { format!("{prefix}/{name}") }
}

fn is_match(pattern: &glob::Pattern, key: &str) -> bool {
    let name = key.rsplit('/').next().unwrap_or_default();
    pattern.matches_with(name, AS_IN_A_SHELL)
}
