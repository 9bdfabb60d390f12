//! `attestation`: a data owner's or output checker's decision on the outputs of one run (an in-toto attestation's role, in COSE).

use crate::record::Kind;
use crate::record::commitment::Commitment;
use crate::record::name::{require_name, require_text};
use crate::record::payload::{DAY, Invalid, Payload, require};
use crate::record::submission::TaskId;
use crate::wire::id::{Digest, StatementId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// An egress attestation: signed by a person, over exactly the bytes that the commitment binds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attestation {
    /// The task.
    pub task: TaskId,
    /// The TRE.
    pub tre: String,
    /// The run statement.
    pub run: StatementId,
    /// The commitment of that run, recomputed by the reviewer from the bytes shown.
    pub commitment: Commitment,
    /// The project statement under whose policy this was decided.
    pub project: StatementId,
    /// One decision for each output. An output that an earlier attestation decided and that is missing here is open again; with no decision
    /// at all, the earlier attestation is withdrawn.
    pub decisions: BTreeMap<String, Decision>,
    /// What the checks said (SATRE 3.3.09).
    pub report: ReportSummary,
    /// An earlier attestation of the same person on the same run, which no longer counts.
    pub supersedes: Option<StatementId>,
}

/// A decision on one output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decision {
    /// Whether it may leave.
    pub approve: bool,
    /// Why. The researcher reads it.
    pub reason: String,
}

/// Which checks stood beside the outputs when the decision was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReportSummary {
    /// The rules' version.
    pub rules: String,
    /// SHA-256 of the checker's description.
    pub checker: Digest,
    /// SHA-256 over the findings that were shown.
    pub findings: Digest,
    /// How many findings failed.
    pub failed: u64,
    /// How many findings asked for a person's judgement.
    pub review: u64,
}

impl Payload for Attestation {
    const KIND: Kind = Kind::Attestation;
    const MAX_LIFETIME_SECONDS: u64 = 31 * DAY;

    fn subject(&self) -> String {
        self.task.to_string()
    }

    fn check(&self) -> Result<(), Invalid> {
        require_name(&self.tre, "tre")?;
        require_text(&self.report.rules, 100, "report.rules")?;
        require(
            (self.supersedes.is_some() || !self.decisions.is_empty()) && self.decisions.len() <= 50,
            "decisions",
            "1 to 50 decisions; none only to withdraw an earlier attestation",
        )?;
        for (name, decision) in &self.decisions {
            require_name(name, "decisions")?;
            require_text(&decision.reason, 1_000, "decisions.reason")?;
        }
        Ok(())
    }
}
