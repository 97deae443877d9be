//! Which object is meant?
//!
//! `s3://bucket/key`, `gs://bucket/key`, `az://container/key`, `https://host/path`. A key is taken
//! as it is written, as the stores' own tools do; only a web address is percent-encoded. What can
//! be a credential has no place in an address, since addresses are shown and kept in manifests.

use std::fmt;
use std::sync::Arc;

/// An address of an object in a store. It names no parent folders, has no empty part, and holds
/// no control character: it may be shown.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ObjectUrl(Arc<Parts>);

/// Shared, so that what names a place in an error stays small.
#[derive(PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
struct Parts {
    scheme: Scheme,
    root: String,
    key: String,
}

/// Which kind of store.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) enum Scheme {
    S3,
    Gs,
    Az,
    Https,
    Http,
}

impl Scheme {
    const ALL: [Self; 5] = [Self::S3, Self::Gs, Self::Az, Self::Https, Self::Http];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::S3 => "s3",
            Self::Gs => "gs",
            Self::Az => "az",
            Self::Https => "https",
            Self::Http => "http",
        }
    }

    const fn is_web(self) -> bool {
        matches!(self, Self::Https | Self::Http)
    }
}

/// Why an address names no object.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum UrlFault {
    /// There is no bucket, container or host.
    #[error("it names no bucket, container or host")]
    NoRoot,
    /// There is nothing behind the bucket.
    #[error("it names no object behind its bucket, container or host")]
    NoKey,
    /// Two slashes in a row, or `.` and `..`.
    #[error("a part of its path is empty, `.` or `..`")]
    BadPart,
    /// A user, a password or a signature in the address.
    #[error(
        "it holds `@`, `?` or `#` where credentials could stand; those come from the environment"
    )]
    Credentials,
    /// Not fit to be shown.
    #[error("it holds a space or a control character")]
    BadCharacter,
}

impl ObjectUrl {
    /// Reads an address; none for what is a path.
    ///
    /// # Errors
    ///
    /// What is wrong with it, where it is the address of a store.
    #[must_use]
    pub fn read(text: &str) -> Option<Result<Self, UrlFault>> {
        let (scheme, rest) = text.split_once("://")?;
        let scheme = Scheme::ALL.into_iter().find(|known| known.name() == scheme)?;
        Some(Self::behind(scheme, rest))
    }

    fn behind(scheme: Scheme, rest: &str) -> Result<Self, UrlFault> {
        let (root, key) = rest.split_once('/').unwrap_or((rest, ""));
        if rest.contains(char::is_control) || root.contains(' ') {
            return Err(UrlFault::BadCharacter);
        }
        // In a key of a store, `?` is a letter of a pattern.
        if root.contains(['@', '?', '#']) || (scheme.is_web() && key.contains(['?', '#'])) {
            return Err(UrlFault::Credentials);
        }
        if root.is_empty() {
            return Err(UrlFault::NoRoot);
        }
        if key.is_empty() {
            return Err(UrlFault::NoKey);
        }
        if key.split('/').any(|part| matches!(part, "" | "." | "..")) {
            return Err(UrlFault::BadPart);
        }
        Ok(Self(Arc::new(Parts { scheme, root: root.to_owned(), key: key.to_owned() })))
    }

    /// The object's name within its bucket, container or host.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.0.key
    }

    /// The last part of its path.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.key.rsplit('/').next().unwrap_or_default()
    }

    /// Its bucket, container or host: `s3://bucket`.
    #[must_use]
    pub fn store(&self) -> String {
        format!("{}://{}", self.0.scheme.name(), self.0.root)
    }

    /// The object of another name in the same bucket.
    pub(crate) fn with_key(&self, key: impl Into<String>) -> Self {
        let Parts { scheme, root, .. } = &*self.0;
        Self(Arc::new(Parts { scheme: *scheme, root: root.clone(), key: key.into() }))
    }

    /// Where the names beside it are: the key of its folder, empty at the top of a bucket.
    pub(crate) fn folder(&self) -> &str {
        self.0.key.rsplit_once('/').map_or("", |(folder, _)| folder)
    }

    /// Whether runs can be published there: in a store whose conditional writes were tried.
    #[must_use]
    pub fn takes_runs(&self) -> bool {
        matches!(self.0.scheme, Scheme::S3)
    }

    /// Whether it means several objects. In a web address these letters are plain ones.
    pub(crate) fn is_pattern(&self) -> bool {
        !self.0.scheme.is_web() && self.0.key.contains(crate::input::WILDCARDS)
    }

    #[cfg(feature = "object-store")]
    pub(super) fn scheme(&self) -> Scheme {
        self.0.scheme
    }

    /// The bucket, the container, or host and port.
    #[cfg(feature = "object-store")]
    pub(super) fn root(&self) -> &str {
        &self.0.root
    }
}

impl fmt::Display for ObjectUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}/{}", self.0.scheme.name(), self.0.root, self.0.key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_shown_as_it_was_read() {
        for text in ["s3://b/a/x.csv", "gs://b/x", "az://c/p/x.parquet", "https://h:8443/p/x"] {
            assert_eq!(ObjectUrl::read(text).unwrap().unwrap().to_string(), text);
        }
        let url = ObjectUrl::read("s3://b/p/day=1/x y.csv").unwrap().unwrap();
        assert_eq!((url.key(), url.name()), ("p/day=1/x y.csv", "x y.csv"));
        assert_eq!(url.store(), "s3://b");
    }

    #[test]
    fn a_path_is_no_address() {
        for text in ["accounts.csv", "/data/x", "-", "C:/x", "ftp://h/x", "s3:/b/x", "S3://b/x"] {
            assert!(ObjectUrl::read(text).is_none(), "{text}");
        }
    }

    #[test]
    fn what_names_no_object_or_may_hold_credentials_is_refused() {
        for (text, fault) in [
            ("s3:///x", UrlFault::NoRoot),
            ("s3://b", UrlFault::NoKey),
            ("s3://b/", UrlFault::NoKey),
            ("s3://b/a//x", UrlFault::BadPart),
            ("s3://b/../x", UrlFault::BadPart),
            ("s3://b/a/", UrlFault::BadPart),
            ("https://me:pw@h/x", UrlFault::Credentials),
            ("https://h/x?X-Amz-Signature=1", UrlFault::Credentials),
            ("az://c@account/x", UrlFault::Credentials),
            ("s3://b/\x1b[2J", UrlFault::BadCharacter),
        ] {
            assert_eq!(ObjectUrl::read(text), Some(Err(fault)), "{text}");
        }
    }

    #[test]
    fn only_stores_that_can_list_have_patterns() {
        let is_pattern = |text| ObjectUrl::read(text).unwrap().unwrap().is_pattern();
        assert!(is_pattern("s3://b/p/*.csv") && is_pattern("gs://b/p/x?.csv"));
        assert!(!is_pattern("s3://b/p/x.csv") && !is_pattern("https://h/p/*.csv"));
    }
}
