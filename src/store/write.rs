//! How is an object written, and removed?

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read};

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt};
use object_store::{
    GetOptions, MultipartUpload, ObjectStore, ObjectStoreExt, PutMode, PutPayload, UpdateVersion,
};

use super::client::Store;
use super::failure::meaning;
use super::{Condition, StoreError, Whole, WriteError};

/// A file that is larger is written in parts of this size: of ten thousand parts, the most that S3
/// takes, a file may have 80 GB.
const PART_BYTES: u64 = 8 << 20;

/// Parts under way.
const PARTS_AHEAD: usize = 4;

/// Objects that are asked for at the same time.
const READS_AHEAD: usize = 16;

impl Store {
    /// Reads a small object whole; none when it is not there.
    ///
    /// # Errors
    ///
    /// Why the store does not give it.
    pub(crate) fn read(&self, key: &str) -> Result<Option<Whole>, StoreError> {
        let path = self.path(key)?;
        self.wait(whole(self.objects(), &path))
    }

    /// Reads small objects whole, several at the same time; in their order.
    ///
    /// # Errors
    ///
    /// Why the store does not give one of them.
    pub(crate) fn read_all(&self, keys: &[String]) -> Result<Vec<Option<Whole>>, StoreError> {
        let paths = keys.iter().map(|key| self.path(key)).collect::<Result<Vec<_>, _>>()?;
        let reads = paths.iter().map(|path| whole(self.objects(), path));
        self.wait(futures_util::stream::iter(reads).buffered(READS_AHEAD).try_collect())
    }

    /// Writes an object, if the condition holds.
    ///
    /// # Errors
    ///
    /// [`StoreError::Taken`] and [`StoreError::Changed`] when it does not; else why the store did
    /// not take it, or did not say that it took it.
    pub(crate) fn write(
        &self,
        key: &str,
        bytes: Vec<u8>,
        condition: Condition<'_>,
    ) -> Result<(), StoreError> {
        let mode = match condition {
            Condition::Absent => PutMode::Create,
            Condition::Tag(tag) => {
                PutMode::Update(UpdateVersion { e_tag: Some(tag.to_owned()), version: None })
            }
        };
        self.put(key, bytes, mode)
    }

    fn put(&self, key: &str, bytes: Vec<u8>, mode: PutMode) -> Result<(), StoreError> {
        let path = self.path(key)?;
        let payload = PutPayload::from(bytes);
        let written = self.wait(self.objects().put_opts(&path, payload, mode.into()));
        written.map(|_| ()).map_err(|error| meaning(&error))
    }

    /// Writes an object from a file, in parts where it is large.
    ///
    /// # Errors
    ///
    /// What the disk or the store says.
    pub(crate) fn write_file(&self, key: &str, mut file: File) -> Result<(), WriteError> {
        let length = file.metadata().map_err(WriteError::File)?.len();
        if length <= PART_BYTES {
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes).map_err(WriteError::File)?;
            return Ok(self.put(key, bytes, PutMode::Overwrite)?);
        }
        let path = self.path(key)?;
        let upload = self.wait(self.objects().put_multipart(&path));
        let mut upload = upload.map_err(|error| meaning(&error))?;
        let written = self.write_parts(upload.as_mut(), &mut file);
        if written.is_err() {
            // Parts that stay are nobody's object; a bucket's own rules remove them.
            let _ = self.wait(upload.abort());
        }
        written
    }

    fn write_parts(
        &self,
        upload: &mut dyn MultipartUpload,
        file: &mut File,
    ) -> Result<(), WriteError> {
        let mut under_way = VecDeque::new();
        loop {
            let part = next_part(file).map_err(WriteError::File)?;
            let is_last = part.is_empty();
            if !is_last {
                under_way.push_back(self.spawn(upload.put_part(PutPayload::from(part))));
            }
            while under_way.len() >= PARTS_AHEAD || (is_last && !under_way.is_empty()) {
                let Some(first) = under_way.pop_front() else { break };
                let written = self.wait(first).map_err(|_| StoreError::Broken)?;
                written.map_err(|error| meaning(&error))?;
            }
            if is_last {
                self.wait(upload.complete()).map_err(|error| meaning(&error))?;
                return Ok(());
            }
        }
    }

    /// Removes every object under a prefix.
    ///
    /// # Errors
    ///
    /// Why the store did not.
    pub(crate) fn remove_below(&self, prefix: &str) -> Result<(), StoreError> {
        let path = self.path(prefix)?;
        let found = self.objects().list(Some(&path)).map_ok(|it| it.location).boxed();
        let removed = self.objects().delete_stream(found).try_for_each(|_| async { Ok(()) });
        self.wait(removed).map_err(|error| meaning(&error))
    }
}

async fn whole(
    objects: &dyn ObjectStore,
    path: &object_store::path::Path,
) -> Result<Option<Whole>, StoreError> {
    let found = match objects.get_opts(path, GetOptions::default()).await {
        Err(object_store::Error::NotFound { .. }) => return Ok(None),
        found => found.map_err(|error| meaning(&error))?,
    };
    let tag = found.meta.e_tag.clone().ok_or(StoreError::NoTag)?;
    let bytes = found.bytes().await.map_err(|error| meaning(&error))?;
    Ok(Some(Whole { bytes, tag }))
}

fn next_part(file: &mut File) -> io::Result<Bytes> {
    let mut part = Vec::new();
    file.take(PART_BYTES).read_to_end(&mut part)?;
    Ok(part.into())
}
