//! The whole world's numbering plan as one automaton over calling code and national number.
//!
//! Its final states say what libphonenumber's `is_valid_number`, `get_region_for_number` and
//! `get_number_type` say of a number that was parsed: first the territory, which for a shared
//! calling code is the first that claims the number, then the type in that territory alone.

use std::collections::HashMap;

use super::language::{Lang, Languages, NOTHING};
use super::metadata::{Desc, Metadata, Territory};

/// Codes of the number types, in libphonenumber's order.
const FIXED_LINE: u8 = 0;
const MOBILE: u8 = 1;
const FIXED_LINE_OR_MOBILE: u8 = 2;

/// A state of the plan, by number; 0 leads nowhere.
pub type State = u32;

/// What a text that ends here is: 0 for no valid number, else [`answer`].
pub type Answer = u16;

/// Set in an [`Answer`] when taking off a national prefix might change the number.
pub const PREFIX_MAY_MATTER: Answer = 1 << 12;

/// The answer "valid": territory (counted from 1) and type.
pub fn answer(territory: usize, number_type: u8) -> Answer {
    let territory = u16::try_from(territory + 1).expect("fewer than 255 territories");
    assert!(territory < 256, "a territory is eight bits");
    territory << 4 | u16::from(number_type)
}

/// A state: the answer for a text that ends here, and where each digit leads.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Step {
    /// The answer.
    pub answer: Answer,
    /// The next states.
    pub next: [State; 10],
}

/// The automaton.
pub struct Plan {
    steps: Vec<Step>,
    numbers: HashMap<Step, State>,
    /// Where it starts: before the calling code.
    pub start: State,
}

impl Plan {
    /// Builds it from all territories.
    pub fn new(metadata: &Metadata, languages: &mut Languages) -> Self {
        let mut plan = Self { steps: Vec::new(), numbers: HashMap::new(), start: 0 };
        plan.step(Step::default());
        let mut codes: Vec<u16> = metadata.territories.iter().map(|t| t.calling_code).collect();
        codes.sort_unstable();
        codes.dedup();
        let mut roots: HashMap<String, State> = HashMap::new();
        for code in codes {
            let order = territories_of(metadata, code);
            let state = CodePlan::new(metadata, &order, languages).build(&mut plan, languages);
            roots.insert(code.to_string(), state);
        }
        plan.start = plan.above(&roots, "");
        plan
    }

    /// The state behind a number.
    pub fn at(&self, state: State) -> Step {
        self.steps[state as usize]
    }

    /// How many states there are.
    pub fn len(&self) -> usize {
        self.steps.len()
    }

    fn step(&mut self, step: Step) -> State {
        if let Some(&known) = self.numbers.get(&step) {
            return known;
        }
        let number = u32::try_from(self.steps.len()).expect("fewer than 2^32 states");
        self.steps.push(step);
        self.numbers.insert(step, number);
        number
    }

    /// The states above the calling codes.
    fn above(&mut self, roots: &HashMap<String, State>, prefix: &str) -> State {
        if let Some(&root) = roots.get(prefix) {
            return root;
        }
        if prefix.len() == 3 {
            return 0;
        }
        let mut step = Step::default();
        for digit in 0..10 {
            step.next[digit] = self.above(roots, &format!("{prefix}{digit}"));
        }
        self.step(step)
    }
}

/// The territories of a calling code in the order in which libphonenumber asks them.
pub fn territories_of(metadata: &Metadata, code: u16) -> Vec<usize> {
    let mut order = Vec::new();
    for (index, territory) in metadata.territories.iter().enumerate() {
        if territory.calling_code != code {
            continue;
        }
        if territory.main {
            order.insert(0, index);
        } else {
            order.push(index);
        }
    }
    order
}

/// A prefix that may have been seen already.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Prefix {
    Seen,
    Expects(Lang),
}

impl Prefix {
    fn of(lang: Lang, languages: &Languages) -> Self {
        if languages.at(lang).accept { Self::Seen } else { Self::Expects(lang) }
    }

    fn after(self, digit: usize, languages: &Languages) -> Self {
        match self {
            Self::Seen => Self::Seen,
            Self::Expects(lang) => Self::of(languages.at(lang).next[digit], languages),
        }
    }
}

/// Where one territory stands: its leading digits and the languages of its descriptions.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Claim {
    leading: Prefix,
    /// General, then the other types, then fixed line and mobile.
    descriptions: Vec<Lang>,
}

impl Claim {
    fn is_dead(&self) -> bool {
        self.descriptions[0] == NOTHING || self.descriptions[1..].iter().all(|&d| d == NOTHING)
    }
}

