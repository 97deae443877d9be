//! Sixteen SHA-256 compressions side by side (FIPS 180-4, §6.2.2).
//!
//! A phone number is one block, and one block at a time keeps a core waiting for itself: each
//! round needs the one before. Sixteen numbers share a round here: word `w` of message `l` is
//! `block[w][l]`, and a vector register holds one word of sixteen (AVX-512) or eight (AVX2)
//! messages. Where the processor has neither, each lane goes through `sha2` alone, which uses the
//! processor's own SHA instructions where there are any.

use sha2::block_api::compress256;

use super::Level;

/// Messages side by side.
pub(crate) const LANES: usize = 16;

/// One word of each message.
pub(crate) type Row = [u32; LANES];

/// The words of a chaining value (FIPS 180-4, §5.3.3), before and after a compression.
pub(crate) const INITIAL: [u32; 8] = [
    0x6a09_e667,
    0xbb67_ae85,
    0x3c6e_f372,
    0xa54f_f53a,
    0x510e_527f,
    0x9b05_688c,
    0x1f83_d9ab,
    0x5be0_cd19,
];

impl Level {
    /// Compresses one block into each lane's state.
    pub(crate) fn compress(self, state: &mut [Row; 8], block: &[Row; 16]) {
        match self {
            // SAFETY: there are eyes of this level only where its features were detected.
            #[cfg(target_arch = "x86_64")]
            Self::Avx512(_) => unsafe { avx512::compress(state, block) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(_) => unsafe { avx2::compress(state, block) },
            Self::Each => compress_each(state, block),
        }
    }
}

fn compress_each(state: &mut [Row; 8], block: &[Row; 16]) {
    for lane in 0..LANES {
        let mut bytes = [0; 64];
        for (bytes, row) in bytes.chunks_exact_mut(4).zip(block) {
            bytes.copy_from_slice(&row[lane].to_be_bytes());
        }
        let mut own = [0; 8];
        own.iter_mut().zip(&*state).for_each(|(word, row)| *word = row[lane]);
        compress256(&mut own, &[bytes]);
        state.iter_mut().zip(own).for_each(|(row, word)| row[lane] = word);
    }
}

/// The round constants (FIPS 180-4, §4.2.2).
#[cfg(target_arch = "x86_64")]
const ROUND: [u32; 64] = [
    0x428a_2f98,
    0x7137_4491,
    0xb5c0_fbcf,
    0xe9b5_dba5,
    0x3956_c25b,
    0x59f1_11f1,
    0x923f_82a4,
    0xab1c_5ed5,
    0xd807_aa98,
    0x1283_5b01,
    0x2431_85be,
    0x550c_7dc3,
    0x72be_5d74,
    0x80de_b1fe,
    0x9bdc_06a7,
    0xc19b_f174,
    0xe49b_69c1,
    0xefbe_4786,
    0x0fc1_9dc6,
    0x240c_a1cc,
    0x2de9_2c6f,
    0x4a74_84aa,
    0x5cb0_a9dc,
    0x76f9_88da,
    0x983e_5152,
    0xa831_c66d,
    0xb003_27c8,
    0xbf59_7fc7,
    0xc6e0_0bf3,
    0xd5a7_9147,
    0x06ca_6351,
    0x1429_2967,
    0x27b7_0a85,
    0x2e1b_2138,
    0x4d2c_6dfc,
    0x5338_0d13,
    0x650a_7354,
    0x766a_0abb,
    0x81c2_c92e,
    0x9272_2c85,
    0xa2bf_e8a1,
    0xa81a_664b,
    0xc24b_8b70,
    0xc76c_51a3,
    0xd192_e819,
    0xd699_0624,
    0xf40e_3585,
    0x106a_a070,
    0x19a4_c116,
    0x1e37_6c08,
    0x2748_774c,
    0x34b0_bcb5,
    0x391c_0cb3,
    0x4ed8_aa4a,
    0x5b9c_ca4f,
    0x682e_6ff3,
    0x748f_82ee,
    0x78a5_636f,
    0x84c8_7814,
    0x8cc7_0208,
    0x90be_fffa,
    0xa450_6ceb,
    0xbef9_a3f7,
    0xc671_78f2,
];

/// The compression of FIPS 180-4, §6.2.2, over the vector type and the functions of the module
/// that it stands in. The schedule is kept in a ring of sixteen words, and the eight working
/// variables change names instead of places.
#[cfg(target_arch = "x86_64")]
macro_rules! compression {
    ($feature:literal, $vector:ty) => {
        #[inline]
        #[target_feature(enable = $feature)]
        fn big_sigma_0(x: $vector) -> $vector {
            xor(ror::<2, 30>(x), ror::<13, 19>(x), ror::<22, 10>(x))
        }

        #[inline]
        #[target_feature(enable = $feature)]
        fn big_sigma_1(x: $vector) -> $vector {
            xor(ror::<6, 26>(x), ror::<11, 21>(x), ror::<25, 7>(x))
        }

        #[inline]
        #[target_feature(enable = $feature)]
        fn small_sigma_0(x: $vector) -> $vector {
            xor(ror::<7, 25>(x), ror::<18, 14>(x), shr::<3>(x))
        }

        #[inline]
        #[target_feature(enable = $feature)]
        fn small_sigma_1(x: $vector) -> $vector {
            xor(ror::<17, 15>(x), ror::<19, 13>(x), shr::<10>(x))
        }

        #[target_feature(enable = $feature)]
        pub(super) fn compress(state: &mut [Row; 8], block: &[Row; 16]) {
            for from in (0..LANES).step_by(WIDTH) {
                let mut w = [splat(0); 16];
                for (word, row) in w.iter_mut().zip(block) {
                    *word = load(row, from);
                }
                let mut before = [splat(0); 8];
                for (word, row) in before.iter_mut().zip(&*state) {
                    *word = load(row, from);
                }
                let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = before;
                macro_rules! round {
                    ($a:ident $b:ident $c:ident $d:ident $e:ident $f:ident $g:ident $h:ident
                                                     $t:expr, $round:expr) => {
                        let constant = splat(ROUND[$round + $t]);
                        let one = add(add($h, big_sigma_1($e)), add(choose($e, $f, $g), constant));
                        let one = add(one, w[$t]);
                        let two = add(big_sigma_0($a), majority($a, $b, $c));
                        $d = add($d, one);
                        $h = add(one, two);
                    };
                }
                macro_rules! eight_rounds {
                                                    ($t:expr, $round:expr) => {
                                                        round!(a b c d e f g h $t, $round);
                                                        round!(h a b c d e f g $t + 1, $round);
                                                        round!(g h a b c d e f $t + 2, $round);
                                                        round!(f g h a b c d e $t + 3, $round);
                                                        round!(e f g h a b c d $t + 4, $round);
                                                        round!(d e f g h a b c $t + 5, $round);
                                                        round!(c d e f g h a b $t + 6, $round);
                                                        round!(b c d e f g h a $t + 7, $round);
                                                    };
                                                }
                for round in (0..64).step_by(16) {
                    if round > 0 {
                        for t in 0..16 {
                            let old = add(w[t], small_sigma_0(w[(t + 1) % 16]));
                            let new = add(w[(t + 9) % 16], small_sigma_1(w[(t + 14) % 16]));
                            w[t] = add(old, new);
                        }
                    }
                    eight_rounds!(0, round);
                    eight_rounds!(8, round);
                }
                for ((row, before), word) in
                    state.iter_mut().zip(before).zip([a, b, c, d, e, f, g, h])
                {
                    store(add(before, word), row, from);
                }
            }
        }
    };
}

/// Sixteen lanes: this set has rotations and any function of three bits as one instruction.
#[cfg(target_arch = "x86_64")]
mod avx512 {
    use std::arch::x86_64::{
        __m512i, _mm512_add_epi32, _mm512_ror_epi32, _mm512_set1_epi32, _mm512_srli_epi32,
        _mm512_ternarylogic_epi32,
    };

