//! Cut, corrupt and hostile text files.

use std::io::{self, Read};
use std::sync::Arc;

use phonematch::input::{ErrorKind, InputError, Limits, Location, Role, open_stream};

use crate::input::support::{
    gzip, phone_and_country, read_as_file, read_stream, row, source, stream, zstd,
};

const CSV: &[u8] = b"phone,country\n+12025550123,US\n+447700900123,GB\n";

#[test]
fn gzip_cut_at_every_byte_is_truncated() {
    let whole = gzip(CSV);
    assert!(matches!(stream(&[]), Err(InputError::Empty { .. })));
    for len in 1..whole.len() {
        let error = stream(&whole[..len]).unwrap_err();
        assert!(matches!(error, InputError::Truncated { .. }), "{len}: {error}");
        assert_eq!(error.kind(), ErrorKind::Missing);
    }
    assert_eq!(stream(&whole).unwrap().0.len(), 2);
}

#[test]
fn zstd_cut_at_every_byte_is_truncated() {
    let whole = zstd(CSV);
    for len in 2..whole.len() {
        let error = stream(&whole[..len]).unwrap_err();
        assert!(matches!(error, InputError::Truncated { .. }), "{len}: {error}");
    }
    assert_eq!(stream(&whole).unwrap().0.len(), 2);
}

#[test]
fn a_wrong_checksum_is_found_before_the_end() {
    for (mut packed, back) in [(gzip(CSV), 5), (zstd(CSV), 1)] {
        let flipped = packed.len() - back;
        packed[flipped] ^= 1;
        let error = stream(&packed).unwrap_err();
        assert!(matches!(error, InputError::Corrupt { .. }), "{error}");
        assert_eq!(error.kind(), ErrorKind::Data);
    }
}

#[test]
fn several_members_and_frames_are_one_text() {
    let (head, tail) = CSV.split_at(25);
    for pack in [gzip, zstd] {
        let parts = [pack(head), pack(b""), pack(tail)].concat();
        let (rows, facts) = read_as_file(&parts).unwrap();
        assert_eq!(rows, [row(&["+12025550123", "US"]), row(&["+447700900123", "GB"])]);
        assert_eq!(facts.bytes_read, parts.len() as u64);
        for cut in [1, 4, 9] {
            let error = stream(&parts[..parts.len() - cut]).unwrap_err();
            assert!(matches!(error, InputError::Truncated { .. }), "{cut}: {error}");
        }
    }
    let skippable = [&b"\x50\x2a\x4d\x18\x03\0\0\0abc"[..], &zstd(CSV)].concat();
    assert_eq!(stream(&skippable).unwrap().0.len(), 2);
}

#[test]
fn bytes_behind_packed_data_are_damage() {
    for pack in [gzip, zstd] {
        for behind in [&b"\0"[..], b"phone", b"+12025550124,US\n", &[0; 512]] {
            let error = stream(&[&pack(CSV), behind].concat()).unwrap_err();
            let named = matches!(error, InputError::Corrupt { .. } | InputError::Truncated { .. });
            assert!(named, "{behind:?} {error}");
        }
    }
}

#[test]
fn a_bomb_is_refused_and_memory_stays_small() {
    let mut packed = zstd::Encoder::new(vec![], 1).unwrap();
    let lines = b"\n".repeat(1 << 20);
    io::Write::write_all(&mut packed, b"phone\n").unwrap();
    for _ in 0..1100 {
        io::Write::write_all(&mut packed, &lines).unwrap();
    }
    let error = stream(&packed.finish().unwrap()).unwrap_err();
    assert!(matches!(error, InputError::BombSuspected { .. }), "{error}");
}

/// Repeats one byte for ever.
struct Endless(io::Cursor<Vec<u8>>);

impl Read for Endless {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self.0.read(buf)? {
            0 => {
                buf.fill(b'7');
                Ok(buf.len())
            }
            count => Ok(count),
        }
    }
}

fn endless(head: &[u8], limits: Limits) -> InputError {
    let mut source = source(Location::Stdin, phone_and_country());
    source.limits = limits;
    let bytes = Box::new(Endless(io::Cursor::new(head.to_vec())));
    let mut reader = match open_stream(&source, bytes, Arc::default()) {
        Ok(reader) => reader,
        Err(error) => return error,
    };
    loop {
        if let Err(error) = reader.next_batch() {
            return error;
        }
    }
}

