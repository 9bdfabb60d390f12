//! The one SELECT over which the host computes, and which moments of its columns.
//!
//! | task | columns of the SELECT | what the researcher's program makes of their moments |
//! |---|---|---|
//! | linear, or a first round | `y`, `x1` … | Σ x x', Σ x y about their means |
//! | a later round | `y`, `x1` …, `l`, `u0` …, `z` | Σ w x x' and Σ x (y − μ), the information and the gradient |
//!
//! In a later round x is centred and scaled, η = b·x, μ the inverse link of η, w its derivative; u = √w x (u0 = √w), z = (y − μ) / √w, and l a
//! row's log-likelihood. Every figure is one number of a row, so the host can witness its sums. The means of y and x stand in every round, so that
//! the rules see in every review how many a level of a factor tells apart.

use crate::request::{Family, Request, State};
use guest::bindings::quintes::analysis::witness::Measure;
use guest::rows::{Factor, Rows, literal};

/// What the host is asked.
#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    /// The SELECT.
    pub relation: String,
    /// The moments.
    pub measures: Vec<Measure>,
}

impl Question {
    /// Writes it over the rows that have the outcome and every predictor.
    pub fn of(request: &Request, rows: &Rows) -> Result<Self, String> {
        let outcome = match request.outcome.levels.as_slice() {
            [_, event] => rows.indicator(&request.outcome.column, event)?,
            _ => rows.number(&request.outcome.column)?,
        };
        let mut terms = Vec::new();
        for Factor { column, levels } in &request.predictors {
            if levels.is_empty() {
                terms.push(rows.number(column)?);
            }
            for level in levels.iter().skip(1) {
                terms.push(rows.indicator(column, level)?);
            }
        }
        let all = std::iter::once(&request.outcome).chain(&request.predictors);
        let conditions = all.map(|factor| rows.present(factor)).collect::<Result<Vec<_>, _>>()?;
        let (columns, measures) = match &request.state {
            None => plain(&outcome, &terms),
            Some(state) => weighted(request.family, &outcome, &terms, state),
        };
        Ok(Self { relation: rows.select(&columns, &conditions)?, measures })
    }
}

fn plain(outcome: &str, terms: &[String]) -> (Vec<String>, Vec<Measure>) {
    let mut names = vec!["y".to_owned()];
    let mut columns = vec![format!("{outcome} AS y")];
    for (place, term) in terms.iter().enumerate() {
        let name = format!("x{}", place + 1);
        columns.push(format!("{term} AS {name}"));
        names.push(name);
    }
    (columns, moments(&names))
}

fn weighted(family: Family, outcome: &str, terms: &[String], state: &State) -> (Vec<String>, Vec<Measure>) {
    let State { centre, scale, coefficients } = state;
    // η over the terms as they are: what was centred and scaled is folded into the numbers.
    let mut intercept = coefficients[0];
    let mut sum = String::new();
    for (place, term) in terms.iter().enumerate() {
        let slope = coefficients[place + 1] / scale[place];
        intercept -= slope * centre[place];
        sum += &format!(" + {} * {term}", literal(slope));
    }
    let eta = format!("({}{sum})", literal(intercept));
    let (root, residual, likelihood) = match family {
        // √w = 1 / (2 cosh(η / 2)), and (y − μ) / √w = y e^(−η/2) − (1 − y) e^(η/2): neither loses digits where μ is near 0 or 1.
        Family::Linear | Family::Logistic => (
            format!("0.5 / cosh(0.5 * {eta})"),
            format!("{outcome} * exp((-0.5) * {eta}) - (1.0 - {outcome}) * exp(0.5 * {eta})"),
            format!("{outcome} * {eta} - ln(1.0 + exp({eta}))"),
        ),
        Family::Poisson => (
            format!("exp(0.5 * {eta})"),
            format!("{outcome} * exp((-0.5) * {eta}) - exp(0.5 * {eta})"),
            format!("{outcome} * {eta} - exp({eta})"),
        ),
    };
    let mut columns = vec![format!("{outcome} AS y"), format!("{likelihood} AS l"), format!("{root} AS u0")];
    let mut names = vec!["u0".to_owned()];
    for (place, term) in terms.iter().enumerate() {
        columns.push(format!("{term} AS x{}", place + 1));
        let name = format!("u{}", place + 1);
        let (centre, scale) = (literal(centre[place]), literal(scale[place]));
        columns.push(format!("({term} - {centre}) / {scale} * ({root}) AS {name}"));
        names.push(name);
    }
    columns.push(format!("{residual} AS z"));
    names.push("z".to_owned());
    let mut measures = Vec::new();
    let seen = (1..=terms.len()).map(|place| format!("x{place}"));
    for name in ["y".to_owned(), "l".to_owned()].into_iter().chain(seen) {
        measures.extend([Measure::CountOf(name.clone()), Measure::Mean(name)]);
    }
    measures.extend(moments(&names));
    (columns, measures)
}

