//! Effects: what the core asks for, performed after its records are durable. Each may be performed again after a crash.

use crate::clock::now;
use crate::custody::Custody;
use crate::driver::{Handle, TakeError};
use crate::exchange::Exchange;
use crate::execute::Execution;
use crate::ledger::{Leave, Ledger, Rechecked, Terms, Waiting};
use crate::network::{Members, Network, PeerKey, Role};
use crate::store::Store;
use keys::seal;
use keys::signer::SoftKey;
use protocol::delivery::Delivery;
use protocol::node::{Effect, Input, Node, Report};
use protocol::record::phase::Phase;
use protocol::record::release::Logged;
use protocol::record::stamp::{Stamp, sign};
use protocol::record::submission::TaskId;
use protocol::record::{Payload, payload::DECADE};
use protocol::tre::{Release, coarse};
use protocol::trust::freshness::Stale;
use protocol::wire::id::{Digest, NetworkId};
use protocol::wire::message::Request;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tokio::sync::watch;

/// How the node signs as itself.
#[derive(Clone)]
pub struct Seal {
    /// The federation.
    pub network: NetworkId,
    /// The node's name in the roster.
    pub name: String,
    /// The node's signing key.
    pub key: Arc<SoftKey>,
}

impl Seal {
    /// Signs a statement of this node's own, as of `issued`.
    ///
    /// # Errors
    /// When the system has no randomness or the payload is not valid; the sentence is for the log.
    pub fn sign<T: Payload>(&self, payload: &T, issued: u64) -> Result<Vec<u8>, anyhow::Error> {
        let mut nonce = [0; 16];
        getrandom::fill(&mut nonce)?;
        let stamp =
            Stamp { network: self.network, issuer: self.name.clone(), issued, lifetime: DECADE, nonce, place: None };
        Ok(sign(payload, &stamp, self.key.as_ref())?)
    }
}

/// Everything that effects need.
pub struct Effects {
    /// Back to the driver.
    pub driver: Handle,
    /// Signs as this node.
    pub seal: Seal,
    /// The other members.
    pub network: Network,
    /// Statements and blobs from and for other members.
    pub exchange: Exchange,
    /// Released ciphertexts and components.
    pub store: Store,
    /// Held outputs.
    pub custody: Custody,
    /// What runs components; none on a hub.
    pub execution: Option<Execution>,
    /// Who may connect.
    pub members: watch::Sender<Members>,
    /// Whom the operator has told this node to dial.
    pub dialled: BTreeSet<PeerKey>,
    /// What runs now, with its stop switch.
    pub running: BTreeMap<TaskId, watch::Sender<bool>>,
}

impl Effects {
    /// Performs one effect; what takes time goes on in a task of its own.
    pub fn perform(&mut self, effect: Effect, core: &Node) {
        match effect {
            Effect::Announce(bytes) => {
                let network = self.network.clone();
                tokio::spawn(async move {
                    if let Err(error) = network.announce(bytes.to_vec()).await {
                        tracing::warn!(%error, "a statement was not announced; peers will catch up");
                    }
                });
            }
            Effect::Tell(bytes) => self.tell(&bytes),
            Effect::Obtain(digest) => {
                if let Some(execution) = self.execution.clone() {
                    let (driver, exchange) = (self.driver.clone(), self.exchange.clone());
                    tokio::spawn(async move {
                        let facts = execution.look_at(&digest, &exchange).await;
                        driver.input(Input::Component { digest, facts }).await;
                    });
                }
            }
            Effect::Execute(admission) => {
                if let Some(execution) = self.execution.clone() {
                    let (stop, stopped) = watch::channel(false);
                    self.running.retain(|_, stop| !stop.is_closed());
                    self.running.insert(admission.task(), stop);
                    let (driver, custody, seal) = (self.driver.clone(), self.custody.clone(), self.seal.clone());
                    let exchange = self.exchange.clone();
                    tokio::spawn(async move {
                        execution.run(*admission, stopped, &custody, &seal, &driver, &exchange).await;
                    });
                }
            }
            Effect::Stop(task) => {
                if let Some(stop) = self.running.remove(&task) {
                    stop.send(true).ok();
                }
            }
            Effect::Open(release, logged) => self.open(*release, *logged, core),
            Effect::Recheck(task) => {
                if let (Some(execution), Some(waiting)) = (&self.execution, Waiting::of(core, &task)) {
                    let (custody, ledger) = (self.custody.clone(), execution.ledger.clone());
                    let (terms, driver) = (Terms::of(core, &task, now()), self.driver.clone());
                    tokio::spawn(async move { recheck(custody, ledger, waiting, terms, &driver).await });
                }
            }
            // Coarse: when a log grew is not for everyone to know to the second.
            Effect::Checkpoint(checkpoint) => self.say(*checkpoint, "checkpoint", coarse(now())),
            Effect::Cosign(cosignature) => self.say(cosignature, "cosignature", now()),
            Effect::Publish(dataset) => self.say(*dataset, "dataset", now()),
            Effect::Report(report) => self.report(report),
            // Soon, and again with growing pauses.
            Effect::Seek => self.exchange.said(),
            Effect::Members => {
                self.members.send_replace(admitted(core, &self.dialled, now()));
            }
        }
    }

    fn tell(&self, bytes: &Arc<[u8]>) {
        // It may be a release.
        self.exchange.heard();
        let (network, statement) = (self.network.clone(), bytes.to_vec());
        tokio::spawn(async move {
            for peer in network.peers().await.into_iter().filter(|peer| peer.role != Role::Client) {
                let (network, statement) = (network.clone(), statement.clone());
                tokio::spawn(async move {
                    // Whoever is away catches up on the next connection.
                    network.ask(peer.key, Request::Offer { statement }).await.ok();
                });
            }
        });
    }

