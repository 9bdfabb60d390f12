//! Compiled components on disk: each file sealed with the node's key, so that code which others put there is never loaded.
//!
//! A file holds the seal (32 bytes) and the code. The seal is HMAC-SHA-256 (RFC 2104) over a word of its own, the component's SHA-256, the engine's
//! settings and the code: a file under another name, of another engine or with another byte is no file. The check is made just before the code
//! goes to a worker.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

/// What the seals of this kind of file begin with.
const DOMAIN: &[u8] = b"quintes compiled component, version 1\0";

/// The bytes of a seal.
const SEAL: usize = 32;

/// The most bytes of compiled code on disk; the files that were not used for the longest time go first.
const KEPT_BYTES: u64 = 1024 * 1024 * 1024;

/// Compiled code that is as this node made it.
pub(crate) struct Sealed(Vec<u8>);

impl Sealed {
    /// The code.
    pub(crate) fn into_code(self) -> Vec<u8> {
        self.0
    }
}

/// A folder of compiled components.
pub struct Cache {
    folder: PathBuf,
    key: [u8; 32],
    written: AtomicU64,
}

/// The key never reaches a log.
impl std::fmt::Debug for Cache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cache").field("folder", &self.folder).finish_non_exhaustive()
    }
}

impl Cache {
    /// Opens the folder, or makes it, readable for the node alone. `key` is the node's own and used for nothing else.
    ///
    /// # Errors
    /// When the folder cannot be made or kept from others.
    pub fn open(folder: &Path, key: [u8; 32]) -> io::Result<Self> {
        if !folder.is_dir() {
            DirBuilder::new().mode(0o700).create(folder)?;
        }
        fs::set_permissions(folder, fs::Permissions::from_mode(0o700))?;
        Ok(Self { folder: folder.to_owned(), key, written: AtomicU64::new(0) })
    }

    fn path(&self, component: &[u8; 32], settings: &[u8; 32]) -> PathBuf {
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        self.folder.join(format!("{}-{}", hex(component), hex(&settings[..8])))
    }

    fn mac(&self, component: &[u8; 32], settings: &[u8; 32], code: &[u8]) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).expect("HMAC takes keys of any length");
        for part in [DOMAIN, component, settings, code] {
            mac.update(part);
        }
        mac
    }

    /// The code of a component for an engine of these settings. A file whose seal is not ours is removed.
    pub(crate) fn get(&self, component: &[u8; 32], settings: &[u8; 32]) -> Option<Sealed> {
        let path = self.path(component, settings);
        let mut code = fs::read(&path).ok()?;
        let whole = code.len() >= SEAL;
        let seal: Vec<u8> = code.drain(..SEAL.min(code.len())).collect();
        if !whole || self.mac(component, settings, &code).verify_slice(&seal).is_err() {
            tracing::error!(
                "a compiled component on disk is not as this node wrote it: it was not loaded, and is removed"
            );
            let _ = fs::remove_file(&path);
            return None;
        }
        // Used now, so that it stays. Where it cannot be said, it goes earlier.
        let _ = fs::File::options().append(true).open(&path).and_then(|file| file.set_modified(SystemTime::now()));
        Some(Sealed(code))
    }

    /// Keeps code that a worker made of a component.
    pub(crate) fn put(&self, component: &[u8; 32], settings: &[u8; 32], code: &[u8]) -> io::Result<()> {
        let number = self.written.fetch_add(1, Ordering::Relaxed);
        let beside = self.folder.join(format!(".{}-{number}", std::process::id()));
        let seal = self.mac(component, settings, code).finalize().into_bytes();
        let written = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside).and_then(|mut file| {
            file.write_all(&seal)?;
            file.write_all(code)?;
            fs::rename(&beside, self.path(component, settings))
        });
        if written.is_err() {
            let _ = fs::remove_file(&beside);
        }
        written?;
        self.make_room()
    }

    fn make_room(&self) -> io::Result<()> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            let about = entry.metadata()?;
            files.push((about.modified()?, about.len(), entry.path()));
        }
        files.sort();
        let mut bytes: u64 = files.iter().map(|(_, bytes, _)| bytes).sum();
        for (_, size, path) in files {
            if bytes <= KEPT_BYTES {
                break;
            }
            fs::remove_file(path)?;
            bytes -= size;
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
mod tests {
    use super::*;

    const COMPONENT: [u8; 32] = [1; 32];
    const SETTINGS: [u8; 32] = [2; 32];

    fn cache(folder: &Path) -> Cache {
        Cache::open(folder, [3; 32]).unwrap()
    }

    fn code(cache: &Cache, component: &[u8; 32], settings: &[u8; 32]) -> Option<Vec<u8>> {
        cache.get(component, settings).map(Sealed::into_code)
    }

    #[test]
    fn what_was_put_is_there_for_the_same_component_and_engine_alone() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("compiled");
        let cache = cache(&folder);
        cache.put(&COMPONENT, &SETTINGS, b"code").unwrap();
        assert_eq!(code(&cache, &COMPONENT, &SETTINGS).unwrap(), b"code");
        assert_eq!(code(&cache, &[9; 32], &SETTINGS), None);
        assert_eq!(code(&cache, &COMPONENT, &[9; 32]), None);
        assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
        assert_eq!(fs::metadata(cache.path(&COMPONENT, &SETTINGS)).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn threat_24_a_flipped_byte_or_a_moved_file_is_never_loaded() {
        let folder = tempfile::tempdir().unwrap();
        let cache = cache(folder.path());
        let path = cache.path(&COMPONENT, &SETTINGS);
        cache.put(&COMPONENT, &SETTINGS, b"code").unwrap();
        let whole = fs::read(&path).unwrap();
        for at in 0..whole.len() {
            let mut flipped = whole.clone();
            flipped[at] ^= 1;
            fs::write(&path, flipped).unwrap();
            assert_eq!(code(&cache, &COMPONENT, &SETTINGS), None, "byte {at}");
            assert!(!path.exists());
        }
        for length in 0..whole.len() {
            fs::write(&path, &whole[..length]).unwrap();
            assert_eq!(code(&cache, &COMPONENT, &SETTINGS), None, "{length} bytes");
        }
        for (component, settings) in [([9; 32], SETTINGS), (COMPONENT, [9; 32])] {
            fs::write(cache.path(&component, &settings), &whole).unwrap();
            assert_eq!(code(&cache, &component, &settings), None);
        }
        fs::write(&path, &whole).unwrap();
        let stranger = Cache::open(folder.path(), [4; 32]).unwrap();
        assert_eq!(code(&stranger, &COMPONENT, &SETTINGS), None);
    }
}
