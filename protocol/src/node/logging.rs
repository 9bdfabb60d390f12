//! The node and the logs: what becomes a leaf of its own, when a checkpoint is due, what it cosigns, and when its own memory is behind.

use super::{Effect, Node, Step};
use crate::ingress::{Statement, Verified};
use crate::log::tree::Log;
use crate::log::witness::{Fork, Witness};
use crate::record::checkpoint::{Checkpoint, Cosignature};
use crate::record::grant::Role;
use crate::record::key_record::HolderKind;
use crate::record::recovery::Recovery;
use crate::record::release::Logged;
use crate::record::submission::TaskId;
use crate::tre::{Release, digest_of};
use crate::trust::authority::Wanted;
use crate::wire::id::{Digest, StatementId};
use std::collections::{BTreeMap, BTreeSet};

/// For how long leaves may stand in the log before a checkpoint covers them, in seconds; what a release waits for is covered at once.
const CHECKPOINT_SECONDS: u64 = 300;

/// How many cosignatures of a checkpoint are enough: a node that knows so many adds none.
const COSIGNATURES: usize = 3;

/// The most statements of one kind that a release can name (`record::release`).
const NAMED: usize = 32;

/// What a node knows of logs: its own, if it is a TRE, and those of others.
#[derive(Clone, Debug, Default)]
pub(super) struct Logs {
    pub(super) own: Log,
    /// The newest checkpoint of the own log.
    head: Option<Verified<Checkpoint>>,
    epoch: u64,
    /// When the oldest leaf was added that no checkpoint covers.
    uncovered: Option<u64>,
    /// Whether the shell was asked for a checkpoint since this process began.
    signing: bool,
    /// A checkpoint of the own log that the own log does not reach: it was restored from a backup.
    behind: Option<Verified<Checkpoint>>,
    recoveries: BTreeMap<Digest, (Recovery, BTreeMap<String, StatementId>)>,
    cosignatures: BTreeMap<StatementId, BTreeMap<String, StatementId>>,
    witness: Witness,
    /// What this process has cosigned last of each TRE's log.
    cosigned: BTreeMap<String, StatementId>,
    /// Whether a member has told everything that it holds since this process began.
    caught_up: bool,
}

impl Logs {
    fn covered(&self) -> u64 {
        self.head.as_ref().map_or(0, |head| head.payload().size)
    }

    fn note_uncovered(&mut self, at: u64) {
        if self.own.len() > self.covered() {
            self.uncovered.get_or_insert(at);
        }
    }
}

impl Node {
    /// The newest checkpoint of this TRE's log, when there is one.
    #[must_use]
    pub fn checkpoint(&self) -> Option<&Verified<Checkpoint>> {
        self.logs.head.as_ref()
    }

    /// This TRE's log.
    #[must_use]
    pub fn log(&self) -> &Log {
        &self.logs.own
    }

