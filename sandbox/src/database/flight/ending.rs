//! What becomes of a query at the cluster: it is ended there when nobody waits for it any more, and believed when it was done once.
//!
//! In Flight SQL a query is ended by ending its call. Ballista does not listen to that: its job runs on, with nobody to fetch the rows. So each query carries a
//! tag in a comment, which is the beginning of its job's name there, and the job of that name is cancelled through the scheduler's REST interface, which
//! answers at the same port. An executor notices where its plan next waits; a join in which it would not wait is refused before.

use super::wire::{BoxError, Link};
use serde::Deserialize;
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::runtime::Handle;
use tonic::codegen::http::Method;

/// How often a job is looked for, and asked to end.
const TRIES: u32 = 20;
/// How long to wait between two tries.
const PAUSE: Duration = Duration::from_millis(250);

/// How a query ends before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// With its call, as the protocol has it.
    Call,
    /// Through Ballista's REST interface.
    Ballista,
    /// It is Ballista, and the interface is switched off.
    Impossible,
}

impl Ending {
    /// What the server is.
    pub(super) async fn of(link: &Link) -> Result<Self, BoxError> {
        let answer = link.http(Method::GET, "/api/version").await?;
        Ok(match (answer.server.starts_with("ballista/"), answer.is_ok) {
            (false, _) => Self::Call,
            (true, true) => Self::Ballista,
            (true, false) => Self::Impossible,
        })
    }
}

/// A query at the cluster. Dropping it ends the query there, unless it came to its end.
pub(super) struct Job {
    link: Link,
    tag: String,
    ending: Ending,
    runtime: Handle,
    is_over: bool,
}

impl Job {
    pub(super) fn new(link: Link, tag: String, ending: Ending) -> Self {
        Self { link, tag, ending, runtime: Handle::current(), is_over: false }
    }

    /// The query's text, with what it is found by.
    pub(super) fn tagged(&self, sql: &str) -> String {
        format!("{} {sql}", self.beginning())
    }

    /// The query came to its end by itself.
    pub(super) fn over(mut self) {
        self.is_over = true;
    }

    /// Whether every part of the query was done once. Ballista 55 does again what was lost with an executor, and then may count both: nothing in
    /// the rows would tell. What it did again stands twice in the list of the job's tasks.
    pub(super) async fn was_done_once(&self) -> Result<bool, BoxError> {
        if self.ending == Ending::Call {
            return Ok(true);
        }
        let id =
            find(&self.link, &self.beginning(), |_| true).await.ok_or("the query is not among the cluster's jobs")?;
        let answer = self.link.http(Method::GET, &format!("/api/job/{id}/stages")).await?;
        let Stages { stages } = serde_json::from_slice(&answer.body)?;
        Ok(!stages.is_empty() && stages.iter().all(Stage::was_done_once))
    }

    /// What the name of its job begins with.
    fn beginning(&self) -> String {
        format!("/* {} */", self.tag)
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        if !self.is_over && self.ending == Ending::Ballista {
            let (link, start) = (self.link.clone(), self.beginning());
            self.runtime.spawn(async move { end(&link, &start).await });
        }
    }
}

/// One of Ballista's jobs.
#[derive(Deserialize)]
struct Listed {
    job_id: String,
    job_name: String,
    status: String,
}

impl Listed {
    fn runs(&self) -> bool {
        matches!(self.status.as_str(), "Queued" | "Running")
    }
}

/// The stages of a job.
#[derive(Deserialize)]
struct Stages {
    stages: Vec<Stage>,
}

#[derive(Deserialize)]
struct Stage {
    tasks: Vec<StageTask>,
}

#[derive(Deserialize)]
struct StageTask {
    /// Parts of the stage's input.
    partition_id: Vec<u32>,
}

impl Stage {
    fn was_done_once(&self) -> bool {
        let mut seen = BTreeSet::new();
        self.tasks.iter().flat_map(|task| &task.partition_id).all(|part| seen.insert(part))
    }
}

/// Cancels the job whose name begins so, until it does not run any more. It may not be listed yet, or may never be.
async fn end(link: &Link, start: &str) {
    let mut was_seen = false;
    for _ in 0..TRIES {
        match find(link, start, Listed::runs).await {
            Some(id) => {
                was_seen = true;
                // the next round sees whether it did
                drop(link.http(Method::PATCH, &format!("/api/job/{id}")).await);
            }
            None if was_seen => return,
            None => {}
        }
        tokio::time::sleep(PAUSE).await;
    }
    if was_seen {
        tracing::warn!("a query could not be ended at the cluster; end it there");
    }
}

/// The job whose name begins so, if it is as wanted. Ids are checked, for they become part of a path.
async fn find(link: &Link, start: &str, is_wanted: impl Fn(&Listed) -> bool) -> Option<String> {
    let answer = link.http(Method::GET, "/api/jobs").await.ok()?;
    let jobs: Vec<Listed> = serde_json::from_slice(&answer.body).ok()?;
    let job = jobs.into_iter().find(|job| job.job_name.starts_with(start) && is_wanted(job))?;
    let is_plain = job.job_id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    is_plain.then_some(job.job_id)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
mod tests {
    use super::*;

    fn was_done_once(tasks: &str) -> bool {
        serde_json::from_str::<Stage>(&format!("{{\"tasks\": [{tasks}], \"stage_status\": \"Successful\"}}"))
            .unwrap()
            .was_done_once()
    }

    #[test]
    fn what_was_done_again_stands_twice() {
        let first = r#"{"id": 0, "partition_id": [0, 1], "status": "Successful"}"#;
        assert!(was_done_once(""));
        assert!(was_done_once(&format!(r#"{first}, {{"id": 1, "partition_id": [2], "status": "Successful"}}"#)));
        let lost = r#"{"id": 2, "partition_id": [1], "status": {"Failed": {"reason": "ResultLost", "error": ""}}}"#;
        assert!(!was_done_once(&format!("{first}, {lost}")));
        assert!(!was_done_once(&format!("{first}, {first}")));
        assert!(serde_json::from_str::<Stage>(r#"{"tasks": [null]}"#).is_err());
    }
}
