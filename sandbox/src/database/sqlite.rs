//! SQLite over one database file, compiled in.
//!
//! A connection is locked before it sees a query (`connection`): read-only and DEFENSIVE, no trusted schema, no extension, nothing attached,
//! nothing written to disk, and an authorizer that knows the granted relations and the allowed functions. Opening reads every granted relation
//! once, and so does each session that finds other content than the last (`content`): it finds each column's type over all rows, because
//! SQLite's own are only hints, and digests the content.
//!
//! A session is one read transaction on a thread of its own (`session`), so a writer beside it changes nothing that the task sees; its statements
//! run in turns. The snapshot is SHA-256 over the granted relations: names, declared types and every value in the order of the scan. Equal digests
//! mean equal rows in the same order.
//!
//! A writer must wait while a task reads, unless the file is in WAL mode.

use super::{Database, DatabaseError, Fault, Relation, Session, Unsafe, fault};
use crate::statement::Dialect;
use futures::FutureExt;
use futures::future::BoxFuture;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use thiserror::Error;

mod connection;
mod content;
mod functions;
mod rows;
mod session;

/// What to open. Every field has a default but the file and the tables.
#[derive(Clone, Debug)]
pub struct Options {
    /// The database file.
    pub file: PathBuf,
    /// The granted tables and views; plain names, in any case of letters.
    pub tables: Vec<String>,
    /// The column that names the subject (person) of a row. A table without it is reference data.
    pub subject: Option<String>,
    /// What SQLite may hold in this process, in bytes: all datasets share it, and the smallest one given counts. Nothing spills to disk.
    pub memory_bytes: u32,
    /// Whether files are refused that everybody on this machine can read or write. A node always does.
    pub refuse_open_files: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            file: PathBuf::new(),
            tables: Vec::new(),
            subject: Some("person_id".into()),
            memory_bytes: 512 * 1024 * 1024,
            refuse_open_files: false,
        }
    }
}

/// Why a dataset cannot be opened. It names tables and columns, never the content of a cell.
#[derive(Debug, Error)]
pub enum OpenError {
    /// The file cannot be read.
    #[error("the SQLite file {} cannot be read: check the path and its permissions", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// No table is granted.
    #[error("no table is granted: list at least one")]
    NoTables,
    /// A table's name is not a plain identifier, or is listed twice.
    #[error("the table name {0:?} cannot be granted: use each name once, of letters, digits and underscores")]
    Name(String),
    /// The file has no such table.
    #[error("the file has no table or view \"{table}\"; it has {}", there.join(", "))]
    Missing {
        /// The table.
        table: String,
        /// What it has.
        there: Vec<String>,
    },
    /// A column cannot be offered as it is.
    #[error("the column \"{column}\" of \"{table}\" {problem}")]
    Column {
        /// The table.
        table: String,
        /// The column.
        column: String,
        /// What is wrong, and what to do.
        problem: &'static str,
    },
    /// No granted table has the subject column.
    #[error("no granted table has the subject column \"{0}\": name the column that identifies a person, or none")]
    Subject(String),
    /// Others can reach the file, or a relation runs code.
    #[error(transparent)]
    Unsafe(#[from] Unsafe),
    /// SQLite could not open or read it.
    #[error(
        "SQLite cannot read the file; check that it is a database, and that the node may read its -wal and -shm files"
    )]
    Engine(#[source] rusqlite::Error),
}

impl From<rusqlite::Error> for OpenError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Engine(error)
    }
}

/// A SQLite file, open for queries.
pub struct SqliteDatabase(Arc<Opened>);

/// What all sessions share.
struct Opened {
    file: content::File,
    tables: Vec<content::Table>,
    origins: rows::Origins,
    grant: connection::Grant,
    relations: Vec<Relation>,
    memory_bytes: u32,
    /// What the content was when it was last read.
    known: Mutex<content::Known>,
}

/// Rows never reach a log, and neither does where they lie.
impl std::fmt::Debug for SqliteDatabase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SqliteDatabase").field("relations", &self.0.relations.len()).finish_non_exhaustive()
    }
}

impl SqliteDatabase {
    /// Opens the granted tables of a file. Reads each of them once, so call it where blocking is allowed.
    ///
    /// # Errors
    /// Whatever keeps the dataset from being offered safely, and what to do.
    pub fn open(options: Options) -> Result<Self, OpenError> {
        let unreadable = |source| OpenError::File { file: options.file.clone(), source };
        let file = content::File::find(&options.file).map_err(unreadable)?;
        let mut faults: Vec<Fault> = Vec::new();
        if options.refuse_open_files {
            faults.extend(file.all().iter().filter_map(|file| fault::of_file(file)));
        }
        let mut connection = connection::open(file.path(), options.memory_bytes)?;
        let tables = content::find(&connection, &options.tables)?;
        for table in &tables {
            faults.extend(table.fault());
        }
        Unsafe::unless_none(faults)?;
        let watch = connection::open(file.path(), options.memory_bytes)?;
        let version = content::version(&watch)?;
        connection.execute_batch("BEGIN")?;
        let read = content::read(&connection, &tables)?;
        let subject = options.subject.map(|subject| subject.to_lowercase());
        let relations: Vec<Relation> = tables
            .iter()
            .zip(read.columns)
            .map(|(table, columns)| Relation {
                name: table.name.clone(),
                subject: subject.clone().filter(|subject| columns.iter().any(|column| column.name == *subject)),
                columns,
                schema: Some("main".into()),
            })
            .collect();
        if let Some(subject) = subject
            && relations.iter().all(|relation| relation.subject.is_none())
        {
            return Err(OpenError::Subject(subject));
        }
        let origins = rows::origins(&connection, &relations)?;
        let grant = connection::Grant::of(&mut connection, &tables)?;
        let known = Mutex::new(content::Known { watch, version, digest: read.digest });
        let memory_bytes = options.memory_bytes;
        Ok(Self(Arc::new(Opened { file, tables, origins, grant, relations, memory_bytes, known })))
    }
}

impl Database for SqliteDatabase {
    fn dialect(&self) -> Dialect {
        Dialect::Sqlite
    }

    fn relations(&self) -> &[Relation] {
        &self.0.relations
    }

    fn begin(&self, most: Duration) -> BoxFuture<'_, Result<Arc<dyn Session>, DatabaseError>> {
        let opened = Arc::clone(&self.0);
        async move { Ok(Arc::new(session::Task::begin(opened, most).await?) as Arc<dyn Session>) }.boxed()
    }
}
