//! Patterns, paths, and files that change.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use phonematch::input::{ErrorKind, InputError, Location, Role, expand, open};

use crate::input::support::file;

fn names(patterns: &[&str], base: &Path) -> Result<Vec<String>, InputError> {
    let patterns: Vec<_> = patterns.iter().map(|&pattern| pattern.to_owned()).collect();
    let name = |location| match location {
        Location::Path(path) => path.strip_prefix(base).unwrap().to_str().unwrap().to_owned(),
        Location::Stdin => "-".to_owned(),
        Location::Object(url) => url.to_string(),
    };
    Ok(expand(Role::List, &patterns, base)?.into_iter().map(name).collect())
}

#[test]
fn patterns_mean_their_files_in_the_order_of_bytes() {
    let folder = tempfile::tempdir().unwrap();
    // The folder's own name is no pattern.
    let base = folder.path().join("a[1]*");
    fs::create_dir(&base).unwrap();
    for name in ["b.csv", "a.csv", "B.csv", ".c.csv", "x[y].csv", "xy.csv"] {
        fs::write(base.join(name), "phone\n").unwrap();
    }
    assert_eq!(names(&["?.csv"], &base).unwrap(), ["B.csv", "a.csv", "b.csv"]);
    assert_eq!(names(&["b.csv", "-", "a.csv"], &base).unwrap(), ["b.csv", "-", "a.csv"]);
    assert_eq!(names(&["x[y].csv"], &base).unwrap(), ["x[y].csv"]);
    assert_eq!(names(&["[ab].csv"], &base).unwrap(), ["a.csv", "b.csv"]);
    assert!(names(&[], &base).unwrap().is_empty());
    for pattern in ["no.csv", "no*.csv", "a.csv/b"] {
        let error = names(&[pattern], &base).unwrap_err();
        assert!(matches!(error, InputError::Missing { .. }), "{error}");
        assert_eq!(error.kind(), ErrorKind::Missing);
    }
    assert!(matches!(names(&["***"], &base), Err(InputError::BadPattern { .. })));
}

#[test]
fn a_file_named_twice_is_an_error_that_names_both() {
    let folder = tempfile::tempdir().unwrap();
    let base = folder.path();
    fs::write(base.join("a.csv"), "phone\n").unwrap();
    std::os::unix::fs::symlink(base.join("a.csv"), base.join("b.csv")).unwrap();
    for patterns in [&["a.csv", "*.csv"][..], &["a.csv", "./a.csv"], &["*.csv"], &["-", "-"]] {
        let error = names(patterns, base).unwrap_err();
        assert!(matches!(error, InputError::NamedTwice { .. }), "{error}");
        assert_eq!(error.kind(), ErrorKind::Job);
    }
    let error = names(&["*.csv"], base).unwrap_err().to_string();
    assert!(error.contains("a.csv") && error.contains("b.csv"), "{error}");
}

#[test]
fn what_is_not_a_file_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    for (path, found) in [
        (folder.path(), "a directory"),
        (pipe.as_path(), "a pipe"),
        (Path::new("/dev/null"), "a device"),
    ] {
        let expanded = names(&[path.to_str().unwrap()], Path::new("/")).unwrap_err();
        let opened = open(&file(path), Arc::default()).unwrap_err();
        for error in [expanded, opened] {
            assert!(matches!(error, InputError::NotAFile { .. }), "{error}");
            assert!(error.to_string().contains(found), "{error}");
        }
    }
}

#[test]
fn a_file_that_may_not_be_read_is_unreadable() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.csv");
    fs::write(&path, "phone\n1\n").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).unwrap();
    // The superuser may read it nevertheless.
    if fs::File::open(&path).is_err() {
        let error = open(&file(&path), Arc::default()).unwrap_err();
        assert!(matches!(error, InputError::Unreadable { .. }), "{error}");
        assert_eq!(error.kind(), ErrorKind::Missing);
    }
    let error = open(&file(&folder.path().join("no")), Arc::default()).unwrap_err();
    assert!(matches!(error, InputError::Missing { .. }), "{error}");
}

#[test]
fn a_path_cannot_write_to_a_terminal() {
    let error = open(&file(Path::new("/no/\x1b[2J\n.csv")), Arc::default()).unwrap_err();
    assert!(!error.to_string().contains(['\x1b', '\n']), "{error}");
}

#[test]
fn a_file_that_changes_while_it_is_read_is_found_out() {
    let changes: [fn(&Path); 4] = [
        |path| fs::write(path, "phone\n+12025550123\n+12025550124\n").unwrap(),
        |path| fs::write(path, "phone\n").unwrap(),
        |path| fs::remove_file(path).unwrap(),
        |path| {
            let new = path.with_extension("new");
            fs::copy(path, &new).unwrap();
            fs::rename(new, path).unwrap();
        },
    ];
    for change in changes {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        fs::write(&path, "phone\n+12025550123\n").unwrap();
        let reader = open(&file(&path), Arc::default()).unwrap();
        change(&path);
        let error = reader.finish().unwrap_err();
        assert!(matches!(error, InputError::ChangedWhileReading { .. }), "{error}");
        assert_eq!(error.kind(), ErrorKind::Io);
    }
}
