//! What the ledger promises, and what becomes of one that was damaged.

use std::os::unix::fs::PermissionsExt;

use super::*;

struct Place {
    folder: tempfile::TempDir,
    secret: Secret,
}

impl Place {
    fn new() -> Self {
        let secret = Secret::from_file_content(&[7; 32]).unwrap();
        Self { folder: tempfile::tempdir().unwrap(), secret }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("ledger")
    }

    fn open(&self) -> Result<BudgetLedger, LedgerError> {
        BudgetLedger::open(&self.path(), &self.secret)
    }

    fn read(&self) -> Result<Book, LedgerError> {
        Ok(Book::read(&self.path(), &self.secret)?.unwrap())
    }

    /// Commits charges on these days; gives where the ledger then ends.
    fn charged(&self, dates: &[&str]) -> LedgerHead {
        let mut ledger = self.open().unwrap();
        for date in dates {
            ledger.charge(charge("acme", date), &self.secret);
        }
        ledger.commit().unwrap();
        ledger.book().head().unwrap()
    }
}

fn charge(recipient: &str, date: &str) -> Charge {
    let terms = Terms { variance: NonZeroU32::new(100), scale: None, floor: 100, margin: 65 };
    Charge {
        number: 0,
        date: date.to_owned(),
        recipient: recipient.to_owned(),
        purpose: "ads".to_owned(),
        list: "00".repeat(32),
        numbers: 3,
        sketch: "0".repeat(32),
        people: "00".repeat(32),
        matched: 2,
        terms,
        micro_rho: 5000,
        audience_from: Some(100),
        audience_below: Some(250),
    }
}

fn window(today: &str) -> Window<'_> {
    let today = today.parse().unwrap();
    Window { recipient: "acme", today, days: NonZeroU16::new(30).unwrap() }
}

