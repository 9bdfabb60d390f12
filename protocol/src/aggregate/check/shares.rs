//! Counts that a mean implies: the mean of a column of zeros and ones is a share, and with its count it tells how many have a one.
//!
//! A regression's factors are such columns. A merged share, less the other TREs' parts, shows the one TRE with few of a level, as a merged
//! count does. That a column holds zeros and ones alone is told from its variance, which is then n / (n − 1) · share · (1 − share); where there
//! is none beside the mean, from whole numbers of ones at every TRE.

use super::{Book, Rule, double, least_width};
use crate::aggregate::layout::Grid;
use crate::disclosure::rules::Verdict;
use crate::disclosure::table::{Cell, Measure, Role};

/// How far a variance may lie from a share's: both have the policy's digits.
const DIGITS: f64 = 1e-6;

/// How far a number of ones may lie from a whole number, of the rows.
const WHOLE: f64 = 1e-9;

/// How many rows of a TRE have a one, and how many there are.
struct Shared {
    holder: usize,
    ones: f64,
    rows: f64,
}

impl Book<'_> {
    /// Shares of which one TRE has fewer than the threshold, or which it has alone.
    pub(super) fn small_shares(&mut self, place: usize) {
        let layout = self.layout;
        let grid = &layout.grids[place];
        let threshold = double(self.policy.threshold);
        let means: Vec<(usize, &String)> = (grid.figures())
            .filter_map(|column| match &grid.column(column)?.role {
                Role::Measure(Measure::Mean(x)) => Some((column, x)),
                _ => None,
            })
            .collect();
        for (row, (column, x)) in (0..grid.rows()).flat_map(|row| means.iter().map(move |mean| (row, *mean))) {
            let Some(shares) = shares(grid, row, column, x) else { continue };
            for (side, of) in [("a one", Shared::with as fn(&Shared) -> f64), ("a zero", Shared::without)] {
                let small: Vec<&Shared> =
                    shares.iter().filter(|shared| of(shared) > 0.0 && of(shared) < threshold).collect();
                let having = shares.iter().filter(|shared| of(shared) > 0.0).count();
                let sum: f64 = small.iter().map(|shared| of(shared)).sum();
                // Several small parts hide each other, as in a count.
                if small.len() == 1 || (small.len() > 1 && sum < least_width(self.policy)) {
                    for shared in small {
                        if self.told.contains(&(place, row, shared.holder)) {
                            continue;
                        }
                        let tre = layout.tres[shared.holder];
                        let reason = format!(
                            "Fewer than {} at {tre} have {side} in this column: the total, less the parts of the other TREs, tells how many.",
                            self.policy.threshold
                        );
                        self.fail(Rule::Subtraction, shared.holder, place, row, Some(column), reason);
                    }
                } else if having == 1
                    && shares.len() > 1
                    && let Some(only) = shares.iter().find(|shared| of(shared) > 0.0)
                {
                    let tre = layout.tres[only.holder];
                    let reason = format!(
                        "Only {tre} has rows with {side} in this column: what is said about them is about {tre} alone."
                    );
                    self.note(Rule::SeveralTres, Verdict::Review, only.holder, place, Some(row), Some(column), reason);
                }
            }
        }
    }
}

impl Shared {
    fn with(&self) -> f64 {
        self.ones
    }

    fn without(&self) -> f64 {
        self.rows - self.ones
    }
}

/// Every TRE's share in a mean of zeros and ones; none where a part is suppressed or holds other values.
fn shares(grid: &Grid<'_>, row: usize, column: usize, x: &str) -> Option<Vec<Shared>> {
    let count = grid.measure(&Measure::CountOf(x.to_owned()))?;
    let variance = grid.measure(&Measure::Variance(x.to_owned()));
    if *grid.merged_cell(row, column) == Cell::Null {
        return None;
    }
    let mut shares = Vec::new();
    for holder in grid.holders_of(row) {
        let cells = grid.part(holder, row)?;
        let figure = |column: usize| cells.get(column).and_then(Cell::number);
        let (rows, mean) = (figure(count)?, figure(column)?);
        let ones = rows * mean;
        // A share of whole rows lies on a grid.
        if !(0.0..=1.0).contains(&mean) || (ones - ones.round()).abs() > WHOLE * rows.max(1.0) {
            return None;
        }
        if let Some(spread) = variance.filter(|_| rows >= 2.0) {
            let expected = rows / (rows - 1.0) * mean * (1.0 - mean);
            if (figure(spread)? - expected).abs() > DIGITS {
                return None;
            }
        }
        shares.push(Shared { holder, ones: ones.round(), rows });
    }
    Some(shares)
}
