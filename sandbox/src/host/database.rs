//! `database`: handles, one admitted query at a time, and rows in batches.

use super::answer::Unanswered;
use super::held::Connection;
use super::stream::{Stream, StreamError};
use super::{Host, slice};
use crate::bindings::quintes::analysis::{database, types};
use crate::channel::Rows;
use crate::database::DatabaseError;
use crate::limits::{BATCH_BYTES, BATCH_ROWS, ROWS_AT_ONCE};
use crate::statement::{self, Statement, StatementError};
use crate::value::{Batch, ColumnData, Value};
use std::sync::Arc;
use types::{BudgetKind, Error};

impl Host {
    /// Notes why a statement was not admitted, and says so to the component in constant words.
    pub(super) fn not_admitted(&mut self, error: &StatementError) -> Error {
        self.notes.host(&format!("a query was not admitted: {error}"));
        match error {
            StatementError::NotOneQuery => Error::Denied("not exactly one read-only query".to_owned()),
            StatementError::Denied(_) => Error::Denied("the query uses what is not allowed or not granted".to_owned()),
            StatementError::Invalid => Error::InvalidQuery("the query cannot be parsed".to_owned()),
        }
    }

    /// Notes what the engine said, and tells the component that it failed.
    pub(super) fn failed(&mut self, error: &DatabaseError) -> Error {
        self.note_failure(error);
        match error {
            DatabaseError::Invalid(_) => Error::InvalidQuery("the engine refused the query".to_owned()),
            DatabaseError::Failed(_) => Error::Engine("the engine failed".to_owned()),
        }
    }

    /// Counts one statement and starts it.
    pub(super) async fn start(
        &mut self,
        connection: &Connection,
        statement: Statement,
        parameters: Vec<Value>,
    ) -> Result<Stream, Error> {
        if self.usage.queries >= self.limits.queries {
            return Err(Error::BudgetExhausted(BudgetKind::Queries));
        }
        if statement.parameters() != parameters.len() {
            return Err(Error::InvalidQuery(
                "the number of parameters differs from the number of placeholders".to_owned(),
            ));
        }
        self.usage.queries += 1;
        self.notes.statement(statement.sql());
        let started = Stream::start(connection, statement, parameters).await;
        started.map_err(|error| self.failed(&error))
    }

    async fn begin(
        &mut self,
        connection: &Connection,
        sql: &str,
        parameters: Vec<types::Value>,
    ) -> Result<Stream, Error> {
        let session = &connection.session;
        let statement =
            statement::admit(sql, session.dialect(), session.relations()).map_err(|error| self.not_admitted(&error))?;
        self.start(connection, statement, parameters.into_iter().map(Value::from).collect()).await
    }

    /// The next rows of a stream, counted.
    async fn rows(&mut self, stream: &mut Stream, max_rows: u32) -> Result<Option<Batch>, Error> {
        let max_rows = usize::try_from(max_rows.clamp(1, BATCH_ROWS)).expect("a u32 fits into a usize here");
        let rows_left = self.limits.rows.saturating_sub(self.usage.rows);
        let bytes_left = self.limits.bytes.saturating_sub(self.usage.bytes);
        // One row more than is left tells an end from an exhausted budget.
        let most = max_rows.min(usize::try_from(rows_left).unwrap_or(usize::MAX).saturating_add(1));
        let (batch, bytes) = match stream.next_slice(most, BATCH_BYTES).await {
            Ok(Some(next)) => next,
            Ok(None) => return Ok(None),
            Err(StreamError::Database(error)) => return Err(self.failed(&error)),
            Err(StreamError::RowTooLarge) => return Err(Error::BudgetExhausted(BudgetKind::Bytes)),
        };
        let bytes = u64::try_from(bytes).expect("a usize fits into a u64");
        if u64::from(batch.rows) > rows_left {
            return Err(Error::BudgetExhausted(BudgetKind::Rows));
        }
        if bytes > bytes_left {
            return Err(Error::BudgetExhausted(BudgetKind::Bytes));
        }
        self.usage.rows += u64::from(batch.rows);
        self.usage.bytes += bytes;
        if let Some(column) = stream.subject() {
            self.subjects.add(stream.dataset(), &batch.columns[column], slice::rows(&batch));
        }
        Ok(Some(batch))
    }

    async fn all_rows(&mut self, stream: &mut Stream) -> Result<Rows, Error> {
        let mut rows: Vec<Vec<types::Value>> = Vec::new();
        while let Some(batch) = self.rows(stream, BATCH_ROWS).await? {
            if rows.len() + slice::rows(&batch) > ROWS_AT_ONCE {
                return Err(Error::BudgetExhausted(BudgetKind::Rows));
            }
            append(&mut rows, batch);
        }
        Ok((stream.schema().iter().map(Into::into).collect(), rows))
    }

    /// Reads from an open result. A result that is being read is not held: nothing else can reach it, and a run that ends here drops it.
    async fn next(&mut self, result: u32, max_rows: u32) -> Result<Result<Option<Batch>, Error>, Unanswered> {
        let mut stream = self.held.streams.take(result)?;
        let batch = self.rows(&mut stream, max_rows).await;
        self.held.streams.put_back(result, stream);
        Ok(batch)
    }
}

