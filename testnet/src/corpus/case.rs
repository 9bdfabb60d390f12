//! A labelled output: what would leave, whether that is safe, which rule should say so if not, and why, decided before any verdict was seen.

use protocol::disclosure::check::{Content, Given, NotReviewable, SourceFacts};
use protocol::disclosure::policy::Policy;
use protocol::disclosure::rules::{Finding, Report, Rule, Verdict, refused};
use protocol::disclosure::table::{Tier, Witnessed};
use std::collections::BTreeSet;

/// What a data owner's handbook says of an output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Label {
    /// It may leave.
    Safe,
    /// It may not, or not without somebody's thought; one of these rules is to say so.
    Bad(&'static [Rule]),
}

/// A labelled output, with whatever would leave beside it, and what left before.
pub(crate) struct Case {
    /// What it is.
    pub(crate) name: String,
    /// Whether it is safe.
    pub(crate) label: Label,
    /// Why.
    pub(crate) why: &'static str,
    /// The outputs of the task.
    pub(crate) given: Vec<Given>,
    /// The outputs of tasks that left before, one each.
    pub(crate) earlier: Vec<Given>,
    /// What the project asks for.
    pub(crate) policy: Policy,
}

impl Case {
    /// A safe one.
    pub(crate) fn safe(name: impl Into<String>, why: &'static str, given: Given) -> Self {
        Self::of(name, Label::Safe, why, given)
    }

    /// One that one of these rules should flag.
    pub(crate) fn bad(name: impl Into<String>, rules: &'static [Rule], why: &'static str, given: Given) -> Self {
        Self::of(name, Label::Bad(rules), why, given)
    }

    fn of(name: impl Into<String>, label: Label, why: &'static str, given: Given) -> Self {
        Self { name: name.into(), label, why, given: vec![given], earlier: Vec::new(), policy: Policy::default() }
    }

    /// The same under another policy.
    pub(crate) fn under(self, policy: Policy) -> Self {
        Self { policy, ..self }
    }

    /// The same with another output beside it.
    pub(crate) fn beside(mut self, given: Given) -> Self {
        self.given.push(given);
        self
    }

    /// The same after something else left.
    pub(crate) fn after(mut self, earlier: Given) -> Self {
        self.earlier.push(earlier);
        self
    }
}

/// An output that the host computed.
pub(crate) fn witnessed(name: &str, table: Witnessed) -> Given {
    Given { name: name.to_owned(), columns: None, content: Content::Witnessed(table) }
}

/// An output that the component computed, with what the host knows of its source; the columns are declared as they are written.
pub(crate) fn opaque(csv: &str, source: SourceFacts) -> Given {
    let header = csv.lines().next().unwrap_or_default();
    let columns = header.split(',').map(str::to_owned).collect();
    let bytes = csv.as_bytes().to_vec();
    Given { name: "output".to_owned(), columns: Some(columns), content: Content::Opaque { bytes, source } }
}

/// A source of so many rows and subjects, none of which stands in the output.
pub(crate) fn source(rows_read: u64, subjects_read: u64) -> SourceFacts {
    SourceFacts { rows_read, subjects_read, probed: true, ..SourceFacts::default() }
}

/// The rules that flag an output. This is the one place that says what "flagged" means:
///
/// - of a table that the host computed: every doubt, because without one it would leave by a standing approval;
/// - of what a component computed: a doubt about a row, a column or a cell, and every failure. The questions about the whole that every
///   opaque output is asked are none: they stand there whatever it holds.
pub(crate) fn flagged(report: &Report) -> BTreeSet<Rule> {
    let counts = |finding: &&Finding| {
        let specific = finding.row.is_some() || finding.column.is_some() || finding.verdict > Verdict::Review;
        finding.verdict >= Verdict::Review && (report.tier == Tier::Witnessed || specific)
    };
    report.findings.iter().filter(counts).map(|finding| finding.rule).collect()
}

/// The rules that flag the outputs of a task; a refusal is a flag of the rule that refuses.
pub(crate) fn flagged_of(checked: &Result<Vec<Report>, NotReviewable>) -> BTreeSet<Rule> {
    match checked {
        Ok(reports) => reports.iter().flat_map(flagged).collect(),
        Err(NotReviewable::Form { cause, .. }) => flagged(&refused(Tier::Opaque, cause)),
        Err(NotReviewable::Refused { .. }) => BTreeSet::from([Rule::TypeAndSize]),
    }
}
