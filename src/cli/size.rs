//! How many bytes is `200MB`?

/// Units: decimal ones as disks count, binary ones as memory does.
const UNITS: [(&str, u64); 7] = [
    ("kb", 1_000),
    ("mb", 1_000_000),
    ("gb", 1_000_000_000),
    ("tb", 1_000_000_000_000),
    ("kib", 1 << 10),
    ("mib", 1 << 20),
    ("gib", 1 << 30),
];

/// Reads a whole number or one with a fraction, and a unit: `200MB`, `1.5 GiB`. A number without a
/// unit is none: bytes are not meant, and which unit is would be guessed.
pub fn bytes(text: &str) -> Option<u64> {
    let text = text.trim().to_ascii_lowercase();
    let (number, unit) = text.split_at(text.find(|c: char| c.is_ascii_alphabetic())?);
    let (_, unit) = UNITS.into_iter().find(|(name, _)| *name == unit)?;
    let (whole, fraction) = number.trim_end().split_once('.').unwrap_or((number.trim_end(), ""));
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !is_number(whole) || !is_number(fraction) || fraction.len() > 3 {
        return None;
    }
    let thousandths: u64 = format!("{fraction:0<3}").parse().ok()?;
    let whole: u64 = whole.parse().ok()?;
    let bytes = whole.checked_mul(1000)?.checked_add(thousandths)?.checked_mul(unit)?;
    Some(bytes / 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_a_number_and_a_unit() {
        for (text, is) in [
            ("200MB", 200_000_000),
            ("1.5 GB", 1_500_000_000),
            ("2gib", 2 << 30),
            (" 512 MiB ", 512 << 20),
            ("0.125kb", 125),
        ] {
            assert_eq!(bytes(text), Some(is), "{text}");
        }
        for none in
            ["", "200", "MB", "-1MB", "1.MBs", "1,5GB", "1e3MB", "1.2345GB", "99999999999TB"]
        {
            assert_eq!(bytes(none), None, "{none}");
        }
    }
}
