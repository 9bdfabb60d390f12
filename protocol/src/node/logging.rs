//! The node and the logs: what becomes a leaf of its own, when a checkpoint is due, what it cosigns, and when its own memory is behind.

use super::{Effect, Node, Step};
use crate::ingress::{Statement, Verified};
use crate::log::recovery::{goes_on, is_vouched};
use crate::log::tree::Log;
use crate::log::witness::{Fork, Witness};
use crate::record::checkpoint::{Checkpoint, Cosignature};
use crate::record::key_record::HolderKind;
use crate::record::payload::DAY;
use crate::record::recovery::Recovery;
use crate::record::release::Logged;
use crate::record::standing_approval::StandingApproval;
use crate::record::submission::TaskId;
use crate::tre::{Release, coarse, digest_of};
use crate::wire::id::{Digest, StatementId};
use std::collections::{BTreeMap, BTreeSet};

/// For how long leaves may stand in the log before a checkpoint covers them, in seconds; what a release waits for is covered at once.
const CHECKPOINT_SECONDS: u64 = 300;

/// For how long a new checkpoint waits for the cosignatures of the one before, in seconds: with a new one for every decision none would ever
/// have enough, and nothing would leave a busy node.
const WITNESS_SECONDS: u64 = 30;

/// How many cosignatures of a checkpoint are enough for everybody: a node that knows so many adds none.
const COSIGNATURES: usize = 8;

/// The most statements of one kind that a release can name (`record::release`).
const NAMED: usize = 32;

/// What a node knows of logs: its own, if it is a TRE, and those of others.
#[derive(Clone, Debug, Default)]
pub(super) struct Logs {
    pub(super) own: Log,
    /// The newest checkpoint of the own log.
    head: Option<Verified<Checkpoint>>,
    /// When it was taken.
    head_at: u64,
    epoch: u64,
    /// How many leaves the recovery has kept with which this epoch began.
    kept: u64,
    /// When that was.
    recovered_at: Option<u64>,
    /// When the oldest leaf was added that no checkpoint covers.
    uncovered: Option<u64>,
    /// Whether the shell was asked for a checkpoint since this process began.
    signing: bool,
    /// A checkpoint of the own log that the own log does not reach: it was restored from a backup.
    behind: Option<Verified<Checkpoint>>,
    /// Recoveries by the digest of their payload, each with one signature of every person.
    recoveries: BTreeMap<Digest, BTreeMap<String, Verified<Recovery>>>,
    /// Cosignatures under a checkpoint of a TRE, by the node that signed.
    cosignatures: BTreeMap<(StatementId, String), BTreeMap<String, StatementId>>,
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

    /// How many leaves of this TRE's log its newest checkpoint covers or, where there is none of this epoch yet, the recovery has kept.
    #[must_use]
    pub fn covered(&self) -> u64 {
        self.logs.head.as_ref().map_or(self.logs.kept, |head| head.payload().size)
    }

    /// How many tasks each standing approval, by the digest of its payload, has released on the UTC day of `now` or is about to.
    #[must_use]
    pub fn standing_used(&self, now: u64) -> BTreeMap<Digest, u64> {
        self.used_today(now, None)
    }

    /// Every signature under a standing approval at this TRE that is remembered.
    pub fn standing(&self) -> impl Iterator<Item = &Verified<StandingApproval>> {
        self.standing.iter()
    }

