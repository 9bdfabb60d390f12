//! What follows from an aggregate and from nothing else: tests, intervals, fitted models, curves and quantiles.
//!
//! Every figure here is a function of the merged tables as they are shown and of the task's own parameters. So it tells nothing that they do
//! not: where a part is suppressed or a total is blank, what needs it is not there either, and a note says so.
//!
//! | output | what follows | from |
//! |---|---|---|
//! | any with `n_x`, `mean_x`, `variance_x` | `….summary` | Student's t interval of a mean |
//! | `contingency` | `….test` | Pearson's χ², Cramér's V |
//! | `pmcc` | `….test` | t test of a correlation, Fisher's z interval |
//! | `quantiles` | `….estimates` | the counted bins, with bounds |
//! | `regression` | `….coefficients`, `….fit` | least squares; maximum likelihood by Newton's steps, one a task |
//! | `survival` | `….curve`, `….median`, `….logrank` | Kaplan and Meier, Greenwood, Mantel |

use crate::aggregate::merge::Merged;
use crate::disclosure::canonical::print;
use crate::disclosure::table::{Role, Table};
use std::collections::BTreeMap;

mod contingency;
mod correlation;
mod distribution;
mod matrix;
mod quantile;
mod regression;
mod sheet;
mod summary;
mod survival;

pub use regression::Round;

/// One table that follows from an output.
#[derive(Clone, Debug, PartialEq)]
pub struct Derived {
    /// The output's name, a dot, and what it is: `pmcc.test`.
    pub name: String,
    /// Keys as the output has them, then figures; empty where it cannot be computed.
    pub table: Table,
    /// What a reader has to know, in sentences; why it cannot be computed, where it cannot.
    pub notes: Vec<String>,
}

/// All that follows from a task's outputs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Analysis {
    /// The tables, by the outputs' names.
    pub tables: Vec<Derived>,
    /// Where a regression that goes in rounds stands.
    pub round: Option<Round>,
}

/// A task's parameters, by name.
pub type Parameters = BTreeMap<String, String>;

/// Works out what follows from merged outputs; `parameters` are those that the task gave its component.
#[must_use]
pub fn derive(outputs: &BTreeMap<String, Merged>, parameters: &Parameters) -> Analysis {
    let mut analysis = Analysis::default();
    for (name, merged) in outputs {
        let table = &merged.table;
        match name.as_str() {
            "contingency" => analysis.tables.extend(contingency::test(name, table, parameters)),
            "pmcc" => analysis.tables.extend(correlation::test(name, table)),
            "quantiles" => analysis.tables.extend(quantile::estimates(name, table, parameters)),
            "regression" => {
                let (tables, round) = regression::fit(name, table, parameters);
                analysis.tables.extend(tables);
                analysis.round = analysis.round.or(round);
            }
            "survival" => analysis.tables.extend(survival::curves(name, table)),
            _ => analysis.tables.extend(summary::of(name, table)),
        }
    }
    analysis
}

/// What a curve is of, and its points: times, ascending, with the share that is event-free from there on.
pub type Line = (String, Vec<(f64, f64)>);

/// The survival curves of a derived table, one for each group, when it is one.
#[must_use]
pub fn curves_of(derived: &Derived) -> Option<Vec<Line>> {
    let columns = &derived.table.columns;
    let place = |name: &str| columns.iter().position(|column| column.name == name);
    let (time, survival) = (place(survival::TIME)?, place(survival::SHARE)?);
    let mut lines: Vec<Line> = Vec::new();
    for row in &derived.table.rows {
        let keys =
            columns.iter().zip(row).enumerate().filter(|(at, (column, _))| *at != time && column.role == Role::Key);
        let label: Vec<String> = keys.map(|(_, (column, cell))| format!("{}={}", column.name, print(cell))).collect();
        let label = label.join(" ");
        let point = row[time].number().zip(row[survival].number());
        match lines.last_mut() {
            Some(line) if line.0 == label => line.1.extend(point),
            _ => lines.push((label, point.into_iter().collect())),
        }
    }
    (!lines.is_empty()).then_some(lines)
}

/// The names in a comma list; none where the parameter is not given.
fn list(parameters: &Parameters, name: &str) -> Vec<String> {
    let text = parameters.get(name).map(String::as_str).unwrap_or_default();
    text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
mod tests;