/// Turns columns into rows, for small answers.
fn append(rows: &mut Vec<Vec<types::Value>>, batch: Batch) {
    let first = rows.len();
    rows.resize_with(first + slice::rows(&batch), || Vec::with_capacity(batch.columns.len()));
    for column in batch.columns {
        let validity = column.validity;
        let present = |row: usize| validity.as_ref().is_none_or(|bits| bits[row / 8] >> (row % 8) & 1 == 1);
        let values: Box<dyn Iterator<Item = types::Value>> = match column.data {
            ColumnData::Boolean(values) => Box::new(values.into_iter().map(|value| types::Value::Boolean(value != 0))),
            ColumnData::Int64(values) => Box::new(values.into_iter().map(types::Value::Int64)),
            ColumnData::Float64(values) => Box::new(values.into_iter().map(types::Value::Float64)),
            ColumnData::Decimal(values) => Box::new(values.into_iter().map(types::Value::Decimal)),
            ColumnData::Text(values) => Box::new(values.into_iter().map(types::Value::Text)),
            ColumnData::Bytes(values) => Box::new(values.into_iter().map(types::Value::Bytes)),
            ColumnData::Date(values) => Box::new(values.into_iter().map(types::Value::Date)),
            ColumnData::Timestamp(values) => Box::new(values.into_iter().map(types::Value::Timestamp)),
        };
        for (row, value) in values.enumerate() {
            rows[first + row].push(if present(row) { value } else { types::Value::Null });
        }
    }
}

impl Host {
    pub(super) fn handles(&self) -> Vec<database::HandleInfo> {
        let handles = self.handles.iter().map(|(name, session)| database::HandleInfo {
            name: name.clone(),
            dialect: session.dialect().name().to_owned(),
            description: format!("{} relations", session.relations().len()),
        });
        handles.collect()
    }

    pub(super) fn open(&mut self, name: String) -> Result<Result<u32, Error>, Unanswered> {
        self.held.has_room()?;
        let Some(session) = self.handles.get(&name) else {
            return Ok(Err(Error::NoSuchHandle("not declared by the task, or not granted".to_owned())));
        };
        let connection = Connection { dataset: name.as_str().into(), session: Arc::clone(session) };
        self.opened.insert(name);
        Ok(Ok(self.held.connections.hold(connection)?))
    }

    pub(super) fn tables(&self, connection: u32) -> Result<Result<Vec<database::TableInfo>, Error>, Unanswered> {
        let connection = self.held.connections.get(connection)?;
        let tables = connection.session.relations().iter().map(|relation| database::TableInfo {
            name: relation.name.clone(),
            columns: relation.columns.iter().map(Into::into).collect(),
        });
        Ok(Ok(tables.collect()))
    }

    pub(super) async fn query(
        &mut self,
        connection: u32,
        sql: &str,
        parameters: Vec<types::Value>,
    ) -> Result<Result<u32, Error>, Unanswered> {
        self.held.has_room()?;
        let connection = self.held.connections.get(connection)?.clone();
        if self.open_results >= self.limits.open_results {
            return Ok(Err(Error::BudgetExhausted(BudgetKind::OpenResults)));
        }
        match self.begin(&connection, sql, parameters).await {
            Ok(stream) => {
                let result = self.held.streams.hold(stream)?;
                self.open_results += 1;
                Ok(Ok(result))
            }
            Err(error) => Ok(Err(error)),
        }
    }

    pub(super) async fn query_rows(
        &mut self,
        connection: u32,
        sql: &str,
        parameters: Vec<types::Value>,
    ) -> Result<Result<Rows, Error>, Unanswered> {
        let connection = self.held.connections.get(connection)?.clone();
        match self.begin(&connection, sql, parameters).await {
            Ok(mut stream) => Ok(self.all_rows(&mut stream).await),
            Err(error) => Ok(Err(error)),
        }
    }

    pub(super) fn budget(&self, connection: u32) -> Result<types::Budget, Unanswered> {
        self.held.connections.get(connection)?;
        Ok(types::Budget {
            rows_left: self.limits.rows.saturating_sub(self.usage.rows),
            bytes_left: self.limits.bytes.saturating_sub(self.usage.bytes),
            queries_left: self.limits.queries.saturating_sub(self.usage.queries),
            // The whole allowance, always: what is left of it would be a clock, and a component has none.
            millis_left: u64::try_from(self.limits.wall.as_millis()).unwrap_or(u64::MAX),
        })
    }

    pub(super) fn schema(&self, result: u32) -> Result<Vec<types::ColumnInfo>, Unanswered> {
        Ok(self.held.streams.get(result)?.schema().iter().map(Into::into).collect())
    }

    pub(super) async fn next_batch(
        &mut self,
        result: u32,
        max_rows: u32,
    ) -> Result<Result<Option<Batch>, Error>, Unanswered> {
        self.next(result, max_rows).await
    }

    pub(super) async fn next_arrow(
        &mut self,
        result: u32,
        max_rows: u32,
    ) -> Result<Result<Option<Vec<u8>>, Error>, Unanswered> {
        let batch = match self.next(result, max_rows).await? {
            Ok(Some(batch)) => batch,
            Ok(None) => return Ok(Ok(None)),
            Err(error) => return Ok(Err(error)),
        };
        let schema = self.held.streams.get(result)?.schema().to_vec();
        Ok(self.arrow(&schema, batch).map(Some))
    }

    pub(super) fn drop_result(&mut self, result: u32) -> Result<(), Unanswered> {
        self.held.streams.take(result)?;
        self.open_results -= 1;
        Ok(())
    }
}

impl Host {
    #[cfg(feature = "datafusion")]
    fn arrow(&mut self, schema: &[crate::value::ColumnInfo], batch: Batch) -> Result<Vec<u8>, Error> {
        super::arrow::stream(schema, batch).map_err(|error| self.failed(&DatabaseError::Failed(error.into())))
    }

    /// Without an engine that brings Arrow there is no Arrow.
    #[cfg(not(feature = "datafusion"))]
    fn arrow(&mut self, _schema: &[crate::value::ColumnInfo], _batch: Batch) -> Result<Vec<u8>, Error> {
        Err(Error::Engine("this node has no Arrow: use next-batch".to_owned()))
    }
}
