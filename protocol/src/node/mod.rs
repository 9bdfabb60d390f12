//! The core of a node: inputs in, records and effects out; no clock, no disk, no network, no key.
//!
//! [`Node::handle`] decides. The shell commits the [`Record`]s, **then** performs the [`Effect`]s, and feeds what comes of them back as
//! further [`Input`]s. After a crash [`Node::replay`] rebuilds the node from its records and [`Node::resume`] says what is outstanding.

mod datasets;
mod decide;
mod logging;
mod replay;
mod shared;
pub mod step;
pub mod task;

pub use replay::ReplayError;
pub use step::{Effect, Input, Record, Report, Step};
pub use task::{Local, Task};

use crate::chain::Chains;
use crate::ingress::{Statement, Verified};
use crate::lifecycle::Phase;
use crate::record::Kind;
use crate::record::cancellation::Cancellation;
use crate::record::comment::Readers;
use crate::record::dataset::Dataset;
use crate::record::release::Sealed;
use crate::record::standing_approval::StandingApproval;
use crate::record::submission::TaskId;
use crate::safes::Tre;
use crate::safes::admission::ComponentFacts;
use crate::trust::roster::Roster;
use crate::wire::id::{Digest, NetworkId, StatementId};
use datasets::Offer;
use logging::Logs;
use shared::Shared;
use std::collections::{BTreeMap, BTreeSet};

/// For how long a task waits for a grant, a project or a status that may still be on its way, in seconds. Gossip keeps no order.
pub const GRACE_SECONDS: u64 = 2;

/// A node's whole state.
#[derive(Clone, Debug)]
pub struct Node {
    roster: Roster,
    tre: Option<Tre>,
    known: BTreeSet<StatementId>,
    /// Of what is known: what others may have.
    shared: Shared,
    tasks: BTreeMap<TaskId, Task>,
    /// Which task first used a nonce of an issuer.
    nonces: BTreeMap<(String, [u8; 16]), TaskId>,
    cancellations: BTreeMap<TaskId, Vec<Verified<Cancellation>>>,
    /// What was said about a task before its submission arrived: direct streams and gossip keep no order between them.
    early: BTreeMap<TaskId, Vec<Statement>>,
    components: BTreeMap<Digest, ComponentFacts>,
    obtaining: BTreeSet<Digest>,
    /// Tasks here that can still change or be reported.
    active: BTreeSet<TaskId>,
    /// Components of known submissions: what a member can ask for by digest.
    blobs: BTreeSet<Digest>,
    /// Ciphertexts of known releases: what a member can ask for by root and size.
    released: BTreeMap<Sealed, Let>,
    /// Runs and attestations of this TRE about which nothing is decided yet: they are nobody else's business.
    private: BTreeSet<StatementId>,
    /// Signatures under standing approvals at this TRE.
    standing: Vec<Verified<StandingApproval>>,
    /// How many tasks each standing approval, by the digest of its payload, has released on which day (days since 1970).
    standing_used: BTreeMap<(Digest, u64), u64>,
    logs: Logs,
    chains: Chains,
    /// The newest word of each TRE about each of its datasets.
    datasets: BTreeMap<(String, String), Verified<Dataset>>,
    /// Older words about datasets.
    superseded: BTreeSet<StatementId>,
    offer: Offer,
}

/// Who let a ciphertext out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Let {
    /// The TRE. Another one that names the same ciphertext later changes nothing: whoever has it gives the same bytes.
    pub tre: String,
    /// When, in seconds since 1970.
    pub at: u64,
}

/// The most signatures under standing approvals of one person that are kept.
const STANDING: usize = 256;

