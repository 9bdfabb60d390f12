//! A federation as files tell it: every statement of some files and folders, verified in whatever order they need.

use crate::statements::{self, EXTENSION, ReadError};
use protocol::ingress::{self, Ignored, Statement, Verdict};
use protocol::record::Kind;
use protocol::trust::roster::Roster;
use protocol::wire::envelope::Signed;
use protocol::wire::id::{NetworkId, StatementId};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Why no federation could be told from the files.
#[derive(Debug, Error)]
pub enum LoadError {
    /// A file or folder that was named is not there.
    #[error("there is no federation folder or file `{}`; make one with `quintes network init`, or copy one from a member", path.display())]
    Missing {
        /// The path that was tried.
        path: PathBuf,
    },
    /// The system refused.
    #[error("cannot read `{}`; check that it is yours to read", path.display())]
    Io {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// No root, and no id given.
    #[error(
        "no root of a federation was found; import one with `quintes network import FILE`, or name the federation with `--network ID`"
    )]
    NoRoot,
    /// Several founding roots.
    #[error("the files belong to several federations ({}); name yours with `--network ID`", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))]
    SeveralRoots(BTreeSet<NetworkId>),
}

/// What a federation's files say.
#[derive(Debug)]
pub struct Federation {
    /// Who may speak as whom now.
    pub roster: Roster,
    /// Every statement that verifies now, in the order of [`Kind::ALL`].
    pub statements: Vec<Statement>,
    /// Statements that verified in their time, which is over. The roster does not know them.
    pub expired: Vec<Statement>,
    /// What was not believed, and why.
    pub refused: Vec<Refused>,
}

/// A statement, or a whole file, that was not believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Where it stands.
    pub file: PathBuf,
    /// The statement; none when the file could not be read.
    pub id: Option<StatementId>,
    /// Why, and what to do.
    pub reason: String,
    /// Whether it is dated in the future: this machine's clock or its author's is wrong.
    pub early: bool,
}

impl Federation {
    /// Knows the federation's id and nothing else.
    #[must_use]
    pub fn empty(network: NetworkId) -> Self {
        Self { roster: Roster::new(network), statements: Vec::new(), expired: Vec::new(), refused: Vec::new() }
    }

    /// Everything that verified, in force or expired.
    pub fn all(&self) -> impl Iterator<Item = &Statement> {
        self.statements.iter().chain(&self.expired)
    }

    /// Takes one more statement as [`load`] does.
    ///
    /// # Errors
    /// What ingress said of it.
    pub fn receive(&mut self, bytes: &[u8], now: u64) -> Result<Statement, Verdict> {
        let statement = ingress::receive(bytes, &self.roster, now)?;
        self.roster.take(&statement);
        if self.statements.iter().all(|known| known.id() != statement.id()) {
            self.statements.push(statement.clone());
        }
        Ok(statement)
    }
}

/// One statement that waits for what it needs.
struct Waiting {
    file: PathBuf,
    bytes: Vec<u8>,
    signed: Signed,
}

/// Loads every statement of `paths` (files, or folders of `*.quintes` files) as of `now`, seconds since 1970. Statements may stand in any
/// order and any number of times: they are tried in the order of their kinds until no further one is believed. Without `network` the
/// files' one founding root names it.
///
/// # Errors
/// [`LoadError`]; a file that cannot be read is no error but stands in [`Federation::refused`].
pub fn load(paths: &[PathBuf], network: Option<NetworkId>, now: u64) -> Result<Federation, LoadError> {
    let mut refused = Vec::new();
    let mut waiting: BTreeMap<StatementId, Waiting> = BTreeMap::new();
    for file in files(paths)? {
        match statements::read(&file) {
            Ok(found) => {
                for bytes in found {
                    let signed = Signed::parse(&bytes).expect("reading a statement file admits parsed statements only");
                    waiting.entry(signed.id()).or_insert_with(|| Waiting { file: file.clone(), bytes, signed });
                }
            }
            Err(error) => refused.push(Refused { file, id: None, reason: said(&error), early: false }),
        }
    }
    let network = match network {
        Some(network) => network,
        None => founded(waiting.values())?,
    };
    let mut federation = Federation { refused, ..Federation::empty(network) };
    let mut waiting: Vec<Waiting> = waiting.into_values().collect();
    waiting.sort_by_key(|one| (one.signed.kind(), one.signed.claims().issued, one.signed.id()));
    let unbelieved = believe(&mut federation, waiting, now);
    settle(&mut federation, unbelieved);
    federation.statements.sort_by_key(|statement| (statement.kind(), statement.claims().issued, statement.id()));
    Ok(federation)
}

