//! What a TRE decides about what it holds: still open, withheld, or a `Release`, whose only constructor is here.

use crate::ingress::Verified;
use crate::record::Payload;
use crate::record::attestation::{Attestation, ReportSummary};
use crate::record::commitment::Commitment;
use crate::record::grant::Role;
use crate::record::release::{Logged, Sealed};
use crate::record::run::Run;
use crate::record::standing_approval::StandingApproval;
use crate::record::submission::{Submission, TaskId};
use crate::trust::authority::{Chosen, Wanted};
use crate::trust::freshness::Stale;
use crate::trust::quorum::{Tally, tally};
use crate::trust::roster::Roster;
use crate::wire::codec;
use crate::wire::id::{Digest, StatementId};
use std::collections::{BTreeMap, BTreeSet};
use thiserror::Error;

/// Times that researchers can see are rounded down to this many seconds: a run's length is an output too.
pub const COARSE_SECONDS: u64 = 900;

/// `now`, rounded down to [`COARSE_SECONDS`].
#[must_use]
pub fn coarse(now: u64) -> u64 {
    now - now % COARSE_SECONDS
}

/// What is on the table when a decision is made.
#[derive(Clone, Copy, Debug)]
pub struct Case<'a> {
    /// The task.
    pub submission: &'a Verified<Submission>,
    /// What ran.
    pub run: &'a Verified<Run>,
    /// The outputs that are held.
    pub outputs: &'a BTreeSet<String>,
    /// Everything that people have said about this run.
    pub attestations: &'a [Verified<Attestation>],
    /// What the checks say of it now. An approval that was given before they said so is none.
    pub checks: &'a ReportSummary,
    /// What may release it without a person; none where that is not asked.
    pub standing: Option<Standing<'a>>,
    /// The data owners whom the TRE's own configuration names; none when the case is judged from outside the TRE.
    pub data_owners: Option<&'a BTreeSet<String>>,
    /// Who may speak as whom.
    pub roster: &'a Roster,
    /// Seconds since 1970.
    pub now: u64,
}

/// What a standing approval is judged by.
#[derive(Clone, Copy, Debug)]
pub struct Standing<'a> {
    /// Every signature under a standing approval that is known.
    pub approvals: &'a [Verified<StandingApproval>],
    /// Whether every rule passes for every output, on evidence of the host's own.
    pub passes: bool,
    /// How many tasks each standing approval, by the digest of its payload, has released today.
    pub used: &'a BTreeMap<Digest, u64>,
}

/// What the attestations amount to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::large_enum_variant, reason = "outcomes pass one at a time and are never stored")]
pub enum Outcome {
    /// At least one output waits for more persons.
    Open {
        /// For each output, how many decisions are missing; 0 for one that is decided, 1 where two persons disagree.
        missing: BTreeMap<String, u64>,
    },
    /// Every output was rejected.
    Withhold,
    /// Every output is decided and at least one may leave.
    Release(Release),
}

/// Leave for named outputs of one run to go to one recipient. [`decide`] is the only constructor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    task: TaskId,
    tre: String,
    run: StatementId,
    commitment: Commitment,
    outputs: BTreeSet<String>,
    attestations: BTreeSet<StatementId>,
    standing: BTreeSet<StatementId>,
    checks: ReportSummary,
    project: StatementId,
    status: StatementId,
    recipient: String,
}

impl Release {
    /// The task.
    #[must_use]
    pub fn task(&self) -> TaskId {
        self.task
    }

    /// The commitment that was attested.
    #[must_use]
    pub fn commitment(&self) -> Commitment {
        self.commitment
    }

    /// The outputs that may leave.
    #[must_use]
    pub fn outputs(&self) -> &BTreeSet<String> {
        &self.outputs
    }

    /// What the checks said when it was decided.
    #[must_use]
    pub fn checks(&self) -> &ReportSummary {
        &self.checks
    }

    /// The first signature under the standing approval by which it was decided; none where persons did.
    pub(crate) fn standing(&self) -> Option<StatementId> {
        self.standing.first().copied()
    }

    /// Every statement that must stand in the log before custody opens: the run, and what lets its outputs out.
    pub fn grounds(&self) -> impl Iterator<Item = StatementId> {
        std::iter::once(self.run).chain(self.attestations.iter().copied()).chain(self.standing.iter().copied())
    }

    /// The age recipient.
    #[must_use]
    pub fn recipient(&self) -> &str {
        &self.recipient
    }

    /// The statement to sign once the ciphertext exists.
    #[must_use]
    pub fn statement(&self, log: Logged, ciphertext: Digest, sealed: Sealed) -> crate::record::release::Release {
        crate::record::release::Release {
            task: self.task,
            tre: self.tre.clone(),
            run: self.run,
            attestations: self.attestations.iter().copied().collect(),
            standing: self.standing.iter().copied().collect(),
            checks: self.checks.clone(),
            log,
            project: self.project,
            status: self.status,
            commitment: self.commitment,
            outputs: self.outputs.iter().cloned().collect(),
            ciphertext,
            ciphertext_bytes: sealed.bytes,
            ciphertext_root: sealed.root,
            recipient: self.recipient.clone(),
        }
    }

