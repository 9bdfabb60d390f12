//! A hub that keeps a copy of everything that it can read: what each of its streams says after the Noise of its own connections.

use super::super::peer::keypair;
use super::super::{Multiaddr, circuits};
use super::member::seed;
use futures::{AsyncRead, AsyncWrite, StreamExt as _};
use libp2p::core::muxing::{StreamMuxer, StreamMuxerBox, StreamMuxerEvent};
use libp2p::core::upgrade::Version;
use libp2p::multiaddr::Protocol;
use libp2p::swarm::{NetworkBehaviour, SwarmEvent};
use libp2p::{Swarm, Transport as _, identify, noise, relay, tcp, yamux};
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

type Seen = Arc<Mutex<Vec<u8>>>;

/// A hub that admits everybody, forwards, and listens in.
pub(super) struct Tap {
    address: Multiaddr,
    seen: Seen,
}

#[derive(NetworkBehaviour)]
struct Curious {
    forwarding: relay::Behaviour,
    identify: identify::Behaviour,
}

impl Tap {
    pub(super) async fn start(of: u8) -> Self {
        let identity = keypair(seed(of));
        let id = identity.public().to_peer_id();
        let seen = Seen::default();
        let (copy, mut shared) = (seen.clone(), yamux::Config::default());
        shared.set_max_num_streams(96);
        let transport = tcp::tokio::Transport::new(tcp::Config::default())
            .upgrade(Version::V1Lazy)
            .authenticate(noise::Config::new(&identity).unwrap())
            .multiplex(shared)
            .map(move |(peer, streams), _| (peer, StreamMuxerBox::new(Tapped { inner: streams, seen: copy.clone() })))
            .boxed();
        let settings = identify::Config::new("/quintes/1".to_owned(), identity.public())
            .with_agent_version("quintes/0 hub".to_owned());
        let curious = Curious { forwarding: circuits::forwarding(id), identify: identify::Behaviour::new(settings) };
        let mut swarm = Swarm::new(transport, curious, id, libp2p::swarm::Config::with_tokio_executor());
        swarm.listen_on("/ip4/127.0.0.1/tcp/0".parse().unwrap()).unwrap();
        let address = loop {
            if let SwarmEvent::NewListenAddr { address, .. } = swarm.select_next_some().await {
                break address;
            }
        };
        swarm.add_external_address(address.clone());
        tokio::spawn(async move {
            loop {
                swarm.select_next_some().await;
            }
        });
        Self { address: address.with(Protocol::P2p(id)), seen }
    }

    pub(super) fn address(&self) -> &Multiaddr {
        &self.address
    }

    pub(super) fn seen(&self) -> Vec<u8> {
        self.seen.lock().unwrap().clone()
    }
}

struct Tapped<M> {
    inner: M,
    seen: Seen,
}

struct TappedStream<S> {
    inner: S,
    seen: Seen,
}

impl<M> Tapped<M> {
    fn stream<S>(&self, inner: S) -> TappedStream<S> {
        TappedStream { inner, seen: self.seen.clone() }
    }
}

impl<M> StreamMuxer for Tapped<M>
where
    M: StreamMuxer + Unpin,
    M::Substream: Unpin,
{
    type Substream = TappedStream<M::Substream>;
    type Error = M::Error;

    fn poll_inbound(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<Self::Substream, M::Error>> {
        let polled = Pin::new(&mut self.inner).poll_inbound(context);
        polled.map_ok(|stream| self.stream(stream))
    }

    fn poll_outbound(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<Self::Substream, M::Error>> {
        let polled = Pin::new(&mut self.inner).poll_outbound(context);
        polled.map_ok(|stream| self.stream(stream))
    }

    fn poll_close(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), M::Error>> {
        Pin::new(&mut self.inner).poll_close(context)
    }

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<StreamMuxerEvent, M::Error>> {
        Pin::new(&mut self.inner).poll(context)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for TappedStream<S> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &mut [u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.inner).poll_read(context, bytes);
        if let Poll::Ready(Ok(read)) = polled {
            self.seen.lock().unwrap().extend(&bytes[..read]);
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for TappedStream<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_close(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_close(context)
    }
}
