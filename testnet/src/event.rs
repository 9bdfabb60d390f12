//! What happened in a simulated run, one line for each event, and the hash over all of them.

use protocol::wire::id::Digest;
use std::fmt;

/// One event of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Counted from 1.
    pub number: u64,
    /// Virtual milliseconds since the run began.
    pub at_ms: u64,
    /// What happened; it names members, kinds and short ids, never an output.
    pub what: String,
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>6} {:>7}.{:03} s  {}", self.number, self.at_ms / 1_000, self.at_ms % 1_000, self.what)
    }
}

/// The events of a run in their order. The hash covers all of them, also when the lines are not kept.
#[derive(Clone, Debug)]
pub struct Log {
    events: Vec<Event>,
    keep: bool,
    count: u64,
    hash: Digest,
}

impl Log {
    /// An empty log; `keep` keeps the lines beside the hash.
    #[must_use]
    pub fn new(keep: bool) -> Self {
        Self { events: Vec::new(), keep, count: 0, hash: Digest([0; 32]) }
    }

    /// Adds an event and gives its line.
    pub fn add(&mut self, at_ms: u64, what: String) -> String {
        self.count += 1;
        let event = Event { number: self.count, at_ms, what };
        let line = event.to_string();
        self.hash = Digest::of(&[&self.hash.0[..], line.as_bytes()].concat());
        if self.keep {
            self.events.push(event);
        }
        line
    }

    /// How many events there were.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// SHA-256 over the chain of lines: two runs are the same exactly when it is.
    #[must_use]
    pub fn hash(&self) -> Digest {
        self.hash
    }

    /// The lines that were kept.
    #[must_use]
    pub fn events(&self) -> &[Event] {
        &self.events
    }
}
