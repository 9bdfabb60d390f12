//! What is new: two looks at the node's tasks, and the notices between them.

use super::{Event, Notice};
use crate::door::queue::is_asked_back;
use protocol::lifecycle::Phase;
use protocol::node::Node;
use protocol::record::submission::TaskId;
use std::collections::BTreeMap;

/// A task as far as notices tell of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Glance {
    /// Where it stands here.
    pub(super) phase: Phase,
    /// Whether a reviewer's question is open.
    pub(super) asked: bool,
    /// The project.
    pub(super) project: String,
    /// Whose it is.
    pub(super) submitter: String,
}

/// All tasks at one moment.
pub(super) type Seen = BTreeMap<TaskId, Glance>;

/// Looks.
pub(super) fn look(core: &Node) -> Seen {
    let here = core.tasks().iter().filter_map(|(task, known)| Some((task, known, known.here()?)));
    here.map(|(task, known, here)| {
        let submission = known.submission();
        let glance = Glance {
            phase: here.phase(),
            asked: here.phase() == Phase::Held && is_asked_back(core, known),
            project: submission.payload().project.clone(),
            submitter: submission.signer().name.clone(),
        };
        (*task, glance)
    })
    .collect()
}

/// What a node tells when it starts: how much waits, when anything does.
pub(super) fn summary(now: &Seen, tre: &str) -> Vec<Notice> {
    let waiting = now.values().filter(|one| one.phase == Phase::Held).count();
    let event = Event::Summary { waiting };
    let notice = Notice { event, tre: tre.to_owned(), task: None, project: None, submitter: None };
    if waiting > 0 { vec![notice] } else { Vec::new() }
}

/// What happened between two looks. Each turn of a task gives one notice, however often it is looked at.
pub(super) fn news(before: &Seen, now: &Seen, tre: &str) -> Vec<Notice> {
    let mut told = Vec::new();
    for (task, one) in now {
        let was = before.get(task);
        let mut tell = |event: Event| {
            told.push(Notice {
                event,
                tre: tre.to_owned(),
                task: Some(task.short()),
                project: Some(one.project.clone()),
                submitter: event.is_for_researchers().then(|| one.submitter.clone()),
            });
        };
        let was_in = |phase: Phase| was.is_some_and(|was| was.phase == phase);
        let was_asked = was.is_some_and(|was| was.asked);
        if one.phase == Phase::Held && !was_in(Phase::Held) {
            tell(Event::Waiting);
        }
        if one.asked && !was_asked {
            tell(Event::Returned);
        }
        if was_asked && !one.asked && one.phase == Phase::Held {
            tell(Event::Answered);
        }
        // Whoever called a task back knows it.
        let decided = one.phase.is_terminal() && one.phase != Phase::Cancelled;
        if decided && !was.is_some_and(|was| was.phase.is_terminal()) {
            tell(Event::Decided);
        }
    }
    told
}
