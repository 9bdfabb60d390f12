//! Where the page has its facts from: the node's door, and what the federation has signed. Nothing is shown that was not verified here.

use crate::door::{Answer, Ask, DoorError, EarlierOutput, Review, Visitor, Waiting};
use protocol::audit::{Believed, believe};
use protocol::record::Kind;
use protocol::record::submission::TaskId;
use protocol::wire::id::{NetworkId, StatementId};
use protocol::wire::message::{Request, Response};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use thiserror::Error;
use tokio::sync::Mutex;

/// The kinds that say who may what.
const TRUST: [Kind; 6] = [Kind::Root, Kind::KeyRecord, Kind::Grant, Kind::Revocation, Kind::Status, Kind::Project];

/// The most ids that one question for statements may name (`WIRE.md`, "Direct streams").
const ASKED: usize = 64;

/// Why the page has nothing to show.
#[derive(Debug, Error)]
pub enum SourceError {
    /// The node does not run, or it is another version.
    #[error(transparent)]
    Door(#[from] DoorError),
    /// The node has said no, with a sentence for people.
    #[error("{0}")]
    No(String),
    /// The node did not take what was signed.
    #[error("the node did not take the statement: {0}")]
    NotTaken(String),
    /// The node answers another question.
    #[error("the node answered another question; are both programs of the same version?")]
    Other,
}

/// A node on this machine.
#[derive(Debug)]
pub struct Source {
    door: PathBuf,
    network: NetworkId,
    /// Statements about trust, tagged bytes each; nothing of them is believed yet.
    known: Mutex<BTreeMap<StatementId, Vec<u8>>>,
}

impl Source {
    /// The node behind this door. The federation's id comes from this side: a node cannot tell whom to believe.
    #[must_use]
    pub fn new(door: PathBuf, network: NetworkId, statements: Vec<Vec<u8>>) -> Self {
        let known = statements.into_iter().map(|bytes| (StatementId::of(&bytes), bytes)).collect();
        Self { door, network, known: Mutex::new(known) }
    }

    /// The federation.
    #[must_use]
    pub fn network(&self) -> NetworkId {
        self.network
    }

    /// The node's name.
    ///
    /// # Errors
    /// [`SourceError`].
    pub async fn name(&self) -> Result<String, SourceError> {
        match self.visit().await?.ask(&Ask::Health).await? {
            Answer::Health(health) => Ok(health.name),
            answer => Err(unexpected(answer)),
        }
    }

    /// Everything that waits or has waited here.
    ///
    /// # Errors
    /// [`SourceError`].
    pub async fn queue(&self) -> Result<(Vec<Waiting>, Believed), SourceError> {
        let mut visitor = self.visit().await?;
        let waiting = match visitor.ask(&Ask::Reviews).await? {
            Answer::Reviews(waiting) => waiting,
            answer => return Err(unexpected(answer)),
        };
        Ok((waiting, self.believed(&mut visitor, &[]).await?))
    }

    /// What is held for one task, and the statements that it is judged by.
    ///
    /// # Errors
    /// [`SourceError`].
    pub async fn review(&self, task: TaskId) -> Result<(Review, Believed), SourceError> {
        let mut visitor = self.visit().await?;
        let review = match visitor.ask(&Ask::Review(task)).await? {
            Answer::Review(review) => *review,
            answer => return Err(unexpected(answer)),
        };
        let mut further: Vec<&[u8]> = review.statements.iter().map(|bytes| bytes.as_slice()).collect();
        further.push(&review.submission);
        further.push(&review.project);
        further.retain(|bytes| !bytes.is_empty());
        let believed = self.believed(&mut visitor, &further).await?;
        Ok((review, believed))
    }

    /// An output that left before.
    ///
    /// # Errors
    /// [`SourceError`].
    pub async fn earlier(&self, task: TaskId, output: &str) -> Result<EarlierOutput, SourceError> {
        match self.visit().await?.ask(&Ask::Earlier { task, output: output.to_owned() }).await? {
            Answer::Earlier(earlier) => Ok(*earlier),
            answer => Err(unexpected(answer)),
        }
    }

    /// Hands over what a reviewer has signed; it is durable when this returns.
    ///
    /// # Errors
    /// [`SourceError::NotTaken`] with the node's reason.
    pub async fn offer(&self, statement: Vec<u8>) -> Result<(), SourceError> {
        match self.member(&mut self.visit().await?, Request::Offer { statement }).await? {
            Response::Taken => Ok(()),
            Response::NotTaken { reason } => Err(SourceError::NotTaken(reason)),
            _ => Err(SourceError::Other),
        }
    }

    /// What is believed about trust, and of these further statements.
    async fn believed(&self, visitor: &mut Visitor, further: &[&[u8]]) -> Result<Believed, SourceError> {
        let mut known = self.known.lock().await;
        let (mut missing, mut after) = (Vec::new(), None);
        loop {
            let Response::Inventory { ids, more } =
                self.member(visitor, Request::Inventory { after, kinds: TRUST.to_vec() }).await?
            else {
                return Err(SourceError::Other);
            };
            let last = ids.last().copied();
            missing.extend(ids.into_iter().filter(|id| !known.contains_key(id)));
            // A page that does not go on would be asked for for ever.
            if !more || last <= after {
                break;
            }
            after = last;
        }
        while !missing.is_empty() {
            let ids: Vec<StatementId> = missing.iter().take(ASKED).copied().collect();
            let Response::Statements { statements } =
                self.member(visitor, Request::Statements { ids: ids.clone() }).await?
            else {
                return Err(SourceError::Other);
            };
            let given: BTreeSet<StatementId> = statements.iter().map(|bytes| StatementId::of(bytes)).collect();
            // A node gives as many as fit; of what it gives nothing at all, it has nothing.
            missing.retain(|id| !(given.contains(id) || given.is_empty() && ids.contains(id)));
            known.extend(statements.into_iter().map(|bytes| (StatementId::of(&bytes), bytes.into_vec())));
            if !given.is_empty() && !given.iter().any(|id| ids.contains(id)) {
                return Err(SourceError::Other);
            }
        }
        Ok(believe(known.values().map(Vec::as_slice).chain(further.iter().copied()), self.network))
    }

    async fn member(&self, visitor: &mut Visitor, request: Request) -> Result<Response, SourceError> {
        match visitor.ask(&Ask::Member(request)).await? {
            Answer::Member(response) => Ok(response),
            answer => Err(unexpected(answer)),
        }
    }

    async fn visit(&self) -> Result<Visitor, SourceError> {
        Ok(Visitor::knock(&self.door).await?)
    }
}

fn unexpected(answer: Answer) -> SourceError {
    match answer {
        Answer::No(reason) => SourceError::No(reason),
        _ => SourceError::Other,
    }
}
