//! Opted-out people of the run's own, to see that the opt-out works tonight.
//!
//! Each run adds a few numbers to all three sides: to the suppression list in one spelling, to a
//! list of its own in another, to the export in a third and with a yes. Each must be matched and
//! barred; one that is not ends the run. Where lists are address books each is also the owner of one,
//! in which the next one stands. The numbers are those that Australia's regulator sets
//! aside for fiction (ACMA, "Phone numbers for use in TV shows, films and creative works"), so
//! nobody loses a match by them. The list is never written.

use std::io::Cursor;
use std::sync::Arc;

use super::accounts::{Against, Pass, Probing};
use super::head_count::{Active, Counting};
use super::waves;
use super::{RunError, Watch};
use crate::consent::{AliasRules, Purpose, SuppressionReader, Suppressions};
use crate::input::{self, BatchReader, Field, Limits, Location, Need, Role, Source, Want};
use crate::join::{Fate, Home, InputNo, ListBuilder, ListIndex, ListNo, People, SlotNo};
use crate::key::{Form, Keyer, Told};
use crate::normalise::{self, Checks, Hint, Region};
use crate::report::{Ledger, Timings};

/// One canary in its three spellings.
struct Canary {
    opt_out: &'static str,
    listed: &'static str,
    account: &'static str,
}

const AUSTRALIA: Hint = Hint::Region(Region::from_bytes(*b"AU"));

const CANARIES: [Canary; 4] = [
    Canary { opt_out: "0491 570 006", listed: "+61 491 570 006", account: "61491570006" },
    Canary { opt_out: "+61491570156", listed: "(0491) 570-156", account: "+61491570156" },
    Canary { opt_out: "61491570157.0", listed: "0011 61 491 570 157", account: "61491570157" },
    Canary {
        opt_out: "61491570158@s.whatsapp.net",
        listed: "+61 (0) 491 570 158",
        account: "+61 491 570 158",
    },
];

const BROKEN: RunError = RunError::CanaryEscaped { what: "a canary could not be read" };

/// Adds the canaries to the suppression list.
pub(super) fn opt_out(suppressions: &mut Suppressions, reader: &SuppressionReader) {
    for canary in &CANARIES {
        suppressions.add(&reader.read(canary.opt_out.as_bytes(), b"", AUSTRALIA));
    }
}

/// Adds the canaries to their list, in every form in use; of pairs each as a contact of another.
pub(super) fn list(
    index: &mut ListBuilder,
    list: ListNo,
    keyer: &Keyer,
    purpose: Purpose,
) -> Result<(), RunError> {
    index.use_form(index.forms().first().copied().unwrap_or(Form::E164));
    let read = |canary: &Canary| {
        let reading = normalise::read(canary.listed.as_bytes(), AUSTRALIA, Checks::Damage);
        reading.map_err(|_| BROKEN)
    };
    let owners = CANARIES.iter().cycle().skip(1);
    for (canary, owner) in CANARIES.iter().zip(owners) {
        let (canary, owner) = (read(canary)?, read(owner)?);
        for form in index.forms().to_vec() {
            let in_form = |reading| keyer.list_one(Told::in_form(reading, form));
            let owner = purpose.takes_pairs().then(|| index.owner(in_form(owner)));
            index.add(Home { list, owner }, in_form(canary), None);
        }
    }
    Ok(())
}

/// Sends the canaries' accounts, each with a yes, down the road that accounts take. They must all
/// be barred as opted out there; and with the suppression list out of the way they must be found
/// on their list, or their absence from the output would prove nothing.
pub(super) fn probe(
    index: &mut ListIndex,
    against: Against<'_>,
    watch: &Watch,
) -> Result<(), RunError> {
    // Whatever pass over the export it is, this one is the canaries' own, and they are on its list;
    // whoever the run's sample is of, they are in it.
    let against = Against { pass: Pass::Only, drawn: None, ..against };
    let barred = send(index, against, watch)?.barred;
    let nobody = Suppressions::new(AliasRules::ALL);
    let found = send(index, Against { suppressions: &nobody, ..against }, watch)?;
    if barred != CANARIES.len() as u64 {
        return Err(RunError::CanaryEscaped { what: "an opted-out account was not barred" });
    }
    let lost = found.unmatched + found.not_sampled + found.rejected.total();
    if found.barred != 0 || lost != 0 {
        return Err(RunError::CanaryEscaped { what: "a canary was not found on its list" });
    }
    Ok(())
}

fn send(index: &mut ListIndex, against: Against<'_>, watch: &Watch) -> Result<Ledger, RunError> {
    let mut text = String::from("phone,consent\n");
    for canary in &CANARIES {
        text.push_str(canary.account);
        text.push_str(",granted\n");
    }
    let want = |field: Field| Want { field, mapped: None, need: Need::Required };
    let mut consent = want(Field::Consent);
    consent.mapped = Some("consent".to_owned());
    let mut reader = open(text, vec![want(Field::Phone), consent])?;
    let ledger = Ledger::new(Role::Accounts, String::new());
    let mut probing = Probing::new(index, against, InputNo::MAX, ledger, None);
    probing.read(&mut reader, &mut Timings::default(), watch)?;
    Ok(probing.finish().ledger)
}

