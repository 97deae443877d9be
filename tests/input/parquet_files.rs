//! Parquet: types, codecs, damage and hostile claims.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, DictionaryArray,
    FixedSizeBinaryArray, Float64Array, Int32Array, Int64Array, LargeBinaryArray, LargeStringArray,
    ListArray, NullArray, StringArray, StringViewArray, TimestampMicrosecondArray, UInt64Array,
};
use arrow::datatypes::{Int32Type, Int64Type};
use parquet::basic::Compression as Codec;
use parquet::file::properties::{WriterProperties, WriterVersion};
use phonematch::input::{Compression, Field, Format, InputError, Location, Need};

use crate::input::support::{
    file, gzip, parquet, phone_and_country, read, read_as_file, row, source, stream, want,
};

fn plain(columns: Vec<(&str, ArrayRef)>) -> Vec<u8> {
    parquet(columns, WriterProperties::builder().build())
}

fn phones() -> ArrayRef {
    Arc::new(StringArray::from(vec![Some("+12025550123"), None, Some("+447700900123")]))
}

fn sample(rows: usize) -> Vec<u8> {
    let phones: StringArray = (0..rows).map(|row| Some(format!("+1202555{row:04}"))).collect();
    let ids: Int64Array = (0..rows).map(|row| i64::try_from(row).ok()).collect();
    plain(vec![("account_id", Arc::new(ids)), ("phone", Arc::new(phones))])
}

#[test]
fn every_codec_and_page_version_reads_the_same() {
    let zstd = Codec::ZSTD(parquet::basic::ZstdLevel::default());
    let gzip = Codec::GZIP(parquet::basic::GzipLevel::default());
    for codec in [Codec::UNCOMPRESSED, Codec::SNAPPY, zstd, Codec::LZ4_RAW, Codec::LZ4, gzip] {
        for version in [WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0] {
            for dictionary in [true, false] {
                let properties = WriterProperties::builder()
                    .set_compression(codec)
                    .set_writer_version(version)
                    .set_dictionary_enabled(dictionary)
                    .set_max_row_group_row_count(Some(2))
                    .build();
                let (rows, facts) = read_as_file(&crate::input::support::parquet(
                    vec![("x", phones()), ("phone", phones())],
                    properties,
                ))
                .unwrap();
                let expected = ["+12025550123", "", "+447700900123"];
                assert_eq!(rows, expected.map(|phone| row(&[phone, ""])), "{codec:?}");
                assert_eq!(facts.format, Format::Parquet);
                assert_eq!(facts.compression, Compression::None);
                assert_eq!((facts.delimiter, facts.ended_with_line_end), (None, None));
            }
        }
    }
}

#[test]
fn every_type_that_can_hold_a_number_reads_as_text() {
    let text = vec![Some("+12025550123"), None];
    let bytes = vec![Some(&b"+12025550123"[..]), None];
    let dictionary: DictionaryArray<Int32Type> = text.clone().into_iter().collect();
    let arrays: [ArrayRef; 6] = [
        Arc::new(StringArray::from(text.clone())),
        Arc::new(LargeStringArray::from(text.clone())),
        Arc::new(StringViewArray::from(text)),
        Arc::new(dictionary),
        Arc::new(BinaryArray::from(bytes.clone())),
        Arc::new(LargeBinaryArray::from(bytes)),
    ];
    for array in arrays {
        let kind = array.data_type().clone();
        let (rows, _) = read_as_file(&plain(vec![("phone", array)])).unwrap();
        assert_eq!(rows, [row(&["+12025550123", ""]), row(&["", ""])], "{kind}");
    }
    let numbers: [(ArrayRef, [&str; 2]); 4] = [
        (Arc::new(Int64Array::from(vec![Some(12_025_550_123), None])), ["12025550123", ""]),
        (Arc::new(UInt64Array::from(vec![u64::MAX, 0])), ["18446744073709551615", "0"]),
        (Arc::new(Int32Array::from(vec![-5, 2_025_550_123])), ["-5", "2025550123"]),
        (Arc::new(NullArray::new(2)), ["", ""]),
    ];
    for (array, expected) in numbers {
        let kind = array.data_type().clone();
        let (rows, _) = read_as_file(&plain(vec![("phone", array)])).unwrap();
        assert_eq!(rows, expected.map(|phone| row(&[phone, ""])), "{kind}");
    }
}

