//! DataFusion over a directory of CSV, TSV or Parquet files: the embedded engine.
//!
//! Opening reads every granted file once: it finds each column's type over all rows, hashes the content, and refuses a file that would
//! surprise a query later (`files`, `delimited`, `columnar`). A query is planned from the admitted tree by a session that knows only the
//! granted relations and the allowed functions (`session`), and its rows come out batch by batch (`rows`).
//!
//! In an object store (`bucket`) the files are objects of one listing, read by the same code (`shelf`, `object`).
//!
//! The snapshot is a digest of every file's content at opening. A file that changes later belongs to no snapshot: sessions and queries that
//! notice it fail, until the node opens the dataset again.
//!
//! One partition and one file at a time: the order of rows and the last digits of a float's sum are then the same in every run.

use super::query::{self, QueryError};
use super::{Database, DatabaseError, Relation, Rows, Session, Unsafe, fault};
use crate::statement::{Dialect, Statement};
use crate::value::{ColumnInfo, Value};
use futures::FutureExt;
use futures::future::BoxFuture;
use sha2::{Digest, Sha256};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;

#[cfg(feature = "s3")]
mod bucket;
mod columnar;
mod delimited;
mod files;
#[cfg(feature = "s3")]
mod object;
mod rows;
mod session;
mod shelf;
mod stop;

#[cfg(feature = "s3")]
pub use bucket::{Bucket, BucketError};
pub use files::FileError;

/// What to open. Every field has a default but the directory and the tables.
#[derive(Clone, Debug)]
pub struct Options {
    /// The folder that holds the files: `person.csv`, `PERSON.tsv`, `person.parquet` or a folder `person/` of Parquet files.
    pub directory: PathBuf,
    /// A folder of an object store, in the place of the directory.
    #[cfg(feature = "s3")]
    pub bucket: Option<Bucket>,
    /// The granted tables; plain names, in any case of letters.
    pub tables: Vec<String>,
    /// The column that names the subject (person) of a row. A table without it is reference data.
    pub subject: Option<String>,
    /// What all running queries may hold together, in bytes. Nothing spills to disk.
    pub memory_bytes: usize,
    /// Whether files are refused that everybody on this machine can read or write. A node always does.
    pub refuse_open_files: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            directory: PathBuf::new(),
            #[cfg(feature = "s3")]
            bucket: None,
            tables: Vec::new(),
            subject: Some("person_id".into()),
            memory_bytes: 512 * 1024 * 1024,
            refuse_open_files: false,
        }
    }
}

