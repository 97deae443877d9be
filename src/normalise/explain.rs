//! One number, step by step, for a person who asks why.
//!
//! The steps quote the number. They are for the terminal of whoever typed it and for nothing
//! else; `Debug` shows none of them.

use std::cell::RefCell;
use std::fmt;

use super::digits::Digits;
use super::gate::{self, Gate, Scanned};
use super::prefix::{self, Outcome};
use super::rules::{self, Step};
use super::tables::{Territory, calling_code};
use super::{Checks, E164_TEXT_LEN, Hint, Path, Reading, RejectReason};
use super::{damage, home_of, read_by, slow};

/// How a text was read.
pub struct Explanation {
    steps: Vec<String>,
    /// The decision, with the checks for damage in front.
    pub result: Result<Reading, RejectReason>,
}

impl Explanation {
    /// The steps in their order, each a sentence that may quote the number.
    #[must_use]
    pub fn expose_steps(&self) -> &[String] {
        &self.steps
    }
}

impl fmt::Debug for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Explanation(redacted)")
    }
}

/// Reads one text as [`read`](super::read) with [`Checks::Damage`] does, and says how.
#[must_use]
pub fn explain(text: &str, hint: Hint) -> Explanation {
    let outcome = read_by(text.as_bytes(), hint, Checks::Damage);
    let mut steps = vec![match hint {
        Hint::International => "digits without a plus are taken as international".to_owned(),
        Hint::Region(region) if home_of(hint).is_none() => format!(
            "{region} is no territory with a numbering plan: only international spellings are read"
        ),
        Hint::Region(region) => format!("national spellings are read as {region}'s"),
        Hint::None => "no region is given: only international spellings are read".to_owned(),
    }];
    match damage::screen(text, hint) {
        Ok(screened) if outcome.result != Err(RejectReason::NulByte) => {
            if screened.hint != hint {
                steps.push("a messenger's address: its digits are international".to_owned());
            }
            say_what_was_read(&mut steps, &screened.text, screened.hint, outcome.path);
            if outcome.result == Err(RejectReason::Placeholder) {
                steps.push("stopped by the checks for damage, behind the reader".to_owned());
            }
        }
        Ok(_) | Err(_) => {
            steps.push("stopped by the checks for damage, before any reader".to_owned());
        }
    }
    steps.push(match &outcome.result {
        Ok(reading) => format!(
            "valid: {} in {}, type {}",
            text_of(reading),
            reading.region,
            reading.kind.name()
        ),
        Err(reason) => format!("rejected: {}", reason.name()),
    });
    Explanation { steps, result: outcome.result }
}

/// What the readers did with a text that the checks let through.
fn say_what_was_read(steps: &mut Vec<String>, text: &str, hint: Hint, path: Path) {
    match gate::scan(text.as_bytes(), hint, Checks::Library) {
        Gate::Open(scanned) => {
            let plus = if scanned.plus { "international " } else { "" };
            let digits = ascii(scanned.digits);
            steps.push(format!("the text is a string of {plus}digits: {digits}"));
            if path == Path::Fast {
                say_what_changed(steps, &scanned, hint);
            }
        }
        Gate::TooFew => steps.push("there are too few digits for a number".to_owned()),
        Gate::Closed => steps.push("the text holds more than digits and punctuation".to_owned()),
    }
    if path == Path::Slow {
        steps.extend(slow::known_steps(text, hint).into_iter().map(str::to_owned));
    }
    steps.push(match path {
        Path::Fast => "decided by the tables".to_owned(),
        Path::Slow => "read by rlibphonenumber, the full library (the slow path)".to_owned(),
    });
}

/// What was taken away from the digits and what was put there: the rules run once more, watched.
fn say_what_changed(steps: &mut Vec<String>, scanned: &Scanned, hint: Hint) {
    let seen = RefCell::new(Vec::new());
    let decision = rules::decide_watched(scanned.digits, scanned.plus, home_of(hint), &seen);
    if decision.is_none() {
        return;
    }
    for step in seen.take() {
        match step {
            Step::DiallingPrefix { digits, len } => {
                let (prefix, _) = split_at(digits, len);
                steps.push(format!("the international dialling prefix {prefix} is taken away"));
            }
            Step::CodeFound(digits) => {
                let len = calling_code(digits.first_three()).map_or(0, |code| code.len);
                steps.push(format!("the calling code is {}", split_at(digits, len).0));
            }
            Step::NationalPrefix { digits, territory } => {
                say_how_a_prefix_went(steps, digits, territory);
            }
            Step::CodeAdded(territory) => {
                let (code, len) = territory.calling_code();
                let (code, _) = split_at(Digits::of_front(u128::from(code), len), len);
                steps.push(format!("the calling code {code} is put in front"));
            }
        }
    }
}

/// A prefix is what its pattern matched, without the part that a rule keeps.
fn say_how_a_prefix_went(steps: &mut Vec<String>, digits: Digits, territory: Territory) {
    let Outcome::Matched(found) = prefix::run(territory.national_prefix(), digits) else { return };
    let rule = territory.transform();
    let by_rule = rules::is_transformed(&found, territory);
    let kept = found.group(usize::from(rule.group)).filter(|_| by_rule);
    let (start, end) = kept.unwrap_or((found.end, found.end));
    let (before, rest) = split_at(digits, start);
    let (kept, rest) = rest.split_at(end - start);
    let (behind, _) = rest.split_at(found.end - end);
    if !before.is_empty() {
        steps.push(format!("the national prefix or carrier code {before} is taken away"));
    }
    if !behind.is_empty() {
        steps.push(format!("{behind} is taken away behind {kept}, which stays"));
    }
    if by_rule && rule.literal_len > 0 {
        let (literal, len) = (rule.literal, rule.literal_len);
        steps.push(format!("{literal:0len$} is put in front by the territory's rule"));
    }
}

