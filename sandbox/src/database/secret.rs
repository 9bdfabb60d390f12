//! Passwords: read from their file at each use, and wiped from memory after it.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;
use zeroize::Zeroizing;

/// The longest password, in bytes.
const MAX_PASSWORD: u64 = 4_096;

/// The first line of a file.
pub(super) fn password(file: &Path) -> io::Result<Zeroizing<String>> {
    let mut text = Zeroizing::new(String::with_capacity(usize::try_from(MAX_PASSWORD).unwrap_or(usize::MAX)));
    File::open(file)?.take(MAX_PASSWORD).read_to_string(&mut text)?;
    let password = Zeroizing::new(text.trim_end_matches(['\r', '\n']).to_owned());
    if password.is_empty() || password.contains(['\r', '\n', '\0']) {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it does not hold exactly one line"));
    }
    Ok(password)
}
