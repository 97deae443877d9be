//! What is there of stores in a build without them: nobody has one, so there is nothing to do.

use std::convert::Infallible;
use std::fs::File;
use std::ops::Range;

use super::{Condition, Listing, ObjectFacts, ObjectUrl, StoreError, Whole, WriteError};

/// A store that cannot be had.
#[derive(Debug)]
pub(crate) struct Store(Infallible);

/// A read that nobody can begin.
pub(crate) struct Fetch(Infallible);

impl Store {
    pub(crate) fn open(_: &ObjectUrl) -> Result<Self, StoreError> {
        Err(StoreError::NotBuilt)
    }

    pub(crate) fn facts(&self, _: &str) -> Result<ObjectFacts, StoreError> {
        match self.0 {}
    }

    pub(crate) fn list(&self, _: &str) -> Result<Listing, StoreError> {
        match self.0 {}
    }

    pub(crate) fn read(&self, _: &str) -> Result<Option<Whole>, StoreError> {
        match self.0 {}
    }

    pub(crate) fn read_all(&self, _: &[String]) -> Result<Vec<Option<Whole>>, StoreError> {
        match self.0 {}
    }

    pub(crate) fn write(&self, _: &str, _: Vec<u8>, _: Condition<'_>) -> Result<(), StoreError> {
        match self.0 {}
    }

    pub(crate) fn write_file(&self, _: &str, _: File) -> Result<(), WriteError> {
        match self.0 {}
    }

    pub(crate) fn remove_below(&self, _: &str) -> Result<(), StoreError> {
        match self.0 {}
    }

    pub(crate) fn fetch(&self, _: &str, _: &str, _: Range<u64>) -> Fetch {
        match self.0 {}
    }
}

impl Fetch {
    pub(crate) fn wait(self) -> Result<bytes::Bytes, StoreError> {
        match self.0 {}
    }
}
