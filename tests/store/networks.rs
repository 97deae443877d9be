//! What networks and stores do to a run that reads from them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::inputs::moved;
use super::proxy::{Fault, header};
use super::stand::Stand;
use crate::support::Scene;

/// A job with an export of several requests; the run from files is published as `local`.
fn long() -> (Scene, Stand) {
    let scene = Scene::small();
    let head = scene.read("accounts.csv");
    let rows = (0..150_000).map(|row| {
        let ending = row % 90 + 10;
        format!("{},+442079460{ending:03},GB,granted,Android 14,phone {row:036}\n", row + 10)
    });
    scene.write("accounts.csv", head + &rows.collect::<String>());
    assert!(scene.read("accounts.csv").len() > 9 << 20);
    scene.publish(&["--out", "local"]);
    let stand = Stand::begin();
    moved(&stand, &scene);
    (scene, stand)
}

#[track_caller]
fn must_come_to_the_same(scene: &Scene, stand: &Stand) {
    stand.run(scene, &["--previous", "none"]).must_end_with(0);
    assert!(stand.proxy.all_faults_came_to_pass());
    for name in ["matches.parquet", "summary.json"] {
        let read = |run: &str| std::fs::read(scene.at(run).join(name)).unwrap();
        assert_eq!(read("local"), read("run"), "{name}");
    }
    let inputs = |run: &str| {
        let manifest = scene.manifest(run);
        let inputs = manifest["inputs"].as_array().unwrap().clone();
        inputs.iter().map(|it| it["blake3"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(inputs("local"), inputs("run"));
}

#[test]
fn passing_errors_of_the_store_change_nothing() {
    let (scene, stand) = long();
    stand.proxy.fail("HEAD", "opt_outs.csv", 2, Fault::Status(503));
    stand.proxy.fail("GET", "accounts.csv", 3, Fault::Status(500));
    stand.proxy.fail("GET", "list.csv", 1, Fault::Status(429));
    must_come_to_the_same(&scene, &stand);
}

#[test]
fn a_read_that_breaks_off_goes_on_where_it_broke_off() {
    let (scene, stand) = long();
    // Behind the looks at both ends of it.
    stand.proxy.fail_behind(2, "GET", "accounts.csv", 1, Fault::CutAfter(1_000_000));
    stand.proxy.fail_behind(1, "GET", "accounts.csv", 1, Fault::CutAfter(10));
    must_come_to_the_same(&scene, &stand);
    let requests = stand.proxy.passed("GET", "accounts.csv");
    let start = |range: &str| range.strip_prefix("bytes=")?.split('-').next()?.parse::<u64>().ok();
    let starts = requests.iter().filter_map(|it| start(header(&it.head, "range")?));
    let is_inside = |start: &u64| start % (4 << 20) == 1_000_000;
    assert_eq!(starts.filter(is_inside).count(), 1, "{requests:?}");
    let all_named = requests.iter().all(|it| header(&it.head, "if-match").is_some());
    assert!(all_named, "{requests:?}");
}

#[test]
fn a_slow_store_and_lost_answers_only_take_time() {
    let (scene, stand) = long();
    stand.proxy.fail("GET", "accounts.csv", 1, Fault::Slow(Duration::from_secs(3)));
    stand.proxy.fail("GET", "accounts.csv", 1, Fault::ReplyLost);
    stand.proxy.fail("HEAD", "list.csv", 1, Fault::ReplyLost);
    must_come_to_the_same(&scene, &stand);
}

#[test]
fn a_store_that_stays_broken_ends_the_run_to_be_tried_again() {
    let scene = Scene::small();
    let stand = Stand::begin();
    moved(&stand, &scene);
    stand.proxy.fail("GET", "accounts.csv", 1000, Fault::Status(503));
    let outcome = stand.run(&scene, &[]).must_end_with(74);
    assert!(outcome.stderr.contains("answers with status 503"), "{}", outcome.stderr);
    assert!(stand.proxy.passed("GET", "accounts.csv").len() > 3);
    assert!(scene.made().is_empty(), "{:?}", scene.made());
}

#[test]
fn a_store_that_nobody_reaches_ends_the_run_to_be_tried_again() {
    let scene = Scene::small();
    let stand = Stand::begin();
    moved(&stand, &scene);
    let mut command = stand.command(&scene, &[]);
    // A port that was just free, and that nobody listens on.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    command.env("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{port}"));
    let outcome = crate::support::finish(&mut command).must_end_with(74);
    assert!(outcome.stderr.contains("cannot be reached"), "{}", outcome.stderr);
}

#[test]
fn an_object_that_is_replaced_while_it_is_read_is_never_half_of_each() {
    for skip in [0, 1, 2] {
        let (scene, stand) = long();
        let bucket = stand.bucket();
        let other = scene.read("accounts.csv").replace("granted", "denied.");
        let replace = Fault::Meanwhile(Box::new(move || {
            bucket.put("accounts.csv", other.as_bytes());
        }));
        stand.proxy.fail_behind(skip, "GET", "accounts.csv", 1, replace);
        let outcome = stand.run(&scene, &[]).must_end_with(74);
        assert!(outcome.stderr.contains("changed while it was read"), "{}", outcome.stderr);
        assert!(stand.proxy.all_faults_came_to_pass());
        assert_eq!(scene.made(), ["local"]);
    }
}

#[test]
fn an_opt_out_that_arrives_in_the_store_during_the_run_counts_in_it() {
    let scene = Scene::small();
    let stand = Stand::begin();
    moved(&stand, &scene);
    let bucket = stand.bucket();
    let more = scene.read("opt_outs.csv") + "+1 202 555 0101,,2026-01-02\n";
    let is_put = Arc::new(AtomicBool::new(false));
    let put = Arc::clone(&is_put);
    let arrive = Fault::Meanwhile(Box::new(move || {
        bucket.put("opt_outs.csv", more.as_bytes());
        put.store(true, Ordering::SeqCst);
    }));
    stand.proxy.fail("GET", "accounts.csv", 1, arrive);
    stand.run(&scene, &[]).must_end_with(0);
    assert!(is_put.load(Ordering::SeqCst));
    assert_eq!(scene.report("run")["restarts"], 1);
    assert_eq!(scene.manifest("run")["counts"]["matches"], 1);
}
