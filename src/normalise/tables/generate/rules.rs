//! What reading a number needs to know of each territory: lengths, general pattern, prefixes.
//!
//! Prefix patterns are leftmost-first with captures, so they become small programs for a
//! backtracking matcher; the general patterns only say yes or no and become automata.

use std::collections::HashMap;

use super::language::{Lang, Languages, NOTHING};
use super::metadata::{Metadata, Territory};
use super::pattern::Pattern;
use super::plan::territories_of;

/// Words of a territory's record.
pub const RECORD: usize = 17;

/// The tables that are read beside the trie.
pub struct Rules {
    /// One record of [`RECORD`] words for each territory; the first is empty.
    pub territories: Vec<u16>,
    /// By the two letters of a region code: the territory's number, or 0.
    pub regions: Vec<u16>,
    /// By the first three digits: length of the calling code and its main territory's number.
    pub calling_codes: Vec<u16>,
    /// The general patterns' automata: ten words a state, the low bit of each says "may end".
    pub automata: Vec<u16>,
    /// The prefix patterns' programs; the first word is empty.
    pub programs: Vec<u16>,
}

impl Rules {
    /// Collects them.
    ///
    /// # Errors
    ///
    /// A description of what has no place in the tables.
    pub fn new(metadata: &Metadata, languages: &mut Languages) -> Result<Self, String> {
        let mut rules = Self {
            territories: vec![0; RECORD],
            regions: vec![0; 26 * 26],
            calling_codes: vec![0; 1000],
            automata: vec![0; 10],
            programs: vec![0],
        };
        let mut writer = Automata { known: HashMap::new(), states: 1 };
        let mut programs = HashMap::new();
        for (index, territory) in metadata.territories.iter().enumerate() {
            let record = rules.record(territory, languages, &mut writer, &mut programs)?;
            rules.territories.extend(record);
            if let [a @ b'A'..=b'Z', b @ b'A'..=b'Z'] = territory.id.as_bytes() {
                let place = usize::from(a - b'A') * 26 + usize::from(b - b'A');
                rules.regions[place] = word(index + 1)?;
            }
            rules.add_calling_code(metadata, territory.calling_code)?;
        }
        Ok(rules)
    }

    fn add_calling_code(&mut self, metadata: &Metadata, code: u16) -> Result<(), String> {
        let main = territories_of(metadata, code)[0] + 1;
        let length = code.to_string().len();
        let below = 10_usize.pow(3 - u32::try_from(length).map_err(|e| e.to_string())?);
        let first = usize::from(code) * below;
        self.calling_codes[first..first + below].fill(word(length << 12 | main)?);
        Ok(())
    }

    fn record(
        &mut self,
        territory: &Territory,
        languages: &mut Languages,
        automata: &mut Automata,
        programs: &mut HashMap<Vec<u16>, u16>,
    ) -> Result<[u16; RECORD], String> {
        if territory.local_lengths & territory.general.lengths != 0 {
            return Err(format!("{}: a local length is also a possible one", territory.id));
        }
        if territory.general.lengths == 0 {
            return Err(format!("{}: no possible lengths", territory.id));
        }
        let idd = territory.idd.as_ref().map_or(NOTHING, |pattern| languages.of(pattern));
        if languages.at(idd).accept {
            return Err(format!("{}: a dialling prefix of no digits", territory.id));
        }
        let general = languages.of(&territory.general.pattern);
        let region = match territory.id.as_bytes() {
            [a, b] => u16::from_be_bytes([*a, *b]),
            _ => u16::from_be_bytes(*b"01"),
        };
        let (literal, literal_len, group) = transform(&territory.transform)?;
        let code = territory.calling_code.to_string();
        let code_digit =
            |index: usize| code.as_bytes().get(index).map_or(0, |digit| u16::from(digit - b'0'));
        Ok([
            region,
            territory.calling_code,
            low(territory.general.lengths),
            low(territory.general.lengths >> 16),
            low(territory.local_lengths),
            low(territory.local_lengths >> 16),
            automata.write(general, languages, &mut self.automata)?,
            self.program(territory.idd.as_ref(), programs)?,
            self.program(territory.national_prefix.as_ref(), programs)?,
            group,
            literal,
            literal_len,
            code_digit(0) | code_digit(1) << 8,
            code_digit(2) | word(code.len())? << 8,
            Self::first_digits(territory.idd.as_ref(), languages),
            Self::first_digits(territory.national_prefix.as_ref(), languages),
            second_digits(idd, languages),
        ])
    }

    /// The digits with which a prefix that is not empty can start.
    fn first_digits(pattern: Option<&Pattern>, languages: &mut Languages) -> u16 {
        let Some(pattern) = pattern else { return 0 };
        let start = languages.of(pattern);
        let next = languages.at(start).next;
        (0..10).filter(|&digit| next[digit] != NOTHING).fold(0, |set, digit| set | 1 << digit)
    }

