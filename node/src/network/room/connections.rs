//! Connections: whom to dial, who came, who went, and what libp2p reports about listeners.

use super::super::behaviour::{NodeEvent, Role};
use super::super::event::Event;
use super::super::peer::key_of;
use super::{Link, Room};
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::swarm::{DialError, SwarmEvent};
use libp2p::{PeerId, identify, ping};
use std::time::{Instant, SystemTime};

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
            self.dialling.lost(peer, Instant::now(), chance());
        }
    }

    pub(super) fn on_swarm(&mut self, event: SwarmEvent<NodeEvent>) {
        match event {
            SwarmEvent::Behaviour(event) => self.on_behaviour(event),
            SwarmEvent::ConnectionEstablished { peer_id, endpoint, .. } => {
                self.dialling.connected(&peer_id);
                self.links.entry(peer_id).or_insert_with(|| Link {
                    address: endpoint.get_remote_address().clone(),
                    since: SystemTime::now(),
                    outbound: endpoint.is_dialer(),
                    role: None,
                });
            }
            SwarmEvent::ConnectionClosed { peer_id, num_established: 0, .. } => {
                self.disconnected(peer_id);
            }
            SwarmEvent::OutgoingConnectionError { peer_id: Some(peer), error, .. } => {
                self.unreachable(&peer, &error);
            }
            SwarmEvent::IncomingConnectionError { peer_id, error, .. } => {
                tracing::debug!(peer = ?peer_id, %error, "a connection was not admitted");
            }
            SwarmEvent::NewListenAddr { listener_id, address } => {
                tracing::info!(%address, "listening");
                self.listening.send_modify(|listening| {
                    listening.ready.insert(listener_id);
                    listening.addresses.push(address);
                });
            }
            SwarmEvent::ExpiredListenAddr { address, .. } => {
                tracing::warn!(%address, "no longer listening");
                self.listening.send_modify(|listening| {
                    listening.addresses.retain(|known| *known != address);
                });
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
                Ok(_) | Err(ping::Failure::Unsupported) => {}
                Err(error) => {
                    // libp2p only reports this; a peer that vanished without a word would stay for ever.
                    tracing::debug!(%peer, %error, "no answer to a ping, closing");
                    self.swarm.close_connection(connection);
                }
            },
            NodeEvent::Admission(never) | NodeEvent::Limits(never) | NodeEvent::Memory(never) => match never {},
        }
    }

    /// `peer` has said who it is, so it has admitted us.
    fn spoke(&mut self, peer: PeerId, role: Role) {
        let (Some(link), Some(key)) = (self.links.get_mut(&peer), key_of(&peer)) else {
            return;
        };
        if link.role.replace(role).is_none() {
            let outbound = link.outbound;
            self.dialling.settled(&peer);
            self.news.push_back((peer, Event::Connected { peer: key, role, outbound }));
        }
    }

    fn disconnected(&mut self, peer: PeerId) {
        self.dialling.lost(&peer, Instant::now(), chance());
        self.asks.lost(&peer);
        let spoken = self.links.remove(&peer).is_some_and(|link| link.role.is_some());
        let Some(key) = key_of(&peer).filter(|_| spoken) else {
            tracing::debug!(%peer, "closed before it spoke: it may not have admitted this node");
            return;
        };
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
fn chance() -> u64 {
    getrandom::u64().unwrap_or(0)
}
