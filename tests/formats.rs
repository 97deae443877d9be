//! The same rows in every file format come out the same; a format that lost digits is refused.

use std::fs::File;
use std::io::Write;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, DictionaryArray, Float64Array, Int64Array, LargeStringArray, RecordBatch,
    StringArray, StringViewArray, UInt64Array,
};
use arrow::datatypes::Int32Type;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, GzipLevel, ZstdLevel};
use parquet::file::properties::WriterProperties;

use crate::support::{Scene, tables};

const NUMBERS: [i64; 5] = [12025550101, 12025550102, 12025550103, 442079460004, 442079460005];

fn texts() -> Vec<String> {
    NUMBERS.iter().map(|number| format!("+{number}")).collect()
}

fn write_accounts(scene: &Scene, phones: ArrayRef, compression: Compression) {
    let consent: ArrayRef = Arc::new(StringArray::from(vec!["granted"; phones.len()]));
    let os: ArrayRef = Arc::new(StringArray::from(vec!["Android 14"; phones.len()]));
    let columns = [("os", os), ("phone", phones), ("consent_ads", consent)];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let properties = WriterProperties::builder()
        .set_compression(compression)
        .set_max_row_group_row_count(Some(2))
        .build();
    let file = File::create(scene.at("accounts.csv")).unwrap();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

fn tokens(scene: &Scene) -> Vec<String> {
    scene.publish(&["--previous", "none", "--if-exists", "replace"]);
    tables::rows(&scene.at("run/matches.parquet")).iter().map(|row| row["token"].clone()).collect()
}

#[test]
fn a_parquet_phone_column_may_be_text_of_any_kind_or_an_integer() {
    let scene = Scene::small();
    let expected = tokens(&scene);
    assert_eq!(expected.len(), 2);
    let texts = texts();
    let text = || texts.iter().map(String::as_str);
    let kinds: [(&str, ArrayRef); 6] = [
        ("Utf8", Arc::new(StringArray::from_iter_values(text()))),
        ("LargeUtf8", Arc::new(LargeStringArray::from_iter_values(text()))),
        ("Utf8View", Arc::new(StringViewArray::from_iter_values(text()))),
        ("Dictionary", Arc::new(text().collect::<DictionaryArray<Int32Type>>())),
        ("Int64", Arc::new(Int64Array::from(NUMBERS.to_vec()))),
        ("UInt64", Arc::new(UInt64Array::from(NUMBERS.map(i64::unsigned_abs).to_vec()))),
    ];
    for (kind, phones) in kinds {
        write_accounts(&scene, phones, Compression::SNAPPY);
        assert_eq!(tokens(&scene), expected, "{kind}");
    }
}

#[test]
fn parquet_pages_may_be_packed_in_any_usual_way() {
    let scene = Scene::small();
    let expected = tokens(&scene);
    for compression in [
        Compression::UNCOMPRESSED,
        Compression::SNAPPY,
        Compression::GZIP(GzipLevel::default()),
        Compression::LZ4_RAW,
        Compression::ZSTD(ZstdLevel::default()),
    ] {
        write_accounts(&scene, Arc::new(StringArray::from(texts())), compression);
        assert_eq!(tokens(&scene), expected, "{compression:?}");
    }
}

#[test]
fn a_null_in_a_parquet_phone_column_is_an_empty_cell() {
    let scene = Scene::small();
    let mut phones: Vec<_> = texts().into_iter().map(Some).collect();
    phones[2] = None;
    write_accounts(&scene, Arc::new(StringArray::from(phones)), Compression::SNAPPY);
    scene.publish(&[]);
    let rejects = tables::rows(&scene.at("run/rejects.parquet"));
    assert_eq!(rejects.len(), 1);
    assert_eq!((rejects[0]["row"].as_str(), rejects[0]["reason"].as_str()), ("3", "empty"));
}

#[test]
fn a_float_phone_column_is_refused_by_name() {
    let scene = Scene::small();
    let phones = Float64Array::from(NUMBERS.map(|number| number as f64).to_vec());
    write_accounts(&scene, Arc::new(phones), Compression::SNAPPY);
    let outcome = scene.run(&["--quiet"]);
    assert!(matches!(outcome.code, Some(65 | 66)), "{outcome:?}");
    let stderr = outcome.stderr;
    assert!(stderr.contains("accounts.csv") && stderr.contains("phone"), "{stderr}");
    assert!(!scene.at("run").exists());
}

#[test]
fn a_parquet_file_cut_anywhere_is_refused() {
    let scene = Scene::small();
    write_accounts(&scene, Arc::new(StringArray::from(texts())), Compression::SNAPPY);
    let whole = std::fs::read(scene.at("accounts.csv")).unwrap();
    for percent in [1, 10, 33, 50, 75, 90, 99] {
        scene.write("accounts.csv", &whole[..whole.len() * percent / 100]);
        let outcome = scene.run(&["--quiet"]);
        assert!(matches!(outcome.code, Some(65 | 66)), "{percent} %: {outcome:?}");
        assert!(!scene.at("run").exists());
    }
    for at in (0..whole.len()).step_by(whole.len() / 40) {
        let mut flipped = whole.clone();
        flipped[at] ^= 0x55;
        scene.write("accounts.csv", flipped);
        let outcome = scene.run(&["--quiet", "--if-exists", "replace"]);
        assert!(matches!(outcome.code, Some(0 | 65 | 66)), "byte {at}: {outcome:?}");
    }
}

#[test]
fn a_null_consent_cell_is_a_blank_one_and_no_other_rows() {
    let scene = Scene::small();
    let phones = ["+12025550101", "+12025550102", "+442079460004"];
    scene.write("list.csv", format!("phone\n{}\n", phones.join("\n")));
    let found = |blank: &str| {
        let policy = scene.read("policy.toml");
        let others = policy.lines().filter(|line| !line.starts_with("blank_consent"));
        let others: String = others.map(|line| line.to_owned() + "\n").collect();
        scene.write("policy.toml", format!("blank_consent = \"{blank}\"\n{others}"));
        let consents: ArrayRef =
            Arc::new(StringArray::from(vec![None, Some("denied"), Some("granted")]));
        let numbers: ArrayRef = Arc::new(StringArray::from(phones.to_vec()));
        let batch =
            RecordBatch::try_from_iter([("phone", numbers), ("consent_ads", consents)]).unwrap();
        let file = File::create(scene.at("accounts.csv")).unwrap();
        let mut writer = ArrowWriter::try_new(file, batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        tokens(&scene).len()
    };
    assert_eq!((found("allowed"), found("barred")), (2, 1));
}

#[test]
fn a_list_may_be_parquet_too() {
    let scene = Scene::small();
    let expected = tokens(&scene);
    let phones: ArrayRef =
        Arc::new(StringArray::from(vec!["(202) 555-0101", "+1 202 555 0102", "020 7946 0004"]));
    let countries: ArrayRef = Arc::new(StringArray::from(vec![Some("US"), None, Some("GB")]));
    let batch = RecordBatch::try_from_iter([("phone", phones), ("country", countries)]).unwrap();
    let file = File::create(scene.at("list.csv")).unwrap();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    assert_eq!(tokens(&scene), expected);
}

#[test]
fn line_ends_marks_and_quotes_change_nothing() {
    let scene = Scene::small();
    let expected = tokens(&scene);
    let plain = scene.read("accounts.csv");
    let quoted: String = plain
        .lines()
        .map(|line| {
            line.split(',').map(|cell| format!("\"{cell}\"")).collect::<Vec<_>>().join(",") + "\n"
        })
        .collect();
    let mixed: String = plain
        .lines()
        .enumerate()
        .map(|(at, line)| format!("{line}{}", if at % 2 == 0 { "\r\n" } else { "\n" }))
        .collect();
    for (name, text) in [
        ("CRLF", plain.replace('\n', "\r\n")),
        ("CR", plain.replace('\n', "\r")),
        ("mixed", mixed),
        ("a byte order mark", format!("\u{feff}{plain}")),
        ("quotes", quoted),
        ("no last line end", plain.trim_end().to_owned()),
        ("blank lines", plain.replace('\n', "\n\n")),
        ("tabs", plain.replace(',', "\t")),
        ("semicolons", plain.replace(',', ";")),
        ("pipes", plain.replace(',', "|")),
        ("capitals in the header", plain.replacen("phone", "PHONE", 1)),
        ("blanks in the header", plain.replacen("phone", " phone ", 1)),
    ] {
        scene.write("accounts.csv", text);
        assert_eq!(tokens(&scene), expected, "{name}");
    }
    for (name, units) in [
        ("UTF-16LE", plain.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>()),
        ("UTF-16BE", plain.encode_utf16().flat_map(u16::to_be_bytes).collect()),
    ] {
        let mark: [u8; 2] = if name == "UTF-16LE" { [0xff, 0xfe] } else { [0xfe, 0xff] };
        scene.write("accounts.csv", [&mark[..], &units].concat());
        assert_eq!(tokens(&scene), expected, "{name}");
    }
}

#[test]
fn a_gzip_file_of_several_members_is_read_to_its_end() {
    let scene = Scene::small();
    let expected = tokens(&scene);
    let plain = scene.read("accounts.csv");
    let member = |text: &str| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    };
    let (head, tail) = plain.split_at(plain.len() / 2);
    scene.write("accounts.csv", [member(head), member(tail)].concat());
    assert_eq!(tokens(&scene), expected);
}

#[test]
fn ragged_rows_cost_themselves_only() {
    let scene = Scene::small();
    let expected = tokens(&scene);
    let rows = scene.read("list.csv");
    let (header, rest) = rows.split_once('\n').unwrap();
    scene.write("list.csv", format!("{header}\n+442079460005\n{rest}+442079460005,GB,x,y,z,1\n"));
    let outcome = scene.run(&["--previous", "none", "--if-exists", "replace"]).must_end_with(0);
    let found: Vec<_> = tables::rows(&scene.at("run/matches.parquet"));
    assert!(found.len() >= expected.len(), "{}", outcome.stderr);
    let report = scene.report("run");
    let list = report["inputs"].as_array().unwrap().iter().find(|input| input["role"] == "list");
    assert_eq!(list.unwrap()["rows_read"], 6);
}

#[test]
fn an_export_of_many_row_groups_comes_out_the_same_at_any_thread_count() {
    let scene = Scene::made_up(5000, 700, 3);
    scene.publish(&["--out", "text", "--previous", "none"]);
    let text = scene.read("accounts.csv");
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let names = reader.headers().unwrap().clone();
    let rows: Vec<_> = reader.records().map(Result::unwrap).collect();
    let columns = names.iter().enumerate().map(|(at, name)| {
        let cells: StringArray = rows.iter().map(|row| row.get(at)).collect();
        (name, Arc::new(cells) as ArrayRef)
    });
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let groups = WriterProperties::builder().set_max_row_group_row_count(Some(70)).build();
    let file = File::create(scene.at("accounts.csv")).unwrap();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(groups)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    for threads in ["1", "2", "8"] {
        scene.publish(&["--out", threads, "--threads", threads, "--previous", "none"]);
        for name in ["matches.parquet", "summary.json", "rejects.parquet"] {
            let read = |run: &str| std::fs::read(scene.at(run).join(name)).unwrap();
            assert!(read(threads) == read("text"), "{name} with {threads} threads");
        }
    }
}
