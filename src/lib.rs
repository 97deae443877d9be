//! phonematch: which people on this advertiser's list also use this messenger, leaving out
//! everyone who said no?
//!
//! A batch job that reads a messenger's export, advertisers' lists and a suppression list, reads
//! every phone number as the telecom rules of the whole world say, hashes it under a secret, joins
//! both sides in memory and publishes privacy-filtered matches as Parquet. The opt-out leads: it
//! is a property of the types and of the order of the road, not a hope.
//!
//! # Architecture
//!
//! ```text
//! opt-outs ──────── input ─ normalise ─ key ──► barred keys ─┐
//! advertiser lists ─ input ─ normalise ─ key ──► list index ─┤   (built once, in memory)
//! messenger export ─ input ─ normalise ─ consent ─ key ──────┴► join ─ privacy ─ output ─ audit
//!                      │         │          │                    │        │                 │
//!                      └─ rows counted once: rejected · barred · unmatched · withheld ─► report
//! ```
//!
//! Data moves left to right and never back. Nine stages, one word each, are the modules, the bench
//! groups and the timings in `report.json`; below they stand in the order of the data. A stage is
//! a plain serial function over one batch; [`pipeline`] strings them together and wraps rayon
//! round them in one file. Start reading at [`pipeline::run`].
//!
//! Three proofs are types with one mint each: [`normalise::E164`] (it was read),
//! [`consent::Permitted`] (it may be used), [`privacy::Released`] (it may be written).
//! [`join`] takes only the second and [`output`] only the third; of people who are counted it takes
//! [`privacy::PeopleCount`], which `privacy` mints too.
//!
//! Bad rows are data: counted by a closed reason, never quoted. Bad runs are errors that name
//! role, path and row, and publish nothing. The library never prints, exits or logs; the caller
//! owns the rayon pool; the secret is a value. Nothing that holds a number prints it: the ways out
//! of such a type are the methods named `expose_…`, so that one search finds them all.
//!
//! The folder `python` holds a member of the workspace that hands columns of Python's to
//! [`normalise::read_columns`] and [`key::Keyer::key_column`]; it converts and calls. Beside it stands
//! the match on Spark, which joins by the engine and has each row decided by [`pipeline::by_row`].
//!
//! Memory grows with the lists (at most 40 bytes a list row, and four for a date where rows have one;
//! of address books four more and 70 for each owner; in the end eight more, and 16 a row of each list
//! whose figure is being decided) and the opt-outs, not with the export.
//! A job may set a budget: lists that are larger are joined in several passes over the export
//! ([`job::MemoryBudget`]), and the same bytes come out.
//! A purpose without lists counts the export itself: there it grows with the people who are counted,
//! by 32 bytes each at most.
//!
//! Loops over many bytes or numbers are compiled for several processors, and chosen at run time, in
//! `vectors`: the one module with `unsafe`.
//!
//! Objects in stores are read and written through [`store`], the one door to a network; it is open
//! only in a build with the feature `object-store`.

#![doc = include_str!("privacy.md")]

pub mod input;

pub mod normalise;

pub mod consent;

pub mod key;

pub mod join;

pub mod privacy;

pub mod output;

pub mod audit;

pub mod report;

pub mod pipeline;

pub mod dates;
pub mod job;
pub mod policy;
pub mod share;
pub mod store;
pub mod synth;

mod digits;
#[cfg(test)]
mod draws;
mod maps;
mod vectors;
