//! What the host is asked for each analysis, and under which names the figures come back.
//!
//! | analysis | output's columns after `by` | merges across TREs by |
//! |---|---|---|
//! | count | `n` | sum |
//! | mean | `n_x`, `mean_x` | means weighted by `n_x` |
//! | variance | `n_x`, `mean_x`, `variance_x` | Chan, Golub and LeVeque's pairwise update |
//! | describe | `n_x`, `mean_x`, `variance_x` for each column | the same |
//! | pmcc | `n_x`, `mean_x`, `mean_y`, `variance_x`, `variance_y`, `covariance_x_y`, `n_y` | the same, in two columns |
//! | contingency | the columns `rows`, the columns `columns`, `n` | sum |
//! | histogram, quantiles | `bin_from`, `n` | sum |
//!
//! `x` and `y` stand for the columns' own names.

use crate::request::{Analysis, Bins, Request};
use crate::source::{all_numeric, relation};
use guest::bindings::quintes::analysis::database::TableInfo;
use guest::bindings::quintes::analysis::witness::Measure;

/// One question to the host.
#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    /// The output that its table becomes.
    pub output: &'static str,
    /// A granted relation's name or one SELECT.
    pub relation: String,
    /// The columns that group.
    pub by: Vec<String>,
    /// The figures; `None` = the rows of each combination that occurs.
    pub measures: Option<Vec<Measure>>,
}

/// The questions of a request, in its order, checked against the tables that are `granted`.
pub fn questions(request: &Request, granted: &[TableInfo]) -> Result<Vec<Question>, String> {
    request.analyses.iter().map(|analysis| question(request, analysis, granted)).collect()
}

