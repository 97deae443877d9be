//! Tests of what is private to the reader of delimited text.

use proptest::prelude::*;

use super::*;
use crate::input::{Field, Location, Role};

fn cells(record: &str) -> (Vec<String>, bool) {
    let scanned = scan(record.as_bytes(), Some(b','), true);
    let Scan::Record { len, .. } = scanned else { panic!("{scanned:?}") };
    let text = |cell| String::from_utf8(cell).unwrap();
    let record = &record.as_bytes()[..len];
    let (mut split, mut copied) = (Cells::default(), vec![]);
    split.split(record, 0..len, Some(b','), &mut copied);
    (record_cells(record, Some(b',')).into_iter().map(text).collect(), split.damaged)
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

/// Where a text can be cut by the definition: record by record.
fn cut_by_definition(text: &[u8], delimiter: Option<u8>) -> Option<usize> {
    let mut last = 0;
    while let Scan::Record { len, .. } = scan(&text[last..], delimiter, false) {
        last += len + 1;
    }
    (last > 0).then_some(last)
}

/// The rows of a text by the definition: record by record, none of them cut short by its end.
fn rows_by_definition(dialect: &Dialect, text: &[u8]) -> Vec<Option<Vec<Vec<u8>>>> {
    let mut rows = vec![];
    let mut at = 0;
    while at < text.len() {
        let Scan::Record { len, .. } = scan(&text[at..], dialect.delimiter, true) else { break };
        if len > 0 {
            let record = &text[at..at + len];
            let cells = record_cells(record, dialect.delimiter);
            let mut split = Cells::default();
            split.split(record, 0..len, dialect.delimiter, &mut vec![]);
            let fits = cells.len() >= dialect.cells_needed
                && cells.len() <= dialect.header_columns
                && !split.damaged;
            let wanted = dialect.positions.iter().map(|&at| cells[at].clone());
            rows.push(fits.then(|| wanted.collect()));
        }
        at += len + 1;
    }
    rows
}

/// The rows of whole records, split where they stand behind so many other bytes.
fn rows_split(text: &[u8], delimiter: Option<u8>, before: usize) -> Vec<Option<Vec<Vec<u8>>>> {
    let dialect = dialect(delimiter);
    let bytes = [&b"\"".repeat(before), text, b"\""].concat();
    let mut batch = Batch::default();
    batch.begin(&dialect.fields, bytes);
    rows::split(&dialect, &mut batch, before..before + text.len()).unwrap();
    let cells = |row| {
        let cell = |&field| batch.cell(field, row).to_vec();
        (!batch.is_malformed(row)).then(|| dialect.fields.iter().map(cell).collect::<Vec<_>>())
    };
    (0..batch.len()).map(cells).collect()
}

#[test]
fn what_is_unusual_is_seen_wherever_it_stands() {
    let cells = [
        "\"a\"b",
        "\"a\" ",
        "\"a\"\r",
        "\"a\"\"b\"",
        "\"a,b\"",
        "\"a\nb\"",
        "\"a\r\nb\"",
        "\"\"",
        "a\"b",
        "a\rb",
        "a\r",
        "\"a\"\r\r",
    ];
    for (cell, length) in cells.iter().flat_map(|cell| (0..2 * 64 + 2).map(move |at| (cell, at))) {
        let usual = format!("1,2,{},4\n", "x".repeat(length));
        for unusual in
            [format!("{cell},2,3,4\n"), format!("1,2,3,{cell}\n"), format!("1,{cell},\"3\",4\r\n")]
        {
            let text = [&usual, &unusual, "1,2,3,4\n"].concat();
            let end = cut_by_definition(text.as_bytes(), Some(b',')).unwrap();
            let text = &text.as_bytes()[..end];
            let expected = rows_by_definition(&dialect(Some(b',')), text);
            assert_eq!(rows_split(text, Some(b','), 0), expected, "{cell:?} behind {length}");
        }
    }
}

#[test]
fn a_row_that_is_longer_than_a_stretch_is_split() {
    for (length, end) in [(600, "\n"), (600, "\r\n"), (300_000, "\n"), (300_000, "\r\n")] {
        let long = format!("1,\"2\",{},4{end}", "x".repeat(length));
        let text = ["1,2", end, &long, &long, "1,2,3", end].concat();
        let expected = rows_by_definition(&dialect(Some(b',')), text.as_bytes());
        assert_eq!(rows_split(text.as_bytes(), Some(b','), 0), expected);
    }
}

/// More rows than are looked at in one go, with one that is not as it should be at either side of where
/// the next ones begin.
#[test]
fn long_texts_are_split_as_the_definition_says() {
    for (delimiter, cells) in [(Some(b','), 4), (None, 1)] {
        for end in ["\n", "\r\n"] {
            for (rows, quote) in [127, 128, 129, 300].into_iter().flat_map(|n| [(n, ""), (n, "\"")])
            {
                for unusual in [None, Some(0), Some(127), Some(128), Some(rows - 1)] {
                    let row = |row: usize| {
                        let count = if unusual == Some(row) { cells + 1 } else { cells };
                        let cell =
                            |at: usize| format!("{quote}{row}{}{quote}", "x".repeat(at * row % 7));
                        (0..count).map(cell).collect::<Vec<_>>().join(",") + end
                    };
                    let text = (0..rows).map(row).collect::<String>();
                    let expected = rows_by_definition(&dialect(delimiter), text.as_bytes());
                    assert_eq!(expected.len(), rows);
                    assert_eq!(rows_split(text.as_bytes(), delimiter, 0), expected);
                }
            }
        }
    }
}

fn dialect(delimiter: Option<u8>) -> Dialect {
    Dialect {
        at: Place { role: Role::List, location: Location::Stdin },
        delimiter,
        fields: vec![Field::Phone, Field::Country],
        positions: if delimiter.is_some() { vec![2, 0] } else { vec![0, 0] },
        cells_needed: if delimiter.is_some() { 3 } else { 1 },
        header_columns: if delimiter.is_some() { 4 } else { 1 },
        row_bytes: 1 << 20,
    }
}

/// Text in which everything has a meaning: mostly well quoted, or not at all.
fn text() -> impl Strategy<Value = Vec<u8>> {
    let cell = prop_oneof![
        4 => "[a-c0-9 +]{0,9}",
        4 => "\"([a-c,;\r\n]|\"\"){0,9}\"",
        1 => "[a\",\n\r; ]{0,5}",
    ];
    let end = prop::sample::select(vec![",", ",", ",", ",", ";", "\n", "\n", "\r\n", "\r", ""]);
    prop::collection::vec((cell, end), 0..60)
        .prop_map(|cells| cells.into_iter().map(|(cell, end)| cell + end).collect::<String>())
        .prop_map(String::into_bytes)
}

/// Text as machines write it, with or without quotes and carriage returns, and with a row now and
/// then that has a cell too few or too many, or a quote where none should be.
fn plain_text() -> impl Strategy<Value = Vec<u8>> {
    let row = prop_oneof![
        30 => prop::collection::vec("[a-c0-9 +]{0,9}", 4),
        10 => prop::collection::vec("\"[a-c0-9,;\r\n]{0,9}\"", 4),
        1 => prop::collection::vec("[a-c;\r]{0,5}", 0..7),
        1 => prop::collection::vec("[a-c\"]{0,5}", 4),
    ];
    let text = |end: &'static str| {
        let row = row.clone().prop_map(move |cells| cells.join(",") + end);
        prop::collection::vec(row, 0..60).prop_map(|rows| rows.concat().into_bytes())
    };
    prop_oneof![text("\n"), text("\r\n")]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn text_is_cut_where_the_definition_says(
        text in text(),
        delimiter in prop::sample::select(vec![None, Some(b','), Some(b';')]),
    ) {
        prop_assert_eq!(
            cut::last_record_end(&text, delimiter),
            cut_by_definition(&text, delimiter)
        );
    }

    #[test]
    fn rows_are_split_as_the_definition_says(
        text in prop_oneof![text(), plain_text()],
        delimiter in prop::sample::select(vec![None, Some(b','), Some(b';')]),
        before in 0..70_usize,
    ) {
        let end = cut_by_definition(&text, delimiter).unwrap_or(0);
        let expected = rows_by_definition(&dialect(delimiter), &text[..end]);
        prop_assert_eq!(rows_split(&text[..end], delimiter, before), expected);
    }
}
