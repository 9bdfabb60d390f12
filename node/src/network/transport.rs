//! The ways between two machines: TCP, secured by Noise and shared by Yamux; names by the system's resolver.

use libp2p::core::muxing::StreamMuxerBox;
use libp2p::core::transport::Boxed;
use libp2p::core::upgrade::Version;
use libp2p::identity::Keypair;
use libp2p::{PeerId, Transport as _, dns, noise, tcp, yamux};
use std::time::Duration;

/// How long dialling, Noise and Yamux may take together: a half-open stranger is dropped after this.
const HANDSHAKE: Duration = Duration::from_secs(6);

/// Streams of one connection at once: gossip, identify, ping and the direct streams of both sides, with room to spare.
const STREAMS_PER_CONNECTION: usize = 96;

/// A connection's idle life. Members that gossip are never idle; a client's leftover is closed.
pub(super) const IDLE: Duration = Duration::from_secs(600);

/// Streams that a peer may have begun and not yet said what for.
pub(super) const UNNAMED_STREAMS: usize = 32;

/// The transport of the member with the key pair `identity`.
///
/// # Errors
/// Noise could not sign with this key.
pub(super) fn transport(identity: &Keypair) -> Result<Boxed<(PeerId, StreamMuxerBox)>, noise::Error> {
    let tcp = || tcp::tokio::Transport::new(tcp::Config::default().nodelay(true));
    // A machine without a resolver's configuration still reaches numeric addresses; it asks no resolver of our choice.
    let named = dns::tokio::Transport::system(tcp()).unwrap_or_else(|_| {
        let nobody = dns::ResolverConfig::from_parts(None, Vec::new(), Vec::new());
        dns::tokio::Transport::custom(tcp(), nobody, dns::ResolverOpts::default())
    });
    let mut shared = yamux::Config::default();
    shared.set_max_num_streams(STREAMS_PER_CONNECTION);
    Ok(named
        .upgrade(Version::V1Lazy)
        .authenticate(noise::Config::new(identity)?)
        .multiplex(shared)
        .timeout(HANDSHAKE)
        .boxed())
}

/// How a swarm runs its connections: on the runtime, idle ones closed.
pub(super) fn swarm_settings() -> libp2p::swarm::Config {
    libp2p::swarm::Config::with_tokio_executor()
        .with_idle_connection_timeout(IDLE)
        .with_max_negotiating_inbound_streams(UNNAMED_STREAMS)
}
