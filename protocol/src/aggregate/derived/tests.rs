//! Derived tables against scipy's, statsmodels' and lifelines' figures, and what is missing when a part is.

use super::*;
use crate::disclosure::table::{Cell, CellType, Column, Measure};

fn measure(measure: Measure) -> Column {
    let ty = match &measure {
        Measure::Count | Measure::Subjects | Measure::CountOf(_) => CellType::Integer,
        _ => CellType::Real,
    };
    Column { name: measure.column_name(), ty, role: Role::Measure(measure) }
}

fn keyed(name: &str, ty: CellType) -> Column {
    Column { name: name.to_owned(), ty, role: Role::Key }
}

fn x() -> String {
    "x".to_owned()
}

fn merged(columns: Vec<Column>, rows: Vec<Vec<Cell>>) -> Merged {
    let row_contributors = vec![vec![0, 1]; rows.len()];
    let contributors = vec!["a".to_owned(), "b".to_owned()];
    Merged { table: Table { columns, rows }, contributors, row_contributors, partial: BTreeMap::new() }
}

fn parameters(given: &[(&str, &str)]) -> Parameters {
    given.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
}

fn derived(output: &str, merged: Merged, given: &[(&str, &str)]) -> Vec<Derived> {
    derive(&BTreeMap::from([(output.to_owned(), merged)]), &parameters(given)).tables
}

/// The figure of a row.
fn figure(derived: &Derived, row: usize, name: &str) -> Option<f64> {
    let place = derived.table.columns.iter().position(|column| column.name == name).unwrap();
    derived.table.rows[row][place].number()
}

fn close(found: Option<f64>, expected: f64) {
    let found = found.expect("there is a figure");
    assert!((found / expected - 1.0).abs() < 1e-9, "{found} is not {expected}");
}

#[test]
fn a_mean_has_its_t_interval() {
    let columns = vec![measure(Measure::CountOf(x())), measure(Measure::Mean(x())), measure(Measure::Variance(x()))];
    let one = |n: Option<i64>| vec![n.map_or(Cell::Null, Cell::Integer), Cell::Real(10.0), Cell::Real(4.0)];
    let tables = derived("describe", merged(columns, vec![one(Some(40)), one(None)]), &[]);
    assert_eq!(tables[0].name, "describe.summary");
    close(figure(&tables[0], 0, "sd"), 2.0);
    close(figure(&tables[0], 0, "ci_low"), 9.360_368_969_014_232);
    close(figure(&tables[0], 0, "ci_high"), 10.639_631_030_985_768);
    assert_eq!(figure(&tables[0], 1, "ci_low"), None);
    assert_eq!(tables[0].notes.len(), 1, "what is suppressed is said once");
}

/// 12, 5, 9 against 7, 20, 4; a cell may be missing or suppressed.
fn crossed(first: Option<i64>) -> Merged {
    let columns = vec![keyed("sex", CellType::Text), keyed("ward", CellType::Integer), measure(Measure::Count)];
    let counts = [
        ("F", 1, first),
        ("F", 2, Some(5)),
        ("F", 3, Some(9)),
        ("M", 1, Some(7)),
        ("M", 2, Some(20)),
        ("M", 3, Some(4)),
    ];
    let row = |(sex, ward, n): (&str, i64, Option<i64>)| {
        vec![Cell::Text(sex.into()), Cell::Integer(ward), n.map_or(Cell::Null, Cell::Integer)]
    };
    merged(columns, counts.map(row).to_vec())
}

#[test]
fn independence_is_tested_over_the_declared_sides() {
    let given = [("rows", "sex"), ("columns", "ward")];
    let tables = derived("contingency", crossed(Some(12)), &given);
    close(figure(&tables[0], 0, "chi_squared"), 11.891_773_239_167_783);
    close(figure(&tables[0], 0, "p"), 0.002_616_581_407_300_874_7);
    close(figure(&tables[0], 0, "cramers_v"), 0.456_757_704_573_391_9);
    close(figure(&tables[0], 0, "least_expected"), 5.929_824_561_403_509);
    assert!(tables[0].notes.is_empty());
    let few = derived("contingency", crossed(Some(1)), &given);
    assert!(few[0].notes[0].contains("fewer than 5 expected"), "{:?}", few[0].notes);
    let suppressed = derived("contingency", crossed(None), &given);
    assert_eq!((figure(&suppressed[0], 0, "p"), suppressed[0].notes.len()), (None, 1));
    assert!(derived("contingency", crossed(Some(1)), &[("rows", "sex"), ("columns", "other")]).is_empty());
    let grouped = derived("contingency", crossed(Some(1)), &[("rows", "sex"), ("columns", "ward"), ("by", "sex")]);
    assert!(grouped.is_empty(), "what does not fit the table is not tested");
}