/// Count, mean and variance of each column, covariance of each pair.
fn moments(names: &[String]) -> Vec<Measure> {
    let mut measures = Vec::new();
    for name in names {
        measures.extend([Measure::CountOf(name.clone()), Measure::Mean(name.clone()), Measure::Variance(name.clone())]);
    }
    for (place, one) in names.iter().enumerate() {
        measures.extend(names[place + 1..].iter().map(|other| Measure::Covariance((one.clone(), other.clone()))));
    }
    measures
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
mod tests {
    use super::Question;
    use crate::request::Request;
    use guest::bindings::quintes::analysis::database::TableInfo;
    use guest::bindings::quintes::analysis::types::{ColumnInfo, ColumnType};
    use guest::rows::Rows;

    fn question(given: &[(&str, &str)]) -> Question {
        let column = |name: &str, ty| ColumnInfo { name: name.into(), ty, nullable: true };
        let granted = [TableInfo {
            name: "t".into(),
            columns: vec![
                column("person_id", ColumnType::Int64),
                column("age", ColumnType::Int64),
                column("sex", ColumnType::Text),
                column("ill", ColumnType::Int64),
            ],
        }];
        let parameters = |name: &str| {
            let table = (name == "table").then_some("t");
            given.iter().find(|(key, _)| *key == name).map(|(_, text)| *text).or(table).map(str::to_owned)
        };
        Question::of(&Request::read(&parameters).unwrap(), &Rows::read(&parameters, &granted).unwrap()).unwrap()
    }

    #[test]
    fn a_linear_model_needs_plain_columns() {
        let question = question(&[("outcome", "age"), ("predictors", "sex[M|F]")]);
        assert_eq!(
            question.relation,
            "SELECT person_id, CAST(age AS DOUBLE PRECISION) AS y, CASE WHEN sex = 'F' THEN 1.0 ELSE 0.0 END AS x1 \
             FROM t WHERE age IS NOT NULL AND (sex = 'M' OR sex = 'F')"
        );
        assert_eq!(question.measures.len(), 7);
    }

    #[test]
    fn a_round_weighs_its_rows_at_the_coefficients_so_far() {
        let round = [
            ("family", "poisson"),
            ("outcome", "ill"),
            ("predictors", "age"),
            ("round", "2"),
            ("centre", "50"),
            ("scale", "10"),
            ("coefficients", "1.5,-2"),
        ];
        let question = question(&round);
        let (y, x) = ("CAST(ill AS DOUBLE PRECISION)", "CAST(age AS DOUBLE PRECISION)");
        let eta = format!("(11.5 + (-0.2) * {x})");
        assert_eq!(
            question.relation,
            format!(
                "SELECT person_id, {y} AS y, {y} * {eta} - exp({eta}) AS l, exp(0.5 * {eta}) AS u0, {x} AS x1, \
                 ({x} - 50.0) / 10.0 * (exp(0.5 * {eta})) AS u1, \
                 {y} * exp((-0.5) * {eta}) - exp(0.5 * {eta}) AS z FROM t WHERE ill IS NOT NULL AND age IS NOT NULL"
            )
        );
        assert_eq!(question.measures.len(), 6 + 9 + 3);
    }
}
