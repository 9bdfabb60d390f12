//! PostgreSQL 15 and newer, over its Unix socket or TLS.
//!
//! The role that the node connects with is audited when the dataset is opened (`audit`): it may read the granted relations and little else. A task's
//! session is one `REPEATABLE READ READ ONLY` transaction that exports its snapshot (`session`); each running statement has a connection of its own
//! in the same snapshot, with an extended-protocol portal that is read in parts. A statement that is no longer wanted, or outlives its time, is
//! ended by `pg_terminate_backend` from another connection: cancelling by PostgreSQL's own request is best effort and has been seen to be lost.
//!
//! The snapshot's digest covers the server's system identifier and timeline, the database, the granted relations with their columns, and
//! `pg_current_snapshot()`. Equal digests mean that the same transactions are seen, so equal rows. Unequal ones mean nothing: any transaction on the
//! server, also one of another database, makes another snapshot. The order of rows is the server's own unless a query orders them.
//!
//! Before a statement runs the server's planner says what it would cost; above a ceiling it is refused.
//!
//! The server ends a transaction that the node forgot: `statement_timeout`, `idle_in_transaction_session_timeout` and
//! `client_connection_check_interval` are set on every connection.

use super::{Database, DatabaseError, Relation, Session, Unsafe, fault};
use crate::statement::Dialect;
use futures::FutureExt;
use futures::future::BoxFuture;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;

mod audit;
mod connect;
mod find;
mod numeric;
mod rows;
mod session;

/// The oldest server that is spoken to, as `server_version_num` has it.
const OLDEST: i32 = 150_000;

/// What to open. Every field has a default but the database, the user and the tables.
#[derive(Clone, Debug)]
pub struct Options {
    /// A host's name or address, spoken to over TLS, or the folder of a Unix socket.
    pub host: String,
    /// The port; it is part of a socket's name too.
    pub port: u16,
    /// The database.
    pub database: String,
    /// The role.
    pub user: String,
    /// A file that holds the role's password and nothing else, readable by its owner alone. Read at each connection; none where the socket's peer
    /// is enough.
    pub password_file: Option<PathBuf>,
    /// The certificates (PEM) of the authorities that may have signed the server's: needed for TLS.
    pub ca_file: Option<PathBuf>,
    /// The schema of the granted relations.
    pub schema: String,
    /// The granted tables and views: plain names in lower case.
    pub tables: Vec<String>,
    /// The column that names the subject (person) of a row. A table without it is reference data.
    pub subject: Option<String>,
    /// The most that the server's planner may estimate for a statement, in its own units (`EXPLAIN`: one is about a page that is read in order).
    /// A dearer one is refused before it runs; a limit on time would end it later.
    pub most_cost: f64,
}

/// What no honest question costs: a server that reads a page in 10 µs would be busy for about three hours.
pub const MOST_COST: f64 = 1e9;

impl Default for Options {
    fn default() -> Self {
        Self {
            host: "/var/run/postgresql".into(),
            port: 5_432,
            database: String::new(),
            user: String::new(),
            password_file: None,
            ca_file: None,
            schema: "public".into(),
            tables: Vec::new(),
            subject: Some("person_id".into()),
            most_cost: MOST_COST,
        }
    }
}

