//! What the published files look like from outside, whoever opens them.

use std::fs;

use parquet::basic::{Compression, Encoding};

use crate::support::{FIXED_FILES, Scene, files_under, json_file, mode, tables};

const PARQUET: [&str; 4] =
    ["matches.parquet", "audiences.parquet", "rejects.parquet", "removed.parquet"];

fn published() -> Scene {
    let scene = Scene::made_up(800, 400, 3);
    scene.edit("policy.toml", "matched_people = 100", "matched_people = 10");
    scene.publish(&[]);
    scene
}

#[test]
fn columns_have_the_documented_names_and_types() {
    let scene = published();
    let columns = |name: &str| tables::columns(&scene.at("run").join(name));
    assert_eq!(
        columns("matches.parquet"),
        [
            "recipient Utf8",
            "list_id Utf8",
            "token Utf8",
            "region Utf8?",
            "os Utf8?",
            "os_version Int32?",
            "device Utf8?",
        ]
    );
    assert_eq!(
        columns("audiences.parquet"),
        [
            "recipient Utf8",
            "list_id Utf8",
            "status Utf8",
            "audience_from Int64?",
            "audience_below Int64?"
        ]
    );
    assert_eq!(columns("rejects.parquet"), ["role Utf8", "file Utf8", "row Int64", "reason Utf8"]);
    assert_eq!(columns("removed.parquet"), ["recipient Utf8", "list_id Utf8", "token Utf8"]);
}

#[test]
fn pairs_have_the_owners_token_beside_the_contacts() {
    let scene = crate::suggestions::published();
    let columns = |name: &str| tables::columns(&scene.at("run").join(name));
    let who = ["recipient Utf8", "list_id Utf8", "token Utf8", "owner_token Utf8"];
    let shown = ["region Utf8?", "os Utf8?", "os_version Int32?", "device Utf8?"];
    assert_eq!(columns("removed.parquet"), who);
    assert_eq!(columns("matches.parquet"), [who, shown].concat());
}

#[test]
fn token_columns_have_no_dictionary_statistics_or_bloom_filter() {
    let (scene, pairs) = (published(), crate::suggestions::published());
    for (scene, tokens) in [(scene, &["token"][..]), (pairs, &["token", "owner_token"])] {
        no_token_column_tells(&scene, tokens);
    }
}

fn no_token_column_tells(scene: &Scene, tokens: &[&str]) {
    for name in ["matches.parquet", "removed.parquet"] {
        let columns = tables::columns(&scene.at("run").join(name));
        let has = |token: &&str| columns.contains(&format!("{token} Utf8"));
        assert!(tokens.iter().all(has), "{columns:?}");
        let metadata = tables::metadata(&scene.at("run").join(name));
        for group in metadata.row_groups() {
            for column in group.columns() {
                assert!(matches!(column.compression(), Compression::ZSTD(_)), "{name}");
                if !column.column_path().string().ends_with("token") {
                    continue;
                }
                assert!(column.statistics().is_none(), "{name}");
                assert!(column.dictionary_page_offset().is_none(), "{name}");
                assert!(column.bloom_filter_offset().is_none(), "{name}");
                assert!(column.column_index_offset().is_none(), "{name}");
                for encoding in column.encodings() {
                    let dictionary = [Encoding::RLE_DICTIONARY, Encoding::PLAIN_DICTIONARY];
                    assert!(!dictionary.contains(&encoding), "{name}");
                }
            }
        }
    }
}

#[test]
fn every_parquet_file_is_compressed_with_zstd() {
    let scene = published();
    for name in PARQUET {
        for group in tables::metadata(&scene.at("run").join(name)).row_groups() {
            for column in group.columns() {
                assert!(matches!(column.compression(), Compression::ZSTD(_)), "{name}");
            }
        }
    }
}

#[test]
fn tokens_are_lower_case_hex_and_rows_are_sorted() {
    let scene = published();
    let rows = tables::rows(&scene.at("run/matches.parquet"));
    assert!(rows.len() > 20, "{}", rows.len());
    let keys: Vec<_> =
        rows.iter().map(|row| (row["token"].clone(), row["list_id"].clone())).collect();
    assert!(keys.is_sorted());
    for (token, _) in &keys {
        assert_eq!(token.len(), 32);
        assert!(token.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)));
    }
    let rejects = tables::rows(&scene.at("run/rejects.parquet"));
    let order = ["opt_outs", "list", "accounts"];
    let keys: Vec<_> = rejects
        .iter()
        .map(|row| {
            let role = order.iter().position(|role| *role == row["role"]).expect("a known role");
            (role, row["file"].clone(), row["row"].parse::<i64>().unwrap())
        })
        .collect();
    assert!(!keys.is_empty() && keys.is_sorted());
}

#[test]
fn a_reject_names_the_row_where_the_fault_is() {
    let scene = Scene::small();
    scene.append("list.csv", "n/a,US,e\n\"two\nlines\",US,f\n12345,US,g\n");
    scene.publish(&[]);
    let rejects = tables::rows(&scene.at("run/rejects.parquet"));
    let found: Vec<_> =
        rejects.iter().map(|row| (row["row"].as_str(), row["reason"].as_str())).collect();
    assert_eq!(found[0], ("5", "empty"));
    assert_eq!(found.iter().map(|(row, _)| *row).collect::<Vec<_>>(), ["5", "6", "7"]);
    assert!(rejects.iter().all(|row| row["role"] == "list" && row["file"].ends_with("list.csv")));
}

