//! How far an announcement gets, and those that nobody has taken yet, kept in order until a peer is there to hear them.

use super::gossip::ANNOUNCEMENT_BYTES;
use std::collections::VecDeque;
use thiserror::Error;

/// How many wait. Who announces has made the statement durable first, so the oldest may be dropped: catching up brings it.
const WAITING: usize = 256;

/// How far an announcement got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Published {
    /// It went out to so many connected peers.
    To(usize),
    /// No peer listens yet. It goes out when one does, unless 256 later ones push it out.
    NobodyYet,
    /// It went through here within the last ten minutes.
    Before,
}

/// Why an announcement was not taken.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum AnnounceError {
    /// Too long for gossip.
    #[error(
        "the announcement is {bytes} bytes long and gossip carries at most {ANNOUNCEMENT_BYTES}: move its content into blobs"
    )]
    TooLarge {
        /// Its length.
        bytes: usize,
    },
    /// Every peer's queue is full.
    #[error(
        "every peer is behind with what was announced before: slow down; others will learn of this one when they catch up"
    )]
    Congested,
    /// This node's network has stopped.
    #[error("the network of this node has stopped: start the node again")]
    Stopped,
}

/// What nobody has taken yet, oldest first.
#[derive(Default)]
pub(super) struct Announcements(VecDeque<Vec<u8>>);

impl Announcements {
    /// Keeps `bytes`, once.
    pub(super) fn keep(&mut self, bytes: Vec<u8>) {
        if self.0.contains(&bytes) {
            return;
        }
        if self.0.len() == WAITING {
            self.0.pop_front();
        }
        self.0.push_back(bytes);
    }

    /// The oldest one, taken out.
    pub(super) fn oldest(&mut self) -> Option<Vec<u8>> {
        self.0.pop_front()
    }

    /// Puts back what was taken out and still found nobody.
    pub(super) fn put_back(&mut self, bytes: Vec<u8>) {
        self.0.push_front(bytes);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_gives_way_and_nothing_is_kept_twice() {
        let mut waiting = Announcements::default();
        for number in 0..=WAITING {
            waiting.keep(number.to_be_bytes().to_vec());
            waiting.keep(number.to_be_bytes().to_vec());
        }
        let first = waiting.oldest().unwrap();
        assert_eq!(first, 1_usize.to_be_bytes());
        waiting.put_back(first);
        let mut count = 0;
        while waiting.oldest().is_some() {
            count += 1;
        }
        assert_eq!(count, WAITING);
    }
}
