//! What do we compare instead of the number?
//!
//! A keyed digest: `MatchKey` is the first 16 bytes of HMAC-SHA-256 (RFC 2104, FIPS 180-4) over
//! SHA-256 of the number's E.164 text, under a join key that HKDF (RFC 5869) derives from the
//! secret. Lists that arrive as SHA-256 digests therefore meet raw lists in one key space. What a
//! recipient sees is a `Token`: the same construction over the match key, under a key of its own,
//! so that two recipients' files have nothing in common.
//!
//! It promises: nothing that is stored or written is an unkeyed digest (all mobile numbers of the
//! world are minutes of SHA-256), and neither keys nor secret are ever printed. The only module
//! that sees SHA-2, but for the lanes in `vectors`. It cannot fail on a number.
//!
//! # How it is fast
//!
//! Most numbers need no key: `filter` tells, from a number or from its bare digest, that no list
//! holds it. The others are hashed sixteen at a time (`batch`).

mod batch;
mod columns;
mod file;
mod filter;
mod sample;

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::digits::{MOST_DIGITS, decimal};
use crate::normalise::{E164, Reading, Region};
use crate::vectors::Level;
use batch::KeyedLanes;

pub use columns::{NotAKey, NotE164};
pub use file::SecretFileError;
pub use filter::Clue;
pub(crate) use filter::{ClueSeed, Filter};
pub use sample::is_in_sample;

/// Bytes of a match key and of a token: 128 bits of HMAC-SHA-256, so that among 10¹⁰ numbers an
/// accidental collision has a chance below 10⁻¹⁸.
pub const KEY_LEN: usize = 16;

const JOIN_INFO: &[u8] = b"phonematch/join/v1";
const RECIPIENT_INFO: &[u8] = b"phonematch/recipient/v1/";
const KEY_ID_INFO: &[u8] = b"phonematch/key-id/v1";
const SEAL_INFO: &[u8] = b"phonematch/seal/v1";
const LEDGER_INFO: &[u8] = b"phonematch/ledger/v1";
const HISTORY_INFO: &[u8] = b"phonematch/history/v1";
const NOISE_INFO: &[u8] = b"phonematch/noise/v1/";
const FILTER_INFO: &[u8] = b"phonematch/filter/v1";

/// The 32 secret bytes that everything is keyed with. Wiped when dropped, never printed.
pub struct Secret(Zeroizing<[u8; 32]>);

/// The secret file does not hold a secret.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("a secret is 32 bytes, or 64 hex digits; this is neither")]
pub struct NotASecret;

impl Secret {
    /// Reads 32 raw bytes, or 64 hex digits with or without a line end.
    ///
    /// # Errors
    ///
    /// [`NotASecret`] for anything else.
    pub fn from_file_content(content: &[u8]) -> Result<Self, NotASecret> {
        let mut bytes = Zeroizing::new([0; 32]);
        if content.len() == bytes.len() {
            bytes.copy_from_slice(content);
            return Ok(Self(bytes));
        }
        let text = content.trim_ascii_end();
        // No `0x` before them.
        if text.len() != 2 * bytes.len() {
            return Err(NotASecret);
        }
        hex::decode_to_slice(text, bytes.as_mut()).map_err(|_| NotASecret)?;
        Ok(Self(bytes))
    }

    /// Draws a new secret from the operating system.
    ///
    /// # Errors
    ///
    /// When the operating system has no randomness to give.
    pub fn draw() -> Result<Self, getrandom::Error> {
        let mut bytes = Zeroizing::new([0; 32]);
        getrandom::fill(bytes.as_mut())?;
        Ok(Self(bytes))
    }

    /// The content of a secret file: 64 lower-case hex digits and a line end.
    #[must_use]
    pub fn expose_file_content(&self) -> Zeroizing<String> {
        Zeroizing::new(hex::encode(self.0.as_ref()) + "\n")
    }

    fn derive(&self, info: &[&[u8]]) -> Zeroizing<[u8; 32]> {
        let mut okm = Zeroizing::new([0; 32]);
        let expanded =
            Hkdf::<Sha256>::new(None, self.0.as_ref()).expand_multi_info(info, okm.as_mut());
        assert!(expanded.is_ok(), "HKDF gives up to 8160 bytes; 32 were asked");
        okm
    }

    /// A public name of the secret: 16 hex digits that say which one was used, and no more.
    #[must_use]
    pub fn key_id(&self) -> String {
        hex::encode(&self.derive(&[KEY_ID_INFO])[..8])
    }

