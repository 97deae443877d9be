//! House rules that clippy cannot say.

use std::fs;
use std::path::{Path, PathBuf};

/// Each dependency and the only places that may name it.
const DOORS: [(&str, &[&str]); 24] = [
    ("clap", &["src/cli"]),
    ("clap_complete", &["src/cli"]),
    ("clap_mangen", &["src/cli"]),
    ("toml", &["src/cli", "python/src"]),
    ("schemars", &["src/cli", "src/policy", "src/consent"]),
    ("indicatif", &["src/cli"]),
    ("tracing_subscriber", &["src/cli", "src/main.rs"]),
    ("rayon", &["src/pipeline"]),
    ("sha2", &["src/key", "src/vectors/sha256.rs"]),
    ("hmac", &["src/key"]),
    ("hkdf", &["src/key"]),
    ("rlibphonenumber", &["src/normalise"]),
    ("phonenumber", &["src/normalise/second_reader.rs"]),
    ("parquet", &["src/input", "src/output", "src/audit"]),
    ("flate2", &["src/input"]),
    ("object_store", &["src/store"]),
    ("tokio", &["src/store"]),
    ("reqwest", &["src/store"]),
    ("rustls", &["src/store"]),
    ("pyo3", &["python/src"]),
    ("arrow_pyarrow", &["python/src"]),
    ("wide", &["src/vectors.rs"]),
    ("foldhash", &["src/maps.rs"]),
    ("hashbrown", &["src/maps.rs"]),
];

/// Longest file, in lines, with its tests. The aim is 400; generated tables are marked as such.
const MOST_LINES: usize = 600;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files(folder: &str) -> Vec<PathBuf> {
    crate::support::files_under(&root().join(folder))
}

fn sources(folder: &str) -> Vec<(String, String)> {
    let rust = files(folder).into_iter().filter(|path| path.extension().is_some_and(|e| e == "rs"));
    rust.map(|path| {
        let name = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
        (name, fs::read_to_string(&path).unwrap())
    })
    .collect()
}

/// The line names the crate: `sha2::…` or `use sha2;`, not `self::sha2`, `my_sha2::` or `::sha2`.
fn names_crate(line: &str, name: &str) -> bool {
    let code = line.split("//").next().unwrap_or_default();
    code.match_indices(name).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        let inside =
            before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':' || c == '"');
        let after = &code[at + name.len()..];
        let imported = code.trim_start().starts_with("use ") && after.starts_with([';', ' ']);
        !inside && (after.starts_with("::") || imported)
    })
}

#[test]
fn each_dependency_enters_by_one_door() {
    let mut through_the_window = Vec::new();
    // The generator of the tables is a maintainer's program and no part of the product.
    let product = |(path, _): &(String, String)| !path.starts_with("src/normalise/tables/generate");
    let all = [sources("src"), sources("python/src")].concat();
    for (path, text) in all.into_iter().filter(product) {
        for (name, doors) in DOORS {
            if doors.iter().any(|door| path.starts_with(door)) {
                continue;
            }
            for (at, _) in text.lines().enumerate().filter(|(_, line)| names_crate(line, name)) {
                through_the_window.push(format!("{path}:{} names {name}", at + 1));
            }
        }
    }
    assert!(through_the_window.is_empty(), "{through_the_window:#?}");
}

#[test]
fn the_search_for_crate_names_knows_them_from_others() {
    assert!(names_crate("use sha2::Digest;", "sha2"));
    assert!(names_crate("    let x = sha2::Sha256::new();", "sha2"));
    assert!(!names_crate("// sha2::Digest", "sha2"));
    assert!(!names_crate("use rlibphonenumber::Region;", "phonenumber"));
    assert!(!names_crate("use crate::input::csv::Reader;", "csv"));
}

#[test]
fn no_file_outgrows_what_a_person_reads_in_one_go() {
    let mut long = Vec::new();
    for folder in ["src", "tests", "benches", "python/src"] {
        for (path, text) in sources(folder) {
            let generated = text.lines().take(5).any(|line| line.contains("@generated"));
            if !generated && text.lines().count() > MOST_LINES {
                long.push(format!("{path}: {} lines", text.lines().count()));
            }
        }
    }
    assert!(long.is_empty(), "{long:#?}");
}

