//! Ordinary least squares from means and covariances: the terms are centred and scaled, so that neither an offset nor a unit costs digits.

use super::moments::{Moments, named};
use super::{Estimate, coefficients, warn_of_collinearity};
use crate::aggregate::derived::Derived;
use crate::aggregate::derived::distribution::{f_above, t_95, t_two_sided};
use crate::aggregate::derived::matrix::{Factor, Matrix};
use crate::aggregate::derived::sheet::{Sheet, count, real, small};
use crate::disclosure::table::{Cell, CellType, Table};

/// Slopes of standardised terms: what both kinds of models begin with.
pub(super) struct Slopes {
    pub(super) moments: Moments,
    /// Standard deviations of the terms.
    pub(super) scale: Vec<f64>,
    pub(super) factor: Factor,
    /// Correlations of the terms with the outcome.
    with_outcome: Vec<f64>,
    /// R⁻¹ r: the change of the outcome, in its standard deviations, for one of a term's.
    pub(super) standardised: Vec<f64>,
}

impl Slopes {
    /// # Errors
    /// In a sentence, why there are none.
    pub(super) fn of(table: &Table, terms: &[String]) -> Result<Self, String> {
        let names: Vec<String> = std::iter::once("y".to_owned()).chain(named('x', 1, terms.len())).collect();
        let moments = Moments::read(table, &names)?;
        if !moments.varies(0) {
            return Err("the outcome does not vary: there is nothing to explain".to_owned());
        }
        if let Some(constant) = (0..terms.len()).find(|term| !moments.varies(term + 1)) {
            return Err(format!("`{}` has the same value in every row: leave it out", terms[constant]));
        }
        let correlation = |one: usize, other: usize| {
            moments.covariance.at(one, other) / moments.deviation(one) / moments.deviation(other)
        };
        let among = Matrix::of(terms.len(), |row, column| correlation(row + 1, column + 1));
        let factor = Factor::of(&among).map_err(|term| collinear(&terms[term]))?;
        let with_outcome: Vec<f64> = (1..=terms.len()).map(|term| correlation(term, 0)).collect();
        let standardised = factor.solve(&with_outcome);
        let scale = (1..=terms.len()).map(|term| moments.deviation(term)).collect();
        Ok(Self { moments, scale, factor, with_outcome, standardised })
    }
}

/// Why terms that determine each other have no coefficients.
pub(super) fn collinear(term: &str) -> String {
    format!("`{term}` is a linear combination of the terms before it: leave one of them out")
}

/// The coefficients, and how well the model fits.
pub(super) fn fit(output: &str, table: &Table, terms: &[String]) -> Result<Vec<Derived>, String> {
    let Slopes { moments, scale, factor, with_outcome, standardised } = Slopes::of(table, terms)?;
    let (n, p) = (moments.n, small(terms.len()));
    let freedom = n - p - 1.0;
    if freedom < 1.0 {
        return Err(format!("{n} rows are too few for {p} terms and an intercept"));
    }
    let explained: f64 = standardised.iter().zip(&with_outcome).map(|(slope, with)| slope * with).sum();
    let total = (n - 1.0) * moments.covariance.at(0, 0);
    let residual = (total * (1.0 - explained)).max(0.0);
    let variance = residual / freedom;
    let inverse = factor.inverse();
    let slope = |term: usize| standardised[term] * moments.deviation(0) / scale[term];
    let error = |term: usize| (variance * inverse.at(term, term) / (n - 1.0)).sqrt() / scale[term];
    let at_zero: Vec<f64> = (0..terms.len()).map(|term| moments.mean[term + 1] / scale[term]).collect();
    let mut spread = 0.0;
    for (row, one) in at_zero.iter().enumerate() {
        for (column, other) in at_zero.iter().enumerate() {
            spread += one * inverse.at(row, column) * other;
        }
    }
    let intercept = Estimate {
        coefficient: moments.mean[0] - (0..terms.len()).map(|term| slope(term) * moments.mean[term + 1]).sum::<f64>(),
        error: Some((variance * (1.0 / n + spread / (n - 1.0))).sqrt()),
    };
    let mut sheet = coefficients(output, "t");
    let (tail, half) = (|t: f64| t_two_sided(t, freedom), t_95(freedom));
    intercept.tell(&mut sheet, "intercept", tail, half);
    for (place, term) in terms.iter().enumerate() {
        Estimate { coefficient: slope(place), error: Some(error(place)) }.tell(&mut sheet, term, tail, half);
    }
    warn_of_collinearity(&mut sheet, factor.least);

    let figures = [
        ("n", CellType::Integer),
        ("df_model", CellType::Integer),
        ("df_residual", CellType::Integer),
        ("r_squared", CellType::Real),
        ("adjusted_r_squared", CellType::Real),
        ("residual_sd", CellType::Real),
        ("f", CellType::Real),
        ("p", CellType::Real),
    ];
    let mut fit = Sheet::new(output, "fit", Vec::new(), &figures);
    let f = (total - residual) / p / variance;
    let row: [Cell; 8] = [
        count(n),
        count(p),
        count(freedom),
        real(1.0 - residual / total),
        real(1.0 - (residual / freedom) / (total / (n - 1.0))),
        real(variance.sqrt()),
        real(f),
        real(f_above(f, p, freedom)),
    ];
    fit.row(row);
    Ok(vec![sheet.done(), fit.done()])
}
