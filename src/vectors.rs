//! Which instructions does this processor have?
//!
//! The program is built for every processor of its kind, and asks at run time what the one at hand
//! has beyond that. A loop that is worth it is a [`Kernel`]: it is compiled for each [`Level`], and
//! looks at many bytes at once through the [`Eyes`] that it is given; one over numbers the compiler
//! turns into vectors by itself. SHA-256 in lanes is written out for each level (`sha256`).
//!
//! # Unsafe code
//!
//! The only module that holds any. It is of two kinds. *A call* of a function that needs a processor
//! feature: made only by who holds eyes of that level, and those are given only where the features
//! were detected, and never outlive the process that detected them. *A change of type* between an
//! array of integers and a vector of the same size, both plain bits without padding or invalid
//! values; the compiler checks the sizes. There are no pointers.

#![allow(unsafe_code, reason = "vector instructions are dispatched here; see the module's doc")]

pub(crate) mod sha256;

use wide::u8x64;

/// Bytes that are looked at in one go.
pub(crate) const WINDOW: usize = 64;

/// Which instructions a processor has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Level {
    /// Vectors of 64 bytes, and what came before them.
    #[cfg(target_arch = "x86_64")]
    Avx512(x86::Avx512),
    /// Vectors of 32 bytes, and what came with them.
    #[cfg(target_arch = "x86_64")]
    Avx2(x86::Avx2),
    /// Those that every processor of the kind has.
    Each,
}

/// A loop that is compiled for each level.
pub(crate) trait Kernel {
    /// What it comes to.
    type Output;

    /// Runs it. Whatever this calls gains by a level only as far as it is inlined, so this is
    /// `#[inline(always)]`.
    fn run(self, eyes: impl Eyes) -> Self::Output;
}

/// How a level looks at bytes.
pub(crate) trait Eyes: Copy {
    /// The bits of the places where a byte stands, the lowest for the first.
    fn places_of_one(self, window: &[u8; WINDOW], byte: u8) -> u64;

    /// The same for any of several bytes.
    #[inline(always)]
    fn places_of<const N: usize>(self, window: &[u8; WINDOW], any_of: [u8; N]) -> u64 {
        let mut found = 0;
        for byte in any_of {
            found |= self.places_of_one(window, byte);
        }
        found
    }
}

/// Sees as every processor does.
#[derive(Clone, Copy)]
pub(crate) struct Plain;

impl Eyes for Plain {
    #[inline(always)]
    fn places_of_one(self, window: &[u8; WINDOW], byte: u8) -> u64 {
        self.places_of(window, [byte])
    }

    // One mask for all bytes: here a mask costs more than what it is made of.
    #[inline(always)]
    fn places_of<const N: usize>(self, window: &[u8; WINDOW], any_of: [u8; N]) -> u64 {
        let window = u8x64::new(*window);
        let mut found = u8x64::splat(0);
        for byte in any_of {
            found |= window.simd_eq(u8x64::splat(byte));
        }
        found.to_bitmask()
    }
}

impl Level {
    /// Every level that this processor has, the best first.
    pub(crate) fn available() -> impl Iterator<Item = Self> {
        #[cfg(target_arch = "x86_64")]
        let vectors =
            [x86::Avx512::detect().map(Self::Avx512), x86::Avx2::detect().map(Self::Avx2)];
        #[cfg(not(target_arch = "x86_64"))]
        let vectors: [Option<Self>; 0] = [];
        vectors.into_iter().flatten().chain([Self::Each])
    }

    /// The fastest level of this processor.
    pub(crate) fn best() -> Self {
        Self::available().next().unwrap_or(Self::Each)
    }

