//! Components: served to members that may have them, and got from members that have them.

use super::{COMPONENT_BYTES, Exchange};
use crate::network::{PeerKey, Role};
use crate::store::StoreError;
use protocol::wire::id::Digest;
use protocol::wire::message::{PART_BYTES, Request, Response};
use thiserror::Error;

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

impl Exchange {
    pub(super) async fn blob(&self, digest: Digest, offset: u64, hops: u8) -> Response {
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
            if total > COMPONENT_BYTES || end > total || part.len() > PART_BYTES || (part.is_empty() && total > 0) {
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
}
