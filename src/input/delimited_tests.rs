//! Tests of what is private to the reader of delimited text.

use super::*;

fn cells(record: &str) -> (Vec<String>, bool) {
    let scanned = scan(record.as_bytes(), Some(b','), true);
    let Scan::Record { len, quotes } = scanned else { panic!("{scanned:?}") };
    let mut cells = Cells::default();
    let copied = cells.copied(&record.as_bytes()[..len], Some(b','), quotes);
    let text = |cell| String::from_utf8(cell).unwrap();
    (copied.into_iter().map(text).collect(), cells.damaged)
}

#[test]
fn quotes_are_taken_off_exactly() {
    for (record, expected) in [
        ("a,b\nc", &["a", "b"][..]),
        ("\"a,\nb\",c\r\n", &["a,\nb", "c"]),
        ("\"\",\"\"\"\",\"a\"\"b\"", &["", "\"", "a\"b"]),
        ("\"\"\"\"\"\"\nx", &["\"\""]),
        ("=\"07700900123\",x\n", &["=\"07700900123\"", "x"]),
        ("\"a\",\n", &["a", ""]),
        (",,\n", &["", "", ""]),
        ("\"a\" ,b", &["a", "b"]),
    ] {
        assert_eq!(cells(record), (expected.iter().map(|&s| s.to_owned()).collect(), false));
    }
}

#[test]
fn text_behind_a_closing_quote_is_damage() {
    assert!(cells("\"a\"b,c\n").1);
    assert!(!cells("a\"b\",c\n").1);
}

#[test]
fn an_open_quote_is_told_from_a_record_that_needs_more_bytes() {
    let unfinished = |quotes| Scan::Unfinished { quotes };
    assert_eq!(scan(b"a,\"b\n", Some(b','), false), unfinished(Quotes::Open));
    assert_eq!(scan(b"a,\"b\"", Some(b','), false), unfinished(Quotes::Closed));
    assert_eq!(scan(b"a,b", Some(b','), false), unfinished(Quotes::Absent));
    let record = Scan::Record { len: 5, quotes: Quotes::Open };
    assert_eq!(scan(b"a,\"b\n", Some(b','), true), record);
}
