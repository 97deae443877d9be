//! libphonenumber's parsing of a string of digits: whose number is it, and which part?
//!
//! This follows `parseHelper` of libphonenumber step by step, on digits instead of text; the
//! names in the comments are the library's. Where the numbering plan already says that a number
//! is valid, the questions that a valid number answers by itself are not asked again.

use std::cell::RefCell;

use super::digits::Digits;
use super::plan::{Answer, LONGEST, Number, look_up};
use super::prefix::{Match, Outcome, run};
use super::tables::{AUTOMATA, CallingCode, Territory, calling_code, kind_of, region_of};
use super::{E164, Reading, RejectReason};

/// Fewest and most digits of a national significant number.
const SHORTEST_NATIONAL: usize = 2;
const LONGEST_NATIONAL: usize = 17;

impl Digits {
    /// As the numbering plan takes it, with its calling code in front.
    #[inline]
    fn number(self) -> Number {
        Number { words: self.words(), len: self.len() }
    }

    /// As the numbering plan takes it, behind a territory's calling code.
    #[inline]
    fn number_in(self, territory: Territory) -> Number {
        let (code, len) = territory.calling_code();
        Number { words: self.words_behind(code, len), len: len + self.len() }
    }
}

/// A decision, or `None` where this reader cannot be sure.
pub(super) type Decision = Option<Result<Reading, RejectReason>>;

/// Decides on two digits or more.
///
/// `plus` says that a plus stood in front; `default_region` reads national numbers.
#[inline]
pub(super) fn decide(digits: Digits, plus: bool, default_region: Option<Territory>) -> Decision {
    decide_watched(digits, plus, default_region, ())
}

/// The same, with somebody told of each change.
pub(super) fn decide_watched<W: Watch>(
    digits: Digits,
    plus: bool,
    default_region: Option<Territory>,
    watch: W,
) -> Decision {
    if plus {
        if let Some(reading) = valid_as_written(digits) {
            watch.see(Step::CodeFound(digits));
            return Some(Ok(reading));
        }
        if let Some(split) = international(digits) {
            watch.see(Step::CodeFound(digits));
            return national(split, default_region, watch);
        }
    }
    let Some(territory) = default_region else {
        return Some(Err(RejectReason::InvalidCountryCode));
    };
    let [first, second, ..] = digits.first_word().to_le_bytes();
    if territory.idd_starts_with(first, second) {
        match run(territory.idd(), digits) {
            Outcome::Undecided => return None,
            Outcome::Matched(found) if digits.at(found.end) != Some(0) => {
                watch.see(Step::DiallingPrefix { digits, len: found.end });
                return abroad(digits.without_first(found.end), watch);
            }
            Outcome::Matched(_) | Outcome::NoMatch => {}
        }
    }
    let own = without_own_code(digits, territory, watch)?;
    // The second attempt of a number whose plus led to no calling code ends here.
    if plus && own.is_none() {
        return Some(Err(RejectReason::InvalidCountryCode));
    }
    national(own.unwrap_or(Split { code: None, national: digits }), default_region, watch)
}

/// Who is told of each change to the digits. `()` is nobody, and the fast reader's: a value of no
/// size goes through the same functions and leaves nothing in them.
pub(super) trait Watch: Copy {
    fn see(self, step: Step);
}

impl Watch for () {
    #[inline(always)]
    fn see(self, _: Step) {}
}

impl Watch for &RefCell<Vec<Step>> {
    fn see(self, step: Step) {
        self.borrow_mut().push(step);
    }
}

/// A change to the digits, with those that it was made to.
#[derive(Clone, Copy)]
pub(super) enum Step {
    /// The first ones are an international dialling prefix, and are taken away.
    DiallingPrefix { digits: Digits, len: usize },
    /// They start with their calling code.
    CodeFound(Digits),
    /// The territory's national prefix is taken away, or its rule applied.
    NationalPrefix { digits: Digits, territory: Territory },
    /// The territory's calling code is put in front.
    CodeAdded(Territory),
}

/// The reading of an international number that is valid and that no prefix rule can change.
#[inline]
fn valid_as_written(digits: Digits) -> Option<Reading> {
    let number = digits.number();
    let answer = look_up(&number);
    let certain = answer.is_valid() && !answer.prefix_may_matter() && number.len <= LONGEST;
    if certain { reading_of(answer, number.value()).ok() } else { None }
}

