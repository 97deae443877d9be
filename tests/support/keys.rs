//! Design §4 written a second time, straight from its text.

use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

/// How a list spells the number before it hashes it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    /// With the plus.
    E164,
    /// Without it.
    Digits,
}

pub fn digest(digits: &str, form: Form) -> [u8; 32] {
    match form {
        Form::E164 => Sha256::digest(format!("+{digits}")).into(),
        Form::Digits => Sha256::digest(digits).into(),
    }
}

fn subkey(secret_hex: &str, info: &str) -> [u8; 32] {
    let secret = hex::decode(secret_hex.trim()).unwrap();
    let mut key = [0; 32];
    Hkdf::<Sha256>::new(None, &secret).expand(info.as_bytes(), &mut key).unwrap();
    key
}

fn half_mac(key: &[u8], message: &[u8]) -> [u8; 16] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(message);
    mac.finalize().into_bytes()[..16].try_into().unwrap()
}

/// What is compared inside, and must never come out.
pub fn match_key(secret_hex: &str, digits: &str, form: Form) -> [u8; 16] {
    half_mac(&subkey(secret_hex, "phonematch/join/v1"), &digest(digits, form))
}

/// The token of the number with these digits, for one recipient.
pub fn token(secret_hex: &str, recipient: &str, digits: &str, form: Form) -> String {
    hex::encode(Tokens::of(secret_hex, recipient).token(digits, form))
}

/// Makes many tokens of one recipient: its two keys are made once.
pub struct Tokens {
    join: Hmac<Sha256>,
    recipient: Hmac<Sha256>,
}

impl Tokens {
    pub fn of(secret_hex: &str, recipient: &str) -> Self {
        let recipient = format!("phonematch/recipient/v1/{recipient}");
        let keyed = |info: &str| Hmac::new_from_slice(&subkey(secret_hex, info)).unwrap();
        Self { join: keyed("phonematch/join/v1"), recipient: keyed(&recipient) }
    }

    pub fn token(&self, digits: &str, form: Form) -> [u8; 16] {
        let half = |keyed: &Hmac<Sha256>, message: &[u8]| -> [u8; 16] {
            let bytes = keyed.clone().chain_update(message).finalize().into_bytes();
            bytes[..16].try_into().unwrap()
        };
        half(&self.recipient, &half(&self.join, &digest(digits, form)))
    }
}
