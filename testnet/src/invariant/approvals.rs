//! What must always be so about what lets outputs out: attestations, standing approvals, and the bytes themselves.

use super::{Cursor, Outcome, SKEW, has_role, is_fresh, is_key_revoked, is_revoked, own_releases};
use crate::sim::host::Host;
use crate::sim::truth::{Truth, What};
use protocol::delivery::Delivery;
use protocol::record::attestation::Attestation;
use protocol::record::grant::Role;
use protocol::record::payload::DAY;
use protocol::record::release::Release;
use protocol::tre::digest_of;
use protocol::wire::id::{Digest, StatementId};
use std::collections::{BTreeMap, BTreeSet};

/// The attestations on a run that count, counted by hand: by a person who answers for this TRE's data, who did not ask, whose key is
/// good, in time, over this very run and commitment, and not taken back. Whether an approval names the policy that counts is another
/// question: a no is a no under any.
fn counted<'a>(
    truth: &'a Truth,
    host: &Host,
    release: &Release,
    place: usize,
    now: u64,
) -> Vec<(StatementId, &'a str, &'a Attestation)> {
    let Some((submission, _)) = truth.submission(&release.task) else { return Vec::new() };
    let owners = truth.owners.get(&host.name).cloned().unwrap_or_default();
    let valid: Vec<_> = host
        .ledger
        .learned
        .iter()
        .filter(|(_, learned)| **learned < place)
        .filter_map(|(id, _)| {
            let said = truth.statements.get(id)?;
            let What::Attestation(attestation) = &said.what else { return None };
            let counts = attestation.task == release.task
                && attestation.tre == release.tre
                && attestation.run == release.run
                && attestation.commitment == release.commitment
                && said.issued <= now + SKEW
                && now < said.expires
                && said.by != submission.by
                && owners.contains(&said.by)
                && has_role(truth, &host.ledger, &said.by, Role::DataOwner, &host.name, place, now)
                && !is_key_revoked(truth, &host.ledger, &said.by, place, now);
            counts.then_some((*id, said.by.as_str(), attestation.as_ref()))
        })
        .collect();
    valid
        .iter()
        .filter(|(id, by, _)| !valid.iter().any(|(_, other, later)| other == by && later.supersedes == Some(*id)))
        .copied()
        .collect()
}

/// The version of the project that counts.
pub(super) struct Policy {
    /// Its number.
    version: u64,
    /// How many persons must approve.
    approvals: u64,
    /// SHA-256 of its payload.
    digest: Digest,
}

/// The version of the project that counts. The first that the journal knew has a data owner's
/// signature; each later one has as many distinct owners' as the one before asks for.
pub(super) fn policy(truth: &Truth, host: &Host, place: usize, now: u64) -> Option<Policy> {
    let owners = truth.owners.get(&host.name).cloned().unwrap_or_default();
    let mut signed: BTreeMap<(u64, u64, Digest), BTreeSet<&str>> = BTreeMap::new();
    for id in host.ledger.learned.iter().filter(|(_, learned)| **learned < place).map(|(id, _)| id) {
        let Some(said) = truth.statements.get(id) else { continue };
        let What::Project { version, approvals, digest } = said.what else { continue };
        let counts = owners.contains(&said.by)
            && said.issued <= now
            && now < said.expires
            && has_role(truth, &host.ledger, &said.by, Role::DataOwner, &host.name, place, now)
            && !is_key_revoked(truth, &host.ledger, &said.by, place, now);
        if counts {
            signed.entry((version, approvals, digest)).or_default().insert(said.by.as_str());
        }
    }
    let mut counting: Option<Policy> = None;
    for ((version, approvals, digest), persons) in signed {
        if persons.len() as u64 >= counting.as_ref().map_or(1, |before| before.approvals) {
            counting = Some(Policy { version, approvals, digest });
        }
    }
    counting
}

