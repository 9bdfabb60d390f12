//! What is known of a connected peer: its connections, in the order in which they were made, and what it says and shows of itself.

use super::super::behaviour::Role;
use super::super::circuits;
use super::super::clock;
use super::super::peer::{PeerKey, key_of};
use libp2p::core::ConnectedPoint;
use libp2p::swarm::ConnectionId;
use libp2p::{Multiaddr, PeerId};
use std::time::{Duration, SystemTime};

/// A member that is connected and has admitted us.
#[derive(Clone, Debug, PartialEq)]
pub struct PeerInfo {
    /// Its key.
    pub key: PeerKey,
    /// Its address: on the first of its direct connections, or on the first through a hub.
    pub address: Multiaddr,
    /// Since when.
    pub since: SystemTime,
    /// Whether we dialled.
    pub outbound: bool,
    /// What it says of itself.
    pub role: Role,
    /// The hub through which it is connected; none where it is connected straight to us.
    pub through: Option<PeerKey>,
    /// When it last answered a ping; when it connected, before that.
    pub heard: SystemTime,
    /// How long its last answer to a ping took.
    pub round_trip: Option<Duration>,
    /// What gossip thinks of it: below -20 it is out of our mesh, below -80 it is not listened to.
    pub score: f64,
    /// By how many milliseconds its clock is ahead of ours; none while it has not said.
    pub ahead: Option<i64>,
}

/// What is known of a connected peer.
pub(super) struct Link {
    lines: Vec<Line>,
    since: SystemTime,
    /// Set once the peer has spoken: a refused dialler believes for a moment that it is connected.
    pub(super) role: Option<Role>,
    heard: SystemTime,
    round_trip: Option<Duration>,
    /// When it was last asked for the time.
    asked: Option<SystemTime>,
    ahead: Option<i64>,
}

/// One connection.
struct Line {
    id: ConnectionId,
    address: Multiaddr,
    outbound: bool,
    hub: Option<PeerId>,
}

impl Link {
    /// A peer without a connection yet.
    pub(super) fn new(now: SystemTime) -> Self {
        Self { lines: Vec::new(), since: now, role: None, heard: now, round_trip: None, asked: None, ahead: None }
    }

    /// One more connection.
    pub(super) fn opened(&mut self, id: ConnectionId, point: &ConnectedPoint) {
        let address = circuits::address_of(point);
        let hub = circuits::hub_in(&address);
        self.lines.push(Line { id, address, outbound: point.is_dialer(), hub });
    }

    /// One connection less.
    pub(super) fn closed(&mut self, id: ConnectionId) {
        self.lines.retain(|line| line.id != id);
    }

    /// The peer has answered a ping.
    pub(super) fn answered(&mut self, now: SystemTime, took: Duration) {
        (self.heard, self.round_trip) = (now, Some(took));
    }

    /// Whether it is time to ask a node for the time; from here on it has been asked.
    pub(super) fn clock_is_due(&mut self, now: SystemTime) -> bool {
        let speaks = self.role.is_some_and(|role| role != Role::Client);
        // A clock that was set back meanwhile is a reason to ask.
        let recent = self.asked.is_some_and(|asked| now.duration_since(asked).is_ok_and(|time| time < clock::AGAIN));
        let due = speaks && !recent;
        if due {
            self.asked = Some(now);
        }
        due
    }

    /// The peer says what time it is.
    pub(super) fn told_time(&mut self, now: SystemTime, millis: u64) {
        self.ahead = Some(clock::ahead(millis, now, self.round_trip.unwrap_or_default() / 2));
    }

    /// For how long the peer has been connected without saying who it is.
    pub(super) fn silent_for(&self, now: SystemTime) -> Option<Duration> {
        if self.role.is_some() { None } else { now.duration_since(self.since).ok() }
    }

    /// Whether we have dialled the first of its connections.
    pub(super) fn outbound(&self) -> bool {
        self.lines.first().is_some_and(|line| line.outbound)
    }

    /// Where it is reached straight; none where it is connected through hubs alone.
    pub(super) fn direct(&self) -> Option<&Multiaddr> {
        self.lines.iter().find(|line| line.hub.is_none()).map(|line| &line.address)
    }

    /// What others are told of `peer`; none before it has spoken.
    pub(super) fn info(&self, peer: &PeerId, score: f64) -> Option<PeerInfo> {
        let line = self.lines.iter().find(|line| line.hub.is_none()).or(self.lines.first())?;
        Some(PeerInfo {
            key: key_of(peer)?,
            address: line.address.clone(),
            since: self.since,
            outbound: line.outbound,
            role: self.role?,
            through: line.hub.as_ref().and_then(key_of),
            heard: self.heard,
            round_trip: self.round_trip,
            score,
            ahead: self.ahead,
        })
    }
}
