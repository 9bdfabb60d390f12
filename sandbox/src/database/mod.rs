//! The database handle: what an engine must offer so that a component can ask it, one file per engine.
//!
//! A TRE opens a [`Database`] once. Each task begins a [`Session`] of it, and all that the task asks, it asks that session: one snapshot.

use crate::statement::{Dialect, Statement};
use crate::value::{Batch, ColumnInfo, Value};
use futures::future::BoxFuture;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;

#[cfg(feature = "datafusion")]
mod arrow;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod columns;
#[cfg(feature = "datafusion")]
pub mod datafusion;
pub mod fault;
#[cfg(feature = "flight")]
pub mod flight;
#[cfg(feature = "datafusion")]
pub mod mock;
#[cfg(feature = "postgres")]
pub mod postgres;
mod query;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod running;
#[cfg(any(feature = "postgres", feature = "flight", feature = "s3"))]
mod secret;
#[cfg(feature = "sqlite")]
pub mod sqlite;
#[cfg(feature = "sqlite")]
mod time;

pub use fault::{Fault, Unsafe};

/// A relation that the data owner granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relation {
    /// The name that a query uses; lower case.
    pub name: String,
    /// Its columns; names in lower case.
    pub columns: Vec<ColumnInfo>,
    /// The column that names the subject (person) of a row; `None` for reference data such as a vocabulary.
    pub subject: Option<String>,
    /// The schema in which the engine finds it; `None` where the engine knows granted relations alone.
    pub schema: Option<String>,
}

/// Why an engine did not answer. The text is for the TRE's reviewer and never reaches the component.
#[derive(Error)]
pub enum DatabaseError {
    /// The statement is not valid for this engine: syntax, an unknown column, a wrong type.
    #[error("the engine refused the query")]
    Invalid(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The engine failed while it ran the statement.
    #[error("the engine failed")]
    Failed(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// An engine's words may hold a cell: `Debug` names the kind alone.
impl std::fmt::Debug for DatabaseError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Invalid(_) => "Invalid(..)",
            Self::Failed(_) => "Failed(..)",
        })
    }
}

impl DatabaseError {
    /// The error with all its causes. It may hold data: it is for the TRE's reviewer alone.
    #[must_use]
    pub fn for_reviewer(&self) -> String {
        let mut line = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            line.push_str(": ");
            line.push_str(&error.to_string());
            cause = error.source();
        }
        line
    }
}

/// One engine over one dataset, as the TRE opened it.
pub trait Database: Send + Sync {
    /// Whose SQL it speaks.
    fn dialect(&self) -> Dialect;

    /// What the data owner granted; everything else does not exist.
    fn relations(&self) -> &[Relation];

    /// Begins what one task sees of the dataset. It ends when the last reference to it is dropped, and after `most` at the latest: a snapshot
    /// that is held costs the engine room.
    fn begin(&self, most: Duration) -> BoxFuture<'_, Result<Arc<dyn Session>, DatabaseError>>;
}

/// One snapshot of a dataset: every statement that runs in it reads the same rows. Dropping a `Rows` cancels its query.
pub trait Session: Send + Sync {
    /// Whose SQL it speaks.
    fn dialect(&self) -> Dialect;

    /// What the data owner granted; everything else does not exist.
    fn relations(&self) -> &[Relation];

    /// A digest of what the session reads, so that a run can say it. Equal digests of one dataset mean equal rows; what else an engine can
    /// promise stands at its module's head.
    fn snapshot(&self) -> [u8; 32];

    /// Starts an admitted statement. `parameters` fill `$1..$n`.
    fn query<'a>(
        &'a self,
        statement: &'a Statement,
        parameters: &'a [Value],
    ) -> BoxFuture<'a, Result<Box<dyn Rows>, DatabaseError>>;
}

/// The rows of one running query, forward only.
pub trait Rows: Send {
    /// The columns of every batch.
    fn schema(&self) -> &[ColumnInfo];

    /// The next batch as the engine produced it (never empty), or `None` at the end.
    fn next(&mut self) -> BoxFuture<'_, Result<Option<Batch>, DatabaseError>>;
}

#[cfg(all(test, feature = "sqlite", feature = "postgres", feature = "flight"))]
#[allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
mod tests;
