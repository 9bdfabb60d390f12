//! `quintes node health`: how a running node is, and with whom it is connected.

use crate::cli::date::utc;
use crate::cli::link::{LinkOptions, online};
use crate::cli::speak::{AlreadySaid, Speak, plain};
use crate::door::{Answer, Ask, Health};
use anyhow::bail;
use serde_json::json;

/// Which node.
#[derive(Debug, clap::Args)]
#[command(
    after_long_help = "Exit code 1 when the federation's status is not fresh: then nothing starts and nothing is released.

Example:
  quintes node health --node ./london"
)]
pub(crate) struct Args {
    /// Show the connected members.
    #[arg(long)]
    peers: bool,
    #[command(flatten)]
    link: LinkOptions,
}

/// Asks and tells.
pub(crate) fn run(args: &Args, speak: &Speak) -> anyhow::Result<()> {
    let health = online(async {
        let mut link = args.link.open(None).await?;
        match link.ask_at_door(&Ask::Health).await? {
            Answer::Health(health) => Ok(*health),
            _ => bail!("the node answered another question; are both programs of the same version?"),
        }
    })?;
    speak.table(&["", ""], &rows(&health));
    if args.peers {
        speak.line("");
        let peers = health.peers.iter().map(|(key, address, outbound, hub)| {
            let direction = if *outbound { "dialled by us" } else { "dialled us" };
            vec![
                key.chars().take(12).collect(),
                plain(address),
                direction.to_owned(),
                if *hub { "hub" } else { "" }.to_owned(),
            ]
        });
        speak.table(&["peer", "address", "connection", ""], &peers.collect::<Vec<_>>());
    }
    speak.answer(json!({ "ok": health.freshness.is_ok(), "health": health }));
    match &health.freshness {
        Ok(_) => Ok(()),
        Err(_) if speak.is_json() => Err(AlreadySaid.into()),
        Err(stale) => bail!("{stale}"),
    }
}

fn rows(health: &Health) -> Vec<Vec<String>> {
    let row = |label: &str, text: String| vec![label.to_owned(), text];
    let fresh = match &health.freshness {
        Ok(until) => format!("fresh until {}", utc(*until)),
        Err(stale) => format!("STALE: {stale}"),
    };
    let counted = |counts: Vec<String>| if counts.is_empty() { "none".to_owned() } else { counts.join(", ") };
    let tasks = health.tasks.iter().map(|(phase, count)| format!("{count} {phase}")).collect();
    let refusals = health.refusals.iter().map(|(refusal, count)| format!("{count} {}", refusal.code())).collect();
    let roster = &health.roster;
    vec![
        row("node", health.name.clone()),
        row("federation", health.network.to_string()),
        row(
            "root",
            if roster.root_version == 0 { "none".to_owned() } else { format!("version {}", roster.root_version) },
        ),
        row("status", fresh),
        row(
            "roster",
            format!(
                "{} keys, {} grants, {} projects, {} revocations",
                roster.keys, roster.grants, roster.projects, roster.revocations
            ),
        ),
        row("statements", health.statements.to_string()),
        row("tasks", counted(tasks)),
        row("refusals", counted(refusals)),
        row("peers", health.peers.len().to_string()),
        row("addresses", counted(health.addresses.clone())),
    ]
}
