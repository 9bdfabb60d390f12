//! Counts as coarse as the policy asks, and what a rounded count still tells.

use crate::disclosure::policy::Policy;
use crate::disclosure::table::{Cell, Evidence, Measure, Role, Table};

/// How a policy rounds counts.
#[derive(Clone, Copy)]
pub(crate) struct Rounding {
    base: u64,
    midpoint: bool,
}

impl Rounding {
    pub(crate) fn of(policy: &Policy) -> Self {
        Self { base: policy.rounding_base.max(1), midpoint: policy.rounding_midpoint }
    }

    /// Whether it changes anything.
    pub(crate) fn is_coarse(self) -> bool {
        self.base > 1
    }

    /// The count as it is shown: the nearest multiple, halves up; or the middle of the bin (0 stays 0).
    pub(crate) fn round(self, count: u64) -> u64 {
        if self.midpoint && count == 0 {
            0
        } else if self.midpoint {
            count.div_ceil(self.base).saturating_mul(self.base) - self.base / 2
        } else {
            (count.saturating_add(self.base / 2) / self.base).saturating_mul(self.base)
        }
    }

    /// The smallest and largest count that is shown as this one.
    pub(crate) fn behind(self, shown: u64) -> (u64, u64) {
        if self.midpoint && shown == 0 {
            (0, 0)
        } else if self.midpoint {
            let last = shown.saturating_add(self.base / 2);
            (last.saturating_sub(self.base - 1), last)
        } else {
            (shown.saturating_sub(self.base / 2), shown.saturating_add((self.base - 1) / 2))
        }
    }

    /// Whether a number is one that rounding gives.
    pub(crate) fn is_rounded(self, count: u64) -> bool {
        self.round(count) == count
    }

    /// Rounds the counts of a witnessed table. A sum beside its own mean is computed anew from the mean and the rounded count: together they
    /// would tell the count exactly.
    pub(crate) fn apply(self, table: &mut Table, evidence: &[Vec<Option<Evidence>>]) {
        if !self.is_coarse() {
            return;
        }
        let mean_of = |x: &String| table.column_of(&Role::Measure(Measure::Mean(x.clone())));
        let plans: Vec<(usize, Plan)> = (0..table.columns.len())
            .filter_map(|place| match &table.columns[place].role {
                Role::Measure(Measure::Count | Measure::Subjects | Measure::CountOf(_)) => Some((place, Plan::Count)),
                Role::Measure(Measure::Sum(x)) => Some((place, Plan::FromMean(mean_of(x)?))),
                Role::Measure(_) | Role::Key | Role::Opaque => None,
            })
            .collect();
        for (row, cells) in table.rows.iter_mut().enumerate() {
            for (column, plan) in &plans {
                let behind = evidence.get(row).and_then(|row| *row.get(*column)?);
                let rounded = match plan {
                    Plan::Count => cells.get(*column).and_then(|cell| self.round_cell(cell)),
                    Plan::FromMean(mean) => cells
                        .get(*mean)
                        .and_then(Cell::number)
                        .zip(behind)
                        .map(|(mean, behind)| Cell::Real(mean * whole(self.round(behind.rows)))),
                };
                if let (Some(cell), Some(rounded)) = (cells.get_mut(*column), rounded)
                    && cell.ty() == rounded.ty()
                {
                    *cell = rounded;
                }
            }
        }
    }

    fn round_cell(self, cell: &Cell) -> Option<Cell> {
        match cell {
            Cell::Integer(count) => i64::try_from(self.round(u64::try_from(*count).ok()?)).ok().map(Cell::Integer),
            Cell::Real(count) => count_in(*count).map(|count| Cell::Real(whole(self.round(count)))),
            Cell::Decimal(text) => Some(Cell::Decimal(self.round(text.parse().ok()?).to_string())),
            Cell::Null | Cell::Boolean(_) | Cell::Text(_) | Cell::Date(_) | Cell::Timestamp(_) => None,
        }
    }
}

/// What becomes of a figure.
enum Plan {
    Count,
    FromMean(usize),
}

/// A count as a double.
#[allow(clippy::cast_precision_loss, reason = "counts of subjects and rows are far below 2^53")]
pub(crate) fn whole(count: u64) -> f64 {
    count as f64
}

/// The count that a double holds: a whole number from 0 to 2^53.
#[must_use]
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the bounds are tested before")]
pub(crate) fn count_in(value: f64) -> Option<u64> {
    ((0.0..=9_007_199_254_740_992.0).contains(&value) && value.fract() == 0.0).then_some(value as u64)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
mod tests {
    use super::*;
    use crate::disclosure::table::{CellType, Column};
    use proptest::prelude::*;

    fn with(base: u64, midpoint: bool) -> Rounding {
        Rounding { base, midpoint }
    }

    #[test]
    fn counts_round_as_is_said() {
        let rounded = |rounding: Rounding| [0, 1, 2, 3, 6, 7, 12, 13].map(|count| rounding.round(count));
        assert_eq!(rounded(with(1, false)), [0, 1, 2, 3, 6, 7, 12, 13]);
        assert_eq!(rounded(with(5, false)), [0, 0, 0, 5, 5, 5, 10, 15]);
        assert_eq!(rounded(with(6, false)), [0, 0, 0, 6, 6, 6, 12, 12]);
        assert_eq!(rounded(with(6, true)), [0, 3, 3, 3, 3, 9, 9, 15]);
    }

    #[test]
    fn a_sum_beside_its_mean_does_not_tell_the_count() {
        let column = |measure: Measure, ty| Column { name: measure.column_name(), ty, role: Role::Measure(measure) };
        let x = || "x".to_owned();
        let mut table = Table {
            columns: vec![
                column(Measure::CountOf(x()), CellType::Integer),
                column(Measure::Sum(x()), CellType::Real),
                column(Measure::Mean(x()), CellType::Real),
                column(Measure::Sum("y".into()), CellType::Real),
            ],
            rows: vec![vec![Cell::Integer(13), Cell::Real(26.0), Cell::Real(2.0), Cell::Real(7.5)]],
        };
        let evidence = vec![vec![Some(Evidence { rows: 13, ..Evidence::default() }); 4]];
        with(10, false).apply(&mut table, &evidence);
        assert!(table.rows == vec![vec![Cell::Integer(10), Cell::Real(20.0), Cell::Real(2.0), Cell::Real(7.5)]]);
    }

    proptest! {
        #[test]
        fn a_rounded_count_stands_for_exactly_its_interval(count in 0_u64..100_000, base in 1_u64..50, midpoint in any::<bool>()) {
            let rounding = with(base, midpoint && base > 1);
            let shown = rounding.round(count);
            let (least, most) = rounding.behind(shown);
            prop_assert!(least <= count && count <= most);
            prop_assert_eq!((rounding.round(least), rounding.round(most)), (shown, shown));
            prop_assert!(rounding.round(most + 1) != shown && (least == 0 || rounding.round(least - 1) != shown));
            prop_assert!(rounding.is_rounded(shown));
        }
    }
}
