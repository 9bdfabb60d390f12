//! The ways between two machines: TCP, through a proxy where one is configured, or a circuit through a hub; each secured by Noise and shared by
//! Yamux, between the two ends alone. Names are resolved by the system's resolver, or by the proxy.

use super::circuits::CIRCUITS;
use super::proxy::{Outward, Proxy};
use libp2p::core::muxing::StreamMuxerBox;
use libp2p::core::transport::Boxed;
use libp2p::core::upgrade::Version;
use libp2p::identity::Keypair;
use libp2p::{PeerId, Transport as _, dns, noise, relay, tcp, yamux};
use std::io;
use std::time::Duration;

/// How long dialling, Noise and Yamux may take together: a half-open stranger is dropped after this.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// Streams of one connection at once: gossip, identify, ping and the direct streams of both sides, with room to spare; and every circuit that
/// its hub may forward, because a stream over this number ends the connection.
const STREAMS_PER_CONNECTION: usize = 96 + CIRCUITS;

/// A connection's idle life. Members that gossip are never idle; a client's leftover is closed.
pub(super) const IDLE: Duration = Duration::from_secs(600);

/// Streams that a peer may have begun and not yet said what for.
pub(super) const UNNAMED_STREAMS: usize = 32;

/// The transport of the member with the key pair `identity`, and the half of it that asks hubs for circuits.
///
/// # Errors
/// Noise could not sign with this key.
pub(super) fn transport(
    identity: &Keypair,
    proxy: Option<Proxy>,
) -> Result<(Boxed<(PeerId, StreamMuxerBox)>, relay::client::Behaviour), noise::Error> {
    let tcp = || tcp::tokio::Transport::new(tcp::Config::default().nodelay(true));
    // A machine without a resolver's configuration still reaches numeric addresses; it asks no resolver of our choice.
    let named = dns::tokio::Transport::system(tcp()).unwrap_or_else(|_| {
        let nobody = dns::ResolverConfig::from_parts(None, Vec::new(), Vec::new());
        dns::tokio::Transport::custom(tcp(), nobody, dns::ResolverOpts::default())
    });
    let outward = Outward::new(named.map_err(io::Error::other), proxy);
    let (circuits, asks) = relay::client::new(identity.public().to_peer_id());
    let mut shared = yamux::Config::default();
    shared.set_max_num_streams(STREAMS_PER_CONNECTION);
    let transport = circuits
        .or_transport(outward)
        .upgrade(Version::V1Lazy)
        .authenticate(noise::Config::new(identity)?)
        .multiplex(shared)
        .timeout(HANDSHAKE)
        .boxed();
    Ok((transport, asks))
}

/// How a swarm runs its connections: on the runtime, idle ones closed.
pub(super) fn swarm_settings() -> libp2p::swarm::Config {
    libp2p::swarm::Config::with_tokio_executor()
        .with_idle_connection_timeout(IDLE)
        .with_max_negotiating_inbound_streams(UNNAMED_STREAMS)
}
