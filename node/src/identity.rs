//! A node's own keys, each for one use: signing, the network, custody, compiled components. They lie in `<state>/keys`, readable by the node alone.

use keys::keyfile;
use keys::seal;
use keys::secret;
use keys::signer::SoftKey;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use thiserror::Error;
use zeroize::Zeroizing;

/// Why the keys cannot be used.
#[derive(Debug, Error)]
pub enum IdentityError {
    /// The signing key.
    #[error("the node's signing key cannot be used")]
    Signing(#[from] keyfile::OpenError),
    /// The signing key could not be made.
    #[error("the node's signing key cannot be made")]
    Create(#[from] keyfile::CreateError),
    /// The peer key.
    #[error("the node's network key cannot be used")]
    Peer(#[from] secret::SecretError),
    /// The key of compiled components.
    #[error("the node's key of compiled components cannot be used")]
    Compiled(#[source] secret::SecretError),
    /// The custody key.
    #[error("the node's custody key cannot be used")]
    Custody(#[from] seal::OpenFileError),
    /// The custody key could not be made.
    #[error("the node's custody key cannot be made")]
    CreateCustody(#[from] seal::CreateError),
    /// The directory.
    #[error("the directory of the node's keys cannot be made")]
    Directory(#[from] io::Error),
}

/// The opened keys.
pub struct Identity {
    /// Signs runs, releases and phases.
    pub signing: Arc<SoftKey>,
    /// The seed of the libp2p identity.
    pub peer: Zeroizing<[u8; 32]>,
    /// Opens custody.
    pub custody: seal::Identity,
    /// Seals compiled components on disk.
    pub compiled: Zeroizing<[u8; 32]>,
}

/// Where the signing key lies under a state directory.
#[must_use]
pub fn signing_path(state: &Path) -> PathBuf {
    state.join("keys").join("signing")
}

/// Where the peer key lies under a state directory.
#[must_use]
pub fn peer_path(state: &Path) -> PathBuf {
    state.join("keys").join("peer")
}

/// Where the custody key lies under a state directory.
#[must_use]
pub fn custody_path(state: &Path) -> PathBuf {
    state.join("keys").join("custody")
}

/// Where the key of compiled components lies under a state directory.
#[must_use]
pub fn compiled_path(state: &Path) -> PathBuf {
    state.join("keys").join("compiled")
}

impl Identity {
    /// Makes the keys of a new node.
    ///
    /// # Errors
    /// [`IdentityError`], also when there are keys already: they are never overwritten.
    pub fn create(state: &Path, comment: &str) -> Result<Self, IdentityError> {
        crate::store::private_directory(&state.join("keys"))?;
        keyfile::create(&signing_path(state), comment, None)?;
        seal::Identity::generate().create_file(&custody_path(state), None, seal::SCRYPT_LOG_N)?;
        secret::create_or_open(&peer_path(state))?;
        Self::open(state)
    }

    /// Opens the keys.
    ///
    /// # Errors
    /// [`IdentityError`], above all when others can read them.
    pub fn open(state: &Path) -> Result<Self, IdentityError> {
        let no_passphrase =
            || Err(io::Error::other("a node's own keys have no passphrase; make them with `quintes node init`"));
        Ok(Self {
            signing: Arc::new(keyfile::open(&signing_path(state), no_passphrase)?),
            custody: seal::Identity::open_file(&custody_path(state), no_passphrase)?,
            peer: secret::create_or_open(&peer_path(state))?,
            // A node from before it had one gets one.
            compiled: secret::create_or_open(&compiled_path(state)).map_err(IdentityError::Compiled)?,
        })
    }
}
