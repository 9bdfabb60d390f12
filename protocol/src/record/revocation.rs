//! `revocation`: a statement that no longer counts, from the time of the revocation on; the set only grows.

use crate::record::Kind;
use crate::record::name::require_text;
use crate::record::payload::{DECADE, Invalid, Payload};
use crate::wire::id::StatementId;
use serde::{Deserialize, Serialize};

/// Signed by the target's issuer, the issuer of an ancestor of a grant, or a root person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Revocation {
    /// The statement that no longer counts.
    pub target: StatementId,
    /// Why, for people.
    pub reason: String,
}

impl Payload for Revocation {
    const KIND: Kind = Kind::Revocation;
    const MAX_LIFETIME_SECONDS: u64 = 2 * DECADE;

    fn subject(&self) -> String {
        self.target.to_string()
    }

    fn check(&self) -> Result<(), Invalid> {
        require_text(&self.reason, 1_000, "reason")
    }
}
