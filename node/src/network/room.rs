//! The loop of the network: commands and socket events in, events and answers out. It ends on stop, or when its last handle is dropped.

mod connections;
mod link;
mod messages;
mod standing;
mod ways;

pub use link::PeerInfo;
pub use standing::{Named, Standing};

use super::admission::{self, Members};
use super::alarm::Alarm;
use super::announcements::{AnnounceError, Announcements, Published};
use super::asks::{Answer, AskError, Asks};
use super::behaviour::{Node, Role};
use super::dialling::Dialling;
use super::event::{Event, Verdict};
use super::gossip;
use super::reservations::Reservations;
use super::tally::Tally;
use futures::StreamExt as _;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use libp2p::core::transport::ListenerId;
use libp2p::gossipsub::{MessageId, PublishError, TopicHash};
use libp2p::request_response::ResponseChannel;
use libp2p::{Multiaddr, PeerId, Swarm};
use link::Link;
use protocol::wire::id::NetworkId;
use protocol::wire::message::{Request, Response};
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::time::Instant;
use tokio::sync::{mpsc, oneshot, watch};

/// Announcements without a verdict, of all peers: at most 32 MB. Above it they are ignored, and catching up brings them.
const JUDGED: usize = 512;

/// Announcements without a verdict of one peer, so that a flood leaves room for the others.
const JUDGED_EACH: usize = 256;

/// Questions without an answer, of all peers. Above it they are declined.
const ASKED: usize = 256;

/// Questions without an answer of one peer: what its two connections can carry.
const ASKED_EACH: usize = 64;

/// Events that wait for the owner: all that may be without verdict or answer, and as many arrivals and departures.
pub(super) const EVENTS: usize = JUDGED + ASKED + 256;

/// What a handle asks of the room.
pub(super) enum Command {
    Announce { bytes: Vec<u8>, reply: oneshot::Sender<Result<Published, AnnounceError>> },
    Ask { peer: PeerId, request: Request, answer: Answer },
    Peers { reply: oneshot::Sender<Vec<PeerInfo>> },
    Standing { reply: oneshot::Sender<Standing> },
    Stop { reply: oneshot::Sender<()> },
}

/// Where the room listens.
#[derive(Default)]
pub(super) struct Listening {
    pub(super) ready: HashSet<ListenerId>,
    pub(super) addresses: Vec<Multiaddr>,
    /// Where others reach us through hubs, by hub.
    pub(super) circuits: BTreeMap<PeerId, Multiaddr>,
}

/// A message whose verdict has come.
type Judged = BoxFuture<'static, (MessageId, PeerId, Verdict)>;

/// A question whose answer has come, or was declined.
type Answered = BoxFuture<'static, (ResponseChannel<Response>, PeerId, Option<Response>)>;

/// The loop's state.
pub(super) struct Room {
    swarm: Swarm<Node>,
    topic: TopicHash,
    role: Role,
    commands: mpsc::Receiver<Command>,
    events: mpsc::Sender<Event>,
    members: watch::Receiver<Members>,
    dialling: Dialling,
    reservations: Reservations,
    alarm: Alarm,
    listening: watch::Sender<Listening>,
    links: HashMap<PeerId, Link>,
    /// Arrivals and departures that the owner has not been told; at most two for each peer.
    news: VecDeque<(PeerId, Event)>,
    announcements: Announcements,
    asks: Asks,
    verdicts: FuturesUnordered<Judged>,
    judging: Tally,
    answers: FuturesUnordered<Answered>,
    answering: Tally,
}

