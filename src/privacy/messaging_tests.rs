//! Nights of messages, on days that a test makes up.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::super::{Counted, KeptBack, Person};
use super::*;
use crate::consent::{AliasRules, BlankConsent, Consent, Suppressions, decide};
use crate::join::{Attributes, Hit, ListBuilder, ListName};
use crate::key::{Form, Keyer, Told};
use crate::normalise::{Checks, Hint, read};

/// Messages of a day: business and slot's place, which is the person's where lists share slots.
type Sent = BTreeSet<(String, usize)>;

/// A folder with a history, and lists of people who all have accounts: numbers that Ofcom sets
/// aside for drama.
struct Scene {
    folder: tempfile::TempDir,
    secret: Secret,
    index: ListIndex,
}

impl Scene {
    fn of(lists: &[(&str, &str, Range<u32>)]) -> Self {
        let secret = Secret::from_file_content(&[7; 32]).unwrap();
        let keyer = Keyer::new(&secret);
        let mut builder = ListBuilder::default();
        builder.use_form(Form::E164);
        let readings = |people: &Range<u32>| {
            let texts = people.clone().map(|line| format!("+4420794{:05}", 60_000 + line));
            let readings = texts.map(|it| read(it.as_bytes(), Hint::None, Checks::Damage).unwrap());
            readings.collect::<Vec<_>>()
        };
        for (business, list_id, people) in lists {
            let named = |text: &str| Identifier::from_text(text.as_bytes()).unwrap();
            let name = ListName { recipient: named(business), list_id: named(list_id) };
            let list = builder.list(&name);
            for reading in readings(people) {
                builder.add(list, keyer.list_one(Told::in_form(reading, Form::E164)), Some(0));
            }
        }
        let mut index = builder.finish();
        let nobody = Suppressions::new(AliasRules::ALL);
        for reading in lists.iter().flat_map(|(_, _, people)| readings(people)) {
            let permitted = decide(reading, Consent::Blank, BlankConsent::Allowed, &nobody);
            let slot = index.find(keyer.key(reading.number, Form::E164));
            let hit = Hit::of(permitted.unwrap(), [slot, None], Attributes::default());
            index.marks().record(&hit, 0);
        }
        Self { folder: tempfile::tempdir().unwrap(), secret, index }
    }

    /// One night's messages, and how many are withheld by which reason.
    fn night(&self, day: &str, policy: &MessagingRules) -> (Sent, BTreeMap<&'static str, usize>) {
        let index = &self.index;
        let empty = |list| Counted {
            list,
            slots: Vec::new(),
            people: Vec::new(),
            let_go: 0,
            is_too_large: false,
        };
        let mut lists: Vec<_> = index.list_numbers().map(empty).collect();
        for (member, it) in (0..).zip(index.members()) {
            lists[it.list.index()].people.push(Person { slot: it.slot, member });
        }
        let mut tally = Tally { lists, kept_back: KeptBack::nobody(index) };
        let path = self.folder.path().join("history");
        let mut history = History::open(&path, &self.secret).unwrap();
        let today = Day::from_text(day).unwrap();
        let rules = MessageRules { policy, today, secret: &self.secret };
        choose(index, &mut tally, &mut history, &rules);
        history.commit().unwrap();
        let mut sent = Sent::new();
        for list in &tally.lists {
            let business = index.list_name(list.list).recipient.to_string();
            for person in &list.people {
                assert!(sent.insert((business.clone(), person.slot.index())), "sent twice");
                assert_eq!(tally.kept_back.reason(person.member), None);
            }
        }
        let mut reasons = BTreeMap::new();
        let members = 0..u32::try_from(index.members().len()).unwrap();
        for reason in members.filter_map(|at| tally.kept_back.reason(at)) {
            *reasons.entry(reason.name()).or_default() += 1;
        }
        assert_eq!(sent.len() + reasons.values().sum::<usize>(), index.members().len());
        (sent, reasons)
    }
}

fn rules(more: &str) -> MessagingRules {
    let mut rules: serde_json::Value = serde_json::from_str(
        r#"{"opt_in_records":["list"],"opted_in_within_days":9,"contacted_within_days":9,
            "cool_down_days":7,"most_per_person":2,"per_person_days":7,"waves":1,
            "businesses":[{"id":"acme","tier":2000},{"id":"globex","tier":2000},
                          {"id":"initech","tier":2000}]}"#,
    )
    .unwrap();
    let more: serde_json::Map<String, serde_json::Value> = serde_json::from_str(more).unwrap();
    rules.as_object_mut().unwrap().extend(more);
    serde_json::from_value(rules).unwrap()
}

