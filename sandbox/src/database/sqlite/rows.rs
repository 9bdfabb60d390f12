//! Rows on their way out: what type each column of a result has, its values as ours, and our parameters as SQLite's.

use super::Opened;
use crate::database::columns::{Filling, Growing};
use crate::database::query::QueryError;
use crate::database::{DatabaseError, time};
use crate::value::{Batch, ColumnData, ColumnInfo, ColumnType, Value};
use rusqlite::types::{Value as Own, ValueRef};
use rusqlite::{Connection, Statement};
use std::collections::BTreeMap;
use thiserror::Error;

/// A value of another kind than its column.
#[derive(Debug, Error)]
#[error("a value of the column \"{0}\" is of another kind than the others: cast the column")]
struct OtherKind(String);

pub(super) fn invalid(error: rusqlite::Error) -> DatabaseError {
    DatabaseError::Invalid(Box::new(error))
}

pub(super) fn failed(error: rusqlite::Error) -> DatabaseError {
    DatabaseError::Failed(Box::new(error))
}

/// The columns that come from a granted relation as they are, by the table and column that SQLite itself names; all in lower case.
pub(super) type Origins = BTreeMap<(String, String), (ColumnType, bool)>;

/// Where the columns of the granted relations come from. A column that two of them show with different types is left out.
pub(super) fn origins(connection: &Connection, relations: &[crate::database::Relation]) -> rusqlite::Result<Origins> {
    let mut origins = Origins::new();
    let mut unclear = Vec::new();
    for relation in relations {
        let names = relation.columns.iter().map(|column| format!("\"{}\"", column.name.replace('"', "\"\"")));
        let list = names.collect::<Vec<_>>().join(", ");
        let statement = connection.prepare(&format!("SELECT {list} FROM main.\"{}\"", relation.name))?;
        for (origin, column) in statement.columns_with_metadata().zip(&relation.columns) {
            let Some((table, name)) = origin.table_name().zip(origin.origin_name()) else { continue };
            let key = (table.to_lowercase(), name.to_lowercase());
            let (ty, nullable) = origins.entry(key.clone()).or_insert((column.ty, column.nullable));
            *nullable |= column.nullable;
            if *ty != column.ty {
                unclear.push(key);
            }
        }
    }
    origins.retain(|key, _| !unclear.contains(key));
    Ok(origins)
}

/// Binds `$1..$n`; a text may use them in any order.
pub(super) fn bind(statement: &mut Statement<'_>, parameters: &[Value]) -> Result<(), DatabaseError> {
    for (i, parameter) in parameters.iter().enumerate() {
        if let Some(index) = statement.parameter_index(&format!("${}", i + 1)).map_err(invalid)? {
            statement.raw_bind_parameter(index, own(parameter)?).map_err(invalid)?;
        }
    }
    Ok(())
}

/// A parameter as SQLite takes it: dates as the texts that its tables hold.
fn own(value: &Value) -> Result<Own, DatabaseError> {
    let text = |text: Option<String>| text.map(Own::Text).ok_or_else(|| QueryError::Decimal.invalid());
    Ok(match value {
        Value::Null => Own::Null,
        Value::Boolean(value) => Own::Integer(i64::from(*value)),
        Value::Int64(value) => Own::Integer(*value),
        Value::Float64(value) => Own::Real(*value),
        Value::Decimal(text) => Own::Real(text.parse().map_err(|_| QueryError::Decimal.invalid())?),
        Value::Text(text) => Own::Text(text.clone()),
        Value::Bytes(bytes) => Own::Blob(bytes.clone()),
        Value::Date(days) => text(time::date_text(*days))?,
        Value::Timestamp(micros) => text(time::timestamp_text(*micros))?,
    })
}

/// The columns of a result. What is computed has the type that all its values have, so the query is asked for that first.
pub(super) fn schema(
    connection: &Connection,
    opened: &Opened,
    statement: &Statement<'_>,
    sql: &str,
    parameters: &[Value],
) -> Result<Vec<ColumnInfo>, DatabaseError> {
    let mut columns = Vec::new();
    let mut computed = Vec::new();
    for (i, column) in statement.columns_with_metadata().enumerate() {
        let origin = column.table_name().zip(column.origin_name());
        let found = origin.and_then(|(table, name)| opened.origins.get(&(table.to_lowercase(), name.to_lowercase())));
        // a wildcard gives the name as the table's author wrote it
        let is_own = origin.is_some_and(|(_, name)| name.eq_ignore_ascii_case(column.name()));
        let name = if is_own { column.name().to_lowercase() } else { column.name().to_owned() };
        if found.is_none() {
            computed.push(i);
        }
        let (ty, nullable) = found.copied().unwrap_or((ColumnType::Text, true));
        // an outer join makes any column null
        columns.push(ColumnInfo { name, ty, nullable: nullable || found.is_some() });
    }
    if !computed.is_empty() {
        let types = computed_types(connection, sql, parameters, &columns, &computed)?;
        for (i, ty) in computed.into_iter().zip(types) {
            columns[i].ty = ty;
        }
    }
    Ok(columns)
}

