//! Values in one comparable form, whether they come typed from an engine or as text from an output.
//!
//! Equal values have equal forms however they are spelt: `5`, `5.0` and `+5e0` are one integer, `2020-01-05T00:00Z` is a day, ` Smith ` is `smith`.
//! A number with a leading zero is a code, hence text.

use crate::value::{Column, ColumnData, whole};
use std::borrow::Cow;

/// Integers tell whose they are from this size on: five digits.
const TELLING_INTEGER: u64 = 10_000;
/// Fractions tell from as many significant digits on.
const TELLING_DIGITS: usize = 5;
/// Texts tell from this many characters on.
const TELLING_CHARACTERS: usize = 4;

const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400 * SECOND;

/// A value without its spelling.
#[derive(PartialEq, Eq, Hash)]
#[cfg_attr(test, derive(Debug))]
pub(super) enum Form<'a> {
    Integer(i64),
    /// The bits of a double that is no integer.
    Real(u64),
    /// Days since 1970-01-01.
    Day(i64),
    /// Microseconds since 1970-01-01T00:00:00Z, not midnight.
    Instant(i64),
    /// Lower case, without space around it.
    Text(Cow<'a, str>),
}

impl<'a> Form<'a> {
    /// A cell of an output; `None` where it is empty.
    pub(super) fn of_text(text: &'a str) -> Option<Self> {
        let text = text.trim();
        let first = text.bytes().next()?;
        if first.is_ascii_digit() || matches!(first, b'-' | b'+' | b'.') {
            let read = number(text).or_else(|| day(text).map(Form::Day)).or_else(|| instant(text).map(of_instant));
            if let Some(form) = read {
                return Some(form);
            }
        }
        let lower = text.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase());
        Some(Form::Text(if lower { Cow::Borrowed(text) } else { Cow::Owned(text.to_lowercase()) }))
    }

    /// A value of a column; `None` for null, for what is not a number, and for truth values, which tell nothing.
    pub(super) fn of_value(column: &'a Column, row: usize) -> Option<Self> {
        if column.validity.as_ref().is_some_and(|bits| bits[row / 8] >> (row % 8) & 1 == 0) {
            return None;
        }
        match &column.data {
            ColumnData::Boolean(_) => None,
            ColumnData::Int64(values) => Some(Form::Integer(values[row])),
            ColumnData::Float64(values) => of_real(values[row]),
            ColumnData::Decimal(values) | ColumnData::Text(values) => Form::of_text(&values[row]),
            ColumnData::Bytes(values) => (!values[row].is_empty()).then(|| Form::Text(Cow::Owned(hex(&values[row])))),
            ColumnData::Date(values) => Some(Form::Day(values[row].into())),
            ColumnData::Timestamp(values) => Some(of_instant(values[row])),
        }
    }

    /// Whether it is unlikely to stand somewhere by chance.
    pub(super) fn is_telling(&self) -> bool {
        match self {
            Form::Integer(value) => value.unsigned_abs() >= TELLING_INTEGER,
            Form::Real(bits) => {
                let printed = f64::from_bits(*bits).abs().to_string();
                let digits = printed.trim_start_matches(['0', '.']).bytes().filter(u8::is_ascii_digit);
                digits.count() >= TELLING_DIGITS
            }
            Form::Day(_) | Form::Instant(_) => true,
            Form::Text(text) => text.chars().nth(TELLING_CHARACTERS - 1).is_some(),
        }
    }
}

fn of_real<'a>(value: f64) -> Option<Form<'a>> {
    match whole(value) {
        Some(value) => Some(Form::Integer(value)),
        None => value.is_finite().then(|| Form::Real(value.to_bits())),
    }
}

fn of_instant<'a>(micros: i64) -> Form<'a> {
    if micros.rem_euclid(DAY) == 0 { Form::Day(micros.div_euclid(DAY)) } else { Form::Instant(micros) }
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// A decimal number, with a sign, a fraction and an exponent or without; no code such as `007`, and no integer too long for 64 bits.
fn number<'a>(text: &str) -> Option<Form<'a>> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let digits = unsigned.bytes().take_while(u8::is_ascii_digit).count();
    if digits > 1 && unsigned.starts_with('0') {
        return None;
    }
    if digits == unsigned.len() {
        return text.parse().ok().map(Form::Integer);
    }
    let plain = unsigned.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'E' | b'+' | b'-'));
    if plain { text.parse().ok().and_then(of_real) } else { None }
}

