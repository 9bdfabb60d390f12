//! One task's read transaction, on a thread of its own; its statements run in turns there, a batch at a time.

use super::rows::{self, failed, invalid};
use super::{Opened, connection, content};
use crate::database::query::{QueryError, check_parameters};
use crate::database::running::{BATCHES_AHEAD, Running, Sent};
use crate::database::{DatabaseError, Relation, Rows, Session};
use crate::statement::{Dialect, STACK_BYTES, Statement};
use crate::value::{ColumnInfo, Value};
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt as _, StreamExt as _};
use rusqlite::Connection;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};

/// How many steps of SQLite's machine pass between two looks at whether to stop: fractions of a millisecond.
const STEPS_A_LOOK: i32 = 1_000;
/// The longest that any session may last, so that a point in time can be told.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3_600);
/// How often a session begins again because a writer came in between.
const TRIES: usize = 3;

/// The read transaction of one task.
pub(super) struct Task {
    opened: Arc<Opened>,
    snapshot: [u8; 32],
    requests: mpsc::UnboundedSender<Request>,
    _ended: RaiseOnDrop,
}

/// A statement to run.
struct Request {
    sql: String,
    parameters: Vec<Value>,
    started: oneshot::Sender<Result<Vec<ColumnInfo>, DatabaseError>>,
    batches: mpsc::Sender<Sent>,
    unwanted: Arc<AtomicBool>,
}

/// When the engine stops in the middle of a step.
struct Stop {
    until: Instant,
    ended: Arc<AtomicBool>,
    /// Whether the rows of the statement whose turn it is are still wanted.
    current: Mutex<Arc<AtomicBool>>,
}

impl Stop {
    fn is_met(&self) -> bool {
        let unwanted = Arc::clone(&self.current.lock().unwrap_or_else(PoisonError::into_inner));
        self.ended.load(Ordering::Relaxed) || unwanted.load(Ordering::Relaxed) || Instant::now() >= self.until
    }

    fn turn_of(&self, unwanted: &Arc<AtomicBool>) {
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = Arc::clone(unwanted);
    }
}

/// Tells the engine's thread that nobody waits any more.
struct RaiseOnDrop(Arc<AtomicBool>);

impl Drop for RaiseOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Task {
    pub(super) async fn begin(opened: Arc<Opened>, most: Duration) -> Result<Self, DatabaseError> {
        let (requests, asked) = mpsc::unbounded_channel();
        let (begun, begin) = oneshot::channel();
        let ended = RaiseOnDrop(Arc::default());
        let stop = Arc::new(Stop {
            until: Instant::now() + most.min(LONGEST),
            ended: Arc::clone(&ended.0),
            current: Mutex::default(),
        });
        let shared = Arc::clone(&opened);
        let runtime = Handle::current();
        std::thread::Builder::new()
            .name("sqlite".into())
            .stack_size(STACK_BYTES)
            .spawn(move || match connect(&shared, &stop) {
                Ok((connection, snapshot)) => {
                    if begun.send(Ok(snapshot)).is_ok() {
                        runtime.block_on(turns(&connection, &shared, &stop, asked));
                    }
                }
                // who asked may be gone
                Err(error) => drop(begun.send(Err(error))),
            })
            .map_err(|error| DatabaseError::Failed(Box::new(error)))?;
        let snapshot = begin.await.map_err(|_| QueryError::Stopped.failed())??;
        Ok(Self { opened, snapshot, requests, _ended: ended })
    }
}

