//! The witnessed figures against values computed by hand, their evidence, and their independence of batches.

use super::*;
use crate::value::{Batch, Column, ColumnData, ColumnType};
use proptest::prelude::*;
use std::collections::BTreeSet;

const MANY: usize = 1_000_000;

fn info(name: &str, ty: ColumnType) -> ColumnInfo {
    ColumnInfo { name: name.into(), ty, nullable: true }
}

fn full(data: ColumnData) -> Column {
    Column { validity: None, data }
}

fn texts(values: &[&str]) -> Column {
    full(ColumnData::Text(values.iter().map(|value| (*value).to_owned()).collect()))
}

fn question(by: &[&str], measures: &[Measure]) -> Question {
    Question { by: by.iter().map(|name| (*name).to_owned()).collect(), measures: measures.to_vec() }
}

fn table(question: Question, schema: &[ColumnInfo], batches: &[Batch]) -> Result<WitnessedTable, WitnessError> {
    question.check()?;
    let mut tabulation = Tabulation::new(question, schema, "person_id", MANY, MANY)?;
    for batch in batches {
        tabulation.push(batch)?;
    }
    Ok(tabulation.finish("visits".into(), "clinic".into()))
}

/// Seven visits of four persons: sex, cost, weight.
fn visits() -> (Vec<ColumnInfo>, Batch) {
    let schema = vec![
        info("person_id", ColumnType::Int64),
        info("sex", ColumnType::Text),
        info("cost", ColumnType::Int64),
        info("weight", ColumnType::Float64),
    ];
    let columns = vec![
        full(ColumnData::Int64(vec![1, 1, 2, 3, 3, 4, 4])),
        Column {
            validity: Some(vec![0b0111_1111 & !0b0100_0000]),
            data: texts(&["f", "f", "f", "m", "m", "m", ""]).data,
        },
        Column { validity: Some(vec![0b0111_0111]), data: ColumnData::Int64(vec![10, 20, 5, 0, 7, -3, 100]) },
        full(ColumnData::Float64(vec![1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0])),
    ];
    (schema, Batch { rows: 7, columns })
}

fn text(value: &str) -> Value {
    Value::Text(value.into())
}

fn float(value: &Value) -> f64 {
    match value {
        Value::Float64(value) => *value,
        _ => panic!("not a float"),
    }
}

#[test]
fn a_tabulation_is_sorted_with_nulls_first() {
    let (schema, batch) = visits();
    let table = table(question(&["sex"], &[Measure::Count, Measure::Subjects]), &schema, &[batch]).unwrap();
    let expected = vec![
        vec![Value::Null, Value::Int64(1), Value::Int64(1)],
        vec![text("f"), Value::Int64(3), Value::Int64(2)],
        vec![text("m"), Value::Int64(3), Value::Int64(2)],
    ];
    assert!(table.rows == expected);
    let names: Vec<&str> = table.columns.iter().map(|column| column.info.name.as_str()).collect();
    assert_eq!(names, ["sex", "n", "subjects"]);
    assert_eq!(table.columns[0].role, Role::Key);
    assert!(table.evidence.iter().all(|row| row[0].is_none() && row[1].is_some()));
}

#[test]
fn figures_and_evidence_agree_with_a_hand_computation() {
    let (schema, batch) = visits();
    let x = || "cost".to_owned();
    let measures = [Measure::CountOf(x()), Measure::Sum(x()), Measure::Mean(x()), Measure::Variance(x())];
    let table = table(question(&["sex"], &measures), &schema, &[batch]).unwrap();
    // f: 10, 20 by person 1 and 5 by person 2
    let row = &table.rows[1];
    assert!(row[1] == Value::Int64(3));
    assert!((float(&row[2]) - 35.0).abs() < f64::EPSILON);
    assert!((float(&row[3]) - 35.0 / 3.0).abs() < 1e-14);
    // ((10 - 35/3)² + (20 - 35/3)² + (5 - 35/3)²) / 2 = 175/3
    assert!((float(&row[4]) - 175.0 / 3.0).abs() < 1e-13);
    let evidence = table.evidence[1][2].unwrap();
    let expected = Evidence {
        rows: 3,
        subjects: 2,
        sum: 35.0,
        largest: 30.0,
        second: 5.0,
        negatives: 0,
        degrees_of_freedom: 2,
        special: 0,
        apart: 0,
    };
    assert!(evidence == expected);
    // the count's contributions are rows
    let counted = table.evidence[1][1].unwrap();
    assert!(counted == Evidence { sum: 3.0, largest: 2.0, second: 1.0, ..expected });
    // m: null and 7 by person 3, -3 by person 4
    let evidence = table.evidence[2][2].unwrap();
    let expected = Evidence {
        rows: 2,
        subjects: 2,
        sum: 4.0,
        largest: 7.0,
        second: 3.0,
        negatives: 1,
        degrees_of_freedom: 1,
        special: 0,
        apart: 0,
    };
    assert!(evidence == expected);
    // one row: a mean and no variance
    assert!(table.rows[0][3] == Value::Float64(100.0) && table.rows[0][4] == Value::Null);
}

