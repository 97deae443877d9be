//! Which whole number is added to a count before anybody outside may know of it?
//!
//! Discrete Gaussian and discrete Laplace noise, sampled exactly in whole numbers after Canonne,
//! Kamath and Steinke, "The Discrete Gaussian for Differential Privacy", NeurIPS 2020
//! (arXiv:2004.00010), algorithms 1 to 3. Nothing here is a floating point number: samplers that
//! round tell more than their formula does (Mironov, "On significance of the least significant
//! bits for differential privacy", CCS 2012).
//!
//! The coins come from a [`Stream`]: BLAKE3's extendable output under a key that HKDF derives from
//! the secret for one recipient. Same recipient and same words, same noise; so a retry repeats a
//! figure, and asking again averages nothing away. To whoever lacks the secret the noise is as
//! good as random; to whoever holds it, it is no noise at all.
//!
//! ```
//! # use std::num::NonZeroU32;
//! # use phonematch::key::Secret;
//! # use phonematch::privacy::noise::{Distribution, Stream};
//! # let secret = Secret::from_file_content(&[7; 32]).unwrap();
//! let variance = NonZeroU32::new(100).unwrap();
//! let noise = Distribution::DiscreteGaussian { variance };
//! let draw = || noise.sample(&mut Stream::new(&secret, "acme", &[b"region", b"DE"]));
//! assert_eq!(draw(), draw());
//! ```
//!
//! The samplers are written here and not taken from `prio` (its `dp` module) or `opendp`: a figure
//! that was released once must come out the same for as long as the ledger lives, so how coins are
//! spent is part of our format; and both bring big integers, a random number stack and more, where
//! 128 bits are enough.

use std::fmt;
use std::num::NonZeroU32;

use crate::key::Secret;

/// Where noise is drawn from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Distribution {
    /// P(x) ∝ exp(−x² / 2σ²) over the whole numbers.
    DiscreteGaussian {
        /// σ², in people².
        variance: NonZeroU32,
    },
    /// P(x) ∝ exp(−|x| / b) over the whole numbers.
    DiscreteLaplace {
        /// b, in people.
        scale: NonZeroU32,
    },
}

impl Distribution {
    /// Draws one value; about thirty coins and a microsecond.
    #[must_use]
    pub fn sample(self, coins: &mut Stream) -> i64 {
        match self {
            Self::DiscreteGaussian { variance } => discrete_gaussian(variance, coins),
            Self::DiscreteLaplace { scale } => discrete_laplace(u128::from(scale.get()), coins),
        }
    }

    /// Draws the value of these words, for one recipient. Another distribution draws anew: from the
    /// same coins its value would hang together with this one, and two figures that are charged as
    /// two would tell more than both.
    #[must_use]
    pub fn draw(self, secret: &Secret, recipient: &str, words: &[&[u8]]) -> i64 {
        let (name, parameter) = match self {
            Self::DiscreteGaussian { variance } => (&b"gaussian"[..], variance),
            Self::DiscreteLaplace { scale } => (&b"laplace"[..], scale),
        };
        let parameter = parameter.get().to_le_bytes();
        let words: Vec<_> = words.iter().copied().chain([name, &parameter]).collect();
        self.sample(&mut Stream::new(secret, recipient, &words))
    }
}

/// Uniform bits that are a function of the secret, the recipient and some words.
pub struct Stream(blake3::OutputReader);

impl Stream {
    /// The stream of `recipient` for `words`, each of which is told from its neighbours by its
    /// length. Begin with a word that says what is released, so that two kinds never share noise.
    #[must_use]
    pub fn new(secret: &Secret, recipient: &str, words: &[&[u8]]) -> Self {
        let mut begun = BegunStream::new(secret, recipient);
        words.iter().for_each(|word| begun.word(word));
        begun.finish()
    }

    /// The stream's first 32 bytes in hex, as a keyed digest of its words.
    pub(super) fn digest(mut self) -> String {
        let mut digest = [0; 32];
        self.0.fill(&mut digest);
        hex::encode(digest)
    }

