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

/// Whether two checkpoints of one TRE contradict each other: of the same epoch, they describe the same number of leaves differently, or
/// both follow the same checkpoint. Either is proof enough by itself.
#[must_use]
pub fn fork(first: &Verified<Checkpoint>, second: &Verified<Checkpoint>) -> Option<Fork> {
    let (one, other) = (first.payload(), second.payload());
    let same_log = one.tre == other.tre && one.epoch == other.epoch && first.id() != second.id();
    let two_stories = (one.size == other.size && one.root != other.root) || one.previous == other.previous;
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
    /// Takes a checkpoint. It is accepted once everything before it has been, and it extends that; `recovered` says whether an epoch of this
    /// TRE's log may begin although a checkpoint was lost.
    pub fn take(&mut self, checkpoint: &Verified<Checkpoint>, recovered: impl Fn(u64, &StatementId) -> bool) {
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
    pub fn recovered(&mut self, tre: &str, recovered: impl Fn(u64, &StatementId) -> bool) {
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
    fn advance(&mut self, recovered: impl Fn(u64, &StatementId) -> bool) {
        loop {
            let next = match &self.head {
                None => self.waiting.remove(&(0, None)),
                Some(head) => {
                    let (epoch, id) = (head.payload().epoch, head.id());
                    let following = self.waiting.remove(&(epoch, Some(id)));
                    let following = following.filter(|next| extends(next.payload(), head.payload()));
                    following.or_else(|| {
                        recovered(epoch + 1, &id).then(|| self.waiting.remove(&(epoch + 1, None))).flatten()
                    })
                }
            };
            match next {
                Some(next) => self.head = Some(next),
                None => return,
            }
        }
    }
}
