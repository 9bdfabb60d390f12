//! Released outputs of several TREs become one result, and it stays visible who contributed, who declined and who is missing.
//!
//! [`aggregate`](aggregate()) merges; [`check`] tells what the result would say about a single TRE; [`blank`] gives the form that may be final;
//! [`derive`](fn@derive) works out what follows from that form: tests, intervals, models, curves.

pub use crate::aggregate::blank::blank;
pub use crate::aggregate::check::{Finding, Rule, check, is_final};
pub use crate::aggregate::derived::{Analysis, Derived, Line, Parameters, Round, curves_of, derive};
pub use crate::aggregate::merge::{MergeError, Merged, ORIGIN, Part, merge};
use crate::disclosure::table::{Cell, Measure, Role, Table};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use thiserror::Error;

mod blank;
mod check;
mod derived;
mod figure;
mod layout;
mod merge;
mod moments;
mod system;

/// What one TRE answered to a task.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// Its released outputs, by name.
    Released(BTreeMap<String, Table>),
    /// It refused the task or withheld its outputs, and why, as it said.
    Declined(String),
    /// Nothing has come.
    Missing,
}

/// One TRE's share in an aggregate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contribution {
    /// The TRE's name.
    pub tre: String,
    /// What it did.
    pub state: State,
}

/// What a TRE did towards an aggregate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// At least one of its outputs is in it.
    Contributed,
    /// It refused the task or withheld its outputs; the reason is its own.
    Declined(String),
    /// Nothing has come.
    Missing,
}

/// A task's outputs over all TREs.
#[derive(Clone, Debug, PartialEq)]
pub struct Aggregate {
    /// The merged outputs, by name.
    pub outputs: BTreeMap<String, Merged>,
    /// Every TRE that was asked, sorted by name.
    pub contributions: Vec<Contribution>,
}

/// Why a task's outputs could not be merged.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("the output `{output}` could not be merged")]
pub struct AggregateError {
    /// The output's name.
    pub output: String,
    /// What is wrong with it.
    pub source: MergeError,
}

/// Merges every output over the TREs that released it; `answers` holds every TRE that was asked, by name.
///
/// # Errors
/// [`AggregateError`] names the first output that could not be merged.
pub fn aggregate(answers: BTreeMap<String, Answer>) -> Result<Aggregate, AggregateError> {
    let mut parts: BTreeMap<String, Vec<Part>> = BTreeMap::new();
    let mut contributions = Vec::with_capacity(answers.len());
    for (tre, answer) in answers {
        let state = match answer {
            // A release of nothing adds nothing: the owner let no output out.
            Answer::Released(tables) if tables.is_empty() => State::Declined("released no output".to_owned()),
            Answer::Released(tables) => {
                for (output, table) in tables {
                    parts.entry(output).or_default().push(Part { tre: tre.clone(), table });
                }
                State::Contributed
            }
            Answer::Declined(reason) => State::Declined(reason),
            Answer::Missing => State::Missing,
        };
        contributions.push(Contribution { tre, state });
    }
    let mut outputs = BTreeMap::new();
    for (output, parts) in parts {
        match merge(&parts) {
            Ok(merged) => outputs.insert(output, merged),
            Err(source) => return Err(AggregateError { output, source }),
        };
    }
    Ok(Aggregate { outputs, contributions })
}

/// The bars of a histogram, where a bin begins and how many are in it, when the table is one: its only key is a number and it has a count
/// of rows or of subjects. Sorted by bin; rows without a bin or a count are left out.
#[must_use]
pub fn histogram_of(table: &Table) -> Option<Vec<(f64, f64)>> {
    let mut keys = table.columns.iter().enumerate().filter(|(_, column)| column.role == Role::Key);
    let (key, column) = keys.next()?;
    let count =
        [Measure::Count, Measure::Subjects].into_iter().find_map(|measure| table.column_of(&Role::Measure(measure)))?;
    if keys.next().is_some() || !column.ty.is_number() {
        return None;
    }
    let number = |row: &[Cell], column: usize| row.get(column).and_then(Cell::number);
    let mut bars: Vec<(f64, f64)> =
        table.rows.iter().filter_map(|row| number(row, key).zip(number(row, count))).collect();
    bars.sort_by(|(left, _), (right, _)| left.total_cmp(right));
    Some(bars)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
mod tests;
