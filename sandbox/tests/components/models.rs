//! What `regression`, `survival` and `cohort` hand on, and every sentence that they refuse with once they see the data.

use crate::bench::{Bench, COHORT, REGRESSION, SURVIVAL, people};
use sandbox::value::Value;
use sandbox::witness::{Evidence, WitnessedTable};

fn place(table: &WitnessedTable, column: &str) -> usize {
    table.columns.iter().position(|found| found.info.name == column).unwrap_or_else(|| panic!("no {column}"))
}

fn number(table: &WitnessedTable, row: usize, column: &str) -> f64 {
    match table.rows[row][place(table, column)] {
        Value::Float64(number) => number,
        Value::Int64(number) => f64::from(i32::try_from(number).unwrap()),
        ref other => panic!("{other:?} is not a number"),
    }
}

fn evidence(table: &WitnessedTable, column: &str) -> Evidence {
    table.evidence[0][place(table, column)].unwrap()
}

fn close(found: f64, expected: f64) {
    assert!((found - expected).abs() <= 1e-12 * expected.abs().max(1.0), "{found} is not {expected}");
}

fn count(number: usize) -> f64 {
    f64::from(u32::try_from(number).unwrap())
}

const MODEL: [(&str, &str); 3] =
    [("table", "person"), ("outcome", "height"), ("predictors", "age,smoker[never|former|daily]")];

#[tokio::test]
async fn a_model_is_made_of_moments_and_a_level_that_is_told_apart_is_known() {
    let bench = Bench::new().await;
    let table = bench.made(REGRESSION, "regression", &MODEL).await;
    let chosen: Vec<(f64, f64, f64)> = people()
        .iter()
        .filter_map(|p| {
            Some((p.height?, f64::from(i32::try_from(p.age).unwrap()), f64::from(u8::from(p.smoker == "former"))))
        })
        .collect();
    let n = count(chosen.len());
    let mean = |of: fn(&(f64, f64, f64)) -> f64| chosen.iter().map(of).sum::<f64>() / n;
    close(number(&table, 0, "n_y"), n);
    close(number(&table, 0, "mean_x2"), mean(|row| row.2));
    let covariance = chosen.iter().map(|row| (row.0 - mean(|row| row.0)) * (row.1 - mean(|row| row.1))).sum::<f64>();
    close(number(&table, 0, "covariance_y_x1"), covariance / (n - 1.0));
    let former = u64::try_from(chosen.iter().filter(|row| row.2 > 0.0).count()).unwrap();
    let fewest = former.min(u64::try_from(chosen.len()).unwrap() - former);
    assert!(fewest > 0, "the people of this test have such a level");
    for column in ["mean_x2", "variance_x2", "covariance_x1_x2", "covariance_y_x2"] {
        assert_eq!(evidence(&table, column).apart, fewest, "{column}");
    }
    for column in ["n_x2", "mean_y", "covariance_y_x1"] {
        assert_eq!(evidence(&table, column).apart, 0, "{column}");
    }
}

#[tokio::test]
async fn a_round_sums_the_gradient_at_its_coefficients() {
    let bench = Bench::new().await;
    let parameters = [
        ("table", "person"),
        ("family", "logistic"),
        ("outcome", "sex[M|F]"),
        ("predictors", "age"),
        ("round", "1"),
        ("centre", "30"),
        ("scale", "20"),
        ("coefficients", "-0.25,0.5"),
    ];
    let table = bench.made(REGRESSION, "regression", &parameters).await;
    let n = number(&table, 0, "n_z");
    let sum = |one: &str, other: &str| {
        (n - 1.0) * number(&table, 0, &format!("covariance_{one}_{other}"))
            + n * number(&table, 0, &format!("mean_{one}")) * number(&table, 0, &format!("mean_{other}"))
    };
    let (mut gradient, mut information) = ([0.0; 2], 0.0);
    for p in people() {
        let x = (f64::from(i32::try_from(p.age).unwrap()) - 30.0) / 20.0;
        let y = f64::from(u8::from(p.sex == "F"));
        let chance = 1.0 / (1.0 + (0.25 - 0.5 * x).exp());
        gradient[0] += y - chance;
        gradient[1] += x * (y - chance);
        information += x * chance * (1.0 - chance);
    }
    for (found, expected) in
        [(sum("u0", "z"), gradient[0]), (sum("u1", "z"), gradient[1]), (sum("u0", "u1"), information)]
    {
        assert!((found - expected).abs() < 1e-10, "{found} is not {expected}");
    }
}

#[tokio::test]
async fn who_leaves_is_counted_over_the_grid() {
    let bench = Bench::new().await;
    let parameters = [
        ("table", "person"),
        ("time", "age"),
        ("event", "smoker[former]"),
        ("width", "20"),
        ("until", "60"),
        ("by", "sex"),
    ];
    let table = bench.made(SURVIVAL, "survival", &parameters).await;
    let names: Vec<&str> = table.columns.iter().map(|column| column.info.name.as_str()).collect();
    assert_eq!(names, ["sex", "time", "n_event", "sum_event"]);
    for (row, cells) in table.rows.iter().enumerate() {
        let (Value::Text(sex), Value::Float64(time)) = (&cells[0], &cells[1]) else { panic!("keys") };
        let end = |age: i64| f64::from(i32::try_from(age.min(60)).unwrap() + 19).div_euclid(20.0) * 20.0;
        let there = people();
        let there: Vec<_> =
            there.iter().filter(|p| p.age >= 0 && p.sex == sex && (end(p.age) - time).abs() < 0.5).collect();
        close(number(&table, row, "n_event"), count(there.len()));
        let events = there.iter().filter(|p| p.smoker == "former" && p.age <= 60).count();
        close(number(&table, row, "sum_event"), count(events));
    }
}

#[tokio::test]
async fn what_is_wrong_with_the_data_is_said() {
    let bench = Bench::new().await;
    let with = |change: (&'static str, &'static str)| {
        MODEL.into_iter().map(move |given| if given.0 == change.0 { change } else { given }).collect::<Vec<_>>()
    };
    for (wasm, output, parameters, start) in [
        (REGRESSION, "regression", with(("table", "people")), "there is no table `people` here; known: "),
        (REGRESSION, "regression", with(("outcome", "sex")), "the column `sex` is not numeric: name the levels"),
        (REGRESSION, "regression", with(("predictors", "bmi")), "the table `person` has no column `bmi`; known: "),
        (REGRESSION, "regression", with(("predictors", "age[a|b]")), "`b` is no level of the column `age`"),
        (
            REGRESSION,
            "regression",
            vec![("from", "person p"), ("subject", "p.age"), ("outcome", "p.age"), ("predictors", "p.weight")],
            "denied: ",
        ),
        (
            SURVIVAL,
            "survival",
            vec![("table", "person"), ("time", "sex"), ("event", "smoker[former]"), ("grid", "10")],
            "the column `sex` is not numeric",
        ),
        (COHORT, "cohort", vec![("conditions", "1")], "there is no table `condition_occurrence` here"),
    ] {
        let refusal = bench.refusal(wasm, &["omop"], &parameters, &[output]).await;
        assert!(refusal.starts_with(start), "{parameters:?}: {refusal}");
    }
}
