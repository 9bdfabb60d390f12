//! Values by number: each distinct value of a key or subject column gets a small code, and codes can be put in order.

use crate::value::{Column, ColumnData, Value};
use foldhash::fast::RandomState;
use std::cmp::Ordering;
use std::collections::HashMap;

/// The distinct values of one column, in the order in which they were met.
#[derive(Default)]
pub(super) struct Codes {
    null: Option<u32>,
    numbers: HashMap<u64, u32, RandomState>,
    texts: HashMap<Box<[u8]>, u32, RandomState>,
    values: Vec<Value>,
}

/// Pairs by number, in the order in which they were met.
#[derive(Default)]
pub(super) struct Pairs {
    numbers: HashMap<(u32, u32), u32, RandomState>,
    made_of: Vec<(u32, u32)>,
}

impl Pairs {
    /// Puts, in the place of each first half, the number of its pair.
    pub(super) fn read(&mut self, halves: &mut [u32], others: &[u32]) {
        let mut last = None;
        for (half, other) in halves.iter_mut().zip(others) {
            let pair = (*half, *other);
            // rows of one subject often lie together
            *half = match last {
                Some((same, number)) if same == pair => number,
                _ => *self.numbers.entry(pair).or_insert_with(|| {
                    self.made_of.push(pair);
                    numbered(self.made_of.len() - 1)
                }),
            };
            last = Some((pair, *half));
        }
    }

    /// The pairs, each at its number.
    pub(super) fn made_of(&self) -> &[(u32, u32)] {
        &self.made_of
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.made_of.len()
    }

    /// Gives back what finds a pair's number.
    pub(super) fn close(&mut self) {
        self.numbers = HashMap::default();
    }
}

impl Codes {
    /// The code of every row of a column, appended to `codes`.
    pub(super) fn read(&mut self, column: &Column, codes: &mut Vec<u32>) {
        codes.clear();
        let validity = column.validity.as_deref();
        match &column.data {
            ColumnData::Boolean(values) => self.numbers(
                values,
                validity,
                codes,
                |value| u64::from(*value != 0),
                |value| Value::Boolean(*value != 0),
            ),
            ColumnData::Int64(values) => {
                self.numbers(values, validity, codes, |value| value.cast_unsigned(), |value| Value::Int64(*value))
            }
            ColumnData::Float64(values) => self.numbers(
                values,
                validity,
                codes,
                |value| canonical(*value).to_bits(),
                |value| Value::Float64(canonical(*value)),
            ),
            ColumnData::Date(values) => self.numbers(
                values,
                validity,
                codes,
                |value| i64::from(*value).cast_unsigned(),
                |value| Value::Date(*value),
            ),
            ColumnData::Timestamp(values) => {
                self.numbers(values, validity, codes, |value| value.cast_unsigned(), |value| Value::Timestamp(*value))
            }
            ColumnData::Decimal(values) => {
                self.texts(values, validity, codes, String::as_bytes, |value| Value::Decimal(value.clone()))
            }
            ColumnData::Text(values) => {
                self.texts(values, validity, codes, String::as_bytes, |value| Value::Text(value.clone()))
            }
            ColumnData::Bytes(values) => {
                self.texts(values, validity, codes, Vec::as_slice, |value| Value::Bytes(value.clone()))
            }
        }
    }

    fn numbers<T>(
        &mut self,
        values: &[T],
        validity: Option<&[u8]>,
        codes: &mut Vec<u32>,
        bits: impl Fn(&T) -> u64,
        keep: impl Fn(&T) -> Value,
    ) {
        let mut last = None;
        for (row, value) in values.iter().enumerate() {
            if !is_present(validity, row) {
                codes.push(self.null());
                continue;
            }
            let bits = bits(value);
            let code = match last {
                Some((same, code)) if same == bits => code,
                _ => *self.numbers.entry(bits).or_insert_with(|| {
                    self.values.push(keep(value));
                    numbered(self.values.len() - 1)
                }),
            };
            last = Some((bits, code));
            codes.push(code);
        }
    }

    fn texts<T>(
        &mut self,
        values: &[T],
        validity: Option<&[u8]>,
        codes: &mut Vec<u32>,
        bytes: impl Fn(&T) -> &[u8],
        keep: impl Fn(&T) -> Value,
    ) {
        let mut last = None;
        for (row, value) in values.iter().enumerate() {
            if !is_present(validity, row) {
                codes.push(self.null());
                continue;
            }
            let bytes = bytes(value);
            let code = match last {
                Some((same, code)) if same == bytes => code,
                _ => match self.texts.get(bytes) {
                    Some(code) => *code,
                    None => {
                        let next = numbered(self.values.len());
                        self.texts.insert(bytes.into(), next);
                        self.values.push(keep(value));
                        next
                    }
                },
            };
            last = Some((bytes, code));
            codes.push(code);
        }
    }

