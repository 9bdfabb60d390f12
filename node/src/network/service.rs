//! Starting the network, and the handle by which everyone else in the node uses it.

use super::admission::Members;
use super::announcements::{AnnounceError, Published};
use super::asks::{self, AskError};
use super::behaviour::{Node, Role};
use super::dialling::Dialling;
use super::event::Event;
use super::gossip::ANNOUNCEMENT_BYTES;
use super::peer::{self, PeerKey};
use super::proxy::Proxy;
use super::room::{Command, EVENTS, Listening, PeerInfo, Room, Standing};
use super::transport::{swarm_settings, transport};
use libp2p::multiaddr::Protocol;
use libp2p::{Multiaddr, PeerId, Swarm};
use protocol::wire::id::NetworkId;
use protocol::wire::message::{Request, Response};
use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};
use thiserror::Error;
use tokio::sync::{mpsc, oneshot, watch};
use zeroize::Zeroizing;

/// Commands that wait for the room; few, because a question may be a megabyte.
const COMMANDS: usize = 64;

/// How long listening may take to begin.
const LISTENING: Duration = Duration::from_secs(10);

/// Which network, and where its members are.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The federation.
    pub network: NetworkId,
    /// Where to listen, such as `/ip4/0.0.0.0/tcp/4001`. Empty: this node only dials out.
    pub listen: Vec<Multiaddr>,
    /// Whom to keep connected to; each ends in `/p2p/` and the peer.
    pub dial: Vec<Multiaddr>,
    /// Whether others depend on this node to forward between them.
    pub hub: bool,
    /// Through what this node dials; straight to the others where there is nothing.
    pub proxy: Option<Proxy>,
}

/// Why the network did not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// An address to dial does not say whom.
    #[error("`{0}` does not say whom to dial: end it with /p2p/ and the peer's id")]
    WhomToDial(Multiaddr),
    /// Listening failed.
    #[error("cannot listen on `{address}`: check that the address is this machine's and the port is free")]
    Listen {
        /// The address of the settings.
        address: Multiaddr,
        /// What the system says.
        #[source]
        cause: std::io::Error,
    },
    /// Listening did not begin in time.
    #[error("listening did not begin within 10 seconds: check the listen addresses")]
    NotListening,
    /// The key cannot authenticate.
    #[error("the node's peer key cannot authenticate connections: make a new one")]
    Key(#[source] libp2p::noise::Error),
    /// libp2p does not take a setting: a fault of this program.
    #[error("gossip refuses its settings ({0}): report this as a fault")]
    Gossip(String),
}

/// The network of this node. Clones use the same connections; when the last is gone, the network stops.
#[derive(Clone)]
pub struct Network {
    key: PeerKey,
    id: PeerId,
    commands: mpsc::Sender<Command>,
    listening: watch::Receiver<Listening>,
}

/// Listens, begins to dial, and returns when every listener is ready.
///
/// `identity_seed` is the seed of the node's Ed25519 peer key; `members` is followed for as long as the network runs.
/// Every [`Event::Announced`] and [`Event::Asked`] is answered on the slip that comes with it.
///
/// # Errors
/// See [`StartError`]. After an error nothing listens and nothing dials.
pub async fn start(
    identity_seed: Zeroizing<[u8; 32]>,
    settings: Settings,
    members: watch::Receiver<Members>,
) -> Result<(Network, mpsc::Receiver<Event>), StartError> {
    let identity = peer::keypair(identity_seed);
    let id = identity.public().to_peer_id();
    let key = peer::key_of(&id).expect("the name of an Ed25519 key holds the key");
    let dialling = Dialling::new(&settings.dial, &id, Instant::now()).map_err(StartError::WhomToDial)?;
    let role = if settings.hub { Role::Hub } else { Role::Node };
    let (transport, circuits) = transport(&identity, settings.proxy).map_err(StartError::Key)?;
    let behaviour = Node::new(identity.public(), &settings.network, role, circuits).map_err(StartError::Gossip)?;
    let mut swarm = Swarm::new(transport, behaviour, id, swarm_settings());
    for address in &settings.listen {
        let refused = |cause| StartError::Listen { address: address.clone(), cause };
        alone_at(address).map_err(refused)?;
        swarm.listen_on(address.clone()).map_err(|error| refused(std::io::Error::other(error)))?;
    }
    let (commands, commanded) = mpsc::channel(COMMANDS);
    let (told, events) = mpsc::channel(EVENTS);
    let (listens, mut listening) = watch::channel(Listening::default());
    let room = Room::new(swarm, &settings.network, role, commanded, told, members, dialling, listens);
    tokio::spawn(room.run());
    let expected = settings.listen.len();
    let ready = listening.wait_for(|listening| listening.ready.len() >= expected);
    // Returning drops `commands`, which stops the room.
    match tokio::time::timeout(LISTENING, ready).await {
        Ok(Ok(_)) => {}
        Ok(Err(_)) | Err(_) => return Err(StartError::NotListening),
    }
    Ok((Network { key, id, commands, listening }, events))
}

