//! What is blanked stays unknown, tried by counting every table that agrees with what is shown.

use super::*;
use crate::aggregate::aggregate;
use crate::aggregate::check::check;
use crate::aggregate::check::tests::{answers, table};
use crate::disclosure::table::Table;
use proptest::prelude::*;
use std::sync::LazyLock;

/// Sexes and wards: a task over two of each has four cells.
const SIDE: usize = 2;

/// The largest count of a cell: three TREs with five people each.
const MOST: u32 = 15;

fn policy() -> Policy {
    Policy { threshold: 3, minimum_interval: 3, ..Policy::default() }
}

/// One TRE's people by sex and ward.
type Cells = [[i64; SIDE]; SIDE];

/// A row that an output of the task can have.
struct Row {
    output: &'static str,
    keys: &'static [&'static str],
    /// The cells that it counts.
    cells: Vec<(usize, usize)>,
}

/// The rows of the task that is tried: the total, the margins, and the cells themselves.
fn rows(crossed: bool) -> Vec<Row> {
    let row = |output, keys, cells| Row { output, keys, cells };
    let all = || (0..SIDE).flat_map(|sex| (0..SIDE).map(move |ward| (sex, ward)));
    let mut rows = vec![row("count", &[][..], all().collect())];
    rows.extend((0..SIDE).map(|sex| row("sex", &["sex"], all().filter(|cell| cell.0 == sex).collect())));
    rows.extend((0..SIDE).map(|ward| row("ward", &["ward"], all().filter(|cell| cell.1 == ward).collect())));
    if crossed {
        rows.extend(all().map(|cell| row("crossed", &["sex", "ward"], vec![cell])));
    }
    rows
}

impl Row {
    fn key(&self) -> Vec<i64> {
        let value = |key: &&str| if *key == "sex" { self.cells[0].0 } else { self.cells[0].1 };
        self.keys.iter().map(|key| i64::try_from(value(key)).unwrap()).collect()
    }

    fn count(&self, people: &Cells) -> i64 {
        self.cells.iter().map(|(sex, ward)| people[*sex][*ward]).sum()
    }

    /// Its place in a table of its output.
    fn place(&self, table: &Table) -> Option<usize> {
        let key: Vec<Cell> = self.key().into_iter().map(Cell::Integer).collect();
        table.rows.iter().position(|cells| cells[..key.len()] == key)
    }

    /// The count that an aggregate shows of it.
    fn seen(&self, aggregate: &Aggregate) -> Option<i64> {
        let table = &aggregate.outputs[self.output].table;
        match table.rows[self.place(table)?][self.keys.len()] {
            Cell::Integer(n) => Some(n),
            _ => None,
        }
    }
}

/// What a TRE with these people releases: small counts suppressed where asked, groups of nobody left out.
fn release(people: &Cells, suppress: bool, crossed: bool) -> Vec<(&'static str, Table)> {
    let threshold = i64::try_from(policy().threshold).unwrap();
    let rows = rows(crossed);
    rows.chunk_by(|left, right| left.output == right.output)
        .map(|rows| {
            let line = |row: &Row| {
                let n = row.count(people);
                let cells = row.key().into_iter().map(Some);
                (n > 0 || row.keys.is_empty())
                    .then(|| cells.chain([(!suppress || n >= threshold).then_some(n)]).collect::<Vec<_>>())
            };
            let lines: Vec<Vec<Option<i64>>> = rows.iter().filter_map(line).collect();
            let lines: Vec<&[Option<i64>]> = lines.iter().map(Vec::as_slice).collect();
            (rows[0].output, table(rows[0].keys, &[Measure::Count], &lines))
        })
        .collect()
}

/// The count of each row of every output.
type Sums = [u32; 9];

/// Every table that there can be.
static EVERY: LazyLock<Vec<Sums>> = LazyLock::new(|| {
    let counts = || 0..=MOST;
    let pairs = || counts().flat_map(move |left| counts().map(move |right| (left, right)));
    let sums = |(a, b), (c, d)| [a + b + c + d, a + b, c + d, a + c, b + d, a, b, c, d];
    pairs().flat_map(|upper| pairs().map(move |lower| sums(upper, lower))).collect()
});

