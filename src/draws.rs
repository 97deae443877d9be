//! Which numbers does a test take, where any will do?
//!
//! A linear congruential generator (Knuth, TAOCP 2, §3.3.4): the same each time.

/// Numbers from a seed.
pub(crate) struct Draws(pub(crate) u64);

impl Draws {
    /// 64 bits, of which the lower ones repeat soon.
    pub(crate) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        self.0
    }

    /// A number below `limit`.
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        (self.bits() >> 33) % limit
    }

    /// The same for places.
    pub(crate) fn place(&mut self, len: usize) -> usize {
        usize::try_from(self.below(len as u64)).unwrap()
    }
}
