//! Who may connect at all: an allow-list that follows the roster. A stranger is refused after Noise has named it, before any protocol runs.

use super::peer::{PeerKey, id_of};
use libp2p::PeerId;
use libp2p::allow_block_list::{AllowedPeers, Behaviour};
use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

/// Who may connect at all: the peer keys of the roster's members.
pub type Members = Arc<BTreeSet<PeerKey>>;

/// The allow-list.
pub(super) type Admission = Behaviour<AllowedPeers>;

/// Allows exactly `members`; connections of those who are none any more close at once.
pub(super) fn follow(admission: &mut Admission, members: &BTreeSet<PeerKey>) {
    let members: HashSet<PeerId> = members.iter().filter_map(id_of).collect();
    let removed: Vec<PeerId> = admission.allowed_peers().difference(&members).copied().collect();
    for peer in removed {
        admission.disallow_peer(peer);
    }
    for peer in members {
        admission.allow_peer(peer);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
mod tests {
    use super::*;
    use crate::network::peer::{key_of, keypair};
    use zeroize::Zeroizing;

    #[test]
    fn the_list_is_exactly_the_members() {
        let key = |seed: u8| {
            let pair = keypair(Zeroizing::new([seed; 32]));
            key_of(&pair.public().to_peer_id()).unwrap()
        };
        let allowed = |admission: &Admission| -> BTreeSet<PeerKey> {
            admission.allowed_peers().iter().filter_map(key_of).collect()
        };
        let mut admission = Admission::default();
        for members in [vec![key(1), key(2)], vec![key(2), key(3)], vec![]] {
            let members: BTreeSet<PeerKey> = members.into_iter().collect();
            follow(&mut admission, &members);
            assert_eq!(allowed(&admission), members);
        }
    }
}
