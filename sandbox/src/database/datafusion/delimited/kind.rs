//! The type of a column of text values: the narrowest that every value of it has.

use crate::value::ColumnType;
use datafusion::arrow::datatypes::{DataType, TimeUnit};

/// The largest integer up to which a double is exact: 2^53.
const EXACT: u64 = 1 << 53;

/// The types that all values seen so far have.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kind {
    /// Whether any value was seen.
    seen: bool,
    boolean: bool,
    integer: bool,
    float: bool,
    /// Whether a number was too long to be exact as a double.
    long: bool,
    date: bool,
    timestamp: bool,
    /// Whether a timestamp with, and one without an offset was seen.
    zoned: bool,
    local: bool,
}

impl Default for Kind {
    fn default() -> Self {
        Self {
            seen: false,
            boolean: true,
            integer: true,
            float: true,
            long: false,
            date: true,
            timestamp: true,
            zoned: false,
            local: false,
        }
    }
}

impl Kind {
    /// The type of a single value.
    pub(super) fn of(value: &str) -> Self {
        let mut kind = Self::default();
        kind.see(value);
        kind
    }

    /// Takes one more value into account; an empty one is null and says nothing.
    pub(super) fn see(&mut self, value: &str) {
        if value.is_empty() {
            return;
        }
        self.seen = true;
        if self.boolean {
            self.boolean = value.eq_ignore_ascii_case("true") || value.eq_ignore_ascii_case("false");
        }
        if self.integer || self.float {
            let number = number(value.as_bytes());
            let integer = number == Some(Number::Integer) && value.parse::<i64>().is_ok();
            self.integer &= integer;
            self.float &= number.is_some();
            self.long |=
                number == Some(Number::Integer) && value.parse::<i64>().map_or(true, |n| n.unsigned_abs() > EXACT);
        }
        if self.date || self.timestamp {
            let date = is_date(value.as_bytes());
            let zone = time_zone(value.as_bytes());
            self.date &= date;
            self.timestamp &= date || zone.is_some();
            self.zoned |= zone == Some(true);
            self.local |= date || zone == Some(false);
        }
    }

    /// Whether the values are numbers or points in time.
    pub(super) fn is_number_or_date(self) -> bool {
        !matches!(self.column_type(), ColumnType::Text | ColumnType::Boolean)
    }

    /// The column's type. A column without any value is text.
    pub(super) fn column_type(self) -> ColumnType {
        if !self.seen {
            ColumnType::Text
        } else if self.boolean {
            ColumnType::Boolean
        } else if self.integer {
            ColumnType::Int64
        } else if self.float && !self.long {
            ColumnType::Float64
        } else if self.date {
            ColumnType::Date
        } else if self.timestamp && !(self.zoned && self.local) {
            ColumnType::Timestamp
        } else {
            ColumnType::Text
        }
    }

    /// The engine's type for it.
    pub(super) fn arrow_type(self) -> DataType {
        match self.column_type() {
            ColumnType::Boolean => DataType::Boolean,
            ColumnType::Int64 => DataType::Int64,
            ColumnType::Float64 => DataType::Float64,
            ColumnType::Date => DataType::Date32,
            ColumnType::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, None),
            ColumnType::Text | ColumnType::Decimal | ColumnType::Bytes => DataType::Utf8,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Number {
    Integer,
    Float,
}

/// `-?digits`, with an optional fraction and exponent. A leading zero makes a code, not a number; a plus sign, too.
fn number(value: &[u8]) -> Option<Number> {
    let value = value.strip_prefix(b"-").unwrap_or(value);
    let digits = value.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (whole, rest) = value.split_at(digits);
    if whole.is_empty() || (whole.len() > 1 && whole.starts_with(b"0")) {
        return None;
    }
    if rest.is_empty() {
        return Some(Number::Integer);
    }
    let rest = match rest.strip_prefix(b".") {
        Some(rest) => {
            let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
            if digits == 0 {
                return None;
            }
            &rest[digits..]
        }
        None => rest,
    };
    let exponent = match rest {
        [] => return Some(Number::Float),
        [b'e' | b'E', b'+' | b'-', exponent @ ..] | [b'e' | b'E', exponent @ ..] => exponent,
        _ => return None,
    };
    // two digits stay far from infinity
    (matches!(exponent.len(), 1 | 2) && exponent.iter().all(u8::is_ascii_digit)).then_some(Number::Float)
}

/// `digits` as a number, if there are exactly as many as `length`.
fn digits(value: &[u8], length: usize) -> Option<u32> {
    (value.len() == length && value.iter().all(u8::is_ascii_digit))
        .then(|| value.iter().fold(0, |n, byte| n * 10 + u32::from(byte - b'0')))
}

/// `YYYY-MM-DD`, a day that exists (ISO 8601, proleptic Gregorian).
fn is_date(value: &[u8]) -> bool {
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = *value else {
        return false;
    };
    let (Some(year), Some(month), Some(day)) =
        (digits(&[y1, y2, y3, y4], 4), digits(&[m1, m2], 2), digits(&[d1, d2], 2))
    else {
        return false;
    };
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => return false,
    };
    year > 0 && (1..=days).contains(&day)
}

/// Whether a `YYYY-MM-DD[T ]HH:MM:SS[.f][Z|±HH:MM]` names an offset; `None` when the value is not of that form.
fn time_zone(value: &[u8]) -> Option<bool> {
    let (date, rest) = value.split_at_checked(10)?;
    let (b'T' | b' ', time) = rest.split_first().map(|(first, rest)| (*first, rest))? else {
        return None;
    };
    let [h1, h2, b':', m1, m2, b':', s1, s2, rest @ ..] = time else {
        return None;
    };
    let valid =
        is_date(date) && digits(&[*h1, *h2], 2)? < 24 && digits(&[*m1, *m2], 2)? < 60 && digits(&[*s1, *s2], 2)? < 60;
    if !valid {
        return None;
    }
    let rest = match rest.strip_prefix(b".") {
        Some(rest) => {
            let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
            if !(1..=9).contains(&digits) {
                return None;
            }
            &rest[digits..]
        }
        None => rest,
    };
    match rest {
        [] => Some(false),
        [b'Z'] => Some(true),
        [b'+' | b'-', h1, h2, b':', m1, m2] => {
            (digits(&[*h1, *h2], 2)? < 24 && digits(&[*m1, *m2], 2)? < 60).then_some(true)
        }
        _ => None,
    }
}
