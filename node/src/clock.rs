//! The one clock of the node, whole seconds since 1970-01-01T00:00:00Z, and the one way to wait for its end.

use std::time::{SystemTime, UNIX_EPOCH};
use tokio::sync::watch;

/// Now.
#[must_use]
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs())
}

/// Waits until the node is told to stop, or nobody is left who could tell it.
pub async fn stopped(stop: &mut watch::Receiver<bool>) {
    stop.wait_for(|stopped| *stopped).await.ok();
}
