//! What a node has seen of the logs of others: the newest checkpoint that extends all before it, and the proof when one told two stories.

use crate::ingress::Verified;
use crate::log::tree::extends;
use crate::record::checkpoint::Checkpoint;
use crate::wire::id::{Digest, StatementId};
use std::collections::BTreeMap;

/// Two signed checkpoints of one TRE that cannot both be true: a portable proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fork {
    /// One.
    pub first: StatementId,
    /// The other.
    pub second: StatementId,
}

/// Whether two checkpoints of one TRE contradict each other: of the same epoch, they describe the same number of leaves differently, both
/// follow the same checkpoint, or one says that it follows the other and its own proof does not. Each is proof enough by itself.
#[must_use]
pub fn fork(first: &Verified<Checkpoint>, second: &Verified<Checkpoint>) -> Option<Fork> {
    let (one, other) = (first.payload(), second.payload());
    let same_log = one.tre == other.tre && one.epoch == other.epoch && first.id() != second.id();
    let breaks = |next: &Checkpoint, before: &Verified<Checkpoint>| {
        next.previous == Some(before.id()) && !extends(next, before.payload())
    };
    let two_stories = (one.size == other.size && one.root != other.root)
        || one.previous == other.previous
        || breaks(one, second)
        || breaks(other, first);
    (same_log && two_stories).then(|| Fork { first: first.id(), second: second.id() })
}

/// One log of another TRE.
#[derive(Clone, Debug, Default)]
struct Seen {
    head: Option<Verified<Checkpoint>>,
    /// Checkpoints whose predecessor has not arrived, by what they follow.
    waiting: BTreeMap<(u64, Option<StatementId>), Verified<Checkpoint>>,
    by_size: BTreeMap<(u64, u64), (Digest, StatementId)>,
    by_previous: BTreeMap<(u64, Option<StatementId>), StatementId>,
    fork: Option<Fork>,
}

/// The logs of every TRE but the own.
#[derive(Clone, Debug, Default)]
pub struct Witness {
    logs: BTreeMap<String, Seen>,
}

impl Witness {
    /// Takes a checkpoint. It is accepted once everything before it has been, and it extends that; `recovered` says whether one may begin an
    /// epoch of this TRE's log although another was lost.
    pub fn take(
        &mut self,
        checkpoint: &Verified<Checkpoint>,
        recovered: impl Fn(&Verified<Checkpoint>, &Checkpoint) -> bool,
    ) {
        let said = checkpoint.payload();
        let seen = self.logs.entry(said.tre.clone()).or_default();
        let other_size = seen.by_size.get(&(said.epoch, said.size)).filter(|(root, _)| *root != said.root);
        let other_next = seen.by_previous.get(&(said.epoch, said.previous)).filter(|id| **id != checkpoint.id());
        if let Some(other) = other_size.map(|(_, id)| id).or(other_next) {
            seen.fork.get_or_insert(Fork { first: *other, second: checkpoint.id() });
        }
        seen.by_size.entry((said.epoch, said.size)).or_insert((said.root, checkpoint.id()));
        seen.by_previous.entry((said.epoch, said.previous)).or_insert(checkpoint.id());
        seen.waiting.entry((said.epoch, said.previous)).or_insert_with(|| checkpoint.clone());
        seen.advance(recovered);
    }

    /// Tries again what waited, because a recovery was signed.
    pub fn recovered(&mut self, tre: &str, recovered: impl Fn(&Verified<Checkpoint>, &Checkpoint) -> bool) {
        if let Some(seen) = self.logs.get_mut(tre) {
            seen.advance(recovered);
        }
    }

    /// The newest accepted checkpoint of a TRE; none once it has told two stories.
    #[must_use]
    pub fn head(&self, tre: &str) -> Option<&Verified<Checkpoint>> {
        self.logs.get(tre).filter(|seen| seen.fork.is_none())?.head.as_ref()
    }

    /// The newest accepted checkpoint of every TRE that has told one story.
    pub fn heads(&self) -> impl Iterator<Item = &Verified<Checkpoint>> {
        self.logs.values().filter(|seen| seen.fork.is_none()).filter_map(|seen| seen.head.as_ref())
    }

    /// The TREs that have told two stories, and the proof.
    pub fn forks(&self) -> impl Iterator<Item = (&str, Fork)> {
        self.logs.iter().filter_map(|(tre, seen)| Some((tre.as_str(), seen.fork?)))
    }
}

impl Seen {
    fn advance(&mut self, recovered: impl Fn(&Verified<Checkpoint>, &Checkpoint) -> bool) {
        loop {
            let Some(head) = &self.head else {
                match self.waiting.remove(&(0, None)) {
                    Some(first) => self.head = Some(first),
                    None => return,
                }
                continue;
            };
            let epoch = head.payload().epoch;
            if let Some(next) = self.waiting.remove(&(epoch, Some(head.id()))) {
                if extends(next.payload(), head.payload()) {
                    self.head = Some(next);
                    continue;
                }
                self.fork.get_or_insert(Fork { first: head.id(), second: next.id() });
            }
            let begins = (epoch.saturating_add(1), None);
            if !self.waiting.get(&begins).is_some_and(|next| recovered(head, next.payload())) {
                return;
            }
            self.head = self.waiting.remove(&begins);
        }
    }
}