/// Where a whole calling code stands.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Position {
    strip: Prefix,
    claims: Vec<(usize, Claim)>,
}

struct CodePlan<'a> {
    metadata: &'a Metadata,
    known: HashMap<Position, State>,
    start: Position,
}

impl<'a> CodePlan<'a> {
    fn new(metadata: &'a Metadata, order: &[usize], languages: &mut Languages) -> Self {
        let main = &metadata.territories[order[0]];
        let strip = main.national_prefix.as_ref().map_or(NOTHING, |pattern| {
            let all = languages.of(pattern);
            languages.without_empty(all)
        });
        let shared = order.len() > 1;
        let claims = order
            .iter()
            .map(|&index| (index, claim(&metadata.territories[index], shared, languages)))
            .collect();
        let start = Position { strip: Prefix::Expects(strip), claims };
        Self { metadata, known: HashMap::new(), start }
    }

    fn build(&mut self, plan: &mut Plan, languages: &Languages) -> State {
        let start = self.start.clone();
        self.visit(start, plan, languages)
    }

    fn visit(&mut self, mut position: Position, plan: &mut Plan, languages: &Languages) -> State {
        // Who leads takes the number, valid or not; who comes after need not be asked.
        if let Some(leader) = position.claims.iter().position(|(_, c)| c.leading == Prefix::Seen) {
            position.claims.truncate(leader + 1);
        }
        if position.claims.iter().all(|(_, claim)| claim.is_dead()) {
            return 0;
        }
        if let Some(&known) = self.known.get(&position) {
            return known;
        }
        let mut step = Step { answer: self.answer(&position, languages), next: [0; 10] };
        for digit in 0..10 {
            let claims = position.claims.iter().map(|(index, claim)| {
                let descriptions =
                    claim.descriptions.iter().map(|&lang| languages.at(lang).next[digit]);
                let leading = claim.leading.after(digit, languages);
                (*index, Claim { leading, descriptions: descriptions.collect() })
            });
            let next = Position {
                strip: position.strip.after(digit, languages),
                claims: claims.collect(),
            };
            step.next[digit] = self.visit(next, plan, languages);
        }
        let state = plan.step(step);
        self.known.insert(position, state);
        state
    }

    fn answer(&self, position: &Position, languages: &Languages) -> Answer {
        for (index, claim) in &position.claims {
            let territory = &self.metadata.territories[*index];
            let number_type = number_type(territory, &claim.descriptions, languages);
            if let Some(number_type) = number_type {
                let strip = if position.strip == Prefix::Seen { PREFIX_MAY_MATTER } else { 0 };
                return answer(*index, number_type) | strip;
            }
            if claim.leading == Prefix::Seen {
                return 0;
            }
        }
        0
    }
}

/// A territory before the first digit. Leading digits count only under a shared calling code.
fn claim(territory: &Territory, shared: bool, languages: &mut Languages) -> Claim {
    let leading = match &territory.leading_digits {
        Some(pattern) if shared => Prefix::Expects(languages.of(pattern)),
        _ => Prefix::Expects(NOTHING),
    };
    let mut matching = |desc: Option<&Desc>| {
        desc.map_or(NOTHING, |desc| {
            let lang = languages.of(&desc.pattern);
            if desc.lengths == 0 { lang } else { languages.of_lengths(lang, desc.lengths) }
        })
    };
    let mut descriptions = vec![matching(Some(&territory.general))];
    descriptions.extend(territory.other_types.iter().map(|(_, desc)| matching(Some(desc))));
    descriptions.push(matching(territory.fixed_line.as_ref()));
    descriptions.push(matching(territory.mobile.as_ref()));
    Claim { leading, descriptions }
}

/// libphonenumber's `getNumberTypeHelper` for a text that ends here.
fn number_type(territory: &Territory, at: &[Lang], languages: &Languages) -> Option<u8> {
    let matches = |index: usize| languages.at(at[index]).accept;
    if !matches(0) {
        return None;
    }
    let others = &territory.other_types;
    for (index, (number_type, _)) in others.iter().enumerate() {
        if matches(index + 1) {
            return Some(*number_type);
        }
    }
    let (fixed, mobile) = (matches(others.len() + 1), matches(others.len() + 2));
    match (fixed, territory.same_fixed_and_mobile) {
        (true, true) => Some(FIXED_LINE_OR_MOBILE),
        (true, false) if mobile => Some(FIXED_LINE_OR_MOBILE),
        (true, false) => Some(FIXED_LINE),
        (false, false) if mobile => Some(MOBILE),
        (false, _) => None,
    }
}