    /// Whether the other is the same decision, at a status of another day perhaps.
    #[must_use]
    pub fn same_decision(&self, other: &Self) -> bool {
        *self == Self { status: self.status, ..other.clone() }
    }

    /// Whether a signed release says exactly this; where it stands in the log is for others to check.
    #[must_use]
    pub fn allows(&self, release: &crate::record::release::Release) -> bool {
        self.statement(release.log.clone(), release.ciphertext, release.sealed()) == *release
    }
}

/// Why no decision can be made now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Blocked {
    /// Trust is stale: nothing is released.
    #[error(transparent)]
    Stale(#[from] Stale),
    /// The project no longer counts at this TRE.
    #[error("no data owner of this TRE has a signature under the project that still counts")]
    ProjectGone,
    /// The submitter's key is no longer good, has another recipient now, or its holder is no researcher of the project any more.
    #[error(
        "the submitter's key or grant no longer counts, or results would go to another recipient than its record names"
    )]
    SubmitterGone,
}

/// Counts the attestations under the project's policy. A person counts once, the submitter never, and one rejection is enough.
///
/// # Errors
/// [`Blocked`]: nothing is wrong with the attestations, but nothing may be released now.
pub fn decide(case: &Case<'_>) -> Result<Outcome, Blocked> {
    let status = case.roster.fresh_status(case.now)?.id();
    let tre = &case.run.payload().tre;
    let submission = case.submission.payload();
    let chosen = case.roster.project_at(&submission.project, tre, case.now).ok_or(Blocked::ProjectGone)?;
    let submitter = case.roster.holder(&case.submission.signer().key.id());
    let good = case.roster.is_key_good(&case.submission.signer().key.id(), case.now);
    if !good || submitter.and_then(|holder| holder.recipient).as_ref() != Some(&submission.reply_to) {
        return Err(Blocked::SubmitterGone);
    }
    let wanted = Wanted {
        person: &case.submission.signer().name,
        role: Role::Researcher,
        project: Some(&chosen.project),
        tre,
        datasets: &submission.datasets,
    };
    if case.roster.authority(&wanted, case.now).is_none() {
        return Err(Blocked::SubmitterGone);
    }

    let counted: Vec<&Verified<Attestation>> =
        case.attestations.iter().filter(|attestation| counts(case, &chosen, attestation)).collect();
    let standing = |attestation: &&&Verified<Attestation>| {
        !counted.iter().any(|later| {
            later.payload().supersedes == Some(attestation.id())
                && later.signer().name == attestation.signer().name
                && later.id() != attestation.id()
        })
    };
    let standing: Vec<_> = counted.iter().filter(standing).collect();

    let mut missing = BTreeMap::new();
    let mut approved = BTreeSet::new();
    for output in case.outputs {
        let votes = standing.iter().filter_map(|attestation| {
            let decision = attestation.payload().decisions.get(output)?;
            // A no is about these bytes and stands under any version of the project; a yes is worth what the policy that it names asks.
            // And it is about these findings: a new doubt, such as one that another release has raised since, asks for a new look.
            let current =
                attestation.payload().project == chosen.statement && attestation.payload().report == *case.checks;
            let counts = !decision.approve || current;
            counts.then_some((attestation.signer().name.as_str(), decision.approve))
        });
        let still = match tally(votes, chosen.project.egress.approvals) {
            Tally::Open { missing } => missing,
            Tally::Vetoed => 0,
            // One of the two has to think again.
            Tally::Conflict => 1,
            Tally::Approved => {
                approved.insert(output.clone());
                0
            }
        };
        missing.insert(output.clone(), still);
    }
    let release = |outputs: BTreeSet<String>, attestations: BTreeSet<StatementId>, standing: BTreeSet<StatementId>| {
        Outcome::Release(Release {
            task: case.submission.id(),
            tre: tre.clone(),
            run: case.run.id(),
            commitment: case.run.payload().commitment,
            outputs,
            attestations,
            standing,
            checks: case.checks.clone(),
            project: chosen.statement,
            status,
            recipient: submission.reply_to.clone(),
        })
    };
    if missing.values().any(|still| *still > 0) {
        // Where a person has said anything, persons decide.
        let untouched = standing.iter().all(|attestation| attestation.payload().decisions.is_empty());
        let by_standing = if untouched { standing_approval(case, &chosen) } else { None };
        return Ok(match by_standing {
            Some(signatures) => release(case.outputs.clone(), BTreeSet::new(), signatures),
            None => Outcome::Open { missing },
        });
    }
    if approved.is_empty() {
        return Ok(Outcome::Withhold);
    }
    Ok(release(approved, standing.iter().map(|attestation| attestation.id()).collect(), BTreeSet::new()))
}

