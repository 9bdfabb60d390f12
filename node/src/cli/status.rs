//! `quintes status`: tasks, and where each stands at every TRE.

use crate::cli::date::utc;
use crate::cli::desk::FederationOptions;
use crate::cli::link::{Link, LinkOptions, online};
use crate::cli::speak::{Speak, plain};
use crate::cli::tasks::{self, Followed};
use anyhow::bail;
use protocol::record::Kind;
use protocol::record::submission::TaskId;
use protocol::wire::envelope::Signed;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// How many tasks are looked through for the newest ones.
const LOOKED_THROUGH: usize = 4_096;

/// Of what to tell the status.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  quintes status --node ./london
  quintes status 3fa8 --watch --key bob --node /ip4/192.0.2.7/tcp/4001/p2p/12D3Koo…")]
pub(crate) struct Args {
    /// The beginning of the task's id; without it the newest tasks are listed.
    id: Option<String>,
    /// Keep watching until every TRE has ended; exit code 1 when nothing was released.
    #[arg(long, requires = "id")]
    watch: bool,
    /// With --watch: for how long, in seconds.
    #[arg(long, value_name = "SECONDS", requires = "watch")]
    timeout: Option<u64>,
    /// How many tasks to list.
    #[arg(long, default_value_t = 20, value_name = "N")]
    last: usize,
    /// Your key, beside which the peer key lies.
    #[arg(long, env = "QUINTES_KEY", value_name = "FILE|agent:FILE.pub")]
    key: Option<String>,
    #[command(flatten)]
    link: LinkOptions,
    #[command(flatten)]
    federation: FederationOptions,
}

/// Lists tasks, or tells one.
pub(crate) fn run(args: &Args, speak: &Speak) -> anyhow::Result<()> {
    online(async {
        let mut link = args.link.open(args.key.as_deref()).await?;
        let Some(prefix) = &args.id else { return list(args, &mut link, speak).await };
        let task = tasks::find(&mut link, prefix).await?;
        let mut known = link.known(&args.federation).await?;
        if args.watch {
            let timeout = args.timeout.map(Duration::from_secs);
            let followed = tasks::watch(&mut link, &mut known, task, timeout, speak).await?;
            return tasks::conclude(&followed, speak);
        }
        let (followed, _) = tasks::follow(&mut link, &known, task).await?;
        let said = followed.submission.payload();
        speak.say(&format!(
            "task {} `{}` in {} by {}, submitted {}",
            task.short(),
            plain(&said.title),
            said.project,
            followed.submission.signer().name,
            utc(followed.submission.claims().issued)
        ));
        followed.show(speak);
        speak.answer(followed.told());
        Ok(())
    })
}

async fn list(args: &Args, link: &mut Link, speak: &Speak) -> anyhow::Result<()> {
    let known = link.known(&args.federation).await?;
    let ids = link.inventory(&[Kind::Submission]).await?;
    if ids.len() > LOOKED_THROUGH {
        bail!("the node knows {} tasks, too many to list; name yours by the beginning of its id", ids.len());
    }
    let mut submitted: Vec<(u64, TaskId)> = Vec::new();
    for bytes in link.statements(&ids).await? {
        if let Ok(signed) = Signed::parse(&bytes) {
            submitted.push((signed.claims().issued, signed.id()));
        }
    }
    submitted.sort_unstable_by(|left, right| right.cmp(left));
    let mut rows = Vec::new();
    let mut told: Vec<Value> = Vec::new();
    for (_, task) in submitted.into_iter().take(args.last) {
        let Some(about) = link.about(task).await? else { continue };
        let believed = known.with(&about);
        let Some(followed) = Followed::of(task, &believed) else {
            speak.warn(&format!("the task {} is not shown: its submission is not believed here", task.short()));
            continue;
        };
        rows.push(row(&followed));
        told.push(followed.told());
    }
    if rows.is_empty() {
        speak.say("the node knows no task yet; make one with `quintes submit`");
    } else {
        speak.table(&["task", "submitted", "by", "project", "title", "TREs"], &rows);
    }
    speak.answer(json!({ "tasks": told }));
    Ok(())
}

fn row(followed: &Followed) -> Vec<String> {
    let mut phases: BTreeMap<&str, usize> = BTreeMap::new();
    for standing in followed.tres.values() {
        *phases.entry(standing.phase().map_or("no word", protocol::lifecycle::Phase::name)).or_insert(0) += 1;
    }
    let phases: Vec<String> = phases.into_iter().map(|(phase, count)| format!("{count} {phase}")).collect();
    let said = followed.submission.payload();
    vec![
        followed.submission.id().short(),
        utc(followed.submission.claims().issued),
        followed.submission.signer().name.clone(),
        said.project.clone(),
        plain(&said.title),
        phases.join(", "),
    ]
}
