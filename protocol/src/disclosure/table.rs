//! Typed tables: columns with a role, cells, and the evidence that the host keeps beside a figure that it computed itself.

use crate::disclosure::contributors::Contributors;
use crate::disclosure::number;
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;
use thiserror::Error;

/// An output: columns with their meaning, and rows of cells.
#[derive(Clone, PartialEq)]
pub struct Table {
    /// The columns, in the order of every row's cells.
    pub columns: Vec<Column>,
    /// The rows; each has one cell for each column.
    pub rows: Vec<Vec<Cell>>,
}

impl Table {
    /// The place of the first column with this role.
    #[must_use]
    pub fn column_of(&self, role: &Role) -> Option<usize> {
        self.columns.iter().position(|column| column.role == *role)
    }

    /// Who vouches for the figures: the host, when no column is opaque.
    #[must_use]
    pub fn tier(&self) -> Tier {
        if self.columns.iter().any(|column| column.role == Role::Opaque) { Tier::Opaque } else { Tier::Witnessed }
    }
}

/// Outputs never reach a log: `Debug` tells the shape alone.
impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Table({} columns, {} rows)", self.columns.len(), self.rows.len())
    }
}

/// A column of a [`Table`]. The columns of a table are its schema: they stand beside the bytes wherever those are signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Column {
    /// `[a-z_][a-z0-9_]{0,62}` once canonical.
    pub name: String,
    /// What its cells hold.
    #[serde(rename = "type")]
    pub ty: CellType,
    /// What its cells mean.
    pub role: Role,
}

/// The type of every cell in a column that is not null.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CellType {
    /// `true` or `false`.
    Boolean,
    /// A signed 64-bit integer.
    Integer,
    /// An IEEE 754 double.
    Real,
    /// An exact base-10 number.
    Decimal,
    /// UTF-8 text.
    Text,
    /// A day of the proleptic Gregorian calendar (ISO 8601).
    Date,
    /// A moment in UTC (ISO 8601).
    Timestamp,
}

impl CellType {
    /// Whether cells of this type are numbers.
    #[must_use]
    pub fn is_number(self) -> bool {
        matches!(self, Self::Integer | Self::Real | Self::Decimal)
    }
}

/// One cell.
#[derive(Clone, PartialEq)]
pub enum Cell {
    /// No value.
    Null,
    /// True or false.
    Boolean(bool),
    /// A signed 64-bit integer.
    Integer(i64),
    /// An IEEE 754 double.
    Real(f64),
    /// Exact base-10 text, for example `-12.34`.
    Decimal(String),
    /// UTF-8 text.
    Text(String),
    /// Days since 1970-01-01.
    Date(i32),
    /// Microseconds since 1970-01-01T00:00:00Z.
    Timestamp(i64),
}

impl Cell {
    /// The cell's type; `None` for null, which fits every column.
    #[must_use]
    pub fn ty(&self) -> Option<CellType> {
        match self {
            Self::Null => None,
            Self::Boolean(_) => Some(CellType::Boolean),
            Self::Integer(_) => Some(CellType::Integer),
            Self::Real(_) => Some(CellType::Real),
            Self::Decimal(_) => Some(CellType::Decimal),
            Self::Text(_) => Some(CellType::Text),
            Self::Date(_) => Some(CellType::Date),
            Self::Timestamp(_) => Some(CellType::Timestamp),
        }
    }

    /// The number in a numeric cell, as the nearest double.
    #[must_use]
    #[allow(clippy::cast_precision_loss, reason = "the nearest double is what is promised")]
    pub fn number(&self) -> Option<f64> {
        match self {
            Self::Integer(value) => Some(*value as f64),
            Self::Real(value) => Some(*value),
            Self::Decimal(text) => text.parse().ok(),
            Self::Null | Self::Boolean(_) | Self::Text(_) | Self::Date(_) | Self::Timestamp(_) => None,
        }
    }

