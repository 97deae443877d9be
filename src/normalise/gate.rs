//! The gate: which texts are certainly nothing but digits, a plus and punctuation?
//!
//! Only of those can the fast reader be sure. Everything that could be an extension, a second
//! number, a parameter of RFC 3966 or a vanity number stays outside, and so does every character
//! that is not listed here. What libphonenumber drops from a text is dropped here in the same
//! places: anything before the first digit or plus, anything but letters, digits and `#` behind
//! the last digit, and its `VALID_PUNCTUATION` anywhere.

use super::damage::is_invisible;
use super::digits::Digits;
use super::{Checks, Hint};

/// What a text holds, and what a check for damage needs to know of it.
pub(super) struct Scanned {
    pub(super) digits: Digits,
    pub(super) plus: bool,
    /// Marks that the checks for damage look at.
    pub(super) marks: Marks,
}

/// Signs by which a number may be damaged; none of them says that it is.
#[derive(Clone, Copy, Default)]
pub(super) struct Marks {
    pub(super) point: bool,
    pub(super) slash: bool,
    /// Digits other than ASCII's.
    pub(super) foreign_digits: bool,
}

/// What the gate says of a text.
pub(super) enum Gate {
    /// It is a string of digits to decide on.
    Open(Scanned),
    /// It is no viable number: there are too few digits in it.
    TooFew,
    /// Not for the fast reader.
    Closed,
}

/// Longest text, in bytes, that passes.
const LONGEST_TEXT: usize = 96;
/// Longest text, and most digits in it, for the scan without branches.
const LONGEST_PLAIN_TEXT: usize = 32;
const MOST_PLAIN_DIGITS: usize = 16;
/// Fewest digits that may stand with punctuation between them.
const FEWEST_DIGITS: usize = 3;

/// What a character is to libphonenumber.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Class {
    Digit,
    Plus,
    /// Punctuation that may stand between digits.
    Between,
    /// A point, a slash: the same, but a check for damage looks at them.
    Point,
    Slash,
    /// Only before the first digit or behind the last.
    Around,
    /// Only before the first digit.
    Letter,
    /// As if it were not there.
    Nothing,
    /// The first byte of a character of two to four bytes.
    Wide,
    /// Nowhere.
    Never,
}

const CLASSES: [Class; 256] = classes();

const fn classes() -> [Class; 256] {
    let mut classes = [Class::Around; 256];
    let mut byte = u8::MAX;
    loop {
        classes[byte as usize] = match byte as char {
            '0'..='9' => Class::Digit,
            '+' => Class::Plus,
            ' ' | '-' | '(' | ')' | '[' | ']' | '*' => Class::Between,
            '.' => Class::Point,
            '/' => Class::Slash,
            'a'..='z' | 'A'..='Z' | '#' => Class::Letter,
            '\0' | ';' | '~' => Class::Never,
            '\u{80}'.. => Class::Wide,
            _ => Class::Around,
        };
        if byte == 0 {
            break;
        }
        byte -= 1;
    }
    classes
}

/// One character beyond ASCII: how many bytes, what it is, and its value if it is a digit.
struct Wide {
    len: usize,
    class: Class,
    digit: u8,
}

/// Scans a text.
#[inline]
pub(super) fn scan(text: &[u8], hint: Hint, checks: Checks) -> Gate {
    match scan_plain(text) {
        Some((digits, plus, marks)) => {
            Gate::Open(Scanned { digits, plus: plus || hint == Hint::International, marks })
        }
        None => scan_any(text, hint, checks),
    }
}

/// Bits of the classes of a plain text, and a bit of its own for a plus in a wrong place.
const PLAIN: u16 = bit(Class::Digit)
    | bit(Class::Plus)
    | bit(Class::Between)
    | bit(Class::Point)
    | bit(Class::Slash);
const MISPLACED: u16 = 1 << 15;

const fn bit(class: Class) -> u16 {
    1 << class as u8
}

