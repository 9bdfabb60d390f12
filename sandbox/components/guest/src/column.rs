//! Columns of a batch as the numbers that they hold.

use crate::bindings::quintes::analysis::types::{Column, ColumnData};

/// A column of doubles without nulls; the error says what to change in the query.
///
/// # Errors
/// When the column has another type or holds a null.
pub fn doubles(column: &Column) -> Result<&[f64], String> {
    match (&column.data, &column.validity) {
        (ColumnData::Float64(values), None) => Ok(values),
        (ColumnData::Float64(values), Some(_)) if (0..values.len()).all(|row| is_present(column, row)) => Ok(values),
        (ColumnData::Float64(_), Some(_)) => Err("a value is null: leave nulls out with `IS NOT NULL`".into()),
        _ => Err("the column holds no doubles: cast it with `CAST(… AS DOUBLE)`".into()),
    }
}

/// Whether a row has a value (Arrow's bitmap: least significant bit first, a set bit is a value).
#[must_use]
pub fn is_present(column: &Column, row: usize) -> bool {
    column.validity.as_ref().is_none_or(|bits| bits.get(row / 8).is_some_and(|byte| byte >> (row % 8) & 1 == 1))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
mod tests {
    use super::{doubles, is_present};
    use crate::bindings::quintes::analysis::types::{Column, ColumnData};

    #[test]
    fn nulls_and_other_types_are_errors_and_a_bitmap_without_gaps_is_none() {
        let column = |validity, data| Column { validity, data };
        let two = || ColumnData::Float64(vec![1.0, 2.0]);
        assert_eq!(doubles(&column(None, two())).unwrap(), [1.0, 2.0]);
        assert_eq!(doubles(&column(Some(vec![0b11]), two())).unwrap(), [1.0, 2.0]);
        let gap = column(Some(vec![0b01]), two());
        assert!(is_present(&gap, 0) && !is_present(&gap, 1));
        assert!(doubles(&gap).unwrap_err().contains("IS NOT NULL"));
        assert!(doubles(&column(None, ColumnData::Int64(vec![1]))).unwrap_err().contains("CAST"));
    }
}
