//! `testnet`: the demo, a federation to play with, the benchmarks and the simulator; and, by a hidden word, `quintes` itself.

use clap::Parser as _;
use sandbox::worker;
use std::process::ExitCode;
use testnet::cluster::AS_QUINTES;
use testnet::{analyse, bench, corpus, demo, hospital, simulate, transfer, up};

/// Many nodes: simulated, or real ones on this machine.
#[derive(Debug, clap::Parser)]
#[command(name = "testnet", version, subcommand_required = true, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// One question to three TREs, from the keys to the result, and compared with the pooled data.
    Demo(demo::Args),
    /// The same question, with every TRE behind a firewall that lets nothing in. Needs root, ip, nft and tinyproxy.
    Hospital(hospital::Args),
    /// Leave the same federation running, to play on by hand.
    Up(up::Args),
    /// Measure: task_overhead, memory_idle, warm_start, start, handle, large, kill, review, hostile, gossip, transfer, or all.
    Bench(bench::Args),
    /// Judge labelled outputs: how many disclosive ones are flagged, and how many safe ones.
    Corpus(corpus::Args),
    /// Run components over given data sets and print the merged figures.
    Analyse(analyse::Args),
    /// Send a large result through a hub that is killed again and again, and count what is sent twice.
    Transfer(transfer::Args),
    /// Simulate federations, a seed each, with every invariant after every event. A thousand members and libp2p's own gossip in virtual time have
    /// a program of their own: `cargo run --manifest-path testnet/thousand/Cargo.toml`.
    Sim(simulate::SimArgs),
    /// Run a failing seed again, event by event.
    Replay(simulate::ReplayArgs),
}

fn main() -> ExitCode {
    if worker::is_worker(std::env::args_os()) {
        return worker::main();
    }
    if std::env::args_os().nth(1).is_some_and(|first| first == AS_QUINTES) {
        return node::cli::run_from(std::env::args_os().skip(1));
    }
    if let (Some(first), Some(second)) = (std::env::args_os().nth(1), std::env::args_os().nth(2)) {
        if first == bench::AS_BARE {
            return ended(bench::live_bare(second.as_ref()).map(|()| true));
        }
        if first == bench::AS_ATTACKER {
            return ended(bench::live_attacker(&second.to_string_lossy()).map(|()| true));
        }
    }
    ended(match Cli::parse().command {
        Command::Demo(args) => demo::run(&args),
        Command::Hospital(args) => hospital::run(&args),
        Command::Up(args) => up::run(&args),
        Command::Bench(args) => bench::run(&args),
        Command::Corpus(args) => corpus::run(&args),
        Command::Analyse(args) => analyse::run(&args),
        Command::Transfer(args) => transfer::run(&args),
        Command::Sim(args) => simulate::sim(&args),
        Command::Replay(args) => simulate::replay(&args),
    })
}

/// Done, or not as it should be, or not at all.
fn ended(ended: anyhow::Result<bool>) -> ExitCode {
    match ended {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            anstream::eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
