//! Many numbers at once: the same keys, clues and tokens, sixteen lanes at a time.
//!
//! Between the steps of one key nothing leaves the lanes: the digest of the text is already in
//! the shape that the keyed hash takes.

use zeroize::Zeroizing;

use super::{
    Clue, Form, KEY_LEN, Keyer, Listed, MatchKey, PhoneDigest, RecipientKey, Spelled, Token, Told,
};
use crate::digits::{FewDigits, MOST_DIGITS, digits_len, padded};
use crate::vectors::sha256::{INITIAL, LANES, Row};
use crate::vectors::{Eyes, Kernel, Level};

/// With fewer messages than this, empty lanes cost more than one message after the other.
const WORTH_LANES: usize = 4;

/// The bit that ends a message (FIPS 180-4, §5.1.1).
const END: u32 = 0x8000_0000;

/// HMAC-SHA-256 under one key (RFC 2104, §2), its two keyed states computed once.
#[derive(Clone)]
pub(super) struct KeyedLanes {
    inner: Zeroizing<[u32; 8]>,
    outer: Zeroizing<[u32; 8]>,
    level: Level,
}

impl KeyedLanes {
    pub(super) fn new(key: &[u8; 32], level: Level) -> Self {
        let keyed = |pad: u8| {
            let mut block = [[u32::from_be_bytes([pad; 4]); LANES]; 16];
            for (row, word) in block.iter_mut().zip(key.chunks_exact(4)) {
                *row = [word_of(word) ^ u32::from_be_bytes([pad; 4]); LANES];
            }
            let mut state = INITIAL.map(|word| [word; LANES]);
            level.compress(&mut state, &block);
            Zeroizing::new(state.map(|row| row[0]))
        };
        Self { inner: keyed(0x36), outer: keyed(0x5c), level }
    }

    /// The tags of one message in each lane.
    fn tags<const WORDS: usize>(&self, messages: &[Row; WORDS]) -> [Row; 8] {
        let inner = self.compress_behind_key(&self.inner, messages);
        self.compress_behind_key(&self.outer, &inner)
    }

    fn compress_behind_key<const WORDS: usize>(
        &self,
        keyed: &[u32; 8],
        messages: &[Row; WORDS],
    ) -> [Row; 8] {
        let mut block = [[0; LANES]; 16];
        block[..WORDS].copy_from_slice(messages);
        block[WORDS] = [END; LANES];
        // The block of the key and the message's words, in bits.
        block[15] = [512 + 32 * count(WORDS); LANES];
        let mut state = keyed.map(|word| [word; LANES]);
        self.level.compress(&mut state, &block);
        state
    }

    /// SHA-256 of up to sixteen spelled numbers.
    fn digests(&self, numbers: impl Iterator<Item = Spelled>) -> [Row; 8] {
        let mut block = [[0; LANES]; 16];
        let mut lanes = [Spelled { digits: 0, form: Form::Digits }; LANES];
        lanes.iter_mut().zip(numbers).for_each(|(lane, number)| *lane = number);
        if lanes.iter().all(|number| number.digits < FewDigits::BEYOND) {
            let digits = lanes.map(|number| number.digits);
            let plus = lanes.map(|number| u64::from(number.form == Form::E164));
            self.level.run(ShortTexts { block: &mut block, digits, plus });
        } else {
            let numbered = lanes.into_iter().enumerate();
            numbered.for_each(|(lane, number)| write_text(&mut block, lane, number));
        }
        let mut state = INITIAL.map(|word| [word; LANES]);
        self.level.compress(&mut state, &block);
        state
    }
}

/// Writes the texts of numbers with few digits, as every E.164 number has, a lane each, and what pads
/// them.
struct ShortTexts<'a> {
    block: &'a mut [Row; 16],
    /// Of each lane.
    digits: [u64; LANES],
    /// Of each lane: one where a plus stands before the digits, else zero.
    plus: [u64; LANES],
}

impl Kernel for ShortTexts<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self, _: impl Eyes) {
        let Self { block, digits, plus } = self;
        for lane in 0..LANES {
            let text = ShortText::of(digits[lane], plus[lane]);
            for (at, half) in text.halves.into_iter().enumerate() {
                block[2 * at][lane] = lower_half(half >> 32);
                block[2 * at + 1][lane] = lower_half(half);
            }
            block[4][lane] = lower_half(text.len / 16) * END;
            block[15][lane] = lower_half(8 * text.len);
        }
    }
}

/// Up to sixteen bytes and the bit that ends them, as two big-endian integers.
struct ShortText {
    halves: [u64; 2],
    /// In bytes.
    len: u64,
}

