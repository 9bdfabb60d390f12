//! When to go round with whom: with each hub that was dialled, soon after something was said until a member holds it, and every five minutes.

use crate::network::{PeerKey, Role};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// Between two rounds when nothing happens; drawn from the fifth below to the fifth above.
const PAUSE: Duration = Duration::from_secs(300);

/// From something that was said to the first round; gossip has usually spread it by then, and the round sees that. Doubles up to [`PAUSE`].
const FIRST: Duration = Duration::from_secs(2);

/// Rounds of this node's own under way at once.
const AT_ONCE: usize = 4;

/// The rota. Time and randomness are arguments.
///
/// What was said and not yet spread stands in the journal and nowhere else. So a node that begins behaves like one that has just spoken.
pub(crate) struct Rounds {
    members: BTreeMap<PeerKey, Role>,
    /// Members that were dialled: a round with each is due at once. Whoever is dialled leaves the round to the other.
    greeted: BTreeSet<PeerKey>,
    under_way: BTreeMap<PeerKey, Instant>,
    /// Whose turn it was last.
    last: Option<PeerKey>,
    created: Instant,
    due: Instant,
    unheard: Option<Unheard>,
}

/// Something was said, and no member is known to hold it.
#[derive(Clone, Copy)]
struct Unheard {
    since: Instant,
    tries: u32,
    due: Instant,
}

impl Rounds {
    /// Nobody is connected yet.
    pub(crate) fn new(now: Instant, chance: u64) -> Self {
        let unheard = Some(Unheard { since: now, tries: 0, due: now + FIRST });
        Self {
            members: BTreeMap::new(),
            greeted: BTreeSet::new(),
            under_way: BTreeMap::new(),
            last: None,
            created: now,
            due: now + pause(chance),
            unheard,
        }
    }

    /// A member's node is connected; persons are none.
    pub(crate) fn connected(&mut self, peer: PeerKey, role: Role, outbound: bool, now: Instant) {
        self.members.insert(peer, role);
        if outbound {
            self.greeted.insert(peer);
        } else if let Some(unheard) = &mut self.unheard {
            // Here is somebody who can hear it.
            unheard.due = unheard.due.min(now + FIRST);
        }
    }

    /// It is gone.
    pub(crate) fn disconnected(&mut self, peer: &PeerKey) {
        self.members.remove(peer);
        self.greeted.remove(peer);
    }

    /// Whether this is a connected member's node.
    pub(crate) fn is_member(&self, peer: &PeerKey) -> bool {
        self.members.contains_key(peer)
    }

    /// This node has said something, or has taken it from a person.
    pub(crate) fn said(&mut self, now: Instant) {
        self.unheard = Some(Unheard { since: now, tries: 0, due: now + FIRST });
    }

    /// When to ask whether a round begins; not before one has ended when there is no time.
    pub(crate) fn next(&self) -> Option<Instant> {
        if self.under_way.len() >= AT_ONCE {
            return None;
        }
        if self.greeted.iter().any(|peer| !self.under_way.contains_key(peer)) {
            return Some(self.created);
        }
        Some(self.unheard.map_or(self.due, |unheard| unheard.due.min(self.due)))
    }

    /// With whom a round begins now.
    pub(crate) fn begin(&mut self, now: Instant, chance: u64) -> Option<PeerKey> {
        if self.under_way.len() >= AT_ONCE {
            return None;
        }
        let greeted = self.greeted.iter().find(|peer| !self.under_way.contains_key(*peer)).copied();
        let peer = match greeted {
            Some(peer) => {
                self.greeted.remove(&peer);
                Some(peer)
            }
            None => self.turn(now, chance),
        };
        if let Some(peer) = peer {
            self.under_way.insert(peer, now);
        }
        peer
    }

    /// The next member in turn, when it is time.
    fn turn(&mut self, now: Instant, chance: u64) -> Option<PeerKey> {
        let retry = self.unheard.is_some_and(|unheard| unheard.due <= now);
        if !retry && self.due > now {
            return None;
        }
        if self.due <= now {
            self.due = now + pause(chance);
        }
        if let Some(unheard) = self.unheard.as_mut().filter(|_| retry) {
            unheard.due = now + FIRST.saturating_mul(2_u32.saturating_pow(unheard.tries + 1)).min(PAUSE);
            unheard.tries = (unheard.tries + 1).min(16);
        }
        let hubs = self.members.iter().filter(|(_, role)| **role == Role::Hub).map(|(peer, _)| *peer);
        let mut rota: Vec<PeerKey> = hubs.collect();
        if rota.is_empty() {
            rota = self.members.keys().copied().collect();
        }
        let next = rota.iter().find(|peer| self.last.is_none_or(|last| **peer > last)).or_else(|| rota.first());
        let next = next.copied();
        self.last = next.or(self.last);
        next.filter(|peer| !self.under_way.contains_key(peer))
    }

