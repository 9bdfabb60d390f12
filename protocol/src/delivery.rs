//! A delivery: what a researcher finds inside the ciphertext, and the check that it is what was attested.

use crate::disclosure::table::Column;
use crate::record::commitment::{Commitment, Salt, leaf};
use crate::record::release::Release;
use crate::record::submission::TaskId;
use crate::safes::outputs::{Held, encode_schema};
use crate::wire::id::Digest;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use thiserror::Error;

/// The released outputs of one TRE, with all that is needed to recompute the commitment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Delivery {
    /// The task.
    pub task: TaskId,
    /// The TRE.
    pub tre: String,
    /// The outputs that were let out.
    pub outputs: Vec<DeliveredOutput>,
    /// The leaves of the outputs that stayed; salted, so that they tell nothing.
    pub withheld: BTreeMap<String, Digest>,
}

/// One released output.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeliveredOutput {
    /// Its declared name.
    pub name: String,
    /// What its columns mean.
    pub schema: Vec<Column>,
    /// The canonical CSV.
    #[serde(with = "serde_bytes")]
    pub bytes: Vec<u8>,
    /// Its salt.
    pub salt: Salt,
}

impl fmt::Debug for DeliveredOutput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DeliveredOutput({}, {} bytes)", self.name, self.bytes.len())
    }
}

/// Why a delivery is not what was attested.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum NotAttested {
    /// Not a delivery.
    #[error("the decrypted bytes are not a delivery")]
    Malformed,
    /// About another task or TRE.
    #[error("the delivery is for another task or from another TRE than its release says")]
    Elsewhere,
    /// Other outputs than the release names.
    #[error("the delivery holds other outputs than the release names")]
    OtherOutputs,
    /// Other bytes.
    #[error("the delivery does not match the commitment that the data owners signed; do not use it, and tell them")]
    OtherBytes,
}

impl Delivery {
    /// The part of what is held that a release lets out. Only a `tre::Release` can name that part.
    #[must_use]
    pub fn of(held: &Held, release: &crate::tre::Release) -> Self {
        let (out, stay): (Vec<_>, Vec<_>) =
            held.outputs().iter().partition(|output| release.outputs().contains(&output.name));
        Self {
            task: held.task(),
            tre: held.tre().to_owned(),
            outputs: out
                .into_iter()
                .map(|output| DeliveredOutput {
                    name: output.name.clone(),
                    schema: output.schema.clone(),
                    bytes: output.bytes.clone(),
                    salt: output.salt,
                })
                .collect(),
            withheld: stay.into_iter().map(|output| (output.name.clone(), output.leaf())).collect(),
        }
    }

    /// The bytes to encrypt.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        ciborium::into_writer(self, &mut bytes).expect("writing to memory does not fail");
        bytes
    }

    /// Reads decrypted bytes.
    ///
    /// # Errors
    /// [`NotAttested::Malformed`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, NotAttested> {
        ciborium::from_reader(bytes).map_err(|_| NotAttested::Malformed)
    }

    /// The commitment, recomputed from the bytes.
    #[must_use]
    pub fn commitment(&self) -> Commitment {
        let mut leaves = self.withheld.clone();
        for output in &self.outputs {
            let leaf = leaf(&output.salt, &output.name, &encode_schema(&output.schema), &output.bytes);
            leaves.insert(output.name.clone(), leaf);
        }
        Commitment::to(&leaves)
    }

    /// Compares with the signed release.
    ///
    /// # Errors
    /// [`NotAttested`]: nothing in the delivery may be used.
    pub fn check(&self, release: &Release) -> Result<(), NotAttested> {
        if self.task != release.task || self.tre != release.tre {
            return Err(NotAttested::Elsewhere);
        }
        let mut names: Vec<&String> = self.outputs.iter().map(|output| &output.name).collect();
        names.sort_unstable();
        let overlap = self.withheld.keys().any(|name| names.contains(&name));
        if overlap || !names.into_iter().eq(&release.outputs) {
            return Err(NotAttested::OtherOutputs);
        }
        if self.commitment() != release.commitment {
            return Err(NotAttested::OtherBytes);
        }
        Ok(())
    }
}
