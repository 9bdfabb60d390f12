//! Reviewing held outputs: what a person is shown is checked first, what is signed is built from exactly that.
//!
//! | file | what lives there |
//! |---|---|
//! | this | [`Examined`], a review whose bytes, commitment and statements belong together; its attestation |
//! | `bundle` | a review as one sealed file, for a machine without a network |

pub mod bundle;

use crate::door::Review;
use protocol::audit::Believed;
use protocol::ingress::{Statement, Verified};
use protocol::record::attestation::{Attestation, Decision};
use protocol::record::commitment::Commitment;
use protocol::record::grant::Role;
use protocol::record::project::Project;
use protocol::record::submission::Submission;
use protocol::safes::outputs::{HeldOutput, summarise};
use protocol::trust::authority::Wanted;
use protocol::trust::roster::Roster;
use protocol::wire::id::StatementId;
use std::collections::{BTreeMap, BTreeSet};
use thiserror::Error;

/// Why a review cannot be shown as one that may be signed.
#[derive(Debug, Error)]
pub enum ExamineError {
    /// The run failed, or nothing is held any more.
    #[error("there are no outputs to decide on")]
    NothingHeld,
    /// The submission's statement does not verify, or is of another task.
    #[error(
        "the submission that the node shows is not the one that was signed; do not sign, and tell the node's operator"
    )]
    Submission,
    /// The run's statement does not verify, or says something else.
    #[error(
        "the run that the node shows is not the one that the TRE signed; do not sign, and tell the node's operator"
    )]
    Run,
    /// The bytes are not those of the commitment.
    #[error(
        "the outputs that the node shows are not those that the run commits to; do not sign, and tell the node's operator"
    )]
    Commitment,
    /// No project counts at the TRE now, or it is not known here.
    #[error(
        "no project counts for this task at the TRE now; a data owner of the TRE must sign it (`quintes project sign`)"
    )]
    Project,
}

/// Why a decision is none.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum DecisionError {
    /// A name that is no output.
    #[error("there is no output `{name}`; there are {known}")]
    NoSuchOutput {
        /// The name.
        name: String,
        /// The names that there are.
        known: String,
    },
    /// Both yes and no.
    #[error("the output `{0}` is approved and rejected at once; decide")]
    Both(String),
    /// No output named at all.
    #[error("no output was decided on; name one, or approve or reject all of them")]
    Nothing,
}

/// A review that was checked: the submission and the run are signed, the outputs are exactly what the run commits to.
#[derive(Debug)]
pub struct Examined {
    /// What the node showed.
    pub review: Review,
    /// Who asked for what.
    pub submission: Verified<Submission>,
    /// The run.
    pub run: StatementId,
    /// The commitment, recomputed from the bytes shown.
    pub commitment: Commitment,
    /// The project under whose policy is decided.
    pub project: Project,
    /// The statement by which it counts here.
    pub project_statement: StatementId,
    /// The attestations so far.
    pub attestations: Vec<Verified<Attestation>>,
}

/// Checks what the node shows against the signatures and the bytes. `believed` holds the federation's statements and those of the review.
///
/// # Errors
/// [`ExamineError`]: nothing of it should be signed.
pub fn examine(review: Review, believed: &Believed) -> Result<Examined, ExamineError> {
    let task = review.waiting.task;
    let submission = believed.statements.iter().find_map(|statement| match statement {
        Statement::Submission(one) if one.id() == task => Some(one.clone()),
        _ => None,
    });
    let submission = submission.ok_or(ExamineError::Submission)?;
    let (Some(run), Some(commitment)) = (review.run, review.commitment) else { return Err(ExamineError::NothingHeld) };
    if review.outputs.is_empty() {
        return Err(ExamineError::NothingHeld);
    }
    let signed = believed.statements.iter().any(|statement| {
        matches!(statement, Statement::Run(one) if one.id() == run
            && one.payload().task == task
            && one.payload().tre == review.tre
            && one.payload().component == submission.payload().component
            && one.payload().commitment == commitment)
    });
    if !signed {
        return Err(ExamineError::Run);
    }
    let leaves: BTreeMap<String, _> =
        review.outputs.iter().map(|output| (output.name.clone(), output.leaf())).collect();
    if leaves.len() != review.outputs.len() || Commitment::to(&leaves) != commitment {
        return Err(ExamineError::Commitment);
    }
    let project_statement = review.project_statement.ok_or(ExamineError::Project)?;
    let project = believed.statements.iter().find_map(|statement| match statement {
        Statement::Project(one)
            if one.id() == project_statement && one.payload().name == submission.payload().project =>
        {
            Some(one.payload().clone())
        }
        _ => None,
    });
    let project = project.ok_or(ExamineError::Project)?;
    let attestations = believed.statements.iter().filter_map(|statement| match statement {
        Statement::Attestation(one) if one.payload().run == run => Some(one.clone()),
        _ => None,
    });
    let attestations = attestations.collect();
    Ok(Examined { review, submission, run, commitment, project, project_statement, attestations })
}

