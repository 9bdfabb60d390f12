//! `checkpoint` and `cosignature`: a TRE's word about its whole log, and another node's word that it only grew.

use crate::record::Kind;
use crate::record::name::require_name;
use crate::record::payload::{DECADE, Invalid, Payload, require};
use crate::wire::id::{Digest, StatementId};
use serde::{Deserialize, Serialize};

/// The most hashes in a consistency proof: a log has fewer than 2^63 leaves (RFC 6962 section 2.1.2).
const PROOF_HASHES: usize = 128;

/// The most leaves: beyond what any log will have, and within what tree arithmetic on 64 bits can hold.
const MOST_LEAVES: u64 = 1 << 48;

/// A signed tree head of a TRE's log (RFC 6962 section 3.5), with the proof that it extends the one before: whoever holds the chain of
/// checkpoints can check it without asking.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checkpoint {
    /// The TRE.
    pub tre: String,
    /// How often the log was recovered: 0 until a backup had to be restored.
    pub epoch: u64,
    /// How many leaves there are.
    pub size: u64,
    /// The tree's root hash.
    pub root: Digest,
    /// The checkpoint before; none for the first of an epoch.
    pub previous: Option<StatementId>,
    /// How many leaves that one had. For the first of an epoch, how many leaves the recovery has kept; 0 for the very first.
    pub previous_size: u64,
    /// The consistency proof between the two (RFC 6962 section 2.1.2), or with what the recovery has kept; empty where nothing was before.
    pub proof: Vec<Digest>,
}

impl Payload for Checkpoint {
    const KIND: Kind = Kind::Checkpoint;
    const MAX_LIFETIME_SECONDS: u64 = DECADE;

    fn subject(&self) -> String {
        self.tre.clone()
    }

    fn check(&self) -> Result<(), Invalid> {
        require_name(&self.tre, "tre")?;
        require(self.size > self.previous_size, "size", "a checkpoint has more leaves than the one before")?;
        require(self.size <= MOST_LEAVES, "size", "at most 2^48 leaves")?;
        let (first, begins) = (self.previous.is_none(), self.previous_size == 0);
        require(first || !begins, "previous_size", "what follows a checkpoint has leaves before")?;
        require(
            !first || begins || self.epoch > 0,
            "previous",
            "only a recovery keeps leaves of a log that follows nothing",
        )?;
        require(!begins || self.proof.is_empty(), "proof", "what follows nothing proves nothing")?;
        require(self.proof.len() <= PROOF_HASHES, "proof", "at most 128 hashes")
    }
}

/// Another node's signature under a checkpoint that it found to extend all that it had seen of that log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cosignature {
    /// The TRE whose log it is.
    pub tre: String,
    /// The checkpoint's statement.
    pub checkpoint: StatementId,
}

impl Payload for Cosignature {
    const KIND: Kind = Kind::Cosignature;
    const MAX_LIFETIME_SECONDS: u64 = DECADE;

    fn subject(&self) -> String {
        self.checkpoint.to_string()
    }

    fn check(&self) -> Result<(), Invalid> {
        require_name(&self.tre, "tre")
    }
}
