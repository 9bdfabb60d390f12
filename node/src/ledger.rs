//! The ledger: who stood behind every figure that left, as keyed hashes, so that no later figure isolates a few people. It never leaves the TRE.
//!
//! | file | what lives there |
//! |---|---|
//! | this | [`Ledger`], opened against journal and custody; what is asked of it under one lock |
//! | `file` | how it lies on disk |
//! | `shelf` | what of it is in memory: which set left where, and how to find those that are close |
//! | `compare` | held outputs against it and against each other: findings, and meetings for the review |
//!
//! Nothing leaves that the ledger does not know: [`Ledger::let_out`] compares and writes under one lock before a release is signed. What
//! it has lost is noticed at the start, because each release's digest stands in the journal and in the log.

mod compare;
mod file;
mod shelf;

use crate::custody::{Custody, CustodyError};
pub use compare::Meeting;
use file::{Entry, File, LAYOUT_VERSION, Left, OutputEntry};
use protocol::disclosure::policy::Policy;
use protocol::disclosure::rules::Report;
use protocol::lifecycle::Phase;
use protocol::node::Node;
use protocol::record::attestation::ReportSummary;
use protocol::record::commitment::Commitment;
use protocol::record::submission::TaskId;
use protocol::safes::outputs::Held;
use protocol::wire::id::Digest;
use shelf::Shelves;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};
use thiserror::Error;

/// Why the ledger cannot be used. Without it nothing is held and nothing leaves.
#[derive(Debug, Error)]
pub enum LedgerError {
    /// Another process has it, or it is damaged.
    #[error(
        "the ledger could not be opened; if no other node runs on this state directory, move `ledger.redb` away: it is made again from custody"
    )]
    Open(#[source] redb::DatabaseError),
    /// The disk failed, or is full.
    #[error("the ledger could not be read or written; is the disk full?")]
    Storage(#[source] redb::Error),
    /// A newer program wrote it.
    #[error("the ledger has layout {0}, and this program knows up to {LAYOUT_VERSION}; use a newer quintes")]
    Newer(u64),
    /// Custody failed.
    #[error(transparent)]
    Custody(#[from] CustodyError),
    /// Custody names other people behind the figures than when they were held.
    #[error(
        "custody does not say what the log says about who stands behind the held figures; restore the node's state from a backup"
    )]
    Contributors,
    /// A set that should be there is not.
    #[error("the ledger has lost a set since it was opened; start the node again")]
    Lost,
    /// A thread ended while it used the ledger.
    #[error("a comparison was interrupted; start the node again")]
    Interrupted,
}

/// What a comparison goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// The fewest people whom two figures may differ in.
    pub threshold: u64,
    /// Whether the node was ever restored from a backup: releases of the time that was lost may be missing.
    pub recovered: bool,
}

impl Terms {
    /// What counts for a task now: the threshold of its project as it counts at this TRE, or else the default one.
    #[must_use]
    pub fn of(core: &Node, task: &TaskId, now: u64) -> Self {
        let known = core.tasks().get(task).zip(core.tre());
        let chosen = known
            .and_then(|(known, tre)| core.roster().project_at(&known.submission().payload().project, &tre.name, now));
        let policy = chosen.map_or_else(Policy::default, |chosen| chosen.project.disclosure);
        Self { threshold: policy.threshold, recovered: core.epoch() > 0 }
    }
}

/// A task whose outputs are held, as the core knows it.
#[derive(Clone, Debug)]
pub struct Waiting {
    /// The task.
    pub task: TaskId,
    /// The commitment of its run.
    pub commitment: Commitment,
    /// The digest of who stands behind its figures.
    pub contributors: Digest,
    /// What the checks say of it.
    pub checks: ReportSummary,
}

impl Waiting {
    /// What the core knows of a task here; none when nothing of it is held.
    #[must_use]
    pub fn of(core: &Node, task: &TaskId) -> Option<Self> {
        let (known, tre) = (core.tasks().get(task)?, core.tre()?);
        let here = known.here().filter(|here| here.phase() == Phase::Held)?;
        Some(Self {
            task: *task,
            commitment: known.runs().get(&tre.name)?.payload().commitment,
            contributors: here.contributors()?,
            checks: here.checks()?.clone(),
        })
    }
}

/// What left this TRE, as its journal knows it.
#[derive(Clone, Debug)]
pub struct Released {
    /// The task.
    pub task: TaskId,
    /// The commitment of its run, and the digest of who stood behind its figures.
    pub known: Option<(Commitment, Digest)>,
    /// The outputs that left.
    pub outputs: BTreeSet<String>,
    /// When, seconds since 1970.
    pub at: u64,
}

