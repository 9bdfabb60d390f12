//! What must always be so, each as a function named as its sentence, asked after every simulated event.
//!
//! None of them asks the core for its opinion: they count for themselves, from what the simulator made ([`Truth`]) and from what each
//! node has made durable ([`crate::sim::ledger::Ledger`]).
//!
//! | room | invariants about |
//! |---|---|
//! | [`approvals`] | what lets outputs out |
//! | [`logs`] | logs, checkpoints, backups and forks |
//! | [`chains`] | what people hand in: what is kept back of it, and two stories |
//! | here | everything else |

pub mod approvals;
pub mod chains;
pub mod logs;

pub use approvals::{
    a_standing_approval_releases_at_most_its_cap, nothing_is_released_without_the_owners_attestations,
    nothing_leaves_on_a_withdrawn_or_stale_approval, what_is_released_is_exactly_what_was_attested,
};
pub use chains::{
    a_task_runs_once_and_leaves_once, two_stories_of_a_key_are_known_and_start_nothing, what_a_chain_lacks_is_known,
};
pub use logs::{
    a_release_stands_in_the_log_before_it_leaves, a_restored_node_neither_runs_nor_releases,
    every_fork_is_noticed_by_whoever_holds_both, logs_only_grow,
};

use crate::sim::host::{Deed, Host};
use crate::sim::ledger::{Entry, Ledger};
use crate::sim::truth::{Said, Truth, What};
use crate::sim::world::World;
use protocol::lifecycle::Phase;
use protocol::node::Record;
use protocol::record::comment::Readers;
use protocol::record::grant::Role;
use protocol::record::release::Release;
use protocol::record::submission::TaskId;
use protocol::wire::id::StatementId;
use std::collections::{BTreeMap, BTreeSet};

/// How far a host's journal and deeds were looked at: both only grow, and what was right stays right.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cursor {
    /// Records.
    pub records: usize,
    /// Effects.
    pub performed: usize,
    /// Records about tasks that moved on although they were finished.
    pub revived: usize,
}

impl Cursor {
    /// Everything that is there now was looked at.
    #[must_use]
    pub fn at_end_of(host: &Host) -> Self {
        Self { records: host.ledger.entries.len(), performed: host.performed.len(), revived: host.ledger.revived.len() }
    }
}

/// What an invariant says: nothing, or what was seen.
pub type Outcome = Result<(), String>;

/// By how much clocks may differ, in seconds: the root of the fixture says so.
const SKEW: u64 = 120;

/// Every invariant that can be asked at any time, by its name.
pub fn all(truth: &Truth, hosts: &[Host], seen: &[Cursor]) -> [(&'static str, Outcome); 21] {
    let each = |ask: fn(&Truth, &Host, &Cursor) -> Outcome| {
        hosts
            .iter()
            .zip(seen)
            .try_for_each(|(host, seen)| ask(truth, host, seen).map_err(|detail| format!("{}: {detail}", host.name)))
    };
    [
        (
            "nothing_is_released_without_the_owners_attestations",
            each(nothing_is_released_without_the_owners_attestations),
        ),
        ("what_is_released_is_exactly_what_was_attested", each(what_is_released_is_exactly_what_was_attested)),
        ("nothing_runs_that_a_safe_refused", each(nothing_runs_that_a_safe_refused)),
        ("one_manifest_per_task_and_tre", one_manifest_per_task_and_tre(truth, hosts, seen)),
        ("no_effect_precedes_its_record", each(no_effect_precedes_its_record)),
        ("an_acknowledged_submission_is_never_lost", an_acknowledged_submission_is_never_lost(truth, hosts)),
        ("a_restarted_node_resumes_where_its_journal_ends", each(a_restarted_node_resumes_where_its_journal_ends)),
        (
            "forged_replayed_or_expired_statements_change_nothing",
            each(forged_replayed_or_expired_statements_change_nothing),
        ),
        ("terminal_phases_are_terminal", each(terminal_phases_are_terminal)),
        ("a_revoked_key_has_no_later_effect", each(a_revoked_key_has_no_later_effect)),
        ("no_held_output_appears_in_a_log_or_on_the_wire", no_held_output_appears_in_a_log_or_on_the_wire(truth)),
        ("a_release_stands_in_the_log_before_it_leaves", each(a_release_stands_in_the_log_before_it_leaves)),
        ("logs_only_grow", each(logs_only_grow)),
        ("a_restored_node_neither_runs_nor_releases", each(a_restored_node_neither_runs_nor_releases)),
        ("nothing_leaves_on_a_withdrawn_or_stale_approval", each(nothing_leaves_on_a_withdrawn_or_stale_approval)),
        ("a_standing_approval_releases_at_most_its_cap", each(a_standing_approval_releases_at_most_its_cap)),
        ("every_fork_is_noticed_by_whoever_holds_both", each(every_fork_is_noticed_by_whoever_holds_both)),
        ("private_comments_never_leave", each(private_comments_never_leave)),
        ("what_a_chain_lacks_is_known", each(what_a_chain_lacks_is_known)),
        ("two_stories_of_a_key_are_known_and_start_nothing", each(two_stories_of_a_key_are_known_and_start_nothing)),
        ("a_task_runs_once_and_leaves_once", each(a_task_runs_once_and_leaves_once)),
    ]
}

fn fresh<'a>(host: &'a Host, seen: &Cursor) -> impl Iterator<Item = (usize, &'a Entry)> {
    host.ledger.entries.iter().enumerate().skip(seen.records)
}

