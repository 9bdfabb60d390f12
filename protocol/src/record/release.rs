//! `release`: what left a TRE, to whom, and by whose attestations.

use crate::record::Kind;
use crate::record::commitment::Commitment;
use crate::record::name::require_name;
use crate::record::payload::{DECADE, Invalid, Payload, require};
use crate::record::submission::TaskId;
use crate::wire::id::{Digest, StatementId};
use serde::{Deserialize, Serialize};

/// Signed by the TRE. age does not authenticate a sender; this statement does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Release {
    /// The task.
    pub task: TaskId,
    /// The TRE.
    pub tre: String,
    /// The run statement.
    pub run: StatementId,
    /// The attestations that let it out, ascending.
    pub attestations: Vec<StatementId>,
    /// The project statement whose policy they meet.
    pub project: StatementId,
    /// The status at whose time the quorum was counted.
    pub status: StatementId,
    /// The run's commitment.
    pub commitment: Commitment,
    /// The outputs that left, ascending.
    pub outputs: Vec<String>,
    /// SHA-256 of the ciphertext.
    pub ciphertext: Digest,
    /// The ciphertext's size, in bytes.
    pub ciphertext_bytes: u64,
    /// The age recipient that can open it.
    pub recipient: String,
}

impl Payload for Release {
    const KIND: Kind = Kind::Release;
    const MAX_LIFETIME_SECONDS: u64 = DECADE;

    fn subject(&self) -> String {
        self.task.to_string()
    }

    fn check(&self) -> Result<(), Invalid> {
        require_name(&self.tre, "tre")?;
        require(
            !self.attestations.is_empty()
                && self.attestations.len() <= 64
                && self.attestations.is_sorted_by(|a, b| a < b),
            "attestations",
            "1 to 64 attestations, ascending, each once",
        )?;
        require(
            !self.outputs.is_empty() && self.outputs.len() <= 50 && self.outputs.is_sorted_by(|a, b| a < b),
            "outputs",
            "1 to 50 outputs, ascending, each once",
        )?;
        self.outputs.iter().try_for_each(|name| require_name(name, "outputs"))
    }
}
