//! What an engine costs while nothing runs: a node holds one all the time. Alone in its process, so that nothing else is measured.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]

mod engine;
mod processes;

use processes::{children, resident};
use sandbox::engine::Metering;

#[tokio::test]
async fn an_idle_engine_is_one_small_process_that_waits() {
    let before = resident(std::process::id());
    let engine = engine::engine(Metering::Time, None).await;
    let grown = resident(std::process::id()).saturating_sub(before);
    assert!(grown < 12 * 1024 * 1024, "{grown} bytes");
    for worker in children() {
        let held = resident(worker);
        assert!(held < 64 * 1024 * 1024, "a waiting worker holds {held} bytes");
    }
    drop(engine);
}
