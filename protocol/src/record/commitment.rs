//! The salted commitment to a run's outputs: it binds the bytes and says nothing about them.

use crate::wire::id::Digest;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::fmt;

/// A secret that keeps a small table's digest from being guessed. One for each output, so that the salt of a withheld output
/// never has to leave.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Salt(#[serde(with = "serde_bytes")] [u8; 32]);

impl fmt::Debug for Salt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Salt(..)")
    }
}

impl Salt {
    /// The salt of the output `name`, from 32 random bytes that are drawn for each run and never leave the TRE.
    #[must_use]
    pub fn derive(secret: &[u8; 32], name: &str) -> Self {
        Self(Sha256::new().chain_update(b"quintes/v1/salt").chain_update(secret).chain_update(name).finalize().into())
    }
}

/// `SHA-256(0x00 ‖ salt ‖ length of name ‖ name ‖ SHA-256(schema) ‖ length ‖ SHA-256(bytes))`, lengths as 64-bit big-endian integers.
/// `schema` is the deterministic CBOR of the columns, so that what a figure means is bound beside its bytes.
#[must_use]
pub fn leaf(salt: &Salt, name: &str, schema: &[u8], bytes: &[u8]) -> Digest {
    let hash = Sha256::new()
        .chain_update([0_u8])
        .chain_update(salt.0)
        .chain_update((name.len() as u64).to_be_bytes())
        .chain_update(name)
        .chain_update(Sha256::digest(schema))
        .chain_update((bytes.len() as u64).to_be_bytes())
        .chain_update(Sha256::digest(bytes));
    Digest(hash.finalize().into())
}

/// `SHA-256(0x01 ‖ (length of name ‖ name ‖ leaf) …)` over all outputs in ascending order of their names.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Commitment(Digest);

impl Commitment {
    /// The commitment to these leaves, by output name.
    #[must_use]
    pub fn to(leaves: &BTreeMap<String, Digest>) -> Self {
        let mut hash = Sha256::new().chain_update([1_u8]);
        for (name, leaf) in leaves {
            hash.update((name.len() as u64).to_be_bytes());
            hash.update(name);
            hash.update(leaf.0);
        }
        Self(Digest(hash.finalize().into()))
    }
}

impl fmt::Display for Commitment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Commitment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Commitment({})", self.0.short())
    }
}

#[cfg(test)]
mod tests {
    use super::{Commitment, Salt, leaf};
    use std::collections::BTreeMap;

    #[test]
    fn every_part_of_an_output_is_bound() {
        let salt = Salt::derive(&[7; 32], "count");
        let base = leaf(&salt, "count", b"s", b"n\n10\n");
        assert_ne!(base, leaf(&salt, "count", b"s", b"n\n11\n"));
        assert_ne!(base, leaf(&salt, "count", b"t", b"n\n10\n"));
        assert_ne!(base, leaf(&salt, "coun", b"s", b"tn\n10\n"));
        assert_ne!(base, leaf(&Salt::derive(&[8; 32], "count"), "count", b"s", b"n\n10\n"));
        assert_ne!(base, leaf(&Salt::derive(&[7; 32], "mean"), "count", b"s", b"n\n10\n"));
        let one = Commitment::to(&BTreeMap::from([("a".to_owned(), base)]));
        assert_ne!(one, Commitment::to(&BTreeMap::from([("b".to_owned(), base)])));
        assert_ne!(one, Commitment::to(&BTreeMap::new()));
    }
}
