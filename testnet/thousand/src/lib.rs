//! How fast and how dear an announcement is among a thousand members behind hubs, in virtual time.
//!
//! Shipped code: gossipsub with a node's settings, libp2p's swarm, Noise, Yamux, and the verification of statements. Replaced: the clock, and TCP by
//! lines that delay and have no limit of their rate. Modelled: the time to the disk. Not there: direct streams, catching up, the journal.
//!
//! | file | what lives there |
//! |---|---|
//! | [`run`] | a whole federation in one thread |
//! | `member` | gossip, and an owner that judges |
//! | `line` | what lies between two members |
//! | [`report`] | figures and bars |

#[path = "../../src/sim/dice.rs"]
#[allow(dead_code, reason = "the simulator draws more than this")]
mod dice;
#[path = "../../src/fixture/federation.rs"]
#[allow(dead_code, reason = "other tests sign more than this")]
mod federation;
#[path = "../../../node/src/network/gossip.rs"]
mod gossip;
mod line;
mod member;
pub mod report;
pub mod run;
