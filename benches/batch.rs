//! The `normalise` stage on Arrow columns of a million rows: what engines hand to the library.
//!
//! The rows are those of `python/benches/reader.py`, which sets the same calls by way of Python
//! beside these figures.

use arrow::array::StringArray;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use phonematch::normalise::{
    Cell, Checks, Hint, Hints, Readings, Region, Texts, read_array, read_cells, read_columns,
};

const CORPUS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/corpus/phones-sample.tsv");
const ROWS: usize = 1_000_000;

struct Mix {
    name: &'static str,
    phones: StringArray,
    /// Nothing where all rows are a messenger's.
    countries: Option<StringArray>,
}

fn mixes() -> [Mix; 2] {
    let corpus = std::fs::read_to_string(CORPUS).expect("the corpus sample is in the project");
    let rows: Vec<Vec<_>> = corpus
        .split('\n')
        .skip(1)
        .filter(|line| !line.is_empty())
        .map(|line| line.split('\t').collect())
        .collect();
    let column = |at: usize| -> StringArray {
        let cells = rows.iter().map(|row| row[at]);
        let cells: Vec<_> = cells.filter(|cell| at != 3 || !cell.is_empty()).collect();
        cells.iter().copied().cycle().take(ROWS).map(Some).collect()
    };
    [
        Mix { name: "clean", phones: column(3), countries: None },
        Mix { name: "corpus", phones: column(0), countries: Some(column(1)) },
    ]
}

fn hint(country: &str) -> Hint {
    Region::from_code(country.as_bytes()).map_or(Hint::None, Hint::Region)
}

fn batch(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("batch");
    group.sample_size(10).throughput(Throughput::Elements(ROWS as u64));
    for mix in mixes() {
        let id = BenchmarkId::new("array", mix.name);
        group.bench_with_input(id, &mix, |bench, mix| {
            let mut readings = Readings::with_capacity(ROWS);
            bench.iter(|| {
                readings.clear();
                match &mix.countries {
                    None => {
                        let hint = Hint::International;
                        read_array(&mix.phones, hint, Checks::Library, &mut readings)
                    }
                    Some(countries) => {
                        let cells = mix.phones.iter().zip(countries).map(|(phone, country)| Cell {
                            text: phone.map(str::as_bytes),
                            hint: hint(country.unwrap_or_default()),
                        });
                        read_cells(cells, Checks::Library, &mut readings)
                    }
                }
            });
        });
        let id = BenchmarkId::new("columns", mix.name);
        let phones = Texts::Utf8(mix.phones.clone());
        let hints = match &mix.countries {
            None => Hints::All(Hint::International),
            Some(countries) => Hints::Countries(Texts::Utf8(countries.clone())),
        };
        group.bench_function(id, |bench| {
            bench.iter(|| read_columns(&phones, &hints, Checks::Library));
        });
    }
    group.finish();
}

criterion_group!(benches, batch);
criterion_main!(benches);