    /// A round has ended; `even` when the member holds all that was offered here when it began.
    pub(crate) fn ended(&mut self, peer: &PeerKey, even: bool) {
        let Some(begun) = self.under_way.remove(peer) else { return };
        if even && self.unheard.is_some_and(|unheard| unheard.since < begun) {
            self.unheard = None;
        }
    }
}

/// The time between two rounds: nodes that began together do not stay together.
fn pause(chance: u64) -> Duration {
    let fifth = PAUSE / 5;
    let range = u64::try_from((fifth * 2).as_millis()).unwrap_or(u64::MAX).saturating_add(1);
    PAUSE - fifth + Duration::from_millis(chance % range)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
mod tests {
    use super::*;

    const HUBS: [PeerKey; 3] = [[1; 32], [2; 32], [3; 32]];
    const TRE: PeerKey = [9; 32];

    /// A rota at rest: everything that was said is known to somebody.
    fn at_rest(now: Instant) -> Rounds {
        let mut rounds = Rounds::new(now, 0);
        rounds.unheard = None;
        rounds
    }

    #[test]
    fn whoever_was_dialled_is_greeted_at_once_and_whoever_dialled_is_not() {
        let now = Instant::now();
        let mut rounds = at_rest(now);
        rounds.connected(HUBS[0], Role::Hub, true, now);
        rounds.connected(TRE, Role::Node, false, now);
        assert!(rounds.is_member(&TRE) && rounds.next().unwrap() <= now);
        assert_eq!(rounds.begin(now, 0), Some(HUBS[0]));
        assert!(rounds.next().unwrap() > now + PAUSE / 2, "nothing else is due");
        assert_eq!(rounds.begin(now, 0), None);
    }

    #[test]
    fn turns_come_every_five_minutes_give_or_take_one_and_go_from_hub_to_hub() {
        let mut now = Instant::now();
        let mut rounds = at_rest(now);
        HUBS.iter().for_each(|hub| rounds.connected(*hub, Role::Hub, false, now));
        rounds.connected(TRE, Role::Node, false, now);
        let mut seen = Vec::new();
        for chance in 0..6 {
            let next = rounds.next().unwrap();
            let waited = next - now;
            assert!(waited >= PAUSE - PAUSE / 5 && waited <= PAUSE + PAUSE / 5, "{waited:?}");
            now = next;
            let peer = rounds.begin(now, chance * 7_919_777).unwrap();
            rounds.ended(&peer, true);
            seen.push(peer);
        }
        assert_eq!(seen, [HUBS, HUBS].concat(), "a hub asks TREs only where there is no other hub");
    }

    #[test]
    fn what_was_said_is_brought_again_with_growing_pauses_until_a_member_holds_it() {
        let mut now = Instant::now();
        let mut rounds = at_rest(now);
        HUBS.iter().for_each(|hub| rounds.connected(*hub, Role::Hub, false, now));
        rounds.said(now);
        let mut pauses = Vec::new();
        for round in 0..4 {
            let next = rounds.next().unwrap();
            pauses.push((next - now).as_secs());
            now = next;
            let peer = rounds.begin(now, 0).unwrap();
            assert_eq!(peer, HUBS[round % 3], "another one each time");
            rounds.ended(&peer, false);
        }
        assert_eq!(pauses, [2, 4, 8, 16]);
        now = rounds.next().unwrap();
        let peer = rounds.begin(now, 0).unwrap();
        // Said while the round was under way: the round says nothing about it.
        rounds.said(now + Duration::from_millis(1));
        rounds.ended(&peer, true);
        assert_eq!(rounds.next().unwrap(), now + Duration::from_millis(1) + FIRST);
        now = rounds.next().unwrap();
        let peer = rounds.begin(now, 0).unwrap();
        rounds.ended(&peer, true);
        assert!(rounds.unheard.is_none() && rounds.next().unwrap() > now + FIRST);
    }

    #[test]
    fn a_node_that_begins_is_like_one_that_has_spoken_and_only_a_few_rounds_run_at_once() {
        let now = Instant::now();
        let mut rounds = Rounds::new(now, 0);
        assert_eq!(rounds.next(), Some(now + FIRST));
        assert_eq!(rounds.begin(now + FIRST, 0), None, "nobody is there");
        assert!(rounds.next().unwrap() > now + FIRST);
        for peer in 0..10 {
            rounds.connected([peer; 32], Role::Hub, true, now + FIRST);
        }
        let begun: Vec<_> = std::iter::from_fn(|| rounds.begin(now + FIRST, 0)).collect();
        assert_eq!((begun.len(), rounds.next()), (AT_ONCE, None));
        rounds.ended(&begun[0], false);
        assert!(rounds.begin(now + FIRST, 0).is_some_and(|peer| !begun.contains(&peer)));
        rounds.disconnected(&[9; 32]);
        assert!(!rounds.is_member(&[9; 32]));
    }
}
