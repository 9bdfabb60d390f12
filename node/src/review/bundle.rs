//! A review as one sealed file: it goes to a machine without a network, is signed there, and the attestation comes back.

use crate::door::{EarlierOutput, Review};
use keys::seal::{self, Identity};
use protocol::wire::id::NetworkId;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use thiserror::Error;

/// The largest bundle, in bytes of plaintext: 50 outputs of 16 MiB would not fit, a readable review does.
const MAX_BYTES: u64 = 256 * 1024 * 1024;

/// A held task and the federation's statements that it takes to judge it.
#[derive(Debug, Serialize, Deserialize)]
pub struct Bundle {
    /// The federation.
    pub network: NetworkId,
    /// The statements about trust, tagged bytes each.
    pub statements: Vec<ByteBuf>,
    /// What is held.
    pub review: Review,
    /// What left before under the names of held outputs, to compare with.
    pub earlier: Vec<EarlierOutput>,
}

/// Why a bundle was not sealed or opened.
#[derive(Debug, Error)]
pub enum BundleError {
    /// Nobody can be encrypted to.
    #[error(
        "the reviewer's key record names no recipient that results can be sealed to; enrol the reviewer's keys again"
    )]
    Recipient(#[from] seal::ParseRecipientError),
    /// Encryption failed.
    #[error("the review could not be sealed")]
    Seal(#[from] seal::SealError),
    /// Sealed to somebody else, or changed.
    #[error("the review cannot be opened with this key")]
    Open(#[from] seal::OpenError),
    /// Not a bundle.
    #[error("the file holds no review of this version; export it again with the same version of the program")]
    Foreign,
}

impl Bundle {
    /// Seals the bundle to one reviewer (an age recipient), because the outputs in it have not been released.
    ///
    /// # Errors
    /// [`BundleError`].
    pub fn seal(&self, recipient: &str) -> Result<Vec<u8>, BundleError> {
        let recipient = seal::parse_recipient(recipient)?;
        let mut plaintext = Vec::new();
        ciborium::into_writer(self, &mut plaintext).map_err(|_| BundleError::Foreign)?;
        let mut sealed = Vec::new();
        seal::seal(&[recipient], plaintext.as_slice(), &mut sealed)?;
        Ok(sealed)
    }

    /// Opens a sealed bundle.
    ///
    /// # Errors
    /// [`BundleError`].
    pub fn open(sealed: &[u8], identity: &Identity) -> Result<Self, BundleError> {
        let plaintext = seal::open_all(identity, sealed, MAX_BYTES)?;
        ciborium::from_reader(plaintext.as_slice()).map_err(|_| BundleError::Foreign)
    }
}
