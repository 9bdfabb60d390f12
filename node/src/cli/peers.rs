//! `quintes peers`: with whom a node is connected, since when, by which way and how well; and with whom it should be.

use crate::cli::date::utc;
use crate::cli::link::{Link, LinkOptions, online};
use crate::cli::speak::{AlreadySaid, Speak, plain};
use crate::clock::now;
use crate::door::{Answer, Around, Ask, Missing, Neighbour};
use anyhow::bail;
use protocol::record::Kind;
use serde_json::json;

/// Which node.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
`lag` is how many statements a member offers that are not here and were not refused here; `score` is what gossip thinks of it: below -80 it is not listened to.
Exit code 1 when a peer that the settings name is not connected.

Example:
  quintes peers --node ./london")]
pub(crate) struct Args {
    #[command(flatten)]
    link: LinkOptions,
}

/// Asks and tells.
pub(crate) fn run(args: &Args, speak: &Speak) -> anyhow::Result<()> {
    let around = online(async { ask(&mut args.link.open(None).await?).await })?;
    speak.table(
        &["member", "role", "since", "way", "heard", "round trip", "lag", "score"],
        &around.neighbours.iter().map(row).collect::<Vec<_>>(),
    );
    let missing: Vec<_> = around.dialled.iter().filter(|one| !one.connected).collect();
    for one in &missing {
        let why = one.trouble.as_deref().unwrap_or("not reached yet");
        speak.warn(&format!("{} is not connected: {}; run `quintes node doctor`", plain(&one.name), plain(why)));
    }
    around.missing.iter().for_each(|one| speak.warn(&plain(&kept_back(one))));
    speak.answer(json!({
        "ok": missing.is_empty(), "peers": around.neighbours, "dialled": around.dialled, "missing": around.missing,
    }));
    if missing.is_empty() {
        return Ok(());
    }
    Err(AlreadySaid.into())
}

/// A node's place among the others, asked at its door.
///
/// # Errors
/// When the conversation breaks.
pub(crate) async fn ask(link: &mut Link) -> anyhow::Result<Around> {
    match link.ask_at_door(&Ask::Around).await? {
        Answer::Around(around) => Ok(*around),
        _ => bail!("the node answered another question; are both programs of the same version?"),
    }
}

/// What is missing, from whom and since when, and what to do.
pub(crate) fn kept_back(one: &Missing) -> String {
    let (author, id, next) = (&one.author, one.id.short(), one.named_by.short());
    let what = match one.kind {
        Kind::Checkpoint => format!("{author}'s checkpoint of {} entries ({id})", one.number),
        _ => format!("number {} of what {author} has handed in ({id})", one.number),
    };
    format!(
        "{what} is not here, though {next}, which follows it, is since {}: no connected member gives it, and one may keep it back; dial a hub of another member, or ask {author}",
        utc(one.since)
    )
}

fn row(one: &Neighbour) -> Vec<String> {
    let way = match (&one.through, one.outbound) {
        (Some(hub), _) => format!("through {hub}"),
        (None, true) => "dialled by us".to_owned(),
        (None, false) => "dialled us".to_owned(),
    };
    let or = |value: Option<String>| value.unwrap_or_else(|| "?".to_owned());
    vec![
        plain(&one.name),
        one.role.clone(),
        utc(one.since),
        plain(&way),
        format!("{} s ago", now().saturating_sub(one.heard)),
        or(one.round_trip.map(|took| format!("{took} ms"))),
        or(one.lag.map(|lag| lag.to_string())),
        format!("{:.1}", one.score),
    ]
}
