//! Numbers for worlds that are made while a test runs: from ranges set aside for fiction where
//! the numbering plan has a valid one, else random draws from the ends of the ranges that
//! `tidy.rs` lists with their sources.

use super::random::Random;

/// A made-up person: the one canonical number, and how it may be written.
#[derive(Clone, Debug)]
pub struct Person {
    pub country: &'static str,
    /// E.164 without the plus.
    pub digits: String,
    /// As dialled at home.
    pub home: String,
    /// Other spellings of the same person, none of them canonical, that an opt-out may use.
    pub aliases: Vec<String>,
}

/// Kinds of people. The first four have no alias.
pub const KINDS: usize = 11;
pub const KINDS_WITHOUT_ALIAS: usize = 4;

pub fn person(kind: usize, line: usize) -> Person {
    let two = format!("{:02}", line % 100);
    let made = |country, digits: String, home: String, aliases: &[String]| Person {
        country,
        digits,
        home,
        aliases: aliases.to_vec(),
    };
    match kind % KINDS {
        0 => made("US", format!("120255501{two}"), format!("(202) 555-01{two}"), &[]),
        1 => made("GB", format!("4420794601{two}"), format!("020 7946 01{two}"), &[]),
        2 => made("DE", format!("4917139200{two}"), format!("0171 39200{two}"), &[]),
        3 => made("FR", format!("331990000{two}"), format!("01 99 00 00 {two}"), &[]),
        4 => made(
            "MX",
            format!("5255123456{two}"),
            format!("55 1234 56{two}"),
            &[format!("+52155123456{two}"), format!("52155123456{two}")],
        ),
        5 => made(
            "AR",
            format!("54911234567{two}"),
            format!("011 15 2345-67{two}"),
            &[format!("+5411234567{two}"), format!("+54 11 2345 67{two}")],
        ),
        // The same lines without the nine: another number that the same opt-out bars.
        6 => made(
            "AR",
            format!("5411234567{two}"),
            format!("011 2345-67{two}"),
            &[format!("+54911234567{two}")],
        ),
        7 => made(
            "BR",
            format!("55319868831{two}"),
            format!("(31) 98688-31{two}"),
            &[format!("+5531868831{two}"), format!("5531868831{two}")],
        ),
        8 => made(
            "CI",
            format!("22507071234{two}"),
            format!("07 07 12 34 {two}"),
            &[format!("+225071234{two}")],
        ),
        9 => made(
            "BJ",
            format!("22901971234{two}"),
            format!("01 97 12 34 {two}"),
            &[format!("+229971234{two}")],
        ),
        _ => made(
            "IT",
            format!("3902366183{two}"),
            format!("02 366183{two}"),
            &[format!("+392366183{two}")],
        ),
    }
}

/// One of the ways to write a person's number so that it needs no country.
pub fn abroad(person: &Person, random: &mut Random) -> String {
    let digits = &person.digits;
    let (head, tail) = digits.split_at(digits.len() - 4);
    match random.below(6) {
        0 => format!("+{digits}"),
        1 => format!("+{head} {tail}"),
        2 => format!("+{head}-{tail}"),
        3 => format!("\u{202a}+{head}\u{a0}{tail}\u{202c}"),
        4 => format!("tel:+{head}-{tail}"),
        _ => format!("{digits}@s.whatsapp.net"),
    }
}
