//! Regression from merged moments: least squares at once, logistic and Poisson models by Newton's steps, one for each task.
//!
//! The component `regression` names the outcome `y` and the terms of the model `x1`, `x2`, … in their order. Which terms these are, and from
//! where a round goes on, stands in the task's parameters, so that the result says what it is a model of.

mod linear;
mod moments;
mod rounds;
mod terms;

use crate::aggregate::derived::sheet::{Sheet, key, real, text};
use crate::aggregate::derived::{Derived, Parameters};
use crate::disclosure::table::{CellType, Table};
use serde::{Deserialize, Serialize};

/// Where a model that is fitted in rounds stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Round {
    /// The round that this task was, from 0.
    pub round: u32,
    /// The largest step that it made, in standard deviations of the terms.
    pub largest_step: f64,
    /// Whether another round would change nothing that is shown.
    pub converged: bool,
    /// The parameters of the next round: those of this task, with the coefficients so far.
    pub next: Parameters,
}

/// The tables of a model, and where it stands when it goes in rounds.
pub(super) fn fit(output: &str, table: &Table, parameters: &Parameters) -> (Vec<Derived>, Option<Round>) {
    let family = parameters.get("family").map_or("linear", |family| family.trim());
    let fitted = match (family, terms::names(parameters.get("predictors").map_or("", String::as_str))) {
        (_, None) => return (Vec::new(), None),
        ("linear", Some(terms)) => linear::fit(output, table, &terms).map(|tables| (tables, None)),
        ("logistic", Some(terms)) => rounds::fit(output, table, &terms, rounds::Family::Logistic, parameters),
        ("poisson", Some(terms)) => rounds::fit(output, table, &terms, rounds::Family::Poisson, parameters),
        _ => return (Vec::new(), None),
    };
    fitted.unwrap_or_else(|reason| {
        let mut sheet = coefficients(output, "t");
        sheet.note(reason);
        (vec![sheet.done()], None)
    })
}

/// The table of coefficients, empty; `statistic` is `t` or `z`.
fn coefficients(output: &str, statistic: &str) -> Sheet {
    let figures = ["coefficient", "se", statistic, "p", "ci_low", "ci_high"].map(|name| (name, CellType::Real));
    Sheet::new(output, "coefficients", vec![key("term", CellType::Text)], &figures)
}

/// One term's estimate.
struct Estimate {
    coefficient: f64,
    /// None while it is not known.
    error: Option<f64>,
}

impl Estimate {
    /// Adds its row; `tail` gives the p-value of a statistic and `half` is a 95 % interval's half width in standard errors.
    fn tell(&self, sheet: &mut Sheet, term: &str, tail: impl Fn(f64) -> Option<f64>, half: Option<f64>) {
        let statistic = self.error.map(|error| self.coefficient / error);
        let reach = self.error.zip(half).map(|(error, half)| error * half);
        let bound = |sign: f64| real(reach.map(|reach| self.coefficient + sign * reach));
        sheet.row([
            text(term),
            real(self.coefficient),
            real(self.error),
            real(statistic),
            real(statistic.and_then(tail)),
            bound(-1.0),
            bound(1.0),
        ]);
    }
}

/// A note where the terms are so nearly collinear that digits are lost.
fn warn_of_collinearity(sheet: &mut Sheet, least: f64) {
    if least < 1e-5 {
        sheet.note(format!(
            "the terms are nearly collinear (a variance inflation of {:.0}): the last digits are not reliable",
            1.0 / least
        ));
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
mod tests;
