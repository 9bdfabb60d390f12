//! Each rule on parts that are safe together and on parts that are not.

use super::*;
use crate::aggregate::aggregate;
use crate::disclosure::table::{CellType, Column, Table};
use proptest::prelude::*;

/// A table of counts: key columns, measures, and rows of both; a null is a suppressed figure.
pub(in crate::aggregate) fn table(keys: &[&str], measures: &[Measure], rows: &[&[Option<i64>]]) -> Table {
    let keys = keys.iter().map(|name| Column { name: (*name).into(), ty: CellType::Integer, role: Role::Key });
    let figures = measures.iter().map(|measure| Column {
        name: measure.column_name(),
        ty: if matches!(measure, Measure::Mean(_)) { CellType::Real } else { CellType::Integer },
        role: Role::Measure(measure.clone()),
    });
    let cell = |value: &Option<i64>| value.map_or(Cell::Null, Cell::Integer);
    Table {
        columns: keys.chain(figures).collect(),
        rows: rows.iter().map(|row| row.iter().map(cell).collect()).collect(),
    }
}

fn total(n: i64) -> Table {
    table(&[], &[Measure::Count], &[&[Some(n)]])
}

/// Counts by `sex`; none is a suppressed count.
fn by_sex(rows: &[(i64, Option<i64>)]) -> Table {
    let rows: Vec<[Option<i64>; 2]> = rows.iter().map(|(sex, n)| [Some(*sex), *n]).collect();
    table(&["sex"], &[Measure::Count], &rows.iter().map(<[_; 2]>::as_slice).collect::<Vec<_>>())
}

pub(in crate::aggregate) fn answers(parts: &[(&str, &[(&str, Table)])]) -> BTreeMap<String, Answer> {
    let released = |tables: &[(&str, Table)]| {
        Answer::Released(tables.iter().map(|(output, table)| ((*output).to_owned(), table.clone())).collect())
    };
    parts.iter().map(|(tre, tables)| ((*tre).to_owned(), released(tables))).collect()
}

fn findings(answers: &BTreeMap<String, Answer>) -> Vec<Finding> {
    check(&aggregate(answers.clone()).unwrap(), answers, &Policy::default())
}

/// Output, row, column, rule and TRE of each finding.
type Told = (String, Option<usize>, Option<String>, Rule, String);

fn told(parts: &[(&str, &[(&str, Table)])]) -> Vec<Told> {
    findings(&answers(parts))
        .into_iter()
        .map(|finding| (finding.output, finding.row, finding.column, finding.rule, finding.tre))
        .collect()
}

fn one(output: &str, row: usize, column: &str, rule: Rule, tre: &str) -> Told {
    (output.into(), Some(row), Some(column.into()), rule, tre.into())
}

/// Count, mean and variance of a column that is 1 in so many rows; `None` for the variance leaves it out.
fn share(rows: u32, ones: u32, with_variance: bool) -> Table {
    let x = || "x".to_owned();
    let (n, mean) = (f64::from(rows), f64::from(ones) / f64::from(rows));
    let variance = with_variance.then_some((Measure::Variance(x()), n / (n - 1.0) * mean * (1.0 - mean)));
    let figures = [(Measure::CountOf(x()), n), (Measure::Mean(x()), mean)].into_iter().chain(variance);
    let (columns, row) = figures
        .map(|(measure, value)| {
            let count = matches!(measure, Measure::CountOf(_));
            let ty = if count { CellType::Integer } else { CellType::Real };
            let cell = if count { Cell::Integer(i64::from(rows)) } else { Cell::Real(value) };
            (Column { name: measure.column_name(), ty, role: Role::Measure(measure) }, cell)
        })
        .unzip();
    Table { columns, rows: vec![row] }
}

