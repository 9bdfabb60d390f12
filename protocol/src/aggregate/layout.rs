//! The parts of every TRE laid over the rows of the merged tables, and which outputs count the same whole.

use crate::aggregate::merge::{Key, Merged};
use crate::aggregate::{Aggregate, Answer};
use crate::disclosure::table::{Cell, Column, Measure, Role, Table, Tier};
use std::collections::BTreeMap;

/// What one TRE gives to one figure.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Share {
    /// It has no such group, or nothing to add.
    Absent,
    /// It has, and suppressed the figure.
    Hidden,
    /// This much.
    Shown(f64),
}

/// One figure of one TRE. `holder` is a place in [`Layout::tres`]; the place after the last one stands for all TREs together.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Spot {
    pub(super) holder: usize,
    pub(super) grid: usize,
    pub(super) row: usize,
    pub(super) column: usize,
}

/// One output whose figures merge.
pub(super) struct Grid<'a> {
    pub(super) output: &'a str,
    pub(super) merged: &'a Merged,
    /// The columns that name a group.
    keys: Vec<usize>,
    /// The columns whose figures add up over groups, and whether they are counts; the others are sums.
    pub(super) additive: Vec<(usize, bool)>,
    /// By holder and merged row: the rows of the part. `None` for a TRE that did not release the output.
    parts: Vec<Option<Vec<Vec<&'a [Cell]>>>>,
}

/// Columns of two outputs that count the same whole: their sums over each pair of groups are equal at every TRE.
pub(super) struct Relation {
    pub(super) left: (usize, usize),
    pub(super) right: (usize, usize),
    pub(super) is_count: bool,
    grouping: usize,
}

/// Rows of two outputs with the same values in the keys that both have.
type Grouping = Vec<(Vec<usize>, Vec<usize>)>;

/// A task's answers, ready to be checked.
pub(super) struct Layout<'a> {
    /// Every TRE that was asked.
    pub(super) tres: Vec<&'a str>,
    pub(super) grids: Vec<Grid<'a>>,
    pub(super) relations: Vec<Relation>,
    groupings: Vec<Grouping>,
    /// By how much rounding moves a count at most.
    slack: f64,
}

/// Figures of one side of a relation at one TRE.
#[derive(Default)]
struct Side {
    sum: f64,
    scale: f64,
    shown: usize,
    hidden: bool,
    absent: bool,
}

/// How far sums of rounded reals may lie apart, of their parts' size.
const DIGITS: f64 = 1e-9;

impl<'a> Layout<'a> {
    /// Opaque outputs are left out: nothing in them is merged.
    pub(super) fn of(
        aggregate: &'a Aggregate,
        answers: &'a BTreeMap<String, Answer>,
        threshold: f64,
        slack: f64,
    ) -> Self {
        let tres: Vec<&str> = answers.keys().map(String::as_str).collect();
        let grids = aggregate
            .outputs
            .iter()
            .filter(|(_, merged)| is_merged(merged))
            .map(|(output, merged)| Grid::of(output, merged, answers))
            .collect();
        let mut layout = Self { tres, grids, relations: Vec::new(), groupings: Vec::new(), slack };
        for left in 0..layout.grids.len() {
            for right in left + 1..layout.grids.len() {
                layout.relate(left, right, threshold);
            }
        }
        layout
    }

    /// The holder that stands for all TREs together.
    pub(super) fn whole(&self) -> usize {
        self.tres.len()
    }

    pub(super) fn share(&self, spot: Spot) -> Share {
        let grid = &self.grids[spot.grid];
        if spot.holder == self.whole() {
            return grid.merged_cell(spot.row, spot.column).number().map_or(Share::Hidden, Share::Shown);
        }
        grid.share(spot.holder, spot.row, spot.column)
    }

    pub(super) fn groups(&self, relation: &Relation) -> &[(Vec<usize>, Vec<usize>)] {
        &self.groupings[relation.grouping]
    }

    /// Whether the relation binds this holder's figures in this group.
    pub(super) fn binds(&self, relation: &Relation, holder: usize, group: &(Vec<usize>, Vec<usize>)) -> bool {
        let (left, right) = (&self.grids[relation.left.0], &self.grids[relation.right.0]);
        if holder < self.whole() {
            return left.parts[holder].is_some() && right.parts[holder].is_some();
        }
        if left.merged.contributors != right.merged.contributors {
            return false;
        }
        // A group that a TRE left out is missing from the merged table too: then the merged figures do not add up, and bind nothing.
        let sides = [self.side(holder, relation.left, &group.0), self.side(holder, relation.right, &group.1)];
        sides.iter().any(|side| side.hidden) || self.equal(&sides[0], &sides[1], relation.is_count)
    }

    /// By how much so many shown figures together may be off: nothing but rounding moves a count.
    pub(super) fn tolerance(&self, is_count: bool, shown: usize, scale: f64) -> f64 {
        if is_count { self.slack * small(shown) } else { scale * DIGITS }
    }

