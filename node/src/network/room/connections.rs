//! Connections: whom to dial, who came, who went, and what libp2p reports about listeners.

use super::super::behaviour::{NodeEvent, Role};
use super::super::clock;
use super::super::event::Event;
use super::super::peer::key_of;
use super::Room;
use super::link::Link;
use super::standing::why;
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::swarm::{DialError, SwarmEvent};
use libp2p::{PeerId, identify, ping, request_response};
use std::time::{Duration, Instant, SystemTime};

/// How long a peer may be connected without saying who it is.
const SPEECHLESS: Duration = Duration::from_secs(10);

impl Room {
    pub(super) fn dial_due(&mut self) {
        let allowed = self.swarm.behaviour().admission.allowed_peers();
        let due = self.dialling.take_due(Instant::now(), |peer| allowed.contains(peer));
        for (peer, addresses) in due {
            let call = DialOpts::peer_id(peer)
                .condition(PeerCondition::DisconnectedAndNotDialing)
                .addresses(addresses)
                .build();
            match self.swarm.dial(call) {
                // Connected or being dialled by other means: the end of that is reported.
                Ok(()) | Err(DialError::DialPeerConditionFalse(_)) => {}
                Err(error) => self.unreachable(&peer, &error),
            }
        }
    }

    fn unreachable(&mut self, peer: &PeerId, error: &DialError) {
        match error {
            DialError::WrongPeerId { obtained, address } => tracing::warn!(
                %peer, %obtained, %address,
                "another peer answers at this address: correct the address in the settings"
            ),
            error => tracing::debug!(%peer, %error, "not reached, will be dialled again"),
        }
        if !self.swarm.is_connected(peer) {
            self.asks.unreachable(peer);
            self.dialling.troubled(peer, why(error));
            self.dialling.lost(peer, Instant::now(), chance());
        }
    }

    pub(super) fn on_swarm(&mut self, event: SwarmEvent<NodeEvent>) {
        match event {
            SwarmEvent::Behaviour(event) => self.on_behaviour(event),
            SwarmEvent::ConnectionEstablished { peer_id, connection_id, endpoint, .. } => {
                self.dialling.connected(&peer_id);
                let link = self.links.entry(peer_id).or_insert_with(|| Link::new(SystemTime::now()));
                link.opened(connection_id, &endpoint);
            }
            SwarmEvent::ConnectionClosed { peer_id, num_established: 0, .. } => {
                self.disconnected(peer_id);
            }
            SwarmEvent::ConnectionClosed { peer_id, connection_id, .. } => {
                if let Some(link) = self.links.get_mut(&peer_id) {
                    link.closed(connection_id);
                }
            }
            SwarmEvent::OutgoingConnectionError { peer_id: Some(peer), error, .. } => {
                self.unreachable(&peer, &error);
            }
            SwarmEvent::IncomingConnectionError { peer_id, error, .. } => {
                tracing::debug!(peer = ?peer_id, %error, "a connection was not admitted");
            }
            // What a hub says of where it is: the address that we dialled is the one that works.
            SwarmEvent::NewListenAddr { listener_id, .. } if self.reservations.is_ours(listener_id) => {}
            SwarmEvent::NewListenAddr { listener_id, address } => {
                tracing::info!(%address, "listening");
                if self.role == Role::Hub {
                    // It must name an address to those who keep a place at it.
                    self.swarm.add_external_address(address.clone());
                }
                self.listening.send_modify(|listening| {
                    listening.ready.insert(listener_id);
                    listening.addresses.push(address);
                });
            }
            SwarmEvent::ExpiredListenAddr { listener_id, .. } if self.reservations.is_ours(listener_id) => {}
            SwarmEvent::ExpiredListenAddr { address, .. } => {
                tracing::warn!(%address, "no longer listening");
                self.listening.send_modify(|listening| {
                    listening.addresses.retain(|known| *known != address);
                });
            }
            SwarmEvent::ListenerClosed { listener_id, reason, .. } if self.place_lost(listener_id) => {
                tracing::debug!(?reason, "a place at a hub ended, and is asked for again");
            }
            SwarmEvent::ListenerClosed { addresses, .. } => {
                tracing::error!(?addresses, "a listener ended: restart the node");
                self.listening.send_modify(|listening| {
                    listening.addresses.retain(|known| !addresses.contains(known));
                });
            }
            SwarmEvent::ListenerError { error, .. } => {
                tracing::warn!(%error, "a connection could not be taken");
            }
            _ => {}
        }
    }

