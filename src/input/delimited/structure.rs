//! Where do delimiters, quotes and line ends stand?
//!
//! Looks at 64 bytes at a time and gives a bit for each. Written as loops over arrays, which the
//! compiler turns into vector instructions of whatever machine it builds for; so there is neither
//! an intrinsic nor `unsafe` here. After Langdale and Lemire, "Parsing gigabytes of JSON per
//! second", VLDB Journal 28 (2019), sections 3.1 and 3.2.

/// Bytes that are looked at in one go.
pub(super) const WINDOW: usize = 64;

/// The next bytes of a text; behind its end NULs, which have no meaning in it.
#[inline]
pub(super) fn window(text: &[u8], at: usize) -> [u8; WINDOW] {
    let rest = text.get(at..).unwrap_or_default();
    if let Some(whole) = rest.first_chunk() {
        return *whole;
    }
    let mut padded = [0; WINDOW];
    padded[..rest.len()].copy_from_slice(rest);
    padded
}

/// The bits of delimiters, quotes and line ends together.
#[inline]
pub(super) fn structure(window: &[u8; WINDOW], delimiter: u8) -> u64 {
    bits(window, |byte| {
        u8::from(byte == delimiter)
            | u8::from(byte == b'"')
            | u8::from(byte == b'\n')
            | u8::from(byte == b'\r')
    })
}

/// The bits of one byte's places.
#[inline]
pub(super) fn places(window: &[u8; WINDOW], of: u8) -> u64 {
    bits(window, |byte| u8::from(byte == of))
}

/// The bits of the line ends' places.
#[inline]
pub(super) fn line_ends(window: &[u8; WINDOW]) -> u64 {
    bits(window, |byte| u8::from(byte == b'\n') | u8::from(byte == b'\r'))
}

/// For each bit the parity of those at and below it: between an odd bit and the next it is set.
#[inline]
pub(super) fn parity(bits: u64) -> u64 {
    [1, 2, 4, 8, 16, 32].into_iter().fold(bits, |bits, shift| bits ^ (bits << shift))
}

#[inline]
fn bits(window: &[u8; WINDOW], is: impl Fn(u8) -> u8) -> u64 {
    /// Multiplied with eight bytes of 0 or 1, moves the lowest bit of each into the highest byte.
    const GATHER: u64 = 0x0102_0408_1020_4080;
    let mut found = [0; WINDOW];
    for (found, &byte) in found.iter_mut().zip(window) {
        *found = is(byte);
    }
    let (words, _) = found.as_chunks::<8>();
    words
        .iter()
        .rev()
        .fold(0, |bits, &word| bits << 8 | u64::from_le_bytes(word).wrapping_mul(GATHER) >> 56)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_has_its_bit() {
        for at in 0..WINDOW {
            for byte in [b',', b'"', b'\n', b'\r'] {
                let mut bytes = [b'x'; WINDOW];
                bytes[at] = byte;
                assert_eq!(structure(&bytes, b','), 1 << at);
                assert_eq!(places(&bytes, byte), 1 << at);
                assert_eq!(line_ends(&bytes) != 0, byte == b'\n' || byte == b'\r');
            }
        }
        assert_eq!(places(&[b'"'; WINDOW], b'"'), u64::MAX);
    }

    #[test]
    fn behind_the_end_is_nothing() {
        assert_eq!(structure(&window(b"a,b\n", 0), b','), 0b1010);
        assert_eq!(structure(&window(b"a,b\n", 3), b','), 0b1);
        assert_eq!(structure(&window(b"a,b\n", 9), b','), 0);
    }

    #[test]
    fn parity_is_set_from_one_bit_to_the_next() {
        assert_eq!(parity(0b0100_0100), 0b0011_1100);
        assert_eq!(parity(1), u64::MAX);
        assert_eq!(parity(0b11), 1);
    }
}
