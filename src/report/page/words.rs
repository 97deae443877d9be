//! Counts, times and reasons as people read them.

use std::fmt::{self, Write};

/// Text inside an element or a quoted attribute: nothing in it is markup.
pub(super) struct Escaped<'a>(pub(super) &'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for letter in self.0.chars() {
            match letter {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                // A path may hold what moves a terminal's cursor, or turns the direction of text.
                letter if letter.is_control() || is_invisible(letter) => {
                    f.write_char('\u{fffd}')?
                }
                letter => f.write_char(letter)?,
            }
        }
        Ok(())
    }
}

/// Marks that change how the text round them is shown (Unicode UAX #9).
fn is_invisible(letter: char) -> bool {
    matches!(letter, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Digits in threes (ISO 80000-1, 7.3.1), with a blank that breaks no line.
pub(super) fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() * 2);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

/// A count and its noun: `1 row`, `2 rows`.
pub(super) fn many(count: u64, noun: &str) -> String {
    let end = if count == 1 { "" } else { "s" };
    format!("{} {noun}{end}", grouped(count))
}

/// A part of a whole, between 0 and 1; 0 where there is no whole.
pub(super) fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// A share as a percentage that does not round something to nothing, nor nearly all to all.
pub(super) fn percent(part: u64, whole: u64) -> String {
    let percent = share(part, whole) * 100.0;
    let text = match percent {
        _ if part == 0 => "0".to_owned(),
        _ if part == whole => "100".to_owned(),
        few if few < 0.1 => "&lt;\u{202f}0.1".to_owned(),
        most if most > 99.9 => "&gt;\u{202f}99.9".to_owned(),
        some if some < 10.0 => format!("{some:.1}"),
        some => format!("{:.0}", some.min(99.0)),
    };
    text + "\u{202f}%"
}

/// A time as one says it.
pub(super) fn duration(ms: u64) -> String {
    let seconds = ms / 1000;
    match ms {
        0..1000 => format!("{ms}\u{202f}ms"),
        1000..60_000 => format!("{seconds}.{}\u{202f}s", ms % 1000 / 100),
        60_000..3_600_000 => format!("{}\u{202f}min {:02}\u{202f}s", seconds / 60, seconds % 60),
        _ => format!("{}\u{202f}h {:02}\u{202f}min", seconds / 3600, seconds / 60 % 60),
    }
}

/// Memory in the unit that fits.
pub(super) fn bytes(count: u64) -> String {
    let (unit, size) =
        if count < 10_000_000_000 { ("MB", 1_000_000) } else { ("GB", 1_000_000_000) };
    format!("{}\u{202f}{unit}", grouped(count.div_ceil(size)))
}

/// A moment: `22 November 2026, 03:14 UTC`; what is none stays as it is.
pub(super) fn moment(rfc3339: &str) -> String {
    let Ok(moment) = rfc3339.parse::<jiff::Timestamp>() else {
        return Escaped(rfc3339).to_string();
    };
    let moment = moment.to_zoned(jiff::tz::TimeZone::UTC);
    moment.strftime("%-d %B %Y, %H:%M UTC").to_string()
}

/// Why a row was rejected, barred or a list withheld. A reason that has no words here yet is said
/// by its name.
pub(super) fn reason(name: &str) -> String {
    let words = match name {
        "empty" => "Nothing in the cell",
        "not_a_number" => "Not a phone number",
        "invalid_country_code" => "No known country code, and no country to read it against",
        "too_short_after_idd" => "Too short behind the dialling prefix",
        "too_short" => "Too short",
        "too_long" => "Too long",
        "invalid_for_region" => "No such number in its country",
        "scientific" => "Digits lost: a spreadsheet wrote 4.5E+11",
        "float_suffix" => "Damaged by a spreadsheet: ends in .0",
        "multiple_numbers" => "Several numbers in one cell",
        "placeholder" => "A filler, such as 0000000000",
        "nul_byte" => "A NUL byte in the cell",
        "bad_encoding" => "Not text in the file's encoding",
        "not_personal" => "Not a person's: toll-free, premium or the like",
        "non_geographic" => "Belongs to no country",
        "malformed_row" => "Row cut or misshapen",
        "not_a_hash" => "Not a SHA-256 hash",
        "bad_identifier" => "List or advertiser is not a plain name",
        "foreign_recipient" => "Names another advertiser than the list's own",
        "denied" => "Denied consent",
        "unreadable_consent" => "Consent that nobody can read: taken for no",
        "denied_by_signal" => "Denied by a signal of another system",
        "unreadable_signal" => "A signal that nobody can read: taken for no",
        "no_consent" => "No consent given where it is asked for",
        "opted_out" => "On the opt-out list",
        "barred_elsewhere" => "Another row of the same person says no",
        "list_too_small" => "The list has too few numbers",
        "too_few_matched" => "Too few people matched",
        "too_close_to_floor" => "Too close to the floor to be told",
        "withheld_before" => "Nearly the same list was withheld before",
        "excluded_region" => "In a country that the policy excludes",
        "recycled_number" => "May be another person's by now: the account is newer",
        "too_many_contacts" => "The address book holds more numbers than a person's does",
        "not_in_pilot" => "The business is not in the pilot",
        "no_contact_or_opt_in" => "Neither opted in nor in touch with the business of late",
        "other_wave" => "Their wave is another day's",
        "cool_down" => "The business has written to them not long ago",
        "person_cap" => "They have had as many messages as the policy allows",
        "tier_full" => "The business has written to its tier's people today",
        other => return sentence(other),
    };
    words.to_owned()
}

fn sentence(name: &str) -> String {
    let words = name.replace('_', " ");
    let mut letters = words.chars();
    let first = letters.next().map(|first| first.to_ascii_uppercase());
    let sentence: String = first.into_iter().chain(letters).collect();
    Escaped(&sentence).to_string()
}

/// English names of territories (ISO 3166-1, as the time zone database abridges them).
const COUNTRIES: &str = include_str!("countries.tsv");

/// A country's name; its code where no name is known.
pub(super) fn country(code: &str) -> String {
    let known = COUNTRIES.lines().find_map(|line| {
        let (known, name) = line.split_once('\t')?;
        (known == code).then_some(name)
    });
    Escaped(match (code, known) {
        (_, Some(name)) => name,
        ("001", None) => "No country: satellite and the like",
        (super::OTHERS, None) => "All other countries",
        (super::HASHED, None) => "Hashed lists: country unknown",
        (code, None) => code,
    })
    .to_string()
}

/// The last part of a path, which is what people call a file.
pub(super) fn file_name(path: &str) -> &str {
    match path {
        "-" => "standard input",
        path => path.trim_end_matches('/').rsplit('/').next().unwrap_or(path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::consent::BarReason;
    use crate::normalise::RejectReason;

    #[test]
    fn figures_read_as_people_write_them() {
        assert_eq!(grouped(1_234_567), "1\u{202f}234\u{202f}567");
        assert_eq!(many(1, "row") + ", " + &many(2, "row"), "1 row, 2 rows");
        let shares = [(0, 9), (1, 9_999), (1, 30), (1, 3), (9_999, 10_000), (996, 1000), (5, 5)];
        let shares = shares.map(|(part, whole)| percent(part, whole).replace('\u{202f}', ""));
        assert_eq!(shares, ["0%", "&lt;0.1%", "3.3%", "33%", "&gt;99.9%", "99%", "100%"]);
        assert_eq!(percent(0, 0), "0\u{202f}%");
        let times = [7, 12_340, 192_000, 7_500_000].map(|ms| duration(ms).replace('\u{202f}', ""));
        assert_eq!(times, ["7ms", "12.3s", "3min 12s", "2h 05min"]);
        assert_eq!(moment("2026-11-22T03:14:15.5Z"), "22 November 2026, 03:14 UTC");
        assert_eq!(country("DE") + &country("QQ"), "GermanyQQ");
    }

    #[test]
    fn nothing_is_markup_that_was_text() {
        let nasty = "<script>\"&'\u{1b}[31m\u{202e}";
        let safe = "&lt;script&gt;&quot;&amp;&#39;\u{fffd}[31m\u{fffd}";
        assert_eq!(Escaped(nasty).to_string(), safe);
        assert_eq!(reason("<b>"), "&lt;b&gt;");
        assert_eq!(moment("<b>"), "&lt;b&gt;");
    }

    /// Spelled out, for all that there are: a name turned into a sentence is a stopgap.
    #[test]
    fn every_reason_of_this_version_has_words() {
        let rejects = RejectReason::ALL.map(RejectReason::name);
        let bars = [BarReason::Denied, BarReason::OptedOut, BarReason::Elsewhere];
        for name in rejects.into_iter().chain(bars.map(BarReason::name)) {
            let same = ["too_short", "too_long"].contains(&name);
            assert!(same || reason(name) != sentence(name), "{name}");
        }
    }
}
