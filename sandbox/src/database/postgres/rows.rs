//! Rows on their way out: the server's types as ours, its values as ours, and our parameters as the server's.

use super::numeric;
use crate::database::DatabaseError;
use crate::database::columns::Growing;
use crate::database::query::QueryError;
use crate::value::{ColumnData, ColumnInfo, ColumnType, Value};
use std::error::Error;
use thiserror::Error;
use tokio_postgres::Row;
use tokio_postgres::types::private::BytesMut;
use tokio_postgres::types::{Format, FromSql, IsNull, ToSql, Type};

/// From 1970-01-01 to 2000-01-01, from which the server counts: in days and in microseconds.
const EPOCH: (i32, i64) = (10_957, 946_684_800_000_000);

/// A value that has no place in its column's type: `infinity`, `NaN` as a numeric, a year far away.
#[derive(Debug, Error)]
#[error("a value of the column \"{0}\" is out of range")]
struct OutOfRange(String);

/// Our type for one of the server's; `None` when a component cannot have it.
pub(super) fn column_type(ty: &Type) -> Option<ColumnType> {
    match *ty {
        Type::BOOL => Some(ColumnType::Boolean),
        Type::INT2 | Type::INT4 | Type::INT8 => Some(ColumnType::Int64),
        Type::FLOAT4 | Type::FLOAT8 => Some(ColumnType::Float64),
        Type::NUMERIC => Some(ColumnType::Decimal),
        // a text that is written into a query has no type of its own
        Type::TEXT | Type::VARCHAR | Type::BPCHAR | Type::UNKNOWN => Some(ColumnType::Text),
        Type::BYTEA => Some(ColumnType::Bytes),
        Type::DATE => Some(ColumnType::Date),
        Type::TIMESTAMP | Type::TIMESTAMPTZ => Some(ColumnType::Timestamp),
        _ => None,
    }
}

/// The columns of a prepared statement, and the server's types of them.
pub(super) fn schema(statement: &tokio_postgres::Statement) -> Result<(Vec<ColumnInfo>, Vec<Type>), DatabaseError> {
    let columns = statement.columns().iter().map(|column| {
        let name = column.name().to_owned();
        let ty = column_type(column.type_()).ok_or_else(|| QueryError::Type(name.clone()).invalid())?;
        Ok((ColumnInfo { name, ty, nullable: true }, column.type_().clone()))
    });
    columns.collect::<Result<Vec<_>, _>>().map(|columns| columns.into_iter().unzip())
}

/// A value as it came.
struct Raw<'a>(&'a [u8]);

impl<'a> FromSql<'a> for Raw<'a> {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self(raw))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

/// Puts a row's values into their columns and returns the bytes of its texts.
pub(super) fn put(
    row: &Row,
    schema: &[ColumnInfo],
    types: &[Type],
    columns: &mut [Growing],
) -> Result<usize, DatabaseError> {
    let mut bytes = 0;
    for (i, column) in columns.iter_mut().enumerate() {
        match row.try_get::<_, Option<Raw<'_>>>(i).map_err(|error| DatabaseError::Failed(Box::new(error)))? {
            None => column.null(),
            Some(Raw(raw)) => {
                bytes += value(column.value(), &types[i], raw)
                    .ok_or_else(|| DatabaseError::Failed(Box::new(OutOfRange(schema[i].name.clone()))))?;
            }
        }
    }
    Ok(bytes)
}

fn value(data: &mut ColumnData, ty: &Type, raw: &[u8]) -> Option<usize> {
    match data {
        ColumnData::Boolean(values) => values.push(u8::from(*raw.first()? != 0)),
        ColumnData::Int64(values) => values.push(match *ty {
            Type::INT2 => i64::from(i16::from_be_bytes(raw.try_into().ok()?)),
            Type::INT4 => i64::from(i32::from_be_bytes(raw.try_into().ok()?)),
            _ => i64::from_be_bytes(raw.try_into().ok()?),
        }),
        ColumnData::Float64(values) => values.push(match *ty {
            Type::FLOAT4 => f64::from(f32::from_be_bytes(raw.try_into().ok()?)),
            _ => f64::from_be_bytes(raw.try_into().ok()?),
        }),
        ColumnData::Date(values) => {
            let days = i32::from_be_bytes(raw.try_into().ok()?);
            // both ends of the range stand for the infinities
            values.push((days != i32::MIN).then_some(days)?.checked_add(EPOCH.0)?);
        }
        ColumnData::Timestamp(values) => {
            let micros = i64::from_be_bytes(raw.try_into().ok()?);
            values.push((micros != i64::MIN).then_some(micros)?.checked_add(EPOCH.1)?);
        }
        ColumnData::Decimal(values) => {
            let text = numeric::text(raw)?;
            let bytes = text.len();
            values.push(text);
            return Some(bytes);
        }
        ColumnData::Text(values) => {
            values.push(std::str::from_utf8(raw).ok()?.to_owned());
            return Some(raw.len());
        }
        ColumnData::Bytes(values) => {
            values.push(raw.to_vec());
            return Some(raw.len());
        }
    }
    Some(0)
}

/// A parameter, in the type that it has by itself.
#[derive(Debug)]
pub(super) struct Parameter(Value);

impl Parameter {
    pub(super) fn new(value: &Value) -> Self {
        Self(value.clone())
    }

    /// The type that the statement is prepared with; a null takes what its place asks for.
    pub(super) fn ty(&self) -> Type {
        match self.0 {
            Value::Null => Type::UNKNOWN,
            Value::Boolean(_) => Type::BOOL,
            Value::Int64(_) => Type::INT8,
            Value::Float64(_) => Type::FLOAT8,
            Value::Decimal(_) => Type::NUMERIC,
            Value::Text(_) => Type::TEXT,
            Value::Bytes(_) => Type::BYTEA,
            Value::Date(_) => Type::DATE,
            Value::Timestamp(_) => Type::TIMESTAMP,
        }
    }
}

impl ToSql for Parameter {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        match &self.0 {
            Value::Null => return Ok(IsNull::Yes),
            Value::Boolean(value) => out.extend_from_slice(&[u8::from(*value)]),
            Value::Int64(value) => out.extend_from_slice(&value.to_be_bytes()),
            Value::Float64(value) => out.extend_from_slice(&value.to_be_bytes()),
            Value::Decimal(text) | Value::Text(text) => out.extend_from_slice(text.as_bytes()),
            Value::Bytes(bytes) => out.extend_from_slice(bytes),
            Value::Date(days) => {
                let days = days.checked_sub(EPOCH.0).ok_or("a date parameter is out of range")?;
                out.extend_from_slice(&days.to_be_bytes());
            }
            Value::Timestamp(micros) => {
                let micros = micros.checked_sub(EPOCH.1).ok_or("a timestamp parameter is out of range")?;
                out.extend_from_slice(&micros.to_be_bytes());
            }
        }
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn encode_format(&self, _: &Type) -> Format {
        // the server reads a decimal exactly from its digits
        if matches!(self.0, Value::Decimal(_)) { Format::Text } else { Format::Binary }
    }

    tokio_postgres::types::to_sql_checked!();
}
