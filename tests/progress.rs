//! What is shown of a run while it goes on: a bar on a terminal, log lines elsewhere.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use serde_json::Value;

use crate::support::Scene;

/// A terminal: our end of it, and the program's.
fn terminal() -> (File, File) {
    let ours: OwnedFd = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&ours).unwrap();
    unlockpt(&ours).unwrap();
    let path = ptsname(&ours, Vec::new()).unwrap().into_string().unwrap();
    let theirs = File::options().read(true).write(true).open(path).unwrap();
    (File::from(ours), theirs)
}

/// Starts a run whose standard error is a terminal and whose export comes by a pipe, gives it
/// rows for a while, and tells what the terminal showed.
fn shown(scene: &Scene, more: &[&str]) -> String {
    let (mut ours, theirs) = terminal();
    let mut command = scene.command(more);
    command.env("TERM", "xterm").env("COLUMNS", "120");
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(theirs);
    let mut child = command.spawn().unwrap();
    drop(command);
    let mut stdin = child.stdin.take().unwrap();
    let rows = scene.read("accounts.csv");
    let (head, rest) = rows.split_at(rows.len() / 2);
    let reading = std::thread::spawn(move || {
        let (mut text, mut buffer) = (Vec::new(), [0; 4096]);
        // The terminal ends with an error when the program has gone.
        while let Ok(count) = ours.read(&mut buffer) {
            if count == 0 {
                break;
            }
            text.extend_from_slice(&buffer[..count]);
        }
        String::from_utf8_lossy(&text).into_owned()
    });
    stdin.write_all(head.as_bytes()).unwrap();
    std::thread::sleep(Duration::from_millis(1200));
    stdin.write_all(rest.as_bytes()).unwrap();
    drop(stdin);
    assert_eq!(child.wait().unwrap().code(), Some(0));
    reading.join().unwrap()
}

#[test]
fn a_terminal_shows_how_much_is_read_and_the_table_in_the_end() {
    let scene = Scene::made_up(4_000, 400, 5);
    let text = shown(&scene, &["--accounts", "-"]);
    assert!(text.contains("KiB") && text.contains("/s"), "{text}");
    let (_, table) = text.rsplit_once("\u{1b}[2K").unwrap();
    assert!(table.contains("released") && !table.contains("KiB"), "{text}");
    let quiet = shown(&scene, &["--accounts", "-", "--quiet", "--out", "second"]);
    assert_eq!(quiet, "");
}

#[test]
fn a_terminal_shows_a_bar_with_rate_and_time_left_where_all_sizes_are_known() {
    // So large that it takes a while: the bar is drawn five times a second.
    let scene = Scene::made_up(60_000, 20_000, 6);
    let (mut ours, theirs) = terminal();
    let mut command = scene.command(&["--threads", "1"]);
    command.env("TERM", "xterm").env("COLUMNS", "120");
    let mut child = command.stdout(Stdio::null()).stderr(theirs).spawn().unwrap();
    drop(command);
    let (mut text, mut buffer) = (Vec::new(), [0; 4096]);
    while let Ok(count @ 1..) = ours.read(&mut buffer) {
        text.extend_from_slice(&buffer[..count]);
    }
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let text = String::from_utf8_lossy(&text);
    for part in [" % ", " of ", "/s", " left"] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn elsewhere_a_line_is_logged_every_half_minute() {
    let scene = Scene::made_up(400, 100, 7);
    let mut command = scene.command(&["--accounts", "-", "--log-format", "json"]);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let rows = scene.read("accounts.csv");
    let (head, rest) = rows.split_at(rows.len() / 2);
    stdin.write_all(head.as_bytes()).unwrap();
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_millis(31_500) {
        std::thread::sleep(Duration::from_millis(100));
    }
    stdin.write_all(rest.as_bytes()).unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let reading: Vec<_> = lines.iter().filter(|it| it["fields"]["message"] == "reading").collect();
    assert_eq!(reading.len(), 1, "{text}");
    let fields = &reading[0]["fields"];
    assert!(fields["bytes"].as_u64().unwrap() >= head.len() as u64, "{text}");
    assert!((30..40).contains(&fields["elapsed_s"].as_u64().unwrap()), "{text}");
    assert!(fields["bytes_per_s"].is_u64(), "{text}");
    // Nobody knows how much a pipe will give.
    assert!(fields["left_s"].is_null() && fields["of_bytes"].is_null(), "{text}");
}