    /// Finds the columns of two outputs that count the same whole, where nothing in the parts contradicts it.
    fn relate(&mut self, left: usize, right: usize, threshold: f64) {
        let (one, other) = (&self.grids[left], &self.grids[right]);
        let shared: Vec<(usize, usize)> = one
            .keys
            .iter()
            .filter_map(|key| Some((*key, *other.keys.iter().find(|found| one.same_key(*key, other, **found))?)))
            .collect();
        let mut groups: BTreeMap<Key<'_>, (Vec<usize>, Vec<usize>)> = BTreeMap::new();
        for (row, cells) in one.merged.table.rows.iter().enumerate() {
            let key = Key(shared.iter().map(|(key, _)| cell(cells, *key)).collect());
            groups.entry(key).or_default().0.push(row);
        }
        for (row, cells) in other.merged.table.rows.iter().enumerate() {
            let key = Key(shared.iter().map(|(_, key)| cell(cells, *key)).collect());
            groups.entry(key).or_default().1.push(row);
        }
        let grouping: Grouping =
            groups.into_values().filter(|(one, other)| !one.is_empty() && !other.is_empty()).collect();
        let mut found = Vec::new();
        for (column, is_count) in &one.additive {
            for (twin, _) in &other.additive {
                let same = one
                    .column(*column)
                    .is_some_and(|column| other.column(*twin).is_some_and(|twin| twin.role == column.role));
                let (left, right, grouping_here) = ((left, *column), (right, *twin), self.groupings.len());
                let relation = Relation { left, right, is_count: *is_count, grouping: grouping_here };
                if same && self.is_plausible(&relation, &grouping, threshold) {
                    found.push(relation);
                }
            }
        }
        self.relations.extend(found);
        self.groupings.push(grouping);
    }

    /// Whether two columns may be taken to count the same whole: no TRE's figures contradict it, and some speak for it. Where cells are
    /// suppressed nothing can speak, and the worst is assumed.
    fn is_plausible(&self, relation: &Relation, grouping: &Grouping, threshold: f64) -> bool {
        let mut speaks = false;
        for holder in 0..self.whole() {
            if self.grids[relation.left.0].parts[holder].is_none()
                || self.grids[relation.right.0].parts[holder].is_none()
            {
                continue;
            }
            for group in grouping {
                let left = self.side(holder, relation.left, &group.0);
                let right = self.side(holder, relation.right, &group.1);
                let equal = self.equal(&left, &right, relation.is_count);
                let (less, more) = if left.sum < right.sum { (&left, &right) } else { (&right, &left) };
                if !equal && !less.hidden && !less.absent {
                    return false;
                }
                let residual = more.sum - less.sum;
                speaks |= less.hidden || more.hidden || (more.sum > 0.0 && (equal || residual < threshold));
            }
        }
        speaks
    }

    fn equal(&self, left: &Side, right: &Side, is_count: bool) -> bool {
        let tolerance = self.tolerance(is_count, left.shown + right.shown, left.scale + right.scale);
        (left.sum - right.sum).abs() <= tolerance
    }

    fn side(&self, holder: usize, (grid, column): (usize, usize), rows: &[usize]) -> Side {
        let mut side = Side::default();
        for row in rows {
            match self.share(Spot { holder, grid, row: *row, column }) {
                Share::Absent => side.absent = true,
                Share::Hidden => side.hidden = true,
                Share::Shown(value) => {
                    side.sum += value;
                    side.scale += value.abs();
                    side.shown += 1;
                }
            }
        }
        side
    }
}

impl<'a> Grid<'a> {
    fn of(output: &'a str, merged: &'a Merged, answers: &'a BTreeMap<String, Answer>) -> Self {
        let columns = &merged.table.columns;
        let keys: Vec<usize> = (0..columns.len()).filter(|column| columns[*column].role == Role::Key).collect();
        let additive = columns.iter().enumerate().filter_map(|(place, column)| match column.role {
            Role::Measure(Measure::Count | Measure::Subjects | Measure::CountOf(_)) => Some((place, true)),
            Role::Measure(Measure::Sum(_)) => Some((place, false)),
            _ => None,
        });
        let rows: BTreeMap<Key<'_>, usize> =
            merged.table.rows.iter().enumerate().map(|(row, cells)| (key_of(cells, &keys), row)).collect();
        let parts = answers.values().map(|answer| {
            let Answer::Released(tables) = answer else { return None };
            let mut found = vec![Vec::new(); merged.table.rows.len()];
            for cells in &tables.get(output)?.rows {
                if let Some(row) = rows.get(&key_of(cells, &keys)) {
                    found[*row].push(cells.as_slice());
                }
            }
            Some(found)
        });
        let parts = parts.collect();
        Self { output, merged, additive: additive.collect(), parts, keys }
    }