    /// How often this TRE's log was recovered. After the first time the ledger may lack releases of the time that was lost.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.logs.epoch
    }

    /// The checkpoint that this TRE has signed and its own log does not reach: its state was restored from a backup, and it neither runs nor
    /// releases until a recovery is signed.
    #[must_use]
    pub fn behind(&self) -> Option<&Verified<Checkpoint>> {
        self.logs.behind.as_ref()
    }

    /// Whether a member has told everything that it holds since this process began. Before, a TRE with peers starts and releases nothing.
    #[must_use]
    pub fn is_caught_up(&self) -> bool {
        self.logs.caught_up
    }

    /// The TREs that have told two stories of their logs, and the proof.
    pub fn forks(&self) -> impl Iterator<Item = (&str, Fork)> {
        self.logs.witness.forks()
    }

    /// The other nodes that have cosigned a checkpoint.
    #[must_use]
    pub fn cosigners(&self, checkpoint: &StatementId) -> Vec<&str> {
        self.logs.cosignatures.get(checkpoint).into_iter().flat_map(BTreeMap::keys).map(String::as_str).collect()
    }

    /// Whether this node's memory can be relied on: it has heard from a member, where there are any, and is not behind.
    pub(super) fn remembers(&self, now: u64) -> bool {
        self.logs.behind.is_none() && (self.logs.caught_up || self.other_nodes(now).is_empty())
    }

    /// Why nothing starts or leaves though nobody has said no: a sentence for people.
    #[must_use]
    pub fn why_waiting(&self, now: u64) -> Option<&'static str> {
        if self.logs.behind.is_some() {
            Some(
                "this node was restored from a backup and lacks what it did since; let an operator and a data owner sign `quintes audit recover`",
            )
        } else if !self.remembers(now) {
            Some(
                "no other node has answered since this one started; check `quintes node health` and the addresses that it dials",
            )
        } else {
            None
        }
    }

    fn other_nodes(&self, now: u64) -> BTreeSet<String> {
        let own = self.tre.as_ref().map(|tre| tre.name.as_str());
        let nodes = self.roster.holders(now).into_iter().filter(|holder| holder.kind != HolderKind::Person);
        nodes.map(|holder| holder.name).filter(|name| Some(name.as_str()) != own).collect()
    }

    /// Adds what this TRE has decided, or was told about its own tasks, to its log.
    pub(super) fn write_log(&mut self, statement: &Statement, at: u64) {
        let here = |tre: &str| self.is_here(tre);
        let known_here = |task: &TaskId| self.tasks.get(task).is_some_and(|task| task.here().is_some());
        let belongs = match statement {
            Statement::Submission(one) => one.payload().audience.iter().any(|tre| here(tre)),
            Statement::Cancellation(one) => known_here(&one.payload().task),
            Statement::Comment(one) => here(&one.payload().tre),
            Statement::Phase(one) => here(&one.payload().tre),
            Statement::Run(one) => here(&one.payload().tre),
            Statement::Attestation(one) => here(&one.payload().tre),
            Statement::Release(one) => here(&one.payload().tre),
            Statement::StandingApproval(one) => here(&one.payload().tre),
            Statement::Recovery(one) => here(&one.payload().tre),
            Statement::Root(_)
            | Statement::KeyRecord(_)
            | Statement::Grant(_)
            | Statement::Revocation(_)
            | Statement::Status(_)
            | Statement::Project(_)
            | Statement::Checkpoint(_)
            | Statement::Cosignature(_) => false,
        };
        if belongs {
            self.logs.own.push_statement(&statement.id(), statement.kind(), at);
            self.logs.note_uncovered(at);
        }
    }

    pub(super) fn write_contributors(&mut self, digest: &Digest, at: u64) {
        self.logs.own.push_contributors(digest, at);
        self.logs.note_uncovered(at);
    }

    pub(super) fn take_checkpoint(&mut self, checkpoint: &Verified<Checkpoint>, at: u64) {
        let said = checkpoint.payload();
        if !self.is_here(&said.tre) {
            let mut witness = std::mem::take(&mut self.logs.witness);
            witness.take(checkpoint, |epoch, lost| self.has_recovery(&said.tre, epoch, lost, at));
            self.logs.witness = witness;
            return;
        }
        if said.epoch < self.logs.epoch {
            // Of a time that is known to be lost.
            return;
        }
        let follows = self.logs.head.as_ref().map(Verified::id) == said.previous;
        if said.epoch == self.logs.epoch && follows && self.logs.own.had(said.size, &said.root) {
            self.logs.uncovered = (self.logs.own.len() > said.size).then_some(at);
            self.logs.head = Some(checkpoint.clone());
            self.logs.signing = false;
            return;
        }
        let newest = |known: &Verified<Checkpoint>| (known.payload().epoch, known.payload().size);
        if self.logs.behind.as_ref().is_none_or(|known| newest(known) < newest(checkpoint)) {
            self.logs.behind = Some(checkpoint.clone());
        }
    }

    pub(super) fn take_cosignature(&mut self, cosignature: &Verified<Cosignature>) {
        let by = self.logs.cosignatures.entry(cosignature.payload().checkpoint).or_default();
        if by.len() < NAMED {
            by.entry(cosignature.signer().name.clone()).or_insert(cosignature.id());
        }
    }

    /// True when the recovery of this TRE's own log counts from now on.
    pub(super) fn take_recovery(&mut self, recovery: &Verified<Recovery>, at: u64) -> bool {
        let said = recovery.payload();
        let known = self.logs.recoveries.entry(digest_of(said)).or_insert_with(|| (said.clone(), BTreeMap::new()));
        known.1.insert(recovery.signer().name.clone(), recovery.id());
        if !self.is_here(&said.tre) {
            let mut witness = std::mem::take(&mut self.logs.witness);
            witness.recovered(&said.tre, |epoch, lost| self.has_recovery(&said.tre, epoch, lost, at));
            self.logs.witness = witness;
            return false;
        }
        let lost = self.logs.behind.as_ref().filter(|behind| {
            behind.id() == said.lost
                && said.epoch == behind.payload().epoch + 1
                && (said.size == 0 || self.logs.own.had(said.size, &said.root))
        });
        let counts = lost.is_some() && self.has_recovery(&said.tre, said.epoch, &said.lost, at);
        if counts {
            self.logs.epoch = said.epoch;
            self.logs.head = None;
            self.logs.behind = None;
            self.logs.signing = false;
            self.logs.uncovered = Some(at);
        }
        counts
    }

    /// Whether an operator and a data owner of the TRE, two persons, have signed one recovery.
    fn has_recovery(&self, tre: &str, epoch: u64, lost: &StatementId, at: u64) -> bool {
        self.logs.recoveries.values().any(|(recovery, signed)| {
            let operates = |person: &&String| {
                let wanted = Wanted { person, role: Role::Operator, project: None, tre, datasets: &[] };
                self.roster.authority(&wanted, at).is_some()
            };
            let owners: BTreeSet<&String> =
                signed.keys().filter(|person| self.roster.is_data_owner(person, tre, at)).collect();
            let two = signed.keys().filter(operates).any(|operator| owners.iter().any(|owner| *owner != operator));
            recovery.tre == tre && recovery.epoch == epoch && recovery.lost == *lost && two
        })
    }

    /// Where everything that a release rests on stands in the log, once enough other nodes have seen it there.
    pub(super) fn logged(&self, release: &Release, now: u64) -> Option<Logged> {
        let head = self.logs.head.as_ref()?;
        let size = head.payload().size;
        let inclusions: Option<Vec<_>> = release.grounds().map(|id| self.logs.own.inclusion(&id, size)).collect();
        let inclusions = inclusions?;
        let others = self.other_nodes(now);
        let by = self.logs.cosignatures.get(&head.id());
        let good = by.into_iter().flatten().filter(|(name, _)| others.contains(*name)).map(|(_, id)| *id);
        let mut cosignatures: Vec<StatementId> = good.collect();
        cosignatures.sort_unstable();
        let asked = self.tre.as_ref().map_or(0, |tre| tre.cosignatures).min(others.len() as u64);
        (cosignatures.len() as u64 >= asked).then(|| Logged { checkpoint: head.id(), cosignatures, inclusions })
    }

    /// Whether every ground of a release is covered by the newest checkpoint.
    pub(super) fn is_covered(&self, release: &Release) -> bool {
        release.grounds().all(|id| self.logs.own.holds(&id, self.logs.covered()))
    }

    /// Asks for a checkpoint where leaves have waited long enough, or a release waits for one.
    pub(super) fn checkpoint_log(&mut self, urgent: bool, now: u64, step: &mut Step) {
        let Some(tre) = self.tre.as_ref().map(|tre| tre.name.clone()) else { return };
        let due = self.logs.uncovered.is_some_and(|since| now >= since.saturating_add(CHECKPOINT_SECONDS));
        if !(urgent || due) || self.logs.signing || self.logs.own.len() <= self.logs.covered() || !self.remembers(now) {
            return;
        }
        self.logs.signing = true;
        let before = self.logs.covered();
        step.effect(Effect::Checkpoint(Box::new(Checkpoint {
            tre,
            epoch: self.logs.epoch,
            size: self.logs.own.len(),
            root: self.logs.own.root(),
            previous: self.logs.head.as_ref().map(Verified::id),
            previous_size: before,
            proof: self.logs.own.consistency(before),
        })));
    }

    /// Cosigns the newest checkpoint of a TRE, once, while there are few cosignatures of it.
    pub(super) fn cosign(&mut self, tre: &str, step: &mut Step) {
        let Some(head) = self.logs.witness.head(tre).map(Verified::id) else { return };
        let enough = self.logs.cosignatures.get(&head).is_some_and(|by| by.len() >= COSIGNATURES);
        if !enough && self.logs.cosigned.insert(tre.to_owned(), head) != Some(head) {
            step.effect(Effect::Cosign(Cosignature { tre: tre.to_owned(), checkpoint: head }));
        }
    }

    /// After a restart: what nobody has cosigned, as far as is known.
    pub(super) fn cosign_again(&mut self, step: &mut Step) {
        let heads = self.logs.witness.heads().filter(|head| !self.logs.cosignatures.contains_key(&head.id()));
        let tres: Vec<String> = heads.map(|head| head.payload().tre.clone()).collect();
        tres.iter().for_each(|tre| self.cosign(tre, step));
    }

    pub(super) fn caught_up(&mut self) {
        self.logs.caught_up = true;
    }
}
