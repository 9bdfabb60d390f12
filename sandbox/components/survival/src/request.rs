//! The parameters of a task, read and checked as far as that goes without the data.

use guest::rows::{Factor, Parameters};

/// The most points of a grid: beyond, hardly anybody leaves between two of them.
pub const MOST_POINTS: usize = 50;

/// Where intervals end.
#[derive(Clone, Debug, PartialEq)]
pub enum Grid {
    /// At every multiple of a width, up to the last one.
    Even {
        /// The width.
        width: f64,
        /// The end of the grid: a multiple of the width.
        until: f64,
    },
    /// At these times, ascending.
    Listed(Vec<f64>),
}

/// What a task asks for.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// The column of the time under observation.
    pub time: String,
    /// The column that says whether the event ended it.
    pub event: Factor,
    /// The grid.
    pub grid: Grid,
    /// Columns that group.
    pub by: Vec<String>,
}

impl Request {
    /// Reads the parameters. The error is a sentence for the researcher.
    pub fn read(parameters: Parameters<'_>) -> Result<Self, String> {
        let required = |name: &str, what: &str| {
            parameters(name).ok_or_else(|| format!("the parameter `{name}` is missing: give {what}"))
        };
        let time = Factor::read("time", &required("time", "the column of the time under observation")?)?;
        if !time.levels.is_empty() {
            return Err("the parameter `time` names a numeric column, without levels".into());
        }
        let event = Factor::read(
            "event",
            &required("event", "the column that is 1 where the event came, or `column[value]`")?,
        )?;
        if event.levels.len() > 1 {
            return Err("the parameter `event` names one value that means the event, for example `status[2]`".into());
        }
        let by = parameters("by").map_or(Ok(Vec::new()), |text| Factor::list("by", &text))?;
        if by.iter().any(|factor| !factor.levels.is_empty()) {
            return Err("the parameter `by` names columns, without levels".into());
        }
        let by: Vec<String> = by.into_iter().map(|factor| factor.column).collect();
        if let Some(name) = by.iter().find(|name| matches!(guest::rows::bare(name), "time" | "event")) {
            return Err(format!("a grouping column cannot be `{name}`: the output has a column of that name"));
        }
        Ok(Self { time: time.column, event, grid: grid(parameters)?, by })
    }
}

fn grid(parameters: Parameters<'_>) -> Result<Grid, String> {
    let number = |name: &str, text: &str| {
        text.trim()
            .parse::<f64>()
            .ok()
            .filter(|number| number.is_finite() && *number > 0.0)
            .ok_or_else(|| format!("the parameter `{name}` has `{text}`: give a number above zero"))
    };
    match (parameters("grid"), parameters("width"), parameters("until")) {
        (Some(text), None, None) => {
            let times = text.split(',').map(|text| number("grid", text)).collect::<Result<Vec<_>, _>>()?;
            if times.windows(2).any(|pair| pair[0] >= pair[1]) {
                return Err("the parameter `grid` is a comma list of times, ascending".into());
            }
            counted(times.len(), Grid::Listed(times))
        }
        (None, Some(width), Some(until)) => {
            let (width, until) = (number("width", &width)?, number("until", &until)?);
            let points = until / width;
            if points < 1.0 || (points - points.round()).abs() > 1e-9 {
                return Err("the parameter `until` is a multiple of `width`".into());
            }
            if points.round() > 1e6 {
                return counted(MOST_POINTS + 1, Grid::Even { width, until });
            }
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at least 1 and at most 1e6")]
            let points = points.round() as usize;
            counted(points, Grid::Even { width, until })
        }
        _ => Err("the grid of times is missing: give `width` and `until`, or `grid` as a comma list of times".into()),
    }
}

fn counted(points: usize, grid: Grid) -> Result<Grid, String> {
    if points > MOST_POINTS {
        return Err(format!(
            "the grid has more than {MOST_POINTS} points: make it coarser, so that enough leave between two of them"
        ));
    }
    Ok(grid)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
mod tests {
    use super::{Grid, Request};

    fn read(given: &[(&str, &str)]) -> Result<Request, String> {
        Request::read(&|name| given.iter().find(|(key, _)| *key == name).map(|(_, text)| (*text).to_owned()))
    }

    const STUDY: [(&str, &str); 2] = [("time", "week"), ("event", "arrest")];

    #[test]
    fn a_grid_is_even_or_listed() {
        let even = read(&[&STUDY[..], &[("width", "4"), ("until", "52"), ("by", "fin,race")]].concat()).unwrap();
        assert_eq!(even.grid, Grid::Even { width: 4.0, until: 52.0 });
        assert_eq!(even.by, ["fin", "race"]);
        let listed = read(&[&STUDY[..], &[("grid", "30, 90,365")]].concat()).unwrap();
        assert_eq!(listed.grid, Grid::Listed(vec![30.0, 90.0, 365.0]));
    }

    #[test]
    fn each_mistake_has_its_sentence() {
        let cases: &[(&[(&str, &str)], &str)] = &[
            (&[], "the parameter `time` is missing"),
            (&[("time", "week")], "the parameter `event` is missing"),
            (&STUDY, "the grid of times is missing"),
            (&[STUDY[0], ("event", "s[1|2]")], "the parameter `event` names one value"),
            (&[STUDY[0], STUDY[1], ("width", "5"), ("until", "52")], "the parameter `until` is a multiple"),
            (&[STUDY[0], STUDY[1], ("width", "1"), ("until", "52")], "the grid has more than 50 points"),
            (&[STUDY[0], STUDY[1], ("width", "1e-9"), ("until", "52")], "the grid has more than 50 points"),
            (&[STUDY[0], STUDY[1], ("grid", "3,2")], "the parameter `grid` is a comma list"),
            (&[STUDY[0], STUDY[1], ("grid", "-3")], "the parameter `grid` has `-3`"),
            (&[STUDY[0], STUDY[1], ("grid", "3"), ("by", "p.time")], "a grouping column cannot be `p.time`"),
            (&[("time", "week[1]"), STUDY[1]], "the parameter `time` names a numeric column"),
        ];
        for (given, start) in cases {
            let error = read(given).unwrap_err();
            assert!(error.starts_with(start), "{given:?}: {error}");
        }
    }
}
