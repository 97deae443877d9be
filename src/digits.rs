//! Decimal digits and integers, both ways, without an allocation.

/// Most digits of a `u64`.
pub(crate) const MOST_DIGITS: usize = 20;

/// The decimal digits of `value` (ASCII), written to the end of `buffer`. Zero has none.
pub(crate) fn decimal(value: u64, buffer: &mut [u8; MOST_DIGITS]) -> &[u8] {
    *buffer = padded(value);
    &buffer[MOST_DIGITS - digits_len(value)..]
}

/// How many digits `value` has; zero has none.
pub(crate) fn digits_len(value: u64) -> usize {
    value.checked_ilog10().map_or(0, |log| log as usize + 1)
}

/// The decimal digits of `value` (ASCII) behind as many zeros as there is room for.
#[inline]
pub(crate) fn padded(value: u64) -> [u8; MOST_DIGITS] {
    const EIGHT: u64 = 100_000_000;
    let (head, tail) = (value / EIGHT, value % EIGHT);
    let [_, _, _, _, front @ ..] = ascii(head / EIGHT);
    let mut text = [b'0'; MOST_DIGITS];
    text[..4].copy_from_slice(&front);
    text[4..12].copy_from_slice(&ascii(head % EIGHT));
    text[12..].copy_from_slice(&ascii(tail));
    text
}

/// A number below 10^8 to eight ASCII digits: by fours, by pairs, by ones.
pub(crate) const fn ascii(number: u64) -> [u8; 8] {
    ascii_word(number).to_le_bytes()
}

/// The same as a little-endian word.
#[inline(always)]
const fn ascii_word(number: u64) -> u64 {
    // Divided by 10 000; a product of less than 64 bits, which vectors can do.
    let upper = (number * 109_951_163) >> 40;
    let fours = upper | (number - upper * 10_000) << 32;
    let hundreds = ((fours * 10_486) >> 20) & 0x0000_007f_0000_007f;
    let pairs = hundreds | (fours - hundreds * 100) << 16;
    let tens = ((pairs * 103) >> 10) & 0x000f_000f_000f_000f;
    let ones = tens | (pairs - tens * 10) << 8;
    ones | 0x3030_3030_3030_3030
}

/// The digits of a number that has few, for loops over many such: every step is the same for all
/// numbers, and one that vectors can do.
#[derive(Clone, Copy)]
pub(crate) struct FewDigits {
    /// Sixteen ASCII digits, zeros in front, as two big-endian words.
    pub(crate) halves: [u64; 2],
    /// How many there are without the zeros; zero has none.
    pub(crate) len: u64,
}

impl FewDigits {
    /// The most digits that such a number has.
    pub(crate) const MOST: u32 = 15;
    /// The first number that has more.
    pub(crate) const BEYOND: u64 = 10_u64.pow(Self::MOST);

    /// The digits of a number below [`FewDigits::BEYOND`].
    #[inline(always)]
    pub(crate) fn of(value: u64) -> Self {
        let (mut len, mut power) = (0, 1);
        for _ in 0..Self::MOST {
            len += u64::from(value >= power);
            power *= 10;
        }
        let halves = eights(value).map(|eight| ascii_word(eight).swap_bytes());
        Self { halves, len }
    }
}

/// A number below 2^52 in its digits above the last eight and these. There is no division of integers in
/// vectors, so it is one of floating-point numbers, put right.
#[inline(always)]
fn eights(value: u64) -> [u64; 2] {
    const EIGHT: u64 = 100_000_000;
    // The bits of 2^52 and an integer below it differ by the integer.
    const BASE: f64 = 4_503_599_627_370_496.0;
    let exact = f64::from_bits(BASE.to_bits() | value) - BASE;
    // The nearest integer to the quotient: the quotient, or one too many.
    let near = (exact / 1e8 + BASE).to_bits() ^ BASE.to_bits();
    let rest = value.wrapping_sub(near * EIGHT);
    let is_beyond = rest >> 63;
    [near - is_beyond, rest.wrapping_add(is_beyond * EIGHT)]
}

/// `start` with the ASCII digits of `text` written behind it; `None` on overflow or a non-digit.
pub(crate) fn append(start: u64, text: &[u8]) -> Option<u64> {
    text.iter().try_fold(start, |value, byte| {
        let digit = byte.checked_sub(b'0').filter(|&digit| digit < 10)?;
        value.checked_mul(10)?.checked_add(u64::from(digit))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_eight_digits() {
        for number in (0..100_000_000).step_by(9_973).chain([99_999_999, 12_345_678]) {
            assert_eq!(ascii(number), *format!("{number:08}").as_bytes());
        }
    }

    #[test]
    fn few_digits_are_those_of_a_long_number() {
        let tens = (0..FewDigits::MOST).map(|power| 10_u64.pow(power));
        let edges =
            tens.flat_map(|ten| [ten - 1, ten, ten + 1, ten * 3 / 2, ten * 5, ten * 10 - 1]);
        let eights = (0..2_000).map(|at| at * 100_000_000);
        let near_eights = eights.flat_map(|it| [it, it + 1, it + 49_999_999, it + 50_000_000]);
        let spread = (0..100_000).map(|at| at * 9_999_999_967 + 99_999_999);
        let most = [FewDigits::BEYOND - 1, FewDigits::BEYOND - 100_000_000];
        for value in edges.chain(near_eights).chain(spread).chain(most) {
            let FewDigits { halves, len } = FewDigits::of(value);
            let text = halves.map(u64::to_be_bytes).concat();
            assert_eq!(text, format!("{value:016}").as_bytes());
            assert_eq!(len, digits_len(value) as u64, "{value}");
        }
    }

    #[test]
    fn digits_and_integers_are_each_others_inverse() {
        let mut buffer = [0; MOST_DIGITS];
        assert_eq!(decimal(u64::MAX, &mut buffer), b"18446744073709551615");
        for value in [1, 9, 10, 99_999_999, 100_000_000, 12_025_550_123, 9_999_999_999_999_999_999]
        {
            assert_eq!(decimal(value, &mut buffer), value.to_string().as_bytes());
        }
        assert_eq!(append(0, b"18446744073709551615"), Some(u64::MAX));
        assert_eq!(append(0, b"18446744073709551616"), None);
        assert_eq!(append(4, b"9x"), None);
        assert_eq!(decimal(0, &mut buffer), b"");
    }
}
