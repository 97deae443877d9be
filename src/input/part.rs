//! How is an input shared out to threads?
//!
//! One thread at a time draws the next [`Part`] from the reader, which costs little more than
//! reading its bytes; then any thread splits it into batches with the input's [`Splitter`]. Parts
//! come in the order of the rows. How many rows a part holds is known only when it was split, so
//! an error counts rows from behind the batch before it until it is given its place.

use std::sync::{Arc, Mutex, PoisonError};

use super::batch::Batch;
use super::delimited::RowSplitter;
use super::error::InputError;
use super::parquet::{GroupRows, GroupSplitter, RowRange};
use super::text::Block;

/// Consecutive rows as they are stored, not split into cells yet.
pub struct Part(pub(super) Stored);

pub(super) enum Stored {
    /// Whole records of delimited text.
    Text(Block),
    /// Rows of a Parquet file, where they stand.
    Rows(RowRange),
    /// Rows of NDJSON: which columns there are shows while they are split, in order.
    Split(Box<Batch>),
}

/// Splits the parts of one input; shared by all threads.
#[derive(Clone)]
pub struct Splitter {
    pub(super) kind: SplitterKind,
    pub(super) spares: Spares,
}

#[derive(Clone)]
pub(super) enum SplitterKind {
    Text(RowSplitter),
    Rows(GroupSplitter),
    /// Parts come split.
    Split,
}

/// The batches of one part.
pub struct Batches {
    rest: Rest,
    spares: Spares,
}

enum Rest {
    Text(RowSplitter, Block),
    Rows(Box<GroupRows>),
    Split(Box<Batch>),
    None,
}

/// An error whose row is counted from behind the last batch before it.
#[derive(Debug)]
pub struct Unplaced(InputError);

impl Unplaced {
    pub(super) fn new(error: InputError) -> Self {
        Self(error)
    }

    /// The error behind so many rows of the input.
    pub(super) fn behind(mut self, rows: u64) -> InputError {
        use InputError as E;
        if let E::UnclosedQuote { row, .. }
        | E::QuoteDamage { row, .. }
        | E::RowTooLong { row, .. } = &mut self.0
        {
            *row += rows;
        }
        self.0
    }
}

impl Splitter {
    /// Begins to split a part.
    ///
    /// # Errors
    ///
    /// What is wrong with the part.
    pub fn begin(&self, part: Part) -> Result<Batches, Unplaced> {
        let rest = match (part.0, &self.kind) {
            (Stored::Text(block), SplitterKind::Text(splitter)) => {
                Rest::Text(splitter.clone(), block)
            }
            (Stored::Rows(range), SplitterKind::Rows(splitter)) => {
                Rest::Rows(Box::new(splitter.begin(range)?))
            }
            (Stored::Split(batch), _) => Rest::Split(batch),
            (Stored::Text(_) | Stored::Rows(_), _) => Rest::None,
        };
        Ok(Batches { rest, spares: self.spares.clone() })
    }
}

impl Batches {
    /// Splits the next rows into `batch`, whose room is used again; false when there are no more.
    ///
    /// # Errors
    ///
    /// What is wrong with the part; there are no more batches then.
    pub fn next_into(&mut self, batch: &mut Batch) -> Result<bool, Unplaced> {
        match std::mem::replace(&mut self.rest, Rest::None) {
            Rest::Text(splitter, block) => {
                self.spares.give(splitter.split(block, batch)?);
                Ok(!batch.is_empty())
            }
            Rest::Rows(mut rows) => {
                let more = rows.next_into(batch)?;
                if more {
                    self.rest = Rest::Rows(rows);
                }
                Ok(more)
            }
            Rest::Split(split) => {
                *batch = *split;
                Ok(true)
            }
            Rest::None => Ok(false),
        }
    }
}

/// Buffers that were read into and are free again.
#[derive(Clone, Default)]
pub(super) struct Spares(Arc<Mutex<Vec<Vec<u8>>>>);

/// A buffer that one long record has blown up is not kept.
const MOST_SPARE_BYTES: usize = 1 << 20;

impl Spares {
    pub(super) fn take(&self) -> Vec<u8> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    fn give(&self, buffer: Vec<u8>) {
        if (1..=MOST_SPARE_BYTES).contains(&buffer.capacity()) {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).push(buffer);
        }
    }
}
