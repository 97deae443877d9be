//! The same inputs in a store and in a folder come to the same run.

use std::fs::File;
use std::io::Write;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;

use super::stand::{Stand, serve_securely};
use super::web::{Tag, Web};
use crate::support::{Scene, files_under, finish};

/// The files whose bytes depend on what was read and not on where it was read from.
const TABLES: [&str; 4] =
    ["matches.parquet", "audiences.parquet", "summary.json", "removed.parquet"];

const INPUTS: [&str; 3] = ["accounts.csv", "list.csv", "opt_outs.csv"];

/// The scene's job, with its inputs in the bucket.
pub fn moved(stand: &Stand, scene: &Scene) {
    stand.upload(scene, &INPUTS);
    for name in INPUTS {
        let from = format!("files = [\"{name}\"]");
        scene.edit("job.toml", &from, &format!("files = [\"{}\"]", stand.bucket().url(name)));
    }
}

#[track_caller]
fn same_tables(scene: &Scene, one: &str, other: &str) {
    for name in TABLES {
        let read = |run: &str| std::fs::read(scene.at(run).join(name)).unwrap();
        assert_eq!(read(one), read(other), "{name}");
    }
}

#[test]
fn a_job_with_its_inputs_in_a_store_comes_to_the_same_run() {
    let scene = Scene::made_up(3000, 900, 11);
    scene.publish(&["--out", "local"]);
    let stand = Stand::begin();
    moved(&stand, &scene);
    // Another night of another place: nothing of the first run is to be compared.
    stand.run(&scene, &["--out", "remote", "--previous", "none"]).must_end_with(0);
    same_tables(&scene, "local", "remote");
    let (local, remote) = (scene.manifest("local"), scene.manifest("remote"));
    for (local, remote) in
        local["inputs"].as_array().unwrap().iter().zip(remote["inputs"].as_array().unwrap())
    {
        assert_eq!(local["blake3"], remote["blake3"]);
        assert_eq!(local["rows"], remote["rows"]);
        assert!(local.get("entity_tag").is_none());
        assert!(remote["entity_tag"].as_str().unwrap().len() > 30, "{remote}");
        assert!(remote["file"].as_str().unwrap().starts_with("s3://bucket-"), "{remote}");
    }
    scene.audit("remote").must_end_with(0);
}

#[test]
fn a_pattern_means_the_objects_that_a_shell_would_mean() {
    let scene = Scene::small();
    scene.publish(&["--out", "local"]);
    let stand = Stand::begin();
    moved(&stand, &scene);
    let bucket = stand.bucket();
    let accounts = scene.read("accounts.csv");
    let (header, rows) = accounts.split_once('\n').unwrap();
    for (number, row) in rows.lines().enumerate() {
        let part = format!("{header}\n{row}\n");
        bucket.put(&format!("export/day=1/part-{number}.csv"), part.as_bytes());
    }
    for key in ["export/day=1/.part-9.csv", "export/day=1/x/part-9.csv", "export/part-9.csv"] {
        bucket.put(key, b"not to be read\n");
    }
    let whole = bucket.url("accounts.csv");
    for pattern in ["export/day=1/*.csv", "export/day=*/part-?.csv", "*/*/part-[0-9].csv"] {
        scene.edit("job.toml", &whole, &bucket.url(pattern));
        stand.run(&scene, &["--previous", "none"]).must_end_with(0);
        same_tables(&scene, "local", "run");
        std::fs::remove_dir_all(scene.at("run")).unwrap();
        scene.edit("job.toml", &bucket.url(pattern), &whole);
    }
    scene.edit("job.toml", &whole, &bucket.url("export/*.parquet"));
    let outcome = stand.run(&scene, &[]).must_end_with(66);
    assert!(outcome.stderr.contains("no such file"), "{}", outcome.stderr);
}

