//! The database handle: what an engine must offer so that a component can ask it, one file per engine.

use crate::statement::Statement;
use crate::value::{Batch, ColumnInfo, Value};
use futures::future::BoxFuture;
use thiserror::Error;

#[cfg(feature = "datafusion")]
pub mod datafusion;

/// A relation that the data owner granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relation {
    /// The name that a query uses; lower case.
    pub name: String,
    /// Its columns; names in lower case.
    pub columns: Vec<ColumnInfo>,
    /// The column that names the subject (person) of a row; `None` for reference data such as a vocabulary.
    pub subject: Option<String>,
}

/// Why an engine did not answer. The text is for the TRE's reviewer and never reaches the component.
#[derive(Debug, Error)]
pub enum DatabaseError {
    /// The statement is not valid for this engine: syntax, an unknown column, a wrong type.
    #[error("the engine refused the query")]
    Invalid(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The engine failed while it ran the statement.
    #[error("the engine failed")]
    Failed(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// One engine over one dataset. Dropping a `Rows` cancels its query.
pub trait Database: Send + Sync {
    /// The name of the SQL dialect, for example `datafusion`.
    fn dialect(&self) -> &'static str;

    /// What the data owner granted; everything else does not exist.
    fn relations(&self) -> &[Relation];

    /// SHA-256 over what the dataset holds now, so that a run can say what it read.
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