/// Sends the canaries' accounts, each active today, down the road on which people are counted. All
/// must be barred there, and with the suppression list out of the way all must be counted.
pub(super) fn probe_count(
    against: Against<'_>,
    active: Active,
    watch: &Watch,
) -> Result<(), RunError> {
    let mut text = String::from("phone,last_active\n");
    for canary in &CANARIES {
        text.push_str(&format!("{},{}\n", canary.account, active.today));
    }
    let wants = [Field::Phone, Field::LastActive];
    let wants = wants.map(|field| Want { field, mapped: None, need: Need::Required });
    let send = |against: Against<'_>| {
        let mut reader = open(text.clone(), wants.to_vec())?;
        let mut people = People::default();
        let ledger = Ledger::new(Role::Accounts, String::new());
        let mut counting =
            Counting::new(&mut people, against, active, (InputNo::MAX, ledger), None);
        waves::each_batch(&mut reader, &mut counting, &mut Timings::default(), watch)?;
        let barred = counting.finish().ledger.barred;
        Ok::<_, RunError>((barred, people.rows().len()))
    };
    let nobody = Suppressions::new(AliasRules::ALL);
    if send(against)? != (CANARIES.len() as u64, 0) {
        return Err(RunError::CanaryEscaped { what: "an opted-out account was not barred" });
    }
    if send(Against { suppressions: &nobody, ..against })? != (0, CANARIES.len()) {
        return Err(RunError::CanaryEscaped { what: "a canary was not counted" });
    }
    Ok(())
}

fn open(text: String, wants: Vec<Want>) -> Result<BatchReader, RunError> {
    let (role, location, limits) = (Role::Accounts, Location::Stdin, Limits::STANDARD);
    let source = Source { role, location, wants, limits };
    Ok(input::open_stream(&source, Box::new(Cursor::new(text)), Arc::default())?)
}

/// Checks, when the export has been read, that every canary is matched and barred, and of pairs every
/// owner too.
pub(super) fn check(index: &ListIndex, list: ListNo, purpose: Purpose) -> Result<(), RunError> {
    let mut canaries = index.members().filter(|member| member.list == list);
    if canaries.clone().count() < CANARIES.len() {
        return Err(RunError::CanaryEscaped { what: "the canaries' list is gone" });
    }
    let stays = |slot: SlotNo| index.fate(slot) == Fate::Barred && index.is_matched(slot);
    let escaped = canaries.any(|member| {
        let owner = index.owner_of(&member);
        let owner_stays = owner.map_or(!purpose.takes_pairs(), stays);
        !stays(member.slot) || !owner_stays || index.member_fate(&member) != Fate::Barred
    });
    match escaped {
        true => Err(RunError::CanaryEscaped { what: "an opted-out canary was to be released" }),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::passes;
    use super::*;
    use crate::consent::BlankConsent;
    use crate::join::ListName;
    use crate::key::Secret;

    const PAIRS: Purpose = Purpose::FriendSuggestions;

    /// The canaries' list as a run has it after the export; `opted_out`: they said no.
    fn after_the_export(listed_for: Purpose, opted_out: bool) -> (ListIndex, ListNo) {
        let keyer = Keyer::new(&Secret::from_file_content(&[7; 32]).unwrap());
        let mut builder = ListBuilder::default();
        Form::ALL.into_iter().for_each(|form| builder.use_form(form));
        let canaries = builder.list(&ListName::reserved());
        list(&mut builder, canaries, &keyer, listed_for).unwrap();
        let mut suppressions = Suppressions::new(AliasRules::ALL);
        if opted_out {
            opt_out(&mut suppressions, &SuppressionReader { purpose: PAIRS, keyer: keyer.clone() });
        }
        let timings = &mut Timings::default();
        let mut index = passes::finish(builder, &suppressions, &keyer, timings);
        let nobody = Suppressions::new(AliasRules::ALL);
        let against = Against {
            suppressions: &nobody,
            keyer: &keyer,
            blank: BlankConsent::Allowed,
            pass: Pass::Only,
            drawn: None,
            purpose: PAIRS,
        };
        send(&mut index, against, &Watch::default()).unwrap();
        (index, canaries)
    }

    #[test]
    fn each_canary_is_an_owner_and_a_contact_and_a_pair_that_is_not_barred_is_noticed() {
        let (index, canaries) = after_the_export(PAIRS, true);
        check(&index, canaries, PAIRS).unwrap();
        let pairs: Vec<_> = index.members().filter(|it| it.list == canaries).collect();
        let ends = pairs.iter().map(|it| [it.slot, index.owner_slot(it.owner.unwrap()).unwrap()]);
        assert!(ends.clone().all(|[contact, owner]| index.person(contact) != index.person(owner)));
        for slot in ends.clone().flatten() {
            assert!(ends.clone().any(|[contact, _]| contact == slot));
            assert!(ends.clone().any(|[_, owner]| owner == slot));
        }
        let escaped = |listed_for, opted_out| {
            let (index, canaries) = after_the_export(listed_for, opted_out);
            check(&index, canaries, PAIRS).is_err()
        };
        assert!(escaped(PAIRS, false), "nobody said no");
        assert!(escaped(Purpose::Ads, true), "the canaries are nobody's contacts");
    }
}
