//! Runs that try a job: on a part of the people, or without leaving anything behind.

use phonematch::job::Ending;
use phonematch::share::Share;

use super::args::MatchFlags;
use super::failure::Failure;
use super::job_file::{JobFile, usage, wrong};

/// The share of people that the job names: typed, else as the file says, else none.
pub fn sample(flags: &MatchFlags, file: &JobFile) -> Result<Option<Share>, Failure> {
    const NO_SHARE: &str = "takes a share of people above 0, such as 1% or 0.01";
    match (&flags.sample, &file.sample) {
        (Some(typed), _) => {
            share(typed).map(Some).ok_or_else(|| usage(format!("--sample {NO_SHARE}")))
        }
        (None, Some(written)) => {
            let share = share(written).map(Some);
            share.ok_or_else(|| wrong(format!("sample {NO_SHARE}")).about("sample"))
        }
        (None, None) => Ok(None),
    }
}

fn share(text: &str) -> Option<Share> {
    Share::from_text(text).filter(|&share| Share::percent(0) < share && share <= Share::WHOLE)
}

/// What the run comes to: typed, else as the file says, else a run folder.
pub fn ending(flags: &MatchFlags, file: &JobFile) -> Ending {
    match flags.dry_run.or(file.dry_run) {
        Some(true) => Ending::Rehearse,
        Some(false) | None => Ending::Publish,
    }
}

/// Whether a job is a trial, which is told to no other system: to those it would be the night's run.
/// A sample that cannot be read is one all the same, and wrong.
pub fn is_one(dry_run: Option<bool>, sample: Option<&str>) -> bool {
    let is_of_some = |text| share(text).is_none_or(|share| share < Share::WHOLE);
    dry_run == Some(true) || sample.is_some_and(is_of_some)
}

/// What is said of a sample, wherever its result is named.
pub fn sampled(share: Share) -> String {
    format!("a sample of {share} of all people: not for delivery, told to no advertiser")
}
