//! Merged tables read by measure, and derived tables as they are written.

use crate::aggregate::derived::Derived;
use crate::disclosure::table::{Cell, CellType, Column, Measure, Role, Table};

/// The keys of a merged table, and its figures by measure.
pub(super) struct Figures<'a> {
    pub(super) table: &'a Table,
    pub(super) keys: Vec<usize>,
}

impl<'a> Figures<'a> {
    pub(super) fn of(table: &'a Table) -> Self {
        let keys = (0..table.columns.len()).filter(|column| table.columns[*column].role == Role::Key).collect();
        Self { table, keys }
    }

    /// The place of a key.
    pub(super) fn key(&self, name: &str) -> Option<usize> {
        self.keys.iter().copied().find(|key| self.table.columns[*key].name == name)
    }

    pub(super) fn has(&self, measure: &Measure) -> bool {
        self.place(measure).is_some()
    }

    fn place(&self, measure: &Measure) -> Option<usize> {
        let is = |column: &Column| matches!(&column.role, Role::Measure(found) if found == measure);
        self.table.columns.iter().position(is)
    }

    /// A finite figure; none where it is not there or was suppressed.
    pub(super) fn number(&self, row: &[Cell], measure: &Measure) -> Option<f64> {
        row.get(self.place(measure)?)?.number().filter(|number| number.is_finite())
    }

    /// The columns and cells of some keys.
    pub(super) fn columns(&self, keys: &[usize]) -> Vec<Column> {
        keys.iter().map(|key| self.table.columns[*key].clone()).collect()
    }
}

/// A derived table as it is made.
pub(super) struct Sheet {
    name: String,
    table: Table,
    notes: Vec<String>,
}

impl Sheet {
    /// An empty table: columns that name a row, then figures.
    pub(super) fn new(output: &str, what: &str, keys: Vec<Column>, figures: &[(&str, CellType)]) -> Self {
        let figures = figures.iter().map(|(name, ty)| Column { name: (*name).to_owned(), ty: *ty, role: Role::Opaque });
        let columns = keys.into_iter().chain(figures).collect();
        Self { name: format!("{output}.{what}"), table: Table { columns, rows: Vec::new() }, notes: Vec::new() }
    }

    pub(super) fn row(&mut self, cells: impl IntoIterator<Item = Cell>) {
        self.table.rows.push(cells.into_iter().collect());
    }

    /// Says something once.
    pub(super) fn note(&mut self, note: impl Into<String>) {
        let note = note.into();
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    pub(super) fn done(self) -> Derived {
        Derived { name: self.name, table: self.table, notes: self.notes }
    }
}

/// A key column of a derived table.
pub(super) fn key(name: &str, ty: CellType) -> Column {
    Column { name: name.to_owned(), ty, role: Role::Key }
}

/// A figure, or null where there is none or it is no finite number.
pub(super) fn real(value: impl Into<Option<f64>>) -> Cell {
    value.into().filter(|value| value.is_finite()).map_or(Cell::Null, |value| Cell::Real(value + 0.0))
}

/// A count that was read as a double.
#[allow(clippy::cast_possible_truncation, reason = "counts of rows are whole and far below 2^53")]
pub(super) fn count(value: impl Into<Option<f64>>) -> Cell {
    let whole = value.into().filter(|value| value.is_finite() && value.abs() < 9e15);
    whole.map_or(Cell::Null, |value| Cell::Integer(value.round() as i64))
}

pub(super) fn text(value: &str) -> Cell {
    Cell::Text(value.to_owned())
}

/// A number of things as a double.
pub(super) fn small(number: usize) -> f64 {
    f64::from(u32::try_from(number).unwrap_or(u32::MAX))
}

/// Why a figure is not there.
pub(super) const LACKING: &str =
    "something that this needs is suppressed at a TRE or blank in the aggregate; it cannot be computed";
