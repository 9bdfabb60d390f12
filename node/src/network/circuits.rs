//! Circuits through a hub: what a hub forwards for members, and how an address names the way through it.
//!
//! A hub copies bytes. Noise runs between the two ends, so that it reads nothing and can change nothing without ending the circuit.

use libp2p::core::ConnectedPoint;
use libp2p::multiaddr::Protocol;
use libp2p::{Multiaddr, PeerId, relay};
use std::num::NonZeroU32;
use std::time::Duration;

/// Circuits of one hub at once.
pub(super) const CIRCUITS: usize = 256;

/// Circuits that one member may have opened at one hub at once.
const CIRCUITS_EACH: usize = 16;

/// Reservations of one hub: every member that it can hold (`behaviour::INCOMING`), and as many that come again before the hub misses them.
const RESERVATIONS: usize = 4_800;

/// How long a reservation lasts unless it is renewed, which happens by itself.
const RESERVED: Duration = Duration::from_secs(3_600);

/// A circuit's longest life: a gibibyte at one megabit a second, and more than half of that again.
const LONGEST: Duration = Duration::from_secs(4 * 3_600);

/// The most bytes of one circuit, both directions together: the largest result (1 GiB), four times.
const MOST_BYTES: u64 = 4 * 1024 * 1024 * 1024;

/// A member may ask for so many reservations, or circuits, at once, and for one more each second after that.
const BURST: NonZeroU32 = NonZeroU32::new(120).expect("120 is not 0");

/// What a hub forwards. Who is no member has no connection on which to ask.
pub(super) fn forwarding(own: PeerId) -> relay::Behaviour {
    let nothing: Vec<Box<dyn relay::RateLimiter>> = Vec::new();
    // The defaults count by address too, which would make one hospital of all the nodes behind its firewall.
    let settings = relay::Config {
        max_reservations: RESERVATIONS,
        max_reservations_per_peer: 2,
        reservation_duration: RESERVED,
        reservation_rate_limiters: Vec::new(),
        max_circuits: CIRCUITS,
        max_circuits_per_peer: CIRCUITS_EACH - 1,
        max_circuit_duration: LONGEST,
        max_circuit_bytes: MOST_BYTES,
        circuit_src_rate_limiters: nothing,
    };
    let settings = settings
        .reservation_rate_per_peer(BURST, Duration::from_secs(1))
        .circuit_src_per_peer(BURST, Duration::from_secs(1));
    let mut forwarding = relay::Behaviour::new(own, settings);
    // A hub listens where its operator says; nobody else has to confirm that.
    forwarding.set_status(Some(relay::Status::Enable));
    forwarding
}

/// The hub that an address leads through; none where it leads straight to the peer.
pub(super) fn hub_in(address: &Multiaddr) -> Option<PeerId> {
    let mut last = None;
    for part in address {
        match part {
            Protocol::P2p(peer) => last = Some(peer),
            Protocol::P2pCircuit => return last,
            _ => {}
        }
    }
    None
}

/// The address of `peer` through the hub at `hub`, which says whom it reaches or not.
pub(super) fn through(hub: Multiaddr, id: PeerId, peer: PeerId) -> Multiaddr {
    place(hub, id).with(Protocol::P2p(peer))
}

/// Where a node listens through the hub at `hub`.
pub(super) fn place(hub: Multiaddr, id: PeerId) -> Multiaddr {
    let hub = if super::peer::id_in(&hub).is_some() { hub } else { hub.with(Protocol::P2p(id)) };
    hub.with(Protocol::P2pCircuit)
}

/// Where the other side of a connection is, as this side sees it.
pub(super) fn address_of(point: &ConnectedPoint) -> Multiaddr {
    match point {
        // Of who comes through a hub, only the name is told; the way stands in our own address.
        ConnectedPoint::Listener { local_addr, send_back_addr } if point.is_relayed() => {
            send_back_addr.iter().fold(local_addr.clone(), Multiaddr::with)
        }
        point => point.get_remote_address().clone(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
mod tests {
    use super::*;

    #[test]
    fn an_address_names_the_hub_that_it_leads_through() {
        let (hub, tre) = (PeerId::random(), PeerId::random());
        let plain: Multiaddr = "/dns4/hub.example.org/tcp/4001".parse().unwrap();
        let named = plain.clone().with(Protocol::P2p(hub));
        for start in [plain.clone(), named.clone()] {
            let way = through(start, hub, tre);
            assert_eq!(way.to_string(), format!("{named}/p2p-circuit/p2p/{tre}"));
            assert_eq!(hub_in(&way), Some(hub));
        }
        assert_eq!(hub_in(&named), None);
        assert_eq!(hub_in(&plain), None);
        let relayed = ConnectedPoint::Listener {
            local_addr: place(plain, hub),
            send_back_addr: Multiaddr::empty().with(Protocol::P2p(tre)),
        };
        assert_eq!(address_of(&relayed), through(named, hub, tre));
    }
}