    /// The key that reports are sealed with.
    pub(crate) fn seal_key(&self) -> Zeroizing<[u8; 32]> {
        self.derive(&[SEAL_INFO])
    }

    /// The key that the budget ledger is sealed with.
    pub(crate) fn ledger_key(&self) -> Zeroizing<[u8; 32]> {
        self.derive(&[LEDGER_INFO])
    }

    /// The key that the message history is sealed with and knows people by.
    pub(crate) fn history_key(&self) -> Zeroizing<[u8; 32]> {
        self.derive(&[HISTORY_INFO])
    }

    /// The key of the noise that the figures of the recipient named `id` get.
    pub(crate) fn noise_key(&self, id: &str) -> Zeroizing<[u8; 32]> {
        self.derive(&[NOISE_INFO, id.as_bytes()])
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(redacted)")
    }
}

/// Which text of a number is hashed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Form {
    /// `+4930123456`: Google's Customer Match, UID2.
    E164,
    /// `4930123456`: Meta's and Snap's custom audiences.
    Digits,
}

impl Form {
    /// Both forms.
    pub const ALL: [Self; 2] = [Self::E164, Self::Digits];

    /// The form's name in job files and reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::E164 => "e164",
            Self::Digits => "digits",
        }
    }
}

/// A number's stand-in on both sides of the join.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct MatchKey([u8; KEY_LEN]);

impl MatchKey {
    /// Eight of the key's bytes as a table hash. Keyed already, so nobody can choose collisions.
    #[must_use]
    pub fn table_hash(self) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = self.0;
        u64::from_le_bytes([a, b, c, d, e, f, g, h])
    }
}

impl MatchKey {
    /// The key's bytes: for a digest under another key, or for an engine that joins by them. Keyed
    /// already, but the same for every recipient: they leave the house in no file.
    #[must_use]
    pub const fn expose_bytes(&self) -> &[u8; KEY_LEN] {
        &self.0
    }

    /// A key whose bytes were put aside.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; KEY_LEN]) -> Self {
        Self(bytes)
    }
}

impl fmt::Debug for MatchKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MatchKey(redacted)")
    }
}

/// Hex digits of a [`Token`].
pub const TOKEN_TEXT_LEN: usize = 2 * KEY_LEN;

/// What a recipient's files call a person.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Token([u8; KEY_LEN]);

/// The order of the bytes, as one number: millions are sorted, and a number is compared without a
/// call.
macro_rules! ordered_as_a_number {
    ($of:ty) => {
        impl Ord for $of {
            fn cmp(&self, other: &Self) -> std::cmp::Ordering {
                u128::from_be_bytes(self.0).cmp(&u128::from_be_bytes(other.0))
            }
        }

        impl PartialOrd for $of {
            fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
                Some(self.cmp(other))
            }
        }
    };
}

ordered_as_a_number!(MatchKey);
ordered_as_a_number!(Token);

impl Token {
    /// Reads what [`Token::expose_hex`] wrote.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Self> {
        let text: [u8; TOKEN_TEXT_LEN] = text.as_bytes().try_into().ok()?;
        let mut token = [0; KEY_LEN];
        hex::decode_to_slice(text, &mut token).ok()?;
        Some(Self(token))
    }

    /// The 32 lower-case hex digits that are written, for `output` and `audit`.
    #[must_use]
    pub fn expose_hex(self) -> String {
        hex::encode(self.0)
    }

    /// The same without a string of its own: for columns of tokens.
    pub fn expose_hex_in(self, text: &mut [u8; TOKEN_TEXT_LEN]) -> &str {
        // Twice the bytes are the digits' room, and digits are text.
        let written = hex::encode_to_slice(self.0, text);
        debug_assert!(written.is_ok());
        std::str::from_utf8(text).unwrap_or_default()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(redacted)")
    }
}

/// SHA-256 of a number's text, as a list brought it. Never stored, only keyed.
#[derive(Clone, Copy)]
pub struct PhoneDigest([u8; 32]);

impl PhoneDigest {
    fn of(number: Spelled) -> Self {
        let mut buffer = [0; MOST_DIGITS];
        let mut hash = Sha256::new();
        if number.form == Form::E164 {
            hash.update(b"+");
        }
        hash.update(decimal(number.digits, &mut buffer));
        Self(hash.finalize().into())
    }

