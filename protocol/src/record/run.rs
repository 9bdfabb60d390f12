//! `run`: what ran at a TRE, over which data, and the commitment to its outputs.

use crate::record::Kind;
use crate::record::commitment::Commitment;
use crate::record::name::require_name;
use crate::record::payload::{DECADE, Invalid, Payload, require};
use crate::record::submission::TaskId;
use crate::wire::id::Digest;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A TRE's word about one finished run. Signed by the TRE.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// The task.
    pub task: TaskId,
    /// The TRE.
    pub tre: String,
    /// The component that ran.
    pub component: Digest,
    /// SHA-256 over each dataset as it was read.
    pub snapshots: BTreeMap<String, Digest>,
    /// When it finished, rounded down to [`crate::tre::COARSE_SECONDS`].
    pub finished: u64,
    /// The salted commitment to every output.
    pub commitment: Commitment,
}

impl Payload for Run {
    const KIND: Kind = Kind::Run;
    const MAX_LIFETIME_SECONDS: u64 = DECADE;

    fn subject(&self) -> String {
        self.task.to_string()
    }

    fn check(&self) -> Result<(), Invalid> {
        require_name(&self.tre, "tre")?;
        require(self.snapshots.len() <= 64, "snapshots", "at most 64 datasets")?;
        self.snapshots.keys().try_for_each(|name| require_name(name, "snapshots"))
    }
}
