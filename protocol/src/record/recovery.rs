//! `recovery`: a TRE whose state had to be restored from a backup goes on from there, and everyone may know what it has lost.

use crate::record::Kind;
use crate::record::name::{require_name, require_text};
use crate::record::payload::{DECADE, Invalid, Payload, require};
use crate::wire::id::{Digest, StatementId};
use serde::{Deserialize, Serialize};

/// Leave to begin a new epoch of a TRE's log. It counts when an operator and a data owner of the TRE, two persons, have signed one
/// identical payload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recovery {
    /// The TRE.
    pub tre: String,
    /// The epoch that begins: one more than that of the checkpoint that was lost.
    pub epoch: u64,
    /// The newest checkpoint that the restored log does not reach.
    pub lost: StatementId,
    /// How many leaves of the restored log are kept.
    pub size: u64,
    /// The root hash over them.
    pub root: Digest,
    /// What happened, for people.
    pub reason: String,
}

impl Payload for Recovery {
    const KIND: Kind = Kind::Recovery;
    const MAX_LIFETIME_SECONDS: u64 = DECADE;

    fn subject(&self) -> String {
        self.tre.clone()
    }

    fn check(&self) -> Result<(), Invalid> {
        require_name(&self.tre, "tre")?;
        require(self.epoch >= 1, "epoch", "the first epoch needs no recovery")?;
        require_text(&self.reason, 1_000, "reason")?;
        require(!self.reason.trim().is_empty(), "reason", "say what happened")
    }
}
