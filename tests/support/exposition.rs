//! Reads Prometheus's text exposition format, version 0.0.4, and takes nothing that the
//! specification does not allow; of what it allows, no timestamps, blank lines and comments, which
//! no file of ours has.

use std::collections::{BTreeMap, BTreeSet};

/// Labels by name.
pub type Labels = BTreeMap<String, String>;

/// One metric family.
#[derive(Debug)]
pub struct Family {
    pub help: String,
    pub samples: Vec<(Labels, f64)>,
}

/// Units and things counted, one of which a name ends in.
const UNITS: [&str; 10] =
    ["info", "code", "seconds", "bytes", "rows", "people", "lists", "passes", "restarts", "alarms"];

/// The families of a page by name.
#[track_caller]
pub fn families(text: &str) -> BTreeMap<String, Family> {
    assert!(text.ends_with('\n') && !text.contains('\r'), "lines end in a line feed");
    let mut families = BTreeMap::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let (name, help) = words(line, "# HELP ");
        assert!(is_name(name, true), "{name}");
        assert!(!help.is_empty() && !help.contains('\\'), "{line}");
        let unit = name.rsplit('_').next().unwrap();
        assert!(name.starts_with("phonematch_") && UNITS.contains(&unit), "{name}");
        let kind = lines.next().expect("a type follows the help");
        assert_eq!(words(kind, "# TYPE "), (name, "gauge"));
        let mut samples = Vec::new();
        while let Some(line) = lines.next_if(|line| !line.starts_with('#')) {
            samples.push(sample(line, name));
        }
        let label_sets: BTreeSet<_> = samples.iter().map(|(labels, _)| labels.clone()).collect();
        assert_eq!(label_sets.len(), samples.len(), "{name} says one thing twice");
        let names = |labels: &Labels| labels.keys().cloned().collect::<Vec<_>>();
        let label_names: BTreeSet<_> = label_sets.iter().map(names).collect();
        assert_eq!(label_names.len(), 1, "{name} has no samples, or of different labels");
        let family = Family { help: help.to_owned(), samples };
        assert!(families.insert(name.to_owned(), family).is_none(), "{name} comes twice");
    }
    families
}

#[track_caller]
fn words<'a>(line: &'a str, start: &str) -> (&'a str, &'a str) {
    let rest = line.strip_prefix(start).unwrap_or_else(|| panic!("no {start}: {line}"));
    rest.split_once(' ').unwrap_or_else(|| panic!("nothing behind the name: {line}"))
}

/// `[a-zA-Z_:][a-zA-Z0-9_:]*` of metrics; labels have no colon.
fn is_name(name: &str, is_metric: bool) -> bool {
    let takes =
        |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || is_metric && byte == b':';
    !name.is_empty() && !name.as_bytes()[0].is_ascii_digit() && name.bytes().all(takes)
}

/// `name{label="value",…} number`
#[track_caller]
fn sample(line: &str, family: &str) -> (Labels, f64) {
    let rest = line.strip_prefix(family).unwrap_or_else(|| panic!("not of {family}: {line}"));
    let mut rest = rest.strip_prefix('{').unwrap_or_else(|| panic!("no labels: {line}"));
    let mut labels = Labels::new();
    loop {
        let (name, quoted) = rest.split_once("=\"").unwrap_or_else(|| panic!("no value: {line}"));
        assert!(is_name(name, false) && !name.starts_with("__"), "{line}");
        let (value, behind) = unquoted(quoted, line);
        assert!(labels.insert(name.to_owned(), value).is_none(), "a label comes twice: {line}");
        match behind.strip_prefix(',') {
            Some(more) => rest = more,
            None => {
                rest = behind;
                break;
            }
        }
    }
    let value = rest.strip_prefix("} ").unwrap_or_else(|| panic!("no end of labels: {line}"));
    let value: f64 = value.parse().unwrap_or_else(|_| panic!("no number: {line}"));
    assert!(value.is_finite() && value >= 0.0, "{line}");
    (labels, value)
}

/// A label's value up to the closing quote, and what is behind it.
#[track_caller]
fn unquoted<'a>(quoted: &'a str, line: &str) -> (String, &'a str) {
    let mut value = String::new();
    let mut chars = quoted.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return (value, &quoted[at + 1..]),
            '\\' => value.push(match chars.next() {
                Some((_, '\\')) => '\\',
                Some((_, '"')) => '"',
                Some((_, 'n')) => '\n',
                _ => panic!("no such escape: {line}"),
            }),
            c => value.push(c),
        }
    }
    panic!("the quote stays open: {line}")
}

/// The value of the sample with these labels and the job's.
#[track_caller]
pub fn value(families: &BTreeMap<String, Family>, name: &str, labels: &[(&str, &str)]) -> f64 {
    let family = families.get(name).unwrap_or_else(|| panic!("no {name} in {families:#?}"));
    let has = |found: &Labels| {
        labels.iter().all(|(name, value)| found.get(*name).is_some_and(|it| it == value))
    };
    let mut found = family.samples.iter().filter(|(found, _)| has(found)).map(|(_, value)| *value);
    let value = found.next().unwrap_or_else(|| panic!("no {labels:?} in {family:#?}"));
    assert!(found.next().is_none(), "several of {labels:?} in {family:#?}");
    value
}
