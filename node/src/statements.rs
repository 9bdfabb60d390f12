//! Statement files (`*.quintes`): a CBOR sequence (RFC 8742) of tagged statements, read strictly and written whole or not at all.

mod load;

pub use load::{Federation, LoadError, Refused, load};

use keys::at_rest::{self, PUBLIC, PlaceError};
use protocol::wire::envelope::{MAX_STATEMENT_BYTES, Malformed, Signed};
use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// How a statement file's name ends.
pub const EXTENSION: &str = "quintes";

/// The largest statement file, in bytes: about a thousand statements of the largest size, a hundred thousand usual ones.
pub const MAX_FILE_BYTES: u64 = 64 * 1024 * 1024;

/// The deepest nesting of a statement's own array and headers; the payload is a byte string in it.
const MAX_DEPTH: usize = 16;

/// Why a statement file was not read. Nothing of it is used.
#[derive(Debug, Error)]
pub enum ReadError {
    /// There is no such file.
    #[error("there is no file `{}`; check the path", path.display())]
    Missing {
        /// The path that was tried.
        path: PathBuf,
    },
    /// A folder, a pipe or a device.
    #[error("`{}` is not a regular file; name a statement file (*.{EXTENSION})", path.display())]
    NotAFile {
        /// The path that was tried.
        path: PathBuf,
    },
    /// More than [`MAX_FILE_BYTES`].
    #[error("`{}` has more than 64 MiB; split it, or check that it is a statement file", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// Nothing in it: most likely a copy that failed.
    #[error("`{}` is empty; copy it again", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// The file ends inside a statement.
    #[error("`{}` is cut short: the statement at byte {offset} does not end; copy the file again", path.display())]
    CutShort {
        /// The file.
        path: PathBuf,
        /// Where the incomplete statement begins.
        offset: usize,
    },
    /// What stands there is no statement in our profile.
    #[error("`{}` holds no statement at byte {offset}: {reason}; ask its author for the file again", path.display())]
    NotAStatement {
        /// The file.
        path: PathBuf,
        /// Where it was expected.
        offset: usize,
        /// The rule that is broken.
        reason: Malformed,
    },
    /// The system refused.
    #[error("cannot read `{}`; check that it is yours to read", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Why a statement file was not written. What was there is untouched.
#[derive(Debug, Error)]
pub enum WriteError {
    /// What is there already cannot be read, so that nothing can be added to it.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The name is taken.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// The file would be larger than any reader accepts.
    #[error("`{}` would have more than 64 MiB; begin another file", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// The folder cannot be written, or the disk is full.
    #[error("cannot write `{}`; check that its folder is yours and the disk is not full", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Reads every statement of a file as tagged bytes. Each is in the profile; no signature has been checked.
///
/// # Errors
/// [`ReadError`], which names the file and the byte where it went wrong.
pub fn read(path: &Path) -> Result<Vec<Vec<u8>>, ReadError> {
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => ReadError::Missing { path: path.to_owned() },
        _ => ReadError::Io { path: path.to_owned(), source },
    };
    // Asked before opening, because opening a pipe would wait for its writer.
    if !fs::metadata(path).map_err(failed)?.is_file() {
        return Err(ReadError::NotAFile { path: path.to_owned() });
    }
    let mut bytes = Vec::new();
    File::open(path).map_err(failed)?.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(ReadError::TooLarge { path: path.to_owned() });
    }
    split(path, &bytes)
}

/// The items of a CBOR sequence, each a statement in the profile.
fn split(path: &Path, bytes: &[u8]) -> Result<Vec<Vec<u8>>, ReadError> {
    if bytes.is_empty() {
        return Err(ReadError::Empty { path: path.to_owned() });
    }
    let mut statements = Vec::new();
    let mut offset = 0;
    while offset < bytes.len() {
        let wrong = |reason| ReadError::NotAStatement { path: path.to_owned(), offset, reason };
        let window = &bytes[offset..bytes.len().min(offset + MAX_STATEMENT_BYTES)];
        let mut cursor = io::Cursor::new(window);
        let item: Result<ciborium::Value, _> = ciborium::de::from_reader_with_recursion_limit(&mut cursor, MAX_DEPTH);
        match item {
            Ok(_) => {}
            Err(ciborium::de::Error::Io(_)) if window.len() < MAX_STATEMENT_BYTES => {
                return Err(ReadError::CutShort { path: path.to_owned(), offset });
            }
            Err(ciborium::de::Error::Io(_)) => return Err(wrong(Malformed::TooLarge)),
            Err(_) => return Err(wrong(Malformed::NotSign1)),
        }
        let end = usize::try_from(cursor.position()).map_err(|_| wrong(Malformed::TooLarge))?;
        let statement = &window[..end];
        Signed::parse(statement).map_err(wrong)?;
        statements.push(statement.to_vec());
        offset += end;
    }
    Ok(statements)
}

/// Places a new file of these statements: whole or not at all, and never over another file.
///
/// # Errors
/// [`WriteError`].
pub fn write_new(path: &Path, statements: &[impl AsRef<[u8]>]) -> Result<(), WriteError> {
    let bytes = joined(path, statements)?;
    Ok(at_rest::place_new(path, &bytes, PUBLIC)?)
}

/// Writes a file of these statements over whatever is there: a reader sees the old file or the new one, never a part.
///
/// # Errors
/// [`WriteError`]; what was there is untouched.
pub fn replace(path: &Path, statements: &[impl AsRef<[u8]>]) -> Result<(), WriteError> {
    let bytes = joined(path, statements)?;
    let failed = |source| WriteError::Io { path: path.to_owned(), source };
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let number = getrandom::u64().map_err(|error| failed(io::Error::other(error)))?;
    let passing = folder.join(format!(".new-{number:016x}"));
    let written = write_synced(&passing, &bytes).and_then(|()| fs::rename(&passing, path));
    if let Err(error) = written {
        // The passing file may not have been made at all; the failure reported is the one that matters.
        let _ = fs::remove_file(&passing);
        return Err(failed(error));
    }
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)
}

/// Adds the statements that a file does not hold yet, and says how many that were. A file that is not there is made.
///
/// # Errors
/// [`WriteError`]; what was there is untouched.
pub fn append(path: &Path, statements: &[impl AsRef<[u8]>]) -> Result<usize, WriteError> {
    let mut all = match read(path) {
        Ok(held) => held,
        Err(ReadError::Missing { .. }) => Vec::new(),
        Err(error) => return Err(error.into()),
    };
    let mut known: BTreeSet<Vec<u8>> = all.iter().cloned().collect();
    let before = all.len();
    for statement in statements {
        if known.insert(statement.as_ref().to_vec()) {
            all.push(statement.as_ref().to_vec());
        }
    }
    let added = all.len() - before;
    if added > 0 {
        replace(path, &all)?;
    }
    Ok(added)
}

fn joined(path: &Path, statements: &[impl AsRef<[u8]>]) -> Result<Vec<u8>, WriteError> {
    let bytes = statements.iter().map(AsRef::as_ref).collect::<Vec<_>>().concat();
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(WriteError::TooLarge { path: path.to_owned() });
    }
    Ok(bytes)
}

fn write_synced(path: &Path, contents: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
    file.write_all(contents)?;
    file.sync_all()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
mod tests;