    fn program(
        &mut self,
        pattern: Option<&Pattern>,
        known: &mut HashMap<Vec<u16>, u16>,
    ) -> Result<u16, String> {
        let Some(pattern) = pattern else { return Ok(0) };
        if pattern.groups() > 2 {
            return Err("more than two groups in a prefix pattern".to_owned());
        }
        let mut program = Vec::new();
        compile(pattern, &mut program)?;
        program.push(op::MATCH);
        if let Some(&start) = known.get(&program) {
            return Ok(start);
        }
        let start = word(self.programs.len())?;
        self.programs.extend(&program);
        known.insert(program, start);
        Ok(start)
    }
}

/// The digits that can stand second where a dialling prefix stands: any, if it can be of one digit.
fn second_digits(idd: Lang, languages: &Languages) -> u16 {
    let mut set = 0;
    for lang in languages.at(idd).next {
        let node = languages.at(lang);
        if node.accept {
            return 0x3ff;
        }
        set |= (0..10).filter(|&d| node.next[d] != NOTHING).fold(0, |set, d| set | 1 << d);
    }
    set
}

/// The matcher's instructions: four bits, then an operand of twelve.
mod op {
    /// Eat a digit of the operand's set.
    pub const CLASS: u16 = 0;
    /// Go on; where that fails, start again at the operand.
    pub const SPLIT: u16 = 1 << 12;
    /// Go to the operand.
    pub const JUMP: u16 = 2 << 12;
    /// Note the place in the operand's slot.
    pub const SAVE: u16 = 3 << 12;
    /// Go on only at the end of the text.
    pub const END: u16 = 4 << 12;
    /// Done.
    pub const MATCH: u16 = 5 << 12;
}

fn compile(pattern: &Pattern, program: &mut Vec<u16>) -> Result<(), String> {
    match pattern {
        Pattern::Class(set) => program.push(op::CLASS | set),
        Pattern::End => program.push(op::END),
        Pattern::Concat(parts) => {
            for part in parts {
                compile(part, program)?;
            }
        }
        Pattern::Alt(parts) => {
            let mut jumps = Vec::new();
            for (index, part) in parts.iter().enumerate() {
                let last = index + 1 == parts.len();
                let split = program.len();
                if !last {
                    program.push(op::SPLIT);
                }
                compile(part, program)?;
                if !last {
                    jumps.push(program.len());
                    program.push(op::JUMP);
                    program[split] |= operand(program.len())?;
                }
            }
            for jump in jumps {
                program[jump] |= operand(program.len())?;
            }
        }
        Pattern::Repeat(inner, min, max) => {
            let mut splits = Vec::new();
            for count in 0..*max {
                if count >= *min {
                    splits.push(program.len());
                    program.push(op::SPLIT);
                }
                compile(inner, program)?;
            }
            for split in splits {
                program[split] |= operand(program.len())?;
            }
        }
        Pattern::Group(number, inner) => {
            program.push(op::SAVE | operand(2 * number - 2)?);
            compile(inner, program)?;
            program.push(op::SAVE | operand(2 * number - 1)?);
        }
    }
    Ok(())
}

fn operand(value: usize) -> Result<u16, String> {
    word(value).ok().filter(|&value| value < 1 << 12).ok_or("a program is too long".to_owned())
}

/// A rule such as `1481$1`: the digits, how many they are, and the group.
fn transform(rule: &str) -> Result<(u16, u16, u16), String> {
    if rule.is_empty() {
        return Ok((0, 0, 0));
    }
    let unknown = || format!("a transform rule of an unknown form: {rule}");
    let (literal, group) = rule.split_once('$').ok_or_else(unknown)?;
    let group = group.parse().map_err(|_| unknown())?;
    if !(1..=2).contains(&group) || literal.len() > 4 {
        return Err(unknown());
    }
    let value = if literal.is_empty() { 0 } else { literal.parse().map_err(|_| unknown())? };
    Ok((value, word(literal.len())?, group))
}

/// Writes automata; equal states of all territories are written once.
struct Automata {
    known: HashMap<Lang, u16>,
    states: usize,
}

impl Automata {
    fn write(
        &mut self,
        lang: Lang,
        languages: &Languages,
        table: &mut Vec<u16>,
    ) -> Result<u16, String> {
        if lang == NOTHING {
            return Ok(0);
        }
        if let Some(&known) = self.known.get(&lang) {
            return Ok(known);
        }
        let node = languages.at(lang);
        let mut next = [0; 10];
        for (place, &lang) in next.iter_mut().zip(&node.next) {
            *place = self.write(lang, languages, table)?;
        }
        let state = word(self.states << 1 | usize::from(node.accept))?;
        self.states += 1;
        table.extend(next);
        self.known.insert(lang, state);
        Ok(state)
    }
}

fn low(bits: u32) -> u16 {
    let [a, b, ..] = bits.to_le_bytes();
    u16::from_le_bytes([a, b])
}

fn word(value: usize) -> Result<u16, String> {
    u16::try_from(value).map_err(|_| "a table is too large".to_owned())
}
