//! What the network tells its owner, and the two slips on which the owner answers.

use super::behaviour::Role;
use super::peer::PeerKey;
use protocol::wire::message::{Request, Response};
use std::fmt;
use tokio::sync::oneshot;

/// What the owner thinks of an announcement, and so of the peer that forwarded it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Sound: forward it.
    Accept,
    /// Not for us to judge, or known already: do not forward it, blame nobody.
    Ignore,
    /// Forged or malformed: do not forward it, and blame the peer that did.
    Reject,
}

/// The slip on which the verdict is written. Dropping it is [`Verdict::Ignore`].
///
/// Gossip keeps a message for 12 heartbeats of one second: an [`Verdict::Accept`] after that forwards nothing.
pub struct VerdictReply(oneshot::Sender<Verdict>);

impl VerdictReply {
    /// A slip, and where the room reads it.
    pub(super) fn new() -> (Self, oneshot::Receiver<Verdict>) {
        let (slip, read) = oneshot::channel();
        (Self(slip), read)
    }

    /// Gives the verdict.
    pub fn give(self, verdict: Verdict) {
        // The room may have stopped meanwhile; then nobody is left to forward to.
        let _ = self.0.send(verdict);
    }
}

/// The slip on which the answer is written. Dropping it refuses: the asking peer gets no answer.
pub struct AnswerReply(oneshot::Sender<Response>);

impl AnswerReply {
    /// A slip, and where the room reads it.
    pub(super) fn new() -> (Self, oneshot::Receiver<Response>) {
        let (slip, read) = oneshot::channel();
        (Self(slip), read)
    }

    /// Answers. An answer of more than [`super::ANSWER_BYTES`] is not sent; the asking peer gets none.
    pub fn give(self, response: Response) {
        // The asking peer may be gone meanwhile.
        let _ = self.0.send(response);
    }
}

/// What happened between us and the other members.
pub enum Event {
    /// An announcement arrived by gossip, at most [`super::ANNOUNCEMENT_BYTES`] long.
    Announced {
        /// The member that forwarded it; who wrote it stands in the bytes.
        from: PeerKey,
        /// The announcement, not verified.
        bytes: Vec<u8>,
        /// To be answered within ten seconds.
        verdict: VerdictReply,
    },
    /// A member asks.
    Asked {
        /// The member.
        from: PeerKey,
        /// Its question, decoded and bounded in bytes, not verified.
        request: Request,
        /// To be answered within 30 seconds.
        answer: AnswerReply,
    },
    /// A member is connected and has admitted us.
    Connected {
        /// The member.
        peer: PeerKey,
        /// What it says of itself.
        role: Role,
        /// Whether we dialled.
        outbound: bool,
    },
    /// The last connection to a member has ended.
    Disconnected {
        /// The member.
        peer: PeerKey,
    },
}

/// Without anything that a member said.
impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Announced { bytes, .. } => write!(f, "Announced({} bytes)", bytes.len()),
            Self::Asked { .. } => f.write_str("Asked"),
            Self::Connected { role, outbound, .. } => {
                write!(f, "Connected {{ role: {role:?}, outbound: {outbound} }}")
            }
            Self::Disconnected { .. } => f.write_str("Disconnected"),
        }
    }
}