    /// A number below `limit`, each equally likely: bits are drawn until they make one.
    fn below(&mut self, limit: u128) -> u128 {
        let bits = 128 - limit.saturating_sub(1).leading_zeros();
        let mask = u128::MAX.checked_shr(128 - bits).unwrap_or(0);
        loop {
            let mut bytes = [0; 16];
            self.0.fill(&mut bytes[..bits.div_ceil(8) as usize]);
            let drawn = u128::from_le_bytes(bytes) & mask;
            if drawn < limit {
                return drawn;
            }
        }
    }

    /// The same for 64 bits.
    pub(super) fn number_below(&mut self, limit: u64) -> u64 {
        u64::try_from(self.below(u128::from(limit))).unwrap_or(0)
    }

    /// True with probability `numerator / denominator`, which is at most one.
    fn is_below(&mut self, numerator: u128, denominator: u128) -> bool {
        self.below(denominator) < numerator
    }
}

/// A stream whose words are still to be said.
pub(super) struct BegunStream(blake3::Hasher);

impl BegunStream {
    pub(super) fn new(secret: &Secret, recipient: &str) -> Self {
        Self(blake3::Hasher::new_keyed(&secret.noise_key(recipient)))
    }

    pub(super) fn word(&mut self, word: &[u8]) {
        self.long_word(word.len() as u64);
        self.go_on(word);
    }

    /// Begins a word of so many bytes, for whoever does not have it in one piece.
    pub(super) fn long_word(&mut self, bytes: u64) {
        self.0.update(&bytes.to_le_bytes());
    }

    /// The next piece of a long word.
    pub(super) fn go_on(&mut self, piece: &[u8]) {
        self.0.update(piece);
    }

    pub(super) fn finish(self) -> Stream {
        Stream(self.0.finalize_xof())
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Stream(redacted)")
    }
}

/// True with probability exp(−numerator / denominator): algorithm 1. The arguments stay below
/// 2¹¹², so that the product with the number of rounds, which is past twenty once in 10¹⁸ times,
/// fits 128 bits.
fn exp_coin(numerator: u128, denominator: u128, coins: &mut Stream) -> bool {
    for _ in 0..numerator / denominator {
        if !exp_coin_below_one(1, 1, coins) {
            return false;
        }
    }
    exp_coin_below_one(numerator % denominator, denominator, coins)
}

fn exp_coin_below_one(numerator: u128, denominator: u128, coins: &mut Stream) -> bool {
    let mut round = 1;
    while coins.is_below(numerator, denominator * round) {
        round += 1;
    }
    round % 2 == 1
}

/// Algorithm 2 with its s = 1.
fn discrete_laplace(scale: u128, coins: &mut Stream) -> i64 {
    loop {
        let low = coins.below(scale);
        if !exp_coin(low, scale, coins) {
            continue;
        }
        let mut high = 0;
        while exp_coin(1, 1, coins) {
            high += 1;
        }
        // Below 2⁶³ for every scale, unless 2³¹ coins fall alike.
        let magnitude = i64::try_from(low + scale * high).unwrap_or(i64::MAX);
        let is_negative = coins.is_below(1, 2);
        match (is_negative, magnitude) {
            // Zero is one value and must not be drawn twice as often.
            (true, 0) => {}
            (true, magnitude) => return -magnitude,
            (false, magnitude) => return magnitude,
        }
    }
}

/// Algorithm 3: a Laplace draw of scale t = ⌊σ⌋ + 1 is kept with probability
/// exp(−(|y| − σ²/t)² / 2σ²) = exp(−(|y|·t − σ²)² / 2σ²t²).
fn discrete_gaussian(variance: NonZeroU32, coins: &mut Stream) -> i64 {
    let variance = u128::from(variance.get());
    let scale = variance.isqrt() + 1;
    loop {
        let drawn = discrete_laplace(scale, coins);
        let distance = (u128::from(drawn.unsigned_abs()) * scale).abs_diff(variance);
        if exp_coin(distance * distance, 2 * variance * scale * scale, coins) {
            return drawn;
        }
    }
}

#[cfg(test)]
#[path = "noise_tests.rs"]
mod tests;
