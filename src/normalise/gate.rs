//! The gate: which texts are certainly nothing but digits, a plus and punctuation?
//!
//! Only of those can the fast reader be sure. Everything that could be an extension, a second
//! number, a parameter of RFC 3966 or a vanity number stays outside, and so does every character
//! that is not listed here. What libphonenumber drops from a text is dropped here in the same
//! places: anything before the first digit or plus, anything but letters, digits and `#` behind
//! the last digit, and its `VALID_PUNCTUATION` anywhere.

use super::damage::is_invisible;
use super::digits::{Digits, word_at};
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
    /// A point or a slash.
    pub(super) point_or_slash: bool,
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
    /// A point or a slash: the same, but a check for damage looks at them.
    PointOrSlash,
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
            '.' | '/' => Class::PointOrSlash,
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
    match scan_plain(text, hint) {
        Some(scanned) => Gate::Open(scanned),
        None => scan_any(text, hint, checks),
    }
}

/// Texts of ASCII digits, spaces, `()*+-./` and at most one plus before the first digit: most of
/// what is not clean. Eight bytes are looked at and closed up at a time, and there is no branch on
/// what a byte is, for that could not be guessed.
#[inline(always)]
pub(super) fn scan_plain(text: &[u8], hint: Hint) -> Option<Scanned> {
    if !(8..=LONGEST_PLAIN_TEXT).contains(&text.len()) {
        return None;
    }
    let mut plain = Plain::new(Eight::of(word_at(text, 0)?));
    let mut at = 8;
    while at + 8 < text.len() {
        plain.append(Eight::of(word_at(text, at)?));
        at += 8;
    }
    // The last word begins inside the one before; blanks take the place of what was seen there.
    let seen = at + 8 - text.len();
    let (bits, half) = (8 * seen, 4 * seen);
    let last = word_at(text, text.len() - 8)?;
    let blanks = !(u64::MAX >> half >> half) & Eight::BLANKS;
    plain.append(Eight::of(if seen < 8 { last >> bits | blanks } else { Eight::BLANKS }));
    plain.finish(hint)
}

/// Eight bytes of a text, taken apart.
#[derive(Clone, Copy)]
struct Eight {
    /// The values of the digits among them, closed up, zeros behind.
    digits: u64,
    /// How many bits those take: eight a digit.
    bits: u32,
    /// Of each kind the lowest bits of those bytes.
    digit: u64,
    plus: u64,
    point_or_slash: u64,
    /// Not zero where a byte is none of the listed ones.
    others: u64,
}

impl Eight {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x80 * Self::ONES;
    const BLANKS: u64 = 0x20 * Self::ONES;

    /// High bits where the low seven are above `most`.
    #[inline(always)]
    const fn above(bytes: u64, most: u64) -> u64 {
        ((bytes & !Self::HIGH) + (0x7f - most) * Self::ONES) & Self::HIGH
    }

    #[inline(always)]
    const fn of(word: u64) -> Self {
        let high = Self::above(word ^ (0x30 * Self::ONES), 9);
        let other = high >> 7;
        let digit = other ^ Self::ONES;
        // `()*+,-./` are 0 to 7 here and a blank is 8.
        let sign = word ^ (0x28 * Self::ONES);
        let (two, four) = (sign >> 1, sign >> 2);
        let comma = four & !(two | sign) & other;
        let others = (Self::above(sign, 8) & high) | comma | (word & Self::HIGH);
        let plus = sign & two & !four & other;

        // How many bytes each digit has to move down: the others below it.
        let count = other.wrapping_mul(Self::ONES);
        let keep = digit * 0xff;
        let mut moves = count & keep;
        let mut digits = word & (digit * 0xf);
        let mut step = 0;
        // More than three others in front of a digit are seldom met.
        while step < 2 || (step == 2 && moves & (4 * Self::ONES) != 0) {
            let by = ((moves >> step) & Self::ONES) * 0xff;
            let shift = 8 << step;
            digits = (digits & !by) | (digits & by) >> shift;
            moves = (moves & !by) | (moves & by) >> shift;
            step += 1;
        }
        Self {
            digits,
            bits: 64 - 8 * (count >> 56) as u32,
            digit,
            plus,
            point_or_slash: two & four & other,
            others,
        }
    }
}

/// A plain text so far.
struct Plain {
    front: u128,
    bits: u32,
    has_plus: bool,
    point_or_slash: u64,
    others: u64,
}

impl Plain {
    #[inline(always)]
    const fn new(first: Eight) -> Self {
        // One plus at most, and no digit below it.
        let below = first.plus.wrapping_sub(1);
        let misplaced = first.plus & below | if first.plus != 0 { first.digit & below } else { 0 };
        Self {
            front: first.digits as u128,
            bits: first.bits,
            has_plus: first.plus != 0,
            point_or_slash: first.point_or_slash,
            others: first.others | misplaced,
        }
    }

    #[inline(always)]
    const fn append(&mut self, next: Eight) {
        // Past the sixteenth digit the shift wraps; the text is refused in the end.
        self.front |= (next.digits as u128).wrapping_shl(self.bits);
        self.bits += next.bits;
        self.point_or_slash |= next.point_or_slash;
        self.others |= next.others | next.plus;
    }

    #[inline(always)]
    fn finish(self, hint: Hint) -> Option<Scanned> {
        let len = (self.bits / 8) as usize;
        if self.others != 0 || !(FEWEST_DIGITS..=MOST_PLAIN_DIGITS).contains(&len) {
            return None;
        }
        let marks = Marks { point_or_slash: self.point_or_slash != 0, foreign_digits: false };
        let plus = self.has_plus || hint == Hint::International;
        Some(Scanned { digits: Digits::of_front(self.front, len), plus, marks })
    }
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
            Class::PointOrSlash => {
                gap |= plus || started;
                marks.point_or_slash |= started;
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
