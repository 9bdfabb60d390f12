//! A process of our own making: its limits, its end, and the collection of what is left of it.

use super::nursery::Allowance;
use rustix::process::{Pid, Signal, kill_process_group};
use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::process::Child;
use tokio::sync::oneshot;

/// The address space that wasmtime reserves for the memories of one component without using it, in bytes, and the program itself.
#[cfg(target_os = "linux")]
const RESERVED: u64 = 64 * 1024 * 1024 * 1024;

/// A process and its group. Dropping it ends them.
pub(super) struct Process(Option<Child>);

impl Process {
    pub(super) fn new(child: Child) -> Self {
        Self(Some(child))
    }

    /// Kills it. What is left is collected by a thread of its own, which tells the signal that ended it.
    pub(super) fn kill(&mut self) -> Option<oneshot::Receiver<Option<i32>>> {
        let mut child = self.0.take()?;
        let (tell, told) = oneshot::channel();
        // One that is dead already keeps its number until it is collected, so no other process is hit.
        let _ = kill_process_group(Pid::from_child(&child), Signal::KILL);
        let collect = move || {
            let ended = child.wait().ok();
            // Nobody may be interested.
            let _ = tell.send(ended.and_then(|status| status.signal()));
        };
        let _ = std::thread::Builder::new().name("sandbox-collect".into()).stack_size(64 * 1024).spawn(collect);
        Some(told)
    }

    /// Whether it still is. One that is dead is collected, and its number is not ours any more.
    pub(super) fn is_alive(&mut self) -> bool {
        let alive = self.0.as_mut().is_some_and(|child| matches!(child.try_wait(), Ok(None)));
        if !alive {
            self.0 = None;
        }
        alive
    }

    /// Sets limits that the process cannot raise.
    #[cfg(target_os = "linux")]
    pub(super) fn limit(&self, allowance: Allowance) -> io::Result<()> {
        use rustix::process::{Resource, Rlimit, getrlimit, prlimit};
        let process = self.0.as_ref().map(Pid::from_child).ok_or(io::ErrorKind::NotFound)?;
        let seconds = allowance.processor.as_secs().saturating_add(1);
        // Most that wasmtime reserves is address space that nothing can write to; the limit on data counts what can be written to.
        let address = allowance.bytes.saturating_add(RESERVED);
        for (resource, most) in [(Resource::Data, allowance.bytes), (Resource::As, address), (Resource::Cpu, seconds)] {
            // A limit that the node itself has stays; it was inherited, and only root could raise it.
            let most = getrlimit(resource).maximum.map_or(most, |inherited| inherited.min(most));
            prlimit(Some(process), resource, Rlimit { current: Some(most), maximum: Some(most) })?;
        }
        Ok(())
    }

    #[cfg(not(target_os = "linux"))]
    pub(super) fn limit(&self, _allowance: Allowance) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}
