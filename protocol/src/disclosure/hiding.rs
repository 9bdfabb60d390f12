//! Which figures of witnessed tables are blanked before review: those that fail a rule, and as many more as keep them from being computed.

use crate::disclosure::canonical::{Canonical, Place};
use crate::disclosure::contributors::Contributors;
use crate::disclosure::policy::Policy;
use crate::disclosure::rules::figures;
use crate::disclosure::table::{Cell, Measure, Role, Table, Witnessed};

/// Which cells of a witnessed table are blank, by the rows and columns in which the host made it.
#[derive(Clone, Default)]
pub(crate) struct Hidden {
    /// Empty where nothing is.
    cells: Vec<Vec<bool>>,
}

impl Hidden {
    /// Whether a cell is blank.
    pub(crate) fn is(&self, place: Place) -> bool {
        self.cells.get(place.row).and_then(|row| row.get(place.column)).copied().unwrap_or(false)
    }

    /// Whether any cell is blank.
    pub(crate) fn any(&self) -> bool {
        self.cells.iter().flatten().any(|hidden| *hidden)
    }

    /// The figures that fail a rule by their own evidence. Where the group itself is too small, all of its figures go.
    pub(crate) fn failing(witnessed: &Witnessed, policy: &Policy) -> Self {
        let columns = &witnessed.table.columns;
        let fitted = figures::fitted(columns);
        let row = |evidence: &Vec<_>| {
            let fails = |column: usize| match (&columns[column].role, evidence.get(column).copied().flatten()) {
                (Role::Measure(measure), Some(evidence)) => figures::fails(measure, &evidence, fitted, policy),
                _ => false,
            };
            let group =
                |column: &usize| matches!(columns[*column].role, Role::Measure(Measure::Count | Measure::Subjects));
            let all = (0..columns.len()).filter(group).any(fails);
            (0..columns.len()).map(|column| columns[column].role != Role::Key && (all || fails(column))).collect()
        };
        Self { cells: witnessed.evidence.iter().map(row).collect() }
    }

    /// Blanks every figure of a row.
    pub(crate) fn hide_row(&mut self, witnessed: &Witnessed, row: usize) {
        let columns = &witnessed.table.columns;
        self.cells.resize(self.cells.len().max(row + 1), Vec::new());
        self.cells[row] = columns.iter().map(|column| column.role != Role::Key).collect();
    }

    /// Empties the blank cells of a table.
    pub(crate) fn apply(&self, table: &mut Table) {
        for (cells, hidden) in table.rows.iter_mut().zip(&self.cells) {
            for (cell, hidden) in cells.iter_mut().zip(hidden) {
                if *hidden {
                    *cell = Cell::Null;
                }
            }
        }
    }

    /// The sets behind the cells of the canonical table; nobody stands behind a blank.
    pub(crate) fn reorder(&self, contributors: &Contributors, canonical: &Canonical) -> Contributors {
        let behind = |row, column| {
            let origin = canonical.origin(Place { row, column }).filter(|origin| !self.is(*origin))?;
            *contributors.of.get(origin.row)?.get(origin.column)?
        };
        let columns = canonical.schema().len();
        let rows = 0..canonical.table().rows.len();
        Contributors {
            dataset: contributors.dataset.clone(),
            sets: contributors.sets.clone(),
            of: rows.map(|row| (0..columns).map(|column| behind(row, column)).collect()).collect(),
        }
    }
}
