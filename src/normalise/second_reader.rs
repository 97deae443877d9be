//! The second, independent reader of opt-outs that ours refuses: the `phonenumber` crate.
//!
//! It is older, slower and now and then wrong, which is why it is nowhere near the match path.
//! Here a wrong extra reading only bars one more number. The one door to that crate.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::str::FromStr;

use super::{Hint, Region};
use crate::digits::append;

/// Calling code and national digits of what the other reader takes for a valid number.
pub(super) fn read(text: &str, hint: Hint) -> Option<u64> {
    let country = match hint {
        Hint::Region(region) => country(region),
        Hint::International | Hint::None => None,
    };
    // A crate that panics on a crafted row must not take the run with it.
    let parsed = catch_unwind(AssertUnwindSafe(|| phonenumber::parse(country, text)));
    let number = parsed.ok()?.ok().filter(phonenumber::PhoneNumber::is_valid)?;
    let code = u64::from(number.code().value());
    let national = number.national();
    let zeros = vec![b'0'; usize::from(national.zeros())];
    let digits = append(code, &zeros)?;
    append(digits, national.value().to_string().as_bytes())
}

fn country(region: Region) -> Option<phonenumber::country::Id> {
    phonenumber::country::Id::from_str(region.code()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_what_a_person_would() {
        let region = Region::from_code(b"GB").unwrap();
        assert_eq!(read("07911 123456", Hint::Region(region)), Some(447_911_123_456));
        assert_eq!(read("nobody", Hint::None), None);
    }
}
