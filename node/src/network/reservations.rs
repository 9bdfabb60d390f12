//! Places at hubs, where others reach a node that accepts no connection: asked for, kept, and asked for again after a cut.

use super::dialling::pause;
use libp2p::PeerId;
use libp2p::core::transport::ListenerId;
use std::collections::{BTreeMap, HashMap};
use std::time::Instant;

/// The hubs that are connected, and what each keeps for us. Time and randomness are arguments.
#[derive(Default)]
pub(super) struct Reservations {
    places: BTreeMap<PeerId, Place>,
    /// The names under which hubs were asked, until each has ended, which may be after its hub has gone.
    names: HashMap<ListenerId, PeerId>,
}

struct Place {
    failures: u32,
    state: State,
}

enum State {
    /// To be asked for at this time.
    Due(Instant),
    /// Asked for.
    Asked(ListenerId),
    /// Others reach us there.
    Held(ListenerId),
}

impl Reservations {
    /// A hub is connected and has admitted us: it is asked at once.
    pub(super) fn connected(&mut self, hub: PeerId, now: Instant) {
        self.places.entry(hub).or_insert(Place { failures: 0, state: State::Due(now) });
    }

    /// The hub is gone: its next connection begins again.
    pub(super) fn disconnected(&mut self, hub: &PeerId) {
        self.places.remove(hub);
    }

    /// When the next hub is to be asked.
    pub(super) fn next(&self) -> Option<Instant> {
        let due = |place: &Place| match place.state {
            State::Due(at) => Some(at),
            State::Asked(_) | State::Held(_) => None,
        };
        self.places.values().filter_map(due).min()
    }

    /// The hubs that are to be asked by `now`. Each is told by [`Reservations::asked`] or [`Reservations::refused`].
    pub(super) fn due(&self, now: Instant) -> Vec<PeerId> {
        let due = self.places.iter().filter(|(_, place)| matches!(place.state, State::Due(at) if at <= now));
        due.map(|(hub, _)| *hub).collect()
    }

    /// `hub` was asked; what comes of it is told under the name of `listener`.
    pub(super) fn asked(&mut self, hub: &PeerId, listener: ListenerId) {
        if let Some(place) = self.places.get_mut(hub) {
            place.state = State::Asked(listener);
        }
        self.names.insert(listener, *hub);
    }

    /// `hub` has made the reservation, or renewed it.
    pub(super) fn made(&mut self, hub: &PeerId) {
        if let Some(place) = self.places.get_mut(hub)
            && let State::Asked(listener) = place.state
        {
            *place = Place { failures: 0, state: State::Held(listener) };
        }
    }

    /// Whether `listener` is one of ours.
    pub(super) fn is_ours(&self, listener: ListenerId) -> bool {
        self.names.contains_key(&listener)
    }

    /// The reservation under the name of `listener` has ended. It is asked for again after a growing pause, if its hub is still connected.
    /// `false` where the name is none of ours.
    pub(super) fn closed(&mut self, listener: ListenerId, now: Instant, chance: u64) -> bool {
        let Some(hub) = self.names.remove(&listener) else { return false };
        // The hub may have gone and come again meanwhile, and have been asked under another name.
        if self.places.get(&hub).is_some_and(|place| place.listener() == Some(listener)) {
            self.refused(&hub, now, chance);
        }
        true
    }

    /// `hub` could not be asked.
    pub(super) fn refused(&mut self, hub: &PeerId, now: Instant, chance: u64) {
        if let Some(place) = self.places.get_mut(hub) {
            place.state = State::Due(now + pause(place.failures, chance));
            place.failures = place.failures.saturating_add(1);
        }
    }

    /// The hubs at which others reach us.
    pub(super) fn held(&self) -> impl Iterator<Item = &PeerId> {
        self.places.iter().filter(|(_, place)| matches!(place.state, State::Held(_))).map(|(hub, _)| hub)
    }
}

impl Place {
    fn listener(&self) -> Option<ListenerId> {
        match self.state {
            State::Asked(listener) | State::Held(listener) => Some(listener),
            State::Due(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_place_is_asked_for_until_it_is_held_and_again_when_it_was_lost() {
        let (hub, now) = (PeerId::random(), Instant::now());
        let mut places = Reservations::default();
        places.connected(hub, now);
        assert_eq!(places.due(now), [hub]);
        let first = ListenerId::next();
        places.asked(&hub, first);
        assert_eq!((places.next(), places.held().count()), (None, 0));
        assert!(!places.closed(ListenerId::next(), now, 0), "another listener's end is not this one's");
        assert!(places.is_ours(first) && places.closed(first, now, 0));
        assert!(!places.is_ours(first) && places.due(now).is_empty(), "not at once");
        let again = places.next().unwrap_or(now);
        assert!(again > now && again < now + Duration::from_secs(1));
        let second = ListenerId::next();
        places.asked(&hub, second);
        places.made(&hub);
        assert_eq!(places.held().collect::<Vec<_>>(), [&hub]);
        places.made(&hub);
        // a hub that lets go again and again is asked at the same growing pauses as one that cannot be dialled
        places.closed(second, now, 0);
        assert_eq!(places.next(), Some(again));
        places.refused(&hub, now, 0);
        assert!(places.next() > Some(again));
        let third = ListenerId::next();
        places.asked(&hub, third);
        places.disconnected(&hub);
        places.connected(hub, now);
        assert!(places.is_ours(third) && places.closed(third, now, 0), "the old one ends late");
        assert_eq!(places.due(now), [hub], "and says nothing of the new connection");
        places.disconnected(&hub);
        assert_eq!(places.next(), None, "who is not connected is not asked");
    }
}
