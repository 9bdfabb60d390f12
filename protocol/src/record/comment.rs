//! `comment`: a word about a task under review: a reviewer's note or question, or the submitter's answer.

use crate::record::Kind;
use crate::record::name::{require_name, require_text};
use crate::record::payload::{DECADE, Invalid, Payload, require};
use crate::record::submission::TaskId;
use crate::wire::id::StatementId;
use serde::{Deserialize, Serialize};

/// A comment. Signed by a reviewer at the TRE, or by the submitter of the task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Comment {
    /// The task.
    pub task: TaskId,
    /// The TRE at which it is under review.
    pub tre: String,
    /// The output that it is about; none for the whole task.
    pub output: Option<String>,
    /// What is said.
    pub text: String,
    /// Who may read it.
    pub to: Readers,
    /// Whether an answer is asked for: the output goes back to the submitter until there is one.
    pub question: bool,
    /// The question that it answers.
    pub answers: Option<StatementId>,
}

/// Who may read a comment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Readers {
    /// The reviewers at the TRE: it never leaves the TRE.
    Reviewers,
    /// Every member of the federation, and so the submitter: it leaves the TRE at once, unencrypted.
    Members,
}

impl Payload for Comment {
    const KIND: Kind = Kind::Comment;
    const MAX_LIFETIME_SECONDS: u64 = DECADE;

    fn subject(&self) -> String {
        self.task.to_string()
    }

    fn check(&self) -> Result<(), Invalid> {
        require_name(&self.tre, "tre")?;
        self.output.as_ref().map_or(Ok(()), |name| require_name(name, "output"))?;
        require_text(&self.text, 2_000, "text")?;
        require(!self.text.trim().is_empty(), "text", "a comment says something")?;
        require(
            !self.question || self.to == Readers::Members,
            "question",
            "a question is for the submitter, and so for every member to read",
        )?;
        require(!(self.question && self.answers.is_some()), "answers", "an answer is no question")
    }
}
