//! The merged moments of a model's columns: how many rows, every mean, every variance and covariance.

use crate::aggregate::derived::matrix::Matrix;
use crate::aggregate::derived::sheet::{Figures, LACKING};
use crate::disclosure::table::{Measure, Table};

/// Counts, means and covariances (divisor n − 1) of columns over the same rows.
pub(super) struct Moments {
    pub(super) n: f64,
    pub(super) mean: Vec<f64>,
    pub(super) covariance: Matrix,
}

impl Moments {
    /// Reads the one row of a merged table.
    ///
    /// # Errors
    /// In a sentence, what is not there.
    pub(super) fn read(table: &Table, names: &[String]) -> Result<Self, String> {
        let figures = Figures::of(table);
        let [row] = table.rows.as_slice() else {
            return Err("a model is fitted over one group: leave out `by`".to_owned());
        };
        let figure = |measure: Measure| {
            if figures.has(&measure) {
                figures.number(row, &measure).ok_or_else(|| LACKING.to_owned())
            } else {
                Err(format!(
                    "the output has no figure {measure}: was it made by the component `regression`, with these parameters?"
                ))
            }
        };
        let count = |name: &String| figure(Measure::CountOf(name.clone()));
        let n = count(names.first().ok_or("a model has columns")?)?;
        for name in names {
            if count(name)?.total_cmp(&n).is_ne() {
                return Err("the columns are not present in the same rows".to_owned());
            }
        }
        let mean = names.iter().map(|name| figure(Measure::Mean(name.clone()))).collect::<Result<Vec<_>, _>>()?;
        let mut found = Vec::with_capacity(names.len() * names.len());
        for one in names {
            for other in names {
                let pair = Measure::Covariance(one.clone(), other.clone());
                found.push(if one == other {
                    figure(Measure::Variance(one.clone()))?
                } else if figures.has(&pair) {
                    figure(pair)?
                } else {
                    figure(Measure::Covariance(other.clone(), one.clone()))?
                });
            }
        }
        let covariance = Matrix::of(names.len(), |row, column| found[row * names.len() + column]);
        Ok(Self { n, mean, covariance })
    }

    /// Σ x y over the rows.
    pub(super) fn products(&self, x: usize, y: usize) -> f64 {
        (self.n - 1.0) * self.covariance.at(x, y) + self.n * self.mean[x] * self.mean[y]
    }

    pub(super) fn deviation(&self, column: usize) -> f64 {
        self.covariance.at(column, column).sqrt()
    }

    /// Whether what varies in a column is more than rounding left of a constant.
    pub(super) fn varies(&self, column: usize) -> bool {
        let mean = self.mean[column];
        self.covariance.at(column, column) > 1e-20 * mean * mean
    }
}

/// `x1` … as the component names a model's terms.
pub(super) fn named(letter: char, from: usize, to: usize) -> impl Iterator<Item = String> {
    (from..=to).map(move |number| format!("{letter}{number}"))
}
