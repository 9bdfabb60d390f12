//! Everything that can sign: the one trait, why it may fail, and the key held in memory.

use crate::key::PublicKey;
use ed25519_dalek::{Signer as _, SigningKey};
use std::fmt;
use std::io;
use std::path::PathBuf;
use thiserror::Error;

/// Why no signature was made. A key in memory never fails.
#[derive(Debug, Error)]
pub enum SignError {
    /// The agent's socket does not answer.
    #[error("the ssh-agent at `{}` does not answer; start it or sign with a key file", socket.display())]
    Unreachable {
        /// The agent's socket.
        socket: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The agent said no: the key is gone, the agent is locked, or its owner declined.
    #[error("the ssh-agent refused to sign with {fingerprint}; unlock it or load the key with `ssh-add FILE`")]
    Refused {
        /// The key, as `ssh-add -l` prints it.
        fingerprint: String,
    },
    /// What came back is not a signature of this message under the key.
    #[error("what came back is not a signature under {fingerprint}; restart the ssh-agent or sign with a key file")]
    NotASignature {
        /// The key, as `ssh-add -l` prints it.
        fingerprint: String,
    },
}

/// Somebody or something that signs with one Ed25519 key.
pub trait Signer: Send + Sync {
    /// The key under which the signatures verify.
    fn public(&self) -> PublicKey;

    /// Signs the message as it is (pure Ed25519, RFC 8032 section 5.1.6): 32 bytes of R, then 32 bytes of S.
    ///
    /// # Errors
    /// [`SignError`] when the key is elsewhere and cannot be used.
    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SignError>;
}

/// A private key in memory, erased when dropped.
pub struct SoftKey(SigningKey);

impl SoftKey {
    /// The key of this seed (RFC 8032 section 5.1.5). The caller erases its own copy.
    #[must_use]
    pub fn from_seed(seed: [u8; 32]) -> Self {
        Self(SigningKey::from_bytes(&seed))
    }
}

impl Signer for SoftKey {
    fn public(&self) -> PublicKey {
        PublicKey::from_bytes(self.0.verifying_key().to_bytes())
            .expect("a clamped scalar times the base point is of large order, and encoding is canonical")
    }

    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SignError> {
        Ok(self.0.sign(message).to_bytes())
    }
}

/// Names the public key only.
impl fmt::Debug for SoftKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SoftKey({})", self.public().fingerprint())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
mod tests {
    use super::*;

    #[test]
    fn signing_is_deterministic_and_verifies_strictly() {
        for seed in 0..32 {
            let key = SoftKey::from_seed([seed; 32]);
            let signature = key.sign(b"question").unwrap();
            assert_eq!(signature, SoftKey::from_seed([seed; 32]).sign(b"question").unwrap());
            assert_eq!(key.public().verify(b"question", &signature), Ok(()));
            assert!(key.public().verify(b"Question", &signature).is_err());
        }
    }

    #[test]
    fn debug_shows_the_fingerprint_alone() {
        let key = SoftKey::from_seed([0x5a; 32]);
        assert_eq!(format!("{key:?}"), format!("SoftKey({})", key.public().fingerprint()));
    }
}
