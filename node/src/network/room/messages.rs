//! What members say: announcements go up for a verdict, questions for an answer, and every one of them is accounted for.

use super::super::event::{AnswerReply, Event, Verdict, VerdictReply};
use super::super::gossip::ANNOUNCEMENT_BYTES;
use super::super::peer::key_of;
use super::Room;
use libp2p::PeerId;
use libp2p::gossipsub::{self, MessageAcceptance, MessageId};
use libp2p::request_response::{self, ResponseChannel};
use protocol::wire::message::{Request, Response};

impl Room {
    pub(super) fn on_gossip(&mut self, event: gossipsub::Event) {
        match event {
            gossipsub::Event::Message { propagation_source, message_id, message } => {
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
        let _ = self.events.try_send(Event::Announced { from, bytes, verdict });
        self.verdicts.push(Box::pin(async move { (id, source, read.await.unwrap_or(Verdict::Ignore)) }));
    }

    pub(super) fn report(&mut self, id: &MessageId, from: &PeerId, verdict: Verdict) {
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

    pub(super) fn on_direct(&mut self, event: request_response::Event<Request, Response>) {
        let direct = &mut self.swarm.behaviour_mut().direct;
        match event {
            request_response::Event::Message { peer, message, .. } => match message {
                request_response::Message::Request { request, channel, .. } => {
                    self.asked(peer, request, channel);
                }
                request_response::Message::Response { request_id, response } => {
                    self.asks.finish(direct, request_id, Ok(response));
                }
            },
            request_response::Event::OutboundFailure { request_id, error, .. } => {
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
        let _ = self.events.try_send(Event::Asked { from, request, answer });
        self.answers.push(Box::pin(async move { (channel, peer, read.await.ok()) }));
    }
}
