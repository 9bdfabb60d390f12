//! `submission`: a researcher's task, for named TREs, under one project.

use crate::record::Kind;
use crate::record::name::{require_name, require_text};
use crate::record::payload::{DAY, Invalid, Payload, require};
use crate::wire::id::{Digest, StatementId};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// A task's name: the id of its submission.
pub type TaskId = StatementId;

/// A task (a GA4GH TES 1.1 `tesTask` whose executor is a component).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Submission {
    /// The project under which the task runs.
    pub project: String,
    /// A name for people (TES `name`).
    pub title: String,
    /// What runs (TES `executors[0].image`).
    pub component: Digest,
    /// The component's size, in bytes.
    pub component_bytes: u64,
    /// What the component is told.
    pub parameters: BTreeMap<String, String>,
    /// The datasets that it may open.
    pub datasets: Vec<String>,
    /// The outputs that it may write; any other is refused.
    pub outputs: Vec<DeclaredOutput>,
    /// The TREs that are asked.
    pub audience: Vec<String>,
    /// Where results are encrypted to: the age recipient of the submitter's key record.
    pub reply_to: String,
}

/// An output that a task may write.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeclaredOutput {
    /// Its name.
    pub name: String,
    /// Its media type; `text/csv` is the only one so far.
    pub media_type: String,
    /// The columns that a table of the component's own making has, in their order; none = as the component writes them. Where they are
    /// declared, their names and order can carry nothing.
    pub columns: Option<Vec<String>>,
}

/// The only media type of an output.
pub const TABLE: &str = "text/csv";

impl Payload for Submission {
    const KIND: Kind = Kind::Submission;
    const MAX_LIFETIME_SECONDS: u64 = 7 * DAY;

    fn subject(&self) -> String {
        self.project.clone()
    }

    fn check(&self) -> Result<(), Invalid> {
        require_name(&self.project, "project")?;
        require_text(&self.title, 200, "title")?;
        require(!self.audience.is_empty() && self.audience.len() <= 256, "audience", "1 to 256 TREs")?;
        require(self.datasets.len() <= 64, "datasets", "at most 64 datasets")?;
        require(!self.outputs.is_empty() && self.outputs.len() <= 50, "outputs", "1 to 50 outputs")?;
        require(self.parameters.len() <= 64, "parameters", "at most 64 parameters")?;
        for name in self.audience.iter().chain(&self.datasets) {
            require_name(name, "audience or datasets")?;
        }
        for (name, text) in &self.parameters {
            require_name(name, "parameters")?;
            require_text(text, 32 * 1024, "parameters")?;
        }
        for output in &self.outputs {
            require_name(&output.name, "outputs.name")?;
            require(output.media_type == TABLE, "outputs.media_type", "an output is a table (text/csv)")?;
            let columns = output.columns.as_deref().unwrap_or_default();
            require(columns.len() <= 200, "outputs.columns", "at most 200 columns")?;
            columns.iter().try_for_each(|column| require_text(column, 63, "outputs.columns"))?;
        }
        let distinct: BTreeSet<_> = self.outputs.iter().map(|output| &output.name).collect();
        require(distinct.len() == self.outputs.len(), "outputs", "each name stands once")?;
        let distinct: BTreeSet<_> = self.audience.iter().collect();
        require(distinct.len() == self.audience.len(), "audience", "each TRE stands once")?;
        require(
            self.reply_to.starts_with("age1") && self.reply_to.len() <= 4_096,
            "reply_to",
            "results are encrypted to an age public key (age1…)",
        )
    }
}
