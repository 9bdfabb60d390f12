//! What must always be so about logs: a release stands in one before it leaves, they only grow, forks are noticed, and who has lost the end
//! of its own waits for a recovery.

use super::{Cursor, Outcome, fresh, has_role, is_key_revoked, own_releases, statement};
use crate::sim::host::{Deed, Host};
use crate::sim::truth::{Truth, What};
use protocol::log::tree::extends;
use protocol::node::Record;
use protocol::record::checkpoint::Checkpoint;
use protocol::record::grant::Role;
use protocol::tre::digest_of;
use protocol::wire::id::{Digest, StatementId};
use std::collections::{BTreeMap, BTreeSet};

fn checkpoint<'a>(truth: &'a Truth, id: &StatementId) -> Option<&'a Checkpoint> {
    match &truth.statements.get(id)?.what {
        What::Checkpoint(said) => Some(said),
        _ => None,
    }
}

/// The run and everything that lets it out are proved to stand in the log that the release's checkpoint describes, and as many other nodes as
/// this TRE asks for had cosigned it.
pub fn a_release_stands_in_the_log_before_it_leaves(truth: &Truth, host: &Host, seen: &Cursor) -> Outcome {
    for (place, _, release) in own_releases(truth, host, seen) {
        let (task, log) = (release.task.short(), &release.log);
        let known = host.signed.contains(&log.checkpoint) && host.ledger.knew(&log.checkpoint, place);
        let Some(covering) = checkpoint(truth, &log.checkpoint).filter(|said| known && said.tre == host.name) else {
            return Err(format!("{task} left under no checkpoint of its own log"));
        };
        for id in [&release.run].into_iter().chain(&release.attestations).chain(&release.standing) {
            let stands = log.inclusions.iter().any(|inclusion| {
                let kind = truth.statements.get(id).map(|said| said.kind);
                inclusion.statement == *id && kind.is_some_and(|kind| inclusion.holds(kind, covering))
            });
            if !stands || !host.ledger.knew(id, place) {
                return Err(format!("{task} left before {} stood in the log", id.short()));
            }
        }
        let witnesses: BTreeSet<&str> = log
            .cosignatures
            .iter()
            .filter(|id| host.ledger.knew(id, place))
            .filter_map(|id| truth.statements.get(id))
            .filter(|said| matches!(said.what, What::Cosignature(of) if of == log.checkpoint) && said.by != host.name)
            .map(|said| said.by.as_str())
            .collect();
        let asked = host.tre.as_ref().map_or(0, |tre| tre.cosignatures);
        if (witnesses.len() as u64) < asked {
            return Err(format!("{task} left with {} of {asked} cosignatures", witnesses.len()));
        }
    }
    Ok(())
}

/// Each checkpoint that this TRE makes extends the one that it made before, by its own proof; a new epoch begins after a recovery alone.
pub fn logs_only_grow(truth: &Truth, host: &Host, seen: &Cursor) -> Outcome {
    for (place, entry) in fresh(host, seen) {
        let Some((id, _)) = statement(truth, entry).filter(|(id, _)| host.signed.contains(id)) else { continue };
        // What it hears of again after a backup lacked it, was looked at when it was made.
        if host.cut.contains(&id) {
            continue;
        }
        let Some(made) = checkpoint(truth, &id) else { continue };
        let earlier = |other: &&StatementId| {
            host.ledger.knew(other, place) && checkpoint(truth, other).is_some_and(|said| said.epoch == made.epoch)
        };
        let before = host.signed.iter().filter(earlier).max_by_key(|other| host.ledger.learned[*other]);
        let before = before.and_then(|other| Some((other, checkpoint(truth, other)?)));
        let follows = match before {
            Some((other, said)) => made.previous == Some(*other) && extends(made, said),
            None => made.previous.is_none() && made.epoch <= recovered(truth, host, place),
        };
        if !follows || made.size > host.ledger.leaves.len() as u64 {
            return Err(format!("{} of {} leaves does not extend what was there", id.short(), made.size));
        }
    }
    Ok(())
}

