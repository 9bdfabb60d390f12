//! What differs between a held table and one that left before: cell by cell, in rows about the same groups.

use crate::door::{Earlier, Review};
use protocol::disclosure::canonical::print;
use protocol::disclosure::table::{Cell, Role, Table};
use protocol::safes::outputs::HeldOutput;
use std::collections::BTreeMap;
use std::fmt;

/// What differs. It is for the reviewer and stays in the TRE.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Difference {
    /// The cells that say something else now.
    pub changed: Vec<Changed>,
    /// How many cells stand in rows that both have, keys not counted.
    pub compared: usize,
    /// The rows that were not there before, counted from 0.
    pub new_rows: Vec<usize>,
    /// How many rows are there no more.
    pub gone_rows: usize,
}

/// A cell that says something else now.
#[derive(Clone, PartialEq, Eq)]
pub struct Changed {
    /// Its row in the held table, counted from 0.
    pub row: usize,
    /// Its column, counted from 0.
    pub column: usize,
    /// What stood there before, as it is printed.
    pub before: String,
}

/// Outputs never reach a log.
impl fmt::Debug for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Difference({} cells of {})", self.changed.len(), self.compared)
    }
}

/// Outputs never reach a log.
impl fmt::Debug for Changed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Changed({}, {})", self.row, self.column)
    }
}

/// In words, for a reviewer.
impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_none() {
            return f.write_str("nothing has changed");
        }
        write!(f, "{} of {} figures changed", self.changed.len(), self.compared)?;
        let rows = |count: usize| if count == 1 { "row" } else { "rows" };
        if !self.new_rows.is_empty() {
            write!(f, ", {} {} new", self.new_rows.len(), rows(self.new_rows.len()))?;
        }
        if self.gone_rows > 0 {
            write!(f, ", {} {} gone", self.gone_rows, rows(self.gone_rows))?;
        }
        Ok(())
    }
}

impl Difference {
    /// Whether both tables say the same.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.changed.is_empty() && self.new_rows.is_empty() && self.gone_rows == 0
    }
}

/// Compares; none when the columns are others. Rows are about the same group when their keys are equal; where there is no key, and no single
/// row, they are compared as wholes.
#[must_use]
pub fn compare(now: &Table, before: &Table) -> Option<Difference> {
    if now.columns != before.columns {
        return None;
    }
    let keys: Vec<usize> =
        now.columns.iter().enumerate().filter(|(_, column)| column.role == Role::Key).map(|(at, _)| at).collect();
    let whole = keys.is_empty() && (now.rows.len() != 1 || before.rows.len() != 1);
    let key = |row: &[Cell]| -> Vec<(bool, String)> {
        let cells = row.iter().enumerate().filter(|(at, _)| whole || keys.contains(at));
        // An empty text is not a missing one.
        cells.map(|(_, cell)| (*cell == Cell::Null, print(cell))).collect()
    };
    let mut left: BTreeMap<Vec<(bool, String)>, Vec<usize>> = BTreeMap::new();
    for (at, row) in before.rows.iter().enumerate().rev() {
        left.entry(key(row)).or_default().push(at);
    }
    let mut found = Difference::default();
    for (at, row) in now.rows.iter().enumerate() {
        let Some(partner) = left.get_mut(&key(row)).and_then(Vec::pop) else {
            found.new_rows.push(at);
            continue;
        };
        for (column, cell) in row.iter().enumerate().filter(|(column, _)| !keys.contains(column)) {
            found.compared += 1;
            let was = &before.rows[partner][column];
            if was.order(cell).is_ne() {
                found.changed.push(Changed { row: at, column, before: print(was) });
            }
        }
    }
    found.gone_rows = left.values().map(Vec::len).sum();
    Some(found)
}

/// The releases with an output of this name, nearest first: those of the same project before others, then the newest.
#[must_use]
pub fn nearest<'a>(review: &'a Review, output: &HeldOutput) -> Vec<&'a Earlier> {
    let mut found: Vec<&Earlier> = review.earlier.iter().filter(|one| one.outputs.contains(&output.name)).collect();
    found.sort_by_key(|one| std::cmp::Reverse((one.project == review.waiting.project, one.released_at, one.task)));
    found
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
mod tests {
    use super::compare;
    use protocol::disclosure::canonical::parse_csv;
    use protocol::disclosure::table::{Measure, Role, Table};

    fn table(csv: &str, keys: &[&str]) -> Table {
        let mut table = parse_csv(csv.as_bytes()).unwrap();
        for column in &mut table.columns {
            column.role = if keys.contains(&column.name.as_str()) { Role::Key } else { Role::Measure(Measure::Count) };
        }
        table
    }

    #[test]
    fn rows_of_the_same_group_are_compared_figure_by_figure() {
        let before = table("sex,n\nf,100\nm,90\nx,30\n", &["sex"]);
        let now = table("sex,n\nf,101\nm,90\nz,12\n", &["sex"]);
        let found = compare(&now, &before).unwrap();
        assert_eq!((found.compared, &found.new_rows, found.gone_rows), (2, &vec![2], 1));
        assert_eq!((found.changed[0].row, found.changed[0].column, found.changed[0].before.as_str()), (0, 1, "100"));
        assert_eq!(found.to_string(), "1 of 2 figures changed, 1 row new, 1 row gone");
        assert!(!format!("{found:?}{:?}", found.changed).contains("100"), "outputs never reach a log");
        assert!(compare(&now, &now).unwrap().is_none());
    }

    #[test]
    fn a_single_row_and_rows_without_keys_have_their_own_ways() {
        let one = compare(&table("n\n41\n", &[]), &table("n\n40\n", &[])).unwrap();
        assert_eq!((one.changed.len(), one.compared), (1, 1));
        let many = compare(&table("n\n41\n41\n7\n", &[]), &table("n\n41\n8\n9\n", &[])).unwrap();
        assert_eq!((many.changed.len(), many.new_rows.len(), many.gone_rows), (0, 2, 2));
        assert!(compare(&table("n\n1\n", &[]), &table("m\n1\n", &[])).is_none(), "other columns");
    }
}
