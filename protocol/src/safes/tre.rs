//! What a TRE says about itself: its name, its datasets, its data owners and its limits, from its own configuration.

use std::collections::BTreeSet;

/// A TRE's own policy. It narrows what the federation's statements allow and widens nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tre {
    /// The TRE's name in the roster.
    pub name: String,
    /// The datasets that it has.
    pub datasets: BTreeSet<String>,
    /// The persons whom it accepts as data owners; each also needs a grant.
    pub data_owners: BTreeSet<String>,
    /// How many tasks may run at once.
    pub running: usize,
    /// How many tasks may wait, at most.
    pub waiting: usize,
    /// The largest component, in bytes.
    pub component_bytes: u64,
    /// How many other nodes must have cosigned the log before anything leaves; fewer where there are fewer.
    pub cosignatures: u64,
}

impl Tre {
    /// Whether anything can run here at all.
    #[must_use]
    pub fn is_configured(&self) -> bool {
        !self.datasets.is_empty() && !self.data_owners.is_empty()
    }
}
