//! What a node's journal amounts to, counted here without the core's help.

use crate::sim::truth::{Truth, What};
use protocol::lifecycle::Phase;
use protocol::node::Record;
use protocol::record::attestation::ReportSummary;
use protocol::record::submission::TaskId;
use protocol::tre::coarse;
use protocol::wire::id::StatementId;
use std::collections::BTreeMap;

/// A record and the node's own time when it was written.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The node's clock, seconds since 1970.
    pub now: u64,
    /// What was written.
    pub record: Record,
}

/// A revocation in a journal.
#[derive(Clone, Debug)]
pub struct Revoked {
    /// The place of the record.
    pub place: usize,
    /// Who signed it.
    pub by: String,
    /// What it revokes.
    pub target: StatementId,
    /// From when on, seconds since 1970.
    pub issued: u64,
}

/// A journal and what can be read from it.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    /// The journal.
    pub entries: Vec<Entry>,
    /// Where each statement was first taken.
    pub learned: BTreeMap<StatementId, usize>,
    /// Where each revocation was taken: the place, who signed it, what it revokes, and from when on.
    pub revocations: Vec<Revoked>,
    /// Where each task stands at this node's TRE.
    pub phases: BTreeMap<TaskId, Phase>,
    /// Tasks that moved on although they were finished, with the place of the record.
    pub revived: Vec<(usize, TaskId)>,
    /// How long the journal was after each step, in order.
    pub commits: Vec<usize>,
    /// What the checks say of what is held, and whether everything passes.
    pub checks: BTreeMap<TaskId, (ReportSummary, bool)>,
    /// The leaves of this node's log.
    pub leaves: Vec<Leaf>,
    /// What becomes a leaf once the submission that it is about is known.
    early: BTreeMap<TaskId, Vec<StatementId>>,
}

/// What a leaf is about, and when it was written, as coarse as it stands there.
pub type Leaf = ([u8; 32], u64);

/// What a statement adds to the log of the TRE `name`: nothing, a leaf, or a leaf once the submission of this task is known.
enum Adds {
    Nothing,
    Leaf,
    About(TaskId),
}

impl Adds {
    fn of(what: &What, name: &str) -> Self {
        let about = |tre: &str, task: TaskId| if tre == name { Self::About(task) } else { Self::Nothing };
        match what {
            What::Submission(said) if said.audience.iter().any(|tre| tre == name) => Self::Leaf,
            What::StandingApproval(said) if said.tre == name => Self::Leaf,
            What::Recovery(said) if said.tre == name => Self::Leaf,
            What::Comment { task, tre, .. } | What::Phase { task, tre, .. } | What::Run { task, tre, .. } => {
                about(tre, *task)
            }
            What::Attestation(said) => about(&said.tre, said.task),
            What::Release(said) => about(&said.tre, said.task),
            _ => Self::Nothing,
        }
    }
}

impl Ledger {
    /// Adds a record of the node `name`.
    pub fn append(&mut self, name: &str, now: u64, record: Record, truth: &Truth) {
        let place = self.entries.len();
        let moved = match &record {
            Record::Statement { bytes, at } => {
                let id = StatementId::of(bytes);
                self.learned.entry(id).or_insert(place);
                let said = truth.statements.get(&id);
                if let Some(said) = said {
                    self.note_leaves(name, (id, *at), &said.what, truth);
                }
                if let Some((said, What::Revocation(target))) = said.map(|said| (said, &said.what)) {
                    self.revocations.push(Revoked { place, by: said.by.clone(), target: *target, issued: said.issued });
                }
                match said.map(|said| &said.what) {
                    Some(What::Submission(said)) if said.audience.iter().any(|tre| tre == name) => {
                        self.phases.entry(id).or_insert(Phase::Received);
                        None
                    }
                    Some(What::Release(said)) if said.tre == name => Some((said.task, Phase::Released)),
                    _ => None,
                }
            }
            Record::Component { .. } => None,
            Record::Admitted { task, .. } => Some((*task, Phase::Admitted)),
            Record::Refused { task, .. } => Some((*task, Phase::Refused)),
            Record::Started { task } => Some((*task, Phase::Running)),
            Record::Failed { task, .. } => Some((*task, Phase::Failed)),
            Record::Held { task, checks, passes, contributors, at, .. } => {
                self.leaves.push((contributors.0, coarse(*at)));
                self.checks.insert(*task, (checks.clone(), *passes));
                Some((*task, Phase::Held))
            }
            Record::Rechecked { task, checks, passes } => {
                self.checks.insert(*task, (checks.clone(), *passes));
                None
            }
            Record::Withheld { task } => Some((*task, Phase::Withheld)),
            Record::Cancelled { task } => Some((*task, Phase::Cancelled)),
        };
        if let Some((task, phase)) = moved {
            let before = self.phases.insert(task, phase);
            if matches!(
                before,
                Some(Phase::Refused | Phase::Failed | Phase::Withheld | Phase::Released | Phase::Cancelled)
            ) {
                self.revived.push((place, task));
            }
        }
        self.entries.push(Entry { now, record });
    }

    fn note_leaves(&mut self, name: &str, (id, at): (StatementId, u64), what: &What, truth: &Truth) {
        let leaf = |id: StatementId| (id.0, coarse(at));
        let known = |task: &TaskId| self.learned.contains_key(task) && truth.submission(task).is_some();
        match Adds::of(what, name) {
            Adds::About(task) if !known(&task) => self.early.entry(task).or_default().push(id),
            Adds::About(_) | Adds::Leaf => self.leaves.push(leaf(id)),
            Adds::Nothing => {}
        }
        match what {
            What::Submission(_) => {
                self.leaves.extend(self.early.remove(&id).unwrap_or_default().into_iter().map(leaf));
            }
            // Only a task for this TRE stands in its log, and nothing waits for the task: a cancellation is remembered elsewhere.
            What::Cancellation(task) if self.phases.contains_key(task) => self.leaves.push(leaf(id)),
            _ => {}
        }
    }

    /// The journal of the node `name` as it was when it had so many records.
    #[must_use]
    pub fn cut(&self, records: usize, name: &str, truth: &Truth) -> Self {
        let mut cut = Self::default();
        for entry in &self.entries[..records] {
            cut.append(name, entry.now, entry.record.clone(), truth);
        }
        cut.commits = self.commits.iter().copied().filter(|length| *length <= records).collect();
        cut
    }

    /// Whether the log begins with these leaves.
    #[must_use]
    pub fn begins_with(&self, leaves: &[Leaf]) -> bool {
        self.leaves.get(..leaves.len()) == Some(leaves)
    }

    /// Whether the statement was taken before the record at `place`.
    #[must_use]
    pub fn knew(&self, id: &StatementId, place: usize) -> bool {
        self.learned.get(id).is_some_and(|learned| *learned < place)
    }

    /// The run whose outputs are held for a task, from the record before `place`.
    #[must_use]
    pub fn held_run(&self, task: &TaskId, place: usize) -> Option<StatementId> {
        self.entries[..place].iter().find_map(|entry| match &entry.record {
            Record::Held { task: held, run, .. } if held == task => Some(*run),
            _ => None,
        })
    }
}
