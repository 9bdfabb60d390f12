//! Merged figures against those of the pooled rows, and each way not to merge.

use super::*;
use crate::disclosure::canonical::{Form, canonicalise, read_csv};
use crate::disclosure::table::{CellType, Column};
use proptest::prelude::*;

/// A row of the data that nobody pools in earnest: a group, and x and y together or neither.
type Row = (i64, Option<(f64, f64)>);

fn x() -> String {
    "x".to_owned()
}

fn y() -> String {
    "y".to_owned()
}

fn columns() -> Vec<Column> {
    let measure = |measure: Measure| {
        let ty = match &measure {
            Measure::Count | Measure::Subjects | Measure::CountOf(_) => CellType::Integer,
            _ => CellType::Real,
        };
        Column { name: measure.column_name(), ty, role: Role::Measure(measure) }
    };
    let mut columns = vec![Column { name: "k".into(), ty: CellType::Integer, role: Role::Key }];
    columns.extend(
        [
            Measure::Count,
            Measure::Subjects,
            Measure::CountOf(x()),
            Measure::Sum(x()),
            Measure::Mean(x()),
            Measure::Variance(x()),
            Measure::CountOf(y()),
            Measure::Mean(y()),
            Measure::Variance(y()),
            Measure::Covariance(x(), y()),
        ]
        .map(measure),
    );
    columns
}

#[allow(clippy::cast_precision_loss, reason = "a test has few rows")]
fn size(count: usize) -> f64 {
    count as f64
}

fn cell(value: Option<f64>) -> Cell {
    value.map_or(Cell::Null, Cell::Real)
}

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / size(values.len()))
}

/// Two passes over the rows: the textbook definition.
fn covariance(left: &[f64], right: &[f64]) -> Option<f64> {
    let (mean_left, mean_right) = (mean(left)?, mean(right)?);
    let products: f64 = left.iter().zip(right).map(|(left, right)| (left - mean_left) * (right - mean_right)).sum();
    (left.len() >= 2).then(|| products / (size(left.len()) - 1.0))
}

/// What the host of a TRE with these rows would release.
fn table(rows: &[Row]) -> Table {
    let mut groups: BTreeMap<i64, Vec<Option<(f64, f64)>>> = BTreeMap::new();
    for (key, values) in rows {
        groups.entry(*key).or_default().push(*values);
    }
    let row = |(key, rows): (&i64, &Vec<Option<(f64, f64)>>)| {
        let xs: Vec<f64> = rows.iter().flatten().map(|(x, _)| *x).collect();
        let ys: Vec<f64> = rows.iter().flatten().map(|(_, y)| *y).collect();
        let integer = |count: usize| Cell::Integer(i64::try_from(count).unwrap());
        vec![
            Cell::Integer(*key),
            integer(rows.len()),
            integer(rows.len()),
            integer(xs.len()),
            cell((!xs.is_empty()).then(|| xs.iter().sum())),
            cell(mean(&xs)),
            cell(covariance(&xs, &xs)),
            integer(ys.len()),
            cell(mean(&ys)),
            cell(covariance(&ys, &ys)),
            cell(covariance(&xs, &ys)),
        ]
    };
    Table { columns: columns(), rows: groups.iter().map(row).collect() }
}

fn part(tre: &str, table: Table) -> Part {
    Part { tre: tre.to_owned(), table }
}

/// A figure against the pooled one: within 1e-9 of it, and of what the digits of the parts' figures allow.
fn close(merged: &Cell, pooled: &Cell, rounding: f64) -> Result<(), TestCaseError> {
    match (merged.number(), pooled.number()) {
        (None, None) => Ok(()),
        (Some(merged), Some(pooled)) => {
            prop_assert!(
                (merged - pooled).abs() <= 1e-9 * pooled.abs() + rounding,
                "{merged} against {pooled}, {rounding}"
            );
            Ok(())
        }
        other => Err(TestCaseError::fail(format!("{other:?}"))),
    }
}

