//! Any bytes as a cell: nothing panics, and the tables decide as the library.
//!
//! The first two bytes choose the hint and the checks, the rest is the text:
//!
//! ```text
//! cargo fuzz run --fuzz-dir tests/fuzz normalise -- -max_len=64 -max_total_time=1200
//! ```

#![no_main]

use libfuzzer_sys::fuzz_target;
use phonematch::normalise::{Checks, Hint, Region, numbers_in_cell, read, read_slowly};

/// Regions whose rules differ most: transforms, carrier codes, odd dialling prefixes.
const REGIONS: [&[u8; 2]; 24] = [
    b"US", b"GB", b"DE", b"AR", b"BR", b"MX", b"IT", b"AU", b"JP", b"KR", b"CN", b"RU", b"KZ", b"GG",
    b"AG", b"SM", b"MG", b"GA", b"NF", b"FI", b"SG", b"HK", b"ZZ", b"CR",
];

fuzz_target!(|data: &[u8]| {
    let [hint, checks, text @ ..] = data else { return };
    let hint = match usize::from(*hint) % 32 {
        index @ 0..24 => Region::from_code(REGIONS[index]).map_or(Hint::None, Hint::Region),
        24 => Hint::Region(Region::WORLD),
        25..28 => Hint::None,
        _ => Hint::International,
    };
    let checks = if checks % 2 == 0 { Checks::Library } else { Checks::Damage };
    // `assert!`, not `assert_eq!`: no message holds a number.
    assert!(read(text, hint, checks) == read_slowly(text, hint, checks));
    if let Ok(text) = std::str::from_utf8(text) {
        let _ = numbers_in_cell(text);
    }
});
