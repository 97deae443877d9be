//! Is this list the earlier one but for a few numbers?
//!
//! An earlier list is not kept. What is kept are the values of its characteristic polynomial
//! ∏(z − x), over all its members x, at a few secret points z (Minsky, Trachtenberg and Zippel,
//! "Set reconciliation with nearly optimal communication complexity", IEEE Transactions on
//! Information Theory 49(9), 2003). The quotient of two lists' values is a rational function
//! whose degree is the number of members that only one of them has; common ones cancel out. So k
//! values tell a difference below k from any other, at eight bytes each and however long the
//! lists are: exactly when it is below, and with two values more, wrongly about once in 2⁸⁰
//! comparisons when it is not.
//!
//! It was chosen over an invertible Bloom lookup table (Eppstein, Goodrich, Uyeda and Varghese,
//! "What's the difference?", SIGCOMM 2011), which is several times larger and sometimes cannot be
//! read: an advertiser who tries long enough would find the lists that it misses.
//!
//! Members are match keys, points are drawn under the recipient's key: without the secret the
//! values say nothing, and an advertiser can choose neither.

use std::array;
use std::fmt;
use std::num::NonZeroU32;

use super::noise::Stream;
use crate::key::{MatchKey, Secret};
use crate::vectors::{Eyes, Kernel, Level};

/// The field's order, a Mersenne prime.
const PRIME: u64 = (1 << 61) - 1;

/// Points that a member meets at once: as many as the longest vectors hold.
const LANES: usize = 8;

/// Values beyond those that solve for the difference. Each makes a false "near" less likely by
/// list length / 2⁶¹.
const CHECKS: u32 = 2;

/// Where a recipient's lists are evaluated.
pub struct Points {
    /// The points, and zeros behind the last.
    lanes: Vec<[u64; LANES]>,
    count: usize,
}

impl Points {
    /// The points that tell differences below `limit`. Fewer are a prefix of more.
    #[must_use]
    pub fn new(secret: &Secret, recipient: &str, limit: NonZeroU32) -> Self {
        let mut stream = Stream::new(secret, recipient, &[b"sketch"]);
        let count = limit.get() - 1 + CHECKS;
        let points: Vec<_> = (0..count).map(|_| stream.number_below(PRIME)).collect();
        let lanes = points.chunks(LANES).map(|points| {
            let mut lanes = [0; LANES];
            lanes[..points.len()].copy_from_slice(points);
            lanes
        });
        Self { lanes: lanes.collect(), count: points.len() }
    }

    fn point(&self, at: usize) -> u64 {
        self.lanes[at / LANES][at % LANES]
    }
}

/// What is kept of a list: how many numbers it had, and its polynomial at the points.
#[derive(Clone, PartialEq, Eq)]
pub struct Sketch {
    numbers: u64,
    values: Vec<u64>,
}

impl Sketch {
    /// Evaluates a list of distinct keys, in any order.
    #[must_use]
    pub fn of(points: &Points, keys: &[MatchKey]) -> Self {
        let mut values = vec![[1; LANES]; points.lanes.len()];
        Level::best().run(Evaluating { values: &mut values, points: &points.lanes, keys });
        let values = values.as_flattened()[..points.count].iter();
        let values = values.map(|&value| reduce(value.into())).collect();
        Self { numbers: keys.len() as u64, values }
    }

    /// The sketch of two lists together that have no key in common, at the same points.
    #[must_use]
    pub fn joined(mut self, other: Self) -> Self {
        self.numbers += other.numbers;
        for (value, other) in self.values.iter_mut().zip(other.values) {
            *value = multiply(*value, other);
        }
        self
    }

    /// How many numbers the list had.
    #[must_use]
    pub const fn numbers(&self) -> u64 {
        self.numbers
    }

