//! Direct streams: answering members and people, going round with members, and getting blobs from them.

mod blobs;
mod lacking;
mod refused;
mod round;
mod slices;

pub use blobs::ObtainError;
pub use round::{Round, RoundError};
pub use slices::PullError;

use crate::driver::{Handle, TakeError};
use crate::network::Network;
use crate::store::Store;
use protocol::wire::id::StatementId;
use protocol::wire::message::{IDS_PER_MESSAGE, Request, Response};
use refused::Refused;
use serde_bytes::ByteBuf;
use std::ops::Bound;
use std::sync::{Arc, Mutex};
use tokio::sync::{Notify, Semaphore};

/// The most bytes of statements in one answer; what does not fit is asked for again.
const STATEMENTS_BYTES: usize = 1024 * 1024;

/// The most statements that one question names.
const STATEMENTS_ASKED: usize = 64;

/// The largest component that is taken from a submitter, in bytes.
pub const COMPONENT_BYTES: u64 = 32 * 1024 * 1024;

/// Frames of rounds that are computed at once: whoever asks for many waits for them.
const COMPUTING: usize = 2;

/// What this node says to members and asks of them.
#[derive(Clone)]
pub struct Exchange {
    driver: Handle,
    network: Network,
    store: Store,
    refused: Arc<Mutex<Refused>>,
    said: Arc<Notify>,
    heard: Arc<Notify>,
    computing: Arc<Semaphore>,
    seeking: Arc<tokio::sync::Mutex<()>>,
}

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asker {
    /// A member's node, which sees to it that others hear of what it holds.
    Node,
    /// A person, at the door or over the network: what is taken from one is for this node to spread.
    Person,
}

impl Exchange {
    /// Over this network, for this driver, with these blobs.
    #[must_use]
    pub fn new(driver: Handle, network: Network, store: Store) -> Self {
        Self {
            driver,
            network,
            store,
            refused: Arc::default(),
            said: Arc::default(),
            heard: Arc::default(),
            computing: Arc::new(Semaphore::new(COMPUTING)),
            seeking: Arc::default(),
        }
    }

    /// This node has said something, or has taken it from a person: a member has to be known to hold it too.
    pub fn said(&self) {
        self.said.notify_one();
    }

    /// Waits until something was said.
    pub async fn until_said(&self) {
        self.said.notified().await;
    }

    /// This node has heard something about a task.
    pub fn heard(&self) {
        self.heard.notify_one();
    }

    /// Waits until something was heard.
    pub async fn until_heard(&self) {
        self.heard.notified().await;
    }

    /// Answers one question of a member, or of a person on this machine.
    pub async fn answer(&self, request: Request, asker: Asker) -> Response {
        match request {
            Request::Offer { statement } => match self.driver.take(statement).await {
                Ok(_) => {
                    if asker == Asker::Person {
                        self.said();
                    }
                    Response::Taken
                }
                Err(TakeError::Verdict(verdict)) => Response::NotTaken { reason: verdict.to_string() },
                Err(error @ TakeError::Stopped) => Response::NotTaken { reason: error.to_string() },
            },
            Request::Inventory { after, kinds } => self.inventory(after, kinds).await,
            Request::Reconcile { share, frame } => self.answer_round(share, frame).await,
            Request::Statements { ids } => self.statements(ids.into_iter().take(STATEMENTS_ASKED).collect()).await,
            Request::About { task } => {
                let ids = self.driver.read(move |core, _| core.about(&task)).await.unwrap_or_default();
                if ids.is_empty() { Response::Unknown } else { self.statements(ids).await }
            }
            Request::Slice { file, offset, hops } => self.slice(file, offset, hops).await,
            Request::Blob { digest, offset, hops } => self.blob(digest, offset, hops).await,
            Request::Store { digest, offset, total, part } => {
                if total > COMPONENT_BYTES {
                    return Response::NotTaken { reason: "a component has at most 32 MiB".to_owned() };
                }
                let store = self.store.clone();
                let taken = tokio::task::spawn_blocking(move || store.take_part(&digest, offset, total, &part)).await;
                match taken {
                    Ok(Ok(_)) => Response::Taken,
                    Ok(Err(error)) => Response::NotTaken { reason: error.to_string() },
                    Err(_) => Response::NotTaken { reason: "the node is stopping".to_owned() },
                }
            }
        }
    }

    async fn inventory(&self, after: Option<StatementId>, kinds: Vec<protocol::record::Kind>) -> Response {
        let page = self.driver.read(move |core, _| {
            let from = after.map_or(Bound::Unbounded, Bound::Excluded);
            let wanted = |id: &&StatementId| {
                core.may_share(id) && (kinds.is_empty() || core.kind(id).is_some_and(|kind| kinds.contains(&kind)))
            };
            let later = core.known().range((from, Bound::Unbounded));
            later.filter(wanted).take(IDS_PER_MESSAGE + 1).copied().collect::<Vec<_>>()
        });
        let mut ids = page.await.unwrap_or_default();
        let more = ids.len() > IDS_PER_MESSAGE;
        ids.truncate(IDS_PER_MESSAGE);
        Response::Inventory { ids, more }
    }

    async fn statements(&self, ids: Vec<StatementId>) -> Response {
        let found = self.driver.read(move |core, journal| {
            let mut bytes = 0;
            let shared = ids.into_iter().filter(|id| core.may_share(id));
            shared
                .filter_map(|id| journal.statement(&id).ok().flatten())
                .take_while(|statement| {
                    bytes += statement.len();
                    bytes <= STATEMENTS_BYTES
                })
                .map(ByteBuf::from)
                .collect()
        });
        Response::Statements { statements: found.await.unwrap_or_default() }
    }
}
