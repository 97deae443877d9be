//! Can this Parquet file be what it claims?
//!
//! Checks the frame, the shape of the schema and the footer's claims against the file's size. The
//! decoder trusts some of them: it makes room for as many children as a schema element names, and
//! goes down into nested ones without a limit, which would end the process and not only the read.
//! So the schema is walked here first, by the compact protocol of Thrift.

use parquet::file::metadata::ParquetMetaData;

use super::error::{InputError, Place};
use super::file_at::FileAt;

/// What a Parquet file begins and ends with.
const MAGIC: [u8; 4] = *b"PAR1";

/// The same for a file whose footer is encrypted.
const MAGIC_ENCRYPTED: [u8; 4] = *b"PARE";

/// Either end of a file that means to be Parquet.
pub(super) const MAGICS: [[u8; 4]; 2] = [MAGIC, MAGIC_ENCRYPTED];

/// Magic at both ends and the footer's length.
const FRAME_BYTES: u64 = 12;

/// A footer of a file with ten thousand row groups of a thousand columns would fit.
const FOOTER_BYTES: u64 = 256 << 20;

/// Unpacked bytes and rows that a file may claim for each of its bytes, and in any case.
const CLAIM_RATIO: u64 = 1000;
const CLAIM_FLOOR_BYTES: u64 = 1 << 30;
const CLAIM_FLOOR_ROWS: u64 = 1 << 24;

/// Groups within groups; nothing that is wanted lies below the first.
const SCHEMA_DEPTH: usize = 64;

/// Structures within structures of the footer; the format has six.
const FOOTER_DEPTH: usize = 16;

/// Checks both ends of the file against its size.
pub(super) fn check_frame(at: &Place, source: &FileAt) -> Result<(), InputError> {
    let truncated = |what| InputError::Truncated { at: at.clone(), what };
    if source.bytes() < FRAME_BYTES {
        return Err(truncated("it ends within its first bytes"));
    }
    let read_failed = |cause| at.read_error(cause);
    let (mut head, mut tail) = ([0; 4], [0; 8]);
    source.read_exact_at(&mut head, 0).map_err(read_failed)?;
    source.read_exact_at(&mut tail, source.bytes() - 8).map_err(read_failed)?;
    let [a, b, c, d, magic @ ..] = tail;
    match magic {
        MAGIC_ENCRYPTED => {
            let found = "Parquet with an encrypted footer";
            return Err(InputError::UnknownFormat { at: at.clone(), found });
        }
        MAGIC => {}
        _ => return Err(truncated("its Parquet footer is missing")),
    }
    if head != MAGIC {
        let what = "it ends as Parquet and does not begin so";
        return Err(InputError::Corrupt { at: at.clone(), what });
    }
    let footer = u64::from(u32::from_le_bytes([a, b, c, d]));
    if footer > source.bytes() - FRAME_BYTES {
        let what = "its Parquet footer claims to be longer than the file";
        return Err(InputError::Corrupt { at: at.clone(), what });
    }
    if footer > FOOTER_BYTES {
        let what = "its Parquet footer has over 256 MiB";
        return Err(InputError::BombSuspected { at: at.clone(), what });
    }
    let mut schema = vec![0; usize::try_from(footer).unwrap_or_default()];
    source.read_exact_at(&mut schema, source.bytes() - 8 - footer).map_err(read_failed)?;
    check_schema(&schema)
        .ok_or_else(|| InputError::Corrupt { at: at.clone(), what: "its Parquet schema cannot be" })
}

/// Checks what the footer claims against the file's size; gives the number of rows.
pub(super) fn check_claims(
    at: &Place,
    metadata: &ParquetMetaData,
    bytes: u64,
) -> Result<u64, InputError> {
    let damaged =
        || InputError::Corrupt { at: at.clone(), what: "its Parquet footer contradicts itself" };
    let bomb = |what| InputError::BombSuspected { at: at.clone(), what };
    let claim = |value: i64| u64::try_from(value).map_err(|_| damaged());
    let (mut rows, mut packed, mut unpacked) = (0_u64, 0_u64, 0_u64);
    for group in metadata.row_groups() {
        rows = rows.saturating_add(claim(group.num_rows())?);
        for column in group.columns() {
            packed = packed.saturating_add(claim(column.compressed_size())?);
            unpacked = unpacked.saturating_add(claim(column.uncompressed_size())?);
        }
    }
    let plausible = |floor: u64| bytes.saturating_mul(CLAIM_RATIO).max(floor);
    if packed > bytes {
        return Err(bomb("its columns claim more bytes than the file has"));
    }
    if unpacked > plausible(CLAIM_FLOOR_BYTES) {
        return Err(bomb("its columns claim over 1000 times its size"));
    }
    if rows > plausible(CLAIM_FLOOR_ROWS) {
        return Err(bomb("it claims more rows than its size can hold"));
    }
    if claim(metadata.file_metadata().num_rows())? != rows {
        return Err(damaged());
    }
    Ok(rows)
}

/// Walks the schema: every element has its children, and none lies too deep.
fn check_schema(footer: &[u8]) -> Option<()> {
    let mut walk = Walk { rest: footer };
    let mut children_due: Vec<u64> = vec![];
    let mut id = 0;
    // Of FileMetaData, field 2 is the list of schema elements, depth first.
    let mut elements = loop {
        match walk.field(&mut id)? {
            Some(LIST) if id == 2 => break walk.list()?,
            Some(kind) => walk.skip(kind, FOOTER_DEPTH)?,
            None => return None,
        }
    };
    if elements.kind != STRUCT {
        return None;
    }
    while elements.count > 0 {
        elements.count -= 1;
        let children = walk.children()?;
        if let Some(due) = children_due.last_mut() {
            *due = due.checked_sub(1)?;
        }
        if children > elements.count || children_due.len() > SCHEMA_DEPTH {
            return None;
        }
        children_due.push(children);
        while children_due.last() == Some(&0) {
            children_due.pop();
        }
    }
    children_due.is_empty().then_some(())
}

