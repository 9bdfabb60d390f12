//! A simulated machine: a core in memory, and what survives a crash: the journal, custody and blobs.

use crate::sim::ledger::{Leaf, Ledger};
use protocol::lifecycle::Phase;
use protocol::node::{Effect, Node, Record};
use protocol::record::attestation::ReportSummary;
use protocol::record::commitment::Commitment;
use protocol::record::submission::TaskId;
use protocol::safes::Tre;
use protocol::wire::id::{Digest, NetworkId, StatementId};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// An effect that was performed, and how long the durable journal was then.
#[derive(Clone, Debug)]
pub struct Performed {
    /// What was done.
    pub deed: Deed,
    /// How many records were durable.
    pub records: usize,
    /// How many leaves they make.
    pub leaves: usize,
}

/// What an effect did to the world.
#[derive(Clone, Debug)]
pub enum Deed {
    /// A statement left this node.
    Spoke(StatementId),
    /// A component began to run.
    Ran(TaskId),
    /// Custody was opened.
    Opened(TaskId),
    /// A phase was about to be signed.
    Reported(TaskId, Phase),
    /// A checkpoint of so many leaves was about to be signed.
    Checkpointed(u64),
    /// A checkpoint was about to be cosigned.
    Cosigned(StatementId),
}

impl Deed {
    /// What an effect would do; none when it does nothing that a record must precede.
    #[must_use]
    pub fn of(effect: &Effect) -> Option<Self> {
        match effect {
            Effect::Announce(bytes) | Effect::Tell(bytes) => Some(Self::Spoke(StatementId::of(bytes))),
            Effect::Execute(admission) => Some(Self::Ran(admission.task())),
            Effect::Open(release, _) => Some(Self::Opened(release.task())),
            Effect::Report(report) => Some(Self::Reported(report.task, report.phase)),
            Effect::Checkpoint(checkpoint) => Some(Self::Checkpointed(checkpoint.size)),
            Effect::Cosign(cosignature) => Some(Self::Cosigned(cosignature.checkpoint)),
            Effect::Obtain(_)
            | Effect::Stop(_)
            | Effect::Recheck(_)
            | Effect::Publish(_)
            | Effect::Seek
            | Effect::Members => None,
        }
    }
}

/// One node and its machine.
#[derive(Clone)]
pub struct Host {
    /// Its name in the roster.
    pub name: String,
    /// Its configuration, when it is a TRE.
    pub tre: Option<Tre>,
    /// How far its clock is ahead, in seconds; negative when it is behind.
    pub skew: i64,
    /// The core; none while the machine is down.
    pub node: Option<Node>,
    /// How often it was started: what an earlier life began is lost.
    pub life: u64,
    /// The time of the last input.
    pub last_now: u64,
    /// Durable: the journal.
    pub ledger: Ledger,
    /// Durable: statements by id.
    pub statements: BTreeMap<StatementId, Arc<[u8]>>,
    /// Durable: held outputs.
    pub custody: BTreeMap<(TaskId, Commitment), Vec<u8>>,
    /// Durable: what the checks say of what is held, and whether everything passes.
    pub findings: BTreeMap<TaskId, (ReportSummary, bool)>,
    /// Durable: ciphertexts.
    pub blobs: BTreeMap<Digest, Vec<u8>>,
    /// The checkpoints of its log that this machine has signed, in any life.
    pub signed: BTreeSet<StatementId>,
    /// Its own checkpoints that a backup lacked which was restored.
    pub cut: BTreeSet<StatementId>,
    /// The leaves of those of them that have more than the backup had.
    pub lost: BTreeMap<StatementId, Vec<Leaf>>,
    /// Those of the lost that somebody has told it of since, when its log had not grown into them again.
    pub told: BTreeSet<StatementId>,
    /// How often it was restored.
    pub restored: u64,
    /// Every effect that was performed in any life.
    pub performed: Vec<Performed>,
    /// Statements whose signer is not enrolled here yet; lost in a crash.
    pub pending: Vec<Arc<[u8]>>,
    /// Whether it forges, replays and withholds.
    pub byzantine: bool,
}

impl Host {
    /// A machine that was just installed.
    #[must_use]
    pub fn new(network: NetworkId, name: &str, tre: Option<Tre>) -> Self {
        Self {
            name: name.to_owned(),
            node: Some(Node::new(network, tre.clone())),
            tre,
            skew: 0,
            life: 0,
            last_now: 0,
            ledger: Ledger::default(),
            statements: BTreeMap::new(),
            custody: BTreeMap::new(),
            findings: BTreeMap::new(),
            blobs: BTreeMap::new(),
            signed: BTreeSet::new(),
            cut: BTreeSet::new(),
            lost: BTreeMap::new(),
            told: BTreeSet::new(),
            restored: 0,
            performed: Vec::new(),
            pending: Vec::new(),
            byzantine: false,
        }
    }

    /// The journal's records, as a replay reads them.
    #[must_use]
    pub fn records(&self) -> Vec<Record> {
        self.ledger.entries.iter().map(|entry| entry.record.clone()).collect()
    }
}