fn split_at(digits: Digits, len: usize) -> (String, String) {
    let mut front = ascii(digits);
    let behind = front.split_off(len);
    (front, behind)
}

fn ascii(digits: Digits) -> String {
    digits.iter().map(|digit| char::from(b'0' + digit)).collect()
}

fn text_of(reading: &Reading) -> String {
    let mut buffer = [0; E164_TEXT_LEN];
    reading.number.expose_text(&mut buffer).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::normalise::Region;

    // libphonenumber's own example numbers, and numbers that count up.
    const MOBILE: &str = "valid: +447400123456 in GB, type MOBILE";
    const BEFORE: &str = "stopped by the checks for damage, before any reader";
    const NATIONAL_0: &str = "the national prefix or carrier code 0 is taken away";
    const DIALLED_00: &str = "the international dialling prefix 00 is taken away";
    const IS_44: &str = "the calling code is 44";
    const PUTS_44: &str = "the calling code 44 is put in front";
    const TABLES: &str = "decided by the tables";
    const FULLY: &str = "read by rlibphonenumber, the full library (the slow path)";
    const MORE: &str = "the text holds more than digits and punctuation";
    const EXTENSION: &str = "the extension is dropped";
    const NO_PLAN: &str =
        "UK is no territory with a numbering plan: only international spellings are read";
    const HOME: &str = "";

    /// Every step but the string of digits, and [`HOME`] for whose spellings are read.
    const SPELLINGS: &[(&str, &str, &[&str])] = &[
        ("GB", "07400 123456", &[HOME, NATIONAL_0, PUTS_44, TABLES, MOBILE]),
        ("GB", "+44 (0)7400 123456", &[HOME, IS_44, NATIONAL_0, TABLES, MOBILE]),
        ("GB", "0044 7400 123456", &[HOME, DIALLED_00, IS_44, TABLES, MOBILE]),
        ("GB", "00 44 (0)7400 123456", &[HOME, DIALLED_00, IS_44, NATIONAL_0, TABLES, MOBILE]),
        ("GB", "7400 123456", &[HOME, PUTS_44, TABLES, MOBILE]),
        ("GB", "+447400123456", &[HOME, IS_44, TABLES, MOBILE]),
        (
            "BR",
            "0 15 11 91234-5678",
            &[
                HOME,
                "the national prefix or carrier code 015 is taken away",
                "the calling code 55 is put in front",
                TABLES,
                "valid: +5511912345678 in BR, type MOBILE",
            ],
        ),
        (
            "AR",
            "011 15 2345-6789",
            &[
                HOME,
                NATIONAL_0,
                "15 is taken away behind 11, which stays",
                "9 is put in front by the territory's rule",
                "the calling code 54 is put in front",
                TABLES,
                "valid: +5491123456789 in AR, type MOBILE",
            ],
        ),
        ("GB", "07400 123456 ext. 12", &[HOME, MORE, EXTENSION, FULLY, MOBILE]),
        ("GB", "tel:+44-7400-123456;ext=12", &[HOME, MORE, EXTENSION, FULLY, MOBILE]),
        (
            "US",
            "1-800-FLOWERS",
            &[
                HOME,
                MORE,
                "letters are read as keypad digits",
                FULLY,
                "valid: +18003569377 in US, type TOLL_FREE",
            ],
        ),
        ("GB", "4.47911E+11", &[HOME, BEFORE, "rejected: scientific"]),
        ("GB", "447400123456.0", &[HOME, BEFORE, "rejected: float_suffix"]),
        ("GB", "07400123456; 07400123457", &[HOME, BEFORE, "rejected: multiple_numbers"]),
        ("GB", "", &[HOME, BEFORE, "rejected: empty"]),
        ("UK", "+44 7400 123456", &[NO_PLAN, IS_44, TABLES, MOBILE]),
        ("UK", "07400 123456", &[NO_PLAN, TABLES, "rejected: invalid_country_code"]),
    ];

    #[test]
    fn every_change_is_named() {
        for (country, text, expected) in SPELLINGS {
            let hint = Hint::Region(Region::from_code(country.as_bytes()).unwrap());
            let home = format!("national spellings are read as {country}'s");
            let expected = expected.iter().map(|&step| if step == HOME { &home } else { step });
            let explanation = explain(text, hint);
            let said = explanation.expose_steps().iter().map(String::as_str);
            let said = said.filter(|step| !step.starts_with("the text is a string of"));
            assert_eq!(said.collect::<Vec<_>>(), expected.collect::<Vec<_>>(), "{text}");
        }
    }

    #[test]
    fn a_refusal_names_its_reason() {
        let explanation = explain("447400123456.0", Hint::International);
        assert_eq!(explanation.expose_steps().last().unwrap(), "rejected: float_suffix");
        assert_eq!(format!("{explanation:?}"), "Explanation(redacted)");
    }
}