/// Why a dataset cannot be opened. It names relations, columns and files, never a password or the content of a cell.
#[derive(Debug, Error)]
pub enum OpenError {
    /// The password file cannot be used.
    #[error("the password file {} cannot be read: it must be the node's, and hold one line of text", file.display())]
    Password {
        /// The file.
        file: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A host needs TLS, and TLS needs to know whom to trust.
    #[error(
        "a host is spoken to over TLS alone: name the file of the authorities' certificates (ca_file), or a socket's folder as host"
    )]
    NoAuthorities,
    /// The file of certificates holds none.
    #[error("the file {} holds no certificate in PEM form", .0.display())]
    Authorities(PathBuf),
    /// TLS cannot be set up.
    #[error("TLS cannot be set up")]
    Tls(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// No connection came about.
    #[error("the server cannot be reached as this role: check host, port, database, user and password_file")]
    Connect(#[source] tokio_postgres::Error),
    /// The server is older than 15.
    #[error("the server is PostgreSQL {0}: 15 or newer is needed")]
    TooOld(String),
    /// No table is granted.
    #[error("no table is granted: list at least one")]
    NoTables,
    /// A table's name is not a plain identifier, or is listed twice.
    #[error(
        "the table name {0:?} cannot be granted: use each name once, of lower-case letters, digits and underscores"
    )]
    Name(String),
    /// The schema has no such relation.
    #[error("the schema \"{schema}\" has no table or view \"{table}\"; it has {}", there.join(", "))]
    Missing {
        /// The schema.
        schema: String,
        /// The relation.
        table: String,
        /// What there is.
        there: Vec<String>,
    },
    /// A column cannot be offered as it is.
    #[error("the column \"{column}\" of \"{table}\" {problem}")]
    Column {
        /// The relation.
        table: String,
        /// The column.
        column: String,
        /// What is wrong, and what to do.
        problem: String,
    },
    /// No granted relation has the subject column.
    #[error("no granted table has the subject column \"{0}\": name the column that identifies a person, or none")]
    Subject(String),
    /// The role may do more than read, or others can reach a file.
    #[error(transparent)]
    Unsafe(#[from] Unsafe),
    /// The server did not answer what it was asked about itself.
    #[error("the server did not answer a question about its catalogue")]
    Engine(#[source] tokio_postgres::Error),
}

/// A PostgreSQL database, open for queries.
pub struct PostgresDatabase(Arc<Opened>);

/// What all sessions share.
struct Opened {
    server: connect::Server,
    relations: Vec<Relation>,
    /// SHA-256 over what names the server, the database and the granted relations.
    identity: [u8; 32],
    most_cost: f64,
}

/// Rows never reach a log, and neither does where they lie.
impl std::fmt::Debug for PostgresDatabase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PostgresDatabase").field("relations", &self.0.relations.len()).finish_non_exhaustive()
    }
}

impl PostgresDatabase {
    /// Connects, audits the role, and finds the granted relations. Needs a tokio runtime with timers and I/O.
    ///
    /// # Errors
    /// Whatever keeps the dataset from being offered safely, and what to do.
    pub async fn open(options: Options) -> Result<Self, OpenError> {
        if options.tables.is_empty() {
            return Err(OpenError::NoTables);
        }
        let files = options.password_file.iter();
        Unsafe::unless_none(files.filter_map(|file| fault::of_secret(file, "password")).collect())?;
        let subject = options.subject.clone().map(|subject| subject.to_lowercase());
        let server = connect::Server::new(&options)?;
        let link = server.open(Duration::from_secs(60)).await?;
        let found = find::relations(&link.client, &options).await?;
        Unsafe::unless_none(audit::faults(&link.client, &found).await.map_err(OpenError::Engine)?)?;
        let relations = found.into_relations(subject.as_deref())?;
        if let Some(subject) = subject
            && relations.iter().all(|relation| relation.subject.is_none())
        {
            return Err(OpenError::Subject(subject));
        }
        let identity = find::identity(&link.client, &relations).await.map_err(OpenError::Engine)?;
        Ok(Self(Arc::new(Opened { server, relations, identity, most_cost: options.most_cost })))
    }
}

impl Database for PostgresDatabase {
    fn dialect(&self) -> Dialect {
        Dialect::Postgres
    }

    fn relations(&self) -> &[Relation] {
        &self.0.relations
    }

    fn begin(&self, most: Duration) -> BoxFuture<'_, Result<Arc<dyn Session>, DatabaseError>> {
        let opened = Arc::clone(&self.0);
        async move { Ok(Arc::new(session::Task::begin(opened, most).await?) as Arc<dyn Session>) }.boxed()
    }
}
