//! Reviewing held outputs: what a person is shown is checked first, what is signed is built from exactly that.
//!
//! | file | what lives there |
//! |---|---|
//! | this | [`Examined`], a review whose bytes, commitment and statements belong together; who may speak about it |
//! | `choice` | decisions with reasons, and the attestations that say or withdraw them |
//! | `blind` | what others decided, hidden from whoever has not decided yet |
//! | `compare` | what differs from a table that left before |
//! | `bundle` | a review as one sealed file, for a machine without a network |

mod blind;
pub mod bundle;
mod choice;
pub mod compare;

pub use blind::blind;
pub use choice::{Choice, DecisionError};
pub mod words;

use crate::door::Review;
use protocol::audit::Believed;
use protocol::ingress::{Statement, Verified};
use protocol::record::attestation::Attestation;
use protocol::record::comment::Comment;
use protocol::record::commitment::Commitment;
use protocol::record::grant::Role;
use protocol::record::project::Project;
use protocol::record::submission::Submission;
use protocol::trust::authority::Wanted;
use protocol::trust::roster::Roster;
use protocol::wire::id::StatementId;
use std::collections::BTreeMap;
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
    /// What reviewers of this TRE and the submitter have said, oldest first.
    pub comments: Vec<Verified<Comment>>,
    /// Whether what others decided was taken out: see [`Examined::blind`].
    pub blinded: bool,
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
    let comments = comments(believed, &submission, Some(&review.tre));
    Ok(Examined {
        review,
        submission,
        run,
        commitment,
        project,
        project_statement,
        attestations,
        comments,
        blinded: false,
    })
}

impl Examined {
    /// Whether this person asked for it: the submitter never counts as a reviewer.
    #[must_use]
    pub fn is_submitter(&self, person: &str) -> bool {
        self.submission.signer().name == person
    }
}

/// What reviewers and the submitter have said about a task, at one TRE or all of them, oldest first. Any member can sign a comment; those of
/// others are left out.
#[must_use]
pub fn comments(believed: &Believed, submission: &Verified<Submission>, tre: Option<&str>) -> Vec<Verified<Comment>> {
    let said = believed.statements.iter().filter_map(|statement| match statement {
        Statement::Comment(one) if one.payload().task == submission.id() => Some(one),
        _ => None,
    });
    let mut said: Vec<Verified<Comment>> = said
        .filter(|one| {
            let (person, at) = (&one.signer().name, &one.payload().tre);
            tre.is_none_or(|tre| tre == at)
                && (*person == submission.signer().name
                    || is_reviewer(&believed.roster, person, at, submission.payload(), one.claims().issued))
        })
        .cloned()
        .collect();
    said.sort_by_key(|one| (one.claims().issued, one.id()));
    said
}

/// The questions among these comments that the submitter has not answered.
pub fn open_questions<'a>(
    comments: &'a [Verified<Comment>],
    submitter: &'a str,
) -> impl Iterator<Item = &'a Verified<Comment>> {
    let answers = move |question: &Verified<Comment>, one: &Verified<Comment>| {
        one.signer().name == submitter
            && one.payload().answers == Some(question.id())
            && one.payload().tre == question.payload().tre
    };
    comments.iter().filter(move |one| {
        let asks = one.payload().question && one.signer().name != submitter;
        asks && !comments.iter().any(|other| answers(one, other))
    })
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
pub(crate) mod tests;
