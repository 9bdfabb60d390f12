//! Tables of one output become one table: counts and sums add, means, variances and covariances merge exactly, opaque rows stand under each other.
//!
//! Means, variances and covariances are merged pairwise (Chan, Golub and LeVeque 1983), which needs the count and the means beside them; a
//! table without those is refused with the name of what is missing. Distinct subjects add too: a person who is known to two TREs counts twice.

use crate::aggregate::figure::{Fault, Plan, merge_group};
use crate::disclosure::canonical::print;
use crate::disclosure::table::{Cell, CellType, Column, Measure, Role, Table, Tier};
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use thiserror::Error;

/// The column that says where a row of an opaque output came from.
pub const ORIGIN: &str = "tre";

/// A released table and where it came from.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// The TRE's name.
    pub tre: String,
    /// The table, read back from the released bytes.
    pub table: Table,
}

/// Several parts as one table.
#[derive(Clone, Debug, PartialEq)]
pub struct Merged {
    /// One row for each group, sorted by its keys; or, for opaque outputs, all rows behind a leading column [`ORIGIN`].
    /// A figure that cannot be known, because a part of it was suppressed or was no finite number, is null.
    pub table: Table,
    /// The TREs in it, sorted.
    pub contributors: Vec<String>,
    /// For each row, the places in `contributors` of the TREs that have this group.
    pub row_contributors: Vec<Vec<usize>>,
    /// For figures that are null because parts of them are: by row and column, the places in `contributors` of the TREs whose parts they lack.
    pub partial: BTreeMap<(usize, usize), Vec<usize>>,
}

/// Why parts do not become one table.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum MergeError {
    /// Nothing was released.
    #[error("there is no table to merge; wait for a TRE to release one")]
    NoParts,
    /// Its figures would count twice.
    #[error("there are two tables from {tre}; keep one of them")]
    RepeatedTre {
        /// The TRE.
        tre: String,
    },
    /// Names, order or roles differ.
    #[error("the columns from {tre} are not those from {first}; merge outputs of one task only")]
    ColumnsDiffer {
        /// The first TRE.
        first: String,
        /// The one that differs.
        tre: String,
    },
    /// A key or figure has a type that the others' does not merge with.
    #[error(
        "the column `{column}` has another type at {tre}; cast it in the query so that it is the same at every TRE"
    )]
    TypesDiffer {
        /// The column.
        column: String,
        /// The TRE that differs from the first.
        tre: String,
    },
    /// A figure that merges only with others beside it.
    #[error("`{column}` cannot be merged without {needs} beside it; ask for that measure too")]
    Missing {
        /// The column.
        column: String,
        /// The measure that is not there.
        needs: Measure,
    },
    /// Some columns are figures of the host and some are not.
    #[error("the column `{column}` is opaque and stands beside figures that merge; write it to an output of its own")]
    OpaqueColumn {
        /// The opaque column.
        column: String,
    },
    /// A count that is negative, or a figure that is no number.
    #[error(
        "the column `{column}` from {tre} holds a cell that is not the figure it should be; fetch the result again"
    )]
    NotAFigure {
        /// The column.
        column: String,
        /// The TRE.
        tre: String,
    },
    /// The counts of the two columns of a covariance differ.
    #[error(
        "`{column}` cannot be merged: its two columns are not present in the same rows at {tre}; leave out rows that have only one"
    )]
    Unpaired {
        /// The covariance.
        column: String,
        /// The TRE.
        tre: String,
    },
    /// An integer sum beyond 64 bits.
    #[error("the sum of `{column}` over the TREs is beyond 64 bits; ask for it as a real number")]
    Overflow {
        /// The column.
        column: String,
    },
    /// A column that the merge adds is there already.
    #[error("the column `{column}` would stand twice in the merged table; rename yours")]
    NameTaken {
        /// The column.
        column: String,
    },
}

/// Merges the tables of one output. The parts' order does not matter.
///
/// Columns, their order and their roles must be equal. Numeric figures whose types differ become real. Where a covariance stands beside both
/// variances, Pearson's correlation follows as a column `pmcc_x_y`.
///
/// # Errors
/// [`MergeError`] says what differs or is missing.
pub fn merge(parts: &[Part]) -> Result<Merged, MergeError> {
    let mut parts: Vec<&Part> = parts.iter().collect();
    parts.sort_by(|left, right| left.tre.cmp(&right.tre));
    let first = *parts.first().ok_or(MergeError::NoParts)?;
    if let Some(pair) = parts.windows(2).find(|pair| pair[0].tre == pair[1].tre) {
        return Err(MergeError::RepeatedTre { tre: pair[0].tre.clone() });
    }
    for part in &parts {
        let same = part.table.columns.len() == first.table.columns.len()
            && part
                .table
                .columns
                .iter()
                .zip(&first.table.columns)
                .all(|(one, other)| one.name == other.name && one.role == other.role)
            && part.table.rows.iter().all(|row| row.len() == first.table.columns.len());
        if !same {
            return Err(MergeError::ColumnsDiffer { first: first.tre.clone(), tre: part.tre.clone() });
        }
    }
    if first.table.tier() == Tier::Opaque { concatenate(&parts) } else { combine(&parts) }
}

