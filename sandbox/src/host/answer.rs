//! The one place where a worker's call meets the host function that answers it.

use super::Host;
use crate::channel::{Answer, Call, columns};
use crate::value::Batch;
use thiserror::Error;

/// An answer, with what travels behind its message.
pub(crate) enum Reply {
    /// The message is all.
    Plain(Answer),
    /// Rows as columns.
    Batch(Box<columns::Sent>),
    /// Rows as Arrow IPC.
    Arrow(Vec<u8>),
}

impl Reply {
    pub(super) fn batch(batch: Batch) -> Self {
        Self::Batch(Box::new(columns::Sent::new(batch)))
    }
}

/// Why a call has no answer; the run ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum Unanswered {
    /// The component asks for more at a time than any may have.
    #[error("the component holds too many handles")]
    TooManyHandles,
    /// No handle that was given: a component cannot make one up, so the worker is not itself any more.
    #[error("the worker uses a handle that it was not given")]
    NoSuchHandle,
}

impl Host {
    /// Answers one call. `bytes` is what travelled behind it.
    pub(crate) async fn answer(&mut self, call: Call, bytes: &[u8]) -> Result<Reply, Unanswered> {
        let answer = match call {
            Call::Parameter(name) => Answer::Parameter(self.parameter(&name)),
            Call::Log(line) => {
                self.log(&line);
                Answer::Done
            }
            Call::Progress(fraction) => {
                self.progress(fraction);
                Answer::Done
            }
            Call::Handles => Answer::Handles(self.handles()),
            Call::Open(name) => Answer::Held(self.open(name)?),
            Call::Tables(connection) => Answer::Tables(self.tables(connection)?),
            Call::Query(connection, sql, parameters) => Answer::Held(self.query(connection, &sql, parameters).await?),
            Call::QueryRows(connection, sql, parameters) => {
                Answer::Rows(self.query_rows(connection, &sql, parameters).await?)
            }
            Call::Budget(connection) => Answer::Budget(self.budget(connection)?),
            Call::DropConnection(connection) => {
                self.held.connections.take(connection)?;
                Answer::Done
            }
            Call::Schema(result) => Answer::Columns(self.schema(result)?),
            Call::NextBatch(result, max_rows) => match self.next_batch(result, max_rows).await? {
                Ok(Some(batch)) => return Ok(Reply::batch(batch)),
                Ok(None) => Answer::Batch(Ok(None)),
                Err(error) => Answer::Batch(Err(error)),
            },
            Call::NextArrow(result, max_rows) => match self.next_arrow(result, max_rows).await? {
                Ok(Some(bytes)) => return Ok(Reply::Arrow(bytes)),
                Ok(None) => Answer::Arrow(Ok(None)),
                Err(error) => Answer::Arrow(Err(error)),
            },
            Call::DropResult(result) => {
                self.drop_result(result)?;
                Answer::Done
            }
            Call::Tabulate(connection, relation, by) => Answer::Held(self.tabulate(connection, &relation, by).await?),
            Call::Aggregate(connection, relation, by, measures) => {
                Answer::Held(self.aggregate(connection, &relation, by, measures).await?)
            }
            Call::Columns(table) => Answer::Columns(self.columns(table)?),
            Call::TableRows(table) => Answer::TableRows(self.table_rows(table)?),
            Call::DropTable(table) => {
                self.drop_table(table)?;
                Answer::Done
            }
            Call::Create(name, media_type) => Answer::Output(self.create(&name, &media_type)?),
            Call::WriteTable(name, table) => Answer::Taken(self.write_table(&name, table)?),
            Call::Write(output, _) => Answer::Taken(self.write(output, bytes)?),
            Call::Finish(output) => Answer::Taken(self.finish(output)?),
            Call::DropOutput(output) => {
                self.drop_output(output)?;
                Answer::Done
            }
        };
        Ok(Reply::Plain(answer))
    }
}
