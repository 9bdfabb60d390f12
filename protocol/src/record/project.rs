//! `project`: its TREs, datasets, people, components, disclosure rules and egress policy, signed by the data owners of every TRE in it.

use crate::disclosure::rules::Policy;
use crate::record::Kind;
use crate::record::name::{require_name, require_text};
use crate::record::payload::{DECADE, Invalid, Payload, require};
use crate::wire::id::Digest;
use serde::{Deserialize, Serialize};

/// A project. At a TRE it counts when a data owner of that TRE has signed it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Project {
    /// Its name.
    pub name: String,
    /// 1, 2, 3, …; the highest version that a TRE's data owner has signed counts there.
    pub version: u64,
    /// What it is about, for people.
    pub title: String,
    /// The TREs that take part.
    pub tres: Vec<String>,
    /// The datasets that its tasks may ask for.
    pub datasets: Vec<String>,
    /// The persons who may grant the role of researcher in it.
    pub admins: Vec<String>,
    /// The components that may run; none listed means that any component may.
    pub components: Vec<AllowedComponent>,
    /// The disclosure rules and their thresholds.
    pub disclosure: Policy,
    /// Who must attest before anything leaves.
    pub egress: Egress,
}

/// A component that a project allows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AllowedComponent {
    /// Its name, for people.
    pub name: String,
    /// SHA-256 of the component's bytes.
    pub digest: Digest,
}

/// Who must attest before anything leaves. The submitter never counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Egress {
    /// How many distinct persons.
    pub approvals: u64,
    /// Whether an output checker counts beside the data owners.
    pub checkers_count: bool,
    /// Persons who never count.
    pub excluded: Vec<String>,
}

impl Default for Egress {
    fn default() -> Self {
        Self { approvals: 1, checkers_count: false, excluded: Vec::new() }
    }
}

impl Payload for Project {
    const KIND: Kind = Kind::Project;
    const MAX_LIFETIME_SECONDS: u64 = DECADE;

    fn subject(&self) -> String {
        self.name.clone()
    }

    fn check(&self) -> Result<(), Invalid> {
        require_name(&self.name, "name")?;
        require_text(&self.title, 500, "title")?;
        require(self.version >= 1, "version", "versions begin with 1")?;
        require(!self.tres.is_empty() && self.tres.len() <= 256, "tres", "1 to 256 TREs")?;
        require(!self.datasets.is_empty() && self.datasets.len() <= 256, "datasets", "1 to 256 datasets")?;
        require(self.components.len() <= 256, "components", "at most 256 components")?;
        require(self.admins.len() <= 64 && self.egress.excluded.len() <= 64, "admins, excluded", "at most 64 persons")?;
        let components = self.components.iter().map(|component| &component.name);
        let names = self.tres.iter().chain(&self.datasets).chain(&self.admins).chain(&self.egress.excluded);
        for name in names.chain(components) {
            require_name(name, "tres, datasets, admins, components or excluded")?;
        }
        require(self.disclosure.check().is_ok(), "disclosure", "the thresholds are not sound")?;
        require(
            (1..=32).contains(&self.egress.approvals),
            "egress.approvals",
            "1 to 32 approvals; without one nothing could ever be held back",
        )
    }
}
