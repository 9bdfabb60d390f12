//! A running query: a task of its own reads ahead from the engine, so that parsing and planning do not use a component's small stack, the engine
//! works while the component computes, and dropping the stream cancels the query.

use super::held::Connection;
use super::slice;
use crate::database::DatabaseError;
use crate::statement::Statement;
use crate::value::{Batch, ColumnInfo, Value};
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

/// The batches that the engine may be ahead of the component: one being read and one ready.
const AHEAD: usize = 2;

/// The rows of one running query.
pub(crate) struct Stream {
    dataset: Arc<str>,
    schema: Vec<ColumnInfo>,
    subject: Option<usize>,
    batches: mpsc::Receiver<Result<Option<Batch>, DatabaseError>>,
    current: Option<(Batch, usize)>,
    ended: bool,
    _task: AbortOnDrop,
}

struct AbortOnDrop(JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Why a stream gave no rows.
pub(crate) enum StreamError {
    Database(DatabaseError),
    /// One row alone is larger than the largest batch.
    RowTooLarge,
}

impl Stream {
    /// Starts an admitted statement.
    pub(crate) async fn start(
        connection: &Connection,
        statement: Statement,
        parameters: Vec<Value>,
    ) -> Result<Self, DatabaseError> {
        let Connection { dataset, session } = connection.clone();
        let subjects: Vec<String> =
            session.relations().iter().filter_map(|relation| relation.subject.clone()).collect();
        let (opened, schema) = oneshot::channel();
        let (batch, batches) = mpsc::channel(AHEAD);
        let task = AbortOnDrop(tokio::spawn(async move {
            let mut rows = match session.query(&statement, &parameters).await {
                Ok(rows) => rows,
                Err(error) => {
                    // the component may be gone
                    let _ = opened.send(Err(error));
                    return;
                }
            };
            if opened.send(Ok(rows.schema().to_vec())).is_err() {
                return;
            }
            loop {
                let next = rows.next().await;
                let last = !matches!(next, Ok(Some(_)));
                if batch.send(next).await.is_err() || last {
                    return;
                }
            }
        }));
        let schema = schema.await.unwrap_or_else(|_| Err(stopped()))?;
        let subject = schema.iter().position(|column| subjects.contains(&column.name.to_lowercase()));
        Ok(Self { dataset, schema, subject, batches, current: None, ended: false, _task: task })
    }

    /// The name of the handle.
    pub(crate) fn dataset(&self) -> &str {
        &self.dataset
    }

    /// The column that has the name of the dataset's subject column; the query may have put something else under it.
    pub(crate) fn subject(&self) -> Option<usize> {
        self.subject
    }

    pub(crate) fn schema(&self) -> &[ColumnInfo] {
        &self.schema
    }

    /// The next batch as the engine made it.
    pub(crate) async fn next(&mut self) -> Result<Option<Batch>, DatabaseError> {
        if self.ended {
            return Ok(None);
        }
        // A task that ends without saying so has panicked.
        let next = self.batches.recv().await.unwrap_or_else(|| Err(stopped()));
        self.ended = !matches!(next, Ok(Some(_)));
        next
    }

    /// The next at most `max_rows` rows and `max_bytes` bytes, with their size in bytes.
    pub(crate) async fn next_slice(
        &mut self,
        max_rows: usize,
        max_bytes: usize,
    ) -> Result<Option<(Batch, usize)>, StreamError> {
        let (mut batch, from) = match self.current.take() {
            Some(current) => current,
            None => match self.next().await.map_err(StreamError::Database)? {
                Some(batch) => (batch, 0),
                None => return Ok(None),
            },
        };
        let (rows, bytes) = slice::fit(&batch, from, max_rows, max_bytes);
        if rows == 0 {
            self.ended = true;
            return Err(StreamError::RowTooLarge);
        }
        let to = from + rows;
        if from == 0 && to == slice::rows(&batch) {
            return Ok(Some((batch, bytes)));
        }
        let part = slice::take(&mut batch, from, to);
        if to < slice::rows(&batch) {
            self.current = Some((batch, to));
        }
        Ok(Some((part, bytes)))
    }
}

fn stopped() -> DatabaseError {
    DatabaseError::Failed("the query's task stopped".into())
}