/// How many values each row's count has in the tables that agree with `known`, in the order of [`rows`].
fn possible(known: &[Option<i64>]) -> Vec<u32> {
    let mut values = [0_u64; 9];
    for sums in EVERY.iter() {
        if sums.iter().zip(known).all(|(sum, known)| known.is_none_or(|known| known == i64::from(*sum))) {
            values.iter_mut().zip(sums).for_each(|(values, sum)| *values |= 1 << sum);
        }
    }
    values.iter().take(known.len()).map(|values| values.count_ones()).collect()
}

/// Every figure that a finding names, or that was blanked for its sake, is unknown to an outsider, and that of the named TRE to one who knows
/// all other parts.
fn nothing_follows(people: &[(Cells, bool)], crossed: bool) -> Result<(), TestCaseError> {
    let names = ["north", "south", "west"];
    let released: Vec<Vec<(&str, Table)>> =
        people.iter().map(|(cells, suppress)| release(cells, *suppress, crossed)).collect();
    let parts: Vec<(&str, &[(&str, Table)])> =
        names.iter().zip(&released).map(|(name, tables)| (*name, tables.as_slice())).collect();
    let parts = answers(&parts);
    let merged = aggregate(parts.clone()).unwrap();
    let findings = check(&merged, &parts, &policy());
    let last = blank(&merged, &parts, &findings, &policy());
    if findings.iter().all(|finding| finding.verdict < Verdict::Fail) {
        prop_assert!(last == merged);
        return Ok(());
    }
    let interval = u32::try_from(policy().minimum_interval).unwrap();
    let rows = rows(crossed);
    let after: Vec<Option<i64>> = rows.iter().map(|row| row.seen(&last)).collect();
    let outsider = possible(&after);
    for (row, (after, values)) in rows.iter().zip(after.iter().zip(&outsider)) {
        prop_assert!(*after == row.seen(&merged) || *values > 1, "{} {:?} follows", row.output, row.key());
    }
    for (tre, (people, _)) in names.iter().zip(people) {
        // What the others have, the reader takes off.
        let known: Vec<Option<i64>> =
            after.iter().zip(&rows).map(|(after, row)| after.map(|_| row.count(people))).collect();
        let reader = possible(&known);
        for finding in findings.iter().filter(|finding| finding.verdict == Verdict::Fail && finding.tre == *tre) {
            for (place, row) in rows.iter().enumerate().filter(|(_, row)| row.output == finding.output) {
                let found = row.place(&merged.outputs[row.output].table);
                let named = found.is_some() && (finding.row.is_none() || finding.row == found);
                let n = row.count(people);
                // What only one TRE has and is not few is kept from outsiders.
                let alone = finding.rule == Rule::SeveralTres && n >= i64::from(interval) - 1;
                let values = if alone { outsider[place] } else { reader[place] };
                prop_assert!(!named || n == 0 || values >= interval, "{} {:?} of {tre}", row.output, row.key());
            }
        }
    }
    Ok(())
}

fn people() -> impl Strategy<Value = Vec<(Cells, bool)>> {
    let count = || prop_oneof![2 => 0_i64..3, 1 => 0_i64..6];
    let cells = [[count(), count()], [count(), count()]];
    prop::collection::vec((cells, any::<bool>()), 2..4)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn a_blanked_figure_cannot_be_derived_from_margins(people in people()) {
        nothing_follows(&people, false)?;
    }

    #[test]
    fn a_blanked_figure_cannot_be_derived_from_a_crossed_table(people in people()) {
        nothing_follows(&people, true)?;
    }
}

/// The figures of an output's only count column.
fn counts(aggregate: &Aggregate, output: &str) -> Vec<Option<f64>> {
    aggregate.outputs[output].table.rows.iter().map(|row| row.last().and_then(Cell::number)).collect()
}

