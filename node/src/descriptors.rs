//! How many files and connections this process may have open at once: as many as the system lets it have, rather than the customary 1,024.

use rustix::process::{Resource, getrlimit, setrlimit};

/// What is assumed where there is no limit.
const PLENTY: u64 = 1 << 20;

/// How many descriptors this process may have.
#[must_use]
pub fn limit() -> u64 {
    getrlimit(Resource::Nofile).current.unwrap_or(PLENTY)
}

/// Takes as many as the system gives without asking anybody (the hard limit of getrlimit(2)); how many that are.
pub fn raise() -> u64 {
    let mut limits = getrlimit(Resource::Nofile);
    limits.current = limits.maximum;
    // Refused: then it stays as it was, and fewer connections are taken.
    let _ = setrlimit(Resource::Nofile, limits);
    limit()
}
