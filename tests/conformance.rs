//! The reader's decisions on a corpus, row by row, against Google's algorithm. Where the corpus
//! comes from is said in `fixtures/corpus/README.md`. No row is excused.

use std::fs;
use std::path::Path;

use phonematch::normalise::{
    Checks, E164_TEXT_LEN, Hint, NumberType, Region, RejectReason, Unread, read,
};

use crate::support::{Scene, finish, phonematch};

struct CorpusRow<'a> {
    raw: &'a str,
    region: &'a str,
    /// `status,e164,type` as the reference says.
    decision: String,
}

fn corpus() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/corpus/phones-sample.tsv");
    fs::read_to_string(path).unwrap()
}

fn rows(corpus: &str) -> Vec<CorpusRow<'_>> {
    let mut lines = corpus.split('\n');
    assert_eq!(lines.next(), Some("raw\tdefault_region\tstatus\te164\ttype"));
    lines
        .filter(|line| !line.is_empty())
        .map(|line| {
            let fields: Vec<_> = line.split('\t').collect();
            let [raw, region, status, e164, kind] = fields[..] else { panic!("{line:?}") };
            CorpusRow { raw, region, decision: format!("{status},{e164},{kind}") }
        })
        .collect()
}

fn decision(row: &CorpusRow<'_>) -> String {
    let hint = Region::from_code(row.region.as_bytes()).map_or(Hint::None, Hint::Region);
    match read(row.raw.as_bytes(), hint, Checks::Library) {
        Ok(reading) => {
            let mut buffer = [0; E164_TEXT_LEN];
            format!("valid,{},{}", reading.number.expose_text(&mut buffer), reading.kind.name())
        }
        Err(reason) if reason.unread() == Unread::Invalid => "invalid,,".to_owned(),
        Err(_) => "unparsable,,".to_owned(),
    }
}

#[test]
fn every_decision_on_the_corpus_is_libphonenumbers() {
    let corpus = corpus();
    let rows = rows(&corpus);
    assert_eq!(rows.len(), 20_000);
    let differing: Vec<_> = rows
        .iter()
        .filter(|row| decision(row) != row.decision)
        .map(|row| format!("{:?} {} {} but {}", row.raw, row.region, row.decision, decision(row)))
        .collect();
    assert!(differing.is_empty(), "{} differ\n{}", differing.len(), differing.join("\n"));
}

#[test]
fn the_sample_holds_every_status_and_every_type() {
    let corpus = corpus();
    let rows = rows(&corpus);
    let any = |part: &str| rows.iter().any(|row| row.decision.contains(part));
    for status in ["valid,", "invalid,", "unparsable,"] {
        assert!(any(status), "{status}");
    }
    // No number of the corpus is valid and of no listed type.
    let kinds = NumberType::ALL.into_iter().filter(|kind| *kind != NumberType::Unknown);
    for kind in kinds {
        assert!(any(&format!(",{}", kind.name())), "{}", kind.name());
    }
    let regions: std::collections::BTreeSet<_> = rows.iter().map(|row| row.region).collect();
    assert!(regions.len() >= 240, "{}", regions.len());
}

#[test]
fn the_normalise_command_writes_the_same_decisions_in_input_order() {
    let corpus = corpus();
    let rows = rows(&corpus);
    let scene = Scene::empty();
    let mut input = csv::Writer::from_path(scene.at("in.csv")).unwrap();
    input.write_record(["raw", "country"]).unwrap();
    for row in &rows {
        input.write_record([row.raw, row.region]).unwrap();
    }
    input.flush().unwrap();
    let flags = ["--phone-column", "raw", "--country-column", "country", "--output", "out.csv"];
    let mut command = phonematch();
    finish(command.current_dir(scene.path()).args(["normalise", "in.csv"]).args(flags))
        .must_end_with(0);
    let mut output = csv::Reader::from_path(scene.at("out.csv")).unwrap();
    assert_eq!(output.headers().unwrap(), &["row", "status", "e164", "type", "reason"][..]);
    let reasons: Vec<_> = RejectReason::ALL.iter().map(|reason| reason.name()).collect();
    let mut count = 0;
    for (at, (record, row)) in output.records().zip(&rows).enumerate() {
        let record = record.unwrap();
        assert_eq!(record[0], (at + 1).to_string());
        let found = format!("{},{},{}", &record[1], &record[2], &record[3]);
        assert_eq!(found, row.decision, "{:?} {}", row.raw, row.region);
        assert_eq!(&record[1] == "valid", record[4].is_empty());
        assert!(record[4].is_empty() || reasons.contains(&&record[4]), "{}", &record[4]);
        count += 1;
    }
    assert_eq!(count, rows.len());
}