/// A statement that the record at this place holds.
fn statement<'a>(truth: &'a Truth, entry: &Entry) -> Option<(StatementId, &'a Said)> {
    let Record::Statement { bytes, .. } = &entry.record else { return None };
    let id = StatementId::of(bytes);
    truth.statements.get(&id).map(|said| (id, said))
}

/// The releases that this host's own TRE has recorded since it was last looked at.
fn own_releases<'a>(
    truth: &'a Truth,
    host: &'a Host,
    seen: &Cursor,
) -> impl Iterator<Item = (usize, u64, &'a Release)> {
    fresh(host, seen).filter_map(|(place, entry)| match statement(truth, entry) {
        Some((_, Said { what: What::Release(release), .. })) if release.tre == host.name => {
            Some((place, entry.now, release.as_ref()))
        }
        _ => None,
    })
}

/// Whether something that `by` signed as `target` was revoked, as far as this journal knew before `place`, at the time `now`.
fn is_revoked(ledger: &Ledger, target: &StatementId, by: &str, place: usize, now: u64) -> bool {
    ledger.revocations.iter().any(|revoked| {
        revoked.place < place
            && revoked.target == *target
            && (revoked.by == by || revoked.by.starts_with("root-"))
            && revoked.issued <= now
    })
}

/// Whether a person's key was revoked, as far as this journal knew before `place`, at the time `now`.
fn is_key_revoked(truth: &Truth, ledger: &Ledger, person: &str, place: usize, now: u64) -> bool {
    ledger.revocations.iter().any(|revoked| {
        truth.keys.get(&revoked.target).is_some_and(|holder| holder == person)
            && is_revoked(ledger, &revoked.target, person, place, now)
    })
}

/// Whether a person had a grant from somebody who may give it.
fn has_role(truth: &Truth, ledger: &Ledger, person: &str, wanted: Role, tre: &str, place: usize, now: u64) -> bool {
    ledger.learned.iter().filter(|(_, learned)| **learned < place).any(|(id, _)| {
        truth.statements.get(id).is_some_and(|said| {
            let What::Grant { person: granted, role, tre: at } = &said.what else { return false };
            let entitled = match role {
                Role::DataOwner | Role::Operator => said.by.starts_with("root-"),
                Role::OutputChecker => false,
                Role::Researcher => said.by == truth.admin,
            };
            granted == person
                && *role == wanted
                && at.as_deref().is_none_or(|at| at == tre)
                && entitled
                && said.issued <= now
                && now < said.expires
                && !is_revoked(ledger, id, &said.by, place, now)
                && !is_key_revoked(truth, ledger, &said.by, place, now)
        })
    })
}

/// Whether the newest status that the journal knew is in force and names nothing unknown.
fn is_fresh(truth: &Truth, ledger: &Ledger, place: usize, now: u64) -> bool {
    let statuses = ledger.learned.iter().filter(|(_, learned)| **learned < place).filter_map(|(id, _)| {
        let said = truth.statements.get(id)?;
        match &said.what {
            What::Status { epoch, revocations } if said.by.starts_with("root-") => {
                Some((*epoch, said.expires, revocations))
            }
            _ => None,
        }
    });
    statuses
        .max_by_key(|(epoch, _, _)| *epoch)
        .is_some_and(|(_, expires, revocations)| now < expires && revocations.iter().all(|id| ledger.knew(id, place)))
}