    pub(super) fn column(&self, column: usize) -> Option<&'a Column> {
        self.merged.table.columns.get(column)
    }

    pub(super) fn rows(&self) -> usize {
        self.merged.table.rows.len()
    }

    pub(super) fn merged_cell(&self, row: usize, column: usize) -> &'a Cell {
        self.merged.table.rows.get(row).map_or(&Cell::Null, |cells| cell(cells, column))
    }

    /// The columns that hold figures.
    pub(super) fn figures(&self) -> impl Iterator<Item = usize> {
        let columns = &self.merged.table.columns;
        (0..columns.len()).filter(|column| columns[*column].role != Role::Key)
    }

    /// The column with this measure.
    pub(super) fn measure(&self, measure: &Measure) -> Option<usize> {
        let columns = &self.merged.table.columns;
        columns.iter().position(|column| matches!(&column.role, Role::Measure(found) if found == measure))
    }

    /// The TREs that released the output.
    pub(super) fn holders(&self) -> impl Iterator<Item = usize> {
        self.parts.iter().enumerate().filter_map(|(holder, part)| part.as_ref().map(|_| holder))
    }

    /// The TREs that have the group.
    pub(super) fn holders_of(&self, row: usize) -> impl Iterator<Item = usize> {
        self.holders().filter(move |holder| !self.cells(*holder, row).is_empty())
    }

    /// The one row that a TRE has of a group; none where it has no such group, or several rows of it.
    pub(super) fn part(&self, holder: usize, row: usize) -> Option<&'a [Cell]> {
        let [only] = self.cells(holder, row) else { return None };
        Some(only)
    }

    fn cells(&self, holder: usize, row: usize) -> &[&'a [Cell]] {
        self.parts[holder].as_ref().and_then(|part| part.get(row)).map_or(&[], Vec::as_slice)
    }

    /// What a TRE gives to a count or a sum.
    pub(super) fn share(&self, holder: usize, row: usize, column: usize) -> Share {
        let mut total = Share::Absent;
        for cells in self.cells(holder, row) {
            let value = match cell(cells, column) {
                Cell::Null if self.says_none(cells, column) => continue,
                Cell::Null => return Share::Hidden,
                cell => match cell.number() {
                    Some(value) if value.is_finite() => value,
                    _ => return Share::Hidden,
                },
            };
            total = Share::Shown(if let Share::Shown(sum) = total { sum + value } else { value });
        }
        total
    }

    /// Whether an empty figure is empty because there is nothing: a sum whose count is 0, or that has no count beside it.
    fn says_none(&self, cells: &[Cell], column: usize) -> bool {
        match self.count_beside(column) {
            Beside::Itself => false,
            Beside::Nothing => true,
            Beside::Column(count) => matches!(cell(cells, count), Cell::Integer(0)),
        }
    }

    fn count_beside(&self, column: usize) -> Beside {
        match self.column(column).map(|column| &column.role) {
            Some(Role::Measure(Measure::Count | Measure::Subjects | Measure::CountOf(_))) => Beside::Itself,
            Some(Role::Measure(measure)) => {
                let count = measure.sources().next().and_then(|x| self.measure(&Measure::CountOf(x.to_owned())));
                count.map_or(Beside::Nothing, Beside::Column)
            }
            _ => Beside::Nothing,
        }
    }

    /// Whether something of a TRE is in a figure.
    fn contributes(&self, holder: usize, row: usize, column: usize) -> bool {
        let positive = |count: &Cell| !matches!(count, Cell::Integer(..=0));
        self.cells(holder, row).iter().any(|cells| match self.count_beside(column) {
            Beside::Itself => positive(cell(cells, column)),
            Beside::Nothing => *cell(cells, column) != Cell::Null,
            Beside::Column(count) => *cell(cells, column) != Cell::Null && positive(cell(cells, count)),
        })
    }

    /// The one TRE to which a shown figure of the host belongs; none where nobody or several have something in it.
    pub(super) fn sole(&self, row: usize, column: usize) -> Option<usize> {
        if *self.merged_cell(row, column) == Cell::Null || !matches!(self.column(column)?.role, Role::Measure(_)) {
            return None;
        }
        let mut holders = self.holders().filter(|holder| self.contributes(*holder, row, column));
        let first = holders.next()?;
        holders.next().is_none().then_some(first)
    }

    fn same_key(&self, key: usize, other: &Self, found: usize) -> bool {
        let described = |grid: &Self, column| grid.column(column).map(|column| (&column.name, column.ty));
        described(self, key) == described(other, found)
    }
}

/// What tells how many rows are behind a figure.
enum Beside {
    Itself,
    Nothing,
    Column(usize),
}

/// Whether an output's figures were merged; opaque rows only stand under each other. A merge adds one kind of opaque column, correlations.
fn is_merged(merged: &Merged) -> bool {
    let table: &Table = &merged.table;
    table.tier() == Tier::Witnessed || table.columns.iter().any(|column| matches!(column.role, Role::Measure(_)))
}

fn cell(cells: &[Cell], column: usize) -> &Cell {
    cells.get(column).unwrap_or(&Cell::Null)
}

fn key_of<'a>(cells: &'a [Cell], keys: &[usize]) -> Key<'a> {
    Key(keys.iter().map(|key| cell(cells, *key)).collect())
}

/// A number of figures as a double.
pub(super) fn small(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}
