//! Why a Safe says no: a fixed vocabulary, so that a refusal tells a researcher what to do and nothing about the data.

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Why a TRE refused a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Error)]
#[serde(rename_all = "kebab-case")]
pub enum Refusal {
    /// The TRE has no dataset or no data owner.
    #[error("this TRE is not configured to run tasks")]
    NotConfigured,
    /// The submission expired.
    #[error("the submission has expired; submit it again")]
    Expired,
    /// Another submission of the same issuer used the same nonce, or another statement of the same key stands at its place in the chain.
    #[error(
        "the submission repeats another one, or contradicts one that was signed with the same key; submit it again"
    )]
    Replayed,
    /// Trust is stale: nothing starts.
    #[error("the TRE has no fresh status of the federation; its operator or a root person must act")]
    StaleStatus,
    /// The submitter's key is not enrolled, or was revoked.
    #[error("the submitter's key is not enrolled or was revoked")]
    KeyNotGood,
    /// The key record has no encryption recipient, or another than the submission names.
    #[error("results would go to a recipient that is not in the submitter's key record")]
    ReplyTo,
    /// The project is not known, or no data owner of this TRE has signed it.
    #[error("no data owner of this TRE has signed the project")]
    ProjectNotSigned,
    /// The project does not name this TRE.
    #[error("the project does not include this TRE")]
    ProjectNotHere,
    /// The submitter has no grant for the project here.
    #[error("the submitter has no grant as a researcher of the project at this TRE")]
    NotOnProject,
    /// A dataset is not one of the project's, or does not exist here.
    #[error("a dataset is not part of the project or does not exist at this TRE")]
    DatasetNotGranted,
    /// The project does not list the component.
    #[error("the project does not allow the component")]
    ComponentNotAllowed,
    /// No member could deliver the component.
    #[error("the component could not be obtained by its digest")]
    ComponentUnavailable,
    /// Not a component of our world, or too large.
    #[error("the component asks for more than the analysis world offers, or is not a component")]
    ComponentUnusable,
    /// Too many tasks wait here.
    #[error("too many tasks wait at this TRE; try again later")]
    Busy,
}

impl Refusal {
    /// Every refusal.
    pub const ALL: [Self; 14] = [
        Self::NotConfigured,
        Self::Expired,
        Self::Replayed,
        Self::StaleStatus,
        Self::KeyNotGood,
        Self::ReplyTo,
        Self::ProjectNotSigned,
        Self::ProjectNotHere,
        Self::NotOnProject,
        Self::DatasetNotGranted,
        Self::ComponentNotAllowed,
        Self::ComponentUnavailable,
        Self::ComponentUnusable,
        Self::Busy,
    ];

    /// The code on the wire and in JSON.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::NotConfigured => "not-configured",
            Self::Expired => "expired",
            Self::Replayed => "replayed",
            Self::StaleStatus => "stale-status",
            Self::KeyNotGood => "key-not-good",
            Self::ReplyTo => "reply-to",
            Self::ProjectNotSigned => "project-not-signed",
            Self::ProjectNotHere => "project-not-here",
            Self::NotOnProject => "not-on-project",
            Self::DatasetNotGranted => "dataset-not-granted",
            Self::ComponentNotAllowed => "component-not-allowed",
            Self::ComponentUnavailable => "component-unavailable",
            Self::ComponentUnusable => "component-unusable",
            Self::Busy => "busy",
        }
    }
}
