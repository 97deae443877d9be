//! Randomness that is a function of where it is asked for.
//!
//! `SplitMix64` (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA
//! 2014) and a Feistel network with cycle walking (Black and Rogaway, "Ciphers with arbitrary
//! finite domains", CT-RSA 2002). Neither is secret, and neither need be.

/// Independent streams of randomness, so that a change in one file leaves the others alone.
#[derive(Clone, Copy)]
pub(super) enum Stream {
    Account = 1,
    List = 2,
    OptOut = 3,
    Slots = 4,
    Overlap = 5,
    Suppressed = 6,
    Deleted = 7,
    Renumbered = 8,
    Registered = 9,
    Dropped = 10,
    Added = 11,
    Leaving = 12,
}

/// `SplitMix64`'s output function (variant 13 of Stafford's mixers).
pub(super) const fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// `SplitMix64`, seeded anew for every row.
pub(super) struct Random(u64);

impl Random {
    const GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;

    pub(super) fn new(seed: u64, stream: Stream, row: u64) -> Self {
        let start = mix(seed ^ mix(stream as u64));
        Self(mix(start.wrapping_add(row.wrapping_mul(Self::GAMMA))))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(Self::GAMMA);
        mix(self.0)
    }

    /// Below `limit`, which is not zero. The bias of the remainder is far below what a made-up
    /// world can show.
    pub(super) fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    pub(super) fn index(&mut self, len: usize) -> usize {
        usize::try_from(self.below(len as u64)).unwrap_or(0)
    }

    pub(super) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.index(from.len())]
    }

    pub(super) fn chance(&mut self, share: f64) -> bool {
        const UNIT: f64 = 1.0 / (1_u64 << 53) as f64;
        (self.next() >> 11) as f64 * UNIT < share
    }
}

/// A permutation of `0..size` by a key.
pub(super) struct Permutation {
    size: u64,
    half_bits: u32,
    key: u64,
}

impl Permutation {
    pub(super) fn new(size: u64, key: u64) -> Self {
        let bits = u64::BITS - size.saturating_sub(1).leading_zeros();
        Self { size, half_bits: bits.div_ceil(2).max(1), key }
    }

    pub(super) fn apply(&self, index: u64) -> u64 {
        const ROUNDS: u64 = 4;
        let mask = (1_u64 << self.half_bits) - 1;
        let mut value = index;
        loop {
            let (mut left, mut right) = (value >> self.half_bits, value & mask);
            for round in 0..ROUNDS {
                let scrambled = mix(self.key ^ (right << 3 | round)) & mask;
                (left, right) = (right, left ^ scrambled);
            }
            value = left << self.half_bits | right;
            // Outside the domain: walk on. The cycle leads back in, at most four steps on
            // average, and stays a permutation.
            if value < self.size {
                return value;
            }
        }
    }
}