#[test]
fn packed_objects_and_other_formats_are_read_as_files_are() {
    let scene = Scene::small();
    scene.publish(&["--out", "local"]);
    let stand = Stand::begin();
    moved(&stand, &scene);
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packed.write_all(scene.read("accounts.csv").as_bytes()).unwrap();
    stand.bucket().put("accounts.csv", &packed.finish().unwrap());
    let rows = zstd::encode_all(scene.read("opt_outs.csv").as_bytes(), 3).unwrap();
    stand.bucket().put("opt_outs.csv", &rows);
    let list = "{\"phone\":\"(202) 555-0101\",\"country\":\"US\"}\n{\"phone\":\"+1 202 555 0102\"}\n\
                {\"phone\":\"020 7946 0004\",\"country\":\"GB\"}\n\
                {\"phone\":\"020 7946 0099\",\"country\":\"GB\"}\n";
    stand.bucket().put("list.csv", list.as_bytes());
    stand.run(&scene, &["--previous", "none"]).must_end_with(0);
    same_tables(&scene, "local", "run");
}

/// Writes accounts with a wide column that no run wants.
fn write_wide(scene: &Scene, rows: usize) {
    let texts = |text: &dyn Fn(usize) -> String| -> ArrayRef {
        Arc::new(StringArray::from_iter_values((0..rows).map(text)))
    };
    let wide = |row: usize| blake3::hash(&row.to_le_bytes()).to_hex().to_string().repeat(4);
    let batch = RecordBatch::try_from_iter([
        ("account_id", texts(&|row| row.to_string())),
        ("note", texts(&wide)),
        ("phone", texts(&|row| format!("+120255501{:02}", row % 100))),
        ("consent_ads", texts(&|_| "granted".to_owned())),
        ("remark", texts(&wide)),
    ])
    .unwrap();
    let file = File::create(scene.at("accounts.csv")).unwrap();
    let layout = WriterProperties::builder()
        .set_dictionary_enabled(false)
        .set_max_row_group_row_count(Some(rows / 4))
        .build();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(layout)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

#[test]
fn of_a_parquet_object_only_what_is_wanted_travels() {
    let scene = Scene::small();
    write_wide(&scene, 40_000);
    let stored = std::fs::metadata(scene.at("accounts.csv")).unwrap().len();
    scene.publish(&["--out", "local"]);
    let stand = Stand::begin();
    moved(&stand, &scene);
    stand.run(&scene, &["--out", "remote", "--previous", "none"]).must_end_with(0);
    same_tables(&scene, "local", "remote");
    let travelled: usize =
        stand.proxy.passed("GET", "accounts.csv").iter().map(|it| it.body_bytes).sum();
    assert!(travelled > 0 && (travelled as u64) < stored * 2 / 3, "{travelled} of {stored}");
    // What was not read whole was not digested: its tag stands for it.
    let manifest = scene.manifest("remote");
    let accounts =
        manifest["inputs"].as_array().unwrap().iter().find(|it| it["role"] == "accounts");
    let accounts = accounts.unwrap();
    assert!(accounts.get("blake3").is_none() && accounts["entity_tag"].is_string(), "{accounts}");
    assert_eq!(accounts["bytes"], stored);
    scene.audit("remote").must_end_with(0);
}

#[test]
fn an_object_that_is_not_there_is_a_missing_input() {
    let scene = Scene::small();
    let stand = Stand::begin();
    moved(&stand, &scene);
    let there = stand.bucket().url("opt_outs.csv");
    scene.edit("job.toml", &there, &stand.bucket().url("gone.csv"));
    let outcome = stand.run(&scene, &[]).must_end_with(66);
    assert!(outcome.stderr.contains("gone.csv is missing"), "{}", outcome.stderr);
    scene.edit("job.toml", "gone.csv", "opt_outs.csv");
    let there = stand.bucket().url("accounts.csv");
    scene.edit("job.toml", &there, "s3://bucket-of-nobody/accounts.csv");
    let outcome = stand.run(&scene, &[]).must_end_with(66);
    assert!(outcome.stderr.contains("s3://bucket-of-nobody/accounts.csv"), "{}", outcome.stderr);
    assert!(scene.made().is_empty(), "{:?}", scene.made());
}

#[test]
fn credentials_that_the_store_refuses_end_the_run_and_are_not_said() {
    let scene = Scene::small();
    let stand = Stand::begin();
    moved(&stand, &scene);
    let mut command = stand.command(&scene, &[]);
    let wrong = "AnotherKeyThatNobodyWasEverGiven/0123456";
    let outcome = finish(command.env("AWS_SECRET_ACCESS_KEY", wrong)).must_end_with(77);
    assert!(outcome.stderr.contains("refuses the credentials"), "{}", outcome.stderr);
    assert!(!outcome.stderr.contains("AnotherKey"), "{}", outcome.stderr);
    assert!(scene.made().is_empty(), "{:?}", scene.made());
}

#[test]
fn validate_reads_what_a_run_would_read() {
    let scene = Scene::small();
    let stand = Stand::begin();
    moved(&stand, &scene);
    let validate = || {
        let mut command = crate::support::phonematch();
        command.current_dir(scene.path()).args(["validate", "--job", "job.toml"]);
        stand.tell(&mut command);
        finish(&mut command)
    };
    let outcome = validate().must_end_with(0);
    assert!(outcome.stdout.contains("/accounts.csv"), "{}", outcome.stdout);
    scene.edit("job.toml", "/opt_outs.csv", "/gone.csv");
    let outcome = validate().must_end_with(66);
    let said = outcome.stderr + &outcome.stdout;
    assert_eq!(said.matches("gone.csv is missing").count(), 1, "{said}");
}

#[test]
fn no_number_reaches_a_disk_or_a_message_on_its_way_from_a_store() {
    let scene = Scene::small();
    let stand = Stand::begin();
    moved(&stand, &scene);
    INPUTS.iter().for_each(|name| std::fs::remove_file(scene.at(name)).unwrap());
    let temporary = scene.at("temporary");
    std::fs::create_dir(&temporary).unwrap();
    let mut command = stand.command(&scene, &["--log-format", "json"]);
    let outcome = finish(command.env("TMPDIR", &temporary).env("HOME", scene.path()));
    let outcome = outcome.must_end_with(0);
    assert!(files_under(&temporary).is_empty());
    let mut said = outcome.stdout.into_bytes();
    said.extend(outcome.stderr.into_bytes());
    let written = files_under(scene.path()).into_iter().map(|path| std::fs::read(path).unwrap());
    for bytes in written.chain([said]) {
        for number in ["2025550101", "2025550102", "2079460004"] {
            let found = bytes.windows(number.len()).any(|it| it == number.as_bytes());
            assert!(!found, "a number was written");
        }
    }
}

#[test]
fn web_servers_and_other_clouds_serve_inputs_too() {
    let scene = Scene::small();
    scene.publish(&["--out", "local"]);
    let web = Web::begin(Tag::Strong);
    for (name, path) in [
        ("accounts.csv", "/exports/accounts of today.csv"),
        ("list.csv", "/lists/list.csv"),
        ("opt_outs.csv", "/legal/opt_outs.csv"),
    ] {
        web.put(path, std::fs::read(scene.at(name)).unwrap());
    }
    let address = format!("http://127.0.0.1:{}", web.port());
    let accounts = format!("[\"{address}/exports/accounts%20of%20today.csv\"]");
    scene.edit("job.toml", "[\"accounts.csv\"]", &accounts);
    scene.edit("job.toml", "[\"list.csv\"]", "[\"gs://lists/list.csv\"]");
    scene.edit("job.toml", "[\"opt_outs.csv\"]", "[\"az://legal/opt_outs.csv\"]");
    let mut command = scene.command(&["--previous", "none"]);
    command
        .env("GOOGLE_BASE_URL", &address)
        .env("GOOGLE_SKIP_SIGNATURE", "true")
        .env("AZURE_STORAGE_ACCOUNT_NAME", "nightly")
        .env("AZURE_STORAGE_ENDPOINT", &address)
        .env("AZURE_SKIP_SIGNATURE", "true");
    finish(&mut command).must_end_with(0);
    same_tables(&scene, "local", "run");
}

#[test]
fn a_server_that_cannot_tell_two_versions_apart_is_not_read() {
    for tag in [Tag::None, Tag::Weak] {
        let scene = Scene::small();
        let web = Web::begin(tag);
        web.put("/list.csv", scene.read("list.csv").into_bytes());
        let address = format!("[\"http://127.0.0.1:{}/list.csv\"]", web.port());
        scene.edit("job.toml", "[\"list.csv\"]", &address);
        let outcome = scene.run(&[]).must_end_with(65);
        assert!(outcome.stderr.contains("entity tag"), "{}", outcome.stderr);
    }
}

#[test]
fn only_a_server_whose_certificate_is_trusted_is_read() {
    let scene = Scene::small();
    scene.publish(&["--out", "local"]);
    let authority = scene.at("authority.pem");
    let (mut server, port) = serve_securely(&scene.at("list.csv"), &authority);
    let address = format!("[\"https://127.0.0.1:{port}/list.csv\"]");
    scene.edit("job.toml", "[\"list.csv\"]", &address);
    let run = |trusted: &std::path::Path| {
        let mut command = scene.command(&["--previous", "none"]);
        finish(command.env("SSL_CERT_FILE", trusted).env_remove("SSL_CERT_DIR"))
    };
    // Somebody else's certificate is no authority for this server.
    let (mut other, _) = serve_securely(&scene.at("list.csv"), &scene.at("other.pem"));
    let outcome = run(&scene.at("other.pem")).must_end_with(74);
    assert!(outcome.stderr.contains("cannot be reached"), "{}", outcome.stderr);
    run(&authority).must_end_with(0);
    same_tables(&scene, "local", "run");
    for server in [&mut server, &mut other] {
        drop(server.stdin.take());
        server.wait().unwrap();
    }
}

#[test]
fn numbers_do_not_travel_in_the_clear() {
    let scene = Scene::small();
    // Set aside for documentation (RFC 5737): nobody is asked.
    scene.edit("job.toml", "[\"list.csv\"]", "[\"http://192.0.2.1/list.csv\"]");
    let outcome = scene.run(&[]).must_end_with(78);
    assert!(outcome.stderr.contains("in the clear; use https"), "{}", outcome.stderr);
    scene.edit("job.toml", "http://192.0.2.1/list.csv", "s3://lists/list.csv");
    let mut command = scene.command(&[]);
    command.env("AWS_ENDPOINT_URL", "http://192.0.2.1");
    command.env("AWS_ACCESS_KEY_ID", "a").env("AWS_SECRET_ACCESS_KEY", "b");
    let outcome = finish(&mut command).must_end_with(78);
    assert!(outcome.stderr.contains("in the clear; use https"), "{}", outcome.stderr);
}

#[test]
fn an_address_that_names_no_object_or_holds_credentials_is_refused() {
    for (address, said) in [
        ("s3://bucket", "names no object"),
        ("s3://bucket/a//b.csv", "empty"),
        ("https://me:word@host/list.csv", "come from the environment"),
        ("https://host/list.csv?X-Amz-Signature=word", "come from the environment"),
        ("s3://bucket/**/list.csv", "** has no meaning"),
    ] {
        let scene = Scene::small();
        scene.edit("job.toml", "[\"list.csv\"]", &format!("[\"{address}\"]"));
        let outcome = scene.run(&[]).must_end_with(78);
        assert!(outcome.stderr.contains(said), "{}", outcome.stderr);
        assert!(!outcome.stderr.contains("word"), "{}", outcome.stderr);
    }
}