#[test]
fn a_quote_that_never_closes_is_named_with_its_row() {
    let small = Limits { row_bytes: 1000, ..Limits::STANDARD };
    for limits in [small, Limits::STANDARD] {
        let error = endless(b"phone,x\n1,2\n3,\"4\n5,6\n", limits);
        assert!(matches!(error, InputError::UnclosedQuote { row: 2, .. }), "{error}");
        let error = endless(b"phone,x\n1,2\n3,4\n", limits);
        assert!(matches!(error, InputError::RowTooLong { row: 3, .. }), "{error}");
        let error = endless(b"{\"phone\":\"1\"}\n{\"phone\":\"", limits);
        assert!(matches!(error, InputError::RowTooLong { row: 2, .. }), "{error}");
        let error = endless(b"phone,", limits);
        assert!(matches!(error, InputError::HeaderTooLong { .. }), "{error}");
    }
    let error = stream(b"phone,x\n1,2\n3,\"4\n5,6\n").unwrap_err();
    assert!(matches!(error, InputError::UnclosedQuote { row: 2, .. }), "{error}");
    let error = stream(b"\"phone,x\n1,2\n").unwrap_err();
    assert!(matches!(error, InputError::UnclosedQuote { row: 0, .. }), "{error}");
}

#[test]
fn a_row_as_long_as_the_limit_is_read() {
    let mut source = source(Location::Stdin, phone_and_country());
    source.limits.row_bytes = 10;
    let input = |cell: &str| format!("phone,x\n{cell},1\n\"{cell}\",1\n").into_bytes();
    assert_eq!(read_stream(&source, input("123456")).unwrap().0.len(), 2);
    let error = read_stream(&source, input("1234567")).unwrap_err();
    assert!(matches!(error, InputError::RowTooLong { row: 2, limit_bytes: 10, .. }), "{error}");
}

#[test]
fn opt_outs_do_not_lose_rows_between_stray_quotes() {
    let text = b"phone,note\n1,\"x\n2,y\n3,z\"z\n4,w\n".to_vec();
    let mut source = source(Location::Stdin, phone_and_country());
    assert_eq!(read_stream(&source, text.clone()).unwrap().0, [None, row(&["4", ""])]);
    source.role = Role::OptOuts;
    let error = read_stream(&source, text).unwrap_err();
    assert!(matches!(error, InputError::QuoteDamage { row: 1, .. }), "{error}");
}

#[test]
fn inputs_without_text_are_empty() {
    for text in [&b""[..], b"\n\r\n", b"\xef\xbb\xbf", b"\xff\xfe", b"  \n", b"\xff\xfe\n\0"] {
        for bytes in [text.to_vec(), gzip(text), zstd(text)] {
            let error = stream(&bytes).unwrap_err();
            assert!(matches!(error, InputError::Empty { .. }), "{text:?} {error}");
            assert_eq!(error.kind(), ErrorKind::Missing);
        }
    }
}

#[test]
fn other_formats_are_named() {
    for (bytes, name) in [
        (&b"PK\x03\x04\0\0\0\0"[..], "Excel"),
        (b"BZh91AY&", "bzip2"),
        (b"[{\"phone\":\"1\"}]", "JSON array"),
        (&gzip(&gzip(CSV)), "packed twice"),
        (&zstd(&gzip(CSV)), "packed twice"),
    ] {
        let error = stream(bytes).unwrap_err();
        assert!(matches!(error, InputError::UnknownFormat { .. }), "{error}");
        assert!(error.to_string().contains(name), "{error}");
    }
    let utf16_without_mark: Vec<u8> =
        "phone\n1\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert!(matches!(stream(&utf16_without_mark), Err(InputError::BadHeaderEncoding { .. })));
}

/// Fails after some bytes.
struct Failing(io::Cursor<Vec<u8>>);

impl Read for Failing {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self.0.read(buf)? {
            0 => Err(io::Error::other("injected")),
            count => Ok(count),
        }
    }
}

#[test]
fn a_read_that_fails_half_way_is_an_io_error_and_stays_one() {
    for bytes in [CSV.to_vec(), gzip(CSV)[..30].to_vec(), zstd(CSV)[..30].to_vec()] {
        let source = source(Location::Stdin, phone_and_country());
        let failing = Box::new(Failing(io::Cursor::new(bytes)));
        let error = match open_stream(&source, failing, Arc::default()) {
            Ok(mut reader) => {
                let error = reader.next_batch().unwrap_err();
                assert!(reader.next_batch().is_err());
                assert!(reader.finish().is_err());
                error
            }
            Err(error) => error,
        };
        assert!(matches!(error, InputError::ReadFailed { .. }), "{error}");
        assert_eq!(error.kind(), ErrorKind::Io);
    }
}

#[test]
fn no_error_holds_the_text_of_a_cell() {
    let cell = "=cmd|' /C calc'!A0\x1b[2J+12025550123";
    for text in [
        format!("{cell},x\n{cell},y\n"),
        format!("phone,x\n{cell},\"y\n"),
        format!("name,{cell}\n1,2\n"),
        format!("phone,mobile,{cell}\n1,2,{cell}\n"),
        format!("{{\"x\":\"{cell}\"}}\n"),
        format!("{{\"{cell}\":\"1\"}}\n"),
    ] {
        let error = stream(text.as_bytes()).unwrap_err();
        let said = format!("{error} {error:?}");
        assert!(!said.contains("555") && !said.contains("cmd"), "{said}");
    }
}
