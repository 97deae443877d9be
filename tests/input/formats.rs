//! Every way a table may be written reads back the same.

use std::sync::Arc;

use arrow::array::{ArrayRef, StringArray};
use parquet::file::properties::WriterProperties;
use phonematch::input::{
    Compression, Encoding, Extent, Field, Format, InputError, Location, open, open_stream,
};

use crate::input::support::{
    Drip, Row, file, gzip, parquet, phone_and_country, read_as_file, read_stream, row, source,
    stream, text, zstd,
};

fn table() -> Vec<Row> {
    vec![
        row(&["+12025550123", "US"]),
        row(&["07700 900123", "GB"]),
        row(&["(202) 555-0124", ""]),
        row(&["é ü +447700900124", "GB"]),
    ]
}

fn delimited(delimiter: char, line_end: &str) -> String {
    let header = ["id", "Phone Number", "country"].join(&delimiter.to_string());
    let mut text = header + line_end;
    for (id, cells) in table().into_iter().flatten().enumerate() {
        let cells = [id.to_string(), cells[0].clone(), cells[1].clone()];
        text += &cells.join(&delimiter.to_string());
        text += line_end;
    }
    text
}

fn ndjson(line_end: &str) -> String {
    let line = |cells: Vec<String>| {
        let object = serde_json::json!({"phone_number": cells[0], "x": [1], "country": cells[1]});
        object.to_string() + line_end
    };
    table().into_iter().flatten().map(line).collect()
}

fn encode(text: &str, encoding: Encoding) -> Vec<u8> {
    let units = |to_bytes: fn(u16) -> [u8; 2]| -> Vec<u8> {
        "\u{feff}".encode_utf16().chain(text.encode_utf16()).flat_map(to_bytes).collect()
    };
    match encoding {
        Encoding::Utf8 => text.as_bytes().to_vec(),
        Encoding::Utf8Bom => ["\u{feff}", text].concat().into_bytes(),
        Encoding::Utf16Le => units(u16::to_le_bytes),
        Encoding::Utf16Be => units(u16::to_be_bytes),
    }
}

const ENCODINGS: [Encoding; 4] =
    [Encoding::Utf8, Encoding::Utf8Bom, Encoding::Utf16Le, Encoding::Utf16Be];
type Packing = (Compression, fn(&[u8]) -> Vec<u8>);

const PACKINGS: [Packing; 3] =
    [(Compression::None, <[u8]>::to_vec), (Compression::Gzip, gzip), (Compression::Zstd, zstd)];

#[test]
fn every_text_format_encoding_and_packing_reads_the_same() {
    let mut texts = vec![];
    for line_end in ["\n", "\r\n", "\r"] {
        for delimiter in [',', ';', '\t', '|'] {
            let text = delimited(delimiter, line_end);
            texts.push((Format::Delimited, u8::try_from(delimiter).ok(), text));
        }
        texts.push((Format::Ndjson, None, ndjson(line_end)));
    }
    for (format, delimiter, text) in texts {
        for encoding in ENCODINGS {
            for (compression, pack) in PACKINGS {
                let bytes = pack(&encode(&text, encoding));
                let (rows, facts) = read_as_file(&bytes).unwrap();
                assert_eq!(rows, table(), "{format:?} {encoding:?} {compression:?}");
                assert_eq!((facts.format, facts.delimiter), (format, delimiter));
                assert_eq!((facts.encoding, facts.compression), (encoding, compression));
                assert_eq!(facts.ended_with_line_end, Some(true));
                assert!(facts.modified.is_some());
            }
        }
    }
}

#[test]
fn one_byte_at_a_time_reads_the_same() {
    for encoding in ENCODINGS {
        for (_, pack) in PACKINGS {
            let bytes = pack(&encode(&delimited(';', "\r\n"), encoding));
            let source = source(Location::Stdin, phone_and_country());
            let drip = Box::new(Drip(bytes, 0));
            let mut reader = open_stream(&source, drip, Arc::default()).unwrap();
            let batch = reader.next_batch().unwrap().unwrap();
            assert_eq!(batch.len(), table().len());
            assert_eq!(batch.cell(Field::Phone, 0), b"+12025550123");
            assert_eq!(reader.finish().unwrap().encoding, encoding);
        }
    }
}

#[test]
fn line_ends_may_be_mixed_and_empty_lines_are_no_rows() {
    let text = "phone,country\r\n1,US\r2,US\n\n\r\n3,US\r\r4,US";
    let (rows, facts) = stream(text.as_bytes()).unwrap();
    let expected: Vec<_> = ["1", "2", "3", "4"].map(|phone| row(&[phone, "US"])).into();
    assert_eq!(rows, expected);
    assert_eq!(facts.ended_with_line_end, Some(false));
}

