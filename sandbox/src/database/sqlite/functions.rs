//! Functions that SQLite is not compiled with, or whose own form reads a clock. Null where an argument is null or out of range.

use crate::database::time;
use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, Result};

/// A function of one number, by its name in SQL.
type Numeric = (&'static str, fn(f64) -> f64);

/// Registers them on a connection. They are deterministic, and harmless in a view.
pub(super) fn register(connection: &Connection) -> Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC | FunctionFlags::SQLITE_INNOCUOUS;
    let numeric: [Numeric; 6] = [
        ("ceil", f64::ceil),
        ("exp", f64::exp),
        ("floor", f64::floor),
        ("ln", f64::ln),
        ("log10", f64::log10),
        ("sqrt", f64::sqrt),
    ];
    for (name, function) in numeric {
        connection.create_scalar_function(name, 1, flags, move |context: &Context<'_>| {
            Ok(number(context.get_raw(0)).map(function).filter(|value| value.is_finite()))
        })?;
    }
    connection.create_scalar_function("power", 2, flags, |context: &Context<'_>| {
        let arguments = number(context.get_raw(0)).zip(number(context.get_raw(1)));
        Ok(arguments.map(|(base, exponent)| base.powf(exponent)).filter(|value| value.is_finite()))
    })?;
    connection.create_scalar_function("date_part", 2, flags, |context: &Context<'_>| {
        let (ValueRef::Text(field), ValueRef::Text(text)) = (context.get_raw(0), context.get_raw(1)) else {
            return Ok(Value::Null);
        };
        let part = std::str::from_utf8(field).ok().zip(std::str::from_utf8(text).ok()).and_then(part);
        Ok(part.map_or(Value::Null, Value::Integer))
    })
}

#[allow(clippy::cast_precision_loss, reason = "as SQLite itself takes a large integer into arithmetic with a real")]
fn number(value: ValueRef<'_>) -> Option<f64> {
    match value {
        ValueRef::Integer(value) => Some(value as f64),
        ValueRef::Real(value) => Some(value),
        ValueRef::Null | ValueRef::Text(_) | ValueRef::Blob(_) => None,
    }
}

/// A part of a date or time; whole numbers, as SQL's EXTRACT gives them.
fn part((field, text): (&str, &str)) -> Option<i64> {
    let micros = time::timestamp(text)?;
    let (days, of_day) = (micros.div_euclid(86_400_000_000), micros.rem_euclid(86_400_000_000));
    let digits = |range: std::ops::Range<usize>| text.get(range).and_then(|digits| digits.parse::<i64>().ok());
    let (year, month, day) = (digits(0..4)?, digits(5..7)?, digits(8..10)?);
    let first = time::date(&format!("{year:04}-01-01")).map(i64::from)?;
    Some(match field.to_ascii_lowercase().as_str() {
        "year" | "years" => year,
        "quarter" => (month + 2) / 3,
        "month" | "months" => month,
        "day" | "days" => day,
        // 1970-01-01 was a Thursday; Sunday is 0
        "dow" => (days + 4).rem_euclid(7),
        "isodow" => (days + 3).rem_euclid(7) + 1,
        "doy" => days - first + 1,
        "hour" | "hours" => of_day / 3_600_000_000,
        "minute" | "minutes" => of_day / 60_000_000 % 60,
        "second" | "seconds" => of_day / 1_000_000 % 60,
        "epoch" => micros.div_euclid(1_000_000),
        _ => return None,
    })
}
