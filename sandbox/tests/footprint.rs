//! What an engine costs while nothing runs: a node holds one all the time. Alone in its process, so that nothing else is measured.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]

use sandbox::engine::{Engine, Metering};

/// Resident memory in bytes (`proc(5)`, `/proc/self/status`, VmRSS).
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
}

#[test]
fn an_idle_engine_reserves_addresses_and_not_memory() {
    let before = resident();
    let engine = Engine::new(Metering::Epochs).unwrap();
    let grown = resident().saturating_sub(before);
    assert!(grown < 12 * 1024 * 1024, "{grown} bytes");
    drop(engine);
}
