//! These tests' own program as the worker of the nodes that they run: by the name of the one test that becomes it.

use sandbox::engine::Program;
use std::os::fd::AsFd as _;

/// The program of a worker.
pub(in crate::cli) fn program() -> Program {
    let words = ["cli::tests::worker::this_program_is_a_worker_when_a_node_starts_it", "--exact", "--nocapture"];
    Program::at("/proc/self/exe", words.map(Into::into))
}

/// A worker has no environment but how it keeps memory, and a socket as its standard input. In any other run there is nothing to do.
#[test]
fn this_program_is_a_worker_when_a_node_starts_it() {
    let socket = std::io::stdin().as_fd().try_clone_to_owned().is_ok_and(|input| {
        std::fs::read_link(format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&input)))
            .is_ok_and(|target| target.to_string_lossy().starts_with("socket:"))
    });
    if socket && std::env::vars_os().all(|(name, _)| name == "GLIBC_TUNABLES") {
        let _ = sandbox::worker::main();
        std::process::exit(0);
    }
}