impl ShortText {
    #[inline(always)]
    fn of(digits: u64, plus: u64) -> Self {
        let FewDigits { halves: [head, tail], len } = FewDigits::of(digits);
        let len = len + plus;
        // The first digit moves to the front of both halves together, or behind the plus; of the zeros
        // before it one may be left there.
        let shift = 128 - 8 * len;
        let front = shl(head, shift) | shr(tail, 64_u64.wrapping_sub(shift));
        let front = (front | shl(tail, shift.wrapping_sub(64))) & u64::MAX >> (8 * plus);
        let front = front | (plus * u64::from(b'+')) << 56;
        // A text of sixteen bytes ends behind both.
        let end = 120_u64.wrapping_sub(8 * len);
        let halves = [front | shl(0x80, end.wrapping_sub(64)), shl(tail, shift) | shl(0x80, end)];
        Self { halves, len }
    }
}

#[inline(always)]
const fn lower_half(value: u64) -> u32 {
    let [a, b, c, d, ..] = value.to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}

/// Shifts that leave nothing when they are as long as the integer or longer.
#[inline(always)]
const fn shl(value: u64, bits: u64) -> u64 {
    if bits < 64 { value << bits } else { 0 }
}

#[inline(always)]
const fn shr(value: u64, bits: u64) -> u64 {
    if bits < 64 { value >> bits } else { 0 }
}

/// Writes a number's text and what pads it into a lane.
fn write_text(block: &mut [Row; 16], lane: usize, number: Spelled) {
    const DIGITS_AT: usize = 4;
    const END_AT: usize = DIGITS_AT + MOST_DIGITS;
    // The longest text, a plus and twenty digits, and its end fill six words.
    const WORDS: usize = 6;
    let mut text = [0; END_AT + WORDS * 4];
    text[DIGITS_AT..END_AT].copy_from_slice(&padded(number.digits));
    text[END_AT] = 0x80;
    let mut start = END_AT - digits_len(number.digits);
    if number.form == Form::E164 {
        start -= 1;
        text[start] = b'+';
    }
    write_words(block, lane, &text[start..start + WORDS * 4]);
    block[15][lane] = 8 * count(END_AT - start);
}

/// Writes a lane's first words.
fn write_words(rows: &mut [Row], lane: usize, bytes: &[u8]) {
    for (row, word) in rows.iter_mut().zip(bytes.chunks_exact(4)) {
        row[lane] = word_of(word);
    }
}

/// Four bytes as SHA-256 reads them.
#[inline]
fn word_of(bytes: &[u8]) -> u32 {
    u32::from_be_bytes(bytes.try_into().unwrap_or_default())
}

/// The first two words of a lane, as a digest's first eight bytes.
fn first_bytes(digests: &[Row; 8], lane: usize) -> u64 {
    u64::from(digests[0][lane]) << 32 | u64::from(digests[1][lane])
}

/// The first half of a lane's tag.
fn half(tags: &[Row; 8], lane: usize) -> [u8; KEY_LEN] {
    let mut half = [0; KEY_LEN];
    for (bytes, row) in half.chunks_exact_mut(4).zip(tags) {
        bytes.copy_from_slice(&row[lane].to_be_bytes());
    }
    half
}

fn count(few: usize) -> u32 {
    u32::try_from(few).unwrap_or(u32::MAX)
}

impl Keyer {
    /// The keys of numbers, appended in their order.
    pub fn keys(&self, numbers: &[Spelled], keys: &mut Vec<MatchKey>) {
        keys.reserve(numbers.len());
        for few in numbers.chunks(LANES) {
            if few.len() < WORTH_LANES {
                keys.extend(few.iter().map(|one| self.key_of_digits(one.digits, one.form)));
                continue;
            }
            let tags = self.in_lanes.tags(&self.in_lanes.digests(few.iter().copied()));
            keys.extend((0..few.len()).map(|lane| MatchKey(half(&tags, lane))));
        }
    }

    /// What accounts with these digits are asked where a list told digests of this form, appended
    /// in their order. One unkeyed hash each.
    pub fn digest_clues(
        &self,
        digits: impl IntoIterator<Item = u64>,
        form: Form,
        clues: &mut Vec<Clue>,
    ) {
        let mut numbers = digits.into_iter().map(|digits| Spelled { digits, form });
        loop {
            let mut few = [Spelled { digits: 0, form }; LANES];
            let mut taken = 0;
            for (place, number) in few.iter_mut().zip(numbers.by_ref()) {
                *place = number;
                taken += 1;
            }
            let digests = self.in_lanes.digests(few[..taken].iter().copied());
            let clue = |lane| self.clue_of_digest(first_bytes(&digests, lane));
            clues.extend((0..taken).map(clue));
            if taken < LANES {
                return;
            }
        }
    }