/// Whether nobody listens at `address` yet. libp2p shares its ports (`SO_REUSEPORT`), so that a second node of the same user would
/// take half of the first one's connections without a word; this socket shares nothing.
fn alone_at(address: &Multiaddr) -> std::io::Result<()> {
    let mut parts = address.iter();
    let place: SocketAddr = match (parts.next(), parts.next()) {
        (Some(Protocol::Ip4(host)), Some(Protocol::Tcp(port))) => (host, port).into(),
        (Some(Protocol::Ip6(host)), Some(Protocol::Tcp(port))) => (host, port).into(),
        // What else there is, libp2p judges.
        _ => return Ok(()),
    };
    TcpListener::bind(place).map(drop)
}

impl Network {
    /// This node's own peer key.
    #[must_use]
    pub fn key(&self) -> PeerKey {
        self.key
    }

    /// The addresses that this node listens on, each as others dial it (with `/p2p/`); those through hubs, where it has a place, come last.
    #[must_use]
    pub fn local_addresses(&self) -> Vec<Multiaddr> {
        let listening = self.listening.borrow();
        let addresses = listening.addresses.iter().chain(listening.circuits.values());
        addresses.map(|address| address.clone().with(Protocol::P2p(self.id))).collect()
    }

    /// Announces `bytes`, which the caller has made durable before. Nobody being there to hear it is no error.
    ///
    /// # Errors
    /// See [`AnnounceError`].
    pub async fn announce(&self, bytes: Vec<u8>) -> Result<Published, AnnounceError> {
        if bytes.len() > ANNOUNCEMENT_BYTES {
            return Err(AnnounceError::TooLarge { bytes: bytes.len() });
        }
        let (reply, published) = oneshot::channel();
        let command = Command::Announce { bytes, reply };
        self.commands.send(command).await.map_err(|_| AnnounceError::Stopped)?;
        published.await.map_err(|_| AnnounceError::Stopped)?
    }

    /// Asks a member, and waits at most 30 seconds after the question was sent. Eight questions travel to one peer at once;
    /// more wait their turn. A member that is not connected is dialled through the hubs that are.
    ///
    /// # Errors
    /// See [`AskError`].
    pub async fn ask(&self, peer: PeerKey, request: Request) -> Result<Response, AskError> {
        asks::bounded(&request)?;
        let peer = peer::id_of(&peer).ok_or(AskError::NotConnected)?;
        let (answer, answered) = oneshot::channel();
        let command = Command::Ask { peer, request, answer };
        self.commands.send(command).await.map_err(|_| AskError::Stopped)?;
        answered.await.map_err(|_| AskError::Stopped)?
    }

    /// The members that are connected; none when the network has stopped.
    pub async fn peers(&self) -> Vec<PeerInfo> {
        let (reply, peers) = oneshot::channel();
        if self.commands.send(Command::Peers { reply }).await.is_err() {
            return Vec::new();
        }
        peers.await.unwrap_or_default()
    }

    /// How this node stands among the peers that its settings name; among nobody when the network has stopped.
    pub async fn standing(&self) -> Standing {
        let (reply, standing) = oneshot::channel();
        if self.commands.send(Command::Standing { reply }).await.is_err() {
            return Standing::default();
        }
        standing.await.unwrap_or_default()
    }

    /// Stops: the listeners and connections are closed when this returns, and no event follows.
    pub async fn stop(self) {
        let (reply, done) = oneshot::channel();
        if self.commands.send(Command::Stop { reply }).await.is_ok() {
            // An error means that the room is gone, which is what is wanted.
            let _ = done.await;
        }
    }
}