/// What starts was asked for by a researcher of the project with a good key, for this TRE, in time, for data and a component that the
/// project has, while trust was fresh; and no Safe had said no.
pub fn nothing_runs_that_a_safe_refused(truth: &Truth, host: &Host, seen: &Cursor) -> Outcome {
    for performed in host.performed.iter().skip(seen.performed) {
        if let Deed::Ran(task) = performed.deed {
            let refused =
                |entry: &Entry| matches!(entry.record, Record::Refused { task: refused, .. } if refused == task);
            if host.ledger.entries.iter().any(refused) {
                return Err(format!("{} runs although it was refused", task.short()));
            }
        }
    }
    for (place, entry) in fresh(host, seen) {
        let Record::Started { task } = entry.record else { continue };
        let (now, name) = (entry.now, task.short());
        let (said, submission) = truth.submission(&task).ok_or_else(|| format!("nobody submitted {name}"))?;
        let ledger = &host.ledger;
        let no = if !ledger.knew(&task, place) {
            Some("it was not known")
        } else if !submission.audience.contains(&host.name) {
            Some("it was not for this TRE")
        } else if now >= said.expires {
            Some("it had expired")
        } else if is_key_revoked(truth, ledger, &said.by, place, now) {
            Some("its key was revoked")
        } else if !has_role(truth, ledger, &said.by, Role::Researcher, &host.name, place, now) {
            Some("its submitter is no researcher here")
        } else if !World::is_allowed(submission) || truth.recipients.get(&said.by) != Some(&submission.reply_to) {
            Some("its component, data, size or recipient are not the project's")
        } else if !is_fresh(truth, ledger, place, now) {
            Some("trust was stale")
        } else if approvals::policy(truth, host, place, now).is_none() {
            Some("no data owner has a signature under the project")
        } else {
            None
        };
        if let Some(no) = no {
            return Err(format!("{name} started although {no}"));
        }
    }
    Ok(())
}

/// A TRE holds one set of outputs for a task, ever, and nobody knows of another run or release, unless a backup has lost the first.
pub fn one_manifest_per_task_and_tre(truth: &Truth, hosts: &[Host], seen: &[Cursor]) -> Outcome {
    let may_break = |entry: &Entry| match &entry.record {
        Record::Held { .. } => true,
        _ => matches!(statement(truth, entry), Some((_, Said { what: What::Run { .. } | What::Release(_), .. }))),
    };
    if !hosts.iter().zip(seen).any(|(host, seen)| fresh(host, seen).any(|(_, entry)| may_break(entry))) {
        return Ok(());
    }
    let mut runs: BTreeMap<(TaskId, &str), StatementId> = BTreeMap::new();
    let mut releases: BTreeMap<(TaskId, &str), StatementId> = BTreeMap::new();
    for host in hosts {
        let mut held = BTreeSet::new();
        for entry in &host.ledger.entries {
            if let Record::Held { task, .. } = &entry.record
                && !held.insert(*task)
            {
                return Err(format!("{} holds outputs of {} twice", host.name, task.short()));
            }
        }
        for id in host.ledger.learned.keys() {
            let Some(said) = truth.statements.get(id) else { continue };
            let (of, key) = match &said.what {
                What::Run { task, tre, .. } => (&mut runs, (*task, tre.as_str())),
                What::Release(release) => (&mut releases, (release.task, release.tre.as_str())),
                _ => continue,
            };
            // Who has lost a run with its disk, and did not hear of it, may make another.
            let forgotten = truth.forgotten.contains(&(key.0, key.1.to_owned()));
            if of.insert(key, *id).is_some_and(|other| other != *id) && !forgotten {
                return Err(format!("two different manifests of {} at {} are known", key.0.short(), key.1));
            }
        }
    }
    Ok(())
}

