//! Where do delimiters, quotes and line ends stand?
//!
//! Looks at 64 bytes at a time and gives a bit for each, with the eyes of whatever machine it runs
//! on. After Langdale and Lemire, "Parsing gigabytes of JSON per second", VLDB Journal 28 (2019),
//! sections 3.1 and 3.2.

use crate::vectors::Eyes;
pub(super) use crate::vectors::WINDOW;

/// The next bytes of a text; behind its end NULs, which have no meaning in it.
#[inline(always)]
pub(super) fn window(text: &[u8], at: usize) -> [u8; WINDOW] {
    let rest = text.get(at..).unwrap_or_default();
    if let Some(whole) = rest.first_chunk() {
        return *whole;
    }
    let mut padded = [0; WINDOW];
    padded[..rest.len()].copy_from_slice(rest);
    padded
}

/// The bits of the line ends' places.
#[inline(always)]
pub(super) fn line_ends(eyes: impl Eyes, window: &[u8; WINDOW]) -> u64 {
    eyes.places_of(window, [b'\n', b'\r'])
}

/// For each bit the parity of those at and below it: between an odd bit and the next it is set.
#[inline(always)]
pub(super) fn parity(mut bits: u64) -> u64 {
    for shift in [1, 2, 4, 8, 16, 32] {
        bits ^= bits << shift;
    }
    bits
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vectors::Plain;

    #[test]
    fn every_place_has_its_bit() {
        for at in 0..WINDOW {
            for byte in [b',', b'"', b'\n', b'\r'] {
                let mut bytes = [b'x'; WINDOW];
                bytes[at] = byte;
                assert_eq!(Plain.places_of(&bytes, [byte]), 1 << at);
                assert_eq!(line_ends(Plain, &bytes) != 0, byte == b'\n' || byte == b'\r');
            }
        }
        assert_eq!(Plain.places_of(&[b'"'; WINDOW], [b'"']), u64::MAX);
    }

    #[test]
    fn behind_the_end_is_nothing() {
        let places = |at| Plain.places_of(&window(b"a,b\n", at), [b',', b'\n']);
        assert_eq!((places(0), places(3), places(9)), (0b1010, 0b1, 0));
    }

    #[test]
    fn parity_is_set_from_one_bit_to_the_next() {
        assert_eq!(parity(0b0100_0100), 0b0011_1100);
        assert_eq!(parity(1), u64::MAX);
        assert_eq!(parity(0b11), 1);
    }
}