#[test]
fn other_columns_read_as_text_too() {
    let one = |array: ArrayRef| -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t");
        std::fs::write(&path, plain(vec![("date", array)])).unwrap();
        let wants = vec![want(Field::OptedOutAt, Need::Required)];
        let (rows, _) = read(&source(Location::Path(path), wants)).unwrap();
        rows[0].as_ref().unwrap()[0].clone()
    };
    let time = || TimestampMicrosecondArray::from(vec![1_479_772_800_000_000]);
    assert_eq!(one(Arc::new(BooleanArray::from(vec![true]))), "true");
    assert_eq!(one(Arc::new(Date32Array::from(vec![17_127]))), "2016-11-22");
    assert_eq!(one(Arc::new(time())), "2016-11-22T00:00:00");
    assert_eq!(one(Arc::new(time().with_timezone("+00:00"))), "2016-11-22T00:00:00Z");
    assert_eq!(one(Arc::new(time().with_timezone("Europe/Berlin"))), "2016-11-22T00:00:00Z");
    assert_eq!(one(Arc::new(Float64Array::from(vec![1.5]))), "1.5");
}

#[test]
fn hashes_stored_as_bytes_are_given_in_hex() {
    let hash = [0xab_u8; 32];
    let array = FixedSizeBinaryArray::try_from_iter([hash].into_iter()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t");
    std::fs::write(&path, plain(vec![("sha256", Arc::new(array))])).unwrap();
    let wants = vec![want(Field::PhoneSha256, Need::Required)];
    let (rows, _) = read(&source(Location::Path(path), wants)).unwrap();
    assert_eq!(rows, [row(&["ab".repeat(32).as_str()])]);
}

#[test]
fn a_phone_column_that_loses_digits_is_refused() {
    let decimal = Decimal128Array::from(vec![12_025_550_123]).with_precision_and_scale(20, 0);
    for array in [
        Arc::new(Float64Array::from(vec![12_025_550_123.0])) as ArrayRef,
        Arc::new(decimal.unwrap()),
    ] {
        let error = read_as_file(&plain(vec![("phone", array)])).unwrap_err();
        assert!(matches!(error, InputError::FloatColumn { field: Field::Phone, .. }), "{error}");
    }
    let list = ListArray::from_iter_primitive::<Int64Type, _, _>([Some([Some(1)])]);
    let error = read_as_file(&plain(vec![("phone", Arc::new(list))])).unwrap_err();
    assert!(matches!(error, InputError::UnsupportedColumn { .. }), "{error}");
}

#[test]
fn columns_are_found_among_others_and_may_be_missing_or_double() {
    let x = || Arc::new(Int64Array::from(vec![1, 2, 3])) as ArrayRef;
    let (rows, _) =
        read_as_file(&plain(vec![("a", x()), ("country", phones()), ("b", x()), ("MSISDN", x())]))
            .unwrap();
    assert_eq!(rows[2], row(&["3", "+447700900123"]));
    let error = read_as_file(&plain(vec![("a", x())])).unwrap_err();
    assert!(matches!(error, InputError::MissingColumn { .. }), "{error}");
    let error = read_as_file(&plain(vec![("phone", x()), ("tel", x())])).unwrap_err();
    assert!(matches!(error, InputError::DuplicateColumn { .. }), "{error}");
}

#[test]
fn many_rows_come_in_order_whatever_the_batches() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t");
    std::fs::write(&path, sample(10_000)).unwrap();
    for (rows, part_rows) in [(8192, 1 << 20), (1000, 1 << 20), (7, 3000), (100, 1234)] {
        let mut source = file(&path);
        source.limits.batch_rows = rows;
        source.limits.part_rows = part_rows;
        let (rows, _) = read(&source).unwrap();
        assert_eq!(rows.len(), 10_000);
        for (index, cells) in rows.iter().enumerate() {
            assert_eq!(cells.as_ref().unwrap()[0], format!("+1202555{index:04}"));
        }
    }
}

#[test]
fn parquet_cut_at_every_percent_is_truncated() {
    let whole = sample(2000);
    for percent in 1..100 {
        let error = read_as_file(&whole[..whole.len() * percent / 100]).unwrap_err();
        assert!(matches!(error, InputError::Truncated { .. }), "{percent}: {error}");
    }
    for len in 5..FRAME {
        assert!(matches!(read_as_file(&whole[..len]), Err(InputError::Truncated { .. })));
    }
}

const FRAME: usize = 12;

#[test]
fn a_frame_that_cannot_be_is_damage() {
    let whole = sample(10);
    let changed = |offset: usize, bytes: &[u8]| {
        let mut changed = whole.clone();
        changed[offset..offset + bytes.len()].copy_from_slice(bytes);
        read_as_file(&changed).unwrap_err()
    };
    let end = whole.len();
    assert!(matches!(changed(0, b"XXXX"), InputError::Corrupt { .. }));
    assert!(matches!(changed(end - 4, b"XXXX"), InputError::Truncated { .. }));
    assert!(matches!(changed(end - 4, b"PARE"), InputError::UnknownFormat { .. }));
    assert!(matches!(changed(end - 8, &[0xff; 4]), InputError::Corrupt { .. }));
    let error = changed(end - 8, &[0; 4]);
    assert!(matches!(error, InputError::Corrupt { .. } | InputError::Truncated { .. }), "{error}");
}

