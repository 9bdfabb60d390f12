//! What this node holds that other members may have, in the order of time, for [`crate::reconcile`]: first what says who may what, then the rest.

use super::Node;
use crate::ingress::Statement;
use crate::reconcile::{Index, Share};
use crate::record::Kind;
use crate::wire::id::StatementId;
use std::collections::{BTreeMap, BTreeSet};

/// What is known of each statement, and those that are offered.
#[derive(Clone, Debug, Default)]
pub(super) struct Shared {
    held: BTreeMap<StatementId, Held>,
    trust: Index,
    tasks: Index,
    /// Those that are offered, by when they expire: who lacks one then could not take it any more.
    expiring: BTreeSet<(u64, StatementId)>,
}

#[derive(Clone, Copy, Debug)]
struct Held {
    kind: Kind,
    issued: u64,
    expires: u64,
}

impl Shared {
    /// A statement is held here.
    pub(super) fn hold(&mut self, statement: &Statement) {
        let claims = statement.claims();
        let held = Held { kind: statement.kind(), issued: claims.issued, expires: claims.expires };
        self.held.insert(statement.id(), held);
    }

    pub(super) fn kind(&self, id: &StatementId) -> Option<Kind> {
        self.held.get(id).map(|held| held.kind)
    }

    /// Others may have what is held here.
    pub(super) fn offer(&mut self, id: &StatementId) {
        let Some(held) = self.held.get(id).copied() else { return };
        self.index(held.kind).insert(held.issued, id);
        self.expiring.insert((held.expires, *id));
    }

    /// It says nothing any more.
    pub(super) fn withdraw(&mut self, id: &StatementId) {
        let Some(held) = self.held.get(id).copied() else { return };
        self.index(held.kind).remove(held.issued, id);
        self.expiring.remove(&(held.expires, *id));
    }

    /// What nobody would take any more (as [`crate::ingress::receive`] counts) is not offered any more.
    pub(super) fn expire(&mut self, now: u64, skew: u64) {
        while let Some((expires, id)) = self.expiring.first().copied()
            && expires.saturating_add(skew) <= now
        {
            self.withdraw(&id);
        }
    }

    fn index(&mut self, kind: Kind) -> &mut Index {
        match Share::of(kind) {
            Share::Trust => &mut self.trust,
            Share::Tasks => &mut self.tasks,
        }
    }
}

impl Node {
    /// The statements of a share that are offered to other members.
    #[must_use]
    pub fn offered(&self, share: Share) -> &Index {
        match share {
            Share::Trust => &self.shared.trust,
            Share::Tasks => &self.shared.tasks,
        }
    }
}
