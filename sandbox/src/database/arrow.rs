//! Arrow as ours: the types that a component can have, and the batches of the engines that speak it.

use super::DatabaseError;
use super::query::QueryError;
use crate::value::{Batch, Column, ColumnData, ColumnInfo, ColumnType};
use datafusion::arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use datafusion::arrow::buffer::NullBuffer;
use datafusion::arrow::compute::{CastOptions, cast_with_options};
use datafusion::arrow::datatypes::{
    DataType, Date32Type, Float64Type, Int64Type, Schema, TimeUnit, TimestampMicrosecondType,
};
use datafusion::arrow::error::ArrowError;

/// Our type for one of the engine's; `None` when a component cannot have it.
pub(super) fn column_type(data_type: &DataType) -> Option<ColumnType> {
    match data_type {
        DataType::Boolean => Some(ColumnType::Boolean),
        // ranks are unsigned; a value that does not fit fails the query, for the type may not depend on the rows
        DataType::Int8
        | DataType::Int16
        | DataType::Int32
        | DataType::Int64
        | DataType::UInt8
        | DataType::UInt16
        | DataType::UInt32
        | DataType::UInt64 => Some(ColumnType::Int64),
        DataType::Float16 | DataType::Float32 | DataType::Float64 => Some(ColumnType::Float64),
        DataType::Decimal32(..) | DataType::Decimal64(..) | DataType::Decimal128(..) | DataType::Decimal256(..) => {
            Some(ColumnType::Decimal)
        }
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Some(ColumnType::Text),
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
            Some(ColumnType::Bytes)
        }
        DataType::Date32 | DataType::Date64 => Some(ColumnType::Date),
        DataType::Timestamp(..) => Some(ColumnType::Timestamp),
        // what is null in every row has no type of its own
        DataType::Null => Some(ColumnType::Text),
        DataType::Dictionary(_, values) => column_type(values),
        _ => None,
    }
}

/// The columns of a result; each must have a type that a component can have.
pub(super) fn columns(schema: &Schema) -> Result<Vec<ColumnInfo>, DatabaseError> {
    let columns = schema.fields().iter().map(|field| {
        let ty = column_type(field.data_type()).ok_or_else(|| QueryError::Type(field.name().clone()).invalid())?;
        Ok(ColumnInfo { name: field.name().clone(), ty, nullable: field.is_nullable() })
    });
    columns.collect()
}

/// A batch of these columns.
pub(super) fn batch(batch: &RecordBatch, schema: &[ColumnInfo]) -> Result<Batch, DatabaseError> {
    let columns = batch.columns().iter().zip(schema).map(|(array, info)| column(array, info.ty));
    Ok(Batch {
        rows: u32::try_from(batch.num_rows()).map_err(|error| DatabaseError::Failed(Box::new(error)))?,
        columns: columns.collect::<Result<_, _>>().map_err(|error| DatabaseError::Failed(Box::new(error)))?,
    })
}

/// One array as a column. Fixed-width types are copied whole; only text, bytes and decimals cost an allocation each.
fn column(array: &ArrayRef, ty: ColumnType) -> Result<Column, ArrowError> {
    let to = match ty {
        ColumnType::Boolean => DataType::Boolean,
        ColumnType::Int64 => DataType::Int64,
        ColumnType::Float64 => DataType::Float64,
        ColumnType::Decimal | ColumnType::Text => DataType::Utf8View,
        ColumnType::Bytes => DataType::BinaryView,
        ColumnType::Date => DataType::Date32,
        // a zone is how the writer showed it; the instant is the same
        ColumnType::Timestamp => match array.data_type() {
            DataType::Timestamp(_, zone) => DataType::Timestamp(TimeUnit::Microsecond, zone.clone()),
            _ => DataType::Timestamp(TimeUnit::Microsecond, None),
        },
    };
    // a value that does not fit is an error, not a null
    let options = CastOptions { safe: false, ..CastOptions::default() };
    let array = if *array.data_type() == to { array.clone() } else { cast_with_options(array, &to, &options)? };
    let nulls = array.logical_nulls().filter(|nulls| nulls.null_count() > 0);
    let rows = array.len();
    let data = match ty {
        ColumnType::Boolean => {
            let values = array.as_boolean().values();
            let mut bytes: Vec<u8> = values.iter().map(u8::from).collect();
            zero_nulls(&mut bytes, nulls.as_ref());
            ColumnData::Boolean(bytes)
        }
        ColumnType::Int64 => ColumnData::Int64(fixed(array.as_primitive::<Int64Type>().values(), nulls.as_ref())),
        ColumnType::Float64 => ColumnData::Float64(fixed(array.as_primitive::<Float64Type>().values(), nulls.as_ref())),
        ColumnType::Date => ColumnData::Date(fixed(array.as_primitive::<Date32Type>().values(), nulls.as_ref())),
        ColumnType::Timestamp => {
            ColumnData::Timestamp(fixed(array.as_primitive::<TimestampMicrosecondType>().values(), nulls.as_ref()))
        }
        ColumnType::Text | ColumnType::Decimal => {
            let views = array.as_string_view();
            let present = |row: usize| nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row));
            let texts = (0..rows).map(|row| if present(row) { views.value(row).to_owned() } else { String::new() });
            if ty == ColumnType::Text {
                ColumnData::Text(texts.collect())
            } else {
                ColumnData::Decimal(texts.collect())
            }
        }
        ColumnType::Bytes => {
            let views = array.as_binary_view();
            let present = |row: usize| nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row));
            let bytes = (0..rows).map(|row| if present(row) { views.value(row).to_vec() } else { Vec::new() });
            ColumnData::Bytes(bytes.collect())
        }
    };
    Ok(Column { validity: nulls.map(|nulls| bitmap(&nulls)), data })
}

/// The values as they lie, with zero where there is none: what an engine left there is nobody's.
fn fixed<T: Copy + Default>(values: &[T], nulls: Option<&NullBuffer>) -> Vec<T> {
    let mut values = values.to_vec();
    zero_nulls(&mut values, nulls);
    values
}

fn zero_nulls<T: Default>(values: &mut [T], nulls: Option<&NullBuffer>) {
    if let Some(nulls) = nulls {
        for (value, valid) in values.iter_mut().zip(nulls) {
            if !valid {
                *value = T::default();
            }
        }
    }
}

/// The presence of values as an Arrow bitmap from bit 0; bits behind the last row are clear.
fn bitmap(nulls: &NullBuffer) -> Vec<u8> {
    let mut bytes = vec![0_u8; nulls.len().div_ceil(8)];
    for row in nulls.valid_indices() {
        bytes[row / 8] |= 1 << (row % 8);
    }
    bytes
}
