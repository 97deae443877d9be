//! The metadata file of the `rlibphonenumber` package: where it is and what it says.

// The fields are marked as deprecated because the crate's own wrapper empties them; read from the
// file, they are full.
#![allow(deprecated)]

use std::path::PathBuf;
use std::process::Command;

use prost::Message;
use rlibphonenumber::{PhoneMetadata, PhoneMetadataCollection, PhoneNumberDesc};
use sha2::{Digest, Sha256};

use super::pattern::{Pattern, parse_anchored};

/// One territory's numbering plan.
pub struct Territory {
    /// libphonenumber's region code: two letters, or `001`.
    pub id: String,
    /// Its calling code.
    pub calling_code: u16,
    /// True for the territory that speaks for a shared calling code.
    pub main: bool,
    /// Prefix that tells its numbers from others of the same calling code.
    pub leading_digits: Option<Pattern>,
    /// All numbers.
    pub general: Desc,
    /// Fixed lines and mobiles: each `None` where there are no such numbers.
    pub fixed_line: Option<Desc>,
    /// Mobiles.
    pub mobile: Option<Desc>,
    /// The other types in the order in which libphonenumber asks for them.
    pub other_types: Vec<(u8, Desc)>,
    /// Fixed line and mobile are the same pattern.
    pub same_fixed_and_mobile: bool,
    /// Lengths that only a local number has.
    pub local_lengths: u32,
    /// What is dialled before a foreign number.
    pub idd: Option<Pattern>,
    /// What is dialled before a national number.
    pub national_prefix: Option<Pattern>,
    /// What such a number is turned into; empty: the prefix is taken away.
    pub transform: String,
}

/// A description: a pattern and the lengths (as bits) that go with it; no bits: any length.
pub struct Desc {
    /// The numbers.
    pub pattern: Pattern,
    /// Their lengths.
    pub lengths: u32,
}

/// The file, decoded.
pub struct Metadata {
    /// Its version, as the package's read-me states it.
    pub version: String,
    /// Its SHA-256.
    pub digest: [u8; 32],
    /// In the file's order.
    pub territories: Vec<Territory>,
}

/// Finds the file with `cargo metadata` and decodes it.
///
/// # Errors
///
/// A description of what is missing or not understood.
pub fn load() -> Result<Metadata, String> {
    let package = locate()?;
    let readme = std::fs::read_to_string(package.join("Readme.md"))
        .map_err(|error| format!("cannot read the read-me: {error}"))?;
    let version = readme
        .split_once("**Used metadata version:** `v")
        .and_then(|(_, rest)| rest.split_once('`'))
        .map(|(version, _)| version.to_owned())
        .ok_or("the read-me names no metadata version")?;
    let path = package.join("src/generated/metadata/metadata.bin");
    let bytes = std::fs::read(&path).map_err(|error| format!("cannot read metadata: {error}"))?;
    let collection = PhoneMetadataCollection::decode(bytes.as_slice())
        .map_err(|error| format!("cannot decode metadata: {error}"))?;
    let territories: Result<Vec<_>, String> = collection
        .metadata
        .iter()
        .map(|metadata| territory(metadata).map_err(|cause| format!("{}: {cause}", metadata.id)))
        .collect();
    Ok(Metadata { version, digest: Sha256::digest(&bytes).into(), territories: territories? })
}

/// The folder of the pinned package.
fn locate() -> Result<PathBuf, String> {
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["metadata", "--format-version", "1", "--locked"])
        .output()
        .map_err(|error| format!("cannot run cargo metadata: {error}"))?;
    let parsed: serde_json::Value = serde_json::from_slice(&output.stdout)
        .map_err(|error| format!("cannot read cargo metadata: {error}"))?;
    let manifest = parsed["packages"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|package| package["name"] == "rlibphonenumber")
        .and_then(|package| package["manifest_path"].as_str())
        .ok_or("rlibphonenumber is not among the dependencies")?;
    Ok(PathBuf::from(manifest).with_file_name(""))
}

fn territory(metadata: &PhoneMetadata) -> Result<Territory, String> {
    let optional = |text: &Option<String>| text.as_deref().map(parse_anchored).transpose();
    let general = metadata.general_desc.as_ref();
    let other_types = [
        (4, &metadata.premium_rate),
        (3, &metadata.toll_free),
        (5, &metadata.shared_cost),
        (6, &metadata.voip),
        (7, &metadata.personal_number),
        (8, &metadata.pager),
        (9, &metadata.uan),
        (10, &metadata.voicemail),
    ];
    let mut others = Vec::new();
    for (number_type, desc) in other_types {
        if let Some(desc) = description(desc.as_ref())? {
            others.push((number_type, desc));
        }
    }
    let local = general.map_or(&[][..], |general| &general.possible_length_local_only);
    let transform = metadata.national_prefix_transform_rule().to_owned();
    if transform.contains("$0") || transform.contains("${") || transform.contains("$3") {
        return Err("a transform rule of an unknown form".to_owned());
    }
    Ok(Territory {
        id: metadata.id.clone(),
        calling_code: metadata
            .country_code
            .and_then(|code| u16::try_from(code).ok())
            .ok_or("no calling code")?,
        main: metadata.main_country_for_code(),
        leading_digits: optional(&metadata.leading_digits)?,
        general: description(general)?.ok_or("no general description")?,
        fixed_line: description(metadata.fixed_line.as_ref())?,
        mobile: description(metadata.mobile.as_ref())?,
        other_types: others,
        same_fixed_and_mobile: metadata.same_mobile_and_fixed_line_pattern(),
        local_lengths: lengths(local)?.unwrap_or(0),
        idd: optional(&metadata.international_prefix)?,
        national_prefix: optional(&metadata.national_prefix_for_parsing)?,
        transform,
    })
}

/// `None` for a type that a territory does not have.
fn description(desc: Option<&PhoneNumberDesc>) -> Result<Option<Desc>, String> {
    let Some(desc) = desc else { return Ok(None) };
    let Some(pattern) = &desc.national_number_pattern else { return Ok(None) };
    let Some(lengths) = lengths(&desc.possible_length)? else { return Ok(None) };
    Ok(Some(Desc { pattern: parse_anchored(pattern)?, lengths }))
}

/// Lengths as bits; `None` for libphonenumber's `-1`, which no number has.
fn lengths(list: &[i32]) -> Result<Option<u32>, String> {
    if list == [-1] {
        return Ok(None);
    }
    let mut bits = 0;
    for &length in list {
        if !(1..=20).contains(&length) {
            return Err("a length out of range".to_owned());
        }
        bits |= 1 << length;
    }
    Ok(Some(bits))
}