    /// Tasks that this TRE went on with in a time that it has forgotten, as others remember by its own word: they are called back.
    #[must_use]
    pub fn forgotten(&self) -> Vec<TaskId> {
        let Some(tre) = &self.tre else { return Vec::new() };
        let went_on = |task: &&TaskId| {
            let known = self.tasks.get(*task);
            let here = known.and_then(|known| known.here()).map(|here| here.phase());
            known
                .and_then(|known| known.reported(&tre.name))
                .zip(here)
                .is_some_and(|(said, here)| said.rank() > here.rank())
        };
        self.active.iter().filter(went_on).copied().collect()
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

    /// The other nodes that have cosigned a checkpoint of this TRE's log.
    #[must_use]
    pub fn cosigners(&self, checkpoint: &StatementId) -> Vec<&str> {
        self.own_cosignatures(checkpoint).map(|(name, _)| name.as_str()).collect()
    }

    /// Whether this TRE went on from a backup on the UTC day of `now`: what it released earlier that day it may have forgotten.
    pub(super) fn recovered_today(&self, now: u64) -> bool {
        self.logs.recovered_at.is_some_and(|at| at / DAY == now / DAY)
    }

    fn own_cosignatures(&self, checkpoint: &StatementId) -> impl Iterator<Item = (&String, &StatementId)> + use<'_> {
        let own = self.tre.as_ref().map(|tre| (*checkpoint, tre.name.clone()));
        own.and_then(|place| self.logs.cosignatures.get(&place)).into_iter().flatten()
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
            | Statement::Dataset(_)
            | Statement::Checkpoint(_)
            | Statement::Cosignature(_) => false,
        };
        if belongs {
            // Leaves stand in releases, and what researchers can see of times is coarse.
            self.logs.own.push_statement(&statement.id(), statement.kind(), coarse(at));
            self.logs.note_uncovered(at);
        }
    }

    pub(super) fn write_contributors(&mut self, digest: &Digest, at: u64) {
        self.logs.own.push_contributors(digest, coarse(at));
        self.logs.note_uncovered(at);
    }

    pub(super) fn take_checkpoint(&mut self, checkpoint: &Verified<Checkpoint>, at: u64) {
        let said = checkpoint.payload();
        if !self.is_here(&said.tre) {
            let mut witness = std::mem::take(&mut self.logs.witness);
            witness.take(checkpoint, |lost, next| self.is_recovered(lost, next));
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
            self.logs.own.cover(said.size);
            self.logs.head = Some(checkpoint.clone());
            self.logs.head_at = at;
            self.logs.signing = false;
            return;
        }
        let newest = |known: &Verified<Checkpoint>| (known.payload().epoch, known.payload().size);
        if self.logs.behind.as_ref().is_none_or(|known| newest(known) < newest(checkpoint)) {
            self.logs.behind = Some(checkpoint.clone());
        }
    }

    /// Whether a checkpoint of the own log would be a fork to everybody else, so that it goes no further: it says again what the newest one
    /// covers, because the effect that asks for one may be performed twice; or it was asked for just before this node learned what it has lost.
    pub(super) fn repeats(&self, said: &Checkpoint) -> bool {
        self.is_here(&said.tre)
            && said.epoch == self.logs.epoch
            && (said.size <= self.logs.covered() || self.logs.behind.is_some())
            && self.logs.own.had(said.size, &said.root)
    }

    pub(super) fn take_cosignature(&mut self, cosignature: &Verified<Cosignature>) {
        let said = cosignature.payload();
        let by = self.logs.cosignatures.entry((said.checkpoint, said.tre.clone())).or_default();
        if by.len() < NAMED {
            by.entry(cosignature.signer().name.clone()).or_insert(cosignature.id());
        }
    }

    /// Takes a signature under a recovery. Of the own log only one that names what this node knows to be lost is kept: a recovery that was
    /// signed for an earlier loss, or for none, never counts later.
    pub(super) fn take_recovery(&mut self, recovery: &Verified<Recovery>, at: u64) {
        let said = recovery.payload();
        let own = self.is_here(&said.tre);
        if own && self.logs.behind.as_ref().map(Verified::id) != Some(said.lost) {
            return;
        }
        let signed = self.logs.recoveries.entry(digest_of(said)).or_default();
        signed.entry(recovery.signer().name.clone()).or_insert_with(|| recovery.clone());
        self.weigh_recoveries(at);
    }

    /// Looks at every recovery again, because a signature or somebody's role has become known.
    pub(super) fn weigh_recoveries(&mut self, at: u64) {
        if self.logs.recoveries.is_empty() {
            return;
        }
        let mut witness = std::mem::take(&mut self.logs.witness);
        let others: BTreeSet<&String> =
            self.logs.recoveries.values().flat_map(BTreeMap::values).map(|signed| &signed.payload().tre).collect();
        others.into_iter().for_each(|tre| witness.recovered(tre, |lost, next| self.is_recovered(lost, next)));
        self.logs.witness = witness;
        let Some((epoch, kept)) = self.own_recovery(at) else { return };
        self.logs.epoch = epoch;
        self.logs.kept = kept;
        self.logs.recovered_at = Some(at);
        self.logs.head = None;
        self.logs.behind = None;
        self.logs.signing = false;
        self.logs.uncovered = Some(at);
    }

    /// The epoch that a recovery of the own log begins, and how many leaves it keeps: an operator and a data owner whom this TRE names stand
    /// behind it now, and the own log has what it keeps.
    fn own_recovery(&self, at: u64) -> Option<(u64, u64)> {
        let (tre, behind) = (self.tre.as_ref()?, self.logs.behind.as_ref()?);
        self.logs.recoveries.values().find_map(|signed| {
            let said = signed.values().next()?.payload();
            let right = said.tre == tre.name
                && said.lost == behind.id()
                && behind.payload().epoch.checked_add(1) == Some(said.epoch)
                && (said.size == 0 || self.logs.own.had(said.size, &said.root));
            // The owner must be one whom this TRE's own configuration names.
            let stranger =
                |person: &String| !tre.data_owners.contains(person) && self.roster.is_data_owner(person, &tre.name, at);
            let signed = signed.iter().filter(|(person, _)| !stranger(person)).map(|(_, one)| one);
            (right && is_vouched(&self.roster, signed, |_| at)).then_some((said.epoch, said.size))
        })
    }

    /// Whether the first checkpoint of an epoch of another TRE's log may follow the one that was lost.
    fn is_recovered(&self, lost: &Verified<Checkpoint>, next: &Checkpoint) -> bool {
        self.logs.recoveries.values().any(|signed| {
            let said = signed.values().next().map(Verified::payload);
            said.is_some_and(|said| goes_on(said, lost, next))
                && is_vouched(&self.roster, signed.values(), |signature| signature.claims().issued)
        })
    }

    /// The cosignatures of other nodes under the newest checkpoint, ascending, once there are enough.
    fn witnessed(&self, now: u64) -> Option<Vec<StatementId>> {
        let head = self.logs.head.as_ref()?;
        let others = self.other_nodes(now);
        let good = self.own_cosignatures(&head.id()).filter(|(name, _)| others.contains(*name));
        let mut cosignatures: Vec<StatementId> = good.map(|(_, id)| *id).collect();
        cosignatures.sort_unstable();
        let asked = self.tre.as_ref().map_or(0, |tre| tre.cosignatures).min(others.len() as u64);
        (cosignatures.len() as u64 >= asked).then_some(cosignatures)
    }

    /// Where everything that a release rests on stands in the log, once enough other nodes have seen it there.
    pub(super) fn logged(&self, release: &Release, now: u64) -> Option<Logged> {
        let head = self.logs.head.as_ref()?;
        if !self.is_covered(release) {
            return None;
        }
        let cosignatures = self.witnessed(now)?;
        let size = head.payload().size;
        let inclusions: Option<Vec<_>> = release.grounds().map(|id| self.logs.own.inclusion(&id, size)).collect();
        Some(Logged { checkpoint: head.id(), cosignatures, inclusions: inclusions? })
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
        let recent = now < self.logs.head_at.saturating_add(WITNESS_SECONDS);
        if self.logs.head.is_some() && recent && self.witnessed(now).is_none() {
            return;
        }
        self.logs.signing = true;
        let before = if self.logs.head.is_some() { self.logs.covered() } else { self.logs.kept };
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

    /// Cosigns the newest checkpoint of a TRE, once, while there are few cosignatures of nodes that are members.
    pub(super) fn cosign(&mut self, tre: &str, now: u64, step: &mut Step) {
        let Some(head) = self.logs.witness.head(tre).map(Verified::id) else { return };
        if self.logs.cosigned.get(tre) == Some(&head) {
            return;
        }
        let others = self.other_nodes(now);
        let by = self.logs.cosignatures.get(&(head, tre.to_owned()));
        let good = by.into_iter().flat_map(BTreeMap::keys).filter(|name| others.contains(*name)).count();
        let own = self.tre.as_ref().is_some_and(|own| by.is_some_and(|by| by.contains_key(&own.name)));
        if good < COSIGNATURES && !own {
            self.logs.cosigned.insert(tre.to_owned(), head);
            step.effect(Effect::Cosign(Cosignature { tre: tre.to_owned(), checkpoint: head }));
        }
    }

    /// After a restart, or when a role has become known: what this node has not cosigned yet.
    pub(super) fn cosign_again(&mut self, now: u64, step: &mut Step) {
        let tres: Vec<String> = self.logs.witness.heads().map(|head| head.payload().tre.clone()).collect();
        tres.iter().for_each(|tre| self.cosign(tre, now, step));
    }

    pub(super) fn caught_up(&mut self) {
        self.logs.caught_up = true;
    }
}