#[test]
fn a_covariance_agrees_with_a_hand_computation() {
    let (mut schema, mut batch) = visits();
    schema.push(info("height", ColumnType::Float64));
    batch.columns.push(full(ColumnData::Float64(vec![3.0, 1.0, 4.0, 1.0, 5.0, 9.0, 2.0])));
    let measure = Measure::Covariance("weight".into(), "height".into());
    let table = table(question(&[], &[measure]), &schema, &[batch]).unwrap();
    // Σx = 127, Σy = 25, Σxy = 3 + 2 + 16 + 8 + 80 + 288 + 128 = 525; (525 - 127·25/7) / 6 = 500/42
    assert!((float(&table.rows[0][0]) - 500.0 / 42.0).abs() < 1e-13);
    // persons: 5, 16, 88, 416
    let evidence = table.evidence[0][0].unwrap();
    assert!(evidence.largest.total_cmp(&416.0).is_eq() && evidence.second.total_cmp(&88.0).is_eq());
    assert_eq!((evidence.rows, evidence.subjects, evidence.degrees_of_freedom), (7, 4, 6));
}

#[test]
fn no_rows_make_one_row_without_keys_and_none_with() {
    let (schema, _) = visits();
    let measures = [Measure::Count, Measure::Sum("cost".into()), Measure::Variance("cost".into())];
    let empty = table(question(&[], &measures), &schema, &[]).unwrap();
    assert!(empty.rows == vec![vec![Value::Int64(0), Value::Null, Value::Null]]);
    assert_eq!(empty.evidence[0][1].unwrap().degrees_of_freedom, -1);
    assert!(table(question(&["sex"], &measures), &schema, &[]).unwrap().rows.is_empty());
}

#[test]
fn threat_61_special_values_are_told_and_never_look_small() {
    let schema = [info("person_id", ColumnType::Int64), info("x", ColumnType::Float64)];
    let measures = [Measure::Sum("x".into()), Measure::Variance("x".into())];
    for special in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let columns = vec![full(ColumnData::Int64(vec![1, 2, 3])), full(ColumnData::Float64(vec![1.0, special, 2.0]))];
        let table = table(question(&[], &measures), &schema, &[Batch { rows: 3, columns }]).unwrap();
        let evidence = table.evidence[0][0].unwrap();
        assert_eq!(evidence.special, 1);
        assert!(evidence.largest.is_infinite() && evidence.second.total_cmp(&2.0).is_eq());
        assert!(!float(&table.rows[0][0]).is_finite() && !float(&table.rows[0][1]).is_finite());
    }
    // finite values whose sum and squares are not
    let columns = vec![full(ColumnData::Int64(vec![1, 2])), full(ColumnData::Float64(vec![f64::MAX, f64::MAX]))];
    let table = table(question(&[], &measures), &schema, &[Batch { rows: 2, columns }]).unwrap();
    assert!(table.evidence[0].iter().all(|cell| cell.unwrap().special == 1));
}

#[test]
fn integer_sums_are_exact_and_squares_keep_their_digits() {
    let schema = [info("person_id", ColumnType::Int64), info("x", ColumnType::Int64)];
    let measures = [Measure::Sum("x".into()), Measure::Variance("x".into())];
    let values = vec![1_000_000_000_000, 1_000_000_000_001, 1_000_000_000_002];
    let columns = vec![full(ColumnData::Int64(vec![1, 2, 3])), full(ColumnData::Int64(values))];
    let table = table(question(&[], &measures), &schema, &[Batch { rows: 3, columns }]).unwrap();
    assert!(table.rows[0] == [Value::Float64(3_000_000_000_003.0), Value::Float64(1.0)]);
}

