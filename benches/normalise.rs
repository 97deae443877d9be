//! The `normalise` stage: nanoseconds a number, beside the other readers, in the same run.
//!
//! All numbers are random draws from numbering patterns, with a fixed seed: the corpus sample was
//! made that way (see `fixtures/corpus/README.md`), and the mixes are made from its valid rows.
//! They belong to nobody on purpose. Data is made outside the timed part.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use phonematch::normalise::{Checks, E164_TEXT_LEN, Hint, Path, Region, read, read_by};
use rlibphonenumber::{PHONE_NUMBER_UTIL, PhoneNumberFormat};

const CORPUS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/corpus/phones-sample.tsv");

/// Rows that the `phonenumber` crate, some milliseconds a number, can finish.
const FEW: usize = 100;

struct Row {
    text: String,
    region: String,
    hint: Hint,
}

/// Rows as a batch holds them: the texts end to end, as in an Arrow array or a block of a file.
struct Column {
    bytes: String,
    /// Where each text ends.
    ends: Vec<usize>,
    regions: Vec<String>,
    hints: Vec<Hint>,
}

/// One cell of a column.
struct Cell<'a> {
    text: &'a str,
    region: &'a str,
    hint: Hint,
}

impl Column {
    fn of(rows: Vec<Row>) -> Self {
        let mut column =
            Self { bytes: String::new(), ends: vec![0], regions: vec![], hints: vec![] };
        for row in rows {
            column.bytes.push_str(&row.text);
            column.ends.push(column.bytes.len());
            column.regions.push(row.region);
            column.hints.push(row.hint);
        }
        column
    }

    fn len(&self) -> usize {
        self.hints.len()
    }

    /// The first rows of it.
    fn few(&self, count: usize) -> impl Iterator<Item = Cell<'_>> {
        let others = self.regions.iter().zip(&self.hints);
        let cells = self.ends.windows(2).zip(others).take(count);
        cells.map(|(ends, (region, &hint))| Cell {
            text: black_box(&self.bytes[ends[0]..ends[1]]),
            region,
            hint,
        })
    }

    fn cells(&self) -> impl Iterator<Item = Cell<'_>> {
        self.few(self.len())
    }
}

/// A small generator (xorshift64: Marsaglia 2003) for the mixes.
struct Draw(u64);

impl Draw {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % bound as u64).unwrap_or(0)
    }
}

fn hint(region: &str) -> Hint {
    Region::from_code(region.as_bytes()).map_or(Hint::None, Hint::Region)
}

fn corpus() -> Vec<[String; 4]> {
    let corpus = std::fs::read_to_string(CORPUS).expect("the corpus sample is in the project");
    corpus
        .split('\n')
        .skip(1)
        .filter_map(|line| {
            let columns: Vec<_> = line.split('\t').collect();
            let [raw, region, _, e164, _] = columns[..] else { return None };
            Some([raw, region, e164, ""].map(str::to_owned))
        })
        .collect()
}

/// What a messenger stores: valid numbers in E.164.
fn clean() -> Vec<Row> {
    let row = |[_, _, e164, _]: [String; 4]| Row {
        text: e164,
        region: String::new(),
        hint: Hint::International,
    };
    corpus().into_iter().filter(|row| !row[2].is_empty()).map(row).collect()
}

/// What an advertiser sends: half international, half national spellings, 2 % junk.
fn messy() -> Vec<Row> {
    const JUNK: [&str; 8] = [
        "n/a",
        "",
        "0000000000",
        "unknown",
        "12",
        "1234567890123456789",
        "+999123456",
        "see notes",
    ];
    let mut draw = Draw(7);
    let mut rows = Vec::new();
    for [_, _, e164, _] in corpus().into_iter().filter(|row| !row[2].is_empty()) {
        let parsed = PHONE_NUMBER_UTIL.parse(&e164, None).expect("a valid number");
        // A few valid numbers are others when they are read again: their prefix is stripped.
        let Ok(reading) = read(e164.as_bytes(), Hint::None, Checks::Library) else { continue };
        let region = reading.region.code().to_owned();
        let text = if draw.below(50) == 0 {
            JUNK[draw.below(JUNK.len())].to_owned()
        } else {
            let national = PHONE_NUMBER_UTIL.format(&parsed, PhoneNumberFormat::National);
            let international = PHONE_NUMBER_UTIL.format(&parsed, PhoneNumberFormat::International);
            match draw.below(8) {
                0..2 => e164,
                2 => international.into_owned(),
                3 => international.replace('+', "00"),
                4 => national.replace(|c: char| !c.is_ascii_digit(), ""),
                5 => national.replace(' ', "-"),
                6 => format!(" {national}"),
                _ => national.into_owned(),
            }
        };
        rows.push(Row { text, hint: hint(&region), region });
    }
    rows
}

