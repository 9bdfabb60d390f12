//! `quintes node health`: how a running node is, and with whom it is connected.

use crate::cli::date::utc;
use crate::cli::link::{LinkOptions, online};
use crate::cli::speak::{AlreadySaid, Speak, plain};
use crate::door::{Answer, Ask, Health};
use crate::logbook::Logbook;
use anyhow::bail;
use serde_json::json;

/// Which node.
#[derive(Debug, clap::Args)]
#[command(
    after_long_help = "Exit code 1 when the federation's status is not fresh, or the node was restored from a backup: then nothing starts and nothing is
released. A degraded node works, and says what is wrong: exit code 0, and `degraded` in the JSON.

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
    let restored = health.log.behind.as_ref().and(health.log.waiting.as_ref());
    speak.answer(json!({ "ok": health.freshness.is_ok() && restored.is_none(), "health": health }));
    match (&health.freshness, restored) {
        (Ok(_), None) => Ok(()),
        _ if speak.is_json() => Err(AlreadySaid.into()),
        (Err(stale), _) => bail!("{stale}"),
        (Ok(_), Some(restored)) => bail!("{restored}"),
    }
}

/// How far the log reaches and who has seen it; what is wrong with it, where something is.
fn log(log: &Logbook) -> Vec<Vec<String>> {
    let row = |label: &str, text: String| vec![label.to_owned(), plain(&text)];
    let mut rows = Vec::new();
    if log.root.is_some() {
        let by = if log.cosigners.is_empty() { "nobody yet".to_owned() } else { log.cosigners.join(", ") };
        let epoch = if log.epoch > 0 { format!(", epoch {}", log.epoch) } else { String::new() };
        rows.push(row("log", format!("{} entries, {} signed for{epoch}; cosigned by {by}", log.size, log.covered)));
    }
    if let Some(behind) = &log.behind {
        let lost = format!(
            "BEHIND: it has signed for {} entries of epoch {} and does not remember them",
            behind.size, behind.epoch
        );
        rows.push(row("restored", lost));
    }
    rows.extend(log.waiting.iter().map(|why| row("waiting", format!("nothing starts or leaves: {why}"))));
    rows.extend(log.forks.iter().map(|(tre, first, second)| {
        row(
            "FORK",
            format!("{tre} has told two stories ({} and {}); see `quintes audit forks`", first.short(), second.short()),
        )
    }));
    rows
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
    let mut rows = vec![
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
    ];
    rows.extend(log(&health.log));
    rows.extend(health.degraded.iter().map(|why| row("DEGRADED", why.clone())));
    rows.extend(health.advice.iter().map(|what| row("advice", what.clone())));
    rows
}
