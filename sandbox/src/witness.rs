//! Statistics that the host computes itself, with the evidence that disclosure control needs beside every cell (tier T1).
//!
//! One pass over the admitted rows fills, for each group, sums of 106 bits, and, for each pair of a group and a subject, what that
//! subject contributed. Rows come out sorted and sums do not depend on how an engine cut or ordered its batches, so a repeated run gives the same
//! bytes. The evidence never reaches the component and has no way onto the wire.

mod contributors;
mod key;
mod question;
mod sum;
mod tabulation;

use crate::value::{ColumnInfo, Value};
pub use contributors::Contributors;
pub(crate) use question::{Question, WitnessError};
use std::fmt;
pub(crate) use tabulation::Tabulation;

/// A figure over the rows of one group; nulls of a column are left out. As the WIT's `measure`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Measure {
    /// Rows.
    Count,
    /// Distinct subjects; all rows without a subject count as one.
    Subjects,
    /// Rows in which the column is present.
    CountOf(String),
    /// The sum; null where no row has the column.
    Sum(String),
    /// The arithmetic mean; null where no row has the column.
    Mean(String),
    /// The sample variance, divisor n - 1; null where fewer than two rows have the column.
    Variance(String),
    /// The sample covariance, divisor n - 1; null where fewer than two rows have both columns.
    Covariance(String, String),
}

impl Measure {
    /// The name of its column: `n`, `subjects`, `n_x`, `sum_x`, `mean_x`, `variance_x`, `covariance_x_y`.
    #[must_use]
    pub fn name(&self) -> String {
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

/// What a column of a witnessed table is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// One of the columns that rows are grouped by.
    Key,
    /// A figure.
    Measure(Measure),
}

/// A column of a witnessed table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WitnessedColumn {
    /// Its name and type: counts are `int64`, every other figure `float64`.
    pub info: ColumnInfo,
    /// What it is.
    pub role: Role,
}

/// What stands behind one figure. A subject's contribution is its part of `sum`: rows for the counts, values of the column for sum, mean and
/// variance, products of both columns for a covariance.
#[derive(Clone, Copy, PartialEq)]
pub struct Evidence {
    /// The rows behind the figure: those in which its columns are present.
    pub rows: u64,
    /// The distinct subjects among those rows.
    pub subjects: u64,
    /// The sum of all contributions.
    pub sum: f64,
    /// The largest absolute contribution of one subject; infinite where it is not a number.
    pub largest: f64,
    /// The second largest absolute contribution of one subject; 0 where there is one subject.
    pub second: f64,
    /// Rows whose contribution is below zero: dominance rules do not hold then.
    pub negatives: u64,
    /// Residual degrees of freedom: rows - 1 (-1 where there is no row). Rules read it for variance and covariance.
    pub degrees_of_freedom: i64,
    /// Rows whose contribution is infinite or not a number, and 1 where a finite sum overflowed: such a figure needs a person.
    pub special: u64,
    /// Where a column of the figure holds zeros and ones alone, and both: the fewest subjects that it tells apart, because such a mean is a
    /// share, and a covariance of two such columns the count of those who have both. 0 for every other figure, and for counts.
    pub apart: u64,
}

/// A table that only the host makes: sorted rows, and evidence beside every figure.
#[derive(Clone, PartialEq)]
pub struct WitnessedTable {
    /// Keys first, then measures, as asked.
    pub columns: Vec<WitnessedColumn>,
    /// One row each group, sorted by the keys: nulls first, then by value.
    pub rows: Vec<Vec<Value>>,
    /// For each row and column: the evidence of a figure, `None` for a key.
    pub evidence: Vec<Vec<Option<Evidence>>>,
    /// The subjects behind each figure.
    pub contributors: Contributors,
    /// The admitted statement whose rows were counted, as printed.
    pub relation: String,
}

/// Evidence is data of the TRE: `Debug` shows nothing of it.
impl fmt::Debug for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Evidence(..)")
    }
}

/// Figures never reach a log: `Debug` shows the shape alone.
impl fmt::Debug for WitnessedTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WitnessedTable({} columns, {} rows)", self.columns.len(), self.rows.len())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
mod tests;
