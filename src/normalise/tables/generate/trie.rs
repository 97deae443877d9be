//! The plan laid out for few loads: a trie that eats several digits at a step.
//!
//! A number is looked up as if it went on with zeros for ever. Once only its length can still
//! matter, the entry is a leaf. A leaf therefore answers also for the numbers that end above it,
//! if the rest of the way is zeros.

use std::collections::HashMap;

use super::plan::{Answer, Plan, State};

/// Shortest total length (with calling code) that a leaf tells apart.
pub const SHORTEST: usize = 5;
/// Lengths that a leaf tells apart: 5 to 20.
pub const LENGTHS: usize = 16;
/// Digits that the first step eats.
pub const FIRST_STRIDE: usize = 4;

/// Bit of an entry: no more digits are needed.
const LEAF: u32 = 1 << 31;
/// Bit of another entry: two digits are eaten at the next step, not one.
const PAIR: u32 = 1 << 29;
/// Bit of a leaf: the answer depends on the length.
const BY_LENGTH: u32 = 1 << 30;

/// The trie as words.
pub struct Trie {
    /// Blocks of entries; the first block belongs to the first four digits.
    pub entries: Vec<u32>,
    /// Answers by length, sixteen to a row.
    pub rows: Vec<Answer>,
}

type Row = [Answer; LENGTHS];

struct Builder<'a> {
    plan: &'a Plan,
    profiles: HashMap<State, Option<Vec<Answer>>>,
    trie: Trie,
    rows: HashMap<Row, u32>,
    blocks: HashMap<Vec<u32>, u32>,
    known: HashMap<(State, usize, Row), u32>,
}

impl Trie {
    /// Lays out a plan.
    pub fn new(plan: &Plan) -> Self {
        let size = 10_usize.pow(u32::try_from(FIRST_STRIDE).unwrap_or(0));
        let mut builder = Builder {
            plan,
            profiles: HashMap::new(),
            trie: Self { entries: vec![0; size], rows: Vec::new() },
            rows: HashMap::new(),
            blocks: HashMap::new(),
            known: HashMap::new(),
        };
        let first = builder.block(plan.start, 0, [0; LENGTHS], FIRST_STRIDE);
        builder.trie.entries[..size].copy_from_slice(&first);
        builder.trie
    }
}

impl Builder<'_> {
    /// Answers by the number of further digits, where their values do not matter.
    fn profile(&mut self, state: State) -> Option<Vec<Answer>> {
        if let Some(known) = self.profiles.get(&state) {
            return known.clone();
        }
        let step = self.plan.at(state);
        let found = if state == 0 {
            Some(Vec::new())
        } else if step.next.iter().all(|&next| next == step.next[0]) {
            self.profile(step.next[0]).map(|mut rest| {
                rest.insert(0, step.answer);
                rest
            })
        } else {
            None
        };
        self.profiles.insert(state, found.clone());
        found
    }

    /// All entries behind `stride` more digits.
    fn block(&mut self, state: State, depth: usize, ended: Row, stride: usize) -> Vec<u32> {
        if stride == 0 {
            return vec![self.entry(state, depth, ended)];
        }
        let step = self.plan.at(state);
        let mut found = Vec::new();
        for digit in 0..10 {
            let ended = after(step.answer, depth, ended, digit);
            found.extend(self.block(step.next[digit], depth + 1, ended, stride - 1));
        }
        found
    }

    fn entry(&mut self, state: State, depth: usize, ended: Row) -> u32 {
        if let Some(profile) = self.profile(state) {
            return self.leaf(&profile, depth, ended);
        }
        if let Some(&known) = self.known.get(&(state, depth, ended)) {
            return known;
        }
        let stride = self.stride(state, depth);
        let block = self.block(state, depth, ended, stride);
        let base = match self.blocks.get(&block) {
            Some(&base) => base,
            None => {
                let base = u32::try_from(self.trie.entries.len()).expect("a small trie");
                self.trie.entries.extend(&block);
                self.blocks.insert(block, base);
                base
            }
        };
        assert!(base < PAIR, "the trie is too large");
        let entry = if stride == 2 { base | PAIR } else { base };
        self.known.insert((state, depth, ended), entry);
        entry
    }

    /// How many digits to eat: the fifth and sixth together if any way onward needs the sixth,
    /// the seventh and eighth if at least [`BRANCHES`] need the eighth; then one by one.
    fn stride(&mut self, state: State, depth: usize) -> usize {
        let next = self.plan.at(state).next;
        let open = next.iter().filter(|&&next| self.profile(next).is_none()).count();
        match depth {
            FIRST_STRIDE if open > 0 => 2,
            6 if open >= BRANCHES => 2,
            _ => 1,
        }
    }

    fn leaf(&mut self, profile: &[Answer], depth: usize, ended: Row) -> u32 {
        let mut row = ended;
        for (further, &answer) in profile.iter().enumerate() {
            if answer != 0 {
                row[depth + further - SHORTEST] = answer;
            }
        }
        let mut answers: Vec<Answer> = row.iter().copied().filter(|&a| a != 0).collect();
        answers.sort_unstable();
        answers.dedup();
        match answers[..] {
            [] => LEAF,
            [one] => {
                let mut lengths = 0;
                for (length, &answer) in row.iter().enumerate() {
                    if answer != 0 {
                        lengths |= 1_u32 << length;
                    }
                }
                LEAF | lengths << 13 | u32::from(one)
            }
            _ => {
                let fresh = u32::try_from(self.rows.len()).expect("few rows");
                let number = *self.rows.entry(row).or_insert(fresh);
                if number == fresh {
                    self.trie.rows.extend(row);
                }
                LEAF | BY_LENGTH | number
            }
        }
    }
}

/// A step of two digits costs a hundred entries instead of ten for each way onward.
const BRANCHES: usize = 2;

/// What is known of the numbers that ended above, after one more digit: a zero keeps them, any
/// other digit means that another entry answers for them.
fn after(answer: Answer, depth: usize, ended: Row, digit: usize) -> Row {
    if digit != 0 {
        return [0; LENGTHS];
    }
    let mut ended = ended;
    if answer != 0 {
        ended[depth - SHORTEST] = answer;
    }
    ended
}
