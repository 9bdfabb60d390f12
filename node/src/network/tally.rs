//! How many things each peer has under way here, so that one of them cannot take everybody's room.

use libp2p::PeerId;
use std::collections::HashMap;

/// Counts by peer, below two limits.
pub(super) struct Tally {
    by_peer: HashMap<PeerId, usize>,
    total: usize,
    each: usize,
    all: usize,
}

impl Tally {
    /// At most `each` for one peer and `all` together.
    pub(super) fn new(each: usize, all: usize) -> Self {
        Self { by_peer: HashMap::new(), total: 0, each, all }
    }

    /// Counts one more for `peer`, or says no.
    pub(super) fn take(&mut self, peer: PeerId) -> bool {
        let count = self.by_peer.get(&peer).copied().unwrap_or(0);
        if count >= self.each || self.total >= self.all {
            return false;
        }
        self.by_peer.insert(peer, count + 1);
        self.total += 1;
        true
    }

    /// Counts one less for `peer`, after a [`Tally::take`] that said yes.
    pub(super) fn give_back(&mut self, peer: &PeerId) {
        if let Some(count) = self.by_peer.get_mut(peer) {
            *count -= 1;
            self.total -= 1;
            if *count == 0 {
                self.by_peer.remove(peer);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_peer_cannot_take_the_others_room() {
        let (greedy, modest) = (PeerId::random(), PeerId::random());
        let mut tally = Tally::new(2, 3);
        assert!(tally.take(greedy) && tally.take(greedy));
        assert!(!tally.take(greedy));
        assert!(tally.take(modest));
        assert!(!tally.take(modest), "the limit for all");
        tally.give_back(&greedy);
        assert!(tally.take(modest));
        tally.give_back(&greedy);
        tally.give_back(&greedy);
        assert_eq!(tally.total, 2);
    }
}