/// The data owners whose standing approval, one and the same, a release names: in force, under the policy that counts, for this component and
/// these checks, all of which pass.
fn standing_by<'a>(
    truth: &'a Truth,
    host: &Host,
    release: &Release,
    policy: Digest,
    place: usize,
    now: u64,
) -> Result<BTreeSet<&'a str>, String> {
    let task = release.task.short();
    let Some((submission, asked)) = truth.submission(&release.task) else {
        return Err(format!("nobody submitted {task}"));
    };
    if host.ledger.checks.get(&release.task) != Some(&(release.checks.clone(), true)) {
        return Err(format!("{task} left without a person although not every rule passes"));
    }
    let owners = truth.owners.get(&host.name).cloned().unwrap_or_default();
    let (mut persons, mut payloads) = (BTreeSet::new(), BTreeSet::new());
    for id in &release.standing {
        let Some(said) = truth.statements.get(id) else { return Err(format!("{} was never signed", id.short())) };
        let What::StandingApproval(approval) = &said.what else {
            return Err(format!("{} is no standing approval", id.short()));
        };
        let covers = approval.tre == host.name
            && approval.policy == policy
            && approval.component == asked.component
            && approval.rules == release.checks.rules
            && approval.checker == release.checks.checker;
        let counts = host.ledger.knew(id, place)
            && said.issued <= now + SKEW
            && now < said.expires
            && said.by != submission.by
            && owners.contains(&said.by)
            && has_role(truth, &host.ledger, &said.by, Role::DataOwner, &host.name, place, now)
            && !is_key_revoked(truth, &host.ledger, &said.by, place, now)
            && !is_revoked(&host.ledger, id, &said.by, place, now);
        if !covers || !counts {
            return Err(format!("{task} left by {} of {}, which does not cover it", id.short(), said.by));
        }
        persons.insert(said.by.as_str());
        payloads.insert(digest_of(approval.as_ref()));
    }
    if payloads.len() == 1 { Ok(persons) } else { Err(format!("{task} left by two different standing approvals")) }
}

/// Each output that left was approved by as many distinct owners as the project asks for, and no owner said no; or a standing approval of as
/// many covers it, and no owner said anything. Trust was fresh.
pub fn nothing_is_released_without_the_owners_attestations(truth: &Truth, host: &Host, seen: &Cursor) -> Outcome {
    for (place, now, release) in own_releases(truth, host, seen) {
        let Some(Policy { version, approvals: needed, digest }) = policy(truth, host, place, now) else {
            return Err(format!("{} left under no project", release.task.short()));
        };
        let asked_by = truth.submission(&release.task).map(|(said, _)| said.by.as_str()).unwrap_or_default();
        if !has_role(truth, &host.ledger, asked_by, Role::Researcher, &host.name, place, now) {
            return Err(format!("{} left to {asked_by}, who is no researcher", release.task.short()));
        }
        let under_policy = |attestation: &Attestation| {
            let project = truth.statements.get(&attestation.project).map(|said| &said.what);
            matches!(project, Some(What::Project { version: named, .. }) if *named == version)
        };
        let said = counted(truth, host, release, place, now);
        if !release.standing.is_empty() {
            if let Some((_, person, _)) = said.iter().find(|(_, _, attestation)| !attestation.decisions.is_empty()) {
                return Err(format!("{} left without the {person} who decides on it", release.task.short()));
            }
            let persons = standing_by(truth, host, release, digest, place, now)?;
            if (persons.len() as u64) < needed {
                return Err(format!(
                    "{} left by a standing approval of {} of {needed} persons",
                    release.task.short(),
                    persons.len()
                ));
            }
        }
        for output in release.outputs.iter().filter(|_| release.standing.is_empty()) {
            let mut persons = BTreeSet::new();
            for (_, person, attestation) in &said {
                match attestation.decisions.get(output) {
                    Some(decision)
                        if decision.approve && under_policy(attestation) && attestation.report == release.checks =>
                    {
                        persons.insert(*person);
                    }
                    Some(decision) if decision.approve => {}
                    Some(_) => {
                        return Err(format!("{output} of {} left against the word of {person}", release.task.short()));
                    }
                    None => {}
                }
            }
            if (persons.len() as u64) < needed {
                return Err(format!(
                    "{output} of {} left with {} of {needed} approvals",
                    release.task.short(),
                    persons.len()
                ));
            }
        }
        if !is_fresh(truth, &host.ledger, place, now) {
            return Err(format!("{} was released while trust was stale", release.task.short()));
        }
    }
    Ok(())
}