const BOOLEAN_TRUE: u8 = 1;
const BOOLEAN_FALSE: u8 = 2;
const BYTE: u8 = 3;
const I16: u8 = 4;
const I32: u8 = 5;
const I64: u8 = 6;
const DOUBLE: u8 = 7;
const BINARY: u8 = 8;
const LIST: u8 = 9;
const SET: u8 = 10;
const MAP: u8 = 11;
const STRUCT: u8 = 12;
const UUID: u8 = 13;

/// Bytes of Thrift's compact protocol; every step is none when they do not hold what they say.
struct Walk<'a> {
    rest: &'a [u8],
}

struct ListHead {
    kind: u8,
    count: u64,
}

impl Walk<'_> {
    fn byte(&mut self) -> Option<u8> {
        let (&byte, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(byte)
    }

    fn pass(&mut self, count: u64) -> Option<()> {
        self.rest = self.rest.get(usize::try_from(count).ok()?..)?;
        Some(())
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    /// A field's type, its number going to `id`; an inner none at the end of the structure.
    fn field(&mut self, id: &mut u64) -> Option<Option<u8>> {
        let head = self.byte()?;
        if head == 0 {
            return Some(None);
        }
        *id = match head >> 4 {
            // Written out and zigzag; the fields looked for are positive.
            0 => self.varint()? >> 1,
            delta => id.checked_add(u64::from(delta))?,
        };
        Some(Some(head & 0x0f))
    }

    fn list(&mut self) -> Option<ListHead> {
        let head = self.byte()?;
        let count = match head >> 4 {
            15 => self.varint()?,
            count => u64::from(count),
        };
        // An element has a byte at least.
        (count <= self.rest.len() as u64).then_some(ListHead { kind: head & 0x0f, count })
    }

    /// Passes a schema element; gives the number of its children.
    fn children(&mut self) -> Option<u64> {
        let (mut id, mut children) = (0, 0);
        while let Some(kind) = self.field(&mut id)? {
            match (id, kind) {
                // Zigzag: an odd number is negative.
                (5, I32) => {
                    let zigzag = self.varint()?;
                    children = (zigzag % 2 == 0).then_some(zigzag / 2)?;
                }
                _ => self.skip(kind, FOOTER_DEPTH)?,
            }
        }
        Some(children)
    }

    fn skip(&mut self, kind: u8, depth: usize) -> Option<()> {
        let depth = depth.checked_sub(1)?;
        match kind {
            // A field's truth value is in its type.
            BOOLEAN_TRUE | BOOLEAN_FALSE => Some(()),
            BYTE => self.pass(1),
            I16 | I32 | I64 => self.varint().map(|_| ()),
            DOUBLE => self.pass(8),
            UUID => self.pass(16),
            BINARY => {
                let count = self.varint()?;
                self.pass(count)
            }
            LIST | SET => {
                let list = self.list()?;
                (0..list.count).try_for_each(|_| self.skip_element(list.kind, depth))
            }
            MAP => match self.varint()? {
                0 => Some(()),
                count => {
                    let kinds = self.byte()?;
                    (0..count).try_for_each(|_| {
                        self.skip_element(kinds >> 4, depth)?;
                        self.skip_element(kinds & 0x0f, depth)
                    })
                }
            },
            STRUCT => {
                let mut id = 0;
                while let Some(kind) = self.field(&mut id)? {
                    self.skip(kind, depth)?;
                }
                Some(())
            }
            _ => None,
        }
    }

    /// In a list a truth value has a byte of its own.
    fn skip_element(&mut self, kind: u8, depth: usize) -> Option<()> {
        match kind {
            BOOLEAN_TRUE | BOOLEAN_FALSE => self.pass(1),
            kind => self.skip(kind, depth),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A footer's beginning: version 1, and schema elements of a name and so many children.
    fn footer(children: &[u8]) -> Vec<u8> {
        let count = u8::try_from(children.len()).unwrap();
        let mut bytes = vec![0x15, 2, 0x19, 0xfc, count & 0x7f | 0x80, count >> 7];
        for &children in children {
            bytes.extend([0x48, 1, b'x', 0x15, children * 2, 0]);
        }
        bytes.push(0);
        bytes
    }

    #[test]
    fn a_schema_has_the_children_it_names() {
        assert!(check_schema(&footer(&[2, 0, 0])).is_some());
        assert!(check_schema(&footer(&[2, 1, 0, 0])).is_some());
        // Two roots, or none, do no harm: the decoder says what is wrong.
        assert!(check_schema(&footer(&[0, 0])).is_some());
        for children in [&[2, 0][..], &[60, 0], &[1, 1]] {
            assert!(check_schema(&footer(children)).is_none(), "{children:?}");
        }
    }

    #[test]
    fn a_schema_that_is_too_deep_is_refused() {
        let deep =
            |depth: usize| -> Vec<u8> { (0..=depth).map(|at| u8::from(at < depth)).collect() };
        assert!(check_schema(&footer(&deep(SCHEMA_DEPTH))).is_some());
        assert!(check_schema(&footer(&deep(SCHEMA_DEPTH + 1))).is_none());
    }

    #[test]
    fn a_footer_cut_anywhere_is_no_schema() {
        let whole = footer(&[2, 0, 0]);
        for len in 0..whole.len() - 1 {
            assert!(check_schema(&whole[..len]).is_none(), "{len}");
        }
    }
}
