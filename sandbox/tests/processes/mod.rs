//! What the system says about processes (`proc(5)`).

#![allow(dead_code, reason = "each test program has its own use for it")]

use std::fs;
use std::time::{Duration, Instant};

/// The processes that this one started, and that are not dead.
pub(crate) fn children() -> Vec<u32> {
    children_of(std::process::id())
}

/// The processes that another one started, and that are not dead.
pub(crate) fn children_of(parent: u32) -> Vec<u32> {
    let processes = fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    processes.filter(|process| state(*process).is_some_and(|(state, of)| of == parent && state != 'Z')).collect()
}

/// Whether a process is there and not dead.
pub(crate) fn is_alive(process: u32) -> bool {
    state(process).is_some_and(|(state, _)| state != 'Z')
}

/// The state and the parent: the first fields behind the name, which stands in parentheses and may hold anything.
fn state(process: u32) -> Option<(char, u32)> {
    let line = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let mut fields = line[line.rfind(')')? + 1..].split_whitespace();
    Some((fields.next()?.chars().next()?, fields.next()?.parse().ok()?))
}

/// Resident memory in bytes.
pub(crate) fn resident(process: u32) -> usize {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
}

/// The most resident memory that this process ever had, in bytes.
pub(crate) fn peak() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
}

/// Waits, for a minute at most.
pub(crate) async fn until(what: &str, mut done: impl FnMut() -> bool) {
    let since = Instant::now();
    while !done() {
        assert!(since.elapsed() < Duration::from_secs(60), "still not: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
