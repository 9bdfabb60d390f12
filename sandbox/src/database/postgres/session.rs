//! One task's snapshot: a transaction that exports it, and a connection in the same snapshot for each running statement.

use super::connect::Link;
use super::rows::{self, Parameter};
use super::{OpenError, Opened};
use crate::database::columns::Filling;
use crate::database::query::{QueryError, check_parameters};
use crate::database::running::{BATCHES_AHEAD, Running, Sent};
use crate::database::{DatabaseError, Relation, Rows, Session};
use crate::statement::{Dialect, Statement};
use crate::value::{ColumnInfo, Value};
use futures::future::BoxFuture;
use futures::{FutureExt as _, StreamExt as _};
use sha2::{Digest, Sha256};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, IsolationLevel, Transaction};

/// How many rows the server hands over before it is asked again.
const ROWS_A_PART: i32 = 8_192;
/// How long the connection that holds the snapshot may take to end another one before a new connection does it.
const END: Duration = Duration::from_secs(2);
/// The longest that any session may last, so that a point in time can be told.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3_600);

/// The session of one task. Dropping it ends its transaction and its statements.
pub(super) struct Task {
    shared: Arc<Shared>,
    digest: [u8; 32],
    _ended: watch::Sender<()>,
    ended: watch::Receiver<()>,
}

/// What the statements of a session share.
struct Shared {
    opened: Arc<Opened>,
    /// The transaction that holds the snapshot. It runs no query of a task.
    holder: Link,
    snapshot: String,
    until: Instant,
    /// Connections whose last statement came to its end.
    idle: Mutex<Vec<Link>>,
}

fn failed(error: tokio_postgres::Error) -> DatabaseError {
    DatabaseError::Failed(Box::new(error))
}

fn not_open(error: OpenError) -> DatabaseError {
    DatabaseError::Failed(Box::new(error))
}

impl Task {
    pub(super) async fn begin(opened: Arc<Opened>, most: Duration) -> Result<Self, DatabaseError> {
        let most = most.min(LONGEST);
        let until = Instant::now() + most;
        let holder = opened.server.open(most).await.map_err(not_open)?;
        holder.client.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await.map_err(failed)?;
        let about = "SELECT pg_export_snapshot(), pg_current_snapshot()::text";
        let row = holder.client.query_one(about, &[]).await.map_err(failed)?;
        let (snapshot, seen): (String, String) = (row.get(0), row.get(1));
        if !snapshot.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-') {
            return Err(QueryError::Stopped.failed());
        }
        let digest = Sha256::new().chain_update(opened.identity).chain_update(seen).finalize().into();
        let (sender, ended) = watch::channel(());
        let shared = Shared { opened, holder, snapshot, until, idle: Mutex::default() };
        Ok(Self { shared: Arc::new(shared), digest, _ended: sender, ended })
    }
}

/// A statement to run.
struct Request {
    sql: String,
    parameters: Vec<Parameter>,
    started: oneshot::Sender<Result<Vec<ColumnInfo>, DatabaseError>>,
    batches: mpsc::Sender<Sent>,
}

impl Session for Task {
    fn dialect(&self) -> Dialect {
        Dialect::Postgres
    }

    fn relations(&self) -> &[Relation] {
        &self.shared.opened.relations
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
            check_parameters(statement, parameters)?;
            let (started, start) = oneshot::channel();
            let (sender, batches) = mpsc::channel(BATCHES_AHEAD);
            let request = Request {
                sql: statement.engine_sql().to_owned(),
                parameters: parameters.iter().map(Parameter::new).collect(),
                started,
                batches: sender,
            };
            tokio::spawn(run(Arc::clone(&self.shared), request, self.ended.clone()));
            let schema = start.await.map_err(|_| QueryError::Stopped.failed())??;
            Ok(Box::new(Running { schema, batches, _guard: () }) as Box<dyn Rows>)
        }
        .boxed()
    }
}

/// Runs one statement to its end, or ends it: when its rows are not wanted any more, when the task has ended, when its time is over.
async fn run(shared: Arc<Shared>, request: Request, mut ended: watch::Receiver<()>) {
    let wanted = request.batches.clone();
    let mut link = match shared.link().await {
        Ok(link) => link,
        // who asked may be gone
        Err(error) => return drop(request.started.send(Err(error))),
    };
    let process = link.process;
    let is_clean = tokio::select! {
        biased;
        () = wanted.closed() => false,
        _ = ended.changed() => false,
        () = tokio::time::sleep_until(shared.until.into()) => false,
        () = answer(&mut link.client, &shared, request) => true,
    };
    if !is_clean {
        shared.end(process).await;
    } else if !link.client.is_closed() {
        shared.idle.lock().unwrap_or_else(PoisonError::into_inner).push(link);
    }
}

impl Shared {
    async fn link(&self) -> Result<Link, DatabaseError> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        match idle {
            Some(link) if !link.client.is_closed() => Ok(link),
            _ => {
                let left = self.until.saturating_duration_since(Instant::now());
                self.opened.server.open(left).await.map_err(not_open)
            }
        }
    }

    /// Ends another connection's process, whatever it does.
    async fn end(&self, process: i32) {
        let ended = tokio::time::timeout(END, terminate(&self.holder.client, process)).await;
        if !matches!(ended, Ok(Ok(()))) {
            match self.opened.server.open(END).await {
                Ok(link) => drop(terminate(&link.client, process).await),
                Err(error) => tracing::warn!(%error, "a query could not be ended; the server ends it by itself"),
            }
        }
    }
}