/// What follows an international dialling prefix.
fn abroad<W: Watch>(digits: Digits, watch: W) -> Decision {
    if digits.len() <= SHORTEST_NATIONAL {
        return Some(Err(RejectReason::TooShortAfterIdd));
    }
    if let Some(reading) = valid_as_written(digits) {
        watch.see(Step::CodeFound(digits));
        return Some(Ok(reading));
    }
    match international(digits) {
        Some(split) => {
            watch.see(Step::CodeFound(digits));
            national(split, None, watch)
        }
        None => Some(Err(RejectReason::InvalidCountryCode)),
    }
}

/// A national number and the calling code in front of it, if one was there.
struct Split {
    code: Option<CallingCode>,
    national: Digits,
}

/// `extractCountryCode`, for three digits or more.
fn international(digits: Digits) -> Option<Split> {
    let code = calling_code(digits.first_three())?;
    Some(Split { code: Some(code), national: digits.without_first(code.len) })
}

/// The last part of `maybeExtractCountryCode`: the default region's own code without a plus.
/// The outer `None` is for "not sure".
#[allow(clippy::option_option)]
fn without_own_code<W: Watch>(
    digits: Digits,
    territory: Territory,
    watch: W,
) -> Option<Option<Split>> {
    let (code, len) = territory.calling_code();
    let first = digits.first_word() & ((1 << (8 * len)) - 1);
    if first != code || digits.len() < len {
        return Some(None);
    }
    let candidate = strip(digits.without_first(len), territory)?;
    let stripped = candidate.digits();
    let too_long = length_of(digits.len(), territory) == Length::TooLong;
    let better = || !is_general(digits, territory) && is_general(stripped, territory);
    if !(too_long || better()) {
        return Some(None);
    }
    watch.see(Step::CodeFound(digits));
    if let Candidate::Stripped(_) = candidate {
        watch.see(Step::NationalPrefix { digits: digits.without_first(len), territory });
    }
    let code = calling_code(digits.first_three());
    Some(Some(Split { code, national: stripped }))
}

/// The second half of `parseHelper`, and what the numbering plan says of the result.
fn national<W: Watch>(split: Split, default_region: Option<Territory>, watch: W) -> Decision {
    let digits = split.national;
    let Some(territory) = split.code.map(|code| code.main).or(default_region) else {
        return Some(Err(RejectReason::InvalidCountryCode));
    };
    if digits.len() < SHORTEST_NATIONAL {
        return Some(Err(RejectReason::TooShort));
    }
    let candidate = candidate(digits, territory)?;
    // A valid number of this very territory matches its general description and has a possible
    // length: the questions below are answered.
    let number = candidate.digits().number_in(territory);
    let answer = look_up(&number);
    let answered = answer.is_valid() && answer.territory() == territory.number();
    if answered && candidate.digits().len() <= LONGEST_NATIONAL {
        if let Candidate::Stripped(_) = candidate {
            watch.see(Step::NationalPrefix { digits, territory });
        }
        if split.code.is_none() {
            watch.see(Step::CodeAdded(territory));
        }
        return Some(reading_of(answer, number.value()));
    }
    let national = match candidate {
        Candidate::AsItWas(as_it_was) => as_it_was,
        Candidate::Stripped(stripped) => {
            let keeps = !is_general(stripped, territory) && is_general(digits, territory);
            match length_of(stripped.len(), territory) {
                _ if keeps => digits,
                Length::LocalOnly | Length::TooShort | Length::Impossible => digits,
                Length::Possible | Length::TooLong => {
                    watch.see(Step::NationalPrefix { digits, territory });
                    stripped
                }
            }
        }
    };
    if national.len() < SHORTEST_NATIONAL {
        return Some(Err(RejectReason::TooShort));
    }
    if national.len() > LONGEST_NATIONAL {
        return Some(Err(RejectReason::TooLong));
    }
    if split.code.is_none() {
        watch.see(Step::CodeAdded(territory));
    }
    Some(reading(&national.number_in(territory)))
}

/// The reading of a calling code and national number that no rule changes any more.
fn reading(number: &Number) -> Result<Reading, RejectReason> {
    let answer = look_up(number);
    if number.len > LONGEST || !answer.is_valid() {
        return Err(RejectReason::InvalidForRegion);
    }
    reading_of(answer, number.value())
}

