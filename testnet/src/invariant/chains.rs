//! What must always be so about what people hand in: whoever misses something knows what, and two stories are known and start nothing.

use super::{Cursor, Outcome, fresh};
use crate::sim::host::Host;
use crate::sim::truth::Truth;
use protocol::node::Record;

/// Whoever holds a statement and not the one that it follows, knows that this one is lacking.
pub fn what_a_chain_lacks_is_known(truth: &Truth, host: &Host, _: &Cursor) -> Outcome {
    let Some(node) = &host.node else { return Ok(()) };
    for id in truth.chained.iter().filter(|id| host.ledger.learned.contains_key(*id)) {
        let before = truth.statements.get(id).and_then(|said| said.place.as_ref()?.previous);
        let Some(before) = before.filter(|before| !host.ledger.learned.contains_key(before)) else { continue };
        if node.chains().lacking(0).all(|(lacking, _)| *lacking != before) {
            return Err(format!("{} follows {}, which is not here, and nobody noticed", id.short(), before.short()));
        }
    }
    Ok(())
}

/// Whoever holds two statements at one place of a key's chain knows it, and begins neither afterwards.
pub fn two_stories_of_a_key_are_known_and_start_nothing(truth: &Truth, host: &Host, seen: &Cursor) -> Outcome {
    let Some(node) = &host.node else { return Ok(()) };
    let learned = &host.ledger.learned;
    for id in truth.stories.iter().filter(|id| learned.contains_key(*id)) {
        let other = truth.other_stories(id).find(|other| learned.contains_key(*other));
        if let Some(other) = other.filter(|_| !node.chains().is_contradicted(id)) {
            return Err(format!("{} and {} cannot stand in one chain", other.short(), id.short()));
        }
    }
    for (place, entry) in fresh(host, seen) {
        let Record::Started { task } = &entry.record else { continue };
        if let Some(other) = truth.other_stories(task).find(|other| host.ledger.knew(other, place)) {
            return Err(format!("{} began, and {} contradicts it", task.short(), other.short()));
        }
    }
    Ok(())
}

/// A TRE tells of one run and one release of each task, whatever crashes, unless it was restored from a backup.
pub fn a_task_runs_once_and_leaves_once(_: &Truth, host: &Host, _: &Cursor) -> Outcome {
    let Some(node) = host.node.as_ref().filter(|_| host.restored == 0) else { return Ok(()) };
    match node.chains().contradictions().iter().find(|one| one.once.is_some() && one.author == host.name) {
        Some(twice) => Err(twice.sentence()),
        None => Ok(()),
    }
}