impl Node {
    /// A node of a federation that knows nothing yet. Without `tre` it forwards and runs nothing.
    #[must_use]
    pub fn new(network: NetworkId, tre: Option<Tre>) -> Self {
        Self {
            roster: Roster::new(network),
            tre,
            known: BTreeSet::new(),
            shared: Shared::default(),
            tasks: BTreeMap::new(),
            nonces: BTreeMap::new(),
            cancellations: BTreeMap::new(),
            early: BTreeMap::new(),
            components: BTreeMap::new(),
            obtaining: BTreeSet::new(),
            active: BTreeSet::new(),
            blobs: BTreeSet::new(),
            released: BTreeMap::new(),
            private: BTreeSet::new(),
            standing: Vec::new(),
            standing_used: BTreeMap::new(),
            logs: Logs::default(),
            chains: Chains::default(),
            datasets: BTreeMap::new(),
            superseded: BTreeSet::new(),
            offer: Offer::default(),
        }
    }

    /// Who may speak as whom.
    #[must_use]
    pub fn roster(&self) -> &Roster {
        &self.roster
    }

    /// The TRE that this node is, if it is one.
    #[must_use]
    pub fn tre(&self) -> Option<&Tre> {
        self.tre.as_ref()
    }

    /// The statements that are held here, ascending.
    #[must_use]
    pub fn known(&self) -> &BTreeSet<StatementId> {
        &self.known
    }

    /// The kind of a statement that is held here.
    #[must_use]
    pub fn kind(&self, id: &StatementId) -> Option<Kind> {
        self.shared.kind(id)
    }

    /// Whether other members may have a statement: what is under review here stays here, and of datasets the newest word is enough.
    #[must_use]
    pub fn may_share(&self, id: &StatementId) -> bool {
        self.known.contains(id) && !self.private.contains(id) && !self.superseded.contains(id)
    }

    /// What people hand in, as far as it is known to be lacking or to contradict itself; and the checkpoints that nobody has brought.
    #[must_use]
    pub fn chains(&self) -> &Chains {
        &self.chains
    }

    /// Every task that is known.
    #[must_use]
    pub fn tasks(&self) -> &BTreeMap<TaskId, Task> {
        &self.tasks
    }

    /// Whether a blob is the component of a known submission: of blobs only these travel.
    #[must_use]
    pub fn serves(&self, blob: &Digest) -> bool {
        self.blobs.contains(blob)
    }

    /// The ciphertexts of known releases, and who let each out: of results only these travel.
    #[must_use]
    pub fn released(&self) -> &BTreeMap<Sealed, Let> {
        &self.released
    }

    /// What may be shared about one task: its submission and everything that was said about it.
    #[must_use]
    pub fn about(&self, task: &TaskId) -> Vec<StatementId> {
        let Some(known) = self.tasks.get(task) else { return Vec::new() };
        let cancellations = self.cancellations.get(task).into_iter().flatten().map(Verified::id);
        let grounds = known.releases.values().flat_map(|release| {
            let said = release.payload();
            said.standing.iter().chain(&said.log.cosignatures).copied().chain([said.log.checkpoint])
        });
        let mut once = BTreeSet::new();
        std::iter::once(*task)
            .chain(cancellations)
            .chain(known.phases.values().map(Verified::id))
            .chain(known.runs.values().map(Verified::id))
            .chain(known.attestations.iter().map(Verified::id))
            .chain(known.comments.iter().map(Verified::id))
            .chain(known.releases.values().map(Verified::id))
            .chain(grounds)
            .filter(|id| self.may_share(id) && once.insert(*id))
            .collect()
    }

    /// Takes one input. The step's records must be durable before any of its effects is performed.
    pub fn handle(&mut self, input: Input, now: u64) -> Step {
        let mut step = Step::default();
        match input {
            Input::Statement(statement) => self.on_statement(statement, now, &mut step),
            Input::Component { digest, facts } => {
                self.obtaining.remove(&digest);
                step.record(Record::Component { digest, facts: facts.clone() });
                self.components.insert(digest, facts);
            }
            Input::Held { held, run } => self.on_held(&held, run, now, &mut step),
            Input::Failed { task, code } => self.on_failed(task, &code, now, &mut step),
            Input::Rechecked { task, checks, passes } => self.on_rechecked(task, checks, passes, &mut step),
            Input::Schemas(schemas) => self.on_schemas(schemas),
            Input::CaughtUp => self.caught_up(),
            Input::Tick => {}
        }
        self.shared.expire(now, self.roster.clock_skew_seconds());
        self.settle(now, &mut step);
        step
    }