/// A valid answer as a reading.
#[inline]
pub(super) fn reading_of(answer: Answer, value: u64) -> Result<Reading, RejectReason> {
    let number = E164::mint(value).ok_or(RejectReason::InvalidForRegion)?;
    Ok(Reading { number, region: region_of(answer.0), kind: kind_of(answer.0) })
}

/// A number behind its national prefix, if it has one.
#[derive(Clone, Copy)]
enum Candidate {
    AsItWas(Digits),
    Stripped(Digits),
}

impl Candidate {
    const fn digits(self) -> Digits {
        match self {
            Self::AsItWas(digits) | Self::Stripped(digits) => digits,
        }
    }
}

/// The first half of `maybeStripNationalPrefixAndCarrierCode`; `None` where the matcher is not
/// sure.
fn candidate(digits: Digits, territory: Territory) -> Option<Candidate> {
    // A match of nothing changes nothing, so only a prefix's first digit can start a change.
    if !digits.at(0).is_some_and(|digit| territory.national_prefix_starts_with(digit)) {
        return Some(Candidate::AsItWas(digits));
    }
    let found = match run(territory.national_prefix(), digits) {
        Outcome::Matched(found) => found,
        Outcome::NoMatch => return Some(Candidate::AsItWas(digits)),
        Outcome::Undecided => return None,
    };
    if is_transformed(&found, territory) {
        return transformed(digits, &found, territory).map(Candidate::Stripped);
    }
    Some(Candidate::Stripped(digits.without_first(found.end)))
}

/// The whole of `maybeStripNationalPrefixAndCarrierCode`: no strip that makes a number that
/// matches the general description into one that does not.
fn strip(digits: Digits, territory: Territory) -> Option<Candidate> {
    Some(match candidate(digits, territory)? {
        Candidate::Stripped(stripped)
            if is_general(stripped, territory) || !is_general(digits, territory) =>
        {
            Candidate::Stripped(stripped)
        }
        Candidate::AsItWas(_) | Candidate::Stripped(_) => Candidate::AsItWas(digits),
    })
}

/// True when the rule's group captured something, the second if it took part.
pub(super) fn is_transformed(found: &Match, territory: Territory) -> bool {
    let captured = |group: (usize, usize)| group.1 > group.0;
    territory.transform().group != 0
        && found.group(1).is_some_and(|first| found.group(2).map_or(captured(first), captured))
}

/// The literal, the captured group, and what follows the match; `None` if that is too much.
fn transformed(digits: Digits, found: &Match, territory: Territory) -> Option<Digits> {
    let rule = territory.transform();
    let mut result = Digits::new();
    let mut power = 10_u16.pow(u32::try_from(rule.literal_len).ok()?);
    for _ in 0..rule.literal_len {
        power /= 10;
        if !result.push(u8::try_from(rule.literal / power % 10).ok()?) {
            return None;
        }
    }
    let (start, end) = found.group(usize::from(rule.group)).unwrap_or((0, 0));
    let captured = digits.iter().skip(start).take(end - start);
    let mut all = captured.chain(digits.iter().skip(found.end));
    all.all(|digit| result.push(digit)).then_some(result)
}

/// The general description's pattern matches in full, whatever the length.
fn is_general(digits: Digits, territory: Territory) -> bool {
    let mut state = territory.general();
    for digit in digits.iter() {
        let place = usize::from(state >> 1) * 10 + usize::from(digit);
        state = AUTOMATA.get(place).copied().unwrap_or(0);
    }
    state & 1 != 0
}

/// `testNumberLength` against the general description.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Length {
    Possible,
    LocalOnly,
    TooShort,
    TooLong,
    Impossible,
}

fn length_of(len: usize, territory: Territory) -> Length {
    let bit = 1_u32.checked_shl(u32::try_from(len).unwrap_or(u32::MAX)).unwrap_or(0);
    let lengths = territory.lengths();
    if territory.local_lengths() & bit != 0 {
        Length::LocalOnly
    } else if lengths & bit != 0 {
        Length::Possible
    } else if bit == 0 || bit > lengths {
        Length::TooLong
    } else if bit < lengths & lengths.wrapping_neg() {
        Length::TooShort
    } else {
        Length::Impossible
    }
}
