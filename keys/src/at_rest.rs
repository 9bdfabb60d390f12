//! How secrets lie on disk: a file appears whole or not at all, replaces nothing, and is refused when others can read it.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use thiserror::Error;
use zeroize::Zeroizing;

/// Readable and writable by its owner alone: the mode of every private file.
pub const PRIVATE: u32 = 0o600;

/// Readable by all, writable by its owner: the mode of a public key.
pub const PUBLIC: u32 = 0o644;

/// Why a file was not placed. Nothing was left behind.
#[derive(Debug, Error)]
pub enum PlaceError {
    /// There is something of that name already.
    #[error("`{}` is already there and is never overwritten; choose another name or move it away", path.display())]
    Exists {
        /// The name that is taken.
        path: PathBuf,
    },
    /// The folder cannot be written, or the disk is full.
    #[error("cannot write `{}`; check that its folder exists and is yours", path.display())]
    Io {
        /// The file to be written.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Why a private file was not read.
#[derive(Debug, Error)]
pub enum ReadError {
    /// There is no such file.
    #[error("there is no file `{}`; check the path", path.display())]
    Missing {
        /// The path that was tried.
        path: PathBuf,
    },
    /// A folder, a pipe or a device.
    #[error("`{}` is not a regular file; check the path", path.display())]
    NotAFile {
        /// The path that was tried.
        path: PathBuf,
    },
    /// The group or others have permissions on it.
    #[error("`{}` is open to others (mode {mode:03o}); run `chmod 600 {}`", path.display(), path.display())]
    OpenToOthers {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// Larger than anything of its kind.
    #[error("`{}` has more than {limit} bytes; check the path", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// What its kind has at most, in bytes.
        limit: u64,
    },
    /// The system refused.
    #[error("cannot read `{}`; check that it is yours", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Places a new file: written and synced under a passing name, then linked to `path`, so that a crash leaves the whole
/// file or none. A hard link fails where the name is taken, which a rename would not. File systems without hard
/// links have no permissions to keep a secret with either.
///
/// # Errors
/// [`PlaceError`]; what was at `path` is untouched.
pub fn place_new(path: &Path, contents: &[u8], mode: u32) -> Result<(), PlaceError> {
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::AlreadyExists => PlaceError::Exists { path: path.to_owned() },
        _ => PlaceError::Io { path: path.to_owned(), source },
    };
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let passing = folder.join(passing_name().map_err(failed)?);
    let linked = write_synced(&passing, contents, mode).and_then(|()| fs::hard_link(&passing, path));
    // The passing name goes whether or not the link was made; it is not there when it could not be written.
    let removed = fs::remove_file(&passing);
    linked.map_err(failed)?;
    removed.and_then(|()| File::open(folder)?.sync_all()).map_err(failed)
}

/// Reads a private file of at most `limit` bytes. The permissions are those of the opened file, so it cannot be swapped
/// between the check and the reading.
///
/// # Errors
/// [`ReadError`], above all when anybody but the owner has permissions on the file.
pub fn read_private(path: &Path, limit: u64) -> Result<Zeroizing<Vec<u8>>, ReadError> {
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => ReadError::Missing { path: path.to_owned() },
        _ => ReadError::Io { path: path.to_owned(), source },
    };
    // Asked before opening, because opening a pipe would wait for its writer.
    if !fs::metadata(path).map_err(failed)?.is_file() {
        return Err(ReadError::NotAFile { path: path.to_owned() });
    }
    let file = File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(ReadError::OpenToOthers { path: path.to_owned(), mode });
    }
    let too_large = || ReadError::TooLarge { path: path.to_owned(), limit };
    // Room for everything at once: growing would leave copies of the secret behind.
    let room = usize::try_from(metadata.len().min(limit)).map_err(|_| too_large())?;
    let mut contents = Zeroizing::new(Vec::with_capacity(room + 1));
    file.take(limit.saturating_add(1)).read_to_end(&mut contents).map_err(failed)?;
    if u64::try_from(contents.len()).is_ok_and(|length| length <= limit) { Ok(contents) } else { Err(too_large()) }
}

/// A name that nobody else is using at this moment.
fn passing_name() -> io::Result<OsString> {
    let number = getrandom::u64().map_err(io::Error::other)?;
    Ok(format!(".new-{number:016x}").into())
}

/// Writes a new file with this mode and waits until the disk has it.
fn write_synced(path: &Path, contents: &[u8], mode: u32) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    file.write_all(contents)?;
    file.sync_all()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<OsString> {
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect()
    }

    #[test]
    fn a_placed_file_is_private_whole_and_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("one");
        place_new(&path, b"first", PRIVATE).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, PRIVATE);
        assert_eq!(read_private(&path, 5).unwrap().as_slice(), b"first");
        assert_eq!(names(folder.path()), ["one"]);
    }

    #[test]
    fn nothing_is_overwritten_not_even_a_dangling_link() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("one");
        place_new(&path, b"first", PRIVATE).unwrap();
        assert!(matches!(place_new(&path, b"second", PRIVATE), Err(PlaceError::Exists { .. })));
        assert_eq!(fs::read(&path).unwrap(), b"first");
        let link = folder.path().join("two");
        std::os::unix::fs::symlink("nowhere", &link).unwrap();
        assert!(matches!(place_new(&link, b"second", PRIVATE), Err(PlaceError::Exists { .. })));
        assert_eq!(names(folder.path()).len(), 2);
        assert!(matches!(place_new(&folder.path().join("no/folder"), b"", PRIVATE), Err(PlaceError::Io { .. })));
    }

    #[test]
    fn of_many_who_place_one_name_exactly_one_succeeds() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("one");
        let placed = std::thread::scope(|scope| {
            let racers: Vec<_> = (0..8_u8)
                .map(|racer| {
                    scope.spawn({
                        let path = &path;
                        move || place_new(path, &[racer; 1000], PRIVATE).is_ok()
                    })
                })
                .collect();
            racers.into_iter().map(|racer| racer.join().unwrap()).filter(|placed| *placed).count()
        });
        assert_eq!(placed, 1);
        let contents = fs::read(&path).unwrap();
        assert_eq!(contents, vec![contents[0]; 1000]);
        assert_eq!(names(folder.path()), ["one"]);
    }

    #[test]
    fn files_that_others_can_open_are_refused_with_the_remedy() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("one");
        place_new(&path, b"first", PRIVATE).unwrap();
        for mode in [0o640, 0o604, 0o620, 0o602, 0o610, 0o601] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let error = read_private(&path, 5).unwrap_err();
            assert!(error.to_string().ends_with(&format!("run `chmod 600 {}`", path.display())), "{error}");
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
        assert!(read_private(&path, 5).is_ok());
    }

    #[test]
    fn what_is_missing_too_large_or_no_file_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("one");
        assert!(matches!(read_private(&path, 5), Err(ReadError::Missing { .. })));
        assert!(matches!(read_private(folder.path(), 5), Err(ReadError::NotAFile { .. })));
        place_new(&path, b"sixsix", PRIVATE).unwrap();
        assert!(matches!(read_private(&path, 5), Err(ReadError::TooLarge { limit: 5, .. })));
    }
}
