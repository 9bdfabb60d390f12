//! What is lacking in chains: asked for by its id, of every connected member, until somebody gives it.

use super::Exchange;
use super::round::{ASKED, Round};
use crate::clock::now;
use crate::network::Role;
use protocol::chain::Lack;
use protocol::reconcile::Share;
use protocol::wire::id::StatementId;

impl Exchange {
    /// What somebody has said and nobody has brought. Whatever came and was not taken is not lacking: nobody keeps it back.
    pub async fn lacking(&self) -> Vec<(StatementId, Lack)> {
        let lacking = self
            .driver
            .read(|core, _| core.chains().lacking(now()).map(|(id, lack)| (*id, lack.clone())).collect::<Vec<_>>());
        let mut lacking = lacking.await.unwrap_or_default();
        let wanted = self.wanted(lacking.iter().map(|(id, _)| *id).collect()).await;
        lacking.retain(|(id, _)| wanted.contains(id));
        lacking
    }

    /// Asks every connected member in turn. A member that gives one is asked for what that one follows, too.
    pub async fn seek(&self) {
        for peer in self.network.peers().await.into_iter().filter(|peer| peer.role != Role::Client) {
            loop {
                let lacking: Vec<StatementId> =
                    self.lacking().await.into_iter().map(|(id, _)| id).take(ASKED).collect();
                if lacking.is_empty() {
                    return;
                }
                let mut found = Round::default();
                // A member that does not answer says nothing about what it was asked for.
                let asked = self.fetch(peer.key, Share::Tasks, &lacking, &mut found, &mut 0).await;
                if asked.is_err() || found.taken == 0 {
                    break;
                }
                tracing::info!(found = found.taken, "a member gave what was lacking in a chain");
            }
        }
    }
}
