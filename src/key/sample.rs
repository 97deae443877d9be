//! Who is in a sample?
//!
//! The key decides, so that the same people are in it on both sides of the join, in every file and
//! in every row of theirs. Nobody without the secret can tell or choose who that is. A person in
//! the two forms of lists has two keys, and is drawn once by each.

use super::MatchKey;
use crate::share::Share;

/// Whether the person behind `key` is in a sample of `share`. Whoever is in a sample is in every
/// larger one.
#[must_use]
pub fn is_in_sample(key: MatchKey, share: Share) -> bool {
    // Not the bytes of the table's hash: a sample's keys must still spread in the table.
    let [.., a, b, c, d, e, f, g, h] = key.0;
    let drawn = u64::from_le_bytes([a, b, c, d, e, f, g, h]);
    u128::from(drawn) * u128::from(Share::WHOLE.millionths())
        < u128::from(share.millionths()) << u64::BITS
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::{Form, Keyer, Secret};

    fn keys(secret: u8) -> Vec<MatchKey> {
        let keyer = Keyer::new(&Secret::from_file_content(&[secret; 32]).unwrap());
        (0..20_000).map(|n| keyer.key_of_digits(12_025_550_000 + n, Form::E164)).collect()
    }

    #[test]
    fn a_sample_is_as_large_as_asked_and_part_of_every_larger_one() {
        let keys = keys(7);
        let within = |percent| {
            let share = Share::percent(percent);
            keys.iter().map(|&key| is_in_sample(key, share)).collect::<Vec<_>>()
        };
        let count = |percent| within(percent).into_iter().filter(|&is_in| is_in).count();
        assert_eq!((count(0), count(100)), (0, keys.len()));
        // Of a binomial distribution: four standard deviations round the mean.
        assert!((144..=256).contains(&count(1)), "{}", count(1));
        assert!((9_717..=10_283).contains(&count(50)), "{}", count(50));
        let (small, large) = (within(1), within(3));
        assert!(small.iter().zip(&large).all(|(small, large)| !small || *large));
    }

    #[test]
    fn who_is_in_a_sample_is_the_secrets_to_say() {
        let drawn = |secret| {
            keys(secret).into_iter().map(|key| is_in_sample(key, Share::percent(1))).collect()
        };
        let (one, other): (Vec<bool>, Vec<bool>) = (drawn(7), drawn(8));
        let both = one.iter().zip(&other).filter(|(one, other)| **one && **other).count();
        assert!(both < 20, "{both} of 20 000 are in two samples of 1 %");
    }
}