/// Tries all that wait until a round brings nothing new; what is left is returned with its verdict.
fn believe(federation: &mut Federation, mut waiting: Vec<Waiting>, now: u64) -> Vec<(Waiting, Verdict)> {
    loop {
        let before = waiting.len();
        let mut left = Vec::new();
        for one in waiting {
            match ingress::receive(&one.bytes, &federation.roster, now) {
                Ok(statement) => {
                    federation.roster.take(&statement);
                    federation.statements.push(statement);
                }
                Err(verdict) => left.push((one, verdict)),
            }
        }
        if left.is_empty() || left.len() == before {
            return left;
        }
        waiting = left.into_iter().map(|(one, _)| one).collect();
    }
}

/// What expired is kept apart when it was good in its time; the rest is refused.
fn settle(federation: &mut Federation, unbelieved: Vec<(Waiting, Verdict)>) {
    for (one, verdict) in unbelieved {
        let then = match verdict {
            Verdict::Ignore(Ignored::Expired) => {
                ingress::receive(&one.bytes, &federation.roster, one.signed.claims().issued)
            }
            verdict => Err(verdict),
        };
        match then {
            Ok(statement) => federation.expired.push(statement),
            Err(verdict) => federation.refused.push(Refused {
                file: one.file,
                id: Some(one.signed.id()),
                reason: format!("a {} that is {verdict}", one.signed.kind()),
                early: verdict == Verdict::Ignore(Ignored::NotYetValid),
            }),
        }
    }
}

/// The network of the one founding root among the statements.
fn founded<'a>(waiting: impl Iterator<Item = &'a Waiting>) -> Result<NetworkId, LoadError> {
    let found: BTreeSet<NetworkId> = waiting
        .filter(|one| one.signed.kind() == Kind::Root)
        .filter_map(|one| ingress::founding_network(&one.bytes).ok())
        .collect();
    match found.first() {
        None => Err(LoadError::NoRoot),
        Some(network) if found.len() == 1 => Ok(*network),
        Some(_) => Err(LoadError::SeveralRoots(found)),
    }
}

/// The files themselves, and every `*.quintes` of the folders, each once and in the order of their names.
fn files(paths: &[PathBuf]) -> Result<Vec<PathBuf>, LoadError> {
    let mut files = BTreeSet::new();
    for path in paths {
        let failed = |source: io::Error| match source.kind() {
            io::ErrorKind::NotFound => LoadError::Missing { path: path.clone() },
            _ => LoadError::Io { path: path.clone(), source },
        };
        if fs::metadata(path).map_err(failed)?.is_dir() {
            for entry in fs::read_dir(path).map_err(failed)? {
                let file = entry.map_err(failed)?.path();
                if is_statement_file(&file) {
                    files.insert(file);
                }
            }
        } else {
            files.insert(path.clone());
        }
    }
    Ok(files.into_iter().collect())
}

fn is_statement_file(path: &Path) -> bool {
    let hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
    !hidden && path.extension().is_some_and(|extension| extension == EXTENSION)
}

/// An error and its sources as one line.
fn said(error: &ReadError) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error} ({source})"),
        None => error.to_string(),
    }
}
