//! The demo: one question to three TREs, from the keys to the result, shown as each person would see it.

use crate::cluster::{Cluster, Plan, Program};
use crate::narrate::{Narrator, Voice};
use std::path::PathBuf;

/// How large, and where.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// About how many persons each TRE has.
    #[arg(long, default_value_t = 1_000)]
    persons: u64,
    /// The seed of the data.
    #[arg(long, default_value_t = 7)]
    seed: u64,
    /// Keep the folder.
    #[arg(long)]
    keep: bool,
    /// A new folder for everything; without it a temporary one, which goes at the end.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Print one JSON object as the last line of stdout; everything else goes to stderr.
    #[arg(long)]
    json: bool,
}

/// Runs the demo; false when a figure is wrong.
///
/// # Errors
/// When a step fails.
pub fn run(args: &Args) -> anyhow::Result<bool> {
    let narrator = Narrator::new(if args.json { Voice::Stderr } else { Voice::Stdout });
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let plan = Plan { persons: args.persons, seed: args.seed };
        let mut cluster = Cluster::found(Program::this()?, args.dir.as_deref(), plan, narrator).await?;
        if args.keep {
            cluster.keep();
        }
        cluster.start().await?;
        let check = cluster.runner.run(&["network", "show"], crate::narrate::Show::Lines(60)).await?;
        anstream::eprintln!("{}", check.stderr);
        for name in Cluster::names() {
            let check = cluster.runner.run(&["node", "check", "--config", &format!("nodes/{name}/node.toml")], crate::narrate::Show::Lines(10)).await?;
            anstream::eprintln!("{:?} {:#?}", check, cluster.watch(name).health().await?);
        }
        println!("{}", cluster.peak_rss_mb());
        cluster.stop().await?;
        Ok(true)
    })
}
