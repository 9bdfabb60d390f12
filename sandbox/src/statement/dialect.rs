//! Whose SQL a query is in: the grammar is one, what may be called in it differs.

use std::fmt;

/// The SQL of one engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// DataFusion's.
    DataFusion,
}

impl Dialect {
    /// The name that a component reads.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::DataFusion => "datafusion",
        }
    }
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