/// The signatures under the first standing approval that covers the case: every rule passes, it is meant for this component under this
/// project at this TRE, enough distinct persons stand behind it, and its cap for the day is not reached.
fn standing_approval(case: &Case<'_>, chosen: &Chosen) -> Option<BTreeSet<StatementId>> {
    let asked = case.standing.as_ref().filter(|standing| standing.passes)?;
    let policy = digest_of(&chosen.project);
    let mut by_payload: BTreeMap<Digest, BTreeMap<&str, StatementId>> = BTreeMap::new();
    let mut withdrawn = BTreeSet::new();
    for signature in asked.approvals {
        let said = signature.payload();
        let signer = signature.signer();
        let covers = said.tre == case.run.payload().tre
            && said.project == chosen.project.name
            && said.policy == policy
            && said.component == case.run.payload().component
            && said.rules == case.checks.rules
            && said.checker == case.checks.checker;
        if !covers {
            continue;
        }
        let digest = digest_of(said);
        let owned = |at| is_named_owner(case, &signer.name, at);
        if case.roster.is_revoked(&signature.id(), &signer.name, None, case.now) {
            // The first owner who withdraws ends it for all, also one who is no owner any more.
            if owned(case.now) || owned(signature.claims().issued) {
                withdrawn.insert(digest);
            }
            continue;
        }
        let in_force = signature.claims().not_before <= case.now.saturating_add(case.roster.clock_skew_seconds())
            && case.now < signature.claims().expires
            && case.roster.is_key_good(&signer.key.id(), case.now);
        let within_cap = asked.used.get(&digest).copied().unwrap_or_default() < said.per_day;
        // An output checker may say what has been looked at, but only an owner may give away the look itself.
        if in_force && within_cap && may_speak(case, chosen, &signer.name) && owned(case.now) {
            by_payload.entry(digest).or_default().entry(&signer.name).or_insert(signature.id());
        }
    }
    by_payload.retain(|digest, _| !withdrawn.contains(digest));
    let enough = |signatures: &BTreeMap<&str, StatementId>| signatures.len() as u64 >= chosen.project.egress.approvals;
    by_payload.into_values().find(enough).map(|signatures| signatures.into_values().collect())
}

/// The digest of a payload in its one encoding, by which a standing approval names a project, and is counted itself.
pub fn digest_of<T: Payload>(payload: &T) -> Digest {
    Digest::of(&codec::encode(payload).expect("a payload that was decoded from its one encoding encodes again"))
}

/// Whether an attestation is about exactly this run, by a person who counts under this policy.
fn counts(case: &Case<'_>, chosen: &Chosen, attestation: &Verified<Attestation>) -> bool {
    let said = attestation.payload();
    let run = case.run.payload();
    let about_this = said.task == case.submission.id()
        && said.task == run.task
        && said.tre == run.tre
        && said.run == case.run.id()
        && said.commitment == run.commitment
        && said.decisions.keys().all(|name| case.outputs.contains(name));
    let signer = attestation.signer();
    let in_time = attestation.claims().not_before <= case.now.saturating_add(case.roster.clock_skew_seconds())
        && case.now < attestation.claims().expires;
    about_this
        && in_time
        && case.roster.is_key_good(&signer.key.id(), case.now)
        && may_review(case, chosen, &signer.name)
}

/// A data owner whom the TRE names, or an output checker where the policy counts them; never the submitter.
fn may_review(case: &Case<'_>, chosen: &Chosen, person: &str) -> bool {
    let tre = &case.run.payload().tre;
    let egress = &chosen.project.egress;
    if !may_speak(case, chosen, person) {
        return false;
    }
    let checker = || {
        let wanted = Wanted {
            person,
            role: Role::OutputChecker,
            project: Some(&chosen.project),
            tre,
            datasets: &case.submission.payload().datasets,
        };
        egress.checkers_count && case.roster.authority(&wanted, case.now).is_some()
    };
    is_named_owner(case, person, case.now) || checker()
}

/// The submitter never counts, nor whom the project excludes.
fn may_speak(case: &Case<'_>, chosen: &Chosen, person: &str) -> bool {
    person != case.submission.signer().name && !chosen.project.egress.excluded.iter().any(|excluded| excluded == person)
}

/// Whether a person answers for the data of the TRE, and the TRE's own configuration says so too.
fn is_named_owner(case: &Case<'_>, person: &str, at: u64) -> bool {
    let named = case.data_owners.is_none_or(|owners| owners.contains(person));
    named && case.roster.is_data_owner(person, &case.run.payload().tre, at)
}
