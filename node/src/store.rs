//! Files by content: components that arrived, each under its SHA-256; ciphertexts that may be fetched, each under its BLAKE3 root and size.

use crate::arrival::{Arrival, ArrivalError};
use crate::slice;
use protocol::record::release::Sealed;
use protocol::wire::id::Digest;
use protocol::wire::message::PART_BYTES;
use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Why a file was not kept or read.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The disk failed, or is full.
    #[error("the disk failed; is it full?")]
    Disk(#[from] io::Error),
    /// The parts do not make up what was announced.
    #[error("the bytes are not those that the digest names")]
    OtherBytes,
    /// A part that does not continue the ones before, or is too large.
    #[error("the part does not continue the ones before it; send the file from its beginning")]
    OutOfPlace,
}

/// What a ciphertext's file name says.
fn named(stem: &str) -> Option<Sealed> {
    let (root, bytes) = stem.split_once('-')?;
    Some(Sealed { root: root.parse().ok()?, bytes: bytes.parse().ok()? })
}

/// A directory of files named by their content; mode 0700.
#[derive(Clone, Debug)]
pub struct Store {
    directory: PathBuf,
}

/// Creates a directory that its owner alone can enter.
///
/// # Errors
/// When the disk fails.
pub fn private_directory(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Writes a file that its owner alone can read, durably: either the whole file is there afterwards, or none.
///
/// # Errors
/// When the disk fails.
pub fn write_durably(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let partial = path.with_extension("partial");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&partial)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&partial, path)?;
    path.parent().map_or(Ok(()), |directory| File::open(directory)?.sync_all())
}

