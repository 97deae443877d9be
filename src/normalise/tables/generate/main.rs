//! Writes the reader's tables from the metadata that the pinned `rlibphonenumber` carries.
//!
//! Run it after an upgrade of that crate, from the project's folder, and commit the result:
//!
//! ```text
//! cargo run --release --example phone-tables
//! ```
//!
//! The program that reads the tables is `normalise`; the same text gives the same file.

mod language;
mod metadata;
mod pattern;
mod plan;
mod rules;
mod trie;

use std::io::Write;
use std::path::Path;

use language::Languages;
use metadata::Metadata;
use phonematch::normalise::METADATA_VERSION;
use plan::{PREFIX_MAY_MATTER, Plan, State, territories_of};
use rules::Rules;
use trie::Trie;

/// First bytes of the file; the digit is the layout's version.
const MAGIC: &[u8; 8] = b"PHONETB1";

fn main() -> Result<(), String> {
    let metadata = metadata::load()?;
    if metadata.version != METADATA_VERSION {
        return Err(format!("normalise says {METADATA_VERSION}, the package {}", metadata.version));
    }
    let mut languages = Languages::new();
    let plan = Plan::new(&metadata, &mut languages);
    let trie = Trie::new(&plan);
    let rules = Rules::new(&metadata, &mut languages)?;
    let file = file(&metadata, &trie, &rules)?;
    let path = Path::new("src/normalise/tables/phone.tables");
    std::fs::write(path, &file).map_err(|error| format!("cannot write: {error}"))?;
    report(&metadata, &plan, &trie, &rules, file.len()).map_err(|error| error.to_string())
}

/// Magic, metadata version (16 bytes, filled with zeros), digest, lengths of the sections, then
/// the sections; all integers little-endian.
fn file(metadata: &Metadata, trie: &Trie, rules: &Rules) -> Result<Vec<u8>, String> {
    let mut file = MAGIC.to_vec();
    let mut version = METADATA_VERSION.as_bytes().to_vec();
    version.resize(16, 0);
    file.extend(version);
    file.extend(metadata.digest);
    let sections = [
        &trie.rows,
        &rules.territories,
        &rules.regions,
        &rules.calling_codes,
        &rules.automata,
        &rules.programs,
    ];
    let lengths = sections.iter().map(|section| section.len());
    for length in std::iter::once(trie.entries.len()).chain(lengths) {
        file.extend(u32::try_from(length).map_err(|error| error.to_string())?.to_le_bytes());
    }
    file.extend(trie.entries.iter().flat_map(|entry| entry.to_le_bytes()));
    file.extend(sections.into_iter().flatten().flat_map(|word| word.to_le_bytes()));
    Ok(file)
}

/// Says what was built, and which calling codes' prefixes may matter for a valid number.
fn report(
    metadata: &Metadata,
    plan: &Plan,
    trie: &Trie,
    rules: &Rules,
    bytes: usize,
) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "metadata {METADATA_VERSION}: {} territories", metadata.territories.len())?;
    writeln!(out, "plan: {} states", plan.len())?;
    writeln!(out, "trie: {} entries, {} rows", trie.entries.len(), trie.rows.len() / 16)?;
    writeln!(
        out,
        "rules: {} automaton states, {} program words",
        rules.automata.len() / 10,
        rules.programs.len()
    )?;
    writeln!(out, "file: {bytes} bytes")?;
    let mut codes: Vec<u16> = metadata.territories.iter().map(|t| t.calling_code).collect();
    codes.sort_unstable();
    codes.dedup();
    let mut matters = Vec::new();
    for &code in &codes {
        let root = code
            .to_string()
            .bytes()
            .fold(plan.start, |state, digit| plan.at(state).next[usize::from(digit - b'0')]);
        let first: String = (0..10)
            .filter(|&digit| prefix_may_matter(plan, plan.at(root).next[digit]))
            .map(|digit| digit.to_string())
            .collect();
        if !first.is_empty() {
            let main = &metadata.territories[territories_of(metadata, code)[0]].id;
            matters.push(format!("{code} {main}({first})"));
        }
    }
    writeln!(
        out,
        "a prefix rule may change a valid number in {} of {} calling codes: {}",
        matters.len(),
        codes.len(),
        matters.join(", ")
    )
}

fn prefix_may_matter(plan: &Plan, state: State) -> bool {
    let mut open = vec![state];
    let mut seen = std::collections::HashSet::new();
    while let Some(state) = open.pop() {
        if !seen.insert(state) {
            continue;
        }
        let step = plan.at(state);
        if step.answer & PREFIX_MAY_MATTER != 0 {
            return true;
        }
        open.extend(step.next);
    }
    false
}
