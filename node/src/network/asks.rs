//! Questions on their way: at most a few at once for each peer, the others wait their turn.

use super::direct::{self, Direct, IN_FLIGHT, QUESTION_BYTES};
use libp2p::PeerId;
use libp2p::request_response::{OutboundFailure, OutboundRequestId};
use protocol::wire::message::{Request, Response};
use std::collections::{HashMap, VecDeque};
use std::io;
use thiserror::Error;
use tokio::sync::oneshot;

/// Questions that wait for their turn, for all peers together; each may be a megabyte.
const WAITING: usize = 128;

/// Why a question has no answer.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum AskError {
    /// There is no connection to this peer and no way through a hub, or it has not admitted us.
    #[error(
        "no connection to this member, and none through a hub: wait until it is connected, and check that both are enrolled"
    )]
    NotConnected,
    /// The question was not sent.
    #[error("the question is {bytes} bytes long and at most {QUESTION_BYTES} are sent: ask in smaller parts")]
    TooLarge {
        /// Its length on the wire.
        bytes: usize,
    },
    /// Too many questions wait here already.
    #[error("too many questions are waiting: ask again when some are answered")]
    Busy,
    /// The peer took the question and gave no answer.
    #[error("the member declined to answer: ask another one, or again later")]
    Refused,
    /// 30 seconds passed. Whether the peer acted on the question is not known.
    #[error("the member did not answer within 30 seconds: ask again")]
    Timeout,
    /// The connection or the stream ended. Whether the peer acted on the question is not known.
    #[error("the connection ended before the answer: ask again")]
    Lost,
    /// The answer is longer than is taken, or is no message of this protocol.
    #[error("the member's answer is not a message of this version: ask another one")]
    Invalid,
    /// The peer does not speak `/quintes/direct/1`.
    #[error("the member answers no questions in this version of the protocol: ask another one")]
    Unsupported,
    /// This node's network has stopped.
    #[error("the network of this node has stopped: start the node again")]
    Stopped,
}

impl From<OutboundFailure> for AskError {
    fn from(failure: OutboundFailure) -> Self {
        match failure {
            OutboundFailure::DialFailure => Self::NotConnected,
            OutboundFailure::Timeout => Self::Timeout,
            OutboundFailure::ConnectionClosed => Self::Lost,
            OutboundFailure::UnsupportedProtocols => Self::Unsupported,
            OutboundFailure::Io(error) => match error.kind() {
                io::ErrorKind::UnexpectedEof => Self::Refused,
                io::ErrorKind::InvalidData | io::ErrorKind::FileTooLarge => Self::Invalid,
                _ => Self::Lost,
            },
        }
    }
}

/// Where the answer goes.
pub(super) type Answer = oneshot::Sender<Result<Response, AskError>>;

/// Says whether `request` may be sent at all.
///
/// # Errors
/// [`AskError::TooLarge`].
pub(super) fn bounded(request: &Request) -> Result<(), AskError> {
    let bytes = direct::size(request);
    if bytes > QUESTION_BYTES {
        return Err(AskError::TooLarge { bytes });
    }
    Ok(())
}

/// The questions of this process, sent and waiting.
#[derive(Default)]
pub(super) struct Asks {
    sent: HashMap<OutboundRequestId, (PeerId, Answer)>,
    by_peer: HashMap<PeerId, Line>,
    waiting: usize,
}

#[derive(Default)]
struct Line {
    sent: usize,
    waiting: VecDeque<(Request, Answer)>,
}

impl Asks {
    /// Sends `request` to a connected peer, now or when its turn comes.
    pub(super) fn ask(&mut self, direct: &mut Direct, peer: PeerId, request: Request, answer: Answer) {
        let line = self.by_peer.entry(peer).or_default();
        if line.sent < IN_FLIGHT {
            line.sent += 1;
            let id = direct.send_request(&peer, request);
            self.sent.insert(id, (peer, answer));
        } else if self.waiting < WAITING {
            self.waiting += 1;
            line.waiting.push_back((request, answer));
        } else {
            // Who asked may have given up; then nobody is told.
            let _ = answer.send(Err(AskError::Busy));
        }
    }

    /// Keeps `request` until `peer` is connected, which was dialled for it; [`Asks::connected`] or [`Asks::unreachable`] follows.
    pub(super) fn wait(&mut self, peer: PeerId, request: Request, answer: Answer) {
        if self.waiting < WAITING {
            self.waiting += 1;
            self.by_peer.entry(peer).or_default().waiting.push_back((request, answer));
        } else {
            let _ = answer.send(Err(AskError::Busy));
        }
    }

    /// `peer` is connected: what waits for it goes out, as much as may travel at once.
    pub(super) fn connected(&mut self, direct: &mut Direct, peer: PeerId) {
        let Some(line) = self.by_peer.get_mut(&peer) else { return };
        while line.sent < IN_FLIGHT
            && let Some((request, answer)) = line.waiting.pop_front()
        {
            self.waiting -= 1;
            line.sent += 1;
            self.sent.insert(direct.send_request(&peer, request), (peer, answer));
        }
    }

    /// `peer` was not reached: who waits for it is told.
    pub(super) fn unreachable(&mut self, peer: &PeerId) {
        self.decline(peer, AskError::NotConnected);
    }

    /// Hands over the result of a question and sends the next one in its line.
    pub(super) fn finish(&mut self, direct: &mut Direct, id: OutboundRequestId, result: Result<Response, AskError>) {
        let Some((peer, answer)) = self.sent.remove(&id) else {
            return;
        };
        let _ = answer.send(result);
        let Some(line) = self.by_peer.get_mut(&peer) else {
            return;
        };
        line.sent -= 1;
        while let Some((request, answer)) = line.waiting.pop_front() {
            self.waiting -= 1;
            if answer.is_closed() {
                continue;
            }
            line.sent += 1;
            let id = direct.send_request(&peer, request);
            self.sent.insert(id, (peer, answer));
            break;
        }
        if line.sent == 0 {
            self.by_peer.remove(&peer);
        }
    }

    /// The last connection to `peer` has ended: who waits is told. What was sent ends by itself.
    pub(super) fn lost(&mut self, peer: &PeerId) {
        self.decline(peer, AskError::Lost);
    }

    fn decline(&mut self, peer: &PeerId, error: AskError) {
        let Some(line) = self.by_peer.get_mut(peer) else {
            return;
        };
        for (_, answer) in line.waiting.drain(..) {
            self.waiting -= 1;
            let _ = answer.send(Err(error));
        }
        if line.sent == 0 {
            self.by_peer.remove(peer);
        }
    }
}
