//! Typed values, columns and batches: the shapes in which rows cross from an engine to a component (`wit/analysis.wit`, `types`).

use std::fmt;

/// One value, as the WIT's `value`.
#[derive(Clone, PartialEq)]
pub enum Value {
    /// No value.
    Null,
    /// True or false.
    Boolean(bool),
    /// A signed 64-bit integer.
    Int64(i64),
    /// An IEEE 754 double.
    Float64(f64),
    /// Exact base-10 text, for example `-12.340`.
    Decimal(String),
    /// UTF-8 text.
    Text(String),
    /// Raw bytes.
    Bytes(Vec<u8>),
    /// Days since 1970-01-01.
    Date(i32),
    /// Microseconds since 1970-01-01T00:00:00Z.
    Timestamp(i64),
}

/// A double as the integer that it is: without a fraction, and exact (at most 2^53 in size).
pub(crate) fn whole(value: f64) -> Option<i64> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    #[allow(clippy::cast_possible_truncation, reason = "an integer of at most 2^53 fits")]
    (value.abs() <= EXACT && value.fract() == 0.0).then_some(value as i64)
}

/// Rows never reach a log: `Debug` names the type alone.
impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Null => "Null",
            Self::Boolean(_) => "Boolean(..)",
            Self::Int64(_) => "Int64(..)",
            Self::Float64(_) => "Float64(..)",
            Self::Decimal(_) => "Decimal(..)",
            Self::Text(_) => "Text(..)",
            Self::Bytes(_) => "Bytes(..)",
            Self::Date(_) => "Date(..)",
            Self::Timestamp(_) => "Timestamp(..)",
        })
    }
}

/// The type of a column, as the WIT's `column-type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnType {
    /// `list<u8>`, 0 or 1.
    Boolean,
    /// `list<s64>`.
    Int64,
    /// `list<f64>`.
    Float64,
    /// `list<string>`, exact base-10 text.
    Decimal,
    /// `list<string>`.
    Text,
    /// `list<list<u8>>`.
    Bytes,
    /// `list<s32>`, days since 1970-01-01.
    Date,
    /// `list<s64>`, microseconds since 1970-01-01T00:00:00Z.
    Timestamp,
}

/// A column's name and type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnInfo {
    /// The name, as the query gives it.
    pub name: String,
    /// The type.
    pub ty: ColumnType,
    /// Whether the column may hold nulls.
    pub nullable: bool,
}

/// The values of one column of a batch; a null slot holds a zero value.
#[derive(Clone, PartialEq)]
pub enum ColumnData {
    /// 0 or 1.
    Boolean(Vec<u8>),
    /// Signed 64-bit integers.
    Int64(Vec<i64>),
    /// Doubles.
    Float64(Vec<f64>),
    /// Exact base-10 text.
    Decimal(Vec<String>),
    /// UTF-8 text.
    Text(Vec<String>),
    /// Raw bytes.
    Bytes(Vec<Vec<u8>>),
    /// Days since 1970-01-01.
    Date(Vec<i32>),
    /// Microseconds since 1970-01-01T00:00:00Z.
    Timestamp(Vec<i64>),
}

/// One column of a batch.
#[derive(Clone, PartialEq)]
pub struct Column {
    /// Arrow bitmap, least significant bit first, a set bit is a present value; `None` = no nulls.
    pub validity: Option<Vec<u8>>,
    /// The values.
    pub data: ColumnData,
}

/// Consecutive rows of a result, column by column.
#[derive(Clone, PartialEq)]
pub struct Batch {
    /// How many rows every column has.
    pub rows: u32,
    /// The columns, in the order of the result's schema.
    pub columns: Vec<Column>,
}
