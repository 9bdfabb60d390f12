//! `task_overhead`: from the submission of a trivial task until its outputs are held at three TREs.

use super::{Baseline, Figure, Samples, bare};
use crate::cluster::{Cluster, DATASET, HUB, PROJECT, Plan, Program, RESEARCHER, TRES, Watch};
use crate::narrate::Narrator;
use anyhow::{Context as _, anyhow, bail};
use keys::signer::SoftKey;
use keys::{keyfile, seal};
use node::door::{Answer, Ask};
use protocol::lifecycle::Phase;
use protocol::record::payload::DAY;
use protocol::record::stamp::{Stamp, sign};
use protocol::record::submission::{DeclaredOutput, Submission, TABLE};
use protocol::wire::id::{Digest, NetworkId};
use protocol::wire::message::{PART_BYTES, Request, Response};
use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Rounds that are not counted: the first one compiles the component.
const WARM_UP: u32 = 5;

/// How often a TRE's door is asked.
const POLL: Duration = Duration::from_millis(1);

/// How long a task may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A researcher inside this process: signs, and offers at the hub's door.
struct Researcher {
    key: SoftKey,
    network: NetworkId,
    submission: Submission,
    hub: Watch,
}

/// The figures.
pub(super) async fn measure(samples: u32, narrator: Narrator) -> anyhow::Result<Vec<Figure>> {
    // A table of some dozens of rows: what is measured is the way, not the data.
    let mut cluster = Cluster::found(Program::this()?, None, Plan { persons: 60, seed: 7 }, Narrator::silent()).await?;
    cluster.start().await?;
    let researcher = Researcher::of(&cluster).await?;
    let tres: Vec<Watch> = TRES.iter().map(|(tre, ..)| cluster.watch(tre)).collect();
    let bar = narrator.progress("tasks", Some(u64::from(WARM_UP + samples)));
    let mut took = Vec::new();
    for round in 0..WARM_UP + samples {
        let held = researcher.round(u64::from(round) + 1, &tres).await?;
        bar.inc(1);
        if round >= WARM_UP {
            took.push(held);
        }
    }
    bar.finish_and_clear();
    let took = Samples::new(took);
    let folder = cluster.layout.folder().to_owned();
    let (commit, round_trip) = tokio::task::spawn_blocking(move || -> anyhow::Result<_> {
        Ok((bare::commits(&folder, samples)?, bare::round_trips(samples)?))
    })
    .await??;
    cluster.stop().await?;
    let baseline = Baseline {
        name: "one durable redb commit of 1 KiB and one loopback round trip of 1 KiB, p50",
        value: milliseconds(commit.percentile(50) + round_trip.percentile(50)),
    };
    let figure = |name, value| Figure::new("task_overhead", name, milliseconds(value), "ms", &baseline, took.len());
    Ok(vec![
        figure("submit_to_held_p50", took.percentile(50)),
        figure("submit_to_held_p99", took.percentile(99)),
        figure("submit_to_held_max", took.max()),
    ])
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

impl Researcher {
    /// With the keys of the federation's researcher; the component is at the hub when this returns.
    async fn of(cluster: &Cluster) -> anyhow::Result<Self> {
        let no_passphrase = || Err(std::io::Error::other("keys of a test federation have no passphrase"));
        let file = cluster.layout.people().join(RESEARCHER);
        let key = keyfile::open(&file, no_passphrase)?;
        let identity = seal::Identity::open_file(&file.with_extension("age"), no_passphrase)?;
        let component = std::fs::read(cluster.layout.components().join("statistics.wasm"))?;
        let hub = cluster.watch(HUB);
        let network = hub.health().await?.network;
        let digest = Digest::of(&component);
        let (mut offset, total) = (0, component.len() as u64);
        for part in component.chunks(PART_BYTES) {
            taken(&hub, Request::Store { digest, offset, total, part: part.to_vec() }).await?;
            offset += part.len() as u64;
        }
        let submission = Submission {
            project: PROJECT.to_owned(),
            title: "a count".to_owned(),
            component: digest,
            component_bytes: total,
            parameters: BTreeMap::from(
                [("analysis", "count"), ("table", "person")].map(|(name, text)| (name.to_owned(), text.to_owned())),
            ),
            datasets: vec![DATASET.to_owned()],
            outputs: vec![DeclaredOutput { name: "count".to_owned(), media_type: TABLE.to_owned(), columns: None }],
            audience: TRES.map(|(tre, ..)| tre.to_owned()).to_vec(),
            reply_to: identity.recipient(),
        };
        Ok(Self { key, network, submission, hub })
    }

    /// Signs, offers, and waits until each TRE holds as many tasks as there were rounds.
    async fn round(&self, number: u64, tres: &[Watch]) -> anyhow::Result<Duration> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).context("the clock is before 1970")?;
        let mut nonce = [0; 16];
        nonce[..8].copy_from_slice(&number.to_be_bytes());
        nonce[8..].copy_from_slice(&u64::from(now.subsec_nanos()).to_be_bytes());
        let began = Instant::now();
        let stamp = Stamp {
            network: self.network,
            issuer: RESEARCHER.to_owned(),
            issued: now.as_secs(),
            lifetime: DAY,
            nonce,
            place: None,
        };
        let statement = sign(&self.submission, &stamp, &self.key)?;
        taken(&self.hub, Request::Offer { statement }).await?;
        for tre in tres {
            loop {
                let health = tre.health().await?;
                if health.tasks.get(&Phase::Held).copied().unwrap_or(0) >= number {
                    break;
                }
                if began.elapsed() > PATIENCE {
                    bail!(
                        "{} does not hold the task after {} s: {:?}, {:?}",
                        health.name,
                        PATIENCE.as_secs(),
                        health.tasks,
                        health.refusals
                    );
                }
                tokio::time::sleep(POLL).await;
            }
        }
        Ok(began.elapsed())
    }
}

async fn taken(node: &Watch, request: Request) -> anyhow::Result<()> {
    match node.ask(&Ask::Member(request)).await? {
        Answer::Member(Response::Taken) => Ok(()),
        Answer::Member(Response::NotTaken { reason }) => Err(anyhow!("the hub did not take it: {reason}")),
        other => Err(anyhow!("the hub answered otherwise: {other:?}")),
    }
}
