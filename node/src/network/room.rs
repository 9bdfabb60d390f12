//! The loop of the network: commands and socket events in, events and answers out. It ends on stop, or when its last handle is dropped.

use super::admission;
use super::announcements::Announcements;
use super::asks::{Answer, AskError, Asks};
use super::behaviour::{Node, NodeEvent, Role};
use super::dialling::Dialling;
use super::event::{AnswerReply, Event, Verdict, VerdictReply};
use super::gossip::{self, ANNOUNCEMENT_BYTES};
use super::peer::key_of;
use super::service::{AnnounceError, Members, PeerInfo, Published};
use super::tally::Tally;
use futures::StreamExt as _;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use libp2p::core::transport::ListenerId;
use libp2p::gossipsub::{self, MessageAcceptance, MessageId, PublishError, TopicHash};
use libp2p::request_response::{self, ResponseChannel};
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::swarm::{DialError, SwarmEvent};
use libp2p::{Multiaddr, PeerId, Swarm, identify, ping};
use protocol::wire::id::NetworkId;
use protocol::wire::message::{Request, Response};
use std::collections::{HashMap, HashSet, VecDeque};
use std::time::{Instant, SystemTime};
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
    Announce {
        bytes: Vec<u8>,
        reply: oneshot::Sender<Result<Published, AnnounceError>>,
    },
    Ask {
        peer: PeerId,
        request: Request,
        answer: Answer,
    },
    Peers {
        reply: oneshot::Sender<Vec<PeerInfo>>,
    },
    Stop {
        reply: oneshot::Sender<()>,
    },
}

/// Where the room listens.
#[derive(Default)]
pub(super) struct Listening {
    pub(super) ready: HashSet<ListenerId>,
    pub(super) addresses: Vec<Multiaddr>,
}

/// What is known of a connected peer.
struct Link {
    address: Multiaddr,
    since: SystemTime,
    outbound: bool,
    /// Set once the peer has spoken: a refused dialler believes for a moment that it is connected.
    role: Option<Role>,
}

/// A message whose verdict has come.
type Judged = BoxFuture<'static, (MessageId, PeerId, Verdict)>;

/// A question whose answer has come, or was declined.
type Answered = BoxFuture<'static, (ResponseChannel<Response>, PeerId, Option<Response>)>;