    /// A total order over cells: nulls first, numbers by value, text by code point, then by type.
    /// Reals follow IEEE 754-2019 section 5.10 (`totalOrder`).
    #[must_use]
    pub fn order(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Boolean(left), Self::Boolean(right)) => left.cmp(right),
            (Self::Integer(left), Self::Integer(right)) | (Self::Timestamp(left), Self::Timestamp(right)) => {
                left.cmp(right)
            }
            (Self::Real(left), Self::Real(right)) => left.total_cmp(right),
            (Self::Decimal(left), Self::Decimal(right)) => number::order_decimals(left, right),
            (Self::Text(left), Self::Text(right)) => left.cmp(right),
            (Self::Date(left), Self::Date(right)) => left.cmp(right),
            _ => self.rank().cmp(&other.rank()),
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Self::Null => 0,
            Self::Boolean(_) => 1,
            Self::Integer(_) => 2,
            Self::Real(_) => 3,
            Self::Decimal(_) => 4,
            Self::Text(_) => 5,
            Self::Date(_) => 6,
            Self::Timestamp(_) => 7,
        }
    }
}

/// Outputs never reach a log: `Debug` names the type alone.
impl fmt::Debug for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.ty() {
            None => f.write_str("Null"),
            Some(ty) => write!(f, "{ty:?}(..)"),
        }
    }
}

/// The order of two rows: cell by cell, the shorter first.
#[must_use]
pub fn order_rows(left: &[Cell], right: &[Cell]) -> Ordering {
    left.iter()
        .zip(right)
        .map(|(left, right)| left.order(right))
        .find(|order| order.is_ne())
        .unwrap_or_else(|| left.len().cmp(&right.len()))
}

/// What a column means. On the wire and in a schema it is text: `key`, `opaque`, or a measure such as `mean(x)`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Role {
    /// Names the group that a row is about.
    Key,
    /// A figure over the rows of the group, computed by the host.
    Measure(Measure),
    /// A value whose making the host did not see.
    Opaque,
}

/// A figure over the rows of one group. A column's nulls are left out, as SQL does. The names are those of source columns.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Measure {
    /// Rows.
    Count,
    /// Distinct subjects.
    Subjects,
    /// Rows in which the column is present.
    CountOf(String),
    /// The sum of the column; null when it is nowhere present.
    Sum(String),
    /// The arithmetic mean; null when the column is nowhere present.
    Mean(String),
    /// The sample variance, divisor n − 1; null when fewer than two rows have the column.
    Variance(String),
    /// The sample covariance, divisor n − 1; every row has both columns or neither.
    Covariance(String, String),
}

impl Measure {
    /// The source columns that the figure is about.
    pub fn sources(&self) -> impl Iterator<Item = &str> {
        let (first, second) = match self {
            Self::Count | Self::Subjects => (None, None),
            Self::CountOf(x) | Self::Sum(x) | Self::Mean(x) | Self::Variance(x) => (Some(x), None),
            Self::Covariance(x, y) => (Some(x), Some(y)),
        };
        first.into_iter().chain(second).map(String::as_str)
    }

    /// The name of the column that holds the figure: `n`, `subjects`, `n_x`, `sum_x`, `mean_x`, `variance_x`, `covariance_x_y`
    /// (`wit/analysis.wit`, `aggregate`).
    #[must_use]
    pub fn column_name(&self) -> String {
        match self {
            Self::Count => "n".to_owned(),
            Self::Subjects => "subjects".to_owned(),
            Self::CountOf(x) => format!("n_{x}"),
            Self::Sum(x) => format!("sum_{x}"),
            Self::Mean(x) => format!("mean_{x}"),
            Self::Variance(x) => format!("variance_{x}"),
            Self::Covariance(x, y) => format!("covariance_{x}_{y}"),
        }
    }
}

