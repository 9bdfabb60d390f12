//! Which figures of an output a data owner must look at, and why: exact where the host witnessed them, never more than a question where not.
//!
//! Every rule is a total function: whatever stands in the data, NaN and the infinities included, gives a verdict, and doubt is `review`.

pub(crate) mod figures;
mod opaque;
mod shape;

use crate::disclosure::canonical::{Canonical, NotCanonical, Place};
use crate::disclosure::check::SourceFacts;
use crate::disclosure::hiding::Hidden;
use crate::disclosure::identifiers;
pub use crate::disclosure::policy::{Policy, UnsoundPolicy};
use crate::disclosure::report::{About, Book, sentence};
pub use crate::disclosure::report::{
    Finding, LISTED_FINDINGS, RULES_VERSION, Report, Rule, Tally, Verdict, checker_digest,
};
use crate::disclosure::table::{Tier, Witnessed};

/// An output in its canonical form, with what the host knows about it.
#[derive(Clone, Copy, Debug)]
pub enum Checkable<'a> {
    /// T1. `canonical` was made from `witnessed`'s table.
    Witnessed {
        /// What would leave.
        canonical: &'a Canonical,
        /// What stays.
        witnessed: &'a Witnessed,
    },
    /// T2.
    Opaque {
        /// What would leave.
        canonical: &'a Canonical,
    },
}

/// Checks one output against a policy, by itself: nothing is blanked, and nothing is known about the source of what a component computed.
/// [`check_outputs`](crate::disclosure::check::check_outputs) does more.
#[must_use]
pub fn check(output: &Checkable<'_>, policy: &Policy) -> Report {
    match output {
        Checkable::Witnessed { canonical, witnessed } => {
            check_witnessed(canonical, witnessed, &Hidden::default(), &[], policy)
        }
        Checkable::Opaque { canonical } => check_opaque(canonical, &SourceFacts::default(), policy),
    }
}

/// A doubt that arose over several tables, by the rows and columns in which the host made this one.
#[derive(Clone)]
pub(crate) struct Across {
    /// The rule.
    pub rule: Rule,
    /// What it says.
    pub verdict: Verdict,
    /// The figure.
    pub place: Place,
    /// Why.
    pub reason: String,
}

/// The report on a table that the host computed, some cells of which are blank.
pub(crate) fn check_witnessed(
    canonical: &Canonical,
    witnessed: &Witnessed,
    hidden: &Hidden,
    across: &[Across],
    policy: &Policy,
) -> Report {
    let mut book = Book::new(canonical.schema());
    figures::check(&mut book, canonical, witnessed, hidden, policy);
    shape::check_classes(&mut book, canonical, witnessed, policy);
    shape::check_rows(&mut book, canonical, witnessed);
    identifiers::check(&mut book, canonical, &SourceFacts::default());
    if !across.is_empty() {
        // Host-made tables keep the order of their columns; rows were sorted.
        let mut now = vec![0; canonical.table().rows.len()];
        for row in 0..now.len() {
            if let Some(origin) = canonical.origin(Place { row, column: 0 }) {
                now[origin.row] = row;
            }
        }
        for Across { rule, verdict, place, reason } in across {
            let place = Place { row: now.get(place.row).copied().unwrap_or(place.row), column: place.column };
            book.note(*rule, *verdict, About::Cell(place), || reason.clone());
        }
    }
    if hidden.any() {
        book.pass(Rule::ComplementarySuppression);
    }
    if policy.rounding_base > 1 {
        book.pass(Rule::Rounding);
    }
    check_form(&mut book, canonical, policy);
    book.close(Tier::Witnessed)
}

/// The report on a table that the component computed.
pub(crate) fn check_opaque(canonical: &Canonical, source: &SourceFacts, policy: &Policy) -> Report {
    let mut book = Book::new(canonical.schema());
    opaque::check(&mut book, canonical, source, policy);
    identifiers::check(&mut book, canonical, source);
    check_form(&mut book, canonical, policy);
    book.close(Tier::Opaque)
}

/// The report on an output that has no canonical form.
#[must_use]
pub fn refused(tier: Tier, refusal: &NotCanonical) -> Report {
    let rule = match refusal {
        NotCanonical::Payload(_) => Rule::Payload,
        NotCanonical::Formula(_) => Rule::Formula,
        _ => Rule::TypeAndSize,
    };
    let mut book = Book::new(&[]);
    book.note(rule, Verdict::Refused, About::Output, || sentence(&refusal.to_string()));
    book.close(tier)
}

/// Whether a task hands over no more outputs than the policy allows.
#[must_use]
pub fn check_count(outputs: usize, policy: &Policy) -> Finding {
    let (verdict, reason) = if exceeds(outputs, policy.maximum_outputs) {
        (Verdict::Refused, format!("The task hands over more than {} outputs.", policy.maximum_outputs))
    } else {
        (Verdict::Pass, format!("The task hands over at most {} outputs.", policy.maximum_outputs))
    };
    Finding { rule: Rule::TypeAndSize, verdict, row: None, column: None, reason }
}

/// What the canonical form tells: its size, and the figures that had no finite number.
fn check_form(book: &mut Book, canonical: &Canonical, policy: &Policy) {
    for place in canonical.replaced() {
        book.note(Rule::NotFinite, Verdict::Review, About::Cell(*place), || {
            "This figure was not a finite number and is shown empty; ask why before it leaves.".to_owned()
        });
    }
    let bounds = [
        ("bytes", canonical.bytes().len(), policy.maximum_bytes),
        ("rows", canonical.table().rows.len(), policy.maximum_rows),
        ("columns", canonical.schema().len(), policy.maximum_columns),
    ];
    for (what, size, most) in bounds {
        let verdict = if exceeds(size, most) { Verdict::Refused } else { Verdict::Pass };
        book.note(Rule::TypeAndSize, verdict, About::Output, || {
            format!("The output has more than {most} {what}; ask for a summary.")
        });
    }
    // The canonical form has no room for either.
    book.pass(Rule::Payload);
    book.pass(Rule::Formula);
}

fn exceeds(size: usize, most: u64) -> bool {
    u64::try_from(size).unwrap_or(u64::MAX) > most
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
mod tests;
