//! The ways people write a number, and the ways a file spoils it.

use super::plans::Plan;
use super::random::Random;
use super::{Number, push_decimal};

/// How a cell is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Spelling {
    /// `+447911123456`
    E164,
    /// `+44 7911 123 456`
    Spaced,
    /// `+44-7911-123-456`
    Dashed,
    /// `+44` and no-break spaces.
    NoBreakSpaces,
    /// `tel:+44-7911-123-456` (RFC 3966)
    Uri,
    /// `447911123456@s.whatsapp.net`
    MessengerAddress,
    /// `+44 (0)7911 123456`
    TrunkInBrackets,
    /// `00447911123456`
    Abroad,
    /// `07911123456`
    Home,
    /// `07911 123 456`
    HomeSpaced,
    /// `7911123456`
    HomeDigits,
    /// `'07911123456`
    Apostrophe,
    /// `="07911123456"`
    Formula,
    /// Nothing.
    Empty,
    /// Words.
    Words,
    /// `4.47911E+11`
    Scientific,
    /// `447911123456.0`
    Float,
    /// Two numbers.
    Multiple,
    /// `0000000000`
    Placeholder,
    /// `44791`
    TooShort,
}

impl Spelling {
    /// Those that say their country themselves.
    pub(super) const INTERNATIONAL: [Self; 6] = [
        Self::E164,
        Self::Spaced,
        Self::Dashed,
        Self::NoBreakSpaces,
        Self::Uri,
        Self::MessengerAddress,
    ];
    /// Those that hold no number.
    pub(super) const JUNK: [Self; 7] = [
        Self::Empty,
        Self::Words,
        Self::Scientific,
        Self::Float,
        Self::Multiple,
        Self::Placeholder,
        Self::TooShort,
    ];
    const MESSY: [Self; 12] = [
        Self::Spaced,
        Self::Dashed,
        Self::NoBreakSpaces,
        Self::Uri,
        Self::TrunkInBrackets,
        Self::Abroad,
        Self::Home,
        Self::Home,
        Self::HomeSpaced,
        Self::HomeDigits,
        Self::Apostrophe,
        Self::Formula,
    ];

    /// A spelling other than E.164 that the plan knows.
    pub(super) fn messy(plan: &Plan, random: &mut Random) -> Self {
        match random.pick(&Self::MESSY) {
            // Elsewhere a zero in brackets is no habit, or a digit of the number.
            Self::TrunkInBrackets if plan.trunk != "0" => Self::Spaced,
            Self::Abroad if plan.abroad.is_empty() => Self::Dashed,
            other => other,
        }
    }

    /// Whether the row is read the same without a country.
    pub(super) fn names_its_country(self) -> bool {
        Self::INTERNATIONAL.contains(&self) || Self::JUNK.contains(&self)
    }
}

/// Writes the cell, quoted where CSV asks for it (RFC 4180).
pub(super) fn write(spelling: Spelling, number: Number, to: &mut Vec<u8>) {
    const NO_BREAK_SPACE: &str = "\u{a0}";
    match spelling {
        Spelling::E164 => international(number, to, b"+", ""),
        Spelling::Spaced => international(number, to, b"+", " "),
        Spelling::Dashed => international(number, to, b"+", "-"),
        Spelling::NoBreakSpaces => international(number, to, b"+", NO_BREAK_SPACE),
        Spelling::Uri => international(number, to, b"tel:+", "-"),
        Spelling::MessengerAddress => {
            international(number, to, b"", "");
            to.extend(b"@s.whatsapp.net");
        }
        Spelling::TrunkInBrackets => {
            to.push(b'+');
            push_decimal(to, number.plan.calling_code, 1);
            to.extend(b" (");
            to.extend(number.plan.trunk.as_bytes());
            to.push(b')');
            grouped(number, to, " ");
        }
        Spelling::Abroad => international(number, to, number.plan.abroad.as_bytes(), ""),
        Spelling::Home => home(number, to, ""),
        Spelling::HomeSpaced => home(number, to, " "),
        Spelling::HomeDigits => grouped(number, to, ""),
        Spelling::Apostrophe => {
            to.push(b'\'');
            home(number, to, "");
        }
        Spelling::Formula => {
            to.extend(b"\"=\"\"");
            home(number, to, "");
            to.extend(b"\"\"\"");
        }
        Spelling::Empty => {}
        Spelling::Words => to.extend(b"ask at the desk"),
        Spelling::Scientific => {
            push_decimal(to, number.national % 9 + 1, 1);
            to.push(b'.');
            push_decimal(to, number.national / 9 % 100_000, 5);
            to.extend(b"E+11");
        }
        Spelling::Float => {
            international(number, to, b"", "");
            to.extend(b".0");
        }
        Spelling::Multiple => {
            international(number, to, b"+", "");
            to.extend(b"; ");
            home(number, to, "");
        }
        Spelling::Placeholder => to.extend(b"0000000000"),
        Spelling::TooShort => {
            push_decimal(to, number.plan.calling_code, 1);
            push_decimal(to, number.national % 100, 2);
        }
    }
}

fn international(number: Number, to: &mut Vec<u8>, prefix: &[u8], separator: &str) {
    to.extend(prefix);
    push_decimal(to, number.plan.calling_code, 1);
    to.extend(separator.as_bytes());
    grouped(number, to, separator);
}

fn home(number: Number, to: &mut Vec<u8>, separator: &str) {
    to.extend(number.plan.trunk.as_bytes());
    grouped(number, to, separator);
}

/// The national number in groups of three with the rest in the last one.
fn grouped(number: Number, to: &mut Vec<u8>, separator: &str) {
    if separator.is_empty() {
        push_decimal(to, number.national, number.plan.digits);
        return;
    }
    let tail_digits = number.plan.digits - 6;
    let tail = 10_u64.pow(u32::try_from(tail_digits).unwrap_or(0));
    push_decimal(to, number.national / tail / 1000, 3);
    to.extend(separator.as_bytes());
    push_decimal(to, number.national / tail % 1000, 3);
    to.extend(separator.as_bytes());
    push_decimal(to, number.national % tail, tail_digits);
}
