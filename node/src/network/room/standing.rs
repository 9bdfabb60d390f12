//! How a node stands among the peers that its settings name: which are connected, what keeps the others away, and the alarm.

use super::super::peer::{PeerKey, key_of};
use super::Room;
use libp2p::Multiaddr;
use libp2p::swarm::DialError;
use std::error::Error;
use std::time::Instant;

/// A peer that the settings name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// Its key.
    pub key: PeerKey,
    /// Where it should be.
    pub addresses: Vec<Multiaddr>,
    /// Whether it is connected and has admitted us.
    pub connected: bool,
    /// What went wrong the last time; none while it is connected.
    pub trouble: Option<String>,
}

/// How a node stands among them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Whom the settings name.
    pub named: Vec<Named>,
    /// Whether fewer than two of them (or than the one that there is) have been connected for a minute.
    pub alone: bool,
}

impl Room {
    /// Counts again how many of the named peers are connected.
    pub(super) fn count_named(&mut self) {
        let spoken = |peer: &&libp2p::PeerId| self.links.get(peer).is_some_and(|link| link.role.is_some());
        let connected = self.dialling.peers().filter(spoken).count();
        if self.alarm.connected(connected, Instant::now()) {
            tracing::info!(connected, "enough of the peers that the settings name are connected again");
        }
    }

    /// Tells whoever reads the log that the node has stood alone for too long.
    pub(super) fn look_around(&mut self) {
        if self.alarm.begins(Instant::now()) {
            tracing::warn!(
                "fewer than two of the peers that the settings name have been connected for a minute: somebody may keep the others away; run `quintes node doctor`"
            );
        }
    }

    pub(super) fn standing(&self) -> Standing {
        let named = self.dialling.peers().filter_map(|peer| {
            let connected = self.links.get(peer).is_some_and(|link| link.role.is_some());
            Some(Named {
                key: key_of(peer)?,
                addresses: self.dialling.addresses(peer).to_vec(),
                connected,
                trouble: self.dialling.trouble(peer).filter(|_| !connected).map(ToOwned::to_owned),
            })
        });
        Standing { named: named.collect(), alone: self.alarm.is_on(Instant::now()) }
    }
}

/// Why a dial failed, in a line: the innermost reason of each address that was tried.
pub(super) fn why(error: &DialError) -> String {
    let DialError::Transport(tried) = error else { return error.to_string() };
    let mut reasons: Vec<String> = Vec::new();
    for (_, failed) in tried {
        let mut inner: &dyn Error = failed;
        while let Some(next) = inner.source() {
            inner = next;
        }
        let reason = inner.to_string();
        if !reasons.contains(&reason) {
            reasons.push(reason);
        }
    }
    reasons.join("; ")
}
