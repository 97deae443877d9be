//! A keyed digest inside the file that it seals.

use crate::key::Secret;

/// What stands in the seal's place while the seal is computed: 64 zeros.
pub const SEAL_PLACE: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// What stands before the seal in the text.
const BEFORE: &str = "\"seal\": \"";

/// The seal of a text that holds [`SEAL_PLACE`] where the seal is to stand: 64 hex digits.
#[must_use]
pub fn seal(text: &str, secret: &Secret) -> String {
    blake3::keyed_hash(&secret.seal_key(), text.as_bytes()).to_hex().to_string()
}

/// The text with the seal in its place.
#[must_use]
pub fn sealed(text: &str, seal: &str) -> String {
    let at = text.rfind(SEAL_PLACE).unwrap_or(text.len());
    let end = (at + SEAL_PLACE.len()).min(text.len());
    [&text[..at], seal, &text[end..]].concat()
}

/// True when the text's seal is the one that this secret gives it.
#[must_use]
pub fn is_sealed(text: &str, secret: &Secret) -> bool {
    let Some(at) = text.rfind(BEFORE).map(|at| at + BEFORE.len()) else { return false };
    let end = at + SEAL_PLACE.len();
    let (Some(start), Some(found), Some(rest)) =
        (text.get(..at), text.get(at..end), text.get(end..))
    else {
        return false;
    };
    seal(&format!("{start}{SEAL_PLACE}{rest}"), secret) == found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_changed_byte_breaks_the_seal() {
        let secret = Secret::from_file_content(&[3; 32]).unwrap();
        let open = format!("{{\n  \"rows\": 5,\n  {BEFORE}{SEAL_PLACE}\"\n}}\n");
        let sealed = sealed(&open, &seal(&open, &secret));
        assert!(is_sealed(&sealed, &secret));
        assert!(!is_sealed(&sealed, &Secret::from_file_content(&[4; 32]).unwrap()));
        for at in 0..sealed.len() {
            let mut bytes = sealed.clone().into_bytes();
            bytes[at] ^= 1;
            if let Ok(text) = String::from_utf8(bytes) {
                assert!(!is_sealed(&text, &secret), "byte {at}");
            }
        }
    }
}
