//! How fast are rows read, and what would the kept readers do?
//!
//! `cargo bench --bench input`. The export is `synth`'s, with a fixed seed. Ours does all that a run
//! asks of it (digest, cutting, malformed rows); the others split the same bytes from memory.

use std::fs::{self, File};
use std::hint::black_box;
use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field as ArrowField, Schema};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use phonematch::input::{self, BatchReader, Field, Limits, Location, Need, Role, Source, Want};
use phonematch::synth::{self, World};

const ACCOUNTS: u64 = 200_000;

/// Where the wanted columns stand in `synth`'s export: phone, consent, system, device.
const WANTED: [usize; 4] = [1, 3, 6, 7];

fn export(folder: &Path) -> Vec<u8> {
    let world = World {
        accounts: ACCOUNTS,
        list: 100,
        opt_outs: 100,
        overlap: 0.5,
        messy: 0.5,
        junk: 0.02,
        denied: 0.05,
        countries: Vec::new(),
        seed: 42,
        night: 0,
    };
    synth::write(&world, folder).expect("made-up files");
    fs::read(folder.join("accounts.csv")).expect("the export")
}

/// The same with a quote round every cell.
fn quoted(export: &[u8]) -> Vec<u8> {
    let mut quoted = Vec::with_capacity(export.len() * 2);
    for line in export.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
        for (index, cell) in line.split(|&byte| byte == b',').enumerate() {
            quoted.extend(if index > 0 { &b",\""[..] } else { b"\"" });
            quoted.extend(cell);
            quoted.push(b'"');
        }
        quoted.push(b'\n');
    }
    quoted
}

/// The same with line ends as RFC 4180 has them.
fn with_returns(export: &[u8]) -> Vec<u8> {
    let lines = export.split_inclusive(|&byte| byte == b'\n');
    let line = |line: &[u8]| [line.strip_suffix(b"\n").unwrap_or(line), b"\r\n"].concat();
    lines.flat_map(line).collect()
}

fn source(location: Location) -> Source {
    let want = |field, mapped: Option<&str>| Want {
        field,
        mapped: mapped.map(str::to_owned),
        need: Need::Required,
    };
    let wants = vec![
        want(Field::Phone, None),
        want(Field::Consent, Some("consent_ads")),
        want(Field::Os, None),
        want(Field::Device, None),
    ];
    Source { role: Role::Accounts, location, wants, limits: Limits::STANDARD }
}

/// Reads to the end; gives the bytes of all wanted cells, so that none is left out.
fn drain(mut reader: BatchReader) -> usize {
    let splitter = reader.splitter();
    let mut batch = input::Batch::default();
    let mut bytes = 0;
    while let Some(part) = reader.next_part().expect("rows") {
        let mut batches = splitter.begin(part).expect("rows");
        while batches.next_into(&mut batch).expect("rows") {
            for field in [Field::Phone, Field::Consent, Field::Os, Field::Device] {
                let column = batch.column(field).expect("a column");
                bytes += column.cells().map(<[u8]>::len).sum::<usize>();
            }
        }
    }
    reader.finish().expect("a whole file");
    bytes
}

fn from_memory(bytes: &Arc<[u8]>) -> usize {
    let stream = Box::new(Cursor::new(Arc::clone(bytes)));
    drain(input::open_stream(&source(Location::Stdin), stream, Arc::default()).expect("text"))
}

fn from_file(path: &Path) -> usize {
    let source = source(Location::Path(path.to_owned()));
    drain(input::open(&source, Arc::default()).expect("a file"))
}

fn bench_text(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a folder");
    let export = export(folder.path());
    let mut group = criterion.benchmark_group("input");
    let texts = [
        ("csv", export.clone()),
        ("csv_crlf", with_returns(&export)),
        ("csv_quoted", quoted(&export)),
    ];
    for (name, text) in texts {
        group.throughput(Throughput::Bytes(text.len() as u64));
        let text: Arc<[u8]> = text.into();
        group.bench_function(name, |bencher| bencher.iter(|| from_memory(&text)));
        group.bench_function(format!("{name}_by_csv"), |bencher| bencher.iter(|| by_csv(&text)));
        group.bench_function(format!("{name}_by_csv_core"), |bencher| {
            bencher.iter(|| by_csv_core(&text));
        });
        group.bench_function(format!("{name}_by_arrow_csv"), |bencher| {
            bencher.iter(|| by_arrow_csv(&text));
        });
        group.bench_function(format!("{name}_by_simd_csv"), |bencher| {
            bencher.iter(|| by_simd_csv(&text));
        });
    }
    group.finish();
}