#[test]
fn no_flipped_byte_panics_or_gives_other_rows_than_claimed() {
    let whole = sample(40);
    for offset in 0..whole.len() {
        for flip in [0x01, 0x80, 0xff] {
            let mut damaged = whole.clone();
            damaged[offset] ^= flip;
            if let Ok((rows, facts)) = read_as_file(&damaged) {
                assert_eq!(facts.rows, rows.len() as u64);
            }
        }
    }
}

#[test]
fn a_small_file_that_claims_far_too_much_is_refused() {
    use parquet::file::metadata::{
        ColumnChunkMetaData, FileMetaData, ParquetMetaDataBuilder, ParquetMetaDataWriter,
        RowGroupMetaData,
    };
    use parquet::schema::{parser::parse_message_type, types::SchemaDescriptor};

    let schema = parse_message_type("message m { OPTIONAL BINARY phone (UTF8); }").unwrap();
    let schema = Arc::new(SchemaDescriptor::new(Arc::new(schema)));
    let claim = |rows: i64, packed: i64, unpacked: i64| {
        let column = ColumnChunkMetaData::builder(schema.column(0))
            .set_num_values(rows)
            .set_total_compressed_size(packed)
            .set_total_uncompressed_size(unpacked)
            .set_data_page_offset(4)
            .build()
            .unwrap();
        let group = RowGroupMetaData::builder(Arc::clone(&schema))
            .set_num_rows(rows)
            .set_total_byte_size(unpacked)
            .add_column_metadata(column)
            .build()
            .unwrap();
        let file = FileMetaData::new(2, rows, None, None, Arc::clone(&schema), None);
        let metadata = ParquetMetaDataBuilder::new(file).add_row_group(group).build();
        let mut bytes = b"PAR1".to_vec();
        bytes.resize(42_000, 0);
        ParquetMetaDataWriter::new(&mut bytes, &metadata).finish().unwrap();
        read_as_file(&bytes).unwrap_err()
    };
    for error in [claim(10, 1 << 50, 1 << 50), claim(10, 40_000, 1 << 50), claim(1 << 50, 9, 9)] {
        assert!(matches!(error, InputError::BombSuspected { .. }), "{error}");
    }
    for error in [claim(10, -1, 10), claim(10, 10, -1), claim(-1, 10, 10), claim(10, 9000, 9000)] {
        assert!(matches!(error, InputError::Corrupt { .. }), "{error}");
    }
}

#[test]
fn parquet_from_a_pipe_or_packed_is_told_so() {
    let whole = sample(10);
    assert!(matches!(stream(&whole), Err(InputError::StdinParquet { .. })));
    assert!(matches!(read_as_file(&gzip(&whole)), Err(InputError::PackedParquet { .. })));
}

#[test]
fn a_cell_beyond_the_row_limit_is_an_error() {
    let long = "7".repeat(2000);
    let array: ArrayRef = Arc::new(StringArray::from(vec!["1", long.as_str()]));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t");
    std::fs::write(&path, plain(vec![("phone", array)])).unwrap();
    let mut source = source(Location::Path(path), phone_and_country());
    source.limits.row_bytes = 1000;
    let error = read(&source).unwrap_err();
    assert!(matches!(error, InputError::RowTooLong { row: 2, .. }), "{error}");
}

#[test]
fn a_schema_nested_without_end_or_with_children_without_number_is_refused() {
    // FileMetaData of a version and a schema; each element has a name and a number of children.
    let element = |children: &[u8]| [&[0x48, 1, b'x', 0x15], children, &[0]].concat();
    let count = [0xa0, 0x8d, 0x06];
    let nested = element(&[2]).repeat(100_000);
    let many = element(&[0xfe, 0xff, 0xff, 0xff, 0x0f]).repeat(100_000);
    for elements in [nested, many] {
        let footer = [&[0x15, 2, 0x19, 0xfc][..], &count, &elements, &[0]].concat();
        let len = u32::try_from(footer.len()).unwrap().to_le_bytes();
        let error = read_as_file(&[b"PAR1", &footer[..], &len, b"PAR1"].concat()).unwrap_err();
        assert!(matches!(error, InputError::Corrupt { .. }), "{error}");
    }
}

#[test]
fn a_text_that_ends_in_the_magic_letters_is_text() {
    let (rows, _) = read_as_file(b"phone,list\n+12025550123,SPAR1").unwrap();
    assert_eq!(rows, [row(&["+12025550123", ""])]);
}