    /// What the index is told of list numbers, appended in their order.
    pub fn list(&self, told: &[Told], listed: &mut Vec<Listed>) {
        listed.reserve(told.len());
        for few in told.chunks(LANES) {
            if few.len() < WORTH_LANES {
                listed.extend(few.iter().map(|&told| self.list_one(told)));
                continue;
            }
            let spelled = few.iter().map(|told| match told {
                Told::Number(reading) => {
                    Spelled { digits: reading.number.expose_digits(), form: Form::E164 }
                }
                // Some message must be in the lane; its digest gives way to the one that was told.
                Told::Digest(_) => Spelled { digits: 0, form: Form::E164 },
            });
            let has_numbers = few.iter().any(|told| matches!(told, Told::Number(_)));
            let mut digests = match has_numbers {
                true => self.in_lanes.digests(spelled),
                false => [[0; LANES]; 8],
            };
            for (lane, told) in few.iter().enumerate() {
                if let Told::Digest(digest) = told {
                    write_words(&mut digests, lane, &digest.0);
                }
            }
            let tags = self.in_lanes.tags(&digests);
            listed.extend(few.iter().enumerate().map(|(lane, &told)| Listed {
                key: MatchKey(half(&tags, lane)),
                clue: self.clue(told),
                told_by: told.told_by(),
            }));
        }
    }

    /// What the index is told of one list number.
    #[must_use]
    pub fn list_one(&self, told: Told) -> Listed {
        let key = match told {
            Told::Number(reading) => self.key(reading.number, Form::E164),
            Told::Digest(digest) => self.key_of_digest(digest),
        };
        Listed { key, clue: self.clue(told), told_by: told.told_by() }
    }

    fn clue(&self, told: Told) -> Clue {
        match told {
            Told::Number(reading) => self.clue_of_digits(reading.number.expose_digits()),
            Told::Digest(PhoneDigest([a, b, c, d, e, f, g, h, ..])) => {
                self.clue_of_digest(u64::from_be_bytes([a, b, c, d, e, f, g, h]))
            }
        }
    }
}

