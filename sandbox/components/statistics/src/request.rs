//! The parameters of a task, read and checked as far as that goes without the data.

use crate::identifier::{list, plain};

/// The analyses that a task may name, in the order of their description.
pub const ANALYSES: [&str; 6] = ["count", "mean", "variance", "pmcc", "contingency", "histogram"];

/// Where the rows come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A granted relation, of which this component selects the columns that it needs.
    Table {
        /// Its name.
        name: String,
        /// The column that names a row's person.
        subject: String,
        /// A condition on the rows, in SQL; the host checks it with the rest of the statement.
        filter: Option<String>,
    },
    /// The researcher's own SELECT, which carries the subject column and every column that is asked for.
    Select(String),
}

/// Where a histogram's bins come from. Width and origin are fixed so that the bins of all TREs align.
#[derive(Clone, Debug, PartialEq)]
pub enum Bins {
    /// `bin_from` = floor((column − origin) / width) × width + origin.
    Fixed {
        /// The numeric column.
        column: String,
        /// The width of a bin: finite, above zero.
        width: f64,
        /// Where one of the bins begins: finite.
        origin: f64,
    },
    /// The researcher's SELECT carries `bin_from`.
    Selected,
}

/// One analysis, which makes one output.
#[derive(Clone, Debug, PartialEq)]
pub enum Analysis {
    /// Rows.
    Count,
    /// The mean of a column.
    Mean(String),
    /// Mean and sample variance of a column.
    Variance(String),
    /// What Pearson's product-moment correlation of two columns is made of.
    Pmcc(String, String),
    /// Rows by every combination of two or more columns.
    Contingency(Vec<String>),
    /// Rows by bins of one column.
    Histogram(Bins),
}

impl Analysis {
    /// The analysis's name, which is also its output's.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Count => ANALYSES[0],
            Self::Mean(_) => ANALYSES[1],
            Self::Variance(_) => ANALYSES[2],
            Self::Pmcc(..) => ANALYSES[3],
            Self::Contingency(_) => ANALYSES[4],
            Self::Histogram(_) => ANALYSES[5],
        }
    }
}

/// What a task asks for.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// The handle, if the task names one.
    pub handle: Option<String>,
    /// The rows.
    pub source: Source,
    /// Columns that group every analysis.
    pub by: Vec<String>,
    /// The analyses, in the researcher's order.
    pub analyses: Vec<Analysis>,
}

/// A way to look a parameter up.
type Parameters<'a> = &'a dyn Fn(&str) -> Option<String>;

impl Request {
    /// Reads the parameters. The error is a sentence for the researcher.
    pub fn read(parameters: Parameters<'_>) -> Result<Self, String> {
        let source = source(parameters)?;
        let by = parameters("by").map_or(Ok(Vec::new()), |text| list("by", &text))?;
        let names = parameters("analysis").ok_or_else(|| {
            format!("the parameter `analysis` is missing: name one or more of {}", ANALYSES.join(", "))
        })?;
        let mut analyses: Vec<Analysis> = Vec::new();
        for name in names.split(',').map(str::trim) {
            let analysis = analysis(name, parameters, &source)?;
            if analyses.iter().any(|earlier| earlier.name() == analysis.name()) {
                return Err(format!("the parameter `analysis` names `{name}` twice"));
            }
            analyses.push(analysis);
        }
        Ok(Self { handle: parameters("handle"), source, by, analyses })
    }
}

fn source(parameters: Parameters<'_>) -> Result<Source, String> {
    match (parameters("table"), parameters("relation")) {
        (Some(table), None) => Ok(Source::Table {
            name: plain("table", &table)?,
            subject: plain("subject", &parameters("subject").unwrap_or_else(|| "person_id".into()))?,
            filter: parameters("where"),
        }),
        (None, Some(select)) => match ["subject", "where"].into_iter().find(|name| parameters(name).is_some()) {
            Some(name) => Err(format!("the parameter `{name}` belongs to `table`: with `relation`, write it into the SELECT")),
            None => Ok(Source::Select(select)),
        },
        (Some(_), Some(_)) => Err("the parameters `table` and `relation` exclude each other: give one of them".into()),
        (None, None) => Err("the parameter `table` is missing: give `table` (a granted table's name) or `relation` (one SELECT that carries the subject column)".into()),
    }
}

fn analysis(name: &str, parameters: Parameters<'_>, source: &Source) -> Result<Analysis, String> {
    let required = |parameter: &str| {
        parameters(parameter)
            .ok_or_else(|| format!("the parameter `{parameter}` is missing: the analysis `{name}` needs it"))
    };
    let column = |parameter: &str| plain(parameter, &required(parameter)?);
    match name {
        "count" => Ok(Analysis::Count),
        "mean" => Ok(Analysis::Mean(column("column")?)),
        "variance" => Ok(Analysis::Variance(column("column")?)),
        "pmcc" => {
            let (x, y) = (column("x")?, column("y")?);
            if x == y {
                return Err(format!("the parameters `x` and `y` both name `{x}`: a correlation needs two columns"));
            }
            Ok(Analysis::Pmcc(x, y))
        }
        "contingency" => {
            let mut columns = list("rows", &required("rows")?)?;
            for column in list("columns", &required("columns")?)? {
                if columns.contains(&column) {
                    return Err(format!("the parameters `rows` and `columns` both name `{column}`"));
                }
                columns.push(column);
            }
            Ok(Analysis::Contingency(columns))
        }
        "histogram" => Ok(Analysis::Histogram(match source {
            Source::Table { .. } => Bins::Fixed {
                column: column("column")?,
                width: number("bins", &required("bins")?, |width| width > 0.0, "a width above zero, for example 10")?,
                origin: number(
                    "origin",
                    &parameters("origin").unwrap_or_else(|| "0".into()),
                    |_| true,
                    "a number, for example 0",
                )?,
            },
            Source::Select(_) => match ["bins", "origin"].into_iter().find(|name| parameters(name).is_some()) {
                Some(name) => {
                    return Err(format!(
                        "the parameter `{name}` belongs to `table`: with `relation`, let the SELECT carry the bin's lower bound as `bin_from`"
                    ));
                }
                None => Bins::Selected,
            },
        })),
        _ => Err(format!("there is no analysis `{name}`; known: {}", ANALYSES.join(", "))),
    }
}

