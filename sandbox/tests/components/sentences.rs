//! Every sentence that a researcher can get from the components.

use crate::bench::{Bench, SQL, STATISTICS};

/// What a task gives its component.
type Parameters<'a> = &'a [(&'a str, &'a str)];

#[tokio::test]
async fn sql_says_what_is_wrong() {
    let bench = Bench::new().await;
    let one: &[&str] = &["omop"];
    let two: &[&str] = &["labs", "omop"];
    let query = ("query", "SELECT 1 AS a FROM person");
    let cases: &[(&[&str], Parameters<'_>, &str)] = &[
        (one, &[], "the parameter `query` is missing: give one SELECT over granted tables"),
        (one, &[("query", "  ")], "the parameter `query` is missing: give one SELECT over granted tables"),
        (&[], &[query], "this task has no database handle here: ask the data owner which dataset the project may use"),
        (two, &[query], "there is more than one handle; name one in the parameter `handle`: labs, omop"),
        (one, &[query, ("handle", "cprd")], "there is no handle `cprd`; known: omop"),
        (
            one,
            &[query, ("output", "other")],
            "the task does not declare the output `other` as text/csv: declare it when you submit",
        ),
        (one, &[("query", "DROP TABLE person")], "denied: "),
        (one, &[("query", "SELECT FROM WHERE")], "invalid query: "),
        (one, &[("query", "SELECT nothing FROM person")], "invalid query: "),
    ];
    for (handles, parameters, start) in cases {
        let refusal = bench.refusal(SQL, handles, parameters, &["result"]).await;
        assert!(refusal.starts_with(start), "{parameters:?}: {refusal}");
    }
}

#[tokio::test]
async fn statistics_says_what_is_wrong() {
    let bench = Bench::new().await;
    let table = ("table", "person");
    let count = ("analysis", "count");
    let cases: &[(Parameters<'_>, &str)] = &[
        (&[count], "the parameter `table` is missing: give `table`"),
        (
            &[table],
            "the parameter `analysis` is missing: name one or more of count, mean, variance, describe, pmcc, contingency, histogram, quantiles",
        ),
        (&[table, ("analysis", "median")], "there is no analysis `median`; known: count, mean, variance"),
        (&[table, count, ("by", "sex;drop")], "the parameter `by` has `sex;drop`, which is not a plain name"),
        (&[("table", "people"), count], "there is no table `people` here; known: "),
        (
            &[table, count, ("by", "region")],
            "the table `person` has no column `region`; known: person_id, sex, smoker, age, weight, height, note",
        ),
        (
            &[("table", "survey"), ("analysis", "mean"), ("column", "answer")],
            "the table `survey` has no column `person_id`; known: patient, answer; if another one names the person, say so in the parameter `subject`",
        ),
        (
            &[table, ("analysis", "mean"), ("column", "sex")],
            "the column `sex` of `person` is not numeric; numeric are: person_id, age, weight, height",
        ),
        (&[table, ("analysis", "mean")], "the parameter `column` is missing: the analysis `mean` needs it"),
        (
            &[table, ("analysis", "histogram"), ("column", "age"), ("bins", "-1")],
            "the parameter `bins` has `-1`: give a width above zero, for example 10",
        ),
        (&[table, count, ("where", "age >")], "the analysis `count`: invalid query: "),
        (&[table, count, ("where", "age > (SELECT min(age) FROM person)")], "the analysis `count`: denied: "),
        (&[("relation", "SELECT sex FROM person"), count], "the analysis `count`: denied: "),
        (
            &[
                ("relation", "SELECT person_id, weight, height FROM person"),
                ("analysis", "pmcc"),
                ("x", "weight"),
                ("y", "height"),
            ],
            "the analysis `pmcc`: invalid query: a row has one of a covariance's columns without the other",
        ),
        (
            &[table, ("analysis", "mean"), ("column", "age")],
            "the task does not declare the output `mean`: declare it when you submit",
        ),
    ];
    for (parameters, start) in cases {
        let handle = if parameters.contains(&("table", "survey")) { "survey" } else { "omop" };
        let refusal = bench.refusal(STATISTICS, &[handle], parameters, &["count"]).await;
        assert!(refusal.starts_with(start), "{parameters:?}: {refusal}");
    }
}
