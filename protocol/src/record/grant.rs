//! `grant`: what a person may do in a project or at a TRE; a child grant is a subset of its parent.

use crate::record::Kind;
use crate::record::name::require_name;
use crate::record::payload::{DAY, Invalid, Payload, require};
use crate::wire::id::StatementId;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What a person may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Signs submissions of a project.
    Researcher,
    /// Answers for a TRE's data: signs projects and attestations.
    DataOwner,
    /// Checks outputs for a data owner: signs attestations.
    OutputChecker,
    /// Runs a TRE's node: signs recoveries.
    Operator,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Researcher => "researcher",
            Self::DataOwner => "data-owner",
            Self::OutputChecker => "output-checker",
            Self::Operator => "operator",
        })
    }
}

/// Permission for one person. `None` in a scope means every one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    /// Who may.
    pub person: String,
    /// As what.
    pub role: Role,
    /// In which project.
    pub project: Option<String>,
    /// At which TRE.
    pub tre: Option<String>,
    /// Over which datasets.
    pub datasets: Option<Vec<String>>,
    /// Whether the person may grant a subset of it to others.
    pub may_delegate: bool,
    /// The grant that this one was made from.
    pub parent: Option<StatementId>,
}

/// The deepest chain of grants.
pub const MAX_DEPTH: usize = 3;

impl Grant {
    /// Whether everything that this grant allows is allowed by `parent` as well.
    #[must_use]
    pub fn is_within(&self, parent: &Self) -> bool {
        fn narrower<T: PartialEq>(child: Option<&T>, parent: Option<&T>) -> bool {
            parent.is_none() || child == parent
        }
        let datasets = match (&self.datasets, &parent.datasets) {
            (_, None) => true,
            (None, Some(_)) => false,
            (Some(child), Some(parent)) => child.iter().all(|name| parent.contains(name)),
        };
        self.role == parent.role
            && narrower(self.project.as_ref(), parent.project.as_ref())
            && narrower(self.tre.as_ref(), parent.tre.as_ref())
            && datasets
    }
}

impl Payload for Grant {
    const KIND: Kind = Kind::Grant;
    const MAX_LIFETIME_SECONDS: u64 = 90 * DAY;

    fn subject(&self) -> String {
        self.person.clone()
    }

    fn check(&self) -> Result<(), Invalid> {
        require_name(&self.person, "person")?;
        for name in self.project.iter().chain(&self.tre).chain(self.datasets.iter().flatten()) {
            require_name(name, "project, tre or datasets")?;
        }
        require(self.datasets.as_ref().is_none_or(|names| names.len() <= 256), "datasets", "at most 256 datasets")?;
        match self.role {
            Role::Researcher => require(self.project.is_some(), "project", "a researcher's grant names the project"),
            Role::DataOwner | Role::OutputChecker | Role::Operator => {
                require(self.tre.is_some(), "tre", "this role's grant names the TRE")
            }
        }
    }
}
