//! A peer's Ed25519 key, as the roster holds it and as libp2p names it.

use libp2p::identity::{Keypair, PublicKey, ed25519};
use libp2p::multiaddr::Protocol;
use libp2p::{Multiaddr, PeerId};
use zeroize::Zeroizing;

/// A member's libp2p public key: Ed25519 (RFC 8032), 32 bytes.
pub type PeerKey = [u8; 32];

/// The key pair that Noise authenticates with, from its 32-byte seed (RFC 8032 section 5.1.5).
pub(super) fn keypair(mut seed: Zeroizing<[u8; 32]>) -> Keypair {
    Keypair::ed25519_from_bytes(seed.as_mut_slice()).expect("every 32 bytes are a seed of an Ed25519 key")
}

/// libp2p's name of `key`, or `None` where the bytes are no point of the curve.
pub(super) fn id_of(key: &PeerKey) -> Option<PeerId> {
    let key = ed25519::PublicKey::try_from_bytes(key).ok()?;
    Some(PublicKey::from(key).to_peer_id())
}

/// The key that `peer` names, or `None` where it names no Ed25519 key.
pub(super) fn key_of(peer: &PeerId) -> Option<PeerKey> {
    // an Ed25519 key is short enough to stand in its name unhashed (libp2p peer-ids, identity multihash)
    let key = PublicKey::try_decode_protobuf(peer.as_ref().digest()).ok()?;
    Some(key.try_into_ed25519().ok()?.to_bytes())
}

/// The peer that stands at the end of an address with `/p2p/`.
pub(super) fn id_in(address: &Multiaddr) -> Option<PeerId> {
    match address.iter().last() {
        Some(Protocol::P2p(peer)) => Some(peer),
        _ => None,
    }
}

/// The peer that an address ending in `/p2p/…` names, or `None` where it names none with an Ed25519 key.
#[must_use]
pub fn peer_of_address(address: &Multiaddr) -> Option<PeerKey> {
    key_of(&id_in(address)?)
}

/// `address` with the peer's name at its end, as others dial it; `None` where `key` is no Ed25519 key.
#[must_use]
pub fn address_with_peer(address: Multiaddr, key: &PeerKey) -> Option<Multiaddr> {
    if id_in(&address).is_some() {
        return Some(address);
    }
    Some(address.with(Protocol::P2p(id_of(key)?)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
mod tests {
    use super::*;

    #[test]
    fn a_key_and_its_name_are_the_same() {
        let pair = keypair(Zeroizing::new([7; 32]));
        let key = pair.public().try_into_ed25519().unwrap().to_bytes();
        let id = id_of(&key).unwrap();
        assert_eq!(id, pair.public().to_peer_id());
        assert_eq!(key_of(&id), Some(key));
        let address: Multiaddr = "/ip4/127.0.0.1/tcp/4001".parse().unwrap();
        let full = address_with_peer(address, &key).unwrap();
        assert_eq!(peer_of_address(&full), Some(key));
        assert_eq!(address_with_peer(full.clone(), &key), Some(full));
    }

    #[test]
    fn names_that_are_no_key_are_refused() {
        // no point of the curve has this y
        let mut beyond = [0xff_u8; 32];
        beyond[31] = 0x7f;
        let points = (0..=255_u8).filter(|first| {
            let mut bytes = beyond;
            bytes[0] = *first;
            id_of(&bytes).is_some()
        });
        assert!(points.count() < 256, "some 32 bytes are no key");
        assert_eq!(key_of(&PeerId::random()), None);
    }
}
