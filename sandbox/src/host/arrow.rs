//! A batch as one self-contained Arrow IPC stream (Arrow columnar format 1.5, "IPC Streaming Format"): schema, one record batch, end of stream.

use crate::value::{Batch, Column, ColumnData, ColumnInfo, ColumnType};
use datafusion::arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Float64Array, Int64Array, RecordBatch, RecordBatchOptions,
    StringArray, TimestampMicrosecondArray,
};
use datafusion::arrow::buffer::{BooleanBuffer, Buffer, NullBuffer};
use datafusion::arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::ipc::writer::StreamWriter;
use std::sync::Arc;

/// The bytes of the stream. Decimals stay exact base-10 text.
pub(super) fn stream(schema: &[ColumnInfo], batch: Batch) -> Result<Vec<u8>, ArrowError> {
    let fields: Vec<Field> = schema.iter().map(|info| Field::new(&info.name, data_type(info.ty), true)).collect();
    let schema = Arc::new(Schema::new(fields));
    let rows = usize::try_from(batch.rows).expect("a u32 fits into a usize here");
    let arrays = batch.columns.into_iter().map(|column| array(column, rows)).collect::<Result<Vec<_>, _>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    let record = RecordBatch::try_new_with_options(Arc::clone(&schema), arrays, &options)?;
    let mut writer = StreamWriter::try_new(Vec::new(), &schema)?;
    writer.write(&record)?;
    writer.finish()?;
    writer.into_inner()
}

fn data_type(ty: ColumnType) -> DataType {
    match ty {
        ColumnType::Boolean => DataType::Boolean,
        ColumnType::Int64 => DataType::Int64,
        ColumnType::Float64 => DataType::Float64,
        ColumnType::Decimal | ColumnType::Text => DataType::Utf8,
        ColumnType::Bytes => DataType::Binary,
        ColumnType::Date => DataType::Date32,
        ColumnType::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, None),
    }
}

fn array(column: Column, rows: usize) -> Result<ArrayRef, ArrowError> {
    let nulls = column.validity.map(|bits| NullBuffer::new(BooleanBuffer::new(Buffer::from_vec(bits), 0, rows)));
    Ok(match column.data {
        ColumnData::Boolean(values) => {
            let bits: BooleanBuffer = values.iter().map(|value| *value != 0).collect();
            Arc::new(BooleanArray::new(bits, nulls))
        }
        ColumnData::Int64(values) => Arc::new(Int64Array::try_new(values.into(), nulls)?),
        ColumnData::Float64(values) => Arc::new(Float64Array::try_new(values.into(), nulls)?),
        ColumnData::Date(values) => Arc::new(Date32Array::try_new(values.into(), nulls)?),
        ColumnData::Timestamp(values) => Arc::new(TimestampMicrosecondArray::try_new(values.into(), nulls)?),
        ColumnData::Decimal(values) | ColumnData::Text(values) => {
            let (offsets, data, _) = StringArray::from_iter_values(values).into_parts();
            Arc::new(StringArray::try_new(offsets, data, nulls)?)
        }
        ColumnData::Bytes(values) => {
            let (offsets, data, _) = BinaryArray::from_iter_values(values).into_parts();
            Arc::new(BinaryArray::try_new(offsets, data, nulls)?)
        }
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
mod tests {
    use super::*;
    use datafusion::arrow::array::Array as _;
    use datafusion::arrow::ipc::reader::StreamReader;

    #[test]
    fn an_arrow_reader_gets_the_same_rows() {
        let info = |name: &str, ty| ColumnInfo { name: name.into(), ty, nullable: true };
        let schema = [
            info("n", ColumnType::Int64),
            info("t", ColumnType::Text),
            info("d", ColumnType::Date),
            info("b", ColumnType::Boolean),
        ];
        let columns = vec![
            Column { validity: Some(vec![0b101]), data: ColumnData::Int64(vec![7, 0, -7]) },
            Column { validity: None, data: ColumnData::Text(vec!["a".into(), String::new(), "é".into()]) },
            Column { validity: None, data: ColumnData::Date(vec![0, 1, 2]) },
            Column { validity: None, data: ColumnData::Boolean(vec![1, 0, 1]) },
        ];
        let bytes = stream(&schema, Batch { rows: 3, columns }).unwrap();
        let mut reader = StreamReader::try_new(bytes.as_slice(), None).unwrap();
        let record = reader.next().unwrap().unwrap();
        assert!(reader.next().is_none());
        let numbers = record.column(0).as_any().downcast_ref::<Int64Array>().unwrap();
        assert_eq!(numbers.iter().collect::<Vec<_>>(), [Some(7), None, Some(-7)]);
        let texts = record.column(1).as_any().downcast_ref::<StringArray>().unwrap();
        assert_eq!(texts.iter().collect::<Vec<_>>(), [Some("a"), Some(""), Some("é")]);
        assert_eq!(record.column(2).data_type(), &DataType::Date32);
        assert_eq!(record.column(3).as_any().downcast_ref::<BooleanArray>().unwrap().true_count(), 2);
    }
}
