//! A federation left running, with the commands to play on by hand.

use crate::cluster::{AS_QUINTES, Cluster, PROJECT, Plan, Program, RESEARCHER, TRES};
use crate::narrate::{Narrator, Voice};
use std::path::PathBuf;
use tokio::signal::unix::{SignalKind, signal};

/// Where, and with how much data.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A folder for everything: a new one, or one that `testnet up` or `testnet demo --dir` left. Without it a temporary one.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// About how many persons each TRE has.
    #[arg(long, default_value_t = 1_000)]
    persons: u64,
    /// The seed of the data.
    #[arg(long, default_value_t = 7)]
    seed: u64,
}

/// Runs until Ctrl-C or SIGTERM.
///
/// # Errors
/// When a step fails, or a node does not stop in order.
pub fn run(args: &Args) -> anyhow::Result<bool> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut terminated = signal(SignalKind::terminate())?;
        let mut interrupted = signal(SignalKind::interrupt())?;
        let told = async {
            tokio::select! {
                _ = terminated.recv() => {}
                _ = interrupted.recv() => {}
            }
        };
        tokio::pin!(told);
        let mut cluster = tokio::select! {
            cluster = begin(args) => cluster?,
            () = &mut told => return Ok(false),
        };
        told.await;
        cluster.stop().await?;
        Ok(true)
    })
}

async fn begin(args: &Args) -> anyhow::Result<Cluster> {
    let narrator = Narrator::new(Voice::Stdout);
    let program = Program::this()?;
    let known = args.dir.as_deref().filter(|dir| dir.join("federation").exists());
    let mut cluster = match known {
        Some(dir) => Cluster::reopen(program, dir, narrator).await?,
        None => {
            let plan = Plan { persons: args.persons, seed: args.seed };
            Cluster::found(program, args.dir.as_deref(), plan, narrator).await?
        }
    };
    cluster.start().await?;
    narrator.say(&playbook(&cluster)?);
    Ok(cluster)
}

/// What a person can copy into another terminal.
fn playbook(cluster: &Cluster) -> anyhow::Result<String> {
    let folder = cluster.layout.folder().display();
    let this = std::env::current_exe()?;
    let (tre, owner, _) = TRES[0];
    let owners: Vec<String> = TRES
        .iter()
        .map(|(tre, owner, _)| {
            format!("quintes review approve TASK --reason 'nothing rare in it' --key people/{owner} --node nodes/{tre} --yes")
        })
        .collect();
    Ok(format!(
        "
A hub and three TREs run. Ctrl-C stops them. In another terminal:

cd {folder}
quintes() {{ '{this}' {AS_QUINTES} \"$@\"; }}
export QUINTES_FEDERATION=$PWD/federation QUINTES_NODE={hub} QUINTES_KEY=$PWD/people/{RESEARCHER}

# {RESEARCHER}, a researcher, asks all three TREs:
quintes submit --component statistics --project {PROJECT} --all-tres --param table=person --param analysis=count,mean --param column=year_of_birth --yes
quintes submit --component sql --project {PROJECT} --tre {tre} --param query='SELECT gender_concept_id, count(*) AS n FROM person GROUP BY gender_concept_id' --yes
quintes status

# {owner}, a data owner, reviews at {tre}; the others do the same at theirs:
quintes review list --node nodes/{tre}
quintes review show TASK --node nodes/{tre}
{owners}

# {RESEARCHER} takes what was released:
quintes fetch TASK --out result --wait
quintes verify result
quintes aggregate result --plot
",
        this = this.display(),
        hub = cluster.hub,
        owners = owners.join("\n"),
    ))
}