#[test]
fn threat_46_a_merged_share_that_tells_the_few_of_one_tre_is_named_and_blanked() {
    for with_variance in [true, false] {
        let with = |ones: [u32; 3]| {
            let part = |ones| [("regression", share(100, ones, with_variance))];
            let parts = ones.map(part);
            let answers = answers(&[("a", &parts[0]), ("b", &parts[1]), ("c", &parts[2])]);
            let whole = aggregate(answers.clone()).unwrap();
            let found = check(&whole, &answers, &Policy::default());
            let blanked = crate::aggregate::blank(&whole, &answers, &found, &Policy::default());
            let is_blank = blanked.outputs["regression"].table.rows[0].iter().all(|cell| *cell == Cell::Null);
            let told: Vec<(Rule, Verdict, String)> =
                found.into_iter().map(|finding| (finding.rule, finding.verdict, finding.tre)).collect();
            (told, is_blank)
        };
        assert_eq!(with([30, 40, 50]), (vec![], false));
        assert_eq!(with([30, 4, 50]), (vec![(Rule::Subtraction, Verdict::Fail, "b".into())], true));
        assert_eq!(with([30, 97, 50]), (vec![(Rule::Subtraction, Verdict::Fail, "b".into())], true));
        assert_eq!(with([8, 7, 50]), (vec![], false), "two small parts hide each other");
        assert_eq!(with([0, 0, 50]), (vec![(Rule::SeveralTres, Verdict::Review, "c".into())], false));
        assert_eq!(with([0, 0, 3]), (vec![(Rule::Subtraction, Verdict::Fail, "c".into())], true));
    }
    let measured =
        Table { rows: vec![vec![Cell::Integer(100), Cell::Real(0.04), Cell::Real(0.2)]], ..share(100, 4, true) };
    let parts = [("regression", measured)];
    let (large, larger) = ([("regression", share(100, 40, true))], [("regression", share(90, 40, true))]);
    assert!(told(&[("a", &parts), ("b", &large), ("c", &larger)]).is_empty(), "a mean of other values is no share");
}

#[test]
fn threat_46_the_one_small_tre_is_named() {
    let parts = answers(&[
        ("north", &[("count", total(140))]),
        ("south", &[("count", total(95))]),
        ("west", &[("count", total(3))]),
    ]);
    let found = findings(&parts);
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].tre.as_str(), found[0].rule, found[0].verdict), ("west", Rule::Subtraction, Verdict::Fail));
    assert!(found[0].reason.starts_with("Only west has fewer than 10 here"), "{}", found[0].reason);
    assert!(!is_final(&found));

    let enough = told(&[
        ("north", &[("count", total(140))]),
        ("south", &[("count", total(95))]),
        ("west", &[("count", total(30))]),
    ]);
    assert_eq!(enough, []);
}

#[test]
fn several_small_parts_hide_each_other_once_their_sum_is_large() {
    let three = |one: i64, other: i64| {
        told(&[
            ("north", &[("count", total(140))]),
            ("south", &[("count", total(one))]),
            ("west", &[("count", total(other))]),
        ])
    };
    assert_eq!(three(8, 9), []);
    assert_eq!(
        three(3, 4),
        [one("count", 0, "n", Rule::Subtraction, "south"), one("count", 0, "n", Rule::Subtraction, "west")]
    );
    // Nobody at one of them is not few.
    assert_eq!(three(0, 90), []);
}

#[test]
fn a_group_that_one_tre_alone_has_is_named() {
    let several = told(&[
        ("north", &[("sex", by_sex(&[(1, Some(50)), (2, Some(60))]))]),
        ("south", &[("sex", by_sex(&[(1, Some(40)), (2, Some(45)), (3, Some(20))]))]),
    ]);
    assert_eq!(several, [("sex".into(), Some(2), None, Rule::SeveralTres, "south".into())]);
    let both = told(&[
        ("north", &[("sex", by_sex(&[(1, Some(50)), (2, Some(60))]))]),
        ("south", &[("sex", by_sex(&[(1, Some(40)), (2, Some(45))]))]),
    ]);
    assert_eq!(both, []);
}