    /// Signs a statement of this node's own and takes it.
    fn say<T: Payload + Send + 'static>(&self, payload: T, kind: &'static str, issued: u64) {
        let (driver, seal, exchange) = (self.driver.clone(), self.seal.clone(), self.exchange.clone());
        tokio::spawn(async move {
            match seal.sign(&payload, issued) {
                Ok(bytes) => take_own(&driver, &exchange, bytes, kind).await,
                Err(error) => tracing::error!(%error, kind, "a statement of this node could not be signed"),
            }
        });
    }

    fn report(&self, report: Report) {
        let phase = Phase {
            task: report.task,
            tre: self.seal.name.clone(),
            phase: report.phase,
            refusal: report.refusal,
            failure: report.failure,
        };
        self.say(phase, "phase", coarse(now()));
    }

    /// Opens custody for a decided release: let the ledger know, encrypt to the researcher, make the ciphertext durable, sign the release.
    fn open(&self, release: Release, logged: Logged, core: &Node) {
        let task = release.task();
        let (Some(execution), Some(waiting)) = (&self.execution, Waiting::of(core, &task)) else { return };
        // What was decided is what is let out: the checks that the decision rests on.
        let waiting = Waiting { commitment: release.commitment(), checks: release.checks().clone(), ..waiting };
        let (terms, ledger) = (Terms::of(core, &task, now()), execution.ledger.clone());
        let (driver, seal, custody, store) =
            (self.driver.clone(), self.seal.clone(), self.custody.clone(), self.store.clone());
        let exchange = self.exchange.clone();
        tokio::spawn(async move {
            let sealed = tokio::task::spawn_blocking(move || -> Result<Opened, anyhow::Error> {
                let recipient = seal::parse_recipient(release.recipient())?;
                let held = match ledger.let_out(&custody, &waiting, release.outputs(), terms, now())? {
                    Leave::Granted(held) => held,
                    Leave::Changed(rechecked) => return Ok(Opened::Not(rechecked)),
                };
                let mut ciphertext = Vec::new();
                seal::seal(&[recipient], Delivery::of(&held, &release).to_bytes().as_slice(), &mut ciphertext)?;
                let sealed = store.seal(&ciphertext)?;
                let statement = release.statement(logged, Digest::of(&ciphertext), sealed);
                Ok(Opened::Signed(seal.sign(&statement, now())?))
            });
            match sealed.await {
                Ok(Ok(Opened::Signed(bytes))) => take_own(&driver, &exchange, bytes, "release").await,
                Ok(Ok(Opened::Not(rechecked))) => {
                    tracing::warn!(task = %task.short(), "custody was not opened: something has left meanwhile that its outputs meet; it is for the reviewers again");
                    told(task, rechecked, &driver).await;
                }
                Ok(Err(error)) => {
                    tracing::error!(task = %task.short(), error = format!("{error:#}"), "custody was not opened; nothing was released")
                }
                Err(_) => {
                    tracing::error!(task = %task.short(), "opening custody was interrupted; nothing was released")
                }
            }
        });
    }
}

/// What came of opening custody.
enum Opened {
    /// A signed release.
    Signed(Vec<u8>),
    /// Nothing: the checks say something else now.
    Not(Rechecked),
}

/// Compares what is held with the ledger again, and tells the core when the checks say something else than it knows.
pub async fn recheck(custody: Custody, ledger: Ledger, waiting: Waiting, terms: Terms, driver: &Handle) {
    let (task, known) = (waiting.task, waiting.checks.clone());
    match tokio::task::spawn_blocking(move || ledger.recheck(&custody, &waiting, terms)).await {
        Ok(Ok(rechecked)) if rechecked.checks == known => {}
        Ok(Ok(rechecked)) => told(task, rechecked, driver).await,
        Ok(Err(error)) => {
            tracing::error!(task = %task.short(), %error, "held outputs could not be compared with what left before");
        }
        Err(_) => tracing::error!(task = %task.short(), "a comparison with what left before was interrupted"),
    }
}

async fn told(task: TaskId, rechecked: Rechecked, driver: &Handle) {
    let Rechecked { checks, passes } = rechecked;
    driver.input(Input::Rechecked { task, checks, passes }).await;
}

/// Who may connect: the roster's members. A node that has never seen a status of its root knows too little to name them, so that
/// it also admits those whom its operator has told it to dial: they bring the statements, and each of those is verified. Such a
/// node starts nothing and releases nothing.
#[must_use]
pub fn admitted(core: &Node, dialled: &BTreeSet<PeerKey>, now: u64) -> Members {
    let mut members: BTreeSet<PeerKey> = core.roster().members(now).iter().map(|peer| *peer.as_bytes()).collect();
    if matches!(core.roster().fresh_status(now), Err(Stale::Missing)) {
        members.extend(dialled);
    }
    Arc::new(members)
}

async fn take_own(driver: &Handle, exchange: &Exchange, bytes: Vec<u8>, kind: &'static str) {
    match driver.take(bytes).await {
        Ok(_) => exchange.said(),
        Err(TakeError::Stopped) => {}
        Err(TakeError::Verdict(verdict)) => {
            tracing::error!(kind, %verdict, "this node's own statement is not valid; is the node enrolled and its clock right?");
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
mod tests {
    use super::*;

    #[test]
    fn a_node_without_a_status_admits_whom_its_operator_named_and_nobody_else() {
        let core = Node::replay(NetworkId([1; 32]), None, Vec::new()).unwrap();
        let dialled = BTreeSet::from([[7; 32]]);
        assert_eq!(*admitted(&core, &dialled, 0), dialled);
        assert!(admitted(&core, &BTreeSet::new(), 0).is_empty());
    }
}
