//! Safe settings: may this component run here, and is there room for it? (SATRE 2.2)

use crate::record::project::Project;
use crate::safes::admission::{ComponentFacts, Question};
use crate::safes::refusal::Refusal;

/// There is room for one more task.
pub(super) fn have_room(question: &Question<'_>) -> Result<(), Refusal> {
    if question.open_tasks < question.tre.waiting { Ok(()) } else { Err(Refusal::Busy) }
}

/// Yes, no, or not yet: false while the component is on its way.
pub(super) fn allow(question: &Question<'_>, project: &Project) -> Result<bool, Refusal> {
    let submission = question.submission.payload();
    let listed = project.components.iter().any(|allowed| allowed.digest == submission.component);
    if !project.components.is_empty() && !listed {
        return Err(Refusal::ComponentNotAllowed);
    }
    if submission.component_bytes > question.tre.component_bytes {
        return Err(Refusal::ComponentUnusable);
    }
    match question.component {
        None => Ok(false),
        Some(ComponentFacts::Usable) => Ok(true),
        Some(ComponentFacts::Unusable(_)) => Err(Refusal::ComponentUnusable),
        Some(ComponentFacts::Unavailable) => Err(Refusal::ComponentUnavailable),
    }
}
