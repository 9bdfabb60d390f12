//! `[mailbox]`: how much a hub keeps for others, and for how long.

use serde::Deserialize;

/// One MiB, in bytes.
const MIB: u64 = 1024 * 1024;

/// The room that a hub gives to released ciphertexts, so that a researcher may fetch while the TRE is away. Each field has a default.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Mailbox {
    /// For how many days after its release a result stays; 0 = no mailbox.
    pub days: u64,
    /// Room for the results of one TRE, in MiB.
    pub tre_mb: u64,
    /// Room for all results, in MiB.
    pub all_mb: u64,
}

impl Default for Mailbox {
    fn default() -> Self {
        Self { days: 30, tre_mb: 10 * 1024, all_mb: 50 * 1024 }
    }
}

impl Mailbox {
    /// Room for one TRE, in bytes.
    #[must_use]
    pub fn tre_bytes(&self) -> u64 {
        self.tre_mb.saturating_mul(MIB)
    }

    /// Room for all, in bytes.
    #[must_use]
    pub fn all_bytes(&self) -> u64 {
        self.all_mb.saturating_mul(MIB)
    }
}
