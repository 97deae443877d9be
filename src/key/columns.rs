//! Columns of keys and tokens, for engines that join by them outside this program.
//!
//! A null stays a null, so that rows without a number share no key. What is not in the form that
//! is asked for is the caller's mistake and ends the column, naming the row and nothing else: a
//! number that was not normalised would get a key that meets nobody's.

use arrow::array::{BinaryArray, BinaryBuilder, StringArray, StringBuilder};

use super::{
    Form, KEY_LEN, Keyer, Listed, MatchKey, PhoneDigest, RecipientKey, Spelled, TOKEN_TEXT_LEN,
    Told,
};
use crate::digits::append;
use crate::normalise::{E164_TEXT_LEN, Texts, with_cells};

/// A cell is not a plus and a number's digits.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("row {row} is not a number in E.164 form; normalise the column first")]
pub struct NotE164 {
    /// The row, counted from zero.
    pub row: usize,
}

/// A cell is not a match key.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("row {row} is not a match key of {KEY_LEN} bytes")]
pub struct NotAKey {
    /// The row, counted from zero.
    pub row: usize,
}

impl Keyer {
    /// The match keys of numbers in E.164 form, as 16 bytes each.
    ///
    /// # Errors
    ///
    /// [`NotE164`] at the first cell that is neither null nor a plus and up to nineteen digits.
    pub fn key_column(&self, e164: &Texts, form: Form) -> Result<BinaryArray, NotE164> {
        let mut numbers = Vec::with_capacity(e164.len());
        with_cells!(e164, cells => {
            for (row, cell) in cells.enumerate() {
                let Some(text) = cell else { continue };
                let digits = digits_of(text).ok_or(NotE164 { row })?;
                numbers.push(Spelled { digits, form });
            }
        });
        let mut keys = Vec::new();
        self.keys(&numbers, &mut keys);
        let mut keys = keys.into_iter();
        let key = |row| if e164.is_null(row) { None } else { keys.next() };
        Ok(binary((0..e164.len()).map(key)))
    }

    /// The match keys of numbers that came as their SHA-256, in hex or Base64. What is no digest
    /// is null.
    #[must_use]
    pub fn digest_key_column(&self, digests: &Texts) -> BinaryArray {
        let digest = |cell: Option<&[u8]>| cell.and_then(PhoneDigest::from_text);
        let digests: Vec<_> = with_cells!(digests, cells => cells.map(digest).collect());
        let told: Vec<_> = digests.iter().flatten().map(|&digest| Told::Digest(digest)).collect();
        let mut listed: Vec<Listed> = Vec::new();
        self.list(&told, &mut listed);
        let mut listed = listed.into_iter();
        let key = |digest: &Option<_>| digest.and_then(|_: PhoneDigest| listed.next());
        binary(digests.iter().map(key).map(|listed| listed.map(|listed| listed.key)))
    }
}

impl RecipientKey {
    /// What this recipient's files call the people behind match keys: 32 lower-case hex digits.
    ///
    /// # Errors
    ///
    /// [`NotAKey`] at the first cell that is neither null nor 16 bytes.
    pub fn token_column(&self, keys: &Texts) -> Result<StringArray, NotAKey> {
        let mut known = Vec::with_capacity(keys.len());
        with_cells!(keys, cells => {
            for (row, cell) in cells.enumerate() {
                let Some(bytes) = cell else { continue };
                known.push(MatchKey(bytes.try_into().map_err(|_| NotAKey { row })?));
            }
        });
        let mut tokens = Vec::new();
        self.tokens(&known, &mut tokens);
        let mut tokens = tokens.into_iter();
        let mut column = StringBuilder::with_capacity(keys.len(), known.len() * TOKEN_TEXT_LEN);
        for row in 0..keys.len() {
            let token = if keys.is_null(row) { None } else { tokens.next() };
            let mut text = [0; TOKEN_TEXT_LEN];
            column.append_option(token.map(|token| token.expose_hex_in(&mut text)));
        }
        Ok(column.finish())
    }
}

