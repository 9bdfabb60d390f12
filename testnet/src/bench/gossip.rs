//! `gossip`: announcements among 50 and 200 members on real sockets, behind three hubs and behind one: how many arrive by gossip alone, and when.

use super::{Baseline, Figure, Samples, bare};
use crate::crowd::now;
use crate::fixture::federation::{Federation, Options};
use crate::narrate::Narrator;
use anyhow::Context as _;
use node::network::{self, Event, Multiaddr, Network, Published, Settings, Verdict};
use protocol::ingress::{Statement, receive};
use protocol::node::{Input, Node};
use protocol::record::payload::DAY;
use protocol::trust::roster::Roster;
use protocol::wire::id::StatementId;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::watch;
use zeroize::Zeroizing;

/// Members, hubs that everybody dials, and the names of the figures.
const CROWDS: [(usize, usize, [&str; 3]); 4] = [
    (50, 3, ["delivered_50", "p50_50", "p99_50"]),
    (200, 3, ["delivered_200", "p50_200", "p99_200"]),
    (50, 1, ["delivered_50_one_hub", "p50_50_one_hub", "p99_50_one_hub"]),
    (200, 1, ["delivered_200_one_hub", "p50_200_one_hub", "p99_200_one_hub"]),
];

/// Announcements, and how far apart.
const MESSAGES: usize = 60;

/// Five a second, of all members together.
const APART: Duration = Duration::from_millis(200);

/// For how long one waits for the last ones. Nobody goes round here: what gossip loses stays lost.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long everybody may take to connect.
const GATHERING: Duration = Duration::from_secs(120);

/// When each statement came to each member.
type Arrivals = Arc<Mutex<BTreeMap<StatementId, BTreeMap<usize, Instant>>>>;

/// The figures.
pub(super) async fn measure(narrator: Narrator) -> anyhow::Result<Vec<Figure>> {
    let round_trip = tokio::task::spawn_blocking(|| bare::round_trips(200)).await??;
    let one = Baseline {
        name: "one loopback round trip of 1 KiB, p50",
        value: round_trip.percentile(50).as_secs_f64() * 1e3,
    };
    let all = Baseline { name: "every announcement at every member", value: 100.0 };
    let mut figures = Vec::new();
    for (members, hubs, [delivered, p50, p99]) in CROWDS {
        let (share, took) = spread(members, hubs, narrator).await?;
        let milliseconds = |percent| took.percentile(percent).as_secs_f64() * 1e3;
        figures.extend([
            Figure::new("gossip", delivered, share, "%", &all, took.len()),
            Figure::new("gossip", p50, milliseconds(50), "ms", &one, took.len()),
            Figure::new("gossip", p99, milliseconds(99), "ms", &one, took.len()),
        ]);
    }
    Ok(figures)
}

/// The share that arrived, in percent, and how long each took.
async fn spread(members: usize, hubs: usize, narrator: Narrator) -> anyhow::Result<(f64, Samples)> {
    let options = Options { tres: 1, hubs: members, owners_per_tre: 1, researchers: 1, ..Options::default() };
    let federation = Federation::new(7, options);
    let status = federation.status(2, BTreeSet::new(), now()?, DAY);
    let roster = Arc::new(roster(&federation, &status)?);
    let keys: BTreeSet<_> = federation.actors().map(|one| *one.peer().as_bytes()).collect();
    let (_keep, followed) = watch::channel(Arc::new(keys));
    let arrivals: Arrivals = Arc::default();
    let mut networks: Vec<Network> = Vec::new();
    let mut dial: Vec<Multiaddr> = Vec::new();
    for number in 0..members {
        let hub = number < hubs;
        let settings = Settings {
            network: federation.network,
            listen: if hub { vec!["/ip4/127.0.0.1/tcp/0".parse()?] } else { Vec::new() },
            dial: dial.clone(),
            proxy: None,
            hub,
        };
        let seed = federation.actor(&format!("hub-{number}")).peer_seed;
        let (network, events) = network::start(Zeroizing::new(seed), settings, followed.clone()).await?;
        if hub {
            dial.extend(network.local_addresses());
        }
        tokio::spawn(hear(number, events, roster.clone(), arrivals.clone()));
        networks.push(network);
    }
    let gathering = narrator.progress("members connect", None);
    gather(&networks, hubs).await?;
    gathering.finish_and_clear();
    let bar = narrator.progress("announcements", Some(MESSAGES as u64));
    let mut said = BTreeMap::new();
    for number in 0..MESSAGES {
        let task = federation.task("researcher-0", number as u64 + 1, [0]);
        let statement = federation.sign(&task, "researcher-0", now()?, DAY);
        let by = hubs + (number * 7) % (members - hubs);
        said.insert(StatementId::of(&statement), Instant::now());
        let published = networks[by].announce(statement.to_vec()).await?;
        anyhow::ensure!(matches!(published, Published::To(_)), "nobody heard an announcement: {published:?}");
        bar.inc(1);
        tokio::time::sleep(APART).await;
    }
    bar.finish_and_clear();
    let expected = MESSAGES * (members - 1);
    let began = Instant::now();
    while began.elapsed() < PATIENCE && count(&arrivals) < expected {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let heard = std::mem::take(&mut *arrivals.lock().unwrap_or_else(PoisonError::into_inner));
    let took: Vec<Duration> = heard
        .iter()
        .filter_map(|(id, at)| Some((said.get(id)?, at)))
        .flat_map(|(began, at)| at.values().map(|came| came.duration_since(*began)))
        .collect();
    for network in networks {
        network.stop().await;
    }
    let percent = |count: usize| f64::from(u32::try_from(count).unwrap_or(u32::MAX)) * 100.0;
    Ok((percent(took.len()) / (percent(expected) / 100.0), Samples::new(took)))
}

fn count(arrivals: &Arrivals) -> usize {
    arrivals.lock().unwrap_or_else(PoisonError::into_inner).values().map(BTreeMap::len).sum()
}

/// A member that verifies every announcement, as a node does, and forwards what is sound.
async fn hear(member: usize, mut events: tokio::sync::mpsc::Receiver<Event>, roster: Arc<Roster>, arrivals: Arrivals) {
    while let Some(event) = events.recv().await {
        let Event::Announced { bytes, verdict, .. } = event else { continue };
        let Ok(Ok(Statement::Submission(statement))) = now().map(|now| receive(&bytes, &roster, now)) else {
            verdict.give(Verdict::Reject);
            continue;
        };
        let mut all = arrivals.lock().unwrap_or_else(PoisonError::into_inner);
        all.entry(statement.id()).or_default().entry(member).or_insert_with(Instant::now);
        verdict.give(Verdict::Accept);
    }
}

/// Waits until everybody is connected with every hub, and a little longer: subscriptions and meshes follow.
async fn gather(networks: &[Network], hubs: usize) -> anyhow::Result<()> {
    let connected = async {
        for network in networks.iter().skip(hubs) {
            while network.peers().await.len() < hubs {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    };
    tokio::time::timeout(GATHERING, connected).await.context("not everybody was connected within two minutes")?;
    tokio::time::sleep(Duration::from_secs(3)).await;
    Ok(())
}

/// Who may speak as whom.
fn roster(federation: &Federation, status: &[u8]) -> anyhow::Result<Roster> {
    let mut node = Node::new(federation.network, None);
    let now = now()?;
    for bytes in federation.statements.iter().map(AsRef::as_ref).chain([status]) {
        if let Ok(statement) = receive(bytes, node.roster(), now) {
            node.handle(Input::Statement(statement), now);
        }
    }
    Ok(node.roster().clone())
}
