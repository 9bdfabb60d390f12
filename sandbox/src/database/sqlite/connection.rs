//! A connection that can do no more than read: how it is opened, and what its authorizer allows.

use super::content::Table;
use crate::limits::BATCH_BYTES;
use crate::statement::{Dialect, MAX_BYTES, MAX_PARAMETERS, MAX_TEXT, is_allowed_function};
use rusqlite::config::DbConfig;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::limits::Limit;
use rusqlite::{Connection, OpenFlags, Result};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How long a reader waits for a writer that commits.
const BUSY: Duration = Duration::from_secs(5);

/// Opens a file read-only, with everything off that a query could use for more than reading.
pub(super) fn open(file: &Path, memory_bytes: u32) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_EXRESCODE;
    let connection = Connection::open_with_flags(file, flags)?;
    connection.busy_timeout(BUSY)?;
    for (setting, on) in [
        (DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true),
        (DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false),
        (DbConfig::SQLITE_DBCONFIG_WRITABLE_SCHEMA, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_FTS3_TOKENIZER, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_ATTACH_CREATE, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_ATTACH_WRITE, false),
        // what stands in double quotes is a name, never a text
        (DbConfig::SQLITE_DBCONFIG_DQS_DML, false),
        (DbConfig::SQLITE_DBCONFIG_DQS_DDL, false),
    ] {
        connection.set_db_config(setting, on)?;
    }
    let bytes = |bytes: usize| i32::try_from(bytes).unwrap_or(i32::MAX);
    for (limit, most) in [
        // a longer value does not fit into a batch
        (Limit::SQLITE_LIMIT_LENGTH, bytes(BATCH_BYTES)),
        (Limit::SQLITE_LIMIT_SQL_LENGTH, bytes(4 * MAX_BYTES)),
        (Limit::SQLITE_LIMIT_COMPOUND_SELECT, 128),
        (Limit::SQLITE_LIMIT_EXPR_DEPTH, 512),
        (Limit::SQLITE_LIMIT_FUNCTION_ARG, 64),
        (Limit::SQLITE_LIMIT_ATTACHED, 0),
        (Limit::SQLITE_LIMIT_LIKE_PATTERN_LENGTH, bytes(MAX_TEXT)),
        (Limit::SQLITE_LIMIT_VARIABLE_NUMBER, bytes(MAX_PARAMETERS)),
        (Limit::SQLITE_LIMIT_TRIGGER_DEPTH, 1),
        (Limit::SQLITE_LIMIT_WORKER_THREADS, 0),
    ] {
        connection.set_limit(limit, most)?;
    }
    super::functions::register(&connection)?;
    connection.execute_batch(&format!(
        "PRAGMA query_only = ON; PRAGMA temp_store = MEMORY; PRAGMA mmap_size = 0; PRAGMA cell_size_check = ON; \
         PRAGMA case_sensitive_like = ON; PRAGMA cache_size = -16384; PRAGMA hard_heap_limit = {memory_bytes};"
    ))?;
    Ok(connection)
}

/// The operator LIKE, and what we ask of a result's types.
const OURS: [&str; 2] = ["like", "typeof"];

/// What a query may touch: the granted relations, and what stands in the views among them.
#[derive(Clone)]
pub(super) struct Grant {
    /// Lower case.
    relations: Arc<BTreeSet<String>>,
    /// What the text of a granted view reads or calls, at any depth.
    inside: Arc<BTreeSet<Inside>>,
}

/// A table that is read, or a function that is called, in a view's text; names in lower case.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Inside {
    Read { by: String, table: String },
    Call { by: String, function: String },
}

impl Grant {
    /// Looks, by preparing it, at what each granted relation reads. `connection` must have no authorizer; it has none afterwards.
    pub(super) fn of(connection: &mut Connection, tables: &[Table]) -> Result<Self> {
        let relations: BTreeSet<String> = tables.iter().map(|table| table.name.clone()).collect();
        let inside = Arc::new(Mutex::new(BTreeSet::new()));
        let seen = Arc::clone(&inside);
        connection.authorizer(Some(move |context: AuthContext<'_>| {
            let by = context.accessor.map(str::to_lowercase);
            let found = by.and_then(|by| match context.action {
                AuthAction::Read { table_name, .. } => Some(Inside::Read { by, table: table_name.to_lowercase() }),
                AuthAction::Function { function_name } => {
                    Some(Inside::Call { by, function: function_name.to_lowercase() })
                }
                _ => None,
            });
            seen.lock().unwrap_or_else(PoisonError::into_inner).extend(found);
            Authorization::Allow
        }))?;
        for table in tables {
            connection.prepare(&format!("SELECT * FROM main.\"{}\"", table.name))?;
        }
        connection.authorizer(None::<fn(AuthContext<'_>) -> Authorization>)?;
        let inside = std::mem::take(&mut *inside.lock().unwrap_or_else(PoisonError::into_inner));
        Ok(Self { relations: Arc::new(relations), inside: Arc::new(inside) })
    }

    /// From here on, `connection` prepares only what the grant allows.
    pub(super) fn enforce(&self, connection: &mut Connection) -> Result<()> {
        let grant = self.clone();
        connection.authorizer(Some(
            move |context: AuthContext<'_>| {
                if grant.allows(&context) { Authorization::Allow } else { Authorization::Deny }
            },
        ))
    }

    fn allows(&self, context: &AuthContext<'_>) -> bool {
        // a view, or a subquery or common table expression of the query itself
        let by = context.accessor.map(str::to_lowercase);
        let is_inside = |found: Option<Inside>| found.is_some_and(|found| self.inside.contains(&found));
        match context.action {
            AuthAction::Select => true,
            AuthAction::Read { table_name, .. } => {
                let table = table_name.to_lowercase();
                context.database_name.is_none_or(|name| name == "main")
                    && (self.relations.contains(&table) || is_inside(by.map(|by| Inside::Read { by, table })))
            }
            AuthAction::Function { function_name } => {
                let function = function_name.to_lowercase();
                OURS.contains(&function.as_str())
                    || is_allowed_function(Dialect::Sqlite, &function)
                    || is_inside(by.map(|by| Inside::Call { by, function }))
            }
            _ => false,
        }
    }
}
