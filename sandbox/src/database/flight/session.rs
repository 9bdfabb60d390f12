//! One task's session at the server, its queries, and their rows.

use super::ending::{Ending, Job};
use super::wire::Link;
use super::{DatabaseError, Opened, QueryError, find};
use crate::database::query::check_parameters;
use crate::database::{Relation, Rows, Session, arrow};
use crate::statement::{Dialect, Statement, StatementError};
use crate::value::{Batch, ColumnData, ColumnInfo, Value};
use arrow_flight::decode::FlightRecordBatchStream;
use arrow_flight::{FlightEndpoint, Ticket};
use futures::future::BoxFuture;
use futures::{FutureExt as _, StreamExt as _};
use sha2::{Digest, Sha256};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::Instant;
use tonic::{Code, Status};

/// The longest that any session may last, so that a point in time can be told.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3_600);
/// A location that means: the server that gave the ticket.
const HERE: &str = "arrow-flight-reuse-connection://?";

/// The session of one task.
pub(super) struct Task {
    opened: Arc<Opened>,
    link: Link,
    until: Instant,
    digest: [u8; 32],
    /// What no other client of the cluster can guess; each query's tag is made of it.
    secret: [u8; 32],
    queries: AtomicU64,
}

fn boxed(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> DatabaseError {
    DatabaseError::Failed(error.into())
}

/// What the server says of a query before it runs is about the query.
fn refused(status: Status) -> DatabaseError {
    match status.code() {
        Code::InvalidArgument | Code::Unimplemented => DatabaseError::Invalid(Box::new(status)),
        _ => boxed(status),
    }
}

impl Task {
    pub(super) async fn begin(opened: Arc<Opened>, most: Duration) -> Result<Self, DatabaseError> {
        let until = Instant::now() + most.min(LONGEST);
        let begun = async {
            let link = opened.server.begin(opened.ending != Ending::Call).await.map_err(boxed)?;
            let tables: Vec<String> = opened.relations.iter().map(|relation| relation.name.clone()).collect();
            let found = find::relations(&link, &tables, None).await.map_err(boxed)?;
            let same = found.iter().zip(&opened.relations).all(|(now, then)| now.columns == then.columns);
            if !same {
                return Err(QueryError::Changed.failed());
            }
            let secret = link.secret();
            let mut task = Self {
                link,
                until,
                digest: opened.identity,
                secret,
                queries: AtomicU64::new(0),
                opened: Arc::clone(&opened),
            };
            let counts = task.counts(&tables).await?;
            task.digest = Sha256::new().chain_update(opened.identity).chain_update(counts).finalize().into();
            Ok(task)
        };
        tokio::time::timeout_at(until, begun).await.unwrap_or_else(|_| Err(QueryError::Stopped.failed()))
    }

    /// How many rows each table has, as text.
    async fn counts(&self, tables: &[String]) -> Result<String, DatabaseError> {
        let one = |(i, table): (usize, &String)| format!("(SELECT count(*) FROM {table}) AS n{i}");
        let sql = format!("SELECT {}", tables.iter().enumerate().map(one).collect::<Vec<_>>().join(", "));
        let (mut rows, mut text) = (self.rows(&sql).await?, String::new());
        while let Some(batch) = rows.next().await? {
            for column in batch.columns {
                let ColumnData::Int64(counts) = column.data else { return Err(QueryError::Stopped.failed()) };
                counts.iter().for_each(|count| text.push_str(&format!("{count},")));
            }
        }
        Ok(text)
    }

    /// Runs a query to its end at the cluster; its rows are still there then.
    async fn rows(&self, sql: &str) -> Result<Stream, DatabaseError> {
        // the plan's columns are the query's: what Ballista says of a result is what one of its stages writes
        let planned = tokio::time::timeout_at(self.until, self.link.prepared(sql)).await;
        let schema =
            planned.unwrap_or_else(|late| Err(Status::deadline_exceeded(late.to_string()))).map_err(refused)?;
        let schema = arrow::columns(&schema)?;
        let number = self.queries.fetch_add(1, Ordering::Relaxed);
        let tag = Sha256::new().chain_update(self.secret).chain_update(number.to_be_bytes()).finalize();
        let tag = tag.iter().take(16).map(|byte| format!("{byte:02x}")).collect::<String>();
        let job = Job::new(self.link.clone(), format!("quintes {tag}"), self.opened.ending);
        let run = tokio::time::timeout_at(self.until, self.link.run(job.tagged(sql))).await;
        let info = match run {
            Ok(Err(status)) => {
                // a call that broke says nothing of the query
                if !matches!(status.code(), Code::Cancelled | Code::DeadlineExceeded | Code::Unavailable) {
                    job.over();
                }
                return Err(refused(status));
            }
            Ok(Ok(info)) => {
                let once = tokio::time::timeout_at(self.until, job.was_done_once()).await;
                job.over();
                match once {
                    Ok(Ok(true)) => info,
                    Ok(Ok(false)) => return Err(boxed("an executor was lost while it worked on the query: ask again")),
                    Ok(Err(error)) => return Err(boxed(error)),
                    Err(_) => return Err(QueryError::Stopped.failed()),
                }
            }
            Err(_) => return Err(QueryError::Stopped.failed()),
        };
        let mut tickets = info.endpoint.into_iter().map(ticket).collect::<Result<Vec<_>, _>>()?;
        tickets.reverse();
        Ok(Stream { link: self.link.clone(), until: self.until, schema, tickets, part: None })
    }
}

/// The ticket for a part of a result; where it lies must be the server itself, whom alone the operator named.
fn ticket(part: FlightEndpoint) -> Result<Ticket, DatabaseError> {
    if part.location.iter().any(|location| location.uri != HERE) {
        return Err(boxed("the server sends its clients to another one: let it hand over the rows itself"));
    }
    part.ticket.ok_or_else(|| boxed("the server gave no ticket for a part of the result"))
}

impl Session for Task {
    fn dialect(&self) -> Dialect {
        Dialect::DataFusion
    }

    fn relations(&self) -> &[Relation] {
        &self.opened.relations
    }

    fn snapshot(&self) -> [u8; 32] {
        self.digest
    }

    fn query<'a>(
        &'a self,
        statement: &'a Statement,
        parameters: &'a [Value],
    ) -> BoxFuture<'a, Result<Box<dyn Rows>, DatabaseError>> {
        async move {
            let invalid = |error: StatementError| DatabaseError::Invalid(Box::new(error));
            check_parameters(statement, parameters)?;
            // an executor ends a query where its plan next waits, and within a join of everything with everything it does not wait
            statement.check_joins().map_err(invalid)?;
            let sql = statement.engine_sql_with(parameters).map_err(invalid)?;
            Ok(Box::new(self.rows(&sql).await?) as Box<dyn Rows>)
        }
        .boxed()
    }
}

