//! Logistic and Poisson models by Newton's method, which for their canonical links is iteratively reweighted least squares (McCullagh and
//! Nelder 1989, section 2.5).
//!
//! Round 0 reads the moments of the outcome and the plain terms: they are the first step from the model without terms, and say by how much
//! to centre and scale. Every later round reads the moments of √w, √w x and the weighted residual z = (y − μ) / √w at the coefficients that
//! its task names, so that Σ √w x z is the gradient and Σ w x x' the information.

use super::linear::{Slopes, collinear};
use super::moments::{Moments, named};
use super::{Estimate, Round, coefficients, warn_of_collinearity};
use crate::aggregate::derived::distribution::{NORMAL_95, chi_squared_above, normal_two_sided};
use crate::aggregate::derived::matrix::{Factor, Matrix};
use crate::aggregate::derived::sheet::{Figures, Sheet, count, real, small};
use crate::aggregate::derived::{Derived, Parameters, list};
use crate::disclosure::table::{CellType, Measure, Table};

/// Which model.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    Logistic,
    Poisson,
}

/// Steps below this, in standard deviations of the terms, leave every shown figure as it is: Newton's next step is its square.
const CONVERGED: f64 = 1e-7;

/// The longest step: beyond, a Poisson model's first steps overshoot.
const LONGEST: f64 = 2.0;

/// A coefficient beyond this many for one standard deviation means that the outcome is separated.
const SEPARATED: f64 = 15.0;

/// Coefficients of centred and scaled terms.
struct State {
    round: u32,
    centre: Vec<f64>,
    scale: Vec<f64>,
    /// The intercept first.
    coefficients: Vec<f64>,
}

/// A step from a state.
struct Step {
    to: State,
    largest: f64,
    shortened: bool,
    /// The inverse of the information, of centred and scaled terms.
    covariance: Option<Matrix>,
    least: f64,
}

/// The coefficients so far, how well they fit, and where the model stands.
pub(super) fn fit(
    output: &str,
    table: &Table,
    terms: &[String],
    family: Family,
    parameters: &Parameters,
) -> Result<(Vec<Derived>, Option<Round>), String> {
    let begun = State::read(parameters, terms.len())?;
    let step = match &begun {
        None => first(table, terms, family)?,
        Some(state) => next(table, terms, state)?,
    };
    let converged = step.largest < CONVERGED && !step.shortened;
    let mut sheet = coefficients(output, "z");
    let state = &step.to;
    let slope = |term: usize| state.coefficients[term + 1] / state.scale[term];
    // Back from centred terms: the intercept is at their zero.
    let back: Vec<f64> =
        std::iter::once(1.0).chain((0..terms.len()).map(|term| -state.centre[term] / state.scale[term])).collect();
    let intercept = Estimate {
        coefficient: back.iter().zip(&state.coefficients).map(|(back, coefficient)| back * coefficient).sum(),
        error: step.covariance.as_ref().map(|covariance| quadratic(&back, covariance).sqrt()),
    };
    intercept.tell(&mut sheet, "intercept", normal_two_sided, Some(NORMAL_95));
    for (place, term) in terms.iter().enumerate() {
        let error = step.covariance.as_ref().map(|covariance| covariance.at(place + 1, place + 1).sqrt());
        let error = error.map(|error| error / state.scale[place]);
        Estimate { coefficient: slope(place), error }.tell(&mut sheet, term, normal_two_sided, Some(NORMAL_95));
    }
    if !converged {
        sheet.note("not converged: these are the coefficients so far, and another round is to be asked for");
    }
    if let Some(place) = (0..terms.len()).find(|term| state.coefficients[term + 1].abs() > SEPARATED) {
        sheet.note(format!(
            "the coefficient of `{}` grows without bound: the terms may tell the outcome apart wholly, and then there is no estimate",
            terms[place]
        ));
    }
    warn_of_collinearity(&mut sheet, step.least);
    let mut tables = vec![sheet.done()];
    if begun.is_some() {
        tables.extend(goodness(output, table, terms.len(), family));
    }
    let round = Round {
        round: begun.map_or(0, |state| state.round),
        largest_step: step.largest,
        converged,
        next: state.write(parameters),
    };
    Ok((tables, Some(round)))
}

