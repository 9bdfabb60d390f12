//! `quintes` under another name: what the acceptance tests start.

use std::process::ExitCode;

fn main() -> ExitCode {
    testnet::cluster::be_quintes()
}
