//! The slow path: `rlibphonenumber`, exact and some microseconds a number.
//!
//! The one door to that crate. What it decides is what this program decides, except where it was
//! found to differ from Google's algorithm (as the Java original and the Python port have it):
//! there its text is prepared, or the decision is taken here.

use rlibphonenumber::{PHONE_NUMBER_UTIL, ParseError, PhoneNumber, PhoneNumberType};

use super::{E164, Hint, NumberType, Reading, Region, RejectReason};
use crate::digits::append;

/// The version of libphonenumber's metadata that the pinned `rlibphonenumber` carries.
pub const METADATA_VERSION: &str = "9.0.42";

/// libphonenumber's `MAX_INPUT_STRING_LENGTH`, in UTF-16 units as in its Java original; the Rust
/// port lacks the check.
const LONGEST_TEXT: usize = 250;

/// Leading zeros that the port writes.
const MOST_LEADING_ZEROS: i32 = 10;

/// RFC 3966 §3: how a telephone URI begins.
const TEL: &str = "tel:";

/// RFC 3966 §5.1.5: a local number's context, which names its calling code itself.
pub(super) const PHONE_CONTEXT: &str = ";phone-context=";

/// libphonenumber's decision on `text`: parse, then validity, then region and type.
///
/// `default_region` reads national spellings; without one only international spellings count.
pub(super) fn read(text: &str, default_region: Option<Region>) -> Result<Reading, RejectReason> {
    let parsed = parse(text, default_region)?;
    let util = &*PHONE_NUMBER_UTIL;
    let Some(region) = util.get_region_for_number(&parsed) else {
        return Err(RejectReason::InvalidForRegion);
    };
    if !util.is_valid_number(&parsed) {
        return Err(RejectReason::InvalidForRegion);
    }
    let number = digits(&parsed).and_then(E164::mint).ok_or(RejectReason::TooLong)?;
    let kind = number_type(util.get_number_type(&parsed));
    let region = match region {
        rlibphonenumber::Region::World => Region::WORLD,
        // The crate's codes are the two letters as a big-endian integer.
        other => Region::from_bytes((other as u16).to_be_bytes()),
    };
    Ok(Reading { number, region, kind })
}

/// Calling code and national digits of a text that parses, valid number or not.
pub(super) fn parse_only(text: &str, hint: Hint) -> Option<u64> {
    parse_under(text, hint).as_ref().and_then(digits)
}

fn parse_under(text: &str, hint: Hint) -> Option<PhoneNumber> {
    let parsed = match hint {
        Hint::Region(region) => parse(text, Some(region)),
        Hint::None => parse(text, None),
        Hint::International => parse(&super::with_plus(text), None),
    };
    parsed.ok()
}

/// What the library certainly did to a text that parses, as sentences; its other steps it keeps
/// to itself.
pub(super) fn known_steps(text: &str, hint: Hint) -> Vec<&'static str> {
    let Some(parsed) = parse_under(text, hint) else { return Vec::new() };
    let mut steps = Vec::new();
    if parsed.extension.as_ref().is_some_and(|extension| !extension.is_empty()) {
        steps.push("the extension is dropped");
    }
    // A parameter's name is no part of the number, and a context's may be a domain.
    let number = text.find(starts_a_number).and_then(|start| text.get(start..));
    let number = number.and_then(|number| number.split(';').next()).and_then(first_number);
    if number.is_some_and(|number| PHONE_NUMBER_UTIL.is_alpha_number(number)) {
        steps.push("letters are read as keypad digits");
    }
    steps
}

/// The library indexes into the text by the place of `;phone-context=` and panics where `tel:`
/// stands behind it; such a text is refused here before it gets there.
fn parse(text: &str, default_region: Option<Region>) -> Result<PhoneNumber, RejectReason> {
    if text.len() > LONGEST_TEXT && text.encode_utf16().count() > LONGEST_TEXT {
        return Err(RejectReason::TooLong);
    }
    let context = text.find(PHONE_CONTEXT);
    if context.is_some_and(|at| text.find(TEL).is_some_and(|tel| tel + TEL.len() > at)) {
        return Err(RejectReason::NotANumber);
    }
    let text = match context {
        Some(_) => text,
        None => first_number(text).ok_or(RejectReason::NotANumber)?,
    };
    if is_two_digits_and_an_extension(text) {
        return Err(RejectReason::NotANumber);
    }
    let region =
        default_region.and_then(|region| rlibphonenumber::Region::from_code(region.code()).ok());
    let parsed = PHONE_NUMBER_UTIL.parse(text, region).map_err(|error| reject(&error))?;
    // The port writes no more than ten leading zeros, and takes a longer number for a shorter one
    // (`+888` and fifteen zeros). No plan has a number with more.
    if parsed.number_of_leading_zeros.is_some_and(|zeros| zeros > MOST_LEADING_ZEROS) {
        return Err(RejectReason::InvalidForRegion);
    }
    Ok(parsed)
}

fn digits(parsed: &PhoneNumber) -> Option<u64> {
    let national = rlibphonenumber::get_national_significant_number_owned(parsed);
    append(u64::try_from(parsed.country_code).ok()?, national.as_bytes())
}

/// The text up to where libphonenumber sees a second number: the first `[\\/] *x` behind the
/// number's start. The port takes the last one, and starts anew behind a line break.
///
/// The sign itself stays, so that the port finds it and cuts there; `None` for no number at all.
fn first_number(text: &str) -> Option<&str> {
    let start = text.find(starts_a_number).unwrap_or(0);
    let signs = text.char_indices().filter(|&(at, c)| at >= start && matches!(c, '\\' | '/'));
    let mut ends = signs.filter_map(|(at, _)| {
        let rest = text.get(at + 1..)?;
        let spaces = rest.len() - rest.trim_start_matches(' ').len();
        rest.get(spaces..)?.starts_with('x').then_some((at, at + 1 + spaces + 1))
    });
    match ends.next() {
        None => Some(text),
        Some((at, _)) if text.get(start..at)?.contains('\n') => None,
        Some((_, end)) => text.get(..end),
    }
}

