//! What the `input` stage reads, and what it says when it cannot.
//!
//! `formats`: every way a table may be written reads back the same. `columns`: which column is
//! which. `damage`: cut, corrupt and hostile files. `files`: patterns, paths, changed files.
//! `properties`: random tables.

mod columns;
mod damage;
mod files;
mod formats;
mod parquet_files;
mod properties;
pub mod support;
