//! How fresh trust is: without a status that is in force, nothing starts and nothing is released.

use crate::ingress::Verified;
use crate::record::status::Status;
use crate::trust::roster::Roster;
use thiserror::Error;

/// Why trust is not fresh.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Stale {
    /// There is no status for the current root.
    #[error("no status of the federation is known; ask a root person for `quintes network status`")]
    Missing,
    /// The newest status has expired.
    #[error("the federation's status has expired; ask a root person for a new one")]
    Expired,
    /// The status names revocations that are not known here.
    #[error("revocations are missing here; connect to a peer or import them")]
    RevocationsMissing,
}

impl Roster {
    /// The newest status, when it is in force at `now` and everything that it names is known.
    ///
    /// # Errors
    /// [`Stale`], with what to do.
    pub fn fresh_status(&self, now: u64) -> Result<&Verified<Status>, Stale> {
        let version = self.root().ok_or(Stale::Missing)?.version;
        let newest = self
            .statuses
            .values()
            .rev()
            .find(|status| {
                let signer = status.signer();
                status.payload().root_version == version
                    && self.is_root_person(&signer.name)
                    && self.is_key_good(&signer.key.id(), now)
            })
            .ok_or(Stale::Missing)?;
        // The issuer's clock may be ahead of ours by the skew that the root allows; it may not be behind.
        if now >= newest.claims().expires {
            return Err(Stale::Expired);
        }
        if newest.payload().revocations.iter().any(|id| !self.revocation_ids.contains(id)) {
            return Err(Stale::RevocationsMissing);
        }
        Ok(newest)
    }
}
