//! Parts of a batch: how many rows fit, and those rows by themselves.

use crate::value::{Batch, Column, ColumnData};

/// What a text or byte value costs beside its bytes: its pointer and length in a 32-bit component.
const POINTER_BYTES: usize = 8;

/// The rows of a batch.
pub(crate) fn rows(batch: &Batch) -> usize {
    usize::try_from(batch.rows).expect("a u32 fits into a usize here")
}

/// How many rows from `from` on fit into both limits, and their size in bytes. No row at all where the first is too large.
pub(super) fn fit(batch: &Batch, from: usize, max_rows: usize, max_bytes: usize) -> (usize, usize) {
    let wanted = (rows(batch) - from).min(max_rows);
    let fixed: usize = batch.columns.iter().map(|column| width(&column.data)).sum();
    let texts: Vec<&[String]> = batch
        .columns
        .iter()
        .filter_map(|column| match &column.data {
            ColumnData::Decimal(values) | ColumnData::Text(values) => Some(values.as_slice()),
            _ => None,
        })
        .collect();
    let blobs: Vec<&[Vec<u8>]> = batch
        .columns
        .iter()
        .filter_map(|column| match &column.data {
            ColumnData::Bytes(values) => Some(values.as_slice()),
            _ => None,
        })
        .collect();
    if texts.is_empty() && blobs.is_empty() {
        let fitting = max_bytes.checked_div(fixed).map_or(wanted, |most| wanted.min(most));
        return (fitting, fitting * fixed);
    }
    let mut bytes = 0_usize;
    for row in 0..wanted {
        let at = from + row;
        let of_texts: usize = texts.iter().map(|values| values[at].len()).sum();
        let of_blobs: usize = blobs.iter().map(|values| values[at].len()).sum();
        let next = bytes + fixed + of_texts + of_blobs;
        if next > max_bytes {
            return (row, bytes);
        }
        bytes = next;
    }
    (wanted, bytes)
}

/// The bytes of one slot of a column.
fn width(data: &ColumnData) -> usize {
    match data {
        ColumnData::Boolean(_) => 1,
        ColumnData::Date(_) => 4,
        ColumnData::Int64(_) | ColumnData::Float64(_) | ColumnData::Timestamp(_) => 8,
        ColumnData::Decimal(_) | ColumnData::Text(_) | ColumnData::Bytes(_) => POINTER_BYTES,
    }
}

/// Takes the rows `from..to` out of a batch: numbers are copied, texts are moved and leave an empty one behind.
pub(crate) fn take(batch: &mut Batch, from: usize, to: usize) -> Batch {
    let columns = batch.columns.iter_mut().map(|column| take_column(column, from, to)).collect();
    Batch { rows: u32::try_from(to - from).expect("a part has no more rows than its batch"), columns }
}

fn take_column(column: &mut Column, from: usize, to: usize) -> Column {
    let data = match &mut column.data {
        ColumnData::Boolean(values) => ColumnData::Boolean(values[from..to].to_vec()),
        ColumnData::Int64(values) => ColumnData::Int64(values[from..to].to_vec()),
        ColumnData::Float64(values) => ColumnData::Float64(values[from..to].to_vec()),
        ColumnData::Date(values) => ColumnData::Date(values[from..to].to_vec()),
        ColumnData::Timestamp(values) => ColumnData::Timestamp(values[from..to].to_vec()),
        ColumnData::Decimal(values) => ColumnData::Decimal(values[from..to].iter_mut().map(std::mem::take).collect()),
        ColumnData::Text(values) => ColumnData::Text(values[from..to].iter_mut().map(std::mem::take).collect()),
        ColumnData::Bytes(values) => ColumnData::Bytes(values[from..to].iter_mut().map(std::mem::take).collect()),
    };
    Column { validity: column.validity.as_deref().map(|bits| bitmap(bits, from, to)), data }
}

/// The bits `from..to` of an Arrow bitmap, moved to the front; bits behind the last are 0.
fn bitmap(bits: &[u8], from: usize, to: usize) -> Vec<u8> {
    let (byte, shift) = (from / 8, from % 8);
    let length = (to - from).div_ceil(8);
    let mut part: Vec<u8> = (0..length)
        .map(|index| {
            let low = bits[byte + index] >> shift;
            let high = if shift == 0 { 0 } else { bits.get(byte + index + 1).map_or(0, |next| next << (8 - shift)) };
            low | high
        })
        .collect();
    let rest = (to - from) % 8;
    if rest != 0
        && let Some(last) = part.last_mut()
    {
        *last &= (1 << rest) - 1;
    }
    part
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch() -> Batch {
        let numbers = ColumnData::Int64((0..20).collect());
        let texts = ColumnData::Text((0..20).map(|row| "x".repeat(row)).collect());
        Batch {
            rows: 20,
            columns: vec![
                Column { validity: Some(vec![0b1010_1010, 0b0101_0101, 0b0000_1111]), data: numbers },
                Column { validity: None, data: texts },
            ],
        }
    }

    #[test]
    fn every_part_keeps_its_values_and_its_nulls() {
        let whole = batch();
        let valid = |batch: &Batch, row: usize| {
            batch.columns[0].validity.as_ref().is_none_or(|bits| bits[row / 8] >> (row % 8) & 1 == 1)
        };
        for from in 0..20 {
            for to in from + 1..=20 {
                let part = take(&mut batch(), from, to);
                assert_eq!(rows(&part), to - from);
                for row in from..to {
                    assert_eq!(valid(&whole, row), valid(&part, row - from), "{from}..{to} at {row}");
                }
                let ColumnData::Int64(numbers) = &part.columns[0].data else { panic!("the type changed") };
                assert_eq!(numbers.first().copied(), i64::try_from(from).ok());
                let ColumnData::Text(texts) = &part.columns[1].data else { panic!("the type changed") };
                assert_eq!(texts.last().map(String::len), Some(to - 1));
            }
        }
    }

    #[test]
    fn the_byte_limit_counts_texts() {
        // a row costs 8 for the number, 8 for the text's pointer, and the text: 0, 1, 2 … bytes
        assert_eq!(fit(&batch(), 0, 100, 16 + 17 + 18), (3, 51));
        assert_eq!(fit(&batch(), 0, 2, 1_000), (2, 33));
        assert_eq!(fit(&batch(), 19, 100, 34), (0, 0));
    }
}
