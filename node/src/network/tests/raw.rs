//! A member that speaks gossip's protocol byte by byte, and says what no honest one would.

use super::super::Multiaddr;
use super::super::peer::keypair;
use super::super::transport::{swarm_settings, transport};
use super::member::seed;
use futures::{AsyncWriteExt as _, StreamExt as _};
use libp2p::core::upgrade::ReadyUpgrade;
use libp2p::core::{Endpoint, transport::PortUse};
use libp2p::swarm::handler::{ConnectionEvent, FullyNegotiatedInbound, FullyNegotiatedOutbound};
use libp2p::swarm::{
    ConnectionDenied, ConnectionHandler, ConnectionHandlerEvent, ConnectionId, FromSwarm, NetworkBehaviour, Stream,
    StreamProtocol, SubstreamProtocol, THandlerInEvent, ToSwarm,
};
use libp2p::{PeerId, Swarm};
use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

/// The protocol that is spoken.
const MESHSUB: StreamProtocol = StreamProtocol::new("/meshsub/1.1.0");

/// Connects to `hub` with the key of member `of`, and writes each frame after its length; then it stays connected until the task is aborted.
pub(super) fn speak(of: u8, hub: Multiaddr, frames: Vec<Vec<u8>>) -> tokio::task::JoinHandle<()> {
    let identity = keypair(seed(of));
    let (transport, _circuits) = transport(&identity, None).unwrap();
    let speaker = Speaker(Arc::new(frames));
    let mut swarm = Swarm::new(transport, speaker, identity.public().to_peer_id(), swarm_settings());
    swarm.dial(hub).unwrap();
    tokio::spawn(async move {
        loop {
            swarm.select_next_some().await;
        }
    })
}

/// A number as protocol buffers write it.
pub(super) fn varint(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = u8::try_from(number & 0x7f).unwrap();
        number >>= 7;
        if number == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

/// A field of bytes.
pub(super) fn field(number: u64, bytes: &[u8]) -> Vec<u8> {
    [varint(number << 3 | 2), varint(bytes.len() as u64), bytes.to_vec()].concat()
}

/// A field that is a number.
pub(super) fn number(field: u64, value: u64) -> Vec<u8> {
    [varint(field << 3), varint(value)].concat()
}

struct Speaker(Arc<Vec<Vec<u8>>>);

impl NetworkBehaviour for Speaker {
    type ConnectionHandler = Mouth;
    type ToSwarm = Infallible;

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<Mouth, ConnectionDenied> {
        Ok(Mouth { frames: self.0.clone(), asked: false, taken: Vec::new() })
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<Mouth, ConnectionDenied> {
        Ok(Mouth { frames: self.0.clone(), asked: false, taken: Vec::new() })
    }

    fn on_swarm_event(&mut self, _: FromSwarm) {}

    fn on_connection_handler_event(&mut self, _: PeerId, _: ConnectionId, never: Infallible) {
        match never {}
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Infallible, THandlerInEvent<Self>>> {
        Poll::Pending
    }
}

/// Writes everything on one stream, and takes those of the other side without reading them.
struct Mouth {
    frames: Arc<Vec<Vec<u8>>>,
    asked: bool,
    taken: Vec<Stream>,
}

impl ConnectionHandler for Mouth {
    type FromBehaviour = Infallible;
    type ToBehaviour = Infallible;
    type InboundProtocol = ReadyUpgrade<StreamProtocol>;
    type OutboundProtocol = ReadyUpgrade<StreamProtocol>;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = ();

    fn listen_protocol(&self) -> SubstreamProtocol<Self::InboundProtocol> {
        SubstreamProtocol::new(ReadyUpgrade::new(MESHSUB), ())
    }

    fn connection_keep_alive(&self) -> bool {
        true
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ConnectionHandlerEvent<Self::OutboundProtocol, (), Infallible>> {
        if self.asked {
            return Poll::Pending;
        }
        self.asked = true;
        let protocol = SubstreamProtocol::new(ReadyUpgrade::new(MESHSUB), ());
        Poll::Ready(ConnectionHandlerEvent::OutboundSubstreamRequest { protocol })
    }

    fn on_behaviour_event(&mut self, never: Infallible) {
        match never {}
    }

    fn on_connection_event(&mut self, event: ConnectionEvent<Self::InboundProtocol, Self::OutboundProtocol>) {
        match event {
            ConnectionEvent::FullyNegotiatedInbound(FullyNegotiatedInbound { protocol, .. }) => {
                self.taken.push(protocol);
            }
            ConnectionEvent::FullyNegotiatedOutbound(FullyNegotiatedOutbound { protocol: mut stream, .. }) => {
                let frames = self.frames.clone();
                tokio::spawn(async move {
                    for frame in frames.iter() {
                        let bytes = [varint(frame.len() as u64), frame.clone()].concat();
                        // whoever has had enough hangs up
                        if stream.write_all(&bytes).await.is_err() || stream.flush().await.is_err() {
                            return;
                        }
                    }
                    std::future::pending::<()>().await;
                });
            }
            _ => {}
        }
    }
}
