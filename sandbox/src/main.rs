//! A program that is a worker and nothing else: what this crate's tests start. In the `quintes` program the worker is a hidden verb.

use std::process::ExitCode;

fn main() -> ExitCode {
    if sandbox::worker::is_worker(std::env::args_os()) { sandbox::worker::main() } else { ExitCode::from(2) }
}