#[test]
fn an_output_that_one_tre_alone_released_is_named_and_a_task_of_one_tre_is_its_own() {
    let mut asked = answers(&[("north", &[("count", total(140))])]);
    assert_eq!(findings(&asked), []);
    asked.insert("south".into(), Answer::Declined("project".into()));
    let found = findings(&asked);
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].row, found[0].tre.as_str(), found[0].rule), (None, "north", Rule::SeveralTres));
    assert_eq!(findings(&BTreeMap::from([("a".into(), Answer::Missing), ("b".into(), Answer::Missing)])), []);
}

#[test]
fn a_figure_in_which_only_one_tre_has_values_is_named() {
    let x = || "x".to_owned();
    let measures = [Measure::Count, Measure::CountOf(x()), Measure::Sum(x())];
    let part = |n: i64, present: i64, sum: Option<i64>| table(&[], &measures, &[&[Some(n), Some(present), sum]]);
    let named = told(&[("north", &[("t", part(90, 60, Some(7)))]), ("south", &[("t", part(80, 0, None))])]);
    assert_eq!(
        named,
        [one("t", 0, "n_x", Rule::SeveralTres, "north"), one("t", 0, "sum_x", Rule::SeveralTres, "north")]
    );
    let both = told(&[("north", &[("t", part(90, 60, Some(7)))]), ("south", &[("t", part(80, 40, Some(9)))])]);
    assert_eq!(both, []);
}

#[test]
fn a_suppressed_count_that_its_total_gives_away_is_named() {
    let north = || [("count", total(110)), ("sex", by_sex(&[(1, Some(50)), (2, Some(60))]))];
    let one_hidden =
        told(&[("north", &north()), ("south", &[("count", total(48)), ("sex", by_sex(&[(1, Some(45)), (2, None)]))])]);
    assert_eq!(one_hidden, [one("sex", 1, "n", Rule::Subtraction, "south")]);
    // Without the total nothing follows.
    let no_total = told(&[
        ("north", &[("sex", by_sex(&[(1, Some(50)), (2, Some(60))]))]),
        ("south", &[("sex", by_sex(&[(1, Some(45)), (2, None)]))]),
    ]);
    assert_eq!(no_total, []);
    // Two hidden cells share what is left: 48 is wide enough, 8 is not.
    let two = |n: i64| {
        told(&[("north", &north()), ("south", &[("count", total(n)), ("sex", by_sex(&[(1, None), (2, None)]))])])
    };
    assert_eq!(two(48), []);
    assert_eq!(
        two(8).into_iter().filter(|told| told.0 == "sex").collect::<Vec<_>>(),
        [one("sex", 0, "n", Rule::Subtraction, "south"), one("sex", 1, "n", Rule::Subtraction, "south")]
    );
}

#[test]
fn a_suppressed_count_that_the_same_groups_elsewhere_give_away_is_named() {
    let by = |keys: &[&str], rows: &[&[Option<i64>]]| table(keys, &[Measure::Count], rows);
    let crossed = |cells: [Option<i64>; 4]| {
        let [a, b, c, d] = cells;
        by(
            &["sex", "ward"],
            &[&[Some(1), Some(1), a], &[Some(1), Some(2), b], &[Some(2), Some(1), c], &[Some(2), Some(2), d]],
        )
    };
    let ward = |one: i64, two: i64| by(&["ward"], &[&[Some(1), Some(one)], &[Some(2), Some(two)]]);
    let whole = crossed([Some(20), Some(30), Some(40), Some(50)]);
    let named = told(&[
        ("north", &[("crossed", whole.clone()), ("ward", ward(60, 80))]),
        ("south", &[("crossed", crossed([None, Some(30), Some(40), Some(50)])), ("ward", ward(44, 80))]),
    ]);
    assert_eq!(named, [one("crossed", 0, "n", Rule::Subtraction, "south")]);
    // Counts of something else: no part of the whole agrees with it.
    let unrelated = told(&[
        ("north", &[("crossed", whole), ("ward", ward(61, 80))]),
        ("south", &[("crossed", crossed([None, Some(30), Some(40), Some(50)])), ("ward", ward(44, 80))]),
    ]);
    assert_eq!(unrelated, []);
}

