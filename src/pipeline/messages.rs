//! Today's messages, with the history open from choosing to publishing.

use std::thread;
use std::time::Instant;

use super::figures::{BETWEEN_ATTEMPTS, PATIENCE, day};
use super::{Begun, PreviousRuns, RunError, Watch};
use crate::job::{Ending, Job};
use crate::join::ListIndex;
use crate::output::ManifestMessages;
use crate::privacy::{self, History, HistoryError, MessageRules, Messages, Tally};

/// Refuses a history that is not the one that the previous runs were written into, before anything
/// is read.
pub(super) fn check_history(job: &Job, previous: &PreviousRuns) -> Result<(), RunError> {
    if job.policy.messaging.is_none() {
        return Ok(());
    }
    let messages = Messages::read(&job.history, &job.secret)?;
    check_head(job, previous, messages.as_ref())
}

fn check_head(
    job: &Job,
    previous: &PreviousRuns,
    messages: Option<&Messages>,
) -> Result<(), RunError> {
    let runs = [&previous.chained, &previous.replaced].into_iter().flatten();
    for head in runs.filter_map(|run| run.messages()?.history.as_ref()) {
        let path = || job.history.clone();
        match messages {
            Some(messages) if messages.goes_on_from(head) => {}
            Some(messages) if messages.head().is_some() => {
                return Err(HistoryError::RolledBack { path: path() }.into());
            }
            _ => return Err(HistoryError::Missing { path: path() }.into()),
        }
    }
    Ok(())
}

/// Takes whoever gets no message today out of the tally; tells the history, today's messages in it.
pub(super) fn choose(
    begun: &Begun<'_>,
    index: &ListIndex,
    tally: &mut Tally,
    watch: &Watch,
) -> Result<Option<History>, RunError> {
    let job = begun.job;
    let Some(policy) = &job.policy.messaging else { return Ok(None) };
    let mut history = open(job, watch)?;
    check_head(job, &begun.previous, Some(history.messages()))?;
    let rules = MessageRules { policy, today: day(begun), secret: &job.secret };
    privacy::choose_messages(index, tally, &mut history, &rules);
    Ok(Some(history))
}

fn open(job: &Job, watch: &Watch) -> Result<History, RunError> {
    let start = Instant::now();
    if job.ending == Ending::Rehearse {
        return Ok(History::rehearse(&job.history, &job.secret)?);
    }
    loop {
        match History::open(&job.history, &job.secret) {
            Err(HistoryError::Locked { .. }) if start.elapsed() < PATIENCE => {
                watch.check()?;
                thread::sleep(BETWEEN_ATTEMPTS);
            }
            opened => return Ok(opened?),
        }
    }
}

/// What the manifest says of the run's messages.
pub(super) fn of_manifest(
    begun: &Begun<'_>,
    history: Option<&History>,
) -> Option<ManifestMessages> {
    let policy = begun.job.policy.messaging.as_ref()?;
    let tiers = policy
        .businesses
        .iter()
        .map(|business| (business.id.to_string(), business.tier.people_a_day()));
    Some(ManifestMessages {
        day: day(begun).to_string(),
        tiers: tiers.collect(),
        history: history.and_then(|history| history.messages().head()),
    })
}
