//! Decimal digits and integers, both ways, without an allocation.

/// Most digits of a `u64`.
pub(crate) const MOST_DIGITS: usize = 20;

/// The decimal digits of `value` (ASCII), written to the end of `buffer`. Zero has none.
pub(crate) fn decimal(mut value: u64, buffer: &mut [u8; MOST_DIGITS]) -> &[u8] {
    let mut at = buffer.len();
    while value > 0 {
        at -= 1;
        buffer[at] = b'0' + u8::try_from(value % 10).unwrap_or(0);
        value /= 10;
    }
    &buffer[at..]
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
    fn digits_and_integers_are_each_others_inverse() {
        let mut buffer = [0; MOST_DIGITS];
        assert_eq!(decimal(u64::MAX, &mut buffer), b"18446744073709551615");
        assert_eq!(append(0, b"18446744073709551615"), Some(u64::MAX));
        assert_eq!(append(0, b"18446744073709551616"), None);
        assert_eq!(append(4, b"9x"), None);
        assert_eq!(decimal(0, &mut buffer), b"");
    }
}
