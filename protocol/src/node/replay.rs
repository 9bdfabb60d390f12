//! After a crash: the node is what its records say, and what is outstanding is done again.

use super::decide::Kept;
use super::{Effect, Node, Record, Step};
use crate::ingress::{Statement, Verdict, receive};
use crate::lifecycle::{Event, Phase};
use crate::record::submission::TaskId;
use crate::safes::Tre;
use crate::safes::admission::{Question, admit};
use crate::wire::id::NetworkId;
use thiserror::Error;

/// A record that this node cannot have written.
#[derive(Debug, Error)]
pub enum ReplayError {
    /// A statement in the journal does not verify any more: the journal was damaged or belongs to another federation.
    #[error("record {number} of the journal does not verify: {verdict}; restore the node's state from a backup")]
    Statement {
        /// The record's place, from 0.
        number: usize,
        /// What is wrong with it.
        verdict: Verdict,
    },
}

impl Node {
    /// Rebuilds a node from its records, in the order in which they were written.
    ///
    /// # Errors
    /// [`ReplayError`] when the journal is not one of this federation.
    pub fn replay(
        network: NetworkId,
        tre: Option<Tre>,
        records: impl IntoIterator<Item = Record>,
    ) -> Result<Self, ReplayError> {
        let mut node = Self::new(network, tre);
        for (number, record) in records.into_iter().enumerate() {
            node.repeat(record).map_err(|verdict| ReplayError::Statement { number, verdict })?;
        }
        Ok(node)
    }

    fn repeat(&mut self, record: Record) -> Result<(), Verdict> {
        match record {
            Record::Statement { bytes, at } => {
                let statement = receive(&bytes, &self.roster, at)?;
                self.apply_statement(&statement, at);
                if let Statement::Release(release) = &statement
                    && self.is_here(&release.payload().tre)
                {
                    self.unveil(release.payload().task);
                }
            }
            Record::Component { digest, facts } => {
                self.components.insert(digest, facts);
            }
            Record::Admitted { task, at } => {
                self.readmit(task, at);
                self.move_on(task, Event::Admit);
            }
            Record::Refused { task, refusal } => {
                self.move_on(task, Event::Refuse);
                if let Some(local) = self.tasks.get_mut(&task).and_then(|known| known.here.as_mut()) {
                    local.refusal = Some(refusal);
                }
            }
            Record::Started { task } => self.move_on(task, Event::Start),
            Record::Failed { task, code } => {
                self.move_on(task, Event::Fail);
                if let Some(local) = self.tasks.get_mut(&task).and_then(|known| known.here.as_mut()) {
                    local.failure = Some(code);
                }
            }
            Record::Held { task, outputs, checks, passes, contributors, at, .. } => {
                self.take_held(task, Kept { outputs, checks, passes, contributors }, at);
            }
            Record::Rechecked { task, checks, passes } => self.take_checks(task, checks, passes),
            Record::Withheld { task } => {
                self.move_on(task, Event::Withhold);
                self.unveil(task);
            }
            Record::Cancelled { task } => self.move_on(task, Event::Cancel),
        }
        Ok(())
    }

    fn move_on(&mut self, task: TaskId, event: Event) {
        if let Some(local) = self.tasks.get_mut(&task).and_then(|known| known.here.as_mut()) {
            local.step(event);
        }
    }

    /// Asks the Safes again as of `at`; the answer was yes, so only a changed configuration can make it no.
    fn readmit(&mut self, task: TaskId, at: u64) {
        let (Some(known), Some(tre)) = (self.tasks.get(&task), self.tre.as_ref()) else { return };
        let submission = &known.submission;
        let answer = admit(&Question {
            submission,
            roster: &self.roster,
            tre,
            replayed: false,
            open_tasks: 0,
            component: self.components.get(&submission.payload().component),
            now: at,
        });
        let admission = answer.ok().flatten();
        if let Some(local) = self.tasks.get_mut(&task).and_then(|known| known.here.as_mut()) {
            local.admission = admission;
        }
    }

    /// What is outstanding after a replay: components to obtain, runs to repeat, custody to open, phases to report.
    pub fn resume(&mut self, now: u64) -> Step {
        let mut step = Step::default();
        step.effect(Effect::Members);
        let held = self.active.iter().filter(|task| {
            self.tasks.get(task).and_then(|known| known.here()).is_some_and(|here| here.phase() == Phase::Held)
        });
        held.for_each(|task| step.effect(Effect::Recheck(*task)));
        self.cosign_again(now, &mut step);
        self.settle(now, &mut step);
        step
    }
}