async fn terminate(client: &Client, process: i32) -> Result<(), tokio_postgres::Error> {
    client.query_one("SELECT pg_terminate_backend($1)", &[&process]).await.map(drop)
}

/// Prepares a statement in the task's snapshot and hands over its rows.
async fn answer(client: &mut Client, shared: &Shared, request: Request) {
    let Request { sql, parameters, started, batches } = request;
    let begun = async {
        let transaction = client.build_transaction().isolation_level(IsolationLevel::RepeatableRead).read_only(true);
        let transaction = transaction.start().await.map_err(failed)?;
        let same = format!("SET TRANSACTION SNAPSHOT '{}'", shared.snapshot);
        transaction.batch_execute(&same).await.map_err(failed)?;
        let given: Vec<Type> = parameters.iter().map(Parameter::ty).collect();
        let statement = transaction.prepare_typed(&sql, &given).await.map_err(refused)?;
        let (schema, types) = rows::schema(&statement)?;
        let parameters: Vec<&(dyn ToSql + Sync)> = parameters.iter().map(|one| one as &(dyn ToSql + Sync)).collect();
        afford(&transaction, &sql, &given, &parameters, shared.opened.most_cost).await?;
        let portal = transaction.bind(&statement, &parameters).await.map_err(refused)?;
        Ok::<_, DatabaseError>((transaction, portal, schema, types))
    };
    let (transaction, portal, schema, types) = match begun.await {
        Ok(begun) => begun,
        Err(error) => return drop(started.send(Err(error))),
    };
    if started.send(Ok(schema.clone())).is_err() {
        return;
    }
    let mut filling = Filling::new(&schema);
    let end = loop {
        let stream = match transaction.query_portal_raw(&portal, ROWS_A_PART).await {
            Ok(stream) => stream,
            Err(error) => break Err(failed(error)),
        };
        let mut stream = std::pin::pin!(stream);
        let mut came = 0;
        let read: Result<(), DatabaseError> = async {
            while let Some(row) = stream.next().await {
                let row = row.map_err(failed)?;
                came += 1;
                filling.row(|columns| rows::put(&row, &schema, &types, columns))?;
                if filling.is_full() {
                    let full = std::mem::replace(&mut filling, Filling::new(&schema));
                    // who asked may be gone
                    drop(batches.send(Ok(full.finish())).await);
                }
            }
            Ok(())
        }
        .await;
        if let Err(error) = read {
            break Err(error);
        }
        if came < ROWS_A_PART {
            break Ok(());
        }
    };
    let rest = filling.finish();
    drop(transaction.rollback().await);
    if end.is_ok() && rest.is_some() {
        drop(batches.send(Ok(rest)).await);
    }
    drop(batches.send(end.map(|()| None)).await);
}

/// Refuses a statement that the server's planner finds too dear, before it runs.
async fn afford(
    transaction: &Transaction<'_>,
    sql: &str,
    types: &[Type],
    parameters: &[&(dyn ToSql + Sync)],
    most: f64,
) -> Result<(), DatabaseError> {
    let explain = transaction.prepare_typed(&format!("EXPLAIN {sql}"), types).await.map_err(refused)?;
    let plan = transaction.query(&explain, parameters).await.map_err(refused)?;
    let first: &str = plan.first().map(|row| row.try_get(0)).transpose().map_err(failed)?.unwrap_or_default();
    let estimate = total_cost(first).ok_or_else(|| QueryError::Stopped.failed())?;
    if estimate <= most { Ok(()) } else { Err(QueryError::Costly { estimate, most }.invalid()) }
}

/// The total cost in the first line of a plan: `Aggregate  (cost=431.00..431.01 rows=1 width=8)`.
fn total_cost(plan: &str) -> Option<f64> {
    let (_, costs) = plan.rsplit_once("(cost=")?;
    let (total, _) = costs.split_once("..")?.1.split_once(' ')?;
    total.parse().ok()
}

/// What the server says before a row comes is about the query, unless it is about the server.
fn refused(error: tokio_postgres::Error) -> DatabaseError {
    // SQLSTATE classes 22 (data exception), 42 (syntax error or access rule violation), 0A (not supported), 54 (limit exceeded)
    let is_the_query =
        error.code().is_some_and(|code| ["22", "42", "0A", "54"].iter().any(|class| code.code().starts_with(class)));
    if is_the_query { DatabaseError::Invalid(Box::new(error)) } else { failed(error) }
}

#[cfg(test)]
mod tests {
    use super::total_cost;

    #[test]
    fn the_total_cost_is_read_from_a_plan() {
        assert_eq!(total_cost("Aggregate  (cost=431.00..431.01 rows=1 width=8)"), Some(431.01));
        assert_eq!(total_cost("Seq Scan on \"(cost=1..2 x\"  (cost=0.00..155.00 rows=10000 width=4)"), Some(155.0));
        assert_eq!(total_cost("Seq Scan on t"), None);
    }
}