#[test]
fn main_decides_nothing() {
    let main = fs::read_to_string(root().join("src/main.rs")).unwrap();
    assert!(main.lines().count() <= 50, "{} lines", main.lines().count());
}

#[test]
fn the_library_neither_prints_nor_exits() {
    let words = ["println!", "eprintln!", "print!(", "process::exit", "dbg!("];
    for (path, text) in sources("src") {
        if path.starts_with("src/cli") || path == "src/main.rs" {
            continue;
        }
        for (at, line) in text.lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            let found = words.iter().find(|word| code.contains(*word));
            assert!(found.is_none(), "{path}:{} says {}", at + 1, found.unwrap());
        }
    }
}

#[test]
fn every_module_opens_with_its_question() {
    for (path, text) in [sources("src"), sources("python/src")].concat() {
        if !path.contains("/tests") {
            assert!(text.starts_with("//!"), "{path}");
        }
    }
}

#[test]
fn no_name_says_nothing() {
    for (path, _) in sources("src") {
        for word in ["util", "helper", "manager", "common", "misc"] {
            assert!(!path.contains(word), "{path}");
        }
    }
    for (path, text) in sources("src") {
        for (at, line) in text.lines().enumerate() {
            for word in ["fn process_", "fn handle_", "fn get_"] {
                // `ChunkReader`'s two methods are Parquet's names, not ours.
                let given = line.contains("fn get_read(") || line.contains("fn get_bytes(");
                assert!(given || !line.contains(word), "{path}:{}", at + 1);
            }
        }
    }
}

#[test]
fn no_file_knows_the_machine_it_was_written_on() {
    // Put together here, so that this file does not hold them.
    let places = ["home", "root", "work", "Users", "mnt"].map(|place| format!("/{place}/"));
    let mut kept = files("src");
    kept.extend([files("tests"), files("benches"), files("fixtures"), files(".ci")].concat());
    kept.extend([files("examples"), files("docs")].concat());
    for folder in ["src", "package", "tests", "examples", "benches"] {
        kept.extend(files(&format!("python/{folder}")));
    }
    for name in ["README.md", "Cargo.toml", "Cargo.lock", ".gitignore", ".rustfmt.toml"] {
        kept.extend(Some(root().join(name)).filter(|path| path.exists()));
    }
    for path in kept {
        let bytes = fs::read(&path).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        for place in &places {
            assert!(!text.contains(place.as_str()), "{} names {place}", path.display());
        }
    }
}

/// The parts of a number, its digits only, that show it to be one that no person is written by
/// in these fixtures on purpose. The part is looked for inside a cell's digits, so that every
/// spelling is found.
///
/// Ranges set aside for fiction:
/// - North America `NPA 555-0100` to `0199`: NANPA, 555 line number assignment guidelines.
/// - United Kingdom, London `020 7946 0000` to `0999`: Ofcom, numbers for use in TV and radio
///   drama. (The mobile range `07700 900000`–`999` is no valid number for libphonenumber.)
/// - Germany `0171 39200 00` to `99`: Bundesnetzagentur, numbers for media productions
///   ("Drama-Rufnummern"), 2021.
/// - France `01 99 00 xx xx`: ARCEP, numbers for audiovisual works.
/// - Australia `0491 570 xxx`: ACMA, numbers for use in TV shows, films and creative works.
///
/// Examples that the specification of this program names (`hostile.md`): no range for fiction
/// exists in those plans, and most are the plan's example number or count upwards.
const FICTIONAL: [&str; 19] = [
    "20255501",
    "207946",
    "17139200",
    "19900",
    "491570", // fiction
    "791112345",
    "1202555",
    "2025550", // United Kingdom, float and exponent forms
    "5512345678",
    "1123456789",
    "23456789", // Mexico, Argentina (also as 011 15 2345-6789)
    "3186883193",
    "31986883193", // Brazil
    "07123456",
    "97123456", // Ivory Coast, Benin
    "236618300",
    "8613123456789",
    "493012345678", // Italy, China, Germany
    "870301234567", // libphonenumber's example of an Inmarsat number
];

/// Fillers that stand for nothing.
const FILLERS: [&str; 5] = ["0000000000", "1234567890", "12345678900", "1111111111", "07777777777"];

