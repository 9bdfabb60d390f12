//! The front door: what a task handed over, in the form in which it would leave, with all that the rules say about it.

use crate::disclosure::canonical::{Canonical, NotCanonical, canonicalise, parse_csv};
use crate::disclosure::contributors::Contributors;
use crate::disclosure::hiding::Hidden;
use crate::disclosure::margins;
use crate::disclosure::policy::Policy;
use crate::disclosure::rounding::Rounding;
use crate::disclosure::rules::{Across, Report, Verdict, check_count, check_opaque, check_witnessed};
use crate::disclosure::table::Witnessed;
use std::collections::BTreeMap;
use std::fmt;
use thiserror::Error;

/// What stands under one name.
#[derive(Clone, Debug)]
pub enum Content {
    /// T1: a table that the host computed.
    Witnessed(Witnessed),
    /// T2: CSV of the component's own making.
    Opaque {
        /// The CSV.
        bytes: Vec<u8>,
        /// What the host knows about the rows that the component read.
        source: SourceFacts,
    },
}

/// What the host knows about the rows that a component read, and how an output of its own making compares with them. It never leaves the TRE:
/// there is no `Serialize`, and `Debug` is redacted. The default knows nothing.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct SourceFacts {
    /// Rows that the component read from the database.
    pub rows_read: u64,
    /// Distinct subjects among them; 0 where the rows carried none.
    pub subjects_read: u64,
    /// Whether the output's cells were looked up among the source's keys and rows: otherwise the fields below say nothing.
    pub probed: bool,
    /// By column of the output (in lower case): how many of its cells are keys of the source.
    pub key_hits: BTreeMap<String, u64>,
    /// Rows of the output that share three columns or more with a row of the source.
    pub equal_rows: u64,
}

/// What the host knows never reaches a log.
impl fmt::Debug for SourceFacts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SourceFacts(..)")
    }
}

/// One output as it was handed over.
#[derive(Clone, Debug)]
pub struct Given {
    /// Its declared name.
    pub name: String,
    /// The columns that the task declared for it, when it is of the component's own making.
    pub columns: Option<Vec<String>>,
    /// What it holds.
    pub content: Content,
}

/// One output as it would leave, with what stays.
#[derive(Clone, Debug)]
pub struct Checked {
    /// Its declared name.
    pub name: String,
    /// What would leave: hidden and rounded as the policy asks.
    pub canonical: Canonical,
    /// What the rules say about it.
    pub report: Report,
    /// Who stands behind its figures, by row and column of the canonical table; `None` where a figure is hidden. Empty for what the node did
    /// not compute.
    pub contributors: Contributors,
}

/// Why outputs cannot be shown to a person as they would leave.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum NotReviewable {
    /// No canonical form.
    #[error("the output `{name}` has no canonical form: {cause}")]
    Form {
        /// The declared name.
        name: String,
        /// What is in the way; it names places, never content.
        cause: NotCanonical,
    },
    /// A rule refuses it outright: its size, or how many there are.
    #[error("the output `{name}` is refused: {reason}")]
    Refused {
        /// The declared name.
        name: String,
        /// The rule's sentence.
        reason: String,
    },
}

/// Hides and rounds as the policy asks, gives every output its one form, and runs every rule over each output and over all together.
///
/// # Errors
/// [`NotReviewable`] names the first output that nobody can review: it has no canonical form, it is too large, or there are too many.
pub fn check_outputs(given: Vec<Given>, policy: &Policy) -> Result<Vec<Checked>, NotReviewable> {
    let count = check_count(given.len(), policy);
    if let (Verdict::Refused, Some(first)) = (count.verdict, given.first()) {
        return Err(NotReviewable::Refused { name: first.name.clone(), reason: count.reason });
    }
    let mut tables: Vec<&Witnessed> = Vec::new();
    for given in &given {
        if let Content::Witnessed(witnessed) = &given.content {
            tables.push(witnessed);
        }
    }
    let mut hidden: Vec<Hidden> = tables
        .iter()
        .map(|table| if policy.suppress { Hidden::failing(table, policy) } else { Hidden::default() })
        .collect();
    let across = margins::protect(&tables, &mut hidden, policy);
    let mut beside = hidden.into_iter().zip(across);
    given.into_iter().map(|given| check_one(given, || beside.next().unwrap_or_default(), policy)).collect()
}

fn check_one(
    given: Given,
    beside: impl FnOnce() -> (Hidden, Vec<Across>),
    policy: &Policy,
) -> Result<Checked, NotReviewable> {
    let Given { name, columns, content } = given;
    let formless = |cause| NotReviewable::Form { name: name.clone(), cause };
    let (canonical, report, contributors) = match content {
        Content::Witnessed(mut witnessed) => {
            let (hidden, across) = beside();
            hidden.apply(&mut witnessed.table);
            Rounding::of(policy).apply(&mut witnessed.table, &witnessed.evidence);
            let canonical = canonicalise(&witnessed.table, &policy.form(None)).map_err(formless)?;
            let report = check_witnessed(&canonical, &witnessed, &hidden, &across, policy);
            let contributors = hidden.reorder(&witnessed.contributors, &canonical);
            (canonical, report, contributors)
        }
        Content::Opaque { bytes, source } => {
            let table = parse_csv(&bytes).map_err(formless)?;
            let canonical = canonicalise(&table, &policy.form(columns)).map_err(formless)?;
            let report = check_opaque(&canonical, &source, policy);
            (canonical, report, Contributors::default())
        }
    };
    if report.verdict == Verdict::Refused {
        let refused = report.findings.iter().find(|finding| finding.verdict == Verdict::Refused);
        let reason = refused.map_or_else(|| report.summary.clone(), |finding| finding.reason.clone());
        return Err(NotReviewable::Refused { name, reason });
    }
    Ok(Checked { name, canonical, report, contributors })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
mod tests;