/// `count`, `subjects`, `count-of(x)`, `sum(x)`, `mean(x)`, `variance(x)`, `covariance(x,y)`.
impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count => f.write_str("count"),
            Self::Subjects => f.write_str("subjects"),
            Self::CountOf(x) => write!(f, "count-of({x})"),
            Self::Sum(x) => write!(f, "sum({x})"),
            Self::Mean(x) => write!(f, "mean({x})"),
            Self::Variance(x) => write!(f, "variance({x})"),
            Self::Covariance(x, y) => write!(f, "covariance({x},{y})"),
        }
    }
}

/// Why a text names no role and no measure.
#[derive(Debug, Error, PartialEq, Eq)]
#[error(
    "this is no role of a column; write key, opaque, count, subjects, count-of(x), sum(x), mean(x), variance(x) or covariance(x,y) with lower-case column names"
)]
pub struct NotARole;

impl FromStr for Measure {
    type Err = NotARole;

    fn from_str(text: &str) -> Result<Self, NotARole> {
        match text {
            "count" => return Ok(Self::Count),
            "subjects" => return Ok(Self::Subjects),
            _ => {}
        }
        let (name, rest) = text.split_once('(').ok_or(NotARole)?;
        let inside = rest.strip_suffix(')').ok_or(NotARole)?;
        let one = |text: &str| {
            if is_identifier(text) { Ok(text.to_owned()) } else { Err(NotARole) }
        };
        match name {
            "count-of" => one(inside).map(Self::CountOf),
            "sum" => one(inside).map(Self::Sum),
            "mean" => one(inside).map(Self::Mean),
            "variance" => one(inside).map(Self::Variance),
            "covariance" => {
                let (x, y) = inside.split_once(',').ok_or(NotARole)?;
                Ok(Self::Covariance(one(x)?, one(y)?))
            }
            _ => Err(NotARole),
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key => f.write_str("key"),
            Self::Opaque => f.write_str("opaque"),
            Self::Measure(measure) => measure.fmt(f),
        }
    }
}

impl FromStr for Role {
    type Err = NotARole;

    fn from_str(text: &str) -> Result<Self, NotARole> {
        match text {
            "key" => Ok(Self::Key),
            "opaque" => Ok(Self::Opaque),
            _ => text.parse().map(Self::Measure),
        }
    }
}

macro_rules! as_text {
    ($($name:ident),*) => { $(
        impl TryFrom<String> for $name {
            type Error = NotARole;

            fn try_from(text: String) -> Result<Self, NotARole> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.to_string()
            }
        }
    )* };
}
as_text!(Measure, Role);

/// Whether a text is `[a-z_][a-z0-9_]{0,62}`: the names that columns may have, 63 bytes as PostgreSQL's `NAMEDATALEN` allows.
#[must_use]
pub fn is_identifier(text: &str) -> bool {
    let mut bytes = text.bytes();
    text.len() <= 63
        && bytes.next().is_some_and(|first| first.is_ascii_lowercase() || first == b'_')
        && bytes.all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

/// How much the host knows about the making of an output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tier {
    /// T1: the host computed every figure and kept evidence beside it.
    Witnessed,
    /// T2: the component computed it; only its shape can be checked.
    Opaque,
}

/// What the host saw while it computed one figure. It never leaves the TRE: there is no `Serialize`, and `Debug` is redacted.
///
/// `x` is the measure's source column (the first, for a covariance); a contribution is the sum of `x` over the rows of one subject.
/// For `count` and `subjects` only `rows` and `subjects` carry meaning and the rest is 0.
#[derive(Clone, Copy, PartialEq, Default)]
pub struct Evidence {
    /// Rows behind the figure: of the group, or of the group where the source columns are present.
    pub rows: u64,
    /// Distinct subjects of these rows.
    pub subjects: u64,
    /// The sum of `x` over these rows.
    pub sum: f64,
    /// The largest contribution of one subject.
    pub largest: f64,
    /// The second largest contribution of one subject; 0 when there is one subject.
    pub second: f64,
    /// Rows in which `x` is below zero.
    pub negatives: u64,
    /// Rows in which `x` is NaN or infinite.
    pub special: u64,
    /// Residual degrees of freedom; n − 1 for a variance or covariance.
    pub degrees_of_freedom: i64,
    /// Where a column of the figure holds zeros and ones alone, and both: the fewest subjects that it tells apart. 0 for every other figure.
    pub apart: u64,
}