    fn on_statement(&mut self, statement: Statement, now: u64, step: &mut Step) {
        if self.known.contains(&statement.id()) {
            return;
        }
        if let Statement::Release(release) = &statement {
            // Our own release counts only while the quorum that it rests on still stands.
            if self.is_here(&release.payload().tre) && !self.may_release(release, now) {
                return;
            }
        }
        if let Statement::Checkpoint(checkpoint) = &statement
            && self.repeats(checkpoint.payload())
        {
            return;
        }
        if let Statement::Dataset(dataset) = &statement
            && self.is_superseded(dataset)
        {
            return;
        }
        if let Statement::Comment(comment) = &statement
            && comment.payload().to == Readers::Reviewers
            && !self.is_here(&comment.payload().tre)
        {
            // Not for us; whoever sent it should not have it either.
            return;
        }
        step.record(Record::Statement { bytes: statement.bytes().to_vec(), at: now });
        let noticed = self.chains.noticed();
        if self.apply_statement(&statement, now) {
            step.effect(Effect::Members);
        }
        if self.chains.noticed() > noticed {
            step.effect(Effect::Seek);
        }
        if self.private.contains(&statement.id()) {
            return;
        }
        step.effect(if statement.kind().is_announced() {
            Effect::Announce(statement.bytes().clone())
        } else {
            Effect::Tell(statement.bytes().clone())
        });
        if let Statement::Release(release) = &statement
            && self.is_here(&release.payload().tre)
        {
            self.publish(release.payload().task, step);
            // What has left now may meet what is still held.
            let held = self.active.iter().filter(|task| self.phase(task) == Some(Phase::Held));
            held.for_each(|task| step.effect(Effect::Recheck(*task)));
        }
        match &statement {
            Statement::Checkpoint(checkpoint) => self.cosign(&checkpoint.payload().tre, now, step),
            // A recovery may count once its signers are known.
            Statement::Recovery(_) | Statement::Root(_) | Statement::KeyRecord(_) | Statement::Grant(_) => {
                self.cosign_again(now, step);
            }
            _ => {}
        }
    }

