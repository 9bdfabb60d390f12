//! Descriptive statistics: standard deviation, standard error and 95 % interval of every mean that has its count and variance beside it.

use crate::aggregate::derived::Derived;
use crate::aggregate::derived::distribution::t_95;
use crate::aggregate::derived::sheet::{Figures, LACKING, Sheet, count, key, real, text};
use crate::disclosure::table::{CellType, Measure, Role, Table};

/// One row for each group and column; none where nothing has all three figures.
pub(super) fn of(output: &str, table: &Table) -> Option<Derived> {
    let figures = Figures::of(table);
    let described: Vec<&String> = table
        .columns
        .iter()
        .filter_map(|column| match &column.role {
            Role::Measure(Measure::Variance(x)) => Some(x),
            _ => None,
        })
        .filter(|x| figures.has(&Measure::CountOf((*x).clone())) && figures.has(&Measure::Mean((*x).clone())))
        .collect();
    if described.is_empty() {
        return None;
    }
    let mut keys = figures.columns(&figures.keys);
    keys.push(key("column", CellType::Text));
    let columns = ["mean", "sd", "se", "ci_low", "ci_high"].map(|name| (name, CellType::Real));
    let columns: Vec<_> = std::iter::once(("n", CellType::Integer)).chain(columns).collect();
    let mut sheet = Sheet::new(output, "summary", keys, &columns);
    for row in &table.rows {
        for x in &described {
            let figure = |measure: fn(String) -> Measure| figures.number(row, &measure((*x).clone()));
            let (n, mean, variance) = (figure(Measure::CountOf), figure(Measure::Mean), figure(Measure::Variance));
            if n.is_none() || (n > Some(1.0) && variance.is_none()) {
                sheet.note(LACKING);
            }
            let error = n.zip(variance).map(|(n, variance)| (variance / n).sqrt());
            let half = n.and_then(|n| t_95(n - 1.0)).zip(error).map(|(t, error)| t * error);
            let bound = |sign: f64| real(mean.zip(half).map(|(mean, half)| mean + sign * half));
            let cells = figures.keys.iter().map(|key| row[*key].clone());
            let spread = [count(n), real(mean), real(variance.map(f64::sqrt)), real(error), bound(-1.0), bound(1.0)];
            sheet.row(cells.chain([text(x)]).chain(spread));
        }
    }
    Some(sheet.done())
}