    /// Whether fewer than `limit` numbers are in one list and not in the other, as far as both
    /// sketches reach: beyond what the shorter one can tell, lists are not near.
    #[must_use]
    pub fn is_near(&self, other: &Self, points: &Points, limit: NonZeroU32) -> bool {
        let reach = self.values.len().min(other.values.len()).min(points.count);
        let Some(most) = reach.checked_sub(CHECKS as usize) else { return false };
        let most = most.min(limit.get() as usize - 1);
        let Ok(surplus) = usize::try_from(self.numbers.abs_diff(other.numbers)) else {
            return false;
        };
        if surplus > most {
            return false;
        }
        // A difference is as even as the surplus; the larger list has the higher degree.
        let most = most - (most - surplus) % 2;
        let (long, short) =
            if self.numbers < other.numbers { (other, self) } else { (self, other) };
        let degrees = Degrees { long: (most + surplus) / 2, short: (most - surplus) / 2 };
        let row = |at: usize| degrees.equation(points.point(at), long.values[at], short.values[at]);
        has_solution((0..most + CHECKS as usize).map(row).collect(), most)
    }

    /// The values for the ledger: 16 hex digits each.
    #[must_use]
    pub fn expose_hex(&self) -> String {
        self.values.iter().map(|value| format!("{value:016x}")).collect()
    }

    /// Reads what [`Sketch::expose_hex`] wrote.
    #[must_use]
    pub fn from_hex(numbers: u64, text: &str) -> Option<Self> {
        let digits = text.as_bytes().chunks(16);
        let value = |digits: &[u8]| {
            let value = u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
            (digits.len() == 16 && value < PRIME).then_some(value)
        };
        Some(Self { numbers, values: digits.map(value).collect::<Option<_>>()? })
    }
}

impl fmt::Debug for Sketch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sketch(redacted)")
    }
}

/// How many members each of two lists has to itself, at most: the degrees of the monic
/// polynomials P and Q with P(z) / Q(z) = long(z) / short(z).
struct Degrees {
    long: usize,
    short: usize,
}

impl Degrees {
    /// P(z)·short(z) = Q(z)·long(z) at one point: a factor for each unknown coefficient, then the
    /// right side.
    fn equation(&self, point: u64, long: u64, short: u64) -> Vec<u64> {
        let mut row = Vec::with_capacity(self.long + self.short + 1);
        let mut power = short;
        for _ in 0..self.long {
            row.push(power);
            power = multiply(power, point);
        }
        let known_long = power;
        let mut power = subtract(0, long);
        for _ in 0..self.short {
            row.push(power);
            power = multiply(power, point);
        }
        row.push(subtract(subtract(0, power), known_long));
        row
    }
}

/// Whether linear equations in so many unknowns contradict each other nowhere (Gauss).
fn has_solution(mut rows: Vec<Vec<u64>>, unknowns: usize) -> bool {
    let mut done = 0;
    for column in 0..unknowns {
        let Some(pivot) = (done..rows.len()).find(|&row| rows[row][column] != 0) else { continue };
        rows.swap(done, pivot);
        let (above, below) = rows.split_at_mut(done + 1);
        let pivot = &above[done];
        let inverse = invert(pivot[column]);
        for row in below.iter_mut().filter(|row| row[column] != 0) {
            let factor = multiply(row[column], inverse);
            for (cell, &pivot) in row.iter_mut().zip(pivot).skip(column) {
                *cell = subtract(*cell, multiply(factor, pivot));
            }
        }
        done += 1;
    }
    rows[done..].iter().all(|row| row[unknowns] == 0)
}

/// A key as an element of the field.
fn member(key: MatchKey) -> u64 {
    key.table_hash() % PRIME
}

/// Multiplies the values at all points by what each member contributes.
struct Evaluating<'a> {
    values: &'a mut [[u64; LANES]],
    points: &'a [[u64; LANES]],
    keys: &'a [MatchKey],
}

impl Kernel for Evaluating<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self, _: impl Eyes) {
        for &key in self.keys {
            let opposite = PRIME - member(key);
            for (values, points) in self.values.iter_mut().zip(self.points) {
                let value = |at| multiply_in_lanes(values[at], points[at] + opposite);
                *values = array::from_fn(value);
            }
        }
    }
}

