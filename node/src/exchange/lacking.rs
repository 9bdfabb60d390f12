//! What is lacking in chains: asked for by its id, of every connected member, until somebody gives it.

use super::Exchange;
use super::round::Round;
use crate::clock::now;
use crate::network::Role;
use protocol::chain::Lack;
use protocol::reconcile::Share;
use protocol::wire::id::StatementId;
use std::collections::{BTreeMap, BTreeSet};

/// How many of one author's statements are asked for, and told, at a time. A gap names one, however long it is; whoever names many that never
/// were takes nobody else's turn.
const EACH: usize = 8;

impl Exchange {
    /// What somebody has said and nobody has brought, the longest missed first, and of each author a few. Whatever came and was not taken is not
    /// lacking: nobody keeps it back.
    pub async fn lacking(&self) -> Vec<(StatementId, Lack)> {
        let lacking = self
            .driver
            .read(|core, _| core.chains().lacking(now()).map(|(id, lack)| (*id, lack.clone())).collect::<Vec<_>>());
        let mut lacking = lacking.await.unwrap_or_default();
        let wanted = self.wanted(lacking.iter().map(|(id, _)| *id).collect()).await;
        let wanted: BTreeSet<StatementId> = wanted.into_iter().collect();
        lacking.sort_by_key(|(id, lack)| (lack.since, *id));
        let mut each: BTreeMap<String, usize> = BTreeMap::new();
        lacking.retain(|(id, lack)| {
            let count = each.entry(lack.author.clone()).or_default();
            *count += usize::from(wanted.contains(id));
            wanted.contains(id) && *count <= EACH
        });
        lacking
    }

    /// Asks every connected member in turn, once at a time. A member that gives one is asked for what that one follows, too.
    pub async fn seek(&self) {
        let Ok(_turn) = self.seeking.try_lock() else { return };
        for peer in self.network.peers().await.into_iter().filter(|peer| peer.role != Role::Client) {
            loop {
                let lacking: Vec<StatementId> = self.lacking().await.into_iter().map(|(id, _)| id).collect();
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