/// The first step: from the model without terms, whose fitted outcome is the mean.
fn first(table: &Table, terms: &[String], family: Family) -> Result<Step, String> {
    let Slopes { moments, scale, factor, standardised, .. } = Slopes::of(table, terms)?;
    let (n, mean) = (moments.n, moments.mean[0]);
    let (intercept, weight) = match family {
        Family::Logistic if mean > 0.0 && mean < 1.0 => ((mean / (1.0 - mean)).ln(), mean * (1.0 - mean)),
        Family::Logistic => return Err("the outcome of a logistic model is 0 or 1".to_owned()),
        Family::Poisson if mean > 0.0 => (mean.ln(), mean),
        Family::Poisson => return Err("the outcome of a Poisson model is a count".to_owned()),
    };
    // The information is n · weight for the intercept and (n − 1) · weight · R for centred and scaled terms.
    let steps: Vec<f64> = standardised.iter().map(|slope| slope * moments.deviation(0) / weight).collect();
    let (steps, largest, shortened) = limited(std::iter::once(0.0).chain(steps).collect());
    let inverse = factor.inverse();
    let covariance = Matrix::of(terms.len() + 1, |row, column| match (row, column) {
        (0, 0) => 1.0 / (n * weight),
        (0, _) | (_, 0) => 0.0,
        _ => inverse.at(row - 1, column - 1) / ((n - 1.0) * weight),
    });
    let coefficients = steps.iter().enumerate().map(|(place, step)| if place == 0 { intercept } else { *step });
    let to = State { round: 1, centre: moments.mean[1..].to_vec(), scale, coefficients: coefficients.collect() };
    // However short it is, a first step ends nothing: its standard errors are those of the model without terms.
    Ok(Step { to, largest: largest.max(2.0 * CONVERGED), shortened, covariance: Some(covariance), least: factor.least })
}

/// A step from coefficients: information⁻¹ · gradient.
fn next(table: &Table, terms: &[String], from: &State) -> Result<Step, String> {
    let size = terms.len() + 1;
    let names: Vec<String> = named('u', 0, terms.len()).chain(["z".to_owned()]).collect();
    let moments = Moments::read(table, &names)?;
    let length: Vec<f64> = (0..size).map(|place| moments.products(place, place).sqrt()).collect();
    let term = |place: usize| place.checked_sub(1).map_or("intercept", |term| terms[term].as_str());
    if let Some(none) = length.iter().position(|length| length.is_nan() || *length <= 0.0) {
        return Err(format!(
            "nothing is known about `{}` at these coefficients: begin again with fewer terms",
            term(none)
        ));
    }
    let scaled = Matrix::of(size, |row, column| moments.products(row, column) / length[row] / length[column]);
    let factor = Factor::of(&scaled).map_err(|place| collinear(term(place)))?;
    let gradient: Vec<f64> = (0..size).map(|place| moments.products(place, size) / length[place]).collect();
    let steps = factor.solve(&gradient).into_iter().zip(&length).map(|(step, length)| step / length).collect();
    let (steps, largest, shortened) = limited(steps);
    let inverse = factor.inverse();
    let covariance = Matrix::of(size, |row, column| inverse.at(row, column) / length[row] / length[column]);
    let coefficients = from.coefficients.iter().zip(&steps).map(|(coefficient, step)| coefficient + step).collect();
    let to = State { round: from.round + 1, centre: from.centre.clone(), scale: from.scale.clone(), coefficients };
    Ok(Step { to, largest, shortened, covariance: Some(covariance), least: factor.least })
}