/// Whatever was done, the record of it was durable before.
pub fn no_effect_precedes_its_record(_: &Truth, host: &Host, seen: &Cursor) -> Outcome {
    for performed in host.performed.iter().skip(seen.performed) {
        let before = &host.ledger.entries[..performed.records];
        let (durable, what) = match &performed.deed {
            Deed::Spoke(id) => (host.ledger.knew(id, performed.records), format!("spoke {}", id.short())),
            Deed::Ran(task) => {
                let started =
                    |entry: &Entry| matches!(entry.record, Record::Started { task: started } if started == *task);
                (before.iter().any(started), format!("ran {}", task.short()))
            }
            Deed::Opened(task) => {
                (host.ledger.held_run(task, performed.records).is_some(), format!("opened {}", task.short()))
            }
            Deed::Checkpointed(size) => (
                performed.leaves as u64 == *size,
                format!("signed a checkpoint of {size} leaves, with {}", performed.leaves),
            ),
            Deed::Cosigned(id) => (host.ledger.knew(id, performed.records), format!("cosigned {}", id.short())),
            Deed::Reported(task, phase) => {
                let recorded = before.iter().any(|entry| records_phase(entry, host, task, *phase));
                (recorded, format!("reported {} as {phase}", task.short()))
            }
        };
        if !durable {
            return Err(format!("{what} before its record was durable"));
        }
    }
    Ok(())
}

fn records_phase(entry: &Entry, host: &Host, of: &TaskId, phase: Phase) -> bool {
    match (&entry.record, phase) {
        (Record::Statement { bytes, .. }, Phase::Received) => StatementId::of(bytes) == *of,
        // The release is recorded as the statement itself.
        (Record::Statement { .. }, Phase::Released) => host.ledger.phases.get(of) == Some(&Phase::Released),
        (Record::Admitted { task, .. }, Phase::Admitted)
        | (Record::Refused { task, .. }, Phase::Refused)
        | (Record::Started { task }, Phase::Running)
        | (Record::Failed { task, .. }, Phase::Failed)
        | (Record::Held { task, .. }, Phase::Held)
        | (Record::Withheld { task }, Phase::Withheld)
        | (Record::Cancelled { task }, Phase::Cancelled) => task == of,
        _ => false,
    }
}

/// Who was told "it is durable" was told the truth.
pub fn an_acknowledged_submission_is_never_lost(truth: &Truth, hosts: &[Host]) -> Outcome {
    for (host, task) in &truth.acknowledged {
        let host = &hosts[*host];
        let in_memory = host.node.as_ref().is_none_or(|node| node.tasks().contains_key(task));
        if !host.ledger.learned.contains_key(task) || !in_memory {
            return Err(format!("{} has lost {}", host.name, task.short()));
        }
    }
    Ok(())
}

/// In memory is what the journal says: always, and above all after a restart.
pub fn a_restarted_node_resumes_where_its_journal_ends(_: &Truth, host: &Host, _: &Cursor) -> Outcome {
    let Some(node) = &host.node else { return Ok(()) };
    for (task, phase) in &host.ledger.phases {
        let here = node.tasks().get(task).and_then(protocol::node::Task::here).map(protocol::node::Local::phase);
        if here != Some(*phase) {
            return Err(format!("{} is {phase} in the journal and {here:?} in memory", task.short()));
        }
    }
    if node.known().len() != host.ledger.learned.len() {
        return Err("the journal holds other statements than memory".to_owned());
    }
    if host.tre.is_some() && node.log().len() != host.ledger.leaves.len() as u64 {
        let made = host.ledger.leaves.len();
        return Err(format!("the log has {} leaves, and the journal makes {made}", node.log().len()));
    }
    Ok(())
}

