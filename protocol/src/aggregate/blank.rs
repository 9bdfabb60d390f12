//! The final form of an aggregate with findings: without the figures that they name, and without those from which they would follow.
//!
//! The reader is assumed to know all parts of the other TREs. A figure stays only if every interval of what was blanked keeps the policy's
//! width for that reader (complementary suppression); a blanked figure takes its whole row of figures with it, because a mean or a second
//! count would tell it again. The TREs' own parts are not touched: they lie in the fetched folder as their data owners let them out.

use crate::aggregate::check::{Finding, Rule, is_too_narrow, layout, least_width};
use crate::aggregate::layout::{Grid, Layout, Share, Spot};
use crate::aggregate::system::System;
use crate::aggregate::{Aggregate, Answer};
use crate::disclosure::policy::Policy;
use crate::disclosure::rules::Verdict;
use crate::disclosure::table::{Cell, Measure, Role};
use std::collections::{BTreeMap, BTreeSet};

/// The least width of the interval of a figure that is blanked for another's sake: it must not be known.
const UNKNOWN: f64 = 1.0;

/// Blanks what the grave findings of [`check`](crate::aggregate::check::check) name, and as much more as it takes.
#[must_use]
pub fn blank(
    aggregate: &Aggregate,
    answers: &BTreeMap<String, Answer>,
    findings: &[Finding],
    policy: &Policy,
) -> Aggregate {
    let layout = layout(aggregate, answers, policy);
    let mut veil = Veil { layout: &layout, blanked: BTreeSet::new(), needs: BTreeMap::new() };
    for finding in findings.iter().filter(|finding| finding.verdict == Verdict::Fail) {
        veil.cover(finding, policy);
    }
    veil.complement();
    let mut blanked = aggregate.clone();
    for (grid, row, column) in veil.blanked {
        let table = blanked.outputs.get_mut(layout.grids[grid].output).map(|merged| &mut merged.table);
        if let Some(cell) = table.and_then(|table| table.rows.get_mut(row)?.get_mut(column)) {
            *cell = Cell::Null;
        }
    }
    blanked
}

/// What is blanked so far, and what has to stay unknown.
struct Veil<'a> {
    layout: &'a Layout<'a>,
    /// Output, row and column of merged figures.
    blanked: BTreeSet<(usize, usize, usize)>,
    /// How wide a figure's interval has to be.
    needs: BTreeMap<Spot, f64>,
}

