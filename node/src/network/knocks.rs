//! How many handshakes others may begin: each costs a token of its address, a member gets it back, and without one nothing is computed.

use libp2p::core::Endpoint;
use libp2p::core::transport::PortUse;
use libp2p::multiaddr::Protocol;
use libp2p::swarm::{
    ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler, THandlerInEvent, THandlerOutEvent, ToSwarm,
    dummy,
};
use libp2p::{Multiaddr, PeerId};
use std::collections::{HashMap, HashSet};
use std::convert::Infallible;
use std::net::{IpAddr, Ipv6Addr};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use thiserror::Error;

/// What one address may begin: an institution's members may stand behind one, and come back together when a hub does.
const EACH: Pace = Pace { burst: 64, pause: Duration::from_millis(500) };

/// What all addresses from which no member has come yet may begin together, so that many addresses are no way around [`EACH`].
const UNKNOWN: Pace = Pace { burst: 128, pause: Duration::from_millis(31) };

/// Addresses that are remembered of each kind. Those that may begin all of [`EACH`] are forgotten first, and [`UNKNOWN`] lets no more than some
/// 1,200 be in between.
const ADDRESSES: usize = 4_096;

/// Bits of an IPv6 address that somebody has all addresses of (RFC 6177).
const SITE: u32 = 64;

/// So many at once, and another one after each pause.
#[derive(Clone, Copy)]
struct Pace {
    burst: u32,
    pause: Duration,
}

impl Pace {
    /// One more, where all tokens are back at `full`: when they are back after that, or nothing where none is left.
    fn take(self, full: Instant, now: Instant) -> Option<Instant> {
        let then = full.max(now) + self.pause;
        (then <= now + self.pause * self.burst).then_some(then)
    }
}

/// The address is to wait.
#[derive(Clone, Copy, Debug, Error)]
#[error("too many handshakes from this address, or from unknown ones")]
struct TooMany;

/// Who may begin a handshake. Time is an argument of what it decides.
pub(super) struct Knocks {
    /// When all tokens of an address are back.
    full: HashMap<IpAddr, Instant>,
    /// When those of all unknown ones are.
    unknown: Instant,
    /// Addresses from which a member has come.
    proven: HashSet<IpAddr>,
}

impl Knocks {
    pub(super) fn new(now: Instant) -> Self {
        Self { full: HashMap::new(), unknown: now, proven: HashSet::new() }
    }

    fn may_begin(&mut self, from: IpAddr, now: Instant) -> bool {
        let full = self.full.get(&from).copied().unwrap_or(now);
        let Some(full) = EACH.take(full, now) else { return false };
        if !self.proven.contains(&from) {
            let Some(unknown) = UNKNOWN.take(self.unknown, now) else { return false };
            self.unknown = unknown;
        }
        if self.full.len() >= ADDRESSES {
            self.full.retain(|_, full| *full > now);
        }
        self.full.insert(from, full);
        true
    }

    fn was_member(&mut self, from: IpAddr) {
        if let Some(full) = self.full.get_mut(&from) {
            *full -= EACH.pause;
        }
        if self.proven.len() < ADDRESSES && self.proven.insert(from) {
            self.unknown -= UNKNOWN.pause;
        }
    }
}

/// The address, or all of a site's; nothing for a circuit, which a hub forwards for members alone.
fn source(address: &Multiaddr) -> Option<IpAddr> {
    match address.iter().next() {
        Some(Protocol::Ip4(address)) => Some(address.into()),
        Some(Protocol::Ip6(address)) => Some(Ipv6Addr::from_bits(address.to_bits() >> SITE << SITE).into()),
        _ => None,
    }
}

/// Stands behind [`super::admission`]: what is established here is a member's.
impl NetworkBehaviour for Knocks {
    type ConnectionHandler = dummy::ConnectionHandler;
    type ToSwarm = Infallible;

    fn handle_pending_inbound_connection(
        &mut self,
        _: ConnectionId,
        _: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<(), ConnectionDenied> {
        let may = source(remote).is_none_or(|from| self.may_begin(from, Instant::now()));
        if may { Ok(()) } else { Err(ConnectionDenied::new(TooMany)) }
    }

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        if let Some(from) = source(remote) {
            self.was_member(from);
        }
        Ok(dummy::ConnectionHandler)
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(dummy::ConnectionHandler)
    }

    fn on_swarm_event(&mut self, _: FromSwarm) {}

    fn on_connection_handler_event(&mut self, _: PeerId, _: ConnectionId, never: THandlerOutEvent<Self>) {
        match never {}
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Infallible, THandlerInEvent<Self>>> {
        Poll::Pending
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
mod tests {
    use super::*;

    fn address(number: u32) -> IpAddr {
        IpAddr::from(number.to_be_bytes())
    }

    /// How many of so many knocks may begin, at `now`.
    fn begun(knocks: &mut Knocks, from: impl Iterator<Item = IpAddr>, now: Instant) -> u32 {
        from.map(|from| u32::from(knocks.may_begin(from, now))).sum()
    }

    #[test]
    fn one_address_uses_up_its_own_tokens_and_nobody_elses() {
        let now = Instant::now();
        let mut knocks = Knocks::new(now);
        assert_eq!(begun(&mut knocks, (0..1_000).map(|_| address(1)), now), EACH.burst);
        assert!(knocks.may_begin(address(2), now));
        assert_eq!(begun(&mut knocks, (0..9).map(|_| address(1)), now + EACH.pause), 1);
        assert_eq!(begun(&mut knocks, (0..1_000).map(|_| address(1)), now + EACH.pause * 999), EACH.burst);
    }

    #[test]
    fn many_addresses_leave_room_for_those_that_members_have_come_from() {
        let now = Instant::now();
        let mut knocks = Knocks::new(now);
        assert!(knocks.may_begin(address(0), now));
        knocks.was_member(address(0));
        assert_eq!(begun(&mut knocks, (1..10_000).map(address), now), UNKNOWN.burst);
        assert!(knocks.may_begin(address(0), now));
        assert!(knocks.full.len() <= ADDRESSES);
    }

    #[test]
    fn members_may_come_again_and_again() {
        let now = Instant::now();
        let mut knocks = Knocks::new(now);
        for _ in 0..1_000 {
            assert!(knocks.may_begin(address(1), now));
            knocks.was_member(address(1));
        }
        assert_eq!(begun(&mut knocks, (0..1_000).map(|_| address(1)), now), EACH.burst);
    }

    #[test]
    fn a_site_is_one_source_and_a_circuit_none() {
        let of = |address: &str| source(&address.parse().unwrap());
        assert_eq!(of("/ip6/2001:db8:1:2::3/tcp/1"), of("/ip6/2001:db8:1:2:ffff::/tcp/9"));
        assert_ne!(of("/ip6/2001:db8:1:2::3/tcp/1"), of("/ip6/2001:db8:1:3::3/tcp/1"));
        assert_ne!(of("/ip4/192.0.2.1/tcp/1"), of("/ip4/192.0.2.2/tcp/1"));
        assert_eq!(of("/p2p/12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN"), None);
    }
}
