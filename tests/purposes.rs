//! One command for each purpose, as the README says it, on the fixtures under `fixtures/purposes`.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{Outcome, copy_folder, finish, json_file, phonematch, tables};

/// A copy of a purpose's fixtures, so that the test leaves nothing behind.
struct Sample {
    folder: TempDir,
    purpose: &'static str,
}

impl Sample {
    fn of(purpose: &'static str) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("fixtures/purposes")).unwrap();
        let fixtures = format!("fixtures/purposes/{purpose}");
        copy_folder(&root.join(&fixtures), &folder.path().join(&fixtures));
        Self { folder, purpose }
    }

    /// The command of the README.
    fn publish(&self) -> Outcome {
        let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
        let job = format!("fixtures/purposes/{}/job.toml", self.purpose);
        let written = format!("phonematch match --job {job}");
        assert!(fs::read_to_string(readme).unwrap().contains(&written), "{written}");
        let mut command = phonematch();
        command.current_dir(self.folder.path()).args(["match", "--job", &job]);
        finish(&mut command).must_end_with(0)
    }

    fn run(&self) -> PathBuf {
        self.folder.path().join("target/purposes").join(self.purpose)
    }

    fn rows(&self, table: &str) -> Vec<tables::Row> {
        tables::rows(&self.run().join(table))
    }

    fn audit(&self) {
        let opt_outs = format!("fixtures/purposes/{}/opt_outs.csv", self.purpose);
        let mut command = phonematch();
        command.current_dir(self.folder.path()).arg("audit").arg(self.run());
        command.args(["--opt-outs", &opt_outs, "--secret-file", "target/purposes.key"]);
        finish(&mut command).must_end_with(0);
    }

    /// A count of the report, summed over a role's inputs.
    fn count(&self, role: &str, outcome: &str) -> u64 {
        let report: Value = json_file(&self.run().join("report.json"));
        let inputs = report["inputs"].as_array().unwrap();
        let of_role = inputs.iter().filter(|input| input["role"] == role);
        of_role.map(|input| input[outcome].as_u64().unwrap()).sum()
    }
}

#[test]
fn ads_release_the_list_that_reaches_the_floors_and_withhold_the_short_one() {
    let sample = Sample::of("ads");
    sample.publish();
    let statuses: Vec<_> = sample
        .rows("audiences.parquet")
        .iter()
        .map(|row| (row["list_id"].clone(), row["status"].clone()))
        .collect();
    let expected = [("few", "withheld"), ("spring", "released")];
    assert_eq!(statuses, expected.map(|(list, status)| (list.to_owned(), status.to_owned())));
    assert_eq!(sample.rows("matches.parquet").len(), 230);
    assert_eq!((sample.count("accounts", "barred"), sample.count("list", "barred")), (20, 20));
    sample.audit();
}

#[test]
fn anti_spam_names_the_accounts_on_the_abuse_list_but_for_the_opt_out() {
    let sample = Sample::of("anti_spam");
    sample.publish();
    assert_eq!(sample.rows("matches.parquet").len(), 9);
    assert!(sample.rows("audiences.parquet").is_empty());
    assert_eq!((sample.count("list", "barred"), sample.count("list", "unmatched")), (1, 10));
    sample.audit();
}

#[test]
fn analytics_counts_active_people_by_region_and_system() {
    let sample = Sample::of("analytics");
    sample.publish();
    let rows = sample.rows("counts.parquet");
    let cell = |row: &tables::Row, name: &str| row.get(name).cloned().unwrap_or("-".to_owned());
    let table: Vec<_> = rows
        .iter()
        .map(|row| (cell(row, "region"), cell(row, "os"), row["people"].parse::<u64>().unwrap()))
        .collect();
    // The secret is new in each copy, and so is the noise: of σ = 2 or, in the rest, σ = 2 √2.
    let exact = [
        ("-", "-", 45),
        ("DE", "android", 60),
        ("FR", "android", 60),
        ("GB", "android", 120),
        ("GB", "ios", 80),
    ];
    assert_eq!(table.len(), exact.len(), "{table:?}");
    for ((region, os, people), expected) in table.iter().zip(exact) {
        assert_eq!((region.as_str(), os.as_str()), (expected.0, expected.1));
        assert!(people.abs_diff(expected.2) <= 20, "{table:?}");
    }
    assert_eq!(sample.count("accounts", "released"), 365);
    assert_eq!(sample.count("accounts", "duplicates"), 20);
    assert_eq!(sample.count("accounts", "unmatched"), 30);
    assert_eq!(sample.count("accounts", "barred"), 10);
    assert_eq!(sample.count("accounts", "rejected"), 1);
    sample.audit();
}

#[test]
fn friend_suggestions_pair_people_who_are_both_there_and_both_allow() {
    let sample = Sample::of("friend_suggestions");
    sample.publish();
    let rows = sample.rows("matches.parquet");
    assert_eq!(rows.len(), 40);
    assert!(rows.iter().all(|row| row["owner_token"] != row["token"]));
    assert!(sample.rows("audiences.parquet").is_empty());
    let count = |outcome| sample.count("list", outcome);
    assert_eq!((count("released"), count("barred"), count("unmatched")), (40, 14, 21));
    // Two accounts are younger than the last contact, and one owner cannot be read.
    assert_eq!((count("duplicates"), count("withheld"), count("rejected")), (5, 6, 1));
    assert_eq!(sample.count("accounts", "barred"), 7);
    sample.audit();
}
