//! A short-lived process that asks one node: it dials, straight or through a hub, says who it is, asks, and gossips nothing.

use super::admission;
use super::asks::{self, Answer, AskError, Asks};
use super::behaviour::{Caller, CallerEvent};
use super::circuits;
use super::peer::{self, PeerKey};
use super::proxy::{Proxy, ProxyError};
use super::transport::{swarm_settings, transport};
use futures::StreamExt as _;
use libp2p::core::upgrade::NegotiationError;
use libp2p::swarm::dial_opts::DialOpts;
use libp2p::swarm::{DialError, SwarmEvent};
use libp2p::{Multiaddr, PeerId, Swarm, identify, noise, request_response};
use protocol::wire::message::{Request, Response};
use std::collections::BTreeSet;
use std::error::Error;
use std::time::Duration;
use thiserror::Error;
use tokio::sync::{mpsc, oneshot};
use zeroize::Zeroizing;

/// How long dialling may take, until the node has said who it is.
const CONNECTING: Duration = Duration::from_secs(20);

/// Questions that wait for the connection's task; few, because a question may be a megabyte.
const COMMANDS: usize = 16;

/// Why there is no connection to the node.
#[derive(Debug, Error)]
pub enum ConnectError {
    /// The address does not say whom.
    #[error("`{0}` does not say whom to dial: end it with /p2p/ and the node's peer id")]
    WhomToDial(Multiaddr),
    /// Nothing answers there.
    #[error("no node answers at `{address}`: check the address, and that the node runs")]
    Unreachable {
        /// The address that was dialled.
        address: Multiaddr,
        /// What libp2p says.
        #[source]
        cause: Box<DialError>,
    },
    /// Something takes the connection, and ends it before it says who it is.
    #[error(
        "`{address}` hangs up before it says who it is: a hub takes few handshakes at once from an address that it does not know, so try again in half a minute; if it stays so, check the port"
    )]
    HungUp {
        /// The address that was dialled.
        address: Multiaddr,
        /// What libp2p says.
        #[source]
        cause: Box<DialError>,
    },
    /// Another node answers there.
    #[error("another node answers at `{0}`: check the peer id at its end")]
    WrongNode(Multiaddr),
    /// The node closed the connection before it said who it is.
    #[error(
        "the node at `{0}` does not admit this peer key: have the key enrolled, and wait until the node knows of it; or end other commands that use the key now, two at once are admitted"
    )]
    Refused(Multiaddr),
    /// The hub is there, and the node is not.
    #[error(
        "the hub at `{address}` does not reach the node behind it now: ask its operator whether the node runs and is connected to this hub, or go through another hub"
    )]
    NotBehindHub {
        /// The address that was dialled.
        address: Multiaddr,
        /// What libp2p says.
        #[source]
        cause: Box<DialError>,
    },
    /// The node does not say who it is.
    #[error("the node at `{0}` did not answer within 20 seconds: check the way to it, then try again")]
    Silent(Multiaddr),
    /// The key cannot authenticate.
    #[error("this peer key cannot authenticate connections: make a new one")]
    Key(#[source] libp2p::noise::Error),
}

/// A connection to one node. It closes when the client is dropped.
pub struct Client {
    node: PeerKey,
    asks: mpsc::Sender<(Request, Answer)>,
}

impl Client {
    /// Dials the node at `address` (which ends in `/p2p/…`, or in `/p2p/HUB/p2p-circuit/p2p/…`) with the peer key of `identity_seed`, and
    /// returns when the node has admitted us.
    ///
    /// # Errors
    /// See [`ConnectError`].
    pub async fn connect(
        identity_seed: Zeroizing<[u8; 32]>,
        address: Multiaddr,
        proxy: Option<Proxy>,
    ) -> Result<Self, ConnectError> {
        let whom = || ConnectError::WhomToDial(address.clone());
        let id = peer::id_in(&address).ok_or_else(whom)?;
        let node = peer::key_of(&id).ok_or_else(whom)?;
        let identity = peer::keypair(identity_seed);
        let hub = circuits::hub_in(&address);
        let (transport, asks) = transport(&identity, proxy).map_err(ConnectError::Key)?;
        let mut swarm = Swarm::new(
            transport,
            Caller::new(identity.public(), asks),
            identity.public().to_peer_id(),
            swarm_settings(),
        );
        let both = hub.as_ref().and_then(peer::key_of).into_iter().chain([node]).collect::<BTreeSet<_>>();
        admission::follow(&mut swarm.behaviour_mut().admission, &both);
        let admitted = admitted(&mut swarm, id, hub, &address);
        match tokio::time::timeout(CONNECTING, admitted).await {
            Ok(result) => result?,
            Err(_) => return Err(ConnectError::Silent(address)),
        }
        let (asks, asked) = mpsc::channel(COMMANDS);
        tokio::spawn(run(swarm, id, asked));
        Ok(Self { node, asks })
    }