    /// Reads 64 hex digits of either case, or Base64 (standard or URL alphabet, padded or not).
    #[must_use]
    pub fn from_text(text: &[u8]) -> Option<Self> {
        let text = text.trim_ascii();
        let mut digest = [0; 32];
        if text.len() == 64 {
            hex::decode_to_slice(text, &mut digest).ok()?;
            return Some(Self(digest));
        }
        let unpadded = text.strip_suffix(b"=").unwrap_or(text);
        if unpadded.len() != 43 {
            return None;
        }
        let decoded =
            STANDARD_NO_PAD.decode(unpadded).or_else(|_| URL_SAFE_NO_PAD.decode(unpadded)).ok()?;
        digest.copy_from_slice(decoded.get(..32)?);
        Some(Self(digest))
    }
}

impl fmt::Debug for PhoneDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PhoneDigest(redacted)")
    }
}

/// Calling code and national digits, and which text of them is hashed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Spelled {
    /// The digits as one integer; they need not be a valid number.
    pub digits: u64,
    /// With or without the plus.
    pub form: Form,
}

impl fmt::Debug for Spelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Spelled(redacted)")
    }
}

/// What a list row says of a person.
#[derive(Clone, Copy, Debug)]
pub enum Told {
    /// The number.
    Number(Reading),
    /// A digest of it.
    Digest(PhoneDigest),
}

/// What the index is told of a list number.
#[derive(Clone, Copy)]
pub struct Listed {
    /// What accounts are compared with.
    pub key: MatchKey,
    /// What is asked of an account before it gets a key of its own.
    pub(crate) clue: Clue,
    /// Where the clue is from.
    pub(crate) told_by: ToldBy,
}

impl Listed {
    /// The number's country, where the list tells it.
    pub(crate) const fn region(&self) -> Option<Region> {
        match self.told_by {
            ToldBy::Number(region) => Some(region),
            ToldBy::Digest => None,
        }
    }
}

/// What a list brought.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum ToldBy {
    /// The number itself, in this region.
    Number(Region),
    /// A digest of it.
    Digest,
}

impl Told {
    const fn told_by(self) -> ToldBy {
        match self {
            Self::Number(reading) => ToldBy::Number(reading.region),
            Self::Digest(_) => ToldBy::Digest,
        }
    }

    /// A list number in a form: in the one without plus it can only be told by its digest.
    pub(crate) fn in_form(number: Reading, form: Form) -> Self {
        let digits = number.number.expose_digits();
        match form {
            Form::E164 => Self::Number(number),
            Form::Digits => Self::Digest(PhoneDigest::of(Spelled { digits, form })),
        }
    }
}

impl fmt::Debug for Listed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Listed(redacted)")
    }
}

/// Makes match keys under one secret's join key.
#[derive(Clone)]
pub struct Keyer {
    join: Hmac<Sha256>,
    in_lanes: KeyedLanes,
    clues: ClueSeed,
}

/// Makes one recipient's tokens.
#[derive(Clone)]
pub struct RecipientKey {
    keyed: Hmac<Sha256>,
    in_lanes: KeyedLanes,
}

impl Keyer {
    /// Derives the join key.
    #[must_use]
    pub fn new(secret: &Secret) -> Self {
        Self::at_level(secret, Level::best())
    }

    fn at_level(secret: &Secret, level: Level) -> Self {
        let key = secret.derive(&[JOIN_INFO]);
        let [a, b, c, d, e, f, g, h, ..] = *secret.derive(&[FILTER_INFO]);
        let clues = ClueSeed::of([a, b, c, d, e, f, g, h]);
        Self { join: hmac(key.as_ref()), in_lanes: KeyedLanes::new(&key, level), clues }
    }

    /// The key of a number in one form.
    #[must_use]
    pub fn key(&self, number: E164, form: Form) -> MatchKey {
        self.key_of_digits(number.expose_digits(), form)
    }

    /// The key of calling code and national digits that need not be a valid number: an alias.
    #[must_use]
    pub fn key_of_digits(&self, digits: u64, form: Form) -> MatchKey {
        self.key_of_digest(PhoneDigest::of(Spelled { digits, form }))
    }

    /// The key of a number that came as its SHA-256.
    #[must_use]
    pub fn key_of_digest(&self, digest: PhoneDigest) -> MatchKey {
        MatchKey(first_half(self.join.clone(), &digest.0))
    }

    /// What an account with these digits is asked, where a list told numbers.
    #[inline]
    pub(crate) fn clue_of_digits(&self, digits: u64) -> Clue {
        self.clues.clue(digits)
    }

