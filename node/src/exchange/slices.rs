//! Released ciphertexts: slices of them for whoever asks, from here or passed on from a member that has them; and whole ones, for a mailbox.

use super::Exchange;
use crate::arrival::{ArrivalError, IN_FLIGHT};
use crate::clock::now;
use crate::network::{PeerKey, Role};
use crate::slice;
use crate::store::StoreError;
use futures::{StreamExt as _, stream};
use protocol::record::key_record::HolderKind;
use protocol::record::release::Sealed;
use protocol::wire::message::{Request, Response};
use thiserror::Error;

/// How far a question may travel: to a member's node, a hub, the TRE.
const HOPS: u8 = 2;

/// Why a ciphertext is not here. What has arrived of it is kept, and the next attempt goes on.
#[derive(Debug, Error)]
pub enum PullError {
    /// No connected member could give it.
    #[error("no connected member has the released file now")]
    Nowhere,
    /// The disk failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What had arrived was not what was released.
    #[error(transparent)]
    Arrival(#[from] ArrivalError),
    /// The node stops.
    #[error("the node is stopping")]
    Stopping,
}

impl Exchange {
    /// A slice of a ciphertext that was released, as far as is known here: from the disk, or passed on from a member.
    pub(super) async fn slice(&self, file: Sealed, offset: u64, hops: u8) -> Response {
        let known = self.driver.read(move |core, _| core.released().contains_key(&file)).await.unwrap_or(false);
        if !known {
            return Response::Unknown;
        }
        let store = self.store.clone();
        let here = tokio::task::spawn_blocking(move || store.slice(&file, offset)).await;
        match here {
            Ok(Ok(Some(slice))) => return Response::Slice { slice },
            Ok(Err(StoreError::OtherBytes)) => {
                tracing::error!(root = %file.root, "the disk has changed a released file; it was removed and can be fetched again");
            }
            Ok(Ok(None) | Err(_)) | Err(_) => {}
        }
        // Only so far, whatever was asked for.
        let Some(hops) = hops.min(HOPS).checked_sub(1) else { return Response::Unknown };
        for peer in self.givers(&file).await {
            let asked = Request::Slice { file, offset, hops };
            if let Ok(Response::Slice { slice }) = self.network.ask(peer, asked).await {
                // Who gives other bytes is passed over: the next one may give the right ones.
                if slice::decode(&file, offset, &slice).is_ok() {
                    return Response::Slice { slice };
                }
                tracing::warn!("a member gave other bytes than were released; another one is asked");
            }
        }
        Response::Unknown
    }

    /// Brings a whole ciphertext here, from where it stopped last, from whichever member gives it.
    ///
    /// # Errors
    /// [`PullError`].
    pub async fn pull(&self, file: Sealed) -> Result<(), PullError> {
        if self.store.has_sealed(&file) {
            return Ok(());
        }
        for peer in self.givers(&file).await {
            let mut arrival = self.store.arriving(&file)?;
            let answers = stream::iter(arrival.questions(0))
                .map(|asked| async move { self.network.ask(peer, asked).await.ok() })
                .buffered(IN_FLIGHT);
            match arrival.take_all(answers, |_| {}).await {
                Ok(()) => {
                    let store = self.store.clone();
                    let kept = tokio::task::spawn_blocking(move || store.arrived(&file, arrival)).await;
                    return Ok(kept.map_err(|_| PullError::Stopping)??);
                }
                Err(error @ ArrivalError::Disk(_)) => return Err(error.into()),
                Err(ArrivalError::Other(error)) => {
                    tracing::warn!(%error, "another member is asked for a released file")
                }
                Err(ArrivalError::Unknown | ArrivalError::Cut) => {}
            }
        }
        Err(PullError::Nowhere)
    }

    /// The connected members that may have a ciphertext: the TRE that let it out, then hubs.
    async fn givers(&self, file: &Sealed) -> Vec<PeerKey> {
        let file = *file;
        let tre = self.driver.read(move |core, _| -> Vec<PeerKey> {
            let Some(tre) = core.released().get(&file).map(|known| &known.tre) else { return Vec::new() };
            let holders = core.roster().holders(now()).into_iter();
            let own = holders.filter(|one| one.kind == HolderKind::Tre && one.name == *tre);
            own.filter_map(|one| Some(*one.peer?.as_bytes())).collect()
        });
        let tre = tre.await.unwrap_or_default();
        let peers = self.network.peers().await;
        let own = peers.iter().map(|peer| peer.key).filter(|peer| tre.contains(peer));
        let hubs = peers.iter().filter(|peer| peer.role == Role::Hub && !tre.contains(&peer.key)).map(|peer| peer.key);
        own.chain(hubs).collect()
    }
}
