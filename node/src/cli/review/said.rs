//! What persons have said about a review: decisions that stand, and what became of them; for eyes and for `--json`.

use super::comment;
use crate::cli::speak::{Speak, plain};
use crate::review::Examined;
use protocol::ingress::Verified;
use protocol::record::attestation::Attestation;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Shows decisions and comments, and why some of them count no more.
pub(super) fn show(examined: &Examined, speak: &Speak) {
    let waiting = &examined.review.waiting;
    let rows: Vec<Vec<String>> = standing(examined)
        .flat_map(|one| {
            let person = &one.signer().name;
            let stale = waiting.stale.contains(person);
            one.payload().decisions.iter().map(move |(output, decision)| {
                let said = match (decision.approve, stale) {
                    (true, false) => "✓ may leave",
                    (true, true) => "… approved other findings: must look again",
                    (false, _) => "✗ stays",
                };
                vec![person.clone(), output.clone(), said.to_owned(), plain(&decision.reason)]
            })
        })
        .collect();
    if !rows.is_empty() {
        speak.line("");
        speak.table(&["reviewer", "output", "decision", "reason"], &rows);
    }
    if !waiting.conflict.is_empty() {
        speak.line(&format!(
            "✗ the reviewers disagree on {}: nothing of it leaves, and nothing is withheld, until one of them decides anew or withdraws",
            waiting.conflict.join(", ")
        ));
    }
    if examined.blinded {
        speak.line(
            "what others decided, and what they say among reviewers, is hidden until you have decided on every output",
        );
    }
    comment::show(&examined.comments, &examined.submission.signer().name, speak);
}

/// The same for `--json`.
pub(super) fn told(examined: &Examined) -> Value {
    let waiting = &examined.review.waiting;
    let decisions: Vec<Value> = standing(examined)
        .map(|one| {
            let person = &one.signer().name;
            json!({
                "by": person, "at": one.claims().issued, "attestation": one.id(), "decisions": one.payload().decisions,
                "stale": waiting.stale.contains(person),
            })
        })
        .collect();
    json!({
        "decisions": decisions, "conflict": waiting.conflict, "blinded": examined.blinded,
        "comments": comment::entries(&examined.comments, &examined.submission.signer().name),
    })
}

/// The decisions that no later one of the same person takes the place of, by person.
fn standing(examined: &Examined) -> impl Iterator<Item = &Verified<Attestation>> {
    let persons: BTreeSet<&str> = examined.attestations.iter().map(|one| one.signer().name.as_str()).collect();
    persons.into_iter().flat_map(|person| examined.heads(person)).filter(|one| !one.payload().decisions.is_empty())
}
