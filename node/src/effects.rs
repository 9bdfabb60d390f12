//! Effects: what the core asks for, performed after its records are durable. Each may be performed again after a crash.

use crate::clock::now;
use crate::custody::Custody;
use crate::driver::{Handle, TakeError};
use crate::exchange::Exchange;
use crate::execute::Execution;
use crate::network::{Members, Network, PeerKey, Role};
use crate::store::Store;
use keys::seal;
use keys::signer::SoftKey;
use protocol::node::{Effect, Input, Node, Report};
use protocol::record::phase::Phase;
use protocol::record::release::Logged;
use protocol::record::stamp::{Stamp, sign};
use protocol::record::submission::TaskId;
use protocol::record::{Payload, payload::DECADE};
use protocol::tre::{Release, coarse};
use protocol::trust::freshness::Stale;
use protocol::wire::id::NetworkId;
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
        let stamp = Stamp { network: self.network, issuer: self.name.clone(), issued, lifetime: DECADE, nonce };
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
            Effect::Open(release, logged) => self.open(*release, *logged),
            Effect::Recheck(_) => {}
            // Coarse: when a log grew is not for everyone to know to the second.
            Effect::Checkpoint(checkpoint) => self.say(*checkpoint, "checkpoint", coarse(now())),
            Effect::Cosign(cosignature) => self.say(cosignature, "cosignature", now()),
            Effect::Report(report) => self.report(report),
            Effect::Members => {
                self.members.send_replace(admitted(core, &self.dialled, now()));
            }
        }
    }

    fn tell(&self, bytes: &Arc<[u8]>) {
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
        let (driver, seal) = (self.driver.clone(), self.seal.clone());
        tokio::spawn(async move {
            match seal.sign(&payload, issued) {
                Ok(bytes) => take_own(&driver, bytes, kind).await,
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

    /// Opens custody for a decided release: encrypt to the researcher, make the ciphertext durable, sign the release.
    fn open(&self, release: Release, logged: Logged) {
        let (driver, seal, custody, store) =
            (self.driver.clone(), self.seal.clone(), self.custody.clone(), self.store.clone());
        tokio::spawn(async move {
            let task = release.task();
            let sealed = tokio::task::spawn_blocking(move || -> Result<Vec<u8>, anyhow::Error> {
                let recipient = seal::parse_recipient(release.recipient())?;
                let delivery = custody.release(&release)?;
                let mut ciphertext = Vec::new();
                seal::seal(&[recipient], delivery.to_bytes().as_slice(), &mut ciphertext)?;
                let digest = store.put(&ciphertext)?;
                seal.sign(&release.statement(logged, digest, ciphertext.len() as u64), now())
            });
            match sealed.await {
                Ok(Ok(bytes)) => take_own(&driver, bytes, "release").await,
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

async fn take_own(driver: &Handle, bytes: Vec<u8>, kind: &'static str) {
    match driver.take(bytes).await {
        Ok(_) | Err(TakeError::Stopped) => {}
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