    /// The same, where a list told digests.
    fn clue_of_digest(&self, first_bytes: u64) -> Clue {
        self.clues.clue(first_bytes)
    }
}

impl RecipientKey {
    /// Derives the key of the recipient named `id`.
    #[must_use]
    pub fn new(secret: &Secret, id: &str) -> Self {
        let key = secret.derive(&[RECIPIENT_INFO, id.as_bytes()]);
        Self { keyed: hmac(key.as_ref()), in_lanes: KeyedLanes::new(&key, Level::best()) }
    }

    /// What this recipient's files call the person behind `key`.
    #[must_use]
    pub fn token(&self, key: MatchKey) -> Token {
        Token(first_half(self.keyed.clone(), &key.0))
    }
}

impl fmt::Debug for Keyer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keyer(redacted)")
    }
}

impl fmt::Debug for RecipientKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecipientKey(redacted)")
    }
}

fn hmac(key: &[u8]) -> Hmac<Sha256> {
    match Hmac::new_from_slice(key) {
        Ok(keyed) => keyed,
        Err(_) => unreachable!("HMAC takes keys of any length (RFC 2104 §2)"),
    }
}

fn first_half(mut keyed: Hmac<Sha256>, message: &[u8]) -> [u8; KEY_LEN] {
    keyed.update(message);
    let tag: [u8; 32] = keyed.finalize().into_bytes().into();
    let mut half = [0; KEY_LEN];
    half.copy_from_slice(&tag[..KEY_LEN]);
    half
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret() -> Secret {
        Secret::from_file_content(&[7; 32]).unwrap()
    }

    #[test]
    fn keys_and_tokens_are_those_of_an_independent_implementation() {
        // Computed with Python's hashlib and hmac from the formulas in the module doc.
        let keyer = Keyer::new(&secret());
        let key = keyer.key_of_digits(12_025_550_123, Form::E164);
        assert_eq!(hex::encode(key.0), KEY_E164);
        let key = keyer.key_of_digits(12_025_550_123, Form::Digits);
        assert_eq!(hex::encode(key.0), KEY_DIGITS);
        assert_eq!(RecipientKey::new(&secret(), "acme").token(key).expose_hex(), TOKEN);
        assert_eq!(secret().key_id(), KEY_ID);
    }

    const KEY_E164: &str = "5875075a0fd470a53e8a41092aee20e1";
    const KEY_DIGITS: &str = "442b26da06e3955ef209168eb28d949c";
    const TOKEN: &str = "6f5db9b2e57ee5ce1a75ea295242220a";
    const KEY_ID: &str = "18778ecedd44b3c5";

    #[test]
    fn digits_with_a_prefix_are_nothing() {
        for prefix in ["0x", "0X"] {
            for (digits, less) in [(64, 0), (64, 2), (32, 0), (32, 2)] {
                let text = prefix.to_owned() + &"a".repeat(digits - less);
                // Any 32 bytes are a secret.
                let is_secret = Secret::from_file_content(text.as_bytes()).is_ok();
                assert_eq!(is_secret, text.len() == 32);
                assert!(PhoneDigest::from_text(text.as_bytes()).is_none());
                assert!(Token::from_hex(&text).is_none());
            }
        }
    }

    #[test]
    fn a_hashed_list_meets_a_raw_one() {
        let keyer = Keyer::new(&secret());
        let raw = keyer.key_of_digits(12_025_550_123, Form::E164);
        let digest = Sha256::digest(b"+12025550123");
        for text in [
            hex::encode(digest),
            hex::encode_upper(digest),
            base64::engine::general_purpose::STANDARD.encode(digest),
            URL_SAFE_NO_PAD.encode(digest),
        ] {
            let hashed = PhoneDigest::from_text(text.as_bytes()).unwrap();
            assert_eq!(keyer.key_of_digest(hashed), raw);
        }
    }

    #[test]
    fn what_is_not_a_digest_is_refused() {
        for text in ["", "12025550123", &"g".repeat(64), &"a".repeat(63), &"!".repeat(43)] {
            assert!(PhoneDigest::from_text(text.as_bytes()).is_none());
        }
    }

    #[test]
    fn a_secret_survives_its_file() {
        let drawn = Secret::draw().unwrap();
        let read = Secret::from_file_content(drawn.expose_file_content().as_bytes()).unwrap();
        assert_eq!(drawn.key_id(), read.key_id());
        assert_eq!(Secret::from_file_content(b"short").unwrap_err(), NotASecret);
    }
}