#[test]
fn a_correlation_is_tested_against_none() {
    let y = "y".to_owned();
    let columns = vec![
        measure(Measure::CountOf(x())),
        measure(Measure::Covariance(x(), y)),
        Column { name: "pmcc_x_y".into(), ty: CellType::Real, role: Role::Opaque },
    ];
    let row = |r: Cell| vec![Cell::Integer(30), Cell::Real(1.0), r];
    let tables =
        derived("pmcc", merged(columns, vec![row(Cell::Real(0.5)), row(Cell::Null), row(Cell::Real(1.0))]), &[]);
    close(figure(&tables[0], 0, "p"), 0.004_899_933_667_068_085);
    close(figure(&tables[0], 0, "ci_low"), 0.170_431_365_111_800_07);
    assert_eq!(figure(&tables[0], 1, "p"), None);
    assert_eq!(figure(&tables[0], 2, "t"), None, "a line has no t");
}

/// Two groups of twenty: who leaves at 10, 20, 30, and with how many events.
fn study(suppressed: bool) -> Merged {
    let event = "event".to_owned();
    let columns = vec![
        keyed("arm", CellType::Text),
        keyed("time", CellType::Real),
        measure(Measure::CountOf(event.clone())),
        measure(Measure::Sum(event)),
    ];
    let rows = [
        ("A", 10.0, 6, 4.0),
        ("A", 20.0, 8, 5.0),
        ("A", 30.0, 6, 2.0),
        ("B", 10.0, 2, 1.0),
        ("B", 20.0, 5, 2.0),
        ("B", 30.0, 13, 3.0),
    ];
    let row = |(arm, time, n, events): (&str, f64, i64, f64)| {
        let events = if suppressed && n == 2 { Cell::Null } else { Cell::Real(events) };
        vec![Cell::Text(arm.into()), Cell::Real(time), Cell::Integer(n), events]
    };
    merged(columns, rows.map(row).to_vec())
}

#[test]
fn a_curve_a_median_and_a_logrank_test_follow_from_counts() {
    let tables = derived("survival", study(false), &[]);
    let [curve, median, logrank] = tables.as_slice() else { panic!("{} tables", tables.len()) };
    for (row, share, error, low, high) in [
        (0, 0.8, 0.089_442_719_099_991_6, 0.551_146, 0.919_818),
        (1, 0.514_285_714_285_714_2, 0.117_480_85, 0.271_496, 0.712_372),
        (2, 0.342_857_142_857_142_84, 0.126_214_22, 0.122_414, 0.579_523),
    ] {
        close(figure(curve, row, "survival"), share);
        for (name, expected) in [("se", error), ("ci_low", low), ("ci_high", high)] {
            let found = figure(curve, row, name).unwrap();
            assert!((found - expected).abs() < 1e-6, "{name} {found}");
        }
    }
    assert_eq!(figure(curve, 1, "at_risk"), Some(14.0));
    assert_eq!((figure(median, 0, "median"), figure(median, 1, "median")), (Some(30.0), None));
    close(figure(logrank, 0, "chi_squared"), 4.442_593_176_150_641);
    close(figure(logrank, 0, "p"), 0.035_052_966_541_108_205);
    let curves = curves_of(curve).unwrap();
    assert_eq!((curves[0].0.as_str(), curves[1].1[0]), ("arm=A", (10.0, 0.95)));
    assert_eq!(curves_of(median), None);
}

#[test]
fn a_group_with_a_suppressed_cell_has_no_curve() {
    let tables = derived("survival", study(true), &[]);
    assert_eq!(tables[0].table.rows.len(), 3, "the other group keeps its own");
    assert_eq!(figure(&tables[1], 1, "n"), None);
    assert!(tables[2].table.rows.is_empty() && !tables[2].notes.is_empty());
}

#[test]
fn a_quantile_lies_in_its_bin_and_the_outermost_bins_are_open() {
    let columns = vec![keyed("bin_from", CellType::Real), measure(Measure::Count)];
    let rows = [(0.0, 4), (10.0, 10), (20.0, 10), (30.0, 4)].map(|(from, n)| vec![Cell::Real(from), Cell::Integer(n)]);
    let given = [("bins", "10"), ("low", "10"), ("high", "30"), ("probabilities", "0,0.25,0.5,1")];
    let tables = derived("quantiles", merged(columns, rows.to_vec()), &given);
    let row = |row: usize| ["at_least", "estimate", "at_most"].map(|name| figure(&tables[0], row, name));
    assert_eq!(row(0), [None, None, Some(10.0)]);
    assert_eq!((row(1)[0], row(1)[2]), (Some(10.0), Some(20.0)));
    // Ranks 13 and 14, the last of one bin and the first of the next.
    assert_eq!((row(2)[0], row(2)[2]), (Some(10.0), Some(30.0)));
    close(row(2)[1], 20.0);
    assert_eq!(row(3), [Some(30.0), None, None]);
}

#[test]
fn an_output_of_another_form_gives_nothing() {
    let other = || merged(vec![keyed("a", CellType::Text)], vec![vec![Cell::Text("b".into())]]);
    for output in ["contingency", "pmcc", "quantiles", "regression", "survival", "describe"] {
        assert!(derived(output, other(), &[("bins", "1")]).is_empty(), "{output}");
    }
}