    fn on_behaviour(&mut self, event: NodeEvent) {
        match event {
            NodeEvent::Gossip(event) => self.on_gossip(event),
            NodeEvent::Direct(event) => self.on_direct(event),
            NodeEvent::Identify(identify::Event::Received { peer_id, info, .. }) => {
                self.spoke(peer_id, Role::of_agent(&info.agent_version));
            }
            NodeEvent::Identify(_) => {}
            NodeEvent::Ping(ping::Event { peer, connection, result }) => match result {
                Ok(took) => {
                    let now = SystemTime::now();
                    let Some(link) = self.links.get_mut(&peer) else { return };
                    link.answered(now, took);
                    if link.clock_is_due(now) {
                        self.swarm.behaviour_mut().clock.send_request(&peer, ());
                    } else if link.silent_for(now).is_some_and(|time| time > SPEECHLESS) {
                        tracing::debug!(%peer, "does not say who it is, closing");
                        self.swarm.close_connection(connection);
                    }
                }
                Err(ping::Failure::Unsupported) => {}
                Err(error) => {
                    // libp2p only reports this; a peer that vanished without a word would stay for ever.
                    tracing::debug!(%peer, %error, "no answer to a ping, closing");
                    self.swarm.close_connection(connection);
                }
            },
            NodeEvent::Clock(event) => self.on_clock(event),
            NodeEvent::Circuits(event) => self.on_circuits(event),
            NodeEvent::Forwarding(event) => tracing::debug!(?event, "forwarding"),
            NodeEvent::Admission(never)
            | NodeEvent::Limits(never)
            | NodeEvent::Memory(never)
            | NodeEvent::Knocks(never) => match never {},
        }
    }

    fn on_clock(&mut self, event: request_response::Event<(), u64>) {
        let request_response::Event::Message { peer, message, .. } = event else { return };
        let now = SystemTime::now();
        match message {
            request_response::Message::Request { channel, .. } => {
                // The asking peer may be gone meanwhile.
                let _ = self.swarm.behaviour_mut().clock.send_response(channel, clock::millis(now));
            }
            request_response::Message::Response { response, .. } => {
                if let Some(link) = self.links.get_mut(&peer) {
                    link.told_time(now, response);
                }
            }
        }
    }

    /// `peer` has said who it is, so it has admitted us.
    fn spoke(&mut self, peer: PeerId, role: Role) {
        let (Some(link), Some(key)) = (self.links.get_mut(&peer), key_of(&peer)) else {
            return;
        };
        if link.role.is_some() {
            // A second connection says it again, or is another process with the same key.
            return;
        }
        link.role = Some(role);
        let outbound = link.outbound();
        self.dialling.settled(&peer);
        self.news.push_back((peer, Event::Connected { peer: key, role, outbound }));
        self.asks.connected(&mut self.swarm.behaviour_mut().direct, peer);
        if self.links.get_mut(&peer).is_some_and(|link| link.clock_is_due(SystemTime::now())) {
            self.swarm.behaviour_mut().clock.send_request(&peer, ());
        }
        if role == Role::Hub {
            self.met_hub(peer);
        }
        self.count_named();
    }

    fn disconnected(&mut self, peer: PeerId) {
        self.dialling.lost(&peer, Instant::now(), chance());
        self.asks.lost(&peer);
        self.reservations.disconnected(&peer);
        self.tell_places();
        let spoken = self.links.remove(&peer).is_some_and(|link| link.role.is_some());
        let Some(key) = key_of(&peer).filter(|_| spoken) else {
            tracing::debug!(%peer, "closed before it spoke: it may not have admitted this node");
            self.dialling.troubled(&peer, "it closed the connection at once: it may not admit this node".to_owned());
            return;
        };
        self.count_named();
        let last = self.news.iter().rposition(|(of, _)| *of == peer);
        match last.map(|at| (at, &self.news[at].1)) {
            // An arrival that the owner has not heard of is taken back.
            Some((at, Event::Connected { .. })) => {
                self.news.remove(at);
            }
            _ => self.news.push_back((peer, Event::Disconnected { peer: key })),
        }
    }
}

/// Randomness for pauses. Where the system has none, every pause is its shortest.
pub(super) fn chance() -> u64 {
    getrandom::u64().unwrap_or(0)
}
