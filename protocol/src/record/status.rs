//! `status`: a root person says which revocations there are; past its expiry nothing starts and nothing is released.

use crate::record::Kind;
use crate::record::payload::{DAY, Invalid, Payload, require};
use crate::wire::id::StatementId;
use serde::{Deserialize, Serialize};

/// The most revocations that one status names: 1,500 ids are 50 kB.
pub const MAX_REVOCATIONS: usize = 1_500;

/// The federation's freshness (the timestamp role of The Update Framework). Its expiry is the claim `exp`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Status {
    /// Grows with every status.
    pub epoch: u64,
    /// The current root's version.
    pub root_version: u64,
    /// Every revocation there is, ascending. A node that lacks one of them is not fresh.
    pub revocations: Vec<StatementId>,
}

impl Payload for Status {
    const KIND: Kind = Kind::Status;
    const MAX_LIFETIME_SECONDS: u64 = 31 * DAY;

    fn subject(&self) -> String {
        format!("epoch {}", self.epoch)
    }

    fn check(&self) -> Result<(), Invalid> {
        require(self.revocations.len() <= MAX_REVOCATIONS, "revocations", "at most 1,500 revocations")?;
        require(self.revocations.is_sorted_by(|a, b| a < b), "revocations", "ascending, each once")
    }
}
