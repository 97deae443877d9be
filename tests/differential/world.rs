//! Made-up numbers in made-up spellings.

use phonematch::normalise::{Hint, Region};

use super::metadata::{self, Metadata, Territory};
use super::pattern::Pattern;
use crate::support::random::Random;

/// One question to both readers.
pub struct Case {
    pub text: Vec<u8>,
    pub hint: Hint,
}

/// All numbering plans, and the dice.
pub struct World {
    metadata: Metadata,
    draw: Random,
}

impl World {
    pub fn new(seed: u64) -> Self {
        Self { metadata: metadata::load().unwrap(), draw: Random(seed) }
    }

    /// A number of some territory, written somehow, to be read under some hint.
    pub fn case(&mut self) -> Case {
        let Self { metadata, draw } = self;
        let territory = draw.pick_ref(&metadata.territories);
        if draw.one_in(12) {
            return noise(metadata, draw);
        }
        let mut national = national(territory, draw);
        if draw.one_in(3) {
            mutate(&mut national, draw);
        }
        if draw.one_in(40) {
            stretch(&mut national, draw);
        }
        if draw.one_in(60) {
            national = filler(draw);
        }
        let (digits, hint) = spelled(metadata, territory, &national, draw);
        let mut text = digits;
        if draw.one_in(3) {
            text = separated(&text, draw);
        }
        if draw.one_in(6) {
            text = in_another_script(&text, draw);
        }
        if draw.one_in(4) {
            text = decorated(&text, draw);
        }
        Case { text: text.into_bytes(), hint }
    }
}

/// A walk through one of a territory's patterns, its length possible or not.
fn national(territory: &Territory, draw: &mut Random) -> String {
    let mut all = vec![&territory.general];
    all.extend(territory.other_types.iter().map(|(_, desc)| desc));
    all.extend(&territory.fixed_line);
    all.extend(&territory.mobile);
    let mut text = String::new();
    walk(&draw.pick(&all).pattern, draw, &mut text);
    if let Some(leading) = &territory.leading_digits
        && draw.one_in(6)
    {
        let mut led = String::new();
        walk(leading, draw, &mut led);
        led.extend(text.chars().skip(led.len()));
        return led;
    }
    text
}

fn walk(pattern: &Pattern, draw: &mut Random, text: &mut String) {
    match pattern {
        Pattern::End => {}
        Pattern::Class(set) => {
            let digits: Vec<u8> = (0..10).filter(|d| set & (1 << d) != 0).collect();
            text.push(char::from(b'0' + draw.pick(&digits)));
        }
        Pattern::Concat(parts) => parts.iter().for_each(|part| walk(part, draw, text)),
        Pattern::Alt(parts) => walk(draw.pick_ref(parts), draw, text),
        Pattern::Group(_, inner) => walk(inner, draw, text),
        Pattern::Repeat(inner, min, max) => {
            for _ in 0..min + draw.below(max - min + 1) {
                walk(inner, draw, text);
            }
        }
    }
}

fn digit(draw: &mut Random) -> char {
    char::from(b"0123456789"[draw.below(10)])
}

/// One or two typing errors.
fn mutate(text: &mut String, draw: &mut Random) {
    for _ in 0..1 + draw.below(2) {
        let at = draw.below(text.len() + 1);
        match draw.below(4) {
            0 => text.insert(at, digit(draw)),
            1 if at < text.len() => {
                text.remove(at);
            }
            2 if at < text.len() => {
                let new = digit(draw).to_string();
                text.replace_range(at..=at, &new);
            }
            3 => text.truncate(at.max(1)),
            _ => text.push(digit(draw)),
        }
    }
}

/// To a length near a limit.
fn stretch(text: &mut String, draw: &mut Random) {
    let wanted = draw.pick(&[1, 2, 3, 4, 5, 13, 14, 15, 16, 17, 18, 19, 20, 21, 24, 30]);
    while text.len() < wanted {
        text.push(digit(draw));
    }
    text.truncate(wanted);
}

/// Zeros, then one digit over and over or digits along the keys.
fn filler(draw: &mut Random) -> String {
    let zeros = "0".repeat(draw.below(22));
    let count = draw.below(13);
    if draw.one_in(2) {
        let digit = digit(draw).to_string();
        return zeros + &digit.repeat(count + 1);
    }
    let keys = draw.pick(&["12345678901234567890", "98765432100000000000"]);
    zeros + &keys[..=count]
}

fn walked(pattern: Option<&Pattern>, draw: &mut Random) -> String {
    let mut text = String::new();
    if let Some(pattern) = pattern {
        walk(pattern, draw, &mut text);
    }
    text
}

fn region_hint(territory: &Territory) -> Hint {
    let region = Region::from_code(territory.id.as_bytes());
    Hint::Region(region.unwrap_or(Region::WORLD))
}

fn any_hint(metadata: &Metadata, territory: &Territory, draw: &mut Random) -> Hint {
    match draw.below(16) {
        0..4 => Hint::International,
        4..6 => Hint::None,
        6..10 => region_hint(territory),
        10 => Hint::Region(Region::from_code(b"ZZ").unwrap()),
        11 => Hint::Region(Region::WORLD),
        12 => {
            let code = territory.calling_code;
            let same: Vec<_> =
                metadata.territories.iter().filter(|t| t.calling_code == code).collect();
            region_hint(draw.pick(&same))
        }
        _ => region_hint(draw.pick_ref(&metadata.territories)),
    }
}

