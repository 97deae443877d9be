//! The samplers against their formulas and against another implementation.

use super::*;

fn secret() -> Secret {
    Secret::from_file_content(&[7; 32]).unwrap()
}

fn gaussian(variance: u32) -> Distribution {
    Distribution::DiscreteGaussian { variance: NonZeroU32::new(variance).unwrap() }
}

fn laplace(scale: u32) -> Distribution {
    Distribution::DiscreteLaplace { scale: NonZeroU32::new(scale).unwrap() }
}

/// Computed with a Python script from the paper, on Python's integers and the reference BLAKE3:
/// the i-th value is drawn from the stream of `acme` for the words `test` and the byte i.
#[test]
fn draws_are_those_of_an_independent_implementation() {
    let draw = |noise: Distribution| -> Vec<i64> {
        (0..24u8)
            .map(|at| noise.sample(&mut Stream::new(&secret(), "acme", &[b"test", &[at]])))
            .collect()
    };
    let expected =
        [19, 7, 8, -2, -15, 6, 11, 3, 1, -5, -3, 6, 2, 1, 16, 17, 4, 10, -7, 5, -8, -6, 11, 9];
    assert_eq!(draw(gaussian(100)), expected);
    let expected = [1, 0, -1, -2, -2, 0, 1, 0, 1, -1, 1, 0, 1, 1, 1, -1, 1, 2, -1, 0, 1, 0, 2, 1];
    assert_eq!(draw(gaussian(1)), expected);
    let expected = [
        93649, -55772, -14445, -44290, -27742, 70280, -31288, -67489, 109955, -40901, 132013, 2982,
        7023, 27210, 2441, 79381, 123286, -121354, -71630, 85728, -48456, -19655, 32992, -10691,
    ];
    assert_eq!(draw(gaussian(u32::MAX)), expected);
    let expected =
        [-2, -6, 0, -9, 15, -5, -21, -1, 3, 11, -5, 0, 26, 24, 5, 18, 1, 9, -6, 1, -7, 9, 7, -10];
    assert_eq!(draw(laplace(7)), expected);
}

const DRAWS: u32 = 200_000;

/// So many draws of one stream, counted by value.
fn counts(noise: Distribution, seed: u8) -> std::collections::BTreeMap<i64, u32> {
    let mut coins = Stream::new(&secret(), "test", &[&[seed]]);
    let mut counts = std::collections::BTreeMap::new();
    for _ in 0..DRAWS {
        *counts.entry(noise.sample(&mut coins)).or_default() += 1;
    }
    counts
}

/// Probability of a value, from the formula, in floating point: this is the test's side.
fn mass(noise: Distribution) -> impl Fn(i64) -> f64 {
    let weight = move |x: i64| match noise {
        Distribution::DiscreteGaussian { variance } => {
            (-(x as f64).powi(2) / (2.0 * f64::from(variance.get()))).exp()
        }
        Distribution::DiscreteLaplace { scale } => {
            (-(x as f64).abs() / f64::from(scale.get())).exp()
        }
    };
    let total: f64 = (-3000..=3000).map(weight).sum();
    move |x| weight(x) / total
}

/// The value that χ² of so many degrees of freedom exceeds once in ten thousand times (Wilson and
/// Hilferty 1931).
fn critical_chi_square(degrees: f64) -> f64 {
    let part = 2.0 / (9.0 * degrees);
    degrees * (1.0 - part + 3.719 * part.sqrt()).powi(3)
}

/// Pearson's statistic over all values that are expected at least ten times, the tails as two
/// cells of their own; and its degrees of freedom.
fn chi_square(
    counts: &std::collections::BTreeMap<i64, u32>,
    mass: impl Fn(i64) -> f64,
) -> (f64, f64) {
    let edge = (0..).find(|&x| mass(x) * f64::from(DRAWS) < 10.0).unwrap();
    let tail: f64 = (edge..3000).map(&mass).sum();
    let seen = |range: std::ops::Range<i64>| counts.range(range).map(|(_, &n)| f64::from(n)).sum();
    let mut cells: Vec<(f64, f64)> = (1 - edge..edge).map(|x| (mass(x), seen(x..x + 1))).collect();
    cells.push((tail, seen(i64::MIN..1 - edge)));
    cells.push((tail, seen(edge..i64::MAX)));
    let one = |&(mass, seen): &(f64, f64)| {
        let expected = mass * f64::from(DRAWS);
        (seen - expected).powi(2) / expected
    };
    (cells.iter().map(one).sum(), cells.len() as f64 - 1.0)
}

const SHAPES: [fn() -> Distribution; 7] = [
    || gaussian(1),
    || gaussian(3),
    || gaussian(100),
    || gaussian(1000),
    || laplace(1),
    || laplace(7),
    || laplace(30),
];

#[test]
fn draws_follow_the_formula() {
    for (noise, seed) in SHAPES.iter().map(|shape| shape()).zip(1..) {
        let (statistic, degrees) = chi_square(&counts(noise, seed), mass(noise));
        let critical = critical_chi_square(degrees);
        assert!(statistic < critical, "{noise:?}: {statistic:.1} of {degrees}, {critical:.1}");
    }
}