    /// Runs a kernel as it was compiled for this level.
    #[inline]
    pub(crate) fn run<K: Kernel>(self, kernel: K) -> K::Output {
        match self {
            // SAFETY: there are such eyes only where their features were detected.
            #[cfg(target_arch = "x86_64")]
            Self::Avx512(eyes) => unsafe { x86::run_avx512(kernel, eyes) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(eyes) => unsafe { x86::run_avx2(kernel, eyes) },
            Self::Each => kernel.run(Plain),
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::{
        __m256i, __m512i, _mm256_cmpeq_epi8, _mm256_movemask_epi8, _mm256_set1_epi8,
        _mm512_cmpeq_epi8_mask, _mm512_set1_epi8,
    };
    use std::is_x86_feature_detected as has;

    use super::{Eyes, Kernel, WINDOW};

    /// Eyes of a processor that has AVX-512; there are none where it was not detected.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub(crate) struct Avx512(());

    /// Eyes of a processor that has AVX2; there are none where it was not detected.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub(crate) struct Avx2(());

    impl Avx512 {
        pub(super) fn detect() -> Option<Self> {
            let has = has!("avx512f") && has!("avx512bw") && has!("avx512dq") && has!("avx512vl");
            Avx2::detect().filter(|_| has).map(|_| Self(()))
        }
    }

    impl Avx2 {
        pub(super) fn detect() -> Option<Self> {
            let has = has!("avx2") && has!("bmi1") && has!("bmi2");
            (has && has!("lzcnt") && has!("popcnt")).then_some(Self(()))
        }
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,bmi1,bmi2,lzcnt,popcnt")]
    pub(super) fn run_avx512<K: Kernel>(kernel: K, eyes: Avx512) -> K::Output {
        kernel.run(eyes)
    }

    #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
    pub(super) fn run_avx2<K: Kernel>(kernel: K, eyes: Avx2) -> K::Output {
        kernel.run(eyes)
    }

    impl Eyes for Avx512 {
        #[inline(always)]
        fn places_of_one(self, window: &[u8; WINDOW], byte: u8) -> u64 {
            // SAFETY: there are such eyes only where the features were detected.
            unsafe { places_avx512(window, byte) }
        }
    }

    impl Eyes for Avx2 {
        #[inline(always)]
        fn places_of_one(self, window: &[u8; WINDOW], byte: u8) -> u64 {
            // SAFETY: as above.
            unsafe { places_avx2(window, byte) }
        }
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    fn places_avx512(window: &[u8; WINDOW], byte: u8) -> u64 {
        // SAFETY: 64 bytes and a vector of 512 bits are the same plain bits.
        let window = unsafe { std::mem::transmute::<[u8; WINDOW], __m512i>(*window) };
        _mm512_cmpeq_epi8_mask(window, _mm512_set1_epi8(byte.cast_signed()))
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn places_avx2(window: &[u8; WINDOW], byte: u8) -> u64 {
        // SAFETY: twice 32 bytes and two vectors of 256 bits are the same plain bits.
        let [low, high] = unsafe { std::mem::transmute::<[u8; WINDOW], [__m256i; 2]>(*window) };
        places_in_half(low, byte) | places_in_half(high, byte) << 32
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn places_in_half(half: __m256i, byte: u8) -> u64 {
        let equal = _mm256_cmpeq_epi8(half, _mm256_set1_epi8(byte.cast_signed()));
        u64::from(_mm256_movemask_epi8(equal).cast_unsigned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The places of a byte, and how many bits those have.
    struct Look<'a>(&'a [u8; WINDOW], u8);

    impl Kernel for Look<'_> {
        type Output = (u64, u32);

        #[inline(always)]
        fn run(self, eyes: impl Eyes) -> (u64, u32) {
            let places = eyes.places_of(self.0, [self.1]);
            (places, places.count_ones())
        }
    }

    struct LookForTwo<'a>(&'a [u8; WINDOW], [u8; 2]);

    impl Kernel for LookForTwo<'_> {
        type Output = u64;

        #[inline(always)]
        fn run(self, eyes: impl Eyes) -> u64 {
            eyes.places_of(self.0, self.1)
        }
    }

    #[test]
    fn every_level_sees_every_place() {
        for level in Level::available() {
            for at in 0..WINDOW {
                for byte in [b',', 0, 0x7f, 0x80, 0xff] {
                    let mut window = [byte ^ 1; WINDOW];
                    window[at] = byte;
                    assert_eq!(level.run(Look(&window, byte)), (1 << at, 1), "{level:?}");
                    assert_eq!(level.run(Look(&window, byte ^ 2)), (0, 0), "{level:?}");
                    let others = (!(1 << at), 63);
                    assert_eq!(level.run(Look(&window, byte ^ 1)), others, "{level:?}");
                    window[at ^ 5] = byte ^ 3;
                    let both = level.run(LookForTwo(&window, [byte, byte ^ 3]));
                    assert_eq!(both, 1 << at | 1 << (at ^ 5), "{level:?}");
                }
            }
        }
    }
}
