//! Decimal digits in registers: eight at a time, one to a byte, the first in the lowest byte.

const ONES: u64 = 0x0101_0101_0101_0101;

/// Eight digits as four numbers of two digits, each in sixteen bits, the first lowest.
#[derive(Clone, Copy)]
pub(super) struct Pairs(u64);

/// True when all bytes of both words are ASCII digits.
#[inline(always)]
pub(super) const fn are_ascii_digits(words: [u64; 2]) -> bool {
    let others = not_ascii_digits(words[0]) | not_ascii_digits(words[1]);
    others & (ONES * 0x80) == 0
}

/// High bits where a byte is no digit; the other bits say nothing.
#[inline(always)]
const fn not_ascii_digits(word: u64) -> u64 {
    word.wrapping_add(ONES * 0x46) | word.wrapping_sub(ONES * 0x30)
}

/// ASCII digits to their values.
pub(super) const fn values(word: u64) -> u64 {
    word & (ONES * 0x0f)
}

impl Pairs {
    /// From digit values. This and the next two are the well-known multiply-and-shift of SWAR
    /// number parsing, taken apart because the trie's steps want what comes between.
    #[inline]
    pub(super) const fn of(values: u64) -> Self {
        Self((values * 10 + (values >> 8)) & 0x00ff_00ff_00ff_00ff)
    }

    /// The fifth and sixth digit.
    #[inline]
    pub(super) const fn third(self) -> u32 {
        self.0.to_le_bytes()[4] as u32
    }

    /// The seventh and eighth digit.
    #[inline]
    pub(super) const fn fourth(self) -> u32 {
        self.0.to_le_bytes()[6] as u32
    }

    /// Two numbers of four digits, each in 32 bits.
    #[inline]
    const fn fours(self) -> u64 {
        (self.0 * 100 + (self.0 >> 16)) & 0x0000_ffff_0000_ffff
    }

    /// The first four digits.
    #[inline]
    pub(super) const fn first_four(self) -> u32 {
        let [a, b, ..] = self.fours().to_le_bytes();
        u16::from_le_bytes([a, b]) as u32
    }

    /// All eight.
    #[inline]
    pub(super) const fn eight(self) -> u64 {
        let fours = self.fours();
        (fours & 0xffff) * 10_000 + (fours >> 32)
    }
}

/// Eight digit values to a number.
#[inline]
pub(super) const fn eight(values: u64) -> u64 {
    Pairs::of(values).eight()
}

/// Powers of ten up to the eighth.
pub(super) const POWERS: [u64; 9] =
    [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000];

/// Eight bytes of `bytes` from `at` on.
pub(super) fn word_at(bytes: &[u8], at: usize) -> Option<u64> {
    let bytes = bytes.get(at..at + 8)?;
    Some(u64::from_le_bytes(bytes.try_into().ok()?))
}

/// Most digits that are decided by the tables.
pub(super) const MOST_DIGITS: usize = 32;
/// Digits in one half of [`Digits`].
const HALF: usize = 16;

/// Up to 32 digit values, one to a byte, the first lowest, zeros behind the last.
///
/// They stay in registers: bytes that were just stored one by one cannot be loaded as a word
/// without a wait, and that wait was a third of the time of a national number.
#[derive(Clone, Copy)]
pub(super) struct Digits {
    front: u128,
    back: u128,
    len: usize,
}

impl Digits {
    #[inline]
    pub(super) const fn new() -> Self {
        Self { front: 0, back: 0, len: 0 }
    }

    /// At most sixteen digits from their bytes.
    #[inline]
    pub(super) const fn of_front(front: u128, len: usize) -> Self {
        Self { front, back: 0, len }
    }

    /// Appends a digit; false when there is no more room.
    #[inline]
    pub(super) const fn push(&mut self, digit: u8) -> bool {
        if self.len < HALF {
            self.front |= (digit as u128) << (8 * self.len);
        } else if self.len < MOST_DIGITS {
            self.back |= (digit as u128) << (8 * (self.len - HALF));
        } else {
            return false;
        }
        self.len += 1;
        true
    }

    #[inline]
    pub(super) const fn len(self) -> usize {
        self.len
    }

    /// The first sixteen, zeros behind fewer.
    #[inline]
    pub(super) const fn front(self) -> u128 {
        self.front
    }

    /// The digit at a place, if there is one.
    #[inline]
    pub(super) const fn at(self, place: usize) -> Option<u8> {
        if place >= self.len {
            return None;
        }
        let half = if place < HALF { self.front } else { self.back };
        Some((half >> (8 * (place % HALF)) & 0xff) as u8)
    }