/// Evidence never reaches a log.
impl fmt::Debug for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Evidence(..)")
    }
}

/// A table that the host computed, with its evidence.
#[derive(Clone, PartialEq)]
pub struct Witnessed {
    /// What may leave.
    pub table: Table,
    /// What stays: by row and column of `table`; `None` beside a key.
    pub evidence: Vec<Vec<Option<Evidence>>>,
    /// What stays too: who stands behind each figure.
    pub contributors: Contributors,
}

/// Outputs and evidence never reach a log.
impl fmt::Debug for Witnessed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Witnessed({:?})", self.table)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
mod tests {
    use super::*;

    #[test]
    fn roles_read_back_from_their_text() {
        let x = || "age_years".to_owned();
        for role in [
            Role::Key,
            Role::Opaque,
            Role::Measure(Measure::Count),
            Role::Measure(Measure::Subjects),
            Role::Measure(Measure::CountOf(x())),
            Role::Measure(Measure::Sum(x())),
            Role::Measure(Measure::Mean(x())),
            Role::Measure(Measure::Variance(x())),
            Role::Measure(Measure::Covariance(x(), "bmi".into())),
        ] {
            assert_eq!(role.to_string().parse::<Role>().unwrap(), role);
        }
    }

    #[test]
    fn texts_that_name_no_role_are_refused() {
        for text in [
            "",
            "Key",
            "mean",
            "mean()",
            "mean(X)",
            "mean(x",
            "mean(x,y)",
            "covariance(x)",
            "covariance(x, y)",
            "median(x)",
            "mean(x) ",
        ] {
            assert_eq!(text.parse::<Role>(), Err(NotARole), "{text}");
        }
    }

    #[test]
    fn identifiers_are_short_lower_case_ascii() {
        let longest = "a".repeat(63);
        for good in ["a", "_", "n_x2", longest.as_str()] {
            assert!(is_identifier(good), "{good}");
        }
        let too_long = "a".repeat(64);
        for bad in ["", "2a", "A", "a b", "é", "a-b", too_long.as_str()] {
            assert!(!is_identifier(bad), "{bad}");
        }
    }

    #[test]
    fn debug_shows_no_cell_and_no_evidence() {
        let evidence = Evidence { sum: 5_000_000.0, ..Evidence::default() };
        let table = Table {
            columns: vec![Column { name: "a".into(), ty: CellType::Text, role: Role::Key }],
            rows: vec![vec![Cell::Text("secret".into())]],
        };
        let shown = format!(
            "{table:?} {:?} {evidence:?} {:?}",
            table.rows,
            Witnessed { table: table.clone(), evidence: vec![], contributors: Contributors::default() }
        );
        assert!(!shown.contains("secret") && !shown.contains('5'), "{shown}");
    }

    #[test]
    fn cells_have_a_total_order() {
        let cells = [
            Cell::Null,
            Cell::Boolean(false),
            Cell::Boolean(true),
            Cell::Integer(-1),
            Cell::Integer(10),
            Cell::Real(f64::NEG_INFINITY),
            Cell::Real(-0.0),
            Cell::Real(0.0),
            Cell::Real(f64::NAN),
            Cell::Decimal("-2".into()),
            Cell::Decimal("9.5".into()),
            Cell::Decimal("10".into()),
            Cell::Text("A".into()),
            Cell::Text("b".into()),
            Cell::Date(0),
            Cell::Timestamp(-1),
        ];
        for (place, left) in cells.iter().enumerate() {
            for (other, right) in cells.iter().enumerate() {
                assert_eq!(left.order(right), place.cmp(&other), "{place} {other}");
            }
        }
    }
}