/// Puts opaque rows under each other, behind the name of their TRE.
fn concatenate(parts: &[&Part]) -> Result<Merged, MergeError> {
    let columns = &parts[0].table.columns;
    let figure = columns.iter().any(|column| matches!(column.role, Role::Measure(_)));
    if let Some(opaque) = columns.iter().find(|column| figure && column.role == Role::Opaque) {
        return Err(MergeError::OpaqueColumn { column: opaque.name.clone() });
    }
    if columns.iter().any(|column| column.name == ORIGIN) {
        return Err(MergeError::NameTaken { column: ORIGIN.to_owned() });
    }
    let (columns, tables) = unify(parts)?;
    let origin = Column { name: ORIGIN.to_owned(), ty: CellType::Text, role: Role::Key };
    let mut merged = Merged {
        table: Table { columns: std::iter::once(origin).chain(columns).collect(), rows: Vec::new() },
        contributors: names(parts),
        row_contributors: Vec::new(),
        partial: BTreeMap::new(),
    };
    for (place, (part, rows)) in parts.iter().zip(tables).enumerate() {
        for row in rows {
            merged.table.rows.push(std::iter::once(Cell::Text(part.tre.clone())).chain(row).collect());
            merged.row_contributors.push(vec![place]);
        }
    }
    Ok(merged)
}

/// Merges the figures of equal groups.
fn combine(parts: &[&Part]) -> Result<Merged, MergeError> {
    let (mut columns, tables) = unify(parts)?;
    let plan = Plan::of(&columns)
        .map_err(|(column, needs)| MergeError::Missing { column: columns[column].name.clone(), needs })?;
    let mut groups: BTreeMap<Key<'_>, Vec<(usize, &[Cell])>> = BTreeMap::new();
    for (part, rows) in tables.iter().enumerate() {
        for row in rows {
            let key = plan.keys.iter().map(|column| &row[*column]).collect();
            groups.entry(Key(key)).or_default().push((part, row));
        }
    }
    let mut merged = Merged {
        table: Table { columns: Vec::new(), rows: Vec::with_capacity(groups.len()) },
        contributors: names(parts),
        row_contributors: Vec::new(),
        partial: BTreeMap::new(),
    };
    for group in groups.values() {
        let row = merge_group(&plan, group).map_err(|fault| {
            let named = |column: usize| columns[column].name.clone();
            let from = |part: usize| parts[part].tre.clone();
            match fault {
                Fault::NotAFigure { part, column } => MergeError::NotAFigure { column: named(column), tre: from(part) },
                Fault::Unpaired { part, column } => MergeError::Unpaired { column: named(column), tre: from(part) },
                Fault::Overflow { column } => MergeError::Overflow { column: named(column) },
            }
        })?;
        let place = merged.table.rows.len();
        merged.partial.extend(row.partial.into_iter().map(|(column, parts)| ((place, column), parts)));
        merged.table.rows.push(row.cells);
        let from: BTreeSet<usize> = group.iter().map(|(part, _)| *part).collect();
        merged.row_contributors.push(from.into_iter().collect());
    }
    for name in plan.correlations.iter().map(|correlation| correlation.name.clone()) {
        if columns.iter().any(|column| column.name == name) {
            return Err(MergeError::NameTaken { column: name });
        }
        columns.push(Column { name, ty: CellType::Real, role: Role::Opaque });
    }
    for column in &mut columns {
        if matches!(column.role, Role::Measure(Measure::Mean(_) | Measure::Variance(_) | Measure::Covariance(_, _)))
            || (matches!(column.role, Role::Measure(Measure::Sum(_))) && column.ty != CellType::Integer)
        {
            column.ty = CellType::Real;
        }
    }
    merged.table.columns = columns;
    Ok(merged)
}

/// The rows of one part.
type Rows = Vec<Vec<Cell>>;

/// The columns with the type that all parts have in common, and every part's rows in it.
fn unify(parts: &[&Part]) -> Result<(Vec<Column>, Vec<Rows>), MergeError> {
    let mut columns = parts[0].table.columns.clone();
    for (place, column) in columns.iter_mut().enumerate() {
        // A column that is empty at a TRE fits any type: the type of an opaque one is told by its cells alone.
        let mut found = parts.iter().filter(|part| part.table.rows.iter().any(|row| row[place] != Cell::Null));
        let Some(first) = found.next() else { continue };
        let mut ty = first.table.columns[place].ty;
        for part in found {
            let other = part.table.columns[place].ty;
            ty = match &column.role {
                _ if ty == other => ty,
                Role::Measure(_) | Role::Opaque if ty.is_number() && other.is_number() => CellType::Real,
                Role::Opaque => CellType::Text,
                Role::Measure(_) | Role::Key => {
                    return Err(MergeError::TypesDiffer { column: column.name.clone(), tre: part.tre.clone() });
                }
            };
        }
        column.ty = ty;
    }
    let rows = |part: &&Part| {
        let cells = |row: &Vec<Cell>| row.iter().zip(&columns).map(|(cell, column)| widen(cell, column.ty)).collect();
        part.table.rows.iter().map(cells).collect()
    };
    let tables = parts.iter().map(rows).collect();
    Ok((columns, tables))
}

fn widen(cell: &Cell, ty: CellType) -> Cell {
    match (cell.ty(), ty) {
        (None, _) => Cell::Null,
        (Some(from), CellType::Real) if from != ty => cell.number().map_or(Cell::Null, Cell::Real),
        (Some(from), CellType::Text) if from != ty => Cell::Text(print(cell)),
        _ => cell.clone(),
    }
}

fn names(parts: &[&Part]) -> Vec<String> {
    parts.iter().map(|part| part.tre.clone()).collect()
}

/// The key cells of a row, in the total order of cells.
pub(super) struct Key<'a>(pub(super) Vec<&'a Cell>);

impl Ord for Key<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        let cells = self.0.iter().zip(&other.0);
        cells.map(|(left, right)| left.order(right)).find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
    }
}

impl PartialOrd for Key<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Key<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Key<'_> {}
