//! Numbers that were damaged on the way, recognised before anything parses them.
//!
//! libphonenumber would read some of them as a valid number of another person: a German
//! `493012345678.0` becomes a number one digit longer. Here we are stricter than the library, on
//! purpose; every rule says what it saw and none repairs digits. What is taken away without a
//! word is only what nobody can see (bidi marks, zero-width characters) and a messenger's domain.

use std::borrow::Cow;

use super::{E164, Hint, RejectReason};

/// What is left to read, and how.
#[derive(Debug)]
pub(super) struct Screened<'a> {
    pub(super) text: Cow<'a, str>,
    pub(super) hint: Hint,
}

/// Fewest digits that make a part of a cell a number of its own.
pub(super) const DIGITS_OF_A_NUMBER: usize = 7;

/// Words that data tools write for nothing.
const NOTHING: [&str; 13] = [
    "n/a",
    "#n/a",
    "na",
    "null",
    "none",
    "nan",
    "nil",
    "-",
    "--",
    "?",
    "unknown",
    "undefined",
    "\\n",
];

/// Domains behind which a messenger writes its users' numbers.
const MESSENGER_DOMAINS: [&str; 2] = ["s.whatsapp.net", "c.us"];

/// Checks one cell and strips what cannot be seen.
pub(super) fn screen(text: &str, hint: Hint) -> Result<Screened<'_>, RejectReason> {
    let visible = without_invisibles(text);
    let trimmed = match visible {
        Cow::Borrowed(text) => Cow::Borrowed(text.trim()),
        Cow::Owned(text) => Cow::Owned(text.trim().to_owned()),
    };
    if trimmed.is_empty() || NOTHING.iter().any(|word| trimmed.eq_ignore_ascii_case(word)) {
        return Err(RejectReason::Empty);
    }
    if trimmed.chars().any(is_number_but_no_digit) {
        return Err(RejectReason::NotANumber);
    }
    if is_scientific(&trimmed) {
        return Err(RejectReason::Scientific);
    }
    if has_float_suffix(&trimmed) {
        return Err(RejectReason::FloatSuffix);
    }
    let (text, hint) = without_messenger_domain(trimmed, hint);
    if parts(&text).len() > 1 {
        return Err(RejectReason::MultipleNumbers);
    }
    if is_filler(&ascii_digits(&text)) {
        return Err(RejectReason::Placeholder);
    }
    Ok(Screened { text, hint })
}

/// True for a number that nobody has: one digit over and over in the national part.
pub(super) fn is_placeholder(number: E164) -> bool {
    let mut buffer = [0; super::E164_TEXT_LEN];
    let digits = number.expose_text(&mut buffer).as_bytes().get(1..).unwrap_or_default();
    let national = digits.get(calling_code_len(digits)..).unwrap_or_default();
    national.len() >= DIGITS_OF_A_NUMBER && national.windows(2).all(|pair| pair[0] == pair[1])
}

/// How many digits of a valid number are its calling code.
fn calling_code_len(digits: &[u8]) -> usize {
    let first_three = digits.iter().take(3).fold(0, |all, b| all * 10 + usize::from(b - b'0'));
    super::tables::calling_code(first_three).map_or(0, |code| code.len)
}

/// The numbers of a cell: its parts between separators when at least two of them have the digits
/// of a number, else the whole cell.
///
/// An opt-out row bars every one of them; a list row with more than one is rejected.
#[must_use]
pub fn numbers_in_cell(text: &str) -> Vec<&str> {
    let mut parts = parts(text);
    if parts.len() < 2 {
        parts = vec![text];
    }
    parts
}

fn parts(text: &str) -> Vec<&str> {
    let enough = |part: &&str| digit_count(part) >= DIGITS_OF_A_NUMBER;
    if digit_count(text) < 2 * DIGITS_OF_A_NUMBER {
        return Vec::new();
    }
    text.split([';', ',', '/', '|', '&', '\n', '\r', '\t'])
        .flat_map(|part| part.split(" or "))
        .flat_map(|part| part.split(" and "))
        .flat_map(split_before_inner_plus)
        .filter(enough)
        .collect()
}

