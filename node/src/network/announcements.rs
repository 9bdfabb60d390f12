//! Announcements that nobody has taken yet, kept in order until a peer is there to hear them.

use std::collections::VecDeque;

/// How many wait. Who announces has made the statement durable first, so the oldest may be dropped: catching up brings it.
const WAITING: usize = 256;

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
