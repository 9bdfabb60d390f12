//! `quintes network`: the federation's own statements, one verb a file; all of it works on files, without a network.

mod carry;
mod enrol;
mod grant;
mod init;
mod offer;
pub(crate) mod revoke;
mod show;
pub(crate) mod sign;
mod status;

use crate::cli::speak::Speak;

/// The verbs of a federation.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Found a federation: write and sign version 1 of its root.
    Init(init::Args),
    /// Add your signature to a root, a project or a key record.
    Sign(sign::Args),
    /// Enrol persons and nodes: sign their key records as a root person.
    Enrol(enrol::Args),
    /// Let a person be a researcher, a data owner or an output checker.
    Grant(grant::Args),
    /// Revoke a statement, for ever.
    Revoke(revoke::Args),
    /// Say as a root person which revocations there are; without a fresh status nothing starts and nothing is released.
    Status(status::Args),
    /// Show the federation: root, members, grants, projects, freshness.
    Show(show::Args),
    /// Take statements from files into the folder, or bring them to a running node.
    Import(carry::ImportArgs),
    /// Write all statements of the folder into one file.
    Export(carry::ExportArgs),
}

/// Runs the verb.
pub(crate) fn run(args: Args, speak: &Speak) -> anyhow::Result<()> {
    match args.verb {
        Verb::Init(args) => init::run(args, speak),
        Verb::Sign(args) => sign::run(&args, speak),
        Verb::Enrol(args) => enrol::run(&args, speak),
        Verb::Grant(args) => grant::run(args, speak),
        Verb::Revoke(args) => revoke::run(&args, speak),
        Verb::Status(args) => status::run(&args, speak),
        Verb::Show(args) => show::run(&args, speak),
        Verb::Import(args) => carry::import(&args, speak),
        Verb::Export(args) => carry::export(&args, speak),
    }
}
