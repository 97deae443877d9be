//! The pages under `docs/`: what they show is what happens, what they list is what there is, and
//! what they point at is there.
//!
//! `PHONEMATCH_BLESS=1 cargo test --test main docs::` writes outputs and tables anew; the diff is
//! reviewed. How a page is written stands in `docs/README.md`.

mod console;
mod fields;
mod links;
mod reference;

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn is_blessed() -> bool {
    std::env::var_os("PHONEMATCH_BLESS").is_some()
}

/// Every Markdown file under `docs/`, in the order of their names.
fn pages() -> Vec<PathBuf> {
    let mut files = crate::support::files_under(&root().join("docs"));
    files.retain(|path| path.extension().is_some_and(|kind| kind == "md"));
    files
}

/// The path as messages name it.
fn named(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

/// A fenced block of a page.
struct Block {
    /// What stands behind the opening fence: `console`, `toml`, ...
    kind: String,
    /// The page's line that its first line is, from 0.
    first: usize,
    lines: Vec<String>,
}

/// The blocks of a page; one that is never closed fails the test.
#[track_caller]
fn blocks(text: &str) -> Vec<Block> {
    let (mut found, mut open): (Vec<Block>, Option<Block>) = (Vec::new(), None);
    for (at, line) in text.lines().enumerate() {
        let fence = line.trim_start().strip_prefix("```");
        open = match (open, fence) {
            (None, Some(kind)) => {
                Some(Block { kind: kind.trim().to_owned(), first: at + 1, lines: Vec::new() })
            }
            (Some(block), Some(_)) => {
                found.push(block);
                None
            }
            (Some(mut block), None) => {
                block.lines.push(line.to_owned());
                Some(block)
            }
            (None, None) => None,
        };
    }
    assert!(open.is_none(), "a block is never closed");
    found
}

/// Writes what has changed, when blessed; else the page must be so already.
fn must_be(path: &Path, current: &str) {
    let written = fs::read_to_string(path).unwrap_or_default();
    if written == current {
        return;
    }
    if is_blessed() {
        fs::write(path, current).unwrap();
        return;
    }
    let differs = written.lines().zip(current.lines()).position(|(a, b)| a != b);
    let line = differs.map_or(written.lines().count().min(current.lines().count()), |at| at) + 1;
    let (said, is) = (written.lines().nth(line - 1), current.lines().nth(line - 1));
    panic!(
        "{} line {line} is not current:\n  it says {said:?}\n  it is   {is:?}\n\
         PHONEMATCH_BLESS=1 cargo test --test main docs:: writes it anew",
        named(path)
    );
}
