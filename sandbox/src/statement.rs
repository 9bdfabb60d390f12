//! The one query that is admitted: parsed, checked against what is granted, and printed again.
//!
//! A read-only handle is not a sandbox: every engine that was tried let a denylist down. So a query is parsed with a small grammar of our own
//! (`grammar`), every node of its syntax tree must be known and allowed (`query`, `expression`, `function`), and what the engine gets
//! is the tree printed again, never the author's bytes. `witnessed` adds what makes a row's subject unforgeable.

use crate::database::Relation;
pub use dialect::Dialect;
use std::fmt;
use thiserror::Error;

mod dialect;
mod expression;
mod function;
mod grammar;
#[cfg(feature = "flight")]
mod joins;
#[cfg(feature = "flight")]
mod literal;
mod names;
mod print;
mod query;
mod witnessed;

#[cfg(any(feature = "datafusion", feature = "sqlite"))]
pub(crate) use function::is_allowed as is_allowed_function;
#[cfg(any(feature = "datafusion", feature = "sqlite"))]
pub(crate) use grammar::STACK_BYTES;
use grammar::on_deep_stack;
pub(crate) use grammar::parse;

/// The longest query text, in bytes.
pub const MAX_BYTES: usize = 32 * 1024;
/// The deepest nesting of a syntax tree; a chain of n operators is n deep.
pub const MAX_DEPTH: usize = 64;
/// The most joins in one query, and the most branches of its set operations.
pub const MAX_JOINS: usize = 64;
/// The longest list of values in an `IN (…)`.
pub const MAX_LIST: usize = 1_000;
/// The longest text literal or text parameter, in bytes: an engine may repeat it for every row.
pub const MAX_TEXT: usize = 1_024;
/// The most parameters.
pub const MAX_PARAMETERS: usize = 100;
/// The most concatenations in one query: each may double a text.
pub const MAX_CONCATENATIONS: usize = 8;
/// The most columns that one SELECT may list.
pub const MAX_COLUMNS: usize = 256;

/// One admitted read-only query. Only [`admit`] and [`admit_witnessed`] make one.
#[derive(Clone, PartialEq, Eq)]
pub struct Statement {
    sql: String,
    engine_sql: String,
    parameters: usize,
    relations: Vec<String>,
}

impl Statement {
    /// The printed syntax tree, in the researcher's names: what the reviewer reads. Admitting it again gives the same statement.
    pub fn sql(&self) -> &str {
        &self.sql
    }

    /// The same tree as the engine runs it: relations under their own, qualified names, columns quoted.
    pub fn engine_sql(&self) -> &str {
        &self.engine_sql
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

#[cfg(all(test, feature = "sqlite", feature = "postgres"))]
impl Statement {
    /// What no parser has looked at, to ask an engine what it denies by itself.
    pub(crate) fn unchecked(sql: &str) -> Self {
        Self { sql: sql.to_owned(), engine_sql: sql.to_owned(), parameters: 0, relations: Vec::new() }
    }
}

/// Query text never reaches a log: `Debug` tells its length alone.
impl fmt::Debug for Statement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Statement({} bytes)", self.sql.len())
    }
}

/// A statement whose rows carry their subject unchanged, so that the host can count distinct subjects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WitnessedStatement {
    /// The statement; it takes no parameters.
    pub statement: Statement,
    /// The output column that names the subject of each row; lower case.
    pub subject: String,
}

/// Why a query was not admitted. The text names only what its author wrote, never data.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum StatementError {
    /// Not exactly one read-only query.
    #[error("only one read-only query is admitted: send a single SELECT")]
    NotOneQuery,
    /// A query, but it uses something that is not allowed or not granted.
    #[error("the query may not use {0}")]
    Denied(String),
    /// Not a query that can be read.
    #[error("the query cannot be parsed: check its syntax")]
    Invalid,
}

/// Admits exactly one read-only query over `relations`, for an engine that speaks `dialect`.
pub fn admit(sql: &str, dialect: Dialect, relations: &[Relation]) -> Result<Statement, StatementError> {
    on_deep_stack(|| checked(sql, dialect, relations).map(|(statement, _)| statement))
}

/// Admits a granted relation's bare name, or one SELECT that carries the subject column of every row unchanged.
///
/// What it asks beyond [`admit`] stands at the head of the module `witnessed`: a component must not be able to present one person's row as many subjects.
pub fn admit_witnessed(
    relation_or_sql: &str,
    dialect: Dialect,
    relations: &[Relation],
) -> Result<WitnessedStatement, StatementError> {
    on_deep_stack(|| {
        let sql = match witnessed::bare_name(relation_or_sql) {
            Some(name) => format!("SELECT * FROM {name}"),
            None => relation_or_sql.to_owned(),
        };
        let (statement, tree) = checked(&sql, dialect, relations)?;
        let subject = witnessed::subject(&tree, relations)?;
        if statement.parameters > 0 {
            return Err(denied("a parameter in a witnessed relation"));
        }
        Ok(WitnessedStatement { statement, subject })
    })
}

/// Parses, checks, prints, and checks once more the tree that the print gives: that one is what runs.
fn checked(
    sql: &str,
    dialect: Dialect,
    relations: &[Relation],
) -> Result<(Statement, sqlparser::ast::Query), StatementError> {
    let tree = parse(sql)?;
    // the walk stops at MAX_DEPTH, so nothing after it recurses deeper than that
    query::check(&tree, dialect, relations)?;
    let printed = tree.to_string();
    // a tree may print as something else, `- - 1` as a comment for one
    let again = parse(&printed)
        .ok()
        .filter(|again| *again == tree && again.to_string() == printed)
        .ok_or_else(|| denied("a form that does not print as it was read"))?;
    let seen = query::check(&again, dialect, relations)?;
    let statement = Statement {
        engine_sql: print::for_engine(&again, dialect, relations)?,
        sql: printed,
        parameters: seen.parameters,
        relations: seen.relations.into_iter().collect(),
    };
    Ok((statement, again))
}

/// A denial in the author's own words.
fn denied(what: impl Into<String>) -> StatementError {
    StatementError::Denied(what.into())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
pub(crate) mod tests;
