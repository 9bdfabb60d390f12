//! Two reviewers, each with their own eyes: what others decided is hidden from whoever has not decided yet.

use super::Examined;
use crate::door::{Review, Waiting};
use protocol::record::comment::Readers;
use protocol::wire::id::StatementId;
use std::collections::BTreeSet;

/// Hides in the queue what others decided, where the project asks for two or more persons and `person` has not decided on every output. Who
/// has decided stays; what, does not. True when anything is hidden.
pub fn blind(waiting: &mut Waiting, person: Option<&str>) -> bool {
    let Some(needed) = waiting.approvals.filter(|needed| *needed >= 2) else { return false };
    if waiting.phase.is_terminal() || person.is_some_and(|person| has_decided(waiting, person)) {
        return false;
    }
    let others = |of: &String| person != Some(of.as_str());
    if !waiting.attested_by.iter().any(others) {
        return false;
    }
    // As many as are asked for, less those who have decided, whatever they said: even that somebody said no is not told.
    let decided = &waiting.decided;
    if let Some(missing) = &mut waiting.missing {
        let outputs: BTreeSet<String> = missing.keys().chain(decided.keys()).cloned().collect();
        *missing = outputs
            .into_iter()
            .map(|output| {
                let heard = decided.get(&output).map_or(0, |persons| persons.len() as u64);
                (output, needed.saturating_sub(heard).max(1))
            })
            .collect();
    }
    waiting.conflict.clear();
    waiting.stale.retain(|of| !others(of));
    true
}

/// Whether a person has decided on every output; somebody who has to look again because findings changed has, too.
fn has_decided(waiting: &Waiting, person: &str) -> bool {
    let outputs = waiting.missing.iter().flat_map(|missing| missing.keys()).chain(waiting.decided.keys());
    let mut outputs = outputs.peekable();
    let all = outputs.peek().is_some()
        && outputs.all(|output| waiting.decided.get(output).is_some_and(|persons| persons.contains(person)));
    all || waiting.stale.iter().any(|of| of == person)
}

impl Examined {
    /// The review as `person` may see it; nobody in particular is somebody who has not decided. Where the project asks for two or more
    /// persons, the attestations and the private comments of others are gone until `person` has decided on every output.
    #[must_use]
    pub fn blind(mut self, person: Option<&str>) -> Self {
        self.blinded = blind(&mut self.review.waiting, person);
        if !self.blinded {
            return self;
        }
        let own = |name: &str| person == Some(name);
        let submitter = self.submission.signer().name.clone();
        let hidden: BTreeSet<StatementId> = self
            .attestations
            .iter()
            .filter(|one| !own(&one.signer().name))
            .map(protocol::ingress::Verified::id)
            .chain(
                self.comments
                    .iter()
                    .filter(|one| {
                        let name = &one.signer().name;
                        one.payload().to == Readers::Reviewers && !own(name) && *name != submitter
                    })
                    .map(protocol::ingress::Verified::id),
            )
            .collect();
        self.attestations.retain(|one| !hidden.contains(&one.id()));
        self.comments.retain(|one| !hidden.contains(&one.id()));
        forget(&mut self.review, &hidden);
        self
    }
}

fn forget(review: &mut Review, hidden: &BTreeSet<StatementId>) {
    review.statements.retain(|bytes| !hidden.contains(&StatementId::of(bytes)));
}