/// Steps at most [`LONGEST`] long, the longest one, and whether they had to be shortened.
fn limited(steps: Vec<f64>) -> (Vec<f64>, f64, bool) {
    let largest = steps.iter().fold(0.0_f64, |largest, step| largest.max(step.abs()));
    if largest > LONGEST {
        let share = LONGEST / largest;
        return (steps.iter().map(|step| step * share).collect(), largest, true);
    }
    (steps, largest, false)
}

fn quadratic(vector: &[f64], matrix: &Matrix) -> f64 {
    let row = |row: usize| vector.iter().enumerate().map(|(column, x)| matrix.at(row, column) * x).sum::<f64>();
    vector.iter().enumerate().map(|(place, x)| x * row(place)).sum()
}

impl State {
    /// The state that a task began from; none for round 0.
    fn read(parameters: &Parameters, terms: usize) -> Result<Option<Self>, String> {
        let Some(round) = parameters.get("round").map(|text| text.trim()).filter(|text| !matches!(*text, "" | "0"))
        else {
            return Ok(None);
        };
        let numbers = |name: &str, length: usize| {
            let numbers: Vec<f64> = list(parameters, name).iter().filter_map(|text| text.parse().ok()).collect();
            let sound = numbers.len() == length && numbers.iter().all(|number: &f64| number.is_finite());
            sound
                .then_some(numbers)
                .ok_or_else(|| format!("the parameter `{name}` of this task has not {length} numbers"))
        };
        Ok(Some(Self {
            round: round.parse().map_err(|_| "the parameter `round` of this task is no number".to_owned())?,
            centre: numbers("centre", terms)?,
            scale: numbers("scale", terms)?,
            coefficients: numbers("coefficients", terms + 1)?,
        }))
    }

    /// A task's parameters with this state in them. Seventeen digits hold a double whole.
    fn write(&self, parameters: &Parameters) -> Parameters {
        let joined = |numbers: &[f64]| numbers.iter().map(|number| format!("{number:?}")).collect::<Vec<_>>().join(",");
        let mut next = parameters.clone();
        next.insert("round".to_owned(), self.round.to_string());
        next.insert("centre".to_owned(), joined(&self.centre));
        next.insert("scale".to_owned(), joined(&self.scale));
        next.insert("coefficients".to_owned(), joined(&self.coefficients));
        next
    }
}

/// The log-likelihood at the coefficients that the task named, against the model without terms.
fn goodness(output: &str, table: &Table, terms: usize, family: Family) -> Option<Derived> {
    let figures = Figures::of(table);
    let row = table.rows.first()?;
    let figure = |measure: fn(String) -> Measure, name: &str| figures.number(row, &measure(name.to_owned()));
    let (n, mean) = (figure(Measure::CountOf, "y")?, figure(Measure::Mean, "y")?);
    let likelihood = n * figure(Measure::Mean, "l")?;
    let without = match family {
        Family::Logistic => n * (mean * mean.ln() + (1.0 - mean) * (1.0 - mean).ln()),
        // Without Σ ln y!, which no model changes.
        Family::Poisson => n * mean * (mean.ln() - 1.0),
    };
    let ratio = 2.0 * (likelihood - without);
    let columns = [
        ("n", CellType::Integer),
        ("df_model", CellType::Integer),
        ("df_residual", CellType::Integer),
        ("log_likelihood", CellType::Real),
        ("lr_chi_squared", CellType::Real),
        ("p", CellType::Real),
    ];
    let mut sheet = Sheet::new(output, "fit", Vec::new(), &columns);
    let p = small(terms);
    sheet.row([
        count(n),
        count(p),
        count(n - p - 1.0),
        real(likelihood),
        real(ratio),
        real(chi_squared_above(ratio.max(0.0), p)),
    ]);
    if family == Family::Poisson {
        sheet.note("the log-likelihood is without the constant sum of ln y!");
    }
    Some(sheet.done())
}