    use super::{LANES, ROUND, Row};

    const WIDTH: usize = 16;

    compression!("avx512f", __m512i);

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn load(row: &Row, _from: usize) -> __m512i {
        // SAFETY: sixteen 32-bit integers and a vector of 512 bits are the same plain bits.
        unsafe { std::mem::transmute::<Row, __m512i>(*row) }
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn store(vector: __m512i, row: &mut Row, _from: usize) {
        // SAFETY: as in `load`.
        *row = unsafe { std::mem::transmute::<__m512i, Row>(vector) };
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn splat(word: u32) -> __m512i {
        _mm512_set1_epi32(word.cast_signed())
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn add(a: __m512i, b: __m512i) -> __m512i {
        _mm512_add_epi32(a, b)
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn xor(a: __m512i, b: __m512i, c: __m512i) -> __m512i {
        _mm512_ternarylogic_epi32::<0b1001_0110>(a, b, c)
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn choose(e: __m512i, f: __m512i, g: __m512i) -> __m512i {
        _mm512_ternarylogic_epi32::<0b1100_1010>(e, f, g)
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn majority(a: __m512i, b: __m512i, c: __m512i) -> __m512i {
        _mm512_ternarylogic_epi32::<0b1110_1000>(a, b, c)
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn ror<const RIGHT: i32, const LEFT: i32>(x: __m512i) -> __m512i {
        const { assert!(RIGHT + LEFT == 32) };
        _mm512_ror_epi32::<RIGHT>(x)
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn shr<const RIGHT: u32>(x: __m512i) -> __m512i {
        _mm512_srli_epi32::<RIGHT>(x)
    }
}

/// Eight lanes.
#[cfg(target_arch = "x86_64")]
mod avx2 {
    use std::arch::x86_64::{
        __m256i, _mm256_add_epi32, _mm256_and_si256, _mm256_or_si256, _mm256_set1_epi32,
        _mm256_slli_epi32, _mm256_srli_epi32, _mm256_xor_si256,
    };

    use super::{LANES, ROUND, Row};

    const WIDTH: usize = 8;

    compression!("avx2", __m256i);

    #[inline]
    #[target_feature(enable = "avx2")]
    fn load(row: &Row, from: usize) -> __m256i {
        let mut half = [0; WIDTH];
        half.copy_from_slice(&row[from..from + WIDTH]);
        // SAFETY: eight 32-bit integers and a vector of 256 bits are the same plain bits.
        unsafe { std::mem::transmute::<[u32; WIDTH], __m256i>(half) }
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn store(vector: __m256i, row: &mut Row, from: usize) {
        // SAFETY: as in `load`.
        let half = unsafe { std::mem::transmute::<__m256i, [u32; WIDTH]>(vector) };
        row[from..from + WIDTH].copy_from_slice(&half);
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn splat(word: u32) -> __m256i {
        _mm256_set1_epi32(word.cast_signed())
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn add(a: __m256i, b: __m256i) -> __m256i {
        _mm256_add_epi32(a, b)
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn xor(a: __m256i, b: __m256i, c: __m256i) -> __m256i {
        _mm256_xor_si256(_mm256_xor_si256(a, b), c)
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn choose(e: __m256i, f: __m256i, g: __m256i) -> __m256i {
        _mm256_xor_si256(g, _mm256_and_si256(e, _mm256_xor_si256(f, g)))
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn majority(a: __m256i, b: __m256i, c: __m256i) -> __m256i {
        let either = _mm256_or_si256(a, b);
        _mm256_or_si256(_mm256_and_si256(a, b), _mm256_and_si256(c, either))
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn ror<const RIGHT: i32, const LEFT: i32>(x: __m256i) -> __m256i {
        const { assert!(RIGHT + LEFT == 32) };
        _mm256_or_si256(_mm256_srli_epi32::<RIGHT>(x), _mm256_slli_epi32::<LEFT>(x))
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn shr<const RIGHT: i32>(x: __m256i) -> __m256i {
        _mm256_srli_epi32::<RIGHT>(x)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draws::Draws;

    #[test]
    fn every_level_compresses_as_sha2_does() {
        let mut draws = Draws(1);
        let mut draw = || u32::try_from(draws.bits() >> 32).unwrap();
        for _ in 0..200 {
            let block: [Row; 16] = std::array::from_fn(|_| std::array::from_fn(|_| draw()));
            let state: [Row; 8] = std::array::from_fn(|_| std::array::from_fn(|_| draw()));
            let mut expected = state;
            compress_each(&mut expected, &block);
            for level in Level::available() {
                let mut ours = state;
                level.compress(&mut ours, &block);
                assert!(ours == expected, "{level:?}");
            }
        }
    }
}
