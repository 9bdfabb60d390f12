//! Ways through hubs: the places that this node keeps at them, and the circuits by which it reaches members without a connection.

use super::super::behaviour::Role;
use super::super::circuits;
use super::Room;
use super::connections::chance;
use libp2p::core::transport::ListenerId;
use libp2p::swarm::DialError;
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::{Multiaddr, PeerId, relay};
use std::time::Instant;

impl Room {
    /// A peer has said that it is a hub: one that the settings name keeps a place for a node that is none itself.
    pub(super) fn met_hub(&mut self, hub: PeerId) {
        if self.role != Role::Hub && !self.dialling.addresses(&hub).is_empty() {
            self.reservations.connected(hub, Instant::now());
        }
    }

    /// Asks the hubs whose turn it is for a place.
    pub(super) fn reserve_due(&mut self) {
        for hub in self.reservations.due(Instant::now()) {
            let Some(address) = self.dialling.addresses(&hub).first() else { continue };
            match self.swarm.listen_on(circuits::place(address.clone(), hub)) {
                Ok(listener) => self.reservations.asked(&hub, listener),
                Err(error) => {
                    tracing::warn!(%hub, %error, "this hub cannot be asked for a place: check its address in the settings");
                    self.reservations.refused(&hub, Instant::now(), chance());
                }
            }
        }
    }

    /// A place was made, or renewed.
    pub(super) fn on_circuits(&mut self, event: relay::client::Event) {
        match event {
            relay::client::Event::ReservationReqAccepted { relay_peer_id: hub, .. } => {
                self.reservations.made(&hub);
                // The address that we dialled, and not those that the hub claims.
                if let Some(address) = self.dialling.addresses(&hub).first() {
                    let place = circuits::place(address.clone(), hub);
                    tracing::info!(%hub, "others reach this node through the hub");
                    self.listening.send_modify(|listening| {
                        listening.circuits.insert(hub, place);
                    });
                }
            }
            relay::client::Event::OutboundCircuitEstablished { relay_peer_id: hub, .. } => {
                tracing::debug!(%hub, "a circuit was opened");
            }
            relay::client::Event::InboundCircuitEstablished { src_peer_id: peer, .. } => {
                tracing::debug!(%peer, "a circuit was asked for");
            }
        }
    }

    /// A listener has ended. `false` where it was no place at a hub.
    pub(super) fn place_lost(&mut self, listener: ListenerId) -> bool {
        let ours = self.reservations.closed(listener, Instant::now(), chance());
        self.tell_places();
        ours
    }

    /// The addresses through hubs are those at which a place is held.
    pub(super) fn tell_places(&mut self) {
        let held: Vec<PeerId> = self.reservations.held().copied().collect();
        self.listening.send_modify(|listening| listening.circuits.retain(|hub, _| held.contains(hub)));
    }

    /// Dials a member that is not connected through every hub that is; `false` where it is no member or there is no hub.
    pub(super) fn call_through_hubs(&mut self, peer: PeerId) -> bool {
        if !self.swarm.behaviour().admission.allowed_peers().contains(&peer) {
            return false;
        }
        let hubs = self.links.iter().filter(|(_, link)| link.role == Some(Role::Hub));
        let ways: Vec<Multiaddr> =
            hubs.filter_map(|(hub, link)| Some(circuits::through(link.direct()?.clone(), *hub, peer))).collect();
        if ways.is_empty() {
            return false;
        }
        let call = DialOpts::peer_id(peer).condition(PeerCondition::DisconnectedAndNotDialing).addresses(ways).build();
        match self.swarm.dial(call) {
            // Being dialled already, or connected this moment: the end of that is reported.
            Ok(()) | Err(DialError::DialPeerConditionFalse(_)) => true,
            Err(error) => {
                tracing::debug!(%peer, %error, "no way through a hub");
                false
            }
        }
    }
}
