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
    let fours = (number / 10_000) | ((number % 10_000) << 32);
    let hundreds = ((fours * 10_486) >> 20) & 0x0000_007f_0000_007f;
    let pairs = hundreds | (fours - hundreds * 100) << 16;
    let tens = ((pairs * 103) >> 10) & 0x000f_000f_000f_000f;
    let ones = tens | (pairs - tens * 10) << 8;
    (ones | 0x3030_3030_3030_3030).to_le_bytes()
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
