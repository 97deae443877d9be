//! Random tables read back the same, however they are written.

use std::sync::Arc;

use arrow::array::StringArray;
use parquet::file::properties::WriterProperties;
use phonematch::input::{Location, Source};
use proptest::prelude::*;

use crate::input::support::{
    Row, gzip, parquet, phone_and_country, read_as_file, read_stream, row, source,
};

/// Cells with everything that has a meaning in some format, and fictional numbers.
fn cell() -> impl Strategy<Value = String> {
    prop_oneof![
        "\\+1202555010[0-9]",
        "07700 ?900[0-9]{3}",
        "[ -~]{0,12}",
        "[\",;|\t\r\n '=]{0,6}",
        "\\PC{0,6}",
    ]
}

fn table() -> impl Strategy<Value = Vec<[String; 3]>> {
    prop::collection::vec([cell(), cell(), cell()], 0..20)
}

fn expected(table: &[[String; 3]]) -> Vec<Row> {
    table.iter().map(|cells| row(&[&cells[2], &cells[0]])).collect()
}

/// Small batches, so that rows cross them.
fn small() -> Source {
    let mut source = source(Location::Stdin, phone_and_country());
    source.limits.batch_rows = 3;
    source.limits.block_bytes = 16;
    source
}

/// Writes CSV, quoting where it must and where `quoted` says.
fn csv(table: &[[String; 3]], delimiter: char, line_ends: &[&str], quoted: &[bool]) -> String {
    let names = ["country", "x", "phone"].map(str::to_owned);
    let mut text = String::new();
    let mut quoted = quoted.iter().cycle();
    for (index, cells) in std::iter::once(&names).chain(table).enumerate() {
        for (position, cell) in cells.iter().enumerate() {
            if position > 0 {
                text.push(delimiter);
            }
            let must = cell.contains([delimiter, '\r', '\n']) || cell.starts_with('"');
            if must || quoted.next() == Some(&true) {
                text += &format!("\"{}\"", cell.replace('"', "\"\""));
            } else {
                text += cell;
            }
        }
        text += line_ends[index % line_ends.len()];
    }
    text
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn csv_reads_back(
        table in table(),
        delimiter in prop::sample::select(vec![',', ';', '\t', '|']),
        line_ends in prop::sample::subsequence(vec!["\n", "\r\n", "\r"], 1..=3),
        quoted in prop::collection::vec(any::<bool>(), 1..7),
    ) {
        let text = csv(&table, delimiter, &line_ends, &quoted);
        let (rows, facts) = read_stream(&small(), text.clone().into_bytes()).unwrap();
        prop_assert_eq!(&rows, &expected(&table));
        prop_assert_eq!(facts.delimiter, u8::try_from(delimiter).ok());
        let (rows, _) = read_stream(&small(), gzip(text.as_bytes())).unwrap();
        prop_assert_eq!(&rows, &expected(&table));
        // The `csv` crate is the independent reader.
        let mut other = csv::ReaderBuilder::new()
            .delimiter(u8::try_from(delimiter).unwrap())
            .from_reader(text.as_bytes());
        let theirs: Vec<Row> = other
            .records()
            .map(|record| record.map(|cells| row(&[&cells[2], &cells[0]])).unwrap())
            .collect();
        prop_assert_eq!(rows, theirs);
    }

    #[test]
    fn ndjson_reads_back(table in table(), line_end in prop::sample::select(vec!["\n", "\r\n"])) {
        let line = |cells: &[String; 3]| {
            let [country, x, phone] = cells;
            let line = serde_json::json!({"country": country, "x": x, "phone": phone});
            line.to_string() + line_end
        };
        let text: String = std::iter::once(&["", "", ""].map(str::to_owned))
            .chain(&table)
            .map(line)
            .collect();
        let (rows, _) = read_stream(&small(), text.into_bytes()).unwrap();
        prop_assert_eq!(&rows[1..], &expected(&table)[..]);
    }

    #[test]
    fn parquet_reads_back(table in table()) {
        let column = |index: usize| {
            let cells: StringArray = table.iter().map(|cells| Some(&cells[index])).collect();
            Arc::new(cells) as arrow::array::ArrayRef
        };
        let columns = vec![("country", column(0)), ("x", column(1)), ("phone", column(2))];
        let properties = WriterProperties::builder().set_max_row_group_row_count(Some(3)).build();
        let (rows, _) = read_as_file(&parquet(columns, properties)).unwrap();
        prop_assert_eq!(rows, expected(&table));
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), header in 0..5_usize) {
        let json = b"{\"phone\":1}\n";
        let header = [&b""[..], b"phone,x\n", json, b"\xff\xfe", b"\x1f\x8b\x08"][header];
        let _ = read_stream(&small(), [header, &bytes].concat());
    }
}
