//! Pearson's correlation of merged columns: the t test of no correlation, and Fisher's interval.

use crate::aggregate::derived::Derived;
use crate::aggregate::derived::distribution::{NORMAL_95, t_two_sided};
use crate::aggregate::derived::sheet::{Figures, LACKING, Sheet, count, key, real, text};
use crate::disclosure::table::{CellType, Measure, Role, Table};

/// One row for each group and pair of columns.
pub(super) fn test(output: &str, table: &Table) -> Option<Derived> {
    let figures = Figures::of(table);
    let pairs: Vec<(&String, &String, usize)> = table
        .columns
        .iter()
        .filter_map(|column| {
            let Role::Measure(Measure::Covariance(x, y)) = &column.role else { return None };
            // The merge adds this column where both variances stand beside the covariance.
            let name = format!("pmcc_{x}_{y}");
            let place = table.columns.iter().position(|column| column.name == name && column.role == Role::Opaque)?;
            Some((x, y, place))
        })
        .collect();
    if pairs.is_empty() {
        return None;
    }
    let mut keys = figures.columns(&figures.keys);
    keys.extend([key("x", CellType::Text), key("y", CellType::Text)]);
    let columns = [
        ("n", CellType::Integer),
        ("r", CellType::Real),
        ("t", CellType::Real),
        ("df", CellType::Integer),
        ("p", CellType::Real),
        ("ci_low", CellType::Real),
        ("ci_high", CellType::Real),
    ];
    let mut sheet = Sheet::new(output, "test", keys, &columns);
    for row in &table.rows {
        for (x, y, place) in &pairs {
            let n = figures.number(row, &Measure::CountOf((*x).clone()));
            let r = row[*place].number();
            if n.is_none() || r.is_none() {
                sheet.note(format!("{LACKING}, or a column does not vary"));
            }
            let freedom = n.map(|n| n - 2.0).filter(|freedom| *freedom > 0.0);
            let t = r.zip(freedom).map(|(r, freedom)| r * (freedom / (1.0 - r * r)).sqrt());
            let p = t.zip(freedom).and_then(|(t, freedom)| t_two_sided(t, freedom));
            // Fisher's z = atanh r has the standard error 1 / sqrt(n - 3).
            let bound = |sign: f64| {
                let (r, n) = r.zip(n.filter(|n| *n > 3.0))?;
                Some((r.atanh() + sign * NORMAL_95 / (n - 3.0).sqrt()).tanh())
            };
            let cells = figures.keys.iter().map(|key| row[*key].clone()).chain([text(x), text(y)]);
            let told = [count(n), real(r), real(t), count(freedom), real(p), real(bound(-1.0)), real(bound(1.0))];
            sheet.row(cells.chain(told));
        }
    }
    Some(sheet.done())
}
