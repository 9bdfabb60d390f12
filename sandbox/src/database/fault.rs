//! What makes a dataset unsafe to open, and what mends it.

use std::fmt;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use thiserror::Error;

/// One thing that is wrong with how a dataset lies or what its role may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What is wrong.
    pub sentence: String,
    /// What mends it: a command for a shell, SQL, or a sentence.
    pub remedy: String,
}

impl Fault {
    pub(super) fn new(sentence: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { sentence: sentence.into(), remedy: remedy.into() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.sentence, self.remedy)
    }
}

/// A dataset that is not opened until all of this is mended. Never empty.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the dataset is not safe to open: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
pub struct Unsafe(pub Vec<Fault>);

impl Unsafe {
    pub(super) fn unless_none(faults: Vec<Fault>) -> Result<(), Self> {
        if faults.is_empty() { Ok(()) } else { Err(Self(faults)) }
    }
}

/// What is wrong with who can reach a file of a dataset. A file in a folder that others cannot enter is out of their reach.
pub(super) fn of_file(path: &Path) -> Option<Fault> {
    let mode = |path: &Path| std::fs::metadata(path).map(|found| found.permissions().mode() & 0o777);
    let open = mode(path).ok()? & 0o006;
    let path = path.canonicalize().ok()?;
    if open == 0 || path.ancestors().skip(1).any(|folder| mode(folder).is_ok_and(|mode| mode & 0o001 == 0)) {
        return None;
    }
    let can = if open & 0o002 == 0 { "read" } else { "write to" };
    let folder = path.parent().unwrap_or(&path);
    Some(Fault::new(
        format!("everybody on this machine can {can} `{}`", path.display()),
        format!("run `chmod o-rwx {}`", folder.display()),
    ))
}

/// Whether a host is this machine, to which nothing crosses a network.
#[cfg(any(feature = "flight", feature = "s3"))]
pub(super) fn is_this_machine(host: &str) -> bool {
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// What is wrong with who can reach a file that holds a password or a key (`what`): it is its owner's alone, wherever it lies.
#[cfg(any(feature = "postgres", feature = "flight", feature = "s3"))]
pub(super) fn of_secret(path: &Path, what: &str) -> Option<Fault> {
    let mode = std::fs::metadata(path).ok()?.permissions().mode() & 0o777;
    (mode & 0o077 != 0).then(|| {
        let path = path.display();
        Fault::new(
            format!("others can reach the {what} file `{path}` (mode {mode:03o})"),
            format!("run `chmod 600 {path}`"),
        )
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
mod tests {
    use super::*;
    use std::fs::{self, Permissions};

    #[test]
    fn a_file_is_out_of_reach_by_its_mode_or_by_a_folders() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("t.csv");
        fs::write(&file, "id\n").unwrap();
        let set = |path: &Path, mode| fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
        set(&file, 0o644);
        set(folder.path(), 0o755);
        let fault = of_file(&file).unwrap();
        assert!(fault.sentence.contains("can read") && fault.remedy.contains("chmod o-rwx"), "{fault}");
        set(&file, 0o642);
        assert!(of_file(&file).unwrap().sentence.contains("can write to"));
        set(&file, 0o640);
        assert_eq!(of_file(&file), None);
        set(&file, 0o644);
        set(folder.path(), 0o750);
        assert_eq!(of_file(&file), None);
    }
}
