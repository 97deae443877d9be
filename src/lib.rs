//! phonematch
mod digits;

pub mod input;
pub mod normalise;
pub mod consent;
pub mod key;
pub mod join;
pub mod privacy;
pub mod output;
pub mod audit;
pub mod report;
pub mod job;
pub mod pipeline;
pub mod policy;
