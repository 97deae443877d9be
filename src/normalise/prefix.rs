//! Prefix patterns, matched as libphonenumber's regular expressions match: the first alternative
//! that leads to a match, greedy repetition, two groups.
//!
//! The generator compiles each pattern to a small program; this is the backtracking matcher that
//! runs it. The patterns are finite, so it always ends.

use super::digits::Digits;
use super::tables::PROGRAMS;

/// Where a pattern matched: from the start of the digits to `end`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Match {
    pub(super) end: usize,
    /// Start and end of the two groups; a start of [`UNSET`] where a group took no part.
    slots: [u8; 4],
}

const UNSET: u8 = u8::MAX;

/// Most alternatives that can be open at once; a test follows every way through every program and
/// finds none that needs more.
const OPEN: usize = 16;

impl Match {
    /// What group 1 or 2 captured.
    pub(super) fn group(&self, number: usize) -> Option<(usize, usize)> {
        let (start, end) = match number {
            1 => (self.slots[0], self.slots[1]),
            _ => (self.slots[2], self.slots[3]),
        };
        (start != UNSET).then_some((usize::from(start), usize::from(end)))
    }
}

#[derive(Clone, Copy)]
struct Choice {
    counter: u16,
    at: u8,
    slots: [u8; 4],
}

/// What a program says of some digits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Outcome {
    Matched(Match),
    NoMatch,
    /// The matcher has not the room for this one.
    Undecided,
}

const CLASS: u16 = 0;
const SPLIT: u16 = 1;
const JUMP: u16 = 2;
const SAVE: u16 = 3;
const END: u16 = 4;

/// Runs the program that starts at `start` (0: no pattern) over digit values.
pub(super) fn run(start: usize, digits: Digits) -> Outcome {
    if start == 0 {
        return Outcome::NoMatch;
    }
    let program = &PROGRAMS[start..];
    // Most prefixes are a literal or begin with one: up to the first alternative no state is kept.
    let mut straight = 0;
    while let Some(&word) = program.get(straight)
        && word >> 12 == CLASS
    {
        let operand = word & 0xfff;
        if digits.at(straight).is_none_or(|digit| operand >> digit & 1 == 0) {
            return Outcome::NoMatch;
        }
        straight += 1;
    }
    if program.get(straight).is_some_and(|&word| word >> 12 > END) {
        return Outcome::Matched(Match { end: straight, slots: [UNSET; 4] });
    }
    let mut open = [Choice { counter: 0, at: 0, slots: [UNSET; 4] }; OPEN];
    let mut choices = 0;
    let Ok(at) = u8::try_from(straight) else { return Outcome::Undecided };
    let mut now = Choice { counter: u16::from(at), at, slots: [UNSET; 4] };
    loop {
        let Some(&word) = program.get(usize::from(now.counter)) else { return Outcome::Undecided };
        let operand = word & 0xfff;
        now.counter += 1;
        let goes_on = match word >> 12 {
            CLASS => {
                let here =
                    digits.at(usize::from(now.at)).is_some_and(|digit| operand >> digit & 1 != 0);
                now.at += 1;
                here
            }
            SPLIT => {
                let Some(choice) = open.get_mut(choices) else { return Outcome::Undecided };
                *choice = Choice { counter: operand, ..now };
                choices += 1;
                true
            }
            JUMP => {
                now.counter = operand;
                true
            }
            SAVE => {
                if let Some(slot) = now.slots.get_mut(usize::from(operand)) {
                    *slot = now.at;
                }
                true
            }
            END => usize::from(now.at) == digits.len(),
            _ => return Outcome::Matched(Match { end: usize::from(now.at), slots: now.slots }),
        };
        if !goes_on {
            if choices == 0 {
                return Outcome::NoMatch;
            }
            choices -= 1;
            now = open[choices];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Most alternatives that are open at once from this word on. Programs only go forward.
    fn open_from(program: &[u16], at: usize) -> usize {
        let word = program[at];
        let operand = usize::from(word & 0xfff);
        match word >> 12 {
            CLASS | SAVE | END => open_from(program, at + 1),
            JUMP => {
                assert!(operand > at);
                open_from(program, operand)
            }
            SPLIT => {
                assert!(operand > at);
                // The alternative is open on the way ahead, and taken when that has failed.
                (1 + open_from(program, at + 1)).max(open_from(program, operand))
            }
            _ => 0,
        }
    }

    #[test]
    fn no_program_has_more_alternatives_open_than_there_is_room_for() {
        let programs = PROGRAMS[1..].split_inclusive(|word| word >> 12 > END);
        let deepest: Vec<_> = programs.map(|program| open_from(program, 0)).collect();
        assert!(deepest.len() > 50, "{} programs", deepest.len());
        assert!(deepest.iter().all(|&open| open <= OPEN), "{deepest:?}");
        assert!(deepest.iter().any(|&open| open > 1));
    }
}
