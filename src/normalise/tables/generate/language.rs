//! Finite languages over decimal digits as minimal automata.
//!
//! Every node is held once ("hash-consed"), so equal languages have equal node numbers, and a set
//! operation is a recursion with a memory of what it has done.

use std::collections::HashMap;

use super::pattern::Pattern;

/// A language: the number of its start node.
pub type Lang = u32;

/// The language of nothing.
pub const NOTHING: Lang = 0;
/// The language of the empty text alone.
pub const EMPTY: Lang = 1;

/// One state of an automaton.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Node {
    /// True when the text may end here.
    pub accept: bool,
    /// Where each digit leads.
    pub next: [Lang; 10],
}

/// All nodes, and what was computed with them.
pub struct Languages {
    nodes: Vec<Node>,
    numbers: HashMap<Node, Lang>,
    unions: HashMap<(Lang, Lang), Lang>,
    concats: HashMap<(Lang, Lang), Lang>,
    cuts: HashMap<(Lang, u32), Lang>,
}

impl Languages {
    /// Nothing but the two constants.
    pub fn new() -> Self {
        let mut languages = Self {
            nodes: Vec::new(),
            numbers: HashMap::new(),
            unions: HashMap::new(),
            concats: HashMap::new(),
            cuts: HashMap::new(),
        };
        languages.node(Node { accept: false, next: [NOTHING; 10] });
        languages.node(Node { accept: true, next: [NOTHING; 10] });
        languages
    }

    /// The state behind a number.
    pub fn at(&self, lang: Lang) -> Node {
        self.nodes[lang as usize]
    }

    fn node(&mut self, node: Node) -> Lang {
        if let Some(&known) = self.numbers.get(&node) {
            return known;
        }
        let number = u32::try_from(self.nodes.len()).expect("fewer than 2^32 nodes");
        self.nodes.push(node);
        self.numbers.insert(node, number);
        number
    }

    /// What matches either.
    pub fn union(&mut self, a: Lang, b: Lang) -> Lang {
        if a == b || b == NOTHING {
            return a;
        }
        if a == NOTHING {
            return b;
        }
        let key = (a.min(b), a.max(b));
        if let Some(&known) = self.unions.get(&key) {
            return known;
        }
        let (left, right) = (self.at(a), self.at(b));
        let mut node = Node { accept: left.accept || right.accept, next: [NOTHING; 10] };
        for digit in 0..10 {
            node.next[digit] = self.union(left.next[digit], right.next[digit]);
        }
        let number = self.node(node);
        self.unions.insert(key, number);
        number
    }

    /// What matches `a` and then `b`.
    pub fn concat(&mut self, a: Lang, b: Lang) -> Lang {
        if a == NOTHING || b == NOTHING {
            return NOTHING;
        }
        if a == EMPTY {
            return b;
        }
        if b == EMPTY {
            return a;
        }
        if let Some(&known) = self.concats.get(&(a, b)) {
            return known;
        }
        let left = self.at(a);
        let mut node = Node { accept: false, next: [NOTHING; 10] };
        for digit in 0..10 {
            node.next[digit] = self.concat(left.next[digit], b);
        }
        let mut number = self.node(node);
        if left.accept {
            number = self.union(number, b);
        }
        self.concats.insert((a, b), number);
        number
    }

    /// What of `lang` has a length whose bit is set in `lengths`.
    pub fn of_lengths(&mut self, lang: Lang, lengths: u32) -> Lang {
        if lang == NOTHING || lengths == 0 {
            return NOTHING;
        }
        if let Some(&known) = self.cuts.get(&(lang, lengths)) {
            return known;
        }
        let from = self.at(lang);
        let mut node = Node { accept: from.accept && lengths & 1 == 1, next: [NOTHING; 10] };
        for digit in 0..10 {
            node.next[digit] = self.of_lengths(from.next[digit], lengths >> 1);
        }
        let number = self.node(node);
        self.cuts.insert((lang, lengths), number);
        number
    }

    /// The language without the empty text.
    pub fn without_empty(&mut self, lang: Lang) -> Lang {
        let mut node = self.at(lang);
        node.accept = false;
        self.node(node)
    }

    /// Everything that a pattern can match; `$` is taken as always true, so that the language of
    /// a pattern with `$` is too large, never too small.
    pub fn of(&mut self, pattern: &Pattern) -> Lang {
        match pattern {
            Pattern::End => EMPTY,
            Pattern::Group(_, inner) => self.of(inner),
            Pattern::Class(set) => {
                let mut node = Node { accept: false, next: [NOTHING; 10] };
                for digit in 0..10 {
                    if set & (1 << digit) != 0 {
                        node.next[digit] = EMPTY;
                    }
                }
                self.node(node)
            }
            Pattern::Concat(parts) => {
                let mut all = EMPTY;
                for part in parts.iter().rev() {
                    let part = self.of(part);
                    all = self.concat(part, all);
                }
                all
            }
            Pattern::Alt(parts) => {
                let mut all = NOTHING;
                for part in parts {
                    let part = self.of(part);
                    all = self.union(all, part);
                }
                all
            }
            Pattern::Repeat(inner, min, max) => {
                let inner = self.of(inner);
                let mut all = EMPTY;
                for count in (0..*max).rev() {
                    all = self.concat(inner, all);
                    if count >= *min {
                        all = self.union(all, EMPTY);
                    }
                }
                all
            }
        }
    }
}
