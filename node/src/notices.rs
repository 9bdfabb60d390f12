//! Notices: a command, a webhook or a mail tells reviewers that something waits and researchers that something was decided. No content.
//!
//! A notice names the event, the TRE, the task by the beginning of its id and the project; to a researcher also whose task it is. A node that
//! starts tells in one notice how much waits, and from then on only what is new. Nothing here holds the node up: what cannot be delivered is
//! tried a few times and then left.

mod deliver;
mod watch;

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
mod tests;

use crate::config::Notices;
use crate::driver::Handle;
use deliver::Channel;
use std::fmt;
use std::time::Duration;
use tokio::sync::{mpsc, watch as switch};

/// How often the node's state is looked at.
const LOOK: Duration = Duration::from_secs(2);

/// How many notices may wait for one channel: a reviewer who is told of so many looks at the queue anyway.
const WAITING: usize = 256;

/// What a notice tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event {
    /// To reviewers: so many tasks waited when the node started.
    Summary {
        /// How many.
        waiting: usize,
    },
    /// To reviewers: a task is held.
    Waiting,
    /// To reviewers: the submitter has answered every question.
    Answered,
    /// To the submitter: a reviewer asks something.
    Returned,
    /// To the submitter: nothing further will come. What was decided is not told here.
    Decided,
}

impl Event {
    fn name(self) -> &'static str {
        match self {
            Self::Summary { .. } => "summary",
            Self::Waiting => "waiting",
            Self::Answered => "answered",
            Self::Returned => "returned",
            Self::Decided => "decided",
        }
    }

    fn is_for_researchers(self) -> bool {
        matches!(self, Self::Returned | Self::Decided)
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One notice. There is nothing else in it, and nothing else can be put into it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Notice {
    event: Event,
    /// The TRE.
    tre: String,
    /// The beginning of the task's id; none in a summary.
    task: Option<String>,
    /// The project; none in a summary.
    project: Option<String>,
    /// Whose task it is; only where the notice is for them.
    submitter: Option<String>,
}

impl Notice {
    /// In a sentence.
    fn sentence(&self) -> String {
        let (tre, task) = (&self.tre, self.task.as_deref().unwrap_or_default());
        let project = self.project.as_deref().unwrap_or_default();
        match self.event {
            Event::Summary { waiting: 1 } => format!("1 task waits for review at {tre}."),
            Event::Summary { waiting } => format!("{waiting} tasks wait for review at {tre}."),
            Event::Waiting => format!("The task {task} in {project} waits for review at {tre}."),
            Event::Answered => format!("The questions about the task {task} in {project} at {tre} are answered."),
            Event::Returned => {
                format!("A reviewer at {tre} asks something about your task {task} in {project}: see `quintes status`.")
            }
            Event::Decided => format!("Your task {task} in {project} is decided at {tre}: see `quintes status`."),
        }
    }
}

/// Watches a TRE's tasks until `stop`, and tells. Returns at once when no channel is configured.
pub async fn run(config: Notices, tre: String, driver: Handle, mut stop: switch::Receiver<bool>) {
    let queues: Vec<mpsc::Sender<Notice>> = Channel::all(&config)
        .into_iter()
        .map(|channel| {
            let (queue, waiting) = mpsc::channel(WAITING);
            tokio::spawn(deliver::work(channel, waiting, stop.clone()));
            queue
        })
        .collect();
    if queues.is_empty() {
        return;
    }
    let mut again = tokio::time::interval(LOOK);
    again.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut seen: Option<watch::Seen> = None;
    loop {
        tokio::select! {
            _ = again.tick() => {}
            () = crate::clock::stopped(&mut stop) => return,
        }
        let Some(now) = driver.read(|core, _| watch::look(core)).await else { return };
        let told = match &seen {
            None => watch::summary(&now, &tre),
            Some(before) => watch::news(before, &now, &tre),
        };
        seen = Some(now);
        for notice in told {
            for queue in &queues {
                if queue.try_send(notice.clone()).is_err() {
                    tracing::warn!(event = %notice.event, "a notice was left out: too many wait; is the command, webhook or mail stuck?");
                }
            }
        }
    }
}
