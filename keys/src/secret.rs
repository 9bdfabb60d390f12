//! The node's own secrets: 32 random bytes in a private file, made once and read ever after.

use crate::at_rest::{self, PRIVATE, PlaceError, ReadError};
use std::path::{Path, PathBuf};
use thiserror::Error;
use zeroize::Zeroizing;

/// The size of a secret, in bytes.
const SECRET_BYTES: usize = 32;

/// Why there is no secret to work with.
#[derive(Debug, Error)]
pub enum SecretError {
    /// The file is there and cannot be used.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The file is not there and cannot be made.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// The file is not a secret. It is not replaced, since something may depend on it.
    #[error("`{}` does not hold 32 bytes; restore it from a backup, or move it away to begin anew", path.display())]
    WrongSize {
        /// The file.
        path: PathBuf,
    },
    /// The system gave no randomness.
    #[error("the system gave no random bytes; see that /dev/urandom works")]
    Entropy(#[source] getrandom::Error),
}

/// The secret in `path`, 32 bytes as they are; when there is no such file, a new random one is placed there, mode 0600.
/// Callers that race all get the one secret that was placed.
///
/// # Errors
/// [`SecretError`], above all when others can open the file.
pub fn create_or_open(path: &Path) -> Result<Zeroizing<[u8; 32]>, SecretError> {
    match open(path) {
        Err(SecretError::Read(ReadError::Missing { .. })) => {}
        found => return found,
    }
    let mut secret = Zeroizing::new([0; SECRET_BYTES]);
    getrandom::fill(secret.as_mut_slice()).map_err(SecretError::Entropy)?;
    match at_rest::place_new(path, secret.as_slice(), PRIVATE) {
        Ok(()) => Ok(secret),
        Err(PlaceError::Exists { .. }) => open(path),
        Err(error) => Err(error.into()),
    }
}

fn open(path: &Path) -> Result<Zeroizing<[u8; 32]>, SecretError> {
    let wrong_size = || SecretError::WrongSize { path: path.to_owned() };
    let contents = match at_rest::read_private(path, 32) {
        Err(ReadError::TooLarge { .. }) => return Err(wrong_size()),
        contents => contents?,
    };
    let secret = <[u8; SECRET_BYTES]>::try_from(contents.as_slice()).map_err(|_| wrong_size())?;
    Ok(Zeroizing::new(secret))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_secret_is_made_once_private_and_stays() {
        let folder = tempfile::tempdir().unwrap();
        let (one, two) = (folder.path().join("one"), folder.path().join("two"));
        let first = create_or_open(&one).unwrap();
        assert_eq!(fs::metadata(&one).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(create_or_open(&one).unwrap(), first);
        assert_ne!(create_or_open(&two).unwrap(), first);
    }

    #[test]
    fn racing_callers_share_one_secret() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("one");
        let secrets: Vec<_> = std::thread::scope(|scope| {
            let racers: Vec<_> = (0..8).map(|_| scope.spawn(|| create_or_open(&path).unwrap())).collect();
            racers.into_iter().map(|racer| racer.join().unwrap()).collect()
        });
        assert!(secrets.iter().all(|secret| *secret == secrets[0]));
    }

    #[test]
    fn lax_permissions_and_wrong_sizes_are_refused_and_nothing_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("one");
        create_or_open(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(create_or_open(&path), Err(SecretError::Read(ReadError::OpenToOthers { mode: 0o640, .. }))));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        for wrong in [&[][..], &[1; 31], &[1; 33]] {
            fs::write(&path, wrong).unwrap();
            assert!(matches!(create_or_open(&path), Err(SecretError::WrongSize { .. })));
            assert_eq!(fs::read(&path).unwrap(), wrong);
        }
    }
}
