//! Writes small inputs in every form and reads them whole.

use std::fs;
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use flate2::write::GzEncoder;
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;
use phonematch::input::{
    BatchReader, Facts, Field, InputError, Limits, Location, Meter, Need, Role, Source, Want, open,
    open_stream,
};

/// A row's cells in the order they were wanted, or none for a malformed row.
pub type Row = Option<Vec<String>>;

pub fn want(field: Field, need: Need) -> Want {
    Want { field, mapped: None, need }
}

pub fn mapped(field: Field, name: &str) -> Want {
    Want { field, mapped: Some(name.to_owned()), need: Need::Required }
}

/// A phone, which must be there, and a country.
pub fn phone_and_country() -> Vec<Want> {
    vec![want(Field::Phone, Need::Required), want(Field::Country, Need::Optional)]
}

pub fn source(location: Location, wants: Vec<Want>) -> Source {
    Source { role: Role::List, location, wants, limits: Limits::STANDARD }
}

pub fn file(path: &Path) -> Source {
    source(Location::Path(path.to_owned()), phone_and_country())
}

pub fn stream(bytes: &[u8]) -> Result<(Vec<Row>, Facts), InputError> {
    read_stream(&source(Location::Stdin, phone_and_country()), bytes.to_vec())
}

pub fn read_stream(source: &Source, bytes: Vec<u8>) -> Result<(Vec<Row>, Facts), InputError> {
    let bytes = Box::new(io::Cursor::new(bytes));
    drain(open_stream(source, bytes, Arc::default())?, &source.wants)
}

pub fn read(source: &Source) -> Result<(Vec<Row>, Facts), InputError> {
    let meter = Arc::new(Meter::default());
    let (rows, facts) = drain(open(source, Arc::clone(&meter))?, &source.wants)?;
    assert_eq!(meter.rows_read(), facts.rows);
    assert_eq!(meter.bytes_read(), facts.bytes_read);
    if let Location::Path(path) = &source.location {
        let stored = fs::read(path).unwrap();
        assert_eq!(facts.digest, Some(*blake3::hash(&stored).as_bytes()));
        assert_eq!(facts.bytes_read, stored.len() as u64);
    }
    Ok((rows, facts))
}

/// Reads bytes as a file, which unlike a stream may be Parquet.
pub fn read_as_file(bytes: &[u8]) -> Result<(Vec<Row>, Facts), InputError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("table");
    fs::write(&path, bytes).unwrap();
    read(&file(&path))
}

fn drain(mut reader: BatchReader, wants: &[Want]) -> Result<(Vec<Row>, Facts), InputError> {
    let mut rows = vec![];
    while let Some(batch) = reader.next_batch()? {
        assert_eq!(reader.rows_read(), (rows.len() + batch.len()) as u64);
        for row in 0..batch.len() {
            let cell = |want: &Want| text(batch.cell(want.field, row));
            let cells: Vec<_> = wants.iter().map(cell).collect();
            rows.push((!batch.is_malformed(row)).then_some(cells));
        }
    }
    let facts = reader.finish()?;
    assert_eq!(facts.rows, rows.len() as u64);
    Ok((rows, facts))
}

pub fn text(cell: &[u8]) -> String {
    String::from_utf8_lossy(cell).into_owned()
}

pub fn row(cells: &[&str]) -> Row {
    Some(cells.iter().map(|&cell| cell.to_owned()).collect())
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packed = GzEncoder::new(vec![], flate2::Compression::default());
    packed.write_all(bytes).unwrap();
    packed.finish().unwrap()
}

pub fn zstd(bytes: &[u8]) -> Vec<u8> {
    let mut packed = zstd::Encoder::new(vec![], 3).unwrap();
    packed.include_checksum(true).unwrap();
    packed.write_all(bytes).unwrap();
    packed.finish().unwrap()
}

pub fn parquet(columns: Vec<(&str, ArrayRef)>, properties: WriterProperties) -> Vec<u8> {
    let columns = columns.into_iter().map(|(name, array)| (name, array, true));
    let batch = RecordBatch::try_from_iter_with_nullable(columns).unwrap();
    let mut writer = ArrowWriter::try_new(vec![], batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.into_inner().unwrap()
}

/// Gives one byte at a time.
pub struct Drip(pub Vec<u8>, pub usize);

impl Read for Drip {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match (self.0.get(self.1), buf.first_mut()) {
            (Some(&byte), Some(first)) => {
                *first = byte;
                self.1 += 1;
                Ok(1)
            }
            _ => Ok(0),
        }
    }
}