impl RecipientKey {
    /// What this recipient's files call people, appended in their order.
    pub fn tokens(&self, keys: &[MatchKey], tokens: &mut Vec<Token>) {
        tokens.reserve(keys.len());
        for few in keys.chunks(LANES) {
            if few.len() < WORTH_LANES {
                tokens.extend(few.iter().map(|&key| self.token(key)));
                continue;
            }
            let mut messages = [[0; LANES]; KEY_LEN / 4];
            for (lane, key) in few.iter().enumerate() {
                write_words(&mut messages, lane, &key.0);
            }
            let tags = self.in_lanes.tags(&messages);
            tokens.extend((0..few.len()).map(|lane| Token(half(&tags, lane))));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::Secret;
    use super::*;
    use crate::normalise::{self, Checks, Hint};

    fn secret() -> Secret {
        Secret::from_file_content(&[7; 32]).unwrap()
    }

    /// A number of every length, and the longest of each.
    fn numbers() -> Vec<u64> {
        let tens = (0..20).map(|power| 10u64.pow(power));
        let mut numbers: Vec<_> = tens.flat_map(|ten| [ten - 1, ten, ten + ten / 7]).collect();
        numbers.push(u64::MAX);
        numbers
    }

    /// Numbers of each length that lanes take by themselves, a lane full of each; and one that has more
    /// digits among others.
    fn few_digits() -> impl Iterator<Item = [u64; LANES]> {
        let of_length = |len: u32| {
            let (least, beyond) = (10_u64.pow(len) / 10, 10_u64.pow(len));
            let step = (beyond - least) / LANES as u64;
            let mut few: [u64; LANES] =
                std::array::from_fn(|at| least + at as u64 * step + at as u64 / 2);
            few[LANES - 1] = beyond - 1;
            few
        };
        let mut mixed = of_length(12);
        mixed[7] = FewDigits::BEYOND;
        (0..=FewDigits::MOST).map(of_length).chain([mixed])
    }

    #[test]
    fn every_length_and_level_gives_the_keys_of_sha2_and_hmac() {
        for level in Level::available() {
            let keyer = Keyer::at_level(&secret(), level);
            for form in Form::ALL {
                let spelled: Vec<_> =
                    numbers().into_iter().map(|digits| Spelled { digits, form }).collect();
                let one_by_one = |few: &[Spelled]| -> Vec<_> {
                    few.iter().map(|one| keyer.key_of_digits(one.digits, one.form)).collect()
                };
                // Batches that fill the lanes, that do not, and that are not worth them.
                for len in [0, 1, 3, 4, 15, 16, 17, 31, 32, spelled.len()] {
                    let mut keys = Vec::new();
                    keyer.keys(&spelled[..len], &mut keys);
                    assert!(keys == one_by_one(&spelled[..len]), "{level:?} {form:?} {len}");
                }
            }
        }
    }

    #[test]
    fn the_digest_of_a_text_is_that_of_sha2() {
        for level in Level::available() {
            let lanes = KeyedLanes::new(&[1; 32], level);
            for form in Form::ALL {
                let numbers = numbers();
                let few_digits: Vec<_> = few_digits().collect();
                for few in numbers.chunks(LANES).chain(few_digits.iter().map(|few| &few[..])) {
                    let spelled = few.iter().map(|&digits| Spelled { digits, form });
                    let digests = lanes.digests(spelled.clone());
                    for (lane, number) in spelled.enumerate() {
                        let ours: Vec<u8> =
                            digests.iter().flat_map(|row| row[lane].to_be_bytes()).collect();
                        assert_eq!(ours, PhoneDigest::of(number).0, "{level:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn the_digest_of_nothing_is_the_standards() {
        // NIST, example values for SHA-256: the message of no bits (FIPS 180-4, CAVP).
        let expected = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        for level in Level::available() {
            let nothing = Spelled { digits: 0, form: Form::Digits };
            let digests = KeyedLanes::new(&[0; 32], level).digests([nothing].into_iter());
            let ours: Vec<u8> = digests.iter().flat_map(|row| row[0].to_be_bytes()).collect();
            assert_eq!(hex::encode(ours), expected, "{level:?}");
        }
    }

    #[test]
    fn an_account_meets_the_clue_of_its_digest() {
        let keyer = Keyer::new(&secret());
        for form in Form::ALL {
            for len in [1, 16, 33] {
                let few = &numbers()[..len];
                let mut asked = Vec::new();
                keyer.digest_clues(few.iter().copied(), form, &mut asked);
                let digest = |&digits| Told::Digest(PhoneDigest::of(Spelled { digits, form }));
                let told = few.iter().map(|digits| keyer.clue(digest(digits)));
                assert!(asked == told.collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn numbers_and_digests_are_listed_side_by_side() {
        let keyer = Keyer::new(&secret());
        let read = |n: u32| {
            let text = format!("+120255501{n:02}");
            normalise::read(text.as_bytes(), Hint::None, Checks::Damage).unwrap()
        };
        let told: Vec<_> = (0..50)
            .map(|n| match n % 3 {
                0 => Told::Digest(PhoneDigest::of(Spelled {
                    digits: read(n).number.expose_digits(),
                    form: Form::E164,
                })),
                _ => Told::Number(read(n)),
            })
            .collect();
        let mut listed = Vec::new();
        keyer.list(&told, &mut listed);
        assert_eq!(listed.len(), told.len());
        for (n, (listed, &told)) in (0..).zip(listed.iter().zip(&told)) {
            let alone = keyer.list_one(told);
            assert!(listed.key == alone.key && listed.clue == alone.clue);
            assert!(listed.key == keyer.key(read(n).number, Form::E164));
        }
    }

    proptest! {
        #[test]
        fn lanes_agree_with_one_at_a_time(
            digits in proptest::collection::vec(any::<u64>(), 0..40),
        ) {
            let keyer = Keyer::new(&secret());
            let recipient = RecipientKey::new(&secret(), "acme");
            let (mut keys, mut tokens, mut listed) = (Vec::new(), Vec::new(), Vec::new());
            let spelled: Vec<_> =
                digits.iter().map(|&digits| Spelled { digits, form: Form::E164 }).collect();
            keyer.keys(&spelled, &mut keys);
            let told: Vec<_> =
                spelled.iter().map(|&one| Told::Digest(PhoneDigest::of(one))).collect();
            keyer.list(&told, &mut listed);
            prop_assert!(listed.iter().map(|listed| listed.key).eq(keys.iter().copied()));
            recipient.tokens(&keys, &mut tokens);
            for ((&digits, &key), &token) in digits.iter().zip(&keys).zip(&tokens) {
                prop_assert!(keyer.key_of_digits(digits, Form::E164) == key);
                prop_assert!(recipient.token(key) == token);
            }
        }
    }
}
