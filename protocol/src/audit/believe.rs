//! Believing statements long after they were made: each as of its own issue, in whatever order they need.

use crate::ingress::{Statement, Verdict, receive};
use crate::trust::roster::Roster;
use crate::wire::envelope::Signed;
use crate::wire::id::{NetworkId, StatementId};
use std::collections::BTreeMap;

/// What a set of statements amounts to. What was in force when is for the roster's questions to say, each of which takes a time.
#[derive(Debug)]
pub struct Believed {
    /// Who may speak as whom; it knows expired statements too.
    pub roster: Roster,
    /// Everything that verified in its own time, in the order of [`crate::record::Kind::ALL`].
    pub statements: Vec<Statement>,
    /// What did not.
    pub refused: Vec<(StatementId, Verdict)>,
}

/// Verifies every statement as of its own issue. They may stand in any order and any number of times: what needs others is tried again until
/// nothing new is believed.
#[must_use]
pub fn believe<'a>(statements: impl IntoIterator<Item = &'a [u8]>, network: NetworkId) -> Believed {
    let mut refused = Vec::new();
    let mut waiting = BTreeMap::new();
    for bytes in statements {
        match Signed::parse(bytes) {
            Ok(signed) => {
                waiting.entry(signed.id()).or_insert_with(|| (signed.kind(), signed.claims().issued, bytes));
            }
            Err(malformed) => refused.push((StatementId::of(bytes), Verdict::Reject(malformed.into()))),
        }
    }
    let mut waiting: Vec<(StatementId, _)> = waiting.into_iter().collect();
    waiting.sort_by_key(|(id, (kind, issued, _))| (*kind, *issued, *id));
    let mut believed = Believed { roster: Roster::new(network), statements: Vec::new(), refused };
    loop {
        let before = waiting.len();
        let mut left = Vec::new();
        let mut verdicts = Vec::new();
        for (id, one) in waiting {
            match receive(one.2, &believed.roster, one.1) {
                Ok(statement) => {
                    believed.roster.take(&statement);
                    believed.statements.push(statement);
                }
                Err(verdict) => {
                    verdicts.push((id, verdict));
                    left.push((id, one));
                }
            }
        }
        if left.is_empty() || left.len() == before {
            believed.refused.extend(verdicts);
            believed.statements.sort_by_key(|statement| (statement.kind(), statement.claims().issued, statement.id()));
            return believed;
        }
        waiting = left;
    }
}

impl Believed {
    /// Takes one more statement, as of its own issue; true when it is new here.
    ///
    /// # Errors
    /// The verdict on it; nothing was taken.
    pub fn learn(&mut self, bytes: &[u8]) -> Result<bool, Verdict> {
        let signed = Signed::parse(bytes).map_err(|malformed| Verdict::Reject(malformed.into()))?;
        if self.statements.iter().any(|known| known.id() == signed.id()) {
            return Ok(false);
        }
        let statement = receive(bytes, &self.roster, signed.claims().issued)?;
        self.roster.take(&statement);
        self.statements.push(statement);
        Ok(true)
    }
}