    /// The same without the first `count` (at most sixteen), or without as many as there are.
    #[inline]
    pub(super) const fn without_first(self, count: usize) -> Self {
        if count == 0 {
            return self;
        }
        if count >= HALF || count >= self.len {
            let count = if count < HALF { count } else { HALF };
            let front = if count == HALF { self.back } else { 0 };
            return Self { front, back: 0, len: self.len.saturating_sub(count) };
        }
        let bits = 8 * count;
        Self {
            front: self.front >> bits | self.back << (128 - bits),
            back: self.back >> bits,
            len: self.len - count,
        }
    }

    /// Three words of eight digits.
    #[inline]
    pub(super) const fn words(self) -> [u64; 3] {
        [low(self.front), high(self.front), low(self.back)]
    }

    /// Three words of eight digits, behind `len` (one to three) digits of a calling code.
    #[inline]
    pub(super) const fn words_behind(self, code: u64, len: usize) -> [u64; 3] {
        let bits = 8 * len;
        let front = self.front << bits | code as u128;
        let back = low(self.back << bits) | low(self.front >> (128 - bits));
        [low(front), high(front), back]
    }

    /// The first eight digits.
    #[inline]
    pub(super) const fn first_word(self) -> u64 {
        low(self.front)
    }

    /// The first three digits as a number, zeros behind a shorter one.
    #[inline]
    pub(super) fn first_three(self) -> usize {
        let [a, b, c, ..] = self.first_word().to_le_bytes();
        usize::from(a) * 100 + usize::from(b) * 10 + usize::from(c)
    }

    /// True when all digits fit the front half: what the next two look at.
    #[inline]
    pub(super) const fn are_few(self) -> bool {
        self.len <= HALF
    }

    /// How many zeros stand in front of few digits.
    #[inline]
    pub(super) fn leading_zeros(self) -> usize {
        (self.front.trailing_zeros() as usize / 8).min(self.len)
    }

    /// True when few digits are all the same.
    #[inline]
    pub(super) fn are_one_digit(self) -> bool {
        let pairs = self.len.min(HALF).saturating_sub(1);
        let unequal = self.front ^ (self.front >> 8);
        pairs == 0 || unequal << (128 - 8 * pairs) == 0
    }

    /// All of them, one after the other.
    pub(super) fn iter(self) -> impl Iterator<Item = u8> {
        let front = self.front.to_le_bytes().into_iter();
        front.chain(self.back.to_le_bytes()).take(self.len)
    }
}

/// The first eight of sixteen digits.
// Cutting is what it is for. By way of bytes the compiler takes the word apart and puts it together
// again, a tenth of a spelled number's time.
#[allow(clippy::cast_possible_truncation)]
#[inline]
pub(super) const fn low(half: u128) -> u64 {
    half as u64
}

#[inline]
const fn high(half: u128) -> u64 {
    low(half >> 64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eight_digits_are_a_number() {
        for text in [b"00000000", b"12345678", b"99999999", b"00000001", b"10000000"] {
            let word = u64::from_le_bytes(*text);
            assert!(are_ascii_digits([word; 2]));
            let expected: u64 = std::str::from_utf8(text).unwrap().parse().unwrap();
            assert_eq!(eight(values(word)), expected);
        }
    }

    #[test]
    fn digits_move_as_a_string_does() {
        let text: Vec<u8> = (0..40_u8).map(|n| n % 9 + 1).collect();
        for len in 0..=MOST_DIGITS {
            let mut digits = Digits::new();
            assert!(text[..len].iter().all(|&digit| digits.push(digit)));
            assert_eq!(digits.iter().collect::<Vec<_>>(), text[..len]);
            for count in 0..=HALF {
                let rest = digits.without_first(count);
                let expected = text[..len].get(count..).unwrap_or_default();
                assert_eq!(rest.iter().collect::<Vec<_>>(), expected);
                assert_eq!(rest.len(), expected.len());
                assert_eq!((0..).map_while(|n| rest.at(n)).collect::<Vec<_>>(), expected);
            }
            for code in 1..=3 {
                let mut bytes = [0; 64];
                bytes[..code].fill(7);
                bytes[code..code + len].copy_from_slice(&text[..len]);
                let expected = [0, 8, 16].map(|at| word_at(&bytes, at).unwrap());
                let seven = word_at(&[7; 8], 0).unwrap() & ((1 << (8 * code)) - 1);
                assert_eq!(digits.words_behind(seven, code), expected);
            }
        }
    }

    #[test]
    fn any_other_byte_is_seen() {
        for other in (0..=u8::MAX).filter(|b| !b.is_ascii_digit()) {
            for place in 0..8 {
                let mut text = *b"12345678";
                text[place] = other;
                let word = u64::from_le_bytes(text);
                assert!(!are_ascii_digits([word, ONES * 0x30]));
                assert!(!are_ascii_digits([ONES * 0x30, word]));
            }
        }
    }
}