/// The types of computed columns, over all rows of the result.
fn computed_types(
    connection: &Connection,
    sql: &str,
    parameters: &[Value],
    columns: &[ColumnInfo],
    computed: &[usize],
) -> Result<Vec<ColumnType>, DatabaseError> {
    const CLASSES: [&str; 4] = ["integer", "real", "text", "blob"];
    let names = (0..columns.len()).map(|i| format!("c{i}")).collect::<Vec<_>>().join(", ");
    let asked = computed.iter().flat_map(|i| CLASSES.map(|class| format!("max(typeof(c{i}) = '{class}')")));
    let asked = asked.collect::<Vec<_>>().join(", ");
    let sql = format!("WITH quintes_result ({names}) AS ({sql}) SELECT {asked} FROM quintes_result");
    let mut statement = connection.prepare(&sql).map_err(invalid)?;
    bind(&mut statement, parameters)?;
    let mut rows = statement.raw_query();
    let row = rows.next().map_err(failed)?.ok_or_else(|| QueryError::Stopped.failed())?;
    let types = computed.iter().enumerate().map(|(at, i)| {
        let mut seen = [false; 4];
        for (class, seen) in seen.iter_mut().enumerate() {
            *seen = row.get::<_, Option<bool>>(4 * at + class).map_err(failed)?.unwrap_or(false);
        }
        match seen {
            [true, false, false, false] => Ok(ColumnType::Int64),
            [_, true, false, false] => Ok(ColumnType::Float64),
            // what is null in every row has no type of its own
            [false, false, _, false] => Ok(ColumnType::Text),
            [false, false, false, true] => Ok(ColumnType::Bytes),
            _ => Err(QueryError::Type(columns[*i].name.clone()).invalid()),
        }
    });
    types.collect()
}

/// The next rows of a running statement.
pub(super) fn batch(rows: &mut rusqlite::Rows<'_>, schema: &[ColumnInfo]) -> Result<Option<Batch>, DatabaseError> {
    let mut filling = Filling::new(schema);
    while !filling.is_full()
        && let Some(row) = rows.next().map_err(failed)?
    {
        filling.row(|columns| {
            let mut bytes = 0;
            for (i, (column, info)) in columns.iter_mut().zip(schema).enumerate() {
                bytes += put(column, row.get_ref(i).map_err(failed)?)
                    .ok_or_else(|| DatabaseError::Failed(Box::new(OtherKind(info.name.clone()))))?;
            }
            Ok(bytes)
        })?;
    }
    Ok(filling.finish())
}

/// Puts one value into its column and returns the bytes of its text; `None` where it is of another kind.
fn put(column: &mut Growing, value: ValueRef<'_>) -> Option<usize> {
    if matches!(value, ValueRef::Null) {
        column.null();
        return Some(0);
    }
    match (column.value(), value) {
        (ColumnData::Boolean(values), ValueRef::Integer(value)) => values.push(u8::from(value != 0)),
        (ColumnData::Int64(values), ValueRef::Integer(value)) => values.push(value),
        (ColumnData::Float64(values), ValueRef::Real(value)) => values.push(value),
        #[allow(clippy::cast_precision_loss, reason = "as SQLite itself compares an integer with a real")]
        (ColumnData::Float64(values), ValueRef::Integer(value)) => values.push(value as f64),
        (ColumnData::Text(values), ValueRef::Text(text)) => {
            values.push(std::str::from_utf8(text).ok()?.to_owned());
            return Some(text.len());
        }
        (ColumnData::Bytes(values), ValueRef::Blob(bytes)) => {
            values.push(bytes.to_vec());
            return Some(bytes.len());
        }
        (ColumnData::Date(values), ValueRef::Text(text)) => values.push(time::date(std::str::from_utf8(text).ok()?)?),
        (ColumnData::Timestamp(values), ValueRef::Text(text)) => {
            values.push(time::timestamp(std::str::from_utf8(text).ok()?)?);
        }
        _ => return None,
    }
    Some(0)
}