/// `+49 … +49 …` without a separator: a plus behind the digits of a number starts the next.
fn split_before_inner_plus(part: &str) -> Vec<&str> {
    let (mut found, mut start, mut digits) = (Vec::new(), 0, 0);
    for (at, c) in part.char_indices() {
        if matches!(c, '+' | '\u{ff0b}') && digits >= DIGITS_OF_A_NUMBER {
            found.push(&part[start..at]);
            (start, digits) = (at, 0);
        }
        digits += usize::from(c.is_numeric());
    }
    found.push(&part[start..]);
    found
}

fn digit_count(text: &str) -> usize {
    text.chars().filter(|c| c.is_numeric()).count()
}

/// Superscripts, fractions, circled numbers: numeric, and no decimal digit of any script.
/// libphonenumber would cut the text there and read a shorter number.
fn is_number_but_no_digit(c: char) -> bool {
    matches!(c,
        '\u{b2}' | '\u{b3}' | '\u{b9}' | '\u{bc}'..='\u{be}'
        | '\u{2070}'..='\u{209c}' | '\u{2150}'..='\u{218b}' | '\u{2460}'..='\u{249b}'
        | '\u{24ea}'..='\u{24ff}' | '\u{2776}'..='\u{2793}' | '\u{3220}'..='\u{3229}'
        | '\u{3280}'..='\u{3289}')
}

/// What nobody can see: marks of direction, zero-width characters, variation selectors.
pub(super) fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{2064}' | '\u{2066}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}')
}

fn without_invisibles(text: &str) -> Cow<'_, str> {
    if text.is_ascii() || !text.chars().any(is_invisible) {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(text.chars().filter(|&c| !is_invisible(c)).collect())
    }
}

/// `4.47911E+11`: digits, an optional fraction, an exponent, nothing else.
fn is_scientific(text: &str) -> bool {
    let text = text.trim_start_matches(['+', '-', '\'', '=', '"']);
    let text = text.trim_end_matches('"').as_bytes();
    let Some(at) = text.iter().position(|b| matches!(b, b'e' | b'E')) else { return false };
    let (mantissa, exponent) = (&text[..at], &text[at + 1..]);
    let exponent = exponent.strip_prefix(b"+").or(exponent.strip_prefix(b"-")).unwrap_or(exponent);
    let all_digits = |part: &[u8]| !part.is_empty() && part.iter().all(u8::is_ascii_digit);
    let points = mantissa.iter().filter(|b| matches!(b, b'.' | b',')).count();
    let mut digits = mantissa.split(|b| matches!(b, b'.' | b','));
    points <= 1 && digits.all(all_digits) && all_digits(exponent)
}

/// `447911123456.0`: the digits of a number, one point or comma, then zeros.
fn has_float_suffix(text: &str) -> bool {
    let text = text.trim_start_matches(['+', '\'', '=', '"']).trim_end_matches('"');
    let Some((whole, fraction)) = text.split_once(['.', ',']) else { return false };
    whole.len() >= 5
        && whole.bytes().all(|b| b.is_ascii_digit())
        && !fraction.is_empty()
        && fraction.bytes().all(|b| b == b'0')
}

/// The text without a float's point and zeros; itself when it has none.
pub(super) fn without_float_suffix(text: &str) -> &str {
    let trimmed = text.trim();
    match trimmed.split_once(['.', ',']) {
        Some((whole, _)) if has_float_suffix(trimmed) => whole,
        _ => text,
    }
}

/// Strips `@s.whatsapp.net` and a `:device` before it. Such an address is always made of
/// international digits, whatever region the row names.
fn without_messenger_domain(text: Cow<'_, str>, hint: Hint) -> (Cow<'_, str>, Hint) {
    let stripped = text.rsplit_once('@').and_then(|(number, domain)| {
        let known = MESSENGER_DOMAINS.iter().any(|known| domain.eq_ignore_ascii_case(known));
        known.then(|| number.split_once(':').map_or(number, |(number, _)| number).to_owned())
    });
    match stripped {
        Some(number) => (Cow::Owned(number), Hint::International),
        None => (text, hint),
    }
}