impl Released {
    /// Everything that left.
    #[must_use]
    pub fn of(core: &Node) -> Vec<Self> {
        let Some(tre) = core.tre().map(|tre| &tre.name) else { return Vec::new() };
        let each = |(task, known): (&TaskId, &protocol::node::Task)| {
            let here = known.here().filter(|here| here.phase() == Phase::Released)?;
            let release = known.releases().get(tre)?;
            let commitment = known.runs().get(tre).map(|run| run.payload().commitment);
            Some(Self {
                task: *task,
                known: commitment.zip(here.contributors()),
                outputs: release.payload().outputs.iter().cloned().collect(),
                at: release.claims().issued,
            })
        };
        core.tasks().iter().filter_map(each).collect()
    }
}

/// What a new comparison came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rechecked {
    /// What the checks say now; custody holds the reports.
    pub checks: ReportSummary,
    /// Whether every rule passes.
    pub passes: bool,
}

/// Whether held outputs may leave now.
#[derive(Debug)]
pub enum Leave {
    /// The ledger knows them, durably: they may.
    Granted(Box<Held>),
    /// Since it was decided something else left that they meet: decide again.
    Changed(Rechecked),
}

struct Inner {
    key: [u8; 32],
    file: File,
    shelves: Mutex<Shelves>,
}

/// The open ledger of a TRE.
#[derive(Clone)]
pub struct Ledger(Arc<Inner>);

/// Neither the key nor a subject reaches a log.
impl std::fmt::Debug for Ledger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Ledger(..)")
    }
}

impl Ledger {
    /// Opens or creates the ledger and holds it against what the journal says was released. What it lacks is taken from custody, where that
    /// still has it unchanged.
    ///
    /// # Errors
    /// [`LedgerError`]. A release that cannot be made good is none: [`Ledger::incomplete`] tells of it, and so does every finding from now on.
    pub fn open(path: &Path, custody: &Custody, released: &[Released]) -> Result<Self, LedgerError> {
        let file = File::open(path)?;
        let key = custody.hash_key()?;
        let mut shelves = Shelves::default();
        shelves.key_replaced = !file.is_of_key(&check_of(&key))?;
        let mut damaged = BTreeSet::new();
        {
            let sets = file.sets()?;
            for (task, entry) in file.entries()? {
                let whole = match &entry {
                    Some(entry) => shelves.load(task, entry, &sets)?,
                    None => false,
                };
                if !whole {
                    damaged.insert(task);
                }
            }
        }
        let ledger = Self(Arc::new(Inner { key, file, shelves: Mutex::new(shelves) }));
        let mut shelves = ledger.shelves()?;
        for release in released {
            if shelves.holds(release) {
                continue;
            }
            let healed = match &release.known {
                Some((commitment, contributors)) => match custody.show(&release.task, commitment) {
                    Ok(held) if held.contributors_digest() == *contributors => {
                        ledger.write(&mut shelves, &held, &release.outputs, release.at)?;
                        true
                    }
                    Ok(_) | Err(_) => false,
                },
                None => false,
            };
            if healed {
                damaged.remove(&release.task);
                tracing::warn!(task = %release.task.short(), "a release that the ledger lacked was taken from custody");
            } else {
                damaged.insert(release.task);
            }
        }
        for task in &damaged {
            tracing::error!(task = %task.short(), "the ledger lacks a release; nothing passes the differencing rule any more");
        }
        if shelves.key_replaced {
            tracing::error!("the ledger was made with another hash key; nothing passes the differencing rule any more");
        }
        shelves.missing = damaged;
        drop(shelves);
        Ok(ledger)
    }

    /// The keyed hash of a subject of a dataset: equal for equal subjects in every task, and telling nobody else whose it is.
    #[must_use]
    pub fn hash(&self, dataset: &str, subject: &[u8]) -> u64 {
        let mut hasher = blake3::Hasher::new_keyed(&self.0.key);
        hasher.update(&(dataset.len() as u64).to_le_bytes()).update(dataset.as_bytes()).update(subject);
        let mut hash = [0; 8];
        hasher.finalize_xof().fill(&mut hash);
        u64::from_le_bytes(hash)
    }

    /// Why the ledger cannot vouch for the past, in a sentence for a data owner; none when it can.
    ///
    /// # Errors
    /// [`LedgerError::Interrupted`].
    pub fn incomplete(&self, terms: Terms) -> Result<Option<String>, LedgerError> {
        Ok(self.shelves()?.incomplete(terms))
    }

    /// Grows whenever something is added: a comparison made at an earlier version may be out of date.
    ///
    /// # Errors
    /// [`LedgerError::Interrupted`].
    pub fn version(&self) -> Result<u64, LedgerError> {
        Ok(self.shelves()?.version)
    }

