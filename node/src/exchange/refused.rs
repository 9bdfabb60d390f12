//! What came to nothing lately, so that it is not asked for, or pushed, again and again.

use crate::network::PeerKey;
use protocol::wire::id::StatementId;
use std::collections::{HashSet, VecDeque};

/// How many are remembered; the oldest are tried again.
const REMEMBERED: usize = 65_536;

/// Statements that members hold and this node does not take, and those that a member was told of and that it need not be told again.
#[derive(Debug, Default)]
pub(super) struct Refused {
    here: Memory<StatementId>,
    there: Memory<(PeerKey, StatementId)>,
}

#[derive(Debug)]
struct Memory<T> {
    all: HashSet<T>,
    order: VecDeque<T>,
}

impl<T> Default for Memory<T> {
    fn default() -> Self {
        Self { all: HashSet::new(), order: VecDeque::new() }
    }
}

impl<T: Copy + Eq + std::hash::Hash> Memory<T> {
    fn keep(&mut self, one: T) {
        if self.all.insert(one) {
            self.order.push_back(one);
        }
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.all.remove(&oldest);
        }
    }
}

impl Refused {
    /// Whether this node did not take it when it was brought last.
    pub(super) fn is_refused_here(&self, id: &StatementId) -> bool {
        self.here.all.contains(id)
    }

    /// It was brought, or should have been, and is not held here.
    pub(super) fn refused_here(&mut self, id: StatementId) {
        self.here.keep(id);
    }

    /// Somebody was enrolled, or something revoked: what was not believed may be believed now.
    pub(super) fn believe_again(&mut self) {
        self.here = Memory::default();
    }

    /// Whether the member was told before.
    pub(super) fn was_told(&self, peer: PeerKey, id: &StatementId) -> bool {
        self.there.all.contains(&(peer, *id))
    }

    /// The member has answered.
    pub(super) fn told(&mut self, peer: PeerKey, id: StatementId) {
        self.there.keep((peer, id));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_is_forgotten_and_nothing_else() {
        let mut refused = Refused::default();
        let id = |number: usize| StatementId::of(&number.to_be_bytes());
        for number in 0..=REMEMBERED {
            refused.refused_here(id(number));
            refused.refused_here(id(number));
            refused.told([1; 32], id(number));
        }
        assert!(!refused.is_refused_here(&id(0)) && refused.is_refused_here(&id(1)));
        assert!(!refused.was_told([1; 32], &id(0)) && refused.was_told([1; 32], &id(REMEMBERED)));
        assert!(!refused.was_told([2; 32], &id(1)), "another member was not told");
        refused.believe_again();
        assert!(!refused.is_refused_here(&id(1)) && refused.was_told([1; 32], &id(1)));
    }
}
