//! Numbers with the policy's significant digits and exactly one printed form, so that low digits and spellings carry nothing.

use std::cmp::Ordering;

/// The most significant digits a policy may allow: 15 decimal digits survive a double and back (IEEE 754 section 5.12.2).
pub(crate) const MAXIMUM_DIGITS: u8 = 15;

/// The nearest double with `digits` significant digits; `None` for NaN, an infinity, and what rounds to one. Never −0.
pub(crate) fn round_real(value: f64, digits: u8) -> Option<f64> {
    if !value.is_finite() {
        return None;
    }
    let digits = digits.clamp(1, MAXIMUM_DIGITS);
    if value.fract() == 0.0 && value.abs() < 10_f64.powi(i32::from(digits)) {
        return Some(value + 0.0);
    }
    let places = usize::from(digits) - 1;
    let rounded: f64 = format!("{value:.places$e}").parse().ok()?;
    // Adding zero turns −0 into 0 and changes nothing else.
    rounded.is_finite().then_some(rounded + 0.0)
}

/// The nearest integer with `digits` significant digits, halves away from zero; towards zero where rounding up would overflow.
pub(crate) fn round_integer(value: i64, digits: u8) -> i64 {
    let digits = u32::from(digits.clamp(1, MAXIMUM_DIGITS));
    let length = value.unsigned_abs().checked_ilog10().map_or(1, |log| log + 1);
    if length <= digits {
        return value;
    }
    let unit = 10_i64.pow(length - digits);
    let below = value - value % unit;
    if (value % unit).unsigned_abs() >= unit.unsigned_abs() / 2 {
        below.checked_add(unit * value.signum()).unwrap_or(below)
    } else {
        below
    }
}

/// The one printed form of a finite double: the shortest digits that read back, laid out as ECMAScript does
/// (RFC 8785 section 3.2.2.3): plain from 1e-6 to 1e21, with an exponent outside.
pub(crate) fn print_real(value: f64) -> String {
    // Within these bounds the shortest digits without an exponent are what the standard library prints.
    if (1e-6..1e21).contains(&value.abs()) {
        return value.to_string();
    }
    let shortest = format!("{:e}", value.abs());
    match Parts::read(&shortest) {
        Some(parts) => Parts { negative: value < 0.0, ..parts }.print(),
        // NaN and the infinities have no printed form; a cell that holds one is shown empty.
        None => String::new(),
    }
}

/// The one printed form of a base-10 number with `digits` significant digits; `None` when the text is no such number or lies outside
/// 1e-300 to 1e300, where its form as a double would differ.
pub(crate) fn print_decimal(text: &str, digits: usize) -> Option<String> {
    let parts = Parts::read(text)?.round(digits.max(1));
    (-300..=300).contains(&parts.point).then(|| parts.print())
}

/// The order of two base-10 numbers by value; texts that are none come first, by code point.
pub(crate) fn order_decimals(left: &str, right: &str) -> Ordering {
    match (Parts::read(left), Parts::read(right)) {
        (None, None) => left.cmp(right),
        (None, Some(_)) => Ordering::Less,
        (Some(_), None) => Ordering::Greater,
        (Some(left), Some(right)) => left.order(&right),
    }
}

/// Whether a text is a number as people write it without a code's leading zeros: `-?(0|[1-9][0-9]*)(.[0-9]+)?(e[+-]?[0-9]+)?`.
pub(crate) fn is_number(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text).as_bytes();
    let coded = unsigned.len() > 1 && unsigned[0] == b'0' && unsigned[1].is_ascii_digit();
    !coded && Parts::read(text).is_some()
}

/// A number taken apart: 0.`digits` × 10^`point`, without zeros at either end; no digits at all is zero.
#[derive(Clone, PartialEq, Eq)]
struct Parts {
    negative: bool,
    digits: Vec<u8>,
    point: i32,
}

