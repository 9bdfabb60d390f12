//! The `quintes` binary; everything it does lives in the library, so that other binaries can be it too.

use std::process::ExitCode;

fn main() -> ExitCode {
    node::cli::main()
}