    fn null(&mut self) -> u32 {
        *self.null.get_or_insert_with(|| {
            self.values.push(Value::Null);
            numbered(self.values.len() - 1)
        })
    }

    /// The value of a code.
    pub(super) fn value(&self, code: u32) -> &Value {
        &self.values[index(code)]
    }

    /// The values, each at its code.
    pub(super) fn into_values(self) -> Vec<Value> {
        self.values
    }

    /// How many values there are.
    pub(super) fn len(&self) -> usize {
        self.values.len()
    }

    /// The place of each code when its values are sorted.
    pub(super) fn ranks(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.values.len()).collect();
        order.sort_by(|a, b| compare(&self.values[*a], &self.values[*b]));
        let mut ranks = vec![0; order.len()];
        order.into_iter().enumerate().for_each(|(rank, code)| ranks[code] = rank);
        ranks
    }
}

/// Whether the row of a column is not null (Arrow bitmap, least significant bit first).
pub(super) fn is_present(validity: Option<&[u8]>, row: usize) -> bool {
    validity.is_none_or(|bits| bits[row / 8] >> (row % 8) & 1 == 1)
}

/// A code as an index.
pub(super) fn index(code: u32) -> usize {
    usize::try_from(code).expect("a u32 fits into a usize here")
}

fn numbered(place: usize) -> u32 {
    u32::try_from(place).expect("the limits on groups and subjects are far below 2^32")
}

/// One NaN and one zero.
fn canonical(value: f64) -> f64 {
    if value.is_nan() { f64::NAN } else { value + 0.0 }
}

/// Nulls first, then by value; values of one column have one type.
fn compare(a: &Value, b: &Value) -> Ordering {
    match (a, b) {
        (Value::Boolean(a), Value::Boolean(b)) => a.cmp(b),
        (Value::Int64(a), Value::Int64(b)) | (Value::Timestamp(a), Value::Timestamp(b)) => a.cmp(b),
        (Value::Date(a), Value::Date(b)) => a.cmp(b),
        (Value::Float64(a), Value::Float64(b)) => a.total_cmp(b),
        (Value::Decimal(a), Value::Decimal(b)) => compare_decimals(a, b),
        (Value::Text(a), Value::Text(b)) => a.cmp(b),
        (Value::Bytes(a), Value::Bytes(b)) => a.cmp(b),
        (Value::Null, Value::Null) => Ordering::Equal,
        (Value::Null, _) => Ordering::Less,
        _ => Ordering::Greater,
    }
}

/// Exact base-10 texts of one column by their value; equal values with different texts by text.
fn compare_decimals(a: &str, b: &str) -> Ordering {
    let parts = |text: &str| {
        let (negative, digits) = text.strip_prefix('-').map_or((false, text), |digits| (true, digits));
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        (negative, whole.trim_start_matches('0').to_owned(), fraction.trim_end_matches('0').to_owned())
    };
    let (a_negative, a_whole, a_fraction) = parts(a);
    let (b_negative, b_whole, b_fraction) = parts(b);
    let size =
        a_whole.len().cmp(&b_whole.len()).then_with(|| a_whole.cmp(&b_whole)).then_with(|| a_fraction.cmp(&b_fraction));
    let order = match (a_negative, b_negative) {
        (false, false) => size,
        (true, true) => size.reverse(),
        (true, false) => Ordering::Less,
        (false, true) => Ordering::Greater,
    };
    order.then_with(|| a.cmp(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_ordered_by_value() {
        let mut texts = ["10.00", "-2.50", "9.99", "0.10", "-10.00", "0.09"];
        texts.sort_by(|a, b| compare_decimals(a, b));
        assert_eq!(texts, ["-10.00", "-2.50", "0.09", "0.10", "9.99", "10.00"]);
    }

    #[test]
    fn nulls_come_first_and_zeros_are_one() {
        let mut codes = Codes::default();
        let mut read = Vec::new();
        let data = ColumnData::Float64(vec![1.0, 0.0, -0.0, 0.0, f64::NAN, -f64::NAN]);
        codes.read(&Column { validity: Some(vec![0b11_0111]), data }, &mut read);
        assert_eq!(read, [0, 1, 1, 2, 3, 3]);
        assert_eq!(codes.ranks(), [2, 1, 0, 3]);
    }
}
