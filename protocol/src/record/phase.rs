//! `phase`: what a TRE says about a task there, in words of a fixed vocabulary.

use crate::lifecycle;
use crate::record::Kind;
use crate::record::name::require_name;
use crate::record::payload::{DECADE, Invalid, Payload, require};
use crate::record::submission::TaskId;
use crate::safes::Refusal;
use serde::{Deserialize, Serialize};

/// A task's phase at a TRE. Signed by the TRE; its time is coarse ([`crate::tre::COARSE_SECONDS`]).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Phase {
    /// The task.
    pub task: TaskId,
    /// The TRE.
    pub tre: String,
    /// Where the task stands.
    pub phase: lifecycle::Phase,
    /// Why it was refused; present exactly when it was.
    pub refusal: Option<Refusal>,
    /// What went wrong; a code of a fixed vocabulary, present exactly when it failed.
    pub failure: Option<String>,
}

impl Payload for Phase {
    const KIND: Kind = Kind::Phase;
    const MAX_LIFETIME_SECONDS: u64 = DECADE;

    fn subject(&self) -> String {
        self.task.to_string()
    }

    fn check(&self) -> Result<(), Invalid> {
        require_name(&self.tre, "tre")?;
        let refused = self.phase == lifecycle::Phase::Refused;
        require(self.refusal.is_some() == refused, "refusal", "a refusal has a reason, and nothing else has")?;
        let failed = self.phase == lifecycle::Phase::Failed;
        require(self.failure.is_some() == failed, "failure", "a failure has a code, and nothing else has")?;
        self.failure.as_ref().map_or(Ok(()), |code| require_name(code, "failure"))
    }
}
