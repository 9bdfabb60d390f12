//! A cluster behind Arrow Flight SQL, such as a Ballista scheduler with its executors: for a TRE that outgrew one machine.
//!
//! The guard is DataFusion's, because DataFusion runs at the other end: the admitted tree goes there printed again, with its parameters as typed
//! literals, which every server takes; binding is optional in the protocol and Ballista has none. Each task has a session of its own
//! at the server (`session`): a handshake, and then the operator's `setup` statements, because a cluster's catalogue belongs to a session. A query
//! that is no longer wanted, or outlives its time, is ended at the cluster too (`ending`).
//!
//! What is promised: the snapshot's digest covers the server's address, the setup, the granted tables with their columns, and how many rows each has when
//! the session begins. A cluster reads its files anew for every query and has no word for "as it was", so equal digests do not prove equal rows:
//! a cell that is changed in place between two queries of one task is not noticed. Counting is cheap, from the footers of Parquet files, and
//! finds what usually happens to a table, that it grew; a hash over all rows would read everything once more for each task. An operator who needs more
//! gives the cluster a folder that nobody writes to.
//!
//! Rows come part after part, in the order in which the server lists its parts: that is the order in which its executors came to their ends, another one in each run.
//! So a query without ORDER BY has no order, and the last digits of a sum of floats that the cluster's SQL computes over several parts are not
//! fixed. What the host tabulates itself is summed with 106 bits and depends on neither, and an output's canonical bytes are sorted.

use super::query::QueryError;
use super::{Database, DatabaseError, Relation, Session, Unsafe, fault};
use crate::statement::Dialect;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;

mod audit;
mod ending;
mod find;
mod session;
mod wire;

/// The port of a Ballista scheduler.
pub const PORT: u16 = 50_050;

/// What to open. Every field has a default but the tables and the setup.
#[derive(Clone, Debug)]
pub struct Options {
    /// A host's name or address.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The certificates (PEM) of the authorities that may have signed the server's: with them the server is spoken to over TLS.
    pub ca_file: Option<PathBuf>,
    /// Whether a host that is not this machine may be spoken to in plain text.
    pub accept_plaintext: bool,
    /// Who the node is to the server; nobody where the server asks nobody.
    pub user: Option<String>,
    /// A file that holds the user's password and nothing else, readable by its owner alone. Read at each session.
    pub password_file: Option<PathBuf>,
    /// Whether the server may answer anybody.
    pub accept_anonymous: bool,
    /// The statements that make the tables known, run in order at the beginning of each session.
    pub setup: Vec<String>,
    /// The granted tables and views: plain names in lower case.
    pub tables: Vec<String>,
    /// The column that names the subject (person) of a row. A table without it is reference data.
    pub subject: Option<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            host: "127.0.0.1".into(),
            port: PORT,
            ca_file: None,
            accept_plaintext: false,
            user: None,
            password_file: None,
            accept_anonymous: false,
            setup: Vec::new(),
            tables: Vec::new(),
            subject: Some("person_id".into()),
        }
    }
}

/// Why a dataset cannot be opened. It names tables, columns and files, never a password or the content of a cell.
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
    /// A password without a user.
    #[error("there is a password and nobody whose it is: name the user")]
    NoUser,
    /// The file of certificates holds none.
    #[error("the file {} holds no certificate in PEM form", .0.display())]
    Authorities(PathBuf),
    /// The host and port make no address, or TLS cannot be set up.
    #[error("the server cannot be addressed: check host and port")]
    Address(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// No connection came about.
    #[error("the server cannot be reached: check host, port and ca_file")]
    Connect(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The server refused the handshake.
    #[error("the server does not let this node in: check user and password_file")]
    Handshake(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The handshake gave no token.
    #[error("the server gave no session of the node's own: it must answer the handshake with a bearer token")]
    NoSession,
    /// The server does not know what its sessions must be set to.
    #[error("the scheduler does not take the settings without which its answers are wrong: use Ballista 55")]
    Settings(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A statement of the setup failed.
    #[error("statement {number} of the setup was refused: try it with the server's own client")]
    Setup {
        /// Its number, from 1.
        number: usize,
        /// What the server said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// No table is granted.
    #[error("no table is granted: list at least one")]
    NoTables,
    /// A table's name is not a plain identifier, or is listed twice.
    #[error(
        "the table name {0:?} cannot be granted: use each name once, of lower-case letters, digits and underscores"
    )]
    Name(String),
    /// The session has no such table.
    #[error("the table \"{table}\" is not known to the session: make it known in the setup")]
    Missing {
        /// The table.
        table: String,
        /// What the server said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A column cannot be offered as it is.
    #[error("the column \"{column}\" of \"{table}\" {problem}")]
    Column {
        /// The table.
        table: String,
        /// The column.
        column: String,
        /// What is wrong, and what to do.
        problem: String,
    },
    /// No granted table has the subject column.
    #[error("no granted table has the subject column \"{0}\": name the column that identifies a person, or none")]
    Subject(String),
    /// The server lets others in, is spoken to in plain text, or cannot end a query; or others can reach a file.
    #[error(transparent)]
    Unsafe(#[from] Unsafe),
}

/// A cluster, open for queries.
pub struct FlightDatabase(Arc<Opened>);

/// What all sessions share.
struct Opened {
    server: wire::Server,
    ending: ending::Ending,
    relations: Vec<Relation>,
    /// SHA-256 over what names the server, the setup and the granted tables.
    identity: [u8; 32],
}

/// Rows never reach a log, and neither does where they lie.
impl std::fmt::Debug for FlightDatabase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FlightDatabase").field("relations", &self.0.relations.len()).finish_non_exhaustive()
    }
}

impl FlightDatabase {
    /// Connects, finds out what the server lets happen, and finds the granted tables. Needs a tokio runtime with timers and I/O.
    ///
    /// # Errors
    /// Whatever keeps the dataset from being offered safely, and what to do.
    pub async fn open(options: Options) -> Result<Self, OpenError> {
        find::check_names(&options.tables)?;
        let files = options.password_file.iter();
        let mut faults: Vec<_> = files.filter_map(|file| fault::of_secret(file, "password")).collect();
        faults.extend(audit::of_the_way(&options));
        Unsafe::unless_none(faults)?;
        let server = wire::Server::new(&options)?;
        let nobody = server.connect().await?;
        let ending = ending::Ending::of(&nobody).await.map_err(OpenError::Connect)?;
        Unsafe::unless_none(audit::of_the_server(&options, &server, &ending).await?)?;
        let link = server.begin(ending != ending::Ending::Call).await?;
        let relations = find::relations(&link, &options.tables, options.subject.as_deref()).await?;
        let identity = find::identity(&options, &relations);
        Ok(Self(Arc::new(Opened { server, ending, relations, identity })))
    }
}

impl Database for FlightDatabase {
    fn dialect(&self) -> Dialect {
        Dialect::DataFusion
    }

    fn relations(&self) -> &[Relation] {
        &self.0.relations
    }

    fn begin(&self, most: Duration) -> BoxFuture<'_, Result<Arc<dyn Session>, DatabaseError>> {
        let opened = Arc::clone(&self.0);
        async move { Ok(Arc::new(session::Task::begin(opened, most).await?) as Arc<dyn Session>) }.boxed()
    }
}
