//! The crossing of values: every arm moves its vector, so a column of a million numbers costs no more than a column of ten.

use super::quintes::analysis::types as wit;
use crate::value::{Batch, Column, ColumnData, ColumnInfo, ColumnType, Value};

impl From<wit::Value> for Value {
    fn from(value: wit::Value) -> Self {
        match value {
            wit::Value::Null => Self::Null,
            wit::Value::Boolean(value) => Self::Boolean(value),
            wit::Value::Int64(value) => Self::Int64(value),
            wit::Value::Float64(value) => Self::Float64(value),
            wit::Value::Decimal(value) => Self::Decimal(value),
            wit::Value::Text(value) => Self::Text(value),
            wit::Value::Bytes(value) => Self::Bytes(value),
            wit::Value::Date(value) => Self::Date(value),
            wit::Value::Timestamp(value) => Self::Timestamp(value),
        }
    }
}

impl From<Value> for wit::Value {
    fn from(value: Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Boolean(value) => Self::Boolean(value),
            Value::Int64(value) => Self::Int64(value),
            Value::Float64(value) => Self::Float64(value),
            Value::Decimal(value) => Self::Decimal(value),
            Value::Text(value) => Self::Text(value),
            Value::Bytes(value) => Self::Bytes(value),
            Value::Date(value) => Self::Date(value),
            Value::Timestamp(value) => Self::Timestamp(value),
        }
    }
}

impl From<&ColumnInfo> for wit::ColumnInfo {
    fn from(info: &ColumnInfo) -> Self {
        let ty = match info.ty {
            ColumnType::Boolean => wit::ColumnType::Boolean,
            ColumnType::Int64 => wit::ColumnType::Int64,
            ColumnType::Float64 => wit::ColumnType::Float64,
            ColumnType::Decimal => wit::ColumnType::Decimal,
            ColumnType::Text => wit::ColumnType::Text,
            ColumnType::Bytes => wit::ColumnType::Bytes,
            ColumnType::Date => wit::ColumnType::Date,
            ColumnType::Timestamp => wit::ColumnType::Timestamp,
        };
        Self { name: info.name.clone(), ty, nullable: info.nullable }
    }
}

impl From<Batch> for wit::Batch {
    fn from(batch: Batch) -> Self {
        Self { rows: batch.rows, columns: batch.columns.into_iter().map(Into::into).collect() }
    }
}

impl From<Column> for wit::Column {
    fn from(column: Column) -> Self {
        let data = match column.data {
            ColumnData::Boolean(values) => wit::ColumnData::Boolean(values),
            ColumnData::Int64(values) => wit::ColumnData::Int64(values),
            ColumnData::Float64(values) => wit::ColumnData::Float64(values),
            ColumnData::Decimal(values) => wit::ColumnData::Decimal(values),
            ColumnData::Text(values) => wit::ColumnData::Text(values),
            ColumnData::Bytes(values) => wit::ColumnData::Bytes(values),
            ColumnData::Date(values) => wit::ColumnData::Date(values),
            ColumnData::Timestamp(values) => wit::ColumnData::Timestamp(values),
        };
        Self { validity: column.validity, data }
    }
}
