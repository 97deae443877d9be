//! Sizes as an advertiser may read them: a band and never a count.

/// Band edges, about 2.3 to the next: coarse enough that one person seldom moves a list over one.
const STEPS: [u64; 3] = [100, 250, 500];

/// A range of sizes, from (inclusive) to below (exclusive).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Band {
    /// Smallest size in the band.
    pub from: u64,
    /// Smallest size above the band.
    pub below: u64,
}

impl Band {
    /// The band of a count: 0–100–250–500–1 000–2 500–5 000–10 000 and so on.
    #[must_use]
    pub fn of(count: u64) -> Self {
        let mut from = 0;
        let mut scale = 1;
        loop {
            for step in STEPS {
                let below = step * scale;
                if count < below {
                    return Self { from, below };
                }
                from = below;
            }
            scale *= 10;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_lies_in_its_band() {
        for (count, from, below) in [
            (0, 0, 100),
            (99, 0, 100),
            (100, 100, 250),
            (999, 500, 1000),
            (1000, 1000, 2500),
            (30_000_000, 25_000_000, 50_000_000),
        ] {
            assert_eq!(Band::of(count), Band { from, below });
        }
    }
}
