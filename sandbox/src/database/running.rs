//! The rows of a statement that an engine's own thread or task makes.

use super::query::QueryError;
use super::{DatabaseError, Rows};
use crate::value::{Batch, ColumnInfo};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use tokio::sync::mpsc;

/// How many batches wait for the component: one is read while the next is made.
pub(super) const BATCHES_AHEAD: usize = 1;

/// What is sent for a statement: batches, and then `None` or an error.
pub(super) type Sent = Result<Option<Batch>, DatabaseError>;

/// A running statement; `G` ends it when it is dropped.
pub(super) struct Running<G> {
    pub(super) schema: Vec<ColumnInfo>,
    pub(super) batches: mpsc::Receiver<Sent>,
    pub(super) _guard: G,
}

impl<G: Send> Rows for Running<G> {
    fn schema(&self) -> &[ColumnInfo] {
        &self.schema
    }

    fn next(&mut self) -> BoxFuture<'_, Result<Option<Batch>, DatabaseError>> {
        // who makes them ended without saying so: it panicked, or the task's time is over; that is not the end of the rows
        async move { self.batches.recv().await.unwrap_or_else(|| Err(QueryError::Stopped.failed())) }.boxed()
    }
}
