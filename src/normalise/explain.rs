//! One number, step by step, for a person who asks why.
//!
//! The steps quote the number. They are for the terminal of whoever typed it and for nothing
//! else; `Debug` shows none of them.

use std::fmt;

use super::digits::Digits;
use super::gate::{self, Gate};
use super::prefix::{self, Outcome};
use super::tables::{Territory, calling_code};
use super::{Checks, E164_TEXT_LEN, Hint, Path, Reading, RejectReason, damage, read_by};

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
        Hint::Region(region) => format!("national spellings are read as {region}'s"),
        Hint::None => "no region is given: only international spellings are read".to_owned(),
    }];
    let screened = damage::screen(text, hint);
    let (text, hint) = match &screened {
        Ok(screened) => (screened.text.as_ref(), screened.hint),
        Err(_) => (text, hint),
    };
    match gate::scan(text.as_bytes(), hint, Checks::Library) {
        Gate::Open(scanned) => {
            let digits = ascii(scanned.digits);
            let plus = if scanned.plus { "international " } else { "" };
            steps.push(format!("the text is a string of {plus}digits: {digits}"));
            if let Ok(reading) = outcome.result {
                say_what_changed(&mut steps, &digits, &reading, hint);
            }
        }
        Gate::TooFew => steps.push("there are too few digits for a number".to_owned()),
        Gate::Closed => steps.push("the text holds more than digits and punctuation".to_owned()),
    }
    steps.push(match outcome.path {
        Path::Fast => "decided by the tables".to_owned(),
        Path::Slow => "decided by the full library (the slow path)".to_owned(),
    });
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

/// What was taken away in front of the number's digits, and what was put there.
fn say_what_changed(steps: &mut Vec<String>, written: &str, reading: &Reading, hint: Hint) {
    let number = text_of(reading);
    let number = number.trim_start_matches('+');
    let same_end = written.bytes().rev().zip(number.bytes().rev()).take_while(|(a, b)| a == b);
    let same_end = same_end.count();
    let (removed, added) =
        (&written[..written.len() - same_end], &number[..number.len() - same_end]);
    let same_start = removed.bytes().zip(added.bytes()).take_while(|(a, b)| a == b).count();
    let (removed, added) = (&removed[same_start..], &added[same_start..]);
    let first_three = format!("{number:0<3}")[..3].parse().unwrap_or(0);
    let code_len = calling_code(first_three).map_or(0, |code| code.len);
    let (code, _) = number.split_at(code_len);
    if !removed.is_empty() {
        let name = match hint {
            Hint::Region(region) if is_dialling_prefix(written, removed, region) => {
                "the international dialling prefix"
            }
            _ => "the national prefix or carrier code",
        };
        steps.push(format!("{name} {removed} is taken away"));
    }
    if !added.is_empty() {
        let rest = added.strip_prefix(code).unwrap_or("");
        let rule = if rest.is_empty() { String::new() } else { format!(", and {rest} by rule") };
        steps.push(format!("the calling code {code} is put in front{rule}"));
    } else {
        steps.push(format!("the calling code is {code}"));
    }
}

fn is_dialling_prefix(written: &str, removed: &str, region: super::Region) -> bool {
    let mut digits = Digits::new();
    if !written.bytes().all(|byte| digits.push(byte & 0xf)) {
        return false;
    }
    let Some(territory) = Territory::of(region) else { return false };
    match prefix::run(territory.idd(), digits) {
        Outcome::Matched(found) => found.end <= removed.len(),
        Outcome::NoMatch | Outcome::Undecided => false,
    }
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

    // libphonenumber's own example number of the United Kingdom.
    const SPELLINGS: [(&str, &str); 4] = [
        ("07400 123456", "the national prefix or carrier code 0 is taken away"),
        ("+44 (0)7400 123456", "the national prefix or carrier code 0 is taken away"),
        ("0044 7400 123456", "the international dialling prefix 00 is taken away"),
        ("7400 123456", "the calling code 44 is put in front"),
    ];

    #[test]
    fn every_change_is_named() {
        let hint = Hint::Region(Region::from_code(b"GB").unwrap());
        for (text, step) in SPELLINGS {
            let explanation = explain(text, hint);
            assert!(explanation.expose_steps().iter().any(|said| said == step), "{step}");
            let last = explanation.expose_steps().last().unwrap();
            assert_eq!(last, "valid: +447400123456 in GB, type MOBILE");
        }
    }

    #[test]
    fn a_refusal_names_its_reason() {
        let explanation = explain("447400123456.0", Hint::International);
        assert_eq!(explanation.expose_steps().last().unwrap(), "rejected: float_suffix");
        assert_eq!(format!("{explanation:?}"), "Explanation(redacted)");
    }
}
