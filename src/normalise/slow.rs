//! The slow path: `rlibphonenumber`, exact and some microseconds a number.
//!
//! The one door to that crate. What it decides is what this program decides.

use rlibphonenumber::{PHONE_NUMBER_UTIL, ParseError, PhoneNumber, PhoneNumberType};

use super::{E164, Hint, NumberType, Reading, Region, RejectReason};
use crate::digits::append;

/// The version of libphonenumber's metadata that the pinned `rlibphonenumber` carries.
pub const METADATA_VERSION: &str = "9.0.42";

/// RFC 3966 §5.1.5: a local number's context, which names its calling code itself.
pub(super) const PHONE_CONTEXT: &str = ";phone-context=";

/// libphonenumber's decision on `text`: parse, then validity, then region and type.
///
/// `default_region` reads national spellings; without one only international spellings count.
///
/// The library indexes into the text by the place of `;phone-context=` and panics where `tel:`
/// stands behind it; such a text is refused here before it gets there.
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
    let parsed = match hint {
        Hint::Region(region) => parse(text, Some(region)),
        Hint::None => parse(text, None),
        Hint::International => parse(&super::with_plus(text), None),
    };
    parsed.ok().as_ref().and_then(digits)
}

/// True when the digits of a text without a plus begin with the region's own calling code.
pub(super) fn starts_with_own_code(text: &str, region: Region) -> bool {
    let code = rlibphonenumber::Region::from_code(region.code())
        .ok()
        .and_then(|region| PHONE_NUMBER_UTIL.get_country_code_for_region(region));
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    code.is_some_and(|code| digits.starts_with(&code.to_string()))
        && !text.contains(['+', '\u{ff0b}'])
}

fn parse(text: &str, default_region: Option<Region>) -> Result<PhoneNumber, RejectReason> {
    if let Some(context) = text.find(PHONE_CONTEXT)
        && text.find("tel:").is_some_and(|prefix| prefix + "tel:".len() > context)
    {
        return Err(RejectReason::NotANumber);
    }
    if is_two_digits_and_an_extension(text) {
        return Err(RejectReason::NotANumber);
    }
    let region =
        default_region.and_then(|region| rlibphonenumber::Region::from_code(region.code()).ok());
    PHONE_NUMBER_UTIL.parse(text, region).map_err(|error| reject(&error))
}

fn digits(parsed: &PhoneNumber) -> Option<u64> {
    let national = rlibphonenumber::get_national_significant_number_owned(parsed);
    append(u64::try_from(parsed.country_code).ok()?, national.as_bytes())
}

/// libphonenumber's pattern of a viable number is `\d{2}` alone **or** three digits and more with
/// an extension; `rlibphonenumber` lets the extension follow two digits as well (`74#3028`). The
/// one place where it is found to differ from Google's algorithm, and it is corrected here.
fn is_two_digits_and_an_extension(text: &str) -> bool {
    let Some(start) = text.find(|c| matches!(c, '+' | '\u{ff0b}') || is_decimal_digit(c)) else {
        return false;
    };
    let mut rest = text[start..].chars();
    if !(rest.next().is_some_and(is_decimal_digit) && rest.next().is_some_and(is_decimal_digit)) {
        return false;
    }
    let next = rest.find(|&c| !is_punctuation(c));
    next.is_some_and(|c| !is_decimal_digit(c))
}

/// `VALID_PUNCTUATION` of libphonenumber's PhoneNumberUtil, and its star sign.
const fn is_punctuation(c: char) -> bool {
    matches!(c,
        '-' | 'x' | '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{30fc}' | '\u{ff0d}'..='\u{ff0f}'
        | ' ' | '\u{a0}' | '\u{ad}' | '\u{200b}' | '\u{2060}' | '\u{3000}' | '(' | ')'
        | '\u{ff08}' | '\u{ff09}' | '\u{ff3b}' | '\u{ff3d}' | '.' | '[' | ']' | '/' | '~'
        | '\u{2053}' | '\u{223c}' | '\u{ff5e}' | '*')
}

/// True for a decimal digit of any script, as libphonenumber takes them.
pub(super) fn is_decimal_digit(c: char) -> bool {
    c.is_ascii_digit()
        || (!c.is_ascii()
            && c.is_numeric()
            && !PHONE_NUMBER_UTIL.normalize_digits_only(c.encode_utf8(&mut [0; 4])).is_empty())
}

/// How many digits of the number are its calling code: 1 to 3, by the prefix code of ITU-T E.164.
pub(super) fn calling_code_len(number: E164) -> usize {
    let mut buffer = [0; super::E164_TEXT_LEN];
    let digits = number.expose_text(&mut buffer).as_bytes();
    let mut code = 0;
    for (len, digit) in digits.iter().skip(1).take(3).enumerate() {
        code = code * 10 + i32::from(digit - b'0');
        if PHONE_NUMBER_UTIL.get_region_for_country_code(code).is_some() {
            return len + 1;
        }
    }
    0
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
