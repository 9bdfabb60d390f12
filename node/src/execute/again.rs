//! A held task, run once more and compared: the same component and parameters over the data as it is now.

use super::{Execution, produced};
use crate::exchange::Exchange;
use protocol::safes::admission::Admission;
use protocol::safes::outputs::{Held, compare_again};
use protocol::wire::id::Digest;
use sandbox::run::run;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use thiserror::Error;
use tokio::sync::watch;

/// What came of another run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replayed {
    /// Whether all outputs together have the commitment that the first run signed.
    pub same: bool,
    /// Each output: whether it is the same, byte for byte.
    pub outputs: BTreeMap<String, bool>,
    /// The datasets that hold something else now than when the task ran first.
    pub changed: BTreeSet<String>,
}

/// Why there is nothing to compare. The text is for people on this machine.
#[derive(Debug, Error)]
pub enum NotRun {
    /// It could not be prepared or compared.
    #[error("{0}")]
    Host(String),
    /// It ran, and ended otherwise.
    #[error("the task ran again and gave no outputs: {0}")]
    Ended(String),
}

impl Execution {
    /// Runs a held task once more. Nothing of it is kept.
    ///
    /// # Errors
    /// [`NotRun`] when there is nothing to compare.
    pub async fn run_again(
        &self,
        admission: Admission,
        held: Held,
        first: &BTreeMap<String, Digest>,
        exchange: &Exchange,
    ) -> Result<Replayed, NotRun> {
        // The sender is kept for as long as the run lasts: nobody calls it back, and whoever asked may hang up.
        let (_go_on, stopped) = watch::channel(false);
        let (task, snapshots) = self.prepare(&admission, stopped, exchange).await.map_err(NotRun::Host)?;
        let changed = snapshots.iter().filter(|(name, now)| first.get(*name) != Some(*now));
        let changed = changed.map(|(name, _)| name.clone()).collect();
        let outputs = run(&self.engine, task).await.map_err(|failure| NotRun::Ended(failure.to_string()))?;
        let ledger = self.ledger.clone();
        let compared = tokio::task::spawn_blocking(move || {
            let each = outputs.outputs.into_iter();
            let hash = |dataset: &str, subject: &[u8]| ledger.hash(dataset, subject);
            let produced = each.map(|output| (output.name, produced(output.content, &hash))).collect();
            let (commitment, outputs) = compare_again(&admission, produced, &held)?;
            Ok((commitment == held.commitment(), outputs))
        });
        match compared.await {
            Ok(Ok((same, outputs))) => Ok(Replayed { same, outputs, changed }),
            Ok(Err::<_, protocol::safes::outputs::Unreviewable>(error)) => Err(NotRun::Ended(error.to_string())),
            Err(_) => Err(NotRun::Host("comparing was interrupted".to_owned())),
        }
    }
}