impl Veil<'_> {
    /// Blanks what one finding names.
    fn cover(&mut self, finding: &Finding, policy: &Policy) {
        let layout = self.layout;
        let Some(place) = layout.grids.iter().position(|grid| grid.output == finding.output) else { return };
        let Some(tre) = layout.tres.iter().position(|tre| *tre == finding.tre) else { return };
        let grid = &layout.grids[place];
        let column = finding.column.as_deref().and_then(|name| {
            grid.figures().find(|column| grid.column(*column).is_some_and(|described| described.name == name))
        });
        let rows = finding.row.map_or(0..grid.rows(), |row| row..(row + 1).min(grid.rows()));
        for row in rows {
            let columns: Vec<usize> = match (finding.rule, column) {
                (Rule::Difference, Some(column)) => about(grid, column),
                (Rule::SeveralTres, Some(_)) => grid
                    .figures()
                    .filter(|column| grid.sole(row, *column) == Some(tre) || is_derived(grid, *column))
                    .collect(),
                // Who left a group out does not show in its row: what the others have may stay.
                (Rule::Subtraction, Some(column))
                    if layout.share(Spot { holder: tre, grid: place, row, column }) == Share::Absent =>
                {
                    Vec::new()
                }
                _ => grid.figures().collect(),
            };
            self.blanked.extend(columns.iter().map(|column| (place, row, *column)));
            for (column, _) in &grid.additive {
                // A figure that is one TRE's alone but large may be known to those who know the others' parts: that these have nothing here.
                let small = match grid.share(tre, row, *column) {
                    Share::Shown(value) => value < least_width(policy),
                    Share::Absent | Share::Hidden => true,
                };
                let alone = finding.rule == Rule::SeveralTres && !small;
                let holder = if alone { layout.whole() } else { tre };
                let protects = columns.is_empty() || columns.contains(column);
                if protects {
                    self.needs.insert(Spot { holder, grid: place, row, column: *column }, least_width(policy));
                }
            }
        }
    }

    /// Blanks further rows until everything that has to stay unknown does.
    fn complement(&mut self) {
        loop {
            let before = self.blanked.len();
            let holders: BTreeSet<usize> = self.needs.keys().map(|spot| spot.holder).collect();
            for holder in holders {
                self.complement_for(holder);
            }
            if self.blanked.len() == before {
                return;
            }
        }
    }

    /// One pass for one reader, who knows all parts but those of `holder`.
    fn complement_for(&mut self, holder: usize) {
        let layout = self.layout;
        let mut system = System::default();
        system.relate(layout, holder, &|spot, _| self.hides(spot));
        system.solve();
        let needs: Vec<(Spot, f64)> =
            self.needs.iter().filter(|(spot, _)| spot.holder == holder).map(|(spot, width)| (*spot, *width)).collect();
        // One row more for each equation and pass: it may already hide all of them.
        let mut touched: BTreeSet<usize> = BTreeSet::new();
        for (spot, width) in needs {
            let Some(interval) = system.interval(spot) else { continue };
            let standing = system.standing(spot);
            if !is_too_narrow(layout, spot, interval, width) || standing.iter().any(|place| touched.contains(place)) {
                continue;
            }
            touched.extend(standing);
            let mut beside: Vec<(Spot, f64)> =
                system.shown_beside(spot).filter(|(other, value)| *value != 0.0 && !self.hides(*other)).collect();
            // The least figure that hides enough, rather in the same table than the total; without one, the greatest.
            let lacking = width - (interval.1 - interval.0).max(0.0);
            beside.sort_by(|left, right| {
                let rank = |(other, value): &(Spot, f64)| (value.abs() < lacking, other.grid != spot.grid);
                let by_size = left.1.abs().total_cmp(&right.1.abs());
                rank(left).cmp(&rank(right)).then(if left.1.abs() < lacking { by_size.reverse() } else { by_size })
            });
            match beside.first() {
                Some((chosen, _)) => self.blank_row(chosen.grid, chosen.row, holder),
                // Nothing in its own margins is shown any more: what still bounds it goes too.
                None => self.blank_around(&system, spot),
            }
        }
    }

    /// Whether a reader of the final tables cannot see a figure of a holder.
    fn hides(&self, spot: Spot) -> bool {
        *self.layout.grids[spot.grid].merged_cell(spot.row, spot.column) == Cell::Null
            || self.blanked.contains(&(spot.grid, spot.row, spot.column))
    }

    fn blank_row(&mut self, place: usize, row: usize, holder: usize) {
        let grid = &self.layout.grids[place];
        self.blanked.extend(grid.figures().map(|column| (place, row, column)));
        for (column, _) in &grid.additive {
            self.needs.entry(Spot { holder, grid: place, row, column: *column }).or_insert(UNKNOWN);
        }
    }

    /// Blanks all of the outputs that are bound to a figure's.
    fn blank_around(&mut self, system: &System, spot: Spot) {
        let layout = self.layout;
        let related: BTreeSet<usize> = system
            .relations_of(spot)
            .flat_map(|relation| [layout.relations[relation].left.0, layout.relations[relation].right.0])
            .collect();
        for place in related {
            let grid = &layout.grids[place];
            let cells = (0..grid.rows()).flat_map(|row| grid.figures().map(move |column| (place, row, column)));
            self.blanked.extend(cells);
        }
    }
}

/// The columns about the source of a count, and what is derived from them.
fn about(grid: &Grid<'_>, count: usize) -> Vec<usize> {
    let source = match grid.column(count).map(|column| &column.role) {
        Some(Role::Measure(Measure::CountOf(x))) => Some(x.as_str()),
        _ => None,
    };
    let is_about = |column: usize| match grid.column(column).map(|column| &column.role) {
        Some(Role::Measure(measure)) => column == count || measure.sources().any(|x| Some(x) == source),
        _ => is_derived(grid, column),
    };
    grid.figures().filter(|column| is_about(*column)).collect()
}

/// Whether the merge derived a column from several others: a correlation.
fn is_derived(grid: &Grid<'_>, column: usize) -> bool {
    grid.column(column).is_some_and(|column| column.role == Role::Opaque)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
mod tests;