/// A prefix, perhaps a calling code, and the number; and how it is to be read.
fn spelled(
    metadata: &Metadata,
    territory: &Territory,
    national: &str,
    draw: &mut Random,
) -> (String, Hint) {
    let code = territory.calling_code;
    let own = region_hint(territory);
    match draw.below(16) {
        0..3 => (format!("+{code}{national}"), any_hint(metadata, territory, draw)),
        3..5 => (format!("{code}{national}"), Hint::International),
        5 => (format!("{code}{national}"), any_hint(metadata, territory, draw)),
        6..8 => (national.to_owned(), own),
        8..11 => {
            let prefix = walked(territory.national_prefix.as_ref(), draw);
            (format!("{prefix}{national}"), own)
        }
        11..13 => {
            let from = draw.pick_ref(&metadata.territories);
            let idd = walked(from.idd.as_ref(), draw);
            (format!("{idd}{code}{national}"), region_hint(from))
        }
        13 => {
            let prefix = walked(territory.national_prefix.as_ref(), draw);
            let text = format!("+{code}{prefix}{national}");
            (text, any_hint(metadata, territory, draw))
        }
        14 => {
            let prefix = walked(territory.national_prefix.as_ref(), draw);
            (format!("{code}{prefix}{national}"), any_hint(metadata, territory, draw))
        }
        _ => {
            let odd = draw.pick(&["0", "00", "+00", "+0", "011", "++", "1", "0011", "810", "8~10"]);
            (format!("{odd}{code}{national}"), any_hint(metadata, territory, draw))
        }
    }
}

const SEPARATORS: [&str; 22] = [
    " ", " ", "-", ".", "/", "(", ")", "(0)", "  ", "[", "]", " - ", "*", "\u{a0}", "\u{2011}",
    "\u{2013}", "\u{200e}", "\u{ad}", "\u{200b}", "\u{3000}", "\u{2060}", "\u{ff0f}",
];

fn separated(text: &str, draw: &mut Random) -> String {
    let every = 2 + draw.below(4);
    let mut found = String::new();
    for (index, c) in text.chars().enumerate() {
        if index > 0 && draw.one_in(every) {
            found.push_str(draw.pick(&SEPARATORS));
        }
        found.push(c);
    }
    found
}

fn in_another_script(text: &str, draw: &mut Random) -> String {
    let zero = draw.pick(&[0xff10, 0x660, 0x6f0, 0x966, 0x1d7ce, 0x9e6, 0xe50]);
    let all = !draw.one_in(4);
    text.chars()
        .map(|c| match c.to_digit(10) {
            Some(value) if all || draw.one_in(2) => char::from_u32(zero + value).unwrap(),
            None if c == '+' && draw.one_in(2) => '\u{ff0b}',
            _ => c,
        })
        .collect()
}

const BEFORE: [&str; 18] = [
    "tel:", "Tel. ", "'", "=\"", " ", "\u{202a}", "\u{200e}", "\u{feff}", "(", "T: ", "\t", "#",
    "mobile ", "\u{e9}", "a;", "+", "e1", "\u{2069}",
];
const AFTER: [&str; 26] = [
    " ",
    "\u{202c}",
    "\"",
    ".",
    ",",
    "\n",
    " ext. 45",
    "x45",
    " (mobile)",
    ";ext=7",
    "#",
    " #12",
    ".0",
    ",00",
    "E+11",
    "@s.whatsapp.net",
    ";phone-context=+44",
    " / 12345678",
    ";1234567890",
    "\u{b2}",
    "abc",
    " x",
    "/x5",
    "~1",
    ";isub=1",
    "\u{30fc}",
];

fn decorated(text: &str, draw: &mut Random) -> String {
    let mut found = String::new();
    if draw.one_in(2) {
        found.push_str(draw.pick(&BEFORE));
    }
    found.push_str(text);
    if !draw.one_in(3) {
        found.push_str(draw.pick(&AFTER));
    }
    found
}

/// Strings over the gate's alphabet that are nobody's number.
fn noise(metadata: &Metadata, draw: &mut Random) -> Case {
    const ALPHABET: [&str; 36] = [
        "0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "0", "1", "0", "7", "9", "4", "+", " ",
        "-", "(", ")", ".", "[", "]", "/", "*", "\u{a0}", "\u{2011}", "\u{200f}", "\u{ff15}", ",",
        "\"", "x", "a", ";", "~",
    ];
    let digits_only = draw.one_in(2);
    let mut text = String::new();
    for _ in 0..draw.below(26) {
        text.push_str(if digits_only {
            ALPHABET[draw.below(10)]
        } else {
            ALPHABET[draw.below(ALPHABET.len())]
        });
    }
    if digits_only && draw.one_in(2) {
        text.insert(0, '+');
    }
    let mut text = text.into_bytes();
    if draw.one_in(50) {
        let at = draw.below(text.len() + 1);
        text.insert(at, draw.below(256) as u8);
    }
    if draw.one_in(200) {
        text.extend([b' '; 300].iter().take(draw.below(300)));
    }
    let territory = draw.pick_ref(&metadata.territories);
    Case { text, hint: any_hint(metadata, territory, draw) }
}
