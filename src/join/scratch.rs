//! Where do rows wait that memory has no room for?
//!
//! In blocks of one file that no other process can open: it is made for its owner only and loses
//! its name at once, so that a run which is killed leaves nothing behind. Blocks are encrypted
//! under a key that is drawn for the file and never leaves memory (BLAKE3's keyed extendable output
//! as a key stream, one stream a block), so that what the disk keeps of them says nothing; and each
//! has a tag in memory, so that a block which comes back changed ends the run.
//!
//! A file that is never written to is never made.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::PathBuf;

use zeroize::Zeroizing;

/// The file's name for as long as it has one.
const NAME: &str = ".lists.scratch";

/// What a block is held against when it comes back.
type Tag = [u8; 16];

/// Blocks of one size in a file without a name.
pub(super) struct Scratch {
    folder: PathBuf,
    block_bytes: usize,
    open: Option<Open>,
}

struct Open {
    file: File,
    key: Zeroizing<[u8; 32]>,
    tags: Vec<Tag>,
}

/// A block's place in the file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct BlockNo(u32);

/// Rows could not be put aside, or did not come back.
#[derive(Debug, thiserror::Error)]
pub enum ScratchError {
    /// The operating system refused.
    #[error(
        "cannot {action} list rows put aside in {}; check space and permissions and run again, \
         or give the run more memory", folder.display()
    )]
    Io {
        /// What was being done.
        action: &'static str,
        /// In which folder.
        folder: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// What came back is not what was written.
    #[error(
        "list rows put aside in {} came back changed; check the disk and run again",
        folder.display()
    )]
    Changed {
        /// In which folder.
        folder: PathBuf,
    },
}

impl Scratch {
    /// Blocks of `block_bytes` each, in a file that the first of them makes in `folder`.
    pub(super) fn new(folder: PathBuf, block_bytes: usize) -> Self {
        Self { folder, block_bytes, open: None }
    }

    /// Writes a block, which is encrypted in place.
    pub(super) fn write(&mut self, block: &mut [u8]) -> Result<BlockNo, ScratchError> {
        debug_assert_eq!(block.len(), self.block_bytes);
        if self.open.is_none() {
            self.open = Some(self.make()?);
        }
        let failed = |folder: &PathBuf, source| ScratchError::Io {
            action: "write",
            folder: folder.clone(),
            source,
        };
        let (folder, bytes) = (&self.folder, self.block_bytes as u64);
        let open = self.open.as_mut();
        let open = open.ok_or_else(|| failed(folder, io::ErrorKind::NotFound.into()))?;
        let number = u32::try_from(open.tags.len())
            .map_err(|_| failed(folder, io::ErrorKind::FileTooLarge.into()))?;
        let number = BlockNo(number);
        open.turn(number, block);
        open.file
            .write_all_at(block, u64::from(number.0) * bytes)
            .map_err(|source| failed(folder, source))?;
        open.tags.push(open.tag(number, block));
        Ok(number)
    }

    /// Reads a block back.
    pub(super) fn read(&self, number: BlockNo, block: &mut [u8]) -> Result<(), ScratchError> {
        let changed = || ScratchError::Changed { folder: self.folder.clone() };
        let open = self.open.as_ref().ok_or_else(changed)?;
        open.file.read_exact_at(block, u64::from(number.0) * self.block_bytes as u64).map_err(
            |source| ScratchError::Io { action: "read", folder: self.folder.clone(), source },
        )?;
        if open.tags.get(number.0 as usize) != Some(&open.tag(number, block)) {
            return Err(changed());
        }
        open.turn(number, block);
        Ok(())
    }

    fn make(&self) -> Result<Open, ScratchError> {
        let path = self.folder.join(NAME);
        let failed = |source| ScratchError::Io {
            action: "make room for",
            folder: self.folder.clone(),
            source,
        };
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create_new(true).mode(0o600).open(&path);
        let file = file.map_err(failed)?;
        fs::remove_file(&path).map_err(failed)?;
        let mut key = Zeroizing::new([0; 32]);
        getrandom::fill(key.as_mut()).map_err(|_| failed(io::ErrorKind::Unsupported.into()))?;
        Ok(Open { file, key, tags: Vec::new() })
    }
}