#[test]
fn hand_written_fixtures_hold_only_numbers_that_are_nobodys() {
    let mut strange = Vec::new();
    let mut cells = 0;
    for path in files("fixtures/cases") {
        for cell in cells_of(&fs::read(&path).unwrap()) {
            let digits = decimal_digits(&cell);
            if digits.len() < 9 || is_digest(&cell) {
                continue;
            }
            cells += 1;
            let same = digits.as_bytes().windows(2).all(|pair| pair[0] == pair[1]);
            let known = FICTIONAL.iter().any(|part| digits.contains(part));
            if !(same || known || FILLERS.contains(&digits.as_str())) {
                strange.push(format!("{}: {cell:?}", path.strip_prefix(root()).unwrap().display()));
            }
        }
    }
    assert!(cells > 100, "only {cells} numbers were looked at");
    assert!(strange.is_empty(), "{strange:#?}");
}

#[test]
fn drawn_fixtures_say_that_they_are_drawn() {
    for folder in ["fixtures/quickstart", "fixtures/corpus"] {
        let notes = files(folder).into_iter().filter(|path| {
            let name = path.file_name().unwrap().to_string_lossy().to_lowercase();
            name.starts_with("readme")
        });
        let said: String = notes.map(|path| fs::read_to_string(path).unwrap()).collect();
        let words = said.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words.contains("random draws") || words.contains("fiction"), "{folder}");
    }
}

/// The cells of a text in UTF-8 or UTF-16, whatever separates them.
fn cells_of(bytes: &[u8]) -> Vec<String> {
    let encoding = encoding_rs::Encoding::for_bom(bytes).map_or(encoding_rs::UTF_8, |(it, _)| it);
    let (text, _, _) = encoding.decode(bytes);
    text.split([',', '\t', '\n', '\r', ';', '|']).map(str::to_owned).collect()
}

fn decimal_digits(cell: &str) -> String {
    const ZEROS: [u32; 5] = ['0' as u32, 0x0660, 0x06f0, 0x0966, 0xff10];
    let value =
        |c: char| ZEROS.iter().find_map(|zero| (c as u32).checked_sub(*zero).filter(|v| *v < 10));
    cell.chars().filter_map(value).filter_map(|value| char::from_digit(value, 10)).collect()
}

fn is_digest(cell: &str) -> bool {
    let hex = cell.len() == 64 && cell.bytes().all(|b| b.is_ascii_hexdigit());
    hex || (cell.len() == 44 && cell.ends_with('='))
}

/// What stands in backticks with a `::` in the table of `src/privacy.md` is a test, and what stands
/// there with a `/` a golden case.
#[test]
fn the_tests_that_the_threat_table_names_are_there() {
    let text = fs::read_to_string(root().join("src/privacy.md")).unwrap();
    let tests: String =
        [sources("tests"), sources("src")].concat().into_iter().map(|it| it.1).collect();
    let rows = text.lines().filter(|line| line.matches(" | ").count() == 2);
    let proofs = rows.filter_map(|row| row.trim_end_matches(" |").rsplit(" | ").next());
    let (mut named, mut absent) = (0, Vec::new());
    for proof in proofs.flat_map(|proofs| proofs.split('`').skip(1).step_by(2)) {
        let is_there = match proof.rsplit_once("::") {
            Some((_, test)) => tests.contains(&format!("fn {test}(")),
            None if proof.starts_with("fixtures/") => root().join(proof).is_dir(),
            None => continue,
        };
        named += 1;
        absent.extend((!is_there).then(|| proof.to_owned()));
    }
    assert!(named > 40, "only {named} proofs were found");
    assert!(absent.is_empty(), "{absent:#?}");
}

/// The Python module converts and calls: what it decides would be decided twice.
#[test]
fn the_python_module_is_unsafe_in_one_file_and_starts_no_thread() {
    let members = sources("python/src");
    assert!(members.len() > 3, "only {} files", members.len());
    for (path, text) in members {
        let code = || text.lines().map(|line| line.split("//").next().unwrap_or_default());
        let says = |word: &str| code().any(|line| line.contains(word));
        assert_eq!(says("unsafe"), path.ends_with("/stream.rs"), "{path}");
        assert!(!says("rayon") && !says("thread::spawn"), "{path}");
    }
}