fn ascii_digits(text: &str) -> Vec<u8> {
    text.bytes().filter(u8::is_ascii_digit).collect()
}

/// One digit over and over, or counting up or down, leading zeros aside.
fn is_filler(digits: &[u8]) -> bool {
    const COUNTING: [&[u8]; 4] =
        [b"12345678901234567890", b"123456789000", b"9876543210", b"98765432100"];
    if digits.len() < DIGITS_OF_A_NUMBER {
        return false;
    }
    let zeros = digits.iter().take_while(|&&b| b == b'0').count();
    let significant = &digits[zeros..];
    if significant.len() < DIGITS_OF_A_NUMBER {
        return significant.is_empty();
    }
    significant.windows(2).all(|pair| pair[0] == pair[1])
        || COUNTING.iter().any(|counting| counting.starts_with(significant))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(text: &str) -> Option<RejectReason> {
        screen(text, Hint::None).err()
    }

    #[test]
    fn each_kind_of_damage_has_its_reason() {
        for (text, expected) in [
            ("4.47911E+11", RejectReason::Scientific),
            ("2.025550123E9", RejectReason::Scientific),
            ("447911123456.0", RejectReason::FloatSuffix),
            ("493012345678.0", RejectReason::FloatSuffix),
            ("+493012345678,00", RejectReason::FloatSuffix),
            ("07911123456;07911123457", RejectReason::MultipleNumbers),
            ("07911123456 / 07911123457", RejectReason::MultipleNumbers),
            ("07911123456 or 07911123457", RejectReason::MultipleNumbers),
            ("07911123456, 07911123457", RejectReason::MultipleNumbers),
            ("+447911123456 +447911123457", RejectReason::MultipleNumbers),
            ("0000000000", RejectReason::Placeholder),
            ("1234567890", RejectReason::Placeholder),
            ("+12345678900", RejectReason::Placeholder),
            ("07777777777", RejectReason::Placeholder),
            ("", RejectReason::Empty),
            (" \u{200b} ", RejectReason::Empty),
            ("N/A", RejectReason::Empty),
            ("+44791112345\u{2076}", RejectReason::NotANumber),
        ] {
            assert_eq!(reason(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn sound_spellings_pass() {
        for text in [
            "+44 (0)7911 123456",
            "030/12345678",
            "0221 / 1234567",
            "079.123.45.67",
            "(202) 555-0123 ext. 45",
            "tel:+1-202-555-0123;ext=99",
            "1-800-FLOWERS",
            "+49 30 1234.5678",
        ] {
            assert_eq!(reason(text), None, "{text}");
        }
    }

    #[test]
    fn a_messenger_address_is_international_digits_whatever_the_region() {
        let region = super::super::Region::from_code(b"GB").unwrap();
        for text in ["447911123456@s.whatsapp.net", "447911123456:12@S.WhatsApp.net"] {
            let screened = screen(text, Hint::Region(region)).unwrap();
            assert_eq!(screened.text, "447911123456");
            assert_eq!(screened.hint, Hint::International);
        }
    }

    #[test]
    fn a_cell_gives_up_every_number_it_holds() {
        assert_eq!(numbers_in_cell("07911123456;07911123457").len(), 2);
        assert_eq!(numbers_in_cell("07911 123456 ext 12"), ["07911 123456 ext 12"]);
    }

    /// A list may hold cells as long as a row may be, written by whoever wants the night to end.
    #[test]
    fn a_cell_of_a_mebibyte_takes_no_longer_than_its_bytes() {
        for unit in ["+", "\u{ff0b}", ";", "/", " or ", "~", "x", "(", "1", "+1", "12 ", "1;", " "]
        {
            let cell = unit.repeat((1 << 20) / unit.len()) + "12025550123";
            let started = std::time::Instant::now();
            let parts = numbers_in_cell(&cell).len();
            assert!(parts <= cell.len());
            for checks in [super::super::Checks::Damage, super::super::Checks::Library] {
                let _ = super::super::read(cell.as_bytes(), Hint::International, checks);
            }
            let elapsed = started.elapsed();
            assert!(elapsed.as_secs() < 10, "{unit:?} took {} s", elapsed.as_secs());
        }
    }
}