impl Open {
    /// Encrypts a block, or decrypts it: the key stream is the same.
    fn turn(&self, number: BlockNo, block: &mut [u8]) {
        const STRETCH: usize = 4096;
        let mut stream = self.keyed(b"stream", number).finalize_xof();
        let mut keys = Zeroizing::new([0; STRETCH]);
        for stretch in block.chunks_mut(STRETCH) {
            stream.fill(&mut keys[..stretch.len()]);
            stretch.iter_mut().zip(keys.iter()).for_each(|(byte, key)| *byte ^= key);
        }
    }

    fn tag(&self, number: BlockNo, block: &[u8]) -> Tag {
        let mut tag = [0; size_of::<Tag>()];
        self.keyed(b"tag", number).update(block).finalize_xof().fill(&mut tag);
        tag
    }

    /// No use's word and number begin another's.
    fn keyed(&self, word: &[u8], number: BlockNo) -> blake3::Hasher {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        hasher.update(word).update(&number.0.to_le_bytes());
        hasher
    }
}

impl fmt::Debug for Scratch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let blocks = self.open.as_ref().map_or(0, |open| open.tags.len());
        write!(f, "Scratch({blocks} blocks of {} bytes)", self.block_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BLOCK: usize = 5000;

    fn block(of: u8) -> Vec<u8> {
        vec![of; BLOCK]
    }

    #[test]
    fn blocks_come_back_as_they_were_and_the_disk_does_not_hold_them() {
        let folder = tempfile::tempdir().unwrap();
        let mut scratch = Scratch::new(folder.path().to_owned(), BLOCK);
        let numbers: Vec<_> = (0..9).map(|of| scratch.write(&mut block(of)).unwrap()).collect();
        // Without a name there is nothing that a killed run could leave.
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        let mut stored = vec![0; 9 * BLOCK];
        scratch.open.as_ref().unwrap().file.read_exact_at(&mut stored, 0).unwrap();
        for (of, &number) in (0..9).zip(&numbers).rev() {
            let mut back = block(255);
            scratch.read(number, &mut back).unwrap();
            assert!(back == block(of));
            let most = stored.chunks(16).filter(|few| few.windows(2).all(|two| two[0] == two[1]));
            assert_eq!(most.count(), 0);
        }
        assert!(stored[..BLOCK] != stored[BLOCK..2 * BLOCK]);
    }

    #[test]
    fn a_block_that_changed_on_the_disk_is_not_taken_back() {
        let folder = tempfile::tempdir().unwrap();
        let mut scratch = Scratch::new(folder.path().to_owned(), BLOCK);
        let numbers = [1, 2].map(|of| scratch.write(&mut block(of)).unwrap());
        let file = &scratch.open.as_ref().unwrap().file;
        let mut byte = [0];
        file.read_exact_at(&mut byte, 77).unwrap();
        file.write_all_at(&[byte[0] ^ 1], 77).unwrap();
        let read = |number| scratch.read(number, &mut block(0));
        assert!(matches!(read(numbers[0]), Err(ScratchError::Changed { .. })));
        assert!(read(numbers[1]).is_ok());
        // Nor is a block in the place of another.
        let mut second = block(0);
        file.read_exact_at(&mut second, BLOCK as u64).unwrap();
        file.write_all_at(&second, 0).unwrap();
        assert!(matches!(read(numbers[0]), Err(ScratchError::Changed { .. })));
    }

    #[test]
    fn what_is_never_written_makes_no_file() {
        let scratch = Scratch::new(PathBuf::from("no such folder"), BLOCK);
        assert!(matches!(
            scratch.read(BlockNo(0), &mut block(0)),
            Err(ScratchError::Changed { .. })
        ));
        let mut scratch = scratch;
        assert!(matches!(scratch.write(&mut block(0)), Err(ScratchError::Io { .. })));
    }
}
