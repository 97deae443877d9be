//! When was that? Dates in cells, and the day that a run counts from.
//!
//! A cell is read in one of these forms and in no other: RFC 3339 with an offset
//! (`2026-11-22T10:00:00Z`, a blank for the `T`), an ISO 8601 date (`2026-11-22`, `20261122`), the
//! same with a time but no offset, Unix seconds (nine or ten digits) or milliseconds (thirteen).
//! `11/12/2026` is two days at once and stays unread. A date, or a time without an offset, stands
//! for its whole day in UTC: whoever compares takes the end of it that protects the person.

use std::num::NonZeroU32;

use jiff::civil::Date;

/// A second between 1970 and 2106. Four bytes, so that a list may have one for each row.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Moment(NonZeroU32);

/// A day in UTC, as days since 1 January 1970.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Day(i32);

/// When something happened, as far as its cell says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum When {
    /// The cell is empty.
    Blank,
    /// The cell says something that is no date.
    Unreadable,
    /// Between two seconds, both included; the same one where the cell is exact.
    Between(Moment, Moment),
}

const SECONDS_A_DAY: i64 = 24 * 60 * 60;

impl Moment {
    /// Before every other.
    pub const FIRST: Self = Self(NonZeroU32::MIN);
    /// After every other.
    pub const LAST: Self = Self(NonZeroU32::MAX);

    /// The second as a table keeps it, in the order of moments; zero is none.
    #[must_use]
    pub fn to_bits(moment: Option<Self>) -> u32 {
        moment.map_or(0, |moment| moment.0.get())
    }

    /// The inverse of [`Moment::to_bits`].
    #[must_use]
    pub fn from_bits(bits: u32) -> Option<Self> {
        NonZeroU32::new(bits).map(Self)
    }

    fn from_second(second: i64) -> Option<Self> {
        u32::try_from(second.checked_add(1)?).ok().and_then(NonZeroU32::new).map(Self)
    }

    /// Its day in UTC.
    #[must_use]
    pub fn day(self) -> Day {
        Day::of_second(i64::from(self.0.get()) - 1)
    }
}

impl Day {
    /// Today in UTC.
    #[must_use]
    pub fn today() -> Self {
        Self::of_second(jiff::Timestamp::now().as_second())
    }

    /// Reads `2026-11-22`, and nothing else.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        plain_date(text.as_bytes()).map(|date| Self::of_second(first_second(date)))
    }

    fn of_second(second: i64) -> Self {
        // Seconds of jiff's range (years -9999 to 9999) are days that fit easily.
        Self(i32::try_from(second.div_euclid(SECONDS_A_DAY)).unwrap_or(i32::MAX))
    }

    /// So many days later.
    #[must_use]
    pub fn plus(self, days: u32) -> Self {
        Self(self.0.saturating_add_unsigned(days))
    }

    /// How many days lie between `earlier` and this day; none when `earlier` is later.
    #[must_use]
    pub fn days_since(self, earlier: Self) -> Option<u32> {
        u32::try_from(i64::from(self.0) - i64::from(earlier.0)).ok()
    }

    /// Days since 1 January 1970, as Parquet and Arrow count dates.
    #[must_use]
    pub const fn to_number(self) -> i32 {
        self.0
    }

    /// The inverse of [`Day::to_number`].
    #[must_use]
    pub const fn from_number(days: i32) -> Self {
        Self(days)
    }
}

impl std::fmt::Display for Day {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let second = i64::from(self.0) * SECONDS_A_DAY;
        let time = jiff::Timestamp::from_second(second).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        write!(f, "{}", time.strftime("%Y-%m-%d"))
    }
}

impl When {
    /// Reads a cell.
    #[must_use]
    pub fn from_cell(cell: &[u8]) -> Self {
        let cell = cell.trim_ascii();
        if cell.is_empty() || cell.eq_ignore_ascii_case(b"null") {
            return Self::Blank;
        }
        if let Some(date) = plain_date(cell) {
            return Self::of_seconds(Some(whole_day(date)));
        }
        let Ok(text) = std::str::from_utf8(cell) else { return Self::Unreadable };
        let seconds = if text.bytes().all(|byte| byte.is_ascii_digit()) {
            seconds_of_digits(text)
        } else if let Ok(time) = text.parse::<jiff::Timestamp>() {
            Some((time.as_second(), time.as_second()))
        } else {
            text.parse().ok().map(whole_day)
        };
        Self::of_seconds(seconds)
    }

    fn of_seconds(seconds: Option<(i64, i64)>) -> Self {
        let between = seconds.and_then(|(first, last)| {
            Some(Self::Between(Moment::from_second(first)?, Moment::from_second(last)?))
        });
        between.unwrap_or(Self::Unreadable)
    }

    /// True for a cell that says something that is no date.
    #[must_use]
    pub fn is_unreadable(self) -> bool {
        self == Self::Unreadable
    }

    /// The first second that it may be. What cannot be read may be long ago.
    #[must_use]
    pub const fn earliest(self) -> Option<Moment> {
        match self {
            Self::Blank => None,
            Self::Unreadable => Some(Moment::FIRST),
            Self::Between(first, _) => Some(first),
        }
    }

