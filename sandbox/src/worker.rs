//! The confined child process: it holds wasmtime and nothing else, and every call of a component goes from it to the node.
//!
//! `lockdown` gives everything up, `filter` lists the system calls that stay; then `machine` compiles or runs, with `structure` before a compilation and
//! `load` in front of code that was compiled before; `stub` forwards a component's calls, `held` names the handles in them, `ear` hears the answers
//! and `ahead` asks for a next batch early. `attempt` tries the locks.
//!
//! A worker does one job and ends. It has no clock to interrupt a component, because the node kills it.

mod ahead;
#[cfg(target_os = "linux")]
mod attempt;
mod ear;
#[cfg(target_os = "linux")]
mod filter;
pub(crate) mod held;
mod load;
#[cfg(target_os = "linux")]
mod lockdown;
mod machine;
mod meter;
mod structure;
mod stub;
#[cfg(not(target_os = "linux"))]
mod unlocked;

use crate::channel::frame::{receive, send};
use crate::channel::{Compiled, Hello, Job, Probed, VERSION};
use machine::Machine;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, BufReader};
use std::os::fd::AsFd as _;
use std::process::ExitCode;
#[cfg(not(target_os = "linux"))]
use unlocked as attempt;
#[cfg(not(target_os = "linux"))]
use unlocked as lockdown;

/// The hidden verb by which a program is a worker.
pub const VERB: &str = "sandbox-worker";

/// A further word: this worker counts instructions.
pub const COUNTING: &str = "counting";

/// The bytes that are read from the socket at a time, where a buffer is not read as a whole.
const BUFFER: usize = 64 * 1024;

/// The stack of the thread on which a component runs, in bytes: wasmtime gives a component half a MiB of it, and host functions the rest.
const STACK: usize = 4 * 1024 * 1024;

/// Whether a command line is that of a worker: the second word is [`VERB`].
#[must_use]
pub fn is_worker(mut args: impl Iterator<Item = impl AsRef<OsStr>>) -> bool {
    args.nth(1).is_some_and(|verb| verb.as_ref() == VERB)
}

/// Is a worker until its one job is done. The socket to the node is standard input; nothing is printed.
#[must_use]
pub fn main() -> ExitCode {
    let counting = std::env::args_os().any(|word| word == COUNTING);
    // What a panic says may hold a row, and nobody reads it here.
    std::panic::set_hook(Box::new(|_| {}));
    let Ok(layers) = lockdown::lock_down() else { return ExitCode::FAILURE };
    let Ok(socket) = io::stdin().as_fd().try_clone_to_owned() else { return ExitCode::FAILURE };
    let work = std::thread::Builder::new().name("work".into()).stack_size(STACK);
    let work = work.spawn(move || work_through(File::from(socket), layers, counting));
    match work.map(std::thread::JoinHandle::join) {
        Ok(Ok(Ok(()))) => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

/// The one job of this process.
fn work_through(
    socket: File,
    layers: crate::confinement::Layers,
    counting: bool,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let machine = Machine::new(counting)?;
    let mut out = socket.try_clone()?;
    let mut socket = BufReader::with_capacity(BUFFER, socket);
    send(&mut out, &Hello { version: VERSION, layers, settings: machine.settings() }, &[])?;
    match receive(&mut socket, usize::MAX)? {
        Job::Compile { component } => {
            let component = crate::channel::frame::receive_raw(&mut socket, component)?;
            match machine.compile(&component) {
                Ok(code) => {
                    let length = u64::try_from(code.len()).expect("a usize fits into a u64");
                    send(&mut out, &Compiled(Ok(length)), &code)?;
                }
                Err(unusable) => send(&mut out, &Compiled(Err(unusable)), &[])?,
            }
        }
        Job::Run { code, memory_bytes, fuel } => {
            let code = crate::channel::frame::receive_raw(&mut socket, code)?;
            machine.run(code, memory_bytes, fuel, socket, out)?;
        }
        Job::Probe(probe) => send(&mut out, &Probed(attempt::attempt(probe)), &[])?,
    }
    Ok(())
}
