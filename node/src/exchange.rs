//! Direct streams: answering members, catching up with them, and getting blobs from them.

use crate::driver::{Handle, TakeError};
use crate::network::{AskError, Network, PeerKey, Role};
use crate::store::{Store, StoreError};
use protocol::wire::envelope::Signed;
use protocol::wire::id::{Digest, StatementId};
use protocol::wire::message::{IDS_PER_MESSAGE, PART_BYTES, Request, Response};
use serde_bytes::ByteBuf;
use std::ops::Bound;
use thiserror::Error;

/// The most bytes of statements in one answer; what does not fit is asked for again.
const STATEMENTS_BYTES: usize = 1024 * 1024;

/// The most statements that one question names.
const STATEMENTS_ASKED: usize = 64;

/// The largest component that is taken from a submitter, in bytes.
pub const COMPONENT_BYTES: u64 = 32 * 1024 * 1024;

/// The largest blob that is fetched, in bytes: a released ciphertext.
const BLOB_BYTES: u64 = 1024 * 1024 * 1024;

/// How often a blob is asked for before it counts as unavailable.
const ATTEMPTS: u32 = 4;

/// Why a blob is not here.
#[derive(Debug, Error)]
pub enum ObtainError {
    /// No connected member could deliver it.
    #[error("no connected member has the file {}; connect to one that has", .0.short())]
    Nowhere(Digest),
    /// The disk failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What this node says to members and asks of them.
#[derive(Clone)]
pub struct Exchange {
    driver: Handle,
    network: Network,
    store: Store,
}

impl Exchange {
    /// Over this network, for this driver, with these blobs.
    #[must_use]
    pub fn new(driver: Handle, network: Network, store: Store) -> Self {
        Self { driver, network, store }
    }