    /// The part of taking a statement that a replay repeats. True when it may have changed who is a member.
    fn apply_statement(&mut self, statement: &Statement, at: u64) -> bool {
        self.known.insert(statement.id());
        self.chains.take(statement, at, |id| self.known.contains(id));
        self.shared.hold(statement);
        self.roster.take(statement);
        if self.is_private(statement) {
            self.private.insert(statement.id());
        } else if !self.private.contains(&statement.id()) {
            self.shared.offer(&statement.id());
        }
        if let Some(task) = spoken_of(statement).filter(|task| !self.tasks.contains_key(task)) {
            self.early.entry(task).or_default().push(statement.clone());
            return false;
        }
        self.write_log(statement, at);
        let task = |tasks: &mut BTreeMap<TaskId, Task>, id: &TaskId, then: &mut dyn FnMut(&mut Task)| {
            if let Some(task) = tasks.get_mut(id) {
                then(task);
            }
        };
        match statement {
            Statement::Submission(submission) => {
                let nonce = (submission.signer().name.clone(), submission.claims().nonce);
                self.nonces.entry(nonce).or_insert_with(|| submission.id());
                let here = self.tre.as_ref().is_some_and(|tre| submission.payload().audience.contains(&tre.name));
                if here {
                    self.active.insert(submission.id());
                }
                self.blobs.insert(submission.payload().component);
                // What nobody had for an earlier task may be there for this one.
                let digest = submission.payload().component;
                if self.components.get(&digest) == Some(&ComponentFacts::Unavailable) {
                    self.components.remove(&digest);
                }
                self.tasks.entry(submission.id()).or_insert_with(|| Task::new(submission.clone(), here.then_some(at)));
                for early in self.early.remove(&submission.id()).unwrap_or_default() {
                    self.apply_statement(&early, at);
                }
                false
            }
            Statement::Cancellation(cancellation) => {
                self.cancellations.entry(cancellation.payload().task).or_default().push(cancellation.clone());
                false
            }
            Statement::Phase(phase) => {
                task(&mut self.tasks, &phase.payload().task, &mut |task| task.take_phase(phase));
                false
            }
            Statement::Run(run) => {
                task(&mut self.tasks, &run.payload().task, &mut |task| task.take_run(run));
                false
            }
            Statement::Attestation(attestation) => {
                task(&mut self.tasks, &attestation.payload().task, &mut |task| task.take_attestation(attestation));
                false
            }
            Statement::Comment(comment) => {
                task(&mut self.tasks, &comment.payload().task, &mut |task| task.take_comment(comment));
                false
            }
            Statement::StandingApproval(approval) => {
                // Those that have expired make room.
                self.standing.retain(|other| at < other.claims().expires);
                let by = &approval.signer().name;
                let same = self.standing.iter().filter(|other| other.signer().name == *by);
                if self.is_here(&approval.payload().tre) && same.count() < STANDING {
                    self.standing.push(approval.clone());
                }
                false
            }
            Statement::Dataset(dataset) => {
                self.take_dataset(dataset);
                false
            }
            Statement::Recovery(recovery) => {
                self.take_recovery(recovery, at);
                false
            }
            Statement::Checkpoint(checkpoint) => {
                self.take_checkpoint(checkpoint, at);
                false
            }
            Statement::Cosignature(cosignature) => {
                self.take_cosignature(cosignature);
                false
            }
            Statement::Release(release) => {
                let here = self.is_here(&release.payload().tre);
                if here {
                    self.count_standing(release);
                }
                let (tre, at) = (release.payload().tre.clone(), release.claims().issued);
                self.released.entry(release.payload().sealed()).or_insert(Let { tre, at });
                task(&mut self.tasks, &release.payload().task, &mut |task| task.take_release(release, here));
                false
            }
            Statement::Root(_) | Statement::KeyRecord(_) | Statement::Grant(_) => {
                self.weigh_recoveries(at);
                !matches!(statement, Statement::Grant(_))
            }
            Statement::Revocation(_) | Statement::Status(_) => true,
            Statement::Project(_) => false,
        }
    }

    /// Whether a statement is nobody else's business yet, or ever: also when the task that it speaks of is not known here (any more).
    fn is_private(&self, statement: &Statement) -> bool {
        match statement {
            Statement::Run(run) => self.is_here(&run.payload().tre),
            Statement::Attestation(attestation) => {
                let said = attestation.payload();
                let undecided = |task: &Task| task.here().is_some_and(|here| !here.phase().is_terminal());
                self.is_here(&said.tre) && self.tasks.get(&said.task).is_none_or(undecided)
            }
            Statement::Comment(comment) => comment.payload().to == Readers::Reviewers,
            _ => false,
        }
    }

    fn is_here(&self, tre: &str) -> bool {
        self.tre.as_ref().is_some_and(|here| here.name == tre)
    }
}

/// The task that a TRE or a reviewer speaks of.
fn spoken_of(statement: &Statement) -> Option<TaskId> {
    match statement {
        Statement::Phase(phase) => Some(phase.payload().task),
        Statement::Run(run) => Some(run.payload().task),
        Statement::Attestation(attestation) => Some(attestation.payload().task),
        Statement::Release(release) => Some(release.payload().task),
        Statement::Comment(comment) => Some(comment.payload().task),
        Statement::StandingApproval(_)
        | Statement::Recovery(_)
        | Statement::Dataset(_)
        | Statement::Checkpoint(_)
        | Statement::Cosignature(_)
        | Statement::Root(_)
        | Statement::KeyRecord(_)
        | Statement::Grant(_)
        | Statement::Revocation(_)
        | Statement::Status(_)
        | Statement::Project(_)
        | Statement::Submission(_)
        | Statement::Cancellation(_) => None,
    }
}