/// Every statement that was taken was really made, in time; and a nonce starts one task only.
pub fn forged_replayed_or_expired_statements_change_nothing(truth: &Truth, host: &Host, seen: &Cursor) -> Outcome {
    for (place, entry) in fresh(host, seen) {
        match &entry.record {
            Record::Statement { bytes, .. } => {
                let id = StatementId::of(bytes);
                let Some(said) = truth.statements.get(&id) else {
                    return Err(format!("took the forgery {}", id.short()));
                };
                if entry.now >= said.expires.saturating_add(SKEW) || said.issued > entry.now + SKEW {
                    return Err(format!("took {} {} out of its time", said.kind, id.short()));
                }
                if host.ledger.learned.get(&id) != Some(&place) {
                    return Err(format!("took {} {} twice", said.kind, id.short()));
                }
            }
            Record::Started { task } => {
                let Some((said, _)) = truth.submission(task) else { continue };
                let earlier = host.ledger.entries[..place].iter().any(|other| match other.record {
                    Record::Started { task: other } if other != *task => truth
                        .submission(&other)
                        .is_some_and(|(other, _)| other.by == said.by && other.nonce == said.nonce),
                    _ => false,
                });
                if earlier {
                    return Err(format!("{} is a replay and runs", task.short()));
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// What is finished stays finished.
pub fn terminal_phases_are_terminal(_: &Truth, host: &Host, seen: &Cursor) -> Outcome {
    match host.ledger.revived.get(seen.revived) {
        Some((place, task)) => Err(format!("{} moved on at record {place} although it was finished", task.short())),
        None => Ok(()),
    }
}

/// Once a node knows that a key was revoked, it takes nothing that the key signs later, runs nothing for it and releases nothing by it or
/// to it.
pub fn a_revoked_key_has_no_later_effect(truth: &Truth, host: &Host, seen: &Cursor) -> Outcome {
    let ledger = &host.ledger;
    for (place, entry) in fresh(host, seen) {
        if let Some((id, said)) = statement(truth, entry) {
            if is_key_revoked(truth, ledger, &said.by, place, said.issued) {
                return Err(format!("took {} {} of the revoked key of {}", said.kind, id.short(), said.by));
            }
            if let What::Release(release) = &said.what
                && release.tre == host.name
            {
                let signers = release.attestations.iter().chain(&release.standing).chain([&release.task]);
                let signers = signers.filter_map(|id| truth.statements.get(id));
                for signer in signers {
                    if is_key_revoked(truth, ledger, &signer.by, place, entry.now) {
                        return Err(format!(
                            "released {} by or to the revoked key of {}",
                            release.task.short(),
                            signer.by
                        ));
                    }
                }
            }
        }
    }
    let Some(_) = &host.node else { return Ok(()) };
    let end = ledger.entries.len();
    for (task, phase) in &ledger.phases {
        if *phase == Phase::Running
            && let Some((said, _)) = truth.submission(task)
            && is_key_revoked(truth, ledger, &said.by, end, host.last_now)
        {
            return Err(format!("{} still runs for the revoked key of {}", task.short(), said.by));
        }
    }
    Ok(())
}

/// Nothing that left a machine, and nothing that was written down about it, holds what is in custody.
pub fn no_held_output_appears_in_a_log_or_on_the_wire(truth: &Truth) -> Outcome {
    truth.leaks.first().map_or(Ok(()), |leak| Err(leak.clone()))
}

/// What reviewers say among themselves is known where it is meant for, and never on the wire.
pub fn private_comments_never_leave(truth: &Truth, host: &Host, seen: &Cursor) -> Outcome {
    for (_, entry) in fresh(host, seen) {
        if let Some((id, said)) = statement(truth, entry)
            && let What::Comment { tre, to: Readers::Reviewers, .. } = &said.what
            && *tre != host.name
        {
            return Err(format!("took {}, which is for the reviewers at {tre}", id.short()));
        }
    }
    truth.told.first().map_or(Ok(()), |told| Err(told.clone()))
}

/// Once everything is mended, every TRE that an acknowledged task is for knows it, and every hub does.
pub fn after_a_partition_heals_every_allowed_tre_knows_every_task(truth: &Truth, hosts: &[Host], by: u64) -> Outcome {
    for (_, task) in &truth.acknowledged {
        let Some((said, submission)) = truth.submission(task) else { continue };
        for host in hosts {
            let asked = submission.audience.contains(&host.name) || host.tre.is_none();
            let revoked = is_key_revoked(truth, &host.ledger, &said.by, host.ledger.entries.len(), said.issued);
            let knows = host.node.as_ref().is_some_and(|node| node.tasks().contains_key(task));
            // Who learns of it after its time, or after its key was revoked, is right to look away.
            if asked && !knows && !revoked && by < said.expires {
                return Err(format!("{} does not know {}", host.name, task.short()));
            }
        }
    }
    Ok(())
}

/// Once everything is mended and everybody has spoken, every task has come to its end everywhere.
pub fn every_task_comes_to_an_end(hosts: &[Host]) -> Outcome {
    for host in hosts {
        if let Some((task, phase)) = host.ledger.phases.iter().find(|(_, phase)| !phase.is_terminal()) {
            return Err(format!("{} is still {phase} at {}", task.short(), host.name));
        }
    }
    Ok(())
}