    /// Answers one question of a member, or of a person on this machine.
    pub async fn answer(&self, request: Request) -> Response {
        match request {
            Request::Offer { statement } => match self.driver.take(statement).await {
                Ok(_) => Response::Taken,
                Err(TakeError::Verdict(verdict)) => Response::NotTaken { reason: verdict.to_string() },
                Err(error @ TakeError::Stopped) => Response::NotTaken { reason: error.to_string() },
            },
            Request::Inventory { after, kinds } => self.inventory(after, kinds).await,
            Request::Statements { ids } => self.statements(ids.into_iter().take(STATEMENTS_ASKED).collect()).await,
            Request::About { task } => {
                let ids = self.driver.read(move |core, _| core.about(&task)).await.unwrap_or_default();
                if ids.is_empty() { Response::Unknown } else { self.statements(ids).await }
            }
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

    async fn blob(&self, digest: Digest, offset: u64, hops: u8) -> Response {
        let serves = self.driver.read(move |core, _| core.serves(&digest)).await.unwrap_or(false);
        if !serves {
            return Response::Unknown;
        }
        if !self.store.has(&digest) && hops > 0 && self.obtain(&digest, hops - 1).await.is_err() {
            return Response::Unknown;
        }
        match self.part(digest, offset).await {
            Ok(Some((total, part))) => Response::Part { total, part },
            // The disk has changed it, and it is gone: another member may have it still.
            Err(StoreError::OtherBytes) if hops > 0 && self.obtain(&digest, hops - 1).await.is_ok() => {
                match self.part(digest, offset).await {
                    Ok(Some((total, part))) => Response::Part { total, part },
                    Ok(None) | Err(_) => Response::Unknown,
                }
            }
            Ok(None) | Err(_) => Response::Unknown,
        }
    }

    async fn part(&self, digest: Digest, offset: u64) -> Result<Option<(u64, Vec<u8>)>, StoreError> {
        let store = self.store.clone();
        let part = tokio::task::spawn_blocking(move || store.part(&digest, offset)).await;
        let part = part.unwrap_or(Ok(None));
        if matches!(part, Err(StoreError::OtherBytes)) {
            tracing::error!(%digest, "the disk has changed a file in blobs; it was removed and is fetched again from members");
        }
        part
    }

    /// Gets a blob from any connected member, part by part, and keeps it once its digest is right. With `hops`, members ask theirs.
    ///
    /// # Errors
    /// [`ObtainError`].
    pub async fn obtain(&self, digest: &Digest, hops: u8) -> Result<(), ObtainError> {
        for attempt in 0..ATTEMPTS {
            if self.store.has(digest) {
                return Ok(());
            }
            for peer in self.network.peers().await.into_iter().filter(|peer| peer.role != Role::Client) {
                if self.obtain_from(peer.key, digest, hops).await? {
                    return Ok(());
                }
            }
            if hops == 0 {
                break;
            }
            // A member may be about to connect, or about to receive it itself.
            tokio::time::sleep(std::time::Duration::from_millis(250 << attempt)).await;
        }
        Err(ObtainError::Nowhere(*digest))
    }

    async fn obtain_from(&self, peer: PeerKey, digest: &Digest, hops: u8) -> Result<bool, ObtainError> {
        let mut offset = 0;
        loop {
            let answer = self.network.ask(peer, Request::Blob { digest: *digest, offset, hops }).await;
            let Ok(Response::Part { total, part }) = answer else { return Ok(false) };
            let end = offset.saturating_add(part.len() as u64);
            // A clean end of stream is no proof of completeness: length and digest are checked here.
            if total > BLOB_BYTES || end > total || part.len() > PART_BYTES || (part.is_empty() && total > 0) {
                return Ok(false);
            }
            let (store, named) = (self.store.clone(), *digest);
            let taken = tokio::task::spawn_blocking(move || store.take_part(&named, offset, total, &part)).await;
            match taken {
                Ok(Ok(true)) => return Ok(true),
                Ok(Ok(false)) => offset = end,
                Ok(Err(StoreError::Disk(error))) => return Err(StoreError::Disk(error).into()),
                Ok(Err(_)) | Err(_) => return Ok(false),
            }
        }
    }

    /// Asks a member for every statement that is not here; kinds that others depend on come first.
    ///
    /// # Errors
    /// When the member stops answering; the next connection begins again.
    pub async fn catch_up(&self, peer: PeerKey) -> Result<usize, AskError> {
        let mut taken = 0;
        let mut after = None;
        loop {
            let answer = self.network.ask(peer, Request::Inventory { after, kinds: Vec::new() }).await?;
            let Response::Inventory { ids, more } = answer else { return Ok(taken) };
            let last = ids.last().copied();
            let missing = self
                .driver
                .read(move |core, _| ids.into_iter().filter(|id| !core.known().contains(id)).collect::<Vec<_>>());
            let mut statements = self.get_statements(peer, missing.await.unwrap_or_default()).await?;
            statements.sort_by_key(|(kind, _)| *kind);
            for (_, bytes) in statements {
                if self.driver.take(bytes).await.is_ok() {
                    taken += 1;
                }
            }
            match (more, last) {
                (true, Some(_)) => after = last,
                _ => return Ok(taken),
            }
        }
    }

    async fn get_statements(
        &self,
        peer: PeerKey,
        mut missing: Vec<StatementId>,
    ) -> Result<Vec<(protocol::record::Kind, Vec<u8>)>, AskError> {
        let mut found = Vec::new();
        while !missing.is_empty() {
            let asked: Vec<StatementId> = missing.iter().take(STATEMENTS_ASKED).copied().collect();
            let answer = self.network.ask(peer, Request::Statements { ids: asked.clone() }).await?;
            let Response::Statements { statements } = answer else { break };
            if statements.is_empty() {
                missing.drain(..asked.len());
                continue;
            }
            for bytes in statements {
                if let Ok(signed) = Signed::parse(&bytes) {
                    missing.retain(|id| *id != signed.id());
                    found.push((signed.kind(), bytes.into_vec()));
                } else {
                    return Ok(found);
                }
            }
        }
        Ok(found)
    }
}