/// Opens a connection, begins the transaction, and says what it sees.
fn connect(opened: &Opened, stop: &Arc<Stop>) -> Result<(Connection, [u8; 32]), DatabaseError> {
    if !opened.file.is_same() {
        return Err(QueryError::Changed.failed());
    }
    let mut connection = connection::open(opened.file.path(), opened.memory_bytes).map_err(failed)?;
    let watched = Arc::clone(stop);
    connection.progress_handler(STEPS_A_LOOK, Some(move || watched.is_met())).map_err(failed)?;
    let mut known = opened.known.lock().unwrap_or_else(PoisonError::into_inner);
    let mut version = None;
    for _ in 0..TRIES {
        let before = content::version(&known.watch).map_err(failed)?;
        // a transaction begins with its first read
        connection
            .execute_batch("BEGIN")
            .and_then(|()| connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get::<_, i64>(0)))
            .map_err(failed)?;
        if content::version(&known.watch).map_err(failed)? == before {
            version = Some(before);
            break;
        }
        connection.execute_batch("ROLLBACK").map_err(failed)?;
    }
    let version = version.ok_or_else(|| QueryError::Changed.failed())?;
    if version != known.version {
        let now = content::read(&connection, &opened.tables).map_err(|error| DatabaseError::Failed(Box::new(error)))?;
        // a column whose values are of another kind than at opening has another type
        if !opened.relations.iter().map(|relation| &relation.columns).eq(&now.columns) {
            return Err(QueryError::Changed.failed());
        }
        (known.version, known.digest) = (version, now.digest);
    }
    opened.grant.enforce(&mut connection).map_err(failed)?;
    Ok((connection, known.digest))
}

/// Runs statements until the task has ended or its time is over.
async fn turns(connection: &Connection, opened: &Opened, stop: &Stop, mut requests: mpsc::UnboundedReceiver<Request>) {
    let mut running = FuturesUnordered::new();
    loop {
        tokio::select! {
            biased;
            request = requests.recv() => match request {
                Some(request) => running.push(answer(connection, opened, stop, request)),
                None => return,
            },
            () = tokio::time::sleep_until(stop.until.into()) => return,
            Some(()) = running.next(), if !running.is_empty() => {}
        }
    }
}

async fn answer(connection: &Connection, opened: &Opened, stop: &Stop, request: Request) {
    let Request { sql, parameters, started, batches, unwanted } = request;
    stop.turn_of(&unwanted);
    let prepared = connection.prepare(&sql).map_err(invalid).and_then(|mut statement| {
        rows::bind(&mut statement, &parameters)?;
        let schema = rows::schema(connection, opened, &statement, &sql, &parameters)?;
        Ok((statement, schema))
    });
    let (mut statement, schema) = match prepared {
        Ok(prepared) => prepared,
        // who asked may be gone
        Err(error) => return drop(started.send(Err(error))),
    };
    if started.send(Ok(schema.clone())).is_err() {
        return;
    }
    let mut running = statement.raw_query();
    loop {
        stop.turn_of(&unwanted);
        let next = rows::batch(&mut running, &schema);
        let last = !matches!(next, Ok(Some(_)));
        if batches.send(next).await.is_err() || last {
            return;
        }
    }
}

impl Session for Task {
    fn dialect(&self) -> Dialect {
        Dialect::Sqlite
    }

    fn relations(&self) -> &[Relation] {
        &self.opened.relations
    }

    fn snapshot(&self) -> [u8; 32] {
        self.snapshot
    }

    fn query<'a>(
        &'a self,
        statement: &'a Statement,
        parameters: &'a [Value],
    ) -> BoxFuture<'a, Result<Box<dyn Rows>, DatabaseError>> {
        async move {
            check_parameters(statement, parameters)?;
            let unwanted = RaiseOnDrop(Arc::default());
            let (started, start) = oneshot::channel();
            let (sender, batches) = mpsc::channel(BATCHES_AHEAD);
            let request = Request {
                sql: statement.engine_sql().to_owned(),
                parameters: parameters.to_vec(),
                started,
                batches: sender,
                unwanted: Arc::clone(&unwanted.0),
            };
            self.requests.send(request).map_err(|_| QueryError::Stopped.failed())?;
            let schema = start.await.map_err(|_| QueryError::Stopped.failed())??;
            Ok(Box::new(Running { schema, batches, _guard: unwanted }) as Box<dyn Rows>)
        }
        .boxed()
    }
}
