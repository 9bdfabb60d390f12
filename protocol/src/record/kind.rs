//! The closed set of statement kinds and their content types; a kind is never inferred from a payload.

use serde::{Deserialize, Serialize};
use std::fmt;

/// The kind of a signed statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The federation's root persons and threshold.
    Root,
    /// A person's or a node's key.
    KeyRecord,
    /// What a person may do.
    Grant,
    /// A statement that no longer counts.
    Revocation,
    /// How fresh one's knowledge of revocations is.
    Status,
    /// A project and its policy.
    Project,
    /// What may be released without a person.
    StandingApproval,
    /// A TRE that goes on from a backup.
    Recovery,
    /// What a TRE publishes of a dataset: names and types.
    Dataset,
    /// A researcher's task.
    Submission,
    /// A task called back.
    Cancellation,
    /// A word about a task under review.
    Comment,
    /// What a TRE says about a task's phase there.
    Phase,
    /// What ran at a TRE, and a commitment to its outputs.
    Run,
    /// A data owner's decision on outputs.
    Attestation,
    /// What left a TRE, and why it could.
    Release,
    /// What a TRE's log holds.
    Checkpoint,
    /// That a TRE's log only grew.
    Cosignature,
}

impl Kind {
    /// Every kind, in the order in which a newcomer should receive them: each needs only earlier ones to be understood.
    pub const ALL: [Self; 18] = [
        Self::Root,
        Self::KeyRecord,
        Self::Grant,
        Self::Revocation,
        Self::Status,
        Self::Project,
        Self::StandingApproval,
        Self::Recovery,
        Self::Dataset,
        Self::Submission,
        Self::Cancellation,
        Self::Comment,
        Self::Phase,
        Self::Run,
        Self::Attestation,
        Self::Release,
        Self::Checkpoint,
        Self::Cosignature,
    ];

    /// The kind's name in content types, topics and files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::KeyRecord => "key-record",
            Self::Grant => "grant",
            Self::Revocation => "revocation",
            Self::Status => "status",
            Self::Project => "project",
            Self::Submission => "submission",
            Self::Cancellation => "cancellation",
            Self::Phase => "phase",
            Self::Run => "run",
            Self::Attestation => "attestation",
            Self::Release => "release",
            Self::StandingApproval => "standing-approval",
            Self::Recovery => "recovery",
            Self::Dataset => "dataset",
            Self::Comment => "comment",
            Self::Checkpoint => "checkpoint",
            Self::Cosignature => "cosignature",
        }
    }

    /// `application/vnd.quintes.<kind>.v1+cbor` (COSE content type, RFC 9052 section 3.1).
    #[must_use]
    pub fn content_type(self) -> String {
        format!("application/vnd.quintes.{}.v1+cbor", self.name())
    }

    /// The kind that a content type names.
    #[must_use]
    pub fn from_content_type(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.content_type() == text)
    }

    /// Whether the key that signs it keeps a chain of what it has signed ([`crate::chain`]): what people hand in.
    #[must_use]
    pub fn is_chained(self) -> bool {
        matches!(self, Self::Submission | Self::Cancellation)
    }

    /// Whether everyone hears of it by gossip. The rest travels over direct streams.
    #[must_use]
    pub fn is_announced(self) -> bool {
        match self {
            Self::Root
            | Self::KeyRecord
            | Self::Grant
            | Self::Revocation
            | Self::Status
            | Self::Project
            | Self::StandingApproval
            | Self::Recovery
            | Self::Dataset
            | Self::Submission
            | Self::Cancellation => true,
            Self::Comment
            | Self::Phase
            | Self::Run
            | Self::Attestation
            | Self::Release
            | Self::Checkpoint
            | Self::Cosignature => false,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