/// The loop's state.
pub(super) struct Room {
    swarm: Swarm<Node>,
    topic: TopicHash,
    commands: mpsc::Receiver<Command>,
    events: mpsc::Sender<Event>,
    members: watch::Receiver<Members>,
    dialling: Dialling,
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
    pub(super) fn new(
        swarm: Swarm<Node>,
        network: &NetworkId,
        commands: mpsc::Receiver<Command>,
        events: mpsc::Sender<Event>,
        members: watch::Receiver<Members>,
        dialling: Dialling,
        listening: watch::Sender<Listening>,
    ) -> Self {
        Self {
            swarm,
            topic: gossip::topic(network).hash(),
            commands,
            events,
            members,
            dialling,
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
            let next = self.dialling.next();
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
                () = until(next) => self.dial_due(),
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

    fn dial_due(&mut self) {
        let allowed = self.swarm.behaviour().admission.allowed_peers();
        let due = self
            .dialling
            .take_due(Instant::now(), |peer| allowed.contains(peer));
        for (peer, addresses) in due {
            let call = DialOpts::peer_id(peer)
                .condition(PeerCondition::DisconnectedAndNotDialing)
                .addresses(addresses)
                .build();
            match self.swarm.dial(call) {
                // Connected or being dialled by other means: the end of that is reported.
                Ok(()) | Err(DialError::DialPeerConditionFalse(_)) => {}
                Err(error) => self.unreachable(&peer, &error),
            }
        }
    }

    fn unreachable(&mut self, peer: &PeerId, error: &DialError) {
        match error {
            DialError::WrongPeerId { obtained, address } => tracing::warn!(
                %peer, %obtained, %address,
                "another peer answers at this address: correct the address in the settings"
            ),
            error => tracing::debug!(%peer, %error, "not reached, will be dialled again"),
        }
        if !self.swarm.is_connected(peer) {
            self.dialling.lost(peer, Instant::now(), chance());
        }
    }

    fn on_command(&mut self, command: Command) {
        match command {
            Command::Announce { bytes, reply } => {
                let _ = reply.send(self.announce(bytes));
            }
            Command::Ask {
                peer,
                request,
                answer,
            } => {
                if self
                    .links
                    .get(&peer)
                    .is_some_and(|link| link.role.is_some())
                {
                    let direct = &mut self.swarm.behaviour_mut().direct;
                    self.asks.ask(direct, peer, request, answer);
                } else {
                    let _ = answer.send(Err(AskError::NotConnected));
                }
            }
            Command::Peers { reply } => {
                let _ = reply.send(self.peers());
            }
            // Taken out by the loop.
            Command::Stop { reply } => drop(reply),
        }
    }

    fn peers(&self) -> Vec<PeerInfo> {
        let info = |(peer, link): (&PeerId, &Link)| {
            Some(PeerInfo {
                key: key_of(peer)?,
                address: link.address.clone(),
                since: link.since,
                outbound: link.outbound,
                role: link.role?,
            })
        };
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
                Ok(Published::To(
                    gossip
                        .all_peers()
                        .filter(|(_, topics)| listens(topics))
                        .count(),
                ))
            }
            Err(PublishError::NoPeersSubscribedToTopic) => Ok(Published::NobodyYet),
            Err(PublishError::Duplicate) => Ok(Published::Before),
            Err(PublishError::MessageTooLarge) => {
                Err(AnnounceError::TooLarge { bytes: bytes.len() })
            }
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

    fn report(&mut self, id: &MessageId, from: &PeerId, verdict: Verdict) {
        let acceptance = match verdict {
            Verdict::Accept => MessageAcceptance::Accept,
            Verdict::Ignore => MessageAcceptance::Ignore,
            Verdict::Reject => MessageAcceptance::Reject,
        };
        let gossip = &mut self.swarm.behaviour_mut().gossip;
        if !gossip.report_message_validation_result(id, from, acceptance) {
            tracing::debug!(%id, "the verdict came too late to forward");
        }
    }

    fn on_swarm(&mut self, event: SwarmEvent<NodeEvent>) {
        match event {
            SwarmEvent::Behaviour(event) => self.on_behaviour(event),
            SwarmEvent::ConnectionEstablished {
                peer_id, endpoint, ..
            } => {
                self.dialling.connected(&peer_id);
                self.links.entry(peer_id).or_insert_with(|| Link {
                    address: endpoint.get_remote_address().clone(),
                    since: SystemTime::now(),
                    outbound: endpoint.is_dialer(),
                    role: None,
                });
            }
            SwarmEvent::ConnectionClosed {
                peer_id,
                num_established: 0,
                ..
            } => {
                self.disconnected(peer_id);
            }
            SwarmEvent::OutgoingConnectionError {
                peer_id: Some(peer),
                error,
                ..
            } => {
                self.unreachable(&peer, &error);
            }
            SwarmEvent::IncomingConnectionError { peer_id, error, .. } => {
                tracing::debug!(peer = ?peer_id, %error, "a connection was not admitted");
            }
            SwarmEvent::NewListenAddr {
                listener_id,
                address,
            } => {
                tracing::info!(%address, "listening");
                self.listening.send_modify(|listening| {
                    listening.ready.insert(listener_id);
                    listening.addresses.push(address);
                });
            }
            SwarmEvent::ExpiredListenAddr { address, .. } => {
                tracing::warn!(%address, "no longer listening");
                self.listening.send_modify(|listening| {
                    listening.addresses.retain(|known| *known != address);
                });
            }
            SwarmEvent::ListenerClosed { addresses, .. } => {
                tracing::error!(?addresses, "a listener ended: restart the node");
                self.listening.send_modify(|listening| {
                    listening
                        .addresses
                        .retain(|known| !addresses.contains(known));
                });
            }
            SwarmEvent::ListenerError { error, .. } => {
                tracing::warn!(%error, "a connection could not be taken");
            }
            _ => {}
        }
    }

    fn disconnected(&mut self, peer: PeerId) {
        self.dialling.lost(&peer, Instant::now(), chance());
        self.asks.lost(&peer);
        let spoken = self
            .links
            .remove(&peer)
            .is_some_and(|link| link.role.is_some());
        let Some(key) = key_of(&peer).filter(|_| spoken) else {
            tracing::debug!(%peer, "closed before it spoke: it may not have admitted this node");
            return;
        };
        let last = self.news.iter().rposition(|(of, _)| *of == peer);
        match last.map(|at| (at, &self.news[at].1)) {
            // An arrival that the owner has not heard of is taken back.
            Some((at, Event::Connected { .. })) => {
                self.news.remove(at);
            }
            _ => self
                .news
                .push_back((peer, Event::Disconnected { peer: key })),
        }
    }

    fn on_behaviour(&mut self, event: NodeEvent) {
        match event {
            NodeEvent::Gossip(event) => self.on_gossip(event),
            NodeEvent::Direct(event) => self.on_direct(event),
            NodeEvent::Identify(identify::Event::Received { peer_id, info, .. }) => {
                self.spoke(peer_id, Role::of_agent(&info.agent_version));
            }
            NodeEvent::Identify(_) => {}
            NodeEvent::Ping(ping::Event {
                peer,
                connection,
                result,
            }) => match result {
                Ok(_) | Err(ping::Failure::Unsupported) => {}
                Err(error) => {
                    // libp2p only reports this; a peer that vanished without a word would stay for ever.
                    tracing::debug!(%peer, %error, "no answer to a ping, closing");
                    self.swarm.close_connection(connection);
                }
            },
            NodeEvent::Admission(never) | NodeEvent::Limits(never) | NodeEvent::Memory(never) => {
                match never {}
            }
        }
    }

    /// `peer` has said who it is, so it has admitted us.
    fn spoke(&mut self, peer: PeerId, role: Role) {
        let (Some(link), Some(key)) = (self.links.get_mut(&peer), key_of(&peer)) else {
            return;
        };
        if link.role.replace(role).is_none() {
            let outbound = link.outbound;
            self.dialling.settled(&peer);
            self.news.push_back((
                peer,
                Event::Connected {
                    peer: key,
                    role,
                    outbound,
                },
            ));
        }
    }

    fn on_gossip(&mut self, event: gossipsub::Event) {
        match event {
            gossipsub::Event::Message {
                propagation_source,
                message_id,
                message,
            } => {
                self.judge(message_id, propagation_source, message.data);
            }
            gossipsub::Event::Subscribed { topic, .. } if topic == self.topic => {
                self.publish_waiting();
            }
            gossipsub::Event::SlowPeer { peer_id, .. } => {
                tracing::debug!(peer = %peer_id, "a peer is behind with what is announced");
            }
            _ => {}
        }
    }

    /// Asks the owner for a verdict. What cannot be asked for is ignored, and every message gets its report.
    fn judge(&mut self, id: MessageId, source: PeerId, bytes: Vec<u8>) {
        if bytes.len() > ANNOUNCEMENT_BYTES {
            return self.report(&id, &source, Verdict::Reject);
        }
        let Some(from) = key_of(&source).filter(|_| self.judging.take(source)) else {
            return self.report(&id, &source, Verdict::Ignore);
        };
        let (verdict, read) = VerdictReply::new();
        // Not taken (the owner is behind, or gone): the slip is dropped, which is Ignore.
        let _ = self.events.try_send(Event::Announced {
            from,
            bytes,
            verdict,
        });
        self.verdicts.push(Box::pin(async move {
            (id, source, read.await.unwrap_or(Verdict::Ignore))
        }));
    }

    fn on_direct(&mut self, event: request_response::Event<Request, Response>) {
        let direct = &mut self.swarm.behaviour_mut().direct;
        match event {
            request_response::Event::Message { peer, message, .. } => match message {
                request_response::Message::Request {
                    request, channel, ..
                } => {
                    self.asked(peer, request, channel);
                }
                request_response::Message::Response {
                    request_id,
                    response,
                } => {
                    self.asks.finish(direct, request_id, Ok(response));
                }
            },
            request_response::Event::OutboundFailure {
                request_id, error, ..
            } => {
                self.asks.finish(direct, request_id, Err(error.into()));
            }
            request_response::Event::InboundFailure { peer, error, .. } => {
                tracing::debug!(%peer, %error, "a question was not answered");
            }
            request_response::Event::ResponseSent { .. } => {}
        }
    }

    fn asked(&mut self, peer: PeerId, request: Request, channel: ResponseChannel<Response>) {
        let Some(from) = key_of(&peer).filter(|_| self.answering.take(peer)) else {
            // Dropping the channel declines.
            return;
        };
        let (answer, read) = AnswerReply::new();
        // Not taken (the owner is behind, or gone): the slip is dropped, which declines.
        let _ = self.events.try_send(Event::Asked {
            from,
            request,
            answer,
        });
        self.answers
            .push(Box::pin(async move { (channel, peer, read.await.ok()) }));
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

/// Randomness for pauses. Where the system has none, every pause is its shortest.
fn chance() -> u64 {
    getrandom::u64().unwrap_or(0)
}
