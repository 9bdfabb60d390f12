//! Whose SQL a query is in: the grammar is one; what may be called in it, and how it is printed for the engine, differ.

use super::{StatementError, denied};
use sqlparser::ast::{DataType, TimezoneInfo, Value, ValueWithSpan};
use std::fmt;

/// The SQL of one engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// DataFusion's.
    DataFusion,
    /// SQLite's.
    Sqlite,
    /// PostgreSQL's.
    Postgres,
}

/// Words that PostgreSQL reads as a time of day or a day that is not written down, wherever a text becomes a date.
const POSTGRES_CLOCK: [&str; 4] = ["now", "today", "tomorrow", "yesterday"];

impl Dialect {
    /// The name that a component reads.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::DataFusion => "datafusion",
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
        }
    }

    /// Whether a name can mean something that is no column: `ctid`, `rowid`, `user`, a whole row, a function written as `row.function`.
    pub(super) fn has_hidden_names(self) -> bool {
        match self {
            Self::DataFusion => false,
            Self::Sqlite | Self::Postgres => true,
        }
    }

    /// Whether the engine knows `TRY_CAST`.
    pub(super) fn has_try_cast(self) -> bool {
        self == Self::DataFusion
    }

    /// Denies types that the engine reads as another one.
    pub(super) fn check_type(self, data_type: &DataType) -> Result<(), StatementError> {
        match (self, data_type) {
            (Self::Sqlite, DataType::Date | DataType::Timestamp(None, TimezoneInfo::None) | DataType::Boolean) => {
                Err(denied(format!("a cast to {data_type}: SQLite has no such type, compare texts instead")))
            }
            (Self::Sqlite, DataType::String(_) | DataType::Timestamp(..)) => {
                Err(denied(format!("the type {data_type}: SQLite reads it as a number")))
            }
            _ => Ok(()),
        }
    }

    /// Denies a literal that the engine would read as something else than it says.
    pub(super) fn check_literal(self, data_type: &DataType, value: &ValueWithSpan) -> Result<(), StatementError> {
        let is_date = |text: &str| {
            let parts = text.split('-').map(str::len).collect::<Vec<_>>();
            parts == [4, 2, 2] && text.bytes().all(|byte| byte == b'-' || byte.is_ascii_digit())
        };
        match (self, data_type, &value.value) {
            (Self::DataFusion | Self::Postgres, _, _) => Ok(()),
            // texts of this form are in the order of their dates
            (Self::Sqlite, DataType::Date, Value::SingleQuotedString(text)) if is_date(text) => Ok(()),
            (Self::Sqlite, ..) => Err(denied("this typed text: SQLite knows DATE '2020-01-31' and plain texts")),
        }
    }

    /// Denies texts that the engine reads as something that is not written down.
    pub(super) fn check_text(self, text: &str) -> Result<(), StatementError> {
        let word = text.trim().to_ascii_lowercase();
        if self == Self::Postgres && POSTGRES_CLOCK.contains(&word.as_str()) {
            return Err(denied(format!("the text '{word}': it is a clock where a date is expected")));
        }
        Ok(())
    }
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
