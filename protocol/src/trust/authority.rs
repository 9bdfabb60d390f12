//! Who may do what: grants and projects, evaluated at a time; every link's key must still be good then.

use crate::ingress::Verified;
use crate::record::grant::{Grant, MAX_DEPTH, Role};
use crate::record::project::Project;
use crate::trust::roster::Roster;
use crate::wire::id::StatementId;
use std::collections::BTreeSet;

/// A project as it counts at one TRE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chosen {
    /// What it says.
    pub project: Project,
    /// The statement by which a data owner of the TRE signed it.
    pub statement: StatementId,
}

/// What a grant is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// Who.
    pub person: &'a str,
    /// As what.
    pub role: Role,
    /// In which project, where that matters.
    pub project: Option<&'a Project>,
    /// At which TRE.
    pub tre: &'a str,
    /// Over which datasets.
    pub datasets: &'a [String],
}

impl Roster {
    /// The version of a project that counts at a TRE. The first needs one of its data owners; each later one needs as many distinct data
    /// owners as the version before asks for approvals, so that nobody lowers a quorum alone.
    #[must_use]
    pub fn project_at(&self, name: &str, tre: &str, at: u64) -> Option<Chosen> {
        let mut versions: Vec<_> = self.projects.values().filter(|candidate| candidate.payload.name == name).collect();
        versions.sort_by_key(|candidate| candidate.payload.version);
        versions.into_iter().fold(None, |chosen: Option<Chosen>, candidate| {
            let signatures: Vec<_> = candidate
                .signatures
                .values()
                .filter(|signature| {
                    let signer = signature.signer();
                    in_force(signature, at)
                        && self.is_key_good(&signer.key.id(), at)
                        && !self.is_revoked(&signature.id(), &signer.name, None, at)
                        && self.is_data_owner(&signer.name, tre, at)
                })
                .collect();
            let persons: BTreeSet<&str> = signatures.iter().map(|signature| signature.signer().name.as_str()).collect();
            let needed = chosen.as_ref().map_or(1, |before| before.project.egress.approvals);
            // The oldest signature names the project: one that is added later changes no decision that was made before.
            match signatures.iter().min_by_key(|signature| (signature.claims().issued, signature.id())) {
                Some(first) if persons.len() as u64 >= needed => {
                    Some(Chosen { project: candidate.payload.clone(), statement: first.id() })
                }
                _ => chosen,
            }
        })
    }

    /// Whether a person answers for a TRE's data.
    #[must_use]
    pub fn is_data_owner(&self, person: &str, tre: &str, at: u64) -> bool {
        let wanted = Wanted { person, role: Role::DataOwner, project: None, tre, datasets: &[] };
        self.authority(&wanted, at).is_some()
    }

    /// The chain of grants, child first, that gives what is wanted; none when nothing does.
    #[must_use]
    pub fn authority(&self, wanted: &Wanted<'_>, at: u64) -> Option<Vec<StatementId>> {
        self.grants
            .values()
            .filter(|grant| covers(grant.payload(), wanted))
            .find_map(|grant| self.chain(grant, wanted, at))
    }

    fn chain(&self, grant: &Verified<Grant>, wanted: &Wanted<'_>, at: u64) -> Option<Vec<StatementId>> {
        let mut chain = Vec::new();
        let mut link = grant;
        loop {
            let signer = link.signer();
            let parent = link.payload().parent.as_ref();
            let counts = in_force(link, at)
                && self.is_key_good(&signer.key.id(), at)
                && !self.is_revoked(&link.id(), &signer.name, parent, at);
            if !counts || chain.len() >= MAX_DEPTH {
                return None;
            }
            chain.push(link.id());
            let Some(parent) = parent else {
                return self.may_grant(&signer.name, link.payload(), wanted, at).then_some(chain);
            };
            let parent = self.grants.get(parent)?;
            let delegated = parent.payload().may_delegate
                && parent.payload().person == signer.name
                && link.payload().is_within(parent.payload());
            if !delegated {
                return None;
            }
            link = parent;
        }
    }

    /// Who may make a first grant: root persons make data owners, operators and checkers, data owners make checkers and researchers at their
    /// own TRE, a project's admins make its researchers.
    fn may_grant(&self, grantor: &str, grant: &Grant, wanted: &Wanted<'_>, at: u64) -> bool {
        let at_own_tre = || grant.tre.as_deref() == Some(wanted.tre) && self.is_data_owner(grantor, wanted.tre, at);
        match wanted.role {
            Role::DataOwner | Role::Operator => self.is_root_person(grantor),
            Role::OutputChecker => self.is_root_person(grantor) || at_own_tre(),
            Role::Researcher => {
                wanted.project.is_some_and(|project| project.admins.iter().any(|admin| admin == grantor))
                    || at_own_tre()
            }
        }
    }
}

fn covers(grant: &Grant, wanted: &Wanted<'_>) -> bool {
    let project = match (&grant.project, wanted.project) {
        (None, _) => true,
        (Some(name), Some(project)) => *name == project.name,
        (Some(_), None) => false,
    };
    grant.person == wanted.person
        && grant.role == wanted.role
        && project
        && grant.tre.as_deref().is_none_or(|tre| tre == wanted.tre)
        && grant.datasets.as_ref().is_none_or(|granted| wanted.datasets.iter().all(|name| granted.contains(name)))
}

fn in_force<T>(statement: &Verified<T>, at: u64) -> bool {
    statement.claims().not_before <= at && at < statement.claims().expires
}