/// The newest epoch for which an operator and a data owner, two persons, have signed one recovery that this node knew before `place`.
fn recovered(truth: &Truth, host: &Host, place: usize) -> u64 {
    let mut signed: BTreeMap<(u64, Digest), BTreeMap<&str, usize>> = BTreeMap::new();
    for (id, learned) in host.ledger.learned.iter().filter(|(_, learned)| **learned < place) {
        if let Some(said) = truth.statements.get(id)
            && let What::Recovery(recovery) = &said.what
            && recovery.tre == host.name
            && host.ledger.knew(&recovery.lost, place)
        {
            signed.entry((recovery.epoch, digest_of(recovery.as_ref()))).or_default().insert(&said.by, *learned);
        }
    }
    // Both were who they said to be when the second of them was heard.
    let may = |person: &str, role, at: usize| {
        let now = host.ledger.entries[at].now;
        has_role(truth, &host.ledger, person, role, &host.name, at, now)
            && !is_key_revoked(truth, &host.ledger, person, at, now)
    };
    let two = |persons: &BTreeMap<&str, usize>| {
        persons.iter().any(|(operator, one)| {
            persons.iter().any(|(owner, other)| {
                let at = *one.max(other);
                operator != owner && may(operator, Role::Operator, at) && may(owner, Role::DataOwner, at)
            })
        })
    };
    signed.into_iter().filter(|(_, persons)| two(persons)).map(|((epoch, _), _)| epoch).max().unwrap_or_default()
}

/// Who was told of a checkpoint of its own that its disk does not reach, starts nothing and lets nothing out until it is recovered.
pub fn a_restored_node_neither_runs_nor_releases(truth: &Truth, host: &Host, seen: &Cursor) -> Outcome {
    let missing = |place: usize| {
        let epoch = recovered(truth, host, place);
        host.told.iter().find(|id| checkpoint(truth, id).is_some_and(|said| said.epoch >= epoch))
    };
    if host.told.is_empty() {
        return Ok(());
    }
    let started = fresh(host, seen).filter_map(|(place, entry)| match entry.record {
        Record::Started { task } => Some((place, task)),
        _ => None,
    });
    let released = own_releases(truth, host, seen).map(|(place, _, release)| (place, release.task));
    let done = host.performed.iter().skip(seen.performed).filter_map(|performed| match performed.deed {
        Deed::Ran(task) | Deed::Opened(task) => Some((performed.records, task)),
        _ => None,
    });
    for (place, task) in started.chain(released).chain(done) {
        if let Some(id) = missing(place) {
            return Err(format!("went on with {} though it has lost {}", task.short(), id.short()));
        }
    }
    Ok(())
}

/// Whoever holds two checkpoints of another TRE that cannot both be true names that TRE.
pub fn every_fork_is_noticed_by_whoever_holds_both(truth: &Truth, host: &Host, seen: &Cursor) -> Outcome {
    let Some(node) = &host.node else { return Ok(()) };
    let new = fresh(host, seen).filter_map(|(_, entry)| statement(truth, entry)).map(|(id, _)| id);
    // A twin is asked about again and again: a restart must not forget it.
    let twins = truth.twins.iter().copied().filter(|id| host.ledger.learned.contains_key(id));
    for id in new.chain(twins) {
        let Some(said) = checkpoint(truth, &id).filter(|said| said.tre != host.name) else { continue };
        let contradicts = |other: &StatementId| {
            checkpoint(truth, other).is_some_and(|other| {
                (&other.tre, other.epoch) == (&said.tre, said.epoch)
                    && ((other.size == said.size && other.root != said.root) || other.previous == said.previous)
            })
        };
        let other = host.ledger.learned.keys().find(|other| **other != id && contradicts(other));
        if let Some(other) = other
            && !node.forks().any(|(tre, _)| tre == said.tre)
        {
            return Err(format!("{} and {} of {} cannot both be true", other.short(), id.short(), said.tre));
        }
    }
    Ok(())
}