/// A product of two numbers below 2⁶², congruent modulo 2⁶¹ − 1 and at most six above that:
/// without products of more than 32 bits each, which is what vectors can multiply.
#[inline(always)]
const fn multiply_in_lanes(one: u64, other: u64) -> u64 {
    const LOW: u32 = 31;
    // The upper halves have 31 bits as it is; that they have no more than 32 must be seen.
    let [a, b] = [low(one, LOW), low(one >> LOW, 32)];
    let [c, d] = [low(other, LOW), low(other >> LOW, 32)];
    // a·c + (a·d + b·c)·2³¹ + b·d·2⁶², where 2⁶¹ is one. The sum is below 7·2⁶¹.
    let middle = a * d + b * c;
    let sum = a * c + (low(middle, 30) << LOW) + (middle >> 30) + ((b * d) << 1);
    (sum & PRIME) + (sum >> 61)
}

#[inline(always)]
const fn low(bits: u64, count: u32) -> u64 {
    bits & ((1 << count) - 1)
}

fn subtract(one: u64, other: u64) -> u64 {
    if one >= other { one - other } else { one + PRIME - other }
}

/// A product modulo 2⁶¹ − 1: the upper bits count as much as the lower ones.
fn multiply(one: u64, other: u64) -> u64 {
    reduce(u128::from(one) * u128::from(other))
}

/// What is left of any number modulo 2⁶¹ − 1.
fn reduce(number: u128) -> u64 {
    const LIMB: u128 = PRIME as u128;
    let limbs = (number & LIMB) + ((number >> 61) & LIMB) + (number >> 122);
    let limbs = u64::try_from(limbs).unwrap_or(u64::MAX);
    // Three limbs make less than 2⁶³, so their own upper bits are at most 3.
    let folded = (limbs & PRIME) + (limbs >> 61);
    if folded >= PRIME { folded - PRIME } else { folded }
}