fn bench_files(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a folder");
    let export = export(folder.path());
    let path = |name: &str| folder.path().join(name);
    let write = |name: &str, bytes: Vec<u8>| -> PathBuf {
        fs::write(path(name), bytes).expect("a file");
        path(name)
    };
    let mut gzip = flate2::write::GzEncoder::new(vec![], flate2::Compression::default());
    gzip.write_all(&export).expect("memory");
    let files = [
        ("csv_file", path("accounts.csv")),
        ("csv_gzip", write("accounts.csv.gz", gzip.finish().expect("memory"))),
        ("csv_zstd", write("accounts.csv.zst", zstd::encode_all(&export[..], 3).expect("memory"))),
        ("parquet_zstd", write_parquet(&export, path("accounts.parquet"))),
    ];
    let mut group = criterion.benchmark_group("input");
    group.throughput(Throughput::Elements(ACCOUNTS));
    for (name, path) in files {
        group.bench_function(name, |bencher| bencher.iter(|| from_file(&path)));
    }
    group.finish();
}

fn write_parquet(export: &[u8], path: PathBuf) -> PathBuf {
    let mut reader = csv::Reader::from_reader(export);
    let names = reader.headers().expect("a header").clone();
    let rows: Vec<_> = reader.records().map(|row| row.expect("a row")).collect();
    let column = |at: usize| -> ArrayRef {
        Arc::new(rows.iter().map(|row| row.get(at)).collect::<StringArray>())
    };
    let columns = names.iter().enumerate().map(|(at, name)| (name, column(at)));
    let batch = RecordBatch::try_from_iter(columns).expect("columns of one length");
    let zstd = Compression::ZSTD(ZstdLevel::default());
    let properties = WriterProperties::builder().set_compression(zstd).build();
    let file = File::create(&path).expect("a file");
    let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties)).expect("a file");
    writer.write(&batch).expect("rows");
    writer.close().expect("a footer");
    path
}

fn by_csv(text: &[u8]) -> usize {
    let mut reader = csv::Reader::from_reader(text);
    let mut record = csv::ByteRecord::new();
    let mut bytes = 0;
    while reader.read_byte_record(&mut record).expect("a row") {
        bytes += WANTED.iter().map(|&at| record[at].len()).sum::<usize>();
    }
    bytes
}

fn by_csv_core(mut text: &[u8]) -> usize {
    let mut reader = csv_core::Reader::new();
    let (mut cells, mut ends) = ([0; 1024], [0; 16]);
    let mut bytes = 0;
    loop {
        let (result, read, _, count) = reader.read_record(text, &mut cells, &mut ends);
        text = &text[read..];
        match result {
            csv_core::ReadRecordResult::End => return bytes,
            csv_core::ReadRecordResult::Record if count == 8 => {
                bytes += WANTED.iter().map(|&at| ends[at] - ends[at - 1]).sum::<usize>();
            }
            _ => {}
        }
    }
}

fn by_arrow_csv(text: &[u8]) -> usize {
    let fields: Vec<_> =
        (0..8).map(|at| ArrowField::new(format!("c{at}"), DataType::Utf8, true)).collect();
    let reader = arrow_csv::ReaderBuilder::new(Arc::new(Schema::new(fields)))
        .with_header(true)
        .with_batch_size(8192)
        .with_projection(WANTED.to_vec())
        .build_buffered(text)
        .expect("a reader");
    reader.map(|batch| black_box(batch.expect("rows")).num_rows()).sum()
}

fn by_simd_csv(text: &[u8]) -> usize {
    let mut reader = simd_csv::ZeroCopyReader::from_reader(text);
    let mut bytes = 0;
    while let Some(record) = reader.read_byte_record().expect("a row") {
        bytes += WANTED.iter().map(|&at| record[at].len()).sum::<usize>();
    }
    bytes
}

criterion_group!(benches, bench_text, bench_files);
criterion_main!(benches);
