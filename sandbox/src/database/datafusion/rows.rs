//! Rows on their way out, and our parameters as the engine's.

use super::files::Fingerprints;
use super::session::Running;
use super::{DatabaseError, QueryError, Rows};
use crate::database::arrow;
use crate::value::{Batch, ColumnInfo, Value};
use datafusion::common::ScalarValue;
use futures::FutureExt;
use futures::future::BoxFuture;

/// A running query.
pub(super) struct Stream {
    running: Running,
    schema: Vec<ColumnInfo>,
    files: Fingerprints,
}

impl Stream {
    /// Checks that every column has a type that a component can have.
    pub(super) fn new(running: Running, files: Fingerprints) -> Result<Self, DatabaseError> {
        let schema = arrow::columns(&running.schema)?;
        Ok(Self { running, schema, files })
    }
}

impl Rows for Stream {
    fn schema(&self) -> &[ColumnInfo] {
        &self.schema
    }

    fn next(&mut self) -> BoxFuture<'_, Result<Option<Batch>, DatabaseError>> {
        async move {
            loop {
                match self.running.next().await? {
                    Some(batch) if batch.num_rows() == 0 => {}
                    Some(batch) => return arrow::batch(&batch, &self.schema).map(Some),
                    None => {
                        // rows of a file that changed while it was read belong to no snapshot
                        self.files.check()?;
                        return Ok(None);
                    }
                }
            }
        }
        .boxed()
    }
}

/// A parameter as the engine takes it.
pub(super) fn scalar(value: &Value) -> Result<ScalarValue, DatabaseError> {
    Ok(match value {
        Value::Null => ScalarValue::Null,
        Value::Boolean(value) => ScalarValue::Boolean(Some(*value)),
        Value::Int64(value) => ScalarValue::Int64(Some(*value)),
        Value::Float64(value) => ScalarValue::Float64(Some(*value)),
        Value::Decimal(text) => decimal(text).ok_or_else(|| QueryError::Decimal.invalid())?,
        Value::Text(text) => ScalarValue::Utf8(Some(text.clone())),
        Value::Bytes(bytes) => ScalarValue::Binary(Some(bytes.clone())),
        Value::Date(days) => ScalarValue::Date32(Some(*days)),
        Value::Timestamp(micros) => ScalarValue::TimestampMicrosecond(Some(*micros), None),
    })
}

/// `-?digits[.digits]` with its own scale; [`super::query::check_parameters`] has looked at its form.
fn decimal(text: &str) -> Option<ScalarValue> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let value = format!("{whole}{fraction}").parse::<i128>().ok()?;
    let scale = i8::try_from(fraction.len()).ok()?;
    Some(ScalarValue::Decimal128(Some(value), 38, scale))
}