impl Store {
    /// Opens or creates the directory.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn open(directory: PathBuf) -> io::Result<Self> {
        private_directory(&directory)?;
        Ok(Self { directory })
    }

    fn path(&self, digest: &Digest) -> PathBuf {
        self.directory.join(digest.to_string())
    }

    /// Whether the file is here.
    #[must_use]
    pub fn has(&self, digest: &Digest) -> bool {
        self.path(digest).is_file()
    }

    /// Keeps bytes under their digest.
    ///
    /// # Errors
    /// [`StoreError::Disk`].
    pub fn put(&self, bytes: &[u8]) -> Result<Digest, StoreError> {
        let digest = Digest::of(bytes);
        if !self.has(&digest) {
            write_durably(&self.path(&digest), bytes)?;
        }
        Ok(digest)
    }

    /// Reads a whole file and checks it against its name.
    ///
    /// # Errors
    /// [`StoreError::OtherBytes`] when the disk has changed it; the file is then removed, so that it can be fetched again.
    pub fn get(&self, digest: &Digest) -> Result<Option<Vec<u8>>, StoreError> {
        match fs::read(self.path(digest)) {
            Ok(bytes) if Digest::of(&bytes) == *digest => Ok(Some(bytes)),
            Ok(_) => {
                fs::remove_file(self.path(digest))?;
                Err(StoreError::OtherBytes)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// At most [`PART_BYTES`] from `offset` on, with the file's size. Who begins a file gets one that was checked just now.
    ///
    /// # Errors
    /// [`StoreError::OtherBytes`] when the disk has changed it; the file is then removed, so that it can be fetched again.
    pub fn part(&self, digest: &Digest, offset: u64) -> Result<Option<(u64, Vec<u8>)>, StoreError> {
        if offset == 0 && self.get(digest)?.is_none() {
            return Ok(None);
        }
        let mut file = match File::open(self.path(digest)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let total = file.metadata()?.len();
        file.seek(SeekFrom::Start(offset.min(total)))?;
        let mut part = Vec::new();
        file.take(PART_BYTES as u64).read_to_end(&mut part)?;
        Ok(Some((total, part)))
    }

    /// Keeps a ciphertext, so that slices of it can be given.
    ///
    /// # Errors
    /// [`StoreError::Disk`].
    pub fn seal(&self, ciphertext: &[u8]) -> Result<Sealed, StoreError> {
        let mut hashes = Vec::new();
        let bytes = ciphertext.len() as u64;
        let sealed = Sealed { root: slice::hash(ciphertext, bytes, &mut hashes)?, bytes };
        write_durably(&self.hashes(&sealed), &hashes)?;
        write_durably(&self.sealed(&sealed), ciphertext)?;
        Ok(sealed)
    }

    /// Whether a whole ciphertext is here.
    #[must_use]
    pub fn has_sealed(&self, file: &Sealed) -> bool {
        self.sealed(file).is_file()
    }

    /// A slice of a ciphertext; none when it is not here, or no slice begins there.
    ///
    /// # Errors
    /// [`StoreError::OtherBytes`] when the disk has changed it; it is then removed, so that it can be fetched again.
    pub fn slice(&self, file: &Sealed, offset: u64) -> Result<Option<Vec<u8>>, StoreError> {
        let open = |path: PathBuf| match File::open(path) {
            Ok(file) => Ok(Some(file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        };
        let (Some(data), Some(hashes)) = (open(self.sealed(file))?, open(self.hashes(file))?) else { return Ok(None) };
        match slice::encode(&data, &hashes, file, offset) {
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                self.drop_sealed(file)?;
                Err(StoreError::OtherBytes)
            }
            encoded => Ok(encoded?),
        }
    }

    /// A ciphertext on its way here, from where it stopped last.
    ///
    /// # Errors
    /// [`StoreError::Disk`].
    pub fn arriving(&self, file: &Sealed) -> Result<Arrival, StoreError> {
        Ok(Arrival::at(&self.sealed(file).with_extension("arriving"), *file)?)
    }

    /// Keeps a ciphertext that has arrived.
    ///
    /// # Errors
    /// [`ArrivalError`]; what had arrived is dropped where it is not what was released.
    pub fn arrived(&self, file: &Sealed, arrival: Arrival) -> Result<(), ArrivalError> {
        let mut hashes = Vec::new();
        let path = arrival.finish(&mut hashes)?;
        write_durably(&self.hashes(file), &hashes)?;
        fs::rename(path, self.sealed(file))?;
        Ok(File::open(&self.directory)?.sync_all()?)
    }

    /// The ciphertexts that are here, whole or on their way.
    ///
    /// # Errors
    /// [`StoreError::Disk`].
    pub fn all_sealed(&self) -> Result<BTreeSet<Sealed>, StoreError> {
        let mut found = BTreeSet::new();
        for entry in fs::read_dir(&self.directory)? {
            found.extend(entry?.path().file_stem().and_then(|name| named(name.to_str()?)));
        }
        Ok(found)
    }

    /// Forgets a ciphertext.
    ///
    /// # Errors
    /// [`StoreError::Disk`].
    pub fn drop_sealed(&self, file: &Sealed) -> Result<(), StoreError> {
        let path = self.sealed(file);
        for path in [path.with_extension("arriving"), self.hashes(file), path] {
            match fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
                Ok(()) | Err(_) => {}
            }
        }
        Ok(())
    }

    fn sealed(&self, file: &Sealed) -> PathBuf {
        self.directory.join(format!("{}-{}", file.root, file.bytes))
    }

    fn hashes(&self, file: &Sealed) -> PathBuf {
        self.sealed(file).with_extension("tree")
    }

    /// Takes the next part of a file that arrives piece by piece. True once the file is complete, checked and durable.
    ///
    /// # Errors
    /// [`StoreError`]; what had arrived is dropped.
    pub fn take_part(&self, digest: &Digest, offset: u64, total: u64, part: &[u8]) -> Result<bool, StoreError> {
        // Who brings a file that the disk has changed heals it: `get` removes such a one.
        if matches!(self.get(digest), Ok(Some(_))) {
            return Ok(true);
        }
        let arriving = self.path(digest).with_extension("arriving");
        let result = self.continue_file(&arriving, digest, offset, total, part);
        if result.is_err() {
            fs::remove_file(&arriving).ok();
        }
        result
    }

    fn continue_file(
        &self,
        arriving: &Path,
        digest: &Digest,
        offset: u64,
        total: u64,
        part: &[u8],
    ) -> Result<bool, StoreError> {
        let mut file = OpenOptions::new().append(true).create(true).mode(0o600).open(arriving)?;
        if offset == 0 {
            file.set_len(0)?;
        }
        let end = offset.saturating_add(part.len() as u64);
        if file.metadata()?.len() != offset || end > total || part.len() > PART_BYTES {
            return Err(StoreError::OutOfPlace);
        }
        file.write_all(part)?;
        if end < total {
            return Ok(false);
        }
        let bytes = fs::read(arriving)?;
        if Digest::of(&bytes) != *digest {
            return Err(StoreError::OtherBytes);
        }
        self.put(&bytes)?;
        fs::remove_file(arriving)?;
        Ok(true)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
mod tests {
    use super::{Store, StoreError};
    use protocol::wire::id::Digest;

    #[test]
    fn parts_make_up_a_file_or_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path().join("store")).unwrap();
        let digest = Digest::of(b"abcdef");
        assert!(!store.take_part(&digest, 0, 6, b"abc").unwrap());
        assert!(matches!(store.take_part(&digest, 4, 6, b"ef"), Err(StoreError::OutOfPlace)));
        assert!(!store.take_part(&digest, 0, 6, b"abc").unwrap());
        assert!(matches!(store.take_part(&digest, 3, 6, b"deX"), Err(StoreError::OtherBytes)));
        assert!(!store.has(&digest));
        assert!(!store.take_part(&digest, 0, 6, b"abc").unwrap());
        assert!(store.take_part(&digest, 3, 6, b"def").unwrap());
        assert_eq!(store.get(&digest).unwrap().unwrap(), b"abcdef");
        assert_eq!(store.part(&digest, 4).unwrap().unwrap(), (6, b"ef".to_vec()));
    }

    #[test]
    fn a_changed_file_is_not_served() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path().to_owned()).unwrap();
        let digest = store.put(b"abc").unwrap();
        std::fs::write(folder.path().join(digest.to_string()), b"abd").unwrap();
        assert!(matches!(store.get(&digest), Err(StoreError::OtherBytes)));
        assert!(!store.has(&digest));
        store.put(b"abc").unwrap();
        std::fs::write(folder.path().join(digest.to_string()), b"abd").unwrap();
        assert!(matches!(store.part(&digest, 0), Err(StoreError::OtherBytes)));
        assert!(store.part(&digest, 0).unwrap().is_none());
        store.put(b"abc").unwrap();
        std::fs::write(folder.path().join(digest.to_string()), b"abd").unwrap();
        assert!(store.take_part(&digest, 0, 3, b"abc").unwrap());
        assert_eq!(store.get(&digest).unwrap().unwrap(), b"abc");
    }
}
