//! What somebody should look at, though the run may be published.

use super::{AUDIENCES, Joined, NamedLists};
use crate::consent::Purpose;
use crate::pipeline::Begun;
use crate::policy::NoiseRules;
use crate::privacy::{Audience, Release, WithholdReason};

/// Floors below this protect nobody to speak of.
const LOW_FLOOR: u64 = 10;

/// Every alarm of a run, in whole sentences.
pub(super) fn of(
    begun: &Begun<'_>,
    joined: &Joined,
    named: &NamedLists,
    release: &Release,
) -> Vec<String> {
    let of_policy = policy(begun).into_iter().chain(two_forms(begun, joined)).chain(exact(begun));
    let passes = (joined.passes > 1).then(|| {
        format!(
            "the lists are larger than the job's memory: the export was read {} times; the same \
             comes out, only later",
            joined.passes
        )
    });
    let asking = lists_too_large(release).into_iter().chain(books_too_large(joined));
    of_policy.chain(passes).chain(asking).chain(crowded(begun, joined, named)).collect()
}

fn policy(begun: &Begun<'_>) -> Option<String> {
    let floors = &begun.job.policy.floors;
    let lowest = floors.list_numbers.min(floors.matched_people).min(floors.attribute_cell);
    let is_low = begun.job.purpose == Purpose::Ads && lowest < LOW_FLOOR;
    is_low.then(|| format!("a floor of the policy is {lowest}: few hide in a few"))
}

fn exact(begun: &Begun<'_>) -> Option<String> {
    let tells = begun.job.drawn().is_none();
    let is_exact = begun.job.policy.noise == Some(NoiseRules::None) && tells;
    is_exact.then(|| {
        "the policy adds no noise: two nearly equal lists may tell of the person between them"
            .to_owned()
    })
}

fn two_forms(begun: &Begun<'_>, joined: &Joined) -> Option<String> {
    let in_two_forms = begun.job.drawn().is_some() && joined.index.forms().len() > 1;
    in_two_forms.then(|| {
        "the sample's lists hold numbers in two forms: a person who is in both is drawn by each, so \
         not the same people in all lists"
            .to_owned()
    })
}

fn lists_too_large(release: &Release) -> Option<String> {
    let is_large = |audience: &&Audience| audience.withheld == Some(WithholdReason::ListsTooLarge);
    let large = release.audiences.iter().filter(is_large).count();
    (large > 0).then(|| {
        format!(
            "{large} lists are withheld because their recipients brought more numbers than the \
             policy's most_list_numbers allows: somebody may be asking for everybody"
        )
    })
}

fn books_too_large(joined: &Joined) -> Option<String> {
    let books = joined.decided.large_books;
    (books > 0).then(|| {
        format!(
            "{books} owners' address books hold more numbers than the policy's most_contacts \
             allows, and they are suggested nobody: somebody may be asking for everybody"
        )
    })
}

fn crowded(begun: &Begun<'_>, joined: &Joined, named: &NamedLists) -> Vec<String> {
    let crowded = joined.lists.crowded.iter().filter_map(|list| named.places[list.index()]);
    let mut rows: Vec<_> = crowded.map(|place| place + 1).collect();
    rows.sort_unstable();
    rows.dedup();
    let purpose = begun.job.purpose;
    let what = if purpose.takes_pairs() { "pair" } else { "number" };
    let place = match purpose.has_advertiser() && begun.job.drawn().is_none() {
        true => format!("in {AUDIENCES}"),
        false => "by name".to_owned(),
    };
    let alarm = |row| {
        format!(
            "one {what} makes up over 0.1 % of the rows of list {row} {place}: a filler, or a \
             switchboard"
        )
    };
    rows.into_iter().map(alarm).collect()
}