#[test]
fn groups_that_one_tre_left_out_and_its_total_gives_away_are_named_once() {
    let north = [("count", total(110)), ("sex", by_sex(&[(1, Some(50)), (2, Some(30)), (3, Some(30))]))];
    let third = ("west", &[("count", total(90)), ("sex", by_sex(&[(1, Some(30)), (2, Some(30)), (3, Some(30))]))][..]);
    let left_out = |n: i64| {
        told(&[("north", &north), ("south", &[("count", total(n)), ("sex", by_sex(&[(1, Some(45))]))]), third])
    };
    assert_eq!(left_out(48), [one("sex", 1, "n", Rule::Subtraction, "south")]);
    // Nobody is in them.
    assert_eq!(left_out(45), []);
    // Many are, and nobody can tell in which.
    assert_eq!(left_out(95), []);
}

#[test]
fn a_difference_of_few_that_is_one_tres_alone_is_named() {
    let x = || "x".to_owned();
    let part =
        |n: i64, present: i64| table(&[], &[Measure::Count, Measure::CountOf(x())], &[&[Some(n), Some(present)]]);
    let both = |north: (i64, i64), south: (i64, i64)| {
        told(&[("north", &[("t", part(north.0, north.1))]), ("south", &[("t", part(south.0, south.1))])])
    };
    assert_eq!(both((90, 90), (80, 77)), [one("t", 0, "n_x", Rule::Difference, "south")]);
    assert_eq!(both((90, 90), (80, 60)), []);
    assert_eq!(both((90, 85), (80, 77)), []);
    assert_eq!(both((90, 90), (80, 80)), []);
}

#[test]
fn a_tre_that_has_nearly_all_is_noted_and_the_aggregate_stays_final() {
    let found = findings(&answers(&[("north", &[("count", total(1_000))]), ("south", &[("count", total(40))])]));
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].rule, found[0].tre.as_str()), (Rule::Dominance, "north"));
    assert_eq!(found[0].verdict, Verdict::Review);
    assert!(is_final(&found));
    assert_eq!(told(&[("north", &[("count", total(1_000))]), ("south", &[("count", total(100))])]), []);
}

#[test]
fn rounded_counts_agree_within_their_rounding() {
    let policy = Policy { rounding_base: 5, ..Policy::default() };
    let parts = answers(&[
        ("north", &[("count", total(100)), ("sex", by_sex(&[(1, Some(50)), (2, Some(55))]))]),
        ("south", &[("count", total(50)), ("sex", by_sex(&[(1, Some(45)), (2, None)]))]),
    ]);
    let merged = aggregate(parts.clone()).unwrap();
    let found = check(&merged, &parts, &policy);
    // 50 less 45, each off by up to 2.5: ten values from 0 to 10 remain.
    assert_eq!(found, []);
    assert_eq!(check(&merged, &parts, &Policy { rounding_base: 2, ..policy }), []);
    // Exact counts that do not add up belong to different wholes.
    assert_eq!(check(&merged, &parts, &Policy::default()), []);
    let close = answers(&[
        ("north", &[("count", total(104)), ("sex", by_sex(&[(1, Some(50)), (2, Some(54))]))]),
        ("south", &[("count", total(50)), ("sex", by_sex(&[(1, Some(46)), (2, None)]))]),
    ]);
    let found = check(&aggregate(close.clone()).unwrap(), &close, &Policy { rounding_base: 2, ..policy });
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].tre, "south");
}

#[test]
fn opaque_outputs_are_not_merged_and_not_looked_at() {
    let rows = || crate::disclosure::canonical::parse_csv(b"n\n3\n").unwrap();
    assert_eq!(told(&[("north", &[("t", rows())]), ("south", &[("t", rows())])]), []);
}

