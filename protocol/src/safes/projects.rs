//! Safe projects: did a data owner of this TRE sign the project, and does it include this TRE? (SATRE 3.1)

use crate::safes::admission::Question;
use crate::safes::refusal::Refusal;
use crate::trust::authority::Chosen;

/// The version of the project that counts here.
pub(super) fn is_signed_here(question: &Question<'_>) -> Result<Chosen, Refusal> {
    let name = &question.submission.payload().project;
    let chosen = question.roster.project_at(name, &question.tre.name, question.now).ok_or(Refusal::ProjectNotSigned)?;
    if chosen.project.tres.contains(&question.tre.name) { Ok(chosen) } else { Err(Refusal::ProjectNotHere) }
}