/// `text` as a number, if it is so many digits.
fn digits(text: &str, length: usize) -> Option<i64> {
    (text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
}

/// `YYYY-MM-DD` (ISO 8601) as days since 1970-01-01 (Hinnant, "chrono-compatible low-level date algorithms"). A day that no month has is read as
/// one of the next month: it stands in no data.
fn day(text: &str) -> Option<i64> {
    let mut parts = text.splitn(3, '-');
    let (year, month, day) = (digits(parts.next()?, 4)?, digits(parts.next()?, 2)?, digits(parts.next()?, 2)?);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    Some(era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468)
}

/// `YYYY-MM-DD[T ]HH:MM[:SS[.f]][Z|±HH:MM]` as microseconds since 1970-01-01T00:00:00Z.
fn instant(text: &str) -> Option<i64> {
    let (date, rest) = text.split_at_checked(10)?;
    let time = rest.strip_prefix(['T', 't', ' '])?;
    let (time, offset) = match time.find(['Z', 'z', '+', '-']) {
        Some(place) => (&time[..place], zone(&time[place..])?),
        None => (time, 0),
    };
    let (clock, fraction) = time.split_once('.').unwrap_or((time, ""));
    let mut parts = clock.splitn(3, ':');
    let (hour, minute) = (digits(parts.next()?, 2)?, digits(parts.next()?, 2)?);
    let second = parts.next().map_or(Some(0), |part| digits(part, 2))?;
    // what is below a microsecond does not exist in a result
    let micros = fraction.get(..6).unwrap_or(fraction);
    let micros = if micros.is_empty() { 0 } else { digits(&format!("{micros:0<6}"), 6)? };
    Some(day(date)? * DAY + (hour * 3_600 + minute * 60 + second - offset) * SECOND + micros)
}

/// Seconds east of Greenwich.
fn zone(text: &str) -> Option<i64> {
    if matches!(text, "Z" | "z") {
        return Some(0);
    }
    let sign = if text.starts_with('-') { -1 } else { 1 };
    let (hours, minutes) = text.get(1..)?.split_once(':')?;
    Some(sign * (digits(hours, 2)? * 3_600 + digits(minutes, 2)? * 60))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
mod tests {
    use super::*;

    fn text(text: &str) -> Form<'_> {
        Form::of_text(text).unwrap()
    }

    fn value(data: ColumnData) -> Form<'static> {
        // the form borrows from the column
        let column = Box::leak(Box::new(Column { validity: None, data }));
        Form::of_value(column, 0).unwrap()
    }

    #[test]
    fn one_value_has_one_form() {
        for spelt in ["5", "5.0", " 5.00", "+5", "5e0", "0.5E1"] {
            assert_eq!(text(spelt), value(ColumnData::Int64(vec![5])), "{spelt}");
            assert_eq!(text(spelt), value(ColumnData::Decimal(vec!["5.00".into()])), "{spelt}");
        }
        for spelt in ["-0.125", "-1.25e-1", "-.125", "-0.12500"] {
            assert_eq!(text(spelt), value(ColumnData::Float64(vec![-0.125])), "{spelt}");
        }
        assert_eq!(text("0"), value(ColumnData::Float64(vec![-0.0])));
        // 2020-01-05 is day 18,266
        for spelt in ["2020-01-05", "2020-01-05T00:00:00Z", "2020-01-05 00:00", "2020-01-05T02:00:00.000+02:00"] {
            assert_eq!(text(spelt), value(ColumnData::Date(vec![18_266])), "{spelt}");
            assert_eq!(text(spelt), value(ColumnData::Timestamp(vec![18_266 * DAY])), "{spelt}");
        }
        assert_eq!(text("1969-12-31T23:59:59.25Z"), value(ColumnData::Timestamp(vec![-750_000])));
        assert_eq!(text("1600-02-29"), Form::Day(-135_081));
        assert_eq!(text(" SMITH, É"), value(ColumnData::Text(vec!["Smith, é ".into()])));
        assert_eq!(text("00ff"), value(ColumnData::Bytes(vec![vec![0, 255]])));
    }

    #[test]
    fn different_values_have_different_forms() {
        assert_ne!(text("007"), text("7"));
        assert_ne!(text("2020-01-05"), text("2020-01-06"));
        assert_ne!(text("2020-01-05T10:00"), text("2020-01-05T10:01"));
        assert_ne!(text("9223372036854775808"), text("9223372036854775807"));
        for odd in
            ["-", "+", ".", "1-2", "2020-13-01", "1e999", "12:30", "5 mg", "2020-01-05Tx", "2020-01-0é", "-é2020-01-0"]
        {
            assert!(matches!(text(odd), Form::Text(_)), "{odd}");
        }
        assert!(Form::of_text("  ").is_none());
    }

    #[test]
    fn small_counts_and_short_words_tell_nothing() {
        for dull in ["1", "9999", "-9999.0", "72.5", "0.00012", "123.4", "abc", "éüö"] {
            assert!(!text(dull).is_telling(), "{dull}");
        }
        for telling in ["10000", "-10000", "123.45", "0.0012345", "abcd", "0123", "2020-01-05"] {
            assert!(text(telling).is_telling(), "{telling}");
        }
    }
}
