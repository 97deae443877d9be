//! The opt-outs in a Global Privacy Platform string.
//!
//! IAB Tech Lab, *Global Privacy Platform String*, version 1.0: sections are parted by `~`, the
//! first is a header that names the others by number. Sections but `uspv1`, which is plain text,
//! are bits in URL-safe Base64 and have segments parted by `.`: the core, then an optional one for
//! Global Privacy Control. In a two-bit opt-out 0 is "not applicable", 1 "opted out", 2 "did not
//! opt out".

use super::signals::{Says, us_privacy};

/// Where a section's core says who opted out: the two-bit fields for sale, sharing and targeted
/// advertising stand side by side in every one of these.
struct Core {
    section: u32,
    /// Highest version of the section whose layout is known.
    newest: u32,
    first_bit: usize,
    opt_outs: usize,
}

/// IAB Tech Lab, technical specifications of the US national section (7: versions 1 and 2 differ
/// behind these fields) and of California's, Virginia's, Colorado's, Utah's and Connecticut's.
const CORES: [Core; 6] = [
    Core { section: 7, newest: 2, first_bit: 18, opt_outs: 3 },
    Core { section: 8, newest: 1, first_bit: 12, opt_outs: 2 },
    Core { section: 9, newest: 1, first_bit: 12, opt_outs: 2 },
    Core { section: 10, newest: 1, first_bit: 12, opt_outs: 2 },
    Core { section: 11, newest: 1, first_bit: 14, opt_outs: 2 },
    Core { section: 12, newest: 1, first_bit: 12, opt_outs: 2 },
];

const US_PRIVACY: u32 = 6;
/// The highest number that any section may have; those that exist are below 30.
const MOST_SECTION: u32 = 4095;

/// What a GPP string says about sale, sharing and targeted advertising.
pub(super) fn read(cell: &[u8]) -> Says {
    let mut sections = cell.split(|&byte| byte == b'~');
    let header = sections.next().and_then(Bits::of).and_then(|bits| sections_of(&bits));
    let Some(numbers) = header else { return Says::Unreadable };
    let texts: Vec<_> = sections.collect();
    if texts.len() != numbers.len() {
        return Says::Unreadable;
    }
    let said: Vec<_> = numbers.iter().zip(texts).map(|(&no, text)| section(no, text)).collect();
    if said.contains(&Says::No) {
        Says::No
    } else if said.contains(&Says::Unreadable) {
        Says::Unreadable
    } else {
        Says::Nothing
    }
}

fn section(number: u32, text: &[u8]) -> Says {
    if number == US_PRIVACY {
        return us_privacy(text);
    }
    let Some(core) = CORES.iter().find(|core| core.section == number) else {
        return Says::Unreadable;
    };
    let mut segments = text.split(|&byte| byte == b'.');
    let opted_out = segments.next().and_then(Bits::of).and_then(|bits| core.is_opted_out(&bits));
    let Some(mut opted_out) = opted_out else { return Says::Unreadable };
    for segment in segments {
        // Two bits of the segment's kind, of which 1 is GPC, then its one bit.
        let bits = Bits::of(segment);
        let read = bits.as_ref().and_then(|bits| Some((bits.number(0, 2)?, bits.number(2, 1)?)));
        match read {
            Some((1, gpc)) => opted_out |= gpc == 1,
            _ => return Says::Unreadable,
        }
    }
    if opted_out { Says::No } else { Says::Nothing }
}

impl Core {
    fn is_opted_out(&self, bits: &Bits) -> Option<bool> {
        let version = bits.number(0, 6)?;
        if !(1..=self.newest).contains(&version) {
            return None;
        }
        let mut opted_out = false;
        for at in 0..self.opt_outs {
            match bits.number(self.first_bit + 2 * at, 2)? {
                0 | 2 => {}
                1 => opted_out = true,
                _ => return None,
            }
        }
        Some(opted_out)
    }
}

/// The numbers of the sections that follow the header, ascending: type 3, version 1, then ranges
/// in Fibonacci code, each number as the distance from the one before.
fn sections_of(header: &Bits) -> Option<Vec<u32>> {
    if header.number(0, 6)? != 3 || header.number(6, 6)? != 1 {
        return None;
    }
    let mut at = 24;
    let mut last = 0;
    let mut numbers = Vec::new();
    for _ in 0..header.number(12, 12)? {
        let is_range = header.number(at, 1)? == 1;
        at += 1;
        let first = last + header.fibonacci(&mut at)?;
        last = if is_range { first + header.fibonacci(&mut at)? } else { first };
        if last > MOST_SECTION {
            return None;
        }
        numbers.extend(first..=last);
    }
    Some(numbers)
}

