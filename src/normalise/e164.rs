//! The number itself: eight bytes with an invariant.

use std::fmt;
use std::num::NonZeroU64;

use crate::digits::{digits_len, padded};

/// A telephone number that was read and found valid, as its E.164 digits (ITU-T E.164, 2010).
///
/// The value is the decimal number made of the calling code and the national significant number,
/// without the plus: `+49 30 123456` is `4930123456`. No calling code starts with zero, so no two
/// numbers share a value, and the longest valid ones (19 digits) fit 64 bits.
///
/// Only [`read`](super::read) makes one. It prints as `E164(redacted)`; the ways out are the
/// `expose_…` methods, so that a search finds every place where a number leaves its type.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct E164(NonZeroU64);

/// Most bytes that [`E164::expose_text`] writes: a plus and nineteen digits.
pub const E164_TEXT_LEN: usize = 20;

impl E164 {
    /// The one mint. `digits` is what the reader found to be a valid number.
    pub(super) fn mint(digits: u64) -> Option<Self> {
        NonZeroU64::new(digits).map(Self)
    }

    /// A number that nobody read, for tests of what comes behind.
    #[cfg(test)]
    pub(crate) fn made_up(digits: u64) -> Self {
        Self(NonZeroU64::new(digits).unwrap())
    }

    /// The digits as an integer, for hashing in memory and for comparing.
    #[must_use]
    pub fn expose_digits(self) -> u64 {
        self.0.get()
    }

    /// Writes `+` and the digits into `buffer` and returns the part that was written (ASCII).
    pub fn expose_text(self, buffer: &mut [u8; E164_TEXT_LEN]) -> &str {
        buffer.copy_from_slice(&padded(self.0.get()));
        let digits = digits_len(self.0.get());
        let at = (E164_TEXT_LEN - 1).saturating_sub(digits);
        buffer[at] = b'+';
        std::str::from_utf8(&buffer[at..]).unwrap_or("")
    }
}

impl fmt::Debug for E164 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("E164(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_a_plus_and_the_digits() {
        let mut buffer = [0; E164_TEXT_LEN];
        let number = E164::mint(12_025_550_123).unwrap();
        assert_eq!(number.expose_text(&mut buffer), "+12025550123");
        let longest = E164::mint(9_999_999_999_999_999_999).unwrap();
        assert_eq!(longest.expose_text(&mut buffer), "+9999999999999999999");
    }

    #[test]
    fn debug_shows_nothing() {
        let number = E164::mint(12_025_550_123).unwrap();
        assert_eq!(format!("{number:?}"), "E164(redacted)");
    }
}
