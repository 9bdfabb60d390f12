//! The reviewer's queue, as the core knows it: what waits, what is missing, who disagrees, what was asked back, what left before.

use super::{Earlier, Waiting};
use crate::review::{is_reviewer, open_questions};
use protocol::ingress::Verified;
use protocol::lifecycle::Phase;
use protocol::node::{Node, Task};
use protocol::record::attestation::Attestation;
use protocol::record::comment::Comment;
use protocol::record::key_record::HolderKind;
use protocol::record::submission::TaskId;
use protocol::safes::Tre;
use protocol::tre::{Blocked, Case, Outcome, Release, decide};
use protocol::trust::authority::Chosen;
use std::collections::{BTreeMap, BTreeSet};

/// The most earlier releases that stand beside a review.
const EARLIER: usize = 50;

/// What waits for a person here: held outputs, and failures whose note only the TRE can read; with what was decided before.
pub(crate) fn waiting(core: &Node, now: u64) -> Vec<Waiting> {
    let shown = |known: &&Task| known.here().is_some_and(|here| is_shown(here.phase()));
    core.tasks().values().filter(shown).filter_map(|known| about(core, known, now)).collect()
}

/// Whether a task in this phase is a reviewer's business.
pub(crate) fn is_shown(phase: Phase) -> bool {
    !matches!(phase, Phase::Received | Phase::Admitted | Phase::Refused)
}

/// Where one task stands; none when this TRE was not asked.
pub(crate) fn about(core: &Node, known: &Task, now: u64) -> Option<Waiting> {
    let (tre, here) = (core.tre()?, known.here()?);
    let (task, submission) = (known.id(), known.submission());
    let said = submission.payload();
    let verdict = core.verdict(&task, now);
    let missing = match &verdict {
        Some(Ok(Outcome::Open { missing })) => Some(missing.clone()),
        Some(Ok(Outcome::Release(_) | Outcome::Withhold)) => Some(BTreeMap::new()),
        Some(Err(_)) | None => None,
    };
    let chosen = core.roster().project_at(&said.project, &tre.name, now);
    let votes = votes(core, known, tre, chosen.as_ref(), now);
    let disagree = |of: &&BTreeMap<String, bool>| of.values().any(|yes| *yes) && of.values().any(|yes| !yes);
    let standing: Vec<_> = standing(known, &tre.name).collect();
    let with_decisions = standing.iter().filter(|one| !one.payload().decisions.is_empty());
    let stale = standing.iter().filter(|one| {
        let said = one.payload();
        let current =
            here.checks() == Some(&said.report) && chosen.as_ref().map(|chosen| chosen.statement) == Some(said.project);
        here.phase() == Phase::Held && !current && said.decisions.values().any(|decision| decision.approve)
    });
    let names = |of: &mut dyn Iterator<Item = &&Verified<Attestation>>| -> Vec<String> {
        of.map(|one| one.signer().name.clone()).collect::<BTreeSet<_>>().into_iter().collect()
    };
    Some(Waiting {
        task,
        title: said.title.clone(),
        project: said.project.clone(),
        submitter: submission.signer().name.clone(),
        phase: here.phase(),
        received: here.received(),
        missing,
        blocked: blocked(core, here.phase(), verdict.as_ref(), now),
        attested_by: names(&mut with_decisions.clone()),
        approvals: chosen.as_ref().map(|chosen| chosen.project.egress.approvals),
        decided: votes.iter().map(|(output, of)| (output.clone(), of.keys().cloned().collect())).collect(),
        conflict: votes.iter().filter(|(_, of)| disagree(of)).map(|(output, _)| output.clone()).collect(),
        stale: names(&mut stale.clone()),
        returned: returned(core, known, tre),
        comments: comments(core, known, tre).count() as u64,
        checks: here.checks().cloned(),
    })
}

/// Why nothing leaves, or nothing starts, though nobody has said no; none when it only waits for persons.
fn blocked(core: &Node, phase: Phase, verdict: Option<&Result<Outcome, Blocked>>, now: u64) -> Option<String> {
    if phase.is_terminal() {
        return None;
    }
    match verdict {
        Some(Err(blocked)) => Some(blocked.to_string()),
        Some(Ok(Outcome::Release(release))) => core.why_waiting(now).map(ToOwned::to_owned).or_else(|| {
            is_unwitnessed(core, release, now).then(|| {
                "waits until another node has cosigned the log; check `quintes node health` for connected members"
                    .to_owned()
            })
        }),
        Some(Ok(Outcome::Open { .. } | Outcome::Withhold)) | None => core.why_waiting(now).map(ToOwned::to_owned),
    }
}

/// Whether a decided release waits for a cosignature under the checkpoint that covers it.
fn is_unwitnessed(core: &Node, release: &Release, now: u64) -> bool {
    let Some(tre) = core.tre() else { return false };
    let holders = core.roster().holders(now);
    let others: BTreeSet<&str> = holders
        .iter()
        .filter(|holder| holder.kind != HolderKind::Person && holder.name != tre.name)
        .map(|holder| holder.name.as_str())
        .collect();
    let asked = tre.cosignatures.min(others.len() as u64);
    let covered = core.checkpoint().filter(|head| {
        let size = head.payload().size;
        release.grounds().all(|id| core.log().holds(&id, size))
    });
    let by = covered.map_or(0, |head| core.cosigners(&head.id()).into_iter().filter(|by| others.contains(by)).count());
    (by as u64) < asked
}