/// A finite number that is `good`; −0 becomes 0, so that it is written the same everywhere.
fn number(parameter: &str, value: &str, good: fn(f64) -> bool, meant: &str) -> Result<f64, String> {
    match value.parse::<f64>() {
        Ok(number) if number.is_finite() && good(number) => Ok(number + 0.0),
        _ => Err(format!("the parameter `{parameter}` has `{value}`: give {meant}")),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
mod tests {
    use super::{Analysis, Bins, Request, Source};

    fn read(given: &[(&str, &str)]) -> Result<Request, String> {
        Request::read(&|name| given.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn every_analysis_is_read() {
        let request = read(&[
            ("table", "person"),
            ("where", "age > 18"),
            ("analysis", "count, mean,variance,pmcc,contingency,histogram"),
            ("column", "age"),
            ("x", "age"),
            ("y", "height"),
            ("rows", "sex"),
            ("columns", "smoker, region"),
            ("bins", "10"),
            ("origin", "-0"),
            ("by", "site"),
        ])
        .unwrap();
        assert_eq!(
            request.source,
            Source::Table { name: "person".into(), subject: "person_id".into(), filter: Some("age > 18".into()) }
        );
        assert_eq!(request.by, ["site"]);
        assert_eq!(
            request.analyses,
            [
                Analysis::Count,
                Analysis::Mean("age".into()),
                Analysis::Variance("age".into()),
                Analysis::Pmcc("age".into(), "height".into()),
                Analysis::Contingency(vec!["sex".into(), "smoker".into(), "region".into()]),
                Analysis::Histogram(Bins::Fixed { column: "age".into(), width: 10.0, origin: 0.0 }),
            ]
        );
        let Analysis::Histogram(Bins::Fixed { origin, .. }) = request.analyses[5] else { unreachable!() };
        assert!(origin.is_sign_positive());
    }

    #[test]
    fn a_select_brings_its_own_bins() {
        let request =
            read(&[("relation", "SELECT person_id, 1 AS bin_from FROM p"), ("analysis", "histogram")]).unwrap();
        assert_eq!(request.analyses, [Analysis::Histogram(Bins::Selected)]);
    }

    #[test]
    fn each_mistake_has_its_sentence() {
        let table = ("table", "person");
        let cases: &[(&[(&str, &str)], &str)] = &[
            (&[("analysis", "count")], "the parameter `table` is missing"),
            (&[table, ("relation", "SELECT")], "the parameters `table` and `relation` exclude each other"),
            (&[("relation", "SELECT"), ("where", "a")], "the parameter `where` belongs to `table`"),
            (&[("relation", "SELECT"), ("subject", "a")], "the parameter `subject` belongs to `table`"),
            (
                &[("table", "Person"), ("analysis", "count")],
                "the parameter `table` has `Person`, which is not a plain name",
            ),
            (&[table, ("subject", "x y"), ("analysis", "count")], "the parameter `subject` has `x y`"),
            (&[table], "the parameter `analysis` is missing: name one or more of count, mean,"),
            (
                &[table, ("analysis", "median")],
                "there is no analysis `median`; known: count, mean, variance, pmcc, contingency, histogram",
            ),
            (&[table, ("analysis", "count,count")], "the parameter `analysis` names `count` twice"),
            (&[table, ("analysis", "count"), ("by", "a;b")], "the parameter `by` has `a;b`"),
            (&[table, ("analysis", "mean")], "the parameter `column` is missing: the analysis `mean` needs it"),
            (&[table, ("analysis", "pmcc"), ("x", "a")], "the parameter `y` is missing: the analysis `pmcc` needs it"),
            (&[table, ("analysis", "pmcc"), ("x", "a"), ("y", "a")], "the parameters `x` and `y` both name `a`"),
            (&[table, ("analysis", "contingency"), ("rows", "a")], "the parameter `columns` is missing"),
            (
                &[table, ("analysis", "contingency"), ("rows", "a"), ("columns", "b,a")],
                "the parameters `rows` and `columns` both name `a`",
            ),
            (&[table, ("analysis", "histogram"), ("column", "a")], "the parameter `bins` is missing"),
            (
                &[table, ("analysis", "histogram"), ("column", "a"), ("bins", "0")],
                "the parameter `bins` has `0`: give a width above zero",
            ),
            (&[table, ("analysis", "histogram"), ("column", "a"), ("bins", "NaN")], "the parameter `bins` has `NaN`"),
            (
                &[table, ("analysis", "histogram"), ("column", "a"), ("bins", "1"), ("origin", "inf")],
                "the parameter `origin` has `inf`: give a number",
            ),
            (
                &[("relation", "SELECT"), ("analysis", "histogram"), ("bins", "1")],
                "the parameter `bins` belongs to `table`",
            ),
        ];
        for (given, start) in cases {
            let error = read(given).unwrap_err();
            assert!(error.starts_with(start), "{given:?}: {error}");
        }
    }
}
