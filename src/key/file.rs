//! A secret file: who may read it, and what it must hold.
//!
//! The secret is never an argument and never a variable's value, because others can read those.
//! It is a file that nobody but its owner may open, or what a descriptor gives.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::{NotASecret, Secret};

/// Longest content of a secret file: 64 hex digits and a line end are 66 bytes.
const MOST_BYTES: u64 = 128;

/// Why a secret cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum SecretFileError {
    /// It cannot be opened or read.
    #[error("cannot read the secret {named}: {source}")]
    Unreadable {
        /// The path, or what else was read.
        named: String,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// The path is not a file's.
    #[error("the secret {} is no file", path.display())]
    NotAFile {
        /// The path.
        path: PathBuf,
    },
    /// Others than its owner can read it.
    #[error(
        "the secret file {} can be read by others (mode {mode:04o}); run: chmod 600 {}",
        path.display(),
        path.display()
    )]
    Open {
        /// The path.
        path: PathBuf,
        /// The file's permissions.
        mode: u32,
    },
    /// It holds something else.
    #[error("the secret {named} is none: {source}")]
    NotASecret {
        /// The path, or what else was read.
        named: String,
        /// What a secret is.
        #[source]
        source: NotASecret,
    },
}

impl Secret {
    /// Reads a secret file: 32 bytes or 64 hex digits that nobody but the file's owner can read.
    ///
    /// # Errors
    ///
    /// [`SecretFileError`], which quotes the path and nothing of the content.
    pub fn from_file(path: &Path) -> Result<Self, SecretFileError> {
        let named = path.display().to_string();
        let unreadable = |source| SecretFileError::Unreadable { named: named.clone(), source };
        let file = File::open(path).map_err(unreadable)?;
        let metadata = file.metadata().map_err(unreadable)?;
        if !metadata.is_file() {
            return Err(SecretFileError::NotAFile { path: path.to_owned() });
        }
        if metadata.mode() & 0o077 != 0 {
            let mode = metadata.mode() & 0o7777;
            return Err(SecretFileError::Open { path: path.to_owned(), mode });
        }
        Self::from_reader(file, &named)
    }

    /// Reads a secret to the reader's end. `named` says in errors where it is from.
    ///
    /// # Errors
    ///
    /// [`SecretFileError::Unreadable`] and [`SecretFileError::NotASecret`].
    pub fn from_reader(reader: impl Read, named: &str) -> Result<Self, SecretFileError> {
        let mut content = Zeroizing::new(Vec::with_capacity(2 * 128));
        reader
            .take(MOST_BYTES)
            .read_to_end(&mut content)
            .map_err(|source| SecretFileError::Unreadable { named: named.to_owned(), source })?;
        Self::from_file_content(&content)
            .map_err(|source| SecretFileError::NotASecret { named: named.to_owned(), source })
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn only_the_owners_own_file_with_a_secret_is_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret.key");
        let read = || Secret::from_file(&path);
        assert!(matches!(read(), Err(SecretFileError::Unreadable { .. })));
        let secret = Secret::draw().unwrap();
        fs::write(&path, secret.expose_file_content().as_bytes()).unwrap();
        for mode in [0o640, 0o604, 0o610, 0o602] {
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            assert!(
                matches!(read(), Err(SecretFileError::Open { mode: found, .. }) if found == mode)
            );
        }
        for mode in [0o600, 0o400] {
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            assert_eq!(read().unwrap().key_id(), secret.key_id());
        }
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        fs::write(&path, "short").unwrap();
        assert!(matches!(read(), Err(SecretFileError::NotASecret { .. })));
        let no_file = Secret::from_file(folder.path());
        assert!(matches!(no_file, Err(SecretFileError::NotAFile { .. })));
    }
}
