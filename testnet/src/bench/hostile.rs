//! `hostile`: how long an honest member waits for an answer of a hub that is attacked, beside a quiet hub; and what the hub holds in memory.
//!
//! Hub, attackers and the honest member are processes of their own on the same processors. The attackers get what the others leave (see `attack`):
//! what is measured is what an attack costs the hub, not what it costs whoever attacks.

use super::attack::{Attack, Attacker, Done, FORGERY};
use super::{Baseline, Figure, Samples};
use crate::cluster::{Cluster, HUB, Plan, Program, RESEARCHER, TRES};
use crate::narrate::Narrator;
use anyhow::Context as _;
use node::network::Multiaddr;
use node::network::client::Client;
use protocol::wire::message::Request;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use zeroize::Zeroizing;

/// Honest questions one after the other: quiet, under each attack; and what the hub's memory has grown to.
pub(super) async fn measure(samples: u32, narrator: Narrator) -> anyhow::Result<Vec<Figure>> {
    let mut cluster = Cluster::found(Program::this()?, None, Plan { persons: 60, seed: 7 }, Narrator::silent()).await?;
    cluster.start().await?;
    let (attacker, ..) = TRES[2];
    let config = cluster.layout.node(attacker).join("node.toml");
    cluster.stop_node(attacker).await?;
    let hub: Multiaddr = cluster.hub.parse()?;
    let pid = cluster.node(HUB).context("the hub runs")?.pid();
    let client = Client::connect(researcher(&cluster)?, hub.clone(), None).await?;
    let count = samples.max(200);

    let waiting = narrator.progress("an honest member asks a quiet hub", None);
    let quiet = ask(&client, count, None).await?;
    let before = resident_mb(pid)?;
    waiting.set_message("five thousand connections say nothing");
    let mut silent = Attacker::start(&Attack::HalfOpen { hub: hub.clone() })?;
    let opened = silent.done().await?;
    let began = Instant::now();
    let second = Client::connect(researcher(&cluster)?, hub.clone(), None).await?;
    let admitted = began.elapsed();
    let half = ask(&second, count, None).await?;
    drop((silent, second));
    waiting.set_message("strangers knock, two hundred a second, from one address");
    let (strangers, near) = under(&client, &Attack::Knock { hub: hub.clone(), spread: false }).await?;
    waiting.set_message("strangers knock, two hundred a second, from five hundred addresses");
    let (spread, far) = under(&client, &Attack::Knock { hub: hub.clone(), spread: true }).await?;
    waiting.set_message("a member floods with forgeries");
    let (flooded, forged) = under(&client, &Attack::Flood { hub, config }).await?;
    let after = resident_mb(pid)?;
    waiting.finish_and_clear();
    narrator.say(&format!("{} half-open connections; {} forgeries of {FORGERY} bytes", opened.tried, forged.tried));
    for (whence, done) in [("one address", near), ("many addresses", far)] {
        let Done { tried, named, seconds } = done;
        narrator.say(&format!(
            "{tried} strangers from {whence} in {seconds:.1} s, {named} of them to the end of a handshake"
        ));
    }
    cluster.stop().await?;

    let millis = |samples: &Samples| samples.percentile(99).as_secs_f64() * 1_000.0;
    let calm = Baseline { name: "a quiet hub", value: millis(&quiet) };
    let memory = Baseline { name: "before the attacks", value: before };
    let figure = |name, samples: &Samples| Figure::new("hostile", name, millis(samples), "ms", &calm, samples.len());
    Ok(vec![
        figure("p99_strangers", &strangers),
        figure("p99_strangers_spread", &spread),
        figure("p99_half_open", &half),
        Figure::new("hostile", "admitted_half_open", admitted.as_secs_f64() * 1_000.0, "ms", &calm, 1),
        figure("p99_flooded", &flooded),
        Figure::new("hostile", "hub_rss", after, "MB", &memory, 1),
    ])
}

fn researcher(cluster: &Cluster) -> anyhow::Result<Zeroizing<[u8; 32]>> {
    let bytes = keys::at_rest::read_private(&cluster.layout.people().join(format!("{RESEARCHER}.peer")), 32)?;
    Ok(Zeroizing::new(bytes.as_slice().try_into().context("a peer key has 32 bytes")?))
}

/// Asks while somebody attacks.
async fn under(client: &Client, attack: &Attack) -> anyhow::Result<(Samples, Done)> {
    let mut attacker = Attacker::start(attack)?;
    let over = AtomicBool::new(false);
    tokio::try_join!(ask(client, 0, Some(&over)), async {
        let done = attacker.done().await;
        over.store(true, Ordering::Relaxed);
        done
    })
}

/// Asks until the attack is `over`; without one, `count` times.
async fn ask(client: &Client, count: u32, over: Option<&AtomicBool>) -> anyhow::Result<Samples> {
    let count = usize::try_from(count)?;
    let mut took = Vec::new();
    while over.map_or(took.len() < count, |over| !over.load(Ordering::Relaxed)) {
        let began = Instant::now();
        client.ask(Request::Inventory { after: None, kinds: Vec::new() }).await?;
        took.push(began.elapsed());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(Samples::new(took))
}

/// What a process holds in memory now, in MiB (`VmRSS` of proc_pid_status(5)).
fn resident_mb(pid: u32) -> anyhow::Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line =
        status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("this system does not say (VmRSS)")?;
    let kib: f64 = line.split_whitespace().next().context("VmRSS is a number")?.parse()?;
    Ok(kib / 1024.0)
}
