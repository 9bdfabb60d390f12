//! Safe people: is this a researcher whom the project has, with a key that is good now? (SATRE 4.1)

use crate::record::grant::Role;
use crate::record::project::Project;
use crate::safes::admission::Question;
use crate::safes::refusal::Refusal;
use crate::trust::authority::Wanted;

/// The submission is in time and new, trust is fresh, the key is good, and results can only go to its holder.
pub(super) fn may_ask(question: &Question<'_>) -> Result<(), Refusal> {
    let submission = question.submission;
    if question.now >= submission.claims().expires {
        return Err(Refusal::Expired);
    }
    if question.replayed {
        return Err(Refusal::Replayed);
    }
    question.roster.fresh_status(question.now).map_err(|_| Refusal::StaleStatus)?;
    let key = submission.signer().key.id();
    if !question.roster.is_key_good(&key, question.now) {
        return Err(Refusal::KeyNotGood);
    }
    let recipient = question.roster.holder(&key).and_then(|holder| holder.recipient);
    if recipient.as_ref() != Some(&submission.payload().reply_to) {
        return Err(Refusal::ReplyTo);
    }
    Ok(())
}

/// The submitter is a researcher of the project, at this TRE, for these datasets.
pub(super) fn is_on_project(question: &Question<'_>, project: &Project) -> Result<(), Refusal> {
    let wanted = Wanted {
        person: &question.submission.signer().name,
        role: Role::Researcher,
        project: Some(project),
        tre: &question.tre.name,
        datasets: &question.submission.payload().datasets,
    };
    question.roster.authority(&wanted, question.now).map(|_| ()).ok_or(Refusal::NotOnProject)
}