#[test]
fn a_file_of_one_column_has_no_delimiter() {
    let text = "phone\n07700900123, 07700900124\n07700900123;07700900124\n\"07700900125\"\n";
    let (rows, facts) = stream(text.as_bytes()).unwrap();
    assert_eq!(rows[0], row(&["07700900123, 07700900124", ""]));
    assert_eq!(rows[1], row(&["07700900123;07700900124", ""]));
    assert_eq!(rows[2], row(&["07700900125", ""]));
    assert_eq!(facts.delimiter, None);
}

#[test]
fn a_spreadsheet_may_declare_its_delimiter() {
    let (rows, facts) = stream(b"sep=|\r\nphone|a,b,c\r\n+12025550123|x\r\n").unwrap();
    assert_eq!(rows, [row(&["+12025550123", ""])]);
    assert_eq!(facts.delimiter, Some(b'|'));
}

#[test]
fn the_delimiter_is_the_one_that_shows_the_wanted_columns() {
    let text = "\"name, first\";phone;\"a,b,c,d\"\n\"x;y\";+12025550123;z\n";
    let (rows, facts) = stream(text.as_bytes()).unwrap();
    assert_eq!(rows, [row(&["+12025550123", ""])]);
    assert_eq!(facts.delimiter, Some(b';'));
}

#[test]
fn ragged_rows_are_malformed_and_keep_their_place() {
    let text =
        "id,phone,note\n1,+12025550123,x\n2\n3,+12025550124\n4,+12025550125,x,y\n5,\"a\"b,x\n";
    let (rows, _) = stream(text.as_bytes()).unwrap();
    let expected = [row(&["+12025550123", ""]), None, row(&["+12025550124", ""]), None, None];
    assert_eq!(rows, expected);
}

#[test]
fn a_header_without_rows_has_no_rows() {
    for text in ["phone,country", "phone,country\n", "phone\r\n\r\n"] {
        let (rows, facts) = stream(text.as_bytes()).unwrap();
        assert_eq!((rows.len(), facts.rows), (0, 0));
    }
}

#[test]
fn bad_text_in_a_cell_is_passed_on_and_touches_no_other() {
    let mut bytes = b"phone,country\n+1202555\xff0123,US\n+12025550124,US\n".to_vec();
    let (rows, _) = stream(&bytes).unwrap();
    assert_eq!(rows[0], row(&["+1202555\u{fffd}0123", "US"]));
    assert_eq!(rows[1], row(&["+12025550124", "US"]));
    bytes.insert(2, 0xff);
    assert!(matches!(stream(&bytes), Err(InputError::BadHeaderEncoding { .. })));
    let lone = [&b"\xff\xfe"[..], &encode("phone\n1", Encoding::Utf16Le)[2..], b"\x00\xd8"];
    let (rows, _) = stream(&lone.concat()).unwrap();
    assert_eq!(rows, [row(&["1\u{fffd}", ""])]);
}

#[test]
fn the_values_of_ndjson_are_given_as_written() {
    let lines = [
        r#"{"phone": 12025550123, "country": "US"}"#,
        r#"{"phone": 1.2025550123E10}"#,
        r#"{"phone": 12025550123.0}"#,
        r#"{"phone": 120255501230000000000000001}"#,
        r#"{"phone": null, "country": true}"#,
        r#"{"phone": "\u002b1202\t5550123"}"#,
        r#"{ "country" : "US" }"#,
        "{}",
    ];
    let (rows, _) = stream(lines.join("\n").as_bytes()).unwrap();
    let expected = [
        row(&["12025550123", "US"]),
        row(&["1.2025550123E10", ""]),
        row(&["12025550123.0", ""]),
        row(&["120255501230000000000000001", ""]),
        row(&["", "true"]),
        row(&["+1202\t5550123", ""]),
        row(&["", "US"]),
        row(&["", ""]),
    ];
    assert_eq!(rows, expected);
}

