//! Jobs as values, for tests that call the library.

use std::collections::BTreeMap;
use std::path::Path;

use phonematch::consent::Purpose;
use phonematch::input::Location;
use phonematch::job::{Ending, Files, Gates, Identifier, IfExists, Job, OptOutSource, Previous};
use phonematch::key::Secret;
use phonematch::pipeline::{self, Outcome, Watch};
use phonematch::report::Report;

use super::SECRET_HEX;

/// A job that publishes everybody's run into `out` of a folder, its books beside it, and reads
/// `accounts.csv` and `opt_outs.csv` there. It has no list yet.
pub fn plain_job(folder: &Path, out: &str, (purpose, policy): (Purpose, &str)) -> Job {
    Job {
        name: Identifier::from_text(b"test").unwrap(),
        purpose,
        policy_digest: String::new(),
        policy: toml::from_str(policy).unwrap(),
        secret: Secret::from_file_content(SECRET_HEX.as_bytes()).unwrap(),
        accounts: files(folder, &["accounts.csv"]),
        lists: Vec::new(),
        opt_outs: OptOutSource {
            patterns: vec!["opt_outs.csv".to_owned()],
            base: folder.to_owned(),
            ..OptOutSource::default()
        },
        out: folder.join(out),
        publish_to: None,
        if_exists: IfExists::Error,
        previous: Previous::None,
        ledger: folder.join(format!("{out}.ledger")),
        history: folder.join(format!("{out}.history")),
        gates: Gates::NONE,
        memory: None,
        sample: None,
        ending: Ending::Publish,
    }
}

/// Files of a folder, their columns under the usual names.
pub fn files(folder: &Path, names: &[&str]) -> Files {
    Files {
        locations: names.iter().map(|name| Location::Path(folder.join(name))).collect(),
        columns: BTreeMap::new(),
    }
}

/// Runs a job that must be published.
#[track_caller]
pub fn report_of(job: &Job) -> Box<Report> {
    match pipeline::run(job, &Watch::default()).unwrap() {
        Outcome::Published { report, .. } => report,
        other => panic!("{other:?}"),
    }
}