impl Parts {
    /// Reads `[+-]?[0-9]+(.[0-9]+)?([eE][+-]?[0-9]+)?`.
    fn read(text: &str) -> Option<Self> {
        let (negative, unsigned) = match text.strip_prefix(['+', '-']) {
            Some(rest) => (text.starts_with('-'), rest),
            None => (false, text),
        };
        let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, read_exponent(exponent)?),
            None => (unsigned, 0),
        };
        let (whole, fraction) = match mantissa.split_once('.') {
            Some((_, "")) => return None,
            Some(parts) => parts,
            None => (mantissa, ""),
        };
        let numeric = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || !numeric(whole) || !numeric(fraction) {
            return None;
        }
        let mut digits: Vec<u8> = whole.bytes().chain(fraction.bytes()).map(|byte| byte - b'0').collect();
        let leading = digits.iter().take_while(|digit| **digit == 0).count();
        digits.drain(..leading);
        while digits.last() == Some(&0) {
            digits.pop();
        }
        if digits.is_empty() {
            return Some(Self { negative: false, digits, point: 0 });
        }
        let point = i32::try_from(whole.len()).ok()? - i32::try_from(leading).ok()?;
        Some(Self { negative, digits, point: point.checked_add(exponent)? })
    }

    /// To `count` digits, halves away from zero.
    fn round(mut self, count: usize) -> Self {
        let up = self.digits.get(count).is_some_and(|digit| *digit >= 5);
        self.digits.truncate(count);
        if up {
            while self.digits.last() == Some(&9) {
                self.digits.pop();
            }
            match self.digits.last_mut() {
                Some(last) => *last += 1,
                None => {
                    self.digits.push(1);
                    self.point += 1;
                }
            }
        }
        while self.digits.last() == Some(&0) {
            self.digits.pop();
        }
        self
    }

    fn print(&self) -> String {
        let sign = if self.negative { "-" } else { "" };
        let all: String = self.digits.iter().map(|digit| char::from(b'0' + digit)).collect();
        let zeros = |count: i32| "0".repeat(usize::try_from(count).unwrap_or(0));
        let length = i32::try_from(all.len()).unwrap_or(i32::MAX);
        match self.point {
            _ if all.is_empty() => "0".to_owned(),
            point if point > 21 || point <= -6 => {
                let (first, rest) = all.split_at(1);
                let dot = if rest.is_empty() { "" } else { "." };
                format!("{sign}{first}{dot}{rest}e{:+}", point - 1)
            }
            point if point <= 0 => format!("{sign}0.{}{all}", zeros(-point)),
            point if point >= length => format!("{sign}{all}{}", zeros(point - length)),
            point => {
                let (whole, fraction) = all.split_at(usize::try_from(point).unwrap_or(0));
                format!("{sign}{whole}.{fraction}")
            }
        }
    }

    fn order(&self, other: &Self) -> Ordering {
        let sign = |parts: &Self| match (parts.digits.is_empty(), parts.negative) {
            (true, _) => 0,
            (false, true) => -1,
            (false, false) => 1,
        };
        let by_size = || self.point.cmp(&other.point).then_with(|| self.digits.cmp(&other.digits));
        sign(self).cmp(&sign(other)).then_with(|| match sign(self) {
            0 => Ordering::Equal,
            1 => by_size(),
            _ => by_size().reverse(),
        })
    }
}

