//! What a reviewer reads beside each column: whether its numbers are rounded, their extremes and sum, and what is missing.
//!
//! The columns are those of the output checker's summary of OpenSAFELY Airlock.

use crate::disclosure::naming;
use crate::disclosure::table::{Cell, CellType, Role, Table};
use serde::{Deserialize, Serialize};

/// One column in figures. It is about what would leave, so it is as confidential as the output itself.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ColumnSummary {
    /// The column's name.
    pub name: String,
    /// What its cells hold.
    #[serde(rename = "type")]
    pub ty: CellType,
    /// What its cells mean.
    pub role: Role,
    /// Whether every number is a multiple of 5; `None` where the column holds none.
    pub base5: Option<bool>,
    /// Whether every number is a multiple of 6.
    pub base6: Option<bool>,
    /// Whether every number is 0 or the middle of a bin of 6 (3, 9, 15, …).
    pub midpoint6: Option<bool>,
    /// The smallest number.
    pub minimum: Option<f64>,
    /// The smallest number but 0.
    pub minimum_non_zero: Option<f64>,
    /// The largest number.
    pub maximum: Option<f64>,
    /// The sum of all numbers.
    pub sum: Option<f64>,
    /// Cells without a value.
    pub missing: usize,
    /// Cells that say that a value was left out, such as `[REDACTED]`.
    pub redacted: usize,
}

/// Figures of outputs never reach a log.
impl std::fmt::Debug for ColumnSummary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ColumnSummary({})", self.name)
    }
}

/// Summarises every column, in its order. A column of text that holds nothing but numbers and words for what was left out counts as numbers.
#[must_use]
pub fn summarise(table: &Table) -> Vec<ColumnSummary> {
    table.columns.iter().enumerate().map(|(place, _)| summarise_column(table, place)).collect()
}

fn summarise_column(table: &Table, place: usize) -> ColumnSummary {
    let column = &table.columns[place];
    let (mut numbers, mut missing, mut redacted, mut words) = (Vec::new(), 0, 0, 0_usize);
    for cell in table.rows.iter().filter_map(|row| row.get(place)) {
        match cell {
            Cell::Null => missing += 1,
            Cell::Text(text) if naming::is_redacted(text) => redacted += 1,
            Cell::Text(text) => match text.parse::<f64>() {
                Ok(number) if number.is_finite() => numbers.push(number),
                _ => words += 1,
            },
            cell => numbers.extend(cell.number()),
        }
    }
    if words > 0 {
        numbers.clear();
    }
    let every = |fits: fn(f64) -> bool| (!numbers.is_empty()).then(|| numbers.iter().all(|number| fits(*number)));
    let minimum = |numbers: &mut dyn Iterator<Item = f64>| numbers.reduce(f64::min);
    ColumnSummary {
        name: column.name.clone(),
        ty: column.ty,
        role: column.role.clone(),
        base5: every(|number| number % 5.0 == 0.0),
        base6: every(|number| number % 6.0 == 0.0),
        midpoint6: every(|number| number == 0.0 || (number > 0.0 && number % 6.0 == 3.0)),
        minimum: minimum(&mut numbers.iter().copied()),
        minimum_non_zero: minimum(&mut numbers.iter().copied().filter(|number| *number != 0.0)),
        maximum: numbers.iter().copied().reduce(f64::max),
        sum: (!numbers.is_empty()).then(|| numbers.iter().sum()),
        missing,
        redacted,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
mod tests {
    use super::*;
    use crate::disclosure::canonical::parse_csv;

    #[test]
    fn each_column_is_summarised_as_airlock_does() {
        let csv = "k,five,mid,left_out,mean\na,10,3,12,1.5\nb,0,0,[REDACTED],\nc,25,15,<8,0\n";
        let summaries = summarise(&parse_csv(csv.as_bytes()).unwrap());
        let [k, five, mid, left_out, mean] = summaries.as_slice() else { panic!("five columns") };
        assert_eq!((k.base5, k.minimum, k.sum), (None, None, None));
        assert_eq!((five.base5, five.base6, five.midpoint6), (Some(true), Some(false), Some(false)));
        assert_eq!(
            (five.minimum, five.minimum_non_zero, five.maximum, five.sum),
            (Some(0.0), Some(10.0), Some(25.0), Some(35.0))
        );
        assert_eq!((mid.base5, mid.base6, mid.midpoint6), (Some(false), Some(false), Some(true)));
        assert_eq!((left_out.redacted, left_out.missing, left_out.sum), (2, 0, Some(12.0)));
        assert_eq!((mean.redacted, mean.missing, mean.minimum_non_zero), (0, 1, Some(1.5)));
        assert_eq!(format!("{five:?}"), "ColumnSummary(five)");
        let written = serde_json::to_value(five).unwrap();
        assert_eq!((&written["type"], &written["role"]), (&"integer".into(), &"opaque".into()));
    }
}
