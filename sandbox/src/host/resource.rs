//! What a component holds by a handle: a connection and a running result.

use super::stream::Stream;
use crate::database::Session;
use std::sync::Arc;

/// `database.connection`: one granted dataset.
#[derive(Clone)]
#[allow(unreachable_pub, reason = "the generated contract names it, and a generated name is public")]
pub struct Connection {
    /// The handle's name.
    pub(crate) dataset: Arc<str>,
    pub(crate) session: Arc<dyn Session>,
}

/// `database.result-set`: one running query.
#[allow(unreachable_pub, reason = "the generated contract names it, and a generated name is public")]
pub struct ResultSet {
    /// `None` only while it is being read.
    pub(crate) stream: Option<Stream>,
}
