//! Admission: a verified submission becomes an `Admission` when every Safe says yes, and only here.

use crate::ingress::Verified;
use crate::record::project::Project;
use crate::record::submission::{Submission, TaskId};
use crate::safes::refusal::Refusal;
use crate::safes::tre::Tre;
use crate::safes::{data, people, projects, settings};
use crate::trust::roster::Roster;
use crate::wire::id::{Digest, StatementId};
use serde::{Deserialize, Serialize};

/// Everything that the Safes may look at.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// The task.
    pub submission: &'a Verified<Submission>,
    /// Who may speak as whom.
    pub roster: &'a Roster,
    /// The TRE that decides.
    pub tre: &'a Tre,
    /// Whether another submission of the same issuer carried the same nonce, or another statement of the same key contradicts this one.
    pub replayed: bool,
    /// How many tasks wait or run here now.
    pub open_tasks: usize,
    /// What is known of the component; none while it is on its way.
    pub component: Option<&'a ComponentFacts>,
    /// Seconds since 1970.
    pub now: u64,
}

/// What the sandbox found when it looked at a component.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ComponentFacts {
    /// It imports our world alone and exports `run`.
    Usable,
    /// It does not; the sentence is for the operator.
    Unusable(String),
    /// No member had it.
    Unavailable,
}

/// Leave to run one task at one TRE. [`admit`] is the only constructor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admission {
    submission: Verified<Submission>,
    project: Project,
    project_statement: StatementId,
    tre: String,
}

impl Admission {
    /// The task.
    #[must_use]
    pub fn task(&self) -> TaskId {
        self.submission.id()
    }

    /// What was submitted.
    #[must_use]
    pub fn submission(&self) -> &Submission {
        self.submission.payload()
    }

    /// Who submitted it.
    #[must_use]
    pub fn submitter(&self) -> &str {
        &self.submission.signer().name
    }

    /// The component to run.
    #[must_use]
    pub fn component(&self) -> Digest {
        self.submission.payload().component
    }

    /// The project as it counts at this TRE.
    #[must_use]
    pub fn project(&self) -> &Project {
        &self.project
    }

    /// The statement by which a data owner of this TRE signed the project.
    #[must_use]
    pub fn project_statement(&self) -> StatementId {
        self.project_statement
    }

    /// The TRE.
    #[must_use]
    pub fn tre(&self) -> &str {
        &self.tre
    }
}

/// Asks every Safe. While the component is on its way (`question.component` is none) the answer can only be a refusal or "so far, so
/// good": `Ok(None)`.
///
/// # Errors
/// The first [`Refusal`].
pub fn admit(question: &Question<'_>) -> Result<Option<Admission>, Refusal> {
    if !question.tre.is_configured() {
        return Err(Refusal::NotConfigured);
    }
    people::is_in_time(question)?;
    let admission = may_continue(question)?;
    settings::have_room(question)?;
    Ok(admission)
}

/// What must be so for as long as a task runs. It has started: its expiry, a status that has lapsed and a queue that is full do not undo
/// that; a key, a grant or a project that no longer counts does.
///
/// # Errors
/// The first [`Refusal`].
pub(crate) fn may_continue(question: &Question<'_>) -> Result<Option<Admission>, Refusal> {
    people::may_ask(question)?;
    let chosen = projects::is_signed_here(question)?;
    people::is_on_project(question, &chosen.project)?;
    data::are_granted(question, &chosen.project)?;
    if !settings::allow(question, &chosen.project)? {
        return Ok(None);
    }
    Ok(Some(Admission {
        submission: question.submission.clone(),
        project: chosen.project,
        project_statement: chosen.statement,
        tre: question.tre.name.clone(),
    }))
}
