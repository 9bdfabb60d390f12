//! `cancellation`: the submitter, or a data owner of a TRE, calls a task back.

use crate::record::Kind;
use crate::record::name::require_text;
use crate::record::payload::{DAY, Invalid, Payload};
use crate::record::submission::TaskId;
use serde::{Deserialize, Serialize};

/// Calls a task back. By the submitter: everywhere. By a data owner: at that person's TREs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cancellation {
    /// The task.
    pub task: TaskId,
    /// Why, for people.
    pub reason: String,
}

impl Payload for Cancellation {
    const KIND: Kind = Kind::Cancellation;
    const MAX_LIFETIME_SECONDS: u64 = 30 * DAY;

    fn subject(&self) -> String {
        self.task.to_string()
    }

    fn check(&self) -> Result<(), Invalid> {
        require_text(&self.reason, 1_000, "reason")
    }
}
