//! What a node says at its door, and waiting until it says something else.

use anyhow::{anyhow, bail};
use node::door::{Answer, Ask, Health, Review, Visitor, Waiting};
use protocol::lifecycle::Phase;
use protocol::record::submission::TaskId;
use protocol::wire::message::{Request, Response};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tokio::sync::Mutex;

/// How often a door is asked while waiting.
const POLL: Duration = Duration::from_millis(20);

/// A person with one foot in a node's door: the connection stays open between questions.
pub struct Watch {
    name: String,
    door: PathBuf,
    visitor: Mutex<Option<Visitor>>,
}

impl Watch {
    /// The door of the node of this name.
    #[must_use]
    pub fn new(name: &str, door: &Path) -> Self {
        Self { name: name.to_owned(), door: door.to_owned(), visitor: Mutex::new(None) }
    }

    /// Asks, through a new connection when the old one broke.
    ///
    /// # Errors
    /// When no node answers there.
    pub async fn ask(&self, ask: &Ask) -> anyhow::Result<Answer> {
        let mut held = self.visitor.lock().await;
        let mut visitor = match held.take() {
            Some(visitor) => visitor,
            None => Visitor::knock(&self.door).await?,
        };
        let answer = visitor.ask(ask).await?;
        *held = Some(visitor);
        Ok(answer)
    }

    /// How the node is.
    ///
    /// # Errors
    /// When no node answers there.
    pub async fn health(&self) -> anyhow::Result<Health> {
        match self.ask(&Ask::Health).await? {
            Answer::Health(health) => Ok(*health),
            _ => Err(self.odd()),
        }
    }

    /// The tasks that a reviewer may want to see.
    ///
    /// # Errors
    /// When no node answers there.
    pub async fn reviews(&self) -> anyhow::Result<Vec<Waiting>> {
        match self.ask(&Ask::Reviews).await? {
            Answer::Reviews(waiting) => Ok(waiting),
            _ => Err(self.odd()),
        }
    }

    /// What is held for one task.
    ///
    /// # Errors
    /// When no node answers there, or nothing is held.
    pub async fn review(&self, task: TaskId) -> anyhow::Result<Review> {
        match self.ask(&Ask::Review(task)).await? {
            Answer::Review(review) => Ok(*review),
            Answer::No(sentence) => bail!("{}: {sentence}", self.name),
            _ => Err(self.odd()),
        }
    }

    /// Where a task stands there, once it runs or has run; none before.
    ///
    /// # Errors
    /// When no node answers there.
    pub async fn phase(&self, task: &TaskId) -> anyhow::Result<Option<Phase>> {
        Ok(self.reviews().await?.iter().find(|waiting| waiting.task == *task).map(|waiting| waiting.phase))
    }

    /// Waits until a task is in this phase.
    ///
    /// # Errors
    /// When it is not in time, has come to another end, or the node refuses a task meanwhile while this one is not there.
    pub async fn until_phase(&self, task: &TaskId, wanted: Phase, patience: Duration) -> anyhow::Result<()> {
        let refused_before = self.health().await?.refusals;
        let late =
            || format!("{} is not {wanted} at {}, which had refused {refused_before:?}", task.short(), self.name);
        until(patience, late, async || match self.phase(task).await? {
            Some(phase) if phase == wanted => Ok(Some(())),
            Some(phase) if phase.is_terminal() => bail!("{} is {phase} at {}", task.short(), self.name),
            Some(_) => Ok(None),
            None => match self.health().await?.refusals {
                refused if refused != refused_before => bail!("{} has refused: {refused:?}", self.name),
                _ => Ok(None),
            },
        })
        .await
    }

    /// Offers a statement; the node's sentence when it does not take it.
    ///
    /// # Errors
    /// When no node answers there.
    pub async fn offer(&self, statement: Vec<u8>) -> anyhow::Result<Result<(), String>> {
        match self.ask(&Ask::Member(Request::Offer { statement })).await? {
            Answer::Member(Response::Taken) => Ok(Ok(())),
            Answer::Member(Response::NotTaken { reason }) => Ok(Err(reason)),
            _ => Err(self.odd()),
        }
    }

    /// Every statement about a task that this node would give to a member.
    ///
    /// # Errors
    /// When no node answers there.
    pub async fn about(&self, task: TaskId) -> anyhow::Result<Vec<Vec<u8>>> {
        match self.ask(&Ask::Member(Request::About { task })).await? {
            Answer::Member(Response::Statements { statements }) => {
                Ok(statements.into_iter().map(|one| one.into_vec()).collect())
            }
            Answer::Member(Response::Unknown) => Ok(Vec::new()),
            _ => Err(self.odd()),
        }
    }

    fn odd(&self) -> anyhow::Error {
        anyhow!("{} answered something else than it was asked", self.name)
    }
}

/// Asks again and again until there is an answer, an error, or no patience left.
///
/// # Errors
/// What `ask` says, and `late` when it takes too long.
pub async fn until<T>(
    patience: Duration,
    late: impl Fn() -> String,
    mut ask: impl AsyncFnMut() -> anyhow::Result<Option<T>>,
) -> anyhow::Result<T> {
    let began = Instant::now();
    loop {
        if let Some(answer) = ask().await? {
            return Ok(answer);
        }
        if began.elapsed() > patience {
            bail!("{} after {} s", late(), patience.as_secs());
        }
        tokio::time::sleep(POLL).await;
    }
}