    /// The last second that it may be. What cannot be read may be just now.
    #[must_use]
    pub const fn latest(self) -> Option<Moment> {
        match self {
            Self::Blank => None,
            Self::Unreadable => Some(Moment::LAST),
            Self::Between(_, last) => Some(last),
        }
    }

    /// The day, for what counts only when it is known: none for what cannot be read.
    #[must_use]
    pub fn known_day(self) -> Option<Day> {
        match self {
            Self::Blank | Self::Unreadable => None,
            Self::Between(first, _) => Some(first.day()),
        }
    }
}

fn seconds_of_digits(text: &str) -> Option<(i64, i64)> {
    match text.len() {
        8 => text.parse().ok().map(whole_day),
        9 | 10 => text.parse().ok().map(|second: i64| (second, second)),
        13 => text.parse().ok().map(|millisecond: i64| (millisecond / 1000, millisecond / 1000)),
        _ => None,
    }
}

/// `2026-11-22`, which is what most cells say. To ask the library for a time first and then for a
/// date was a fortieth of a whole run's cost.
fn plain_date(cell: &[u8]) -> Option<Date> {
    let &[y0, y1, y2, y3, b'-', m0, m1, b'-', d0, d1] = cell else { return None };
    let number = |digits: &[u8]| {
        let mut digits = digits.iter().map(|digit| digit.is_ascii_digit().then(|| digit - b'0'));
        digits.try_fold(0_i16, |number, digit| Some(number * 10 + i16::from(digit?)))
    };
    let part = |digits: &[u8]| i8::try_from(number(digits)?).ok();
    Date::new(number(&[y0, y1, y2, y3])?, part(&[m0, m1])?, part(&[d0, d1])?).ok()
}

/// The first and the last second of a day in UTC.
fn whole_day(date: Date) -> (i64, i64) {
    let first = first_second(date);
    (first, first + SECONDS_A_DAY - 1)
}

/// The first second of a day in UTC.
fn first_second(date: Date) -> i64 {
    const EPOCH: Date = jiff::civil::date(1970, 1, 1);
    date.duration_since(EPOCH).as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Moment {
        Moment::from_second(second).unwrap()
    }

    #[test]
    fn dates_are_read_in_the_documented_forms() {
        let noon = 1_795_435_200;
        let day = When::Between(at(noon - 43_200), at(noon + 43_199));
        for (cell, expected) in [
            ("2026-11-23T12:00:00Z", When::Between(at(noon), at(noon))),
            ("2026-11-23 13:00:00+01:00", When::Between(at(noon), at(noon))),
            ("1795435200", When::Between(at(noon), at(noon))),
            ("1795435200999", When::Between(at(noon), at(noon))),
            (" 2026-11-23 ", day),
            ("20261123", day),
            ("2026-11-23T12:00:00", day),
            ("2026-11-23 12:00:00.5", day),
            ("", When::Blank),
            ("NULL", When::Blank),
        ] {
            assert_eq!(When::from_cell(cell.as_bytes()), expected, "{cell}");
        }
    }

    #[test]
    fn what_is_no_date_is_unreadable_and_counts_as_both_ends_of_time() {
        for cell in ["11/12/2026", "2026-13-01", "yesterday", "12025550123", "1", "0001-01-01"] {
            let when = When::from_cell(cell.as_bytes());
            assert_eq!(when, When::Unreadable, "{cell}");
            assert_eq!((when.earliest(), when.latest()), (Some(Moment::FIRST), Some(Moment::LAST)));
            assert_eq!(when.known_day(), None);
        }
        assert_eq!(When::from_cell(b"\xff"), When::Unreadable);
    }

    #[test]
    fn days_are_written_as_they_are_read() {
        let day = Day::from_text("2026-02-28").unwrap();
        assert_eq!(day.plus(1).to_string(), "2026-03-01");
        assert_eq!((day.plus(3).days_since(day), day.days_since(day.plus(1))), (Some(3), None));
        assert_eq!(Day::from_number(day.to_number()), day);
        for bad in ["20260228", "2026-02-29", "2026-02-28T00:00", ""] {
            assert_eq!(Day::from_text(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_plain_date_is_read_as_the_library_reads_it() {
        for year in [0, 1899, 1900, 1970, 1999, 2000, 2026, 2100, 2105, 9998] {
            for month in 0..=13 {
                for day in 0..=32 {
                    let text = format!("{year:04}-{month:02}-{day:02}");
                    let date: Option<Date> = text.parse().ok();
                    assert_eq!(plain_date(text.as_bytes()), date, "{text}");
                    let second = date.map(|date| {
                        let start = date.to_zoned(jiff::tz::TimeZone::UTC).unwrap();
                        start.timestamp().as_second()
                    });
                    assert_eq!(date.map(first_second), second, "{text}");
                }
            }
        }
        for bad in ["2026-1-022", "2026/11/22", "202a-11-22", "-026-11-22", "2026-11-2", ""] {
            assert_eq!(plain_date(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn a_moment_takes_no_more_room_than_four_bytes() {
        assert_eq!(size_of::<Option<Moment>>(), 4);
    }
}