/// The rows of a query that came to its end, part after part. Dropping them ends the call that brings them.
struct Stream {
    link: Link,
    until: Instant,
    schema: Vec<ColumnInfo>,
    /// The parts that are still to be fetched, the next one last.
    tickets: Vec<Ticket>,
    part: Option<FlightRecordBatchStream>,
}

impl Rows for Stream {
    fn schema(&self) -> &[ColumnInfo] {
        &self.schema
    }

    fn next(&mut self) -> BoxFuture<'_, Result<Option<Batch>, DatabaseError>> {
        async move {
            let until = self.until;
            tokio::time::timeout_at(until, self.batch()).await.unwrap_or_else(|_| Err(QueryError::Stopped.failed()))
        }
        .boxed()
    }
}

impl Stream {
    async fn batch(&mut self) -> Result<Option<Batch>, DatabaseError> {
        loop {
            let Some(part) = &mut self.part else {
                let Some(ticket) = self.tickets.pop() else { return Ok(None) };
                self.part = Some(self.link.rows(ticket).await.map_err(boxed)?);
                continue;
            };
            match part.next().await {
                None => self.part = None,
                Some(batch) => {
                    let batch = batch.map_err(boxed)?;
                    let columns = arrow::columns(batch.schema_ref())?;
                    let same = |(a, b): (&ColumnInfo, &ColumnInfo)| a.ty == b.ty && a.name == b.name;
                    if columns.len() != self.schema.len() || !columns.iter().zip(&self.schema).all(same) {
                        return Err(boxed("the rows have other columns than the query"));
                    }
                    if batch.num_rows() > 0 {
                        return arrow::batch(&batch, &self.schema).map(Some);
                    }
                }
            }
        }
    }
}