#[test]
fn charges_survive_and_only_their_owner_can_read_them() {
    let place = Place::new();
    assert!(Book::read(&place.path(), &place.secret).unwrap().is_none());
    let first = place.charged(&["2026-11-01", "2026-11-02"]);
    let second = place.charged(&["2026-11-03"]);
    let book = place.read().unwrap();
    let dates: Vec<_> = book.charges().iter().map(|charge| charge.date.as_str()).collect();
    assert_eq!(dates, ["2026-11-01", "2026-11-02", "2026-11-03"]);
    assert_eq!(book.charges()[2].number, 3);
    assert!(book.goes_on_from(&first) && book.goes_on_from(&second));
    assert_eq!(book.head(), Some(second));
    assert_eq!(fs::metadata(place.path()).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn what_is_not_committed_is_not_there() {
    let place = Place::new();
    let mut ledger = place.open().unwrap();
    ledger.charge(charge("acme", "2026-11-01"), &place.secret);
    assert_eq!(ledger.spent(&window("2026-11-01")), 5000);
    drop(ledger);
    assert_eq!(place.read().unwrap().charges(), []);
    assert_eq!(place.read().unwrap().head(), None);
}

#[test]
fn one_run_at_a_time_charges() {
    let place = Place::new();
    let first = place.open().unwrap();
    assert!(matches!(place.open(), Err(LedgerError::Locked { .. })));
    drop(first);
    place.open().unwrap();
}

#[test]
fn a_ledger_that_was_exchanged_meanwhile_is_not_written_to() {
    let place = Place::new();
    place.charged(&["2026-11-01"]);
    let mut ledger = place.open().unwrap();
    ledger.charge(charge("acme", "2026-11-02"), &place.secret);
    fs::rename(place.path(), place.folder.path().join("older")).unwrap();
    assert!(ledger.commit().is_err());
    fs::write(place.path(), "").unwrap();
    assert!(ledger.commit().is_err());
}

/// One flipped bit anywhere: refused, or taken for a charge that was cut off while it was written,
/// which whoever knew that charge notices.
#[test]
fn no_byte_can_be_changed_unnoticed() {
    let place = Place::new();
    let head = place.charged(&["2026-11-01", "2026-11-02"]);
    let whole = fs::read(place.path()).unwrap();
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        fs::write(place.path(), bytes).unwrap();
        let noticed = place.read().map_or(true, |book| !book.goes_on_from(&head));
        assert!(noticed, "byte {at}");
    }
}

#[test]
fn no_line_can_be_taken_out_moved_or_said_twice() {
    let place = Place::new();
    place.charged(&["2026-11-01", "2026-11-02", "2026-11-03"]);
    let text = fs::read_to_string(place.path()).unwrap();
    let lines: Vec<_> = text.lines().collect();
    for order in [&[0, 2, 3][..], &[0, 1, 3], &[1, 2, 3], &[0, 2, 1, 3], &[0, 1, 1, 2, 3]] {
        let changed: String = order.iter().map(|&at| format!("{}\n", lines[at])).collect();
        fs::write(place.path(), changed).unwrap();
        assert!(matches!(place.read(), Err(LedgerError::Damaged { .. })), "{order:?}");
    }
}

#[test]
fn a_ledger_that_was_cut_short_anywhere_lacks_charges_and_says_so() {
    let place = Place::new();
    let head = place.charged(&["2026-11-01", "2026-11-02"]);
    let whole = fs::read(place.path()).unwrap();
    for len in 0..whole.len() {
        fs::write(place.path(), &whole[..len]).unwrap();
        let book = place.read().unwrap();
        assert!(book.charges().len() < 2 && !book.goes_on_from(&head), "{len} bytes");
    }
}

#[test]
fn a_charge_that_was_cut_off_while_it_was_written_is_overwritten() {
    let place = Place::new();
    let head = place.charged(&["2026-11-01"]);
    let whole = fs::read(place.path()).unwrap();
    place.charged(&["2026-11-02"]);
    let longer = fs::read(place.path()).unwrap();
    for len in whole.len()..longer.len() {
        fs::write(place.path(), &longer[..len]).unwrap();
        let after = place.charged(&["2026-11-02"]);
        assert_eq!(fs::read(place.path()).unwrap(), longer, "{len} bytes");
        let book = place.read().unwrap();
        assert!(book.goes_on_from(&head) && book.goes_on_from(&after));
    }
}

#[test]
fn another_secrets_ledger_is_named_as_such() {
    let place = Place::new();
    place.charged(&["2026-11-01"]);
    let other = Secret::from_file_content(&[8; 32]).unwrap();
    let opened = BudgetLedger::open(&place.path(), &other);
    assert!(matches!(opened, Err(LedgerError::OtherSecret { .. })));
}

#[test]
fn a_charge_counts_for_its_period_and_a_clock_that_is_set_back_forgives_nothing() {
    let place = Place::new();
    place.charged(&["2026-11-01", "2026-11-10", "2026-11-10"]);
    let ledger = place.open().unwrap();
    for (today, spent) in [
        ("2020-01-01", 15_000),
        ("2026-11-01", 15_000),
        ("2026-11-30", 15_000),
        ("2026-12-01", 10_000),
        ("2026-12-09", 10_000),
        ("2026-12-10", 0),
    ] {
        assert_eq!(ledger.spent(&window(today)), spent, "{today}");
    }
    let day = |most| ledger.affordable_on(&window("2026-11-20"), most);
    assert_eq!(day(14_999), Some("2026-12-01".parse().unwrap()));
    assert_eq!(day(10_000), Some("2026-12-01".parse().unwrap()));
    assert_eq!(day(9_999), Some("2026-12-10".parse().unwrap()));
    let globex = Window { recipient: "globex", ..window("2026-11-20") };
    assert_eq!(ledger.spent(&globex), 0);
}

#[test]
fn a_date_that_nobody_can_read_counts_for_ever() {
    let place = Place::new();
    place.charged(&["yesterday"]);
    assert_eq!(place.open().unwrap().spent(&window("2999-01-01")), 5000);
}
