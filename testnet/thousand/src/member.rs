//! A member: the gossip of a node with a node's own settings, and an owner that judges every announcement as a node does.

use crate::gossip::{self, Gossip};
use crate::line::Line;
use crate::run::Heard;
use clock::{Delay, Instant};
use futures::StreamExt as _;
use futures::future::{FutureExt as _, LocalBoxFuture};
use futures::stream::FuturesUnordered;
use libp2p::core::transport::{MemoryTransport, Transport as _};
use libp2p::core::upgrade::Version;
use libp2p::gossipsub::{Event, MessageAcceptance};
use libp2p::identity::Keypair;
use libp2p::swarm::{self, Swarm, SwarmEvent};
use libp2p::{Multiaddr, noise, yamux};
use protocol::ingress::receive;
use protocol::trust::roster::Roster;
use protocol::wire::id::{NetworkId, StatementId};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

/// Nothing is idle for so long here.
const IDLE: Duration = Duration::from_secs(86_400);

/// An announcement that is to be made.
pub(crate) struct Word {
    /// After this time.
    pub(crate) after: Duration,
    /// The signed statement.
    pub(crate) bytes: Vec<u8>,
}

/// What all members have in common.
pub(crate) struct Common {
    pub(crate) network: NetworkId,
    pub(crate) roster: Roster,
    /// The date, in seconds since 1970; it stands still.
    pub(crate) date: u64,
    /// How long a statement takes to the disk, before which nothing is forwarded.
    pub(crate) commit: Duration,
    pub(crate) heard: Heard,
    /// Bytes that all members have written.
    pub(crate) sent: Arc<AtomicU64>,
}

/// A member that listens at `listen`, if anywhere, and dials `dial`; `delay` draws a line's delay.
///
/// # Errors
/// When libp2p does not take a setting.
pub(crate) fn found(
    common: &Common,
    seed: [u8; 32],
    listen: Option<Multiaddr>,
    dial: &[Multiaddr],
    delay: impl Fn() -> Duration + Clone + Send + 'static,
) -> anyhow::Result<Swarm<Gossip>> {
    let key = Keypair::ed25519_from_bytes(seed)?;
    let sent = common.sent.clone();
    let transport = MemoryTransport::new()
        .map(move |channel, _| Line::new(channel, delay(), sent))
        .upgrade(Version::V1Lazy)
        .authenticate(noise::Config::new(&key)?)
        .multiplex(yamux::Config::default())
        .boxed();
    let behaviour = gossip::behaviour(&common.network, listen.is_some()).map_err(anyhow::Error::msg)?;
    let settings = swarm::Config::without_executor().with_idle_connection_timeout(IDLE);
    let mut swarm = Swarm::new(transport, behaviour, key.public().to_peer_id(), settings);
    if let Some(address) = listen {
        swarm.listen_on(address)?;
    }
    for address in dial {
        swarm.dial(address.clone())?;
    }
    Ok(swarm)
}

/// Lives: says its words, judges what it hears, forwards what is sound and on its disk.
pub(crate) async fn live(number: usize, mut swarm: Swarm<Gossip>, words: Vec<Word>, common: Rc<Common>) {
    let topic = gossip::topic(&common.network);
    let mut saying: FuturesUnordered<LocalBoxFuture<'static, Vec<u8>>> = words
        .into_iter()
        .map(|word| async move { Delay::new(word.after).map(|()| word.bytes).await }.boxed_local())
        .collect();
    let mut judging = FuturesUnordered::new();
    loop {
        futures::select_biased! {
            event = swarm.select_next_some() => {
                let SwarmEvent::Behaviour(Event::Message { propagation_source, message_id, message }) = event else { continue };
                let sound = receive(&message.data, &common.roster, common.date).is_ok();
                common.heard.note(StatementId::of(&message.data), number, Instant::now());
                let acceptance = if sound { MessageAcceptance::Accept } else { MessageAcceptance::Reject };
                judging.push(Delay::new(common.commit).map(move |()| (message_id, propagation_source, acceptance)));
            }
            (message, from, acceptance) = judging.select_next_some() => {
                swarm.behaviour_mut().report_message_validation_result(&message, &from, acceptance);
            }
            bytes = saying.select_next_some() => {
                common.heard.said(StatementId::of(&bytes), Instant::now());
                // Nobody listens: then it is not delivered, and counted as that.
                let _ = swarm.behaviour_mut().publish(topic.clone(), bytes);
            }
        }
    }
}