/// What a person decides, before it is an attestation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The outputs that may leave; empty together with `reject`: see `all`.
    pub approve: BTreeSet<String>,
    /// The outputs that may not.
    pub reject: BTreeSet<String>,
    /// What holds for every output that is not named: nothing, yes or no.
    pub others: Option<bool>,
    /// Why. The researcher reads it.
    pub reason: String,
}

impl Choice {
    /// One decision for each output that is decided, out of the outputs that there are.
    ///
    /// # Errors
    /// [`DecisionError`].
    pub fn decisions(&self, outputs: &[HeldOutput]) -> Result<BTreeMap<String, Decision>, DecisionError> {
        let known = || outputs.iter().map(|output| output.name.as_str());
        for name in self.approve.iter().chain(&self.reject) {
            if !known().any(|output| output == name) {
                let known = known().collect::<Vec<_>>().join(", ");
                return Err(DecisionError::NoSuchOutput { name: name.clone(), known });
            }
        }
        if let Some(both) = self.approve.intersection(&self.reject).next() {
            return Err(DecisionError::Both(both.clone()));
        }
        let decided: BTreeMap<String, Decision> = known()
            .filter_map(|name| {
                let approve = if self.approve.contains(name) {
                    Some(true)
                } else if self.reject.contains(name) {
                    Some(false)
                } else {
                    self.others
                };
                Some((name.to_owned(), Decision { approve: approve?, reason: self.reason.clone() }))
            })
            .collect();
        if decided.is_empty() { Err(DecisionError::Nothing) } else { Ok(decided) }
    }
}

impl Examined {
    /// The attestation that `person` makes with this choice. What the person decided before and does not decide again stands: an attestation
    /// replaces the earlier one of the same person as a whole.
    ///
    /// # Errors
    /// [`DecisionError`].
    pub fn attest(&self, choice: &Choice, person: &str) -> Result<Attestation, DecisionError> {
        let earlier = self.standing(person);
        let mut decisions = earlier.map(|one| one.payload().decisions.clone()).unwrap_or_default();
        decisions.extend(choice.decisions(&self.review.outputs)?);
        Ok(Attestation {
            task: self.submission.id(),
            tre: self.review.tre.clone(),
            run: self.run,
            commitment: self.commitment,
            project: self.project_statement,
            decisions,
            report: summarise(&self.review.outputs),
            supersedes: earlier.map(Verified::id),
        })
    }

    /// The attestation of a person that no later one of the same person supersedes.
    #[must_use]
    pub fn standing(&self, person: &str) -> Option<&Verified<Attestation>> {
        let own = || self.attestations.iter().filter(|one| one.signer().name == person);
        let superseded: BTreeSet<StatementId> = own().filter_map(|one| one.payload().supersedes).collect();
        own().filter(|one| !superseded.contains(&one.id())).max_by_key(|one| (one.claims().issued, one.id()))
    }

    /// Whether one of the project's admins, data owners or checkers asked for it: the submitter never counts as a reviewer.
    #[must_use]
    pub fn is_submitter(&self, person: &str) -> bool {
        self.submission.signer().name == person
    }
}

/// Whether a person reviews this task at a TRE: a data owner of it, or an output checker over its datasets. Whose decision counts is for the
/// project's policy to say; a word of any of them is heard.
#[must_use]
pub fn is_reviewer(roster: &Roster, person: &str, tre: &str, submission: &Submission, at: u64) -> bool {
    let checker = || {
        let project = roster.project_at(&submission.project, tre, at);
        let project = project.as_ref().map(|chosen| &chosen.project);
        let wanted = Wanted { person, role: Role::OutputChecker, project, tre, datasets: &submission.datasets };
        roster.authority(&wanted, at).is_some()
    };
    roster.is_data_owner(person, tre, at) || checker()
}

/// The first 16 bytes of a digest in groups of four hexadecimal digits, as two people compare them over a telephone.
#[must_use]
pub fn grouped(hexadecimal: &str) -> String {
    let digits: Vec<char> = hexadecimal.chars().take(32).collect();
    digits.chunks(4).map(|group| group.iter().collect::<String>()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
mod tests;
