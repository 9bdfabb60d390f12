//! Failing seeds on disk: enough to see the same run again, event by event.

use crate::event::Event;
use crate::scenario::Options;
use crate::sim::{Outcome, run_with_log};
use serde::{Deserialize, Serialize};
use std::io;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// What a replay file says. It is small: the seed makes everything else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReplayFile {
    /// The seed.
    pub seed: u64,
    /// The series' options.
    pub options: Options,
    /// The event after which something did not hold.
    pub event: u64,
    /// Which invariant.
    pub invariant: String,
    /// The run's hash, in hexadecimal: a replay by another version may differ, and says so.
    pub trace_hash: String,
}

/// Why a replay file could not be written or read.
#[derive(Debug, Error)]
pub enum ReplayFileError {
    /// The disk, or the path.
    #[error("`{}` could not be read or written; check the path", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Not a replay file.
    #[error("`{}` is not a replay file; `testnet sim` writes them", path.display())]
    Form {
        /// The file.
        path: PathBuf,
        /// Where it is wrong.
        source: serde_json::Error,
    },
}

/// Writes `sim-<seed>.json` for a run in which something did not hold, and gives its path; none for a run without fault.
///
/// # Errors
/// [`ReplayFileError`] when the folder cannot be written.
pub fn write(folder: &Path, outcome: &Outcome, options: &Options) -> Result<Option<PathBuf>, ReplayFileError> {
    let Some(violation) = outcome.violations.first() else { return Ok(None) };
    let path = folder.join(format!("sim-{}.json", outcome.seed));
    let file = ReplayFile {
        seed: outcome.seed,
        options: *options,
        event: violation.event,
        invariant: violation.invariant.to_owned(),
        trace_hash: outcome.trace_hash.to_string(),
    };
    let text = serde_json::to_string_pretty(&file).expect("numbers and texts have a JSON form");
    std::fs::write(&path, text + "\n").map_err(|source| ReplayFileError::Io { path: path.clone(), source })?;
    Ok(Some(path))
}

/// Reads a replay file.
///
/// # Errors
/// [`ReplayFileError`].
pub fn read(path: &Path) -> Result<ReplayFile, ReplayFileError> {
    let text = std::fs::read_to_string(path).map_err(|source| ReplayFileError::Io { path: path.to_owned(), source })?;
    serde_json::from_str(&text).map_err(|source| ReplayFileError::Form { path: path.to_owned(), source })
}

/// Runs a replay file again: how it ended this time, and every event up to there.
///
/// # Errors
/// [`ReplayFileError`].
pub fn replay(path: &Path) -> Result<(ReplayFile, Outcome, Vec<Event>), ReplayFileError> {
    let file = read(path)?;
    let (outcome, events) = run_with_log(file.seed, &file.options);
    Ok((file, outcome, events))
}