/// Texts of ASCII digits, punctuation and at most one plus before the first digit: most of what
/// is not clean. There is no branch on what a byte is, for that could not be guessed.
#[inline]
fn scan_plain(text: &[u8]) -> Option<(Digits, bool, Marks)> {
    let mut front = 0_u128;
    let mut bits = 0_u32;
    let mut seen = 0_u16;
    if text.len() > LONGEST_PLAIN_TEXT {
        return None;
    }
    for &byte in text {
        let class = CLASSES[usize::from(byte)];
        let is_digit = class == Class::Digit;
        let again = class == Class::Plus && (bits > 0) | (seen & bit(Class::Plus) != 0);
        seen |= bit(class) | if again { MISPLACED } else { 0 };
        // Past the sixteenth digit the shift wraps; the text is refused below.
        front |= u128::from(if is_digit { byte & 0xf } else { 0 }).wrapping_shl(bits);
        bits += if is_digit { 8 } else { 0 };
    }
    let len = (bits / 8) as usize;
    if seen & !PLAIN != 0 || !(FEWEST_DIGITS..=MOST_PLAIN_DIGITS).contains(&len) {
        return None;
    }
    let digits = Digits::of_front(front, len);
    let has = |class: Class| seen & bit(class) != 0;
    let marks = Marks { point: has(Class::Point), slash: has(Class::Slash), foreign_digits: false };
    Some((digits, has(Class::Plus), marks))
}

/// Scans a text with anything in it.
fn scan_any(text: &[u8], hint: Hint, checks: Checks) -> Gate {
    if text.len() > LONGEST_TEXT {
        return Gate::Closed;
    }
    let mut digits = Digits::new();
    let mut plus = false;
    let mut marks = Marks::default();
    // Whether punctuation stands between the plus or the first digit and here, and between the
    // first digit and the last.
    let (mut gap, mut broken) = (false, false);
    let mut ended = false;
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        let mut wide = Wide { len: 1, class: CLASSES[usize::from(byte)], digit: byte & 0xf };
        if wide.class == Class::Wide {
            wide = wide_at(text, at, checks);
            marks.foreign_digits |= wide.class == Class::Digit;
        }
        at += wide.len;
        let started = digits.len() > 0;
        match wide.class {
            Class::Digit if !ended && digits.push(wide.digit) => broken |= gap,
            Class::Plus if !started && !gap => plus = true,
            Class::Nothing => {}
            Class::Between => gap |= plus || started,
            Class::Point => {
                gap |= plus || started;
                marks.point |= started;
            }
            Class::Slash => {
                gap |= plus || started;
                marks.slash |= started;
            }
            Class::Around if started => ended = true,
            Class::Around | Class::Letter if !started && !plus => {}
            _ => return Gate::Closed,
        }
    }
    let plus = plus || hint == Hint::International;
    match digits.len() {
        0..2 => Gate::TooFew,
        2 if plus || broken => Gate::TooFew,
        _ => Gate::Open(Scanned { digits, plus, marks }),
    }
}

/// The characters of copied contacts: spaces, dashes, marks of direction, digits of other scripts.
#[cold]
#[inline(never)]
fn wide_at(text: &[u8], at: usize, checks: Checks) -> Wide {
    let rest = text.get(at..).unwrap_or_default();
    let rest = rest.get(..4.min(rest.len())).unwrap_or_default();
    let valid = match std::str::from_utf8(rest) {
        Ok(text) => text,
        Err(error) => std::str::from_utf8(&rest[..error.valid_up_to()]).unwrap_or(""),
    };
    let Some(found) = valid.chars().next() else {
        return Wide { len: 1, class: Class::Never, digit: 0 };
    };
    let mut digit = 0;
    let class = match found {
        '\u{a0}'
        | '\u{2010}'..='\u{2015}'
        | '\u{2212}'
        | '\u{3000}'
        | '\u{ff08}'
        | '\u{ff09}'
        | '\u{ff0d}'..='\u{ff0f}'
        | '\u{ff3b}'
        | '\u{ff3d}' => Class::Between,
        // Where damage is looked for, what nobody can see is taken away first.
        _ if checks == Checks::Damage && is_invisible(found) => Class::Nothing,
        '\u{ad}' | '\u{200b}' | '\u{2060}' => Class::Between,
        '\u{200c}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2066}'..='\u{2069}'
        | '\u{feff}' => Class::Around,
        '\u{ff0b}' => Class::Plus,
        _ => match foreign_digit(found) {
            Some(value) => {
                digit = value;
                Class::Digit
            }
            None => Class::Never,
        },
    };
    Wide { len: found.len_utf8(), class, digit }
}

/// The first digits of the scripts whose digits are met in address books.
const ZEROS: [u32; 9] = [0x660, 0x6f0, 0x966, 0x9e6, 0xa66, 0xae6, 0xe50, 0x1040, 0xff10];

fn foreign_digit(found: char) -> Option<u8> {
    let code = u32::from(found);
    let zero = ZEROS.iter().find(|&&zero| (zero..zero + 10).contains(&code))?;
    u8::try_from(code - zero).ok()
}