fn question(request: &Request, analysis: &Analysis, granted: &[TableInfo]) -> Result<Question, String> {
    let mut by = request.by.clone();
    let mut figures = Vec::new();
    let mut bins = None;
    let mut measures = None;
    let mut computed = vec!["n"];
    match analysis {
        Analysis::Count => measures = Some(vec![Measure::Count]),
        Analysis::Mean(x) => {
            figures.push(x);
            measures = Some(vec![Measure::CountOf(x.clone()), Measure::Mean(x.clone())]);
        }
        Analysis::Variance(x) => {
            figures.push(x);
            measures = Some(vec![Measure::CountOf(x.clone()), Measure::Mean(x.clone()), Measure::Variance(x.clone())]);
        }
        Analysis::Describe(columns) => {
            all_numeric(&request.source, columns, granted)?;
            let each =
                |x: &String| [Measure::CountOf(x.clone()), Measure::Mean(x.clone()), Measure::Variance(x.clone())];
            measures = Some(columns.iter().flat_map(each).collect());
        }
        Analysis::Pmcc(x, y) => {
            figures.extend([x, y]);
            measures = Some(vec![
                Measure::CountOf(x.clone()),
                Measure::Mean(x.clone()),
                Measure::Mean(y.clone()),
                Measure::Variance(x.clone()),
                Measure::Variance(y.clone()),
                Measure::Covariance((x.clone(), y.clone())),
                Measure::CountOf(y.clone()),
            ]);
        }
        Analysis::Contingency(columns) => by.extend(columns.iter().cloned()),
        Analysis::Histogram(fixed) | Analysis::Quantiles(fixed) => {
            if let Bins::Fixed { column, .. } = fixed {
                figures.push(column);
            }
            bins = Some(fixed);
            computed.push("bin_from");
        }
    }
    let output = analysis.name();
    if let Some(name) = by.iter().find(|name| computed.contains(&name.as_str())) {
        return Err(format!("a grouping column cannot be `{name}`: the output `{output}` has a column of that name"));
    }
    if let Some(name) = by.iter().enumerate().find_map(|(index, name)| by[..index].contains(name).then_some(name)) {
        return Err(format!("the analysis `{output}` groups by `{name}` twice: leave it out of `by`"));
    }
    let mut selected = by.clone();
    if let Analysis::Describe(columns) = analysis {
        // Each column has its own rows: nothing is left out because another column is empty.
        selected.extend(columns.iter().filter(|column| !by.contains(*column)).cloned());
    }
    let relation = relation(&request.source, &selected, &figures, bins, granted)?;
    if bins.is_some() {
        by.push("bin_from".into());
    }
    Ok(Question { output, relation, by, measures })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
mod tests {
    use super::{Question, questions};
    use crate::request::{Analysis, Bins, Request, Source};
    use guest::bindings::quintes::analysis::database::TableInfo;
    use guest::bindings::quintes::analysis::types::{ColumnInfo, ColumnType};
    use guest::bindings::quintes::analysis::witness::Measure;

    fn ask(by: &[&str], analysis: Analysis) -> Result<Question, String> {
        let column = |name: &str| ColumnInfo { name: name.into(), ty: ColumnType::Float64, nullable: true };
        let granted = [TableInfo { name: "t".into(), columns: ["person_id", "x", "y", "g", "n"].map(column).into() }];
        let request = Request {
            handle: None,
            source: Source::Table { name: "t".into(), subject: "person_id".into(), filter: None },
            by: by.iter().map(|name| (*name).into()).collect(),
            analyses: vec![analysis],
        };
        questions(&request, &granted).map(|mut questions| questions.remove(0))
    }

    #[test]
    fn a_correlation_asks_for_both_columns_in_every_row() {
        let question = ask(&["g"], Analysis::Pmcc("x".into(), "y".into())).unwrap();
        assert_eq!(question.output, "pmcc");
        assert_eq!(question.by, ["g"]);
        assert_eq!(question.relation, "SELECT person_id, g, x, y FROM t WHERE x IS NOT NULL AND y IS NOT NULL");
        assert_eq!(question.measures.unwrap()[5], Measure::Covariance(("x".into(), "y".into())));
    }

    #[test]
    fn each_described_column_has_its_own_rows() {
        let question = ask(&["g"], Analysis::Describe(vec!["x".into(), "y".into()])).unwrap();
        assert_eq!((question.relation.as_str(), question.measures.unwrap().len()), ("t", 6));
        assert!(ask(&[], Analysis::Describe(vec!["z".into()])).unwrap_err().contains("has no column `z`"));
    }

    #[test]
    fn counts_need_no_select() {
        let question = ask(&[], Analysis::Count).unwrap();
        assert_eq!(
            question,
            Question { output: "count", relation: "t".into(), by: vec![], measures: Some(vec![Measure::Count]) }
        );
        let question = ask(&["g"], Analysis::Contingency(vec!["x".into(), "y".into()])).unwrap();
        assert_eq!(
            question,
            Question {
                output: "contingency",
                relation: "t".into(),
                by: vec!["g".into(), "x".into(), "y".into()],
                measures: None
            }
        );
    }

    #[test]
    fn a_histogram_groups_by_its_bins_last() {
        let bins = Bins::Fixed { column: "x".into(), width: 0.5, origin: 0.0, low: None, high: None };
        let question = ask(&["g"], Analysis::Histogram(bins)).unwrap();
        assert_eq!(question.by, ["g", "bin_from"]);
        assert!(question.relation.starts_with("SELECT person_id, g, x, floor((x - "), "{}", question.relation);
        assert_eq!(question.measures, None);
    }

    #[test]
    fn no_two_columns_of_an_output_share_a_name() {
        assert_eq!(
            ask(&["n"], Analysis::Count).unwrap_err(),
            "a grouping column cannot be `n`: the output `count` has a column of that name"
        );
        assert_eq!(
            ask(&["x"], Analysis::Contingency(vec!["x".into(), "y".into()])).unwrap_err(),
            "the analysis `contingency` groups by `x` twice: leave it out of `by`"
        );
    }
}
