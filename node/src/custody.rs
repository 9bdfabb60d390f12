//! Custody: held outputs as encrypted files that only this node can open, and only for a reviewer or a `Release`.

use crate::store::{private_directory, write_durably};
use keys::seal::{self, Identity};
use protocol::record::commitment::Commitment;
use protocol::record::submission::TaskId;
use protocol::safes::outputs::{Held, Tampered};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use thiserror::Error;

/// The largest file in custody, in bytes: 50 outputs of 16 MiB and what stands beside them.
const MAX_BYTES: u64 = 1024 * 1024 * 1024;

/// Why custody could not keep or give back.
#[derive(Debug, Error)]
pub enum CustodyError {
    /// The disk failed, or is full.
    #[error("the disk failed; is it full?")]
    Disk(#[from] io::Error),
    /// Encryption failed.
    #[error("the outputs could not be encrypted")]
    Seal(#[from] seal::SealError),
    /// The file cannot be decrypted: it was changed, or the custody key is another one.
    #[error("the file in custody cannot be opened; was it changed, or the node's custody key replaced?")]
    Open(#[from] seal::OpenError),
    /// It can, and is not what was committed to.
    #[error(transparent)]
    Tampered(#[from] Tampered),
}

/// The directory of held outputs, one file for each task.
#[derive(Clone)]
pub struct Custody {
    directory: PathBuf,
    identity: Arc<Identity>,
}

impl Custody {
    /// Opens or creates the directory.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn open(directory: PathBuf, identity: Identity) -> io::Result<Self> {
        private_directory(&directory)?;
        Ok(Self { directory, identity: Arc::new(identity) })
    }

    /// Keeps checked outputs; they are durable when this returns.
    ///
    /// # Errors
    /// [`CustodyError`]; nothing was kept.
    pub fn keep(&self, held: &Held) -> Result<(), CustodyError> {
        self.write(self.directory.join(format!("{}.held", held.task())), &held.to_bytes())
    }

    /// Keeps what a failed run left for the reviewer.
    ///
    /// # Errors
    /// [`CustodyError`]; nothing was kept.
    pub fn keep_note(&self, task: &TaskId, text: &str) -> Result<(), CustodyError> {
        self.write(self.directory.join(format!("{task}.note")), text.as_bytes())
    }

    /// What a failed run left; none when there is nothing.
    ///
    /// # Errors
    /// [`CustodyError`].
    pub fn note(&self, task: &TaskId) -> Result<Option<String>, CustodyError> {
        match self.read(self.directory.join(format!("{task}.note"))) {
            Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
            Err(CustodyError::Disk(error)) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// What is held, for the reviewer on this machine: exactly what the signed run commits to, or nothing.
    ///
    /// # Errors
    /// [`CustodyError`].
    pub fn show(&self, task: &TaskId, commitment: &Commitment) -> Result<Held, CustodyError> {
        let bytes = self.read(self.directory.join(format!("{task}.held")))?;
        Ok(Held::restore(&bytes, task, commitment)?)
    }

    /// The key of the ledger's hashes. It is made once, at random, and lies here, so that a ledger that is lost can be made again.
    ///
    /// # Errors
    /// [`CustodyError`].
    pub fn hash_key(&self) -> Result<[u8; 32], CustodyError> {
        let path = self.directory.join("ledger.key");
        match self.read(path.clone()) {
            Ok(bytes) => {
                let wrong = |_| io::Error::new(io::ErrorKind::InvalidData, "the ledger's key is not 32 bytes");
                Ok(bytes.try_into().map_err(wrong)?)
            }
            Err(CustodyError::Disk(error)) if error.kind() == io::ErrorKind::NotFound => {
                let mut key = [0; 32];
                getrandom::fill(&mut key).map_err(io::Error::other)?;
                self.write(path, &key)?;
                Ok(key)
            }
            Err(error) => Err(error),
        }
    }

    fn write(&self, path: PathBuf, bytes: &[u8]) -> Result<(), CustodyError> {
        let recipient = seal::parse_recipient(&self.identity.recipient()).expect("an identity's own recipient is one");
        let mut sealed = Vec::new();
        seal::seal(&[recipient], bytes, &mut sealed)?;
        Ok(write_durably(&path, &sealed)?)
    }

    fn read(&self, path: PathBuf) -> Result<Vec<u8>, CustodyError> {
        let sealed = std::fs::File::open(path)?;
        Ok(seal::open_all(&self.identity, sealed, MAX_BYTES)?)
    }
}
