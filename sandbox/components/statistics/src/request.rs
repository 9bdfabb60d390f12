//! The parameters of a task, read and checked as far as that goes without the data.

use guest::name::{list, plain};

/// The analyses that a task may name, in the order of their description.
pub const ANALYSES: [&str; 8] =
    ["count", "mean", "variance", "describe", "pmcc", "contingency", "histogram", "quantiles"];

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
        /// Everything below this edge is one bin, which begins one width before it.
        low: Option<f64>,
        /// Everything from this edge on is one bin, which begins there.
        high: Option<f64>,
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
    /// Mean and sample variance of several columns, each over the rows that have it.
    Describe(Vec<String>),
    /// What Pearson's product-moment correlation of two columns is made of.
    Pmcc(String, String),
    /// Rows by every combination of two or more columns.
    Contingency(Vec<String>),
    /// Rows by bins of one column.
    Histogram(Bins),
    /// The same, of which quantiles are made.
    Quantiles(Bins),
}

impl Analysis {
    /// The analysis's name, which is also its output's.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Count => ANALYSES[0],
            Self::Mean(_) => ANALYSES[1],
            Self::Variance(_) => ANALYSES[2],
            Self::Describe(_) => ANALYSES[3],
            Self::Pmcc(..) => ANALYSES[4],
            Self::Contingency(_) => ANALYSES[5],
            Self::Histogram(_) => ANALYSES[6],
            Self::Quantiles(_) => ANALYSES[7],
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
        "describe" => Ok(Analysis::Describe(list("column", &required("column")?)?)),
        "histogram" => bins(name, parameters, source).map(Analysis::Histogram),
        "quantiles" => match bins(name, parameters, source)? {
            Bins::Selected => Err("the analysis `quantiles` needs `table`: its bins are made here".into()),
            fixed @ Bins::Fixed { .. } => Ok(Analysis::Quantiles(fixed)),
        },
        _ => Err(format!("there is no analysis `{name}`; known: {}", ANALYSES.join(", "))),
    }
}

fn bins(name: &str, parameters: Parameters<'_>, source: &Source) -> Result<Bins, String> {
    let required = |parameter: &str| {
        parameters(parameter)
            .ok_or_else(|| format!("the parameter `{parameter}` is missing: the analysis `{name}` needs it"))
    };
    if let Source::Select(_) = source {
        return match ["bins", "origin", "low", "high"].into_iter().find(|name| parameters(name).is_some()) {
            Some(name) => Err(format!(
                "the parameter `{name}` belongs to `table`: with `relation`, let the SELECT carry the bin's lower bound as `bin_from`"
            )),
            None => Ok(Bins::Selected),
        };
    }
    let column = plain("column", &required("column")?)?;
    let width = number("bins", &required("bins")?, |width| width > 0.0, "a width above zero, for example 10")?;
    let any =
        |name: &str| parameters(name).map(|text| number(name, &text, |_| true, "a number, for example 0")).transpose();
    let origin = any("origin")?.unwrap_or(0.0);
    let (low, high) = (any("low")?, any("high")?);
    for (name, edge) in [("low", low), ("high", high)] {
        let bins = edge.map_or(0.0, |edge| (edge - origin) / width);
        if (bins - bins.round()).abs() > 1e-9 {
            return Err(format!("the parameter `{name}` is no edge of a bin: give `origin` plus a multiple of `bins`"));
        }
    }
    if low.zip(high).is_some_and(|(low, high)| low >= high) {
        return Err("the parameter `low` has to lie below `high`".into());
    }
    Ok(Bins::Fixed { column, width, origin, low, high })
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

    fn age() -> Bins {
        Bins::Fixed { column: "age".into(), width: 10.0, origin: 0.0, low: None, high: Some(90.0) }
    }

    #[test]
    fn every_analysis_is_read() {
        let request = read(&[
            ("table", "person"),
            ("where", "age > 18"),
            ("analysis", "count, mean,variance,describe,pmcc,contingency,histogram,quantiles"),
            ("column", "age"),
            ("x", "age"),
            ("y", "height"),
            ("rows", "sex"),
            ("columns", "smoker, region"),
            ("bins", "10"),
            ("origin", "-0"),
            ("high", "90"),
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
                Analysis::Describe(vec!["age".into()]),
                Analysis::Pmcc("age".into(), "height".into()),
                Analysis::Contingency(vec!["sex".into(), "smoker".into(), "region".into()]),
                Analysis::Histogram(age()),
                Analysis::Quantiles(age()),
            ]
        );
        let Analysis::Histogram(Bins::Fixed { origin, .. }) = request.analyses[6] else { unreachable!() };
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
                "there is no analysis `median`; known: count, mean, variance, describe, pmcc, contingency, histogram, quantiles",
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
            (&[("relation", "SELECT"), ("analysis", "quantiles")], "the analysis `quantiles` needs `table`"),
            (
                &[table, ("analysis", "quantiles"), ("column", "a"), ("bins", "5"), ("low", "3")],
                "the parameter `low` is no edge of a bin",
            ),
            (
                &[table, ("analysis", "quantiles"), ("column", "a"), ("bins", "5"), ("low", "10"), ("high", "10")],
                "the parameter `low` has to lie below",
            ),
            (&[table, ("analysis", "describe"), ("column", "a,a")], "the parameter `column` names `a` twice"),
        ];
        for (given, start) in cases {
            let error = read(given).unwrap_err();
            assert!(error.starts_with(start), "{given:?}: {error}");
        }
    }
}