#[test]
fn a_list_is_spread_over_its_waves_and_rests_for_the_cool_down() {
    let scene = Scene::of(&[("acme", "a", 0..900)]);
    let rules = rules(r#"{"waves":3}"#);
    let night = |day: u32| scene.night(&format!("2026-03-{day:02}"), &rules);
    let waves: Vec<_> = (1..=3).map(|day| night(day).0).collect();
    assert!(waves.iter().all(|wave| (240..=360).contains(&wave.len())), "{:?}", waves[0].len());
    let all: Sent = waves.iter().flatten().cloned().collect();
    assert_eq!((all.len(), waves.iter().map(Sent::len).sum()), (900, 900));
    for day in 4..=9 {
        let (sent, reasons) = night(day);
        assert!(sent.is_empty(), "{day}");
        assert_eq!(reasons["cool_down"], waves[(day as usize - 1) % 3].len());
    }
    assert_eq!(night(10).0, waves[0]);
}

#[test]
fn a_night_that_is_made_again_writes_to_the_same_people_and_to_nobody_else() {
    let scene = Scene::of(&[("acme", "a", 0..600), ("globex", "b", 300..900)]);
    let rules = rules(
        r#"{"most_per_person":1,
            "businesses":[{"id":"acme","tier":250},{"id":"globex","tier":250}]}"#,
    );
    let first = scene.night("2026-03-01", &rules);
    let bytes = std::fs::read(scene.folder.path().join("history")).unwrap();
    for _ in 0..3 {
        assert_eq!(scene.night("2026-03-01", &rules).0, first.0);
        assert_eq!(std::fs::read(scene.folder.path().join("history")).unwrap(), bytes);
    }
}

#[test]
fn a_business_writes_to_its_tiers_people_a_day_and_to_others_the_next() {
    let scene = Scene::of(&[("acme", "a", 0..300), ("acme", "b", 200..600)]);
    let rules = rules(r#"{"businesses":[{"id":"acme","tier":250}]}"#);
    let (first, reasons) = scene.night("2026-03-01", &rules);
    assert_eq!((first.len(), reasons["tier_full"], reasons["cool_down"]), (250, 350, 100));
    let (second, _) = scene.night("2026-03-02", &rules);
    let (third, _) = scene.night("2026-03-03", &rules);
    assert_eq!((second.len(), third.len()), (250, 100));
    assert!(first.is_disjoint(&second) && first.is_disjoint(&third) && second.is_disjoint(&third));
}

#[test]
fn a_person_gets_no_more_messages_of_all_businesses_than_the_cap() {
    let people = 0..300;
    let scene = Scene::of(&[
        ("acme", "a", people.clone()),
        ("globex", "b", people.clone()),
        ("initech", "c", people),
    ]);
    let rules = rules(r#"{"cool_down_days":1}"#);
    let (sent, reasons) = scene.night("2026-03-01", &rules);
    assert_eq!((sent.len(), reasons["person_cap"]), (600, 300));
    for business in ["acme", "globex", "initech"] {
        let share = sent.iter().filter(|(name, _)| name == business).count();
        assert!((150..=250).contains(&share), "{business} {share}");
    }
    for day in 2..=7 {
        let (sent, reasons) = scene.night(&format!("2026-03-{day:02}"), &rules);
        assert_eq!((sent.len(), reasons["person_cap"]), (0, 900), "{day}");
    }
    assert_eq!(scene.night("2026-03-08", &rules).0.len(), 600);
}

#[test]
fn the_order_of_lists_and_a_clock_that_was_set_back_change_nothing() {
    let lists = [("globex", "c", 100..400), ("acme", "a", 0..300), ("acme", "b", 200..500)];
    let reversed: Vec<_> = lists.iter().rev().cloned().collect();
    let rules = rules(
        r#"{"most_per_person":1,"waves":2,
            "businesses":[{"id":"acme","tier":250},{"id":"globex","tier":250}]}"#,
    );
    let tokens = |lists: &[(&str, &str, Range<u32>)]| {
        let scene = Scene::of(lists);
        let (sent, reasons) = scene.night("2026-03-05", &rules);
        // Yesterday comes again, and its people have had today's messages.
        let (again, _) = scene.night("2026-03-04", &rules);
        let twice = again.iter().filter(|it| sent.contains(*it)).count();
        assert_eq!(twice, 0);
        let keys = sent.into_iter().map(|(business, place)| {
            let slot = scene.index.members().find(|it| it.slot.index() == place).unwrap().slot;
            (business, scene.index.key(slot))
        });
        (keys.collect::<HashSet<_>>(), reasons)
    };
    assert_eq!(tokens(&lists), tokens(&reversed));
}
