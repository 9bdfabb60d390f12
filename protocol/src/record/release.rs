//! `release`: what left a TRE, to whom, and by whose attestations.

use crate::log::tree::Inclusion;
use crate::record::Kind;
use crate::record::attestation::ReportSummary;
use crate::record::commitment::Commitment;
use crate::record::name::{require_name, require_text};
use crate::record::payload::{DECADE, Invalid, Payload, require};
use crate::record::submission::TaskId;
use crate::wire::id::{Digest, StatementId};
use serde::{Deserialize, Serialize};

/// The most statements of one kind that a release names: their proofs fit into a statement of 64 KiB.
const MOST: usize = 32;

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
    /// The attestations that let it out, ascending; none where a standing approval did.
    pub attestations: Vec<StatementId>,
    /// The signatures under the standing approval that let it out, ascending; none where persons decided.
    pub standing: Vec<StatementId>,
    /// What the checks said of all that was held (SATRE 3.3.09): what the reviewers saw, or what the standing approval rests on.
    pub checks: ReportSummary,
    /// Where the run and what let it out stand in the TRE's log.
    pub log: Logged,
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
    /// The root of BLAKE3's tree over the ciphertext: whoever fetches it verifies each stretch as it arrives.
    pub ciphertext_root: Digest,
    /// The age recipient that can open it.
    pub recipient: String,
}

/// A released file as members ask each other for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sealed {
    /// The root of BLAKE3's tree over it.
    pub root: Digest,
    /// Its size, in bytes.
    pub bytes: u64,
}

impl Release {
    /// The ciphertext as members ask each other for it.
    #[must_use]
    pub fn sealed(&self) -> Sealed {
        Sealed { root: self.ciphertext_root, bytes: self.ciphertext_bytes }
    }
}

/// That a release was written into the TRE's log before anything left, where others have seen it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Logged {
    /// The checkpoint of the log.
    pub checkpoint: StatementId,
    /// The cosignatures under it by other nodes, ascending; none where there are no other nodes.
    pub cosignatures: Vec<StatementId>,
    /// Where the run and each attestation, or each signature under the standing approval, stand.
    pub inclusions: Vec<Inclusion>,
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
            self.attestations.is_empty() != self.standing.is_empty(),
            "attestations",
            "persons let it out, or a standing approval",
        )?;
        let each_once = |ids: &[StatementId]| ids.len() <= MOST && ids.is_sorted_by(|a, b| a < b);
        require(each_once(&self.attestations), "attestations", "at most 32, ascending, each once")?;
        require(each_once(&self.standing), "standing", "at most 32, ascending, each once")?;
        require(each_once(&self.log.cosignatures), "log.cosignatures", "at most 32, ascending, each once")?;
        require_text(&self.checks.rules, 100, "checks.rules")?;
        let proofs = &self.log.inclusions;
        require(
            proofs.len() <= MOST + 1 && proofs.iter().all(|proof| proof.path.len() <= 64),
            "log.inclusions",
            "at most 33 proofs of at most 64 hashes",
        )?;
        require(
            !self.outputs.is_empty() && self.outputs.len() <= 50 && self.outputs.is_sorted_by(|a, b| a < b),
            "outputs",
            "1 to 50 outputs, ascending, each once",
        )?;
        self.outputs.iter().try_for_each(|name| require_name(name, "outputs"))
    }
}
