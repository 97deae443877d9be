//! Where a run goes: a folder, or a store with a folder of this machine on the way.

use std::path::{Path, PathBuf};

use phonematch::job::Previous;
use phonematch::store::ObjectUrl;

use super::args::MatchFlags;
use super::failure::{Failure, USAGE};
use super::job_file::{JobFile, wrong};

/// Where a run goes.
pub struct Place {
    /// The run folder; of a run that goes to a store, the folder that it has before.
    pub out: PathBuf,
    /// The run in the store.
    pub publish_to: Option<ObjectUrl>,
}

/// Typed places are relative to where one is, a file's to the file; addresses to nothing.
pub fn place(flags: &MatchFlags, file: &JobFile, base: &Path) -> Result<Place, Failure> {
    let staging = flags.staging.clone().or_else(|| file.staging.as_ref().map(|it| base.join(it)));
    let given = flags.out.as_deref().or(file.out.as_deref());
    let given =
        given.ok_or_else(|| Failure::new(USAGE, "no run folder: give --out, or out in the job"))?;
    let Some(url) = address(given, "out")? else {
        if staging.is_some() {
            let message = "staging is for a run that goes to a store, and out is a folder";
            return Err(wrong(message).about("staging"));
        }
        let out = flags.out.clone().unwrap_or_else(|| base.join(given));
        return Ok(Place { out, publish_to: None });
    };
    if !url.takes_runs() {
        return Err(wrong("a run goes to a folder or to s3://bucket/run").about("out"));
    }
    let staging = staging.ok_or_else(|| {
        let message = "out is in a store: name a folder of this machine in which the run is \
                       written and audited before, with --staging, or staging in the job";
        Failure::new(USAGE, message)
    })?;
    Ok(Place { out: staging.join(url.name()), publish_to: Some(url) })
}

/// The run before: a word, a folder or an address.
pub fn previous(flags: &MatchFlags, file: &JobFile, base: &Path) -> Result<Previous, Failure> {
    let listed = file.previous.as_deref().map(Path::new);
    let Some(given) = flags.previous.as_deref().or(listed) else { return Ok(Previous::Auto) };
    if given.as_os_str() == "auto" {
        return Ok(Previous::Auto);
    }
    if given.as_os_str() == "none" {
        return Ok(Previous::None);
    }
    if let Some(url) = address(given, "previous")? {
        return Ok(Previous::Stored(url));
    }
    let typed = flags.previous.clone();
    Ok(Previous::Folder(typed.unwrap_or_else(|| base.join(given))))
}

fn address(given: &Path, setting: &str) -> Result<Option<ObjectUrl>, Failure> {
    let read = given.to_str().and_then(ObjectUrl::read).transpose();
    read.map_err(|fault| wrong(format!("{setting} is no address of a run: {fault}")).about(setting))
}
