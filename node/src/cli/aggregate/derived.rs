//! What follows from merged outputs, as people read it: tables, notes, curves.

use crate::cli::aggregate::value;
use crate::cli::speak::{Speak, plain};
use crate::plot::curve::{self, Curve};
use protocol::aggregate::{Analysis, Derived, curves_of};
use protocol::disclosure::canonical::print;
use protocol::disclosure::table::{Cell, Role};
use serde_json::{Value, json};

/// The digits that a figure has in the terminal; files and `--json` have all.
const DIGITS: usize = 6;

/// Shows the tables, and draws curves where there is a width for them; whether one was drawn.
pub(crate) fn show(analysis: &Analysis, plot: Option<usize>, speak: &Speak) -> bool {
    let mut drawn = false;
    for derived in &analysis.tables {
        speak.line(&format!("{}:", plain(&derived.name)));
        if !derived.table.rows.is_empty() {
            let heading: Vec<String> = derived.table.columns.iter().map(|column| plain(&column.name)).collect();
            let heading: Vec<&str> = heading.iter().map(String::as_str).collect();
            let rows: Vec<Vec<String>> =
                derived.table.rows.iter().map(|row| row.iter().map(short).collect::<Vec<_>>()).collect();
            speak.table(&heading, &rows);
        }
        for note in &derived.notes {
            speak.line(&format!("  · {}", plain(note)));
        }
        if let Some((curves, width)) = drawable(derived).zip(plot) {
            curve::steps(&curves, width).iter().for_each(|line| speak.line(line));
            drawn = true;
        }
        speak.line("");
    }
    drawn
}

/// The first curves that follow.
pub(crate) fn curves(analysis: &Analysis) -> Option<Vec<Curve>> {
    analysis.tables.iter().find_map(drawable)
}

fn drawable(derived: &Derived) -> Option<Vec<Curve>> {
    let curves = curves_of(derived)?.into_iter().map(|(label, points)| Curve { label: plain(&label), points });
    Some(curves.collect())
}

/// A cell with as many digits as a person reads.
fn short(cell: &Cell) -> String {
    match cell {
        Cell::Null => "–".to_owned(),
        Cell::Real(value) if *value != 0.0 && (value.abs() < 1e-4 || value.abs() >= 1e9) => format!("{value:.2e}"),
        Cell::Real(value) => {
            let whole = value.abs().log10().floor().max(0.0);
            let before = (0..DIGITS).find(|digits| whole < f64::from(u8::try_from(*digits).unwrap_or(u8::MAX)) + 1.0);
            format!("{value:.*}", DIGITS - 1 - before.unwrap_or(DIGITS - 1).min(DIGITS - 1))
        }
        other => plain(&print(other)),
    }
}

/// The tables in JSON, by name.
pub(crate) fn told(analysis: &Analysis) -> Value {
    let table = |derived: &Derived| {
        let rows: Vec<Vec<Value>> = derived.table.rows.iter().map(|row| row.iter().map(value).collect()).collect();
        let columns: Vec<Value> = (derived.table.columns.iter())
            .map(|column| json!({ "name": column.name, "type": column.ty, "key": column.role == Role::Key }))
            .collect();
        json!({ "columns": columns, "rows": rows, "notes": derived.notes })
    };
    analysis.tables.iter().map(|derived| (derived.name.clone(), table(derived))).collect()
}

#[cfg(test)]
mod tests {
    use super::short;
    use protocol::disclosure::table::Cell;

    #[test]
    fn figures_have_six_digits_and_small_ones_a_power() {
        let cases = [
            (0.5, "0.50000"),
            (-12.345_678, "-12.3457"),
            (98_765.432_1, "98765.4"),
            (1_234_567.8, "1234568"),
            (1.5e-12, "1.50e-12"),
            (0.0, "0.00000"),
            (2.5e12, "2.50e12"),
        ];
        for (value, shown) in cases {
            assert_eq!(short(&Cell::Real(value)), shown);
        }
        assert_eq!((short(&Cell::Integer(7)).as_str(), short(&Cell::Null).as_str()), ("7", "–"));
    }
}
