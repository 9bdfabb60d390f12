//! What a TRE would refuse, said before anything is signed, with what to do about it.

use protocol::record::Payload as _;
use protocol::record::grant::Role;
use protocol::record::submission::Submission;
use protocol::trust::authority::Wanted;
use protocol::trust::roster::{Holder, Roster};
use std::collections::BTreeSet;

/// Every reason that can be seen from here, in the order in which the Safes ask. Each TRE asks them again, with what it alone knows.
pub(super) fn problems(roster: &Roster, submission: &Submission, me: &Holder, now: u64) -> Vec<String> {
    let mut problems = Vec::new();
    if me.recipient.is_none() {
        problems.push(format!(
            "{} has no key record with a recipient for results; send `quintes key request` to a root person",
            me.name
        ));
    } else if let Err(invalid) = submission.check() {
        problems.push(format!("the submission would not be valid ({invalid})"));
    }
    if let Err(stale) = roster.fresh_status(now) {
        problems.push(format!("nothing would start: {stale}"));
    }
    for tre in &submission.audience {
        problems.extend(at_tre(roster, submission, me, tre, now));
    }
    problems
}

/// The first reason why one TRE would say no.
fn at_tre(roster: &Roster, submission: &Submission, me: &Holder, tre: &str, now: u64) -> Option<String> {
    let project = &submission.project;
    let Some(chosen) = roster.project_at(project, tre, now) else {
        let owners = owners(roster, tre, now);
        return Some(if owners.is_empty() {
            format!(
                "{tre} has no data owner in this federation; ask a root person for a grant, or leave out --tre {tre}"
            )
        } else {
            format!(
                "no data owner of {tre} has signed the project {project}; ask {owners} for `quintes project sign {project}`"
            )
        });
    };
    let version = &chosen.project;
    if !version.tres.iter().any(|name| name == tre) {
        return Some(format!(
            "version {} of the project {project} does not include {tre}; leave it out",
            version.version
        ));
    }
    let datasets = &submission.datasets;
    let wanted = Wanted { person: &me.name, role: Role::Researcher, project: Some(version), tre, datasets };
    if roster.authority(&wanted, now).is_none() {
        let admins = if version.admins.is_empty() { owners(roster, tre, now) } else { version.admins.join(", ") };
        return Some(format!(
            "{} has no grant as a researcher of {project} at {tre} over {}; ask {admins} for `quintes network grant`",
            me.name,
            datasets.join(", ")
        ));
    }
    if let Some(missing) = datasets.iter().find(|name| !version.datasets.contains(name)) {
        return Some(format!(
            "the dataset {missing} is not part of the project {project} at {tre}; it has {}",
            version.datasets.join(", ")
        ));
    }
    let listed = version.components.iter().any(|one| one.digest == submission.component);
    if !version.components.is_empty() && !listed {
        let names: Vec<&str> = version.components.iter().map(|one| one.name.as_str()).collect();
        return Some(format!(
            "the project {project} does not allow this component at {tre}; it lists {}",
            names.join(", ")
        ));
    }
    None
}

fn owners(roster: &Roster, tre: &str, now: u64) -> String {
    let holders = roster.holders(now);
    let owners: BTreeSet<&str> =
        holders.iter().map(|holder| holder.name.as_str()).filter(|name| roster.is_data_owner(name, tre, now)).collect();
    owners.into_iter().collect::<Vec<_>>().join(", ")
}
