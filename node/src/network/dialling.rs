//! When to dial whom: the configured peers, for ever, with growing pauses.

use libp2p::{Multiaddr, PeerId};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::peer;

/// The pause after the first failure.
const FIRST: Duration = Duration::from_millis(250);

/// The longest pause: a hub that returns is found again within this.
const LONGEST: Duration = Duration::from_secs(30);

/// The peers that this node keeps a connection to. Time and randomness are arguments.
pub(super) struct Dialling(BTreeMap<PeerId, Target>);

struct Target {
    addresses: Vec<Multiaddr>,
    failures: u32,
    state: State,
    /// What went wrong the last time, for a person.
    trouble: Option<String>,
}

enum State {
    /// To be dialled at this time.
    Due(Instant),
    /// Being dialled, or connected.
    Busy,
    /// Not a member: only a change of membership wakes it.
    Stranger,
}

impl Dialling {
    /// All `addresses` due at `now`; those of one peer are tried together. This node itself is left out.
    ///
    /// # Errors
    /// The first address that does not end in `/p2p/` and a peer.
    pub(super) fn new(addresses: &[Multiaddr], own: &PeerId, now: Instant) -> Result<Self, Multiaddr> {
        let mut targets: BTreeMap<PeerId, Target> = BTreeMap::new();
        for address in addresses {
            let peer = peer::id_in(address).ok_or_else(|| address.clone())?;
            if peer == *own {
                continue;
            }
            let target = targets.entry(peer).or_insert_with(|| Target {
                addresses: Vec::new(),
                failures: 0,
                state: State::Due(now),
                trouble: None,
            });
            if !target.addresses.contains(address) {
                target.addresses.push(address.clone());
            }
        }
        Ok(Self(targets))
    }

    /// Whom this node keeps a connection to.
    pub(super) fn peers(&self) -> impl Iterator<Item = &PeerId> {
        self.0.keys()
    }

    /// Where the settings say that `peer` is; nothing where they do not name it.
    pub(super) fn addresses(&self, peer: &PeerId) -> &[Multiaddr] {
        self.0.get(peer).map_or(&[], |target| &target.addresses)
    }

    /// What went wrong with `peer` the last time.
    pub(super) fn trouble(&self, peer: &PeerId) -> Option<&str> {
        self.0.get(peer)?.trouble.as_deref()
    }

    /// Keeps what went wrong with `peer`.
    pub(super) fn troubled(&mut self, peer: &PeerId, why: String) {
        if let Some(target) = self.0.get_mut(peer) {
            target.trouble = Some(why);
        }
    }

    /// When the next peer is due.
    pub(super) fn next(&self) -> Option<Instant> {
        let due = |target: &Target| match target.state {
            State::Due(at) => Some(at),
            State::Busy | State::Stranger => None,
        };
        self.0.values().filter_map(due).min()
    }

    /// The peers due at `now` that are members, with their addresses; from here on they are being dialled.
    pub(super) fn take_due(
        &mut self,
        now: Instant,
        is_member: impl Fn(&PeerId) -> bool,
    ) -> Vec<(PeerId, Vec<Multiaddr>)> {
        let mut due = Vec::new();
        for (peer, target) in &mut self.0 {
            if !matches!(target.state, State::Due(at) if at <= now) {
                continue;
            }
            if is_member(peer) {
                target.state = State::Busy;
                due.push((*peer, target.addresses.clone()));
            } else {
                tracing::warn!(
                    %peer,
                    "not dialled: the peer is no member as far as is known here; bring newer statements with `quintes network import`"
                );
                target.state = State::Stranger;
                target.trouble = Some("it is no member as far as is known here".to_owned());
            }
        }
        due
    }

    /// `peer` is connected, by whoever dialled.
    pub(super) fn connected(&mut self, peer: &PeerId) {
        if let Some(target) = self.0.get_mut(peer) {
            target.state = State::Busy;
        }
    }