#[test]
fn threat_46_the_small_part_is_blanked_and_one_row_more() {
    let by = |rows: &[[Option<i64>; 2]]| {
        table(&["k"], &[Measure::Count], &rows.iter().map(<[_; 2]>::as_slice).collect::<Vec<_>>())
    };
    let total = |n: i64| table(&[], &[Measure::Count], &[&[Some(n)]]);
    let parts = answers(&[
        ("north", &[("k", by(&[[Some(1), Some(40)], [Some(2), Some(50)], [Some(3), Some(60)]])), ("n", total(150))]),
        ("south", &[("k", by(&[[Some(1), Some(41)], [Some(2), Some(31)], [Some(3), Some(21)]])), ("n", total(93))]),
        ("west", &[("k", by(&[[Some(1), Some(3)], [Some(2), Some(30)], [Some(3), Some(22)]])), ("n", total(55))]),
    ]);
    let merged = aggregate(parts.clone()).unwrap();
    let findings = check(&merged, &parts, &Policy::default());
    assert_eq!(findings.len(), 1);
    let last = blank(&merged, &parts, &findings, &Policy::default());
    // The smallest row that hides west's part goes with it, and the total stays.
    assert_eq!(counts(&last, "k"), [None, Some(111.0), None]);
    assert_eq!(counts(&last, "n"), [Some(298.0)]);
    // Keys stay.
    assert_eq!(last.outputs["k"].table.rows[0][0], Cell::Integer(1));
}

#[test]
fn what_one_tre_left_out_cannot_be_told_from_the_total_any_more() {
    let by = |rows: &[[Option<i64>; 2]]| {
        table(&["k"], &[Measure::Count], &rows.iter().map(<[_; 2]>::as_slice).collect::<Vec<_>>())
    };
    let total = |n: i64| table(&[], &[Measure::Count], &[&[Some(n)]]);
    let parts = answers(&[
        ("north", &[("k", by(&[[Some(1), Some(40)], [Some(2), Some(50)]])), ("n", total(90))]),
        ("south", &[("k", by(&[[Some(1), Some(41)]])), ("n", total(44))]),
        ("west", &[("k", by(&[[Some(1), Some(43)], [Some(2), Some(30)]])), ("n", total(73))]),
    ]);
    let merged = aggregate(parts.clone()).unwrap();
    let findings = check(&merged, &parts, &Policy::default());
    assert_eq!(findings.len(), 1);
    let last = blank(&merged, &parts, &findings, &Policy::default());
    // South has one row and its total: one of the two would give the other away.
    assert_eq!(counts(&last, "k"), [None, Some(80.0)]);
    assert_eq!(counts(&last, "n"), [None]);
}

#[test]
fn a_difference_takes_only_what_it_is_about() {
    let x = || "x".to_owned();
    let part = |n: i64, present: i64, y: i64| {
        let measures = [Measure::Count, Measure::CountOf(x()), Measure::Sum(x()), Measure::CountOf("y".into())];
        table(&[], &measures, &[&[Some(n), Some(present), Some(7), Some(y)]])
    };
    let parts = answers(&[("north", &[("t", part(90, 90, 50))]), ("south", &[("t", part(80, 77, 40))])]);
    let merged = aggregate(parts.clone()).unwrap();
    let last = blank(&merged, &parts, &check(&merged, &parts, &Policy::default()), &Policy::default());
    assert_eq!(last.outputs["t"].table.rows, [[Cell::Integer(170), Cell::Null, Cell::Null, Cell::Integer(90)]]);
}

#[test]
fn a_note_blanks_nothing() {
    let total = |n: i64| table(&[], &[Measure::Count], &[&[Some(n)]]);
    let parts = answers(&[("north", &[("n", total(1_000))]), ("south", &[("n", total(20))])]);
    let merged = aggregate(parts.clone()).unwrap();
    let findings = check(&merged, &parts, &Policy::default());
    assert_eq!(findings.len(), 1);
    assert_eq!(blank(&merged, &parts, &findings, &Policy::default()), merged);
}
