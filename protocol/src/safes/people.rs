//! Safe people: is this a researcher whom the project has, with a key that is good now? (SATRE 4.1)

use crate::record::grant::Role;
use crate::record::project::Project;
use crate::safes::admission::Question;
use crate::safes::refusal::Refusal;
use crate::trust::authority::Wanted;

/// The submission is in time, and trust is fresh.
pub(super) fn is_in_time(question: &Question<'_>) -> Result<(), Refusal> {
    if question.now >= question.submission.claims().expires {
        return Err(Refusal::Expired);
    }
    question.roster.fresh_status(question.now).map(|_| ()).map_err(|_| Refusal::StaleStatus)
}

/// The submission is new, its key is good, and results can only go to its holder.
pub(super) fn may_ask(question: &Question<'_>) -> Result<(), Refusal> {
    let submission = question.submission;
    if question.replayed {
        return Err(Refusal::Replayed);
    }
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
