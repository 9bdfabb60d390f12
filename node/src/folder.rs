//! A fetched folder: what lies where, how it is written whole or not at all, and how it is checked against its own statements.
//!
//! ```text
//! DIR/statements.quintes      every statement of the chain, a CBOR sequence
//! DIR/task.json               the same in short, for people and scripts
//! DIR/<tre>/delivery.cbor     what the TRE encrypted: schemas, salts and bytes
//! DIR/<tre>/<output>.csv      the bytes alone
//! ```

use crate::statements;
use crate::store::{private_directory, write_durably};
use protocol::audit::{Fate, Report, Step, Verdict, verify};
use protocol::delivery::Delivery;
use protocol::disclosure::table::Column;
use protocol::record::name::is_name;
use protocol::wire::id::{Digest, NetworkId, StatementId};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// The file of statements.
pub const STATEMENTS: &str = "statements.quintes";

/// The summary.
pub const SUMMARY: &str = "task.json";

/// The delivery in a TRE's folder.
pub const DELIVERY: &str = "delivery.cbor";

/// The largest delivery or table that is read, in bytes.
const MAX_BYTES: u64 = 1024 * 1024 * 1024;

/// Why a folder could not be read or written.
#[derive(Debug, Error)]
pub enum FolderError {
    /// It is no fetched folder.
    #[error("`{}` is no fetched folder: it has no {STATEMENTS}; name the folder that `quintes fetch` wrote", path.display())]
    NotFetched {
        /// The folder.
        path: PathBuf,
    },
    /// Its statements.
    #[error(transparent)]
    Read(#[from] statements::ReadError),
    /// Its statements could not be written.
    #[error(transparent)]
    Write(#[from] statements::WriteError),
    /// Something else lies where a TRE's part belongs.
    #[error("`{}` is there already and is not what the TRE released; move it away and fetch again", path.display())]
    Occupied {
        /// The TRE's folder.
        path: PathBuf,
    },
    /// The system refused.
    #[error("cannot use `{}`; check that the folder is yours and the disk is not full", path.display())]
    Io {
        /// What was touched.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
}

fn failed(path: &Path) -> impl Fn(io::Error) -> FolderError + '_ {
    move |cause| FolderError::Io { path: path.to_owned(), cause }
}

/// Writes one TRE's part, which was checked against its release: the folder appears whole or not at all. A part that is there already stays
/// when it is the same.
///
/// # Errors
/// [`FolderError`], above all [`FolderError::Occupied`].
pub fn place(dir: &Path, delivery: &Delivery) -> Result<PathBuf, FolderError> {
    let target = dir.join(&delivery.tre);
    if target.exists() {
        let same = holds(&target, delivery).map_err(failed(&target))?;
        return if same { Ok(target) } else { Err(FolderError::Occupied { path: target }) };
    }
    let passing = dir.join(format!(".{}.new", delivery.tre));
    if passing.exists() {
        fs::remove_dir_all(&passing).map_err(failed(&passing))?;
    }
    private_directory(&passing).map_err(failed(&passing))?;
    for output in &delivery.outputs {
        let path = passing.join(format!("{}.csv", output.name));
        write_durably(&path, &output.bytes).map_err(failed(&path))?;
    }
    let path = passing.join(DELIVERY);
    write_durably(&path, &delivery.to_bytes()).map_err(failed(&path))?;
    fs::rename(&passing, &target).map_err(failed(&target))?;
    Ok(target)
}

/// Whether a TRE's folder holds exactly this delivery.
fn holds(target: &Path, delivery: &Delivery) -> io::Result<bool> {
    let same = |name: &str, bytes: &[u8]| fs::read(target.join(name)).is_ok_and(|found| found == bytes);
    let whole = same(DELIVERY, &delivery.to_bytes());
    Ok(whole && delivery.outputs.iter().all(|output| same(&format!("{}.csv", output.name), &output.bytes)))
}

/// Writes the statements of the chain and the summary that follows from them.
///
/// # Errors
/// [`FolderError`].
pub fn conclude(dir: &Path, chain: &[Vec<u8>], network: NetworkId) -> Result<Report, FolderError> {
    statements::replace(&dir.join(STATEMENTS), chain)?;
    let report = verify(chain, &deliveries(dir)?, Some(network));
    let path = dir.join(SUMMARY);
    write_durably(&path, summary(&report).as_bytes()).map_err(failed(&path))?;
    Ok(report)
}

/// Audits a folder: its statements and deliveries, and then that every other file says what those say.
///
/// # Errors
/// [`FolderError`] when there is nothing that could be audited.
pub fn audit(dir: &Path, pinned: Option<NetworkId>) -> Result<Report, FolderError> {
    let path = dir.join(STATEMENTS);
    if !path.exists() {
        return Err(FolderError::NotFetched { path: dir.to_owned() });
    }
    let chain = statements::read(&path)?;
    let mut report = verify(&chain, &deliveries(dir)?, pinned);
    let released: Vec<(String, Delivery)> = report
        .fates
        .iter()
        .filter_map(|(tre, fate)| match fate {
            Fate::Released(delivery) => Some((tre.clone(), Delivery::clone(delivery))),
            Fate::Declined(_) | Fate::Missing(_) => None,
        })
        .collect();
    for (tre, delivery) in released {
        files(dir, &tre, &delivery, &mut report)?;
    }
    let path = dir.join(SUMMARY);
    match fs::read(&path) {
        Ok(found) if found == summary(&report).as_bytes() => {
            report.step(None, SUMMARY, Verdict::Holds, "it says what the statements say");
        }
        Ok(_) => report.step(
            None,
            SUMMARY,
            Verdict::Fails,
            format!("`{}` does not say what the statements say", path.display()),
        ),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            report.step(None, SUMMARY, Verdict::Fails, format!("`{}` is not there", path.display()));
        }
        Err(error) => return Err(failed(&path)(error)),
    }
    Ok(report)
}

/// The tables on disk are those of the delivery, all of them and no others.
fn files(dir: &Path, tre: &str, delivery: &Delivery, report: &mut Report) -> Result<(), FolderError> {
    let folder = dir.join(tre);
    let mut names = BTreeSet::from([DELIVERY.to_owned()]);
    for output in &delivery.outputs {
        let name = format!("{}.csv", output.name);
        let path = folder.join(&name);
        match read_bounded(&path) {
            Ok(found) if found == output.bytes => {
                report.step(
                    Some(tre),
                    "file",
                    Verdict::Holds,
                    format!("`{}` is byte for byte what was released", path.display()),
                );
            }
            Ok(_) => {
                report.step(Some(tre), "file", Verdict::Fails, format!("`{}` is not what was released", path.display()))
            }
            Err(error) => {
                report.step(Some(tre), "file", Verdict::Fails, format!("`{}` cannot be read: {error}", path.display()))
            }
        }
        names.insert(name);
    }
    for entry in fs::read_dir(&folder).map_err(failed(&folder))? {
        let name = entry.map_err(failed(&folder))?.file_name().to_string_lossy().into_owned();
        if !names.contains(&name) {
            let path = folder.join(name);
            report.step(
                Some(tre),
                "file",
                Verdict::Fails,
                format!("`{}` is no part of what was released", path.display()),
            );
        }
    }
    Ok(())
}

/// The deliveries, by the folder in which they lie.
fn deliveries(dir: &Path) -> Result<BTreeMap<String, Vec<u8>>, FolderError> {
    let mut deliveries = BTreeMap::new();
    for entry in fs::read_dir(dir).map_err(failed(dir))? {
        let entry = entry.map_err(failed(dir))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = entry.path().join(DELIVERY);
        if is_name(&name) && path.exists() {
            deliveries.insert(name, read_bounded(&path).map_err(failed(&path))?);
        }
    }
    Ok(deliveries)
}

fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    if fs::metadata(path)?.len() > MAX_BYTES {
        return Err(io::Error::other("it is larger than any release"));
    }
    fs::read(path)
}

