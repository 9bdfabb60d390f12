//! `quintes node`: a node's folder and its state, one verb a file.

use crate::cli::speak::Speak;
use crate::cli::{node_check, node_doctor, node_health, node_init, node_run};

/// The verbs of a node.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Write a commented node.toml, the node's keys and its request to be enrolled.
    Init(Box<node_init::Args>),
    /// Say what is wrong with a node's configuration, and what to do.
    Check(node_check::Args),
    /// Run a node until it is told to stop.
    Run(node_run::Args),
    /// Say whether a node reaches its hubs, is admitted there, has the right time and all statements; and what to do.
    Doctor(node_doctor::Args),
    /// Say how a running node is, and with whom it is connected.
    Health(node_health::Args),
}

/// Runs the verb.
pub(crate) fn run(args: Args, speak: &Speak) -> anyhow::Result<()> {
    match args.verb {
        Verb::Init(args) => node_init::run(&args, speak),
        Verb::Check(args) => node_check::run(&args, speak),
        Verb::Doctor(args) => node_doctor::run(&args, speak),
        Verb::Health(args) => node_health::run(&args, speak),
        Verb::Run(args) => node_run::run(&args, speak),
    }
}
