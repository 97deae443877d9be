//! What was written to whom is there again, or told to be missing.

use std::os::unix::fs::PermissionsExt;

use super::*;

fn secret(byte: u8) -> Secret {
    Secret::from_file_content(&[byte; 32]).unwrap()
}

fn business(name: &str) -> Identifier {
    Identifier::from_text(name.as_bytes()).unwrap()
}

fn day(text: &str) -> Day {
    Day::from_text(text).unwrap()
}

fn people(range: std::ops::Range<u8>) -> impl Iterator<Item = (Identifier, PersonId)> {
    range.map(|byte| (business("acme"), PersonId([byte; 8])))
}

#[test]
fn what_was_entered_is_there_again_under_a_generation_more() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("history");
    assert!(Messages::read(&path, &secret(1)).unwrap().is_none());
    let mut history = History::open(&path, &secret(1)).unwrap();
    assert_eq!(history.messages().head(), None);
    history.add((day("2026-11-22"), 7), people(0..3), &secret(1));
    let promised = history.messages().head().unwrap();
    history.commit().unwrap();
    drop(history);

    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left");
    let read = Messages::read(&path, &secret(1)).unwrap().unwrap();
    assert_eq!(read.head(), Some(promised.clone()));
    assert_eq!(read.people_on(day("2026-11-22"), "acme"), Some(3));
    assert_eq!(read.people_on(day("2026-11-22"), "globex"), Some(0));
    assert_eq!(read.people_on(day("2026-11-21"), "acme"), None);

    // The same again is nothing new.
    let bytes = fs::read(&path).unwrap();
    let mut history = History::open(&path, &secret(1)).unwrap();
    history.add((day("2026-11-22"), 7), people(1..3), &secret(1));
    history.commit().unwrap();
    assert_eq!(fs::read(&path).unwrap(), bytes);
    history.add((day("2026-11-23"), 7), people(3..4), &secret(1));
    assert!(history.messages().goes_on_from(&promised));
    history.commit().unwrap();
    let read = Messages::read(&path, &secret(1)).unwrap().unwrap();
    assert_eq!(read.head().unwrap().generation, 2);
    assert!(read.goes_on_from(&promised));
}

#[test]
fn what_no_policy_looks_back_to_is_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let mut history = History::open(&folder.path().join("history"), &secret(1)).unwrap();
    let reaches = |history: &History, from: &str| history.messages().people_on(day(from), "acme");
    history.add((day("2026-01-01"), 7), people(0..1), &secret(1));
    history.add((day("2026-01-31"), 7), people(0..1), &secret(1));
    assert_eq!(reaches(&history, "2026-01-01"), Some(1));
    history.add((day("2026-02-01"), 7), people(0..1), &secret(1));
    assert_eq!(reaches(&history, "2026-01-01"), None);
    assert_eq!(reaches(&history, "2026-01-31"), Some(1));
    history.add((day("2026-05-01"), 90), people(0..1), &secret(1));
    assert_eq!(reaches(&history, "2026-01-31"), None);
    assert_eq!(reaches(&history, "2026-02-01"), Some(1));
}

#[test]
fn a_changed_byte_a_missing_one_and_another_secret_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("history");
    let mut history = History::open(&path, &secret(1)).unwrap();
    history.add((day("2026-11-22"), 7), people(0..3), &secret(1));
    history.commit().unwrap();
    drop(history);
    let whole = fs::read(&path).unwrap();
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        assert!(Messages::of(&bytes, &path, &secret(1)).is_err(), "byte {at}");
        // Before its first message a history is an empty file.
        assert_eq!(Messages::of(&whole[..at], &path, &secret(1)).is_ok(), at == 0, "{at} bytes");
    }
    let other = Messages::read(&path, &secret(2));
    assert!(matches!(other, Err(HistoryError::OtherSecret { .. })));
}

#[test]
fn one_run_at_a_time_has_it_and_none_writes_over_another_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("history");
    let mut first = History::open(&path, &secret(1)).unwrap();
    let second = History::open(&path, &secret(1));
    assert!(matches!(second, Err(HistoryError::Locked { .. })));
    // Somebody brings back a backup while the run goes on.
    fs::rename(&path, folder.path().join("away")).unwrap();
    fs::write(&path, "").unwrap();
    first.add((day("2026-11-22"), 7), people(0..3), &secret(1));
    assert!(matches!(first.commit(), Err(HistoryError::Locked { .. })));
    assert_eq!(fs::read(&path).unwrap(), b"");
}

#[test]
fn a_person_is_another_one_under_another_secret() {
    let number = b"+12025550101";
    let reading = crate::normalise::read(
        number,
        crate::normalise::Hint::None,
        crate::normalise::Checks::Damage,
    );
    let key = |byte| {
        let keyer = crate::key::Keyer::new(&secret(byte));
        keyer.key(reading.unwrap().number, crate::key::Form::E164)
    };
    let [one, other] = [1, 2].map(|byte| PersonKeyer::new(&secret(byte)));
    assert_eq!(one.person(key(1)), one.person(key(1)));
    assert_ne!(one.person(key(1)), other.person(key(2)));
    assert_ne!(one.person(key(1)), other.person(key(1)));
    assert_eq!(format!("{:?}", one.person(key(1))), "PersonId(redacted)");
}
