//! `standing-approval`: data owners let a named component's outputs go without a person, for as long as every rule passes.

use crate::record::Kind;
use crate::record::name::{require_name, require_text};
use crate::record::payload::{DAY, Invalid, Payload, require};
use crate::wire::id::Digest;
use serde::{Deserialize, Serialize};

/// A standing approval. It counts when as many distinct data owners of the TRE have signed one identical payload as the project asks for
/// approvals, until the first of them revokes it or it expires (claim `exp`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StandingApproval {
    /// Its name, for people.
    pub name: String,
    /// The TRE whose outputs may leave.
    pub tre: String,
    /// The project.
    pub project: String,
    /// SHA-256 of the project's payload: another version of the project needs another standing approval.
    pub policy: Digest,
    /// The component.
    pub component: Digest,
    /// The version of the disclosure rules that must all pass on host-witnessed evidence.
    pub rules: String,
    /// The digest of these rules, as it stands in attestations.
    pub checker: Digest,
    /// How many tasks it may release on one day (UTC) at most.
    pub per_day: u64,
}

impl Payload for StandingApproval {
    const KIND: Kind = Kind::StandingApproval;
    const MAX_LIFETIME_SECONDS: u64 = 90 * DAY;

    fn subject(&self) -> String {
        self.project.clone()
    }

    fn check(&self) -> Result<(), Invalid> {
        require_name(&self.name, "name")?;
        require_name(&self.tre, "tre")?;
        require_name(&self.project, "project")?;
        require_text(&self.rules, 100, "rules")?;
        require((1..=1_000).contains(&self.per_day), "per_day", "1 to 1,000 tasks a day")
    }
}
