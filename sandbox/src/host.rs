//! What a component reaches: the node's side of `wit/analysis.wit`, one file per interface, behind the calls that a worker forwards.
//!
//! A component never sees an engine's own words: errors cross as a kind and a constant text, and what really happened is noted for the reviewer.
//! Nothing that a worker says is believed: a handle that was not given, or was given for something else, ends the run.

mod answer;
#[cfg(feature = "datafusion")]
mod arrow;
mod database;
mod held;
mod job;
mod notes;
mod outputs;
pub(crate) mod slice;
mod stream;
mod witness;

use crate::database::{DatabaseError, Session};
use crate::limits::Limits;
use crate::output::{Collector, DeclaredOutput, Usage};
use crate::source::{DistinctSubjects, Read};
pub(crate) use answer::{Reply, Unanswered};
use held::Held;
pub(crate) use notes::{Notes, shown};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tokio::sync::watch;

/// The state of one run.
pub(crate) struct Host {
    pub(crate) outputs: Collector,
    pub(crate) notes: Notes,
    pub(crate) usage: Usage,
    held: Held,
    parameters: BTreeMap<String, String>,
    handles: BTreeMap<String, Arc<dyn Session>>,
    progress: Option<watch::Sender<f32>>,
    open_results: u32,
    /// What witnessed tables hold of their contributors.
    contributor_bytes: u64,
    /// The handles that the component opened.
    opened: BTreeSet<String>,
    /// The subjects whose rows reached the component.
    subjects: DistinctSubjects,
    limits: Limits,
}

impl Host {
    pub(crate) fn new(
        parameters: BTreeMap<String, String>,
        outputs: Vec<DeclaredOutput>,
        handles: BTreeMap<String, Arc<dyn Session>>,
        progress: Option<watch::Sender<f32>>,
        limits: Limits,
    ) -> Self {
        Self {
            outputs: Collector::new(outputs, &limits),
            notes: Notes::new(limits.log_lines, limits.log_line_bytes),
            usage: Usage::default(),
            held: Held::default(),
            parameters,
            handles,
            progress,
            open_results: 0,
            contributor_bytes: 0,
            opened: BTreeSet::new(),
            subjects: DistinctSubjects::default(),
            limits,
        }
    }

    /// What the component read, of which datasets.
    pub(crate) fn read(&self) -> Read {
        let sessions = self.opened.iter().filter_map(|name| self.handles.get(name).map(Arc::clone));
        Read { sessions: sessions.collect(), rows: self.usage.rows, subjects: self.subjects.count() }
    }

    /// Notes an engine's error with all its causes, for the reviewer alone.
    fn note_failure(&mut self, error: &DatabaseError) {
        self.notes.host(&error.for_reviewer());
    }
}
