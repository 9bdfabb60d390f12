//! Sums in double-double arithmetic: about 106 bits, so that the order of additions shows only where a double could not.
//!
//! Dekker 1971 and Knuth, The Art of Computer Programming, volume 2, section 4.2.2: the rounding error of one addition or product is itself a
//! double. Power sums with 106 bits give variances that agree with a second pass over the data, and two of them can be added.

/// An unevaluated sum `high + low`, with `|low|` at most half a unit in the last place of `high`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Sum {
    high: f64,
    low: f64,
}

fn two_sum(a: f64, b: f64) -> (f64, f64) {
    let sum = a + b;
    let other = sum - a;
    (sum, (a - (sum - other)) + (b - other))
}

fn quick_two_sum(a: f64, b: f64) -> (f64, f64) {
    let sum = a + b;
    (sum, b - (sum - a))
}

fn two_product(a: f64, b: f64) -> (f64, f64) {
    let product = a * b;
    (product, a.mul_add(b, -product))
}

impl Sum {
    /// Adds a double.
    pub(super) fn add(&mut self, value: f64) {
        let (high, error) = two_sum(self.high, value);
        (self.high, self.low) = quick_two_sum(high, error + self.low);
    }

    /// Adds the product of two doubles, with the product's rounding error.
    pub(super) fn add_product(&mut self, a: f64, b: f64) {
        let (product, error) = two_product(a, b);
        *self = self.plus(Self { high: product, low: error });
    }

    fn plus(self, other: Self) -> Self {
        let (high, error) = two_sum(self.high, other.high);
        let (low, rest) = two_sum(self.low, other.low);
        let (high, error) = quick_two_sum(high, error + low);
        let (high, low) = quick_two_sum(high, error + rest);
        Self { high, low }
    }

    pub(super) fn minus(self, other: Self) -> Self {
        self.plus(Self { high: -other.high, low: -other.low })
    }

    pub(super) fn times(self, other: Self) -> Self {
        let (high, error) = two_product(self.high, other.high);
        let (high, low) = quick_two_sum(high, error + (self.high * other.low + self.low * other.high));
        Self { high, low }
    }

    /// The quotient, rounded to a double.
    pub(super) fn over(self, divisor: Self) -> f64 {
        let first = self.high / divisor.high;
        let rest = self.minus(divisor.times(Self { high: first, low: 0.0 }));
        first + rest.high / divisor.high
    }

    /// The nearest double; never -0.
    pub(super) fn value(self) -> f64 {
        self.high + self.low + 0.0
    }
}

impl From<i128> for Sum {
    /// Exact below 2^106.
    fn from(value: i128) -> Self {
        #[allow(clippy::cast_precision_loss, reason = "the rest that the first cast loses is the low part")]
        let high = value as f64;
        #[allow(clippy::cast_possible_truncation, reason = "a sum of 64-bit integers is far below the largest i128")]
        let whole = high as i128;
        #[allow(
            clippy::cast_precision_loss,
            reason = "see above: what remains is below 2^53 for every sum below 2^106"
        )]
        let low = value.wrapping_sub(whole) as f64;
        Self { high, low }
    }
}

impl From<u64> for Sum {
    fn from(value: u64) -> Self {
        Self::from(i128::from(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_terms_survive_large_ones() {
        let mut sum = Sum::default();
        for value in [1e20, 1.0, -1e20, 1e100, -1e100] {
            sum.add(value);
        }
        assert!((sum.value() - 1.0).abs() < f64::EPSILON);
    }

    #[test]
    fn integers_are_exact() {
        let large = (1_i128 << 100) + 12_345;
        let difference = Sum::from(large).minus(Sum::from(1_i128 << 100));
        assert!((difference.value() - 12_345.0).abs() < f64::EPSILON);
    }

    #[test]
    fn the_order_of_additions_does_not_show() {
        let values: Vec<f64> = (1..=10_000_u32)
            .map(|n| (f64::from(n) * 0.7).sin() * 10_f64.powi(i32::try_from(n % 13).unwrap_or(0)))
            .collect();
        let mut forward = Sum::default();
        let mut backward = Sum::default();
        values.iter().for_each(|value| forward.add(*value));
        values.iter().rev().for_each(|value| backward.add(*value));
        assert_eq!(forward.value().to_bits(), backward.value().to_bits());
    }

    #[test]
    fn a_quotient_is_rounded_once() {
        let third = Sum::from(1_u64).over(Sum::from(3_u64));
        assert_eq!(third.to_bits(), (1.0_f64 / 3.0).to_bits());
    }
}