/// The corpus as it is: Unicode digits, extensions, out-of-country, typing errors, junk.
fn mixed() -> Vec<Row> {
    let row = |[text, region, ..]: [String; 4]| Row { text, hint: hint(&region), region };
    corpus().into_iter().map(row).collect()
}

fn ours(column: &Column, checks: Checks) -> u64 {
    let digits = |cell: Cell<'_>| {
        read(cell.text.as_bytes(), cell.hint, checks).map_or(0, |r| r.number.expose_digits())
    };
    column.cells().map(digits).fold(0, u64::wrapping_add)
}

/// Ours, down to the text.
fn ours_to_text(column: &Column) -> usize {
    let mut buffer = [0; E164_TEXT_LEN];
    let written = |cell: Cell<'_>| {
        read(cell.text.as_bytes(), cell.hint, Checks::Library)
            .map_or(0, |reading| black_box(reading.number.expose_text(&mut buffer)).len())
    };
    column.cells().map(written).sum()
}

fn rlibphonenumber(column: &Column) -> usize {
    let text = |cell: Cell<'_>| {
        let region = rlibphonenumber::Region::from_code(cell.region).ok();
        let parsed = PHONE_NUMBER_UTIL.parse(cell.text, region).ok()?;
        PHONE_NUMBER_UTIL
            .is_valid_number(&parsed)
            .then(|| PHONE_NUMBER_UTIL.format(&parsed, PhoneNumberFormat::E164).len())
    };
    column.cells().map(|cell| text(cell).unwrap_or(0)).sum()
}

fn phonenumber(column: &Column) -> usize {
    let text = |cell: Cell<'_>| {
        let region = cell.region.parse().ok();
        let parsed = phonenumber::parse(region, cell.text).ok()?;
        phonenumber::is_valid(&parsed)
            .then(|| parsed.format().mode(phonenumber::Mode::E164).to_string().len())
    };
    column.few(FEW).map(|cell| text(cell).unwrap_or(0)).sum()
}

fn normalise(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("normalise");
    group.sample_size(20);
    for (name, rows) in [("clean", clean()), ("messy", messy()), ("corpus", mixed())] {
        let column = Column::of(rows);
        let by = |cell: &Cell<'_>| {
            read_by(cell.text.as_bytes(), cell.hint, Checks::Library).path == Path::Slow
        };
        let slow = column.cells().filter(by).count();
        let share = format!("{name} ({} rows, {slow} by the slow path)", column.len());
        group.throughput(Throughput::Elements(column.len() as u64));
        group.bench_with_input(BenchmarkId::new("ours", &share), &column, |bench, column| {
            bench.iter(|| ours(column, Checks::Library));
        });
        group.bench_with_input(
            BenchmarkId::new("ours, checked", name),
            &column,
            |bench, column| {
                bench.iter(|| ours(column, Checks::Damage));
            },
        );
        group.bench_with_input(
            BenchmarkId::new("ours, to text", name),
            &column,
            |bench, column| {
                bench.iter(|| ours_to_text(column));
            },
        );
        group.sample_size(10);
        let id = BenchmarkId::new("rlibphonenumber", name);
        group.bench_with_input(id, &column, |bench, column| bench.iter(|| rlibphonenumber(column)));
        group.throughput(Throughput::Elements(FEW.min(column.len()) as u64));
        let id = BenchmarkId::new("phonenumber", name);
        group.bench_with_input(id, &column, |bench, column| bench.iter(|| phonenumber(column)));
    }
    group.finish();
}

criterion_group!(benches, normalise);
criterion_main!(benches);
