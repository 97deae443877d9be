//! Reading an opt-out: wide where matching is narrow.
//!
//! A list row that cannot be read costs a match; an opt-out that cannot be read costs a person's
//! no. So every plausible reading of an opt-out counts, among them those that matching refuses on
//! purpose: a float's `.0` taken off, digits whose plus was lost, a form that the numbering plan
//! has left behind, and whatever the second reader makes of it.

use super::{
    Checks, Hint, Path, Reading, RejectReason, damage, decide, read, read_by, second_reader, slow,
};

/// What the text of one opt-out may mean.
#[derive(Clone, PartialEq, Eq)]
pub struct WideReading {
    /// Every number, as calling code and national digits; our reader's reason, when no reader makes
    /// a number of it.
    pub numbers: Result<Vec<u64>, RejectReason>,
    /// Which reader decided about the text as a list's is read.
    pub path: Path,
}

impl std::fmt::Debug for WideReading {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("WideReading(redacted)")
    }
}

/// Every number that the text of one opt-out may mean.
///
/// `is_reachable` says whether digits that are no valid number now lead to one (an old form).
pub fn read_for_suppression(
    text: &str,
    hint: Hint,
    is_reachable: impl Fn(u64) -> bool,
) -> WideReading {
    let ours = read_by(text.as_bytes(), hint, Checks::Damage);
    let numbers = widen(text, hint, ours.result, is_reachable);
    WideReading { numbers, path: ours.path }
}

/// Every other reading beside ours.
fn widen(
    text: &str,
    hint: Hint,
    ours: Result<Reading, RejectReason>,
    is_reachable: impl Fn(u64) -> bool,
) -> Result<Vec<u64>, RejectReason> {
    let mut found: Vec<u64> = ours.iter().map(|reading| reading.number.expose_digits()).collect();
    if ours == Err(RejectReason::NulByte) || ours == Err(RejectReason::Scientific) {
        return Err(ours.err().unwrap_or(RejectReason::NotANumber));
    }
    let whole = damage::without_float_suffix(text);
    let mut add = |digits: u64| {
        if !found.contains(&digits) {
            found.push(digits);
        }
    };
    // Digits that lost their plus look national, and may be a valid number of the wrong country.
    if let Ok(reading) = decide(whole, Hint::International).result {
        add(reading.number.expose_digits());
    }
    if let Err(reason) = ours {
        // A float, or international digits with no country against which they could be somebody
        // else's: the text is read, and the second reader, whose tables take 70 ms to set up, is not
        // needed for it.
        let against = match hint {
            Hint::Region(_) => hint,
            Hint::None | Hint::International => Hint::International,
        };
        let is_read = read(whole.as_bytes(), against, Checks::Damage).is_ok();
        if let Ok(reading) = read(whole.as_bytes(), hint, Checks::Damage) {
            add(reading.number.expose_digits());
        }
        for hint in [hint, Hint::International] {
            if let Some(digits) = slow::parse_only(whole, hint).filter(|&it| is_reachable(it)) {
                add(digits);
            }
            if !is_read && let Some(digits) = second_reader::read(whole, hint) {
                add(digits);
            }
        }
        if found.is_empty() {
            return Err(reason);
        }
    }
    Ok(found)
}

/// True when calling code and national digits, as written, are a valid number.
#[must_use]
pub fn is_valid(digits: u64) -> bool {
    let read = decide(&digits.to_string(), Hint::International).result;
    read.is_ok_and(|reading| reading.number.expose_digits() == digits)
}

#[cfg(test)]
mod tests {
    use super::super::Region;
    use super::*;

    fn wide(text: &str, country: &[u8]) -> Result<Vec<u64>, RejectReason> {
        let hint = Region::from_code(country).map_or(Hint::None, Hint::Region);
        read_for_suppression(text, hint, |digits| digits % 1_000_000_000 == 707_123_456).numbers
    }

    #[test]
    fn every_plausible_reading_counts() {
        assert!(wide("447911123456.0", b"GB").unwrap().contains(&447_911_123_456));
        assert!(wide("447911123456", b"").unwrap().contains(&447_911_123_456));
        assert!(wide("4915123456789", b"DE").unwrap().contains(&4_915_123_456_789));
        assert!(wide("+44 (0)7911 123456", b"").unwrap().contains(&447_911_123_456));
        assert!(wide("447911123456@s.whatsapp.net", b"DE").unwrap().contains(&447_911_123_456));
    }

    #[test]
    fn what_is_no_number_to_anybody_is_refused() {
        assert_eq!(wide("4.47911E+11", b"GB"), Err(RejectReason::Scientific));
        assert_eq!(wide("nobody", b"GB"), Err(RejectReason::NotANumber));
        assert_eq!(wide("", b"GB"), Err(RejectReason::Empty));
    }
}