/// The summary that follows from an audit, and from nothing else: the same folder always has the same. Its fields are structs, because the
/// order of a JSON object's keys would otherwise depend on how the program was built.
#[derive(Serialize)]
struct Summary<'a> {
    network: Option<NetworkId>,
    task: Option<Task<'a>>,
    tres: BTreeMap<&'a str, Told<'a>>,
}

#[derive(Serialize)]
struct Task<'a> {
    id: StatementId,
    title: &'a str,
    project: &'a str,
    submitter: &'a str,
    component: Digest,
    parameters: &'a BTreeMap<String, String>,
    datasets: &'a [String],
    signed: u64,
}

/// What became of a task at one TRE, as data.
#[derive(Serialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
enum Told<'a> {
    Released { outputs: Vec<Released<'a>>, withheld: Vec<&'a String> },
    Declined { reason: &'a str },
    Missing { reason: &'a str },
}

#[derive(Serialize)]
struct Released<'a> {
    name: &'a str,
    bytes: usize,
    columns: &'a [Column],
}

fn told(fate: &Fate) -> Told<'_> {
    match fate {
        Fate::Released(delivery) => Told::Released {
            outputs: delivery
                .outputs
                .iter()
                .map(|output| Released { name: &output.name, bytes: output.bytes.len(), columns: &output.schema })
                .collect(),
            withheld: delivery.withheld.keys().collect(),
        },
        Fate::Declined(reason) => Told::Declined { reason },
        Fate::Missing(reason) => Told::Missing { reason },
    }
}

/// The summary of an audit as `task.json` holds it: one JSON object over several lines.
#[must_use]
pub fn summary(report: &Report) -> String {
    let task = report.submission.as_ref().map(|submission| {
        let said = submission.payload();
        Task {
            id: submission.id(),
            title: &said.title,
            project: &said.project,
            submitter: &submission.signer().name,
            component: said.component,
            parameters: &said.parameters,
            datasets: &said.datasets,
            signed: submission.claims().issued,
        }
    });
    let tres = report.fates.iter().map(|(tre, fate)| (tre.as_str(), told(fate))).collect();
    let summary = serde_json::to_string_pretty(&Summary { network: report.network, task, tres });
    summary.expect("the keys are texts and no number is a float") + "\n"
}

/// The file in which a step of an audit is to be looked for.
#[must_use]
pub fn file_of(dir: &Path, step: &Step) -> PathBuf {
    match (&step.tre, step.what.as_str()) {
        (Some(tre), "delivery" | "tables") => dir.join(tre).join(DELIVERY),
        (Some(tre), "file") => dir.join(tre),
        (None, SUMMARY) => dir.join(SUMMARY),
        _ => dir.join(STATEMENTS),
    }
}
