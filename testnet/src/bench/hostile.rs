//! `hostile`: how long an honest member waits for an answer of a hub that is attacked, beside a quiet hub; and what the hub holds in memory.
//!
//! The hub is a process of its own; the attackers and the honest member share this one, and the machine's processors with it.

use super::{Baseline, Figure, Samples};
use crate::cluster::{Cluster, HUB, Plan, Program, RESEARCHER, TRES};
use crate::narrate::Narrator;
use anyhow::{Context as _, anyhow};
use futures::StreamExt as _;
use node::descriptors;
use node::identity::Identity;
use node::network::client::Client;
use node::network::{self, Multiaddr, Place, Settings, peer_of_address};
use protocol::wire::id::NetworkId;
use protocol::wire::message::Request;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::sync::watch;
use zeroize::Zeroizing;

/// Strangers that knock, and how many of them at once.
const STRANGERS: u32 = 1_000;
const KNOCKING: usize = 8;

/// Connections that say nothing.
const HALF_OPEN: u64 = 5_000;

/// How long a member floods.
const FLOOD: Duration = Duration::from_secs(10);

/// A forgery, in bytes.
const FORGERY: usize = 60_000;

/// Honest questions one after the other: quiet, under each attack; and what the hub's memory has grown to.
pub(super) async fn measure(samples: u32, narrator: Narrator) -> anyhow::Result<Vec<Figure>> {
    descriptors::raise();
    let mut cluster = Cluster::found(Program::this()?, None, Plan { persons: 60, seed: 7 }, Narrator::silent()).await?;
    cluster.start().await?;
    let (attacker, ..) = TRES[2];
    let config = node::config::Config::read(&cluster.layout.node(attacker).join("node.toml"))?;
    cluster.stop_node(attacker).await?;
    let hub: Multiaddr = cluster.hub.parse()?;
    let pid = cluster.node(HUB).context("the hub runs")?.pid();
    let client = Client::connect(researcher(&cluster)?, hub.clone(), None).await?;
    let count = samples.max(200);

    let waiting = narrator.progress("an honest member asks a quiet hub", None);
    let quiet = ask(&client, count, None).await?;
    let before = resident_mb(pid)?;
    waiting.set_message("a thousand strangers knock");
    let over = AtomicBool::new(false);
    let (strangers, ()) = tokio::try_join!(ask(&client, count, Some(&over)), async {
        knock(&hub).await;
        over.store(true, Ordering::Relaxed);
        Ok(())
    })?;
    waiting.set_message("five thousand connections say nothing");
    let silent = half_open(&hub).await?;
    let began = Instant::now();
    let second = Client::connect(researcher(&cluster)?, hub.clone(), None).await?;
    let admitted = began.elapsed();
    let half = ask(&second, count, None).await?;
    let opened = silent.len();
    drop((silent, second));
    waiting.set_message("a member floods with forgeries");
    let over = AtomicBool::new(false);
    let (flooded, sent) = tokio::try_join!(ask(&client, count, Some(&over)), async {
        let sent = flood(&config, &hub).await;
        over.store(true, Ordering::Relaxed);
        sent
    })?;
    let after = resident_mb(pid)?;
    waiting.finish_and_clear();
    narrator.say(&format!("{opened} half-open connections; {sent} forgeries of {FORGERY} bytes"));
    cluster.stop().await?;

    let millis = |samples: &Samples| samples.percentile(99).as_secs_f64() * 1_000.0;
    let calm = Baseline { name: "a quiet hub", value: millis(&quiet) };
    let memory = Baseline { name: "before the attacks", value: before };
    let figure = |name, samples: &Samples| Figure::new("hostile", name, millis(samples), "ms", &calm, samples.len());
    Ok(vec![
        figure("p99_strangers", &strangers),
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

/// Asks `count` times, and on until the attack is `over`.
async fn ask(client: &Client, count: u32, over: Option<&AtomicBool>) -> anyhow::Result<Samples> {
    let count = usize::try_from(count)?;
    let mut took = Vec::new();
    while took.len() < count || over.is_some_and(|over| !over.load(Ordering::Relaxed)) {
        let began = Instant::now();
        client.ask(Request::Inventory { after: None, kinds: Vec::new() }).await?;
        took.push(began.elapsed());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(Samples::new(took))
}

/// Strangers, each with a key of its own; none gets in.
async fn knock(hub: &Multiaddr) {
    let knocks = (0..STRANGERS).map(|stranger| {
        let mut seed = [0xee; 32];
        seed[..4].copy_from_slice(&stranger.to_be_bytes());
        Client::connect(Zeroizing::new(seed), hub.clone(), None)
    });
    futures::stream::iter(knocks).buffer_unordered(KNOCKING).for_each(async |_| {}).await;
}

async fn half_open(hub: &Multiaddr) -> anyhow::Result<Vec<TcpStream>> {
    let place = Place::of(hub).context("the hub has a TCP address")?;
    let mut open = Vec::new();
    for _ in 0..HALF_OPEN.min(descriptors::limit() / 2) {
        open.push(TcpStream::connect((place.host.as_str(), place.port)).await?);
    }
    Ok(open)
}

/// A member with a valid key says nothing but forgeries, as fast as its line takes them; how many.
async fn flood(config: &node::config::Config, hub: &Multiaddr) -> anyhow::Result<u32> {
    let identity = Identity::open(&config.state)?;
    let key = peer_of_address(hub).ok_or_else(|| anyhow!("the hub's address names its key"))?;
    let (_members, follow) = watch::channel(Arc::new(BTreeSet::from([key])));
    let network: NetworkId = config.network;
    let settings = Settings { network, listen: Vec::new(), dial: vec![hub.clone()], hub: false, proxy: None };
    let (network, _events) = network::start(identity.peer, settings, follow).await?;
    let began = Instant::now();
    let mut sent = 0_u32;
    while began.elapsed() < FLOOD {
        let mut forgery = vec![0xff; FORGERY];
        forgery[..4].copy_from_slice(&sent.to_be_bytes());
        match network.announce(forgery).await {
            Ok(_) => sent += 1,
            Err(_) => tokio::time::sleep(Duration::from_millis(2)).await,
        }
    }
    network.stop().await;
    Ok(sent)
}

/// What a process holds in memory now, in MiB (`VmRSS` of proc_pid_status(5)).
fn resident_mb(pid: u32) -> anyhow::Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line =
        status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("this system does not say (VmRSS)")?;
    let kib: f64 = line.split_whitespace().next().context("VmRSS is a number")?.parse()?;
    Ok(kib / 1024.0)
}