/// Bits of a Base64 text, six to a letter, the highest first.
struct Bits(Vec<u8>);

impl Bits {
    fn of(text: &[u8]) -> Option<Self> {
        let sextet = |&letter: &u8| match letter {
            b'A'..=b'Z' => Some(letter - b'A'),
            b'a'..=b'z' => Some(letter - b'a' + 26),
            b'0'..=b'9' => Some(letter - b'0' + 52),
            b'-' => Some(62),
            b'_' => Some(63),
            _ => None,
        };
        text.iter().map(sextet).collect::<Option<_>>().map(Self)
    }

    /// `count` bits from `first` as an integer; none beyond the end.
    fn number(&self, first: usize, count: usize) -> Option<u32> {
        (first..first + count).try_fold(0, |number, at| {
            let sextet = self.0.get(at / 6)?;
            Some(number << 1 | u32::from(sextet >> (5 - at % 6) & 1))
        })
    }

    /// A number in Fibonacci code (1, 2, 3, 5, 8 …, ended by two ones) from `at`, which moves on.
    fn fibonacci(&self, at: &mut usize) -> Option<u32> {
        let (mut value, mut weight, mut next) = (0u32, 1u32, 2u32);
        let mut before = 0;
        loop {
            let bit = self.number(*at, 1)?;
            *at += 1;
            if bit == 1 && before == 1 {
                return Some(value);
            }
            value += bit * weight;
            (weight, next) = (next, weight + next);
            if weight > MOST_SECTION {
                return None;
            }
            before = bit;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draws::Draws;

    /// The first four are public tools' own examples; the fifth sets the GPC bit, the sixth and
    /// seventh opt-outs, the eighth names sections 6 and 7 as a range.
    #[test]
    fn published_strings_are_read() {
        for (text, expected) in [
            ("DBABLA~BVVqAAAAAAA.QA", Says::Nothing),
            ("DBABLA~BVVqAAAAAAA", Says::Nothing),
            ("DBABLA~BVVqAAAACqA.QA", Says::Nothing),
            ("DBABLA~BVVqAAAA.QA", Says::Nothing),
            ("DBABLA~BVVqAAAAAAA.YA", Says::No),
            ("DBABLA~BVVVAAAAAAA.QA", Says::No),
            ("DBABLA~BVVmAAAAAAA.QA", Says::No),
            ("DBABzw~1YNN~BVVqAAAAAAA.QA", Says::Nothing),
            ("DBABTA~1YNN", Says::Nothing),
            ("DBABTA~1YYN", Says::No),
        ] {
            assert_eq!(read(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn what_is_not_known_is_no_permission() {
        // Sections 2 (Europe's TCF) and 6; an unknown version; a header alone; noise.
        for text in [
            "DBACNYA~CPSG_8APSG_8ANwAAAENAwCAAAAAAAAAAAAAAAAAAAAA.QAAA.IAAA~1YNN",
            "DBABLA~DVVqAAAAAAA.QA",
            "DBABLA",
            "DBABLA~BVV",
            "DBABLA~BVVqAAAAAAA.gA",
            "CPSG_8APSG_8ANwAAAENAwCAAAAAAAAAAAAAAAAAAAAA",
            "~~",
            "DBA/~1YNN",
        ] {
            assert_eq!(read(text.as_bytes()), Says::Unreadable, "{text}");
        }
    }

    #[test]
    fn the_headers_of_the_specification_name_their_sections() {
        let named = |text: &str| sections_of(&Bits::of(text.as_bytes()).unwrap()).unwrap();
        assert_eq!(named("DBACNYA"), [2, 6]);
        assert_eq!(named("DBABLA"), [7]);
        assert_eq!(named("DBABMA"), [2]);
        assert_eq!(named("DBACMYA"), [2, 5]);
    }

    #[test]
    fn no_bytes_hang_or_panic_the_reader() {
        let mut draws = Draws(1);
        for _ in 0..20_000 {
            let state = draws.bits();
            let letters = b"DBAVqQLMYNC~.1-_/\xff";
            let places = state.to_be_bytes().into_iter().chain((state >> 3).to_be_bytes());
            let text: Vec<u8> =
                places.map(|place| letters[usize::from(place) % letters.len()]).collect();
            let text = &text[..usize::from(state.to_be_bytes()[1] % 17)];
            let _ = read(&[b"DBA", text].concat());
        }
    }
}
