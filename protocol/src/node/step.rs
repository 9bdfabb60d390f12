//! What goes into the core and what comes out of it.

use crate::ingress::{Statement, Verified};
use crate::lifecycle::Phase;
use crate::record::attestation::ReportSummary;
use crate::record::checkpoint::{Checkpoint, Cosignature};
use crate::record::dataset::{Dataset, Schema};
use crate::record::release::Logged;
use crate::record::run::Run;
use crate::record::submission::TaskId;
use crate::safes::admission::{Admission, ComponentFacts};
use crate::safes::outputs::Held;
use crate::safes::refusal::Refusal;
use crate::tre::Release;
use crate::wire::id::Digest;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Something that happened outside.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "inputs pass one at a time and are never stored")]
pub enum Input {
    /// A verified statement arrived, or this node signed one.
    Statement(Statement),
    /// A component is here and was looked at, or cannot be had.
    Component {
        /// Its digest.
        digest: Digest,
        /// What was found.
        facts: ComponentFacts,
    },
    /// A run finished, its outputs were checked and are durable in custody.
    Held {
        /// The checked outputs.
        held: Box<Held>,
        /// The run statement that this TRE signed over their commitment.
        run: Box<Verified<Run>>,
    },
    /// A run, or the check of its outputs, failed.
    Failed {
        /// The task.
        task: TaskId,
        /// A code of a fixed vocabulary.
        code: String,
    },
    /// What the checks say of held outputs has changed, and custody holds the new report: something that was released since meets them.
    Rechecked {
        /// The task.
        task: TaskId,
        /// What they say now.
        checks: ReportSummary,
        /// Whether every rule passes on evidence of the host's own.
        passes: bool,
    },
    /// What this TRE publishes of its datasets from now on, by their names. What it does not name any more is taken back.
    Schemas(BTreeMap<String, Schema>),
    /// A member has told everything that it holds: what this node's log may have lost is known.
    CaughtUp,
    /// Time passed.
    Tick,
}

/// What must be durable before anything else happens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Record {
    /// A statement was taken.
    Statement {
        /// The tagged bytes.
        #[serde(with = "serde_bytes")]
        bytes: Vec<u8>,
        /// When.
        at: u64,
    },
    /// A component was looked at.
    Component {
        /// Its digest.
        digest: Digest,
        /// What was found.
        facts: ComponentFacts,
    },
    /// Every Safe said yes.
    Admitted {
        /// The task.
        task: TaskId,
        /// When.
        at: u64,
    },
    /// A Safe said no.
    Refused {
        /// The task.
        task: TaskId,
        /// Why.
        refusal: Refusal,
    },
    /// The component is about to run.
    Started {
        /// The task.
        task: TaskId,
    },
    /// It failed.
    Failed {
        /// The task.
        task: TaskId,
        /// The code.
        code: String,
    },
    /// The outputs wait for attestations.
    Held {
        /// The task.
        task: TaskId,
        /// The run statement, which stands in a record of its own too.
        run: crate::wire::id::StatementId,
        /// The outputs' names.
        outputs: BTreeSet<String>,
        /// What the checks say of them.
        checks: ReportSummary,
        /// Whether every rule passes on evidence of the host's own.
        passes: bool,
        /// Digest of who stands behind their figures, as custody holds it.
        contributors: Digest,
        /// When.
        at: u64,
    },
    /// The checks say something else of what is held.
    Rechecked {
        /// The task.
        task: TaskId,
        /// What they say.
        checks: ReportSummary,
        /// Whether every rule passes.
        passes: bool,
    },
    /// Every output was rejected.
    Withheld {
        /// The task.
        task: TaskId,
    },
    /// It was called back.
    Cancelled {
        /// The task.
        task: TaskId,
    },
}

/// What the shell does once the records are durable. Each may be performed more than once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Gossip a statement.
    Announce(Arc<[u8]>),
    /// Push a statement to connected members.
    Tell(Arc<[u8]>),
    /// Get a component by its digest and look at it.
    Obtain(Digest),
    /// Run an admitted task.
    Execute(Box<Admission>),
    /// Stop a task that may be running.
    Stop(TaskId),
    /// Compare held outputs with the ledger again.
    Recheck(TaskId),
    /// Open custody, encrypt, and sign the release, which stands in the log as described.
    Open(Box<Release>, Box<Logged>),
    /// Sign a checkpoint of the log.
    Checkpoint(Box<Checkpoint>),
    /// Cosign a checkpoint of another TRE.
    Cosign(Cosignature),
    /// Sign what this TRE publishes of a dataset.
    Publish(Box<Dataset>),
    /// Sign a phase statement.
    Report(Report),
    /// Ask members for what is lacking in chains.
    Seek,
    /// Who may connect may have changed.
    Members,
}

/// What this TRE says about a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The task.
    pub task: TaskId,
    /// The phase.
    pub phase: Phase,
    /// Why it was refused.
    pub refusal: Option<Refusal>,
    /// What went wrong.
    pub failure: Option<String>,
}

/// What one input amounts to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// To be made durable, in this order and together.
    pub records: Vec<Record>,
    /// To be performed afterwards.
    pub effects: Vec<Effect>,
}

impl Step {
    pub(super) fn record(&mut self, record: Record) {
        self.records.push(record);
    }

    pub(super) fn effect(&mut self, effect: Effect) {
        self.effects.push(effect);
    }
}
