//! The parameters of a task, read and checked as far as that goes without the data.

use guest::rows::{Factor, Parameters};

/// The most terms of a model: with more, the table of moments is wider than a person reviews.
pub const MOST_TERMS: usize = 14;

/// What kind of model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// Least squares.
    Linear,
    /// A yes or no, with the logit link.
    Logistic,
    /// A count, with the log link.
    Poisson,
}

/// Where a round goes on from: coefficients of centred and scaled terms.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    /// What is taken off each term.
    pub centre: Vec<f64>,
    /// What each term is divided by.
    pub scale: Vec<f64>,
    /// The intercept, then one for each term.
    pub coefficients: Vec<f64>,
}

/// What a task asks for.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// The model.
    pub family: Family,
    /// The column that is explained.
    pub outcome: Factor,
    /// The columns that explain it.
    pub predictors: Vec<Factor>,
    /// None for a linear model and for a first round.
    pub state: Option<State>,
}

impl Request {
    /// Reads the parameters. The error is a sentence for the researcher.
    pub fn read(parameters: Parameters<'_>) -> Result<Self, String> {
        let required = |name: &str, example: &str| {
            parameters(name).ok_or_else(|| format!("the parameter `{name}` is missing: give {example}"))
        };
        let family = match parameters("family").as_deref() {
            None | Some("linear") => Family::Linear,
            Some("logistic") => Family::Logistic,
            Some("poisson") => Family::Poisson,
            Some(other) => return Err(format!("there is no family `{other}`; known: linear, logistic, poisson")),
        };
        let outcome = Factor::read("outcome", &required("outcome", "the column that is explained")?)?;
        if !matches!(outcome.levels.len(), 0 | 2) {
            return Err(format!("the outcome `{}` has two levels, or none when it is a number", outcome.column));
        }
        let predictors =
            Factor::list("predictors", &required("predictors", "a comma list, for example `age,sex[M|F]`")?)?;
        if let Some(one) = predictors.iter().find(|factor| factor.levels.len() == 1) {
            return Err(format!("the predictor `{}` has two levels or more, or none when it is a number", one.column));
        }
        if predictors.iter().any(|factor| factor.column == outcome.column) {
            return Err(format!("`{}` cannot explain itself: leave it out of `predictors`", outcome.column));
        }
        let terms: usize = predictors.iter().map(|factor| factor.levels.len().saturating_sub(1).max(1)).sum();
        if terms > MOST_TERMS {
            return Err(format!(
                "the model has {terms} terms; at most {MOST_TERMS} are taken: join levels, or leave some out"
            ));
        }
        let state = state(parameters, family, terms)?;
        Ok(Self { family, outcome, predictors, state })
    }
}

fn state(parameters: Parameters<'_>, family: Family, terms: usize) -> Result<Option<State>, String> {
    let begun = parameters("round").is_some_and(|round| round != "0");
    if !begun {
        let stray = ["centre", "scale", "coefficients"].into_iter().find(|name| parameters(name).is_some());
        return match stray {
            Some(name) => {
                Err(format!("the parameter `{name}` belongs to a later round: leave it out, or give `round` too"))
            }
            None => Ok(None),
        };
    }
    if family == Family::Linear {
        return Err("a linear model has one round: leave out `round`".into());
    }
    let numbers = |name: &str, length: usize| {
        let text = parameters(name).unwrap_or_default();
        let numbers: Option<Vec<f64>> = text.split(',').map(|number| number.trim().parse().ok()).collect();
        numbers.filter(|numbers| numbers.len() == length && numbers.iter().all(|number| number.is_finite())).ok_or_else(
            || format!("the parameter `{name}` is a comma list of {length} numbers, as `quintes regress` writes it"),
        )
    };
    let state = State {
        centre: numbers("centre", terms)?,
        scale: numbers("scale", terms)?,
        coefficients: numbers("coefficients", terms + 1)?,
    };
    if state.scale.iter().any(|scale| *scale <= 0.0) {
        return Err("the parameter `scale` has numbers above zero".into());
    }
    Ok(Some(state))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
mod tests {
    use super::{Family, Request, State};

    fn read(given: &[(&str, &str)]) -> Result<Request, String> {
        Request::read(&|name| given.iter().find(|(key, _)| *key == name).map(|(_, text)| (*text).to_owned()))
    }

    #[test]
    fn a_model_and_a_round_are_read() {
        let begin = [("outcome", "dead[no|yes]"), ("predictors", "age,sex[M|F]"), ("family", "logistic")];
        let request = read(&begin).unwrap();
        assert_eq!((request.family, request.predictors.len(), &request.state), (Family::Logistic, 2, &None));
        let round = [("round", "1"), ("centre", "50,0.5"), ("scale", "9.5,0.5"), ("coefficients", "-1,0.5,1e-3")];
        let request = read(&[&begin[..], &round].concat()).unwrap();
        let state = State { centre: vec![50.0, 0.5], scale: vec![9.5, 0.5], coefficients: vec![-1.0, 0.5, 0.001] };
        assert_eq!(request.state, Some(state));
    }

    #[test]
    fn each_mistake_has_its_sentence() {
        let (outcome, predictors) = (("outcome", "y"), ("predictors", "a,b"));
        let many = (0..16).map(|place| format!("c{place}")).collect::<Vec<_>>().join(",");
        let poisson = ("family", "poisson");
        let cases: &[(&[(&str, &str)], &str)] = &[
            (&[predictors], "the parameter `outcome` is missing"),
            (&[outcome], "the parameter `predictors` is missing"),
            (&[outcome, predictors, ("family", "cox")], "there is no family `cox`; known: linear"),
            (&[("outcome", "y[a|b|c]"), predictors], "the outcome `y` has two levels"),
            (&[outcome, ("predictors", "a[x]")], "the predictor `a` has two levels or more"),
            (&[outcome, ("predictors", "a,y")], "`y` cannot explain itself"),
            (&[outcome, ("predictors", &many)], "the model has 16 terms; at most 14"),
            (&[outcome, predictors, ("round", "1")], "a linear model has one round"),
            (&[outcome, predictors, ("scale", "1")], "the parameter `scale` belongs to a later round"),
            (&[outcome, predictors, poisson, ("round", "1")], "the parameter `centre` is a comma list of 2 numbers"),
            (
                &[
                    outcome,
                    predictors,
                    poisson,
                    ("round", "1"),
                    ("centre", "1,2"),
                    ("scale", "1,0"),
                    ("coefficients", "1,2,3"),
                ],
                "the parameter `scale` has numbers above zero",
            ),
        ];
        for (given, start) in cases {
            let error = read(given).unwrap_err();
            assert!(error.starts_with(start), "{given:?}: {error}");
        }
    }
}
