//! Keys and tokens under a secret that stays in its file.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, new_empty_array};
use arrow::datatypes::DataType;
use phonematch::job::Identifier;
use phonematch::key::{self, Form, RecipientKey, Secret};
use phonematch::normalise::Texts;
use pyo3::create_exception;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::chunks::Chunks;
use crate::columns::{Column, one};
use crate::guard::unlocked;

create_exception!(
    phonematch,
    SecretError,
    PyValueError,
    "The secret file is missing, open to others, or holds no secret."
);

/// Makes match keys and tokens under the secret of a file.
///
/// The file holds 32 bytes or 64 hex digits, and nobody but its owner may read it
/// (`phonematch keygen FILE` makes one). There is no way to give the secret itself, and a keyer
/// cannot be pickled: each process reads the file.
///
/// Args:
///     secret_file: the file's path.
///
/// Raises:
///     SecretError: it is missing, open to others, or holds no secret.
#[pyclass(frozen, module = "phonematch")]
pub(crate) struct Keyer {
    pub(crate) secret: Secret,
    pub(crate) keyer: key::Keyer,
}

#[pymethods]
impl Keyer {
    #[new]
    fn new(secret_file: PathBuf) -> PyResult<Self> {
        if is_a_secret(&secret_file) {
            // An error about that path would quote it.
            return Err(SecretError::new_err("give the path of the secret's file, not the secret"));
        }
        let secret = Secret::from_file(&secret_file)
            .map_err(|error| SecretError::new_err(error.to_string()))?;
        let keyer = key::Keyer::new(&secret);
        Ok(Self { secret, keyer })
    }

    /// A public name of the secret: 16 hex digits that say which one is used, and no more.
    #[getter]
    fn key_id(&self) -> String {
        self.secret.key_id()
    }

    fn __repr__(&self) -> &'static str {
        "Keyer(redacted)"
    }

    /// The match keys of numbers in E.164 form.
    ///
    /// Args:
    ///     e164: an Arrow array or stream of numbers in E.164 form, or what `normalise` gave.
    ///     form: which text of the number is hashed: `e164`, or `digits` where the other side's
    ///         digests are of numbers without plus.
    ///
    /// Returns:
    ///     A `Column` of 16 bytes a row, null where the number is.
    ///
    /// Raises:
    ///     TypeError: the argument is not Arrow data of text.
    ///     ValueError: a row is not in E.164 form; the message names the row.
    #[pyo3(signature = (e164, form="e164"))]
    fn match_key(&self, py: Python<'_>, e164: &Bound<'_, PyAny>, form: &str) -> PyResult<Column> {
        let named = |known: &Form| known.name() == form;
        let form = Form::ALL
            .into_iter()
            .find(named)
            .ok_or_else(|| PyValueError::new_err("the form must be 'e164' or 'digits'"))?;
        let chunks = Chunks::of(e164, "e164", Some("e164"))?;
        by_parts(py, chunks, DataType::Binary, |texts, before| {
            let keys = self.keyer.key_column(texts, form);
            let keys = keys.map_err(|error| key::NotE164 { row: before + error.row });
            Ok(Arc::new(keys.map_err(|error| PyValueError::new_err(error.to_string()))?))
        })
    }

    /// The match keys of numbers that came as their SHA-256.
    ///
    /// Args:
    ///     digests: an Arrow array or stream of digests, in hex of either case or in Base64.
    ///
    /// Returns:
    ///     A `Column` of 16 bytes a row, null where the cell holds no digest.
    ///
    /// Raises:
    ///     TypeError: the argument is not Arrow data of text.
    fn match_key_of_sha256(&self, py: Python<'_>, digests: &Bound<'_, PyAny>) -> PyResult<Column> {
        let chunks = Chunks::of(digests, "digests", None)?;
        by_parts(py, chunks, DataType::Binary, |texts, _| {
            Ok(Arc::new(self.keyer.digest_key_column(texts)))
        })
    }

    /// What a recipient's files call the people behind match keys.
    ///
    /// Args:
    ///     match_keys: an Arrow array or stream of match keys.
    ///     recipient: the advertiser's name, as jobs name it.
    ///
    /// Returns:
    ///     A `Column` of 32 lower-case hex digits a row, null where the key is.
    ///
    /// Raises:
    ///     TypeError: the argument is not Arrow data of bytes.
    ///     ValueError: a row is no match key, or the recipient no plain name.
    fn token(
        &self,
        py: Python<'_>,
        match_keys: &Bound<'_, PyAny>,
        recipient: &str,
    ) -> PyResult<Column> {
        let recipient = Identifier::from_text(recipient.as_bytes()).ok_or_else(|| {
            PyValueError::new_err("a recipient is named by 1 to 64 of A-Z a-z 0-9 . _ -")
        })?;
        let recipient = RecipientKey::new(&self.secret, recipient.as_str());
        let chunks = Chunks::of(match_keys, "match_keys", None)?;
        by_parts(py, chunks, DataType::Utf8, |texts, before| {
            let tokens = recipient.token_column(texts);
            let tokens = tokens.map_err(|error| key::NotAKey { row: before + error.row });
            Ok(Arc::new(tokens.map_err(|error| PyValueError::new_err(error.to_string()))?))
        })
    }
}

/// Whether the path is what a secret file holds: 64 hex digits.
fn is_a_secret(path: &Path) -> bool {
    let text = path.as_os_str().as_encoded_bytes().trim_ascii();
    text.len() == 64 && text.iter().all(u8::is_ascii_hexdigit)
}

/// Makes a column of a column, part by part. `work` is told how many rows came before.
fn by_parts(
    py: Python<'_>,
    mut chunks: Chunks,
    kind: DataType,
    work: impl Fn(&Texts, usize) -> PyResult<ArrayRef> + Sync,
) -> PyResult<Column> {
    let mut parts: Vec<ArrayRef> = Vec::new();
    let mut before = 0;
    while let Some(part) = unlocked(py, || {
        let Some(texts) = chunks.next()? else { return Ok(None) };
        let part = work(&texts, before)?;
        before += texts.len();
        Ok(Some(part))
    })? {
        parts.push(part);
        py.check_signals()?;
    }
    let parts: Vec<&dyn Array> = parts.iter().map(AsRef::as_ref).collect();
    one(&parts, || new_empty_array(&kind)).map(Column)
}