#[test]
fn what_cannot_be_asked_is_refused() {
    let (schema, batch) = visits();
    let refusal =
        |by: &[&str], measures: &[Measure]| table(question(by, measures), &schema, std::slice::from_ref(&batch)).err();
    assert_eq!(refusal(&["age"], &[Measure::Count]), Some(WitnessError::NoSuchColumn("age".into())));
    assert_eq!(refusal(&[], &[Measure::Sum("sex".into())]), Some(WitnessError::NotNumeric("sex".into())));
    assert_eq!(refusal(&["sex"], &[]), Some(WitnessError::NoMeasure));
    assert_eq!(refusal(&["sex", "sex"], &[Measure::Count]), Some(WitnessError::Duplicate("sex".into())));
    let halves = Measure::Covariance("cost".into(), "weight".into());
    assert_eq!(refusal(&[], &[halves]), Some(WitnessError::OneOfPair("cost".into(), "weight".into())));
    let mut few = Tabulation::new(question(&["sex"], &[Measure::Count]), &schema, "person_id", 2, MANY).unwrap();
    assert_eq!(few.push(&batch).err(), Some(WitnessError::TooManyGroups(2)));
    let mut few = Tabulation::new(question(&[], &[Measure::Count]), &schema, "person_id", MANY, 3).unwrap();
    assert_eq!(few.push(&batch).err(), Some(WitnessError::TooManySubjects(3)));
}

#[test]
fn only_the_columns_that_count_are_read() {
    let question = question(&["sex"], &[Measure::Mean("co\"st".into())]);
    assert_eq!(
        question.narrowed("SELECT * FROM visits", "person_id"),
        "SELECT \"co\"\"st\", \"person_id\", \"sex\" FROM (SELECT * FROM visits) AS witnessed"
    );
}

#[test]
fn debug_shows_no_figure() {
    let (schema, batch) = visits();
    let table = table(question(&["sex"], &[Measure::Sum("cost".into())]), &schema, &[batch]).unwrap();
    assert_eq!(format!("{table:?} {:?}", table.evidence[0][1]), "WitnessedTable(2 columns, 3 rows) Some(Evidence(..))");
}

#[test]
fn all_rows_without_a_subject_are_one_and_equal_sets_are_one() {
    let (schema, mut batch) = visits();
    batch.columns[0].validity = Some(vec![0b0111_1100]);
    let x = || "cost".to_owned();
    let measures = [Measure::Count, Measure::Mean("weight".into()), Measure::Sum(x()), Measure::Mean(x())];
    let table = table(question(&["sex"], &measures), &schema, &[batch]).unwrap();
    let Contributors { dataset, subjects, sets, of } = &table.contributors;
    assert_eq!(dataset, "clinic");
    let person = |id: u8| vec![2, 0, 0, 0, 0, 0, 0, 0, id];
    assert_eq!(*subjects, [vec![0], person(2), person(3), person(4)]);
    // nobody known: person 4; f: the unknown and 2; m: 3 and 4, and both have a cost
    assert_eq!(*sets, [vec![3], vec![0, 1], vec![2, 3]]);
    assert_eq!(*of, [0, 1, 2].map(|set| vec![None, Some(set), Some(set), Some(set), Some(set)]));
    assert_eq!(format!("{:?}", table.contributors), "Contributors(..)");
}

#[test]
fn an_integer_is_the_same_subject_in_every_type_and_a_code_is_not() {
    let subject = super::contributors::subject;
    for same in [Value::Float64(7.0), text("7"), Value::Decimal("7".into())] {
        assert_eq!(subject(&same), subject(&Value::Int64(7)));
    }
    for other in [text("07"), text("+7"), text("7 "), Value::Float64(7.5), Value::Date(7), Value::Null] {
        assert_ne!(subject(&other), subject(&Value::Int64(7)));
    }
}

