//! The network between members: announcements by gossip, everything else asked for over direct streams, nobody but members admitted.
//!
//! | file | what lives there |
//! |---|---|
//! | `service` | [`start`] and the handle [`Network`], the only way in |
//! | `event` | what the room tells its owner, and how it is answered: [`Event`], [`Verdict`] |
//! | `client` | a short-lived process that asks one node: [`client::Client`] |
//! | `room` | the loop: commands and socket events in, events and answers out; its `connections` and its `messages` |
//! | `behaviour` | which protocols a connection speaks, and the limits on connections |
//! | `gossip` | the settings of gossipsub, each with its reason |
//! | `direct` | the codec of `/quintes/direct/1` |
//! | `admission`, `knocks` | the allow-list that follows the roster; how many handshakes others may begin |
//! | `asks` | questions on their way, at most a few at once for each peer |
//! | `announcements` | what nobody has taken yet |
//! | `tally` | how much each peer may have under way here |
//! | `dialling`, `alarm` | when to dial whom again; when a node stands nearly alone |
//! | `circuits`, `reservations` | what hubs forward; the places that a node keeps at them, so that others reach it |
//! | `clock` | what time it is at the others |
//! | `proxy` | out through an HTTP proxy |
//! | `peer`, `transport` | keys as libp2p names them; TCP or a circuit, Noise, Yamux |
//!
//! The room verifies nothing that is said: bytes go up, verdicts come down.

mod admission;
mod alarm;
mod announcements;
mod asks;
mod behaviour;
mod circuits;
pub mod client;
mod clock;
mod dialling;
mod direct;
mod event;
mod gossip;
mod knocks;
mod peer;
mod proxy;
mod reservations;
mod room;
mod service;
mod tally;
mod transport;

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
mod tests;

pub use admission::Members;
pub use announcements::{AnnounceError, Published};
pub use asks::AskError;
pub use behaviour::Role;
pub use clock::median;
pub use direct::{ANSWER_BYTES, QUESTION_BYTES};
pub use event::{AnswerReply, Event, Verdict, VerdictReply};
pub use gossip::ANNOUNCEMENT_BYTES;
pub use libp2p::Multiaddr;
pub use peer::{PeerKey, address_with_peer, peer_of_address};
pub use proxy::{NoProxy, Place, Proxy, ProxyAddress, ProxyError};
pub use room::{Named, PeerInfo, Standing};
pub use service::{Network, Settings, StartError, start};
