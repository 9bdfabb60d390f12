//! Which protocols a connection between members speaks, and how many connections there may be.

use super::admission::Admission;
use super::circuits;
use super::clock::{self, Clocks};
use super::direct::{self, Direct};
use super::gossip::{self, Gossip};
use super::knocks::Knocks;
use crate::descriptors;
use libp2p::connection_limits::ConnectionLimits;
use libp2p::identity::PublicKey;
use libp2p::request_response::ProtocolSupport;
use libp2p::swarm::NetworkBehaviour;
use libp2p::swarm::behaviour::toggle::Toggle;
use libp2p::{connection_limits, identify, memory_connection_limits, ping, relay};
use protocol::wire::id::NetworkId;
use std::fmt;
use std::time::Instant;

/// Connections with one peer: both may have dialled at the same time.
const PER_PEER: u32 = 2;

/// Handshakes under way in each direction, where the system gives descriptors for as many: room for a flood of half-open connections, each of
/// which ends within the time of a handshake, beside the honest ones.
const PENDING: u32 = 8_192;

/// Connections that others opened: every member that a hub's mesh holds ([`gossip::HUB_MESH`]), and researchers beside them.
const INCOMING: u32 = 2_400;

/// Connections in all; what is above [`INCOMING`] is kept for our own dialling.
const ALL: u32 = 2_500;

/// The share of the machine's memory above which no connection is taken.
const MEMORY_SHARE: f64 = 0.9;

/// The name of the whole set of protocols, in identify.
const PROTOCOLS: &str = "/quintes/1";

/// What a peer says of itself. Nobody is trusted for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A TRE's node.
    Node,
    /// A node that others dial, and that forwards between them.
    Hub,
    /// A short-lived process that asks and gossips nothing.
    Client,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Node => "node",
            Self::Hub => "hub",
            Self::Client => "client",
        })
    }
}

impl Role {
    /// The agent string of identify.
    fn agent(self) -> String {
        format!(concat!("quintes/", env!("CARGO_PKG_VERSION"), " {}"), self)
    }

    /// The role in an agent string; a node where it says nothing that we know.
    pub(super) fn of_agent(agent: &str) -> Self {
        match agent.rsplit(' ').next() {
            Some("hub") => Self::Hub,
            Some("client") => Self::Client,
            _ => Self::Node,
        }
    }
}

/// What a node speaks. The order matters: a stranger is refused by the first field, and a member gets back what its handshake took once nothing else refuses it.
#[derive(NetworkBehaviour)]
pub(super) struct Node {
    pub(super) admission: Admission,
    limits: connection_limits::Behaviour,
    memory: memory_connection_limits::Behaviour,
    knocks: Knocks,
    pub(super) gossip: Gossip,
    pub(super) direct: Direct,
    /// What a hub forwards; nothing elsewhere.
    forwarding: Toggle<relay::Behaviour>,
    circuits: relay::client::Behaviour,
    pub(super) clock: Clocks,
    identify: identify::Behaviour,
    ping: ping::Behaviour,
}

impl Node {
    /// The protocols of the node with the public key `identity`, which asks for circuits by `circuits`; nobody is admitted yet.
    ///
    /// # Errors
    /// gossipsub's own sentence about a setting.
    pub(super) fn new(
        identity: PublicKey,
        network: &NetworkId,
        role: Role,
        circuits: relay::client::Behaviour,
    ) -> Result<Self, String> {
        let forwarding = (role == Role::Hub).then(|| circuits::forwarding(identity.to_peer_id()));
        // The other two thirds are for connections, files and workers.
        let pending = u32::try_from(descriptors::limit() / 3).unwrap_or(u32::MAX).min(PENDING);
        let limits = ConnectionLimits::default()
            .with_max_established_per_peer(Some(PER_PEER))
            .with_max_pending_incoming(Some(pending))
            .with_max_pending_outgoing(Some(pending))
            .with_max_established_incoming(Some(INCOMING))
            .with_max_established(Some(ALL));
        Ok(Self {
            admission: Admission::default(),
            limits: connection_limits::Behaviour::new(limits),
            memory: memory_connection_limits::Behaviour::with_max_percentage(MEMORY_SHARE),
            knocks: Knocks::new(Instant::now()),
            gossip: gossip::behaviour(network, role == Role::Hub)?,
            direct: direct::behaviour(ProtocolSupport::Full),
            forwarding: forwarding.into(),
            circuits,
            clock: clock::behaviour(),
            identify: identify(identity, role),
            ping: ping::Behaviour::default(),
        })
    }
}

/// What a client speaks: it asks, and says who it is.
#[derive(NetworkBehaviour)]
pub(super) struct Caller {
    pub(super) admission: Admission,
    pub(super) direct: Direct,
    circuits: relay::client::Behaviour,
    identify: identify::Behaviour,
    ping: ping::Behaviour,
}

impl Caller {
    /// The protocols of a client with the public key `identity`, which asks for circuits by `circuits`; nobody is admitted yet.
    pub(super) fn new(identity: PublicKey, circuits: relay::client::Behaviour) -> Self {
        Self {
            admission: Admission::default(),
            direct: direct::behaviour(ProtocolSupport::Outbound),
            circuits,
            identify: identify(identity, Role::Client),
            ping: ping::Behaviour::default(),
        }
    }
}

fn identify(identity: PublicKey, role: Role) -> identify::Behaviour {
    let settings = identify::Config::new(PROTOCOLS.to_owned(), identity)
        .with_agent_version(role.agent())
        // The roster says where members are; addresses that peers claim are not remembered.
        .with_cache_size(0);
    identify::Behaviour::new(settings)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_is_read_back_from_its_agent_string() {
        for role in [Role::Node, Role::Hub, Role::Client] {
            assert_eq!(Role::of_agent(&role.agent()), role);
        }
        assert_eq!(Role::of_agent(""), Role::Node);
        assert_eq!(Role::of_agent("something else"), Role::Node);
    }
}
