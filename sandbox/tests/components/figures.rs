//! What `statistics` hands on, against the same figures computed by hand.

use crate::bench::{Bench, STATISTICS, people, said};
use sandbox::output::Content;
use sandbox::value::Value;
use sandbox::witness::{Evidence, WitnessedTable};
use std::collections::BTreeMap;

fn names(table: &WitnessedTable) -> Vec<&str> {
    table.columns.iter().map(|column| column.info.name.as_str()).collect()
}

fn number(value: &Value) -> f64 {
    match value {
        Value::Float64(number) => *number,
        Value::Int64(number) => f64::from(i32::try_from(*number).unwrap()),
        other => panic!("{other:?} is not a number"),
    }
}

fn close(value: &Value, expected: f64) {
    let value = number(value);
    assert!((value - expected).abs() <= 1e-12 * expected.abs().max(1.0), "{value} is not {expected}");
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / count(values.len())
}

fn covariance(pairs: &[(f64, f64)]) -> f64 {
    let (x, y): (Vec<f64>, Vec<f64>) = pairs.iter().copied().unzip();
    let (x, y) = (mean(&x), mean(&y));
    pairs.iter().map(|pair| (pair.0 - x) * (pair.1 - y)).sum::<f64>() / count(pairs.len() - 1)
}

fn count(number: usize) -> f64 {
    f64::from(u32::try_from(number).unwrap())
}

fn evidence(table: &WitnessedTable, row: usize, column: &str) -> Evidence {
    let index = names(table).iter().position(|name| *name == column).unwrap();
    table.evidence[row][index].unwrap()
}

#[tokio::test]
async fn counts_are_counted_by_group_and_filter() {
    let bench = Bench::new().await;
    let table = bench.table("count", &[("table", "person")]).await;
    assert_eq!(names(&table), ["n"]);
    assert!(table.rows == [[Value::Int64(60)]]);

    let table = bench.table("count", &[("table", "person"), ("by", "sex"), ("where", "age >= 40 OR age < 0")]).await;
    assert_eq!(names(&table), ["sex", "n"]);
    assert_eq!(table.rows.len(), 2);
    for (row, sex) in table.rows.iter().zip(["F", "M"]) {
        assert!(row[0] == Value::Text(sex.into()));
        let expected = people().iter().filter(|p| p.sex == sex && (p.age >= 40 || p.age < 0)).count();
        close(&row[1], count(expected));
    }
}

#[tokio::test]
async fn the_evidence_counts_persons_and_not_rows() {
    let bench = Bench::new().await;
    let table = bench.table("count", &[("table", "visit")]).await;
    assert!(table.rows == [[Value::Int64(90)]]);
    let evidence = evidence(&table, 0, "n");
    assert_eq!((evidence.rows, evidence.subjects), (90, 60));
}

#[tokio::test]
async fn means_and_variances_leave_missing_values_out() {
    let bench = Bench::new().await;
    let parameters = [("table", "person"), ("column", "weight"), ("by", "sex")];
    let means = bench.table("mean", &parameters).await;
    assert_eq!(names(&means), ["sex", "n_weight", "mean_weight"]);
    let variances = bench.table("variance", &parameters).await;
    assert_eq!(names(&variances), ["sex", "n_weight", "mean_weight", "variance_weight"]);
    for (index, sex) in ["F", "M"].into_iter().enumerate() {
        let weights: Vec<f64> = people().iter().filter(|p| p.sex == sex).filter_map(|p| p.weight).collect();
        let pairs: Vec<(f64, f64)> = weights.iter().map(|x| (*x, *x)).collect();
        for table in [&means, &variances] {
            close(&table.rows[index][1], count(weights.len()));
            close(&table.rows[index][2], mean(&weights));
        }
        close(&variances.rows[index][3], covariance(&pairs));
        let freedom = evidence(&variances, index, "variance_weight").degrees_of_freedom;
        assert_eq!(freedom, i64::try_from(weights.len()).unwrap() - 1);
    }
}

#[tokio::test]
async fn a_correlation_takes_the_rows_that_have_both() {
    let bench = Bench::new().await;
    let table = bench.table("pmcc", &[("table", "person"), ("x", "weight"), ("y", "height")]).await;
    let expected_names = [
        "n_weight",
        "mean_weight",
        "mean_height",
        "variance_weight",
        "variance_height",
        "covariance_weight_height",
        "n_height",
    ];
    assert_eq!(names(&table), expected_names);
    let pairs: Vec<(f64, f64)> = people().iter().filter_map(|p| p.weight.zip(p.height)).collect();
    let (x, y): (Vec<f64>, Vec<f64>) = pairs.iter().copied().unzip();
    let twice = |values: &[f64]| covariance(&values.iter().map(|v| (*v, *v)).collect::<Vec<_>>());
    let [row] = table.rows.as_slice() else { panic!("one group, not {}", table.rows.len()) };
    let expected = [count(x.len()), mean(&x), mean(&y), twice(&x), twice(&y), covariance(&pairs), count(y.len())];
    for (value, expected) in row.iter().zip(expected) {
        close(value, expected);
    }
}

