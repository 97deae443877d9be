//! What the pages, the README files and the chapter on privacy point at is there, down to the
//! heading. Addresses of other places are not fetched.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::{named, pages, root};
use crate::support::files_under;

/// The anchors that a forge makes of headings: lower case, blanks to hyphens, most else dropped,
/// and a number behind one that was there before.
fn anchors(text: &str) -> Vec<String> {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let mut found = Vec::new();
    for heading in prose(text).lines().filter(|line| line.starts_with('#')) {
        let title = heading.trim_start_matches('#').trim().to_lowercase();
        let kept = title.chars().filter(|c| c.is_alphanumeric() || "-_ ".contains(*c));
        let slug: String = kept.map(|c| if c == ' ' { '-' } else { c }).collect();
        let times = seen.entry(slug.clone()).or_default();
        found.push(if *times == 0 { slug.clone() } else { format!("{slug}-{times}") });
        *times += 1;
    }
    found
}

/// The text without fenced blocks, line for line.
fn prose(text: &str) -> String {
    let mut inside = false;
    let keep = text.lines().map(|line| {
        let is_fence = line.trim_start().starts_with("```");
        inside ^= is_fence;
        if inside || is_fence { "" } else { line }
    });
    keep.collect::<Vec<_>>().join("\n")
}

/// What `[…](target)` points at, code in backticks left out.
fn targets(text: &str) -> Vec<String> {
    let prose = prose(text);
    let mut found = Vec::new();
    for paragraph in prose.split("\n\n") {
        let outside: String = paragraph.split('`').step_by(2).collect::<Vec<_>>().join("``");
        for part in outside.split("](").skip(1) {
            found.extend(part.split_once(')').map(|(target, _)| target.trim().to_owned()));
        }
    }
    found
}

fn faults(page: &Path) -> (usize, Vec<String>) {
    let text = fs::read_to_string(page).unwrap();
    let targets = targets(&text);
    let mut wrong = Vec::new();
    for target in &targets {
        if target.contains("://") {
            continue;
        }
        let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
        let path = match file {
            "" => page.to_owned(),
            file => page.parent().unwrap().join(file),
        };
        if !path.exists() {
            wrong.push(format!("{}: {target} is not there", named(page)));
        } else if !anchor.is_empty() {
            let there = anchors(&fs::read_to_string(&path).unwrap());
            if !there.iter().any(|it| it == anchor) {
                wrong.push(format!("{}: {target} is no heading of {there:?}", named(page)));
            }
        }
    }
    (targets.len(), wrong)
}

#[test]
fn every_link_points_at_something() {
    let mut all = pages();
    let more = ["README.md", "python/README.md", "examples/README.md"];
    all.extend(more.map(|name| root().join(name)));
    let readmes = files_under(&root().join("fixtures")).into_iter();
    all.extend(readmes.filter(|path| path.file_name().is_some_and(|name| name == "README.md")));
    let found: Vec<_> = all.iter().map(|page| faults(page)).collect();
    let wrong: Vec<&String> = found.iter().flat_map(|(_, wrong)| wrong).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    let links: usize = found.iter().map(|(links, _)| links).sum();
    assert!(links > 60, "only {links} links");
}

/// No page is an orphan: each is reached from the start by the contents.
#[test]
fn every_page_stands_in_the_contents() {
    let contents = fs::read_to_string(root().join("docs/index.md")).unwrap();
    for page in pages() {
        let name = page.strip_prefix(root().join("docs")).unwrap().display().to_string();
        let is_listed = contents.lines().any(|line| line.trim() == name.trim_end_matches(".md"));
        let linked = targets(&contents).contains(&name);
        let is_of_authors = name == "index.md" || name == "README.md";
        assert!(is_of_authors || (is_listed && linked), "{name} is not in docs/index.md");
    }
}

#[test]
fn a_broken_link_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let page: PathBuf = folder.path().join("page.md");
    let text = "# One two\n\n[a](#one-two) [b](page.md#three) [c](gone.md) `[d](e)`\n";
    fs::write(&page, text).unwrap();
    let (links, wrong) = faults(&page);
    assert_eq!((links, wrong.len()), (3, 2), "{wrong:?}");
}
