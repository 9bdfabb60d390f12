//! Columns as they fill, value by value, for engines that give rows.

use super::DatabaseError;
use crate::value::{Batch, Column, ColumnData, ColumnInfo, ColumnType};

/// The most rows of a batch.
pub(super) const BATCH_ROWS: usize = 8_192;
/// A batch ends once its texts and bytes are this long, in bytes.
const BATCH_BYTES: usize = 2 * 1024 * 1024;

/// A batch that fills.
pub(super) struct Filling {
    rows: usize,
    bytes: usize,
    columns: Vec<Growing>,
}

/// A column that fills.
pub(super) struct Growing {
    /// Whether each value is present.
    present: Vec<bool>,
    data: ColumnData,
}

impl Filling {
    /// An empty batch of these columns.
    pub(super) fn new(schema: &[ColumnInfo]) -> Self {
        let columns = schema.iter().map(|column| Growing { present: Vec::new(), data: empty(column.ty) });
        Self { rows: 0, bytes: 0, columns: columns.collect() }
    }

    /// The columns, for one more row: each gets exactly one value, and the bytes of the row's texts are told by what `fill` returns.
    pub(super) fn row(
        &mut self,
        fill: impl FnOnce(&mut [Growing]) -> Result<usize, DatabaseError>,
    ) -> Result<(), DatabaseError> {
        self.bytes += fill(&mut self.columns)?;
        self.rows += 1;
        Ok(())
    }

    /// Whether no further row belongs to it.
    pub(super) fn is_full(&self) -> bool {
        self.rows >= BATCH_ROWS || self.bytes >= BATCH_BYTES
    }

    /// The batch, or `None` where no row came.
    pub(super) fn finish(self) -> Option<Batch> {
        let rows = u32::try_from(self.rows).expect("a batch has at most BATCH_ROWS rows");
        let columns = self.columns.into_iter().map(Growing::finish);
        (rows > 0).then(|| Batch { rows, columns: columns.collect() })
    }
}

fn empty(ty: ColumnType) -> ColumnData {
    match ty {
        ColumnType::Boolean => ColumnData::Boolean(Vec::new()),
        ColumnType::Int64 => ColumnData::Int64(Vec::new()),
        ColumnType::Float64 => ColumnData::Float64(Vec::new()),
        ColumnType::Decimal => ColumnData::Decimal(Vec::new()),
        ColumnType::Text => ColumnData::Text(Vec::new()),
        ColumnType::Bytes => ColumnData::Bytes(Vec::new()),
        ColumnType::Date => ColumnData::Date(Vec::new()),
        ColumnType::Timestamp => ColumnData::Timestamp(Vec::new()),
    }
}

impl Growing {
    /// A null: its slot holds a zero value.
    pub(super) fn null(&mut self) {
        self.present.push(false);
        match &mut self.data {
            ColumnData::Boolean(values) => values.push(0),
            ColumnData::Int64(values) | ColumnData::Timestamp(values) => values.push(0),
            ColumnData::Float64(values) => values.push(0.0),
            ColumnData::Decimal(values) | ColumnData::Text(values) => values.push(String::new()),
            ColumnData::Bytes(values) => values.push(Vec::new()),
            ColumnData::Date(values) => values.push(0),
        }
    }

    /// A present value; the caller pushes one of the column's own type.
    pub(super) fn value(&mut self) -> &mut ColumnData {
        self.present.push(true);
        &mut self.data
    }

    fn finish(self) -> Column {
        let Self { present, data } = self;
        let validity = present.contains(&false).then(|| {
            let mut bits = vec![0_u8; present.len().div_ceil(8)];
            for (row, _) in present.iter().enumerate().filter(|(_, present)| **present) {
                bits[row / 8] |= 1 << (row % 8);
            }
            bits
        });
        Column { validity, data }
    }
}
