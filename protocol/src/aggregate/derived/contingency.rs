//! Pearson's χ² test of independence over a merged contingency table, and Cramér's V.

use crate::aggregate::derived::distribution::chi_squared_above;
use crate::aggregate::derived::sheet::{Figures, LACKING, Sheet, count, real, small};
use crate::aggregate::derived::{Derived, Parameters, list};
use crate::aggregate::merge::Key;
use crate::disclosure::table::{Cell, CellType, Measure, Table};
use std::collections::{BTreeMap, BTreeSet};

/// Below so many expected in a cell, χ² is a poor approximation (Cochran 1954).
const EXPECTED: f64 = 5.0;

/// The counts of one group's cells, by the levels of both sides.
#[derive(Default)]
struct Crossed<'a> {
    cells: BTreeMap<(Key<'a>, Key<'a>), f64>,
    lacks: bool,
}

/// What the test says of one group.
struct Tested {
    n: f64,
    chi_squared: f64,
    freedom: f64,
    cramers_v: Option<f64>,
    least: f64,
    few: f64,
}

/// One row for each group of `by`: the columns `rows` against the columns `columns`.
pub(super) fn test(output: &str, table: &Table, parameters: &Parameters) -> Option<Derived> {
    let figures = Figures::of(table);
    let places = |name: &str| list(parameters, name).iter().map(|name| figures.key(name)).collect::<Option<Vec<_>>>();
    let (by, rows, columns) = (places("by")?, places("rows")?, places("columns")?);
    if rows.is_empty() || columns.is_empty() || by.len() + rows.len() + columns.len() != figures.keys.len() {
        return None;
    }
    let columns_told = [
        ("n", CellType::Integer),
        ("chi_squared", CellType::Real),
        ("df", CellType::Integer),
        ("p", CellType::Real),
        ("cramers_v", CellType::Real),
        ("least_expected", CellType::Real),
        ("cells_below_5", CellType::Integer),
    ];
    let mut sheet = Sheet::new(output, "test", figures.columns(&by), &columns_told);
    let mut groups: BTreeMap<Key<'_>, Crossed<'_>> = BTreeMap::new();
    for row in &table.rows {
        let key = |places: &[usize]| Key(places.iter().map(|place| &row[*place]).collect());
        if rows.iter().chain(&columns).any(|place| row[*place] == Cell::Null) {
            sheet.note("rows in which one of the crossed columns is empty are left out");
            continue;
        }
        let group = groups.entry(key(&by)).or_default();
        match figures.number(row, &Measure::Count) {
            Some(n) => *group.cells.entry((key(&rows), key(&columns))).or_insert(0.0) += n,
            None => group.lacks = true,
        }
    }
    for (group, crossed) in &groups {
        let tested = if crossed.lacks { None } else { crossed.test() };
        match &tested {
            None if crossed.lacks => sheet.note(LACKING),
            None => sheet.note("a test of independence needs two levels on both sides"),
            Some(tested) if tested.few > 0.0 => sheet.note(format!(
                "{} of the cells have fewer than 5 expected: the p-value is approximate, rather join levels",
                tested.few
            )),
            Some(_) => {}
        }
        let of = |figure: fn(&Tested) -> f64| tested.as_ref().map(figure);
        let p = tested.as_ref().and_then(|tested| chi_squared_above(tested.chi_squared, tested.freedom));
        sheet.row(group.0.iter().map(|cell| (*cell).clone()).chain([
            count(of(|tested| tested.n)),
            real(of(|tested| tested.chi_squared)),
            count(of(|tested| tested.freedom)),
            real(p),
            real(tested.as_ref().and_then(|tested| tested.cramers_v)),
            real(of(|tested| tested.least)),
            count(of(|tested| tested.few)),
        ]));
    }
    Some(sheet.done())
}

impl Crossed<'_> {
    /// Σ (observed − expected)² / expected; a combination that no row has counts as 0.
    fn test(&self) -> Option<Tested> {
        let mut of_rows: BTreeMap<&Key<'_>, f64> = BTreeMap::new();
        let mut of_columns: BTreeMap<&Key<'_>, f64> = BTreeMap::new();
        for ((row, column), n) in &self.cells {
            *of_rows.entry(row).or_insert(0.0) += n;
            *of_columns.entry(column).or_insert(0.0) += n;
        }
        of_rows.retain(|_, n| *n > 0.0);
        of_columns.retain(|_, n| *n > 0.0);
        let n: f64 = of_rows.values().sum();
        let (rows, columns) = (small(of_rows.len()), small(of_columns.len()));
        if of_rows.len() < 2 || of_columns.len() < 2 {
            return None;
        }
        let observed: BTreeMap<(&Key<'_>, &Key<'_>), f64> =
            self.cells.iter().map(|((row, column), n)| ((row, column), *n)).collect();
        let (mut chi_squared, mut least, mut few) = (0.0, f64::INFINITY, BTreeSet::new());
        for (row, in_row) in &of_rows {
            for (column, in_column) in &of_columns {
                let expected = in_row * in_column / n;
                let found = observed.get(&(*row, *column)).copied().unwrap_or(0.0);
                chi_squared += (found - expected) * (found - expected) / expected;
                least = f64::min(least, expected);
                if expected < EXPECTED {
                    few.insert((*row, *column));
                }
            }
        }
        Some(Tested {
            n,
            chi_squared,
            freedom: (rows - 1.0) * (columns - 1.0),
            cramers_v: Some((chi_squared / n / (rows.min(columns) - 1.0)).sqrt()),
            least,
            few: small(few.len()),
        })
    }
}
