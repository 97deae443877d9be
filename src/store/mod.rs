//! How is an object in a store read and written?
//!
//! `s3://`, `gs://`, `az://` and `http(s)://`, through one client. What crosses this door is an
//! address, bytes and [`StoreError`]: no other part of the program knows that there are requests,
//! and the runtime that sends them lives behind it.
//!
//! It promises: an object that is opened is read as the one version that it then was, told by its
//! entity tag (RFC 9110, section 13.1.1), or not at all; a request that fails for a passing reason
//! is sent again, and one that breaks off goes on where it broke off; nothing travels in the clear
//! but to this machine itself, unless the environment allows it by name. Credentials come from the
//! environment, as the clients of the stores take them, and are never said. What a server answers
//! is not repeated in any message: it may quote what was sent.
//!
//! All but the addresses is there only in a build with the feature `object-store`; without it
//! opening a store fails with [`StoreError::NotBuilt`].

use std::io;
use std::time::SystemTime;

mod url;

#[cfg(feature = "object-store")]
mod client;
#[cfg(feature = "object-store")]
mod connector;
#[cfg(feature = "object-store")]
mod failure;
#[cfg(feature = "object-store")]
mod write;

#[cfg(not(feature = "object-store"))]
mod absent;

#[cfg(not(feature = "object-store"))]
pub(crate) use absent::{Fetch, Store};
#[cfg(feature = "object-store")]
pub(crate) use client::{Fetch, Store};
pub use url::{ObjectUrl, UrlFault};

/// What a store says of an object.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct ObjectFacts {
    /// Its size.
    pub bytes: u64,
    /// Its entity tag, a strong one: another content has another.
    pub tag: String,
    /// When it was last written.
    pub modified: SystemTime,
}

/// What is directly under a prefix: whole keys, and whole prefixes without their last slash.
#[derive(Debug)]
pub(crate) struct Listing {
    /// Objects.
    pub objects: Vec<String>,
    /// Prefixes with more parts below.
    pub folders: Vec<String>,
}

/// What the store says of the object at an address.
///
/// # Errors
///
/// As [`Store::facts`].
pub(crate) fn facts(url: &ObjectUrl) -> Result<ObjectFacts, StoreError> {
    Store::open(url)?.facts(url.key())
}

/// A small object, read whole.
#[derive(Debug)]
pub(crate) struct Whole {
    /// Its content.
    pub bytes: bytes::Bytes,
    /// Its entity tag, with which it can be replaced.
    pub tag: String,
}

/// What must be so for an object to be written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Condition<'a> {
    /// Where there is none (`If-None-Match: *`).
    Absent,
    /// Where it still has this entity tag (`If-Match`).
    Tag(&'a str),
}

/// Why an object was not written from a file.
#[derive(Debug)]
pub(crate) enum WriteError {
    /// The file could not be read.
    #[cfg_attr(not(feature = "object-store"), allow(dead_code, reason = "nothing is written"))]
    File(io::Error),
    /// The store did not take it.
    Store(StoreError),
}

impl From<StoreError> for WriteError {
    fn from(cause: StoreError) -> Self {
        Self::Store(cause)
    }
}

/// Why a store did not do what it was asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The program has no client.
    #[error(
        "this build has no object stores; build it with `cargo build --release --features \
         object-store`, or fetch the file first"
    )]
    NotBuilt,
    /// There is no such object, or no such bucket.
    #[error("there is no such object; check the address")]
    NotFound,
    /// The credentials are missing or wrong, or do not reach so far.
    #[error(
        "the store refuses the credentials of the environment: they are missing, wrong, expired or \
         may not do this; check them and the bucket's policy"
    )]
    Denied,
    /// It is another version than the one that was opened.
    #[error("the object is not the one that was opened")]
    Changed,
    /// The place is taken.
    #[error("there is an object already")]
    Taken,
    /// Without a tag nobody can tell two versions apart.
    #[error(
        "its server names no strong entity tag (ETag), so that a change while it is read would go \
         unseen; fetch the file first"
    )]
    NoTag,
    /// Numbers do not travel in the clear.
    #[error(
        "it would travel in the clear; use https (only this machine itself may be asked over \
         http, or an S3 endpoint that AWS_ALLOW_HTTP=true allows)"
    )]
    InTheClear,
    /// Settings in the environment do not go together.
    #[error("the store's settings in the environment cannot be used; check them")]
    Settings,
    /// Nobody answers.
    #[error("the store cannot be reached; check the network and the endpoint, and run again")]
    Unreachable,
    /// Nobody answers in time.
    #[error("the store does not answer in time; run again")]
    Timeout,
    /// The server says that something is wrong.
    #[error("the store answers with status {0}, also when asked again; run again")]
    Status(u16),
    /// What comes back is no answer to what was asked.
    #[error("the store breaks off, or does not serve what it is asked for; run again")]
    Broken,
}