fn cut(rows: &[(i64, i64, Option<f64>)], sizes: &[usize]) -> Vec<Batch> {
    let mut batches = Vec::new();
    let mut rest = rows;
    let mut sizes = sizes.iter().cycle();
    while !rest.is_empty() {
        let (part, after) = rest.split_at((*sizes.next().unwrap()).min(rest.len()));
        rest = after;
        let mut validity = vec![0_u8; part.len().div_ceil(8)];
        for (row, (_, _, x)) in part.iter().enumerate() {
            validity[row / 8] |= u8::from(x.is_some()) << (row % 8);
        }
        let columns = vec![
            full(ColumnData::Int64(part.iter().map(|row| row.0).collect())),
            full(ColumnData::Int64(part.iter().map(|row| row.1).collect())),
            Column {
                validity: Some(validity),
                data: ColumnData::Float64(part.iter().map(|row| row.2.unwrap_or(0.0)).collect()),
            },
        ];
        batches.push(Batch { rows: u32::try_from(part.len()).unwrap(), columns });
    }
    batches
}

proptest! {
    #[test]
    fn the_cut_and_the_order_of_rows_do_not_show(
        rows in prop::collection::vec((0..20_i64, 0..4_i64, prop::option::weighted(0.9, -1e9..1e9_f64)), 1..200),
        sizes in prop::collection::vec(1..40_usize, 1..5),
    ) {
        let schema = [info("person_id", ColumnType::Int64), info("g", ColumnType::Int64), info("x", ColumnType::Float64)];
        let x = || "x".to_owned();
        let measures = [Measure::Count, Measure::Subjects, Measure::CountOf(x()), Measure::Sum(x()), Measure::Mean(x()), Measure::Variance(x())];
        let whole = table(question(&["g"], &measures), &schema, &cut(&rows, &[rows.len()])).unwrap();
        let mut turned = rows.clone();
        turned.reverse();
        let parts = table(question(&["g"], &measures), &schema, &cut(&turned, &sizes)).unwrap();
        prop_assert_eq!(whole.rows.len(), parts.rows.len());
        for (a, b) in whole.rows.iter().flatten().zip(parts.rows.iter().flatten()) {
            match (a, b) {
                (Value::Float64(a), Value::Float64(b)) => prop_assert!((a - b).abs() <= 1e-12 * a.abs().max(b.abs())),
                (a, b) => prop_assert!(a == b),
            }
        }
        for (a, b) in whole.evidence.iter().flatten().zip(parts.evidence.iter().flatten()) {
            let shape = |cell: &Option<Evidence>| cell.map(|cell| (cell.rows, cell.subjects, cell.negatives, cell.degrees_of_freedom, cell.special));
            prop_assert_eq!(shape(a), shape(b));
        }
        // every set is the set of the rows' own subjects
        for table in [&whole, &parts] {
            let Contributors { subjects, sets, of, .. } = &table.contributors;
            for ((row, cells), evidence) in table.rows.iter().zip(of).zip(&table.evidence) {
                let Value::Int64(group) = row[0] else { panic!("the key changed its type") };
                for ((cell, evidence), column) in cells.iter().zip(evidence).zip(0..) {
                    let Some(cell) = cell else {
                        prop_assert!(evidence.is_none() && column == 0);
                        continue;
                    };
                    let set = &sets[usize::try_from(*cell).unwrap()];
                    prop_assert!(set.is_sorted_by(|a, b| a < b));
                    prop_assert_eq!(u64::try_from(set.len()).unwrap(), evidence.unwrap().subjects);
                    let found: BTreeSet<&[u8]> = set.iter().map(|subject| subjects[usize::try_from(*subject).unwrap()].as_slice()).collect();
                    let ids = rows.iter().filter(|row| row.1 == group && (column < 3 || row.2.is_some())).map(|row| row.0);
                    let ids: BTreeSet<Vec<u8>> = ids.map(|id| contributors::subject(&Value::Int64(id))).collect();
                    prop_assert_eq!(found, ids.iter().map(Vec::as_slice).collect());
                }
            }
            prop_assert!(sets.len() <= 2 * table.rows.len());
        }
        // against the textbook's second pass
        for row in &whole.rows {
            let Value::Int64(group) = row[0] else { panic!("the key changed its type") };
            let values: Vec<f64> = rows.iter().filter(|row| row.1 == group).filter_map(|row| row.2).collect();
            if values.len() > 1 {
                let n = f64::from(u32::try_from(values.len()).unwrap());
                let mean = values.iter().sum::<f64>() / n;
                let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (n - 1.0);
                prop_assert!((float(&row[6]) - variance).abs() <= 1e-9 * variance);
            }
        }
    }
}