#[test]
fn junk_lines_of_ndjson_are_malformed_rows() {
    let junk = [
        "junk",
        "[1]",
        "12025550123",
        "\"x\"",
        "null",
        "{",
        "{\"phone\":\"1\"",
        "}",
        "{\"phone\":\"1\"} x",
        "{\"phone\":{\"a\":1}}",
        "{\"phone\":[\"1\"]}",
        "{\"phone\":\"1\",\"phone\":\"2\"}",
        "{\"phone\":\"\\ud800\"}",
        "{\"phone\":01}",
    ];
    let mut text = String::from("{\"phone\":\"+12025550123\"}\n");
    for line in junk {
        text += line;
        text += "\n{\"phone\":\"+12025550124\"}\n   \n";
    }
    let (rows, _) = stream(text.as_bytes()).unwrap();
    assert_eq!(rows.len(), 1 + 2 * junk.len());
    for (index, line) in junk.iter().enumerate() {
        assert_eq!(rows[1 + 2 * index], None, "{line}");
        assert_eq!(rows[2 + 2 * index], row(&["+12025550124", ""]));
    }
    let (rows, _) = stream(b"{\"phone\":\"\xff\"}\n{\"phone\":\"1\"}\n").unwrap();
    assert_eq!(rows, [None, row(&["1", ""])]);
}

#[test]
fn batches_end_by_rows_and_by_bytes() {
    let mut source = source(Location::Stdin, phone_and_country());
    let csv: String = (0..10).map(|row| format!("+120255501{row:02}\n")).collect();
    let json: String =
        (0..10).map(|row| format!("{{\"phone\":\"+120255501{row:02}\"}}\n")).collect();
    let csv = format!("phone\n{csv}");
    for (input, rows, bytes, expected) in [
        (&json, 4, 1 << 20, vec![4, 4, 2]),
        (&json, 100, 25, vec![3, 3, 3, 1]),
        (&csv, 100, 40, vec![3, 3, 3, 1]),
        (&csv, 100, 1 << 20, vec![10]),
    ] {
        source.limits.batch_rows = rows;
        source.limits.batch_bytes = bytes;
        source.limits.block_bytes = bytes;
        let input = input.clone().into_bytes();
        assert_eq!(read_stream(&source, input.clone()).unwrap().0.len(), 10);
        let mut reader =
            open_stream(&source, Box::new(std::io::Cursor::new(input)), Arc::default()).unwrap();
        let mut sizes = vec![];
        while let Some(batch) = reader.next_batch().unwrap() {
            let column = batch.column(Field::Phone).unwrap();
            assert!(column.cells().all(|cell| text(cell).starts_with("+120255501")));
            sizes.push(batch.len());
        }
        assert_eq!(sizes, expected);
    }
}

#[test]
fn how_long_an_input_is_shows_from_its_first_rows() {
    let extent = |bytes: &[u8]| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("table");
        std::fs::write(&path, bytes).unwrap();
        let mut reader = open(&file(&path), Arc::default()).unwrap();
        let batch = reader.next_batch().unwrap().unwrap();
        (reader.extent(), reader.extent().rows_at(&batch))
    };
    let csv = |rows: u64| {
        let numbers = (0..rows).map(|at| format!("+1202555{at:07}\n"));
        ["phone\n".to_owned()].into_iter().chain(numbers).collect::<String>().into_bytes()
    };
    for rows in [1, 3, 1000, 100_000] {
        let text = csv(rows);
        let (extent, expected) = extent(&text);
        assert_eq!(extent, Extent::Text(text.len() as u64));
        let expected = expected.unwrap();
        assert!(expected.abs_diff(rows) <= rows / 50, "{expected} of {rows}");
    }
    let numbers = StringArray::from_iter_values((0..1000).map(|at| format!("+1202555{at:04}")));
    let columns = vec![("phone", Arc::new(numbers) as ArrayRef)];
    let table = parquet(columns, WriterProperties::default());
    assert_eq!(extent(&table), (Extent::Rows(1000), Some(1000)));
    // As many rows as anybody likes take no room in Parquet: no more are believed than bytes.
    let same = StringArray::from_iter_values((0..100_000).map(|_| "+12025550123"));
    let table = parquet(vec![("phone", Arc::new(same) as ArrayRef)], WriterProperties::default());
    assert!(table.len() < 10_000);
    assert_eq!(extent(&table).0, Extent::Rows(table.len() as u64));
    let utf16: Vec<_> = "\u{feff}phone\n1\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    for unknown in [gzip(&csv(10)), zstd(&csv(10)), utf16] {
        assert_eq!(extent(&unknown), (Extent::Unknown, None));
    }
    let streamed = Box::new(std::io::Cursor::new(csv(10)));
    let source = source(Location::Stdin, phone_and_country());
    assert_eq!(open_stream(&source, streamed, Arc::default()).unwrap().extent(), Extent::Unknown);
}