/// An exponent of at most six digits: no number that a person or a program means has more.
fn read_exponent(text: &str) -> Option<i32> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || digits.len() > 6 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.strip_prefix('+').unwrap_or(text).parse().ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reals_print_as_ecmascript_does() {
        for (value, text) in [
            (0.0, "0"),
            (-0.0, "0"),
            (1.0, "1"),
            (-1.5, "-1.5"),
            (0.1, "0.1"),
            (1e-6, "0.000001"),
            (1e-7, "1e-7"),
            (1.25e-7, "1.25e-7"),
            (1e20, "100000000000000000000"),
            (1e21, "1e+21"),
            (123_456.789, "123456.789"),
            (f64::MAX, "1.7976931348623157e+308"),
            (5e-324, "5e-324"),
        ] {
            assert_eq!(print_real(value), text);
        }
    }

    #[test]
    fn what_is_no_finite_number_has_no_rounded_form() {
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(round_real(value, 12), None);
        }
        // 1.8e308 is beyond the largest double.
        assert_eq!(round_real(f64::MAX, 2), None);
        assert!(round_real(-0.0, 12).unwrap().is_sign_positive());
    }

    #[test]
    fn integers_round_without_overflow() {
        assert_eq!(round_integer(1_234_567, 3), 1_230_000);
        assert_eq!(round_integer(-1_235_000, 3), -1_240_000);
        assert_eq!(round_integer(999_999, 2), 1_000_000);
        assert_eq!(round_integer(i64::MAX, 5), 9_223_300_000_000_000_000);
        assert_eq!(round_integer(i64::MIN, 12), -9_223_372_036_850_000_000);
        assert_eq!(round_integer(0, 1), 0);
    }

    #[test]
    fn decimals_have_one_form() {
        for (text, form) in [
            ("-012.340", "-12.34"),
            ("+0.0", "0"),
            ("-0", "0"),
            ("1e3", "1000"),
            ("0.00000012345678901234", "1.23456789012e-7"),
            ("999999999999.9", "1000000000000"),
            ("123456789012345678901234567890", "1.23456789012e+29"),
        ] {
            assert_eq!(print_decimal(text, 12).as_deref(), Some(form), "{text}");
        }
        for text in ["", ".5", "5.", "1e", "1e400", "0x1", "1 000", "1,5", "--1", "NaN", "1e9999999"] {
            assert_eq!(print_decimal(text, 12), None, "{text}");
        }
    }

    #[test]
    fn codes_with_leading_zeros_are_no_numbers() {
        for text in ["0", "-0", "0.5", "10", "+7", "1e5", "-1.50E-3"] {
            assert!(is_number(text), "{text}");
        }
        for text in ["007", "-01", "", "-", "1_000", "e5", "٣"] {
            assert!(!is_number(text), "{text}");
        }
    }

    proptest! {
        #[test]
        fn rounding_twice_is_rounding_once(bits in any::<u64>(), digits in 1_u8..=15) {
            if let Some(once) = round_real(f64::from_bits(bits), digits) {
                prop_assert_eq!(round_real(once, digits).map(f64::to_bits), Some(once.to_bits()));
                prop_assert_eq!(print_real(once).parse::<f64>().unwrap().to_bits(), once.to_bits());
            }
        }

        #[test]
        fn rounding_integers_twice_is_rounding_once(value in any::<i64>(), digits in 1_u8..=15) {
            let once = round_integer(value, digits);
            prop_assert_eq!(round_integer(once, digits), once);
        }

        #[test]
        fn a_rounded_integer_prints_as_its_double_does(value in any::<i64>(), digits in 1_u8..=15) {
            let once = round_integer(value, digits);
            #[allow(clippy::cast_precision_loss, reason = "fifteen digits fit a double")]
            let real = once as f64;
            prop_assert_eq!(print_real(real), once.to_string());
        }

        #[test]
        fn decimals_print_as_doubles_do(mantissa in -999_999_999_999_i64..=999_999_999_999, exponent in -200_i32..200) {
            let text = format!("{mantissa}e{exponent}");
            let printed = print_decimal(&text, 12).unwrap();
            prop_assert_eq!(print_decimal(&printed, 12).unwrap(), printed.clone());
            prop_assert_eq!(print_real(text.parse().unwrap()), printed);
        }

        #[test]
        fn decimals_order_by_value(left in -1000_i64..1000, right in -1000_i64..1000, scale in 0_i32..5) {
            let order = order_decimals(&format!("{left}e-{scale}"), &format!("{right}.00e-{scale}"));
            prop_assert_eq!(order, left.cmp(&right));
        }
    }
}