impl Room {
    #[allow(
        clippy::too_many_arguments,
        reason = "each is one end of a channel or one part, and all are named where the room is made"
    )]
    pub(super) fn new(
        swarm: Swarm<Node>,
        network: &NetworkId,
        role: Role,
        commands: mpsc::Receiver<Command>,
        events: mpsc::Sender<Event>,
        members: watch::Receiver<Members>,
        dialling: Dialling,
        listening: watch::Sender<Listening>,
    ) -> Self {
        Self {
            swarm,
            topic: gossip::topic(network).hash(),
            role,
            alarm: Alarm::new(dialling.peers().count(), Instant::now()),
            commands,
            events,
            members,
            dialling,
            reservations: Reservations::default(),
            listening,
            links: HashMap::new(),
            news: VecDeque::new(),
            announcements: Announcements::default(),
            asks: Asks::default(),
            verdicts: FuturesUnordered::new(),
            judging: Tally::new(JUDGED_EACH, JUDGED),
            answers: FuturesUnordered::new(),
            answering: Tally::new(ASKED_EACH, ASKED),
        }
    }

    /// Runs until stopped.
    pub(super) async fn run(mut self) {
        self.follow_members();
        let mut followed = true;
        let mut owned = true;
        let stopped = loop {
            let next = [self.dialling.next(), self.reservations.next(), self.alarm.next()].into_iter().flatten().min();
            tokio::select! {
                event = self.swarm.select_next_some() => self.on_swarm(event),
                command = self.commands.recv() => match command {
                    None => break None,
                    Some(Command::Stop { reply }) => break Some(reply),
                    Some(command) => self.on_command(command),
                },
                Some((id, from, verdict)) = self.verdicts.next() => {
                    self.judging.give_back(&from);
                    self.report(&id, &from, verdict);
                }
                Some((channel, from, response)) = self.answers.next() => {
                    self.answering.give_back(&from);
                    if let Some(response) = response {
                        // The asking peer may be gone meanwhile.
                        let _ = self.swarm.behaviour_mut().direct.send_response(channel, response);
                    }
                }
                changed = self.members.changed(), if followed => match changed {
                    Ok(()) => self.follow_members(),
                    // Nobody decides on membership any more: the last decision stands.
                    Err(_) => followed = false,
                },
                () = until(next) => {
                    self.dial_due();
                    self.reserve_due();
                    self.look_around();
                }
                taken = room_for_one(&self.events), if owned && !self.news.is_empty() => {
                    owned = taken;
                    self.tell();
                }
            }
        };
        drop(self);
        if let Some(reply) = stopped {
            // Who stopped us need not wait for it.
            let _ = reply.send(());
        }
    }

    /// Tells the owner the oldest news, for which there is room: nobody else sends. Without an owner they are dropped.
    fn tell(&mut self) {
        if let Some((_, event)) = self.news.pop_front() {
            let _ = self.events.try_send(event);
        }
    }

    fn follow_members(&mut self) {
        let members = Members::clone(&self.members.borrow_and_update());
        admission::follow(&mut self.swarm.behaviour_mut().admission, &members);
        self.dialling.membership_changed(Instant::now());
    }

    fn on_command(&mut self, command: Command) {
        match command {
            Command::Announce { bytes, reply } => {
                let _ = reply.send(self.announce(bytes));
            }
            Command::Ask { peer, request, answer } => {
                if self.links.get(&peer).is_some_and(|link| link.role.is_some()) {
                    let direct = &mut self.swarm.behaviour_mut().direct;
                    self.asks.ask(direct, peer, request, answer);
                } else if self.call_through_hubs(peer) {
                    self.asks.wait(peer, request, answer);
                } else {
                    let _ = answer.send(Err(AskError::NotConnected));
                }
            }
            Command::Peers { reply } => {
                let _ = reply.send(self.peers());
            }
            Command::Standing { reply } => {
                let _ = reply.send(self.standing());
            }
            // Taken out by the loop.
            Command::Stop { reply } => drop(reply),
        }
    }

    fn peers(&self) -> Vec<PeerInfo> {
        let gossip = &self.swarm.behaviour().gossip;
        let info = |(peer, link): (&PeerId, &Link)| link.info(peer, gossip.peer_score(peer).unwrap_or(0.0));
        self.links.iter().filter_map(info).collect()
    }

    fn announce(&mut self, bytes: Vec<u8>) -> Result<Published, AnnounceError> {
        let published = self.publish(&bytes)?;
        if published == Published::NobodyYet {
            self.announcements.keep(bytes);
        }
        Ok(published)
    }

    fn publish(&mut self, bytes: &[u8]) -> Result<Published, AnnounceError> {
        let gossip = &mut self.swarm.behaviour_mut().gossip;
        match gossip.publish(self.topic.clone(), bytes) {
            Ok(_) => {
                let listens = |topics: &Vec<&TopicHash>| topics.contains(&&self.topic);
                Ok(Published::To(gossip.all_peers().filter(|(_, topics)| listens(topics)).count()))
            }
            Err(PublishError::NoPeersSubscribedToTopic) => Ok(Published::NobodyYet),
            Err(PublishError::Duplicate) => Ok(Published::Before),
            Err(PublishError::MessageTooLarge) => Err(AnnounceError::TooLarge { bytes: bytes.len() }),
            // The other kinds (signing, compression) do not occur in anonymous, plain gossip.
            Err(_) => Err(AnnounceError::Congested),
        }
    }

    /// Somebody listens: what waited goes out.
    fn publish_waiting(&mut self) {
        while let Some(bytes) = self.announcements.oldest() {
            if self.publish(&bytes) == Ok(Published::NobodyYet) {
                self.announcements.put_back(bytes);
                return;
            }
        }
    }
}

/// Waits until the owner has room for one more event; `false` where there is no owner any more.
async fn room_for_one(events: &mpsc::Sender<Event>) -> bool {
    events.reserve().await.is_ok()
}

/// Waits for `time`, or for ever.
async fn until(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time.into()).await,
        None => std::future::pending().await,
    }
}