/// The ciphertext is the one that the release names, and opens to the bytes that ran, were held and were attested: no more, no less.
pub fn what_is_released_is_exactly_what_was_attested(truth: &Truth, host: &Host, seen: &Cursor) -> Outcome {
    for (place, _, release) in own_releases(truth, host, seen) {
        let task = release.task.short();
        if host.ledger.held_run(&release.task, place) != Some(release.run) {
            return Err(format!("{task} was released from another run than the one that is held"));
        }
        let kept = host.blobs.get(&release.ciphertext).ok_or_else(|| format!("the ciphertext of {task} is nowhere"))?;
        if Digest::of(kept) != release.ciphertext {
            return Err(format!("the ciphertext of {task} is another"));
        }
        let (nonce, body) = kept.split_at(32.min(kept.len()));
        let plain: Vec<u8> = body.iter().zip(nonce.iter().cycle()).map(|(a, b)| a ^ b).collect();
        let delivery = Delivery::from_bytes(&plain).map_err(|error| format!("{task}: {error}"))?;
        delivery.check(release).map_err(|error| format!("{task}: {error}"))?;
        let made = truth.produced.get(&(release.task, host.name.clone(), release.commitment));
        let made = made.ok_or_else(|| format!("no run of {task} made what was released"))?;
        for output in &delivery.outputs {
            if made.get(&output.name) != Some(&output.bytes) {
                return Err(format!("{} of {task} is not what the run made", output.name));
            }
        }
    }
    Ok(())
}

/// What leaves was approved as the checks see it now, by enough persons who have not taken it back.
pub fn nothing_leaves_on_a_withdrawn_or_stale_approval(truth: &Truth, host: &Host, seen: &Cursor) -> Outcome {
    for (place, now, release) in own_releases(truth, host, seen) {
        let task = release.task.short();
        let found = host.findings.get(&release.task).map(|(checks, _)| checks);
        if found != Some(&release.checks) {
            return Err(format!("{task} left although the checks say something else of it by now"));
        }
        let needed = policy(truth, host, place, now).map_or(0, |policy| policy.approvals);
        // Superseded ones are not among them: to take back is to supersede with no decision.
        let stand = counted(truth, host, release, place, now);
        for output in release.outputs.iter().filter(|_| release.standing.is_empty()) {
            let current = |said: &Attestation| {
                said.report == release.checks && said.decisions.get(output).is_some_and(|decision| decision.approve)
            };
            let named = stand.iter().filter(|(id, _, said)| release.attestations.contains(id) && current(said));
            let persons: BTreeSet<&str> = named.map(|(_, person, _)| *person).collect();
            if (persons.len() as u64) < needed {
                return Err(format!("{output} of {task} left on {} approvals that stand", persons.len()));
            }
        }
    }
    Ok(())
}

/// On no day has a standing approval released more tasks than it says.
pub fn a_standing_approval_releases_at_most_its_cap(truth: &Truth, host: &Host, seen: &Cursor) -> Outcome {
    if own_releases(truth, host, seen).all(|(_, _, release)| release.standing.is_empty()) {
        return Ok(());
    }
    let mut released: BTreeMap<(Digest, u64), u64> = BTreeMap::new();
    for (_, now, release) in own_releases(truth, host, &Cursor::default()) {
        let named = release.standing.first().and_then(|id| truth.statements.get(id)).map(|said| &said.what);
        if let Some(What::StandingApproval(approval)) = named {
            let count = released.entry((digest_of(approval.as_ref()), now / DAY)).or_default();
            *count += 1;
            if *count > approval.per_day {
                return Err(format!("a standing approval for {} a day has released {count}", approval.per_day));
            }
        }
    }
    Ok(())
}