    /// The reports on held outputs, one for each, with what the differencing rule says now of those that the node computed.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn check(&self, held: &Held, terms: Terms) -> Result<Vec<Report>, LedgerError> {
        compare::check(&mut *self.shelves()?, &self.0.file, held, terms)
    }

    /// What left before about the same people as a figure that is held, or nearly the same: the closest first, at most 100 an output.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn nearest(&self, held: &Held) -> Result<Vec<Meeting>, LedgerError> {
        compare::nearest(&mut *self.shelves()?, &self.0.file, held)
    }

    /// Compares what is held once more. Where the checks say something else than custody, custody is written anew before this returns.
    ///
    /// # Errors
    /// [`LedgerError`]; custody is as it was.
    pub fn recheck(&self, custody: &Custody, waiting: &Waiting, terms: Terms) -> Result<Rechecked, LedgerError> {
        let mut shelves = self.shelves()?;
        let held = shown(custody, waiting)?;
        let (_, rechecked) = self.compare_again(&mut shelves, custody, held, terms)?;
        Ok(rechecked)
    }

    /// Lets outputs leave, when the checks still say what they said as it was decided: the ledger then knows them, durably, before this
    /// returns. Otherwise custody holds the new reports, and nothing may leave. Two tasks that must not both leave never do: one lock is
    /// held from the comparison until the entry is written.
    ///
    /// # Errors
    /// [`LedgerError`]; nothing may leave.
    pub fn let_out(
        &self,
        custody: &Custody,
        waiting: &Waiting,
        outputs: &BTreeSet<String>,
        terms: Terms,
        now: u64,
    ) -> Result<Leave, LedgerError> {
        let mut shelves = self.shelves()?;
        let held = shown(custody, waiting)?;
        let (held, rechecked) = self.compare_again(&mut shelves, custody, held, terms)?;
        if rechecked.checks != waiting.checks {
            return Ok(Leave::Changed(rechecked));
        }
        self.write(&mut shelves, &held, outputs, now)?;
        Ok(Leave::Granted(Box::new(held)))
    }

    /// Adds the outputs of a task that leave; a second time changes nothing.
    ///
    /// # Errors
    /// [`LedgerError`]; nothing was added.
    pub fn add(&self, held: &Held, outputs: &BTreeSet<String>, now: u64) -> Result<(), LedgerError> {
        self.write(&mut *self.shelves()?, held, outputs, now)
    }

    fn shelves(&self) -> Result<MutexGuard<'_, Shelves>, LedgerError> {
        // Who panicked under the lock may have left memory behind what the file says.
        self.0.shelves.lock().map_err(|_| LedgerError::Interrupted)
    }

    fn compare_again(
        &self,
        shelves: &mut Shelves,
        custody: &Custody,
        held: Held,
        terms: Terms,
    ) -> Result<(Held, Rechecked), LedgerError> {
        let before = held.checks();
        let reports = compare::check(shelves, &self.0.file, &held, terms)?;
        let held = held.with_reports(reports);
        let rechecked = Rechecked { checks: held.checks(), passes: held.passes() };
        if rechecked.checks != before {
            custody.keep(&held)?;
        }
        Ok((held, rechecked))
    }

    fn write(
        &self,
        shelves: &mut Shelves,
        held: &Held,
        outputs: &BTreeSet<String>,
        now: u64,
    ) -> Result<(), LedgerError> {
        let known = shelves.past(&held.task());
        let left: BTreeSet<&String> = known.iter().flat_map(|known| known.left()).chain(outputs).collect();
        if known.is_some_and(|known| known.left().count() == left.len()) {
            return Ok(());
        }
        let mut sets = BTreeMap::new();
        let mut entry = Entry { released_at: known.map_or(now, |known| known.released_at), outputs: Vec::new() };
        for (output, contributors) in held.contributors() {
            let left = left.contains(&output.name).then(|| Left::of(&output.schema, contributors, &mut sets));
            let digest = Digest::of(&contributors.to_bytes());
            entry.outputs.push(OutputEntry { name: output.name.clone(), digest, left });
        }
        self.0.file.write(&held.task(), &entry, &sets)?;
        let whole = shelves.load(held.task(), &entry, &self.0.file.sets()?)?;
        if whole { Ok(()) } else { Err(LedgerError::Lost) }
    }
}

fn shown(custody: &Custody, waiting: &Waiting) -> Result<Held, LedgerError> {
    let held = custody.show(&waiting.task, &waiting.commitment)?;
    if held.contributors_digest() == waiting.contributors { Ok(held) } else { Err(LedgerError::Contributors) }
}

/// What tells one hash key from another and gives neither away.
fn check_of(key: &[u8; 32]) -> [u8; 32] {
    *blake3::keyed_hash(key, b"quintes/v1/ledger").as_bytes()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
mod tests;