/// Why a dataset cannot be opened. It names files, lines and columns, never the content of a cell.
#[derive(Debug, Error)]
pub enum OpenError {
    /// The directory cannot be read.
    #[error("the dataset's directory {} cannot be read: check the path and its permissions", directory.display())]
    Directory {
        /// The directory.
        directory: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// No table is granted.
    #[error("no table is granted: list at least one")]
    NoTables,
    /// A table's name is not a plain identifier, or is listed twice.
    #[error("the table name {name:?} cannot be granted: use each name once, of letters, digits and underscores")]
    Name {
        /// The name.
        name: String,
    },
    /// A granted table has no file.
    #[error("the table \"{table}\" has no file in {}: expected {table}.csv, {table}.tsv, {table}.parquet or a folder {table}/ of Parquet files", directory.display())]
    Missing {
        /// The table.
        table: String,
        /// The directory.
        directory: PathBuf,
    },
    /// A granted table has several files.
    #[error("the table \"{table}\" has more than one file ({}): keep one of them", files.join(", "))]
    Ambiguous {
        /// The table.
        table: String,
        /// The files.
        files: Vec<String>,
    },
    /// No granted table has the subject column.
    #[error("no granted table has the subject column \"{subject}\": name the column that identifies a person, or none")]
    Subject {
        /// The column.
        subject: String,
    },
    /// A file is not usable.
    #[error("{} is not usable", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        source: FileError,
    },
    /// The object store cannot be used.
    #[cfg(feature = "s3")]
    #[error(transparent)]
    Bucket(#[from] BucketError),
    /// Others on this machine can read a file, or write to it.
    #[error(transparent)]
    Unsafe(#[from] Unsafe),
    /// The engine could not be set up.
    #[error("the engine could not be set up")]
    Engine(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// A dataset of files, open for queries.
pub struct DataFusionDatabase(Arc<Opened>);

/// What all sessions share.
struct Opened {
    relations: Vec<Relation>,
    snapshot: [u8; 32],
    files: files::Fingerprints,
    shelf: shelf::Shelf,
    session: session::Session,
}

/// Rows never reach a log, and neither does where they lie.
impl std::fmt::Debug for DataFusionDatabase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DataFusionDatabase").field("relations", &self.0.relations.len()).finish_non_exhaustive()
    }
}

impl DataFusionDatabase {
    /// Opens the granted tables of a directory. Reads every file once, so call it where blocking is allowed; over an object store, within a tokio runtime.
    pub fn open(options: Options) -> Result<Self, OpenError> {
        let subject = options.subject.as_ref().map(|subject| subject.to_lowercase());
        let session = session::Session::new(options.memory_bytes)?;
        let mut relations = Vec::new();
        let mut fingerprints = files::Fingerprints::default();
        let mut snapshot = Sha256::new();
        #[cfg(feature = "s3")]
        Unsafe::unless_none(options.bucket.iter().flat_map(Bucket::faults).collect())?;
        let shelf = shelf::Shelf::new(&options)?;
        #[cfg(feature = "s3")]
        if let shelf::Shelf::Bucket { store, .. } = &shelf {
            session.hold(store)?;
        }
        let sources = files::find(&shelf, &options.tables)?;
        if options.refuse_open_files && shelf.is_here() {
            let files = sources.iter().flat_map(|source| &source.files);
            Unsafe::unless_none(files.filter_map(|file| fault::of_file(file)).collect())?;
        }
        for source in sources {
            let table = match source.form {
                files::Form::Delimited => delimited::read(&shelf, &source, &mut fingerprints)?,
                files::Form::Parquet => columnar::read(&shelf, &source, &mut fingerprints)?,
            };
            session.register(&shelf, &source.table, &table)?;
            relations.push(Relation {
                subject: subject.clone().filter(|subject| table.columns.iter().any(|column| column.name == *subject)),
                name: source.table,
                columns: table.columns,
                schema: None,
            });
        }
        fingerprints.hash_into(shelf.path(), &mut snapshot);
        if let Some(subject) = subject
            && relations.iter().all(|relation| relation.subject.is_none())
        {
            return Err(OpenError::Subject { subject });
        }
        let snapshot = snapshot.finalize().into();
        Ok(Self(Arc::new(Opened { relations, snapshot, files: fingerprints, shelf, session })))
    }
}

impl Database for DataFusionDatabase {
    fn dialect(&self) -> Dialect {
        Dialect::DataFusion
    }

    fn relations(&self) -> &[Relation] {
        &self.0.relations
    }

    fn begin(&self, _most: Duration) -> BoxFuture<'_, Result<Arc<dyn Session>, DatabaseError>> {
        // files hold nothing back: a session of them costs nothing and needs no end
        let opened = Arc::clone(&self.0);
        async move {
            opened.files.check()?;
            opened.shelf.check(opened.files.paths()).await?;
            Ok(opened as Arc<dyn Session>)
        }
        .boxed()
    }
}

impl Session for Opened {
    fn dialect(&self) -> Dialect {
        Dialect::DataFusion
    }

    fn relations(&self) -> &[Relation] {
        &self.relations
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
            query::check_parameters(statement, parameters)?;
            let parameters = parameters.iter().map(rows::scalar).collect::<Result<Vec<_>, _>>()?;
            self.files.check()?;
            let running = self.session.query(statement, parameters).await?;
            let rows = rows::Stream::new(running, self.files.clone())?;
            Ok(Box::new(rows) as Box<dyn Rows>)
        }
        .boxed()
    }
}

/// One table as it was read at opening.
struct Table {
    /// The columns, as a query sees them.
    columns: Vec<ColumnInfo>,
    /// How the engine reads it.
    reading: Reading,
}

/// How the engine reads a table.
enum Reading {
    /// One file of delimited text.
    Delimited { file: PathBuf, delimiter: u8, newlines: bool, schema: datafusion::arrow::datatypes::SchemaRef },
    /// Parquet files of one schema; `picked` are the file's columns that a query sees, in the order of `columns`.
    Parquet { files: Vec<PathBuf>, schema: datafusion::arrow::datatypes::SchemaRef, picked: Vec<usize> },
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
pub(super) mod tests;