    /// The node's peer key, which the connection has proven.
    #[must_use]
    pub fn node(&self) -> PeerKey {
        self.node
    }

    /// Asks, and waits at most 30 seconds after the question was sent. Eight questions travel at once; more wait.
    ///
    /// # Errors
    /// See [`AskError`].
    pub async fn ask(&self, request: Request) -> Result<Response, AskError> {
        asks::bounded(&request)?;
        let (answer, answered) = oneshot::channel();
        self.asks.send((request, answer)).await.map_err(|_| AskError::NotConnected)?;
        answered.await.map_err(|_| AskError::Lost)?
    }
}

/// Whether there was a connection, which ended before the other side was known. What a proxy does is told in the proxy's own words.
fn hung_up(error: &DialError) -> bool {
    let DialError::Transport(tried) = error else { return false };
    tried.iter().any(|(_, failed)| {
        let mut closed = false;
        let mut next: Option<&(dyn Error + 'static)> = Some(failed);
        while let Some(error) = next {
            if error.is::<ProxyError>() {
                return false;
            }
            closed |= error.is::<noise::Error>() || error.is::<NegotiationError>();
            next = error.source();
        }
        closed
    })
}

/// Dials, and waits until the node has said who it is: a refused dialler believes for a moment that it is connected.
async fn admitted(
    swarm: &mut Swarm<Caller>,
    node: PeerId,
    hub: Option<PeerId>,
    address: &Multiaddr,
) -> Result<(), ConnectError> {
    let failed = |cause: DialError| match cause {
        DialError::WrongPeerId { .. } => ConnectError::WrongNode(address.clone()),
        cause if hung_up(&cause) => ConnectError::HungUp { address: address.clone(), cause: Box::new(cause) },
        cause => ConnectError::Unreachable { address: address.clone(), cause: Box::new(cause) },
    };
    let call = DialOpts::peer_id(node).addresses(vec![address.clone()]).build();
    swarm.dial(call).map_err(failed)?;
    let behind = |cause| ConnectError::NotBehindHub { address: address.clone(), cause: Box::new(cause) };
    let mut at_hub = false;
    let mut not_behind = None;
    loop {
        match swarm.select_next_some().await {
            SwarmEvent::Behaviour(CallerEvent::Identify(identify::Event::Received { peer_id, .. })) => {
                if peer_id == node {
                    return Ok(());
                }
                at_hub = true;
                if let Some(error) = not_behind.take() {
                    return Err(behind(error));
                }
            }
            SwarmEvent::OutgoingConnectionError { error, .. } if at_hub => return Err(behind(error)),
            // The hub has not said whether it admits us: that comes first.
            SwarmEvent::OutgoingConnectionError { peer_id, error, .. } if hub.is_some() && peer_id == Some(node) => {
                not_behind = Some(error);
            }
            SwarmEvent::OutgoingConnectionError { error, .. } => return Err(failed(error)),
            SwarmEvent::ConnectionClosed { .. } => {
                return Err(ConnectError::Refused(address.clone()));
            }
            _ => {}
        }
    }
}

/// Carries questions and answers until the connection or the client is gone.
async fn run(mut swarm: Swarm<Caller>, node: PeerId, mut asked: mpsc::Receiver<(Request, Answer)>) {
    let mut asks = Asks::default();
    loop {
        tokio::select! {
            ask = asked.recv() => match ask {
                None => return,
                Some((request, answer)) => {
                    asks.ask(&mut swarm.behaviour_mut().direct, node, request, answer);
                }
            },
            event = swarm.select_next_some() => match event {
                SwarmEvent::Behaviour(CallerEvent::Direct(event)) => {
                    on_direct(&mut swarm, &mut asks, event);
                }
                // Dropping the questions tells who asked that they are lost.
                SwarmEvent::ConnectionClosed { .. } => return,
                _ => {}
            },
        }
    }
}

fn on_direct(swarm: &mut Swarm<Caller>, asks: &mut Asks, event: request_response::Event<Request, Response>) {
    let (id, result) = match event {
        request_response::Event::Message {
            message: request_response::Message::Response { request_id, response },
            ..
        } => (request_id, Ok(response)),
        request_response::Event::OutboundFailure { request_id, error, .. } => (request_id, Err(error.into())),
        // A client offers no protocol in which it could be asked.
        request_response::Event::Message { .. }
        | request_response::Event::InboundFailure { .. }
        | request_response::Event::ResponseSent { .. } => return,
    };
    asks.finish(&mut swarm.behaviour_mut().direct, id, result);
}
