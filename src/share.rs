//! What part of a whole? A count in millionths: exact to compare, and the same on every machine.

use std::fmt;

/// Millionths of a whole.
const WHOLE: u32 = 1_000_000;

/// A part of a whole, in millionths. More than a whole where something has grown.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Share(u32);

impl Share {
    /// All of it.
    pub const WHOLE: Self = Self(WHOLE);

    /// So many millionths.
    #[must_use]
    pub const fn from_millionths(millionths: u32) -> Self {
        Self(millionths)
    }

    /// So many percent.
    #[must_use]
    pub const fn percent(percent: u16) -> Self {
        Self(percent as u32 * (WHOLE / 100))
    }

    /// So many of a thousand.
    #[must_use]
    pub const fn permille(permille: u16) -> Self {
        Self(permille as u32 * (WHOLE / 1000))
    }

    /// Reads `0.05`, `1` or `5%`, with at most six digits behind the point (four of a percentage);
    /// none for anything else, and for four thousand wholes and more.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        let text = text.trim();
        let (text, places) = match text.strip_suffix('%') {
            Some(percent) => (percent.trim_end(), 4),
            None => (text, 6),
        };
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let is_plain = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
        let fraction = fraction.trim_end_matches('0');
        let is_one = is_plain(whole)
            && is_plain(fraction)
            && fraction.len() <= places
            && !(whole.is_empty() && fraction.is_empty());
        if !is_one {
            return None;
        }
        format!("{whole}{fraction:0<places$}").parse().ok().map(Self)
    }

    /// Reads a number as TOML and JSON write it: 0.05 is five percent.
    #[must_use]
    pub fn from_fraction(fraction: f64) -> Option<Self> {
        Self::from_text(&format!("{fraction:.6}"))
    }

    /// What `part` is of `whole`, rounded down; nothing where there is no whole.
    #[must_use]
    pub fn of(part: u64, whole: u64) -> Self {
        let millionths = u128::from(part) * u128::from(WHOLE) / u128::from(whole.max(1));
        Self(u32::try_from(millionths).unwrap_or(u32::MAX))
    }

    /// True when `part` of `whole` is more than this.
    #[must_use]
    pub fn is_exceeded_by(self, part: u64, whole: u64) -> bool {
        u128::from(part) * u128::from(WHOLE) > u128::from(whole) * u128::from(self.0)
    }

    /// True when `part` of `whole` is less than this.
    #[must_use]
    pub fn is_missed_by(self, part: u64, whole: u64) -> bool {
        u128::from(part) * u128::from(WHOLE) < u128::from(whole) * u128::from(self.0)
    }

    /// The share in millionths.
    #[must_use]
    pub const fn millionths(self) -> u32 {
        self.0
    }

    /// The share as a number for JSON: 0.05 is five percent.
    #[must_use]
    pub fn fraction(self) -> f64 {
        f64::from(self.0) / f64::from(WHOLE)
    }
}

impl serde::Serialize for Share {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.fraction())
    }
}

impl<'de> serde::Deserialize<'de> for Share {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let fraction = f64::deserialize(deserializer)?;
        Self::from_fraction(fraction).ok_or_else(|| serde::de::Error::custom("not a share"))
    }
}

impl fmt::Display for Share {
    /// `5 %`, `0.25 %`; as many decimals as are needed and two at most, but for a small share that
    /// would otherwise be written as nothing.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let per_percent = WHOLE / 100;
        let (percent, rest) = (self.0 / per_percent, self.0 % per_percent);
        let rest = if self.0 < 100 { format!("{rest:04}") } else { format!("{:02}", rest / 100) };
        match rest.trim_end_matches('0') {
            "" => write!(f, "{percent} %"),
            rest => write!(f, "{percent}.{rest} %"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_read_as_a_fraction_or_a_percentage() {
        for (text, millionths) in [
            ("0", 0),
            ("1", 1_000_000),
            ("1.0", 1_000_000),
            ("0.05", 50_000),
            (".5", 500_000),
            ("5%", 50_000),
            ("0.25 %", 2_500),
            ("100%", 1_000_000),
            ("3", 3_000_000),
            ("0.000001", 1),
        ] {
            assert_eq!(Share::from_text(text).map(Share::millionths), Some(millionths), "{text}");
        }
        for text in ["", ".", "%", "-1", "+1", "1e2", "0.0000001", "1,5", "NaN", "5000", "0.5 x"] {
            assert_eq!(Share::from_text(text), None, "{text}");
        }
        assert_eq!(Share::from_fraction(0.05), Some(Share::percent(5)));
        assert_eq!(Share::from_fraction(0.0), Some(Share::percent(0)));
        for none in [f64::NAN, f64::INFINITY, -0.5, 1e9] {
            assert_eq!(Share::from_fraction(none), None);
        }
    }

    #[test]
    fn a_share_comes_back_from_json_as_it_was() {
        for millionths in [1, 333, 10_000, 123_456, 999_999, 1_000_000] {
            let share = Share::from_millionths(millionths);
            let text = serde_json::to_string(&share).unwrap();
            assert_eq!(serde_json::from_str::<Share>(&text).unwrap(), share, "{text}");
        }
        assert!(serde_json::from_str::<Share>("-0.5").is_err());
    }

    #[test]
    fn a_limit_is_held_to_the_row() {
        let limit = Share::percent(5);
        assert!(!limit.is_exceeded_by(5, 100) && limit.is_exceeded_by(6, 100));
        assert!(!limit.is_missed_by(5, 100) && limit.is_missed_by(4, 100));
        assert!(!limit.is_exceeded_by(0, 0) && !limit.is_missed_by(0, 0));
        assert!(!Share::WHOLE.is_exceeded_by(u64::MAX, u64::MAX));
    }

    #[test]
    fn a_share_is_written_as_a_percentage() {
        let of = |part, whole| Share::of(part, whole).to_string();
        assert_eq!(of(1, 20), "5 %");
        assert_eq!(of(1, 400), "0.25 %");
        assert_eq!(of(1, 3), "33.33 %");
        assert_eq!(of(1, 100_000), "0.001 %");
        assert_eq!(of(0, 10), "0 %");
        assert_eq!(of(10, 10), "100 %");
        assert_eq!(of(5, 0), "500 %");
    }
}