/// The digits of an E.164 text. Only its form is looked at: whether the number is valid was settled
/// when it was read.
fn digits_of(text: &[u8]) -> Option<u64> {
    let digits = text.strip_prefix(b"+")?;
    let is_number = text.len() <= E164_TEXT_LEN && digits.first().is_some_and(|&b| b != b'0');
    is_number.then(|| append(0, digits)).flatten()
}

fn binary(keys: impl ExactSizeIterator<Item = Option<MatchKey>>) -> BinaryArray {
    let mut column = BinaryBuilder::with_capacity(keys.len(), keys.len() * KEY_LEN);
    for key in keys {
        column.append_option(key.as_ref().map(MatchKey::expose_bytes));
    }
    column.finish()
}

#[cfg(test)]
mod tests {
    use arrow::array::{Array, StringViewArray};
    use sha2::{Digest, Sha256};

    use super::super::Secret;
    use super::*;

    fn secret() -> Secret {
        Secret::from_file_content(&[7; 32]).unwrap()
    }

    fn texts(cells: &[Option<&str>]) -> Texts {
        Texts::Utf8View(StringViewArray::from_iter(cells.iter().copied()))
    }

    // Numbers set aside for fiction, with gaps of which none may get a key.
    fn e164(row: usize) -> Option<String> {
        (row % 5 != 3).then(|| format!("+120255501{:02}", row % 100))
    }

    fn column(rows: usize) -> Texts {
        Texts::Utf8View((0..rows).map(e164).collect())
    }

    #[test]
    fn a_column_has_the_keys_and_tokens_of_its_numbers_and_none_for_a_null() {
        let (keyer, recipient) = (Keyer::new(&secret()), RecipientKey::new(&secret(), "acme"));
        for rows in [0, 1, 3, 16, 100] {
            for form in Form::ALL {
                let keys = keyer.key_column(&column(rows), form).unwrap();
                let tokens = recipient.token_column(&Texts::Binary(keys.clone())).unwrap();
                assert_eq!((keys.len(), tokens.len()), (rows, rows));
                for row in 0..rows {
                    let Some(text) = e164(row) else {
                        assert!(keys.is_null(row) && tokens.is_null(row));
                        continue;
                    };
                    let key = keyer.key_of_digits(text[1..].parse().unwrap(), form);
                    assert_eq!(keys.value(row), key.expose_bytes());
                    assert_eq!(tokens.value(row), recipient.token(key).expose_hex());
                }
            }
        }
    }

    #[test]
    fn a_column_of_digests_meets_the_column_of_numbers() {
        let keyer = Keyer::new(&secret());
        let digest = |row| e164(row).map(|text| hex::encode(Sha256::digest(text)));
        let digests = Texts::Utf8View((0..40).map(digest).collect());
        let keys = keyer.key_column(&column(40), Form::E164).unwrap();
        assert_eq!(keyer.digest_key_column(&digests), keys);
        let junk = keyer.digest_key_column(&texts(&[Some("+12025550100"), None, Some("")]));
        assert_eq!(junk.null_count(), 3);
    }

    #[test]
    fn what_was_not_normalised_is_refused_and_not_keyed() {
        let keyer = Keyer::new(&secret());
        let junk = ["", "+", "12025550100", "+0123456789", "+1 2025550100", "+12025550100 "];
        for bad in junk.into_iter().chain(["+123456789012345678901", "\u{ff0b}12025550100"]) {
            let column = texts(&[Some("+12025550100"), None, Some(bad)]);
            let refused = keyer.key_column(&column, Form::E164).unwrap_err();
            assert_eq!(refused, NotE164 { row: 2 });
            assert!(bad.is_empty() || !refused.to_string().contains(bad.trim()) || bad == "+");
        }
        let recipient = RecipientKey::new(&secret(), "acme");
        let refused = recipient.token_column(&texts(&[None, Some("fifteen bytes..")]));
        assert_eq!(refused.unwrap_err(), NotAKey { row: 1 });
    }
}