    /// `peer` has admitted us: the next failure is a first one again.
    pub(super) fn settled(&mut self, peer: &PeerId) {
        if let Some(target) = self.0.get_mut(peer) {
            target.failures = 0;
            target.trouble = None;
        }
    }

    /// `peer` could not be reached, or was lost. The pause is drawn from the upper half of its range by `chance`,
    /// so that the spokes of a returning hub do not all come at once.
    pub(super) fn lost(&mut self, peer: &PeerId, now: Instant, chance: u64) {
        if let Some(target) = self.0.get_mut(peer) {
            target.state = State::Due(now + pause(target.failures, chance));
            target.failures = target.failures.saturating_add(1);
        }
    }

    /// Membership has changed: everyone who waits is tried at once.
    pub(super) fn membership_changed(&mut self, now: Instant) {
        for target in self.0.values_mut() {
            if !matches!(target.state, State::Busy) {
                target.failures = 0;
                target.state = State::Due(now);
            }
        }
    }
}

/// The pause after `failures` earlier failures: doubling up to [`LONGEST`], and between half and all of that.
pub(super) fn pause(failures: u32, chance: u64) -> Duration {
    let full = FIRST.saturating_mul(2_u32.saturating_pow(failures.min(16))).min(LONGEST);
    let half = full / 2;
    let range = u64::try_from(half.as_millis()).unwrap_or(u64::MAX).saturating_add(1);
    half + Duration::from_millis(chance % range)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
mod tests {
    use super::*;

    fn somebody() -> (PeerId, Multiaddr) {
        let peer = PeerId::random();
        let address = format!("/ip4/192.0.2.1/tcp/1/p2p/{peer}");
        (peer, address.parse().unwrap())
    }

    #[test]
    fn pauses_grow_to_the_longest_and_stay_between_half_and_all_of_it() {
        let mut before = Duration::ZERO;
        for failures in 0..40 {
            let (low, high) = (pause(failures, 0), pause(failures, u64::MAX - 1));
            assert!(low >= FIRST / 2 && high <= LONGEST && low <= high);
            assert!(low >= before);
            before = low;
        }
        assert_eq!(before, LONGEST / 2);
    }

    #[test]
    fn a_stranger_waits_for_membership_and_a_member_for_its_pause() {
        let now = Instant::now();
        let (peer, address) = somebody();
        let mut dialling = Dialling::new(&[address.clone(), address], &PeerId::random(), now).unwrap();
        assert!(dialling.take_due(now, |_| false).is_empty());
        assert_eq!(dialling.next(), None);
        dialling.membership_changed(now);
        let due = dialling.take_due(now, |_| true);
        assert_eq!(due.len(), 1);
        assert_eq!(due[0].1.len(), 1, "the same address twice is one address");
        assert_eq!(dialling.next(), None);
        dialling.lost(&peer, now, 0);
        assert_eq!(dialling.next(), Some(now + FIRST / 2));
        dialling.lost(&peer, now, 0);
        assert_eq!(dialling.next(), Some(now + FIRST));
        dialling.connected(&peer);
        dialling.settled(&peer);
        dialling.membership_changed(now);
        assert_eq!(dialling.next(), None, "who is connected is left alone");
        dialling.lost(&peer, now, 0);
        assert_eq!(dialling.next(), Some(now + FIRST / 2));
    }

    #[test]
    fn an_address_without_a_peer_is_refused_and_this_node_is_left_out() {
        let nobody: Multiaddr = "/ip4/192.0.2.1/tcp/1".parse().unwrap();
        let own = PeerId::random();
        let refused = Dialling::new(std::slice::from_ref(&nobody), &own, Instant::now());
        assert_eq!(refused.err(), Some(nobody));
        let (peer, address) = somebody();
        let alone = Dialling::new(&[address], &peer, Instant::now()).unwrap();
        assert_eq!(alone.next(), None);
    }
}