#[tokio::test]
async fn a_contingency_table_has_a_row_for_each_combination() {
    let bench = Bench::new().await;
    let table = bench.table("contingency", &[("table", "person"), ("rows", "smoker"), ("columns", "sex")]).await;
    assert_eq!(names(&table), ["smoker", "sex", "n"]);
    let mut expected = BTreeMap::new();
    for p in people() {
        *expected.entry((p.smoker, p.sex)).or_insert(0_i64) += 1;
    }
    let expected: Vec<Vec<Value>> = expected
        .into_iter()
        .map(|((smoker, sex), n)| vec![Value::Text(smoker.into()), Value::Text(sex.into()), Value::Int64(n)])
        .collect();
    assert!(table.rows == expected);
}

#[tokio::test]
async fn a_histogram_has_bins_that_do_not_depend_on_the_data() {
    let bench = Bench::new().await;
    for (width, origin) in [(10_i64, 0_i64), (7, -3)] {
        let (bins, from) = (width.to_string(), origin.to_string());
        let table = bench
            .table("histogram", &[("table", "person"), ("column", "age"), ("bins", &bins), ("origin", &from)])
            .await;
        assert_eq!(names(&table), ["bin_from", "n"]);
        let mut expected = BTreeMap::new();
        for p in people() {
            *expected.entry((p.age - origin).div_euclid(width) * width + origin).or_insert(0_usize) += 1;
        }
        assert_eq!(table.rows.len(), expected.len());
        for (row, (from, n)) in table.rows.iter().zip(expected) {
            close(&row[0], f64::from(i32::try_from(from).unwrap()));
            close(&row[1], count(n));
        }
    }
    let table =
        bench.table("histogram", &[("table", "person"), ("column", "weight"), ("bins", "2.5"), ("by", "sex")]).await;
    assert_eq!(names(&table), ["sex", "bin_from", "n"]);
    let total: f64 = table.rows.iter().map(|row| number(&row[2])).sum();
    close(&Value::Float64(total), count(people().iter().filter(|p| p.weight.is_some()).count()));
}

#[tokio::test]
async fn a_select_may_join_on_the_person() {
    let bench = Bench::new().await;
    let relation = "SELECT v.person_id, p.sex, v.cost, floor(v.cost / 100.0) * 100 AS bin_from \
                    FROM visit v JOIN person p ON v.person_id = p.person_id WHERE p.age > 20";
    let chosen: BTreeMap<i64, &str> = people().iter().filter(|p| p.age > 20).map(|p| (p.id, p.sex)).collect();
    let table = bench.table("mean", &[("relation", relation), ("column", "cost"), ("by", "sex")]).await;
    for (row, wanted) in table.rows.iter().zip(["F", "M"]) {
        let costs: Vec<f64> = chosen
            .iter()
            .filter(|(_, sex)| **sex == wanted)
            .flat_map(|(id, _)| (0..=id % 2).map(move |n| f64::from(i32::try_from(id * 10 + n).unwrap())))
            .collect();
        close(&row[1], count(costs.len()));
        close(&row[2], mean(&costs));
    }
    let table = bench.table("histogram", &[("relation", relation)]).await;
    let total: f64 = table.rows.iter().map(|row| number(&row[1])).sum();
    let visits: i64 = chosen.keys().map(|id| 1 + id % 2).sum();
    close(&Value::Float64(total), f64::from(i32::try_from(visits).unwrap()));
}

#[tokio::test]
async fn the_column_of_the_person_may_have_another_name() {
    let bench = Bench::new().await;
    let parameters = [("handle", "survey"), ("table", "survey"), ("column", "answer"), ("where", "answer > 0")];
    let table = bench.table("mean", &[&parameters[..], &[("subject", "patient")]].concat()).await;
    let [row] = table.rows.as_slice() else { panic!("one group, not {}", table.rows.len()) };
    close(&row[0], 45.0);
    close(&row[1], 2.0);
    assert_eq!(evidence(&table, 0, "mean_answer").subjects, 45);
}

#[tokio::test]
async fn one_task_makes_one_output_for_each_analysis() {
    let bench = Bench::new().await;
    let parameters = [("table", "person"), ("analysis", "mean, count"), ("column", "age"), ("handle", "omop")];
    let outputs = bench.run(STATISTICS, &["omop", "labs"], &parameters, &["count", "mean"]).await;
    let outputs = outputs.unwrap_or_else(|failure| panic!("{}", said(&failure)));
    let made: Vec<&str> = outputs.outputs.iter().map(|output| output.name.as_str()).collect();
    assert_eq!(made, ["count", "mean"]);
    assert!(outputs.outputs.iter().all(|output| matches!(output.content, Content::Witnessed(_))));
    assert_eq!(outputs.statements.len(), 2);
}
