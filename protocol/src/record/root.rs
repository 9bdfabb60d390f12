//! `root`: the federation's name, its root persons and how many of them must sign (after The Update Framework, section 4.3).

use crate::record::Kind;
use crate::record::name::{require_name, require_text};
use crate::record::payload::{DECADE, Invalid, Payload, require};
use crate::wire::id::Digest;
use keys::key::PublicKey;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// The signed root of a federation. Signed by at least the threshold of the old root's persons and of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Root {
    /// The federation's name for people.
    pub network: String,
    /// 1, 2, 3, …
    pub version: u64,
    /// SHA-256 of the previous version's payload; none for version 1.
    pub previous: Option<Digest>,
    /// How many distinct root persons must sign the next root.
    pub threshold: u64,
    /// The root persons' keys.
    pub keys: Vec<RootKey>,
    /// By how much clocks may differ, in seconds.
    pub clock_skew_seconds: u64,
}

/// A root person's key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RootKey {
    /// The person.
    pub person: String,
    /// Where the person works.
    pub organisation: String,
    /// The person's key.
    pub key: PublicKey,
}

impl Root {
    /// The distinct persons among the root keys.
    #[must_use]
    pub fn persons(&self) -> BTreeSet<&str> {
        self.keys.iter().map(|key| key.person.as_str()).collect()
    }
}

impl Payload for Root {
    const KIND: Kind = Kind::Root;
    const MAX_LIFETIME_SECONDS: u64 = DECADE;

    fn subject(&self) -> String {
        self.network.clone()
    }

    fn check(&self) -> Result<(), Invalid> {
        require_name(&self.network, "network")?;
        require(self.version >= 1, "version", "versions begin with 1")?;
        require((self.version == 1) == self.previous.is_none(), "previous", "only version 1 has no previous root")?;
        require(!self.keys.is_empty() && self.keys.len() <= 64, "keys", "a root has 1 to 64 keys")?;
        for key in &self.keys {
            require_name(&key.person, "keys.person")?;
            require_text(&key.organisation, 200, "keys.organisation")?;
        }
        let distinct: BTreeSet<_> = self.keys.iter().map(|key| key.key).collect();
        require(distinct.len() == self.keys.len(), "keys", "each key stands once")?;
        let persons = self.persons().len();
        require(
            self.threshold >= 1 && usize::try_from(self.threshold).is_ok_and(|k| k <= persons),
            "threshold",
            "the threshold is at least 1 and at most the number of distinct persons",
        )?;
        require(self.clock_skew_seconds <= 3_600, "clock_skew_seconds", "at most one hour")
    }
}