#[test]
fn a_run_folder_holds_these_files_and_no_others() {
    let scene = published();
    let names: Vec<_> = files_under(&scene.at("run"))
        .iter()
        .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
        .collect();
    let mut expected = FIXED_FILES.map(str::to_owned).to_vec();
    let more = ["report.json", "report.html", "summary-synth.html"];
    expected.extend(more.map(str::to_owned));
    expected.sort();
    assert_eq!(names, expected);
}

#[test]
fn nobody_else_may_read_a_run_whatever_the_umask() {
    for umask in ["000", "022", "077"] {
        let scene = Scene::small();
        let script = format!("umask {umask}; exec \"$0\" match --job job.toml");
        let mut command = std::process::Command::new("sh");
        command.current_dir(scene.path()).args(["-c", &script, env!("CARGO_BIN_EXE_phonematch")]);
        crate::support::finish(&mut command).must_end_with(0);
        assert_eq!(mode(&scene.at("run")), 0o700, "umask {umask}");
        for file in files_under(&scene.at("run")) {
            assert_eq!(mode(&file), 0o600, "umask {umask}: {}", file.display());
        }
    }
}

#[test]
fn nothing_is_left_beside_a_published_run() {
    let scene = published();
    assert_eq!(scene.made(), ["run"]);
}

#[test]
fn the_manifest_digests_every_other_file() {
    let scene = published();
    let manifest = scene.manifest("run");
    assert_eq!(manifest["format"], 1);
    for field in ["program", "metadata_version", "key_id", "policy_digest", "purpose", "job"] {
        assert!(manifest[field].as_str().is_some_and(|text| !text.is_empty()), "{field}");
    }
    assert!(manifest["previous"].is_null());
    let files = FIXED_FILES.iter().filter(|name| **name != "manifest.json");
    for name in files.copied().chain(["summary-synth.html"]) {
        let bytes = fs::read(scene.at("run").join(name)).unwrap();
        let entry = &manifest["files"][name];
        assert_eq!(entry["bytes"], bytes.len(), "{name}");
        assert_eq!(entry["blake3"], blake3::hash(&bytes).to_hex().as_str(), "{name}");
    }
    for input in manifest["inputs"].as_array().unwrap() {
        let file = std::path::Path::new(input["file"].as_str().unwrap()).file_name().unwrap();
        let bytes = fs::read(scene.path().join(file)).unwrap();
        assert_eq!(input["blake3"], blake3::hash(&bytes).to_hex().as_str(), "{file:?}");
        assert_eq!(input["bytes"], bytes.len(), "{file:?}");
    }
}

#[test]
fn what_an_advertiser_gets_holds_no_row_level_fact() {
    let scene = published();
    let summary = json_file(&scene.at("run/summary.json"));
    assert_eq!(summary["format"], 1);
    let allowed = ["recipient", "list_id", "status", "audience_from", "audience_below"];
    for list in summary["lists"].as_array().unwrap() {
        for key in list.as_object().unwrap().keys() {
            assert!(allowed.contains(&key.as_str()), "{key}");
        }
    }
    let text = scene.read("run/summary.json");
    for row in tables::rows(&scene.at("run/matches.parquet")) {
        assert!(!text.contains(&row["token"]));
    }
}

#[test]
fn a_run_that_takes_its_own_place_names_the_tokens_that_are_gone() {
    let scene = Scene::small();
    scene.publish(&[]);
    let before = tables::rows(&scene.at("run/matches.parquet"));
    scene.append("opt_outs.csv", "+44 20 7946 0004,,2026-11-01\n");
    for _ in 0..2 {
        // The second time the person is gone from the replaced run as well, and still named.
        scene.publish(&["--if-exists", "replace"]);
        let removed = tables::rows(&scene.at("run/removed.parquet"));
        assert_eq!(removed.len(), 1);
        assert!(before.iter().any(|row| row["token"] == removed[0]["token"]));
    }
}

#[test]
fn the_next_run_names_the_tokens_that_are_gone() {
    let scene = Scene::small();
    scene.publish(&["--out", "run-1"]);
    let before = tables::rows(&scene.at("run-1/matches.parquet"));
    assert_eq!(before.len(), 2);
    assert!(tables::rows(&scene.at("run-1/removed.parquet")).is_empty());
    scene.append("opt_outs.csv", "020 7946 0004,,2026-11-01\n".replace("020 ", "+44 20 ").as_str());
    scene.publish(&["--out", "run-2"]);
    let after = tables::rows(&scene.at("run-2/matches.parquet"));
    let removed = tables::rows(&scene.at("run-2/removed.parquet"));
    assert_eq!((after.len(), removed.len()), (1, 1));
    assert!(before.iter().any(|row| row["token"] == removed[0]["token"]));
    assert_ne!(after[0]["token"], removed[0]["token"]);
    let first = fs::read(scene.at("run-1/manifest.json")).unwrap();
    let previous = scene.manifest("run-2")["previous"]["blake3"].clone();
    assert_eq!(previous, blake3::hash(&first).to_hex().as_str());
}