/// Who has decided what on each output, as far as it counts now. Each person is put before the quorum alone, so that the one place that
/// knows who counts (`protocol::tre::decide`) answers.
fn votes(
    core: &Node,
    known: &Task,
    tre: &Tre,
    chosen: Option<&Chosen>,
    now: u64,
) -> BTreeMap<String, BTreeMap<String, bool>> {
    let mut votes: BTreeMap<String, BTreeMap<String, bool>> = BTreeMap::new();
    let here = known.here().filter(|here| here.phase() == Phase::Held);
    let (Some(here), Some(run), Some(chosen)) = (here, known.runs().get(&tre.name), chosen) else { return votes };
    let Some(checks) = here.checks() else { return votes };
    let mut by_person: BTreeMap<&str, Vec<Verified<Attestation>>> = BTreeMap::new();
    for one in known.attestations().iter().filter(|one| one.payload().tre == tre.name) {
        by_person.entry(&one.signer().name).or_default().push(one.clone());
    }
    for (person, attestations) in by_person {
        let outcome = decide(&Case {
            submission: known.submission(),
            run,
            outputs: here.outputs(),
            attestations: &attestations,
            checks,
            standing: None,
            data_owners: Some(&tre.data_owners),
            roster: core.roster(),
            now,
        });
        let counts = |output: &String| match &outcome {
            Ok(Outcome::Open { missing }) => {
                missing.get(output).is_some_and(|still| *still < chosen.project.egress.approvals)
            }
            Ok(Outcome::Release(_) | Outcome::Withhold) => true,
            Err(_) => false,
        };
        let superseded: BTreeSet<_> = attestations.iter().filter_map(|one| one.payload().supersedes).collect();
        let standing = attestations.iter().filter(|one| !superseded.contains(&one.id()));
        for (output, decision) in standing.flat_map(|one| &one.payload().decisions) {
            if counts(output) {
                let vote = votes.entry(output.clone()).or_default().entry(person.to_owned()).or_insert(true);
                *vote &= decision.approve;
            }
        }
    }
    votes
}

/// The attestations at a TRE that no later one of the same person supersedes.
fn standing<'a>(known: &'a Task, tre: &'a str) -> impl Iterator<Item = &'a Verified<Attestation>> {
    let here = move || known.attestations().iter().filter(move |one| one.payload().tre == tre);
    here().filter(move |one| {
        !here().any(|later| {
            later.payload().supersedes == Some(one.id())
                && later.signer().name == one.signer().name
                && later.id() != one.id()
        })
    })
}

/// What reviewers of this TRE and the submitter have said. Any member can sign a comment: those of others are nobody's business here.
pub(crate) fn comments<'a>(
    core: &'a Node,
    known: &'a Task,
    tre: &'a Tre,
) -> impl Iterator<Item = &'a Verified<Comment>> {
    let submission = known.submission();
    known.comments().iter().filter(move |one| {
        let person = &one.signer().name;
        one.payload().tre == tre.name
            && (*person == submission.signer().name
                || is_reviewer(core.roster(), person, &tre.name, submission.payload(), one.claims().issued))
    })
}

/// Whether a reviewer's question about a task is open.
pub(crate) fn is_asked_back(core: &Node, known: &Task) -> bool {
    core.tre().is_some_and(|tre| !known.comments().is_empty() && !returned(core, known, tre).is_empty())
}

/// The outputs about which a reviewer's question is open; an empty name stands for the whole task.
fn returned(core: &Node, known: &Task, tre: &Tre) -> Vec<String> {
    let said: Vec<Verified<Comment>> = comments(core, known, tre).cloned().collect();
    let open = open_questions(&said, &known.submission().signer().name);
    let outputs: BTreeSet<String> = open.map(|one| one.payload().output.clone().unwrap_or_default()).collect();
    outputs.into_iter().collect()
}

/// What this TRE has released before that may meet what is held now: of the same project and component, or an output of the same name;
/// the newest first.
pub(crate) fn earlier(core: &Node, task: &TaskId) -> Vec<Earlier> {
    let (Some(tre), Some(known)) = (core.tre(), core.tasks().get(task)) else { return Vec::new() };
    let said = known.submission().payload();
    let names: BTreeSet<&String> = known.here().into_iter().flat_map(protocol::node::Local::outputs).collect();
    let others = core.tasks().values().filter(|other| other.id() != *task);
    let mut found: Vec<Earlier> = others
        .filter_map(|other| {
            let release = other.releases().get(&tre.name)?;
            let before = other.submission().payload();
            let outputs = &release.payload().outputs;
            let same = before.project == said.project && before.component == said.component;
            (same || outputs.iter().any(|output| names.contains(output))).then(|| Earlier {
                task: other.id(),
                title: before.title.clone(),
                project: before.project.clone(),
                released_at: release.claims().issued,
                outputs: outputs.clone(),
            })
        })
        .collect();
    found.sort_by_key(|one| std::cmp::Reverse((one.released_at, one.task)));
    found.truncate(EARLIER);
    found
}