/// Figures and keys as odd as a table can hold them.
fn odd() -> impl Strategy<Value = Table> {
    let count = || {
        prop_oneof![
            4 => (0_i64..30).prop_map(Some),
            2 => Just(None),
            1 => Just(Some(i64::MAX / 4)),
        ]
    };
    prop::collection::vec((0_i64..3, count(), count(), count()), 0..5).prop_map(|rows| {
        let rows: Vec<[Option<i64>; 4]> = rows.iter().map(|(key, n, x, sum)| [Some(*key), *n, *x, *sum]).collect();
        let x = || "x".to_owned();
        let measures = [Measure::Count, Measure::CountOf(x()), Measure::Sum(x())];
        table(&["k"], &measures, &rows.iter().map(<[_; 4]>::as_slice).collect::<Vec<_>>())
    })
}

/// For each suppressed count, how many values it has in all tables that agree with the total.
fn values(total: i64, groups: &[(i64, bool)]) -> Vec<usize> {
    let rest = total - groups.iter().filter(|(_, hidden)| !hidden).map(|(n, _)| n).sum::<i64>();
    let hidden = groups.iter().filter(|(_, hidden)| *hidden).count();
    let mut values = vec![BTreeSet::new(); hidden];
    let tables = (0..hidden).fold(vec![Vec::new()], |tables: Vec<Vec<i64>>, _| {
        tables.iter().flat_map(|table| (0..=rest).map(move |n| [table.as_slice(), &[n]].concat())).collect()
    });
    for table in tables.iter().filter(|table| table.iter().sum::<i64>() == rest) {
        table.iter().zip(&mut values).for_each(|(n, values)| {
            values.insert(*n);
        });
    }
    values.iter().map(BTreeSet::len).collect()
}

proptest! {
    #[test]
    fn intervals_are_exact_for_one_margin(groups in prop::collection::vec((0_i64..14, any::<bool>()), 1..4)) {
        let total_here: i64 = groups.iter().map(|(n, _)| n).sum();
        let key = |place: usize| i64::try_from(place).unwrap();
        let rows: Vec<(i64, Option<i64>)> =
            groups.iter().enumerate().map(|(place, (n, hidden))| (key(place), (!hidden).then_some(*n))).collect();
        let whole: Vec<(i64, Option<i64>)> = (0..groups.len()).map(|place| (key(place), Some(50))).collect();
        let named: Vec<Option<usize>> = told(&[
            ("north", &[("count", total(50 * key(groups.len()))), ("sex", by_sex(&whole))]),
            ("south", &[("count", total(total_here)), ("sex", by_sex(&rows))]),
        ])
        .into_iter()
        .filter(|told| told.0 == "sex" && rows[told.1.unwrap()].1.is_none())
        .map(|told| told.1)
        .collect();
        let hidden = (0..groups.len()).filter(|place| groups[*place].1);
        let expected: Vec<Option<usize>> =
            hidden.zip(values(total_here, &groups)).filter(|(_, values)| *values < 10).map(|(place, _)| Some(place)).collect();
        prop_assert_eq!(named, expected);
    }

    #[test]
    fn whatever_the_parts_hold_gives_an_answer(one in odd(), other in odd(), third in odd(), threshold in 1_u64..40) {
        let parts = answers(&[("a", &[("s", one.clone()), ("t", third.clone())]), ("b", &[("s", other.clone())]), ("c", &[("t", one)])]);
        let policy = Policy { threshold, ..Policy::default() };
        if let Ok(merged) = aggregate(parts.clone()) {
            let found = check(&merged, &parts, &policy);
            let blanked = crate::aggregate::blank(&merged, &parts, &found, &policy);
            prop_assert_eq!(blanked.outputs.len(), merged.outputs.len());
            for finding in found {
                prop_assert!(parts.contains_key(&finding.tre) && merged.outputs.contains_key(&finding.output));
            }
            // Answers that are not those of the aggregate are no reason to stop.
            let strangers = answers(&[("x", &[("s", other)]), ("y", &[("t", third)])]);
            let found = check(&merged, &strangers, &policy);
            prop_assert_eq!(crate::aggregate::blank(&merged, &strangers, &found, &policy).outputs.len(), merged.outputs.len());
        }
    }
}