/// The inverse of a number that is not zero, by Fermat's little theorem.
fn invert(value: u64) -> u64 {
    let (mut power, mut product, mut exponent) = (value, 1, PRIME - 2);
    while exponent > 0 {
        if exponent & 1 == 1 {
            product = multiply(product, power);
        }
        power = multiply(power, power);
        exponent >>= 1;
    }
    product
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::{Form, Keyer};

    fn secret() -> Secret {
        Secret::from_file_content(&[7; 32]).unwrap()
    }

    fn limit(limit: u32) -> NonZeroU32 {
        NonZeroU32::new(limit).unwrap()
    }

    fn points(most: u32) -> Points {
        Points::new(&secret(), "acme", limit(most))
    }

    fn keys(numbers: std::ops::Range<u64>) -> Vec<MatchKey> {
        let keyer = Keyer::new(&secret());
        numbers.map(|number| keyer.key_of_digits(10_000 + number, Form::E164)).collect()
    }

    /// Lists that share some numbers and have some each for themselves.
    fn are_near(shared: u64, alone: [u64; 2], most: u32) -> bool {
        let points = points(most);
        let [one, other] = alone;
        let first = keys(0..shared + one);
        let mut second = keys(0..shared);
        second.extend(keys(shared + one..shared + one + other));
        second.reverse();
        let sketches = [Sketch::of(&points, &first), Sketch::of(&points, &second)];
        let near = sketches[0].is_near(&sketches[1], &points, limit(most));
        assert_eq!(near, sketches[1].is_near(&sketches[0], &points, limit(most)));
        near
    }

    #[test]
    fn a_difference_below_the_limit_is_near_and_any_other_is_not() {
        for most in [1, 2, 3, 4, 8, 21] {
            for shared in [0, 1, 60] {
                for one in 0..most + 3 {
                    for other in [0, 1, 2, most / 2, most, most + 1] {
                        let near = are_near(shared, [one.into(), other.into()], most);
                        assert_eq!(near, one + other < most, "{one} and {other} of {most}");
                    }
                }
            }
        }
    }

    #[test]
    fn lists_far_apart_are_not_near() {
        for alone in [[5000, 0], [0, 5000], [2000, 2000], [1, 3000], [2500, 2501]] {
            assert!(!are_near(0, alone, 50), "{alone:?}");
            assert!(!are_near(1000, alone, 50), "{alone:?}");
        }
    }

    #[test]
    fn a_sketch_tells_smaller_limits_and_none_beyond_its_own() {
        let (few, many) = (points(10), points(50));
        let stored = Sketch::of(&few, &keys(0..100));
        for (removed, below_10, below_5) in [(4, true, true), (5, true, false), (10, false, false)]
        {
            let now = Sketch::of(&many, &keys(removed..100));
            assert_eq!(now.is_near(&stored, &many, limit(50)), below_10, "{removed}");
            assert_eq!(stored.is_near(&now, &many, limit(5)), below_5, "{removed}");
        }
        let nothing = Sketch::from_hex(100, "").unwrap();
        assert!(!nothing.is_near(&stored, &few, limit(10)));
    }

    #[test]
    fn stretches_of_a_list_join_to_its_sketch() {
        let (points, keys) = (points(50), keys(0..1000));
        let joined = keys.chunks(300).map(|keys| Sketch::of(&points, keys));
        let joined = joined.fold(Sketch::of(&points, &[]), Sketch::joined);
        assert_eq!(joined, Sketch::of(&points, &keys));
    }

    #[test]
    fn a_sketch_survives_the_ledger_and_damage_is_seen() {
        let sketch = Sketch::of(&points(50), &keys(0..1000));
        let text = sketch.expose_hex();
        assert_eq!(text.len(), 51 * 16);
        assert_eq!(Sketch::from_hex(1000, &text), Some(sketch));
        for bad in [&text[1..], "g000000000000000", "ffffffffffffffff"] {
            assert_eq!(Sketch::from_hex(1000, bad), None);
        }
    }

    #[test]
    fn two_recipients_sketches_of_one_list_have_nothing_in_common() {
        let acme = Sketch::of(&points(50), &keys(0..100));
        let theirs = Points::new(&secret(), "globex", limit(50));
        let globex = Sketch::of(&theirs, &keys(0..100));
        assert!(acme.values.iter().all(|value| !globex.values.contains(value)));
    }

    #[test]
    fn a_list_is_the_product_of_its_members_at_every_level() {
        let points = points(50);
        for length in [0, 1, 7, 8, 9, 16, 100] {
            let keys = keys(0..length);
            let value = |point: u64| {
                let factor = |&key| subtract(point, member(key));
                keys.iter().map(factor).fold(1, multiply)
            };
            let expected: Vec<_> = (0..51).map(|at| value(points.point(at))).collect();
            assert_eq!(Sketch::of(&points, &keys).values, expected, "{length}");
            for level in Level::available() {
                let mut values = vec![[1; LANES]; points.lanes.len()];
                let (values, points) = (&mut values[..], &points.lanes[..]);
                level.run(Evaluating { values: &mut *values, points, keys: &keys });
                let values = values.as_flattened().iter().map(|&value| reduce(value.into()));
                assert!(values.take(51).eq(expected.iter().copied()), "{length} {level:?}");
            }
        }
    }

    #[test]
    fn lanes_multiply_as_words_do() {
        let most = (1 << 62) - 1;
        let mut number = 1_u64;
        let check = |one: u64, other: u64| {
            let product = multiply_in_lanes(one, other);
            assert!(product <= PRIME + 6);
            assert_eq!(reduce(product.into()), multiply(one, other), "{one} {other}");
        };
        for _ in 0..100_000 {
            let before = number;
            number = number.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
            check(before >> 2, number >> 2);
            check(most, number >> 2);
        }
        for edge in [0, 1, PRIME - 1, PRIME, PRIME + 7, most - 1, most] {
            [0, 1, PRIME, most].into_iter().for_each(|other| check(edge, other));
        }
    }

    #[test]
    fn any_number_is_reduced_as_division_does_it() {
        let mut number = 1_u128;
        for at in 0..100_000_u128 {
            number = number.wrapping_mul(0x5851_f42d_4c95_7f2d_1405_7b7e_f767_814f) ^ at;
            for number in [number, number >> (at % 128), u128::MAX - at, at * u128::from(PRIME)] {
                assert_eq!(u128::from(reduce(number)), number % u128::from(PRIME));
            }
        }
    }

    #[test]
    fn the_field_has_inverses_and_no_rest_above_its_order() {
        for value in [1, 2, 3, PRIME - 1, 0x1234_5678_9abc_def0 % PRIME] {
            assert_eq!(multiply(value, invert(value)), 1);
            assert_eq!(multiply(value, PRIME - 1), subtract(0, value));
        }
        assert_eq!(multiply(PRIME - 1, PRIME - 1), 1);
    }
}