/// Rows over TREs: as many as there are, some with none or one.
fn split() -> impl Strategy<Value = Vec<Vec<Row>>> {
    let value = || (1_u32..2_000_000).prop_map(|value| f64::from(value) / 1000.0 - 500.0);
    let row = (0_i64..3, prop::option::weighted(0.9, (value(), value())));
    prop::collection::vec(prop::collection::vec(row, 0..40), 1..6)
}

/// The largest value in [`split`].
const LARGEST: f64 = 1500.0;

/// `digits` is the relative rounding of the parts' figures.
fn compare(merged: &Merged, pooled: &Table, digits: f64) -> Result<(), TestCaseError> {
    // Values of either sign cancel: what rounding leaves is against the size of the values, not of the figure.
    let linear = 4.0 * digits * LARGEST;
    let square = 16.0 * digits * LARGEST * LARGEST;
    prop_assert_eq!(merged.table.rows.len(), pooled.rows.len());
    for (merged, pooled) in merged.table.rows.iter().zip(&pooled.rows) {
        for (place, (merged, pooled)) in merged.iter().zip(pooled).enumerate() {
            match place {
                0..=3 | 7 => prop_assert!(merged == pooled, "column {place}"),
                4 => close(merged, pooled, 200.0 * linear)?,
                5 | 8 => close(merged, pooled, linear)?,
                _ => close(merged, pooled, square)?,
            }
        }
        let figure = |column: usize| pooled[column].number();
        if let (Some(vx), Some(vy), Some(covariance)) = (figure(6), figure(9), figure(10)) {
            let root = (vx * vy).sqrt();
            // Where a column hardly varies, its digits decide; the degenerate cases have a test of their own.
            let rounding = square * (1.0 / root + 1.0 / vx + 1.0 / vy);
            if rounding < 1e-3 {
                close(&merged[11], &Cell::Real(covariance / root), rounding)?;
            }
        } else {
            prop_assert!(merged[11] == Cell::Null);
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn merged_figures_are_those_of_the_pooled_rows(split in split()) {
        let parts: Vec<Part> = split.iter().enumerate().map(|(place, rows)| part(&place.to_string(), table(rows))).collect();
        let pooled = table(&split.concat());
        compare(&merge(&parts).unwrap(), &pooled, 1e-15)?;
    }

    #[test]
    fn released_bytes_merge_as_exactly_as_their_digits_allow(split in split()) {
        let released = |rows: &Vec<Row>| {
            let canonical = canonicalise(&table(rows), &Form::default()).unwrap();
            read_csv(canonical.bytes(), canonical.schema()).unwrap()
        };
        let parts: Vec<Part> = split.iter().enumerate().map(|(place, rows)| part(&place.to_string(), released(rows))).collect();
        compare(&merge(&parts).unwrap(), &table(&split.concat()), 1e-12)?;
    }

    #[test]
    fn the_order_of_the_parts_does_not_matter(split in split()) {
        let mut parts: Vec<Part> = split.iter().enumerate().map(|(place, rows)| part(&place.to_string(), table(rows))).collect();
        let one = merge(&parts).unwrap();
        parts.reverse();
        prop_assert_eq!(one, merge(&parts).unwrap());
    }
}

#[test]
fn means_far_from_zero_keep_their_variance() {
    // The textbook's one-pass formula loses every digit here.
    let rows =
        |offset: f64| -> Vec<Row> { (0..50).map(|value| (0, Some((1e8 + f64::from(value) + offset, 0.0)))).collect() };
    let (one, other) = (rows(0.0), rows(25.0));
    let merged = merge(&[part("a", table(&one)), part("b", table(&other))]).unwrap();
    let pooled = table(&[one, other].concat());
    let (merged, pooled) = (merged.table.rows[0][6].number().unwrap(), pooled.rows[0][6].number().unwrap());
    assert!((merged - pooled).abs() <= 1e-9 * pooled, "{merged} against {pooled}");
}

#[test]
fn it_is_visible_who_has_which_group() {
    let parts = [part("b", table(&[(1, None), (2, None)])), part("a", table(&[(2, None)])), part("c", table(&[]))];
    let merged = merge(&parts).unwrap();
    assert_eq!(merged.contributors, ["a", "b", "c"]);
    assert_eq!(merged.row_contributors, [vec![1], vec![0, 1]]);
}

#[test]
fn correlation_is_none_where_nothing_varies_and_one_where_all_is_a_line() {
    let line: Vec<Row> = (0..20).map(|value| (0, Some((f64::from(value), 3.0 * f64::from(value) + 1.0)))).collect();
    let flat: Vec<Row> = (0..20).map(|value| (1, Some((f64::from(value), 7.0)))).collect();
    let merged = merge(&[part("a", table(&line)), part("b", table(&flat))]).unwrap();
    assert_eq!(merged.table.columns[11].name, "pmcc_x_y");
    assert!((merged.table.rows[0][11].number().unwrap() - 1.0).abs() < 1e-12);
    assert_eq!(merged.table.rows[1][11], Cell::Null);

    // 0.1 has no exact double: the parts' means of it may differ in their last digit.
    let constant = |rows: i32| -> Vec<Row> { (0..rows).map(|value| (0, Some((f64::from(value), 0.1)))).collect() };
    let merged = merge(&[part("a", table(&constant(3))), part("b", table(&constant(10)))]).unwrap();
    assert_eq!(merged.table.rows[0][11], Cell::Null);
}

/// The table of a few sound rows after a change.
fn changed(change: impl Fn(&mut Table)) -> Table {
    let mut table = table(&[(0, Some((1.0, 2.0))), (0, Some((3.0, 1.0)))]);
    change(&mut table);
    table
}

fn without(measure: &Measure) -> Table {
    changed(|table| {
        let place = table.column_of(&Role::Measure(measure.clone())).unwrap();
        table.columns.remove(place);
        for row in &mut table.rows {
            row.remove(place);
        }
    })
}

#[test]
fn a_figure_without_its_companions_names_what_is_missing() {
    for (needs, column) in [
        (Measure::CountOf(x()), "mean_x"),
        (Measure::Mean(x()), "variance_x"),
        (Measure::CountOf(y()), "mean_y"),
        (Measure::Mean(y()), "variance_y"),
    ] {
        let refused = merge(&[part("a", without(&needs))]).unwrap_err();
        assert_eq!(refused, MergeError::Missing { column: column.to_owned(), needs });
    }
    let refused = merge(&[part("a", without(&Measure::CountOf(x())))]).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "`mean_x` cannot be merged without count-of(x) beside it; ask for that measure too"
    );
    // A correlation needs both variances; without them there is none.
    let merged = merge(&[part("a", without(&Measure::Variance(y())))]).unwrap();
    assert!(merged.table.columns.iter().all(|column| column.name != "pmcc_x_y"));
}

#[test]
fn each_way_not_to_merge_is_named() {
    let sound = || changed(|_| {});
    let with = |other: Table| merge(&[part("a", sound()), part("b", other)]).unwrap_err();
    let differs = MergeError::ColumnsDiffer { first: "a".into(), tre: "b".into() };
    assert_eq!(merge(&[]), Err(MergeError::NoParts));
    assert_eq!(
        merge(&[part("a", sound()), part("a", sound())]).unwrap_err(),
        MergeError::RepeatedTre { tre: "a".into() }
    );
    assert_eq!(with(changed(|table| table.columns[0].name = "other".into())), differs);
    assert_eq!(with(changed(|table| table.columns[1].role = Role::Key)), differs);
    assert_eq!(with(changed(|table| table.columns.swap(1, 2))), differs);
    assert_eq!(with(changed(|table| table.rows[0].truncate(3))), differs);
    let retyped = changed(|table| {
        table.columns[0].ty = CellType::Text;
        table.rows[0][0] = Cell::Text("0".into());
    });
    assert_eq!(with(retyped), MergeError::TypesDiffer { column: "k".into(), tre: "b".into() });
    assert_eq!(
        with(changed(|table| table.rows[0][3] = Cell::Integer(-1))),
        MergeError::NotAFigure { column: "n_x".into(), tre: "b".into() }
    );
    assert_eq!(
        with(changed(|table| table.rows[0][7] = Cell::Integer(1))),
        MergeError::Unpaired { column: "covariance_x_y".into(), tre: "b".into() }
    );
    assert_eq!(
        with(changed(|table| table.rows[0][1] = Cell::Integer(i64::MAX))),
        MergeError::Overflow { column: "n".into() }
    );
    let opaque = |table: &mut Table| table.columns[1].role = Role::Opaque;
    assert_eq!(merge(&[part("a", changed(opaque))]).unwrap_err(), MergeError::OpaqueColumn { column: "n".into() });
    let taken = changed(|table| table.columns[0].name = "pmcc_x_y".into());
    assert_eq!(merge(&[part("a", taken)]).unwrap_err(), MergeError::NameTaken { column: "pmcc_x_y".into() });
}

#[test]
fn a_withheld_figure_makes_the_whole_unknown() {
    let withheld = changed(|table| {
        for place in [4, 5, 9] {
            table.rows[0][place] = Cell::Null;
        }
    });
    let merged = merge(&[part("a", changed(|_| {})), part("b", withheld)]).unwrap();
    let row = &merged.table.rows[0];
    // the sum, mean and variance of x, the variance of y, the covariance and the correlation
    for place in [4, 5, 6, 9, 10, 11] {
        assert_eq!(row[place], Cell::Null, "{place}");
        assert_eq!(merged.partial[&(0, place)], [1], "{place}");
    }
    assert_eq!(merged.partial.len(), 6);
    assert_eq!(row[1], Cell::Integer(4));
    assert_eq!(row[8], Cell::Real(1.5));
}

#[test]
fn a_suppressed_count_makes_the_figure_partial_and_names_who_is_missing() {
    let suppressed = changed(|table| table.rows[0][1..].fill(Cell::Null));
    let fewer = changed(|table| {
        table.rows[0][1] = Cell::Null;
        table.rows[0][3] = Cell::Null;
    });
    let merged = merge(&[part("a", changed(|_| {})), part("b", suppressed), part("c", fewer)]).unwrap();
    assert_eq!(merged.row_contributors, [vec![0, 1, 2]]);
    assert_eq!(merged.table.rows[0][0], Cell::Integer(0));
    assert!(merged.table.rows[0][1..].iter().all(|cell| *cell == Cell::Null));
    let missing = |place: usize| merged.partial[&(0, place)].as_slice();
    // The rows, and all that the count of x is needed for; the sum of x is there at c.
    for place in [1, 3, 5, 6, 10, 11] {
        assert_eq!(missing(place), [1, 2], "{place}");
    }
    for place in [2, 4, 7, 8, 9] {
        assert_eq!(missing(place), [1], "{place}");
    }
}

#[test]
fn a_sum_keeps_whole_numbers_and_mixed_types_become_real() {
    let summed = |cell: Cell, ty: CellType| Table {
        columns: vec![Column { name: "sum_x".into(), ty, role: Role::Measure(Measure::Sum(x())) }],
        rows: vec![vec![cell]],
    };
    let integer = |value| summed(Cell::Integer(value), CellType::Integer);
    let sum = |left, right| merge(&[part("a", left), part("b", right)]).map(|merged| merged.table.rows[0][0].clone());
    assert_eq!(sum(integer(1 << 60), integer(1)), Ok(Cell::Integer((1 << 60) + 1)));
    assert_eq!(sum(integer(i64::MAX), integer(1)), Err(MergeError::Overflow { column: "sum_x".into() }));
    assert_eq!(sum(integer(1), summed(Cell::Real(0.5), CellType::Real)), Ok(Cell::Real(1.5)));
    assert_eq!(sum(integer(1), summed(Cell::Decimal("0.25".into()), CellType::Decimal)), Ok(Cell::Real(1.25)));
    assert_eq!(sum(integer(1), summed(Cell::Null, CellType::Integer)), Ok(Cell::Integer(1)));
    let text = summed(Cell::Text("a".into()), CellType::Text);
    assert_eq!(sum(integer(1), text.clone()), Err(MergeError::TypesDiffer { column: "sum_x".into(), tre: "b".into() }));
    assert_eq!(sum(text.clone(), text), Err(MergeError::NotAFigure { column: "sum_x".into(), tre: "a".into() }));
}

fn opaque(csv: &str) -> Table {
    crate::disclosure::canonical::parse_csv(csv.as_bytes()).unwrap()
}

#[test]
fn opaque_rows_stand_under_each_other() {
    let merged =
        merge(&[part("south", opaque("k,v,e\nb,1,\n")), part("north", opaque("k,v,e\n7,1.5,2024-01-01\n"))]).unwrap();
    let columns: Vec<(&str, CellType)> =
        merged.table.columns.iter().map(|column| (column.name.as_str(), column.ty)).collect();
    assert_eq!(columns, [("tre", CellType::Text), ("k", CellType::Text), ("v", CellType::Real), ("e", CellType::Date)]);
    assert_eq!(
        crate::disclosure::canonical::write_csv(&merged.table),
        "tre,k,v,e\nnorth,7,1.5,2024-01-01\nsouth,b,1,\n"
    );
    assert_eq!(merged.row_contributors, [vec![0], vec![1]]);
    let taken = merge(&[part("a", opaque("tre\n1\n"))]).unwrap_err();
    assert_eq!(taken, MergeError::NameTaken { column: "tre".into() });
}

#[test]
fn an_aggregate_says_who_contributed_declined_and_is_missing() {
    let outputs =
        |tables: &[(&str, Table)]| tables.iter().map(|(name, table)| ((*name).to_owned(), table.clone())).collect();
    let whole = aggregate(BTreeMap::from([
        ("a".to_owned(), Answer::Released(outputs(&[("stats", changed(|_| {})), ("bins", opaque("b\n1\n"))]))),
        ("b".to_owned(), Answer::Released(outputs(&[("stats", changed(|_| {}))]))),
        ("c".to_owned(), Answer::Declined("project".to_owned())),
        ("d".to_owned(), Answer::Missing),
        ("e".to_owned(), Answer::Released(BTreeMap::new())),
    ]))
    .unwrap();
    let states: Vec<State> = whole.contributions.into_iter().map(|contribution| contribution.state).collect();
    let declined = |reason: &str| State::Declined(reason.to_owned());
    assert_eq!(
        states,
        [State::Contributed, State::Contributed, declined("project"), State::Missing, declined("released no output")]
    );
    assert_eq!(whole.outputs["stats"].contributors, ["a", "b"]);
    assert_eq!(whole.outputs["bins"].contributors, ["a"]);

    let failed = aggregate(BTreeMap::from([("a".to_owned(), Answer::Released(outputs(&[("t", opaque("tre\n1\n"))])))]))
        .unwrap_err();
    assert_eq!(failed, AggregateError { output: "t".into(), source: MergeError::NameTaken { column: "tre".into() } });
}

#[test]
fn a_histogram_has_one_numeric_key_and_a_count() {
    let table = |ty: CellType, keys: &[Cell]| Table {
        columns: vec![
            Column { name: "bin".into(), ty, role: Role::Key },
            Column { name: "n".into(), ty: CellType::Integer, role: Role::Measure(Measure::Count) },
        ],
        rows: keys.iter().map(|key| vec![key.clone(), Cell::Integer(12)]).collect(),
    };
    let bins = table(CellType::Integer, &[Cell::Integer(20), Cell::Null, Cell::Integer(-10)]);
    assert_eq!(histogram_of(&bins), Some(vec![(-10.0, 12.0), (20.0, 12.0)]));
    assert_eq!(histogram_of(&table(CellType::Text, &[Cell::Text("a".into())])), None);
    assert_eq!(histogram_of(&opaque("bin,n\n1,2\n")), None);
    let mut two = bins.clone();
    two.columns[1].role = Role::Key;
    assert_eq!(histogram_of(&two), None);
}