/// libphonenumber's pattern of a viable number is `\d{2}` alone **or** three digits and more with
/// an extension; `rlibphonenumber` lets the extension follow two digits as well (`74#3028`).
fn is_two_digits_and_an_extension(text: &str) -> bool {
    let number = match text.find(PHONE_CONTEXT) {
        // The context's digits come first: a plus is no digit.
        Some(at) if text[at + PHONE_CONTEXT.len()..].starts_with('+') => return false,
        Some(at) => {
            let start = text.find(TEL).map_or(0, |tel| tel + TEL.len());
            text.get(start..at)
        }
        None => text.find(starts_a_number).and_then(|start| text.get(start..)),
    };
    let number = number.and_then(|number| number.split(";isub=").next()).unwrap_or("");
    let mut rest = number.chars();
    if !(rest.next().is_some_and(is_decimal_digit) && rest.next().is_some_and(is_decimal_digit)) {
        return false;
    }
    let rest = rest.as_str().trim_start_matches(is_punctuation);
    if rest.starts_with(is_decimal_digit) {
        // `24 - 63#`: the North American form.
        let behind = rest.trim_start_matches(is_decimal_digit);
        return behind.strip_prefix('#').is_some_and(|tail| !tail.contains(is_part_of_a_number));
    }
    rest.contains(|c| c == '#' || is_decimal_digit(c))
}

/// What libphonenumber does not trim from the end of a number; of letters, those that matter.
fn is_part_of_a_number(c: char) -> bool {
    c == '#' || c.is_alphanumeric()
}

/// libphonenumber's `VALID_START_CHAR`.
pub(super) fn starts_a_number(c: char) -> bool {
    matches!(c, '+' | '\u{ff0b}') || is_decimal_digit(c)
}

/// `VALID_PUNCTUATION` of libphonenumber's PhoneNumberUtil, and its star sign.
fn is_punctuation(c: char) -> bool {
    matches!(c,
        '-' | 'x' | '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{30fc}' | '\u{ff0d}'..='\u{ff0f}'
        | ' ' | '\u{a0}' | '\u{ad}' | '\u{200b}' | '\u{2060}' | '\u{3000}' | '(' | ')'
        | '\u{ff08}' | '\u{ff09}' | '\u{ff3b}' | '\u{ff3d}' | '.' | '[' | ']' | '/' | '~'
        | '\u{2053}' | '\u{223c}' | '\u{ff5e}' | '*')
}

/// True for a decimal digit of any script, as libphonenumber takes them.
fn is_decimal_digit(c: char) -> bool {
    c.is_ascii_digit()
        || (!c.is_ascii()
            && c.is_numeric()
            && !PHONE_NUMBER_UTIL.normalize_digits_only(c.encode_utf8(&mut [0; 4])).is_empty())
}

fn reject(error: &ParseError) -> RejectReason {
    match error {
        ParseError::InvalidCountryCode => RejectReason::InvalidCountryCode,
        ParseError::NotANumber(_) => RejectReason::NotANumber,
        ParseError::TooShortAfterIdd => RejectReason::TooShortAfterIdd,
        ParseError::TooShortNsn => RejectReason::TooShort,
        ParseError::TooLongNsn => RejectReason::TooLong,
    }
}

const fn number_type(kind: PhoneNumberType) -> NumberType {
    match kind {
        PhoneNumberType::FixedLine => NumberType::FixedLine,
        PhoneNumberType::Mobile => NumberType::Mobile,
        PhoneNumberType::FixedLineOrMobile => NumberType::FixedLineOrMobile,
        PhoneNumberType::TollFree => NumberType::TollFree,
        PhoneNumberType::PremiumRate => NumberType::PremiumRate,
        PhoneNumberType::SharedCost => NumberType::SharedCost,
        PhoneNumberType::VoIP => NumberType::Voip,
        PhoneNumberType::PersonalNumber => NumberType::PersonalNumber,
        PhoneNumberType::Pager => NumberType::Pager,
        PhoneNumberType::UAN => NumberType::Uan,
        PhoneNumberType::VoiceMail => NumberType::Voicemail,
        PhoneNumberType::Unknown => NumberType::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Texts that `rlibphonenumber` reads otherwise than Google's Java original and Python port,
    /// and their neighbours, which it does not.
    #[test]
    fn corrected_texts_are_decided_as_google_does() {
        let us = Region::from_code(b"US");
        let long = format!("+1 202 555 0123{}", " ".repeat(236));
        for (text, reason) in [
            ("74#3028", RejectReason::NotANumber),
            ("74 ext. 3028", RejectReason::NotANumber),
            ("24 - 63#", RejectReason::NotANumber),
            ("95,", RejectReason::InvalidForRegion),
            ("95;isub=5", RejectReason::InvalidForRegion),
            ("95/x5", RejectReason::InvalidForRegion),
            ("12\n2025550123/x5", RejectReason::NotANumber),
            ("+888000000000000000", RejectReason::InvalidForRegion),
            (".;phone-context=", RejectReason::NotANumber),
            ("+dwPAA;phone-context=AA", RejectReason::NotANumber),
            (";phone-context=tel:+1", RejectReason::NotANumber),
            (long.as_str(), RejectReason::TooLong),
        ] {
            assert!(read(text, us) == Err(reason), "{}", reason.name());
        }
        assert!(read(&long[..250], us).is_ok());
        assert!(read("202 555 0123/x1234567890/x5", us).is_ok());
    }
}