#[test]
fn the_test_of_the_formula_tells_neighbouring_distributions_apart() {
    for (drawn, other) in
        [(gaussian(100), gaussian(103)), (laplace(7), laplace(8)), (gaussian(2), laplace(1))]
    {
        let (statistic, degrees) = chi_square(&counts(drawn, 1), mass(other));
        assert!(statistic > critical_chi_square(degrees), "{drawn:?} passes for {other:?}");
    }
}

#[test]
fn draws_have_the_mean_variance_and_tail_of_the_formula() {
    for (noise, seed) in SHAPES.iter().map(|shape| shape()).zip(1..) {
        let counts = counts(noise, seed);
        let mass = mass(noise);
        let expect =
            |f: &dyn Fn(f64) -> f64| -> f64 { (-3000..=3000).map(|x| mass(x) * f(x as f64)).sum() };
        let seen = |f: &dyn Fn(f64) -> f64| -> f64 {
            let sum: f64 = counts.iter().map(|(&x, &n)| f64::from(n) * f(x as f64)).sum();
            sum / f64::from(DRAWS)
        };
        let variance = expect(&|x| x * x);
        let beyond = 3.0 * variance.sqrt();
        let three: [&dyn Fn(f64) -> f64; 4] = [
            &|x| x,
            &|x| x * x,
            &|x| f64::from(u8::from(x > 0.0)) - f64::from(u8::from(x < 0.0)),
            &|x| f64::from(u8::from(x.abs() > beyond)),
        ];
        for (at, f) in three.iter().enumerate() {
            let spread = (expect(&|x| f(x).powi(2)) - expect(f).powi(2)) / f64::from(DRAWS);
            let distance = (seen(f) - expect(f)).abs() / spread.sqrt();
            assert!(distance < 4.0, "{noise:?}: moment {at} is {distance:.1} deviations off");
        }
    }
}

#[test]
fn other_words_recipients_and_secrets_get_other_noise() {
    let draw = |secret: &Secret, recipient: &str, words: &[&[u8]]| -> Vec<i64> {
        let mut coins = Stream::new(secret, recipient, words);
        (0..32).map(|_| gaussian(100).sample(&mut coins)).collect()
    };
    let drawn = draw(&secret(), "acme", &[b"ab", b"c"]);
    assert_eq!(drawn, draw(&secret(), "acme", &[b"ab", b"c"]));
    for (recipient, words) in [
        ("globex", &[&b"ab"[..], b"c"][..]),
        ("acme", &[b"a", b"bc"]),
        ("acme", &[b"abc"]),
        ("acme", &[b"ab", b"c", b""]),
    ] {
        assert_ne!(drawn, draw(&secret(), recipient, words));
    }
    let other = Secret::from_file_content(&[8; 32]).unwrap();
    assert_ne!(drawn, draw(&other, "acme", &[b"ab", b"c"]));
}

#[test]
fn every_number_below_a_limit_is_equally_likely() {
    let mut coins = Stream::new(&secret(), "acme", &[b"below"]);
    let mut counts = [0u32; 6];
    for _ in 0..60_000 {
        counts[usize::try_from(coins.below(6)).unwrap()] += 1;
    }
    let statistic: f64 = counts.iter().map(|&n| (f64::from(n) - 10_000.0).powi(2) / 10_000.0).sum();
    assert!(statistic < critical_chi_square(5.0), "{statistic}");
    assert_eq!(coins.below(1), 0);
    assert!((0..100).all(|_| coins.below(u128::MAX) < u128::MAX));
}

/// With the same coins two normal distributions of nearly one spread would be the same draw, but for
/// a factor.
#[test]
fn another_spread_draws_anew() {
    let of = |spread: u32, distribution: fn(NonZeroU32) -> Distribution| {
        let distribution = distribution(NonZeroU32::new(spread).unwrap());
        let draw = |at: u32| distribution.draw(&secret(), "acme", &[b"list", &at.to_le_bytes()]);
        (0..2000).map(|at| f64::from(i32::try_from(draw(at)).unwrap())).collect::<Vec<_>>()
    };
    let gaussian = |variance| Distribution::DiscreteGaussian { variance };
    let laplace = |scale| Distribution::DiscreteLaplace { scale };
    let correlation = |one: &[f64], other: &[f64]| {
        let product = |one: &[f64], other: &[f64]| -> f64 {
            one.iter().zip(other).map(|(one, other)| one * other).sum()
        };
        product(one, other) / (product(one, one) * product(other, other)).sqrt()
    };
    assert_eq!(of(100, gaussian), of(100, gaussian));
    for (one, other) in [
        (of(100, gaussian), of(121, gaussian)),
        (of(10, laplace), of(11, laplace)),
        (of(200, gaussian), of(10, laplace)),
    ] {
        // Five standard errors of a correlation of nothing.
        assert!(correlation(&one, &other).abs() < 5.0 / 2000_f64.sqrt());
    }
}
